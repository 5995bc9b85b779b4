//! Text without regard to case and accents, for `[prefix]` and `[contains]`.

use unicode_normalization::UnicodeNormalization as _;

/// Returns `text` in compatibility form (NFKD), without accents and in lower case: `Straße` and
/// `STRASSE` become equal, and so do `é` and `E`.
///
/// Only marks that Unicode calls diacritical are removed. Marks that are letters of their script,
/// as in Devanagari or Thai, stay.
pub(crate) fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let plain = text.nfkd().filter(|&c| !is_accent(c));
    // Via upper case, since `ß` and the final sigma have no other common form.
    plain.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Returns whether `c` is in a block of combining diacritical marks.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn case_and_accents_make_no_difference_and_letters_do() {
        for (one, other) in [
            ("Straße", "STRASSE"),
            ("É", "e\u{301}"),
            ("ΣΊΣΥΦΟΣ", "Σίσυφος"),
            ("ﬁn", "FIN"),
            ("Ａ１", "a1"),
            ("Łódź", "łÓDŹ"),
            ("İ", "i"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} and {other}");
        }
        for (one, other) in [("a", "b"), ("क", "कि"), ("ก", "ก่"), ("o", "ø"), ("1", "2")]
        {
            assert_ne!(folded(one), folded(other), "{one} and {other}");
        }
    }
}
