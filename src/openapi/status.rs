//! The state as a whole: the sheets, the problems, and health.

use serde_json::{Map, Value, json};

use super::error_responses::Refusals;
use super::operation::{Answer, Operation};
use super::shared_refs::schema;
use super::{changes, parameters};

/// Adds the paths.
pub(super) fn add_paths(paths: &mut Map<String, Value>) {
    let mut add = |path: &str, operation: Operation| {
        paths.insert(path.to_owned(), json!({ "get": operation.into_value() }));
    };
    add("/api/_status", status());
    add("/api/_sheets", state("sheets", "Returns the sheets", "Sheets"));
    add("/api/_problems", problems());
    add("/api/_reloads", changes::reloads());
    add("/health/live", text("live", "Checks that the process is alive", "It is alive."));
    add("/health/ready", ready());
}

fn status() -> Operation {
    let answer = Answer::json("The state.", schema("Status")).headers(&["X-Headwater-Commit"]);
    Operation::new("state", "status", "Returns the state of the server")
        .takes(parameters::present())
        .answers(200, answer)
        .refuses(Refusals::State)
}

fn state(verb: &str, summary: &str, name: &str) -> Operation {
    Operation::new("state", verb, summary)
        .takes(parameters::selector())
        .answers_tagged(Answer::json("The state.", schema(name)))
        .refuses(Refusals::Query)
}

fn problems() -> Operation {
    let limit = json!({
        "name": "limit", "in": "query", "description": "How many; 1000 by default.",
        "schema": { "type": "integer", "minimum": 1, "maximum": 1000 },
    });
    let cursor = json!({
        "name": "cursor", "in": "query",
        "description": "The `next` of the previous page; the answer is of the same commit.",
        "schema": { "type": "string", "minLength": 1 },
    });
    state("problems", "Returns the problems of the files", "Problems")
        .described(
            "Every problem that does not depend on a hidden record, without excerpts of the files.",
        )
        .takes([limit, cursor])
        .refuses(Refusals::Pages)
}

fn text(verb: &str, summary: &str, answer: &str) -> Operation {
    let answer = Answer::empty(answer).content("text/plain", json!({ "type": "string" }));
    Operation::new("health", verb, summary).answers(200, answer)
}

fn ready() -> Operation {
    let max_lag = json!({
        "name": "max_lag", "in": "query",
        "description": "The longest accepted lag behind the remote, in seconds.",
        "schema": { "type": "integer", "minimum": 0 },
    });
    text("ready", "Checks whether records are served", "They are served.")
        .takes([max_lag])
        .refuses(Refusals::Ready)
}
