//! The table of routes, checked against a server: no route is forgotten.

use std::collections::BTreeSet;

use headwater::http::{Group, Route, Snapshots};
use headwater::metrics::RouteClass;
use reqwest::Method;
use serde_json::Value;

use crate::harness::{TestServer, people};

const TOKENS: &str = "[[token]]\nname = \"site\"\nsecret = \"the-token-of-the-site\"\n\
                      author = \"The Site <site@example.org>\"\n";

/// Returns a path of the route in a repository with the sheet `people` and the record `ada`.
fn path(route: Route) -> String {
    let path = route.path().replace("{sheet}", "people").replace("{*key}", "ada");
    path.replace("{*rest}", "ada/cv.pdf").replace("{id}", "none").replace("{name}", "app.js")
}

fn server() -> (TestServer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens.toml");
    std::fs::write(&tokens, TOKENS).unwrap();
    let settings = [("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap())];
    (TestServer::with(&people().url(), &settings), folder)
}

#[test]
fn each_route_is_in_the_document_as_the_table_says_and_no_other_is() {
    let (server, _folder) = server();
    let document = server.get("/openapi.json").json();
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<String> =
        paths.keys().map(|path| path.replace("/api/people", "/api/{sheet}")).collect();
    let expected = Route::ALL.iter().filter_map(|route| route.documented());
    // The route of a file lists them where it has no name.
    let expected = expected.chain(["/api/_attachments/{sheet}/{key}/"]);
    assert_eq!(described, expected.map(str::to_owned).collect());
    for route in Route::ALL {
        let Some(path) = route.documented() else { continue };
        let operation = &paths[&path.replace("/api/{sheet}", "/api/people")]["get"];
        if operation.is_null() {
            assert_eq!(route.group(), Group::Write, "{path}");
            continue;
        }
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let takes_at = parameters.clone().any(|one| one["$ref"] == "#/components/parameters/at");
        assert_eq!(takes_at, route.snapshots() == Snapshots::Any, "{path}");
    }
}

#[test]
fn each_route_refuses_or_takes_a_commit_as_the_table_says() {
    let (server, _folder) = server();
    for route in Route::ALL.iter().filter(|route| route.group() == Group::Read) {
        let path = path(*route);
        let answer = server.get(&format!("{path}?at=main"));
        let refused = answer.status == 422 && {
            let detail = answer.json()["detail"].clone();
            detail.as_str().is_some_and(|detail| detail.starts_with("at:"))
        };
        assert_eq!(refused, route.snapshots() == Snapshots::Published, "{path}");
    }
}

/// Returns how many requests were counted as `class`, whatever their answer.
fn counted(server: &TestServer, class: RouteClass) -> f64 {
    let name = format!("headwater_http_requests_total{{route=\"{}\"", class.as_str());
    let metrics = server.metrics();
    let lines = metrics.lines().filter(|line| line.starts_with(&name));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[test]
fn each_route_is_there_and_counted_as_the_table_says() {
    let (server, _folder) = server();
    for route in Route::ALL {
        let path = path(*route);
        let before = counted(&server, route.class());
        // `TRACE` is not a method of any route, and changes nothing.
        let answer = server.send(server.request(Method::TRACE, &path));
        use Route::{DemoPush, NoInternal, PeerCommand, PeerGreeting};
        let is_gone = matches!(*route, DemoPush | NoInternal | PeerCommand | PeerGreeting);
        if !is_gone {
            let body: Value = answer.problem(405, "method_not_allowed");
            assert_eq!(body["title"], "Method not allowed", "{path}");
        }
        // The request for the metrics itself counts as health.
        let itself = if route.class() == RouteClass::Health { 1.0 } else { 0.0 };
        assert_eq!(counted(&server, route.class()) - before, 1.0 + itself, "{path}");
    }
}
