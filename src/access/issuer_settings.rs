//! An `[[issuer]]` of the access file.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use headwater_engine::view::View;
use headwater_engine::write::Scope;
use reqwest::Url;
use serde_json::{Map, Value};

use super::author_template::AuthorTemplate;
use super::caller::Rate;
use super::entries::{hidden, rate, sheets};
use super::fields::{Field, Flaw};
use super::grants::{Grants, view_of};
use super::key_cache::KeyPlace;
use super::sign_in::SignIn;

/// An issuer of OpenID Connect, and what its people may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IssuerSettings {
    /// The issuer, exactly as its tokens name it.
    pub(super) issuer: Arc<str>,
    /// For whom a token must be.
    pub(super) audience: String,
    pub(super) keys: KeyPlace,
    claims: Vec<ClaimGrants>,
    pub(super) author: Option<AuthorTemplate>,
    /// How many requests in a second each person may send.
    pub(super) rate: Option<Rate>,
    /// How people sign in on a page of this server, if they can.
    pub(super) sign_in: Option<SignIn>,
}

/// What the people may do in whose tokens a claim is a value, or contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ClaimGrants {
    claim: String,
    value: String,
    grants: Grants,
}

impl IssuerSettings {
    /// Reads the table. A relative path of keys begins in `folder`.
    ///
    /// # Errors
    /// Fails at the first rule that it breaks.
    pub(super) fn read(item: &Field<'_>, folder: &Path) -> Result<Self, Flaw> {
        let known =
            ["issuer", "audience", "jwks", "claims", "author", "rate", "client_id", "scope"];
        let fields = item.table(&known)?;
        let issuer = fields.require("issuer")?;
        let text = issuer.text()?;
        let url = Url::parse(text).ok().filter(is_private_channel);
        let url = url.ok_or_else(|| issuer.must_be(HTTPS))?;
        let audience = fields.require("audience")?;
        if audience.text()?.is_empty() {
            return Err(audience.must_be("the audience that the tokens name"));
        }
        let keys = keys(&fields.require("jwks")?, folder)?;
        let mut claims = Vec::new();
        for claim in fields.require("claims")?.entries()? {
            for value in claim.entries()? {
                let (claim, grants) = (claim.name().to_owned(), grants(&value)?);
                claims.push(ClaimGrants { claim, value: value.name().to_owned(), grants });
            }
        }
        let author = fields.get("author").map(|field| author(&field)).transpose()?;
        let settings = Self {
            issuer: text.into(),
            audience: audience.text()?.to_owned(),
            keys,
            claims,
            author,
            rate: fields.get("rate").map(|field| rate(&field)).transpose()?,
            sign_in: SignIn::read(&fields, &url, text, audience.text()?)?,
        };
        if settings.grants_writes() && settings.author.is_none() {
            return Err(fields.flaw("an issuer whose people write needs `author`"));
        }
        Ok(settings)
    }

    /// Returns whether some of its people may write.
    pub(super) fn grants_writes(&self) -> bool {
        self.claims.iter().any(|claim| !claim.grants.write.is_nothing())
    }

    /// Returns what the person with these claims may do: what everybody may, and what each claim
    /// adds.
    pub(super) fn grants(&self, claims: &Map<String, Value>, anonymous: &View) -> Grants {
        let matching = self.claims.iter().filter(|grant| match claims.get(&grant.claim) {
            Some(Value::String(text)) => *text == grant.value,
            Some(Value::Array(items)) => items.iter().any(|item| *item == grant.value.as_str()),
            _ => false,
        });
        let everybody = Grants::reading(anonymous.clone());
        matching.fold(everybody, |all, grant| all.union(grant.grants.clone()))
    }
}

/// What an address must be.
const HTTPS: &str = "an address that begins with `https://` (`http://` only for this machine)";

/// Returns whether nobody on the way can change what is said at `url`.
fn is_private_channel(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_local = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || url.scheme() == "http" && is_local
}

fn keys(field: &Field<'_>, folder: &Path) -> Result<KeyPlace, Flaw> {
    let text = field.text()?;
    if !text.contains("://") {
        return match text {
            "" => Err(field.must_be("the address of the keys, or a file")),
            path => Ok(KeyPlace::File(folder.join(path))),
        };
    }
    match Url::parse(text) {
        Ok(url) if is_private_channel(&url) => Ok(KeyPlace::Url(url)),
        _ => Err(field.must_be(HTTPS)),
    }
}

fn grants(field: &Field<'_>) -> Result<Grants, Flaw> {
    let fields = field.table(&["read", "hidden", "write"])?;
    let list = |name| fields.get(name).map_or(Ok(Scope::nothing()), |field| sheets(&field));
    let view = view_of(&list("read")?, hidden(&fields)?);
    Ok(Grants { view, write: list("write")? })
}

fn author(field: &Field<'_>) -> Result<AuthorTemplate, Flaw> {
    AuthorTemplate::parse(field.text()?)
        .ok_or_else(|| field.must_be("of the form `${{ name }} <${{ email }}>`"))
}
