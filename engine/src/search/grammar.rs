//! The parser of queries.

use crate::search::analyzer;
use crate::search::minimum_match::Matching;
use crate::search::node::Node;
use crate::search::query::{
    Clause, Ending, MAX_CLAUSES, MAX_DEPTH, MAX_OPEN_WORDS, MAX_PHRASES, MAX_QUERY_BYTES,
    MIN_TYPO_LETTERS, Query, QueryError, Word,
};

impl Query {
    /// Parses `text`. Linear in its length. All words must occur, and the last word also matches
    /// words that begin with it.
    ///
    /// # Errors
    ///
    /// See [`QueryError`]; [`QueryError::TooOpen`] is detected only by searching.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > MAX_QUERY_BYTES {
            return Err(QueryError::TooLong);
        }
        let mut parser =
            Parser { rest: text, clauses: Vec::new(), last: None, depth: 0, excluded: false };
        let root = parser.alternatives()?.ok_or(QueryError::Empty)?;
        let Parser { clauses, last, .. } = parser;
        Ok(Self { clauses, root, last, matching: Matching::All, goes_on: true })
    }
}

struct Parser<'t> {
    rest: &'t str,
    clauses: Vec<Clause>,
    last: Option<usize>,
    /// The number of groups open at this point.
    depth: usize,
    /// Whether the parser is inside an exclusion.
    excluded: bool,
}

impl Parser<'_> {
    /// `a OR b`
    fn alternatives(&mut self) -> Result<Option<Node>, QueryError> {
        let mut sides = Vec::new();
        loop {
            let side = self.beside()?;
            let goes_on = self.takes("OR");
            match side {
                Some(side) => sides.push(side),
                None if goes_on || !sides.is_empty() => return Err(QueryError::Dangling("OR")),
                None => return Ok(None),
            }
            if !goes_on {
                return Ok(Some(one_or(sides, Node::Any)));
            }
        }
    }

    /// `a b`
    fn beside(&mut self) -> Result<Option<Node>, QueryError> {
        let mut nodes: Vec<Node> = Vec::new();
        while !self.is_at_end() && !self.is_at("OR") {
            if let Some(node) = self.both()?
                && !nodes.contains(&node)
            {
                nodes.push(node);
            }
        }
        Ok((!nodes.is_empty()).then(|| one_or(nodes, Node::Beside)))
    }

    /// `a AND b`
    fn both(&mut self) -> Result<Option<Node>, QueryError> {
        let first = if self.is_at("AND") { None } else { self.unary()? };
        let mut nodes: Vec<Node> = first.into_iter().collect();
        while self.takes("AND") {
            let dangles = nodes.is_empty() || self.is_at_end() || self.is_at("OR");
            match self.unary()? {
                Some(node) if !dangles => nodes.push(node),
                _ => return Err(QueryError::Dangling("AND")),
            }
        }
        Ok((!nodes.is_empty()).then(|| one_or(nodes, Node::All)))
    }

    /// `-a`, `NOT a`, `(a)`, and clauses.
    fn unary(&mut self) -> Result<Option<Node>, QueryError> {
        if self.takes("NOT") {
            if self.is_at_end() || self.is_at("OR") || self.is_at("AND") {
                return Err(QueryError::Dangling("NOT"));
            }
            return self.not(Self::unary);
        }
        self.skip_spaces();
        if let Some(behind) = self.rest.strip_prefix('-') {
            self.rest = behind;
            // A sign on its own is punctuation.
            if behind.is_empty() || behind.starts_with(char::is_whitespace) {
                return Ok(None);
            }
            return self.not(Self::part);
        }
        self.part()
    }

    /// Parses an excluded part.
    fn not(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Option<Node>, QueryError>,
    ) -> Result<Option<Node>, QueryError> {
        self.descend()?;
        self.excluded = !self.excluded;
        let node = read(self);
        self.excluded = !self.excluded;
        self.depth -= 1;
        Ok(node?.map(|node| Node::Not(Box::new(node))))
    }

    /// A group or a clause.
    fn part(&mut self) -> Result<Option<Node>, QueryError> {
        let Some(inside) = self.rest.strip_prefix('(') else { return self.clause() };
        self.rest = inside;
        self.descend()?;
        let node = self.alternatives();
        self.depth -= 1;
        // A group that is never closed ends with the text.
        self.skip_spaces();
        self.rest = self.rest.strip_prefix(')').unwrap_or(self.rest);
        node
    }

    fn descend(&mut self) -> Result<(), QueryError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(QueryError::TooDeep) } else { Ok(()) }
    }

    fn clause(&mut self) -> Result<Option<Node>, QueryError> {
        let field = field(self.rest);
        if let Some(field) = field {
            self.rest = &self.rest[field.len() + 1..];
        }
        let quoted = self.rest.strip_prefix('"');
        let words = match quoted {
            Some(quoted) => {
                let (inside, behind) = quoted.split_once('"').unwrap_or((quoted, ""));
                self.rest = behind;
                words(inside)?
            }
            None => {
                let (written, behind) = self.rest.split_at(end_of_word(self.rest, self.depth > 0));
                self.rest = behind;
                word(written)?
            }
        };
        let (excluded, quoted) = (self.excluded, quoted.is_some());
        let clause = Clause { excluded, quoted, field: field.map(Box::from), words };
        if clause.words.is_empty() {
            return Ok(None);
        }
        let known = self.clauses.iter().position(|other| *other == clause);
        let at = known.unwrap_or(self.clauses.len());
        self.last = Some(at);
        if known.is_some() {
            return Ok(Some(Node::Clause(at)));
        }
        self.clauses.push(clause);
        let count = |is_one: fn(&Clause) -> bool| {
            self.clauses.iter().filter(|clause| is_one(clause)).count()
        };
        if self.clauses.len() > MAX_CLAUSES {
            return Err(QueryError::TooManyClauses);
        }
        if count(Clause::is_phrase) > MAX_PHRASES {
            return Err(QueryError::TooManyPhrases);
        }
        if count(Clause::is_open) > MAX_OPEN_WORDS {
            return Err(QueryError::TooManyOpenWords);
        }
        Ok(Some(Node::Clause(at)))
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Returns whether the group or the text ends here.
    fn is_at_end(&mut self) -> bool {
        self.skip_spaces();
        self.rest.is_empty() || self.depth > 0 && self.rest.starts_with(')')
    }

    /// Returns whether an operator occurs here as a separate word.
    fn is_at(&mut self, operator: &str) -> bool {
        self.skip_spaces();
        let behind = self.rest.strip_prefix(operator);
        behind.is_some_and(|behind| {
            behind.is_empty() || behind.starts_with(|c: char| c.is_whitespace() || "()".contains(c))
        })
    }

    /// Skips an operator, if there is one here, and returns whether there was.
    fn takes(&mut self, operator: &str) -> bool {
        let is_here = self.is_at(operator);
        if is_here {
            self.rest = &self.rest[operator.len()..];
        }
        is_here
    }
}

/// Returns the field name that a text begins with: a name, followed by a colon and a word or
/// phrase. Addresses (`https://…`) and times (`10:30`) have none.
fn field(text: &str) -> Option<&str> {
    let (name, behind) = text.split_once(':')?;
    let mut symbols = name.chars();
    let is_name = symbols.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && symbols.all(|symbol| symbol.is_alphanumeric() || "_-.".contains(symbol));
    let says =
        behind.starts_with(|symbol: char| symbol.is_alphanumeric() || "\"_.".contains(symbol));
    (is_name && says).then_some(name)
}

/// Returns the only node, or combines all nodes into one.
fn one_or(mut nodes: Vec<Node>, all: fn(Vec<Node>) -> Node) -> Node {
    if nodes.len() == 1 { nodes.remove(0) } else { all(nodes) }
}

/// Returns where a word ends: at white space and, in a group, at a closing bracket without an
/// opening one in the word.
fn end_of_word(text: &str, in_group: bool) -> usize {
    let mut open = 0_usize;
    let ends = |(_, symbol): &(usize, char)| match symbol {
        '(' => {
            open += 1;
            false
        }
        ')' if open > 0 => {
            open -= 1;
            false
        }
        ')' => in_group,
        symbol => symbol.is_whitespace(),
    };
    text.char_indices().find(ends).map_or(text.len(), |(at, _)| at)
}

fn word(written: &str) -> Result<Vec<Word>, QueryError> {
    let (stem, ending) = ending(written);
    let mut words = words(stem)?;
    if stem.ends_with(char::is_alphanumeric)
        && let Some(last) = words.last_mut()
    {
        last.ending = ending;
        if let Ending::Typo(edits) = ending
            && last.text.chars().count() < MIN_TYPO_LETTERS[usize::from(edits) - 1]
        {
            return Err(QueryError::TypoTooShort);
        }
    }
    Ok(words)
}

/// Splits off the ending of a word.
fn ending(word: &str) -> (&str, Ending) {
    for (end, edits) in [("~2", 2), ("~1", 1), ("~", 1)] {
        if let Some(word) = word.strip_suffix(end) {
            return (word, Ending::Typo(edits));
        }
    }
    let without = word.trim_end_matches('*');
    (without, if without.len() < word.len() { Ending::Prefix } else { Ending::Whole })
}

fn words(text: &str) -> Result<Vec<Word>, QueryError> {
    if analyzer::has_overlong_word(text) {
        return Err(QueryError::WordTooLong);
    }
    let words = analyzer::written(text);
    let first = words.first().map_or(0, |word| word.position);
    let word = |analyzer::Written { position, text }| {
        let (offset, ending) = (position - first, Ending::Whole);
        Word { offset, text, ending }
    };
    Ok(words.into_iter().map(word).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formats a query in a normal form: `+`/`-`, phrases in brackets, `=` before quoted words.
    fn normal(text: &str) -> Result<String, QueryError> {
        let clause = |clause: &Clause| {
            let words = clause.words.iter().map(|word| {
                let ending = match word.ending {
                    Ending::Whole => String::new(),
                    Ending::Prefix => "*".to_owned(),
                    Ending::Typo(edits) => format!("~{edits}"),
                };
                format!("{}{ending}@{}", word.text, word.offset)
            });
            let words: Vec<_> = words.collect();
            let quoted = if clause.quoted { "=" } else { "" };
            let field = clause.field.as_ref().map(|field| format!("{field}:")).unwrap_or_default();
            let quoted = field + quoted;
            format!("{}{quoted}[{}]", if clause.excluded { "-" } else { "+" }, words.join(" "))
        };
        Ok(Query::parse(text)?.clauses.iter().map(clause).collect::<Vec<_>>().join(" "))
    }

    /// Formats the tree of a query, with the words of its clauses.
    fn tree(text: &str) -> Result<String, QueryError> {
        fn written(query: &Query, node: &Node) -> String {
            let all = |nodes: &[Node], between: &str| {
                let nodes: Vec<_> = nodes.iter().map(|node| written(query, node)).collect();
                format!("({})", nodes.join(between))
            };
            match node {
                Node::Clause(at) => {
                    let words = query.clauses[*at].words.iter().map(|word| &*word.text);
                    words.collect::<Vec<_>>().join("_")
                }
                Node::Beside(nodes) => all(nodes, " "),
                Node::All(nodes) => all(nodes, "&"),
                Node::Any(nodes) => all(nodes, "|"),
                Node::Not(node) => format!("!{}", written(query, node)),
            }
        }
        let query = Query::parse(text)?;
        Ok(written(&query, &query.root))
    }

    #[test]
    fn operators_and_groups_make_a_tree() {
        for (text, expected) in [
            ("a", "a"),
            ("a b", "(a b)"),
            ("a OR b", "(a|b)"),
            ("a b OR c -d", "((a b)|(c !d))"),
            ("a AND b c", "((a&b) c)"),
            ("(a OR b) c", "((a|b) c)"),
            ("a NOT (b c)", "(a !(b c))"),
            ("-(a OR b)", "!(a|b)"),
            ("NOT a", "!a"),
            ("NOT -a", "!!a"),
            ("a AND NOT b", "(a&!b)"),
            ("(a", "a"),
            ("a)", "a"),
            ("(a f(x) b)", "(a f_x b)"),
            ("a or not b and c", "(a or not b and c)"),
            ("ORGAN NOTE", "(ORGAN NOTE)"),
            ("\"a OR b\"", "a_OR_b"),
            ("() a (!)", "a"),
            ("a(b OR c", "(a_b|c)"),
        ] {
            assert_eq!(tree(text).as_deref(), Ok(expected), "{text}");
        }
        for (text, operator) in [
            ("OR", "OR"),
            ("a OR", "OR"),
            ("OR a", "OR"),
            ("(a OR) b", "OR"),
            ("a AND", "AND"),
            ("AND a", "AND"),
            ("a AND OR b", "AND"),
            ("a NOT", "NOT"),
            ("a NOT OR b", "NOT"),
        ] {
            assert_eq!(tree(text), Err(QueryError::Dangling(operator)), "{text}");
        }
        let deep = |depth: usize| format!("{}a", "(".repeat(depth));
        assert!(tree(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(tree(&deep(MAX_DEPTH + 1)), Err(QueryError::TooDeep));
        assert_eq!(tree(&format!("{}a", "NOT ".repeat(100))), Err(QueryError::TooDeep));
    }

    #[test]
    fn words_phrases_exclusions_prefixes_and_typos_are_read() {
        for (text, expected) in [
            ("Rust", "+[Rust@0]"),
            ("  rust   engines ", "+[rust@0] +[engines@0]"),
            ("rust rust", "+[rust@0]"),
            ("rust -java", "+[rust@0] -[java@0]"),
            ("\"state engine\"", "+=[state@0 engine@1]"),
            ("a -\"b c\"", "+[a@0] -=[b@0 c@1]"),
            ("\"never closed", "+=[never@0 closed@1]"),
            ("\"a\"b", "+=[a@0] +[b@0]"),
            ("rust-lang", "+[rust@0 lang@1]"),
            ("communit*", "+[communit*@0]"),
            ("rust-la*", "+[rust@0 la*@1]"),
            ("ru*st", "+[ru@0 st@1]"),
            ("rust**", "+[rust*@0]"),
            ("a *", "+[a@0]"),
            ("c++*", "+[c++@0]"),
            ("goverment~", "+[goverment~1@0]"),
            ("goverment~1 -goverment~2", "+[goverment~1@0] -[goverment~2@0]"),
            ("rust-lagn~", "+[rust@0 lagn~1@1]"),
            ("a ~ c+~ d~3", "+[a@0] +[c+@0] +[d@0 3@1]"),
            ("rust*~ rust~~ rust~*", "+[rust@0]"),
            ("\"state~ engine~\"", "+=[state@0 engine@1]"),
            ("a - b", "+[a@0] +[b@0]"),
            ("a --b", "+[a@0] -[b@0]"),
            ("(a OR b) AND NOT c", "+[a@0] +[b@0] -[c@0]"),
            ("title:c -a.b:\"d e\"", "+title:[c@0] -a.b:=[d@0 e@1]"),
            ("_key:x name: https://a.b", "+_key:[x@0] +[name@0] +[https@0 a@1 b@2]"),
            ("10:30 a::b", "+[10@0 30@1] +[a@0 b@1]"),
            ("Ångström", "+[Ångström@0]"),
            ("a\u{a0}b", "+[a@0] +[b@0]"),
        ] {
            assert_eq!(normal(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_told() {
        let words = |count: usize| (0..count).map(|n| format!("{n} ")).collect::<String>();
        let phrases = |count: usize| (0..count).map(|n| format!("-\"{n} a\" ")).collect::<String>();
        for (text, expected) in [
            (String::new(), QueryError::Empty),
            ("!!! * ~ \"\" -".to_owned(), QueryError::Empty),
            ("a".repeat(513), QueryError::TooLong),
            ("(".repeat(513), QueryError::TooLong),
            ("()".to_owned(), QueryError::Empty),
            ("a".repeat(64), QueryError::WordTooLong),
            (words(65), QueryError::TooManyClauses),
            ("a* b* c* d* e*".to_owned(), QueryError::TooManyOpenWords),
            ("a* bcd~ c* d* -efg~".to_owned(), QueryError::TooManyOpenWords),
            ("ab~".to_owned(), QueryError::TypoTooShort),
            ("abcd~2".to_owned(), QueryError::TypoTooShort),
            ("a-b ".to_owned() + &phrases(8), QueryError::TooManyPhrases),
        ] {
            assert_eq!(Query::parse(&text), Err(expected), "{text}");
        }
        assert!(Query::parse(&words(64)).is_ok());
        assert!(Query::parse(&format!("a \"b\" {}", phrases(8))).is_ok());
        assert!(Query::parse("a* b* c* -d* d*ello e a*").is_ok());
        assert!(Query::parse("éàü~ abcde~2").is_ok());
    }
}
