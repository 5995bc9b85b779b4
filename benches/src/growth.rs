//! How the time of a reload grows with the repository and with the push, and from which share of
//! changed records on a rebuild is cheaper.

use headwater_testkit::corpus::{self, Civic};
use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::plot::{Line, Panel, Scale};
use crate::progress::tell;
use crate::row::number;
use crate::samples::Samples;
use crate::source::Source;

/// The number of folders of the people, if they are not all in one.
const FOLDERS: usize = 256;

/// The plan of a measurement.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The sizes of the flat corpora, in people.
    pub flat: Vec<usize>,
    /// The sizes of the corpora in folders, in records.
    pub sharded: Vec<usize>,
    /// The size of the flat corpus that receives pushes of many sizes.
    pub people: usize,
    /// The numbers of records that those pushes change.
    pub changes: Vec<usize>,
    /// The number of repetitions of each push.
    pub repetitions: usize,
}

impl Plan {
    /// Up to a million records; needs 4 GB of memory and takes a quarter of an hour.
    pub fn full() -> Self {
        Self {
            flat: vec![1_000, 32_000, 200_000],
            sharded: vec![1_000, 32_000, 200_000, 1_000_000],
            people: 200_000,
            changes: vec![1, 10, 100, 1_000, 3_000, 10_000, 20_000, 40_000, 100_000, 150_000],
            repetitions: 5,
        }
    }

    /// Enough to see whether everything runs.
    pub fn quick() -> Self {
        Self {
            flat: vec![500, 2_000],
            sharded: vec![500, 2_000],
            people: 4_000,
            changes: vec![1, 10, 100, 500, 1_000],
            repetitions: 2,
        }
    }
}

/// The reloads at one size of the repository or of the push.
#[derive(Debug, Clone)]
pub struct Point {
    /// Records of the repository, or of the push.
    pub size: usize,
    /// From the webhook to its answer, in milliseconds.
    pub whole: Samples,
    /// The same without the fetch.
    pub stages: Samples,
    /// The same for rebuilds.
    pub rebuild: Samples,
    /// The number of reloads that applied a difference.
    pub applied: usize,
}

/// The results of a measurement.
#[derive(Debug, Clone)]
pub struct Growth {
    /// One record pushed to flat corpora.
    pub flat: Vec<Point>,
    /// One record pushed to corpora in folders.
    pub sharded: Vec<Point>,
    /// Pushes of many sizes to one corpus.
    pub pushes: Vec<Point>,
    /// The number of records of that corpus.
    pub records: usize,
}

/// Measures all of `plan`.
///
/// # Panics
/// Panics if a reload fails.
pub fn run(plan: &Plan) -> Growth {
    let of_size = |civic: Civic| {
        tell(&format!("measuring {} records", civic.records()));
        let (size, mut source) = (civic.records(), Source::civic(civic));
        let deployment = Deployment::of(&source);
        measure(&mut source, &deployment, size, 1, plan.repetitions * 4)
    };
    let flat = plan.flat.iter().map(|&people| of_size(corpus::civic(people))).collect();
    let sharded = plan.sharded.iter().map(|&n| of_size(Civic::sharded(n, FOLDERS))).collect();
    let civic = corpus::civic(plan.people);
    let (records, mut source) = (civic.records(), Source::civic(civic));
    let deployment = Deployment::of(&source);
    let of_change = |&change: &usize| {
        tell(&format!("measuring a push of {change} records"));
        measure(&mut source, &deployment, change, change, plan.repetitions)
    };
    Growth { flat, sharded, pushes: plan.changes.iter().map(of_change).collect(), records }
}

fn measure(
    source: &mut Source,
    deployment: &Deployment,
    size: usize,
    change: usize,
    repetitions: usize,
) -> Point {
    let (mut whole, mut stages, mut rebuild) =
        (Samples::default(), Samples::default(), Samples::default());
    let mut applied = 0;
    for turn in 0..repetitions {
        source.push(change);
        let reload = deployment.reload();
        whole.push(reload.whole);
        stages.push(reload.stages);
        applied += usize::from(reload.outcome() == "applied");
        deployment.server.rest();
        // Rebuilds take turns with reloads, and are rare, because they take long.
        if turn * 4 % repetitions.max(4) < 4 {
            rebuild.push(deployment.server.rebuild().stages);
            deployment.server.rest();
        }
    }
    Point { size, whole, stages, rebuild, applied }
}

/// The share of changed records from which on a rebuild is cheaper.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Crossing {
    /// Between two measured pushes.
    At(f64),
    /// Beyond the largest push that was applied as a difference, by extrapolation.
    Beyond(f64, f64),
    /// There are too few pushes.
    Unknown,
}

impl Growth {
    /// Finds the crossing of the two costs.
    pub fn crossing(&self) -> Crossing {
        let mut rebuild = Samples::default();
        self.pushes.iter().for_each(|point| rebuild.extend(&point.rebuild));
        let applied = self.pushes.iter().filter(|point| point.applied == point.stages.len());
        let costs: Vec<_> = applied
            .map(|point| (point.size as f64 / self.records as f64, point.stages.median()))
            .collect();
        crossing(&costs, rebuild.median())
    }

    /// Returns the tables.
    pub fn markdown(&self) -> String {
        let table = |points: &[Point], what: &str| {
            let head = format!(
                "| {what} | whole reload, ms | without the fetch, ms | rebuild, ms | rebuild ÷ reload | as |\n\
                 |---|---|---|---|---|---|\n"
            );
            points.iter().fold(head, |out, point| out + &point.markdown())
        };
        let crossing = match self.crossing() {
            Crossing::At(share) => format!("from {:.0} % of the records", share * 100.0),
            Crossing::Beyond(largest, share) => format!(
                "beyond {:.0} % of the records, the largest difference measured; if it goes on, from {:.0} %",
                largest * 100.0,
                share * 100.0
            ),
            Crossing::Unknown => "not to be told from these pushes".to_owned(),
        };
        format!(
            "A push of 1 record, people in one folder:\n\n{}\n\
             A push of 1 record, people in {FOLDERS} folders:\n\n{}\n\
             Pushes of many records to {} records in one folder:\n\n{}\n\
             A rebuild is cheaper than a difference {crossing}.\n",
            table(&self.flat, "records"),
            table(&self.sharded, "records"),
            number(self.records as f64),
            table(&self.pushes, "changed records"),
        )
    }

    /// Returns the same as JSON.
    pub fn json(&self) -> Value {
        let points = |points: &[Point]| -> Value { points.iter().map(Point::json).collect() };
        json!({ "flat": points(&self.flat), "sharded": points(&self.sharded),
                "pushes": points(&self.pushes), "records": self.records,
                "crossing": match self.crossing() {
                    Crossing::At(share) => json!({ "share": share }),
                    Crossing::Beyond(largest, share) => json!({ "beyond": largest, "share": share }),
                    Crossing::Unknown => Value::Null,
                } })
    }

    /// Returns the panels to plot.
    pub fn panels(&self) -> Vec<Panel> {
        let line = |name: &str, points: &[Point], of: fn(&Point) -> f64| Line {
            name: name.to_owned(),
            points: points.iter().map(|point| (point.size as f64, of(point))).collect(),
        };
        let panel = |title: &str, across: &str, lines| Panel {
            title: title.to_owned(),
            across: across.to_owned(),
            scales: (Scale::Logarithmic, Scale::Logarithmic),
            lines,
        };
        let stages = |point: &Point| point.stages.median();
        let whole = |point: &Point| point.whole.median();
        let rebuild = |point: &Point| point.rebuild.median();
        vec![
            panel(
                "A push of 1 record, ms",
                "records of the repository",
                vec![
                    line("whole, one folder", &self.flat, whole),
                    line("without fetch, one folder", &self.flat, stages),
                    line("whole, 256 folders", &self.sharded, whole),
                    line("without fetch, 256 folders", &self.sharded, stages),
                    line("rebuild, 256 folders", &self.sharded, rebuild),
                ],
            ),
            panel(
                &format!("Pushes to {} records, ms", number(self.records as f64)),
                "changed records",
                vec![
                    line("whole reload", &self.pushes, whole),
                    line("without the fetch", &self.pushes, stages),
                    line("rebuild", &self.pushes, rebuild),
                ],
            ),
        ]
    }
}

impl Point {
    fn markdown(&self) -> String {
        let ratio = self.rebuild.median() / self.stages.median();
        let how = match self.applied {
            applied if applied == self.stages.len() => "difference",
            0 => "rebuild",
            _ => "either",
        };
        format!(
            "| {} | {} | {} | {} | {} | {how} |\n",
            number(self.size as f64).trim_end_matches(".00").trim_end_matches(".0"),
            number(self.whole.median()),
            number(self.stages.median()),
            number(self.rebuild.median()),
            number(ratio)
        )
    }

    fn json(&self) -> Value {
        json!({ "size": self.size, "whole": self.whole.median(), "stages": self.stages.median(),
                "rebuild": self.rebuild.median(), "repetitions": self.whole.len(),
                "applied": self.applied })
    }
}

/// Finds where the cost of differences, by share, reaches that of a rebuild.
fn crossing(costs: &[(f64, f64)], rebuild: f64) -> Crossing {
    let between =
        |(a, b): ((f64, f64), (f64, f64))| a.0 + (rebuild - a.1) / (b.1 - a.1) * (b.0 - a.0);
    let mut pairs = costs.windows(2).map(|pair| (pair[0], pair[1]));
    if let Some(pair) = pairs.find(|(a, b)| a.1 < rebuild && b.1 >= rebuild) {
        return Crossing::At(between(pair));
    }
    match costs {
        [.., a, b] if b.1 > a.1 && b.1 < rebuild => Crossing::Beyond(b.0, between((*a, *b))),
        _ => Crossing::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crossing_is_found_between_pushes_or_beyond_them() {
        let costs = [(0.0, 10.0), (0.1, 100.0), (0.2, 300.0)];
        assert_eq!(crossing(&costs, 200.0), Crossing::At(0.15000000000000002));
        let Crossing::Beyond(largest, share) = crossing(&costs, 500.0) else { panic!() };
        assert!(largest == 0.2 && (share - 0.3).abs() < 1e-9, "{share}");
        assert_eq!(crossing(&costs[..1], 500.0), Crossing::Unknown);
    }
}
