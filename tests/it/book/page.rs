//! The parts of a page that the tests need: its blocks of shell, its headings and its links.

/// How a block is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A script, each line of which must succeed.
    Script,
    /// Commands after `$ `, each followed by its output.
    Transcript,
    /// A server, which runs until the end of the page.
    Background,
}

/// A block of shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) kind: Kind,
    /// The line of the page where it begins, counted from 1.
    pub(super) line: usize,
    pub(super) text: String,
    /// Why it is not run.
    pub(super) reason: Option<String>,
}

impl Block {
    /// Returns whether the block is run.
    pub(super) fn is_run(&self) -> bool {
        self.reason.is_none()
    }

    /// Parses the text after the fence, or after the beginning of a comment. Returns `None` if the
    /// block is not shell.
    fn begin(info: &str, line: usize) -> Option<Self> {
        let (language, rest) = info.split_once([' ', ',']).unwrap_or((info, ""));
        let kind = match (language, rest.trim()) {
            ("sh", "background") => Kind::Background,
            ("sh", _) => Kind::Script,
            ("console", _) => Kind::Transcript,
            _ => return None,
        };
        let reason = match rest.trim() {
            "" | "background" => None,
            words => Some(words.strip_prefix("not run:").unwrap_or("").trim().to_owned()),
        };
        Some(Self { kind, line, text: String::new(), reason })
    }
}

/// The parts of a page that the tests need.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) blocks: Vec<Block>,
    /// The anchors of its headings.
    pub(super) anchors: Vec<String>,
    /// The targets of its links, in order.
    pub(super) links: Vec<String>,
}

impl Page {
    /// Parses a page. A comment that begins with `<!-- sh` is a block that readers do not see.
    pub(super) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut lines = text.lines().zip(1..);
        while let Some((line, number)) = lines.next() {
            let opened = line.trim_start();
            let (info, end) = if let Some(info) = opened.strip_prefix("```") {
                (info, "```")
            } else if let Some(info) = opened.strip_prefix("<!-- ") {
                (info, "-->")
            } else {
                page.prose(line);
                continue;
            };
            if info.ends_with("-->") {
                continue;
            }
            let mut block = Block::begin(info, number);
            for (line, _) in lines.by_ref().take_while(|(line, _)| line.trim() != end) {
                if let Some(block) = &mut block {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
            }
            page.blocks.extend(block);
        }
        page
    }

    /// Adds the heading and the links of a line.
    fn prose(&mut self, line: &str) {
        let title = line.trim_start_matches('#');
        if title.len() < line.len() && title.starts_with(' ') {
            let anchor = anchor(title.trim());
            let same = self.anchors.iter().filter(|other| **other == anchor).count();
            self.anchors.push(if same == 0 { anchor } else { format!("{anchor}-{same}") });
        }
        // Code has no links.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for link in prose.split("](").skip(1) {
            self.links.extend(link.split_once(')').map(|(target, _)| target.to_owned()));
        }
    }
}

/// Returns the anchor of a heading, as forges and mdBook generate it.
fn anchor(title: &str) -> String {
    let kept = title.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn a_page_is_read_with_its_blocks_headings_and_links() {
    let page = Page::parse(
        "# The `a` page\n\nSee [b](b.md#c) and `[no](link)`.\n\n```sh\none\n```\n\n\
         ```console\n$ two\nout\n```\n\n<!-- sh background\nthree\n-->\n\n<!-- a remark -->\n\n\
         ```sh not run: it takes an hour\nfour\n```\n\n```toml\n[five](x)\n```\n\n## c\n",
    );
    let blocks = page.blocks.iter().map(|block| (block.kind, &*block.text, block.line));
    assert_eq!(
        blocks.collect::<Vec<_>>(),
        [
            (Kind::Script, "one\n", 5),
            (Kind::Transcript, "$ two\nout\n", 9),
            (Kind::Background, "three\n", 14),
            (Kind::Script, "four\n", 20),
        ]
    );
    assert_eq!(page.blocks[3].reason.as_deref(), Some("it takes an hour"));
    assert_eq!(page.anchors, ["the-a-page", "c"]);
    assert_eq!(page.links, ["b.md#c"]);
}
