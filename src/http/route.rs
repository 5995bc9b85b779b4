//! The routes, in one table. Every property of a route is a column, so no route can lack one.

use std::sync::LazyLock;

use crate::metrics::RouteClass;

/// The purpose of a route, which decides the listeners that serve it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The records, and all that is derived from them.
    Read,
    /// Routes that only write.
    Write,
    /// The API document and the pages.
    Page,
    /// The routes of the demonstration.
    Demo,
    /// Reloads and pins.
    Internal,
    /// The metrics.
    Metrics,
    /// Health.
    Health,
}

/// The snapshots that a read may be answered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshots {
    /// The one of the commit that `at` names, if given; otherwise the published one.
    Any,
    /// The published one; `at` is refused.
    Published,
    /// None: the route reads no records.
    None,
}

macro_rules! routes {
    ($($name:ident = $path:literal $group:ident $class:ident $snapshots:ident $document:expr;)*) => {
        /// One route. Each has a handler in [`router`](super::router).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Route {
            $(#[doc = concat!("`", $path, "`")] $name,)*
        }

        impl Route {
            /// Every route.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns its path, without base path: `{…}` is one segment, `{*…}` the rest.
            pub const fn path(self) -> &'static str {
                match self { $(Self::$name => $path,)* }
            }

            /// Returns its purpose.
            pub const fn group(self) -> Group {
                match self { $(Self::$name => Group::$group,)* }
            }

            /// Returns the class in which its requests are counted.
            pub const fn class(self) -> RouteClass {
                match self { $(Self::$name => RouteClass::$class,)* }
            }

            /// Returns the snapshots that a read of it may be answered from.
            pub const fn snapshots(self) -> Snapshots {
                match self { $(Self::$name => Snapshots::$snapshots,)* }
            }

            /// Returns its path in the API document, in which `{sheet}` may stand for each sheet;
            /// `None` if the document omits it.
            pub const fn documented(self) -> Option<&'static str> {
                match self { $(Self::$name => $document,)* }
            }
        }
    };
}

#[rustfmt::skip]
routes! {
    // Route          path                                     group    counted  snapshots document
    Sheets          = "/api/_sheets"                           Read     State    Any       Some("/api/_sheets");
    Status          = "/api/_status"                           Read     State    Published Some("/api/_status");
    Problems        = "/api/_problems"                         Read     State    Any       Some("/api/_problems");
    Reloads         = "/api/_reloads"                          Read     State    Published Some("/api/_reloads");
    Search          = "/api/_search"                           Read     Search   Any       Some("/api/_search");
    Changes         = "/api/_changes"                          Read     Changes  Published Some("/api/_changes");
    Diff            = "/api/_diff"                             Read     Past     Published Some("/api/_diff");
    Commits         = "/api/_commits"                          Read     Past     Published Some("/api/_commits");
    History         = "/api/_history/{sheet}/{*key}"           Read     Past     Any       Some("/api/_history/{sheet}/{key}");
    Attachment      = "/api/_attachments/{sheet}/{*rest}"      Read     Other    Any       Some("/api/_attachments/{sheet}/{key}/{name}");
    List            = "/api/{sheet}"                           Read     List     Any       Some("/api/{sheet}");
    Record          = "/api/{sheet}/{*key}"                    Read     Record   Any       Some("/api/{sheet}/{key}");
    Transact        = "/api/_transact"                         Write    Other    None      Some("/api/_transact");
    Document        = "/openapi.json"                          Page     Other    Any       None;
    Docs            = "/docs"                                  Page     Other    None      None;
    Explorer        = "/"                                      Page     Other    None      None;
    ExplorerFile    = "/_explorer/{name}"                      Page     Other    None      None;
    DemoPush        = "/api/_demo/push"                        Demo     Other    None      None;
    Reload          = "/api/_internal/reload-data"             Internal Internal None      None;
    Rebuild         = "/api/_internal/rebuild-data"            Internal Internal None      None;
    ReloadReports   = "/api/_internal/reloads"                 Internal Internal None      None;
    ReloadReport    = "/api/_internal/reloads/{id}"            Internal Internal None      None;
    Apply           = "/api/_internal/reloads/{id}/apply"      Internal Internal None      None;
    Pin             = "/api/_internal/pin"                     Internal Internal None      None;
    Unpin           = "/api/_internal/unpin"                   Internal Internal None      None;
    Promote         = "/api/_internal/promote"                 Internal Internal None      None;
    Audit           = "/api/_internal/audit"                   Internal Internal None      None;
    PeerGreeting    = "/api/_internal/git/info/refs"           Internal Internal None      None;
    PeerCommand     = "/api/_internal/git/git-upload-pack"     Internal Internal None      None;
    NoInternal      = "/api/_internal/{*rest}"                 Internal Internal None      None;
    Metrics         = "/metrics"                               Metrics  Health   None      None;
    Live            = "/health/live"                           Health   Health   None      Some("/health/live");
    Ready           = "/health/ready"                          Health   Health   None      Some("/health/ready");
}

/// Finds routes as the router does, with the same library.
static MATCHER: LazyLock<matchit::Router<Route>> = LazyLock::new(|| {
    let mut matcher = matchit::Router::new();
    for route in Route::ALL {
        matcher.insert(route.path(), *route).expect("no two routes clash, as a test shows");
    }
    matcher
});

impl Route {
    /// Returns the route of a path without base path. Costs a walk along the path.
    pub fn of(path: &str) -> Option<Self> {
        let found = *MATCHER.at(path).ok()?.value;
        // No name of a requested sheet begins with `_`.
        let is_sheet = matches!(found, Self::List | Self::Record);
        (!is_sheet || !path.starts_with("/api/_")).then_some(found)
    }

    /// Returns the first segments of the routes that take the place of a sheet: `_sheets` and
    /// others.
    pub(super) fn in_place_of_sheets() -> impl Iterator<Item = &'static str> {
        let reads = Self::ALL.iter().filter(|route| route.group() == Group::Read);
        let names = reads.filter_map(|route| route.path().strip_prefix("/api/")?.split('/').next());
        names.filter(|name| name.starts_with('_'))
    }

    /// Returns the paths of reads that have no parameters.
    pub(super) fn fixed() -> impl Iterator<Item = &'static str> {
        let reads = Self::ALL.iter().filter(|route| route.group() == Group::Read);
        reads.map(|route| route.path()).filter(|path| !path.contains('{'))
    }
}

/// Returns whether a path without base path is a read, which is answered from a snapshot.
pub(super) fn is_read(path: &str) -> bool {
    path == "/openapi.json"
        || path.strip_prefix("/api/").is_some_and(|rest| !rest.starts_with("_internal/"))
}

/// Returns whether a path without base path is for operators and machines on the same network.
pub(super) fn is_internal(path: &str) -> bool {
    path.starts_with("/api/_internal/") || path.starts_with("/health/") || path == "/metrics"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fall_into_classes() {
        let cases = [
            ("/api/people/a/b", RouteClass::Record),
            ("/api/people", RouteClass::List),
            ("/api/_search", RouteClass::Search),
            ("/api/_sheets", RouteClass::State),
            ("/api/_reloads", RouteClass::State),
            ("/api/_internal/reload-data", RouteClass::Internal),
            ("/api/_internal/nothing", RouteClass::Internal),
            ("/api/_changes", RouteClass::Changes),
            ("/api/_history/people/ada", RouteClass::Past),
            ("/api/_diff", RouteClass::Past),
            ("/api/_commits", RouteClass::Past),
            ("/api/_nothing", RouteClass::Other),
            ("/api/_nothing/at/all", RouteClass::Other),
            ("/api/", RouteClass::Other),
            ("/health/ready", RouteClass::Health),
            ("/metrics", RouteClass::Health),
            ("/", RouteClass::Other),
            ("/_explorer/app.js", RouteClass::Other),
        ];
        for (path, class) in cases {
            let found = Route::of(path).map_or(RouteClass::Other, Route::class);
            assert_eq!(found, class, "{path}");
        }
    }

    #[test]
    fn every_route_is_found_by_its_own_path() {
        for route in Route::ALL {
            let path = route.path().replace("{*", "").replace(['{', '}'], "");
            assert_eq!(Route::of(&path), Some(*route), "{path}");
            let (reads, serves) = (is_read(&path), is_internal(&path));
            let expected = match route.group() {
                Group::Read | Group::Write | Group::Demo => (true, false),
                Group::Page => (*route == Route::Document, false),
                Group::Internal | Group::Metrics | Group::Health => (false, true),
            };
            assert_eq!((reads, serves), expected, "{path}");
        }
    }

    #[test]
    fn reads_are_told_from_everything_else_by_their_paths() {
        for path in
            ["/api/people", "/api/people/ada", "/api/_search", "/api/_nothing", "/openapi.json"]
        {
            assert!(is_read(path), "{path}");
        }
        for path in ["/api/_internal/reloads", "/health/ready", "/metrics", "/api", ""] {
            assert!(!is_read(path), "{path}");
        }
    }
}
