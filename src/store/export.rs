//! Exports: all of the store in one framed file that can be read without sled.
//!
//! ```text
//! export-N.data   frames of kind "SEXP": 0x01 ‖ key number u32 BE ‖ AES-256-GCM(rows), each row with its length
//! export-N.json   the manifest, authenticated; an export without one does not count
//! keys.json       a copy of the key file
//! ```
//!
//! N is the number of operations covered. The store keeps serving while it is written, so the file
//! may also hold traces of later operations; they are in the journal too, and replaying them gives
//! the same. Each frame is bound to its export and place; the manifest has the hash chain over their
//! contents, and an export counts only after it was fsynced, read back and found the same.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::block;
use super::codec::{Reader, Writer};
use super::engine::{Engine, Named};
use super::keys::{KEY_FILE, Keyring, Use};
use super::op::{self, AddedBatch, Head};
use super::open::Places;
use super::traits::BatchNumber;
use crate::crypto::{Digest, sha256};
use crate::durable::{Disk, DiskFile, DurableError, framed, replace_file};
use crate::seal::batch::SealImpression;
use crate::time::Timestamp;

const KIND: [u8; 4] = *b"SEXP";
const LABEL: &str = "export";
const FORMAT: u32 = 1;
const FRAME_FORMAT: u8 = 1;
/// Rows are gathered into frames of about so many bytes.
const FRAME_BYTES: usize = 256 << 10;
/// Keys of a tree that are read before the readers' lock is let go.
const STRIDE: usize = 256;

const BATCH: u8 = 1;
const IMPRESSION: u8 = 2;
const STATUS: u8 = 3;
const STATE: u8 = 4;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Manifest {
    format: u32,
    made: Timestamp,
    /// Random, in hex: part of every frame's place.
    export: String,
    file: String,
    pub(super) bytes: u64,
    frames: u64,
    pub(super) rows: u64,
    pub(super) sequence: u64,
    pub(super) last_batch: u64,
    licences: u64,
    last_change: u64,
    /// Last journal segment that holds nothing but covered operations.
    pub(super) journal_through: u64,
    chain: String,
}

impl Manifest {
    fn head(&self) -> Head {
        Head {
            sequence: self.sequence,
            last_batch: self.last_batch,
            licences: self.licences,
            last_change: self.last_change,
        }
    }
}

/// Names of the manifests in a folder, oldest first.
pub(super) fn manifests(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, StoreError> {
    let names = disk.list(dir).map_err(DurableError::io("list", dir))?;
    Ok(names.into_iter().filter(|name| name.starts_with("export-") && name.ends_with(".json")).collect())
}

pub(super) fn read_manifest(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    keys: &Keyring,
) -> Result<Manifest, StoreError> {
    let path = dir.join(name);
    let content = disk.read(&path).map_err(DurableError::io("read", &path))?;
    let fault = |why| StoreError::File { path: path.clone(), why };
    let content = content.ok_or(fault("it is missing"))?;
    let manifest: Manifest =
        keys.verify_file(LABEL, &content).ok_or(fault("it was changed, or belongs to another store"))?;
    match manifest.format {
        FORMAT => Ok(manifest),
        _ => Err(fault("its format is newer than this program")),
    }
}

/// Writes an export that covers the operations up to `head`, whose journal ends with segment
/// `journal_through`, and reads it back.
pub(super) fn write(
    engine: &Engine,
    disk: &dyn Disk,
    places: &Places,
    head: Head,
    journal_through: u64,
    made: Timestamp,
) -> Result<(Manifest, PathBuf), StoreError> {
    let dir = &places.exports;
    let name = format!("export-{:020}", head.sequence);
    let (path, temporary) = (dir.join(format!("{name}.data")), dir.join(format!("{name}.tmp")));
    if disk.len(&temporary).is_ok() {
        disk.remove(&temporary).map_err(DurableError::io("remove", &temporary))?;
    }
    let mut to = FrameWriter::create(engine, disk, &temporary)?;
    write_rows(engine, head, &mut to)?;
    let mut manifest = to.finish()?;
    manifest.made = made;
    manifest.file = format!("{name}.data");
    manifest.journal_through = journal_through;
    manifest.sequence = head.sequence;
    manifest.last_batch = head.last_batch;
    manifest.licences = head.licences;
    manifest.last_change = head.last_change;
    read_back(disk, &temporary, &manifest, &engine.keys, &mut |_| Some(()))?;

    // The old manifest of the same name, if any, must not stand beside the new data.
    let manifest_path = dir.join(format!("{name}.json"));
    if disk.len(&manifest_path).is_ok() {
        disk.remove(&manifest_path).map_err(DurableError::io("remove", &manifest_path))?;
        disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
    }
    disk.rename(&temporary, &path).map_err(DurableError::io("rename", &temporary))?;
    disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
    let key_file = places.dir.join(KEY_FILE);
    let keys = disk.read(&key_file).map_err(DurableError::io("read", &key_file))?;
    let keys = keys.ok_or(StoreError::KeyFile { path: key_file, why: "it is missing" })?;
    replace_file(disk, &dir.join(KEY_FILE), &keys)?;
    replace_file(disk, &manifest_path, &engine.keys.sign_file(LABEL, &manifest))?;
    Ok((manifest, path))
}

/// Removes all but the newest `keep` exports and returns the manifests of those kept, newest first.
/// One that does not read is neither counted nor removed.
pub(super) fn retain(
    disk: &dyn Disk,
    dir: &Path,
    keep: usize,
    keys: &Keyring,
) -> Result<Vec<Manifest>, StoreError> {
    let mut kept = Vec::new();
    for name in manifests(disk, dir)?.into_iter().rev() {
        let Ok(manifest) = read_manifest(disk, dir, &name, keys) else { continue };
        if kept.len() < keep {
            kept.push(manifest);
            continue;
        }
        // The manifest goes first: data without one does not count.
        for path in [dir.join(&name), dir.join(&manifest.file)] {
            if disk.len(&path).is_ok() {
                disk.remove(&path).map_err(DurableError::io("remove", &path))?;
                disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
            }
        }
    }
    Ok(kept)
}

/// Reads an export through without using it.
pub(super) fn verify(disk: &dyn Disk, dir: &Path, name: &str, keys: &Keyring) -> Result<(), StoreError> {
    let manifest = read_manifest(disk, dir, name, keys)?;
    read_back(disk, &dir.join(&manifest.file), &manifest, keys, &mut |_| Some(()))
}

/// Loads an export into an empty engine and returns the counters it covers.
pub(super) fn load(disk: &dyn Disk, dir: &Path, name: &str, engine: &Engine) -> Result<Head, StoreError> {
    let manifest = read_manifest(disk, dir, name, &engine.keys)?;
    let mut failed = None;
    let read =
        read_back(disk, &dir.join(&manifest.file), &manifest, &engine.keys, &mut |row| match load_row(
            engine, row,
        ) {
            Ok(read) => read,
            Err(why) => {
                failed = Some(why);
                None
            }
        });
    if let Some(why) = failed {
        return Err(why);
    }
    read?;
    // Last, so that a loading that was interrupted has none.
    engine.put_head(manifest.head())?;
    Ok(manifest.head())
}

fn load_row(engine: &Engine, row: &[u8]) -> Result<Option<()>, StoreError> {
    let mut reader = Reader(row);
    let Some(kind) = reader.u8() else { return Ok(None) };
    let read = match kind {
        BATCH => match reader.number().map(BatchNumber).zip(reader.bytes()) {
            Some((number, packed)) => {
                let sealed = block::unpack(number, packed)?;
                let entries = AddedBatch::entries(&sealed, &engine.keys);
                engine.put_batch(&AddedBatch { number, packed: packed.to_vec(), entries })?;
                Some(())
            }
            None => None,
        },
        IMPRESSION => match reader.bytes().zip(reader.bytes()) {
            Some((seal, certificate)) => {
                let impression = SealImpression { seal: seal.into(), certificate: certificate.into() };
                Some(engine.put_impression(&impression)?)
            }
            None => None,
        },
        STATUS => match op::read_status(&mut reader) {
            Some((identifier, status)) => Some(engine.put_status(&identifier, &status)?),
            None => None,
        },
        STATE => match (reader.text(), reader.text(), reader.bytes()) {
            (Some(kind), Some(key), Some(json)) => Some(engine.put_state(kind, key, json)?),
            _ => None,
        },
        _ => None,
    };
    Ok(read.filter(|()| reader.is_empty()))
}

fn write_rows(engine: &Engine, head: Head, to: &mut FrameWriter<'_>) -> Result<(), StoreError> {
    for number in 1..=head.last_batch {
        let packed = {
            let _reading = engine.reading()?;
            engine.read(&engine.batch, &number.to_be_bytes())?
        };
        let packed = packed.ok_or_else(|| StoreError::Damaged {
            tree: "batch",
            key: number.to_string(),
            why: "it is not here",
        })?;
        let mut row = Writer::default();
        row.u8(BATCH).number(number).bytes(&packed);
        to.row(row)?;
    }
    each_value(
        engine,
        &engine.impression,
        |key| {
            let digest: Option<Digest> = key.try_into().ok();
            let Some(impression) =
                digest.map(|digest| engine.read_impression(&digest)).transpose()?.flatten()
            else {
                return Ok(None);
            };
            let mut row = Writer::default();
            row.u8(IMPRESSION).bytes(&impression.seal).bytes(&impression.certificate);
            Ok(Some(row))
        },
        to,
    )?;
    each_value(
        engine,
        &engine.status,
        |key| {
            let (identifier, status) = engine.status_at(&[key, &[0, 0]].concat())?;
            let mut row = Writer::default();
            row.u8(STATUS);
            op::write_status(&mut row, &identifier, &status);
            Ok(Some(row))
        },
        to,
    )?;
    each_value(
        engine,
        &engine.state,
        |key| {
            // Removed in the meantime: then the journal says so.
            let Some((kind, key, value)) = engine.state_at(key)? else { return Ok(None) };
            let mut row = Writer::default();
            row.u8(STATE).text(&kind).text(&key).bytes(value.to_string().as_bytes());
            Ok(Some(row))
        },
        to,
    )
}

/// Makes a row of every value of a tree. Changes go on between the strides.
fn each_value(
    engine: &Engine,
    from: &Named,
    row: impl Fn(&[u8]) -> Result<Option<Writer>, StoreError>,
    to: &mut FrameWriter<'_>,
) -> Result<(), StoreError> {
    let mut keys = from.tree.iter().keys();
    loop {
        let mut rows = Vec::new();
        let reading = engine.reading()?;
        let mut seen = 0;
        for key in keys.by_ref().take(STRIDE) {
            seen += 1;
            if let Some((key, [0, 0])) = key?.split_last_chunk() {
                rows.extend(row(key)?);
            }
        }
        drop(reading);
        for row in rows {
            to.row(row)?;
        }
        if seen == 0 {
            return Ok(());
        }
    }
}

struct FrameWriter<'a> {
    engine: &'a Engine,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    export: [u8; 16],
    rows: Writer,
    manifest: Manifest,
    chain: Digest,
}

impl<'a> FrameWriter<'a> {
    fn create(engine: &'a Engine, disk: &dyn Disk, path: &Path) -> Result<Self, StoreError> {
        let mut file = disk.create(path).map_err(DurableError::io("create", path))?;
        file.write(&framed::header(KIND)).map_err(DurableError::io("write", path))?;
        let export = engine.random.bytes()?;
        let manifest = Manifest {
            format: FORMAT,
            made: Timestamp::from_millis(0),
            export: hex::encode(export),
            file: String::new(),
            bytes: framed::HEADER_LEN,
            frames: 0,
            rows: 0,
            sequence: 0,
            last_batch: 0,
            licences: 0,
            last_change: 0,
            journal_through: 0,
            chain: String::new(),
        };
        let (path, rows) = (path.to_owned(), Writer::default());
        Ok(Self { engine, path, file, export, rows, manifest, chain: [0; 32] })
    }

    fn row(&mut self, row: Writer) -> Result<(), StoreError> {
        self.rows.bytes(&row.finish());
        self.manifest.rows += 1;
        if self.rows.len() >= FRAME_BYTES { self.frame() } else { Ok(()) }
    }

    fn frame(&mut self) -> Result<(), StoreError> {
        let rows = std::mem::take(&mut self.rows).finish();
        self.chain = sha256(&[&self.chain, &rows]);
        let keys = &self.engine.keys;
        let mut payload = vec![FRAME_FORMAT];
        payload.extend(keys.current().to_be_bytes());
        let place = place(&self.export, self.manifest.frames);
        payload.extend(keys.seal(Use::Export, &[&place], &rows, &*self.engine.random)?);
        let frame = framed::frame(&payload)?;
        self.file.write(&frame).map_err(DurableError::io("write", &self.path))?;
        self.manifest.bytes += frame.len() as u64;
        self.manifest.frames += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Manifest, StoreError> {
        if self.rows.len() > 0 {
            self.frame()?;
        }
        self.file.sync().map_err(DurableError::io("sync", &self.path))?;
        self.manifest.chain = hex::encode(self.chain);
        Ok(self.manifest)
    }
}

fn place(export: &[u8; 16], frame: u64) -> Vec<u8> {
    [export.as_slice(), &frame.to_be_bytes()].concat()
}

/// Reads all rows of an export's data file; what `row` cannot read is damage.
fn read_back(
    disk: &dyn Disk,
    path: &Path,
    manifest: &Manifest,
    keys: &Keyring,
    row: &mut dyn FnMut(&[u8]) -> Option<()>,
) -> Result<(), StoreError> {
    let fault = |why| StoreError::File { path: path.to_owned(), why };
    let export = hex::decode(&manifest.export).ok().and_then(|id| <[u8; 16]>::try_from(id).ok());
    let export = export.ok_or(fault("its manifest names no export"))?;
    let mut reader = framed::Reader::open(disk, path, KIND, Some(manifest.bytes))?;
    let (mut frames, mut rows, mut chain) = (0, 0, [0; 32]);
    while let Some(frame) = reader.next_frame()? {
        let mut payload = Reader(&frame.payload);
        if payload.u8() != Some(FRAME_FORMAT) {
            return Err(fault("a frame format that this program does not know"));
        }
        let id = payload.array().map(u32::from_be_bytes).ok_or(fault("a frame is too short"))?;
        let place = place(&export, frames);
        let plain = keys.open_sealed(Use::Export, &[&place], id, payload.0);
        let plain = plain.map_err(|_| fault("a frame does not authenticate"))?;
        let mut reader = Reader(&plain);
        while !reader.is_empty() {
            reader.bytes().and_then(&mut *row).ok_or(fault("a row does not read"))?;
            rows += 1;
        }
        chain = sha256(&[&chain, &plain]);
        frames += 1;
    }
    if frames != manifest.frames || rows != manifest.rows || hex::encode(chain) != manifest.chain {
        return Err(fault("it is not what was written"));
    }
    Ok(())
}
