//! The arguments of `headwater token`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use toml::value::Datetime;

/// What to do with the tokens of an access file.
#[derive(Subcommand)]
pub enum TokenCommand {
    /// Add a token and print its secret, once; the file gets only the hash
    New(NewTokenArgs),
    /// Print the tokens: name, what it reads and writes, and when it expires
    List(AccessFileArgs),
    /// Remove a token
    Revoke {
        /// The name of the token
        name: String,
        /// The file
        #[command(flatten)]
        file: AccessFileArgs,
    },
}

/// The access file that a command reads or changes.
#[derive(Args)]
pub struct AccessFileArgs {
    /// The access file
    #[arg(long = "access-file", value_name = "FILE", env = "HEADWATER_ACCESS_FILE")]
    pub path: PathBuf,
}

/// A token to make.
#[derive(Args)]
pub struct NewTokenArgs {
    /// The name of the token: letters, digits, `-`, `_` and `.`
    pub name: String,
    /// The sheets that it reads, separated by commas, or `*` for all; without it those that everybody reads
    #[arg(long, value_name = "SHEETS", value_delimiter = ',')]
    pub read: Vec<String>,
    /// Show it hidden records too
    #[arg(long)]
    pub hidden: bool,
    /// The sheets that it writes, separated by commas, or `*` for all
    #[arg(long, value_name = "SHEETS", value_delimiter = ',', requires = "author")]
    pub write: Vec<String>,
    /// The author of its commits, as `Name <address>`
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// The date from which it is valid no more, such as 2027-01-31
    #[arg(long, value_name = "DATE")]
    pub expires: Option<Datetime>,
    /// How many requests in a second it may send
    #[arg(long, value_name = "N")]
    pub rate: Option<u32>,
    /// The file
    #[command(flatten)]
    pub file: AccessFileArgs,
}
