//! A sealed licence: the file `*.licence.json`, media type `application/licence+json`.
//!
//! It has one byte form, the JCS bytes (RFC 8785) of the object below; anything else is refused,
//! so nobody can carry a mark, or a second meaning, in white space or in a repeated member.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::disclosure::{self, Disclosure};
use super::{Manifest, Payload, SealError, canonical};
use crate::crypto::{Digest, Suite};
use crate::merkle;

/// Largest file that is read, in bytes.
pub const MAX_LEN: usize = 20 << 20;

/// Members of a payload: no disclosure may have such a name (RFC 9901 7.1), nor the
/// one that RFC 9901 keeps for array elements.
const RESERVED: [&str; 11] =
    ["v", "id", "type", "schema", "issuer", "issued", "validFrom", "validUntil", "_sd_alg", "_sd", "..."];

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedLicence {
    pub payload: Payload,
    /// The fields that are shown, in the order of their bytes: a set of fields has one form.
    pub disclosures: Vec<String>,
    pub proof: Proof,
    /// Status statement of the issuing city's node (a JWT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// How the payload leads to the stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    pub manifest: String,
    /// Number of the leaf, from 0.
    pub index: u8,
    /// Inclusion path (RFC 6962 2.1.1), each hash in base64, lowest first.
    pub path: Vec<String>,
    /// `SES_Signature` in base64 of DER.
    pub stamp: String,
}

impl SealedLicence {
    /// Reads exactly the canonical bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        if bytes.len() > MAX_LEN {
            return Err(SealError::Canonical("larger than 20 MiB".to_owned()));
        }
        let licence: Self =
            serde_json::from_slice(bytes).map_err(|why| SealError::Canonical(why.to_string()))?;
        if canonical(&licence)? != bytes {
            return Err(SealError::Canonical("the bytes are not the canonical ones".to_owned()));
        }
        Ok(licence)
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SealError> {
        canonical(self)
    }

    pub fn manifest(&self) -> Result<Manifest, SealError> {
        Manifest::parse(&self.proof.manifest)
    }

    /// DER of the stamp.
    pub fn stamp(&self) -> Result<Vec<u8>, SealError> {
        STANDARD.decode(&self.proof.stamp).map_err(|_| SealError::Proof("the stamp is not base64"))
    }

    /// The root that payload, index and path lead to; refused unless the path has just the length
    /// that index and size call for.
    pub fn root(&self, suite: Suite, size: u8) -> Result<Digest, SealError> {
        let mut path = Vec::with_capacity(self.proof.path.len());
        for hash in &self.proof.path {
            let hash = STANDARD.decode(hash).ok().and_then(|hash| Digest::try_from(hash).ok());
            path.push(hash.ok_or(SealError::Proof("a hash of the path is not base64 of 32 bytes"))?);
        }
        merkle::root_from_path(
            &suite,
            u64::from(self.proof.index),
            u64::from(size),
            &self.payload.leaf(suite),
            &path,
        )
        .ok_or(SealError::Proof("index and path do not fit the size of the batch"))
    }

    /// The fields shown, each referenced by the payload exactly once and no name twice.
    pub fn fields(&self, suite: Suite) -> Result<Vec<Disclosure>, SealError> {
        if !self.payload.sd.is_sorted_by(|a, b| a < b) {
            return Err(SealError::Proof("the digests are not sorted, or one is repeated"));
        }
        if !self.disclosures.is_sorted() {
            return Err(SealError::Proof("the disclosures are not in the order of their bytes"));
        }
        let mut used = std::collections::BTreeSet::new();
        let mut names = std::collections::BTreeSet::new();
        let mut fields = Vec::with_capacity(self.disclosures.len());
        for (at, text) in self.disclosures.iter().enumerate() {
            let refuse = |why| SealError::Disclosure { at, why };
            let field = disclosure::decode(text).map_err(refuse)?;
            let digest = disclosure::digest(suite, text);
            if self.payload.sd.binary_search(&digest).is_err() {
                return Err(refuse("the payload does not refer to it"));
            }
            if !used.insert(digest) {
                return Err(refuse("it stands twice"));
            }
            if RESERVED.contains(&field.name.as_str()) {
                return Err(refuse("it has the name of a member of the payload"));
            }
            if !names.insert(field.name.clone()) {
                return Err(refuse("another one has the same name"));
            }
            fields.push(field);
        }
        Ok(fields)
    }
}
