//! Reads of a snapshot, without HTTP: one record, a filtered and sorted page, a search.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use headwater_bench::source::Source;
use headwater_engine::budget::Budget;
use headwater_engine::query::ListQuery;
use headwater_engine::search::{Query, Scope};

fn reads(criterion: &mut Criterion) {
    for civic in headwater_bench::corpora() {
        let key = civic.person_key(civic.people() / 2);
        let source = Source::civic(civic);
        let snapshot = source.snapshot();
        let people = snapshot.sheet("people").unwrap_or_else(|| panic!("the corpus has people"));
        let mut group = criterion.benchmark_group(source.name());
        group.sample_size(50).measurement_time(Duration::from_secs(2));
        group.bench_function("record", |bencher| {
            bencher.iter(|| {
                let record = snapshot.visible("people", black_box(&key));
                record.map(|record| record.value.as_str().to_owned())
            });
        });
        for level in ["staff", "user"] {
            let pairs = [("accountLevel", level), ("sort", "-createdAt")];
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            group.bench_function(format!("list/{level}"), |bencher| {
                bencher.iter(|| {
                    let query = ListQuery::parse(black_box(&pairs), people);
                    let query = query.unwrap_or_else(|problems| panic!("{problems:?}"));
                    query.run(people, snapshot.text(), &Budget::unlimited())
                });
            });
        }
        for (name, text) in [
            ("search", "data civic"),
            ("search/typo", "dats~ civic"),
            ("search/corrected", "commxnity civic"),
            ("search/corrected-twice", "cqmmuqity civic"),
        ] {
            let query = Query::parse(text).unwrap_or_else(|error| panic!("{error}"));
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    snapshot.text().search(
                        black_box(&query),
                        Scope::All,
                        0,
                        30,
                        &Budget::unlimited(),
                    )
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, reads);
criterion_main!(benches);
