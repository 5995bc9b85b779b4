//! A search: how a query is read, what it matches, and what replaces a word that occurs nowhere.

use crate::budget::Budget;
use crate::id::SheetName;
use crate::search::doc_name::DocName;
use crate::search::error::SearchError;
use crate::search::hits::{All, Best, Collector, Hits, Matches};
use crate::search::index::TextIndex;
use crate::search::minimum_match::{Demand, ENOUGH, Matching};
use crate::search::query::Query;
use crate::search::reading::{Reading, Readings};
use crate::search::scope::{FieldTexts, Scope, Source};
use crate::search::{query_expansion, ranking, typos};

impl TextIndex {
    /// Returns the page of best matches that begins at `offset`.
    ///
    /// A query is read in every language of the scope. [`Matching::Auto`] does not require stop words
    /// unless enough documents hold them too. If fewer than [`ENOUGH`] documents match, the query is
    /// widened: its last word also matches words that begin with it, words also match their other
    /// splittings (`front end` and `frontend`), and words that occur nowhere match the most
    /// similarly spelled words. If that still finds too few, [`Matching::Auto`] adds documents that
    /// hold some of the words. All of this depends only on the live documents in scope.
    ///
    /// Linear in the documents that hold the rarest word of the query. If the query has
    /// alternatives, only excludes, or is relaxed, linear in the documents that hold any of its
    /// words.
    ///
    /// # Errors
    ///
    /// [`SearchError::Query`] if prefixes and typos match too many words;
    /// [`SearchError::TooCostly`] if `budget` is used up.
    pub fn search(
        &self,
        query: &Query,
        scope: Scope<'_>,
        offset: usize,
        limit: usize,
        budget: &Budget,
    ) -> Result<Hits, SearchError> {
        self.search_in(query, Source { scope, fields: &|_, _, _| () }, offset, limit, budget)
    }

    /// Does the same for a query with words that must occur in a field of `source`. Each document
    /// that holds such a word anywhere is read.
    ///
    /// # Errors
    ///
    /// As [`Self::search`].
    pub fn search_in(
        &self,
        query: &Query,
        source: Source<'_>,
        offset: usize,
        limit: usize,
        budget: &Budget,
    ) -> Result<Hits, SearchError> {
        let mut best = Best::new(offset.saturating_add(limit));
        let Evaluated { total, relaxed, readings } =
            self.evaluate(query, source, &mut best, budget)?;
        Ok(Hits { total, relaxed, hits: best.page(offset), readings })
    }

    /// Returns the same of the documents that `admits` lets pass alone. It is asked of every match, the
    /// best first, and the total counts those that pass; everything else about the words depends on
    /// all documents.
    ///
    /// # Errors
    ///
    /// As [`Self::search`].
    pub fn search_among(
        &self,
        query: &Query,
        source: Source<'_>,
        admits: &mut dyn FnMut(&DocName) -> bool,
        (offset, limit): (usize, usize),
        budget: &Budget,
    ) -> Result<Hits, SearchError> {
        let mut all = Best::new(usize::MAX);
        let Evaluated { relaxed, readings, .. } = self.evaluate(query, source, &mut all, budget)?;
        let (mut total, mut hits) = (0, Vec::new());
        for hit in all.page(0).into_iter().filter(|hit| admits(&hit.name)) {
            if total >= offset && hits.len() < limit {
                hits.push(hit);
            }
            total += 1;
        }
        budget.check()?;
        Ok(Hits { total: total as u64, relaxed, hits, readings })
    }

    /// Returns every document of `sheet` that matches, in key order, with its score; `fields` has
    /// the texts of its fields.
    ///
    /// # Errors
    ///
    /// As [`Self::search`].
    pub fn matches(
        &self,
        query: &Query,
        sheet: &SheetName,
        fields: &FieldTexts<'_>,
        budget: &Budget,
    ) -> Result<Matches<'_>, SearchError> {
        let mut all = All(Vec::new());
        let source = Source { scope: Scope::Sheets(std::slice::from_ref(sheet)), fields };
        let Evaluated { relaxed, readings, .. } = self.evaluate(query, source, &mut all, budget)?;
        let All(mut documents) = all;
        documents.sort_by_key(|(key, _)| *key);
        Ok(Matches { documents, relaxed, readings })
    }

    /// Passes the matches to `collector`.
    fn evaluate<'a>(
        &'a self,
        query: &Query,
        source: Source<'_>,
        collector: &mut impl Collector<'a>,
        budget: &Budget,
    ) -> Result<Evaluated, SearchError> {
        let scope = source.scope;
        let mut by_language = typos::read(self, query, scope, budget)?;
        let demand = if query.matching == Matching::Any { Demand::Some } else { Demand::All };
        let mut rank = |readings: &[Reading], demand: Demand| {
            collector.clear();
            let total = ranking::evaluate(self, readings, demand, source, collector, budget)?;
            budget.check().map(|()| total).map_err(SearchError::from)
        };
        // Stop words are optional only if too few documents hold every word as written.
        let optional = |readings: &[Reading]| {
            let clauses = readings.iter().flat_map(|reading| &reading.clauses);
            clauses.filter(|clause| clause.is_optional).count()
        };
        let here = optional(&by_language);
        if query.matching == Matching::Auto && here > 0 {
            let whole = query.clone().matching(Matching::All);
            let whole = typos::read(self, &whole, scope, budget)?;
            if optional(&whole) < here {
                let total = rank(&whole, Demand::All)?;
                if total >= ENOUGH {
                    let readings = Readings::new(whole, Vec::new());
                    return Ok(Evaluated { total, relaxed: false, readings });
                }
            }
        }
        let (mut corrections, mut relaxed) = (Vec::new(), false);
        let mut total = rank(&by_language, demand)?;
        if total < ENOUGH {
            let mut is_wider = query_expansion::widen(self, query, &mut by_language, budget)?;
            // A required word that occurs nowhere leaves no match, so corrections are sought only
            // then.
            if total == 0 || query.matching == Matching::Auto {
                corrections =
                    typos::correct(self, query.matching, &mut by_language, scope, budget)?;
                is_wider |= !corrections.is_empty();
            }
            if is_wider {
                total = rank(&by_language, demand)?;
            }
        }
        let is_relaxable = || by_language.iter().any(|reading| reading.root.is_relaxable());
        if total < ENOUGH && query.matching == Matching::Auto && is_relaxable() {
            let with_all = total;
            total = rank(&by_language, Demand::AllFirst)?;
            relaxed = total > with_all;
        }
        budget.check()?;
        Ok(Evaluated { total, relaxed, readings: Readings::new(by_language, corrections) })
    }
}

/// The outcome of a query, without its matches.
struct Evaluated {
    total: u64,
    relaxed: bool,
    readings: Readings,
}
