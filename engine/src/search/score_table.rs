//! Tables with a number for each document of a stretch, such as its score.
//!
//! A search needs one for a fraction of a millisecond. The pages of new memory would cost it more than all else, so
//! each thread keeps a few tables.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;

/// The largest table that is kept, in numbers.
const LARGEST: usize = 1 << 16;

/// How many tables of a kind a thread keeps.
const KEPT: usize = 2;

/// A kind of number of which tables are kept.
pub(super) trait Number: Copy + 'static {
    fn kept() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>>;
}

impl Number for f32 {
    fn kept() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>> {
        thread_local!(static KEPT: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) });
        &KEPT
    }
}

impl Number for u32 {
    fn kept() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>> {
        thread_local!(static KEPT: RefCell<Vec<Vec<u32>>> = const { RefCell::new(Vec::new()) });
        &KEPT
    }
}

/// A table, which is kept for the next search when it is dropped.
pub(super) struct ScoreTable<T: Number>(Vec<T>);

impl<T: Number> ScoreTable<T> {
    /// Returns a table of so many numbers, all equal to `value`.
    pub(super) fn new(length: usize, value: T) -> Self {
        let mut table = T::kept().with_borrow_mut(Vec::pop).unwrap_or_default();
        table.clear();
        table.resize(length, value);
        Self(table)
    }
}

impl<T: Number> Drop for ScoreTable<T> {
    fn drop(&mut self) {
        let table = std::mem::take(&mut self.0);
        if table.capacity() == 0 || table.capacity() > LARGEST {
            return;
        }
        // A thread that ends keeps nothing.
        let _ = T::kept().try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT {
                kept.push(table);
            }
        });
    }
}

impl<T: Number> Deref for ScoreTable<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Number> DerefMut for ScoreTable<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_new_whoever_used_it_before_and_a_large_one_is_not_kept() {
        let mut first = ScoreTable::new(4, 0.0_f32);
        first.fill(7.0);
        drop(first);
        let (longer, other) = (ScoreTable::new(6, -1.0_f32), ScoreTable::new(2, 0.5_f32));
        assert_eq!((&longer[..], &other[..]), (&[-1.0; 6][..], &[0.5; 2][..]));
        drop((longer, other, ScoreTable::new(1, 0.0_f32)));
        f32::kept().with_borrow(|kept| assert_eq!(kept.len(), KEPT));
        f32::kept().with_borrow_mut(Vec::clear);
        drop(ScoreTable::new(LARGEST + 1, 0.0_f32));
        f32::kept().with_borrow(|kept| assert!(kept.is_empty()));
    }
}
