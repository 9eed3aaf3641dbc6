//! What the rooms above may do with the store, one trait for each authority.

use std::sync::Arc;

use serde_json::Value;

use super::error::StoreError;
use super::model::{BatchNumber, Found, StatusChange, StatusRecord, StoredBatch};
use super::reports::{
    BackupOptions, BackupReport, Beside, Breakdown, CheckOptions, CheckReport, ExportReport, FetchMasterKey,
    Recovery, RekeyReport, StoreStats,
};
use super::watch::Watch;
use licence_seal::crypto::Digest;
use licence_seal::licence::{Catalogue, HolderCodeType, Identifier, TypeCode};
use licence_seal::seal::{Manifest, SaltKey, SaltKeyId, SealImpression, SealedBatch, SealedLicence};
use licence_seal::time::Timestamp;

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
