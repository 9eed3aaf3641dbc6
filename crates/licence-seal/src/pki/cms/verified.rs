//! A message whose signature verified.

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
