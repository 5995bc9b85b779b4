//! The traces that a collector receives.

use headwater_testkit::{Answer, ScriptedHttp};
use serde_json::Value;

use crate::harness::{BROKEN, TestServer, people, person};

/// Returns the span of the first reload with this outcome, and the names of its stages, from the
/// requests that a collector receives.
fn reload(collector: &ScriptedHttp, outcome: &str) -> (Value, Vec<String>) {
    for count in 1.. {
        let received = collector.wait_for(count).swap_remove(count - 1);
        assert_eq!((&*received.method, &*received.target), ("POST", "/v1/traces"));
        assert_eq!(received.header("content-type"), Some("application/json"));
        assert_eq!(received.header("x-key"), Some("a key"));
        let body: Value = serde_json::from_slice(&received.body).unwrap();
        let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
        let found =
            spans.iter().find(|span| attribute(span, "headwater.reload.outcome") == outcome);
        if let Some(span) = found {
            let stages = spans.iter().filter(|stage| stage["parentSpanId"] == span["spanId"]);
            let names = stages.map(|stage| stage["name"].as_str().unwrap().to_owned());
            return (span.clone(), names.collect());
        }
    }
    unreachable!("the count never ends")
}

fn attribute<'s>(span: &'s Value, name: &str) -> &'s str {
    let attributes = span["attributes"].as_array().into_iter().flatten();
    let found = attributes.filter(|attribute| attribute["key"] == name);
    let mut values = found.rev().filter_map(|attribute| {
        let value = &attribute["value"];
        value["stringValue"].as_str().or(value["intValue"].as_str())
    });
    values.next().unwrap_or_default()
}

#[test]
fn a_collector_gets_each_reload_with_its_stages_and_no_text_of_an_error() {
    let collector = ScriptedHttp::start([Answer::json(200, "{}")]);
    let mut upstream = people();
    let settings = [
        ("HEADWATER_OTLP_ENDPOINT", &*collector.url("")),
        ("HEADWATER_OTLP_HEADERS", "x-key=a%20key"),
    ];
    let mut server = TestServer::with(&upstream.url(), &settings);
    let pushed = upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 37)).push();
    server.reload().outcome("applied");
    let (span, stages) = reload(&collector, "applied");
    assert_eq!(attribute(&span, "headwater.commit"), pushed);
    assert_eq!(attribute(&span, "headwater.reload.trigger"), "webhook");
    assert_eq!(attribute(&span, "headwater.records.modified"), "1");
    assert_eq!(stages, ["fetch", "diff", "decode", "apply", "text", "swap"]);

    upstream.commit("break").put("people/broken.toml", BROKEN).push();
    server.reload().problem(500, "push_refused");
    let (span, _) = reload(&collector, "failed");
    assert_eq!(attribute(&span, "error.type"), "push_refused");
    assert!(!span.to_string().contains("broken.toml"), "{span}");
    assert!(server.stop());
}

#[test]
fn a_collector_that_is_away_delays_neither_reloads_nor_the_end() {
    let mut upstream = people();
    let settings = [("HEADWATER_OTLP_ENDPOINT", "http://127.0.0.1:1")];
    let mut server = TestServer::with(&upstream.url(), &settings);
    upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 37)).push();
    server.reload().outcome("applied");
    assert!(server.stop());
}
