//! `GET /api/_attachments/<sheet>/<key...>/`: the names of the files next to a record.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use headwater_engine::budget::{Budget, STEP};
use headwater_engine::disclosure::Disclosure;
use headwater_engine::id::{BlobId, CommitId};
use headwater_engine::mirror::{EntryMode, Mirror, TreeEntry};
use headwater_engine::snapshot::Snapshot;
use headwater_engine::write::attachment_version;
use serde::Serialize;

use super::app::App;
use super::etag;
use super::json;
use super::query_refusals::too_costly;
use super::record::RecordPath;
use super::request_snapshot::not_ready;
use super::source::Source;
use crate::wire::{ApiError, Code};

/// The most files that are listed.
const MOST: usize = 1_000;

/// What a look at a file costs: whose it is, by each sheet, now and then.
const LOOK: usize = 16 * STEP;

/// The answer.
#[derive(Serialize)]
struct AttachmentsView {
    items: Vec<AttachmentView>,
    /// Whether there are more files than are listed.
    more: bool,
}

#[derive(Serialize)]
struct AttachmentView {
    name: String,
    /// The tag of the file, as in a read of it.
    etag: String,
}

/// Answers with the files that a read would show, by name. Costs a read of their folder, within the
/// budget of an answer.
///
/// # Errors
/// 404 if the record is not there, or cannot have files; 422 `too_costly` if too much else is in the
/// folder.
pub(super) async fn list(
    app: &App,
    snapshot: Arc<Snapshot>,
    present: Arc<Snapshot>,
    RecordPath { sheet, key }: RecordPath<'_>,
    source: Source,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let record = snapshot.visible(&sheet, &key).ok_or(Code::NotFound)?;
    let spec = snapshot.sheet(&sheet).ok_or(Code::NotFound)?.spec().clone();
    let path = record.path();
    let folder = spec.attachments_of(&path).ok_or(Code::NotFound)?.to_owned();
    let mirror = app.live.engine().ok_or_else(not_ready)?.mirror().clone();
    let view = move |budget: &Budget| {
        let is_shown = |name: &str| {
            let place = snapshot.layout().attachment_of(&spec, &path, name);
            let shown = |by: &Snapshot, place: &str| Disclosure::by(by).shows_beside(place);
            place.is_some_and(|place| shown(&snapshot, &place) && shown(&present, &place))
        };
        let mut items = Vec::new();
        for TreeEntry { name, mode, id } in entries(&mirror, snapshot.commit(), &folder)? {
            if items.len() > MOST || !budget.spend(LOOK) {
                break;
            }
            let Ok(name) = String::from_utf8(name) else { continue };
            if mode == EntryMode::Regular && is_shown(&name) {
                let tag = etag::of_version(&attachment_version(BlobId::from_bytes(id)));
                let etag = tag.to_str().unwrap_or_default().to_owned();
                items.push(AttachmentView { name, etag });
            }
        }
        budget.check().map_err(too_costly)?;
        let more = items.len() > MOST;
        items.truncate(MOST);
        json::tagged_view(&headers, &AttachmentsView { items, more })
    };
    app.answers.make(source, view).await
}

/// Returns what is in a folder of a commit.
fn entries(mirror: &Mirror, commit: CommitId, folder: &str) -> Result<Vec<TreeEntry>, ApiError> {
    let objects = mirror.objects();
    let objects = objects.map_err(|error| ApiError::caused_by(Code::Internal, &error))?;
    let read =
        objects.commit(commit).and_then(|facts| objects.folder_at(facts.tree, folder.as_bytes()));
    let found = read.map_err(|error| ApiError::caused_by(Code::Internal, &error))?;
    Ok(found.unwrap_or_default())
}
