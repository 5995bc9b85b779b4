use serde_json::json;

use super::*;
use crate::load::load;
use crate::mirror::testing::TestRepository;
use crate::mirror::{Durability, Identity, Mirror};
use crate::options::LoadOptions;

const DEFINITION: (&str, &str) =
    (".gitsheets/people.toml", "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n");

/// A repository in which two sides continued from one commit.
struct Sides {
    repository: TestRepository,
    theirs: CommitId,
    ours: Vec<CommitId>,
}

type Files<'a> = &'a [(&'a str, &'a str)];

impl Sides {
    fn new(base: Files<'_>, theirs: Files<'_>, ours: &[Files<'_>]) -> Self {
        let repository = TestRepository::bare();
        let commit = |branch: &str, files: Files<'_>| {
            let files: Vec<_> = std::iter::once(DEFINITION).chain(files.iter().copied()).collect();
            repository.commit_files(branch, &files)
        };
        commit("main", base);
        repository.git(["branch", "ours", "main"]);
        let theirs = commit("main", theirs);
        let ours = ours.iter().map(|files| commit("ours", files)).collect();
        Self { repository, theirs, ours }
    }

    fn rebased(&self) -> Result<Rebased, RebaseError> {
        let mirror: Mirror = self.repository.mirror();
        let mut stage = mirror.stage().unwrap();
        let options = LoadOptions::default();
        let layout = |at: CommitId| load(stage.objects(), at, &options).unwrap().layout().clone();
        let (ours, theirs) =
            (layout(*self.ours.last().unwrap_or(&self.theirs)), layout(self.theirs));
        let layouts = Layouts { ours: &ours, theirs: &theirs };
        let identity = Identity::parse("Headwater <headwater@localhost>").unwrap();
        let committer = Signature { identity, seconds: 1_900_000_000, offset_minutes: 0 };
        let rebased = rebase(&mut stage, self.theirs, &self.ours, layouts, &committer);
        stage.store(Durability::Synced).unwrap();
        self.repository.git(["fsck", "--strict", "--no-dangling"]);
        rebased
    }

    /// Returns the files after the rebase, without the definition.
    fn files(&self) -> String {
        let head = self.rebased().unwrap().head.to_string();
        let listed = self.repository.git(["ls-tree", "-r", "--name-only", &head, "people/"]);
        let content = |path: &str| self.repository.git(["show", &format!("{head}:{path}")]);
        listed
            .lines()
            .map(|path| format!("{path}: {}\n", content(path).replace('\n', " ")))
            .collect()
    }

    fn lost(&self) -> Vec<(String, String)> {
        match self.rebased() {
            Err(RebaseError::Conflict { lost }) => {
                lost.into_iter().map(|LostField { path, pointer }| (path, pointer.into())).collect()
            }
            other => panic!("no conflict: {other:?}"),
        }
    }
}

fn lost(path: &str, pointer: &str) -> (String, String) {
    (path.to_owned(), pointer.to_owned())
}

#[test]
fn records_that_only_one_side_changed_come_through() {
    let sides = Sides::new(
        &[("people/a.toml", "n = 1\n"), ("people/b.toml", "n = 1\n")],
        &[("people/a.toml", "n = 2\n"), ("people/b.toml", "n = 1\n"), ("people/d.toml", "n = 4\n")],
        &[
            &[("people/a.toml", "n = 1\n"), ("people/c.toml", "n = 3\n")],
            &[("people/a.toml", "n = 1\n"), ("people/c.toml", "n = 5\n")],
        ],
    );
    assert_eq!(sides.files(), "people/a.toml: n = 2\npeople/c.toml: n = 5\npeople/d.toml: n = 4\n");
    let rebased = sides.rebased().unwrap();
    assert_eq!((rebased.made, rebased.moves.len()), (2, 2));
    assert_eq!(rebased.moves[1], (sides.ours[1], rebased.head));
    assert!(!sides.repository.objects().contains(&[0; 20]));
}

#[test]
fn fields_of_one_record_are_merged() {
    let sides = Sides::new(
        &[("people/a.toml", "city = \"x\"\nname = \"A\"\nslug = \"a\"\n")],
        &[("people/a.toml", "city = \"y\"\nname = \"A\"\nslug = \"a\"\n")],
        &[&[("people/a.toml", "name = \"B\"\nslug = \"a\"\ncity = \"x\"\nnew = 1\n")]],
    );
    assert_eq!(sides.files(), "people/a.toml: city = \"y\" name = \"B\" new = 1 slug = \"a\"\n");
}

#[test]
fn a_field_that_both_changed_is_lost_by_its_name_and_nothing_else_is_made() {
    let sides = Sides::new(
        &[("people/a.toml", "n = 1\nm = 1\n"), ("people/b.toml", "n = 1\n")],
        &[("people/a.toml", "n = 2\nm = 1\n")],
        &[
            &[("people/a.toml", "n = 1\nm = 2\n"), ("people/b.toml", "n = 1\n")],
            &[("people/a.toml", "n = 3\nm = 2\n"), ("people/b.toml", "n = 2\n")],
        ],
    );
    assert_eq!(sides.lost(), [lost("people/a.toml", "/n"), lost("people/b.toml", "")]);
    let packs = sides.repository.mirror().pack_count().unwrap();
    assert_eq!(packs, 0, "the objects made before the conflict are discarded");
}

#[test]
fn a_change_that_the_remote_has_too_is_dropped() {
    let new: Files<'_> = &[("people/a.toml", "n = 2\n")];
    let sides = Sides::new(&[("people/a.toml", "n = 1\n")], new, &[new]);
    let rebased = sides.rebased().unwrap();
    assert_eq!((rebased.head, rebased.made), (sides.theirs, 0));
    assert_eq!(rebased.moves, [(sides.ours[0], sides.theirs)]);
}

#[test]
fn files_that_are_no_records_are_one_field() {
    let sides = Sides::new(
        &[("README", "1"), ("people/a.toml", "n = = 1")],
        &[("README", "2"), ("people/a.toml", "n = 1\n")],
        &[&[("README", "3"), ("people/a.toml", "n = 2\n")]],
    );
    assert_eq!(sides.lost(), [lost("README", ""), lost("people/a.toml", "")]);
    let sides = Sides::new(&[], &[("people/a/b.toml", "")], &[&[("people/a", "")]]);
    assert_eq!(sides.lost(), [lost("people/a", "")]);
}

#[test]
fn a_file_of_ours_that_is_another_record_or_none_where_the_sheet_moved_is_lost_by_its_name() {
    fn definition(text: &str) -> (&str, &str) {
        (".gitsheets/people.toml", text)
    }
    let moved = definition("[gitsheet]\nroot = \"folk\"\npath = \"${{ slug }}\"\n");
    let json =
        definition("[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\nformat = \"json\"\n");
    let base: Files<'_> = &[("people/a.toml", ""), ("people/b.toml", ""), ("README", "1")];
    let ours: Files<'_> = &[("people/a.toml", "n = 1\n"), ("people/c.toml", ""), ("README", "2")];
    let all = ["people/a.toml", "people/b.toml", "people/c.toml"].map(|path| lost(path, ""));
    for theirs in [moved, json] {
        assert_eq!(Sides::new(base, &[theirs, ("README", "1")], &[ours]).lost(), all, "{theirs:?}");
    }
    let renamed = (".gitsheets/folk.toml", DEFINITION.1);
    let sides = Sides::new(base, &[moved, renamed, ("README", "1")], &[ours]);
    assert_eq!(sides.lost(), all, "it is a record of another sheet");
    let private = format!("{}[headwater]\npublic = false\n", DEFINITION.1);
    let theirs: Files<'_> = &[definition(&private), base[0], base[1], base[2]];
    assert!(Sides::new(base, theirs, &[ours]).rebased().is_ok(), "the records are the same");
}

#[test]
fn a_file_of_ours_beside_a_record_of_a_sheet_that_moved_is_lost_by_its_name() {
    let moved = "[gitsheet]\nroot = \"folk\"\npath = \"${{ slug }}\"\n";
    let base: Files<'_> = &[("people/a.toml", "")];
    let theirs: Files<'_> = &[(".gitsheets/people.toml", moved), ("folk/a.toml", "")];
    let ours: Files<'_> = &[("people/a.toml", ""), ("people/a/photo.jpg", "x")];
    assert_eq!(Sides::new(base, theirs, &[ours]).lost(), [lost("people/a/photo.jpg", "")]);
}

#[test]
fn authors_messages_and_trailers_stay_byte_for_byte() {
    let sides = Sides::new(&[("people/a.toml", "n = 1\n")], &[], &[]);
    let repository = &sides.repository;
    let tree = repository.tree_of("ours").to_string();
    let parent = repository.git(["rev-parse", "ours"]);
    let message = "jane: PUT /api/people/a\n\nWhy not\n\nIdempotency-Key: k1\n";
    let author = "Jane Doe <jane@x.org> 1700000000 -0530";
    let raw = format!(
        "tree {tree}\nparent {parent}\nauthor {author}\ncommitter C <c@x.org> 1700000001 +0000\n\
         gpgsig -----BEGIN\n author no\n\n{message}"
    );
    let ours = CommitId::from_bytes(repository.write_raw("commit", raw.as_bytes()));
    // A change, so that something is left of it.
    let blob = repository.write_blob(json!("x").to_string().as_bytes()).to_string();
    let input = format!("100644 blob {blob}\tx\n");
    let other = repository.git_with(["mktree"], input.as_bytes());
    let other = String::from_utf8(other).unwrap();
    let raw = raw.replace(&tree, other.trim());
    let changed = CommitId::from_bytes(repository.write_raw("commit", raw.as_bytes()));
    let sides = Sides { ours: vec![ours, changed], ..sides };
    let head = sides.rebased().unwrap().head.to_string();
    let text = sides.repository.git_with(["cat-file", "commit", &head], b"");
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(&format!("\nauthor {author}\ncommitter Headwater <")), "{text}");
    assert!(text.ends_with(&format!(" +0000\n\n{message}")), "{text}");
    assert!(!text.contains("gpgsig"), "{text}");
}
