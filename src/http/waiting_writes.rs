//! The memory of writes that wait: their bodies, while the leader of a cluster answers them or may still be
//! another one, and their answers, while a commit is not yet in a second place. Tokens share it.

use std::ops::Deref;

use axum::body::Bytes;
use axum::http::header::RETRY_AFTER;
use headwater_engine::write::Written;

use super::byte_quota::{ByteQuota, QuotaShare};
use crate::wire::{ApiError, Code};

/// The bytes for all. A token that is alone may have a third of them.
const ALL: usize = 192 << 20;

/// The memory of writes that wait.
pub struct WaitingWrites(ByteQuota<String>);

/// The body of a write, which counts as long as it is kept.
#[derive(Debug)]
pub(super) struct KeptBody {
    bytes: Bytes,
    _share: QuotaShare<String>,
}

/// The room that the answer to a write takes while it waits.
#[derive(Debug)]
#[must_use]
pub(super) struct AnswerRoom {
    _share: QuotaShare<String>,
}

impl Deref for KeptBody {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

impl WaitingWrites {
    /// Returns the memory for writes whose bodies have at most `largest` bytes. One of them always finds room
    /// where nothing waits.
    pub fn for_bodies_of(largest: usize) -> Self {
        Self(ByteQuota::halving(ALL.max(largest.saturating_mul(3))))
    }

    /// Counts a body of the token `actor` for as long as it is kept.
    ///
    /// # Errors
    /// 503 if too many bytes wait, of this token or in all.
    pub(super) fn body(&self, actor: &str, bytes: Vec<u8>) -> Result<KeptBody, ApiError> {
        let mut share = self.0.enter(actor.to_owned());
        if !share.grows(bytes.len()) {
            return Err(ApiError::from(Code::Busy).header(RETRY_AFTER, 1));
        }
        Ok(KeptBody { bytes: bytes.into(), _share: share })
    }

    /// Returns the room for an answer to the token `actor` with these records, if there is enough.
    pub(super) fn answer(&self, actor: &str, written: &[Written]) -> Option<AnswerRoom> {
        let values = written.iter().filter_map(|one| one.value.as_ref());
        let mut share = self.0.enter(actor.to_owned());
        share
            .grows(values.map(|value| value.as_str().len()).sum())
            .then_some(AnswerRoom { _share: share })
    }
}

#[cfg(test)]
mod tests {
    use headwater_engine::id::{Key, SheetName};
    use headwater_engine::value::Value;
    use serde_json::json;

    use super::*;

    const EACH: usize = ALL / 3;

    fn code(body: Result<KeptBody, ApiError>) -> Option<Code> {
        body.err().map(|error| error.code())
    }

    #[test]
    fn the_bodies_that_wait_take_a_bounded_memory_which_tokens_share() {
        let waiting = WaitingWrites::for_bodies_of(10 << 20);
        let body = |actor, bytes| waiting.body(actor, vec![b'x'; bytes]);
        let half = body("a", EACH / 2).unwrap();
        assert_eq!((half.len(), waiting.0.used()), (EACH / 2, EACH / 2));
        let rest = body("a", EACH / 2).unwrap();
        assert_eq!(code(body("a", 1)), Some(Code::Busy), "a third of it is for one token");
        let other = body("b", EACH / 2).unwrap();
        assert_eq!(code(body("b", EACH / 2)), Some(Code::Busy), "there is less for the next one");
        drop(half);
        assert!(body("a", EACH / 4).is_ok());
        drop((rest, other));
        assert_eq!(waiting.0.used(), 0);
    }

    #[test]
    fn an_answer_that_waits_takes_the_memory_of_the_records_in_it() {
        let waiting = WaitingWrites::for_bodies_of(10 << 20);
        let written = |bytes: usize| Written {
            sheet: SheetName::new("people"),
            key: Key::new("ada"),
            moved_from: None,
            before: None,
            value: Some(Value::new(&json!("x".repeat(bytes)))),
            attachment: None,
        };
        let large = [written(EACH / 2), written(EACH / 2 - 100)];
        let kept = waiting.answer("a", &large).unwrap();
        assert!(waiting.answer("a", &[written(100)]).is_none());
        let none = waiting.answer("a", &[Written { value: None, ..written(0) }]);
        assert!(none.is_some(), "without a record there is nothing to keep");
        assert_eq!(code(waiting.body("a", vec![0; 100])), Some(Code::Busy));
        assert!(waiting.answer("b", &large[..1]).is_some());
        drop(kept);
        assert!(waiting.answer("a", &large).is_some());
    }

    #[test]
    fn a_body_of_any_size_that_is_allowed_finds_room() {
        let largest = 2 * EACH;
        let waiting = WaitingWrites::for_bodies_of(largest);
        assert!(waiting.body("a", vec![0; largest]).is_ok());
        let waiting = WaitingWrites::for_bodies_of(1);
        assert_eq!(code(waiting.body("a", vec![0; largest])), Some(Code::Busy));
    }
}
