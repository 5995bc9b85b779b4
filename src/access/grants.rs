//! What a caller is allowed: the view that it has, and the sheets that it writes.

use headwater_engine::view::{HiddenRecords, SheetNames, View};
use headwater_engine::write::Scope;

/// What a caller is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grants {
    /// What it sees. Callers with equal views see the same.
    pub view: View,
    /// The sheets that it writes.
    pub write: Scope,
}

impl Grants {
    /// Returns the grants of a caller that only reads.
    pub const fn reading(view: View) -> Self {
        Self { view, write: Scope::nothing() }
    }

    /// Returns what either of the two allows. Hidden records are then shown in every sheet.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self { view: view_union(self.view, other.view), write: self.write.union(other.write) }
    }
}

/// Returns the view of `sheets`, whether they are public or not.
pub(super) fn view_of(sheets: &Scope, hidden: HiddenRecords) -> View {
    View { any: names(sheets), public: SheetNames::None, hidden }
}

/// Returns the view of those of `sheets` that are public, without their hidden records.
pub(super) fn public_view_of(sheets: &Scope) -> View {
    View { any: SheetNames::None, public: names(sheets), hidden: HiddenRecords::Withheld }
}

/// Returns the view that has what either of the two has. Views that have the same are equal.
fn view_union(one: View, other: View) -> View {
    let any = names_union(one.any, other.any);
    let public = match names_union(one.public, other.public) {
        _ if any == SheetNames::Every => SheetNames::None,
        SheetNames::Only(names) => {
            SheetNames::only(names.iter().filter(|name| !any.contains(name)).cloned())
        }
        names => names,
    };
    View { any, public, hidden: one.hidden.max(other.hidden) }
}

fn names(scope: &Scope) -> SheetNames {
    match scope {
        Scope::Every => SheetNames::Every,
        Scope::Only(names) => SheetNames::only(names.iter().cloned()),
    }
}

fn names_union(one: SheetNames, other: SheetNames) -> SheetNames {
    match (one, other) {
        (SheetNames::Every, _) | (_, SheetNames::Every) => SheetNames::Every,
        (SheetNames::None, names) | (names, SheetNames::None) => names,
        (SheetNames::Only(ours), SheetNames::Only(theirs)) => {
            SheetNames::only(ours.iter().chain(theirs.iter()).cloned())
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_engine::id::SheetName;

    use super::*;

    fn only(names: &[&str]) -> Scope {
        Scope::Only(names.iter().map(|name| SheetName::new(*name)).collect())
    }

    fn has(view: &View, name: &str) -> [bool; 2] {
        let name = SheetName::new(name);
        let any = view.any.contains(&name);
        [any, any || view.public.contains(&name)]
    }

    #[test]
    fn a_view_of_public_sheets_has_none_that_is_not() {
        let withheld = HiddenRecords::Withheld;
        for (view, team, people) in [
            (view_of(&Scope::Every, withheld), [true, true], [true, true]),
            (public_view_of(&Scope::Every), [false, true], [false, true]),
            (view_of(&only(&["team"]), withheld), [true, true], [false, false]),
            (public_view_of(&only(&["team"])), [false, true], [false, false]),
            (view_of(&Scope::nothing(), withheld), [false, false], [false, false]),
        ] {
            assert_eq!((has(&view, "team"), has(&view, "people")), (team, people), "{view:?}");
            assert_eq!(view.is_empty(), team == [false, false], "{view:?}");
        }
        assert_eq!(public_view_of(&Scope::Every), View::PUBLIC);
    }

    #[test]
    fn a_union_has_what_either_has_and_equal_views_are_one() {
        let scopes =
            [Scope::Every, Scope::nothing(), only(&["a"]), only(&["b"]), only(&["a", "b"])];
        let simple = scopes
            .iter()
            .flat_map(|scope| [view_of(scope, HiddenRecords::Withheld), public_view_of(scope)]);
        let simple: Vec<View> = simple.collect();
        let sheets = ["a", "b", "c"];
        let mut unions: Vec<(View, Vec<[bool; 2]>)> = Vec::new();
        for one in &simple {
            for other in &simple {
                let union = view_union(one.clone(), other.clone());
                for sheet in sheets {
                    let [ours, theirs] = [has(one, sheet), has(other, sheet)];
                    let expected = [ours[0] || theirs[0], ours[1] || theirs[1]];
                    assert_eq!(has(&union, sheet), expected, "{one:?} {other:?}");
                }
                let shown = sheets.iter().map(|sheet| has(&union, sheet)).collect();
                unions.push((union, shown));
            }
        }
        for (one, shown) in &unions {
            for (other, also) in &unions {
                assert_eq!(one == other, shown == also, "{one:?} {other:?}");
            }
        }
        let shown = view_of(&Scope::nothing(), HiddenRecords::Shown);
        assert_eq!(view_union(View::PUBLIC, shown).hidden, HiddenRecords::Shown);
    }
}
