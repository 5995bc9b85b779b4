//! Several changes of one text, made in a few rounds.
//!
//! A round cuts the text once, and makes all changes of one kind whose parts of it do not overlap:
//! first the records that become others, then those that go, then the new ones. So the number of
//! rounds does not depend on how many changes there are.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::super::error::EncodeError;
use super::change::{Change, ListPosition};
use super::splice::{Splice, Splices};
use super::{json, lines, order, toml, yaml};
use crate::decode::Format;
use crate::id::Key;
use crate::split::{Cut as Piece, Splitter};
use crate::tables::{Source, Table};

/// One change of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    /// The key of the record, by which the change is known.
    pub(super) key: &'a Key,
    /// What the list calls the record.
    pub(super) name: &'a str,
    /// What it calls the record afterwards.
    pub(super) new_name: &'a str,
    pub(super) change: Change<'a>,
}

/// What has come of a text.
pub(super) struct Rewritten {
    pub(super) text: String,
    /// How many times it was cut.
    pub(super) rounds: usize,
}

/// A change that cannot be made.
pub(super) struct Refused<'a> {
    pub(super) key: &'a Key,
    pub(super) source: EncodeError,
}

/// A record of a list, or a piece that is none.
struct Part {
    /// What it was called before all changes; `None` for a new one.
    origin: Option<String>,
    /// What it is called now.
    name: Option<String>,
}

/// Where the pieces of a text begin that is cut by a scan, and where the last one ends.
pub(super) struct Begins {
    splitter: Splitter,
    begins: Vec<usize>,
}

/// A text that is cut into its records.
pub(super) enum Cut<'t> {
    Lines(lines::File<'t>),
    Json(json::File<'t>),
    Yaml(yaml::File<'t>),
    Toml(toml::File<'t>),
}

/// Makes all `steps`, of which no two are of one record, in the text that is cut as `table` says.
pub(super) fn rewritten<'a>(
    source: &Source<'_>,
    (text, table): (&str, &Table),
    steps: &[Step<'a>],
) -> Result<Rewritten, Refused<'a>> {
    let list = source.list.as_str();
    let name = |key: &'_ Key| source.spec.element_name(list, key.as_str()).map(str::to_owned);
    let part = |name: Option<String>| Part { origin: name.clone(), name };
    let mut parts: Vec<Part> = table.pieces().map(|key| part(key.and_then(name))).collect();
    let splitter = table.splitter().cloned();
    let mut known = splitter.map(|splitter| Begins { splitter, begins: table.begins() });
    let (mut text, mut rounds) = (text.to_owned(), 0);
    for is_of_kind in [is_replaced, is_removed, is_inserted] {
        let mut rest: Vec<Step<'a>> = steps.iter().copied().filter(is_of_kind).collect();
        while let Some(first) = rest.first().copied() {
            let refused = |source| Refused { key: first.key, source };
            let begins = match known.take() {
                Some(known) => Some(known),
                None => Begins::of(source, &text).map_err(refused)?,
            };
            let cut = Cut::of(source, &text, begins).map_err(refused)?;
            rounds += 1;
            let mut round = Round { cut: &cut, splices: Splices::default() };
            rest = match first.change {
                Change::Replace { .. } => round.replace(&mut parts, rest)?,
                Change::Remove => round.remove(&mut parts, rest)?,
                Change::Insert(_) => round.insert(&mut parts, rest)?,
            };
            text = round.splices.apply(&text);
        }
    }
    Ok(Rewritten { text, rounds })
}

/// Returns `text`, which is a list of none, with its first record; a map calls it `name`.
pub(super) fn filled(
    source: &Source<'_>,
    text: &str,
    name: &str,
    record: &Json,
) -> Result<String, EncodeError> {
    let cut = Cut::of(source, text, Begins::of(source, text)?)?;
    Ok(cut.splice(ListPosition { at: 0, name }, Change::Insert(record))?.apply(text))
}

fn is_replaced(step: &Step<'_>) -> bool {
    matches!(step.change, Change::Replace { .. })
}

fn is_removed(step: &Step<'_>) -> bool {
    matches!(step.change, Change::Remove)
}

fn is_inserted(step: &Step<'_>) -> bool {
    matches!(step.change, Change::Insert(_))
}

/// The changes that are made of one cut. Each method returns the steps that have to wait for what
/// these make of the text; the first step never does.
struct Round<'c, 't> {
    cut: &'c Cut<'t>,
    splices: Splices,
}

impl Round<'_, '_> {
    fn replace<'a>(
        &mut self,
        parts: &mut [Part],
        steps: Vec<Step<'a>>,
    ) -> Result<Vec<Step<'a>>, Refused<'a>> {
        let places = self.places(parts);
        let is_map = self.cut.names().is_some();
        let mut rest = Vec::new();
        for step in steps {
            let at = self.place_of(&places, step)?;
            match self.makes(step, at)? {
                true if is_map => {}
                true => parts[at].name = Some(step.new_name.to_owned()),
                false => rest.push(step),
            }
        }
        Ok(rest)
    }

    fn remove<'a>(
        &mut self,
        parts: &mut Vec<Part>,
        steps: Vec<Step<'a>>,
    ) -> Result<Vec<Step<'a>>, Refused<'a>> {
        let places = self.places(parts);
        // What is left of the last ones is a list of none, or of one document: they go one by one.
        let most = self.len(parts).saturating_sub(2).max(1);
        let mut gone = vec![false; self.len(parts)];
        let (mut count, mut rest) = (0, Vec::new());
        for step in steps {
            let at = self.place_of(&places, step)?;
            if count < most && self.makes(step, at)? {
                count += 1;
                gone[at] = true;
            } else {
                rest.push(step);
            }
        }
        if self.cut.names().is_none() {
            let mut gone = gone.into_iter();
            parts.retain(|_| !gone.next().unwrap_or_default());
        }
        Ok(rest)
    }

    fn insert<'a>(
        &mut self,
        parts: &mut Vec<Part>,
        steps: Vec<Step<'a>>,
    ) -> Result<Vec<Step<'a>>, Refused<'a>> {
        let there = self.cut.names();
        let there =
            there.unwrap_or_else(|| parts.iter().map(|part| part.name.as_deref()).collect());
        // The first record of a list says how the others look.
        let most = if there.is_empty() { 1 } else { steps.len() };
        let new: Vec<&str> = steps.iter().take(most).map(|step| step.new_name).collect();
        let mut waits = vec![true; steps.len()];
        let mut inserted = Vec::with_capacity(new.len());
        for order::Placed { new, at } in order::places(&there, &new) {
            if self.makes(steps[new], at)? {
                waits[new] = false;
                let name = Some(steps[new].new_name.to_owned());
                inserted.push((at, Part { origin: None, name }));
            }
        }
        let mut waits = waits.into_iter();
        let mut rest = steps;
        rest.retain(|_| waits.next().unwrap_or_default());
        let mut inserted = inserted.into_iter().peekable();
        for (at, part) in std::mem::take(parts).into_iter().enumerate() {
            while let Some((_, new)) = inserted.next_if(|(place, _)| *place <= at) {
                parts.push(new);
            }
            parts.push(part);
        }
        parts.extend(inserted.map(|(_, part)| part));
        Ok(rest)
    }

    /// Returns how many parts the list has.
    fn len(&self, parts: &[Part]) -> usize {
        self.cut.names().map_or(parts.len(), |names| names.len())
    }

    /// Returns the place of each record that was there before all changes, among the parts of the
    /// list.
    fn places(&self, parts: &[Part]) -> HashMap<String, usize> {
        let of = |(at, name): (usize, Option<&str>)| Some((name?.to_owned(), at));
        match self.cut.names() {
            Some(names) => names.into_iter().enumerate().filter_map(of).collect(),
            None => {
                let names = parts.iter().map(|part| part.origin.as_deref());
                names.enumerate().filter_map(of).collect()
            }
        }
    }

    fn place_of<'a>(
        &self,
        places: &HashMap<String, usize>,
        step: Step<'a>,
    ) -> Result<usize, Refused<'a>> {
        let missing = || match self.cut {
            Cut::Toml(_) => toml::INLINE,
            _ => EncodeError::NotFoundInList,
        };
        let place = places.get(step.name).copied();
        place.ok_or_else(|| Refused { key: step.key, source: missing() })
    }

    /// Makes a change, unless it has to wait.
    fn makes<'a>(&mut self, step: Step<'a>, at: usize) -> Result<bool, Refused<'a>> {
        let splice = self.cut.splice(ListPosition { at, name: step.name }, step.change);
        Ok(self.splices.add(splice.map_err(|source| Refused { key: step.key, source })?))
    }
}

impl Begins {
    /// Cuts a text, if that is done by a scan.
    fn of(source: &Source<'_>, text: &str) -> Result<Option<Self>, EncodeError> {
        let Some(found) = source.splitter(text) else { return Ok(None) };
        let unreadable = |message| EncodeError::Unreadable { message };
        let (splitter, begin) = found.map_err(|flaw| unreadable(flaw.message))?;
        let (mut begins, mut at) = (vec![begin], begin);
        loop {
            match splitter.piece(text, begin, at) {
                Ok(Some(Piece { end, .. })) => {
                    begins.push(end);
                    at = end;
                }
                Ok(None) => return Ok(Some(Self { splitter, begins })),
                Err(flaw) => return Err(unreadable(flaw.message)),
            }
        }
    }
}

impl<'t> Cut<'t> {
    fn of(source: &Source<'_>, text: &'t str, begins: Option<Begins>) -> Result<Self, EncodeError> {
        let records = &source.spec.listing.records;
        match (source.spec.format_of(source.path), begins) {
            (
                Some(Format::Csv | Format::Tsv | Format::JsonLines),
                Some(Begins { splitter, begins }),
            ) => Ok(Self::Lines(lines::File { text, splitter, begins })),
            (Some(Format::Json), begins) => {
                let begins = begins.map(|begins| begins.begins);
                json::File::cut(text, records, begins).map(Self::Json)
            }
            (Some(Format::Yaml), _) => yaml::File::cut(text, records).map(Self::Yaml),
            (Some(Format::Toml10 | Format::Toml11), _) => {
                toml::File::cut(text, records).map(Self::Toml)
            }
            _ => Err(EncodeError::NotFoundInList),
        }
    }

    /// Returns the names by which a map has its records, in the order of the text; `None` for a list.
    fn names(&self) -> Option<Vec<Option<&str>>> {
        match self {
            Self::Lines(_) => None,
            Self::Json(file) => file.names(),
            Self::Yaml(file) => file.names(),
            Self::Toml(file) => file.names(),
        }
    }

    fn splice(&self, place: ListPosition<'_>, change: Change<'_>) -> Result<Splice, EncodeError> {
        match self {
            Self::Lines(file) => file.splice(place, change),
            Self::Json(file) => file.splice(place, change),
            Self::Yaml(file) => file.splice(place, change),
            Self::Toml(file) => file.splice(place, change),
        }
    }
}
