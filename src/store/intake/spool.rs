//! The spool: validated records on their way to a batch, gathered by issuer and type.
//!
//! Records arrive in the order of the input and are sealed by issuer and type. Each such **partition**
//! has a buffer; a full one becomes a **chunk** of one framed file, compressed and encrypted, and a list
//! in memory (16 bytes a chunk, about a byte for each ten records) says where the chunks of a partition
//! lie. Reading the file through gives that list again.
//!
//! ```text
//! frame   key number u32 BE ‖ AES-256-GCM(zstd(partition ‖ (ordinal ‖ record) per record)), bound to its offset
//! ```

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use zstd::bulk::Compressor;

use crate::durable::{DiskFile, DurableError, framed};
use crate::store::StoreError;
use crate::store::forms::codec::{Reader, Writer};
use crate::store::keys::{Bound, Keyring, Use};
use crate::store::sorter::Scratch;

const KIND: [u8; 4] = *b"SPOL";
/// Bytes of a partition's records that make a chunk.
const CHUNK: usize = 128 << 10;
/// The fastest: what is read once is not worth more.
const LEVEL: i32 = 1;
const CANNOT_COMPRESS: StoreError = StoreError::Batch("a chunk of the spool cannot be compressed");
/// Bytes of a frame before its payload.
const FRAME_HEADER: u64 = 8;

/// Issuer and type of the records of a batch.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Partition {
    pub(super) issuer: String,
    pub(super) type_code: String,
}

/// Where a chunk lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkAt {
    offset: u64,
    length: u32,
    pub(super) records: u32,
}

/// A record with its line's number in the whole input.
pub(super) struct Spooled<'a> {
    pub(super) ordinal: u64,
    pub(super) record: &'a [u8],
}

/// Records of one partition: [`Spooled`] one after another.
#[derive(Default)]
pub(super) struct Gathered {
    content: Writer,
    records: u32,
}

impl Gathered {
    pub(super) fn push(&mut self, ordinal: u64, record: &[u8]) {
        self.content.number(ordinal).bytes(record);
        self.records += 1;
    }

    fn append(&mut self, other: &Self) {
        self.content.raw(other.content.written());
        self.records += other.records;
    }
}

pub(super) struct Spool {
    scratch: Scratch,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    length: u64,
    waiting: HashMap<Partition, Gathered>,
    chunks: BTreeMap<Partition, Vec<ChunkAt>>,
    // Making a context takes longer than compressing a chunk's beginning.
    compressor: Compressor<'static>,
}

impl Spool {
    /// Begins a spool; with `length` one is taken up again as it stood at that length, and
    /// [`Spool::find_chunks`] follows if its chunks are of interest.
    pub(super) fn open(scratch: &Scratch, length: Option<u64>) -> Result<Self, StoreError> {
        let (disk, path) = (&scratch.disk, scratch.dir.join("spool"));
        let (file, length) = match length {
            Some(length) => {
                disk.truncate(&path, length).map_err(DurableError::io("truncate", &path))?;
                (disk.append(&path).map_err(DurableError::io("open", &path))?, length)
            }
            None => {
                let mut file = disk.create(&path).map_err(DurableError::io("create", &path))?;
                file.write(&framed::header(KIND)).map_err(DurableError::io("write", &path))?;
                (file, framed::HEADER_LEN)
            }
        };
        let (waiting, chunks) = (HashMap::new(), BTreeMap::new());
        let compressor = Compressor::new(LEVEL).map_err(|_| CANNOT_COMPRESS)?;
        Ok(Self { scratch: scratch.clone(), path, file, length, waiting, chunks, compressor })
    }

    /// Reads what lies in a file that was taken up again, to know where its chunks are.
    pub(super) fn find_chunks(&mut self) -> Result<(), StoreError> {
        let disk = &*self.scratch.disk;
        let mut reader = framed::Reader::open(disk, &self.path, KIND, Some(self.length))?;
        while let Some(frame) = reader.next_frame()? {
            let plain = open(&self.scratch.keys, frame.offset, &frame.payload)
                .ok_or_else(|| self.damaged("a chunk does not read"))?;
            let (partition, records) = read(&plain).ok_or_else(|| self.damaged("a chunk does not read"))?;
            let length = u32::try_from(frame.payload.len()).unwrap_or(u32::MAX);
            let records = u32::try_from(records.len()).unwrap_or(u32::MAX);
            let at = ChunkAt { offset: frame.offset, length, records };
            self.chunks.entry(partition).or_default().push(at);
        }
        // All of it was fsynced before it was noted.
        if reader.torn_len() > 0 { Err(self.damaged("its end does not read")) } else { Ok(()) }
    }

    pub(super) fn add(&mut self, partition: &Partition, gathered: &Gathered) -> Result<(), StoreError> {
        let waiting = match self.waiting.get_mut(partition) {
            Some(waiting) => waiting,
            None => self.waiting.entry(partition.clone()).or_default(),
        };
        waiting.append(gathered);
        if waiting.content.len() < CHUNK {
            return Ok(());
        }
        let full = std::mem::take(waiting);
        self.write(partition, &full)
    }

    fn write(&mut self, partition: &Partition, gathered: &Gathered) -> Result<(), StoreError> {
        if gathered.records == 0 {
            return Ok(());
        }
        let mut plain = Writer::default();
        plain.text(&partition.issuer).text(&partition.type_code).raw(gathered.content.written());
        let plain = plain.finish();
        let frame = self.compressor.compress(&plain).map_err(|_| CANNOT_COMPRESS)?;
        let mut packed = Writer::default();
        packed.number(plain.len() as u64).raw(&frame);
        let Scratch { keys, random, .. } = &self.scratch;
        let (mut payload, place) = (Vec::new(), place(self.length));
        let bound = Bound { key: keys.current(), usage: Use::Spool, place: &[&place] };
        keys.seal_numbered(&mut payload, &bound, &packed.finish(), &**random)?;
        let frame = framed::frame(&payload)?;
        self.file.write(&frame).map_err(DurableError::io("write", &self.path))?;
        let length = u32::try_from(payload.len()).map_err(|_| CANNOT_COMPRESS)?;
        let at = ChunkAt { offset: self.length, length, records: gathered.records };
        self.chunks.entry(partition.clone()).or_default().push(at);
        self.length += frame.len() as u64;
        Ok(())
    }

    /// Writes and fsyncs all that waits; returns the length of the file.
    pub(super) fn save(&mut self) -> Result<u64, StoreError> {
        let mut waiting: Vec<_> = self.waiting.drain().collect();
        waiting.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (partition, gathered) in &waiting {
            self.write(partition, gathered)?;
        }
        self.file.sync().map_err(DurableError::io("sync", &self.path))?;
        let dir = &self.scratch.dir;
        self.scratch.disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
        Ok(self.length)
    }

    /// The chunks of each partition, in order.
    pub(super) const fn chunks(&self) -> &BTreeMap<Partition, Vec<ChunkAt>> {
        &self.chunks
    }

    /// For reading chunks on other threads.
    pub(super) fn reader(&self) -> ChunkReader {
        ChunkReader { scratch: self.scratch.clone(), path: self.path.clone() }
    }

    fn damaged(&self, why: &'static str) -> StoreError {
        StoreError::File { path: self.path.clone(), why }
    }
}

/// Reads chunks of a spool.
pub(super) struct ChunkReader {
    scratch: Scratch,
    path: PathBuf,
}

impl ChunkReader {
    /// The content of a chunk; see [`read`].
    pub(super) fn chunk(&self, at: ChunkAt) -> Result<Vec<u8>, StoreError> {
        let (disk, path) = (&self.scratch.disk, &self.path);
        let source = disk.open_at(path, at.offset + FRAME_HEADER).map_err(DurableError::io("read", path))?;
        let mut payload = Vec::with_capacity(at.length as usize);
        source
            .take(u64::from(at.length))
            .read_to_end(&mut payload)
            .map_err(DurableError::io("read", path))?;
        open(&self.scratch.keys, at.offset, &payload).ok_or_else(|| self.damaged())
    }

    pub(super) fn damaged(&self) -> StoreError {
        StoreError::File { path: self.path.clone(), why: "a chunk does not read" }
    }
}

/// Partition and records of a chunk.
pub(super) fn read(plain: &[u8]) -> Option<(Partition, Vec<Spooled<'_>>)> {
    let mut reader = Reader(plain);
    let partition = Partition { issuer: reader.text()?.to_owned(), type_code: reader.text()?.to_owned() };
    let mut records = Vec::new();
    while !reader.is_empty() {
        records.push(Spooled { ordinal: reader.number()?, record: reader.bytes()? });
    }
    Some((partition, records))
}

fn open(keys: &Keyring, offset: u64, payload: &[u8]) -> Option<Vec<u8>> {
    let packed = keys.open_numbered(Use::Spool, &[&place(offset)], payload).ok()?;
    let mut reader = Reader(&packed);
    let length = usize::try_from(reader.number()?).ok()?;
    // Authenticated, so the length is one that was written here.
    zstd::bulk::decompress(reader.0, length).ok()
}

fn place(offset: u64) -> Vec<u8> {
    [b"spool\0".as_slice(), &offset.to_be_bytes()].concat()
}

/// Where an import keeps its state file.
pub(super) fn state_file(dir: &Path) -> PathBuf {
    dir.join("state.json")
}
