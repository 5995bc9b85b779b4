//! A file that a command reads, or its standard input.

use std::io::Read as _;
use std::path::Path;

use headwater_engine::decode;
use serde_json::Value;

use super::record_flaw::Flaw;
use crate::exit::{Exit, Failure};

/// The name of the standard input, as a file and in messages.
const STANDARD: &str = "-";

/// The bytes of a file, and its name.
pub(super) struct Input {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

impl Input {
    /// Reads the file to its end; `-` is the standard input.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let name = file.display().to_string();
        let bytes = if name == STANDARD {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            std::fs::read(file)
        };
        let unread = |error| Failure::new(Exit::Data, format!("{name} cannot be read: {error}"));
        let mut bytes = bytes.map_err(unread)?;
        // A byte order mark, as spreadsheets write it, is not part of the text.
        if bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        Ok(Self { name, bytes })
    }

    /// Reads the JSON value that the file holds.
    ///
    /// # Errors
    /// Fails if it holds none; the message names file, line and column.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        decode::json(&self.bytes).map_err(|flaw| {
            let (line, column) = (flaw.line.unwrap_or(1), flaw.column.unwrap_or(1));
            let place = format!("{}:{line}:{column}", self.name);
            Failure::new(Exit::Data, Flaw::malformed(flaw.message).line(&place))
        })
    }
}
