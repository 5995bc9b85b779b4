//! `GET /api/_search`: the best matches in all sheets, or in some.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use headwater_engine::id::SheetName;
use headwater_engine::query::{Across, DEFAULT_PAGE, MAX_PAGE, unsearched};
use headwater_engine::search::{Matching, Query, Scope};
use headwater_engine::sheet::Sheet;

use super::app::App;
use super::current::Current;
use super::lookup::no_sheet;
use super::parameters::{KnownParameters, number, wrong};
use super::source::Source;
use super::tag::Tag;
use super::unanswered::{refused, search_failed, too_costly};
use super::{etag, json};
use crate::wire::{ApiError, hits};

/// The last match that a page may reach: matches are ranked anew for each page.
const DEEPEST: usize = 10_000;

const KNOWN: KnownParameters = KnownParameters {
    of: "a search",
    once: &["q", "match", "prefix", "page", "perPage", "fields", "include"],
    often: &["sheet"],
};

/// The parameters of a search.
struct Search {
    query: Query,
    /// The fields to show, and the references whose records to include.
    fields: Option<String>,
    include: Option<String>,
    sheets: Vec<SheetName>,
    offset: usize,
    limit: usize,
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
    let tag = Tag::new("search").asked(&pairs).records(&snapshot).finish();
    let Search { query, fields, include, sheets, offset, limit } = Search::parse(pairs)?;
    for sheet in &sheets {
        let known = snapshot.sheet(sheet.as_str()).is_some_and(|sheet| sheet.spec().public);
        if !known {
            return Err(wrong("sheet", no_sheet(&snapshot, sheet.as_str())));
        }
    }
    let is_searched = |sheet: &&Sheet| {
        sheet.spec().public && (sheets.is_empty() || sheets.contains(&sheet.spec().name))
    };
    let searched: Vec<&Sheet> = snapshot.sheets().map(Arc::as_ref).filter(is_searched).collect();
    let searched = searched.iter().copied();
    let unknown = unsearched(&query, searched.clone());
    if !unknown.is_empty() {
        return Err(refused(unknown));
    }
    let across = Across::parse(fields.as_deref(), include.as_deref(), searched).map_err(refused)?;
    if etag::is_known(&headers, &tag) {
        return Ok(json::unchanged(tag));
    }
    let found = app.answers.make(source, move |budget| {
        let scope = if sheets.is_empty() { Scope::All } else { Scope::Sheets(&sheets) };
        let found = snapshot.search(&query, scope, offset, limit, budget);
        let text = hits(&snapshot, &found.map_err(search_failed)?, &across, budget);
        Ok(json::told(tag, text.map_err(too_costly)?))
    });
    found.await
}

impl Search {
    fn parse(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let (mut text, mut sheets) = (None, Vec::new());
        let (mut fields, mut include) = (None, None);
        let (mut page, mut per_page) = (1, DEFAULT_PAGE);
        let (mut matching, mut goes_on) = (Matching::Auto, true);
        for (name, value) in pairs {
            match &*name {
                "q" => text = Some(value),
                "sheet" => sheets.push(SheetName::new(value)),
                "match" => {
                    matching = Query::matching_of(&value).map_err(|told| wrong("match", told))?
                }
                "prefix" => {
                    goes_on = Query::goes_on_of(&value).map_err(|told| wrong("prefix", told))?
                }
                "fields" => fields = Some(value),
                "include" => include = Some(value),
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
        Ok(Self { query, fields, include, sheets, offset, limit: per_page })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Code;

    #[test]
    fn a_search_has_a_query_a_page_and_sheets() {
        let text = "q=a&match=any&prefix=off&page=3&perPage=10&sheet=b&sheet=c";
        let pairs = KNOWN.read(Some(text)).unwrap();
        let search = Search::parse(pairs).unwrap();
        assert_eq!((search.offset, search.limit), (20, 10));
        let query = Query::parse("a").unwrap().matching(Matching::Any).going_on(false);
        assert_eq!(search.query, query);
        assert_eq!(search.sheets, [SheetName::new("b"), SheetName::new("c")]);
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
