//! The memory that the processes of a group hold, as Linux tells it in `/proc`.
//!
//! git keeps what a remote answers to a push: its list of references, and a line of text until the
//! line ends. No setting of git limits that, so the memory of its processes is watched.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Pid;

/// How often the memory is read, unless reading it takes long.
const INTERVAL: Duration = Duration::from_millis(100);

/// The longest time between two readings. A remote fills at most a few hundred megabytes meanwhile.
const LONGEST: Duration = Duration::from_millis(500);

/// One part in this many of the time may be spent on reading, on a machine with many processes.
const SHARE: u32 = 20;

/// A limit on the memory that the processes of a group hold together.
///
/// Processes that make packs do not count: what they hold depends on our objects and not on what a
/// remote answers. Without a `/proc` that lists the group, nothing is limited.
#[derive(Debug)]
pub(super) struct GroupMemory {
    group: i32,
    most: u64,
}

impl GroupMemory {
    /// Limits the group to `most` bytes. The group must exist as long as this is used: its number
    /// may belong to another one afterwards.
    pub(super) fn new(group: Pid, most: u64) -> Self {
        Self { group: group.as_raw_nonzero().get(), most }
    }

    /// Reads the memory. Returns the time until it is to be read again, or `None` if it is too much.
    pub(super) fn check(&self) -> Option<Duration> {
        let begun = Instant::now();
        let Ok(held) = self.held() else { return Some(Duration::MAX) };
        (held <= self.most).then(|| (begun.elapsed() * SHARE).clamp(INTERVAL, LONGEST))
    }

    /// Returns the number of bytes that the processes of the group hold, without those that make
    /// packs.
    fn held(&self) -> io::Result<u64> {
        let mut held = 0;
        for entry in fs::read_dir("/proc")?.filter_map(Result::ok) {
            let is_process = entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
            if is_process {
                held += self.held_by(&entry.path());
            }
        }
        Ok(held)
    }

    /// Returns what the process of this folder holds; zero if it does not count or has ended.
    fn held_by(&self, process: &Path) -> u64 {
        let read = |name: &str| fs::read(process.join(name)).unwrap_or_default();
        if group_of(&read("stat")) != Some(self.group) || makes_packs(&read("cmdline")) {
            return 0;
        }
        own_memory(&String::from_utf8_lossy(&read("status")))
    }
}

/// Returns the process group in a file `stat`, see proc_pid_stat(5).
fn group_of(stat: &[u8]) -> Option<i32> {
    let stat = String::from_utf8_lossy(stat);
    // The name of the program comes before, in parentheses, and may contain any characters.
    let (_, facts) = stat.rsplit_once(')')?;
    facts.split_ascii_whitespace().nth(2)?.parse().ok()
}

/// Returns whether this is the command line of `git pack-objects`.
fn makes_packs(arguments: &[u8]) -> bool {
    arguments.split(|byte| *byte == 0).nth(1) == Some(b"pack-objects")
}

/// Returns the memory in a file `status` that no file backs: packs are mapped, and cost nothing.
fn own_memory(status: &str) -> u64 {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1 << 10)
    };
    ["RssAnon:", "VmSwap:"].into_iter().filter_map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::mirror::child::ChildGroup;

    #[test]
    fn the_group_is_read_whatever_the_program_is_called() {
        assert_eq!(group_of(b"7 (git) S 1 5 5 0 -1"), Some(5));
        assert_eq!(group_of(b"7 (a) S 9 9 (b) S 1 6 5 0 -1"), Some(6));
        assert_eq!(group_of(b"7 (\xff) Z 1 6 5 0 -1"), Some(6));
        assert_eq!(group_of(b""), None);
    }

    #[test]
    fn only_the_program_that_makes_packs_is_left_out() {
        assert!(makes_packs(b"git\0pack-objects\0--thin\0"));
        assert!(makes_packs(b"/usr/lib/git-core/git\0pack-objects\0"));
        for counted in
            [&b"git\0send-pack\0pack-objects\0"[..], b"git\0push\0", b"pack-objects\0", b""]
        {
            assert!(!makes_packs(counted), "{counted:?}");
        }
    }

    #[test]
    fn memory_counts_that_is_swapped_out_and_no_file_that_is_mapped() {
        let status = "Name:\tgit\nVmRSS:\t  900 kB\nRssAnon:\t  100 kB\nRssFile:\t  800 kB\n\
                      VmSwap:\t   20 kB\n";
        assert_eq!(own_memory(status), 120 << 10);
        assert_eq!(own_memory("Name:\tgit\nState:\tZ (zombie)\n"), 0);
    }

    #[test]
    #[cfg_attr(not(target_os = "linux"), ignore = "only Linux tells it")]
    fn all_processes_of_a_group_count_together() {
        let mut command = Command::new("sh");
        // Each of the two holds a text of eight megabytes until its input ends.
        let hold = "x=$(head -c 8388608 /dev/zero | tr '\\0' a); echo \"${#x}\"; read -r _";
        command
            .arg("-c")
            .arg(format!("exec 3<&0; sh -c '{}' <&3 & {hold}", hold.replace('\'', "'\\''")));
        let (group, mut pipes) = ChildGroup::spawn(command).unwrap();
        let mut told = [0; 16];
        io::Read::read_exact(&mut pipes.stdout, &mut told).unwrap();
        assert_eq!(&told, b"8388608\n8388608\n");
        let check = |most| group.limited_to(most).unwrap().check();
        assert_eq!(check(15 << 20), None);
        let again = check(1 << 30).unwrap();
        assert!((INTERVAL..=LONGEST).contains(&again), "{again:?}");
    }
}
