//! Headwater's server and command line around [`headwater_engine`].
//!
//! [`cli`] and [`config`] have the arguments and settings. [`access`] knows who may do what. [`live`] is the engine as the server
//! sees it. [`hook`] checks and parses webhooks. [`wire`] has the formats of answers and messages.
//! [`http`] is the interface, which [`openapi`] describes. [`serve`] combines them. [`command`] and
//! [`demo`] are what `main` runs.
//!
//! Each module uses only those above it.

pub mod backoff;
pub mod descriptors;
pub mod exit;
pub mod header_fields;
pub mod histogram;
pub mod hmac;
pub mod memory;
pub mod random;
pub mod redact;
pub mod signals;

pub mod config;
pub mod logging;

pub mod access;

pub mod cli;

pub mod coming;
pub mod feed;
pub mod live;
pub mod pending;

pub mod cluster;

pub mod hook;

pub mod wire;

pub mod alert;
pub mod metrics;
pub mod otlp;

pub mod openapi;

pub mod http;

pub mod subscribers;

pub mod serve;

pub mod demo;

pub mod command;
