//! The engine's tests over real repositories, in one binary so that it links once.

mod law;
mod layers;
mod model;
mod problems;
mod reloads;
mod world;
