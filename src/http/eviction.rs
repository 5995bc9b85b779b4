//! Which connection gives way when all places are taken: one without a request in progress, one whose requests only
//! wait, for a publication or a push, or, of an address that has more than who comes, one that reads, or one
//! that writes, after its answer.
//!
//! Otherwise whoever opens connections and sends nothing, waits on each of them, or reads slowly would keep
//! everybody else waiting.

use std::collections::HashMap;
use std::time::Duration;

use super::source::Source;

/// How long a connection that was of use stays, at least, after its last answer: the next request may be
/// on its way, and the end of the answer is.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// How long the answer to a write may take on a connection that is asked to leave.
pub(super) const TELLING: Duration = Duration::from_secs(2);

/// What decides whether a connection gives way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) address: Source,
    pub(super) usage: Usage,
}

/// What a connection is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    /// It has been open for this long, and no request has arrived.
    Silent(Duration),
    /// Its last answer ended this long ago.
    Idle(Duration),
    /// It has been open for this long, and all its requests in progress only wait.
    Waiting(Duration),
    /// It has been open for this long, and its requests in progress only wait or are being answered.
    Sending(Duration),
    /// It has been open for this long, and its requests in progress read.
    Reading(Duration),
    /// It has been open for this long, and one of its requests in progress writes.
    Writing(Duration),
    /// It has been open for this long, and the answer to a write is being sent.
    Telling(Duration),
}

/// How well a connection can be spared, best last. The first five only give way to an address that has fewer,
/// the next two to none that has more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spare {
    /// Its caller gets the answer to a write first.
    Writing,
    /// Its caller gets the answer to a write if that takes no longer than a moment.
    Telling,
    /// Its caller gets no answer.
    Reading,
    /// Its caller gets a part of an answer.
    Sending,
    /// Its next request is on its way, perhaps.
    Used,
    /// Its first request is on its way, perhaps.
    New,
    /// Its caller has to ask again.
    Waiting,
    /// Nobody misses it.
    Idle,
}

/// Returns the connection that gives way first to one from `newcomer`: one that nobody misses, if there is any. Of
/// these, and of all others, it is of the address that has the most connections; of that, the one that can be spared best, and of these the one that has been idle, or open, for the
/// longest time.
pub(super) fn first_to_go(connections: &[Facts], newcomer: Source) -> Option<usize> {
    let of_address = counts(connections);
    let own = of_address.get(&newcomer).copied().unwrap_or(0);
    let going = connections.iter().enumerate().filter_map(|(at, connection)| {
        let count = of_address[&connection.address];
        let (spare, time) = match connection.usage {
            Usage::Silent(idle) | Usage::Idle(idle) if idle >= GRACE => (Spare::Idle, idle),
            Usage::Silent(idle) => (Spare::New, idle),
            Usage::Waiting(open) => (Spare::Waiting, open),
            Usage::Idle(idle) => (Spare::Used, idle),
            Usage::Sending(open) => (Spare::Sending, open),
            Usage::Reading(open) => (Spare::Reading, open),
            Usage::Writing(open) => (Spare::Writing, open),
            Usage::Telling(open) => (Spare::Telling, open),
        };
        let may_go = match spare {
            Spare::Idle => true,
            Spare::Waiting | Spare::New => count >= own,
            Spare::Used | Spare::Sending | Spare::Reading | Spare::Telling | Spare::Writing => {
                count > own + 1
            }
        };
        may_go.then_some((spare == Spare::Idle, count, spare, time, at))
    });
    going.max().map(|(.., at)| at)
}

/// Returns the connection that is asked to end after its answer for one from `newcomer` that has waited long: the oldest
/// of those that are in use, of the address with the most.
pub(super) fn oldest_in_use(connections: &[Facts], newcomer: Source) -> Option<usize> {
    let of_address = counts(connections);
    let own = of_address.get(&newcomer).copied().unwrap_or(0);
    let in_use = connections.iter().enumerate().filter_map(|(at, connection)| {
        let count = of_address[&connection.address];
        let open = match connection.usage {
            Usage::Reading(open) | Usage::Writing(open) => open,
            Usage::Silent(_)
            | Usage::Idle(_)
            | Usage::Waiting(_)
            | Usage::Sending(_)
            | Usage::Telling(_) => return None,
        };
        (count >= own).then_some((count, open, at))
    });
    in_use.max().map(|(.., at)| at)
}

/// Returns the number of connections of each address.
fn counts(connections: &[Facts]) -> HashMap<Source, usize> {
    let mut of_address: HashMap<Source, usize> = HashMap::new();
    for connection in connections {
        *of_address.entry(connection.address).or_default() += 1;
    }
    of_address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Source {
        Source::at([192, 0, 2, last].into())
    }

    fn facts(last: u8, usage: Usage) -> Facts {
        Facts { address: address(last), usage }
    }

    fn silent(last: u8, millis: u64) -> Facts {
        facts(last, Usage::Silent(Duration::from_millis(millis)))
    }

    fn used(last: u8, millis: u64) -> Facts {
        facts(last, Usage::Idle(Duration::from_millis(millis)))
    }

    fn waiting(last: u8, millis: u64) -> Facts {
        facts(last, Usage::Waiting(Duration::from_millis(millis)))
    }

    fn sending(last: u8, millis: u64) -> Facts {
        facts(last, Usage::Sending(Duration::from_millis(millis)))
    }

    fn reading(last: u8, millis: u64) -> Facts {
        facts(last, Usage::Reading(Duration::from_millis(millis)))
    }

    fn busy(last: u8) -> Facts {
        facts(last, Usage::Writing(Duration::ZERO))
    }

    #[test]
    fn the_connection_that_is_of_no_use_for_the_longest_time_gives_way_of_who_has_most() {
        for (connections, expected) in [
            (vec![], None),
            (vec![silent(1, 0)], Some(0)),
            (vec![busy(1), busy(1)], None),
            // The next request may be on its way.
            (vec![used(1, 999)], None),
            (vec![used(1, 1_000)], Some(0)),
            (vec![reading(1, 9_000), sending(1, 9_000)], None),
            (vec![silent(1, 5), silent(1, 7), silent(1, 6)], Some(1)),
            (vec![used(1, 2_000), silent(1, 7)], Some(0)),
            // One that nobody misses goes before all others, and of those of the address with the most connections.
            (vec![silent(1, 9_000), silent(2, 1), busy(2)], Some(0)),
            (vec![silent(1, 9_000), silent(2, 1_000), busy(2)], Some(1)),
            (vec![reading(1, 5), sending(1, 5), reading(1, 6), used(2, 1_000)], Some(3)),
            (vec![silent(1, 9_000), busy(2), busy(2)], Some(0)),
            // Those that wait go before those that have just come, and after those that are idle.
            (vec![waiting(1, 9), silent(1, 999)], Some(0)),
            (vec![waiting(1, 9), silent(1, 1_000)], Some(1)),
            (vec![waiting(1, 9), used(1, 999)], Some(0)),
            (vec![waiting(1, 9), used(1, 1_000)], Some(1)),
            (vec![waiting(1, 9), waiting(2, 1), busy(2)], Some(1)),
            (vec![waiting(1, 9), waiting(1, 8), silent(2, 9_000)], Some(2)),
            (vec![waiting(1, 9), waiting(1, 8), silent(2, 999)], Some(0)),
            (vec![waiting(1, 8), waiting(1, 9), waiting(1, 7)], Some(1)),
        ] {
            // One of an address with as many has to wait for what is in use.
            assert_eq!(first_to_go(&connections, address(1)), expected, "{connections:?}");
        }
    }

    #[test]
    fn whoever_has_waited_long_gets_the_place_of_the_oldest_in_use() {
        let writing = |last, millis| facts(last, Usage::Writing(Duration::from_millis(millis)));
        for (connections, expected) in [
            (vec![], None),
            (vec![reading(1, 5), writing(1, 9), reading(1, 7)], Some(1)),
            (vec![reading(2, 9), reading(1, 5), writing(1, 6)], Some(2)),
            (vec![reading(2, 9), reading(1, 5), used(1, 5)], Some(1)),
            // One of an address with more has to wait.
            (vec![reading(2, 9), used(1, 5), used(1, 5)], None),
            (vec![used(1, 5), sending(1, 9), waiting(1, 9), silent(1, 9)], None),
        ] {
            assert_eq!(oldest_in_use(&connections, address(1)), expected, "{connections:?}");
        }
    }

    #[test]
    fn what_is_in_use_gives_way_to_an_address_that_has_fewer() {
        for (connections, expected) in [
            (vec![used(1, 5), used(1, 6)], Some(1)),
            (vec![sending(1, 5), sending(1, 6), busy(1)], Some(1)),
            (vec![sending(1, 5), used(1, 0)], Some(1)),
            (vec![reading(1, 5), reading(1, 6), busy(1)], Some(1)),
            (vec![reading(1, 6), sending(1, 5)], Some(1)),
            (vec![reading(1, 5), busy(1)], Some(0)),
            (vec![busy(1), facts(1, Usage::Telling(Duration::ZERO))], Some(1)),
            (vec![busy(1), busy(1)], Some(1)),
            (vec![busy(1), busy(2)], None),
            // Whoever comes would have as many.
            (vec![used(1, 5)], None),
            // One that has just come does not give way to an address that has more.
            (vec![silent(1, 5), busy(2), busy(2)], None),
            (vec![waiting(1, 5), busy(2), busy(2)], None),
            (vec![silent(1, 1_000), busy(2), busy(2)], Some(0)),
            (vec![used(1, 5), used(2, 5), used(2, 6)], None),
            (vec![used(1, 5), used(1, 6), used(1, 7), used(2, 5)], Some(2)),
        ] {
            assert_eq!(first_to_go(&connections, address(2)), expected, "{connections:?}");
        }
    }
}
