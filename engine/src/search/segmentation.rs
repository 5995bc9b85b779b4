//! How a text is split into words, in reading order.
//!
//! A word is a run of letters, digits and their combining marks. Scripts written without spaces are
//! split into overlapping pairs of characters, so that the pairs of any substring find it. A word
//! with a sign (`C++`, `.NET`) is indexed as written and without the sign. A word split by a
//! hyphen, a dot or an apostrophe (`front-end`) is indexed whole and in parts. An emoji is a word.

use std::collections::VecDeque;
use std::ops::Range;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// The maximum number of parts of a word that is also indexed whole. Ids and dates have more.
const MAX_PARTS: usize = 3;

/// The tokenizer of texts: words in lower case, in NFKC.
#[derive(Clone, Default)]
pub(crate) struct Segmenter {
    token: Token,
}

impl Tokenizer for Segmenter {
    type TokenStream<'a> = Segments<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Segments<'a> {
        self.token.reset();
        Segments { text, at: 0, position: 0, ready: VecDeque::new(), token: &mut self.token }
    }
}

/// The words of one text.
pub(crate) struct Segments<'a> {
    text: &'a str,
    /// Where the unread text begins.
    at: usize,
    /// The position of the next word.
    position: usize,
    /// Words that were read but not yet returned.
    ready: VecDeque<Segment>,
    token: &'a mut Token,
}

/// A word of a text.
struct Segment {
    position: usize,
    range: Range<usize>,
    text: String,
}

impl TokenStream for Segments<'_> {
    fn advance(&mut self) -> bool {
        loop {
            if let Some(Segment { position, range, text }) = self.ready.pop_front() {
                let (offset_from, offset_to) = (range.start, range.end);
                *self.token = Token { offset_from, offset_to, position, text, position_length: 1 };
                return true;
            }
            if self.plain_word() {
                return true;
            }
            if self.at >= self.text.len() {
                return false;
            }
            self.read();
        }
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

impl Segments<'_> {
    /// Reads an ASCII word without signs, the most common kind. Returns whether there was one.
    fn plain_word(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(|byte| matches!(byte, b' ' | b',' | b'\n')) {
            self.at += 1;
        }
        let start = self.at;
        let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let end = start + length;
        let is_end = bytes.get(end).is_none_or(|byte| {
            matches!(byte, b' ' | b',' | b'\n' | b':' | b';' | b')' | b'"' | b'@' | b'?' | b'!')
                || *byte == b'.' && bytes.get(end + 1).is_none_or(u8::is_ascii_whitespace)
        });
        let is_dotted = start > 0 && bytes[start - 1] == b'.';
        if length == 0 || !is_end || is_dotted {
            return false;
        }
        let Token { offset_from, offset_to, position, text, position_length } = &mut *self.token;
        (*offset_from, *offset_to, *position, *position_length) = (start, end, self.position, 1);
        text.clear();
        text.push_str(&self.text[start..end]);
        text.make_ascii_lowercase();
        (self.at, self.position) = (end, self.position + 1);
        true
    }

    /// Reads the next word with everything attached to it, or skips a character.
    fn read(&mut self) {
        let start = self.at;
        let Some(first) = self.text[start..].chars().next() else { return };
        if is_emoji(first) {
            let end = start + emoji(&self.text[start..]);
            let text = self.text[start..end].chars().filter(|c| !is_variation(*c)).collect();
            self.push(start..end, text);
            self.at = end;
        } else if is_letter(first) {
            self.word(start);
        } else {
            self.at += first.len_utf8();
        }
    }

    /// Reads the parts of a word.
    fn word(&mut self, start: usize) {
        let first = self.ready.len();
        let (mut parts, mut at) = (Vec::new(), start);
        loop {
            let end = at + run(&self.text[at..]);
            parts.push(at..end);
            let mut behind = self.text[end..].chars();
            let goes_on =
                behind.next().is_some_and(is_joiner) && behind.next().is_some_and(is_letter);
            self.at = end;
            if !goes_on {
                break;
            }
            at = self.text.len() - behind_joiner(&self.text[end..]).len();
        }
        let mut texts: Vec<String> = Vec::new();
        for (nth, part) in parts.iter().enumerate() {
            let sign = if nth + 1 == parts.len() { sign(&self.text[part.end..]) } else { 0 };
            let dot = usize::from(nth == 0 && self.has_dot(part.start));
            if sign + dot > 0 {
                let signed = part.start - dot..part.end + sign;
                let text = normal(&self.text[signed.clone()]);
                self.ready.push_back(Segment { position: self.position, range: signed, text });
                self.at += sign;
            }
            texts.extend(self.part(part.clone()));
        }
        // A word split by signs is also found without them.
        let is_named = texts.iter().any(|text| text.chars().all(char::is_alphabetic));
        if (2..=MAX_PARTS).contains(&parts.len()) && texts.len() == parts.len() && is_named {
            let range = start..parts.last().map_or(start, |part| part.end);
            let position = self.ready.get(first).map_or(self.position, |word| word.position);
            self.ready.insert(first + 1, Segment { position, range, text: texts.concat() });
        }
    }

    /// Reads the text between two joiners. Returns it if it is one word.
    fn part(&mut self, part: Range<usize>) -> Option<String> {
        let text = &self.text[part.clone()];
        if !text.chars().any(is_unspaced) {
            let word = normal(text);
            self.push(part, word.clone());
            return Some(word);
        }
        let mut at = part.start;
        while at < part.end {
            let rest = &self.text[at..part.end];
            let is_paired = rest.starts_with(is_unspaced);
            let differs =
                |c: char| is_unspaced(c) != is_paired && !is_combining_mark(c) && !is_silent(c);
            let end = at + rest.find(differs).unwrap_or(rest.len());
            if is_paired {
                self.pairs(at..end);
            } else {
                self.push(at..end, normal(&self.text[at..end]));
            }
            at = end;
        }
        None
    }

    /// Reads a run of a script written without spaces. Each character begins a pair, and is also a
    /// word by itself.
    fn pairs(&mut self, run: Range<usize>) {
        let letters = letters(&self.text[run.clone()], run.start);
        for (at, (letter, range)) in letters.iter().enumerate() {
            let position = self.position;
            if let Some((next, behind)) = letters.get(at + 1) {
                let text = [*letter, *next].iter().collect();
                let range = range.start..behind.end.max(range.end);
                self.ready.push_back(Segment { position, range, text });
            }
            if letters.len() == 1 || !is_combining_mark(*letter) {
                let text = letter.to_string();
                self.ready.push_back(Segment { position, range: range.clone(), text });
            }
            self.position += 1;
        }
    }

    fn push(&mut self, range: Range<usize>, text: String) {
        self.ready.push_back(Segment { position: self.position, range, text });
        self.position += 1;
    }

    /// Returns whether a dot precedes the word and belongs to it.
    fn has_dot(&self, start: usize) -> bool {
        let before = self.text[..start].strip_suffix('.');
        before.is_some_and(|before| {
            !before.ends_with(|c: char| is_letter(c) || c == '.')
                && self.text[start..].starts_with(char::is_alphabetic)
        })
    }
}

/// Returns the characters of a run in NFKC, each with its range. Characters that compose are
/// normalized together.
fn letters(run: &str, start: usize) -> Vec<(char, Range<usize>)> {
    let mut letters = Vec::new();
    let mut characters = run.char_indices().peekable();
    while let Some((at, _)) = characters.next() {
        let composes =
            |(_, c): &(usize, char)| canonical_combining_class(*c) != 0 || is_composed(*c);
        while characters.next_if(composes).is_some() {}
        let end = characters.peek().map_or(run.len(), |(at, _)| *at);
        let here = run[at..end].nfkc().filter(|c| !is_silent(*c));
        letters.extend(here.map(|letter| (letter, start + at..start + end)));
    }
    letters
}

/// Returns a word in lower case, in NFKC.
pub(crate) fn normal(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let lower: String = word.nfkc().filter(|c| !is_silent(*c)).collect::<String>().to_lowercase();
    lower.nfkc().collect()
}

/// Returns the length in bytes of the run of letters at the beginning of a text.
fn run(text: &str) -> usize {
    text.find(|c| !is_letter(c) && !is_combining_mark(c) && !is_silent(c)).unwrap_or(text.len())
}

/// Returns the length in bytes of a sign at the beginning of a text that belongs to the preceding
/// word.
fn sign(text: &str) -> usize {
    let length =
        ["++", "#", "+"].iter().find(|sign| text.starts_with(**sign)).map_or(0, |sign| sign.len());
    if text[length..].starts_with(|c: char| is_letter(c) || "+#".contains(c)) { 0 } else { length }
}

fn behind_joiner(text: &str) -> &str {
    text.strip_prefix(is_joiner).unwrap_or(text)
}

/// Returns the length in bytes of an emoji, with all its components.
fn emoji(text: &str) -> usize {
    let mut characters = text.char_indices().peekable();
    let is_flag = |c: char| matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
    let mut before = characters.next().map_or('\0', |(_, first)| first);
    let is_second = |c: &(usize, char)| is_flag(c.1);
    if is_flag(before) {
        characters.next_if(is_second);
    } else {
        let goes_on = |before: char, c: char| {
            c == '\u{200d}'
                || is_variation(c)
                || matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
                || before == '\u{200d}' && is_emoji(c)
        };
        while let Some((_, c)) = characters.next_if(|(_, c)| goes_on(before, *c)) {
            before = c;
        }
    }
    characters.peek().map_or(text.len(), |(at, _)| *at)
}

/// Returns whether a character is part of a word.
fn is_letter(c: char) -> bool {
    c.is_alphanumeric()
}

/// Returns whether a character between two letters keeps them one word.
fn is_joiner(c: char) -> bool {
    matches!(c, '-' | '.' | '_' | '\'' | '\u{2019}' | '\u{2010}' | '\u{2011}')
}

/// Returns whether a character carries no meaning: zero-width joiners, the Arabic tatweel, soft
/// hyphens.
fn is_silent(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{ad}' | '\u{640}')
}

fn is_variation(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{20e3}')
}

fn is_emoji(c: char) -> bool {
    matches!(c, '\u{1f000}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}'
        | '\u{231a}'..='\u{23ff}')
}

/// Returns whether a character composes with the preceding one although it is not a mark: a vowel
/// or final of Hangul, or the voicing mark of halfwidth Kana.
fn is_composed(c: char) -> bool {
    matches!(c, '\u{1160}'..='\u{11ff}' | '\u{ff9e}' | '\u{ff9f}')
}

/// Returns whether a character belongs to a script written without spaces between words, or with
/// spaces only between larger units.
pub(crate) fn is_unspaced(c: char) -> bool {
    if c < '\u{e00}' {
        return false;
    }
    matches!(c,
        '\u{e00}'..='\u{eff}'           // Thai, Lao
        | '\u{1000}'..='\u{109f}'       // Myanmar
        | '\u{1100}'..='\u{11ff}'       // Hangul in letters
        | '\u{1780}'..='\u{17ff}'       // Khmer
        | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' // Kana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' // Han
        | '\u{aa60}'..='\u{aa7f}' | '\u{a9e0}'..='\u{a9ff}' // Myanmar, extended
        | '\u{ac00}'..='\u{d7ff}'       // Hangul
        | '\u{ff66}'..='\u{ff9f}'       // narrow Kana
        | '\u{20000}'..='\u{323af}') // Han, extended
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(text: &str) -> String {
        let mut segmenter = Segmenter::default();
        let mut stream = segmenter.token_stream(text);
        let mut words = Vec::new();
        while let Some(token) = stream.next() {
            let written = &text[token.offset_from..token.offset_to];
            let shown = if written.to_lowercase() == token.text {
                String::new()
            } else {
                format!("={written}")
            };
            words.push(format!("{}@{}{shown}", token.text, token.position));
        }
        words.join(" ")
    }

    #[test]
    fn a_text_falls_into_words() {
        for (text, expected) in [
            ("The River, and you", "the@0 river@1 and@2 you@3"),
            ("front-end", "front@0 frontend@0=front-end end@1"),
            (
                "Node.js foo_bar don't",
                "node@0 nodejs@0=Node.js js@1 foo@2 foobar@2=foo_bar bar@3 don@4 dont@4=don't t@5",
            ),
            ("state-of-the-art", "state@0 of@1 the@2 art@3"),
            ("2024-05-01 1.22.1", "2024@0 05@1 01@2 1@3 22@4 1@5"),
            ("end. Next", "end@0 next@1"),
            ("C++ C# f#, B+ tree", "c++@0 c@0 c#@1 c@1 f#@2 f@2 b+@3 b@3 tree@4"),
            ("a+b c#d +1 #tag", "a@0 b@1 c@2 d@3 1@4 tag@5"),
            (".NET ASP.NET (.env)", ".net@0 net@0 asp@1 aspnet@1=ASP.NET net@2 .env@3 env@3"),
            ("数据库", "数据@0 数@0 据库@1 据@1 库@2"),
            ("iPhone手机 4号", "iphone@0 手机@1 手@1 机@2 4@3 号@4"),
            ("ไทย", "ไท@0 ไ@0 ทย@1 ท@1 ย@2"),
            ("हिन्दी भाषा", "हिन्दी@0 भाषा@1"),
            ("한국어", "한국@0 한@0 국어@1 국@1 어@2"),
            ("I 🦦 it 👩‍💻 🇩🇪❤️", "i@0 🦦@1 it@2 👩‍💻@3 🇩🇪@4 ❤@5=❤️"),
            ("ﬁnal Ｆｕｌｌ", "final@0=ﬁnal full@1=Ｆｕｌｌ"),
            ("e\u{301}te\u{301}", "été@0=e\u{301}te\u{301}"),
            ("می\u{200c}خواهم", "میخواهم@0=می\u{200c}خواهم"),
            ("", ""),
            ("- . + #", ""),
        ] {
            assert_eq!(segments(text), expected, "{text}");
        }
    }
}
