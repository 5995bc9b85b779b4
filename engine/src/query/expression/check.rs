//! Resolves the names of an expression.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use super::allocated_values::Part as _;
use super::evaluate::{Scope, evaluate};
use super::flaw::{Fault, Flaw};
use super::function::{FUNCTIONS, Form, Function, Signature};
use super::limits::{MAX_CONSTANT, MAX_PATTERNS};
use super::operand::{KEY, Operand};
use super::pattern::Pattern;
use super::syntax::{Node, NodeKind};
use super::term::{Fold, FoldKind, Referrers, Target, Term};
use crate::budget::Budget;
use crate::layout::Reference;
use crate::scalar::Timestamp;
use crate::sheet::Sheet;
use crate::snapshot::Snapshot;
use crate::suggestion::{did_you_mean, nearest};
use crate::value::FieldPath;

/// The names of types, which are values.
const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// The context of an expression.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground<'a> {
    /// The sheet of the records.
    pub(super) sheet: &'a Sheet,
    /// The state that contains the sheet; without it, no other record is read.
    pub(super) snapshot: Option<&'a Snapshot>,
    /// The value of `now`.
    pub(super) now: Timestamp,
}

/// An expression with resolved names.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) term: Term,
    /// The fields that it reads, in order.
    pub(super) fields: Vec<Box<str>>,
    /// The other sheets that it reads.
    pub(super) related: Vec<Arc<Sheet>>,
    /// Whether it reads the clock.
    pub(super) reads_now: bool,
    /// The approximate size of its patterns, in bytes.
    pub(super) pattern_weight: usize,
}

/// Resolves the names of an expression.
///
/// # Errors
///
/// Fails if a name is unknown, a function has too many or too few arguments or a constant that it
/// does not accept, or the value cannot be true or false.
pub(super) fn check(node: &Node, ground: Ground<'_>) -> Result<Checked, Flaw> {
    let mut fields = BTreeSet::new();
    collect(node, &mut fields);
    let own = Names { sheet: ground.sheet, declared: OnceCell::new() };
    let mut checker = Checker {
        ground,
        own,
        candidates: fields.into_iter().map(Into::into).collect(),
        locals: Vec::new(),
        related: Vec::new(),
        patterns: 0,
        pattern_weight: 0,
        reads_now: false,
    };
    let term = checker.term(node)?.term;
    if is_never_bool(&term) {
        return Err(Flaw::new(node.at, "is a value, and no condition that holds or does not"));
    }
    let Checker { candidates: fields, related, reads_now, pattern_weight, .. } = checker;
    Ok(Checked { term, fields, related, reads_now, pattern_weight })
}

/// Returns whether the value of a term is visibly neither true nor false.
fn is_never_bool(term: &Term) -> bool {
    use super::syntax::Operator::{Add, Divide, Multiply, Remainder, Subtract};
    match term {
        Term::Constant(constant) => !matches!(constant, Operand::Bool(_)),
        Term::Key | Term::List(_) | Term::Map(_) | Term::Negate(_) => true,
        Term::Referred { .. } | Term::Referrers(_) => true,
        Term::Binary { operator, .. } => {
            matches!(operator, Add | Subtract | Multiply | Divide | Remainder)
        }
        Term::Fold(fold) => fold.kind == FoldKind::List,
        Term::Call { function, .. } => matches!(
            function,
            Function::Size | Function::Int | Function::Double | Function::Text | Function::Cvss
        ),
        _ => false,
    }
}

/// Collects the names that may be fields, including those of variables.
fn collect(node: &Node, names: &mut BTreeSet<String>) {
    let mut all = |nodes: &[Node]| nodes.iter().for_each(|node| collect(node, names));
    match &node.kind {
        NodeKind::Constant(_) => {}
        NodeKind::Name(name) | NodeKind::Quoted(name) => {
            names.insert(name.clone());
        }
        NodeKind::Select { of, .. } | NodeKind::Not(of) | NodeKind::Negate(of) => {
            collect(of, names)
        }
        NodeKind::Index { of: left, index: right } | NodeKind::Binary { left, right, .. } => {
            collect(left, names);
            collect(right, names);
        }
        NodeKind::Call { target, arguments, .. } => {
            all(arguments);
            target.iter().for_each(|target| collect(target, names));
        }
        NodeKind::List(nodes) | NodeKind::Map(nodes) => all(nodes),
        NodeKind::All(nodes) | NodeKind::Any(nodes) => all(nodes),
        NodeKind::Choice(nodes) => all(&nodes[..]),
    }
}

/// The fields that a sheet knows.
struct Names<'a> {
    sheet: &'a Sheet,
    /// The fields that its definition names, computed on first use.
    declared: OnceCell<BTreeSet<String>>,
}

impl<'a> Names<'a> {
    fn declared(&self) -> &BTreeSet<String> {
        self.declared.get_or_init(|| self.sheet.spec().known_fields())
    }

    fn occur(&self) -> impl Iterator<Item = &'a str> {
        let is_open = self.sheet.spec().is_open();
        self.sheet.fields().iter().filter(move |_| is_open).map(|(name, _)| name)
    }

    /// Returns whether records may have the field, or something inside it.
    fn knows(&self, name: &str) -> bool {
        let inside = format!("{name}.");
        let behind = (Bound::Included(&*inside), Bound::Unbounded);
        let mut behind = self.declared().range::<str, _>(behind);
        self.declared().contains(name)
            || behind.next().is_some_and(|field| field.starts_with(&inside))
            || self.sheet.spec().is_open() && self.sheet.fields().contains(name)
    }

    fn unknown(&self, name: &str) -> String {
        let sheet = &self.sheet.spec().name;
        let known = self.declared().iter().map(String::as_str).chain(self.occur());
        format!("`{name}` is not a known field of {sheet}{}", did_you_mean(nearest(name, known)))
    }
}

/// The position of a value in the records of a sheet.
#[derive(Clone)]
struct FieldPosition<'a> {
    sheet: &'a Sheet,
    /// The field; empty for the record itself.
    path: String,
}

impl FieldPosition<'_> {
    fn inside(&self, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self { path: format!("{}{dot}{name}", self.path), ..self.clone() }
    }
}

/// A term, and the position of its value, if it is in a record.
struct LocatedTerm<'a> {
    term: Term,
    place: Option<FieldPosition<'a>>,
}

impl From<Term> for LocatedTerm<'_> {
    fn from(term: Term) -> Self {
        Self { term, place: None }
    }
}

/// The variable of a macro.
struct Local<'a> {
    name: String,
    place: Option<FieldPosition<'a>>,
}

struct Checker<'a> {
    ground: Ground<'a>,
    own: Names<'a>,
    /// Every name in the expression, in order; a field is identified by its index here.
    candidates: Vec<Box<str>>,
    locals: Vec<Local<'a>>,
    related: Vec<Arc<Sheet>>,
    patterns: usize,
    pattern_weight: usize,
    reads_now: bool,
}

impl<'a> Checker<'a> {
    fn term(&mut self, node: &Node) -> Result<LocatedTerm<'a>, Flaw> {
        let term = match &node.kind {
            NodeKind::Constant(constant) => Term::Constant(constant.clone()),
            NodeKind::Name(name) => return self.name(node.at, name),
            NodeKind::Quoted(name) => return self.field(node.at, name),
            NodeKind::Select { of, name } => {
                let of = self.term(of)?;
                let place = self.member(node.at, of.place.as_ref(), name)?;
                let term = Term::Select { of: Box::new(of.term), name: name.as_str().into() };
                return Ok(LocatedTerm { term, place });
            }
            NodeKind::Index { of, index } => {
                let (of, index) = (self.term(of)?, self.term(index)?);
                let is_position = matches!(index.term, Term::Constant(Operand::Int(_)));
                // An element of a list has the position of the list.
                let place = of.place.filter(|_| is_position);
                let (of, index) = (Box::new(of.term), Box::new(index.term));
                return Ok(LocatedTerm { term: Term::Index { of, index }, place });
            }
            NodeKind::Call { target, name, arguments } => {
                return self.call(node, target.as_deref(), name, arguments);
            }
            NodeKind::List(elements) => constant(Term::List(self.terms(elements)?)),
            NodeKind::Map(parts) => Term::Map(self.terms(parts)?),
            NodeKind::Not(of) => Term::Not(Box::new(self.term(of)?.term)),
            NodeKind::Negate(of) => Term::Negate(Box::new(self.term(of)?.term)),
            NodeKind::Binary { operator, left, right } => {
                let (left, right) = (self.term(left)?.term, self.term(right)?.term);
                let (left, right) = (Box::new(left), Box::new(right));
                constant(Term::Binary { operator: *operator, left, right })
            }
            NodeKind::All(parts) => Term::All(self.terms(parts)?),
            NodeKind::Any(parts) => Term::Any(self.terms(parts)?),
            NodeKind::Choice(parts) => {
                let [condition, yes, no] = &**parts;
                let condition = self.term(condition)?.term;
                Term::Choice(Box::new([condition, self.term(yes)?.term, self.term(no)?.term]))
            }
        };
        Ok(term.into())
    }

    fn terms(&mut self, nodes: &[Node]) -> Result<Vec<Term>, Flaw> {
        nodes.iter().map(|node| self.term(node).map(|found| found.term)).collect()
    }

    /// Resolves a name: a variable of a macro, the clock, a key, a field, or a type.
    fn name(&mut self, at: usize, name: &str) -> Result<LocatedTerm<'a>, Flaw> {
        if let Some(depth) = self.locals.iter().rposition(|local| local.name == name) {
            return Ok(LocatedTerm {
                term: Term::Local(depth),
                place: self.locals[depth].place.clone(),
            });
        }
        match name {
            "now" => {
                self.reads_now = true;
                Ok(Term::Constant(Operand::Timestamp(self.ground.now)).into())
            }
            KEY => Ok(Term::Key.into()),
            _ if self.own.knows(name) => self.field(at, name),
            _ => match TYPES.into_iter().find(|known| *known == name) {
                Some(known) => Ok(Term::Constant(Operand::Type(known)).into()),
                None => self.field(at, name),
            },
        }
    }

    fn field(&self, at: usize, name: &str) -> Result<LocatedTerm<'a>, Flaw> {
        if !self.own.knows(name) {
            return Err(Flaw::new(at, self.own.unknown(name)));
        }
        let place = FieldPosition { sheet: self.ground.sheet, path: name.to_owned() };
        let known = self.candidates.binary_search_by(|candidate| (**candidate).cmp(name));
        let place_among = known.map_err(|_| Flaw::new(at, self.own.unknown(name)))?;
        Ok(LocatedTerm { term: Term::Field(place_among), place: Some(place) })
    }

    /// Returns the position of a member, if its table is in a record.
    fn member(
        &self,
        at: usize,
        of: Option<&FieldPosition<'a>>,
        name: &str,
    ) -> Result<Option<FieldPosition<'a>>, Flaw> {
        let Some(of) = of else { return Ok(None) };
        let place = of.inside(name);
        if of.path.is_empty() && name == KEY {
            return Ok(None);
        }
        let others = || Names { sheet: of.sheet, declared: OnceCell::new() };
        let is_own = std::ptr::eq(of.sheet, self.ground.sheet);
        let is_known =
            if is_own { self.own.knows(&place.path) } else { others().knows(&place.path) };
        match is_known {
            true => Ok(Some(place)),
            false => Err(Flaw::new(at, others().unknown(&place.path))),
        }
    }

    fn call(
        &mut self,
        node: &Node,
        target: Option<&Node>,
        name: &str,
        arguments: &[Node],
    ) -> Result<LocatedTerm<'a>, Flaw> {
        match (target, name, arguments) {
            (None, "has", arguments) => return self.has(node.at, arguments),
            (None, "ref", arguments) => return self.referred(node.at, arguments),
            (None, "referrers", arguments) => return self.referrers(node.at, arguments),
            (Some(range), "map", [variable, step]) => {
                return self.fold(FoldKind::List, range, variable, None, Some(step));
            }
            (Some(range), "map", [variable, test, step]) => {
                return self.fold(FoldKind::List, range, variable, Some(test), Some(step));
            }
            (Some(range), name, [variable, test]) if let Some(kind) = fold_kind(name) => {
                return self.fold(kind, range, variable, Some(test), None);
            }
            (Some(_), name, _) if name == "map" || fold_kind(name).is_some() => {
                let message = format!(
                    "`{name}` needs a variable and a condition, as in `list.{name}(x, x > 1)`"
                );
                return Err(Flaw::new(node.at, message));
            }
            _ => {}
        }
        // `math.least` is a function called by itself, unless `math` is a variable.
        let space = target.and_then(|target| match &target.kind {
            NodeKind::Name(space) if self.locals.iter().all(|local| local.name != *space) => {
                Some(format!("{space}.{name}"))
            }
            _ => None,
        });
        let spaced = space.and_then(|name| FUNCTIONS.iter().find(|known| known.name == name));
        let (signature, target) = match spaced {
            Some(signature) => (signature, None),
            None => (signature(node.at, name, target.is_some())?, target),
        };
        let mut operands = Vec::with_capacity(arguments.len() + 1);
        if let Some(target) = target {
            operands.push(self.term(target)?.term);
        }
        operands.extend(self.terms(arguments)?);
        let Signature { function, least, most, .. } = *signature;
        if !(least..=most).contains(&operands.len()) {
            let implied = usize::from(target.is_some());
            let (least, most) = (least.saturating_sub(implied), most - implied);
            let count =
                if least == most { least.to_string() } else { format!("{least} to {most}") };
            let message = format!("`{name}` needs {count} values, not {}", arguments.len());
            return Err(Flaw::new(node.at, message));
        }
        if function == Function::Matches {
            return self.matches(node.at, operands).map(LocatedTerm::from);
        }
        let is_constant = operands.iter().all(|it| matches!(it, Term::Constant(_)));
        let term = Term::Call { function, operands };
        if !is_constant {
            return Ok(term.into());
        }
        // Whatever the record: what is wrong here is wrong with the expression. A value that costs or
        // takes much is made for each record, where that counts.
        let budget = Budget::while_true(|| false);
        match evaluate(&term, &mut Scope::empty(&budget)) {
            Ok(value) if value.size() <= MAX_CONSTANT => {
                let value = value.into_constant();
                Ok(value.map_or_else(|| term.clone(), Term::Constant).into())
            }
            Ok(_) | Err(Fault::SPENT) => Ok(term.clone().into()),
            Err(fault) => Err(Flaw::new(node.at, format!("`{name}` {}", fault.0))),
        }
    }

    /// Returns a pattern match. Patterns are compiled once, and their total size is bounded.
    fn matches(&mut self, at: usize, mut operands: Vec<Term>) -> Result<Term, Flaw> {
        let pattern = match operands.pop() {
            Some(Term::Constant(Operand::Text(pattern))) => pattern,
            _ => return Err(Flaw::new(at, "the pattern of `matches` must be a string in quotes")),
        };
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            return Err(Flaw::new(at, format!("there are more than {MAX_PATTERNS} patterns")));
        }
        let pattern = Pattern::new(&pattern).map_err(|told| {
            Flaw::new(at, format!("the pattern of `matches` is not valid: {told}"))
        })?;
        self.pattern_weight += pattern.weight();
        let text = Box::new(operands.pop().unwrap_or(Term::Constant(Operand::Null)));
        Ok(Term::Matches { text, pattern: Box::new(pattern) })
    }

    fn fold(
        &mut self,
        kind: FoldKind,
        range: &Node,
        variable: &Node,
        test: Option<&Node>,
        step: Option<&Node>,
    ) -> Result<LocatedTerm<'a>, Flaw> {
        let NodeKind::Name(name) = &variable.kind else {
            return Err(Flaw::new(variable.at, "expected a name for the element"));
        };
        let LocatedTerm { term: range, place } = self.term(range)?;
        let local = self.locals.len();
        self.locals.push(Local { name: name.clone(), place: place.clone() });
        let test = test.map(|test| self.term(test)).transpose();
        let step = step.map(|step| self.term(step)).transpose();
        self.locals.truncate(local);
        let (test, step) = (test?.map(|test| test.term), step?);
        // Elements selected from a list have the position of the list.
        let place = match &step {
            Some(step) => step.place.clone(),
            None => place.filter(|_| kind == FoldKind::List),
        };
        let step = step.map(|step| step.term);
        Ok(LocatedTerm {
            term: Term::Fold(Box::new(Fold { kind, range, local, test, step })),
            place,
        })
    }

    fn has(&mut self, at: usize, arguments: &[Node]) -> Result<LocatedTerm<'a>, Flaw> {
        let wrong = || Flaw::new(at, "`has` needs a field, as in `has(address.city)`");
        let [argument] = arguments else { return Err(wrong()) };
        let term = match &argument.kind {
            NodeKind::Select { .. } => match self.term(argument)?.term {
                Term::Select { of, name } => Term::Has { of, name },
                _ => return Err(wrong()),
            },
            // The fields of the record are variables, any of which it may lack.
            NodeKind::Name(_) | NodeKind::Quoted(_) => match self.term(argument)?.term {
                Term::Field(place) => Term::HasField(place),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        Ok(term.into())
    }

    /// Returns the state, if other records can be read.
    fn snapshot(&self, at: usize, name: &str) -> Result<&'a Snapshot, Flaw> {
        let message = || format!("`{name}` reads other records, which is not possible here");
        self.ground.snapshot.ok_or_else(|| Flaw::new(at, message()))
    }

    fn referred(&mut self, at: usize, arguments: &[Node]) -> Result<LocatedTerm<'a>, Flaw> {
        let snapshot = self.snapshot(at, "ref")?;
        let [argument] = arguments else {
            return Err(Flaw::new(at, "`ref` needs a field that is a reference"));
        };
        let LocatedTerm { term: value, place } = self.term(argument)?;
        let reference = place.as_ref().and_then(|place| place.sheet.spec().reference(&place.path));
        let Some(reference) = reference.filter(|reference| reference.is_public) else {
            let sheet = place.map_or(self.ground.sheet, |place| place.sheet);
            let known = sheet.spec().refs.iter().filter(|reference| reference.is_public);
            let known: Vec<_> = known.map(|it| format!("`{}`", it.field)).collect();
            let message = format!("is not a reference of {}{}", sheet.spec().name, listed(&known));
            return Err(Flaw::new(argument.at, message));
        };
        let Some(sheet) = snapshot.sheet(reference.sheet.as_str()) else {
            return Ok(Term::Constant(Operand::Null).into());
        };
        let place = Some(FieldPosition { sheet, path: String::new() });
        let to = Target { sheet: self.relate(sheet), field: reference.target.clone() };
        Ok(LocatedTerm { term: Term::Referred { value: Box::new(value), to: Box::new(to) }, place })
    }

    fn referrers(&mut self, at: usize, arguments: &[Node]) -> Result<LocatedTerm<'a>, Flaw> {
        let snapshot = self.snapshot(at, "referrers")?;
        let own = &self.ground.sheet.spec().name;
        let public = snapshot.sheets().filter(|sheet| sheet.spec().public);
        let into = public.flat_map(|sheet| {
            let references = sheet.spec().refs.iter();
            references.filter(|it| it.sheet == *own).map(move |reference| (sheet, reference))
        });
        let name = |(sheet, reference): &(&Arc<Sheet>, &Reference)| {
            format!("{}.{}", sheet.spec().name, reference.field)
        };
        let all: Vec<_> = into.collect();
        let known = || {
            let known: Vec<_> = all.iter().map(|one| format!("`\"{}\"`", name(one))).collect();
            listed(&known)
        };
        let asked = match arguments {
            [Node { kind: NodeKind::Constant(Operand::Text(asked)), .. }] => asked,
            _ => {
                let message =
                    "`referrers` needs the names of a sheet and of its reference, in quotes";
                return Err(Flaw::new(at, format!("{message}{}", known())));
            }
        };
        let Some((sheet, reference)) = all.iter().copied().find(|one| name(one) == **asked) else {
            let message =
                format!("`\"{asked}\"` is not a reference to records of {own}{}", known());
            return Err(Flaw::new(arguments[0].at, message));
        };
        let (field, target) = (reference.field.clone(), reference.target.clone());
        let place = Some(FieldPosition { sheet, path: String::new() });
        let referrers = Referrers { sheet: self.relate(sheet), field, target };
        Ok(LocatedTerm { term: Term::Referrers(Box::new(referrers)), place })
    }

    /// Adds another sheet that the expression reads, and returns it.
    fn relate(&mut self, sheet: &Arc<Sheet>) -> Arc<Sheet> {
        if !self.related.iter().any(|known| Arc::ptr_eq(known, sheet)) {
            self.related.push(sheet.clone());
        }
        sheet.clone()
    }
}

/// Lists the accepted names, for the end of a message.
fn listed(known: &[String]) -> String {
    match known {
        [] => "; there is none".to_owned(),
        known => format!("; known: {}", known.join(", ")),
    }
}

fn fold_kind(name: &str) -> Option<FoldKind> {
    match name {
        "all" => Some(FoldKind::All),
        "exists" => Some(FoldKind::Exists),
        "exists_one" | "existsOne" => Some(FoldKind::ExistsOne),
        "filter" => Some(FoldKind::List),
        _ => None,
    }
}

/// Returns the function with this name and form.
fn signature(at: usize, name: &str, is_method: bool) -> Result<&'static Signature, Flaw> {
    let mut named = FUNCTIONS.iter().filter(|known| known.name == name);
    let fits = |form: Form| if is_method { form.is_method() } else { form.is_function() };
    let mut all = named.clone();
    if let Some(signature) = named.find(|known| fits(known.form)) {
        return Ok(signature);
    }
    let message = match (all.next(), is_method) {
        (Some(_), true) => format!("`{name}` is not called on a value: write `{name}(x)`"),
        (Some(_), false) => format!("`{name}` is called on a value, as in `x.{name}(…)`"),
        (None, _) => {
            let macros = ["has", "all", "exists", "exists_one", "map", "filter"];
            let others = ["ref", "referrers"];
            let known = FUNCTIONS.iter().map(|known| known.name).chain(macros).chain(others);
            format!("`{name}` is not a function{}", did_you_mean(nearest(name, known)))
        }
    };
    Err(Flaw::new(at, message))
}

/// Evaluates a term that consists only of constants, if it has a value.
fn constant(term: Term) -> Term {
    let is_constant = |term: &Term| matches!(term, Term::Constant(_));
    let all = match &term {
        Term::List(elements) => elements.iter().all(is_constant),
        Term::Binary { left, right, .. } => is_constant(left) && is_constant(right),
        _ => false,
    };
    if !all {
        return term;
    }
    let budget = Budget::while_true(|| false);
    let value = evaluate(&term, &mut Scope::empty(&budget)).ok().and_then(Operand::into_constant);
    value.map_or(term, Term::Constant)
}

/// Returns the field that a term reads in each record, if the field is in a table of the record or
/// of a list in it; `locals` has the fields that the enclosing variables stand for.
pub(super) fn path_of(
    term: &Term,
    fields: &[Box<str>],
    locals: &[Option<FieldPath>],
) -> Option<FieldPath> {
    match term {
        Term::Field(place) => Some(FieldPath::new(fields[*place].clone())),
        Term::Local(depth) => locals.get(*depth)?.clone(),
        Term::Select { of, name } => {
            let of = path_of(of, fields, locals)?;
            Some(FieldPath::new(format!("{of}.{name}")))
        }
        Term::Index { of, index } => match **index {
            Term::Constant(Operand::Int(_)) => path_of(of, fields, locals),
            _ => None,
        },
        _ => None,
    }
}
