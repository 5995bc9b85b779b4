//! Differences as text: written once for all who follow the same part, and shared.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header;
use headwater_engine::budget::Budget;
use headwater_engine::delta::Delta;
use headwater_engine::id::CommitId;

use super::expression_quota::Share;
use crate::http::answer_scheduler;
use crate::http::byte_quota::{ByteQuota, QuotaShare};
use crate::http::concurrency_limit::{ConcurrencyLimit, Turn};
use crate::http::historical_states::Asker;
use crate::http::single_flight::SingleFlight;
use crate::http::source::Source;
use crate::wire::{ApiError, Code, Watched, changes};

/// The most that a text may cost that reports changes, as a multiple of another answer: a client
/// without the text reads everything again.
pub(super) const WORTH: u32 = 4;

/// The size of all texts for followers, in bytes, and also of all texts for returning clients. One
/// address may have half as many as it leaves to others. A follower that gets no text for lack of room
/// starts over.
const ROOM: usize = 96 << 20;

/// The number of known texts at which dead ones are first removed.
const KNOWN: usize = 64;

/// The number of texts for returning clients that are written at once.
const PLACES: usize = 2;

/// The difference between two commits in the part that somebody follows; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct DeltaText(Arc<Text>);

#[derive(Debug)]
struct Text {
    /// The whole event.
    event: Box<str>,
    /// The range of the answer in it.
    data: Range<usize>,
    records: usize,
    /// Held as long as the text.
    _room: QuotaShare<Source>,
}

impl AsRef<[u8]> for DeltaText {
    fn as_ref(&self) -> &[u8] {
        self.0.event.as_bytes()
    }
}

impl DeltaText {
    /// Returns whether nothing differs in the followed part.
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

/// A client that was away, and hears what it missed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Returning {
    /// Who asks; this decides where and how long the client waits.
    pub(super) asker: Asker,
    /// The processor time that another answer may cost; `None` is no limit.
    pub(super) limit: Option<Duration>,
}

/// Writes texts off the threads that answer, each once. Followers never wait for returning clients,
/// which wait in a lane.
pub(super) struct Writer {
    returning: ConcurrencyLimit,
    /// The texts in progress for returning clients.
    writing: SingleFlight<TextName, Option<DeltaText>>,
    desk: Desk,
}

/// The room for texts, and the texts that exist.
#[derive(Debug, Clone)]
struct Desk {
    /// The room for followers, by address.
    following: ByteQuota<Source>,
    /// The room for returning clients, by address.
    returning: ByteQuota<Source>,
    known: Arc<Mutex<KnownTexts>>,
}

/// What is reported of a publication.
pub(super) struct RenderedDelta {
    /// `None` if the followers must start over.
    pub(super) text: Option<DeltaText>,
    /// The processor time that it took.
    pub(super) cost: Duration,
    /// Whether its address has no room for it.
    pub(super) lacks_room: bool,
}

/// There is no room for a text.
struct NoRoom;

/// The texts that somebody holds.
#[derive(Debug)]
struct KnownTexts {
    texts: HashMap<TextName, Weak<Text>>,
    /// The number of texts at which dead ones are removed.
    limit: usize,
}

/// The identity of a text.
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
        let (following, returning) = (ByteQuota::halving(bytes), ByteQuota::halving(bytes));
        let desk = Desk { following, returning, known: Arc::new(Mutex::new(known)) };
        Self { returning: ConcurrencyLimit::new(PLACES), writing: SingleFlight::within(0), desk }
    }

    /// Returns the part of `delta`, which is published, that concerns `watched`: an existing text
    /// or a new one. There is none if it is more than is reported at once, or than its address has
    /// room for, or costs more processor time than `share` allows.
    pub(super) async fn tell(
        &self,
        delta: &Arc<Delta>,
        watched: &Arc<Watched>,
        share: Share,
    ) -> RenderedDelta {
        let Share { source, limit } = share;
        let (desk, delta, watched) = (self.desk.clone(), delta.clone(), watched.clone());
        let write = move || {
            let begun = answer_scheduler::processor_time();
            let room = desk.following.enter(source);
            let text = desk.write(&delta, &watched, &answer_scheduler::budget(limit), room);
            let cost = answer_scheduler::processor_time().saturating_sub(begun);
            RenderedDelta { lacks_room: text.is_err(), text: text.unwrap_or(None), cost }
        };
        tokio::task::spawn_blocking(write).await.unwrap_or_else(|error| {
            tracing::error!(%error, "writing the changes panicked");
            RenderedDelta { text: None, cost: Duration::ZERO, lacks_room: false }
        })
    }

    /// Does the same for a returning client, in its turn. Also returns `None` if it would cost too
    /// much.
    ///
    /// # Errors
    /// 503 if its turn does not come in time, too many wait, or its address has no room left; 500
    /// if writing panics.
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
            desk.write(&delta, &watched, &answer_scheduler::budget(limit), room).map_err(no_room)
        };
        // A text lives as long as somebody holds it; nothing else is remembered.
        self.writing.get(name, turn, write, |_| 1).await
    }
}

impl TextName {
    fn of(delta: &Delta, watched: &Watched) -> Self {
        Self { from: delta.from, to: delta.to, watched: watched.name().to_owned() }
    }
}

impl Desk {
    /// Returns an existing text, or a new one in this room; `None` if it is too much.
    fn write(
        &self,
        delta: &Delta,
        watched: &Watched,
        budget: &Budget,
        mut room: QuotaShare<Source>,
    ) -> Result<Option<DeltaText>, NoRoom> {
        let name = TextName::of(delta, watched);
        // A repaired state has different records at the same commit, so its text is never reused.
        let is_named = name.from != name.to;
        if let Some(told) = self.known(&name).filter(|_| is_named) {
            return Ok(Some(told));
        }
        let mut event = format!("id: {}\nevent: changes\ndata: ", watched.id_at(delta.to));
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
        // The map is consistent after every statement, so a poisoned lock holds a usable one.
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

    use headwater_engine::view::View;

    use super::*;

    pub(in crate::http::changes) fn commit(digit: u8) -> CommitId {
        CommitId::from_bytes([digit; 20])
    }

    /// Returns a difference of the given number of records, each with `bytes` of text.
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
        let sheets = sheets.iter().map(|sheet| (*sheet).to_owned()).collect();
        Watched::new(View::PUBLIC, sheets, &[], None)
    }

    const ANYBODY: Share = Share { source: Source::OURS, limit: None };

    /// Returns a client that comes back from the address that ends with `last`.
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
        let third = writer
            .tell(&delta, &Arc::new(watching(&["tags", "people"])), ANYBODY)
            .await
            .text
            .unwrap();
        assert_eq!(first.event().as_ptr(), third.event().as_ptr());
        let other =
            writer.tell(&delta, &Arc::new(watching(&["people"])), ANYBODY).await.text.unwrap();
        assert_ne!(first.event().as_ptr(), other.event().as_ptr());
        let room = || (writer.desk.returning.used(), writer.desk.following.used());
        let (event, of_other) = (first.event(), other.event().len());
        assert_eq!(room(), (event.len(), of_other), "each text counts once");
        drop((first, second, third, other));
        assert_eq!(room(), (event.len(), 0));
        drop(event);
        assert_eq!(room(), (0, 0));
    }

    #[tokio::test]
    async fn who_comes_back_is_told_in_the_turn_of_his_address_and_who_follows_at_once() {
        let (writer, all) = (Writer::default(), Arc::new(watching(&[])));
        let (one, two) = (delta(1, 2, 1, 1), delta(2, 3, 1, 1));
        // The only place of this address; three hundred of its other texts wait for it.
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
                _ = asked => panic!("the address has its only place"),
                () = std::future::ready(()) => {}
            }
        }
        assert!(writer.tell_missed(&two, &all, returning(2)).await.unwrap().is_some());
        assert!(writer.tell(&two, &all, ANYBODY).await.text.is_some());
        // A caller that wants the text another one waits for does not wait for that one's turn.
        let same = writer.tell_missed(&one, &watched[0], returning(2)).await;
        assert!(same.unwrap().is_some());
        // Nothing has to be written if nothing differs.
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
        assert!(
            writer.tell(&delta, &all, ANYBODY).await.text.is_some(),
            "publications are always written"
        );
        assert!(writer.tell_missed(&delta, &all, returning(1)).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn an_event_and_an_answer_are_one_text() {
        let all = Arc::new(watching(&[]));
        let told = Writer::default().tell(&delta(1, 2, 1, 1), &all, ANYBODY).await.text.unwrap();
        let data = String::from_utf8(told.data().to_vec()).unwrap();
        let event = format!("id: {}\nevent: changes\ndata: {data}\n\n", commit(2));
        assert_eq!(told.event(), event);
        assert!(serde_json::from_str::<serde_json::Value>(&data).is_ok());
    }

    #[tokio::test]
    async fn what_is_too_much_or_has_no_room_is_not_told() {
        let all = Arc::new(watching(&[]));
        let told = async |writer: &Writer, records, bytes| {
            writer.tell(&delta(1, 2, records, bytes), &all, ANYBODY).await.text
        };
        let writer = Writer::default();
        assert!(told(&writer, 10_000, 1).await.is_some());
        assert!(told(&writer, 10_001, 1).await.is_none(), "too many records");
        assert!(told(&writer, 1_000, 20_000).await.is_none(), "too many bytes");
        let narrow = Writer::with_room(2_500);
        let held = told(&narrow, 1, 500).await.unwrap();
        assert!(narrow.tell(&delta(2, 3, 1, 500), &all, ANYBODY).await.text.is_none());
        drop(held);
        assert!(narrow.tell(&delta(2, 3, 1, 500), &all, ANYBODY).await.text.is_some());
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
        assert_eq!(missed(2, 1).await.err(), Some(Code::Busy), "and it does not start anew");
        assert!(missed(2, 2).await.is_ok(), "another one");
        assert!(writer.tell(&delta(100, 101, 1, 2_000), &all, ANYBODY).await.text.is_some());
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
