//! Cases 27 to 32: records with a body.

use headwater_engine::id::{Key, SheetName};
use headwater_engine::write::{Action, Condition, Operation};
use serde_json::{Value as Json, json};

use crate::two_branches::{Step, Twins, batch, case_with};

const FILE: &str = ".gitsheets/posts.toml";

/// Begins a case of posts whose format has the lines `more`.
fn posts(number: u8, more: &str, files: &[(&str, &str)]) -> Option<Twins> {
    let definition = format!(
        "[gitsheet]\nroot = \"posts\"\npath = \"${{{{ slug }}}}\"\n\n[gitsheet.format]\n\
         type = \"markdown\"\nbody = \"body\"\n{more}\n"
    );
    case_with(number, &[&[(FILE, definition.as_str())], files].concat())
}

fn post(record: Json) -> Step {
    Step::Upsert("posts".to_owned(), None, record)
}

#[test]
fn a_body_is_formatted_and_then_stays() {
    let Some(mut twins) = posts(27, "", &[]) else { return };
    let step = post(json!({"slug": "x", "body": "hello *there*\n\n\n*  a\n*  b\n"}));
    let expected = "+++\nslug = \"x\"\n+++\n\nhello _there_\n\n- a\n- b\n";
    twins.write(step.clone(), "posts/x.md", expected);
    twins.change_nothing(step);
}

#[test]
fn an_empty_body_is_an_empty_text() {
    let Some(mut twins) = posts(28, "", &[]) else { return };
    let empty = json!({"slug": "empty", "body": ""});
    twins.write(post(empty.clone()), "posts/empty.md", "+++\nslug = \"empty\"\n+++\n\n\n");
    let read = json!({ "empty": empty });
    assert_eq!((twins.our_records("posts"), twins.their_records("posts")), (read.clone(), read));
    // A body that is missing or not text is not an empty one.
    twins.refuse(post(json!({"slug": "x"})), "validation_failed");
    twins.refuse(post(json!({"slug": "x", "body": 1})), "validation_failed");
}

#[test]
fn a_body_that_is_not_to_be_formatted_is_as_it_was_given() {
    let Some(mut twins) = posts(29, "normalize = false", &[]) else { return };
    let step = post(json!({"slug": "x", "body": "hi *x*"}));
    twins.write(step, "posts/x.md", "+++\nslug = \"x\"\n+++\n\nhi *x*\n");
}

#[test]
fn a_title_is_the_first_heading() {
    let Some(mut twins) = posts(30, "title = \"title\"", &[]) else { return };
    let step = post(json!({"slug": "x", "body": "Hello, world\n============\n\nBody."}));
    let fields = "slug = \"x\"\ntitle = \"Hello, world\"\n";
    twins.write(step, "posts/x.md", &format!("+++\n{fields}+++\n\n# Hello, world\n\nBody.\n"));
}

#[test]
fn a_title_that_is_not_the_first_heading_is_refused_and_a_patch_of_it_changes_the_heading() {
    let Some(mut twins) = posts(31, "title = \"title\"", &[]) else { return };
    twins.refuse(post(json!({"slug": "x", "title": "X", "body": "# Y"})), "validation_failed");
    twins.agree(post(json!({"slug": "x", "body": "# Y"})));
    let action = Action::Patch(Key::new("x"), json!({"title": "X"}));
    let operation = Operation { sheet: SheetName::new("posts"), action, condition: Condition::Any };
    twins.engine.commit(batch([operation])).unwrap();
    // Only the JavaScript gitsheets has patches: here it stores their result.
    let patched = post(json!({"slug": "x", "title": "X", "body": "# X"}));
    assert!(twins.theirs(&[patched])[0].is_ok());
    twins.have_one_tree();
    let expected = "+++\nslug = \"x\"\ntitle = \"X\"\n+++\n\n# X\n";
    assert_eq!(twins.file("posts/x.md").as_deref(), Some(expected));
}

#[test]
fn a_body_keeps_what_looks_like_a_fence() {
    let text = "\u{feff}+++\r\nslug = \"x\"\r\n+++\r\n\r\none\n\n+++\n\ntwo\n";
    let Some(mut twins) = posts(32, "", &[("posts/x.md", text)]) else { return };
    let read = twins.our_records("posts");
    assert_eq!(read["x"]["slug"], "x");
    assert!(read["x"]["body"].as_str().unwrap().contains("\n+++\n"), "{read}");
    assert_eq!(twins.their_records("posts"), read);
    twins.agree(post(read["x"].clone()));
    // On purpose: gitsheets writes a fence into a field, and then cannot read the record.
    let fenced = [post(json!({"slug": "y", "note": "a\n+++\nb", "body": ""}))];
    let ours = twins.ours(&fenced);
    assert!(ours[0].as_ref().is_err_and(|error| error.contains("Fence")), "{ours:?}");
    assert!(twins.theirs(&fenced)[0].is_ok());
    let unread = json!({"do": "query", "repo": twins.repo(), "tree": "oracle", "sheet": "posts"});
    assert_eq!(twins.oracle.ask(&unread).unwrap_err()["error"], "config_invalid");
}
