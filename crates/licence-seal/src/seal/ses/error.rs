//! Why something is no seal or stamp, or cannot be made into one.

use crate::crypto::CryptoError;
use crate::drawing::DrawingError;
use crate::pki::asn1::Fault;

/// Why something is no seal or stamp, or cannot be made into one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SesError {
    #[error("{place}: {fault}")]
    Der { place: &'static str, fault: Fault },
    #[error("the header says \"{0}\", not \"ES\"")]
    Header(String),
    #[error("version {0} is not known")]
    Version(u32),
    #[error("the structure is not the one of version {0}")]
    Shape(u32),
    #[error("{0} is longer than allowed")]
    TooLong(&'static str),
    #[error("the list of certificates is of kind {0}, not 1 or 2")]
    CertListKind(u32),
    #[error("an extension is critical and not understood: {0}")]
    CriticalExtension(String),
    #[error("cannot be written: {0}")]
    Unwritable(&'static str),
    #[error("the picture: {0}")]
    Picture(&'static str),
    #[error("the picture: {0}")]
    Drawing(#[from] DrawingError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl SesError {
    /// Stable name of the broken rule.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Der { .. } => "ses.der",
            Self::Header(_) => "ses.header",
            Self::Version(_) => "ses.version",
            Self::Shape(_) => "ses.shape",
            Self::TooLong(_) => "ses.tooLong",
            Self::CertListKind(_) => "ses.certListKind",
            Self::CriticalExtension(_) => "ses.criticalExtension",
            Self::Unwritable(_) => "ses.unwritable",
            Self::Picture(_) | Self::Drawing(_) => "ses.picture",
            Self::Crypto(_) => "crypto",
        }
    }
}

/// Names the place of a [`Fault`].
pub trait At<T> {
    fn at(self, place: &'static str) -> Result<T, SesError>;
}

impl<T> At<T> for Result<T, Fault> {
    fn at(self, place: &'static str) -> Result<T, SesError> {
        self.map_err(|fault| SesError::Der { place, fault })
    }
}
