//! `GET /api/<sheet>` as `text/csv`: items, groups or counts, one per row.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use headwater_engine::query::{Item, ListParameter, ListQuery, Page, Paging, TableColumns};
use headwater_engine::sheet::Sheet;
use headwater_engine::snapshot::Snapshot;

use super::app::App;
use super::body_stream::CHUNK;
use super::list_format::TABLE;
use super::parameters::wrong;
use super::precomputed_etag::Tag;
use super::query_refusals::list_failed;
use super::source::Source;
use super::{caching, etag, json};
use crate::wire::{ApiError, counted_rows, group_rows};

/// The media type, with the header parameter of RFC 4180.
const CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("text/csv; charset=utf-8; header=present");

/// The most groups of one table: they are computed in memory, while items are written as they are
/// read.
const MOST_GROUPS: usize = 10_000;

/// The most columns of items. No spreadsheet shows more than eight times as many.
const MOST_COLUMNS: usize = 2_000;

/// The rows of a table.
enum Rows {
    Items,
    Groups,
    Counts,
}

/// Answers with a row for each item, or each group; with `perPage=0`, for each counted value. The
/// table has all of them, unless a parameter asks for a part.
pub(super) async fn answer(
    app: &App,
    source: Source,
    headers: &HeaderMap,
    (snapshot, sheet): (Arc<Snapshot>, Arc<Sheet>),
    pairs: &[(String, String)],
    query: ListQuery,
) -> Result<Response, ApiError> {
    let rows = rows(pairs, &query)?;
    let tag = Tag::new(TABLE).asked(pairs).list(&snapshot, &sheet, &query).finish();
    let depends_on_clock = query.depends_on_clock();
    if etag::is_known(headers, &tag) {
        let unchanged = json::unchanged_as(HeaderValue::from_static(TABLE), tag);
        return Ok(caching::unless(depends_on_clock, unchanged));
    }
    let is_part = |(name, _): &(String, String)| {
        ListParameter::of(name).is_some_and(ListParameter::is_paging)
    };
    let is_part = pairs.iter().any(is_part);
    let body = match rows {
        Rows::Items if !is_part => all(app, source, (snapshot, sheet), query).await?,
        rows => {
            let query = match rows {
                Rows::Groups if !is_part => query.first_rows(MOST_GROUPS),
                _ => query,
            };
            let part = app.answers.make(source, move |budget| {
                let failed = |error| list_failed(error, &query, &sheet);
                let page = query.run(&sheet, snapshot.text(), budget).map_err(failed)?;
                if !is_part && matches!(rows, Rows::Groups) && page.total > MOST_GROUPS {
                    let message = format!(
                        "makes {} groups, but a table has at most {MOST_GROUPS}: request parts with \
                         `page` and `perPage`",
                        page.total
                    );
                    return Err(wrong(ListParameter::GroupBy.name(), message));
                }
                part(&rows, &query, &sheet, &page)
            });
            Body::from(part.await?)
        }
    };
    let mut response = json::told(tag, body);
    response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
    Ok(caching::unless(depends_on_clock, response))
}

/// Returns what the rows stand for, if it can be one table.
fn rows(pairs: &[(String, String)], query: &ListQuery) -> Result<Rows, ApiError> {
    let asked = |parameter: ListParameter| pairs.iter().any(|(name, _)| name == parameter.name());
    let is_counted = asked(ListParameter::Facets);
    let rows = if query.grouped_by().len() > 0 {
        Rows::Groups
    } else if is_counted && matches!(query.paging(), Paging::Page { per_page: 0, .. }) {
        Rows::Counts
    } else {
        Rows::Items
    };
    let beside = match rows {
        Rows::Counts => [ListParameter::Stats, ListParameter::Include].as_slice(),
        Rows::Groups => &[ListParameter::Facets],
        Rows::Items => &[ListParameter::Facets, ListParameter::Stats, ListParameter::Include],
    };
    match beside.iter().find(|parameter| asked(**parameter)) {
        Some(ListParameter::Facets) => {
            let message = "a table has one kind of row: `perPage=0` makes a table of the counts";
            Err(wrong("facets", message))
        }
        Some(other) => Err(wrong(other.name(), format!("cannot be combined with {TABLE}"))),
        None => Ok(rows),
    }
}

/// Writes a part of a table, which fits into memory.
fn part(rows: &Rows, query: &ListQuery, sheet: &Sheet, page: &Page) -> Result<Vec<u8>, ApiError> {
    let mut text = Vec::new();
    match rows {
        Rows::Counts => counted_rows(&page.facets).iter().for_each(|it| row(it, &mut text)),
        Rows::Groups => {
            let groups = page.groups.as_deref().unwrap_or_default();
            group_rows(query, groups).iter().for_each(|it| row(it, &mut text));
        }
        Rows::Items => {
            let columns = columns(query, sheet)?;
            head(query, columns.as_ref(), &mut text);
            page.items.iter().for_each(|item| cells(item, columns.as_ref(), &mut text));
        }
    }
    Ok(text)
}

/// Returns the columns of items.
///
/// # Errors
/// Fails if there are too many: each row has them all, whatever its item has.
fn columns(query: &ListQuery, sheet: &Sheet) -> Result<Option<TableColumns>, ApiError> {
    let columns = query.columns(sheet);
    match columns.as_ref().map_or(0, |columns| columns.names().len()) {
        ..=MOST_COLUMNS => Ok(columns),
        count => {
            let message = format!(
                "the table would have {count} columns, more than {MOST_COLUMNS}: name some with \
                 `fields`"
            );
            Err(wrong("format", message))
        }
    }
}

/// Returns the table of all items, which is written as the caller reads.
async fn all(
    app: &App,
    source: Source,
    (snapshot, sheet): (Arc<Snapshot>, Arc<Sheet>),
    query: ListQuery,
) -> Result<Body, ApiError> {
    let place = app.list_place(source, &snapshot).await?;
    let columns = columns(&query, &sheet)?;
    let mut first = Vec::new();
    head(&query, columns.as_ref(), &mut first);
    let each = app.answers.make(source, move |budget| {
        let each = query.clone().each(sheet.clone(), snapshot.text(), budget);
        each.map_err(|error| list_failed(error, &query, &sheet))
    });
    let mut each = each.await?;
    let mut first = Some(first);
    Ok(place.send(move || {
        let mut text = first.take().unwrap_or_default();
        while text.len() < CHUNK
            && let Some(item) = each.next()
        {
            cells(&item, columns.as_ref(), &mut text);
        }
        Ok((!text.is_empty()).then(|| Bytes::from(text)))
    }))
}

/// Writes the names of the columns of items.
fn head(query: &ListQuery, columns: Option<&TableColumns>, text: &mut Vec<u8>) {
    let place = query.has_elements().then_some("_at");
    let names = columns.map(|columns| columns.names().collect());
    let names: Vec<&str> = names.unwrap_or_else(|| vec!["_value"]);
    let all: Vec<Cow<'_, str>> =
        ["_key"].into_iter().chain(place).chain(names).map(Cow::Borrowed).collect();
    row(&all, text);
}

/// Writes the row of an item.
fn cells(item: &Item, columns: Option<&TableColumns>, text: &mut Vec<u8>) {
    let mut all = vec![Cow::Borrowed(item.record.key.as_str())];
    all.extend(item.element.as_ref().map(|element| Cow::Borrowed(&*element.at)));
    match columns {
        Some(columns) => all.extend(columns.cells(item)),
        None => {
            let value = item.value();
            all.push(value.as_string().unwrap_or(Cow::Borrowed(value.text())));
        }
    }
    row(&all, text);
}

/// Writes a row. A cell is quoted if it has a comma, a quote or a line break, or if it is empty and
/// alone in its row.
fn row(cells: &[Cow<'_, str>], text: &mut Vec<u8>) {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        let is_alone = cells.len() == 1 && cell.is_empty();
        if is_alone || cell.contains([',', '"', '\n', '\r']) {
            text.push(b'"');
            text.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            text.push(b'"');
        } else {
            text.extend_from_slice(cell.as_bytes());
        }
    }
    text.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stands_in_quotes_where_it_must_and_comes_back_as_it_was() {
        let cells = ["a", "", "a,b", "say \"hi\"", "two\nlines", "=1+1", " x "].map(Cow::Borrowed);
        let mut text = Vec::new();
        row(&cells, &mut text);
        row(&[Cow::Borrowed("")], &mut text);
        let expected = "a,,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",=1+1, x \r\n\"\"\r\n";
        assert_eq!(String::from_utf8_lossy(&text), expected);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&text[..]);
        let first = reader.records().next().unwrap().unwrap();
        assert_eq!(first.iter().collect::<Vec<_>>(), cells);
    }
}
