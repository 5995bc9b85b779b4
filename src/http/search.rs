//! `GET /api/_search`: the best matches in all sheets, or in some.

use std::cell::Cell;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use headwater_engine::budget::Budget;
use headwater_engine::id::SheetName;
use headwater_engine::query::{
    Across, DEFAULT_PAGE, FilterAcross, FilterError, MAX_PAGE, elements, unsearched,
};
use headwater_engine::record::Record;
use headwater_engine::scalar::Timestamp;
use headwater_engine::search::{Hits, Matching, Query, Scope, SearchError};
use headwater_engine::sheet::Sheet;
use headwater_engine::snapshot::Snapshot;

use super::app::App;
use super::lookup::no_sheet;
use super::parameters::{KnownParameters, number, wrong};
use super::precomputed_etag::Tag;
use super::query_refusals::{refused, search_failed, too_costly};
use super::request_snapshot::Current;
use super::source::Source;
use super::{caching, etag, json};
use crate::wire::{ApiError, Code, Filtered, hits};

/// The last match that a page may reach: matches are ranked again for each page.
const DEEPEST: usize = 10_000;

const KNOWN: KnownParameters = KnownParameters {
    of: "a search",
    once: &["q", "match", "prefix", "filter", "now", "page", "perPage"],
    often: &["sheet", "fields", "include"],
};

/// The parameters of a search.
struct Search {
    query: Query,
    /// The fields to show, and the references whose records to include.
    fields: Option<String>,
    include: Option<String>,
    condition: Option<Condition>,
    sheets: Vec<SheetName>,
    offset: usize,
    limit: usize,
}

/// What the records fulfil that are searched.
struct Condition {
    filter: String,
    now: Option<String>,
}

/// Answers with a page of matches.
pub(super) async fn search(
    State(app): State<App>,
    Current(snapshot): Current,
    RawQuery(query): RawQuery,
    source: Source,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let pairs = KNOWN.read(query.as_deref())?;
    let tag = Tag::new("search").asked(&pairs).records(&snapshot);
    let Search { query, fields, include, condition, sheets, offset, limit } = Search::parse(pairs)?;
    for sheet in &sheets {
        let known = snapshot.sheet(sheet.as_str()).is_some_and(|sheet| sheet.spec().public);
        if !known {
            return Err(wrong("sheet", no_sheet(&snapshot, sheet.as_str())));
        }
    }
    let unknown = unsearched(&query, searched(&snapshot, &sheets));
    if !unknown.is_empty() {
        return Err(refused(unknown));
    }
    let across = Across::parse(fields.as_deref(), include.as_deref(), searched(&snapshot, &sheets));
    let across = across.map_err(refused)?;
    let page = (offset, limit);
    if let Some(condition) = condition {
        let work = move |budget: &Budget| {
            let among = among(&snapshot, &query, &sheets, &condition, page, budget)?;
            let Among { found, filtered } = among;
            // The answer depends on the value of `now`, and on the clock if none is given.
            let now = filtered.now.map(Timestamp::text).unwrap_or_default();
            let tag = tag.with(now).finish();
            let is_of_present = filtered.now.is_some() && condition.now.is_none();
            if etag::is_known(&headers, &tag) {
                return Ok(caching::unless(is_of_present, json::unchanged(tag)));
            }
            let text = hits(&snapshot, &found, &across, Some(filtered), budget);
            let told = json::told(tag, text.map_err(too_costly)?);
            Ok(caching::unless(is_of_present, told))
        };
        return app.answers.make(source, work).await;
    }
    let tag = tag.finish();
    if etag::is_known(&headers, &tag) {
        return Ok(json::unchanged(tag));
    }
    let found = app.answers.make(source, move |budget| {
        let found = snapshot.search(&query, scope(&sheets), offset, limit, budget);
        let text = hits(&snapshot, &found.map_err(search_failed)?, &across, None, budget);
        Ok(json::told(tag, text.map_err(too_costly)?))
    });
    found.await
}

/// Returns the sheets that are searched: these, or all that are public.
fn searched<'s>(
    snapshot: &'s Snapshot,
    sheets: &'s [SheetName],
) -> impl Iterator<Item = &'s Sheet> + Clone {
    let all = snapshot.sheets().map(Arc::as_ref).filter(|sheet| {
        sheet.spec().public && (sheets.is_empty() || sheets.contains(&sheet.spec().name))
    });
    all.collect::<Vec<&Sheet>>().into_iter()
}

fn scope(sheets: &[SheetName]) -> Scope<'_> {
    if sheets.is_empty() { Scope::All } else { Scope::Sheets(sheets) }
}

/// The matches that fulfil a condition.
struct Among {
    found: Hits,
    filtered: Filtered,
}

/// Finds the matches that fulfil `condition`.
fn among(
    snapshot: &Snapshot,
    query: &Query,
    sheets: &[SheetName],
    condition: &Condition,
    page: (usize, usize),
    budget: &Budget,
) -> Result<Among, ApiError> {
    let Condition { filter, now } = condition;
    let looked_into = searched(snapshot, sheets);
    let filter = FilterAcross::parse(filter, now.as_deref(), snapshot, looked_into, budget);
    let costs = |_| {
        let detail = "`filter` is asked of every record that has the words: search for rarer words \
                      or in fewer sheets, or narrow the list of one sheet by a field with an index";
        ApiError::explained(Code::TooCostly, detail)
    };
    let filter = filter.map_err(|error| match error {
        FilterError::Wrong(problem) => refused(vec![problem]),
        FilterError::TooCostly(error) => costs(error),
    })?;
    let skipped = Cell::new(0);
    let admits = |sheet: &SheetName, record: &Arc<Record>| {
        filter.judge(sheet, record, budget).unwrap_or_else(|| {
            skipped.set(skipped.get() + 1);
            false
        })
    };
    let found = snapshot.search_among(query, scope(sheets), &admits, page, budget);
    let found = found.map_err(|error| match error {
        SearchError::TooCostly(error) => costs(error),
        error => search_failed(error),
    })?;
    Ok(Among { found, filtered: Filtered { skipped: skipped.get(), now: filter.now() } })
}

/// Adds a part of a list of names, which may be given in several.
fn extend(list: &mut Option<String>, part: String) {
    *list = Some(match list.take() {
        None => part,
        Some(before) => format!("{before},{part}"),
    });
}

impl Search {
    fn parse(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let (mut text, mut sheets) = (None, Vec::new());
        let (mut fields, mut include) = (None, None);
        let (mut filter, mut now) = (None, None);
        let (mut page, mut per_page) = (1, DEFAULT_PAGE);
        let (mut matching, mut goes_on) = (Matching::Auto, true);
        for (name, value) in pairs {
            match &*name {
                "q" => text = Some(value),
                "sheet" => sheets.extend(elements(&value).into_iter().map(SheetName::new)),
                "match" => {
                    matching = Query::matching_of(&value).map_err(|told| wrong("match", told))?
                }
                "prefix" => {
                    goes_on = Query::goes_on_of(&value).map_err(|told| wrong("prefix", told))?
                }
                "filter" => filter = Some(value),
                "now" => now = Some(value),
                "fields" => extend(&mut fields, value),
                "include" => extend(&mut include, value),
                "page" => page = number(&name, &value, DEEPEST)?,
                "perPage" => per_page = number(&name, &value, MAX_PAGE)?,
                _ => {}
            }
        }
        let text = text.ok_or_else(|| wrong("q", "must be given"))?;
        let query = Query::parse(&text).map_err(|error| wrong("q", error.to_string()))?;
        let query = query.matching(matching).going_on(goes_on);
        let offset = (page - 1) * per_page;
        if offset + per_page > DEEPEST {
            return Err(wrong("page", format!("goes past match {DEEPEST}")));
        }
        let condition = match (filter, now) {
            (Some(filter), now) => Some(Condition { filter, now }),
            (None, Some(_)) => return Err(wrong("now", "is used by no condition")),
            (None, None) => None,
        };
        Ok(Self { query, fields, include, condition, sheets, offset, limit: per_page })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_has_a_query_a_page_and_sheets() {
        let text = "q=a&match=any&prefix=off&page=3&perPage=10&sheet=b,d&sheet=c%5C,c\
                    &fields=x&fields=y,z";
        let pairs = KNOWN.read(Some(text)).unwrap();
        let search = Search::parse(pairs).unwrap();
        assert_eq!((search.offset, search.limit), (20, 10));
        let query = Query::parse("a").unwrap().matching(Matching::Any).going_on(false);
        assert_eq!(search.query, query);
        assert_eq!(search.sheets, ["b", "d", "c,c"].map(SheetName::new));
        assert_eq!(search.fields.as_deref(), Some("x,y,z"));
    }

    #[test]
    fn everything_else_is_refused() {
        for query in [
            "",
            "q=",
            "q=a&page=0",
            "q=a&perPage=101",
            "q=a&page=1000",
            "q=a&x=1",
            "q=a&q=b",
            "q=a&match=some",
            "q=a&prefix=yes",
        ] {
            let code = KNOWN.read(Some(query)).and_then(Search::parse).err();
            let code = code.map(|error| error.code());
            assert_eq!(code, Some(Code::InvalidQuery), "{query}");
        }
    }
}
