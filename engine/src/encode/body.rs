//! Bodies of gitsheets' Markdown: their formatting, and the heading that is the title.

use dprint_plugin_markdown::configuration::{
    ConfigurationBuilder, EmphasisKind, HeadingKind, ListIndentKind, StrongKind, TextWrap,
    UnorderedListKind,
};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::EncodeError;

/// How many bytes the tables of a body may have, in which all cells of a column are equally wide.
const TABLES: usize = 16 << 20;

/// How many emphasis marks a paragraph may have. The parser takes time quadratic in those that close nothing.
const MARKS: usize = 50_000;

/// How deep lists, quotes and emphasis may be nested, and room for that.
const DEPTH: usize = 100;
const STACK: usize = 16 << 20;

/// Formats a body as gitsheets does. Only its formatter produces the same bytes.
///
/// A body that the formatter cannot parse is returned unchanged.
///
/// # Errors
///
/// Refuses a body that nests deeper than a hundred levels, one whose tables would have more than 16
/// MiB, one with too many emphasis marks, and one on which the formatter gives up.
pub(super) fn formatted(body: &str) -> Result<String, EncodeError> {
    if has_too_many_marks(body) {
        let message = format!("a paragraph has more than {MARKS} of `*`, `_` and `~`");
        return Err(EncodeError::Refused { message });
    }
    // The formatter recurses over nesting, in time quadratic in the depth.
    if nests_deeper(body, DEPTH) {
        return Err(EncodeError::TooDeep);
    }
    if padded(body) > TABLES {
        let message = "the cells of its tables would be padded to more than 16 MiB".to_owned();
        return Err(EncodeError::Refused { message });
    }
    // The formatter keeps its memory in thread locals, and panics on syntax that it does not know,
    // so it gets its own thread.
    let formatted = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("format".into()).stack_size(STACK);
        let formatted = thread.spawn_scoped(scope, || format_text(body)).map(|it| it.join());
        formatted.ok()?.ok()
    });
    let message = || "the Markdown formatter cannot handle this body".to_owned();
    formatted.ok_or_else(|| EncodeError::Refused { message: message() })
}

/// Returns whether paragraphs have so many emphasis marks that the parser might take as long as for one with
/// [`MARKS`].
fn has_too_many_marks(body: &str) -> bool {
    let (mut total, mut marks) = (0_usize, 0_usize);
    for line in body.lines().chain([""]) {
        marks += line.bytes().filter(|byte| b"*_~".contains(byte)).count();
        if line.trim_matches([' ', '\t']).is_empty() {
            total = total.saturating_add(marks.saturating_mul(marks));
            marks = 0;
        }
    }
    total > MARKS * MARKS
}

/// Returns whether the formatter would find more than `limit` levels.
fn nests_deeper(body: &str, limit: usize) -> bool {
    let mut depth = 0_usize;
    parsed(body).any(|event| {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > limit
    })
}

/// Returns about how many bytes the tables of a body have when they are formatted: the formatter
/// makes each cell as wide as the widest of its column, so that one wide cell counts in each row.
fn padded(body: &str) -> usize {
    let mut total = 0_usize;
    let (mut rows, mut column, mut widths) = (0_usize, 0, Vec::<usize>::new());
    for (event, range) in parsed(body).into_offset_iter() {
        match event {
            Event::Start(Tag::Table(_)) => (rows, widths) = (0, Vec::new()),
            Event::Start(Tag::TableHead | Tag::TableRow) => (rows, column) = (rows + 1, 0),
            Event::Start(Tag::TableCell) => {
                widths.resize(widths.len().max(column + 1), 0);
                widths[column] = range.len().max(widths[column]);
                column += 1;
            }
            Event::End(TagEnd::Table) => {
                total = total.saturating_add(rows.saturating_mul(widths.iter().sum()));
            }
            _ => {}
        }
    }
    total
}

/// Reads a body as the formatter does.
fn parsed(body: &str) -> Parser<'_> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS
        | Options::ENABLE_MATH;
    // The parser gets the text after a byte order mark.
    Parser::new_ext(body.strip_prefix('\u{feff}').unwrap_or(body), options)
}

fn format_text(body: &str) -> String {
    let configuration = ConfigurationBuilder::new()
        .text_wrap(TextWrap::Never)
        .emphasis_kind(EmphasisKind::Underscores)
        .strong_kind(StrongKind::Asterisks)
        .unordered_list_kind(UnorderedListKind::Dashes)
        .heading_kind(HeadingKind::Atx)
        .list_indent_kind(ListIndentKind::CommonMark)
        .build();
    let code = |_: &str, code: &str, _: u32| Ok(Some(code.to_owned()));
    match dprint_plugin_markdown::format_text(body, &configuration, code) {
        Ok(Some(formatted)) => formatted,
        Ok(None) | Err(_) => body.to_owned(),
    }
}

/// The first heading of a body: the range of its line, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heading<'b> {
    /// The bytes of the line, without its newline.
    pub(super) line: std::ops::Range<usize>,
    /// Its text.
    pub(super) text: &'b str,
}

/// Finds the first line that looks like a heading of the first level.
///
/// It scans lines, as gitsheets does, so a comment in a code block counts too.
pub(super) fn first_heading(body: &str) -> Option<Heading<'_>> {
    let mut start = 0;
    body.split('\n').find_map(|line| {
        let range = start..start + line.len();
        start = range.end + 1;
        let text = line.strip_prefix("# ").filter(|text| !text.contains('\r'))?;
        let trimmed = text.trim_end_matches([' ', '\t']);
        // A heading of nothing but spaces has its first space as text.
        let first = text.chars().next()?.len_utf8();
        Some(Heading { line: range, text: &text[..trimmed.len().max(first)] })
    })
}
