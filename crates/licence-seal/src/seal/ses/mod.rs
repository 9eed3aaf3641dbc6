//! Seals and stamps (电子印章, 电子签章): `SESeal` and `SES_Signature` of GM/T 0031-2014 (V1),
//! GB/T 38540-2020 (V4) and GM/T 0031-2025 (V5).
//!
//! All three are read, V4 is written. Every signature is verified over the bytes as they came. What
//! the seal's signature covers is taken from files of several makers, which agree (the standards'
//! own text was not at hand): V1 signs `SEQUENCE { eSealInfo, cert, algorithm }`, V4 and V5 sign
//! `eSealInfo` alone. A stamp's signature covers `TBS_Sign`, the seal in it included.
//!
//! Deviations that the field shows are read and never written: `critical FALSE` spelt out, one kind
//! of text or time in the place of another, times with a fraction or an offset, empty extensions,
//! a signature value that is bare r‖s instead of DER, other identifiers of SM2 and SM3. Where they
//! could matter, a check's reason tells them. Everything else that is not DER of the expected shape
//! is refused.
//!
//! | file | decides |
//! |---|---|
//! | `parse` | what the bytes say |
//! | `form` | a stamp from its parts, byte for byte |
//! | `make` | a new seal |
//! | `verify` | the checks, by name |
//! | `signed` | a signature and its certificate |
//! | `moment` | when a stamp was set, and what proves it |
//! | `image` | whether the picture of a seal that is verified is what it says |
//! | `picture` | the round red seal that is drawn when no picture is given; what counts as a picture |

mod form;
mod image;
mod moment;
mod parse;
mod signed;
mod trust;
mod verify;

#[cfg(feature = "make")]
mod make;
#[cfg(feature = "make")]
mod picture;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod plain_ring;
#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests;

pub use form::{assemble, to_sign};
pub use moment::{TimeProof, message_check};
pub use parse::{CertList, Picture, Seal, Stamp, Version};
pub use signed::{check_certificate, path_check};
pub use trust::Trust;
pub use verify::{Protected, SealVerdict, StampVerdict, check_seal, check_stamp};

#[cfg(feature = "make")]
pub use {
    make::{SealKind, SealSpec, create, with_time_stamp},
    picture::{Drawn, draw, given},
};

use crate::crypto::CryptoError;
use crate::drawing::DrawingError;
use crate::pki::asn1::Fault;

/// Largest seal that is read, in bytes.
pub const MAX_SEAL: usize = 4 * 1024 * 1024;
/// Largest stamp that is read, in bytes.
pub const MAX_STAMP: usize = 5 * 1024 * 1024;
/// Largest picture of a foreign seal, in bytes.
pub const MAX_PICTURE: usize = 1024 * 1024;
/// Largest picture of a seal made here: it goes into every file that the seal seals.
pub const MAX_OWN_PICTURE: usize = 4096;
/// Most certificates or digests in a seal's list.
pub const MAX_CERTS: usize = 64;

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
trait At<T> {
    fn at(self, place: &'static str) -> Result<T, SesError>;
}

impl<T> At<T> for Result<T, Fault> {
    fn at(self, place: &'static str) -> Result<T, SesError> {
        self.map_err(|fault| SesError::Der { place, fault })
    }
}
