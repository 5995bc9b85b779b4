//! `headwater token`: makes, lists and revokes the tokens of an access file.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::SystemTime;

use headwater_engine::view::HiddenRecords;
use headwater_engine::write::Scope;

use super::replaced_file::replace;
use crate::access::{AccessFile, AccessToken, EditError, NewToken, with_token, without_token};
use crate::cli::{NewTokenArgs, TokenCommand};
use crate::exit::{Exit, Failure};
use crate::wire;

/// Does what `command` says.
///
/// # Errors
/// Fails if the file cannot be read or written or breaks a rule, if a new name is there already, or
/// if a name to revoke is not.
pub fn token(command: &TokenCommand, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    match command {
        TokenCommand::New(arguments) => new(arguments, out),
        TokenCommand::List(file) => list(&file.path, out),
        TokenCommand::Revoke { name, file } => revoke(name, &file.path),
    }
}

fn new(arguments: &NewTokenArgs, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let NewTokenArgs { name, read, hidden, write, author, expires, rate, file } = arguments;
    let token = NewToken {
        name: name.clone(),
        read: read.clone(),
        hidden: *hidden,
        write: write.clone(),
        author: author.clone(),
        expires: *expires,
        rate: *rate,
    };
    let mut secret = String::new();
    replace(&file.path, |text| {
        let text = text.unwrap_or_default();
        let extended = with_token(&file.path, text, &token).map_err(|error| refused(&error))?;
        secret = extended.secret;
        Ok(extended.text)
    })?;
    writeln!(out, "{secret}")?;
    Ok(Exit::Success)
}

fn list(path: &Path, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let text = fs::read_to_string(path).map_err(|error| unusable(path, &error))?;
    let file = AccessFile::parse(path, &text);
    let file = file.map_err(|error| Failure::caused_by(Exit::Config, &error))?;
    for token in file.tokens() {
        writeln!(out, "{}", line(token, SystemTime::now()))?;
    }
    Ok(Exit::Success)
}

fn revoke(name: &str, path: &Path) -> Result<Exit, Failure> {
    replace(path, |text| {
        let text = text.ok_or_else(|| unusable(path, &ErrorKind::NotFound.into()))?;
        without_token(path, text, name).map_err(|error| refused(&error))
    })?;
    Ok(Exit::Success)
}

/// Returns the line of a token: its name, and what it may do, without anything secret.
fn line(token: &AccessToken, now: SystemTime) -> String {
    let read = token.read.as_ref().map_or("what everybody reads".to_owned(), sheets);
    let mut line = format!("{}  reads {read}", token.name);
    if token.hidden == HiddenRecords::Shown {
        line.push_str(", hidden records too");
    }
    if !token.write.is_nothing() {
        line.push_str(&format!("; writes {}", sheets(&token.write)));
    }
    if let Some(expires) = token.expires {
        let word = if expires <= now { "expired" } else { "expires" };
        line.push_str(&format!("; {word} {}", wire::time(expires)));
    }
    if let Some(rate) = token.rate {
        line.push_str(&format!("; {rate} requests a second"));
    }
    line
}

fn sheets(scope: &Scope) -> String {
    match scope {
        Scope::Every => "*".to_owned(),
        Scope::Only(names) if names.is_empty() => "nothing".to_owned(),
        Scope::Only(names) => names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(","),
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Config, format!("cannot read {}: {error}", path.display()))
}

fn refused(error: &EditError) -> Failure {
    let exit = match error {
        EditError::Exists { .. } | EditError::Missing { .. } => Exit::Data,
        EditError::File(_) => Exit::Config,
        EditError::NoRandomness => Exit::Software,
    };
    Failure::caused_by(exit, error)
}
