//! Why something could not be sealed, or is not a sealed licence.

use super::ses::SesError;
use crate::crypto::CryptoError;

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
    Ses(#[from] SesError),
    #[error("trust folder: {0}")]
    Trust(String),
}

/// Canonical bytes (RFC 8785). Everything sealed or stored here is made of strings, integers,
/// arrays and objects, for which canonicalisation cannot fail.
pub(crate) fn canonical<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, SealError> {
    serde_json_canonicalizer::to_vec(value).map_err(|why| SealError::Canonical(why.to_string()))
}
