//! Records that are elements of a YAML list, members of a YAML table, or documents.
//!
//! It supports lists and tables in block style, whose parts begin on separate lines.

use serde_json::{Map, Value as Json};

use super::super::error::EncodeError;
use super::super::yaml::edit::{
    AfterColon, Editor, Element, Member, elements, indentation, is_between, members,
};
use super::super::yaml::style::Style;
use super::super::yaml::{keeping_numbers, written};
use super::blocks::{Block, Blocks, TextLines};
use super::change::{Change, ListPosition};
use super::order;
use super::splice::Splice;
use crate::decode;
use crate::split::Records;

const IN_BRACKETS: EncodeError =
    EncodeError::LaidOut { what: "its list is in brackets, or shares lines with other values" };

/// A list or a table in a file.
struct Container {
    /// Its lines.
    first: usize,
    last: usize,
    indent: usize,
    is_table: bool,
    /// The line of the key above it, and the indentation of that line.
    key: Option<(usize, usize)>,
    /// Whether it is an empty pair of brackets.
    is_empty: bool,
}

/// A text that is cut into the parts of a list or a table, or into documents.
pub(super) struct File<'t> {
    lines: TextLines<'t>,
    editor: Editor,
    parts: Parts<'t>,
}

/// What the records of a file are.
enum Parts<'t> {
    Documents(Vec<Document>),
    Members(Container, Vec<Block>, Vec<Member<'t>>),
    Elements(Container, Vec<Block>, Vec<Element<'t>>),
    /// There are none.
    Nothing(Container),
}

/// One of several documents.
struct Document {
    /// The line that begins it.
    marker: Option<usize>,
    first: usize,
    last: usize,
    is_null: bool,
}

impl<'t> File<'t> {
    /// Cuts a text.
    pub(super) fn cut(text: &'t str, records: &Records) -> Result<Self, EncodeError> {
        let lines = TextLines::of(text);
        let editor = Editor { style: Style::of(&lines.all), newline: lines.newline };
        let mut file = Self { lines, editor, parts: Parts::Documents(Vec::new()) };
        let documents = file.documents();
        file.parts = if !matches!(records, Records::At(_) | Records::Map) && documents.len() > 1 {
            Parts::Documents(documents)
        } else {
            let container = match records {
                Records::At(pointer) => file.below(pointer),
                records => file.root(*records == Records::Map),
            };
            file.parts_of(container.ok_or(IN_BRACKETS)?)?
        };
        Ok(file)
    }

    /// Returns the names by which a table has its members.
    pub(super) fn names(&self) -> Option<Vec<Option<&str>>> {
        match &self.parts {
            Parts::Members(_, _, members) => {
                Some(members.iter().map(|member| Some(&*member.key)).collect())
            }
            Parts::Nothing(Container { is_table: true, .. }) => Some(Vec::new()),
            Parts::Documents(_) | Parts::Elements(..) | Parts::Nothing(_) => None,
        }
    }

    /// Returns what a change of one record makes of the text.
    pub(super) fn splice(
        &self,
        place: ListPosition<'_>,
        change: Change<'_>,
    ) -> Result<Splice, EncodeError> {
        match &self.parts {
            Parts::Documents(documents) => self.document(documents, place, change),
            Parts::Nothing(container) => self.filled(container, place.name, change),
            Parts::Members(container, blocks, _) | Parts::Elements(container, blocks, _) => {
                self.part((container, blocks), place, change)
            }
        }
    }

    /// Finds the list or table that the file is.
    fn root(&self, is_table: bool) -> Option<Container> {
        let is_head = |line: &&&str| is_between(line) || line.starts_with('%');
        let head = self.lines.all.iter().take_while(is_head).count();
        let first = match self.lines.all.get(head)? {
            line if is_marker(line) => head + 1,
            _ => 0,
        };
        let behind = &self.lines.all[head.max(first)..];
        let ends = behind.iter().position(|line| line.starts_with("...") || is_marker(line));
        let last = ends.map_or(self.lines.all.len(), |end| head.max(first) + end);
        let content = (head.max(first)..last).find(|at| !is_between(self.lines.all[*at]))?;
        let is_empty = matches!(AfterColon::of(self.lines.all[content]).value, "[]" | "{}");
        let (first, last) = if is_empty { (content, content + 1) } else { (first, last) };
        let indent = indentation(self.lines.all[content]);
        Some(Container { first, last, indent, is_table, key: None, is_empty })
    }

    /// Finds the list or table that a JSON Pointer refers to.
    fn below(&self, pointer: &[String]) -> Option<Container> {
        let mut container = self.root(true)?;
        for name in pointer {
            let mut at = container.first;
            let (members, _) =
                members(&self.lines.all[container.first..container.last], container.indent)?;
            let member = members.iter().find(|member| {
                at += member.lead.len() + member.lines.len();
                member.key == *name
            })?;
            let first = at - member.lines.len();
            let line = self.lines.all[first];
            let behind = &line[line.find(':')? + 1..];
            let value = AfterColon::of(behind).value;
            let key = Some((first, container.indent));
            if matches!(value, "[]" | "{}") {
                let is_table = value == "{}";
                let (indent, last) = (container.indent, first + 1);
                container = Container { first, last, indent, is_table, key, is_empty: true };
                continue;
            }
            if !value.is_empty() {
                return None;
            }
            let inner = (first + 1..at).find(|line| !is_between(self.lines.all[*line]))?;
            let indent = indentation(self.lines.all[inner]);
            let text = self.lines.all[inner].trim();
            let is_table = !(text == "-" || text.starts_with("- "));
            let (first, last) = (first + 1, at);
            container = Container { first, last, indent, is_table, key, is_empty: false };
        }
        Some(container)
    }

    /// Takes a container apart.
    fn parts_of(&self, container: Container) -> Result<Parts<'t>, EncodeError> {
        let Container { first, last, indent, is_table, is_empty, .. } = container;
        if is_empty {
            return Ok(Parts::Nothing(container));
        }
        let inside = &self.lines.all[first..last];
        let mut at = first;
        let mut block = |name: Option<String>, lead: usize, lines: usize| {
            let (begin, start) = (at, at + lead);
            at = start + lines;
            Block { name, lead: begin..start, lines: start..at }
        };
        if is_table {
            let (members, _) = members(inside, indent).ok_or(IN_BRACKETS)?;
            let block =
                members.iter().map(|m| block(Some(m.key.clone()), m.lead.len(), m.lines.len()));
            let blocks = block.collect();
            Ok(Parts::Members(container, blocks, members))
        } else {
            let (elements, _) = elements(inside, indent).ok_or(IN_BRACKETS)?;
            let block = elements.iter().map(|e| block(None, e.lead.len(), e.lines.len()));
            let blocks = block.collect();
            Ok(Parts::Elements(container, blocks, elements))
        }
    }

    /// Changes an element or a member of a container.
    fn part(
        &self,
        (container, blocks): (&Container, &[Block]),
        ListPosition { at, name }: ListPosition<'_>,
        change: Change<'_>,
    ) -> Result<Splice, EncodeError> {
        let Container { indent, is_table, .. } = *container;
        let lines = &self.lines;
        let file = Blocks { lines, blocks };
        match change {
            Change::Replace { was, is } => {
                let was: Json = serde_json::from_str(was.as_str()).unwrap_or_default();
                let new = match &self.parts {
                    Parts::Members(_, _, members) => {
                        let member = members.get(at).ok_or(EncodeError::NotFoundInList)?;
                        self.editor.member(member, indent, &was, is)
                    }
                    Parts::Elements(_, _, elements) => {
                        let element = elements.get(at).ok_or(EncodeError::NotFoundInList)?;
                        let first = element.lines[0];
                        let old = AfterColon::of(&first[indent + 1..]);
                        let is_flow = element.lines.len() == 1 && old.value.starts_with('{');
                        match is_flow && old.value != "{}" {
                            true => {
                                let value = self.editor.value(&old, true, is, indent);
                                format!("{}-{value}", &first[..indent])
                            }
                            false => self.editor.element(element, indent, &was, is),
                        }
                    }
                    Parts::Documents(_) | Parts::Nothing(_) => {
                        return Err(EncodeError::NotFoundInList);
                    }
                };
                let block = blocks[at].lines.clone();
                let new = keeping_numbers(&lines.all[block.clone()].concat(), new)?;
                Ok(lines.replaced(block, &new))
            }
            Change::Insert(is) => {
                let like = &blocks[at.saturating_sub(1).min(blocks.len() - 1)];
                let like = &lines.all[like.lines.clone()];
                let name = is_table.then_some(name);
                Ok(file.inserted(at, &self.fresh(name, is, indent, like)))
            }
            Change::Remove => {
                let block = blocks.get(at).ok_or(EncodeError::NotFoundInList)?;
                if blocks.len() > 1 {
                    return Ok(file.removed(at));
                }
                let brackets = if is_table { "{}" } else { "[]" };
                let Some((key, _)) = container.key else {
                    let line = format!("{}{brackets}{}", " ".repeat(indent), self.editor.newline);
                    return Ok(lines.replaced(block.lines.clone(), &line));
                };
                let line = lines.all[key];
                let colon = line.find(':').ok_or(IN_BRACKETS)? + 1;
                let (before, comment) = (&line[..colon], AfterColon::of(&line[colon..]).comment);
                let line = format!("{before} {brackets}{comment}{}", self.editor.newline);
                Ok(lines.replaced(key..block.lines.end, &line))
            }
        }
    }

    /// Puts the first element or member into a container.
    fn filled(
        &self,
        container: &Container,
        name: &str,
        change: Change<'_>,
    ) -> Result<Splice, EncodeError> {
        let Change::Insert(is) = change else { return Err(EncodeError::NotFoundInList) };
        let Container { first, last, indent, is_table, key, .. } = *container;
        let style = &self.editor.style;
        let below = if is_table { style.step } else { style.list };
        let (head, indent) = match key {
            None => (String::new(), indent),
            Some((line, indent)) => {
                let line = self.lines.all[line];
                let colon = line.find(':').ok_or(IN_BRACKETS)? + 1;
                let comment = AfterColon::of(&line[colon..]).comment;
                let head = format!("{}{comment}{}", &line[..colon], self.editor.newline);
                (head, indent + below)
            }
        };
        let fresh = self.fresh(is_table.then_some(name), is, indent, &[]);
        Ok(self.lines.replaced(first..last, &(head + &fresh)))
    }

    /// Formats a new element, or a new member with this name, in the style of the lines `like`.
    fn fresh(&self, name: Option<&str>, record: &Json, indent: usize, like: &[&str]) -> String {
        let style = &self.editor.style;
        let space = " ".repeat(indent);
        let none = Map::new();
        let members = record.as_object().unwrap_or(&none);
        let first = like.first().copied().unwrap_or_default();
        let text = match name {
            Some(name) if members.is_empty() => space + &style.member(name, record, indent),
            Some(name) => {
                let inner = like.iter().skip(1).find(|line| !is_between(line));
                let inner = inner.map_or(indent + style.step, |line| indentation(line));
                let inner = if inner > indent { inner } else { indent + style.step };
                let keys = keys(like.iter().skip(1).copied().collect(), inner);
                // The key as `style` formats it, without its value.
                let key = style.member(name, &Json::Object(Map::new()), indent);
                let key = key.trim_end().trim_end_matches("{}").trim_end();
                format!("{space}{key}\n{}", table(style, members, &keys, inner))
            }
            None => {
                let content = first.get(indent + 1..).unwrap_or(" ");
                let gap = content.len() - content.trim_start_matches(' ').len();
                let gap = if gap == 0 || content.trim().is_empty() { 1 } else { gap };
                let dash = format!("{space}-{}", " ".repeat(gap));
                if members.is_empty() || content.trim_start().starts_with('{') {
                    format!("{dash}{}\n", style.flow(record))
                } else {
                    let inner = indent + 1 + gap;
                    let undashed = format!("{}{}", " ".repeat(inner), content.trim_start());
                    let like = [&*undashed].into_iter().chain(like.iter().skip(1).copied());
                    let text = table(style, members, &keys(like.collect(), inner), inner);
                    dash + text.trim_start_matches(' ')
                }
            }
        };
        self.editor.in_lines(&text)
    }

    /// Splits the file into its documents.
    fn documents(&self) -> Vec<Document> {
        let mut documents: Vec<Document> = Vec::new();
        let mut is_open = false;
        for (at, line) in self.lines.all.iter().enumerate() {
            if is_marker(line) {
                let document =
                    Document { marker: Some(at), first: at + 1, last: at + 1, is_null: true };
                documents.push(document);
                is_open = true;
            } else if line.starts_with("...") {
                is_open = false;
            } else if let Some(document) = documents.last_mut().filter(|_| is_open) {
                // Comments after its last line belong to the file.
                if indentation(line) > 0 || !is_between(line) {
                    document.last = at + 1;
                }
            } else if documents.is_empty() && !is_between(line) && !line.starts_with('%') {
                documents.push(Document { marker: None, first: at, last: at + 1, is_null: true });
                is_open = true;
            }
        }
        let count = documents.len();
        // Of a single one it does not matter.
        for document in documents.iter_mut().filter(|_| count > 1) {
            let inline = document.marker.map_or("", |marker| &self.lines.all[marker][3..]);
            let text = inline.to_owned() + &self.lines.all[document.first..document.last].concat();
            document.is_null = decode::yaml(text.as_bytes()).is_err();
        }
        documents
    }

    /// Changes a document.
    fn document(
        &self,
        documents: &[Document],
        place: ListPosition<'_>,
        change: Change<'_>,
    ) -> Result<Splice, EncodeError> {
        let newline = self.editor.newline;
        let file = &self.lines;
        let lines = &file.all;
        let filled: Vec<&Document> =
            documents.iter().filter(|document| !document.is_null).collect();
        let found = filled.get(place.at).copied();
        let marker = format!("---{newline}");
        let inline = |document: &Document| {
            let line = document.marker.map_or("", |marker| &lines[marker][3..]).trim();
            !line.is_empty() && !line.starts_with('#')
        };
        match (change, found) {
            (Change::Insert(is), next) => {
                let near = filled.get(place.at.saturating_sub(1)).or(filled.last());
                let like = near.map_or(vec![], |near| lines[near.first..near.last].to_vec());
                let fresh = match is.as_object().filter(|members| !members.is_empty()) {
                    Some(members) => table(&self.editor.style, members, &keys(like, 0), 0),
                    None => "{}\n".to_owned(),
                };
                let fresh = self.editor.in_lines(&fresh);
                let end = lines.len();
                Ok(match (next, documents.last()) {
                    (Some(Document { marker: Some(line), .. }), _) => {
                        file.replaced(*line..*line, &(marker + &fresh))
                    }
                    (Some(next), _) => file.replaced(next.first..next.first, &(fresh + &marker)),
                    // Only one document can fill it: the line that begins it is a part of what changes.
                    (None, Some(Document { marker: Some(line), first, is_null: true, .. }))
                        if *first == end =>
                    {
                        let marker = lines[*line].trim_end_matches(['\r', '\n']);
                        file.replaced(*line..end, &format!("{marker}{newline}{fresh}"))
                    }
                    (None, _) => file.replaced(end..end, &(marker + &fresh)),
                })
            }
            (_, None) => Err(EncodeError::NotFoundInList),
            (_, Some(document)) if inline(document) => Err(IN_BRACKETS),
            (Change::Replace { is, .. }, Some(document)) => {
                let before = lines[document.first..document.last].concat();
                let new = written(is, Some(&before))?.replace("\r\n", "\n");
                let mut new = self.editor.in_lines(&new);
                if !new.ends_with('\n') {
                    new.push_str(newline);
                }
                Ok(file.replaced(document.first..document.last, &new))
            }
            (Change::Remove, Some(document)) => {
                let Document { marker: line, first, last, .. } = *document;
                Ok(match line {
                    // Two documents are a list, but one is a record, so an empty document is left.
                    Some(_) if documents.len() <= 2 => file.replaced(first..last, ""),
                    None if documents.len() <= 2 => file.replaced(first..last, &marker),
                    line => file.replaced(line.unwrap_or(first)..last, ""),
                })
            }
        }
    }
}

/// Writes the members of a table, in the order in which another table has them.
fn table(style: &Style, members: &Map<String, Json>, order: &[String], indent: usize) -> String {
    let space = " ".repeat(indent);
    let member = |(key, value): (&String, &Json)| space.clone() + &style.member(key, value, indent);
    order::members(members, order).map(member).collect()
}

/// Returns the keys of the table in these lines, in order.
fn keys(lines: Vec<&str>, indent: usize) -> Vec<String> {
    let members = members(&lines, indent).map(|(members, _)| members).unwrap_or_default();
    members.into_iter().map(|member| member.key).collect()
}

/// Returns whether a line begins a document.
fn is_marker(line: &str) -> bool {
    let rest = line.strip_prefix("---");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}
