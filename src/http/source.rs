//! The source of a request, as far as its headers can be trusted.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::{Extensions, HeaderMap};

use crate::config::TrustedProxies;

/// The address at the other end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer(pub(super) IpAddr);

/// The unit that wrong credentials and costly requests are counted against: an IPv4 address, or the
/// /64 of an IPv6 address, which one customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// The source of the server's own work.
    pub(super) const OURS: Self = Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

    /// Returns the source of a request from `peer`. Its forwarding headers are trusted only from
    /// the proxies in `trusted`.
    pub(super) fn of(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> Self {
        let mut believed = peer.to_canonical();
        let forwarded = headers.get_all("x-forwarded-for").iter();
        // Each proxy appends the address that it sees. An entry that cannot be parsed is at best
        // the work of the last proxy that can be trusted.
        let hops: Vec<_> = forwarded
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(|hop| std::str::from_utf8(hop).ok().and_then(address))
            .collect();
        for hop in hops.into_iter().rev() {
            match hop {
                Some(hop) if trusted.contains(believed) => believed = hop,
                _ => break,
            }
        }
        Self::containing(believed)
    }

    /// Returns the source of a request with these extensions and headers.
    pub(super) fn of_request(
        extensions: &Extensions,
        headers: &HeaderMap,
        trusted: &TrustedProxies,
    ) -> Self {
        // Only a test without a connection has no peer.
        let peer = extensions.get().map_or(Ipv4Addr::UNSPECIFIED.into(), |Peer(peer)| *peer);
        Self::of(peer, headers, trusted)
    }

    /// Returns the /48 that contains it, which the provider of an IPv6 network gives to one site;
    /// `None` for IPv4.
    pub(super) fn site(self) -> Option<Self> {
        match self.0 {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                Some(Self(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()))
            }
        }
    }

    /// Returns the source of what comes from `address`.
    pub(super) fn at(address: IpAddr) -> Self {
        Self::containing(address.to_canonical())
    }

    fn containing(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        })
    }
}

/// Parses an address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address =
        bare.parse().or_else(|_| text.parse().map(|with_port: SocketAddr| with_port.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(peer: &str, forwarded: &[&str], trusted: &str) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted = TrustedProxies::parse(trusted).unwrap();
        Source::of(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(source("192.0.2.1", &["198.51.100.7"], ""), "192.0.2.1");
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_what_it_was_told_is_not() {
        let of = |forwarded: &[&str]| source("10.0.0.1", forwarded, "10.0.0.0/8,192.0.2.9");
        assert_eq!(of(&["198.51.100.7"]), "198.51.100.7");
        assert_eq!(of(&["203.0.113.5, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(of(&["203.0.113.5", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(of(&["198.51.100.7, 192.0.2.9,10.0.0.2"]), "198.51.100.7");
        assert_eq!(of(&["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(of(&[]), "10.0.0.1");
        assert_eq!(of(&["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }

    #[test]
    fn what_cannot_be_read_ends_the_chain() {
        let of = |forwarded: &[&str]| source("10.0.0.1", forwarded, "10.0.0.0/8");
        assert_eq!(of(&["198.51.100.7, unknown"]), "10.0.0.1");
        assert_eq!(of(&["198.51.100.7, unknown, 10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn addresses_of_ipv6_count_by_their_network() {
        let network = "2001:db8:1:2::";
        assert_eq!(source("2001:db8:1:2:3:4:5:6", &[], ""), network);
        assert_eq!(source("2001:db8:1:2:ffff::", &[], ""), network);
        assert_eq!(source("::1", &["[2001:db8:1:2::9]:443"], "::1"), network);
        assert_eq!(source("::ffff:192.0.2.1", &[], ""), "192.0.2.1");
    }

    #[test]
    fn a_site_has_many_networks_of_ipv6() {
        let site = |address: &str| {
            let site = Source::at(address.parse().unwrap()).site();
            site.map(|site| site.to_string())
        };
        assert_eq!(site("2001:db8:1:2::9").as_deref(), Some("2001:db8:1::"));
        assert_eq!(site("2001:db8:1:ffff::"), site("2001:db8:1::"));
        assert_ne!(site("2001:db8:2::"), site("2001:db8:1::"));
        assert_eq!(site("192.0.2.1"), None);
    }
}
