//! Statistics over the values of a field.

use std::collections::HashSet;

use smallvec::SmallVec;

use crate::query::grouping::json_len;
use crate::query::grouping::{LongValue, MAX_FACET_VALUE};
use crate::scalar::{Number, Scalar, Stored};

/// Statistics over the values that the listed items hold in a field. Each value counts as often as
/// it is held.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// The field.
    pub name: Box<str>,
    /// The number of values.
    pub count: usize,
    /// The number of distinct values.
    pub distinct: usize,
    /// The first one in the order of values.
    pub min: Option<Scalar>,
    /// The last one in the order of values.
    pub max: Option<Scalar>,
    /// The sum of the numbers among them, or `None` if there are none.
    pub sum: Option<Sum>,
    /// The mean of the numbers among them.
    pub mean: Option<f64>,
}

/// A sum of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sum {
    /// A sum of integers, which is exact.
    Whole(i128),
    /// The double nearest to the exact sum, whatever the order of the numbers.
    Real(f64),
}

/// The partial statistics of a field.
#[derive(Debug, Default)]
pub(crate) struct Figures<'a> {
    count: usize,
    distinct: HashSet<Stored<'a>, foldhash::fast::RandomState>,
    numbers: usize,
    whole: i128,
    real: ExactSum,
}

impl<'a> Figures<'a> {
    /// Adds a value, and says whether it is a new one, which is kept.
    pub(crate) fn add(&mut self, value: Stored<'a>) -> bool {
        self.add_often(value, 1)
    }

    /// Adds a value that is held `count` times, and says whether it is a new one, which is kept.
    pub(crate) fn add_often(&mut self, value: Stored<'a>, count: usize) -> bool {
        self.count += count;
        if let Stored::Number(number) = value {
            self.numbers += count;
            match number {
                Number::Natural(natural) => self.whole += i128::from(natural) * count as i128,
                Number::Negative(negative) => self.whole += i128::from(negative) * count as i128,
                Number::Float(float) => self.real.add_often(float, count),
            }
        }
        self.distinct.insert(value)
    }

    /// Returns the statistics. Linear in the distinct values.
    pub(crate) fn told(mut self, name: &str) -> Result<Stats, LongValue> {
        let scalar = |value: Option<&Stored<'_>>| match value.map(Stored::to_scalar) {
            Some(scalar) if json_len(&scalar) > MAX_FACET_VALUE => {
                Err(LongValue { name: name.into() })
            }
            scalar => Ok(scalar),
        };
        let (min, max) = (self.distinct.iter().min(), self.distinct.iter().max());
        let (min, max) = (scalar(min)?, scalar(max)?);
        let is_whole = self.real.is_empty();
        self.real.add_whole(self.whole);
        let real = self.real.rounded();
        let sum = if is_whole { Some(Sum::Whole(self.whole)) } else { real.map(Sum::Real) };
        let has_numbers = self.numbers > 0;
        Ok(Stats {
            name: name.into(),
            count: self.count,
            distinct: self.distinct.len(),
            min,
            max,
            sum: sum.filter(|_| has_numbers),
            mean: real.filter(|_| has_numbers).map(|sum| sum / self.numbers as f64),
        })
    }
}

/// An exact sum of doubles, kept as doubles without overlapping digits, smallest first (Shewchuk
/// 1997).
#[derive(Debug, Default)]
struct ExactSum(SmallVec<[f64; 2]>);

impl ExactSum {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, mut x: f64) {
        let mut kept = 0;
        for at in 0..self.0.len() {
            let mut y = self.0[at];
            if x.abs() < y.abs() {
                std::mem::swap(&mut x, &mut y);
            }
            let high = x + y;
            let low = y - (high - x);
            if low != 0.0 {
                self.0[kept] = low;
                kept += 1;
            }
            x = high;
        }
        self.0.truncate(kept);
        self.0.push(x);
    }

    /// Adds a number `count` times: as the sum of its products with the powers of two that make up
    /// `count`, which are exact.
    fn add_often(&mut self, x: f64, count: usize) {
        let mut product = x;
        for bit in 0..usize::BITS {
            if count >> bit == 0 {
                break;
            }
            if count >> bit & 1 == 1 {
                self.add(product);
            }
            product *= 2.0;
        }
    }

    fn add_whole(&mut self, whole: i128) {
        // 48 bits at a time are exact.
        let mut rest = whole.unsigned_abs();
        let mut scale = if whole < 0 { -1.0 } else { 1.0 };
        while rest > 0 {
            self.add((rest & 0xffff_ffff_ffff) as f64 * scale);
            rest >>= 48;
            scale *= (1_u64 << 48) as f64;
        }
    }

    /// Returns the double nearest to the sum, or `None` if it is too large.
    fn rounded(&self) -> Option<f64> {
        let mut parts = self.0.iter().rev().copied();
        let mut high = parts.next().unwrap_or(0.0);
        let mut low = 0.0;
        for part in parts.by_ref() {
            let sum = high + part;
            low = part - (sum - high);
            high = sum;
            if low != 0.0 {
                break;
            }
        }
        // Halfway between two doubles, the rest decides.
        if let Some(next) = parts.next()
            && (low < 0.0 && next < 0.0 || low > 0.0 && next > 0.0)
        {
            let twice = low * 2.0;
            let sum = high + twice;
            if twice == sum - high {
                high = sum;
            }
        }
        high.is_finite().then_some(high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn figures(texts: &[&str]) -> Stats {
        let mut figures = Figures::default();
        let number = |text: &&str| Stored::Number(Number::parse(text).unwrap());
        for text in texts {
            figures.add(number(text));
        }
        figures.told("x").unwrap()
    }

    #[test]
    fn a_sum_is_exact_where_it_is_whole_and_next_to_it_where_it_is_not() {
        let whole = figures(&["18446744073709551615", "18446744073709551615", "-1"]);
        assert_eq!(whole.sum, Some(Sum::Whole(36_893_488_147_419_103_229)));
        assert_eq!(figures(&["0.1"; 10]).sum, Some(Sum::Real(1.0)));
        assert_eq!(figures(&["1e300", "0.5", "-1e300"]).sum, Some(Sum::Real(0.5)));
        assert_eq!(
            figures(&["9007199254740993", "0.5", "0.25"]).sum,
            Some(Sum::Real(9007199254740994.0))
        );
        assert_eq!(figures(&["1", "2"]).mean, Some(1.5));
        let none = figures(&[]);
        assert_eq!((none.count, none.sum, none.mean, none.min), (0, None, None, None));
        let huge = figures(&["1.7e308", "1.7e308"]);
        assert_eq!((huge.sum, huge.distinct), (None, 1));
    }

    #[test]
    fn a_number_that_is_held_often_counts_as_often() {
        let often = |text: &str, count: usize| {
            let mut figures = Figures::default();
            figures.add_often(Stored::Number(Number::parse(text).unwrap()), count);
            figures.told("x").unwrap()
        };
        for (text, count) in [("0.1", 10), ("-3", 7), ("5e-324", 9), ("1.5", 0), ("0.3", 1_001)] {
            assert_eq!(often(text, count).sum, figures(&vec![text; count]).sum, "{text}");
        }
        assert_eq!((often("0.1", 10).count, often("0.1", 10).distinct), (10, 1));
    }

    #[test]
    fn values_of_every_kind_are_counted_and_numbers_are_summed() {
        let mut figures = Figures::default();
        for value in [Scalar::Bool(true), Scalar::string("b"), Scalar::string("b")] {
            // Lives as long as the statistics.
            figures.add(Stored::from(Box::leak(Box::new(value)) as &Scalar));
        }
        figures.add(Stored::Number(Number::Natural(4)));
        let stats = figures.told("x").unwrap();
        assert_eq!((stats.count, stats.distinct, stats.mean), (4, 3, Some(4.0)));
        assert_eq!((stats.min, stats.max), (Some(Scalar::Bool(true)), Some(Scalar::string("b"))));
    }

    proptest! {
        #[test]
        fn the_order_of_the_numbers_makes_no_difference(
            numbers in prop::collection::vec(-1e12..1e12_f64, 0..20),
        ) {
            let sum = |numbers: &[f64]| {
                let mut sum = ExactSum::default();
                numbers.iter().for_each(|number| sum.add(*number));
                sum.rounded()
            };
            let mut sorted = numbers.clone();
            sorted.sort_by(f64::total_cmp);
            prop_assert_eq!(sum(&numbers), sum(&sorted));
            let both: Vec<f64> = numbers.iter().flat_map(|n| [*n, -n]).collect();
            prop_assert_eq!(sum(&both), Some(0.0));
        }
    }
}
