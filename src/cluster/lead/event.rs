//! What the machine hears, and what it asks for.

use std::collections::BTreeSet;

use headwater_engine::id::CommitId;

use crate::cluster::present::Here;
use crate::cluster::register::{Facts, RemoteFacts, Swapped, Value};

/// Something that happened.
#[expect(clippy::large_enum_variant, reason = "the machine takes one at a time")]
#[derive(Debug, Clone)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// A read of the register has ended; `None` if the bus did not answer.
    Read(Option<Found>),
    /// The change with this number has ended.
    Swapped(u64, Swapped),
    /// Somebody says that the register has this revision.
    Said(u64),
    /// The bus was away, so messages may have been lost.
    Reconnected,
    /// Another replica says that it is here.
    Heard(Here),
    /// The engine asks, under this number, whether it may publish this.
    Proposed(u64, Facts),
    /// What is known of the remote has changed.
    Noted(RemoteFacts),
    /// The engine serves this, and nobody was asked: its first state, or that of an orphan.
    Published(Facts),
    /// The engine serves what the register named, and this is what it makes of it: another version may
    /// make another digest of the same commit.
    Followed(Box<Value>, Facts),
    /// This commit is on the disk.
    Stored(CommitId),
    /// No replica that is reached has the objects of this value, and the remote has them neither.
    Missing(Box<Value>),
    /// An operator gives this head up, which nobody has.
    Abandoned(CommitId),
    /// The subscriber with this hash has taken what leads to this commit.
    Told(String, CommitId),
    /// This is all that operators were told of the remote, of pushes and of held heads, and not that it is over.
    Alerted(BTreeSet<String>),
    /// The process ends.
    Resign,
}

/// What a read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The revision; 0 if there was never a value.
    pub revision: u64,
    /// The value; `None` if there is none.
    pub value: Option<Value>,
}

/// An action in response to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read the register.
    Read,
    /// Change it. The outcome has the number of the change.
    Swap {
        /// The number.
        number: u64,
        /// The revision that it must have.
        expected: u64,
        /// The value that it gets.
        next: Box<Value>,
    },
    /// Say that the register has this revision.
    Say(u64),
    /// Answer the engine's question with this number.
    Decide(u64, Result<(), Denied>),
    /// Go where the register says.
    Follow(Box<Value>),
    /// Be this from now on.
    Stand(Standing),
    /// The process may end.
    Resigned,
}

/// What a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It asks the remote, judges and publishes.
    Leading,
    /// It goes where the register says.
    Following,
    /// It is without a leader for long, and goes its own way.
    Orphaned,
}

/// Why the engine may not publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// This replica does not lead, or not any more.
    NotLeading,
    /// Nobody knows whether the register has it.
    Unknown,
}

impl Standing {
    /// Returns its name in answers and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leading => "leading",
            Self::Following => "following",
            Self::Orphaned => "orphaned",
        }
    }
}
