//! The receiver of reload traces.

use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::values::entries;

/// The path of traces, below the endpoint of a collector.
const TRACES: [&str; 2] = ["v1", "traces"];

/// An OpenTelemetry collector. Its address and its headers may hold secrets: never log them.
#[derive(Clone)]
pub struct Collector {
    /// The address to post to.
    pub traces: Url,
    /// Additional headers, such as a key.
    pub headers: HeaderMap,
}

impl Collector {
    /// Parses the address of the collector, as in `OTEL_EXPORTER_OTLP_ENDPOINT`: without the path
    /// of the traces.
    ///
    /// # Errors
    /// Fails if it is not an http or https address.
    pub fn parse(endpoint: &str) -> Result<Self, String> {
        let mut traces = super::values::url(endpoint.trim())?;
        if let Ok(mut path) = traces.path_segments_mut() {
            path.pop_if_empty().extend(TRACES);
        }
        Ok(Self { traces, headers: HeaderMap::new() })
    }
}

/// Parses headers as in `OTEL_EXPORTER_OTLP_HEADERS`: `name=value`, separated by commas, with
/// percent-encoded values.
///
/// # Errors
/// Fails if an entry is not a header; the error does not show it.
pub fn headers(text: &str) -> Result<HeaderMap, String> {
    let refused = || "must list headers as `name=value,name=value`".to_owned();
    let mut headers = HeaderMap::new();
    for entry in entries(text) {
        let (name, value) = entry.split_once('=').ok_or_else(refused)?;
        let name: HeaderName = name.trim().parse().map_err(|_| refused())?;
        let value: Vec<u8> = percent_decode_str(value.trim()).collect();
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| refused())?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_traces_comes_behind_that_of_the_endpoint() {
        for (endpoint, traces) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("https://otel.example.org/", "https://otel.example.org/v1/traces"),
            ("https://example.org/otlp/", "https://example.org/otlp/v1/traces"),
        ] {
            let collector = Collector::parse(endpoint).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(collector.traces.as_str(), traces);
        }
        assert!(Collector::parse("localhost:4318").is_err());
    }

    #[test]
    fn headers_are_read_and_never_shown() {
        let read = headers("x-key=a%20b, Authorization=Bearer%20canary,").unwrap();
        assert_eq!(read["x-key"], "a b");
        assert_eq!(read["authorization"], "Bearer canary");
        assert!(!format!("{read:?}").contains("canary"));
        for wrong in ["canary", "a b=canary", "a=canary%0A"] {
            assert!(headers(wrong).is_err_and(|error| !error.contains("canary")), "{wrong}");
        }
    }
}
