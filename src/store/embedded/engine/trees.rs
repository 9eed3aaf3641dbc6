//! sled itself: its trees and its files.

use std::path::Path;
use std::sync::Arc;

use sled::Tree;

use super::stalls::Writing;
use crate::durable::DurableError;
use crate::store::{StoreError, StoreSettings};

/// A tree with its name, which is part of every ciphertext's place. It is read as `tree`, and written only
/// through the methods here, which are [watched](super::stalls).
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) tree: Tree,
    pub(super) writing: Arc<Writing>,
}

impl Named {
    pub(crate) fn insert(&self, key: impl AsRef<[u8]>, value: &[u8]) -> sled::Result<()> {
        let _under_way = self.writing.begin();
        self.tree.insert(key, value).map(drop)
    }

    /// Whether something was there.
    pub(crate) fn remove(&self, key: impl AsRef<[u8]>) -> sled::Result<bool> {
        let _under_way = self.writing.begin();
        Ok(self.tree.remove(key)?.is_some())
    }

    pub(crate) fn apply_batch(&self, batch: sled::Batch) -> sled::Result<()> {
        let _under_way = self.writing.begin();
        self.tree.apply_batch(batch)
    }
}

/// Fsyncs the files of a sled folder.
pub(crate) fn sync_files(dir: &Path) -> Result<(), StoreError> {
    for path in [dir.join("db"), dir.join("conf"), dir.join("blobs"), dir.to_owned()] {
        if path.exists() {
            let sync = std::fs::File::open(&path).and_then(|file| file.sync_all());
            sync.map_err(DurableError::io("sync", &path))?;
        }
    }
    Ok(())
}

/// The trees of a store.
pub(crate) struct Trees {
    pub(crate) batch: Named,
    pub(crate) impression: Named,
    pub(crate) id: Named,
    pub(crate) holder: Named,
    pub(crate) number: Named,
    pub(crate) id_base: Named,
    pub(crate) holder_base: Named,
    pub(crate) number_base: Named,
    pub(crate) status: Named,
    pub(crate) state: Named,
    pub(crate) meta: Named,
}

impl Trees {
    fn open(db: &sled::Db) -> Result<Self, sled::Error> {
        let writing = Writing::watched();
        let tree = |name: &'static str| {
            Ok::<_, sled::Error>(Named { name, tree: db.open_tree(name)?, writing: Arc::clone(&writing) })
        };
        Ok(Self {
            batch: tree("batch")?,
            impression: tree("impression")?,
            id: tree("id")?,
            holder: tree("holder")?,
            number: tree("number")?,
            id_base: tree("id.base")?,
            holder_base: tree("holder.base")?,
            number_base: tree("number.base")?,
            status: tree("status")?,
            state: tree("state")?,
            meta: tree("meta")?,
        })
    }

    /// Those whose values are encrypted.
    pub(crate) const fn encrypted(&self) -> [&Named; 8] {
        let Self { batch, impression, id_base, holder_base, number_base, status, state, meta, .. } = self;
        [batch, impression, id_base, holder_base, number_base, status, state, meta]
    }
}

pub(crate) fn open_trees(dir: &Path, cache_bytes: u64) -> Result<(sled::Db, Trees), sled::Error> {
    let db = sled::Config::default()
        .path(dir)
        .cache_capacity(cache_bytes)
        .mode(sled::Mode::LowSpace)
        // Flushed by the writer alone, with an fsync after it.
        .flush_every_ms(None)
        .open()?;
    let trees = Trees::open(&db)?;
    Ok((db, trees))
}

/// Opens the sled folder of a store and reads its ends: what a probe process does, so that a panic of
/// sled ends only that process. Needs no key.
///
/// # Errors
/// [`StoreError::Sled`]; sled may also panic.
pub fn probe_sled(dir: &Path) -> Result<(), StoreError> {
    let (_db, trees) = open_trees(dir, StoreSettings::default().cache_bytes)?;
    let flat = [&trees.id, &trees.holder, &trees.number];
    for Named { tree, .. } in trees.encrypted().into_iter().chain(flat) {
        tree.first()?;
        tree.last()?;
    }
    Ok(())
}

/// The entries up to and with the first that sled cannot read: it would give that error for ever.
pub(crate) fn to_first_error<T>(
    entries: impl Iterator<Item = sled::Result<T>>,
) -> impl Iterator<Item = sled::Result<T>> {
    let mut failed = false;
    entries.take_while(move |entry| !std::mem::replace(&mut failed, entry.is_err()))
}
