//! Reports as spans, in the JSON form of OTLP.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use headwater_engine::engine::Report;
use headwater_engine::report::Counts;
use serde_json::{Value, json};

use crate::random;
use crate::wire::failure_code;

/// A span that is neither a request nor an answer (`SPAN_KIND_INTERNAL`).
const INTERNAL: u8 = 1;

/// The status of a span: `STATUS_CODE_OK` and `STATUS_CODE_ERROR`.
const OK: u8 = 1;
const ERROR: u8 = 2;

/// Returns the body of a request with `reports`; each is a trace of its own.
pub(super) fn request(reports: &[Arc<Report>]) -> Value {
    let spans: Vec<Value> = reports.iter().flat_map(|report| spans(report)).collect();
    let version = env!("CARGO_PKG_VERSION");
    json!({ "resourceSpans": [{
        "resource": { "attributes": [
            attribute("service.name", "headwater".into()),
            attribute("service.version", version.into()),
        ] },
        "scopeSpans": [{ "scope": { "name": "headwater", "version": version }, "spans": spans }],
    }] })
}

/// Returns the span of a reload, followed by those of its stages. The engine reports only their
/// durations, so they are placed one after the other from the start.
fn spans(report: &Report) -> Vec<Value> {
    let (trace, parent) = (random::id(), span_id());
    let mut span = span(&trace, &parent, "reload", report.started, report.duration);
    span["attributes"] = attributes(report);
    span["status"] = match &report.result {
        Ok(_) => json!({ "code": OK }),
        // Only the code is sent: the text of an error may have names that not every reader of
        // traces may see.
        Err(error) => json!({ "code": ERROR, "message": failure_code(error.kind()).as_str() }),
    };
    let mut spans = vec![span];
    let Ok(outcome) = &report.result else { return spans };
    let mut begin = report.started;
    for (name, duration) in outcome.timings.stages() {
        if !duration.is_zero() {
            let mut stage = self::span(&trace, &span_id(), name, begin, duration);
            stage["parentSpanId"] = json!(parent);
            spans.push(stage);
            begin += duration;
        }
    }
    spans
}

fn span(trace: &str, id: &str, name: &str, begin: SystemTime, duration: Duration) -> Value {
    json!({
        "traceId": trace, "spanId": id, "name": name, "kind": INTERNAL,
        "startTimeUnixNano": nanoseconds(begin), "endTimeUnixNano": nanoseconds(begin + duration),
    })
}

fn attributes(report: &Report) -> Value {
    let mut attributes = vec![
        attribute("headwater.reload.id", report.id.to_string().into()),
        attribute("headwater.reload.trigger", report.trigger.as_str().into()),
        attribute("headwater.commit", report.serving.to_string().into()),
    ];
    match &report.result {
        Ok(outcome) => {
            attributes.push(attribute("headwater.reload.outcome", outcome.kind.as_str().into()));
            attributes.push(attribute("headwater.commit.old", outcome.old.to_string().into()));
            if let Some(reason) = outcome.reason {
                attributes.push(attribute("headwater.reload.reason", reason.as_str().into()));
            }
            let all: Vec<&Counts> = outcome.changed.values().collect();
            let sum =
                |part: fn(&Counts) -> u64| -> u64 { all.iter().map(|counts| part(counts)).sum() };
            let counts = [
                ("headwater.records.added", sum(|counts| counts.added)),
                ("headwater.records.modified", sum(|counts| counts.modified)),
                ("headwater.records.removed", sum(|counts| counts.removed)),
            ];
            attributes.extend(counts.map(|(name, count)| attribute(name, count.into())));
        }
        Err(error) => {
            let code = failure_code(error.kind()).as_str();
            attributes.push(attribute("headwater.reload.outcome", "failed".into()));
            attributes.push(attribute("error.type", code.into()));
        }
    }
    attributes.into()
}

/// Returns a named attribute of text or a number. In this form of OTLP a 64-bit number is text.
fn attribute(name: &str, value: Value) -> Value {
    let value = match value {
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        text => json!({ "stringValue": text }),
    };
    json!({ "key": name, "value": value })
}

/// Returns the sixteen hexadecimal digits of a new span.
fn span_id() -> String {
    let mut id = random::id();
    id.truncate(16);
    id
}

fn nanoseconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use headwater_engine::digest::Digest;
    use headwater_engine::id::CommitId;
    use headwater_engine::report::{OutcomeKind, ReloadOutcome, Timings, Trigger};

    /// Returns a reload that took 10 ms, of which 6 were the fetch and 1 the swap.
    pub(in crate::otlp) fn report() -> Arc<Report> {
        let commit: CommitId = "a".repeat(40).parse().unwrap();
        let ms = Duration::from_millis;
        let timings = Timings { fetch: ms(6), swap: ms(1), ..Timings::default() };
        let outcome = ReloadOutcome {
            kind: OutcomeKind::Applied,
            reason: None,
            old: commit,
            new: commit,
            timings,
            changed: std::collections::BTreeMap::new(),
            shown: std::collections::BTreeMap::new(),
            redefined: Vec::new(),
            digest: Digest::from_bytes([0; 32]),
            ahead: 0,
            fetched: true,
            remote_head: None,
            repeated: false,
            held: None,
            replayed: None,
        };
        Arc::new(Report {
            id: "a-1".parse().unwrap(),
            trigger: Trigger::Webhook,
            started: UNIX_EPOCH + ms(1_000),
            duration: ms(10),
            serving: commit,
            result: Ok(outcome),
        })
    }

    #[test]
    fn a_reload_is_a_span_and_its_stages_are_children_one_behind_the_other() {
        let body = request(&[report()]);
        let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
        let told: Vec<_> = spans
            .iter()
            .map(|span| {
                let text = |name: &str| span[name].as_str().unwrap();
                (text("name"), text("startTimeUnixNano"), text("endTimeUnixNano"))
            })
            .collect();
        assert_eq!(
            told,
            [
                ("reload", "1000000000", "1010000000"),
                ("fetch", "1000000000", "1006000000"),
                ("swap", "1006000000", "1007000000"),
            ]
        );
        assert_eq!(spans[0]["traceId"].as_str().map(str::len), Some(32));
        assert_eq!(spans[0]["spanId"].as_str().map(str::len), Some(16));
        for stage in &spans[1..] {
            assert_eq!(
                (&stage["parentSpanId"], &stage["traceId"]),
                (&spans[0]["spanId"], &spans[0]["traceId"])
            );
        }
        let attributes = spans[0]["attributes"].as_array().unwrap();
        assert!(attributes.contains(&attribute("headwater.reload.outcome", "applied".into())));
        let added = json!({ "key": "headwater.records.added", "value": { "intValue": "0" } });
        assert!(attributes.contains(&added), "{attributes:?}");
    }
}
