//! What a run is doing, for the person who waits for it.

use std::io::Write as _;

/// Writes a line beside the result, which goes to standard output.
pub fn tell(text: &str) {
    // Nobody may be listening, and the result counts.
    let _ = writeln!(std::io::stderr(), "{text}");
}
