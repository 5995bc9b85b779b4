//! The requests that are answered without git: those that a follower sends after each publication.
//!
//! They are `ls-refs` and `fetch` of protocol version 2, as `gitprotocol-v2` describes them. Whatever has
//! more to it is git's to answer.

use std::collections::HashSet;

use super::lines::Lines;
use crate::id::CommitId;

/// A request that is answered without git.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PlainRequest {
    /// The references whose names begin with one of these, and what tags point to.
    References(Vec<String>),
    /// The pack of one commit.
    Pack(Wanted),
}

/// The commit that is asked for, and what its sender has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) commit: CommitId,
    /// The commits that are there with all of their history.
    pub(super) haves: HashSet<CommitId>,
}

impl PlainRequest {
    /// Reads a request; `None` if git has to answer it.
    pub(super) fn parse(request: &[u8]) -> Option<Self> {
        let lines: Vec<&str> = Lines(request)
            .map(|line| std::str::from_utf8(line).map(|line| line.trim_end_matches('\n')))
            .collect::<Result<_, _>>()
            .ok()?;
        // What announces the command has no influence on the answer.
        let is_about = |line: &str| line.starts_with("agent=") || line == "object-format=sha1";
        let mut lines = lines.into_iter().filter(|line| !line.is_empty() && !is_about(line));
        match lines.next()? {
            "command=ls-refs" => references(lines),
            "command=fetch" => pack(lines),
            _ => None,
        }
    }
}

fn references<'a>(lines: impl Iterator<Item = &'a str>) -> Option<PlainRequest> {
    let (mut prefixes, mut is_peeled) = (Vec::new(), false);
    for line in lines {
        match line.split_once(' ') {
            Some(("ref-prefix", prefix)) if prefix.starts_with("refs/") => {
                prefixes.push(prefix.to_owned());
            }
            None if line == "peel" => is_peeled = true,
            // No reference below `refs/` of a mirror is a symbolic one.
            None if line == "symrefs" || line == "unborn" => {}
            _ => return None,
        }
    }
    (is_peeled && !prefixes.is_empty()).then_some(PlainRequest::References(prefixes))
}

fn pack<'a>(lines: impl Iterator<Item = &'a str>) -> Option<PlainRequest> {
    let (mut wants, mut haves) = (Vec::new(), HashSet::new());
    let mut told = HashSet::new();
    for line in lines {
        match line.split_once(' ') {
            Some(("want", commit)) => wants.push(commit.parse().ok()?),
            Some(("have", commit)) => drop(haves.insert(commit.parse().ok()?)),
            None => drop(told.insert(line)),
            Some(_) => return None,
        }
    }
    // A tag that points to a commit is sent along only if it is asked for.
    let known = ["thin-pack", "ofs-delta", "no-progress", "done"];
    let is_plain = told.iter().all(|line| known.contains(line));
    let is_usual = ["thin-pack", "ofs-delta", "done"].iter().all(|line| told.contains(line));
    match wants[..] {
        [commit] if is_plain && is_usual => Some(PlainRequest::Pack(Wanted { commit, haves })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::tests::framed;
    use super::*;

    fn id(digit: &str) -> String {
        digit.repeat(40)
    }

    #[test]
    fn what_a_follower_asks_for_after_each_publication_is_read_and_the_rest_is_for_git() {
        let references = |lines: &[&str]| {
            let lines = [&["command=ls-refs", "agent=x", "0001"], lines, &["0000"]].concat();
            PlainRequest::parse(&framed(&lines))
        };
        let found = references(&["peel", "symrefs", "ref-prefix refs/tags/"]);
        assert_eq!(found, Some(PlainRequest::References(vec!["refs/tags/".into()])));
        for lines in [
            &["peel", "symrefs"][..],
            &["symrefs", "ref-prefix refs/tags/"],
            &["peel", "ref-prefix HEAD", "ref-prefix refs/tags/"],
            &["peel", "ref-prefix refs/tags/", "something else"],
        ] {
            assert_eq!(references(lines), None, "{lines:?}");
        }

        let fetch = |lines: &[&str]| {
            let want = format!("want {}", id("1"));
            let before = ["command=fetch", "agent=x", "0001", "thin-pack", "ofs-delta", &want];
            PlainRequest::parse(&framed(&[&before[..], lines, &["0000"]].concat()))
        };
        let (have, want) = (format!("have {}", id("2")), format!("want {}", id("3")));
        let found = fetch(&["no-progress", &have, "done"]);
        let haves = [id("2").parse().unwrap()].into();
        let wanted = Wanted { commit: id("1").parse().unwrap(), haves };
        assert_eq!(found, Some(PlainRequest::Pack(wanted)));
        for lines in [
            &[&*have][..],
            &[&want, "done"],
            &["include-tag", "done"],
            &["deepen 1", "done"],
            &["filter blob:none", "done"],
            &["have x", "done"],
        ] {
            assert_eq!(fetch(lines), None, "{lines:?}");
        }
        assert_eq!(PlainRequest::parse(&framed(&["command=object-info", "0000"])), None);
        assert_eq!(PlainRequest::parse(b"zzzz"), None);
    }
}
