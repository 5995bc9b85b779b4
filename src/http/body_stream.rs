//! Bodies that are made chunk by chunk, at the pace of their reader.
//!
//! They implement `HttpBody` instead of using `Body::from_stream`, because a body whose maker goes
//! away before its end must break off.
//!
//! Each keeps a place while it is made. One address has at most a part of the places. A reader that
//! takes too little for too long loses its place when somebody else waits for one.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header;
use hyper::body::Frame;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::permits::{Permit, Permits};
use super::source::Source;
use super::waiter_limit::WaiterLimit;
use super::write_timeout::WaitBudget;
use crate::wire::{ApiError, Code};

/// The approximate size of a chunk, in bytes.
pub(super) const CHUNK: usize = 64 << 10;

/// The number of chunks that wait for a slow reader.
const AHEAD: usize = 4;

/// How long a request waits for a place.
const TURN: Duration = Duration::from_secs(2);

/// How often a slow reader's place is checked for somebody who waits for it.
const LOOK: Duration = Duration::from_millis(500);

/// The fewest bytes a second that a reader must take while somebody waits for its place.
const SLOWEST: u32 = 64 << 10;

/// How long a reader may be slower than that. Who waits for a place gives up after two seconds, so an
/// address with several slow readers loses their places sooner.
const GRACE: Grace = Grace { of_one: Duration::from_secs(10), of_several: Duration::from_secs(3) };

/// The largest source, in bytes, of a body that counts by its place alone.
const SMALL: u64 = 1 << 20;

/// The bytes of a larger source that one share covers; a started share counts.
const SHARE: u64 = 16 << 20;

/// The number of shares. A source may be in memory as a whole, so this bounds the memory: 256 MiB.
const SHARES: usize = 16;

/// The most shares of one address, and of one body.
const EACH: usize = SHARES / 4;

/// The number of bodies that are read from earlier states. Each keeps its state in memory, which may share nothing
/// with the present one.
const EARLIER: usize = 4;

/// A number of places for bodies that are made chunk by chunk.
pub struct BodyStreams {
    places: Permits,
    shares: Permits,
    earlier: Permits,
    grace: Grace,
}

/// How long a slow reader keeps its place while somebody waits for it.
#[derive(Debug, Clone, Copy)]
struct Grace {
    /// If its address has no other place.
    of_one: Duration,
    /// If its address has other places.
    of_several: Duration,
}

/// What a reader took, and what it keeps from others.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// How long it was waited for beyond what it took.
    behind: Duration,
    /// How many places its address has.
    held: usize,
    /// Whether somebody waits for its place.
    is_wanted: bool,
}

impl Grace {
    /// Returns whether a reader keeps its place.
    fn allows(self, reading: Reading) -> bool {
        let grace = if reading.held > 1 { self.of_several } else { self.of_one };
        !reading.is_wanted || reading.behind < grace
    }
}

/// A place for one body.
pub(super) struct StreamPermit {
    place: Permit,
    /// What else it keeps from others; `None` if its source is small.
    shares: Option<Permit>,
    patience: WaitBudget,
    grace: Grace,
}

impl BodyStreams {
    /// Returns the given number of places, of which one address has at most a quarter.
    pub fn new(count: usize) -> Self {
        Self::with_grace(count, GRACE)
    }

    fn with_grace(count: usize, grace: Grace) -> Self {
        let waiters = WaiterLimit::new(256, 16);
        let places = Permits::new(count, count.div_ceil(4), waiters);
        let shares = Permits::new(SHARES, EACH, WaiterLimit::new(256, 16));
        let earlier = Permits::new(EARLIER, EARLIER / 2, WaiterLimit::new(256, 16));
        Self { places, shares, earlier, grace }
    }

    /// Takes a place for an answer to `source`.
    ///
    /// # Errors
    /// 503 if none gets free in time.
    pub(super) async fn place(&self, source: Source) -> Result<StreamPermit, ApiError> {
        let place = self.places.take_within(source, TURN).await;
        let place = place.ok_or_else(busy)?;
        let patience = WaitBudget::new(self.grace.of_one, SLOWEST);
        Ok(StreamPermit { place, shares: None, patience, grace: self.grace })
    }

    /// Takes the shares for a body that is read from `bytes`, for the place of an answer to
    /// `source`. It takes all of them in its turn and none before, so nobody waits for a share that
    /// is itself only waiting for others.
    ///
    /// # Errors
    /// 503 if there are not enough in time.
    pub(super) async fn share(
        &self,
        source: Source,
        bytes: u64,
        streaming: &mut StreamPermit,
    ) -> Result<(), ApiError> {
        let count = shares_of(bytes);
        if count > 0 {
            let shares = tokio::time::timeout(TURN, self.shares.take_many(source, count)).await;
            streaming.shares = Some(shares.ok().flatten().ok_or_else(busy)?);
        }
        Ok(())
    }
}

impl BodyStreams {
    /// Takes a place for an answer to `source` that is read from an earlier state to its end.
    ///
    /// # Errors
    /// 503 if none gets free in time.
    pub(super) async fn place_at_earlier(&self, source: Source) -> Result<StreamPermit, ApiError> {
        let earlier = self.earlier.take_within(source, TURN).await.ok_or_else(busy)?;
        Ok(StreamPermit { shares: Some(earlier), ..self.place(source).await? })
    }
}

/// Returns the number of shares for a body whose source has this many bytes.
fn shares_of(bytes: u64) -> usize {
    if bytes <= SMALL {
        return 0;
    }
    usize::try_from(bytes.div_ceil(SHARE)).map_or(EACH, |shares| shares.min(EACH))
}

fn busy() -> ApiError {
    ApiError::from(Code::Busy).header(header::RETRY_AFTER, 1)
}

impl StreamPermit {
    /// Returns a body of the chunks from `next`, until that returns `None` or fails. `next` is
    /// called on a thread of its own, which keeps the place until then. The body breaks off if its
    /// reader loses the place.
    pub(super) fn send(
        mut self,
        mut next: impl FnMut() -> io::Result<Option<Bytes>> + Send + 'static,
    ) -> Body {
        let (sender, chunks) = mpsc::channel(AHEAD);
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            loop {
                let chunk = next();
                let is_last = !matches!(chunk, Ok(Some(_)));
                // A reader that has gone needs no more.
                if !runtime.block_on(self.passes(&sender, chunk)) || is_last {
                    break;
                }
            }
        });
        Body::new(Chunks(Some(chunks)))
    }

    /// Returns whether somebody waits for what this body holds.
    fn is_wanted(&self) -> bool {
        self.place.is_wanted() || self.shares.as_ref().is_some_and(Permit::is_wanted)
    }

    /// Returns what there is to know of the reader, who is now waited for so long.
    fn reading(&self, waited: Duration) -> Reading {
        let (behind, held) = (self.patience.used() + waited, self.place.held());
        Reading { behind, held, is_wanted: self.is_wanted() }
    }

    /// Returns whether the reader took the chunk, or may still be waited for.
    async fn passes(&mut self, sender: &mpsc::Sender<Chunk>, chunk: Chunk) -> bool {
        let bytes = chunk.as_ref().ok().and_then(Option::as_ref).map_or(0, Bytes::len);
        let begun = Instant::now();
        let mut sent = pin!(sender.send(chunk));
        loop {
            match tokio::time::timeout(LOOK, &mut sent).await {
                Ok(sent) => {
                    self.patience.note(begun.elapsed(), bytes);
                    return sent.is_ok();
                }
                Err(_) if !self.grace.allows(self.reading(begun.elapsed())) => return false,
                Err(_) => {}
            }
        }
    }
}

/// A chunk of a body; `None` is its end.
type Chunk = io::Result<Option<Bytes>>;

/// The chunks of an answer. If the sender goes away before the last chunk, the body breaks off, so
/// that nobody mistakes a part for the whole.
struct Chunks(Option<mpsc::Receiver<Chunk>>);

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(chunks) = &mut self.0 else { return Poll::Ready(None) };
        let Poll::Ready(chunk) = chunks.poll_recv(context) else { return Poll::Pending };
        let chunk = chunk.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())).transpose();
        if !matches!(chunk, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const NO_GRACE: Grace = Grace { of_one: Duration::ZERO, of_several: Duration::ZERO };

    fn source(number: u8) -> Source {
        Source::at([192, 0, 2, number].into())
    }

    /// Takes the next chunk of a body.
    async fn next(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        frame.map(|frame| frame.map(|frame| frame.into_data().unwrap()))
    }

    #[tokio::test]
    async fn few_bodies_are_of_earlier_states_and_a_slow_one_gives_way() {
        let streams = BodyStreams::with_grace(100, NO_GRACE);
        let mut slow = Vec::new();
        for number in 1..=4 {
            let place = streams.place_at_earlier(source(number)).await.unwrap();
            slow.push(place.send(|| Ok(Some(Bytes::from_static(b"for ever")))));
        }
        let present = streams.place(source(5)).await;
        assert!(present.is_ok(), "the present state is in memory anyway");
        let place = streams.place_at_earlier(source(5)).await;
        assert!(place.is_ok(), "a slow reader gives up its place");
        let of_one = streams.place_at_earlier(source(5)).await.unwrap();
        let third = tokio::time::timeout(LOOK, streams.place_at_earlier(source(5))).await;
        assert!(!matches!(third, Ok(Ok(_))), "one address has half of them");
        drop(of_one);
    }

    #[tokio::test]
    async fn a_reader_who_takes_nothing_gives_its_place_to_who_waits_and_its_body_breaks_off() {
        let streams = BodyStreams::with_grace(1, NO_GRACE);
        let place = streams.place(source(1)).await.unwrap();
        let mut slow = place.send(|| Ok(Some(Bytes::from_static(b"for ever"))));
        let mut chunks = [b"two", b"one"].map(|chunk| Bytes::from_static(chunk)).to_vec();
        let place = streams.place(source(2)).await.expect("the slow reader gives up its place");
        let mut whole = place.send(move || Ok(chunks.pop()));
        while let Some(chunk) = next(&mut slow).await {
            if chunk.is_err() {
                break;
            }
        }
        assert_eq!(next(&mut whole).await.unwrap().unwrap(), "one");
        assert_eq!(next(&mut whole).await.unwrap().unwrap(), "two");
        assert!(next(&mut whole).await.is_none());
    }

    #[test]
    fn a_slow_reader_keeps_its_place_by_who_waits_and_by_what_its_address_has() {
        for (is_wanted, held, behind, expected) in [
            (false, 1, 3_600, true),
            (false, 4, 3_600, true),
            (true, 1, 0, true),
            (true, 1, 9, true),
            (true, 1, 10, false),
            (true, 2, 2, true),
            (true, 2, 3, false),
            (true, 4, 9, false),
        ] {
            let behind = Duration::from_secs(behind);
            let reading = Reading { behind, held, is_wanted };
            assert_eq!(GRACE.allows(reading), expected, "{reading:?}");
        }
    }

    #[test]
    fn a_body_takes_shares_by_what_it_is_read_from() {
        let mib = |count: u64| count << 20;
        let told = [0, mib(1), mib(1) + 1, mib(16), mib(17), mib(60), mib(64), mib(900), u64::MAX];
        assert_eq!(told.map(shares_of), [0, 0, 1, 1, 2, 4, 4, 4, 4]);
    }

    #[tokio::test]
    async fn what_large_bodies_are_read_from_is_bounded_of_each_address_and_in_all() {
        let streams = BodyStreams::new(100);
        let large = async |number: u8| {
            let mut streaming = streams.place(source(number)).await.unwrap();
            let shared = streams.share(source(number), 60 << 20, &mut streaming).await;
            shared.map(|()| streaming).map_err(|error| error.code())
        };
        let first = large(1).await.unwrap();
        assert_eq!(large(1).await.err(), Some(Code::Busy), "the address has its share");
        let others = [large(2).await, large(3).await, large(4).await];
        assert!(others.iter().all(Result::is_ok));
        assert_eq!(large(5).await.err(), Some(Code::Busy), "there are no more shares");
        let mut small = streams.place(source(5)).await.unwrap();
        assert!(streams.share(source(5), 1 << 20, &mut small).await.is_ok());
        drop(first);
        assert!(large(5).await.is_ok(), "a refused caller holds none");
    }

    #[tokio::test]
    async fn who_waits_for_shares_holds_none_so_that_each_has_its_turn() {
        let streams = BodyStreams::new(100);
        let large = async |number: u8| {
            let mut streaming = streams.place(source(number)).await.unwrap();
            let shared = streams.share(source(number), 60 << 20, &mut streaming).await;
            shared.map(|()| streaming).map_err(|error| error.code())
        };
        // Three downloads for each of eight addresses; four have room at once.
        let mut waiting: Vec<_> = (0..24).map(|n| Box::pin(large(n % 8))).collect();
        let mut served = 0;
        while !waiting.is_empty() {
            tokio::task::yield_now().await;
            let mut held = Vec::new();
            let mut rest = Vec::new();
            for mut download in waiting {
                match poll_fn(|context| Poll::Ready(download.as_mut().poll(context))).await {
                    Poll::Ready(streaming) => held.push(streaming.unwrap()),
                    Poll::Pending => rest.push(download),
                }
            }
            assert!((1..=4).contains(&held.len()), "some are served, and no more than fit");
            served += held.len();
            waiting = rest;
        }
        assert_eq!(served, 24);
    }

    #[tokio::test]
    async fn a_slow_reader_for_whose_place_nobody_waits_keeps_it() {
        let streams = BodyStreams::with_grace(2, NO_GRACE);
        let place = streams.place(source(1)).await.unwrap();
        let mut left = 8;
        let mut body = place.send(move || {
            left -= 1;
            Ok((left > 0).then(|| Bytes::from_static(b"chunk")))
        });
        tokio::time::sleep(LOOK * 2).await;
        let mut count = 0;
        while let Some(chunk) = next(&mut body).await {
            assert_eq!(chunk.unwrap(), "chunk");
            count += 1;
        }
        assert_eq!(count, 7);
    }
}
