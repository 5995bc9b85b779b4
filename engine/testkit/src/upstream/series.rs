//! Makes many commits at once, to be pushed one by one.

use super::Upstream;
use super::commit::write_put;
use crate::git::{EPOCH, IDENTITY, git, git_with_input};

/// The reference that keeps the commits until they are pushed.
const WAITING: &str = "refs/testkit/series";

impl Upstream {
    /// Writes a chain of commits on top of the branch, each of which puts some files, and returns
    /// their ids. The branch does not move: [`reset_to`](Self::reset_to) pushes one of them.
    ///
    /// One child writes all of them, so thousands take only seconds, and a commit to a folder of
    /// many files costs only its delta.
    pub fn series<P: AsRef<[u8]>, B: AsRef<[u8]>>(
        &mut self,
        commits: impl IntoIterator<Item = Vec<(P, B)>>,
    ) -> Vec<String> {
        let parent = self.head().expect("the branch is born");
        let mut stream = format!("reset {WAITING}\nfrom {parent}\n\n").into_bytes();
        for files in commits {
            self.commits += 1;
            let date = EPOCH + 60 * self.commits;
            let head =
                format!("commit {WAITING}\ncommitter {IDENTITY} {date} +0000\ndata 4\nedit\n");
            stream.extend_from_slice(head.as_bytes());
            for (path, bytes) in files {
                let written = write_put(&mut stream, path.as_ref(), 0o100_644, bytes.as_ref());
                written.expect("a vector takes all bytes");
            }
            stream.push(b'\n');
        }
        let import = ["fast-import", "--quiet", "--force", "--date-format=raw"];
        git_with_input(&self.path, import, &stream);
        let listed = git(&self.path, ["rev-list", "--reverse", &format!("{parent}..{WAITING}")]);
        listed.lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_waits_for_its_push_commit_by_commit() {
        let mut upstream = Upstream::new();
        let first = upstream.commit("one").put("a", "0").put("kept", "k").push();
        let series = upstream.series((1..4).map(|n| vec![("a", n.to_string())]));
        assert_eq!((upstream.head(), series.len()), (Some(first.clone()), 3));
        assert_eq!(git(upstream.path(), ["rev-parse", &format!("{}^", series[0])]), first);
        for (n, commit) in series.iter().enumerate() {
            upstream.reset_to(commit);
            assert_eq!(upstream.read(commit, "a"), Some((n + 1).to_string().into_bytes()));
            assert_eq!(upstream.read(commit, "kept").as_deref(), Some(&b"k"[..]));
        }
    }
}
