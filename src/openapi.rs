//! The OpenAPI document of a server: its public routes, derived from the sheets of a snapshot,
//! their fields and their schemas.
//!
//! [`document`] is a pure function; [`Document`] keeps its result for the published snapshot.
//! Internal routes are not in it, and neither is anything of a private sheet.

mod attachments;
mod changes;
mod components;
mod sheet_fields;
mod schema_dialect;
mod history;
mod name;
mod options;
mod operation;
mod parameters;
mod partial;
mod error_responses;
mod search;
mod sheets;
mod status;
mod shared_refs;
mod writes;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use headwater_engine::bounded_cache::BoundedCache;
use headwater_engine::budget::{Budget, TooCostly};
use headwater_engine::snapshot::Snapshot;
use headwater_engine::view::View;
use serde_json::{Map, Value, json};

pub use options::Offer;

/// Returns the document of a server that serves `snapshot`. The cost is that of its definitions
/// and, for sheets without a schema, of listing the names of their fields.
///
/// # Errors
/// [`TooCostly`] if that exceeds the budget.
pub fn document(offer: &Offer, snapshot: &Snapshot, budget: &Budget) -> Result<Value, TooCostly> {
    let mut schemas = components::schemas();
    let shared = schemas.keys().cloned().chain(writes::schema_names());
    let shared = shared.chain(TAGS.map(|(tag, _)| tag.to_owned()));
    let sheets = sheet_fields::described(snapshot, shared);
    schemas.extend(writes::schemas(&sheets));
    let mut paths = Map::new();
    for sheet in &sheets {
        if !budget.spend(sheet.weight()) {
            break;
        }
        sheet.add_paths(offer, &mut paths);
        sheet.add_schemas(&sheets, &mut schemas);
    }
    budget.check()?;
    let mut add = |path: &str, item: Value| drop(paths.insert(path.to_owned(), item));
    add("/api/_search", json!({ "get": search::operation(&sheets).into_value() }));
    add("/api/_commits", json!({ "get": history::commits().into_value() }));
    add("/api/_diff", json!({ "get": history::diff().into_value() }));
    add("/api/_changes", json!({ "get": changes::operation(&sheets).into_value() }));
    if !sheets.is_empty() {
        add(history::PATH, history::history(&sheets));
    }
    if offer.writes {
        add("/api/_transact", json!({ "post": writes::transact().into_value() }));
    }
    attachments::add_paths(offer, &sheets, &mut paths);
    status::add_paths(&mut paths);
    let paths = Value::Object(paths);
    let mut all = json!({
        "schemas": schemas,
        "responses": error_responses::responses(),
        "parameters": parameters::shared(),
        "headers": components::headers(),
    });
    if offer.writes {
        all["securitySchemes"] = components::security();
    }
    Ok(json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Headwater",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The records of a git branch",
            "description": INTRODUCTION,
        },
        "servers": [{ "url": offer.server }],
        "tags": tags(&sheets, &paths),
        "components": components::used(all, &paths),
        "paths": paths,
    }))
}

/// The rules for every operation.
const INTRODUCTION: &str = "Every answer built from a snapshot names its commit in \
    `X-Headwater-Commit`. Errors are `application/problem+json` (RFC 9457) with a stable `code`. \
    `HEAD` works wherever `GET` does; other methods get 405 with `Allow`. An unknown parameter \
    gets 422 and is never ignored.";

/// The tags of operations that are not about one sheet.
const TAGS: [(&str, &str); 6] = [
    ("search", "Search in all sheets."),
    ("attachments", "Files next to records."),
    ("writes", "Writes of several records."),
    ("history", "The history of the records, and their changes."),
    ("state", "The served state."),
    ("health", "For operators of the server."),
];

/// Returns the tags of the operations, those of the sheets first.
fn tags(sheets: &[sheet_fields::Described], paths: &Value) -> Vec<Value> {
    let operations = paths.as_object().into_iter().flatten();
    let operations = operations.flat_map(|(_, item)| item.as_object().into_iter().flatten());
    let used: BTreeSet<&str> =
        operations.filter_map(|(_, operation)| operation["tags"][0].as_str()).collect();
    let shared = TAGS.iter().filter(|(name, _)| used.contains(name));
    let shared =
        shared.map(|(name, description)| json!({ "name": name, "description": description }));
    sheets.iter().map(sheet_fields::Described::tag).chain(shared).collect()
}

/// The bytes that the documents of all views may take.
const ROOM: usize = 32 << 20;

/// The document of a server. That of the published snapshot is made once; any other is generated
/// again for each request.
pub struct Document {
    offer: Offer,
    /// For the published snapshot as each view sees it.
    published: Mutex<BoundedCache<View, Made>>,
}

/// A finished document. What a commit shows depends on the rules of the published one, so the key
/// is the snapshot itself, and not its commit.
struct Made {
    of: Weak<Snapshot>,
    text: Arc<[u8]>,
}

impl Document {
    /// Returns the document of a server with this offer.
    pub fn new(offer: Offer) -> Self {
        Self { offer, published: Mutex::new(BoundedCache::with_room(ROOM)) }
    }

    /// Returns its text for the published snapshot, if that exists.
    pub fn known(&self, published: &Arc<Snapshot>) -> Option<Arc<[u8]>> {
        let mut made = self.lock();
        let made = made.get(published.layout().view())?;
        // As long as this keeps the pointer, no other snapshot has its address.
        (made.of.as_ptr() == Arc::as_ptr(published)).then(|| made.text.clone())
    }

    /// Makes its text for the published snapshot, and keeps it.
    ///
    /// # Errors
    /// As [`document`].
    pub fn publish(
        &self,
        published: &Arc<Snapshot>,
        budget: &Budget,
    ) -> Result<Arc<[u8]>, TooCostly> {
        let text = self.make(published, budget)?;
        let view = published.layout().view().clone();
        let made = Made { of: Arc::downgrade(published), text: text.clone() };
        let left = self.lock().put(view, made, text.len());
        // Freed without the lock.
        drop(left);
        Ok(text)
    }

    /// Makes its text for any snapshot.
    ///
    /// # Errors
    /// As [`document`].
    pub fn make(&self, snapshot: &Snapshot, budget: &Budget) -> Result<Arc<[u8]>, TooCostly> {
        Ok(document(&self.offer, snapshot, budget)?.to_string().into_bytes().into())
    }

    fn lock(&self) -> MutexGuard<'_, BoundedCache<View, Made>> {
        // The list is consistent after every statement, so a poisoned lock holds a usable one.
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
