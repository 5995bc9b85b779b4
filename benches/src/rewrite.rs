//! Changes to the records of any repository: one word of one string becomes another.
//!
//! The engine decides which word: the first whose change leaves a record with another value. So
//! this works in every format, and breaks no schema and no name.

use std::path::Path;
use std::sync::Arc;

use headwater_engine::layout::SheetSpec;
use headwater_engine::snapshot::Snapshot;
use headwater_testkit::git::git_with_input;

/// The shortest word that is changed.
const WORD: usize = 4;
/// The number of words of a record that are tried.
const TRIES: usize = 20;

/// The records that can be rewritten.
pub struct Rewrites(Vec<Rewrite>);

/// A file, split at the end of a word.
struct Rewrite {
    path: String,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Rewrites {
    /// Finds a word to change in each record of `snapshot`, whose blobs are in the repository `dir`.
    ///
    /// # Panics
    /// Panics if there is no record with a word.
    pub fn of(snapshot: &Snapshot, dir: &Path) -> Self {
        let records: Vec<_> = snapshot
            .sheets()
            .flat_map(|sheet| sheet.records().map(|record| (sheet.spec().clone(), record.clone())))
            .collect();
        let ids: String = records.iter().map(|(_, record)| format!("{}\n", record.blob)).collect();
        let contents = git_with_input(dir, ["cat-file", "--batch"], ids.as_bytes());
        let mut rest = &contents[..];
        let rewrites: Vec<_> = records
            .iter()
            .filter_map(|(spec, record)| Rewrite::find(spec, &record.path(), next_blob(&mut rest)))
            .collect();
        assert!(!rewrites.is_empty(), "the repository has no records with text to rewrite");
        Self(rewrites)
    }

    /// Returns how many records can be rewritten.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is none, which [`of`](Self::of) refuses.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `count` files with another word, spread over the repository and chosen by `round`.
    ///
    /// # Panics
    /// Panics if there are fewer.
    pub fn edits(&self, count: usize, round: u64) -> Vec<(String, Vec<u8>)> {
        let all = self.0.len();
        assert!(count <= all, "there are fewer than {count} records");
        let (first, stride) = (round as usize * 7_919, (all / count.max(1)).max(1));
        (0..count).map(|n| self.0[(first + n * stride) % all].edit(round)).collect()
    }
}

impl Rewrite {
    fn find(spec: &Arc<SheetSpec>, path: &str, bytes: &[u8]) -> Option<Self> {
        let value = spec.decode(path, bytes).ok()?;
        let words = words(bytes).into_iter().rev().take(TRIES);
        let changed = words.map(|end| Self {
            path: path.to_owned(),
            before: bytes[..end].to_vec(),
            after: bytes[end..].to_vec(),
        });
        let names = |json: &headwater_engine::value::Value| -> Vec<String> {
            json.json().members().map(|(name, _)| name.into_owned()).collect()
        };
        changed.into_iter().find(|rewrite| {
            let (path, bytes) = rewrite.edit(0);
            let decoded = spec.decode(&path, &bytes);
            decoded.is_ok_and(|new| new != value && names(&new) == names(&value))
        })
    }

    /// Returns the file with letters for the round after its word.
    fn edit(&self, round: u64) -> (String, Vec<u8>) {
        let digits = round.to_string();
        let letters = digits.bytes().map(|digit| b'a' + (digit - b'0'));
        let bytes = self.before.iter().copied().chain(*b"z").chain(letters);
        (self.path.clone(), bytes.chain(self.after.iter().copied()).collect())
    }
}

/// Returns the ends of the words in `bytes`.
fn words(bytes: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut begun = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !byte.is_ascii_lowercase() {
            if at - begun >= WORD {
                ends.push(at);
            }
            begun = at + 1;
        }
    }
    ends
}

/// Takes the next blob from the output of `git cat-file --batch`.
fn next_blob<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let line = rest.iter().position(|&byte| byte == b'\n').expect("git printed a blob");
    let head = std::str::from_utf8(&rest[..line]).expect("git printed ASCII");
    let size: usize = head.rsplit(' ').next().and_then(|size| size.parse().ok()).expect("a size");
    let blob = &rest[line + 1..line + 1 + size];
    *rest = &rest[line + 2 + size..];
    blob
}
