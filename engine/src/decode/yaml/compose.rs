//! Builds the value of a YAML document from its events.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, StructureStyle};
use granit_parser::{Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::{core_schema, indentation};
use crate::decode::Flaw;
use crate::problem::Rule;

/// The maximum nesting depth of a document with aliases expanded.
const DEPTH: usize = 64;
/// How much aliases may copy in a short document; a long document may copy as much as it has bytes.
/// A node weighs one, and a text one more for every `TEXT_BYTES`.
const COPIES: usize = 50_000;
const TEXT_BYTES: usize = 32;

/// One document of a text that may have several.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Its value, or null if it is empty.
    pub(crate) value: Value,
    /// The line and column where it begins.
    pub(crate) place: (usize, usize),
    /// Where each element of its list, or each member of its table, begins.
    pub(crate) parts: Vec<(usize, usize)>,
}

/// Returns the value of the only document in `text`, or null if there is none. Numbers that JSON does not have are
/// `unshown`.
pub(super) fn document(text: &str, unshown: &Value) -> Result<Value, Flaw> {
    let composer = Composer { unshown: unshown.clone(), ..Composer::of(text) };
    let mut documents = composer.documents(Some(1))?;
    Ok(documents.pop().map(|document| document.value).unwrap_or_default())
}

/// Returns every document in `text`.
pub(super) fn documents(text: &str) -> Result<Vec<Document>, Flaw> {
    Composer::of(text).documents(None)
}

struct Composer<'t> {
    text: &'t str,
    events: Parser<'t, StrInput<'t>>,
    has_aliases: bool,
    anchors: HashMap<usize, Anchored>,
    /// How much may still be copied.
    copies: usize,
    /// Where the parts of the document begin.
    parts: Vec<(usize, usize)>,
    /// The value of a number that JSON does not have.
    unshown: Value,
}

/// A node that aliases refer to.
struct Anchored {
    value: Value,
    weight: usize,
    height: usize,
}

/// The position of a node.
#[derive(Clone, Copy)]
struct NodeContext {
    depth: usize,
    /// Where the entry of the innermost block that contains the node begins.
    entry: Option<usize>,
    /// Whether the node is inside brackets.
    in_flow: bool,
}

/// The key of a member.
enum Key {
    /// Its name.
    Name(String),
    /// `<<`, which merges other tables.
    Merge,
}

impl<'t> Composer<'t> {
    fn of(text: &'t str) -> Self {
        let options = granit_parser::options! {
            // The first level that is too deep is reported here.
            flow_nesting_limit: DEPTH + 1,
            block_nesting_limit: DEPTH + 1,
        };
        Self {
            text,
            events: Parser::new_from_str_with_options(text, options),
            has_aliases: text.contains('*'),
            anchors: HashMap::new(),
            copies: COPIES.max(text.len()),
            parts: Vec::new(),
            unshown: Value::Null,
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Flaw> {
        let next = self.events.next_event().transpose().map_err(|error| broken(&error))?;
        next.ok_or_else(|| Flaw::new(Rule::Malformed, "the document ends too early"))
    }

    /// Returns the documents, at most `most` of them.
    fn documents(mut self, most: Option<usize>) -> Result<Vec<Document>, Flaw> {
        let mut documents = Vec::new();
        loop {
            match self.next()? {
                (Event::DocumentStart(..), span) if Some(documents.len()) == most => {
                    return Err(malformed(&span, "there is more than one document"));
                }
                (Event::DocumentStart(..), _) => {
                    let (event, span) = self.next()?;
                    let place = NodeContext { depth: 0, entry: None, in_flow: false };
                    // An alias names nothing in another document.
                    self.anchors.clear();
                    let value = self.node(event, span, place)?;
                    let parts = std::mem::take(&mut self.parts);
                    documents.push(Document { value, place: begin(&span), parts });
                }
                (Event::StreamEnd, _) => return Ok(documents),
                _ => {}
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, place: NodeContext) -> Result<Value, Flaw> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    self.check_margin(&span, span.end, place)?;
                }
                let is_plain = style == ScalarStyle::Plain;
                let value = core_schema::scalar(&text, is_plain, tag.as_deref());
                let mut value = value.map_err(|message| malformed(&span, message))?;
                if value.is_null() && !core_schema::is_null(&text) {
                    value = self.unshown.clone();
                }
                self.keep(anchor, &value, &span)?;
                Ok(value)
            }
            Event::SequenceStart(style, anchor, tag) => {
                takes(tag.as_deref(), &["seq", "omap", "pairs"], &span)?;
                let (elements, end) = self.elements(style, &span, place)?;
                self.close(Value::Array(elements), (style, anchor), (span, end), place)
            }
            Event::MappingStart(style, anchor, tag) => {
                takes(tag.as_deref(), &["map", "set"], &span)?;
                let (members, end) = self.members(style, &span, place)?;
                self.close(Value::Object(members), (style, anchor), (span, end), place)
            }
            Event::Alias(anchor) => self.alias(anchor, &span, place.depth),
            _ => Err(malformed(&span, "a value is missing")),
        }
    }

    /// Returns the place of what is inside of a collection.
    fn inside(
        &self,
        style: StructureStyle,
        span: &Span,
        place: NodeContext,
    ) -> Result<NodeContext, Flaw> {
        if place.depth == DEPTH {
            let message = format!("it nests deeper than {DEPTH} levels");
            return Err(flaw(Rule::TooDeep, span, message));
        }
        let depth = place.depth + 1;
        Ok(match style {
            StructureStyle::Flow => NodeContext { depth, in_flow: true, ..place },
            StructureStyle::Block => {
                NodeContext { depth, in_flow: false, entry: Some(byte(span.start)) }
            }
        })
    }

    /// Returns the elements of a list, and where it ends.
    fn elements(
        &mut self,
        style: StructureStyle,
        span: &Span,
        place: NodeContext,
    ) -> Result<(Vec<Value>, Marker), Flaw> {
        let inside = self.inside(style, span, place)?;
        let mut elements = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, span) => return Ok((elements, span.end)),
                (event, span) => {
                    if place.depth == 0 {
                        self.parts.push(begin(&span));
                    }
                    elements.push(self.node(event, span, inside)?);
                }
            }
        }
    }

    /// Returns the members of a table, and where it ends.
    fn members(
        &mut self,
        style: StructureStyle,
        span: &Span,
        place: NodeContext,
    ) -> Result<(Map<String, Value>, Marker), Flaw> {
        let mut inside = self.inside(style, span, place)?;
        let mut members = Map::new();
        let mut merged: Vec<Map<String, Value>> = Vec::new();
        let end = loop {
            let (event, span) = match self.next()? {
                (Event::MappingEnd, span) => break span.end,
                key => key,
            };
            if style == StructureStyle::Block {
                inside.entry = Some(byte(span.start));
            }
            if place.depth == 0 {
                self.parts.push(begin(&span));
            }
            let key = self.key(event, &span)?;
            let (event, value_span) = self.next()?;
            let value = self.node(event, value_span, inside)?;
            match key {
                Key::Name(name) if members.contains_key(&name) => {
                    return Err(malformed(&span, "a key occurs twice in one table".to_owned()));
                }
                Key::Name(name) => drop(members.insert(name, value)),
                Key::Merge => merged.extend(tables(value, &value_span)?),
            }
        };
        // The nearest value wins: the table's own member, then that of the first table that has
        // one.
        for (name, value) in merged.into_iter().flatten() {
            members.entry(name).or_insert(value);
        }
        Ok((members, end))
    }

    fn key(&mut self, event: Event<'t>, span: &Span) -> Result<Key, Flaw> {
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain;
                let name = tag.as_deref().map(core_schema::name);
                let is_null = match &name {
                    None => is_plain && core_schema::is_null(&text),
                    Some(name) => name.as_deref() == Some("null"),
                };
                let is_merge = match &name {
                    None => is_plain && text == "<<",
                    Some(name) => name.as_deref() == Some("merge"),
                };
                if anchor != 0 {
                    let value = core_schema::scalar(&text, is_plain, tag.as_deref());
                    let value = value.map_err(|message| malformed(span, message))?;
                    self.keep(anchor, &value, span)?;
                }
                return match (is_null, is_merge) {
                    (true, _) => Err(malformed(span, "a key is null")),
                    (_, true) => Ok(Key::Merge),
                    _ => Ok(Key::Name(text.into_owned())),
                };
            }
            Event::Alias(anchor) => self.alias(anchor, span, 0)?,
            _ => Value::Array(Vec::new()),
        };
        match value {
            Value::String(name) => Ok(Key::Name(name)),
            Value::Number(_) | Value::Bool(_) => Ok(Key::Name(value.to_string())),
            Value::Null => Err(malformed(span, "a key is null")),
            Value::Array(_) | Value::Object(_) => {
                Err(malformed(span, "a key is a table or a list"))
            }
        }
    }

    /// Ends a collection.
    fn close(
        &mut self,
        value: Value,
        (style, anchor): (StructureStyle, usize),
        (span, end): (Span, Marker),
        place: NodeContext,
    ) -> Result<Value, Flaw> {
        if style == StructureStyle::Flow {
            self.check_margin(&span, end, place)?;
        }
        self.keep(anchor, &value, &span)?;
        Ok(value)
    }

    /// Refuses a value in brackets or quotes that continues to the left of its entry.
    fn check_margin(&self, span: &Span, end: Marker, place: NodeContext) -> Result<(), Flaw> {
        let Some(entry) = place.entry.filter(|_| !place.in_flow) else { return Ok(()) };
        match indentation::outdented(self.text, entry, byte(span.start)..byte(end)) {
            None => Ok(()),
            Some(at) => {
                let message = "a line is indented less than the value it belongs to";
                Err(Flaw::new(Rule::Malformed, message).at_offset(self.text, at))
            }
        }
    }

    /// Keeps a node that aliases may refer to.
    fn keep(&mut self, anchor: usize, value: &Value, span: &Span) -> Result<(), Flaw> {
        if anchor == 0 || !self.has_aliases {
            return Ok(());
        }
        let weight = weight(value);
        self.charge(weight, span)?;
        let height = height(value);
        self.anchors.insert(anchor, Anchored { value: value.clone(), weight, height });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: &Span, depth: usize) -> Result<Value, Flaw> {
        let Some(&Anchored { weight, height, .. }) = self.anchors.get(&anchor) else {
            return Err(malformed(span, "an alias refers to a value that contains it"));
        };
        if depth + height > DEPTH {
            let message = format!("it nests deeper than {DEPTH} levels");
            return Err(flaw(Rule::TooDeep, span, message));
        }
        self.charge(weight, span)?;
        Ok(self.anchors.get(&anchor).map(|anchored| anchored.value.clone()).unwrap_or_default())
    }

    fn charge(&mut self, weight: usize, span: &Span) -> Result<(), Flaw> {
        let left = self.copies.checked_sub(weight);
        let message = "its aliases expand to too much";
        self.copies = left.ok_or_else(|| flaw(Rule::TooDeep, span, message))?;
        Ok(())
    }
}

/// Rejects a standard YAML tag on a collection unless it is one of `names`.
fn takes(tag: Option<&Tag>, names: &[&str], span: &Span) -> Result<(), Flaw> {
    const OWN: [&str; 10] =
        ["map", "set", "seq", "omap", "pairs", "str", "int", "float", "bool", "null"];
    let Some(tag) = tag else { return Ok(()) };
    match core_schema::name(tag).as_deref() {
        Some(name) if OWN.contains(&name) && !names.contains(&name) => {
            let message = format!("the value after `{}` is not of this type", tag.original());
            Err(malformed(span, message))
        }
        _ => Ok(()),
    }
}

/// Returns the tables that `<<` merges.
fn tables(value: Value, span: &Span) -> Result<Vec<Map<String, Value>>, Flaw> {
    let values = match value {
        Value::Array(values) => values,
        one => vec![one],
    };
    let tables = values.into_iter().map(|value| match value {
        Value::Object(members) => Ok(members),
        _ => Err(malformed(span, "`<<` needs a table or a list of tables")),
    });
    tables.collect()
}

fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len() / TEXT_BYTES,
        Value::Array(elements) => 1 + elements.iter().map(weight).sum::<usize>(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| name.len() / TEXT_BYTES + weight(value);
            1 + members.iter().map(member).sum::<usize>()
        }
        _ => 1,
    }
}

fn height(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(height).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(height).max().unwrap_or(0),
        _ => 0,
    }
}

fn byte(marker: Marker) -> usize {
    marker.byte_offset().unwrap_or_default()
}

fn malformed(span: &Span, message: impl Into<String>) -> Flaw {
    flaw(Rule::Malformed, span, message)
}

fn flaw(rule: Rule, span: &Span, message: impl Into<String>) -> Flaw {
    let (line, column) = begin(span);
    Flaw::new(rule, message).at(line, column)
}

/// Returns the line and column where `span` begins.
fn begin(span: &Span) -> (usize, usize) {
    (span.start.line(), span.start.col() + 1)
}

fn broken(error: &ScanError) -> Flaw {
    let place = error.marker();
    let flaw = match error.kind() {
        ErrorKind::RecursionLimitExceeded => {
            Flaw::new(Rule::TooDeep, format!("it nests deeper than {DEPTH} levels"))
        }
        ErrorKind::UnknownAnchor => Flaw::new(Rule::Malformed, "an alias has no anchor before it"),
        kind => Flaw::new(Rule::Malformed, kind.to_string()),
    };
    flaw.at(place.line(), place.col() + 1)
}
