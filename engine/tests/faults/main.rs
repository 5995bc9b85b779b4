//! Every fault point fails in every way while readers read: with an error, a panic, a stall, and
//! the death of the process. `cargo test -p headwater-engine --features faults --test faults`

#![expect(clippy::unwrap_used, reason = "a test that fails here says enough")]

mod matrix;
mod stage;
mod writing;
