//! Whatever hidden records say, answers are the same, byte for byte, and so is what they cost.

use super::*;

/// Conditions of which expressions are made: on fields with an index and without.
const CONDITIONS: &[&str] = &[
    "a == 1",
    "a == 'b'",
    "a in [1, 2, 1.5, 'b', 'B', true, '2024']",
    "a < 2",
    "a >= 'a'",
    "a.startsWith('2024')",
    "a < timestamp('2024-01-01T01:00:00Z')",
    "t.exists(e, e == 'b')",
    "2 in t",
    "n.x > 1",
    "n.x != 1",
    "l.exists(e, e.x == 1)",
    "u == 1",
    "u > 1",
    "a == u",
    "u / 0 == 1",
    "has(u)",
];

fn any_expression() -> impl Strategy<Value = String> {
    let condition = prop::sample::select(CONDITIONS);
    let several = prop::collection::vec(condition, 1..4);
    let row = (several, prop::sample::select(&[" && ", " || "][..]));
    let row = row.prop_map(|(conditions, by)| conditions.join(by));
    prop::collection::vec(row, 1..3).prop_map(|rows| format!("({})", rows.join(") && (")))
}

/// Records of which some lack fields, or have them of other types.
fn some_fields() -> impl Strategy<Value = Json> {
    (any_record(), prop::sample::subsequence(&["a", "t", "n", "u", "l"][..], 0..3)).prop_map(
        |(mut record, without)| {
            let fields = record.as_object_mut().unwrap();
            without.iter().for_each(|name| drop(fields.remove(*name)));
            fields.remove("h");
            record
        },
    )
}

fn hidden_records() -> impl Strategy<Value = Vec<Json>> {
    let hidden = || {
        some_fields().prop_map(|mut record| {
            record["h"] = json!("yes");
            // No public record has it.
            record["z"] = json!({"y": 1});
            record
        })
    };
    // Far more than are shown, or none: whatever is compared with a number of records.
    prop_oneof![prop::collection::vec(hidden(), 0..4), prop::collection::vec(hidden(), 20..80)]
}

/// The parameters of a list other than its conditions.
const BESIDE: &[&str] = &[
    "",
    "sort=a",
    "sort=-a&limit=3",
    "sort=n.x,-u&perPage=4",
    "limit=2",
    "perPage=3&page=2",
    "facets=a,t,n.x,u&facetLimit=2&perPage=2",
    "facets=a,u,a:day&facetMode=or&facetLimit=3",
    "groupBy=a,n.x&stats=u&perPage=3",
    "stats=a,u&perPage=0",
    "unnest=l&sort=-l.x&perPage=3",
    "sort=z",
    "z.y=1",
    "facets=zz",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn hidden_records_change_nothing_of_an_answer(
        shown in prop::collection::vec(some_fields(), 1..40),
        hidden in [hidden_records(), hidden_records()],
        expression in prop::option::weighted(0.8, any_expression()),
        filters in prop::collection::vec(any_filter(), 0..3),
        beside in prop::sample::select(BESIDE),
        words in prop::option::weighted(0.3, prop::sample::select(&["b", "2024", "bb"][..])),
    ) {
        let every = json!({"a": 1, "t": ["b"], "n": {"x": 1}, "u": 1, "l": [{"x": 1, "y": 1}]});
        let [one, other] = hidden.map(|hidden| {
            let all: Vec<Json> = shown.iter().chain([&every]).chain(&hidden).cloned().collect();
            sheet(DEFINITION, &all)
        });
        let mut parameters = pairs(beside);
        parameters.extend(words.map(|words| ("q".to_owned(), words.to_owned())));
        parameters.extend(expression.map(|filter| ("filter".to_owned(), filter)));
        let filters = filters.into_iter();
        parameters.extend(filters.map(|(field, by, value)| (format!("{field}[{by}]"), value)));
        let answer = |(sheet, text): &(Sheet, TextIndex)| {
            let query = match ListQuery::parse(&parameters, sheet) {
                Ok(query) => query,
                Err(problems) => return format!("{problems:?}"),
            };
            let budget = Budget::unlimited();
            let whole = query.clone().each(Arc::new(sheet.clone()), text, &budget);
            let whole = whole.map(|each| (each.skipped(), each.collect::<Vec<_>>()));
            let page = query.run(sheet, text, &budget);
            // The work that it took is part of what is compared.
            format!("{page:?} {whole:?} {:?} {budget:?}", query.unindexed(sheet))
        };
        prop_assert_eq!(answer(&one), answer(&other), "{:?}", parameters);
        // What a literal may be, and which names are known.
        prop_assert_eq!(one.0.fields(), other.0.fields());
    }
}

/// A condition with so many alternatives that the records which have one are just less than half of
/// all, but for one that is hidden.
#[test]
fn the_number_of_skipped_records_does_not_tell_what_a_hidden_record_holds() {
    let shown = (0..40).map(|n| if n == 0 { json!({"u": 0}) } else { json!({"a": n, "u": n}) });
    let skipped = |hidden: &[Json], query: &str| {
        let all: Vec<Json> = shown.clone().chain(hidden.iter().cloned()).collect();
        let sheet = sheet(DEFINITION, &all);
        let (name, filter) = query.split_once('=').unwrap();
        let pairs = [(name.to_owned(), filter.to_owned())];
        let query = ListQuery::parse(&pairs, &sheet.0).unwrap();
        query.run(&sheet.0, &sheet.1, &Budget::unlimited()).unwrap().skipped
    };
    for alternatives in 1..40 {
        let known: Vec<String> = (1..alternatives).map(|n| n.to_string()).collect();
        let filter =
            format!("filter=a in [{}]", [&known[..], &["999".to_owned()]].concat().join(","));
        for hidden in
            [vec![], vec![json!({"a": 999, "h": true})], vec![json!({"a": 5, "h": true}); 7]]
        {
            assert_eq!(skipped(&hidden, &filter), Some(0), "{filter} {}", hidden.len());
        }
    }
    // An alternative rules nothing out, so a record that lacks the field is counted.
    assert_eq!(skipped(&[json!({"h": true})], "filter=u == 'x' || a == 1000"), Some(1));
}
