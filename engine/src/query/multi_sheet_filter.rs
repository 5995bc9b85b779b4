//! A condition as an expression, on records that may be of several sheets.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::budget::{Budget, TooCostly};
use crate::id::SheetName;
use crate::query::QueryProblem;
use crate::query::expression::{Expression, Verdict};
use crate::query::matches::reading;
use crate::query::relative_time::Clock;
use crate::record::Record;
use crate::scalar::Timestamp;
use crate::sheet::Sheet;
use crate::snapshot::Snapshot;

/// What it costs to read an expression for one sheet, in units of a budget: enough to ask its owner.
const A_SHEET: usize = 64 << 10;

/// A condition in the words of each sheet that is searched.
#[derive(Debug)]
pub struct FilterAcross {
    by_sheet: BTreeMap<SheetName, Expression>,
    now: Option<Timestamp>,
}

/// Why there is no condition.
#[derive(Debug)]
pub enum FilterError {
    /// It is not understood.
    Wrong(QueryProblem),
    /// The budget is used up.
    TooCostly(TooCostly),
}

impl From<TooCostly> for FilterError {
    fn from(error: TooCostly) -> Self {
        Self::TooCostly(error)
    }
}

impl FilterAcross {
    /// Reads an expression over each of `sheets`, which are of `snapshot`; `now` is the parameter of
    /// that name, instead of the clock of the machine. Every sheet must know every name in it: what
    /// one of them does not know would be true or false there by guess.
    ///
    /// # Errors
    ///
    /// Returns the first thing that is wrong.
    pub fn parse<'s>(
        text: &str,
        now: Option<&str>,
        snapshot: &Snapshot,
        sheets: impl Iterator<Item = &'s Sheet>,
        budget: &Budget,
    ) -> Result<Self, FilterError> {
        let wrong = |parameter: &str, message: String| {
            FilterError::Wrong(QueryProblem { parameter: parameter.to_owned(), message })
        };
        let given = match now.map(Timestamp::beginning) {
            Some(None) => {
                return Err(wrong("now", "must be a date, or a date and a time".to_owned()));
            }
            given => given.flatten(),
        };
        let clock = given.map_or_else(Clock::of_machine, Clock::standing);
        let mut by_sheet = BTreeMap::new();
        for sheet in sheets {
            budget.spend(A_SHEET);
            budget.check()?;
            let expression = Expression::new(text, sheet, Some(snapshot), clock.moment());
            let expression = expression.map_err(|flaw| wrong("filter", flaw.told(text)))?;
            if expression.reads_now() {
                clock.ask();
            }
            by_sheet.insert(sheet.spec().name.clone(), expression);
        }
        if given.is_some() && clock.told().is_none() {
            return Err(wrong("now", "is used by no condition".to_owned()));
        }
        Ok(Self { by_sheet, now: clock.told() })
    }

    /// Returns whether it holds for a record of `sheet`; `None` if it has no value. If `budget` is used
    /// up, it does not hold.
    pub fn judge(&self, sheet: &SheetName, record: &Arc<Record>, budget: &Budget) -> Option<bool> {
        let expression = self.by_sheet.get(sheet)?;
        if !budget.spend(reading(record)) {
            return Some(false);
        }
        match expression.judge(record, budget) {
            Verdict::Holds => Some(true),
            Verdict::Fails => Some(false),
            Verdict::Undecided => None,
        }
    }

    /// Returns the moment that `now` stands for, if it is named.
    pub fn now(&self) -> Option<Timestamp> {
        self.now
    }
}
