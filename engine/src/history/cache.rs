//! What is kept between the pages of histories.

use super::bookmarks::Bookmarks;
use super::layouts::Layouts;

/// What pages of histories found out that the next ones need too. Nothing depends on it but the time
/// that a page takes.
#[derive(Debug, Default)]
pub struct HistoryCache {
    /// Where pages begin.
    pub(super) bookmarks: Bookmarks,
    /// The layouts of the commits.
    pub(super) layouts: Layouts,
}
