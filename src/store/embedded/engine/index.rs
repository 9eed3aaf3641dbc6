//! The three indexes: what lies in the flat tree and in the packed one is one index to who asks.

use super::{Engine, Named, packed};
use crate::store::forms::codec::Reader;
use crate::store::forms::op::{HOLDER_KEY, ID_KEY};
use crate::store::{BatchNumber, Location, StoreError};

/// Bytes of a locator.
pub(crate) const LOCATOR: usize = 9;

/// The caller holds [`Engine::reading`].
impl Engine {
    pub(crate) fn locate(&self, id: &[u8; ID_KEY]) -> Result<Option<Location>, StoreError> {
        match self.trees.id.tree.get(id)? {
            Some(value) => read_locator(&value).map(Some).ok_or_else(|| StoreError::Damaged {
                tree: "id",
                key: hex::encode(id),
                why: "its locator does not read",
            }),
            None => {
                let found = packed::find::<ID_KEY>(self, &self.trees.id_base, id, 1)?.pop();
                Ok(found.filter(|at| at.batch.0 <= self.head().last_batch))
            }
        }
    }

    /// Where a holder's licences lie, of one type or all, at most `limit`.
    pub(crate) fn locate_holder(&self, prefix: &[u8], limit: usize) -> Result<Vec<Location>, StoreError> {
        let live = self.live(&self.trees.holder, prefix, limit)?;
        let packed = packed::find::<HOLDER_KEY>(self, &self.trees.holder_base, prefix, limit)?;
        Ok(self.joined(live, packed, limit))
    }

    /// Where the licences of a type and number lie, at most `limit`.
    pub(crate) fn locate_number(&self, key: &[u8], limit: usize) -> Result<Vec<Location>, StoreError> {
        let live = self.live(&self.trees.number, key, limit)?;
        let packed = packed::find::<ID_KEY>(self, &self.trees.number_base, key, limit)?;
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

pub(crate) fn locator(location: Location) -> [u8; LOCATOR] {
    let [a, b, c, d, e, f, g, h] = location.batch.0.to_be_bytes();
    [a, b, c, d, e, f, g, h, location.slot]
}

pub(crate) fn read_locator(bytes: &[u8]) -> Option<Location> {
    let mut reader = Reader(bytes);
    let batch = BatchNumber(u64::from_be_bytes(reader.array()?));
    let slot = reader.u8()?;
    reader.is_empty().then_some(Location { batch, slot })
}
