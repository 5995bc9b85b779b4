//! The body of an answer, as far as it is in memory: taken apart, and put together.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use axum::body::{Body, Bytes, HttpBody};
use headwater_engine::budget::Budget;
use hyper::body::{Frame, SizeHint};

use super::query_refusals::too_costly;
use crate::wire::{ApiError, Code};

/// How many bytes are handed on at once.
const PIECE: usize = 64 << 10;

/// What a body consists of.
pub(super) enum BodyParts {
    /// All of it is in memory.
    Whole(Bytes),
    /// It is small, or its bytes come one after the other.
    Stream(Body),
}

impl BodyParts {
    /// Returns the bytes of a body, if it has more than `small` and all of them are in memory.
    /// Awaits the first bytes of any other large body.
    pub(super) async fn of(mut body: Body, small: usize) -> Self {
        let Some(length) = body.size_hint().exact().filter(|length| *length > small as u64) else {
            return Self::Stream(body);
        };
        let first = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        match first {
            Some(Ok(frame)) if frame.data_ref().is_some_and(|data| data.len() as u64 == length) => {
                Self::Whole(frame.into_data().unwrap_or_default())
            }
            first => Self::Stream(Body::new(Resumed { first, rest: body })),
        }
    }
}

/// Returns a body that hands these bytes on in pieces.
pub(super) fn in_pieces(bytes: Bytes) -> Body {
    Body::new(Pieces(bytes))
}

/// Reads a body that waits for nothing to its end.
///
/// # Errors
/// 422 `too_costly` if the budget is used up; 500 if the body fails or has to wait.
pub(super) fn collected(mut body: Body, budget: &Budget) -> Result<Vec<u8>, ApiError> {
    let (mut all, mut context) = (Vec::new(), Context::from_waker(Waker::noop()));
    loop {
        match Pin::new(&mut body).poll_frame(&mut context) {
            Poll::Ready(None) => return Ok(all),
            Poll::Ready(Some(Ok(frame))) => {
                all.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
            }
            Poll::Ready(Some(Err(_))) | Poll::Pending => return Err(Code::Internal.into()),
        }
        budget.spend(PIECE);
        budget.check().map_err(too_costly)?;
    }
}

/// Bytes that are handed on in pieces.
struct Pieces(Bytes);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let piece = self.0.len().min(PIECE);
        let piece = (piece > 0).then(|| Ok(Frame::data(self.0.split_to(piece))));
        Poll::Ready(piece)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

/// A body whose first part has been read.
struct Resumed {
    first: Option<Result<Frame<Bytes>, axum::Error>>,
    rest: Body,
}

impl HttpBody for Resumed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.size_hint();
        let first = self.first.as_ref().and_then(|first| first.as_ref().ok()?.data_ref());
        let first = first.map_or(0, |data| data.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(first + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(first + upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::answer_scheduler::Answers;
    use super::super::source::Source;
    use super::super::waiter_limit::WaiterLimit;
    use super::*;

    struct Waiting;

    impl HttpBody for Waiting {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_large_body_in_memory_is_taken_whole_and_read_in_pieces() {
        let long = Bytes::from(vec![b'x'; 3 * PIECE + 1]);
        let BodyParts::Whole(bytes) = BodyParts::of(Body::from(long.clone()), 1_000).await else {
            panic!("it is in memory")
        };
        assert_eq!(bytes, long);
        let BodyParts::Stream(small) = BodyParts::of(Body::from("small"), 1_000).await else {
            panic!("it is small")
        };
        assert_eq!(collected(small, &Budget::unlimited()).unwrap(), b"small");
        let mut body = in_pieces(long.clone());
        let mut context = Context::from_waker(Waker::noop());
        let mut lengths = Vec::new();
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut context) {
            lengths.push(frame.into_data().unwrap().len());
        }
        assert_eq!(lengths, [PIECE, PIECE, PIECE, 1]);
    }

    #[tokio::test]
    async fn a_body_that_comes_in_parts_goes_on_behind_its_first() {
        let parts = Resumed {
            first: Some(Ok(Frame::data(Bytes::from_static(b"one")))),
            rest: Body::from("two"),
        };
        assert_eq!(parts.size_hint().exact(), Some(6));
        let BodyParts::Stream(body) = BodyParts::of(Body::new(parts), 2).await else {
            panic!("its first part is not all of it")
        };
        assert_eq!(body.size_hint().exact(), Some(6));
        assert_eq!(collected(body, &Budget::unlimited()).unwrap(), b"onetwo");
    }

    #[tokio::test]
    async fn a_body_is_read_within_a_budget_and_never_waited_for() {
        let endless =
            Answers::new(Some(std::time::Duration::from_millis(5)), WaiterLimit::default());
        let source = Source::at(Ipv4Addr::LOCALHOST.into());
        let body = in_pieces(Bytes::from(vec![b'x'; 256 << 20]));
        let refused = endless.make(source, |budget| collected(body, budget)).await;
        assert_eq!(refused.map_err(|error| error.code()), Err(Code::TooCostly));
        let failed = collected(Body::new(Waiting), &Budget::unlimited());
        assert_eq!(failed.map_err(|error| error.code()), Err(Code::Internal));
    }
}
