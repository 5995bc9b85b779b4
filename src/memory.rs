//! The memory that the process holds, and that it could still get. Only Linux reports this.

use std::fs;
use std::path::Path;

use headwater_engine::memory::{Memory, MemoryProbe};

/// The mount point of version 2 control groups, if they are used.
const GROUPS: &str = "/sys/fs/cgroup";

/// Returns the probe by which the engine measures memory.
pub fn probe() -> MemoryProbe {
    MemoryProbe::new(|| Some(Memory { held: of_process("RssAnon:")?, available: available()? }))
}

/// Returns the resident set of the process, mapped files included.
pub fn resident() -> Option<u64> {
    of_process("VmRSS:")
}

/// Returns how much the process could still get: the minimum of what the system has available, and what
/// the limits of its control groups and its own limit leave.
pub fn available() -> Option<u64> {
    let system = kilobytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let own = left_of_address_space(&limits, || of_process("VmSize:"));
    [left_in_groups(Path::new(GROUPS), group), own].into_iter().flatten().chain([system]).min()
}

/// Returns what the limit of the address space leaves; `None` without a limit.
fn left_of_address_space(limits: &str, used: impl FnOnce() -> Option<u64>) -> Option<u64> {
    let limit = first(limits, "Max address space")?;
    Some(limit.saturating_sub(used()?))
}

/// Returns the least that is left in `group` and the groups around it; `None` without any limit.
fn left_in_groups(root: &Path, group: &str) -> Option<u64> {
    let group = root.join(group);
    group.ancestors().take_while(|folder| folder.starts_with(root)).filter_map(left).min()
}

/// Returns what the limit of one group leaves. Cached files count as used, but the kernel drops
/// them before it refuses memory.
fn left(group: &Path) -> Option<u64> {
    let read = |name| fs::read_to_string(group.join(name)).ok();
    let number = |name| read(name)?.trim().parse::<u64>().ok();
    let (limit, used) = (number("memory.max")?, number("memory.current")?);
    let stat = read("memory.stat").unwrap_or_default();
    let cached = ["active_file ", "inactive_file "].map(|name| first(&stat, name).unwrap_or(0));
    Some(limit.saturating_sub(used.saturating_sub(cached.iter().sum())))
}

fn of_process(name: &str) -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, name)
}

/// Returns the value called `name`, which the kernel reports in units of 1024 bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    first(text, name)?.checked_mul(1024)
}

/// Returns the first number after `name`.
fn first(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_what_is_held_and_what_is_left() {
        let status = "Name:\theadwater\nVmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\n";
        assert_eq!(kilobytes(status, "RssAnon:"), Some(1 << 20));
        assert_eq!(kilobytes(status, "RssFile:"), None);
        if cfg!(target_os = "linux") {
            let (held, left) = (resident().unwrap(), available().unwrap());
            assert!(held > 1 << 20 && left > 1 << 20, "{held} {left}");
        }
    }

    #[test]
    fn a_limit_of_the_address_space_counts() {
        let limits = |limit: &str| {
            format!(
                "Limit  Soft Limit  Hard Limit  Units\nMax address space  {limit}  {limit}  bytes\n"
            )
        };
        let left = |limit: &str| left_of_address_space(&limits(limit), || Some(300));
        assert_eq!([left("1000"), left("200"), left("unlimited")], [Some(700), Some(0), None]);
        assert_eq!(left_of_address_space("", || Some(300)), None);
    }

    #[test]
    fn the_tightest_group_around_the_process_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("outer/inner");
        fs::create_dir_all(&inner).unwrap();
        let write = |folder: &Path, limit: &str, used: &str| {
            fs::write(folder.join("memory.max"), format!("{limit}\n")).unwrap();
            fs::write(folder.join("memory.current"), format!("{used}\n")).unwrap();
        };
        let left = || left_in_groups(root.path(), "outer/inner");
        assert_eq!(left(), None, "no group has files");
        write(&inner, "max", "500");
        assert_eq!(left(), None, "it has no limit");
        write(&root.path().join("outer"), "1000", "700");
        assert_eq!(left(), Some(300));
        write(&inner, "600", "500");
        assert_eq!(left(), Some(100));
        let stat = "anon 100\nfile 400\ninactive_file 300\nactive_file 50\n";
        fs::write(inner.join("memory.stat"), stat).unwrap();
        assert_eq!(left(), Some(300), "cached files count as free");
        write(&inner, "600", "2000");
        assert_eq!(left(), Some(0), "it is above its limit");
    }
}
