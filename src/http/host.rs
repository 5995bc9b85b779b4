//! `Host`: a request names the server that it is for, once (RFC 9112, section 3.2). A proxy in
//! front of this server may use another line than the first, or the authority of the address
//! (`:authority` in HTTP/2), so two different names are refused.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, Version, header};

use crate::wire::{ApiError, Code};

/// Refuses a request to `address` that names no server although it must, or more than one.
///
/// # Errors
/// 400.
pub(super) fn check(version: Version, address: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut named = headers.get_all(header::HOST).iter();
    let refused = |why| Err(ApiError::explained(Code::InvalidHost, why));
    let authority = address.authority();
    if authority.is_some_and(|authority| authority.as_str().contains('@')) {
        return refused("the address must not name a user");
    }
    match (named.next(), named.next()) {
        (None, _) if version == Version::HTTP_11 => refused("the header `Host` is missing"),
        (None, _) if version == Version::HTTP_2 && authority.is_none() => {
            refused("both `:authority` and the header `Host` are missing")
        }
        (None, _) => Ok(()),
        (Some(_), Some(_)) => refused("the header `Host` occurs more than once"),
        (Some(host), None) => {
            let is_same = |authority: &Authority| {
                authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())
            };
            let is_host = host.is_empty()
                || Authority::try_from(host.as_bytes())
                    .is_ok_and(|host| !host.as_str().contains('@'));
            match authority {
                _ if !is_host => refused("the header `Host` is not a valid host"),
                Some(authority) if !is_same(authority) => {
                    refused("the header `Host` names another server than the address")
                }
                _ => Ok(()),
            }
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
            (Version::HTTP_2, &[], false),
            (Version::HTTP_2, &["a.org"], true),
            (Version::HTTP_2, &["a.org", "b.org"], false),
        ] {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, host.parse().unwrap());
            }
            let told = check(version, &Uri::from_static("/api"), &headers).is_ok();
            assert_eq!(told, is_sound, "{version:?} {hosts:?}");
        }
    }

    #[test]
    fn the_address_and_the_header_name_the_same_server() {
        for (version, address, host, is_sound) in [
            (Version::HTTP_2, "http://a.org/x", None, true),
            (Version::HTTP_2, "http://a.org/x", Some("a.org"), true),
            (Version::HTTP_2, "http://a.org/x", Some("A.org"), true),
            (Version::HTTP_2, "http://a.org/x", Some("b.org"), false),
            (Version::HTTP_2, "http://a.org/x", Some("a.org:80"), false),
            (Version::HTTP_2, "http://a.org/x", Some(""), false),
            (Version::HTTP_2, "http://you@a.org/x", None, false),
            (Version::HTTP_11, "http://a.org/x", Some("a.org"), true),
            (Version::HTTP_11, "http://a.org/x", Some("b.org"), false),
            (Version::HTTP_11, "http://a.org/x", None, false),
            (Version::HTTP_10, "http://a.org/x", None, true),
        ] {
            let host = host.map(|host| (header::HOST, host.parse().unwrap()));
            let told = check(version, &Uri::from_static(address), &host.into_iter().collect());
            assert_eq!(told.is_ok(), is_sound, "{version:?} {address} {told:?}");
        }
    }
}
