//! Why an import stopped, or left something undone.

use std::path::PathBuf;

use crate::accesslog::LogError;
use crate::exchange::rules;
use crate::exchange::sealing::NotSealed;
use crate::store::StoreError;

/// But for [`ImportError::Export`], nothing of the import is in the store then; what was done is taken up by a
/// second run.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{name}: {why}")]
    File { name: String, why: String },
    #[error("{}: {why}", path.display())]
    RefusedFile { path: PathBuf, why: std::io::Error },
    #[error("the interrupted import had read all its files, and {0} was none of them")]
    AllRead(String),
    #[error("the interrupted import had begun to read {0}, which is missing here")]
    Missing(String),
    #[error("the interrupted import read {known} here, not {given}")]
    OtherFile { known: String, given: String },
    #[error("{0} is not what the interrupted import had read of it")]
    OtherContent(String),
    #[error("{0} is shorter than what the interrupted import had read of it")]
    Shorter(String),
    #[error(transparent)]
    NotSealed(#[from] NotSealed),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
    /// All is in the store and on the log.
    #[error(transparent)]
    Export(StoreError),
    /// What a resumed import must know.
    #[error("the note of the import: {0}")]
    Note(#[from] serde_json::Error),
    #[error("the file of refused lines: {0}")]
    Refusals(std::io::Error),
}

impl ImportError {
    /// The rule that was broken.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::File { .. } => rules::IMPORT_FILE,
            Self::RefusedFile { .. } => rules::IMPORT_REFUSED,
            Self::AllRead(_) | Self::Missing(_) | Self::OtherFile { .. } => rules::IMPORT_OTHER_FILE,
            Self::OtherContent(_) | Self::Shorter(_) => rules::IMPORT_OTHER_CONTENT,
            Self::NotSealed(why) => why.rule().unwrap_or(rules::NODE_INTERNAL),
            Self::Store(why) | Self::Export(why) => why.rule(),
            Self::Log(why) => why.rule(),
            Self::Note(_) | Self::Refusals(_) => rules::NODE_INTERNAL,
        }
    }

    /// Whether what was given cannot be imported, as opposed to a fault of the node's own.
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::NotSealed(why) => why.rule().is_some(),
            Self::Store(why) => matches!(why, StoreError::ImportUnderWay),
            Self::Export(_) | Self::Log(_) | Self::Note(_) | Self::Refusals(_) => false,
            _ => true,
        }
    }
}
