//! Counts requests by caller: each token by its name, people by their issuer. The names come from
//! the access file, so nobody can add series.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::exposition::head;
use crate::access::CallerId;

/// What became of a request, as far as its caller is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallerOutcome {
    /// It was let in.
    Admitted,
    /// The caller had sent too many.
    Limited,
}

/// Counts the requests of callers.
#[derive(Default)]
pub(super) struct Callers(BTreeMap<(CallerLabel, CallerOutcome), u64>);

/// The labels of a caller. People of one issuer share them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct CallerLabel {
    kind: &'static str,
    name: String,
}

impl CallerLabel {
    fn of(caller: &CallerId) -> Self {
        let (kind, name) = match caller {
            CallerId::Anonymous => ("anonymous", ""),
            CallerId::Token(name) => ("token", &**name),
            CallerId::Person { issuer, .. } => ("issuer", &**issuer),
        };
        // An address has neither; a label must not end early whatever the file says.
        let name = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        Self { kind, name }
    }
}

impl Callers {
    pub(super) fn sent(&mut self, caller: &CallerId, outcome: CallerOutcome) {
        *self.0.entry((CallerLabel::of(caller), outcome)).or_default() += 1;
    }

    pub(super) fn render(&self, out: &mut String) {
        let name = "headwater_caller_requests_total";
        head(out, name, "counter", "Requests by token, or by the issuer of a person.");
        for ((CallerLabel { kind, name: caller }, outcome), count) in &self.0 {
            let outcome = match outcome {
                CallerOutcome::Admitted => "admitted",
                CallerOutcome::Limited => "limited",
            };
            let labels = format!("kind=\"{kind}\",name=\"{caller}\",outcome=\"{outcome}\"");
            let _ = writeln!(out, "{name}{{{labels}}} {count}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_by_name_and_people_by_issuer() {
        let mut callers = Callers::default();
        let person = |subject: &str| CallerId::Person {
            issuer: "https://login.example.org/\"".into(),
            subject: subject.into(),
        };
        callers.sent(&CallerId::Token("site".into()), CallerOutcome::Admitted);
        callers.sent(&CallerId::Token("site".into()), CallerOutcome::Limited);
        callers.sent(&person("a"), CallerOutcome::Admitted);
        callers.sent(&person("b"), CallerOutcome::Admitted);
        callers.sent(&CallerId::Anonymous, CallerOutcome::Admitted);
        let mut text = String::new();
        callers.render(&mut text);
        for line in [
            "{kind=\"token\",name=\"site\",outcome=\"admitted\"} 1",
            "{kind=\"token\",name=\"site\",outcome=\"limited\"} 1",
            "{kind=\"issuer\",name=\"https://login.example.org/\\\"\",outcome=\"admitted\"} 2",
            "{kind=\"anonymous\",name=\"\",outcome=\"admitted\"} 1",
        ] {
            assert!(text.contains(&format!("headwater_caller_requests_total{line}\n")), "{text}");
        }
    }
}
