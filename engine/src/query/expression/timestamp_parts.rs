//! Parts of timestamps and durations.

use time::{Duration, OffsetDateTime, UtcOffset};

use super::flaw::Fault;
use super::function::Function;
use super::operand::Operand;

/// Returns a part of a moment in the zone `zone`: an offset such as `+02:00`, or `UTC`.
pub(super) fn part_of<'a>(
    operand: &Operand<'_>,
    zone: Option<&str>,
    part: Function,
) -> Result<Operand<'a>, Fault> {
    let number = match (operand, zone) {
        (Operand::Timestamp(moment), zone) => {
            let time = OffsetDateTime::from_unix_timestamp_nanos(moment.nanoseconds());
            let time = time.map_err(|_| Fault::RANGE)?;
            let offset = zone.map_or(Ok(UtcOffset::UTC), offset)?;
            part_of_time(time.checked_to_offset(offset).ok_or(Fault::RANGE)?, part)?
        }
        (Operand::Duration(duration), None) => part_of_duration(*duration, part)?,
        _ => return Err(Fault::TYPES),
    };
    Ok(Operand::Int(number))
}

fn part_of_time(time: OffsetDateTime, part: Function) -> Result<i64, Fault> {
    Ok(match part {
        Function::FullYear => time.year().into(),
        Function::Month => i64::from(u8::from(time.month())) - 1,
        Function::Date => time.day().into(),
        Function::DayOfMonth => i64::from(time.day()) - 1,
        Function::DayOfWeek => time.weekday().number_days_from_sunday().into(),
        Function::DayOfYear => i64::from(time.ordinal()) - 1,
        Function::Hours => time.hour().into(),
        Function::Minutes => time.minute().into(),
        Function::Seconds => time.second().into(),
        Function::Milliseconds => time.millisecond().into(),
        _ => return Err(Fault::TYPES),
    })
}

fn part_of_duration(duration: Duration, part: Function) -> Result<i64, Fault> {
    Ok(match part {
        Function::Hours => duration.whole_hours(),
        Function::Minutes => duration.whole_minutes(),
        Function::Seconds => duration.whole_seconds(),
        Function::Milliseconds => duration.subsec_milliseconds().into(),
        _ => return Err(Fault::TYPES),
    })
}

/// Parses `UTC`, `+02:00`, `-02:00` or `02:00`. Named zones such as `Europe/Berlin` are not
/// accepted: their rules change, and answers must not.
fn offset(zone: &str) -> Result<UtcOffset, Fault> {
    const UNKNOWN: Fault = Fault("supports only UTC and offsets such as +02:00 as time zones");
    if zone == "UTC" {
        return Ok(UtcOffset::UTC);
    }
    let (sign, digits) = match zone.as_bytes() {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    let &[a, b, b':', c, d] = digits else { return Err(UNKNOWN) };
    if ![a, b, c, d].iter().all(u8::is_ascii_digit) {
        return Err(UNKNOWN);
    }
    let number = |tens: u8, ones: u8| ((tens - b'0') * 10 + (ones - b'0')) as i8;
    let (hours, minutes) = (number(a, b), number(c, d));
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).map_err(|_| UNKNOWN)
}
