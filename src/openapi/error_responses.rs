//! The refusals of each kind of request: its codes, by status.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::shared_refs::{component, schema};
use crate::wire::Code;

/// The media type of a refusal.
const PROBLEM: &str = "application/problem+json";

/// A kind of request, by its refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusals {
    /// Reads one thing.
    Read,
    /// Reads something that always exists.
    State,
    /// Reads a file, or a part of it.
    File,
    /// Searches, or compares.
    Query,
    /// Reads pages of something that always exists.
    Pages,
    /// Lists.
    List,
    /// Asks whether the server is ready.
    Ready,
    /// Writes.
    Write,
}

/// The codes that may refuse a write.
const WRITE: &[Code] = &[
    Code::Unauthorized,
    Code::TokenScope,
    Code::NotFound,
    Code::MethodNotAllowed,
    Code::NotAcceptable,
    Code::RequestTimeout,
    Code::Conflict,
    Code::PreconditionFailed,
    Code::BodyTooLarge,
    Code::UnsupportedMediaType,
    Code::InvalidBody,
    Code::InvalidHeader,
    Code::InvalidQuery,
    Code::InvalidRecord,
    Code::KeyReused,
    Code::Held,
    Code::PreconditionRequired,
    Code::TooManyFailures,
    Code::Internal,
    Code::WriteFailed,
    Code::NotReady,
    Code::Busy,
    Code::UpstreamHeld,
    Code::RepoLocked,
    Code::DiskFull,
    Code::NoLeader,
    Code::LeaderChanged,
    Code::LeaderUnreachable,
];

/// The codes that may refuse any read.
const EVERY_READ: &[Code] = &[
    Code::NotAcceptable,
    Code::PreconditionFailed,
    Code::InvalidQuery,
    Code::InvalidHeader,
    Code::TooCostly,
    Code::Internal,
    Code::HistoryIncomplete,
    Code::NotReady,
    Code::NotYet,
    Code::Busy,
    Code::MemoryShort,
];

impl Refusals {
    const ALL: [Self; 8] = [
        Self::Read,
        Self::State,
        Self::File,
        Self::Query,
        Self::Pages,
        Self::List,
        Self::Ready,
        Self::Write,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::State => "state",
            Self::File => "file",
            Self::Query => "query",
            Self::Pages => "pages",
            Self::List => "list",
            Self::Ready => "ready",
            Self::Write => "write",
        }
    }

    fn codes(self) -> Vec<Code> {
        match self {
            Self::State => EVERY_READ.to_vec(),
            Self::Query => [&[Code::UnknownCommit][..], EVERY_READ].concat(),
            Self::Read => [&[Code::NotFound, Code::UnknownCommit][..], EVERY_READ].concat(),
            Self::File => [&[Code::RangeNotSatisfiable][..], &Self::Read.codes()].concat(),
            Self::Pages => [&[Code::CursorExpired][..], &Self::Query.codes()].concat(),
            Self::List => [&[Code::NotFound][..], &Self::Pages.codes()].concat(),
            Self::Ready => vec![Code::InvalidQuery, Code::Internal, Code::NotReady, Code::Stale],
            Self::Write => WRITE.to_vec(),
        }
    }

    /// Returns the codes by status.
    fn by_status(self) -> BTreeMap<u16, Vec<Code>> {
        let mut found: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        for code in self.codes() {
            found.entry(code.status().as_u16()).or_default().push(code);
        }
        found
    }

    fn component(self, status: u16) -> String {
        format!("{}.{status}", self.name())
    }

    /// Returns a reference for each status.
    pub(super) fn references(self) -> impl Iterator<Item = (String, Value)> {
        let statuses = self.by_status().into_keys();
        statuses.map(move |status| {
            (status.to_string(), component("responses", &self.component(status)))
        })
    }
}

/// Returns the responses that operations refer to.
pub(super) fn responses() -> Map<String, Value> {
    let all = Refusals::ALL.into_iter().flat_map(|kind| {
        let responses = kind.by_status().into_iter();
        responses.map(move |(status, codes)| (kind.component(status), response(kind, &codes)))
    });
    all.collect()
}

fn response(kind: Refusals, codes: &[Code]) -> Value {
    let told = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title()));
    let mut headers = Map::new();
    let mut add = |name: &str| headers.insert(name.to_owned(), component("headers", name));
    // Before the first load there is no commit to name, and a health check names none.
    let of_snapshot = codes.iter().all(|code| code.status().is_client_error());
    if of_snapshot && kind != Refusals::Ready {
        add("X-Headwater-Commit");
    }
    if codes.contains(&Code::Unauthorized) {
        add("WWW-Authenticate");
    }
    if codes.iter().any(|code| matches!(code, Code::NotReady | Code::TooManyFailures)) {
        add("Retry-After");
    }
    if codes.contains(&Code::MethodNotAllowed) {
        add("Allow");
    }
    let mut response = json!({
        "description": told.collect::<Vec<_>>().join("; "),
        // One schema for all, so that clients that are generated have one type of error.
        "content": { PROBLEM: { "schema": schema("Problem") } },
    });
    if !headers.is_empty() {
        response["headers"] = headers.into();
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_one_status_are_one_response() {
        let responses = responses();
        for (name, codes) in
            [("read.404", ["not_found", "unknown_commit"]), ("ready.503", ["not_ready", "stale"])]
        {
            let description = responses[name]["description"].as_str().unwrap();
            let described: Vec<_> = description.split('`').skip(1).step_by(2).collect();
            assert_eq!(described, codes, "{description}");
            assert_eq!(responses[name]["content"][PROBLEM]["schema"], schema("Problem"));
        }
        assert!(responses["read.404"]["headers"]["X-Headwater-Commit"].is_object());
        assert!(responses["ready.422"].get("headers").is_none());
        let referred: Vec<_> = Refusals::Read.references().map(|(status, _)| status).collect();
        assert_eq!(referred, ["404", "406", "412", "422", "500", "502", "503"]);
    }
}
