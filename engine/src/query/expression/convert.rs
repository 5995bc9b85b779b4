//! Converts values from one type to another.

use time::Duration;

use super::arithmetic;
use super::flaw::Fault;
use super::operand::Operand;
use super::text::made;
use crate::scalar::Timestamp;

const NANOSECONDS: i128 = 1_000_000_000;

const NO_NUMBER: Fault = Fault("is not a number");

pub(super) fn int<'a>(operand: &Operand<'_>) -> Result<Operand<'a>, Fault> {
    let number = match operand {
        Operand::Int(number) => Some(*number),
        Operand::Uint(number) => i64::try_from(*number).ok(),
        // Both bounds are exact floats, and the upper one is out of range.
        Operand::Double(it) => {
            (*it > -(2_f64.powi(63)) && *it < 2_f64.powi(63)).then_some(*it as i64)
        }
        Operand::Text(text) => return text.parse().map(Operand::Int).map_err(|_| NO_NUMBER),
        Operand::Timestamp(moment) => {
            i64::try_from(moment.nanoseconds().div_euclid(NANOSECONDS)).ok()
        }
        _ => return Err(Fault::TYPES),
    };
    number.map(Operand::Int).ok_or(Fault::RANGE)
}

pub(super) fn uint<'a>(operand: &Operand<'_>) -> Result<Operand<'a>, Fault> {
    let number = match operand {
        Operand::Int(number) => u64::try_from(*number).ok(),
        Operand::Uint(number) => Some(*number),
        Operand::Double(it) => (*it > -1.0 && *it < 2_f64.powi(64)).then_some(*it as u64),
        Operand::Text(text) => return text.parse().map(Operand::Uint).map_err(|_| NO_NUMBER),
        _ => return Err(Fault::TYPES),
    };
    number.map(Operand::Uint).ok_or(Fault::RANGE)
}

pub(super) fn double<'a>(operand: &Operand<'_>) -> Result<Operand<'a>, Fault> {
    match operand {
        Operand::Int(number) => Ok(Operand::Double(*number as f64)),
        Operand::Uint(number) => Ok(Operand::Double(*number as f64)),
        Operand::Double(number) => Ok(Operand::Double(*number)),
        Operand::Text(text) => text.parse().map(Operand::Double).map_err(|_| NO_NUMBER),
        _ => Err(Fault::TYPES),
    }
}

pub(super) fn boolean<'a>(operand: &Operand<'_>) -> Result<Operand<'a>, Fault> {
    let Operand::Text(text) = operand else {
        return match operand {
            Operand::Bool(boolean) => Ok(Operand::Bool(*boolean)),
            _ => Err(Fault::TYPES),
        };
    };
    match &**text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Operand::Bool(true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Operand::Bool(false)),
        _ => Err(Fault("is neither true nor false")),
    }
}

pub(super) fn bytes(operand: Operand<'_>) -> Result<Operand<'_>, Fault> {
    match operand {
        Operand::Text(text) => Ok(Operand::Bytes(text.as_bytes().into())),
        bytes @ Operand::Bytes(_) => Ok(bytes),
        _ => Err(Fault::TYPES),
    }
}

pub(super) fn string(operand: Operand<'_>) -> Result<Operand<'_>, Fault> {
    let text = match operand {
        text @ Operand::Text(_) => return Ok(text),
        Operand::Bool(boolean) => boolean.to_string(),
        Operand::Int(number) => number.to_string(),
        Operand::Uint(number) => number.to_string(),
        Operand::Double(number) => written(number),
        Operand::Bytes(bytes) => {
            let text = std::str::from_utf8(&bytes).map_err(|_| Fault("is not valid UTF-8"))?;
            text.to_owned()
        }
        Operand::Timestamp(moment) => moment.text(),
        Operand::Duration(duration) => seconds(duration),
        Operand::Version(version) => version.to_string(),
        _ => return Err(Fault::TYPES),
    };
    made(text)
}

/// Formats a float as the shortest text that parses to it, with an exponent if it would have many
/// zeros.
fn written(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = number.abs();
    if size == 0.0 || number.is_nan() || (1e-4..1e21).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |it| ('-', it));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// Formats a duration in seconds: `90s`, `-1.5s`.
fn seconds(duration: Duration) -> String {
    let sign = if duration.is_negative() { "-" } else { "" };
    let mut text = format!("{sign}{}", duration.whole_seconds().unsigned_abs());
    match duration.subsec_nanoseconds().unsigned_abs() {
        0 => {}
        rest => text.push_str(format!(".{rest:09}").trim_end_matches('0')),
    }
    text.push('s');
    text
}

/// Returns the moment that a text denotes, or that is the given number of seconds after the Unix
/// epoch.
pub(super) fn timestamp<'a>(operand: &Operand<'_>) -> Result<Operand<'a>, Fault> {
    match operand {
        Operand::Timestamp(moment) => Ok(Operand::Timestamp(*moment)),
        Operand::Int(seconds) => arithmetic::moment(i128::from(*seconds).checked_mul(NANOSECONDS)),
        Operand::Text(text) => {
            let moment =
                Timestamp::parse(text).ok_or(Fault("is neither a date nor a date-time"))?;
            arithmetic::moment(Some(moment.nanoseconds()))
        }
        _ => Err(Fault::TYPES),
    }
}

/// Reads a duration such as `90s`, `1h30m` or `-1.5h`: hours, minutes, seconds, `ms`, `us`, `ns`.
pub(super) fn duration<'a>(operand: &Operand<'_>) -> Result<Operand<'a>, Fault> {
    const NONE: Fault = Fault("is not a duration, such as \"2160h\" or \"1h30m\"");
    match operand {
        Operand::Duration(duration) => Ok(Operand::Duration(*duration)),
        Operand::Text(text) => {
            let nanoseconds = nanoseconds(text).ok_or(NONE)?;
            let seconds = i64::try_from(nanoseconds / NANOSECONDS).map_err(|_| Fault::RANGE)?;
            // Less than a second always fits.
            let rest = (nanoseconds % NANOSECONDS) as i32;
            arithmetic::duration(Some(Duration::new(seconds, rest)))
        }
        _ => Err(Fault::TYPES),
    }
}

fn nanoseconds(text: &str) -> Option<i128> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    match rest {
        "" => return None,
        "0" => return Some(0),
        _ => {}
    }
    let mut sum = 0_i128;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(end);
        let unit_end = behind.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, behind) = behind.split_at(unit_end.unwrap_or(behind.len()));
        let unit: i128 = match unit {
            "h" => 3_600 * NANOSECONDS,
            "m" => 60 * NANOSECONDS,
            "s" => NANOSECONDS,
            "ms" => 1_000_000,
            "us" | "µs" | "μs" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        sum = sum.checked_add(whole.checked_mul(unit)?)?;
        // Digits beyond nanoseconds are cut off.
        let mut place = unit;
        for digit in fraction.bytes() {
            place /= 10;
            sum = sum.checked_add(i128::from(digit - b'0') * place)?;
        }
        rest = behind;
    }
    Some(sign * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, expected) in [
            ("1h30m", Some(5_400 * NANOSECONDS)),
            ("-1.5h", Some(-5_400 * NANOSECONDS)),
            ("100ms", Some(100_000_000)),
            ("1.0000000019s", Some(1_000_000_001)),
            ("+2us", Some(2_000)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("", None),
            ("-", None),
            ("1", None),
            ("1d", None),
            (".s", None),
            ("1.2.3s", None),
            ("s", None),
        ] {
            assert_eq!(nanoseconds(text), expected, "{text}");
        }
    }

    #[test]
    fn floats_and_durations_are_written_short() {
        for (number, text) in
            [(1.0, "1"), (-0.0045, "-0.0045"), (1e300, "1e+300"), (2.5e-7, "2.5e-07")]
        {
            assert_eq!(written(number), text);
        }
        assert_eq!(seconds(Duration::milliseconds(-1_500)), "-1.5s");
        assert_eq!(seconds(Duration::milliseconds(-500)), "-0.5s");
    }
}
