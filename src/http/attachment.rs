//! `GET /api/_attachments/<sheet>/<key...>/<name>`: a file next to a record, streamed; without a name,
//! the list of them.

use std::io::{self, Read};
use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use headwater_engine::disclosure::Disclosure;
use headwater_engine::mirror::{FoundFile, GitError, Mirror, OpenFile};
use headwater_engine::snapshot::Snapshot;
use headwater_engine::write::attachment_version;
use percent_encoding::percent_decode_str;

use super::app::App;
use super::attachment_list;
use super::body_stream::{CHUNK, StreamPermit};
use super::caching::ASK_AGAIN;
use super::etag;
use super::parameters::NoParameters;
use super::range::{self, RangeRequest};
use super::record::RecordPath;
use super::request_snapshot::{Current, not_ready};
use super::source::Source;
use crate::wire::{ApiError, Code};

/// The rights of a file in a browser: none, because anybody may have written it.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");

/// The sheet, the key and the name in a path, percent-decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AttachmentPath {
    pub(super) sheet: String,
    pub(super) key: String,
    pub(super) name: String,
}

impl AttachmentPath {
    /// Parses a path. A path that does not decode to text names nothing that can exist.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/api/_attachments/")?;
        let (record, name) = rest.rsplit_once('/')?;
        let (sheet, key) = record.split_once('/')?;
        let decode = |text| percent_decode_str(text).decode_utf8().ok().map(Into::into);
        Some(Self { sheet: decode(sheet)?, key: decode(key)?, name: decode(name)? })
    }

    /// Returns the path of the file, if its record and everything else that it is next to are
    /// visible.
    fn place(&self, snapshot: &Snapshot) -> Option<String> {
        let record = snapshot.visible(&self.sheet, &self.key)?;
        let spec = snapshot.sheet(&self.sheet)?.spec();
        let place = snapshot.layout().attachment_of(spec, &record.path(), &self.name);
        place.filter(|place| Disclosure::by(snapshot).shows_beside(place))
    }
}

/// Answers with the file as it is in the served commit.
pub(super) async fn show(
    State(app): State<App>,
    Current(snapshot): Current,
    source: Source,
    method: Method,
    uri: Uri,
    _: NoParameters,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let path = AttachmentPath::parse(uri.path()).ok_or(Code::NotFound)?;
    let present = app.live.seen_by(snapshot.layout().view()).ok_or_else(not_ready)?;
    if path.name.is_empty() {
        let record = RecordPath { sheet: path.sheet.into(), key: path.key.into() };
        return attachment_list::list(&app, snapshot, present, record, source, headers).await;
    }
    // A file that was next to a record then may belong to another sheet now, or be a record itself.
    let place = path.place(&snapshot);
    let place = place.filter(|place| Disclosure::by(&present).shows_beside(place));
    let place = place.ok_or(Code::NotFound)?;
    let streaming = app.attachments.place(source).await?;
    let mirror = app.live.engine().ok_or_else(not_ready)?.mirror().clone();
    let commit = snapshot.commit();
    let found = app
        .blocking
        .run(source, move || Mirror::find_file(&mirror, commit, &place).map_err(unreadable));
    let file = found.await?.ok_or(Code::NotFound)?;
    let tag = etag::of_version(&attachment_version(file.id()));
    let size = file.size();
    // The headers decide before any of the file is read.
    let expected: Vec<_> = headers.get_all(header::IF_MATCH).iter().cloned().collect();
    if !expected.is_empty() && !etag::matches(&expected, Some(&tag)) {
        return Err(ApiError::from(Code::PreconditionFailed).header(header::ETAG, tag));
    }
    let mut response = if etag::is_known(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        // Ranges apply to the bytes that are sent, and `HEAD` sends none.
        let wanted = match method {
            Method::GET => range::wanted(&headers, &tag, size),
            _ => RangeRequest::Whole,
        };
        let (part, status) = match wanted {
            RangeRequest::Whole => (0..size, StatusCode::OK),
            RangeRequest::Part { first, last } => (first..last + 1, StatusCode::PARTIAL_CONTENT),
            RangeRequest::Nothing => {
                let refused = ApiError::from(Code::RangeNotSatisfiable);
                return Err(refused.header(header::CONTENT_RANGE, content_range("*", size)));
            }
        };
        let length = HeaderValue::from(part.end - part.start);
        let told = content_range(&format!("{}-{}", part.start, part.end.saturating_sub(1)), size);
        let body = match method {
            Method::GET => read(&app, source, file, streaming, part).await?,
            _ => Body::empty(),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length);
        if status == StatusCode::PARTIAL_CONTENT {
            headers.insert(header::CONTENT_RANGE, told);
        }
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(&path.name)));
    headers.insert(header::ETAG, tag);
    headers.insert(header::CACHE_CONTROL, ASK_AGAIN);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
    Ok(response)
}

fn content_range(part: &str, size: u64) -> HeaderValue {
    HeaderValue::try_from(format!("bytes {part}/{size}")).expect("digits are visible ASCII")
}

fn unreadable(error: GitError) -> ApiError {
    let code = match error {
        GitError::Lacking { .. } => Code::HistoryIncomplete,
        _ => Code::Internal,
    };
    ApiError::caused_by(code, &error)
}

/// Starts to read some bytes of the file, when there is room for it.
async fn read(
    app: &App,
    source: Source,
    file: FoundFile,
    mut streaming: StreamPermit,
    part: Range<u64>,
) -> Result<Body, ApiError> {
    // The git program may hold the whole file in memory, however little is sent.
    app.attachments.share(source, file.size(), &mut streaming).await?;
    let opened = app.blocking.run(source, move || file.open().map_err(unreadable));
    Ok(sent(opened.await?.ok_or(Code::NotFound)?, streaming, part))
}

/// Sends some bytes of the file, piece by piece. The bytes before them are read and dropped.
fn sent(mut file: OpenFile, streaming: StreamPermit, part: Range<u64>) -> Body {
    let (mut skipped, mut left) = (part.start, part.end - part.start);
    streaming.send(move || {
        if skipped > 0 {
            io::copy(&mut file.by_ref().take(skipped), &mut io::sink())?;
            skipped = 0;
        }
        let mut piece = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
        let read = file.read(&mut piece)?;
        piece.truncate(read);
        left -= read as u64;
        Ok((read > 0).then(|| Bytes::from(piece)))
    })
}

/// Returns the media type of an extension, as in gitsheets.
fn content_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref().unwrap_or_default() {
        "txt" => "text/plain; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "tsv" => "text/tab-separated-values; charset=utf-8",
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "toml" => "application/toml",
        "json" => "application/json",
        "yaml" | "yml" => "application/yaml",
        "xml" => "application/xml",
        "js" => "application/javascript",
        "ts" => "application/typescript",
        "svg" => "image/svg+xml",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "bmp" => "image/bmp",
        "tiff" => "image/tiff",
        "ico" => "image/vnd.microsoft.icon",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "m4a" => "audio/mp4",
        "flac" => "audio/flac",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "tar" => "application/x-tar",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_segment_is_the_name_and_what_is_before_it_the_record() {
        let path = |sheet: &str, key: &str, name: &str| AttachmentPath {
            sheet: sheet.into(),
            key: key.into(),
            name: name.into(),
        };
        for (text, expected) in [
            ("/api/_attachments/people/ada/p.jpg", Some(path("people", "ada", "p.jpg"))),
            ("/api/_attachments/a/b/c%20d/e%2Ff", Some(path("a", "b/c d", "e/f"))),
            ("/api/_attachments/people/ada", None),
            ("/api/_attachments/people/ada/%FF", None),
        ] {
            assert_eq!(AttachmentPath::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn the_extension_says_what_a_file_is() {
        let cases = [
            ("a.JPG", "image/jpeg"),
            ("a", "application/octet-stream"),
            ("a.b.svg", "image/svg+xml"),
        ];
        for (name, expected) in cases {
            assert_eq!(content_type(name), expected);
        }
    }
}
