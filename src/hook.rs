//! Reads webhooks from their headers and body. This is pure, and only a hint: a webhook never names
//! what is fetched, only whether to ask the remote and which commit to wait for. Also here: the
//! signatures of forges, and the memory of finished deliveries.

mod azure;
mod delivery;
mod forge;
mod form;
mod gitee;
mod headers;
mod hint;
mod prefer;
mod relevance;
mod signature;

use std::borrow::Cow;

use headwater_engine::decode::parser_messages;
use serde::Deserialize;

use crate::header_fields::essence;

pub use delivery::{Deliveries, Delivery};
pub use forge::{Forge, Push};
pub use form::Payload;
pub use gitee::GiteeToken;
pub use headers::HookHeaders;
pub use hint::Hint;
pub use prefer::{wait_seconds, wants_minimal};
pub use relevance::{Ignored, Relevance, relevance};
pub use signature::{Check, Checked, Covered, Signature, signatures};

/// Why a webhook cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHook {
    /// The content type is not supported.
    #[error("the content type must be given, and must be application/json")]
    ContentType,
    /// The body is not the expected JSON.
    #[error("{0}")]
    Body(String),
    /// The hash is not a full one.
    #[error("commitHash must be a full hash of forty hexadecimal digits")]
    Hash,
}

/// Returns the forge that sent the webhook, by its headers.
pub fn sender(headers: &dyn HookHeaders) -> Option<Forge> {
    Forge::ALL.into_iter().find(|forge| headers.header(forge.event_header()).is_some())
}

/// Reads a webhook. It checks the event in the headers, then the content type, then the body.
///
/// # Errors
/// Fails if the content type or the body is not as expected. An event that is not a push is never
/// an error, whatever its body.
pub fn read(headers: &dyn HookHeaders, body: &[u8]) -> Result<Hint, BadHook> {
    let Some(forge) = sender(headers) else { return unnamed(headers, body) };
    match forge.event(headers) {
        forge::Event::Ping => Ok(Hint::Ping),
        forge::Event::Other => Ok(Hint::Unknown),
        forge::Event::Push => {
            let json = forge_json(headers, body)?;
            forge.pushes(&json).map(Hint::Pushes).map_err(BadHook::Body)
        }
        forge::Event::System => {
            let pushes = forge::system_pushes(&forge_json(headers, body)?);
            Ok(pushes.map_err(BadHook::Body)?.map_or(Hint::Unknown, Hint::Pushes))
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OurBody {
    branch: Option<String>,
    commit_hash: Option<String>,
}

/// Reads a webhook whose headers name no forge: our own body, or that of Azure DevOps.
fn unnamed(headers: &dyn HookHeaders, body: &[u8]) -> Result<Hint, BadHook> {
    if body.is_empty() {
        return Ok(Hint::Ours { branch: None, commit: None });
    }
    if media_type(headers) != Some(Media::Json) {
        return Err(BadHook::ContentType);
    }
    // serde would also accept an array for a struct.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(BadHook::Body("the body must be a JSON object".to_owned()));
    }
    if let Some(hint) = azure::read(body) {
        return Ok(hint);
    }
    let body: OurBody = serde_json::from_slice(body)
        .map_err(|error| BadHook::Body(parser_messages::of_json(&error)))?;
    let commit =
        body.commit_hash.map(|hash| hash.parse().map_err(|_| BadHook::Hash)).transpose()?;
    Ok(Hint::Ours { branch: body.branch, commit })
}

/// Returns the JSON in the body of a forge; GitHub wraps it in a form by default.
fn forge_json<'a>(headers: &dyn HookHeaders, body: &'a [u8]) -> Result<Cow<'a, [u8]>, BadHook> {
    match media_type(headers) {
        Some(Media::Json) => Ok(Cow::Borrowed(body)),
        Some(Media::Form) => {
            let mut payload = Payload::default();
            let value = payload.read(body);
            let missing = || {
                let is_json = body.trim_ascii_start().starts_with(b"{");
                BadHook::Body(match is_json {
                    true => {
                        "the body is JSON, but its content type is a form: send application/json"
                            .into()
                    }
                    false => "the form has no field `payload`".into(),
                })
            };
            payload.is_there().then_some(Cow::Owned(value)).ok_or_else(missing)
        }
        None => Err(BadHook::ContentType),
    }
}

#[derive(PartialEq, Eq)]
enum Media {
    Json,
    Form,
}

fn media_type(headers: &dyn HookHeaders) -> Option<Media> {
    match essence(headers.header("content-type")?).as_str() {
        // Some senders of JSON can only name plain text.
        "application/json" | "text/plain" => Some(Media::Json),
        "application/x-www-form-urlencoded" => Some(Media::Form),
        other => other.ends_with("+json").then_some(Media::Json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef01234567";

    impl HookHeaders for Vec<(&str, &str)> {
        fn header(&self, name: &str) -> Option<&str> {
            self.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
        }

        fn all(&self, name: &str) -> Vec<&[u8]> {
            let named = self.iter().filter(|(other, _)| *other == name);
            named.map(|(_, value)| value.as_bytes()).collect()
        }
    }

    fn hint(headers: &[(&str, &str)], body: &str) -> Result<Hint, BadHook> {
        read(&headers.to_vec(), body.as_bytes())
    }

    fn json(body: &str) -> Result<Hint, BadHook> {
        hint(&[("content-type", "application/json; charset=utf-8")], body)
    }

    #[test]
    fn an_empty_body_needs_no_content_type() {
        assert_eq!(hint(&[], ""), Ok(Hint::Ours { branch: None, commit: None }));
    }

    #[test]
    fn our_body_names_a_branch_and_a_full_hash() {
        let commit = HASH.parse().ok();
        let both = json(&format!(r#"{{"branch":"published","commitHash":"{HASH}","by":1}}"#));
        assert_eq!(both, Ok(Hint::Ours { branch: Some("published".into()), commit }));
        assert_eq!(json("{}"), Ok(Hint::Ours { branch: None, commit: None }));
        assert_eq!(json(r#"{"branch":null}"#), Ok(Hint::Ours { branch: None, commit: None }));
    }

    #[test]
    fn another_content_type_comes_before_a_bad_body() {
        assert_eq!(hint(&[("content-type", "text/html")], "{"), Err(BadHook::ContentType));
        assert_eq!(hint(&[], "{}"), Err(BadHook::ContentType));
    }

    #[test]
    fn what_is_not_such_an_object_is_refused() {
        for body in ["{", "[]", "[null,null]", "1", "null", r#"{"branch":1}"#, "{} x", " "] {
            assert!(matches!(json(body), Err(BadHook::Body(_))), "{body}");
        }
        for hash in ["", "0123", "x123456789abcdef0123456789abcdef01234567"] {
            assert_eq!(json(&format!(r#"{{"commitHash":"{hash}"}}"#)), Err(BadHook::Hash));
        }
    }

    #[test]
    fn a_deeply_nested_body_is_refused_and_not_a_crash() {
        let body = format!(r#"{{"x":{}"#, "[".repeat(100_000));
        assert!(matches!(json(&body), Err(BadHook::Body(_))));
    }

    #[test]
    fn a_form_holds_the_payload_that_github_sends_by_default() {
        let headers =
            [("x-github-event", "push"), ("content-type", "application/x-www-form-urlencoded")];
        let body = "payload=%7B%22ref%22%3A+%22refs%2Fheads%2Fmain%22%7D";
        let Ok(Hint::Pushes(pushes)) = hint(&headers, body) else { panic!() };
        assert_eq!(pushes[0].reference, "refs/heads/main");
    }

    #[test]
    fn json_may_be_called_plain_text() {
        let ours = hint(&[("content-type", "text/plain; charset=utf-8")], r#"{"branch":"main"}"#);
        assert_eq!(ours, Ok(Hint::Ours { branch: Some("main".into()), commit: None }));
        let headers = [("x-github-event", "push"), ("content-type", "text/plain")];
        let pushed = hint(&headers, r#"{"ref":"refs/heads/main"}"#);
        assert!(matches!(pushed, Ok(Hint::Pushes(_))), "{pushed:?}");
    }

    #[test]
    fn a_system_hook_of_gitlab_is_a_push_or_is_ignored() {
        let headers = [("x-gitlab-event", "System Hook"), ("content-type", "application/json")];
        let system = |body: &str| hint(&headers, body);
        for body in [
            r#"{"event_name":"project_create","path_with_namespace":"o/n"}"#,
            r#"{"event_name":"user_add_to_team","project_name":"n"}"#,
            r#"{"object_kind":"merge_request","project":{"path_with_namespace":"o/n"}}"#,
            "{}",
        ] {
            assert_eq!(system(body), Ok(Hint::Unknown), "{body}");
        }
        let push = format!(
            r#"{{"event_name":"push","object_kind":"push","ref":"refs/heads/main",
            "after":"{HASH}","project":{{"path_with_namespace":"o/n"}}}}"#
        );
        let update = format!(
            r#"{{"event_name":"repository_update","project":{{"path_with_namespace":"o/n"}},
            "changes":[{{"before":"x","after":"{HASH}","ref":"refs/heads/main"}}]}}"#
        );
        for body in [push, update] {
            let Ok(Hint::Pushes(pushes)) = system(&body) else { panic!("{body}") };
            assert_eq!(pushes[0].reference, "refs/heads/main");
            assert_eq!(pushes[0].after, HASH.parse().ok());
            assert_eq!(pushes[0].repository.as_deref(), Some("o/n"));
        }
        assert!(matches!(system(r#"{"event_name":"push"}"#), Err(BadHook::Body(_))));
    }

    #[test]
    fn a_ping_or_another_event_is_told_by_the_headers_alone() {
        assert_eq!(hint(&[("x-github-event", "ping")], "{"), Ok(Hint::Ping));
        assert_eq!(hint(&[("x-event-key", "diagnostics:ping")], ""), Ok(Hint::Ping));
        assert_eq!(hint(&[("x-gitlab-event", "Issue Hook")], "x"), Ok(Hint::Unknown));
    }
}
