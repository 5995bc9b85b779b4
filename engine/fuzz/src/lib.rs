//! Fuzz targets: each takes any bytes and panics where an invariant does not hold.
//!
//! They are plain functions, so that what libFuzzer finds with the binaries in `libfuzzer` is
//! replayed by an ordinary test over `corpus`, on stable and on every change.

mod access;
mod definitions;
mod history;
mod hook;
mod queries;
mod records;
mod tables;

pub use access::{access_file, bearer};
pub use definitions::definitions;
pub use history::history;
pub use hook::hook;
pub use queries::{expression, list, search};
pub use records::{json, markdown, toml_1_0, toml_1_1, yaml};
pub use tables::{csv, cutting, json_lines};

/// A fuzz target.
pub type Target = fn(&[u8]);

/// Every target, by the name of its binary and of the folder of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("access_file", access_file),
    ("bearer", bearer),
    ("csv", csv),
    ("cutting", cutting),
    ("definitions", definitions),
    ("expression", expression),
    ("history", history),
    ("hook", hook),
    ("json", json),
    ("json_lines", json_lines),
    ("list", list),
    ("markdown", markdown),
    ("search", search),
    ("toml_1_0", toml_1_0),
    ("toml_1_1", toml_1_1),
    ("yaml", yaml),
];
