//! Parses what is counted: `facets`, `stats` and `groupBy`.

use super::Parser;
use crate::query::counts::{Counts, FacetMode};
use crate::query::grouping::MAX_FACET_VALUE;
use crate::query::grouping::{By, CountOrder, Grouping, MAX_RANGES, ReportedCounts};
use crate::query::groups::MAX_GROUPED;
use crate::query::limits::MAX_FIELDS;
use crate::query::parse::ParameterValues;
use crate::query::{ListParameter, MAX_FACET_LIMIT, MAX_PAGE};
use crate::scalar::Number;

/// The default number of values of a facet.
const FACET_LIMIT: usize = 100;

/// The maximum number of values in all facets of a list.
const MAX_COUNTED: usize = FACET_LIMIT * MAX_FIELDS;

/// The maximum number of fields with statistics. It keeps those of a page of groups no larger than
/// its records would be.
const MAX_STATS: usize = 8;

const _: () = assert!(MAX_PAGE * (2 * MAX_STATS + MAX_GROUPED) * MAX_FACET_VALUE <= 16 << 20);

impl Parser<'_> {
    pub(super) fn counts(&mut self, given: &ParameterValues<'_>) -> Counts {
        use ListParameter::{FacetLimit, FacetMode as Mode, FacetSort, Facets, GroupBy};
        let facets = self.groupings(Facets, given);
        let group_by = self.groupings(GroupBy, given);
        if group_by.len() > MAX_GROUPED {
            self.problem(GroupBy.name(), format!("names more than {MAX_GROUPED} fields"));
        }
        let stats = self.fields("stats", given.all(ListParameter::Stats));
        if stats.len() > MAX_STATS {
            self.problem("stats", format!("names more than {MAX_STATS} fields"));
        }
        let limit = self.number(FacetLimit, given, FACET_LIMIT, 1..=MAX_FACET_LIMIT);
        if facets.len() * limit > MAX_COUNTED {
            let message = format!(
                "times the number of facets is more than the {MAX_COUNTED} values of a list"
            );
            self.problem(FacetLimit.name(), message);
        }
        let order = match given.get(FacetSort) {
            None | Some("count") => CountOrder::Count,
            Some("value") => CountOrder::Value,
            Some(_) => {
                self.problem(FacetSort.name(), "must be `count` or `value`");
                CountOrder::Count
            }
        };
        let mode = match given.get(Mode) {
            None | Some("and") => FacetMode::And,
            Some("or") => FacetMode::Or,
            Some(_) => {
                self.problem(Mode.name(), "must be `and` or `or`");
                FacetMode::And
            }
        };
        for parameter in [FacetLimit, FacetSort, Mode] {
            let is_used = !given.all(Facets).is_empty()
                || parameter == FacetSort && !given.all(GroupBy).is_empty();
            if given.get(parameter).is_some() && !is_used {
                self.problem(parameter.name(), "needs `facets`, the fields to count");
            }
        }
        if !group_by.is_empty() {
            let others = [ListParameter::Fields, ListParameter::Include, ListParameter::Sort];
            for parameter in others {
                if given.get(parameter).is_some() {
                    self.problem(
                        parameter.name(),
                        "cannot be combined with `groupBy`: groups have no items",
                    );
                }
            }
        }
        Counts { facets, told: ReportedCounts { limit, order }, mode, stats, group_by }
    }

    /// Parses fields, each with how its values are counted. The numbers after a range are its
    /// further bounds: `cvss:0,4,7,9`.
    fn groupings(
        &mut self,
        parameter: ListParameter,
        given: &ParameterValues<'_>,
    ) -> Vec<Grouping> {
        let mut groupings: Vec<Grouping> = Vec::new();
        for list in given.all(parameter) {
            let mut elements = list.split(',').peekable();
            while let Some(element) = elements.next() {
                let mut bounds = Vec::new();
                if let Some((_, first)) = element.rsplit_once(':').filter(|_| !self.knows(element))
                    && let Some(first) = number(first)
                {
                    bounds.push(first);
                    while let Some(bound) = elements.peek().and_then(|text| number(text)) {
                        bounds.push(bound);
                        elements.next();
                    }
                }
                let grouping = self.grouping(parameter.name(), element, bounds);
                groupings.extend(grouping.filter(|grouping| !groupings.contains(grouping)));
            }
        }
        self.limit_fields(parameter.name(), groupings.len());
        groupings
    }

    fn grouping(
        &mut self,
        parameter: &str,
        element: &str,
        bounds: Vec<Number>,
    ) -> Option<Grouping> {
        let behind = element.rsplit_once(':').filter(|_| !self.knows(element));
        let (name, by) = match behind {
            None => (element, By::Value),
            Some((field, _)) if !bounds.is_empty() => {
                if !bounds.is_sorted_by(|a, b| a < b) || bounds.len() > MAX_RANGES {
                    let message =
                        format!("the bounds of `{field}` must ascend, and be at most {MAX_RANGES}");
                    self.problem(parameter, message);
                }
                (field, By::Ranges(bounds))
            }
            Some((field, period)) => match By::period(period) {
                Some(by) => (field, by),
                None => {
                    let message = format!(
                        "`{element}` is not a field: a field may be followed by `:year`, `:month`, `:day`, \
                         or the bounds of ranges such as `:0,4,7`"
                    );
                    self.problem(parameter, message);
                    return None;
                }
            },
        };
        let field = self.field(parameter, name)?;
        let name = match &by {
            By::Ranges(bounds) => {
                let bounds: Vec<_> = bounds.iter().map(Number::to_string).collect();
                format!("{name}:{}", bounds.join(",")).into()
            }
            By::Value | By::Period(_) => element.into(),
        };
        Some(Grouping { name, field, by })
    }
}

/// Parses a JSON number.
fn number(text: &str) -> Option<Number> {
    let is_number = serde_json::from_str::<serde_json::Number>(text).is_ok();
    is_number.then(|| Number::parse(text)).flatten()
}
