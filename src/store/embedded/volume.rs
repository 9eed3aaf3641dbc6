//! Volumes: consecutive batches in a file of rows that is written once and never changed.
//!
//! ```text
//! volume-FIRST-LAST.data   rows: batches FIRST to LAST; of an import also its seals and status changes
//! volume-FIRST-LAST.json   the manifest, authenticated; a volume without one does not count
//! ```
//!
//! Volumes and the state of an [export](super::export) together are a whole copy of the store; a nightly
//! export or backup writes only what came since, because what was sealed does not change. An import
//! writes its volumes itself, and the journal refers to them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::engine::Engine;
use crate::durable::{Disk, DurableError, replace_file};
use crate::store::forms::codec::{Reader, Writer};
use crate::store::forms::op::{self, VolumeRef};
use crate::store::forms::rows::{RowWriter, Seal};
use crate::store::keys::Keyring;
use crate::store::{BatchNumber, StatusRecord, StoreError, Watch};
use licence_seal::licence::Identifier;
use licence_seal::seal::SealImpression;

const FORMAT: u32 = 2;
const LABEL: &str = "volume";
/// Bytes after which a volume is followed by another.
pub(crate) const VOLUME_BYTES: u64 = 1 << 30;
/// A last volume below this is written again together with what came after it.
const SMALL_BYTES: u64 = 64 << 20;

/// What a row is: its first byte.
const BATCH: u8 = 1;
pub(crate) const IMPRESSION: u8 = 2;
pub(crate) const STATUS: u8 = 3;
pub(crate) const STATE: u8 = 4;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Volume {
    format: u32,
    /// Without the ending.
    pub(crate) name: String,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) licences: u64,
    pub(crate) rows: Seal,
}

impl Volume {
    pub(crate) fn new(first: u64, last: u64, licences: u64, rows: Seal) -> Self {
        Self { format: FORMAT, name: name(first, last), first, last, licences, rows }
    }

    pub(crate) fn reference(&self) -> VolumeRef {
        VolumeRef { name: self.name.clone(), chain: self.rows.chain.clone() }
    }

    pub(crate) fn file(&self) -> String {
        format!("{}.data", self.name)
    }

    pub(crate) fn manifest_file(&self) -> String {
        format!("{}.json", self.name)
    }

    /// The bytes of the manifest.
    pub(crate) fn signed(&self, keys: &Keyring) -> Vec<u8> {
        keys.sign_file(LABEL, self)
    }

    /// Makes the manifest durable: from now on the volume counts.
    pub(crate) fn publish(&self, disk: &dyn Disk, dir: &Path, keys: &Keyring) -> Result<(), StoreError> {
        Ok(replace_file(disk, &dir.join(self.manifest_file()), &self.signed(keys))?)
    }
}

pub(crate) fn name(first: u64, last: u64) -> String {
    format!("volume-{first:012}-{last:012}")
}

/// A row that is a batch.
pub(crate) fn batch_row(number: u64, packed: &[u8]) -> Vec<u8> {
    let mut row = Writer::default();
    row.u8(BATCH).number(number).bytes(packed);
    row.finish()
}

/// A row that is a seal with its signer's certificate.
pub(crate) fn impression_row(impression: &SealImpression) -> Vec<u8> {
    let mut row = Writer::default();
    row.u8(IMPRESSION).bytes(&impression.seal).bytes(&impression.certificate);
    row.finish()
}

/// A row that is a declared state.
pub(crate) fn status_row(identifier: &Identifier, status: &StatusRecord) -> Vec<u8> {
    let mut row = Writer::default();
    row.u8(STATUS);
    op::write_status(&mut row, identifier, status);
    row.finish()
}

/// Reads a row that is a batch; `None` for any other.
pub(crate) fn read_batch_row(row: &[u8]) -> Option<(BatchNumber, &[u8])> {
    let mut reader = Reader(row);
    if reader.u8()? != BATCH {
        return None;
    }
    let (number, packed) = (BatchNumber(reader.number()?), reader.bytes()?);
    reader.is_empty().then_some((number, packed))
}

/// Names of all volumes that have a manifest, by their first batch.
pub(crate) fn names(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, StoreError> {
    let files = disk.list(dir).map_err(DurableError::io("list", dir))?;
    let name =
        |file: String| Some(file.strip_suffix(".json")?.to_owned()).filter(|n| n.starts_with("volume-"));
    Ok(files.into_iter().filter_map(name).collect())
}

/// Files of volumes that begin after batch `last`, and a volume that is being written.
pub(crate) fn files_after(disk: &dyn Disk, dir: &Path, last: u64) -> Result<Vec<String>, StoreError> {
    let mut files = disk.list(dir).map_err(DurableError::io("list", dir))?;
    let first = |file: &str| file.strip_prefix("volume-")?.split('-').next()?.parse::<u64>().ok();
    files.retain(|file| file == "import.tmp" || first(file).is_some_and(|first| first > last));
    Ok(files)
}

/// Reads a manifest.
pub(crate) fn read_manifest(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    keys: &Keyring,
) -> Result<Volume, StoreError> {
    let path = dir.join(format!("{name}.json"));
    let content = disk.read(&path).map_err(DurableError::io("read", &path))?;
    let fault = |why| StoreError::File { path: path.clone(), why };
    let content = content.ok_or_else(|| fault("it is missing"))?;
    let volume: Volume = keys.verify_file(LABEL, FORMAT, &content).map_err(fault)?;
    if volume.name == name && volume.name == self::name(volume.first, volume.last) {
        Ok(volume)
    } else {
        Err(fault("it is the manifest of another volume"))
    }
}

/// The volume that a reference means.
pub(crate) fn resolve(
    disk: &dyn Disk,
    dir: &Path,
    reference: &VolumeRef,
    keys: &Keyring,
) -> Result<Volume, StoreError> {
    let volume = read_manifest(disk, dir, &reference.name, keys)?;
    if volume.rows.chain == reference.chain {
        return Ok(volume);
    }
    let path = dir.join(volume.file());
    Err(StoreError::File { path, why: "it is not the volume that the journal or export refers to" })
}

/// Volumes that hold batches from 1 on without a gap, up to `last` at the most: those that are there.
/// One whose data is missing or has another length ends the row.
pub(crate) fn chain(
    disk: &dyn Disk,
    dir: &Path,
    last: u64,
    keys: &Keyring,
) -> Result<Vec<Volume>, StoreError> {
    let mut all = Vec::new();
    for name in names(disk, dir)? {
        if let Ok(volume) = read_manifest(disk, dir, &name, keys)
            && disk.len(&dir.join(volume.file())).is_ok_and(|length| length == volume.rows.bytes)
        {
            all.push(volume);
        }
    }
    let mut chain: Vec<Volume> = Vec::new();
    loop {
        let next = chain.last().map_or(1, |volume| volume.last + 1);
        let fitting = all.iter().filter(|volume| volume.first == next && volume.last <= last);
        match fitting.max_by_key(|volume| volume.last) {
            Some(volume) => chain.push(volume.clone()),
            None => return Ok(chain),
        }
    }
}

/// Adds what is needed for volumes to hold all batches up to `last`, read back, and returns all of
/// them.
pub(crate) fn complete(
    engine: &Engine,
    disk: &dyn Disk,
    dir: &Path,
    last: u64,
    watch: &Watch,
) -> Result<Vec<Volume>, StoreError> {
    let mut volumes = chain(disk, dir, last, &engine.keys)?;
    if volumes.last().map_or(0, |volume| volume.last) < last
        && volumes.last().is_some_and(|volume| volume.rows.bytes < SMALL_BYTES)
    {
        volumes.pop();
    }
    watch.stage("batches", last - volumes.last().map_or(0, |volume| volume.last));
    while volumes.last().map_or(0, |volume| volume.last) < last {
        let first = volumes.last().map_or(1, |volume| volume.last + 1);
        volumes.push(write(engine, disk, dir, first, last, watch)?);
    }
    Ok(volumes)
}

/// Writes a volume from `first` to `last` or until it is full.
fn write(
    engine: &Engine,
    disk: &dyn Disk,
    dir: &Path,
    first: u64,
    last: u64,
    watch: &Watch,
) -> Result<Volume, StoreError> {
    let temporary = dir.join("volume.tmp");
    let mut to = RowWriter::create(disk, &temporary, &engine.keys, &*engine.random)?;
    let (mut number, mut licences) = (first, 0);
    loop {
        let packed = {
            let _reading = engine.reading()?;
            engine.packed(BatchNumber(number))?
        };
        let packed = packed.ok_or_else(|| StoreError::Damaged {
            tree: "batch",
            key: number.to_string(),
            why: "it is not here",
        })?;
        licences += engine.size_of(BatchNumber(number), &packed)?;
        to.row(&batch_row(number, &packed))?;
        watch.did(1)?;
        if number >= last || to.bytes() >= VOLUME_BYTES {
            break;
        }
        number += 1;
    }
    let volume = Volume::new(first, number, licences, to.sync()?);
    crate::store::forms::rows::read(
        disk,
        &temporary,
        &volume.rows,
        &engine.keys,
        |_| Ok(()),
        |()| watch.did(0),
    )?;
    place(disk, dir, &temporary, &volume, &engine.keys)?;
    Ok(volume)
}

/// Gives written rows the place and the manifest of their volume.
pub(crate) fn place(
    disk: &dyn Disk,
    dir: &Path,
    temporary: &Path,
    volume: &Volume,
    keys: &Keyring,
) -> Result<(), StoreError> {
    // A manifest of the same name, if any, must not stand beside the new data.
    let manifest = dir.join(volume.manifest_file());
    if disk.len(&manifest).is_ok() {
        disk.remove(&manifest).map_err(DurableError::io("remove", &manifest))?;
        disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
    }
    let path = dir.join(volume.file());
    disk.rename(temporary, &path).map_err(DurableError::io("rename", temporary))?;
    disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
    volume.publish(disk, dir, keys)
}
