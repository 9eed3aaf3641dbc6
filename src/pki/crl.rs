//! One certificate revocation list (RFC 5280 5), parsed once.
//!
//! Complete lists signed by the authority itself. Delta lists and lists of limited scope carry a
//! critical extension that says so; they are refused, because a list read as more than it is would
//! call a revoked certificate good.

use std::collections::HashMap;
use std::fmt;

use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::PkiError;
use super::certificate::{Certificate, SignedParts};
use crate::crypto::{Signature, Suite, pem_decode_all};
use crate::time::Timestamp;

/// Largest list that is looked at, in bytes.
const MAX_LEN: usize = 32 * 1024 * 1024;

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

/// When and why a certificate was revoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Revoked {
    pub at: Timestamp,
    pub reason: RevocationReason,
}

/// A certificate revocation list.
#[derive(Clone)]
pub struct Crl {
    der: Vec<u8>,
    tbs: Vec<u8>,
    signature: Vec<u8>,
    signature_oid: String,
    issuer_der: Vec<u8>,
    issuer: String,
    this_update: Timestamp,
    next_update: Timestamp,
    revoked: HashMap<Vec<u8>, Revoked>,
}

impl Crl {
    /// Parses DER; the whole input must be one list. A list without `nextUpdate`, or with a
    /// critical extension, is refused.
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        let refuse = PkiError::CrlFormat;
        if der.len() > MAX_LEN {
            return Err(refuse("longer than 32 MiB"));
        }
        let outer = SignedParts::read(der)?;
        let (rest, parsed) =
            CertificateRevocationList::from_der(der).map_err(|_| refuse("x509-parser refuses it"))?;
        if !rest.is_empty() {
            return Err(refuse("bytes follow it"));
        }
        if parsed.extensions().iter().any(|extension| extension.critical) {
            return Err(refuse("it is a delta list or of limited scope, which is not supported"));
        }
        let next_update = parsed.next_update().ok_or(refuse("it says no nextUpdate"))?;
        let mut revoked = HashMap::new();
        for entry in parsed.iter_revoked_certificates() {
            let mut reason = RevocationReason::Unspecified;
            for extension in entry.extensions() {
                match extension.parsed_extension() {
                    ParsedExtension::ReasonCode(code) => reason = RevocationReason::from_code(code.0),
                    _ if extension.critical => {
                        return Err(refuse("an entry has a critical extension that is not understood"));
                    }
                    _ => {}
                }
            }
            let at = Timestamp::from_secs(entry.revocation_date.timestamp());
            revoked.insert(entry.raw_serial().to_vec(), Revoked { at, reason });
        }
        Ok(Self {
            der: der.to_vec(),
            tbs: outer.tbs.to_vec(),
            signature: outer.signature.to_vec(),
            signature_oid: outer.algorithm,
            issuer_der: parsed.issuer().as_raw().to_vec(),
            issuer: parsed.issuer().to_string(),
            this_update: Timestamp::from_secs(parsed.last_update().timestamp()),
            next_update: Timestamp::from_secs(next_update.timestamp()),
            revoked,
        })
    }

    /// Every list of a PEM text; other blocks are passed over.
    pub fn from_pem_all(pem: &[u8]) -> Result<Vec<Self>, PkiError> {
        pem_decode_all("X509 CRL", pem)?.iter().map(|der| Self::from_der(der)).collect()
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }

    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    pub fn next_update(&self) -> Timestamp {
        self.next_update
    }

    /// How many certificates it revokes.
    pub fn len(&self) -> usize {
        self.revoked.len()
    }

    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty()
    }

    /// Whether the list speaks of `at`: issued by `now`, and not run out before `at`.
    pub fn is_fresh(&self, at: Timestamp, now: Timestamp) -> bool {
        self.this_update <= now && at <= self.next_update
    }

    /// What the list says of a certificate of its issuer.
    pub fn find(&self, serial: &[u8]) -> Option<Revoked> {
        self.revoked.get(serial).copied()
    }

    /// Verifies the signature: by `issuer`, whose name must match and who may sign lists.
    pub fn verify(&self, issuer: &Certificate) -> Result<(), PkiError> {
        let invalid = || PkiError::CrlSignatureInvalid { issuer: self.issuer.clone() };
        let may_sign = issuer.key_usage().is_none_or(|usage| usage.crl_sign);
        if issuer.subject_der() != self.issuer_der || !may_sign {
            return Err(invalid());
        }
        let key = issuer.public_key()?;
        if Suite::from_signature_oid(&self.signature_oid) != Some(key.suite()) {
            return Err(invalid());
        }
        let signature = Signature::from_der(&self.signature).map_err(|_| invalid())?;
        key.verify(&self.tbs, &signature).map_err(|_| invalid())
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crl({}, {} to {}, {})", self.issuer, self.this_update, self.next_update, self.len())
    }
}
