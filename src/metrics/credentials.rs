//! Counts the secrets in use, by number. The metric shows when an old one may be removed.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::exposition::head;
use crate::config::Match;
use crate::wire::Code;

/// Counts the credentials of requests.
#[derive(Default)]
pub(super) struct Credentials {
    accepted: BTreeMap<(&'static str, usize), u64>,
    refused: BTreeMap<&'static str, u64>,
}

impl Credentials {
    pub(super) fn accepted(&mut self, Match { role, number }: Match) {
        *self.accepted.entry((role.as_str(), number)).or_default() += 1;
    }

    pub(super) fn refused(&mut self, code: Code) {
        *self.refused.entry(code.as_str()).or_default() += 1;
    }

    pub(super) fn render(&self, out: &mut String) {
        let name = "headwater_credentials_accepted_total";
        head(out, name, "counter", "Accepted credentials, by the number of the secret.");
        for ((role, number), count) in &self.accepted {
            let _ = writeln!(out, "{name}{{role=\"{role}\",secret=\"{number}\"}} {count}");
        }
        let name = "headwater_credentials_refused_total";
        head(out, name, "counter", "Refused calls, without a credential or with a wrong one.");
        for (code, count) in &self.refused {
            let _ = writeln!(out, "{name}{{code=\"{code}\"}} {count}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;

    #[test]
    fn secrets_are_counted_by_role_and_number() {
        let mut credentials = Credentials::default();
        for (role, number) in [(Role::Reload, 2), (Role::Operator, 1), (Role::Reload, 2)] {
            credentials.accepted(Match { role, number });
        }
        credentials.refused(Code::Unauthorized);
        let mut text = String::new();
        credentials.render(&mut text);
        assert!(text.contains("accepted_total{role=\"reload\",secret=\"2\"} 2\n"), "{text}");
        assert!(text.contains("accepted_total{role=\"operator\",secret=\"1\"} 1\n"), "{text}");
        assert!(text.contains("refused_total{code=\"unauthorized\"} 1\n"), "{text}");
    }
}
