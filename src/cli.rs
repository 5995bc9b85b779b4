//! The command line. The flags of settings come from the table in [`crate::config::settings`].

mod hint;
mod records;
mod tokens;

use std::path::PathBuf;

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command as ClapCommand, CommandFactory as _, FromArgMatches,
    Parser, Subcommand, ValueEnum,
};
use clap_complete::Shell;

use crate::config::Flags;
use crate::config::settings::{
    CACHE, FILE_LIMIT, RECORD_LIMIT, REPO, SAFE_DIRECTORY, SETTINGS, SHEETS, Setting,
};
use crate::exit::Exit;

pub use records::{
    DeleteArgs, ExportArgs, GetArgs, ImportArgs, LogArgs, NormalizeArgs, PatchArgs, PutArgs,
    QueryArgs, ReadArgs, RecordPlace, SheetOrRecord, TableFormat, ValueArgs, WriteArgs,
};

pub use tokens::{AccessFileArgs, NewTokenArgs, TokenCommand};

/// Serves the records of a git branch as a live, searchable HTTP API.
#[derive(Parser)]
#[command(name = "headwater", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Serve a branch and follow its remote
    Serve(ServeArgs),
    /// Create a sample remote, serve it, and show a push going live
    Demo {
        /// Push a change every few seconds and print what each reload reports
        #[arg(long)]
        auto: bool,
        /// The address to listen on
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
        listen: String,
    },
    /// Print a draft of `headwater.toml` for the existing records
    Init {
        /// The commit to read
        #[command(flatten)]
        read: ReadArgs,
        /// Add a schema with the types of the fields
        #[arg(long)]
        schema: bool,
    },
    /// Load one commit and print its problems; exit with 1 if there are any
    Check {
        /// The commit to read
        #[command(flatten)]
        read: ReadArgs,
        /// The format of the problems
        #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
        format: ProblemFormat,
    },
    /// Print the records that differ between two commits, as a push from one to the other would change them
    Diff {
        /// The repository
        #[command(flatten)]
        repo: RepoArgs,
        /// The commit before
        old: String,
        /// The commit after
        new: String,
    },
    /// Replay commits one by one as pushes, and compare each state with the same commit loaded from scratch
    Verify {
        /// The commit to read
        #[command(flatten)]
        read: ReadArgs,
        /// How many commits to replay
        #[arg(long, value_name = "N", default_value_t = 100, conflicts_with = "all")]
        last: usize,
        /// Replay the whole history, merged commits included
        #[arg(long)]
        all: bool,
    },
    /// Print a record as JSON
    Get(GetArgs),
    /// Print the records of a list, as the server would
    Query(QueryArgs),
    /// Write a JSON value as a record, replacing any old value
    Put(PutArgs),
    /// Change a record by a JSON merge patch (RFC 7396)
    Patch(PatchArgs),
    /// Delete a record and its attachments
    Delete(DeleteArgs),
    /// List the commits of the branch along first parents, or only those that touched one record
    Log(LogArgs),
    /// Import the records of a CSV, JSON or NDJSON file as one commit
    Import(ImportArgs),
    /// Print every record of a sheet
    Export(ExportArgs),
    /// Rewrite records in canonical form, as one commit
    Normalize(NormalizeArgs),
    /// Approve a push that a running server holds back, and publish it
    Apply {
        /// The id of the held push, from the refusal or from the alert
        id: String,
        /// The server
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Make a running server serve an earlier commit until `unpin`
    Pin {
        /// The full hash of the commit
        commit: String,
        /// The server
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Make a running server serve the head of the branch again
    Unpin {
        /// The server
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Make a running server load its commit from scratch and compare it with what it serves
    Audit {
        /// The server
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Make, list and revoke the tokens of an access file
    Token {
        /// What to do
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Ask a running server whether it is ready; exit with 1 if it is not
    Ready {
        /// How many seconds the server may lag behind its remote
        #[arg(long, value_name = "SECONDS")]
        max_lag: Option<u64>,
        /// The server
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages into a folder
    Man {
        /// The folder; it is created if it does not exist
        dir: PathBuf,
    },
}

/// The format of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProblemFormat {
    /// One problem per line, for editors
    Text,
    /// One JSON value per line: a problem as in `_problems`, or a notice, whose `rule` is `notice`
    Json,
    /// Workflow commands of GitHub, which become annotations at file and line
    Github,
}

/// The running server that a command contacts.
#[derive(Args)]
pub struct ServerArgs {
    /// The address of the server, with its base path
    #[arg(
        long = "server",
        value_name = "URL",
        env = "HEADWATER_SERVER",
        default_value = "http://127.0.0.1:8080"
    )]
    pub url: String,
}

/// The repository of a command, and which of its files are records.
#[derive(Args)]
pub struct RepoArgs {
    /// The repository, bare or not; default: that of the current directory (HEADWATER_REPO)
    #[arg(long, value_name = "DIR")]
    pub repo: Option<String>,
    /// Read this file instead of the commit's headwater.toml (HEADWATER_SHEETS)
    #[arg(long, value_name = "FILE")]
    pub sheets: Option<String>,
    /// The largest file to read as a record (HEADWATER_RECORD_LIMIT, default 1048576)
    #[arg(long, value_name = "BYTES")]
    pub record_limit: Option<String>,
    /// The largest file of many records to read (HEADWATER_FILE_LIMIT, default 67108864)
    #[arg(long, value_name = "BYTES")]
    pub file_limit: Option<String>,
    /// Folders, separated by commas, of repositories to trust even if another user owns them
    /// (HEADWATER_SAFE_DIRECTORY)
    #[arg(long, value_name = "LIST")]
    pub safe_directory: Option<String>,
    /// A TOML file with settings, as `serve` reads it
    #[arg(long, value_name = "FILE", env = "HEADWATER_CONFIG")]
    pub config: Option<PathBuf>,
}

impl RepoArgs {
    /// Returns the settings that are given as flags.
    pub fn flags(&self) -> Flags {
        let Self { repo, sheets, record_limit, file_limit, safe_directory, config: _ } = self;
        let given = [
            (&REPO, repo),
            (&SHEETS, sheets),
            (&RECORD_LIMIT, record_limit),
            (&FILE_LIMIT, file_limit),
            (&SAFE_DIRECTORY, safe_directory),
        ];
        given
            .into_iter()
            .filter_map(|(setting, text)| Some((setting.flag, text.clone()?)))
            .collect()
    }
}

/// The flags of `serve`: one for every setting that is not a secret, and `--config`.
pub struct ServeArgs {
    /// The file of settings.
    pub config: Option<PathBuf>,
    /// The settings that are given as flags.
    pub flags: Flags,
}

impl Args for ServeArgs {
    fn augment_args(command: ClapCommand) -> ClapCommand {
        let config = Arg::new("config").long("config").value_name("FILE").env("HEADWATER_CONFIG");
        let config = config.value_parser(clap::value_parser!(PathBuf));
        let command = command.arg(config.help("A TOML file with settings")).after_help(secrets());
        let command = command.args(SETTINGS.iter().filter(|setting| !setting.secret).map(flag));
        let no_cache = Arg::new(NO_CACHE).long(NO_CACHE).action(ArgAction::SetTrue);
        command.arg(no_cache.conflicts_with(CACHE.flag).help("The same as `--cache off`"))
    }

    fn augment_args_for_update(command: ClapCommand) -> ClapCommand {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = SETTINGS.iter().filter(|setting| !setting.secret).filter_map(|setting| {
            Some((setting.flag, matches.get_one::<String>(setting.flag)?.clone()))
        });
        let config = matches.get_one::<PathBuf>("config").cloned();
        let mut flags: Flags = given.collect();
        if matches.get_flag(NO_CACHE) {
            flags.insert(CACHE.flag, "off".to_owned());
        }
        Ok(Self { config, flags })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The flag that is short for `--cache off`.
const NO_CACHE: &str = "no-cache";

fn flag(setting: &Setting) -> Arg {
    let default = setting.default.filter(|text| !text.is_empty());
    let default = default.map(|text| format!(", default: {text}")).unwrap_or_default();
    let help = format!("{} [env: {}{default}]", setting.help, setting.env());
    Arg::new(setting.flag).long(setting.flag).value_name(setting.value).help(help)
}

fn secrets() -> String {
    let lines = SETTINGS.iter().filter(|setting| setting.secret);
    let lines = lines.map(|setting| format!("  {:<28}{}\n", setting.env(), setting.help));
    format!("Environment only:\n{}", lines.collect::<String>())
}

/// Reads the command line.
///
/// # Errors
/// Fails if it is wrong, or asks for help or the version. The error has the text to show, and the
/// code to exit with.
pub fn parse<I, T>(arguments: I) -> Result<Cli, (UsageMessage, Exit)>
where
    I: IntoIterator<Item = T>,
    T: Into<std::ffi::OsString> + Clone,
{
    let arguments: Vec<std::ffi::OsString> = arguments.into_iter().map(Into::into).collect();
    Cli::try_parse_from(&arguments).map_err(|error| {
        let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
        let typed = arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
        let hint = hint::of(&error, &Cli::command(), &typed.collect::<Vec<_>>());
        (UsageMessage { hint, error }, exit)
    })
}

/// The message instead of a command: the error in the command line, or help.
#[derive(Debug)]
pub struct UsageMessage {
    error: clap::Error,
    /// What the user may have meant.
    hint: Option<String>,
}

impl UsageMessage {
    /// Writes it to the terminal.
    ///
    /// # Errors
    /// Fails if nobody reads it.
    pub fn print(&self) -> std::io::Result<()> {
        use std::io::Write as _;
        self.error.print()?;
        match &self.hint {
            Some(hint) => writeln!(std::io::stderr(), "\n{hint}"),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for UsageMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.error)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\n{hint}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(arguments: &[&str]) -> Option<Exit> {
        parse([&["headwater"], arguments].concat()).err().map(|(_, exit)| exit)
    }

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_usage_exits_with_64_and_help_with_0() {
        for wrong in [&["nothing"][..], &["serve", "--nothing"], &["diff", "one"], &[]] {
            assert_eq!(exit(wrong), Some(Exit::Usage), "{wrong:?}");
        }
        assert_eq!(exit(&["serve", "--help"]), Some(Exit::Success));
        assert_eq!(exit(&["--version"]), Some(Exit::Success));
    }

    #[test]
    fn settings_are_flags_of_serve_and_secrets_are_not() {
        let arguments = ["headwater", "serve", "--repo", "d", "--poll-interval", "5"];
        let Ok(Cli { command: Command::Serve(serve) }) = parse(arguments) else { panic!() };
        assert_eq!(serve.flags["repo"], "d");
        assert_eq!(serve.flags["poll-interval"], "5");
        assert!(!serve.flags.contains_key("cache"));
        let arguments = ["headwater", "serve", "--no-cache"];
        let Ok(Cli { command: Command::Serve(serve) }) = parse(arguments) else { panic!() };
        assert_eq!(serve.flags["cache"], "off");
        assert_eq!(exit(&["serve", "--reload-secret", "0123456789abcdef"]), Some(Exit::Usage));
    }
}
