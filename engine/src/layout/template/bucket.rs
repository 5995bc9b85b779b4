//! Date buckets: folders for the year, month, day or ISO week of a field.

use time::{Date, Month};
use toml_v08::value::{Datetime, Offset};

use crate::value::{FieldPath, Value};

/// One component of a date bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bucket {
    /// The field, with dots between nested names.
    pub(super) field: String,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Year,
    /// The year of an ISO week, which differs from the calendar year around New Year.
    WeekYear,
    Month,
    Day,
    Week,
}

impl Bucket {
    /// Returns the components that `format` stands for, or `None` if it is unknown.
    pub(super) fn parse(field: &str, format: &str) -> Option<Vec<Self>> {
        let units: &[Unit] = match format {
            "YYYY" => &[Unit::Year],
            "YYYY/MM" => &[Unit::Year, Unit::Month],
            "YYYY/MM/DD" => &[Unit::Year, Unit::Month, Unit::Day],
            "YYYY/WW" => &[Unit::WeekYear, Unit::Week],
            _ => return None,
        };
        Some(units.iter().map(|unit| Self { field: field.to_owned(), unit: *unit }).collect())
    }

    /// Returns whether `name` has the digits of this component.
    pub(super) fn matches(&self, name: &str) -> bool {
        let digits = if matches!(self.unit, Unit::Year | Unit::WeekYear) { 4 } else { 2 };
        name.len() == digits && name.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Renders the component from the field's UTC date, or returns `None` if it has none.
    pub(super) fn render(&self, value: &Value) -> Option<String> {
        let json = value.at(&FieldPath::new(self.field.as_str()))?;
        let date = utc_date(&json.as_string()?)?;
        Some(match self.unit {
            Unit::Year => format!("{:04}", date.year()),
            Unit::WeekYear => format!("{:04}", date.to_iso_week_date().0),
            Unit::Month => format!("{:02}", u8::from(date.month())),
            Unit::Day => format!("{:02}", date.day()),
            Unit::Week => format!("{:02}", date.iso_week()),
        })
    }
}

/// Parses a date, a date and time, or one with an offset, which is first converted to UTC.
///
/// gitsheets accepts no other ISO 8601 dates: no weeks, no times without seconds, no dates without
/// hyphens.
fn utc_date(text: &str) -> Option<Date> {
    let read: Datetime = text.parse().ok()?;
    let date = read.date?;
    let month = Month::try_from(date.month).ok()?;
    let date = Date::from_calendar_date(date.year.into(), month, date.day).ok()?;
    let (Some(time), Some(offset)) = (read.time, read.offset) else {
        // Only with an offset may a space or a lower-case letter precede the time.
        return (read.time.is_none() || text.contains('T')).then_some(date);
    };
    let offset = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => minutes,
    };
    match i16::from(time.hour) * 60 + i16::from(time.minute) - offset {
        ..0 => date.previous_day(),
        0..1440 => Some(date),
        // Near the first and last day of the calendar, UTC can be outside it.
        1440.. => date.next_day(),
    }
}
