//! The engine's tests over real repositories, in one binary so that it links once.

#![expect(clippy::unwrap_used, reason = "a test that fails here says enough")]

mod calls;
mod commits;
mod divergence;
mod fetched;
mod house;
mod law;
mod layers;
mod limits;
mod list_writes;
mod lists;
mod local;
mod model;
mod past;
mod names;
mod pins;
mod power;
mod problems;
mod pushes;
mod recall;
mod references;
mod reloads;
mod restarts;
mod scope;
mod storm;
mod tables;
mod views;
mod wire;
mod world;
mod writes;
