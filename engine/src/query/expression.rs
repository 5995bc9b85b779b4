//! Conditions as one expression in CEL, the Common Expression Language.
//!
//! The text is parsed, its names are resolved to the fields of a sheet, and the result is evaluated
//! over the texts of records without copying them. Values follow the rules of CEL. Features that a
//! condition does not need (protocol buffers, optional values) are rejected.

mod arithmetic;
mod call;
mod check;
mod timestamp_parts;
mod compare;
mod convert;
mod evaluate;
mod flaw;
mod function;
mod limits;
mod allocated_values;
mod cost_meter;
mod index_narrowing;
mod number;
mod operand;
mod pattern;
mod syntax;
mod term;
mod text;
mod token;
mod version;

use std::sync::Arc;

use flaw::Flaw;
pub(crate) use index_narrowing::Narrowing;

use self::check::{Checked, Ground, check};
use self::evaluate::{Scope, evaluate};
use self::index_narrowing::narrowings;
use self::operand::Operand;
use self::syntax::parse;
use self::term::Term;
use crate::budget::Budget;
use crate::record::Record;
use crate::scalar::Timestamp;
use crate::sheet::Sheet;
use crate::snapshot::Snapshot;

/// The approximate number of bytes that an expression takes for each byte of its text, besides its
/// patterns.
const SPREAD: usize = 64;

/// A condition on records.
#[derive(Debug)]
pub(crate) struct Expression {
    term: Term,
    /// The fields that it reads, in order, and other names.
    fields: Vec<Box<str>>,
    related: Vec<Arc<Sheet>>,
    narrowings: Vec<Narrowing>,
    reads_now: bool,
    weight: usize,
}

/// The result of an expression for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is true.
    Holds,
    /// It is false.
    Fails,
    /// It has no value: a field is missing, or has another type.
    Undecided,
}

impl Expression {
    /// Parses an expression over the records of `sheet`. It may read other records of `snapshot`,
    /// if there is one; `now` is its clock.
    ///
    /// Costs microseconds, and for a pattern up to a millisecond.
    ///
    /// # Errors
    ///
    /// Fails if it is not CEL, uses an unknown name, or is too large: longer than 4 KiB, or nested
    /// more than 32 deep.
    pub(crate) fn new(
        text: &str,
        sheet: &Sheet,
        snapshot: Option<&Snapshot>,
        now: Timestamp,
    ) -> Result<Self, Flaw> {
        let Checked { term, fields, related, reads_now, pattern_weight } =
            check(&parse(text)?, Ground { sheet, snapshot, now })?;
        let narrowings = narrowings(&term, &fields);
        let weight = SPREAD * text.len() + pattern_weight;
        Ok(Self { term, fields, related, narrowings, reads_now, weight })
    }

    /// Evaluates the expression for a record. If `budget` is used up, it does not hold.
    ///
    /// Costs a pass over the text of the record, plus what each part of the expression reads.
    pub(crate) fn judge(&self, record: &Record, budget: &Budget) -> Verdict {
        let mut scope = Scope::of(record, &self.fields, budget);
        match evaluate(&self.term, &mut scope) {
            Ok(Operand::Bool(true)) => Verdict::Holds,
            Ok(Operand::Bool(false)) => Verdict::Fails,
            Ok(_) | Err(_) => Verdict::Undecided,
        }
    }

    /// Returns what it implies for fields that may have an index.
    pub(crate) fn narrowings(&self) -> &[Narrowing] {
        &self.narrowings
    }

    /// Returns the other sheets whose records it reads.
    pub(crate) fn related(&self) -> &[Arc<Sheet>] {
        &self.related
    }

    /// Returns whether it depends on `now`.
    pub(crate) fn reads_now(&self) -> bool {
        self.reads_now
    }

    /// Returns its approximate size in bytes.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.weight
    }
}

#[cfg(test)]
mod tests;
