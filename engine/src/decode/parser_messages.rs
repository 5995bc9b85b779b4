//! Rewords parser messages for the people who write the files.

/// Describes what is wrong with a JSON text, without the position.
///
/// `error` comes from the parser, or from converting the parsed values.
pub fn of_json(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    // The position is reported separately.
    let said = whole.rsplit_once(" at line ").map_or(&*whole, |(said, _)| said);
    let plain = match said {
        "expected ident" => "a word is neither `true`, `false` nor `null`",
        "expected value" => "a value is missing",
        "EOF while parsing a value" => "the text ends where a value is expected",
        "EOF while parsing a list" => "the text ends inside a list",
        "EOF while parsing an object" => "the text ends inside an object",
        "EOF while parsing a string" => "the text ends inside a string",
        "expected `:`" => "a colon is missing after a key",
        "expected `,` or `}`" => "a comma or `}` is missing",
        "expected `,` or `]`" => "a comma or `]` is missing",
        "key must be a string" => "a key must be a string in double quotes",
        "trailing characters" => "there is more text after the value",
        "trailing comma" => "there is a comma after the last value",
        said if said.starts_with("control character") => {
            "a string contains a control character: write it as an escape"
        }
        said => return of_type(said),
    };
    plain.to_owned()
}

/// Describes a value of the wrong type.
fn of_type(said: &str) -> String {
    let kinds = said.strip_prefix("invalid type: ").and_then(|said| said.split_once(", expected "));
    match kinds {
        Some((found, wanted)) => format!("expected {wanted}, found {found}"),
        None => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn each_flaw_of_a_json_text_is_told_in_plain_words() {
        for (text, words) in [
            ("trux", "a word is neither `true`, `false` nor `null`"),
            ("", "the text ends where a value is expected"),
            ("[1, ", "the text ends where a value is expected"),
            ("[1", "the text ends inside a list"),
            ("{\"a\": 1", "the text ends inside an object"),
            ("\"a", "the text ends inside a string"),
            ("{\"a\" 1}", "a colon is missing after a key"),
            ("{\"a\": 1 \"b\": 2}", "a comma or `}` is missing"),
            ("[1 2]", "a comma or `]` is missing"),
            ("{a: 1}", "a key must be a string in double quotes"),
            ("{'a': 1}", "a key must be a string in double quotes"),
            ("[1,]", "there is a comma after the last value"),
            ("1 2", "there is more text after the value"),
            ("=", "a value is missing"),
            ("\"a\nb\"", "a string contains a control character: write it as an escape"),
        ] {
            let error = serde_json::from_str::<Value>(text).unwrap_err();
            assert_eq!(of_json(&error), words, "{text}");
        }
        let error = serde_json::from_str::<u8>("\"a\"").unwrap_err();
        assert_eq!(of_json(&error), "expected u8, found string \"a\"");
    }
}
