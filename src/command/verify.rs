//! `headwater verify`: checks the law on a real history.

use std::io::Write;
use std::time::Duration;

use headwater_engine::replay::{Difference, ReplayStep, replay};

use super::messages::count;
use super::repository::{Repository, unreadable};
use crate::cli::ReadArgs;
use crate::config::Environment;
use crate::exit::{Exit, Failure};

/// The part of a history that is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The last commits along the first parents.
    Last(usize),
    /// Every reachable commit, merged ones included.
    All,
}

/// Replays commits by their differences, oldest first, and compares each state with a rebuild.
/// Exits with 1 if any differs.
///
/// # Errors
/// Fails if a commit cannot be read at all.
pub fn verify(
    arguments: &ReadArgs,
    extent: Extent,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let (repository, rev) = Repository::at(arguments, environment)?;
    let head = repository.resolve(&rev)?;
    let commits = match extent {
        Extent::Last(limit) => repository.objects.first_parents(head, limit),
        Extent::All => repository.objects.history(head, usize::MAX),
    };
    let mut commits = commits.map_err(|error| Failure::caused_by(Exit::Data, &error))?;
    commits.reverse();
    let mut totals = Totals::default();
    let mut written = Ok(());
    let mut tell = |step: ReplayStep| {
        totals.add(&step);
        if written.is_ok() {
            written = write_step(&step, out);
        }
    };
    replay(&repository.objects, &commits, &repository.options, &mut tell)
        .map_err(|error| unreadable(&error))?;
    written?;
    writeln!(out, "{}", totals.summary())?;
    Ok(if totals.differences == 0 { Exit::Success } else { Exit::Found })
}

#[derive(Default)]
struct Totals {
    commits: usize,
    rebuilt: usize,
    differences: usize,
    reload: Duration,
    rebuild: Duration,
}

impl Totals {
    fn add(&mut self, step: &ReplayStep) {
        self.commits += 1;
        self.rebuilt += usize::from(step.reason.is_some());
        self.differences += usize::from(step.difference.is_some());
        self.reload += step.reload;
        self.rebuild += step.rebuild;
    }

    fn summary(&self) -> String {
        format!(
            "{}, {} applied as a difference, {} rebuilt; reloads took {:.1} s, rebuilds {:.1} s; {}",
            count(self.commits, "commit"),
            self.commits - self.rebuilt,
            self.rebuilt,
            self.reload.as_secs_f64(),
            self.rebuild.as_secs_f64(),
            count(self.differences, "difference"),
        )
    }
}

fn write_step(step: &ReplayStep, out: &mut (dyn Write + Send)) -> std::io::Result<()> {
    let how = step.reason.map_or("applied", |reason| reason.as_str());
    let verdict = if step.difference.is_some() { "DIFFERENT" } else { "equal" };
    writeln!(
        out,
        "{} {verdict} {how} {}, {}, reload {:.1} ms, rebuild {:.1} ms",
        step.commit,
        count(step.records, "record"),
        count(step.problems, "problem"),
        step.reload.as_secs_f64() * 1e3,
        step.rebuild.as_secs_f64() * 1e3,
    )?;
    if let Some(Difference { reloaded, rebuilt }) = &step.difference {
        for (label, line) in [("reload ", reloaded), ("rebuild", rebuilt)] {
            writeln!(out, "  {label}: {}", line.as_deref().unwrap_or("nothing"))?;
        }
    }
    Ok(())
}
