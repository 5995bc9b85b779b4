//! Sheet definitions, path templates, and the paths that they claim.

use headwater_engine::layout::{DefinitionFile, DefinitionFiles, Layout, RootEntry};

/// A record in TOML, the format of gitsheets; in others it is malformed or a body.
const RECORD: &[u8] = b"slug = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"\nid = 1\n";

/// The first byte says which kind of definition follows; what is behind a NUL is a path a line.
pub fn definitions(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let (definition, paths) = match rest.iter().position(|byte| *byte == 0) {
        Some(nul) => (&rest[..nul], &rest[nul + 1..]),
        None => (rest, &[][..]),
    };
    let file = |path: &str| DefinitionFile { path: path.into(), bytes: definition.to_vec() };
    let paths: Vec<&[u8]> = paths.split(|byte| *byte == b'\n').collect();
    let root = paths.iter().map(|path| {
        let name = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        RootEntry { name: name.to_vec(), is_folder: path.contains(&b'/') }
    });
    let collections = paths.iter().flat_map(|path| {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        let folders: Vec<Vec<u8>> = ends.map(|end| path[..end].to_vec()).collect();
        folders.into_iter().filter(|folder| {
            let inside = folder.strip_prefix(b"src/").unwrap_or(folder);
            inside.strip_prefix(b"content/").is_some_and(|name| !name.contains(&b'/'))
        })
    });
    let mut files = DefinitionFiles {
        root: root.collect(),
        collections: collections.collect(),
        ..DefinitionFiles::default()
    };
    match kind % 3 {
        0 => files.gitsheets.push(file(".gitsheets/people.toml")),
        1 => files.headwater = Some(file("headwater.toml")),
        _ => {}
    }
    let layout = Layout::read(&files);
    let again = Layout::read(&files);
    assert!(layout.ids().eq(again.ids()), "a layout is a function of its files");
    assert!(layout.reads_alike(&again));
    for path in paths {
        for claim in layout.claims(path) {
            assert!(layout.sheet(claim.sheet.name.as_str()).is_some(), "a claim is of a sheet");
            if claim.fault.is_none() {
                let text = std::str::from_utf8(path).expect("a sound name is text");
                assert!(text.contains(claim.key.as_str()), "{text}: {:?}", claim.key);
                // What is in the file does not matter here; that it is judged does.
                let _ = claim.sheet.decode(text, RECORD);
            }
        }
    }
}
