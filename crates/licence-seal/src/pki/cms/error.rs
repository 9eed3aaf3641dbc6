//! Why a signed message is refused.

use crate::crypto::{CryptoError, Suite};
use crate::pki::PkiError;
use crate::pki::asn1::Fault;

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

/// Names the place of a [`Fault`].
pub trait At<T> {
    fn at(self, place: &'static str) -> Result<T, CmsError>;
}

impl<T> At<T> for Result<T, Fault> {
    fn at(self, place: &'static str) -> Result<T, CmsError> {
        self.map_err(|fault| CmsError::Der { place, fault })
    }
}
