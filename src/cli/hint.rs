//! Hints for users who type the commands and flags of other programs.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Flags of other programs that mean something else for some commands: the commands, the flags, and
/// what does the same there.
const FLAGS_OF: &[(&[&str], &[&str], &str)] = &[
    (
        SERVERS,
        &["url", "host", "address", "addr", "endpoint", "port", "p"],
        "the running server is `--server http://127.0.0.1:8080`",
    ),
    (SERVERS, &["repo", "dir", "path"], "this command asks a running server: `--server URL`"),
    (&["log"], &["n", "max-count", "count", "number"], "the number of commits is `--limit N`"),
    (&["log"], &["sheet"], "the commits of a record are `headwater log SHEET/KEY`"),
    (&["export"], &["csv"], "CSV is `--format csv`"),
    (
        &["query"],
        &["format", "csv", "all"],
        "a list is JSON; `headwater export SHEET --format csv` writes CSV",
    ),
    (&["get"], &["format", "json"], "`get` prints JSON"),
    (&["log"], &["format"], "JSON is `--json`"),
    (&["diff"], &["format", "json"], "for JSON ask a server for `/api/_diff`"),
    (
        &["put", "patch"],
        &["value", "data", "d", "body", "json"],
        "the value is read from the standard input, or from `--file FILE`",
    ),
    (
        &["init"],
        &["write", "w", "force", "f"],
        "the definitions are printed: `headwater init > headwater.toml` keeps them",
    ),
    (&["check"], &["strict", "fail", "exit-code"], "`check` exits with 1 if there is any problem"),
];

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

/// The commands that ask a running server.
const SERVERS: &[&str] = &["apply", "pin", "unpin", "audit", "ready"];

/// The commands that name one record, or a sheet for a new record.
const RECORDS: &[&str] = &["get", "put", "patch", "delete", "log"];

/// The commands that read the local repository, and no particular record.
const READERS: &[&str] =
    &["init", "check", "diff", "verify", "query", "import", "export", "normalize"];

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

/// Returns what `typed`, the words after the name of the program, may mean. Returns `None` if the
/// message of the parser is enough.
pub(super) fn of(error: &clap::Error, cli: &clap::Command, typed: &[String]) -> Option<String> {
    let line = Line::of(cli, typed);
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let wrong = text(ContextKind::InvalidArg)?;
            if !wrong.starts_with('-') {
                return line.of_word(wrong);
            }
            let name = wrong.trim_start_matches('-').split('=').next().unwrap_or_default();
            line.of_flag(name).or_else(|| meant(FLAGS, name))
        }
        ErrorKind::InvalidSubcommand => {
            let wrong = text(ContextKind::InvalidSubcommand)?;
            line.of_word(wrong).or_else(|| meant(COMMANDS, wrong))
        }
        ErrorKind::ValueValidation => line.of_place(text(ContextKind::InvalidValue)?),
        ErrorKind::MissingRequiredArgument => line.of_too_little(),
        _ => None,
    }
}

/// A command line, as far as it can be parsed.
struct Line<'l> {
    /// The command, if it is one of ours.
    command: Option<&'l str>,
    /// The words after it that are not flags.
    words: Vec<&'l str>,
}

impl<'l> Line<'l> {
    fn of(cli: &clap::Command, typed: &'l [String]) -> Self {
        let mut typed = typed.iter().map(String::as_str).peekable();
        let command =
            typed.next_if(|word| cli.get_subcommands().any(|one| one.get_name() == *word));
        let definition = command.and_then(|name| cli.find_subcommand(name));
        let takes_value = |flag: &str| {
            let name = flag.trim_start_matches('-');
            let mut known = definition.into_iter().flat_map(clap::Command::get_arguments);
            known.any(|known| known.get_long() == Some(name) && known.get_action().takes_values())
        };
        let mut words = Vec::new();
        while let Some(word) = typed.next() {
            match word.starts_with('-') {
                true if takes_value(word) => drop(typed.next()),
                true => {}
                false => words.push(word),
            }
        }
        Self { command, words }
    }

    fn is_one_of(&self, commands: &[&str]) -> bool {
        self.command.is_some_and(|command| commands.contains(&command))
    }

    fn of_flag(&self, name: &str) -> Option<String> {
        let of_command = |(commands, names, _): &&(&[&str], &[&str], &str)| {
            self.is_one_of(commands) && names.contains(&name)
        };
        FLAGS_OF.iter().find(of_command).map(|(_, _, told)| (*told).to_owned())
    }

    /// Explains how to pass a folder, an address, a record or a value that was given as a bare
    /// word.
    fn of_word(&self, wrong: &str) -> Option<String> {
        let command = self.command.unwrap_or("serve");
        let first = self.words.first().copied().filter(|first| *first != wrong);
        if is_address(wrong) {
            return Some(match self.command {
                _ if self.is_one_of(SERVERS) => {
                    format!("the running server is: headwater {command} --server {wrong}")
                }
                None | Some("serve") => {
                    format!("to serve a remote: headwater serve --repo mirror.git --remote {wrong}")
                }
                Some(_) => format!(
                    "a command reads a repository of this machine: git clone {wrong}, and \
                     headwater {command} in it"
                ),
            });
        }
        if self.is_one_of(&["put", "patch"]) && wrong.starts_with(['{', '[']) {
            let place = first.unwrap_or("SHEET/KEY");
            return Some(format!(
                "the value is read from the standard input: echo '{wrong}' | headwater {command} \
                 {place}"
            ));
        }
        if let Some(folder) = first.filter(|first| is_folder(first) && !is_sheet(first))
            && (self.is_one_of(RECORDS) || self.is_one_of(READERS))
        {
            return Some(format!(
                "the repository is given by a flag: headwater {command} --repo {folder}"
            ));
        }
        match first {
            Some(sheet) if self.is_one_of(RECORDS) && is_sheet(sheet) && is_sheet(wrong) => {
                return Some(format!(
                    "the sheet and the key are one word: headwater {command} {sheet}/{wrong}"
                ));
            }
            _ => {}
        }
        if self.command == Some("check") && std::path::Path::new(wrong).is_file() {
            return Some(
                "`check` reads a whole commit, not single files: headwater check".to_owned(),
            );
        }
        let is_path = wrong.contains('/') || wrong.starts_with('.');
        let is_repo =
            is_folder(wrong) || is_path && wrong.len() > 1 && wrong.starts_with(['.', '/']);
        if !is_repo || self.is_one_of(SERVERS) {
            return None;
        }
        Some(match self.command {
            None | Some("serve") => {
                format!("to serve a repository: headwater serve --repo {wrong}")
            }
            Some(command) => {
                format!("the repository is given by a flag: headwater {command} --repo {wrong}")
            }
        })
    }

    /// Explains a word that does not name a record.
    fn of_place(&self, wrong: &str) -> Option<String> {
        let is_meant = self.is_one_of(RECORDS) && is_sheet(wrong);
        is_meant.then(|| match self.command {
            Some("log") => format!(
                "headwater log lists all commits, and headwater log {wrong}/KEY those of a record"
            ),
            _ => format!("to list the records of a sheet: headwater query {wrong}"),
        })
    }

    /// Explains what is missing if one word was given instead of two.
    fn of_too_little(&self) -> Option<String> {
        if self.command != Some("diff") {
            return None;
        }
        let range = self.words.first().and_then(|word| word.split_once(".."));
        Some(match (range, self.words.first()) {
            (Some((old, new)), _) => {
                let new = new.trim_start_matches('.');
                let head = |rev: &str| if rev.is_empty() { "HEAD".into() } else { rev.to_owned() };
                format!("the commits are two words: headwater diff {} {}", head(old), head(new))
            }
            (None, Some(old)) => format!("to compare with the present: headwater diff {old} HEAD"),
            (None, None) => {
                "to see what the last commit changed: headwater diff HEAD~1 HEAD".to_owned()
            }
        })
    }
}

fn is_address(word: &str) -> bool {
    word.contains("://") || word.starts_with("git@")
}

fn is_folder(word: &str) -> bool {
    std::path::Path::new(word).is_dir() || matches!(word, "." | "..")
}

/// Returns whether a word may be the name of a sheet, or a key in one folder.
fn is_sheet(word: &str) -> bool {
    !word.is_empty() && !word.contains('/') && !word.starts_with(['.', '-', '{', '['])
}

fn meant(table: &[(&[&str], &str)], typed: &str) -> Option<String> {
    let (_, told) = table.iter().find(|(names, _)| names.contains(&typed))?;
    Some((*told).to_owned())
}
