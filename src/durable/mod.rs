//! Append-only files, the journal, group commit: what "acknowledged" rests on.
//!
//! A promise of the node is kept by bytes that were fsynced before the promise was made, in files
//! of this room; no database is trusted with it. What is decided here:
//!
//! - All file work goes through [`Disk`], a handful of calls, so that tests put a [`FaultDisk`] in
//!   its place: it forgets or reorders what was not fsynced and fails where it is told to.
//! - A [framed](framed) file tells a torn end, which a crash may leave, from damage in the middle,
//!   which nothing legitimate leaves and which is an error with file and offset.
//! - A [`Journal`] writes one frame for each append, however many payloads it has: an append is there
//!   whole or not at all, and a torn one is always the last thing in its file.
//! - After a failed write or fsync the segment is **abandoned**: the kernel may have dropped the dirty
//!   pages and report success the next time, so trying again on the same file proves nothing. The next
//!   append opens a new segment, whose opening says how far the one before was acknowledged; the
//!   rest of that one is not replayed. For the same reason a start writes the last segment anew before
//!   it builds on it: an earlier process may have met that failure.
//! - A [`Committer`] gathers what many callers hand in, writes it with one fsync, and only then
//!   answers each.
//! - Several files that belong together are replaced as one step ([`Swap`]): a start ends it or undoes it.
//!
//! What a payload means, and encrypting it, is the caller's.

mod committer;
mod copy;
mod disk;
mod fault;
pub mod framed;
mod journal;
mod lock;
mod segments;
mod swap;

pub use committer::{CommitError, Committer, Ledger, Limits, Outcome, Staged};
pub use copy::{Sum, copy_file, sum_file};
pub use disk::{Disk, DiskFile, RealDisk, replace_file};
pub use fault::{FaultDisk, Plan};
pub use journal::{Frozen, Journal, Replayed};
pub use lock::DirLock;
pub use segments::{Position, scan};
pub use swap::Swap;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why stored data could not be written or read back. Clonable, since one failed fsync is the
/// answer to everybody in the group.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DurableError {
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: Arc<io::Error> },
    #[error("{} is not a file of this kind and program", .0.display())]
    NotOurs(PathBuf),
    #[error("{} has format version {found}; this program reads up to {known}", path.display())]
    NewerFormat { path: PathBuf, found: u16, known: u16 },
    #[error("{} is damaged at byte {offset}", path.display())]
    Damaged { path: PathBuf, offset: u64 },
    #[error("segment {segment} is missing in {}", dir.display())]
    MissingSegment { dir: PathBuf, segment: u64 },
    #[error("{bytes} bytes in one append; the limit is {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("another process holds {}", .0.display())]
    Locked(PathBuf),
}

impl DurableError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source: Arc::new(source) }
    }

    /// Stable name of the broken rule.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Io { .. } => "durable.io",
            Self::NotOurs(_) => "durable.notOurs",
            Self::NewerFormat { .. } => "durable.newerFormat",
            Self::Damaged { .. } => "durable.damaged",
            Self::MissingSegment { .. } => "durable.missingSegment",
            Self::TooLarge { .. } => "durable.tooLarge",
            Self::Locked(_) => "durable.locked",
        }
    }
}

#[cfg(test)]
mod tests;
