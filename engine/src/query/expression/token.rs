//! The tokens of an expression.

use super::flaw::Flaw;

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    /// A name, or a keyword such as `in`.
    Name(String),
    /// A name in backticks, which may contain any characters.
    Quoted(String),
    /// `5`, without a sign.
    Int(u64),
    /// `5u`
    Uint(u64),
    /// `5.0`
    Double(f64),
    /// `"text"`
    Text(String),
    /// `b"bytes"`
    Bytes(Vec<u8>),
    /// An operator or a bracket.
    Sign(&'static str),
    /// The end of the expression.
    End,
}

/// A token and its position.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) word: Word,
}

/// A sign must come before its own prefixes.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "[", "]", "{", "}", "(", ")", ".", ",", ":", "?", "+", "-",
    "*", "/", "%", "!", "<", ">",
];

/// Splits an expression into tokens, of which the last is the end.
///
/// # Errors
///
/// Fails if a character begins no token, or a text or number is malformed.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Flaw> {
    let mut reader = Reader { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        reader.skip_space();
        let at = reader.at;
        let word = reader.word()?;
        let is_end = word == Word::End;
        tokens.push(Token { at, word });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, prefix: &str) -> bool {
        let is_next = self.rest().starts_with(prefix);
        self.at += if is_next { prefix.len() } else { 0 };
        is_next
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_space(&mut self) {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn word(&mut self) -> Result<Word, Flaw> {
        let at = self.at;
        let Some(first) = self.peek() else { return Ok(Word::End) };
        let second = self.rest().chars().nth(1);
        if first.is_ascii_digit() || first == '.' && second.is_some_and(|c| c.is_ascii_digit()) {
            return self.number();
        }
        if let Some(text) = self.quoted()? {
            return Ok(text);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(Word::Name(self.take_while(is_name).to_owned()));
        }
        if self.take("`") {
            let name = self.take_while(|c| c != '`').to_owned();
            return match self.take("`") && !name.is_empty() {
                true => Ok(Word::Quoted(name)),
                false => Err(Flaw::new(at, "the name in backticks is empty or not closed")),
            };
        }
        let sign = SIGNS.into_iter().find(|sign| self.take(sign));
        let hint = match first {
            '=' => ": equality is `==`",
            '&' => ": both conditions are `&&`",
            '|' => ": one of two conditions is `||`",
            _ if first.is_alphabetic() => ": such a name is written in backticks",
            _ => "",
        };
        sign.map(Word::Sign)
            .ok_or_else(|| Flaw::new(at, format!("`{first}` is not expected{hint}")))
    }

    fn number(&mut self) -> Result<Word, Flaw> {
        let at = self.at;
        let too_large = || Flaw::new(at, "is a number that is too large");
        if self.take("0x") || self.take("0X") {
            let digits = self.take_while(|c| c.is_ascii_hexdigit());
            let number = u64::from_str_radix(digits, 16);
            let number = number.map_err(|_| match digits {
                "" => Flaw::new(at, "is not a number"),
                _ => too_large(),
            })?;
            return self.whole(at, number);
        }
        self.take_while(|c| c.is_ascii_digit());
        let mut is_whole = true;
        // The dot of a member is not followed by a digit.
        if self.rest().starts_with('.')
            && self.rest()[1..].starts_with(|c: char| c.is_ascii_digit())
        {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
            is_whole = false;
        }
        if self.take("e") || self.take("E") {
            let _ = self.take("+") || self.take("-");
            if self.take_while(|c| c.is_ascii_digit()).is_empty() {
                return Err(Flaw::new(at, "is not a number"));
            }
            is_whole = false;
        }
        let digits = &self.text[at..self.at];
        if is_whole {
            return self.whole(at, digits.parse().map_err(|_| too_large())?);
        }
        let number = digits.parse().map_err(|_| Flaw::new(at, "is not a number"))?;
        self.end_of_number(at).map(|()| Word::Double(number))
    }

    fn whole(&mut self, at: usize, number: u64) -> Result<Word, Flaw> {
        let word = match self.take("u") || self.take("U") {
            true => Word::Uint(number),
            false => Word::Int(number),
        };
        self.end_of_number(at).map(|()| word)
    }

    fn end_of_number(&self, at: usize) -> Result<(), Flaw> {
        match self.peek().is_some_and(is_name) {
            true => Err(Flaw::new(at, "is not a number: strings need quotes")),
            false => Ok(()),
        }
    }

    /// Parses a text, if one begins here: raw with `r`, as bytes with `b`.
    fn quoted(&mut self) -> Result<Option<Word>, Flaw> {
        let at = self.at;
        let prefix = self.rest().find(['"', '\'']).map_or("", |quote| &self.rest()[..quote]);
        let (is_raw, is_bytes) = match prefix {
            "" if self.rest().starts_with(['"', '\'']) => (false, false),
            "r" | "R" => (true, false),
            "b" | "B" => (false, true),
            "br" | "rb" | "bR" | "Rb" | "Br" | "rB" | "BR" | "RB" => (true, true),
            _ => return Ok(None),
        };
        self.at += prefix.len();
        let close = match (self.rest().as_bytes()[0], self.rest().as_bytes().get(..3)) {
            (b'"', Some(b"\"\"\"")) => "\"\"\"",
            (b'"', _) => "\"",
            (_, Some(b"'''")) => "'''",
            _ => "'",
        };
        self.at += close.len();
        let mut bytes = Vec::new();
        while !self.take(close) {
            let here = self.at;
            let Some(next) = self.peek() else {
                return Err(Flaw::new(at, "the string is not closed"));
            };
            self.at += next.len_utf8();
            match next {
                '\\' if is_raw => {
                    // The next character does not end the text, and both are kept.
                    bytes.push(b'\\');
                    if let Some(next) = self.peek() {
                        self.at += next.len_utf8();
                        push(&mut bytes, next);
                    }
                }
                '\\' => self.escape(here, is_bytes, &mut bytes)?,
                '\n' | '\r' if close.len() == 1 => {
                    return Err(Flaw::new(at, "the string is not closed on its line"));
                }
                next => push(&mut bytes, next),
            }
        }
        if is_bytes {
            return Ok(Some(Word::Bytes(bytes)));
        }
        let text = String::from_utf8(bytes);
        text.map(|text| Some(Word::Text(text))).map_err(|_| Flaw::new(at, "is not valid UTF-8"))
    }

    /// Parses the escape after a backslash at `at`.
    fn escape(&mut self, at: usize, is_bytes: bool, bytes: &mut Vec<u8>) -> Result<(), Flaw> {
        let wrong = || Flaw::new(at, "is not a valid escape sequence");
        let kind = self.peek().ok_or_else(wrong)?;
        self.at += kind.len_utf8();
        let (digits, radix) = match kind {
            'x' | 'X' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='3' => {
                self.at -= 1;
                (3, 8)
            }
            kind => {
                let plain = match kind {
                    'a' => 0x7,
                    'b' => 0x8,
                    'f' => 0xc,
                    'n' => b'\n',
                    'r' => b'\r',
                    't' => b'\t',
                    'v' => 0xb,
                    '\\' | '\'' | '"' | '`' | '?' => kind as u8,
                    _ => return Err(wrong()),
                };
                bytes.push(plain);
                return Ok(());
            }
        };
        let number = self.rest().get(..digits).ok_or_else(wrong)?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u32::from_str_radix(number, radix).ok().filter(|_| is_number);
        let number = number.ok_or_else(wrong)?;
        self.at += digits;
        match u8::try_from(number) {
            Ok(byte) if is_bytes && !matches!(kind, 'u' | 'U') => bytes.push(byte),
            _ if is_bytes => return Err(wrong()),
            _ => push(bytes, char::from_u32(number).ok_or_else(wrong)?),
        }
        Ok(())
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn push(bytes: &mut Vec<u8>, next: char) {
    bytes.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        tokens(text).unwrap().into_iter().map(|token| token.word).collect()
    }

    #[test]
    fn literals_are_read_as_the_specification_has_them() {
        use Word::{Bytes, Double, End, Int, Name, Quoted, Sign, Text, Uint};
        for (text, expected) in [
            ("12 0x1F 7u", vec![Int(12), Int(31), Uint(7)]),
            ("1.5 .5 1e3 2E-1", vec![Double(1.5), Double(0.5), Double(1e3), Double(0.2)]),
            ("a.b", vec![Name("a".into()), Sign("."), Name("b".into())]),
            ("`a.b c`", vec![Quoted("a.b c".into())]),
            (r#"'a"b' "a'b""#, vec![Text("a\"b".into()), Text("a'b".into())]),
            ("'''a\n'b'''", vec![Text("a\n'b".into())]),
            (r"'\n\x41\u00e9\U0001F600\101\''", vec![Text("\nA\u{e9}\u{1f600}A'".into())]),
            (r"r'\n\''", vec![Text("\\n\\'".into())]),
            (r"b'\xff\377é'", vec![Bytes(vec![255, 255, 0xc3, 0xa9])]),
            ("a<=b // rest", vec![Name("a".into()), Sign("<="), Name("b".into())]),
        ] {
            let expected: Vec<Word> = expected.into_iter().chain([End]).collect();
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_word_is_told_with_its_place() {
        for (text, at) in [
            ("a = 1", 2),
            ("a & b", 2),
            ("'open", 0),
            ("x 'a\nb'", 2),
            ("1x", 0),
            ("99999999999999999999", 0),
            ("'\\q'", 1),
            ("'\\ud800'", 1),
            ("b'\\u0041'", 2),
            ("é", 0),
            ("``", 0),
            ("'\\400'", 1),
            ("'\\x+1'", 1),
        ] {
            assert_eq!(tokens(text).unwrap_err().at, at, "{text}");
        }
    }
}
