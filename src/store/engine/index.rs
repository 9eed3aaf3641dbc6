//! The three indexes: what lies in the flat tree and in the packed one is one index to who asks.

use super::super::StoreError;
use super::super::codec::Reader;
use super::super::op::{HOLDER_KEY, ID_KEY};
use super::super::packed;
use super::super::traits::{BatchNumber, Location};
use super::{Engine, Named};

/// Bytes of a locator.
pub(in crate::store) const LOCATOR: usize = 9;

/// The caller holds [`Engine::reading`].
impl Engine {
    pub(in crate::store) fn locate(&self, id: &[u8; ID_KEY]) -> Result<Option<Location>, StoreError> {
        match self.id.tree.get(id)? {
            Some(value) => read_locator(&value).map(Some).ok_or_else(|| StoreError::Damaged {
                tree: "id",
                key: hex::encode(id),
                why: "its locator does not read",
            }),
            None => {
                let found = packed::find::<ID_KEY>(self, &self.id_base, id, 1)?.pop();
                Ok(found.filter(|at| at.batch.0 <= self.head().last_batch))
            }
        }
    }

    /// Where a holder's licences lie, of one type or all, at most `limit`.
    pub(in crate::store) fn locate_holder(
        &self,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<Location>, StoreError> {
        let live = self.live(&self.holder, prefix, limit)?;
        let packed = packed::find::<HOLDER_KEY>(self, &self.holder_base, prefix, limit)?;
        Ok(self.joined(live, packed, limit))
    }

    /// Where the licences of a type and number lie, at most `limit`.
    pub(in crate::store) fn locate_number(
        &self,
        key: &[u8],
        limit: usize,
    ) -> Result<Vec<Location>, StoreError> {
        let live = self.live(&self.number, key, limit)?;
        let packed = packed::find::<ID_KEY>(self, &self.number_base, key, limit)?;
        Ok(self.joined(live, packed, limit))
    }

    /// Locations of a flat and of a packed index, each once, in order. What lies beyond the counters is of
    /// an import that is under way, and not there yet.
    fn joined(&self, live: Vec<Location>, packed: Vec<Location>, limit: usize) -> Vec<Location> {
        let last = self.head().last_batch;
        let mut all = [packed, live].concat();
        all.retain(|at| at.batch.0 <= last);
        all.sort_unstable();
        all.dedup();
        all.truncate(limit);
        all
    }

    /// Locators under a prefix of a flat index.
    fn live(&self, tree: &Named, prefix: &[u8], limit: usize) -> Result<Vec<Location>, StoreError> {
        let locations = tree.tree.scan_prefix(prefix).keys().take(limit).map(|key| {
            let key = key?;
            key.len().checked_sub(LOCATOR).and_then(|at| read_locator(key.get(at..)?)).ok_or_else(|| {
                StoreError::Damaged {
                    tree: tree.name,
                    key: hex::encode(&key),
                    why: "its locator does not read",
                }
            })
        });
        locations.collect()
    }
}

pub(in crate::store) fn locator(location: Location) -> [u8; LOCATOR] {
    let [a, b, c, d, e, f, g, h] = location.batch.0.to_be_bytes();
    [a, b, c, d, e, f, g, h, location.slot]
}

pub(in crate::store) fn read_locator(bytes: &[u8]) -> Option<Location> {
    let mut reader = Reader(bytes);
    let batch = BatchNumber(u64::from_be_bytes(reader.array()?));
    let slot = reader.u8()?;
    reader.is_empty().then_some(Location { batch, slot })
}
