use proptest::prelude::*;
use serde_json::json;

use serde_json::Map;

use super::*;

fn written(record: &Json, before: Option<&str>) -> String {
    super::written(record, before).unwrap()
}

#[test]
fn a_file_with_numbers_that_are_read_as_null_is_edited_and_never_rewritten() {
    let record = json!({"f": 1, "w": null, "m": [null], "t": "a .inf"});
    for (before, expected) in [
        ("f: 0\nw: .inf\nm: [-.INF]\nt: a .inf\n", Some("f: 1\nw: .inf\nm: [-.INF]\nt: a .inf\n")),
        ("{f: 0, w: .inf, m: [null], t: a .inf}\n", None),
        ("{f: 0, w: null, m: [.nan], t: a .inf}\n", None),
        (
            "{f: 0, w: null, m: [null], t: a .inf}\n",
            Some("f: 1\nm:\n  - null\nt: a .inf\nw: null\n"),
        ),
        (
            "{f: 0, w: null, m: [null, .inf], t: x}\n",
            Some("f: 1\nm:\n  - null\nt: a .inf\nw: null\n"),
        ),
        ("{f: 0, w: null, m: [.inf, 1], t: x}\n", None),
    ] {
        let found = super::written(&record, Some(before));
        assert_eq!(found.as_deref(), expected.ok_or(&EncodeError::NotFinite), "{before}");
    }
}

#[test]
fn a_number_that_is_read_as_null_is_kept_or_the_change_is_refused_also_in_brackets() {
    let a = |x: Json| json!({"a": {"p": x, "q": 2}, "b": 0});
    for (before, record, expected) in [
        ("a: {p: .inf, q: 1}\nb: 0\n", a(json!(null)), None),
        ("a: {\"p\":.inf, q: 1}\nb: 0\n", a(json!(null)), None),
        ("a: {p: !!float .nan, q: 1}\nb: 0\n", a(json!(null)), None),
        ("a: {p: .inf, q: 1}\nb: 0\n", a(json!(7)), Some("a: {p: 7, q: 2}\nb: 0\n")),
        ("a: {p: null, q: .inf}\nb: 0\n", a(json!(null)), Some("a: {p: null, q: 2}\nb: 0\n")),
        ("a: {p: '.inf', q: 1}\nb: 0\n", a(json!(".inf")), Some("a: {p: \".inf\", q: 2}\nb: 0\n")),
        ("a:\n  p: .inf\n  q: 1\nb: 0\n", a(json!(null)), Some("a:\n  p: .inf\n  q: 2\nb: 0\n")),
    ] {
        let found = super::written(&record, Some(before));
        assert_eq!(found.as_deref(), expected.ok_or(&EncodeError::NotFinite), "{before}");
    }
}

#[test]
fn a_new_file_has_blocks_and_sorted_keys() {
    let record = json!({
        "b": {"c": 1, "a": []}, "a": ["x", {"w": 1, "v": {"z": 2}}, [1, [2]], {}],
        "t": "one\ntwo\n", "u": "one\n\ntwo", "v": null
    });
    let expected = "a:\n  - x\n  - v:\n      z: 2\n    w: 1\n  - - 1\n    - - 2\n  - {}\n\
                    b:\n  a: []\n  c: 1\nt: |\n  one\n  two\nu: |-\n  one\n\n  two\nv: null\n";
    assert_eq!(written(&record, None), expected);
    assert_eq!(written(&json!(["a"]), None), "- a\n");
    assert_eq!(written(&json!({}), None), "{}\n");
}

#[test]
fn a_text_that_looks_like_something_else_is_quoted() {
    for text in [
        "",
        "no",
        "NO",
        "yes",
        "on",
        "y",
        "null",
        "~",
        "true",
        "1.0",
        "1",
        "0x1f",
        "1e3",
        ".inf",
        "2026-01-01",
        "- a",
        "a: b",
        "a #b",
        "#a",
        " a",
        "a ",
        "a:",
        "*a",
        "&a",
        "!a",
        "[a",
        "{a",
        "'a",
        "\"a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "?",
        "<<",
        "=",
        "a\tb",
        "a\rb",
        "a\u{85}b",
        "\u{feff}a",
        "---",
        "...",
        "\u{7f}",
        "\u{1}",
        "a\u{2028}b",
        "Infinity",
        "nan",
        "é\\",
    ] {
        let record = json!({ "k": text, text: 1 });
        let yaml = written(&record, None);
        assert_eq!(decode::yaml(yaml.as_bytes()).unwrap(), record, "{yaml}");
        assert_ne!(yaml, format!("k: {text}\n{text}: 1\n"), "{text:?}");
    }
    for text in ["plain", "it's", "https://example.org/a#b", "a-b_c", "Ünï", "two words"] {
        assert_eq!(written(&json!({ "k": text }), None), format!("k: {text}\n"));
    }
}

const FILE: &str = "# Who it is.\n---\nname: Jane   # as she writes it\n\n# The rest.\ntags:\n- a # first\n- b\naddress:\n    # Where.\n    city: \"Berlin\"\n    zip: 10115\n\nbio: |\n  One.\n  # no comment\n\n  Two.\nempty: {}\n# The end.\n";

fn changed(change: impl FnOnce(&mut Map<String, Json>)) -> String {
    let mut record = decode::yaml(FILE.as_bytes()).unwrap();
    change(record.as_object_mut().unwrap());
    let text = written(&record, Some(FILE));
    assert_eq!(decode::yaml(text.as_bytes()).unwrap(), record, "{text}");
    text
}

#[test]
fn what_did_not_change_keeps_its_bytes() {
    assert_eq!(changed(|_| {}), FILE);
    let text = changed(|record| record["name"] = "Joan".into());
    assert_eq!(text, FILE.replace("Jane", "Joan"));
    let text = changed(|record| record["name"] = "a: b".into());
    assert_eq!(text, FILE.replace("Jane", "\"a: b\""));
    let text = changed(|record| record["address"]["zip"] = "10115".into());
    assert_eq!(text, FILE.replace("10115", "\"10115\""));
    let text = changed(|record| record["address"]["to"] = json!({"x": 1}));
    let expected = FILE.replace("10115\n", "10115\n    to:\n        x: 1\n");
    assert_eq!(text, expected);
    let text = changed(|record| record["tags"] = json!(["a", "c"]));
    assert_eq!(text, FILE.replace("- b", "- c"));
    let text = changed(|record| drop(record.remove("bio")));
    assert_eq!(text, FILE.replace("bio: |\n  One.\n  # no comment\n\n  Two.\n", ""));
    let text = changed(|record| drop(record.insert("more".into(), json!([1]))));
    assert_eq!(text, FILE.replace("# The end", "more:\n- 1\n# The end"));
    let text = changed(|record| record["empty"] = json!({"a": 1}));
    assert_eq!(text, FILE.replace("{}", "\n    a: 1").replace("empty: ", "empty:"));
}

#[test]
fn a_change_keeps_the_notation_and_the_comment_of_what_it_changes() {
    const FILE: &str = "born: 1990-05-01 # then\nat: 2024-05-01 09:00:00 -0500\nname: \"Ann\"  # full\n\
        code: '012'   # post\ntags: [a, \"b, c\"] # all\nplace: {x: 1} # where\nlist:\n    # why\n    - one # 1\n    \
        - two # 2\n\n    - 'three' # 3\nmen:\n- name: Bo # his\n  age: 1\n- name: Cy\n  # about\n  age: 2\n\
        empty: # none\nnote: |\n  long\n  text\n";
    for (field, value, from, to) in [
        ("born", json!("1991-05-01"), "1990-05-01", "1991-05-01"),
        ("born", json!("unknown"), "1990-05-01", "unknown"),
        ("born", json!("12"), "1990-05-01", "\"12\""),
        ("at", json!("2025-05-01T09:00:00Z"), "2024-05-01 09:00:00 -0500", "2025-05-01T09:00:00Z"),
        ("name", json!("Bea # \"x\""), "\"Ann\"", "\"Bea # \\\"x\\\"\""),
        ("code", json!("it's"), "'012'", "'it''s'"),
        ("code", json!(7), "'012'", "7"),
        ("code", json!(["a"]), " '012'   # post", "   # post\n    - a"),
        ("tags", json!(["a", "d", "e, f"]), "[a, \"b, c\"]", "[a, d, \"e, f\"]"),
        ("tags", json!([]), "[a, \"b, c\"]", "[]"),
        ("place", json!({"x": 2, "z": "a"}), "{x: 1}", "{x: 2, z: a}"),
        ("list", json!(["one", "2", "three"]), "two", "\"2\""),
        ("list", json!(["one", "two", "four"]), "'three'", "'four'"),
        ("list", json!(["one", "two", "three", "four"]), "# 3\n", "# 3\n    - four\n"),
        ("list", json!(["zero", "one", "two", "three"]), "list:\n", "list:\n    - zero\n"),
        ("list", json!(["one", "three"]), "    - two # 2\n\n", "\n"),
        ("men", json!([{"name": "Bo", "age": 1}, {"name": "Cy", "age": 3}]), "age: 2", "age: 3"),
        ("men", json!([{"name": "Al", "age": 1}, {"name": "Cy", "age": 2}]), "Bo", "Al"),
        ("men", json!([{"name": "Cy", "age": 2}]), "- name: Bo # his\n  age: 1\n", ""),
        ("men", json!([{"age": 1}, {"name": "Cy", "age": 2}]), "- name: Bo # his\n  age", "- age"),
        ("empty", json!("full"), "empty: #", "empty: full #"),
        ("note", json!("short"), "|\n  long\n  text", "short"),
    ] {
        let mut record = decode::yaml(FILE.as_bytes()).unwrap();
        record[field] = value;
        let text = written(&record, Some(FILE));
        assert_eq!(text, FILE.replacen(from, to, 1), "{field}");
        assert_eq!(decode::yaml(text.as_bytes()).unwrap(), record);
    }
}

#[test]
fn lines_that_end_in_carriage_returns_stay_so() {
    let before = "a: 1\r\nb:\r\n  - x\r\n";
    let text = written(&json!({"a": 2, "b": ["x"], "c": ["z"]}), Some(before));
    assert_eq!(text, "a: 2\r\nb:\r\n  - x\r\nc:\r\n  - z\r\n");
}

#[test]
fn a_file_that_is_not_understood_is_written_afresh() {
    let record = json!({"a": {"x": 1}, "b": {"x": 2}});
    for before in [
        "a: &x {x: 1}\nb: *x\n",
        "{a: {x: 1}, b: {x: 1}}\n",
        "? a\n: {x: 1}\n",
        "a: [",
        "base: &x\n  x: 1\na: *x\nb: *x\n",
    ] {
        let text = written(&record, Some(before));
        assert_eq!(decode::yaml(text.as_bytes()).unwrap(), record, "{text}");
    }
    let kept = "x: &x {x: 1}\na: *x\n";
    let text = written(&json!({"x": {"x": 1}, "a": {"x": 1}, "c": 1}), Some(kept));
    assert_eq!(text, format!("{kept}c: 1\n"));
}

proptest! {
    #[test]
    fn what_is_written_reads_back_and_is_written_alike(
        old in super::super::tests::any_record(),
        new in super::super::tests::any_record(),
    ) {
        let before = written(&old, None);
        prop_assert_eq!(&decode::yaml(before.as_bytes()).unwrap(), &old);
        prop_assert_eq!(&written(&old, Some(&before)), &before);
        let text = written(&new, Some(&before));
        prop_assert_eq!(&decode::yaml(text.as_bytes()).unwrap(), &new);
        prop_assert_eq!(&written(&new, Some(&text)), &text);
    }
}
