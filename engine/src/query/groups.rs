//! Items grouped by their values in some fields, and counted.

use std::cmp::Reverse;

use foldhash::HashMap;
use smallvec::SmallVec;

use crate::budget::{Budget, STEP};
use crate::query::columns::{Columns, ItemRef};
use crate::query::first;
use crate::query::grouping::{CountOrder, Grouping, NOTHING, json_len};
use crate::query::grouping::{LongValue, MAX_FACET_VALUE};
use crate::query::stats::{Figures, Stats};
use crate::scalar::{Scalar, Stored};
use crate::value::FieldPath;

/// The maximum number of fields to group by.
pub(crate) const MAX_GROUPED: usize = 4;

/// The factor by which a growing table takes more memory than its content.
pub(crate) const SPACE: usize = 2;

/// How many copies of a reported group exist at once: its values, its row and its text.
const COPIES: usize = 4;

/// The items that hold one value in each of the fields that are grouped by. An item that holds
/// several is in a group for each, and one that holds none in that of null.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Their value in each of the fields.
    pub by: Vec<Scalar>,
    /// The number of items.
    pub count: usize,
    /// The requested statistics.
    pub stats: Vec<Stats>,
}

/// How items are grouped.
pub(crate) struct By<'q> {
    pub(crate) groupings: &'q [Grouping],
    pub(crate) stats: &'q [FieldPath],
    pub(crate) unnest: Option<&'q FieldPath>,
    pub(crate) order: CountOrder,
}

/// A part of the groups.
pub(crate) struct GroupPage {
    pub(crate) groups: Vec<Group>,
    pub(crate) total: usize,
}

type Values<'a> = SmallVec<[Stored<'a>; 2]>;

/// The partial counts of a group.
#[derive(Default)]
struct Counted<'a> {
    count: usize,
    figures: Vec<Figures<'a>>,
}

impl Group {
    /// Returns about how many bytes it takes.
    fn size(&self) -> usize {
        let stats = self.stats.iter();
        let ends = stats.flat_map(|stats| [&stats.min, &stats.max]).flatten();
        let values: usize = self.by.iter().chain(ends).map(json_len).sum();
        size_of::<Self>() + self.stats.len() * size_of::<Stats>() + values
    }
}

impl By<'_> {
    /// Returns the groups from `offset` on, at most `limit`. Reads each item once.
    pub(crate) fn of_items<'a>(
        &self,
        items: impl Iterator<Item = ItemRef<'a>>,
        (offset, limit): (usize, usize),
        budget: &Budget,
    ) -> Result<GroupPage, LongValue> {
        let grouped = self.groupings.len();
        let fields = self.groupings.iter().map(|grouping| &grouping.field).chain(self.stats);
        let columns = Columns::new(fields, self.unnest);
        let mut groups: HashMap<Values<'a>, Counted<'a>> = HashMap::default();
        let mut held: Vec<Values<'a>> = vec![Values::new(); grouped + self.stats.len()];
        for item in items.take_while(|item| budget.spend(item.reading())) {
            columns.visit(item, &mut |place, value| {
                let grouping = self.groupings.get(place);
                held[place].push(grouping.map_or(value.clone(), |it| it.by.group(value)));
            });
            for values in &mut held[..grouped] {
                values.sort_unstable();
                values.dedup();
                if values.is_empty() {
                    values.push(NOTHING);
                }
            }
            let (by, figured) = held.split_at(grouped);
            each_combination(by, budget, &mut |values| {
                let size = self.size_of_group(&values);
                let group = groups.entry(values).or_default();
                if group.count == 0 {
                    budget.take(size);
                }
                group.count += 1;
                group.figures.resize_with(self.stats.len(), Figures::default);
                for (figures, values) in group.figures.iter_mut().zip(figured) {
                    let values = values.iter();
                    for value in values.take_while(|it| budget.spend(STEP + it.weight())) {
                        if figures.add(value.clone()) {
                            budget.take(SPACE * value.size());
                        }
                    }
                }
            });
            held.iter_mut().for_each(Values::clear);
        }
        let total = groups.len();
        let groups = first(
            groups.into_iter(),
            offset.saturating_add(limit),
            |(a, a_counted), (b, b_counted)| match self.order {
                CountOrder::Count => {
                    Reverse(a_counted.count).cmp(&Reverse(b_counted.count)).then_with(|| a.cmp(b))
                }
                CountOrder::Value => a.cmp(b),
            },
        );
        let mut part = Vec::new();
        for (values, counted) in groups.into_iter().skip(offset) {
            let group = self.group(&values, counted)?;
            if !budget.take(COPIES * group.size()) {
                break;
            }
            part.push(group);
        }
        Ok(GroupPage { groups: part, total })
    }

    /// Returns about how many bytes a group of these values takes before anything is counted in it.
    fn size_of_group(&self, values: &[Stored<'_>]) -> usize {
        let own =
            size_of::<(Values<'_>, Counted<'_>)>() + self.stats.len() * size_of::<Figures<'_>>();
        SPACE * own + values.iter().map(Stored::size).sum::<usize>()
    }

    fn group(&self, values: &[Stored<'_>], counted: Counted<'_>) -> Result<Group, LongValue> {
        let by = self.groupings.iter().zip(values);
        let by = by.map(|(grouping, value)| match grouping.by.told(value) {
            scalar if json_len(&scalar) > MAX_FACET_VALUE => {
                Err(LongValue { name: grouping.name.clone() })
            }
            scalar => Ok(scalar),
        });
        let stats = self.stats.iter().zip(counted.figures);
        let stats = stats.map(|(field, figures)| figures.told(field.as_str()));
        Ok(Group {
            by: by.collect::<Result<_, _>>()?,
            count: counted.count,
            stats: stats.collect::<Result<_, _>>()?,
        })
    }
}

/// Calls `found` with every combination of one value from each of `values`.
fn each_combination<'a>(values: &[Values<'a>], budget: &Budget, found: &mut dyn FnMut(Values<'a>)) {
    let mut at: SmallVec<[usize; 2]> = values.iter().map(|_| 0).collect();
    loop {
        let chosen = || values.iter().zip(&at).map(|(values, at)| &values[*at]);
        // Each is copied, compared and hashed.
        if !budget.spend(STEP + chosen().map(Stored::weight).sum::<usize>()) {
            return;
        }
        found(chosen().cloned().collect());
        let mut place = 0;
        while let Some(next) = at.get_mut(place) {
            *next += 1;
            if *next < values[place].len() {
                break;
            }
            *next = 0;
            place += 1;
        }
        if place == at.len() {
            return;
        }
    }
}
