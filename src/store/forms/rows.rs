//! A file of rows that can be read without sled: what volumes and exports are.
//!
//! ```text
//! frames of kind "SROW": 0x01 ‖ key number u32 BE ‖ AES-256-GCM(rows), each row with its length
//! ```
//!
//! Each frame is bound to its file's random id and its place in it. A [`Seal`] says how the file must
//! read, with a hash chain over the frames' contents; it stands in an authenticated manifest, and
//! a file without one does not count. A file can be taken up again at an earlier seal of itself.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::codec::{Reader, Writer};
use crate::durable::{Disk, DiskFile, DurableError, framed};
use crate::parallel;
use crate::store::StoreError;
use crate::store::keys::{Bound, KeyId, Keyring, Use};
use licence_seal::crypto::{Digest, Random, sha256};

const KIND: [u8; 4] = *b"SROW";
const FRAME_FORMAT: u8 = 1;
/// Rows are gathered into frames of about so many bytes.
const FRAME_BYTES: usize = 256 << 10;

/// How a file of rows must read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Seal {
    /// Random, in hex: part of every frame's place.
    pub(crate) id: String,
    pub(crate) bytes: u64,
    pub(crate) frames: u64,
    pub(crate) rows: u64,
    /// H(chain ‖ H(rows of a frame)) over the frames, from 32 zero bytes; hex.
    pub(crate) chain: String,
    /// Number of the data key of its frames.
    pub(crate) key: KeyId,
}

impl Seal {
    fn chain(&self) -> Option<Digest> {
        hex::decode(&self.chain).ok()?.try_into().ok()
    }

    fn id(&self) -> Option<[u8; 16]> {
        hex::decode(&self.id).ok()?.try_into().ok()
    }
}

/// Writes a file of rows.
pub(crate) struct RowWriter<'a> {
    keys: &'a Keyring,
    random: &'a dyn Random,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    id: [u8; 16],
    chain: Digest,
    rows: Writer,
    waiting: u64,
    seal: Seal,
}

impl<'a> RowWriter<'a> {
    /// Begins a new file, in place of what has its name.
    pub(crate) fn create(
        disk: &dyn Disk,
        path: &Path,
        keys: &'a Keyring,
        random: &'a dyn Random,
    ) -> Result<Self, StoreError> {
        if disk.len(path).is_ok() {
            disk.remove(path).map_err(DurableError::io("remove", path))?;
        }
        let mut file = disk.create(path).map_err(DurableError::io("create", path))?;
        file.write(&framed::header(KIND)).map_err(DurableError::io("write", path))?;
        let id = random.bytes()?;
        let seal = Seal {
            id: hex::encode(id),
            bytes: framed::HEADER_LEN,
            frames: 0,
            rows: 0,
            chain: hex::encode([0; 32]),
            key: keys.current(),
        };
        let (path, rows) = (path.to_owned(), Writer::default());
        Ok(Self { keys, random, path, file, id, chain: [0; 32], rows, waiting: 0, seal })
    }

    /// Takes a file up again where it stood at `seal`; what came later is cut off.
    pub(crate) fn reopen(
        disk: &dyn Disk,
        path: &Path,
        seal: Seal,
        keys: &'a Keyring,
        random: &'a dyn Random,
    ) -> Result<Self, StoreError> {
        let fault = |why| StoreError::File { path: path.to_owned(), why };
        if disk.len(path).map_err(DurableError::io("read", path))? < seal.bytes {
            return Err(fault("it is shorter than what was noted of it"));
        }
        disk.truncate(path, seal.bytes).map_err(DurableError::io("truncate", path))?;
        let file = disk.append(path).map_err(DurableError::io("open", path))?;
        let (Some(id), Some(chain)) = (seal.id(), seal.chain()) else {
            return Err(fault("its seal does not read"));
        };
        let (path, rows) = (path.to_owned(), Writer::default());
        Ok(Self { keys, random, path, file, id, chain, rows, waiting: 0, seal })
    }

    pub(crate) fn row(&mut self, row: &[u8]) -> Result<(), StoreError> {
        self.rows.bytes(row);
        self.waiting += 1;
        if self.rows.len() >= FRAME_BYTES { self.frame() } else { Ok(()) }
    }

    /// Bytes of the file with what waits for its frame, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.seal.bytes + self.rows.len() as u64
    }

    fn frame(&mut self) -> Result<(), StoreError> {
        let rows = std::mem::take(&mut self.rows).finish();
        self.chain = link(&self.chain, &rows);
        let mut payload = vec![FRAME_FORMAT];
        let place = place(&self.id, self.seal.frames);
        let bound = Bound { key: self.seal.key, usage: Use::Export, place: &[&place] };
        self.keys.seal_numbered(&mut payload, &bound, &rows, self.random)?;
        let frame = framed::frame(&payload)?;
        self.file.write(&frame).map_err(DurableError::io("write", &self.path))?;
        self.seal.bytes += frame.len() as u64;
        self.seal.frames += 1;
        self.seal.rows += std::mem::take(&mut self.waiting);
        Ok(())
    }

    /// The next row begins a new frame.
    pub(crate) fn end_frame(&mut self) -> Result<(), StoreError> {
        if self.waiting > 0 { self.frame() } else { Ok(()) }
    }

    /// Writes and fsyncs all rows so far, and says how the file reads up to here.
    pub(crate) fn sync(&mut self) -> Result<Seal, StoreError> {
        self.end_frame()?;
        self.file.sync().map_err(DurableError::io("sync", &self.path))?;
        self.seal.chain = hex::encode(self.chain);
        Ok(self.seal.clone())
    }
}

fn place(id: &[u8; 16], frame: u64) -> Vec<u8> {
    [id.as_slice(), &frame.to_be_bytes()].concat()
}

fn link(chain: &Digest, rows: &[u8]) -> Digest {
    sha256(&[chain, &sha256(&[rows])])
}

/// Reads a file of rows to its end on several threads: `work` on the rows of each frame, `take` on what
/// came of them, in order. An error of the file may come after rows were taken.
pub(crate) fn read<T: Send>(
    disk: &dyn Disk,
    path: &Path,
    seal: &Seal,
    keys: &Keyring,
    work: impl Fn(&[&[u8]]) -> Result<T, StoreError> + Sync,
    mut take: impl FnMut(T) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let fault = |why| StoreError::File { path: path.to_owned(), why };
    let id = seal.id().ok_or_else(|| fault("its seal names no file"))?;
    let mut reader = framed::Reader::open(disk, path, KIND, Some(seal.bytes))?;
    let mut number = 0;
    let frames = std::iter::from_fn(move || {
        let frame = reader.next_frame().transpose()?;
        number += 1;
        Some(frame.map(|frame| (number - 1, frame.payload)).map_err(StoreError::from))
    });
    let (mut count, mut rows, mut chain) = (0, 0, [0; 32]);
    parallel::ordered(
        parallel::threads(),
        frames,
        |(number, payload)| {
            let mut reader = Reader(&payload);
            if reader.u8() != Some(FRAME_FORMAT) {
                return Err(fault("a frame format that this program does not know"));
            }
            let plain = keys
                .open_numbered(Use::Export, &[&place(&id, number)], reader.0)
                .map_err(|_| fault("a frame does not authenticate"))?;
            let rows = split(&plain).ok_or_else(|| fault("a row does not read"))?;
            Ok((sha256(&[&plain]), rows.len() as u64, work(&rows)?))
        },
        |(digest, found, made)| {
            chain = sha256(&[&chain, &digest]);
            count += 1;
            rows += found;
            take(made)
        },
    )?;
    if count != seal.frames || rows != seal.rows || hex::encode(chain) != seal.chain {
        return Err(fault("it is not what was written"));
    }
    Ok(())
}

fn split(plain: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut reader, mut rows) = (Reader(plain), Vec::new());
    while !reader.is_empty() {
        rows.push(reader.bytes()?);
    }
    Some(rows)
}
