//! Changed inputs of the corpora: a fuzzer without coverage, which needs no other compiler and runs
//! on every change.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

use headwater_fuzz::TARGETS;

/// The longest input, in bytes.
const LONGEST: usize = 64 << 10;

/// Pseudo-random numbers, the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    /// Returns a part of `bytes`.
    fn part<'b>(&mut self, bytes: &'b [u8], most: usize) -> &'b [u8] {
        let start = self.below(bytes.len() + 1);
        let length = self.below(most.min(bytes.len() - start) + 1);
        &bytes[start..start + length]
    }
}

/// Returns one of the inputs, with some changes.
fn mutated(corpus: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut input = corpus[numbers.below(corpus.len())].clone();
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(input.len() + 1);
        match numbers.below(6) {
            0 if at < input.len() => input[at] = numbers.below(256) as u8,
            1 if at < input.len() => input[at] ^= 1 << numbers.below(8),
            2 => {
                let end = (at + numbers.below(40)).min(input.len());
                drop(input.drain(at..end));
            }
            3 => {
                // A part of another one, or of itself.
                let other = &corpus[numbers.below(corpus.len())];
                let part = numbers.part(other, 200).to_vec();
                drop(input.splice(at..at, part));
            }
            4 => {
                let part = numbers.part(&input, 40).to_vec();
                let many = part.repeat(1 + numbers.below(64));
                drop(input.splice(at..at, many));
            }
            _ => input.insert(at, b"()[]{}\"'\\,.:-\n0"[numbers.below(15)]),
        }
    }
    input.truncate(LONGEST);
    input
}

#[test]
fn nothing_panics_on_changed_inputs() {
    let setting = |name: &str| std::env::var(name).ok();
    let runs = setting("HEADWATER_MUTATIONS").and_then(|runs| runs.parse().ok()).unwrap_or(200_u64);
    let only = setting("HEADWATER_MUTATED");
    let seed = setting("HEADWATER_MUTATION_SEED").and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let targets = TARGETS.iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name));
    let mut tried = 0_u64;
    for (name, target) in targets {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).join(name);
        let mut files: Vec<_> =
            fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
        // The order of a folder is that of the file system.
        files.sort();
        let corpus: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
        let mut numbers = Numbers(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15) | 1);
        let mut slowest = Duration::ZERO;
        // Each run of this one makes a repository.
        let runs = if *name == "history" { runs.div_ceil(20) } else { runs };
        for _ in 0..runs {
            let input = mutated(&corpus, &mut numbers);
            let begun = Instant::now();
            let ran = catch_unwind(|| target(&input));
            assert!(ran.is_ok(), "{name} panics on {:?}", String::from_utf8_lossy(&input));
            slowest = slowest.max(begun.elapsed());
            tried += 1;
        }
        println!("{name}: {runs} runs, slowest {slowest:?}");
    }
    assert!(tried > 0, "there is no such target");
}
