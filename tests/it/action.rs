//! The action for data repositories: its scripts, over real repositories.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use headwater_testkit::{Upstream, git};
use tempfile::TempDir;

use crate::harness::{BROKEN, people, person};

const ACTION: &str = include_str!("../../action.yml");

/// The job of a workflow: a clone of the data repository, and the files of the runner.
struct Job {
    folder: TempDir,
}

/// The result of a script.
struct Ended {
    code: i32,
    log: String,
    summary: String,
    outputs: String,
}

impl Job {
    /// Clones `upstream` as deep as the checkout of a workflow does.
    fn of(upstream: &Upstream, depth: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let depth = format!("--depth={depth}");
        git(folder.path(), ["clone", "-q", &*depth, &*upstream.url(), "data"]);
        Self { folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn check(&self, settings: &[(&str, &str)]) -> Ended {
        let repo = self.data();
        let mut all =
            vec![("REPO", repo.to_str().unwrap()), ("BINARY", env!("CARGO_BIN_EXE_headwater"))];
        all.extend(settings);
        run("check-data.sh", self.folder.path(), &all)
    }
}

/// Runs a script of the action in `folder`, where the files of the runner are.
fn run(script: &str, folder: &Path, settings: &[(&str, &str)]) -> Ended {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/scripts").join(script);
    let file = |name: &str| folder.join(name);
    let mut command = Command::new("bash");
    command.arg(script).current_dir(folder);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HEADWATER_")) {
        command.env_remove(name);
    }
    command.envs(settings.iter().copied());
    for name in ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_PATH"] {
        command.env(name, file(name));
    }
    let output = command.output().unwrap();
    let log = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    let kept = |name: &str| fs::read_to_string(file(name)).unwrap_or_default();
    Ended {
        code: output.status.code().unwrap(),
        log,
        summary: kept("GITHUB_STEP_SUMMARY"),
        outputs: kept("GITHUB_OUTPUT"),
    }
}

#[test]
fn a_sound_pull_request_is_green_and_its_summary_has_what_changes() {
    let mut upstream = people();
    let base = upstream.head().unwrap();
    upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 37)).push();
    let ended = Job::of(&upstream, 2).check(&[("BASE", &base)]);
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(ended.outputs, "problems=0\n");
    for line in [
        "### Headwater: 2 records, 1 sheet, 0 problems\n",
        &format!("#### What changes against `{}`\n", &base[..12]),
        "    modified  people/ada  age, bio, name\n",
        "    1 record changed: people +0 ~1 -0\n",
    ] {
        assert!(ended.summary.contains(line), "{line}: {}", ended.summary);
    }
}

#[test]
fn a_problem_is_red_with_an_annotation_at_its_line() {
    let mut upstream = people();
    let base = upstream.head().unwrap();
    upstream.commit("break").put("people/broken.toml", BROKEN).push();
    let job = Job::of(&upstream, 2);
    let ended = job.check(&[("BASE", &base)]);
    assert_eq!((ended.code, &*ended.outputs), (1, "problems=1\n"), "{}", ended.log);
    assert!(ended.log.starts_with("::error file=people/broken.toml,line=1,"), "{}", ended.log);
    assert!(ended.summary.contains("    people/broken.toml:1:"), "{}", ended.summary);
    assert!(ended.summary.contains("this push would be refused: 1 problem"), "{}", ended.summary);
}

#[test]
fn a_problem_that_the_base_has_is_red_only_where_any_problem_is() {
    let mut upstream = people();
    let base = upstream.commit("break").put("people/broken.toml", BROKEN).push();
    upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 37)).push();
    let job = Job::of(&upstream, 2);
    assert_eq!(job.check(&[("BASE", &base), ("FAIL_ON", "any")]).code, 1);
    assert_eq!(job.check(&[("BASE", &base), ("FAIL_ON", "new")]).code, 0);
    upstream.commit("break more").put("people/worse.toml", BROKEN).push();
    let job = Job::of(&upstream, 2);
    assert_eq!(job.check(&[("BASE", &base), ("FAIL_ON", "new")]).code, 1);
    assert_eq!(job.check(&[("FAIL_ON", "sometimes")]).code, 64);
}

#[test]
fn a_merge_is_compared_with_its_first_parent_and_a_lone_commit_with_nothing() {
    let mut upstream = people();
    upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 37)).push();
    let job = Job::of(&upstream, 9);
    let at = |arguments: &[&str]| git(job.data(), arguments);
    at(&["checkout", "-q", "-b", "other", "HEAD~1"]);
    fs::write(job.data().join("people/new.toml"), person("new", "New", 1)).unwrap();
    at(&["add", "people/new.toml"]);
    at(&["commit", "-q", "-m", "new"]);
    at(&["checkout", "-q", "-"]);
    at(&["merge", "-q", "--no-ff", "-m", "merge", "other"]);
    let merged = job.check(&[]);
    assert!(merged.summary.contains("    added     people/new\n"), "{}", merged.summary);
    assert!(!merged.summary.contains("people/ada"), "{}", merged.summary);

    let lone = Job::of(&upstream, 1).check(&[("BASE", &"a".repeat(40))]);
    assert_eq!(lone.code, 0, "{}", lone.log);
    assert!(lone.log.contains("::notice") && lone.log.contains("fetch-depth: 2"), "{}", lone.log);
    assert!(!lone.summary.contains("What changes"), "{}", lone.summary);
}

#[test]
fn names_in_the_data_neither_command_the_runner_nor_leave_their_block() {
    let mut upstream = Upstream::new();
    let base = upstream.commit("one").put("notes/one.json", "{}").push();
    upstream
        .commit("hostile")
        .put("notes/`$(touch hacked)`</pre><script>.json", "{}")
        .put("::set-output name=a::b/x.json", "no json")
        .push();
    let job = Job::of(&upstream, 2);
    let ended = job.check(&[("BASE", &base)]);
    assert_eq!(ended.code, 1, "{}", ended.log);
    let commands = ended.log.lines().filter(|line| line.starts_with("::"));
    let commands: Vec<&str> = commands.map(|line| line.split([' ', ':']).nth(2).unwrap()).collect();
    assert!(!commands.contains(&"set-output"), "{}", ended.log);
    let block = ended.summary.lines().filter(|line| line.contains("script"));
    assert!(block.clone().count() > 0 && block.clone().all(|line| line.starts_with("    ")));
    assert!(!job.folder.path().join("hacked").exists() && !job.data().join("hacked").exists());
}

#[test]
fn what_is_a_record_is_said_by_the_settings_of_the_server() {
    let mut upstream = people();
    let long = person("long", &"x".repeat(3_000), 1);
    upstream.commit("long").put("people/long.toml", long).push();
    let job = Job::of(&upstream, 1);
    let file = |name: &str, text: &str| {
        let path = job.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    assert_eq!(job.check(&[("RECORD_LIMIT", ""), ("SHEETS", ""), ("CONFIG", "")]).code, 0);
    let limited = job.check(&[("RECORD_LIMIT", "2000")]);
    assert_eq!((limited.code, &*limited.outputs), (1, "problems=0\nproblems=1\n"));
    let config = file("settings.toml", "record_limit = 2000\n");
    assert_eq!(job.check(&[("CONFIG", &config)]).code, 1);
    let sheets = file("other.toml", "[sheets.folk]\nroot = \"folk\"\nformat = \"toml\"\n");
    let other = job.check(&[("SHEETS", &sheets)]);
    assert_eq!(other.code, 0, "{}", other.log);
    assert!(other.summary.contains("3 records, 2 sheets, 0 problems"), "{}", other.summary);
    // A notice is not a problem.
    assert!(other.log.contains("::warning::the sheet folk claims no file"), "{}", other.log);
    assert!(other.outputs.ends_with("\nproblems=0\n"), "{}", other.outputs);
    for (input, variable) in
        [("record-limit", "RECORD_LIMIT"), ("sheets", "SHEETS"), ("config", "CONFIG")]
    {
        let handed_on = format!("{variable}: ${{{{ inputs.{input} }}}}");
        assert!(ACTION.contains(&format!("  {input}:\n")) && ACTION.contains(&handed_on));
    }
}

#[test]
fn what_cannot_be_checked_is_red_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("REPO", "nowhere"), ("BINARY", env!("CARGO_BIN_EXE_headwater"))];
    let ended = run("check-data.sh", folder.path(), &settings);
    assert_eq!(ended.code, 78, "{}", ended.log);
    assert!(ended.log.contains("::error title=Headwater::the commit cannot be checked"));
}

#[test]
fn a_release_is_installed_only_with_its_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // The files that `gh release download` would fetch, and a `gh` that copies them.
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let archive = format!("headwater-{target}.tar.gz");
    let script = format!(
        "set -e\nmkdir -p release/headwater-{target} bin\n\
         printf '#!/bin/sh\\necho headwater 0.1.0\\n' >release/headwater-{target}/headwater\n\
         chmod +x release/headwater-{target}/headwater\n\
         tar -C release -czf release/{archive} headwater-{target}\n\
         (cd release && sha256sum {archive} >SHA256SUMS)\n\
         printf '#!/bin/sh\\nwhile [ \"$1\" != --dir ]; do shift; done\\n\
                 cp \"$RELEASE\"/*.tar.gz \"$RELEASE\"/SHA256SUMS \"$2\"\\n' >bin/gh\n\
         chmod +x bin/gh\n"
    );
    let made = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).status();
    assert!(made.unwrap().success());
    let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap());
    let install = |version: &str, sha256: &str| {
        let (release, temp) = (at("release"), at("temp"));
        let settings = [
            ("PATH", &*path),
            ("RELEASE", release.to_str().unwrap()),
            ("RUNNER_TEMP", temp.to_str().unwrap()),
            ("VERSION", version),
            ("SHA256", sha256),
        ];
        run("install-headwater.sh", folder.path(), &settings)
    };
    let good = install("v0.1.0", "");
    assert_eq!(good.code, 0, "{}", good.log);
    assert!(good.log.ends_with("headwater 0.1.0\n"), "{}", good.log);
    let on_path = fs::read_to_string(at("GITHUB_PATH")).unwrap();
    assert_eq!(on_path, format!("{}\n", at("temp/headwater-v0.1.0").display()));

    assert!(
        install("v0.1.0", &"0".repeat(64)).log.contains("::error title=Headwater::the checksum")
    );
    assert!(install("--help", "").log.contains("must be a tag"));
    fs::write(at("release/SHA256SUMS"), "").unwrap();
    assert!(install("v0.1.0", "").log.contains("does not list"));
}

#[test]
fn the_action_installs_this_version_and_lets_no_text_from_outside_into_a_script() {
    let version = format!("default: v{}", env!("CARGO_PKG_VERSION"));
    assert!(ACTION.contains(&version), "action.yml installs another release than {version}");
    for line in ACTION.lines().map(str::trim).filter(|line| line.starts_with("run:")) {
        assert!(!line.contains("${{") && line.starts_with("run: bash \"$GITHUB_ACTION_PATH/"));
    }
    for script in ["check-data.sh", "install-headwater.sh"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/scripts").join(script);
        assert!(!fs::read_to_string(path).unwrap().contains("${{"), "{script}");
        assert!(ACTION.contains(script), "{script}");
    }
}
