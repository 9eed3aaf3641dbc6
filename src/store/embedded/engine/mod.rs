//! sled's trees: what lies where, how it is read, and how an operation is applied.
//!
//! | tree | key | value |
//! |---|---|---|
//! | `batch` | number u64 BE | a packed batch |
//! | `impression` | digest | a seal and a signer's certificate |
//! | `id` | blind identifier (12) | locator: batch u64 BE ‖ slot |
//! | `holder` | blind holder (12) ‖ blind type (4) ‖ locator | nothing |
//! | `number` | blind type and number (12) ‖ locator | nothing |
//! | `id.base`, `holder.base`, `number.base` | a bound | many entries of the same kind, see [packed](self::packed) |
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
//!
//! | file | decides |
//! |---|---|
//! | `stalls` | that sled does not stand still |
//! | `trees` | opening sled, fsyncing it |
//! | `values` | values under encryption, in parts |
//! | `index` | locators, and finding by them in a flat and a packed index together |
//! | `packed` | many index entries to a value |
//! | `content` | batches, impressions, statuses, registrations: how each is written and read |

mod content;
mod index;
pub(crate) mod packed;
mod stalls;
mod trees;
mod values;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};

pub(crate) use self::content::declared;
pub(crate) use self::index::{LOCATOR, read_locator};
pub use self::trees::probe_sled;
pub(crate) use self::trees::{Named, Trees, open_trees, sync_files, to_first_error};
pub(crate) use self::values::{Pair, part_key};
use super::growth::{self, Sizes};
use crate::store::forms::codec::{Reader, Writer};
use crate::store::forms::dictionary::Dictionaries;
use crate::store::forms::op::{Change, Head, Operation};
use crate::store::keys::Keyring;
use crate::store::{StoreError, StoreSettings, StoreWarning};
use licence_seal::crypto::Random;

const HEAD_KEY: &[u8] = b"head";

pub(crate) struct Engine {
    pub(crate) trees: Trees,
    pub(crate) keys: Arc<Keyring>,
    pub(crate) dictionaries: Arc<Dictionaries>,
    pub(crate) random: Arc<dyn Random>,
    head: Mutex<Head>,
    gate: RwLock<()>,
    folding: Mutex<()>,
    /// Licences in the flat indexes, once they were counted.
    live: AtomicI64,
    failed: AtomicBool,
    db: sled::Db,
    pub(crate) dir: PathBuf,
}

impl Engine {
    /// Opens sled in `dir` and reads the counters.
    ///
    /// # Panics
    /// sled may, on a damaged folder.
    pub(crate) fn open(
        dir: &Path,
        settings: &StoreSettings,
        keys: Arc<Keyring>,
        dictionaries: Arc<Dictionaries>,
        random: Arc<dyn Random>,
    ) -> Result<Self, StoreError> {
        let (db, trees) = open_trees(dir, settings.cache_bytes)?;
        let engine = Self {
            trees,
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
        let head = engine.read_head()?;
        *engine.lock_head() = head;
        Ok(engine)
    }

    pub(crate) fn head(&self) -> Head {
        *self.lock_head()
    }

    fn lock_head(&self) -> MutexGuard<'_, Head> {
        self.head.lock()
    }

    /// To be held while reading what belongs together.
    ///
    /// # Errors
    /// [`StoreError::Unapplied`] once an operation could not be applied.
    pub(crate) fn reading(&self) -> Result<RwLockReadGuard<'_, ()>, StoreError> {
        if self.failed.load(Ordering::SeqCst) {
            return Err(StoreError::Unapplied);
        }
        Ok(self.gate.read())
    }

    /// While it is held no index entry moves from a flat to a packed tree.
    pub(crate) fn hold_folding(&self) -> MutexGuard<'_, ()> {
        self.folding.lock()
    }

    /// For who folds; `None` while somebody holds it.
    pub(crate) fn try_folding(&self) -> Option<MutexGuard<'_, ()>> {
        self.folding.try_lock()
    }

    /// Counts the licences in the flat indexes, as far as they read. Whoever folds them does it at first, so
    /// that no start waits for it.
    pub(crate) fn count_all_live(&self) {
        let count = to_first_error(self.trees.id.tree.iter()).count();
        self.live.store(i64::try_from(count).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Licences in the flat indexes, about: what comes while they are counted may be missed.
    pub(crate) fn live_licences(&self) -> u64 {
        u64::try_from(self.live.load(Ordering::SeqCst)).unwrap_or(0)
    }

    pub(crate) fn count_live(&self, more: i64) {
        self.live.fetch_add(more, Ordering::SeqCst);
    }

    /// From now on nothing is served.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    /// Writes sled's pages and fsyncs its files, which its own `flush` does not.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        let _under_way = self.trees.meta.writing.begin();
        self.db.flush()?;
        sync_files(&self.dir)
    }

    pub(crate) fn size_on_disk(&self) -> Result<u64, StoreError> {
        Ok(self.db.size_on_disk()?)
    }

    /// What of its size and the room left calls for a warning.
    pub(crate) fn warnings(&self, exports: &Path, alarm: u64) -> Result<Vec<StoreWarning>, StoreError> {
        let (sled, licences) = (self.size_on_disk()?, self.head().licences);
        let (free, exports_free) = (growth::free_bytes(&self.dir), growth::free_bytes(exports));
        Ok(growth::judge(&Sizes { licences, sled, free, exports_free }, alarm))
    }

    /// Applies an operation that is durable. Doing it again changes nothing.
    pub(crate) fn apply(&self, operation: &Operation) -> Result<(), StoreError> {
        let _alone = self.gate.write();
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
            Change::Remove(kind, key) => self.erase(&self.trees.state, &self.state_key(kind, key))?,
            // Its volumes are loaded before the change is made, and before it is replayed.
            Change::Import(_) => {}
        }
        self.put_head(operation.head)
    }

    pub(crate) fn put_head(&self, head: Head) -> Result<(), StoreError> {
        let mut writer = Writer::default();
        head.write(&mut writer);
        self.write(&self.trees.meta, HEAD_KEY, &writer.finish())?;
        *self.lock_head() = head;
        Ok(())
    }

    fn read_head(&self) -> Result<Head, StoreError> {
        let Some(plain) = self.read(&self.trees.meta, HEAD_KEY)? else { return Ok(Head::default()) };
        let mut reader = Reader(&plain);
        let head = Head::read(&mut reader).filter(|_| reader.is_empty());
        head.ok_or(StoreError::Damaged { tree: "meta", key: "head".to_owned(), why: "it does not read" })
    }
}
