//! Measures Headwater beside what it is compared with.
//!
//! The program of this crate prints the scoreboard; the criterion benchmarks beside it point at
//! the stage that became slower. Both measure a [`source::Source`]: a real remote to which pushes
//! are made. Nothing here handles errors: what fails to run cannot be measured, so it panics and
//! says why.

pub mod samples;
pub mod row;
pub mod progress;
pub mod machine;
pub mod connection;
pub mod load;
pub mod bare;
pub mod server;
pub mod rewrite;
pub mod source;
pub mod routes;
pub mod clone;
pub mod peer;
pub mod deployment;
pub mod board;
pub mod plot;
pub mod soak;
pub mod growth;
pub mod writes;

use headwater_testkit::corpus::{self, Civic};

/// Returns the corpora of the criterion benchmarks: civic-1k, civic-32k, and one million records in
/// 256 folders where `HEADWATER_BENCH_MILLION` is set.
pub fn corpora() -> Vec<Civic> {
    let mut corpora = vec![corpus::civic(1_000), corpus::civic(32_000)];
    if std::env::var_os("HEADWATER_BENCH_MILLION").is_some() {
        corpora.push(Civic::sharded(1_000_000, 256));
    }
    corpora
}
