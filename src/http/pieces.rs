//! Bodies that are made piece by piece, no further than their reader comes along.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// About how large a piece is, in bytes.
pub(super) const PIECE: usize = 64 << 10;

/// How many pieces wait for a reader who is slow.
const AHEAD: usize = 4;

/// Returns the body of what `next` returns until that is `None` or fails; it is called on a thread
/// of its own, which keeps `permit` as long.
pub(super) fn streamed(
    permit: OwnedSemaphorePermit,
    mut next: impl FnMut() -> io::Result<Option<Bytes>> + Send + 'static,
) -> Body {
    let (sender, pieces) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        while let Some(piece) = next().transpose() {
            let is_last = piece.is_err();
            // A reader who has gone wants no more.
            if sender.blocking_send(piece).is_err() || is_last {
                break;
            }
        }
    });
    Body::new(Pieces(pieces))
}

/// The pieces of an answer, which ends when their sender is gone.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
