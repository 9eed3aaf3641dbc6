//! What a store has: batches, where a licence lies in them, and what was declared of it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use licence_seal::licence::{Identifier, Record, State};
use licence_seal::seal::BatchSeal;
use licence_seal::time::Timestamp;

/// Running number of a batch in this store, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchNumber(pub u64);

impl fmt::Display for BatchNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a licence lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct Location {
    pub batch: BatchNumber,
    /// Place in the batch, from 0.
    pub slot: u8,
}

/// A sealed batch as it lies in the store. A record is built only when it is asked for.
#[derive(Clone, Debug)]
pub struct StoredBatch {
    pub number: BatchNumber,
    pub seal: BatchSeal,
    /// Each as the store's block format has it.
    pub(super) records: Vec<Vec<u8>>,
}

/// The declared state of a licence, and who declared it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusRecord {
    pub state: State,
    pub since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who declared it; absent for the state that the record came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The version in whose favour it was superseded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<Identifier>,
    /// Number of the change in this store, from 1; 0 is the state that the record came with, which
    /// counts from the moment of sealing.
    pub change_number: u64,
}

/// A state to be declared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatusChange {
    pub identifier: Identifier,
    pub state: State,
    pub reason: Option<String>,
    pub at: Timestamp,
    /// Who declares it, as the access log names them.
    pub by: String,
}

/// A licence that was found: all that is needed to answer from it.
#[derive(Clone, Debug)]
pub struct Found {
    pub record: Record,
    pub batch: Arc<StoredBatch>,
    /// Place in the batch.
    pub index: usize,
    pub status: StatusRecord,
    pub location: Location,
}

/// The counters of a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counters {
    pub operations: u64,
    pub batches: u64,
    pub licences: u64,
    pub status_changes: u64,
}
