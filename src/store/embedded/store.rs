//! The store as others hold it: the traits over engine and writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;

use super::check::{self, Checked};
use super::engine::{Engine, declared};
use super::fold::Folder;
use super::ledger::{NewBatch, NewLicence, Reply, Request, StoreLedger};
use super::places::{Places, give_up_sled, mark_closed};
use super::rekeying::Rekeying;
use super::settle::end_rekeying;
use super::volume::Volume;
use super::{export, stats};
use crate::durable::{CommitError, Committer, DirLock, Disk};
use crate::store::forms::{block, op};
use crate::store::{
    BackupOptions, BackupReport, BatchNumber, Beside, Breakdown, CheckOptions, CheckReport, ExportReport,
    FetchMasterKey, Found, LicenceIssuer, LicenceReader, Location, Recovery, Registry, RekeyReport,
    StatusChange, StatusRecord, StoreAdmin, StoreError, StoreSettings, StoreStats, StoredBatch, Watch,
};
use licence_seal::crypto::Digest;
use licence_seal::licence::{Catalogue, HolderCodeType, Identifier, TypeCode};
use licence_seal::seal::{Manifest, SaltKey, SaltKeyId, SealImpression, SealedBatch};
use licence_seal::time::Timestamp;

/// Most bytes of one change: with a group's other changes it must fit a journal frame.
const MAX_CHANGE: usize = 48 << 20;

/// Licences of one type that may carry one number: its versions, as a rule.
const MAX_OF_NUMBER: usize = 256;

/// A store on sled and journal. Dropping it writes a checkpoint and closes it.
pub struct Store {
    pub(in crate::store) engine: Arc<Engine>,
    pub(in crate::store) committer: Arc<Committer<StoreLedger>>,
    pub(in crate::store) disk: Arc<dyn Disk>,
    pub(in crate::store) places: Places,
    pub(in crate::store) settings: StoreSettings,
    pub(super) recovery: Recovery,
    /// An import was interrupted while it filled sled: nothing else may change the store.
    pub(super) loading: AtomicBool,
    pub(super) folder: Option<Folder>,
    pub(super) exporting: Mutex<()>,
    pub(in crate::store) rekeying: Rekeying,
    // Last, so that it is let go when all else is closed.
    pub(super) _lock: DirLock,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.places.dir).finish_non_exhaustive()
    }
}

impl Store {
    #[cfg(test)]
    pub(in crate::store) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Moves some of what was issued live into the packed indexes; how many licences.
    #[cfg(test)]
    pub(in crate::store) fn fold(&self) -> Result<u64, StoreError> {
        super::fold::stride(&self.committer).unwrap_or(Err(StoreError::Closed))
    }

    /// Licences after which an import notes how far it came.
    pub fn import_checkpoint(&self) -> u64 {
        self.settings.import_checkpoint
    }

    /// # Errors
    /// [`StoreError::ImportUnderWay`]
    fn changeable(&self) -> Result<(), StoreError> {
        if self.import_under_way() { Err(StoreError::ImportUnderWay) } else { Ok(()) }
    }

    /// An import begins or ends to have sled to itself.
    pub(in crate::store) fn set_loading(&self, loading: bool) {
        self.loading.store(loading, Ordering::SeqCst);
    }

    /// Has the next opening build sled anew.
    pub(in crate::store) fn give_up_sled(&self) -> Result<(), StoreError> {
        give_up_sled(&*self.disk, &self.places.dir)
    }

    pub(in crate::store) fn submit(&self, request: Request) -> Result<Reply, StoreError> {
        self.committer.submit(request).map_err(|why| match why {
            CommitError::Refused(why) => why,
            CommitError::Failed(why) => why.into(),
            CommitError::Overloaded => StoreError::Overloaded,
            CommitError::Closed => StoreError::Closed,
        })
    }

    fn changed(&self, request: Request) -> Result<bool, StoreError> {
        match self.submit(request)? {
            Reply::Changed(changed) => Ok(changed),
            _ => Err(StoreError::Closed),
        }
    }

    fn put_state(&self, kind: &str, key: &str, value: &Value, only_new: bool) -> Result<bool, StoreError> {
        let json = value.to_string().into_bytes();
        within(json.len())?;
        self.changed(Request::Put { kind: kind.to_owned(), key: key.to_owned(), json, only_new })
    }

    /// Reads what locations lead to. The caller holds the readers' lock.
    fn collect(
        &self,
        locations: Vec<Location>,
        wanted: impl Fn(&op::Entry) -> bool,
    ) -> Result<Vec<Found>, StoreError> {
        let mut all: Vec<Found> = Vec::with_capacity(locations.len());
        for location in locations {
            let last = all.last().map(|found| Arc::clone(&found.batch));
            all.push(self.engine.found(location, last.as_ref(), &wanted)?);
        }
        Ok(all)
    }

    /// To be held while exports are written, copied or removed.
    pub(crate) fn exporting(&self) -> MutexGuard<'_, ()> {
        self.exporting.lock()
    }

    /// Writes an export, see [`StoreAdmin::export`]. The caller holds [`Store::exporting`].
    pub(in crate::store) fn write_export(
        &self,
        now: Timestamp,
        watch: &Watch,
    ) -> Result<(export::Manifest, Vec<Volume>, ExportReport), StoreError> {
        // What an import has loaded is in sled and not in the store yet.
        self.changeable()?;
        // Where changing a key failed at a name, the new files must not take the place of newer ones later.
        end_rekeying(&*self.disk, &self.places.exports)?;
        let engine = Arc::clone(&self.engine);
        // Between two groups: all operations so far lie in the segments so far. The checkpoint makes
        // sure that sled needs none of them again when they are let go.
        let begin = self.committer.run(move |journal, ledger| {
            ledger.save_checkpoint()?;
            Ok::<_, StoreError>((journal.rotate(), engine.head()))
        });
        let (through, head) = begin.ok_or(StoreError::Closed)??;
        let (manifest, volumes, file) =
            export::write(&self.engine, &*self.disk, &self.places, head, through, now, watch)?;
        let keep = self.settings.keep_exports.max(1);
        let kept = export::retain(&*self.disk, &self.places.exports, keep, &self.engine.keys)?;
        let mut removed = None;
        if kept.len() >= keep
            && let Some(oldest) = kept.last()
        {
            let (sequence, through) = (oldest.sequence, oldest.journal_through);
            let engine = Arc::clone(&self.engine);
            let released = self.committer.run(move |journal, ledger| {
                ledger.checkpoint().release_journal(sequence, &engine.keys)?;
                Ok::<_, StoreError>(journal.remove_through(through)?)
            });
            released.ok_or(StoreError::Closed)??;
            removed = Some(through);
        }
        let report = ExportReport {
            file,
            bytes: manifest.rows.bytes + volumes.iter().map(|volume| volume.rows.bytes).sum::<u64>(),
            rows: manifest.rows.rows + volumes.iter().map(|volume| volume.rows.rows).sum::<u64>(),
            batches: manifest.last_batch,
            operations: manifest.sequence,
            journal_removed_through: removed,
        };
        Ok((manifest, volumes, report))
    }

    pub(in crate::store) fn save_checkpoint(&self) -> Result<(), StoreError> {
        self.committer.run(|_, ledger| ledger.save_checkpoint()).unwrap_or(Err(StoreError::Closed))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.folder = None;
        let saved = self.save_checkpoint();
        self.committer.close();
        // Left marked as open, the next start looks more closely.
        if let Err(why) = saved.and_then(|()| mark_closed(&*self.disk, &self.places.dir)) {
            tracing::warn!(%why, "the store was not closed cleanly");
        }
    }
}

impl LicenceReader for Store {
    fn by_identifier(&self, identifier: &Identifier) -> Result<Option<Found>, StoreError> {
        let id = op::id_key(&self.engine.keys, identifier);
        let _reading = self.engine.reading()?;
        let Some(location) = self.engine.locate(&id)? else { return Ok(None) };
        self.engine.found(location, None, |entry| entry.id == id).map(Some)
    }

    fn contains(&self, identifier: &Identifier) -> Result<bool, StoreError> {
        let _reading = self.engine.reading()?;
        Ok(self.engine.locate(&op::id_key(&self.engine.keys, identifier))?.is_some())
    }

    fn by_holder(
        &self,
        code_type: HolderCodeType,
        code: &str,
        type_code: Option<&TypeCode>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let type_code = type_code.map(TypeCode::as_str);
        let prefix = op::holder_key(&self.engine.keys, code_type.code(), code, type_code);
        let wanted = |entry: &op::Entry| entry.holders.iter().any(|holder| holder.starts_with(&prefix));
        let _reading = self.engine.reading()?;
        self.collect(self.engine.locate_holder(&prefix, limit)?, wanted)
    }

    fn by_number(&self, type_code: &TypeCode, number: &str) -> Result<Vec<Found>, StoreError> {
        let key = op::number_key(&self.engine.keys, type_code.as_str(), number);
        let _reading = self.engine.reading()?;
        self.collect(self.engine.locate_number(&key, MAX_OF_NUMBER)?, |entry| entry.number == key)
    }

    fn history(&self, identifier: &Identifier) -> Result<Vec<StatusRecord>, StoreError> {
        let id = op::id_key(&self.engine.keys, identifier);
        let _reading = self.engine.reading()?;
        let Some(location) = self.engine.locate(&id)? else { return Ok(Vec::new()) };
        let found = self.engine.found(location, None, |entry| entry.id == id)?;
        let mut history = vec![declared(&found.batch, &found.record)];
        history.extend(self.engine.statuses(identifier)?);
        Ok(history)
    }

    fn impression(&self, digest: &Digest) -> Result<Option<Arc<SealImpression>>, StoreError> {
        let _reading = self.engine.reading()?;
        Ok(self.engine.read_impression(digest)?.map(Arc::new))
    }

    fn salt_key(&self, id: &SaltKeyId) -> Result<SaltKey, StoreError> {
        self.engine.keys.salt(id)
    }

    fn last_change(&self) -> u64 {
        self.engine.head().last_change
    }

    fn changes_after(&self, number: u64) -> Result<Vec<(Identifier, StatusRecord)>, StoreError> {
        let _reading = self.engine.reading()?;
        let mut changes = self.engine.changes()?;
        changes.retain(|(_, status)| status.change_number > number);
        changes.sort_by_key(|(_, status)| status.change_number);
        Ok(changes)
    }

    fn last_batch(&self) -> u64 {
        self.engine.head().last_batch
    }

    fn batch(&self, number: BatchNumber) -> Result<Option<Arc<StoredBatch>>, StoreError> {
        let _reading = self.engine.reading()?;
        self.engine.batch(number)
    }

    fn manifest(&self, number: BatchNumber) -> Result<Option<Manifest>, StoreError> {
        let _reading = self.engine.reading()?;
        let Some(packed) = self.engine.packed(number)? else { return Ok(None) };
        block::manifest(number, &packed, &self.engine.dictionaries).map(Some)
    }
}

impl LicenceIssuer for Store {
    fn add_batches(
        &self,
        batches: Vec<(SealedBatch, SealImpression)>,
    ) -> Result<Vec<BatchNumber>, StoreError> {
        self.changeable()?;
        if batches.is_empty() {
            return Ok(Vec::new());
        }
        let (mut ready, mut impressions) = (Vec::with_capacity(batches.len()), Vec::new());
        let mut bytes = 0;
        for (sealed, impression) in batches {
            let seal = &sealed.seal;
            block::check_shape(seal, sealed.records.len())?;
            let same = |record: &licence_seal::licence::Record| {
                record.type_code.as_str() == seal.manifest.type_code
                    && record.issuer_code.as_str() == seal.manifest.issuer
            };
            if !sealed.records.iter().all(same) {
                return Err(StoreError::Batch("a record is of another type or issuer than the manifest"));
            }
            if impression.digest() != seal.stamp.impression {
                return Err(StoreError::Batch("the impression is not the one of its stamp"));
            }
            self.engine.keys.salt(&seal.salt_key)?;
            let packed = block::pack(&sealed, &self.engine.dictionaries)?;
            let sealed_at = seal.stamp.time;
            bytes += packed.len();
            if !impressions.contains(&impression) {
                bytes += impression.seal.len() + impression.certificate.len();
                impressions.push(impression);
            }
            let licence = |record: licence_seal::licence::Record| NewLicence {
                id: op::id_key(&self.engine.keys, &record.identifier),
                identifier: record.identifier,
                state: record.state,
                supersedes: record.supersedes,
            };
            let licences = sealed.records.into_iter().map(licence).collect();
            ready.push(NewBatch { packed, sealed_at, licences });
        }
        within(bytes)?;
        match self.submit(Request::Add { batches: ready, impressions })? {
            Reply::Batches(numbers) => Ok(numbers),
            _ => Err(StoreError::Closed),
        }
    }

    fn change_status(&self, change: StatusChange) -> Result<u64, StoreError> {
        self.changeable()?;
        match self.submit(Request::Status(change))? {
            Reply::Change(number) => Ok(number),
            _ => Err(StoreError::Closed),
        }
    }

    fn current_salt_key(&self) -> SaltKey {
        self.engine.keys.current_salt()
    }
}

impl Registry for Store {
    fn put(&self, kind: &str, key: &str, value: &Value) -> Result<(), StoreError> {
        self.put_state(kind, key, value, false).map(|_| ())
    }

    fn insert(&self, kind: &str, key: &str, value: &Value) -> Result<bool, StoreError> {
        self.put_state(kind, key, value, true)
    }

    fn get(&self, kind: &str, key: &str) -> Result<Option<Value>, StoreError> {
        let _reading = self.engine.reading()?;
        self.engine.state(kind, key)
    }

    fn list(&self, kind: &str) -> Result<Vec<(String, Value)>, StoreError> {
        let _reading = self.engine.reading()?;
        self.engine.states(kind)
    }

    fn remove(&self, kind: &str, key: &str) -> Result<bool, StoreError> {
        self.changed(Request::Remove { kind: kind.to_owned(), key: key.to_owned() })
    }
}

impl StoreAdmin for Store {
    fn stats(&self) -> Result<StoreStats, StoreError> {
        let disk = &*self.disk;
        let exported = export::manifests(disk, &self.places.exports)?
            .iter()
            .rev()
            .find_map(|name| export::read_manifest(disk, &self.places.exports, name, &self.engine.keys).ok());
        let saved = self.committer.run(|_, ledger| ledger.checkpoint().body.sequence);
        let head = self.engine.head();
        Ok(StoreStats {
            store_id: hex::encode(self.engine.keys.store),
            licences: head.licences,
            batches: head.last_batch,
            status_changes: head.last_change,
            operations: head.sequence,
            operations_since_checkpoint: head.sequence.saturating_sub(saved.ok_or(StoreError::Closed)?),
            sled_bytes: self.engine.size_on_disk()?,
            files: stats::file_bytes(disk, &self.places)?,
            exported_operations: exported.map(|manifest| manifest.sequence),
            warnings: self
                .engine
                .warnings(&self.places.exports, self.settings.disk_alarm_bytes_per_licence)?,
        })
    }

    fn breakdown(&self, watch: &Watch) -> Result<Breakdown, StoreError> {
        stats::breakdown(&self.engine, watch)
    }

    fn check(&self, catalogue: &Catalogue, options: &CheckOptions) -> Result<CheckReport, StoreError> {
        let checked = Checked {
            disk: &self.disk,
            places: &self.places,
            sort_bytes: self.settings.sort_bytes,
            loading: self.import_under_way(),
        };
        check::check(&self.engine, &checked, catalogue, options)
    }

    fn export(&self, now: Timestamp, watch: &Watch) -> Result<ExportReport, StoreError> {
        let _alone = self.exporting();
        self.write_export(now, watch).map(|(.., report)| report)
    }

    fn backup(
        &self,
        options: &BackupOptions,
        beside: &dyn Beside,
        now: Timestamp,
    ) -> Result<BackupReport, StoreError> {
        self.back_up(options, beside, now)
    }

    fn rekey_salt(&self, master: FetchMasterKey<'_>) -> Result<u32, StoreError> {
        self.new_salt_key(master)
    }

    fn rekey_data(
        &self,
        master: FetchMasterKey<'_>,
        values_per_second: Option<u64>,
        now: Timestamp,
        watch: &Watch,
    ) -> Result<RekeyReport, StoreError> {
        self.new_data_key(master, values_per_second, now, watch)
    }

    fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    fn import_under_way(&self) -> bool {
        self.loading.load(Ordering::SeqCst)
    }
}

fn within(bytes: usize) -> Result<(), StoreError> {
    if bytes > MAX_CHANGE {
        return Err(StoreError::TooLarge { bytes, limit: MAX_CHANGE });
    }
    Ok(())
}
