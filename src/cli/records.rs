//! The arguments of the commands that read and write records without a server.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::RepoArgs;
use crate::config::Flags;
use crate::config::settings::BRANCH;

/// The commit to read.
#[derive(Args)]
pub struct ReadArgs {
    /// The repository
    #[command(flatten)]
    pub repo: RepoArgs,
    /// Read the head of this branch; default: HEAD (HEADWATER_BRANCH)
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// Read this commit instead of a branch
    #[arg(long, value_name = "REV")]
    pub rev: Option<String>,
}

impl ReadArgs {
    /// Returns the settings that are given as flags.
    pub fn flags(&self) -> Flags {
        let mut flags = self.repo.flags();
        flags.extend(self.branch.clone().map(|branch| (BRANCH.flag, branch)));
        flags
    }
}

/// The branch that a change goes to, and the metadata of its commit.
#[derive(Args)]
pub struct WriteArgs {
    /// The repository
    #[command(flatten)]
    pub repo: RepoArgs,
    /// Write to this branch; default: that of HEAD, or the only one (HEADWATER_BRANCH)
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// The author, as `Name <address>`; default: the committer
    #[arg(long, value_name = "NAME", env = "HEADWATER_AUTHOR")]
    pub author: Option<String>,
    /// The message of the commit
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// A sheet, or a record of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetOrRecord {
    /// The name of the sheet.
    pub sheet: String,
    /// The key of the record.
    pub key: Option<String>,
}

impl std::str::FromStr for SheetOrRecord {
    type Err = String;

    /// Parses `SHEET` or `SHEET/KEY`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (sheet, key) = match text.split_once('/') {
            Some((sheet, key)) => (sheet, Some(key.to_owned())),
            None => (text, None),
        };
        if sheet.is_empty() || key.as_ref().is_some_and(String::is_empty) {
            return Err("must be SHEET or SHEET/KEY".to_owned());
        }
        Ok(Self { sheet: sheet.to_owned(), key })
    }
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPlace {
    /// The name of the sheet.
    pub sheet: String,
    /// The key of the record.
    pub key: String,
}

impl std::str::FromStr for RecordPlace {
    type Err = String;

    /// Parses `SHEET/KEY`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(SheetOrRecord { sheet, key: Some(key) }) => Ok(Self { sheet, key }),
            _ => Err("must be SHEET/KEY".to_owned()),
        }
    }
}

/// The value to write.
#[derive(Args)]
pub struct ValueArgs {
    /// The file with the JSON value; `-` is the standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
}

/// The arguments of `put`.
#[derive(Args)]
pub struct PutArgs {
    /// The record; without a key, its fields determine the key
    #[arg(value_name = "SHEET[/KEY]")]
    pub place: SheetOrRecord,
    /// The new value
    #[command(flatten)]
    pub value: ValueArgs,
    /// The branch to write
    #[command(flatten)]
    pub write: WriteArgs,
}

/// The arguments of `patch`.
#[derive(Args)]
pub struct PatchArgs {
    /// The record
    #[arg(value_name = "SHEET/KEY")]
    pub place: RecordPlace,
    /// The merge patch
    #[command(flatten)]
    pub value: ValueArgs,
    /// The branch to write
    #[command(flatten)]
    pub write: WriteArgs,
}

/// The arguments of `delete`.
#[derive(Args)]
pub struct DeleteArgs {
    /// The record
    #[arg(value_name = "SHEET/KEY")]
    pub place: RecordPlace,
    /// The branch to write
    #[command(flatten)]
    pub write: WriteArgs,
}

/// The arguments of `get`.
#[derive(Args)]
pub struct GetArgs {
    /// The record
    #[arg(value_name = "SHEET/KEY")]
    pub place: RecordPlace,
    /// The commit to read
    #[command(flatten)]
    pub read: ReadArgs,
}

/// The arguments of `query`.
#[derive(Args)]
pub struct QueryArgs {
    /// The sheet
    pub sheet: String,
    /// The parameters of a list, such as `stage=active`, `age[gte]=18`, `sort=-createdAt`,
    /// `q=words`
    #[arg(value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,
    /// Print one JSON array instead of one value per line
    #[arg(long)]
    pub array: bool,
    /// Print the whole answer of the server, with keys, total and facets
    #[arg(long, conflicts_with = "array")]
    pub page: bool,
    /// The commit to read
    #[command(flatten)]
    pub read: ReadArgs,
}

/// The arguments of `log`.
#[derive(Args)]
pub struct LogArgs {
    /// List only the commits that touched this record
    #[arg(value_name = "SHEET/KEY")]
    pub place: Option<RecordPlace>,
    /// List at most this many commits
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// List only the commits after this commit or time
    #[arg(long, value_name = "COMMIT|TIME")]
    pub since: Option<String>,
    /// List only the commits up to this commit or time
    #[arg(long, value_name = "COMMIT|TIME")]
    pub until: Option<String>,
    /// Count the records that each commit changed, by sheet; records that are not public do not count
    #[arg(long, conflicts_with = "place")]
    pub changes: bool,
    /// Print each commit as JSON
    #[arg(long)]
    pub json: bool,
    /// The commit to read
    #[command(flatten)]
    pub read: ReadArgs,
}

/// The arguments of `normalize`.
#[derive(Args)]
pub struct NormalizeArgs {
    /// The sheets; default: all
    #[arg(value_name = "SHEET")]
    pub names: Vec<String>,
    /// The branch to write
    #[command(flatten)]
    pub write: WriteArgs,
}

/// The format of the records in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// One JSON value per line
    Ndjson,
    /// One JSON array
    Json,
    /// Comma-separated values with the fields in the first line
    Csv,
}

/// The arguments of `import`.
#[derive(Args)]
pub struct ImportArgs {
    /// The sheet
    pub sheet: String,
    /// The file with the records; `-` is the standard input
    pub file: PathBuf,
    /// The format; default: by the extension of the file
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<TableFormat>,
    /// The field that holds the key and is not part of the record, for sheets without a path template
    #[arg(long, value_name = "FIELD")]
    pub key: Option<String>,
    /// Write the valid rows even if others are invalid
    #[arg(long)]
    pub skip_bad: bool,
    /// The branch to write
    #[command(flatten)]
    pub write: WriteArgs,
}

/// The arguments of `export`.
#[derive(Args)]
pub struct ExportArgs {
    /// The sheet
    pub sheet: String,
    /// The format of the output
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "ndjson")]
    pub format: TableFormat,
    /// Add the key as this field
    #[arg(long, value_name = "FIELD")]
    pub key: Option<String>,
    /// The commit to read
    #[command(flatten)]
    pub read: ReadArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_sheet_and_perhaps_a_key_with_slashes() {
        let place =
            |text: &str| text.parse::<SheetOrRecord>().map(|place| (place.sheet, place.key));
        assert_eq!(place("people"), Ok(("people".into(), None)));
        assert_eq!(place("posts/2024/one"), Ok(("posts".into(), Some("2024/one".into()))));
        assert!(place("").is_err() && place("people/").is_err() && place("/ada").is_err());
        assert!("people".parse::<RecordPlace>().is_err());
    }
}
