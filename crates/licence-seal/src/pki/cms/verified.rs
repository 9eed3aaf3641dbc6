//! A message whose signature verified.

use super::error::CmsError;
use super::parse::SignedData;
use crate::pki::{Anchors, Certificate, Crl, PkiError, Terms, validate};
use crate::time::Timestamp;

/// What a verified signature says: the signer's key signed this content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    pub signer: Certificate,
    /// All certificates that went along, the signer's among them.
    pub carried: Vec<Certificate>,
    /// The attribute `signingTime`: the signer's claim.
    pub signing_time: Option<Timestamp>,
}

impl Verified {
    /// The signer's path to an anchor, signer first, over what went along and what is known here.
    pub fn chain(
        &self,
        known: &[Certificate],
        anchors: &Anchors,
        crls: &[Crl],
        terms: &Terms,
    ) -> Result<Vec<Certificate>, PkiError> {
        let via = [self.carried.as_slice(), known].concat();
        validate(&self.signer, &via, anchors, crls, terms).map(|chain| chain.iter().cloned().collect())
    }
}

/// Verifies the signature of a message over `content`, which may also lie inside it; `known` are
/// certificates in which the signer is looked for besides those that go along.
pub fn verify_detached(der: &[u8], content: &[u8], known: &[Certificate]) -> Result<Verified, CmsError> {
    SignedData::from_der(der)?.verify(Some(content), known)
}

/// Verifies the signature of a message over the content inside it, and returns both.
pub fn verify_attached(der: &[u8], known: &[Certificate]) -> Result<(Verified, Vec<u8>), CmsError> {
    let message = SignedData::from_der(der)?;
    let verified = message.verify(None, known)?;
    Ok((verified, message.content.ok_or(CmsError::NoContent)?))
}
