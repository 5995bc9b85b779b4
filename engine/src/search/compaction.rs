//! Keeps segments few and mostly alive without changing what a search finds.
//!
//! Eight segments of one size class are merged into one, and a segment with many dead documents is
//! rewritten. This happens outside the published state: [`TextIndex::compaction`] returns what is
//! due, [`Compaction::run`] does the work on any thread, and [`TextIndex::adopting`] replaces the
//! sources with the result, whatever has been published in the meantime.

use crate::search::collection_statistics::TotalsByLanguage;
use crate::search::doc_name::{DocName, Texts};
use crate::search::error::SearchError;
use crate::search::index::{FEW, TextIndex, build, without};
use crate::search::segment::Segment;
use crate::search::shape::Shape;

/// The number of segments of one class that are merged, and the ratio between adjacent size
/// classes.
const FAN_IN: u64 = 8;
/// Larger segments are not merged: they are few, and each takes more than a second to merge.
const MAX_MERGED: u64 = 32_768;

/// Segments that should be rewritten as one.
#[must_use]
pub struct Compaction {
    shape: std::sync::Arc<Shape>,
    victims: Vec<Segment>,
}

/// Rewritten segments, and the segments that they replace.
#[must_use]
pub struct Compacted {
    victims: Vec<Segment>,
    merged: Vec<Segment>,
}

impl TextIndex {
    /// Returns what should be compacted next, if anything. This is cheap.
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

    /// Returns this index with the segments that were compacted replaced by the result. Documents
    /// that died since the plan was made stay dead. In a state from before the plan, where
    /// documents are alive that the plan saw as dead, nothing is replaced. This is cheap enough to
    /// run under the lock that serializes changes.
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
            // A missing segment had no documents left, or only documents that another segment
            // holds.
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
    /// Rewrites the segments from `texts`, which must report the texts that were indexed: those of
    /// the state that the plan was made from.
    ///
    /// # Errors
    ///
    /// [`SearchError::OutOfStep`] if the texts evidently differ.
    pub fn run(self, texts: &Texts<'_>) -> Result<Compacted, SearchError> {
        let mut names: Vec<DocName> = self.victims.iter().flat_map(Segment::names).collect();
        names.sort_unstable();
        // One thread only: nobody waits for the result, and readers need the others.
        let merged = build(&self.shape, &names, texts, 1, FEW)?;
        let totals =
            |segments: &[Segment]| TotalsByLanguage::sum(segments.iter().map(Segment::live));
        if totals(&merged) != totals(&self.victims) {
            return Err(SearchError::OutOfStep);
        }
        Ok(Compacted { victims: self.victims, merged })
    }
}
