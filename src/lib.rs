//! Headwater's server and command line around [`headwater_engine`].
//!
//! [`cli`] and [`config`] say what is wanted. [`live`] is the engine as the server sees it;
//! [`hook`] checks and reads what a webhook says and [`pursuit`] takes it to its verdict; [`http`] is
//! the interface; [`serve`] puts them together; [`command`] and [`demo`] are what `main` runs.

pub mod exit;
pub mod mac;
pub mod random;
pub mod redact;
pub mod signals;

pub mod config;
pub mod logging;

pub mod cli;

pub mod live;
pub mod poll;

pub mod hook;
pub mod pursuit;

pub mod alert;
pub mod metrics;

pub mod http;

pub mod serve;

pub mod command;
pub mod demo;
