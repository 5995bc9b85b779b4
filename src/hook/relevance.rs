//! Decides whether a push of a forge concerns the served branch.

use headwater_engine::id::CommitId;

use super::Push;

/// What to do about the pushes of a forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relevance {
    /// Ask the remote, and expect this commit if one is named.
    Reload(Option<CommitId>),
    /// Ask the remote whether it has this commit. The push is of a repository with another name. If
    /// the remote has the commit, it was renamed; if not, the webhook is set up in the wrong place.
    Renamed(CommitId),
    /// Nothing.
    Ignore(Ignored),
}

/// Why a webhook is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ignored {
    /// It is a test of the webhook.
    Ping,
    /// Its event is not a push.
    UnknownEvent,
    /// It concerns another branch.
    OtherBranch,
    /// It concerns a tag.
    Tag,
    /// It concerns another repository, so the webhook is set up in the wrong place.
    OtherRepository,
}

impl Ignored {
    /// Returns the stable name for the API and the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::UnknownEvent => "unknown_event",
            Self::OtherBranch => "other_branch",
            Self::Tag => "tag",
            Self::OtherRepository => "other_repository",
        }
    }
}

/// Decides on the pushes of one webhook. `branch` is the served branch and `remote` its address, if
/// they are known; an unknown value is not compared. A push that names our repository takes
/// precedence over one that may concern it.
pub fn relevance(pushes: &[Push], branch: Option<&str>, remote: Option<&str>) -> Relevance {
    let mut found = Relevance::Ignore(Ignored::UnknownEvent);
    for push in pushes {
        match relevance_of(push, branch, remote) {
            ours @ Relevance::Reload(_) => return ours,
            renamed @ Relevance::Renamed(_) => found = renamed,
            Relevance::Ignore(_) if matches!(found, Relevance::Renamed(_)) => {}
            ignored @ Relevance::Ignore(_) => found = ignored,
        }
    }
    found
}

fn relevance_of(push: &Push, branch: Option<&str>, remote: Option<&str>) -> Relevance {
    let is_named = |name: &String| remote.is_none_or(|remote| names(remote, name));
    let is_ours = push.repository.as_ref().is_none_or(is_named);
    let pushed = push.reference.strip_prefix("refs/heads/");
    let is_branch = |pushed| branch.is_none_or(|branch| branch == pushed);
    match (is_ours, pushed, push.after) {
        (true, Some(pushed), after) if is_branch(pushed) => Relevance::Reload(after),
        (true, Some(_), _) => Relevance::Ignore(Ignored::OtherBranch),
        (true, None, _) => Relevance::Ignore(Ignored::Tag),
        (false, Some(pushed), Some(after)) if is_branch(pushed) => Relevance::Renamed(after),
        (false, ..) => Relevance::Ignore(Ignored::OtherRepository),
    }
}

/// Returns whether `remote` may be the repository `name`: whether its path ends with that name.
/// Hosts are not compared, because a forge often has another name inside its own network, and the
/// path of a local remote means nothing.
fn names(remote: &str, name: &str) -> bool {
    let path = match remote.split_once("://") {
        Some(("file", _)) => return true,
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => match remote.split_once(':') {
            Some((host, path)) if !host.contains('/') => path,
            _ => return true,
        },
    };
    let path = path.trim_end_matches('/').trim_end_matches(".git").to_lowercase();
    let name = name.to_lowercase();
    path == name || path.strip_suffix(&name).is_some_and(|front| front.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMOTE: Option<&str> = Some("https://host.org/Owner/data.git");

    fn push(reference: &str, repository: &str) -> Push {
        Push { reference: reference.into(), after: None, repository: Some(repository.into()) }
    }

    #[test]
    fn only_the_branch_that_is_served_matters() {
        let ours = push("refs/heads/main", "owner/Data");
        let cases = [
            (vec![ours.clone()], Relevance::Reload(None)),
            (vec![push("refs/heads/side", "owner/data"), ours], Relevance::Reload(None)),
            (vec![push("refs/heads/side", "owner/data")], Relevance::Ignore(Ignored::OtherBranch)),
            (vec![push("refs/tags/main", "owner/data")], Relevance::Ignore(Ignored::Tag)),
            (
                vec![push("refs/heads/main", "fork/data")],
                Relevance::Ignore(Ignored::OtherRepository),
            ),
            (vec![], Relevance::Ignore(Ignored::UnknownEvent)),
        ];
        for (pushes, expected) in cases {
            assert_eq!(relevance(&pushes, Some("main"), REMOTE), expected, "{pushes:?}");
        }
    }

    #[test]
    fn the_commit_tells_whether_a_repository_of_another_name_was_renamed() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let commit: CommitId = hash.parse().unwrap();
        let with = |reference: &str, repository: &str| Push {
            after: Some(commit),
            ..push(reference, repository)
        };
        let renamed = with("refs/heads/main", "new/name");
        let ours = push("refs/heads/main", "owner/data");
        let tag = with("refs/tags/v1", "new/name");
        let side = with("refs/heads/side", "new/name");
        let cases = [
            (vec![renamed.clone()], Relevance::Renamed(commit)),
            (vec![renamed.clone(), tag.clone()], Relevance::Renamed(commit)),
            (vec![tag.clone(), renamed.clone()], Relevance::Renamed(commit)),
            (vec![renamed, ours], Relevance::Reload(None)),
            (vec![tag], Relevance::Ignore(Ignored::OtherRepository)),
            (vec![side], Relevance::Ignore(Ignored::OtherRepository)),
        ];
        for (pushes, expected) in cases {
            assert_eq!(relevance(&pushes, Some("main"), REMOTE), expected, "{pushes:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_compared() {
        let other = [push("refs/heads/side", "fork/data")];
        assert_eq!(relevance(&other, None, None), Relevance::Reload(None));
    }

    #[test]
    fn a_repository_is_known_by_the_end_of_its_path() {
        let cases = [
            ("https://host.org/o/n", true),
            ("https://host.org/o/n.git/", true),
            ("ssh://git@host.org:22/o/n.git", true),
            ("git@host.org:o/n.git", true),
            ("https://host.org/prefix/o/n.git", true),
            ("https://host.org/xo/n.git", false),
            ("https://host.org/o/m.git", false),
            ("https://host.org", false),
            ("file:///srv/data.git", true),
            ("/srv/data.git", true),
            ("../data.git", true),
        ];
        for (remote, expected) in cases {
            assert_eq!(names(remote, "o/n"), expected, "{remote}");
        }
    }
}
