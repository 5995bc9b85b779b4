//! Serves the mirror to other replicas: the branch, the tags and every commit by its id, for fetches
//! alone.
//!
//! It answers one http request at a time, as `git http-backend` does, in protocol version 2: what a
//! follower asks for after each publication by itself, everything else by git. Nothing can be pushed.

mod lacked_objects;
mod lines;
mod plain_answer;
mod request;

use std::io::{self, Cursor, Read, Write as _};
use std::process::ChildStdout;

use super::child::{ChildGroup, Pipes};
use super::git::upload_pack_over_http;
use super::{GitError, Mirror};
use lines::Lines;
use request::PlainRequest;

/// A request of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitRequest {
    /// What the server can do.
    Greeting,
    /// A command in protocol version 2: the references, or a pack.
    Command(Vec<u8>),
}

impl GitRequest {
    /// Returns whether it asks for a pack and names no commit that its sender has, so that the
    /// answer holds the whole history.
    pub fn is_clone(&self) -> bool {
        let Self::Command(command) = self else { return false };
        let mut lines = Lines(command);
        let is_fetch = lines.next().is_some_and(|line| line.starts_with(b"command=fetch"));
        is_fetch && !lines.any(|line| line.starts_with(b"have "))
    }
}

/// The answer to a request. Dropping it ends git.
#[derive(Debug)]
pub struct GitAnswer(Maker);

#[derive(Debug)]
enum Maker {
    /// It is whole.
    Mirror(Cursor<Vec<u8>>),
    /// Git makes it.
    Git(GitOutput),
}

#[derive(Debug)]
struct GitOutput {
    output: ChildStdout,
    group: ChildGroup,
    is_over: bool,
}

impl Mirror {
    /// Starts to answer a request for `branch`. Blocking: takes milliseconds for what is answered here; the
    /// rest is read from git as it is made. Git ends a conversation in which nothing moves for thirty seconds.
    ///
    /// # Errors
    ///
    /// If git cannot be started.
    pub fn serve(&self, branch: &str, request: GitRequest) -> Result<GitAnswer, GitError> {
        let (options, input): (&[&str], _) = match request {
            GitRequest::Greeting => (&["--http-backend-info-refs"], Vec::new()),
            GitRequest::Command(command) => match self.plain_answer(branch, &command) {
                Some(answer) => return Ok(GitAnswer(Maker::Mirror(Cursor::new(answer)))),
                None => (&[], command),
            },
        };
        let command = upload_pack_over_http(self.git_dir(), branch, options);
        let (group, Pipes { mut stdin, stdout }) =
            ChildGroup::spawn(command).map_err(GitError::Start)?;
        // On a thread of its own, since git may answer before it has read everything.
        std::thread::spawn(move || stdin.write_all(&input));
        Ok(GitAnswer(Maker::Git(GitOutput { output: stdout, group, is_over: false })))
    }

    /// Returns the answer to a request that needs no git.
    fn plain_answer(&self, branch: &str, command: &[u8]) -> Option<Vec<u8>> {
        let request = PlainRequest::parse(command)?;
        let objects = self.objects().ok()?;
        match request {
            PlainRequest::References(prefixes) => {
                plain_answer::references(&objects, branch, &prefixes)
            }
            // Git tells what is wrong with an object.
            PlainRequest::Pack(wanted) => plain_answer::pack(&objects, &wanted).ok().flatten(),
        }
    }
}

impl Read for GitAnswer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Maker::Mirror(answer) => answer.read(buffer),
            Maker::Git(output) => output.read(buffer),
        }
    }
}

impl Read for GitOutput {
    /// Reads the next bytes. Fails at the end if git failed, so that nobody takes a part for the
    /// whole.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.output.read(buffer)?;
        if read == 0 && !buffer.is_empty() && !self.is_over {
            self.is_over = true;
            let (message, status) = self.group.finish();
            if !status.is_some_and(|status| status.success()) {
                return Err(io::Error::other(format!("git upload-pack failed: {message}")));
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::lines::tests::framed;
    use super::*;
    use crate::mirror::testing::TestRepository;

    fn answer(repository: &TestRepository, request: GitRequest) -> io::Result<String> {
        let mut answer = repository.mirror().serve("main", request).unwrap();
        let mut bytes = Vec::new();
        answer.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn a_replica_sees_the_branch_and_the_tags_and_nothing_else() {
        let repository = TestRepository::bare();
        let tip = repository.commit_files("main", &[("a", "1")]).to_string();
        for name in [
            "refs/heads/other",
            "refs/heads/conflicts/x",
            "refs/headwater/pin/main",
            "refs/tags/v1",
        ] {
            repository.git(["update-ref", name, &tip]);
        }
        let greeting = answer(&repository, GitRequest::Greeting).unwrap();
        assert!(greeting.starts_with("000eversion 2\n"), "{greeting}");
        let command = framed(&["command=ls-refs", "0001", "ref-prefix refs/", "0000"]);
        let told = answer(&repository, GitRequest::Command(command)).unwrap();
        let names: Vec<_> = told.lines().filter_map(|line| line.split_once(" refs/")).collect();
        let names: Vec<_> = names.into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["heads/main", "tags/v1"]);
    }

    #[test]
    fn a_commit_is_sent_by_its_id_and_one_that_is_not_here_breaks_the_answer_off() {
        let repository = TestRepository::bare();
        let first = repository.commit_files("main", &[("a", "1")]);
        let unnamed = repository.commit_tree(repository.tree_of("main"), &[first]);
        let command = |want: &str| {
            let want = format!("want {want}");
            GitRequest::Command(framed(&["command=fetch", "0001", &want, "done", "0000"]))
        };
        let sent = answer(&repository, command(&unnamed.to_string())).unwrap();
        assert!(sent.contains("packfile") && sent.contains("PACK"), "{sent}");
        let error = answer(&repository, command(&"1".repeat(40))).unwrap_err();
        assert!(error.to_string().contains("not our ref"), "{error}");
    }

    #[test]
    fn a_request_that_names_nothing_its_sender_has_is_a_clone() {
        let (want, have) = (format!("want {}", "1".repeat(40)), format!("have {}", "2".repeat(40)));
        for (lines, expected) in [
            (&["command=fetch", "0001", &want, "done", "0000"][..], true),
            (&["command=fetch", "agent=have ", "0001", &want, "done", "0000"], true),
            (&["command=fetch", "0001", &want, &have, "done", "0000"], false),
            (&["command=ls-refs", "0001", "peel", "0000"], false),
            (&[], false),
        ] {
            let request = GitRequest::Command(framed(lines));
            assert_eq!(request.is_clone(), expected, "{lines:?}");
        }
        assert!(!GitRequest::Greeting.is_clone());
        assert!(!GitRequest::Command(b"zzzz".to_vec()).is_clone());
        assert!(GitRequest::Command(b"0012command=fetchffff".to_vec()).is_clone());
    }
}
