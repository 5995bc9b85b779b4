//! The times of a cluster, all of them shares of the lease.

use std::time::Duration;

/// The longest wait between two reads of the register.
const READ_EVERY: Duration = Duration::from_secs(5);

/// The longest time that a leader which takes no more writes keeps the lead: writes wait for the next one.
const LONGEST_PARTING: Duration = Duration::from_secs(2);

/// The settings of a replica's part in leading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long the register must stand still before another replica leads.
    pub lease: Duration,
    /// Whether this replica may lead.
    pub leads: bool,
}

impl Terms {
    /// Returns how often a leader renews its lease.
    pub fn renewal(&self) -> Duration {
        self.lease / 6
    }

    /// Returns how long a leader leads after it began to send its last change that succeeded. The
    /// rates of two clocks may differ by a third before two could lead at once.
    pub fn deadline(&self) -> Duration {
        self.lease * 2 / 3
    }

    /// Returns how much longer a replica waits that another should come before.
    pub fn hesitation(&self) -> Duration {
        self.lease / 3
    }

    /// Returns how long a replica listens for others before it writes the first register.
    pub fn first(&self) -> Duration {
        self.lease * 2 / 3
    }

    /// Returns how long a replica goes without a leader before it goes its own way.
    pub fn patience(&self) -> Duration {
        self.lease * 2
    }

    /// Returns how long a new leader looks for a head that nobody seems to have, before it goes on from
    /// a safe one.
    pub fn search(&self) -> Duration {
        self.lease * 2 / 3
    }

    /// Returns how long it looks for one thing before it tries the other again.
    pub fn turning(&self) -> Duration {
        self.lease / 3
    }

    /// Returns how long a leader goes on that none of its followers reaches.
    pub fn isolation(&self) -> Duration {
        self.lease * 4
    }

    /// Returns how long such a leader lets others lead before it claims again.
    pub fn rest(&self) -> Duration {
        self.lease * 2
    }

    /// Returns how long a leader that ends keeps the lead at most, so that what it published last is on
    /// another disk.
    pub fn parting(&self) -> Duration {
        LONGEST_PARTING.min(self.lease / 6)
    }

    /// Returns the wait between two reads.
    pub fn reading(&self) -> Duration {
        READ_EVERY.min(self.lease / 3)
    }

    /// Returns the wait between two reads while it is not known what became of a change.
    pub fn doubt(&self) -> Duration {
        self.lease / 60
    }
}
