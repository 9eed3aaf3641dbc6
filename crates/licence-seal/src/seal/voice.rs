//! In whose name a stamp speaks.

use super::manifest::{ATTEST_V1, BATCH_V1};

/// In whose name a stamp speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Voice {
    /// The issuing authority itself: "sealed by".
    Issuer,
    /// The library, for a record whose issuer's key is not here: "attested by".
    Attestation,
}

impl Voice {
    /// The stamp's `propertyInfo`.
    pub const fn property(self) -> &'static str {
        match self {
            Self::Issuer => BATCH_V1,
            Self::Attestation => ATTEST_V1,
        }
    }

    pub fn from_property(text: &str) -> Option<Self> {
        [Self::Issuer, Self::Attestation].into_iter().find(|voice| voice.property() == text)
    }
}
