//! Bounded work for schemas whose references and alternatives multiply it.
//!
//! With references, the work may double at each level: of a tree whose nodes have two alternatives,
//! or of definitions that each name the next one twice. The library also lists what is wrong by every
//! alternative. So each reference that is followed counts as a step, and so does each alternative
//! that is found wanting. A check ends after a number of steps and of looks at the value that depends
//! on nothing but the value. Its result is therefore the same on every machine.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use std::sync::Arc;

use jsonschema::{Keyword, Retrieve, ValidationError, ValidationOptions};
use serde_json::{Map, Value, json};

use super::keywords::{LIST, NAMED, ONE};
use super::looks::{self, Counted, Prices, Seen};
use super::out_of_steps::OutOfSteps;

/// The keyword that counts. No schema of a user may have it.
const STEP: &str = "x-headwater-step";

thread_local! {
    /// The steps that the check on this thread may still take; `None` outside of a check.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The work that a check may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// The references and alternatives that it may try.
    pub(super) steps: usize,
    /// How often it may look at the value, by these prices.
    pub(super) looks: usize,
    pub(super) prices: Prices,
}

/// Returns the same schema, in which each reference counts before it is followed, and each
/// alternative after it was checked.
///
/// Keywords beside `$ref` mean nothing in Draft 7, but references may lead to definitions there.
pub(super) fn counted(schema: &Value) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    // No reference leads into a default or an example: what is there does not count.
    let is_kept = |name: &str| !matches!(name, "default" | "examples");
    let is_beside = |name: &str| matches!(name, "definitions" | "$defs");
    let target = members.get("$ref").filter(|target| target.is_string());
    let kept = members.iter().filter(|(name, _)| match target {
        Some(_) => is_beside(name),
        None => is_kept(name),
    });
    let mut counted: Map<String, Value> =
        kept.map(|(name, value)| (name.clone(), inside(name, value))).collect();
    if let Some(target) = target {
        counted.insert("allOf".into(), json!([{ STEP: true }, { "$ref": target }]));
    }
    Value::Object(counted)
}

/// Returns the value of a keyword with the schemas in it [`counted`], and other data as it is: a
/// property may have the name of a keyword.
fn inside(keyword: &str, value: &Value) -> Value {
    match value {
        Value::Array(values) if LIST.contains(&keyword) || keyword == "items" => {
            let alternative = matches!(keyword, "anyOf" | "oneOf");
            values.iter().map(|schema| tried(counted(schema), alternative)).collect()
        }
        Value::Object(members) if NAMED.contains(&keyword) || keyword == "dependencies" => {
            members.iter().map(|(name, schema)| (name.clone(), counted(schema))).collect()
        }
        Value::Object(_) if ONE.contains(&keyword) || keyword == "items" => counted(value),
        other => other.clone(),
    }
}

/// Makes an alternative count after it was checked.
fn tried(mut schema: Value, is_alternative: bool) -> Value {
    if let Value::Object(members) = &mut schema
        && is_alternative
    {
        members.insert(STEP.into(), Value::Bool(true));
    }
    schema
}

/// Makes a validator count the steps of a [`counted`] schema.
pub(super) fn counting(
    options: ValidationOptions<'_, Arc<dyn Retrieve>, Counted>,
) -> ValidationOptions<'_, Arc<dyn Retrieve>, Counted> {
    options.with_keyword(STEP, |_, _, _| Ok(Box::new(Step)))
}

/// Does `check` unless it takes more than `effort`; then returns `None`. What it has allocated by
/// then is freed.
pub(super) fn within<T>(effort: Effort, check: impl FnOnce() -> T) -> Option<T> {
    LEFT.set(Some(effort.steps));
    looks::begin(effort.looks, effort.prices);
    // A validator holds nothing that a check changes.
    let result = catch_unwind(AssertUnwindSafe(check));
    LEFT.set(None);
    looks::begin(usize::MAX, Prices::default());
    match result {
        Ok(result) => Some(result),
        Err(reason) if reason.is::<OutOfSteps>() => None,
        Err(reason) => resume_unwind(reason),
    }
}

struct Step;

impl Step {
    /// Takes a step. The library offers no way to end a check early, and unwinding past it runs no
    /// panic hook.
    fn take() {
        if let Some(left) = LEFT.get() {
            match left.checked_sub(1) {
                Some(left) => LEFT.set(Some(left)),
                None => resume_unwind(Box::new(OutOfSteps)),
            }
        }
    }
}

impl<'i> Keyword<'i, Counted> for Step {
    fn validate(&self, _: Seen<'i>) -> Result<(), ValidationError<'i>> {
        Self::take();
        Ok(())
    }

    fn is_valid(&self, _: Seen<'i>) -> bool {
        Self::take();
        true
    }
}
