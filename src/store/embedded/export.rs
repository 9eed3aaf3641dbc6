//! Exports: all of the store in files that can be read without sled.
//!
//! ```text
//! volume-….data, .json   the batches: see `volume`
//! export-N.data          rows: seals, statuses and states, as they stood
//! export-N.json          the manifest, authenticated; an export without one does not count
//! keys.json, dictionary-N   copies of the key file and the dictionaries
//! ```
//!
//! N is the number of operations covered. The store keeps serving while it is written, so the rows
//! may also hold traces of later operations; they are in the journal too, and replaying them gives
//! the same. An export counts only after it was fsynced, read back and found the same; a volume is read
//! back when it is written, and after that by `store check`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::engine::{Engine, Named};
use super::places::Places;
use super::volume::{self, STATE, Volume};
use crate::durable::{Disk, DurableError, replace_file};
use crate::store::forms::codec::Writer;
use crate::store::forms::dictionary;
use crate::store::forms::op::{Head, VolumeRef};
use crate::store::forms::rows::{self, RowWriter, Seal};
use crate::store::keys::{KEY_FILE, Keyring};
use crate::store::{StoreError, Watch};
use licence_seal::crypto::Digest;
use licence_seal::time::Timestamp;

const LABEL: &str = "export";
const FORMAT: u32 = 2;
/// Keys of a tree that are read before the readers' lock is let go.
const STRIDE: usize = 256;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Manifest {
    format: u32,
    pub(crate) made: Timestamp,
    pub(crate) file: String,
    pub(crate) rows: Seal,
    pub(crate) volumes: Vec<VolumeRef>,
    pub(crate) sequence: u64,
    pub(crate) last_batch: u64,
    pub(crate) licences: u64,
    pub(crate) last_change: u64,
    /// Last journal segment that holds nothing but covered operations.
    pub(crate) journal_through: u64,
}

impl Manifest {
    /// Name of the file that it is.
    pub(crate) fn manifest_file(&self) -> String {
        format!("{}.json", name(self.sequence))
    }

    /// The bytes of that file.
    pub(crate) fn signed(&self, keys: &Keyring) -> Vec<u8> {
        keys.sign_file(LABEL, self)
    }

    pub(crate) fn head(&self) -> Head {
        Head {
            sequence: self.sequence,
            last_batch: self.last_batch,
            licences: self.licences,
            last_change: self.last_change,
        }
    }
}

fn name(sequence: u64) -> String {
    format!("export-{sequence:020}")
}

/// Names of the manifests in a folder, oldest first.
pub(crate) fn manifests(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, StoreError> {
    let names = disk.list(dir).map_err(DurableError::io("list", dir))?;
    Ok(names.into_iter().filter(|name| name.starts_with("export-") && name.ends_with(".json")).collect())
}

pub(crate) fn read_manifest(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    keys: &Keyring,
) -> Result<Manifest, StoreError> {
    let path = dir.join(name);
    let content = disk.read(&path).map_err(DurableError::io("read", &path))?;
    let fault = |why| StoreError::File { path: path.clone(), why };
    keys.verify_file(LABEL, FORMAT, &content.ok_or_else(|| fault("it is missing"))?).map_err(fault)
}

/// Writes an export that covers the operations up to `head`, whose journal ends with segment
/// `journal_through`, and reads it back.
pub(crate) fn write(
    engine: &Engine,
    disk: &dyn Disk,
    places: &Places,
    head: Head,
    journal_through: u64,
    made: Timestamp,
    watch: &Watch,
) -> Result<(Manifest, Vec<Volume>, PathBuf), StoreError> {
    let dir = &places.exports;
    let volumes = volume::complete(engine, disk, dir, head.last_batch, watch)?;
    watch.stage("states", 0);
    let name = name(head.sequence);
    let (path, temporary) = (dir.join(format!("{name}.data")), dir.join("export.tmp"));
    let mut to = RowWriter::create(disk, &temporary, &engine.keys, &*engine.random)?;
    write_rows(engine, &mut to, watch)?;
    let manifest = Manifest {
        format: FORMAT,
        made,
        file: format!("{name}.data"),
        rows: to.sync()?,
        volumes: volumes.iter().map(Volume::reference).collect(),
        sequence: head.sequence,
        last_batch: head.last_batch,
        licences: head.licences,
        last_change: head.last_change,
        journal_through,
    };
    rows::read(disk, &temporary, &manifest.rows, &engine.keys, |_| Ok(()), |()| watch.did(0))?;

    // The old manifest of the same name, if any, must not stand beside the new data.
    let manifest_path = dir.join(format!("{name}.json"));
    if disk.len(&manifest_path).is_ok() {
        disk.remove(&manifest_path).map_err(DurableError::io("remove", &manifest_path))?;
        disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
    }
    disk.rename(&temporary, &path).map_err(DurableError::io("rename", &temporary))?;
    disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
    copy_keys(disk, &places.dir, dir)?;
    replace_file(disk, &manifest_path, &manifest.signed(&engine.keys))?;
    Ok((manifest, volumes, path))
}

/// Copies the key file and the dictionaries: what it takes to read an export, beside the master key.
pub(crate) fn copy_keys(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut names = dictionary::names(disk, from)?;
    names.push(KEY_FILE.to_owned());
    for name in names {
        let path = from.join(&name);
        let content = disk.read(&path).map_err(DurableError::io("read", &path))?;
        let content = content.ok_or(StoreError::File { path, why: "it is missing" })?;
        let target = to.join(&name);
        if disk.read(&target).map_err(DurableError::io("read", &target))?.as_ref() != Some(&content) {
            replace_file(disk, &target, &content)?;
        }
    }
    Ok(())
}

/// Removes all but the newest `keep` exports, and the volumes that none of them needs, and returns the
/// manifests of those kept, newest first. One that does not read is neither counted nor removed.
pub(crate) fn retain(
    disk: &dyn Disk,
    dir: &Path,
    keep: usize,
    keys: &Keyring,
) -> Result<Vec<Manifest>, StoreError> {
    let mut kept: Vec<Manifest> = Vec::new();
    for name in manifests(disk, dir)?.into_iter().rev() {
        let Ok(manifest) = read_manifest(disk, dir, &name, keys) else { continue };
        if kept.len() < keep {
            kept.push(manifest);
            continue;
        }
        // The manifest goes first: data without one does not count.
        remove(disk, dir, &[name, manifest.file])?;
    }
    // What is newer than the oldest export kept may be an import's, to which the journal refers.
    let covered = kept.last().map_or(0, |oldest| oldest.last_batch);
    for name in volume::names(disk, dir)? {
        let Ok(volume) = volume::read_manifest(disk, dir, &name, keys) else { continue };
        let needed = kept.iter().any(|export| export.volumes.contains(&volume.reference()));
        if !needed && volume.last <= covered && kept.len() >= keep {
            remove(disk, dir, &[volume.manifest_file(), volume.file()])?;
        }
    }
    Ok(kept)
}

fn remove(disk: &dyn Disk, dir: &Path, names: &[String]) -> Result<(), StoreError> {
    for path in names.iter().map(|name| dir.join(name)) {
        if disk.len(&path).is_ok() {
            disk.remove(&path).map_err(DurableError::io("remove", &path))?;
            disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
        }
    }
    Ok(())
}

fn write_rows(engine: &Engine, to: &mut RowWriter<'_>, watch: &Watch) -> Result<(), StoreError> {
    each_value(
        engine,
        &engine.trees.impression,
        |key| {
            let digest: Option<Digest> = key.try_into().ok();
            let Some(impression) =
                digest.map(|digest| engine.read_impression(&digest)).transpose()?.flatten()
            else {
                return Ok(None);
            };
            Ok(Some(volume::impression_row(&impression)))
        },
        to,
        watch,
    )?;
    each_value(
        engine,
        &engine.trees.status,
        |key| {
            let (identifier, status) = engine.status_at(&[key, &[0, 0]].concat())?;
            Ok(Some(volume::status_row(&identifier, &status)))
        },
        to,
        watch,
    )?;
    each_value(
        engine,
        &engine.trees.state,
        |key| {
            // Removed in the meantime: then the journal says so.
            let Some((kind, key, value)) = engine.state_at(key)? else { return Ok(None) };
            let mut row = Writer::default();
            row.u8(STATE).text(&kind).text(&key).bytes(value.to_string().as_bytes());
            Ok(Some(row.finish()))
        },
        to,
        watch,
    )
}

/// Makes a row of every value of a tree. Changes go on between the strides.
fn each_value(
    engine: &Engine,
    from: &Named,
    row: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, StoreError>,
    to: &mut RowWriter<'_>,
    watch: &Watch,
) -> Result<(), StoreError> {
    let mut keys = from.tree.iter().keys();
    loop {
        let mut rows = Vec::new();
        let reading = engine.reading()?;
        let mut seen = 0_u64;
        for key in keys.by_ref().take(STRIDE) {
            seen += 1;
            if let Some((key, [0, 0])) = key?.split_last_chunk() {
                rows.extend(row(key)?);
            }
        }
        drop(reading);
        watch.did(seen)?;
        for row in rows {
            to.row(&row)?;
        }
        if seen == 0 {
            return Ok(());
        }
    }
}
