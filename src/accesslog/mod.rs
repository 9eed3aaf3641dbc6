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
mod error;
mod heads;
mod keys;
mod leaf;
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
pub use error::LogError;
pub use keys::Keys;
pub use leaf::leaf_hash;
pub use ledger::{Access, Jti, Logged, SUBJECTS_PER_PART};
pub use log::{AccessLog, LogSettings, OpenLog, Opened};
pub use note::{Checkpoint, NoteError, VerifierKey, key_id, sign_note, verify_note};
pub use publish::{Inclusion, prove};
pub use search::{Filter, Found, search};
pub use tiles::{Resource, tile_path};
pub use verify::{Finding, Report, VerifyOptions, verify};
