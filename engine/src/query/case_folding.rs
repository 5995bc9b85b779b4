//! Text without regard to case and accents, for `[prefix]` and `[contains]`.

use unicode_normalization::UnicodeNormalization as _;

/// Returns `text` in compatibility form (NFKD), without accents and in lower case: `Straße` and
/// `STRASSE` become equal, and so do `é` and `E`.
///
/// Only marks that Unicode calls diacritical are removed. Marks that are letters of their script,
/// as in Devanagari or Thai, stay.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, others) =
            rest.split_at(rest.find(|c: char| !is_plain(c)).unwrap_or(rest.len()));
        let begin = folded.len();
        folded.push_str(plain);
        if let Some(plain) = folded.get_mut(begin..) {
            plain.make_ascii_lowercase();
        }
        let (others, more) = others.split_at(others.find(is_plain).unwrap_or(others.len()));
        let letters = others.nfkd().filter(|&c| !is_accent(c));
        // Via upper case, since `ß` and the final sigma have no other common form.
        folded.extend(letters.flat_map(char::to_uppercase).flat_map(char::to_lowercase));
        rest = more;
    }
    folded
}

/// Returns whether only the case of ASCII letters matters in `c`, wherever it is in a text: it neither
/// decomposes nor combines. Most text in most scripts is of these, and they are many times as fast.
fn is_plain(c: char) -> bool {
    matches!(c, '\0'..='\x7f' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
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
    use proptest::prelude::*;

    use super::*;

    /// The definition.
    fn slowly_folded(text: &str) -> String {
        let plain = text.nfkd().filter(|&c| !is_accent(c));
        plain.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
    }

    proptest! {
        #[test]
        fn plain_text_between_other_text_folds_as_all_of_it_does(
            text in "([aZ9 ]|[éßΣς]|[\u{300}-\u{36f}]|[\u{323}\u{5b0}\u{93c}]|[ﬁＡ漢字がカ゛]|\\PC){0,20}"
        ) {
            prop_assert_eq!(folded(&text), slowly_folded(&text));
        }
    }

    #[test]
    fn what_is_plain_folds_to_its_lower_case_at_most() {
        for c in ('\0'..=char::MAX).filter(|c| is_plain(*c)) {
            assert_eq!(slowly_folded(&c.to_string()), c.to_ascii_lowercase().to_string());
        }
    }

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
