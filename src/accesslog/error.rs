//! Why the log refuses: a variant for each rule.

use std::path::PathBuf;

use crate::durable::{CommitError, DurableError};
use licence_seal::crypto::CryptoError;

/// Why the log cannot be opened, or an access not be logged or found.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Durable(#[from] DurableError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error("this jti was used before")]
    Replayed,
    #[error("the daily limit of {limit} is used up")]
    DailyLimit { limit: u64 },
    #[error("an entry of {bytes} bytes; the limit is {limit}")]
    EntryTooLarge { bytes: usize, limit: usize },
    #[error("op must be 1 to 40 characters of a-z, A-Z, 0-9, '.', '-'")]
    Op,
    #[error("entry {index} is not what this log writes: {rule}")]
    Entry { index: u64, rule: &'static str },
    #[error("log key {}: it does not unwrap: this master key is not the one of the log, or the file was changed", .0.display())]
    WrappedKey(PathBuf),
    #[error("the key {0} is missing and was not destroyed by this program")]
    MissingKey(String),
    #[error("the key {0} was destroyed")]
    DestroyedKey(String),
    #[error("{0} is not a signed head of this log")]
    Head(&'static str),
    #[error(
        "the {what} covers {signed} entries and the log files hold {held}: entries are missing, and signing now would fork the log"
    )]
    HeadAhead { what: &'static str, signed: u64, held: u64 },
    #[error(
        "the {what} of size {size} is not of the entries in the log files: signing now would fork the log"
    )]
    HeadDiffers { what: &'static str, size: u64 },
    #[error("tiles and checkpoint cannot be written; nothing more is accepted until they can")]
    Behind,
    #[error("no proof for {index} in a tree of {size}")]
    NoProof { index: u64, size: u64 },
    #[error("too many accesses are waiting to be written")]
    Overloaded,
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    /// Stable name of the broken rule.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Durable(why) => why.rule(),
            Self::Crypto(_) => "log.crypto",
            Self::Replayed => "log.replayed",
            Self::DailyLimit { .. } => "log.dailyLimit",
            Self::EntryTooLarge { .. } => "log.entryTooLarge",
            Self::Op => "log.op",
            Self::Entry { .. } => "log.entry",
            Self::WrappedKey(_) => "log.wrappedKey",
            Self::MissingKey(_) => "log.missingKey",
            Self::DestroyedKey(_) => "log.destroyedKey",
            Self::Head(_) => "log.head",
            Self::HeadAhead { .. } => "log.headAhead",
            Self::HeadDiffers { .. } => "log.headDiffers",
            Self::Behind => "log.behind",
            Self::NoProof { .. } => "log.noProof",
            Self::Overloaded => "log.overloaded",
            Self::Closed => "log.closed",
        }
    }
}

impl From<CommitError<LogError>> for LogError {
    fn from(why: CommitError<LogError>) -> Self {
        match why {
            CommitError::Refused(why) => why,
            CommitError::Failed(why) => Self::Durable(why),
            CommitError::Overloaded => Self::Overloaded,
            CommitError::Closed => Self::Closed,
        }
    }
}
