//! Finds public sheets, and explains a missing sheet or record.

use std::sync::Arc;

use headwater_engine::sheet::Sheet;
use headwater_engine::snapshot::Snapshot;
use headwater_engine::suggestion::{did_you_mean, nearest};

use super::route::Route;
use crate::wire::{ApiError, Code};

/// Returns the public sheet with this name.
pub(super) fn public_sheet(snapshot: &Snapshot, name: &str) -> Result<Arc<Sheet>, ApiError> {
    let sheet = snapshot.sheet(name).filter(|sheet| sheet.spec().public);
    sheet.cloned().ok_or_else(|| ApiError::explained(Code::NotFound, no_sheet(snapshot, name)))
}

/// The most sheets that an answer about a missing sheet lists.
const NAMED: usize = 20;

/// Explains that there is no such sheet, and which sheets there are.
pub(super) fn no_sheet(snapshot: &Snapshot, name: &str) -> String {
    if name.starts_with('_') {
        return format!(
            "/api/{name} is not a route{}",
            did_you_mean(nearest(name, Route::in_place_of_sheets()))
        );
    }
    let public = snapshot.sheets().map(|sheet| sheet.spec()).filter(|spec| spec.public);
    let names: Vec<&str> = public.map(|spec| spec.name.as_str()).collect();
    let near = nearest(name, names.iter().copied());
    let mut routes = Route::in_place_of_sheets();
    let route = routes.find(|route| route[1..].eq_ignore_ascii_case(name));
    let meant = match (near, route) {
        (None, Some(route)) => format!("; did you mean /api/{route}?"),
        (near, _) => did_you_mean(near),
    };
    match &names[..] {
        [] => format!("no such sheet `{name}`; there are no sheets"),
        few if few.len() <= NAMED => {
            format!("no such sheet `{name}`; the sheets are {}{meant}", few.join(", "))
        }
        many => format!("no such sheet `{name}`; /api/_sheets lists all {}{meant}", many.len()),
    }
}

/// Explains that the sheet has no such record, and which may be meant.
pub(super) fn no_record(sheet: &Sheet, key: &str) -> ApiError {
    let meant = did_you_mean(sheet.nearest_shown(key).map(|record| record.key.as_str()));
    let name = &sheet.spec().name;
    ApiError::explained(Code::NotFound, format!("no such record `{key}` in {name}{meant}"))
}
