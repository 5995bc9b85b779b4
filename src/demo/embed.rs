//! Build script: lists the sample records, so that `demo` needs nothing but the binary.

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

const SAMPLE: &str = "fixtures/civic";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    writeln!(stdout(), "cargo::rerun-if-changed={SAMPLE}")?;
    let mut files = Vec::new();
    collect(Path::new(SAMPLE), &mut files)?;
    files.sort();
    let mut list = Vec::from(b"&[\n");
    for file in files {
        let file = file.to_str().ok_or("the sample has only names in UTF-8")?;
        let path = &file[SAMPLE.len() + 1..];
        let bytes = format!("include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/{file}\"))");
        writeln!(list, "    ({path:?}, {bytes}),")?;
    }
    list.push(b']');
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    std::fs::write(Path::new(&out).join("sample.rs"), list)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
