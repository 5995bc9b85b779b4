//! Fields that a record has only from its path: `lang`, if a file is stored at `${{ lang }}/${{
//! slug }}` and does not itself contain its language.
//!
//! Requests can use them like any field, but they are not part of the value that is served. They
//! are stored after its text, so that a value without such fields needs no extra space.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Json, Value};

/// Begins and ends the part after the text. JSON writes this character as an escape.
const MARK: char = '\u{1f}';

impl Value {
    /// Returns the value with these fields from its path. The value itself must have none of them.
    pub(crate) fn with_path_fields(
        self,
        fields: &serde_json::Map<String, serde_json::Value>,
    ) -> Self {
        let fields = serde_json::Value::Object(fields.clone());
        Self(format!("{}{MARK}{fields}{MARK}", self.as_str()).into())
    }

    /// Returns the text of the value, and the text of the fields from its path that follows it.
    pub(super) fn texts(&self) -> (&str, Option<&str>) {
        let marked = self.0.strip_suffix(MARK).and_then(|text| text.rsplit_once(MARK));
        marked.map_or((&*self.0, None), |(own, fields)| (own, Some(fields)))
    }

    /// Returns the fields that the record has only from its path, as an object.
    pub fn path_fields(&self) -> Option<Json<'_>> {
        self.texts().1.map(Json)
    }

    /// Returns the value itself and, if there are any, the fields from its path.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Json<'_>> {
        let (own, fields) = self.texts();
        [own].into_iter().chain(fields).map(Json)
    }

    /// Returns the value with the fields from its path merged into it.
    pub(crate) fn whole(&self) -> Cow<'_, Self> {
        let (own, Some(fields)) = self.texts() else { return Cow::Borrowed(self) };
        // A field from the path replaces a member that is null.
        let members = [own, fields].into_iter().flat_map(|text| Json(text).members());
        let members: BTreeMap<_, _> = members.collect();
        let members = members
            .iter()
            .map(|(name, json)| format!("{}:{}", serde_json::Value::from(&**name), json.text()));
        Cow::Owned(Self(format!("{{{}}}", members.collect::<Vec<_>>().join(",")).into()))
    }

    /// Returns everything as one text, from which [`Value::from_stored`] restores the value.
    pub(crate) fn stored(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{FieldPath, Kind, Paths};
    use serde_json::json;

    fn value() -> Value {
        let fields = json!({"lang": "fr\u{1f}\"", "slug": "a"});
        let own = Value::new(&json!({"m": [{"slug": 1}], "slug": null, "title": "T"}));
        own.with_path_fields(fields.as_object().unwrap())
    }

    #[test]
    fn what_the_path_says_is_found_and_not_served() {
        let value = value();
        assert_eq!(value.as_str(), r#"{"m":[{"slug":1}],"slug":null,"title":"T"}"#);
        assert_eq!(value.json().member("lang"), None);
        let lang = value.at(&FieldPath::new("lang")).unwrap();
        assert_eq!((lang.kind(), lang.text()), (Kind::String, r#""fr\u001f\"""#));
        let all = ["slug", "title", "m.slug", "lang", "lang.x"].map(FieldPath::new);
        let mut found = Vec::new();
        Paths::new(&all).visit(&value, &mut |place, json| found.push((place, json.text())));
        assert_eq!(
            found,
            [(2, "1"), (0, "null"), (1, "\"T\""), (3, r#""fr\u001f\"""#), (0, "\"a\"")]
        );
        assert_eq!(value.pointer(&all[3]).as_str(), "/lang");
    }

    #[test]
    fn a_value_with_all_its_fields_has_them_in_their_places() {
        let whole = value().whole().into_owned();
        let expected = r#"{"lang":"fr\u001f\"","m":[{"slug":1}],"slug":"a","title":"T"}"#;
        assert_eq!(whole.as_str(), expected);
        let own = Value::new(&json!({"a": 1}));
        assert!(matches!(own.whole(), Cow::Borrowed(_)) && own.path_fields().is_none());
    }

    #[test]
    fn a_value_is_made_again_from_what_was_stored() {
        let value = value();
        assert_eq!(Value::from_stored(value.stored()), value);
        assert_ne!(Value::from_stored(value.as_str()), value);
        for odd in ["", "\u{1f}", "{}\u{1f}", "\u{1f}\u{1f}"] {
            let odd = Value::from_stored(odd);
            assert!(odd.parts().count() > 0 && odd.whole().json().members().count() == 0);
        }
    }
}
