//! Keys that look the same to people but differ in their bytes.

use unicode_normalization::UnicodeNormalization;

/// The most parts of a key for which both spellings are tried.
const PARTS: usize = 4;

/// Returns the other Unicode spellings of a key: each part composed, as people type it, or
/// decomposed, as some file systems store it. At most sixteen.
pub(crate) fn others(key: &str) -> Vec<String> {
    if key.is_ascii() {
        return Vec::new();
    }
    let mut spelled = vec![String::new()];
    let mut parts = 0;
    for part in key.split('/') {
        let (composed, decomposed): (String, String) = (part.nfc().collect(), part.nfd().collect());
        let mut spellings = vec![composed];
        if decomposed != spellings[0] && parts < PARTS {
            parts += 1;
            spellings.push(decomposed);
        }
        let longer = |before: &String| {
            let separator = if spelled[0].is_empty() { "" } else { "/" };
            spellings.iter().map(|part| format!("{before}{separator}{part}")).collect::<Vec<_>>()
        };
        spelled = spelled.iter().flat_map(longer).collect();
    }
    spelled.retain(|spelling| spelling != key);
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_key_has_two_spellings_where_it_has_marks() {
        let (composed, decomposed) = ("\u{e9}", "e\u{301}");
        assert_eq!(others("plain/key"), [""; 0]);
        assert_eq!(others(composed), [decomposed]);
        assert_eq!(others(decomposed), [composed]);
        let both = others(&format!("{composed}/x/{composed}"));
        let (c, d) = (composed, decomposed);
        assert_eq!(both, [format!("{c}/x/{d}"), format!("{d}/x/{c}"), format!("{d}/x/{d}")]);
        assert!(others(&[composed; 9].join("/")).len() <= 16);
    }
}
