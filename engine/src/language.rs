//! The languages that the texts of a sheet may be in.

/// The language of a sheet's texts. It decides how words are stemmed, and which words carry no
/// meaning of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// No language is declared: English stems, and every word counts.
    #[default]
    Unsaid,
    /// `none`: words are used as written, and every word counts.
    None,
    /// `ar`
    Arabic,
    /// `da`
    Danish,
    /// `de`
    German,
    /// `el`
    Greek,
    /// `en`
    English,
    /// `es`
    Spanish,
    /// `fi`
    Finnish,
    /// `fr`
    French,
    /// `hu`
    Hungarian,
    /// `it`
    Italian,
    /// `nl`
    Dutch,
    /// `no`
    Norwegian,
    /// `pt`
    Portuguese,
    /// `ro`
    Romanian,
    /// `ru`
    Russian,
    /// `sv`
    Swedish,
    /// `ta`
    Tamil,
    /// `tr`
    Turkish,
}

/// The codes of ISO 639-1, and `none`.
const CODES: [(&str, Language); 19] = [
    ("ar", Language::Arabic),
    ("da", Language::Danish),
    ("de", Language::German),
    ("el", Language::Greek),
    ("en", Language::English),
    ("es", Language::Spanish),
    ("fi", Language::Finnish),
    ("fr", Language::French),
    ("hu", Language::Hungarian),
    ("it", Language::Italian),
    ("nl", Language::Dutch),
    ("no", Language::Norwegian),
    ("pt", Language::Portuguese),
    ("ro", Language::Romanian),
    ("ru", Language::Russian),
    ("sv", Language::Swedish),
    ("ta", Language::Tamil),
    ("tr", Language::Turkish),
    ("none", Language::None),
];

impl Language {
    /// Returns the language with this code, an ISO 639-1 code in lower case or `none`.
    pub fn of_code(code: &str) -> Option<Self> {
        CODES.iter().find(|(known, _)| *known == code).map(|(_, language)| *language)
    }

    /// Returns the code, or `None` if no language is declared.
    pub fn code(self) -> Option<&'static str> {
        CODES.iter().find(|(_, language)| *language == self).map(|(code, _)| *code)
    }

    /// Returns all codes.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        CODES.iter().map(|(code, _)| *code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_one_language() {
        for code in Language::codes() {
            assert_eq!(Language::of_code(code).and_then(Language::code), Some(code));
        }
        assert_eq!(Language::of_code("xx"), None);
        assert_eq!(Language::of_code("EN"), None);
        assert_eq!(Language::default().code(), None);
    }
}
