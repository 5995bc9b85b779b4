//! Takes the published state from commit to commit, on the thread that reloads.

use std::sync::Arc;
use std::time::Duration;

use super::following::Following;
use super::held_pushes::Holds;
use super::locks::Lock;
use super::publish_turn::Writer;
use super::publisher::Publisher;
use super::push::queue::PushQueue;
use super::refused_heads::RefusedHeads;
use super::remote_view::RemoteView;
use super::repository::Repository;
use super::states::States;
use super::status::StatusBoard;
use crate::admit::AdmissionLimits;
use crate::options::LoadOptions;

/// Runs reloads, pins and audits, one at a time.
pub(super) struct Reloader {
    pub(super) repository: Arc<Repository>,
    pub(super) states: Arc<States>,
    pub(super) status: Arc<StatusBoard>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) writer: Arc<Writer>,
    pub(super) pushes: Arc<PushQueue>,
    pub(super) remote_view: RemoteView,
    pub(super) holds: Holds,
    /// How records are read.
    pub(super) load: LoadOptions,
    /// How many problems are allowed in sheets that quarantine.
    pub(super) limits: AdmissionLimits,
    /// After how long a state is built, the remote is asked whether it still has its commit.
    pub(super) asks_again: Duration,
    /// The heads that cost too much to load.
    pub(super) costly: Lock<RefusedHeads>,
    /// Where to go as a follower.
    pub(super) following: Arc<Following>,
}
