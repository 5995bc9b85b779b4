//! Each stage of a reload of 1 and of 1,000 records, and a load, from nothing and with a cache.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use headwater_bench::source::Source;
use headwater_engine::cache::Cache;
use headwater_engine::changes::{Base, ChangeSet, DecodeBudget};
use headwater_engine::load::{load, load_cached};
use headwater_engine::options::LoadOptions;

/// How many records the pushes change.
const CHANGES: [usize; 2] = [1, 1_000];

fn stages(criterion: &mut Criterion) {
    for civic in headwater_bench::corpora() {
        let mut source = Source::civic(civic);
        let (mirror, base) = (source.mirror(), source.snapshot());
        let options = LoadOptions::default();
        let mut group = criterion.benchmark_group(source.name());
        group.sample_size(10).measurement_time(Duration::from_secs(3));
        for changes in CHANGES {
            // Every push is made on top of the base, so each round does the same work.
            let target = source.push(changes);
            let objects = mirror.objects().unwrap_or_else(|error| panic!("no handle: {error}"));
            let tree = |commit| objects.commit(commit).map(|facts| facts.tree).ok();
            let (old, new) = (tree(base.commit()), tree(target));
            let diff = || objects.diff(old, new).unwrap_or_else(|error| panic!("{error}"));
            group.bench_function(format!("diff/{changes}"), |bencher| bencher.iter(diff));
            let paths = diff().into();
            let read = || {
                let (paths, layout) = (black_box(&paths), base.layout());
                let (nothing, budget) = (Base::NOTHING, DecodeBudget::default());
                let read =
                    ChangeSet::read(&objects, layout, paths, nothing, None, &options, &budget);
                read.unwrap_or_else(|error| panic!("{error}"))
            };
            group.bench_function(format!("decode/{changes}"), |bencher| bencher.iter(read));
            let read = read();
            let apply = |read| base.apply(target, base.layout().clone(), read);
            group.bench_function(format!("apply/{changes}"), |bencher| {
                bencher.iter_batched(|| read.clone(), apply, BatchSize::PerIteration);
            });
            group.bench_function(format!("text/{changes}"), |bencher| {
                let applied = || apply(read.clone());
                bencher.iter_batched(applied, |draft| draft.index(), BatchSize::PerIteration);
            });
            source.upstream.reset_to(&base.commit().to_string());
        }
        let objects = mirror.objects().unwrap_or_else(|error| panic!("no handle: {error}"));
        group.bench_function("load", |bencher| {
            bencher.iter(|| load(&objects, base.commit(), &options).map(|loaded| loaded.records()));
        });
        let cache = Cache::beside(&mirror, options.record_limit);
        base.save(&cache).unwrap_or_else(|error| panic!("the cache: {error}"));
        group.bench_function("load_cached", |bencher| {
            bencher.iter(|| {
                let loaded = load_cached(&objects, base.commit(), &cache, &options);
                loaded.map(|(loaded, _)| loaded.records())
            });
        });
        group.finish();
    }
}

criterion_group!(benches, stages);
criterion_main!(benches);
