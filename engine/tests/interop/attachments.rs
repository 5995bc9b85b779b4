//! Cases 33 to 36: attachments, and records that are moved or deleted.

use serde_json::json;

use crate::two_branches::{PEOPLE, PEOPLE_FILE, Step, Twins, case_with, no_person, person};

/// Begins a case with Jane and another file.
fn jane_with(number: u8, path: &str, content: &str) -> Option<Twins> {
    let jane = ("people/jane.toml", "slug = \"jane\"\n");
    case_with(number, &[(PEOPLE_FILE, PEOPLE), jane, (path, content)])
}

#[test]
fn a_record_and_its_attachment_are_two_files_and_one_record() {
    let picture = ("people/jane/avatar.jpg", "pixels");
    let Some(mut twins) = case_with(33, &[(PEOPLE_FILE, PEOPLE), picture]) else { return };
    // By a push, as most attachments arrive, and by a write here first.
    let record = json!({"slug": "jane"});
    let steps = json!([
        {"step": "upsert", "sheet": "people", "record": record},
        {"step": "attach", "sheet": "people", "key": "jane", "name": "avatar.jpg", "content": "pixels"},
    ]);
    let before = twins.git(["rev-list", "--count", "oracle"]);
    twins.transact(&json!({"steps": steps})).unwrap();
    assert_eq!(
        (before.as_str(), twins.git(["rev-list", "--count", "oracle"]).as_str()),
        ("1", "2")
    );
    assert!(twins.ours(&[person(record.clone())])[0].is_ok());
    twins.have_one_tree();
    assert_eq!(twins.files(), ["people/jane.toml", "people/jane/avatar.jpg"]);
    let read = json!({ "jane": record });
    assert_eq!((twins.our_records("people"), twins.their_records("people")), (read.clone(), read));
}

#[test]
fn an_attachment_that_looks_like_a_record_is_none() {
    let Some(mut twins) = jane_with(34, "people/jane/note.toml", "slug = \"note\"\n") else {
        return;
    };
    let read = json!({"jane": {"slug": "jane"}});
    assert_eq!((twins.our_records("people"), twins.their_records("people")), (read.clone(), read));
    assert_eq!(twins.engine.snapshot().problems(), []);
    twins.change_nothing(person(json!({"slug": "jane"})));
}

#[test]
fn a_record_goes_with_its_attachments_and_the_last_one_with_its_folder() {
    let Some(mut twins) = jane_with(35, "people/jane/avatar.jpg", "pixels") else { return };
    twins.agree(no_person("jane"));
    assert_eq!(twins.git(["ls-tree", "--name-only", twins.upstream.branch()]), ".gitsheets");
    twins.refuse(no_person("jane"), "record_not_found");
}

#[test]
fn a_record_moves_with_its_attachments() {
    let Some(mut twins) = jane_with(36, "people/jane/avatar.jpg", "pixels") else { return };
    twins.agree(Step::Upsert(
        "people".to_owned(),
        Some("jane".to_owned()),
        json!({"slug": "jane2"}),
    ));
    assert_eq!(twins.files(), ["people/jane2.toml", "people/jane2/avatar.jpg"]);
}
