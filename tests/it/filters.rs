//! `filter`: conditions as an expression, over a server.

use headwater_testkit::Upstream;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, TestServer};

const SHEETS: &str = r#"
[sheets.products]
format = "json"
index = ["category"]

[sheets.vulns]
format = "json"
index = ["affected.module"]

[sheets.projects]
format = "json"
refs = { maintainer = "people", team = "people", secret = "notes" }

[sheets.people]
format = "json"
hidden = "gone"
unique = ["id"]

[sheets.memberships]
format = "json"
hidden = "gone"
refs = { personId = "people.id" }

[sheets.notes]
format = "json"
public = false
refs = { person = "people" }
"#;

const NOW: &str = "2026-06-01T12:00:00Z";

/// Data in the form of endoflife.date, of an advisory database, and of a group of people.
fn upstream() -> Upstream {
    let release = |eol: Value, lts: bool| json!({ "eol": eol, "lts": lts });
    let many: Vec<Value> = (0..21).map(|n| release(json!("2030-01-01"), n == 20)).collect();
    let events = |introduced: &str, fixed: Option<&str>| {
        let fixed = fixed.map(|fixed| json!({ "fixed": fixed }));
        let introduced = json!({ "introduced": introduced });
        let events: Vec<Value> = [introduced].into_iter().chain(fixed).collect();
        json!([{ "events": events }])
    };
    let high = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
    let low = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N";
    let files = [
        (
            "products/ended",
            json!({ "category": "os", "releases": [
            release(json!("2026-05-31"), true), release(json!("2020-01-01"), false)] }),
        ),
        (
            "products/soon",
            json!({ "category": "os", "releases": [
            release(json!("2027-06-01"), false), release(json!("2026-08-30"), false)] }),
        ),
        (
            "products/apart",
            json!({ "category": "db", "releases": [
            release(json!("2026-06-01"), true), release(json!("2026-08-31"), false)] }),
        ),
        ("products/many", json!({ "category": "db", "releases": many })),
        ("products/never", json!({ "category": "os", "releases": [release(json!(false), true)] })),
        ("products/empty", json!({ "category": "db" })),
        (
            "vulns/a",
            json!({ "aliases": ["GHSA-1", "CVE-2024-1"], "severity": high,
            "affected": [{ "module": "stdlib", "ranges": events("1.22.0", Some("1.22.2")) }] }),
        ),
        (
            "vulns/b",
            json!({ "aliases": ["GHSA-2"], "severity": low,
            "affected": [{ "module": "stdlib", "ranges": events("0", None) }] }),
        ),
        (
            "vulns/c",
            json!({ "aliases": ["CVE-2024-3"],
            "affected": [{ "module": "stdlib", "ranges": events("0", Some("1.21.9")) },
                         { "module": "toolchain", "ranges": events("0", None) }] }),
        ),
        ("vulns/d", json!({ "aliases": [], "severity": "unknown", "affected": [] })),
        ("people/ada", json!({ "id": 1, "name": "Ada" })),
        ("people/joe", json!({ "id": 2, "name": "Joe" })),
        ("people/eve", json!({ "id": 3, "name": "Eve" })),
        ("people/gil", json!({ "id": 4, "name": "Ada", "gone": true })),
        ("memberships/m1", json!({ "personId": 1 })),
        ("memberships/m2", json!({ "personId": 2, "gone": true })),
        ("memberships/m3", json!({ "personId": 4 })),
        ("projects/one", json!({ "maintainer": "ada", "team": ["joe", "ada"] })),
        ("projects/two", json!({ "maintainer": "joe", "team": ["eve"] })),
        ("projects/three", json!({ "maintainer": "gil", "secret": "n" })),
        ("projects/four", json!({ "team": [] })),
        ("notes/n", json!({ "person": "joe" })),
    ];
    let mut upstream = Upstream::new();
    let files = files.iter().map(|(path, json)| (format!("{path}.json"), json.to_string()));
    upstream.commit("all").put("headwater.toml", SHEETS).put_all(files).push();
    upstream
}

fn path(sheet: &str, filter: &str, rest: &str) -> String {
    format!("/api/{sheet}?filter={}{rest}", utf8_percent_encode(filter, NON_ALPHANUMERIC))
}

/// Returns the keys that a filter finds, and the number of records that it skips.
fn found(server: &TestServer, sheet: &str, filter: &str) -> (String, u64) {
    let now = if filter.contains("now") { format!("&now={NOW}") } else { String::new() };
    let answer = server.get(&path(sheet, filter, &now)).json();
    let items = answer["items"].as_array().unwrap_or_else(|| panic!("{filter}: {answer}"));
    let keys: Vec<_> = items.iter().map(|item| item["key"].as_str().unwrap()).collect();
    (keys.join(" "), answer["skipped"].as_u64().unwrap())
}

#[test]
fn questions_of_real_data_are_answered_exactly() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let unfixed = "affected.exists(a, a.module == 'stdlib' && a.ranges.exists(r, \
                   !r.events.exists(e, has(e.fixed))))";
    let affected = "affected.exists(a, a.module == 'stdlib' && a.ranges.exists(r, \
        r.events.exists(e, has(e.introduced) && !semver('1.22.1').isLessThan(semver(e.introduced, true))) && \
        r.events.all(e, !has(e.fixed) || semver('1.22.1').isLessThan(semver(e.fixed, true)))))";
    for (sheet, filter, expected, skipped) in [
        // The latest release is past its end. One record has no releases, one no date.
        ("products", "releases[0].eol < now", "apart ended", 2),
        (
            "products",
            "has(releases) && type(releases[0].eol) == string && releases[0].eol < now",
            "apart ended",
            0,
        ),
        // A release ends within 90 days.
        (
            "products",
            "releases.exists(r, r.eol >= now && r.eol < now + duration('2160h'))",
            "soon",
            2,
        ),
        // A release with long-term support is still supported.
        ("products", "releases.exists(r, r.lts && r.eol > now)", "many", 2),
        ("products", "size(releases) > 20", "many", 1),
        ("vulns", unfixed, "b", 0),
        ("vulns", affected, "a b", 0),
        (
            "vulns",
            "aliases.exists(a, a.startsWith('GHSA-')) && !aliases.exists(a, a.startsWith('CVE-'))",
            "b",
            0,
        ),
        ("vulns", "cvss(severity) >= 7", "a", 2),
        ("projects", "ref(maintainer).name == 'Ada'", "one", 2),
        ("projects", "has(team) && team.exists(t, ref(t).name == 'Ada')", "one", 0),
        ("people", "size(referrers('memberships.personId')) == 0", "eve joe", 0),
        ("people", "_key in ['ada', 'gil']", "ada", 0),
    ] {
        assert_eq!(found(&server, sheet, filter), (expected.into(), skipped), "{filter}");
    }
}

#[test]
fn what_is_hidden_or_private_is_no_part_of_any_expression() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    // A hidden record cannot be referred to, and does not refer.
    assert_eq!(
        found(&server, "projects", "has(maintainer) && ref(maintainer) == null"),
        ("three".into(), 0)
    );
    let filter = "referrers('memberships.personId').exists(m, m._key == 'm2')";
    assert_eq!(found(&server, "people", filter), (String::new(), 0));
    for (sheet, filter) in
        [("projects", "ref(secret) == null"), ("people", "size(referrers('notes.person')) == 0")]
    {
        let problem = server.get(&path(sheet, filter, "")).problem(422, "invalid_query");
        let told = problem["detail"].to_string();
        assert!(told.contains("is not a reference") && !told.contains("`secret`"), "{told}");
        let absent = filter.replace("notes.person", "nowhere.person");
        assert_eq!(server.get(&path(sheet, &absent, "")).status, 422);
    }
    let problem = server.get(&path("people", "gon == true", "")).problem(422, "invalid_query");
    assert!(problem["detail"].as_str().unwrap().contains("column 1"), "{problem}");
}

#[test]
fn an_expression_goes_with_every_other_part_of_a_list() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let get = |filter: &str, rest: &str| server.get(&path("products", filter, rest)).json();
    let filter = "!has(releases) || size(releases) < 3";
    let all = get(filter, "&facets=category&sort=-category&fields=category");
    assert_eq!(all["total"], 5);
    let values = json!([{ "value": "os", "count": 3 }, { "value": "db", "count": 2 }]);
    assert_eq!(all["facets"]["category"], values);
    assert_eq!(all["items"][0]["key"], "ended");
    let both = get(filter, "&category=db");
    assert_eq!((&both["total"], &both["skipped"]), (&json!(2), &json!(0)));
    let part = get(filter, "&limit=2");
    assert_eq!(part["items"].as_array().unwrap().len(), 2);
    let next = part["next"].as_str().unwrap();
    assert_eq!(
        get(filter, &format!("&limit=9&cursor={next}"))["items"].as_array().unwrap().len(),
        3
    );
    let lines = server.request(Method::GET, &path("products", "size(releases) > 20", ""));
    let lines: Answer = server.send(lines.header("accept", "application/x-ndjson"));
    assert_eq!(lines.body.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(lines.header("x-headwater-skipped"), Some("1"));
    // Without an expression the answer reports nothing about one.
    let plain = server.get("/api/products").json();
    assert_eq!((&plain["skipped"], &plain["now"]), (&Value::Null, &Value::Null));
}

#[test]
fn what_depends_on_the_clock_says_which_moment_it_took_and_is_kept_by_nobody() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let at = format!("&at={}", server.get("/api/products").commit());
    let filter = "releases.exists(r, r.eol < now)";
    let answer = server.get(&path("products", filter, &at));
    let now = answer.json()["now"].as_str().unwrap().to_owned();
    assert!(now.starts_with("20") && now.ends_with('Z'), "{now}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("link").unwrap().contains("&now=20"));
    let fixed = server.get(&path("products", filter, &format!("{at}&now=2020-06")));
    assert_eq!(
        (&fixed.json()["now"], &fixed.json()["total"]),
        (&json!("2020-06-01T00:00:00Z"), &json!(1))
    );
    assert!(fixed.header("cache-control").unwrap().contains("immutable"));
    for query in [path("products", filter, "&now=soon"), "/api/products?now=2024".to_owned()] {
        server.get(&query).problem(422, "invalid_query");
    }
}

#[test]
fn a_tag_changes_with_what_an_expression_reads_of_other_sheets() {
    let mut upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let referred = path("projects", "has(maintainer) && ref(maintainer).name == 'Eve'", "");
    let before = server.get(&referred);
    assert_eq!(before.json()["total"], 0);
    upstream.commit("renamed").put("people/ada.json", r#"{"id":1,"name":"Eve"}"#).push();
    server.reload().outcome("applied");
    let after = server.get(&referred);
    assert_eq!(after.json()["total"], 1);
    assert_ne!(before.header("etag"), after.header("etag"));
}

#[test]
fn followers_are_told_what_an_expression_lets_in_and_nothing_that_it_cannot_know() {
    let mut upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let since = server.get("/api/products").commit().to_owned();
    let changes = |sheet: &str, filter: &str, rest: &str| {
        let filter = utf8_percent_encode(filter, NON_ALPHANUMERIC);
        server.get(&format!("/api/_changes?sheet={sheet}&since={since}&filter={filter}{rest}"))
    };
    upstream
        .commit("more")
        .put("products/empty.json", r#"{"category":"db","releases":[{"eol":"2026-01-01"}]}"#)
        .push();
    server.reload().outcome("applied");
    let told = changes("products", "_key != 'soon' && size(releases) == 1", "").json();
    assert_eq!(
        (&told["items"][0]["key"], &told["items"][0]["change"]),
        (&json!("empty"), &json!("enter"))
    );
    assert_eq!(changes("products", "size(releases) > 1", "").json()["items"], json!([]));
    let past = "releases.exists(r, r.eol < now)";
    assert_eq!(
        changes("products", past, "&now=2026-06-01").json()["items"].as_array().unwrap().len(),
        1
    );
    for (sheet, filter) in [("products", past), ("projects", "ref(maintainer) == null")] {
        changes(sheet, filter, "").problem(422, "invalid_query");
    }
}

#[test]
fn a_literal_of_a_type_that_no_value_of_the_field_has_is_refused() {
    let mut upstream = Upstream::new();
    let shown = "n = 1\non = true\nday = \"2024-05-01\"\nlist = [{a = 1}, {a = \"x\"}]\n";
    let commit = upstream.commit("tags").put("tags/a.toml", shown);
    let commit = commit.put("headwater.toml", "[sheets.tags]\nhidden = \"gone\"\n");
    commit.put("tags/b.toml", "n = \"secret\"\ngone = true\n").push();
    let server = TestServer::start(&upstream.url());
    for (query, told) in [
        ("n=abc", "n: `n` has only numbers, and `abc` cannot be compared with any of these"),
        (
            "n[ne]=abc",
            "n[ne]: `n` has only numbers, and `abc` cannot be compared with any of these",
        ),
        (
            "n[in]=1,abc",
            "n[in]: `n` has only numbers, and `abc` cannot be compared with any of these",
        ),
        ("n[prefix]=1", "n[prefix]: `n` has only numbers, which have no parts as texts have"),
        ("on=yes", "on: `on` has only booleans, and `yes` cannot be compared with any of these"),
        (
            "day[gt]=abc",
            "day[gt]: `day` has only dates, and `abc` cannot be compared with any of these",
        ),
        (
            "list.0.a=true&list=x",
            "list: `list` has only tables, and `x` cannot be compared with any of these",
        ),
    ] {
        let answer = server.get(&format!("/api/tags?{query}"));
        answer.problem(422, "invalid_query");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(told), "{query}: {detail}");
    }
    for query in [
        "n=1",
        "on=true",
        "day=abc",
        "day[gt]=2023",
        "list.a=x",
        "list.-1.a[gt]=0",
        "n[exists]=true",
    ] {
        assert_eq!(server.get(&format!("/api/tags?{query}")).status, 200, "{query}");
    }
    let lines = server.request(Method::GET, "/api/tags?n=abc");
    server.send(lines.header("accept", "application/x-ndjson")).problem(422, "invalid_query");
    // What is followed may change its type.
    assert_eq!(server.get("/api/_changes?sheet=tags&n=abc").status, 200);
    upstream.commit("a text").put("tags/c.toml", "n = \"abc\"\n").push();
    server.reload().outcome("applied");
    assert_eq!(server.get("/api/tags?n=abc").json()["total"], 1);
    upstream.commit("no text").delete("tags/c.toml").push();
    server.reload().outcome("applied");
    server.get("/api/tags?n=abc").problem(422, "invalid_query");
}
