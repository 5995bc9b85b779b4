//! Moments before and after others.

use super::{DAY, Timestamp, date, days, last_day};

impl Timestamp {
    /// Returns the moment `seconds` after the Unix epoch, or `None` if it is out of range.
    pub fn of_seconds(seconds: i64) -> Option<Self> {
        let moment = Self { seconds, nanoseconds: 0 };
        (Self::FIRST..Self::END).contains(&moment).then_some(moment)
    }

    /// Returns the beginning of its day in UTC.
    pub fn midnight(self) -> Self {
        Self { seconds: self.seconds - self.seconds.rem_euclid(DAY), nanoseconds: 0 }
    }

    /// Returns the moment `seconds` later, or `None` if it is out of range.
    pub fn later(self, seconds: i64) -> Option<Self> {
        let moment = Self { seconds: self.seconds.checked_add(seconds)?, ..self };
        (Self::FIRST..Self::END).contains(&moment).then_some(moment)
    }

    /// Returns the moment `months` later, at the same time on the same day, or on the last day of a
    /// shorter month. Returns `None` if it is out of range.
    pub fn months_later(self, months: i64) -> Option<Self> {
        let seconds = self.seconds;
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let month = (year * 12 + month - 1).checked_add(months)?;
        let year = u32::try_from(month.div_euclid(12)).ok().filter(|year| *year < 10_000)?;
        let month = u32::try_from(month.rem_euclid(12)).ok()? + 1;
        let day = u32::try_from(day).ok()?.min(last_day(year, month));
        let seconds = days(year, month, day) * DAY + seconds.rem_euclid(DAY);
        Some(Self { seconds, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_have_the_days_that_they_have_and_time_has_an_end() {
        let moment = |text: &str| Timestamp::parse(text).unwrap();
        for (from, months, to) in [
            ("2024-01-31T10:00:00Z", 1, "2024-02-29T10:00:00Z"),
            ("2024-01-31", 13, "2025-02-28"),
            ("2024-03-31", -1, "2024-02-29"),
            ("2024-01-15", -13, "2022-12-15"),
            ("2024-06-30", 12, "2025-06-30"),
            ("0000-02-01", -1, "0000-01-01"),
        ] {
            assert_eq!(moment(from).months_later(months), Some(moment(to)), "{from} {months}");
        }
        assert_eq!(moment("0000-01-01").months_later(-1), None);
        assert_eq!(moment("9999-12-31").months_later(1), None);
        assert_eq!(moment("2024-01-01").months_later(i64::MAX), None);
        assert_eq!(moment("2024-01-01").later(-1), Some(moment("2023-12-31T23:59:59Z")));
        assert_eq!(moment("2024-01-01").later(i64::MIN), None);
        assert_eq!(moment("1969-12-31T10:00:00.5Z").midnight(), moment("1969-12-31"));
        assert_eq!(Timestamp::of_seconds(0), Some(moment("1970-01-01")));
        assert_eq!(Timestamp::of_seconds(i64::MAX), None);
    }
}
