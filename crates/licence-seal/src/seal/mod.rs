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
//! | `manifest`, `voice` | what is stamped, and in whose name |
//! | `batch`, `leaves`, `salts` | sealing many licences, and cutting one out |
//! | `sealed_licence` | the one byte form of a `*.licence.json` |
//! | `ses` | seals and stamps of GB/T 38540 and its relatives |
//! | `issuers`, `trust` | who may seal what, and what a verifier holds |
//! | `statement` | the issuing city's word on a licence's status |
//! | `check`, `report`, `verify` | the checks, in ETSI EN 319 102-1 words, and what they add up to |

mod check;
pub mod disclosure;
mod error;
mod issuers;
mod jcs;
mod manifest;
mod payload;
pub mod report;
mod sealed_licence;
pub mod ses;
mod statement;
mod trust;
mod verify;
mod voice;

#[cfg(feature = "make")]
mod batch;
#[cfg(feature = "make")]
mod leaves;
#[cfg(feature = "make")]
mod salts;

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod golden;
#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod testing;
#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests;

pub use check::{Check, Indication, Outcome, SubIndication, conclude, label};
pub use error::SealError;
pub(crate) use error::canonical;
pub use issuers::{BindingError, Issuer, IssuerList, NodeBinding, SealBinding};
pub use manifest::{BatchId, MAX_BATCH, Manifest};
pub use payload::Payload;
pub use sealed_licence::{MAX_LEN as MAX_SEALED_LICENCE, Proof, SealedLicence};
pub use statement::{StatusStatement, UnverifiedStatement};
pub use trust::{PageSealer, Trust, folder_files};
pub(crate) use verify::voiced;
pub use verify::{Ask, verify_licence, verify_seal, verify_stamp};
pub use voice::Voice;

#[cfg(feature = "make")]
pub use {
    batch::{BatchSeal, SaltKeys, SealImpression, SealedBatch, SealingKey, StampParts},
    salts::{SaltKey, SaltKeyId, Salts},
};

use crate::crypto::{Digest, Suite};
use crate::merkle;

impl merkle::Hasher for Suite {
    fn hash(&self, parts: &[&[u8]]) -> Digest {
        Suite::hash(*self, parts)
    }

    #[cfg(feature = "make")]
    fn hash_each(&self, messages: &[&[u8]]) -> Vec<Digest> {
        Suite::hash_each(*self, messages)
    }
}
