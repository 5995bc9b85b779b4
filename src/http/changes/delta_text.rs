//! What differs, as a text: written once for all who follow the same part, and shared by them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::body::Bytes;
use headwater_engine::delta::Delta;
use headwater_engine::id::CommitId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::wire::{Watched, changes};

/// How many bytes of texts there are at once. What has no room is not told, and its readers begin
/// anew.
const ROOM: usize = 64 << 20;

/// How many texts are known before those that are gone are looked for.
const KNOWN: usize = 64;

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
    _room: OwnedSemaphorePermit,
    /// Lets those who come later find the text.
    _entry: Arc<TextSlot>,
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

/// Who waits for a text. Those who follow never wait behind those who come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Somebody who follows what is published.
    Following,
    /// Somebody who was away.
    Returning,
}

/// Writes texts: off the threads that answer, one at a time, and each once.
#[derive(Debug)]
pub(super) struct Writer {
    following: Arc<Semaphore>,
    returning: Arc<Semaphore>,
    room: Arc<Semaphore>,
    known: Mutex<KnownTexts>,
}

/// The texts that somebody has or waits for.
#[derive(Debug)]
struct KnownTexts {
    entries: HashMap<TextName, Weak<TextSlot>>,
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

/// A text that is there, or that is written while others wait for it.
#[derive(Debug, Default)]
struct TextSlot(tokio::sync::Mutex<SlotState>);

#[derive(Debug, Default)]
enum SlotState {
    #[default]
    Unwritten,
    Written(Weak<Text>),
    TooMuch,
}

impl Default for Writer {
    fn default() -> Self {
        Self::with_room(ROOM)
    }
}

impl Writer {
    fn with_room(bytes: usize) -> Self {
        let one = || Arc::new(Semaphore::new(1));
        let known = KnownTexts { entries: HashMap::new(), limit: KNOWN };
        Self {
            following: one(),
            returning: one(),
            room: Arc::new(Semaphore::new(bytes)),
            known: Mutex::new(known),
        }
    }

    /// Returns what of `delta` concerns `watched`: the text that somebody has already, or a new one.
    /// `None` where it is more than is told at once, or than there is room for.
    pub(super) async fn tell(
        &self,
        delta: &Arc<Delta>,
        watched: &Arc<Watched>,
        reader: Reader,
    ) -> Option<DeltaText> {
        let (from, to) = (delta.from, delta.to);
        // A state that was mended is told as other records of the same commit, each time anew.
        let entry = match from == to {
            true => Arc::default(),
            false => self.entry(TextName { from, to, watched: watched.name().to_owned() }),
        };
        // Whoever comes meanwhile waits here, and finds the text.
        let mut state = entry.0.lock().await;
        match &*state {
            SlotState::Written(text) => {
                if let Some(text) = text.upgrade() {
                    return Some(DeltaText(text));
                }
            }
            SlotState::TooMuch => return None,
            SlotState::Unwritten => {}
        }
        let text = self.write(delta, watched, reader, &entry).await.map(Arc::new);
        *state = text
            .as_ref()
            .map_or(SlotState::TooMuch, |text| SlotState::Written(Arc::downgrade(text)));
        text.map(DeltaText)
    }

    async fn write(
        &self,
        delta: &Arc<Delta>,
        watched: &Arc<Watched>,
        reader: Reader,
        entry: &Arc<TextSlot>,
    ) -> Option<Text> {
        let turn = match reader {
            Reader::Following => &self.following,
            Reader::Returning => &self.returning,
        };
        let turn = turn.clone().acquire_owned().await.ok()?;
        let (delta, watched, entry) = (delta.clone(), watched.clone(), entry.clone());
        let room = self.room.clone();
        // The work goes on when its caller has gone, so it is the work that keeps the turn.
        let written = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut event = format!("id: {}\nevent: changes\ndata: ", delta.to);
            let start = event.len();
            let records = changes(&mut event, &delta, &watched)?;
            let data = start..event.len();
            event.push_str("\n\n");
            let bytes = u32::try_from(event.len()).ok()?;
            let room = room.try_acquire_many_owned(bytes).ok()?;
            Some(Text { event: event.into(), data, records, _room: room, _entry: entry })
        });
        written.await.unwrap_or_else(|error| {
            tracing::error!(%error, "writing what changed panicked");
            None
        })
    }

    fn entry(&self, name: TextName) -> Arc<TextSlot> {
        // Whole after every statement: a poisoned lock holds a usable map.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = known.entries.get(&name).and_then(Weak::upgrade) {
            return entry;
        }
        if known.entries.len() >= known.limit {
            known.entries.retain(|_, entry| entry.strong_count() > 0);
            known.limit = KNOWN.max(known.entries.len() * 2);
        }
        let entry = Arc::default();
        known.entries.insert(name, Arc::downgrade(&entry));
        entry
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

    #[tokio::test]
    async fn a_text_is_written_once_and_shared_as_long_as_somebody_has_it() {
        let (writer, delta) = (Writer::default(), delta(1, 2, 10, 100));
        let tell = async |sheets: &[&str], reader| {
            writer.tell(&delta, &Arc::new(watching(sheets)), reader).await.unwrap()
        };
        let (first, second) = tokio::join!(
            tell(&["tags", "people"], Reader::Following),
            tell(&["people", "tags", "people"], Reader::Returning),
        );
        assert_eq!(first.event().as_ptr(), second.event().as_ptr());
        let other = tell(&["people"], Reader::Following).await;
        assert_ne!(first.event().as_ptr(), other.event().as_ptr());
        let left = ROOM - first.event().len() - other.event().len();
        assert_eq!(writer.room.available_permits(), left, "each takes its room once");
        let event = first.event();
        drop((first, second, other));
        assert_eq!(writer.room.available_permits(), ROOM - event.len());
        drop(event);
        assert_eq!(writer.room.available_permits(), ROOM);
    }

    #[tokio::test]
    async fn an_event_and_an_answer_are_one_text() {
        let all = Arc::new(watching(&[]));
        let told = Writer::default().tell(&delta(1, 2, 1, 1), &all, Reader::Following).await;
        let told = told.unwrap();
        let data = String::from_utf8(told.data().to_vec()).unwrap();
        let event = format!("id: {}\nevent: changes\ndata: {data}\n\n", commit(2));
        assert_eq!(told.event(), event);
        assert!(serde_json::from_str::<serde_json::Value>(&data).is_ok());
    }

    #[tokio::test]
    async fn what_is_too_much_or_has_no_room_is_not_told() {
        let all = Arc::new(watching(&[]));
        let told = async |writer: &Writer, records, bytes| {
            writer.tell(&delta(1, 2, records, bytes), &all, Reader::Following).await
        };
        let writer = Writer::default();
        assert!(told(&writer, 10_000, 1).await.is_some());
        assert!(told(&writer, 10_001, 1).await.is_none(), "too many records");
        assert!(told(&writer, 1_000, 20_000).await.is_none(), "too many bytes");
        let narrow = Writer::with_room(1_000);
        let held = told(&narrow, 1, 500).await.unwrap();
        assert!(narrow.tell(&delta(2, 3, 1, 500), &all, Reader::Following).await.is_none());
        drop(held);
        assert!(narrow.tell(&delta(2, 3, 1, 500), &all, Reader::Following).await.is_some());
    }

    #[tokio::test]
    async fn names_of_texts_that_are_gone_are_forgotten() {
        let (writer, delta) = (Writer::default(), delta(1, 2, 0, 0));
        for n in 0..10 * KNOWN {
            let watched = Arc::new(watching(&[&n.to_string()]));
            writer.tell(&delta, &watched, Reader::Returning).await.unwrap();
        }
        assert!(writer.known.lock().unwrap().entries.len() <= KNOWN);
    }
}
