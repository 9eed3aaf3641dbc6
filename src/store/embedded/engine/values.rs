//! Values: encrypted whole, and cut into parts that sled keeps among its own pages.

use super::{Engine, Named};
use crate::store::StoreError;
use crate::store::forms::codec::Reader;
use crate::store::keys::{Bound, Use};

/// Most bytes of a value; above about 7 KB sled writes a file per value.
const PART: usize = 6_000;
const FORMAT: u8 = 1;

/// Key and value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

impl Engine {
    /// The keys and values that a value lies under in sled.
    pub(crate) fn parts(&self, tree: &Named, key: &[u8], plain: &[u8]) -> Result<Vec<Pair>, StoreError> {
        // 28 bytes of nonce and tag, 7 in front.
        let parts = (plain.len() + 28 + 7).div_ceil(PART);
        let count = u16::try_from(parts)
            .map_err(|_| StoreError::TooLarge { bytes: plain.len(), limit: PART * usize::from(u16::MAX) })?;
        let number = self.keys.current();
        let front = [[FORMAT].as_slice(), &number.to_be_bytes(), &count.to_be_bytes()].concat();
        let place = [tree.name.as_bytes(), b"\0", key, &front];
        let mut value = front.clone();
        let bound = Bound { key: number, usage: Use::Block, place: &place };
        self.keys.seal_onto(&mut value, &bound, plain, &*self.random)?;
        Ok((0..count)
            .zip(value.chunks(PART))
            .map(|(part, bytes)| (part_key(key, part), bytes.to_vec()))
            .collect())
    }

    /// Writes a value in place of what was there.
    pub(crate) fn write(&self, tree: &Named, key: &[u8], plain: &[u8]) -> Result<(), StoreError> {
        let parts = self.parts(tree, key, plain)?;
        let mut stale = parts.len();
        for (at, bytes) in parts {
            tree.insert(at, &bytes)?;
        }
        while let Ok(part) = u16::try_from(stale)
            && tree.remove(part_key(key, part))?
        {
            stale += 1;
        }
        Ok(())
    }

    /// Writes values of one part each under keys that nothing longer lies under.
    pub(crate) fn write_new(&self, tree: &Named, values: &[Pair]) -> Result<(), StoreError> {
        let mut parts = Vec::with_capacity(values.len());
        for (key, plain) in values {
            parts.extend(self.parts(tree, key, plain)?);
        }
        self.insert_parts(tree, &parts)
    }

    /// Puts what [`Engine::parts`] made into sled as one of its batches.
    pub(crate) fn insert_parts(&self, tree: &Named, parts: &[Pair]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (at, bytes) in parts {
            batch.insert(at.as_slice(), bytes.as_slice());
        }
        Ok(tree.apply_batch(batch)?)
    }

    /// Puts values anew that are there, as [`Engine::parts`] made them of the same content: nobody reads half
    /// of one.
    pub(crate) fn replace_parts(&self, tree: &Named, parts: &[Pair]) -> Result<(), StoreError> {
        let _alone = self.gate.write();
        self.insert_parts(tree, parts)
    }

    /// Reads a value; `None` if nothing is there.
    pub(crate) fn read(&self, tree: &Named, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let damaged = |why| StoreError::Damaged { tree: tree.name, key: hex::encode(key), why };
        let mut value = Vec::new();
        let mut found: u16 = 0;
        for entry in tree.tree.scan_prefix(key) {
            let (at, bytes) = entry?;
            if at.as_ref() != part_key(key, found).as_slice() {
                return Err(damaged("a part is missing"));
            }
            found = found.checked_add(1).ok_or(damaged("it has too many parts"))?;
            value.extend_from_slice(&bytes);
        }
        if found == 0 {
            return Ok(None);
        }
        let (front, sealed) = value.split_at_checked(7).ok_or(damaged("it is too short"))?;
        let mut reader = Reader(front);
        if reader.u8() != Some(FORMAT) {
            return Err(damaged("a format that this program does not know"));
        }
        let id = reader.array().map(u32::from_be_bytes).unwrap_or_default();
        if reader.array().map(u16::from_be_bytes) != Some(found) {
            return Err(damaged("the number of its parts is wrong"));
        }
        let place = [tree.name.as_bytes(), b"\0", key, front];
        self.keys
            .open_sealed(&Bound { key: id, usage: Use::Block, place: &place }, sealed)
            .map(Some)
            .map_err(|_| damaged("it does not authenticate"))
    }

    pub(super) fn erase(&self, tree: &Named, key: &[u8]) -> Result<(), StoreError> {
        for entry in tree.tree.scan_prefix(key) {
            tree.remove(entry?.0)?;
        }
        Ok(())
    }
}

pub(crate) fn part_key(key: &[u8], part: u16) -> Vec<u8> {
    [key, &part.to_be_bytes()].concat()
}
