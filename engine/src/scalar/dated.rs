//! A text that denotes a moment, in the order of the moments.

use arcstr::ArcStr;

use super::Timestamp;

/// How many characters hold the seconds since [`Timestamp::FIRST`], and whether nanoseconds follow.
const SECONDS: usize = 6;
const FLAG: usize = 1;
/// How many more characters hold the nanoseconds, if there are any.
const NANOSECONDS: usize = 5;

/// A text that denotes a [`Timestamp`], together with the moment, so that comparing parses nothing.
///
/// The two are one string, which begins with the moment as ASCII characters of seven bits, the most
/// significant first. So comparing the strings compares the moments and then the texts, and an index
/// needs one pointer for each value. Nearly all moments are whole seconds, and have no more.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dated(ArcStr);

impl Dated {
    /// Returns `text`, which denotes `moment`.
    pub fn new(moment: Timestamp, text: &str) -> Self {
        let seconds = moment.seconds() - Timestamp::FIRST.seconds();
        let nanoseconds = i64::from(moment.subsecond());
        let digits = |number: i64, count: usize| {
            (0..count).rev().map(move |at| char::from((number >> (7 * at)) as u8 & 0x7F))
        };
        let (has_more, more) = if nanoseconds > 0 { (1, NANOSECONDS) } else { (0, 0) };
        let mut both = String::with_capacity(SECONDS + FLAG + more + text.len());
        both.extend(digits(seconds, SECONDS));
        both.extend(digits(has_more, FLAG));
        both.extend(digits(nanoseconds, more));
        both.push_str(text);
        Self(both.into())
    }

    /// Returns where the text begins.
    fn begin(&self) -> usize {
        let has_more = self.0.as_bytes()[SECONDS] != 0;
        SECONDS + FLAG + if has_more { NANOSECONDS } else { 0 }
    }

    /// Returns the text as it is written.
    pub fn as_str(&self) -> &str {
        &self.0[self.begin()..]
    }

    /// Returns the moment.
    pub fn moment(&self) -> Timestamp {
        let number = |digits: &[u8]| digits.iter().fold(0, |n, digit| n << 7 | i128::from(*digit));
        let (seconds, more) = self.0.as_bytes()[..self.begin()].split_at(SECONDS);
        let since = number(seconds) * 1_000_000_000 + number(&more[FLAG..]);
        // Only moments in range are written.
        Timestamp::at(since + Timestamp::FIRST.nanoseconds()).unwrap_or(Timestamp::FIRST)
    }
}

impl std::fmt::Debug for Dated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The last moment in range.
    const LAST: &str = "9999-12-31T23:59:59.999999999Z";

    fn dated(text: &str) -> Dated {
        Dated::new(Timestamp::parse(text).unwrap(), text)
    }

    #[test]
    fn the_first_and_the_last_moment_are_kept() {
        for text in ["0000-01-01", "1970-01-01T00:00:00Z", LAST] {
            let dated = dated(text);
            assert_eq!((dated.as_str(), dated.moment()), (text, Timestamp::parse(text).unwrap()));
        }
        assert!(dated("0000-01-01") < dated("1969-12-31") && dated("1970-01-01") < dated(LAST));
        assert_eq!(Dated::new(Timestamp::FIRST, "").as_str(), "");
    }

    proptest! {
        #[test]
        fn moments_come_before_texts_in_the_order(
            numbers in prop::array::uniform2(-62_167_219_200_000_000_000..253_402_300_800_000_000_000_i128),
            texts in prop::array::uniform2("[a-zé0]{0,3}"),
            is_same in any::<bool>(),
            is_whole in any::<bool>(),
        ) {
            let unit = if is_whole { 1_000_000_000 } else { 1 };
            let [one, other] = numbers.map(|number| Timestamp::at(number / unit * unit).unwrap());
            let other = if is_same { one } else { other };
            let [a, b] = [(one, &texts[0]), (other, &texts[1])];
            let [x, y] = [a, b].map(|(moment, text)| Dated::new(moment, text));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            prop_assert_eq!((x.moment(), x.as_str()), (one, &*texts[0]));
        }
    }
}
