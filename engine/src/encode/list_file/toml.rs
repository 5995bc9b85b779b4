//! Records that are tables of a TOML file with headers: `[[list]]`, or `[name]` in a map.

use std::collections::HashSet;

use serde_json::{Value as Json, json};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table};

use super::super::error::EncodeError;
use super::super::toml::edit::{edited, fresh_table, printed};
use super::blocks::{Block, Blocks, TextLines};
use super::change::{Change, ListPosition};
use super::order;
use super::splice::Splice;
use crate::decode::{self, end_of_string};
use crate::pointer::Pointer;
use crate::split::Records;

pub(super) const INLINE: EncodeError =
    EncodeError::LaidOut { what: "they are not tables with separate headers" };

/// A line that begins a table.
struct Header {
    line: usize,
    /// The names that lead to the table.
    names: Vec<String>,
    /// Whether the table is an element of a list.
    is_element: bool,
}

/// A text that is cut into tables.
pub(super) struct File<'t> {
    text: &'t str,
    lines: TextLines<'t>,
    /// What leads to the list or the map.
    above: Vec<String>,
    is_list: bool,
    blocks: Vec<Block>,
}

impl<'t> File<'t> {
    /// Cuts a text.
    pub(super) fn cut(text: &'t str, records: &Records) -> Result<Self, EncodeError> {
        let lines = TextLines::of(text);
        let headers = headers(text);
        let above = match (records, headers.first()) {
            (Records::At(pointer), _) => pointer.clone(),
            (Records::Map, _) => Vec::new(),
            (_, Some(first)) => first.names[..1].to_vec(),
            (_, None) => match empty(&lines.all, None) {
                Some((_, name)) => vec![name],
                None => return Err(INLINE),
            },
        };
        let is_list = match records {
            Records::Map => false,
            Records::At(_) => {
                let is_said = |header: &Header| header.is_element && header.names == above;
                let is_below = |header: &Header| {
                    header.names.len() > above.len() && header.names.starts_with(&above)
                };
                headers.iter().any(is_said) || !headers.iter().any(is_below)
            }
            _ => true,
        };
        let mut file = Self { text, lines, above, is_list, blocks: Vec::new() };
        file.blocks = file.tables(&headers)?;
        Ok(file)
    }

    /// Returns the names by which a map has its tables.
    pub(super) fn names(&self) -> Option<Vec<Option<&str>>> {
        let names = || self.blocks.iter().map(|block| block.name.as_deref()).collect();
        (!self.is_list).then(names)
    }

    /// Returns the records.
    fn tables(&self, headers: &[Header]) -> Result<Vec<Block>, EncodeError> {
        let depth = self.above.len();
        let lines = &self.lines.all;
        let mut blocks: Vec<Block> = Vec::new();
        let mut taken: HashSet<&str> = HashSet::new();
        let mut is_within = false;
        let mut end = 0;
        for (at, header) in headers.iter().enumerate() {
            let next = headers.get(at + 1).map_or(lines.len(), |next| next.line);
            let name = header.names.get(depth).filter(|_| header.names.starts_with(&self.above));
            let begins = match (self.is_list, name) {
                (true, None) => header.is_element && header.names == self.above,
                (false, Some(name)) => {
                    !is_within || blocks.last().is_none_or(|last| last.name.as_ref() != Some(name))
                }
                _ => false,
            };
            let goes_on = name.is_some() && is_within;
            // The lines of a table end with its last value.
            let is_said = |line: &usize| !is_between(lines[*line]);
            let own = (header.line..next).rev().find(is_said).map_or(next, |line| line + 1);
            if begins {
                if let (false, Some(name)) = (self.is_list, name)
                    && !taken.insert(name)
                {
                    return Err(INLINE);
                }
                let above = (end..header.line).rev().take_while(|line| !is_said(line));
                let lead = header.line - above.count()..header.line;
                let name = name.filter(|_| !self.is_list).cloned();
                blocks.push(Block { name, lead, lines: header.line..own });
            } else if goes_on && let Some(last) = blocks.last_mut() {
                last.lines.end = own;
            }
            is_within = begins || goes_on;
            end = own;
        }
        Ok(blocks)
    }

    /// Returns what a change of one table makes of the text.
    pub(super) fn splice(
        &self,
        place: ListPosition<'_>,
        change: Change<'_>,
    ) -> Result<Splice, EncodeError> {
        let Self { lines, blocks, .. } = self;
        let at = place.at;
        let file = Blocks { lines, blocks };
        match change {
            Change::Replace { was, is } => {
                let block = blocks.get(at).ok_or(INLINE)?;
                let was: Json = serde_json::from_str(was.as_str()).unwrap_or_default();
                without_nulls(is, &was, &mut Vec::new())?;
                let own = lines.all[block.lines.clone()].concat();
                let new = self.said(&own, place.name, is).ok_or(INLINE)?;
                Ok(lines.replaced(block.lines.clone(), &new))
            }
            Change::Insert(is) => {
                without_nulls(is, &Json::Null, &mut Vec::new())?;
                let like = blocks.get(at.saturating_sub(1)).or(blocks.last());
                let like = like.map(|like| {
                    let name = like.name.as_deref().unwrap_or_default();
                    self.keys(&lines.all[like.lines.clone()].concat(), name)
                });
                let fresh = self.fresh(place.name, is, &like.unwrap_or_default()).ok_or(INLINE)?;
                if !blocks.is_empty() {
                    let is_apart = blocks.len() > 1;
                    let fresh = match (is_apart, at) {
                        // A single table does not show how tables are separated.
                        (false, 0) => fresh + lines.newline,
                        (false, _) => lines.newline.to_owned() + &fresh,
                        (true, _) => fresh,
                    };
                    return Ok(file.inserted(at, &fresh));
                }
                let end = lines.all.len();
                Ok(match empty(&lines.all, self.above.last().map(String::as_str)) {
                    Some((line, _)) => lines.replaced(line..line + 1, &fresh),
                    None if self.text.is_empty() => lines.replaced(end..end, &fresh),
                    None => lines.replaced(end..end, &(lines.newline.to_owned() + &fresh)),
                })
            }
            Change::Remove => {
                let block = blocks.get(at).ok_or(INLINE)?;
                if blocks.len() > 1 {
                    return Ok(file.removed(at));
                }
                // A list of none has no header.
                let none = match (&self.above[..], self.is_list) {
                    ([name], true) => {
                        format!("{} = []{}", key(name), lines.newline)
                    }
                    (_, true) => return Err(EncodeError::NoList),
                    (_, false) => String::new(),
                };
                Ok(lines.replaced(block.lines.clone(), &none))
            }
        }
    }

    /// Wraps a record as in a file that contains nothing else.
    fn wrapped(&self, name: &str, record: &Json) -> Json {
        let inner = if self.is_list { json!([record]) } else { json!({ name: record }) };
        self.above.iter().rev().fold(inner, |inner, name| json!({ name: inner }))
    }

    /// Returns the lines of a table with `record` replacing their values.
    fn said(&self, own: &str, name: &str, record: &Json) -> Option<String> {
        let wanted = self.wrapped(name, record);
        let says = |text: &String| decode::toml_1_1(text.as_bytes()).as_ref() == Ok(&wanted);
        let text = edited(own, &wanted).filter(says);
        text.or_else(|| self.fresh(name, record, &[]))
    }

    /// Formats a new table, with its keys in this order and further keys after them.
    fn fresh(&self, name: &str, record: &Json, order: &[String]) -> Option<String> {
        let table = fresh_table(order::members(record.as_object()?, order))?;
        let above = |item: Item, name: &str| {
            // It needs no header, since nothing but a table is in it.
            let mut outer = Table::from_iter([(name, item)]);
            outer.set_implicit(true);
            Item::Table(outer)
        };
        let item = match self.is_list {
            true => Item::ArrayOfTables(ArrayOfTables::from_iter([table])),
            false => above(Item::Table(table), name),
        };
        let names = self.above.iter().rev();
        let root = names.fold(item, |item, name| above(item, name)).into_table().ok()?;
        Some(printed(DocumentMut::from(root), self.lines.newline))
    }

    /// Returns the keys of a table in the order in which they are written.
    fn keys(&self, own: &str, name: &str) -> Vec<String> {
        let Ok(document) = own.parse::<DocumentMut>() else { return Vec::new() };
        let mut item: Option<&Item> = Some(document.as_item());
        for name in &self.above {
            item = item.and_then(|item| item.get(name));
        }
        let item = match self.is_list {
            true => item.and_then(|item| item.get(0)),
            false => item.and_then(|item| item.get(name)),
        };
        let table = item.and_then(Item::as_table);
        table.iter().flat_map(|table| table.iter()).map(|(key, _)| key.to_owned()).collect()
    }
}

/// Rejects null, unless it stands for a value that TOML has and JSON lacks.
fn without_nulls(is: &Json, was: &Json, path: &mut Vec<String>) -> Result<(), EncodeError> {
    let parts: Vec<(String, &Json)> = match is {
        Json::Null if was.is_null() && path.is_empty() => return Ok(()),
        Json::Null => return Err(EncodeError::Null { pointer: Pointer::of(&*path) }),
        Json::Array(elements) => {
            elements.iter().enumerate().map(|(at, element)| (at.to_string(), element)).collect()
        }
        Json::Object(members) => members.iter().map(|(key, value)| (key.clone(), value)).collect(),
        _ => return Ok(()),
    };
    for (name, part) in parts {
        let old = match was {
            Json::Array(elements) => name.parse::<usize>().ok().and_then(|at| elements.get(at)),
            was => was.get(&name),
        };
        if old.is_some_and(Json::is_null) && part.is_null() {
            continue;
        }
        path.push(name);
        without_nulls(part, old.unwrap_or(&Json::Null), path)?;
        path.pop();
    }
    Ok(())
}

/// Formats a key, quoted if necessary.
fn key(name: &str) -> String {
    toml_edit::Key::new(name).display_repr().into_owned()
}

/// Finds the line of an empty list, and its name.
fn empty(lines: &[&str], name: Option<&str>) -> Option<(usize, String)> {
    lines.iter().enumerate().find_map(|(at, line)| {
        let said = decode::toml_1_1(line.as_bytes()).ok()?;
        let (found, value) = said.as_object()?.iter().next()?;
        let is_none = value.as_array().is_some_and(Vec::is_empty);
        (is_none && name.is_none_or(|name| name == found)).then(|| (at, found.clone()))
    })
}

/// Finds the lines that begin tables.
fn headers(text: &str) -> Vec<Header> {
    let bytes = text.as_bytes();
    let mut headers = Vec::new();
    let (mut at, mut line, mut depth, mut is_begin) = (0, 0, 0_usize, true);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'#' => {
                at += memchr::memchr(b'\n', &bytes[at..]).unwrap_or(bytes.len() - at);
                continue;
            }
            b'"' | b'\'' => {
                let end = end_of_string(text, at).max(at + 1);
                line += memchr::memchr_iter(b'\n', &bytes[at..end]).count();
                (at, is_begin) = (end, false);
                continue;
            }
            b'\n' => (line, is_begin) = (line + 1, true),
            b' ' | b'\t' | b'\r' => {}
            b'[' if is_begin && depth == 0 => {
                let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end);
                headers.extend(header(text[at..end].trim_end(), line));
                at = end;
                continue;
            }
            b'[' | b'{' => (depth, is_begin) = (depth + 1, false),
            b']' | b'}' => (depth, is_begin) = (depth.saturating_sub(1), false),
            _ => is_begin = false,
        }
        at += 1;
    }
    headers
}

/// Parses a header.
fn header(text: &str, line: usize) -> Option<Header> {
    let mut value = decode::toml_1_1(text.as_bytes()).ok()?;
    let mut names = Vec::new();
    loop {
        match value {
            Json::Object(members) if members.is_empty() => {
                return Some(Header { line, names, is_element: false });
            }
            Json::Object(members) => {
                let (name, inner) = members.into_iter().next()?;
                names.push(name);
                value = inner;
            }
            _ => return Some(Header { line, names, is_element: true }),
        }
    }
}

/// Returns whether a line is blank or a comment.
fn is_between(line: &str) -> bool {
    let text = line.trim();
    text.is_empty() || text.starts_with('#')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Map;

    use super::super::super::tests::any_record;
    use super::*;

    /// Writes a new table key by key, each after the existing ones.
    fn key_by_key(file: &File<'_>, name: &str, record: &Json, order: &[String]) -> Option<String> {
        let mut names: Vec<String> = file.above.iter().map(|name| key(name)).collect();
        if !file.is_list {
            names.push(key(name));
        }
        let names = names.join(".");
        let (open, close) = if file.is_list { ("[[", "]]") } else { ("[", "]") };
        let mut text = format!("{open}{names}{close}{}", file.lines.newline);
        let mut so_far = Map::new();
        for (key, value) in order::members(record.as_object()?, order) {
            so_far.insert(key.clone(), value.clone());
            text = edited(&text, &file.wrapped(name, &Json::Object(so_far.clone())))?;
        }
        Some(text)
    }

    proptest! {
        #[test]
        fn a_new_table_is_written_at_once_as_it_is_key_by_key(
            record in any_record(),
            order in prop::collection::vec("[a-z\"é]{0,2}", 0..4),
            above in prop::collection::vec("[a-c. \"]{1,3}", 1..3),
            is_list: bool,
            has_two: bool,
        ) {
            let newline = if has_two { "\r\n" } else { "\n" };
            let lines = TextLines::of(newline);
            let file = File { text: "", lines, above, is_list, blocks: Vec::new() };
            let mut order = order;
            order.dedup();
            let at_once = file.fresh("a name", &record, &order);
            prop_assert_eq!(at_once, key_by_key(&file, "a name", &record, &order));
        }
    }
}
