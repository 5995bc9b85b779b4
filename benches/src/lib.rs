//! Measures Headwater and its comparisons.
//!
//! The program of this crate prints the scoreboard. The criterion benchmarks show which stage
//! became slower. Both measure a [`source::Source`]: a real remote that receives pushes. Nothing
//! here handles errors: what fails to run cannot be measured, so it panics with the reason.

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
pub mod writers;
pub mod clone;
pub mod peer;
pub mod deployment;
pub mod fleet;
pub mod board;
pub mod plot;
pub mod soak;
pub mod growth;
pub mod writes;

use headwater_testkit::corpus::{self, Civic};

/// Returns the corpora of the criterion benchmarks: civic-1k, civic-32k, and one million records in
/// 256 folders if `HEADWATER_BENCH_MILLION` is set.
pub fn corpora() -> Vec<Civic> {
    let mut corpora = vec![corpus::civic(1_000), corpus::civic(32_000)];
    if std::env::var_os("HEADWATER_BENCH_MILLION").is_some() {
        corpora.push(Civic::sharded(1_000_000, 256));
    }
    corpora
}
