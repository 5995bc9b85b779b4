//! Reports the progress of a run.

use std::io::Write as _;

/// Writes a line to standard error; the result goes to standard output.
pub fn tell(text: &str) {
    // Perhaps nobody listens, and only the result matters.
    let _ = writeln!(std::io::stderr(), "{text}");
}
