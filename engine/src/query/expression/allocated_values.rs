//! Strings, lists and maps that an evaluation creates. A clone of one takes no memory.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::cost_meter::Meter;
use super::flaw::Fault;
use super::limits::MAX_LIST;
use crate::budget::STEP;

/// The bytes that an allocation takes in addition to its content.
pub(super) const ALLOCATED: usize = 32;

/// A text.
#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    /// Borrowed from a record or an expression.
    Borrowed(&'a str),
    /// Made on the way.
    Made(Arc<str>),
}

impl<'a> Text<'a> {
    /// Returns the part at these bytes, which begins and ends with a character.
    pub(super) fn part(&self, bytes: Range<usize>) -> Option<Self> {
        match self {
            Self::Borrowed(text) => text.get(bytes).map(Self::Borrowed),
            Self::Made(text) => text.get(bytes).map(|part| Self::Made(part.into())),
        }
    }

    /// Returns how many bytes it takes by itself.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Borrowed(_) => 0,
            Self::Made(text) => ALLOCATED + text.len(),
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Borrowed(text)
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Made(text.into())
    }
}

impl<'a> From<Cow<'a, str>> for Text<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::Borrowed(text),
            Cow::Owned(text) => text.into(),
        }
    }
}

/// What a list or a map is made of.
pub(super) trait Part {
    /// Returns how many bytes it takes in addition to its own size, with everything inside it.
    fn size(&self) -> usize;
}

/// The parts of a list or a map, and how large it is as a tree: a part that is shared counts wherever
/// it is.
#[derive(Debug, Clone)]
pub(super) struct Made<T> {
    parts: Arc<[T]>,
    size: usize,
}

impl<T> Made<T> {
    /// Returns how many bytes it takes as a tree.
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

impl<T> Deref for Made<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.parts
    }
}

impl<T: Part> From<Vec<T>> for Made<T> {
    /// Linear in the parts, whatever is in these.
    fn from(parts: Vec<T>) -> Self {
        let sizes = parts.iter().map(|part| size_of::<T>().saturating_add(part.size()));
        let size = sizes.fold(ALLOCATED, usize::saturating_add);
        Self { parts: parts.into(), size }
    }
}

/// Adds a part to those that a list or a map is being made of.
///
/// # Errors
///
/// Fails if there are too many, if the evaluation has created too much, or if the budget is used up.
pub(super) fn add<T>(parts: &mut Vec<T>, part: T, meter: &Meter<'_>) -> Result<(), Fault> {
    if parts.len() >= MAX_LIST {
        return Err(Fault::LONG);
    }
    meter.spend(STEP)?;
    meter.make(size_of::<T>())?;
    parts.push(part);
    Ok(())
}

/// Makes a list of parts.
///
/// # Errors
///
/// As [`add`].
pub(super) fn collect<T: Part>(
    all: impl IntoIterator<Item = T>,
    meter: &Meter<'_>,
) -> Result<Made<T>, Fault> {
    let mut parts = Vec::new();
    all.into_iter().try_for_each(|part| add(&mut parts, part, meter))?;
    Ok(parts.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Part for Text<'_> {
        fn size(&self) -> usize {
            self.size()
        }
    }

    #[test]
    fn a_copy_of_a_text_or_a_list_takes_no_memory() {
        let text = Text::from("made".to_owned());
        assert_eq!(text.clone().as_ptr(), text.as_ptr());
        assert_eq!((text.size(), Text::from("held").size()), (ALLOCATED + 4, 0));
        let list: Made<Text<'_>> = vec![text.clone(), Text::from("held")].into();
        assert_eq!(list.clone().as_ptr(), list.as_ptr());
        assert_eq!(list.size(), 2 * (ALLOCATED + size_of::<Text<'_>>()) + 4);
        assert_eq!(text.part(1..3).as_deref(), Some("ad"));
        assert_eq!(Text::from("é").part(1..2).as_deref(), None, "a character is whole");
    }
}
