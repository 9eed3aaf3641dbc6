//! Where licences lie.
//!
//! Rooms above see traits by authority ([`LicenceReader`], [`LicenceIssuer`], [`Registry`],
//! [`StoreAdmin`]); code that was handed a reader cannot write. The engine behind them is sled 0.34,
//! which keeps no promise of its own: its `flush` does not fsync, it may lose its tail without a word
//! and panic on damage. So here sled is an index that can be thrown away, and the truth is the
//! **journal** and the **exports**, files of our own:
//!
//! - every change is encrypted, appended to the journal and fsynced before it is applied and before
//!   its caller hears of it; a failed append changes nothing;
//! - a **checkpoint** (sled flushed and its files fsynced) is noted in a side file; the next start
//!   replays what came after it, and a sled that has less than the side file says lost its tail;
//! - a sled folder that is missing, does not open, or lost something is moved aside, never deleted,
//!   and rebuilt from the newest good export and the journal after it;
//! - a journal segment goes only when enough verified exports cover it.
//!
//! Every operation carries its own numbers (sequence, batch, change), so replaying one twice gives
//! the same store. Alternative not taken: a transaction over sled's trees. It would order the change
//! within sled and still promise nothing when the power goes.
//!
//! Batches lie in sled and, once exported or imported, in **volumes**: files that are written once and
//! never change. An export is the list of its volumes and the little that does change; the rebuilding
//! of sled and the end of an import are the same loading of volumes. Of 42 million licences a nightly
//! export writes only what came that day.
//!
//! All that is written is ciphertext except hashes, key numbers and counts. Index keys are blind
//! (HMAC-SHA-256 under a key of their own), so a stolen disk shows how many licences some
//! holder has, never whose.
//!
//! | file | decides |
//! |---|---|
//! | `traits`, `settings` | what others see, what an operator sets |
//! | `keys` | the key file: data, index and salt keys under the master key |
//! | `codec`, `block`, `dictionary`, `op` | byte forms: of a batch, what it is compressed with, of a journalled operation |
//! | `engine`, `packed` | sled's trees: what lies where, reading, applying; many index entries to a value |
//! | `ledger`, `sled_store` | checking and numbering a change; the traits on top |
//! | `open`, `recover` | starting, checkpoints, rebuilding |
//! | `rows`, `volume`, `export` | the copy that does not need sled |
//! | `rekey` | newer keys, and all of it written anew under them |
//! | `backup` | all of it somewhere else, and back |
//! | `sorter`, `load` | sorting outside memory; from volumes into sled |
//! | `intake` | an import: spool, duplicates and versions, sealing, how far it came |
//! | `memory`, `growth`, `compact` | what sled takes of memory and disk, and the cure |
//! | `fold` | what was issued live moves into the packed indexes |
//! | `check`, `stats` | everything re-derived; sizes and counts |
//! | `watch` | how far long work has come, and ending it |
//! | `floor` | for measuring: a store that promises nothing |

mod backup;
mod block;
mod check;
mod codec;
mod compact;
mod dictionary;
mod engine;
mod export;
pub mod floor;
mod fold;
mod growth;
mod intake;
mod keys;
mod ledger;
mod load;
mod memory;
mod op;
mod open;
mod packed;
mod recover;
mod rekey;
mod rows;
mod settings;
mod sled_store;
mod sorter;
mod stats;
mod traits;
mod volume;
mod watch;

pub use backup::{BackupOptions, BackupReport, Beside, BesideFiles, Counters, Restore, Restored};
pub use compact::CompactReport;
pub use growth::StoreWarning;
pub use intake::{
    Committed, Intake, Phase, Recorded, Recorder, Recording, Refused, SealRecords, SealWatcher, Sealed,
};
pub use keys::KeyFiles;
pub use memory::{MemoryLevel, MemoryWatch, peak_resident_bytes, resident_bytes};
pub use open::OpenStore;
pub use rekey::{FetchMasterKey, RekeyReport};
pub use settings::StoreSettings;
pub use sled_store::Store;
pub use traits::{
    BatchNumber, Breakdown, CheckOptions, CheckReport, ExportReport, FileBytes, Finding, Found,
    LicenceIssuer, LicenceReader, Location, Recovery, RecoveryCause, Registry, StatusChange, StatusRecord,
    StoreAdmin, StoreStats, StoredBatch, TreeValues, TypeStats,
};
pub use watch::{Progress, Watch};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::durable::DurableError;
use licence_seal::crypto::CryptoError;
use licence_seal::licence::{Identifier, State};
use licence_seal::seal::SealError;

/// Why the store refused, or could not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error("licence {0} is here already")]
    Duplicate(Identifier),
    #[error("there is no licence {0}")]
    UnknownLicence(Identifier),
    #[error("{identifier} supersedes {superseded}, which is not here")]
    UnknownSuperseded { identifier: Identifier, superseded: Identifier },
    #[error("{identifier} supersedes {superseded}, which {by} superseded already")]
    AlreadySuperseded { identifier: Identifier, superseded: Identifier, by: Identifier },
    #[error("licence {identifier} is {from} and cannot become {to}")]
    ForbiddenTransition { identifier: Identifier, from: State, to: State },
    #[error("the batch does not hold together: {0}")]
    Batch(&'static str),
    #[error("{bytes} bytes in one change; the limit is {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("this master key is not the one of {}; after a change of the master key files.master_key must name the new one", .0.display())]
    WrongMasterKey(PathBuf),
    #[error("the new master key is the one in force; nothing is to be changed")]
    SameMasterKey,
    #[error(
        "this master key is not the one of backup {number} in {}; a backup made before a change of the master key needs the older one",
        dir.display()
    )]
    BackupMasterKey { dir: PathBuf, number: u64 },
    #[error("key file {}: {why}; every export holds a copy", path.display())]
    KeyFile { path: PathBuf, why: &'static str },
    #[error("{}: {why}", path.display())]
    File { path: PathBuf, why: &'static str },
    #[error("{tree} {key}: {why}")]
    Damaged { tree: &'static str, key: String, why: &'static str },
    #[error("journal: operation {found} follows where {expected} should")]
    JournalGap { expected: u64, found: u64 },
    #[error("the journal ends with operation {journal}, but {known} was acknowledged")]
    JournalBehind { journal: u64, known: u64 },
    #[error("no good export covers the operations before {first}, where the journal begins")]
    NothingCovers { first: u64 },
    #[error("the probe {0:?} could not run: {1}")]
    Probe(String, String),
    #[error(
        "an import was interrupted: take it up again with `import --resume`, or drop it with `import --abandon`"
    )]
    ImportUnderWay,
    #[error("the data key is being changed; an import begins when that is done")]
    Rekeying,
    /// Its source gave nothing, or no key.
    #[error("files.master_key: {0}")]
    MasterKeySource(CryptoError),
    #[error("there is no backup{} in {}", number.map_or_else(String::new, |n| format!(" {n}")), dir.display())]
    NoBackup { dir: PathBuf, number: Option<u64> },
    #[error("{} is not empty; a backup is restored where there is nothing", .0.display())]
    NotEmpty(PathBuf),
    #[error("{file} of the backup, {}: {why}", path.display())]
    BackupFile { file: String, path: PathBuf, why: &'static str },
    #[error("{} is not backed up, since it does not read: {why}", path.display())]
    BackupSource { path: PathBuf, why: Box<StoreError> },
    #[error("the restored store has {found:?}, the backup {expected:?}")]
    RestoredDiffers { expected: Counters, found: Counters },
    #[error("what lies beside the store: {0}")]
    Beside(String),
    #[error("the work was ended")]
    Cancelled,
    #[error("too many changes are waiting")]
    Overloaded,
    #[error("the store is closed")]
    Closed,
    /// What was acknowledged is in the journal; a new start applies it.
    #[error("a durable change could not be applied; the store serves nothing until it is opened again")]
    Unapplied,
    #[error("sled: {0}")]
    Sled(#[from] sled::Error),
    #[error(transparent)]
    Durable(#[from] DurableError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error("{0}")]
    Seal(Arc<SealError>),
}

impl From<SealError> for StoreError {
    fn from(why: SealError) -> Self {
        Self::Seal(Arc::new(why))
    }
}

impl StoreError {
    /// Stable name of the broken rule.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Duplicate(_) => "store.duplicate",
            Self::UnknownLicence(_) => "store.unknownLicence",
            Self::UnknownSuperseded { .. } => "store.unknownSuperseded",
            Self::AlreadySuperseded { .. } => "store.alreadySuperseded",
            Self::ForbiddenTransition { .. } => "store.forbiddenTransition",
            Self::Batch(_) => "store.batch",
            Self::TooLarge { .. } => "store.tooLarge",
            Self::WrongMasterKey(_) | Self::BackupMasterKey { .. } => "store.wrongMasterKey",
            Self::SameMasterKey => "store.sameMasterKey",
            Self::KeyFile { .. } => "store.keyFile",
            Self::File { .. } => "store.file",
            Self::Damaged { .. } => "store.damaged",
            Self::JournalGap { .. } => "store.journalGap",
            Self::JournalBehind { .. } => "store.journalBehind",
            Self::NothingCovers { .. } => "store.nothingCovers",
            Self::Probe(..) => "store.probe",
            Self::ImportUnderWay => "store.importUnderWay",
            Self::Rekeying => "store.rekeying",
            Self::MasterKeySource(_) => "store.masterKeySource",
            Self::NoBackup { .. } => "store.noBackup",
            Self::NotEmpty(_) => "store.notEmpty",
            Self::BackupFile { .. } => "store.backupFile",
            Self::BackupSource { .. } => "store.backupSource",
            Self::RestoredDiffers { .. } => "store.restoredDiffers",
            Self::Beside(_) => "store.beside",
            Self::Cancelled => "store.cancelled",
            Self::Overloaded => "store.overloaded",
            Self::Closed => "store.closed",
            Self::Unapplied => "store.unapplied",
            Self::Sled(_) => "store.sled",
            Self::Durable(why) => why.rule(),
            Self::Crypto(_) => "store.crypto",
            Self::Seal(_) => "store.seal",
        }
    }

    /// Whether the caller asked for something that may not be, as opposed to a fault of the store.
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Duplicate(_)
                | Self::UnknownLicence(_)
                | Self::UnknownSuperseded { .. }
                | Self::AlreadySuperseded { .. }
                | Self::ForbiddenTransition { .. }
                | Self::Batch(_)
                | Self::TooLarge { .. }
        )
    }
}

/// Opens the sled folder of a store and reads its ends: what a probe process does, so that a panic of
/// sled ends only that process. Needs no key.
///
/// # Errors
/// [`StoreError::Sled`]; sled may also panic.
pub fn probe_sled(dir: &Path) -> Result<(), StoreError> {
    engine::probe(dir, StoreSettings::default().cache_bytes)
}

#[cfg(test)]
mod tests;
