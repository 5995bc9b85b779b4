//! Pushes to remotes whose answers do not end.

use headwater_testkit::Fault;

use super::*;

/// The memory that git may hold in these tests.
const MEMORY: u64 = 16 << 20;

/// How many bytes a remote answers before it falls silent, which is six times as much.
const ANSWER: usize = 96 << 20;

/// A line of a list of references, without its end.
const LISTED: &str = "003a7777777777777777777777777777777777777777 refs/heads/x";

impl Ahead {
    /// Returns a server for the remote, and its address there.
    fn over_http(&self) -> (GitHttp, Remote) {
        let server = GitHttp::serve(self.remote.path().parent().unwrap());
        let name = self.remote.path().file_name().unwrap().to_str().unwrap();
        let remote = Remote::new(&server.url(name), RemoteOptions::default()).unwrap();
        (server, remote)
    }

    fn push_within(&self, remote: &Remote, moved: RefPush<'_>) -> Result<(), PushError> {
        let limits = PushLimits { time: TIME, memory: MEMORY };
        self.ours.mirror().push_within(remote, moved, limits)
    }
}

/// Repeats `line` until there are many bytes.
fn many(line: &[u8]) -> Vec<u8> {
    line.repeat((64 << 10) / line.len())
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux tells what processes hold")]
fn an_answer_without_an_end_is_given_up_before_git_holds_much_of_it() {
    let line = format!("{LISTED}\n");
    // Text of the second band, which git keeps until the line ends.
    let text = [&b"fff0\x02"[..], &[b'z'; 0xfff0 - 5]].concat();
    for (method, begin, again) in [
        ("GET", b"001f# service=git-receive-pack\n0000".to_vec(), many(line.as_bytes())),
        ("POST", Vec::new(), text),
    ] {
        let ahead = Ahead::new();
        let (server, remote) = ahead.over_http();
        let times = ANSWER / again.len();
        server.fail(Fault::Repeat { method, begin, again, times });
        let error = ahead.push_within(&remote, ahead.onward()).unwrap_err();
        assert_eq!(error.kind(), PushErrorKind::AnswerTooLarge, "{method}: {error}");
        assert!(!error.kind().is_passing(), "it is not tried again at once");
        server.recover();
        ahead.push_within(&remote, ahead.onward()).unwrap();
        assert_eq!(ahead.remote.head("main"), ahead.new);
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux tells what processes hold")]
fn a_list_without_an_end_over_ssh_is_given_up_as_well() {
    let ahead = Ahead::new();
    let folder = tempfile::tempdir().unwrap();
    let ssh = folder.path().join("ssh");
    let script = format!("#!/bin/sh\nyes '{LISTED}' | head -c {}\ncat >/dev/null\n", ANSWER / 4);
    std::fs::write(&ssh, script).unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let options = RemoteOptions { ssh_program: Some(ssh), ..RemoteOptions::default() };
    let remote = Remote::new("git@example.org:a/b.git", options).unwrap();
    let error = ahead.push_within(&remote, ahead.onward()).unwrap_err();
    assert_eq!(error.kind(), PushErrorKind::AnswerTooLarge, "{error}");
}

#[test]
fn what_packing_takes_does_not_count() {
    let ahead = Ahead::new();
    let (_server, remote) = ahead.over_http();
    // git holds a file of this size twice while it makes the pack: as it is, and compressed.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    let noise: Vec<u8> = noise.take(3 * MEMORY as usize / 2).collect();
    let blob = ahead.ours.write_blob(&noise);
    let tree = ahead.ours.write_raw_tree(&[("100644", b"a", *blob.as_bytes())]);
    let commit = ahead.ours.commit_tree(tree, &[ahead.shared]);
    ahead.push_within(&remote, RefPush { commit, ..ahead.onward() }).unwrap();
    assert_eq!(ahead.remote.head("main"), commit);
}
