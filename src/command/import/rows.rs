//! The rows of a file, each with the line it begins in.

use headwater_engine::decode;
use headwater_engine::layout::SheetSpec;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::cli::TableFormat;
use crate::command::csv_cell;
use crate::command::record_flaw::Flaw;

/// One row: the line where it begins, and its record or its flaw.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) record: Result<Value, Flaw>,
}

/// Reads all rows of a file. Nothing after a row without an end can be read.
///
/// # Errors
/// Fails if the file as a whole does not have the format; returns the line and the flaw.
pub(super) fn read(
    format: TableFormat,
    bytes: &[u8],
    spec: &SheetSpec,
) -> Result<Vec<Row>, (usize, Flaw)> {
    match format {
        TableFormat::Ndjson => Ok(ndjson(bytes)),
        TableFormat::Json => array(bytes),
        TableFormat::Csv => csv(bytes, spec),
    }
}

/// Reads a value from each line that is not empty.
fn ndjson(bytes: &[u8]) -> Vec<Row> {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    let row = |(at, line)| {
        let record = decode::json(line).map_err(|flaw| {
            let column = flaw.column.unwrap_or(1);
            Flaw::malformed(format!("{} in column {column}", flaw.message))
        });
        Row { line: at + 1, record }
    };
    lines.map(row).collect()
}

/// Reads the elements of the JSON array in the file.
fn array(bytes: &[u8]) -> Result<Vec<Row>, (usize, Flaw)> {
    let mut lines = Lines { bytes, at: 0, line: 1 };
    let mut rows = Vec::new();
    let mut at = next(bytes, 0);
    if bytes.get(at) != Some(&b'[') {
        return Err((lines.of(at), Flaw::malformed("the file is not a JSON array")));
    }
    at = next(bytes, at + 1);
    if bytes.get(at) != Some(&b']') {
        loop {
            let line = lines.of(at);
            let rest = serde_json::Deserializer::from_slice(&bytes[at..]);
            let mut values = rest.into_iter::<IgnoredAny>();
            let is_whole = values.next().is_some_and(|value| value.is_ok());
            let end = if is_whole { at + values.byte_offset() } else { bytes.len() };
            let value = decode::json(&bytes[at..end]).map_err(|flaw| {
                let below = flaw.line.map_or(0, |line| line as usize - 1);
                (line + below, Flaw::malformed(flaw.message))
            })?;
            rows.push(Row { line, record: Ok(value) });
            at = next(bytes, end);
            match bytes.get(at) {
                Some(b',') => at = next(bytes, at + 1),
                Some(b']') => break,
                _ => return Err((lines.of(at), Flaw::malformed("the array is not closed"))),
            }
        }
    }
    let behind = next(bytes, at + 1);
    match bytes.get(behind) {
        None => Ok(rows),
        Some(_) => Err((lines.of(behind), Flaw::malformed("something follows the array"))),
    }
}

/// Reads the records of a table whose first line names the fields.
fn csv(bytes: &[u8], spec: &SheetSpec) -> Result<Vec<Row>, (usize, Flaw)> {
    let mut lines = Lines { bytes, at: 0, line: 1 };
    if let Some((place, message)) = misquoted(bytes) {
        return Err((lines.of(place), Flaw::malformed(message)));
    }
    let mut table = csv::ReaderBuilder::new().from_reader(bytes);
    let header = table.headers().map_err(|error| (1, unreadable(&error)))?.clone();
    let wrong = |message: String| (1, Flaw::malformed(message));
    let mut columns: Vec<(&str, bool)> = Vec::with_capacity(header.len());
    for name in &header {
        if name.is_empty() {
            return Err(wrong(format!("column {} has no name", columns.len() + 1)));
        }
        if columns.iter().any(|(other, _)| *other == name) {
            return Err(wrong(format!("two columns are called {name:?}")));
        }
        let is_text = spec.schema.as_ref().is_some_and(|schema| schema.is_text(name));
        columns.push((name, is_text));
    }
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let begin = usize::try_from(table.position().byte()).unwrap_or(usize::MAX);
        let read = table.read_record(&mut record);
        let record = match read {
            Ok(false) => return Ok(rows),
            Ok(true) => Ok(fields(&columns, &record)),
            Err(error) => Err(unreadable(&error)),
        };
        // Empty lines before a row are not part of it.
        let empty = bytes[begin.min(bytes.len())..].iter();
        let empty = empty.take_while(|byte| matches!(**byte, b'\r' | b'\n')).count();
        rows.push(Row { line: lines.of(begin + empty), record });
    }
}

/// Returns where the quotes of a table are unbalanced. The reader would tolerate that: a row that
/// is never closed would swallow everything after it.
fn misquoted(bytes: &[u8]) -> Option<(usize, &'static str)> {
    let mut at = 0;
    while at < bytes.len() {
        // `at` is the start of a cell here.
        if bytes[at] != b'"' {
            let end = bytes[at..].iter().position(|byte| matches!(byte, b',' | b'\r' | b'\n'));
            at += end? + 1;
            continue;
        }
        let begin = at;
        loop {
            let quote = bytes[at + 1..].iter().position(|byte| *byte == b'"');
            let Some(quote) = quote else { return Some((begin, "a quoted cell has no end")) };
            at += quote + 2;
            match bytes.get(at) {
                None => return None,
                // Two quotes stand for one in the text.
                Some(b'"') => {}
                Some(b',' | b'\r' | b'\n') => break at += 1,
                Some(_) => return Some((begin, "something follows the end of a quoted cell")),
            }
        }
    }
    None
}

fn fields(columns: &[(&str, bool)], record: &csv::StringRecord) -> Value {
    let cells = columns.iter().zip(record).filter(|(_, cell)| !cell.is_empty());
    let fields =
        cells.map(|((name, is_text), cell)| ((*name).to_owned(), csv_cell::read(cell, *is_text)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn unreadable(error: &csv::Error) -> Flaw {
    Flaw::malformed(match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the row has {len} cells and the first line {expected_len}")
        }
        csv::ErrorKind::Utf8 { err, .. } => {
            format!("cell {} is not valid UTF-8", err.field() + 1)
        }
        _ => error.to_string(),
    })
}

/// Returns the position of the next byte that is not white space.
fn next(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Counts lines, in one pass over the file.
struct Lines<'b> {
    bytes: &'b [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// Returns the line of the byte at `place`, which must not be before an earlier `place`.
    fn of(&mut self, place: usize) -> usize {
        let place = place.min(self.bytes.len());
        let passed = self.bytes[self.at.min(place)..place].iter();
        self.line += passed.filter(|byte| **byte == b'\n').count();
        self.at = place;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_engine::layout::{DefinitionFile, DefinitionFiles, Layout};
    use serde_json::json;

    fn rows(format: TableFormat, text: &str) -> Result<Vec<(usize, Option<Value>)>, usize> {
        let files = DefinitionFiles {
            gitsheets: vec![DefinitionFile {
                path: ".gitsheets/p.toml".into(),
                bytes: b"[gitsheet]\nroot = \"p\"\npath = \"${{ a }}\"\n\
                    [gitsheet.schema.properties.zip]\ntype = \"string\"\n"
                    .to_vec(),
            }],
            ..DefinitionFiles::default()
        };
        let layout = Layout::read(&files);
        let rows = read(format, text.as_bytes(), layout.sheet("p").unwrap());
        let row = |row: Row| (row.line, row.record.ok());
        rows.map(|rows| rows.into_iter().map(row).collect()).map_err(|(line, _)| line)
    }

    #[test]
    fn lines_of_json_are_counted_with_the_empty_ones() {
        let text = "{\"a\":1}\r\n\n  \n{\"a\":\n[2]\n";
        let expected = vec![(1, Some(json!({"a": 1}))), (4, None), (5, Some(json!([2])))];
        assert_eq!(rows(TableFormat::Ndjson, text), Ok(expected));
    }

    #[test]
    fn elements_of_an_array_are_known_by_their_first_lines() {
        let text = "\n[\n  {\n \"a\": 1\n  },\n\n  {\"a\": 2}, 3 ]\n";
        let expected =
            vec![(3, Some(json!({"a": 1}))), (7, Some(json!({"a": 2}))), (7, Some(json!(3)))];
        assert_eq!(rows(TableFormat::Json, text), Ok(expected));
        assert_eq!(rows(TableFormat::Json, " [ ] "), Ok(vec![]));
        for (text, line) in
            [("", 1), ("{}", 1), ("[1,\n2", 2), ("[1,\n{\n]", 3), ("[1\n2]", 2), ("[]\n\n1", 3)]
        {
            assert_eq!(rows(TableFormat::Json, text), Err(line), "{text}");
        }
    }

    #[test]
    fn rows_of_a_table_may_have_quotes_and_line_breaks() {
        let text =
            "a,\"b \"\"c\"\"\",zip\r\n1,\"x, \"\"y\"\"\nz\",02134\r\n\r\n\n2,,1\r\n3,4\r\n5,,\n";
        let expected = vec![
            (2, Some(json!({"a": 1, "b \"c\"": "x, \"y\"\nz", "zip": "02134"}))),
            (6, Some(json!({"a": 2, "zip": "1"}))),
            (7, None),
            (8, Some(json!({"a": 5}))),
        ];
        assert_eq!(rows(TableFormat::Csv, text), Ok(expected));
        assert_eq!(rows(TableFormat::Csv, "a,a\n1,2\n"), Err(1));
        assert_eq!(rows(TableFormat::Csv, "a,\n1,2\n"), Err(1));
        assert_eq!(rows(TableFormat::Csv, "a\n"), Ok(vec![]));
    }

    #[test]
    fn quotes_that_do_not_add_up_are_told_by_the_line_they_begin_in() {
        for (text, line) in [
            ("a,b\n1,\"x\n2,y\n3,z\n", 2),
            ("a,b\n1,\"x\n y\"\"\n2,z\n", 2),
            ("a,b\n1,x\n\"2\" ,y\n", 3),
            ("a,\"b\n", 1),
        ] {
            assert_eq!(rows(TableFormat::Csv, text), Err(line), "{text}");
        }
        let lone = vec![(2, Some(json!({"a": "5\" wide", "b": "x"})))];
        assert_eq!(rows(TableFormat::Csv, "a,b\n5\" wide,\"x\""), Ok(lone));
    }
}
