//! What a commit did not show by its own rules is in no history either, whatever the rules are now.

use headwater_testkit::Upstream;
use serde_json::Value;

use crate::harness::TestServer;

/// A branch with or without records that nobody ever saw.
struct World {
    server: TestServer,
    commits: Vec<String>,
}

/// The rules of most commits, and those since.
struct Rules<'a> {
    case: &'a str,
    then: &'a str,
    now: &'a str,
}

const RULES: [Rules<'static>; 6] = [
    Rules {
        case: "hidden no more",
        then: "[sheets.people]\nhidden = \"draft\"\n",
        now: "[sheets.people]\n",
    },
    Rules {
        case: "hidden by another field",
        then: "[sheets.people]\nhidden = \"draft\"\n",
        now: "[sheets.people]\nhidden = \"gone\"\n",
    },
    Rules {
        case: "made public",
        then: "[sheets.people]\npublic = false\n[sheets.notes]\n",
        now: "[sheets.people]\n[sheets.notes]\n",
    },
    Rules {
        case: "the folder of another, private sheet",
        then: "[sheets.drafts]\nroot = \"people\"\npublic = false\n[sheets.notes]\n",
        now: "[sheets.people]\n[sheets.notes]\n",
    },
    Rules {
        case: "a row is hidden no more",
        then: "[sheets.people]\nfile = \"people.json\"\nkey = \"${{ k }}\"\nhidden = \"draft\"\n",
        now: "[sheets.people]\nfile = \"people.json\"\nkey = \"${{ k }}\"\n",
    },
    Rules {
        case: "a row is hidden by another field",
        then: "[sheets.people]\nfile = \"people.json\"\nkey = \"${{ k }}\"\nhidden = \"draft\"\n",
        now: "[sheets.people]\nfile = \"people.json\"\nkey = \"${{ k }}\"\nhidden = \"gone\"\n",
    },
];

impl World {
    /// Makes five commits. In the first three there is a record `x`, if `has_hidden`, that the rules
    /// of `then` did not show; the next one removes it or, if `is_shown`, shows it and changes the
    /// rules.
    fn new(rules: &Rules<'_>, has_hidden: bool, is_shown: bool) -> Self {
        let mut upstream = Upstream::new();
        let is_list = rules.then.contains("file = ");
        let mut commits = Vec::new();
        for n in 0..5 {
            let x = match n {
                0..=2 => {
                    has_hidden.then(|| format!("{{\"k\": \"x\", \"draft\": true, \"n\": {n}}}"))
                }
                _ => is_shown.then(|| format!("{{\"k\": \"x\", \"n\": {n}}}")),
            };
            let definitions = if n < 3 { rules.then } else { rules.now };
            let definitions = match is_list {
                true => definitions.to_owned(),
                false => definitions.replace("]\n", "]\nformat = \"json\"\n"),
            };
            let mut commit = upstream.commit(&format!("step {n}"));
            commit = commit.put("headwater.toml", definitions);
            let y = format!("{{\"k\": \"y\", \"n\": {n}}}");
            commit = match is_list {
                true => {
                    let rows: Vec<String> = std::iter::once(y).chain(x).collect();
                    commit.put("people.json", format!("[{}]", rows.join(",\n")))
                }
                false => {
                    commit = commit.put("people/y.json", &y).put("notes/y.json", &y);
                    match x {
                        Some(x) => commit.put("people/x.json", x),
                        None if has_hidden && n == 3 => commit.delete("people/x.json"),
                        None => commit,
                    }
                }
            };
            commits.push(commit.push());
        }
        Self { server: TestServer::start(&upstream.url()), commits }
    }

    /// Asks for a history in pages of `limit`. Commits are told by their places.
    fn history(&self, key: &str, limit: usize, at: Option<usize>) -> Vec<String> {
        let at = at.map(|at| format!("&at={}", self.commits[at])).unwrap_or_default();
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/_history/people/{key}?limit={limit}{at}{cursor}");
            let answer = self.server.get(&path);
            let body = answer.json();
            // The answer about a missing record has an id of its own.
            let mut text = match answer.status {
                200 => body.to_string(),
                _ => body["detail"].to_string(),
            };
            for (place, commit) in self.commits.iter().enumerate() {
                text = text.replace(commit, &format!("#{place}"));
            }
            let next = body["next"].as_str().map(str::to_owned);
            if let Some(next) = &next {
                text = text.replace(next, "NEXT");
            }
            pages.push(format!("{} {}", answer.status, text.replace(&format!("`{key}`"), "KEY")));
            assert!(pages.len() < 20, "{path}");
            match next {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return pages,
            }
        }
    }

    /// Checks that nothing is listed of `x` that reads of the same commits do not show.
    fn is_shown_by_reads(&self, case: &str) {
        let shows =
            |commit: &str| self.server.get(&format!("/api/people/x?at={commit}")).status == 200;
        let body = self.server.get("/api/_history/people/x?limit=100").json();
        for item in body["items"].as_array().into_iter().flatten() {
            let place = self.commits.iter().position(|commit| *commit == item["commit"]).unwrap();
            let sides = [place.checked_sub(1), Some(place)];
            let shown = sides.map(|at| at.is_some_and(|at| shows(&self.commits[at])));
            let expected = match item["change"].as_str().unwrap() {
                "added" => [false, true],
                "modified" => [true, true],
                _ => [true, false],
            };
            assert_eq!(shown, expected, "{case}: {item}");
        }
    }
}

#[test]
fn what_its_own_commits_never_showed_changes_no_history_whatever_the_rules_are_now() {
    for rules in &RULES {
        for is_shown in [false, true] {
            let case = format!("{}, shown since: {is_shown}", rules.case);
            let with = World::new(rules, true, is_shown);
            let without = World::new(rules, false, is_shown);
            for key in ["x", "y", "never"] {
                for limit in [1, 2, 100] {
                    for at in [None, Some(0), Some(1), Some(2), Some(3), Some(4)] {
                        let (with, without) =
                            (with.history(key, limit, at), without.history(key, limit, at));
                        assert_eq!(with, without, "{case}: {key}, {limit} at {at:?}");
                        if key == "x" && !is_shown {
                            // Nor can it be told from what never was.
                            assert!(with[0].starts_with("404 "), "{case}: {with:?}");
                        }
                    }
                }
            }
            with.is_shown_by_reads(&case);
            let listed = with.server.get("/api/_history/people/x").json();
            let listed: Vec<&Value> =
                listed["items"].as_array().into_iter().flatten().map(|it| &it["change"]).collect();
            assert_eq!(listed, if is_shown { vec!["modified", "added"] } else { vec![] }, "{case}");
        }
    }
}

#[test]
fn a_record_that_only_a_change_of_the_definitions_showed_has_an_empty_history() {
    let mut upstream = Upstream::new();
    let private = "[sheets.people]\npublic = false\n";
    let first = upstream.commit("first").put("headwater.toml", private);
    let first = first.put("people/ada.toml", "n = 1\n").put("people/bob.toml", "n = 1\n").push();
    let second = upstream.commit("open").put("headwater.toml", "[sheets.people]\n").push();
    let server = TestServer::start(&upstream.url());
    let history = |key: &str, at: &str| server.get(&format!("/api/_history/people/{key}?at={at}"));
    assert_eq!(history("ada", &second).json()["items"], Value::Array(Vec::new()));
    assert_eq!(history("ada", &second).status, 200);
    history("ada", &first).problem(404, "not_found");
    history("nobody", &second).problem(404, "not_found");
    let third = upstream.commit("third").put("people/ada.toml", "n = 2\n").push();
    server.reload().outcome("applied");
    let body = history("ada", &third).json();
    assert_eq!(
        (&body["items"][0]["change"], &body["items"][0]["fields"][0]),
        (&"modified".into(), &"/n".into())
    );
    assert_eq!(body["items"].as_array().unwrap().len(), 1, "{body}");
}
