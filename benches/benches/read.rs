//! Loading everything, reading one record, one search.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use headwater_bench::Town;
use headwater_engine::cache::Cache;
use headwater_engine::load::{load, load_cached};
use headwater_engine::options::LoadOptions;
use headwater_engine::search::{Query, Scope};

fn reads(criterion: &mut Criterion) {
    for people in [1_000, 32_000] {
        let mut group = criterion.benchmark_group(format!("civic-{}k", people / 1_000));
        group.sample_size(10).measurement_time(Duration::from_secs(5));
        let town = Town::new(people);
        let objects = town.mirror().objects().unwrap_or_else(|error| panic!("no handle: {error}"));
        let options = LoadOptions::default();
        let full = || {
            let loaded = load(&objects, town.head, &options);
            loaded.unwrap_or_else(|error| panic!("the corpus: {error}"))
        };
        group.bench_function("load", |bencher| bencher.iter(full));
        let cache = Cache::beside(&town.mirror(), options.record_limit);
        full().save(&cache).unwrap_or_else(|error| panic!("the cache: {error}"));
        group.bench_function("load_cached", |bencher| {
            bencher.iter(|| {
                let loaded = load_cached(&objects, town.head, &cache, &options);
                loaded.unwrap_or_else(|error| panic!("the corpus: {error}"))
            });
        });

        group.sample_size(50).measurement_time(Duration::from_secs(2));
        let snapshot = full();
        let key = town.civic.person_key(people / 2);
        group.bench_function("record", |bencher| {
            bencher.iter(|| {
                let record = snapshot.visible("people", black_box(&key));
                record.map(|record| record.value.as_str().to_owned())
            });
        });
        let query = Query::parse("data civic").unwrap_or_else(|error| panic!("{error}"));
        group.bench_function("search", |bencher| {
            bencher.iter(|| snapshot.text().search(black_box(&query), Scope::All, 0, 30));
        });
        group.finish();
    }
}

criterion_group!(benches, reads);
criterion_main!(benches);
