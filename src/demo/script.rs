//! The output of the demonstration.

use std::path::Path;

use headwater_engine::snapshot::Snapshot;
use serde_json::Value;

use super::changes::CHANGED;
use super::sample::BRANCH;
use crate::live::Live;

/// The values in the lines to paste.
pub(super) struct Facts<'a> {
    pub(super) base: &'a str,
    pub(super) secret: &'a str,
    pub(super) folder: &'a Path,
    pub(super) remote: &'a Path,
    pub(super) live: &'a Live,
}

/// Returns the lines to paste, or where to watch the automatic pushes.
pub(super) fn script(facts: &Facts<'_>, auto: bool) -> String {
    let Facts { base, secret, .. } = facts;
    let (remote, work) = (facts.remote.display(), facts.folder.join("work"));
    let work = work.display();
    let served = facts.live.snapshot().map(|snapshot| told(&snapshot)).unwrap_or_default();
    let begin = format!(
        "Serving the branch `{BRANCH}` of {remote} at {base}\n\
         {served}. Press Ctrl-C to stop and remove everything.\n\n\
         Open {base}/ in a browser: it shows the records, and has a button that pushes a change.\n\n\
         Read a project:\n\n  curl -siw '\\n' {base}/api/projects/tree-census\n"
    );
    if auto {
        return format!("{begin}\nA change is pushed every few seconds:\n");
    }
    format!(
        "{begin}\n\
         Push a change:\n\n  \
           git clone -q {remote} {work}\n  \
           cd {work}\n  \
           sed 's/^summary = .*/summary = \"Every street tree in town, counted by otters.\"/' \
         {CHANGED} > new && mv new {CHANGED}\n  \
           git -c user.name=Demo -c user.email=demo@example.org commit -qam 'Ask the otters'\n  \
           git push -q\n\n\
         Call the webhook, as a forge or a workflow would:\n\n  \
           curl -sw '\\n' -X POST -H 'Authorization: Bearer {secret}' {base}/api/_internal/reload-data\n\n\
         Read it again, and find it:\n\n  \
           curl -siw '\\n' {base}/api/projects/tree-census\n  \
           curl -sw '\\n' '{base}/api/_search?q=otters'\n"
    )
}

/// Counts the records, and explains why not all of them are public.
fn told(snapshot: &Snapshot) -> String {
    let (records, sheets) = (snapshot.records(), snapshot.sheets().count());
    let public: usize = snapshot.sheets().map(|sheet| sheet.shown()).sum();
    let private: Vec<_> = snapshot.sheets().filter(|sheet| !sheet.spec().public).collect();
    let kept: usize = private.iter().map(|sheet| sheet.len()).sum();
    let names: Vec<_> = private.iter().map(|sheet| sheet.spec().name.as_str()).collect();
    let hidden = records - public - kept;
    let mut why = Vec::new();
    if kept > 0 {
        why.push(format!("{kept} are in private sheets: {}", names.join(", ")));
    }
    if hidden > 0 {
        why.push(format!("{hidden} are hidden by a field"));
    }
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
    format!("{records} records in {sheets} sheets, {public} of them public{why}")
}

/// Writes the report of a reload in one line.
pub(super) fn report(push: u64, json: &Value) -> String {
    let text = |name: &str| json[name].as_str().unwrap_or_default();
    let short = |name: &str| text(name).chars().take(7).collect::<String>();
    let changed = json["changed"].as_object().into_iter().flatten().map(|(sheet, counts)| {
        let count = |name: &str| counts[name].as_u64().unwrap_or_default();
        format!("{sheet} +{} ~{} -{}", count("added"), count("modified"), count("removed"))
    });
    let changed: Vec<_> = changed.collect();
    let ms = |value: &Value| value.as_f64().unwrap_or_default();
    let stages = ["fetch", "diff", "decode", "apply", "text", "swap"];
    let stages = stages.map(|stage| format!("{stage} {:.1}", ms(&json["timings"][stage])));
    format!(
        "push {push}: {} {} -> {}  {}  {:.1} ms ({})",
        text("outcome"),
        short("oldCommit"),
        short("newCommit"),
        changed.join(", "),
        ms(&json["durationMs"]),
        stages.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_is_one_line() {
        let json = json!({
            "outcome": "applied", "oldCommit": "a".repeat(40), "newCommit": "b".repeat(40),
            "durationMs": 12.345, "changed": { "projects": { "added": 0, "modified": 1, "removed": 0 } },
            "timings": { "fetch": 9.0, "diff": 1.0, "decode": 0.5, "apply": 0.5, "text": 1.0, "swap": 0.3 },
        });
        assert_eq!(
            report(2, &json),
            "push 2: applied aaaaaaa -> bbbbbbb  projects +0 ~1 -0  12.3 ms \
             (fetch 9.0, diff 1.0, decode 0.5, apply 0.5, text 1.0, swap 0.3)"
        );
    }
}
