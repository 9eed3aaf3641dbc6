//! Why the store refused, or could not answer: each rule with its stable name.

use std::path::PathBuf;
use std::sync::Arc;

use super::model::Counters;
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
