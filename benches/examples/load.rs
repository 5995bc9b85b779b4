//! Loads the head of a repository from nothing, several times, and prints where the time and the
//! memory went: `cargo run --release -p headwater-bench --example load -- mirror.git 5`. With
//! `warm` at the end, it writes the cache if there is none, and otherwise loads the records from
//! it.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::path::Path;
use std::time::Instant;

use headwater_engine::cache::Cache;
use headwater_engine::load::{finish, load, load_cached, prepare};
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let folder = words.next().ok_or("usage: load FOLDER [TIMES]")?;
    let times = words.next().map_or(Ok(1), |times| times.parse())?;
    let mirror = Mirror::open(Path::new(&folder), MirrorOptions::default())?;
    let branch = Mirror::inspect(Path::new(&folder), &MirrorOptions::default().safe_directories)?
        .head_branch
        .ok_or("HEAD names no branch")?;
    let warm = words.next().is_some_and(|word| word == "warm");
    let options = LoadOptions::default();
    let cache = Cache::beside(&mirror, options.record_limit);
    if warm && !cache.path().exists() {
        let objects = mirror.objects()?;
        let head = objects.reference(&format!("refs/heads/{branch}"))?.ok_or("no such branch")?;
        let snapshot = load(&objects, head, &options)?;
        let begun = Instant::now();
        snapshot.save(&cache)?;
        println!("the cache is written in {} ms", begun.elapsed().as_millis());
        return Ok(());
    }
    for _ in 0..times {
        let begun = Instant::now();
        let objects = mirror.objects()?;
        let head = objects.reference(&format!("refs/heads/{branch}"))?.ok_or("no such branch")?;
        if warm {
            let (snapshot, reason) = load_cached(&objects, head, &cache, &options)?;
            let total = begun.elapsed();
            println!("{} records in {} ms: {reason}", snapshot.records(), total.as_millis());
            println!("    {}", memory()?);
            continue;
        }
        let prepared = prepare(&objects, None, head, None, &options)?.ok_or("nothing to load")?;
        println!("    {} with the maps", memory()?);
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

/// Returns the memory of this process, as the system reports it.
fn memory() -> std::io::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let wanted = ["VmHWM", "VmRSS", "RssAnon", "RssFile"];
    let lines = status.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    let words = lines.flat_map(str::split_whitespace);
    Ok(words.collect::<Vec<_>>().join(" "))
}
