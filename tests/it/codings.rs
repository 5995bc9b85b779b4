//! Compressed answers.

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use headwater_testkit::Upstream;
use reqwest::Method;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::harness::{Answer, RELOAD_SECRET, TestServer, people, person};

fn upstream() -> Upstream {
    let mut upstream = people();
    let long = format!("bio = \"{}\"\nslug = \"long\"\n", "words and words ".repeat(200));
    let more = (0..50).map(|n| {
        let slug = format!("p{n}");
        (format!("people/{slug}.toml"), person(&slug, "Somebody", n))
    });
    let commit = upstream.commit("more").put("people/long.toml", long).put_all(more);
    let commit = commit.put("people/ada/cv.csv", "name,age\n".repeat(500));
    commit.put("people/ada/photo.png", vec![0; 4_096]).push();
    upstream
}

fn ask(server: &TestServer, method: Method, path: &str, accept: &str) -> Answer {
    server.send(server.request(method, path).header("accept-encoding", accept))
}

fn decoded(server: &TestServer, answer: &Answer) -> Vec<u8> {
    let body = &answer.body[..];
    let mut decoder: Box<dyn AsyncRead + Unpin> = match answer.header("content-encoding") {
        Some("gzip") => Box::new(GzipDecoder::new(body)),
        Some("br") => Box::new(BrotliDecoder::new(body)),
        Some("zstd") => Box::new(ZstdDecoder::new(body)),
        None => return body.to_vec(),
        other => panic!("{other:?}"),
    };
    let mut plain = Vec::new();
    server.runtime().block_on(decoder.read_to_end(&mut plain)).unwrap();
    plain
}

#[test]
fn long_answers_are_compressed_as_their_reader_asks() {
    let server = TestServer::start(&upstream().url());
    for path in ["/api/people", "/api/people/long", "/api/_attachments/people/ada/cv.csv"] {
        let plain = server.get(path);
        assert_eq!(plain.header("content-encoding"), None);
        assert!(plain.header("vary").unwrap().contains("accept-encoding"), "{path}");
        for coding in ["gzip", "br", "zstd"] {
            let coded = ask(&server, Method::GET, path, coding);
            assert_eq!(coded.header("content-encoding"), Some(coding), "{path}");
            assert!(coded.body.len() * 2 < plain.body.len(), "{path} {coding}");
            assert_eq!(decoded(&server, &coded), plain.body, "{path} {coding}");
            assert_eq!(coded.header("content-type"), plain.header("content-type"));
            assert_eq!(coded.header("vary"), plain.header("vary"), "{path}");
            let tag = plain.header("etag").unwrap().trim_end_matches('"');
            assert_eq!(coded.header("etag").unwrap(), format!("{tag}-{coding}\""), "{path}");
            let head = ask(&server, Method::HEAD, path, coding);
            assert_eq!(head.header("etag"), coded.header("etag"), "{path} {coding}");
        }
    }
    let lines = server.request(Method::GET, "/api/people").header("accept", "application/x-ndjson");
    let lines = server.send(lines.header("accept-encoding", "gzip"));
    assert_eq!(lines.header("content-encoding"), Some("gzip"));
    let text = String::from_utf8(decoded(&server, &lines)).unwrap();
    assert_eq!(text.lines().count(), 53);
}

#[test]
fn a_large_answer_is_compressed_within_the_budget_of_its_caller() {
    let mut upstream = people();
    let bio: String =
        (0..100_000_u32).map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761))).collect();
    let long = format!("bio = \"{bio}\"\nslug = \"long\"\n");
    upstream.commit("long").put("people/long.toml", long).push();
    for (budget, coding) in [("0", Some("br")), ("1", None)] {
        let server = TestServer::with(&upstream.url(), &[("HEADWATER_QUERY_BUDGET", budget)]);
        let plain = server.get("/api/people/long");
        assert!(plain.body.len() > 800_000);
        let coded = ask(&server, Method::GET, "/api/people/long", "br");
        assert_eq!(coded.header("content-encoding"), coding);
        assert_eq!(decoded(&server, &coded), plain.body);
        assert_eq!(coded.header("content-length").unwrap(), coded.body.len().to_string());
        // Only what has another coding has another tag.
        assert_eq!(coded.header("etag") == plain.header("etag"), coding.is_none());
    }
}

#[test]
fn short_answers_errors_pictures_and_internal_routes_are_sent_as_they_are() {
    let server = TestServer::start(&upstream().url());
    for path in [
        "/api/people/ada",
        "/api/people/nobody",
        "/api/_attachments/people/ada/photo.png",
        "/metrics",
        "/health/ready",
    ] {
        let answer = ask(&server, Method::GET, path, "gzip, br, zstd");
        assert_eq!(answer.header("content-encoding"), None, "{path}");
    }
    for _ in 0..20 {
        server.reload();
    }
    let reloads = server.request(Method::GET, "/api/_internal/reloads").bearer_auth(RELOAD_SECRET);
    let reloads = server.send(reloads.header("accept-encoding", "gzip"));
    assert!(reloads.body.len() > 2_000);
    assert_eq!((reloads.header("content-encoding"), reloads.header("vary")), (None, None));
    assert_eq!(
        ask(&server, Method::GET, "/api/people", "identity").header("content-encoding"),
        None
    );
}

#[test]
fn the_tag_of_any_coding_is_known_and_answered_with_itself() {
    let server = TestServer::start(&upstream().url());
    for path in ["/api/people", "/api/people/long"] {
        let coded = ask(&server, Method::GET, path, "br");
        let plain = server.get(path);
        for (tag, accept) in [
            (coded.header("etag").unwrap(), Some("br")),
            (plain.header("etag").unwrap(), Some("br")),
            (plain.header("etag").unwrap(), None),
        ] {
            let request = server.request(Method::GET, path).header("if-none-match", tag);
            let request = match accept {
                Some(accept) => request.header("accept-encoding", accept),
                None => request,
            };
            let known = server.send(request);
            assert_eq!((known.status, known.header("etag")), (304, Some(tag)), "{path} {accept:?}");
            assert!(known.header("vary").unwrap().contains("accept-encoding"));
        }
    }
}

#[test]
fn a_record_that_was_read_compressed_is_written_under_its_tag() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens.toml");
    let text = "[[token]]\nname = \"site\"\nsecret = \"the-token-of-the-site\"\n\
                author = \"The Site <site@example.org>\"\n";
    std::fs::write(&tokens, text).unwrap();
    let settings = [("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap())];
    let server = TestServer::with(&upstream().url(), &settings);
    let read = ask(&server, Method::GET, "/api/people/long", "zstd");
    let patch = || {
        let request = server.request(Method::PATCH, "/api/people/long");
        let request = request.bearer_auth("the-token-of-the-site");
        request.header("if-match", read.header("etag").unwrap())
    };
    let patched = server.send(patch().json(&serde_json::json!({ "age": 1 })));
    assert_eq!(patched.status, 200, "{patched:?}");
    let stale = server.send(patch().json(&serde_json::json!({ "age": 2 })));
    stale.problem(412, "precondition_failed");
}
