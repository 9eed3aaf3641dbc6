//! What the operator asks for, and what they are told.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::model::Counters;
use super::watch::Watch;
use licence_seal::crypto::Secret;

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

/// Something that an operator should look after, while all is still well.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreWarning {
    /// Stable name, as `sledGrown`.
    pub name: Cow<'static, str>,
    pub detail: String,
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
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
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
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
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

/// What lies beside the store and belongs into a backup: the access log. Rooms above bring the two
/// together.
pub trait Beside: Send + Sync {
    /// Says of what a copy consists, as of now.
    ///
    /// # Errors
    /// Why it cannot be copied.
    fn freeze(&self) -> Result<BesideFiles, String>;
}

/// The files of what lies beside the store, by their paths below its folder.
#[derive(Clone, Debug)]
pub struct BesideFiles {
    /// How to know the copy again; stands in the manifest.
    pub about: String,
    pub dir: PathBuf,
    /// Framed files that never change, and their kind.
    pub unchanging: Vec<String>,
    pub kind: [u8; 4],
    /// Small files, and what they hold in the copy.
    pub changing: Vec<(String, Vec<u8>)>,
}

/// What a backup is to do.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// Made if it is not there; holds backups of one store.
    pub dir: PathBuf,
    /// Backups kept in it, the new one included; `None`: all.
    pub keep: Option<usize>,
    pub watch: Watch,
}

/// A backup that was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupReport {
    pub number: u64,
    pub manifest: PathBuf,
    pub counters: Counters,
    /// Of the whole backup.
    pub files: u64,
    pub bytes: u64,
    /// Of these, what was not there yet.
    pub copied_files: u64,
    pub copied_bytes: u64,
    /// Numbers of older backups that were dropped.
    pub dropped: Vec<u64>,
    /// Manifests in the folder that do not read; while there are any, no file is removed.
    pub unreadable: Vec<String>,
}

/// Reads the master key, each time that the key file is to be changed: it is not kept in between.
pub type FetchMasterKey<'a> = &'a dyn Fn() -> Result<Secret, StoreError>;

/// What changing the data key did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RekeyReport {
    /// Number of the current data key.
    pub key: u32,
    /// Whether it was made now; otherwise an earlier change was taken up again.
    pub added: bool,
    /// Values of the database that were written anew.
    pub values: u64,
    /// Dictionaries, volumes and exports that were.
    pub files: u64,
    /// Numbers of the older keys that left the key file.
    pub retired: Vec<u32>,
    /// What still needs an older key, which therefore stays: files beside the exports, or `journal`.
    pub needing: Vec<String>,
}
