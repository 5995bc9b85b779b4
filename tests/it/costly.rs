//! The costliest queries that fit in a request, on the corpus civic-N, and those that are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use headwater_testkit::Upstream;
use headwater_testkit::corpus::{Civic, civic};
use reqwest::Method;

use crate::harness::TestServer;

/// The number of people.
fn people() -> usize {
    let people = std::env::var("HEADWATER_COSTLY").ok().and_then(|people| people.parse().ok());
    people.unwrap_or(100)
}

/// The number of answers to each query.
const RUNS: usize = 15;

/// The longest path with a text to search for.
const KILOBYTE: usize = 1024;

/// The longest path of a list, which may have many conditions.
const LONGEST: usize = 20 * KILOBYTE;

/// Returns the words of the bios, the most frequent first, and the pairs of adjacent words.
fn vocabulary(civic: &Civic) -> (Vec<String>, Vec<String>) {
    let (mut words, mut pairs) = (BTreeMap::<String, usize>::new(), BTreeMap::new());
    for (_, bytes) in civic.files() {
        let text = String::from_utf8_lossy(&bytes);
        let Some(bio) = text.lines().find_map(|line| line.strip_prefix("bio = ")) else { continue };
        let text = bio.to_lowercase();
        let here: Vec<&str> = text.split(|c: char| !c.is_alphabetic()).collect();
        let once: BTreeSet<&str> = here.iter().copied().filter(|word| !word.is_empty()).collect();
        once.into_iter().for_each(|word| *words.entry(word.to_owned()).or_default() += 1);
        let beside = here.windows(2).filter(|pair| pair.iter().all(|word| !word.is_empty()));
        beside.for_each(|pair| *pairs.entry(pair.join(" ")).or_default() += 1);
    }
    (by_count(words), by_count(pairs))
}

fn by_count(counts: BTreeMap<String, usize>) -> Vec<String> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().map(|(word, _)| word).collect()
}

/// Returns as many of `words` as fit in a query and a kilobyte, separated by spaces.
fn many<'a>(before: &str, words: impl IntoIterator<Item = &'a str>, count: usize) -> String {
    let mut query = before.to_owned();
    for word in words.into_iter().take(count) {
        let longer = format!("{query} {word}");
        if longer.trim().len() > 505 || escaped(&longer).len() > KILOBYTE - 60 {
            break;
        }
        query = longer;
    }
    query.trim().to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('"', "%22").replace(' ', "+")
}

/// Returns long words with `edits` letters changed. They occur nowhere, but mostly are near others.
/// The first letter stays.
fn misspelled(words: &[String], edits: usize) -> Vec<String> {
    let known: BTreeSet<&String> = words.iter().collect();
    let misspell = |word: &String| {
        let mut letters: Vec<char> = word.chars().collect();
        (0..edits).for_each(|edit| letters[2 + 3 * edit] = 'q');
        letters.into_iter().collect::<String>()
    };
    let long = words.iter().filter(|word| word.chars().count() >= 8).map(misspell);
    long.filter(|word| !known.contains(word)).collect()
}

/// Returns queries, each with the reason why it is costly. Those that would cost more are refused.
fn queries(words: &[String], pairs: &[String]) -> Vec<(String, String)> {
    let common = || words.iter().map(String::as_str);
    let short = || common().filter(|word| word.len() <= 4);
    let first = words[0].as_str();
    let absent: Vec<String> = (0..63).map(|n| format!("-zz{n}")).collect();
    let rare: Vec<String> = words.iter().rev().map(|word| format!("-{word}")).collect();
    let phrases: Vec<String> = pairs.iter().map(|pair| format!("\"{pair}\"")).collect();
    // Words that are never adjacent: each phrase is searched in every document.
    let strange = short().take(12).flat_map(|a| short().take(12).map(move |b| format!("{b} {a}")));
    let strange = strange.filter(|pair| !pairs.contains(pair));
    let strange: Vec<String> = strange.map(|pair| format!("-\"{pair}\"")).collect();
    let repeated = |count| many("", std::iter::repeat_n(first, count), count);
    let mut queries = vec![
        ("one common word".to_owned(), first.to_owned()),
        ("words that are nowhere, excluded".to_owned(), many(first, strs(&absent), 63)),
        ("rare words, excluded".to_owned(), many(first, strs(&rare), 63)),
        ("a long phrase".to_owned(), format!("\"{}\"", many("", short().cycle().take(200), 200))),
        ("one word as a phrase".to_owned(), format!("\"{}\"", repeated(120))),
        ("the same, excluded".to_owned(), format!("{first} -\"{}\"", repeated(120))),
        ("63 phrases".to_owned(), many("", strs(&phrases), 63)),
    ];
    for count in [2, 4, 8, 12, 16, 64] {
        queries.push((format!("{count} common words"), many("", common(), count)));
    }
    for count in [1, 4, 8] {
        queries.push((format!("{count} phrases"), many("", strs(&phrases), count)));
        let query = many(first, strs(&strange), count);
        queries.push((format!("{count} phrases that are nowhere, excluded"), query));
    }
    queries.extend(('a'..='z').map(|start| (format!("the prefix {start}"), format!("{start}*"))));
    for edits in [1, 2] {
        let wrong = misspelled(words, edits);
        let open: Vec<String> = wrong.iter().map(|word| format!("{word}~{edits}")).collect();
        let short: Vec<String> =
            short().filter(|word| word.len() > 2).map(|word| format!("{word}~")).collect();
        for count in [1, 4, 5, 40] {
            let query = many("", strs(&wrong), count);
            queries.push((format!("{count} words with {edits} letters wrong"), query.clone()));
            let phrase = format!("\"{query}\"");
            queries.push((format!("the same as a phrase, {edits}"), phrase));
        }
        let rest = many(&many("", strs(&wrong), 4), common(), 40);
        queries.extend([
            (format!("4 words with {edits} letters wrong, and common words"), rest),
            (format!("4 words with {edits} letters that may be wrong"), many("", strs(&open), 4)),
            (
                format!("the same, {edits}, and common words"),
                many(&many("", strs(&open), 4), common(), 40),
            ),
            (
                format!("the same, {edits}, excluded"),
                format!("{first} -{}", many("", strs(&open), 4).replace(' ', " -")),
            ),
            (
                format!("4 short words with letters that may be wrong, {edits}"),
                many(&many("", strs(&short), 4), strs(&wrong), 4 * (edits - 1)),
            ),
        ]);
    }
    let long = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij";
    let very_long: Vec<String> = (0..4).map(|n| format!("{n}{long}~2")).collect();
    queries.push(("4 very long words with typos".to_owned(), many("", strs(&very_long), 4)));
    let very_long: Vec<String> = (0..4).map(|n| format!("{n}{long}")).collect();
    queries.push(("4 very long words that are nowhere".to_owned(), many("", strs(&very_long), 4)));
    let strange = many("", strs(&strange), 4);
    for prefixes in ["s* c* a* d*", "s* t* a* w*", "s* l* a* w*", "s* -c* a* -d*"] {
        let phrase = |word: &str| format!("-{first}-{} ", word.trim_start_matches('-'));
        let both = format!("{}{strange}", prefixes.split(' ').map(phrase).collect::<String>());
        let words = many(&format!("{first} {prefixes} {strange}"), common(), 8);
        queries.extend([
            (format!("the prefixes {prefixes}"), prefixes.to_owned()),
            (format!("{prefixes} and words"), many(prefixes, common(), 12)),
            (format!("{prefixes}, phrases and words"), words),
            (format!("{prefixes} in phrases, phrases"), format!("{first} {both}")),
            (
                format!("{prefixes} in phrases, phrases, words that are nowhere"),
                many(&format!("{first} {both}"), strs(&absent), 40),
            ),
        ]);
    }
    queries
}

/// Returns searches that are answered from all records with any of their words.
fn relaxed(words: &[String]) -> Vec<(String, String)> {
    let common = || words.iter().map(String::as_str);
    let within = |between: &str| {
        let all = many("", common(), 40);
        all.replace(' ', between)
    };
    let absent = many("zzzzabsent", common(), 60);
    let compounds = many("", common(), 60).replace(' ', "-").replacen('-', " ", 4);
    let fields = ["bio:", "-bio:"].map(|field| {
        let named: Vec<_> = common().take(20).map(|word| format!("{field}{word}")).collect();
        named.join(" ")
    });
    let deep =
        (0..15).fold(words[0].clone(), |query, n| format!("({query} OR NOT {}", words[n + 1]));
    let queries = [
        ("60 common words and one that is nowhere", absent),
        ("40 alternatives", within(" OR ")),
        ("40 exclusions", format!("-{}", within(" -"))),
        ("words in one another", compounds),
        ("20 words in a field", fields[0].clone()),
        ("20 words not in a field", fields[1].clone()),
        ("15 groups", deep),
        ("the beginning of a word", format!("zzzzabsent {}", &words[0][..2])),
    ];
    let paths = |(what, query): (&str, String)| {
        let query = escaped(&query);
        ["_search?match=auto", "_search?match=any", "people?match=auto", "people?match=all"].map(
            |route| (format!("{what}, {route}"), format!("/api/{route}&perPage=100&q={query}")),
        )
    };
    queries.into_iter().flat_map(paths).collect()
}

/// Returns lists that read fields without an index in every record.
fn lists(word: &str) -> Vec<(String, String)> {
    let open = "firstName,lastName,fullName,githubLogin,slug,updatedAt,bio,slackHandle";
    let several = |part: &str| {
        let each = (0..60).map(|n| part.replace('#', &n.to_string()));
        each.collect::<Vec<_>>().join("&")
    };
    let alternatives: Vec<String> = (0..99).map(|n| format!("x#{n}")).collect();
    let alternatives = alternatives.join(",");
    let sixty = several("bio[ne]=x#");
    let ten = several(&format!("bio[in]={alternatives},x"));
    let ten = ten.split_inclusive('&').take(10).collect::<String>();
    let ten = ten.trim_end_matches('&').to_owned();
    let queries = [
        ("one field is not", "bio[ne]=x".to_owned()),
        ("one field is above", "bio[gt]=a".to_owned()),
        ("sixty times not", sixty.clone()),
        ("one of a hundred", format!("bio[in]={alternatives}")),
        ("ten times one of a hundred", ten),
        ("sixty ranges of an index", several("createdAt[gte]=2000-01-0#")),
        ("all of it at once", format!("{sixty}&sort={open}&facets={open}&perPage=100")),
        ("a sort", "sort=lastName".to_owned()),
        ("a sort by eight fields", format!("sort={open}")),
        ("a facet of texts", "facets=bio".to_owned()),
        ("eight facets", format!("facets={open}")),
        ("groups of texts with their figures", format!("groupBy=bio,slug,fullName&stats={open}")),
        ("figures of eight fields", format!("stats={open}&perPage=0")),
        (
            "eight facets, each without the conditions on its field",
            format!("{sixty}&slug[ne]=x&firstName[ne]=y&facets={open}&facetMode=or&facetLimit=400"),
        ),
        (
            "each value as an item, sorted, grouped and counted",
            format!("unnest=bio&bio[ne]=x&sort=-bio&facets={open}&stats={open}"),
        ),
        ("days and months of every date", "facets=updatedAt:day,createdAt:month".to_owned()),
        ("ranges of what is no number", "facets=bio:0,4,7,9&facets=lastName:1,2".to_owned()),
        ("groups by day with figures", format!("groupBy=updatedAt:day,bio&stats={open}")),
        ("a condition on each key", "_key[contains]=zzz&sort=-_key".to_owned()),
        ("a size of each", several("bio[size]=#")),
        ("a text and eight facets", format!("q={word}&facets={open}")),
        ("a text, a sort and a filter", format!("q={word}&sort=lastName&bio[ne]=x")),
    ];
    let lists = queries.map(|(what, query)| (what.to_owned(), format!("/api/people?{query}")));
    let search = format!("/api/_search?sheet=people&match=any&q={word}&");
    let searches = expressions().into_iter().map(|(what, path)| {
        (format!("{what}, of what is found"), path.replace("/api/people?", &search))
    });
    lists.into_iter().chain(expressions()).chain(searches).collect()
}

/// Returns lists with expressions: some that are costly by their form, and some from a generator
/// that nests and joins the parts of expressions.
fn expressions() -> Vec<(String, String)> {
    let words = "bio.split(' ')";
    let nested = |inner: &str| format!("{words}.all(a, {words}.all(b, {words}.all(c, {inner})))");
    let long = |part: &str, by: &str| {
        let parts = vec![part; 4_000 / (part.len() + by.len())];
        parts.join(by)
    };
    let mut filters = vec![
        ("one comparison".to_owned(), "lastName == 'x'".to_owned()),
        ("three lists in each other".to_owned(), nested("a + b != c")),
        ("the same, made".to_owned(), format!("size({words}.map(a, {words}.map(b, {words}))) > 0")),
        ("4 KiB of comparisons".to_owned(), long("bio < 'a'", " || ")),
        ("4 KiB of functions".to_owned(), long("size(bio) < 0", " || ")),
        ("8 patterns".to_owned(), ["bio.matches('(a|b|ab)*[^x]{40}q$')"; 8].join(" || ")),
        ("a text that grows".to_owned(), format!("bio{} == ''", ".replace('', bio)".repeat(8))),
        (
            "a long text and a large pattern".to_owned(),
            format!(
                "(bio + '{}'.replace('a', '{}')).matches('[ab]*a[ab]{{2000}}c')",
                "a".repeat(400),
                "abba".repeat(100)
            ),
        ),
        ("lists that share their parts".to_owned(), {
            let list =
                "[bio].map(a, [a, a, a, a])".to_owned() + &".map(a, [a, a, a, a])".repeat(19);
            format!("{list} == {list}")
        }),
        (
            "a long text, many times".to_owned(),
            format!(
                "['{}'.replace('a', '{}')].exists(b, b.substring(0, 60000).split('').map(i, b) == [])",
                "a".repeat(500),
                "b".repeat(500)
            ),
        ),
        ("what is the same, of many".to_owned(), "size(bio.split('').distinct()) < 0".to_owned()),
    ];
    let pieces = ["bio", "lastName", "'e'", "bio.split('a')", "createdAt", "(bio + bio)", "_key"];
    let mut state = 7_usize;
    let mut pick = |most: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % most
    };
    for number in 0..24 {
        let mut filter = "bio != ''".to_owned();
        while filter.len() < 300 + 100 * number {
            let (one, other) = (pieces[pick(pieces.len())], pieces[pick(pieces.len())]);
            filter = match pick(11) {
                0 => format!("{filter} && {one} != {other}"),
                1 => format!("bio.split('e').exists(v{number}, {filter})"),
                2 => format!("{filter} || {one}.contains({other})"),
                3 => format!("{filter} && size({one}.split({other})) > 1"),
                4 => format!("{filter} || {one} in [{other}, {one}]"),
                5 => format!("[{one}, {other}].all(x, {filter} || x == {other})"),
                6 => format!(
                    "[{one}, {other}].map(x, [x, x, x]).map(x, [x, x]) != [[{other}]] && {filter}"
                ),
                7 => format!(
                    "{one}.split('').map(x, {other}.lowerAscii()) == {other}.split('') || {filter}"
                ),
                8 => format!("{{'a': {one}.split('e')}} == {{'a': [{other}, {one}]}} || {filter}"),
                9 => {
                    format!("{one}.split('').map(x, [{one}, x]).distinct().size() > 0 && {filter}")
                }
                _ => format!("{filter} && {one}.replace({other}, 'xx').size() > 0"),
            };
            // Expressions that nest too deeply are refused, and cost nothing.
            if filter.matches('(').count() > 60 {
                break;
            }
        }
        filters.push((format!("expression {number}"), filter));
    }
    let path = |filter: String| {
        let filter =
            percent_encoding::utf8_percent_encode(&filter, percent_encoding::NON_ALPHANUMERIC);
        format!("/api/people?filter={filter}")
    };
    filters.into_iter().map(|(what, filter)| (what, path(filter))).collect()
}

fn strs(words: &[String]) -> impl Iterator<Item = &str> {
    words.iter().map(String::as_str)
}

/// Returns the processor time of this process in milliseconds, if Linux reports it.
fn processor_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    // A tick is ten milliseconds everywhere.
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0
}

#[test]
fn no_query_of_a_kilobyte_costs_much() {
    let civic = civic(people());
    let mut upstream = Upstream::new();
    civic.write_to(&mut upstream);
    let server = TestServer::start(&upstream.url());
    let (words, pairs) = vocabulary(&civic);
    let texts = queries(&words, &pairs).into_iter().flat_map(|(what, query)| {
        let query = escaped(&query);
        ["/api/_search", "/api/people"]
            .map(|route| (what.clone(), format!("{route}?perPage=100&q={query}")))
    });
    let lists = lists(&escaped(&words[0]));
    for (kind, longest, queries) in [
        ("texts", KILOBYTE, texts.collect()),
        ("relaxed", KILOBYTE, relaxed(&words)),
        ("lists", LONGEST, lists),
    ] {
        println!("{} {kind}, the costliest:", queries.len());
        measure(&server, longest, queries).iter().take(12).for_each(|line| println!("{line}"));
    }
}

/// Sends each query several times and returns their costs, the costliest first.
fn measure(server: &TestServer, longest: usize, queries: Vec<(String, String)>) -> Vec<String> {
    let mut told = Vec::new();
    for (what, path) in queries {
        assert!(path.len() <= longest, "{what}: {path}");
        let before = processor_ms();
        let run = || {
            let begun = Instant::now();
            let answer = server.get(&path);
            // A query that would cost too much is refused.
            assert!(matches!(answer.status, 200 | 422), "{what}: {answer:?}");
            (begun.elapsed(), answer.status)
        };
        let mut runs: Vec<(Duration, u16)> = (0..RUNS).map(|_| run()).collect();
        let processor = (processor_ms() - before) / RUNS as f64;
        runs.sort_unstable();
        let route = path.split_once('?').map_or("", |(route, _)| route);
        let median = runs[RUNS / 2].0.as_secs_f64() * 1e3;
        told.push((processor, median, format!("{} {route}: {what}", runs[0].1)));
    }
    told.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
    let line = |(processor, median, line): (f64, f64, String)| {
        format!("{processor:6.1} ms of a processor, median {median:6.1} ms: {line}")
    };
    told.into_iter().map(line).collect()
}

#[test]
fn what_costs_more_than_its_budget_is_refused_and_says_what_it_reads() {
    let mut upstream = Upstream::new();
    let long = "1,".repeat(100_000);
    let mut commit = upstream
        .commit("long")
        .put("headwater.toml", "[sheets.logs]\nindex = ['n']\n[sheets.runs]\n");
    // All of them together cost well above the budget, and one or two cost well below.
    for n in 0..32 {
        commit = commit.put(
            format!("logs/l{n}.toml"),
            format!("n = {n}\nword = \"toml\"\nlines = [{long}]\n"),
        );
    }
    let steps = "{a=1,b=2},".repeat(20_000);
    for n in 0..8 {
        commit = commit.put(format!("runs/r{n}.toml"), format!("steps = [{steps}]\n"));
    }
    commit.push();
    let budget = [("HEADWATER_QUERY_BUDGET", "4")];
    let server = TestServer::with(&upstream.url(), &budget);
    let several = (0..60).map(|n| format!("lines[ne]={}", n + 2)).collect::<Vec<_>>().join("&");
    let expression = "filter=n>=0%26%26lines.all(a,lines.all(b,a==b))%26%26lines==3";
    for query in [
        &several,
        "lines[in]=2,3",
        "sort=lines",
        "sort=-n,lines",
        "facets=n,lines",
        "facets=lines:0,4,7",
        "stats=n,lines",
        "groupBy=lines",
        "groupBy=lines:0,4&stats=n",
        "unnest=lines",
        "unnest=lines&lines[gt]=2&sort=-lines",
        "lines[size]=3",
        "lines.-1=1&lines.99999[ne]=2",
        expression,
    ] {
        let has_records = !query.contains("groupBy") && !query.contains("unnest");
        let path = format!("/api/logs?{}{query}", if has_records { "fields=n&" } else { "" });
        let detail = server.get(&path).problem(422, "too_costly")["detail"].to_string();
        assert!(detail.contains("`lines") && !detail.contains("`n`"), "{query}: {detail}");
    }
    for query in
        ["steps.a[ne]=1&steps.b[gt]=2", "unnest=steps&steps.b=3&sort=steps.a", "steps.7.b=3"]
    {
        let detail = server.get(&format!("/api/runs?{query}")).problem(422, "too_costly")["detail"]
            .to_string();
        assert!(detail.contains("`steps"), "{query}: {detail}");
    }
    for query in ["q=toml", "q=toml+absent", "q=to&match=any"] {
        let expression = "lines.all(a,lines.all(b,a==b))";
        let path = format!("/api/_search?{query}&sheet=logs&filter={expression}");
        let detail = server.get(&path).problem(422, "too_costly")["detail"].to_string();
        assert!(detail.contains("`filter`"), "{query}: {detail}");
    }
    let lines =
        server.request(Method::GET, "/api/logs?lines=2").header("accept", "application/x-ndjson");
    server.send(lines).problem(422, "too_costly");
    for query in ["n=3", "sort=-n&perPage=1", "facets=n&perPage=1", "n[gte]=30&limit=2"] {
        assert_eq!(server.get(&format!("/api/logs?fields=n&{query}")).status, 200, "{query}");
    }
    let unlimited = TestServer::with(&upstream.url(), &[("HEADWATER_QUERY_BUDGET", "0")]);
    let some = format!("/api/logs?fields=n&n[lt]=2&{several}");
    assert_eq!(unlimited.get(&some).json()["total"], 2);
}
