//! `Prefer` (RFC 7240): `wait=N` and `return=minimal`.

/// Returns how many seconds the caller would wait, from the value of a `Prefer` header. The first
/// `wait` counts; invalid ones are ignored, as the standard requires.
pub fn wait_seconds(header: &str) -> Option<u64> {
    values(header, "wait").find_map(|value| value.parse().ok())
}

/// Returns whether the value of a `Prefer` header asks for an answer without a body.
pub fn wants_minimal(header: &str) -> bool {
    values(header, "return").next().is_some_and(|value| value.eq_ignore_ascii_case("minimal"))
}

fn values<'a>(header: &'a str, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    header.split(',').filter_map(move |preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case(wanted).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::{wait_seconds, wants_minimal};

    #[test]
    fn the_first_return_counts() {
        let cases = [
            ("return=minimal", true),
            ("wait=5, Return=\"minimal\"; x", true),
            ("return=representation, return=minimal", false),
            ("return", false),
            ("minimal", false),
        ];
        for (header, expected) in cases {
            assert_eq!(wants_minimal(header), expected, "{header}");
        }
    }

    #[test]
    fn the_first_readable_wait_counts() {
        let cases = [
            ("wait=5", Some(5)),
            ("respond-async, Wait = 10; x=y", Some(10)),
            ("wait=\"7\"", Some(7)),
            ("wait=0", Some(0)),
            ("wait=soon, wait=3", Some(3)),
            ("wait", None),
            ("waiting=5", None),
            ("wait=-1", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(wait_seconds(header), expected, "{header}");
        }
    }
}
