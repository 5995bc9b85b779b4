use serde_json::json;

use super::*;
use crate::decode::Format;
use crate::problem::Rule;

/// Cuts a text and reads its pieces. Returns the text of each value, or the position and message of
/// its flaw.
fn read(opened: Result<(Splitter, usize), Flaw>, text: &str) -> Vec<String> {
    let told = |flaw: Flaw| vec![format!("no list: {flaw}")];
    let (splitter, begin) = match opened {
        Ok(opened) => opened,
        Err(flaw) => return told(flaw),
    };
    let (mut at, mut found) = (begin, Vec::new());
    loop {
        match splitter.piece(text, begin, at) {
            Err(flaw) => return told(flaw),
            Ok(None) => return found,
            Ok(Some(Cut { body, end })) => {
                assert!(at <= body.start && body.end <= end && end > at, "{text:?} goes on");
                let value = splitter.read(&text[body]);
                found.push(value.map_or_else(|flaw| flaw.to_string(), |json| json.to_string()));
                at = end;
            }
        }
    }
}

fn rows(text: &str) -> Vec<String> {
    read(Splitter::rows(text, false, &|_| CellType::Found), text)
}

fn elements_of(text: &str) -> Vec<String> {
    let opened = Splitter::list(text).ok_or_else(|| Flaw::new(Rule::Malformed, "it is none"));
    read(opened, text)
}

#[test]
fn rows_are_read_as_rfc_4180_has_them() {
    let cases: &[(&str, &[&str])] = &[
        ("a,b\n1,x\n2,y\n", &[r#"{"a":1,"b":"x"}"#, r#"{"a":2,"b":"y"}"#]),
        ("a,b\r\n1,x\r\n\r\n2,y", &[r#"{"a":1,"b":"x"}"#, r#"{"a":2,"b":"y"}"#]),
        ("\n\na\n\n1\n\n", &[r#"{"a":1}"#]),
        ("a,b\n\"x\ny\",\"say \"\"hi\"\"\"\n", &[r#"{"a":"x\ny","b":"say \"hi\""}"#]),
        ("a,b\n\",\",\"\"\n", &[r#"{"a":","}"#]),
        ("a,b\nx\n", &[r#"{"a":"x"}"#]),
        ("a,b\n,\n", &["{}"]),
        ("a,b\n5\" wide,y\n", &[r#"{"a":"5\" wide","b":"y"}"#]),
        ("a,b\n x , y\n", &[r#"{"a":" x ","b":" y"}"#]),
        ("a;b\n1,5;2\n", &[r#"{"a":"1,5","b":2}"#]),
        ("a\tb\n1\t2\n", &[r#"{"a":1,"b":2}"#]),
        ("a|b\n1|2\n", &[r#"{"a":1,"b":2}"#]),
        ("\"a,b\";c\n1;2\n", &[r#"{"a,b":1,"c":2}"#]),
        ("'a';'b'\n'1;2';'it''s'\n", &[r#"{"a":"1;2","b":"it's"}"#]),
        ("a, b \n1,2\n", &[r#"{"a":1,"b":2}"#]),
        (
            "a,b\n1,2,3\n4,5\n",
            &["the row has more cells than the 2 columns at line 1 column 5", r#"{"a":4,"b":5}"#],
        ),
        (
            "a,b\n\"x\"y,2\n\"é\",\"z\" \n3,4\n",
            &[
                "something follows the end of a quoted cell at line 1 column 4",
                "something follows the end of a quoted cell at line 1 column 8",
                r#"{"a":3,"b":4}"#,
            ],
        ),
        ("a,b\n1,\"x\n2,y\n", &["no list: a quoted cell has no end at line 2 column 3"]),
        ("a,a\n1,2\n", &["no list: two columns are called \"a\" at line 1 column 3"]),
        ("a,\n1,2\n", &["no list: column 2 has no name at line 1 column 3"]),
        ("", &["no list: column 1 has no name at line 1 column 1"]),
        ("a\n", &[]),
        ("a", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(rows(text), *expected, "{text:?}");
    }
}

#[test]
fn cells_are_what_they_look_like_or_what_is_said() {
    let found = |text: &str| {
        let rows = rows(&format!("a\n{text}\n"));
        let value: Json = serde_json::from_str(&rows[0]).unwrap();
        value["a"].clone()
    };
    for number in ["7", "-1.5", "0", "18446744073709551615", "-9223372036854775808", "1.0"] {
        assert_eq!(found(number).to_string(), number);
    }
    for text in [
        "02134",
        "1e5",
        "+1",
        "-0",
        "1.50",
        ".5",
        "5.",
        "1e21",
        "18446744073709551616",
        "NaN",
        "-",
        "True",
        " 7",
        "1,5;",
        "0x10",
    ] {
        assert_eq!(found(&format!("\"{text}\"")), json!(text));
    }
    assert_eq!([found("true"), found("false")], [json!(true), json!(false)]);
    let of = |name: &str, text: &str| {
        let types = CellType::of_name(name).unwrap();
        let text = format!("a\n{text}\n");
        read(Splitter::rows(&text, false, &|_| types), &text).pop().unwrap()
    };
    assert_eq!(of("string", "7"), r#"{"a":"7"}"#);
    assert_eq!(of("number", "+1e2"), r#"{"a":100.0}"#);
    assert_eq!(of("integer", "007"), r#"{"a":7}"#);
    assert_eq!(
        of("integer", "7.5"),
        "the cell is not an integer of at most 64 bits at line 1 column 1"
    );
    assert_eq!(of("number", "x"), "the cell is not a number at line 1 column 1");
    assert_eq!(of("boolean", "true"), r#"{"a":true}"#);
    assert_eq!(of("boolean", "yes"), "the cell is neither true nor false at line 1 column 1");
    assert_eq!(of("date", "2024-05-31"), r#"{"a":"2024-05-31"}"#);
    assert_eq!(of("date", "2024-05-31T10:00:00Z"), r#"{"a":"2024-05-31T10:00:00Z"}"#);
    for text in ["31.5.2024", "2024-13-01", "2024-05-00", "2024-05-311"] {
        assert_eq!(of("date", text), "the cell is not a date at line 1 column 1", "{text}");
    }
}

#[test]
fn lines_are_values_each_by_itself() {
    let text = "\n{\"a\": 1}\r\n  \n {\"a\": [1,\n{\"b\": {}} \n7\n{\"b\": 1, \"b\": 2}";
    let expected = [
        r#"{"a":1}"#,
        "unexpected end of file at line 1 column 8",
        r#"{"b":{}}"#,
        "the line is not a table at line 1 column 1",
        "a key occurs twice in one object at line 1 column 16",
    ];
    let read = read(Ok(Splitter::lines(text)), text);
    for (read, expected) in read.iter().zip(expected) {
        let place = expected.find(" at line").filter(|_| expected.starts_with("unexpected"));
        match place {
            Some(_) => assert!(read.contains("line 1"), "{read}"),
            None => assert_eq!(read, expected),
        }
    }
    assert_eq!(read.len(), 5);
}

#[test]
fn elements_of_a_json_list_are_told_apart_by_their_brackets() {
    let cases: &[(&str, &[&str])] = &[
        ("[]", &[]),
        (" [ \n ] \n", &[]),
        ("[{\"a\": 1}, {\"b\": [2]}]", &[r#"{"a":1}"#, r#"{"b":[2]}"#]),
        ("[{\"a\": \"]},\\\"\"}\n,\n{}]", &[r#"{"a":"]},\""}"#, "{}"]),
        (
            "[{\"a\": 1, \"a\": 2}, {}]",
            &["a key occurs twice in one object at line 1 column 16", "{}"],
        ),
        (
            "[1, \"x\", {}]",
            &[
                "the element is not a table at line 1 column 1",
                "the element is not a table at line 1 column 1",
                "{}",
            ],
        ),
        ("[{},]", &["no list: an element is missing at line 1 column 5"]),
        ("[{},\n ]", &["no list: an element is missing at line 2 column 2"]),
        ("[,{}]", &["no list: an element is not followed by `,` or `]` at line 1 column 2"]),
        ("[{} {}]", &["no list: an element is not followed by `,` or `]` at line 1 column 5"]),
        ("[{}", &["no list: the list has no end at line 1 column 4"]),
        ("[{}] x", &["no list: something follows the list at line 1 column 6"]),
        ("[{\"a\": [1}]", &["no list: the brackets do not match at line 1 column 10"]),
        ("[{\"a]", &["no list: the brackets do not match at line 1 column 3"]),
        ("{}", &["no list: it is none"]),
        ("", &["no list: it is none"]),
    ];
    for (text, expected) in cases {
        assert_eq!(elements_of(text), *expected, "{text:?}");
    }
}

#[test]
fn a_list_says_by_itself_that_it_is_one() {
    let count = |format, text: &str| {
        let file = ParsedFile::for_readers(1);
        list(&file, format, text).map(|elements| elements.len())
    };
    for (text, expected) in [
        ("- a: 1\n- a: 2\n", Some(2)),
        ("# names\n---\n- a: 1\n", Some(1)),
        ("[]\n", Some(0)),
        ("a: 1\n---\na: 2\n...\n---\n", Some(2)),
        ("--- {a: 1}\n--- {a: 2}\n", Some(2)),
        ("- a: 1\n- 2\n", None),
        ("a: 1\n---\n2\n", None),
        ("a: 1\n", None),
        ("- a: [\n", None),
        ("a: |\n  x\n\n  ---\n", None),
        ("", None),
    ] {
        assert_eq!(count(Format::Yaml, text), expected, "{text:?}");
    }
    for (text, expected) in [
        ("[[a]]\nb = 1\n[[a]]\nb = 2\n", Some(2)),
        ("# names\n\n[[a]]\n[[a.b]]\nc = 1\n", Some(1)),
        ("[[a]]\nb = 1\n[c]\n", None),
        ("a = [{b = 1}]\n", None),
        ("[a]\nb = 1\n", None),
    ] {
        assert_eq!(count(Format::Toml11, text), expected, "{text:?}");
    }
}

#[test]
fn records_are_where_the_definition_says() {
    let told = |format, text: &str, records: &Records| -> Vec<String> {
        // The first reader copies its records, and the second one takes them.
        let file = ParsedFile::for_readers(2);
        let [copied, taken] = [(), ()].map(|()| {
            let found = elements(&file, format, text, records);
            file.finish();
            match found {
                Err(flaw) => vec![flaw.message],
                Ok(found) => found
                    .into_iter()
                    .map(|Element { name, value, place }| {
                        let value = value.map_or_else(|flaw| flaw.message, |json| json.to_string());
                        format!("{name:?} {value} {place:?}")
                    })
                    .collect(),
            }
        });
        assert_eq!(copied, taken);
        taken
    };
    let at = |names: &[&str]| Records::At(names.iter().map(|name| (*name).to_owned()).collect());
    let yaml = "- a: 1\n- 2\n\n-   a: 3\n";
    assert_eq!(
        told(Format::Yaml, yaml, &Records::Each),
        [
            "None {\"a\":1} Some((1, 3))",
            "None the element is not a table Some((2, 3))",
            "None {\"a\":3} Some((4, 5))",
        ]
    );
    let toml = "[[a]]\nb = 1\n\n[[a]]\nb = 2\n";
    let placed = told(Format::Toml11, toml, &Records::Each);
    assert_eq!(placed, ["None {\"b\":1} Some((1, 1))", "None {\"b\":2} Some((4, 1))"]);
    let map = "{\"x\": {\"a\": 1}, \"y\": 2}";
    assert_eq!(
        told(Format::Json, map, &Records::Map),
        ["Some(\"x\") {\"a\":1} None", "Some(\"y\") the member is not a table None",]
    );
    let deep = "{\"data\": [{\"items\": [{\"a\": 1}]}]}";
    assert_eq!(told(Format::Json, deep, &at(&["data", "0", "items"])), ["None {\"a\":1} None"]);
    assert_eq!(
        told(Format::Json, deep, &at(&["data", "0"])),
        ["Some(\"items\") the member is not a table None"]
    );
    for (records, message) in [
        (
            at(&["nothing"]),
            "there is no list or table of records at the place that the definition names",
        ),
        (
            at(&["data", "1"]),
            "there is no list or table of records at the place that the definition names",
        ),
        (Records::Each, "the file is not a list"),
    ] {
        assert_eq!(told(Format::Json, deep, &records), [message]);
    }
    assert_eq!(
        told(Format::Toml11, "[[a]]\n[[b]]\n", &Records::Each),
        ["the file is more than one list of tables"]
    );
}
