//! What a caller is allowed: what it sees, and which sheets it writes.

use headwater_engine::view::{HiddenRecords, View};
use headwater_engine::write::Scope;

use super::sheet_set::SheetSet;

/// Whether a caller sees the records that a sheet hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hidden {
    /// They are absent.
    Withheld,
    /// They are records like others.
    Shown,
}

/// The part of the grants that decides what a caller sees. Callers for whom it is equal see the
/// same: there are as many views as there are different values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewGrants {
    /// The sheets.
    pub read: SheetSet,
    /// Whether the hidden records of these sheets are shown.
    pub hidden: Hidden,
}

impl ViewGrants {
    /// Returns the view of the engine that shows just this.
    pub fn view(&self) -> View {
        let hidden = match self.hidden {
            Hidden::Withheld => HiddenRecords::Withheld,
            Hidden::Shown => HiddenRecords::Shown,
        };
        View { any: self.read.any_names(), public: self.read.public_names(), hidden }
    }

    /// Returns what everybody sees if nothing else is said: the public sheets without their hidden
    /// records.
    pub const fn public() -> Self {
        Self { read: SheetSet::public(Scope::Every), hidden: Hidden::Withheld }
    }
}

/// What a caller is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grants {
    /// What it sees.
    pub view: ViewGrants,
    /// The sheets that it writes.
    pub write: Scope,
}

impl Grants {
    /// Returns the grants of a caller that only reads.
    pub const fn reading(view: ViewGrants) -> Self {
        Self { view, write: Scope::nothing() }
    }

    /// Returns what either of the two allows. Hidden records are then shown in every sheet.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let read = self.view.read.union(other.view.read);
        let hidden = self.view.hidden.max(other.view.hidden);
        Self { view: ViewGrants { read, hidden }, write: self.write.union(other.write) }
    }
}
