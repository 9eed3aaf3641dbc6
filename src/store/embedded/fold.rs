//! Folding: what was issued live moves from the flat indexes into the packed ones.
//!
//! A flat entry costs sled about ten times what a packed one does, in bytes and in memory, so they are
//! let grow only up to a number. Past it a thread moves them, a stride at a time and so many a second:
//! entries are packed, sled is flushed and fsynced, and only then do they leave the flat trees. Readers
//! ask the flat tree first and then the packed one, so at every moment they find each entry; a kill in
//! between leaves it in both, which is the same as in one. A stride runs on the writer's thread between
//! two groups of changes, since there alone sled is flushed.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sled::Batch;

use super::engine::{Engine, LOCATOR, Named, read_locator};
use super::ledger::StoreLedger;
use crate::durable::{Committer, DurableError};
use crate::store::StoreError;
use crate::store::embedded::engine::packed::{self, PackedEntry};
use crate::store::forms::codec::Reader;
use crate::store::forms::op::{HOLDER_KEY, ID_KEY};

/// Entries of each index that are moved at once.
const STRIDE: usize = 512;
/// How often the flat indexes are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The folding thread of a store. Dropping it ends the thread.
pub(crate) struct Folder {
    stop: Mutex<Option<SyncSender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Folder {
    /// Starts to fold whenever more than `from` licences lie in the flat indexes, at most `per_second` of
    /// them in a second.
    pub(crate) fn start(
        engine: Arc<Engine>,
        committer: Arc<Committer<StoreLedger>>,
        from: u64,
        per_second: u64,
        look_every: Duration,
    ) -> Result<Self, StoreError> {
        let (stop, stopped) = sync_channel::<()>(1);
        let wait = move |time| matches!(stopped.recv_timeout(time), Err(RecvTimeoutError::Timeout));
        let thread = std::thread::Builder::new()
            .name("store-folder".to_owned())
            .spawn(move || {
                engine.count_all_live();
                while wait(look_every) {
                    if engine.live_licences() <= from {
                        continue;
                    }
                    loop {
                        let begun = Instant::now();
                        let moved = match stride(&committer) {
                            Some(Ok(moved)) => moved,
                            Some(Err(why)) => {
                                tracing::warn!(%why, "folding stopped; it goes on later");
                                break;
                            }
                            None => return,
                        };
                        let due = Duration::from_secs_f64(moved as f64 / per_second.max(1) as f64);
                        if moved == 0 || !wait(due.saturating_sub(begun.elapsed())) {
                            break;
                        }
                    }
                }
            })
            .map_err(DurableError::io("start the folder of", "store".as_ref()))?;
        Ok(Self { stop: Mutex::new(Some(stop)), thread: Mutex::new(Some(thread)) })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.stop.lock().take());
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}

/// Moves some entries of each index; says how many licences, 0 when the flat indexes are empty or are not to
/// be folded now, and `None` when the store is closed.
pub(crate) fn stride(committer: &Committer<StoreLedger>) -> Option<Result<u64, StoreError>> {
    committer.run(StoreLedger::fold)
}

impl StoreLedger {
    fn fold(_journal: &mut crate::durable::Journal, ledger: &mut Self) -> Result<u64, StoreError> {
        let engine = ledger.engine();
        // A check or an import may hold it for hours, and the latter waits for this thread.
        let Some(_alone) = engine.try_folding() else { return Ok(0) };
        let ids = pack::<ID_KEY>(&engine, &engine.trees.id, &engine.trees.id_base)?;
        let holders = pack::<HOLDER_KEY>(&engine, &engine.trees.holder, &engine.trees.holder_base)?;
        let numbers = pack::<ID_KEY>(&engine, &engine.trees.number, &engine.trees.number_base)?;
        let moved = ids.len().max(holders.len()).max(numbers.len()) as u64;
        if moved == 0 {
            return Ok(0);
        }
        ledger.save_checkpoint()?;
        for (tree, keys) in
            [(&engine.trees.id, &ids), (&engine.trees.holder, &holders), (&engine.trees.number, &numbers)]
        {
            let mut batch = Batch::default();
            keys.iter().for_each(|key| batch.remove(key));
            tree.apply_batch(batch)?;
        }
        engine.count_live(-(ids.len() as i64));
        Ok(moved)
    }
}

/// Packs the first entries of a flat tree and returns their keys there.
fn pack<const K: usize>(engine: &Engine, flat: &Named, base: &Named) -> Result<Vec<sled::IVec>, StoreError> {
    let (mut keys, mut entries) = (Vec::new(), Vec::new());
    for entry in flat.tree.iter().take(STRIDE) {
        let (key, value) = entry?;
        let whole = [key.as_ref(), value.as_ref()].concat();
        let read = || {
            let (key, at) = whole.split_at_checked(whole.len().checked_sub(LOCATOR)?)?;
            Some(PackedEntry::<K> { key: Reader(key).array()?, at: read_locator(at)? })
        };
        let damaged = || StoreError::Damaged {
            tree: flat.name,
            key: hex::encode(&key),
            why: "its locator does not read",
        };
        entries.push(read().ok_or_else(damaged)?);
        keys.push(key);
    }
    packed::add(engine, base, entries.into_iter().map(Ok))?;
    Ok(keys)
}
