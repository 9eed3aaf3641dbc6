//! sled itself: its trees, its files, and whether all is there that the counters tell of.

use std::path::Path;
use std::sync::Arc;

use sled::Tree;

use super::super::StoreError;
use super::super::op::ID_KEY;
use super::super::packed;
use super::super::traits::RecoveryCause;
use super::Engine;
use super::stalls::Writing;
use crate::durable::DurableError;

/// A tree with its name, which is part of every ciphertext's place. It is read as `tree`, and written only
/// through the methods here, which are [watched](super::stalls).
pub(in crate::store) struct Named {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) tree: Tree,
    pub(super) writing: Arc<Writing>,
}

impl Named {
    pub(in crate::store) fn insert(&self, key: impl AsRef<[u8]>, value: &[u8]) -> sled::Result<()> {
        let _under_way = self.writing.begin();
        self.tree.insert(key, value).map(drop)
    }

    /// Whether something was there.
    pub(in crate::store) fn remove(&self, key: impl AsRef<[u8]>) -> sled::Result<bool> {
        let _under_way = self.writing.begin();
        Ok(self.tree.remove(key)?.is_some())
    }

    pub(in crate::store) fn apply_batch(&self, batch: sled::Batch) -> sled::Result<()> {
        let _under_way = self.writing.begin();
        self.tree.apply_batch(batch)
    }
}

impl Engine {
    /// Counts what the counters tell of, reading every page of these trees: a log that sled read past a
    /// damaged place may lack records whose absence nothing else shows.
    pub(in crate::store) fn is_whole(&self) -> Result<(), RecoveryCause> {
        let head = self.head();
        let values = |tree: &Named| -> Result<u64, StoreError> {
            let mut count = 0;
            for key in tree.tree.iter().keys() {
                count += u64::from(key?.ends_with(&[0, 0]));
            }
            Ok(count)
        };
        let ids = || -> Result<u64, StoreError> {
            let mut count = 0;
            for key in self.id.tree.iter().keys() {
                key?;
                count += 1;
            }
            for entry in packed::all::<ID_KEY>(self, &self.id_base) {
                entry?;
                count += 1;
            }
            Ok(count)
        };
        let told = |why: StoreError| RecoveryCause::Open(why.to_string());
        let counts = [
            ("batches", values(&self.batch).map_err(told)?, head.last_batch),
            ("status changes", values(&self.status).map_err(told)?, head.last_change),
            ("licences", ids().map_err(told)?, head.licences),
        ];
        match counts.into_iter().find(|(_, found, expected)| found < expected) {
            Some((what, found, expected)) => {
                Err(RecoveryCause::LostTail(format!("{found} {what}, not {expected}")))
            }
            None => Ok(()),
        }
    }
}

/// Fsyncs the files of a sled folder.
pub(in crate::store) fn sync_files(dir: &Path) -> Result<(), StoreError> {
    for path in [dir.join("db"), dir.join("conf"), dir.join("blobs"), dir.to_owned()] {
        if path.exists() {
            let sync = std::fs::File::open(&path).and_then(|file| file.sync_all());
            sync.map_err(DurableError::io("sync", &path))?;
        }
    }
    Ok(())
}

pub(in crate::store) fn open_trees(
    dir: &Path,
    cache_bytes: u64,
) -> Result<(sled::Db, [Named; 11]), sled::Error> {
    let db = sled::Config::default()
        .path(dir)
        .cache_capacity(cache_bytes)
        .mode(sled::Mode::LowSpace)
        // Flushed by the writer alone, with an fsync after it.
        .flush_every_ms(None)
        .open()?;
    let writing = Writing::watched();
    let tree = |name: &'static str| {
        Ok::<_, sled::Error>(Named { name, tree: db.open_tree(name)?, writing: Arc::clone(&writing) })
    };
    let trees = [
        tree("batch")?,
        tree("impression")?,
        tree("id")?,
        tree("holder")?,
        tree("number")?,
        tree("id.base")?,
        tree("holder.base")?,
        tree("number.base")?,
        tree("status")?,
        tree("state")?,
        tree("meta")?,
    ];
    Ok((db, trees))
}

/// Opens a sled folder, reads its ends, and closes it again: what the probe does in its own process.
pub(in crate::store) fn probe(dir: &Path, cache_bytes: u64) -> Result<(), StoreError> {
    let (_db, trees) = open_trees(dir, cache_bytes)?;
    for Named { tree, .. } in &trees {
        tree.first()?;
        tree.last()?;
    }
    Ok(())
}

/// The entries up to and with the first that sled cannot read: it would give that error for ever.
pub(in crate::store) fn to_first_error<T>(
    entries: impl Iterator<Item = sled::Result<T>>,
) -> impl Iterator<Item = sled::Result<T>> {
    let mut failed = false;
    entries.take_while(move |entry| !std::mem::replace(&mut failed, entry.is_err()))
}
