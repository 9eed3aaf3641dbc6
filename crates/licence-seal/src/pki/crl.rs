//! One certificate revocation list (RFC 5280 5), parsed once.
//!
//! Lists signed by the authority itself, complete or of a scope that they state (`scope`), and delta
//! lists, whose silence says nothing. Indirect lists (of other authorities' certificates) are
//! refused, as is any list with a critical extension that is not understood, in itself or in an
//! entry: a list read as more than it is would call a revoked certificate good. An entry counts from its invalidity date if it states
//! one that is earlier (RFC 5280 5.3.2), because from there on the key was doubtful.

use std::collections::HashMap;
use std::fmt;

use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{CertificateRevocationList, FromDer, RevokedCertificate, X509Version};

use super::asn1::{GENERALIZED_TIME, whole};
use super::certificate::{Certificate, SignedParts};
use super::names::DistinguishedName;
use super::scope::{Reasons, Scope};
use super::verified::Verified;
use super::{PkiError, RevocationReason};
use crate::crypto::{Digest, SignatureAlgorithm, pem_decode_all, sha256};
use crate::time::Timestamp;

/// Largest list that is looked at, in bytes.
const MAX_LEN: usize = 32 * 1024 * 1024;
/// Most extensions of a list, or of one entry.
const MAX_EXTENSIONS: usize = 16;

const DELTA_CRL_INDICATOR: &str = "2.5.29.27";
const EXPIRED_CERTS_ON_CRL: &str = "2.5.29.60";

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
    fingerprint: Digest,
    tbs: Vec<u8>,
    signature: Vec<u8>,
    algorithm: Option<SignatureAlgorithm>,
    issuer_der: Vec<u8>,
    issuer_name: DistinguishedName,
    issuer: String,
    this_update: Timestamp,
    next_update: Timestamp,
    scope: Scope,
    is_delta: bool,
    keeps_expired_since: Option<Timestamp>,
    revoked: HashMap<Vec<u8>, Revoked>,
}

impl Crl {
    /// Parses DER; the whole input must be one list of version 2 with `nextUpdate` and `cRLNumber`
    /// (RFC 5280 5.1.2.1, 5.1.2.5, 5.2.3).
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
        if parsed.version() != Some(X509Version::V2) {
            return Err(refuse("not of version 2"));
        }
        let next_update = parsed.next_update().ok_or(refuse("it says no nextUpdate"))?;
        let Extensions { scope, is_delta, keeps_expired_since } = Extensions::read(&parsed)?;
        let mut revoked: HashMap<Vec<u8>, Revoked> = HashMap::new();
        for entry in parsed.iter_revoked_certificates() {
            let said = read_entry(entry)?;
            if is_delta && said.reason == RevocationReason::RemoveFromCrl {
                continue;
            }
            let kept = revoked.entry(entry.raw_serial().to_vec()).or_insert(said);
            if said.at < kept.at {
                *kept = said;
            }
        }
        Ok(Self {
            der: der.to_vec(),
            fingerprint: sha256(&[der]),
            tbs: outer.tbs.to_vec(),
            signature: outer.signature.to_vec(),
            algorithm: outer.algorithm.known.ok(),
            issuer_name: DistinguishedName::read(parsed.issuer().as_raw())
                .map_err(|_| refuse("its issuer is no name"))?,
            issuer_der: parsed.issuer().as_raw().to_vec(),
            issuer: parsed.issuer().to_string(),
            this_update: Timestamp::from_secs(parsed.last_update().timestamp()),
            next_update: Timestamp::from_secs(next_update.timestamp()),
            scope,
            is_delta,
            keeps_expired_since,
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

    /// The issuer, in the form in which names are compared.
    pub fn issuer_name(&self) -> &DistinguishedName {
        &self.issuer_name
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

    /// For which reasons the list, in its scope, would name `certificate`. After a certificate
    /// has expired a list drops it, unless it says otherwise, and then speaks of it no more.
    pub(super) fn covers(&self, certificate: &Certificate) -> Reasons {
        let expired_before = certificate.not_after() < self.this_update;
        let dropped =
            expired_before && self.keeps_expired_since.is_none_or(|since| certificate.not_after() < since);
        if dropped || self.is_delta {
            return Reasons::NONE;
        }
        let is_authority = certificate.basic_constraints().is_some_and(|constraints| constraints.ca);
        self.scope.covers(is_authority, certificate.distribution_points())
    }

    /// Verifies that the list is by `issuer`: its name, its right to sign lists, the signature.
    pub fn verify(&self, issuer: &Certificate) -> Result<(), PkiError> {
        self.verify_once(issuer, &Verified::default())
    }

    /// [`Crl::verify`], but a signature that is known to verify is not verified again.
    pub(super) fn verify_once(&self, issuer: &Certificate, known: &Verified) -> Result<(), PkiError> {
        let invalid = || PkiError::CrlSignatureInvalid { issuer: self.issuer.clone() };
        let may_sign = issuer.key_usage().is_none_or(|usage| usage.crl_sign);
        if *issuer.subject_name() != self.issuer_name || !may_sign {
            return Err(invalid());
        }
        let key = issuer.certificate_key()?;
        let algorithm = self.algorithm.ok_or_else(invalid)?;
        known.once(issuer.spki(), &self.fingerprint, || {
            key.verify(algorithm, &self.tbs, &self.signature).map_err(|_| invalid())
        })
    }
}

struct Extensions {
    scope: Scope,
    is_delta: bool,
    keeps_expired_since: Option<Timestamp>,
}

impl Extensions {
    fn read(list: &CertificateRevocationList<'_>) -> Result<Self, PkiError> {
        let refuse = PkiError::CrlFormat;
        let mut found = Self { scope: Scope::COMPLETE, is_delta: false, keeps_expired_since: None };
        let mut has_number = false;
        if list.tbs_cert_list.extensions_map().is_err() || list.extensions().len() > MAX_EXTENSIONS {
            return Err(refuse("an extension stands there twice, or there are more than 16"));
        }
        for extension in list.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::IssuingDistributionPoint(_) => {
                    found.scope = Scope::read(extension.value, list.issuer().as_raw())?;
                    if found.scope.indirect {
                        return Err(refuse(
                            "it is a list of other authorities' certificates, which is not supported",
                        ));
                    }
                }
                ParsedExtension::CRLNumber(_) if !extension.critical => has_number = true,
                ParsedExtension::ParseError { .. } => {
                    return Err(refuse("an extension that is known does not parse"));
                }
                _ if extension.oid.to_id_string() == EXPIRED_CERTS_ON_CRL => {
                    found.keeps_expired_since = Some(whole(extension.value, GENERALIZED_TIME)?.time()?);
                }
                _ if extension.oid.to_id_string() == DELTA_CRL_INDICATOR => found.is_delta = true,
                _ if extension.critical => {
                    return Err(refuse("it has a critical extension that is not understood"));
                }
                _ => {}
            }
        }
        if has_number { Ok(found) } else { Err(refuse("it has no cRLNumber")) }
    }
}

fn read_entry(entry: &RevokedCertificate<'_>) -> Result<Revoked, PkiError> {
    let refuse = PkiError::CrlFormat;
    let mut reason = RevocationReason::Unspecified;
    let mut at = Timestamp::from_secs(entry.revocation_date.timestamp());
    if entry.extensions().len() > MAX_EXTENSIONS {
        return Err(refuse("an entry has more than 16 extensions"));
    }
    for extension in entry.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::ReasonCode(code) => reason = RevocationReason::from_code(code.0),
            ParsedExtension::InvalidityDate(date) => {
                at = at.min(Timestamp::from_secs(date.timestamp()));
            }
            _ if extension.critical => {
                return Err(refuse("an entry has a critical extension that is not understood"));
            }
            _ => {}
        }
    }
    Ok(Revoked { at, reason })
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crl({}, {} to {}, {})", self.issuer, self.this_update, self.next_update, self.len())
    }
}
