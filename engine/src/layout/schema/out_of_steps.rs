//! How a check ends whose steps or looks are used up.

/// Ends a check whose steps or looks are used up: it is unwound with this, as the library offers no
/// way to end one early.
pub(super) struct OutOfSteps;
