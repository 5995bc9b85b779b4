//! One row of the scoreboard, and the table of them as Markdown and as JSON.

use serde_json::{Value, json};

use crate::samples::Samples;

/// The unit of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Requests a second.
    PerSecond,
    /// Megabytes of 10^6 bytes.
    Megabytes,
    /// Hundredths.
    Percent,
    /// A number of things.
    Count,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::PerSecond => "/s",
            Self::Megabytes => "MB",
            Self::Percent => "%",
            Self::Count => "",
        }
    }
}

/// The goal of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// A value of at most this.
    Most(f64),
    /// A value of at least this.
    Least(f64),
    /// At most this multiple of its comparison.
    RatioMost(f64),
    /// At least this multiple of its comparison.
    RatioLeast(f64),
}

/// One measurement, with its comparison.
#[derive(Debug, Clone)]
pub struct Row {
    /// A short, stable name, for the JSON.
    pub id: String,
    /// What was measured.
    pub what: String,
    /// The unit of the values.
    pub unit: Unit,
    /// The percentile to report, 0.5 for the median.
    pub share: f64,
    /// The values.
    pub samples: Samples,
    /// The comparison.
    pub peer: Option<(String, Samples)>,
    /// Whether the two were measured in turns, so that each value has its counterpart.
    pub in_turns: bool,
    /// The goal.
    pub goal: Option<Goal>,
}

impl Row {
    /// Returns a row that reports a median and has no comparison.
    pub fn new(
        id: impl Into<String>,
        what: impl Into<String>,
        unit: Unit,
        samples: Samples,
    ) -> Self {
        Self {
            id: id.into(),
            what: what.into(),
            unit,
            share: 0.5,
            samples,
            peer: None,
            in_turns: false,
            goal: None,
        }
    }

    /// Reports the percentile `share` instead of the median.
    pub fn at(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Compares with `samples` of `name`, value by value: they were measured in turns.
    pub fn against(mut self, name: impl Into<String>, samples: Samples) -> Self {
        (self.peer, self.in_turns) = (Some((name.into(), samples)), true);
        self
    }

    /// Compares with `samples` of `name`, percentile with percentile.
    pub fn beside(mut self, name: impl Into<String>, samples: Samples) -> Self {
        (self.peer, self.in_turns) = (Some((name.into(), samples)), false);
        self
    }

    /// Sets the goal, if there is one.
    pub fn goal(mut self, goal: impl Into<Option<Goal>>) -> Self {
        self.goal = goal.into();
        self
    }

    /// Returns the reported value.
    pub fn value(&self) -> f64 {
        self.samples.percentile(self.share)
    }

    /// Returns the ratio of the value to its comparison.
    pub fn ratio(&self) -> Option<f64> {
        self.peer.as_ref().map(|(_, peer)| match self.in_turns {
            true => self.samples.ratio_by_turn(peer),
            false => self.value() / peer.percentile(self.share),
        })
    }

    /// Returns whether the goal is reached, if there is one.
    pub fn reached(&self) -> Option<bool> {
        let ratio = || self.ratio().unwrap_or(f64::NAN);
        Some(match self.goal? {
            Goal::Most(most) => self.value() <= most,
            Goal::Least(least) => self.value() >= least,
            Goal::RatioMost(most) => ratio() <= most,
            Goal::RatioLeast(least) => ratio() >= least,
        })
    }

    fn goal_text(&self) -> String {
        let unit = self.unit.name();
        match self.goal {
            None => String::new(),
            Some(Goal::Most(most)) => format!("≤ {} {unit}", number(most)),
            Some(Goal::Least(least)) => format!("≥ {} {unit}", number(least)),
            Some(Goal::RatioMost(most)) => format!("≤ {most} ×"),
            Some(Goal::RatioLeast(least)) => format!("≥ {least} ×"),
        }
    }

    fn markdown(&self) -> String {
        let peer = self.peer.as_ref().map(|(name, peer)| {
            format!("{name}: {} {}", number(peer.percentile(self.share)), self.unit.name())
        });
        let ratio =
            self.ratio().map(|ratio| format!("{ratio:.*}", if ratio < 0.1 { 3 } else { 2 }));
        let reached = self.reached().map(|reached| if reached { "yes" } else { "**no**" });
        format!(
            "| {} | {} {} | {}–{}, {} × | {} | {} | {} | {} |\n",
            self.what,
            number(self.value()),
            self.unit.name(),
            number(self.samples.min()),
            number(self.samples.max()),
            self.samples.len(),
            peer.unwrap_or_default(),
            ratio.unwrap_or_default(),
            self.goal_text(),
            reached.unwrap_or_default(),
        )
    }

    fn json(&self) -> Value {
        let summary = |samples: &Samples| {
            json!({ "value": samples.percentile(self.share), "median": samples.median(),
                    "min": samples.min(), "max": samples.max(), "repetitions": samples.len() })
        };
        let peer = self.peer.as_ref().map(|(name, peer)| {
            let mut peer = summary(peer);
            peer["name"] = json!(name);
            peer
        });
        json!({ "id": self.id, "what": self.what, "unit": self.unit.name(), "percentile": self.share,
                "measured": summary(&self.samples), "comparedWith": peer, "ratio": self.ratio(),
                "goal": self.goal.map(|_| self.goal_text()), "reached": self.reached() })
    }
}

/// Returns the table of `rows` as Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let head = "| what | measured | min–max, repetitions | compared with | ratio | goal | reached |\n\
                |---|---|---|---|---|---|---|\n";
    head.to_owned() + &rows.iter().map(Row::markdown).collect::<String>()
}

/// Returns `rows` as JSON, with every figure of the table.
pub fn json(rows: &[Row]) -> Value {
    rows.iter().map(Row::json).collect()
}

/// Writes a number with as many digits as are useful.
pub fn number(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => "–".to_owned(),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => thousands(value.round() as i64),
    }
}

fn thousands(value: i64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        let mut samples = Samples::default();
        values.iter().for_each(|&value| samples.push(value));
        samples
    }

    #[test]
    fn a_row_tells_its_ratio_and_whether_the_goal_is_reached() {
        let row =
            Row::new("reload-1", "a reload", Unit::Milliseconds, samples(&[10.0, 12.0, 1_400.0]))
                .against("`git fetch`", samples(&[20.0, 20.0, 2_000.0]))
                .goal(Goal::RatioMost(1.0));
        assert_eq!((row.ratio(), row.reached()), (Some(0.6), Some(true)));
        let line = "| a reload | 12.0 ms | 10.0–1,400, 3 × | `git fetch`: 20.0 ms | 0.60 | ≤ 1 × | yes |\n";
        assert!(markdown(&[row]).ends_with(line));
    }

    #[test]
    fn a_goal_without_a_value_is_not_reached() {
        let row = Row::new("x", "x", Unit::PerSecond, samples(&[])).goal(Goal::Least(1.0));
        assert_eq!(row.reached(), Some(false));
        assert_eq!(row.goal(None).reached(), None);
    }
}
