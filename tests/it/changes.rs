//! Following changes: answers, long polls and Server-Sent Events.

use headwater_testkit::Upstream;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::harness::{RELOAD, TestServer, people, person};

fn push(upstream: &mut Upstream, slug: &str, age: u32) -> String {
    let text = person(slug, slug, age);
    upstream.commit("an age").put(format!("people/{slug}.toml"), text).push()
}

/// Returns the change and the key of each item.
fn told(body: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = body["items"].as_array().unwrap().iter();
    items.map(|item| (text(&item["change"]), text(&item["key"]))).collect()
}

fn pair(change: &str, key: &str) -> (String, String) {
    (change.to_owned(), key.to_owned())
}

#[test]
fn who_was_away_gets_the_net_change() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    for age in 1..=20 {
        push(&mut upstream, "ada", age);
        push(&mut upstream, "passing", age);
        server.reload().outcome("applied");
    }
    upstream.commit("gone").delete("people/passing.toml").delete("people/grace.toml").push();
    let last = push(&mut upstream, "new", 1);
    server.reload().outcome("applied");
    let answer = server.get(&format!("/api/_changes?since={first}"));
    let body = answer.json();
    assert_eq!((&body["from"], &body["to"]), (&json!(first), &json!(last)));
    assert_eq!((answer.commit(), &body["resync"]), (&*last, &json!(false)));
    assert_eq!(told(&body), [pair("change", "ada"), pair("leave", "grace"), pair("enter", "new")]);
    assert_eq!(body["items"][0]["value"]["age"], 20);
    assert_eq!(body["items"][0]["fields"], json!(["/age", "/bio", "/name"]));
    assert!(body["items"][1]["value"].is_null());
    let now = server.get("/api/_changes").json();
    assert_eq!((&now["from"], &now["to"], &now["items"]), (&json!(last), &json!(last), &json!([])));
}

#[test]
fn a_filter_tells_what_enters_it_and_what_leaves_it() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    push(&mut upstream, "ada", 90);
    push(&mut upstream, "grace", 1);
    push(&mut upstream, "new", 1);
    server.reload().outcome("applied");
    let body = server.get(&format!("/api/_changes?since={first}&sheet=people&age[gte]=80")).json();
    assert_eq!(told(&body), [pair("enter", "ada"), pair("leave", "grace")]);
    for (query, parameter) in [
        ("since=x", "since"),
        ("sheet=nothing", "sheet"),
        ("age=1", "age"),
        ("sheet=people&q=x", "q"),
        ("sheet=people&nothing=x", "nothing"),
        ("sheet=people&include=friend", "include"),
        ("wait=301", "wait"),
    ] {
        let problem = server.get(&format!("/api/_changes?{query}")).problem(422, "invalid_query");
        assert_eq!(problem["errors"][0]["parameter"], parameter, "{query}");
    }
}

#[test]
fn a_long_poll_is_answered_by_the_next_publication() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let first = upstream.head().unwrap();
    let pushed = push(&mut upstream, "ada", 90);
    let poll = server.request(Method::GET, &format!("/api/_changes?since={first}&wait=60")).send();
    let (answer, reload) = server.runtime().block_on(async {
        let reload = server.call(RELOAD).send();
        tokio::join!(poll, reload)
    });
    assert_eq!(reload.unwrap().status(), 200);
    let body = server.runtime().block_on(async { answer.unwrap().bytes().await.unwrap() });
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["to"], told(&body)), (&json!(pushed), vec![pair("change", "ada")]));
    let none = server.get(&format!("/api/_changes?since={pushed}&wait=0")).json();
    assert_eq!((&none["to"], &none["items"]), (&json!(pushed), &json!([])));
}

/// A follower of the events of a server.
pub(crate) struct Follower<'a> {
    server: &'a TestServer,
    response: Response,
    text: String,
    /// The commit in the greeting, before any event.
    pub(crate) at: Option<String>,
}

/// An event: its name, the id, the data.
pub(crate) type Event = (String, String, Value);

impl<'a> Follower<'a> {
    fn of(server: &'a TestServer, query: &str, last: Option<&str>) -> Self {
        let mut request = server.request(Method::GET, &format!("/api/_changes?{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Self::open(server, request)
    }

    /// Opens the stream that `request` asks for.
    pub(crate) fn open(server: &'a TestServer, request: RequestBuilder) -> Self {
        // As a browser asks; events must not wait in the buffer of a coding.
        let request = request.header("accept-encoding", "gzip, deflate, br, zstd");
        let request = request.header("accept", "text/event-stream");
        let response = server.runtime().block_on(request.send()).unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut follower = Self { server, response, text: String::new(), at: None };
        // The greeting is sent at once, so that the client knows that it is connected.
        let hello = follower.block();
        follower.at = hello.lines().find_map(|line| line.strip_prefix("id: ")).map(str::to_owned);
        assert!(hello.starts_with("retry: 2000\n") || hello == "retry: 2000", "{hello}");
        follower
    }

    /// Returns the text before the next empty line.
    fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return block;
            }
            let chunk = self.server.runtime().block_on(self.response.chunk()).unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Waits for the end of the stream, and returns what was sent until then.
    pub(crate) fn end(mut self) -> String {
        while let Some(chunk) = self.server.runtime().block_on(self.response.chunk()).unwrap() {
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        self.text
    }

    pub(crate) fn event(&mut self) -> Event {
        loop {
            let block = self.block();
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name));
                line.map(str::to_owned)
            };
            if let Some(data) = field("data: ") {
                let data = serde_json::from_str(&data).unwrap();
                return (field("event: ").unwrap(), field("id: ").unwrap(), data);
            }
        }
    }
}

#[test]
fn who_stays_gets_every_publication_once_and_in_order() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let mut at = upstream.head().unwrap();
    let mut follower = Follower::of(&server, "", None);
    for age in 1..=10 {
        let commit = push(&mut upstream, "ada", age);
        server.reload().outcome("applied");
        let (event, id, data) = follower.event();
        assert_eq!((&*event, &id), ("changes", &commit));
        assert_eq!((&data["from"], &data["to"]), (&json!(at), &json!(commit)));
        assert_eq!(told(&data), [pair("change", "ada")]);
        assert_eq!(data["items"][0]["value"]["age"], age);
        at = commit;
    }
}

#[test]
fn who_comes_back_gets_what_he_missed_in_one_event() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let first = upstream.head().unwrap();
    for age in 1..=5 {
        push(&mut upstream, "ada", age);
        server.reload().outcome("applied");
    }
    let last = upstream.head().unwrap();
    for (query, id) in [("since=".to_owned() + &first, None), (String::new(), Some(&*first))] {
        let (event, id, data) = Follower::of(&server, &query, id).event();
        assert_eq!((&*event, &id, &data["from"]), ("changes", &last, &json!(first)));
        assert_eq!(data["items"][0]["value"]["age"], 5);
    }
    let (event, _, data) = Follower::of(&server, "", Some("not a commit")).event();
    assert_eq!((&*event, &data["commit"]), ("resync", &json!(last)));
}

#[test]
fn a_stream_tells_from_its_first_moment_where_its_client_is() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    let at = |query: &str, last| Follower::of(&server, query, last).at;
    assert_eq!(at("", None).as_ref(), Some(&first));
    let second = push(&mut upstream, "ada", 1);
    server.reload().outcome("applied");
    assert_eq!(at("", None), Some(second));
    // A client that is cut off before the first event has not received what it missed.
    assert_eq!(at(&format!("since={first}"), None).as_ref(), Some(&first));
    assert_eq!(at("", Some(&*first)).as_ref(), Some(&first));
    assert_eq!(at("", Some("not a commit")), None);
}

#[test]
fn who_wants_no_stream_gets_an_answer() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    for accept in ["text/event-stream;q=0, */*", "application/json, text/event-stream;q=0.1"] {
        let request = server.request(Method::GET, "/api/_changes").header("accept", accept);
        let answer = server.send(request);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{accept}");
    }
}

#[test]
fn an_expression_that_costs_too_much_makes_its_own_followers_begin_anew_and_nobody_else() {
    let mut upstream = people();
    let budget = [("HEADWATER_QUERY_BUDGET", "20")];
    let server = TestServer::with(&upstream.url(), &budget);
    // Years of work: five lists, each within the other.
    let text = "'aaaaaaaaaaaaaaaaaaaa'.replace('a','aaaaaaaaaaaaaaaaaaaa').split('')";
    let costly = (0..5).fold("true".to_owned(), |inner, n| format!("{text}.all(x{n},{inner})"));
    let follow =
        |filter: &str| Follower::of(&server, &format!("sheet=people&filter={filter}"), None);
    let mut costly: Vec<_> = (0..3).map(|n| follow(&format!("age=={n}||{costly}"))).collect();
    let mut plain = Follower::of(&server, "sheet=people", None);
    for age in [90, 91] {
        let commit = push(&mut upstream, "ada", age);
        server.reload().outcome("applied");
        let (name, id, _) = plain.event();
        assert_eq!((&*name, id), ("changes", commit));
    }
    for follower in &mut costly {
        assert_eq!(follower.event().0, "resync");
    }
    // The next publication finds the address with all of its part again.
    drop(costly);
    let mut cheap = follow("age%3E0");
    push(&mut upstream, "ada", 92);
    server.reload().outcome("applied");
    assert_eq!(cheap.event().0, "changes");
}

#[test]
fn a_place_is_free_when_its_client_has_gone_whatever_is_published() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    // There are more clients than places: none of them may wait for an event.
    for n in 0..1_100 {
        let request = server.request(Method::GET, "/api/_changes?sheet=people");
        let request = request.header("accept", "text/event-stream");
        let response = server.runtime().block_on(request.send()).unwrap();
        assert_eq!(response.status(), 200, "the client {n}");
    }
}

#[test]
fn an_address_that_has_all_places_gives_way_to_another_one() {
    // Each stream takes two descriptors in this process.
    headwater::descriptors::raise(2_000);
    let upstream = people();
    let settings =
        [("HEADWATER_TRUSTED_PROXIES", "127.0.0.1"), ("HEADWATER_MAX_CONNECTIONS", "2000")];
    let server = TestServer::with(&upstream.url(), &settings);
    let open = |address: &str| {
        let request = server.request(Method::GET, "/api/_changes");
        let request = request.header("accept", "text/event-stream");
        let request = request.header("x-forwarded-for", address);
        server.runtime().block_on(request.send()).unwrap()
    };
    let all: Vec<Response> = (0..1_000).map(|_| open("192.0.2.1")).collect();
    assert!(all.iter().all(|response| response.status() == 200));
    let refused = open("192.0.2.1");
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(open("192.0.2.2").status(), 200);
}

/// The definition of the people with other rules; an empty text is no definition.
fn people_by(root: &str, rules: &str) -> String {
    format!("[gitsheet]\nroot = \"{root}\"\npath = \"${{{{ slug }}}}\"\n\n[headwater]\n{rules}\n")
}

#[test]
fn what_a_definition_hides_or_shows_is_told() {
    let mut upstream = people();
    let hidden = person("joan", "Joan Clarke", 79) + "deletedAt = 2026-01-01\n";
    upstream.commit("one is hidden").put("people/joan.toml", hidden).push();
    let server = TestServer::start(&upstream.url());
    let served = upstream.head().unwrap();
    let mut follower = Follower::of(&server, "", None);
    let hides = "hidden = \"deletedAt\"";
    let of_all = |change: &str, keys: &[&str]| -> Vec<_> {
        keys.iter().map(|key| pair(change, key)).collect()
    };
    let steps = [
        (people_by("people", ""), of_all("enter", &["joan"])),
        (people_by("people", hides), of_all("leave", &["joan"])),
        (people_by("people", "hidden = \"bio\""), of_all("leave", &["ada", "grace"])),
        (people_by("people", ""), of_all("enter", &["ada", "grace", "joan"])),
        (people_by("people", "public = false"), of_all("leave", &["ada", "grace", "joan"])),
        (people_by("people", hides), of_all("enter", &["ada", "grace"])),
        (people_by("elsewhere", hides), of_all("leave", &["ada", "grace"])),
        (people_by("people", hides), of_all("enter", &["ada", "grace"])),
    ];
    let mut before = served.clone();
    for (definition, expected) in steps {
        let text = definition.clone();
        let commit = upstream.commit("other rules").put(".gitsheets/people.toml", text).push();
        server.reload().outcome("applied");
        let (event, id, data) = follower.event();
        assert_eq!((&*event, &id), ("changes", &commit), "{definition}");
        assert_eq!(told(&data), expected, "{definition}");
        // A client that was away gets the same, or has to read everything anew.
        let body = server.get(&format!("/api/_changes?since={before}")).json();
        assert!(body["resync"] == true || told(&body) == expected, "{definition}: {body}");
        // Private records are not compared: neither their values nor their names are reported.
        let compared = server.get(&format!("/api/_diff?from={before}&to={commit}"));
        let shown = expected.iter().filter(|(change, _)| change != "leave").count();
        assert_eq!(
            (compared.status, &compared.json()["total"]),
            (200, &json!(shown)),
            "{definition}"
        );
        before = commit;
    }
    let renamed = upstream.commit("another name").delete(".gitsheets/people.toml");
    renamed.put(".gitsheets/folk.toml", people_by("people", hides)).push();
    server.reload().outcome("applied");
    let (_, _, data) = follower.event();
    let items = data["items"].as_array().unwrap();
    let sheets: Vec<_> = items.iter().map(|item| (&item["sheet"], &item["change"])).collect();
    let (enter, leave) = ((&json!("folk"), &json!("enter")), (&json!("people"), &json!("leave")));
    assert_eq!(sheets, [enter, enter, leave, leave]);
    // An operator pins an earlier commit, which no difference of the history can express.
    assert_eq!(server.pin(&served).status, 200);
    assert_eq!(follower.event().0, "resync");
}

#[test]
fn who_followed_a_sheet_that_is_private_now_begins_anew_whether_there_is_one_or_not() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let definition = people_by("people", "public = false");
    let last = upstream.commit("private").put(".gitsheets/people.toml", definition).push();
    let server = TestServer::start(&upstream.url());
    for part in ["sheet=people", "sheet=people&age=90", "sheet=nothing", "sheet=a&sheet=people"] {
        let body = server.get(&format!("/api/_changes?since={first}&wait=60&{part}")).json();
        let anew = json!({"from": first, "to": last, "resync": true, "items": []});
        assert_eq!(body, anew, "{part}");
        for (query, id) in [
            (part.to_owned(), Some(&*first)),
            (part.to_owned(), Some("not a commit")),
            (format!("since={first}&{part}"), None),
        ] {
            let request = server.request(Method::GET, &format!("/api/_changes?{query}"));
            let request = request.header("accept", "text/event-stream");
            let request = id.into_iter().fold(request, |r, id| r.header("last-event-id", id));
            let text = String::from_utf8(server.send(request).body).unwrap();
            let anew = format!("id: {last}\nevent: resync\ndata: {{\"commit\":\"{last}\"}}\n\n");
            assert_eq!(text, anew, "{query}");
        }
        // A client that has started anew, or comes from nowhere, learns that there is no such
        // sheet.
        for query in [part.to_owned(), format!("since={last}&{part}")] {
            let path = format!("/api/_changes?{query}");
            let problem = server.get(&path).problem(422, "invalid_query");
            assert_eq!(problem["errors"][0]["parameter"], "sheet", "{query}");
            let request = server.request(Method::GET, &path);
            let request = request.header("accept", "text/event-stream");
            let answer = server.send(request.header("last-event-id", &last));
            assert_eq!(answer.status, 422, "{query}");
        }
    }
}

#[test]
fn changes_elsewhere_are_not_told_to_who_follows_a_part() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let mut follower = Follower::of(&server, "sheet=people&age=90", None);
    push(&mut upstream, "grace", 3);
    server.reload().outcome("applied");
    let commit = push(&mut upstream, "ada", 90);
    server.reload().outcome("applied");
    let (_, id, data) = follower.event();
    assert_eq!((id, told(&data)), (commit, vec![pair("enter", "ada")]));
}

#[test]
fn who_follows_a_part_learns_of_the_commits_that_do_not_change_it() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    let mut stays = Follower::of(&server, "sheet=people&age=90", None);
    for age in [3, 4] {
        let commit = push(&mut upstream, "grace", age);
        server.reload().outcome("applied");
        assert_eq!(stays.block(), format!("id: {commit}"));
    }
    let commit = push(&mut upstream, "ada", 90);
    server.reload().outcome("applied");
    let (_, id, data) = stays.event();
    assert_eq!((id, told(&data)), (commit.clone(), vec![pair("enter", "ada")]));
    let last = push(&mut upstream, "grace", 5);
    server.reload().outcome("applied");
    assert_eq!(data["to"], commit);
    let mut returns = Follower::of(&server, "sheet=people&age=90", Some(&commit));
    assert_eq!(returns.at.as_ref(), Some(&commit));
    assert_eq!(returns.block(), format!("id: {last}"));
    // What enters and leaves while he is away is nothing, too.
    let mut returns = Follower::of(&server, "sheet=people&age=1000", Some(&first));
    assert_eq!(returns.block(), format!("id: {last}"));
}

#[test]
fn a_history_that_was_rewritten_is_one_event_to_begin_anew() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let mut follower = Follower::of(&server, "", None);
    let text = person("ada", "Augusta Ada King", 36);
    let rewritten = upstream.force_commit_on(None, "anew").put("people/ada.toml", text).push();
    let id = server.reload().problem(409, "diverged")["heldId"].as_str().unwrap().to_owned();
    assert_eq!(server.apply(&id).status, 200);
    let (event, id, _) = follower.event();
    assert_eq!((&*event, id), ("resync", rewritten));
    let next = push(&mut upstream, "ada", 1);
    server.reload().outcome("applied");
    let (event, id, data) = follower.event();
    assert_eq!((&*event, id, told(&data)), ("changes", next, vec![pair("change", "ada")]));
}

#[test]
fn a_server_that_stops_lets_its_followers_go() {
    let upstream = people();
    let mut server = TestServer::start(&upstream.url());
    let request =
        server.request(Method::GET, "/api/_changes").header("accept", "text/event-stream");
    let mut response = server.runtime().block_on(request.send()).unwrap();
    assert!(server.runtime().block_on(response.chunk()).unwrap().is_some());
    assert!(server.stop(), "it waits for no listener");
    // The stream ends, or breaks off with the connection; either way nobody waits for it.
    while let Ok(Some(piece)) = server.runtime().block_on(response.chunk()) {
        assert!(piece.starts_with(b": "), "nothing more is published");
    }
}
