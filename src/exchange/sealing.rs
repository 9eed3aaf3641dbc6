//! Seals that this node sets: authorities' on batches, its own on annotated copies.
//!
//! A seal that no verifier would accept, because the issuer list does not bind it, is not set.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::rules;
use licence_seal::crypto::{Random, Signer};
use licence_seal::licence::{Catalogue, LicenceType, RecordRef};
use licence_seal::ofd::{Annotation, Limits, Mark, Place, Signing, WriteError, annotated_copy, sign};
use licence_seal::seal::ses::{Seal, SesError};
use licence_seal::seal::{
    BatchSeal, BindingError, SaltKey, SealError, SealImpression, SealedLicence, SealingKey, Trust,
};
use licence_seal::time::Timestamp;

/// Seals and keys of the authorities whose keys are here.
#[derive(Debug, Default)]
pub struct SealingKeys {
    pub by_issuer: BTreeMap<String, SealingKey>,
    /// The library's own seal, for records whose issuer's key is not here.
    pub attestation: Option<SealingKey>,
    /// The node's own, for annotated copies.
    pub node: Option<NodeSeal>,
}

/// What a batch is sealed with beside the key.
pub struct Sealing<'a> {
    pub catalogue: &'a Catalogue,
    pub trust: &'a Trust,
    pub salt_key: &'a SaltKey,
    pub now: Timestamp,
    pub random: &'a dyn Random,
}

/// Why a batch was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum NotSealed {
    #[error("neither this authority's seal nor an attestation seal is here")]
    NoSeal,
    #[error(transparent)]
    Unbound(#[from] BindingError),
    #[error("an empty batch")]
    Empty,
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl NotSealed {
    /// The rule by which it was refused; of a fault of the node's own, none.
    pub const fn rule(&self) -> Option<&'static str> {
        match self {
            Self::NoSeal => Some(rules::SEAL_NONE),
            Self::Unbound(_) => Some(rules::ISSUER_BINDING),
            Self::Empty | Self::Seal(_) => None,
        }
    }
}

impl SealingKeys {
    /// Seals records of one type and issuer with the issuer's key, or with the library's attestation seal
    /// where that key is not here.
    pub fn seal(
        &self,
        records: &[RecordRef<'_>],
        with: &Sealing<'_>,
    ) -> Result<(BatchSeal, SealImpression), NotSealed> {
        let first = records.first().ok_or(NotSealed::Empty)?;
        let own = self.by_issuer.get(first.issuer_code);
        let key = own.or(self.attestation.as_ref()).ok_or(NotSealed::NoSeal)?;
        let digest = key.certificate_digest();
        with.trust.bind(key.voice(), first.issuer_code, first.type_code, digest, with.now)?;
        Ok(BatchSeal::over(records, with.catalogue, key, with.salt_key, with.now, with.random)?)
    }
}

/// The node's own seal, for annotated copies.
#[derive(Clone)]
pub struct NodeSeal {
    /// DER of the `SESeal`.
    seal: Vec<u8>,
    /// DER of the signer's certificate, one of the seal's list.
    pub certificate: Vec<u8>,
    signer: Arc<dyn Signer>,
    /// Whose it is, as the seal says.
    pub name: String,
}

impl NodeSeal {
    /// # Errors
    /// When `seal` is no seal.
    pub fn new(seal: Vec<u8>, certificate: Vec<u8>, signer: Arc<dyn Signer>) -> Result<Self, SesError> {
        let name = Seal::from_der(&seal)?.name;
        Ok(Self { seal, certificate, signer, name })
    }

    /// Draws an annotated copy and seals it.
    pub fn seal_copy(
        &self,
        licence: &SealedLicence,
        kind: &LicenceType,
        annotation: &Annotation,
    ) -> Result<Vec<u8>, WriteError> {
        let drawn = annotated_copy(licence, kind, annotation)?;
        let place = Place::Within { page: 1, area: drawn.seal_box };
        let signing = Signing {
            certificate: &self.certificate,
            signer: self.signer.as_ref(),
            mark: Mark::Stamp { seal: &self.seal, place, time_stamp: None },
            at: annotation.made_at,
            lock: false,
        };
        sign(&drawn.file, &signing, &Limits::default())
    }
}

impl fmt::Debug for NodeSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeSeal({:?})", self.name)
    }
}
