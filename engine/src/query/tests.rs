use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::budget::Budget;
use crate::document;
use crate::id::{BlobId, CommitId, Key};
use crate::layout::{DefinitionFile, DefinitionFiles, Layout};
use crate::record::{Frame, Record};
use crate::search::{DocName, SearchError, Slot, Slots, TextIndex};
use crate::sheet::{Content, Sheet, SlotUpdate};
use crate::value::Value;

mod hidden_records;

const DEFINITION: &str = "[sheets.s]\nindex = ['a', 't', 'n.x', 'l.x']\nhidden = 'h'\n";

/// Returns a sheet and its text index, from values in the order of their keys `000`, `001`, ...
pub(super) fn sheet(definition: &str, values: &[Json]) -> (Sheet, TextIndex) {
    let file = DefinitionFile { path: "headwater.toml".into(), bytes: definition.into() };
    let files = DefinitionFiles { headwater: Some(file), ..Default::default() };
    let layout = Layout::read(&files);
    assert_eq!(layout.problems().count(), 0);
    let mut sheet = Sheet::new(layout.sheet("s").unwrap().clone());
    for (n, value) in values.iter().enumerate() {
        let key = Key::new(format!("{n:03}"));
        let path = format!("s/{n:03}.json");
        let record = Record {
            key: key.clone(),
            frame: Arc::new(Frame::around(key.as_str(), &path)),
            blob: BlobId::ZERO,
            value: Value::new(value),
        };
        let content = Some(Content::Record(Arc::new(record)));
        sheet.put_all(vec![SlotUpdate { key, path: path.into(), content }]);
    }
    let slots = Slots::new([1.0]);
    let names = sheet
        .records()
        .map(|record| DocName { sheet: sheet.spec().name.clone(), key: record.key.clone() });
    let texts = |name: &DocName, emit: &mut dyn FnMut(Slot, &str)| {
        if let Some(record) = sheet.record(name.key.as_str()).filter(|r| sheet.shows(r)) {
            document::texts(sheet.spec(), record, &slots, emit);
        }
    };
    let text = TextIndex::new(slots.clone(), []);
    let text = text.apply(CommitId::ZERO, names.collect(), &texts).unwrap();
    (sheet, text)
}

/// Splits a query string; these tests need no escapes.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), value.to_owned())
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

fn page((sheet, text): &(Sheet, TextIndex), query: &str) -> Page {
    ListQuery::parse(&pairs(query), sheet).unwrap().run(sheet, text, &Budget::unlimited()).unwrap()
}

fn keys(page: &Page) -> String {
    page.items.iter().map(|item| item.record.key.as_str()).collect::<Vec<_>>().join(" ")
}

fn problems(sheet: &Sheet, query: &str) -> Vec<String> {
    let problems = ListQuery::parse(&pairs(query), sheet).unwrap_err();
    problems.iter().map(|problem| format!("{}: {}", problem.parameter, problem.message)).collect()
}

#[test]
fn a_query_tells_whether_it_reads_texts() {
    let (sheet, _) = sheet(DEFINITION, &[json!({"a": "x", "l": [{"x": 1}]})]);
    for (query, expected) in [
        ("a=x&t[gte]=1&l[size]=2&t[exists]=true&a[in]=x,y", false),
        ("a=x&a[contains]=x", true),
        ("a[prefix]=x", true),
        ("unnest=l&l.x[contains]=x", true),
        ("unnest=l&l.x=1", false),
        ("filter=a == 'x'", true),
    ] {
        let query = pairs(query);
        let sheet = Arc::new(sheet.clone());
        assert_eq!(ListQuery::parse(&query, &sheet).unwrap().reads_texts(), expected, "{query:?}");
    }
}

#[test]
fn a_whole_list_has_every_part_in_its_order() {
    let values: Vec<Json> = (0..150).map(|i| json!({"a": i % 7, "u": "word"})).collect();
    let (sheet, text) = sheet(DEFINITION, &values);
    for query in ["", "a=3", "sort=-a", "q=word", "q=word&a[gte]=2&sort=a"] {
        let mut parts = Vec::new();
        for number in 1.. {
            let part =
                page(&(sheet.clone(), text.clone()), &format!("{query}&perPage=100&page={number}"));
            if part.items.is_empty() {
                break;
            }
            parts.extend(part.items);
        }
        let whole = ListQuery::parse(&pairs(query), &sheet).unwrap().whole(&sheet);
        assert_eq!(whole.run(&sheet, &text, &Budget::unlimited()).unwrap().items, parts, "{query}");
    }
}

#[test]
fn filters_take_the_type_of_what_is_stored() {
    let sheet = sheet(
        DEFINITION,
        &[
            json!({"a": 30, "u": 30, "t": ["x", "y"], "d": "2024-01-02"}),
            json!({"a": "30", "u": "30", "t": "x", "d": "2024-02-01"}),
            json!({"a": 4, "u": 4, "t": [], "n": {"x": "deep"}}),
            json!({"a": true, "u": true, "t": null}),
            json!({"a": "true", "u": "true", "n": [{"x": 1}, {"x": "deep"}]}),
            json!({"a": {"b": 1}, "u": {"b": 1}}),
        ],
    );
    for (query, expected) in [
        ("X=30", "000 001"),
        ("X=30.0", "000"),
        ("X=true", "003 004"),
        ("X[eq]=4", "002"),
        ("X[in]=4,true", "002 003 004"),
        ("X[ne]=30", "002 003 004 005"),
        ("X[nin]=30,true", "002 005"),
        ("X[prefix]=TR", "004"),
        ("X[contains]=0", "001"),
        ("X[in]=30\\,true", ""),
        ("t[in]=x\\,y,y", "000"),
        ("X[gt]=4", "000 004"),
        ("X[gte]=4", "000 002 004"),
        ("X[lt]=30", "002"),
        ("X[lte]=30", "000 001 002"),
        ("X[gte]=2", "000 001 002 004"),
        ("X[gte]=b", "004"),
        ("X[lt]=true", "001"),
        ("X[gte]=true", "003 004"),
        ("X[exists]=true", "000 001 002 003 004 005"),
        ("X[exists]=false", ""),
        ("X=30&X[ne]=4", "000 001"),
        ("X=30&X=4", ""),
        ("X={\"b\":1}", ""),
        ("X=", ""),
    ] {
        for field in ["a", "u"] {
            let query = query.replace('X', field);
            assert_eq!(keys(&page(&sheet, &query)), expected, "{query}");
        }
    }
    for (query, expected) in [
        ("t=x", "000 001"),
        ("t=x&t=y", "000"),
        ("t[exists]=true", "000 001"),
        ("t[exists]=false", "002 003 004 005"),
        ("n.x=deep", "002 004"),
        ("n.x[gte]=1&a[ne]=4", "004"),
        ("d[gte]=2024-01-02&d[lt]=2024-02-01", "000"),
        ("", "000 001 002 003 004 005"),
    ] {
        assert_eq!(keys(&page(&sheet, query)), expected, "{query}");
    }
}

#[test]
fn a_comma_in_an_alternative_follows_a_backslash_and_case_and_accents_make_no_part_differ() {
    let values = ["Berlin, Mitte", "Berlin", "Zürich", "a\\b", "a\\,b"];
    let values: Vec<Json> = values.iter().map(|value| json!({ "a": value })).collect();
    let sheet = sheet(DEFINITION, &values);
    for (query, expected) in [
        (r"a[in]=Berlin\, Mitte,Zürich", "000 002"),
        (r"a[in]=Berlin, Mitte", "001"),
        (r"a[in]=a\b", "003"),
        (r"a[in]=a\\b", "003"),
        (r"a[in]=a\\\,b", "004"),
        ("a[nin]=Berlin,Zürich", "000 003 004"),
        ("a[contains]=ZURI", "002"),
        ("a[contains]=lin", "000 001"),
        ("a[prefix]=zu", "002"),
        ("a[prefix]=rich", ""),
        ("a[prefix]=b&a[contains]=,", "000"),
    ] {
        assert_eq!(keys(&page(&sheet, query)), expected, "{query}");
    }
}

#[test]
fn moments_compare_as_what_they_are_whatever_their_spelling() {
    let spellings = [
        "2024-05-01T10:00:00Z",
        "2024-05-01T13:00:00+02:00",
        "2024-05-01T10:00:00.25Z",
        "2024-05-01",
        "2024-04-30T23:00:00-05:00",
        "soon",
    ];
    let records: Vec<Json> = spellings.iter().map(|text| json!({"a": text, "u": text})).collect();
    let sheet = sheet(DEFINITION, &records);
    for (query, expected) in [
        ("sort=X", "005 003 004 000 002 001"),
        ("sort=-X", "001 002 000 004 003 005"),
        ("X[gte]=2024-05-01T10:00:00Z", "000 001 002"),
        ("X[gt]=2024-05-01T12:00:00%2B02:00", "001 002"),
        ("X[lt]=2024-05-01T10:00:00Z", "003 004"),
        ("X[lte]=2024-05-01T10:00:00Z", "000 003 004"),
        ("X=2024-05-01T11:00:00Z", "001"),
        ("X[in]=2024-05-01T04:00:00Z,soon", "004 005"),
        ("X[ne]=2024-05-01T06:00:00%2B02:00", "000 001 002 003 005"),
        ("X[gte]=2024-05&X[lt]=2024-05-01T05:00:00Z", "003 004"),
        ("X[gt]=2024", "000 001 002 003 004 005"),
        ("X=2024", ""),
        ("X[gte]=s", "005"),
    ] {
        for field in ["a", "u"] {
            let query = query.replace('X', field).replace("%2B", "+");
            assert_eq!(keys(&page(&sheet, &query)), expected, "{query}");
        }
    }
}

#[test]
fn kinds_sort_in_their_order_and_missing_is_last_both_ways() {
    let values = ["\"b\"", "2", "null", "true", "\"a\"", "10", "{}", "[]", "[3,1]"];
    let record = |text: &&str| {
        let value: Json = serde_json::from_str(text).unwrap();
        json!({"a": value, "u": value})
    };
    let sheet = sheet(DEFINITION, &values.iter().map(record).collect::<Vec<_>>());
    for field in ["a", "u"] {
        let ascending = page(&sheet, &format!("sort={field}"));
        assert_eq!(keys(&ascending), "003 008 001 005 004 000 006 002 007");
        let descending = page(&sheet, &format!("sort=-{field}"));
        assert_eq!(keys(&descending), "006 000 004 005 008 001 003 002 007");
    }
}

#[test]
fn hidden_records_and_private_sheets_are_in_no_list() {
    let values = [
        json!({"a": "word", "h": "2024-01-01"}),
        json!({"a": "word", "h": null}),
        json!({"a": "word", "h": false}),
        json!({"a": "other"}),
    ];
    let public = sheet(DEFINITION, &values);
    let private = sheet(&format!("{DEFINITION}public = false\n"), &values);
    for query in ["", "a=word", "sort=-a", "q=word", "a[exists]=true", "a[ne]=x"] {
        let query = format!("{query}&facets=a");
        let page_of_public = page(&public, &query);
        assert!(!keys(&page_of_public).contains("000"), "{query}");
        assert_eq!(page_of_public.total, page_of_public.items.len());
        let counted: usize = page_of_public.facets[0].values.iter().map(|(_, count)| count).sum();
        assert_eq!(counted, page_of_public.total, "{query}");
        let page_of_private = page(&private, &query);
        assert_eq!((keys(&page_of_private), page_of_private.total), (String::new(), 0), "{query}");
        assert_eq!(page_of_private.facets[0].values, []);
    }
}

#[test]
fn text_goes_with_filters_and_orders_best_first_unless_told_otherwise() {
    let sheet = sheet(
        DEFINITION,
        &[
            json!({"a": "rust and much else that makes it longer", "t": "x"}),
            json!({"a": "rust", "t": "y"}),
            json!({"a": "rust rust", "t": "x"}),
            json!({"a": "java", "t": "x"}),
        ],
    );
    assert_eq!(keys(&page(&sheet, "q=rust")), "002 001 000");
    assert_eq!(keys(&page(&sheet, "q=rust&t=x")), "002 000");
    assert_eq!(keys(&page(&sheet, "q=rust&sort=a")), "001 000 002");
    assert_eq!(keys(&page(&sheet, "q=rust&sort=-t")), "001 000 002");
    assert_eq!(keys(&page(&sheet, "q= ")), "000 001 002 003");
    assert_eq!(keys(&page(&sheet, "q=nowhere")), "");
    let mut walked = String::new();
    let mut next = Some(String::new());
    while let Some(cursor) = next.take() {
        let cursor = if cursor.is_empty() { cursor } else { format!("&cursor={cursor}") };
        let page = page(&sheet, &format!("q=rust&limit=1{cursor}"));
        assert_eq!(page.total, 3);
        walked = format!("{walked} {}", keys(&page));
        next = page.next;
    }
    assert_eq!(walked, " 002 001 000");
}

#[test]
fn whatever_is_not_understood_is_told() {
    let (open, _) = sheet(DEFINITION, &[json!({"seen": 1})]);
    let position = Position { values: Default::default(), key: Key::new("k"), row: 0 };
    let cursor = position::cursor_of(CommitId::ZERO, "", &position).to_string();
    for (query, expected) in [
        ("nope=1", "nope: `nope` is not a known field of s"),
        ("nope[gte]=1", "nope[gte]: `nope` is not a known field of s"),
        (
            "seen[near]=1",
            "seen[near]: `near` is not an operator; the operators are eq, ne, gt, gte, lt, lte, in, nin, prefix, contains, exists and size",
        ),
        ("seen[exists]=1", "seen[exists]: must be `true` or `false`"),
        ("seen]=1", "seen]: `seen]` is not a known field of s; did you mean seen?"),
        ("sort=-sene", "sort: `sene` is not a known field of s; did you mean seen?"),
        ("per_page=1", "per_page: `per_page` is not a known field of s; did you mean perPage?"),
        ("seen_gt=1", "seen_gt: `seen_gt` is not a known field of s: a comparison is `seen[gt]=…`"),
        (
            "sort=seen:desc",
            "sort: `seen:desc` is not a known field of s: `seen` sorts ascending, `-seen` descending",
        ),
        ("search=x", "search: `search` is not a known field of s: to search for words, use `q=…`"),
        ("=1", ": `` is not a known field of s"),
        ("sort=nope", "sort: `nope` is not a known field of s"),
        ("sort=", "sort: `` is not a known field of s"),
        ("sort=seen,-seen", "sort: names `seen` more than once"),
        ("facets=nope", "facets: `nope` is not a known field of s"),
        ("fields=seen,nope", "fields: `nope` is not a known field of s"),
        ("page=0", "page: must be a whole number of 1 or more"),
        ("page=1.5", "page: must be a whole number of 1 or more"),
        ("page=99999999999999999999999", "page: must be a whole number of 1 or more"),
        ("perPage=101", "perPage: must be a whole number from 0 to 100"),
        ("perPage=+1", "perPage: must be a whole number from 0 to 100"),
        ("limit=0", "limit: must be a whole number from 1 to 100"),
        ("limit=1&page=1", "page: cannot be combined with `cursor` or `limit`"),
        ("page=1&page=2", "page: is given more than once"),
        ("cursor=x", "cursor: is not a cursor of a list in this order"),
        (&format!("sort=seen&cursor={cursor}"), "cursor: is not a cursor of a list in this order"),
        ("q=-", "q: the query has no word to search for"),
        (
            "facets=seen:week",
            "facets: `seen:week` is not a field: a field may be followed by `:year`, `:month`, `:day`, or the bounds of ranges such as `:0,4,7`",
        ),
        ("facets=seen:3,3", "facets: the bounds of `seen` must ascend, and be at most 100"),
        ("facets=seen&facetLimit=0", "facetLimit: must be a whole number from 1 to 1000"),
        ("facetLimit=3", "facetLimit: needs `facets`, the fields to count"),
        ("groupBy=seen&facetMode=or", "facetMode: needs `facets`, the fields to count"),
        ("facets=seen&facetSort=up", "facetSort: must be `count` or `value`"),
        ("facets=seen&facetMode=not", "facetMode: must be `and` or `or`"),
        (
            "groupBy=seen&fields=seen",
            "fields: cannot be combined with `groupBy`: groups have no items",
        ),
        ("groupBy=seen:1,2,nope", "groupBy: `nope` is not a known field of s"),
        ("limit=1&groupBy=seen&cursor=x", "cursor: is not a cursor of a list in this order"),
    ] {
        assert_eq!(problems(&open, query), [expected], "{query}");
    }
    assert_eq!(problems(&open, "x=1&page=0&y=2").len(), 3);
    let many = |count: usize, part: &str| vec![part; count].join("");
    assert_eq!(problems(&open, &many(65, "seen=1&")), [": there are more than 64 conditions"]);
    let names = format!("facets={}", many(101, "nope,"));
    assert_eq!(problems(&open, &names).len(), 100, "the rest is not told");
    let many = format!("seen[in]={}", many(100, "1,"));
    assert_eq!(problems(&open, &many), ["seen[in]: there are more than 100 alternatives"]);
    let hundred = vec!["1"; 100].join(",");
    let times = |count: usize| vec![format!("seen[in]={hundred}"); count].join("&");
    let in_all = ": there are more than 1000 alternatives in all conditions";
    assert_eq!(problems(&open, &format!("{}&seen[nin]=1", times(10))), [in_all]);
    assert_eq!(problems(&open, &times(64)), [in_all], "it is told once");
    assert_eq!(problems(&open, &format!("{}&x=1", times(10))).len(), 1, "a thousand are taken");
}

#[test]
fn a_name_of_too_many_parts_is_refused() {
    let name = |parts: usize| vec!["a"; parts].join(".");
    let (most, more) = (name(FieldPath::MOST_PARTS), name(FieldPath::MOST_PARTS + 1));
    let (sheet, text) =
        sheet("[sheets.s]\n", &[json!({ most.clone(): 1 }), json!({ more.clone(): 1 })]);
    let list = (sheet, text);
    assert_eq!(keys(&page(&list, &format!("{most}=1"))), "000");
    for query in [format!("{more}=1"), format!("sort={more}"), format!("facets={more}")] {
        let problems = problems(&list.0, &query);
        assert!(problems[0].ends_with("more than 64 parts between dots"), "{problems:?}");
    }
}

#[test]
fn with_a_schema_only_its_fields_are_known() {
    let schema = "schema = { type = 'object', properties = { title = { type = 'string' } } }\n";
    let (closed, _) = sheet(&format!("[sheets.s]\n{schema}"), &[json!({"extra": 1})]);
    assert!(ListQuery::parse(&pairs("title=x"), &closed).is_ok());
    assert_eq!(problems(&closed, "extra=1"), ["extra: `extra` is not a known field of s"]);
}

#[test]
fn a_field_that_is_called_like_a_parameter_is_filtered_with_an_operator() {
    let sheet = sheet(DEFINITION, &[json!({"page": 7}), json!({"page": 8})]);
    assert_eq!(keys(&page(&sheet, "page[eq]=7")), "000");
}

#[test]
fn past_the_end_is_empty_and_keeps_the_total() {
    let sheet = sheet(DEFINITION, &[json!({}), json!({})]);
    for query in ["page=2", "page=18446744073709551615&perPage=100", "page=3&sort=a&perPage=1"] {
        let page = page(&sheet, query);
        assert_eq!((page.items.len(), page.total, page.next), (0, 2, None), "{query}");
    }
}

#[test]
fn facets_name_the_most_frequent_hundred() {
    let values: Vec<Json> = (0..150)
        .map(|n| json!({"a": n, "u": n, "t": ["x", if n < 9 { "y" } else { "z" }]}))
        .collect();
    let sheet = sheet(DEFINITION, &values);
    let page = page(&sheet, "facets=a,u,t&a[gte]=0");
    let sizes: Vec<_> = page.facets.iter().map(|facet| facet.values.len()).collect();
    let more: Vec<_> = page.facets.iter().map(|facet| facet.more).collect();
    assert_eq!(sizes, [100, 100, 3]);
    assert_eq!(more, [50, 50, 0]);
    let counts: Vec<_> = page.facets[2].values.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [150, 141, 9]);
}

#[test]
fn facets_tell_as_many_values_as_are_asked_for_and_in_the_order_that_is() {
    let values: Vec<Json> = (0..150)
        .map(|n| json!({"a": n % 30, "u": n, "d": format!("20{:02}-{:02}-03", n % 3, n % 5 + 1)}))
        .collect();
    let sheet = sheet(DEFINITION, &values);
    let told = |query: &str| {
        let page = page(&sheet, query);
        let facet = &page.facets[0];
        let values: Vec<_> =
            facet.values.iter().map(|(v, n)| format!("{}={n}", shown(v))).collect();
        (values.join(" "), facet.more, page.items.len())
    };
    let of = |told: &str, more, items| (told.to_owned(), more, items);
    assert_eq!(told("facets=a&facetLimit=2&perPage=0"), of("0=5 1=5", 28, 0));
    assert_eq!(told("facets=a&facetLimit=2&facetSort=value&a[gte]=7"), of("7=5 8=5", 21, 30));
    assert_eq!(told("facets=u&facetLimit=1000").1, 0);
    let years = "\"2000\"=50 \"2001\"=50 \"2002\"=50";
    assert_eq!(told("facets=d:year&perPage=0"), of(years, 0, 0));
    assert_eq!(told("facets=d:month&facetLimit=1"), of("\"2000-01\"=10", 14, 30));
    let ranges = "{\"gte\":20}=50 {\"gte\":5,\"lt\":20}=75 {\"lt\":5}=25";
    let mut in_order: Vec<String> = Vec::new();
    for query in ["facets=a:5,20", "facets=a:5,20&a[exists]=true&u[gte]=0"] {
        let (told, _, _) = told(&format!("{query}&facetSort=value"));
        let mut sorted: Vec<&str> = told.split(' ').collect();
        sorted.sort_unstable();
        assert_eq!(sorted.join(" "), ranges);
        in_order.push(told);
    }
    assert_eq!(in_order[0], "{\"lt\":5}=25 {\"gte\":5,\"lt\":20}=75 {\"gte\":20}=50");
    assert_eq!(in_order[0], in_order[1], "the index and the records agree");
    let or = told("facets=a&facetMode=or&a[lt]=3&u[lt]=60&facetLimit=1000");
    assert_eq!((or.0.split(' ').count(), or.2), (30, 6));
}

#[test]
fn the_key_is_a_field_and_a_text_whatever_it_spells() {
    let values: Vec<Json> = (0..12).map(|n| json!({"a": n % 2, "_key": "own"})).collect();
    let sheet = sheet(DEFINITION, &values);
    for (query, expected) in [
        ("_key[in]=003,001,nothing", "001 003"),
        ("_key[in]=003&_key[in]=004&_key[in]=003", "003 004"),
        ("_key=003&a=1", "003"),
        ("_key=003&a=0", ""),
        ("_key=own", ""),
        ("_key[prefix]=01&sort=-_key", "011 010"),
        ("_key[contains]=1&_key[lt]=01", "001"),
        ("_key[gte]=010&_key[ne]=011", "010"),
        ("_key[nin]=000,001,002,003,004,005,006&_key[lte]=007", "007"),
        ("sort=-a,-_key&perPage=3", "011 009 007"),
        ("sort=_key&_key[exists]=true&perPage=2", "000 001"),
        ("_key[exists]=false", ""),
    ] {
        assert_eq!(keys(&page(&sheet, query)), expected, "{query}");
    }
    let groups = page(&sheet, "groupBy=_key&perPage=1&facets=_key&facetLimit=3");
    assert_eq!((groups.total, groups.facets[0].more), (12, 9));
    let mut walked = Vec::new();
    let mut next = Some(String::new());
    while let Some(cursor) = next {
        let cursor = if cursor.is_empty() { cursor } else { format!("&cursor={cursor}") };
        let page = page(&sheet, &format!("sort=-_key&limit=5{cursor}"));
        walked.extend(page.items.iter().map(|item| item.record.key.to_string()));
        next = page.next;
    }
    assert!(walked.len() == 12 && walked.is_sorted_by(|a, b| a > b));
}

#[test]
fn each_element_of_a_list_is_an_item_with_its_place() {
    let values = [
        json!({"n": {"l": [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}, 7, null]}, "u": "one"}),
        json!({"n": {"l": {"x": 1, "y": "c"}}, "u": "two", "h": null}),
        json!({"n": {"l": [[{"x": 2, "y": "d"}], []]}, "u": "one"}),
        json!({"n": {"l": [{"x": 1, "y": "a"}]}, "u": "one", "h": 1}),
        json!({"n": {"l": null}, "u": "one"}),
    ];
    let sheet = sheet(DEFINITION, &values);
    let items = |query: &str| {
        let page = page(&sheet, &format!("unnest=n.l&{query}"));
        let item = |item: &Item| {
            format!(
                "{}{} {}",
                item.record.key,
                item.element.as_ref().unwrap().at,
                item.value().text()
            )
        };
        page.items.iter().map(item).collect::<Vec<_>>().join(", ")
    };
    for (query, expected) in [
        (
            "",
            "000/n/l/0 {\"x\":1,\"y\":\"a\"}, 000/n/l/1 {\"x\":2,\"y\":\"b\"}, 000/n/l/2 7, \
             001/n/l {\"x\":1,\"y\":\"c\"}, 002/n/l/0/0 {\"x\":2,\"y\":\"d\"}",
        ),
        ("n.l.x=1&u=one", "000/n/l/0 {\"x\":1,\"y\":\"a\"}"),
        (
            "n.l.x[ne]=1&u=one&n.l.y[exists]=true&sort=-n.l.y&perPage=1",
            "002/n/l/0/0 {\"x\":2,\"y\":\"d\"}",
        ),
        ("n.l.y[exists]=false", "000/n/l/2 7"),
        ("n.l=7", "000/n/l/2 7"),
        ("_key=001", "001/n/l {\"x\":1,\"y\":\"c\"}"),
        ("q=two", "001/n/l {\"x\":1,\"y\":\"c\"}"),
    ] {
        assert_eq!(items(query), expected, "{query}");
    }
    let (sheet, text) = &sheet;
    let each = ListQuery::parse(&pairs("unnest=n.l&n.l.x=2&sort=-_key"), sheet).unwrap();
    let each = each.each(Arc::new(sheet.clone()), text, &Budget::unlimited()).unwrap();
    let places: Vec<_> = each.map(|item| item.element.unwrap().at).collect();
    assert_eq!(places, ["/n/l/0/0".into(), Box::<str>::from("/n/l/1")]);
    for (query, told) in [
        ("unnest=_key", "unnest: must name a list, without positions: the key is not one"),
        ("unnest=nope", "unnest: `nope` is not a known field of s"),
        ("unnest=n.l&fields=u", "fields: `u` is not in the elements of `n.l`"),
        ("unnest=n.l&fields=-n", "fields: `n` is not in the elements of `n.l`"),
    ] {
        assert_eq!(problems(sheet, query), [told]);
    }
}

#[test]
fn a_number_behind_a_list_is_a_position_unless_it_is_the_name_of_a_member() {
    let values = [
        json!({"r": [{"n": "c", "lts": true}, {"n": "b"}, {"n": "a", "lts": true}], "t": [1, 2], "n": {"17.4": 1}}),
        json!({"r": [{"n": "b"}, {"n": "a", "lts": true}], "t": [2], "n": {"17": {"4": 2}}}),
        json!({"r": [], "t": [[1], 2, 3], "n": [{"0": 5}, {"0": 6}]}),
        json!({"r": {"n": "b"}, "t": 1}),
    ];
    // A definition that names positions does not make them names.
    let named =
        "[sheets.s]\nindex = ['r.0.n', 'r.-1.n', 'n.0', 't']\nunique = ['t.0']\nhidden = 'r.1.x'\n";
    for definition in [DEFINITION, named] {
        let sheet = sheet(definition, &values);
        for (query, expected) in [
            ("r.0.n=b", "001"),
            ("r.-1.n=a", "000 001"),
            ("r.0.n=c&r.0.lts=true", "000"),
            ("r.1.n=b&r.1.lts=true", ""),
            ("r.0.n=b&r.n=a&r.lts=true", "001"),
            ("r.0.n[ne]=c", "001 002 003"),
            ("r.2.n[exists]=true", "000"),
            ("t.0=1", "000 002"),
            ("t.0.0=1", "002"),
            ("sort=-r.-1.n,-t.0&perPage=2", "001 000"),
            ("n.17.4[gte]=1", "000 001"),
            ("n.0=6", "002"),
            ("r[size]=0", "002"),
            ("r[size][gte]=2&r[size][lt]=3", "001"),
            ("r[size][ne]=3", "001 002 003"),
            ("r[size][in]=0,3", "000 002"),
            ("t[size][nin]=1,2", "002 003"),
            ("r[size][gt]=2&r.n=b", "000"),
            ("unnest=r&r.n=b&r[size]=2", "001"),
            ("unnest=r&r.n=b&t[size]=1", "001"),
            ("unnest=r&r.n=a&r.0.n=c", "000"),
        ] {
            assert_eq!(keys(&page(&sheet, query)), expected, "{query}");
        }
        let facets = page(&sheet, "facets=r.0.n,r.-1.n");
        let counts = |at: usize| {
            let values = facets.facets[at].values.iter();
            values
                .map(|(value, count)| format!("{}={count}", shown(value)))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!((counts(0), counts(1)), ("\"b\"=1 \"c\"=1".to_owned(), "\"a\"=2".to_owned()));
        for (query, told) in [
            ("r.x.n=1", "r.x.n: `r.x.n` is not a known field of s"),
            ("n.17.n=1", "n.17.n: `n.17.n` is not a known field of s"),
            ("fields=r.0.n", "fields: `r.0.n` has a position, and lists are shown whole"),
            ("unnest=r.0", "unnest: must name a list, without positions: the key is not one"),
            ("r[size]=many", "r[size]: must be a whole number: how many elements a list has"),
            (
                "r[size][prefix]=1",
                "r[size][prefix]: `prefix` compares no sizes; these do: eq, ne, gt, gte, lt, lte, in and nin",
            ),
        ] {
            let problems = problems(&sheet.0, query);
            assert!(problems[0].starts_with(told), "{problems:?}");
        }
    }
}

#[test]
fn conditions_are_counted_from_one_now_that_the_list_tells_and_its_cursors_carry() {
    let dates = ["2024-03-30", "2024-03-31T10:00:00Z", "2024-06-29", "2024-06-30T00:00:00Z", "now"];
    let values: Vec<Json> = dates.iter().map(|date| json!({"a": date, "u": date})).collect();
    let sheet = sheet(DEFINITION, &values);
    let now = "now=2024-03-31T10:00:00Z";
    for (query, expected) in [
        ("X[gte]=now&X[lt]=now+91d", "001 002 003"),
        ("X[gte]=today&X[lt]=today+3mo", "001 002"),
        ("X[lt]=now", "000"),
        ("X=now", "001 004"),
        ("X[in]=today-1d,now", "000 001 004"),
        ("X[ne]=now", "000 002 003"),
    ] {
        for field in ["a", "u"] {
            let query = query.replace('X', field);
            let page = page(&sheet, &format!("{query}&{now}"));
            assert_eq!(keys(&page), expected, "{query}");
            let query = ListQuery::parse(&pairs(&format!("{query}&{now}")), &sheet.0).unwrap();
            assert_eq!(query.now(), Timestamp::parse("2024-03-31T10:00:00Z"));
            assert!(!query.depends_on_clock());
        }
    }
    let parse = |query: &str| ListQuery::parse(&pairs(query), &sheet.0).unwrap();
    let query = parse("a[lt]=now&limit=2&sort=a");
    assert!(query.depends_on_clock() && query.now() > Timestamp::parse("2026-01-01"));
    let first = query.run(&sheet.0, &sheet.1, &Budget::unlimited()).unwrap();
    let next = format!("a[lt]=now&limit=2&sort=a&cursor={}", first.next.unwrap());
    let second = parse(&next);
    assert_eq!((second.now(), second.depends_on_clock()), (query.now(), false));
    assert_eq!(keys(&page(&sheet, &next)), "002 003");
    let told = ["now: is used by no condition"];
    assert_eq!(problems(&sheet.0, "a=nowhere&now=2024-05"), told);
    let other = problems(&sheet.0, &format!("{next}&{now}"));
    assert_eq!(other, ["cursor: is not a cursor of a list in this order"]);
    let wrong = "a: `now-3` is not a time: `now` or `today` is followed by numbers of s, min, h, d, w, mo or y, as in `now-90d`";
    assert_eq!(problems(&sheet.0, "a=now-3"), [wrong]);
    assert_eq!(problems(&sheet.0, "now=soon"), ["now: must be a date, or a date and a time"]);
}

#[test]
fn a_list_may_be_given_in_parts() {
    let values: Vec<Json> = (0..4).map(|n| json!({"a": n, "u": -n, "v": "x"})).collect();
    let sheet = sheet(DEFINITION, &values);
    assert_eq!(keys(&page(&sheet, "a[in]=1,2&a[in]=3&sort=v&sort=u")), "003 002 001");
    assert_eq!(keys(&page(&sheet, "a[nin]=1,2&a[nin]=3")), "000");
    let page = page(&sheet, "facets=a&facets=u,v");
    assert_eq!(page.facets.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["a", "u", "v"]);
    let query = ListQuery::parse(&pairs("fields=a&fields=v&fields=_key"), &sheet.0).unwrap();
    assert_eq!(query.fields().unwrap().apply(&Value::new(&values[1])), r#"{"a":1,"v":"x"}"#);
    let query = ListQuery::parse(&pairs("fields=-v"), &sheet.0).unwrap();
    assert_eq!(query.fields().unwrap().apply(&Value::new(&values[1])), r#"{"a":1,"u":-1}"#);
}

#[test]
fn a_facet_that_would_name_a_value_of_any_length_is_refused_however_it_is_counted() {
    let long = "x".repeat(MAX_FACET_VALUE);
    let fits = json!({"a": long, "u": long, "t": 1});
    let escaped =
        json!({"a": "\u{1}".repeat(MAX_FACET_VALUE / 6 + 1), "u": format!("{long}x"), "t": 1});
    let (fits, beyond) = (sheet(DEFINITION, &[fits]), sheet(DEFINITION, &[escaped]));
    for (query, field) in [
        ("facets=a", "a"),
        ("facets=u", "u"),
        ("facets=t,u&t=1", "u"),
        ("facets=t,a&t=1", "a"),
        ("facets=a&a[exists]=true", "a"),
    ] {
        let run = |(sheet, text): &(Sheet, TextIndex)| {
            let query = ListQuery::parse(&pairs(query), sheet).unwrap();
            query.run(sheet, text, &Budget::unlimited())
        };
        assert!(run(&fits).is_ok(), "{query}");
        let Err(ListError::Facet(LongValue { name: told })) = run(&beyond) else {
            panic!("{query} is answered")
        };
        assert_eq!(&*told, field, "{query}");
    }
}

#[test]
fn a_facet_counts_what_is_left_for_a_value_that_nearly_all_records_have() {
    let value = |n: i32| {
        let mut value = json!({"a": n, "u": if n % 20 == 0 { "rare" } else { "common" }});
        if n == 59 || n == 40 {
            value["h"] = json!(true);
        }
        value
    };
    let values: Vec<Json> = (0..60).map(value).collect();
    let definition = "[sheets.s]\nindex = ['a', 'u']\nhidden = 'h'\n";
    let sheet = sheet(definition, &values);
    for query in ["a[gte]=15", "a[gte]=15&u[in]=rare,common", "a[gte]=15&a[lt]=99"] {
        let page = page(&sheet, &format!("facets=u&{query}"));
        let counts: Vec<_> =
            page.facets[0].values.iter().map(|(value, count)| (shown(value), *count)).collect();
        let expected = [("\"common\"".to_owned(), 42), ("\"rare\"".to_owned(), 1)];
        assert_eq!((page.total, &*counts), (43, &expected[..]), "{query}");
    }
}

/// The model: the same list from plain JSON, without indexes and without the engine's scalars.
mod model {
    use super::*;

    /// Returns each value of a field once, in order.
    pub(super) fn values(record: &Json, field: &str) -> Vec<Json> {
        let mut found = all_values(record, field);
        found.sort_by(compare);
        found.dedup();
        found
    }

    pub(super) fn all_values(record: &Json, field: &str) -> Vec<Json> {
        fn visit(json: &Json, path: &[&str], found: &mut Vec<Json>) {
            match (json, path) {
                (Json::Array(elements), _) => {
                    elements.iter().for_each(|element| visit(element, path, found));
                }
                (Json::Object(members), [name, rest @ ..]) => {
                    members.get(*name).into_iter().for_each(|json| visit(json, rest, found));
                }
                (Json::Null, _) | (_, [_, ..]) => {}
                (_, []) => found.push(json.clone()),
            }
        }
        let mut found = Vec::new();
        visit(record, &field.split('.').collect::<Vec<_>>(), &mut found);
        found
    }

    /// Returns the day in UTC, if a text below is a moment.
    pub(super) fn day(text: &str) -> Option<&'static str> {
        moment(text, false).map(|at| if at < 0 { "2023-12-31" } else { "2024-01-01" })
    }

    pub(super) fn compare(a: &Json, b: &Json) -> Ordering {
        let rank = |json: &Json| match json {
            Json::Bool(_) => 0,
            Json::Number(_) => 1,
            Json::String(_) => 2,
            _ => 3,
        };
        match (a, b) {
            (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
            (Json::Number(a), Json::Number(b)) => {
                a.as_f64().unwrap().total_cmp(&b.as_f64().unwrap())
            }
            (Json::String(a), Json::String(b)) => {
                moment(a, false).cmp(&moment(b, false)).then_with(|| a.cmp(b))
            }
            _ => rank(a).cmp(&rank(b)).then_with(|| a.to_string().cmp(&b.to_string())),
        }
    }

    /// Returns the texts below that are moments, in half seconds since New Year 2024; a year is one
    /// only as a beginning.
    fn moment(text: &str, beginning: bool) -> Option<i64> {
        Some(match text {
            "2023-12-31T23:30:00Z" => -3_600,
            "2024-01-01" | "2024-01-01T00:00:00Z" | "2024-01-01T02:00:00+02:00" => 0,
            "2024" if beginning => 0,
            "2024-01-01T00:00:00.5Z" => 1,
            _ => return None,
        })
    }

    pub(super) fn passes(
        record: &Json,
        (field, operator, literal): &(String, String, String),
    ) -> bool {
        let found = values(record, field);
        let side = |literal: &str, value: &Json| {
            if let Some(at) = value.as_str().and_then(|text| moment(text, false)) {
                let is_range = ["gt", "gte", "lt", "lte"].contains(&&**operator);
                return Some(at.cmp(&moment(literal, is_range)?));
            }
            let reading = match value {
                Json::Number(_) => serde_json::from_str(literal).ok().filter(Json::is_number)?,
                Json::Bool(_) => serde_json::from_str(literal).ok().filter(Json::is_boolean)?,
                Json::String(text) => {
                    return moment(literal, false).is_none().then(|| (**text).cmp(literal));
                }
                _ => return None,
            };
            Some(compare(value, &reading))
        };
        let any = |test: &dyn Fn(Ordering) -> bool| {
            found.iter().any(|value| side(literal, value).is_some_and(test))
        };
        let mut texts = found.iter().filter_map(|value| Some(value.as_str()?.to_lowercase()));
        match &**operator {
            "eq" => any(&Ordering::is_eq),
            "ne" => !any(&Ordering::is_eq),
            "gt" => any(&Ordering::is_gt),
            "gte" => any(&Ordering::is_ge),
            "lt" => any(&Ordering::is_lt),
            "lte" => any(&Ordering::is_le),
            "in" => literal.split(',').any(|literal| {
                found.iter().any(|value| side(literal, value) == Some(Ordering::Equal))
            }),
            "nin" => !literal.split(',').any(|literal| {
                found.iter().any(|value| side(literal, value) == Some(Ordering::Equal))
            }),
            "prefix" => texts.any(|text| text.starts_with(&literal.to_lowercase())),
            "contains" => texts.any(|text| text.contains(&literal.to_lowercase())),
            "exists" => found.is_empty() == (literal == "false"),
            other => panic!("{other}"),
        }
    }

    /// Several conditions on a list of tables must hold for one of them.
    pub(super) fn pass(record: &Json, filters: &[(String, String, String)]) -> bool {
        // A list given in parts is one list.
        let mut whole: Vec<(String, String, String)> = Vec::new();
        for filter in filters {
            let same = |other: &&mut (String, String, String)| {
                filter.1 == "in" && (&other.0, &other.1) == (&filter.0, &filter.1)
            };
            match whole.iter_mut().find(same) {
                Some(list) => list.2 = format!("{},{}", list.2, filter.2),
                None => whole.push(filter.clone()),
            }
        }
        let filters = &whole;
        // Duplicate conditions count once.
        let mut once: Vec<&(String, String, String)> = Vec::new();
        for filter in filters {
            let several = |operator: &str| match operator {
                "eq" => "in".to_owned(),
                "ne" => "nin".to_owned(),
                other => other.to_owned(),
            };
            let is_same = |other: &&&(String, String, String)| {
                (&other.0, several(&other.1), &other.2)
                    == (&filter.0, several(&filter.1), &filter.2)
            };
            if !once.iter().any(|other| is_same(&other)) {
                once.push(filter);
            }
        }
        let of_list = |filter: &&(String, String, String)| filter.0.starts_with("l.");
        let (on_list, others): (Vec<_>, Vec<_>) = once.into_iter().partition(of_list);
        let on = |list: Json| on_list.iter().all(|filter| passes(&json!({ "l": list }), filter));
        let tables = record["l"].as_array().into_iter().flatten().filter(|l| l.is_object());
        let tables: Vec<&Json> = tables.collect();
        others.iter().all(|filter| passes(record, filter))
            && if on_list.len() < 2 || tables.is_empty() {
                on(record["l"].clone())
            } else {
                tables.iter().any(|table| on(json!([table])))
            }
    }

    pub(super) fn sort(keys: &mut [usize], records: &[Json], sort: &[(String, bool)]) {
        keys.sort_by(|a, b| {
            let fields = sort.iter().map(|(field, descending)| {
                let value = |key: usize| {
                    let mut found = values(&records[key], field);
                    if *descending { found.pop() } else { found.into_iter().next() }
                };
                match (value(*a), value(*b)) {
                    (Some(a), Some(b)) if *descending => compare(&b, &a),
                    (Some(a), Some(b)) => compare(&a, &b),
                    (None, Some(_)) => Ordering::Greater,
                    (Some(_), None) => Ordering::Less,
                    (None, None) => Ordering::Equal,
                }
            });
            fields.fold(Ordering::Equal, Ordering::then).then(a.cmp(b))
        });
    }
}

const FIELDS: &[&str] = &["a", "t", "n.x", "u", "n", "l.x", "l.y"];
const SCALARS: &[&str] = &[
    "null",
    "true",
    "false",
    "1",
    "1.5",
    "2",
    "\"1\"",
    "\"b\"",
    "\"true\"",
    "{\"k\":1}",
    "-3",
    "\"2023-12-31T23:30:00Z\"",
    "\"2024-01-01\"",
    "\"2024-01-01T00:00:00Z\"",
    "\"2024-01-01T02:00:00+02:00\"",
    "\"2024-01-01T00:00:00.5Z\"",
    "\"2024\"",
];
const LITERALS: &[&str] = &[
    "1",
    "1.5",
    "2",
    "b",
    "true",
    "",
    "x",
    "-3",
    "01",
    "2024",
    "2024-01-01",
    "2024-01-01T00:00:00Z",
    "2024-01-01T02:00:00+02:00",
    "2024-01-01T00:00:00.5Z",
];

fn any_record() -> impl Strategy<Value = Json> {
    let scalar = || {
        prop::sample::select(SCALARS).prop_map(|text| serde_json::from_str::<Json>(text).unwrap())
    };
    let list = || prop::collection::vec(scalar(), 0..3).prop_map(Json::Array);
    let field = || prop_oneof![4 => scalar(), 1 => list()];
    let hidden = prop::bool::weighted(0.1);
    let table = (field(), field()).prop_map(|(x, y)| json!({"x": x, "y": y}));
    let element = prop_oneof![8 => table.clone(), 1 => scalar()];
    let tables = prop::collection::vec(element, 0..4).prop_map(Json::Array);
    let tables = prop_oneof![4 => tables, 1 => table];
    (scalar(), list(), field(), field(), tables, hidden).prop_map(|(a, t, x, u, l, hidden)| {
        let mut record = json!({"a": a, "t": t, "n": {"x": x}, "u": u, "l": l});
        if hidden {
            record["h"] = json!("yes");
        }
        record
    })
}

fn any_filter() -> impl Strategy<Value = (String, String, String)> {
    let literal = || prop::sample::select(LITERALS);
    let field = || prop::sample::select(FIELDS);
    let one =
        (field(), prop::sample::select(&["eq", "ne", "gt", "gte", "lt", "lte"][..]), literal());
    let lists = prop::sample::select(&["in", "nin"][..]);
    let several = (field(), lists, prop::collection::vec(literal(), 1..4));
    let part = prop::sample::select(&["prefix", "contains"][..]);
    let part = (field(), part, prop::sample::select(&["", "B", "2024-", "T", "1"][..]));
    let exists = (field(), Just("exists"), prop::sample::select(&["true", "false"][..]));
    let owned = |(a, b, c): (&str, &str, &str)| (a.to_owned(), b.to_owned(), c.to_owned());
    prop_oneof![
        6 => one.prop_map(owned),
        2 => several.prop_map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.join(","))),
        1 => part.prop_map(owned),
        1 => exists.prop_map(owned),
    ]
}

proptest! {
    #[test]
    fn the_first_of_any_items_are_those_that_sorting_all_puts_first(
        items in prop::collection::vec(0u8..40, 0..400), wanted in 0usize..100,
    ) {
        let items: Vec<(u8, usize)> = items.into_iter().zip(0..).collect();
        let mut expected = items.clone();
        expected.sort_unstable();
        expected.truncate(wanted);
        prop_assert_eq!(first(items.into_iter(), wanted, Ord::cmp), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Checks a list by pages and by cursors against a model that shares no code with it.
    #[test]
    fn a_list_is_that_of_a_naive_reading(
        records in prop::collection::vec(any_record(), 0..60),
        filters in prop::collection::vec(any_filter(), 0..5),
        sort in prop::sample::subsequence(FIELDS, 0..3),
        descending in prop::array::uniform2(any::<bool>()),
        has_words in prop::bool::weighted(0.2),
        size in 1..9_usize,
    ) {
        let sort: Vec<(String, bool)> =
            sort.iter().zip(descending).map(|(field, down)| ((*field).to_owned(), down)).collect();
        let mut expected: Vec<usize> = (0..records.len())
            .filter(|n| records[*n].get("h").is_none())
            .filter(|n| model::pass(&records[*n], &filters))
            .filter(|n| !has_words || ["a", "t", "n.x", "u", "l", "l.x", "l.y"].iter().any(|field| {
                model::values(&records[*n], field).contains(&json!("b"))
            }))
            .collect();
        model::sort(&mut expected, &records, &sort);
        let mut counts: [BTreeMap<String, usize>; 3] = Default::default();
        for n in &expected {
            for (field, counts) in ["t", "a", "u"].iter().zip(&mut counts) {
                for value in model::values(&records[*n], field) {
                    *counts.entry(value.to_string()).or_default() += 1;
                }
            }
        }

        let sheet = sheet(DEFINITION, &records);
        let known = |field: &str| ListQuery::parse(&pairs(&format!("{field}=1")), &sheet.0).is_ok();
        prop_assume!(filters.iter().all(|(field, _, _)| known(field)));
        prop_assume!(sort.iter().all(|(field, _)| known(field)));
        let mut query = String::new();
        for (field, operator, literal) in &filters {
            query.push_str(&format!("{field}[{operator}]={literal}&"));
        }
        if !sort.is_empty() {
            let names: Vec<String> = sort
                .iter()
                .map(|(field, down)| format!("{}{field}", if *down { "-" } else { "" }))
                .collect();
            query.push_str(&format!("sort={}&", names.join(",")));
        }
        if has_words {
            query.push_str("q=b&");
        }
        // The ranking of matches is tested with the text index.
        let in_order = |mut keys: Vec<usize>| {
            if has_words && sort.is_empty() {
                keys.sort_unstable();
            }
            keys
        };

        let number = |item: &Item| item.record.key.as_str().parse::<usize>().unwrap();
        let mut by_page = Vec::new();
        for n in 1..=records.len() / size + 2 {
            let facets = match (n % 2, known("u")) {
                (0, true) => "facets=t,a,u&",
                (0, false) => "facets=t,a&",
                _ => "",
            };
            let page = page(&sheet, &format!("{query}{facets}page={n}&perPage={size}"));
            prop_assert_eq!(page.total, expected.len());
            by_page.extend(page.items.iter().map(number));
            for (facet, counts) in page.facets.iter().zip(&counts) {
                let values = facet.values.iter();
                let facet = values.map(|(scalar, count)| (shown(scalar), *count));
                prop_assert_eq!(&facet.collect::<BTreeMap<_, _>>(), counts, "{}", query);
            }
        }
        prop_assert_eq!(&in_order(by_page), &expected, "{}", query);

        let mut by_cursor = Vec::new();
        let mut next = Some(String::new());
        while let Some(cursor) = next {
            let cursor = if cursor.is_empty() { cursor } else { format!("&cursor={cursor}") };
            let page = page(&sheet, &format!("{query}limit={size}{cursor}"));
            by_cursor.extend(page.items.iter().map(number));
            next = page.next;
        }
        prop_assert_eq!(&in_order(by_cursor), &expected, "{}", query);
    }

    /// For any parameters, the parser succeeds or returns problems.
    #[test]
    fn any_parameters_are_read_or_told(
        pairs in prop::collection::vec(("\\PC{0,12}|a|a\\[[a-z]{1,6}\\]|sort|q|page|limit|cursor", "\\PC{0,20}|[0-9a-z,.-]{0,9}"), 0..6),
    ) {
        let (sheet, text) = sheet(DEFINITION, &[json!({"a": 1})]);
        if let Ok(query) = ListQuery::parse(&pairs, &sheet) {
            query.run(&sheet, &text, &Budget::unlimited()).unwrap();
        }
    }
}

fn shown(scalar: &crate::scalar::Scalar) -> String {
    use crate::scalar::{Number, Scalar};
    match scalar {
        Scalar::Bool(boolean) => boolean.to_string(),
        Scalar::Number(Number::Negative(integer)) => integer.to_string(),
        Scalar::Number(Number::Natural(integer)) => integer.to_string(),
        Scalar::Number(Number::Float(float)) => float.to_string(),
        Scalar::String(text) => json!(**text).to_string(),
        Scalar::Timestamp(text) => json!(text.as_str()).to_string(),
        Scalar::Other(text) => text.to_string(),
    }
}

/// Counts everything by a reading of the items that shares no code with the engine.
mod counted {
    use super::*;

    /// Returns the JSON for the group of a value.
    pub(super) fn group(value: &Json, by: &str) -> Json {
        if let Some(bounds) = by.strip_prefix("0,") {
            let mut bounds: Vec<f64> = bounds.split(',').map(|it| it.parse().unwrap()).collect();
            bounds.insert(0, 0.0);
            let Some(number) = value.as_f64() else { return Json::Null };
            let text =
                |bound: f64| if bound.fract() == 0.0 { json!(bound as u64) } else { json!(bound) };
            let above = bounds.iter().rev().find(|bound| **bound <= number);
            let below = bounds.iter().find(|bound| **bound > number);
            return match (above, below) {
                (None, Some(below)) => json!({ "lt": text(*below) }),
                (Some(above), Some(below)) => json!({ "gte": text(*above), "lt": text(*below) }),
                (Some(above), None) => json!({ "gte": text(*above) }),
                (None, None) => unreachable!("{number}"),
            };
        }
        let length = match by {
            "year" => 4,
            "month" => 7,
            "day" => 10,
            _ => return value.clone(),
        };
        let day = value.as_str().and_then(model::day);
        day.map_or(Json::Null, |day| json!(day[..length]))
    }

    /// Counts the groups that `items` are in.
    pub(super) fn facet(items: &[(Json, Json)], field: &str, by: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for item in items {
            let mut groups: Vec<String> = Vec::new();
            for value in values(item, field) {
                let group = group(&value, by).to_string();
                if !groups.contains(&group) {
                    groups.push(group);
                }
            }
            groups.into_iter().for_each(|group| *counts.entry(group).or_default() += 1);
        }
        counts
    }

    /// Returns the values of an item: of its record, and of its element of `l` if it is one.
    pub(super) fn values((record, element): &(Json, Json), field: &str) -> Vec<Json> {
        match field.strip_prefix("l.").filter(|_| !element.is_null()) {
            Some(inner) => model::all_values(element, inner),
            None if field == "l" && !element.is_null() => {
                model::all_values(&json!({"l": element}), "l")
            }
            None => model::all_values(record, field),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Checks facets, statistics and groups of records and elements against a model that shares no
    /// code.
    #[test]
    fn what_is_counted_is_that_of_a_naive_reading(
        records in prop::collection::vec(any_record(), 1..40),
        filters in prop::collection::vec(any_filter(), 0..3),
        unnests in any::<bool>(),
        field in prop::sample::select(FIELDS),
        other in prop::sample::select(FIELDS),
        by in prop::sample::select(&["", "year", "month", "day", "0,1.5,2"][..]),
        is_or in any::<bool>(),
        size in 1..5_usize,
    ) {
        let sheet = sheet(DEFINITION, &records);
        let known = |field: &str| ListQuery::parse(&pairs(&format!("{field}=1")), &sheet.0).is_ok();
        prop_assume!(filters.iter().all(|(field, _, _)| known(field)));
        prop_assume!(known(field) && known(other) && known("l"));

        let shown = records.iter().filter(|record| record.get("h").is_none());
        let items: Vec<(Json, Json)> = if unnests {
            let elements = |record: &Json| model::all_values(record, "l");
            let items = shown.flat_map(|record| {
                elements(record).into_iter().map(|element| (record.clone(), element))
            });
            items.collect()
        } else {
            shown.map(|record| (record.clone(), Json::Null)).collect()
        };
        let passes = |item: &&(Json, Json), filters: &[(String, String, String)]| {
            let is_inner = |filter: &&(String, String, String)| {
                unnests && (filter.0 == "l" || filter.0.starts_with("l."))
            };
            let (inner, outer): (Vec<_>, Vec<_>) = filters.iter().partition(is_inner);
            let owned = |filters: Vec<&(String, String, String)>| {
                filters.into_iter().cloned().collect::<Vec<_>>()
            };
            let element = json!({ "l": item.1 });
            model::pass(&item.0, &owned(outer)) && model::pass(&element, &owned(inner))
        };
        let listed: Vec<_> = items.iter().filter(|item| passes(item, &filters)).cloned().collect();
        let others: Vec<_> = filters.iter().filter(|filter| filter.0 != field).cloned().collect();
        let counted = if is_or { &others } else { &filters };
        let counted: Vec<_> = items.iter().filter(|item| passes(item, counted)).cloned().collect();

        let mut query = if unnests { "unnest=l&".to_owned() } else { String::new() };
        for (field, operator, literal) in &filters {
            query.push_str(&format!("{field}[{operator}]={literal}&"));
        }
        let grouping = if by.is_empty() { field.to_owned() } else { format!("{field}:{by}") };
        let mode = if is_or { "or" } else { "and" };

        // Facets and statistics, together with items.
        let asked = format!("{query}facets={grouping}&facetMode={mode}&stats={other}&perPage={size}");
        let page = page(&sheet, &asked);
        prop_assert_eq!(page.total, listed.len(), "{}", asked);
        prop_assert_eq!(page.items.len(), listed.len().min(size));
        let facet: BTreeMap<String, usize> =
            page.facets[0].values.iter().map(|(value, count)| (super::tests::shown(value), *count)).collect();
        prop_assert_eq!(facet, counted::facet(&counted, field, by), "{}", asked);
        let values: Vec<Json> = listed.iter().flat_map(|it| counted::values(it, other)).collect();
        let figures = &page.stats[0];
        prop_assert_eq!(figures.count, values.len(), "{}", asked);
        let different: std::collections::BTreeSet<String> =
            values.iter().map(Json::to_string).collect();
        prop_assert_eq!(figures.distinct, different.len());
        let numbers: Vec<f64> = values.iter().filter_map(Json::as_f64).collect();
        // These numbers have exact sums.
        let sum = (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>());
        let told = figures.sum.map(|sum| match sum {
            Sum::Whole(whole) => whole as f64,
            Sum::Real(real) => real,
        });
        prop_assert_eq!(told, sum);
        prop_assert_eq!(figures.mean, sum.map(|sum| sum / numbers.len() as f64));

        // Groups by two fields, by pages and by cursors.
        let mut expected: BTreeMap<String, usize> = BTreeMap::new();
        for item in &listed {
            let groups = |field: &str, by: &str| {
                let mut groups: Vec<Json> = Vec::new();
                for value in counted::values(item, field) {
                    let group = counted::group(&value, by);
                    if !groups.contains(&group) {
                        groups.push(group);
                    }
                }
                if groups.is_empty() { vec![Json::Null] } else { groups }
            };
            for one in groups(field, by) {
                for two in groups(other, "year") {
                    *expected.entry(json!([one, two]).to_string()).or_default() += 1;
                }
            }
        }
        prop_assume!(grouping != format!("{other}:year"));
        let asked = format!("{query}groupBy={grouping},{other}:year");
        let read = |groups: &[Group]| -> Vec<(String, usize)> {
            let text = |group: &Group| {
                let by: Vec<String> = group.by.iter().map(super::tests::shown).collect();
                (format!("[{}]", by.join(",")), group.count)
            };
            groups.iter().map(text).collect()
        };
        let mut by_page = Vec::new();
        for number in 1..=expected.len() / size + 2 {
            let page = super::tests::page(&sheet, &format!("{asked}&page={number}&perPage={size}"));
            prop_assert_eq!(page.total, expected.len(), "{}", asked);
            by_page.extend(read(&page.groups.unwrap()));
        }
        prop_assert!(by_page.is_sorted_by_key(|(_, count)| std::cmp::Reverse(*count)));
        let mut by_cursor = Vec::new();
        let mut next = Some(String::new());
        while let Some(cursor) = next {
            let cursor = if cursor.is_empty() { cursor } else { format!("&cursor={cursor}") };
            let page = super::tests::page(&sheet, &format!("{asked}&limit={size}{cursor}"));
            by_cursor.extend(read(&page.groups.unwrap()));
            next = page.next;
        }
        prop_assert_eq!(&by_cursor, &by_page);
        prop_assert_eq!(by_page.into_iter().collect::<BTreeMap<_, _>>(), expected, "{}", asked);

        // The elements themselves, in order.
        let mut in_order: Vec<usize> = (0..listed.len()).collect();
        let first = |at: &usize| counted::values(&listed[*at], other).into_iter().min_by(model::compare);
        in_order.sort_by(|a, b| match (first(a), first(b)) {
            (Some(a), Some(b)) => model::compare(&a, &b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        let expected: Vec<&Json> = in_order
            .iter()
            .map(|at| if unnests { &listed[*at].1 } else { &listed[*at].0 })
            .collect();
        let mut items = Vec::new();
        let mut next = Some(String::new());
        while let Some(cursor) = next {
            let cursor = if cursor.is_empty() { cursor } else { format!("&cursor={cursor}") };
            let page = super::tests::page(&sheet, &format!("{query}sort={other}&limit={size}{cursor}"));
            items.extend(page.items.iter().map(|item| {
                let value: Json = serde_json::from_str(item.value().text()).unwrap();
                let record: Json = serde_json::from_str(item.record.value.as_str()).unwrap();
                let at = item.element.as_ref().map(|element| record.pointer(&element.at).cloned());
                assert!(at.is_none_or(|at| at.as_ref() == Some(&value)), "{item:?}");
                value
            }));
            next = page.next;
        }
        prop_assert_eq!(items.iter().collect::<Vec<_>>(), expected, "{}", query);
    }
}

/// Returns how often a budget is asked in the course of an answer without a limit.
fn asked(run: impl Fn(&Budget) -> Result<(), ListError>) -> usize {
    let asked = std::rc::Rc::new(std::cell::Cell::new(0));
    let counted = asked.clone();
    let budget = Budget::while_true(move || {
        counted.set(counted.get() + 1);
        true
    });
    run(&budget).unwrap();
    asked.get()
}

/// Runs it with a budget that is used up at question `last`.
fn ended(last: usize, run: &impl Fn(&Budget) -> Result<(), ListError>) -> bool {
    let asked = std::cell::Cell::new(0);
    let budget = Budget::while_true(move || {
        asked.set(asked.get() + 1);
        asked.get() != last
    });
    matches!(run(&budget), Err(ListError::Search(SearchError::TooCostly(_))))
}

/// Asserts that `run` asks its budget at least `least` times, and that it is refused if the budget
/// runs out at any of some ten points.
fn assert_asks(what: &str, least: usize, run: impl Fn(&Budget) -> Result<(), ListError>) {
    let asked = asked(&run);
    assert!(asked >= least, "{what} asks {asked} times");
    for last in (1..=asked).step_by(asked / 10 + 1) {
        assert!(
            ended(last, &run),
            "{what} goes on, though it was told to end at {last} of {asked}"
        );
    }
}

#[test]
fn groups_with_their_figures_take_a_bounded_memory() {
    let record = |size: usize| {
        let list = |name: &str| (0..size).map(|n| json!(format!("{name}{n}"))).collect::<Vec<_>>();
        json!({"a": list("a"), "b": list("b"), "c": list("c")})
    };
    let sheet = |size| sheet("[sheets.s]\n", &[record(size)]);
    let run = |(sheet, text): &(Sheet, TextIndex), query: &str| {
        let query = ListQuery::parse(&pairs(query), sheet).unwrap();
        query.run(sheet, text, &Budget::while_true(|| true)).map(|page| page.total)
    };
    let query = "groupBy=a,b,c&stats=a,b,c&perPage=1";
    assert_eq!(run(&sheet(8), query).unwrap(), 512);
    // Of each of some thousand groups, the figures hold all values of three fields.
    let refused = run(&sheet(28), query);
    assert!(matches!(refused, Err(ListError::Search(SearchError::TooCostly(_)))), "{refused:?}");
    assert_eq!(run(&sheet(28), "groupBy=a,b,c&perPage=1").unwrap(), 28 * 28 * 28);
}

#[test]
fn statistics_of_a_field_with_an_index_read_no_records() {
    let record = |n: usize| json!({"a": n % 5, "b": n % 5, "t": [n % 3, n % 3], "v": n % 2});
    let (sheet, text) = sheet(DEFINITION, &(0..4_000).map(record).collect::<Vec<_>>());
    let run = |query: &str| {
        let query = ListQuery::parse(&pairs(query), &sheet).unwrap();
        let page = query.run(&sheet, &text, &Budget::unlimited()).unwrap();
        (page.stats, asked(|budget: &Budget| query.run(&sheet, &text, budget).map(drop)))
    };
    for filter in ["", "&a[gte]=1", "&a[in]=0,4"] {
        let of =
            |field: &str| run(&format!("stats={field}&perPage=0{}", filter.replace('a', field)));
        let ((by_index, quick), (by_reading, slow)) = (of("a"), of("b"));
        assert!(quick < slow, "{filter}: {quick} and {slow}");
        assert_eq!(by_index, vec![Stats { name: "a".into(), ..by_reading[0].clone() }], "{filter}");
    }
    // A record counts as often as it holds a value, and an index has it once.
    assert_eq!(run("stats=t&perPage=0").0[0].count, 8_000);
    let both = run("stats=t,a,b&v=1&perPage=0").0;
    let told = |at: usize| (&*both[at].name, both[at].count);
    assert_eq!([told(0), told(1), told(2)], [("t", 4_000), ("a", 2_000), ("b", 2_000)]);
}

#[test]
fn groups_that_tell_long_values_are_bounded_in_bytes() {
    let long = "x".repeat(4_000);
    let records: Vec<_> = (0..1_500).map(|n| json!({"a": format!("{long}{n}"), "t": n})).collect();
    let (sheet, text) = sheet(DEFINITION, &records);
    let run = |query: &str, groups: usize| {
        let query = ListQuery::parse(&pairs(query), &sheet).unwrap().first_rows(groups);
        let page = query.run(&sheet, &text, &Budget::while_true(|| true));
        page.map(|page| page.groups.unwrap().len())
    };
    assert_eq!(run("groupBy=a&stats=a", 1_000).unwrap(), 1_000);
    let refused = run("groupBy=a&stats=a", 1_500);
    assert!(matches!(refused, Err(ListError::Search(SearchError::TooCostly(_)))), "{refused:?}");
    assert_eq!(run("groupBy=t&stats=t", 1_500).unwrap(), 1_500);
}

#[test]
fn whatever_a_list_asks_for_ends_when_its_budget_is_used_up() {
    let words = ["river", "bridge", "harbor", "meadow"];
    let values: Vec<Json> = (0..4_000_usize)
        .map(|n| {
            let text = format!("every {} {} word{n}", words[n % 4], words[n / 4 % 4]);
            json!({"a": n, "t": [n % 7, n % 5], "u": text, "v": n % 3, "h": n % 50 == 0})
        })
        .collect();
    let (sheet, text) = sheet(DEFINITION, &values);
    let sheet = Arc::new(sheet);
    let several = |part: &str| {
        (0..60).map(|n| part.replace('#', &n.to_string())).collect::<Vec<_>>().join("&")
    };
    let alternatives = (0..99).map(|n| format!("x{n}")).collect::<Vec<_>>().join(",");
    for query in [
        "u[ne]=x",
        &several("u[ne]=x#"),
        &format!("u[in]={alternatives}"),
        &format!("u[in]={alternatives},7&v[gte]=1&t[exists]=true"),
        "u[exists]=false&a[gte]=10",
        "a[gte]=0",
        "a[gte]=10&t[gte]=0",
        &several("t[gte]=-#"),
        "a[gte]=1&a[lt]=3000&t=3&v=1",
        "page=39&perPage=100",
        "sort=u",
        "sort=-v,u,a&page=20",
        "sort=a&page=39&perPage=100",
        "sort=-a&v=1&page=10&perPage=100",
        "sort=t,a&page=30",
        "facets=u,v",
        "facets=a",
        "facets=t&a[gte]=100&v=1",
        "facets=a,t,u&q=river",
        "q=every",
        "q=every+river",
        "q=\"every river\"",
        "q=river&sort=v",
        "facets=a:0,100&facetMode=or&a[gte]=100&v=1&u[ne]=x",
        "groupBy=v,t&stats=a,u",
        "groupBy=u&perPage=1",
        "stats=a",
        "unnest=t&sort=-t&t[gte]=2",
        "unnest=t&groupBy=t&stats=a&facets=t&facetMode=or&t[ne]=1",
    ] {
        let query = query.replace('+', " ");
        let parsed = ListQuery::parse(&pairs(&query), &sheet).unwrap();
        assert_asks(&query, 1, |budget| parsed.run(&sheet, &text, budget).map(drop));
        let is_counted = ["facets", "stats", "groupBy", "q="].iter().any(|it| query.contains(it));
        if !is_counted {
            assert_asks(&query, 0, |budget| {
                parsed.clone().each(sheet.clone(), &text, budget).map(drop)
            });
        }
    }
    // A few words cost too little to check the budget here, and end even when it is used up.
    for query in
        ["q=word11*", "q=meadwo~2", "q=rivver harbor", "q=\"river bridge\" -\"harbor river\""]
    {
        let parsed = ListQuery::parse(&pairs(query), &sheet).unwrap();
        assert_asks(query, 0, |budget| parsed.run(&sheet, &text, budget).map(drop));
    }
}

#[test]
fn what_a_list_reads_of_every_record_is_told() {
    let (sheet, _) = sheet(DEFINITION, &[json!({"u": 1, "v": 2, "w": 3})]);
    for (query, expected) in [
        ("", ""),
        ("a=1&t[in]=1,2&sort=-a&facets=t", ""),
        ("a[ne]=1", "a"),
        ("w=1&w[ne]=2&sort=a,v&facets=u,a", "u v w"),
    ] {
        let query = ListQuery::parse(&pairs(query), &sheet).unwrap();
        let fields: Vec<_> = query.unindexed(&sheet).iter().map(|field| field.as_str()).collect();
        assert_eq!(fields.join(" "), expected);
    }
}

#[test]
fn a_field_that_only_the_path_has_is_asked_for_as_any_other() {
    let titles = ["z", "a", "m", "b"];
    let paths = ["de/x", "fr/x", "fr/y-1", "it/2"];
    // Two of them declare their own language.
    let own = |n: usize| match n {
        0 => json!({"title": titles[n], "lang": "de", "h": true}),
        1 => json!({"title": titles[n], "lang": "fr", "l": [{"slug": "x"}]}),
        n => json!({"title": titles[n], "lang": null}),
    };
    let said = |n: usize| {
        let mut value = own(n);
        let (lang, slug) = paths[n].split_once('/').unwrap();
        (value["lang"], value["slug"]) = (lang.into(), slug.into());
        value
    };
    let by_path = |definition: &str, value: &dyn Fn(usize) -> Json| {
        let (mut sheet, text) = sheet(definition, &[]);
        for (n, path) in paths.iter().enumerate() {
            let (key, path) = (Key::new(*path), format!("s/{path}.json"));
            let spec = sheet.spec().clone();
            let value = spec.decode(&path, value(n).to_string().as_bytes()).unwrap();
            let frame = spec.frame(key.as_str(), &path);
            let record = Record { key: key.clone(), frame, blob: BlobId::ZERO, value };
            let content = Some(Content::Record(Arc::new(record)));
            sheet.put_all(vec![SlotUpdate { key, path: path.into(), content }]);
        }
        (sheet, text)
    };
    let template = "path = '${{ lang }}/${{ slug }}'";
    let definition =
        |settings: &str| format!("[sheets.s]\nformat = 'json'\nhidden = 'h'\n{settings}\n");
    let scanned = by_path(&definition(template), &own);
    let indexed = by_path(&definition(&format!("{template}\nindex = ['lang', 'slug']")), &own);
    let expected = by_path(&definition(""), &said);
    assert!(scanned.0.records().all(|record| record.value.json().member("slug").is_none()));
    for query in [
        "lang=fr",
        "lang[ne]=fr",
        "lang=fr&slug[contains]=Y",
        "lang=fr&title=m",
        "slug=x&l.slug=x",
        "lang[exists]=false",
        "slug[exists]=true&sort=slug",
        "lang[in]=fr,it&sort=-lang,slug",
        "sort=-slug",
        "facets=lang,slug",
        "lang[gte]=e&facets=slug&sort=title",
    ] {
        let expected = page(&expected, query);
        for (sheet, how) in [(&scanned, "scanned"), (&indexed, "indexed")] {
            let page = page(sheet, query);
            assert_eq!(keys(&page), keys(&expected), "{query} {how}");
            assert_eq!((page.total, &page.facets), (expected.total, &expected.facets), "{query}");
        }
    }
    let shown = |(sheet, _): &(Sheet, TextIndex), fields: &str| -> Vec<String> {
        let query = ListQuery::parse(&pairs(&format!("fields={fields}")), sheet).unwrap();
        let fields = query.fields().unwrap();
        sheet.records().map(|record| fields.apply(&record.value)).collect()
    };
    for fields in ["lang", "slug,title", "l.slug,lang"] {
        assert_eq!(shown(&scanned, fields), shown(&expected, fields), "{fields}");
    }
    let names: Vec<&str> = scanned.0.fields().iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["l", "l.slug", "lang", "slug", "title"]);
    let admits = |query: &str| {
        let query = ListQuery::parse(&pairs(query), &scanned.0).unwrap();
        scanned.0.records().filter(|record| query.admits(record, &Budget::unlimited())).count()
    };
    assert_eq!(admits("lang=fr&slug=x"), 1);
}
