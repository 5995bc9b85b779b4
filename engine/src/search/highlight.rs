//! Shows where a query matches in a text.

use std::ops::Range;

use tantivy::tokenizer::TextAnalyzer;

use crate::language::Language;
use crate::search::analyzer;
use crate::search::reading::{Clause, Reading, Readings, Word};

/// The length of an excerpt in characters, unless the match itself is longer.
const EXCERPT_CHARS: usize = 160;
/// Only this much of a text is read.
const READ_BYTES: usize = 16 * 1024;

/// A word of the text that also occurs in the query.
struct Candidate {
    position: u32,
    range: Range<usize>,
    stem: Box<str>,
}

/// Shows where the texts of one language match a query.
pub struct Highlighter<'a> {
    reading: Option<&'a Reading>,
    begins_alike: bool,
    /// Tokenizes a text, without stemming where stems begin like their words.
    words: TextAnalyzer,
    /// Stems a word.
    stemming: TextAnalyzer,
}

impl<'a> Highlighter<'a> {
    /// Returns a highlighter for texts in `language`, for a query as a search read it.
    pub fn new(readings: &'a Readings, language: Language) -> Self {
        let begins_alike = analyzer::begins_alike(language);
        Self {
            reading: readings.of(language),
            begins_alike,
            words: if begins_alike { analyzer::folding() } else { analyzer::stemming(language) },
            stemming: analyzer::word_stemming(language),
        }
    }

    /// Returns the best matching part of `text`, or `None` if nothing matches.
    ///
    /// The result is HTML: matching words and phrases are wrapped in `<mark>`, everything else is
    /// escaped, and `…` marks where text was cut off. Matches after the first 16 KiB are not seen.
    /// Linear in the bytes read.
    pub fn excerpt(&mut self, text: &str) -> Option<String> {
        self.excerpt_of("", text)
    }

    /// Does the same for a text of the given field, where words restricted to that field also
    /// match.
    pub fn excerpt_of(&mut self, field: &str, text: &str) -> Option<String> {
        let text = &text[..text.floor_char_boundary(READ_BYTES)];
        let spans = self.spans(field, text);
        let core = best(&spans)?;
        let shown = widen(text, core);
        let mut html = String::with_capacity(shown.len() + 64);
        if shown.start > 0 {
            html.push('…');
        }
        let mut at = shown.start;
        for range in marked(&spans, &shown) {
            escape(&text[at..range.start], &mut html);
            html.push_str("<mark>");
            escape(&text[range.clone()], &mut html);
            html.push_str("</mark>");
            at = range.end;
        }
        escape(&text[at..shown.end], &mut html);
        if shown.end < text.len() {
            html.push('…');
        }
        Some(html)
    }

    /// Returns the matching words, each with its clause, in text order.
    fn spans(&mut self, field: &str, text: &str) -> Vec<(Range<usize>, usize)> {
        let Some(reading) = self.reading else { return Vec::new() };
        let is_of = |clause: &Clause| clause.field.as_deref().is_none_or(|own| own == field);
        let clauses: Vec<&Clause> =
            reading.clauses.iter().filter(|clause| clause.is_shown() && is_of(clause)).collect();
        let candidates = self.candidates(&clauses, text);
        // A text may have several words at one position.
        let at = |position: u32, word: &Word| {
            let first = candidates.partition_point(|candidate| candidate.position < position);
            let mut here =
                candidates[first..].iter().take_while(|candidate| candidate.position == position);
            here.find(|candidate| word.matches(&candidate.stem))
        };
        let mut spans = Vec::new();
        let places = candidates.chunk_by(|a, b| a.position == b.position);
        for start in places.map(|place| place[0].position) {
            for (index, clause) in clauses.iter().enumerate() {
                // The exact word is preferred to one that stands for it at the same position.
                let words = clause.variants.iter().find_map(|variant| {
                    let elements = variant.elements.iter();
                    let words = elements.map(|element| at(start + element.offset, &element.word));
                    words.collect::<Option<Vec<&Candidate>>>()
                });
                spans.extend(words.into_iter().flatten().map(|word| (word.range.clone(), index)));
            }
        }
        spans.sort_by_key(|(range, clause)| (range.start, *clause));
        spans.dedup();
        spans
    }

    /// Returns the words of the text that a clause contains, in order.
    fn candidates(&mut self, clauses: &[&Clause], text: &str) -> Vec<Candidate> {
        let variants = clauses.iter().flat_map(|clause| &clause.variants);
        let named: Vec<&Word> =
            variants.flat_map(|variant| &variant.elements).map(|element| &element.word).collect();
        let mut stream = self.words.token_stream(text);
        let mut candidates = Vec::new();
        while let Some(token) = stream.next() {
            let stem = if !self.begins_alike {
                token.text.as_str().into()
            } else if named.iter().any(|word| word.may_match(&token.text)) {
                analyzer::analyzed(&mut self.stemming, &token.text)
            } else {
                continue;
            };
            if named.iter().any(|word| word.matches(&stem)) {
                let (position, range) = (token.position as u32, token.offset_from..token.offset_to);
                candidates.push(Candidate { position, range, stem });
            }
        }
        candidates
    }
}

/// Returns the ranges to mark within the excerpt, in order. A word in several clauses is marked
/// once, and overlapping matches are marked as one.
fn marked(spans: &[(Range<usize>, usize)], shown: &Range<usize>) -> Vec<Range<usize>> {
    let mut marked: Vec<Range<usize>> = Vec::new();
    let is_shown = |range: &&Range<usize>| range.start >= shown.start && range.end <= shown.end;
    for range in spans.iter().map(|(range, _)| range).filter(is_shown) {
        match marked.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => marked.push(range.clone()),
        }
    }
    marked
}

/// Returns the stretch of at most [`EXCERPT_CHARS`] bytes with the most clauses, then the most
/// words, then the earliest start.
fn best(spans: &[(Range<usize>, usize)]) -> Option<Range<usize>> {
    let mut best: Option<((usize, usize), Range<usize>)> = None;
    for (at, (first, _)) in spans.iter().enumerate() {
        let fits = |(range, _): &&(Range<usize>, usize)| range.end <= first.start + EXCERPT_CHARS;
        let inside: Vec<_> = spans[at..].iter().take_while(fits).collect();
        let mut clauses: Vec<usize> = inside.iter().map(|(_, clause)| *clause).collect();
        clauses.sort_unstable();
        clauses.dedup();
        let worth = (clauses.len(), inside.len());
        let end = inside.last().map_or(first.end, |(range, _)| range.end);
        if best.as_ref().is_none_or(|(other, _)| worth > *other) {
            best = Some((worth, first.start..end));
        }
    }
    best.map(|(_, range)| range)
}

/// Returns `core` with as much context as fits into an excerpt, cut between words.
fn widen(text: &str, core: Range<usize>) -> Range<usize> {
    let room = EXCERPT_CHARS.saturating_sub(text[core.clone()].chars().count());
    let (before, after) = (&text[..core.start], &text[core.end..]);
    let after_chars = after.chars().take(room).count();
    // Room that one side cannot use goes to the other.
    let left = room - after_chars.min(room / 2);
    let start = before.char_indices().rev().take(left).last().map_or(core.start, |(at, _)| at);
    let right = room - before[start..].chars().count();
    let end = core.end + after.char_indices().nth(right).map_or(after.len(), |(at, _)| at);
    let is_space = char::is_whitespace;
    let start = match text[start..core.start].find(is_space) {
        Some(space) if start > 0 => {
            let space = start + space;
            space + text[space..].chars().next().map_or(0, char::len_utf8)
        }
        _ => start,
    };
    let end = match text[core.end..end].rfind(is_space) {
        Some(space) if end < text.len() => core.end + space,
        _ => end,
    };
    start..end
}

fn escape(text: &str, html: &mut String) {
    for symbol in text.chars() {
        match symbol {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(symbol),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::query::Query;
    use proptest::prelude::*;

    fn excerpt(language: Language, query: &str, text: &str) -> Option<String> {
        let reading = Reading::of(&Query::parse(query).unwrap(), language);
        Highlighter::new(&Readings::new(vec![reading], Vec::new()), language).excerpt(text)
    }

    fn shown(query: &str, text: &str) -> String {
        excerpt(Language::Unsaid, query, text).unwrap_or_else(|| "nothing".to_owned())
    }

    #[test]
    fn matching_words_are_marked_and_the_rest_is_escaped() {
        for (query, text, expected) in [
            ("rust", "I like Rust.", "I like <mark>Rust</mark>."),
            ("run", "Running, <b>ran</b>", "<mark>Running</mark>, &lt;b&gt;ran&lt;/b&gt;"),
            ("a&b", "a&b \"c\" 'd'", "<mark>a</mark>&amp;<mark>b</mark> &quot;c&quot; &#39;d&#39;"),
            ("commu*", "Our communities", "Our <mark>communities</mark>"),
            ("community*", "Our communities", "Our <mark>communities</mark>"),
            ("creme", "Crème brûlée", "<mark>Crème</mark> brûlée"),
            ("\"b c\"", "c b a b c", "c b a <mark>b</mark> <mark>c</mark>"),
            ("a -b", "b a", "b <mark>a</mark>"),
            ("a \"a b\"", "a b", "<mark>a</mark> <mark>b</mark>"),
            ("a", "b", "nothing"),
            ("\"a b\"", "b a", "nothing"),
            ("数据库", "我的数据库很大", "我的<mark>数据库</mark>很大"),
            ("据", "数据库", "数<mark>据</mark>库"),
            ("frontend", "A front-end", "A <mark>front-end</mark>"),
            ("C++", "C and C++", "C and <mark>C++</mark>"),
            ("🦦", "otter 🦦 love", "otter <mark>🦦</mark> love"),
        ] {
            assert_eq!(shown(query, text), expected, "{query} in {text}");
        }
    }

    #[test]
    fn each_language_marks_its_own_stems() {
        for (language, query, text, expected) in [
            ("de", "haus", "Die <Häuser>", "Die &lt;<mark>Häuser</mark>&gt;"),
            ("de", "\"die häuser\"", "Die Häuser", "<mark>Die</mark> <mark>Häuser</mark>"),
            ("de", "die häus*", "Die Häuser", "Die <mark>Häuser</mark>"),
            ("fr", "ecole", "Les écoles", "Les <mark>écoles</mark>"),
            ("en", "the rivers", "The river", "The <mark>river</mark>"),
            ("none", "rivers", "A river, rivers", "A river, <mark>rivers</mark>"),
        ] {
            let language = Language::of_code(language).unwrap();
            let marked = excerpt(language, query, text);
            assert_eq!(marked.as_deref(), Some(expected), "{query} in {text}");
        }
    }

    #[test]
    fn words_that_are_spelled_alike_are_marked() {
        let mut reading = Reading::of(&Query::parse("rivr stone").unwrap(), Language::Unsaid);
        let fuzzy = Word::Fuzzy(vec!["river".into(), "rover".into()]);
        reading.clauses[0].variants[0].elements[0].word = fuzzy;
        let readings = Readings::new(vec![reading], Vec::new());
        let mut highlighter = Highlighter::new(&readings, Language::Unsaid);
        let marked = highlighter.excerpt("Rivers of stone, rivr").unwrap();
        assert_eq!(marked, "<mark>Rivers</mark> of <mark>stone</mark>, rivr");
        assert_eq!(Highlighter::new(&readings, Language::German).excerpt("rivers"), None);
    }

    #[test]
    fn a_long_text_is_cut_between_words_around_the_best_place() {
        let filler = "lorem ipsum ".repeat(50);
        let text = format!("{filler}ant {filler}ant bee {filler}");
        let html = shown("ant bee", &text);
        assert!(html.starts_with('…') && html.ends_with('…'), "{html}");
        assert!(html.contains("ipsum <mark>ant</mark> <mark>bee</mark> lorem"), "{html}");
        let plain = html.replace("<mark>", "").replace("</mark>", "");
        assert!((120..=162).contains(&plain.chars().count()), "{html}");
        assert!(
            plain
                .trim_matches('…')
                .split(' ')
                .all(|word| { ["lorem", "ipsum", "ant", "bee"].contains(&word) })
        );
    }

    proptest! {
        /// For any text, the excerpt is a part of it: no character is cut, and everything is
        /// escaped.
        #[test]
        fn an_excerpt_is_a_part_of_the_text(
            words in prop::collection::vec("ant|bee|é{1,40}|𝒳+|[<>&\"'\u{3000} ]+|\\PC{0,20}", 0..60),
        ) {
            let text = words.join(" ");
            if let Some(html) = excerpt(Language::Unsaid, "ant \"bee ant\" b*", &text) {
                let plain = html.replace("<mark>", "").replace("</mark>", "");
                prop_assert!(!plain.contains(['<', '>', '"', '\'']));
                let unescaped = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
                    .iter()
                    .fold(plain, |text, (from, to)| text.replace(from, to));
                let cut = unescaped.strip_prefix('…').unwrap_or(&unescaped);
                let cut = cut.strip_suffix('…').unwrap_or(cut);
                prop_assert!(text.contains(cut), "{} in {}", cut, text);
            }
        }
    }
}
