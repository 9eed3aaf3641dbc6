//! Seals, sealed batches, and what a verifier is told about them.
//!
//! The licences of one type and issuer are sealed up to 32 at a time: their payloads are the
//! leaves of a Merkle tree, and one GB/T 38540 stamp over the tree's manifest seals them all. So a
//! city of 42 million licences needs 1.3 million SM2 signatures, not 42 million, and still every
//! licence can be cut out with just the fields that its recipient may see and be verified alone,
//! offline, years later. The alternative, one signature for each licence and field set, would need
//! the authority's key at every query.
//!
//! | file | decides |
//! |---|---|
//! | `payload`, `disclosure` | what stands under the seal, and how one field of it is shown |
//! | `manifest`, `batch` | what is stamped, and how a licence leads to it |
//! | `sealed_licence` | the one byte form of a `*.licence.json` |
//! | `ses` | seals and stamps of GB/T 38540 and its relatives |
//! | `issuers`, `trust` | who may seal what, and what a verifier holds |
//! | `statement` | the issuing city's word on a licence's status |
//! | `check`, `report`, `verify` | the checks, in ETSI EN 319 102-1 words, and what they add up to |

pub mod batch;
pub mod check;
pub mod disclosure;
#[cfg(test)]
mod golden;
pub mod issuers;
mod jcs;
pub mod manifest;
pub mod payload;
pub mod report;
pub mod sealed_licence;
pub mod ses;
pub mod statement;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod trust;
pub mod verify;

pub use batch::{BatchSeal, MAX_BATCH, SealedBatch, SealingKey, StampParts};
pub use disclosure::{SaltKey, SaltKeyId};
pub use manifest::{BatchId, Manifest};
pub use payload::Payload;
pub use sealed_licence::SealedLicence;

use crate::crypto::{CryptoError, Digest, Suite};
use crate::merkle;

impl merkle::Hasher for Suite {
    fn hash(&self, parts: &[&[u8]]) -> Digest {
        Suite::hash(*self, parts)
    }

    fn hash_each(&self, messages: &[&[u8]]) -> Vec<Digest> {
        Suite::hash_each(*self, messages)
    }
}

/// Why something could not be sealed, or is not a sealed licence.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("not the canonical form (RFC 8785) of a sealed licence: {0}")]
    Canonical(String),
    #[error("not a manifest licence-batch/v1: {0}")]
    Manifest(&'static str),
    #[error("disclosure {at}: {why}")]
    Disclosure { at: usize, why: &'static str },
    #[error("the proof is not one: {0}")]
    Proof(&'static str),
    #[error("a batch holds 1 to 32 licences of one type and issuer: {0}")]
    Batch(&'static str),
    #[error("{0} is not a field of this type of licence")]
    UnknownField(String),
    #[error("licence type {0} is not in the catalogue")]
    UnknownType(String),
    #[error("seal {0} is not here")]
    UnknownSeal(String),
    #[error("salt key {0} is not here")]
    UnknownSaltKey(String),
    #[error("the licence no longer gives the leaf that was sealed")]
    LeafChanged,
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Ses(#[from] ses::SesError),
    #[error("trust folder: {0}")]
    Trust(String),
}

/// Canonical bytes (RFC 8785). Everything sealed or stored here is made of strings, integers,
/// arrays and objects, for which canonicalisation cannot fail.
pub(crate) fn canonical<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, SealError> {
    serde_json_canonicalizer::to_vec(value).map_err(|why| SealError::Canonical(why.to_string()))
}
