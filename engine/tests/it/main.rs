//! The engine's tests over real repositories, in one binary so that it links once.

#![expect(clippy::unwrap_used, reason = "a test that fails here says enough")]

mod embedding;
mod failing_syscalls;
mod built_ahead;
mod commits;
mod divergence;
mod fetched;
mod remote_and_engine;
mod law;
mod layers;
mod limits;
mod list_writes;
mod lists;
mod local;
mod model;
mod historical_states;
mod histories;
mod names;
mod pins;
mod power_loss;
mod problems;
mod pushes;
mod cached_index;
mod references;
mod replicas;
mod reloads;
mod replays;
mod restarts;
mod scope;
mod storm;
mod tables;
mod views;
mod cut_connections;
mod random_histories;
mod writes;
