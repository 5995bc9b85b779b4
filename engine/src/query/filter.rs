//! Conditions on a field.

use std::ops::Bound;

use crate::query::case_folding::folded;
use crate::query::index_ranges::{Range, Ranges};
use crate::scalar::{Dated, Number, Scalar, Timestamp, Types, ValueType};
use crate::value::FieldPath;

/// The overhead of an allocation and its pointer, in bytes.
const ALLOCATED: usize = 32;

/// The size of a condition in a sieve without its values, in bytes.
const CONDITION: usize = 256;

/// A condition that every listed record meets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filter {
    pub(crate) field: FieldPath,
    pub(crate) test: Test,
}

/// A test of a field. A field with several values passes if one of them does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// It holds one of these.
    Any(Vec<Literal>),
    /// It holds none of these, so a record without the field passes.
    Not(Vec<Literal>),
    /// It holds a value of the literal's kind on the given side of it.
    Side(Side, Literal),
    /// It holds a text that contains this part.
    Text(TextPart),
    /// It exists or does not, as given. Null and an empty array do not exist.
    Exists(bool),
    /// It is a list with a number of elements in this range.
    Size(Size),
}

/// A condition on the number of elements in a list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Size {
    pub(crate) numbers: Ranges,
    /// Whether the number must be outside the ranges.
    pub(crate) is_negated: bool,
}

impl Size {
    /// Returns the condition that `operator` expresses, or `None` if it does not compare numbers.
    pub(crate) fn new(operator: &str, numbers: &[u64]) -> Option<Self> {
        let scalar = |number: u64| Scalar::Number(Number::Natural(number));
        let side = |side| {
            let [number] = numbers else { return None };
            Some(Ranges::from_iter([side_of(side, scalar(*number))]))
        };
        let points = || Ranges::points(numbers.iter().copied().map(scalar));
        let numbers = match operator {
            "eq" | "ne" if numbers.len() != 1 => return None,
            "eq" | "ne" | "in" | "nin" => points(),
            "gt" => side(Side::Above)?,
            "gte" => side(Side::From)?,
            "lt" => side(Side::Below)?,
            "lte" => side(Side::UpTo)?,
            _ => return None,
        };
        Some(Self { numbers, is_negated: matches!(operator, "ne" | "nin") })
    }
}

impl Test {
    /// Returns whether a key passes the test or, if the test is negated, fails it. A key is always
    /// a string, whatever it spells.
    pub(crate) fn is_about(&self, key: &str) -> bool {
        match self {
            Self::Any(literals) | Self::Not(literals) => {
                literals.iter().any(|literal| literal.text() == key)
            }
            Self::Side(side, literal) => match (side, key.cmp(literal.text())) {
                (Side::Above, order) => order.is_gt(),
                (Side::From, order) => order.is_ge(),
                (Side::Below, order) => order.is_lt(),
                (Side::UpTo, order) => order.is_le(),
            },
            Self::Text(part) => part.is_in(&folded(key)),
            Self::Exists(_) => true,
            // A key is not a list.
            Self::Size(_) => false,
        }
    }
}

/// A part of a text, compared without regard to case and accents.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TextPart {
    folded: Box<str>,
    place: PartPlace,
}

/// Where a part is in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartPlace {
    /// `prefix`
    Beginning,
    /// `contains`
    Anywhere,
}

impl TextPart {
    pub(crate) fn new(text: &str, place: PartPlace) -> Self {
        Self { folded: folded(text).into(), place }
    }

    /// Returns whether a text contains it. The text must be [folded](folded), which is done once
    /// for all parts. Linear in the text.
    pub(crate) fn is_in(&self, folded: &str) -> bool {
        match self.place {
            PartPlace::Beginning => folded.starts_with(&*self.folded),
            PartPlace::Anywhere => {
                memchr::memmem::find(folded.as_bytes(), self.folded.as_bytes()).is_some()
            }
        }
    }
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

/// A value as the query string spells it. It takes the kind of what it is compared with: `30` is a
/// number to numbers and a string to strings. Moments are compared only with moments.
///
/// Only the text is stored; it is interpreted where it is compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Literal {
    text: Box<str>,
    /// The moment it stands for, if it is relative to now.
    moment: Option<Timestamp>,
}

impl Literal {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.into(), moment: None }
    }

    /// Returns a literal such as `now-90d`, with the moment that it stands for.
    pub(crate) fn relative(text: &str, moment: Timestamp) -> Self {
        Self { text: text.into(), moment: Some(moment) }
    }

    /// Returns it as spelled.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn boolean(&self) -> Option<Scalar> {
        match &*self.text {
            "true" => Some(Scalar::Bool(true)),
            "false" => Some(Scalar::Bool(false)),
            _ => None,
        }
    }

    fn number(&self) -> Option<Scalar> {
        // Only JSON numbers count: `01` is a code, not a number.
        let is_number = serde_json::from_str::<serde_json::Number>(&self.text).is_ok();
        is_number.then(|| Number::parse(&self.text)).flatten().map(Scalar::Number)
    }

    /// Returns the types of the values that it may be equal to.
    pub(crate) fn equal_types(&self) -> Types {
        // Any literal may be a text, of whatever it spells.
        let texts = [ValueType::Text, ValueType::Timestamp];
        self.plain_types().chain(texts).collect()
    }

    /// Returns the types of the values that may be on a side of it.
    pub(crate) fn side_types(&self) -> Types {
        let text = self.is_text().then_some(ValueType::Text);
        let moment = self.beginning().map(|_| ValueType::Timestamp);
        self.plain_types().chain(text).chain(moment).collect()
    }

    fn plain_types(&self) -> impl Iterator<Item = ValueType> {
        let boolean = self.boolean().map(|_| ValueType::Boolean);
        boolean.into_iter().chain(self.number().map(|_| ValueType::Number))
    }

    /// Returns whether it is compared with texts that spell no moment.
    fn is_text(&self) -> bool {
        self.moment.is_none() && Timestamp::parse(&self.text).is_none()
    }

    /// Returns the moment that it is, or that a year or a month begins with.
    fn beginning(&self) -> Option<Timestamp> {
        self.moment.or_else(|| Timestamp::beginning(&self.text))
    }

    /// Returns the ranges of the values that it is equal to.
    fn equals(&self) -> impl Iterator<Item = Range> {
        let point = |scalar: Scalar| (Bound::Included(scalar.clone()), Bound::Included(scalar));
        let spellings = |moment| (Bound::Included(first_of(moment)), behind(moment));
        let text = match Timestamp::parse(&self.text) {
            None => point(Scalar::string(&self.text)),
            Some(moment) => spellings(moment),
        };
        let others = self.boolean().into_iter().chain(self.number()).map(point);
        others.chain([text]).chain(self.moment.map(spellings))
    }

    /// Returns the ranges of the values on one side of it, in order.
    fn side(&self, side: Side) -> impl Iterator<Item = Range> {
        let text = self.is_text().then(|| Scalar::string(&self.text));
        let pivots = self.boolean().into_iter().chain(self.number()).chain(text);
        // A year or a month begins and ends ranges, too, with its first moment.
        let moments = self.beginning().map(|pivot| moments(side, pivot));
        pivots.map(move |pivot| side_of(side, pivot)).chain(moments)
    }
}

impl Filter {
    /// Returns the values that the test refers to: a record passes if it holds one of them or, if
    /// the filter [is negated](Self::is_negated), none. Returns `None` if they are not contiguous
    /// in the order of values.
    pub(crate) fn values(&self) -> Option<Ranges> {
        Some(match &self.test {
            Test::Any(literals) => Ranges::apart(literals.iter().flat_map(Literal::equals)),
            Test::Not(literals) => Ranges::apart(literals.iter().flat_map(Literal::equals)),
            // Ordered by kind.
            Test::Side(side, literal) => literal.side(*side).collect(),
            Test::Exists(_) => Ranges::all(),
            Test::Text(_) | Test::Size(_) => return None,
        })
    }

    /// Returns its approximate size in bytes, including its share of a
    /// [`ScanFilter`](super::scan_filter::ScanFilter).
    pub(crate) fn weight(&self) -> usize {
        let texts = match &self.test {
            Test::Any(literals) | Test::Not(literals) => {
                literals.iter().map(|literal| literal.weight()).sum()
            }
            Test::Side(_, literal) => literal.weight(),
            Test::Text(part) => 2 * part.folded.len(),
            Test::Exists(_) => 0,
            Test::Size(size) => size.numbers.bounds().count() * 2 * size_of::<Scalar>(),
        };
        size_of::<Self>() + 2 * self.field.as_str().len() + CONDITION + texts
    }

    /// Returns whether records pass that hold none of the values. An index does not help to find
    /// them.
    pub(crate) fn is_negated(&self) -> bool {
        match &self.test {
            Test::Not(_) | Test::Exists(false) => true,
            Test::Size(size) => size.is_negated,
            _ => false,
        }
    }
}

impl Literal {
    /// Returns the size of its text, and of the two ends it has in each of up to two ranges.
    fn weight(&self) -> usize {
        let text = self.text.len();
        size_of::<Self>() + text + 4 * (size_of::<Scalar>() + ALLOCATED) + 2 * text
    }
}

/// Returns the lower bound of all spellings of a moment: an empty one.
pub(crate) fn first_of(moment: Timestamp) -> Scalar {
    Scalar::Timestamp(Dated::new(moment, ""))
}

/// Returns the upper bound of all spellings of a moment.
pub(crate) fn behind(moment: Timestamp) -> Bound<Scalar> {
    Bound::Excluded(moment.next().map_or_else(|| Scalar::Other("".into()), first_of))
}

/// Returns the range of the moments on that side of `pivot`.
pub(crate) fn moments(side: Side, pivot: Timestamp) -> Range {
    let least = Bound::Included(first_of(Timestamp::FIRST));
    let most = Bound::Excluded(Scalar::Other("".into()));
    match side {
        Side::From => (Bound::Included(first_of(pivot)), most),
        // If no moment follows, the range is empty.
        Side::Above => match behind(pivot) {
            Bound::Excluded(next) => (Bound::Included(next), most),
            none => (none, most),
        },
        Side::Below => (least, Bound::Excluded(first_of(pivot))),
        Side::UpTo => (least, behind(pivot)),
    }
}

/// Returns the range of the values of the same kind on that side of `pivot`, which is not a moment.
pub(crate) fn side_of(side: Side, pivot: Scalar) -> Range {
    let least_string = || Scalar::string("");
    // The first value of a kind follows the last of the previous kind.
    let (least, most) = match &pivot {
        Scalar::Bool(_) => (Bound::Unbounded, Bound::Included(Scalar::Bool(true))),
        Scalar::Number(_) => (Bound::Excluded(Scalar::Bool(true)), Bound::Excluded(least_string())),
        Scalar::String(_) | Scalar::Timestamp(..) | Scalar::Other(_) => {
            (Bound::Included(least_string()), Bound::Excluded(first_of(Timestamp::FIRST)))
        }
    };
    match side {
        Side::Above => (Bound::Excluded(pivot), most),
        Side::From => (Bound::Included(pivot), most),
        Side::Below => (least, Bound::Excluded(pivot)),
        Side::UpTo => (least, Bound::Included(pivot)),
    }
}
