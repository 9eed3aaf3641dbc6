//! Batches, impressions, statuses and registrations: how each is written and read.

use std::sync::Arc;

use serde_json::Value;

use super::Engine;
use super::index::locator;
use super::values::part_key;
use crate::store::forms::block;
use crate::store::forms::codec::{Reader, Writer};
use crate::store::forms::op::{self, AddedBatch, Entry, ID_KEY};
use crate::store::{BatchNumber, Found, Location, StatusRecord, StoreError, StoredBatch};
use licence_seal::crypto::Digest;
use licence_seal::licence::{Identifier, Record};
use licence_seal::seal::SealImpression;

/// Writing, once it is durable.
impl Engine {
    pub(crate) fn put_batch(&self, batch: &AddedBatch) -> Result<(), StoreError> {
        let outline = block::outline(batch.number, &batch.packed, &self.dictionaries, &self.keys)?;
        self.write(&self.trees.batch, &batch.number.0.to_be_bytes(), &batch.packed)?;
        for (slot, Entry { id, holders, number }) in (0..=u8::MAX).zip(&outline.entries) {
            let at = locator(Location { batch: batch.number, slot });
            self.trees.id.insert(id, &at)?;
            for holder in holders {
                self.trees.holder.insert([holder.as_slice(), &at].concat(), &[])?;
            }
            self.trees.number.insert([number.as_slice(), &at].concat(), &[])?;
        }
        self.count_live(outline.entries.len() as i64);
        Ok(())
    }

    pub(crate) fn put_impression(&self, impression: &SealImpression) -> Result<(), StoreError> {
        let digest = impression.digest();
        if self.trees.impression.tree.contains_key(part_key(&digest, 0))? {
            return Ok(());
        }
        let mut writer = Writer::default();
        writer.bytes(&impression.seal).bytes(&impression.certificate);
        self.write(&self.trees.impression, &digest, &writer.finish())
    }

    pub(crate) fn put_status(
        &self,
        identifier: &Identifier,
        status: &StatusRecord,
    ) -> Result<(), StoreError> {
        let mut writer = Writer::default();
        op::write_status(&mut writer, identifier, status);
        let key =
            [op::id_key(&self.keys, identifier).as_slice(), &status.change_number.to_be_bytes()].concat();
        self.write(&self.trees.status, &key, &writer.finish())
    }

    pub(crate) fn put_state(&self, kind: &str, key: &str, json: &[u8]) -> Result<(), StoreError> {
        let mut writer = Writer::default();
        writer.text(kind).text(key).bytes(json);
        self.write(&self.trees.state, &self.state_key(kind, key), &writer.finish())
    }
}

/// Reading; the caller holds [`Engine::reading`].
impl Engine {
    /// A batch as [`block::pack`] made it.
    pub(crate) fn packed(&self, number: BatchNumber) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(&self.trees.batch, &number.0.to_be_bytes())
    }

    pub(crate) fn batch(&self, number: BatchNumber) -> Result<Option<Arc<StoredBatch>>, StoreError> {
        let Some(packed) = self.packed(number)? else { return Ok(None) };
        block::unpack(number, &packed, &self.dictionaries).map(|batch| Some(Arc::new(batch)))
    }

    /// How many licences a packed batch has.
    pub(crate) fn size_of(&self, number: BatchNumber, packed: &[u8]) -> Result<u64, StoreError> {
        Ok(u64::from(block::manifest(number, packed, &self.dictionaries)?.size))
    }

    /// The licence that an index entry leads to, if it is the one that `wanted` says.
    pub(crate) fn found(
        &self,
        location: Location,
        batch: Option<&Arc<StoredBatch>>,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Found, StoreError> {
        let damaged = |why| StoreError::Damaged { tree: "batch", key: location.batch.to_string(), why };
        let batch = match batch {
            Some(batch) if batch.number == location.batch => Arc::clone(batch),
            _ => self.batch(location.batch)?.ok_or(damaged("the index leads to it and it is not here"))?,
        };
        let index = usize::from(location.slot);
        let record =
            batch.record(index).ok_or(damaged("it has no such slot, or the record does not read"))?;
        if !wanted(&Entry::of(&record, &self.keys)) {
            return Err(damaged("the index leads to another licence"));
        }
        let status = self.status(&record.identifier)?.unwrap_or_else(|| declared(&batch, &record));
        Ok(Found { record, batch, index, status, location })
    }

    pub(crate) fn read_impression(&self, digest: &Digest) -> Result<Option<SealImpression>, StoreError> {
        let Some(plain) = self.read(&self.trees.impression, digest)? else { return Ok(None) };
        let mut reader = Reader(&plain);
        let read = reader.bytes().zip(reader.bytes()).filter(|_| reader.is_empty());
        let impression = read
            .map(|(seal, certificate)| SealImpression { seal: seal.into(), certificate: certificate.into() });
        impression.filter(|impression| impression.digest() == *digest).map(Some).ok_or_else(|| {
            StoreError::Damaged { tree: "impression", key: hex::encode(digest), why: "it is another one" }
        })
    }

    /// The last state declared after the record came; `None` if there is none.
    pub(crate) fn status(&self, identifier: &Identifier) -> Result<Option<StatusRecord>, StoreError> {
        match self.status_keys(identifier).next_back() {
            None => Ok(None),
            Some(key) => self.status_at(&key?).map(|(_, status)| Some(status)),
        }
    }

    /// All states declared after the record came, oldest first.
    pub(crate) fn statuses(&self, identifier: &Identifier) -> Result<Vec<StatusRecord>, StoreError> {
        let mut all: Vec<StatusRecord> = Vec::new();
        for key in self.status_keys(identifier) {
            let key = key?;
            if key.ends_with(&[0, 0]) {
                all.push(self.status_at(&key)?.1);
            }
        }
        Ok(all)
    }

    /// Keys of the states of a licence. What lies beyond the counters is of an import that is under way.
    fn status_keys(
        &self,
        identifier: &Identifier,
    ) -> impl DoubleEndedIterator<Item = sled::Result<sled::IVec>> + use<> {
        let id = op::id_key(&self.keys, identifier);
        let end = [id.as_slice(), &(self.head().last_change + 1).to_be_bytes()].concat();
        self.trees.status.tree.range(id.to_vec()..end).keys()
    }

    /// All status changes up to the counters, in no order.
    pub(crate) fn changes(&self) -> Result<Vec<(Identifier, StatusRecord)>, StoreError> {
        let mut all = Vec::new();
        for key in self.trees.status.tree.iter().keys() {
            let key = key?;
            if key.ends_with(&[0, 0]) {
                all.push(self.status_at(&key)?);
            }
        }
        let last = self.head().last_change;
        all.retain(|(_, status)| status.change_number <= last);
        Ok(all)
    }

    /// The status whose value has a part under this sled key.
    pub(crate) fn status_at(&self, key: &[u8]) -> Result<(Identifier, StatusRecord), StoreError> {
        let damaged = |why| StoreError::Damaged { tree: "status", key: hex::encode(key), why };
        let base = key
            .get(..ID_KEY + 8)
            .filter(|_| key.len() == ID_KEY + 10)
            .ok_or(damaged("its key has a wrong length"))?;
        let plain = self.read(&self.trees.status, base)?.ok_or(damaged("it is not here"))?;
        let mut reader = Reader(&plain);
        let read = op::read_status(&mut reader).filter(|_| reader.is_empty());
        read.ok_or(damaged("it does not read"))
    }

    pub(crate) fn state(&self, kind: &str, key: &str) -> Result<Option<Value>, StoreError> {
        let at = self.state_key(kind, key);
        match self.state_at(&at)? {
            None => Ok(None),
            Some((found_kind, found_key, value)) if found_kind == kind && found_key == key => Ok(Some(value)),
            Some(_) => {
                Err(StoreError::Damaged { tree: "state", key: hex::encode(at), why: "it is another one" })
            }
        }
    }

    pub(crate) fn has_state(&self, kind: &str, key: &str) -> Result<bool, StoreError> {
        Ok(self.trees.state.tree.contains_key(part_key(&self.state_key(kind, key), 0))?)
    }

    pub(crate) fn states(&self, kind: &str) -> Result<Vec<(String, Value)>, StoreError> {
        let mut all = Vec::new();
        for key in self.trees.state.tree.scan_prefix(self.keys.blind::<16>("kind", &[kind])).keys() {
            let key = key?;
            if let Some((base, [0, 0])) = key.split_last_chunk()
                && let Some((_, name, value)) = self.state_at(base)?
            {
                all.push((name, value));
            }
        }
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(all)
    }

    /// Kind, key and value under a key of the tree `state`.
    pub(crate) fn state_at(&self, at: &[u8]) -> Result<Option<(String, String, Value)>, StoreError> {
        let Some(plain) = self.read(&self.trees.state, at)? else { return Ok(None) };
        let mut reader = Reader(&plain);
        let mut read = || {
            let (kind, key) = (reader.text()?.to_owned(), reader.text()?.to_owned());
            let value = serde_json::from_slice(reader.bytes()?).ok()?;
            reader.is_empty().then_some((kind, key, value))
        };
        read().map(Some).ok_or_else(|| StoreError::Damaged {
            tree: "state",
            key: hex::encode(at),
            why: "it does not read",
        })
    }

    pub(crate) fn state_key(&self, kind: &str, key: &str) -> [u8; 32] {
        let mut at = [0; 32];
        let halves: [[u8; 16]; 2] =
            [self.keys.blind("kind", &[kind]), self.keys.blind("state", &[kind, key])];
        at.iter_mut().zip(halves.concat()).for_each(|(to, from)| *to = from);
        at
    }
}

/// The state that a record came with, as of the moment of sealing.
pub(crate) fn declared(batch: &StoredBatch, record: &Record) -> StatusRecord {
    StatusRecord {
        state: record.state,
        since: batch.seal.stamp.time,
        reason: None,
        by: None,
        superseded_by: None,
        change_number: 0,
    }
}
