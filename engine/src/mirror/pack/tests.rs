//! Packs made by hand.

use super::*;

const MIB: usize = 1 << 20;

/// A pack that is being made.
#[derive(Default)]
struct Draft {
    bytes: Vec<u8>,
    objects: u32,
}

impl Draft {
    /// Adds an entry of a kind, with the reference to its base, and returns its offset.
    fn add(&mut self, kind: u8, base: &[u8], content: &[u8]) -> usize {
        let offset = 12 + self.bytes.len();
        let mut head = vec![kind << 4 | (content.len() & 15) as u8];
        let mut rest = content.len() >> 4;
        while rest > 0 {
            *head.last_mut().unwrap() |= 0x80;
            head.push((rest & 0x7f) as u8);
            rest >>= 7;
        }
        self.bytes.extend([&head, base].concat());
        let level = gix_zlib::Compression::BEST_SPEED;
        let mut deflated = gix_zlib::stream::deflate::Write::new(&mut self.bytes, level);
        deflated.write_all(content).unwrap();
        deflated.flush().unwrap();
        self.objects += 1;
        offset
    }

    /// Returns how the next entry names its base, which is at `base`.
    fn reference(&self, base: usize) -> Vec<u8> {
        let mut distance = 12 + self.bytes.len() - base;
        let mut reference = vec![(distance & 0x7f) as u8];
        distance >>= 7;
        while distance > 0 {
            distance -= 1;
            reference.insert(0, 0x80 | (distance & 0x7f) as u8);
            distance >>= 7;
        }
        reference
    }

    /// Adds a delta on the entry at `base` that replaces the last four of its `size` bytes.
    fn change(&mut self, base: usize, size: usize, end: &[u8; 4]) -> usize {
        let reference = self.reference(base);
        let sizes =
            [(size & 0x7f) as u8 | 0x80, (size >> 7 & 0x7f) as u8 | 0x80, (size >> 14) as u8];
        let kept = size - 4;
        let copy = [0xf0, kept as u8, (kept >> 8) as u8, (kept >> 16) as u8];
        let delta = [&sizes[..], &sizes, &copy, &[4], end].concat();
        self.add(6, &reference, &delta)
    }

    fn finish(self) -> Vec<u8> {
        let version = 2_u32.to_be_bytes();
        let mut pack = [&b"PACK"[..], &version, &self.objects.to_be_bytes()].concat();
        pack.extend(self.bytes);
        let mut hasher = gix::hash::hasher(SHA1);
        hasher.update(&pack);
        pack.extend(hasher.try_finalize().unwrap().as_slice());
        pack
    }
}

fn written(pack: &[u8], limits: PackLimits) -> (Result<WrittenPack, PackError>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let never = gix::objs::find::Never;
    let stop = AtomicBool::new(false);
    let progress = &mut gix::progress::Discard;
    let result = receive(&mut &pack[..], folder.path(), never, limits, progress, &stop);
    (result, std::fs::read_dir(folder.path()).unwrap().count())
}

const LIMITS: PackLimits = PackLimits { object: 2 << 20, held: 8 << 20 };

/// A chain of deltas on a file of a mebibyte, with a leaf at each step or without.
fn chain(length: u32, has_leaves: bool) -> Vec<u8> {
    let mut draft = Draft::default();
    let mut base = draft.add(3, &[], &vec![0; MIB]);
    for n in 0..length {
        if has_leaves {
            draft.change(base, MIB, &(2 * n).to_be_bytes());
        }
        base = draft.change(base, MIB, &(2 * n + 1).to_be_bytes());
    }
    draft.finish()
}

#[test]
fn a_chain_whose_bases_would_all_be_held_is_refused_before_a_delta_is_applied() {
    for (length, has_leaves, expected) in
        [(8, true, None), (9, true, Some(9 << 20)), (100, false, None)]
    {
        let (result, files) = written(&chain(length, has_leaves), LIMITS);
        match expected {
            None => assert_eq!((result.unwrap().objects > length, files), (true, 2), "{length}"),
            Some(bytes) => {
                let Err(PackError::Held(held)) = result else { panic!("{result:?}") };
                assert_eq!((held, files), (bytes, 0));
            }
        }
    }
}

#[test]
fn an_object_that_is_sent_in_more_bytes_than_it_may_have_is_not_kept() {
    let mut noise = 1_u64;
    let mut random = || {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (noise >> 56) as u8
    };
    let bytes: Vec<u8> = (0..3 * MIB).map(|_| random()).collect();
    let mut draft = Draft::default();
    draft.add(3, &[], &bytes);
    let pack = draft.finish();
    let (result, files) = written(&pack, LIMITS);
    assert!(matches!(result, Err(PackError::ObjectTooLarge)), "{result:?}");
    assert_eq!(files, 0);
    let (result, files) = written(&pack, PackLimits { object: 4 << 20, ..LIMITS });
    assert_eq!((result.unwrap().objects, files), (1, 2));
}

#[test]
fn an_object_that_is_larger_than_it_may_be_is_refused_whatever_it_is_stored_as() {
    let blob = |size: usize| {
        let mut draft = Draft::default();
        draft.add(3, &[], &vec![0; size]);
        draft.finish()
    };
    let delta = |base: usize, made: usize| {
        let mut draft = Draft::default();
        let offset = draft.add(3, &[], &vec![0; base.min(MIB)]);
        let size = |size: usize| [0, 7, 14, 21].map(|shift| (size >> shift) as u8 | 0x80);
        let (reference, end) = (draft.reference(offset), [0, 1, b'x']);
        draft.add(6, &reference, &[&size(base)[..], &[0], &size(made), &end].concat());
        draft.finish()
    };
    for (what, pack) in [
        ("a blob", blob(2 * MIB + 1)),
        ("what a delta makes", delta(MIB, 3 * MIB)),
        ("the base of a delta", delta(3 * MIB, 1)),
    ] {
        let (result, files) = written(&pack, LIMITS);
        assert!(matches!(result, Err(PackError::ObjectTooLarge)), "{what}: {result:?}");
        assert_eq!(files, 0);
    }
    let (result, _) = written(&blob(2 * MIB), LIMITS);
    assert_eq!(result.unwrap().objects, 1);
}

#[test]
fn a_pack_may_have_more_than_a_million_objects_and_not_say_so_of_any_number() {
    let mut draft = Draft::default();
    // The same small file, many times: what counts is the number of entries.
    draft.add(3, &[], b"1");
    let entry = draft.bytes.clone();
    let count = 1_100_000;
    draft.bytes = entry.repeat(count as usize);
    draft.objects = count;
    let (result, files) = written(&draft.finish(), LIMITS);
    assert_eq!((result.unwrap().objects, files), (count, 2));
    for said in [4_000_001, u32::MAX] {
        let mut draft = Draft::default();
        draft.add(3, &[], b"1");
        draft.objects = said;
        let (result, files) = written(&draft.finish(), LIMITS);
        assert!(
            matches!(result, Err(PackError::TooManyObjects(n)) if n == said as usize),
            "{result:?}"
        );
        assert_eq!(files, 0);
    }
}

#[test]
fn the_commits_of_a_pack_are_told_whatever_they_are_stored_as() {
    let text = |subject: &str| {
        let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        format!("tree {tree}\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\n{subject}\n")
    };
    let (one, two) = (text("one"), text("two"));
    let mut draft = Draft::default();
    let base = draft.add(1, &[], one.as_bytes());
    draft.add(3, &[], b"a file");
    draft.change(base, one.len(), b"two\n");
    let (result, _) = written(&draft.finish(), LIMITS);
    let mut commits = result.unwrap().commits;
    commits.sort_unstable();
    let id = |text: &str| {
        let kind = gix::objs::Kind::Commit;
        let id = gix::objs::compute_hash(SHA1, kind, text.as_bytes()).unwrap();
        CommitId::from_bytes(id.as_bytes().try_into().unwrap())
    };
    let mut expected = vec![id(&one), id(&two)];
    expected.sort_unstable();
    assert_eq!(commits, expected);
}
