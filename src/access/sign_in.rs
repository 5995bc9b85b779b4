//! Where people sign in on a page of this server: at an issuer that knows the page as a public client.

use std::sync::Arc;

use reqwest::Url;

use super::fields::{Fields, Flaw};

/// What a page asks for unless the file says something else: who somebody is.
const SCOPE: &str = "openid profile email";

/// How a page, which keeps no secret, signs people in at an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The issuer, exactly as its tokens name it.
    pub issuer: Arc<str>,
    /// Where the issuer answers: its scheme, its host and its port.
    pub origin: String,
    /// The name under which the issuer knows the page.
    pub client_id: String,
    /// What the page asks for.
    pub scope: String,
    /// For whom the token must be.
    pub audience: String,
}

impl SignIn {
    /// Reads `client_id` and `scope` of the `[[issuer]]` at `url`; `None` if its people do not sign in on pages.
    ///
    /// # Errors
    /// Fails if one of them is not what it must be, or if there is a scope and no client.
    pub(super) fn read(
        fields: &Fields<'_>,
        url: &Url,
        issuer: &str,
        audience: &str,
    ) -> Result<Option<Self>, Flaw> {
        let (client, scope) = (fields.get("client_id"), fields.get("scope"));
        let Some(client) = client else {
            let alone =
                |_| Err(fields.flaw("`scope` is for a page that signs in, with `client_id`"));
            return scope.map_or(Ok(None), alone);
        };
        let client_id = client.text()?.to_owned();
        if client_id.is_empty() {
            return Err(client.must_be("the name under which the issuer knows the page"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(client.flaw("an issuer with `?` or `#` in its name tells pages nothing"));
        }
        let asked = scope.as_ref().map(|scope| scope.text()).transpose()?.unwrap_or(SCOPE);
        if let Some(scope) = scope.filter(|_| !asked.split(' ').any(|part| part == "openid")) {
            return Err(
                scope.must_be(&format!("words with `openid` among them, such as `{SCOPE}`"))
            );
        }
        Ok(Some(Self {
            issuer: issuer.into(),
            origin: url.origin().ascii_serialization(),
            client_id,
            scope: asked.to_owned(),
            audience: audience.to_owned(),
        }))
    }

    /// Returns whether the page shows the server the ID token, which is for the page itself. Otherwise it
    /// shows the access token, which is for somebody else.
    pub fn takes_id_token(&self) -> bool {
        self.audience == self.client_id
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::AccessFile;
    use super::*;

    fn read(issuer: &str, more: &str) -> Result<Option<SignIn>, String> {
        let text = format!(
            "[[issuer]]\nissuer = \"{issuer}\"\naudience = \"data\"\njwks = \"keys.json\"\nclaims = {{}}\n{more}\n"
        );
        let file = AccessFile::parse(Path::new("access.toml"), &text);
        let file = file.map_err(|error| error.to_string())?;
        Ok(file.issuers[0].sign_in.clone())
    }

    #[test]
    fn people_sign_in_on_a_page_where_the_issuer_knows_it() {
        assert_eq!(read("https://login.example.org", ""), Ok(None));
        let page = read("https://login.example.org:8443/realms/a", "client_id = \"explorer\"");
        let page = page.unwrap().unwrap();
        assert_eq!(&*page.issuer, "https://login.example.org:8443/realms/a");
        assert_eq!(page.origin, "https://login.example.org:8443");
        assert_eq!((&*page.client_id, &*page.scope), ("explorer", SCOPE));
        assert!(!page.takes_id_token());
        let more = "client_id = \"data\"\nscope = \"openid groups\"";
        let page = read("https://login.example.org", more).unwrap().unwrap();
        // The name is kept as it is, without the slash that addresses have.
        assert_eq!((&*page.issuer, &*page.scope), ("https://login.example.org", "openid groups"));
        assert!(page.takes_id_token());
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_line() {
        for (issuer, more, told) in [
            ("https://a.example", "client_id = \"\"", ":6: `client_id` must be the name"),
            ("https://a.example", "client_id = 1", ":6: `client_id` must be a string"),
            ("https://a.example", "scope = \"openid\"", ":1: `scope` is for a page"),
            ("https://a.example/?a=b", "client_id = \"a\"", ":6: an issuer with `?`"),
            ("https://a.example", "client_id = \"a\"\nscope = \"email\"", ":7: `scope` must be"),
        ] {
            let error = read(issuer, more).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
