//! The end of a command: exit codes after sysexits.h, and the one error type that reaches `main`.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

pub use headwater_engine::causes::chain;
use headwater_engine::engine::OpenError;

/// The closed list of exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Success.
    Success = 0,
    /// The command did its work and found problems or differences.
    Found = 1,
    /// The command line is wrong (`EX_USAGE`).
    Usage = 64,
    /// The requested data does not exist or cannot be read (`EX_DATAERR`).
    Data = 65,
    /// A remote or a server cannot be reached (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// The program itself failed (`EX_SOFTWARE`).
    Software = 70,
    /// A setting is wrong or missing (`EX_CONFIG`).
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<&OpenError> for Exit {
    /// Returns the exit code for a repository that cannot be served.
    fn from(error: &OpenError) -> Self {
        match error {
            OpenError::Repository { .. }
            | OpenError::NothingThere { .. }
            | OpenError::NotBare { .. }
            | OpenError::Shallow { .. }
            | OpenError::PartialClone { .. }
            | OpenError::Remote(_)
            | OpenError::BranchUnclear { .. }
            | OpenError::BranchOfConflicts
            | OpenError::BranchMissing { .. } => Self::Config,
            OpenError::Locked { .. } | OpenError::Fetch { .. } | OpenError::NoSource { .. } => {
                Self::Unavailable
            }
            OpenError::Reference { .. } | OpenError::Load { .. } => Self::Data,
            OpenError::Thread(_) => Self::Software,
        }
    }
}

/// Why a command ended early: a sentence for the user, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// The code to exit with.
    pub exit: Exit,
    message: String,
}

impl Failure {
    /// Returns a failure with the text `message`, which must not name a secret.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Returns whether there is nothing to report to the user.
    pub fn is_silent(&self) -> bool {
        self.message.is_empty()
    }

    /// Returns a failure with the text of `error` and its causes, outermost first.
    pub fn caused_by(exit: Exit, error: &dyn Error) -> Self {
        Self::new(exit, chain(error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}
