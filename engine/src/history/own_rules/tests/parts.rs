//! Files of which sheets read parts.

use super::*;

const RULES: &str = "headwater.toml";
const PATH: &str = "data/d.json";
const PEOPLE: &str = "[sheets.people]\n";
const ITEMS: &str =
    "[sheets.items]\nfile = \"data/d.json\"\nrecords = \"/items\"\nkey = \"${{ k }}\"\n";
const STAFF: &str =
    "[sheets.staff]\nfile = \"data/d.json\"\nrecords = \"/staff\"\nkey = \"${{ k }}\"\n";
const DOCS: &str = "[sheets.docs]\nroot = \"data\"\nformat = \"json\"\npath = \"${{ slug }}\"\n";
const PRIVATE: &str = "public = false\n";

/// Returns what is told of `record` of a file whose second part has a row that was hidden twice,
/// where there was such a rule, and not the third time. Then the definitions changed from `then` to
/// `now`, and then the row again.
fn told_of(record: (&str, &str), then: &str, now: &str) -> Vec<(usize, Event)> {
    let file = |n: usize| {
        let gone = if n < 2 { ", \"gone\": true" } else { "" };
        // The first part has a row of the same key.
        format!(
            "{{\"items\": [{{\"k\": \"ann\"}}], \"staff\": [{{\"k\": \"ann\", \"n\": {n}{gone}}}]}}"
        )
    };
    let files: Vec<String> = (0..4).map(file).collect();
    let (then, now) = (format!("{PEOPLE}{then}"), format!("{PEOPLE}{now}"));
    let steps: [Step<'_>; 5] = [
        &[(RULES, Some(&then)), (PATH, Some(&files[0]))],
        &[(PATH, Some(&files[1]))],
        &[(PATH, Some(&files[2]))],
        &[(RULES, Some(&now))],
        &[(PATH, Some(&files[3]))],
    ];
    told(record, &steps)
}

#[test]
fn what_another_part_of_its_file_showed_is_no_version_of_a_record() {
    let all = [(4, Modified), (2, Modified), (1, Modified), (0, Added)];
    let last = [(4, Modified)];
    let since = [(4, Modified), (2, Added)];
    let both = format!("{ITEMS}{STAFF}");
    let hiding = format!("{both}hidden = \"gone\"\n");
    let (ann, d) = (("staff", "ann"), ("docs", "d"));
    let crew = both.replace("staff]", "crew]");
    let private_items = format!("{ITEMS}{PRIVATE}{STAFF}");
    // Each row: the record, the definitions then, and now, and what is told.
    for (case, record, then, now, expected) in [
        ("in no sheet", ann, ITEMS, &*both, &last[..]),
        ("in a private sheet", ann, &format!("{both}{PRIVATE}"), &both, &last),
        ("hidden", ann, &hiding, &both, &since),
        ("hidden, and the other part is in no sheet now", ann, &hiding, STAFF, &since),
        ("in a public sheet", ann, &both, STAFF, &all),
        ("in a public sheet of another name", ann, &crew, &both, &all),
        ("in a public sheet, and the other part is private now", ann, &both, &private_items, &all),
        (
            "in a sheet of another name, and the other part is private",
            ann,
            &crew,
            &private_items,
            &all,
        ),
        ("in less of the part", ann, &STAFF.replace("/staff", "/staff/0"), STAFF, &last),
        ("the whole, which is in no sheet now", ann, DOCS, &both, &last),
        ("the whole, which is in a sheet now too", ann, DOCS, &format!("{DOCS}{STAFF}"), &all),
        (
            "the whole, which hid itself",
            ann,
            &format!("{DOCS}hidden = \"items\"\n"),
            &format!("{DOCS}{STAFF}"),
            &last,
        ),
        ("one part of the whole, and the other in no sheet", d, ITEMS, DOCS, &last),
        (
            "one part of the whole, and the other private",
            d,
            &format!("{both}{PRIVATE}"),
            DOCS,
            &last,
        ),
        ("both parts of the whole", d, &both, DOCS, &last),
    ] {
        assert_eq!(told_of(record, then, now), *expected, "{case}");
    }
}

#[test]
fn a_row_does_not_stand_for_the_file_that_is_one_record_now() {
    let map = "[sheets.rows]\nfile = \"data/d.json\"\nrecords = \"map\"\npolicy = \"quarantine\"\n";
    let told = |note: [&str; 3]| {
        // A row has the name of the file.
        let file = |note: &str| format!("{{\"d\": {{\"n\": 1}}, \"note\": {note}}}");
        let files = note.map(file);
        let (then, now) = (format!("{PEOPLE}{map}"), format!("{PEOPLE}{DOCS}"));
        let steps: [Step<'_>; 4] = [
            &[(RULES, Some(&then)), (PATH, Some(&files[0]))],
            &[(PATH, Some(&files[1]))],
            &[(RULES, Some(&now))],
            &[(PATH, Some(&files[2]))],
        ];
        super::told(("docs", "d"), &steps)
    };
    // Not all of the file was a row.
    assert_eq!(told(["1", "2", "3"]), [(3, Modified)]);
    assert_eq!(
        told([r#"{"n": 1}"#, r#"{"n": 2}"#, r#"{"n": 3}"#]),
        [(3, Modified), (1, Modified), (0, Added)]
    );
}
