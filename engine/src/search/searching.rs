//! A search: how a query is read, what it matches, and what stands for a word that occurs nowhere.

use crate::budget::Budget;
use crate::id::SheetName;
use crate::search::error::SearchError;
use crate::search::hits::{All, Best, Collector, Hits, Matches};
use crate::search::index::TextIndex;
use crate::search::query::Query;
use crate::search::reading::Readings;
use crate::search::scope::Scope;
use crate::search::{ranking, typos};

impl TextIndex {
    /// Returns the page of the best matches that begins at `offset`.
    ///
    /// A query is read in every language of the scope. Where nothing matches since some of its words
    /// occur nowhere, those spelled most alike stand for them.
    ///
    /// Linear in the documents that hold the rarest word of the query.
    ///
    /// # Errors
    ///
    /// [`SearchError::Query`] where prefixes and typos stand for too many words;
    /// [`SearchError::TooCostly`] where `budget` is used up.
    pub fn search(
        &self,
        query: &Query,
        scope: Scope<'_>,
        offset: usize,
        limit: usize,
        budget: &Budget,
    ) -> Result<Hits, SearchError> {
        let mut best = Best::new(offset.saturating_add(limit));
        let (total, readings) = self.evaluate(query, scope, &mut best, budget)?;
        Ok(Hits { total, hits: best.page(offset), readings })
    }

    /// Returns every document of `sheet` that matches, in key order, with its score.
    ///
    /// # Errors
    ///
    /// As [`Self::search`].
    pub fn matches(
        &self,
        query: &Query,
        sheet: &SheetName,
        budget: &Budget,
    ) -> Result<Matches<'_>, SearchError> {
        let mut all = All(Vec::new());
        let scope = Scope::Sheets(std::slice::from_ref(sheet));
        let (_, readings) = self.evaluate(query, scope, &mut all, budget)?;
        let All(mut documents) = all;
        documents.sort_by_key(|(key, _)| *key);
        Ok(Matches { documents, readings })
    }

    /// Gives the matches to `collector` and returns how many there are.
    fn evaluate<'a>(
        &'a self,
        query: &Query,
        scope: Scope<'_>,
        collector: &mut impl Collector<'a>,
        budget: &Budget,
    ) -> Result<(u64, Readings), SearchError> {
        let mut by_language = typos::read(self, query, scope, budget)?;
        let mut corrections = Vec::new();
        let mut total = ranking::evaluate(self, &by_language, scope, collector, budget)?;
        budget.check()?;
        // A word that must occur and does not leaves no match, so only then is one looked for.
        if total == 0 {
            corrections = typos::correct(self, &mut by_language, scope, budget)?;
            if !corrections.is_empty() {
                total = ranking::evaluate(self, &by_language, scope, collector, budget)?;
            }
        }
        budget.check()?;
        Ok((total, Readings::new(by_language, corrections)))
    }
}
