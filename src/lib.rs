//! Headwater's server and command line around [`headwater_engine`].
//!
//! [`cli`] and [`config`] say what is wanted; [`hook`] reads what a webhook says.

pub mod exit;
pub mod random;
pub mod redact;

pub mod config;
pub mod logging;

pub mod cli;

pub mod hook;
