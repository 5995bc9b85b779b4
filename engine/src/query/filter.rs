//! Conditions on a field.

use std::cmp::Ordering;
use std::ops::Bound;

use crate::query::ranges::Ranges;
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

    /// Returns the values that let a record pass: it passes if and only if it holds one of them.
    /// Returns `None` where an index does not help.
    pub(crate) fn ranges(&self) -> Option<Ranges> {
        match &self.test {
            Test::Any(literals) => {
                Some(Ranges::points(literals.iter().flat_map(Literal::readings)))
            }
            // The readings are in the order of their kinds.
            Test::Side(side, literal) => {
                Some(literal.readings().map(|reading| side_of(*side, reading)).collect())
            }
            Test::Exists(true) => Some(Ranges::all()),
            Test::Exists(false) | Test::Not(_) => None,
        }
    }
}

/// Returns the range of the values of the same kind that are on that side of `pivot`.
fn side_of(side: Side, pivot: Scalar) -> (Bound<Scalar>, Bound<Scalar>) {
    let least_string = || Scalar::String("".into());
    let least_other = || Scalar::Other("".into());
    // The first value of a kind comes behind the last of the kind before.
    let (least, most) = match &pivot {
        Scalar::Bool(_) => (Bound::Unbounded, Bound::Included(Scalar::Bool(true))),
        Scalar::Number(_) => (Bound::Excluded(Scalar::Bool(true)), Bound::Excluded(least_string())),
        Scalar::String(_) => (Bound::Included(least_string()), Bound::Excluded(least_other())),
        Scalar::Other(_) => (Bound::Included(least_other()), Bound::Unbounded),
    };
    match side {
        Side::Above => (Bound::Excluded(pivot), most),
        Side::From => (Bound::Included(pivot), most),
        Side::Below => (least, Bound::Excluded(pivot)),
        Side::UpTo => (least, Bound::Included(pivot)),
    }
}
