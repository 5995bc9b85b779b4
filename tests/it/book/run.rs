//! Runs the examples of a page: one shell, in an empty folder, with the program on its path.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use super::page::{Block, Kind, Page};

/// The ports that the book names; each run replaces them with its own.
const PORTS: [&str; 7] = ["8080", "8081", "8082", "9080", "9081", "9082", "4222"];

/// The beginning of the script of a page. A refused request is a failure, as a reader would see it.
const PROLOGUE: &str = "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\nset -o pipefail\n\
                        curl() { command curl --fail-with-body \"$@\"; }\n";

/// Begins a line of the output that names the next command.
const MARK: char = '\u{1e}';

/// One step of the shell: a block, or one command of a transcript.
struct Step {
    line: usize,
    script: String,
    /// The expected output; `None` for anything.
    expected: Option<String>,
}

/// Runs the examples of `page` in order.
///
/// # Errors
/// Returns the first example that fails or prints something else, with its output.
pub(super) fn run(name: &str, page: &Page, nats: Option<&Path>) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let at = |part: &str| folder.path().join(part);
    fs::create_dir(at("work")).unwrap();
    fs::write(at(".gitconfig"), "[user]\nname = Ada\nemail = ada@example.org\n").unwrap();
    let ports = PORTS.map(|port| (port, free_port().to_string()));
    let steps: Vec<Step> =
        page.blocks.iter().filter(|block| block.is_run()).flat_map(steps).collect();
    let mut script = PROLOGUE.to_owned();
    for (number, step) in steps.iter().enumerate() {
        let _ = write!(script, "printf '\\n\\036{number}\\n'\n{}\n", step.script);
    }
    let _ = writeln!(script, "printf '\\n\\036end\\n'");
    script = replaced(&here(&script, &at("work")), &ports);
    fs::write(at("script"), script).unwrap();
    let output = fs::File::create(at("output")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_headwater")).parent().unwrap();
    let status = Command::new("bash")
        .arg(at("script"))
        .current_dir(at("work"))
        .env_clear()
        .env("PATH", path(program, nats))
        .env("HOME", folder.path())
        .env("LC_ALL", "C.UTF-8")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HEADWATER_LISTEN", format!("127.0.0.1:{}", ports[0].1))
        .env("HEADWATER_SERVER", format!("http://127.0.0.1:{}", ports[0].1))
        .stdin(Stdio::null())
        .stderr(output.try_clone().unwrap())
        .stdout(output)
        .status()
        .unwrap();
    let mut told = String::from_utf8_lossy(&fs::read(at("output")).unwrap()).into_owned();
    told = replaced(&told, &ports.each_ref().map(|(port, free)| (&**free, (*port).to_owned())));
    let parts: Vec<&str> = told.split(MARK).skip(1).collect();
    for (number, step) in steps.iter().enumerate() {
        let part = parts.get(number).and_then(|part| part.split_once('\n'));
        let printed = part.map_or("", |(_, printed)| printed);
        let fail = |why: &str| {
            let log = fs::read_to_string(at("work/server.log")).unwrap_or_default();
            Err(format!(
                "docs/{name}:{} {why}:\n{}\nprinted:\n{printed}\n{log}",
                step.line, step.script
            ))
        };
        if parts.len() <= number + 1 {
            return fail("failed");
        }
        if step.expected.as_ref().is_some_and(|expected| !is_like(printed, expected)) {
            return fail("printed something else");
        }
    }
    if status.success() {
        Ok(())
    } else {
        Err(format!("docs/{name}: the shell ended with {status}"))
    }
}

/// Returns the path on which the program is, and a NATS server if there is one.
fn path(program: &Path, nats: Option<&Path>) -> String {
    let nats = nats.and_then(Path::parent).map(|folder| format!(":{}", folder.display()));
    let (nats, rest) = (nats.unwrap_or_default(), std::env::var("PATH").unwrap());
    format!("{}{nats}:{rest}", program.display())
}

/// Replaces each port by another one, in one pass, so that no port is replaced twice.
fn replaced(text: &str, ports: &[(&str, String)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((at, (from, to))) = ports
        .iter()
        .filter_map(|pair| rest.find(pair.0).map(|at| (at, pair)))
        .min_by_key(|(at, _)| *at)
    {
        out.push_str(&rest[..at]);
        out.push_str(to);
        rest = &rest[at + from.len()..];
    }
    out.push_str(rest);
    out
}

/// Replaces the example addresses and the folder of the book with those of this run.
fn here(script: &str, work: &Path) -> String {
    let work = work.display();
    script
        .replace("https://example.org/data.git", &format!("file://{work}/data-of-others.git"))
        .replace("https://data.example.org", "http://127.0.0.1:8080")
        .replace("/srv/", &format!("{work}/"))
}

/// Returns the steps of a block.
fn steps(block: &Block) -> Vec<Step> {
    let Block { kind, line, text, .. } = block;
    let step = |script: String| vec![Step { line: *line, script, expected: None }];
    match kind {
        Kind::Script => step(format!("set -e\n{text}set +e")),
        // The job is the program itself, so that it can be killed by its number.
        Kind::Background => step(format!(
            "(\n{}) >server.log 2>&1 &\n\
             until headwater ready >/dev/null 2>&1; do\n\
             kill -0 $! || {{ cat server.log; exit 1; }}\nsleep 0.05\ndone",
            format!("\n{text}").replace("\nheadwater ", "\nexec headwater ")
        )),
        Kind::Transcript => transcript(text, *line),
    }
}

/// Returns the commands of a transcript, each with its output.
fn transcript(text: &str, first: usize) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (line, number) in text.lines().zip(first + 1..) {
        let command = line.strip_prefix("$ ");
        match (command, steps.last_mut()) {
            (Some(command), _) => steps.push(Step {
                line: number,
                script: command.to_owned(),
                expected: Some(String::new()),
            }),
            (None, Some(step)) => match (continued(line), &mut step.expected) {
                (Some(more), Some(expected)) if expected.is_empty() => {
                    step.script.push('\n');
                    step.script.push_str(more);
                }
                (_, expected) => {
                    let expected = expected.get_or_insert_default();
                    expected.push_str(line);
                    expected.push('\n');
                }
            },
            (None, None) => panic!("a transcript begins with a command: {line}"),
        }
    }
    steps
}

/// Returns the rest of a command after its continuation prompt.
fn continued(line: &str) -> Option<&str> {
    line.strip_prefix("> ").or((line == ">").then_some(""))
}

/// Returns whether `printed` matches a page: white space does not count, and `…` stands for
/// anything.
fn is_like(printed: &str, shown: &str) -> bool {
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    let (printed, shown) = (dense(printed), dense(shown));
    let parts: Vec<&str> = shown.split('…').collect();
    let [first, middle @ ..] = parts.as_slice() else { return false };
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let Some((last, middle)) = middle.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    rest.ends_with(last)
}

/// Returns a free port, below those that the system assigns by itself.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + (std::process::id() % 20_000) as u16;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

#[test]
fn what_is_shown_may_leave_out_and_break_lines() {
    assert!(is_like("{\"a\":1,\"b\":2}\n", "{ \"a\": 1,\n  \"b\": 2 }"));
    assert!(is_like("one two three four", "one … three …"));
    assert!(is_like("one", "…") && is_like("", ""));
    assert!(!is_like("one two", "one") && !is_like("one", "two …") && !is_like("a b", "… a"));
    assert!(!is_like("something", ""));
}
