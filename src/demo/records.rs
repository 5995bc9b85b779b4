//! The sample records, as files that the build embeds in the program.

/// The embedded files with their paths.
pub(super) const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sample.rs"));

/// Returns the bytes of an embedded file; empty if there is no such file.
pub(super) fn embedded(path: &str) -> &'static [u8] {
    FILES.iter().find(|(name, _)| *name == path).map(|(_, bytes)| *bytes).unwrap_or_default()
}
