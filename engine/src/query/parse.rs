//! Reads a list query from the parameters of a URL. Nothing is ignored: what is not understood is
//! a problem.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use crate::cursor::Cursor;
use crate::nearest::{did_you_mean, nearest};
use crate::query::expression::{Expression, Flaw};
use crate::query::filter::{Filter, Literal, Part, PartPlace, Side, Test};
use crate::query::limits::{MAX_FIELDS, MAX_FILTERS};
use crate::query::meant;
use crate::query::order::{Order, SortField};
use crate::query::position;
use crate::query::{
    After, DEFAULT_PAGE, Included, ListParameter, ListQuery, MAX_PAGE, Paging, Present, Projection,
    QueryProblem, Within,
};
use crate::scalar::Moment;
use crate::search;
use crate::sheet::Sheet;
use crate::value::FieldPath;

/// The most alternatives of one condition.
const MAX_ALTERNATIVES: usize = 100;
/// The most alternatives of all conditions of one list.
const MAX_ALTERNATIVES_IN_ALL: usize = 1_000;
/// The most problems that are told.
const MAX_PROBLEMS: usize = 100;

impl ListQuery {
    /// Parses the decoded parameters of a query string against the fields that the sheet knows.
    ///
    /// `field=v` and `field[ne|gt|gte|lt|lte|in|nin|prefix|contains|exists]=v` filter, as often as
    /// they occur; `eq` is what no operator means, and filters fields that are called like one of the others: `sort`,
    /// `q`, `filter`, `now`, `facets`, `fields`, `include`, and either `page` and `perPage` or `cursor` and `limit`. An empty
    /// `q` is none.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong, in the order of the parameters, up to a hundred problems.
    pub fn parse<'a>(
        pairs: &[(String, String)],
        within: impl Into<Within<'a>>,
    ) -> Result<Self, Vec<QueryProblem>> {
        let within = within.into();
        let sheet = within.sheet;
        let mut parser =
            Parser { sheet, declared: OnceCell::new(), alternatives: 0, problems: Vec::new() };
        let mut given = Given::default();
        let mut filters: Vec<Filter> = Vec::new();
        for (name, value) in pairs {
            match ListParameter::of(name) {
                Some(parameter) if given.take(parameter, value) => {}
                Some(_) => parser.problem(name, "is given more than once"),
                None => filters.extend(parser.filter(name, value)),
            }
        }
        if filters.len() > MAX_FILTERS {
            parser.problem("", format!("there are more than {MAX_FILTERS} conditions"));
        }
        let filters = each_once(filters);
        let text = given.get(ListParameter::Text).filter(|text| !text.trim().is_empty());
        let text = text.and_then(|text| {
            let parsed = search::Query::parse(text);
            parsed.map_err(|error| parser.problem("q", error.to_string())).ok()
        });
        let (expression, present) = parser.expression(&given, within);
        let order = parser.order(given.get(ListParameter::Sort), text.is_some());
        let facets = parser.fields("facets", given.get(ListParameter::Facets)).unwrap_or_default();
        let fields = parser.fields("fields", given.get(ListParameter::Fields));
        let include = given.get(ListParameter::Include).map(|names| Included::parse(names, sheet));
        let include = include.unwrap_or(Ok(Vec::new())).unwrap_or_else(|problems| {
            problems.into_iter().for_each(|problem| parser.problem("include", problem.message));
            Vec::new()
        });
        let paging = parser.paging(&given, &order);
        if !parser.problems.is_empty() {
            return Err(parser.problems);
        }
        let fields = fields.map(|fields| Projection::new(&fields));
        let sieve = OnceLock::new();
        Ok(Self {
            filters,
            sieve,
            expression,
            present,
            text,
            order,
            facets,
            paging,
            fields,
            include,
        })
    }
}

/// Cuts a list at its commas. A comma or a backslash behind a backslash belongs to an element; any
/// other backslash is one.
fn elements(list: &str) -> Vec<String> {
    let (mut elements, mut element) = (Vec::new(), String::new());
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => element.push(characters.next_if(|c| matches!(c, ',' | '\\')).unwrap_or('\\')),
            ',' => elements.push(std::mem::take(&mut element)),
            character => element.push(character),
        }
    }
    elements.push(element);
    elements
}

/// Leaves out conditions that are there already.
fn each_once(filters: Vec<Filter>) -> Vec<Filter> {
    let mut all: Vec<Filter> = Vec::with_capacity(filters.len());
    for filter in filters {
        if !all.contains(&filter) {
            all.push(filter);
        }
    }
    all
}

/// The values of the parameters that are no filters.
#[derive(Default)]
struct Given<'a>([Option<&'a str>; ListParameter::ALL.len()]);

impl<'a> Given<'a> {
    fn get(&self, parameter: ListParameter) -> Option<&'a str> {
        self.0[parameter as usize]
    }

    /// Takes the value of a parameter; returns false where there is one already.
    fn take(&mut self, parameter: ListParameter, value: &'a str) -> bool {
        self.0[parameter as usize].replace(value).is_none()
    }
}

/// For how many unknown names the one is looked for that may be meant.
const MAX_MEANT: usize = 3;

struct Parser<'a> {
    sheet: &'a Sheet,
    /// The fields that the definition of the sheet names, once they are needed.
    declared: OnceCell<BTreeSet<String>>,
    /// How many there are so far.
    alternatives: usize,
    problems: Vec<QueryProblem>,
}

impl Parser<'_> {
    /// Notes a problem, if there are not many already: what is told of each name of a list must not
    /// make an answer that is many times as long as the question.
    fn problem(&mut self, parameter: &str, message: impl Into<String>) {
        if self.problems.len() == MAX_PROBLEMS {
            return;
        }
        let (parameter, message) = (parameter.to_owned(), message.into());
        self.problems.push(QueryProblem { parameter, message });
    }

    fn filter(&mut self, name: &str, value: &str) -> Option<Filter> {
        let (field, operator) = match name.strip_suffix(']').and_then(|name| name.rsplit_once('['))
        {
            Some((field, operator)) => (field, operator),
            None => (name, "eq"),
        };
        let field = self.field(name, field)?;
        let literal = || Literal::new(value);
        let test = match operator {
            "eq" => Test::Any(vec![literal()]),
            "ne" => Test::Not(vec![literal()]),
            "gt" => Test::Side(Side::Above, literal()),
            "gte" => Test::Side(Side::From, literal()),
            "lt" => Test::Side(Side::Below, literal()),
            "lte" => Test::Side(Side::UpTo, literal()),
            "in" => Test::Any(self.alternatives(name, value)),
            "nin" => Test::Not(self.alternatives(name, value)),
            "prefix" => Test::Text(Part::new(value, PartPlace::Beginning)),
            "contains" => Test::Text(Part::new(value, PartPlace::Anywhere)),
            "exists" => match value {
                "true" => Test::Exists(true),
                "false" => Test::Exists(false),
                _ => {
                    self.problem(name, "must be `true` or `false`");
                    return None;
                }
            },
            _ => {
                let known = "eq, ne, gt, gte, lt, lte, in, nin, prefix, contains and exists";
                let meant = meant::operator(field.as_str(), operator).unwrap_or_default();
                self.problem(
                    name,
                    format!("`{operator}` is not an operator; the operators are {known}{meant}"),
                );
                return None;
            }
        };
        Some(Filter { field, test })
    }

    /// Reads a list of values.
    fn alternatives(&mut self, parameter: &str, list: &str) -> Vec<Literal> {
        let alternatives: Vec<_> = elements(list).iter().map(|text| Literal::new(text)).collect();
        if alternatives.len() > MAX_ALTERNATIVES {
            let message = format!("there are more than {MAX_ALTERNATIVES} alternatives");
            self.problem(parameter, message);
        }
        let before = self.alternatives;
        self.alternatives += alternatives.len();
        if before <= MAX_ALTERNATIVES_IN_ALL && self.alternatives > MAX_ALTERNATIVES_IN_ALL {
            let most = MAX_ALTERNATIVES_IN_ALL;
            self.problem("", format!("there are more than {most} alternatives in all conditions"));
        }
        alternatives
    }

    /// Returns the field, if the sheet knows it.
    fn field(&mut self, parameter: &str, name: &str) -> Option<FieldPath> {
        if FieldPath::has_too_many_parts(name) {
            let most = FieldPath::MOST_PARTS;
            self.problem(parameter, format!("a field has more than {most} parts between dots"));
            return None;
        }
        let spec = self.sheet.spec();
        let declared = self.declared.get_or_init(|| spec.known_fields());
        if declared.contains(name) || spec.is_open() && self.sheet.fields().contains(name) {
            return Some(FieldPath::new(name));
        }
        let mut message = format!("`{name}` is not a known field of {}", spec.name);
        // What is told must not cost more than what was asked.
        if self.problems.len() < MAX_MEANT {
            let open = self.sheet.fields().iter().filter(|_| spec.is_open());
            let known = declared.iter().map(String::as_str).chain(open.map(|(name, _)| name));
            let is_field = |name: &str| {
                declared.contains(name) || spec.is_open() && self.sheet.fields().contains(name)
            };
            let told = |told: String| format!(": {told}");
            let meant = meant::rewritten(parameter, name, is_field).map(told);
            let meant = meant.or_else(|| nearest(name, known).map(|near| did_you_mean(Some(near))));
            let elsewhere = || meant::elsewhere(parameter, name).map(|text| told(text.to_owned()));
            let meant = meant.or_else(elsewhere);
            let parameters = ListParameter::ALL.map(ListParameter::name);
            message.push_str(&meant.unwrap_or_else(|| did_you_mean(nearest(name, parameters))));
        }
        self.problem(parameter, message);
        None
    }

    /// Reads the expression, and what it takes for the present if it depends on that.
    fn expression(
        &mut self,
        given: &Given<'_>,
        within: Within<'_>,
    ) -> (Option<Arc<Expression>>, Option<Present>) {
        let (filter, now) = (given.get(ListParameter::Filter), given.get(ListParameter::Now));
        let told = now.map(|text| {
            let moment = Moment::beginning(text);
            moment.ok_or_else(|| {
                self.problem("now", "must be a moment, such as `2024-05-01T10:00:00Z`")
            })
        });
        let moment = told.and_then(Result::ok).unwrap_or_else(Moment::now);
        let Within { sheet, snapshot } = within;
        let expression = filter.and_then(|text| {
            let place = |at: usize| text[..at].chars().count() + 1;
            let told = |Flaw { at, message }| format!("column {}: {message}", place(at));
            let read = Expression::new(text, sheet, snapshot, moment);
            read.map_err(|flaw| self.problem("filter", told(flaw))).ok()
        });
        let reads_now = expression.as_ref().is_some_and(Expression::reads_now);
        if now.is_some() && !reads_now && expression.is_some() == filter.is_some() {
            self.problem("now", "is read by no condition");
        }
        let present = reads_now.then_some(Present { moment, is_by_clock: now.is_none() });
        (expression.map(Arc::new), present)
    }

    /// Reads a list of fields; the names that are unknown are left out and told.
    fn fields(&mut self, parameter: &str, list: Option<&str>) -> Option<Vec<FieldPath>> {
        let mut fields: Vec<FieldPath> = Vec::new();
        for name in list?.split(',') {
            let field = self.field(parameter, name);
            fields.extend(field.filter(|field| !fields.contains(field)));
        }
        self.limit_fields(parameter, fields.len());
        Some(fields)
    }

    fn limit_fields(&mut self, parameter: &str, count: usize) {
        if count > MAX_FIELDS {
            self.problem(parameter, format!("names more than {MAX_FIELDS} fields"));
        }
    }

    fn order(&mut self, sort: Option<&str>, has_text: bool) -> Order {
        let Some(sort) = sort else {
            return if has_text { Order::Score } else { Order::Key };
        };
        let mut fields: Vec<SortField> = Vec::new();
        for name in sort.split(',') {
            let (name, descending) = match name.strip_prefix('-') {
                Some(name) => (name, true),
                None => (name, false),
            };
            if let Some(field) = self.field("sort", name) {
                if fields.iter().any(|other| other.field == field) {
                    self.problem("sort", format!("names `{field}` more than once"));
                }
                fields.push(SortField { field, descending });
            }
        }
        self.limit_fields("sort", fields.len());
        Order::Fields(fields.into_iter().collect())
    }

    fn paging(&mut self, given: &Given<'_>, order: &Order) -> Paging {
        use ListParameter::{Limit, Page, PerPage};
        let (cursor, limit) = (given.get(ListParameter::Cursor), given.get(Limit));
        if cursor.is_none() && limit.is_none() {
            let page = self.number(Page, given, 1, usize::MAX);
            let per_page = self.number(PerPage, given, DEFAULT_PAGE, MAX_PAGE);
            return Paging::Page { page, per_page };
        }
        for parameter in [Page, PerPage] {
            if given.get(parameter).is_some() {
                self.problem(parameter.name(), "does not go with `cursor` or `limit`");
            }
        }
        let limit = self.number(Limit, given, DEFAULT_PAGE, MAX_PAGE);
        // An order with a problem would only blame the cursor for it.
        let sound = self.problems.iter().all(|problem| problem.parameter != "sort");
        let after = cursor.filter(|_| sound).and_then(|text| {
            let position = Cursor::parse(text).and_then(|cursor| position::read(order, &cursor));
            if position.is_none() {
                self.problem("cursor", "is not a cursor of a list in this order");
            }
            position.map(After)
        });
        Paging::Cursor { limit, after }
    }

    /// Reads a number from 1 to `max`.
    fn number(
        &mut self,
        parameter: ListParameter,
        given: &Given<'_>,
        default: usize,
        max: usize,
    ) -> usize {
        let Some(text) = given.get(parameter) else { return default };
        // `parse` takes a leading plus, which no number of ours has.
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number.filter(|number| (1..=max).contains(number)).unwrap_or_else(|| {
            let range = if max == usize::MAX { "1 on".into() } else { format!("1 to {max}") };
            self.problem(parameter.name(), format!("must be a whole number from {range}"));
            default
        })
    }
}
