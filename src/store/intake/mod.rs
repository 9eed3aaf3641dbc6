//! The store's side of an import: from validated records to durable, sealed, indexed batches.
//!
//! 1. **reading**: records are spooled by issuer and type, and their blind identifiers noted;
//! 2. **resolving**: the identifiers are sorted, and the rules of [`resolve`] applied;
//! 3. **sealing**: each partition is sealed in full batches into volumes;
//! 4. **loading**: the volumes are read back into sled, the indexes packed;
//! 5. one journalled operation makes all of it part of the store. Before it nothing is there.
//!
//! How far it came is in a side file, written after the files that it speaks of are fsynced; after a
//! stop or a kill an import is taken up where that file says. Until it is loading the store is as it was
//! and may serve; while it is loading, only the import may have it. Memory is bounded by settings and by
//! what [`resolve`] and [`spool`] say, not by the input.
//!
//! | file | decides |
//! |---|---|
//! | `recorder` | what a parsing thread makes of a record |
//! | `spool` | records by issuer and type, on disk |
//! | `resolve` | which of them go in |
//! | `work`, `volumes` | sealing a piece of the spool; writing what was sealed |
//! | `state` | how far it came |

mod recorder;
mod resolve;
mod spool;
mod state;
mod volumes;
mod work;

pub use recorder::{Recorded, Recorder, Recording};
pub use resolve::Refused;
pub(super) use state::State as ImportState;
pub use state::{Phase, Sealed};
pub use work::SealRecords;

use std::sync::Arc;

use serde_json::Value;

use self::resolve::{PAIR, Resolved, SEEN};
use self::spool::{ChunkAt, ChunkReader, Spool};
use self::state::State;
use self::volumes::Volumes;
use self::work::{Work, units};
use super::Store;
use super::error::StoreError;
use super::sorter::{Scratch, Sorter};
use crate::durable::DurableError;
use crate::parallel;
use crate::store::embedded::volume::{self, Volume};
use crate::store::embedded::{Loader, Request};
use crate::store::forms::codec::Writer;
use crate::store::forms::dictionary;
use licence_seal::crypto::Digest;

/// Records without which no dictionary is trained.
const TRAIN_FROM: u64 = 5_000;
/// Bytes of samples that a dictionary is trained on.
const SAMPLE_BYTES: usize = 8 << 20;
/// Records of a sample: part of a batch.
const SAMPLE_RECORDS: usize = 8;

/// Follows the sealing of an import.
pub trait SealWatcher<E> {
    /// So much is sealed; these ordinals turned out to be duplicates of licences in the store.
    fn sealed(&mut self, so_far: &Sealed, duplicates: &[u64]) -> Result<(), E>;

    /// All so far is about to be noted; what is returned is kept with it.
    fn checkpoint(&mut self) -> Result<Value, E>;
}

/// What a finished import added.
#[derive(Clone, Debug)]
pub struct Committed {
    pub first_batch: u64,
    pub licences: u64,
    pub last_change: u64,
    /// RFC 6962 leaf hashes (SHA-256) of the manifests, by batch; empty if it had been committed before.
    pub manifests: Vec<Digest>,
}

/// An import under way.
pub struct Intake<'s> {
    store: &'s Store,
    scratch: Scratch,
    state: State,
    spool: Spool,
    seen: Sorter<SEEN>,
    pairs: Sorter<PAIR>,
    resolved: Resolved,
}

impl<'s> Intake<'s> {
    /// Begins an import, or takes up the one that was interrupted if `resume` says so.
    ///
    /// # Errors
    /// [`StoreError::ImportUnderWay`] if there is one and it is not to be taken up; [`StoreError::Rekeying`].
    pub fn begin(store: &'s Store, resume: bool) -> Result<Self, StoreError> {
        let _rekeying = store.rekeying.none()?;
        let dir = &store.places.import;
        let disk = &store.disk;
        let scratch = Scratch {
            disk: Arc::clone(disk),
            dir: dir.clone(),
            keys: Arc::clone(&store.engine.keys),
            random: Arc::clone(&store.engine.random),
        };
        let mut found = State::load(&**disk, dir, &scratch.keys)?;
        if found.is_some() && !resume {
            return Err(StoreError::ImportUnderWay);
        }
        if let Some(state) = &mut found
            && state.phase == Phase::Sealing
            && !state.before.same_licences(&store.engine.head())
        {
            // What was sealed and refused was right for a store that is no more.
            remove_files(store, state.files(&**disk, &store.places.exports, &scratch.keys))?;
            state.restart();
            state.save(&**disk, dir, &scratch.keys)?;
        }
        let bytes = store.settings.sort_bytes;
        let (seen, pairs) = (
            Sorter::new(scratch.clone(), "seen", bytes / 2),
            Sorter::new(scratch.clone(), "pair", bytes / 4),
        );
        let (state, spool, seen, pairs) = match found {
            Some(state) => {
                let mut spool = Spool::open(&scratch, Some(state.spool_bytes))?;
                // What is loading is sealed already, and the spool may be many GB.
                if state.phase != Phase::Loading {
                    spool.find_chunks()?;
                }
                let seen = seen.resume(state.seen.runs.clone(), state.seen.count);
                let pairs = pairs.resume(state.pairs.runs.clone(), state.pairs.count);
                (state, spool, seen, pairs)
            }
            None => {
                // What has no state file was never acknowledged.
                disk.remove_dir_all(dir).map_err(DurableError::io("remove", dir))?;
                disk.create_dir_all(dir).map_err(DurableError::io("create", dir))?;
                let spool = Spool::open(&scratch, None)?;
                (State::new(store.engine.head()), spool, seen, pairs)
            }
        };
        Ok(Self { store, scratch, state, spool, seen, pairs, resolved: Resolved::default() })
    }

    /// Drops an interrupted import; `false` if there is none. After one that was loading the store must
    /// be opened again, which builds sled anew.
    pub fn abandon(store: &Store) -> Result<bool, StoreError> {
        let head = store.engine.head();
        let (disk, exports, keys) = (&*store.disk, &store.places.exports, &store.engine.keys);
        match State::load(disk, &store.places.import, keys) {
            // What has no state file was never acknowledged; it would hold back a change of the data key.
            Ok(None) => return remove(store).map(|()| false),
            Ok(Some(state)) if state.is_in(&head) => {}
            Ok(Some(state)) => {
                remove_files(store, state.files(disk, exports, keys))?;
                if state.phase == Phase::Loading {
                    store.give_up_sled()?;
                }
            }
            // Nobody knows how far it came: whatever it may have made goes.
            Err(StoreError::File { .. }) => {
                remove_files(store, volume::files_after(disk, exports, head.last_batch)?)?;
                store.give_up_sled()?;
            }
            Err(why) => return Err(why),
        }
        remove(store)?;
        Ok(true)
    }

    pub const fn phase(&self) -> Phase {
        self.state.phase
    }

    /// What the caller noted at the last checkpoint.
    pub const fn note(&self) -> &Value {
        &self.state.note
    }

    /// What is sealed so far.
    pub const fn sealed(&self) -> Sealed {
        self.state.sealed()
    }

    /// Records in the spool.
    pub fn records(&self) -> u64 {
        self.seen.len()
    }

    pub fn recorder(&self) -> Recorder {
        Recorder { keys: Arc::clone(&self.scratch.keys) }
    }

    // -- reading -----------------------------------------------------------------------------

    pub fn add(&mut self, recorded: Recorded) -> Result<(), StoreError> {
        for (partition, gathered) in &recorded.gathered {
            self.spool.add(partition, gathered)?;
        }
        recorded.seen.into_iter().try_for_each(|entry| self.seen.push(entry))?;
        recorded.pairs.into_iter().try_for_each(|entry| self.pairs.push(entry))
    }

    /// Makes all that was added last, with a note that a resumed import finds.
    pub fn checkpoint(&mut self, note: Value) -> Result<(), StoreError> {
        self.state.spool_bytes = self.spool.save()?;
        let (runs, count) = self.seen.save()?;
        self.state.seen = state::Runs { runs, count };
        let (runs, count) = self.pairs.save()?;
        self.state.pairs = state::Runs { runs, count };
        self.state.note = note;
        self.save()
    }

    fn save(&self) -> Result<(), StoreError> {
        self.state.save(&*self.scratch.disk, &self.scratch.dir, &self.scratch.keys)
    }

    // -- resolving ---------------------------------------------------------------------------

    /// Decides which records go in, and trains a dictionary meanwhile if the store has none yet. `refuse`
    /// hears of the ordinals of those that do not. All was read and noted before: if the store is changed
    /// while the import is interrupted, it is taken up there.
    pub fn resolve(&mut self, refuse: &mut dyn FnMut(u64, Refused)) -> Result<(), StoreError> {
        let engine = &self.store.engine;
        self.state.before = engine.head();
        let lacks = self.state.phase == Phase::Reading && engine.dictionaries.current().is_none();
        let sampled = if lacks && self.records() >= TRAIN_FROM { self.sampled() } else { Vec::new() };
        let (store, reader) = (self.store, self.spool.reader());
        self.resolved = std::thread::scope(|scope| {
            let trained = scope.spawn(|| train(store, &reader, &sampled));
            let resolved = resolve::resolve(engine, &mut self.seen, &mut self.pairs, refuse);
            trained.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            resolved
        })?;
        Ok(())
    }

    /// The first chunk of every partition, then the last.
    fn sampled(&self) -> Vec<ChunkAt> {
        let chunks = self.spool.chunks().values();
        let first = chunks.clone().filter_map(|chunks| chunks.first());
        let last = chunks.filter(|chunks| chunks.len() > 1).filter_map(|chunks| chunks.last());
        first.chain(last).copied().collect()
    }

    // -- sealing -----------------------------------------------------------------------------

    /// Goes from reading to sealing.
    pub fn begin_sealing(&mut self, note: Value) -> Result<(), StoreError> {
        if self.state.phase == Phase::Reading {
            self.state.phase = Phase::Sealing;
            self.state.read_note = std::mem::replace(&mut self.state.note, note);
            self.save()?;
        }
        Ok(())
    }

    /// Seals all that goes in, a full batch at a time. With `again` a record that the store has with the
    /// same content is counted, without it a duplicate.
    pub fn seal<E>(
        &mut self,
        again: bool,
        seal: &SealRecords<'_, E>,
        watcher: &mut dyn SealWatcher<E>,
    ) -> Result<Sealed, E>
    where
        E: From<StoreError> + Send,
    {
        if self.state.phase != Phase::Sealing {
            return Ok(self.state.sealed());
        }
        let done = usize::try_from(self.state.units_done).unwrap_or(usize::MAX);
        let (store, reader) = (self.store, self.spool.reader());
        let resolved = std::mem::take(&mut self.resolved);
        let work = Work { store, reader: &reader, resolved: &resolved, again, seal };
        let state = &mut self.state;
        let mut volumes = Volumes::open(store, state)?;
        let (every, mut since) = (store.settings.import_checkpoint, 0);
        parallel::ordered(
            parallel::threads(),
            units(&self.spool).skip(done).map(Ok::<_, E>),
            |unit| work.unit(unit),
            |unit| {
                let before = state.licences;
                for batch in unit.batches {
                    volumes.take(state, batch)?;
                }
                state.already_here += unit.already_here;
                state.units_done += 1;
                watcher.sealed(&state.sealed(), &unit.duplicates)?;
                since += state.licences - before;
                // Between units only: what is noted is what need not be sealed again.
                if volumes.is_full() {
                    volumes.close(state)?;
                } else if since >= every {
                    volumes.save(state)?;
                } else {
                    return Ok(());
                }
                since = 0;
                state.note = watcher.checkpoint()?;
                state.save(&*store.disk, &store.places.import, &store.engine.keys)?;
                Ok(volumes.place(state)?)
            },
        )?;
        volumes.close(state)?;
        state.note = watcher.checkpoint()?;
        state.save(&*store.disk, &store.places.import, &store.engine.keys)?;
        volumes.place(state)?;
        state.phase = Phase::Loading;
        state.save(&*store.disk, &store.places.import, &store.engine.keys)?;
        Ok(state.sealed())
    }

    // -- loading -----------------------------------------------------------------------------

    /// Reads the volumes back into sled and makes them part of the store, durable on return. `progress`
    /// hears of licences loaded.
    pub fn commit(self, progress: &mut dyn FnMut(u64)) -> Result<Committed, StoreError> {
        let Self { store, state, .. } = self;
        let (engine, disk, dir) = (&store.engine, &store.disk, &store.places.exports);
        store.set_loading(true);
        let mut committed = Committed {
            first_batch: state.before.last_batch + 1,
            licences: state.licences,
            last_change: state.before.last_change + state.changes,
            manifests: Vec::new(),
        };
        // What was committed before a kill lacks only this removal.
        if state.batches > 0 && !state.is_in(&engine.head()) {
            let _still = engine.hold_folding();
            let loader = Loader::new(engine, disk, &store.places.scratch, store.settings.sort_bytes)?;
            let mut loader = loader.keep_manifests();
            for volume in &state.volumes {
                loader.volume(&**disk, dir, volume, progress)?;
            }
            committed.manifests = loader.finish()?.manifests;
            for volume in &state.volumes {
                volume.publish(&**disk, dir, &engine.keys)?;
            }
            store.submit(Request::Import {
                volumes: state.volumes.iter().map(Volume::reference).collect(),
                before: state.before,
                batches: state.batches,
                licences: state.licences,
                changes: state.changes,
            })?;
            store.save_checkpoint()?;
        }
        remove(store)?;
        store.set_loading(false);
        Ok(committed)
    }
}

/// Trains a dictionary on chunks, as long as there is room for samples.
fn train(store: &Store, reader: &ChunkReader, chunks: &[ChunkAt]) -> Result<(), StoreError> {
    let (mut samples, mut bytes) = (Vec::new(), 0);
    for at in chunks {
        if bytes >= SAMPLE_BYTES {
            break;
        }
        let plain = reader.chunk(*at)?;
        let (_, records) = spool::read(&plain).ok_or_else(|| reader.damaged())?;
        for records in records.chunks(SAMPLE_RECORDS).take(16) {
            let mut sample = Writer::default();
            for spooled in records {
                sample.bytes(spooled.record);
            }
            let sample = sample.finish();
            bytes += sample.len();
            samples.push(sample);
        }
    }
    let Some(content) = (!samples.is_empty()).then(|| dictionary::train(&samples)).flatten() else {
        return Ok(());
    };
    let (keys, random) = (&store.engine.keys, &*store.engine.random);
    store.engine.dictionaries.add(&*store.disk, store.places.folders(), keys, random, &content).map(drop)
}

/// Removes the files of an import, the state file first: without it the others mean nothing.
fn remove(store: &Store) -> Result<(), StoreError> {
    let (disk, dir) = (&store.disk, &store.places.import);
    let state = spool::state_file(dir);
    if disk.len(&state).is_ok() {
        disk.remove(&state).map_err(DurableError::io("remove", &state))?;
        disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
    }
    Ok(disk.remove_dir_all(dir).map_err(DurableError::io("remove", dir))?)
}

/// Removes what an import made among the exports, for good: its volumes must not come back as those of
/// other batches.
fn remove_files(store: &Store, files: Vec<String>) -> Result<(), StoreError> {
    let dir = &store.places.exports;
    for path in files.iter().map(|file| dir.join(file)) {
        if store.disk.len(&path).is_ok() {
            store.disk.remove(&path).map_err(DurableError::io("remove", &path))?;
        }
    }
    Ok(store.disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?)
}
