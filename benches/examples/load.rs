//! Loads the head of a repository from nothing, some times over, and prints where the time and the
//! memory went: `cargo run --release -p headwater-bench --example load -- mirror.git 5`.
#![expect(clippy::print_stdout, reason = "what it measures is what it is for")]

use std::path::Path;
use std::time::Instant;

use headwater_engine::load::{finish, prepare};
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let folder = words.next().ok_or("usage: load FOLDER [TIMES]")?;
    let times = words.next().map_or(Ok(1), |times| times.parse())?;
    let mirror = Mirror::open(Path::new(&folder), MirrorOptions::default())?;
    let branch = Mirror::inspect(Path::new(&folder))?.head_branch.ok_or("HEAD names no branch")?;
    let options = LoadOptions::default();
    for _ in 0..times {
        let begun = Instant::now();
        let objects = mirror.objects()?;
        let head = objects.reference(&format!("refs/heads/{branch}"))?.ok_or("no such branch")?;
        let prepared = prepare(&objects, None, head, None, &options)?.ok_or("nothing to load")?;
        let (snapshot, _, timings) = finish(&objects, prepared, &options)?;
        let total = begun.elapsed();
        let stages = timings.stages().map(|(name, time)| format!("{name} {}", time.as_millis()));
        let records = snapshot.records();
        println!("{records} records in {} ms: {}", total.as_millis(), stages.join(", "));
        println!("    {}", memory()?);
        drop(snapshot);
    }
    Ok(())
}

/// Returns what the system says of our memory.
fn memory() -> std::io::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let wanted = ["VmHWM", "VmRSS", "RssAnon", "RssFile"];
    let lines = status.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    let words = lines.flat_map(str::split_whitespace);
    Ok(words.collect::<Vec<_>>().join(" "))
}
