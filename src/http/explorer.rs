//! The explorer: one page at `/` that reads the public API, with its files below `/_explorer/`.
//! They are plain files in `src/explorer`, embedded unchanged. At `/docs` the same page shows the
//! document of the API.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::app::App;
use super::caching::ASK_AGAIN;
use super::etag;
use super::parameters::{KnownParameters, NoParameters, pairs};
use crate::config::BasePath;
use crate::wire::{ApiError, Code};

/// The page may use only its own files and read only its own server, and the issuers where people sign
/// in on it. No text can become a script or markup: the page never inserts any, and the browser forbids
/// it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'; \
                      connect-src 'self'";

/// The file that says where people sign in. It is made from the access file.
const SIGN_IN: &str = "sign-in.json";

/// The parameter that every answer of an issuer has.
const STATE: &str = "state";

/// The page has no parameters of its own.
const ALONE: KnownParameters = KnownParameters { of: "this address", once: &[], often: &[] };

const JSON: &str = "application/json";

/// A file of the page.
struct File {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! embedded {
    ($name:literal, $media_type:expr) => {
        File {
            name: $name,
            media_type: $media_type,
            bytes: include_bytes!(concat!("../explorer/", $name)),
        }
    };
}

const PAGE: File = embedded!("index.html", HTML);

const FILES: &[File] = &[
    embedded!("edit.css", CSS),
    embedded!("explorer.css", CSS),
    embedded!("sheet.css", CSS),
    embedded!("icon.svg", SVG),
    embedded!("record.css", CSS),
    embedded!("api.css", CSS),
    embedded!("api.js", JS),
    embedded!("api_page.js", JS),
    embedded!("api_schema.js", JS),
    embedded!("api_trial.js", JS),
    embedded!("app.js", JS),
    embedded!("around.css", CSS),
    embedded!("attachments.js", JS),
    embedded!("banner.js", JS),
    embedded!("bulk.js", JS),
    embedded!("chart.js", JS),
    embedded!("commands.js", JS),
    embedded!("commits.js", JS),
    embedded!("columns.js", JS),
    embedded!("commit_form.js", JS),
    embedded!("compare.js", JS),
    embedded!("completion.js", JS),
    embedded!("conflict.js", JS),
    embedded!("counts.js", JS),
    embedded!("credential.js", JS),
    embedded!("demo.js", JS),
    embedded!("diff.js", JS),
    embedded!("difference.js", JS),
    embedded!("dom.js", JS),
    embedded!("download.js", JS),
    embedded!("draft.js", JS),
    embedded!("edit.js", JS),
    embedded!("elements.js", JS),
    embedded!("elsewhere.js", JS),
    embedded!("exact.js", JS),
    embedded!("expression.js", JS),
    embedded!("facets.js", JS),
    embedded!("field.js", JS),
    embedded!("field_group.js", JS),
    embedded!("field_json.js", JS),
    embedded!("field_list.js", JS),
    embedded!("field_reference.js", JS),
    embedded!("field_scalar.js", JS),
    embedded!("fields.js", JS),
    embedded!("files.js", JS),
    embedded!("filters.js", JS),
    embedded!("folding.js", JS),
    embedded!("form.js", JS),
    embedded!("format.js", JS),
    embedded!("history.js", JS),
    embedded!("histogram.js", JS),
    embedded!("live.js", JS),
    embedded!("markdown.js", JS),
    embedded!("markdown_inline.js", JS),
    embedded!("merge.js", JS),
    embedded!("oidc.js", JS),
    embedded!("overview.js", JS),
    embedded!("palette.js", JS),
    embedded!("pointer.js", JS),
    embedded!("problems.js", JS),
    embedded!("raw_json.js", JS),
    embedded!("record.js", JS),
    embedded!("record_actions.js", JS),
    embedded!("references.js", JS),
    embedded!("reloads.js", JS),
    embedded!("remove.js", JS),
    embedded!("route.js", JS),
    embedded!("saved.js", JS),
    embedded!("schema.js", JS),
    embedded!("search.js", JS),
    embedded!("sheet.js", JS),
    embedded!("sign_in.js", JS),
    embedded!("snippets.js", JS),
    embedded!("statistics.js", JS),
    embedded!("stream.js", JS),
    embedded!("table.js", JS),
    embedded!("text.js", JS),
    embedded!("tree.js", JS),
    embedded!("undo.js", JS),
    embedded!("value.js", JS),
    embedded!("write.js", JS),
];

/// `GET /` and `GET /docs`
///
/// # Errors
/// 422 for parameters, unless an issuer has sent a person back with them: they are for the page, and
/// issuers add their own.
pub(super) async fn page(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let is_back = pairs(query.as_deref())?.iter().any(|(name, _)| name == STATE);
    if !is_back || app.access.sign_ins().is_empty() {
        ALONE.read(query.as_deref())?;
    }
    Ok(answer(&app, Bytes::from_static(PAGE.bytes), PAGE.media_type, &headers))
}

/// Redirects from the base path to the same with a slash; the links of the page are relative to
/// that.
pub(super) fn slash(base: &BasePath) -> Response {
    let page = format!("{}/", base.as_str());
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, page)]).into_response()
}

/// `GET /_explorer/<name>`
pub(super) async fn file(
    State(app): State<App>,
    Path(name): Path<String>,
    _: NoParameters,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if name == SIGN_IN {
        return Ok(answer(&app, sign_ins(&app).into(), JSON, &headers));
    }
    let file = FILES.iter().find(|file| file.name == name).ok_or(Code::NotFound)?;
    Ok(answer(&app, Bytes::from_static(file.bytes), file.media_type, &headers))
}

/// Returns where people sign in, as JSON.
fn sign_ins(app: &App) -> String {
    let issuers = app.access.sign_ins().into_iter().map(|page| {
        json!({
            "issuer": &*page.issuer,
            "clientId": page.client_id,
            "scope": page.scope,
            "audience": page.audience,
            "token": if page.takes_id_token() { "id_token" } else { "access_token" },
        })
    });
    json!({ "issuers": issuers.collect::<Vec<_>>() }).to_string()
}

/// Returns what the page may do.
fn policy(app: &App) -> String {
    let origins = app.access.sign_ins().into_iter().map(|page| format!(" {}", page.origin));
    POLICY.to_owned() + &origins.collect::<String>()
}

/// Answers with a file, or with 304 if the caller has it with the same policy. Caches must revalidate,
/// because another version of the server has other files under the same names.
fn answer(app: &App, bytes: Bytes, media_type: &'static str, headers: &HeaderMap) -> Response {
    let policy = policy(app);
    let tag = etag::of(&[&*bytes, policy.as_bytes()].concat());
    let mut response = match etag::is_known(headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => bytes.into_response(),
    };
    let fixed = [
        (header::CONTENT_TYPE, media_type),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // Origins are visible ASCII. Without them the page can do less.
    let policy = HeaderValue::from_str(&policy);
    let policy = policy.unwrap_or(HeaderValue::from_static(POLICY));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response.headers_mut().insert(header::ETAG, tag);
    response.headers_mut().insert(header::CACHE_CONTROL, ASK_AGAIN);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/explorer");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name != PAGE.name);
        names.sort_unstable();
        let mut embedded: Vec<_> = FILES.iter().map(|file| file.name).collect();
        embedded.sort_unstable();
        assert_eq!(embedded, names);
    }

    /// Returns the names that a module exports.
    fn exports(text: &str) -> impl Iterator<Item = &str> {
        let declarations = text.lines().filter_map(|line| line.strip_prefix("export "));
        declarations.filter_map(|line| {
            let (_kind, name) = line.trim_start_matches("async ").split_once(' ')?;
            name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
        })
    }

    #[test]
    fn every_module_is_there_that_another_one_imports_and_exports_the_names() {
        for File { name, bytes, .. } in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let import = line.split('"').nth(1).unwrap().trim_start_matches("./");
                let module = FILES.iter().find(|file| file.name == import);
                let module = module.unwrap_or_else(|| panic!("{name} imports {import}"));
                let exported: Vec<_> =
                    exports(std::str::from_utf8(module.bytes).unwrap()).collect();
                let names =
                    line.split(['{', '}']).nth(1).into_iter().flat_map(|all| all.split(','));
                for wanted in names.filter_map(|name| name.split_whitespace().next()) {
                    assert!(exported.contains(&wanted), "{name} imports {wanted} of {import}");
                }
            }
        }
    }

    #[test]
    fn nothing_of_the_page_is_named_on_another_host_or_set_as_markup() {
        for File { name, bytes, .. } in FILES.iter().chain([&PAGE]) {
            let text = std::str::from_utf8(bytes).unwrap();
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for wrong in ["http://", "https://", "innerHTML", "insertAdjacentHTML", "eval("] {
                assert!(!text.contains(wrong), "{name}: {wrong}");
            }
        }
    }
}
