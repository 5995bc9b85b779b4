//! A push of 1, 10 and 1,000 records: with the fetch, and without it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use headwater_bench::Town;
use headwater_engine::engine::RequestKind;
use headwater_engine::load::{advance, load};
use headwater_engine::options::LoadOptions;
use headwater_engine::report::Trigger;

/// civic-1k and civic-32k.
const PEOPLE: [usize; 2] = [1_000, 32_000];
const CHANGES: [usize; 3] = [1, 10, 1_000];

fn without_fetch(criterion: &mut Criterion) {
    for people in PEOPLE {
        let mut group = criterion.benchmark_group(format!("reload/civic-{}k", people / 1_000));
        group.sample_size(20).measurement_time(Duration::from_secs(5));
        let mut town = Town::new(people);
        let options = LoadOptions::default();
        let mirror = town.mirror();
        let objects = || mirror.objects().unwrap_or_else(|error| panic!("no handle: {error}"));
        let load_head = load(&objects(), town.head, &options);
        let mut base = load_head.unwrap_or_else(|error| panic!("the corpus: {error}"));
        for changes in CHANGES {
            // Each measured reload is of a push of its own, from the state that the last one left.
            group.bench_function(BenchmarkId::from_parameter(changes), |bencher| {
                bencher.iter_custom(|rounds| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..rounds {
                        let head = town.push(changes);
                        let begun = Instant::now();
                        let next = advance(&objects(), Some(&base), head, &options);
                        let (next, reason) = next.unwrap_or_else(|error| panic!("{error}"));
                        spent += begun.elapsed();
                        assert!(reason.is_none() || changes > people / 4, "{reason:?}");
                        base = black_box(next);
                    }
                    spent
                });
            });
        }
        group.finish();
    }
}

fn with_fetch(criterion: &mut Criterion) {
    for people in PEOPLE {
        let name = format!("reload+fetch/civic-{}k", people / 1_000);
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10).measurement_time(Duration::from_secs(5));
        let mut town = Town::new(people);
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let engine = town.engine(&folder);
        for changes in CHANGES {
            group.bench_function(BenchmarkId::from_parameter(changes), |bencher| {
                bencher.iter_custom(|rounds| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..rounds {
                        let head = town.push(changes);
                        let begun = Instant::now();
                        let report = engine.reload(RequestKind::Reload, Trigger::Webhook);
                        spent += begun.elapsed();
                        assert_eq!(report.map(|report| report.serving), Some(head));
                    }
                    spent
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, without_fetch, with_fetch);
criterion_main!(benches);
