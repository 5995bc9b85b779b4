//! How long a caller waits for something that takes time: a reload, a push, a commit.

use axum::http::HeaderMap;

use crate::hook;

/// The default wait, in seconds.
const WAIT: u64 = 60;

/// The longest wait, in seconds.
const MAX_WAIT: u64 = 300;

/// The wait of a forge, in seconds; the first of them gives up after ten.
const FORGE_WAIT: u64 = 8;

/// Returns how many seconds a caller waits.
pub(super) fn wait(headers: &HeaderMap) -> u64 {
    let preferred = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let preferred = preferred.filter_map(hook::wait_seconds).next();
    let longest = if hook::sender(headers).is_some() { FORGE_WAIT } else { MAX_WAIT };
    preferred.unwrap_or(WAIT).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forge_waits_eight_seconds_and_others_as_long_as_they_prefer() {
        let cases: [(&[(&'static str, &'static str)], u64); 6] = [
            (&[], 60),
            (&[("prefer", "wait=5")], 5),
            (&[("prefer", "respond-async"), ("prefer", "wait=7")], 7),
            (&[("prefer", "wait=9999")], 300),
            (&[("x-github-event", "push")], 8),
            (&[("x-gitlab-event", "Push Hook"), ("prefer", "wait=100")], 8),
        ];
        for (pairs, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(wait(&headers), expected, "{pairs:?}");
        }
    }
}
