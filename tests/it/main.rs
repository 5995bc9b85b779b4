//! The server's tests over real sockets and real remotes, in one binary so that it links once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod action;
mod alerts;
mod attachments;
mod book;
mod canaries;
mod changes;
mod codings;
mod commands;
mod costly;
mod deliveries;
mod documents;
mod following;
mod forges;
mod full;
mod harness;
mod held;
mod history;
mod imports;
mod kills;
mod lifecycle;
mod limits;
mod lists;
mod moments;
mod monitoring;
mod notify;
mod offline;
mod pins;
mod pushes;
mod reads;
mod references;
mod refusals;
mod reloads;
mod remotes;
mod searches;
mod secrets;
mod signatures;
mod storm;
mod subscribers;
mod throttle;
mod traces;
mod writers;
mod writes;
mod wrong_keys;
mod writes_model;
