//! The parameters of a list that are no filters, in one table.

macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// A parameter of a list that is no filter. A field that is called like one of them is
        /// filtered by `field[eq]`.
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
    /// Whether the last of them stands for words that begin with it, too.
    Prefix = "prefix";
    /// A condition as an expression in CEL.
    Filter = "filter";
    /// The fields to sort by.
    Sort = "sort";
    /// The fields whose values are counted.
    Facets = "facets";
    /// How many values of each are told.
    FacetLimit = "facetLimit";
    /// In which order.
    FacetSort = "facetSort";
    /// Whether the conditions on a counted field count for it.
    FacetMode = "facetMode";
    /// The fields of which figures are told.
    Stats = "stats";
    /// The fields by which the items are grouped.
    GroupBy = "groupBy";
    /// The list whose elements are the items.
    Unnest = "unnest";
    /// What `now` is.
    Now = "now";
    /// The fields that are shown.
    Fields = "fields";
    /// The references whose records are shown, too.
    Include = "include";
    /// The number of a page.
    Page = "page";
    /// How many items a page has.
    PerPage = "perPage";
    /// The form of the answer.
    Format = "format";
    /// Where an earlier part ended.
    Cursor = "cursor";
    /// How many items a part has.
    Limit = "limit";
}

impl ListParameter {
    /// Returns the parameter of this name, if it is one.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|parameter| parameter.name() == name)
    }

    /// Says whether it asks for a part of the list.
    pub fn is_paging(self) -> bool {
        matches!(self, Self::Page | Self::PerPage | Self::Cursor | Self::Limit)
    }

    /// Says whether it decides which records are in the list, whatever part of it is asked for.
    pub fn is_condition(self) -> bool {
        matches!(self, Self::Filter | Self::Now)
    }

    /// Says whether it asks for something beside the items of the list.
    pub fn is_beside(self) -> bool {
        let is_counted = matches!(self, Self::Facets | Self::FacetLimit | Self::FacetMode);
        is_counted || matches!(self, Self::FacetSort | Self::Stats | Self::Include)
    }

    /// Says whether it is a list, which may be given in several parts.
    pub fn is_list(self) -> bool {
        let is_shown = matches!(self, Self::Fields | Self::Include | Self::Sort);
        is_shown || matches!(self, Self::Facets | Self::Stats | Self::GroupBy)
    }
}
