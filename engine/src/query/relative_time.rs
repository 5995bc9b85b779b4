//! Moments relative to now: `now`, `today`, `now-90d`, `today+6mo`.

use std::cell::Cell;
use std::time::SystemTime;

use crate::scalar::Timestamp;

/// The value of `now` for one list.
#[derive(Debug)]
pub(crate) struct Clock {
    now: Timestamp,
    is_used: Cell<bool>,
}

/// The outcome of reading a literal that begins with `now` or `today`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It is a moment.
    Timestamp(Timestamp),
    /// It is an ordinary text.
    Text,
    /// It is nearly a moment, or a moment out of range.
    Wrong,
}

/// The units that may follow a number, in seconds or months.
const UNITS: [(&str, Unit); 7] = [
    ("s", Unit::Seconds(1)),
    ("min", Unit::Seconds(60)),
    ("h", Unit::Seconds(3_600)),
    ("d", Unit::Seconds(86_400)),
    ("w", Unit::Seconds(7 * 86_400)),
    ("mo", Unit::Months(1)),
    ("y", Unit::Months(12)),
];

#[derive(Debug, Clone, Copy)]
enum Unit {
    Seconds(i64),
    Months(i64),
}

impl Clock {
    /// Returns a clock that is stopped at `now`.
    pub(crate) fn standing(now: Timestamp) -> Self {
        Self { now, is_used: Cell::new(false) }
    }

    /// Returns the clock of this machine, to the second.
    pub(crate) fn of_machine() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
        Self::standing(Timestamp::of_seconds(seconds).unwrap_or(Timestamp::FIRST))
    }

    /// Returns the current moment without recording its [use](Self::ask).
    pub(crate) fn moment(&self) -> Timestamp {
        self.now
    }

    /// Records that the moment was used.
    pub(crate) fn ask(&self) {
        self.is_used.set(true);
    }

    /// Returns the current moment, if it was used.
    pub(crate) fn told(&self) -> Option<Timestamp> {
        self.is_used.get().then_some(self.now)
    }

    /// Reads a literal.
    pub(crate) fn read(&self, text: &str) -> Reading {
        let (mut moment, mut rest) = match (text.strip_prefix("now"), text.strip_prefix("today")) {
            (Some(rest), _) => (self.now, rest),
            (_, Some(rest)) => (self.now.midnight(), rest),
            (None, None) => return Reading::Text,
        };
        while !rest.is_empty() {
            // An unescaped plus in a URL is a space.
            let sign = match rest.as_bytes()[0] {
                b'-' => -1,
                b'+' | b' ' => 1,
                _ => return Reading::Text,
            };
            let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return Reading::Text;
            }
            let (number, behind) = rest[1..].split_at(digits);
            let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, behind) = behind.split_at(letters);
            let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, unit)| *unit);
            let number = number.parse::<i64>().ok().filter(|number| *number < 1 << 40);
            let (Some(unit), Some(number)) = (unit, number) else { return Reading::Wrong };
            let shifted = match unit {
                Unit::Seconds(seconds) => moment.later(sign * number * seconds),
                Unit::Months(months) => moment.months_later(sign * number * months),
            };
            let Some(shifted) = shifted else { return Reading::Wrong };
            (moment, rest) = (shifted, behind);
        }
        self.is_used.set(true);
        Reading::Timestamp(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_counted_from_now_or_from_midnight() {
        let clock = Clock::standing(Timestamp::parse("2024-03-31T10:20:30Z").unwrap());
        for text in ["nowhere", "now,", "now-x", "now-", "todays", "", "2024", "NOW"] {
            assert_eq!(clock.read(text), Reading::Text, "{text}");
        }
        for text in ["now-90", "now-90x", "now-1m", "now+99999999999999999d", "now+9000y"] {
            assert_eq!(clock.read(text), Reading::Wrong, "{text}");
        }
        assert_eq!(clock.told(), None);
        for (text, expected) in [
            ("now", "2024-03-31T10:20:30Z"),
            ("today", "2024-03-31"),
            ("now-90d", "2024-01-01T10:20:30Z"),
            ("now 6mo", "2024-09-30T10:20:30Z"),
            ("now+6mo", "2024-09-30T10:20:30Z"),
            ("today-1y+2w-3h+4min-5s", "2023-04-13T21:03:55Z"),
        ] {
            let expected = Reading::Timestamp(Timestamp::parse(expected).unwrap());
            assert_eq!(clock.read(text), expected, "{text}");
        }
        assert_eq!(clock.told().map(Timestamp::text).as_deref(), Some("2024-03-31T10:20:30Z"));
    }
}
