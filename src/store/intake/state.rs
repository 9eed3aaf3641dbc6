//! The side file of an import: how far it came.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spool::state_file;
use crate::durable::{Disk, DurableError, replace_file};
use crate::store::StoreError;
use crate::store::embedded::volume::{self, Volume};
use crate::store::forms::op::Head;
use crate::store::forms::rows::Seal;
use crate::store::keys::Keyring;

const FORMAT: u32 = 1;
const LABEL: &str = "import";

/// How far an import is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    Reading,
    Sealing,
    Loading,
}

/// What has been sealed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    pub licences: u64,
    pub batches: u64,
    /// Licences that the store had with the same content.
    pub already_here: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct State {
    format: u32,
    pub(crate) phase: Phase,
    /// The store that the batches are numbered for.
    pub(super) before: Head,
    /// The caller's.
    pub(super) note: Value,
    /// What that was when all was read, and nothing resolved.
    pub(super) read_note: Value,
    pub(super) spool_bytes: u64,
    pub(super) seen: Runs,
    pub(super) pairs: Runs,
    pub(super) units_done: u64,
    pub(super) batches: u64,
    pub(super) licences: u64,
    /// Status changes that new versions cause.
    pub(super) changes: u64,
    pub(super) already_here: u64,
    pub(super) volumes: Vec<Volume>,
    pub(super) open_volume: Option<OpenVolume>,
}

/// Sorted runs on disk, and the count of their entries.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Runs {
    pub(super) runs: Vec<String>,
    pub(super) count: u64,
}

/// The volume that is being written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OpenVolume {
    pub(super) first: u64,
    pub(super) licences: u64,
    pub(super) rows: Seal,
}

impl State {
    pub(super) fn new(before: Head) -> Self {
        Self {
            format: FORMAT,
            phase: Phase::Reading,
            before,
            note: Value::Null,
            read_note: Value::Null,
            spool_bytes: 0,
            seen: Runs::default(),
            pairs: Runs::default(),
            units_done: 0,
            batches: 0,
            licences: 0,
            changes: 0,
            already_here: 0,
            volumes: Vec::new(),
            open_volume: None,
        }
    }

    /// Forgets what was sealed and refused since all was read.
    pub(super) fn restart(&mut self) {
        let spooled = Self {
            note: self.read_note.take(),
            spool_bytes: self.spool_bytes,
            seen: std::mem::take(&mut self.seen),
            pairs: std::mem::take(&mut self.pairs),
            ..Self::new(self.before)
        };
        *self = spooled;
    }

    /// Whether the store has what this import brought.
    pub(crate) fn is_in(&self, head: &Head) -> bool {
        self.phase == Phase::Loading
            && self.batches > 0
            && head.sequence > self.before.sequence
            && head.last_batch >= self.before.last_batch + self.batches
    }

    pub(super) const fn sealed(&self) -> Sealed {
        Sealed { licences: self.licences, batches: self.batches, already_here: self.already_here }
    }

    /// Files among the exports that nobody but this import knows.
    pub(super) fn files(&self, disk: &dyn Disk, dir: &Path, keys: &Keyring) -> Vec<String> {
        // An export may have given a volume's name to one of its own since.
        let is_another = |volume: &&Volume| {
            volume::read_manifest(disk, dir, &volume.name, keys)
                .is_ok_and(|there| there.rows.chain != volume.rows.chain)
        };
        let volumes = self.volumes.iter().filter(|volume| !is_another(volume));
        let files = volumes.flat_map(|volume| [volume.manifest_file(), volume.file()]);
        files.chain(["import.tmp".to_owned()]).collect()
    }

    pub(crate) fn load(disk: &dyn Disk, dir: &Path, keys: &Keyring) -> Result<Option<Self>, StoreError> {
        let path = state_file(dir);
        let Some(content) = disk.read(&path).map_err(DurableError::io("read", &path))? else {
            return Ok(None);
        };
        keys.verify_file(LABEL, FORMAT, &content).map(Some).map_err(|why| StoreError::File { path, why })
    }

    pub(super) fn save(&self, disk: &dyn Disk, dir: &Path, keys: &Keyring) -> Result<(), StoreError> {
        Ok(replace_file(disk, &state_file(dir), &keys.sign_file(LABEL, self))?)
    }
}
