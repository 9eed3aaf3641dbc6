//! What the rooms above may do with the store, one trait for each authority.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StoreError;
use super::backup::{BackupOptions, BackupReport, Beside};
use super::growth::StoreWarning;
use super::rekey::{FetchMasterKey, RekeyReport};
use super::watch::Watch;
use licence_seal::crypto::Digest;
use licence_seal::licence::{Catalogue, HolderCodeType, Identifier, Record, State, TypeCode};
use licence_seal::seal::batch::SealImpression;
use licence_seal::seal::{BatchSeal, Manifest, SaltKey, SaltKeyId, SealedBatch, SealedLicence};
use licence_seal::time::Timestamp;

/// Running number of a batch in this store, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchNumber(pub u64);

impl fmt::Display for BatchNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a licence lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct Location {
    pub batch: BatchNumber,
    /// Place in the batch, from 0.
    pub slot: u8,
}

/// A sealed batch as it lies in the store. A record is built only when it is asked for.
#[derive(Clone, Debug)]
pub struct StoredBatch {
    pub number: BatchNumber,
    pub seal: BatchSeal,
    /// Each as the store's block format has it.
    pub(super) records: Vec<Vec<u8>>,
}

/// The declared state of a licence, and who declared it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusRecord {
    pub state: State,
    pub since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who declared it; absent for the state that the record came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The version in whose favour it was superseded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<Identifier>,
    /// Number of the change in this store, from 1; 0 is the state that the record came with, which
    /// counts from the moment of sealing.
    pub change_number: u64,
}

/// A licence that was found: all that is needed to answer from it.
#[derive(Clone, Debug)]
pub struct Found {
    pub record: Record,
    pub batch: Arc<StoredBatch>,
    /// Place in the batch.
    pub index: usize,
    pub status: StatusRecord,
    pub location: Location,
}

/// Reading licences.
///
/// Every answer was decrypted and authenticated; what does not authenticate, or contradicts its
/// index entry, is [`StoreError::Damaged`], never an answer and never "not found".
pub trait LicenceReader: Send + Sync {
    fn by_identifier(&self, identifier: &Identifier) -> Result<Option<Found>, StoreError>;

    /// Whether the identifier is taken, without reading the licence.
    fn contains(&self, identifier: &Identifier) -> Result<bool, StoreError>;

    /// Licences of a holder, of one type or of all, at most `limit`, every version and state.
    fn by_holder(
        &self,
        code_type: HolderCodeType,
        code: &str,
        type_code: Option<&TypeCode>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError>;

    /// Licences of a type by the number printed on them: as a rule the versions of one licence.
    fn by_number(&self, type_code: &TypeCode, number: &str) -> Result<Vec<Found>, StoreError>;

    /// Every state of the licence, oldest first; empty if there is no such licence.
    fn history(&self, identifier: &Identifier) -> Result<Vec<StatusRecord>, StoreError>;

    /// A seal and signer's certificate, by [`SealImpression::digest`].
    fn impression(&self, digest: &Digest) -> Result<Option<Arc<SealImpression>>, StoreError>;

    fn salt_key(&self, id: &SaltKeyId) -> Result<SaltKey, StoreError>;

    /// Number of the last status change, 0 if there was none.
    fn last_change(&self) -> u64;

    /// Status changes after number `number`, in order, with the licence of each.
    fn changes_after(&self, number: u64) -> Result<Vec<(Identifier, StatusRecord)>, StoreError>;

    /// Number of the last batch, 0 if there is none.
    fn last_batch(&self) -> u64;

    /// A whole batch, by its number.
    fn batch(&self, number: BatchNumber) -> Result<Option<Arc<StoredBatch>>, StoreError>;

    /// The manifest of a batch, by its number.
    fn manifest(&self, number: BatchNumber) -> Result<Option<Manifest>, StoreError>;

    /// Cuts the licence out of its batch, showing the fields for which `show` says yes.
    fn cut(
        &self,
        found: &Found,
        catalogue: &Catalogue,
        show: &dyn Fn(&str) -> bool,
    ) -> Result<SealedLicence, StoreError> {
        let seal = &found.batch.seal;
        let impression = self.impression(&seal.stamp.impression)?.ok_or_else(|| StoreError::Damaged {
            tree: "impression",
            key: hex::encode(seal.stamp.impression),
            why: "a batch refers to it and it is not here",
        })?;
        let salt_key = self.salt_key(&seal.salt_key)?;
        Ok(seal.licence(found.index, &found.record, catalogue, &impression, &salt_key, show)?)
    }
}

/// A state to be declared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatusChange {
    pub identifier: Identifier,
    pub state: State,
    pub reason: Option<String>,
    pub at: Timestamp,
    /// Who declares it, as the access log names them.
    pub by: String,
}

/// Adding licences and changing their status. All of it is durable on return.
pub trait LicenceIssuer: Send + Sync {
    /// Adds sealed batches, all of them or none. A record that supersedes another sets that one to
    /// superseded in the same step, unless it had ended already.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`], [`StoreError::UnknownSuperseded`] (add the older version before, or
    /// earlier in the same call), [`StoreError::AlreadySuperseded`], [`StoreError::Batch`];
    /// [`StoreError::TooLarge`] past 48 MiB in one call.
    fn add_batches(
        &self,
        batches: Vec<(SealedBatch, SealImpression)>,
    ) -> Result<Vec<BatchNumber>, StoreError>;

    /// Declares a state and returns the number of the change.
    ///
    /// # Errors
    /// [`StoreError::UnknownLicence`]; [`StoreError::ForbiddenTransition`] by [`State::may_become`].
    fn change_status(&self, change: StatusChange) -> Result<u64, StoreError>;

    /// The salt key for new batches.
    fn current_salt_key(&self) -> SaltKey;
}

/// Small states by kind and key (partners, grants, seals): journalled JSON, read as last written.
pub trait Registry: Send + Sync {
    /// Durable on return.
    fn put(&self, kind: &str, key: &str, value: &Value) -> Result<(), StoreError>;

    /// As [`Registry::put`], but only if there is nothing yet; `false` if there is. Of several callers
    /// exactly one gets `true`, so what must happen once can rest on it.
    fn insert(&self, kind: &str, key: &str, value: &Value) -> Result<bool, StoreError>;

    fn get(&self, kind: &str, key: &str) -> Result<Option<Value>, StoreError>;

    /// All of a kind, sorted by key.
    fn list(&self, kind: &str) -> Result<Vec<(String, Value)>, StoreError>;

    /// Whether there was something to remove. Durable on return.
    fn remove(&self, kind: &str, key: &str) -> Result<bool, StoreError>;
}

/// What the operator looks after.
pub trait StoreAdmin: Send + Sync {
    fn stats(&self) -> Result<StoreStats, StoreError>;

    /// Walks over all batches: long work.
    fn breakdown(&self, watch: &Watch) -> Result<Breakdown, StoreError>;

    /// Re-derives what can be re-derived and lists all that is wrong; it stops at nothing.
    fn check(&self, catalogue: &Catalogue, options: &CheckOptions) -> Result<CheckReport, StoreError>;

    /// Writes an export, reads it back, and lets go of the journal that enough exports cover. The
    /// store keeps serving.
    fn export(&self, now: Timestamp, watch: &Watch) -> Result<ExportReport, StoreError>;

    /// Writes an export and copies all that the last backup in the folder does not have, while the store
    /// keeps serving. An import must not commit meanwhile.
    ///
    /// # Errors
    /// The earlier backups are as they were. [`StoreError::BackupSource`]: a file here is damaged.
    fn backup(
        &self,
        options: &BackupOptions,
        beside: &dyn Beside,
        now: Timestamp,
    ) -> Result<BackupReport, StoreError>;

    /// Adds a salt key, for batches sealed from now on, and returns its number. The older ones stay: what was
    /// sealed is disclosed with them.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`]; nothing is changed.
    fn rekey_salt(&self, master: FetchMasterKey<'_>) -> Result<u32, StoreError>;

    /// Adds a data key, unless an earlier change of it has not ended, and writes what lies under older ones
    /// anew, at most so many values of the database in a second. The store keeps serving.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`]; [`StoreError::ImportUnderWay`], since an import keeps files under the
    /// key that it began with. At any error nothing is lost, and the next call goes on.
    fn rekey_data(
        &self,
        master: FetchMasterKey<'_>,
        values_per_second: Option<u64>,
        now: Timestamp,
        watch: &Watch,
    ) -> Result<RekeyReport, StoreError>;

    /// What the last opening found and did.
    fn recovery(&self) -> &Recovery;

    /// Whether an import was interrupted while it filled the store: it must be taken up or dropped
    /// before anything else may change the store.
    fn import_under_way(&self) -> bool;
}

/// Sizes and counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreStats {
    pub store_id: String,
    pub licences: u64,
    pub batches: u64,
    pub status_changes: u64,
    /// Operations ever acknowledged.
    pub operations: u64,
    /// Operations that a start would have to replay.
    pub operations_since_checkpoint: u64,
    pub sled_bytes: u64,
    #[serde(flatten)]
    pub files: FileBytes,
    /// Operations that the newest export covers.
    pub exported_operations: Option<u64>,
    /// What should be looked after.
    pub warnings: Vec<StoreWarning>,
}

/// Bytes of files, with their manifests; copies beside the exports are not counted again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FileBytes {
    #[serde(rename = "journalBytes")]
    pub journal: u64,
    #[serde(rename = "volumeBytes")]
    pub volumes: u64,
    #[serde(rename = "exportBytes")]
    pub exports: u64,
    #[serde(rename = "dictionaryBytes")]
    pub dictionaries: u64,
}

/// What each type has, in the order of the codes, and how many values lie in each tree beside the batches.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Breakdown {
    pub types: Vec<TypeStats>,
    pub trees: Vec<TreeValues>,
}

/// What one type has.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeStats {
    pub type_code: String,
    pub batches: u64,
    pub licences: u64,
    /// Of its batches, compressed.
    pub bytes: u64,
}

/// Values of a tree: entries, or many of them to a value in those that end in `.base`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TreeValues {
    pub tree: Cow<'static, str>,
    pub values: u64,
}

/// What to check.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// Check one batch of so many; 1 is all. Index entries, statuses and counts are checked in full
    /// only with 1.
    pub every: u64,
    /// Findings listed at the most; the rest are counted.
    pub max_findings: usize,
    /// Licences checked in a second at the most; `None`: as fast as it goes.
    pub licences_per_second: Option<u64>,
    pub watch: Watch,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { every: 1, max_findings: 1000, licences_per_second: None, watch: Watch::default() }
    }
}

/// One way in which the store is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable name, as `batchRoot`.
    pub name: Cow<'static, str>,
    /// Tree and key, or file; never personal data.
    pub location: String,
    pub detail: String,
}

/// What a check saw. Sound when there is no finding.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    pub batches: u64,
    pub licences: u64,
    pub index_entries: u64,
    pub statuses: u64,
    pub states: u64,
    pub impressions: u64,
    pub findings: Vec<Finding>,
    /// Findings beyond those listed.
    pub more_findings: u64,
}

impl CheckReport {
    pub const fn is_sound(&self) -> bool {
        self.findings.is_empty() && self.more_findings == 0
    }
}

/// An export that was written, fsynced and read back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportReport {
    pub file: PathBuf,
    pub bytes: u64,
    pub rows: u64,
    pub batches: u64,
    /// Operations covered; later ones are in the journal.
    pub operations: u64,
    /// Journal segments up to this one were removed; `None` if none could be.
    pub journal_removed_through: Option<u64>,
}

/// Why sled had to be rebuilt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RecoveryCause {
    /// There was no sled folder, but a store.
    Missing,
    /// The probe said that it does not open.
    Probe(String),
    /// It did not open.
    Open(String),
    /// It has less than the checkpoint says.
    LostTail(String),
    /// An import that was filling it was dropped.
    Abandoned,
}

/// What opening found and did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// A new store was made.
    pub created: bool,
    /// The store had not been closed.
    pub unclean: bool,
    pub rebuilt: Option<RecoveryCause>,
    /// Why sled was opened without its snapshots, which then held all that the checkpoint says. A
    /// `store check` should follow.
    pub without_snapshots: Option<RecoveryCause>,
    /// Where sled's snapshots were moved.
    pub snapshots_aside: Option<PathBuf>,
    /// Where the old sled folder was moved.
    pub moved_aside: Option<PathBuf>,
    /// The export that the rebuilding began with.
    pub from_export: Option<PathBuf>,
    /// Exports that could not be used, and why.
    pub bad_exports: Vec<String>,
    /// Operations of the journal that were applied.
    pub replayed: u64,
    /// Bytes of an append that was never acknowledged.
    pub torn_bytes: u64,
}
