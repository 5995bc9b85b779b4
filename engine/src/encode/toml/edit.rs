//! Changes a TOML file value by value: comments, order and layout stay.

use serde_json::{Map, Number, Value as Json};
use toml_edit::{
    Array, ArrayOfTables, DocumentMut, InlineTable, Item, RawString, Table, TableLike, Value,
};

/// Returns the text with its members replaced by those of `record`, or `None` if that cannot be
/// expressed. The result must be read back before it is trusted.
pub(in crate::encode) fn edited(text: &str, record: &Json) -> Option<String> {
    let members = record.as_object()?;
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => ("\u{feff}", body),
        None => ("", text),
    };
    let mut document: DocumentMut = body.parse().ok()?;
    table(document.as_table_mut(), members)?;
    if body.contains("\r\n") {
        document.as_table_mut().iter_mut().for_each(|(_, item)| item_on_one_line(item));
    }
    let mut edited = document.to_string();
    if body.contains("\r\n") {
        edited = edited.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    if !body.is_empty() && !body.ends_with('\n') {
        edited.truncate(edited.trim_end_matches(['\r', '\n']).len());
    }
    Some(format!("{mark}{edited}"))
}

/// Puts new strings on one line, since their line endings are not those of the file.
fn item_on_one_line(item: &mut Item) {
    match item {
        Item::None => {}
        Item::Value(value) => on_one_line(value),
        Item::Table(table) => table.iter_mut().for_each(|(_, item)| item_on_one_line(item)),
        Item::ArrayOfTables(tables) => {
            let items = tables.iter_mut().flat_map(|table| table.iter_mut());
            items.for_each(|(_, item)| item_on_one_line(item));
        }
    }
}

fn on_one_line(value: &mut Value) {
    match value {
        Value::String(text) if text.as_repr().is_none() && text.value().contains('\n') => {
            // JSON escapes are also valid in TOML.
            let written = Json::from(text.value().as_str()).to_string();
            if let Ok(mut written) = written.parse::<Value>() {
                *written.decor_mut() = value.decor().clone();
                *value = written;
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(on_one_line),
        Value::InlineTable(table) => table.iter_mut().for_each(|(_, value)| on_one_line(value)),
        _ => {}
    }
}

fn table(table: &mut dyn TableLike, members: &Map<String, Json>) -> Option<()> {
    let known: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
    for key in known.iter().filter(|key| !members.contains_key(*key)) {
        table.remove(key);
    }
    for (key, value) in members {
        match table.get_mut(key) {
            Some(item) => self::item(item, value)?,
            None => {
                let item = match table.is_dotted() {
                    true => Item::Value(fresh(value)?),
                    false => fresh_item(value)?,
                };
                table.insert(key, item);
            }
        }
    }
    Some(())
}

fn item(item: &mut Item, new: &Json) -> Option<()> {
    if shown(item).as_ref() == Some(new) {
        return Some(());
    }
    match (&mut *item, new) {
        (Item::Table(old), Json::Object(members)) => {
            table(old, members)?;
            // Only its subtables named it, and they are gone.
            if old.is_implicit() && old.is_empty() {
                old.set_implicit(false);
            }
            Some(())
        }
        (Item::ArrayOfTables(tables), Json::Array(elements)) if is_tables(elements) => {
            array_of_tables(tables, elements)
        }
        (Item::Value(old), new) => value(old, new),
        _ => {
            *item = fresh_item(new)?;
            Some(())
        }
    }
}

fn value(old: &mut Value, new: &Json) -> Option<()> {
    if shown_value(old) == *new {
        return Some(());
    }
    match (&mut *old, new) {
        (Value::InlineTable(inline), Json::Object(members)) => table(inline, members),
        (Value::Array(elements), Json::Array(new)) if !elements.is_empty() => array(elements, new),
        _ => {
            let decor = old.decor().clone();
            *old = alike(old, new).or_else(|| fresh(new))?;
            *old.decor_mut() = decor;
            Some(())
        }
    }
}

/// Returns a string in the notation of the value that it replaces: a date or time without quotes,
/// other text in the same quotes.
fn alike(old: &Value, new: &Json) -> Option<Value> {
    let text = new.as_str()?;
    match old {
        Value::Datetime(_) => text.parse().ok().map(|time: toml_edit::Datetime| Value::from(time)),
        Value::String(string) => {
            let written = string.as_repr()?.as_raw().as_str()?;
            let is_literal = written.starts_with('\'') && !written.starts_with("'''");
            let fits = !text.contains(|c: char| c == '\'' || c.is_control());
            (is_literal && fits).then(|| format!("'{text}'").parse().ok()).flatten()
        }
        _ => None,
    }
}

/// An element of an array, as written.
struct Element {
    /// The lines before it, and its indentation.
    lead: String,
    value: Value,
    /// What follows its comma, up to the end of the line.
    behind: String,
}

/// Changes the elements between the common beginning and the common end.
fn array(array: &mut Array, new: &[Json]) -> Option<()> {
    let old: Vec<Json> = array.iter().map(shown_value).collect();
    let same = Same::of(&old, new);
    let mut gaps: Vec<String> = array.iter().map(|value| raw(value.decor().prefix())).collect();
    let mut values: Vec<Value> = array.iter().cloned().collect();
    let mut trailing = array.trailing().as_str().unwrap_or_default().to_owned();
    if let Some(last) = values.last_mut().filter(|_| !array.trailing_comma()) {
        // A comment after the last element goes after its comma, if it gets one.
        trailing.insert_str(0, &raw(last.decor().suffix()));
        last.decor_mut().set_suffix("");
    }
    gaps.push(trailing);
    let is_long = gaps.iter().any(|gap| gap.contains('\n'));
    let cut = |gap: &String| gap.find('\n').unwrap_or(0);
    let (opening, closing) = (gaps[0][..cut(&gaps[0])].to_owned(), gaps.last()?);
    let closing = closing[cut(closing)..].to_owned();
    let old_elements = values.into_iter().enumerate().map(|(at, value)| Element {
        lead: gaps[at][cut(&gaps[at])..].to_owned(),
        value,
        behind: gaps[at + 1][..cut(&gaps[at + 1])].to_owned(),
    });
    let mut elements: Vec<Element> = old_elements.collect();
    let indentation = match elements.first().and_then(|first| first.lead.rfind('\n')) {
        Some(newline) => elements[0].lead[newline..].to_owned(),
        None => " ".to_owned(),
    };
    let tail = elements.split_off(elements.len() - same.end);
    let mut spare = elements.split_off(same.begin).into_iter();
    for json in &new[same.begin..new.len() - same.end] {
        let element = match spare.next() {
            Some(mut element) => {
                value(&mut element.value, json)?;
                element
            }
            None => {
                let value = fresh(json)?;
                Element { lead: indentation.clone(), value, behind: String::new() }
            }
        };
        elements.push(element);
    }
    elements.extend(tail);
    array.clear();
    let mut gap = opening;
    for (at, Element { lead, mut value, behind }) in elements.into_iter().enumerate() {
        gap.push_str(match is_long {
            true => &lead,
            false if at == 0 => lead.trim_start(),
            false if lead.is_empty() => " ",
            false => &lead,
        });
        value.decor_mut().set_prefix(std::mem::replace(&mut gap, behind));
        array.push_formatted(value);
    }
    array.set_trailing(gap + &closing);
    Some(())
}

fn array_of_tables(tables: &mut ArrayOfTables, new: &[Json]) -> Option<()> {
    let old: Vec<Json> = tables.iter().map(shown_table).collect();
    let same = Same::of(&old, new);
    let changed = &new[same.begin..new.len() - same.end];
    let there = old.len() - same.begin - same.end;
    for (at, json) in changed.iter().enumerate() {
        let at = same.begin + at;
        match tables.get_mut(at).filter(|_| at < same.begin + there) {
            Some(old) => table(old, json.as_object()?)?,
            None => tables.insert(at, fresh_table(json.as_object()?)?),
        }
    }
    for _ in changed.len()..there {
        tables.remove(same.begin + changed.len());
    }
    Some(())
}

/// How many elements of two lists are the same.
struct Same {
    /// The number of equal elements at the beginning.
    begin: usize,
    /// The number of equal elements at the end, after those.
    end: usize,
}

impl Same {
    fn of(old: &[Json], new: &[Json]) -> Self {
        let begin = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let rest = old[begin..].iter().rev().zip(new[begin..].iter().rev());
        Self { begin, end: rest.take_while(|(old, new)| old == new).count() }
    }
}

fn raw(text: Option<&RawString>) -> String {
    text.and_then(RawString::as_str).unwrap_or_default().to_owned()
}

fn is_tables(elements: &[Json]) -> bool {
    !elements.is_empty() && elements.iter().all(Json::is_object)
}

/// Returns the item for a new member of a table.
fn fresh_item(json: &Json) -> Option<Item> {
    match json {
        Json::Object(members) => fresh_table(members).map(Item::Table),
        Json::Array(elements) if is_tables(elements) => {
            let mut tables = ArrayOfTables::new();
            for element in elements {
                tables.push(fresh_table(element.as_object()?)?);
            }
            Some(Item::ArrayOfTables(tables))
        }
        json => fresh(json).map(Item::Value),
    }
}

fn fresh_table(members: &Map<String, Json>) -> Option<Table> {
    let mut table = Table::new();
    for (key, value) in members {
        table.insert(key, fresh_item(value)?);
    }
    Some(table)
}

fn fresh(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::from(integer),
            None => Value::from(number.as_f64()?),
        },
        Json::String(text) => Value::from(text),
        Json::Array(elements) => {
            Value::Array(elements.iter().map(fresh).collect::<Option<Array>>()?)
        }
        Json::Object(members) => {
            let mut table = InlineTable::new();
            for (key, value) in members {
                table.insert(key, fresh(value)?);
            }
            Value::InlineTable(table)
        }
    })
}

/// Returns an item in the form in which it is served.
fn shown(item: &Item) -> Option<Json> {
    match item {
        Item::None => None,
        Item::Value(value) => Some(shown_value(value)),
        Item::Table(table) => Some(shown_table(table)),
        Item::ArrayOfTables(tables) => Some(tables.iter().map(shown_table).collect()),
    }
}

fn shown_table(table: &Table) -> Json {
    let members = table.iter().filter_map(|(key, item)| Some((key.to_owned(), shown(item)?)));
    Json::Object(members.collect())
}

fn shown_value(value: &Value) -> Json {
    match value {
        Value::String(text) => Json::from(text.value().as_str()),
        Value::Integer(integer) => Json::from(*integer.value()),
        Value::Float(float) => Number::from_f64(*float.value()).map_or(Json::Null, Json::Number),
        Value::Boolean(flag) => Json::Bool(*flag.value()),
        Value::Datetime(time) => Json::String(time.value().to_string()),
        Value::Array(elements) => elements.iter().map(shown_value).collect(),
        Value::InlineTable(table) => {
            let members = table.iter().map(|(key, value)| (key.to_owned(), shown_value(value)));
            Json::Object(members.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::decode::toml_1_1;

    const FILE: &str = "# who\ntitle = \"Hi\"  # shown\ndate = 2024-05-01\nat = 07:32 # sharp\n\
        tags = [\n  # all\n  \"a\", # first\n  \"b\", # second\n]\nshort = [1, 2]\n\
        dotted.x = 1\ninline = { a = 1, b = \"x\" } # here\n\n# where\n[place] # there\n\
        zip = \"0123\"\ncity = 'Ulm'\n\n[[jobs]] # one\nname = \"x\"\n\n[[jobs]]\nname = \"y\" # two\n\n# the end\n";

    fn changed(change: impl FnOnce(&mut Map<String, Json>)) -> String {
        let mut record = toml_1_1(FILE.as_bytes()).unwrap();
        change(record.as_object_mut().unwrap());
        let text = edited(FILE, &record).unwrap();
        assert_eq!(toml_1_1(text.as_bytes()).unwrap(), record, "{text}");
        text
    }

    #[test]
    fn one_field_is_one_line_and_all_else_keeps_its_bytes() {
        assert_eq!(changed(|_| {}), FILE);
        for (change, from, to) in [
            (json!({"title": "Ho"}), "\"Hi\"", "\"Ho\""),
            (json!({"date": "2025-01-31"}), "2024-05-01", "2025-01-31"),
            (json!({"date": "soon"}), "2024-05-01", "\"soon\""),
            (json!({"at": "08:15"}), "07:32", "08:15"),
            (json!({"short": [1, 2, 3]}), "[1, 2]", "[1, 2, 3]"),
            (json!({"short": [0, 1, 2]}), "[1, 2]", "[0, 1, 2]"),
            (json!({"short": []}), "[1, 2]", "[]"),
            (json!({"dotted": {"x": 1, "y": 2}}), "dotted.x = 1\n", "dotted.x = 1\ndotted.y = 2\n"),
            (json!({"inline": {"a": 2, "b": "x"}}), "a = 1,", "a = 2,"),
            (json!({"tags": ["a", "b", "c"]}), "# second\n", "# second\n  \"c\",\n"),
            (json!({"tags": ["a", "c"]}), "\"b\"", "\"c\""),
            (json!({"tags": ["a"]}), "  \"b\", # second\n", ""),
            (json!({"tags": ["b"]}), "  # all\n  \"a\", # first\n", ""),
            (json!({"place": {"zip": "0123", "city": "Bonn"}}), "'Ulm'", "'Bonn'"),
            (json!({"place": {"zip": "0123", "city": "it's"}}), "'Ulm'", "\"it's\""),
            (json!({"jobs": [{"name": "x"}, {"name": "z"}]}), "\"y\"", "\"z\""),
            (json!({"more": true}), "here\n", "here\nmore = true\n"),
        ] {
            let expected = FILE.replacen(from, to, 1);
            let text = changed(|record| record.extend(change.as_object().unwrap().clone()));
            assert_eq!(text, expected, "{change}");
        }
        let gone = changed(|record| drop(record.remove("date")));
        assert_eq!(gone, FILE.replace("date = 2024-05-01\n", ""));
        let table = changed(|record| drop(record.insert("z".into(), json!({"a": {"b": 1}}))));
        assert!(table.contains("[z.a]\nb = 1\n"), "{table}");
        let fewer = changed(|record| record["jobs"] = json!([{"name": "y"}]));
        assert_eq!(fewer, FILE.replace("[[jobs]] # one\nname = \"x\"\n\n", ""));
        let more =
            changed(|record| record["jobs"].as_array_mut().unwrap().push(json!({"name": "z"})));
        assert!(more.contains("# two\n\n[[jobs]]\nname = \"z\"\n"), "{more}");
    }

    #[test]
    fn lines_end_as_they_did_and_so_does_the_file() {
        let text = "\u{feff}a = 1\r\n# c\r\nb = [\r\n  1,\r\n]";
        let written = edited(text, &json!({"a": 2, "b": [1, 2]})).unwrap();
        assert_eq!(written, "\u{feff}a = 2\r\n# c\r\nb = [\r\n  1,\r\n  2,\r\n]");
        let lines = edited("a = 1\r\n", &json!({"a": "x\ny"})).unwrap();
        assert_eq!(lines, "a = \"x\\ny\"\r\n");
    }

    #[test]
    fn what_is_no_number_stays_where_it_is() {
        let text = "a = nan\nb = 1\n";
        assert_eq!(edited(text, &json!({"a": null, "b": 2})).unwrap(), "a = nan\nb = 2\n");
    }

    proptest! {
        #[test]
        fn an_edited_file_reads_as_the_record(
            old in super::super::super::tests::any_record(),
            new in super::super::super::tests::any_record(),
        ) {
            let text = |record: &Json| super::super::toml(record, None).ok();
            let (Some(before), Some(after)) = (text(&old), text(&new)) else { return Ok(()) };
            let expected = toml_1_1(after.as_bytes()).unwrap();
            if let Some(edited) = edited(&before, &expected) {
                if let Ok(read) = toml_1_1(edited.as_bytes()) {
                    prop_assert_eq!(read, expected, "{}", edited);
                }
                let unchanged = toml_1_1(before.as_bytes()).unwrap();
                prop_assert_eq!(super::edited(&before, &unchanged).unwrap(), before);
            }
        }
    }
}
