//! JSON Pointers (RFC 6901), which give a position in a value.

use std::fmt;
use std::ops::Deref;

/// A JSON Pointer; the empty one points to the whole value.
///
/// It is made of names alone, so what is in a name is always escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer(String);

impl Pointer {
    /// Returns the pointer to the whole value.
    pub const fn whole() -> Self {
        Self(String::new())
    }

    /// Returns the pointer that leads through members of these names.
    pub fn of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut pointer = Self::whole();
        names.into_iter().for_each(|name| pointer.push(name.as_ref()));
        pointer
    }

    /// Reads a pointer; `None` where `text` is none.
    pub fn parse(text: &str) -> Option<Self> {
        let is_pointer = (text.is_empty() || text.starts_with('/'))
            && text.split('~').skip(1).all(|part| part.starts_with(['0', '1']));
        is_pointer.then(|| Self(text.to_owned()))
    }

    /// Adds the name of a member, or the position of an element.
    pub fn push(&mut self, name: &str) {
        self.0.push('/');
        for character in name.chars() {
            match character {
                '~' => self.0.push_str("~0"),
                '/' => self.0.push_str("~1"),
                other => self.0.push(other),
            }
        }
    }

    /// Takes away what was added since the pointer had `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// Returns the pointer to the member `name` of what this points to.
    #[must_use]
    pub fn member(&self, name: &str) -> Self {
        let mut pointer = self.clone();
        pointer.push(name);
        pointer
    }

    /// Returns the pointer that leads through this one and then through `below`.
    #[must_use]
    pub fn joined(&self, below: &Self) -> Self {
        Self(format!("{self}{below}"))
    }

    /// Returns the names that it leads through.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.0.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"))
    }

    /// Returns its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Pointer {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pointer_leads_to_its_member_whatever_is_in_the_names() {
        let value = serde_json::json!({ "a/b": { "c~d": { "~1": { "": 7 } } } });
        let pointer = Pointer::of(["a/b", "c~d", "~1", ""]);
        assert_eq!(pointer.as_str(), "/a~1b/c~0d/~01/");
        assert_eq!(value.pointer(&pointer), Some(&serde_json::json!(7)));
        assert_eq!(Pointer::of([""; 0]), Pointer::whole());
    }

    #[test]
    fn what_is_no_pointer_is_not_read() {
        for text in ["a", "a/b", "/~", "/~2", "/a~/b", "/~~0", "~0"] {
            assert_eq!(Pointer::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_pointer_is_read_as_it_is_written(
            names in prop::collection::vec("[a~/01é]{0,4}", 0..4),
            below in prop::collection::vec("[a~/]{0,3}", 0..3),
        ) {
            let (pointer, below) = (Pointer::of(&names), Pointer::of(&below));
            prop_assert_eq!(pointer.names().collect::<Vec<_>>(), names.clone());
            prop_assert_eq!(Pointer::parse(&pointer), Some(pointer.clone()));
            let joined = pointer.joined(&below);
            prop_assert_eq!(joined, Pointer::of(pointer.names().chain(below.names())));
        }
    }
}
