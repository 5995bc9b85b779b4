//! Real repositories, remotes and corpora for Headwater's tests and benchmarks.
//!
//! Nothing here is a mock: an [`Upstream`] is a bare repository that plays the forge, [`GitHttp`]
//! serves it over a socket with `git http-backend`, and [`corpus`] fills it with realistic records.
//! The crate does not depend on the engine. Any failure in it means a broken test or machine, so
//! its functions panic with a message instead of returning errors.

pub mod corpus;
pub mod distance;
pub mod fixtures;
pub mod git;
pub mod git_http;
mod http_request;
pub mod imports;
pub mod issuer;
pub mod nats;
pub mod netns;
pub mod notify;
pub mod proxy;
pub mod scripted_http;
mod socket_server;
pub mod upstream;

pub use distance::DistantServer;
pub use git::git;
pub use git_http::{Fault, GitHttp};
pub use issuer::{KeysAnswer, SigningKey, TestIssuer};
pub use nats::{NatsCluster, NatsServer, nats_server};
pub use netns::{Machine, Network};
pub use proxy::CuttingProxy;
pub use scripted_http::{Answer, Received, ScriptedHttp};
pub use upstream::{Commit, TreeEntry, Upstream};
