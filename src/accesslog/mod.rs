//! The access log: who looked at what, in a record that nobody can rewrite unseen.
//!
//! - **Durable first.** [`AccessLog::append`] returns after the entry is fsynced in the journal under
//!   `journal/`; many callers share one fsync. Whatever depends on the order of entries is decided on
//!   the writer thread: sequence numbers, the receipt counter of each partner, whether a `jti` was
//!   seen before, the daily limit.
//! - **Public shape.** A background thread writes the C2SP tlog-tiles files (`checkpoint`, `tile/…`)
//!   from what is durable, at least once a second. A head is fsynced (`head`) before it is signed; at
//!   the next start it must be a prefix of the journal, or the log does not open: this node never
//!   signs two histories. Journal and entry bundles both hold the entries; the bundles are derived
//!   and are written anew where they are missing.
//! - **Sealed entries.** What an entry tells about people is encrypted under the month's key. Month keys
//!   lie wrapped in `keys/`; destroying one is the deletion that the law asks for after retention, and
//!   the tree over the ciphertexts stays provable.
//! - **Search** streams over the journal and opens entries as it goes. An index would be faster and can be
//!   added without changing a format; it is not here yet.
//!
//! The tree proves that nothing was changed or taken out under a checkpoint. That nothing was *left
//! out* is what the gapless receipt counters are for.
//!
//! The published `tlog_tiles` crate was not taken: its paths are those of the Go checksum database,
//! not of tlog-tiles.

mod copy;
mod entry;
mod keys;
mod ledger;
mod log;
mod note;
mod publish;
mod search;
#[cfg(test)]
mod testing;
mod tiles;
mod unknown;
mod verify;

pub use copy::{LogCopy, check_copy};
pub use entry::{BatchRange, Details, Entry, MAX_ENTRY, Outcome};
pub use keys::Keys;
pub use ledger::{Access, Jti, Logged, SUBJECTS_PER_PART};
pub use log::{AccessLog, LogSettings, Opened};
pub use note::{Checkpoint, NoteError, VerifierKey, key_id, sign_note, verify_note};
pub use publish::{Inclusion, prove};
pub use search::{Filter, Found, search};
pub use tiles::{Resource, tile_path};
pub use verify::{Finding, Report, VerifyOptions, verify};

use std::path::PathBuf;

use crate::durable::{CommitError, DurableError};
use licence_seal::crypto::CryptoError;
use licence_seal::merkle::{self, Hash};

/// Kind of the journal's files.
const JOURNAL_KIND: [u8; 4] = *b"ALOG";

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

/// The log's tree is over SHA-256 whatever the suites of seals (C2SP tlog-tiles).
fn tree_hash(parts: &[&[u8]]) -> Hash {
    licence_seal::crypto::sha256(parts)
}

/// The leaf hash of an entry's bytes.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    merkle::leaf_hash(&tree_hash, entry)
}
