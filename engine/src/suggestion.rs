//! Finds the name that a mistyped name was probably meant to be.

/// The longest name that is compared; the cost grows with the square of the length.
const LONGEST: usize = 64;

/// How many candidates are checked: a suggestion must not cost more than the request.
const LOOKED_AT: usize = 1_000;

/// Returns the candidate nearest to `name`, if one is near enough to be meant. On a tie, the first
/// one wins.
///
/// Case is ignored. Up to two letters may be replaced, missing, added or swapped, or three in names
/// of nine letters or more. Checks the first thousand candidates.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let typed: Vec<char> = name.to_lowercase().chars().collect();
    let most = match typed.len() {
        0 => return None,
        1..=2 => 0,
        3..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    let mut best: Option<(usize, &str)> = None;
    let candidates = candidates.into_iter().take(LOOKED_AT);
    // Lengths are compared first, so for most candidates no letter is compared.
    let is_near = |other: &&str| {
        other.len() <= 4 * LONGEST && other.chars().count().abs_diff(typed.len()) <= 2 * most
    };
    for candidate in candidates.filter(|other| *other != name).filter(is_near) {
        let known: Vec<char> = candidate.to_lowercase().chars().collect();
        if known.len().abs_diff(typed.len()) > most || typed.len().max(known.len()) > LONGEST {
            continue;
        }
        let distance = distance(&typed, &known);
        if distance <= most && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Returns `; did you mean <nearest>?`, or an empty text if nothing is near.
pub fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// Counts the letters to replace, insert, remove or swap with a neighbour.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (i, left) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, right) in other.iter().enumerate() {
            let replaced = above[j] + usize::from(left != right);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && one[i - 1] == *right && *left == other[j - 1] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_no_other() {
        let names = ["people", "projects", "posts", "tags", "id"];
        for (typed, meant) in [
            ("poeple", Some("people")),
            ("People", Some("people")),
            ("person", None),
            ("project", Some("projects")),
            ("post", Some("posts")),
            ("tgas", Some("tags")),
            ("ID", Some("id")),
            ("is", None),
            ("people", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, names), meant, "{typed}");
        }
        assert_eq!(nearest(&"a".repeat(100), [&*"a".repeat(99)]), None);
        let many: Vec<String> = (0..2 * LOOKED_AT).map(|n| format!("field-{n}")).collect();
        let of = |name| nearest(name, many.iter().map(String::as_str));
        assert_eq!(of("feild-7"), Some("field-7"));
        assert_eq!(of("feild-1999"), Some("field-199"), "the others are not looked at");
        assert_eq!(did_you_mean(Some("people")), "; did you mean people?");
        assert_eq!(did_you_mean(None), "");
    }
}
