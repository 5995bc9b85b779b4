//! Answers that many wait for and that are found out once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::error::{ApiError, Code};

/// How many answers are remembered.
const REMEMBERED: usize = 32;

type Cell<T> = Arc<OnceCell<Result<T, ApiError>>>;

/// The answers to the last questions, each found out by the first who asks.
pub(super) struct Shared<K, T> {
    /// The newest last.
    cells: Mutex<VecDeque<(K, Cell<T>)>>,
}

impl<K, T> Default for Shared<K, T> {
    fn default() -> Self {
        Self { cells: Mutex::default() }
    }
}

impl<K: PartialEq + Clone, T: Clone> Shared<K, T> {
    /// Returns the answer to `question`: the one that is known, the one that somebody finds out just
    /// now, or that of `find`. One that may be another one later, or for which `keeps` is false, is
    /// for those alone who wait for it.
    ///
    /// # Errors
    /// What `find` returns.
    pub(super) async fn get(
        &self,
        question: K,
        find: impl Future<Output = Result<T, ApiError>>,
        keeps: impl Fn(&T) -> bool,
    ) -> Result<T, ApiError> {
        let cell = self.cell(&question);
        let answer = cell.get_or_init(|| find).await.clone();
        let lasts = match &answer {
            Ok(answer) => keeps(answer),
            Err(error) => error.code() == Code::UnknownCommit,
        };
        if !lasts {
            self.lock().retain(|(_, other)| !Arc::ptr_eq(other, &cell));
        }
        answer
    }

    /// Forgets the answers to questions that are `stale`; who waits for one gets it.
    pub(super) fn forget(&self, stale: impl Fn(&K) -> bool) {
        self.lock().retain(|(question, _)| !stale(question));
    }

    fn cell(&self, question: &K) -> Cell<T> {
        let mut cells = self.lock();
        if let Some((_, cell)) = cells.iter().find(|(asked, _)| asked == question) {
            return cell.clone();
        }
        if cells.len() == REMEMBERED {
            cells.pop_front();
        }
        let cell = Cell::<T>::default();
        cells.push_back((question.clone(), cell.clone()));
        cell
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(K, Cell<T>)>> {
        // Whole after every statement: a poisoned lock holds a usable one.
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn nine_hundred_who_ask_the_same_get_one_answer_that_is_found_out_once() {
        let (shared, found) = (Arc::new(Shared::default()), Arc::new(AtomicUsize::new(0)));
        let asked: Vec<_> = (0..900)
            .map(|_| {
                let (shared, found) = (shared.clone(), found.clone());
                let find = async move {
                    tokio::task::yield_now().await;
                    Ok(found.fetch_add(1, Ordering::Relaxed))
                };
                tokio::spawn(async move { shared.get("a", find, |_| true).await })
            })
            .collect();
        for answer in asked {
            assert_eq!(answer.await.unwrap().ok(), Some(0));
        }
        assert_eq!(found.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_may_be_another_answer_later_is_not_remembered() {
        let shared = Shared::default();
        let busy = shared.get(1, async { Err(Code::Busy.into()) }, |_| true).await;
        assert_eq!(busy.map_err(|error| error.code()), Err(Code::Busy));
        assert_eq!(shared.get(1, async { Ok(7) }, |_| false).await.ok(), Some(7));
        let unknown = shared.get(1, async { Err(Code::UnknownCommit.into()) }, |_| true).await;
        assert_eq!(unknown.map_err(|error| error.code()), Err(Code::UnknownCommit));
        assert!(shared.get(1, async { Ok(8) }, |_| true).await.is_err(), "it stays unknown");
        shared.forget(|question| *question == 1);
        assert_eq!(shared.get(1, async { Ok(8) }, |_| true).await.ok(), Some(8));
        for question in 2..=REMEMBERED + 2 {
            assert!(shared.get(question, async { Ok(question) }, |_| true).await.is_ok());
        }
        assert_eq!(shared.get(1, async { Ok(9) }, |_| true).await.ok(), Some(9));
    }
}
