//! Views: what one kind of caller sees of a state.
//!
//! A [snapshot](crate::snapshot::Snapshot::seen_by) of a view is the snapshot of the same commit
//! with other definitions: a sheet is public there if the view has it, and no record is hidden if
//! the view shows hidden records. Whatever answers the public from a snapshot therefore answers
//! each view from its own, and cannot show more.

mod by_view;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::digest::hash_part;
use crate::id::SheetName;

pub(crate) use by_view::ByView;

/// What one kind of caller sees. Equal views see the same. Cloning one is cheap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct View {
    /// The sheets that it has, public or not. It does not know that there are others.
    pub any: SheetNames,
    /// The other sheets that it has as long as their definitions make them public.
    pub public: SheetNames,
    /// Whether it has the hidden records of its sheets.
    pub hidden: HiddenRecords,
}

/// Some names of sheets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SheetNames {
    /// None.
    None,
    /// These: at least one.
    Only(Arc<BTreeSet<SheetName>>),
    /// All names.
    Every,
}

/// Whether a view has the records that a sheet hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HiddenRecords {
    /// They do not exist.
    Withheld,
    /// They are records like all others.
    Shown,
}

impl SheetNames {
    /// Returns these names.
    pub fn only(names: impl IntoIterator<Item = SheetName>) -> Self {
        let names: BTreeSet<SheetName> = names.into_iter().collect();
        if names.is_empty() { Self::None } else { Self::Only(Arc::new(names)) }
    }

    /// Returns whether `name` is one of them.
    pub fn contains(&self, name: &SheetName) -> bool {
        match self {
            Self::None => false,
            Self::Only(names) => names.contains(name),
            Self::Every => true,
        }
    }

    fn hash_into(&self, hasher: &mut blake3::Hasher) {
        let (kind, names) = match self {
            Self::None => (0, None),
            Self::Only(names) => (1, Some(names)),
            Self::Every => (2, None),
        };
        hasher.update(&[kind]);
        let names = names.into_iter().flat_map(|names| names.iter());
        names.for_each(|name| hash_part(hasher, name.as_str().as_bytes()));
    }
}

impl View {
    /// The view of a caller without any grant: public sheets, without their hidden records.
    pub const PUBLIC: Self =
        Self { any: SheetNames::None, public: SheetNames::Every, hidden: HiddenRecords::Withheld };

    /// The view of everything.
    pub const EVERYTHING: Self =
        Self { any: SheetNames::Every, public: SheetNames::None, hidden: HiddenRecords::Shown };

    /// Returns whether this is the view of the public.
    pub fn is_public(&self) -> bool {
        *self == Self::PUBLIC
    }

    /// Returns whether the view shows nothing, whatever the state is.
    pub fn is_empty(&self) -> bool {
        self.any == SheetNames::None && self.public == SheetNames::None
    }

    /// Returns a hash of the view: equal for equal views only.
    pub fn id(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        self.any.hash_into(&mut hasher);
        self.public.hash_into(&mut hasher);
        hasher.update(&[self.hidden as u8]);
        *hasher.finalize().as_bytes()
    }

    /// Returns whether the view may know what concerns the repository and no sheet in particular:
    /// the number of other files, and problems of definitions as a whole, which may name sheets.
    pub fn has_the_rest(&self) -> bool {
        self.any == SheetNames::Every || self.public == SheetNames::Every
    }
}
