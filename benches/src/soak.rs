//! Thousands of pushes in a row with reads going on: shows what stays constant, and what grows.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::clone::Clone;
use crate::deployment::Deployment;
use crate::load::{Reads, open_loop};
use crate::plot::{Line, Panel, Scale};
use crate::progress::tell;
use crate::routes::Routes;
use crate::row::number;
use crate::samples::Samples;
use crate::source::Source;

/// The number of rows of a run.
const ROWS: usize = 50;
/// The remote is packed after this many rows.
const PACKED: usize = 10;
/// Reads per second during the pushes.
const READS: usize = 50;
/// How long each loop of reads runs before it checks whether it is over.
const TURN: Duration = Duration::from_millis(500);

/// The measurements during one fiftieth of the pushes, and after it.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// The number of pushes so far.
    pub pushes: usize,
    /// The duration of the reloads, from the webhook to its answer, in milliseconds.
    pub whole: Samples,
    /// The same without the fetch.
    pub stages: Samples,
    /// The reads during the pushes.
    pub reads: Reads,
    /// Resident memory, in megabytes.
    pub resident: f64,
    /// Packs and loose objects of the mirror.
    pub objects: (usize, usize),
    /// Segments of the text index, if the server reports them.
    pub segments: f64,
    /// Open files and sockets.
    pub files: usize,
    /// The sizes of the mirror and of a fresh clone, in megabytes.
    pub disk: (f64, f64),
}

/// A column of the table and of the JSON.
type Column = (&'static str, fn(&Stretch) -> f64);

const COLUMNS: [Column; 12] = [
    ("pushes", |s| s.pushes as f64),
    ("reload p50, ms", |s| s.whole.median()),
    ("reload p95, ms", |s| s.whole.percentile(0.95)),
    ("without the fetch p50, ms", |s| s.stages.median()),
    ("without the fetch p95, ms", |s| s.stages.percentile(0.95)),
    ("reads p99, ms", |s| s.reads.times.percentile(0.99)),
    ("resident, MB", |s| s.resident),
    ("packs", |s| s.objects.0 as f64),
    ("loose objects", |s| s.objects.1 as f64),
    ("text segments", |s| s.segments),
    ("open files", |s| s.files as f64),
    ("disk, × a fresh clone", |s| s.disk.0 / s.disk.1),
];

/// Makes `pushes` pushes of one record each to `source` and returns the measurements.
///
/// # Panics
/// Panics if a reload fails.
pub fn run(source: &mut Source, pushes: usize) -> Vec<Stretch> {
    let routes = Routes::of(&source.snapshot());
    let paths: Vec<&str> = routes.iter().map(|(_, _, path)| path).collect();
    let deployment = Deployment::of(source);
    let (size, mut seen) = (pushes.div_ceil(ROWS), Vec::new());
    let mut done = 0;
    while done < pushes {
        let series = source.series(size.min(pushes - done));
        done += series.len();
        let stretch = run_stretch(source, &deployment, &paths, &series, done);
        tell(&format!("{done} pushes, reload p50 {} ms", number(stretch.whole.median())));
        seen.push(stretch);
        if seen.len().is_multiple_of(PACKED) {
            source.repack();
        }
    }
    seen
}

fn run_stretch(
    source: &mut Source,
    deployment: &Deployment,
    paths: &[&str],
    series: &[String],
    pushes: usize,
) -> Stretch {
    let server = &deployment.server;
    let (mut whole, mut stages) = (Samples::default(), Samples::default());
    let over = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut reads = Reads::default();
            while !over.load(Ordering::Relaxed) {
                reads.extend(&open_loop(server.address(), paths, READS, TURN));
            }
            reads
        });
        for commit in series {
            source.upstream.reset_to(commit);
            let reload = deployment.reload();
            whole.push(reload.whole);
            stages.push(reload.stages);
        }
        over.store(true, Ordering::Relaxed);
        reading.join().expect("a reader does not panic")
    });
    let mirror = deployment.mirror();
    let fresh = Clone::of(&source.upstream);
    let megabytes = |path: &Path| Clone::disk(path) as f64 / 1e6;
    Stretch {
        pushes,
        whole,
        stages,
        reads,
        resident: server.memory().resident,
        objects: Clone::objects(&mirror),
        segments: server.metric("headwater_text_segments").unwrap_or(f64::NAN),
        files: server.open_files(),
        disk: (megabytes(&mirror), megabytes(fresh.path())),
    }
}

/// Returns the table, and below it a comparison of the last tenth with the first.
pub fn markdown(seen: &[Stretch]) -> String {
    let cells = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = cells(COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect());
    out += &cells(COLUMNS.iter().map(|_| "---".to_owned()).collect());
    for stretch in seen {
        out += &cells(COLUMNS.iter().map(|(_, of)| short(of(stretch))).collect());
    }
    let tenth = seen.len().div_ceil(10);
    let all = |stretches: &[Stretch], of: fn(&Stretch) -> &Samples| {
        let mut all = Samples::default();
        stretches.iter().for_each(|stretch| all.extend(of(stretch)));
        all.median()
    };
    let (first, last) = (&seen[..tenth], &seen[seen.len() - tenth..]);
    let ratio = |of| all(last, of) / all(first, of);
    let most = |of: fn(&Stretch) -> f64| seen.iter().map(of).fold(f64::NAN, f64::max);
    let failed: usize = seen.iter().map(|stretch| stretch.reads.failed).sum();
    let reads: usize = seen.iter().map(|stretch| stretch.reads.times.len()).sum();
    out + &format!(
        "\n- p50 of the last tenth against the first: {:.2} × for the whole reload, {:.2} × without \
         the fetch (goal ≤ 1.3 ×)\n- disk of the mirror at most {:.2} × a fresh clone (goal ≤ 3 ×)\n\
         - packs at most {}, resident memory at most {} MB\n- {failed} of {reads} reads failed\n",
        ratio(|stretch| &stretch.whole),
        ratio(|stretch| &stretch.stages),
        most(|stretch| stretch.disk.0 / stretch.disk.1),
        most(|stretch| stretch.objects.0 as f64),
        number(most(|stretch| stretch.resident)),
    )
}

/// Returns the same as JSON.
pub fn json(seen: &[Stretch]) -> Value {
    let row = |stretch: &Stretch| -> Value {
        COLUMNS.iter().map(|(name, of)| ((*name).to_owned(), json!(of(stretch)))).collect()
    };
    seen.iter().map(row).collect()
}

/// Returns the panels to plot.
pub fn panels(seen: &[Stretch]) -> Vec<Panel> {
    let panel = |title: &str, columns: &[usize]| Panel {
        title: title.to_owned(),
        across: "pushes".to_owned(),
        scales: (Scale::Linear, Scale::Linear),
        lines: columns.iter().map(|column| line(seen, COLUMNS[*column])).collect(),
    };
    vec![
        panel("Reload with the fetch, ms", &[1, 2]),
        panel("Reload without the fetch, ms", &[3, 4]),
        panel("Reads meanwhile, ms", &[5]),
        panel("Resident memory, MB", &[6]),
        panel("What the mirror and the index consist of", &[7, 9, 10]),
        panel("Disk against a fresh clone", &[11]),
    ]
}

fn line(seen: &[Stretch], (name, of): Column) -> Line {
    let points = seen.iter().map(|stretch| (stretch.pushes as f64, of(stretch))).collect();
    Line { name: name.to_owned(), points }
}

/// Writes whole numbers without a fraction.
fn short(value: f64) -> String {
    if value.fract() == 0.0 {
        number(value).split('.').next().unwrap_or_default().to_owned()
    } else {
        number(value)
    }
}
