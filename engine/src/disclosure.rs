//! What of an earlier state may be shown now.
//!
//! A commit says itself which of its files are public, and may be overruled since: a sheet was made
//! private, renamed or removed, or a record hidden. The present state decides, by the paths of the
//! files and not by the names of sheets. What it says nothing about is not shown.

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

/// Decides by the present state what of earlier ones may be shown.
#[derive(Debug, Clone, Copy)]
pub struct Disclosure<'a> {
    now: &'a Snapshot,
}

/// How the rules of an earlier state compare with those of the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Both read every path alike, so what was public then is public now unless it is hidden.
    Same,
    /// They differ: each file is looked up in the present layout.
    Other,
}

impl<'a> Disclosure<'a> {
    /// Returns what the state `now` discloses of others.
    pub fn by(now: &'a Snapshot) -> Self {
        Self { now }
    }

    /// Says how the rules of `then` compare with the present ones.
    pub fn rules_of(self, then: &Snapshot) -> Rules {
        match self.now.layout().reads_alike(then.layout()) {
            true => Rules::Same,
            false => Rules::Other,
        }
    }

    /// Returns `then` as it may be shown now: as if the files that are private now had not been in
    /// its commit. The same state where that takes nothing away.
    ///
    /// Costs the number of records that are hidden now, or a look at every file of `then` where the
    /// definitions differ; and what it costs to take files away.
    ///
    /// # Errors
    ///
    /// Fails when the text index refuses the change.
    pub fn of(self, then: &Arc<Snapshot>) -> Result<Arc<Snapshot>, SearchError> {
        if then.commit() == self.now.commit() {
            return Ok(then.clone());
        }
        let (files, sheets) = match self.rules_of(then) {
            Rules::Same => (self.hidden_since(then), BTreeSet::new()),
            Rules::Other => self.withheld(then),
        };
        // Who declares sheets does not tell what else there is.
        let counts = !self.now.layout().is_inferred() && then.passed_over().iter().next().is_some();
        if files.is_empty() && sheets.is_empty() && !counts {
            return Ok(then.clone());
        }
        then.without(files, &sheets).index().map(Arc::new)
    }

    /// Takes out of `delta` what may not be shown now, and notes what the public saw before; `before`
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

    /// Says whether the file at `path` may be shown now as an attachment: it is one by the present
    /// rules, and each sheet that holds it is public and does not hide the record that it lies
    /// beside.
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

    /// Decides whether a file that was public by other rules may be shown now; `value` is what it
    /// held, where it was a record.
    fn shows(self, path: &[u8], value: Option<&Value>) -> bool {
        let claims = self.now.layout().claims(path);
        // Bytes that are no text are the path of no record.
        let text = std::str::from_utf8(path).unwrap_or_default();
        let all = claims.iter().all(|claim| {
            // What a list calls its records is up to the rules, so those that it hides are not known.
            let is_list = claim.sheet.shape_of(text) != Shape::Record;
            let is_known = claim.sheet.hidden.is_none() || !is_list;
            claim.sheet.public
                && is_known
                && !self.withholds(&claim.sheet.name, &claim.key, text)
                && !value.is_some_and(|value| hides(&claim.sheet, value))
        });
        all && !claims.is_empty()
    }

    /// Says whether what the file at `path` held under `key` is hidden now, or may be.
    fn withholds(self, sheet: &SheetName, key: &Key, path: &str) -> bool {
        self.now.sheet(sheet.as_str()).is_some_and(|sheet| sheet.withholds(key.as_str(), path))
    }

    /// Returns the removal of the records that `then` shows and that are withheld now, where both
    /// have the same rules.
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

    /// Returns the removal of the records that `then` shows, in a sheet of which nobody knows what it
    /// hides now.
    fn unknown_since(sheet: &Sheet, then: &Sheet) -> Vec<Change> {
        let shown = then.records().filter(|record| then.shows(record));
        let gone = shown.filter(|record| sheet.withholds(record.key.as_str(), &record.path()));
        let files = gone.flat_map(|record| then.files_of(record.key.as_str()));
        files.map(SheetFile::removal).collect()
    }

    /// Returns the removal of all files of `then` that may not be shown, and the names of the sheets
    /// that may not even be named.
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
            // Its name and its fields tell of what it holds.
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

    /// A commit: its files, by path.
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

    /// Returns what the public sees: the sheets with their keys, what is found, and what is wrong.
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

    /// Returns what may be seen of a state with the definitions `then` when those are `now`.
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
                // What cannot be read may be hidden, too.
                &["people: p", "staff: "],
            ),
        ];
        for (case, then, now, expected) in cases {
            assert_eq!(by_definitions(then, now), *expected, "{case}");
        }
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
