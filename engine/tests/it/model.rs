//! The naive model: what a tree must serve, derived from the files alone without sharing code with
//! the engine.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::random_histories::{Definitions, Doc, File, INDEX_FILES, World, value};

/// The searched texts of a record: each with its boost, as words.
type Texts = Vec<(f64, Vec<String>)>;

/// The contents that the engine must have for a world.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Expected {
    /// Served records by sheet and key.
    pub(crate) records: BTreeMap<String, BTreeMap<String, Value>>,
    /// Problems as path and rule.
    pub(crate) problems: BTreeSet<(String, String)>,
    /// References that name no record and are not confidential, by path.
    pub(crate) open: BTreeSet<String>,
    /// Indexed fields: sheet, field, value as JSON text, keys.
    pub(crate) index: BTreeMap<(String, String, String), BTreeSet<String>>,
    /// Searchable texts of the public records: sheet and key to boost and words.
    pub(crate) texts: BTreeMap<(String, String), Texts>,
}

struct Rules {
    folder: &'static str,
    /// Folders in it that do not belong to it.
    except: &'static [&'static str],
    /// Whether its records are folders, by a language and a slug.
    bundles: bool,
    extensions: &'static [&'static str],
    recursive: bool,
    template: bool,
    index: &'static [&'static str],
    search: Option<&'static [(&'static str, f64)]>,
    /// Each with the field, the sheet it refers to, and the field there; `None` is the key.
    refs: &'static [(&'static str, &'static str, Option<&'static str>)],
    unique: bool,
    hides: bool,
    public: bool,
}

pub(crate) fn expected(world: &World) -> Expected {
    let mut expected = Expected::default();
    let sheets = sheets(world);
    let mut paths = BTreeMap::new();
    for (sheet, rules) in &sheets {
        read_sheet(world, sheet, rules, &mut expected, &mut paths);
    }
    for (sheet, rules) in &sheets {
        follow(sheet, rules, &sheets, &paths, &mut expected);
    }
    if world.definitions == Definitions::Broken {
        expected.records.insert("notes".into(), BTreeMap::new());
        expected.problems.insert((".gitsheets/notes.toml".into(), "definition".into()));
    }
    expected
}

fn sheets(world: &World) -> Vec<(&'static str, Rules)> {
    let definitions = world.definitions;
    let both = definitions == Definitions::NotesAndData;
    let notes = |second: bool, refs| Rules {
        folder: "notes/",
        except: &[],
        bundles: false,
        extensions: &["toml"],
        recursive: false,
        template: true,
        index: match (second, both) {
            (true, _) => &["rank", "id", "links", "place.note"],
            (false, false) => &["stage", "tags", "id", "parent"],
            (false, true) => &["stage", "tags", "id", "parent", "links"],
        },
        refs,
        search: Some(if second { &[("title", 1.0)] } else { &[("title", 3.0), ("stage", 1.0)] }),
        unique: true,
        hides: true,
        public: true,
    };
    let inferred = |folder| Rules {
        folder,
        except: &[],
        bundles: false,
        extensions: &["toml", "json", "yaml", "md"],
        recursive: true,
        template: false,
        index: &[],
        search: None,
        refs: &[],
        unique: false,
        hides: false,
        public: true,
    };
    let data = Rules {
        extensions: &["json"],
        index: &["stage", "id", "parent", "place.note"],
        refs: &[("parent", "notes", Some("id")), ("place.note", "notes", None)],
        unique: true,
        ..inferred("data/")
    };
    match definitions {
        Definitions::None => {
            // A folder with this name is a separate sheet.
            let is_taken = world.files.keys().any(|path| path.starts_with("content.blog/"));
            let (blog, except): (_, &[&str]) = match is_taken {
                true => ("content.blog/", &["content/_x/"]),
                false => ("content/blog/", &["content/_x/", "content/blog/"]),
            };
            vec![
                ("notes", inferred("notes/")),
                ("data", inferred("data/")),
                ("bundles", inferred("bundles/")),
                ("content", Rules { except, ..inferred("content/") }),
                ("content.blog", inferred(blog)),
                ("src.content.blog", inferred("src/content/blog/")),
            ]
        }
        Definitions::Notes(false) => {
            vec![("notes", notes(false, &[("parent", "notes", Some("id"))]))]
        }
        Definitions::Notes(true) => {
            let refs = &[("links", "notes", None), ("place.note", "notes", None)];
            vec![("notes", notes(true, refs))]
        }
        Definitions::NotesAndData => {
            let refs = &[("parent", "data", Some("id")), ("links", "data", None)];
            vec![("notes", notes(false, refs)), ("data", data)]
        }
        Definitions::Shown => {
            let index = &["stage", "tags", "id"];
            vec![("notes", Rules { hides: false, index, ..notes(false, &[]) })]
        }
        Definitions::Private => {
            let index = &["stage", "tags", "id"];
            vec![("notes", Rules { public: false, index, ..notes(false, &[]) })]
        }
        // The definition is not a record of the sheet.
        Definitions::Whole => vec![("whole", Rules { extensions: &["toml"], ..inferred("") })],
        Definitions::Bundles => {
            let index = &["lang", "slug", "stage"];
            let json = &["json"];
            let rules = inferred("bundles/");
            let rules = Rules { bundles: true, template: true, extensions: json, index, ..rules };
            vec![("bundles", rules)]
        }
        Definitions::Broken => vec![],
    }
}

/// Returns the key of the folder that a file represents, if it has the name of an index file.
fn bundle(below: &str) -> Option<&str> {
    let (folder, name) = below.rsplit_once('/')?;
    (INDEX_FILES.contains(&name) && folder.split('/').count() == 2).then_some(folder)
}

/// The file of each served record, by sheet and key.
type Paths = BTreeMap<(String, String), String>;

/// Records the references of a sheet that name no record, hidden or not.
fn follow(
    sheet: &str,
    rules: &Rules,
    sheets: &[(&str, Rules)],
    paths: &Paths,
    expected: &mut Expected,
) {
    let Some(records) = expected.records.get(sheet) else { return };
    for (key, value) in records {
        for (field, to, target) in rules.refs {
            let named = |wanted: &Value| {
                expected.records[*to].iter().any(|(key, record)| match target {
                    None => wanted == key,
                    Some(target) => values(record, target).contains(wanted),
                })
            };
            if values(value, field).iter().all(named) {
                continue;
            }
            let path = &paths[&(sheet.to_owned(), key.clone())];
            expected.problems.insert((path.clone(), "dangling_ref".into()));
            let hides = |name: &str| sheets.iter().any(|(other, r)| *other == name && r.hides);
            if !(hides(to) || rules.hides && !value["deletedAt"].is_null()) {
                expected.open.insert(path.clone());
            }
        }
    }
}

/// Returns the values of a record in a field.
fn values(value: &Value, field: &str) -> Vec<Value> {
    match field.split('.').fold(value, |value, name| &value[name]) {
        Value::Null => vec![],
        Value::Array(members) => members.clone(),
        scalar => vec![scalar.clone()],
    }
}

fn read_sheet(
    world: &World,
    sheet: &str,
    rules: &Rules,
    expected: &mut Expected,
    paths: &mut Paths,
) {
    let inferred = world.definitions == Definitions::None;
    let mut slots: BTreeMap<String, Vec<(&String, Option<&Doc>)>> = BTreeMap::new();
    for (path, file) in &world.files {
        let Some(below) = path.strip_prefix(rules.folder) else { continue };
        let (key, extension) = below.rsplit_once('.').unwrap();
        if rules.except.iter().any(|other| path.starts_with(other))
            || !rules.extensions.contains(&extension)
            || (!rules.recursive && key.contains('/'))
        {
            continue;
        }
        let key = match rules.bundles {
            true => bundle(key),
            false => Some(key),
        };
        let Some(key) = key else { continue };
        let claim = match file {
            File::Good(doc) | File::Executable(doc) if rules.template && doc.wrong_slug => {
                expected.problems.insert((path.clone(), "path_mismatch".into()));
                None
            }
            File::Good(doc) | File::Executable(doc) => Some(doc),
            File::Broken(kind) => {
                let rule = if *kind == 0 { "not_utf8" } else { "malformed" };
                expected.problems.insert((path.clone(), rule.into()));
                None
            }
            File::Symlink => continue,
        };
        slots.entry(key.into()).or_default().push((path, claim));
    }
    if inferred && slots.is_empty() {
        return;
    }
    let mut owners: BTreeMap<u8, String> = BTreeMap::new();
    let records = expected.records.entry(sheet.into()).or_default();
    for (key, mut claimants) in slots {
        if rules.bundles {
            claimants.sort_by_key(|(path, _)| {
                INDEX_FILES.iter().position(|name| path.ends_with(&format!("/{name}.json")))
            });
        }
        let mut good = claimants.iter().filter_map(|(path, doc)| doc.map(|doc| (path, doc)));
        let Some((path, doc)) = good.next() else { continue };
        for (path, _) in good {
            expected.problems.insert((path.to_string(), "key_taken".into()));
        }
        let mut value = value(doc);
        if path.ends_with(".md") {
            value["body"] = json!("The body.");
        }
        if rules.unique && owners.insert(doc.id, key.clone()).is_some() {
            expected.problems.insert((path.to_string(), "not_unique".into()));
        }
        for field in rules.index {
            for entry in values(&asked(&value, &key, rules), field) {
                let name = (sheet.to_owned(), (*field).to_owned(), entry.to_string());
                expected.index.entry(name).or_default().insert(key.clone());
            }
        }
        if rules.public && !(rules.hides && doc.hidden) {
            let texts = texts(&asked(&value, &key, rules), rules);
            expected.texts.insert((sheet.into(), key.clone()), texts);
        }
        paths.insert((sheet.to_owned(), key.clone()), path.to_string());
        records.insert(key, value);
    }
}

/// Returns the value with the fields that come only from its path.
fn asked(value: &Value, key: &str, rules: &Rules) -> Value {
    let mut asked = value.clone();
    if let Some((lang, slug)) = key.split_once('/').filter(|_| rules.bundles) {
        for (field, text) in [("lang", lang), ("slug", slug)] {
            if asked[field].is_null() {
                asked[field] = json!(text);
            }
        }
    }
    asked
}

fn texts(value: &Value, rules: &Rules) -> Texts {
    let mut texts = Vec::new();
    match rules.search {
        Some(fields) => {
            for (field, boost) in fields {
                strings(&value[field], *boost, &mut texts);
            }
        }
        None => strings(value, 1.0, &mut texts),
    }
    texts
}

fn strings(value: &Value, boost: f64, texts: &mut Texts) {
    match value {
        Value::String(text) => {
            let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
            let mut words: Vec<String> = words.map(str::to_lowercase).collect();
            // A word split at a hyphen also counts as a whole.
            if let [name, number] = &words[..]
                && *text == format!("{name}-{number}")
            {
                words.push(format!("{name}{number}"));
            }
            texts.push((boost, words));
        }
        Value::Number(number) => texts.push((boost, vec![number.to_string().replace('-', "")])),
        Value::Array(members) => members.iter().for_each(|member| strings(member, boost, texts)),
        Value::Object(members) => members.values().for_each(|m| strings(m, boost, texts)),
        _ => {}
    }
}

/// All sheets of one language.
const SHEETS: [&str; 7] =
    ["notes", "data", "whole", "bundles", "content", "content.blog", "src.content.blog"];

/// A hit of a search: sheet, key and score.
pub(crate) type Hit = ((String, String), f64);

impl Expected {
    /// Ranks the records that contain `word`, best first, by BM25 over the public records of the
    /// same language; each boost is a separate field of BM25F, as in the engine. No two words of the world
    /// have the same stem.
    pub(crate) fn search(&self, word: &str, definitions: Definitions) -> Vec<Hit> {
        // If two sheets have different languages, each is searched separately.
        let apart = definitions == Definitions::NotesAndData;
        let groups: &[&[&str]] = if apart { &[&["notes"], &["data"]] } else { &[&SHEETS] };
        let mut hits: Vec<_> =
            groups.iter().flat_map(|sheets| self.search_in(sheets, word)).collect();
        hits.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        hits
    }

    fn search_in(&self, sheets: &[&str], word: &str) -> Vec<Hit> {
        let texts: BTreeMap<_, _> =
            self.texts.iter().filter(|((sheet, _), _)| sheets.contains(&sheet.as_str())).collect();
        let words = |texts: &[(f64, Vec<String>)], boost: f64| -> Vec<String> {
            texts.iter().filter(|(b, _)| *b == boost).flat_map(|(_, w)| w.clone()).collect()
        };
        let total = texts.len() as f64;
        let count = |words: &[String]| words.iter().filter(|w| *w == word).count() as f64;
        let mut frequencies: BTreeMap<(String, String), f64> = BTreeMap::new();
        let mut most: f64 = 0.0;
        for boost in [3.0, 1.0] {
            let fields: Vec<_> = texts.iter().map(|(k, t)| (k, words(t, boost))).collect();
            let tokens: usize = fields.iter().map(|(_, words)| words.len()).sum();
            most = most.max(fields.iter().filter(|(_, words)| count(words) > 0.0).count() as f64);
            for (name, words) in fields.iter().filter(|(_, words)| count(words) > 0.0) {
                let length = words.len() as f64 / (tokens as f64 / total);
                let weight = boost / (1.0 - 0.75 + 0.75 * length);
                *frequencies.entry((**name).clone()).or_default() += count(words) * weight;
            }
        }
        let idf = (1.0 + (total - most + 0.5) / (most + 0.5)).ln();
        let score = |frequency: f64| idf * 2.6 * frequency / (frequency + 1.6);
        frequencies.into_iter().map(|(name, frequency)| (name, score(frequency))).collect()
    }
}
