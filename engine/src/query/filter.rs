//! Conditions on a field.

use std::cmp::Ordering;
use std::ops::Bound;

use crate::index::{FieldIndex, Postings};
use crate::scalar::{Number, Scalar};
use crate::value::{FieldPath, Json, Kind, Value};

/// A condition that every listed record fulfils.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filter {
    pub(crate) field: FieldPath,
    pub(crate) test: Test,
}

/// What a field is tested for. A field with several values passes if one of them does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// It holds one of these.
    Any(Vec<Literal>),
    /// It does not hold this; so a record without the field passes.
    Not(Literal),
    /// It holds a value of the literal's kind on this side of it.
    Side(Side, Literal),
    /// It is there, or it is not. Null and an empty array are not there.
    Exists(bool),
}

/// A side of a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// `gt`
    Above,
    /// `gte`
    From,
    /// `lt`
    Below,
    /// `lte`
    UpTo,
}

impl Side {
    fn admits(self, order: Ordering) -> bool {
        match self {
            Self::Above => order.is_gt(),
            Self::From => order.is_ge(),
            Self::Below => order.is_lt(),
            Self::UpTo => order.is_le(),
        }
    }
}

/// A value as the query string spells it. It takes the kind of what it is compared with: `30` is
/// the number to numbers and the string to strings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Literal {
    text: Box<str>,
    number: Option<Number>,
    boolean: Option<bool>,
}

impl Literal {
    pub(crate) fn new(text: &str) -> Self {
        let boolean = match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        // Only what JSON calls a number: `01` is a code, not one.
        let is_number = serde_json::from_str::<serde_json::Number>(text).is_ok();
        let number = is_number.then(|| Number::parse(text)).flatten();
        Self { text: text.into(), number, boolean }
    }

    fn is(&self, stored: Json<'_>) -> bool {
        self.compare(stored) == Some(Ordering::Equal)
    }

    /// Compares a stored value with the literal read as that kind; `None` where it has no such
    /// reading.
    fn compare(&self, stored: Json<'_>) -> Option<Ordering> {
        match stored.kind() {
            Kind::String => Some((*stored.as_string()?).cmp(&*self.text)),
            Kind::Number => Some(Number::parse(stored.text())?.cmp(&self.number?)),
            Kind::Bool => Some((stored.text() == "true").cmp(&self.boolean?)),
            Kind::Null | Kind::Array | Kind::Object => None,
        }
    }

    /// Returns every value that it may stand for.
    fn readings(&self) -> impl Iterator<Item = Scalar> {
        let boolean = self.boolean.map(Scalar::Bool);
        let number = self.number.map(Scalar::Number);
        boolean.into_iter().chain(number).chain([Scalar::String((*self.text).into())])
    }
}

impl Filter {
    /// Says whether a record with this value passes. Linear in the text of the value.
    pub(crate) fn passes(&self, value: &Value) -> bool {
        let any = |test: &dyn Fn(Json<'_>) -> bool| {
            let mut found = false;
            value.visit(&self.field, &mut |json| found = found || test(json));
            found
        };
        match &self.test {
            Test::Any(literals) => any(&|json| literals.iter().any(|literal| literal.is(json))),
            Test::Not(literal) => !any(&|json| literal.is(json)),
            Test::Side(side, literal) => {
                any(&|json| literal.compare(json).is_some_and(|order| side.admits(order)))
            }
            Test::Exists(wanted) => any(&|json| json.kind() != Kind::Null) == *wanted,
        }
    }

    /// Returns the values that let a record pass, in order, each with its records; a record passes
    /// if and only if it holds one of them. Returns `None` where an index does not help.
    pub(crate) fn entries<'a>(&self, index: &'a FieldIndex) -> Option<Vec<Entry<'a>>> {
        let mut entries: Vec<Entry<'a>> = match &self.test {
            Test::Any(literals) => {
                let scalars = literals.iter().flat_map(Literal::readings);
                scalars.filter_map(|scalar| index.entry(&scalar)).collect()
            }
            Test::Side(side, literal) => {
                literal.readings().flat_map(|reading| side_of(index, *side, reading)).collect()
            }
            Test::Exists(true) => return Some(index.values().collect()),
            Test::Exists(false) | Test::Not(_) => return None,
        };
        entries.sort_unstable_by_key(|(scalar, _)| *scalar);
        entries.dedup_by_key(|(scalar, _)| *scalar);
        Some(entries)
    }
}

/// A value of a field and the records that hold it.
pub(crate) type Entry<'a> = (&'a Scalar, &'a Postings);

/// Returns the values of the same kind that are on that side of `pivot`.
fn side_of(index: &FieldIndex, side: Side, pivot: Scalar) -> impl Iterator<Item = Entry<'_>> {
    let kind = std::mem::discriminant(&pivot);
    // The first value of a kind comes behind the last of the kind before.
    let least = match &pivot {
        Scalar::Bool(_) => Bound::Unbounded,
        Scalar::Number(_) => Bound::Excluded(Scalar::Bool(true)),
        Scalar::String(_) => Bound::Included(Scalar::String("".into())),
        Scalar::Other(_) => Bound::Included(Scalar::Other("".into())),
    };
    let range = match side {
        Side::Above => (Bound::Excluded(pivot), Bound::Unbounded),
        Side::From => (Bound::Included(pivot), Bound::Unbounded),
        Side::Below => (least, Bound::Excluded(pivot)),
        Side::UpTo => (least, Bound::Included(pivot)),
    };
    index.range(range).take_while(move |(scalar, _)| std::mem::discriminant(*scalar) == kind)
}
