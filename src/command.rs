//! The commands of the command line. Each writes its results to the given output, and returns the
//! code to exit with.

mod annotation;
mod csv_cell;
pub mod check;
pub mod completions;
pub mod diff;
pub mod edit;
pub mod export;
mod record_flaw;
pub mod get;
pub mod import;
pub mod init;
mod input;
pub mod log;
pub mod man;
pub mod normalize;
pub mod server_control;
mod messages;
mod progress;
pub mod query;
pub mod ready;
mod replaced_file;
mod repository;
pub mod serve;
pub mod token;
pub mod verify;
mod writer;

use std::io::Write;

use crate::cli::{Cli, Command};
use crate::config::Environment;
use crate::exit::{Exit, Failure};
use server_control::Order;

/// Runs the command on the command line.
///
/// # Errors
/// Fails if the command cannot do its work.
pub fn run(
    cli: Cli,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    match cli.command {
        Command::Serve(arguments) => serve::serve(&arguments, environment, out),
        Command::Demo { auto, listen } => crate::demo::demo(auto, &listen, out),
        Command::Init { read, schema } => init::init(&read, schema, environment, out),
        Command::Check { read, format } => check::check(&read, format, environment, out),
        Command::Diff { repo, old, new } => diff::diff(&repo, &old, &new, environment, out),
        Command::Verify { read, last, all } => {
            let extent = if all { verify::Extent::All } else { verify::Extent::Last(last) };
            verify::verify(&read, extent, environment, out)
        }
        Command::Get(arguments) => get::get(&arguments, environment, out),
        Command::Query(arguments) => query::query(&arguments, environment, out),
        Command::Put(arguments) => edit::put(&arguments, environment, out),
        Command::Patch(arguments) => edit::patch(&arguments, environment, out),
        Command::Delete(arguments) => edit::delete(&arguments, environment, out),
        Command::Log(arguments) => log::log(&arguments, environment, out),
        Command::Import(arguments) => import::import(&arguments, environment, out),
        Command::Export(arguments) => export::export(&arguments, environment, out),
        Command::Normalize(arguments) => normalize::normalize(&arguments, environment, out),
        Command::Apply { id, server } => {
            server_control::operate(&Order::Apply(id), &server.url, environment, out)
        }
        Command::Pin { commit, server } => {
            server_control::operate(&Order::Pin(commit), &server.url, environment, out)
        }
        Command::Unpin { server } => {
            server_control::operate(&Order::Unpin, &server.url, environment, out)
        }
        Command::Audit { server } => {
            server_control::operate(&Order::Audit, &server.url, environment, out)
        }
        Command::Token { command } => token::token(&command, out),
        Command::Ready { max_lag, server } => ready::ready(&server.url, max_lag, out),
        Command::Completions { shell } => completions::completions(shell, out),
        Command::Man { dir } => man::man(&dir, out),
    }
}

/// The output cannot be written. If nobody reads it any more, as after `head`, there is nobody to
/// report it to.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Software, "");
        }
        Self::new(Exit::Software, format!("cannot write the output: {error}"))
    }
}
