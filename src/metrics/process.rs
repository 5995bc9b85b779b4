//! The process as the kernel sees it, under the names that every Prometheus library uses.

use std::fs;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use super::exposition::{gauge, head};
use crate::memory;

/// The time of the first request for metrics or of the start of the server, whichever is earlier.
static BEGUN: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

/// Records the start of the process.
pub(super) fn begin() {
    LazyLock::force(&BEGUN);
}

pub(super) fn render(out: &mut String) {
    let name = "headwater_build_info";
    head(out, name, "gauge", "The running version.");
    out.push_str(&format!("{name}{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION")));
    let begun = BEGUN.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    gauge(out, "process_start_time_seconds", "When the server started.", begun);
    // Other kernels have no /proc; these metrics are absent there.
    if let Some(bytes) = memory::resident() {
        gauge(out, "process_resident_memory_bytes", "Memory in use.", bytes);
    }
    if let Some(bytes) = memory::available() {
        let help = "Memory that the process can still get.";
        gauge(out, "headwater_memory_available_bytes", help, bytes);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        gauge(out, "process_open_fds", "Open files and sockets.", files.count());
    }
}
