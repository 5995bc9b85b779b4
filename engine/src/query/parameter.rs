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
    /// A condition as an expression in CEL.
    Filter = "filter";
    /// The moment that the conditions take for the present.
    Now = "now";
    /// The fields to sort by.
    Sort = "sort";
    /// The fields whose values are counted.
    Facets = "facets";
    /// The fields that are shown.
    Fields = "fields";
    /// The references whose records are shown, too.
    Include = "include";
    /// The number of a page.
    Page = "page";
    /// How many items a page has.
    PerPage = "perPage";
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

    /// Says whether it asks for something beside the records of the list.
    pub fn is_beside(self) -> bool {
        matches!(self, Self::Facets | Self::Include)
    }
}
