//! Who sent a request, and what follows from that.

use std::num::NonZeroU32;
use std::sync::Arc;

use headwater_engine::mirror::Identity;
use headwater_engine::view::View;
use headwater_engine::write::Scope;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::author_template::AuthorFlaw;
use super::grants::Grants;

/// The characters that are encoded in the name of a person.
const OUTSIDE_NAMES: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'@').remove(b'|');

/// Who a caller is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallerId {
    /// Somebody without a credential.
    Anonymous,
    /// The holder of a token, by the name of the token.
    Token(Arc<str>),
    /// A person, as an issuer of OpenID Connect names it.
    Person {
        /// The issuer.
        issuer: Arc<str>,
        /// The subject, which the issuer never gives to anybody else.
        subject: Arc<str>,
    },
}

/// The number of requests in a second that a caller may send.
pub type Rate = NonZeroU32;

/// A caller whose credential is right, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub id: CallerId,
    /// What it may do.
    pub grants: Grants,
    /// How many requests in a second it may send; `None` is any number.
    pub rate: Option<Rate>,
    /// The author of its writes.
    pub(super) author: Author,
}

/// The author of what a caller writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Author {
    /// It writes nothing.
    Nobody,
    /// This one.
    Fixed(Identity),
    /// This one, unless the caller names another one.
    Default(Identity),
    /// None, because the token of the person lacks something.
    Lacking(AuthorFlaw),
}

/// A caller that may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The short name in front of each message. No two callers share it.
    pub name: String,
    /// The author of its writes.
    pub author: Identity,
    /// The sheets that it may write.
    pub scope: Scope,
    /// What it may see.
    pub view: View,
    /// Whether the caller may name the author, as a front end with users of its own.
    pub names_author: bool,
}

/// Why a caller writes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWriter {
    /// Its grants name no sheet to write.
    #[error("the credential may not write")]
    NoGrant,
    /// The token of a person lacks a claim that the author is made of.
    #[error("the author of the write cannot be made: the token has no usable claim `{claim}`")]
    NoClaim {
        /// The claim.
        claim: String,
    },
    /// The claims of a person are no author of a commit.
    #[error(
        "the author of the write cannot be made: the claims of the token are no `Name <address>`"
    )]
    NoAuthor,
}

impl Caller {
    /// Returns whether there is something that it may read.
    pub fn reads(&self) -> bool {
        !self.grants.view.is_empty()
    }

    /// Returns a caller without a credential that sees `view`.
    pub fn anonymous(view: View) -> Self {
        let (id, grants) = (CallerId::Anonymous, Grants::reading(view));
        Self { id, grants, rate: None, author: Author::Nobody }
    }

    /// Returns the caller as one that writes.
    ///
    /// # Errors
    /// Fails if it may write nothing.
    pub fn writer(&self) -> Result<Writer, NotWriter> {
        if self.grants.write.is_nothing() {
            return Err(NotWriter::NoGrant);
        }
        let (author, names_author) = match &self.author {
            Author::Nobody => return Err(NotWriter::NoGrant),
            Author::Fixed(author) => (author.clone(), false),
            Author::Default(author) => (author.clone(), true),
            Author::Lacking(AuthorFlaw::Claim(claim)) => {
                return Err(NotWriter::NoClaim { claim: claim.clone() });
            }
            Author::Lacking(AuthorFlaw::Form) => return Err(NotWriter::NoAuthor),
        };
        let name = match &self.id {
            CallerId::Anonymous => return Err(NotWriter::NoGrant),
            CallerId::Token(name) => name.to_string(),
            // A colon is in no name of a token, and in no encoded subject.
            CallerId::Person { issuer, subject } => {
                let issuer = issuer.split_once("://").map_or(&**issuer, |(_, rest)| rest);
                format!("{issuer}:{}", utf8_percent_encode(subject, OUTSIDE_NAMES))
            }
        };
        let Grants { view, write: scope } = self.grants.clone();
        Ok(Writer { name, author, scope, view, names_author })
    }
}
