//! Makes room for connections that wait for a place: for the one that is next, and then for the one after it.
//!
//! If each of them looked for a connection that gives way, many that wait would look through many that are open,
//! again and again.

use std::time::Duration;

use tokio::sync::Notify;

use super::eviction::GRACE;
use super::open_connections::OpenConnections;
use super::permits::{NextInLine, Permits};

/// How long a connection that gives way has before another one is looked for, too.
const SOON: Duration = Duration::from_millis(20);

/// After how long a connection that is in use is asked to end after its answer. Behind a proxy all are of one address,
/// and a proxy uses those that it has again and again.
const LONG: Duration = Duration::from_millis(500);

/// Whoever makes room.
pub(super) struct RoomMaker {
    places: Permits,
    open: OpenConnections,
    /// Told when a connection begins to wait for a place.
    waits: Notify,
    /// Told when one that waited has got a place.
    has_come: Notify,
}

impl RoomMaker {
    /// Returns the one that makes room among the `open` connections, each of which has one of `places`.
    pub(super) fn new(places: Permits, open: OpenConnections) -> Self {
        Self { places, open, waits: Notify::new(), has_come: Notify::new() }
    }

    /// Makes room for those who wait, for ever. Costs a look at all open connections for each of them, and four a
    /// second while none of these can be spared.
    pub(super) async fn run(&self) {
        loop {
            self.waits.notified().await;
            while let Some(NextInLine { source, since }) = self.places.next_in_line() {
                // A place that gets free from here on counts.
                let mut has_come = std::pin::pin!(self.has_come.notified());
                has_come.as_mut().enable();
                let is_made = self.open.make_room(source).is_some()
                    || since.elapsed() >= LONG && self.open.ask_oldest(source).is_some();
                if is_made {
                    tokio::time::timeout(SOON, has_come).await.ok();
                } else {
                    // Meanwhile others become idle, or somebody comes for whom there is room.
                    let patience = tokio::time::sleep(GRACE / 4);
                    tokio::select! {
                        () = has_come => {}
                        () = self.waits.notified() => {}
                        () = patience => {}
                    }
                }
            }
        }
    }

    /// Notes that a connection begins to wait for a place.
    pub(super) fn waits(&self) {
        self.waits.notify_one();
    }

    /// Notes that a connection that waited has got a place.
    pub(super) fn has_come(&self) {
        self.has_come.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::http::connection::Connection;
    use crate::http::source::Source;
    use crate::http::waiter_limit::WaiterLimit;

    fn address(last: u8) -> Source {
        Source::at([192, 0, 2, last].into())
    }

    #[tokio::test]
    async fn who_has_waited_long_gets_a_place_of_its_own_address() {
        tokio::time::pause();
        let open = OpenConnections::default();
        let places = Permits::new(1, 1, WaiterLimit::default());
        let room = Arc::new(RoomMaker::new(places.clone(), open.clone()));
        let maker = room.clone();
        let maker = tokio::spawn(async move { maker.run().await });
        let connection = Connection::default();
        let _request = open.add(&connection, address(1)).begin();
        let place = places.take(address(1)).await;
        let begun = tokio::time::Instant::now();
        let waits = tokio::spawn(async move { places.take(address(1)).await });
        tokio::task::yield_now().await;
        room.waits();
        connection.was_asked_to_leave().await;
        assert!(begun.elapsed() >= LONG && !connection.is_cut(), "it is answered first");
        open.remove(&connection);
        drop(place);
        assert!(waits.await.unwrap().is_some());
        maker.abort();
    }

    #[tokio::test]
    async fn room_is_made_for_each_who_waits_and_for_nobody_else() {
        tokio::time::pause();
        let open = OpenConnections::default();
        let places = Permits::new(4, 4, WaiterLimit::default());
        let room = Arc::new(RoomMaker::new(places.clone(), open.clone()));
        let maker = room.clone();
        let maker = tokio::spawn(async move { maker.run().await });
        let mut polls = Vec::new();
        for _ in 0..4 {
            let connection = Connection::default();
            let request = (open.add(&connection, address(1)).begin(), connection.polls());
            let (open, place) = (open.clone(), places.take(address(1)).await);
            let left = connection.clone();
            tokio::spawn(async move {
                left.was_asked_to_leave().await;
                open.remove(&left);
                drop((request, place));
            });
            polls.push(connection);
        }
        let waits = |last| {
            let (places, room) = (places.clone(), room.clone());
            tokio::spawn(async move {
                let place = tokio::time::timeout(GRACE / 2, async {
                    let mut place = std::pin::pin!(places.take(address(last)));
                    assert!(tokio::time::timeout(Duration::ZERO, &mut place).await.is_err());
                    room.waits();
                    place.await
                });
                let place = place.await;
                room.has_come();
                place
            })
        };
        let [first, second, third] = [2, 2, 1].map(waits);
        // The last one has as many as the others have left.
        let _places = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
        assert!(third.await.unwrap().is_ok());
        tokio::time::sleep(GRACE).await;
        assert_eq!(polls.iter().filter(|poll| poll.asked_ago().is_some()).count(), 3);
        maker.abort();
    }
}
