use serde_json::json;

use super::*;

fn decoded(format: Format, bytes: &[u8]) -> Result<serde_json::Value, Flaw> {
    decode(format, Framing { gitsheets: false, body: "body" }, bytes)
}

fn flaw(format: Format, bytes: &[u8]) -> (Rule, Option<u32>, Option<u32>) {
    let flaw = decoded(format, bytes).unwrap_err();
    assert!(!flaw.message.contains('\n') && !flaw.message.is_empty(), "{flaw:?}");
    (flaw.rule, flaw.line, flaw.column)
}

#[test]
fn toml_keeps_integers_and_writes_times_as_text() {
    let text = b"z = 1\na = 9223372036854775807\nt = 1979-05-27T00:32:00.500-07:00\n\
                 d = 1979-05-27\nn = nan\ni = -inf\nf = 1.5\n";
    let expected = json!({
        "a": 9_223_372_036_854_775_807_i64, "z": 1, "t": "1979-05-27T00:32:00.5-07:00",
        "d": "1979-05-27", "n": null, "i": null, "f": 1.5
    });
    for format in [Format::Toml10, Format::Toml11] {
        assert_eq!(decoded(format, text).unwrap(), expected, "{format:?}");
    }
}

#[test]
fn the_two_versions_of_toml_are_told_apart() {
    assert!(decoded(Format::Toml11, b"a = { b = 1,\n }\n").is_ok());
    assert_eq!(flaw(Format::Toml10, b"a = { b = 1,\n }\n").0, Rule::Malformed);
}

#[test]
fn the_keys_of_toml_come_sorted() {
    let table: toml_v08::Table = "b = 1\na = 2\n".parse().unwrap();
    assert_eq!(table.keys().collect::<Vec<_>>(), ["a", "b"], "preserve_order is on");
}

#[test]
fn every_malformed_file_tells_its_place() {
    let cases: [(Format, &[u8], u32); 10] = [
        (Format::Toml10, b"a = 1\nb = = 2\n", 2),
        (Format::Toml11, b"a = 1\na = 2\n", 2),
        (Format::Json, b"{\n \"a\": 1,\n}", 3),
        (Format::Json, b"{\n\"a\": 1,\n\"a\": 2}", 3),
        (Format::Json, b"{\n \"a\": tru\n}\n", 2),
        (Format::Json, b"", 1),
        (Format::Yaml, b"a: 1\nb: [1\nc: 2\n", 3),
        (Format::Yaml, b"a: 1\nb: 2\na: 3\n", 3),
        (Format::Markdown, b"+++\na = 1\nb = = 2\n+++\nx\n", 3),
        (Format::Markdown, b"---\na: 1\nb: [\n---\nx\n", 3),
    ];
    for (format, bytes, line) in cases {
        let (rule, at, column) = flaw(format, bytes);
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(rule, Rule::Malformed, "{text}");
        assert!(column.is_some(), "{text}");
        assert_eq!(at, Some(line), "{text}");
    }
}

#[test]
fn nesting_and_aliases_have_a_limit() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(300), close.repeat(300));
    let toml = format!("a = {}", deep("[", "]"));
    assert_eq!(flaw(Format::Toml10, toml.as_bytes()).0, Rule::TooDeep);
    assert_eq!(flaw(Format::Toml11, toml.as_bytes()).0, Rule::TooDeep);
    let key = vec!["a"; 40].join(".");
    let mixed = format!("{}b = 1{}", format!("{key} = {{ ").repeat(40), " }".repeat(40));
    assert_eq!(flaw(Format::Toml10, mixed.as_bytes()).0, Rule::TooDeep);
    assert_eq!(flaw(Format::Toml11, mixed.as_bytes()).0, Rule::TooDeep);
    let front = format!("+++\n{mixed}\n+++\nbody\n");
    assert_eq!(flaw(Format::Markdown, front.as_bytes()).0, Rule::TooDeep);
    // The deepest nesting allowed fits on the stack of a thread, even in an unoptimized build.
    for (tables, keys) in [(4, 19), (16, 4), (1, 78), (40, 1)] {
        let key = vec!["a"; keys].join(".");
        let fits = format!("{}b = 1{}", format!("{key} = {{ ").repeat(tables), " }".repeat(tables));
        assert!(decoded(Format::Toml10, fits.as_bytes()).is_ok(), "{tables} x {keys}");
        assert!(decoded(Format::Toml11, fits.as_bytes()).is_ok(), "{tables} x {keys}");
    }
    assert_eq!(flaw(Format::Json, deep("[", "]").as_bytes()).0, Rule::TooDeep);
    assert_eq!(flaw(Format::Yaml, deep("[", "]").as_bytes()).0, Rule::TooDeep);
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..9 {
        let aliases = vec![format!("*a{}", n - 1); 9].join(", ");
        bomb.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
    }
    assert_eq!(flaw(Format::Yaml, bomb.as_bytes()).0, Rule::TooDeep);
}

#[test]
fn yaml_is_the_core_schema_with_text_for_keys() {
    let text = b"no: no\nyes: on\n1: true\nnull_: ~\nanchor: &x {a: 1}\nalias: *x\nf: 1.5\n";
    let expected = json!({
        "no": "no", "yes": "on", "1": true, "null_": null, "anchor": {"a": 1}, "alias": {"a": 1},
        "f": 1.5
    });
    assert_eq!(decoded(Format::Yaml, text).unwrap(), expected);
    assert_eq!(flaw(Format::Yaml, b"").0, Rule::Malformed);
    assert_eq!(flaw(Format::Yaml, b"--- a\n--- b\n").0, Rule::Malformed);
}

#[test]
fn a_yaml_number_is_kept_as_it_was_or_is_a_text() {
    let text = b"zip: 02134\nbig: 1_000\noct: 0o17\nhex: 0xFF\nzero: 0\nhalf: 0.5\nnone: .nan\n\
                 all: -.inf\n";
    let expected = json!({
        "zip": "02134", "big": "1_000", "oct": 15, "hex": 255, "zero": 0, "half": 0.5, "none": null,
        "all": null
    });
    assert_eq!(decoded(Format::Yaml, text).unwrap(), expected);
}

#[test]
fn a_flaw_of_yaml_is_told_to_whoever_wrote_it() {
    for (text, told, place) in [
        ("a: 1\na: 2\n", "a key occurs twice in one table", (2, 1)),
        ("--- a\n--- b\n", "there is more than one document", (2, 1)),
        ("a: {~: 1}\n", "a key is null", (1, 5)),
        ("a: 1\n: 2\n", "a key is null", (2, 1)),
        ("[a]: 1\n", "a key is a table or a list", (1, 1)),
        ("a: &x [*x]\n", "an alias refers to a value that contains it", (1, 8)),
        ("a: *x\n", "an alias has no anchor before it", (1, 4)),
        ("<<: [1]\n", "`<<` needs a table or a list of tables", (1, 5)),
        ("a: !!int x\n", "the value after `!!int` is not of this type", (1, 10)),
        ("a: !!map []\n", "the value after `!!map` is not of this type", (1, 10)),
        (
            "a:\n  - !!binary aGk=\n",
            "`!!binary` is not supported in a record: write a string",
            (2, 14),
        ),
        (
            "a: 18446744073709551616\n",
            "an integer has more than 64 bits: quote it to make it a string",
            (1, 4),
        ),
    ] {
        let flaw = decoded(Format::Yaml, text.as_bytes()).unwrap_err();
        assert_eq!(flaw.message, told, "{text}");
        assert_eq!((flaw.line, flaw.column), (Some(place.0), Some(place.1)), "{text}");
    }
}

#[test]
fn yaml_takes_tables_from_elsewhere_and_the_nearer_member_wins() {
    let text = b"x: &x {a: 1, b: 1}\ny: &y {a: 2, c: 2}\nz:\n  a: 0\n  <<: [*x, *y]\n\
                 l: [*x, &s text, *s]\n? &k key\n: *k\n\"<<\": 1\n";
    let expected = json!({
        "x": {"a": 1, "b": 1}, "y": {"a": 2, "c": 2}, "z": {"a": 0, "b": 1, "c": 2},
        "l": [{"a": 1, "b": 1}, "text", "text"], "key": "key", "<<": 1
    });
    assert_eq!(decoded(Format::Yaml, text).unwrap(), expected);
}

#[test]
fn a_tag_says_what_a_value_is_or_nothing() {
    let text = b"a: !!str 1\nb: !!set {x, y}\nc: !!omap [a: 1]\nd: !!timestamp 2024-05-01\n\
                 e: !secret token\nf: !Ref {g: 1}\nh: ! 12\ni: !!float 3\n";
    let expected = json!({
        "a": "1", "b": {"x": null, "y": null}, "c": [{"a": 1}], "d": "2024-05-01", "e": "token",
        "f": {"g": 1}, "h": "12", "i": 3.0
    });
    assert_eq!(decoded(Format::Yaml, text).unwrap(), expected);
}

#[test]
fn yaml_may_be_as_long_as_it_likes_and_its_aliases_not() {
    let flat: String = (0..60_000).map(|n| format!("- {{id: {n}, a: x}}\n")).collect();
    assert_eq!(decoded(Format::Yaml, flat.as_bytes()).unwrap().as_array().unwrap().len(), 60_000);
    let shared =
        |copies| format!("base: &b [{}]\nall: [{}]\n", "x,".repeat(1_000), "*b,".repeat(copies));
    assert!(decoded(Format::Yaml, shared(48).as_bytes()).is_ok());
    assert_eq!(flaw(Format::Yaml, shared(50).as_bytes()).0, Rule::TooDeep);
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(10_000), "*a,".repeat(1_000));
    assert_eq!(flaw(Format::Yaml, long.as_bytes()).0, Rule::TooDeep);
    let nested =
        |levels| format!("a: &a {}{}\nb: [[*a]]\n", "[".repeat(levels), "]".repeat(levels));
    assert!(decoded(Format::Yaml, nested(61).as_bytes()).is_ok());
    assert_eq!(flaw(Format::Yaml, nested(62).as_bytes()).0, Rule::TooDeep);
}

#[test]
fn a_line_of_yaml_belongs_to_what_it_is_indented_below() {
    for text in [
        "a: [b,\nc]\n",
        "a: \"b\nc\"\n",
        "a: 'b\n\n c\nd'\n",
        "a: {\nb\n:\nc\n}\n",
        "a:\n  b: [c,\n  d]\n",
        "- - [a,\n  {b: c,\nd: e}]\n",
    ] {
        assert_eq!(flaw(Format::Yaml, text.as_bytes()).0, Rule::Malformed, "{text}");
    }
    for text in [
        "a: [\n  b, # c\n# d\n\n  e\n]\n",
        "a:\n  b: {\n    c: d\n  }\n",
        "a: \"b\n\n  c\"\n",
        "[a,\nb]\n",
        "- [a,\n b]\n- \"c\n d\"\n",
        "-\n  [a,\n   b]\n",
        "a:\n- [b,\n c]\n",
        "a: b\n  c\n",
    ] {
        assert!(decoded(Format::Yaml, text.as_bytes()).is_ok(), "{text}");
    }
}

#[test]
fn an_integer_beyond_64_bits_is_told_and_never_rounded() {
    for (format, before, behind) in [
        (Format::Json, "{\"s\": \"\\\"1\", \"f\": [1e30, ", "]}"),
        (Format::Yaml, "f: 1e30\na: ", ""),
        (Format::Toml10, "f = 1e30\na = ", ""),
        (Format::Toml11, "f = 1e30\na = ", ""),
    ] {
        let with = |number: &str| format!("{before}{number}{behind}");
        for number in ["18446744073709551616", "-9223372036854775809", "100000000000000000000000"] {
            let text = with(number);
            let flaw = decoded(format, text.as_bytes()).unwrap_err();
            let line = text.split('\n').count();
            assert_eq!((flaw.rule, flaw.line), (Rule::Malformed, u32::try_from(line).ok()));
        }
        for number in
            ["9223372036854775807", "-9223372036854775808", "1e19", "123456789012345678901.5"]
        {
            let text = with(number);
            assert!(decoded(format, text.as_bytes()).is_ok(), "{text}");
        }
    }
    let text = b"[18446744073709551615]";
    assert_eq!(decoded(Format::Json, text).unwrap(), json!([u64::MAX]));
}

#[test]
fn a_second_byte_order_mark_is_told_in_every_format() {
    for (format, text) in [
        (Format::Toml10, "a = 1"),
        (Format::Toml11, "a = 1"),
        (Format::Json, "{}"),
        (Format::Yaml, "a: 1"),
        (Format::Markdown, "text"),
    ] {
        let marked = |marks: usize| "\u{feff}".repeat(marks) + text;
        assert!(decoded(format, marked(1).as_bytes()).is_ok(), "{format:?}");
        assert_eq!(flaw(format, marked(2).as_bytes()), (Rule::Malformed, Some(1), Some(1)));
    }
}

#[test]
fn a_file_that_is_not_text_or_not_here_is_told() {
    assert_eq!(flaw(Format::Toml10, b"a = 1\nb = \"\xff\"").0, Rule::NotUtf8);
    assert_eq!(flaw(Format::Json, b"\n\xff"), (Rule::NotUtf8, Some(2), Some(1)));
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    assert_eq!(flaw(Format::Yaml, pointer).0, Rule::LfsPointer);
    assert_eq!(decoded(Format::Json, b"\xef\xbb\xbf{}").unwrap(), json!({}));
}

#[test]
fn gitsheets_markdown_is_taken_apart_to_the_byte() {
    let cases = [
        ("+++\na = 1\n+++\n\nbody\n", json!({"a": 1, "body": "body"})),
        ("+++\na = 1\n+++\nbody\n", json!({"a": 1, "body": "body"})),
        ("+++\na = 1\n+++\n\n\n\nbody\n\n\n", json!({"a": 1, "body": "body\n\n"})),
        ("+++\na = 1\n+++\n\n    code\n", json!({"a": 1, "body": "    code"})),
        ("+++\n+++\n\nb\n", json!({"body": "b"})),
        ("+++\na = 1\n", json!({"body": "a = 1\n"})),
        ("junk\n+++\na = 1\n+++\nb\n", json!({"a": 1, "body": "b"})),
        ("+++ \na=1\n+++\t\nb", json!({"a": 1, "body": "b"})),
        ("++++\n+++ x\n +++\n", json!({"body": "++++\n+++ x\n +++\n"})),
        ("+++\nslug = \"empty\"\n+++\n\n\n", json!({"slug": "empty", "body": ""})),
        ("\u{feff}plain\n", json!({"body": "plain\n"})),
        ("+++\r\na = 1\r\n+++\r\nbody\r\n", json!({"a": 1, "body": "body\r"})),
        ("+++\na = 1\n+++\nx\n+++\ny\n", json!({"a": 1, "body": "x\n+++\ny"})),
    ];
    for (text, expected) in cases {
        let framing = Framing { gitsheets: true, body: "body" };
        let found = decode(Format::Markdown, framing, text.as_bytes());
        assert_eq!(found.as_ref(), Ok(&expected), "{text:?}");
    }
}

#[test]
fn other_markdown_begins_with_its_front_matter_or_has_none() {
    let cases = [
        ("---\na: 1\n---\n\nbody\n", json!({"a": 1, "body": "body"})),
        ("+++\na = 1\n+++\nbody\n", json!({"a": 1, "body": "body"})),
        ("# Title\n\n---\ntext\n", json!({"body": "# Title\n\n---\ntext"})),
        ("---\n---\nbody", json!({"body": "body"})),
        ("---\na: 1\n...\nbody\n", json!({"a": 1, "body": "body"})),
        ("---\n# later\n  # a: 1\n\n---\nbody\n", json!({"body": "body"})),
        ("+++\n# later\n+++\nbody\n", json!({"body": "body"})),
        ("+++\na = 1\n+++\n...\n", json!({"a": 1, "body": "..."})),
        ("---\r\na: 1\r\n---\r\n\r\nOne\r\ntwo\r\n", json!({"a": 1, "body": "One\r\ntwo"})),
        ("One\r\n", json!({"body": "One"})),
        ("", json!({"body": ""})),
    ];
    for (text, expected) in cases {
        assert_eq!(decoded(Format::Markdown, text.as_bytes()).as_ref(), Ok(&expected), "{text:?}");
    }
    assert_eq!(flaw(Format::Markdown, b"---\na: 1\n").0, Rule::Malformed);
    assert_eq!(flaw(Format::Markdown, b"---\n- a\n---\n").0, Rule::Malformed);
}

#[test]
fn front_matter_is_found_in_every_form_that_site_generators_read() {
    let expected = json!({"a": 1, "body": "body"});
    for text in [
        "---toml\na = 1\n---\nbody\n",
        "--- yaml \na: 1\n---\t\n\nbody\n",
        "---yml\na: 1\n...\nbody\n",
        "---json\n{\"a\": 1}\n---\nbody\n",
        ";;;\n{\"a\": 1}\n;;;\nbody\n",
        ";;;\n\"a\": 1\n;;;\nbody\n",
        "{\"a\": 1}\nbody\n",
        "{\n  \"a\": 1\n}\r\n\r\nbody\r\n",
        "```toml\na = 1\n```\n\nbody\n",
        "``` yaml\na: 1\n```\nbody",
        "```json\n{\"a\":1}\n```\nbody\n",
        "\n \n---\na: 1\n---\nbody\n",
        "<!-- licence -->\n\n<!-- a\nb --> \n+++\na = 1\n+++\nbody\n",
        "\u{feff}---\na: 1\n---\nbody\n",
    ] {
        assert_eq!(decoded(Format::Markdown, text.as_bytes()).as_ref(), Ok(&expected), "{text:?}");
    }
    let (braces, text) = (r#"{"a":"}\\\"{"}"#, "{\"a\":\"}\\\\\\\"{\"}");
    assert_eq!(braces, text);
    let value = decoded(Format::Mdx, format!("{braces}\n  body").as_bytes());
    assert_eq!(value, Ok(json!({"a": "}\\\"{", "body": "  body"})));
    for body in [
        "{{< figure >}}",
        "{% include x %}",
        "{/* comment */}",
        "{\"text\"}",
        "{\"a\": 1} and more",
        "{.class}",
        "```rust\nfn\n```",
        "\n```toml\na = 1\n```",
        "<!-- open\n---\na: 1\n---",
        "----\n\ntext\n\n----",
        "--- a\nb",
    ] {
        let value = decoded(Format::Mdx, body.as_bytes());
        assert_eq!(value, Ok(json!({ "body": body })), "{body:?}");
    }
    for (text, line) in [
        ("```toml\na = 1\n", 1),
        ("\n\n;;;\n{}\n", 3),
        ("<!-- a\nb -->\n---\na: 1\nb: [\n---\nx\n", 5),
        ("---json\n{\n\"a\": tru\n}\n---\n", 3),
        ("{\"a\": 1,\n \"a\": 2}\n", 2),
        ("```json\n[1]\n```\n", 2),
    ] {
        let (rule, at, _) = flaw(Format::Markdown, text.as_bytes());
        assert_eq!((rule, at), (Rule::Malformed, Some(line)), "{text:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_decoder_panics_on_any_bytes(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        text in r#"[ \[\]{}:,"'+\-=#&*!|>%@`a-c0-9\n\t.~?]{0,120}"#,
    ) {
        for format in [Format::Toml10, Format::Toml11, Format::Json, Format::Yaml, Format::Mdx] {
            for gitsheets in [false, true] {
                for input in [&bytes[..], text.as_bytes()] {
                    let _ = decode(format, Framing { gitsheets, body: "body" }, input);
                }
            }
        }
    }
}

#[test]
fn a_flaw_always_has_a_message() {
    let flaw = toml_1_0(b"\r\0 1\n").unwrap_err();
    assert_eq!((flaw.message.as_str(), flaw.line), ("unexpected content", Some(1)));
}

#[test]
fn lists_of_tables_within_each_other_nest_twice_as_deep_as_their_headers() {
    let headers = |depth: usize| -> String {
        (1..=depth).map(|depth| format!("[[{}]]\n", vec!["a"; depth].join("."))).collect()
    };
    for format in [Format::Toml10, Format::Toml11] {
        assert!(decoded(format, headers(50).as_bytes()).is_ok(), "{format:?}");
        assert_eq!(flaw(format, headers(51).as_bytes()).0, Rule::TooDeep, "{format:?}");
    }
}
