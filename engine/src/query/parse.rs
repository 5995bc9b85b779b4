//! Parses a list query from the parameters of a URL. Nothing is ignored: anything not understood is
//! a problem.

mod counts;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use crate::cursor::Cursor;
use crate::query::columns::{KEY, is_key};
use crate::query::expression::Expression;
use crate::query::filter::{Filter, Literal, PartPlace, Side, Size, Test, TextPart};
use crate::query::limits::{MAX_FIELDS, MAX_FILTERS};
use crate::query::multi_sheet::unsearched;
use crate::query::relative_time::{Clock, Reading};
use crate::query::sort_order::{Order, SortField, SortFields};
use crate::query::syntax_hints;
use crate::query::type_check::mistyped;
use crate::query::{
    DEFAULT_PAGE, Included, ListParameter, ListQuery, MAX_PAGE, Paging, Projection, QueryProblem,
    Within,
};
use crate::scalar::Timestamp;
use crate::search;
use crate::sheet::{FieldCounts, Sheet};
use crate::suggestion::{did_you_mean, nearest};
use crate::value::FieldPath;

/// The maximum number of alternatives in one condition.
const MAX_ALTERNATIVES: usize = 100;
/// The maximum number of alternatives in all conditions of a list.
const MAX_ALTERNATIVES_IN_ALL: usize = 1_000;
/// The maximum number of problems reported.
const MAX_PROBLEMS: usize = 100;

impl ListQuery {
    /// Parses the decoded parameters of a query string against the fields that the sheet knows.
    ///
    /// The value of `now` comes from the parameter of that name, else from the cursor, else from
    /// the clock of the machine.
    ///
    /// `field=v` and `field[ne|gt|gte|lt|lte|in|nin|prefix|contains|exists]=v` filter and may be
    /// repeated. `eq` is the default operator; it is needed to filter fields named like one of the
    /// other parameters: `sort`, `q` with `match` and `prefix`, `filter`, `facets`, `fields`,
    /// `include`, and either `page` and `perPage` or `cursor` and `limit`. An empty `q` counts as
    /// absent.
    ///
    /// # Errors
    ///
    /// Returns all problems, in the order of the parameters, up to a hundred.
    pub fn parse<'a>(
        pairs: &[(String, String)],
        within: impl Into<Within<'a>>,
    ) -> Result<Self, Vec<QueryProblem>> {
        let within = within.into();
        let sheet = within.sheet;
        let standing = pairs.iter().find_map(|(name, value)| match ListParameter::of(name)? {
            ListParameter::Now => Some(Timestamp::beginning(value)),
            _ => None,
        });
        let of_cursor = || {
            let cursor = pairs.iter().find(|(name, _)| name == ListParameter::Cursor.name());
            cursor.and_then(|(_, value)| ListQuery::now_of(&Cursor::parse(value)?))
        };
        let now = standing.flatten().or_else(of_cursor);
        let clock = now.map_or_else(Clock::of_machine, Clock::standing);
        let mut parser = Parser {
            sheet,
            declared: OnceCell::new(),
            clock,
            alternatives: 0,
            problems: Vec::new(),
            typed: within.snapshot.map(|_| sheet.fields()),
        };
        if standing == Some(None) {
            parser.problem("now", "must be a date, or a date and a time");
        }
        let mut given = ParameterValues::default();
        let mut filters: Vec<Filter> = Vec::new();
        // The parts of a list given more than once form one list.
        let mut lists: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, value) in pairs {
            match ListParameter::of(name) {
                Some(parameter) if given.take(parameter, value) => {}
                Some(_) => parser.problem(name, "is given more than once"),
                None => {
                    let Some(filter) = parser.filter(name, value) else { continue };
                    let earlier = lists.get(&**name).and_then(|at| filters.get_mut(*at));
                    match (earlier.map(|earlier| &mut earlier.test), &filter.test) {
                        (Some(Test::Any(all)), Test::Any(more)) => all.extend_from_slice(more),
                        _ => {
                            if name.ends_with("[in]") {
                                lists.insert(name, filters.len());
                            }
                            filters.push(filter);
                        }
                    }
                }
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
        let matching = given.get(ListParameter::Match).map(search::Query::matching_of);
        let matching = matching.unwrap_or(Ok(search::Matching::All));
        let matching = matching.map_err(|told| parser.problem("match", told));
        let goes_on = given.get(ListParameter::Prefix).map(search::Query::goes_on_of);
        let goes_on = goes_on.unwrap_or(Ok(true)).map_err(|told| parser.problem("prefix", told));
        let fields = text.as_ref().map(|text| unsearched(text, std::iter::once(sheet)));
        for problem in fields.into_iter().flatten() {
            parser.problem("q", problem.message);
        }
        let text = match (text, matching, goes_on) {
            (Some(text), Ok(matching), Ok(goes_on)) => {
                Some(text.matching(matching).going_on(goes_on))
            }
            _ => None,
        };
        let expression = parser.expression(&given, within);
        let unnest = parser.unnest(given.get(ListParameter::Unnest));
        let order = parser.order(given.all(ListParameter::Sort), text.is_some(), unnest.as_ref());
        let counts = parser.counts(&given);
        let fields = parser.projection(given.all(ListParameter::Fields), unnest.as_ref());
        let include = given.all(ListParameter::Include);
        let include = (!include.is_empty()).then(|| Included::parse(&include.join(","), sheet));
        let include = include.unwrap_or(Ok(Vec::new())).unwrap_or_else(|problems| {
            problems.into_iter().for_each(|problem| parser.problem("include", problem.message));
            Vec::new()
        });
        let mut query = Self {
            filters: Vec::new(),
            of_elements: Vec::new(),
            sieve: OnceLock::new(),
            expression,
            text,
            order,
            counts,
            unnest,
            paging: Paging::Page { page: 1, per_page: DEFAULT_PAGE },
            fields,
            include,
            now: parser.clock.told(),
            is_now_given: now.is_some(),
        };
        if given.get(ListParameter::Now).is_some() && query.now.is_none() && parser.is_sound() {
            parser.problem("now", "is used by no condition");
        }
        query.take_filters(filters);
        query.paging = parser.paging(&given, &query);
        if parser.problems.is_empty() { Ok(query) } else { Err(parser.problems) }
    }

    /// Sets the conditions. If elements are listed, a condition that holds for an element also
    /// holds for its record, so all conditions that are not negated also select records.
    pub(crate) fn take_filters(&mut self, filters: Vec<Filter>) {
        self.of_elements.clear();
        self.filters = match &self.unnest {
            None => filters,
            Some(unnest) => {
                // The number of elements is a property of the record.
                let is_whole = |filter: &Filter| {
                    filter.field == *unnest && matches!(filter.test, Test::Size(_))
                };
                let is_inner =
                    |filter: &&Filter| filter.field.is_within(unnest) && !is_whole(filter);
                self.of_elements = filters.iter().filter(is_inner).cloned().collect();
                let finds = |filter: &Filter| !is_inner(&filter) || !filter.is_negated();
                filters.into_iter().filter(finds).collect()
            }
        };
    }
}

/// Splits a list at its commas. After a backslash, a comma or a backslash is part of an element;
/// any other backslash stands for itself.
pub fn elements(list: &str) -> Vec<String> {
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

/// Parses a non-negative integer.
fn whole(text: &str) -> Option<u64> {
    let is_whole = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_whole.then(|| text.parse().ok()).flatten()
}

/// Removes duplicate conditions.
fn each_once(filters: Vec<Filter>) -> Vec<Filter> {
    let mut all: Vec<Filter> = Vec::with_capacity(filters.len());
    for filter in filters {
        if !all.contains(&filter) {
            all.push(filter);
        }
    }
    all
}

/// The values of the parameters other than filters.
#[derive(Default)]
struct ParameterValues<'a>([Vec<&'a str>; ListParameter::ALL.len()]);

impl<'a> ParameterValues<'a> {
    fn get(&self, parameter: ListParameter) -> Option<&'a str> {
        self.all(parameter).first().copied()
    }

    /// Returns the parts of a list.
    fn all(&self, parameter: ListParameter) -> &[&'a str] {
        &self.0[parameter as usize]
    }

    /// Accepts the value of a parameter; returns false if there already is one and the parameter is
    /// not a list.
    fn take(&mut self, parameter: ListParameter, value: &'a str) -> bool {
        let values = &mut self.0[parameter as usize];
        let is_taken = values.is_empty() || parameter.is_list();
        if is_taken {
            values.push(value);
        }
        is_taken
    }
}

/// The number of unknown names for which a suggestion is sought.
const MAX_MEANT: usize = 3;

struct Parser<'a> {
    sheet: &'a Sheet,
    /// The fields that the definition of the sheet names, computed on first use.
    declared: OnceCell<BTreeSet<String>>,
    clock: Clock,
    /// The number of alternatives so far.
    alternatives: usize,
    problems: Vec<QueryProblem>,
    /// The fields with the types of their values, where a literal of another type is a mistake.
    typed: Option<&'a FieldCounts>,
}

impl Parser<'_> {
    /// Adds a problem, unless there are already many: an answer must not be many times as long as
    /// the question.
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
        // A second pair of brackets selects the size of a list, unless it is part of a field name.
        let sized = field.strip_suffix("[size]").filter(|_| !self.knows(field));
        if let Some(list) = sized.or_else(|| (operator == "size").then_some(field)) {
            let operator = if sized.is_some() { operator } else { "eq" };
            let field = self.field(name, list)?;
            return self.size(name, operator, value).map(|test| Filter { field, test });
        }
        let field = self.field(name, field)?;
        let test = match operator {
            "eq" => Test::Any(vec![self.literal(name, value)]),
            "ne" => Test::Not(vec![self.literal(name, value)]),
            "gt" => Test::Side(Side::Above, self.literal(name, value)),
            "gte" => Test::Side(Side::From, self.literal(name, value)),
            "lt" => Test::Side(Side::Below, self.literal(name, value)),
            "lte" => Test::Side(Side::UpTo, self.literal(name, value)),
            "in" => Test::Any(self.alternatives(name, value)),
            "nin" => Test::Not(self.alternatives(name, value)),
            "prefix" => Test::Text(TextPart::new(value, PartPlace::Beginning)),
            "contains" => Test::Text(TextPart::new(value, PartPlace::Anywhere)),
            "exists" => match value {
                "true" => Test::Exists(true),
                "false" => Test::Exists(false),
                _ => {
                    self.problem(name, "must be `true` or `false`");
                    return None;
                }
            },
            _ => {
                let known = "eq, ne, gt, gte, lt, lte, in, nin, prefix, contains, exists and size";
                let meant = syntax_hints::operator(field.as_str(), operator).unwrap_or_default();
                self.problem(
                    name,
                    format!("`{operator}` is not an operator; the operators are {known}{meant}"),
                );
                return None;
            }
        };
        let filter = Filter { field, test };
        let types = self.typed.filter(|_| !is_key(&filter.field));
        let types = types.map(|fields| fields.types(&filter.field.without_positions()));
        if let Some(message) = types.and_then(|types| mistyped(&filter, types)) {
            self.problem(name, message);
        }
        Some(filter)
    }

    /// Parses a value.
    fn literal(&mut self, parameter: &str, text: &str) -> Literal {
        match self.clock.read(text) {
            Reading::Timestamp(moment) => Literal::relative(text, moment),
            Reading::Text => Literal::new(text),
            Reading::Wrong => {
                let message = format!(
                    "`{text}` is not a time: `now` or `today` is followed by numbers of s, min, h, d, \
                     w, mo or y, as in `now-90d`"
                );
                self.problem(parameter, message);
                Literal::new(text)
            }
        }
    }

    /// Parses a list of values.
    fn alternatives(&mut self, parameter: &str, list: &str) -> Vec<Literal> {
        let elements = elements(list);
        let alternatives: Vec<_> =
            elements.iter().map(|text| self.literal(parameter, text)).collect();
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

    /// Returns whether the sheet knows a field.
    fn knows(&self, name: &str) -> bool {
        let spec = self.sheet.spec();
        let declared = self.declared.get_or_init(|| spec.known_fields());
        name == KEY
            || declared.contains(name)
            || spec.is_open() && self.sheet.fields().contains(name)
    }

    /// Returns whether records have a field, or may have it by their schema or their path. What else
    /// the definition names may be a position in a list, which makes it no member.
    fn has_member(&self, name: &str) -> bool {
        let spec = self.sheet.spec();
        spec.is_open() && self.sheet.fields().contains(name)
            || spec.schema.as_ref().is_some_and(|schema| schema.fields().contains(name))
            || spec.template.fields().iter().any(|field| field.as_str() == name)
    }

    /// Returns the field that a name with positions in lists stands for, if the sheet knows it. A
    /// number after a list is a position, unless it is the name of a member there.
    fn positioned(&self, name: &str) -> Option<FieldPath> {
        // Most names have none, and a request may have hundreds of names.
        if !name.bytes().any(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (mut plain, mut positions) = (String::new(), Vec::new());
        for (place, segment) in name.split('.').enumerate() {
            let digits = segment.strip_prefix('-').unwrap_or(segment);
            let is_number = (1..=9).contains(&digits.len())
                && digits.bytes().all(|digit| digit.is_ascii_digit());
            let dot = if place == 0 { "" } else { "." };
            let member = format!("{plain}{dot}{segment}");
            if is_number && self.sheet.fields().is_list(&plain) && !self.has_member(&member) {
                positions.push(place);
            } else {
                plain = member;
            }
        }
        let is_known = positions.first().is_some_and(|first| *first > 0) && self.knows(&plain);
        is_known.then(|| FieldPath::with_positions(name, positions))
    }

    /// Parses a condition on the size of a list.
    fn size(&mut self, parameter: &str, operator: &str, value: &str) -> Option<Test> {
        let numbers: Option<Vec<u64>> = match operator {
            "in" | "nin" => value.split(',').map(whole).collect(),
            _ => whole(value).map(|number| vec![number]),
        };
        let most = MAX_ALTERNATIVES;
        let numbers = numbers.filter(|numbers| numbers.len() <= most);
        let Some(numbers) = numbers else {
            self.problem(parameter, "must be a whole number: how many elements a list has");
            return None;
        };
        let size = Size::new(operator, &numbers);
        if size.is_none() {
            let known = "eq, ne, gt, gte, lt, lte, in and nin";
            self.problem(parameter, format!("`{operator}` compares no sizes; these do: {known}"));
        }
        size.map(Test::Size)
    }

    /// Returns the field, if the sheet knows it.
    fn field(&mut self, parameter: &str, name: &str) -> Option<FieldPath> {
        if FieldPath::has_too_many_parts(name) {
            let most = FieldPath::MOST_PARTS;
            self.problem(parameter, format!("a field has more than {most} parts between dots"));
            return None;
        }
        // First, since the definition may name a position, which none of its indexes has.
        if let Some(field) = self.positioned(name) {
            return Some(field);
        }
        if self.knows(name) {
            return Some(FieldPath::new(name));
        }
        let spec = self.sheet.spec();
        let declared = self.declared.get_or_init(|| spec.known_fields());
        let mut message = format!("`{name}` is not a known field of {}", spec.name);
        // A suggestion must not cost more than the request.
        if self.problems.len() < MAX_MEANT {
            let open = self.sheet.fields().iter().filter(|_| spec.is_open());
            let known = declared.iter().map(String::as_str).chain(open.map(|(name, _)| name));
            let is_field = |name: &str| {
                declared.contains(name) || spec.is_open() && self.sheet.fields().contains(name)
            };
            let told = |told: String| format!(": {told}");
            let meant = syntax_hints::rewritten(parameter, name, is_field).map(told);
            let meant = meant.or_else(|| nearest(name, known).map(|near| did_you_mean(Some(near))));
            let elsewhere =
                || syntax_hints::elsewhere(parameter, name).map(|text| told(text.to_owned()));
            let meant = meant.or_else(elsewhere);
            let parameters = ListParameter::ALL.map(ListParameter::name);
            message.push_str(&meant.unwrap_or_else(|| did_you_mean(nearest(name, parameters))));
        }
        self.problem(parameter, message);
        None
    }

    /// Returns whether there are no problems so far.
    fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Parses the expression.
    fn expression(
        &mut self,
        given: &ParameterValues<'_>,
        within: Within<'_>,
    ) -> Option<Arc<Expression>> {
        let text = given.get(ListParameter::Filter)?;
        let Within { sheet, snapshot } = within;
        let read = Expression::new(text, sheet, snapshot, self.clock.moment());
        let expression = read.map_err(|flaw| self.problem("filter", flaw.told(text))).ok()?;
        if expression.reads_now() {
            self.clock.ask();
        }
        Some(Arc::new(expression))
    }

    /// Parses a list of fields; unknown names are left out and reported.
    fn fields(&mut self, parameter: &str, lists: &[&str]) -> Vec<FieldPath> {
        let mut fields: Vec<FieldPath> = Vec::new();
        for name in lists.iter().flat_map(|list| list.split(',')) {
            let field = self.field(parameter, name);
            fields.extend(field.filter(|field| !fields.contains(field)));
        }
        self.limit_fields(parameter, fields.len());
        fields
    }

    /// Parses the list whose elements are the items.
    fn unnest(&mut self, name: Option<&str>) -> Option<FieldPath> {
        let field = self.field("unnest", name?)?;
        if is_key(&field) || field.has_positions() {
            self.problem("unnest", "must name a list, without positions: the key is not one");
        }
        Some(field)
    }

    /// Parses the fields that are shown, and those that are left out: those after a minus.
    fn projection(&mut self, lists: &[&str], unnest: Option<&FieldPath>) -> Option<Projection> {
        if lists.is_empty() {
            return None;
        }
        let names = || lists.iter().flat_map(|list| list.split(','));
        let without = names().filter_map(|name| name.strip_prefix('-')).collect::<Vec<_>>();
        let shown = names().filter(|name| !name.starts_with('-')).collect::<Vec<_>>();
        let is_whole = unnest.is_some_and(|unnest| shown.contains(&unnest.as_str()));
        let fields = (!shown.is_empty() && !is_whole).then(|| self.shown(&shown, unnest));
        let without = self.shown(&without, unnest);
        Some(Projection::new(fields, without))
    }

    /// Parses fields of what is shown: of the values, or of the elements at `unnest`. The key is
    /// always shown.
    fn shown(&mut self, names: &[&str], unnest: Option<&FieldPath>) -> Vec<FieldPath> {
        let mut shown = Vec::new();
        for field in self.fields("fields", names).into_iter().filter(|field| !is_key(field)) {
            let inside = unnest.map(|unnest| (unnest, field.inside(unnest)));
            match inside {
                _ if field.has_positions() => {
                    let message = format!("`{field}` has a position, and lists are shown whole");
                    self.problem("fields", message);
                }
                None => shown.push(field),
                Some((_, Some(inside))) => shown.push(inside),
                Some((unnest, None)) => {
                    let message = format!("`{field}` is not in the elements of `{unnest}`");
                    self.problem("fields", message);
                }
            }
        }
        shown
    }

    fn limit_fields(&mut self, parameter: &str, count: usize) {
        if count > MAX_FIELDS {
            self.problem(parameter, format!("names more than {MAX_FIELDS} fields"));
        }
    }

    fn order(&mut self, sort: &[&str], has_text: bool, unnest: Option<&FieldPath>) -> Order {
        if sort.is_empty() {
            // Elements have no score of their own.
            return if has_text && unnest.is_none() { Order::Score } else { Order::Key };
        }
        let mut fields: Vec<SortField> = Vec::new();
        for name in sort.iter().flat_map(|sort| sort.split(',')) {
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
        Order::Fields(SortFields::new(fields, unnest))
    }

    fn paging(&mut self, given: &ParameterValues<'_>, query: &ListQuery) -> Paging {
        use ListParameter::{Limit, Page, PerPage};
        let (cursor, limit) = (given.get(ListParameter::Cursor), given.get(Limit));
        if cursor.is_none() && limit.is_none() {
            let page = self.number(Page, given, 1, 1..=usize::MAX);
            let per_page = self.number(PerPage, given, DEFAULT_PAGE, 0..=MAX_PAGE);
            return Paging::Page { page, per_page };
        }
        for parameter in [Page, PerPage] {
            if given.get(parameter).is_some() {
                self.problem(parameter.name(), "cannot be combined with `cursor` or `limit`");
            }
        }
        let limit = self.number(Limit, given, DEFAULT_PAGE, 1..=MAX_PAGE);
        // A flawed order would only produce a misleading problem for the cursor.
        let sound = self.problems.iter().all(|problem| problem.parameter != "sort");
        let after = cursor.filter(|_| sound).and_then(|text| {
            let after = Cursor::parse(text).and_then(|cursor| query.after(&cursor));
            if after.is_none() {
                self.problem("cursor", "is not a cursor of a list in this order");
            }
            after
        });
        Paging::Cursor { limit, after }
    }

    /// Parses a number in `range`.
    fn number(
        &mut self,
        parameter: ListParameter,
        given: &ParameterValues<'_>,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> usize {
        let Some(text) = given.get(parameter) else { return default };
        // `parse` accepts a leading plus, which is not allowed here.
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number.filter(|number| range.contains(number)).unwrap_or_else(|| {
            let (least, most) = range.into_inner();
            let range = match most {
                usize::MAX => format!("of {least} or more"),
                most => format!("from {least} to {most}"),
            };
            self.problem(parameter.name(), format!("must be a whole number {range}"));
            default
        })
    }
}
