//! The cost of refusing a wrong secret, which is the same however much of it is right.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use headwater::config::Secret;

const RIGHT: &str = "correct-horse-battery-staple-001";

fn refuse(c: &mut Criterion) {
    let secret = Secret::new("bench", RIGHT).unwrap_or_else(|error| panic!("{error}"));
    let mut group = c.benchmark_group("refuse");
    let wrong = [
        ("nothing alike", "z".repeat(RIGHT.len())),
        ("the first byte wrong", format!("x{}", &RIGHT[1..])),
        ("the last byte wrong", format!("{}2", &RIGHT[..RIGHT.len() - 1])),
        ("half of it", RIGHT[..RIGHT.len() / 2].to_owned()),
    ];
    for (name, given) in wrong {
        assert!(!secret.matches(given.as_bytes()));
        group.bench_function(name, |b| b.iter(|| secret.matches(black_box(given.as_bytes()))));
    }
    group.finish();
}

criterion_group!(benches, refuse);
criterion_main!(benches);
