//! Files of many records, cut into their pieces.

use headwater_engine::split::{CellType, Cut, Splitter};

/// A splitter with the place where the first piece begins.
type Begun = (Splitter, usize);

/// Cuts a text into pieces; `None` where it cannot be cut.
fn cut(splitter: &Splitter, begin: usize, text: &str) -> Option<Vec<Cut>> {
    let (mut cuts, mut at) = (Vec::new(), begin);
    while let Some(cut) = splitter.piece(text, begin, at).ok()? {
        assert!(cut.body.start >= at && cut.body.end <= cut.end, "{cut:?} at {at}");
        assert!(cut.end > at && cut.end <= text.len(), "{cut:?} at {at} of {}", text.len());
        at = cut.end;
        cuts.push(cut);
    }
    Some(cuts)
}

/// Cuts a text and reads each piece, from its own bytes alone.
fn reads((splitter, begin): &Begun, text: &str) {
    for Cut { body, .. } in cut(splitter, *begin, text).into_iter().flatten() {
        let piece = &text[body];
        match splitter.read(piece) {
            Ok(json) => assert!(json.is_object(), "{json} of {piece:?}"),
            Err(flaw) => {
                assert!(!flaw.message.is_empty() && !flaw.message.contains('\n'), "{flaw:?}");
                let lines = piece.matches('\n').count() + 1;
                assert!(flaw.line.is_none_or(|line| line as usize <= lines + 1), "{flaw:?}");
            }
        }
    }
}

fn rows(text: &str, tabs: bool) -> Option<Begun> {
    Splitter::rows(text, tabs, &|_| CellType::Found).ok()
}

/// A table of cells, with the delimiter that its first row has, or with tabs.
pub fn csv(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for begun in [false, true].into_iter().filter_map(|tabs| rows(text, tabs)) {
        reads(&begun, text);
    }
}

/// JSON Lines.
pub fn json_lines(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    reads(&Splitter::lines(text), text);
}

/// Two texts that begin alike and end alike, cut: pieces before the difference are the same, and so
/// are those that begin at one place behind it. The first three bytes say what is cut, and where the
/// texts differ.
pub fn cutting(bytes: &[u8]) {
    let [kind, at, length, rest @ ..] = bytes else { return };
    let Ok(before) = std::str::from_utf8(rest) else { return };
    let place = |part: u8| before.floor_char_boundary(before.len() * usize::from(part) / 255);
    let (from, to) = (place(*at), place(at.saturating_add(*length)));
    let middle: String = before[from..to].chars().rev().collect();
    let after = [&before[..from], &middle, &before[to..]].concat();
    let begun = |text: &str| match kind % 4 {
        0 => rows(text, false),
        1 => rows(text, true),
        2 => Some(Splitter::lines(text)),
        _ => Splitter::list(text),
    };
    let (Some(old), Some(new)) = (begun(before), begun(&after)) else { return };
    if old != new {
        return;
    }
    let (splitter, begin) = &old;
    reads(&old, before);
    let (Some(was), Some(is)) = (cut(splitter, *begin, before), cut(splitter, *begin, &after))
    else {
        return;
    };
    let is_above = |cut: &&Cut| cut.end + Splitter::AHEAD <= from;
    let above = |cuts: &[Cut]| cuts.iter().take_while(is_above).cloned().collect::<Vec<_>>();
    assert_eq!(above(&was), above(&is));
    // Where a piece of either begins behind the difference, all that follow are the same.
    let begins = |cuts: &[Cut]| -> Vec<usize> {
        cuts.iter().map(|cut| cut.end).filter(|end| *end >= to).collect()
    };
    let (was, is) = (begins(&was), begins(&is));
    if let Some(shared) = was.iter().find(|end| is.contains(end)) {
        let behind = |ends: &[usize]| -> Vec<usize> {
            ends.iter().copied().filter(|end| end >= shared).collect()
        };
        assert_eq!(behind(&was), behind(&is));
    }
}
