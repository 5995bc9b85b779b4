use std::collections::BTreeMap;
use std::sync::Arc;

use super::blocks::{BLOCK, FRAME};
use super::*;
use crate::id::{BlobId, Key};
use crate::layout::{DefinitionFile, DefinitionFiles, Layout};
use crate::record::{Frame, Record};
use crate::sheet::{Content, Sheet, SlotUpdate};
use crate::value::Value;

/// The entries of a cache: sheet, path, first byte of the blob, and text.
type Rows = Vec<(String, String, u8, String)>;

fn sheet(values: &[String]) -> Sheet {
    let file = DefinitionFile { path: "headwater.toml".into(), bytes: "[sheets.s]\n".into() };
    let files = DefinitionFiles { headwater: Some(file), ..Default::default() };
    let mut sheet = Sheet::new(Layout::read(&files).sheet("s").unwrap().clone());
    let claim = |(n, value): (usize, &String)| {
        let (key, path) = (Key::new(n.to_string()), Box::<str>::from(format!("s/{n}.json")));
        let value = Value::new(&serde_json::json!({ "v": value }));
        let blob = BlobId::from_bytes([n as u8; 20]);
        let frame = Arc::new(Frame::around(key.as_str(), &path));
        let record = Record { key: key.clone(), frame, blob, value };
        SlotUpdate { key, path, content: Some(Content::Record(Arc::new(record))) }
    };
    sheet.put_all(values.iter().enumerate().map(claim).collect());
    sheet
}

fn saved(sheet: &Sheet) -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::within(&folder.path().join("ours"), 7);
    cache.save_records(&[sheet]).unwrap();
    (folder, cache)
}

fn read(cache: &Cache, sheet: &Sheet) -> Result<Rows, CacheError> {
    let spec = sheet.spec();
    let sheets = BTreeMap::from([(&spec.name, spec.id)]);
    let mut rows: Rows = cache.read_records(&sheets, &|count, entry| {
        *count += 1;
        let CachedRecord { sheet, path, blob, text } = entry;
        Some((sheet.to_string(), path.to_owned(), blob.as_bytes()[0], text.to_owned()))
    })?;
    // Blocks are read in no order.
    rows.sort();
    Ok(rows)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn what_was_saved_is_read_and_nothing_where_there_is_no_file() {
    let sheet = sheet(&words(&["a", "é\n", ""]));
    let (_folder, cache) = saved(&sheet);
    let row = |n: u8, text: &str| ("s".into(), format!("s/{n}.json"), n, text.to_owned());
    let expected = [row(0, r#"{"v":"a"}"#), row(1, r#"{"v":"é\n"}"#), row(2, r#"{"v":""}"#)];
    assert_eq!(read(&cache, &sheet).unwrap(), expected);
    cache.remove();
    cache.remove();
    assert_eq!(read(&cache, &sheet).unwrap(), []);
}

#[test]
fn many_records_fill_many_blocks() {
    let sheet = sheet(&vec!["x".repeat(100_000); 25]);
    let (_folder, cache) = saved(&sheet);
    assert_eq!(read(&cache, &sheet).unwrap().len(), 25);
    assert!(fs::metadata(&cache.records).unwrap().len() > 2 * BLOCK as u64);
}

#[test]
fn a_cache_for_another_limit_is_foreign_and_a_sheet_that_reads_otherwise_finds_nothing() {
    let sheet = sheet(&words(&["a"]));
    let (_folder, cache) = saved(&sheet);
    let other = Cache { record_limit: 8, ..cache.clone() };
    assert!(matches!(read(&other, &sheet), Err(CacheError::Foreign { .. })));
    let sheets = BTreeMap::from([(&sheet.spec().name, [7; 32])]);
    let found = cache.read_records(&sheets, &|_, entry| Some(entry.path.to_owned()));
    assert_eq!(found.unwrap(), Vec::<String>::new());
}

#[test]
fn no_damage_goes_unnoticed_wherever_it_is() {
    let sheet = sheet(&words(&["some text", "more"]));
    let (_folder, cache) = saved(&sheet);
    let whole = fs::read(&cache.records).unwrap();
    let is_noticed = |bytes: &[u8], what: String| {
        fs::write(&cache.records, bytes).unwrap();
        assert!(read(&cache, &sheet).is_err(), "{what}");
    };
    for at in 0..whole.len() {
        is_noticed(&whole[..at], format!("cut off at {at}"));
        for bit in [1, 128] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            is_noticed(&bytes, format!("bit {bit} of byte {at}"));
        }
    }
    is_noticed(&[&whole[..], b"x"].concat(), "a byte more".into());
    is_noticed(&[&whole[..], &whole[..]].concat(), "twice".into());
}

#[test]
fn blocks_that_change_places_are_noticed() {
    let sheet = sheet(&vec!["x".repeat(600_000); 4]);
    let (_folder, cache) = saved(&sheet);
    let whole = fs::read(&cache.records).unwrap();
    let length =
        |at: usize| FRAME + u32::from_le_bytes(whole[at..at + 4].try_into().unwrap()) as usize;
    let first = length(0);
    let second = first + length(first);
    let third = second + length(second);
    let parts = [&whole[..first], &whole[second..third], &whole[first..second], &whole[third..]];
    fs::write(&cache.records, parts.concat()).unwrap();
    assert!(matches!(read(&cache, &sheet), Err(CacheError::Damaged { block: 1 | 2, .. })));
}

#[test]
fn a_file_that_was_never_finished_is_removed_by_the_next() {
    let sheet = sheet(&words(&["a"]));
    let (_folder, cache) = saved(&sheet);
    let left = cache.records.with_file_name("cache-left");
    fs::write(&left, b"half").unwrap();
    cache.save_records(&[&sheet]).unwrap();
    assert!(!left.exists());
    assert_eq!(read(&cache, &sheet).unwrap().len(), 1);
}
