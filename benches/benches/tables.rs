//! One changed row in a file of 200,000, compared with the time that git needs to read both
//! versions of the file.

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use headwater_engine::id::{BlobId, CommitId};
use headwater_engine::load::{advance, load};
use headwater_engine::mirror::{Mirror, MirrorOptions, Objects};
use headwater_engine::options::LoadOptions;
use headwater_testkit::Upstream;

const ROWS: usize = 200_000;

/// Returns a file of about 20 MB, whose middle row contains `word`.
fn file(format: &str, word: &str) -> String {
    let said = |n: usize| if n == ROWS / 2 { word } else { "plain" };
    let line = |n: usize| {
        let note = format!("{} words about row {n} of this table, as people write them", said(n));
        match format {
            "csv" => format!("r{n},Name {n},{},\"{note}\"", n % 97),
            _ => format!(
                "{{\"id\": \"r{n}\", \"name\": \"Name {n}\", \"rank\": {}, \"note\": \"{note}\"}}",
                n % 97
            ),
        }
    };
    let lines: Vec<String> = (0..ROWS).map(line).collect();
    match format {
        "csv" => format!("id,name,rank,note\n{}\n", lines.join("\n")),
        "json" => format!("[\n{}\n]\n", lines.join(",\n")),
        _ => lines.join("\n") + "\n",
    }
}

/// Lets git print two blobs.
fn cat(repo: &Path, blobs: [BlobId; 2]) -> usize {
    let mut git = Command::new("git");
    git.arg("-C").arg(repo).args(["cat-file", "--batch"]);
    git.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut git = git.spawn().unwrap_or_else(|error| panic!("git: {error}"));
    let asked = format!("{}\n{}\n", blobs[0], blobs[1]);
    let stdin = git.stdin.take().map(|mut stdin| stdin.write_all(asked.as_bytes()));
    assert!(matches!(stdin, Some(Ok(()))), "git takes the ids");
    let output = git.wait_with_output().unwrap_or_else(|error| panic!("git: {error}"));
    output.stdout.len()
}

fn blob(objects: &Objects, commit: CommitId, path: &str) -> BlobId {
    let tree = objects.commit(commit).map(|facts| facts.tree);
    let entry = tree.and_then(|tree| objects.entry_at(tree, path.as_bytes()));
    let entry = entry.ok().flatten().unwrap_or_else(|| panic!("{path} is not in {commit}"));
    BlobId::from_bytes(entry.id)
}

fn one_row(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one row of 200,000");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    for format in ["csv", "ndjson", "json"] {
        let path = format!("data/all.{format}");
        let mut upstream = Upstream::new();
        let commits = ["plain", "changed"].map(|word| -> CommitId {
            let commit = upstream.commit(word).put(path.as_str(), file(format, word)).push();
            commit.parse().unwrap_or_else(|error| panic!("{commit}: {error}"))
        });
        let mirror = Mirror::open(upstream.path(), MirrorOptions::default());
        let objects = mirror.and_then(|mirror| mirror.objects());
        let objects = objects.unwrap_or_else(|error| panic!("no handle: {error}"));
        let options = LoadOptions::default();
        let base = load(&objects, commits[0], &options).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(base.records(), ROWS);
        group.bench_function(format!("reload/{format}"), |bencher| {
            bencher.iter(|| {
                let next = advance(&objects, Some(&base), commits[1], &options);
                black_box(next.map(|(next, _)| next.records()))
            });
        });
        let blobs = commits.map(|commit| blob(&objects, commit, &path));
        group.bench_function(format!("git cat-file/{format}"), |bencher| {
            bencher.iter(|| cat(upstream.path(), blobs));
        });
    }
    group.finish();
}

criterion_group!(benches, one_row);
criterion_main!(benches);
