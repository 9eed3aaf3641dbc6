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

mod resolve;
mod spool;
mod state;

pub use resolve::Refused;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use self::resolve::{PAIR, Resolved, SEEN, pair_entry, seen_entry};
use self::spool::{ChunkAt, ChunkReader, Gathered, Partition, Spool, Spooled};
use self::state::{OpenVolume, State};
use super::StoreError;
use super::block;
use super::codec::Writer;
use super::dictionary;
use super::keys::Keyring;
use super::ledger::{Request, stays};
use super::load::Loader;
use super::op::{self, Head};
use super::rows::RowWriter;
use super::sled_store::Store;
use super::sorter::{Scratch, Sorter};
use super::traits::{LicenceReader, StatusRecord};
use super::volume::{self, VOLUME_BYTES, Volume, batch_row};
use crate::crypto::Digest;
use crate::durable::{Disk, DurableError};
use crate::licence::uscc::Uscc;
use crate::licence::{Identifier, Record, RecordRef, TypeCode};
use crate::parallel;
use crate::seal::batch::SealImpression;
use crate::seal::{BatchSeal, MAX_BATCH};
use crate::time::Timestamp;

/// Chunks of a partition that are sealed as one piece of work.
const UNIT: usize = 64;
/// Bytes after which a volume is followed by another, a unit more or less. Tests have several.
const FULL: u64 = if cfg!(test) { 16 << 10 } else { VOLUME_BYTES };
/// Bytes of spooled records after which a batch is sealed though it is not full.
const BATCH_BYTES: usize = 8 << 20;
/// Records without which no dictionary is trained.
const TRAIN_FROM: u64 = 5_000;
/// Bytes of samples that a dictionary is trained on.
const SAMPLE_BYTES: usize = 8 << 20;
/// Records of a sample: part of a batch.
const SAMPLE_RECORDS: usize = 8;

/// How far an import is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    Reading,
    Sealing,
    Loading,
}

/// Records as a thread that parses hands them over.
#[derive(Default)]
pub struct Recorded {
    gathered: HashMap<Partition, Gathered>,
    seen: Vec<[u8; SEEN]>,
    pairs: Vec<[u8; PAIR]>,
    // Records of one type and issuer come in a row more often than not.
    last: Option<Partition>,
    scratch: Writer,
}

/// Makes records ready for the spool, on any thread.
#[derive(Clone)]
pub struct Recorder {
    keys: Arc<Keyring>,
}

impl Recorder {
    /// Adds a record that stood at `ordinal` of the whole input.
    pub fn add(&self, record: &Record, ordinal: u64, to: &mut Recorded) {
        let (issuer, type_code) = (record.issuer_code.as_str(), record.type_code.as_str());
        let same = |last: &Partition| last.issuer == issuer && last.type_code == type_code;
        if !to.last.as_ref().is_some_and(same) {
            to.last = Some(Partition { issuer: issuer.to_owned(), type_code: type_code.to_owned() });
        }
        let Some(partition) = &to.last else { return };
        let gathered = match to.gathered.get_mut(partition) {
            Some(gathered) => gathered,
            None => to.gathered.entry(partition.clone()).or_default(),
        };
        to.scratch.clear();
        block::write_record(&mut to.scratch, record);
        gathered.push(ordinal, to.scratch.written());
        let id = op::id_key(&self.keys, &record.identifier);
        to.seen.push(seen_entry(&id, ordinal, stays(record.state)));
        if let Some(older) = &record.supersedes {
            to.pairs.push(pair_entry(&op::id_key(&self.keys, older), ordinal, &id));
        }
    }
}

/// What has been sealed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    pub licences: u64,
    pub batches: u64,
    /// Licences that the store had with the same content.
    pub already_here: u64,
}

/// Seals records of one type and issuer as a batch; called on several threads.
pub type SealRecords<'a, E> = dyn Fn(&[RecordRef<'_>]) -> Result<(BatchSeal, SealImpression), E> + Sync + 'a;

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
            remove_files(store, state.files())?;
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
                let spool = Spool::open(&scratch, Some(state.spool_bytes))?;
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
        match State::load(&*store.disk, &store.places.import, &store.engine.keys) {
            // What has no state file was never acknowledged; it would hold back a change of the data key.
            Ok(None) => return remove(store).map(|()| false),
            Ok(Some(state)) if state.is_in(&head) => {}
            Ok(Some(state)) => {
                remove_files(store, state.files())?;
                if state.phase == Phase::Loading {
                    store.give_up_sled()?;
                }
            }
            // Nobody knows how far it came: whatever it may have made goes.
            Err(StoreError::File { .. }) => {
                remove_files(
                    store,
                    volume::files_after(&*store.disk, &store.places.exports, head.last_batch)?,
                )?;
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

    /// Decides which records go in. `refuse` hears of the ordinals of those that do not. All was read
    /// and noted before: if the store is changed while the import is interrupted, it is taken up there.
    pub fn resolve(&mut self, refuse: &mut dyn FnMut(u64, Refused)) -> Result<(), StoreError> {
        self.state.before = self.store.engine.head();
        self.resolved = resolve::resolve(&self.store.engine, &mut self.seen, &mut self.pairs, refuse)?;
        Ok(())
    }

    // -- sealing -----------------------------------------------------------------------------

    /// Goes from reading to sealing; trains a dictionary if the store has none yet.
    pub fn begin_sealing(&mut self, note: Value) -> Result<(), StoreError> {
        if self.state.phase == Phase::Reading {
            if self.store.engine.dictionaries.current().is_none() && self.records() >= TRAIN_FROM {
                self.train()?;
            }
            self.state.phase = Phase::Sealing;
            self.state.read_note = std::mem::replace(&mut self.state.note, note);
            self.save()?;
        }
        Ok(())
    }

    fn train(&self) -> Result<(), StoreError> {
        let reader = self.spool.reader();
        let (mut samples, mut bytes) = (Vec::new(), 0);
        // The first chunk of every partition, then the last, as long as there is room.
        let chunks = self.spool.chunks().values();
        let first = chunks.clone().filter_map(|chunks| chunks.first());
        let last = chunks.filter(|chunks| chunks.len() > 1).filter_map(|chunks| chunks.last());
        for at in first.chain(last) {
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
        let store = self.store;
        if let Some(content) = dictionary::train(&samples) {
            let (keys, random) = (&store.engine.keys, &*store.engine.random);
            store.engine.dictionaries.add(&*store.disk, &store.places, keys, random, &content)?;
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
        let units = units(&self.spool);
        let done = usize::try_from(self.state.units_done).unwrap_or(usize::MAX);
        let (store, reader) = (self.store, self.spool.reader());
        let resolved = std::mem::take(&mut self.resolved);
        let work = Work { store, reader: &reader, resolved: &resolved, again, seal };
        let state = &mut self.state;
        let mut volumes = Volumes::open(store, state)?;
        let (every, mut since) = (store.settings.import_checkpoint, 0);
        parallel::ordered(
            parallel::threads(),
            units.iter().skip(done).map(Ok::<_, E>),
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

/// Whether an interrupted import has sled to itself, in a store that stands at `head`. It may, if its
/// state does not read.
pub(super) fn is_loading(
    disk: &dyn Disk,
    dir: &Path,
    keys: &Keyring,
    head: &Head,
) -> Result<bool, StoreError> {
    match State::load(disk, dir, keys) {
        Ok(state) => Ok(state.is_some_and(|state| state.phase == Phase::Loading && !state.is_in(head))),
        Err(why @ StoreError::File { .. }) => {
            tracing::error!(%why, "the state of an interrupted import does not read; it can only be dropped");
            Ok(true)
        }
        Err(why) => Err(why),
    }
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

/// Some chunks of one partition.
struct Unit {
    partition: Partition,
    chunks: Vec<ChunkAt>,
}

fn units(spool: &Spool) -> Vec<Unit> {
    let units = spool.chunks().iter().flat_map(|(partition, chunks)| {
        chunks.chunks(UNIT).map(|chunks| Unit { partition: partition.clone(), chunks: chunks.to_vec() })
    });
    units.collect()
}

/// A batch that is sealed and packed, without its number.
struct PackedBatch {
    packed: Vec<u8>,
    licences: u64,
    digest: Digest,
    impression: SealImpression,
    time: Timestamp,
    /// Superseded and superseding.
    superseded: Vec<(Identifier, Identifier)>,
}

/// What came of a unit.
#[derive(Default)]
struct UnitDone {
    batches: Vec<PackedBatch>,
    /// Ordinals.
    duplicates: Vec<u64>,
    already_here: u64,
}

/// What the sealing threads share.
struct Work<'a, E> {
    store: &'a Store,
    reader: &'a ChunkReader,
    resolved: &'a Resolved,
    again: bool,
    seal: &'a SealRecords<'a, E>,
}

impl<E: From<StoreError>> Work<'_, E> {
    fn unit(&self, unit: &Unit) -> Result<UnitDone, E> {
        let mut done = UnitDone::default();
        let mut waiting = Waiting::default();
        let damaged = || self.reader.damaged();
        let chunks = unit.chunks.iter().map(|at| self.reader.chunk(*at)).collect::<Result<Vec<_>, _>>()?;
        for (at, plain) in unit.chunks.iter().zip(&chunks) {
            let (partition, records) = spool::read(plain).ok_or_else(damaged)?;
            if partition != unit.partition || records.len() as u64 != u64::from(at.records) {
                return Err(damaged().into());
            }
            for spooled in records {
                if self.resolved.refused.contains(spooled.ordinal) {
                    continue;
                }
                if self.resolved.here.contains(spooled.ordinal) {
                    match self.again && self.is_here(&unit.partition, spooled.record)? {
                        true => done.already_here += 1,
                        false => done.duplicates.push(spooled.ordinal),
                    }
                    continue;
                }
                waiting.bytes += spooled.record.len();
                waiting.records.push(spooled);
                if waiting.records.len() >= MAX_BATCH || waiting.bytes >= BATCH_BYTES {
                    done.batches.push(self.batch(&unit.partition, &std::mem::take(&mut waiting).records)?);
                }
            }
        }
        if !waiting.records.is_empty() {
            done.batches.push(self.batch(&unit.partition, &waiting.records)?);
        }
        Ok(done)
    }

    /// Whether the store has this record with the same content.
    fn is_here(&self, partition: &Partition, record: &[u8]) -> Result<bool, StoreError> {
        let read = || {
            let type_code = TypeCode::parse(&partition.type_code).ok()?;
            block::decode_record(record, &type_code, &Uscc::parse(&partition.issuer).ok()?)
        };
        let record = read().ok_or_else(|| self.reader.damaged())?;
        Ok(self.store.by_identifier(&record.identifier)?.is_some_and(|found| found.record == record))
    }

    fn batch(&self, partition: &Partition, spooled: &[Spooled<'_>]) -> Result<PackedBatch, E> {
        let damaged = || self.reader.damaged();
        let Partition { issuer, type_code } = partition;
        let views = spooled
            .iter()
            .map(|spooled| block::view_record(spooled.record, type_code, issuer))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(damaged)?;
        let (sealed, impression) = (self.seal)(&views)?;
        block::check_shape(&sealed, spooled.len())?;
        let records: Vec<&[u8]> = spooled.iter().map(|spooled| spooled.record).collect();
        let packed = block::pack_encoded(&sealed, &records, &self.store.engine.dictionaries)?;
        let identifier = |text: &str| Identifier::parse(text).map_err(|_| damaged());
        let mut superseded = Vec::new();
        for (spooled, view) in spooled.iter().zip(&views) {
            if let Some(older) = view.supersedes
                && self.resolved.superseding.contains(spooled.ordinal)
            {
                superseded.push((identifier(older)?, identifier(view.identifier)?));
            }
        }
        let (digest, time) = (sealed.stamp.impression, sealed.stamp.time);
        Ok(PackedBatch { packed, licences: spooled.len() as u64, digest, impression, time, superseded })
    }
}

/// Records that wait for their batch to fill.
#[derive(Default)]
struct Waiting<'a> {
    records: Vec<Spooled<'a>>,
    bytes: usize,
}

/// Writes the volumes of an import.
struct Volumes<'s> {
    store: &'s Store,
    writer: Option<RowWriter<'s>>,
    first: u64,
    licences: u64,
    /// Digests of the seals that stand in the volumes already.
    impressions: Vec<Digest>,
}

impl<'s> Volumes<'s> {
    fn open(store: &'s Store, state: &State) -> Result<Self, StoreError> {
        let mut volumes = Self { store, writer: None, first: 0, licences: 0, impressions: Vec::new() };
        volumes.place(state)?;
        if let Some(OpenVolume { first, licences, rows }) = &state.open_volume {
            let path = volumes.temporary();
            let (keys, random) = (&*store.engine.keys, &*store.engine.random);
            volumes.writer = Some(RowWriter::reopen(&*store.disk, &path, rows.clone(), keys, random)?);
            (volumes.first, volumes.licences) = (*first, *licences);
        }
        Ok(volumes)
    }

    fn temporary(&self) -> std::path::PathBuf {
        self.store.places.exports.join("import.tmp")
    }

    fn take(&mut self, state: &mut State, batch: PackedBatch) -> Result<(), StoreError> {
        if self.writer.is_none() {
            let (keys, random) = (&*self.store.engine.keys, &*self.store.engine.random);
            self.writer = Some(RowWriter::create(&*self.store.disk, &self.temporary(), keys, random)?);
            (self.first, self.licences) = (state.before.last_batch + state.batches + 1, 0);
        }
        let Some(writer) = &mut self.writer else { return Err(StoreError::Closed) };
        if !self.impressions.contains(&batch.digest) {
            if batch.impression.digest() != batch.digest {
                return Err(StoreError::Batch("the impression is not the one of its stamp"));
            }
            writer.row(&volume::impression_row(&batch.impression))?;
            self.impressions.push(batch.digest);
        }
        state.batches += 1;
        writer.row(&batch_row(state.before.last_batch + state.batches, &batch.packed))?;
        for (older, newer) in batch.superseded {
            state.changes += 1;
            let status = StatusRecord {
                state: crate::licence::State::Superseded,
                since: batch.time,
                reason: None,
                by: None,
                superseded_by: Some(newer),
                change_number: state.before.last_change + state.changes,
            };
            writer.row(&volume::status_row(&older, &status))?;
        }
        state.licences += batch.licences;
        self.licences += batch.licences;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.bytes() >= FULL)
    }

    /// Ends the volume that is being written; [`Volumes::place`] follows once the state is saved.
    fn close(&mut self, state: &mut State) -> Result<(), StoreError> {
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        let rows = writer.sync()?;
        let volume = Volume::new(self.first, state.before.last_batch + state.batches, self.licences, rows);
        // Its name must be there before the state names it, under one name or the other.
        let dir = &self.store.places.exports;
        self.store.disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
        state.volumes.push(volume);
        state.open_volume = None;
        Ok(())
    }

    /// Gives the last volume of a saved state its name, unless it has it.
    fn place(&self, state: &State) -> Result<(), StoreError> {
        let Some(volume) = state.volumes.last().filter(|_| state.open_volume.is_none()) else {
            return Ok(());
        };
        let (disk, dir) = (&self.store.disk, &self.store.places.exports);
        let (temporary, path) = (self.temporary(), dir.join(volume.file()));
        if disk.len(&path).is_ok() {
            return Ok(());
        }
        disk.rename(&temporary, &path).map_err(DurableError::io("rename", &temporary))?;
        Ok(disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?)
    }

    fn save(&mut self, state: &mut State) -> Result<(), StoreError> {
        if let Some(writer) = &mut self.writer {
            let rows = writer.sync()?;
            let dir = &self.store.places.exports;
            self.store.disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
            state.open_volume = Some(OpenVolume { first: self.first, licences: self.licences, rows });
        }
        Ok(())
    }
}
