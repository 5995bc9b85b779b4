//! The corpus "civic-N": a civic-tech group with N people and everything that belongs to them.
//!
//! Records are a pure function of their sheet and number, so any of them can be made alone, the
//! same size gives the same repository everywhere, and nothing is held in memory.

mod definitions;
mod records;
mod rng;
mod toml;
mod words;

use crate::Upstream;

pub use rng::SplitMix64;

/// Returns the corpus "civic-N" for `people` people in one flat folder.
///
/// `civic(32_000)` has 41,747 records: 32,000 people, 320 projects (N/100), 3,200 memberships
/// (N/10), 1,600 updates (N/20), 4,000 tag assignments (N/8), 160 roles and 160 buzz (N/200 each),
/// 107 blog posts (N/300) and 200 tags; fractions are rounded up.
///
/// # Panics
///
/// Panics if `people` is 0, because every other record names one of them.
pub fn civic(people: usize) -> Civic {
    assert!(people > 0, "a corpus needs people");
    Civic { people, folders: None }
}

/// A corpus of a given size; see [`civic`] and [`Civic::sharded`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Civic {
    people: usize,
    folders: Option<usize>,
}

/// A sheet of the corpus and its number of records.
type Count = (&'static str, usize);

impl Civic {
    /// Returns a corpus of only `people` people of about 650 bytes, spread evenly over `folders`
    /// folders below `people/`: the shape of a repository with a million records.
    ///
    /// # Panics
    ///
    /// Panics if `people` or `folders` is 0.
    pub fn sharded(people: usize, folders: usize) -> Self {
        assert!(people > 0 && folders > 0, "a sharded corpus needs people and folders");
        Self { people, folders: Some(folders) }
    }

    /// Returns the number of people.
    pub fn people(&self) -> usize {
        self.people
    }

    /// Returns the sheets with their numbers of records.
    pub fn counts(&self) -> Vec<Count> {
        let n = self.people;
        let mut counts = vec![("people", n)];
        if self.folders.is_none() {
            counts.extend([
                ("projects", n.div_ceil(100)),
                ("project-memberships", n.div_ceil(10)),
                ("project-updates", n.div_ceil(20)),
                ("tag-assignments", n.div_ceil(8)),
                ("help-wanted-roles", n.div_ceil(200)),
                ("project-buzz", n.div_ceil(200)),
                ("blog-posts", n.div_ceil(300)),
                ("tags", records::TAGS),
            ]);
        }
        counts
    }

    /// Returns the number of records in all sheets together.
    pub fn records(&self) -> usize {
        self.counts().iter().map(|(_, count)| count).sum()
    }

    /// Returns every file, the definitions in `.gitsheets` first, then sheet by sheet.
    pub fn files(&self) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
        let definitions = self.counts().into_iter().map(|(sheet, _)| {
            let text = definitions::text(sheet, self.folders.is_some());
            (format!(".gitsheets/{sheet}.toml"), text.into_bytes())
        });
        let records = self
            .counts()
            .into_iter()
            .flat_map(move |(sheet, count)| (0..count).map(move |i| self.record(sheet, i)));
        definitions.chain(records)
    }

    /// Commits all files on top of the branch of `upstream` in one stream and returns the commit.
    pub fn write_to(&self, upstream: &mut Upstream) -> String {
        let message = format!("civic-{}: import {} records", self.people, self.records());
        upstream.commit_stream(&message, self.files())
    }

    /// Returns the key of person `i` in the sheet `people`.
    pub fn person_key(&self, i: usize) -> String {
        let slug = records::person_slug(i);
        match self.folders {
            Some(folders) => format!("{}/{slug}", records::shard(i, folders)),
            None => slug,
        }
    }

    /// Returns the path and the new bytes of person `i` changed in `round`: another bio and a later
    /// `updatedAt`. All rounds of a person differ from each other, and round 0 is the person of
    /// [`files`](Self::files).
    pub fn edit(&self, i: usize, round: u64) -> (String, Vec<u8>) {
        assert!(i < self.people, "there is no person {i}");
        records::person(self, i, round)
    }

    /// Returns `count` edits of different people for one push, spread over the corpus and chosen by
    /// `round`.
    pub fn edits(&self, count: usize, round: u64) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
        assert!(count <= self.people, "there are fewer than {count} people");
        let first = SplitMix64::new(round).below(self.people);
        let stride = (self.people / count.max(1)).max(1);
        (0..count).map(move |n| self.edit((first + n * stride) % self.people, round))
    }

    fn record(&self, sheet: &str, i: usize) -> (String, Vec<u8>) {
        match sheet {
            "people" => records::person(self, i, 0),
            "projects" => records::project(self, i),
            "project-memberships" => records::membership(self, i),
            "project-updates" => records::update(self, i),
            "tag-assignments" => records::tag_assignment(self, i),
            "help-wanted-roles" => records::role(self, i),
            "project-buzz" => records::buzz(self, i),
            "blog-posts" => records::blog_post(self, i),
            _ => records::tag(i),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::git;

    /// Parses `bytes` with the library that gitsheets uses and returns what it would write.
    fn canonical(bytes: &[u8]) -> String {
        let text = std::str::from_utf8(bytes).unwrap();
        let value: toml_v08::Value = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
        toml_v08::to_string(&value).unwrap()
    }

    #[test]
    fn civic_32k_has_the_records_of_the_design() {
        assert_eq!(civic(32_000).records(), 41_747);
    }

    #[test]
    fn every_path_is_unique_and_every_record_canonical() {
        let civic = civic(3_000);
        let mut paths = HashSet::new();
        for (path, bytes) in civic.files() {
            if path.ends_with(".md") {
                let text = std::str::from_utf8(&bytes).unwrap();
                let (front, body) = text[4..].split_once("+++\n\n").unwrap();
                assert_eq!(canonical(front.as_bytes()), front, "{path}");
                assert!(body.ends_with('\n') && !body.contains("+++"), "{path}");
            } else if !path.starts_with(".gitsheets/") {
                assert_eq!(canonical(&bytes).as_bytes(), bytes, "{path}");
            }
            assert!(paths.insert(path.clone()), "{path} comes twice");
        }
        assert_eq!(paths.len(), civic.records() + 9);
    }

    #[test]
    fn references_name_records_that_exist() {
        let civic = civic(1_000);
        let tables: Vec<(String, toml_v08::Table)> = civic
            .files()
            .filter(|(path, _)| !path.starts_with('.') && path.ends_with(".toml"))
            .map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap().parse().unwrap()))
            .collect();
        let ids: HashSet<&str> = tables.iter().map(|(_, t)| t["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), tables.len());
        for (path, table) in &tables {
            for (field, value) in table {
                if field.ends_with("Id") && !matches!(field.as_str(), "legacyId" | "githubUserId") {
                    assert!(ids.contains(value.as_str().unwrap()), "{path}: {field}");
                }
            }
        }
    }

    #[test]
    fn people_have_a_realistic_size() {
        let civic = civic(2_000);
        let sizes: Vec<usize> = (0..2_000).map(|i| civic.edit(i, 0).1.len()).collect();
        let mean = sizes.iter().sum::<usize>() / sizes.len();
        assert!((450..650).contains(&mean), "{mean}");
        assert!(sizes.iter().all(|size| (200..1_000).contains(size)));
    }

    #[test]
    fn sharded_people_have_about_650_bytes_and_fill_the_folders_evenly() {
        let civic = Civic::sharded(2_560, 256);
        let files: Vec<_> = civic.files().skip(1).collect();
        let mean = files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() / files.len();
        assert!((600..700).contains(&mean), "{mean}");
        let in_first = files.iter().filter(|(path, _)| path.starts_with("people/00/")).count();
        assert_eq!(in_first, 10);
        assert_eq!(files[3].0, format!("people/{}.toml", civic.person_key(3)));
        assert!(files.iter().all(|(_, bytes)| canonical(bytes).as_bytes() == bytes));
    }

    #[test]
    fn each_round_changes_a_person_in_place() {
        let civic = civic(50);
        let versions: Vec<_> = (0..20).map(|round| civic.edit(7, round)).collect();
        assert!(versions.iter().all(|(path, _)| *path == versions[0].0));
        let distinct: HashSet<_> = versions.iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(distinct.len(), versions.len());
        assert!(civic.files().any(|file| file == versions[0]));
    }

    #[test]
    fn the_edits_of_a_push_are_of_different_people() {
        let civic = civic(1_500);
        for count in [1, 10, 1_000, 1_500] {
            let paths: HashSet<_> = civic.edits(count, 3).map(|(path, _)| path).collect();
            assert_eq!(paths.len(), count);
        }
    }

    #[test]
    fn a_corpus_is_one_commit_and_the_same_every_time() {
        let civic = civic(300);
        let mut upstream = Upstream::new();
        let commit = civic.write_to(&mut upstream);
        let listed = git(upstream.path(), ["ls-tree", "-r", "--name-only", &commit]);
        assert_eq!(listed.lines().count(), civic.records() + 9);
        assert_eq!(civic.write_to(&mut Upstream::new()), commit);
    }
}
