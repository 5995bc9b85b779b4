//! The sample records, as files that the build put into the program.

/// The embedded files with their paths.
pub(super) const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sample.rs"));

/// Returns the bytes of an embedded file; none where there is no such file.
pub(super) fn embedded(path: &str) -> &'static [u8] {
    FILES.iter().find(|(name, _)| *name == path).map(|(_, bytes)| *bytes).unwrap_or_default()
}
