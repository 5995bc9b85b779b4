//! The author of a person's commits, made of the claims of its token.

use headwater_engine::mirror::Identity;
use serde_json::{Map, Value};

/// A text such as `${{ name }} <${{ email }}>`, in which claims replace their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AuthorTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Claim(String),
}

/// What a person's token lacks for an author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AuthorFlaw {
    /// This claim is missing, is not a text, or has nothing that may be in a commit.
    Claim(String),
    /// The claims together are no `Name <address>`.
    Form,
}

impl AuthorTemplate {
    /// Parses the text. Returns `None` if it cannot become `Name <address>`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${{") {
            let (claim, behind) = behind.split_once("}}")?;
            let claim = claim.trim();
            if claim.is_empty() {
                return None;
            }
            pieces.extend([Piece::Text(before.to_owned()), Piece::Claim(claim.to_owned())]);
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let template = Self(pieces);
        let sample = template.fill(|_| Some("x".to_owned())).ok()?;
        Identity::parse(&sample).ok().map(|_| template)
    }

    /// Returns the author of the person with these claims.
    pub(super) fn author(&self, claims: &Map<String, Value>) -> Result<Identity, AuthorFlaw> {
        let filled = self.fill(|name| {
            let text = clean(claims.get(name)?.as_str()?);
            (!text.is_empty()).then_some(text)
        })?;
        Identity::parse(&filled).map_err(|_| AuthorFlaw::Form)
    }

    fn fill(&self, claim: impl Fn(&str) -> Option<String>) -> Result<String, AuthorFlaw> {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => Ok(text.clone()),
            Piece::Claim(name) => claim(name).ok_or_else(|| AuthorFlaw::Claim(name.clone())),
        };
        self.0.iter().map(piece).collect()
    }
}

/// Returns `text` without the characters that end a name or an address in a commit.
fn clean(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>'));
    kept.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn author(claims: Value) -> Result<String, AuthorFlaw> {
        let template = AuthorTemplate::parse("${{ name }} <${{email}}>").unwrap();
        let Value::Object(claims) = claims else { panic!() };
        let author = template.author(&claims);
        author.map(|author| format!("{} <{}>", author.name(), author.address()))
    }

    #[test]
    fn claims_make_an_author_and_cannot_forge_another_line() {
        let claim = |name: &str| Err(AuthorFlaw::Claim(name.to_owned()));
        let long = "x".repeat(300);
        for (claims, expected) in [
            (json!({ "name": "Ada", "email": "a@b" }), Ok("Ada <a@b>".to_owned())),
            (json!({ "name": " A\n<d>\0a\r", "email": "<a@b>" }), Ok("Ada <a@b>".to_owned())),
            (json!({ "name": "Ada" }), claim("email")),
            (json!({ "name": "\n<>", "email": "a@b" }), claim("name")),
            (json!({ "name": ["Ada"], "email": "a@b" }), claim("name")),
            (json!({ "name": "Ada", "email": "a b@c" }), Err(AuthorFlaw::Form)),
            (json!({ "name": long, "email": "a@b" }), Err(AuthorFlaw::Form)),
        ] {
            assert_eq!(author(claims.clone()), expected, "{claims}");
        }
    }

    #[test]
    fn a_template_that_cannot_become_an_author_is_none() {
        for good in ["${{ name }} <${{ email }}>", "Staff <${{ sub }}@example.org>", "A <a@b>"] {
            assert!(AuthorTemplate::parse(good).is_some(), "{good}");
        }
        for wrong in
            ["", "${{ name }}", "${{ name <${{ email }}>", "${{ }} <a@b>", "<${{ email }}>"]
        {
            assert!(AuthorTemplate::parse(wrong).is_none(), "{wrong}");
        }
    }
}
