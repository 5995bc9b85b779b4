//! Whole sheets imported and exported, without a server.

use std::process::Stdio;

use headwater_testkit::Upstream;
use serde_json::{Value, json};

use crate::commands::headwater;
use crate::harness::people;
use crate::offline::{House, json};

#[test]
fn bad_rows_are_told_by_their_lines_and_nothing_is_written() {
    let house = House::new(people());
    let table = house.file(
        "people.csv",
        "slug,name,bio\r\njoan,\"Clarke, Joan\",\"Said \"\"no\"\",\r\ntwice\"\r\n\r\n,Nameless,\r\n\
         too,many,cells,here\r\nada,Ada,\r\njoan,Again,\r\n",
    );
    let told = house.run(&["import", "people", &table], 65);
    for line in [
        format!("{table}:5: the path needs the field \"slug\""),
        format!("{table}:6: the row has 4 cells and the first line 3 [malformed]"),
        format!("{table}:8: line 2 already has the record joan [key_taken]"),
        "people: 3 bad of 5 rows: nothing changed".to_owned(),
    ] {
        assert!(told.contains(&line), "{line}: {told}");
    }
    assert_eq!(house.commits(), 1);
    let told = json(&house.run(&["import", "people", &table, "--skip-bad", "--json"], 1));
    let lines: Vec<_> = told["bad"].as_array().unwrap().iter().map(|bad| &bad["line"]).collect();
    assert_eq!(lines, [5, 6, 8]);
    assert_eq!(
        (&told["added"], &told["modified"], &told["same"]),
        (&json!(1), &json!(1), &json!(0))
    );
    let joan = json(&house.run(&["get", "people/joan"], 0));
    let expected = json!({"slug":"joan","name":"Clarke, Joan","bio":"Said \"no\",\r\ntwice"});
    assert_eq!(joan, expected);
    assert_eq!(house.commits(), 2);
    let cut = house.file("cut.json", "[\n{\"slug\": \"a\"},\n{\"slug\":\n");
    assert!(house.run(&["import", "people", &cut, "--skip-bad"], 65).contains("cut.json:"));
    assert!(house.run(&["import", "people", "-"], 64).contains("--format"));
}

#[test]
fn a_number_that_would_be_rounded_is_no_row_and_no_record() {
    let house = House::new(people());
    let rows = "{\"slug\":\"one\",\"n\":18446744073709551616}\n{\"slug\":\"two\",\"n\":7}\n";
    let ndjson = house.file("rows.ndjson", rows);
    let told = house.run(&["import", "people", &ndjson], 65);
    assert!(told.contains("rows.ndjson:1: an integer has more than 64 bits"), "{told}");
    let array = format!("[{}\n]", rows.trim_end().replace("}\n", "},\n"));
    let array = house.file("rows.json", array.as_str());
    let told = house.run(&["import", "people", &array], 65);
    assert!(told.contains("rows.json:1: an integer has more than 64 bits"), "{told}");
    assert_eq!(house.commits(), 1);
}

#[test]
fn a_list_goes_out_as_it_is_and_into_no_table() {
    let mut upstream = Upstream::new();
    upstream.commit("one").put("d/a.json", "[1, {\"b\": 2}]").put("d/b.json", "{\"c\": 3}").push();
    let house = House::new(upstream);
    let all = house.run(&["export", "d", "--format", "ndjson"], 0);
    assert_eq!(all, "[1,{\"b\":2}]\n{\"c\":3}\n");
    let all = json(&house.run(&["export", "d", "--format", "json"], 0));
    assert_eq!(all, json!([[1, {"b": 2}], {"c": 3}]));
    let told = house.run(&["export", "d", "--format", "csv"], 65);
    assert!(told.contains("the record a is a list, which has no columns"), "{told}");
    let told = house.run(&["export", "d", "--format", "ndjson", "--key", "k"], 65);
    assert!(told.contains("the record a is a list, which has no field for the key"), "{told}");
}

#[test]
fn rows_that_clash_with_other_records_are_bad() {
    let mut upstream = Upstream::new();
    let sheet = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n\
                 [headwater]\nunique = [\"mail\"]\n";
    upstream
        .commit("one")
        .put(".gitsheets/people.toml", sheet)
        .put("people/ada.toml", "mail = \"a@x.org\"\nslug = \"ada\"\n")
        .push();
    let house = House::new(upstream);
    let row = |slug: &str, mail: &str| json!({"slug": slug, "mail": mail}).to_string() + "\n";
    let rows = row("zoe", "a@x.org") + &row("aaron", "a@x.org");
    let rows = rows + &row("joan", "j@x.org") + &row("zora", "j@x.org");
    let import = ["import", "people", "-", "--format", "ndjson"];
    let unique = "the value of `mail` must be unique, and";
    assert_eq!(
        house.given(&import, &rows, 65),
        format!(
            "-:1: {unique} the record ada has it at /mail [not_unique]\n\
             -:2: {unique} the record ada has it at /mail [not_unique]\n\
             -:4: {unique} line 3 has it at /mail [not_unique]\n\
             people: 3 bad of 4 rows: nothing changed\n"
        )
    );
    assert_eq!(house.commits(), 1);
    let told = house.given(&[&import[..], &["--skip-bad"]].concat(), &rows, 1);
    assert!(told.contains("1 added, 0 modified, 0 unchanged, 3 skipped"), "{told}");
    let swapped = row("ada", "j@x.org") + &row("joan", "a@x.org");
    assert!(house.given(&import, &swapped, 0).contains("2 modified"), "rows may swap values");
    assert_eq!(house.run(&["query", "people"], 0).lines().count(), 2);
}

#[test]
fn what_is_imported_is_exported_the_same_in_every_format() {
    const RECORDS: usize = 3_000;
    let house = House::new(people());
    house.run(&["delete", "people/ada"], 0);
    house.run(&["delete", "people/grace"], 0);
    let record = |i: usize| {
        json!({
            "slug": format!("p{i:05}"), "age": i, "share": i as f64 / 8.0, "isNew": i.is_multiple_of(2),
            "name": format!("Pat, \"{i}\""), "zip": format!("{i:05}"), "text": i.to_string(),
            "bio": "two\nlines", "tags": ["a", i.to_string()], "place": {"x": i, "y": ""},
        })
    };
    let values: Vec<Value> = (0..RECORDS).map(record).collect();
    let lines: Vec<String> = values.iter().map(ToString::to_string).collect();
    let file = house.file("people.ndjson", &lines.join("\n"));
    let before = house.commits();
    let told = house.run(&["import", "people", &file], 0);
    assert!(told.starts_with("people: 3000 added, 0 modified, 0 unchanged: commit "), "{told}");
    assert_eq!(house.commits(), before + 1);
    assert_eq!(house.git(&["log", "-1", "--format=%s"]).trim(), "people: import 3000 records");
    let exported = house.run(&["export", "people"], 0);
    assert_eq!(exported.lines().map(json).collect::<Vec<_>>(), values);
    for format in ["ndjson", "json", "csv"] {
        let exported = house.run(&["export", "people", "--format", format], 0);
        let file = house.file(&format!("again.{format}"), &exported);
        let told = house.run(&["import", "people", &file], 0);
        let same = "people: 0 added, 0 modified, 3000 unchanged: nothing changed\n";
        assert_eq!(told, same, "{format}");
    }
    house.git(&["fsck", "--strict"]);
}

#[test]
fn a_field_holds_the_key_where_no_template_does() {
    let mut upstream = Upstream::new();
    upstream.commit("nothing declared").put("posts/2024/one.json", r#"{"title":"One"}"#).push();
    let house = House::new(upstream);
    let rows = "{\"id\":\"2024/one\",\"title\":\"Uno\"}\n{\"id\":\"two\",\"title\":\"Two\"}\n";
    let file = house.file("posts.ndjson", rows);
    assert!(
        house.run(&["import", "posts", &file], 65).contains("so the key must be given: use --key")
    );
    house.run(&["import", "posts", &file, "--key", "id"], 0);
    assert_eq!(house.run(&["export", "posts", "--key", "id"], 0), rows);
    assert_eq!(
        house.run(&["export", "posts", "--key", "id", "--format", "csv"], 0),
        "id,title\n2024/one,Uno\ntwo,Two\n"
    );
    house.run(&["export", "posts", "--key", "title"], 65);
}

#[test]
fn what_is_exported_of_a_list_is_imported_the_same_whatever_the_file() {
    let values: Vec<Value> = (0..40)
        .map(|n| json!({"id": format!("k{n:02}"), "n": n, "s": format!("a, {n}")}))
        .collect();
    let csv: String = (0..40).map(|n| format!("k{n:02},{n},\"a, {n}\"\n")).collect();
    let lines = |before: &str| -> String {
        values.iter().map(|value| format!("{before}{value}\n")).collect()
    };
    let toml: String =
        (0..40).map(|n| format!("[[r]]\nid = \"k{n:02}\"\nn = {n}\ns = \"a, {n}\"\n")).collect();
    for (path, text) in [
        ("d/all.csv", format!("id,n,s\n{csv}")),
        (
            "d/all.tsv",
            format!("id,n,s\n{csv}")
                .replace(", ", "\u{1}")
                .replace(',', "\t")
                .replace('\u{1}', ", ")
                .replace('"', ""),
        ),
        ("d/all.ndjson", lines("")),
        ("d/all.json", Value::from(values.clone()).to_string()),
        ("d/all.yaml", lines("- ")),
        ("d/all.toml", toml),
    ] {
        let mut upstream = Upstream::new();
        upstream.commit("one").put(path, &*text).push();
        let house = House::new(upstream);
        for format in ["ndjson", "json", "csv"] {
            let exported = house.run(&["export", "d", "--format", format], 0);
            let file = house.file(&format!("again.{format}"), &exported);
            let told = house.run(&["import", "d", &file], 0);
            let same = "d: 0 added, 0 modified, 40 unchanged: nothing changed\n";
            assert_eq!(told, same, "{format} into {path}");
        }
        let rows = "{\"id\":\"k07\",\"n\":-7,\"s\":\"new\"}\n{\"id\":\"k99\",\"n\":99}\n\
                    {\"id\":\"k03\",\"n\":3,\"s\":\"a, 3\"}\n";
        let told = house.given(&["import", "d", "-", "--format", "ndjson"], rows, 0);
        assert!(told.starts_with("d: 1 added, 1 modified, 1 unchanged: commit "), "{path}: {told}");
        assert_eq!(house.commits(), 2, "{path}");
        let changed = json(&house.run(&["get", "d/all/k07"], 0));
        assert_eq!(changed, json!({"id": "k07", "n": -7, "s": "new"}), "{path}");
        assert_eq!(json(&house.run(&["get", "d/all/k99"], 0)), json!({"id": "k99", "n": 99}));
        assert_eq!(house.run(&["query", "d"], 0).lines().count(), 41, "{path}");
    }
}

#[test]
fn rows_that_a_list_cannot_take_are_bad_and_others_go_in() {
    let mut upstream = Upstream::new();
    let sheets = "[sheets.d]\nfile = \"d/all.csv\"\nschema = { properties = { n = { maximum = 9 } } }\n\
                  [sheets.fresh]\nfile = \"fresh.yaml\"\n[sheets.map]\nfile = \"map.json\"\n\
                  records = \"map\"\n[sheets.places]\nfile = \"places.json\"\n";
    upstream
        .commit("one")
        .put("headwater.toml", sheets)
        .put("d/all.csv", "id,n\na,1\n")
        .put("places.json", "[{\"x\": 1}]")
        .push();
    let house = House::new(upstream);
    let import = |sheet| ["import", sheet, "-", "--format", "ndjson"];
    let rows = "{\"id\":\"b\",\"n\":2}\n{\"id\":\"c\",\"n\":10}\n{\"id\":\"d\",\"m\":1}\n\
                {\"n\":4}\n{\"id\":\"b\",\"n\":5}\n{\"id\":\"7\"}\n";
    let told = house.given(&import("d"), rows, 65);
    for line in [
        "-:2: ",
        "-:3: the file has no column for \"m\": its columns are id, n",
        "-:4: the record has no key in its file: it lacks a field",
        "-:5: line 1 already has the record b",
        "-:6: no cell can hold the value at /id: the cell would be read as 7",
        "d: 5 bad of 6 rows: nothing changed",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let told = house.given(&[&import("d")[..], &["--skip-bad"]].concat(), rows, 1);
    assert!(told.contains("d: 1 added, 0 modified, 0 unchanged, 5 skipped"), "{told}");
    assert_eq!(house.git(&["show", "HEAD:d/all.csv"]), "id,n\na,1\nb,2");
    // A file that is not there yet is made. What its first record decides is told of the others.
    let rows = "{\"id\":\"b\"}\n{\"id\":\"a\"}\n{\"name\":\"c\"}\n";
    let told = house.given(&[&import("fresh")[..], &["--skip-bad"]].concat(), rows, 1);
    assert!(told.contains("-:3: the record has no key in its file"), "{told}");
    assert_eq!(house.git(&["show", "HEAD:fresh.yaml"]), "- id: a\n- id: b");
    // Where fields do not say the key, another field of the rows does.
    let rows = "{\"k\":\"x\",\"n\":1}\n{\"k\":\"w\",\"n\":2}\n";
    assert!(
        house.given(&import("map"), rows, 65).contains("-:1: its fields do not determine its key")
    );
    let keyed = house.given(&[&import("map")[..], &["--key", "k"]].concat(), rows, 0);
    assert!(keyed.contains("map: 2 added"), "{keyed}");
    assert_eq!(
        house.run(&["export", "map", "--key", "k"], 0),
        "{\"k\":\"w\",\"n\":2}\n{\"k\":\"x\",\"n\":1}\n"
    );
    let again = house.given(&[&import("map")[..], &["--key", "k"]].concat(), rows, 0);
    assert!(again.contains("2 unchanged"), "{again}");
    assert!(house.given(&import("places"), "{\"x\":1}\n", 65).contains("use --key"));
    let placed = "{\"k\":\"1\",\"x\":2}\n{\"k\":\"2\",\"x\":3}\n";
    let placed = house.given(&[&import("places")[..], &["--key", "k"]].concat(), placed, 0);
    assert!(placed.contains("places: 1 added, 1 modified"), "{placed}");
}

#[test]
fn a_reader_who_has_enough_is_told_nothing() {
    use std::io::Read as _;
    let mut upstream = people();
    let bio = "x".repeat(20_000);
    let text = |i: u32| format!("bio = \"{bio}\"\nslug = \"p{i}\"\n");
    let files = (0..100).map(|i| (format!("people/p{i}.toml"), text(i)));
    upstream.commit_stream("more than a pipe holds", files);
    for format in ["ndjson", "csv"] {
        let mut command = headwater(&["export", "people", "--format", format, "--repo"]);
        command.arg(upstream.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0; 10]).unwrap();
        drop(out);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(70), &b""[..]), "{format}");
    }
}
