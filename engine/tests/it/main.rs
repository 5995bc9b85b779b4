//! The engine's tests over real repositories, in one binary so that it links once.

mod law;
mod model;
mod world;
mod layers;
mod reloads;
