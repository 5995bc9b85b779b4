//! The open connections, one of which gives way when all places are taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::connection::Connection;
use super::connection_activity::Activity;
use super::eviction::{Facts, GRACE, TELLING, Usage, first_to_go, oldest_in_use};
use super::source::Source;

/// How long a connection may take to end that is asked to leave.
const LEAVING: Duration = Duration::from_millis(250);

/// The open connections.
#[derive(Clone, Default)]
pub(super) struct OpenConnections(Arc<Mutex<HashMap<Connection, Held>>>);

/// What is known of an open connection.
struct Held {
    address: Source,
    activity: Arc<Activity>,
}

impl OpenConnections {
    /// Notes a connection, and returns where its requests are noted.
    pub(super) fn add(&self, connection: &Connection, address: Source) -> Arc<Activity> {
        let activity = Arc::new(Activity::new(connection.clone()));
        let held = Held { address, activity: activity.clone() };
        self.held().insert(connection.clone(), held);
        activity
    }

    /// Forgets a connection that has ended.
    pub(super) fn remove(&self, connection: &Connection) {
        self.held().remove(connection);
    }

    /// Closes the connection that gives way first to one from `newcomer`, or asks it to leave if that is enough.
    /// Returns `None` if there is none.
    pub(super) fn make_room(&self, newcomer: Source) -> Option<()> {
        let held = self.held();
        let staying = staying(held.iter());
        let Staying { connection, activity, facts } =
            &staying[first_to_go(&facts_of(&staying), newcomer)?];
        tracing::debug!(address = %facts.address, "closes a connection for another");
        let was_asked = connection.asked_ago().is_some();
        let has_answer = match facts.usage {
            Usage::Waiting(_) => connection.waiting().polling > 0,
            Usage::Writing(_) | Usage::Telling(_) => true,
            // The end of its answer may still be on its way.
            Usage::Idle(idle) => idle < GRACE,
            Usage::Silent(_) | Usage::Sending(_) | Usage::Reading(_) => false,
        };
        if has_answer && !was_asked || !activity.cut() {
            connection.ask_to_leave();
        }
        Some(())
    }

    /// Asks the oldest connection in use that was not asked before to leave after its answer, for one from `newcomer`
    /// that has waited long. Returns `None` if there is none.
    pub(super) fn ask_oldest(&self, newcomer: Source) -> Option<()> {
        let held = self.held();
        let mut staying = staying(held.iter());
        // One that cannot leave yet would keep all others from being asked.
        staying.retain(|staying| staying.connection.asked_ago().is_none());
        let oldest = &staying[oldest_in_use(&facts_of(&staying), newcomer)?];
        oldest.connection.ask_to_leave();
        Some(())
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Connection, Held>> {
        // The map is consistent after every statement, so a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is not on its way out.
struct Staying<'a> {
    connection: &'a Connection,
    activity: &'a Activity,
    facts: Facts,
}

fn staying<'a>(held: impl Iterator<Item = (&'a Connection, &'a Held)>) -> Vec<Staying<'a>> {
    let all = held.map(|(connection, Held { address, activity })| {
        let facts = Facts { address: *address, usage: activity.usage() };
        Staying { connection, activity, facts }
    });
    let stays = |Staying { connection, facts, .. }: &Staying<'_>| {
        let leaves = connection.asked_ago().is_some_and(|ago| match facts.usage {
            Usage::Writing(_) => true,
            Usage::Reading(_) | Usage::Telling(_) => ago < TELLING,
            Usage::Silent(_) | Usage::Idle(_) | Usage::Waiting(_) | Usage::Sending(_) => {
                ago < LEAVING
            }
        });
        !connection.is_cut() && !leaves
    };
    all.filter(stays).collect()
}

fn facts_of(connections: &[Staying<'_>]) -> Vec<Facts> {
    connections.iter().map(|connection| connection.facts).collect()
}

#[cfg(test)]
mod tests {
    use super::super::connection_activity::OpenRequest;
    use super::*;

    fn address(last: u8) -> Source {
        Source::at([192, 0, 2, last].into())
    }

    #[test]
    fn a_connection_is_idle_once_its_last_answer_has_ended() {
        let open = OpenConnections::default();
        let connection = Connection::default();
        let activity = open.add(&connection, address(1));
        let usage = || activity.usage();
        assert!(matches!(usage(), Usage::Silent(_)));
        let (first, second) = (activity.begin(), activity.begin());
        second.may_write.writes().unwrap();
        drop(first);
        open.make_room(address(1));
        assert!(matches!(usage(), Usage::Writing(_)) && connection.asked_ago().is_none());
        open.make_room(address(2));
        assert!(connection.asked_ago().is_none(), "whoever comes would have as many");
        drop(second);
        assert!(matches!(usage(), Usage::Idle(_)));
        open.remove(&connection);
        assert!(open.held().is_empty());
    }

    #[test]
    fn a_connection_waits_while_all_its_requests_do_and_then_gives_way() {
        let open = OpenConnections::default();
        let connection = Connection::default();
        let activity = open.add(&connection, address(1));
        let begin = || activity.begin();
        let usage = || activity.usage();
        let _requests = (begin(), begin());
        let _first = connection.polls();
        open.make_room(address(1));
        assert!(matches!(usage(), Usage::Reading(_)) && connection.asked_ago().is_none());
        let second = connection.polls();
        assert!(matches!(usage(), Usage::Waiting(_)));
        drop(second);
        let (answered, _stream) = (begin().answered(), connection.follows());
        assert!(matches!(usage(), Usage::Reading(_)));
        let _second = connection.polls();
        assert!(matches!(usage(), Usage::Waiting(_)));
        let other = begin().answered();
        assert!(matches!(usage(), Usage::Sending(_)));
        drop((answered, other));
        open.make_room(address(1));
        assert!(connection.asked_ago().is_some() && !connection.is_cut(), "it is answered first");
    }

    #[tokio::test]
    async fn a_connection_that_writes_gives_way_after_its_answer() {
        tokio::time::pause();
        let open = OpenConnections::default();
        let connections = [(); 3].map(|()| Connection::default());
        let writes: Vec<_> = connections
            .iter()
            .map(|connection| {
                let request = open.add(connection, address(1)).begin();
                request.may_write.writes().unwrap();
                request
            })
            .collect();
        let asked = || connections.iter().filter(|it| it.asked_ago().is_some()).count();
        // The last one is as many as whoever comes would have.
        for expected in [1, 2, 2] {
            open.make_room(address(2));
            assert_eq!(asked(), expected);
        }
        assert!(!connections.iter().any(Connection::is_cut));
        let answers: Vec<_> = writes.into_iter().map(OpenRequest::answered).collect();
        tokio::time::advance(TELLING).await;
        open.make_room(address(2));
        let cut = connections.iter().filter(|connection| connection.is_cut()).count();
        assert_eq!(cut, 1, "its answer is not taken");
        drop(answers);
    }

    #[tokio::test]
    async fn one_that_cannot_leave_yet_keeps_no_other_in_use_from_being_asked() {
        tokio::time::pause();
        let open = OpenConnections::default();
        let connections = [(); 2].map(|()| Connection::default());
        let mut requests = Vec::new();
        for connection in &connections {
            requests.push(open.add(connection, address(1)).begin());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        for expected in [[true, false], [true, true]] {
            open.ask_oldest(address(1)).unwrap();
            assert_eq!(connections.each_ref().map(|it| it.asked_ago().is_some()), expected);
            tokio::time::advance(TELLING).await;
        }
        assert!(open.ask_oldest(address(1)).is_none());
    }

    #[tokio::test]
    async fn a_connection_that_has_just_answered_is_asked_to_leave_first() {
        tokio::time::pause();
        let open = OpenConnections::default();
        let connections = [(); 3].map(|()| Connection::default());
        for connection in &connections {
            drop(open.add(connection, address(1)).begin());
        }
        let count =
            |found: fn(&Connection) -> bool| connections.iter().filter(|it| found(it)).count();
        open.make_room(address(2)).unwrap();
        let is_asked = |it: &Connection| it.asked_ago().is_some();
        assert_eq!(
            (count(is_asked), count(Connection::is_cut)),
            (1, 0),
            "its answer may be on its way"
        );
        tokio::time::advance(LEAVING).await;
        open.make_room(address(2)).unwrap();
        assert_eq!(count(Connection::is_cut), 1);
    }

    #[tokio::test]
    async fn a_connection_that_does_not_leave_is_closed() {
        tokio::time::pause();
        let open = OpenConnections::default();
        let connection = Connection::default();
        let activity = open.add(&connection, address(1));
        let _request = (activity.begin(), connection.polls());
        for (advance, is_cut) in [(Duration::ZERO, false), (LEAVING / 2, false), (LEAVING, true)] {
            tokio::time::advance(advance).await;
            open.make_room(address(1));
            assert_eq!(connection.is_cut(), is_cut, "{advance:?}");
        }
    }
}
