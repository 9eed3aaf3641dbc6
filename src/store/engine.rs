//! sled's trees: what lies where, how it is read, and how an operation is applied.
//!
//! | tree | key | value |
//! |---|---|---|
//! | `batch` | number u64 BE | a packed batch |
//! | `impression` | digest | a seal and a signer's certificate |
//! | `id` | blind identifier (12) | locator: batch u64 BE ‖ slot |
//! | `holder` | blind holder (12) ‖ blind type (4) ‖ locator | nothing |
//! | `number` | blind type and number (12) ‖ locator | nothing |
//! | `id.base`, `holder.base`, `number.base` | a bound | many entries of the same kind, see [`packed`] |
//! | `status` | blind identifier ‖ change number u64 BE | a declared state |
//! | `state` | blind kind (16) ‖ blind kind and key (16) | kind, key and JSON |
//! | `meta` | `head` | the counters |
//!
//! Values other than locators are encrypted whole and cut into parts of at most 6,000 bytes, since
//! sled makes a file of its own for larger ones: key ‖ part u16 BE; the first begins with
//! `0x01 ‖ key number u32 BE ‖ parts u16 BE`. The place (tree and key) and these seven bytes are
//! authenticated, so a value cannot be moved and a part cannot be missing unseen.
//!
//! The flat trees `id`, `holder` and `number` take what is issued live; imports, rebuildings and the
//! [folding](super::fold) fill the packed ones. Readers ask the flat tree first, and an entry is packed
//! before it leaves there, so none is ever missed.
//!
//! An operation touches several trees; a lock keeps readers from seeing half of one. What a crash
//! leaves half done is done again by the replay.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use serde_json::Value;
use sled::Tree;

use super::block;
use super::codec::{Reader, Writer};
use super::dictionary::Dictionaries;
use super::growth::{self, Sizes, StoreWarning};
use super::keys::{KeyId, Keyring, Use};
use super::op::{self, AddedBatch, Change, Entry, HOLDER_KEY, Head, ID_KEY, Operation};
use super::packed;
use super::traits::{BatchNumber, Found, Location, RecoveryCause, StatusRecord, StoredBatch};
use super::{StoreError, StoreSettings};
use crate::crypto::{Digest, Random};
use crate::durable::DurableError;
use crate::licence::{Identifier, Record};
use crate::seal::batch::SealImpression;

/// Most bytes of a value; above about 7 KB sled writes a file per value.
const PART: usize = 6_000;
const FORMAT: u8 = 1;
/// Bytes of a locator.
pub(super) const LOCATOR: usize = 9;
const HEAD_KEY: &[u8] = b"head";

/// Key and value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// A tree with its name, which is part of every ciphertext's place.
pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) tree: Tree,
}

pub(super) struct Engine {
    pub(super) batch: Named,
    pub(super) impression: Named,
    pub(super) id: Named,
    pub(super) holder: Named,
    pub(super) number: Named,
    pub(super) id_base: Named,
    pub(super) holder_base: Named,
    pub(super) number_base: Named,
    pub(super) status: Named,
    pub(super) state: Named,
    pub(super) meta: Named,
    pub(super) keys: Arc<Keyring>,
    pub(super) dictionaries: Arc<Dictionaries>,
    pub(super) random: Arc<dyn Random>,
    head: Mutex<Head>,
    gate: RwLock<()>,
    folding: Mutex<()>,
    /// Licences in the flat indexes.
    live: AtomicI64,
    failed: AtomicBool,
    db: sled::Db,
    pub(super) dir: PathBuf,
}

impl Engine {
    /// Opens sled in `dir` and reads the counters.
    ///
    /// # Panics
    /// sled may, on a damaged folder.
    pub(super) fn open(
        dir: &Path,
        settings: &StoreSettings,
        keys: Arc<Keyring>,
        dictionaries: Arc<Dictionaries>,
        random: Arc<dyn Random>,
    ) -> Result<Self, StoreError> {
        let (db, trees) = open_trees(dir, settings.cache_bytes)?;
        let [batch, impression, id, holder, number, id_base, holder_base, number_base, status, state, meta] =
            trees;
        let engine = Self {
            batch,
            impression,
            id,
            holder,
            number,
            id_base,
            holder_base,
            number_base,
            status,
            state,
            meta,
            keys,
            dictionaries,
            random,
            head: Mutex::default(),
            gate: RwLock::default(),
            folding: Mutex::default(),
            live: AtomicI64::new(0),
            failed: AtomicBool::new(false),
            db,
            dir: dir.to_owned(),
        };
        // Few: they are folded before they are many.
        engine.count_live(i64::try_from(engine.id.tree.len()).unwrap_or(i64::MAX));
        let head = engine.read_head()?;
        *engine.lock_head() = head;
        Ok(engine)
    }

    pub(super) fn head(&self) -> Head {
        *self.lock_head()
    }

    fn lock_head(&self) -> std::sync::MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be held while reading what belongs together.
    ///
    /// # Errors
    /// [`StoreError::Unapplied`] once an operation could not be applied.
    pub(super) fn reading(&self) -> Result<RwLockReadGuard<'_, ()>, StoreError> {
        if self.failed.load(Ordering::SeqCst) {
            return Err(StoreError::Unapplied);
        }
        Ok(self.gate.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// While it is held no index entry moves from a flat to a packed tree.
    pub(super) fn hold_folding(&self) -> std::sync::MutexGuard<'_, ()> {
        self.folding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Licences in the flat indexes, about: a replay may count one twice.
    pub(super) fn live_licences(&self) -> u64 {
        u64::try_from(self.live.load(Ordering::SeqCst)).unwrap_or(0)
    }

    pub(super) fn count_live(&self, more: i64) {
        self.live.fetch_add(more, Ordering::SeqCst);
    }

    /// From now on nothing is served.
    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    /// Writes sled's pages and fsyncs its files, which its own `flush` does not.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.db.flush()?;
        sync_files(&self.dir)
    }

    pub(super) fn size_on_disk(&self) -> Result<u64, StoreError> {
        Ok(self.db.size_on_disk()?)
    }

    /// What of its size and the room left calls for a warning.
    pub(super) fn warnings(&self, exports: &Path, alarm: u64) -> Result<Vec<StoreWarning>, StoreError> {
        let (sled, licences) = (self.size_on_disk()?, self.head().licences);
        let (free, exports_free) = (growth::free_bytes(&self.dir), growth::free_bytes(exports));
        Ok(growth::judge(&Sizes { licences, sled, free, exports_free }, alarm))
    }

    // -- values ------------------------------------------------------------------------------

    /// The keys and values that a value lies under in sled.
    pub(super) fn parts(&self, tree: &Named, key: &[u8], plain: &[u8]) -> Result<Vec<Pair>, StoreError> {
        // 28 bytes of nonce and tag, 7 in front.
        let parts = (plain.len() + 28 + 7).div_ceil(PART);
        let count = u16::try_from(parts)
            .map_err(|_| StoreError::TooLarge { bytes: plain.len(), limit: PART * usize::from(u16::MAX) })?;
        let number = self.keys.current();
        let front = [[FORMAT].as_slice(), &number.to_be_bytes(), &count.to_be_bytes()].concat();
        let place = [tree.name.as_bytes(), b"\0", key, &front];
        let mut value = front.clone();
        self.keys.seal_onto(&mut value, number, Use::Block, &place, plain, &*self.random)?;
        Ok((0..count)
            .zip(value.chunks(PART))
            .map(|(part, bytes)| (part_key(key, part), bytes.to_vec()))
            .collect())
    }

    /// Writes a value in place of what was there.
    pub(super) fn write(&self, tree: &Named, key: &[u8], plain: &[u8]) -> Result<(), StoreError> {
        let parts = self.parts(tree, key, plain)?;
        let mut stale = parts.len();
        for (at, bytes) in parts {
            tree.tree.insert(at, bytes)?;
        }
        while let Ok(part) = u16::try_from(stale)
            && tree.tree.remove(part_key(key, part))?.is_some()
        {
            stale += 1;
        }
        Ok(())
    }

    /// Writes values of one part each under keys that nothing longer lies under.
    pub(super) fn write_new(&self, tree: &Named, values: &[Pair]) -> Result<(), StoreError> {
        let mut parts = Vec::with_capacity(values.len());
        for (key, plain) in values {
            parts.extend(self.parts(tree, key, plain)?);
        }
        self.insert_parts(tree, &parts)
    }

    /// Puts what [`Engine::parts`] made into sled as one of its batches.
    pub(super) fn insert_parts(&self, tree: &Named, parts: &[Pair]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (at, bytes) in parts {
            batch.insert(at.as_slice(), bytes.as_slice());
        }
        Ok(tree.tree.apply_batch(batch)?)
    }

    /// Puts values anew that are there, as [`Engine::parts`] made them of the same content: nobody reads half
    /// of one.
    pub(super) fn replace_parts(&self, tree: &Named, parts: &[Pair]) -> Result<(), StoreError> {
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.insert_parts(tree, parts)
    }

    /// The trees whose values are encrypted.
    pub(super) const fn encrypted(&self) -> [&Named; 8] {
        let Self { batch, impression, id_base, holder_base, number_base, status, state, meta, .. } = self;
        [batch, impression, id_base, holder_base, number_base, status, state, meta]
    }

    /// Reads a value; `None` if nothing is there.
    pub(super) fn read(&self, tree: &Named, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
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
        self.keys
            .open_sealed(Use::Block, &[tree.name.as_bytes(), b"\0", key, front], id, sealed)
            .map(Some)
            .map_err(|_| damaged("it does not authenticate"))
    }

    fn erase(&self, tree: &Named, key: &[u8]) -> Result<(), StoreError> {
        for entry in tree.tree.scan_prefix(key) {
            tree.tree.remove(entry?.0)?;
        }
        Ok(())
    }

    /// Counts what the counters tell of, reading every page of these trees: a log that sled read past a
    /// damaged place may lack records whose absence nothing else shows.
    pub(super) fn is_whole(&self) -> Result<(), RecoveryCause> {
        let head = self.head();
        let values = |tree: &Named| -> Result<u64, StoreError> {
            let mut count = 0;
            for key in tree.tree.iter().keys() {
                count += u64::from(key?.ends_with(&[0, 0]));
            }
            Ok(count)
        };
        let ids = || -> Result<u64, StoreError> {
            let mut count = 0;
            for key in self.id.tree.iter().keys() {
                key?;
                count += 1;
            }
            for entry in packed::all::<ID_KEY>(self, &self.id_base) {
                entry?;
                count += 1;
            }
            Ok(count)
        };
        let told = |why: StoreError| RecoveryCause::Open(why.to_string());
        let counts = [
            ("batches", values(&self.batch).map_err(told)?, head.last_batch),
            ("status changes", values(&self.status).map_err(told)?, head.last_change),
            ("licences", ids().map_err(told)?, head.licences),
        ];
        match counts.into_iter().find(|(_, found, expected)| found < expected) {
            Some((what, found, expected)) => {
                Err(RecoveryCause::LostTail(format!("{found} {what}, not {expected}")))
            }
            None => Ok(()),
        }
    }

    fn read_head(&self) -> Result<Head, StoreError> {
        let Some(plain) = self.read(&self.meta, HEAD_KEY)? else { return Ok(Head::default()) };
        let mut reader = Reader(&plain);
        let head = Head::read(&mut reader).filter(|_| reader.is_empty());
        head.ok_or(StoreError::Damaged { tree: "meta", key: "head".to_owned(), why: "it does not read" })
    }

    // -- applying ----------------------------------------------------------------------------

    /// Applies an operation that is durable. Doing it again changes nothing.
    pub(super) fn apply(&self, operation: &Operation) -> Result<(), StoreError> {
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        match &operation.change {
            Change::Add { impressions, batches, superseded } => {
                for impression in impressions {
                    self.put_impression(impression)?;
                }
                for batch in batches {
                    self.put_batch(batch)?;
                }
                for (identifier, status) in superseded {
                    self.put_status(identifier, status)?;
                }
            }
            Change::Status(identifier, status) => self.put_status(identifier, status)?,
            Change::Put(kind, key, json) => self.put_state(kind, key, json)?,
            Change::Remove(kind, key) => self.erase(&self.state, &self.state_key(kind, key))?,
            // Its volumes are loaded before the change is made, and before it is replayed.
            Change::Import(_) => {}
        }
        self.put_head(operation.head)
    }

    pub(super) fn put_head(&self, head: Head) -> Result<(), StoreError> {
        let mut writer = Writer::default();
        head.write(&mut writer);
        self.write(&self.meta, HEAD_KEY, &writer.finish())?;
        *self.lock_head() = head;
        Ok(())
    }

    pub(super) fn put_impression(&self, impression: &SealImpression) -> Result<(), StoreError> {
        let digest = impression.digest();
        if self.impression.tree.contains_key(part_key(&digest, 0))? {
            return Ok(());
        }
        let mut writer = Writer::default();
        writer.bytes(&impression.seal).bytes(&impression.certificate);
        self.write(&self.impression, &digest, &writer.finish())
    }

    pub(super) fn put_batch(&self, batch: &AddedBatch) -> Result<(), StoreError> {
        let outline = block::outline(batch.number, &batch.packed, &self.dictionaries, &self.keys)?;
        self.write(&self.batch, &batch.number.0.to_be_bytes(), &batch.packed)?;
        for (slot, Entry { id, holders, number }) in (0..=u8::MAX).zip(&outline.entries) {
            let at = locator(Location { batch: batch.number, slot });
            self.id.tree.insert(id, &at)?;
            for holder in holders {
                self.holder.tree.insert([holder.as_slice(), &at].concat(), &[])?;
            }
            self.number.tree.insert([number.as_slice(), &at].concat(), &[])?;
        }
        self.count_live(outline.entries.len() as i64);
        Ok(())
    }

    pub(super) fn put_status(
        &self,
        identifier: &Identifier,
        status: &StatusRecord,
    ) -> Result<(), StoreError> {
        let mut writer = Writer::default();
        op::write_status(&mut writer, identifier, status);
        let key =
            [op::id_key(&self.keys, identifier).as_slice(), &status.change_number.to_be_bytes()].concat();
        self.write(&self.status, &key, &writer.finish())
    }

    pub(super) fn put_state(&self, kind: &str, key: &str, json: &[u8]) -> Result<(), StoreError> {
        let mut writer = Writer::default();
        writer.text(kind).text(key).bytes(json);
        self.write(&self.state, &self.state_key(kind, key), &writer.finish())
    }

    // -- reading (the caller holds `reading`) ------------------------------------------------

    /// A batch as [`block::pack`] made it.
    pub(super) fn packed(&self, number: BatchNumber) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(&self.batch, &number.0.to_be_bytes())
    }

    pub(super) fn batch(&self, number: BatchNumber) -> Result<Option<Arc<StoredBatch>>, StoreError> {
        let Some(packed) = self.packed(number)? else { return Ok(None) };
        block::unpack(number, &packed, &self.dictionaries).map(|batch| Some(Arc::new(batch)))
    }

    /// How many licences a packed batch has.
    pub(super) fn size_of(&self, number: BatchNumber, packed: &[u8]) -> Result<u64, StoreError> {
        Ok(u64::from(block::manifest(number, packed, &self.dictionaries)?.size))
    }

    pub(super) fn read_impression(&self, digest: &Digest) -> Result<Option<SealImpression>, StoreError> {
        let Some(plain) = self.read(&self.impression, digest)? else { return Ok(None) };
        let mut reader = Reader(&plain);
        let read = reader.bytes().zip(reader.bytes()).filter(|_| reader.is_empty());
        let impression = read
            .map(|(seal, certificate)| SealImpression { seal: seal.into(), certificate: certificate.into() });
        impression.filter(|impression| impression.digest() == *digest).map(Some).ok_or_else(|| {
            StoreError::Damaged { tree: "impression", key: hex::encode(digest), why: "it is another one" }
        })
    }

    pub(super) fn locate(&self, id: &[u8; ID_KEY]) -> Result<Option<Location>, StoreError> {
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
    pub(super) fn locate_holder(&self, prefix: &[u8], limit: usize) -> Result<Vec<Location>, StoreError> {
        let live = self.live(&self.holder, prefix, limit)?;
        let packed = packed::find::<HOLDER_KEY>(self, &self.holder_base, prefix, limit)?;
        Ok(self.joined(live, packed, limit))
    }

    /// Where the licences of a type and number lie, at most `limit`.
    pub(super) fn locate_number(&self, key: &[u8], limit: usize) -> Result<Vec<Location>, StoreError> {
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

    /// The licence that an index entry leads to, if it is the one that `wanted` says.
    pub(super) fn found(
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

    /// The last state declared after the record came; `None` if there is none.
    pub(super) fn status(&self, identifier: &Identifier) -> Result<Option<StatusRecord>, StoreError> {
        match self.status_keys(identifier).next_back() {
            None => Ok(None),
            Some(key) => self.status_at(&key?).map(|(_, status)| Some(status)),
        }
    }

    /// All states declared after the record came, oldest first.
    pub(super) fn statuses(&self, identifier: &Identifier) -> Result<Vec<StatusRecord>, StoreError> {
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
        self.status.tree.range(id.to_vec()..end).keys()
    }

    /// All status changes up to the counters, in no order.
    pub(super) fn changes(&self) -> Result<Vec<(Identifier, StatusRecord)>, StoreError> {
        let mut all = Vec::new();
        for key in self.status.tree.iter().keys() {
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
    pub(super) fn status_at(&self, key: &[u8]) -> Result<(Identifier, StatusRecord), StoreError> {
        let damaged = |why| StoreError::Damaged { tree: "status", key: hex::encode(key), why };
        let base = key
            .get(..ID_KEY + 8)
            .filter(|_| key.len() == ID_KEY + 10)
            .ok_or(damaged("its key has a wrong length"))?;
        let plain = self.read(&self.status, base)?.ok_or(damaged("it is not here"))?;
        let mut reader = Reader(&plain);
        let read = op::read_status(&mut reader).filter(|_| reader.is_empty());
        read.ok_or(damaged("it does not read"))
    }

    pub(super) fn state(&self, kind: &str, key: &str) -> Result<Option<Value>, StoreError> {
        let at = self.state_key(kind, key);
        match self.state_at(&at)? {
            None => Ok(None),
            Some((found_kind, found_key, value)) if found_kind == kind && found_key == key => Ok(Some(value)),
            Some(_) => {
                Err(StoreError::Damaged { tree: "state", key: hex::encode(at), why: "it is another one" })
            }
        }
    }

    pub(super) fn has_state(&self, kind: &str, key: &str) -> Result<bool, StoreError> {
        Ok(self.state.tree.contains_key(part_key(&self.state_key(kind, key), 0))?)
    }

    pub(super) fn states(&self, kind: &str) -> Result<Vec<(String, Value)>, StoreError> {
        let mut all = Vec::new();
        for key in self.state.tree.scan_prefix(self.keys.blind::<16>("kind", &[kind])).keys() {
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
    pub(super) fn state_at(&self, at: &[u8]) -> Result<Option<(String, String, Value)>, StoreError> {
        let Some(plain) = self.read(&self.state, at)? else { return Ok(None) };
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

    pub(super) fn state_key(&self, kind: &str, key: &str) -> [u8; 32] {
        let mut at = [0; 32];
        let halves: [[u8; 16]; 2] =
            [self.keys.blind("kind", &[kind]), self.keys.blind("state", &[kind, key])];
        at.iter_mut().zip(halves.concat()).for_each(|(to, from)| *to = from);
        at
    }
}

/// The state that a record came with, as of the moment of sealing.
pub(super) fn declared(batch: &StoredBatch, record: &Record) -> StatusRecord {
    StatusRecord {
        state: record.state,
        since: batch.seal.stamp.time,
        reason: None,
        by: None,
        superseded_by: None,
        change_number: 0,
    }
}

/// The entries up to and with the first that sled cannot read: it would give that error for ever.
pub(super) fn to_first_error<T>(
    entries: impl Iterator<Item = sled::Result<T>>,
) -> impl Iterator<Item = sled::Result<T>> {
    let mut failed = false;
    entries.take_while(move |entry| !std::mem::replace(&mut failed, entry.is_err()))
}

pub(super) fn locator(location: Location) -> [u8; LOCATOR] {
    let [a, b, c, d, e, f, g, h] = location.batch.0.to_be_bytes();
    [a, b, c, d, e, f, g, h, location.slot]
}

pub(super) fn read_locator(bytes: &[u8]) -> Option<Location> {
    let mut reader = Reader(bytes);
    let batch = BatchNumber(u64::from_be_bytes(reader.array()?));
    let slot = reader.u8()?;
    reader.is_empty().then_some(Location { batch, slot })
}

/// Number of the data key of a value, by its first part.
pub(super) fn key_number(first_part: &[u8]) -> Option<KeyId> {
    Some(u32::from_be_bytes(*first_part.get(1..)?.first_chunk()?))
}

pub(super) fn part_key(key: &[u8], part: u16) -> Vec<u8> {
    [key, &part.to_be_bytes()].concat()
}

/// Fsyncs the files of a sled folder.
pub(super) fn sync_files(dir: &Path) -> Result<(), StoreError> {
    for path in [dir.join("db"), dir.join("conf"), dir.join("blobs"), dir.to_owned()] {
        if path.exists() {
            let sync = std::fs::File::open(&path).and_then(|file| file.sync_all());
            sync.map_err(DurableError::io("sync", &path))?;
        }
    }
    Ok(())
}

pub(super) fn open_trees(dir: &Path, cache_bytes: u64) -> Result<(sled::Db, [Named; 11]), sled::Error> {
    let db = sled::Config::default()
        .path(dir)
        .cache_capacity(cache_bytes)
        .mode(sled::Mode::LowSpace)
        // Flushed by the writer alone, with an fsync after it.
        .flush_every_ms(None)
        .open()?;
    let tree = |name: &'static str| Ok::<_, sled::Error>(Named { name, tree: db.open_tree(name)? });
    let trees = [
        tree("batch")?,
        tree("impression")?,
        tree("id")?,
        tree("holder")?,
        tree("number")?,
        tree("id.base")?,
        tree("holder.base")?,
        tree("number.base")?,
        tree("status")?,
        tree("state")?,
        tree("meta")?,
    ];
    Ok((db, trees))
}

/// Opens a sled folder, reads its ends, and closes it again: what the probe does in its own process.
pub(super) fn probe(dir: &Path, cache_bytes: u64) -> Result<(), StoreError> {
    let (_db, trees) = open_trees(dir, cache_bytes)?;
    for Named { tree, .. } in &trees {
        tree.first()?;
        tree.last()?;
    }
    Ok(())
}
