//! The index values that records must have for an expression to hold.
//!
//! An expression holds only if each of its conjuncts does. A conjunct that compares a field with a
//! constant restricts the records to those at some values of an index. Each of them is still
//! evaluated, so there may be too many of them, but never too few.

use std::ops::Bound::{Excluded, Included, Unbounded};

use super::check::path_of;
use super::function::Function;
use super::operand::Operand;
use super::syntax::Operator;
use super::term::{FoldKind, Term};
use crate::index::scalars;
use crate::query::filter::{Side, behind, first_of, moments, side_of};
use crate::query::index_ranges::{Range, Ranges};
use crate::record::Record;
use crate::scalar::{Number, Scalar, Timestamp};
use crate::value::FieldPath;

/// The values that a field has if an expression holds: at least one of them is in these ranges.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Narrowing {
    pub(crate) field: FieldPath,
    pub(crate) ranges: Ranges,
}

impl Narrowing {
    /// Returns whether a record has such a value, exactly as an index of the field would. Reads the
    /// record, and compares each value with each range.
    pub(crate) fn admits(&self, record: &Record) -> bool {
        scalars(&record.value, &self.field).iter().any(|value| self.ranges.contain(value))
    }
}

/// Returns what a term says of the fields of the records for which it holds.
pub(super) fn narrowings(term: &Term, fields: &[Box<str>]) -> Vec<Narrowing> {
    let mut finder = Finder { fields, locals: Vec::new(), found: Vec::new() };
    finder.collect(term);
    finder.found
}

struct Finder<'t> {
    fields: &'t [Box<str>],
    /// The fields that the variables of the enclosing macros stand for.
    locals: Vec<Option<FieldPath>>,
    found: Vec<Narrowing>,
}

impl Finder<'_> {
    fn collect(&mut self, term: &Term) {
        match term {
            Term::All(parts) => parts.iter().for_each(|part| self.collect(part)),
            Term::Fold(fold) if matches!(fold.kind, FoldKind::Exists | FoldKind::ExistsOne) => {
                // What holds for one element is in the index of the list.
                let path = self.path(&fold.range);
                self.locals.push(path);
                fold.test.iter().for_each(|test| self.collect(test));
                self.locals.pop();
            }
            term => {
                if let Some((field, ranges)) = self.path_and_ranges(term) {
                    let others = [(Included(Scalar::Other("".into())), Unbounded)];
                    // A macro or `in` iterates over the keys of a map, which an index holds as a
                    // whole.
                    let ranges = Ranges::apart(ranges.into_iter().chain(others));
                    self.found.push(Narrowing { field, ranges });
                }
            }
        }
    }

    fn path(&self, term: &Term) -> Option<FieldPath> {
        path_of(term, self.fields, &self.locals)
    }

    fn path_and_ranges(&self, term: &Term) -> Option<(FieldPath, Vec<Range>)> {
        match term {
            Term::Field(_) | Term::Select { .. } | Term::Local(_) => {
                Some((self.path(term)?, equals(&Operand::Bool(true))?))
            }
            Term::Binary { operator: Operator::In, left, right } => match (&**left, &**right) {
                (Term::Constant(constant), path) => Some((self.path(path)?, equals(constant)?)),
                (path, Term::Constant(Operand::List(list))) => {
                    let is_moment = |it: &Operand<'_>| matches!(it, Operand::Timestamp(_));
                    // Its range could overlap that of a text.
                    if list.iter().any(is_moment) {
                        return None;
                    }
                    let ranges = list.iter().map(equals).collect::<Option<Vec<_>>>()?;
                    Some((self.path(path)?, ranges.into_iter().flatten().collect()))
                }
                _ => None,
            },
            Term::Binary { operator, left, right } => match (&**left, &**right) {
                (path, Term::Constant(constant)) => {
                    Some((self.path(path)?, compares(*operator, constant)?))
                }
                (Term::Constant(constant), path) => {
                    Some((self.path(path)?, compares(reversed(*operator), constant)?))
                }
                _ => None,
            },
            Term::Call { function: Function::StartsWith, operands } => match &operands[..] {
                [path, Term::Constant(Operand::Text(prefix))] => {
                    Some((self.path(path)?, vec![beginning(prefix), all_moments()]))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// Returns the equivalent operator with its sides exchanged.
fn reversed(operator: Operator) -> Operator {
    match operator {
        Operator::Below => Operator::Above,
        Operator::UpTo => Operator::From,
        Operator::Above => Operator::Below,
        Operator::From => Operator::UpTo,
        other => other,
    }
}

fn compares(operator: Operator, constant: &Operand<'_>) -> Option<Vec<Range>> {
    let side = match operator {
        Operator::Equal => return equals(constant),
        Operator::Below => Side::Below,
        Operator::UpTo => Side::UpTo,
        Operator::Above => Side::Above,
        Operator::From => Side::From,
        _ => return None,
    };
    Some(match constant {
        Operand::Timestamp(moment) => vec![moments(side, *moment)],
        // Here, dates are texts like any others.
        Operand::Text(text) => {
            vec![side_of(side, Scalar::String((&**text).into())), all_moments()]
        }
        constant => vec![side_of(side, scalar(constant)?)],
    })
}

fn equals(constant: &Operand<'_>) -> Option<Vec<Range>> {
    Some(vec![match constant {
        Operand::Timestamp(moment) => (Included(first_of(*moment)), behind(*moment)),
        Operand::Text(text) => point(Scalar::string(text)),
        constant => point(scalar(constant)?),
    }])
}

fn point(scalar: Scalar) -> Range {
    (Included(scalar.clone()), Included(scalar))
}

fn scalar(constant: &Operand<'_>) -> Option<Scalar> {
    let number = match constant {
        Operand::Bool(boolean) => return Some(Scalar::Bool(*boolean)),
        Operand::Int(number) => number.to_string(),
        Operand::Uint(number) => number.to_string(),
        Operand::Double(number) if number.is_finite() => format!("{number:?}"),
        _ => return None,
    };
    Number::parse(&number).map(Scalar::Number)
}

fn all_moments() -> Range {
    (Included(first_of(Timestamp::FIRST)), Excluded(Scalar::Other("".into())))
}

/// Returns the texts, other than moments, that begin with `prefix`.
fn beginning(prefix: &str) -> Range {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // The end is the next character, if there is one.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            break;
        }
    }
    let end = if end.is_empty() { first_of(Timestamp::FIRST) } else { Scalar::String(end.into()) };
    (Included(Scalar::String(prefix.into())), Excluded(end))
}
