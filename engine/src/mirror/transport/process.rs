//! `file` and `ssh`: a child process whose whole process group can be killed.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;

use super::ahead::{Ahead, Said};
use super::{Budget, Line, Metered};
use crate::mirror::address::{RemoteOptions, SshAddress};
use crate::mirror::child::ChildGroup;
use crate::mirror::git;

/// Starts ssh, which connects to the remote. `said` is sent at once.
pub(in crate::mirror) fn connect_ssh(
    address: &SshAddress,
    options: &RemoteOptions,
    budget: &Arc<Budget>,
    said: Vec<u8>,
) -> io::Result<(ChildGroup, Line)> {
    connect(ssh(address, options), address.path.clone(), budget, said)
}

/// Starts git, which serves a repository on this machine. Its owner has been checked. `said` is sent
/// at once.
pub(in crate::mirror) fn connect_local(
    git_dir: &Path,
    budget: &Arc<Budget>,
    said: Vec<u8>,
) -> io::Result<(ChildGroup, Line)> {
    connect(git::upload_pack(git_dir), git_dir.display().to_string(), budget, said)
}

fn connect(
    command: Command,
    path: String,
    budget: &Arc<Budget>,
    said: Vec<u8>,
) -> io::Result<(ChildGroup, Line)> {
    let (group, pipes) = ChildGroup::spawn(command)?;
    let reader = Metered::new(pipes.stdout, Arc::clone(budget));
    let reader = io::BufReader::with_capacity(64 << 10, reader);
    Ok((group, line(reader, Ahead::send(pipes.stdin, said), path)))
}

/// Returns a line to nobody: it reads `greeting`, and then that there are no references, and keeps
/// what is said.
pub(in crate::mirror) fn to_nobody(mut greeting: Vec<u8>) -> (Said, Line) {
    let said = Said::default();
    greeting.extend(b"0000");
    (said.clone(), line(io::Cursor::new(greeting), said, String::new()))
}

fn line(reader: impl io::Read + 'static, writer: impl io::Write + 'static, path: String) -> Line {
    let virtual_host = None::<(&str, Option<u16>)>;
    let mode = ConnectMode::Process;
    Box::new(Connection::new(reader, writer, Protocol::V2, path, virtual_host, mode, false))
}

fn ssh(address: &SshAddress, options: &RemoteOptions) -> Command {
    let SshAddress { user, host, port, path } = address;
    let mut command = git::clean_command(ssh_program(options));
    command.env("GIT_PROTOCOL", "version=2").args(ssh_arguments(options));
    if let Some(port) = port {
        command.args(["-p", &port.to_string()]);
    }
    if let Some(user) = user {
        command.args(["-l", user]);
    }
    // In a URL, a path below a user's home folder is written with a leading slash.
    let path = path.strip_prefix('/').filter(|path| path.starts_with('~')).unwrap_or(path);
    let quoted = format!("'{}'", path.replace('\'', r"'\''"));
    command.args(["--", host]).arg(format!("git-upload-pack {quoted}"));
    command
}

/// Returns the program for `ssh`.
fn ssh_program(options: &RemoteOptions) -> &Path {
    options.ssh_program.as_deref().unwrap_or(Path::new("ssh"))
}

/// Returns the options of ssh with which it never prompts and trusts no unknown host.
fn ssh_arguments(options: &RemoteOptions) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["-F", "/dev/null", "-T", "-x", "-a"].map(Into::into).into();
    for option in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "ConnectTimeout=10",
        "ServerAliveInterval=10",
        "ServerAliveCountMax=3",
        "ControlMaster=no",
        "ControlPath=none",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "SendEnv=GIT_PROTOCOL",
    ] {
        arguments.extend(["-o".into(), option.into()]);
    }
    if let Some(file) = &options.known_hosts_file {
        let mut option = OsString::from("UserKnownHostsFile=");
        option.push(quoted_for_config(file));
        arguments.extend(["-o".into(), option]);
        arguments.extend(["-o".into(), "GlobalKnownHostsFile=/dev/null".into()]);
    }
    if let Some(file) = &options.ssh_key_file {
        arguments.extend(["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), file.into()]);
    }
    arguments
}

/// Returns the same as one shell line, as git takes it in `GIT_SSH_COMMAND`.
pub(in crate::mirror) fn ssh_command_line(options: &RemoteOptions) -> OsString {
    let mut line = OsString::new();
    let program = ssh_program(options).as_os_str();
    for word in std::iter::once(program).chain(ssh_arguments(options).iter().map(AsRef::as_ref)) {
        if !line.is_empty() {
            line.push(" ");
        }
        line.push("'");
        for (n, part) in word.as_bytes().split(|byte| *byte == b'\'').enumerate() {
            line.push(if n == 0 { "" } else { r"'\''" });
            line.push(OsStr::from_bytes(part));
        }
        line.push("'");
    }
    line
}

/// Quotes a value, which ssh would otherwise split at spaces.
fn quoted_for_config(file: &Path) -> OsString {
    let mut quoted = OsString::from("\"");
    quoted.push(file);
    quoted.push("\"");
    quoted
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn ssh_is_started_so_that_it_never_asks_and_takes_no_option_from_the_address() {
        let options = RemoteOptions {
            ssh_key_file: Some("/etc/key".into()),
            known_hosts_file: Some("/etc/known hosts".into()),
            ..RemoteOptions::default()
        };
        let address = SshAddress {
            user: Some("git".into()),
            host: "example.org".into(),
            port: Some(2222),
            path: "/~me/it's".into(),
        };
        let command = ssh(&address, &options);
        let args: Vec<_> = command.get_args().map(|arg| arg.to_str().unwrap()).collect();
        let expected_end =
            ["-p", "2222", "-l", "git", "--", "example.org", r"git-upload-pack '~me/it'\''s'"];
        assert!(args.ends_with(&expected_end), "{args:?}");
        assert!(args.contains(&"UserKnownHostsFile=\"/etc/known hosts\""), "{args:?}");
        assert!(args.contains(&"BatchMode=yes") && args.contains(&"StrictHostKeyChecking=yes"));
    }

    #[test]
    fn a_shell_reads_the_line_as_the_same_words() {
        let options = RemoteOptions {
            ssh_program: Some("echo".into()),
            ssh_key_file: Some("/etc/it's a key".into()),
            ..RemoteOptions::default()
        };
        let line = ssh_command_line(&options);
        let shell = Command::new("sh").arg("-c").arg(line).output().unwrap();
        let words: Vec<_> =
            ssh_arguments(&options).into_iter().map(OsString::into_string).collect();
        let words: Vec<_> = words.into_iter().map(Result::unwrap).collect();
        assert_eq!(String::from_utf8(shell.stdout).unwrap().trim_end(), words.join(" "));
        assert!(words.ends_with(&["-i".to_owned(), "/etc/it's a key".to_owned()]), "{words:?}");
    }

    #[test]
    fn a_group_is_killed_with_the_children_of_the_child() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo oops >&2; sleep 3600 & echo $!; wait"]);
        let (group, mut pipes) = ChildGroup::spawn(command).unwrap();
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let mut byte = [0];
            pipes.stdout.read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        group.kill();
        let (text, status) = group.finish();
        assert_eq!(text, "oops");
        assert!(!status.unwrap().success());
        // The pipe ends only when nobody holds its other end.
        assert_eq!(pipes.stdout.read(&mut [0]).unwrap(), 0);
    }
}
