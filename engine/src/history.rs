//! The history of one record: the commits that touched it, and what each changed.

mod bookmarks;
mod cache;
mod contents;
mod earlier_rules;
mod effort;
mod error;
mod holders;
mod key_state;
mod layouts;
mod own_rules;
mod record_state;
mod subject;
mod whereabouts;

use crate::delta::changed_fields;
use crate::id::CommitId;
use crate::mirror::{CommitFacts, Mirror, ObjectError, Objects};
use crate::options::LoadOptions;

use bookmarks::HistoryName;
pub use cache::HistoryCache;
use contents::{Contents, Difference};
pub use effort::Effort;
pub use error::HistoryError;
use holders::Holders;
use key_state::KeyState;
use own_rules::OwnRules;
pub use subject::Subject;
pub use whereabouts::Whereabouts;

/// What a commit did to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Added it.
    Added,
    /// Changed it.
    Modified,
    /// Removed it.
    Removed,
    /// Made its file unreadable as a record.
    Broken,
}

impl Event {
    /// Returns the stable name that the API shows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Removed => "removed",
            Self::Broken => "broken",
        }
    }
}

/// A commit that touched a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The commit.
    pub commit: CommitId,
    /// The time of the commit, in seconds since the Unix epoch.
    pub seconds: i64,
    /// The author, without an address.
    pub author: String,
    /// The first line of its message.
    pub summary: String,
    /// What it did.
    pub event: Event,
    /// The fields that it changed, as JSON Pointers.
    pub fields: Vec<String>,
}

/// One page of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// The commits, newest first. The next page is behind those listed so far; it may go on where this
    /// one ended with fewer than it may have.
    pub items: Vec<Version>,
    /// Whether there are no more that are public.
    pub ended: bool,
}

/// The number of bytes of files of many records that one page of a history may read, in addition to
/// the last version. All rows of a version are decoded to find one, so this is a second or two of
/// work.
const LIST_BYTES: u64 = 32 << 20;

/// The least number of touches to request where only a few may be listed: those of a file of many
/// records, or those behind versions that are hidden.
const TOUCHES: usize = 100;

/// The number of bytes of files that no commit touched that one page of a history may read, in
/// addition to the last one.
const MOST_BESIDE: u64 = 4 << 20;

/// How often touches are requested for one page; git walks from the start each time.
const WALKS: usize = 4;

/// Returns the commits in the history of `from` that touched the record `subject`: at most `limit`,
/// after the first `listed` of those that are listed.
///
/// Every version is read by the present rules, whatever the rules were at the time; a version that
/// these rules hide counts as absent. A version that cannot be read, or that exceeds the limits of
/// `options`, is broken; if the sheet hides records it counts as absent too, because it may be
/// hidden. A commit that touched only another record of the same file is not listed.
///
/// A version must also have been shown by the rules of its own commit: in a sheet that was public to
/// the view, and not hidden there. Otherwise it counts as absent, and as broken if these rules could
/// not read it. Commits that have the same definitions cost one reading of these, which the `cache`
/// keeps for the next pages.
///
/// If several files may hold the record, the one that a commit served decides what the key had there,
/// whichever the commit touched: the first that is a record. If the sheet hides records, that is the
/// first that the commit has: behind a hidden one there is nothing. A list that cannot be read is
/// `broken` for a record that was in it before, and for no other key.
///
/// A page ends only at a listed commit behind which another one is listed, at the end of the
/// history, or where it has cost what it may: what is not public neither fills a page nor begins
/// one. The first page of a record in a file of its own ends the history if its commits show nothing
/// of the record, whatever is behind: otherwise it would tell that the record existed. A page that ends by its cost
/// before it lists anything goes on from there when it is asked for again: the `cache` has the place.
///
/// Walks the history with the git program, at most four times, and reads the versions, 4 MiB of
/// them. For files of many records, it reads every version on the way, up to 32 MiB and one
/// version more. A page may cost what `effort` allows.
///
/// # Errors
///
/// See [`HistoryError`]; a walk of more than ten seconds is one.
pub fn history(
    (mirror, objects): (&Mirror, &Objects),
    subject: Subject<'_>,
    from: CommitId,
    (listed, limit): (usize, usize),
    HistoryCache { bookmarks, layouts }: &HistoryCache,
    options: &LoadOptions,
    effort: Effort<'_>,
) -> Result<Versions, HistoryError> {
    let Subject { spec, key, paths, .. } = subject;
    let git = |source| HistoryError::Git {
        sheet: spec.name.to_string(),
        key: key.to_owned(),
        commit: from,
        source,
    };
    let names: Vec<String> = paths.iter().map(|at| at.walked.clone()).collect();
    let mut holders = Holders::of(spec, paths);
    let own_rules = OwnRules::of(subject, (objects, layouts), options, effort);
    let mut contents = Contents::of(subject, own_rules, options, effort);
    let may_be_list = (0..paths.len()).any(|place| contents.may_be_list(place));
    let mut found = Versions { items: Vec::new(), ended: false };
    let name = HistoryName::of(subject, from);
    let begin = bookmarks.before(name, listed);
    let mut place = begin;
    let (mut has_looked, mut is_shown) = (false, false);
    'page: for walk in 0..WALKS {
        // One more than are listed says whether there is another page.
        let asked = match walk == 0 && !may_be_list {
            true => limit.saturating_add(1),
            false => limit.saturating_add(1).max(TOUCHES),
        };
        let touches = mirror.touched(from, &names, place.touches, asked).map_err(git)?;
        if !may_be_list {
            contents.read_all(mirror, &touches).map_err(git)?;
        }
        let last = touches.len() < asked;
        for touch in touches {
            effort.awaited.check()?;
            if touch.is_of_no_file() {
                place.touches += 1;
                continue;
            }
            let commit = touch.commit;
            let mut touched = touch.before.iter().chain(&touch.after);
            let is_unread = !may_be_list && !touched.all(|file| contents.holds(*file));
            let is_much = match may_be_list {
                true => contents.bytes > LIST_BYTES,
                false => contents.beside > MOST_BESIDE,
            };
            let is_costly = is_much || effort.part.check().is_err();
            if is_unread || has_looked && is_costly {
                break 'page;
            }
            has_looked = true;
            let missing = |source| HistoryError::Missing { commit, source };
            let unreadable = |source| HistoryError::Commit { commit, source };
            let sides = holders.around(objects, touch, effort.part).map_err(unreadable)?;
            sides.files().try_for_each(|file| contents.read(objects, file)).map_err(missing)?;
            effort.awaited.check()?;
            let made = contents.difference(&sides)?;
            is_shown |= made.states.into_iter().any(KeyState::is_shown);
            let event = event(&made);
            if event.is_some() && place.listed == listed.saturating_add(limit) {
                bookmarks.keep(name, place);
                return Ok(found);
            }
            place.touches += 1;
            let Some((event, fields)) = event else { continue };
            if place.listed >= listed {
                found.items.push(version(objects, commit, event, fields)?);
            }
            place.listed += 1;
        }
        if last {
            found.ended = true;
            return Ok(found);
        }
    }
    bookmarks.keep(name, place);
    found.ended = !may_be_list && found.items.is_empty() && listed == 0 && !is_shown;
    Ok(found)
}

/// Returns what a commit did to a record, and which fields it changed; `None` if it changed nothing
/// public. A list that cannot be read tells nothing of a key that it had not before.
fn event(made: &Difference<'_>) -> Option<(Event, Vec<String>)> {
    use KeyState::{Broken, Nothing, OtherRecords, Record, UnreadList, Withheld};
    let [before, after] = made.states;
    match (before, after) {
        _ if !made.is_own => None,
        // It changed another record.
        (before, after) if made.is_list && before == after => None,
        (Record(before), Record(after)) => {
            let fields = changed_fields(before, after).into_iter();
            Some((Event::Modified, fields.map(|field| field.pointer.into()).collect()))
        }
        (_, Record(_)) => Some((Event::Added, Vec::new())),
        (Record(_), UnreadList | Broken) => Some((Event::Broken, Vec::new())),
        (Nothing | Withheld | UnreadList | Broken, Broken) => Some((Event::Broken, Vec::new())),
        (Record(_), Nothing | Withheld | OtherRecords) => Some((Event::Removed, Vec::new())),
        (Broken, Nothing | Withheld | UnreadList) => Some((Event::Removed, Vec::new())),
        // The file was or became a list, and may have been one all the time.
        (OtherRecords, Broken) | (Broken, OtherRecords) => None,
        (
            Nothing | Withheld | OtherRecords | UnreadList,
            Nothing | Withheld | OtherRecords | UnreadList,
        ) => None,
    }
}

fn version(
    objects: &Objects,
    commit: CommitId,
    event: Event,
    fields: Vec<String>,
) -> Result<Version, HistoryError> {
    let unreadable = |source| HistoryError::Commit { commit, source };
    let Note { seconds, author, summary } = Note::of(objects, commit).map_err(unreadable)?;
    Ok(Version { commit, seconds, author, summary, event, fields })
}

/// The facts about a commit that do not depend on its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When it was committed, in seconds since 1970.
    pub seconds: i64,
    /// Who wrote it, without an address.
    pub author: String,
    /// The first line of its message.
    pub summary: String,
}

impl Note {
    /// Reads the facts about `commit`.
    ///
    /// # Errors
    ///
    /// Fails where the commit cannot be read.
    pub fn of(objects: &Objects, commit: CommitId) -> Result<Self, ObjectError> {
        let CommitFacts { committer_time: seconds, subject: summary, .. } =
            objects.commit(commit)?;
        let author = objects.author(commit)?;
        let author = author.split_once('<').map_or(&*author, |(name, _)| name).trim().to_owned();
        Ok(Self { seconds, author, summary })
    }
}
