//! Decides what of an earlier state may be shown now.
//!
//! A commit itself states which of its files are public, and may have been overruled since: a sheet
//! was made private, renamed or removed, or a record was hidden. The present state decides, by the
//! paths of the files and not by the names of sheets. What it does not mention is not shown.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::changes::Change;
use crate::delta::{Delta, PublicChange, Withheld};
use crate::id::{Key, SheetName};
use crate::layout::Shape;
use crate::record::Record;
use crate::search::SearchError;
use crate::sheet::{Served, Sheet, hides};
use crate::snapshot::{SheetFile, Snapshot};
use crate::value::Value;
use crate::view::View;

/// Decides, by the present state, what of earlier states may be shown.
#[derive(Debug, Clone, Copy)]
pub struct Disclosure<'a> {
    now: &'a Snapshot,
}

/// The relation of the rules of an earlier state to those of the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Both read every path alike, so whatever was public then is public now unless it is hidden.
    Same,
    /// They differ: each file is looked up in the present layout.
    Other,
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

    /// Compares the rules of `then` with the present ones.
    pub fn rules_of(self, then: &Snapshot) -> Rules {
        match self.now.layout().reads_alike(then.layout()) {
            true => Rules::Same,
            false => Rules::Other,
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
            Rules::Other => self.withheld(then),
        };
        // If sheets are declared, the number of other files is not disclosed.
        let counts = !self.now.layout().is_inferred() && then.passed_over().iter().next().is_some();
        if files.is_empty() && sheets.is_empty() && !counts {
            return Ok(then.clone());
        }
        then.without(files, &sheets).index().map(Arc::new)
    }

    /// Removes from `delta` what may not be shown now, and records what was public before. `before`
    /// and `after` are the rules of its two states.
    #[must_use]
    pub fn mask(self, delta: Delta, before: Rules, after: Rules) -> Delta {
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
    /// present rules, and each sheet that holds it is public and does not hide the record to which
    /// it is attached.
    pub fn shows_beside(self, path: &str) -> bool {
        let records = self.now.layout().beside(path.as_bytes());
        let all = records.iter().all(|record| {
            let sheet = self.now.sheet(record.sheet.name.as_str());
            record.sheet.public && !sheet.is_some_and(|sheet| sheet.may_hide(&record.key))
        });
        all && !records.is_empty()
    }

    fn shows_record(self, rules: Rules, sheet: &SheetName, record: &Record) -> bool {
        match rules {
            Rules::Same => !self.withholds(sheet, &record.key, &record.path()),
            Rules::Other => {
                let now = self.now.sheet(sheet.as_str());
                now.is_none_or(|now| now.spec().public)
                    && self.shows(record.path().as_bytes(), Some(&record.value))
            }
        }
    }

    /// Returns whether a file that was public by other rules may be shown now; `value` is its old
    /// value, if it was a record.
    fn shows(self, path: &[u8], value: Option<&Value>) -> bool {
        let claims = self.now.layout().claims(path);
        // Bytes that are not text are not the path of a record.
        let text = std::str::from_utf8(path).unwrap_or_default();
        let all = claims.iter().all(|claim| {
            // The keys of the records in a list depend on the rules, so the hidden ones are not
            // known. A file that could not be read may be a hidden record.
            let is_record = value.is_some() && claim.sheet.shape_of(text) == Shape::Record;
            let is_known = claim.sheet.hidden.is_none() || is_record;
            claim.sheet.public
                && is_known
                && !self.withholds(&claim.sheet.name, &claim.key, text)
                && !value.is_some_and(|value| hides(&claim.sheet, value))
        });
        all && !claims.is_empty()
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
                    let gone = |file: &SheetFile<'_>| sheet.withholds(&key, &path(file));
                    removed.extend(then.files_of(&key).filter(gone).map(SheetFile::removal));
                }
            }
        }
        removed
    }

    /// Returns the removal of the records that `then` shows, in a sheet whose hidden records are
    /// unknown now.
    fn unknown_since(sheet: &Sheet, then: &Sheet) -> Vec<Change> {
        let shown = then.records().filter(|record| then.shows(record));
        let gone = shown.filter(|record| sheet.withholds(record.key.as_str(), &record.path()));
        let files = gone.flat_map(|record| then.files_of(record.key.as_str()));
        files.map(SheetFile::removal).collect()
    }

    /// Returns the removal of all files of `then` that may not be shown, and the names of the
    /// sheets that may not even be named.
    fn withheld(self, then: &Snapshot) -> (Vec<Change>, BTreeSet<SheetName>) {
        let (mut removed, mut dropped) = (Vec::new(), BTreeSet::new());
        for sheet in then.sheets().filter(|sheet| sheet.spec().public) {
            let name = &sheet.spec().name;
            let now = self.now.sheet(name.as_str()).map(|sheet| sheet.spec());
            let shows = |file: &SheetFile<'_>| {
                self.shows(&file.path(), file.record().map(|record| &record.value))
            };
            let seen = |file: &SheetFile<'_>| file.record().is_some_and(|r| sheet.shows(r));
            let (shown, gone): (Vec<_>, Vec<_>) = sheet.files().partition(shows);
            // The name and the fields of a sheet reveal something about its contents.
            let is_told = match now {
                Some(now) if !now.public => false,
                Some(now) if now.root == sheet.spec().root => true,
                Some(_) | None => shown.iter().any(seen),
            };
            removed.extend(gone.into_iter().map(SheetFile::removal));
            if !is_told {
                removed.extend(shown.into_iter().map(SheetFile::removal));
                dropped.insert(name.clone());
            }
        }
        (removed, dropped)
    }
}

#[cfg(test)]
mod tests {
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
            let shown = sheet.records().filter(|record| sheet.shows(record));
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
        let masked = Disclosure::by(&now).mask(delta, Rules::Same, Rules::Same);
        assert!(masked.changes.is_empty());
        let left: Vec<_> = masked.withheld.iter().map(|left| left.key.as_str()).collect();
        assert_eq!(left, ["a"]);
    }
}
