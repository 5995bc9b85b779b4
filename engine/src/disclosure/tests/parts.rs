//! Files of which sheets read parts.

use super::*;

const ITEMS: &str =
    "[sheets.items]\nfile = \"data/d.json\"\nrecords = \"/items\"\nkey = \"${{ k }}\"\n";
const STAFF: &str =
    "[sheets.staff]\nfile = \"data/d.json\"\nrecords = \"/staff\"\nkey = \"${{ k }}\"\n";
const DOCS: &str = "[sheets.docs]\nroot = \"data\"\nformat = \"json\"\npath = \"${{ id }}\"\n";
/// A sheet of another folder, so that no state is without definitions.
const KEEP: &str = "[sheets.keep]\nindex = [\"n\"]\n";

/// A file with a secret in one of its parts.
const FILE: (&str, &str) = (
    "data/d.json",
    r#"{"id": "d", "sealed": true, "items": [{"k": "i"}], "staff": [{"k": "x", "h": true}]}"#,
);
/// The same file without it.
const OPEN_FILE: (&str, &str) =
    ("data/d.json", r#"{"id": "d", "items": [{"k": "i"}], "staff": [{"k": "y"}]}"#);

/// Returns what is public of a state with the definitions `then` under the definitions `now`, of the
/// same file.
fn of_the_file(then: &str, now: &str) -> Vec<String> {
    let mut upstream = Upstream::new();
    let [then, now] = [then, now].map(|rules| {
        let rules = format!("{KEEP}{rules}");
        state(&mut upstream, &[("headwater.toml", &rules), FILE])
    });
    let mut shown = seen(&Disclosure::by(&now).of(&then).unwrap());
    shown.retain(|line| line != "keep: " && !line.starts_with('!'));
    shown
}

#[test]
fn a_part_of_a_file_is_shown_where_public_sheets_cover_it_now() {
    let both = format!("{ITEMS}{STAFF}");
    let private = "public = false\n";
    let staff_at = |pointer: &str| STAFF.replace("\"/staff\"", &format!("\"{pointer}\""));
    let whole = format!("{DOCS}{STAFF}{private}");
    // Each row: the definitions then, and now, and what is shown.
    for (case, then, now, expected) in [
        ("a part is in no sheet", &*both, ITEMS, &["items: i"][..]),
        ("a part is private", &both, &format!("{both}{private}"), &["items: i"]),
        (
            "a part hides records",
            &both,
            &format!("{both}hidden = \"h\"\n"),
            &["items: i", "staff: "],
        ),
        (
            "a part is in a sheet of another name",
            &both,
            &both.replace("staff]", "crew]"),
            &["items: i", "staff: x"],
        ),
        ("only a part is shown", DOCS, ITEMS, &[]),
        ("two parts are shown", DOCS, &both, &[]),
        ("it is shown whole", STAFF, DOCS, &["staff: x"]),
        ("it is shown whole, and a part is private", DOCS, &whole, &["docs: "]),
        ("it is shown whole, and that part is private", STAFF, &whole, &[]),
        ("it is private as a whole", ITEMS, &format!("{ITEMS}{DOCS}{private}"), &["items: "]),
        ("less of the part", STAFF, &staff_at("/staff/0"), &[]),
        ("more than the part", &staff_at("/staff/0"), STAFF, &["staff: "]),
        ("the sheet has another part", STAFF, &staff_at("/items"), &[]),
        ("the sheet has another file", STAFF, &STAFF.replace("d.json", "e.json"), &[]),
    ] {
        assert_eq!(of_the_file(then, now), *expected, "{case}");
    }
}

#[test]
fn a_row_of_a_file_that_is_hidden_as_a_whole_now_is_not_shown() {
    let notes = |more: &str| {
        format!(
            "{KEEP}[sheets.notes]\nroot = \"cases\"\nformat = \"json\"\nrecords = \"/notes\"\n{more}"
        )
    };
    let map = notes("").replace("\"/notes\"", "\"map\"");
    let cases = "[sheets.cases]\nroot = \"cases\"\nformat = \"json\"\npath = \"${{ k }}\"\n";
    let hiding = format!("{cases}hidden = \"sealed\"\n");
    let sealed = ("cases/x.json", r#"{"sealed": true, "notes": {"n1": {"text": "secret"}}}"#);
    let open = ("cases/x.json", r#"{"notes": {"n1": {"text": "open"}}}"#);
    let only = format!("{KEEP}{hiding}");
    let also = |rules: &str| format!("{rules}[sheets.more]\n");
    // Each row: the definitions then, and now, and how many records are shown.
    for (case, then, now, count) in [
        ("a row", notes(""), only.clone(), 0),
        ("a row of the whole file", map, only.clone(), 0),
        ("a single record", format!("{KEEP}{cases}"), only.clone(), 0),
        ("a row whose sheet is still there", notes(""), notes(&hiding), 0),
        (
            "a row that is shown now, whatever the other sheet hides",
            notes(&hiding),
            also(&notes(&hiding)),
            1,
        ),
        ("a row where nothing is hidden", notes(""), format!("{KEEP}{cases}"), 1),
    ] {
        for today in [&[][..], &[open]] {
            let then = state(&mut Upstream::new(), &[("headwater.toml", &*then), sealed]);
            let now = [&[("headwater.toml", &*now)][..], today].concat();
            let now = state(&mut Upstream::new(), &now);
            let disclosure = Disclosure::by(&now);
            let shown = disclosure.of(&then).unwrap();
            let records: usize = shown.sheets().map(|sheet| sheet.shown()).sum();
            assert_eq!(records, count, "{case}, {today:?}");
            // Nor does a comparison tell it.
            let delta = Delta::of(&then, &now, &now.differences(&then));
            let (before, after) = (disclosure.rules_of(&then), disclosure.rules_of(&now));
            let masked = disclosure.mask(delta, &before, &after);
            let told = masked.changes.iter().filter_map(|change| change.before.as_ref());
            assert_eq!(told.count(), count, "{case}, {today:?}");
        }
    }
}

#[test]
fn what_no_definition_showed_of_a_file_then_or_now_is_not_shown_of_the_past() {
    let private = "public = false\n";
    let hidden = "hidden = \"h\"\n";
    let sealed = "hidden = \"sealed\"\n";
    let definitions = [
        ITEMS.to_owned(),
        format!("{ITEMS}{hidden}"),
        format!("{ITEMS}{STAFF}"),
        format!("{ITEMS}{STAFF}{private}"),
        format!("{ITEMS}{STAFF}{hidden}"),
        format!("{STAFF}{private}"),
        format!("{STAFF}{hidden}"),
        STAFF.to_owned(),
        DOCS.to_owned(),
        format!("{DOCS}{private}"),
        format!("{DOCS}{sealed}"),
        format!("{DOCS}{sealed}{ITEMS}"),
        String::new(),
    ];
    // The secret is all that has this field.
    let tells = |state: &Snapshot| {
        let records = state.sheets().flat_map(|sheet| sheet.shown_records(None));
        records.into_iter().any(|record| record.value.as_str().contains("\"h\":"))
    };
    let mut upstream = Upstream::new();
    let mut states = |file: &(&str, &str)| -> Vec<Arc<Snapshot>> {
        let with = |rules: &String| {
            let rules = format!("{KEEP}{rules}");
            state(&mut upstream, &[("headwater.toml", &*rules), *file])
        };
        definitions.iter().map(with).collect()
    };
    let (with, without) = (states(&FILE), states(&OPEN_FILE));
    let mut told = 0;
    for (then, before) in with.iter().zip(&definitions) {
        for (now, after) in
            [&with, &without].into_iter().flat_map(|all| all.iter().zip(&definitions))
        {
            let is_told = tells(&Disclosure::by(now).of(then).unwrap());
            told += usize::from(is_told);
            assert!(!is_told || tells(then), "{before}\n{after}");
            // What is not public today by these very definitions.
            let same = with.iter().zip(&definitions).find(|(_, rules)| *rules == after).unwrap().0;
            assert!(!is_told || tells(same), "{before}\n{after}");
        }
    }
    assert!(told > 10, "{told}");
}
