//! People and their tokens, against an issuer on a real socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use headwater_engine::id::SheetName;
use headwater_engine::view::{HiddenRecords, SheetNames, View};
use headwater_engine::write::Scope;
use headwater_testkit::corpus::SplitMix64;
use headwater_testkit::issuer::token;
use headwater_testkit::{KeysAnswer, SigningKey, TestIssuer};
use serde_json::{Value, json};

use super::authenticator::Authenticator;
use super::caller::{Caller, CallerId, NotWriter};
use super::credential::{Changes, Refused};
use super::file::AccessFile;
use super::issuer::Issuer;
use super::jwt::Claimed;
use super::key_cache::KeyCache;
use crate::config::AccessFilePath;
use crate::config::watched_file::replace;

/// An issuer, a key of each kind, and the claims of a valid token.
struct World {
    issuer: TestIssuer,
    keys: [SigningKey; 3],
}

impl World {
    fn new() -> Self {
        let keys = [SigningKey::rs256("r"), SigningKey::es256("e"), SigningKey::ed25519("d")];
        Self { issuer: TestIssuer::start(KeysAnswer::Keys(keys.to_vec())), keys }
    }

    fn ed(&self) -> &SigningKey {
        &self.keys[2]
    }

    fn access(&self) -> String {
        let (url, keys) = (self.issuer.url(), self.issuer.keys_url());
        format!(
            "anonymous = {{ read = [\"people\"] }}\n\
             [[issuer]]\nissuer = \"{url}\"\naudience = \"headwater\"\njwks = \"{keys}\"\n\
             author = \"${{{{ name }}}} <${{{{ email }}}}>\"\nrate = 20\n\
             [issuer.claims.groups]\n\
             editors = {{ read = [\"*\"], write = [\"people\"] }}\n\
             staff = {{ read = [\"team\"], hidden = true }}\n\
             [issuer.claims.role]\nbot = {{ write = [\"tags\"] }}\n\
             [issuer.claims.email]\n\"boss@example.org\" = {{ read = [\"*\"] }}\n"
        )
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.issuer.url(), "aud": "headwater", "sub": "ada|1", "exp": now() + 600,
            "name": "Ada", "email": "ada@example.org", "groups": ["staff", "others"],
        })
    }

    /// Returns the claims with these others; one that is null is left out.
    fn with(&self, others: Value) -> String {
        let mut claims = self.claims();
        for (name, value) in others.as_object().unwrap() {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(name),
                value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        claims.to_string()
    }

    fn authenticator(&self) -> (Authenticator, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.toml");
        std::fs::write(&path, self.access()).unwrap();
        let setting = "--access-file".to_owned();
        let file = AccessFilePath { setting, path };
        (Authenticator::read(Some(file), None).unwrap_or_else(|error| panic!("{error}")), folder)
    }

    /// Returns the issuer as the server sees it, with `pause` between two questions.
    fn seen(&self, pause: Duration) -> Issuer {
        self.seen_by(pause, Changes::default())
    }

    /// The same, with those whom it tells of new keys.
    fn seen_by(&self, pause: Duration, changes: Changes) -> Issuer {
        let file = AccessFile::parse(Path::new("access.toml"), &self.access());
        let file = file.unwrap_or_else(|error| panic!("{error}"));
        let settings = file.issuers[0].clone();
        let keys = Arc::new(KeyCache::with_pause(settings.keys.clone(), pause, changes));
        Issuer::new(settings, View::PUBLIC, keys)
    }
}

/// Returns the seconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

async fn person(issuer: &Issuer, token: &str) -> Option<Arc<Caller>> {
    let valid = issuer.person(&Claimed::read(token.as_bytes())?, SystemTime::now()).await;
    valid.ok().map(|valid| valid.caller)
}

/// Longer than any test.
const HOUR: Duration = Duration::from_secs(3_600);

/// Longer than an answer takes on a busy machine.
const A_MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_valid_token_of_each_algorithm_is_its_person() {
    let world = World::new();
    let (authenticator, _folder) = world.authenticator();
    let everybody = authenticator.reader(None).await.unwrap();
    for key in &world.keys {
        let token = key.token(&world.claims().to_string());
        for _ in 0..2 {
            let caller = authenticator.reader(Some(token.as_bytes())).await.unwrap();
            let (issuer, subject) = (world.issuer.url().into(), "ada|1".into());
            assert_eq!(caller.id, CallerId::Person { issuer, subject });
            assert_eq!(caller.rate.map(|rate| rate.get()), Some(20));
            let view = &caller.grants.view;
            assert_eq!(view.hidden, HiddenRecords::Shown);
            let sheets = ["people", "team", "tags"].map(SheetName::new);
            assert_eq!(
                sheets.each_ref().map(|sheet| view.any.contains(sheet)),
                [false, true, false]
            );
            let public = sheets
                .each_ref()
                .map(|sheet| view.any.contains(sheet) || view.public.contains(sheet));
            assert_eq!(
                public,
                [true, true, false],
                "what everybody reads, and the sheets of staff"
            );
            assert_eq!(caller.writer(), Err(NotWriter::NoGrant));
        }
    }
    assert_eq!(world.issuer.asked(), 1);
    for (others, write) in [
        (json!({ "groups": "editors" }), Scope::Only([SheetName::new("people")].into())),
        (
            json!({ "groups": ["staff", "editors"], "role": "bot" }),
            Scope::Only(["people", "tags"].map(SheetName::new).into()),
        ),
        (json!({ "groups": "edit" }), Scope::nothing()),
        (json!({ "groups": [["editors"]] }), Scope::nothing()),
        (json!({ "groups": { "editors": true } }), Scope::nothing()),
        (json!({ "groups": null }), Scope::nothing()),
    ] {
        let token = world.ed().token(&world.with(others.clone()));
        let caller = authenticator.reader(Some(token.as_bytes())).await.unwrap();
        assert_eq!(caller.grants.write, write, "{others}");
        if write.is_nothing() {
            assert_eq!(caller.grants.view, everybody.grants.view, "{others}");
        }
    }
}

#[tokio::test]
async fn a_person_is_the_author_of_its_writes_and_lacks_a_claim_only_there() {
    let world = World::new();
    let (authenticator, _folder) = world.authenticator();
    let issuer = world.issuer.url().replace("http://", "");
    for (others, expected) in [
        (json!({}), Ok("ada@example.org")),
        (json!({ "email": null }), Err(NotWriter::NoClaim { claim: "email".to_owned() })),
        (json!({ "email_verified": false }), Err(NotWriter::NoClaim { claim: "email".to_owned() })),
        (json!({ "name": "\n" }), Err(NotWriter::NoClaim { claim: "name".to_owned() })),
        (json!({ "email": "a b" }), Err(NotWriter::NoAuthor)),
    ] {
        let mut others = others;
        others["groups"] = json!(["editors"]);
        let token = world.ed().token(&world.with(others));
        let reads = authenticator.reader(Some(token.as_bytes())).await;
        assert!(reads.is_ok());
        let writer = authenticator.writer(token.as_bytes()).await.unwrap().writer();
        if let Ok(writer) = &writer {
            assert_eq!(writer.name, format!("{issuer}:ada|1"));
        }
        let author = writer.as_ref().map(|writer| writer.author.address());
        assert_eq!(author.map_err(Clone::clone), expected);
    }
}

/// Returns tokens that are wrong, each with its flaw.
fn wrong_tokens(world: &World) -> Vec<(&'static str, String)> {
    let claims = world.claims().to_string();
    let [rsa, ec, ed] = &world.keys;
    let stranger = SigningKey::ed25519("d");
    let with = |others: Value| ed.token(&world.with(others));
    let header =
        |more: &str| ed.token_with(&format!(r#"{{"alg":"EdDSA","kid":"d"{more}}}"#), &claims);
    let confused = |algorithm: hmac::Algorithm, name: &str, key: &SigningKey, secret: &[u8]| {
        let header = format!(r#"{{"alg":"{name}","typ":"JWT","kid":"{}"}}"#, key.id());
        let key = hmac::Key::new(algorithm, secret);
        token(&header, &claims, |message| hmac::sign(&key, message).as_ref().to_vec())
    };
    let hs256 = |key: &SigningKey, secret: &[u8]| confused(hmac::HMAC_SHA256, "HS256", key, secret);
    let none = |alg: &str| token(&format!(r#"{{"alg":"{alg}"}}"#), &claims, |_| Vec::new());
    let valid = ed.token(&claims);
    let (signed, signature) = valid.rsplit_once('.').unwrap();
    let (head, payload) = signed.split_once('.').unwrap();
    let other = ed.token(&world.with(json!({ "sub": "eve" })));
    let other_payload = other.split('.').nth(1).unwrap();
    let jwk = stranger.jwk();
    vec![
        ("empty", String::new()),
        ("dots", "..".to_owned()),
        ("no signature", signed.to_owned()),
        ("an empty signature", format!("{signed}.")),
        ("a part too many", format!("{valid}.{signature}")),
        ("padding", format!("{valid}=")),
        ("a space", format!("{head}.{payload} .{signature}")),
        ("the signature of others", format!("{head}.{other_payload}.{signature}")),
        ("alg none", none("none")),
        ("alg None", none("None")),
        ("alg NONE", none("NONE")),
        ("alg empty", none("")),
        ("HMAC with the RSA key", hs256(rsa, &rsa.public_bytes())),
        ("HMAC with the text of the RSA key", hs256(rsa, rsa.jwk().as_bytes())),
        ("HMAC with the EC key", hs256(ec, &ec.public_bytes())),
        ("HMAC with the Ed key", hs256(ed, &ed.public_bytes())),
        ("HMAC without a secret", hs256(ed, b"")),
        ("HMAC 512", confused(hmac::HMAC_SHA512, "HS512", rsa, &rsa.public_bytes())),
        ("the algorithm of another key", ed.token_with(r#"{"alg":"ES256","kid":"d"}"#, &claims)),
        ("the key of another algorithm", ed.token_with(r#"{"alg":"EdDSA","kid":"r"}"#, &claims)),
        ("RSA as PSS", rsa.token_with(r#"{"alg":"PS256","kid":"r"}"#, &claims)),
        ("RSA as RS512", rsa.token_with(r#"{"alg":"RS512","kid":"r"}"#, &claims)),
        ("no algorithm", ed.token_with(r#"{"kid":"d"}"#, &claims)),
        ("a key of the same name", stranger.token(&claims)),
        ("an unknown key", SigningKey::ed25519("x").token(&claims)),
        ("no kid, and another key", stranger.token_with(r#"{"alg":"EdDSA"}"#, &claims)),
        ("a kid that is no text", ed.token_with(r#"{"alg":"EdDSA","kid":1}"#, &claims)),
        ("jku", header(r#","jku":"https://evil.example.org/keys""#)),
        ("x5u", header(r#","x5u":"https://evil.example.org/cert""#)),
        ("x5c", header(r#","x5c":["AAAA"]"#)),
        ("jwk", header(&format!(r#","jwk":{}"#, ed.jwk()))),
        (
            "jwk of the signer",
            stranger.token_with(&format!(r#"{{"alg":"EdDSA","kid":"d","jwk":{jwk}}}"#), &claims),
        ),
        ("crit", header(r#","crit":["b64"],"b64":true"#)),
        ("unencoded", header(r#","crit":["b64"],"b64":false"#)),
        ("compressed", header(r#","zip":"DEF""#)),
        ("another type", header(r#","typ":"logout+jwt""#)),
        ("expired", with(json!({ "exp": now() - 70 }))),
        ("expired long ago", with(json!({ "exp": 1 }))),
        ("another audience, expired", with(json!({ "aud": "other", "exp": now() - 70 }))),
        ("another issuer, expired", with(json!({ "iss": "https://a.example", "exp": now() - 70 }))),
        ("a key of the same name, expired", stranger.token(&world.with(json!({ "exp": 1 })))),
        ("no exp", with(json!({ "exp": null }))),
        ("exp as text", with(json!({ "exp": (now() + 600).to_string() }))),
        ("exp below zero", with(json!({ "exp": -1 }))),
        ("exp without end", with(json!({ "exp": 1e300 }))),
        ("not yet", with(json!({ "nbf": now() + 90 }))),
        ("nbf as text", with(json!({ "nbf": "later" }))),
        ("another audience", with(json!({ "aud": "other" }))),
        ("other audiences", with(json!({ "aud": ["other", "headwater2"] }))),
        ("no audience", with(json!({ "aud": [] }))),
        ("aud is missing", with(json!({ "aud": null }))),
        ("aud is a table", with(json!({ "aud": { "headwater": true } }))),
        ("another issuer", with(json!({ "iss": "https://login.example.org" }))),
        ("the issuer with a slash", with(json!({ "iss": format!("{}/", world.issuer.url()) }))),
        ("a list of issuers", with(json!({ "iss": [world.issuer.url()] }))),
        ("iss is missing", with(json!({ "iss": null }))),
        ("sub is missing", with(json!({ "sub": null }))),
        ("sub is empty", with(json!({ "sub": "" }))),
        ("sub is long", with(json!({ "sub": "x".repeat(256) }))),
        ("sub with a line", with(json!({ "sub": "a\nb" }))),
        ("sub is a number", with(json!({ "sub": 7 }))),
        ("claims that are a list", ed.token("[]")),
        ("claims that are none", ed.token("")),
        ("claims in Latin 1", token(r#"{"alg":"EdDSA","kid":"d"}"#, "\u{ff}", |m| ed.sign(m))),
        ("very long", with(json!({ "name": "x".repeat(20_000) }))),
    ]
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_it_opens_nothing_with_one_answer() {
    let world = World::new();
    let (authenticator, _folder) = world.authenticator();
    let valid = world.ed().token(&world.claims().to_string());
    assert!(authenticator.reader(Some(valid.as_bytes())).await.is_ok());
    for (flaw, wrong) in wrong_tokens(&world) {
        // A genuine token is no guess when its time has passed. The answer is the same.
        let told = match flaw.starts_with("expired") {
            true => Refused::Expired,
            false => Refused::Wrong,
        };
        let refused = authenticator.reader(Some(wrong.as_bytes())).await;
        assert_eq!(refused, Err(told), "{flaw}");
        assert_eq!(authenticator.writer(wrong.as_bytes()).await, Err(told), "{flaw}");
    }
    // The clocks may differ by a minute, and a token may be for several.
    for right in [
        json!({ "exp": now() - 40 }),
        json!({ "nbf": now() + 40 }),
        json!({ "aud": ["other", "headwater"] }),
    ] {
        let token = world.ed().token(&world.with(right.clone()));
        assert!(authenticator.reader(Some(token.as_bytes())).await.is_ok(), "{right}");
    }
    let unnamed = world.ed().token_with(r#"{"alg":"EdDSA"}"#, &world.claims().to_string());
    assert!(authenticator.reader(Some(unnamed.as_bytes())).await.is_ok(), "the only key");
}

/// Returns the number of mutated tokens to try.
fn wrong_count() -> usize {
    let count = std::env::var("HEADWATER_WRONG_TOKENS").ok();
    count.and_then(|count| count.parse().ok()).unwrap_or(3_000)
}

#[tokio::test]
async fn a_token_that_was_changed_anywhere_opens_nothing() {
    let world = World::new();
    let issuer = world.seen(HOUR);
    let claims = world.with(json!({ "exp": now() + 86_400 }));
    let valid = world.keys.each_ref().map(|key| key.token(&claims));
    for token in &valid {
        assert!(person(&issuer, token).await.is_some());
    }
    let mut random = SplitMix64::new(24);
    let mut next = |below: usize| random.below(below);
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ";
    let (mut let_in, mut read) = (Vec::new(), 0);
    for _ in 0..wrong_count() {
        let origin = &valid[next(valid.len())];
        let mut bytes = origin.clone().into_bytes();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            match next(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, digits[next(digits.len())]),
                2 => drop(bytes.remove(at)),
                // Parts of two tokens.
                3 => {
                    let other = &valid[next(valid.len())];
                    let from = other.len().min(at);
                    bytes.splice(at.., other.as_bytes()[from..].iter().copied());
                }
                _ => bytes[at] = digits[next(digits.len())],
            }
            if bytes.is_empty() {
                bytes.push(b'.');
            }
        }
        let wrong = String::from_utf8(bytes).unwrap();
        if valid.contains(&wrong) {
            continue;
        }
        read += usize::from(Claimed::read(wrong.as_bytes()).is_some());
        if person(&issuer, &wrong).await.is_some() {
            let_in.push(wrong);
        }
    }
    assert!(let_in.is_empty(), "{let_in:?}");
    assert!(read > wrong_count() / 10, "most of them fail only by their signature: {read}");
    assert_eq!(world.issuer.asked(), 1);
}

#[tokio::test]
async fn keys_that_the_issuer_changes_are_asked_for_and_old_ones_open_nothing() {
    let world = World::new();
    let issuer = world.seen(Duration::ZERO);
    let (claims, next) = (world.claims().to_string(), SigningKey::es256("next"));
    let old = world.ed().token(&claims);
    assert!(person(&issuer, &old).await.is_some());
    assert!(person(&issuer, &next.token(&claims)).await.is_none());
    world.issuer.answer_with(KeysAnswer::Keys(vec![next.clone()]));
    assert!(person(&issuer, &next.token(&claims)).await.is_some());
    assert!(person(&issuer, &old).await.is_none(), "the issuer has withdrawn its key");
    // A key of the same name is another key, and the token is proven again.
    let same_name = SigningKey::ed25519("d");
    world.issuer.answer_with(KeysAnswer::Keys(vec![same_name.clone()]));
    assert!(person(&issuer, &same_name.token(&claims)).await.is_some());
    assert!(person(&issuer, &old).await.is_none());
}

#[tokio::test]
async fn an_issuer_may_withdraw_its_last_key() {
    let world = World::new();
    let claims = world.claims().to_string();
    let unknown = SigningKey::ed25519("x").token(&claims);
    let for_others = world.ed().jwk().replace("\"sig\"", "\"enc\"");
    for keys in ["{\"keys\":[]}".to_owned(), format!("{{\"keys\":[{for_others}]}}")] {
        world.issuer.answer_with(KeysAnswer::Keys(world.keys.to_vec()));
        let issuer = world.seen(Duration::ZERO);
        let token = world.ed().token(&claims);
        assert!(person(&issuer, &token).await.is_some());
        world.issuer.answer_with(KeysAnswer::Text(200, keys.clone()));
        assert!(person(&issuer, &unknown).await.is_none());
        assert!(person(&issuer, &token).await.is_none(), "{keys}");
    }
}

#[tokio::test]
async fn an_address_that_the_issuer_did_not_verify_grants_nothing_and_is_no_author() {
    let world = World::new();
    let issuer = world.seen(HOUR);
    for (verified, is_boss) in [
        (Value::Null, true),
        (json!(true), true),
        (json!("true"), true),
        (json!(false), false),
        (json!("false"), false),
        (json!(0), false),
    ] {
        let claims = world.with(json!({
            "email": "boss@example.org", "email_verified": verified, "groups": ["editors"],
            "role": "bot",
        }));
        let caller = person(&issuer, &world.ed().token(&claims)).await.unwrap();
        let writer = caller.writer();
        assert_eq!(writer.is_ok(), is_boss, "{verified} {writer:?}");
        let claims = world.with(json!({
            "email": "boss@example.org", "email_verified": verified, "groups": null,
        }));
        let caller = person(&issuer, &world.ed().token(&claims)).await.unwrap();
        assert_eq!(caller.grants.view.any == SheetNames::Every, is_boss, "{verified}");
    }
}

#[tokio::test]
async fn while_the_issuer_is_away_the_last_keys_stay_valid() {
    let world = World::new();
    let issuer = world.seen(Duration::ZERO);
    let claims = world.claims().to_string();
    let (known, unknown) = (world.ed().token(&claims), SigningKey::ed25519("x"));
    assert!(person(&issuer, &known).await.is_some());
    let evil = TestIssuer::start(KeysAnswer::Keys(vec![unknown.clone()]));
    for (number, answer) in [
        KeysAnswer::Text(500, String::new()),
        KeysAnswer::Text(200, "<html>".to_owned()),
        KeysAnswer::Text(200, format!("{{\"keys\":[{}]}}", " ".repeat(300 << 10))),
        KeysAnswer::Elsewhere(evil.keys_url()),
    ]
    .into_iter()
    .enumerate()
    {
        world.issuer.answer_with(answer.clone());
        assert!(person(&issuer, &unknown.token(&claims)).await.is_none(), "{answer:?}");
        assert_eq!(world.issuer.asked(), number + 2, "it was asked again");
        assert!(person(&issuer, &known).await.is_some(), "{answer:?}");
    }
    assert_eq!(evil.asked(), 0, "a redirect is not followed");
    let url = world.issuer.url();
    drop(world);
    assert!(person(&issuer, &unknown.token(&claims)).await.is_none(), "{url} is closed");
    assert!(person(&issuer, &known).await.is_some());
}

#[tokio::test]
async fn a_withdrawn_key_is_told_to_those_who_stay_and_proves_nothing_from_then_on() {
    let world = World::new();
    let changes = Changes::default();
    let mut told = changes.subscribe();
    let issuer = world.seen_by(Duration::ZERO, changes);
    let claims = world.claims().to_string();
    let token = world.ed().token(&claims);
    let known = || {
        let claimed = Claimed::read(token.as_bytes()).unwrap();
        issuer.known_person(&claimed, SystemTime::now()).map(drop)
    };
    assert_eq!(known(), Err(Refused::Wrong), "no key is known, and none is asked for");
    assert_eq!(world.issuer.asked(), 0);
    assert!(person(&issuer, &token).await.is_some());
    assert!(told.has_changed().unwrap());
    told.mark_unchanged();
    assert_eq!(known(), Ok(()));
    world.issuer.answer_with(KeysAnswer::Keys(Vec::new()));
    assert!(person(&issuer, &SigningKey::ed25519("x").token(&claims)).await.is_none());
    assert!(told.has_changed().unwrap());
    assert_eq!(known(), Err(Refused::Wrong));
}

#[tokio::test]
async fn a_flood_of_unknown_keys_is_one_question() {
    let world = World::new();
    let issuer = Arc::new(world.seen(HOUR));
    let claims = world.claims().to_string();
    let wrong = (0..200).map(|number| {
        let header = format!(r#"{{"alg":"EdDSA","kid":"unknown-{number}"}}"#);
        (issuer.clone(), world.ed().token_with(&header, &claims))
    });
    let asking = wrong.map(|(issuer, token)| {
        tokio::spawn(async move { person(&issuer, &token).await.is_some() })
    });
    let asking: Vec<_> = asking.collect();
    for asked in asking {
        assert!(!asked.await.unwrap());
    }
    assert_eq!(world.issuer.asked(), 1);
    assert!(person(&issuer, &world.ed().token(&claims)).await.is_some());
    assert_eq!(world.issuer.asked(), 1);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_end_the_question_for_others() {
    let world = Arc::new(World::new());
    let issuer = world.seen(HOUR);
    world.issuer.answer_with(KeysAnswer::Later);
    let token = world.ed().token(&world.claims().to_string());
    {
        let mut asking = Box::pin(person(&issuer, &token));
        tokio::select! {
            biased;
            _ = &mut asking => panic!("there is no answer yet"),
            () = std::future::ready(()) => {}
        }
    }
    let (asked, keys) = (world.clone(), world.keys.to_vec());
    // A thread, because a task that waits for ever would keep a test that fails from ending.
    std::thread::spawn(move || {
        asked.issuer.wait_for(1);
        asked.issuer.answer_with(KeysAnswer::Keys(keys));
    });
    let second = tokio::time::timeout(A_MINUTE, person(&issuer, &token)).await;
    assert!(second.is_ok_and(|second| second.is_some()), "the keys of the first question");
    assert_eq!(world.issuer.asked(), 1);
}

#[tokio::test]
async fn keys_may_be_in_a_file_beside_the_access_file() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let keys = format!("{{\"keys\":[{}]}}", world.ed().jwk());
    std::fs::write(folder.path().join("keys.json"), keys).unwrap();
    let path = folder.path().join("access.toml");
    let text = world.access().replace(&world.issuer.keys_url(), "keys.json");
    std::fs::write(&path, text).unwrap();
    let file = AccessFilePath { setting: "--access-file".to_owned(), path };
    let authenticator = Authenticator::read(Some(file), None).unwrap_or_else(|e| panic!("{e}"));
    let token = world.ed().token(&world.claims().to_string());
    assert!(authenticator.reader(Some(token.as_bytes())).await.is_ok());
    assert_eq!(world.issuer.asked(), 0);
}

#[tokio::test]
async fn what_the_file_says_now_holds_for_people_at_once_and_keys_stay_known() {
    let world = World::new();
    let (authenticator, folder) = world.authenticator();
    let path: PathBuf = folder.path().join("access.toml");
    let token = world.ed().token(&world.claims().to_string());
    let hidden = |caller: Arc<Caller>| caller.grants.view.hidden;
    let before = authenticator.reader(Some(token.as_bytes())).await.unwrap();
    assert_eq!(hidden(before), HiddenRecords::Shown);
    replace(&path, &world.access().replace(", hidden = true", ""));
    authenticator.refresh().await;
    let after = authenticator.reader(Some(token.as_bytes())).await.unwrap();
    assert_eq!(hidden(after), HiddenRecords::Withheld);
    assert_eq!(world.issuer.asked(), 1);
    replace(&path, "anonymous = { read = [\"*\"] }");
    authenticator.refresh().await;
    assert_eq!(authenticator.reader(Some(token.as_bytes())).await, Err(Refused::Wrong));
}

#[test]
fn an_issuer_that_breaks_a_rule_is_refused_with_its_line_and_what_would_be_right() {
    let file = "[[issuer]]\nissuer = \"https://login.example.org\"\naudience = \"headwater\"\n\
                jwks = \"https://login.example.org/keys\"\n\
                claims = { groups = { editors = { read = [\"*\"], write = [\"*\"] } } }\n\
                author = \"${{ name }} <${{ email }}>\"\n";
    let parse = |text: &str| AccessFile::parse(Path::new("access.toml"), text);
    assert!(parse(file).is_ok_and(|file| file.grants_writes()));
    for (from, to, expected) in [
        ("issuer = \"https:", "issuer = \"http:", "2: `issuer` must be an address that begins"),
        ("\"https://login.example.org\"", "\"login\"", "2: `issuer` must be an address"),
        ("audience = \"headwater\"\n", "", "1: `audience` is missing"),
        ("\"headwater\"", "\"\"", "3: `audience` must be the audience"),
        (
            "jwks = \"https:",
            "jwks = \"http:",
            "4: `jwks` must be an address that begins with `https",
        ),
        ("jwks = \"https:", "jwks = \"file:", "4: `jwks` must be an address"),
        ("jwks = \"https://login.example.org/keys\"\n", "", "1: `jwks` is missing"),
        ("editors = {", "editors = { reed = 1,", "5: this key is unknown; did you mean `read`?"),
        ("{ groups = { editors = { read = [\"*\"], write = [\"*\"] } } }", "7", "5: `claims` must"),
        ("{ read = [\"*\"], write = [\"*\"] }", "[\"*\"]", "5: `editors` must be a table"),
        ("author = \"${{ name }} <${{ email }}>\"\n", "", "1: an issuer whose people write needs"),
        ("<${{ email }}>", "", "6: `author` must be of the form `${{ name }} <${{ email }}>`"),
        ("author", "rate = 0\nauthor", "6: `rate` must be a whole number"),
    ] {
        let changed = file.replacen(from, to, 1);
        assert_ne!(changed, file, "{from}");
        let told = parse(&changed).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains(expected), "{to}: {told}");
    }
    let twice = parse(&format!("{file}{file}")).err().map(|error| error.to_string());
    assert!(twice.is_some_and(|told| told.ends_with("this issuer is there twice")));
    for local in ["http://127.0.0.1:9", "http://localhost:9/a", "http://[::1]:9"] {
        let text = file.replace("https://login.example.org", local);
        assert!(parse(&text).is_ok(), "{local}");
    }
}
