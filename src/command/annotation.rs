//! Problems as GitHub workflow commands; GitHub shows them at their file and line.

use headwater_engine::problem::Problem;

use super::messages::at;

/// Writes a problem as `::error file=…,line=…,col=…,title=<rule>::<message>`.
///
/// The data can neither end the command nor start another one.
pub(super) fn annotation(problem: &Problem) -> String {
    let mut command = format!("::error file={}", property(&problem.path));
    let place = [("line", problem.line), ("col", problem.column)];
    for (name, number) in place.into_iter().map_while(|(name, number)| Some((name, number?))) {
        command.push_str(&format!(",{name}={number}"));
    }
    let at = problem.pointer.as_ref().map(at).unwrap_or_default();
    command.push_str(&format!(",title={}::", problem.rule));
    command.push_str(&data(&format!("{}{at}", problem.message)));
    command
}

/// Escapes the message after the second `::` of a command.
pub(super) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_engine::id::SheetName;
    use headwater_engine::pointer::Pointer;
    use headwater_engine::problem::Rule;

    #[test]
    fn what_the_data_says_stays_inside_the_command() {
        let sheet = SheetName::new("people");
        let message = "100% wrong\n::set-env name=A::b".to_owned();
        let problem = Problem::new(&sheet, "people/a,b:c.toml", Rule::Malformed, message);
        assert_eq!(
            annotation(&problem.clone().at(Some(3), None)),
            "::error file=people/a%2Cb%3Ac.toml,line=3,title=malformed\
             ::100%25 wrong%0A::set-env name=A::b"
        );
        let pointed = annotation(&problem.pointing_to(Pointer::of(["name"])));
        assert!(pointed.contains("toml,title=") && pointed.ends_with(" at /name"), "{pointed}");
    }
}
