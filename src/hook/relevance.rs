//! Whether a forge's push concerns what is served.

use headwater_engine::id::CommitId;

use super::Push;

/// What to do about a forge's pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relevance {
    /// Ask the remote, and expect this commit if one is named.
    Reload(Option<CommitId>),
    /// Nothing.
    Ignore(Ignored),
}

/// Why a webhook is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ignored {
    /// It tries the webhook out.
    Ping,
    /// It tells of something that is not a push.
    UnknownEvent,
    /// It tells of another branch.
    OtherBranch,
    /// It tells of a tag.
    Tag,
    /// It tells of another repository, so the webhook is set up in a wrong place.
    OtherRepository,
}

impl Ignored {
    /// Returns the stable name that the API and the metrics show.
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

/// Decides about the pushes of one webhook. `branch` is the branch that is served and `remote` the
/// address it comes from, where they are known; what is not known is not compared.
pub fn relevance(pushes: &[Push], branch: Option<&str>, remote: Option<&str>) -> Relevance {
    let mut ignored = Ignored::UnknownEvent;
    for push in pushes {
        match irrelevance(push, branch, remote) {
            None => return Relevance::Reload(push.after),
            Some(reason) => ignored = reason,
        }
    }
    Relevance::Ignore(ignored)
}

fn irrelevance(push: &Push, branch: Option<&str>, remote: Option<&str>) -> Option<Ignored> {
    if let (Some(name), Some(remote)) = (&push.repository, remote)
        && !names(remote, name)
    {
        return Some(Ignored::OtherRepository);
    }
    let Some(pushed) = push.reference.strip_prefix("refs/heads/") else {
        return Some(Ignored::Tag);
    };
    (branch.is_some_and(|branch| branch != pushed)).then_some(Ignored::OtherBranch)
}

/// Says whether `remote` may be the repository `name`: whether its path ends with that name. Hosts
/// are not compared, because a forge often has another name inside its own network, and the path
/// of a local remote says nothing.
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
