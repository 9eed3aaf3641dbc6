//! From volumes and exports into sled: the way of an import and of a rebuilding alike.
//!
//! Batches go in as they come; their index entries are sorted first and then packed in order, the three
//! indexes beside one another. Loading what is there already changes nothing, so a loading that was
//! interrupted is done again from its start.

use std::path::Path;
use std::sync::Arc;

use super::engine::{Engine, Pair};
use super::export::{self, Manifest};
use super::volume::{self, IMPRESSION, STATE, STATUS, Volume};
use crate::durable::{Disk, DurableError};
use crate::store::embedded::engine::packed::{self, PackedEntry};
use crate::store::forms::codec::Reader;
use crate::store::forms::op::{self, HOLDER_KEY, ID_KEY, VolumeRef};
use crate::store::forms::{block, rows};
use crate::store::sorter::{Scratch, Sorted, Sorter};
use crate::store::{BatchNumber, Location, StoreError};
use licence_seal::crypto::{Digest, sha256};
use licence_seal::merkle;
use licence_seal::seal::SealImpression;

/// Bytes of an entry to be sorted: key ‖ batch u64 BE ‖ slot.
pub(crate) const ID_ENTRY: usize = ID_KEY + 9;
pub(crate) const HOLDER_ENTRY: usize = HOLDER_KEY + 9;
/// Batches that go into sled at once.
const GROUP: usize = 16;

/// What was loaded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) batches: u64,
    pub(crate) licences: u64,
    /// Leaf hashes (RFC 6962, SHA-256) of the manifests, by batch, if they were asked for.
    pub(crate) manifests: Vec<Digest>,
}

/// Loads volumes into an engine.
pub(crate) struct Loader<'a> {
    engine: &'a Engine,
    ids: Sorter<ID_ENTRY>,
    holders: Sorter<HOLDER_ENTRY>,
    numbers: Sorter<ID_ENTRY>,
    keep_manifests: bool,
    loaded: Loaded,
}

/// A row made ready for sled.
enum Ready {
    Batch { values: Vec<Pair>, number: BatchNumber, outline: block::Outline, manifest: Digest },
    Other(Vec<u8>),
}

impl<'a> Loader<'a> {
    /// `memory` bytes of index entries are sorted in memory, more of them in `dir`.
    pub(crate) fn new(
        engine: &'a Engine,
        disk: &Arc<dyn Disk>,
        dir: &Path,
        memory: usize,
    ) -> Result<Self, StoreError> {
        disk.create_dir_all(dir).map_err(DurableError::io("create", dir))?;
        let scratch = Scratch {
            disk: Arc::clone(disk),
            dir: dir.to_owned(),
            keys: Arc::clone(&engine.keys),
            random: Arc::clone(&engine.random),
        };
        Ok(Self {
            engine,
            ids: Sorter::new(scratch.clone(), "id", memory / 3),
            holders: Sorter::new(scratch.clone(), "holder", memory / 3),
            numbers: Sorter::new(scratch, "number", memory / 3),
            keep_manifests: false,
            loaded: Loaded::default(),
        })
    }

    pub(crate) const fn keep_manifests(mut self) -> Self {
        self.keep_manifests = true;
        self
    }

    /// Loads one volume; `progress` hears of the licences so far.
    pub(crate) fn volume(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        volume: &Volume,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), StoreError> {
        let path = dir.join(volume.file());
        let (engine, before) = (self.engine, self.loaded.clone());
        let mut next = volume.first;
        rows::read(
            disk,
            &path,
            &volume.rows,
            &engine.keys,
            |rows| rows.iter().map(|row| ready(engine, row)).collect::<Result<Vec<_>, _>>(),
            |rows| {
                self.take(rows, &mut next)?;
                progress(self.loaded.licences);
                Ok(())
            },
        )?;
        let (batches, licences) =
            (self.loaded.batches - before.batches, self.loaded.licences - before.licences);
        if batches != volume.last + 1 - volume.first || licences != volume.licences {
            return Err(StoreError::File { path, why: "it does not hold what its manifest says" });
        }
        Ok(())
    }

    fn take(&mut self, rows: Vec<Ready>, next: &mut u64) -> Result<(), StoreError> {
        let mut values = Vec::new();
        for row in rows {
            match row {
                Ready::Batch { values: parts, number, outline, manifest } => {
                    if number.0 != *next {
                        return Err(StoreError::Damaged {
                            tree: "volume",
                            key: number.to_string(),
                            why: "another batch should stand here",
                        });
                    }
                    *next += 1;
                    values.extend(parts);
                    self.index(number, &outline)?;
                    self.loaded.batches += 1;
                    self.loaded.licences += outline.entries.len() as u64;
                    if self.keep_manifests {
                        self.loaded.manifests.push(manifest);
                    }
                }
                Ready::Other(row) => put_row(self.engine, &row)?,
            }
        }
        for group in values.chunks(GROUP) {
            self.engine.insert_parts(&self.engine.trees.batch, group)?;
        }
        Ok(())
    }

    fn index(&mut self, number: BatchNumber, outline: &block::Outline) -> Result<(), StoreError> {
        for (slot, entry) in (0..=u8::MAX).zip(&outline.entries) {
            let at = Location { batch: number, slot };
            self.ids.push(sortable(&entry.id, at))?;
            self.numbers.push(sortable(&entry.number, at))?;
            for holder in &entry.holders {
                self.holders.push(sortable(holder, at))?;
            }
        }
        Ok(())
    }

    /// Packs the indexes of all that was loaded.
    pub(crate) fn finish(mut self) -> Result<Loaded, StoreError> {
        let engine = self.engine;
        let (ids, holders, numbers) = (self.ids.sorted()?, self.holders.sorted()?, self.numbers.sorted()?);
        let [id, holder, number] = std::thread::scope(|scope| {
            let id =
                scope.spawn(|| packed::add(engine, &engine.trees.id_base, entries::<ID_KEY, ID_ENTRY>(ids)));
            let holder = scope.spawn(|| {
                packed::add(engine, &engine.trees.holder_base, entries::<HOLDER_KEY, HOLDER_ENTRY>(holders))
            });
            let number = packed::add(engine, &engine.trees.number_base, entries::<ID_KEY, ID_ENTRY>(numbers));
            let joined = |thread: std::thread::ScopedJoinHandle<'_, Result<u64, StoreError>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            [joined(id), joined(holder), number]
        });
        for outcome in [id, holder, number] {
            outcome?;
        }
        self.ids.clear()?;
        self.holders.clear()?;
        self.numbers.clear()?;
        Ok(self.loaded)
    }
}

/// Loads volumes by reference.
pub(crate) fn volumes(
    mut loader: Loader<'_>,
    disk: &dyn Disk,
    dir: &Path,
    references: &[VolumeRef],
) -> Result<Loaded, StoreError> {
    for reference in references {
        let volume = volume::resolve(disk, dir, reference, &loader.engine.keys)?;
        loader.volume(disk, dir, &volume, &mut |_| ())?;
    }
    loader.finish()
}

/// Loads a whole export into an empty engine.
pub(crate) fn export(
    loader: Loader<'_>,
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
) -> Result<Manifest, StoreError> {
    let engine = loader.engine;
    let manifest = export::read_manifest(disk, dir, name, &engine.keys)?;
    let loaded = volumes(loader, disk, dir, &manifest.volumes)?;
    let path = dir.join(&manifest.file);
    if loaded.batches != manifest.last_batch || loaded.licences != manifest.licences {
        return Err(StoreError::File { path, why: "its volumes do not hold what its manifest says" });
    }
    rows::read(
        disk,
        &path,
        &manifest.rows,
        &engine.keys,
        |rows| Ok(rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>()),
        |rows| rows.iter().try_for_each(|row| put_row(engine, row)),
    )?;
    // Last, so that a loading that was interrupted has none.
    engine.put_head(manifest.head())?;
    Ok(manifest)
}

fn ready(engine: &Engine, row: &[u8]) -> Result<Ready, StoreError> {
    let Some((number, packed)) = volume::read_batch_row(row) else { return Ok(Ready::Other(row.to_vec())) };
    let outline = block::outline(number, packed, &engine.dictionaries, &engine.keys)?;
    let values = engine.parts(&engine.trees.batch, &number.0.to_be_bytes(), packed)?;
    let hash = |parts: &[&[u8]]| sha256(parts);
    let manifest = merkle::leaf_hash(&hash, outline.manifest.to_string().as_bytes());
    Ok(Ready::Batch { values, number, outline, manifest })
}

fn put_row(engine: &Engine, row: &[u8]) -> Result<(), StoreError> {
    let damaged =
        || StoreError::Damaged { tree: "export", key: "row".to_owned(), why: "a row does not read" };
    let mut reader = Reader(row);
    match reader.u8() {
        Some(IMPRESSION) => {
            let (seal, certificate) = reader.bytes().zip(reader.bytes()).ok_or_else(damaged)?;
            engine.put_impression(&SealImpression { seal: seal.into(), certificate: certificate.into() })?;
        }
        Some(STATUS) => {
            let (identifier, status) = op::read_status(&mut reader).ok_or_else(damaged)?;
            engine.put_status(&identifier, &status)?;
        }
        Some(STATE) => match (reader.text(), reader.text(), reader.bytes()) {
            (Some(kind), Some(key), Some(json)) => engine.put_state(kind, key, json)?,
            _ => return Err(damaged()),
        },
        _ => return Err(damaged()),
    }
    if reader.is_empty() { Ok(()) } else { Err(damaged()) }
}

/// `key ‖ batch u64 BE ‖ slot`.
pub(crate) fn sortable<const N: usize>(key: &[u8], at: Location) -> [u8; N] {
    let mut entry = [0; N];
    let batch = at.batch.0.to_be_bytes();
    let bytes = key.iter().chain(&batch).chain(std::slice::from_ref(&at.slot));
    entry.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    entry
}

/// What [`sortable`] made, as entries of a packed index.
pub(crate) fn entries<const K: usize, const N: usize>(
    sorted: Sorted<'_, N>,
) -> impl Iterator<Item = Result<PackedEntry<K>, StoreError>> {
    sorted.map(|entry| {
        let entry = entry?;
        read_sortable(&entry).ok_or_else(|| StoreError::Damaged {
            tree: "run",
            key: hex::encode(entry),
            why: "an entry is too short",
        })
    })
}

fn read_sortable<const K: usize>(entry: &[u8]) -> Option<PackedEntry<K>> {
    let mut reader = Reader(entry);
    let key = reader.array()?;
    let batch = BatchNumber(u64::from_be_bytes(reader.array()?));
    Some(PackedEntry { key, at: Location { batch, slot: reader.u8()? } })
}
