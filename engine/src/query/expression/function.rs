//! The functions that an expression can call, in one table.

use Form::{Either, Function as Global, Method};

macro_rules! functions {
    ($($form:ident $name:ident = $text:literal, $least:literal to $most:literal;)*) => {
        /// A function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function {
            $($name,)*
        }

        /// Every function.
        pub(super) const FUNCTIONS: &[Signature] = &[$(Signature {
            function: Function::$name,
            name: $text,
            form: $form,
            least: $least,
            most: $most,
        },)*];
    };
}

/// How a function is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signature {
    pub(super) function: Function,
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// The number of arguments, including the value that a method is called on.
    pub(super) least: usize,
    pub(super) most: usize,
}

/// Where the first argument of a function is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `f(x)`
    Function,
    /// `x.f()`
    Method,
    /// Both.
    Either,
}

impl Form {
    /// Returns whether a function of this form may be called on a value.
    pub(super) fn is_method(self) -> bool {
        self != Self::Function
    }

    /// Returns whether a function of this form may be called by itself.
    pub(super) fn is_function(self) -> bool {
        self != Self::Method
    }
}

functions! {
    Either Size = "size", 1 to 1;
    Either Matches = "matches", 2 to 2;

    Global Type = "type", 1 to 1;
    Global Dyn = "dyn", 1 to 1;
    Global Int = "int", 1 to 1;
    Global Uint = "uint", 1 to 1;
    Global Double = "double", 1 to 1;
    Global Text = "string", 1 to 1;
    Global Bool = "bool", 1 to 1;
    Global Bytes = "bytes", 1 to 1;
    Global Timestamp = "timestamp", 1 to 1;
    Global Duration = "duration", 1 to 1;

    Method Contains = "contains", 2 to 2;
    Method StartsWith = "startsWith", 2 to 2;
    Method EndsWith = "endsWith", 2 to 2;
    Method CharAt = "charAt", 2 to 2;
    Method IndexOf = "indexOf", 2 to 3;
    Method LastIndexOf = "lastIndexOf", 2 to 3;
    Method LowerAscii = "lowerAscii", 1 to 1;
    Method UpperAscii = "upperAscii", 1 to 1;
    Method Replace = "replace", 3 to 4;
    Method Split = "split", 2 to 3;
    Method Substring = "substring", 2 to 3;
    Method Trim = "trim", 1 to 1;
    Method Join = "join", 1 to 2;
    Method Reverse = "reverse", 1 to 1;

    Method Sum = "sum", 1 to 1;
    Method Min = "min", 1 to 1;
    Method Max = "max", 1 to 1;
    Method Distinct = "distinct", 1 to 1;
    Global SetsContains = "sets.contains", 2 to 2;
    Global SetsEquivalent = "sets.equivalent", 2 to 2;
    Global SetsIntersects = "sets.intersects", 2 to 2;

    Method FullYear = "getFullYear", 1 to 2;
    Method Month = "getMonth", 1 to 2;
    Method Date = "getDate", 1 to 2;
    Method DayOfMonth = "getDayOfMonth", 1 to 2;
    Method DayOfWeek = "getDayOfWeek", 1 to 2;
    Method DayOfYear = "getDayOfYear", 1 to 2;
    Method Hours = "getHours", 1 to 2;
    Method Minutes = "getMinutes", 1 to 2;
    Method Seconds = "getSeconds", 1 to 2;
    Method Milliseconds = "getMilliseconds", 1 to 2;

    Global Greatest = "math.greatest", 1 to 100;
    Global Least = "math.least", 1 to 100;
    Global Ceil = "math.ceil", 1 to 1;
    Global Floor = "math.floor", 1 to 1;
    Global Round = "math.round", 1 to 1;
    Global Trunc = "math.trunc", 1 to 1;
    Global Abs = "math.abs", 1 to 1;
    Global Sign = "math.sign", 1 to 1;
    Global Sqrt = "math.sqrt", 1 to 1;
    Global IsNan = "math.isNaN", 1 to 1;
    Global IsInf = "math.isInf", 1 to 1;
    Global IsFinite = "math.isFinite", 1 to 1;

    Global Semver = "semver", 1 to 2;
    Global IsSemver = "isSemver", 1 to 2;
    Method IsLessThan = "isLessThan", 2 to 2;
    Method IsGreaterThan = "isGreaterThan", 2 to 2;
    Method CompareTo = "compareTo", 2 to 2;
    Method Major = "major", 1 to 1;
    Method Minor = "minor", 1 to 1;
    Method Patch = "patch", 1 to 1;
    Global Cvss = "cvss", 1 to 1;
}
