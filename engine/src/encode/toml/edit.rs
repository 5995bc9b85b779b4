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
    let newline = if body.contains("\r\n") { "\r\n" } else { "\n" };
    let mut document: DocumentMut = body.parse().ok()?;
    table(document.as_table_mut(), members)?;
    let mut edited = printed(document, newline);
    if !body.is_empty() && !body.ends_with('\n') {
        edited.truncate(edited.trim_end_matches(['\r', '\n']).len());
    }
    Some(format!("{mark}{edited}"))
}

/// Returns the text of a document whose lines end with `newline`.
pub(in crate::encode) fn printed(mut document: DocumentMut, newline: &str) -> String {
    if newline == "\n" {
        return document.to_string();
    }
    document.as_table_mut().iter_mut().for_each(|(_, item)| item_on_one_line(item));
    document.to_string().replace("\r\n", "\n").replace('\n', newline)
}

/// Writes new texts on one line, since the lines of a text are not those of the file.
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

// Removing a key moves all keys after it, so all are removed in one pass.

fn table(table: &mut Table, members: &Map<String, Json>) -> Option<()> {
    table.retain(|key, _| members.contains_key(key));
    put(table, members)
}

fn inline_table(table: &mut InlineTable, members: &Map<String, Json>) -> Option<()> {
    table.retain(|key, _| members.contains_key(key));
    put(table, members)
}

/// Puts all members into a table that has no others.
fn put(table: &mut dyn TableLike, members: &Map<String, Json>) -> Option<()> {
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
    if says(item, new) {
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
    if value_says(old, new) {
        return Some(());
    }
    match (&mut *old, new) {
        (Value::InlineTable(inline), Json::Object(members)) => inline_table(inline, members),
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
    // The last one goes first, so that none is moved.
    let mut values: Vec<Value> = (0..array.len()).rev().map(|at| array.remove(at)).collect();
    values.reverse();
    let same = Same::of(&values, new, value_says);
    let mut gaps: Vec<String> = values.iter().map(|value| raw(value.decor().prefix())).collect();
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
    let mut elements: Vec<Table> = std::mem::take(tables).into_iter().collect();
    let same = Same::of(&elements, new, table_says);
    let tail = elements.split_off(elements.len() - same.end);
    let mut spare = elements.split_off(same.begin).into_iter();
    for json in &new[same.begin..new.len() - same.end] {
        let members = json.as_object()?;
        let element = match spare.next() {
            Some(mut element) => {
                table(&mut element, members)?;
                element
            }
            None => fresh_table(members)?,
        };
        elements.push(element);
    }
    tables.extend(elements.into_iter().chain(tail));
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
    fn of<T>(old: &[T], new: &[Json], says: impl Fn(&T, &Json) -> bool) -> Self {
        let begin = old.iter().zip(new).take_while(|(old, new)| says(old, new)).count();
        let rest = old[begin..].iter().rev().zip(new[begin..].iter().rev());
        Self { begin, end: rest.take_while(|(old, new)| says(old, new)).count() }
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

/// Returns a new table with these members, in this order.
pub(in crate::encode) fn fresh_table<'m>(
    members: impl IntoIterator<Item = (&'m String, &'m Json)>,
) -> Option<Table> {
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

/// Returns whether an item is served as `json`.
fn says(item: &Item, json: &Json) -> bool {
    match item {
        Item::None => false,
        Item::Value(value) => value_says(value, json),
        Item::Table(table) => table_says(table, json),
        Item::ArrayOfTables(tables) => json.as_array().is_some_and(|elements| {
            let mut pairs = tables.iter().zip(elements);
            tables.len() == elements.len() && pairs.all(|(table, json)| table_says(table, json))
        }),
    }
}

fn table_says(table: &Table, json: &Json) -> bool {
    json.as_object().is_some_and(|members| {
        let is_said = |(key, item)| members.get(key).is_some_and(|json| says(item, json));
        table.len() == members.len() && table.iter().all(is_said)
    })
}

fn value_says(value: &Value, json: &Json) -> bool {
    match (value, json) {
        (Value::String(text), Json::String(json)) => text.value() == json,
        (Value::Integer(integer), Json::Number(json)) => *json == Number::from(*integer.value()),
        (Value::Float(float), json) => match Number::from_f64(*float.value()) {
            Some(number) => json.as_number() == Some(&number),
            None => json.is_null(),
        },
        (Value::Boolean(flag), Json::Bool(json)) => flag.value() == json,
        (Value::Datetime(time), Json::String(json)) => time.value().to_string() == *json,
        (Value::Array(elements), Json::Array(json)) => {
            let mut pairs = elements.iter().zip(json);
            elements.len() == json.len() && pairs.all(|(value, json)| value_says(value, json))
        }
        (Value::InlineTable(table), Json::Object(members)) => {
            let is_said =
                |(key, value)| members.get(key).is_some_and(|json| value_says(value, json));
            table.len() == members.len() && table.iter().all(is_said)
        }
        _ => false,
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

    #[test]
    fn what_changes_in_a_table_of_very_many_keys_is_changed_in_one_pass() {
        let keys = |letter: &str| -> Json {
            (0..50_000).map(|at| (format!("{letter}{at}"), json!(at))).collect::<Map<_, _>>().into()
        };
        let text = format!("# kept\n{}", super::super::toml(&keys("k"), None).unwrap());
        let text = text + "z = 1 # last\n";
        assert_eq!(edited(&text, &json!({"z": 2})).unwrap(), "z = 2 # last\n");
        let others = super::super::toml(&keys("x"), None).unwrap();
        assert_eq!(
            toml_1_1(edited(&text, &keys("x")).unwrap().as_bytes()),
            toml_1_1(others.as_bytes())
        );
        let inline: Vec<String> = (0..50_000).map(|at| format!("k{at} = 1")).collect();
        let text = format!("a = {{ {}, z = 1 }}\n", inline.join(", "));
        let left = edited(&text, &json!({"a": {"z": 1}})).unwrap();
        assert_eq!(toml_1_1(left.as_bytes()).unwrap(), json!({"a": {"z": 1}}));
    }

    #[test]
    fn what_changes_between_very_many_tables_moves_none_of_them() {
        let tables = |numbers: std::ops::Range<usize>| -> Vec<Json> {
            numbers.map(|at| json!({ "a": at })).collect()
        };
        let few = json!({ "t": tables(0..20_000) });
        let text = super::super::toml(&few, None).unwrap();
        let all = [tables(20_000..40_000), tables(0..20_000)].concat();
        let many = json!({ "t": all });
        let written = edited(&text, &many).unwrap();
        assert_eq!(toml_1_1(written.as_bytes()).unwrap(), many);
        assert_eq!(edited(&written, &few).unwrap(), text);
    }

    /// Changes a list of tables one after the other, in their places.
    fn in_place(tables: &mut ArrayOfTables, new: &[Json]) -> Option<()> {
        let old: Vec<Table> = tables.iter().cloned().collect();
        let same = Same::of(&old, new, table_says);
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

    proptest! {
        #[test]
        fn tables_are_written_as_if_each_was_changed_in_its_place(
            old in prop::collection::vec(super::super::super::tests::any_record(), 1..5),
            new in prop::collection::vec(super::super::super::tests::any_record(), 1..5),
            kept in 0..3_usize,
        ) {
            let new: Vec<Json> = [&old[..kept.min(old.len())], &new, &old[old.len() - 1..]].concat();
            let text = super::super::toml(&json!({ "t": old, "u": 1 }), None).unwrap();
            let [mut whole, mut each] = [0, 1].map(|_| text.parse::<DocumentMut>().unwrap());
            let done = array_of_tables(whole["t"].as_array_of_tables_mut().unwrap(), &new);
            prop_assert_eq!(done, in_place(each["t"].as_array_of_tables_mut().unwrap(), &new));
            if done.is_some() {
                prop_assert_eq!(whole.to_string(), each.to_string());
            }
        }

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
