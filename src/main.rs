//! The program: reads the command line, runs the command, exits with its code.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use headwater::config::ProcessEnvironment;
use headwater::{cli, command};

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err((told, exit)) => {
            // Nobody may be there to read it, and the code says the rest.
            let _ = told.print();
            return exit.into();
        }
    };
    match command::run(cli, &ProcessEnvironment, &mut stdout()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            let _ = writeln!(stderr(), "headwater: {failure}");
            failure.exit.into()
        }
    }
}
