//! Certificates, revocation lists and paths (RFC 5280, GB/T 20518): SM2, P-256, P-384 and RSA.
//!
//! x509-parser reads certificates and lists; what is decided here is what they are worth. A path
//! is built and validated at a moment that the caller names, because a seal is judged when it was
//! set and a connection now. webpki was not taken: it knows no SM2, wants a TLS purpose of every
//! certificate, and cannot look at a moment in the past with that moment's lists.
//!
//! Whoever brings certificates decides how much they cost: so a path has at most 8 of them,
//! building it costs at most 64 signature verifications, its name constraints at most 100,000
//! comparisons, its lists at most 1,024 verifications. What verified once is not verified again.
//!
//! What is not evaluated is refused, never passed over: policy constraints, constraints on forms of
//! names that are not known, indirect lists, critical extensions that are not understood. What is
//! checked, by which rule, and how the public suites come out: `docs/x509.md`.
//!
//! | file | decides |
//! |---|---|
//! | `asn1` | DER as received, and DER written |
//! | `certificate`, `extensions`, `crl` | one object, parsed once and owned |
//! | `names`, `constraints`, `scope` | names and how they compare; which are permitted; which certificates a list is about |
//! | `anchors`, `verified` | who is trusted, and what verified before |
//! | `path`, `rules`, `revocation` | whether a chain leads to an anchor at a moment, keeps the rules, and is not revoked |
//! | `profile` | what a server's chain must keep besides |
//! | `cms` | signed messages (RFC 5652, GB/T 35275), read, verified and made |
//! | `timestamp` | time stamps (RFC 3161, GB/T 20520), read, verified and made |
//! | `issue` | a small certification authority for tests, the demo and `init` |

mod anchors;
pub mod asn1;
mod certificate;
pub mod cms;
mod constraints;
mod crl;
mod extensions;
pub mod issue;
mod names;
mod path;
mod profile;
mod revocation;
mod rules;
mod scope;
#[cfg(test)]
mod tests;
pub mod timestamp;
mod verified;

pub use anchors::Anchors;
pub use certificate::Certificate;
pub use constraints::{MAX_NAME_COMPARISONS, NameConstraints};
pub use crl::{Crl, RevocationReason, Revoked};
pub use extensions::{AuthorityKeyId, BasicConstraints, ExtendedKeyUsage, KeyUsage};
pub use names::{AlternativeNames, DistinguishedName, GeneralName};
pub use path::{Chain, MAX_DEPTH, MAX_LIST_CHECKS, MAX_SIGNATURE_CHECKS, Revocation, Terms, Usage, validate};
pub use scope::DistributionPoint;

use crate::crypto::CryptoError;
use crate::time::Timestamp;
use asn1::Fault;

/// Why a certificate, a list or a path is refused: a variant for each rule. `subject` is the name
/// of the certificate that broke it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PkiError {
    #[error("not a certificate: {0}")]
    CertificateFormat(&'static str),
    #[error("not a certificate revocation list: {0}")]
    CrlFormat(&'static str),
    #[error("not DER: {0}")]
    Der(#[from] Fault),
    #[error("no path leads from \"{subject}\" to an anchor; it names \"{issuer}\" as its issuer")]
    NoPath { subject: String, issuer: String },
    #[error("the signature on \"{subject}\" does not verify with its issuer's key")]
    SignatureInvalid { subject: String },
    #[error("\"{subject}\" has a key or signature of a kind that is not supported: {algorithm}")]
    AlgorithmUnsupported { subject: String, algorithm: String },
    #[error("\"{subject}\" expired at {not_after}")]
    Expired { subject: String, not_after: Timestamp, depth: usize },
    #[error("\"{subject}\" is not valid before {not_before}")]
    NotYetValid { subject: String, not_before: Timestamp, depth: usize },
    #[error("\"{subject}\" issued a certificate but is no certification authority")]
    NotAnAuthority { subject: String },
    #[error("the key of \"{subject}\" may not sign certificates")]
    MayNotSignCertificates { subject: String },
    #[error("\"{subject}\" allows {allowed} authorities below it, the path has {found}")]
    PathLengthExceeded { subject: String, allowed: u32, found: u32 },
    #[error("\"{subject}\" has a critical extension that is not understood: {oid}")]
    UnknownCriticalExtension { subject: String, oid: String },
    #[error("\"{subject}\" meets name constraints that are broken, or of a form that is not supported")]
    NameConstraintsUnsupported { subject: String },
    #[error("the name constraints above \"{subject}\" do not permit its name {name}")]
    NameNotPermitted { subject: String, name: String },
    #[error("\"{subject}\" constrains policies, which are not supported")]
    PolicyUnsupported { subject: String },
    #[error("\"{subject}\" breaks the profile of certificates: {rule}")]
    ProfileBroken { subject: String, rule: &'static str },
    #[error("\"{subject}\" is not a certificate of the server {name}")]
    NotThisServer { subject: String, name: String },
    #[error("the key of \"{subject}\" may not be used for this: {wanted}")]
    UsageNotAllowed { subject: String, wanted: &'static str },
    #[error("\"{subject}\" was revoked at {at}: {reason}")]
    Revoked { subject: String, at: Timestamp, reason: RevocationReason, depth: usize },
    #[error(
        "\"{subject}\" was revoked at {at}, after the claimed moment, but its key was not safe: {reason}"
    )]
    RevokedLater { subject: String, at: Timestamp, reason: RevocationReason },
    #[error("there is no revocation list of \"{issuer}\"")]
    RevocationUnknown { issuer: String },
    #[error("the newest revocation list of \"{issuer}\" ran out at {next_update}")]
    CrlStale { issuer: String, next_update: Timestamp },
    #[error("the revocation list of \"{issuer}\" is not signed by it")]
    CrlSignatureInvalid { issuer: String },
    #[error("building a path took more than {0} signature verifications or comparisons of names")]
    TooMuchWork(usize),
    #[error("this key is not the one of \"{subject}\"")]
    KeyMismatch { subject: String },
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl PkiError {
    /// Stable name of the broken rule.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::CertificateFormat(_) => "certificate.format",
            Self::CrlFormat(_) => "crl.format",
            Self::Der(_) => "certificate.der",
            Self::NoPath { .. } => "path.noPath",
            Self::SignatureInvalid { .. } => "path.signature",
            Self::AlgorithmUnsupported { .. } => "path.algorithm",
            Self::Expired { .. } => "path.expired",
            Self::NotYetValid { .. } => "path.notYetValid",
            Self::NotAnAuthority { .. } => "path.basicConstraints",
            Self::MayNotSignCertificates { .. } => "path.keyUsage",
            Self::PathLengthExceeded { .. } => "path.pathLength",
            Self::UnknownCriticalExtension { .. } => "path.criticalExtension",
            Self::NameConstraintsUnsupported { .. } => "path.nameConstraintsUnsupported",
            Self::NameNotPermitted { .. } => "path.nameConstraints",
            Self::PolicyUnsupported { .. } => "path.policy",
            Self::ProfileBroken { .. } => "path.profile",
            Self::NotThisServer { .. } => "certificate.serverName",
            Self::UsageNotAllowed { .. } => "path.usage",
            Self::Revoked { .. } => "path.revoked",
            Self::RevokedLater { .. } => "path.revokedLater",
            Self::RevocationUnknown { .. } => "path.revocationUnknown",
            Self::CrlStale { .. } => "crl.stale",
            Self::CrlSignatureInvalid { .. } => "crl.signature",
            Self::TooMuchWork(_) => "path.work",
            Self::KeyMismatch { .. } => "certificate.keyMismatch",
            Self::Crypto(_) => "crypto",
        }
    }
}
