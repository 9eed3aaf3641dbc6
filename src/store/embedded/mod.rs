//! The store on sled and a journal of our own.
//!
//! Nothing of sled is named outside this module and its errors: what lies above sees the traits.
//!
//! | file | decides |
//! |---|---|
//! | `engine` | sled's trees: what lies where, reading, applying |
//! | `places`, `checkpoint` | where the parts lie; from where the journal must be replayed |
//! | `ledger`, `store` | checking and numbering a change; the traits on top |
//! | `open`, `settle`, `recover` | starting, ending what a kill interrupted, rebuilding |
//! | `volume`, `export`, `load` | the copy that does not need sled, and from it into sled |
//! | `rekey`, `rekeying` | newer keys, and all of it written anew under them; no import meanwhile |
//! | `backup` | all of it somewhere else, and back |
//! | `growth`, `compact` | what sled takes of the disk, and the cure |
//! | `fold` | what was issued live moves into the packed indexes |
//! | `check`, `stats` | everything re-derived; sizes and counts |
//! | `floor` | for measuring: a store that promises nothing |

mod backup;
mod check;
mod checkpoint;
mod compact;
pub(super) mod engine;
mod export;
pub mod floor;
mod fold;
mod growth;
mod ledger;
mod load;
mod open;
mod places;
mod recover;
mod rekey;
mod rekeying;
mod settle;
mod stats;
mod store;
pub(super) mod volume;

pub use self::backup::{Restore, Restored};
pub use self::compact::CompactReport;
pub use self::engine::probe_sled;
#[cfg(test)]
pub(super) use self::fold::Folder;
pub(super) use self::ledger::{Request, stays};
pub(super) use self::load::Loader;
pub use self::open::OpenStore;
pub use self::store::Store;
