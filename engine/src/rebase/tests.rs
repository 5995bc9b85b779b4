use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::error::told;
use super::*;
use crate::load::load;
use crate::mirror::testing::TestRepository;
use crate::mirror::{Durability, Identity, Mirror};
use crate::options::LoadOptions;
use crate::report::LostField;
use crate::write::Repeat;

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

    /// Returns what is ready to begin, and whatever is to be put.
    fn begun(&self) -> Rebase {
        let mirror: Mirror = self.repository.mirror();
        let stage = mirror.stage().unwrap();
        let options = LoadOptions::default();
        let layout = |at: CommitId| load(stage.objects(), at, &options).unwrap().layout().clone();
        let (ours, theirs) =
            (layout(*self.ours.last().unwrap_or(&self.theirs)), layout(self.theirs));
        let identity = Identity::parse("Headwater <headwater@localhost>").unwrap();
        let committer = Signature { identity, seconds: 1_900_000_000, offset_minutes: 0 };
        Rebase::onto(self.theirs, stage, Layouts { ours, theirs }, committer).unwrap()
    }

    fn rebased(&self) -> Result<Rebased, RebaseError> {
        let mut rebase = self.begun();
        self.ours.iter().try_for_each(|commit| fitting(&mut rebase, *commit))?;
        let (stage, rebased) = rebase.into_parts();
        stage.store(Durability::Synced).unwrap();
        self.repository.git(["fsck", "--strict", "--no-dangling"]);
        Ok(rebased)
    }

    /// Returns what comes of each commit, put on top of what came of the one before it as if it were the
    /// only one.
    fn one_by_one(&self) -> Result<Rebased, RebaseError> {
        let mut all =
            Rebased { head: self.theirs, moves: Vec::new(), repeated: Vec::new(), made: 0 };
        for commit in &self.ours {
            let begun = self.begun();
            let layouts = begun.layouts.clone();
            let (stage, committer) = (begun.stage, begun.committer);
            let mut one = Rebase::onto(all.head, stage, layouts, committer).unwrap();
            fitting(&mut one, *commit)?;
            let (stage, Rebased { head, moves, repeated, made }) = one.into_parts();
            stage.store(Durability::Synced).unwrap();
            all.head = head;
            all.moves.extend(moves);
            all.repeated.extend(repeated);
            all.made += made;
        }
        Ok(all)
    }

    /// Returns whether the commits fit, which is the same together and one by one.
    fn merge_alike(&self, case: usize) -> bool {
        match (self.rebased(), self.one_by_one()) {
            (Ok(together), Ok(alone)) => {
                assert_eq!(together, alone, "case {case}");
                true
            }
            (Err(together), Err(alone)) => {
                assert_eq!(together.to_string(), alone.to_string(), "case {case}");
                false
            }
            (together, alone) => panic!("case {case}: {together:?} and {alone:?}"),
        }
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

/// Puts a commit that must fit.
fn fitting(rebase: &mut Rebase, commit: CommitId) -> Result<(), RebaseError> {
    rebase.put(commit)?;
    match rebase.left_out().is_empty() {
        true => Ok(()),
        false => Err(RebaseError::Conflict { lost: rebase.left_out().lost() }),
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

fn request(actor: &str, key: &str, digest: &str) -> Repeat {
    Repeat { actor: actor.into(), key: key.into(), digest: digest.into() }
}

impl Sides {
    /// Makes commits of ours, and of theirs, again as those of requests.
    fn requested(mut self, theirs: &Option<Repeat>, ours: &[Option<Repeat>]) -> Self {
        let again = |commit: CommitId, parent: CommitId, request: &Option<Repeat>| {
            let mut message = "subject\n".to_owned();
            if let Some(Repeat { actor, key, digest }) = request {
                message.push_str(&format!("\nActor-Slug: {actor}\nIdempotency-Key: {key}\n"));
                message.push_str(&format!("Request-Digest: {digest}\n"));
            }
            let tree = self.repository.tree_of(&commit.to_string());
            let who = "A <a@example.org> 1700000000 +0000";
            let text = format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n");
            let text = text + &message;
            CommitId::from_bytes(self.repository.write_raw("commit", text.as_bytes()))
        };
        let parent_of =
            |commit: CommitId| self.repository.objects().commit(commit).unwrap().parents[0];
        let mut parent = parent_of(self.ours[0]);
        let mut made = Vec::new();
        for (commit, request) in self.ours.iter().zip(ours) {
            parent = again(*commit, parent, request);
            made.push(parent);
        }
        let theirs = again(self.theirs, parent_of(self.theirs), theirs);
        (self.theirs, self.ours) = (theirs, made);
        self
    }
}

#[test]
fn a_request_that_the_remote_has_too_is_dropped_whatever_the_fields_say() {
    let base: Files<'_> = &[("people/a.toml", "n = 1\n"), ("people/b.toml", "n = 1\n")];
    let theirs: Files<'_> = &[("people/a.toml", "n = 2\n"), ("people/b.toml", "n = 1\n")];
    let first: Files<'_> = &[("people/a.toml", "n = 3\n"), ("people/b.toml", "n = 1\n")];
    let second: Files<'_> = &[("people/a.toml", "n = 3\n"), ("people/b.toml", "n = 4\n")];
    let sides = |ours: [Option<Repeat>; 2]| {
        let theirs_of = Some(request("site", "k", "d"));
        Sides::new(base, theirs, &[first, second]).requested(&theirs_of, &ours)
    };
    let same = sides([Some(request("site", "k", "d")), Some(request("site", "other", "d"))]);
    let rebased = same.rebased().unwrap();
    assert_eq!(rebased.made, 1);
    assert_eq!(rebased.moves, [(same.ours[0], same.theirs), (same.ours[1], rebased.head)]);
    assert_eq!(same.files(), "people/a.toml: n = 2\npeople/b.toml: n = 4\n");
    // The key of somebody else, another key, and a key that was used twice are other requests.
    for (actor, key, digest) in [("bot", "k", "d"), ("site", "x", "d"), ("site", "k", "x")] {
        let other = sides([Some(request(actor, key, digest)), None]);
        assert_eq!(other.lost(), [lost("people/a.toml", "/n")], "{actor} {key} {digest}");
    }
    assert_eq!(sides([None, None]).lost(), [lost("people/a.toml", "/n")]);
}

#[test]
fn a_commit_that_changes_nothing_is_kept_for_its_request() {
    let base: Files<'_> = &[("people/a.toml", "n = 1\n")];
    let theirs: Files<'_> = &[("people/a.toml", "n = 2\n")];
    let ours = Some(request("site", "k", "d"));
    let sides = Sides::new(base, theirs, &[base]).requested(&None, std::slice::from_ref(&ours));
    let rebased = sides.rebased().unwrap();
    assert_eq!((rebased.made, &rebased.moves[..]), (1, &[(sides.ours[0], rebased.head)][..]));
    let objects = sides.repository.objects();
    assert_eq!(crate::write::request_of(&objects, rebased.head).unwrap(), ours);
}

#[test]
fn a_request_of_which_nothing_is_left_keeps_a_commit_with_its_key() {
    let new: Files<'_> = &[("people/a.toml", "n = 2\n")];
    let ours = Some(request("site", "k", "d"));
    let sides = Sides::new(&[("people/a.toml", "n = 1\n")], new, &[new]);
    let sides = sides.requested(&None, std::slice::from_ref(&ours));
    let rebased = sides.rebased().unwrap();
    assert_eq!((rebased.made, &rebased.moves[..]), (1, &[(sides.ours[0], rebased.head)][..]));
    let objects = sides.repository.objects();
    assert_eq!(crate::write::request_of(&objects, rebased.head).unwrap(), ours);
    let tree = |commit: CommitId| sides.repository.tree_of(&commit.to_string());
    assert_eq!(tree(rebased.head), tree(sides.theirs));
}

#[test]
fn no_request_is_twice_in_what_comes_of_two_sides_and_every_other_change_is_there() {
    let mut random = random_below(11);
    let text = |numbers: &Numbers| {
        let file = |(at, n): (&usize, &u64)| (format!("people/k{at}.toml"), format!("n = {n}\n"));
        numbers.iter().map(file).collect::<Vec<_>>()
    };
    let (mut dropped, mut made) = (0, 0);
    for case in 0..16 {
        let base: Numbers = (0..6).map(|at| (at, 1)).collect();
        // Each request sets one record, and sets it on the other side to something else, too. The last two records
        // are changed without a key.
        let request_of = |at: usize| (at < 4).then(|| request("site", &at.to_string(), "d"));
        let set = |numbers: &Numbers, at: usize, n: u64| {
            numbers.clone().into_iter().chain([(at, n)]).collect::<Numbers>()
        };
        let of_theirs = random(4);
        let theirs = set(&base, of_theirs, 2);
        let mut ours: Vec<Numbers> = Vec::new();
        let mut requests = Vec::new();
        for _ in 0..4 {
            let at = loop {
                let at = random(6);
                if !requests.contains(&at) {
                    break at;
                }
            };
            ours.push(set(ours.last().unwrap_or(&base), at, 3 + random(2) as u64));
            requests.push(at);
        }
        let files: Vec<_> = [&base, &theirs].into_iter().chain(&ours).map(text).collect();
        let borrowed: Vec<Vec<(&str, &str)>> = files
            .iter()
            .map(|files| files.iter().map(|(path, text)| (&**path, &**text)).collect())
            .collect();
        let ours_files: Vec<Files<'_>> = borrowed[2..].iter().map(|files| &files[..]).collect();
        let sides = Sides::new(&borrowed[0], &borrowed[1], &ours_files);
        let of_ours: Vec<_> = requests.iter().map(|at| request_of(*at)).collect();
        let sides = sides.requested(&request_of(of_theirs), &of_ours);
        let rebased = sides.rebased().unwrap();
        let is_theirs = requests.contains(&of_theirs);
        assert_eq!(rebased.made, 4 - u64::from(is_theirs), "case {case}");
        let (head, keys) =
            (rebased.head.to_string(), "--format=%(trailers:key=Idempotency-Key,valueonly)");
        let log = sides.repository.git(["log", keys, &*head]);
        let mut keys: Vec<_> = log.lines().filter(|line| !line.is_empty()).collect();
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all, "case {case}: a request is there twice");
        let mut expected = ours[3].clone();
        expected.insert(of_theirs, 2);
        let expected: String =
            expected.iter().map(|(at, n)| format!("people/k{at}.toml: n = {n}\n")).collect();
        assert_eq!(sides.files(), expected, "case {case}");
        dropped += u64::from(is_theirs);
        made += rebased.made;
    }
    assert!(dropped > 3 && made > 20, "{dropped} dropped, {made} made");
}

/// A file of many records in which two sides changed something.
struct TwoLists {
    definition: &'static str,
    path: &'static str,
    sides: [&'static str; 3],
}

impl TwoLists {
    /// Returns what comes of it: the file, or what would be lost.
    fn merged(&self) -> Result<String, String> {
        let definition = ("headwater.toml", self.definition);
        let [base, theirs, ours] = self.sides.map(|text| [definition, (self.path, text)]);
        let theirs: Files<'_> = if self.sides[1].is_empty() { &theirs[..1] } else { &theirs };
        let sides = Sides::new(&base, theirs, &[&ours]);
        match sides.rebased() {
            Ok(Rebased { head, made, .. }) => {
                let file = format!("{head}:{}", self.path);
                let file = sides.repository.git(["show", &file]).replace('\n', " ");
                Ok(format!("{made} {file}").trim_end().to_owned())
            }
            Err(RebaseError::Conflict { lost }) => Err(told(&lost)),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Returns a function of random numbers below its argument.
fn random_below(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |most| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % most
    }
}

/// The numbers of records by their names, which a file of many records holds.
type Numbers = BTreeMap<usize, u64>;

/// A kind of files of many records.
struct Kind {
    definition: &'static str,
    path: &'static str,
    text: fn(&Numbers) -> String,
}

const YAML: Kind = Kind {
    definition: "[sheets.d]\nformat = \"yaml\"\nrecords = \"each\"\nkey = \"${{ id }}\"\n",
    path: "d/all.yaml",
    text: |numbers| {
        let lines = numbers.iter().map(|(at, n)| format!("- id: k{at:02}\n  n: {n} # {at}\n"));
        lines.chain(["# end\n".to_owned()]).collect()
    },
};

const CSV: Kind = Kind {
    definition: "[sheets.d]\nformat = \"csv\"\n",
    path: "d/all.csv",
    text: |numbers| {
        let lines = numbers.iter().map(|(at, n)| format!("k{at:02},{n}\n"));
        ["id,n\n".to_owned()].into_iter().chain(lines).collect()
    },
};

const JSON: Kind = Kind {
    definition: "[sheets.d]\nformat = \"json\"\nrecords = \"each\"\n",
    path: "d/all.json",
    text: |numbers| {
        let lines =
            numbers.iter().map(|(at, n)| format!("  {{ \"id\": \"k{at:02}\", \"n\": {n} }}"));
        format!("[\n{}\n]\n", lines.collect::<Vec<_>>().join(",\n"))
    },
};

const TOML: Kind = Kind {
    definition: "[sheets.d]\nformat = \"toml\"\nrecords = \"map\"\n",
    path: "d/all.toml",
    text: |numbers| numbers.iter().map(|(at, n)| format!("[k{at:02}]\nn = {n}\n\n")).collect(),
};

impl Kind {
    /// Returns two sides of a file: theirs has one change, and ours one for each commit.
    fn sides(&self, base: &Numbers, theirs: &Numbers, ours: &[Numbers]) -> Sides {
        let texts = [base, theirs].into_iter().chain(ours).map(self.text).collect::<Vec<_>>();
        let files: Vec<_> = texts
            .iter()
            .map(|text| [("headwater.toml", self.definition), (self.path, text)])
            .collect();
        let ours: Vec<Files<'_>> = files[2..].iter().map(|files| &files[..]).collect();
        Sides::new(&files[0], &files[1], &ours)
    }
}

/// Changes up to three records, adds them, or removes them.
fn changed(numbers: &Numbers, random: &mut impl FnMut(usize) -> usize) -> Numbers {
    let mut numbers = numbers.clone();
    for _ in 0..=random(3) {
        let at = random(12);
        match random(5) {
            0 => drop(numbers.remove(&at)),
            _ => drop(numbers.insert(at, random(9) as u64)),
        }
    }
    numbers
}

#[test]
fn commits_that_are_put_together_become_what_they_become_one_by_one() {
    let mut random = random_below(7);
    let (mut merged, mut conflicts) = (0, 0);
    for (case, kind) in [YAML, CSV, JSON, TOML].iter().cycle().take(24).enumerate() {
        let base: Numbers = (0..12).filter(|at| at % 3 > 0).map(|at| (at, 1)).collect();
        let theirs = changed(&base, &mut random);
        let mut ours = vec![changed(&base, &mut random)];
        for at in 0..3 {
            ours.push(changed(&ours[at], &mut random));
        }
        let sides = kind.sides(&base, &theirs, &ours);
        match sides.merge_alike(case) {
            true => merged += 1,
            false => conflicts += 1,
        }
    }
    assert!(merged > 3 && conflicts > 3, "{merged} merged, {conflicts} conflicts");
}

#[test]
fn a_list_is_read_once_on_each_side_however_many_commits_change_it() {
    let base: Numbers = (0..50).map(|at| (at, 1)).collect();
    let with = |at: usize, n: u64| base.clone().into_iter().chain([(at, n)]).collect::<Numbers>();
    let theirs = with(49, 3);
    let mut ours = vec![with(0, 2)];
    for at in 1..5 {
        let before = ours[at - 1].clone();
        ours.push(before.into_iter().chain([(at, 2)]).collect());
    }
    let sides = YAML.sides(&base, &theirs, &ours);
    let mut rebase = sides.begun();
    for commit in &sides.ours {
        rebase.put(*commit).unwrap();
        assert_eq!(rebase.lists.reads(), 2);
    }
    let (stage, rebased) = rebase.into_parts();
    stage.store(Durability::Synced).unwrap();
    let both: Numbers = ours[4].iter().map(|(at, n)| (*at, *n)).chain([(49, 3)]).collect();
    let merged = sides.repository.git(["show", &format!("{}:d/all.yaml", rebased.head)]);
    assert_eq!(merged, (YAML.text)(&both).trim_end());
}

#[test]
fn what_we_did_to_a_record_that_they_may_still_have_is_never_dropped() {
    let csv = "[sheets.d]\nformat = \"csv\"\n";
    let keyed = "[sheets.d]\nformat = \"csv\"\nkey = \"${{ code }}\"\n";
    let base = "code,name,n\nAT,Austria,9\nNO,Norway,5\n";
    let deleted = "code,name,n\nNO,Norway,5\n";
    let patched = "code,name,n\nAT,Austria,8\nNO,Norway,5\n";
    let added = "code,name,n\nAT,Austria,9\nNO,Norway,5\nSE,Sweden,10\n";
    // They call the records by another field.
    let renaming = "code,name,n\nAT,Austria,9\nNO,Norway,5\n,Kosovo,2\n";
    // They broke the record, or another one.
    let broken = "code,name,n\nAT,Austria,9,oops\nNO,Norway,5\n";
    let other_broken = "code,name,n\nAT,Austria,9\nNO,Norway,5,oops\n";
    // They gave it another key, deleted it, or deleted it and added another one.
    let moved = "code,name,n\nNO,Norway,5\nOE,Austria,9\n";
    let moved_and_more = "code,name,n\nFR,France,68\nNO,Norway,5\nOE,Austria,9\n";
    // They gave it the key of another one.
    let in_place = "code,name,n\nNO,Austria,9\n";
    let gone = "code,name,n\nNO,Norway,6\n";
    let gone_and_other = "code,name,n\nFR,France,68\nNO,Norway,5\n";
    for (definition, theirs, ours, expected) in [
        (csv, renaming, deleted, Err("d/all.csv")),
        (csv, renaming, patched, Err("d/all.csv")),
        (csv, renaming, added, Err("d/all.csv")),
        (keyed, broken, deleted, Err("d/all.csv/all~1AT")),
        (csv, broken, deleted, Err("d/all.csv/all~1AT")),
        (keyed, broken, patched, Err("d/all.csv/all~1AT")),
        (keyed, broken, added, Ok("1 code,name,n AT,Austria,9,oops NO,Norway,5 SE,Sweden,10")),
        (keyed, other_broken, deleted, Ok("1 code,name,n NO,Norway,5,oops")),
        (keyed, other_broken, patched, Ok("1 code,name,n AT,Austria,8 NO,Norway,5,oops")),
        (csv, moved, deleted, Err("d/all.csv/all~1AT")),
        (keyed, moved_and_more, deleted, Err("d/all.csv/all~1AT")),
        (keyed, in_place, deleted, Err("d/all.csv/all~1AT")),
        (csv, moved, patched, Err("d/all.csv/all~1AT")),
        (csv, moved, added, Ok("1 code,name,n NO,Norway,5 OE,Austria,9 SE,Sweden,10")),
        (csv, moved, moved, Ok("0 code,name,n NO,Norway,5 OE,Austria,9")),
        (csv, moved_and_more, moved, Ok("0 code,name,n FR,France,68 NO,Norway,5 OE,Austria,9")),
        (csv, gone, deleted, Ok("0 code,name,n NO,Norway,6")),
        (csv, gone_and_other, deleted, Ok("0 code,name,n FR,France,68 NO,Norway,5")),
        (csv, gone, patched, Err("d/all.csv/all~1AT")),
        // We gave it another key, and they deleted it.
        (csv, gone, moved, Err("d/all.csv/all~1AT")),
        (keyed, "code,name,n\n", in_place, Err("d/all.csv/all~1AT, d/all.csv/all~1NO")),
        (csv, gone, gone_and_other, Ok("1 code,name,n FR,France,68 NO,Norway,6")),
        (csv, "code,name,n\n", deleted, Ok("0 code,name,n")),
        (csv, "code,name,n\n", added, Ok("1 code,name,n SE,Sweden,10")),
        // They made one record of it, or another file.
        (csv, "", deleted, Err("d/all.csv")),
        (csv, "code,name,n\nAT,\"Austria,9\n", deleted, Err("d/all.csv")),
    ] {
        let lists = TwoLists { definition, path: "d/all.csv", sides: [base, theirs, ours] };
        let merged = lists.merged();
        let merged = merged.as_ref().map(String::as_str).map_err(String::as_str);
        assert_eq!(merged, expected, "{theirs:?} and {ours:?}");
    }
    let json = "[sheets.d]\nformat = \"json\"\nrecords = \"each\"\n";
    let base = "[{\"id\": 1, \"x\": 1}, {\"id\": 2, \"x\": 2}]";
    let ours = "[{\"id\": 2, \"x\": 2}]";
    for (theirs, expected) in [
        ("[{\"id\": 1, \"x\": 1}, {\"id\": 2, \"x\": 2}, {\"x\": 3}]", Err("d/all.json")),
        ("{\"id\": 1, \"x\": 1}", Err("d/all.json")),
        ("[{\"id\": 2, \"x\": 3}]", Ok("0 [{\"id\": 2, \"x\": 3}]")),
        ("[]", Ok("0 []")),
    ] {
        let lists = TwoLists { definition: json, path: "d/all.json", sides: [base, theirs, ours] };
        let merged = lists.merged();
        let merged = merged.as_ref().map(String::as_str).map_err(String::as_str);
        assert_eq!(merged, expected, "{theirs:?}");
    }
}

#[test]
fn a_deletion_of_a_file_that_they_moved_is_never_dropped() {
    let ada = "city = \"x\"\nn = 1\nslug = \"a\"\n";
    let eve = "city = \"y\"\nn = 2\nslug = \"e\"\n";
    let base: Files<'_> = &[("people/a.toml", ada), ("people/c.toml", ""), ("x", "1")];
    let ours: Files<'_> = &[("people/c.toml", ""), ("x", "1")];
    let renamed = ada.replace("slug = \"a\"", "slug = \"b\"");
    let in_place = ada.replace("slug = \"a\"", "slug = \"c\"");
    let other = (".gitsheets/dogs.toml", "[gitsheet]\nroot = \"dogs\"\npath = \"${{ slug }}\"\n");
    for (theirs, expected) in [
        (&[("people/b.toml", ada), ours[0], ours[1]][..], true),
        (&[("people/b.toml", &*renamed), ours[0], ours[1]], true),
        (&[("people/e.toml", eve), ours[0], ours[1]], false),
        (&[("else.toml", &*renamed), ours[0], ours[1]], false),
        // In the place of another one, or in another sheet.
        (&[("people/c.toml", ada), ours[1]], true),
        (&[("people/c.toml", &*in_place), ours[1]], true),
        (&[("people/c.toml", eve), ours[1]], false),
        (&[other, ("dogs/b.toml", &*renamed), ours[0], ours[1]], true),
        // No sheet reads it.
        (&[("else.toml", ada), ours[0], ours[1]], true),
        (&[ours[0], ("x", "2")], false),
    ] {
        let sides = Sides::new(base, theirs, &[ours]);
        match sides.rebased() {
            Ok(rebased) => assert_eq!((rebased.made, expected), (0, false), "{theirs:?}"),
            Err(RebaseError::Conflict { lost }) => {
                assert_eq!((&*lost[0].path, lost.len(), expected), ("people/a.toml", 1, true));
            }
            Err(error) => panic!("{error}"),
        }
    }
    // The other way round: we moved it, and they deleted it.
    for (ours, expected) in [
        (&[("people/b.toml", ada), ours[0], ours[1]][..], true),
        (&[("people/b.toml", &*renamed), ours[0], ours[1]], true),
        (&[("people/e.toml", eve), ours[0], ours[1]], false),
        (&[("people/c.toml", &*in_place), ours[1]], true),
        (&[("else.toml", ada), ours[0], ours[1]], true),
    ] {
        let theirs: Files<'_> = &[("people/c.toml", ""), ("x", "2")];
        match Sides::new(base, theirs, &[ours]).rebased() {
            Ok(rebased) => assert_eq!((rebased.made, expected), (1, false), "{ours:?}"),
            Err(RebaseError::Conflict { lost }) => {
                assert_eq!((&*lost[0].path, expected), ("people/a.toml", true), "{ours:?}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    let both: Files<'_> = &[("people/b.toml", &*renamed), ours[0], ours[1]];
    let sides = Sides::new(base, both, &[both]);
    assert_eq!(sides.rebased().unwrap().made, 0, "both moved it");
}

#[test]
fn a_new_file_of_theirs_is_read_once_however_many_of_ours_are_gone() {
    let record = |name: &str| format!("n = 1\nm = 1\nslug = \"{name}\"\n");
    let texts = ["a", "b", "c", "d", "e", "x", "y", "z"].map(record);
    let file = |name: &'static str, at: usize| (name, &*texts[at]);
    let base =
        ["people/a.toml", "people/b.toml", "people/c.toml", "people/d.toml", "people/e.toml"];
    let base: Vec<_> = base.into_iter().enumerate().map(|(at, name)| file(name, at)).collect();
    // They deleted all but the last, and added others that are no such records.
    let other = "n = 2\nm = 2\n";
    let theirs = [base[4], ("people/x.toml", other), ("people/y.toml", other)];
    // So did we: two of them, then one, then another.
    let ours = [&base[2..], &base[3..], &base[4..]];
    let sides = Sides::new(&base, &theirs, &ours);
    let mut rebase = sides.begun();
    let mut read = None;
    for commit in &sides.ours {
        rebase.put(*commit).unwrap();
        let brought = std::ptr::from_ref(rebase.brought.as_ref().unwrap().record(0));
        assert_eq!(*read.get_or_insert(brought), brought, "it is read once");
    }
    assert_eq!(rebase.rebased().made, 0);
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
fn a_row_of_ours_whose_sheet_reads_another_part_or_makes_other_keys_is_lost_by_its_file() {
    fn sheet(rest: &str) -> String {
        format!("[sheets.all]\nfile = \"d.json\"\n{rest}\n")
    }
    let items = sheet("records = \"/items\"\nkey = \"${{ k }}\"");
    let file = r#"{"items": [{"k": "i"}], "staff": [{"k": "s"}]}"#;
    let added = r#"{"items": [{"k": "i"}, {"k": "x"}], "staff": [{"k": "s"}]}"#;
    let base: Files<'_> = &[("headwater.toml", &items), ("d.json", file)];
    let ours: Files<'_> = &[("headwater.toml", &items), ("d.json", added)];
    for (rest, fits) in [
        ("records = \"/staff\"\nkey = \"${{ k }}\"", false),
        ("records = \"map\"", false),
        ("records = \"/items\"\nkey = \"${{ n }}\"", false),
        ("", false),
        ("records = \"/items\"\nkey = \"${{ k }}\"\npublic = false", true),
    ] {
        let sides = Sides::new(base, &[("headwater.toml", &sheet(rest)), base[1]], &[ours]);
        match fits {
            true => assert_eq!(sides.rebased().unwrap().made, 1, "{rest}"),
            false => assert_eq!(sides.lost(), [lost("d.json", "")], "{rest}"),
        }
    }
}

#[test]
fn what_we_changed_is_merged_by_a_sheet_that_sees_it_or_kept_beside() {
    let parts = "[sheets.items]\nfile = \"p.json\"\nrecords = \"/items\"\nkey = \"${{ k }}\"\n\
                 [sheets.staff]\nfile = \"p.json\"\nrecords = \"/staff\"\nkey = \"${{ k }}\"\n";
    let whole = "[sheets.all]\nroot = \".\"\nformat = \"json\"\npath = \"${{ slug }}\"\n";
    let whole = &format!("{parts}{whole}");
    let alone = parts.split("[sheets.staff]").next().unwrap();
    let file = |items: &str, staff: &str, note: u8| {
        format!(r#"{{"items": [{items}], "note": {note}, "staff": [{staff}]}}"#)
    };
    let row = |key: &str, n: u8| format!(r#"{{"k": "{key}", "n": {n}}}"#);
    let both = |one: u8, other: u8| format!("{}, {}", row("a", one), row("b", other));
    let base = &file(&both(0, 0), &both(0, 0), 0);
    for (definition, theirs, ours, expected) in [
        // Whoever changed which part, nothing is lost.
        (parts, file(&both(0, 0), &both(0, 0), 1), file(&both(0, 0), &both(5, 0), 0), "0 0 1 5 0"),
        (parts, file(&both(7, 0), &both(0, 0), 0), file(&both(0, 0), &both(5, 0), 0), "7 0 0 5 0"),
        (parts, file(&both(0, 0), &both(0, 7), 0), file(&both(0, 0), &both(5, 0), 0), "0 0 0 5 7"),
        (parts, file(&both(0, 0), &both(0, 7), 0), file(&both(5, 0), &both(0, 0), 0), "5 0 0 0 7"),
        // Neither sheet sees both, nor what is outside.
        (alone, file(&both(0, 7), &both(0, 0), 0), file(&both(0, 0), &both(5, 0), 0), ""),
        (parts, file(&both(0, 0), &both(0, 0), 1), file(&both(5, 0), &both(5, 0), 0), ""),
        (parts, file(&both(0, 0), &both(0, 7), 0), file(&both(0, 0), &both(0, 0), 5), ""),
        (whole, file(&both(0, 0), &both(0, 7), 0), file(&both(0, 0), &both(0, 0), 5), "0 0 5 0 7"),
        (whole, file(&both(0, 0), &both(0, 0), 1), file(&both(5, 0), &both(5, 0), 0), "5 0 1 5 0"),
        (whole, file(&both(7, 0), &both(0, 0), 0), file(&both(5, 0), &both(5, 0), 0), ""),
    ] {
        let definition = ("headwater.toml", definition);
        let files = [[definition, ("p.json", &theirs)], [definition, ("p.json", &ours)]];
        let sides = Sides::new(&[definition, ("p.json", base)], &files[0], &[&files[1]]);
        if expected.is_empty() {
            let lost = sides.lost();
            assert!(lost.iter().all(|(path, _)| path == "p.json"), "{lost:?}");
            continue;
        }
        let rebased = sides.rebased();
        let Rebased { head, made, .. } =
            rebased.unwrap_or_else(|error| panic!("{error} {theirs} {ours}"));
        let merged = sides.repository.git(["show", &format!("{head}:p.json")]);
        let merged: Json = serde_json::from_str(&merged).unwrap();
        let n = |part: &str, at: usize| merged[part][at]["n"].clone();
        let all =
            [n("items", 0), n("items", 1), merged["note"].clone(), n("staff", 0), n("staff", 1)];
        assert_eq!(all.map(|n| n.to_string()).join(" "), expected, "{theirs} {ours}");
        assert_eq!(made, 1);
    }
}

#[test]
fn the_sheet_that_merged_a_file_last_is_tried_first() {
    let list = "file = \"l.yaml\"\nrecords = \"each\"\nkey = \"${{ k }}\"\n";
    let numbers =
        "schema = { properties = { n = { type = \"number\" } } }\npolicy = \"quarantine\"\n";
    // The first sheet cannot read the record that we change.
    let definition = &format!("[sheets.a]\n{list}{numbers}[sheets.b]\n{list}");
    let text = |ours: usize, theirs: u8| format!("- k: x\n  n: no {ours}\n- k: y\n  n: {theirs}\n");
    let texts: Vec<String> = (1..=6).map(|n| text(n, 0)).collect();
    let files = |text| [("headwater.toml", &**definition), ("l.yaml", text)];
    let ours: Vec<[(&str, &str); 2]> = texts.iter().map(|text| files(&**text)).collect();
    let ours: Vec<Files<'_>> = ours.iter().map(|files| &files[..]).collect();
    let (base, theirs) = (text(0, 0), text(0, 1));
    let sides = Sides::new(&files(&base), &files(&theirs), &ours);
    let mut rebase = sides.begun();
    let mut reads = Vec::new();
    for commit in &sides.ours {
        rebase.put(*commit).unwrap();
        reads.push(rebase.lists.reads());
    }
    assert_eq!(rebase.rebased().made, 6);
    assert_eq!(reads, [4; 6], "each sheet reads each side once at most");
}

/// Three sheets that read a part each of one file, and one that reads a part of a part.
fn parts(file: &str) -> String {
    let part = |name: &str, part: &str| {
        format!(
            "[sheets.{name}]\nfile = \"{file}\"\nrecords = \"{part}\"\nkey = \"${{{{ k }}}}\"\n"
        )
    };
    [part("a", "/a"), part("b", "/b"), part("c", "/c/in"), part("d", "/c/in/0/d")].concat()
}

/// The numbers in such a file: two in each of the parts, and one in a part of the last one.
type Parts = [[usize; 2]; 4];

fn parts_as_json(numbers: &Parts) -> String {
    let row = |key: &str, n: usize| format!("{{\"k\": \"{key}\", \"n\": {n}}}");
    let rows = |[x, y]: [usize; 2]| format!("{}, {}", row("x", x), row("y", y));
    let [a, b, [x, y], inner] = *numbers;
    let inner = rows(inner);
    format!(
        "{{\"a\": [{}],\n\"b\": [{}],\n\"c\": {{\"in\": [{{\"k\": \"x\", \"n\": {x}, \"d\": [{inner}]}},\n{}]}}}}\n",
        rows(a),
        rows(b),
        row("y", y)
    )
}

fn parts_as_yaml(numbers: &Parts) -> String {
    let row = |key: &str, n: usize, by: &str| format!("{by}- k: {key}\n{by}  n: {n}\n");
    let rows = |[x, y]: [usize; 2], by: &str| row("x", x, by) + &row("y", y, by);
    let [a, b, [x, y], inner] = *numbers;
    let (x, y, inner) = (row("x", x, "  "), row("y", y, "  "), rows(inner, "    "));
    format!("a:\n{}b:\n{}c:\n  in:\n{x}    d:\n{inner}{y}", rows(a, ""), rows(b, ""))
}

/// Returns a file of this name with these numbers.
fn parts_text(path: &str, numbers: &Parts) -> String {
    match path {
        "p.json" => parts_as_json(numbers),
        _ => parts_as_yaml(numbers),
    }
}

/// Returns two sides of such a file: theirs has one change, and ours one for each commit.
fn sides_of_parts(path: &str, base: &Parts, theirs: &Parts, ours: &[Parts]) -> Sides {
    let definition = parts(path);
    let texts: Vec<_> =
        [base, theirs].into_iter().chain(ours).map(|it| parts_text(path, it)).collect();
    let files: Vec<_> =
        texts.iter().map(|text| [("headwater.toml", &*definition), (path, &**text)]).collect();
    let ours: Vec<Files<'_>> = files[2..].iter().map(|files| &files[..]).collect();
    Sides::new(&files[0], &files[1], &ours)
}

#[test]
fn commits_of_several_sheets_in_turn_read_their_file_once_on_each_side() {
    for path in ["p.json", "p.yaml"] {
        let mut ours = vec![[[0; 2]; 4]];
        for at in 0..12 {
            let mut next = ours[at];
            next[at % 3][1] += 1;
            ours.push(next);
        }
        let mut theirs = [[0; 2]; 4];
        (theirs[0][0], theirs[2][0]) = (7, 7);
        let sides = sides_of_parts(path, &ours[0], &theirs, &ours[1..]);
        let mut rebase = sides.begun();
        let reads = sides.ours.iter().map(|commit| {
            rebase.put(*commit).unwrap();
            rebase.lists.reads()
        });
        assert_eq!(reads.collect::<Vec<_>>()[2..], [6; 10], "{path}");
        let (stage, rebased) = rebase.into_parts();
        stage.store(Durability::Synced).unwrap();
        let merged = sides.repository.git(["show", &format!("{}:{path}", rebased.head)]);
        assert_eq!(merged.trim(), parts_text(path, &[[7, 4], [0, 4], [7, 4], [0, 0]]).trim());
    }
}

#[test]
fn commits_of_several_sheets_become_together_what_they_become_one_by_one() {
    let mut random = random_below(11);
    let (mut merged, mut conflicts) = (0, 0);
    for case in 0..24 {
        let mut change = |numbers: &Parts, count: usize| {
            let mut numbers = *numbers;
            for _ in 0..count {
                numbers[random(4)][random(2)] = random(4);
            }
            numbers
        };
        let base = [[1; 2]; 4];
        let theirs = change(&base, 1);
        let mut ours = vec![change(&base, 1)];
        for at in 0..5 {
            let count = if case % 6 == 5 { 2 } else { 1 };
            ours.push(change(&ours[at], count));
        }
        let path = ["p.json", "p.yaml"][case % 2];
        let sides = sides_of_parts(path, &base, &theirs, &ours);
        match sides.merge_alike(case) {
            true => merged += 1,
            false => conflicts += 1,
        }
    }
    assert!(merged > 5 && conflicts > 3, "{merged} merged, {conflicts} conflicts");
}

#[test]
fn a_record_that_they_moved_into_another_part_of_a_file_is_not_deleted_without_a_word() {
    let definition = "[sheets.items]\nfile = \"p.json\"\nrecords = \"/items\"\nkey = \"${{ k }}\"\n\
                      [sheets.staff]\nfile = \"p.json\"\nrecords = \"/staff\"\nkey = \"${{ k }}\"\n";
    let ada = r#"{"k": "ada", "city": "x", "n": 1}"#;
    let file = |items: &str, staff: &str| format!(r#"{{"items": [{items}], "staff": [{staff}]}}"#);
    let files = |text| [("headwater.toml", definition), ("p.json", text)];
    let [base, theirs, ours] = [file(ada, ""), file("", ada), file("", "")];
    let sides = Sides::new(&files(&base), &files(&theirs), &[&files(&ours)]);
    assert_eq!(sides.lost(), [lost("p.json", "/ada")]);
}

#[test]
fn a_row_that_the_first_sheet_cannot_read_is_merged_by_the_other_one() {
    for (path, format) in [("l.json", "json"), ("l.yaml", "yaml"), ("l.ndjson", "ndjson")] {
        let list = format!("file = \"{path}\"\nrecords = \"each\"\nkey = \"${{{{ k }}}}\"\n");
        let numbers =
            "schema = { properties = { n = { type = \"number\" } } }\npolicy = \"quarantine\"\n";
        let definition = &format!("[sheets.a]\n{list}{numbers}[sheets.b]\n{list}");
        let text = |one: &str, other: &str| match format {
            "json" => {
                format!("[{{\"k\": \"x\", \"n\": \"{one}\"}}, {{\"k\": \"y\", \"n\": {other}}}]\n")
            }
            "yaml" => format!("- k: x\n  n: \"{one}\"\n- k: y\n  n: {other}\n"),
            _ => format!("{{\"k\": \"x\", \"n\": \"{one}\"}}\n{{\"k\": \"y\", \"n\": {other}}}\n"),
        };
        let [base, theirs, ours] = [text("no", "1"), text("no", "2"), text("yes", "1")];
        let files = |text| [("headwater.toml", &**definition), (path, text)];
        let sides = Sides::new(&files(&base), &files(&theirs), &[&files(&ours)]);
        let Rebased { head, made, .. } = sides.rebased().unwrap();
        let merged = sides.repository.git(["show", &format!("{head}:{path}")]);
        assert_eq!((made, merged.trim()), (1, text("yes", "2").trim()));
        // If only the first sheet is left, nobody sees it.
        let alone = &format!("[sheets.a]\n{list}{numbers}");
        let files = |text| [("headwater.toml", &**alone), (path, text)];
        let sides = Sides::new(&files(&base), &files(&theirs), &[&files(&ours)]);
        assert_eq!(sides.lost(), [lost(path, "")]);
    }
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

#[test]
fn what_does_not_fit_is_left_out_with_all_that_share_files_with_it() {
    let [one, three] = ["n = 1\n", "n = 3\n"];
    let base: Files<'_> = &[("people/a.toml", one), ("people/b.toml", one), ("people/c.toml", one)];
    let theirs: Files<'_> =
        &[("people/a.toml", three), ("people/b.toml", one), ("people/c.toml", one)];
    // Each row: what each of our commits changes, those that are put, and whether all have to be put again.
    for (ours, expected, is_outdated) in [
        (&["b", "c"][..], &[0, 1][..], false),
        (&["a", "b", "c"], &[1, 2], false),
        (&["b", "a", "c", "a"], &[0, 2], false),
        (&["b", "a c", "b", "c"], &[0, 2], false),
        (&["b", "c", "a c", "b"], &[0, 3], true),
        (&["b", "a", "a c", "b c"], &[], true),
    ] {
        let mut sides = Sides::new(base, theirs, &[]);
        let mut files: BTreeMap<String, String> = std::iter::once(&DEFINITION)
            .chain(base)
            .map(|(path, text)| (path.to_string(), text.to_string()))
            .collect();
        for (at, names) in ours.iter().enumerate() {
            // Each commit differs from the one before it.
            let text = format!("n = 2\nat = {at}\n");
            files
                .extend(names.split(' ').map(|name| (format!("people/{name}.toml"), text.clone())));
            let files: Vec<_> = files.iter().map(|(path, text)| (&path[..], &text[..])).collect();
            sides.ours.push(sides.repository.commit_files("ours", &files));
        }
        let put = |mut rebase: Rebase| {
            sides.ours.iter().try_for_each(|commit| rebase.put(*commit)).unwrap();
            rebase
        };
        let mut rebase = put(sides.begun());
        assert_eq!(rebase.is_outdated(), is_outdated, "{ours:?}");
        if is_outdated {
            rebase = put(rebase.begun_again(sides.repository.mirror().stage().unwrap()).unwrap());
            assert!(!rebase.is_outdated(), "{ours:?}");
        }
        let moves = rebase.rebased().moves.iter();
        let place = |commit: &CommitId| sides.ours.iter().position(|it| it == commit).unwrap();
        let found: Vec<usize> = moves.map(|(commit, _)| place(commit)).collect();
        assert_eq!(found, expected, "{ours:?}");
        // What one of them loses is told of the first that does not fit, and of those that do not fit beside it.
        let lost = rebase.left_out().lost();
        assert_eq!(lost.is_empty(), expected.len() == ours.len(), "{ours:?}");
        assert!(lost.iter().all(|lost| lost.path == "people/a.toml"), "{lost:?}");
    }
}

/// Two records in files of their own, and four in one file.
type Six = [usize; 6];

fn files_of(six: &Six) -> Vec<(String, String)> {
    let [a, b, rows @ ..] = six;
    let file = |name: &str, n: &usize| (format!("people/{name}.toml"), format!("n = {n}\n"));
    let rows: String =
        rows.iter().enumerate().map(|(at, n)| format!("- k: r{at}\n  n: {n}\n")).collect();
    let list = "[sheets.l]\nfile = \"l.yaml\"\nrecords = \"each\"\nkey = \"${{ k }}\"\n";
    let list = ("headwater.toml".to_owned(), list.to_owned());
    vec![list, file("a", a), file("b", b), ("l.yaml".to_owned(), rows)]
}

#[test]
fn what_is_put_is_all_that_does_not_depend_on_what_is_left_out() {
    let mut random = random_below(5);
    let (mut kept_rows, mut again, mut whole) = (0, 0, 0);
    for case in 0..40 {
        let mut theirs: Six = [0; 6];
        for _ in 0..=random(2) {
            theirs[random(6)] = 100 + random(9);
        }
        let mut changed: Vec<Vec<usize>> = Vec::new();
        let mut ours: Vec<Six> = Vec::new();
        for at in 0..5 {
            let mut six = ours.last().copied().unwrap_or_default();
            let of: Vec<usize> = (0..=random(2)).map(|_| random(6)).collect();
            of.iter().for_each(|place| six[*place] = 1 + at);
            changed.push(of);
            ours.push(six);
        }
        let states: Vec<_> = [[0; 6], theirs].iter().chain(&ours).map(files_of).collect();
        let states: Vec<Vec<(&str, &str)>> = states
            .iter()
            .map(|files| files.iter().map(|(path, text)| (&path[..], &text[..])).collect())
            .collect();
        let states: Vec<Files<'_>> = states.iter().map(|files| &files[..]).collect();
        let sides = Sides::new(states[0], states[1], &states[2..]);
        let put = |mut rebase: Rebase, commits: &[CommitId]| {
            commits.iter().try_for_each(|commit| rebase.put(*commit)).unwrap();
            rebase
        };
        let mut rebase = put(sides.begun(), &sides.ours);
        for _ in 0..5 {
            if rebase.is_outdated() {
                again += 1;
                let stage = sides.repository.mirror().stage().unwrap();
                rebase = put(rebase.begun_again(stage).unwrap(), &sides.ours);
            }
        }
        assert!(!rebase.is_outdated(), "case {case}");
        let moves = &rebase.rebased().moves;
        let is_put = |at: usize| moves.iter().any(|(from, _)| *from == sides.ours[at]);
        let (kept, left): (Vec<usize>, Vec<usize>) = (0..5).partition(|at| is_put(*at));
        // Whatever is left out shares nothing with what is put, and what is put fits by itself.
        for (one, other) in left.iter().flat_map(|one| kept.iter().map(move |other| (one, other))) {
            let shared = changed[*one].iter().any(|place| changed[*other].contains(place));
            assert!(!shared, "case {case}: {one} and {other} of {changed:?} over {theirs:?}");
        }
        let fits: Vec<CommitId> = kept.iter().map(|at| sides.ours[*at]).collect();
        let alone = put(sides.begun(), &fits);
        assert!(
            alone.left_out().is_empty(),
            "case {case}: {kept:?} of {changed:?} over {theirs:?}"
        );
        assert_eq!(alone.rebased().head, rebase.rebased().head, "case {case}");
        // What is left out is connected, by files at most, with what they changed.
        let file_of = |place: &usize| (*place).min(2);
        let mut connected: Vec<usize> = Vec::new();
        for _ in 0..5 {
            for (at, of) in changed.iter().enumerate() {
                let is_direct = of.iter().any(|place| theirs[*place] > 0);
                let is_through = connected.iter().any(|other| {
                    let others = &changed[*other];
                    of.iter().any(|place| others.iter().any(|it| file_of(it) == file_of(place)))
                });
                if !connected.contains(&at) && (is_direct || is_through) {
                    connected.push(at);
                }
            }
        }
        for at in &left {
            assert!(connected.contains(at), "case {case}: {at} of {changed:?} over {theirs:?}");
        }
        let conflicts = |of: &Vec<usize>| of.iter().any(|place| theirs[*place] > 0);
        for (at, of) in changed.iter().enumerate().filter(|(_, of)| conflicts(of)) {
            assert!(left.contains(&at), "case {case}: {of:?} is put over {theirs:?}");
        }
        let has_rows = |at: &usize| changed[*at].iter().any(|place| *place > 1);
        kept_rows += usize::from(kept.iter().any(has_rows) && left.iter().any(has_rows));
        whole += usize::from(left.is_empty());
    }
    assert!(kept_rows > 3 && again > 3 && whole > 0, "{kept_rows} {again} {whole}");
}
