//! Files next to records: written, streamed, and deleted with their record.

use std::io::{Read, Write};
use std::net::TcpStream;

use headwater_testkit::{Upstream, git};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Answer, TestServer, people};

const TOKEN: &str = "the-token-of-the-site";
const TOKENS: &str = "[[token]]\nname = \"site\"\nsecret = \"the-token-of-the-site\"\n\
                      author = \"The Site <site@example.org>\"\nsheets = [\"people\", \"deep\"]\n\
                      [[token]]\nname = \"all\"\nsecret = \"the-token-of-everything\"\n\
                      author = \"The Site <site@example.org>\"\n\
                      sheets = [\"people\", \"notes\"]\n";
/// The token also covers the sheet in the folders of people, since a folder goes with its record.
const EVERYTHING: &str = "the-token-of-everything";
const DEEP: &str = "[gitsheet]\nroot = \"deep\"\npath = \"${{ contentPath/** }}\"\n";

/// A sheet in the folders of another sheet's attachments.
const NOTES: &str = "[gitsheet]\nroot = \"people\"\npath = \"${{ person }}/${{ id }}\"\n\n\
                     [headwater]\npublic = false\n";

struct House {
    server: TestServer,
    _upstream: Upstream,
    _folder: TempDir,
}

impl House {
    fn new() -> Self {
        let (folder, mut upstream) = (tempfile::tempdir().unwrap(), people());
        let hidden = "age = 1\ndeletedAt = \"x\"\nname = \"H\"\nslug = \"hidden\"\n";
        let commit = upstream.commit("more").put(".gitsheets/deep.toml", DEEP);
        let commit = commit.put("deep/a.toml", "contentPath = \"a\"\n");
        let commit = commit.put(".gitsheets/notes.toml", NOTES);
        let commit =
            commit.put("people/grace/private.toml", "id = \"private\"\nperson = \"grace\"\n");
        commit.put("people/hidden.toml", hidden).put("people/hidden/x.txt", "secret").push();
        let tokens = folder.path().join("tokens.toml");
        std::fs::write(&tokens, TOKENS).unwrap();
        let settings = [
            ("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap()),
            ("HEADWATER_ATTACHMENT_LIMIT", "3000000"),
        ];
        let server = TestServer::with(&upstream.url(), &settings);
        Self { server, _upstream: upstream, _folder: folder }
    }

    fn put(&self, path: &str, content: impl Into<reqwest::Body>) -> Answer {
        self.put_if(path, content, "accept", "*/*")
    }

    fn put_if(
        &self,
        path: &str,
        content: impl Into<reqwest::Body>,
        name: &str,
        value: &str,
    ) -> Answer {
        let path = format!("/api/_attachments/{path}");
        let call = self.server.request(Method::PUT, &path).bearer_auth(TOKEN);
        self.server.send(call.header(name, value).body(content))
    }

    fn delete(&self, path: &str) -> Answer {
        self.server.send(self.server.request(Method::DELETE, path).bearer_auth(TOKEN))
    }

    fn get(&self, path: &str) -> Answer {
        self.server.get(&format!("/api/_attachments/{path}"))
    }

    fn files(&self) -> String {
        git(self.server.mirror(), ["ls-tree", "-r", "--name-only", "HEAD", "people/ada/"])
    }
}

#[test]
fn a_file_is_put_beside_a_record_read_and_deleted() {
    let house = House::new();
    let photo: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
    let done = house.put("people/ada/photo%201.jpg", photo.clone());
    assert_eq!(
        (done.status, done.header("location")),
        (201, Some("/api/_attachments/people/ada/photo%201.jpg"))
    );
    assert_eq!(house.files(), "people/ada/photo 1.jpg");
    let read = house.get("people/ada/photo%201.jpg");
    assert_eq!((read.status, read.header("content-type")), (200, Some("image/jpeg")));
    assert_eq!(read.header("content-length"), Some("2000000"));
    assert_eq!(read.header("etag"), done.header("etag"));
    assert_eq!(read.header("content-security-policy"), Some("sandbox; default-src 'none'"));
    assert_eq!(read.commit(), done.commit());
    assert!(read.body == photo);
    let tag = read.header("etag").unwrap().to_owned();
    let known = house.server.request(Method::GET, "/api/_attachments/people/ada/photo%201.jpg");
    assert_eq!(house.server.send(known.header("if-none-match", &tag)).status, 304);

    let same = house.put("people/ada/photo%201.jpg", photo);
    assert_eq!((same.status, &same.json()["changed"]), (200, &json!(false)));
    let path = "/api/_attachments/people/ada/photo%201.jpg";
    assert_eq!(house.delete(path).status, 204);
    assert_eq!(house.get("people/ada/photo%201.jpg").status, 404);
    let gone = house.delete(path).problem(404, "not_found");
    assert_eq!(gone["detail"], "no such attachment `photo 1.jpg` of `ada` in people");
    let log =
        git(house.server.mirror(), ["log", "-1", "--format=%an|%s|%(trailers:key=Action)", "HEAD"]);
    assert_eq!(log.trim_end(), format!("The Site|site: DELETE {path}|Action: people.detach"));
}

#[test]
fn a_file_changes_only_in_the_version_that_its_writer_knows() {
    let house = House::new();
    let first = house.put("people/ada/a.txt", "1");
    let tag = first.header("etag").unwrap().to_owned();
    house.put_if("people/ada/a.txt", "2", "if-none-match", "*").problem(412, "precondition_failed");
    assert_eq!(house.put_if("people/ada/a.txt", "2", "if-match", &tag).status, 200);
    house.put_if("people/ada/a.txt", "3", "if-match", &tag).problem(412, "precondition_failed");
    assert_eq!(house.get("people/ada/a.txt").body, b"2");
}

#[test]
fn files_are_only_beside_records_that_everybody_sees_and_with_names_that_do_no_harm() {
    let house = House::new();
    for none in ["people/nobody/x", "people/hidden/x.txt", "people/ada/x.txt", "nothing/a/b"] {
        assert_eq!(house.get(none).status, 404, "{none}");
    }
    house.put("people/nobody/x", "1").problem(404, "not_found");
    // If every file is a record, there are no attachments.
    house.put("deep/a/x.txt", "1").problem(422, "invalid_record");
    for hostile in [".git", "a%2Fb", "a%0Ab", "CON"] {
        let answer = house.put(&format!("people/ada/{hostile}"), "1");
        assert!([404, 422].contains(&answer.status), "{hostile}: {}", answer.status);
    }
    // It is refused by its length alone: a caller that sends the body may find the connection
    // closed.
    let address = house.server.url("");
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "PUT /api/_attachments/people/ada/big HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/octet-stream\r\ncontent-length: 3000001\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    assert_eq!(house.files(), "");
    // A file that is a record of another sheet is not an attachment of this one.
    assert_eq!(house.get("people/grace/private.toml").status, 404);
    house.put("people/grace/private.toml", "x").problem(422, "invalid_record");
    assert_eq!(house.delete("/api/_attachments/people/grace/private.toml").status, 422);
    // The token does not cover the sheet of the records that would go with this one.
    house.delete("/api/people/grace").problem(403, "token_scope");
}

#[test]
fn a_file_goes_where_its_record_goes() {
    let house = House::new();
    house.put("people/ada/a.txt", "1");
    let call = house.server.request(Method::PATCH, "/api/people/ada").bearer_auth(EVERYTHING);
    house.server.send(call.json(&json!({ "slug": "ada2" })));
    assert_eq!(house.get("people/ada2/a.txt").body, b"1");
    assert_eq!(house.get("people/ada/a.txt").status, 404);
    let call = house.server.request(Method::DELETE, "/api/people/ada2").bearer_auth(EVERYTHING);
    assert_eq!(house.server.send(call).status, 204);
    assert_eq!(house.get("people/ada2/a.txt").status, 404);
}

#[test]
fn a_file_beside_a_record_is_shown_as_the_record_is_whatever_else_claims_its_key() {
    let mut upstream = Upstream::new();
    let rules = "[sheets.deep]\nformat = \"yaml\"\npath = \"${{ slug }}\"\nhidden = \"h\"\n\
                 policy = \"quarantine\"\n";
    let mut commit = upstream.commit("first").put("headwater.toml", rules);
    // The first file is served, and the second one is not.
    let (shown, hidden, broken) = ("slug: KEY\n", "{\"slug\": \"KEY\", \"h\": true}", "{");
    for (key, first, second) in [
        ("a", Some(hidden), shown),
        ("b", Some(broken), shown),
        ("c", Some("{\"slug\": \"KEY\"}"), "slug: KEY\nh: true\n"),
        ("d", None, shown),
        ("e", None, "slug: KEY\nh: true\n"),
        ("f", None, "- ["),
    ] {
        if let Some(first) = first {
            commit = commit.put(format!("deep/{key}.yaml"), first.replace("KEY", key));
        }
        commit = commit.put(format!("deep/{key}.yml"), second.replace("KEY", key));
        commit = commit.put(format!("deep/{key}/x.txt"), "a file");
    }
    commit.push();
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_QUARANTINE_SHARE", "100")]);
    let status = |path: String| server.get(&path).status;
    let both = ["a", "b", "c", "d", "e", "f"].map(|key| {
        let record = status(format!("/api/deep/{key}"));
        assert_eq!(status(format!("/api/_attachments/deep/{key}/x.txt")), record, "{key}");
        record
    });
    assert!(both.contains(&200) && both.contains(&404));
    assert!(both[1] == 200 && both[2] == 200, "{both:?}");
}

#[test]
fn the_files_next_to_a_record_are_listed_as_they_can_be_read() {
    let house = House::new();
    let list = |path: &str| house.get(path).json();
    assert_eq!(list("people/ada/"), json!({"items": [], "more": false}));
    house.put("people/ada/b.txt", "b");
    house.put("people/ada/a photo.jpg", "a");
    let tag =
        |name: &str| house.get(&format!("people/ada/{name}")).header("etag").unwrap().to_owned();
    let expected = json!({"items": [{"name": "a photo.jpg", "etag": tag("a%20photo.jpg")},
                                    {"name": "b.txt", "etag": tag("b.txt")}], "more": false});
    assert_eq!(list("people/ada/"), expected);
    let read = house.get("people/ada/");
    let known = house.server.request(Method::GET, "/api/_attachments/people/ada/");
    let known = known.header("if-none-match", read.header("etag").unwrap());
    assert_eq!(house.server.send(known).status, 304);
    // A record of another sheet is no file, and what is hidden is not there.
    assert_eq!(list("people/grace/"), json!({"items": [], "more": false}));
    for path in ["people/hidden/", "people/nobody/", "deep/a/", "notes/grace/private/"] {
        house.get(path).problem(404, "not_found");
    }
    for (path, allowed) in
        [("people/ada/", "GET,HEAD"), ("people/ada/b.txt", "GET,HEAD,PUT,DELETE")]
    {
        let path = format!("/api/_attachments/{path}");
        let refused = house.server.send(house.server.request(Method::OPTIONS, &path));
        assert_eq!((refused.status, refused.header("allow")), (405, Some(allowed)));
    }
    house.delete("/api/_attachments/people/ada/b.txt");
    assert_eq!(list("people/ada/")["items"].as_array().unwrap().len(), 1);
}

#[test]
fn of_more_files_than_a_list_has_the_first_are_listed() {
    let mut upstream = people();
    let files = (0..1_002).map(|n| (format!("people/ada/{n:04}.txt"), b"x".to_vec()));
    upstream.commit_stream("many files", files);
    let server = TestServer::start(&upstream.url());
    let list = server.get("/api/_attachments/people/ada/").json();
    let items = list["items"].as_array().unwrap();
    assert_eq!((items.len(), &list["more"]), (1_000, &json!(true)));
    assert_eq!(items.last().unwrap()["name"], "0999.txt");
}
