//! The counts of lists, the elements of lists as items, and conditions relative to the present.

use headwater_testkit::Upstream;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::TestServer;

/// Returns a server with three products with releases.
fn products() -> TestServer {
    let mut upstream = Upstream::new();
    let kite = json!({"name": "Kite", "cvss": [7.5, 0.1], "releases": [
        {"n": "3", "eol": "2031-01-01", "lts": true},
        {"n": "2", "eol": "2024-03-01", "lts": true},
        {"n": "1", "eol": "2019-03-01"},
    ]});
    let oar = json!({"name": "Oar", "cvss": 9, "releases": [{"n": "7", "eol": "2032-01-01"}]});
    let sail = json!({"name": "Sail", "releases": []});
    let commit = upstream.commit("products");
    let commit = commit.put("products/kite.json", kite.to_string());
    let commit = commit.put("products/oar.json", oar.to_string());
    commit.put("products/sail.json", sail.to_string()).push();
    TestServer::start(&upstream.url())
}

fn list(server: &TestServer, query: &str) -> Value {
    let answer = server.get(&format!("/api/products?{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.json());
    answer.json()
}

#[test]
fn a_list_counts_what_is_asked_for_and_says_what_it_does_not_tell() {
    let server = products();
    let counted = list(
        &server,
        "perPage=0&facets=releases.eol:year,cvss:0,4,7&facets=name&facetLimit=2&stats=cvss",
    );
    assert_eq!(
        counted,
        json!({
            "items": [], "page": 1, "perPage": 0, "total": 3,
            "facets": {
                "releases.eol:year": [{"value": "2019", "count": 1}, {"value": "2024", "count": 1}],
                "cvss:0,4,7": [
                    {"value": {"gte": 7}, "count": 2}, {"value": {"gte": 0, "lt": 4}, "count": 1},
                ],
                "name": [{"value": "Kite", "count": 1}, {"value": "Oar", "count": 1}],
            },
            "more": {"releases.eol:year": 2, "name": 1},
            "stats": {"cvss": {
                "count": 3, "distinct": 3, "min": 0.1, "max": 9, "sum": 16.6, "mean": 16.6 / 3.0,
            }},
        })
    );
    let groups = list(&server, "groupBy=releases.lts&stats=cvss&perPage=1");
    let figures =
        json!({"count": 3, "distinct": 3, "min": 0.1, "max": 9, "sum": 16.6, "mean": 16.6 / 3.0});
    assert_eq!(groups["total"], 2);
    assert_eq!(groups["groups"][0]["by"], json!({"releases.lts": null}));
    assert_eq!(groups["groups"][0]["count"], 2);
    assert_ne!(groups["groups"][0]["stats"]["cvss"], figures, "each has its own items");
    for refused in ["facets=name&facetLimit=1001", "groupBy=name&sort=name", "stats=nope"] {
        let answer = server.get(&format!("/api/products?{refused}"));
        assert_eq!((answer.status, &answer.json()["code"]), (422, &json!("invalid_query")));
    }
    let lines = server.request(Method::GET, "/api/products?groupBy=name");
    let lines = server.send(lines.header("accept", "application/x-ndjson"));
    assert_eq!(lines.status, 422, "groups have no lines");
}

#[test]
fn each_release_is_an_item_on_pages_in_lines_and_behind_cursors() {
    let server = products();
    let page =
        list(&server, "unnest=releases&releases.eol[gt]=2020&sort=-releases.eol&fields=releases.n");
    let items = json!([
        {"key": "oar", "at": "/releases/0", "value": {"n": "7"}},
        {"key": "kite", "at": "/releases/0", "value": {"n": "3"}},
        {"key": "kite", "at": "/releases/1", "value": {"n": "2"}},
    ]);
    assert_eq!((&page["items"], &page["total"]), (&items, &json!(3)));
    let first = list(&server, "unnest=releases&releases.eol[gt]=2020&sort=-releases.eol&limit=2");
    let next = first["next"].as_str().unwrap();
    let second = list(
        &server,
        &format!("unnest=releases&releases.eol[gt]=2020&sort=-releases.eol&limit=2&cursor={next}"),
    );
    assert_eq!((&second["items"][0]["at"], &second["next"]), (&json!("/releases/1"), &Value::Null));
    let other = server.get(&format!(
        "/api/products?releases.eol[gt]=2020&sort=-releases.eol&limit=2&cursor={next}"
    ));
    assert_eq!(other.status, 422, "the cursor is for elements");
    let lines = server.request(Method::GET, "/api/products?unnest=releases&format=ndjson");
    let all = server.send(lines).body.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(all, 4, "more than there are records");
    let lines = server.request(Method::GET, "/api/products?unnest=releases&releases.lts=true");
    let lines = server.send(lines.header("accept", "application/x-ndjson"));
    let items: Vec<Value> = lines
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(
        items.iter().map(|item| &item["at"]).collect::<Vec<_>>(),
        ["/releases/0", "/releases/1"]
    );
}

#[test]
fn positions_sizes_and_keys_are_asked_for_as_fields_are() {
    let server = products();
    for (query, keys) in [
        ("releases.0.eol[gt]=2025", "kite oar"),
        ("releases.-1.eol[lt]=2025", "kite"),
        ("releases[size]=0", "sail"),
        ("releases[size][gte]=1&sort=-_key", "oar kite"),
        ("_key[in]=sail&_key[in]=oar", "oar sail"),
        ("_key[prefix]=S", "sail"),
    ] {
        let page = list(&server, query);
        let items = page["items"].as_array().unwrap().iter();
        let found: Vec<_> = items.map(|item| item["key"].as_str().unwrap()).collect();
        assert_eq!(found.join(" "), keys, "{query}");
    }
    assert_eq!(
        list(&server, "_key=oar&fields=-releases,-cvss")["items"][0]["value"],
        json!({"name": "Oar"})
    );
}

#[test]
fn what_depends_on_the_clock_says_when_it_was_and_is_kept_by_nobody() {
    let server = products();
    let head = server.get("/api/products").commit().to_owned();
    let query = "unnest=releases&releases.eol[lt]=now&perPage=1";
    for address in [format!("/api/products?{query}"), format!("/api/products?{query}&at={head}")] {
        let answer = server.get(&address);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{address}");
        let now = answer.json()["now"].as_str().unwrap().to_owned();
        let link = answer.header("link").unwrap().to_owned();
        assert!(
            link.contains(&format!("now={}", now.replace(':', "%3A")))
                || link.contains(&format!("now={now}")),
            "{link}"
        );
    }
    let set = |now: &str| {
        let answer = server.get(&format!("/api/products?{query}&now={now}&at={head}"));
        let kept = answer.header("cache-control").map(str::to_owned);
        (answer.json()["total"].clone(), answer.header("etag").unwrap().to_owned(), kept)
    };
    let (before, one, kept) = set("2020-01-01T00:00:00Z");
    let (after, other, _) = set("2025-01-01T00:00:00Z");
    assert_eq!((before, after), (json!(1), json!(2)));
    assert_ne!(one, other);
    assert_eq!(kept.as_deref(), Some("public, max-age=31536000, immutable"), "it never changes");
    // A tag of another moment does not match this one.
    let known = server.request(Method::GET, &format!("/api/products?{query}"));
    assert_eq!(server.send(known.header("if-none-match", &one)).status, 200);
    let lines = server.request(Method::GET, "/api/products?releases.0.eol[gt]=now");
    let lines = server.send(lines.header("accept", "application/x-ndjson"));
    assert_eq!(lines.header("cache-control"), Some("no-store"));
    let changes =
        server.get(&format!("/api/_changes?sheet=products&since={head}&releases.eol[gt]=now"));
    assert_eq!(changes.status, 422);
}

#[test]
fn items_groups_and_counts_are_tables_for_who_wants_them() {
    let server = products();
    let table = |query: &str| {
        let answer = server.get(&format!("/api/products?{query}"));
        assert_eq!(answer.status, 200, "{query}");
        let kind = answer.header("content-type").unwrap().to_owned();
        assert_eq!(kind, "text/csv; charset=utf-8; header=present");
        String::from_utf8(answer.body).unwrap()
    };
    assert_eq!(
        table("format=csv&fields=-releases"),
        "_key,cvss,name\r\nkite,\"[7.5,0.1]\",Kite\r\noar,9,Oar\r\nsail,,Sail\r\n"
    );
    assert_eq!(table("format=csv&fields=name&perPage=1&page=2"), "_key,name\r\noar,Oar\r\n");
    assert_eq!(
        table("format=csv&unnest=releases&releases.eol[gt]=2025"),
        "_key,_at,eol,lts,n\r\nkite,/releases/0,2031-01-01,true,3\r\noar,/releases/0,2032-01-01,,7\r\n"
    );
    assert_eq!(
        table("format=csv&unnest=cvss&groupBy=_key&stats=cvss"),
        "_key,count,count(cvss),distinct(cvss),min(cvss),max(cvss),sum(cvss),mean(cvss)\r\n\
         kite,2,2,2,0.1,7.5,7.6,3.8\r\noar,1,1,1,9,9,9,9\r\n"
    );
    assert_eq!(
        table("format=csv&perPage=0&facets=releases.lts,cvss:5"),
        "field,value,count\r\nreleases.lts,true,1\r\ncvss:5,\"{\"\"gte\"\":5}\",2\r\n\
         cvss:5,\"{\"\"lt\"\":5}\",1\r\n"
    );
    let accepted = server.request(Method::GET, "/api/products?fields=name");
    let accepted = server.send(accepted.header("accept", "text/csv"));
    assert!(accepted.body.starts_with(b"_key,name\r\n") && accepted.header("etag").is_some());
    for refused in
        ["format=xml", "format=csv&facets=name", "format=csv&stats=cvss", "format=csv&nope=1"]
    {
        assert_eq!(server.get(&format!("/api/products?{refused}")).status, 422, "{refused}");
    }
}

#[test]
fn a_table_of_more_groups_than_are_told_at_once_comes_in_parts() {
    let numbers = (0..10_001).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let mut upstream = Upstream::new();
    upstream.commit("numbers").put("s/a.json", format!("{{\"n\":[{numbers}]}}")).push();
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_QUERY_BUDGET", "0")]);
    let refused = server.get("/api/s?format=csv&groupBy=n").problem(422, "invalid_query");
    assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("10001 groups"), "{refused}");
    let part = server.get("/api/s?format=csv&groupBy=n&facetSort=value&perPage=2&page=2");
    assert_eq!(String::from_utf8(part.body).unwrap(), "n,count\r\n2,1\r\n3,1\r\n");
    let fewer = server.get("/api/s?format=csv&groupBy=n&unnest=n&n[gt]=9990");
    assert_eq!(fewer.status, 200);
    assert_eq!(fewer.body.iter().filter(|byte| **byte == b'\n').count(), 11);
}

#[test]
fn a_table_has_so_many_columns_and_is_made_in_one_pass_over_each_record() {
    let wide = |count: usize| {
        let members = (0..count).map(|n| format!("\"f{n}\":{n}")).collect::<Vec<_>>();
        format!("{{{}}}", members.join(","))
    };
    let mut upstream = Upstream::new();
    upstream.commit("wide").put("s/a.json", wide(2_000)).put("s/b.json", "{\"f7\":1}").push();
    let server = TestServer::start(&upstream.url());
    let table = server.get("/api/s?format=csv");
    let text = String::from_utf8(table.body).unwrap();
    assert_eq!(text.lines().map(|line| line.split(',').count()).collect::<Vec<_>>(), [2_001; 3]);
    assert!(text.lines().nth(2).is_some_and(|line| line.matches('1').count() == 1), "{text}");
    upstream.commit("wider").put("s/a.json", wide(2_001)).push();
    server.reload();
    for query in ["format=csv", "format=csv&perPage=1"] {
        let refused = server.get(&format!("/api/s?{query}")).problem(422, "invalid_query");
        let told = refused["errors"][0]["detail"].as_str().unwrap();
        assert!(told.contains("2001 columns") && told.contains("`fields`"), "{told}");
    }
    let some = server.get("/api/s?format=csv&fields=f7,f2000");
    assert_eq!(String::from_utf8(some.body).unwrap(), "_key,f7,f2000\r\na,7,2000\r\nb,1,\r\n");
}
