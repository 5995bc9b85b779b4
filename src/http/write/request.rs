//! The operations of a write request, and the message of their commit.

use axum::http::{HeaderMap, HeaderName};
use headwater_engine::decode::{self, Flaw, parser_messages};
use headwater_engine::id::{Key, SheetName};
use headwater_engine::mirror::{Identity, Trailer};
use headwater_engine::write::{Action, Batch, Condition, MOST_WRITTEN, Operation, Repeat};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::condition;
use super::head::WriteHead;
use crate::access::Writer;
use crate::http::header_names::{AUTHOR, IDEMPOTENCY_KEY as KEY, SUMMARY};
use crate::wire::{ApiError, Code};

/// The most operations of one commit.
const OPERATIONS: usize = 1_000;
/// The longest summary, in bytes.
const LONGEST: usize = 1_000;

/// The caller of a write.
pub(super) struct Caller {
    pub(super) writer: Writer,
    author: Identity,
}

impl Caller {
    /// # Errors
    /// 403 if the caller names an author but may not; 422 if the name is invalid.
    pub(super) fn new(writer: Writer, headers: &HeaderMap) -> Result<Self, ApiError> {
        let author = match text(headers, &AUTHOR)? {
            None => writer.author.clone(),
            Some(_) if !writer.names_author => {
                let why = "the token may not name an author";
                return Err(ApiError::explained(Code::TokenScope, why));
            }
            Some(name) => Identity::parse(&name).map_err(|error| invalid(&AUTHOR, error))?,
        };
        Ok(Self { writer, author })
    }
}

/// The body of `POST /api/_transact`.
pub(super) struct Transaction {
    pub(super) operations: Vec<Operation>,
    pub(super) summary: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    operations: Vec<OperationBody>,
    summary: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum OperationBody {
    Put {
        sheet: String,
        key: String,
        value: Value,
        #[serde(rename = "ifMatch")]
        if_match: Option<String>,
        /// `*`, so that it makes a new record.
        #[serde(rename = "ifNoneMatch")]
        if_none_match: Option<Star>,
    },
    Create {
        sheet: String,
        value: Value,
    },
    Patch {
        sheet: String,
        key: String,
        value: Value,
        #[serde(rename = "ifMatch")]
        if_match: Option<String>,
    },
    Delete {
        sheet: String,
        key: String,
        #[serde(rename = "ifMatch")]
        if_match: Option<String>,
    },
}

/// A condition that can only be `*`.
#[derive(Deserialize)]
enum Star {
    #[serde(rename = "*")]
    Star,
}

impl Transaction {
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let Body { operations, summary } = json(body)?;
        if operations.is_empty() || operations.len() > OPERATIONS {
            let why = format!("there must be 1 to {OPERATIONS} operations");
            return Err(ApiError::explained(Code::InvalidBody, why));
        }
        let condition = |tag: Option<String>| match tag.as_deref() {
            None => Condition::Any,
            Some("*") => Condition::Present,
            Some(tag) => Condition::Is(condition::version(tag).into_iter().collect()),
        };
        let operation = |body| {
            let (sheet, action, if_match) = match body {
                OperationBody::Put {
                    if_match: Some(_), if_none_match: Some(Star::Star), ..
                } => {
                    let why = "`ifMatch` and `ifNoneMatch` exclude each other";
                    return Err(ApiError::explained(Code::InvalidBody, why));
                }
                OperationBody::Put {
                    sheet, key, value, if_none_match: Some(Star::Star), ..
                } => {
                    let (sheet, action) =
                        (SheetName::new(sheet), Action::Put(Key::new(key), value));
                    return Ok(Operation { sheet, action, condition: Condition::Absent });
                }
                OperationBody::Put { sheet, key, value, if_match, if_none_match: None } => {
                    (sheet, Action::Put(Key::new(key), value), if_match)
                }
                OperationBody::Create { sheet, value } => (sheet, Action::Create(value), None),
                OperationBody::Patch { sheet, key, value, if_match } => {
                    (sheet, Action::Patch(Key::new(key), value), if_match)
                }
                OperationBody::Delete { sheet, key, if_match } => {
                    (sheet, Action::Delete(Key::new(key)), if_match)
                }
            };
            let (sheet, condition) = (SheetName::new(sheet), condition(if_match));
            Ok(Operation { sheet, action, condition })
        };
        let operations = operations.into_iter().map(operation).collect::<Result<_, _>>()?;
        Ok(Self { operations, summary })
    }
}

/// Parses a body like a JSON file: a repeated key or an integer beyond 64 bits is an error.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let value = decode::json(body);
    let value = value.map_err(|flaw| ApiError::explained(Code::InvalidBody, malformed(&flaw)))?;
    serde_json::from_value(value).map_err(|error| {
        ApiError::explained(
            Code::InvalidBody,
            format!("the body: {}", parser_messages::of_json(&error)),
        )
    })
}

/// Describes what is wrong with a body, and where.
fn malformed(flaw: &Flaw) -> String {
    match (flaw.line, flaw.column) {
        (Some(line), Some(column)) => {
            format!("the body, line {line}, column {column}: {}", flaw.message)
        }
        _ => format!("the body: {}", flaw.message),
    }
}

/// Builds the message of the commit: the summary, `<actor>: <METHOD> <path>`, and trailers. The first
/// line of the summary is the subject, which every history shows; without a summary, that is the
/// request. It has nothing about the caller's connection.
pub(super) fn message_of(
    head: &WriteHead,
    caller: &Caller,
    body: &[u8],
    operations: Vec<Operation>,
    summary: Option<String>,
) -> Result<Batch, ApiError> {
    let actor = &caller.writer.name;
    let request = format!("{actor}: {} {}", head.method, head.path);
    let summary = match summary {
        None => text(&head.headers, &SUMMARY)?,
        summary => summary,
    };
    let message = match summary.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        None => request,
        Some(summary) => format!("{}\n\n{request}", paragraphs(summary)?),
    };
    let mut trailers =
        vec![trailer("Action", &action(&operations))?, trailer("Actor-Slug", actor)?];
    if let [Operation { sheet, .. }] = &operations[..] {
        trailers.push(trailer("Subject-Type", sheet.as_str())?);
        let below = head.path.trim_start_matches("/api/").trim_start_matches("_attachments/");
        if let Some((_, key)) = below.split_once('/') {
            trailers.push(trailer("Subject-Slug", key)?);
        }
    }
    let repeat = match text(&head.headers, &KEY)? {
        None => None,
        Some(key)
            if (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) =>
        {
            let digest = digest(head, caller, &operations, body);
            Some(Repeat { actor: Repeat::actor_id(actor), key, digest })
        }
        Some(_) => return Err(invalid(&KEY, "it must have 1 to 255 visible ASCII characters")),
    };
    let (actor, author) = (actor.clone(), caller.author.clone());
    let (scope, view) = (caller.writer.scope.clone(), caller.writer.view.clone());
    let limit = MOST_WRITTEN;
    Ok(Batch { operations, actor, author, scope, view, message, trailers, repeat, limit })
}

/// Returns a summary with an empty line after its first one, which is the subject.
fn paragraphs(summary: &str) -> Result<String, ApiError> {
    if summary.len() > LONGEST || summary.contains(|c: char| c.is_control() && c != '\n') {
        return Err(invalid(&SUMMARY, format!("it must be at most {LONGEST} bytes of text")));
    }
    Ok(match summary.split_once('\n') {
        None => summary.to_owned(),
        Some((subject, rest)) => format!("{}\n\n{}", subject.trim_end(), rest.trim_start()),
    })
}

/// Returns the action, such as `people.put`.
fn action(operations: &[Operation]) -> String {
    let [Operation { sheet, action, .. }] = operations else { return "transact".to_owned() };
    let verb = match action {
        Action::Put(..) => "put",
        Action::Create(..) => "create",
        Action::Patch(..) => "patch",
        Action::Delete(..) => "delete",
        Action::Attach(..) => "attach",
        Action::Detach(..) => "detach",
    };
    format!("{sheet}.{verb}")
}

/// Hashes the request, its conditions and its author. The same key with a different hash is a
/// mistake of the caller.
fn digest(head: &WriteHead, caller: &Caller, operations: &[Operation], body: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        // The length in front separates the parts from each other.
        hasher.update(&bytes.len().to_le_bytes()).update(bytes);
    };
    let author = &caller.author;
    for text in [head.method.as_str(), &head.path, author.name(), author.address()] {
        part(text.as_bytes());
    }
    for Operation { condition, .. } in operations {
        match condition {
            Condition::Any => part(b"any"),
            Condition::Absent => part(b"absent"),
            Condition::Present => part(b"present"),
            Condition::Is(versions) => part(versions.as_flattened()),
        }
    }
    part(body);
    hasher.finalize().to_hex()[..32].to_owned()
}

fn trailer(key: &str, value: &str) -> Result<Trailer, ApiError> {
    Trailer::new(key, value)
        .map_err(|error| ApiError::explained(Code::InvalidRecord, error.to_string()))
}

/// Returns the text of a header that may occur once.
fn text(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (std::str::from_utf8(value.as_bytes()), values.next()) {
        (Ok(text), None) => Ok(Some(text.to_owned())),
        _ => Err(invalid(name, "it must be one UTF-8 text")),
    }
}

fn invalid(name: &HeaderName, why: impl std::fmt::Display) -> ApiError {
    ApiError::explained(Code::InvalidHeader, format!("`{name}`: {why}"))
}
