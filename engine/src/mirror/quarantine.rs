//! The place where received objects are checked before they become part of the mirror.
//!
//! gix checks only that a pack is a pack. Once a commit without its tree is in the mirror, every
//! later fetch assumes that it is complete, so nothing gets in unchecked.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::folder::PREFIX;
use super::open::write_bare_repository;
use super::refs::sync_folder;
use super::{Mirror, Objects, RepositoryError};
use crate::fault;

/// A repository that borrows the objects of the mirror. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Quarantine {
    folder: tempfile::TempDir,
}

impl Quarantine {
    /// Creates one inside the mirror, so that packs can be moved out of it by a rename.
    pub(super) fn new(mirror: &Mirror) -> io::Result<Self> {
        let ours = mirror.own_folder();
        fs::create_dir_all(&ours)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(ours)?;
        let objects = mirror.git_dir().join("objects");
        write_bare_repository(folder.path(), "quarantine")?;
        let mut alternates = objects.into_os_string().into_encoded_bytes();
        alternates.push(b'\n');
        fs::write(folder.path().join("objects/info/alternates"), alternates)?;
        Ok(Self { folder })
    }

    /// Returns the folder for received packs.
    pub(super) fn packs(&self) -> PathBuf {
        self.folder.path().join("objects/pack")
    }

    /// Opens a handle on the received objects together with those of the mirror.
    pub(super) fn objects(&self, mirror: &Mirror) -> Result<Objects, RepositoryError> {
        let trees = mirror.shared.trees.clone();
        Mirror::open_with(self.folder.path(), mirror.options().clone(), trees)?.objects()
    }

    /// Moves the received packs into the mirror, durably: the pack, then the index that makes it
    /// visible.
    pub(super) fn release(&self, mirror: &Mirror) -> io::Result<()> {
        let target = mirror.git_dir().join("objects/pack");
        let mut moved = false;
        for entry in fs::read_dir(self.packs())? {
            let pack = entry?.path();
            if pack.extension().is_some_and(|extension| extension == "pack") {
                release_pack(&pack, &target)?;
                moved = true;
            }
        }
        fault::point("fetch.released")?;
        if moved { sync_folder(&target) } else { Ok(()) }
    }
}

fn release_pack(pack: &Path, target: &Path) -> io::Result<()> {
    let index = pack.with_extension("idx");
    let (Some(pack_name), Some(index_name)) = (pack.file_name(), index.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let (new_pack, new_index) = (target.join(pack_name), target.join(index_name));
    if new_index.exists() && new_pack.exists() {
        // The name is the hash of the content: the pack is already there.
        return Ok(());
    }
    for file in [pack, &index] {
        File::open(file)?.sync_all()?;
        let mut permissions = fs::metadata(file)?.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(file, permissions)?;
    }
    fault::point("fetch.pack")?;
    fs::rename(pack, &new_pack)?;
    fault::point("fetch.index").and_then(|()| fs::rename(&index, &new_index)).inspect_err(|_| {
        // A pack without its index is only garbage.
        let _ = fs::remove_file(&new_pack);
    })
}
