//! What differs, as a text: written once for all who follow the same part, and shared by them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header;
use headwater_engine::budget::Budget;
use headwater_engine::delta::Delta;
use headwater_engine::id::CommitId;

use crate::http::answers;
use crate::http::lane::{Lane, Turn};
use crate::http::past::Asker;
use crate::http::room::{Held, Room};
use crate::http::single_flight::SingleFlight;
use crate::http::source::Source;
use crate::wire::{ApiError, Code, Watched, changes};

/// How many bytes of texts there are at once for those who follow, and as many for those who come
/// back, of whom one address has a quarter. Who follows and is not told for want of room begins anew.
const ROOM: usize = 64 << 20;

/// How many texts are known before those that are gone are looked for.
const KNOWN: usize = 64;

/// How many texts are written at once for those who come back.
const PLACES: usize = 2;

/// How much more than another answer a text may cost for who comes back: he reads everything anew
/// where he is not told.
const WORTH: u32 = 4;

/// What differs between two commits in what somebody follows; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct DeltaText(Arc<Text>);

#[derive(Debug)]
struct Text {
    /// An event, whole.
    event: Box<str>,
    /// Where the answer stands in it.
    data: Range<usize>,
    records: usize,
    /// Kept as long as the text is.
    _room: Held<Source>,
}

impl AsRef<[u8]> for DeltaText {
    fn as_ref(&self) -> &[u8] {
        self.0.event.as_bytes()
    }
}

impl DeltaText {
    /// Says whether nothing differs in what is followed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.records == 0
    }

    /// Returns it as an event of a stream.
    pub(super) fn event(&self) -> Bytes {
        Bytes::from_owner(self.clone())
    }

    /// Returns it as the JSON of an answer.
    pub(super) fn data(&self) -> Bytes {
        self.event().slice(self.0.data.clone())
    }
}

/// Somebody who was away, and is told what he missed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Returning {
    /// Who it is, which says where he waits and how long.
    pub(super) asker: Asker,
    /// How much time of a processor another answer may cost; `None` is any.
    pub(super) limit: Option<Duration>,
}

/// Writes texts: off the threads that answer, and each once. Those who follow what is published never
/// wait behind those who come back, who wait in a lane.
pub(super) struct Writer {
    returning: Lane,
    /// The texts that are written for those who come back, until they are there.
    writing: SingleFlight<TextName, Option<DeltaText>>,
    desk: Desk,
}

/// Where texts are written.
#[derive(Debug, Clone)]
struct Desk {
    /// For those who follow.
    following: Room<Source>,
    /// For those who come back, by their addresses.
    returning: Room<Source>,
    known: Arc<Mutex<KnownTexts>>,
}

/// There is no room for a text.
struct NoRoom;

/// The texts that somebody has.
#[derive(Debug)]
struct KnownTexts {
    texts: HashMap<TextName, Weak<Text>>,
    /// How many there may be before those that are gone are forgotten.
    limit: usize,
}

/// What a text is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TextName {
    from: CommitId,
    to: CommitId,
    watched: String,
}

impl Default for Writer {
    fn default() -> Self {
        Self::with_room(ROOM)
    }
}

impl Writer {
    fn with_room(bytes: usize) -> Self {
        let known = KnownTexts { texts: HashMap::new(), limit: KNOWN };
        let (following, returning) = (Room::new(bytes, bytes), Room::new(bytes, bytes / 4));
        let desk = Desk { following, returning, known: Arc::new(Mutex::new(known)) };
        Self { returning: Lane::new(PLACES), writing: SingleFlight::within(0), desk }
    }

    /// Returns what of `delta`, which is published, concerns `watched`: the text that somebody has
    /// already, or a new one. `None` where it is more than is told at once, or than there is room for.
    pub(super) async fn tell(
        &self,
        delta: &Arc<Delta>,
        watched: &Arc<Watched>,
    ) -> Option<DeltaText> {
        let (desk, delta, watched) = (self.desk.clone(), delta.clone(), watched.clone());
        let write = move || {
            let room = desk.following.enter(Source::OURS);
            desk.write(&delta, &watched, &Budget::unlimited(), room)
        };
        match tokio::task::spawn_blocking(write).await {
            Ok(written) => written.unwrap_or(None),
            Err(error) => {
                tracing::error!(%error, "writing what changed panicked");
                None
            }
        }
    }

    /// The same for somebody who was away, in his turn. `None` also where it would cost too much.
    ///
    /// # Errors
    /// 503 where it is not his turn in time, too many wait, or his address has no room left; 500 where
    /// writing panics.
    pub(super) async fn tell_missed(
        &self,
        delta: &Arc<Delta>,
        watched: &Arc<Watched>,
        returning: Returning,
    ) -> Result<Option<DeltaText>, ApiError> {
        let Returning { asker, limit } = returning;
        let source = asker.source();
        let no_room = |NoRoom| ApiError::from(Code::Busy).header(header::RETRY_AFTER, 1);
        if delta.changes.is_empty() && delta.withheld.is_empty() {
            // This costs less than a turn.
            let room = self.desk.returning.enter(source);
            let written = self.desk.write(delta, watched, &Budget::unlimited(), room);
            return written.map_err(no_room);
        }
        let name = TextName::of(delta, watched);
        if let Some(told) = self.desk.known(&name) {
            return Ok(Some(told));
        }
        let turn = Turn { lane: &self.returning, source, until: asker.until() };
        let (desk, delta, watched) = (self.desk.clone(), delta.clone(), watched.clone());
        let limit = limit.map(|limit| limit * WORTH);
        let write = move || {
            let room = desk.returning.enter(source);
            desk.write(&delta, &watched, &answers::budget(limit), room).map_err(no_room)
        };
        // Somebody who has a text keeps it; nothing else is remembered.
        self.writing.get(name, turn, write, |_| 1).await
    }
}

impl TextName {
    fn of(delta: &Delta, watched: &Watched) -> Self {
        Self { from: delta.from, to: delta.to, watched: watched.name().to_owned() }
    }
}

impl Desk {
    /// Returns the text that somebody has, or a new one in this room; `None` where it is too much.
    fn write(
        &self,
        delta: &Delta,
        watched: &Watched,
        budget: &Budget,
        mut room: Held<Source>,
    ) -> Result<Option<DeltaText>, NoRoom> {
        let name = TextName::of(delta, watched);
        // A state that was mended is told as other records of the same commit, each time anew.
        let is_named = name.from != name.to;
        if let Some(told) = self.known(&name).filter(|_| is_named) {
            return Ok(Some(told));
        }
        let mut event = format!("id: {}\nevent: changes\ndata: ", delta.to);
        let start = event.len();
        let Some(records) = changes(&mut event, delta, watched, budget) else { return Ok(None) };
        let data = start..event.len();
        event.push_str("\n\n");
        if !room.grows(event.len()) {
            return Err(NoRoom);
        }
        let text = Arc::new(Text { event: event.into(), data, records, _room: room });
        if is_named {
            self.lock().insert(name, &text);
        }
        Ok(Some(DeltaText(text)))
    }

    fn known(&self, name: &TextName) -> Option<DeltaText> {
        self.lock().texts.get(name)?.upgrade().map(DeltaText)
    }

    fn lock(&self) -> MutexGuard<'_, KnownTexts> {
        // Whole after every statement: a poisoned lock holds a usable map.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KnownTexts {
    fn insert(&mut self, name: TextName, text: &Arc<Text>) {
        if self.texts.len() >= self.limit {
            self.texts.retain(|_, text| text.strong_count() > 0);
            self.limit = KNOWN.max(self.texts.len() * 2);
        }
        self.texts.insert(name, Arc::downgrade(text));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use headwater_engine::delta::PublicChange;
    use headwater_engine::id::{BlobId, Key, SheetName};
    use headwater_engine::record::{Frame, Record};
    use headwater_engine::value::Value;

    use super::*;

    pub(in crate::http::changes) fn commit(digit: u8) -> CommitId {
        CommitId::from_bytes([digit; 20])
    }

    /// Returns a difference in which so many records come, each with `bytes` of text.
    pub(in crate::http::changes) fn delta(
        from: u8,
        to: u8,
        records: usize,
        bytes: usize,
    ) -> Arc<Delta> {
        let value = Value::new(&serde_json::json!({ "text": "x".repeat(bytes) }));
        let change = |n: usize| {
            let key = Key::new(n.to_string());
            let frame = Arc::new(Frame::new("people/", ".toml"));
            let blob = BlobId::from_bytes([0; 20]);
            let record = Record { key: key.clone(), frame, blob, value: value.clone() };
            let after = Some(Arc::new(record));
            PublicChange { sheet: SheetName::new("people"), key, before: None, after }
        };
        let changes = (0..records).map(change).collect();
        Arc::new(Delta { from: commit(from), to: commit(to), changes, withheld: Vec::new() })
    }

    pub(in crate::http::changes) fn watching(sheets: &[&str]) -> Watched {
        Watched::new(sheets.iter().map(|sheet| (*sheet).to_owned()).collect(), &[], None)
    }

    /// Somebody who comes back from the address that ends with `last`.
    fn returning(last: u8) -> Returning {
        Returning { asker: Asker::Poll(Source::at([192, 0, 2, last].into())), limit: None }
    }

    #[tokio::test]
    async fn a_text_is_written_once_and_shared_as_long_as_somebody_has_it() {
        let (writer, delta) = (Writer::default(), delta(1, 2, 10, 100));
        let missed = async |sheets: &[&str], last| {
            let watched = Arc::new(watching(sheets));
            writer.tell_missed(&delta, &watched, returning(last)).await.unwrap().unwrap()
        };
        let (first, second) =
            tokio::join!(missed(&["tags", "people"], 1), missed(&["people", "tags", "people"], 2),);
        assert_eq!(first.event().as_ptr(), second.event().as_ptr());
        let third = writer.tell(&delta, &Arc::new(watching(&["tags", "people"]))).await.unwrap();
        assert_eq!(first.event().as_ptr(), third.event().as_ptr());
        let other = writer.tell(&delta, &Arc::new(watching(&["people"]))).await.unwrap();
        assert_ne!(first.event().as_ptr(), other.event().as_ptr());
        let room = || (writer.desk.returning.used(), writer.desk.following.used());
        let (event, of_other) = (first.event(), other.event().len());
        assert_eq!(room(), (event.len(), of_other), "each takes its room once");
        drop((first, second, third, other));
        assert_eq!(room(), (event.len(), 0));
        drop(event);
        assert_eq!(room(), (0, 0));
    }

    #[tokio::test]
    async fn who_comes_back_is_told_in_the_turn_of_his_address_and_who_follows_at_once() {
        let (writer, all) = (Writer::default(), Arc::new(watching(&[])));
        let (one, two) = (delta(1, 2, 1, 1), delta(2, 3, 1, 1));
        // The only place of this address, behind which three hundred others of its texts wait.
        let busy = returning(1).asker.source();
        let held = writer.returning.place(busy, None).await.unwrap();
        let watched: Vec<_> = (0..300).map(|n| Arc::new(watching(&[&n.to_string()]))).collect();
        let mut waiting: Vec<_> = watched
            .iter()
            .map(|watched| Box::pin(writer.tell_missed(&one, watched, returning(1))))
            .collect();
        for asked in &mut waiting {
            tokio::select! {
                biased;
                _ = asked => panic!("its address has its place"),
                () = std::future::ready(()) => {}
            }
        }
        assert!(writer.tell_missed(&two, &all, returning(2)).await.unwrap().is_some());
        assert!(writer.tell(&two, &all).await.is_some());
        // Who wants what another one waits for does not wait for that one's turn.
        let same = writer.tell_missed(&one, &watched[0], returning(2)).await;
        assert!(same.unwrap().is_some());
        // Nothing has to be written where nothing differs.
        let none = delta(2, 2, 0, 0);
        assert!(writer.tell_missed(&none, &all, returning(1)).await.unwrap().is_some());
        drop(held);
    }

    #[tokio::test]
    async fn what_costs_more_than_its_reader_may_ask_for_is_not_told() {
        let (writer, all) = (Writer::default(), Arc::new(watching(&[])));
        let delta = delta(1, 2, 1_000, 1_000);
        let nothing = Returning { limit: Some(Duration::ZERO), ..returning(1) };
        assert!(writer.tell_missed(&delta, &all, nothing).await.unwrap().is_none());
        assert!(writer.tell(&delta, &all).await.is_some(), "what is published is told");
        assert!(writer.tell_missed(&delta, &all, returning(1)).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn an_event_and_an_answer_are_one_text() {
        let all = Arc::new(watching(&[]));
        let told = Writer::default().tell(&delta(1, 2, 1, 1), &all).await.unwrap();
        let data = String::from_utf8(told.data().to_vec()).unwrap();
        let event = format!("id: {}\nevent: changes\ndata: {data}\n\n", commit(2));
        assert_eq!(told.event(), event);
        assert!(serde_json::from_str::<serde_json::Value>(&data).is_ok());
    }

    #[tokio::test]
    async fn what_is_too_much_or_has_no_room_is_not_told() {
        let all = Arc::new(watching(&[]));
        let told = async |writer: &Writer, records, bytes| {
            writer.tell(&delta(1, 2, records, bytes), &all).await
        };
        let writer = Writer::default();
        assert!(told(&writer, 10_000, 1).await.is_some());
        assert!(told(&writer, 10_001, 1).await.is_none(), "too many records");
        assert!(told(&writer, 1_000, 20_000).await.is_none(), "too many bytes");
        let narrow = Writer::with_room(1_000);
        let held = told(&narrow, 1, 500).await.unwrap();
        assert!(narrow.tell(&delta(2, 3, 1, 500), &all).await.is_none());
        drop(held);
        assert!(narrow.tell(&delta(2, 3, 1, 500), &all).await.is_some());
    }

    #[tokio::test]
    async fn one_address_fills_a_part_of_the_room_and_nothing_of_those_who_follow() {
        let (writer, all) = (Writer::with_room(8_000), Arc::new(watching(&[])));
        let missed = async |from: u8, last: u8| {
            let delta = delta(from, 100, 1, 1_500);
            let told = writer.tell_missed(&delta, &all, returning(last)).await;
            told.map_err(|error| error.code()).map(Option::unwrap)
        };
        let held = missed(1, 1).await.unwrap();
        assert_eq!(missed(2, 1).await.err(), Some(Code::Busy), "and not told to begin anew");
        assert!(missed(2, 2).await.is_ok(), "another one");
        assert!(writer.tell(&delta(100, 101, 1, 6_000), &all).await.is_some());
        drop(held);
        assert!(missed(2, 1).await.is_ok());
    }

    #[tokio::test]
    async fn names_of_texts_that_are_gone_are_forgotten() {
        let (writer, delta) = (Writer::default(), delta(1, 2, 1, 1));
        for n in 0..10 * KNOWN {
            let watched = Arc::new(watching(&[&n.to_string()]));
            writer.tell_missed(&delta, &watched, returning(1)).await.unwrap();
        }
        assert!(writer.desk.lock().texts.len() <= KNOWN);
    }
}
