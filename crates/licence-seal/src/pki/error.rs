//! Which rule a certificate, a list or a path breaks.

use super::RevocationReason;
use super::asn1::Fault;
use crate::crypto::CryptoError;
use crate::time::Timestamp;

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
