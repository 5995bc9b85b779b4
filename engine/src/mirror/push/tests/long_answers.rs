//! Pushes to remotes whose answers do not end.

use headwater_testkit::Fault;

use super::*;

/// The memory that git may hold in these tests.
const MEMORY: u64 = 16 << 20;

/// How many bytes a remote answers before it falls silent, which is six times as much.
const ANSWER: usize = 96 << 20;

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
    let listed = format!("{} refs/heads/x\n", "7".repeat(40));
    let line = format!("{:04x}{listed}", listed.len() + 4);
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
fn what_packing_takes_does_not_count() {
    let ahead = Ahead::new();
    let (_server, remote) = ahead.over_http();
    // git holds a file of this size twice while it makes the pack: as it is, and compressed.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    let noise: Vec<u8> = noise.take(2 * MEMORY as usize).collect();
    let blob = ahead.ours.write_blob(&noise);
    let tree = ahead.ours.write_raw_tree(&[("100644", b"a", *blob.as_bytes())]);
    let commit = ahead.ours.commit_tree(tree, &[ahead.shared]);
    ahead.push_within(&remote, RefPush { commit, ..ahead.onward() }).unwrap();
    assert_eq!(ahead.remote.head("main"), commit);
}
