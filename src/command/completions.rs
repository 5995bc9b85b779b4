//! `headwater completions`: the completions of the program for a shell.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::Cli;
use crate::exit::{Exit, Failure};

/// The name that the shell completes.
const PROGRAM: &str = "headwater";

/// Writes the completions of `shell`.
///
/// # Errors
/// Fails if the output cannot be written.
pub fn completions(shell: Shell, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    // The generator panics if it cannot write, and a vector accepts everything.
    let mut text = Vec::new();
    generate(shell, &mut Cli::command(), PROGRAM, &mut text);
    out.write_all(&text)?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    fn text(shell: Shell) -> String {
        let mut out = Vec::new();
        completions(shell, &mut out).unwrap_or_else(|failure| panic!("{failure}"));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_shell_knows_every_command_and_every_flag() {
        for shell in Shell::value_variants() {
            let text = text(*shell);
            for command in Cli::command().get_subcommands() {
                let name = command.get_name();
                assert!(text.contains(name), "{shell} does not know {name}");
                for flag in command.get_arguments().filter_map(|argument| argument.get_long()) {
                    // fish writes `-l flag`.
                    let known = [format!("--{flag}"), format!("-l {flag}")];
                    assert!(
                        known.iter().any(|known| text.contains(known.as_str())),
                        "{shell} does not know --{flag} of {name}"
                    );
                }
            }
        }
    }
}
