use std::cmp::Ordering;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::query::ListQuery;
use crate::query::tests::sheet;

/// Returns the keys of a list with a filter, and the number of skipped records.
fn listed(
    (sheet, text): &(Sheet, crate::search::TextIndex),
    filter: &str,
) -> Result<(Vec<usize>, usize), String> {
    let pairs = [("filter".to_owned(), filter.to_owned())];
    let query = ListQuery::parse(&pairs, sheet).map_err(|problems| problems[0].message.clone())?;
    let page = query.whole(sheet).run(sheet, text, &Budget::unlimited()).unwrap();
    let keys = page.items.iter().map(|item| item.record.key.as_str().parse().unwrap());
    Ok((keys.collect(), page.skipped.unwrap()))
}

/// Returns the verdict of a constant expression.
fn judged(filter: &str) -> Result<Verdict, String> {
    let sheet = sheet("[sheets.s]\n", &[json!({"n": 1})]);
    let (keys, skipped) = listed(&sheet, filter)?;
    Ok(match (keys.len(), skipped) {
        (1, 0) => Verdict::Holds,
        (0, 0) => Verdict::Fails,
        _ => Verdict::Undecided,
    })
}

#[test]
fn an_expression_weighs_what_its_patterns_take() {
    let (sheet, _) = sheet("[sheets.s]\n", &[json!({"n": "a"})]);
    let weight = |filter: &str| {
        let pairs = [("filter".to_owned(), filter.to_owned())];
        ListQuery::parse(&pairs, &sheet).unwrap().weight()
    };
    let small = weight("n.matches('a') || n.contains('pL{2}')");
    let one = weight("n.matches('[\\\\pL]{2}') || n == 'b'");
    let two = weight("n.matches('[\\\\pL]{2}') || n.matches('[\\\\pL]{3}')");
    assert!(small < 20_000, "{small}");
    assert!(one > small + 50_000 && two > one + 50_000, "{small}, {one} and {two}");
}

#[test]
fn what_the_specification_calls_true_holds() {
    for text in [
        "1 == 1u && 1 == 1.0 && 1 != '1' && null != 0 && [1, 2.0] == [1.0, 2]",
        "{'a': 1} == {'a': 1.0} && {1: 2}[1u] == 2 && !({'a': 1} == {'b': 1})",
        "7 / 2 == 3 && -7 / 2 == -3 && -7 % 2 == -1 && 7.0 / 2.0 == 3.5",
        "1 < 1.5 && 2u > 1 && 'a' < 'b' && 'Z' < 'a' && false < true && b'a' < b'b'",
        "true || 1 / n == n / 0",
        "n / 0 == 1 || true",
        "!(false && n / 0 == 1) && !(n / 0 == 1 && false)",
        "[0, 1, 2].exists(x, 2 / x == 1) && ![0, 1].all(x, 2 / x == 3)",
        "[1, 2, 3].exists_one(x, x > 2) && ![1, 2].exists_one(x, x > 0)",
        "[1, 2, 3].filter(x, x > 1) == [2, 3] && [1, 2].map(x, x * x) == [1, 4]",
        "[1, 2, 3].map(x, x > 1, x + 1) == [3, 4]",
        "[[1], [2, 3]].exists(l, l.exists(x, x == 3)) && {'a': 1}.all(k, k == 'a')",
        "[1, 2].all(x, [3, 4].all(y, x < y && [x, y].exists(z, z == x)))",
        "2 in [1, 2] && 'a' in {'a': 1} && !('b' in {'a': 1}) && !(1 in [])",
        "has({'a': null}.a) && !has({'a': 1}.b) && {'a': {'b': 2}}.a.b == 2",
        "(1 > 2 ? 'a' : 'b') == 'b' && (true ? 1 : n / 0) == 1",
        "size('äöü') == 3 && 'äöü'.size() == 3 && size([1, 2]) == 2 && size({}) == 0",
        "'hello'.contains('ell') && 'hello'.startsWith('he') && 'hello'.endsWith('lo')",
        "'hello'.matches('l+o$') && !'hello'.matches('^l') && matches('a1', '[0-9]')",
        "'tacocat'.charAt(3) == 'o' && 'tacocat'.indexOf('a') == 1 && 'a'.charAt(1) == ''",
        "'tacocat'.lastIndexOf('a') == 5 && 'tacocat'.lastIndexOf('at', 2) == -1",
        "'tacocat'.indexOf('a', 3) == 5 && 'ta©o©αT'.lastIndexOf('©') == 4",
        "'TacoCat'.lowerAscii() == 'tacocat' && 'tacoCÆt'.upperAscii() == 'TACOCÆT'",
        "'12 days 12 hours'.replace('{0}', '2') == '12 days 12 hours' && 'aa'.replace('a', 'b', 1) == 'ba'",
        "'hello hello'.split(' ') == ['hello', 'hello'] && 'a,b,c'.split(',', 2) == ['a', 'b,c']",
        "'abc'.split('') == ['a', 'b', 'c'] && 'abc'.split('', 2) == ['a', 'bc'] && 'a'.split('b', 0) == []",
        "'tacocat'.substring(4) == 'cat' && 'ta©o©αT'.substring(2, 6) == '©o©α'",
        "' \\n a\\t'.trim() == 'a' && ['x', 'y'].join('-') == 'x-y' && 'abc'.reverse() == 'cba'",
        "int('5') == 5 && int(5.9) == 5 && int(-5.9) == -5 && uint('7') == 7u && double('1.5') == 1.5",
        "string(1.5) == '1.5' && string(true) == 'true' && bool('t') && string(b'a') == 'a'",
        "type(1) == int && type(1u) == uint && type('') == string && type([]) == list && type(null) == null_type",
        "timestamp('2024-05-01T12:00:00+02:00') == timestamp('2024-05-01T10:00:00Z')",
        "timestamp('2024-05-01').getMonth() == 4 && timestamp('2024-05-01').getDayOfWeek() == 3",
        "timestamp('2024-05-01T23:30:00Z').getDate('+02:00') == 2 && timestamp(0).getFullYear() == 1970",
        "timestamp('2024-03-01') - timestamp('2024-02-01') == duration('696h')",
        "timestamp('2024-02-28') + duration('48h') == timestamp('2024-03-01')",
        "duration('90m').getHours() == 1 && duration('90m').getMinutes() == 90 && string(duration('1m')) == '60s'",
        "'2024-05-01' < timestamp('2024-05-02') && timestamp('2024-05-01') == '2024-05-01T00:00:00Z'",
        "'2024-05-01 09:00:00 -0500' == timestamp('2024-05-01T14:00:00Z')",
        "math.greatest(1, 2.5, 2u) == 2.5 && math.least([3, 1, 2]) == 1 && math.ceil(1.2) == 2.0",
        "math.abs(-3) == 3 && math.sign(-2.0) == -1.0 && math.round(-1.5) == -2.0 && math.isNaN(0.0 / 0.0)",
        "[1, 2].sum() == 3 && [3, 1].min() == 1 && ['a', 'b'].max() == 'b' && [1, 1.0, 2].distinct() == [1, 2]",
        "sets.contains([1, 2], [2]) && sets.equivalent([1, 1], [1]) && !sets.intersects([1], [2])",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.0.0-rc.1').isLessThan(semver('1.0.0'))",
        "semver('1.2.3').compareTo(semver('1.2.3+b')) == 0 && semver('v1.2', true).minor() == 2",
        "isSemver('1.2.3') && !isSemver('1.2') && isSemver('1.2', true)",
        "cvss('CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H') == 9.8",
        "9223372036854775807 > 9223372036854775806.0 || true",
        "n == 1 && has(n) && _key == '000' && `n` == 1",
    ] {
        assert_eq!(judged(text), Ok(Verdict::Holds), "{text}");
    }
}

#[test]
fn what_has_no_value_is_not_true_and_is_counted() {
    for text in [
        "n / 0 == 1",
        "n % 0 == 1",
        "n + 9223372036854775807 > 0",
        "-(-9223372036854775807 - n) > 0",
        "(n - 1 + -9223372036854775807 - 1) / -1 > 0",
        "n + 1.0 == 2.0",
        "n + 'a' == 'a'",
        "n < 'a'",
        "!n",
        "n && true",
        "n ? true : false",
        "n.x == 1",
        "has(n.x)",
        "[1][n] == 1",
        "{'a': 1}.b == n",
        "n in 5",
        "n.all(x, true)",
        "[1, n].all(x, 1 / (x - 1) > 0)",
        "[n, 0].exists_one(x, 1 / x == 1)",
        "{n: 1, 1.0: 2} == {}",
        "string(n).substring(2) == ''",
        "timestamp(string(n)) > now",
        "string(n) < now",
        "[n].min() == 'a' || [n, 'a'].max() == 1",
        "n",
    ] {
        let text = text.replace("n.x", "[n].x");
        assert_eq!(judged(&text), Ok(Verdict::Undecided), "{text}");
    }
}

#[test]
fn what_can_be_seen_to_be_wrong_is_told_with_its_place() {
    for (text, told) in [
        ("nn == 1", "column 1: `nn` is not a known field of s"),
        ("m == 1", "column 1: `m` is not a known field of s"),
        (
            "n == 1 && n.lowerAsci()",
            "column 13: `lowerAsci` is not a function; did you mean lowerAscii?",
        ),
        ("startsWith('a', n)", "column 1: `startsWith` is called on a value"),
        ("n.timestamp()", "column 3: `timestamp` is not called on a value"),
        ("'a'.substring() == ''", "column 5: `substring` needs 1 to 2 values, not 0"),
        ("'é' == 'a' && x", "column 15: `x` is not a known field of s"),
        ("n.matches('(')", "column 3: the pattern of `matches` is not valid"),
        ("n.matches('\\\\w{1000}')", "column 3: the pattern of `matches` is not valid"),
        ("'a'.matches(string(n))", "column 5: the pattern of `matches` must be a string in quotes"),
        ("timestamp('soon') < now", "column 1: `timestamp` is neither a date nor a date-time"),
        ("duration('90d') < now - now", "column 1: `duration` is not a duration"),
        ("semver('1').major() == 1", "column 1: `semver` is not a semantic version"),
        ("n + 1", "column 3: is a value, and no condition"),
        ("'a'", "column 1: is a value, and no condition"),
        ("ref(n) == null", "column 1: `ref` reads other records, which is not possible here"),
        ("[n].exists(1, true)", "column 12: expected a name for the element"),
        ("[n].exists(x)", "column 5: `exists` needs a variable and a condition"),
        ("has(1)", "column 1: `has` needs a field"),
        ("n.b == 1", "column 3: `n.b` is not a known field of s"),
        ("n == 1 and n == 2", "column 8: `and` is not expected; did you mean `&&`?"),
        ("", "column 1: the end is not expected; a value is"),
    ] {
        let flaw = judged(text).unwrap_err();
        assert!(flaw.starts_with(told), "{text}: {flaw}");
    }
    let patterns = ["string(n).matches('a')"; 9].join(" || ");
    assert!(judged(&patterns).unwrap_err().contains("more than 8 patterns"));
}

/// An expression of the model, which shares no code with the tested one: it is written as CEL, and
/// evaluated over trees of `serde_json`.
#[derive(Debug, Clone)]
enum Model {
    Literal(Json),
    Field(&'static str),
    HasField(&'static str),
    Variable(usize),
    Select(Box<Model>, &'static str),
    Has(Box<Model>, &'static str),
    Index(Box<Model>, Box<Model>),
    List(Vec<Model>),
    Not(Box<Model>),
    Negate(Box<Model>),
    Binary(&'static str, Box<Model>, Box<Model>),
    Row(&'static str, Vec<Model>),
    Choice(Box<[Model; 3]>),
    Size(Box<Model>),
    Part(&'static str, Box<Model>, Box<Model>),
    Fold(&'static str, Box<Model>, Box<Model>),
}

impl Model {
    /// Formats it inside `depth` macros.
    fn cel(&self, depth: usize) -> String {
        let all = |models: &[Self], by: &str| {
            models.iter().map(|model| model.cel(depth)).collect::<Vec<_>>().join(by)
        };
        match self {
            Self::Literal(json) => json.to_string(),
            Self::Field(name) => (*name).to_owned(),
            Self::HasField(name) => format!("has({name})"),
            // Outside any macro, use a field.
            Self::Variable(_) if depth == 0 => "a".to_owned(),
            Self::Variable(up) => format!("v{}", depth - 1 - up % depth),
            Self::Select(of, name) => format!("{}.{name}", of.cel(depth)),
            Self::Has(of, name) => format!("has({}.{name})", of.cel(depth)),
            Self::Index(of, at) => format!("{}[{}]", of.cel(depth), at.cel(depth)),
            Self::List(models) => format!("[{}]", all(models, ", ")),
            Self::Not(of) => format!("!({})", of.cel(depth)),
            Self::Negate(of) => format!("-({})", of.cel(depth)),
            Self::Binary(sign, one, other) => {
                format!("({} {sign} {})", one.cel(depth), other.cel(depth))
            }
            Self::Row(sign, models) => format!("({})", all(models, &format!(" {sign} "))),
            Self::Choice(models) => {
                let [a, b, c] = &**models;
                format!("({} ? {} : {})", a.cel(depth), b.cel(depth), c.cel(depth))
            }
            Self::Size(of) => format!("size({})", of.cel(depth)),
            Self::Part(name, of, part) => {
                format!("({}).{name}({})", of.cel(depth), part.cel(depth))
            }
            Self::Fold(name, range, test) => {
                format!("({}).{name}(v{depth}, {})", range.cel(depth), test.cel(depth + 1))
            }
        }
    }

    fn value(&self, record: &Json, variables: &mut Vec<Json>) -> Option<Json> {
        match self {
            Self::Literal(json) => Some(json.clone()),
            Self::Field(name) => record.get(name).cloned(),
            Self::HasField(name) => Some(json!(record.get(name).is_some())),
            Self::Variable(up) => match variables.len() {
                0 => record.get("a").cloned(),
                depth => Some(variables[depth - 1 - up % depth].clone()),
            },
            Self::Select(of, name) => of.value(record, variables)?.as_object()?.get(*name).cloned(),
            Self::Has(of, name) => {
                Some(json!(of.value(record, variables)?.as_object()?.contains_key(*name)))
            }
            Self::Index(of, at) => {
                let (of, at) = (of.value(record, variables)?, at.value(record, variables)?);
                match (&of, &at) {
                    (Json::Array(list), Json::Number(at)) => {
                        let at = at.as_f64()?;
                        (at.fract() == 0.0 && at >= 0.0).then(|| list.get(at as usize).cloned())?
                    }
                    (Json::Object(map), Json::String(key)) => map.get(key).cloned(),
                    _ => None,
                }
            }
            Self::List(models) => {
                let values = models.iter().map(|model| model.value(record, variables));
                Some(Json::Array(values.collect::<Option<_>>()?))
            }
            Self::Not(of) => Some(json!(!of.value(record, variables)?.as_bool()?)),
            Self::Negate(of) => match of.value(record, variables)? {
                Json::Number(number) => match number.as_i64() {
                    Some(int) => Some(json!(int.checked_neg()?)),
                    None => Some(json!(-number.as_f64()?)),
                },
                _ => None,
            },
            Self::Binary(sign, one, other) => {
                let (one, other) = (one.value(record, variables)?, other.value(record, variables)?);
                binary(sign, &one, &other)
            }
            Self::Row(sign, models) => {
                let deciding = *sign == "||";
                let values: Vec<_> =
                    models.iter().map(|model| model.value(record, variables)).collect();
                decided(&values, deciding)
            }
            Self::Choice(models) => {
                let [condition, yes, no] = &**models;
                let holds = condition.value(record, variables)?.as_bool()?;
                if holds { yes } else { no }.value(record, variables)
            }
            Self::Size(of) => Some(json!(match of.value(record, variables)? {
                Json::String(text) => text.chars().count(),
                Json::Array(list) => list.len(),
                Json::Object(map) => map.len(),
                _ => return None,
            })),
            Self::Part(name, of, part) => {
                let (of, part) = (of.value(record, variables)?, part.value(record, variables)?);
                let (of, part) = (of.as_str()?, part.as_str()?);
                Some(json!(if *name == "contains" {
                    of.contains(part)
                } else {
                    of.starts_with(part)
                }))
            }
            Self::Fold(name, range, test) => {
                let items: Vec<Json> = match range.value(record, variables)? {
                    Json::Array(list) => list,
                    Json::Object(map) => map.keys().map(|key| json!(key)).collect(),
                    _ => return None,
                };
                let tested = items.iter().map(|item| {
                    variables.push(item.clone());
                    let value = test.value(record, variables);
                    variables.pop();
                    value
                });
                let tested: Vec<Option<Json>> = tested.collect();
                match *name {
                    "all" => decided(&tested, false),
                    "exists" => decided(&tested, true),
                    "map" => Some(Json::Array(tested.into_iter().collect::<Option<_>>()?)),
                    _ => {
                        let held = tested.iter().map(|value| value.as_ref()?.as_bool());
                        let held: Vec<bool> = held.collect::<Option<_>>()?;
                        let chosen = items.into_iter().zip(&held).filter(|(_, held)| **held);
                        let chosen: Vec<Json> = chosen.map(|(item, _)| item).collect();
                        Some(if *name == "filter" {
                            json!(chosen)
                        } else {
                            json!(chosen.len() == 1)
                        })
                    }
                }
            }
        }
    }
}

fn decided(values: &[Option<Json>], deciding: bool) -> Option<Json> {
    if values.contains(&Some(json!(deciding))) {
        return Some(json!(deciding));
    }
    values.iter().all(|value| *value == Some(json!(!deciding))).then(|| json!(!deciding))
}

fn binary(sign: &str, one: &Json, other: &Json) -> Option<Json> {
    let ints = one.as_i64().zip(other.as_i64());
    let floats =
        (one.is_f64() && other.is_f64()).then(|| one.as_f64().zip(other.as_f64())).flatten();
    Some(match sign {
        "==" => json!(same(one, other)),
        "!=" => json!(!same(one, other)),
        "in" => match other {
            Json::Array(list) => json!(list.iter().any(|it| same(one, it))),
            Json::Object(map) => json!(one.as_str().is_some_and(|key| map.contains_key(key))),
            _ => return None,
        },
        "<" | "<=" | ">" | ">=" => {
            let order = match (one, other) {
                (Json::Bool(one), Json::Bool(other)) => one.cmp(other),
                (Json::String(one), Json::String(other)) => one.cmp(other),
                (Json::Number(_), Json::Number(_)) => match ints {
                    Some((one, other)) => one.cmp(&other),
                    // Numbers of different types are small in the model.
                    None => one.as_f64()?.partial_cmp(&other.as_f64()?)?,
                },
                _ => return None,
            };
            json!(match sign {
                "<" => order == Ordering::Less,
                "<=" => order != Ordering::Greater,
                ">" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            })
        }
        "+" => match (one, other) {
            (Json::String(one), Json::String(other)) => json!(format!("{one}{other}")),
            (Json::Array(one), Json::Array(other)) => json!([&one[..], &other[..]].concat()),
            _ => match (ints, floats) {
                (Some((one, other)), _) => json!(one.checked_add(other)?),
                (None, Some((one, other))) => json!(one + other),
                _ => return None,
            },
        },
        "-" => match (ints, floats) {
            (Some((one, other)), _) => json!(one.checked_sub(other)?),
            (None, Some((one, other))) => json!(one - other),
            _ => return None,
        },
        "*" => match (ints, floats) {
            (Some((one, other)), _) => json!(one.checked_mul(other)?),
            (None, Some((one, other))) => json!(one * other),
            _ => return None,
        },
        _ => json!(ints.and_then(|(one, other)| one.checked_rem(other))?),
    })
}

fn same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(a), Json::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a == b,
            _ => a.as_f64() == b.as_f64(),
        },
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => one == other,
    }
}

fn any_scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        1 => Just(Json::Null),
        2 => any::<bool>().prop_map(Json::from),
        4 => (-2..4_i64).prop_map(Json::from),
        1 => prop::sample::select(vec![json!(i64::MAX), json!(i64::MIN + 1)]),
        2 => prop::sample::select(vec![json!(0.5), json!(1.0), json!(2.0), json!(-1.5)]),
        3 => prop::sample::select(vec!["", "x", "y", "xy", "2024-01-01", "ä\n"]).prop_map(Json::from),
    ]
}

fn any_json() -> impl Strategy<Value = Json> {
    any_scalar().prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("[xy]", inner, 0..3)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

const FIELDS: [&str; 4] = ["a", "b", "l", "x"];

fn any_record() -> impl Strategy<Value = Json> {
    let record = prop::collection::btree_map(prop::sample::select(&FIELDS[..]), any_json(), 0..5);
    record.prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Returns a record with every field that an expression of the model can name.
fn all_fields() -> Json {
    let leaf = json!({"x": {"x": {"x": 1, "y": 1}, "y": 1}, "y": {"x": 1, "y": {"x": 1, "y": 1}}});
    json!({"a": leaf, "b": leaf, "l": [leaf], "x": leaf})
}

fn any_model() -> impl Strategy<Value = Model> {
    let name = || prop::sample::select(vec!["x", "y"]);
    let field = || prop::sample::select(&FIELDS[..]);
    let reference = prop_oneof![
        3 => field().prop_map(Model::Field),
        3 => (0..3_usize).prop_map(Model::Variable),
    ];
    let leaf = prop_oneof![
        3 => any_scalar().prop_map(Model::Literal),
        4 => reference.clone(),
        1 => field().prop_map(Model::HasField),
        2 => (reference.clone(), name()).prop_map(|(of, name)| Model::Select(of.into(), name)),
        1 => (reference, name()).prop_map(|(of, name)| Model::Has(of.into(), name)),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let two = || (inner.clone(), inner.clone());
        let sign = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "%"]);
        let compared = prop::sample::select(vec!["==", "<", ">=", "in", "!="]);
        let row = prop::sample::select(vec!["&&", "||"]);
        let macros = prop::sample::select(vec!["all", "exists", "exists_one", "filter", "map"]);
        let part = prop::sample::select(vec!["contains", "startsWith"]);
        prop_oneof![
            4 => (compared, two()).prop_map(|(sign, (a, b))| Model::Binary(sign, a.into(), b.into())),
            2 => (sign, two()).prop_map(|(sign, (a, b))| Model::Binary(sign, a.into(), b.into())),
            4 => (row, prop::collection::vec(inner.clone(), 2..4)).prop_map(|(sign, all)| Model::Row(sign, all)),
            4 => (macros, two()).prop_map(|(name, (a, b))| Model::Fold(name, a.into(), b.into())),
            1 => (part, two()).prop_map(|(name, (a, b))| Model::Part(name, a.into(), b.into())),
            1 => two().prop_map(|(of, at)| Model::Index(of.into(), at.into())),
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Model::List),
            1 => inner.clone().prop_map(|of| Model::Not(of.into())),
            1 => inner.clone().prop_map(|of| Model::Negate(of.into())),
            1 => inner.clone().prop_map(|of| Model::Size(of.into())),
            1 => (two(), inner.clone()).prop_map(|((a, b), c)| Model::Choice(Box::new([a, b, c]))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("HEADWATER_EXPRESSIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(400),
        // This many cases are evaluated, however many are rejected.
        max_global_rejects: u32::MAX,
        ..ProptestConfig::default()
    })]

    #[test]
    fn an_expression_is_what_a_model_of_it_is_with_indexes_and_without(
        model in any_model(),
        mut records in prop::collection::vec(any_record(), 1..12),
    ) {
        records.push(all_fields());
        let filter = model.cel(0);
        let without = sheet("[sheets.s]\n", &records);
        let listed_without = listed(&without, &filter);
        // Skips expressions that name no field, or are not conditions.
        prop_assume!(listed_without.is_ok());
        let (keys, skipped) = listed_without.unwrap();
        let values: Vec<_> =
            records.iter().map(|record| model.value(record, &mut Vec::new())).collect();
        let holding = values.iter().enumerate().filter(|(_, value)| **value == Some(json!(true)));
        prop_assert_eq!(&keys, &holding.map(|(at, _)| at).collect::<Vec<_>>(), "{}", filter);
        let undecided = values.iter().filter(|value| !matches!(value, Some(Json::Bool(_))));
        prop_assert_eq!(skipped, undecided.count(), "{}", filter);
        // An index excludes only records for which the filter is not true.
        let with = sheet("[sheets.s]\nindex = ['a', 'b', 'l', 'l.x', 'a.x', 'x.y', 'l.y']\n", &records);
        let (narrowed, fewer) = listed(&with, &filter).unwrap();
        prop_assert_eq!(&narrowed, &keys, "{}", filter);
        prop_assert!(fewer <= skipped, "{}", filter);
    }

    #[test]
    fn any_text_is_an_expression_or_refused(
        text in "\\PC{0,40}|([abxl.()\\[\\]{}!<>=&|?:,+*/%'\"`0-9 -]|in|has|exists|size|now|_key|x,){0,30}",
        record in any_record(),
    ) {
        let sheet = sheet("[sheets.s]\n", &[record, all_fields()]);
        if let Err(flaw) = listed(&sheet, &text) {
            prop_assert!(flaw.starts_with("column "), "{}", flaw);
        }
    }
}

#[test]
fn an_expression_goes_through_an_index_where_it_can() {
    let records: Vec<Json> = (0..64)
        .map(|n| json!({"n": n, "t": [format!("t{}", n % 8), "all"], "e": {"d": format!("2024-01-{:02}", n % 28 + 1)},
            "r": [{"v": n % 4 == 0, "d": "2024-05-01"}]}))
        .collect();
    let (sheet, text) = sheet("[sheets.s]\nindex = ['n', 't', 'e.d', 'r.v']\n", &records);
    for (filter, expected) in [
        ("n == 5", 1),
        ("5.0 == n", 1),
        ("n >= 60", 4),
        ("60 <= n && n < 62", 2),
        ("n in [1, 2, 99]", 2),
        ("'t3' in t", 8),
        ("t.exists(x, x == 't3' && x != 'all')", 8),
        ("t.exists(x, x.startsWith('t7'))", 8),
        ("e.d < timestamp('2024-01-03')", 6),
        ("r.exists(x, x.v) && n < 4", 1),
        ("r[0].v && true", 16),
        ("n == 5 || n == 6", 2),
    ] {
        let pairs = [("filter".to_owned(), filter.to_owned())];
        let query = ListQuery::parse(&pairs, &sheet).unwrap();
        assert_eq!(
            query.clone().run(&sheet, &text, &Budget::unlimited()).unwrap().total,
            expected,
            "{filter}"
        );
        let is_narrowed = query.expression.as_ref().is_some_and(|it| !it.narrowings().is_empty());
        assert_eq!(is_narrowed, !filter.contains("||"), "{filter}");
        assert_eq!(query.unindexed(&sheet), [] as [&crate::value::FieldPath; 0], "{filter}");
    }
}

#[test]
fn work_that_multiplies_ends_with_the_budget() {
    let list: Vec<u32> = (0..2_000).collect();
    let sheet = sheet("[sheets.s]\n", &[json!({"l": list})]);
    let nested = "l.all(a, l.all(b, l.all(c, a + b + c >= 0)))";
    for filter in
        [nested, "l.map(a, l.map(b, l)).size() == 0", "l.distinct().distinct().size() == 1"]
    {
        let asked = std::rc::Rc::new(std::cell::Cell::new(0));
        let counted = asked.clone();
        let budget = Budget::while_true(move || {
            counted.set(counted.get() + 1);
            counted.get() < 20
        });
        let pairs = [("filter".to_owned(), filter.to_owned())];
        let query = ListQuery::parse(&pairs, &sheet.0).unwrap();
        assert!(query.run(&sheet.0, &sheet.1, &budget).is_err(), "{filter}");
        assert_eq!(asked.get(), 20, "{filter}");
    }
}

/// Runs a filter with a budget that says no at the question `last`; returns how often it was asked,
/// and whether the list was answered.
fn asked_of(
    (sheet, text): &(Sheet, crate::search::TextIndex),
    filter: &str,
    last: usize,
) -> (usize, bool) {
    let asked = std::rc::Rc::new(std::cell::Cell::new(0));
    let counted = asked.clone();
    let budget = Budget::while_true(move || {
        counted.set(counted.get() + 1);
        counted.get() < last
    });
    let pairs = [("filter".to_owned(), filter.to_owned())];
    let query = ListQuery::parse(&pairs, sheet).unwrap();
    let is_answered = query.run(sheet, text, &budget).is_ok();
    (asked.get(), is_answered)
}

#[test]
fn comparing_what_is_shared_ends_with_the_budget() {
    let (long, list) = ("x".repeat(5_000), (0..2_000).collect::<Vec<u32>>());
    let few: Vec<u32> = (0..1_000).collect();
    let record = json!({"l": list, "f": few, "t": long, "o": {"a": list, "b": 1}});
    let sheet = sheet("[sheets.s]\n", &[record]);
    // Of each, two values that are made of the same large parts, a thousand times.
    for filter in [
        "f.map(x, l) == f.map(x, l)",
        "f.map(x, l) != f.map(x, l)",
        "f.map(x, o) == f.map(x, o)",
        "f.map(x, [l]) == f.map(x, [l])",
        "f.map(x, {'a': l}) == f.map(x, {'a': l})",
        "f.map(x, {'a': l, 'b': 1}) == f.map(x, o)",
        "[t].exists(y, f.map(x, y) == f.map(x, y))",
        "f.all(x, !((l + ['y']) in [l + ['z']]))",
        "f.map(x, l).exists(y, [y, 1] in f.map(x, [y, 2]))",
        "f.map(x, [l]).distinct().size() == 1",
        "sets.contains(f.map(x, l), f.map(x, [x]))",
        "sets.equivalent(f.map(x, [l]), f.map(x, [l]))",
        "sets.intersects(f.map(x, [l]), f.map(x, [x]))",
        "[t].exists(y, f.map(x, y).max() == y)",
        "f.all(x, {t + 'a': 1, t + 'b': 2}[t + 'b'] == 2)",
        "f.all(x, t == t)",
        "f.all(x, [[[t]]] == [[[t]]])",
    ] {
        let (asked, is_answered) = asked_of(&sheet, filter, 20);
        assert!(asked == 20 && !is_answered, "{filter}: asked {asked} times");
    }
}

#[test]
fn what_one_evaluation_makes_is_bounded_and_what_it_made_and_left_is_not_counted() {
    let list: Vec<u32> = (0..1_000).collect();
    let sheet = sheet("[sheets.s]\n", &[json!({"v": [1], "l": list, "t": "x".repeat(60_000)})]);
    let shared = |times: usize| "v".to_owned() + &".map(a, [a, a, a, a])".repeat(times);
    let large = format!("'{}'.replace('a', '{}')", "a".repeat(500), "b".repeat(500));
    for (filter, skipped) in [
        // A list that would be as large as that as a tree.
        (format!("{} == []", shared(20)), 1),
        (format!("{0} == {0}", shared(5)), 0),
        // Sixty thousand times a text of 250 KB.
        (format!("[{large}].exists(b, t.split('').map(i, b).size() > 1)"), 1),
        (format!("[{large}].exists(b, b.substring(0, 60000).split('').map(i, b).size() > 1)"), 1),
        ("l.map(x, l.map(y, x + y)).size() > 1".to_owned(), 1),
        ("[t + 'a', t + 'b'].map(x, x.split('')).size() > 1".to_owned(), 1),
        // A hundred megabytes, of which one piece is there at a time.
        (format!("l.all(x, [{large}].size() == 1 && (t + string(x)).size() > 60000)"), 0),
        ("l.filter(x, (t + 'y').split('y').size() == 2).size() == 1000".to_owned(), 0),
        ("t.split('').size() == 60000".to_owned(), 0),
    ] {
        let told = listed(&sheet, &filter).unwrap();
        assert_eq!(told, (if skipped == 0 { vec![0] } else { vec![] }, skipped), "{filter}");
    }
}

#[test]
fn a_large_value_of_constants_is_not_kept_with_the_expression() {
    let (sheet, _) = sheet("[sheets.s]\n", &[json!({"n": 1})]);
    let more = ".replace('a', 'aaaaaaaaaaaaaaaaaaaaa')";
    let large = format!("'a'{more}{more}{more}.split('')");
    for part in [
        "string(n) in 'abc'.split('')".to_owned(),
        format!("string(n) in {large}"),
        format!("[n] == {large}.distinct()"),
        format!("has(n) == sets.equivalent({large}, {large})"),
    ] {
        let text = vec![part; 8].join(" || ");
        let expression = Expression::new(&text, &sheet, None, Timestamp::FIRST).unwrap();
        let kept = format!("{expression:?}").len();
        assert!(kept < 64 * text.len(), "{text}: {kept}");
    }
    // What is wrong is told although it is not kept.
    assert!(judged(&format!("{large}.size() == timestamp('soon')")).is_err());
}
