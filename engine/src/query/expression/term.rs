//! Expressions with resolved names, which can be evaluated.

use std::sync::Arc;

use super::function::Function;
use super::operand::Operand;
use super::pattern::Pattern;
use super::syntax::Operator;
use crate::sheet::Sheet;
use crate::value::FieldPath;

/// A part of an expression.
#[derive(Debug, Clone)]
pub(super) enum Term {
    /// A value that is the same for every record.
    Constant(Operand<'static>),
    /// The field of the record with this index among those that the expression reads.
    Field(usize),
    /// Whether the record has that field.
    HasField(usize),
    /// The key of the record.
    Key,
    /// The variable of the macro at this nesting depth.
    Local(usize),
    /// A member of a map.
    Select { of: Box<Term>, name: Box<str> },
    /// Whether a map has a member.
    Has { of: Box<Term>, name: Box<str> },
    /// An element of a list, or a member of a map.
    Index { of: Box<Term>, index: Box<Term> },
    /// A list.
    List(Vec<Term>),
    /// A map, as keys and values in turn.
    Map(Vec<Term>),
    /// `!of`
    Not(Box<Term>),
    /// `-of`
    Negate(Box<Term>),
    /// An operator between two values.
    Binary { operator: Operator, left: Box<Term>, right: Box<Term> },
    /// Whether all are true.
    All(Vec<Term>),
    /// Whether one is true.
    Any(Vec<Term>),
    /// A condition, its value if true, and its value if false.
    Choice(Box<[Term; 3]>),
    /// The result of a function.
    Call { function: Function, operands: Vec<Term> },
    /// Whether a text has a part as the pattern says.
    Matches { text: Box<Term>, pattern: Box<Pattern> },
    /// A macro that goes through a list, or the keys of a map.
    Fold(Box<Fold>),
    /// The record that a reference points to.
    Referred { value: Box<Term>, to: Box<Target> },
    /// The records that refer to the current one.
    Referrers(Box<Referrers>),
}

/// A macro that iterates over a list.
#[derive(Debug, Clone)]
pub(super) struct Fold {
    pub(super) kind: FoldKind,
    pub(super) range: Term,
    /// The number of enclosing macros, which is the index of its variable.
    pub(super) local: usize,
    /// The test for each element.
    pub(super) test: Option<Term>,
    /// The result for each element of a `map`.
    pub(super) step: Option<Term>,
}

/// What a macro returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoldKind {
    /// `all`: whether the test holds for all elements.
    All,
    /// `exists`: whether the test holds for at least one.
    Exists,
    /// `exists_one`: whether it holds for exactly one.
    ExistsOne,
    /// `filter` and `map`: the list of the elements for which it holds, or of the results for them.
    List,
}

/// The records that a reference can point to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) sheet: Arc<Sheet>,
    /// The field that identifies them, or `None` for their key.
    pub(super) field: Option<FieldPath>,
}

/// Records that refer to one.
#[derive(Debug, Clone)]
pub(super) struct Referrers {
    /// The sheet of the referring records.
    pub(super) sheet: Arc<Sheet>,
    /// The field that refers.
    pub(super) field: FieldPath,
    /// The field that the reference matches, or `None` for the key.
    pub(super) target: Option<FieldPath>,
}
