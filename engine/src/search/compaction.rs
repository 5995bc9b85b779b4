//! Keeps segments few and mostly alive, without changing what a search finds.
//!
//! Eight segments of one size class become one, and a segment with many dead documents is written
//! anew. That is done beside the published state: [`TextIndex::compaction`] says what is due,
//! [`Compaction::run`] does the work on any thread, and [`TextIndex::adopting`] puts the result in
//! the place of what it was made from, whatever has been published meanwhile.

use crate::search::doc_name::{DocName, Texts};
use crate::search::error::SearchError;
use crate::search::index::{FEW, TextIndex, build, without};
use crate::search::segment::Segment;
use crate::search::shape::Shape;
use crate::search::totals::TotalsByLanguage;

/// So many segments of one class are merged, and each class is so many times the one below.
const FAN_IN: u64 = 8;
/// Larger segments are not merged: they are few, and each more than a second's work.
const MAX_MERGED: u64 = 32_768;

/// Segments that should be written anew as one.
#[must_use]
pub struct Compaction {
    shape: std::sync::Arc<Shape>,
    victims: Vec<Segment>,
}

/// Segments written anew, and those they stand for.
#[must_use]
pub struct Compacted {
    victims: Vec<Segment>,
    merged: Vec<Segment>,
}

impl TextIndex {
    /// Returns what should be compacted next, if anything. Cheap.
    pub fn compaction(&self) -> Option<Compaction> {
        let due = |victims: Vec<Segment>| Compaction { shape: self.shape.clone(), victims };
        let decayed = |segment: &&Segment| segment.dead() * 10 > u64::from(segment.len()) * 3;
        if let Some(segment) = self.segments.iter().find(decayed) {
            return Some(due(vec![segment.clone()]));
        }
        let class = |segment: &Segment| segment.living().ilog(FAN_IN);
        (0..=MAX_MERGED.ilog(FAN_IN)).find_map(|size| {
            let peers = self
                .segments
                .iter()
                .filter(|segment| class(segment) == size && segment.living() <= MAX_MERGED);
            let peers: Vec<Segment> = peers.cloned().collect();
            (peers.len() as u64 >= FAN_IN).then(|| due(peers))
        })
    }

    /// Returns this index with the compacted segments in the place of those they were made from.
    /// Documents that died since the plan was made stay dead. In a state from before the plan, where
    /// some that were dead then are alive, nothing is replaced. Cheap, so it can be done under the lock
    /// that serializes changes.
    #[must_use]
    pub fn adopting(&self, compacted: Compacted) -> Self {
        let Compacted { victims, merged } = compacted;
        let mut died: Vec<DocName> = Vec::new();
        for victim in &victims {
            let is_earlier = |now: &Segment| {
                now.same_body(victim) && victim.dead_docs().any(|doc| now.is_alive(doc))
            };
            if self.segments.iter().any(is_earlier) {
                return self.clone();
            }
            // A segment that is gone has no document left, or none that another does not hold.
            match self.segments.iter().find(|segment| segment.same_body(victim)) {
                Some(now) if now.dead() == victim.dead() => {}
                Some(now) => died.extend(victim.names().filter(|name| now.find(name).is_none())),
                None => died.extend(victim.names()),
            }
        }
        let is_victim = |segment: &Segment| victims.iter().any(|victim| victim.same_body(segment));
        let kept = self.segments.iter().filter(|segment| !is_victim(segment)).cloned();
        let segments = kept.chain(without(&merged, &died)).collect();
        self.with_segments(segments)
    }
}

impl Compaction {
    /// Writes the segments anew from `texts`, which must report what was indexed: those of the
    /// state that the plan was made from.
    ///
    /// # Errors
    ///
    /// [`SearchError::OutOfStep`] where the texts are evidently others.
    pub fn run(self, texts: &Texts<'_>) -> Result<Compacted, SearchError> {
        let mut names: Vec<DocName> = self.victims.iter().flat_map(Segment::names).collect();
        names.sort_unstable();
        // On one thread: nobody waits for it, and readers want the others.
        let merged = build(&self.shape, &names, texts, 1, FEW)?;
        let totals =
            |segments: &[Segment]| TotalsByLanguage::sum(segments.iter().map(Segment::live));
        if totals(&merged) != totals(&self.victims) {
            return Err(SearchError::OutOfStep);
        }
        Ok(Compacted { victims: self.victims, merged })
    }
}
