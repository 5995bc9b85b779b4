//! Records that are tables of a TOML file with headers: `[[list]]`, or `[name]` in a map.

use serde_json::{Map, Value as Json, json};
use toml_edit::{DocumentMut, Item};

use super::super::error::EncodeError;
use super::super::toml::edit::edited;
use super::blocks::{Block, Blocks};
use super::change::{Change, Place};
use super::order;
use crate::decode::{self, end_of_string};
use crate::pointer;
use crate::split::Records;

const INLINE: EncodeError =
    EncodeError::LaidOut { what: "they are not tables with headers of their own" };

/// A line that begins a table.
struct Header {
    line: usize,
    /// The names that lead to the table.
    names: Vec<String>,
    /// Whether the table is an element of a list.
    is_element: bool,
}

/// Returns the text of a file with one record changed.
pub(super) fn rewritten(
    text: &str,
    records: &Records,
    place: Place<'_>,
    change: Change<'_>,
) -> Result<String, EncodeError> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let headers = headers(text);
    let above = match (records, headers.first()) {
        (Records::At(pointer), _) => pointer.clone(),
        (Records::Map, _) => Vec::new(),
        (_, Some(first)) => first.names[..1].to_vec(),
        (_, None) => match empty(&lines, None) {
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
    let file = File { text, lines: &lines, newline, above: &above, is_list };
    file.part(&file.blocks(&headers)?, place, change)
}

struct File<'t> {
    text: &'t str,
    lines: &'t [&'t str],
    newline: &'t str,
    /// The names that lead to the list or the map.
    above: &'t [String],
    is_list: bool,
}

impl File<'_> {
    /// Returns the records.
    fn blocks(&self, headers: &[Header]) -> Result<Vec<Block>, EncodeError> {
        let depth = self.above.len();
        let mut blocks: Vec<Block> = Vec::new();
        let mut is_within = false;
        let mut end = 0;
        for (at, header) in headers.iter().enumerate() {
            let next = headers.get(at + 1).map_or(self.lines.len(), |next| next.line);
            let name = header.names.get(depth).filter(|_| header.names.starts_with(self.above));
            let begins = match (self.is_list, name) {
                (true, None) => header.is_element && header.names == self.above,
                (false, Some(name)) => {
                    !is_within || blocks.last().is_none_or(|last| last.name.as_ref() != Some(name))
                }
                _ => false,
            };
            let goes_on = name.is_some() && is_within;
            // The lines of a table end with its last value.
            let is_said = |line: &usize| !is_between(self.lines[*line]);
            let own = (header.line..next).rev().find(is_said).map_or(next, |line| line + 1);
            if begins {
                if let (false, Some(name)) = (self.is_list, name)
                    && blocks.iter().any(|block| block.name.as_ref() == Some(name))
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

    fn part(
        &self,
        blocks: &[Block],
        place: Place<'_>,
        change: Change<'_>,
    ) -> Result<String, EncodeError> {
        let at = match (self.is_list, change) {
            (false, Change::Insert(_)) => {
                let names: Vec<_> = blocks.iter().map(|block| block.name.as_deref()).collect();
                order::place(&names, place.name)
            }
            (false, _) => {
                let named = blocks.iter().position(|b| b.name.as_deref() == Some(place.name));
                named.ok_or(INLINE)?
            }
            (true, _) => place.at,
        };
        let file = Blocks { lines: self.lines, blocks, newline: self.newline };
        match change {
            Change::Replace { was, is } => {
                let block = blocks.get(at).ok_or(INLINE)?;
                let was: Json = serde_json::from_str(was.as_str()).unwrap_or_default();
                without_nulls(is, &was, &mut Vec::new())?;
                let own = self.lines[block.lines.clone()].concat();
                let new = self.said(&own, place.name, is).ok_or(INLINE)?;
                Ok(file.replaced(block.lines.clone(), &new))
            }
            Change::Insert(is) => {
                without_nulls(is, &Json::Null, &mut Vec::new())?;
                let like = blocks.get(at.saturating_sub(1)).or(blocks.last());
                let like = like.map(|like| {
                    let name = like.name.as_deref().unwrap_or_default();
                    self.keys(&self.lines[like.lines.clone()].concat(), name)
                });
                let fresh = self.fresh(place.name, is, &like.unwrap_or_default()).ok_or(INLINE)?;
                if !blocks.is_empty() {
                    let is_apart = blocks.len() > 1;
                    let fresh = match (is_apart, at) {
                        // A single table does not show what separates tables.
                        (false, 0) => fresh + self.newline,
                        (false, _) => self.newline.to_owned() + &fresh,
                        (true, _) => fresh,
                    };
                    return Ok(file.inserted(at, &fresh));
                }
                let end = self.lines.len();
                Ok(match empty(self.lines, self.above.last().map(String::as_str)) {
                    Some((line, _)) => file.replaced(line..line + 1, &fresh),
                    None if self.text.is_empty() => file.replaced(end..end, &fresh),
                    None => file.replaced(end..end, &(self.newline.to_owned() + &fresh)),
                })
            }
            Change::Remove => {
                let block = blocks.get(at).ok_or(INLINE)?;
                if blocks.len() > 1 {
                    return Ok(file.removed(at));
                }
                // An empty list has no header.
                let none = match (self.above, self.is_list) {
                    ([name], true) => {
                        format!("{} = []{}", key(name), self.newline)
                    }
                    (_, true) => return Err(EncodeError::NoList),
                    (_, false) => String::new(),
                };
                Ok(file.replaced(block.lines.clone(), &none))
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
        let mut names: Vec<String> = self.above.iter().map(|name| key(name)).collect();
        if !self.is_list {
            names.push(key(name));
        }
        let names = names.join(".");
        let (open, close) = if self.is_list { ("[[", "]]") } else { ("[", "]") };
        let mut text = format!("{open}{names}{close}{}", self.newline);
        let members = record.as_object()?;
        let known = order.iter().filter_map(|key| members.get_key_value(key));
        let others = members.iter().filter(|(key, _)| !order.contains(key));
        let mut so_far = Map::new();
        // Added one at a time, since each goes after the existing ones.
        for (key, value) in known.chain(others) {
            so_far.insert(key.clone(), value.clone());
            text = edited(&text, &self.wrapped(name, &Json::Object(so_far.clone())))?;
        }
        Some(text)
    }

    /// Returns the keys of a table in the order in which they are written.
    fn keys(&self, own: &str, name: &str) -> Vec<String> {
        let Ok(document) = own.parse::<DocumentMut>() else { return Vec::new() };
        let mut item: Option<&Item> = Some(document.as_item());
        for name in self.above {
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
        Json::Null => return Err(EncodeError::Null { pointer: pointer::of(&*path) }),
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
