//! A full disk, at every step of a reload.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use headwater_testkit::{Upstream, git};
use tempfile::TempDir;

use crate::harness::{TestServer, people};

/// The most free kilobytes, in steps of one; a variable sets more.
fn steps() -> usize {
    let steps = std::env::var("HEADWATER_DISK_STEPS").ok();
    steps.and_then(|steps| steps.parse().ok()).unwrap_or(12)
}

/// A file system in memory that is small enough to be filled.
pub(crate) struct SmallDisk {
    pub(crate) folder: TempDir,
    filler: PathBuf,
}

impl SmallDisk {
    /// Mounts one. Returns `None` if this process may not.
    pub(crate) fn mount(megabytes: usize) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        let filler = folder.path().join("filler");
        mounted.then_some(Self { folder, filler })
    }

    /// Fills it except for about this many kilobytes.
    pub(crate) fn fill(&self, spare: usize) {
        let mut file = File::create(&self.filler).unwrap();
        let mut length = 0;
        for chunk in [1 << 16, 1 << 10] {
            let bytes = vec![0; chunk];
            loop {
                match file.write(&bytes) {
                    Ok(written) => length += written,
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        let file = OpenOptions::new().write(true).open(&self.filler).unwrap();
        file.set_len(length.saturating_sub(spare << 10) as u64).unwrap();
    }

    pub(crate) fn free(&self) {
        std::fs::remove_file(&self.filler).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a starting child may still have its folder open.
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

/// A text that does not compress.
fn noise(seed: usize) -> String {
    let mut state = seed as u64;
    let words = (0..2_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{:08x}", state >> 32)
    });
    words.collect()
}

/// Pushes one record, many records, or a change of the definitions, which causes a rebuild. Returns
/// the commit.
fn push(upstream: &mut Upstream, kind: usize, seed: usize) -> String {
    let record = |slug: usize| {
        let text =
            format!("bio = \"{}\"\nname = \"N\"\nslug = \"s{slug}\"\n", noise(seed * 31 + slug));
        (format!("people/s{slug}.toml"), text)
    };
    let commit = upstream.commit("push");
    match kind {
        0 => commit.put_all([record(0)]).push(),
        1 => commit.put_all((0..12).map(record)).push(),
        _ => {
            let definition = format!(
                "[gitsheet]\nroot = \"people\"\npath = \"${{{{ slug }}}}\"\n\n\
                 [headwater]\nindex = [\"field{seed}\"]\n"
            );
            commit.put(".gitsheets/people.toml", definition).put_all([record(0)]).push()
        }
    }
}

/// Returns the files that must not be left behind.
fn leftovers(mirror: &Path) -> Vec<String> {
    let folders = ["headwater", "objects/pack", "refs/heads", "refs/headwater/sync", "."];
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(mirror.join(folder)).ok());
    let names = entries.flatten().map(|entry| entry.unwrap().file_name());
    let is_left = |name: &String| {
        name.starts_with("quarantine-") || name.contains("tmp_") || name.ends_with(".lock")
    };
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(is_left).filter(|name| name != "headwater.lock").collect()
}

#[test]
fn a_full_disk_fails_a_reload_and_nothing_else_and_it_heals_without_a_restart() {
    let Some(disk) = SmallDisk::mount(8 + steps() * 3 / 4) else {
        println!("skipped: this process may not mount a file system");
        return;
    };
    let mut upstream = people();
    let mirror = disk.folder.path().join("mirror.git");
    let settings = [("HEADWATER_REPO", mirror.to_str().unwrap())];
    let server = TestServer::with(&upstream.url(), &settings);
    let (mut full, mut lived) = (0, 0);
    for step in 1..=steps() {
        for kind in 0..3 {
            let before = server.get("/api/people/ada").commit().to_owned();
            let head = push(&mut upstream, kind, step);
            disk.fill(step);
            let answer = server.reload();
            let read = server.get("/api/people/ada");
            assert_eq!(read.status, 200);
            match answer.status {
                200 => {
                    assert_eq!(read.commit(), head);
                    lived += 1;
                }
                _ => {
                    answer.problem(507, "disk_full");
                    assert_eq!(read.commit(), before);
                    full += 1;
                }
            }
            let branch = git(&mirror, ["rev-parse", "refs/heads/published"]);
            assert_eq!(branch.trim(), read.commit(), "with {step} KB to spare");
            disk.free();
            assert_eq!(server.reload().json()["newCommit"], head);
            server.server().live().engine().unwrap().settle();
            assert_eq!(leftovers(&mirror), [""; 0], "with {step} KB to spare");
        }
    }
    git(&mirror, ["fsck", "--connectivity-only", "--no-dangling"]);
    assert!(full > 0, "the disk was never full");
    println!("{} full disks: {full} reloads failed with 507, {lived} went live", full + lived);
}
