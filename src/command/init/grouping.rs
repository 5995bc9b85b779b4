//! Groups records into the sheets that an owner would declare: by folder, format and shape.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater_engine::decode::Format;
use headwater_engine::record::Record;
use headwater_engine::sheet::Sheet;

use crate::command::messages::count;

/// The most subfolders of a folder that become sheets of their own.
const MOST_FOLDERS: usize = 20;

/// The records of one definition.
#[derive(Debug)]
pub(super) struct Group<'s> {
    /// The folder; empty for the root of the repository.
    pub(super) root: String,
    /// The name of the format.
    pub(super) format: &'static str,
    /// Whether the files are lists of records.
    pub(super) is_list: bool,
    /// Whether the files are directly in the folder, and those further below belong to other
    /// groups.
    pub(super) is_flat: bool,
    /// The only file, if the definition names it.
    pub(super) file: Option<String>,
    /// The prefix that inferred keys have before those of the definition; ends with a slash, unless
    /// empty.
    pub(super) above: String,
    /// The records, in the order of their keys.
    pub(super) records: Vec<&'s Arc<Record>>,
    /// What the definition leaves out, and why.
    pub(super) remarks: Vec<String>,
}

/// The groups of one sheet.
pub(super) struct Groups<'s> {
    pub(super) groups: Vec<Group<'s>>,
    /// The files of one record in the root of the repository, which are in no group.
    pub(super) outside: Vec<String>,
}

/// Puts the records of an inferred sheet into groups.
pub(super) fn groups(sheet: &Sheet) -> Groups<'_> {
    let mut formats: BTreeMap<&'static str, Vec<&Arc<Record>>> = BTreeMap::new();
    let (mut lists, mut outside) = (BTreeMap::<String, Vec<&Arc<Record>>>::new(), Vec::new());
    for record in sheet.records() {
        let path = record.path();
        let format = sheet.spec().format_of(&path).map_or("toml", Format::name);
        match (path.contains('/'), record.is_in_list()) {
            (true, _) => formats.entry(format).or_default().push(record),
            // A sheet has a folder, or is one file.
            (false, true) => lists.entry(path).or_default().push(record),
            (false, false) => outside.push(path),
        }
    }
    let mut groups = Vec::new();
    let mut formats: Vec<_> = formats.into_iter().collect();
    formats.sort_by_key(|(_, records)| std::cmp::Reverse(records.len()));
    for (format, records) in formats {
        split(sheet.spec().root.clone(), String::new(), format, records, &mut groups);
    }
    for (path, records) in lists {
        let above = path.rsplit_once('.').map_or("", |(stem, _)| stem);
        let format = sheet.spec().format_of(&path).map_or("toml", Format::name);
        let group = whole(String::new(), format!("{above}/"), format, records);
        groups.push(Group { file: Some(path), ..group });
    }
    Groups { groups, outside }
}

/// Splits records of one format below `root`, if its folders have different shapes.
fn split<'s>(
    root: String,
    above: String,
    format: &'static str,
    records: Vec<&'s Arc<Record>>,
    groups: &mut Vec<Group<'s>>,
) {
    let mut folders: BTreeMap<Option<String>, Vec<&Arc<Record>>> = BTreeMap::new();
    for record in &records {
        let path = record.path();
        let below = path.strip_prefix(root.as_str()).and_then(|below| below.strip_prefix('/'));
        let folder = below.and_then(|below| below.split_once('/')).map(|(folder, _)| folder);
        folders.entry(folder.map(str::to_owned)).or_default().push(record);
    }
    let is_mixed = folders.len() > 1 && has_many_shapes(folders.values());
    if !is_mixed || folders.len() > MOST_FOLDERS {
        let mut group = whole(root, above, format, records);
        if is_mixed {
            let remark =
                format!("{} folders with different fields are in one sheet", folders.len());
            group.remarks.push(remark);
        }
        groups.push(group);
        return;
    }
    for (folder, records) in folders {
        match folder {
            Some(folder) => {
                let (root, above) = (format!("{root}/{folder}"), format!("{above}{folder}/"));
                split(root, above, format, records, groups);
            }
            None => {
                let group = whole(root.clone(), above.clone(), format, records);
                groups.push(Group { is_flat: true, ..group });
            }
        }
    }
}

/// Makes one group. If some files are lists and some are records, the more frequent kind wins.
fn whole<'s>(
    root: String,
    above: String,
    format: &'static str,
    records: Vec<&'s Arc<Record>>,
) -> Group<'s> {
    let (lists, singles): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|record| record.is_in_list());
    let is_list = lists.len() > singles.len();
    let (records, others) = if is_list { (lists, singles) } else { (singles, lists) };
    let files: BTreeSet<String> = others.iter().map(|record| record.path()).collect();
    let mut remarks = Vec::new();
    if !files.is_empty() {
        let files = count(files.len(), "file");
        remarks.push(match is_list {
            true => format!("{files} of {format} would be left out: each is a record, not a list"),
            false => format!("{files} of {format} would be one record each: they are lists"),
        });
    }
    Group { root, format, is_list, is_flat: false, file: None, above, records, remarks }
}

/// Returns whether two folders differ in the fields that most of their records have.
fn has_many_shapes<'a, 's: 'a>(folders: impl Iterator<Item = &'a Vec<&'s Arc<Record>>>) -> bool {
    let mut shapes = folders.map(|records| shape(records));
    let Some(first) = shapes.next() else { return false };
    shapes.any(|shape| {
        let common = shape.fields.intersection(&first.fields).count();
        let all = shape.fields.union(&first.fields).count();
        shape.is_list != first.is_list || all > 0 && common * 3 < all
    })
}

/// What the records of a folder have in common.
struct Shape {
    is_list: bool,
    /// The fields that at least half of the records have.
    fields: BTreeSet<String>,
}

fn shape(records: &[&Arc<Record>]) -> Shape {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for record in records {
        for (name, _) in record.value.json().members() {
            *counts.entry(name.into_owned()).or_default() += 1;
        }
    }
    let lists = records.iter().filter(|record| record.is_in_list()).count();
    let often = counts.into_iter().filter(|(_, count)| count * 2 >= records.len());
    Shape { is_list: lists * 2 > records.len(), fields: often.map(|(name, _)| name).collect() }
}
