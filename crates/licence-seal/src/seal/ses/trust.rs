//! Whom a verifier of seals trusts.

use crate::pki::{Anchors, Certificate, Crl, Revocation};

/// What the verifier trusts and knows. Makers, signers and time stamp authorities are held against
/// the same anchors.
#[derive(Clone, Debug)]
pub struct Trust {
    pub anchors: Anchors,
    pub intermediates: Vec<Certificate>,
    pub crls: Vec<Crl>,
    pub revocation: Revocation,
}

impl Default for Trust {
    /// Nobody is trusted, and revocation must be known.
    fn default() -> Self {
        Self {
            anchors: Anchors::default(),
            intermediates: Vec::new(),
            crls: Vec::new(),
            revocation: Revocation::Required,
        }
    }
}
