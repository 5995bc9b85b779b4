use super::*;
use crate::mirror::EntryMode;
use crate::mirror::testing::TestRepository;

fn signature() -> Signature {
    let identity = Identity::parse("Jane Doe <jane@x.org>").unwrap();
    Signature { identity, seconds: 1_700_000_000, offset_minutes: -330 }
}

fn put(stage: &mut Stage, text: &str) -> Edit {
    let blob = stage.blob(text.as_bytes()).unwrap();
    Edit::Put { mode: EntryMode::Regular, id: *blob.as_bytes() }
}

fn commit(stage: &mut Stage, tree: Option<TreeId>, parent: Option<CommitId>) -> CommitId {
    let (author, message) = (&signature(), "a change");
    let commit = NewCommit { tree, parent, author, committer: author, message, trailers: &[] };
    stage.commit(&commit).unwrap()
}

/// Applies edits to the files, stores the result and lists the paths that git sees in it.
fn edited(files: &[(&str, &str)], edits: &[(&str, Option<&str>)]) -> Result<String, EditError> {
    let repository = TestRepository::bare();
    repository.commit_files("main", files);
    let mut stage = repository.mirror().stage().unwrap();
    let edits = edits
        .iter()
        .map(|(path, text)| {
            let edit = text.map_or(Edit::Remove, |text| put(&mut stage, text));
            ((*path).to_owned(), edit)
        })
        .collect();
    let tree = stage.edit(Some(repository.tree_of("main")), &edits)?;
    let commit = commit(&mut stage, tree, None);
    stage.store(Durability::Synced).unwrap();
    repository.git(["fsck", "--strict", "--no-dangling"]);
    let listed = repository.git(["ls-tree", "-r", "--format=%(path)", &commit.to_string()]);
    let contents = listed.lines().map(|path| {
        let text = repository.git(["cat-file", "blob", &format!("{commit}:{path}")]);
        format!("{path}={text}")
    });
    Ok(contents.collect::<Vec<_>>().join(" "))
}

#[test]
fn files_are_added_replaced_and_removed_wherever_git_would_have_them() {
    let files = [("a.toml", "1"), ("d/e.toml", "2"), ("d/e/f.toml", "3"), ("d/e-g", "4")];
    let edits = [
        ("a.toml", Some("5")),
        ("a/b/c", Some("6")),
        ("d/e/f.toml", None),
        ("d/e.", Some("7")),
        ("z", Some("8")),
        ("gone", None),
    ];
    let expected = "a.toml=5 a/b/c=6 d/e-g=4 d/e.=7 d/e.toml=2 z=8";
    assert_eq!(edited(&files, &edits).unwrap(), expected);
}

#[test]
fn a_folder_goes_with_all_that_is_in_it_and_when_nothing_is_left() {
    let files = [("p/jane.toml", "1"), ("p/jane/a", "2"), ("p/jane/b/c", "3"), ("q/r/s", "4")];
    let edits = [("p/jane", None), ("q/r/s", None)];
    assert_eq!(edited(&files, &edits).unwrap(), "p/jane.toml=1");
    assert_eq!(edited(&files, &[("p", None), ("q", None)]).unwrap(), "");
    // A file put below a removed folder goes into a new folder.
    let edits = [("p", None), ("p/jane/new", Some("5"))];
    assert_eq!(edited(&files, &edits).unwrap(), "p/jane/new=5 q/r/s=4");
}

#[test]
fn a_file_and_a_folder_do_not_take_each_others_place() {
    let files = [("p/jane", "1"), ("q/r", "2")];
    let told = |edits: &[_]| edited(&files, edits).unwrap_err().to_string();
    assert_eq!(told(&[("p", Some("3"))]), "p is a folder, so it cannot be a file");
    let below = "p/jane is a file, so nothing can be below it";
    assert_eq!(told(&[("p/jane/x", Some("3"))]), below);
    assert_eq!(told(&[("p//x", Some("3"))]), "\"p//x\" is not a path");
}

#[test]
fn a_commit_has_the_bytes_that_gitsheets_writes() {
    let trailers =
        [Trailer::new("Action", "a.b").unwrap(), Trailer::new("Subject-Id", "1").unwrap()];
    let author = &signature();
    let message = "add jane\n\nbody text  \n\n";
    let tree = Some(TreeId::from_bytes([0x11; 20]));
    let parent = Some(CommitId::from_bytes([0x22; 20]));
    let commit =
        NewCommit { tree, parent, author, committer: author, message, trailers: &trailers };
    let expected = format!(
        "tree {}\nparent {}\nauthor Jane Doe <jane@x.org> 1700000000 -0530\n\
         committer Jane Doe <jane@x.org> 1700000000 -0530\n\n\
         add jane\n\nbody text\n\nAction: a.b\nSubject-Id: 1\n",
        "11".repeat(20),
        "22".repeat(20),
    );
    assert_eq!(String::from_utf8(commit.to_bytes()).unwrap(), expected);
    let message = expected.split_once("\n\n").unwrap().1;
    assert_eq!(Trailer::read(message), trailers);
    assert_eq!(Trailer::read("a subject\n\nno: trailer\n"), []);
    let root = NewCommit { tree: None, parent: None, message: "", trailers: &[], ..commit };
    assert!(String::from_utf8(root.to_bytes()).unwrap().ends_with("-0530\n\n\n"));
}

#[test]
fn names_and_trailers_that_would_forge_lines_are_refused() {
    for text in ["", "Jane", "<jane@x.org>", "Jane <>", "Jane <a> <b>", "Ja\nne <j@x>", "J <a b>"] {
        assert!(Identity::parse(text).is_err(), "{text:?}");
    }
    for key in ["", "X-IP", "ETag", "action", "A--B", "A b"] {
        assert!(Trailer::new(key, "v").is_err(), "{key:?}");
    }
    assert!(Trailer::new("Action", "a\nSubject-Id: 2").is_err());
    assert!(Trailer::new("User-Ip", "").is_ok());
}

#[test]
fn what_is_made_is_seen_at_once_and_is_in_the_mirror_only_when_stored() {
    let repository = TestRepository::bare();
    let mut stage = repository.mirror().stage().unwrap();
    let edits = [("people/ada.toml".to_owned(), put(&mut stage, "name = \"Ada\"\n"))].into();
    let tree = stage.edit(None, &edits).unwrap();
    let id = commit(&mut stage, tree, None);
    let paths = stage.objects().diff(None, tree).unwrap();
    assert_eq!(paths.len(), 1);
    assert!(!repository.objects().contains(id.as_bytes()));
    stage.store(Durability::Synced).unwrap();
    let objects = repository.objects();
    assert_eq!(objects.commit(id).unwrap().tree, tree.unwrap());
    repository.git(["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn what_is_undone_is_not_stored() {
    let repository = TestRepository::bare();
    let mut stage = repository.mirror().stage().unwrap();
    let kept = stage.blob(b"kept").unwrap();
    let mark = stage.mark();
    let (undone, again) = (stage.blob(b"undone").unwrap(), stage.blob(b"again").unwrap());
    stage.undo(mark);
    assert_eq!(stage.blob(b"again").unwrap(), again);
    stage.store(Durability::Synced).unwrap();
    let objects = repository.objects();
    let there = [kept, undone, again].map(|blob| objects.contains(blob.as_bytes()));
    assert_eq!(there, [true, false, true]);
    let empty = repository.mirror().stage().unwrap();
    empty.store(Durability::Synced).unwrap();
}

#[test]
fn commits_of_a_large_folder_are_told_by_their_differences() {
    let repository = TestRepository::bare();
    let files: Vec<(String, String)> =
        (0..12_000).map(|n| (format!("people/{n:05}.toml"), format!("n = {n}\n"))).collect();
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    repository.commit_files("main", &files);
    let mut stage = repository.mirror().stage().unwrap();
    let (mut tree, mut parent) = (Some(repository.tree_of("main")), None);
    // Enough for more than one chain of deltas.
    for n in 0..120 {
        let edit = put(&mut stage, &format!("n = -{n}\n"));
        let path = format!("people/{:05}.toml", n * 97 % 12_000);
        tree = stage.edit(tree, &[(path, edit)].into()).unwrap();
        parent = Some(commit(&mut stage, tree, parent));
    }
    stage.store(Durability::Synced).unwrap();
    let (last, folder) = (parent.unwrap().to_string(), repository.path().join("objects/pack"));
    let packs = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let size: u64 = packs.map(|pack| pack.metadata().unwrap().len()).sum();
    assert!(size < 4 << 20, "{size} bytes for 120 trees of half a megabyte");
    repository.git(["fsck", "--strict", "--no-dangling"]);
    repository.git(["verify-pack", &newest_index(&repository)]);
    assert_eq!(repository.git(["rev-list", "--count", &last]), "120");
    assert_eq!(
        repository.git(["cat-file", "blob", &format!("{last}:people/00097.toml")]),
        "n = -1"
    );
}

fn newest_index(repository: &TestRepository) -> String {
    let folder = repository.path().join("objects/pack");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut indexes: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "idx")).collect();
    indexes.sort_by_key(|path| path.metadata().unwrap().modified().unwrap());
    indexes.pop().unwrap().display().to_string()
}

#[test]
fn a_name_that_some_file_system_takes_for_another_one_is_refused() {
    let files = [("people/jane.toml", "1"), ("people/josé.toml", "2"), ("Shard/x", "3")];
    for (path, twin) in [
        ("people/Jane.toml", "people/jane.toml"),
        ("people/jose\u{301}.toml", "people/josé.toml"),
        ("shard/y", "Shard"),
    ] {
        let error = edited(&files, &[(path, Some("x"))]).unwrap_err();
        let EditError::Twin { other, .. } = &error else { panic!("{error}") };
        assert_eq!(other, twin);
    }
    let both = edited(&files, &[("new/a", Some("1")), ("new/A", Some("2"))]).unwrap_err();
    assert!(matches!(both, EditError::Twin { .. }), "{both}");
    let beside = [("people/jane.toml", Some("5")), ("people/Jane.toml", Some("6"))];
    let beside = edited(&files, &beside).unwrap_err();
    assert!(matches!(beside, EditError::Twin { .. }), "{beside}");
    // An existing name is changed, and a record may change its own case.
    let changed =
        edited(&files[..1], &[("people/jane.toml", None), ("people/Jane.toml", Some("4"))]);
    assert!(changed.unwrap().contains("people/Jane.toml=4"));
}
