//! Expressions whose names are known: what is evaluated.

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
    /// The field of the record at this place among those that the expression reads.
    Field(usize),
    /// Whether the record has that field.
    HasField(usize),
    /// The key of the record.
    Key,
    /// The variable of the macro that is nested so deep.
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
    /// A condition, and what is the value where it holds and where it does not.
    Choice(Box<[Term; 3]>),
    /// What a function returns.
    Call { function: Function, operands: Vec<Term> },
    /// Whether a text has a part as the pattern says.
    Matches { text: Box<Term>, pattern: Box<Pattern> },
    /// A macro that goes through a list, or the keys of a map.
    Fold(Box<Fold>),
    /// The record that a reference names.
    Referred { value: Box<Term>, to: Box<Target> },
    /// The records that refer to the one that is looked at.
    Referrers(Box<Referrers>),
}

/// A macro that goes through a list.
#[derive(Debug, Clone)]
pub(super) struct Fold {
    pub(super) kind: FoldKind,
    pub(super) range: Term,
    /// How many macros are around it, which is where its variable is.
    pub(super) local: usize,
    /// What each element is tested for.
    pub(super) test: Option<Term>,
    /// What is made of each, where it is a `map`.
    pub(super) step: Option<Term>,
}

/// What a macro returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoldKind {
    /// `all`: whether the test holds for all elements.
    All,
    /// `exists`: whether it holds for one at least.
    Exists,
    /// `exists_one`: whether it holds for exactly one.
    ExistsOne,
    /// `filter` and `map`: the list of those for which it holds, or of what is made of these.
    List,
}

/// The records that a reference can name.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) sheet: Arc<Sheet>,
    /// The field by which they are named; `None` where that is their key.
    pub(super) field: Option<FieldPath>,
}

/// Records that refer to one.
#[derive(Debug, Clone)]
pub(super) struct Referrers {
    /// The sheet of the records that refer.
    pub(super) sheet: Arc<Sheet>,
    /// The field by which they do.
    pub(super) field: FieldPath,
    /// The field by which the one is named; `None` where that is its key.
    pub(super) target: Option<FieldPath>,
}
