//! `Host`: a request names the server that it is for, once (RFC 9112, section 3.2). Whatever is in
//! front of this server may go by another line than the first, so two are refused.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Version, header};

use crate::wire::{ApiError, Code};

/// Refuses a request that names no server where it has to, or more than one.
///
/// # Errors
/// 400.
pub(super) fn check(version: Version, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut named = headers.get_all(header::HOST).iter();
    let refused = |why| Err(ApiError::explained(Code::InvalidHost, why));
    match (named.next(), named.next()) {
        (None, _) if version == Version::HTTP_11 => refused("the header `Host` is missing"),
        (None, _) => Ok(()),
        (Some(_), Some(_)) => refused("the header `Host` occurs more than once"),
        (Some(host), None) => {
            let is_host = host.is_empty()
                || Authority::try_from(host.as_bytes())
                    .is_ok_and(|host| !host.as_str().contains('@'));
            if is_host { Ok(()) } else { refused("the header `Host` is not a valid host") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_one_server() {
        for (version, hosts, is_sound) in [
            (Version::HTTP_11, &["data.example.org"][..], true),
            (Version::HTTP_11, &["127.0.0.1:8080"], true),
            (Version::HTTP_11, &["[::1]:80"], true),
            (Version::HTTP_11, &[""], true),
            (Version::HTTP_11, &[], false),
            (Version::HTTP_11, &["a.org", "b.org"], false),
            (Version::HTTP_11, &["a.org", "a.org"], false),
            (Version::HTTP_11, &["a b"], false),
            (Version::HTTP_11, &["a.org/x"], false),
            (Version::HTTP_11, &["you@a.org"], false),
            (Version::HTTP_10, &[], true),
            (Version::HTTP_10, &["a.org", "b.org"], false),
            (Version::HTTP_2, &[], true),
            (Version::HTTP_2, &["a.org", "b.org"], false),
        ] {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, host.parse().unwrap());
            }
            assert_eq!(check(version, &headers).is_ok(), is_sound, "{version:?} {hosts:?}");
        }
    }
}
