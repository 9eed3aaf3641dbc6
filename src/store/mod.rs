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
//! One way in: name the parts, then say what to do: `OpenStore { … }.open()`, as `Restore { … }.restore()` and
//! `KeyFiles { … }.check()`. What other rooms hold is the [`Store`].
//!
//! | module | decides |
//! |---|---|
//! | `traits`, `model`, `reports`, `error`, `settings` | what others see, what an operator sets |
//! | `keys` | the key file: data, index and salt keys under the master key |
//! | `forms` | byte forms, what any engine shares: of batches, operations, rows |
//! | `embedded` | what is sled's: trees, starting, the copies that do not need it |
//! | `intake` | an import: spool, duplicates and versions, sealing, how far it came |
//! | `sorter` | sorting outside memory |
//! | `memory` | what sled takes of memory |
//! | `watch` | how far long work has come, and ending it |

mod embedded;
mod error;
mod forms;
mod intake;
mod keys;
mod memory;
mod model;
mod reports;
mod settings;
mod sorter;
mod traits;
mod watch;

pub use embedded::{CompactReport, OpenStore, Restore, Restored, Store, floor, probe_sled};
pub use error::StoreError;
pub use intake::{
    Committed, Intake, Phase, Recorded, Recorder, Recording, Refused, SealRecords, SealWatcher, Sealed,
};
pub use keys::KeyFiles;
pub use memory::{MemoryLevel, MemoryWatch, peak_resident_bytes, resident_bytes};
pub use model::{BatchNumber, Counters, Found, Location, StatusChange, StatusRecord, StoredBatch};
pub use reports::{
    BackupOptions, BackupReport, Beside, BesideFiles, Breakdown, CheckOptions, CheckReport, ExportReport,
    FetchMasterKey, FileBytes, Finding, Recovery, RecoveryCause, RekeyReport, StoreStats, StoreWarning,
    TreeValues, TypeStats,
};
pub use settings::StoreSettings;
pub use traits::{LicenceIssuer, LicenceReader, Registry, StoreAdmin};
pub use watch::{Progress, Watch};

#[cfg(test)]
mod tests;
