//! Random writes compared with a model that is a map: each answer, each record, and in the end each
//! file as git and another parser see it.

use std::collections::BTreeMap;

use headwater_testkit::git;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, TestServer, people};
use crate::kills::Random;

const TOKEN: &str = "the-token-of-the-model";

/// The number of sequences of thirty writes; a variable sets more.
fn sequences() -> usize {
    let sequences = std::env::var("HEADWATER_WRITE_SEQUENCES").ok();
    sequences.and_then(|sequences| sequences.parse().ok()).unwrap_or(12)
}

/// The expected records, and the tags that their answers had.
#[derive(Default)]
struct Model {
    records: BTreeMap<String, Value>,
    tags: BTreeMap<String, String>,
    /// A tag that some record once had.
    stale: Option<String>,
}

/// One write.
#[derive(Debug)]
enum Op {
    Put(String, Value),
    Create(String, Value),
    Patch(String, Value),
    Delete(String),
}

/// The condition in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Any,
    Known,
    Stale,
    Absent,
}

impl Op {
    fn roll(dice: &mut Random) -> Self {
        let key = format!("k{}", dice.below(7));
        match dice.below(10) {
            0..4 => Self::Put(key.clone(), record(&key, dice)),
            4 => Self::Create(key.clone(), record(&key, dice)),
            5..8 => {
                let mut patch = record(&key, dice);
                patch.as_object_mut().unwrap().retain(|_, _| dice.below(2) == 0);
                if dice.below(3) == 0 {
                    patch["age"] = Value::Null;
                }
                Self::Patch(key, patch)
            }
            _ => Self::Delete(key),
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Put(key, _) | Self::Create(key, _) | Self::Patch(key, _) | Self::Delete(key) => {
                key
            }
        }
    }
}

/// Returns a record with values that are difficult for files.
fn record(key: &str, dice: &mut Random) -> Value {
    let texts = [
        "",
        "plain",
        "a \"quote\" and 'two'",
        "lines\nand\r\nmore\n",
        "\\back\\slash",
        "ünï",
        "\t",
    ];
    let text = texts[dice.below(texts.len() as u64) as usize];
    let mut record = json!({ "slug": key, "age": dice.below(5), "bio": text });
    match dice.below(4) {
        0 => record["tags"] = json!(["b", "a", text]),
        1 => record["at"] = json!({ "x": { "y": dice.below(9) }, "z": [] }),
        2 => record["list"] = json!([{ "n": 1 }, { "n": dice.below(3) }]),
        _ => {}
    }
    record
}

/// RFC 7396, as specified there.
fn merged(target: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = target.as_object().cloned().unwrap_or_default();
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            let old = target.get(name).cloned().unwrap_or_default();
            target.insert(name.clone(), merged(&old, value));
        }
    }
    Value::Object(target)
}

impl Model {
    /// Returns the expected status of the write, and applies it.
    fn step(&mut self, op: &Op, when: When) -> u16 {
        let there = self.records.get(op.key()).cloned();
        let is_met = match when {
            When::Any => true,
            When::Known => there.is_some(),
            When::Stale => false,
            When::Absent => there.is_none(),
        };
        if !is_met && !matches!(op, Op::Create(..)) {
            return 412;
        }
        match (op, there) {
            (Op::Put(key, value), there) => {
                self.records.insert(key.clone(), value.clone());
                if there.is_some() { 200 } else { 201 }
            }
            (Op::Create(..), Some(_)) => 409,
            (Op::Create(key, value), None) => {
                self.records.insert(key.clone(), value.clone());
                201
            }
            (Op::Patch(..) | Op::Delete(_), None) => 404,
            (Op::Patch(key, patch), Some(there)) => {
                self.records.insert(key.clone(), merged(&there, patch));
                200
            }
            (Op::Delete(key), Some(_)) => {
                self.records.remove(key);
                204
            }
        }
    }
}

fn send(server: &TestServer, op: &Op, when: When, model: &Model) -> Answer {
    let path = format!("/api/people/{}", op.key());
    let call = match op {
        Op::Put(_, value) => server.request(Method::PUT, &path).json(value),
        Op::Create(_, value) => server.request(Method::POST, "/api/people").json(value),
        Op::Patch(_, patch) => server.request(Method::PATCH, &path).json(patch),
        Op::Delete(_) => server.request(Method::DELETE, &path),
    };
    let never = "\"00000000000000000000000000000000\"".to_owned();
    let call = match when {
        When::Any => call,
        When::Known => call.header("if-match", model.tags.get(op.key()).unwrap_or(&never)),
        When::Stale => call.header("if-match", model.stale.as_ref().unwrap_or(&never)),
        When::Absent => call.header("if-none-match", "*"),
    };
    server.send(call.bearer_auth(TOKEN))
}

#[test]
fn whatever_is_written_in_whatever_order_the_answers_and_the_files_are_those_of_a_map() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens.toml");
    let text =
        format!("[[token]]\nname = \"m\"\nsecret = \"{TOKEN}\"\nauthor = \"M <m@example.org>\"\n");
    std::fs::write(&tokens, text).unwrap();
    let upstream = people();
    let settings =
        [("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap()), ("HEADWATER_PUSH", "off")];
    let server = TestServer::with(&upstream.url(), &settings);
    let (mut model, mut dice) = (Model::default(), Random::new(0x1234_5678_9abc_def1));
    let count = |server: &TestServer| git(server.mirror(), ["rev-list", "--count", "HEAD"]);
    for sequence in 0..sequences() {
        for step in 0..30 {
            let op = Op::roll(&mut dice);
            let when = match (dice.below(6), &op) {
                (_, Op::Create(..)) | (0..3, _) => When::Any,
                (3, _) => When::Known,
                (4, _) => When::Stale,
                _ => When::Absent,
            };
            let before = model.records.get(op.key()).cloned();
            let answer = send(&server, &op, when, &model);
            let expected = model.step(&op, when);
            let case = format!("sequence {sequence} step {step}: {op:?} {when:?}");
            assert_eq!(
                answer.status,
                expected,
                "{case}: {}",
                String::from_utf8_lossy(&answer.body)
            );
            let after = model.records.get(op.key());
            if answer.status < 300 && answer.status != 204 {
                let body = answer.json();
                assert_eq!(Some(&body["value"]), after, "{case}");
                assert_eq!(body["changed"], json!(before.as_ref() != after), "{case}");
            }
            let read = server.get(&format!("/api/people/{}", op.key()));
            match after {
                Some(value) => {
                    assert_eq!(&read.json(), value, "{case}");
                    let tag = read.header("etag").unwrap().to_owned();
                    let old = model.tags.insert(op.key().to_owned(), tag.clone());
                    model.stale = old.filter(|old| *old != tag).or(model.stale.take());
                    model.stale =
                        model.stale.take().filter(|stale| !model.tags.values().any(|t| t == stale));
                }
                None => {
                    assert_eq!(read.status, 404, "{case}");
                    model.tags.remove(op.key());
                }
            }
        }
    }
    // Compared by git and the newer of the two parsers, which shares nothing with the writer.
    for (key, value) in &model.records {
        let file = git(server.mirror(), ["cat-file", "blob", &format!("HEAD:people/{key}.toml")]);
        let read: toml::Table = format!("{file}\n").parse().unwrap();
        assert_eq!(&serde_json::to_value(read).unwrap(), value, "{file}");
    }
    git(server.mirror(), ["fsck", "--strict", "--no-dangling"]);
    println!("{} sequences, {} commits", sequences(), count(&server).trim());
}
