//! The tools of an operator: the metrics, and the alerts and the dashboard made from them.

use std::collections::BTreeSet;
use std::sync::Arc;

use headwater::cluster::lead::Standing;
use headwater::cluster::member::{ClusterView, RegisterState};
use headwater::cluster::register::Leader;
use headwater::metrics::{Audience, Metrics};
use reqwest::Method;
use serde_json::json;

use crate::harness::{BROKEN, OPERATOR_SECRET, RELOAD_SECRET, TestServer, people, person};

const ALERTS: &str = include_str!("../../docs/monitoring/alerts.yml");
const DASHBOARD: &str = include_str!("../../docs/monitoring/dashboard.json");

/// Returns the names of metrics in `text`.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("headwater_") || word.starts_with("process_")).collect()
}

/// Returns the metrics of a replica that knows nobody yet.
fn replica() -> String {
    let view = ClusterView {
        me: Leader { id: "1".into(), name: "one".into(), url: "http://one".into() },
        standing: Standing::Following,
        engine_leads: false,
        value: None,
        leader: None,
        serving_seq: 0,
        behind_since: None,
        leaderless_since: None,
        unreached: None,
        missing: None,
        missing_since: None,
        unsafe_since: None,
        others: Vec::new(),
        register: RegisterState::Unread,
        takeovers: 0,
        counts: Arc::default(),
    };
    Metrics::default().render(None, Some(&view), Audience::Operator)
}

#[test]
fn the_alerts_and_the_dashboard_name_only_metrics_that_there_are() {
    let server = TestServer::start(&people().url());
    // A server that is no replica has no metrics of a cluster.
    let (shown, of_cluster) = (server.metrics(), replica());
    assert!(!shown.contains("headwater_cluster_"), "{shown}");
    let lines = shown.lines().chain(of_cluster.lines());
    let typed: BTreeSet<&str> =
        lines.filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    serde_json::from_str::<serde_json::Value>(DASHBOARD).unwrap();
    let named: BTreeSet<&str> = names(ALERTS).into_iter().chain(names(DASHBOARD)).collect();
    assert!(named.len() > 15, "{named:?}");
    for name in named {
        assert!(typed.contains(name.trim_end_matches("_bucket")), "there is no metric {name}");
    }
}

#[test]
fn a_push_is_counted_by_its_sender_its_stages_and_its_outcome() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 37)).push();
    server.reload().outcome("applied");
    let payload = json!({ "ref": "refs/heads/other", "after": "a".repeat(40) });
    let github = server.call("/api/_internal/reload-data").header("x-github-event", "push");
    server.send(github.json(&payload)).outcome("ignored");
    server.send(server.request(Method::POST, "/api/_internal/reload-data"));
    upstream.commit("break").put("people/broken.toml", BROKEN).push();
    server.reload().problem(500, "push_refused");
    server.get("/api/people/ada");

    let shown = server.metrics();
    for line in [
        "headwater_webhook_deliveries_total{sender=\"own\",result=\"applied\"} 1",
        "headwater_webhook_deliveries_total{sender=\"github\",result=\"ignored\"} 1",
        "headwater_webhook_deliveries_total{sender=\"own\",result=\"unauthorized\"} 1",
        "headwater_webhook_deliveries_total{sender=\"own\",result=\"push_refused\"} 1",
        "headwater_reload_stage_duration_seconds_count{stage=\"fetch\"} 1",
        "headwater_reload_stage_duration_seconds_count{stage=\"swap\"} 1",
        "headwater_reloads_total{trigger=\"webhook\",outcome=\"failed\",reason=\"push_refused\"} 1",
        "headwater_http_request_duration_seconds_count{route=\"record\"} 1",
        "headwater_held 1",
        "headwater_snapshots_retained 1",
        "headwater_records{sheet=\"people\"} 2",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    let value = |name: &str| -> f64 {
        let line = shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}\n{shown}")).parse().unwrap()
    };
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    for name in ["headwater_last_success_timestamp_seconds", "process_start_time_seconds"] {
        // The kernel counts in hundredths of a second, and all tests are one process.
        assert!((-1.0..86_400.0).contains(&(now - value(name))), "{name}");
    }
    assert!((now - value("headwater_remote_checked_timestamp_seconds")).abs() < 600.0);
    for name in ["process_resident_memory_bytes", "headwater_memory_available_bytes"] {
        assert!(value(name) > 1e6, "{name}");
    }
    assert!(value("process_open_fds") > 3.0);
    assert!(value("headwater_snapshots_alive") >= 2.0);
}

/// Returns a server with a private sheet and a hidden record.
fn private(settings: &[(&str, &str)]) -> TestServer {
    let mut upstream = people();
    let staff =
        "[gitsheet]\nroot = \"staff\"\npath = \"${{ slug }}\"\n\n[headwater]\npublic = false\n";
    let hidden = "deletedAt = \"x\"\nname = \"H\"\nslug = \"hidden\"\n";
    let commit = upstream.commit("private").put(".gitsheets/staff.toml", staff);
    commit.put("staff/s.toml", "slug = \"s\"\n").put("people/hidden.toml", hidden).push();
    TestServer::with(&upstream.url(), settings)
}

const METRICS_SECRET: &str = "the-metrics-secret-of-the-tests";

#[test]
fn metrics_are_for_those_who_show_a_secret() {
    let server = private(&[("HEADWATER_METRICS_SECRET", METRICS_SECRET)]);
    let ask = |path: &str, secret: &str| {
        server.send(server.request(Method::GET, path).bearer_auth(secret))
    };
    server.get("/metrics").problem(401, "unauthorized");
    ask("/metrics", "a-secret-of-nobody-at-all").problem(401, "unauthorized");
    for secret in [METRICS_SECRET, RELOAD_SECRET, OPERATOR_SECRET] {
        let shown = String::from_utf8(ask("/metrics", secret).body).unwrap();
        for line in
            ["headwater_records{sheet=\"people\"} 3", "headwater_records{sheet=\"staff\"} 1"]
        {
            assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
        }
    }
    // It opens nothing else.
    ask("/api/_internal/reloads", METRICS_SECRET).problem(401, "unauthorized");
    let call = server.request(Method::POST, "/api/_internal/reload-data");
    server.send(call.bearer_auth(METRICS_SECRET)).problem(401, "unauthorized");
    let accepted = "headwater_credentials_accepted_total{role=\"metrics\",secret=\"1\"} 1";
    assert!(server.metrics().lines().any(|line| line == accepted));
}

#[test]
fn where_the_metrics_need_no_secret_they_tell_nothing_that_is_not_public() {
    let server = private(&[("HEADWATER_INTERNAL_LISTEN", "127.0.0.1:0")]);
    let metrics = format!("http://{}/metrics", server.server().internal_address().unwrap());
    let ask = || reqwest::Client::new().get(&metrics);
    let shown = String::from_utf8(server.send(ask()).body).unwrap();
    assert!(shown.contains("headwater_records{sheet=\"people\"} 2\n"), "{shown}");
    assert!(!shown.contains("staff"), "{shown}");
    let shown = server.send(ask().bearer_auth(RELOAD_SECRET));
    assert!(String::from_utf8(shown.body).unwrap().contains("sheet=\"staff\"} 1\n"));
    server.send(ask().bearer_auth("a-secret-of-nobody-at-all")).problem(401, "unauthorized");
}
