//! The ids of events: which commit a client has, and what it saw of it.

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use headwater_engine::id::CommitId;
use headwater_engine::view::View;

/// How many bytes of the hash of a view are in an id.
const TAG: usize = 8;

/// The id of an event: the commit that a client has once it has read the event, and, unless that is the view of
/// the public, a tag of the view. A client that comes back with it and sees something else now has
/// to start over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventId {
    commit: CommitId,
    tag: Option<Arc<str>>,
}

impl EventId {
    /// Returns the id at `commit` for those who have `view`.
    pub fn of(commit: CommitId, view: &View) -> Self {
        let tag = (!view.is_public()).then(|| HEXLOWER.encode(&view.id()[..TAG]).into());
        Self { commit, tag }
    }

    /// Returns the id for those who see the same, at another commit.
    pub fn at(&self, commit: CommitId) -> Self {
        Self { commit, tag: self.tag.clone() }
    }

    /// Parses the id that a client comes back with; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (commit, tag) = text.split_once('-').map_or((text, None), |(it, tag)| (it, Some(tag)));
        Some(Self { commit: commit.parse().ok()?, tag: tag.map(Into::into) })
    }

    /// Returns the commit.
    pub fn commit(&self) -> CommitId {
        self.commit
    }

    /// Returns whether it is the id of somebody who had `view`.
    pub fn is_of(&self, view: &View) -> bool {
        *self == Self::of(self.commit, view)
    }
}

impl From<CommitId> for EventId {
    /// Returns the id for the public.
    fn from(commit: CommitId) -> Self {
        Self { commit, tag: None }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.commit)?;
        self.tag.iter().try_for_each(|tag| write!(f, "-{tag}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written_and_tells_views_apart() {
        let commit = CommitId::from_bytes([7; 20]);
        let public = EventId::of(commit, &View::PUBLIC);
        assert_eq!(public.to_string(), commit.to_string());
        let all = EventId::of(commit, &View::EVERYTHING);
        assert_eq!(all.to_string().len(), 40 + 1 + 2 * TAG);
        for (id, view, other) in
            [(&public, View::PUBLIC, View::EVERYTHING), (&all, View::EVERYTHING, View::PUBLIC)]
        {
            let read = EventId::parse(&id.to_string()).unwrap();
            assert_eq!((&read, read.commit()), (id, commit));
            assert!(read.is_of(&view) && !read.is_of(&other), "{id}");
        }
        assert_eq!(all.at(CommitId::ZERO).commit(), CommitId::ZERO);
        for wrong in ["", "main", "-", &format!("{commit}0"), &format!("x-{commit}")] {
            assert_eq!(EventId::parse(wrong), None, "{wrong}");
        }
        assert!(!EventId::parse(&format!("{commit}-")).unwrap().is_of(&View::PUBLIC));
    }
}
