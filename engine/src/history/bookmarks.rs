//! Where the pages of histories begin.
//!
//! A cursor says how many versions were listed before it. It does not say how many commits were
//! looked at for them: that would count the commits that changed only what is hidden. So the engine
//! keeps that for the next page. Without it, a page looks at the versions before it again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::digest::hash_part;
use crate::id::CommitId;

use super::subject::Subject;

/// The most pages of which it is known where they begin: some hundred kilobytes.
const MOST: usize = 4_000;

/// Where the pages of histories begin, as far as it is known. Nothing depends on that but the time that a
/// page takes.
#[derive(Debug, Default)]
pub(super) struct Bookmarks(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    /// For each history, how many commits were looked at, by the number of versions listed before.
    of: HashMap<HistoryName, BTreeMap<usize, usize>>,
    count: usize,
}

/// Names the history of one record by everything that decides what is listed of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct HistoryName([u8; 32]);

impl HistoryName {
    pub(super) fn of(subject: Subject<'_>, from: CommitId) -> Self {
        let Subject { now, spec, key, paths } = subject;
        let mut hasher = blake3::Hasher::new();
        // A view may read a definition without what it hides.
        let hidden = spec.hidden.as_ref().map_or("", |field| field.as_str());
        let texts = [spec.name.as_str(), hidden, key].map(str::as_bytes);
        for part in texts.into_iter().chain([&spec.id[..], &from.as_bytes()[..]]) {
            hash_part(&mut hasher, part);
        }
        paths.iter().for_each(|at| hash_part(&mut hasher, at.walked.as_bytes()));
        now.hash_into(paths.iter().map(|at| &*at.path), &mut hasher);
        Self(*hasher.finalize().as_bytes())
    }
}

/// A place in a history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of versions before it that are listed.
    pub(super) listed: usize,
    /// The number of commits before it that touched the file.
    pub(super) touches: usize,
}

impl Bookmarks {
    /// Returns the last known place behind at most `listed` versions.
    pub(super) fn before(&self, name: HistoryName, listed: usize) -> Place {
        let pages = self.pages();
        let last = pages.of.get(&name).and_then(|places| places.range(..=listed).next_back());
        last.map_or_else(Place::default, |(listed, touches)| Place {
            listed: *listed,
            touches: *touches,
        })
    }

    /// Keeps a place, unless a later one behind as many versions is known.
    pub(super) fn keep(&self, name: HistoryName, place: Place) {
        let mut pages = self.pages();
        if pages.count >= MOST {
            *pages = Pages::default();
        }
        let Pages { of, count } = &mut *pages;
        let places = of.entry(name).or_default();
        let before = places.len();
        let touches = places.entry(place.listed).or_default();
        *touches = place.touches.max(*touches);
        *count += places.len() - before;
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // What a panic could leave behind is a place too many or too few.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> HistoryName {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&number.to_le_bytes());
        HistoryName(name)
    }

    #[test]
    fn the_nearest_place_before_is_found_and_a_later_one_replaces_it() {
        let (bookmarks, a) = (Bookmarks::default(), name(0));
        let at = |listed, touches| Place { listed, touches };
        assert_eq!(bookmarks.before(a, 9), at(0, 0));
        for place in [at(3, 30), at(5, 50), at(5, 40), at(0, 7)] {
            bookmarks.keep(a, place);
        }
        for (listed, expected) in
            [(0, at(0, 7)), (2, at(0, 7)), (3, at(3, 30)), (4, at(3, 30)), (99, at(5, 50))]
        {
            assert_eq!(bookmarks.before(a, listed), expected, "{listed}");
        }
        assert_eq!(bookmarks.before(name(1), 9), at(0, 0));
    }

    #[test]
    fn so_many_places_are_kept() {
        let bookmarks = Bookmarks::default();
        for n in 0..2 * MOST {
            bookmarks.keep(name(n % 100), Place { listed: n, touches: n });
            let pages = bookmarks.pages();
            assert_eq!(pages.count, pages.of.values().map(BTreeMap::len).sum::<usize>());
            assert!(pages.count <= MOST);
        }
    }
}
