//! Finds conditions that no value of a field can ever meet, such as `abc` for a field of numbers. They
//! are mistakes, and an empty list would hide them.

use crate::query::filter::{Filter, Literal, Test};
use crate::scalar::Types;

/// Returns what is wrong with a condition on a field whose values are of `types`; `None` if it can be
/// compared with one of these types, or if the field has no values.
pub(crate) fn mistyped(filter: &Filter, types: Types) -> Option<String> {
    if types.is_empty() {
        return None;
    }
    let Filter { field, test } = filter;
    let told = |literal: &Literal| {
        format!(
            "`{field}` has only {types}, and `{}` cannot be compared with any of these",
            literal.text()
        )
    };
    match test {
        Test::Any(literals) | Test::Not(literals) => {
            literals.iter().find(|literal| !literal.equal_types().meets(types)).map(told)
        }
        Test::Side(_, literal) => (!literal.side_types().meets(types)).then(|| told(literal)),
        Test::Text(_) if !Types::STRINGS.meets(types) => {
            Some(format!("`{field}` has only {types}, which have no parts as texts have"))
        }
        Test::Text(_) | Test::Exists(_) | Test::Size(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::filter::{PartPlace, Side, TextPart};
    use crate::scalar::{Timestamp, ValueType};
    use crate::value::FieldPath;

    #[test]
    fn a_literal_is_refused_where_no_value_has_a_type_that_it_can_take() {
        use ValueType::{Boolean, Number, Table, Text, Timestamp as Date};
        let equal = |text| Test::Any(vec![Literal::new(text)]);
        let above = |text| Test::Side(Side::Above, Literal::new(text));
        let relative = || Literal::relative("now", Timestamp::FIRST);
        let cases: &[(Test, &[ValueType], bool)] = &[
            // A field without a value has no type.
            (equal("abc"), &[], true),
            (above("abc"), &[], true),
            // Every literal can be a text, and texts are equal as they are spelled.
            (equal("abc"), &[Text], true),
            (equal("12"), &[Text], true),
            (equal("2024-05-01"), &[Text], true),
            (equal("abc"), &[Date], true),
            (equal("abc"), &[Number, Text], true),
            (equal("12"), &[Number], true),
            (equal("true"), &[Boolean], true),
            (equal("abc"), &[Number], false),
            (equal("2024-05-01"), &[Number], false),
            (equal("yes"), &[Boolean], false),
            (equal("1"), &[Boolean], false),
            (equal("true"), &[Number], false),
            (equal("abc"), &[Boolean, Number], false),
            (equal("abc"), &[Table], false),
            (equal("abc"), &[Table, Text], true),
            (Test::Any(vec![Literal::new("1"), Literal::new("x")]), &[Number], false),
            (Test::Not(vec![Literal::new("abc")]), &[Number], false),
            (Test::Not(vec![Literal::new("12")]), &[Number], true),
            (Test::Any(vec![relative()]), &[Date], true),
            (Test::Any(vec![relative()]), &[Number], false),
            // Texts and moments are not in one order.
            (above("abc"), &[Text], true),
            (above("abc"), &[Date], false),
            (above("abc"), &[Number], false),
            (above("abc"), &[Number, Text], true),
            (above("12"), &[Number], true),
            (above("12"), &[Date], false),
            (above("2024"), &[Number], true),
            (above("2024"), &[Text], true),
            (above("2024"), &[Date], true),
            (above("2024-05"), &[Date], true),
            (above("2024-05"), &[Text], true),
            (above("2024-05"), &[Number], false),
            (above("2024-05-01"), &[Date], true),
            (above("2024-05-01"), &[Text], false),
            (above("2024-05-01"), &[Text, Date], true),
            (Test::Side(Side::UpTo, relative()), &[Date], true),
            (Test::Side(Side::UpTo, relative()), &[Text], false),
            // Parts are of texts, whatever they spell.
            (Test::Text(TextPart::new("a", PartPlace::Anywhere)), &[Number], false),
            (Test::Text(TextPart::new("2024-", PartPlace::Beginning)), &[Date], true),
            (Test::Exists(true), &[Number], true),
        ];
        for (test, types, is_taken) in cases {
            let filter = Filter { field: FieldPath::new("n"), test: test.clone() };
            let types: Types = types.iter().copied().collect();
            assert_eq!(mistyped(&filter, types).is_none(), *is_taken, "{test:?} of {types}");
        }
        let filter = Filter { field: FieldPath::new("age"), test: above("abc") };
        let told = mistyped(&filter, [Number].into_iter().collect());
        let expected = "`age` has only numbers, and `abc` cannot be compared with any of these";
        assert_eq!(told.as_deref(), Some(expected));
    }
}
