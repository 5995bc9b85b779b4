use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::id::Key;
use crate::layout::{DefinitionFile, DefinitionFiles, Layout, RenderError, RootEntry};
use crate::pointer::Pointer;

fn any_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e9..1e9_f64).prop_map(Json::from),
        "[ -~\n\t\"'\\\\é\r#:+-]{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = "[a-zA-Z0-9_. \"':#-]{0,4}";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(key, inner, 0..4).prop_map(Json::from_iter),
        ]
    })
}

/// Any table that every format can hold.
pub(super) fn any_record() -> impl Strategy<Value = Json> {
    prop::collection::btree_map("[a-z\"é]{0,3}", any_value(), 0..6).prop_map(Json::from_iter)
}

/// Returns the sheet `people` with a definition below `[gitsheet]`.
fn people(definition: &str) -> Layout {
    let text = format!("[gitsheet]\nroot = \"people\"\n{definition}");
    let file = DefinitionFile { path: ".gitsheets/people.toml".into(), bytes: text.into() };
    sound(DefinitionFiles { gitsheets: vec![file], ..Default::default() })
}

/// Returns the sheet `people` with a definition in `headwater.toml`.
fn own(definition: &str) -> Layout {
    let text = format!("[sheets.people]\n{definition}");
    let file = DefinitionFile { path: "headwater.toml".into(), bytes: text.into() };
    sound(DefinitionFiles { headwater: Some(file), ..Default::default() })
}

fn sound(files: DefinitionFiles) -> Layout {
    let layout = Layout::read(&files);
    assert_eq!(layout.problems().collect::<Vec<_>>(), [] as [&Problem; 0]);
    layout
}

const SLUG: &str = "path = \"${{ slug }}\"\n";

/// Returns a Markdown sheet, with additions to its `format` table.
fn posts(format: &str) -> Layout {
    people(&format!("{SLUG}[gitsheet.format]\ntype = \"markdown\"\nbody = \"body\"\n{format}"))
}

/// Encodes a record at the path where its sheet stores it.
fn at_home(
    layout: &Layout,
    record: &Json,
    before: Option<&str>,
) -> Result<(String, Json), EncodeError> {
    let spec = layout.sheet("people").unwrap();
    let path = path_of(spec, record, Some(&Key::new("x"))).unwrap();
    let encoded = encode(spec, &path, record, before.map(str::as_bytes))?;
    let value = serde_json::from_str(encoded.value.as_str()).unwrap();
    Ok((String::from_utf8(encoded.bytes).unwrap(), value))
}

fn written(layout: &Layout, record: Json) -> String {
    let (text, value) = at_home(layout, &record, None).unwrap();
    // Writing the value that was read produces the same text.
    assert_eq!(at_home(layout, &value, Some(&text)).unwrap(), (text.clone(), value));
    text
}

fn refused_as(layout: &Layout, record: Json) -> EncodeError {
    at_home(layout, &record, None).unwrap_err()
}

#[test]
fn a_record_of_gitsheets_is_canonical_whatever_stood_there() {
    let layout = people(SLUG);
    let record = json!({"slug": "x", "email": "jane@x.org", "legacyId": 31618});
    let expected = "email = \"jane@x.org\"\nlegacyId = 31618\nslug = \"x\"\n";
    assert_eq!(written(&layout, record.clone()), expected);
    let before = "# Hers.\r\nslug   = 'x'\nlegacyId = 31_618\nemail = 'jane@x.org'";
    assert_eq!(at_home(&layout, &record, Some(before)).unwrap().0, expected);
}

#[test]
fn every_step_of_a_record_is_taken_in_order() {
    let layout = people(
        "path = \"${{ slug }}\"\n[gitsheet.fields.tags]\nsort = true\n[gitsheet.fields.l]\n\
         sort = \"return 0\"\n[gitsheet.schema]\nrequired = [\"slug\", \"email\"]\n\
         [gitsheet.schema.properties.slug]\npattern = \"^[a-z]+$\"\n\
         [gitsheet.schema.properties.email]\ntype = \"string\"\nformat = \"email\"\n",
    );
    let sorted = written(&layout, json!({"slug": "x", "email": "a@b.org", "tags": ["B", "a"]}));
    assert_eq!(sorted, "email = \"a@b.org\"\nslug = \"x\"\ntags = [\"a\", \"B\"]\n");
    // Null counts as absent before the schema is checked.
    let EncodeError::Invalid { issues } =
        refused_as(&layout, json!({"slug": "A", "email": null, "l": [2, 1]}))
    else {
        panic!("not refused by the schema")
    };
    let places: Vec<_> = issues.iter().map(|i| (i.pointer.as_str(), i.rule.as_str())).collect();
    assert_eq!(places, [("", "required"), ("/slug", "pattern")]);
    let unsorted = json!({"slug": "x", "email": "a@b.org", "l": [2, 1]});
    assert_eq!(refused_as(&layout, unsorted), EncodeError::SortScript { field: "l".into() });
}

#[test]
fn a_markdown_body_is_formatted_and_framed() {
    let layout = posts("");
    let record = |body: &str| json!({"slug": "x", "body": body});
    let framed = |body: &str| format!("+++\nslug = \"x\"\n+++\n\n{body}");
    for (body, expected) in [
        ("hello *there*\n\n\n*  a\n*  b\n", "hello _there_\n\n- a\n- b\n"),
        ("", "\n"),
        ("   ", "\n"),
        ("a\r\nb\r\n", "a b\n"),
        ("hard  \nbreak", "hard\\\nbreak\n"),
        ("*it* __bo__ ***both*** c*d*e", "_it_ **bo** _**both**_ c*d*e\n"),
        ("1) a\n2) b", "1. a\n2. b\n"),
        ("T\n===\nS\n---", "# T\n\n## S\n"),
        ("~~~\nx\n~~~", "```\nx\n```\n"),
        ("\tcode\there", "    code\there\n"),
        ("a\tb", "a\tb\n"),
        ("text\n# H\ntext", "text\n\n# H\n\ntext\n"),
        ("+++\nx\n+++\ny", "+++\nx\n+++\n\ny\n"),
        ("|a|b|\n|-|:-:|\n|1|22|", "| a |  b  |\n| - | :-: |\n| 1 | 22  |\n"),
    ] {
        assert_eq!(written(&layout, record(body)), framed(expected), "{body:?}");
    }
    let layout = posts("normalize = false");
    assert_eq!(written(&layout, record("hi *x*")), framed("hi *x*\n"));
    // A reader assigns one newline to the framing, so the next writer sees one less.
    assert_eq!(at_home(&layout, &record("hi\n\n"), None).unwrap().0, framed("hi\n\n"));
}

#[test]
fn a_title_is_the_first_heading_of_the_formatted_body() {
    let layout = posts("title = \"title\"");
    let framed = |front: &str, body: &str| format!("+++\nslug = \"x\"\n{front}+++\n\n{body}");
    for (body, front, expected) in [
        ("Hello, world\n====\n\nBody.", "title = \"Hello, world\"\n", "# Hello, world\n\nBody.\n"),
        ("Hello *w*\n===", "title = \"Hello _w_\"\n", "# Hello _w_\n"),
        ("no heading", "", "no heading\n"),
        ("```\n# x\n```", "title = \"x\"\n", "```\n# x\n```\n"),
    ] {
        let record = json!({"slug": "x", "body": body});
        assert_eq!(written(&layout, record), framed(front, expected), "{body:?}");
    }
    let disagrees = EncodeError::TitleDisagrees { field: "title".into() };
    for (title, body) in [("X".into(), "# Y"), ("X".into(), ""), (json!(5), "none")] {
        let record = json!({"slug": "x", "title": title, "body": body});
        assert_eq!(refused_as(&layout, record), disagrees, "{title} {body}");
    }
    // The path uses the given fields, not derived ones.
    let layout = people(
        "path = \"${{ title }}\"\n[gitsheet.format]\ntype = \"mdx\"\nbody = \"body\"\n\
         title = \"title\"",
    );
    let spec = layout.sheet("people").unwrap();
    let path = path_of(spec, &json!({"title": "A", "body": "# A"}), None);
    assert_eq!(path.unwrap(), "people/A.mdx");
    path_of(spec, &json!({"body": "# A"}), None).unwrap_err();
}

#[test]
fn headings_are_found_line_by_line() {
    let text = |body| body::first_heading(body).map(|heading| heading.text);
    for (body, heading) in [
        ("a\n# B \t\n# C", Some("B")),
        ("#  A", Some(" A")),
        ("# A #", Some("A #")),
        ("#   \n", Some(" ")),
        ("# \n", None),
        ("#\tA", None),
        ("## A", None),
        ("# A\r\n# B", Some("B")),
        ("", None),
    ] {
        assert_eq!(text(body), heading, "{body:?}");
    }
}

#[test]
fn a_body_must_be_given_and_be_a_text() {
    for layout in [posts(""), own("format = \"markdown\"")] {
        let field = || "body".to_owned();
        let missing = EncodeError::BodyMissing { field: field() };
        assert_eq!(refused_as(&layout, json!({"slug": "x"})), missing);
        assert_eq!(refused_as(&layout, json!({"slug": "x", "body": null})), missing);
        let error = refused_as(&layout, json!({"slug": "x", "body": 5}));
        assert_eq!(error, EncodeError::BodyNotText { field: field() });
    }
}

#[test]
fn a_body_is_refused_whose_emphasis_would_take_the_formatter_minutes() {
    use super::body::formatted;
    let marks = "*a_".repeat(30_000);
    let refused = EncodeError::Refused {
        message: "a paragraph has more than 50000 of `*`, `_` and `~`".to_owned(),
    };
    // No line that seems blank ends the paragraph, only one that is.
    for body in
        [marks.clone(), marks.replace("a_*a", "a_\n\u{a0}\n*a"), marks.replace("a_*a", "a_\n>\n*a")]
    {
        assert_eq!(formatted(&body), Err(refused.clone()), "{}", &body[..20]);
    }
    assert!(formatted(&("*a_".repeat(500) + "\n\n").repeat(3)).is_ok());
}

#[test]
fn a_table_is_refused_that_the_formatter_would_make_very_much_larger() {
    let layout = posts("");
    let table = |rows: usize, width: usize| {
        let wide = format!("| {} | b |\n| - | - |\n", "a".repeat(width));
        json!({"slug": "x", "body": wide + &"| a | b |\n".repeat(rows)})
    };
    assert!(written(&layout, table(100, 1_000)).len() > 100_000);
    for (rows, width) in [(10_000, 5_000), (5_000, 10_000)] {
        let error = refused_as(&layout, table(rows, width));
        assert!(error.to_string().contains("padded to more than 16 MiB"), "{error}");
    }
}

#[test]
fn a_patch_merges_what_is_in_tables_and_takes_the_place_of_all_else() {
    let layout = own("format = \"json\"");
    let spec = layout.sheet("people").unwrap();
    for (record, patch, expected) in [
        (json!({"a": 1, "b": 2}), json!({"a": null, "c": 3}), json!({"b": 2, "c": 3})),
        (json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": null}}), json!({"a": {"c": 2}})),
        (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
        (
            json!({"a": [1, 2]}),
            json!({"a": {"b": null, "c": {"d": null}}}),
            json!({"a": {"c": {}}}),
        ),
        (json!({"a": 1}), json!({"a": {}, "b": {"c": 1}}), json!({"a": {}, "b": {"c": 1}})),
        (json!({"a": 1}), json!([1]), json!([1])),
    ] {
        assert_eq!(patched(spec, "people/x.json", &record, &patch), expected, "{record} {patch}");
    }
}

#[test]
fn front_matter_that_would_end_early_is_refused_and_a_body_with_fences_is_not() {
    let layout = posts("");
    for text in ["a\n+++\nb", "+++ \nb"] {
        let record = json!({"slug": "x", "l": [{"s": text}], "body": ""});
        let error = refused_as(&layout, record);
        assert_eq!(
            error,
            EncodeError::Fence { pointer: Pointer::of(["l", "0", "s"]), fence: "+++" },
            "{text:?}"
        );
    }
    written(&layout, json!({"slug": "x", "s": "+++", "t": "a\n+++", "body": "a\n\n+++\n\nb"}));
    let (front, before) = (json!({"s": "a\n+++\nb", "body": ""}), Some("+++\n+++\n"));
    let error = at_home(&own("format = \"markdown\""), &front, before).unwrap_err();
    assert_eq!(error, EncodeError::Fence { pointer: Pointer::of(["s"]), fence: "+++" });
    let (front, before) = (json!({"s": "a\n```\nb", "body": ""}), Some("```toml\n```\n"));
    let error = at_home(&own("format = \"markdown\""), &front, before).unwrap_err();
    assert_eq!(error, EncodeError::Fence { pointer: Pointer::of(["s"]), fence: "```" });
}

#[test]
fn what_nests_deeper_than_anybody_reads_is_refused() {
    let nested = |depth| (0..depth).fold(json!(1), |inside, _| json!({ "a": inside }));
    for layout in [people(SLUG), own("format = \"json\""), own("format = \"yaml\"")] {
        let deep = |depth| refused_as(&layout, json!({"slug": "x", "a": nested(depth)}));
        assert_eq!(deep(DEPTH), EncodeError::TooDeep);
        written(&layout, json!({"slug": "x", "a": nested(50)}));
    }
    let error = refused_as(&own("format = \"yaml\""), json!({"a": nested(DEPTH - 1)}));
    assert!(matches!(error, EncodeError::Unreadable { .. }), "{error}");
}

#[test]
fn a_body_that_nests_without_end_is_formatted_or_refused() {
    let layout = posts("");
    for unit in [">", "- ", "* ", "[", "![", "*", "_", "`", "1. ", "<a>", "\\", "|", "#", "(", "~"]
    {
        for times in [100, 30_000] {
            let record = json!({"slug": "x", "body": format!("{}x", unit.repeat(times))});
            match at_home(&layout, &record, None) {
                Ok(_) | Err(EncodeError::Refused { .. }) => {}
                Err(error) => assert_eq!(error, EncodeError::TooDeep, "{unit}"),
            }
        }
    }
    let record = json!({"slug": "x", "body": format!("{}x", "> ".repeat(101))});
    assert_eq!(refused_as(&layout, record), EncodeError::TooDeep);
}

#[test]
fn own_markdown_keeps_its_framing_and_its_body() {
    let layout = own("format = \"markdown\"");
    let record = json!({"a": 1, "body": "*  x"});
    assert_eq!(written(&layout, record.clone()), "---\na: 1\n---\n\n*  x\n");
    assert_eq!(written(&layout, json!({"body": "*  x"})), "*  x\n");
    for body in ["--- \nx", "{\"a\": 1}\nx", "```yaml\na: 1\n```\nx", ";;;\nx", "{}"] {
        let framed = format!("---\n---\n\n{body}\n");
        assert_eq!(written(&layout, json!({ "body": body })), framed, "{body:?}");
    }
    for (before, expected) in [
        ("+++ \nb = 2\n+++\r\nold\n", "+++ \na = 1\n+++\r\n*  x\n"),
        ("+++\na = 1 # one\n+++\n\n\nold", "+++\na = 1 # one\n+++\n\n\n*  x\n"),
        ("---\n# one\na: 2 # two\n---\n*  x", "---\n# one\na: 1 # two\n---\n*  x"),
        ("---\na: 1\n---", "---\na: 1\n---\n\n*  x\n"),
        ("---\n\n---\nx\n", "---\na: 1\n---\n*  x\n"),
        ("old", "---\na: 1\n---\n\n*  x\n"),
        ("---\nbroken\n", "---\na: 1\n---\n\n*  x\n"),
        ("---\r\na: 2\r\n---\r\n\r\nold\r\n", "---\r\na: 1\r\n---\r\n\r\n*  x\r\n"),
        ("---\na: 2\n...\nold\n", "---\na: 1\n...\n*  x\n"),
        ("---\n# a: 0\n---\nold\n", "---\na: 1\n---\n*  x\n"),
        ("+++\n# one\na = 2 # two\n+++\nold\n", "+++\n# one\na = 1 # two\n+++\n*  x\n"),
        ("```toml\n# one\na = 2\n```\n\nold\n", "```toml\n# one\na = 1\n```\n\n*  x\n"),
        ("---toml\na = 2\n---\nold\n", "---toml\na = 1\n---\n*  x\n"),
        ("--- yaml\na: 2 # two\n---\nold\n", "--- yaml\na: 1 # two\n---\n*  x\n"),
        ("---json\n{ \"a\": 2 }\n---\nold\n", "---json\n{ \"a\": 1 }\n---\n*  x\n"),
        (";;;\n  \"a\": 2\n;;;\n\nold\n", ";;;\n  \"a\": 1\n;;;\n\n*  x\n"),
        ("{\n\t\"a\": 2\n}\n\nold", "{\n\t\"a\": 1\n}\n\n*  x\n"),
        ("<!-- c -->\n---\na: 2\n---\nold\n", "<!-- c -->\n---\na: 1\n---\n*  x\n"),
    ] {
        assert_eq!(at_home(&layout, &record, Some(before)).unwrap().0, expected, "{before:?}");
    }
    let unchanged = "\u{feff}---\nb:   2\n# c\n---\r\n\r\n\n  text\n\n";
    let spec = layout.sheet("people").unwrap();
    let value = spec.decode("people/x.md", unchanged.as_bytes()).unwrap();
    let value = serde_json::from_str(value.as_str()).unwrap();
    assert_eq!(at_home(&layout, &value, Some(unchanged)).unwrap().0, unchanged);
}

#[test]
fn own_toml_is_changed_in_place_and_keeps_what_is_native() {
    let layout = own("");
    let before = "t = 07:32 # sharp\nd = 1979-05-27\nn = nan\nb = { c = 1,\n }\n";
    let spec = layout.sheet("people").unwrap();
    let value = spec.decode("people/x.toml", before.as_bytes()).unwrap();
    let mut value: Json = serde_json::from_str(value.as_str()).unwrap();
    let (text, read) = at_home(&layout, &value, Some(before)).unwrap();
    assert_eq!((&*text, read), (before, value.clone()));
    value["d"] = "1980-01-01".into();
    let (text, read) = at_home(&layout, &value, Some(before)).unwrap();
    assert_eq!((text, read), (before.replace("1979-05-27", "1980-01-01"), value.clone()));
    value["z"] = json!({"y": [{"x": 1}], "w": null});
    let (text, _) = at_home(&layout, &value, Some(before)).unwrap();
    assert!(text.ends_with("\n }\n\n[z]\n\n[[z.y]]\nx = 1\n"), "{text}");
    assert_eq!(refused_as(&layout, json!({"a": [null]})).pointer().as_str(), "/a/0");
}

#[test]
fn a_schema_of_an_own_sheet_is_checked_and_its_list_kept() {
    let layout = own("format = \"yaml\"\nschema = { properties = { a = { type = \"integer\" } } }");
    assert_eq!(written(&layout, json!({"a": 1, "b": null})), "a: 1\nb: null\n");
    let error = refused_as(&layout, json!({"a": "x"}));
    assert_eq!(error.pointer().as_str(), "/a");
    assert!(error.to_string().contains("integer"), "{error}");
    assert_eq!(refused_as(&own(""), json!([1])), EncodeError::NotATable);
    let error = refused_as(&own("format = \"json\""), json!("text"));
    assert!(matches!(error, EncodeError::Unreadable { .. }), "{error}");
}

#[test]
fn a_record_that_does_not_belong_at_its_path_is_refused() {
    let layout = people(SLUG);
    let spec = layout.sheet("people").unwrap();
    let error = encode(spec, "people/y.toml", &json!({"slug": "x"}), None).unwrap_err();
    let EncodeError::Invalid { issues } = error else { panic!("{error}") };
    assert_eq!((&*issues[0].pointer, &*issues[0].rule), ("/slug", "path_mismatch"));
    let error = encode(spec, "people/x.yaml", &json!({"slug": "x"}), None).unwrap_err();
    assert_eq!(error, EncodeError::UnknownFormat { path: "people/x.yaml".into() });
}

#[test]
fn a_path_is_the_root_the_template_and_the_extension() {
    let path = |layout: &Layout, record: Json| {
        path_of(layout.sheet("people").unwrap(), &record, Some(&Key::new("a/b.c")))
    };
    assert_eq!(path(&people(SLUG), json!({"slug": "x"})).unwrap(), "people/x.toml");
    assert_eq!(path(&posts(""), json!({"slug": "x"})).unwrap(), "people/x.md");
    assert_eq!(path(&own("format = \"yaml\""), json!({})).unwrap(), "people/a/b.c.yaml");
    assert_eq!(path(&own("root = \"\""), json!({})).unwrap(), "a/b.c.toml");
    let own_path = own("root = \"r\"\npath = \"${{ a }}\"\nformat = \"json\"");
    assert_eq!(path(&own_path, json!({"a": 1})).unwrap(), "r/1.json");
    let told = own("root = \"r\"\npath = \"${{ a }}/${{ b }}\"\nformat = \"json\"");
    assert_eq!(path(&told, json!({})).unwrap(), "r/a/b.c.json");
    assert_eq!(path(&told, json!({"a": "x", "b": null})).unwrap(), "r/x/b.c.json");
    let bundle = own("root = \"r\"\npath = \"${{ a }}/${{ b }}/index\"\nformat = \"json\"");
    assert_eq!(path(&bundle, json!({"b": "y"})).unwrap(), "r/a/y/index.json");
    let flat = own("root = \"r\"\npath = \"${{ a }}\"\nformat = \"json\"");
    assert!(path(&flat, json!({})).is_err(), "a key of another shape tells nothing");
    assert!(path(&people(SLUG), json!({})).is_err(), "nor does one of gitsheets");
    let none = path_of(own("").sheet("people").unwrap(), &json!({}), None);
    assert_eq!(none, Err(RenderError::NoTemplate));
}

#[test]
fn a_sheet_that_nothing_declares_takes_toml_by_key() {
    let folder = |name: &str| RootEntry { name: name.into(), is_folder: true };
    let root = vec![folder("people"), folder("root")];
    let layout = sound(DefinitionFiles { root, ..Default::default() });
    let path = |sheet: &str, key: &str| {
        let key = Key::new(key);
        path_of(layout.sheet(sheet).unwrap(), &json!({}), Some(&key)).map_err(|e| e.to_string())
    };
    assert_eq!(path("people", "jane").unwrap(), "people/jane.toml");
    assert_eq!(path("root", "jane").unwrap(), "jane.toml");
    assert_eq!(path("root", "a/b").unwrap(), "root/a/b.toml");
    assert!(path("root", "headwater").unwrap_err().contains("writes cannot change"));
    for key in ["", "a//b", "../x", "/x", "x/", ".git/x", "con", &"x".repeat(251)] {
        assert!(path("people", key).is_err(), "{key}");
    }
}

#[test]
fn no_record_can_be_where_sheets_are_defined() {
    let file =
        |text: &str| DefinitionFile { path: ".gitsheets/all.toml".into(), bytes: text.into() };
    let definition = file("[gitsheet]\npath = \"${{ a }}/${{ b }}\"\n");
    let layout = sound(DefinitionFiles { gitsheets: vec![definition], ..Default::default() });
    let record = json!({"a": ".gitsheets", "b": "all"});
    let error = path_of(layout.sheet("all").unwrap(), &record, None).unwrap_err();
    assert!(error.to_string().contains("writes cannot change"), "{error}");
}

#[test]
fn a_patch_merges_removes_and_replaces() {
    let layout = people(SLUG);
    let spec = layout.sheet("people").unwrap();
    // The examples of RFC 7396.
    for (record, patch, expected) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (json!({"a": "b"}), json!(null), json!(null)),
    ] {
        assert_eq!(patched(spec, "ada.toml", &record, &patch), expected, "{record} {patch}");
    }
}

#[test]
fn a_patch_of_mixed_files_gives_a_body_to_markdown_alone() {
    let folder = RootEntry { name: "people".into(), is_folder: true };
    let layout = sound(DefinitionFiles { root: vec![folder], ..Default::default() });
    let spec = layout.sheet("people").unwrap();
    let after = |path| patched(spec, path, &json!({"a": 1}), &json!({"a": 2}));
    assert_eq!(after("people/x.toml"), json!({"a": 2}));
    assert_eq!(after("people/x.md"), json!({"a": 2, "body": ""}));
}

#[test]
fn a_patch_keeps_title_and_body_together() {
    let layout = posts("title = \"title\"\nnormalize = false");
    let spec = layout.sheet("people").unwrap();
    let after = |body: &str, patch: Json| -> Result<(Json, Json), String> {
        let (_, record) = at_home(&layout, &json!({"slug": "x", "body": body}), None).unwrap();
        let record = patched(spec, "x.md", &record, &patch);
        let (_, record) = at_home(&layout, &record, None).map_err(|error| error.pointer())?;
        Ok((record["title"].clone(), record["body"].clone()))
    };
    for (body, patch, title, expected) in [
        ("# Y \n\nb", json!({"title": "X"}), json!("X"), "# X\n\nb"),
        ("a\n# Y\n# Z", json!({"title": "X"}), json!("X"), "a\n# X\n# Z"),
        ("b", json!({"title": "X"}), json!("X"), "# X\n\nb"),
        ("", json!({"title": "X"}), json!("X"), "# X"),
        ("# Y", json!({"body": "# X"}), json!("X"), "# X"),
        ("# Y", json!({"body": "b"}), Json::Null, "b"),
        ("# Y", json!({"body": null}), Json::Null, ""),
        ("# Y", json!({"body": "# X", "title": "X"}), json!("X"), "# X"),
        ("# Y", json!({"n": 1}), json!("Y"), "# Y"),
    ] {
        assert_eq!(after(body, patch.clone()), Ok((title, expected.into())), "{body} {patch}");
    }
    assert_eq!(after("# Y", json!({"body": "# X", "title": "Z"})), Err("/title".into()));
    assert_eq!(after("# Y", json!({"title": 5})), Err("/title".into()));
}

proptest! {
    #[test]
    fn every_format_reads_back_what_is_written(
        old in any_record(),
        new in any_record(),
        body in "[ -~\né]{0,20}",
        format in 0..4_usize,
    ) {
        let layout = own(["", "format = \"json\"", "format = \"yaml\"", "format = \"markdown\""][format]);
        let spec = layout.sheet("people").unwrap();
        let record = |mut record: Json| {
            if format == 3 {
                record["body"] = body.trim().into();
            }
            record
        };
        let (old, new) = (record(old), record(new));
        let (first, value) = at_home(&layout, &old, None).unwrap();
        prop_assert_eq!(&value, &old);
        let (second, value) = at_home(&layout, &new, Some(&first)).unwrap();
        prop_assert_eq!(&value, &new);
        prop_assert_eq!(at_home(&layout, &new, Some(&second)).unwrap().0, second);
        let path = ["x.toml", "x.json", "x.yaml", "x.md"][format];
        prop_assert_eq!(patched(spec, path, &new, &json!({})), new);
    }

    #[test]
    fn a_body_of_gitsheets_is_written_alike_again(
        body in "([#*+>-]|1\\.)? [a-zé]{1,6}( \\*?[a-z]{1,4})?(\n\n?([*-]|##)? ?[a-z]{1,6}){0,5}"
    ) {
        written(&posts("title = \"title\""), json!({"slug": "x", "body": body}));
    }

    #[test]
    fn whatever_the_formatter_makes_of_a_body_reads_back(body in "[ -~\n\t\ré#*>+`|\\[\\]-]{0,60}") {
        let layout = posts("title = \"title\"");
        match at_home(&layout, &json!({"slug": "x", "body": body}), None) {
            Ok((_, value)) => prop_assert_eq!(&value["slug"], "x"),
            Err(error) => prop_assert!(matches!(error, EncodeError::Refused { .. }), "{}", error),
        }
    }
}
