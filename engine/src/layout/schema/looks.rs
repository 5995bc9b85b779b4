//! A value that counts how often a check looks at it.
//!
//! A schema and a value of a megabyte each have ten billion pairs of parts, and every keyword of
//! every part of the schema that applies to a value looks at it at least once. So the number of looks
//! bounds the work of a check, whatever the schema. It depends on nothing but the schema and the
//! value, so the result is the same on every machine.

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::resume_unwind;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object, SerdeJson};
use serde_json::{Map, Number, Value};

use super::out_of_steps::OutOfSteps;

/// The bytes of a text that are compared or searched at the price of a look.
const TEXT: usize = 64;

/// Up to so many elements are compared with one another for duplicates; more are hashed.
const PAIRWISE: usize = 15;

/// The patterns that a name is compared with at the price of one.
const AT_ONCE: usize = 64;

/// What the texts in a value cost under a schema, in looks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Prices {
    /// The patterns that the name of a member may be compared with.
    pub(super) names: usize,
    /// How deep the patterns nest look-arounds, if any pattern has one: such a pattern may read
    /// the rest of a text again at each of its characters.
    pub(super) around: Option<u32>,
}

impl Prices {
    /// Returns the price of comparing a text with one pattern.
    fn of(self, text: &str) -> usize {
        let length = text.len();
        let linear = 1 + length / TEXT;
        self.around.map_or(linear, |depth| {
            let again = length.saturating_pow(depth + 1) / 1_000;
            let back = 1 << length.min(10);
            linear.saturating_add(again).saturating_add(back / 10)
        })
    }
}

thread_local! {
    /// The looks that the check on this thread may still take.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    static PRICES: Cell<Prices> = const { Cell::new(Prices { names: 0, around: None }) };
}

/// Begins to count down from `looks` on this thread.
pub(super) fn begin(looks: usize, prices: Prices) {
    LEFT.set(looks);
    PRICES.set(prices);
}

/// Takes looks, and ends the check if there are not enough left.
fn take(looks: usize) {
    match LEFT.get().checked_sub(looks) {
        Some(left) => LEFT.set(left),
        None => resume_unwind(Box::new(OutOfSteps)),
    }
}

/// Takes the looks of comparing two values, up to the first difference. Returns whether they are
/// equal.
fn take_comparison(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(these), Value::Array(those)) => {
            take(1);
            these.len() == those.len()
                && these.iter().zip(those).all(|(one, other)| take_comparison(one, other))
        }
        (Value::Object(these), Value::Object(those)) => {
            take(1);
            // One after the other by the names of the first: the order of the library does not
            // matter, since no order compares more than all members.
            these.len() == those.len()
                && these.iter().all(|(name, one)| {
                    take(name.len() / TEXT);
                    those.get(name).is_some_and(|other| take_comparison(one, other))
                })
        }
        (Value::String(this), Value::String(that)) => {
            take(1 + this.len().min(that.len()) / TEXT);
            this == that
        }
        _ => {
            take(1);
            Node::<'_, SerdeJson>::equals_value(&one, other)
        }
    }
}

/// Takes a look for each value in `value`, and one for so much of each text.
fn take_all(value: &Value) {
    match value {
        Value::Array(elements) => {
            take(1);
            elements.iter().for_each(take_all);
        }
        Value::Object(members) => {
            take(1);
            for (name, member) in members {
                take(name.len() / TEXT);
                take_all(member);
            }
        }
        Value::String(text) => take(1 + text.len() / TEXT),
        _ => take(1),
    }
}

/// The values of `serde_json`, counted.
#[derive(Debug)]
pub(super) struct Counted;

/// A counted value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a>(pub(super) &'a Value);

/// The members of a counted object, or the elements of a counted array.
#[derive(Debug)]
pub(super) struct Inside<'a, T: ?Sized>(&'a T);

/// The name of a member.
type Name = <SerdeJson as Json>::PreparedKey;

impl Json for Counted {
    type Node<'a> = Seen<'a>;
    type PreparedKey = Name;
    type StringBuffer = Value;

    const KEYS_PER_LOOKUP: usize = SerdeJson::KEYS_PER_LOOKUP;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> Name {
        SerdeJson::prepare_key(key)
    }

    fn with_string_node<T>(
        buffer: &mut Value,
        string: &str,
        f: impl FnOnce(Self::Node<'_>) -> T,
    ) -> T {
        *buffer = Value::String(string.to_owned());
        f(Seen(buffer))
    }
}

impl<'a> Node<'a, Counted> for Seen<'a> {
    type Object = Inside<'a, Map<String, Value>>;
    type Array = Inside<'a, [Value]>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<Self::Object> {
        take(1);
        self.0.as_object().map(Inside)
    }

    fn as_array(&self) -> Option<Self::Array> {
        take(1);
        self.0.as_array().map(|elements| Inside(&**elements))
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        let text = self.0.as_str();
        take(text.map_or(1, |text| PRICES.get().of(text)));
        text.map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<&'a Number> {
        take(1);
        self.0.as_number()
    }

    fn as_boolean(&self) -> Option<bool> {
        take(1);
        self.0.as_bool()
    }

    fn is_null(&self) -> bool {
        take(1);
        self.0.is_null()
    }

    fn json_type(&self) -> JsonType {
        take(1);
        Node::<'_, SerdeJson>::json_type(&self.0)
    }

    fn string_length(&self) -> Option<u64> {
        take(1 + self.0.as_str().map_or(0, str::len) / TEXT);
        Node::<'_, SerdeJson>::string_length(&self.0)
    }

    fn string_length_within(&self, min: u64, max: u64) -> Option<bool> {
        take(1 + self.0.as_str().map_or(0, str::len) / TEXT);
        Node::<'_, SerdeJson>::string_length_within(&self.0, min, max)
    }

    fn equals_value(&self, expected: &Value) -> bool {
        take_comparison(self.0, expected)
    }

    fn to_value(&self) -> Cow<'a, Value> {
        take(1);
        Cow::Borrowed(self.0)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Node::<'_, SerdeJson>::identity(&self.0)
    }
}

impl<'a> Object<'a, Counted> for Inside<'a, Map<String, Value>> {
    type Node = Seen<'a>;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, key: &Name) -> Option<Seen<'a>> {
        take(1);
        self.0.get(key).map(Seen)
    }

    fn members(&self) -> Members<'a> {
        Members(self.0.iter())
    }
}

/// The members of an object, counted one by one.
pub(super) struct Members<'a>(serde_json::map::Iter<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Seen<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.0.next()?;
        let prices = PRICES.get();
        // Some keywords visit the members once for each pattern, and others once for all of them.
        let names = if prices.names > 0 { 1 + prices.names / AT_ONCE } else { 0 };
        take(1 + prices.of(name).saturating_mul(names));
        Some((name, Seen(value)))
    }
}

impl<'a> Array<'a, Counted> for Inside<'a, [Value]> {
    type Node = Seen<'a>;
    type ElementsIter = Elements<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn elements(&self) -> Elements<'a> {
        Elements(self.0.iter())
    }

    fn is_unique(&self) -> bool {
        if self.0.len() > PAIRWISE {
            self.0.iter().for_each(take_all);
            return Array::<'_, SerdeJson>::is_unique(&self.0);
        }
        let is_new = |(at, one)| !self.0[..at].iter().any(|other| take_comparison(one, other));
        self.0.iter().enumerate().all(is_new)
    }
}

/// The elements of an array, counted one by one.
pub(super) struct Elements<'a>(std::slice::Iter<'a, Value>);

impl<'a> Iterator for Elements<'a> {
    type Item = Seen<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        take(1);
        self.0.next().map(Seen)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_equal_as_the_library_says() {
        let values = [
            json!(null),
            json!(true),
            json!(0),
            json!(-0.0),
            json!(1),
            json!(1.0),
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_992_f64),
            json!("1"),
            json!("x".repeat(200)),
            json!([]),
            json!([1, [2]]),
            json!([1.0, [2]]),
            json!([1]),
            json!({}),
            json!({"a": 1, "b": [2]}),
            json!({"b": [2.0], "a": 1}),
            json!({"a": 1}),
            json!({"a": 1, "c": [2]}),
        ];
        for one in &values {
            for other in &values {
                let expected = Node::<'_, SerdeJson>::equals_value(&one, other);
                assert_eq!(take_comparison(one, other), expected, "{one} {other}");
                let pair = [one.clone(), json!("between"), other.clone()];
                let is_unique = Array::<'_, Counted>::is_unique(&Inside(&pair[..]));
                assert_eq!(is_unique, !expected, "{one} {other}");
            }
        }
    }
}
