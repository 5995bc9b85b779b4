//! The parameters of a list other than filters, in one table.

macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// A parameter of a list other than a filter. A field with the same name as one is filtered
        /// by `field[eq]`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ListParameter {
            $($(#[$doc])* $name,)*
        }

        impl ListParameter {
            /// Every parameter.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name,)*];

            /// Returns its name in a query string.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

parameters! {
    /// The words to search for.
    Text = "q";
    /// How many of these words must occur.
    Match = "match";
    /// Whether the last of them also matches words that begin with it.
    Prefix = "prefix";
    /// A condition as an expression in CEL.
    Filter = "filter";
    /// The fields to sort by.
    Sort = "sort";
    /// The fields whose values are counted.
    Facets = "facets";
    /// The number of values reported for each.
    FacetLimit = "facetLimit";
    /// The order of the values.
    FacetSort = "facetSort";
    /// Whether the conditions on a counted field apply to its counts.
    FacetMode = "facetMode";
    /// The fields with statistics.
    Stats = "stats";
    /// The fields by which the items are grouped.
    GroupBy = "groupBy";
    /// The list whose elements are the items.
    Unnest = "unnest";
    /// The value of `now`.
    Now = "now";
    /// The fields that are shown.
    Fields = "fields";
    /// The references whose records are included.
    Include = "include";
    /// The number of a page.
    Page = "page";
    /// The number of items per page.
    PerPage = "perPage";
    /// The form of the answer.
    Format = "format";
    /// The position where an earlier part ended.
    Cursor = "cursor";
    /// The maximum number of items in a part.
    Limit = "limit";
}

impl ListParameter {
    /// Returns the parameter of this name, if it is one.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|parameter| parameter.name() == name)
    }

    /// Returns whether it selects a part of the list.
    pub fn is_paging(self) -> bool {
        matches!(self, Self::Page | Self::PerPage | Self::Cursor | Self::Limit)
    }

    /// Returns whether it decides which records are in the list, whatever part is requested.
    pub fn is_condition(self) -> bool {
        matches!(self, Self::Filter | Self::Now)
    }

    /// Returns whether it requests something in addition to the items of the list.
    pub fn is_beside(self) -> bool {
        let is_counted = matches!(self, Self::Facets | Self::FacetLimit | Self::FacetMode);
        is_counted || matches!(self, Self::FacetSort | Self::Stats | Self::Include)
    }

    /// Returns whether it is a list, which may be given in several parts.
    pub fn is_list(self) -> bool {
        let is_shown = matches!(self, Self::Fields | Self::Include | Self::Sort);
        is_shown || matches!(self, Self::Facets | Self::Stats | Self::GroupBy)
    }
}
