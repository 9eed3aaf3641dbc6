//! Where the parts of a store lie, and the marks that are files.
//!
//! ```text
//! keys.json         the key file
//! checkpoint.json   counters up to which sled was flushed and fsynced
//! given-up          there when sled must be built anew
//! open              there while the store is open; left behind by an unclean stop
//! journal/          the journal
//! sled/             the database, which can be rebuilt
//! exports/          volumes, exports, keys.json, dictionaries
//! dictionary-N      what blocks are compressed with
//! import/           an import under way
//! scratch/          what is being sorted
//! ```

use std::path::{Path, PathBuf};

use crate::durable::{Disk, DurableError, replace_file};
use crate::store::settings::Folders;
use crate::store::{StoreError, StoreSettings};

pub(crate) const JOURNAL_KIND: [u8; 4] = *b"STOR";
pub(crate) const OPEN_FILE: &str = "open";
pub(crate) const GIVEN_UP_FILE: &str = "given-up";

/// Where the parts of a store lie.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) dir: PathBuf,
    pub(crate) sled: PathBuf,
    pub(crate) journal: PathBuf,
    pub(crate) exports: PathBuf,
    pub(crate) import: PathBuf,
    pub(crate) scratch: PathBuf,
}

impl Places {
    pub(crate) fn new(dir: &Path, settings: &StoreSettings) -> Self {
        Self {
            dir: dir.to_owned(),
            sled: dir.join("sled"),
            journal: dir.join("journal"),
            exports: settings.exports_of(dir),
            import: dir.join("import"),
            scratch: dir.join("scratch"),
        }
    }

    pub(crate) fn folders(&self) -> Folders<'_> {
        Folders { own: &self.dir, exports: &self.exports }
    }
}

/// Has the next opening build sled anew.
pub(crate) fn give_up_sled(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    Ok(replace_file(disk, &dir.join(GIVEN_UP_FILE), b"given up\n")?)
}

/// Removes the mark of an open store.
pub(crate) fn mark_closed(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    let path = dir.join(OPEN_FILE);
    disk.remove(&path).map_err(DurableError::io("remove", &path))?;
    Ok(disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?)
}

pub(crate) fn exists(disk: &dyn Disk, path: &Path) -> Result<bool, StoreError> {
    Ok(disk.read(path).map_err(DurableError::io("read", path))?.is_some())
}

/// Bytes of the log file of a sled folder; 0 if there is none.
pub(crate) fn log_bytes(sled: &Path) -> u64 {
    std::fs::metadata(sled.join("db")).map_or(0, |file| file.len())
}
