//! References between sheets, on both sides of a change.

use headwater_engine::admit::{Admission, AdmissionLimits, Health, admit};
use headwater_engine::budget::{Budget, TooCostly};
use headwater_engine::id::SheetName;
use headwater_engine::load::{advance, load};
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::problem::{Problem, Rule};
use headwater_engine::query::Included;
use headwater_engine::snapshot::{Snapshot, count};
use headwater_testkit::Upstream;

const ROLES: &str = "[gitsheet]\nroot = \"roles\"\npath = \"${{ slug }}\"\n[headwater]\n\
    hidden = \"gone\"\n\
    refs = { project = \"projects.id\", \"by.people\" = \"people\", part = \"roles\" }\n";
const PROJECTS: &str = "[gitsheet]\nroot = \"projects\"\npath = \"${{ slug }}\"\n";
const PEOPLE: &str = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n\
    [headwater]\nhidden = \"gone\"\n";

/// A branch, and the states of its commits: each reloaded from the previous one and compared with a
/// rebuild.
struct Branch {
    upstream: Upstream,
    state: Option<Snapshot>,
}

impl Branch {
    fn new(files: &[(&str, &str)]) -> Self {
        let mut branch = Self { upstream: Upstream::new(), state: None };
        let definitions = [
            (".gitsheets/roles.toml", ROLES),
            (".gitsheets/projects.toml", PROJECTS),
            (".gitsheets/people.toml", PEOPLE),
        ];
        branch.push(&[&definitions[..], files].concat(), &[]);
        branch
    }

    fn push(&mut self, put: &[(&str, &str)], delete: &[&str]) {
        let mut commit = self.upstream.commit("step");
        for (path, text) in put {
            commit = commit.put(*path, *text);
        }
        for path in delete {
            commit = commit.delete(*path);
        }
        let commit = commit.push().parse().unwrap();
        let mirror = Mirror::open(self.upstream.path(), MirrorOptions::default()).unwrap();
        let objects = mirror.objects().unwrap();
        let options = LoadOptions::default();
        let rebuilt = load(&objects, commit, &options).unwrap();
        let (state, reason) = advance(&objects, self.state.as_ref(), commit, &options).unwrap();
        assert_eq!(state.dump(), rebuilt.dump());
        assert_eq!(reason.is_some(), self.state.is_none(), "{reason:?}");
        self.state = Some(state);
    }

    fn state(&self) -> &Snapshot {
        self.state.as_ref().unwrap()
    }

    fn told(problems: &[Problem]) -> Vec<String> {
        assert!(problems.iter().all(|problem| problem.rule == Rule::DanglingRef), "{problems:?}");
        let told = problems.iter().map(|problem| {
            let pointer = problem.pointer.as_deref().unwrap();
            format!("{} {pointer}: {}", problem.path, problem.message)
        });
        told.collect()
    }

    fn dangling(&self) -> Vec<String> {
        Self::told(&self.state().problems())
    }

    fn dangling_in_public(&self) -> Vec<String> {
        Self::told(&self.state().public_problems())
    }
}

#[test]
fn a_reference_dangles_while_nothing_has_what_it_names() {
    let mut branch = Branch::new(&[
        ("roles/a.toml", "project = 7\npart = \"b\"\n"),
        ("roles/b.toml", "project = [7, 8]\n"),
        ("projects/p.toml", "id = 7\n"),
    ]);
    let eight = "roles/b.toml /project/1: `project` is not the `id` of a record of projects";
    assert_eq!(branch.dangling(), [eight]);
    assert!(branch.state().visible("roles", "b").is_some(), "it is served nonetheless");
    // The other side repairs it, and breaks it again by its contents and by being deleted.
    branch.push(&[("projects/q.toml", "id = 8\n")], &[]);
    assert_eq!(branch.dangling(), [] as [&str; 0]);
    branch.push(&[("projects/q.toml", "id = 9\n")], &[]);
    assert_eq!(branch.dangling(), [eight]);
    branch.push(&[("projects/q.toml", "id = 8\n")], &["projects/p.toml"]);
    let seven = [
        "roles/a.toml /project: `project` is not the `id` of a record of projects",
        "roles/b.toml /project/0: `project` is not the `id` of a record of projects",
    ];
    assert_eq!(branch.dangling(), seven);
    // So does this side, and a position in a list is reported as it is now.
    branch.push(&[("roles/b.toml", "project = [8, 8, 7]\n")], &[]);
    let moved = "roles/b.toml /project/2: `project` is not the `id` of a record of projects";
    assert_eq!(branch.dangling(), [seven[0], moved]);
    branch.push(&[("roles/b.toml", "project = 8\n")], &["roles/a.toml"]);
    assert_eq!(branch.dangling(), [] as [&str; 0]);
}

#[test]
fn nested_fields_lists_and_the_sheet_itself_are_referred_to_by_key() {
    let mut branch = Branch::new(&[
        ("roles/a.toml", "part = \"a\"\n[[by]]\npeople = \"ada\"\n[[by]]\npeople = \"x/y\"\n"),
        ("roles/b.toml", "part = \"c\"\n"),
        ("people/ada.toml", ""),
    ]);
    let c = "roles/b.toml /part: `part` is not the key of a record of roles";
    let expected =
        ["roles/a.toml /by/1/people: `by.people` is not the key of a record of people", c];
    assert_eq!(branch.dangling(), expected);
    branch.push(&[("roles/a.toml", "")], &["roles/b.toml", "people/ada.toml"]);
    assert_eq!(branch.dangling(), [] as [&str; 0]);
    branch.push(&[("roles/b.toml", "part = \"a\"\n"), ("roles/a.toml", "x = [\n")], &[]);
    let problems = branch.state().problems();
    let rules: Vec<_> = problems.iter().map(|p| (&*p.path, p.rule)).collect();
    let broken = ("roles/a.toml", Rule::Malformed);
    assert_eq!(rules, [broken, ("roles/b.toml", Rule::DanglingRef)], "a broken record is absent");
}

#[test]
fn the_same_value_under_another_path_is_told_there() {
    let definitions = "[sheets.notes]\nformat = \"yaml\"\nrefs = { of = \"notes\" }\n";
    let mut branch = Branch { upstream: Upstream::new(), state: None };
    branch.push(&[("headwater.toml", definitions), ("notes/a.yaml", "of: b\n")], &[]);
    let digest = branch.state().digest();
    branch.push(&[("notes/a.yml", "of: b\n")], &["notes/a.yaml"]);
    assert_eq!(branch.dangling(), ["notes/a.yml /of: `of` is not the key of a record of notes"]);
    assert_ne!(branch.state().digest(), digest, "a reader can tell");
}

#[test]
fn one_target_of_many_concerns_all_that_refer_to_it_and_no_others() {
    let texts: Vec<(String, String)> = (0..700)
        .map(|n| (format!("roles/r{n:03}.toml"), format!("project = {}\n", n % 7)))
        .chain((0..7).map(|n| (format!("projects/p{n}.toml"), format!("id = {n}\n"))))
        .collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (&**path, &**text)).collect();
    let mut branch = Branch::new(&files);
    assert_eq!(branch.dangling(), [] as [&str; 0]);
    branch.push(&[], &["projects/p3.toml"]);
    assert_eq!(branch.dangling().len(), 100);
    assert!(branch.dangling()[0].starts_with("roles/r003.toml"));
    // More than a few at once, while something dangles.
    let moved: Vec<(String, String)> =
        (0..600).map(|n| (format!("roles/r{n:03}.toml"), "project = 4\n".to_owned())).collect();
    let moved: Vec<(&str, &str)> = moved.iter().map(|(path, text)| (&**path, &**text)).collect();
    branch.push(&moved, &[]);
    assert_eq!(branch.dangling().len(), 14);
    branch.push(&[("projects/p3.toml", "id = 3\n")], &[]);
    assert_eq!(branch.dangling(), [] as [&str; 0]);
}

#[test]
fn a_record_tells_of_a_hundred_references_at_most() {
    let many: Vec<String> = (0..150).map(|n| n.to_string()).collect();
    let branch = Branch::new(&[("roles/a.toml", &*format!("project = [{}]\n", many.join(", ")))]);
    assert_eq!(branch.dangling().len(), 100);
}

#[test]
fn a_hidden_record_is_named_and_what_may_be_hidden_is_not_told_in_public() {
    let mut branch = Branch::new(&[
        ("roles/a.toml", "project = 7\n[by]\npeople = \"ada\"\n"),
        ("roles/b.toml", "project = 7\n[by]\npeople = \"nobody\"\n"),
        ("roles/c.toml", "gone = true\nproject = 7\n"),
        ("people/ada.toml", "gone = true\n"),
    ]);
    let dangling = branch.dangling();
    assert_eq!(dangling.len(), 4, "{dangling:?}");
    assert!(!dangling.iter().any(|line| line.contains("a.toml /by")), "ada is there");
    // If all were reported except ada, that would reveal ada.
    let public = branch.dangling_in_public();
    let project = |name| {
        format!("roles/{name}.toml /project: `project` is not the `id` of a record of projects")
    };
    assert_eq!(public, [project("a"), project("b")]);
    branch.push(
        &[(".gitsheets/projects.toml", &*format!("{PROJECTS}[headwater]\npublic = false\n"))],
        &[],
    );
    assert_eq!(branch.dangling_in_public(), [] as [&str; 0]);
}

#[test]
fn a_sheet_that_is_defined_otherwise_leaves_and_finds_those_that_refer_to_it() {
    let roles = ("roles/a.toml", "project = 1\nby = { people = \"ada\" }\n");
    let mut branch = Branch::new(&[
        roles,
        ("projects/p.toml", "id = 1\n"),
        ("people/ada.toml", "n = 1\n"),
        ("crew/grace.toml", "n = 2\n"),
        ("old/p.toml", "id = 2\n"),
    ]);
    assert_eq!(branch.dangling(), [""; 0]);
    let elsewhere = |text: &str, root: &str, other: &str| {
        text.replace(&format!("root = \"{root}\""), &format!("root = \"{other}\""))
    };
    let (crew, old) = (elsewhere(PEOPLE, "people", "crew"), elsewhere(PROJECTS, "projects", "old"));
    branch.push(&[(".gitsheets/people.toml", &crew), (".gitsheets/projects.toml", &old)], &[]);
    let both = [
        "roles/a.toml /by/people: `by.people` is not the key of a record of people",
        "roles/a.toml /project: `project` is not the `id` of a record of projects",
    ];
    assert_eq!(branch.dangling(), both);
    branch.push(&[(".gitsheets/people.toml", PEOPLE), (".gitsheets/projects.toml", PROJECTS)], &[]);
    assert_eq!(branch.dangling(), [""; 0]);
}

#[test]
fn a_push_that_removes_what_is_referred_to_is_refused() {
    let mut branch =
        Branch::new(&[("roles/a.toml", "project = 7\n"), ("projects/p.toml", "id = 7\n")]);
    let before = branch.state().clone();
    branch.push(&[], &["projects/p.toml"]);
    let after = branch.state();
    let step = count(&after.differences(&before));
    let verdict =
        admit(&Health::of(&before), &Health::of(after), &step, &AdmissionLimits::default());
    let Admission::Refused(problems) = verdict else { panic!("{verdict:?}") };
    assert_eq!((problems.len(), &*problems[0].path), (1, "roles/a.toml"));
    assert_eq!(problems[0].sheet.as_ref().unwrap().as_str(), "roles");
}

#[test]
fn no_more_is_included_than_a_page_may_refer_to() {
    let names: Vec<String> = (0..3_600).map(|n| format!("p{n}")).collect();
    let mut upstream = Upstream::new();
    let mut commit = upstream
        .commit("many")
        .put(".gitsheets/roles.toml", ROLES)
        .put(".gitsheets/people.toml", PEOPLE)
        .put(".gitsheets/projects.toml", PROJECTS)
        .put("roles/all.toml", format!("slug = \"all\"\n[by]\npeople = {names:?}\n"));
    for name in &names {
        let hidden = if name.ends_with('7') { "gone = true\n" } else { "" };
        commit = commit.put(format!("people/{name}.toml"), format!("slug = \"{name}\"\n{hidden}"));
    }
    let commit = commit.push().parse().unwrap();
    let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
    let state = load(&mirror.objects().unwrap(), commit, &LoadOptions::default()).unwrap();
    let of = |references: &str, budget: &Budget| {
        let roles = state.sheet("roles").unwrap();
        let references = Included::parse(references, roles).unwrap();
        let one = std::slice::from_ref(roles.record("all").unwrap());
        Included::of(&state, &references, one, budget)
    };
    let included = of("by.people", &Budget::unlimited()).unwrap();
    // One in ten is hidden.
    assert_eq!(included.records[&SheetName::new("people")].len(), 3_200);
    assert!(included.is_cut, "there are 3,240");
    assert_eq!(of("by.people", &Budget::while_true(|| false)).unwrap_err(), TooCostly);
}

#[test]
fn what_is_included_has_so_many_bytes_whatever_the_number_of_its_records() {
    let names: Vec<String> = (10..50).map(|n| format!("p{n}")).collect();
    let mut upstream = Upstream::new();
    let mut commit = upstream
        .commit("large")
        .put(".gitsheets/roles.toml", ROLES)
        .put(".gitsheets/people.toml", PEOPLE)
        .put(".gitsheets/projects.toml", PROJECTS)
        .put("roles/all.toml", format!("slug = \"all\"\n[by]\npeople = {names:?}\n"));
    for name in &names {
        let text = format!("slug = \"{name}\"\ntext = \"{}\"\n", "x".repeat(500 << 10));
        commit = commit.put(format!("people/{name}.toml"), text);
    }
    let commit = commit.push().parse().unwrap();
    let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
    let state = load(&mirror.objects().unwrap(), commit, &LoadOptions::default()).unwrap();
    let roles = state.sheet("roles").unwrap();
    let references = Included::parse("by.people", roles).unwrap();
    let one = std::slice::from_ref(roles.record("all").unwrap());
    let included = Included::of(&state, &references, one, &Budget::unlimited()).unwrap();
    let keys = included.records[&SheetName::new("people")].keys();
    let keys: Vec<_> = keys.map(|key| key.as_str().to_owned()).collect();
    // 32 of 500 KiB and a little more, always the first ones.
    assert_eq!(keys, names[..32]);
    assert!(included.is_cut && included.bytes <= 16 << 20);
}
