//! Certificates that are trusted without proof.

use std::sync::Arc;

use super::verified::Verified;
use super::{Certificate, PkiError};
use crate::crypto::{PublicKey, pem_decode_all, sha256};

/// Trust anchors. They remember which signatures verified under them, also for their clones.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    certificates: Vec<Certificate>,
    most_authorities: Option<usize>,
    verified: Arc<Verified>,
}

impl Anchors {
    pub fn new(certificates: Vec<Certificate>) -> Self {
        Self { certificates, ..Self::default() }
    }

    pub fn from_pem_all(pem: &[u8]) -> Result<Self, PkiError> {
        let found = pem_decode_all("CERTIFICATE", pem)?;
        found.iter().map(|der| Certificate::from_der(der)).collect::<Result<_, _>>().map(Self::new)
    }

    /// Allows at most `most` authorities that are not self-issued below an anchor, whatever its
    /// certificate allows (RFC 5937 4, `pathLenConstraint`).
    pub fn with_most_authorities(self, most: usize) -> Self {
        Self { most_authorities: Some(most), ..self }
    }

    pub(super) const fn most_authorities(&self) -> Option<usize> {
        self.most_authorities
    }

    pub(super) fn verified(&self) -> &Verified {
        &self.verified
    }

    /// Calls `verify` unless it said before, under these anchors, that `signature` is one over
    /// `message` by `key`: for what many files have in common, such as the seal of an authority.
    pub fn verified_once<E>(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
        verify: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let length = u64::try_from(message.len()).unwrap_or(u64::MAX).to_be_bytes();
        let suite = key.suite().name().as_bytes();
        let both = sha256(&[b"message and signature", suite, &length, message, signature]);
        self.verified.once(key.point(), &both, verify)
    }

    pub fn push(&mut self, certificate: Certificate) {
        self.certificates.push(certificate);
    }

    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.certificates.contains(certificate)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Certificate> {
        self.certificates.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }
}
