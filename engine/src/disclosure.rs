//! Decides what of an earlier state may be shown now.
//!
//! A commit itself states which of its files are public, and may have been overruled since: a sheet
//! was made private, renamed or removed, or a record was hidden. The present state decides, by the
//! paths of the files and not by the names of sheets. Where sheets read parts of a file, it decides
//! about each part. What it does not mention is not shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::changes::Change;
use crate::delta::{Delta, PublicChange, Withheld};
use crate::digest::hash_part;
use crate::id::{Key, SheetName};
use crate::layout::{Layout, Part, Shape, SheetSpec};
use crate::record::Record;
use crate::search::SearchError;
use crate::sheet::{Served, Sheet, hides};
use crate::snapshot::{SheetFile, Snapshot};
use crate::view::View;

/// Decides, by the present state, what of earlier states may be shown.
#[derive(Debug, Clone, Copy)]
pub struct Disclosure<'a> {
    now: &'a Snapshot,
}

/// The relation of the rules of an earlier state to those of the present one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rules {
    /// Both read every path alike, so whatever was public then is public now unless it is hidden.
    Same,
    /// They differ: each file is looked up in the present layout.
    Other {
        /// The sheets that read every path alike, so that their records have the same keys.
        alike: BTreeSet<SheetName>,
        /// The sheets of the earlier state that read a part of their files, with the names that lead
        /// to it.
        parts: BTreeMap<SheetName, Vec<String>>,
    },
}

impl Rules {
    /// Returns whether both read every path of `sheet` alike.
    pub fn read_alike(&self, sheet: &SheetName) -> bool {
        match self {
            Self::Same => true,
            Self::Other { alike, .. } => alike.contains(sheet),
        }
    }

    /// Returns the part of its files that `sheet` of the earlier state read. Where both states read
    /// alike, that is not kept, and counts as the whole file.
    fn part_of(&self, sheet: &SheetName) -> Part<'_> {
        match self {
            Self::Same => Part::WHOLE,
            Self::Other { parts, .. } => {
                parts.get(sheet).map_or(Part::WHOLE, |names| Part::at(names))
            }
        }
    }
}

impl<'a> Disclosure<'a> {
    /// Returns the disclosure of other states by the state `now`. If that is the state that a view
    /// sees, so are the others.
    pub fn by(now: &'a Snapshot) -> Self {
        Self { now }
    }

    /// Returns the view to which the present state discloses.
    pub fn view(self) -> &'a View {
        self.now.layout().view()
    }

    /// Returns the state that decides.
    pub(crate) fn now(self) -> &'a Snapshot {
        self.now
    }

    /// Compares the rules of `then` with the present ones.
    pub fn rules_of(self, then: &Snapshot) -> Rules {
        self.rules_between(then.layout())
    }

    /// Compares the rules of `then`, the layout of an earlier state, with the present ones.
    pub(crate) fn rules_between(self, then: &Layout) -> Rules {
        let now = self.now.layout();
        if now.reads_alike(then) {
            return Rules::Same;
        }
        let redefined = now.redefined(then);
        let is_alike = |name: &&SheetName| redefined.as_ref().is_some_and(|it| !it.contains(*name));
        let names = now.sheets().map(|spec| &spec.name);
        let partial = then.sheets().filter(|spec| !spec.part_names().is_empty());
        Rules::Other {
            alike: names.filter(is_alike).cloned().collect(),
            parts: partial.map(|spec| (spec.name.clone(), spec.part_names().to_vec())).collect(),
        }
    }

    /// Returns the part of `then` that may be shown now, as if its commit did not have the files
    /// that are private now. Returns the same state if nothing is removed.
    ///
    /// Costs as much as the records that are hidden now or, if the definitions differ, a check of
    /// every file of `then`; plus the removal of files.
    ///
    /// # Errors
    ///
    /// Fails if the text index refuses the change.
    pub fn of(self, then: &Arc<Snapshot>) -> Result<Arc<Snapshot>, SearchError> {
        if then.commit() == self.now.commit() {
            return Ok(then.clone());
        }
        let (files, sheets) = match self.rules_of(then) {
            Rules::Same => (self.hidden_since(then), BTreeSet::new()),
            rules @ Rules::Other { .. } => self.withheld(then, &rules),
        };
        // If sheets are declared, the number of other files is not disclosed.
        let counts = !self.now.layout().is_inferred() && then.passed_over().iter().next().is_some();
        // Whether or not anything is removed, references must not tell which.
        let refers_openly = then.layout().refers_as_openly_as(self.now.layout());
        if files.is_empty() && sheets.is_empty() && !counts && refers_openly {
            return Ok(then.clone());
        }
        then.without(files, &sheets, self.now.layout()).index().map(Arc::new)
    }

    /// Removes from `delta` what may not be shown now, and records what was public before. `before`
    /// and `after` are the rules of its two states.
    #[must_use]
    pub fn mask(self, delta: Delta, before: &Rules, after: &Rules) -> Delta {
        let (mut changes, mut withheld) = (Vec::new(), delta.withheld);
        for change in delta.changes {
            let shown = |record: &Option<Arc<Record>>, rules| {
                let file = |record: &Arc<Record>| self.shows_record(rules, &change.sheet, record);
                record.clone().filter(file)
            };
            let sides = Served {
                before: shown(&change.before, before),
                after: shown(&change.after, after),
            };
            let PublicChange { sheet, key, before: seen, .. } = change;
            if seen.is_some() && sides.before.is_none() {
                withheld.push(Withheld { sheet: sheet.clone(), key: key.clone() });
            }
            if sides.differs() {
                let Served { before, after } = sides;
                changes.push(PublicChange { sheet, key, before, after });
            }
        }
        Delta { changes, withheld, ..delta }
    }

    /// Returns whether the file at `path` may be shown now as an attachment: it is one by the
    /// present rules, and each sheet that holds it is public and does not hide the record that is
    /// served under the key to which it is attached.
    pub fn shows_beside(self, path: &str) -> bool {
        let records = self.now.layout().beside(path.as_bytes());
        let all = records.iter().all(|record| {
            let sheet = self.now.sheet(record.sheet.name.as_str());
            record.sheet.public && !sheet.is_some_and(|sheet| sheet.may_hide(&record.key))
        });
        all && !records.is_empty()
    }

    fn shows_record(self, rules: &Rules, sheet: &SheetName, record: &Record) -> bool {
        self.shows_version(rules, sheet, &record.path(), Some(record))
    }

    /// Returns whether what an earlier state showed of the file at `path` in `sheet`, by `rules`, may
    /// be shown now; `record` is what it was, if it was one.
    pub(crate) fn shows_version(
        self,
        rules: &Rules,
        sheet: &SheetName,
        path: &str,
        record: Option<&Record>,
    ) -> bool {
        match rules {
            Rules::Same => !record.is_some_and(|record| self.withholds_record(sheet, record)),
            Rules::Other { .. } => {
                let now = self.now.sheet(sheet.as_str());
                now.is_none_or(|now| now.spec().public)
                    && self.shows(rules, sheet, path.as_bytes(), record)
            }
        }
    }

    /// Returns whether the sheet `then` of an earlier state is told even if no record of it is shown,
    /// and so are its files that could not be read.
    pub(crate) fn tells_of(self, then: &SheetSpec) -> bool {
        let now = self.now.sheet(then.name.as_str()).map(|sheet| sheet.spec());
        now.is_some_and(|now| now.public && now.is_in_place_of(then))
    }

    /// Adds to `hasher` what decides which versions of the files at `paths` may be shown now, besides
    /// what they hold.
    pub(crate) fn hash_into<'p>(
        self,
        paths: impl Iterator<Item = &'p str>,
        hasher: &mut blake3::Hasher,
    ) {
        for (name, id) in self.now.layout().ids() {
            hash_part(hasher, name.as_bytes());
            hash_part(hasher, &id);
        }
        for path in paths {
            for claim in self.now.layout().claims(path.as_bytes()) {
                let is_withheld = self.withholds(&claim.sheet.name, &claim.key, path);
                hasher.update(&[u8::from(is_withheld)]);
            }
        }
    }

    /// Returns whether what `sheet` had of a file by other rules, and showed, may be shown now;
    /// `record` is what it was, if it was one. A sheet must cover that part of the file now, and all
    /// that have any of it must show it.
    fn shows(self, rules: &Rules, sheet: &SheetName, path: &[u8], record: Option<&Record>) -> bool {
        let claims = self.now.layout().claims(path);
        let part = rules.part_of(sheet);
        // Which part of a file could not be read is not known, so all sheets decide about that.
        let is_met = |spec: &SheetSpec| record.is_none() || spec.part().meets(part);
        let is_covered = claims.iter().any(|claim| claim.sheet.part().covers(part));
        // Bytes that are not text are not the path of a record.
        let text = std::str::from_utf8(path).unwrap_or_default();
        let mut met = claims.iter().filter(|claim| is_met(&claim.sheet));
        let all = met.all(|claim| {
            let spec = &claim.sheet;
            // The keys of the records in a list depend on the rules, so under other rules the
            // hidden ones are not known. A file that could not be read may be a hidden record.
            // So may one of which only a row was read, unless both sheets are as they were.
            let is_alike = spec.name == *sheet && rules.read_alike(sheet);
            let are_alike = rules.read_alike(sheet) && rules.read_alike(&spec.name);
            let is_judged = record.is_some_and(|record| !record.is_in_list() || are_alike);
            let is_record = is_judged && spec.shape_of(text) == Shape::Record;
            let is_withheld = match record.filter(|_| is_alike) {
                Some(record) => self.withholds_record(sheet, record),
                None => self.withholds(&spec.name, &claim.key, text),
            };
            spec.public
                && (is_alike || is_record || spec.hidden.is_none())
                && !is_withheld
                && !record.is_some_and(|record| hides(spec, &record.value))
        });
        all && is_covered
    }

    fn withholds_record(self, sheet: &SheetName, record: &Record) -> bool {
        self.now.sheet(sheet.as_str()).is_some_and(|sheet| sheet.withholds_record(record))
    }

    /// Returns whether the contents of the file at `path` under `key` are, or may be, hidden now.
    fn withholds(self, sheet: &SheetName, key: &Key, path: &str) -> bool {
        self.now.sheet(sheet.as_str()).is_some_and(|sheet| sheet.withholds(key.as_str(), path))
    }

    /// Returns the removal of the records that `then` shows and that are withheld now, if both have
    /// the same rules.
    fn hidden_since(self, then: &Snapshot) -> Vec<Change> {
        let mut removed = Vec::new();
        for sheet in self.now.sheets().filter(|sheet| sheet.spec().public) {
            let Some(then) = then.sheet(sheet.spec().name.as_str()) else { continue };
            if sheet.withholds_unknown() {
                removed.extend(Self::unknown_since(sheet, then));
            }
            for key in sheet.withheld() {
                if then.record(&key).is_some_and(|record| then.shows(record)) {
                    let path =
                        |file: &SheetFile<'_>| String::from_utf8_lossy(&file.path()).into_owned();
                    let gone = |file: &SheetFile<'_>| match file.record() {
                        Some(record) => sheet.withholds_record(record),
                        None => sheet.withholds(&key, &path(file)),
                    };
                    removed.extend(then.files_of(&key).filter(gone).map(SheetFile::removal));
                }
            }
        }
        removed
    }

    /// Returns the removal of the records that `then` shows, in a sheet whose hidden records are
    /// unknown now.
    fn unknown_since(sheet: &Sheet, then: &Sheet) -> Vec<Change> {
        let shown = then.shown_records(None);
        let gone = shown.filter(|record| sheet.withholds_record(record));
        let files = gone.flat_map(|record| then.files_of(record.key.as_str()));
        files.map(SheetFile::removal).collect()
    }

    /// Returns the removal of all files of `then` that may not be shown, and the names of the
    /// sheets that may not even be named.
    ///
    /// What `then` hides by itself stays where it is, hidden: without it, another file would be
    /// served under its key, or shown beside it.
    fn withheld(self, then: &Snapshot, rules: &Rules) -> (Vec<Change>, BTreeSet<SheetName>) {
        let (mut removed, mut private) = (Vec::new(), BTreeSet::new());
        for sheet in then.sheets().filter(|sheet| sheet.spec().public) {
            let name = &sheet.spec().name;
            let is_private = self.now.sheet(name.as_str()).is_some_and(|now| !now.spec().public);
            let shows = |file: &SheetFile<'_>| {
                self.shows(rules, name, &file.path(), file.record().map(Arc::as_ref))
            };
            let (mut gone, mut kept, mut is_seen) = (Vec::new(), Vec::new(), false);
            for (key, slot) in sheet.slots() {
                if sheet.may_hide(key) {
                    kept.extend(sheet.files_of(key.as_str()));
                    continue;
                }
                let served = slot.served();
                let is_served = |file: &SheetFile<'_>| {
                    served.zip(file.record()).is_some_and(|(one, other)| Arc::ptr_eq(one, other))
                };
                let (shown, withheld): (Vec<_>, Vec<_>) =
                    sheet.files_of(key.as_str()).partition(shows);
                // Where the served record goes, no other file takes its place.
                match withheld.iter().any(is_served) {
                    true => gone.extend(shown),
                    false => {
                        is_seen |= shown.iter().any(is_served);
                        kept.extend(shown);
                    }
                }
                gone.extend(withheld);
            }
            for file in sheet.files_without_key() {
                if shows(&file) { kept.push(file) } else { gone.push(file) }
            }
            // The name and the fields of a sheet reveal something about its contents.
            let is_told = self.tells_of(sheet.spec()) || is_seen && !is_private;
            removed.extend(gone.into_iter().map(SheetFile::removal));
            if !is_told {
                removed.extend(kept.into_iter().map(SheetFile::removal));
                private.insert(name.clone());
            }
        }
        (removed, private)
    }
}

#[cfg(test)]
mod tests {
    mod parts;

    use headwater_testkit::Upstream;

    use super::*;
    use crate::load::load;
    use crate::mirror::{Mirror, MirrorOptions};
    use crate::options::LoadOptions;

    /// The files of a commit, by path.
    type Files<'a> = &'a [(&'a str, &'a str)];

    fn state(upstream: &mut Upstream, files: Files<'_>) -> Arc<Snapshot> {
        let mut commit = upstream.commit("a state");
        for (path, text) in files {
            commit = commit.put(*path, *text);
        }
        let commit = commit.push().parse().unwrap();
        let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
        let objects = mirror.objects().unwrap();
        Arc::new(load(&objects, commit, &LoadOptions::default()).unwrap())
    }

    /// Returns what is public: the sheets with their keys, search results, and problems.
    fn seen(state: &Snapshot) -> Vec<String> {
        let keys = |sheet: &crate::sheet::Sheet| -> Vec<String> {
            let shown = sheet.shown_records(None);
            shown.map(|record| record.key.to_string()).collect()
        };
        let public = state.sheets().filter(|sheet| sheet.spec().public);
        let mut seen: Vec<String> = public
            .map(|sheet| format!("{}: {}", sheet.spec().name, keys(sheet).join(" ")))
            .collect();
        seen.extend(state.public_problems().iter().map(|problem| format!("! {}", problem.path)));
        seen
    }

    const SECRET: &str = "name = \"secret\"\n";
    const OPEN: &str = "name = \"open\"\n";
    const THEN: Files<'static> =
        &[("people/p.toml", OPEN), ("staff/s.toml", SECRET), ("staff/broken.toml", "= =")];

    /// Returns what is visible of a state with the definitions `then` under the definitions `now`.
    fn by_definitions(then: &str, now: &str) -> Vec<String> {
        let mut upstream = Upstream::new();
        let define = |text: &'_ str| match text {
            "" => vec![],
            text => vec![("headwater.toml".to_owned(), text.to_owned())],
        };
        let (then, now) = (define(then), define(now));
        let files = |defined: &[(String, String)]| -> Vec<(String, String)> {
            let own = THEN.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
            own.chain(defined.iter().cloned()).collect()
        };
        let commit = |upstream: &mut Upstream, files: Vec<(String, String)>| {
            let files: Vec<_> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
            state(upstream, &files)
        };
        let then = commit(&mut upstream, files(&then));
        let now = commit(&mut upstream, files(&now));
        seen(&Disclosure::by(&now).of(&then).unwrap())
    }

    #[test]
    fn a_file_of_the_past_is_shown_where_the_present_has_it_in_public_sheets_alone() {
        let all = ["people: p", "staff: s", "! staff/broken.toml"];
        let people = ["people: p"];
        let quarantine = "policy = \"quarantine\"\n";
        let sheets = format!("[sheets.people]\n[sheets.staff]\nroot = \"staff\"\n{quarantine}");
        let cases: &[(&str, &str, &str, &[&str])] = &[
            ("the same rules", &sheets, &sheets, &all),
            ("an index more", &sheets, &format!("{sheets}index = [\"name\"]\n"), &all),
            ("made private", &sheets, &format!("{sheets}public = false\n"), &people),
            ("removed", &sheets, "[sheets.people]\n", &people),
            ("only inferred then", "", "[sheets.people]\n", &people),
            ("declared since", "", &sheets, &all),
            ("inferred since", &sheets, "", &all),
            (
                "renamed and private",
                &sheets,
                "[sheets.people]\n[sheets.crew]\nroot = \"staff\"\npublic = false\n",
                &people,
            ),
            (
                "renamed and public",
                &sheets,
                "[sheets.people]\n[sheets.crew]\nroot = \"staff\"\n",
                &all,
            ),
            (
                "another sheet of the name elsewhere",
                &sheets,
                "[sheets.people]\n[sheets.staff]\nroot = \"crew\"\n",
                &people,
            ),
            (
                "claimed by a private sheet too",
                &sheets,
                &format!("{sheets}[sheets.x]\nroot = \"staff\"\npublic = false\n"),
                &["people: p", "staff: "],
            ),
            (
                "hidden by a rule",
                &sheets,
                &format!("{sheets}hidden = \"name\"\n"),
                // Files that cannot be read may be hidden, too.
                &["people: p", "staff: "],
            ),
        ];
        for (case, then, now, expected) in cases {
            assert_eq!(by_definitions(then, now), *expected, "{case}");
        }
    }

    #[test]
    fn a_file_that_could_not_be_read_is_not_reported_where_records_are_hidden_now() {
        let mut upstream = Upstream::new();
        let definition = "[sheets.people]\npolicy = \"quarantine\"\n";
        let broken = ("people/b.toml", "= =");
        let then = state(&mut upstream, &[("headwater.toml", definition), broken]);
        let shown = |upstream: &mut Upstream, more: &str| {
            let definition = format!("{definition}{more}");
            let now = state(upstream, &[("headwater.toml", &definition), ("people/b.toml", "")]);
            seen(&Disclosure::by(&now).of(&then).unwrap())
        };
        assert_eq!(shown(&mut upstream, "index = [\"a\"]\n"), ["people: ", "! people/b.toml"]);
        assert_eq!(shown(&mut upstream, "hidden = \"gone\"\n"), ["people: "]);
    }

    #[test]
    fn a_record_that_is_hidden_now_is_not_found_in_the_past() {
        let mut upstream = Upstream::new();
        let define = ("headwater.toml", "[sheets.people]\nhidden = \"gone\"\n");
        let then =
            state(&mut upstream, &[define, ("people/a.toml", SECRET), ("people/b.toml", OPEN)]);
        let now = state(&mut upstream, &[define, ("people/a.toml", "gone = true\n")]);
        let shown = Disclosure::by(&now).of(&then).unwrap();
        assert_eq!((seen(&shown), shown.commit()), (vec!["people: b".to_owned()], then.commit()));
        let fields = |state: &Snapshot| state.sheet("people").unwrap().len();
        assert_eq!((fields(&then), fields(&shown)), (2, 1), "it counts nowhere");
        let same = Disclosure::by(&now).of(&now).unwrap();
        assert!(Arc::ptr_eq(&same, &now));
        let before = Disclosure::by(&then).of(&now).unwrap();
        assert!(Arc::ptr_eq(&before, &now), "nothing is taken away");
        let delta = Delta::of(&then, &now, &now.differences(&then));
        let masked = Disclosure::by(&now).mask(delta, &Rules::Same, &Rules::Same);
        assert!(masked.changes.is_empty());
        let left: Vec<_> = masked.withheld.iter().map(|left| left.key.as_str()).collect();
        assert_eq!(left, ["a"]);
    }

    #[test]
    fn a_reference_of_the_past_tells_nothing_that_the_present_keeps_to_itself() {
        for (gone, dangling) in [(&[("b/gone.toml", "x = true\n")][..], 1), (&[], 2)] {
            references_of_the_past(gone, dangling);
        }
    }

    /// Whether or not the record `gone` is there, which is hidden later.
    fn references_of_the_past(gone: &[(&str, &str)], dangling: usize) {
        let mut upstream = Upstream::new();
        let files = [
            ("a/a.toml", "b = \"gone\"\nc = \"c\"\n"),
            ("a/dangling.toml", "b = \"nobody\"\n"),
            ("c/c.toml", ""),
        ];
        let mut with = |b: &str, c: &str| {
            let rules = format!(
                "[sheets.a]\npolicy = \"quarantine\"\nrefs = {{ b = \"b\", c = \"c\" }}\n\
                 [sheets.b]\n{b}\n[sheets.c]\n{c}\n"
            );
            let rules = ("headwater.toml", &*rules);
            state(&mut upstream, &[&[rules], &files[..], gone].concat())
        };
        // Each column: the definitions of the targets now, and what is told of then.
        let then = with("", "");
        for (b, c, targets, problems) in [
            ("index = [\"x\"]", "", &["b", "c"][..], dangling),
            ("hidden = \"x\"", "", &["b", "c"], 0),
            ("public = false", "", &["c"], 0),
            ("hidden = \"x\"", "public = false", &["b"], 0),
        ] {
            let now = with(b, c);
            let shown = Disclosure::by(&now).of(&then).unwrap();
            let spec = shown.sheet("a").unwrap().spec();
            let told: Vec<_> = spec.public_references().map(|it| it.sheet.as_str()).collect();
            assert_eq!(told, targets, "{b} {c}");
            assert_eq!(shown.public_problems().len(), problems, "{b} {c}");
        }
    }

    #[test]
    fn a_record_that_an_earlier_state_hides_is_no_attachment_of_another_there() {
        let people = "[sheets.people]\npath = \"${{ slug }}\"\n";
        let notes = |more: &str| {
            format!("{people}[sheets.notes]\npath = \"${{{{ slug }}}}/${{{{ name }}}}\"\n{more}")
        };
        let here = notes("root = \"people\"\nhidden = \"h\"\n");
        let (ada, pay) =
            (("people/ada.toml", "slug = \"ada\"\n"), ("people/ada/pay.toml", "h = true\n"));
        let then = state(&mut Upstream::new(), &[("headwater.toml", &here), ada, pay]);
        for (case, now) in [
            ("moved", notes("hidden = \"h\"\n")),
            ("removed", people.to_owned()),
            ("made private", notes("root = \"people\"\npublic = false\n")),
            ("an index more", format!("{here}index = [\"a\"]\n")),
        ] {
            let now = state(&mut Upstream::new(), &[("headwater.toml", &now), ada]);
            let shown = Disclosure::by(&now).of(&then).unwrap();
            assert!(shown.visible("people", "ada").is_some(), "{case}");
            assert!(shown.visible("notes", "ada/pay").is_none(), "{case}");
            assert!(!Disclosure::by(&shown).shows_beside("people/ada/pay.toml"), "{case}");
        }
    }

    #[test]
    fn what_lies_beside_a_record_goes_with_it_even_if_another_sheet_has_the_folder_too() {
        let of = |format: &str| {
            format!("root = \"d\"\nformat = \"{format}\"\npath = \"${{{{ slug }}}}\"\n")
        };
        let rules = |more: &str| {
            format!("[sheets.a]\n{}[sheets.b]\n{}hidden = \"h\"\n{more}", of("toml"), of("yaml"))
        };
        let file = ("d/ada/pay.txt", "42000");
        let both = |hidden: &'static str| [("d/ada.toml", ""), ("d/ada.yaml", hidden), file];
        // Each row: the record of the second sheet then, and the rules now.
        for (hidden, now, is_shown) in [
            ("h: true", rules("language = \"en\"\n"), false),
            ("x: true", rules("").replace("hidden = \"h\"", "hidden = \"x\""), false),
            ("n: 1", rules("language = \"en\"\n"), true),
        ] {
            let before = rules("");
            let files = [&[("headwater.toml", &*before)][..], &both(hidden)].concat();
            let then = state(&mut Upstream::new(), &files);
            let now =
                state(&mut Upstream::new(), &[("headwater.toml", &now), ("d/ada.toml", ""), file]);
            let shown = Disclosure::by(&now).of(&then).unwrap();
            assert!(shown.visible("a", "ada").is_some());
            let beside = Disclosure::by(&shown).shows_beside("d/ada/pay.txt");
            assert_eq!(beside, is_shown, "{hidden}");
        }
    }

    #[test]
    fn no_other_file_takes_the_key_of_a_record_that_is_kept_back() {
        let rules = |more: &str| {
            format!(
                "[sheets.posts]\npath = \"${{{{ slug }}}}/index\"\nformat = \"markdown\"\n{more}"
            )
        };
        let (index, readme) = ("posts/x/index.md", "posts/x/README.md");
        let plan = ("posts/x/plan.txt", "plan");
        let draft = "---\ndraft: true\n---\n";
        for (case, then, now) in [
            (
                "hidden then",
                rules("hidden = \"draft\"\n"),
                rules("hidden = \"draft\"\nlanguage = \"en\"\n"),
            ),
            ("hidden by a new rule", rules(""), rules("hidden = \"draft\"\n")),
        ] {
            let files = [("headwater.toml", &*then), (index, draft), (readme, "second\n"), plan];
            let then = state(&mut Upstream::new(), &files);
            let now = state(
                &mut Upstream::new(),
                &[("headwater.toml", &now), ("posts/y/index.md", "y\n")],
            );
            let shown = Disclosure::by(&now).of(&then).unwrap();
            assert!(shown.visible("posts", "x").is_none(), "{case}");
            assert!(!Disclosure::by(&shown).shows_beside(plan.0), "{case}");
            let left = shown.sheet("posts").into_iter().flat_map(|sheet| sheet.shown_records(None));
            let left: Vec<String> = left.map(|record| record.path()).collect();
            assert!(left.is_empty(), "{case}: {left:?}");
        }
    }

    #[test]
    fn a_record_that_is_hidden_in_a_list_is_not_found_under_the_key_that_it_had() {
        let by_position = "file = \"s.csv\"\n";
        let found = "file = \"s.json\"\n";
        let at = "file = \"s.json\"\nrecords = \"/all\"\n";
        let map = "file = \"s.json\"\nrecords = \"map\"\n";
        let declared = "file = \"s.csv\"\nkey = \"${{ who }}\"\n";
        let csv = "who,h\nBob,\nJane,\n";
        let json = r#"[{"id": 1, "name": "Bob"}, {"id": 2, "name": "Jane"}]"#;
        // The last column is what is found of then.
        let cases: &[(&str, &str, &str, &str, &[&str])] = &[
            ("moved", by_position, csv, "who,h\nAl,\nBob,\nJane,true\n", &[]),
            ("in its place", by_position, csv, "who,h\nBob,\nJane,true\n", &["1"]),
            ("nothing hidden", by_position, csv, "who,h\nAl,\nBob,\nJane,\n", &["1", "2"]),
            ("a row is gone", by_position, csv, "who,h\nJane,\n", &["1", "2"]),
            (
                "named by another field",
                found,
                json,
                r#"[{"id": 1, "name": "Bob"}, {"id": 2, "name": "Jane", "h": 1},
                    {"id": 2, "name": "Al"}]"#,
                &[],
            ),
            ("a row is broken", found, json, r#"[{"name": "Al"}, 7]"#, &[]),
            (
                "a list becomes a map",
                at,
                r#"{"all": [{"who": "Bob"}, {"who": "Jane"}]}"#,
                r#"{"all": {"bob": {"who": "Bob"}, "jane": {"who": "Jane", "h": true}}}"#,
                &[],
            ),
            (
                "a map",
                map,
                r#"{"b": {"who": "Bob"}, "j": {"who": "Jane"}}"#,
                r#"{"a": {"who": "Al"}, "b": {"who": "Bob"}, "j": {"who": "Jane", "h": 1}}"#,
                &["b"],
            ),
            ("a declared key", declared, csv, "who,h\nAl,\nBob,\nJane,true\n", &["Bob"]),
        ];
        for (case, rules, then, now, expected) in cases {
            let mut upstream = Upstream::new();
            let definition =
                format!("[sheets.s]\nhidden = \"h\"\npolicy = \"quarantine\"\n{rules}");
            let path = rules.split('"').nth(1).unwrap();
            let mut state =
                |text: &str| state(&mut upstream, &[("headwater.toml", &definition), (path, text)]);
            let (then, now) = (state(then), state(now));
            let shown = Disclosure::by(&now).of(&then).unwrap();
            assert_eq!(seen(&shown), [format!("s: {}", expected.join(" "))], "{case}");
            let found = shown.text().documents();
            assert_eq!(found, expected.len() as u64, "{case}: it is not searched");

            // The difference is that of the states that are shown.
            let delta = Delta::of(&then, &now, &now.differences(&then));
            let masked = Disclosure::by(&now).mask(delta, &Rules::Same, &Rules::Same);
            let differs = Delta::of(&shown, &now, &now.differences(&shown));
            let keys = |delta: &Delta| -> Vec<_> {
                delta.changes.iter().map(|c| (c.key.clone(), c.before.is_some())).collect()
            };
            assert_eq!(keys(&masked), keys(&differs), "{case}");
        }
    }

    #[test]
    fn what_is_private_now_is_no_part_of_the_version_of_an_earlier_state() {
        let mut upstream = Upstream::new();
        let people = "[sheets.people]\n";
        let mut then = |staff: &str| {
            let rules = format!("{people}{staff}");
            let files = [("headwater.toml", &*rules), THEN[0], THEN[1]];
            state(&mut upstream, &files)
        };
        let none = then("");
        let some = then("[sheets.staff]\nroot = \"staff\"\nindex = [\"name\"]\n");
        let now = then("[sheets.staff]\nroot = \"staff\"\npublic = false\n");
        assert_ne!(none.version(), some.version());
        let [none, some] = [none, some].map(|then| Disclosure::by(&now).of(&then).unwrap());
        assert_eq!(seen(&none), seen(&some));
        assert_eq!(none.version(), some.version());
    }

    #[test]
    fn a_list_is_shown_whatever_else_is_defined_otherwise() {
        let mut upstream = Upstream::new();
        let list = "[sheets.s]\nfile = \"s.csv\"\nkey = \"${{ who }}\"\nhidden = \"h\"\n";
        let staff = "[sheets.staff]\nroot = \"staff\"\npublic = false\n";
        let mut commit = |rules: &str, rows: &str| {
            state(&mut upstream, &[("headwater.toml", rules), ("s.csv", rows), THEN[1]])
        };
        let then = commit(list, "who,h\nBob,\nJane,\n");
        let also = format!("{list}{staff}");
        // A definition of the sheet itself says what its keys are.
        let other = format!("{list}types = {{ n = \"string\" }}\n{staff}");
        for (rules, shown) in [(list, "s: Bob"), (&*also, "s: Bob"), (&*other, "s: ")] {
            let now = commit(rules, "who,h\nAl,\nBob,\nJane,true\n");
            let disclosure = Disclosure::by(&now);
            assert_eq!(seen(&disclosure.of(&then).unwrap()), [shown], "{rules}");
            let (before, after) = (disclosure.rules_of(&then), disclosure.rules_of(&now));
            let delta = Delta::of(&then, &now, &now.differences(&then));
            let masked = disclosure.mask(delta, &before, &after);
            let left: Vec<_> = masked.withheld.iter().map(|left| left.key.as_str()).collect();
            assert!(left.contains(&"Jane"), "{rules}: {left:?}");
            let is_alike = before.read_alike(&SheetName::new("s"));
            assert_eq!(is_alike, shown == "s: Bob", "{rules}");
        }
    }
}
