//! Suggestions for queries written in the style of other programs.

use super::ListParameter;

/// Parameters of other programs, and their equivalents here.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (
        &["order", "orderby", "sortby", "sortorder", "ordering", "direction", "dir", "desc"],
        "to sort, use `sort=name`, or `sort=-name` for descending order",
    ),
    (
        &["search", "query", "text", "term", "keyword", "keywords", "find", "match"],
        "to search for words, use `q=…`",
    ),
    (&["select", "columns", "only", "attributes"], "to choose fields, use `fields=one,other`"),
    (
        &["filter", "filters", "where", "conditions", "expression", "cel"],
        "a condition is `name=value`, a comparison such as `name[gte]=value`, or an expression in \
         `filter=…`",
    ),
    (
        &["offset", "skip", "start", "from", "after", "before", "pagetoken"],
        "for pages, use `page=2&perPage=30`, or `limit=30` and then `cursor=…` with the `next` of the answer",
    ),
    (
        &["size", "pagesize", "count", "top", "take", "max", "maxresults"],
        "for the page size, use `perPage=…`",
    ),
    (&["facet", "distinct", "countby"], "to count values, use `facets=name`"),
    (
        &["group", "groupby", "aggregate", "aggs", "by"],
        "to group items, use `groupBy=name`, with `stats=name` for figures",
    ),
    (
        &["unwind", "flatten", "explode", "rows"],
        "to make each element of a list an item, use `unnest=name`",
    ),
    (&["expand", "populate", "embed", "join"], "to include referenced records, use `include=name`"),
    (
        &["output", "fmt", "as"],
        "to choose the format, use `format=csv`, `format=ndjson` or `format=json`",
    ),
];

/// Suffixes that express comparisons in other programs, and our operators for them.
const COMPARISONS: [(&str, &str); 11] = [
    ("__gte", "gte"),
    ("__lte", "lte"),
    ("__gt", "gt"),
    ("__lt", "lt"),
    ("_gte", "gte"),
    ("_lte", "lte"),
    ("_gt", "gt"),
    ("_lt", "lt"),
    (">", "gte"),
    ("<", "lte"),
    ("!", "ne"),
];

/// Names for comparisons in other programs, and their equivalents here.
const OPERATORS: &[(&[&str], &str)] = &[
    (&["like", "ilike", "match", "search", "includes", "has", "substring"], "contains"),
    (&["startswith", "begins", "beginswith"], "prefix"),
    (&["not", "neq", "isnot"], "ne"),
    (&["notin", "none"], "nin"),
    (&["is", "equals", "equal"], "eq"),
    (&["ge", "min", "from", "since"], "gte"),
    (&["le", "max", "to", "until"], "lte"),
    (&["above", "greater", "after"], "gt"),
    (&["below", "less", "before"], "lt"),
    (&["any", "oneof"], "in"),
    (&["null", "isnull", "isset", "present"], "exists"),
];

/// Suggests an operator for an unknown one.
pub(super) fn operator(field: &str, operator: &str) -> Option<String> {
    if operator.is_empty() {
        return Some(format!("; to find a value in a list, use `{field}=…`"));
    }
    let folded = folded(operator);
    let (_, meant) = OPERATORS.iter().find(|(names, _)| names.contains(&&*folded))?;
    Some(format!("; did you mean `{field}[{meant}]`?"))
}

/// Suggests how to write what `name` requests: an order, a comparison or a parameter in the style
/// of another program. `is_field` recognizes fields.
pub(super) fn rewritten(
    parameter: &str,
    name: &str,
    is_field: impl Fn(&str) -> bool,
) -> Option<String> {
    if parameter == "sort" {
        return order(name, is_field);
    }
    if let Some((bare, _)) = parameter.split_once('[').filter(|(bare, _)| takes_no_brackets(bare)) {
        return Some(format!("`{bare}` has no brackets: write `{bare}=…`"));
    }
    COMPARISONS.iter().find_map(|(end, operator)| {
        let field = name.strip_suffix(end).filter(|field| is_field(field))?;
        Some(format!("a comparison is `{field}[{operator}]=…`"))
    })
}

/// Returns whether `name` is one of our parameters whose bracketed form other programs do not use:
/// `filter[age]` is a condition there.
fn takes_no_brackets(name: &str) -> bool {
    ListParameter::of(name).is_some_and(|parameter| parameter != ListParameter::Filter)
}

fn order(name: &str, is_field: impl Fn(&str) -> bool) -> Option<String> {
    let told = |field: &str| format!("`{field}` sorts ascending, `-{field}` descending");
    if matches!(name, "desc" | "asc" | "descending" | "ascending") {
        return Some(told("name"));
    }
    let cut = [":desc", ":asc", " desc", " asc", ".desc", ".asc"];
    let field = cut.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let field = field.trim_start_matches(['+', ' ']);
    (field != name && is_field(field)).then(|| told(field))
}

/// Returns the equivalent of a parameter that other programs call `name`.
pub(super) fn elsewhere(parameter: &str, name: &str) -> Option<&'static str> {
    // A field in a list of fields is not a parameter.
    if !parameter.starts_with(name) {
        return None;
    }
    let folded = folded(name);
    ELSEWHERE.iter().find(|(names, _)| names.contains(&&*folded)).map(|(_, told)| *told)
}

/// Returns a name without case, dashes and the like.
fn folded(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(parameter: &str) -> Option<String> {
        let name = parameter.split('[').next().unwrap();
        rewritten(parameter, name, |field| field == "age")
            .or_else(|| elsewhere(parameter, name).map(str::to_owned))
    }

    #[test]
    fn what_other_programs_call_a_parameter_is_told() {
        for (parameter, words) in [
            ("order", "`sort=-name`"),
            ("orderBy", "`sort=-name`"),
            ("sort_by", "`sort=-name`"),
            ("search", "`q=…`"),
            ("$select", "`fields=one,other`"),
            ("filter[age]", "`name=value`"),
            ("where", "`name[gte]=value`"),
            ("offset", "`page=2&perPage=30`"),
            ("page_size", "`perPage=…`"),
            ("group_by", "`groupBy=name`"),
            ("facet", "`facets=name`"),
            ("expand", "`include=name`"),
            ("output", "`format=csv`"),
            ("sort[]", "`sort` has no brackets"),
            ("page[size]", "`page` has no brackets"),
            ("age_gt", "`age[gt]=…`"),
            ("age__lte", "`age[lte]=…`"),
            ("age>", "`age[gte]=…`"),
            ("age!", "`age[ne]=…`"),
        ] {
            let told = told(parameter).unwrap_or_default();
            assert!(told.contains(words), "{parameter}: {told}");
        }
        for unknown in ["colour", "name_gt", "", "ageing"] {
            assert_eq!(told(unknown), None, "{unknown}");
        }
        assert_eq!(elsewhere("fields", "order"), None, "a name in a list of fields");
    }

    #[test]
    fn what_other_programs_call_an_operator_is_told() {
        for (unknown, meant) in
            [("like", "contains"), ("startsWith", "prefix"), ("not_in", "nin"), ("above", "gt")]
        {
            let told = operator("age", unknown).unwrap_or_default();
            assert_eq!(told, format!("; did you mean `age[{meant}]`?"));
        }
        assert!(operator("tags", "").is_some_and(|told| told.contains("`tags=…`")));
        assert_eq!(operator("age", "near"), None);
    }

    #[test]
    fn an_order_as_others_write_it_is_told() {
        for order in ["age:desc", "age desc", "+age", " age", "age.asc"] {
            let told = rewritten("sort", order, |field| field == "age");
            assert_eq!(
                told.as_deref(),
                Some("`age` sorts ascending, `-age` descending"),
                "{order}"
            );
        }
        let told = rewritten("sort", "desc", |field| field == "age");
        assert_eq!(told.as_deref(), Some("`name` sorts ascending, `-name` descending"));
        assert_eq!(rewritten("sort", "colour", |field| field == "age"), None);
    }
}
