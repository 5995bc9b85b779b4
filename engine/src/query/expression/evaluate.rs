//! The value of an expression for one record.

use smallvec::SmallVec;

use super::allocated_values::{self, Part};
use super::cost_meter::Meter;
use super::flaw::Fault;
use super::operand::{KEY, MapEntry, Operand};
use super::syntax::Operator;
use super::term::{Fold, FoldKind, Referrers, Target, Term};
use super::{arithmetic, call, compare};
use crate::budget::{Budget, STEP};
use crate::record::Record;
use crate::scalar::{Number, Scalar};
use crate::value::{Json, Kind};

/// The context in which an expression is evaluated.
pub(super) struct Scope<'a, 'b> {
    record: Option<&'a Record>,
    /// The fields that the expression reads, where the record has them.
    fields: SmallVec<[Option<Json<'a>>; 8]>,
    /// The variables of the enclosing macros, outermost first.
    locals: Vec<Operand<'a>>,
    meter: Meter<'b>,
}

impl<'a, 'b> Scope<'a, 'b> {
    /// Returns a scope for constant expressions.
    pub(super) fn empty(budget: &'b Budget) -> Self {
        let meter = Meter::new(budget);
        Self { record: None, fields: SmallVec::new(), locals: Vec::new(), meter }
    }

    /// Returns the scope of a record, from which `names`, in order, are read. Linear in its text.
    pub(super) fn of(record: &'a Record, names: &[Box<str>], budget: &'b Budget) -> Self {
        let mut fields: SmallVec<[Option<Json<'a>>; 8]> = SmallVec::from_elem(None, names.len());
        // A field of the value takes precedence over one from the path, unless it is null.
        for part in record.value.parts() {
            let mut wanted = names.iter().enumerate().peekable();
            // Both are in order.
            for (name, member) in part.members() {
                while wanted.next_if(|(_, wanted)| ***wanted < *name).is_some() {}
                let Some((place, wanted)) = wanted.peek() else { break };
                let field = &mut fields[*place];
                if ***wanted == *name && field.is_none_or(|own| own.kind() == Kind::Null) {
                    *field = Some(member);
                }
            }
        }
        Self { record: Some(record), fields, locals: Vec::new(), meter: Meter::new(budget) }
    }

    fn spend(&self, units: usize) -> Result<(), Fault> {
        self.meter.spend(units)
    }
}

/// Returns the value of a term.
///
/// # Errors
///
/// Fails if it has no value.
pub(super) fn evaluate<'a>(
    term: &'a Term,
    scope: &mut Scope<'a, '_>,
) -> Result<Operand<'a>, Fault> {
    scope.spend(STEP)?;
    let made = scope.meter.made();
    let value = value_of(term, scope);
    // Of all that was made for it, only the value itself is left.
    scope.meter.forget(made);
    let value = value?;
    scope.meter.make(value.size())?;
    Ok(value)
}

fn value_of<'a>(term: &'a Term, scope: &mut Scope<'a, '_>) -> Result<Operand<'a>, Fault> {
    match term {
        Term::Constant(constant) => Ok(constant.borrowed()),
        Term::Field(place) => {
            let field = scope.fields[*place].ok_or(Fault::ABSENT)?;
            if !matches!(field.kind(), Kind::Array | Kind::Object) {
                // A scalar is read each time, and a text with escapes is copied.
                scope.spend(field.text().len())?;
            }
            Ok(Operand::of(field))
        }
        Term::HasField(place) => Ok(Operand::Bool(scope.fields[*place].is_some())),
        Term::Key => {
            let record = scope.record.ok_or(Fault::ABSENT)?;
            Ok(Operand::Text(record.key.as_str().into()))
        }
        Term::Local(place) => scope.locals.get(*place).cloned().ok_or(Fault::ABSENT),
        Term::Select { of, name } => {
            let of = evaluate(of, scope)?;
            select(&of, name, scope)?.ok_or(Fault::ABSENT)
        }
        Term::Has { of, name } => {
            let of = evaluate(of, scope)?;
            Ok(Operand::Bool(select(&of, name, scope)?.is_some()))
        }
        Term::Index { of, index } => {
            let (of, index) = (evaluate(of, scope)?, evaluate(index, scope)?);
            call::at(&of, &index, &scope.meter)
        }
        Term::List(elements) => Ok(Operand::List(each(elements, scope)?.into())),
        Term::Map(parts) => map(parts, scope),
        Term::Not(of) => match evaluate(of, scope)? {
            Operand::Bool(boolean) => Ok(Operand::Bool(!boolean)),
            _ => Err(Fault::TYPES),
        },
        Term::Negate(of) => arithmetic::negate(evaluate(of, scope)?),
        Term::Binary { operator, left, right } => {
            let (left, right) = (evaluate(left, scope)?, evaluate(right, scope)?);
            binary(*operator, left, right, &scope.meter)
        }
        Term::All(parts) => decided(parts.iter(), false, |part| evaluate(part, scope)),
        Term::Any(parts) => decided(parts.iter(), true, |part| evaluate(part, scope)),
        Term::Choice(parts) => {
            let [condition, yes, no] = &**parts;
            match evaluate(condition, scope)? {
                Operand::Bool(true) => evaluate(yes, scope),
                Operand::Bool(false) => evaluate(no, scope),
                _ => Err(Fault::TYPES),
            }
        }
        Term::Call { function, operands } => {
            let operands = each(operands, scope)?;
            call::apply(*function, operands, &scope.meter)
        }
        Term::Matches { text, pattern } => match evaluate(text, scope)? {
            Operand::Text(text) => pattern.is_match(&text, &scope.meter).map(Operand::Bool),
            _ => Err(Fault::TYPES),
        },
        Term::Fold(fold) => folded(fold, scope),
        Term::Referred { value, to } => match evaluate(value, scope) {
            Err(Fault::ABSENT) => Ok(Operand::Null),
            value => referred(&value?, to, scope),
        },
        Term::Referrers(referrers) => referring(referrers, scope),
    }
}

fn each<'a>(terms: &'a [Term], scope: &mut Scope<'a, '_>) -> Result<Vec<Operand<'a>>, Fault> {
    terms.iter().map(|term| evaluate(term, scope)).collect()
}

/// Returns the member `name` of a map, if it exists.
fn select<'a>(
    of: &Operand<'a>,
    name: &'a str,
    scope: &Scope<'a, '_>,
) -> Result<Option<Operand<'a>>, Fault> {
    scope.spend(of.weight())?;
    if let Operand::Record(record) = of
        && name == KEY
    {
        return Ok(Some(Operand::Text(record.key.as_str().into())));
    }
    if let Some(object) = of.object() {
        let own = object.member(name).filter(|own| own.kind() != Kind::Null);
        let of_path = || match of {
            Operand::Record(record) => record.value.path_fields()?.member(name),
            _ => None,
        };
        return Ok(own.or_else(of_path).or_else(|| object.member(name)).map(Operand::of));
    }
    match of {
        Operand::Map(_) => compare::member(of, &Operand::Text(name.into()), &scope.meter),
        _ => Err(Fault::TYPES),
    }
}

fn map<'a>(parts: &'a [Term], scope: &mut Scope<'a, '_>) -> Result<Operand<'a>, Fault> {
    let mut entries: Vec<MapEntry<'a>> = Vec::new();
    for pair in parts.chunks_exact(2) {
        let (key, value) = (evaluate(&pair[0], scope)?, evaluate(&pair[1], scope)?);
        if !matches!(key, Operand::Bool(_) | Operand::Int(_) | Operand::Uint(_) | Operand::Text(_))
        {
            return Err(Fault::TYPES);
        }
        for entry in &entries {
            if compare::equal(&entry.key, &key, &scope.meter)? {
                return Err(Fault("has a key twice"));
            }
        }
        allocated_values::add(&mut entries, MapEntry { key, value }, &scope.meter)?;
    }
    Ok(Operand::Map(entries.into()))
}

fn binary<'a>(
    operator: Operator,
    left: Operand<'a>,
    right: Operand<'a>,
    meter: &Meter<'_>,
) -> Result<Operand<'a>, Fault> {
    let ordered = |test: fn(std::cmp::Ordering) -> bool| {
        let order = compare::order(&left, &right, meter)?;
        Ok(Operand::Bool(order.is_some_and(test)))
    };
    match operator {
        Operator::Equal => Ok(Operand::Bool(compare::equal(&left, &right, meter)?)),
        Operator::Unequal => Ok(Operand::Bool(!compare::equal(&left, &right, meter)?)),
        Operator::Below => ordered(std::cmp::Ordering::is_lt),
        Operator::UpTo => ordered(std::cmp::Ordering::is_le),
        Operator::Above => ordered(std::cmp::Ordering::is_gt),
        Operator::From => ordered(std::cmp::Ordering::is_ge),
        Operator::In => call::contains(&left, &right, meter).map(Operand::Bool),
        Operator::Add => {
            meter.spend(left.weight() + right.weight())?;
            arithmetic::add(left, right, meter)
        }
        Operator::Subtract => arithmetic::subtract(left, right),
        Operator::Multiply => arithmetic::multiply(left, right),
        Operator::Divide => arithmetic::divide(left, right),
        Operator::Remainder => arithmetic::remainder(left, right),
    }
}

/// Returns `deciding` if a part has that value, whatever errors other parts have; otherwise the
/// opposite.
///
/// # Errors
///
/// Fails if a part is neither true nor false and none decides.
fn decided<'a, T>(
    parts: impl Iterator<Item = T>,
    deciding: bool,
    mut value: impl FnMut(T) -> Result<Operand<'a>, Fault>,
) -> Result<Operand<'a>, Fault> {
    let mut fault = None;
    for part in parts {
        match value(part) {
            Ok(Operand::Bool(it)) if it == deciding => return Ok(Operand::Bool(deciding)),
            Ok(Operand::Bool(_)) => {}
            Ok(_) => fault = Some(Fault::TYPES),
            Err(Fault::SPENT) => return Err(Fault::SPENT),
            Err(other) => fault = Some(other),
        }
    }
    fault.map_or(Ok(Operand::Bool(!deciding)), Err)
}

fn folded<'a>(fold: &'a Fold, scope: &mut Scope<'a, '_>) -> Result<Operand<'a>, Fault> {
    let range = evaluate(&fold.range, scope)?;
    scope.spend(range.weight())?;
    let items = range.items().ok_or(Fault::TYPES)?;
    let depth = fold.local;
    debug_assert_eq!(scope.locals.len(), depth);
    let value = match fold.kind {
        FoldKind::All => decided(items, false, |item| tested(fold, item, scope)),
        FoldKind::Exists => decided(items, true, |item| tested(fold, item, scope)),
        FoldKind::ExistsOne => exactly_one(fold, items, scope),
        FoldKind::List => chosen(fold, items, scope),
    };
    scope.locals.truncate(depth);
    value
}

/// Returns the result of a macro's test for an item.
fn tested<'a>(
    fold: &'a Fold,
    item: Operand<'a>,
    scope: &mut Scope<'a, '_>,
) -> Result<Operand<'a>, Fault> {
    scope.locals.truncate(fold.local);
    scope.locals.push(item);
    fold.test.as_ref().map_or(Ok(Operand::Bool(true)), |test| evaluate(test, scope))
}

fn passes<'a>(fold: &'a Fold, item: Operand<'a>, scope: &mut Scope<'a, '_>) -> Result<bool, Fault> {
    match tested(fold, item, scope)? {
        Operand::Bool(passes) => Ok(passes),
        _ => Err(Fault::TYPES),
    }
}

fn exactly_one<'a>(
    fold: &'a Fold,
    items: impl Iterator<Item = Operand<'a>>,
    scope: &mut Scope<'a, '_>,
) -> Result<Operand<'a>, Fault> {
    let mut count = 0;
    for item in items {
        count += usize::from(passes(fold, item, scope)?);
    }
    Ok(Operand::Bool(count == 1))
}

fn chosen<'a>(
    fold: &'a Fold,
    items: impl Iterator<Item = Operand<'a>>,
    scope: &mut Scope<'a, '_>,
) -> Result<Operand<'a>, Fault> {
    let mut list = Vec::new();
    for item in items {
        if !passes(fold, item.clone(), scope)? {
            continue;
        }
        let item = match &fold.step {
            Some(step) => evaluate(step, scope)?,
            None => item,
        };
        allocated_values::add(&mut list, item, &scope.meter)?;
        // Memory costs more than a step.
        scope.spend(4 * STEP)?;
    }
    Ok(Operand::List(list.into()))
}

/// Returns the record that a value refers to, if the public sees it; if there are several, the
/// first by key.
fn referred<'a>(
    value: &Operand<'a>,
    to: &'a Target,
    scope: &Scope<'a, '_>,
) -> Result<Operand<'a>, Fault> {
    scope.spend(8 * STEP + value.weight())?;
    let value = match value {
        Operand::Null => return Ok(Operand::Null),
        Operand::Bool(boolean) => Scalar::Bool(*boolean),
        Operand::Text(text) => Scalar::string(text),
        Operand::Int(number) => number_of(&number.to_string())?,
        Operand::Uint(number) => number_of(&number.to_string())?,
        Operand::Double(number) => number_of(&number.to_string())?,
        _ => return Err(Fault::TYPES),
    };
    scope.spend(STEP)?;
    let record = to.sheet.referred_to(to.field.as_ref(), &value);
    Ok(record.map_or(Operand::Null, |record| Operand::Record(record)))
}

fn number_of(text: &str) -> Result<Scalar, Fault> {
    Number::parse(text).map(Scalar::Number).ok_or(Fault::TYPES)
}

/// Returns the records that refer to the current one and that the public sees, in key order.
fn referring<'a>(referrers: &'a Referrers, scope: &Scope<'a, '_>) -> Result<Operand<'a>, Fault> {
    let record = scope.record.ok_or(Fault::ABSENT)?;
    let Some(index) = referrers.sheet.shown_index(&referrers.field) else {
        return Ok(Operand::List(Vec::new().into()));
    };
    let mut keys = Vec::new();
    let mut holders = |value: &Scalar| -> Result<(), Fault> {
        scope.spend(8 * STEP)?;
        for key in index.get(value).into_iter().flatten() {
            scope.spend(STEP)?;
            keys.push(key);
        }
        Ok(())
    };
    match &referrers.target {
        None => holders(&Scalar::string(record.key.as_str()))?,
        Some(field) => {
            scope.spend(record.value.as_str().len())?;
            for value in crate::index::scalars(&record.value, field) {
                holders(&value)?;
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    scope.spend(keys.len() * STEP)?;
    let records = keys.iter().filter_map(|key| referrers.sheet.record(key.as_str()));
    allocated_values::collect(records.map(|record| Operand::Record(record)), &scope.meter)
        .map(Operand::List)
}
