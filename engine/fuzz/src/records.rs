//! Files of each record format.

use headwater_engine::decode::{Format, Framing, decode};
use headwater_engine::value::Value;

/// Decodes a file twice; what it is must be the same, and must survive its canonical text.
fn decodes(format: Format, framing: Framing<'_>, bytes: &[u8]) {
    let decoded = decode(format, framing, bytes);
    assert_eq!(decoded, decode(format, framing, bytes), "decoding is a function");
    match decoded {
        Ok(json) => {
            let text = Value::new(&json);
            let again: serde_json::Value = serde_json::from_str(text.as_str()).expect("it is JSON");
            assert_eq!(again, json, "the canonical text stands for the value");
        }
        Err(flaw) => {
            assert!(!flaw.message.is_empty() && !flaw.message.contains('\n'), "{flaw:?}");
            // In YAML a carriage return alone ends a line.
            let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
            assert!(flaw.line.is_none_or(|line| line as usize <= lines + 1), "{flaw:?} of {lines}");
        }
    }
}

/// TOML as gitsheets reads it.
pub fn toml_1_0(bytes: &[u8]) {
    decodes(Format::Toml10, Framing { gitsheets: true, body: "body" }, bytes);
}

/// TOML 1.1.
pub fn toml_1_1(bytes: &[u8]) {
    decodes(Format::Toml11, Framing { gitsheets: false, body: "body" }, bytes);
}

/// JSON.
pub fn json(bytes: &[u8]) {
    decodes(Format::Json, Framing { gitsheets: false, body: "body" }, bytes);
}

/// YAML.
pub fn yaml(bytes: &[u8]) {
    decodes(Format::Yaml, Framing { gitsheets: false, body: "body" }, bytes);
}

/// Markdown, with front matter as gitsheets frames it and as everybody else does.
pub fn markdown(bytes: &[u8]) {
    for gitsheets in [false, true] {
        decodes(Format::Markdown, Framing { gitsheets, body: "body" }, bytes);
    }
}
