//! Random histories: what a branch may contain, and how it may change.

use std::collections::BTreeMap;

use headwater_testkit::Upstream;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A record's fields before they are written in some format.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Doc {
    pub(crate) id: u8,
    pub(crate) title: Vec<&'static str>,
    pub(crate) stage: Option<&'static str>,
    pub(crate) rank: Option<i64>,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) hidden: bool,
    /// The `id` of a record, which may not exist.
    pub(crate) parent: Option<u8>,
    /// Keys of records, which may not exist.
    pub(crate) links: Vec<u8>,
    /// The same in a nested field.
    pub(crate) note: Option<u8>,
    /// Sets a field that the path template names to something that is not in the path.
    pub(crate) wrong_slug: bool,
}

/// The contents at a path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum File {
    Good(Doc),
    Broken(u8),
    Executable(Doc),
    Symlink,
}

/// The definitions of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Definitions {
    /// Nothing is declared.
    None,
    /// `notes` in gitsheets' format, two definitions of it, the second in English.
    Notes(bool),
    /// `notes` and `data`, the second in German and through `headwater.toml`.
    NotesAndData,
    /// `notes`, whose definition is broken.
    Broken,
    /// `notes`, of which nothing is hidden.
    Shown,
    /// `notes`, of which nothing is public.
    Private,
    /// `whole`, which takes every TOML file, through `headwater.toml`.
    Whole,
    /// `bundles`, whose records are folders, and whose paths supply two fields.
    Bundles,
}

/// The tree of one commit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct World {
    pub(crate) definitions: Definitions,
    pub(crate) files: BTreeMap<String, File>,
}

/// One step of a history.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Put(String, File),
    Delete(String),
    Rename(String, String),
    Define(Definitions),
    /// Back to the tree of an earlier commit, by a force-push.
    Rewind(prop::sample::Index),
}

pub(crate) const WORDS: [&str; 6] = ["river", "stone", "cloud", "lantern", "meadow", "harbor"];

fn doc() -> impl Strategy<Value = Doc> {
    (
        0..6_u8,
        prop::collection::vec(prop::sample::select(&WORDS[..]), 0..6),
        prop::option::of(prop::sample::select(&["idea", "build", "done"][..])),
        prop::option::of(-2..3_i64),
        prop::collection::vec(prop::sample::select(&["red", "green", "blue"][..]), 0..3),
        prop::bool::weighted(0.15),
        (
            prop::option::of(0..6_u8),
            prop::collection::vec(0..5_u8, 0..3),
            prop::option::of(0..5_u8),
        ),
        prop::bool::weighted(0.1),
    )
        .prop_map(
            |(id, title, stage, rank, tags, hidden, (parent, links, note), wrong_slug)| Doc {
                id,
                title,
                stage,
                rank,
                tags,
                hidden,
                parent,
                links,
                note,
                wrong_slug,
            },
        )
}

fn path() -> impl Strategy<Value = String> {
    let extension = prop::sample::select(&["toml", "toml", "toml", "json", "yaml", "md"][..]);
    let folder = prop_oneof![
        6 => prop::sample::select(&["notes", "notes", "notes", "notes/deep", "data", "_drafts"][..]),
        2 => prop::sample::select(&COLLECTIONS[..]),
    ];
    let file =
        (folder, 0..5_u8, extension).prop_map(|(folder, n, ext)| format!("{folder}/k{n}.{ext}"));
    let index =
        (prop::sample::select(&["en", "fr"][..]), 0..3_u8, prop::sample::select(&INDEX_FILES[..]));
    let index = index.prop_map(|(lang, n, name)| format!("bundles/{lang}/k{n}/{name}.json"));
    prop_oneof![8 => file, 1 => index]
}

/// Folders that are sheets, or parts of one, if nothing is declared.
const COLLECTIONS: [&str; 6] =
    ["content", "content/blog", "content/_x", "content.blog", "src/content/blog", "bundles/en/k0"];

/// The names of the files that represent their folders; the first that exists counts.
pub(crate) const INDEX_FILES: [&str; 3] = ["index", "_index", "README"];

fn file() -> impl Strategy<Value = File> {
    prop_oneof![
        12 => doc().prop_map(File::Good),
        2 => (0..3_u8).prop_map(File::Broken),
        1 => doc().prop_map(File::Executable),
        1 => Just(File::Symlink),
    ]
}

fn definitions() -> impl Strategy<Value = Definitions> {
    prop::sample::select(
        &[
            Definitions::None,
            Definitions::Notes(false),
            Definitions::Notes(true),
            Definitions::NotesAndData,
            Definitions::Broken,
            Definitions::Shown,
            Definitions::Private,
            Definitions::Whole,
            Definitions::Bundles,
        ][..],
    )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (path(), file()).prop_map(|(path, file)| Op::Put(path, file)),
        4 => path().prop_map(Op::Delete),
        2 => (path(), path()).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => definitions().prop_map(Op::Define),
        1 => any::<prop::sample::Index>().prop_map(Op::Rewind),
    ]
}

/// Generates a history: the definitions of its first commit, and the operations of each commit.
pub(crate) fn history() -> impl Strategy<Value = (Definitions, Vec<Vec<Op>>)> {
    (definitions(), prop::collection::vec(prop::collection::vec(op(), 1..8), 2..7))
}

impl World {
    pub(crate) fn new(definitions: Definitions) -> Self {
        Self { definitions, files: BTreeMap::new() }
    }

    /// Applies one operation; `earlier` holds the worlds of the previous commits.
    pub(crate) fn apply(&mut self, op: &Op, earlier: &[World]) {
        match op {
            Op::Put(path, file) => {
                self.files.insert(path.clone(), file.clone());
            }
            Op::Delete(path) => {
                self.files.remove(path);
            }
            Op::Rename(from, to) => {
                if let Some(file) = self.files.remove(from) {
                    self.files.insert(to.clone(), file);
                }
            }
            Op::Define(definitions) => self.definitions = *definitions,
            Op::Rewind(to) => {
                if !earlier.is_empty() {
                    *self = to.get(earlier).clone();
                }
            }
        }
    }

    /// Commits this world as the whole tree of the branch and returns the id of the commit.
    pub(crate) fn commit(&self, upstream: &mut Upstream) -> String {
        let mut commit = upstream.commit("step").clear();
        // The branch is never empty, so that every commit has a tree.
        commit = commit.put(".keep", "");
        for (path, text) in self.definition_files() {
            commit = commit.put(path, text);
        }
        for (path, file) in &self.files {
            commit = match file {
                File::Good(doc) => commit.put(path, written(path, doc)),
                File::Executable(doc) => commit.put_mode(path, 0o100_755, written(path, doc)),
                File::Broken(kind) => commit.put(path, broken(path, *kind)),
                File::Symlink => commit.put_mode(path, 0o120_000, "elsewhere"),
            };
        }
        commit.push()
    }

    fn definition_files(&self) -> Vec<(&'static str, String)> {
        let notes = |second: bool, refs: &str| {
            let (index, search) = if second {
                (r#"["rank"]"#, "{ title = 1.0 }\nlanguage = \"en\"")
            } else {
                (r#"["stage", "tags"]"#, "{ title = 3.0, stage = 1.0 }")
            };
            let text = format!(
                "[gitsheet]\nroot = \"notes\"\npath = \"${{{{ slug }}}}\"\n\n[headwater]\n\
                 index = {index}\nunique = [\"id\"]\nhidden = \"deletedAt\"\nsearch = {search}\n\
                 refs = {{ {refs} }}\n"
            );
            (".gitsheets/notes.toml", text)
        };
        match self.definitions {
            Definitions::None => vec![],
            Definitions::Notes(false) => vec![notes(false, "parent = \"notes.id\"")],
            Definitions::Notes(true) => {
                vec![notes(true, "links = \"notes\", \"place.note\" = \"notes\"")]
            }
            Definitions::Shown => {
                let (path, text) = notes(false, "");
                vec![(path, text.replace("hidden = \"deletedAt\"\n", ""))]
            }
            Definitions::Private => {
                let (path, text) = notes(false, "");
                vec![(path, text.replace("[headwater]\n", "[headwater]\npublic = false\n"))]
            }
            Definitions::NotesAndData => {
                let data = "[sheets.data]\nroot = \"data\"\nformat = \"json\"\n\
                            index = [\"stage\"]\nunique = [\"id\"]\nlanguage = \"de\"\n\
                            refs = { parent = \"notes.id\", \"place.note\" = \"notes\" }\n";
                let notes = notes(false, "parent = \"data.id\", links = \"data\"");
                vec![notes, ("headwater.toml", data.into())]
            }
            Definitions::Whole => {
                let whole = "[sheets.whole]\nroot = \".\"\nformat = \"toml\"\n";
                vec![("headwater.toml", whole.into())]
            }
            Definitions::Bundles => {
                let bundles = "[sheets.bundles]\nformat = \"json\"\n\
                               path = \"${{ lang }}/${{ slug }}/index\"\n\
                               index = [\"lang\", \"slug\", \"stage\"]\n";
                vec![("headwater.toml", bundles.into())]
            }
            Definitions::Broken => {
                vec![(".gitsheets/notes.toml", "[gitsheet]\nroot = \"notes\"\n".into())]
            }
        }
    }
}

/// Returns the value of `doc`.
pub(crate) fn value(doc: &Doc) -> Value {
    let mut fields = Map::new();
    fields.insert("id".into(), json!(format!("id-{}", doc.id)));
    fields.insert("title".into(), json!(doc.title.join(" ")));
    fields.insert("tags".into(), json!(doc.tags));
    if let Some(stage) = doc.stage {
        fields.insert("stage".into(), json!(stage));
    }
    if let Some(rank) = doc.rank {
        fields.insert("rank".into(), json!(rank));
    }
    if doc.hidden {
        fields.insert("deletedAt".into(), json!("2026-01-01T00:00:00Z"));
    }
    if let Some(parent) = doc.parent {
        fields.insert("parent".into(), json!(format!("id-{parent}")));
    }
    let keys: Vec<String> = doc.links.iter().map(|link| format!("k{link}")).collect();
    fields.insert("links".into(), json!(keys));
    if let Some(note) = doc.note {
        fields.insert("place".into(), json!({ "note": format!("k{note}") }));
    }
    if doc.wrong_slug {
        fields.insert("slug".into(), json!("elsewhere"));
    }
    Value::Object(fields)
}

fn written(path: &str, doc: &Doc) -> String {
    let value = value(doc);
    let json_line = |(key, value): (&String, &Value)| (key.clone(), value.to_string());
    let pairs: Vec<_> = value.as_object().unwrap().iter().map(json_line).collect();
    let inline = |(key, json): &(String, String)| {
        // The only table in a record has one member, whose name needs no quotes.
        let table = json.strip_prefix("{\"note\":").map(|rest| format!("{{ note = {rest}"));
        format!("{key} = {}\n", table.as_ref().unwrap_or(json))
    };
    let toml = || pairs.iter().map(inline).collect::<String>();
    match path.rsplit('.').next() {
        Some("toml") => toml(),
        Some("json") => value.to_string(),
        Some("yaml") => pairs.iter().map(|(key, value)| format!("{key}: {value}\n")).collect(),
        _ => {
            let yaml = || pairs.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
            fronted(usize::from(doc.id) + doc.tags.len() + doc.links.len(), &value, toml(), yaml())
        }
    }
}

/// Writes Markdown with front matter in one of its forms.
fn fronted(form: usize, value: &Value, toml: String, yaml: String) -> String {
    let (open, front, close) = match form % 11 {
        0 => ("+++", toml, "+++"),
        1 => ("---", yaml, "---"),
        2 => ("---", yaml, "..."),
        3 => ("---toml", toml, "---"),
        4 => ("---json", format!("{value}\n"), "---"),
        5 => (";;;", format!("{value}\n"), ";;;"),
        6 => return format!("{value}\nThe body.\n"),
        7 => ("```toml", toml, "```"),
        8 => ("```yaml", yaml, "```"),
        9 => ("```json", format!("{value}\n"), "```"),
        _ => ("\n<!-- a licence -->\n---", yaml, "---"),
    };
    format!("{open}\n{front}{close}\n\nThe body.\n")
}

fn broken(path: &str, kind: u8) -> Vec<u8> {
    match (kind, path.rsplit('.').next()) {
        (0, _) => b"title = \"\xff\"\n".to_vec(),
        (_, Some("toml" | "yaml")) => b"a = = [\n: {".to_vec(),
        (_, Some("json")) => b"{\"a\": ".to_vec(),
        _ => b"+++\na = = 1\n+++\nbody\n".to_vec(),
    }
}
