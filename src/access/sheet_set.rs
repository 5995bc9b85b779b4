//! The sheets that a caller reads.

use headwater_engine::id::SheetName;
use headwater_engine::view::SheetNames;
use headwater_engine::write::Scope;

/// The sheets that a caller reads: some of them whatever their definition says, and some of them
/// only as long as they are public.
///
/// Sets that contain the same sheets of every state are equal, so that callers with equal grants
/// share one view.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SheetSet {
    /// The sheets that are read whether they are public or not.
    any: Scope,
    /// The other sheets that are read as long as they are public.
    public: Scope,
}

impl SheetSet {
    /// Returns the set of `sheets`, whether they are public or not.
    pub const fn any(sheets: Scope) -> Self {
        Self { any: sheets, public: Scope::nothing() }
    }

    /// Returns the set of those of `sheets` that are public.
    pub const fn public(sheets: Scope) -> Self {
        Self { any: Scope::nothing(), public: sheets }
    }

    /// Returns the names of the sheets that are read whether they are public or not.
    pub fn any_names(&self) -> SheetNames {
        names(&self.any)
    }

    /// Returns the names of the other sheets that are read as long as they are public.
    pub fn public_names(&self) -> SheetNames {
        names(&self.public)
    }

    /// Returns whether a sheet that is not public is in the set.
    pub fn contains(&self, sheet: &SheetName) -> bool {
        self.any.opens(sheet)
    }

    /// Returns whether a public sheet is in the set.
    pub fn contains_public(&self, sheet: &SheetName) -> bool {
        self.any.opens(sheet) || self.public.opens(sheet)
    }

    /// Returns whether the set contains no sheet of any state.
    pub fn is_empty(&self) -> bool {
        self.any.is_nothing() && self.public.is_nothing()
    }

    /// Returns the sheets that are in one of the two sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let any = self.any.union(other.any);
        let public = match (self.public.union(other.public), &any) {
            (_, Scope::Every) => Scope::nothing(),
            (Scope::Only(names), any) => {
                Scope::Only(names.into_iter().filter(|name| !any.opens(name)).collect())
            }
            (Scope::Every, _) => Scope::Every,
        };
        Self { any, public }
    }
}

fn names(scope: &Scope) -> SheetNames {
    match scope {
        Scope::Every => SheetNames::Every,
        Scope::Only(names) => SheetNames::only(names.iter().cloned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(names: &[&str]) -> Scope {
        Scope::Only(names.iter().map(|name| SheetName::new(*name)).collect())
    }

    #[test]
    fn a_set_tells_public_sheets_from_others() {
        let (team, people) = (SheetName::new("team"), SheetName::new("people"));
        for (set, any, public) in [
            (SheetSet::any(Scope::Every), [true; 2], [true; 2]),
            (SheetSet::public(Scope::Every), [false; 2], [true; 2]),
            (SheetSet::any(only(&["team"])), [true, false], [true, false]),
            (SheetSet::public(only(&["team"])), [false; 2], [true, false]),
            (SheetSet::any(Scope::nothing()), [false; 2], [false; 2]),
        ] {
            assert_eq!([set.contains(&team), set.contains(&people)], any, "{set:?}");
            let found = [set.contains_public(&team), set.contains_public(&people)];
            assert_eq!(found, public, "{set:?}");
            assert_eq!(set.is_empty(), public == [false; 2], "{set:?}");
        }
    }

    #[test]
    fn a_union_contains_what_either_contains_and_equal_sets_are_one() {
        let names = ["a", "b"].map(SheetName::new);
        let scopes =
            [Scope::Every, Scope::nothing(), only(&["a"]), only(&["b"]), only(&["a", "b"])];
        let simple = scopes
            .iter()
            .flat_map(|scope| [SheetSet::any(scope.clone()), SheetSet::public(scope.clone())]);
        let simple: Vec<SheetSet> = simple.collect();
        let pairs = simple.iter().flat_map(|one| {
            simple.iter().map(move |other| (one, other, one.clone().union(other.clone())))
        });
        let mut unions: Vec<(SheetSet, Vec<bool>)> = Vec::new();
        for (one, other, union) in pairs {
            let stranger = SheetName::new("c");
            let sheets = || names.iter().chain([&stranger]);
            for sheet in sheets() {
                let expected = one.contains(sheet) || other.contains(sheet);
                assert_eq!(union.contains(sheet), expected, "{one:?} {other:?}");
                let expected = one.contains_public(sheet) || other.contains_public(sheet);
                assert_eq!(union.contains_public(sheet), expected, "{one:?} {other:?}");
            }
            let shown = sheets().map(|sheet| union.contains(sheet));
            let shown = shown.chain(sheets().map(|sheet| union.contains_public(sheet))).collect();
            unions.push((union, shown));
        }
        for (one, shown) in &unions {
            for (other, also) in &unions {
                assert_eq!(one == other, shown == also, "{one:?} {other:?}");
            }
        }
    }
}
