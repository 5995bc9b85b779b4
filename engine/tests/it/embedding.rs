//! The example that embeds the engine, run as its user would.

#[path = "../../examples/embed.rs"]
#[expect(dead_code, reason = "its main is not run here")]
mod embed;

use std::path::Path;

use headwater_engine::engine::RequestKind;
use headwater_engine::report::Trigger;
use headwater_testkit::Upstream;

fn printed(print: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    print(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_program_that_embeds_the_engine_reads_writes_and_follows() {
    let mut upstream = Upstream::new();
    let first = upstream
        .commit("first")
        .put("people/ada.json", r#"{"name": "Ada"}"#)
        .put("people/joe.json", r#"{"age": 2}"#)
        .push();
    let folder = tempfile::tempdir().unwrap();
    let mirror: &Path = &folder.path().join("mirror.git");
    let opened = embed::open(&upstream.url(), mirror).unwrap();
    let embed::Embedded { engine, published } = opened;
    let text = printed(|out| embed::read(&engine, "people", "ada", out).unwrap());
    let expected = format!("people/ada at {first}: {{\"name\":\"Ada\"}}\n1 of 2 have a name\n");
    assert_eq!(text, expected);

    embed::greet(&engine, "people", "ada").unwrap();
    let written = published.recv().unwrap();
    let text = printed(|out| embed::follow(&written, out).unwrap());
    let commit = engine.snapshot().commit().to_string();
    assert_eq!(text, format!("{first} to {commit}:\n  people/ada changed\n"));
    engine.settle_pushes();
    assert_eq!(upstream.head().as_deref(), Some(commit.as_str()));
    let file = upstream.read(&commit, "people/ada.json").unwrap();
    assert_eq!(String::from_utf8(file).unwrap(), r#"{"name": "Ada", "greeting": "hello"}"#);

    let second = upstream.commit("second").delete("people/joe.json").push();
    let _ = engine.reload(RequestKind::Reload, Trigger::Webhook);
    let text = printed(|out| embed::follow(&published.recv().unwrap(), out).unwrap());
    assert_eq!(text, format!("{commit} to {second}:\n  people/joe gone\n"));
}
