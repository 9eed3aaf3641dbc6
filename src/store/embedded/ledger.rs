//! Checks a change against what is there, numbers it, and applies it once it is durable.
//!
//! Runs on the one writer thread. A group of changes is staged on top of one another in memory; sled
//! sees none of it before the journal has it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::checkpoint::Checkpoint;
use super::engine::{Engine, declared};
use super::places::Places;
use crate::durable::{Ledger, Staged};
use crate::store::forms::op::{self, AddedBatch, Change, Head, IdKey, Operation, VolumeRef};
use crate::store::{BatchNumber, StatusChange, StatusRecord, StoreError, StoreSettings, StoreWarning};
use licence_seal::licence::{Identifier, State};
use licence_seal::seal::SealImpression;
use licence_seal::time::Timestamp;

/// States by blind identifier.
type Statuses = HashMap<IdKey, StatusRecord>;

/// A batch made ready by its caller's thread: only its number is missing.
pub(crate) struct NewBatch {
    pub(crate) packed: Vec<u8>,
    pub(crate) sealed_at: Timestamp,
    pub(crate) licences: Vec<NewLicence>,
}

pub(crate) struct NewLicence {
    /// Blind.
    pub(crate) id: IdKey,
    pub(crate) identifier: Identifier,
    pub(crate) state: State,
    pub(crate) supersedes: Option<Identifier>,
}

/// A change that is asked for.
pub(crate) enum Request {
    Add {
        batches: Vec<NewBatch>,
        impressions: Vec<SealImpression>,
    },
    Status(StatusChange),
    Put {
        kind: String,
        key: String,
        json: Vec<u8>,
        only_new: bool,
    },
    Remove {
        kind: String,
        key: String,
    },
    /// Volumes that are loaded already, and the counters with them.
    Import {
        volumes: Vec<VolumeRef>,
        before: Head,
        batches: u64,
        licences: u64,
        changes: u64,
    },
}

/// What came of it.
pub(crate) enum Reply {
    Batches(Vec<BatchNumber>),
    Change(u64),
    /// Whether anything was changed.
    Changed(bool),
}

/// The writer's state.
pub(crate) struct StoreLedger {
    engine: Arc<Engine>,
    checkpoint: Checkpoint,
    checkpoint_bytes: u64,
    disk_alarm: u64,
    exports: PathBuf,
    /// Names of the warnings in force, each told once.
    warned: Vec<Cow<'static, str>>,
    bytes_since: u64,
    staged: Vec<Operation>,
    staged_bytes: u64,
    /// What is staged, on top of what sled has.
    head: Head,
    statuses: Statuses,
    states: HashMap<[u8; 32], bool>,
}

impl StoreLedger {
    pub(crate) fn new(
        engine: Arc<Engine>,
        checkpoint: Checkpoint,
        settings: &StoreSettings,
        places: &Places,
    ) -> Self {
        let head = engine.head();
        Self {
            engine,
            checkpoint,
            checkpoint_bytes: settings.checkpoint_bytes,
            disk_alarm: settings.disk_alarm_bytes_per_licence,
            exports: places.exports.clone(),
            warned: Vec::new(),
            bytes_since: 0,
            staged: Vec::new(),
            staged_bytes: 0,
            head,
            statuses: HashMap::new(),
            states: HashMap::new(),
        }
    }

    /// Flushes and fsyncs sled and notes how far it came.
    pub(crate) fn save_checkpoint(&mut self) -> Result<(), StoreError> {
        // One read at least, so that an engine that failed is not noted as good.
        drop(self.engine.reading()?);
        self.checkpoint.save(&self.engine)?;
        self.bytes_since = 0;
        self.warn();
        Ok(())
    }

    fn warn(&mut self) {
        // A size that cannot be told is no reason to stop a checkpoint.
        let Ok(warnings) = self.engine.warnings(&self.exports, self.disk_alarm) else { return };
        for StoreWarning { name, detail } in &warnings {
            if !self.warned.contains(name) {
                tracing::warn!(%name, detail, "the disk");
            }
        }
        self.warned = warnings.into_iter().map(|warning| warning.name).collect();
    }

    pub(crate) fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine)
    }

    pub(crate) const fn checkpoint(&mut self) -> &mut Checkpoint {
        &mut self.checkpoint
    }

    fn current(&self, identifier: &Identifier) -> Result<Option<StatusRecord>, StoreError> {
        let id = op::id_key(&self.engine.keys, identifier);
        if let Some(status) = self.statuses.get(&id) {
            return Ok(Some(status.clone()));
        }
        let Some(location) = self.engine.locate(&id)? else { return Ok(None) };
        if let Some(status) = self.engine.status(identifier)? {
            return Ok(Some(status));
        }
        let found = self.engine.found(location, None, |entry| entry.id == id)?;
        Ok(Some(declared(&found.batch, &found.record)))
    }

    fn add(
        &self,
        batches: Vec<NewBatch>,
        impressions: Vec<SealImpression>,
        next: &mut Head,
    ) -> Result<(Change, Reply, Statuses), StoreError> {
        let mut fresh = Statuses::new();
        let (mut added, mut superseded, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for batch in batches {
            next.last_batch += 1;
            let number = BatchNumber(next.last_batch);
            for licence in batch.licences {
                let id = licence.id;
                let taken = fresh.contains_key(&id)
                    || self.statuses.contains_key(&id)
                    || self.engine.locate(&id)?.is_some();
                if taken {
                    return Err(StoreError::Duplicate(licence.identifier));
                }
                if let Some(old) = &licence.supersedes {
                    let old_id = op::id_key(&self.engine.keys, old);
                    let status = match fresh.get(&old_id) {
                        Some(status) => Some(status.clone()),
                        None => self.current(old)?,
                    };
                    let change = next.last_change + 1;
                    if let Some(status) = supersede(&licence, old, status, batch.sealed_at, change)? {
                        next.last_change = change;
                        fresh.insert(old_id, status.clone());
                        superseded.push((old.clone(), status));
                    }
                }
                let declared = StatusRecord {
                    state: licence.state,
                    since: batch.sealed_at,
                    reason: None,
                    by: None,
                    superseded_by: None,
                    change_number: 0,
                };
                fresh.insert(id, declared);
                next.licences += 1;
            }
            added.push(AddedBatch { number, packed: batch.packed });
            numbers.push(number);
        }
        Ok((Change::Add { impressions, batches: added, superseded }, Reply::Batches(numbers), fresh))
    }

    fn change(&self, change: StatusChange, next: &mut Head) -> Result<(Change, StatusRecord), StoreError> {
        let StatusChange { identifier, state, reason, at, by } = change;
        let Some(now) = self.current(&identifier)? else {
            return Err(StoreError::UnknownLicence(identifier));
        };
        if !now.state.may_become(state) {
            return Err(StoreError::ForbiddenTransition { identifier, from: now.state, to: state });
        }
        next.last_change += 1;
        let status = StatusRecord {
            state,
            since: at,
            reason,
            by: Some(by),
            superseded_by: None,
            change_number: next.last_change,
        };
        Ok((Change::Status(identifier, status.clone()), status))
    }

    fn has_state(&self, kind: &str, key: &str) -> Result<bool, StoreError> {
        match self.states.get(&self.engine.state_key(kind, key)) {
            Some(there) => Ok(*there),
            None => self.engine.has_state(kind, key),
        }
    }
}

/// Whether a version in this state stays as it is when another one supersedes it: it has ended. One that
/// came as superseded already learns by which one.
pub(crate) fn stays(state: State) -> bool {
    state.is_terminal() && state != State::Superseded
}

/// What becomes of an older version: `None` leaves it as it is, because it had ended before.
fn supersede(
    licence: &NewLicence,
    old: &Identifier,
    status: Option<StatusRecord>,
    at: Timestamp,
    change: u64,
) -> Result<Option<StatusRecord>, StoreError> {
    let (identifier, superseded) = (licence.identifier.clone(), old.clone());
    let Some(status) = status else { return Err(StoreError::UnknownSuperseded { identifier, superseded }) };
    if let Some(by) = status.superseded_by {
        return Err(StoreError::AlreadySuperseded { identifier, superseded, by });
    }
    if stays(status.state) {
        return Ok(None);
    }
    Ok(Some(StatusRecord {
        state: State::Superseded,
        since: at,
        reason: None,
        by: None,
        superseded_by: Some(identifier),
        change_number: change,
    }))
}

impl Ledger for StoreLedger {
    type Request = Request;
    type Reply = Reply;
    type Refusal = StoreError;

    fn stage(&mut self, request: Request) -> Result<Staged<Reply>, StoreError> {
        // Nothing more is taken once something durable could not be applied.
        drop(self.engine.reading()?);
        let mut head = self.head;
        head.sequence += 1;
        let (mut statuses, mut state) = (HashMap::new(), None);
        let (change, reply) = match request {
            Request::Add { batches, impressions } => {
                let (change, reply, fresh) = self.add(batches, impressions, &mut head)?;
                statuses = fresh;
                (change, reply)
            }
            Request::Status(change) => {
                let id = op::id_key(&self.engine.keys, &change.identifier);
                let (change, status) = self.change(change, &mut head)?;
                let number = status.change_number;
                statuses.insert(id, status);
                (change, Reply::Change(number))
            }
            Request::Put { kind, key, json, only_new } => {
                if only_new && self.has_state(&kind, &key)? {
                    return Ok(Staged { payloads: Vec::new(), reply: Reply::Changed(false) });
                }
                state = Some((self.engine.state_key(&kind, &key), true));
                (Change::Put(kind, key, json), Reply::Changed(true))
            }
            Request::Remove { kind, key } => {
                if !self.has_state(&kind, &key)? {
                    return Ok(Staged { payloads: Vec::new(), reply: Reply::Changed(false) });
                }
                state = Some((self.engine.state_key(&kind, &key), false));
                (Change::Remove(kind, key), Reply::Changed(true))
            }
            Request::Import { volumes, before, batches, licences, changes } => {
                // The volumes were made for exactly this place.
                if !before.same_licences(&self.head) {
                    return Err(StoreError::Batch("the store was changed during the import"));
                }
                head.last_batch += batches;
                head.licences += licences;
                head.last_change += changes;
                (Change::Import(volumes), Reply::Changed(true))
            }
        };
        let operation = Operation { head, change };
        let payload = operation.seal(&self.engine.keys, &*self.engine.random)?;
        self.head = head;
        self.statuses.extend(statuses);
        self.states.extend(state);
        self.staged_bytes += payload.len() as u64;
        self.staged.push(operation);
        Ok(Staged { payloads: vec![payload], reply })
    }

    fn committed(&mut self) {
        for operation in std::mem::take(&mut self.staged) {
            if let Err(why) = self.engine.apply(&operation) {
                // It is in the journal, so a new start applies it; until then nothing is served.
                tracing::error!(sequence = operation.head.sequence, %why, "durable operation not applied");
                self.engine.fail();
                break;
            }
        }
        self.statuses.clear();
        self.states.clear();
        self.bytes_since += std::mem::take(&mut self.staged_bytes);
        if self.bytes_since >= self.checkpoint_bytes
            && let Err(why) = self.save_checkpoint()
        {
            // The journal keeps everything after the last checkpoint, so nothing is lost by it.
            tracing::warn!(%why, "checkpoint failed");
        }
    }

    fn rolled_back(&mut self) {
        self.staged.clear();
        self.staged_bytes = 0;
        self.statuses.clear();
        self.states.clear();
        self.head = self.engine.head();
    }
}
