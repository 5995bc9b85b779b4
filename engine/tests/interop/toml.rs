//! Cases 1 to 16: records as TOML.

use headwater_engine::encode::toml;
use serde_json::json;

use crate::two_branches::{PEOPLE, PEOPLE_FILE, Twins, case, case_with, person};

/// Writes a text as the field `bio` of a record, and compares its line.
#[track_caller]
fn write_bio(twins: &mut Twins, bio: &str, expected: &str) {
    let expected = format!("bio = {expected}\nslug = \"x\"\n");
    twins.write(person(json!({"slug": "x", "bio": bio})), "people/x.toml", &expected);
    let read = json!({"x": {"slug": "x", "bio": bio}});
    assert_eq!((twins.our_records("people"), twins.their_records("people")), (read.clone(), read));
}

/// Writes the record `x`, and compares its file.
#[track_caller]
fn write_x(number: u8, record: serde_json::Value, expected: &str) {
    if let Some(mut twins) = case(number) {
        twins.write(person(record), "people/x.toml", expected);
    }
}

#[test]
fn a_record_is_a_file_of_its_fields() {
    let Some(mut twins) = case(1) else { return };
    let jane = person(json!({"slug": "jane", "email": "jane@x.org"}));
    twins.write(jane, "people/jane.toml", "email = \"jane@x.org\"\nslug = \"jane\"\n");
}

#[test]
fn a_record_written_by_both_in_another_order_has_one_blob_id_and_is_written_once() {
    let Some(mut twins) = case(2) else { return };
    // gitsheets gets the fields in the reverse order.
    let jane = person(json!({"slug": "jane", "email": "jane@x.org", "at": {"b": 1, "a": 2}}));
    twins.agree(jane.clone());
    twins.change_nothing(jane);
}

#[test]
fn the_style_of_a_number_is_not_kept() {
    let file = ("people/x.toml", "slug = \"x\"\nlegacyId = 31_618\n");
    let Some(mut twins) = case_with(3, &[(PEOPLE_FILE, PEOPLE), file]) else { return };
    let same = person(json!({"slug": "x", "legacyId": 31618}));
    twins.write(same, "people/x.toml", "legacyId = 31618\nslug = \"x\"\n");
}

#[test]
fn fields_are_in_the_order_of_their_bytes() {
    let record = json!({"slug": "x", "Z": 1, "B": 2, "_": 3, "1": 4});
    write_x(4, record, "1 = 4\nB = 2\nZ = 1\n_ = 3\nslug = \"x\"\n");
}

#[test]
fn a_text_with_one_kind_of_quote_is_in_the_other() {
    let Some(mut twins) = case(5) else { return };
    write_bio(&mut twins, r#"say "hi""#, r#"'say "hi"'"#);
    write_bio(&mut twins, "it's", r#""it's""#);
}

#[test]
fn a_text_with_both_kinds_of_quotes_is_in_three() {
    let Some(mut twins) = case(6) else { return };
    write_bio(&mut twins, r#"both ' and ""#, r#""""both ' and """""#);
}

#[test]
fn a_text_with_backslashes_is_literal() {
    let Some(mut twins) = case(7) else { return };
    write_bio(&mut twins, r"C:\dir\'x'", r"'''C:\dir\'x''''");
}

#[test]
fn a_carriage_return_is_escaped_in_a_text_of_lines() {
    let Some(mut twins) = case(8) else { return };
    write_bio(&mut twins, "l1\r\nl2", "\"\"\"\nl1\\r\nl2\"\"\"");
}

#[test]
fn a_quote_at_the_end_of_a_text_of_lines_stands_at_the_closing_quotes() {
    let Some(mut twins) = case(9) else { return };
    write_bio(&mut twins, "x\n\"", "\"\"\"\nx\n\"\"\"\"");
}

#[test]
fn numbers_keep_their_kind_and_have_no_exponent() {
    let record = json!({"slug": "x", "n": 1, "f": 1.0, "g": 1e22});
    let expected = "f = 1.0\ng = 10000000000000000000000.0\nn = 1\nslug = \"x\"\n";
    write_x(10, record, expected);
}

#[test]
fn dates_keep_their_kind_and_their_offset() {
    let text = "a = 1979-05-27T07:32:00.500Z\nb = 1979-05-27T07:32:00-07:00\nc = 1979-05-27\n\
                d = 07:32:00.25\ne = 1979-05-27 07:32:00\nslug = \"x\"\n";
    let files = [(PEOPLE_FILE, PEOPLE), ("people/x.toml", text)];
    let Some(mut twins) = case_with(11, &files) else { return };
    // JSON has no dates, so Headwater keeps the existing ones. Python has only one kind of date, so
    // gitsheets gets the text, and merges it with nothing.
    let same = person(twins.our_records("people")["x"].clone());
    let step = json!({"step": "restate", "sheet": "people", "path": "people/x.toml", "text": text});
    let (_, theirs) = twins.transact(&json!({"steps": [step]})).unwrap();
    assert_eq!(twins.ours(&[same]), theirs);
    twins.have_one_tree();
    let expected = text.replace(".500Z", ".5Z").replace("27 07", "27T07");
    assert_eq!(twins.file("people/x.toml").unwrap(), expected);
}

#[test]
fn an_empty_list_is_a_value_and_an_empty_table_a_header() {
    let record = json!({"slug": "x", "tags": [], "meta": {}});
    write_x(12, record, "slug = \"x\"\ntags = []\n\n[meta]\n");
}

#[test]
fn a_table_of_nothing_but_tables_has_no_header() {
    let record = json!({"slug": "x", "a": {"b": {"c": 1}}});
    write_x(13, record, "slug = \"x\"\n\n[a.b]\nc = 1\n");
}

#[test]
fn a_list_of_tables_is_a_block_for_each() {
    let record = json!({"slug": "x", "l": [{"b": 1}, {"b": 2}]});
    write_x(14, record, "slug = \"x\"\n\n[[l]]\nb = 1\n\n[[l]]\nb = 2\n");
}

#[test]
fn a_list_of_tables_and_more_is_one_line() {
    let record = json!({"slug": "x", "l": [1, {"b": 1}]});
    write_x(15, record, "l = [1, { b = 1 }]\nslug = \"x\"\n");
}

#[test]
fn null_is_absent_and_no_element_of_a_list() {
    let Some(mut twins) = case(16) else { return };
    let record = json!({"slug": "x", "bio": null, "addr": {"zip": null}});
    twins.write(person(record), "people/x.toml", "slug = \"x\"\n\n[addr]\n");
    let record = json!({"slug": "x", "l": [1, null]});
    twins.refuse(person(record.clone()), "ValueError");
    assert_eq!(toml(&record, None).unwrap_err().pointer().as_str(), "/l/1");
}
