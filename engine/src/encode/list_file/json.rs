//! Records that are elements of a JSON list, or members of a JSON table, anywhere in a file.

use std::ops::Range;

use serde_json::Value as Json;

use super::super::error::EncodeError;
use super::super::json;
use super::change::{Change, ListPosition};
use super::splice::Splice;
use crate::split::Records;

/// A list or a table as written.
struct Container {
    /// The offset after its opening bracket.
    open: usize,
    /// The offset of its closing bracket.
    close: usize,
    is_table: bool,
    items: Vec<Item>,
}

/// An element or a member as written.
struct Item {
    /// Its name in a table.
    name: Option<String>,
    /// Where it begins, including its name.
    start: usize,
    value: Range<usize>,
}

/// A text that is cut into the items of a list or a table.
pub(super) struct File<'t> {
    text: &'t str,
    container: Container,
}

impl<'t> File<'t> {
    /// Cuts a text. `begins` holds where the elements of the list begin and where it ends, as far as
    /// that is known.
    pub(super) fn cut(
        text: &'t str,
        records: &Records,
        begins: Option<Vec<usize>>,
    ) -> Result<Self, EncodeError> {
        let pointer = match records {
            Records::At(pointer) => &pointer[..],
            _ => &[],
        };
        let container = match begins {
            Some(begins) => Some(Container::of_pieces(text, &begins)),
            None => Container::at(text, pointer),
        };
        Ok(Self { text, container: container.ok_or(EncodeError::NotFoundInList)? })
    }

    /// Returns the names by which a table has its items.
    pub(super) fn names(&self) -> Option<Vec<Option<&str>>> {
        let Container { is_table, items, .. } = &self.container;
        is_table.then(|| items.iter().map(|item| item.name.as_deref()).collect())
    }

    /// Returns what a change of one item makes of the text.
    pub(super) fn splice(
        &self,
        ListPosition { at, name }: ListPosition<'_>,
        change: Change<'_>,
    ) -> Result<Splice, EncodeError> {
        let item = || self.container.items.get(at).ok_or(EncodeError::NotFoundInList);
        match change {
            Change::Replace { is, .. } => {
                let value = item()?.value.clone();
                let written = json::written(is, Some(&self.text[value.clone()]));
                Ok(Splice::new(value, written))
            }
            Change::Insert(is) => Ok(self.container.inserted(self.text, at, name, is)),
            Change::Remove => {
                item()?;
                Ok(Splice::new(self.container.extent(at), ""))
            }
        }
    }
}

impl Container {
    /// Returns the list that a file is, given where its elements begin and the last one ends.
    fn of_pieces(text: &str, begins: &[usize]) -> Self {
        let last = begins.len() - 1;
        let item = |at: usize| {
            let piece = text[begins[at]..begins[at + 1]].trim_end();
            // A comma separates it from the next one.
            let value =
                if at + 1 < last { piece.strip_suffix(',').unwrap_or(piece) } else { piece };
            let (start, end) = (begins[at], begins[at] + value.trim_end().len());
            Item { name: None, start, value: start..end }
        };
        let open = text.find('[').map_or(0, |open| open + 1);
        let items = (0..last).map(item).collect();
        Self { open, close: begins[last], is_table: false, items }
    }

    /// Finds the list or table that a JSON Pointer refers to, in a valid JSON text.
    fn at(text: &str, pointer: &[String]) -> Option<Self> {
        let mut container = Self::read(text, space(text, 0))?;
        for name in pointer {
            let at = match container.is_table {
                true => container.named(name)?,
                false => name.parse().ok()?,
            };
            container = Self::read(text, container.items.get(at)?.value.start)?;
        }
        Some(container)
    }

    fn read(text: &str, at: usize) -> Option<Self> {
        let is_table = match text.as_bytes().get(at)? {
            b'{' => true,
            b'[' => false,
            _ => return None,
        };
        let open = at + 1;
        let mut items = Vec::new();
        let mut at = space(text, open);
        while !matches!(text.as_bytes().get(at)?, b']' | b'}') {
            let start = at;
            let mut name = None;
            if is_table {
                let end = json::end_of_value(text, at);
                name = Some(serde_json::from_str(&text[at..end]).ok()?);
                let colon = space(text, end);
                text[colon..].strip_prefix(':')?;
                at = space(text, colon + 1);
            }
            let end = json::end_of_value(text, at);
            items.push(Item { name, start, value: at..end });
            at = space(text, end);
            if text[at..].starts_with(',') {
                at = space(text, at + 1);
            }
        }
        Some(Self { open, close: at, is_table, items })
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.items.iter().position(|item| item.name.as_deref() == Some(name))
    }

    /// Returns the range of an item, including its comma and space.
    fn extent(&self, at: usize) -> Range<usize> {
        match &self.items[..] {
            [_] => self.open..self.close,
            items if at == 0 => items[0].start..items[1].start,
            items => items[at - 1].value.end..items[at].value.end,
        }
    }

    /// Inserts a new item before the one at `at`.
    fn inserted(&self, text: &str, at: usize, name: &str, record: &Json) -> Splice {
        let count = self.items.len();
        let name = self.is_table.then(|| Json::from(name).to_string());
        if count == 0 {
            return self.filled(text, name, record);
        }
        let like = &self.items[at.saturating_sub(1)];
        let style = &text[like.value.clone()];
        let style = if style.starts_with('{') { style } else { "{}" };
        let name = name.map_or(String::new(), |name| {
            let colon = text[like.start..like.value.start].rfind(':');
            name + &text[like.start + colon.unwrap_or_default()..like.value.start]
        });
        let item = name + &json::written(record, Some(style));
        let between = match at.clamp(1, count.max(2) - 1) {
            next if next < count => {
                text[self.items[next - 1].value.end..self.items[next].start].to_owned()
            }
            // A single item shows only how far items are indented.
            _ => match &text[self.open..self.items[0].start] {
                lead if lead.contains('\n') => format!(",{lead}"),
                _ if text.contains(", ") || !text.contains(',') => ", ".to_owned(),
                _ => ",".to_owned(),
            },
        };
        match self.items.get(at) {
            Some(next) => Splice::new(next.start..next.start, item + &between),
            None => {
                let end = self.items[count - 1].value.end;
                Splice::new(end..end, between + &item)
            }
        }
    }

    /// Puts an item into a container of none.
    fn filled(&self, text: &str, name: Option<String>, record: &Json) -> Splice {
        let line = text[..self.open].rfind('\n').map_or(0, |newline| newline + 1);
        let outer = &text[line..self.open];
        let outer = &outer[..outer.len() - outer.trim_start_matches([' ', '\t']).len()];
        let is_root = text[..self.open].trim_start().len() == 1;
        let is_long = is_root || text.trim_end().contains('\n');
        let name = name.map_or(String::new(), |name| name + ": ");
        if !is_long {
            let item = name + &json::written(record, Some("{}"));
            return Splice::new(self.open..self.close, item);
        }
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let inner = format!("{newline}{outer}  ");
        let item = json::below(record, &inner);
        Splice::new(self.open..self.close, format!("{inner}{name}{item}{newline}{outer}"))
    }
}

/// Returns the offset of the next byte that is not white space.
fn space(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start_matches([' ', '\t', '\r', '\n']).len()
}
