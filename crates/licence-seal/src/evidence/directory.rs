//! The directory: which agencies a city vouches for, signed with its directory key.
//!
//! Another city holds it to check request signatures. It names certificates and no rights: what an
//! agency may see elsewhere is for each answering city to grant.

use serde::{Deserialize, Serialize};

use super::EvidenceError;
use crate::crypto::{Digest, Jws, PublicKey, Signer};
use crate::time::Timestamp;

const TYP: &str = "licence-directory+jwt";

/// Claims of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Directory {
    pub region: String,
    pub issued: Timestamp,
    /// After this moment nobody is vouched for until a newer one is there.
    pub next_update: Timestamp,
    pub partners: Vec<DirectoryEntry>,
}

/// One agency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DirectoryEntry {
    pub id: String,
    pub name: String,
    /// SHA-256 of each of its certificates, hexadecimal.
    pub certificates: Vec<String>,
}

impl Directory {
    pub fn sign(&self, directory_key: &dyn Signer) -> Result<String, EvidenceError> {
        Ok(Jws::sign(TYP, self, directory_key, &[])?)
    }

    /// Reads the directory of `region`, signed by the pinned key.
    pub fn verify(token: &str, region: &str, directory_key: &PublicKey) -> Result<Self, EvidenceError> {
        let directory: Self = Jws::parse(TYP, token)?.verify(directory_key)?;
        if directory.region != region {
            return Err(EvidenceError::Issuer(directory.region));
        }
        Ok(directory)
    }

    /// The agency `id`, if `certificate` is one of its own and the directory is still fresh.
    pub fn find(
        &self,
        id: &str,
        certificate: &Digest,
        now: Timestamp,
    ) -> Result<&DirectoryEntry, EvidenceError> {
        if now > self.next_update {
            return Err(EvidenceError::Expired(self.next_update));
        }
        let entry = self.partners.iter().find(|entry| entry.id == id);
        let entry = entry.ok_or_else(|| EvidenceError::Issuer(id.to_owned()))?;
        let wanted = hex::encode(certificate);
        if entry.certificates.contains(&wanted) { Ok(entry) } else { Err(EvidenceError::OtherCertificate) }
    }
}
