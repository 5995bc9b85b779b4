//! Reads many blobs at once, passing each to the caller's work on the thread that inflated it.
//!
//! A few blobs are read on the calling thread. Many are spread over the cores: a pack of which a
//! good part is needed is decoded as a whole, in the order of its deltas; the rest is read by
//! location in the packs, which keeps the bases of deltas in the cache.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gix::objs::Kind;
use gix::odb::Header as _;
use gix::odb::pack::{Bundle, Find as _, index};

use super::objects::kind_name;
use super::{ObjectError, Objects};
use crate::fault;
use crate::id::BlobId;

/// The number of blobs from which starting more than one thread pays off.
const MANY: usize = 64;
/// The number of blobs of one pack from which decoding all of it can pay off.
const BULK: usize = 2_000;

/// The content of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobContent<'a> {
    /// Its bytes, for the duration of the call.
    Bytes(&'a [u8]),
    /// The blob is larger than the limit of the call; this is its size. It was not inflated unless
    /// its pack was decoded as a whole.
    TooLarge(u64),
}

impl Objects {
    /// Calls `work` with the content of one blob.
    pub fn read_blob<T>(
        &self,
        id: BlobId,
        limit: u64,
        work: impl FnOnce(BlobContent<'_>) -> T,
    ) -> Result<T, ObjectError> {
        let mut buffer = Vec::new();
        read_one(&self.repo, id, limit, &mut buffer).map(work).map_err(|error| self.noted(error))
    }

    /// Calls `work` once for each blob of `wanted`, with its index in `wanted` and its content, and
    /// returns the results in the order of `wanted`. `limit` returns the most bytes that each may
    /// have.
    ///
    /// With many blobs, `work` runs on several threads and in no particular order. An id may be
    /// given several times; each thread then gets it several times in a row. If a blob is missing or is not a blob, the call ends with an error that
    /// names it.
    pub fn read_each<T: Send>(
        &self,
        wanted: &[BlobId],
        limit: &(dyn Fn(usize) -> u64 + Sync),
        work: impl Fn(usize, BlobContent<'_>) -> T + Sync,
    ) -> Result<Vec<T>, ObjectError> {
        let threads = if wanted.len() < MANY {
            1
        } else {
            thread::available_parallelism().map_or(1, usize::from)
        };
        let unread = |error| unread(wanted, error);
        fault::point("load.read").map_err(unread)?;
        let slots: Vec<Slot<T>> = wanted.iter().map(|_| Mutex::new(None)).collect();
        if wanted.len() >= BULK {
            self.decode_packs(wanted, limit, threads, &slots, &work);
        }
        let left: Vec<usize> = (0..wanted.len()).filter(|at| !is_filled(&slots[*at])).collect();
        let read = self.read_by_place(wanted, left, limit, threads, &slots, &work);
        read.map_err(|error| self.noted(error))?;
        fault::point("load.decoded").map_err(unread)?;
        let results = slots.into_iter().map(|slot| {
            let result = slot.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
            result.expect("every slot was filled or an error was returned")
        });
        Ok(results.collect())
    }

    /// Decodes as a whole those packs of which a good part is wanted.
    ///
    /// A failure here leaves slots empty: reading those blobs one by one reports the error.
    fn decode_packs<T: Send>(
        &self,
        wanted: &[BlobId],
        limit: &(dyn Fn(usize) -> u64 + Sync),
        threads: usize,
        slots: &[Slot<T>],
        work: &(impl Fn(usize, BlobContent<'_>) -> T + Sync),
    ) {
        let Ok(files) = std::fs::read_dir(self.mirror.git_dir().join("objects/pack")) else {
            return;
        };
        let mut places: HashMap<BlobId, Vec<usize>> = HashMap::with_capacity(wanted.len());
        for (at, id) in wanted.iter().enumerate() {
            places.entry(*id).or_default().push(at);
        }
        for file in files.filter_map(Result::ok) {
            let path = file.path();
            if path.extension().is_none_or(|extension| extension != "idx") {
                continue;
            }
            let Ok(bundle) = Bundle::at(&path, gix::hash::Kind::Sha1) else { continue };
            let here = places
                .keys()
                .filter(|id| bundle.index.lookup(gix::ObjectId::Sha1(*id.as_bytes())).is_some())
                .count();
            if here < BULK || here * 4 < bundle.index.num_objects() as usize {
                continue;
            }
            let process = |kind: Kind, data: &[u8], entry: &index::Entry, _: &dyn gix::Progress| {
                let id = BlobId::from_bytes(super::gix_id::sha1(&entry.oid));
                if kind == Kind::Blob
                    && let Some(places) = places.get(&id)
                {
                    for at in places {
                        fill(&slots[*at], || work(*at, content_of(data, limit(*at))));
                    }
                }
                Ok(())
            };
            let options = index::traverse::with_index::Options {
                thread_limit: Some(threads),
                check: index::traverse::SafetyCheck::SkipFileAndObjectChecksumVerification,
                alloc_limit_bytes: usize::try_from(self.mirror.options().object_limit).ok(),
            };
            let outcome = bundle.index.traverse_with_index(
                &bundle.pack,
                process,
                &mut gix::progress::Discard,
                &AtomicBool::new(false),
                options,
            );
            if let Err(error) = outcome {
                tracing::debug!(pack = %path.display(), %error, "pack not decoded as a whole");
            }
        }
    }

    /// Reads the remaining blobs one by one, in the order of the packs, on `threads` threads.
    fn read_by_place<T: Send>(
        &self,
        wanted: &[BlobId],
        mut left: Vec<usize>,
        limit: &(dyn Fn(usize) -> u64 + Sync),
        threads: usize,
        slots: &[Slot<T>],
        work: &(impl Fn(usize, BlobContent<'_>) -> T + Sync),
    ) -> Result<(), ObjectError> {
        if left.len() < MANY {
            left.sort_by_key(|at| wanted[*at]);
        } else {
            let mut buffer = Vec::new();
            // New objects are in memory and in no pack, however often the packs are searched.
            let mut known = self.repo.clone();
            known.objects.refresh_never();
            left.sort_by_cached_key(|at| {
                let id = gix::ObjectId::Sha1(*wanted[*at].as_bytes());
                let place = known.objects.location_by_oid(&id, &mut buffer).ok().flatten();
                (place.map(|place| (place.pack_id, place.pack_offset)), wanted[*at])
            });
        }
        let failed = AtomicBool::new(false);
        let run = |repo: &gix::Repository, part: &[usize]| {
            let mut buffer = Vec::new();
            for at in part {
                if failed.load(Ordering::Relaxed) {
                    break;
                }
                match read_one(repo, wanted[*at], limit(*at), &mut buffer) {
                    Ok(content) => fill(&slots[*at], || work(*at, content)),
                    Err(error) => {
                        failed.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
            Ok(())
        };
        if threads == 1 || left.len() < MANY {
            return run(&self.repo, &left);
        }
        let part = left.len().div_ceil(threads);
        thread::scope(|scope| {
            let run = &run;
            let workers: Vec<_> = left
                .chunks(part)
                .map(|part| {
                    let repo = self.repo.clone();
                    scope.spawn(move || run(&repo, part))
                })
                .collect();
            workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }
}

/// Returns an error that concerns no particular blob as an error of the first one.
fn unread(wanted: &[BlobId], error: std::io::Error) -> ObjectError {
    let first = wanted.first().map_or([0; 20], |id| *id.as_bytes());
    ObjectError::unreadable(&gix::ObjectId::Sha1(first), error)
}

type Slot<T> = Mutex<Option<T>>;

fn is_filled<T>(slot: &Slot<T>) -> bool {
    slot.lock().is_ok_and(|slot| slot.is_some())
}

fn fill<T>(slot: &Slot<T>, result: impl FnOnce() -> T) {
    fault::step("load.decode");
    // A blob can be in several packs; the work is done once.
    if !is_filled(slot) {
        let result = result();
        *slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(result);
    }
}

fn content_of(data: &[u8], limit: u64) -> BlobContent<'_> {
    if data.len() as u64 > limit {
        BlobContent::TooLarge(data.len() as u64)
    } else {
        BlobContent::Bytes(data)
    }
}

fn read_one<'a>(
    repo: &gix::Repository,
    id: BlobId,
    limit: u64,
    buffer: &'a mut Vec<u8>,
) -> Result<BlobContent<'a>, ObjectError> {
    use gix::objs::Find as _;
    let oid = gix::ObjectId::Sha1(*id.as_bytes());
    let missing = || ObjectError::missing(repo, &oid);
    let unreadable = |error: gix::Error| ObjectError::unreadable(&oid, error);
    let header = repo.objects.try_header(&oid).map_err(unreadable)?.ok_or_else(missing)?;
    if header.kind() != Kind::Blob {
        let found = kind_name(header.kind());
        return Err(ObjectError::WrongKind { id: id.to_string(), found, wanted: "blob" });
    }
    if header.size() > limit {
        return Ok(BlobContent::TooLarge(header.size()));
    }
    let data = repo.objects.try_find(&oid, buffer).map_err(unreadable)?.ok_or_else(missing)?;
    Ok(content_of(data.data, limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;

    fn owned(content: BlobContent<'_>) -> Result<Vec<u8>, u64> {
        match content {
            BlobContent::Bytes(bytes) => Ok(bytes.to_owned()),
            BlobContent::TooLarge(size) => Err(size),
        }
    }

    /// Returns the blobs of a branch of `count` files in one folder, with their contents.
    fn many_files(repository: &TestRepository, count: usize) -> Vec<(BlobId, Vec<u8>)> {
        let contents: Vec<(String, String)> = (0..count)
            .map(|n| (format!("people/{n:05}.toml"), format!("name = \"{n}\"\n{}", "x".repeat(80))))
            .collect();
        let files: Vec<(&str, &str)> =
            contents.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        repository.commit_files("main", &files);
        let objects = repository.objects();
        let changes = objects.diff(None, Some(repository.tree_of("main"))).unwrap();
        changes
            .iter()
            .zip(&contents)
            .map(|(change, (_, text))| (change.new.unwrap().id, text.clone().into_bytes()))
            .collect()
    }

    #[test]
    fn many_blobs_come_back_in_the_order_they_were_wanted() {
        let repository = TestRepository::bare();
        let blobs = many_files(&repository, 3_000);
        for count in [1, 10, MANY, 500, 3_000] {
            let (wanted, expected): (Vec<_>, Vec<_>) =
                blobs.iter().rev().take(count).cloned().unzip();
            let read = repository
                .objects()
                .read_each(&wanted, &|_| 1 << 20, |at, content| (at, owned(content).unwrap()));
            let expected: Vec<_> = expected.into_iter().enumerate().collect();
            assert_eq!(read.unwrap(), expected, "{count} blobs");
        }
    }

    #[test]
    fn loose_and_repeated_blobs_are_read_among_packed_ones() {
        let repository = TestRepository::bare();
        let mut blobs = many_files(&repository, BULK + 10);
        blobs.insert(5, (repository.write_blob(b"loose"), b"loose".to_vec()));
        blobs.push(blobs[7].clone());
        let (wanted, expected): (Vec<_>, Vec<_>) = blobs.into_iter().unzip();
        let read =
            repository.objects().read_each(&wanted, &|_| 1 << 20, |_, content| owned(content));
        assert_eq!(read.unwrap(), expected.into_iter().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn a_blob_above_the_limit_is_told_by_its_size() {
        let repository = TestRepository::bare();
        let (small, large) =
            (repository.write_blob(&[b'a'; 100]), repository.write_blob(&[b'b'; 101]));
        let read =
            repository.objects().read_each(&[small, large], &|_| 100, |_, content| owned(content));
        assert_eq!(read.unwrap(), [Ok(vec![b'a'; 100]), Err(101)]);
    }

    #[test]
    fn a_missing_blob_is_an_error_that_names_it() {
        let repository = TestRepository::bare();
        let absent = BlobId::from_bytes([7; 20]);
        let mut wanted: Vec<_> =
            many_files(&repository, 200).into_iter().map(|(id, _)| id).collect();
        wanted.insert(50, absent);
        let error = repository.objects().read_each(&wanted, &|_| 100, |_, _| ()).unwrap_err();
        assert!(
            matches!(&error, ObjectError::Missing { id, promised: false } if *id == absent.to_string())
        );
    }

    #[test]
    fn a_tree_is_not_a_blob() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let tree = BlobId::from_bytes(*repository.tree_of("main").as_bytes());
        let error = repository.objects().read_blob(tree, 100, |_| ()).unwrap_err();
        assert!(matches!(error, ObjectError::WrongKind { found: "tree", wanted: "blob", .. }));
    }
}
