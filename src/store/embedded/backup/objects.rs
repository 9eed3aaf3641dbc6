//! The files of backups, each under its SHA-256.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable::{Disk, DurableError, Sum, copy_file, replace_file, sum_file};
use crate::store::{StoreError, Watch};

/// A file that is being written. Not 64 hexadecimal digits, so it is no object.
const INCOMING: &str = "incoming";
/// Bytes at the end of a file by which it is known again: of a frame, with its nonce or its tag.
const END_BYTES: u64 = 4 << 10;

/// A file of a backup.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct BackupFile {
    pub(super) path: String,
    #[serde(flatten)]
    pub(super) sum: Sum,
}

pub(super) struct Objects<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) dir: PathBuf,
    pub(super) watch: &'a Watch,
}

impl Objects<'_> {
    fn path(&self, sum: &Sum) -> PathBuf {
        self.dir.join(&sum.sha256)
    }

    fn has(&self, sum: &Sum) -> bool {
        self.disk.len(&self.path(sum)).is_ok_and(|length| length == sum.bytes)
    }

    /// Whether the object is a copy of a file that never changes, judged by length and end.
    pub(super) fn is_copy_of(&self, sum: &Sum, from: &Path) -> Result<bool, StoreError> {
        let object = self.path(sum);
        if !self.has(sum) || self.disk.len(from).map_err(DurableError::io("read", from))? != sum.bytes {
            return Ok(false);
        }
        Ok(self.end(&object, sum.bytes)? == self.end(from, sum.bytes)?)
    }

    fn end(&self, path: &Path, length: u64) -> Result<Vec<u8>, StoreError> {
        let mut end = Vec::new();
        let from = self.disk.open_at(path, length.saturating_sub(END_BYTES));
        from.and_then(|mut from| from.read_to_end(&mut end)).map_err(DurableError::io("read", path))?;
        Ok(end)
    }

    /// Keeps a small file; says whether it is new.
    pub(super) fn keep(&self, content: &[u8]) -> Result<(Sum, bool), StoreError> {
        let sum = Sum::of(content);
        let path = self.path(&sum);
        // Small enough to be looked at: one that was damaged is made good.
        if self.disk.read(&path).map_err(DurableError::io("read", &path))?.as_deref() == Some(content) {
            return Ok((sum, false));
        }
        replace_file(self.disk, &path, content)?;
        Ok((sum, true))
    }

    /// Copies a file and proves the copy: its bytes are those that were read, and `verify` finds nothing
    /// wrong with it. Says whether it is new.
    pub(super) fn take(
        &self,
        from: &Path,
        verify: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<(Sum, bool), StoreError> {
        let incoming = self.dir.join(INCOMING);
        let sum = copy_file(self.disk, from, &incoming, &mut |bytes| self.watch.did(bytes))?;
        if sum_file(self.disk, &incoming, &mut |_| self.watch.did(0))? != sum {
            return Err(StoreError::File { path: incoming, why: "it does not read back as it was written" });
        }
        verify(&incoming).map_err(|why| match why {
            StoreError::Cancelled => why,
            _ => StoreError::BackupSource { path: from.to_owned(), why: Box::new(why) },
        })?;
        let (path, new) = (self.path(&sum), !self.has(&sum));
        self.disk.rename(&incoming, &path).map_err(DurableError::io("rename", &incoming))?;
        Ok((sum, new))
    }

    /// Makes the names of all that was taken last.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        Ok(self.disk.sync_dir(&self.dir).map_err(DurableError::io("sync", &self.dir))?)
    }

    /// Removes the objects that are not needed.
    pub(super) fn retain(&self, needed: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        let names = self.disk.list(&self.dir).map_err(DurableError::io("list", &self.dir))?;
        for path in names.iter().filter(|name| !needed(name)).map(|name| self.dir.join(name)) {
            self.disk.remove(&path).map_err(DurableError::io("remove", &path))?;
        }
        self.sync()
    }

    /// Copies the object of a backup's file to its place, and holds it against what the manifest says.
    pub(super) fn give(&self, file: &BackupFile, to: &Path) -> Result<(), StoreError> {
        let object = self.path(&file.sum);
        let damaged = |why| StoreError::BackupFile { file: file.path.clone(), path: object.clone(), why };
        match self.disk.len(&object) {
            Ok(length) if length == file.sum.bytes => {}
            Ok(_) => return Err(damaged("it has another length")),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Err(damaged("it is missing")),
            Err(why) => return Err(DurableError::io("read", &object)(why).into()),
        }
        let sum = copy_file(self.disk, &object, to, &mut |bytes| self.watch.did(bytes))?;
        if sum == file.sum { Ok(()) } else { Err(damaged("it was changed")) }
    }
}
