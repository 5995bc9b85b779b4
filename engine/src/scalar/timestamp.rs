//! Points in time, as spelled by strings in any format.

mod shift;

/// A date, or a date and a time, to the nanosecond. Without an offset it is in UTC.
///
/// A record's value does not keep the types of its format, so only the text counts: a date-time in
/// TOML and the same string in YAML or JSON are the same moment. A time of day without a date is
/// not a moment.
// Twelve bytes, so that an index needs 32 rather than 40 bytes for each value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(4))]
pub struct Timestamp {
    /// Counted from 1970-01-01.
    seconds: i64,
    nanoseconds: u32,
}

const SECOND: u32 = 1_000_000_000;
const DAY: i64 = 86_400;

impl Timestamp {
    /// The first moment in range, the beginning of the year 0.
    pub const FIRST: Self = Self { seconds: days(0, 1, 1) * DAY, nanoseconds: 0 };

    /// The first moment after the last one in range, which is in the year 9999.
    const END: Self = Self { seconds: days(10_000, 1, 1) * DAY, nanoseconds: 0 };

    /// Parses `2024-05-01`, `2024/05/01` or `2024.05.01`, optionally followed by `T` or a space,
    /// `10:30`, seconds, a fraction, and a zone: `Z`, `UTC`, `GMT`, or an offset such as `+02:00`,
    /// `-0500` or `+02`, with or without a space before it. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        let (date, rest) = text.split_at_checked(10)?;
        if !matches!(date[4], b'-' | b'/' | b'.') || date[7] != date[4] {
            return None;
        }
        let (year, month, day) = (number(&date[..4])?, number(&date[5..7])?, number(&date[8..])?);
        if !(1..=12).contains(&month) || day == 0 || day > last_day(year, month) {
            return None;
        }
        let midnight = days(year, month, day) * DAY;
        let (seconds, nanoseconds) = match rest {
            [] => (0, 0),
            [b'T' | b't' | b' ', time @ ..] => time_of_day(time)?,
            _ => return None,
        };
        let moment = Self { seconds: midnight + seconds, nanoseconds };
        (Self::FIRST..Self::END).contains(&moment).then_some(moment)
    }

    /// Also parses a year, `2024`, or a month, `2024-05`, as its beginning.
    pub fn beginning(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [_, _, _, _] => Self::parse(&format!("{text}-01-01")),
            [_, _, _, _, b'-', _, _] => Self::parse(&format!("{text}-01")),
            [_, _, _, _, b'/', _, _] => Self::parse(&format!("{text}/01")),
            [_, _, _, _, b'.', _, _] => Self::parse(&format!("{text}.01")),
            _ => Self::parse(text),
        }
    }

    /// Returns the current second, or the Unix epoch if the clock is out of range.
    pub fn now() -> Self {
        let seconds = time::OffsetDateTime::now_utc().unix_timestamp();
        Self::at(i128::from(seconds) * i128::from(SECOND))
            .unwrap_or(Self { seconds: 0, nanoseconds: 0 })
    }

    /// Returns the moment `nanoseconds` after the Unix epoch, or `None` if it is out of range.
    pub fn at(nanoseconds: i128) -> Option<Self> {
        let second = i128::from(SECOND);
        let seconds = i64::try_from(nanoseconds.div_euclid(second)).ok()?;
        let nanoseconds = u32::try_from(nanoseconds.rem_euclid(second)).ok()?;
        let moment = Self { seconds, nanoseconds };
        (Self::FIRST..Self::END).contains(&moment).then_some(moment)
    }

    /// Returns the number of nanoseconds since the Unix epoch.
    pub fn nanoseconds(self) -> i128 {
        i128::from(self.seconds) * i128::from(SECOND) + i128::from(self.nanoseconds)
    }

    /// Returns the moment one nanosecond later, or `None` if it is out of range.
    pub fn next(self) -> Option<Self> {
        let next = match self.nanoseconds + 1 {
            SECOND => Self { seconds: self.seconds + 1, nanoseconds: 0 },
            nanoseconds => Self { nanoseconds, ..self },
        };
        Some(next).filter(|next| *next < Self::END)
    }

    /// Returns the number of whole seconds since the Unix epoch.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Returns the number of nanoseconds since the last whole second.
    pub fn subsecond(self) -> u32 {
        self.nanoseconds
    }

    /// Returns the shortest text in UTC that includes seconds: `2024-05-01T08:30:00Z`.
    pub fn text(self) -> String {
        let Self { seconds, nanoseconds } = self;
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if nanoseconds > 0 {
            text.push_str(format!(".{nanoseconds:09}").trim_end_matches('0'));
        }
        text.push('Z');
        text
    }
}

/// Parses a time and its offset. Returns the seconds in UTC since midnight, and the nanoseconds.
fn time_of_day(text: &[u8]) -> Option<(i64, u32)> {
    let (hour, minute, mut rest) = clock(text)?;
    let (mut second, mut fraction) = (0, 0);
    if let [b':', tens, ones, behind @ ..] = rest {
        (second, rest) = (number(&[*tens, *ones])?, behind);
        if let [b'.', behind @ ..] = rest {
            let length = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let digits = behind.get(..length).filter(|digits| !digits.is_empty())?;
            // Digits beyond nanoseconds are cut off.
            let nine = (0..9).map(|at| digits.get(at).map_or(0, |digit| u32::from(digit - b'0')));
            fraction = nine.fold(0, |all, digit| all * 10 + digit);
            rest = &behind[length..];
        }
    }
    let offset = match rest {
        [] => 0,
        [b' ', rest @ ..] => offset(rest)?,
        rest => offset(rest)?,
    };
    // A leap second equals the second after it.
    let is_time = second <= 60;
    is_time.then_some((i64::from(hour * 3_600 + minute * 60 + second) - offset, fraction))
}

/// Parses an offset. Returns how many seconds the time is ahead of UTC.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'Z' | b'z'] | b"UTC" | b"GMT" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [tens, ones] => ([*tens, *ones], [b'0'; 2]),
        [tens, ones, b':', minutes @ ..] | [tens, ones, minutes @ ..] => {
            ([*tens, *ones], minutes.try_into().ok()?)
        }
        _ => return None,
    };
    let (hours, minutes) = (number(&hours)?, number(&minutes)?);
    let is_offset = hours < 24 && minutes < 60;
    is_offset.then_some(sign * i64::from(hours * 3_600 + minutes * 60))
}

/// Parses `10:30` at the beginning of a text.
fn clock(text: &[u8]) -> Option<(u32, u32, &[u8])> {
    let [tens, ones, b':', minute_tens, minute_ones, rest @ ..] = text else { return None };
    let (hour, minute) = (number(&[*tens, *ones])?, number(&[*minute_tens, *minute_ones])?);
    (hour < 24 && minute < 60).then_some((hour, minute, rest))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |all, digit| {
        digit.is_ascii_digit().then(|| all * 10 + u32::from(digit - b'0'))
    })
}

fn last_day(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts the days since 1970-01-01. A year begins in March here, so that the leap day is the last.
const fn days(year: u32, month: u32, day: u32) -> i64 {
    // Eras of 400 years have the same number of days; one is added, so that no number is negative.
    let year = year as i64 + 400 - (month <= 2) as i64;
    let month = (month as i64 + 9) % 12;
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day as i64 - 1;
    (era - 1) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Returns the year, month and day for a number that [`days`] returns.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    use super::*;

    #[test]
    fn one_moment_has_many_spellings() {
        for text in [
            "2024-01-01",
            "2024-01-01T00:00",
            "2024-01-01 00:00:00",
            "2024-01-01T00:00:00Z",
            "2024-01-01t00:00:00z",
            "2024-01-01T00:00:00.000Z",
            "2024-01-01T00:00:00.0000000009Z",
            "2024-01-01T02:00:00+02:00",
            "2023-12-31T19:30:00-04:30",
            "2023-12-31T23:59:60Z",
            "2023-12-31 19:00:00 -0500",
            "2023-12-31 19:00:00-0500",
            "2023-12-31 14:00:00 -10",
            "2023-12-31T14:00-10",
            "2024-01-01 00:00:00 +0000",
            "2024-01-01 00:00:00 +00:00",
            "2024-01-01 00:00:00 UTC",
            "2024-01-01 00:00:00.000 UTC",
            "2024-01-01 00:00 GMT",
            "2024-01-01 00:00:00 Z",
            "2024/01/01",
            "2024.01.01",
            "2024/01/01 02:00:00 +0200",
        ] {
            let text = Timestamp::parse(text).map(Timestamp::text);
            assert_eq!(text.as_deref(), Some("2024-01-01T00:00:00Z"));
        }
        assert_eq!(Timestamp::beginning("2024"), Timestamp::parse("2024-01-01"));
        for month in ["2024-02", "2024/02", "2024.02"] {
            assert_eq!(Timestamp::beginning(month), Timestamp::parse("2024-02-01"));
        }
        let half = Timestamp::parse("2024-01-01T00:00:00.5Z").unwrap();
        assert_eq!(half.text(), "2024-01-01T00:00:00.5Z");
        assert!(half > Timestamp::parse("2024-01-01T00:00:00Z").unwrap());
    }

    #[test]
    fn other_texts_are_no_moments() {
        for text in [
            "",
            "2024",
            "2024-01",
            "2024-1-1",
            "2024-13-01",
            "2024-02-30",
            "2023-02-29",
            "2024-00-01",
            "2024-01-00",
            "07:32:00",
            "2024-01-01T",
            "2024-01-01T24:00",
            "2024-01-01T10:60",
            "2024-01-01T10:00:61",
            "2024-01-01T10:00:00.",
            "2024-01-01T10:00:00+02:00x",
            "2024-01-01T10:00:00+020",
            "2024-01-01T10:00:00+02:0",
            "2024-01-01T10:00:00+0260",
            "2024-01-01T10:00:00+24",
            "2024-01-01T10:00:00  +02",
            "2024-01-01T10:00:00 CEST",
            "2024-01-01T10:00:00 ",
            "2024-01/01",
            "2024/1/1",
            "2024.1.1",
            "01.02.2024",
            "2024:01:01",
            "20240101",
            "2024-01-01x",
            "2024-01-01-draft",
            "+024-01-01",
            "٢٠٢٤-01-01",
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
        assert_eq!(Timestamp::parse("9999-12-31T23:59:59.999999999Z").unwrap().next(), None);
        assert_eq!(Timestamp::FIRST.text(), "0000-01-01T00:00:00Z");
    }

    proptest! {
        /// Checks against another library.
        #[test]
        fn a_moment_reads_and_writes_as_what_it_is(
            seconds in -62_167_219_200..253_402_300_800_i64,
            nanoseconds in prop_oneof![Just(0), 0..SECOND],
            offset in -1439..1439_i32,
        ) {
            let moment = Timestamp { seconds, nanoseconds };
            let nanos = i128::from(seconds) * i128::from(SECOND) + i128::from(nanoseconds);
            let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap();
            prop_assert_eq!(moment.text(), time.format(&Rfc3339).unwrap());
            prop_assert_eq!((moment.nanoseconds(), Timestamp::at(nanos)), (nanos, Some(moment)));
            let offset = time::UtcOffset::from_whole_seconds(offset * 60).unwrap();
            if let Some(elsewhere) = time.checked_to_offset(offset)
                && let Ok(text) = elsewhere.format(&Rfc3339)
            {
                prop_assert_eq!(Timestamp::parse(&text), Some(moment), "{}", text);
            }
            if let Some(next) = moment.next() {
                let next = OffsetDateTime::parse(&next.text(), &Rfc3339).unwrap();
                prop_assert_eq!(next.unix_timestamp_nanos(), nanos + 1);
            }
        }

        #[test]
        fn any_text_is_a_moment_or_not(text in "\\PC{0,30}|[0-9]{4}-[0-9]{2}-[0-9]{2}[T :0-9.Z+-]{0,20}|[0-9]{4}[-/.][01][0-9][-/.][0-3][0-9] [0-2][0-9]:[0-5][0-9]( ?[+-][0-9:]{0,5}| UTC)") {
            if let Some(moment) = Timestamp::parse(&text) {
                prop_assert_eq!(Timestamp::parse(&moment.text()), Some(moment));
            }
        }
    }
}
