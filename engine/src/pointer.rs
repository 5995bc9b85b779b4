//! JSON Pointers (RFC 6901), which give a position in a value.

/// Appends the name of a member or the position of an element to a pointer, with `~` and `/`
/// escaped.
pub fn push(pointer: &mut String, name: &str) {
    pointer.push('/');
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// Returns the pointer to the member reached by these names.
pub fn of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let mut pointer = String::new();
    names.into_iter().for_each(|name| push(&mut pointer, name.as_ref()));
    pointer
}

/// Returns the name that a part of a pointer denotes.
pub fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_its_member_whatever_is_in_the_names() {
        let value = serde_json::json!({ "a/b": { "c~d": { "~1": { "": 7 } } } });
        let pointer = of(["a/b", "c~d", "~1", ""]);
        assert_eq!(pointer, "/a~1b/c~0d/~01/");
        assert_eq!(value.pointer(&pointer), Some(&serde_json::json!(7)));
        assert_eq!(of([""; 0]), "");
    }
}
