//! The side file that says from where the journal must be replayed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::places::log_bytes;
use crate::durable::{Disk, DurableError, replace_file};
use crate::store::StoreError;
use crate::store::keys::Keyring;

pub(crate) const CHECKPOINT_FILE: &str = "checkpoint.json";
const FORMAT: u32 = 1;

/// The side file's content.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CheckpointBody {
    format: u32,
    pub(crate) sequence: u64,
    pub(crate) last_batch: u64,
    licences: u64,
    last_change: u64,
    /// Operations up to this one may be missing from the journal: exports cover them.
    pub(crate) journal_from: u64,
    /// Bytes of sled's log file, all of them fsynced. 0: not noted by an older program.
    #[serde(default)]
    pub(crate) sled_log: u64,
}

/// Writes the side file.
pub(crate) struct Checkpoint {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    pub(crate) body: CheckpointBody,
}

impl Checkpoint {
    pub(crate) fn load(disk: &Arc<dyn Disk>, dir: &Path, keys: &Keyring) -> Result<Option<Self>, StoreError> {
        let path = dir.join(CHECKPOINT_FILE);
        let Some(content) = disk.read(&path).map_err(DurableError::io("read", &path))? else {
            return Ok(None);
        };
        let body = keys.verify_file(CHECKPOINT_FILE, FORMAT, &content);
        let body = body.map_err(|why| StoreError::File { path: path.clone(), why })?;
        Ok(Some(Self { disk: Arc::clone(disk), path, body }))
    }

    pub(crate) fn new(disk: &Arc<dyn Disk>, dir: &Path, journal_from: u64) -> Self {
        let body = CheckpointBody { format: FORMAT, journal_from, ..CheckpointBody::default() };
        Self { disk: Arc::clone(disk), path: dir.join(CHECKPOINT_FILE), body }
    }

    /// Flushes and fsyncs sled, then notes its counters.
    pub(crate) fn save(&mut self, engine: &Engine) -> Result<(), StoreError> {
        let head = engine.head();
        engine.flush()?;
        self.body = CheckpointBody {
            format: FORMAT,
            sequence: head.sequence,
            last_batch: head.last_batch,
            licences: head.licences,
            last_change: head.last_change,
            journal_from: self.body.journal_from,
            sled_log: log_bytes(&engine.dir),
        };
        self.write(&engine.keys)
    }

    /// Notes that exports cover the operations up to `sequence`, before the journal lets go of them.
    pub(crate) fn release_journal(&mut self, sequence: u64, keys: &Keyring) -> Result<(), StoreError> {
        self.body.journal_from = self.body.journal_from.max(sequence);
        self.write(keys)
    }

    pub(crate) fn write(&self, keys: &Keyring) -> Result<(), StoreError> {
        let content = keys.sign_file(CHECKPOINT_FILE, &self.body);
        Ok(replace_file(&*self.disk, &self.path, &content)?)
    }
}
