//! Times, in the format of every answer, event and alert.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The range of RFC 3339, in seconds since 1970.
const WRITABLE: RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// Writes a time as RFC 3339 in UTC, to the second.
pub fn time(time: SystemTime) -> String {
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    time_of(match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => seconds(since),
        Err(before) => -seconds(before.duration()),
    })
}

/// Writes a time in seconds since 1970, whatever its origin claims. A time before the year 0 or
/// after 9999 becomes the first or the last that can be written.
pub fn time_of(seconds: i64) -> String {
    let time =
        OffsetDateTime::from_unix_timestamp(seconds.clamp(*WRITABLE.start(), *WRITABLE.end()));
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_to_the_second() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        assert_eq!(super::time(time), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn every_number_of_seconds_is_a_time() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "9999-12-31T23:59:59Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
            (-62_167_219_200, "0000-01-01T00:00:00Z"),
            (-62_167_219_201, "0000-01-01T00:00:00Z"),
            (i64::MIN, "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(time_of(seconds), text, "{seconds}");
        }
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(time(far), "9999-12-31T23:59:59Z");
        let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(time(early), "1969-12-31T23:59:59Z");
    }
}
