//! `Prefer: wait=N` (RFC 7240).

/// Returns how many seconds the caller would wait, from the value of a `Prefer` header. The first
/// `wait` counts; what can't be read is passed over, as the standard asks.
pub fn wait_seconds(header: &str) -> Option<u64> {
    header.split(',').find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let value = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("wait") { value.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::wait_seconds;

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
