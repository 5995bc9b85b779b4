//! Who a caller is, and what it may see and write.
//!
//! An [`AccessFile`] names the callers. The [`Authenticator`] turns the credential of a request
//! into a [`Caller`], whose [`Grants`] say which view it has and what it may write. Callers with the
//! same grants have the same view.

mod admission;
mod authenticator;
mod author_template;
mod caller;
mod credential;
#[cfg(test)]
pub(crate) mod door;
mod edit;
mod entries;
mod fields;
mod file;
mod fingerprint;
mod grants;
mod issuer;
mod issuer_settings;
mod jwt;
mod key_cache;
mod key_schedule;
mod key_set;
mod rate_limits;
mod roster;
mod sign_in;
#[cfg(test)]
mod tests;

pub use admission::{Admission, Ended};
pub use authenticator::Authenticator;
pub use caller::{Caller, CallerId, NotWriter, Rate, Writer};
pub use credential::Refused;
pub use edit::{EditError, Extended, NewToken, with_token, without_token};
pub use file::{AccessFile, AccessToken};
pub use fingerprint::Fingerprint;
pub use grants::Grants;
pub use rate_limits::RateLimits;
pub use sign_in::SignIn;
