//! The push events of GitHub, Gitea and Forgejo, Gogs, GitLab, Gitee, Bitbucket Cloud and Bitbucket
//! Server.

use headwater_engine::decode::parser_messages;
use headwater_engine::id::CommitId;
use serde::Deserialize;

use super::headers::HookHeaders;

/// A forge with webhooks of its own form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forge {
    /// Gitea and Forgejo, which also send the headers of GitHub and so are checked first.
    Gitea,
    /// Gogs, which also sends the headers of GitHub; Gitea also sends those of Gogs.
    Gogs,
    /// GitHub.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitee.
    Gitee,
    /// Bitbucket, in the cloud or on a server.
    Bitbucket,
}

/// The kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Push,
    /// The body has the kind.
    System,
    Ping,
    Other,
}

/// One reference that a push moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The full name of the reference, `refs/heads/…` or `refs/tags/…`.
    pub reference: String,
    /// Its new commit; `None` if it was deleted or the forge does not say.
    pub after: Option<CommitId>,
    /// The full name of the repository, such as `owner/name`.
    pub repository: Option<String>,
}

impl Forge {
    /// Every forge, in the order in which their headers are checked.
    pub const ALL: [Self; 6] =
        [Self::Gitea, Self::Gogs, Self::GitHub, Self::GitLab, Self::Gitee, Self::Bitbucket];

    /// Returns the stable name for the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gitea => "gitea",
            Self::Gogs => "gogs",
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Gitee => "gitee",
            Self::Bitbucket => "bitbucket",
        }
    }

    /// Returns the header that carries the name of the event.
    pub fn event_header(self) -> &'static str {
        match self {
            Self::Gitea => "x-gitea-event",
            Self::Gogs => "x-gogs-event",
            Self::GitHub => "x-github-event",
            Self::GitLab => "x-gitlab-event",
            Self::Gitee => "x-gitee-event",
            Self::Bitbucket => "x-event-key",
        }
    }

    /// Returns the headers for the id of the delivery; the first that is present counts.
    pub(super) fn delivery_headers(self) -> &'static [&'static str] {
        match self {
            Self::Gitea => &["x-gitea-delivery"],
            Self::Gogs => &["x-gogs-delivery"],
            // It gives its deliveries no id.
            Self::Gitee => &[],
            Self::GitHub => &["x-github-delivery"],
            Self::GitLab => &["webhook-id", "idempotency-key", "x-gitlab-event-uuid"],
            Self::Bitbucket => &["x-request-uuid", "x-request-id"],
        }
    }

    pub(super) fn event(self, headers: &dyn HookHeaders) -> Event {
        let name = headers.header(self.event_header()).unwrap_or_default();
        match (self, name) {
            (Self::Gitea | Self::Gogs | Self::GitHub, "push") => Event::Push,
            // Both also report deleted branches as a push, so `delete` is not needed.
            (Self::GitHub, "ping") => Event::Ping,
            (Self::GitLab, "System Hook") => Event::System,
            (Self::GitLab | Self::Gitee, "Push Hook" | "Tag Push Hook") => Event::Push,
            (Self::Bitbucket, "repo:push" | "repo:refs_changed") => Event::Push,
            (Self::Bitbucket, "diagnostics:ping") => Event::Ping,
            _ => Event::Other,
        }
    }

    /// Returns whether it signs the JSON, even if it sends the JSON in a form.
    pub(super) fn signs_payload(self) -> bool {
        matches!(self, Self::Gitea | Self::Gogs)
    }

    /// Reads the pushes in the body of a push event.
    pub(super) fn pushes(self, json: &[u8]) -> Result<Vec<Push>, String> {
        let told = |error: serde_json::Error| parser_messages::of_json(&error);
        match self {
            Self::Bitbucket => {
                serde_json::from_slice::<Bitbucket>(json).map(Bitbucket::pushes).map_err(told)
            }
            _ => serde_json::from_slice::<Plain>(json).map(|p| vec![p.push()]).map_err(told),
        }
    }
}

/// Reads the pushes in a system hook of GitLab. Returns `None` for another event.
pub(super) fn system_pushes(json: &[u8]) -> Result<Option<Vec<Push>>, String> {
    let told = |error: serde_json::Error| parser_messages::of_json(&error);
    let hook: SystemHook = serde_json::from_slice(json).map_err(told)?;
    match hook.event_name.as_deref() {
        Some("push" | "tag_push") => Forge::GitLab.pushes(json).map(Some),
        Some("repository_update") => Ok(Some(hook.pushes())),
        _ => Ok(None),
    }
}

/// A system hook of GitLab: its event, and the references that a push moved.
#[derive(Deserialize)]
struct SystemHook {
    event_name: Option<String>,
    /// The references that a push moved; in other events, something else.
    #[serde(default)]
    changes: serde_json::Value,
    project: Option<Project>,
}

#[derive(Deserialize)]
struct SystemChange {
    #[serde(rename = "ref")]
    reference: String,
    after: Option<String>,
}

impl SystemHook {
    fn pushes(self) -> Vec<Push> {
        let repository = self.project.and_then(|project| project.path_with_namespace);
        let changes: Vec<SystemChange> = serde_json::from_value(self.changes).unwrap_or_default();
        let push = |change: SystemChange| Push {
            reference: change.reference,
            after: change.after.as_deref().and_then(commit),
            repository: repository.clone(),
        };
        changes.into_iter().map(push).collect()
    }
}

/// The form that GitHub, Gitea, Gogs, GitLab and Gitee share.
#[derive(Deserialize)]
struct Plain {
    #[serde(rename = "ref")]
    reference: String,
    after: Option<String>,
    deleted: Option<bool>,
    repository: Option<Repository>,
    project: Option<Project>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: Option<String>,
}

#[derive(Deserialize)]
struct Project {
    path_with_namespace: Option<String>,
}

impl Plain {
    fn push(self) -> Push {
        let project = self.project.and_then(|project| project.path_with_namespace);
        Push {
            reference: self.reference,
            after: self.after.filter(|_| self.deleted != Some(true)).as_deref().and_then(commit),
            repository: self.repository.and_then(|repository| repository.full_name).or(project),
        }
    }
}

/// Bitbucket Cloud has `push.changes`, Bitbucket Server `changes`.
#[derive(Deserialize)]
struct Bitbucket {
    push: Option<CloudPush>,
    changes: Option<Vec<ServerChange>>,
    repository: Option<BitbucketRepository>,
}

#[derive(Deserialize)]
struct CloudPush {
    changes: Vec<CloudChange>,
}

#[derive(Deserialize)]
struct CloudChange {
    old: Option<CloudRef>,
    new: Option<CloudRef>,
}

#[derive(Deserialize)]
struct CloudRef {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    target: Option<CloudTarget>,
}

#[derive(Deserialize)]
struct CloudTarget {
    hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServerChange {
    #[serde(rename = "ref")]
    reference: ServerRef,
    to_hash: Option<String>,
}

#[derive(Deserialize)]
struct ServerRef {
    id: String,
}

#[derive(Deserialize)]
struct BitbucketRepository {
    full_name: Option<String>,
    slug: Option<String>,
    project: Option<ServerProject>,
}

#[derive(Deserialize)]
struct ServerProject {
    key: Option<String>,
}

impl Bitbucket {
    fn pushes(self) -> Vec<Push> {
        let repository = self.repository.and_then(BitbucketRepository::name);
        let cloud = self.push.map(|push| push.changes).unwrap_or_default();
        let cloud = cloud.into_iter().filter_map(CloudChange::moved);
        let server = self
            .changes
            .unwrap_or_default()
            .into_iter()
            .map(|change| (change.reference.id, change.to_hash.as_deref().and_then(commit)));
        let push = |(reference, after)| Push { reference, after, repository: repository.clone() };
        cloud.chain(server).map(push).collect()
    }
}

impl CloudChange {
    fn moved(self) -> Option<(String, Option<CommitId>)> {
        let after = self.new.as_ref().and_then(|new| new.target.as_ref());
        let after = after.and_then(|target| commit(&target.hash));
        let named = self.new.or(self.old)?;
        let folder = if named.kind == "branch" { "heads" } else { "tags" };
        Some((format!("refs/{folder}/{}", named.name), after))
    }
}

impl BitbucketRepository {
    fn name(self) -> Option<String> {
        let key = self.project.and_then(|project| project.key);
        self.full_name.or_else(|| Some(format!("{}/{}", key?, self.slug?)))
    }
}

/// Parses a full hash. Forty zeros, which stand for a deleted reference, are not a hash.
pub(super) fn commit(hash: &str) -> Option<CommitId> {
    hash.parse().ok().filter(|id: &CommitId| !id.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef01234567";

    fn push(reference: &str, after: Option<&str>, repository: &str) -> Push {
        let after = after.and_then(|hash| hash.parse().ok());
        Push { reference: reference.into(), after, repository: Some(repository.into()) }
    }

    #[test]
    fn each_forge_names_reference_commit_and_repository() {
        let zeros = "0".repeat(40);
        let cases = [
            (
                Forge::GitHub,
                format!(
                    r#"{{"ref":"refs/heads/main","after":"{HASH}","deleted":false,
                    "repository":{{"id":1,"full_name":"o/n"}},"commits":[{{}}]}}"#
                ),
                push("refs/heads/main", Some(HASH), "o/n"),
            ),
            (
                Forge::GitHub,
                format!(
                    r#"{{"ref":"refs/heads/main","after":"{zeros}","deleted":true,
                    "repository":{{"full_name":"o/n"}}}}"#
                ),
                push("refs/heads/main", None, "o/n"),
            ),
            (
                Forge::Gitea,
                format!(
                    r#"{{"ref":"refs/tags/v1","after":"{HASH}","repository":{{"full_name":"o/n"}}}}"#
                ),
                push("refs/tags/v1", Some(HASH), "o/n"),
            ),
            (
                Forge::GitLab,
                format!(
                    r#"{{"ref":"refs/heads/main","after":"{HASH}",
                    "project":{{"path_with_namespace":"g/s/n"}},"repository":{{"name":"n"}}}}"#
                ),
                push("refs/heads/main", Some(HASH), "g/s/n"),
            ),
            (
                Forge::Bitbucket,
                format!(
                    r#"{{"push":{{"changes":[{{"new":{{"type":"branch","name":"main",
                    "target":{{"hash":"{HASH}"}}}},"old":null}}]}},"repository":{{"full_name":"o/n"}}}}"#
                ),
                push("refs/heads/main", Some(HASH), "o/n"),
            ),
            (
                Forge::Bitbucket,
                r#"{"push":{"changes":[{"new":null,"old":{"type":"branch","name":"main",
                    "target":{"hash":"x"}}}]},"repository":{"full_name":"o/n"}}"#
                    .to_owned(),
                push("refs/heads/main", None, "o/n"),
            ),
            (
                Forge::Bitbucket,
                format!(
                    r#"{{"changes":[{{"ref":{{"id":"refs/heads/main"}},"toHash":"{zeros}",
                    "type":"DELETE"}}],"repository":{{"slug":"n","project":{{"key":"O"}}}}}}"#
                ),
                push("refs/heads/main", None, "O/n"),
            ),
        ];
        for (forge, body, expected) in cases {
            assert_eq!(forge.pushes(body.as_bytes()), Ok(vec![expected]), "{forge:?} {body}");
        }
    }

    #[test]
    fn a_push_without_a_reference_is_refused() {
        assert!(Forge::GitHub.pushes(b"{}").is_err());
        assert_eq!(Forge::Bitbucket.pushes(b"{}"), Ok(vec![]));
    }
}
