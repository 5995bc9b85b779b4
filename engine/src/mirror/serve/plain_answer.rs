//! Answers without git, in the framing of protocol version 2 (`gitprotocol-v2`, `gitprotocol-common`).
//!
//! Git takes three processes to tell a follower of one write, which costs more than the write. A few commits
//! in a row, with few changes, are packed here.

use super::lacked_objects::{self, Cost};
use super::request::Wanted;
use crate::id::{CommitId, TreeId};
use crate::mirror::conversation::TAGS;
use crate::mirror::gix_id::object_id;
use crate::mirror::pack::writer::PackWriter;
use crate::mirror::{ObjectError, Objects};

/// The most tags that are listed here.
const TAGS_LISTED: usize = 10_000;

/// The most commits that are packed here. They are in a row: each has one parent.
const COMMITS: usize = 64;

/// What they may cost: some tenths of a second.
const COST: Cost = Cost { entries: 2_048, folder_bytes: 64 << 20, pack: 1 << 20 };

/// The most bytes of a frame, without the four digits and the number of the band.
const FRAME: usize = 65_515;

/// The number of the band that the pack is on.
const PACK_BAND: u8 = 1;

/// The end of an answer.
const FLUSH: &[u8] = b"0000";

/// Lists the branch and the tags whose names begin with one of `prefixes`, as git does: sorted, and each tag
/// object with what it points to. `None` if git has to.
pub(super) fn references(objects: &Objects, branch: &str, prefixes: &[String]) -> Option<Vec<u8>> {
    let branch = format!("refs/heads/{branch}");
    let tip = objects.reference(&branch).ok()?.map(|tip| (branch, tip));
    let asks = |prefix: &String| prefix.starts_with(TAGS) || TAGS.starts_with(prefix);
    let tags = match prefixes.iter().any(asks) {
        true => objects.references_under(TAGS).ok()?,
        false => Vec::new(),
    };
    if tags.len() > TAGS_LISTED {
        return None;
    }
    let mut answer = Vec::new();
    for (name, at) in tip.into_iter().chain(tags) {
        if !prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let peeled = objects.pointed_to(at).filter(|commit| *commit != at);
        let peeled = peeled.map(|commit| format!(" peeled:{commit}")).unwrap_or_default();
        frame(&mut answer, &[format!("{at} {name}{peeled}\n").as_bytes()]);
    }
    answer.extend(FLUSH);
    Some(answer)
}

/// Makes the pack of the wanted commit and those before it that its sender lacks; `None` if git has to.
///
/// # Errors
///
/// If an object is missing or invalid. Git tells more about that.
pub(super) fn pack(objects: &Objects, wanted: &Wanted) -> Result<Option<Vec<u8>>, ObjectError> {
    let Some(commits) = lacked(objects, wanted)? else { return Ok(None) };
    let (mut pack, mut left) = (PackWriter::default(), COST);
    for Lacked { commit, tree, parent_tree } in commits {
        pack.add(objects, object_id(commit))?;
        if !lacked_objects::add(objects, &mut pack, &mut left, parent_tree, tree)? {
            return Ok(None);
        }
    }
    let pack =
        pack.finish().map_err(|error| ObjectError::unreadable(&object_id(wanted.commit), error))?;
    let mut answer = Vec::with_capacity(pack.len() + 64);
    frame(&mut answer, &[b"packfile\n"]);
    pack.chunks(FRAME).for_each(|part| frame(&mut answer, &[&[PACK_BAND], part]));
    answer.extend(FLUSH);
    Ok(Some(answer))
}

/// A commit that the sender of a request lacks.
struct Lacked {
    commit: CommitId,
    tree: TreeId,
    parent_tree: TreeId,
}

/// Returns the commits from the first one that is lacked up to the wanted one, if they are few and in a row.
fn lacked(objects: &Objects, wanted: &Wanted) -> Result<Option<Vec<Lacked>>, ObjectError> {
    let mut lacked: Vec<Lacked> = Vec::new();
    let (mut commit, mut facts) = (wanted.commit, objects.commit(wanted.commit)?);
    while !wanted.haves.contains(&commit) {
        let [parent] = facts.parents[..] else { return Ok(None) };
        if lacked.len() == COMMITS {
            return Ok(None);
        }
        let before = objects.commit(parent)?;
        lacked.push(Lacked { commit, tree: facts.tree, parent_tree: before.tree });
        (commit, facts) = (parent, before);
    }
    lacked.reverse();
    Ok(Some(lacked))
}

/// Adds one line of git's framing.
fn frame(answer: &mut Vec<u8>, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    answer.extend(format!("{:04x}", length + 4).as_bytes());
    parts.iter().for_each(|part| answer.extend(*part));
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::lines::tests::framed;
    use super::*;
    use crate::id::TreeId;
    use crate::mirror::serve::{GitRequest, Maker};
    use crate::mirror::testing::TestRepository;

    /// Returns the answer, and whether it was made without git.
    fn answer(repository: &TestRepository, lines: &[&str]) -> (Vec<u8>, bool) {
        let request = GitRequest::Command(framed(lines));
        let mut answer = repository.mirror().serve("main", request).unwrap();
        let is_plain = matches!(answer.0, Maker::Mirror(_));
        let mut bytes = Vec::new();
        answer.read_to_end(&mut bytes).unwrap();
        (bytes, is_plain)
    }

    /// Asks for `want` as a follower does that has `haves`.
    fn asks(repository: &TestRepository, want: CommitId, haves: &[CommitId]) -> (Vec<u8>, bool) {
        let want = format!("want {want}");
        let haves: Vec<_> = haves.iter().map(|commit| format!("have {commit}")).collect();
        let before = ["command=fetch", "agent=x", "0001", "thin-pack", "ofs-delta", &want];
        let haves = haves.iter().map(String::as_str);
        let lines: Vec<_> = before.into_iter().chain(haves).chain(["done", "0000"]).collect();
        answer(repository, &lines)
    }

    /// Returns the pack of an answer.
    fn unframed(answer: &[u8]) -> Vec<u8> {
        let mut rest = answer.strip_prefix(b"000dpackfile\n").unwrap();
        let mut pack = Vec::new();
        while rest != FLUSH {
            let (digits, after) = rest.split_at(4);
            let length = usize::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
            let (line, after) = after.split_at(length - 4);
            assert_eq!(line[0], PACK_BAND);
            pack.extend(&line[1..]);
            rest = after;
        }
        pack
    }

    /// Checks that whoever has `from` has all of `to` with the pack.
    #[track_caller]
    fn completes(repository: &TestRepository, from: CommitId, to: CommitId) {
        let (sent, is_plain) = asks(repository, to, &[from]);
        assert!(is_plain, "{from} to {to}");
        let other = TestRepository::bare();
        let here = repository.path().to_str().unwrap();
        repository.git(["update-ref", "refs/tags/from", &from.to_string()]);
        other.git(["fetch", "-q", here, "refs/tags/from:refs/heads/main"]);
        other.git_with(["index-pack", "--stdin", "--fix-thin"], &unframed(&sent));
        let listed = other.git(["rev-list", "--objects", &to.to_string()]);
        assert_eq!(listed, repository.git(["rev-list", "--objects", &to.to_string()]));
        other.git(["fsck"]);
    }

    #[test]
    fn folders_that_differ_though_no_file_does_are_sent_as_well() {
        let repository = TestRepository::bare();
        let blob = *repository.write_blob(b"1").as_bytes();
        let tree = |entries: &[(&str, &[u8], [u8; 20])]| {
            let tree = repository.write_raw_tree(entries);
            *tree.as_bytes()
        };
        let nothing = tree(&[]);
        let with_mode = |mode: &str| tree(&[("40000", b"b", tree(&[(mode, b"c", blob)]))]);
        let trees = [
            tree(&[("40000", b"a", with_mode("100644"))]),
            // Git once wrote this mode.
            tree(&[("40000", b"a", with_mode("100664"))]),
            tree(&[("40000", b"a", with_mode("100755"))]),
            tree(&[("40000", b"a", with_mode("100644")), ("40000", b"x", nothing)]),
            tree(&[
                ("40000", b"a", with_mode("100644")),
                ("40000", b"x", tree(&[("40000", b"y", nothing)])),
            ]),
        ];
        let commits = trees.iter().scan(None, |before: &mut Option<CommitId>, tree| {
            let parents: Vec<_> = before.iter().copied().collect();
            *before = Some(repository.commit_tree(TreeId::from_bytes(*tree), &parents));
            *before
        });
        let commits: Vec<_> = commits.collect();
        for (at, from) in commits.iter().enumerate() {
            commits[at + 1..].iter().for_each(|to| completes(&repository, *from, *to));
        }
    }

    #[test]
    fn whoever_has_what_was_before_gets_what_is_missing() {
        let repository = TestRepository::bare();
        let many: Vec<_> = (0..200).map(|n| (format!("flat/{n:03}"), n.to_string())).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(path, text)| (&**path, &**text)).collect();
        let step =
            |files: &[(&str, &str)]| repository.commit_files("main", &[&many, files].concat());
        let first = step(&[("a/b/c", "1"), ("a/b/d", "2"), ("e", "3")]);
        let changed = step(&[("a/b/c", "4"), ("a/b/d", "2"), ("e", "3")]);
        let moved = step(&[("a/f/c", "4"), ("a/f/d", "2"), ("e", "3")]);
        let a_file = step(&[("a", "now a file"), ("e", "3")]);
        let a_folder = step(&[("a/b/c", "1"), ("e/e", "3")]);
        let empty = repository.commit_tree(repository.tree_of("main"), &[a_folder]);
        let none = repository.commit_files("main", &[]);
        let all = [first, changed, moved, a_file, a_folder];
        for (at, from) in all.iter().enumerate() {
            all[at + 1..].iter().for_each(|to| completes(&repository, *from, *to));
        }
        completes(&repository, a_folder, empty);
        completes(&repository, a_folder, none);
        // A folder of many files is sent as what changed in it.
        let (sent, _) = asks(&repository, changed, &[first]);
        assert!(sent.len() < 700, "{}", sent.len());
        // Who has it gets an empty pack.
        assert_eq!(unframed(&asks(&repository, first, &[first]).0)[8..12], [0; 4]);
    }

    #[test]
    fn what_is_much_or_not_in_a_row_is_left_to_git() {
        let repository = TestRepository::bare();
        let root = repository.commit_files("main", &[("a", "0")]);
        assert!(!asks(&repository, root, &[]).1, "the whole history");
        let tree = repository.tree_of("main");
        let row = |length| (0..length).fold(root, |tip, _| repository.commit_tree(tree, &[tip]));
        let near = row(COMMITS);
        assert!(asks(&repository, near, &[root]).1);
        assert!(!asks(&repository, repository.commit_tree(tree, &[near]), &[root]).1);
        let merge = repository.commit_tree(tree, &[near, root]);
        assert!(!asks(&repository, merge, &[near]).1, "a merge");
        let files: Vec<_> = (0..=COST.entries).map(|n| (n.to_string(), "x")).collect();
        let mut files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (&**path, *text)).collect();
        files.push(("a", "0"));
        let wide = repository.commit_files("main", &files);
        assert!(!asks(&repository, wide, &[root]).1, "many files");
        let noise = blake3::Hasher::new().finalize_xof();
        let mut bytes = vec![0; COST.pack];
        {
            let mut noise = noise;
            noise.fill(&mut bytes);
        }
        let text = data_encoding::HEXLOWER.encode(&bytes);
        let large = repository.commit_files("main", &[("a", &text)]);
        assert!(!asks(&repository, large, &[wide]).1, "a large file");
    }

    #[test]
    fn the_references_are_listed_as_git_lists_them() {
        let repository = TestRepository::bare();
        let tip = repository.commit_files("main", &[("a", "1")]).to_string();
        for name in ["refs/heads/other", "refs/headwater/pin/main", "refs/tags/v1", "refs/tags/a/b"]
        {
            repository.git(["update-ref", name, &tip]);
        }
        repository.git(["-c", "user.name=A", "-c", "user.email=a@b", "tag", "-m", "x", "v2", &tip]);
        for prefixes in [
            &["ref-prefix refs/tags/"][..],
            &["ref-prefix refs/heads/main", "ref-prefix refs/tags/a"],
        ] {
            let begin = ["command=ls-refs", "agent=x", "0001", "peel", "symrefs"];
            let (ours, is_plain) = answer(&repository, &[&begin[..], prefixes, &["0000"]].concat());
            let nothing = ["ref-prefix nothing", "0000"];
            let (gits, is_plain_too) =
                answer(&repository, &[&begin[..], prefixes, &nothing].concat());
            assert!(is_plain && !is_plain_too);
            assert_eq!(String::from_utf8(ours), String::from_utf8(gits));
        }
    }
}
