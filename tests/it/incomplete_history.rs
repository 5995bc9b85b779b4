//! Reads of a history that lacks objects: a remote left them out, or a disk lost them.

use std::path::Path;

use headwater_testkit::Upstream;
use headwater_testkit::git::{git, git_with_input};

use crate::harness::{TestServer, people, person};

/// Changes the age of ada, and the file beside her.
fn change(upstream: &mut Upstream, age: u32) -> String {
    let text = person("ada", "Ada Lovelace", age);
    let commit = upstream.commit("an age").put("people/ada.toml", text);
    commit.put("people/ada/notes.txt", format!("at {age}")).push()
}

/// Takes an object away from a repository.
fn lose(repository: &Path, name: &str) {
    let packs = repository.join("objects/pack");
    let files = std::fs::read_dir(&packs).unwrap().map(|file| file.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.is_file()).collect();
    let is_pack = |path: &&std::path::PathBuf| path.extension().is_some_and(|ext| ext == "pack");
    let bytes: Vec<_> =
        files.iter().filter(is_pack).map(|path| std::fs::read(path).unwrap()).collect();
    for file in files {
        std::fs::remove_file(file).unwrap();
    }
    for pack in bytes {
        git_with_input(repository, ["unpack-objects", "-q"], &pack);
    }
    let id = git(repository, ["rev-parse", name]);
    std::fs::remove_file(repository.join("objects").join(&id[..2]).join(&id[2..])).unwrap();
}

#[test]
fn what_a_missing_object_decides_is_refused_until_the_next_fetch_brings_it() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let second = change(&mut upstream, 37);
    let third = change(&mut upstream, 38);
    let (record, beside, tree) = ("people/ada.toml", "people/ada/notes.txt", "people");
    for lost in [record, beside, tree] {
        let server = TestServer::start(&upstream.url());
        lose(&server.mirror(), &format!("{second}:{lost}"));
        let of_states = [
            format!("/api/people/ada?at={second}"),
            format!("/api/people?at={second}"),
            format!("/api/_search?q=ada&at={second}"),
            format!("/api/_sheets?at={second}"),
            format!("/api/_diff?from={second}&to={third}"),
            format!("/api/_diff?from={first}&to={second}"),
            "/api/_history/people/ada".to_owned(),
            "/api/_commits".to_owned(),
            format!("/api/_commits?until={second}"),
        ];
        let of_file = [format!("/api/_attachments/people/ada/notes.txt?at={second}")];
        let refused = match lost {
            "people/ada/notes.txt" => &of_file[..],
            _ => &of_states[..],
        };
        for path in refused {
            server.get(path).problem(502, "history_incomplete");
        }
        if lost != beside {
            // Whoever has that state begins anew.
            let told = server.get(&format!("/api/_changes?since={second}&wait=0"));
            assert_eq!(told.json()["resync"], true, "{lost}");
        }
        // What it does not decide is answered.
        assert_eq!(server.get("/api/people/ada").json()["age"], 38);
        assert_eq!(server.get(&format!("/api/people/ada?at={first}")).json()["age"], 36);
        assert_eq!(server.get(&format!("/api/_diff?from={first}&to={third}")).status, 200);
        server.reload();
        for path in of_states.iter().chain(&of_file) {
            assert_eq!(server.get(path).status, 200, "{lost}: {path}");
        }
    }
}
