//! Searches: typos, languages, and consistent order across pages.

use std::collections::BTreeSet;

use headwater_testkit::Upstream;
use serde_json::{Map, Value, json};

use crate::harness::{TestServer, people, person};

/// Returns a sheet of texts in a language, or without one.
fn sheet(name: &str, language: &str) -> String {
    let language =
        if language.is_empty() { String::new() } else { format!("language = \"{language}\"\n") };
    format!("[gitsheet]\nroot = \"{name}\"\npath = \"${{{{ id }}}}\"\n\n[headwater]\n{language}")
}

fn text(text: &str) -> String {
    format!("text = \"{text}\"\n")
}

/// Returns notes in German, in English, and without a language.
fn notes() -> Upstream {
    let mut upstream = Upstream::new();
    upstream
        .commit("notes")
        .put(".gitsheets/notizen.toml", sheet("notizen", "de"))
        .put(".gitsheets/notes.toml", sheet("notes", "en"))
        .put(".gitsheets/other.toml", sheet("other", ""))
        .put("notizen/haus.toml", text("Die Häuser <an> der Straße"))
        .put("notes/house.toml", text("The houses of the street & a yard"))
        .put("other/street.toml", text("streets without houses"))
        .push();
    upstream
}

/// Returns the keys that a search finds, in order.
fn keys(server: &TestServer, path: &str) -> Vec<String> {
    let body = server.get(path).json();
    let items = body["items"].as_array().unwrap_or_else(|| panic!("{path}: {body}"));
    items.iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_word_that_is_nowhere_is_corrected_and_the_answer_says_so() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let relaxed = server.get("/api/_search?q=Lovelase+programs").json();
    assert_eq!((&relaxed["total"], &relaxed["relaxed"]), (&json!(2), &json!(true)));
    assert_eq!(relaxed["corrected"], json!({ "Lovelase": ["lovelace"] }));
    let body = server.get("/api/_search?q=Lovelase+programs&match=all").json();
    assert_eq!((&body["total"], &body["items"][0]["key"]), (&json!(1), &json!("ada")));
    assert_eq!(body["corrected"], json!({ "Lovelase": ["lovelace"] }));
    let marked = &body["items"][0]["highlights"];
    assert_eq!(marked["name"], json!(["Ada <mark>Lovelace</mark>"]));
    let bio = "Ada <mark>Lovelace</mark> wrote <mark>programs</mark>.";
    assert_eq!(marked["bio"], json!([bio]));
    let list = server.get("/api/people?q=lovelase").json();
    assert_eq!((&list["total"], &list["items"][0]["key"]), (&json!(1), &json!("ada")));
    assert_eq!(list["corrected"], json!({ "lovelase": ["lovelace"] }));
    let whole = server.get("/api/_search?q=lovelace").json();
    assert_eq!(whole.get("corrected"), None);
    // A word that occurs was meant, even if no record has it together with the others.
    assert_eq!(server.get("/api/_search?q=hopper+lovelace").json()["corrected"], json!(null));
}

#[test]
fn letters_that_may_be_wrong_are_asked_for() {
    let mut upstream = people();
    upstream.commit("more").put("people/hoper.toml", person("hoper", "Joan Hoper", 20)).push();
    let server = TestServer::start(&upstream.url());
    assert_eq!(keys(&server, "/api/_search?q=hopper"), ["grace"]);
    assert_eq!(keys(&server, "/api/_search?q=hopper~"), ["grace", "hoper"]);
    assert_eq!(keys(&server, "/api/people?q=hoper~"), ["hoper", "grace"]);
    assert_eq!(keys(&server, "/api/_search?q=wrote+-hoper~"), ["ada"]);
    assert_eq!(keys(&server, "/api/_search?q=hxppxr~2"), ["grace"]);
    let marked = server.get("/api/_search?q=hoper~&sheet=people").json();
    let name = &marked["items"][1]["highlights"]["name"];
    assert_eq!(name, &json!(["Grace <mark>Hopper</mark>"]));
    for query in ["ho~", "hope~2", "abc~ abc* bcd~ bcd* cde~"] {
        let path = format!("/api/_search?q={}", query.replace(' ', "+"));
        server.get(&path).problem(422, "invalid_query");
    }
}

#[test]
fn what_is_hidden_corrects_nothing() {
    let mut upstream = people();
    let hidden = format!("deletedAt = \"2026-01-01T00:00:00Z\"\n{}", person("ada", "Ada", 36));
    upstream
        .commit("hide")
        .put("people/ada.toml", hidden.replace("Ada", "Ada Lovelace"))
        .put(
            ".gitsheets/secrets.toml",
            sheet("secrets", "").replace("[headwater]", "[headwater]\npublic = false"),
        )
        .put("secrets/one.toml", text("lovelance"))
        .push();
    let server = TestServer::start(&upstream.url());
    for path in ["/api/_search?q=lovelase", "/api/_search?q=lovelase~2", "/api/people?q=lovelase"] {
        let body = server.get(path).json();
        assert_eq!((&body["total"], &body["corrected"]), (&json!(0), &json!(null)), "{path}");
    }
}

#[test]
fn each_sheet_is_searched_in_its_language() {
    let upstream = notes();
    let server = TestServer::start(&upstream.url());
    for (query, expected) in [
        ("haus", vec!["haus"]),
        ("der+haus", vec!["haus"]),
        ("%22der+stra%C3%9Fe%22", vec!["haus"]),
        ("%22die+stra%C3%9Fe%22", vec![]),
        ("the+house", vec!["house"]),
        ("house", vec!["house", "street"]),
        ("hauz", vec!["haus"]),
    ] {
        let mut found = keys(&server, &format!("/api/_search?match=all&q={query}"));
        found.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
    // If not all words are required, English stop words are ignored everywhere.
    assert_eq!(keys(&server, "/api/_search?q=the+house"), ["house", "street"]);
    let marked = server.get("/api/_search?q=das+haus").json();
    let expected = "Die <mark>Häuser</mark> &lt;an&gt; der Straße";
    assert_eq!(marked["items"][0]["highlights"]["text"], json!([expected]));
    let marked = server.get("/api/_search?q=the+house").json();
    let expected = "The <mark>houses</mark> of the street &amp; a yard";
    assert_eq!(marked["items"][0]["highlights"]["text"], json!([expected]));
}

#[test]
fn a_field_shows_only_the_first_of_very_many_texts_that_match() {
    let mut upstream = Upstream::new();
    let texts = vec!["river".to_owned(); 5_000];
    let many: Map<String, Value> = (0..9).map(|at| (format!("f{at}"), json!(texts))).collect();
    upstream.commit("many").put("notes/one.json", json!(many).to_string()).push();
    let server = TestServer::start(&upstream.url());
    let body = server.get("/api/_search?q=river").json();
    let fields = body["items"][0]["highlights"].as_object().unwrap();
    assert_eq!(fields.len(), 8);
    for (field, shown) in fields {
        let shown: Vec<&str> =
            shown.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        let bytes: usize = shown.iter().map(|text| text.len()).sum();
        let marked = "<mark>river</mark>";
        // The last one brings them to 4 KiB.
        assert!((4_096..4_096 + marked.len()).contains(&bytes), "{field}: {bytes}");
        assert!(shown.iter().all(|text| *text == marked), "{field}");
    }
}

#[test]
fn a_sheet_is_read_anew_in_another_language() {
    let mut upstream = notes();
    let server = TestServer::start(&upstream.url());
    assert_eq!(
        keys(&server, "/api/_search?q=the+house&sheet=other&match=all"),
        Vec::<String>::new()
    );
    upstream.commit("english").put(".gitsheets/other.toml", sheet("other", "en")).push();
    server.reload().outcome("applied");
    assert_eq!(keys(&server, "/api/_search?q=the+house&sheet=other&match=all"), ["street"]);
    upstream.commit("unknown").put(".gitsheets/other.toml", sheet("other", "xx")).push();
    let body = server.reload().json();
    let problem = &body["problems"][0];
    assert_eq!(
        (&problem["path"], &problem["line"], &problem["rule"]),
        (&json!(".gitsheets/other.toml"), &json!(6), &json!("definition")),
        "{body}"
    );
    assert!(problem["message"].as_str().unwrap().contains("language must be"), "{body}");
    assert_eq!(keys(&server, "/api/_search?q=the+house&sheet=other&match=all"), ["street"]);
}

#[test]
fn all_pages_of_a_search_hold_each_match_once_and_in_one_order() {
    let mut upstream = people();
    // Many are equally good, in two sheets.
    let texts = (0..60).flat_map(|n| {
        let words = "river ".repeat(n % 3 + 1);
        [format!("a/{n}.toml"), format!("b/{n}.toml")].map(|path| (path, text(&words)))
    });
    upstream
        .commit("many")
        .put(".gitsheets/a.toml", sheet("a", ""))
        .put(".gitsheets/b.toml", sheet("b", "en"))
        .put_all(texts)
        .push();
    let server = TestServer::start(&upstream.url());
    let page = |page: usize, size: usize, query: &str| {
        let path = format!("/api/_search?q={query}&page={page}&perPage={size}");
        let body = server.get(&path).json();
        let row = |item: &serde_json::Value| {
            let name = |field: &str| item[field].as_str().unwrap().to_owned();
            (item["score"].as_f64().unwrap(), name("sheet"), name("key"))
        };
        body["items"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    for query in ["river", "rivver", "rivver~", "riv*"] {
        let all = [page(1, 100, query), page(2, 100, query)].concat();
        let pages: Vec<_> = (1..=18).flat_map(|n| page(n, 7, query)).collect();
        assert_eq!(pages, all, "{query}");
        let names: BTreeSet<_> = all.iter().map(|(_, sheet, key)| (sheet, key)).collect();
        assert_eq!((all.len(), names.len()), (120, 120), "{query}");
        let behind = |a: &(f64, String, String), b: &(f64, String, String)| {
            a.0 > b.0 || a.0 == b.0 && (&a.1, &a.2) < (&b.1, &b.2)
        };
        assert!(all.is_sorted_by(behind), "{query}");
        assert_eq!(page(19, 7, query), []);
    }
}

/// Returns a sheet of many short texts: a dozen have both words, others one of them.
fn rivers() -> Upstream {
    let mut upstream = Upstream::new();
    let texts = (0..40).map(|n| {
        let words = match n % 4 {
            0 if n < 20 => "river stone",
            0 | 1 => "river",
            2 => "stone",
            _ => "cloud",
        };
        (format!("notes/n{n:02}.toml"), text(words))
    });
    upstream.commit("rivers").put_all(texts).push();
    upstream
}

#[test]
fn where_few_records_have_all_words_those_with_some_follow() {
    let server = TestServer::start(&rivers().url());
    let body = server.get("/api/_search?q=river+stone&perPage=100").json();
    assert_eq!((&body["total"], &body["relaxed"]), (&json!(30), &json!(true)), "{body}");
    let all = keys(&server, "/api/_search?q=river+stone&perPage=100");
    assert_eq!(&all[..5], ["n00", "n04", "n08", "n12", "n16"]);
    let pages: Vec<String> = (1..=5)
        .flat_map(|n| keys(&server, &format!("/api/_search?q=river+stone&perPage=7&page={n}")))
        .collect();
    assert_eq!(pages, all);
    for (path, total, relaxed) in [
        ("/api/_search?q=river+stone&match=all", 5, json!(null)),
        ("/api/_search?q=river+stone&match=any", 30, json!(null)),
        ("/api/_search?q=river", 20, json!(null)),
        ("/api/_search?q=river+nowhere", 20, json!(true)),
        ("/api/_search?q=stone+OR+cloud", 25, json!(null)),
        ("/api/_search?q=-river", 20, json!(null)),
        ("/api/_search?q=(river+OR+stone)+NOT+(river+stone)", 25, json!(null)),
        ("/api/notes?q=river+stone", 5, json!(null)),
        ("/api/notes?q=river+stone&match=any", 30, json!(null)),
        ("/api/notes?q=river+stone&match=auto", 30, json!(true)),
        ("/api/notes?q=riv&prefix=off", 0, json!(null)),
        ("/api/notes?q=riv", 20, json!(null)),
    ] {
        let body = server.get(path).json();
        assert_eq!((&body["total"], &body["relaxed"]), (&json!(total), &relaxed), "{path}: {body}");
    }
}

#[test]
fn a_walk_by_cursor_over_a_relaxed_list_sees_each_record_once_and_in_order() {
    let server = TestServer::start(&rivers().url());
    let list = "/api/notes?q=river+stone&match=auto";
    let all = keys(&server, &format!("{list}&perPage=100"));
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let body = server.get(&format!("{list}&limit=7{cursor}")).json();
        let items = body["items"].as_array().unwrap();
        walked.extend(items.iter().map(|item| item["key"].as_str().unwrap().to_owned()));
        let Some(next) = body["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((walked.len(), walked), (30, all));
}

#[test]
fn keys_numbers_and_dates_are_searched() {
    let mut upstream = Upstream::new();
    upstream
        .commit("pages")
        .put("pages/ferry-watch.toml", "stage = \"live\"\nbuilt = 2019-03-07\n")
        .put("pages/tar.toml", "port = 8443\n")
        .push();
    let server = TestServer::start(&upstream.url());
    for (query, key) in [
        ("ferry-watch", "ferry-watch"),
        ("ferrywatch", "ferry-watch"),
        ("tar", "tar"),
        ("8443", "tar"),
        ("2019-03-07", "ferry-watch"),
    ] {
        let body = server.get(&format!("/api/_search?q={query}")).json();
        assert_eq!((&body["total"], &body["items"][0]["key"]), (&json!(1), &json!(key)), "{body}");
    }
    let marked = server.get("/api/_search?q=ferry").json();
    let expected = json!(["<mark>ferry</mark>-watch"]);
    assert_eq!(marked["items"][0]["highlights"]["_key"], expected);
    assert_eq!(keys(&server, "/api/pages?q=tar"), ["tar"]);
}

#[test]
fn words_may_have_to_stand_in_a_field() {
    let mut upstream = Upstream::new();
    let fields = |title: &str, note: &str| format!("title = \"{title}\"\nnote = \"{note}\"\n");
    upstream
        .commit("fields")
        .put("a/one.toml", fields("The river", "a stone bridge"))
        .put("a/two.toml", fields("A stone", "a river bridge"))
        .put("a/river.toml", fields("Cloud", "nothing"))
        .push();
    let server = TestServer::start(&upstream.url());
    for (query, expected) in [
        ("title:river", vec!["one"]),
        ("note:river", vec!["two"]),
        ("_key:river", vec!["river"]),
        ("note:%22stone+bridge%22", vec!["one"]),
        ("title:%22stone+bridge%22", vec![]),
        ("bridge+-title:stone", vec!["one"]),
        ("title:cloud+OR+note:river", vec!["river", "two"]),
        ("title:ston", vec!["two"]),
    ] {
        for path in ["/api/_search?match=all&", "/api/a?"] {
            let mut found = keys(&server, &format!("{path}q={query}"));
            found.sort_unstable();
            assert_eq!(found, expected, "{path} {query}");
        }
    }
    let marked = server.get("/api/_search?q=title:river+bridge").json();
    let marked = &marked["items"][0]["highlights"];
    assert_eq!(marked["title"], json!(["The <mark>river</mark>"]));
    assert_eq!(marked["note"], json!(["a stone <mark>bridge</mark>"]));
    for path in ["/api/_search?q=titel:river", "/api/a?q=titel:river"] {
        let told = server.get(path).problem(422, "invalid_query").to_string();
        assert!(told.contains("is not a field that is searched"), "{told}");
    }
}

#[test]
fn a_search_shows_the_fields_and_the_references_that_are_asked_for() {
    let mut upstream = people();
    upstream
        .commit("teams")
        .put("headwater.toml", "[sheets.teams.refs]\nlead = \"people\"\n[sheets.people]\n")
        .put("teams/harbor.toml", "title = \"Harbor\"\nlead = \"ada\"\n")
        .push();
    let server = TestServer::start(&upstream.url());
    let body = server.get("/api/_search?q=harbor&fields=title&include=lead").json();
    assert_eq!(body["items"][0]["value"], json!({ "title": "Harbor" }), "{body}");
    assert_eq!(body["included"]["people"]["ada"]["name"], json!("Ada Lovelace"), "{body}");
    for wrong in ["fields=nothing", "include=title", "match=some", "prefix=no"] {
        server.get(&format!("/api/_search?q=harbor&{wrong}")).problem(422, "invalid_query");
    }
}

#[test]
fn a_filter_leaves_the_matches_for_which_it_holds_in_their_order() {
    let mut upstream = people();
    for (slug, age) in [("amy", 20), ("bea", 40), ("cleo", 60)] {
        let text = person(slug, "Programs Everywhere", age);
        upstream.commit(slug).put(format!("people/{slug}.toml"), text).push();
    }
    let ageless = "name = \"Programs\"\nslug = \"zoe\"\n";
    upstream.commit("zoe").put("people/zoe.toml", ageless).push();
    let server = TestServer::start(&upstream.url());
    let all = keys(&server, "/api/_search?q=programs");
    assert_eq!(all.len(), 6);
    let ages = |key: &str| match key {
        "ada" => Some(36),
        "grace" => Some(85),
        "amy" => Some(20),
        "bea" => Some(40),
        "cleo" => Some(60),
        _ => None,
    };
    let older = |key: &&String| ages(key).is_some_and(|age| age > 36);
    let expected: Vec<String> = all.iter().filter(older).cloned().collect();
    let path = "/api/_search?q=programs&filter=age+%3E+36";
    assert_eq!(keys(&server, path), expected);
    let answer = server.get(path);
    let body = answer.json();
    assert_eq!(
        (&body["total"], &body["skipped"], &body["now"]),
        (&json!(3), &json!(1), &json!(null))
    );
    let second = keys(&server, &format!("{path}&perPage=1&page=2"));
    assert_eq!(second, expected[1..2]);
    let tag = answer.header("etag").unwrap().to_owned();
    let again = server.request(reqwest::Method::GET, path).header("if-none-match", &tag);
    assert_eq!(server.send(again).status, 304);

    let timed = "/api/_search?q=programs&filter=now+%3E+timestamp(%222024-01-01%22)";
    let present = server.get(timed);
    assert!(present.json()["now"].is_string() && present.json()["total"] == 6);
    assert_eq!(present.header("cache-control"), Some("no-store"), "it depends on the clock");
    let then = server.get(&format!("{timed}&now=2023-01-01")).json();
    assert_eq!((&then["total"], &then["now"]), (&json!(0), &json!("2023-01-01T00:00:00Z")));
}

#[test]
fn a_filter_is_refused_where_a_searched_sheet_does_not_know_what_it_names() {
    let mut upstream = people();
    let notes = sheet("notes", "");
    let note = "text = \"programs\"\nid = \"n\"\n";
    upstream.commit("notes").put(".gitsheets/notes.toml", notes).put("notes/n.toml", note).push();
    let server = TestServer::start(&upstream.url());
    let path = "/api/_search?q=programs&filter=age+%3E+36";
    let problem = server.get(path);
    problem.problem(422, "invalid_query");
    let told = problem.json()["detail"].as_str().unwrap().to_owned();
    assert!(told.starts_with("filter: column 1: `age` is not a known field of notes"), "{told}");
    assert_eq!(keys(&server, &format!("{path}&sheet=people")), ["grace"]);
    let both = keys(&server, "/api/_search?q=programs&filter=_key.startsWith(%22n%22)");
    assert_eq!(both, ["n"], "every record has a key");
    for wrong in ["filter=age+%3E", "now=2024", "filter=true&now=2024", "filter=true&now=x"] {
        let path = format!("/api/_search?q=programs&sheet=people&{wrong}");
        server.get(&path).problem(422, "invalid_query");
    }
}
