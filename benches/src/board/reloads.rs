//! The time from the push to the swap, compared with git and today's pipeline for the same push.

use headwater_testkit::corpus::Civic;

use super::{Effort, absolute, records};
use crate::clone::Clone;
use crate::deployment::Deployment;
use crate::peer::{Peer, STAGES};
use crate::progress::tell;
use crate::row::{Goal, Row, Unit};
use crate::samples::Samples;
use crate::source::Source;

/// The numbers of records that the pushes change.
const SIZES: [usize; 3] = [1, 10, 1_000];

/// The number of folders, where the people are not all in one.
const FOLDERS: usize = 256;

/// Returns the rows of whole reloads against git, and of their stages.
pub(super) fn rows(source: &mut Source, effort: &Effort) -> Vec<Row> {
    let deployment = Deployment::of(source);
    let (fetching, reading) = (Clone::of(&source.upstream), Clone::of(&source.upstream));
    let mut rows = Vec::new();
    let changeable = source.changeable();
    for size in SIZES.into_iter().filter(|size| size * 4 <= changeable) {
        // A third of the large pushes is enough: they take as long to make as to measure.
        let pushes = if size > 100 { effort.pushes.div_ceil(3) } else { effort.pushes };
        let (mut whole, mut fetch) = (Samples::default(), Samples::default());
        let (mut stages, mut floor) = (Samples::default(), Samples::default());
        for turn in 0..pushes {
            let commit = source.push(size);
            // The first one finds the objects of the remote cold, so they take turns.
            for place in 0..3 {
                match (turn + place) % 3 {
                    0 => {
                        let reload = deployment.reload_to(commit);
                        whole.push(reload.whole);
                        stages.push(reload.stages);
                        deployment.server.rest();
                    }
                    1 => fetch.time(|| fetching.fetch()),
                    _ => drop(floor.time(|| reading.fetch_and_read())),
                }
            }
        }
        let what = format!("reload of {}, webhook to 200", records(size));
        let row = |id: &str, what: String, samples| {
            Row::new(format!("{id}-{size}"), what, Unit::Milliseconds, samples)
        };
        let against_fetch =
            row("reload", what.clone(), whole.clone()).against("`git fetch`", fetch);
        rows.push(against_fetch.goal(Goal::RatioMost(if size == 1 { 0.6 } else { 1.0 })));
        let git = "`git fetch`, `diff-tree -r`, `cat-file --batch`";
        rows.push(row("reload-floor", what, whole).against(git, floor));
        let what = format!("reload of {} without the fetch, p50", records(size));
        match size {
            1 => {
                let stages = deployment.reload_series(source, effort.stages);
                let most = absolute(source, Goal::Most(2.0));
                rows.push(row("stages", what, stages.clone()).goal(most));
                let what = "reload of 1 record without the fetch, p99".to_owned();
                let most = absolute(source, Goal::Most(6.0));
                rows.push(row("stages-p99", what, stages).at(0.99).goal(most));
                // Git must fetch the same pushes before the next can be measured.
                fetching.fetch();
                reading.fetch();
            }
            1_000 => {
                let most = absolute(source, Goal::Most(40.0));
                rows.push(row("stages", what, stages).goal(most));
            }
            _ => rows.push(row("stages", what, stages)),
        }
    }
    rows.extend(redefinition(source, effort, &deployment));
    // It has a goal of its own, and takes as long for any other corpus.
    rows.extend(source.has_goals().then(|| in_folders(effort)));
    rows
}

/// Returns the row of a push to people in many folders: no folder that is walked is large.
fn in_folders(effort: &Effort) -> Row {
    let mut source = Source::civic(Civic::sharded(32_000, FOLDERS));
    let stages = Deployment::of(&source).reload_series(&mut source, effort.stages);
    let what = format!("people in {FOLDERS} folders: reload of 1 record without the fetch, p50");
    let row = Row::new("stages-folders", what, Unit::Milliseconds, stages);
    row.goal(Goal::Most(1.0))
}

/// Returns the row of a changed definition, or none if the definitions are not known.
fn redefinition(source: &mut Source, effort: &Effort, deployment: &Deployment) -> Option<Row> {
    let mut stages = Samples::default();
    for _ in 0..effort.pushes {
        source.redefine()?;
        stages.push(deployment.reload().stages);
        deployment.server.rest();
    }
    let what = "definition of one sheet of 200 records changed, without the fetch";
    let most = absolute(source, Goal::Most(20.0));
    Some(Row::new("redefinition", what, Unit::Milliseconds, stages).goal(most))
}

/// Returns the rows against today's pipeline, or none if it cannot run.
pub(super) fn against_pipeline(source: &mut Source, effort: &Effort) -> Vec<Row> {
    let mut peer = match Peer::start(&source.upstream) {
        Ok(peer) => peer,
        Err(why) => {
            tell(&format!("skipping today's pipeline: {why}"));
            return Vec::new();
        }
    };
    let deployment = Deployment::of(source);
    let (mut whole, mut stages) = (Samples::default(), Samples::default());
    for turn in 0..effort.pipeline {
        source.push(1);
        for place in 0..2 {
            if (turn + place) % 2 == 0 {
                let reload = deployment.reload();
                whole.push(reload.whole);
                stages.push(reload.stages);
                deployment.server.rest();
            } else {
                peer.reload();
            }
        }
    }
    let name = "today's pipeline (gitsheets, SQLite FTS5)";
    let row = |id: &str, what: &str, samples| Row::new(id, what, Unit::Milliseconds, samples);
    let mut rows = vec![
        row("pipeline", "reload of 1 record, webhook to 200", whole)
            .against(name, peer.total(true)),
        row("pipeline-stages", "reload of 1 record without the fetch", stages)
            .against(name, peer.total(false)),
    ];
    rows.extend(STAGES.iter().map(|stage| {
        let what = format!("today's pipeline alone: {stage}");
        row(&format!("pipeline-{stage}"), &what, peer.stages[stage].clone())
    }));
    rows
}
