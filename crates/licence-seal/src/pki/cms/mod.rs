//! Signed messages: SignedData of CMS (RFC 5652) and of its sister GB/T 35275.
//!
//! The two differ in object identifiers only, as far as files of the field show (the text of GB/T
//! 35275 was not at hand): both are read by the same code, and either's identifiers are accepted in
//! the other's place. A message has exactly one signer here; its content lies inside or is given;
//! the certificates that go along find the signer and serve as intermediates, never as trust. The
//! signed attributes are hashed as received, with the tag of a SET (RFC 5652 5.4).
//!
//! Two known attacks are closed. A message without signed attributes whose content is itself a set
//! of them is refused: its signature may have been made over the attributes of another message. And
//! where the signer named its certificate (RFC 5035, RFC 2634), no other one is taken for it.
//!
//! What is decided here is only whether the message was signed with the key of a certificate.
//! Whether that certificate is worth anything, and when, is for [`Verified::chain`].

#[cfg(feature = "make")]
mod make;
mod parse;
#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
pub(super) mod tests;

#[cfg(feature = "make")]
pub use make::{Draft, Form, sign};
pub use parse::SignedData;

use super::asn1::Fault;
use super::{Anchors, Certificate, Crl, PkiError, Terms, validate};
use crate::crypto::{CryptoError, Suite};
use crate::time::Timestamp;

/// Largest message that is read, in bytes.
pub const MAX_LEN: usize = 4 * 1024 * 1024;
/// Most certificates that go along with a message.
pub const MAX_CERTIFICATES: usize = 16;
/// Most signed attributes.
pub const MAX_ATTRIBUTES: usize = 32;

/// Content of the type `data` (RFC 5652 4).
pub const DATA: &str = "1.2.840.113549.1.7.1";
/// The same of GB/T 35275.
pub const GM_DATA: &str = "1.2.156.10197.6.1.4.2.1";
const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
const GM_SIGNED_DATA: &str = "1.2.156.10197.6.1.4.2.2";
const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
const SIGNING_TIME: &str = "1.2.840.113549.1.9.5";
const SIGNING_CERTIFICATE: &str = "1.2.840.113549.1.9.16.2.12";
const SIGNING_CERTIFICATE_V2: &str = "1.2.840.113549.1.9.16.2.47";

/// Why a message is refused: a variant for each rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CmsError {
    #[error("{place}: {fault}")]
    Der { place: &'static str, fault: Fault },
    #[error("it is BER of indefinite length, which is not read; only DER is")]
    Indefinite,
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    #[error("it is no signed message: its type is {0}")]
    NotSignedData(String),
    #[error("version {0} is not known")]
    Version(u32),
    #[error("it has {0} signers, not one")]
    Signers(usize),
    #[error("the signer's digest algorithm is not among the message's")]
    DigestNotAnnounced,
    #[error("the signer's certificate neither goes along nor is known here")]
    NoSignerCertificate,
    #[error("the content is neither inside nor given")]
    NoContent,
    #[error("the content inside is not the one given")]
    OtherContent,
    #[error("the signed attribute {0} is missing, stands there twice or has not one value")]
    Attribute(&'static str),
    #[error("the content is of another type than the signer says")]
    ContentType,
    #[error("the content is not the one that was signed: its digest is another")]
    Digest,
    #[error("signed attributes are passed off as the content")]
    AttributesAsContent,
    #[error("the signer named another certificate")]
    OtherCertificate,
    #[error("the algorithm {0} is not supported")]
    Algorithm(String),
    #[error("hash, signature and key are not of one suite: {hash}, {signature}, {key}")]
    Mixed { hash: Suite, signature: Suite, key: Suite },
    #[error("the signer's key: {0}")]
    Key(PkiError),
    #[error(transparent)]
    Signature(#[from] CryptoError),
    #[error("cannot be written: {0}")]
    Unwritable(&'static str),
}

impl CmsError {
    /// Stable name of the broken rule.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Der { .. } => "cms.der",
            Self::Indefinite => "cms.indefinite",
            Self::TooLong(_) => "cms.tooLong",
            Self::NotSignedData(_) => "cms.type",
            Self::Version(_) => "cms.version",
            Self::Signers(_) => "cms.signers",
            Self::DigestNotAnnounced => "cms.digestAlgorithms",
            Self::NoSignerCertificate => "cms.signerCertificate",
            Self::NoContent => "cms.noContent",
            Self::OtherContent => "cms.otherContent",
            Self::Attribute(_) => "cms.attribute",
            Self::ContentType => "cms.contentType",
            Self::Digest => "cms.digest",
            Self::AttributesAsContent => "cms.attributesAsContent",
            Self::OtherCertificate => "cms.signingCertificate",
            Self::Algorithm(_) => "cms.algorithm",
            Self::Mixed { .. } => "cms.mixed",
            Self::Key(_) => "cms.key",
            Self::Signature(_) => "cms.signature",
            Self::Unwritable(_) => "cms.unwritable",
        }
    }
}

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

/// Names the place of a [`Fault`].
trait At<T> {
    fn at(self, place: &'static str) -> Result<T, CmsError>;
}

impl<T> At<T> for Result<T, Fault> {
    fn at(self, place: &'static str) -> Result<T, CmsError> {
        self.map_err(|fault| CmsError::Der { place, fault })
    }
}
