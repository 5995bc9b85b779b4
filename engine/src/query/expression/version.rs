//! Semantic versions and vulnerability scores.

use std::str::FromStr;
use std::sync::Arc;

use semver::Version;

use super::flaw::Fault;
use super::operand::Operand;

/// Parses a version. With `is_lenient`, also accepts a leading `v`, fewer than three numbers, and
/// leading zeros.
pub(super) fn semver(text: &str, is_lenient: bool) -> Option<Arc<Version>> {
    let version = match is_lenient {
        true => Version::parse(&normalized(text)),
        false => Version::parse(text),
    };
    version.ok().map(Arc::new)
}

fn normalized(text: &str) -> String {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (numbers, rest) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
    let trimmed = numbers.split('.').map(|number| match number.trim_start_matches('0') {
        "" if !number.is_empty() => "0",
        number => number,
    });
    let mut numbers: Vec<&str> = trimmed.collect();
    while numbers.len() < 3 {
        numbers.push("0");
    }
    format!("{}{rest}", numbers.join("."))
}

/// Returns a number of a version as an int.
pub(super) fn number<'a>(number: u64) -> Result<Operand<'a>, Fault> {
    i64::try_from(number).map(Operand::Int).map_err(|_| Fault::RANGE)
}

/// Returns the score of a CVSS vector of version 2, 3.0, 3.1 or 4.0, or of a numeric score.
pub(super) fn cvss<'a>(operand: &Operand<'_>) -> Result<Operand<'a>, Fault> {
    match operand {
        Operand::Double(score) => Ok(Operand::Double(*score)),
        Operand::Int(score) => Ok(Operand::Double(*score as f64)),
        Operand::Text(vector) => {
            let vector = cvss::Cvss::from_str(vector);
            let score = vector.map_err(|_| Fault("is not a CVSS vector"))?.score();
            Ok(Operand::Double(score))
        }
        _ => Err(Fault::TYPES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_strictly_unless_asked_otherwise() {
        for (text, strict, lenient) in [
            ("1.22.1", true, true),
            ("1.0.0-rc.1+b", true, true),
            ("v1.22", false, true),
            ("01.2.3", false, true),
            ("0", false, true),
            ("1.2.3.4", false, false),
            ("", false, false),
            ("x", false, false),
        ] {
            assert_eq!(semver(text, false).is_some(), strict, "{text}");
            assert_eq!(semver(text, true).is_some(), lenient, "{text}");
        }
    }

    #[test]
    fn vectors_of_every_version_have_their_published_scores() {
        for (vector, expected) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
            ("CVSS:3.0/AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:H", 5.5),
            ("AV:N/AC:L/Au:N/C:N/I:N/A:C", 7.8),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 9.3),
        ] {
            let Ok(Operand::Double(score)) = cvss(&Operand::Text(vector.into())) else {
                panic!("{vector} has no score");
            };
            assert!((score - expected).abs() < 0.01, "{vector}: {score}");
        }
        assert!(cvss(&Operand::Text("high".into())).is_err());
    }
}
