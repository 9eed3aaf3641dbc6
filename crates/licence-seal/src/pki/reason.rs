//! Reasons of revocation (RFC 5280 5.3.1).

use std::fmt;

/// Why a certificate was revoked (RFC 5280 5.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RevocationReason {
    Unspecified,
    KeyCompromise,
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    CertificateHold,
    RemoveFromCrl,
    PrivilegeWithdrawn,
    AaCompromise,
}

impl RevocationReason {
    const ALL: [(Self, u8, &'static str); 10] = [
        (Self::Unspecified, 0, "unspecified"),
        (Self::KeyCompromise, 1, "keyCompromise"),
        (Self::CaCompromise, 2, "cACompromise"),
        (Self::AffiliationChanged, 3, "affiliationChanged"),
        (Self::Superseded, 4, "superseded"),
        (Self::CessationOfOperation, 5, "cessationOfOperation"),
        (Self::CertificateHold, 6, "certificateHold"),
        (Self::RemoveFromCrl, 8, "removeFromCRL"),
        (Self::PrivilegeWithdrawn, 9, "privilegeWithdrawn"),
        (Self::AaCompromise, 10, "aACompromise"),
    ];

    /// An unknown code counts as unspecified.
    pub fn from_code(code: u8) -> Self {
        Self::ALL.iter().find(|(_, known, _)| *known == code).map_or(Self::Unspecified, |entry| entry.0)
    }

    pub fn code(self) -> u8 {
        Self::ALL.iter().find(|entry| entry.0 == self).map_or(0, |entry| entry.1)
    }

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|entry| entry.0 == self).map_or("unspecified", |entry| entry.2)
    }

    /// Whether the key was surely in its owner's hands until the revocation. If not, a signature
    /// whose time is only claimed may have been made by whoever took the key.
    pub const fn key_was_safe(self) -> bool {
        matches!(self, Self::AffiliationChanged | Self::Superseded | Self::CessationOfOperation)
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
