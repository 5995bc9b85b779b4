//! The path of the files next to records.

use serde_json::{Map, Value, json};

use super::error_responses::Refusals;
use super::operation::{Answer, Operation};
use super::options::Offer;
use super::shared_refs::{parameter, schema};
use super::sheet_fields::Described;
use super::{parameters, writes};

/// The path of one of them.
const FILE: &str = "/api/_attachments/{sheet}/{key}/{name}";

/// The path of those of a record.
const LIST: &str = "/api/_attachments/{sheet}/{key}/";

/// Adds the operations on them, unless no sheet has any.
pub(super) fn add_paths(offer: &Offer, sheets: &[Described], paths: &mut Map<String, Value>) {
    let names = sheets.iter().filter(|sheet| sheet.has_attachments()).map(Described::sheet_name);
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return;
    }
    let named = |name: &str, schema: Value| json!({ "name": name, "in": "path", "required": true, "schema": schema });
    let sheet = named("sheet", json!({ "type": "string", "enum": names }));
    let of_record = json!({
        "parameters": [sheet, parameter("key")],
        "get": list().into_value(),
    });
    let mut file = json!({
        "parameters": [
            sheet, parameter("key"), named("name", json!({ "type": "string", "minLength": 1 })),
        ],
        "get": show().into_value(),
    });
    if offer.writes {
        file["put"] = put().into_value();
        file["delete"] = delete().into_value();
    }
    paths.extend([(LIST.to_owned(), of_record), (FILE.to_owned(), file)]);
}

/// Returns the schema of the list.
pub(super) fn schemas() -> Value {
    json!({
        "Attachments": {
            "type": "object",
            "required": ["items", "more"],
            "properties": {
                "items": { "type": "array", "items": {
                    "type": "object",
                    "required": ["name", "etag"],
                    "properties": {
                        "name": { "type": "string" },
                        "etag": { "type": "string", "description": "The tag of the file, for `If-Match`." },
                    },
                } },
                "more": {
                    "type": "boolean",
                    "description": "Whether there are more files than the 1,000 that are listed.",
                },
            },
        },
    })
}

fn list() -> Operation {
    let answer = Answer::json("The files, by name.", schema("Attachments"));
    Operation::new("attachments", "list", "Lists the files next to a record")
        .takes(parameters::selector())
        .answers_tagged(answer)
        .refuses(Refusals::Read)
}

fn show() -> Operation {
    Operation::new("attachments", "get", "Returns a file next to a record")
        .described("The file in the served commit, with the media type of its extension.")
        .takes(parameters::selector())
        .takes(["range", "ifRange"].map(parameter))
        .answers_tagged(file("The file.").headers(&["Accept-Ranges"]))
        .answers(
            206,
            file("The requested part.").headers(&["X-Headwater-Commit", "ETag", "Content-Range"]),
        )
        .refuses(Refusals::File)
}

fn file(description: &str) -> Answer {
    Answer::empty(description).content("*/*", json!({}))
}

fn put() -> Operation {
    change("put", "Sets a file next to a record")
        .body("*/*", json!({}))
        .answers(201, writes::answer("The file is new.").headers(&["ETag"]))
}

fn delete() -> Operation {
    change("delete", "Deletes a file next to a record")
        .answers(204, writes::deleted("The file was deleted."))
}

fn change(verb: &str, summary: &str) -> Operation {
    writes::common("attachments", verb, summary.to_owned())
        .takes(["ifMatch", "ifAbsent"].map(parameter))
        .answers(200, writes::answer("Written and published."))
        .answers(
            202,
            writes::answer("Written and published, but not in two places, or not pushed, in time."),
        )
}
