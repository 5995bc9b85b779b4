//! `headwater man`: writes the manual pages, one for the program and one for each command.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::exit::{Exit, Failure, chain};

/// Writes the pages into `folder`, as `headwater.1` and `headwater-<command>.1`.
///
/// # Errors
/// Fails if the folder cannot be created or written to.
pub fn man(folder: &Path, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| {
        let told = format!("cannot write to {}: {}", folder.display(), chain(&error));
        Failure::new(Exit::Data, told)
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    writeln!(out, "the manual pages are in {}", folder.display())?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page_with_its_flags_and_the_program_names_all() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("man1");
        man(&folder, &mut Vec::new()).unwrap_or_else(|failure| panic!("{failure}"));
        let page = |name: &str| {
            let text = std::fs::read_to_string(folder.join(format!("{name}.1"))).unwrap();
            // roff writes a hyphen that may be copied with a backslash.
            text.replace("\\-", "-")
        };
        let mut count = 1;
        let mut above = vec![("headwater".to_owned(), Cli::command())];
        while let Some((parent, commands)) = above.pop() {
            let overview = page(&parent);
            for command in commands.get_subcommands() {
                let name = format!("{parent}-{}", command.get_name());
                let text = page(&name);
                assert!(overview.contains(&format!("{name}(1)")), "{overview}");
                for flag in command.get_arguments().filter_map(|argument| argument.get_long()) {
                    assert!(text.contains(&format!("--{flag}")), "{name} lacks --{flag}");
                }
                count += 1;
                above.push((name, command.clone()));
            }
        }
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), count);
        assert!(page("headwater-serve").contains("HEADWATER_RELOAD_SECRET"));
    }
}
