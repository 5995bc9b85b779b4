//! Interoperability tests against the original: Headwater's output is compared with that of
//! gitsheets 0.6.0, object by object.
//!
//! `HEADWATER_ORACLE` names a Python that can import gitsheets; `.ci/interop` makes one. Without
//! it, the tests that need it report that and pass.

#![expect(clippy::unwrap_used, reason = "a test that fails here says enough")]

mod attachments;
mod commits;
mod random_records;
mod markdown;
mod oracle;
mod paths;
mod random;
mod rewriting;
mod schema;
mod sorting;
mod toml;
mod two_branches;
