//! Every route below every base path.

use headwater_testkit::{Upstream, git};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{RELOAD_SECRET, TestServer, people};

const TOKEN: &str = "the-token-of-the-site";

/// The setting, and the paths that it stands for in addresses.
const BASES: [(&str, &[&str]); 8] = [
    ("", &[""]),
    ("/", &[""]),
    ("/data/", &["/data", "/%64ata"]),
    ("/api", &["/api", "/%61pi"]),
    ("/api/api", &["/api/api"]),
    ("/a/b", &["/a/b", "/a/%62"]),
    ("/x/_internal", &["/x/_internal"]),
    ("/b%C3%BCcher", &["/b%C3%BCcher", "/b%c3%bccher"]),
];

struct House {
    server: TestServer,
    _upstream: Upstream,
    _folder: TempDir,
}

impl House {
    fn new(base: &str) -> Self {
        let (folder, mut upstream) = (tempfile::tempdir().unwrap(), people());
        upstream.commit("a file").put("people/ada/a b.txt", "hello").push();
        let tokens = folder.path().join("tokens.toml");
        let text = format!(
            "[[token]]\nname = \"site\"\nsecret = \"{TOKEN}\"\nauthor = \"S <s@example.org>\"\n"
        );
        std::fs::write(&tokens, text).unwrap();
        let settings = [
            ("HEADWATER_BASE_PATH", base),
            ("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap()),
        ];
        let server = TestServer::with(&upstream.url(), &settings);
        Self { server, _upstream: upstream, _folder: folder }
    }

    fn is_whole_below(&self, base: &str) {
        let server = &self.server;
        for path in [
            "/",
            "/_explorer/app.js",
            "/docs",
            "/openapi.json",
            "/health/live",
            "/health/ready",
            "/api/people",
            "/api/people?name=Ada%20Lovelace&at=published",
            "/api/people/ada",
            "/api/people/%61da",
            "/api/_search?q=ada",
            "/api/_sheets",
            "/api/_status",
            "/api/_problems",
            "/api/_reloads",
            "/api/_changes",
            "/api/_diff?from=published",
            "/api/_history/people/ada",
            "/api/_attachments/people/ada/a%20b.txt",
        ] {
            let answer = server.get(&format!("{base}{path}"));
            assert_eq!(answer.status, 200, "{base} {path}");
        }
        for path in ["/api/_internal/reloads", "/metrics"] {
            let path = format!("{base}{path}");
            let request = server.request(Method::GET, &path).bearer_auth(RELOAD_SECRET);
            assert_eq!(server.send(request).status, 200, "{path}");
        }
        server.get(&format!("{base}/api/nothing")).problem(404, "not_found");
        server.send(server.call(&format!("{base}/api/_internal/reload-data"))).outcome("unchanged");
        let write = |method: Method, path: &str| {
            server.request(method, &format!("{base}{path}")).bearer_auth(TOKEN)
        };
        let bob = json!({ "slug": "bob", "age": 7 });
        let put = server.send(write(Method::PUT, "/api/people/bob").json(&bob));
        let location = put.header("location").unwrap();
        assert!(put.status == 201 && location.ends_with("/api/people/bob"), "{base} {location}");
        assert_eq!(server.get(location).json(), bob, "{base}");
        let patched = write(Method::PATCH, "/api/people/bob").json(&json!({ "age": 8 }));
        assert_eq!(server.send(patched).status, 200, "{base}");
        let file = server.send(write(Method::PUT, "/api/_attachments/people/bob/x.txt").body("x"));
        assert_eq!(server.get(file.header("location").unwrap()).body, b"x", "{base}");
        let summary = git(server.mirror(), ["log", "-1", "--format=%s", "HEAD"]);
        assert_eq!(summary.trim(), "site: PUT /api/_attachments/people/bob/x.txt");
        for (method, path) in [
            (Method::DELETE, "/api/_attachments/people/bob/x.txt"),
            (Method::DELETE, "/api/people/bob"),
        ] {
            assert_eq!(server.send(write(method, path)).status, 204, "{base} {path}");
        }
        let new = write(Method::POST, "/api/people").json(&json!({ "slug": "joe" }));
        assert_eq!(server.send(new).status, 201, "{base}");
        let all = json!({ "operations": [{ "op": "delete", "sheet": "people", "key": "joe" }] });
        assert_eq!(server.send(write(Method::POST, "/api/_transact").json(&all)).status, 200);
    }
}

#[test]
fn every_route_works_below_every_base_path() {
    for (base, written) in BASES {
        let house = House::new(base);
        for written in written {
            house.is_whole_below(written);
        }
    }
}

#[test]
fn nothing_is_beside_a_base_path() {
    let house = House::new("/api");
    for path in
        ["/api/people", "/people", "/api/api/api/people", "/health/live", "/apix/api/people"]
    {
        house.server.get(path).problem(404, "not_found");
    }
}
