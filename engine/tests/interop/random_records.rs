//! Random records, each a function of its seed. Values that break quoting, framing and numbers are
//! frequent.

use headwater_testkit::corpus::SplitMix64;
use serde_json::{Map, Number, Value as Json};

#[rustfmt::skip]
const TEXT: &[&str] = &[
    "plain", "a b", " ", "\"", "'", "\\", "\"\"\"", "'''", "\n", "\n", "\r\n", "\r", "\t", "#", "=",
    "[x]", "{ }", "é", "😀", "日本語", "\u{0}", "\u{1b}", "\u{7f}", "\u{85}", "\u{2028}", "\u{feff}",
    "\u{fffd}", "true", "1.0", "1979-05-27", "\\u0041", "$", ",",
];
#[rustfmt::skip]
const KEYS: &[&str] = &[
    "a", "b", "Z", "_", "1", "-", "true", "inf", "a b", "a.b", "é", "", "a\"b", "a'b", "a\\b",
    "a\nb", "\t", "😀", "\u{fffd}",
];
#[rustfmt::skip]
const DATES: &[&str] = &[
    "1979-05-27T07:32:00Z", "1979-05-27t07:32:00.500z", "1979-05-27 07:32:00-07:00",
    "1979-05-27T07:32:00+00:00", "1979-05-27T07:32:00-00:00", "2026-02-28T23:59:59.25+05:45",
    "1979-05-27T07:32:00.123456789", "0001-01-01 00:00:00", "9999-12-31", "2024-02-29", "07:32:00",
    "00:00:00.000000001", "23:59:59.120",
];
#[rustfmt::skip]
const BODY: &[&str] = &[
    "hello *there*", "__bold__ and ***both***", "word", "two  spaces", "`code`", "日本語", "&amp; <b>",
    "\\*escaped\\*", "[l](http://x \"t\")", "![i](i.png)", "[r]", "[^1]", "~~gone~~", "a\tb",
    "1 < 2", "https://example.org/a_b_c", "$x$", "😀", "snake_case_word", "+++", "--",
    "\"quoted\" it's", "|",
];
#[rustfmt::skip]
const BLOCKS: &[&str] = &[
    "", "", "# ", "## ", "* ", "+ ", "- ", "1. ", "3) ", "> ", "    ", "\t", "- [ ] ", "  * ",
    "[r]: ", "[^1]: ", "| ", "***", "---", "===", "```", "~~~", "<!-- c -->", "<div>", "\\", "+++",
    "# T #",
];
const ENDS: &[&str] = &["\n", "\n", "\n\n", "\n\n", "\n\n\n", "\r\n", "  \n", "\\\n"];

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "a", "B", "b", "Z", "é", "e", "E", "ä", "ß", "ss", "10", "9", "010", "file2", "file10", "co-op",
    "coop", "co op", "c++", "c#", "c", "$", "+", "_", "", "日本", "あ", "ア", "😀", "\u{fffd}", "1e3",
    "0x1F", " 7 ", "-5", "true", "x.y", "it's", "~", "\u{feff}7", "\u{85}7", "1e-7", "0b11", "0xG",
    "5.", "1e21", "9223372036854775808", "Infinity",
];

/// Returns the seed of this run: `HEADWATER_INTEROP_SEED`.
pub(crate) fn seed() -> u64 {
    number("HEADWATER_INTEROP_SEED", 1)
}

/// Returns the number of random records to compare in this run: `HEADWATER_INTEROP_RECORDS`.
pub(crate) fn records() -> u64 {
    number("HEADWATER_INTEROP_RECORDS", 2_000)
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// A source of random records for one seed.
pub(crate) struct Dice(SplitMix64);

impl Dice {
    /// Begins with the seed of a run and the number of a record in it.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        Self(SplitMix64::for_parts(&[seed, number]))
    }

    /// Returns up to eight fields.
    pub(crate) fn fields(&mut self) -> Map<String, Json> {
        self.table(3, 8)
    }

    /// Returns a text made of fragments.
    pub(crate) fn text(&mut self) -> String {
        (0..self.0.below(6)).map(|_| self.0.pick(TEXT)).collect()
    }

    /// Returns a Markdown text, rarely a pretty one.
    pub(crate) fn body(&mut self) -> String {
        let mut body = String::new();
        for _ in 0..self.0.below(9) {
            body += self.0.pick(BLOCKS);
            for word in 0..self.0.below(4) {
                body += if word > 0 { " " } else { "" };
                body += self.0.pick(BODY);
            }
            body += self.0.pick(ENDS);
        }
        if self.0.chance(50) { body.trim_end().to_owned() } else { body }
    }

    /// Returns lines of TOML with dates and times of every kind, and numbers that JSON lacks.
    pub(crate) fn native_lines(&mut self) -> String {
        let mut lines = String::new();
        for n in 0..=self.0.below(4) {
            let date = self.native();
            lines += &match self.0.below(4) {
                0 => format!("when-{n} = [{date}, {}]\n", self.native()),
                1 => format!("when-{n} = {{ b = {date}, a = [[{}]] }}\n", self.native()),
                2 => format!("when-{n} = [{{ at = {date} }}, {{ at = {} }}]\n", self.native()),
                _ => format!("when-{n} = {date}\n"),
            };
        }
        lines
    }

    /// Returns a list of values to be sorted in one way or another: words, or all kinds of values.
    pub(crate) fn list(&mut self) -> Json {
        let mixed = self.0.chance(30);
        let (length, kind) = (self.0.below(12), self.0.below(3));
        let element = |dice: &mut Self| match if mixed { dice.0.below(7) } else { kind } {
            0 => dice.0.pick(WORDS).into(),
            1 => dice.entry().into(),
            2 => dice.integer().into(),
            3 => dice.measure(),
            4 => dice.0.chance(50).into(),
            5 => [dice.0.pick(WORDS), "x"].into_iter().collect(),
            _ => Json::Object(Map::new()),
        };
        (0..length).map(|_| element(self)).collect()
    }

    /// Returns values of which a path component can, or cannot, be made.
    pub(crate) fn name(&mut self) -> Json {
        match self.0.below(10) {
            0..=4 => self.0.pick(WORDS).into(),
            5 => {
                self.0.pick(&["a:b", "a/b", "what?", "a\nb", ".", "..", ".git", "nul", "a."]).into()
            }
            6 => self.integer().into(),
            7 => self.float().into(),
            8 => self.0.chance(50).into(),
            _ => self.value(1),
        }
    }

    /// Returns a float of not too many digits.
    fn measure(&mut self) -> Json {
        [0.5, -2.5, 1e-7, 1e-6, 5.0, -0.0, 1e20, 1e21, 123.456][self.0.below(9)].into()
    }

    /// Returns a table with one or two of the fields `x` and `y`, or none.
    fn entry(&mut self) -> Map<String, Json> {
        let mut entry = Map::new();
        for field in ["x", "y"] {
            let value = match self.0.below(9) {
                0 => continue,
                1..=3 => self.0.pick(WORDS).into(),
                4..=5 => self.0.below(9).into(),
                6 => self.measure(),
                7 => Json::Array(vec![self.0.pick(WORDS).into(), self.measure()]),
                _ => self.0.chance(50).into(),
            };
            entry.insert(field.to_owned(), value);
        }
        entry
    }

    /// Returns true in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.0.chance(percent)
    }

    fn native(&mut self) -> &'static str {
        if self.0.chance(10) { self.0.pick(&["nan", "inf", "-inf"]) } else { self.0.pick(DATES) }
    }

    fn table(&mut self, depth: usize, most: usize) -> Map<String, Json> {
        let mut table = Map::new();
        for _ in 0..self.0.below(most + 1) {
            let key = self.0.pick(KEYS).to_owned();
            let value = if self.0.chance(8) { Json::Null } else { self.value(depth) };
            table.insert(key, value);
        }
        table
    }

    fn value(&mut self, depth: usize) -> Json {
        let nested = if depth > 0 { 4 } else { 0 };
        match self.0.below(10 + nested) {
            0..=4 => self.text().into(),
            5..=6 => self.integer().into(),
            7..=8 => self.float().into(),
            9 => self.0.chance(50).into(),
            10 => self.table(depth - 1, 4).into(),
            11 => (0..self.0.below(4)).map(|_| self.table(depth - 1, 3)).collect::<Vec<_>>().into(),
            _ => (0..self.0.below(4)).map(|_| self.value(depth - 1)).collect(),
        }
    }

    fn integer(&mut self) -> i64 {
        let bits = self.0.next_u64() as i64;
        match self.0.below(4) {
            0 => bits,
            1 => [i64::MIN, i64::MAX, 0, -1][self.0.below(4)],
            _ => bits % 100_000,
        }
    }

    fn float(&mut self) -> Number {
        let float = match self.0.below(4) {
            0 => f64::from_bits(self.0.next_u64()),
            1 => [-0.0, 1.0, 1e22, 5e-324, f64::MAX, 0.1][self.0.below(6)],
            _ => self.0.next_u64() as f64 / 1e15,
        };
        // Neither NaN nor an infinity is a number in JSON.
        Number::from_f64(float).unwrap_or_else(|| Number::from(0))
    }
}
