//! The push events of Azure DevOps, which identifies itself in the body and not in a header.

use serde::Deserialize;

use super::forge::{Push, commit};
use super::hint::Hint;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceHook {
    event_type: String,
    #[serde(rename = "publisherId")]
    _publisher: serde::de::IgnoredAny,
    resource: Option<Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    #[serde(default)]
    ref_updates: Vec<RefUpdate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefUpdate {
    name: String,
    new_object_id: Option<String>,
}

/// Reads a service hook. Returns `None` if the body is not one.
///
/// The repository is not compared with the remote, because its address differs between `https` and
/// `ssh`.
pub(super) fn read(json: &[u8]) -> Option<Hint> {
    let hook: ServiceHook = serde_json::from_slice(json).ok()?;
    let updates = hook.resource.map(|resource| resource.ref_updates).unwrap_or_default();
    if hook.event_type != "git.push" {
        return Some(Hint::Unknown);
    }
    let push = |update: RefUpdate| Push {
        reference: update.name,
        after: update.new_object_id.as_deref().and_then(commit),
        repository: None,
    };
    Some(Hint::Pushes(updates.into_iter().map(push).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_hook_is_known_by_its_body() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let body = format!(
            r#"{{"eventType":"git.push","publisherId":"tfs","resource":{{"refUpdates":[
            {{"name":"refs/heads/main","oldObjectId":"{hash}","newObjectId":"{hash}"}}],
            "repository":{{"remoteUrl":"https://dev.azure.com/o/p/_git/r"}}}}}}"#
        );
        let Some(Hint::Pushes(pushes)) = read(body.as_bytes()) else { panic!("{body}") };
        let expected = Push {
            reference: "refs/heads/main".into(),
            after: hash.parse().ok(),
            repository: None,
        };
        assert_eq!(pushes, [expected]);
        let gone = body.replace(&format!(r#""newObjectId":"{hash}""#), r#""newObjectId":"0""#);
        let Some(Hint::Pushes(pushes)) = read(gone.as_bytes()) else { panic!("{gone}") };
        assert_eq!(pushes[0].after, None);
        let other = r#"{"eventType":"git.pullrequest.created","publisherId":"tfs"}"#;
        assert_eq!(read(other.as_bytes()), Some(Hint::Unknown));
        for body in ["{}", r#"{"branch":"main"}"#, r#"{"eventType":"git.push"}"#] {
            assert_eq!(read(body.as_bytes()), None, "{body}");
        }
    }
}
