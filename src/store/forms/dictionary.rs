//! Trained dictionaries of zstd: what blocks of this store have in common, kept once.
//!
//! A block cannot be read without its dictionary, so a dictionary is a file of its own, outside
//! sled, with a copy beside the exports and one in every backup; it is durable before a block is
//! made with it, and never removed. Its content is pieces of licences, hence encrypted.
//!
//! ```text
//! dictionary-N   0x01 ‖ key number u32 BE ‖ AES-256-GCM(dictionary), bound to N
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{CCtx, DCtx};

use super::codec::Reader;
use crate::durable::{Disk, DurableError, replace_file};
use crate::store::StoreError;
use crate::store::keys::{Bound, Keyring, Use, key_number};
use crate::store::settings::Folders;
use licence_seal::crypto::Random;

const FORMAT: u8 = 1;
const PREFIX: &str = "dictionary-";
/// Bytes of a trained dictionary.
const SIZE: usize = 110 << 10;

/// Number of a dictionary, from 1; 0 says "none".
pub(crate) type DictionaryId = u32;

pub(crate) struct Dictionary {
    pub(crate) id: DictionaryId,
    encoder: EncoderDictionary<'static>,
    decoder: DecoderDictionary<'static>,
}

impl Dictionary {
    fn new(id: DictionaryId, content: &[u8], level: i32) -> Self {
        Self {
            id,
            encoder: EncoderDictionary::copy(content, level),
            decoder: DecoderDictionary::copy(content),
        }
    }
}

/// The dictionaries of a store.
pub(crate) struct Dictionaries {
    all: RwLock<BTreeMap<DictionaryId, Arc<Dictionary>>>,
    level: i32,
}

impl Dictionaries {
    /// Reads all there are; one that is missing in the store's folder is taken from the exports.
    pub(crate) fn load(
        disk: &dyn Disk,
        folders: Folders<'_>,
        keys: &Keyring,
        level: i32,
    ) -> Result<Self, StoreError> {
        let mut all = BTreeMap::new();
        for id in numbers(disk, folders.exports)? {
            let (copy, own) = (path(folders.exports, id), path(folders.own, id));
            if disk.len(&own).is_err()
                && let Some(content) = disk.read(&copy).map_err(DurableError::io("read", &copy))?
            {
                replace_file(disk, &own, &content)?;
            }
        }
        for id in numbers(disk, folders.own)? {
            let path = path(folders.own, id);
            let content = open(&read(disk, &path)?, id, keys)
                .map_err(|why| StoreError::File { path: path.clone(), why })?;
            all.insert(id, Arc::new(Dictionary::new(id, &content, level)));
        }
        Ok(Self { all: RwLock::new(all), level })
    }

    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { all: RwLock::default(), level: 3 }
    }

    /// The newest: what new blocks are made with.
    pub(crate) fn current(&self) -> Option<Arc<Dictionary>> {
        self.read().last_key_value().map(|(_, newest)| Arc::clone(newest))
    }

    /// Makes a new dictionary durable, in the store and beside its exports, and then current.
    pub(crate) fn add(
        &self,
        disk: &dyn Disk,
        folders: Folders<'_>,
        keys: &Keyring,
        random: &dyn Random,
        content: &[u8],
    ) -> Result<DictionaryId, StoreError> {
        let id = self.read().last_key_value().map_or(1, |(newest, _)| newest + 1);
        save(disk, folders, keys, random, id, content)?;
        let made = Arc::new(Dictionary::new(id, content, self.level));
        self.all.write().insert(id, made);
        Ok(id)
    }

    /// Writes those that lie under an older data key anew under the current one; how many.
    pub(crate) fn rekey(
        disk: &dyn Disk,
        folders: Folders<'_>,
        keys: &Keyring,
        random: &dyn Random,
    ) -> Result<u64, StoreError> {
        let mut written = 0;
        for id in numbers(disk, folders.own)? {
            let is_old = |dir| -> Result<bool, StoreError> {
                Ok(key_number(&read(disk, &path(dir, id))?) != Some(keys.current()))
            };
            if is_old(folders.own)? || is_old(folders.exports)? {
                let path = path(folders.own, id);
                let content = open(&read(disk, &path)?, id, keys);
                let content = content.map_err(|why| StoreError::File { path, why })?;
                save(disk, folders, keys, random, id, &content)?;
                written += 1;
            }
        }
        Ok(written)
    }

    /// A zstd frame of `plain` under the current dictionary, and that one's number.
    pub(crate) fn compress(&self, plain: &[u8]) -> Result<(DictionaryId, Vec<u8>), StoreError> {
        thread_local! { static CONTEXT: RefCell<CCtx<'static>> = RefCell::new(CCtx::create()); }
        let dictionary = self.current();
        let mut frame = Vec::with_capacity(zstd::zstd_safe::compress_bound(plain.len()));
        let done = CONTEXT.with_borrow_mut(|context| match &dictionary {
            Some(one) => context.compress_using_cdict(&mut frame, plain, one.encoder.as_cdict()),
            None => context.compress(&mut frame, plain, self.level),
        });
        done.map_err(|_| StoreError::Batch("it cannot be compressed"))?;
        Ok((dictionary.map_or(0, |one| one.id), frame))
    }

    /// What [`Dictionaries::compress`] was given, of exactly `length` bytes.
    pub(crate) fn decompress(
        &self,
        id: DictionaryId,
        frame: &[u8],
        length: usize,
    ) -> Result<Vec<u8>, &'static str> {
        thread_local! { static CONTEXT: RefCell<DCtx<'static>> = RefCell::new(DCtx::create()); }
        let dictionary = match id {
            0 => None,
            _ => Some(self.read().get(&id).cloned().ok_or("its dictionary is not here")?),
        };
        let mut plain = Vec::with_capacity(length);
        let done = CONTEXT.with_borrow_mut(|context| match &dictionary {
            Some(one) => context.decompress_using_ddict(&mut plain, frame, one.decoder.as_ddict()),
            None => context.decompress(&mut plain, frame),
        });
        done.map_err(|_| "it does not decompress")?;
        if plain.len() == length { Ok(plain) } else { Err("its length is wrong") }
    }

    fn read(&self) -> parking_lot::RwLockReadGuard<'_, BTreeMap<DictionaryId, Arc<Dictionary>>> {
        self.all.read()
    }
}

/// Trains a dictionary on samples of plain blocks; `None` where there are too few to learn from.
pub(crate) fn train(samples: &[Vec<u8>]) -> Option<Vec<u8>> {
    zstd::dict::from_samples(samples, SIZE).ok().filter(|content| !content.is_empty())
}

/// Names of the dictionary files in a folder.
pub(crate) fn names(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, StoreError> {
    Ok(numbers(disk, dir)?.into_iter().map(|id| format!("{PREFIX}{id}")).collect())
}

fn numbers(disk: &dyn Disk, dir: &Path) -> Result<Vec<DictionaryId>, StoreError> {
    let names = disk.list(dir).map_err(DurableError::io("list", dir))?;
    Ok(names.iter().filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok()).collect())
}

/// The bytes of a file; none if there is none.
fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, StoreError> {
    Ok(disk.read(path).map_err(DurableError::io("read", path))?.unwrap_or_default())
}

/// Writes a dictionary under the current data key, in the store and beside its exports.
fn save(
    disk: &dyn Disk,
    folders: Folders<'_>,
    keys: &Keyring,
    random: &dyn Random,
    id: DictionaryId,
    content: &[u8],
) -> Result<(), StoreError> {
    let mut file = vec![FORMAT];
    let bound = Bound { key: keys.current(), usage: Use::Block, place: &[&place(id)] };
    keys.seal_numbered(&mut file, &bound, content, random)?;
    for dir in [folders.own, folders.exports] {
        replace_file(disk, &path(dir, id), &file)?;
    }
    Ok(())
}

fn path(dir: &Path, id: DictionaryId) -> PathBuf {
    dir.join(format!("{PREFIX}{id}"))
}

fn place(id: DictionaryId) -> Vec<u8> {
    [b"dictionary\0".as_slice(), &id.to_be_bytes()].concat()
}

fn open(content: &[u8], id: DictionaryId, keys: &Keyring) -> Result<Vec<u8>, &'static str> {
    let mut reader = Reader(content);
    if reader.u8() != Some(FORMAT) {
        return Err("a dictionary format that this program does not know");
    }
    keys.open_numbered(Use::Block, &[&place(id)], reader.0).map_err(|_| "it does not authenticate")
}
