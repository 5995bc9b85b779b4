//! The reads of a server, derived from its records.

use std::collections::BTreeMap;

use headwater_engine::budget::Budget;
use headwater_engine::id::SheetName;
use headwater_engine::search::{Query, Scope};
use headwater_engine::sheet::Sheet;
use headwater_engine::snapshot::Snapshot;
use headwater_engine::value::Kind;

/// The paths to read, each with its name and description.
pub struct Routes(Vec<(&'static str, &'static str, String)>);

impl Routes {
    /// Derives them from the largest public sheet of `snapshot`: a record in its middle; a page of
    /// an indexed field, for its rarest and its most frequent value; a search for the rarest and
    /// the most frequent word of that record, for its two most frequent words, for a prefix, and for a word with a
    /// typo.
    ///
    /// # Panics
    /// Panics if there is no record.
    pub fn of(snapshot: &Snapshot) -> Self {
        let sheets = snapshot.sheets().filter(|sheet| sheet.spec().public);
        let sheet = sheets.max_by_key(|sheet| sheet.shown()).expect("there is a public sheet");
        let name = &sheet.spec().name;
        let mut records = sheet.records().filter(|record| sheet.shows(record));
        let record = records.nth(sheet.shown() / 2).expect("the sheet has a record");
        let path = record_path(name.as_str(), record.key.as_str());
        let mut routes = vec![("record", "a record", path)];
        if let Some((field, rare, frequent)) = filter(sheet) {
            let sort = sheet.spec().index.iter().map(|field| field.as_str());
            let sort = sort.rev().find(|other| *other != field).unwrap_or(&field).to_owned();
            let page = |value| format!("/api/{name}?{field}={}&sort=-{sort}", encoded(value));
            routes.push(("page", "a page of 30, filtered by a rare value and sorted", page(&rare)));
            let what = "a page of 30, filtered by the most frequent value and sorted";
            routes.push(("page-most", what, page(&frequent)));
        }
        let words = record.value.as_str().split(|c: char| !c.is_ascii_alphabetic());
        let words = words.filter(|word| word.len() > 3);
        let mut found: Vec<_> = words.map(|word| (hits(snapshot, name, word), word)).collect();
        found.retain(|(hits, _)| *hits > 0);
        let search = |word: &str| format!("/api/{name}?q={word}");
        if let Some((_, word)) = found.iter().min() {
            routes.push(("search", "a search in a sheet, for a rare word", search(word)));
        }
        found.sort();
        found.dedup();
        if let [.., (_, next), (_, word)] = found[..] {
            let what = "a search in a sheet, for a frequent word";
            routes.push(("search-most", what, search(word)));
            let what = "a search in a sheet, for two frequent words";
            routes.push(("search-two", what, search(&format!("{word}+{next}"))));
            let what = "a search in a sheet, for a prefix of three letters of a frequent word";
            routes.push(("search-prefix", what, search(&format!("{}*", &word[..3]))));
        }
        if let Some(word) = found.iter().map(|(_, word)| word).max_by_key(|word| word.len()) {
            let what = "a search in a sheet, for a word with a typo";
            routes.push(("search-typo", what, search(&misspelt(word))));
        }
        Self(routes)
    }

    /// Returns the path of the record.
    pub fn record(&self) -> &str {
        &self.0[0].2
    }

    /// Returns name, description and path of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        self.0.iter().map(|(name, what, path)| (*name, *what, path.as_str()))
    }
}

/// Returns the word with another letter in its middle.
fn misspelt(word: &str) -> String {
    let (before, after) = word.split_at(word.len() / 2);
    let other = if after.starts_with('q') { 'x' } else { 'q' };
    format!("{before}{other}{}", &after[1..])
}

/// Returns how many records of `sheet` a search for `word` finds.
fn hits(snapshot: &Snapshot, sheet: &SheetName, word: &str) -> u64 {
    let Ok(query) = Query::parse(word) else { return 0 };
    let scope = Scope::Sheets(std::slice::from_ref(sheet));
    snapshot.text().search(&query, scope, 0, 1, &Budget::unlimited()).map_or(0, |found| found.total)
}

/// Returns the indexed field with the fewest values, and the rarest and the most frequent of them.
fn filter(sheet: &Sheet) -> Option<(String, String, String)> {
    let counted = sheet.spec().index.iter().map(|field| {
        let mut counts = BTreeMap::<String, usize>::new();
        for record in sheet.records().filter(|record| sheet.shows(record)) {
            let value = record.value.at(field).filter(|value| value.kind() == Kind::String);
            if let Some(value) = value.and_then(|value| value.as_string()) {
                *counts.entry(value.into_owned()).or_default() += 1;
            }
        }
        (field.as_str(), counts)
    });
    let (field, counts) = counted.filter(|(_, c)| !c.is_empty()).min_by_key(|(_, c)| c.len())?;
    let by_count = |(value, count): (String, usize)| (count, value);
    let (rarest, most) =
        (counts.clone().into_iter().map(by_count).min()?, counts.into_iter().map(by_count).max()?);
    Some((field.to_owned(), rarest.1, most.1))
}

/// Returns the path of the record `key` of `sheet`.
pub fn record_path(sheet: &str, key: &str) -> String {
    format!("/api/{sheet}/{}", encoded(key).replace("%2F", "/"))
}

/// Encodes everything except letters, digits and a few marks as `%XX`.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        match plain(byte) {
            true => out.push(byte.into()),
            false => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}
