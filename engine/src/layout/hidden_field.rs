//! Checks how `hidden` names its field.
//!
//! A name that no record has hides nothing. So what other languages write for a path, which would be such
//! a name here, is refused.

/// Returns what is wrong with `name`, the field that hides records, if it is written as a path of
/// another language.
pub(super) fn flaw(name: &str) -> Option<String> {
    let plain = plain(name);
    let meant = match &*plain {
        "" => String::new(),
        plain => format!(", here {plain:?}"),
    };
    (plain != name).then(|| {
        format!(
            "hidden: {name:?} must be the names of fields with dots between them{meant}; lists on \
             the way are opened, and a number is a position"
        )
    })
}

/// Returns the dotted name that is meant, which is the name itself if it is one.
fn plain(name: &str) -> String {
    let names: Vec<&str> = match name.strip_prefix('/') {
        Some(pointer) => pointer.split('/').collect(),
        None => name.split('.').collect(),
    };
    let is_wild = |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte == b'*');
    let names = names.into_iter().filter(|name| !is_wild(name));
    names.flat_map(indexed).collect::<Vec<_>>().join(".")
}

/// Splits `a[0]` into the name and the position, and drops `[]` and `[*]`.
fn indexed(name: &str) -> Vec<&str> {
    let mut rest = name;
    let mut positions = Vec::new();
    while let Some((before, inside)) = rest.strip_suffix(']').and_then(|it| it.rsplit_once('[')) {
        let is_number = inside.parse::<i64>().is_ok();
        if !is_number && !matches!(inside, "" | "*") {
            break;
        }
        positions.extend(is_number.then_some(inside));
        rest = before;
    }
    let own = (!rest.is_empty() || rest == name).then_some(rest);
    own.into_iter().chain(positions.into_iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_another_language_is_told_with_what_is_meant() {
        for (name, meant) in [
            ("contacts.*.private", "contacts.private"),
            ("contacts.**.private", "contacts.private"),
            ("contacts[].private", "contacts.private"),
            ("contacts[*].private", "contacts.private"),
            ("contacts[0].private", "contacts.0.private"),
            ("contacts[0][-1].private", "contacts.0.-1.private"),
            ("/contacts/0/private", "contacts.0.private"),
            ("/private", "private"),
            ("[0].private", "0.private"),
        ] {
            let told = flaw(name).unwrap();
            assert!(told.contains(&format!("{name:?} must be")), "{told}");
            assert!(told.contains(&format!("here {meant:?};")), "{told}");
        }
        assert!(!flaw("*").unwrap().contains("here"));
        let names = [
            "private",
            "contacts.0.private",
            "a.-1",
            "$.private",
            "a[b]",
            "a..b",
            ".",
            "a]",
            "a[0",
            "*a",
            "a b/c",
            "@private",
        ];
        for name in names {
            assert_eq!(flaw(name), None, "{name}");
        }
    }
}
