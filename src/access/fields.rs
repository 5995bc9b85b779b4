//! The fields of a TOML table, read strictly: each error names its line and what would be right,
//! and none repeats a value.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use headwater_engine::suggestion::nearest;
use time::{Month, OffsetDateTime, PrimitiveDateTime, UtcOffset};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::{Datetime, Offset};

/// What is wrong in a line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    /// The line, from 1.
    pub(super) line: usize,
    /// The rule that it breaks, and what would be right.
    pub(super) rule: String,
}

/// The text of a file, to find the line of a place in it.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a>(&'a str);

/// A field with its value.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    name: &'a str,
    value: &'a Spanned<DeValue<'a>>,
    lines: Lines<'a>,
}

/// A table whose keys are all known.
pub(super) struct Fields<'a> {
    table: &'a DeTable<'a>,
    /// Where the table is.
    place: Range<usize>,
    lines: Lines<'a>,
}

impl<'a> Lines<'a> {
    /// Returns the lines of `text`.
    pub(super) const fn of(text: &'a str) -> Self {
        Self(text)
    }

    /// Returns the line of a place. Linear in the text, so it is for errors alone.
    fn at(self, place: &Range<usize>) -> usize {
        let before = &self.0.as_bytes()[..place.start.min(self.0.len())];
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    /// Parses the whole text.
    ///
    /// # Errors
    /// Fails if it is not TOML.
    pub(super) fn parse(self) -> Result<Spanned<DeTable<'a>>, Flaw> {
        DeTable::parse(self.0).map_err(|error| {
            // The message of the parser may quote a secret.
            let line = error.span().map_or(1, |span| self.at(&span));
            Flaw { line, rule: "this is not valid TOML".to_owned() }
        })
    }
}

impl<'a> Fields<'a> {
    /// Returns the fields of `table`, which `place` locates. `known` are all that it may have.
    ///
    /// # Errors
    /// Fails at the first unknown key. The error does not repeat it: it may be a misplaced value.
    pub(super) fn of(
        table: &'a DeTable<'a>,
        place: Range<usize>,
        lines: Lines<'a>,
        known: &[&str],
    ) -> Result<Self, Flaw> {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let rule = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("this key is unknown; did you mean `{near}`?"),
                    None => format!("this key is unknown; there are `{}`", known.join("`, `")),
                };
                return Err(Flaw { line: lines.at(&key.span()), rule });
            }
        }
        Ok(Self { table, place, lines })
    }

    /// Returns the field `name`, if it is there.
    pub(super) fn get(&self, name: &'static str) -> Option<Field<'a>> {
        let value = self.table.get(name)?;
        Some(Field { name, value, lines: self.lines })
    }

    /// Returns the field `name`.
    ///
    /// # Errors
    /// Fails if it is missing.
    pub(super) fn require(&self, name: &'static str) -> Result<Field<'a>, Flaw> {
        self.get(name).ok_or_else(|| self.flaw(format!("`{name}` is missing")))
    }

    /// Returns a flaw of the table as a whole.
    pub(super) fn flaw(&self, rule: impl Into<String>) -> Flaw {
        Flaw { line: self.lines.at(&self.place), rule: rule.into() }
    }
}

impl<'a> Field<'a> {
    /// Returns the name.
    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    /// Returns whether its value stands above that of `other`.
    pub(super) fn stands_above(&self, other: &Self) -> bool {
        self.value.span().start < other.value.span().start
    }

    /// Returns a flaw of this field: what it must be.
    pub(super) fn must_be(&self, what: &str) -> Flaw {
        self.flaw(format!("`{}` must be {what}", self.name))
    }

    /// Returns a flaw of this field.
    pub(super) fn flaw(&self, rule: impl Into<String>) -> Flaw {
        Flaw { line: self.lines.at(&self.value.span()), rule: rule.into() }
    }

    /// Returns the text.
    ///
    /// # Errors
    /// Fails if the value is not a string.
    pub(super) fn text(&self) -> Result<&'a str, Flaw> {
        self.value.get_ref().as_str().ok_or_else(|| self.must_be("a string"))
    }

    /// Returns the switch.
    ///
    /// # Errors
    /// Fails if the value is not `true` or `false`.
    pub(super) fn switch(&self) -> Result<bool, Flaw> {
        self.value.get_ref().as_bool().ok_or_else(|| self.must_be("`true` or `false`"))
    }

    /// Returns the whole number in `range`.
    ///
    /// # Errors
    /// Fails if the value is anything else.
    pub(super) fn number(&self, range: std::ops::RangeInclusive<u32>) -> Result<u32, Flaw> {
        let number = self.value.get_ref().as_integer();
        let number = number.and_then(|number| {
            u32::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
        });
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            self.must_be(&format!("a whole number from {} to {}", range.start(), range.end()))
        })
    }

    /// Returns the strings of a list.
    ///
    /// # Errors
    /// Fails if the value is not a list of strings.
    pub(super) fn texts(&self) -> Result<Vec<&'a str>, Flaw> {
        let list = self.value.get_ref().as_array();
        let texts = list.and_then(|list| list.iter().map(|item| item.get_ref().as_str()).collect());
        texts.ok_or_else(|| self.must_be("a list of strings such as `[\"people\"]`"))
    }

    /// Returns the fields of a table. `known` are all that it may have.
    ///
    /// # Errors
    /// Fails if the value is not a table, or has an unknown key.
    pub(super) fn table(&self, known: &[&str]) -> Result<Fields<'a>, Flaw> {
        let table = self.value.get_ref().as_table().ok_or_else(|| self.must_be("a table"))?;
        Fields::of(table, self.value.span(), self.lines, known)
    }

    /// Returns the tables of a list, each under the name of the list.
    ///
    /// # Errors
    /// Fails if the value is not a list. Whether each item is a table shows when it is used.
    pub(super) fn items(&self) -> Result<Vec<Self>, Flaw> {
        let (name, lines) = (self.name, self.lines);
        let items = self.value.get_ref().as_array();
        let items = items.ok_or_else(|| self.must_be(&format!("written as `[[{name}]]`")))?;
        Ok(items.iter().map(|value| Self { name, value, lines }).collect())
    }

    /// Returns the fields of a table whose keys may be anything.
    ///
    /// # Errors
    /// Fails if the value is not a table.
    pub(super) fn entries(&self) -> Result<Vec<Self>, Flaw> {
        let table = self.value.get_ref().as_table().ok_or_else(|| self.must_be("a table"))?;
        let lines = self.lines;
        let entry = |(name, value): (&'a Spanned<_>, _)| {
            let name: &'a std::borrow::Cow<'a, str> = name.get_ref();
            Self { name, value, lines }
        };
        Ok(table.iter().map(entry).collect())
    }

    /// Returns the moment: that of a date with a time, or the start of a date. Without an offset it
    /// is in UTC.
    ///
    /// # Errors
    /// Fails if the value is not a date, or names a day or a time that there is not.
    pub(super) fn moment(&self) -> Result<SystemTime, Flaw> {
        let date = self.value.get_ref().as_datetime();
        date.and_then(moment).ok_or_else(|| {
            self.must_be("a date without quotes, such as `2027-01-31` or `2027-01-31T12:00:00Z`")
        })
    }
}

fn moment(given: &Datetime) -> Option<SystemTime> {
    let date = given.date?;
    let month = Month::try_from(date.month).ok()?;
    let date = time::Date::from_calendar_date(date.year.into(), month, date.day).ok()?;
    let time = match given.time {
        Some(time) => {
            let (second, nanosecond) = (time.second.unwrap_or(0), time.nanosecond.unwrap_or(0));
            time::Time::from_hms_nano(time.hour, time.minute, second, nanosecond).ok()?
        }
        None => time::Time::MIDNIGHT,
    };
    let minutes = match given.offset {
        Some(Offset::Custom { minutes }) => minutes,
        Some(Offset::Z) | None => 0,
    };
    let offset = UtcOffset::from_whole_seconds(i32::from(minutes) * 60).ok()?;
    let moment = PrimitiveDateTime::new(date, time).assume_offset(offset);
    let since = moment - OffsetDateTime::UNIX_EPOCH;
    // Before the epoch everything has expired.
    let since = Duration::try_from(since).unwrap_or(Duration::ZERO);
    SystemTime::UNIX_EPOCH.checked_add(since)
}
