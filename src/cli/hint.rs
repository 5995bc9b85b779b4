//! What somebody may mean who types what other programs have.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Flags of other programs, and what does the same here.
const FLAGS: &[(&[&str], &str)] = &[
    (
        &["port", "p", "host", "bind", "address", "addr"],
        "to listen on an address: `serve --listen 127.0.0.1:8080`",
    ),
    (
        &["dir", "path", "directory", "root", "data", "git-dir", "C"],
        "to name the repository: `--repo DIR`",
    ),
    (&["url", "upstream", "origin", "source"], "to name the remote: `serve --remote URL`"),
    (
        &["ref", "commit", "revision", "at"],
        "to name a commit: `--rev REV`; to name a branch: `--branch NAME`",
    ),
    (&["sort", "order-by", "order"], "to sort: `headwater query SHEET sort=-year`"),
    (
        &["filter", "where", "q", "search"],
        "to filter or search: `headwater query SHEET year[gte]=1990 q=words`",
    ),
    (
        &["limit", "page", "per-page", "offset", "cursor"],
        "to limit the list: `headwater query SHEET limit=10`",
    ),
    (
        &["fields", "select", "columns"],
        "to select fields: `headwater query SHEET fields=title,year`",
    ),
    (&["watch", "w", "reload", "follow"], "`headwater serve` follows the branch by itself"),
    (
        &["verbose", "v", "debug", "quiet"],
        "to log more or less: `serve --log debug`, or HEADWATER_LOG",
    ),
    (
        &["token", "secret", "password", "reload-secret", "operator-secret"],
        "secrets are set in the environment only, as HEADWATER_RELOAD_SECRET",
    ),
    (&["interval", "poll"], "to set the polling interval: `serve --poll-interval SECONDS`"),
    (&["output", "o", "out"], "commands write to their standard output: `headwater … > FILE`"),
    (&["json"], "for JSON use `check --format json`; `get` and `query` always print JSON"),
];

/// Commands of other programs, and what does the same here.
const COMMANDS: &[(&[&str], &str)] = &[
    (
        &["start", "run", "server", "up", "dev", "watch"],
        "`headwater serve` serves the repository of the current directory",
    ),
    (&["list", "ls", "find", "select"], "`headwater query SHEET` lists records"),
    (&["search", "grep"], "`headwater query SHEET q=words` searches"),
    (&["show", "cat", "read"], "`headwater get SHEET/KEY` prints a record"),
    (
        &["set", "add", "create", "update", "insert", "write"],
        "`headwater put SHEET/KEY` writes a record, `headwater patch` changes it",
    ),
    (&["rm", "remove", "del"], "`headwater delete SHEET/KEY` deletes a record"),
    (&["validate", "lint", "test", "status"], "`headwater check` prints the problems of a commit"),
    (&["history", "blame"], "`headwater log SHEET/KEY` lists the commits of a record"),
    (&["dump", "backup"], "`headwater export SHEET` prints every record"),
    (&["load", "restore"], "`headwater import SHEET FILE` writes the records of a file"),
    (
        &["clone", "fetch", "pull", "sync", "mirror"],
        "`headwater serve --repo mirror.git --remote URL` clones and follows a remote",
    ),
    (&["rollback", "revert"], "`headwater pin COMMIT` goes back on a running server"),
    (&["version"], "`headwater --version` prints it"),
];

/// Returns what may be meant; `None` where the parser itself says enough.
pub(super) fn of(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let typed = text(ContextKind::InvalidArg)?;
            let name = typed.trim_start_matches('-').split('=').next().unwrap_or_default();
            if !typed.starts_with('-') {
                return of_word(typed);
            }
            meant(FLAGS, name)
        }
        ErrorKind::InvalidSubcommand => {
            let typed = text(ContextKind::InvalidSubcommand)?;
            of_word(typed).or_else(|| meant(COMMANDS, typed))
        }
        _ => None,
    }
}

/// Says how a folder, a file or an address is given that stands by itself.
fn of_word(typed: &str) -> Option<String> {
    if typed.contains("://") || typed.starts_with("git@") {
        return Some(format!(
            "to serve a remote: headwater serve --repo mirror.git --remote {typed}"
        ));
    }
    let is_folder = std::path::Path::new(typed).is_dir() || matches!(typed, "." | "..");
    let is_path = typed.contains('/') || typed.starts_with('.');
    (is_folder || is_path && typed.len() > 1 && !is_place(typed))
        .then(|| format!("to serve a repository: headwater serve --repo {typed}"))
}

/// Says whether a word may be a sheet and a key.
fn is_place(typed: &str) -> bool {
    !typed.starts_with(['.', '/'])
}

fn meant(table: &[(&[&str], &str)], typed: &str) -> Option<String> {
    let (_, told) = table.iter().find(|(names, _)| names.contains(&typed))?;
    Some((*told).to_owned())
}
