use serde_json::{Value as Json, json};

use super::*;
use crate::layout::{DefinitionFile, DefinitionFiles, Layout};

/// The sheet `people` that a definition says, below `[gitsheet]`.
fn people(definition: &str) -> Layout {
    let text = format!("[gitsheet]\nroot = \"people\"\n{definition}");
    let file = DefinitionFile { path: ".gitsheets/people.toml".into(), bytes: text.into() };
    let layout = Layout::read(&DefinitionFiles { gitsheets: vec![file], ..Default::default() });
    assert_eq!(layout.problems().collect::<Vec<_>>(), [] as [&Problem; 0]);
    layout
}

const SLUG: &str = "path = \"${{ slug }}\"\n";
const POSTS: &str =
    "path = \"${{ slug }}\"\n[gitsheet.format]\ntype = \"markdown\"\nbody = \"body\"\n";

/// Encodes a record where its sheet stores it.
fn at_home(layout: &Layout, record: &Json, before: Option<&str>) -> Result<String, EncodeError> {
    let spec = layout.sheet("people").unwrap();
    let path = path_of(spec, record, None).unwrap();
    let encoded = encode(spec, &path, record, before.map(str::as_bytes))?;
    Ok(String::from_utf8(encoded.bytes).unwrap())
}

fn written(definition: &str, record: Json) -> String {
    at_home(&people(definition), &record, None).unwrap()
}

fn refused_as(definition: &str, record: Json) -> EncodeError {
    at_home(&people(definition), &record, None).unwrap_err()
}

#[test]
fn a_markdown_body_is_formatted_and_framed() {
    let record = json!({"slug": "x", "body": "hello *there*\n\n\n*  a\n*  b\n"});
    let expected = "+++\nslug = \"x\"\n+++\n\nhello _there_\n\n- a\n- b\n";
    assert_eq!(written(POSTS, record), expected);
}
