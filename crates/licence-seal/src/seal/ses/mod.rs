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

mod error;
mod form;
mod image;
mod limits;
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

pub use error::SesError;
pub use form::{assemble, to_sign};
pub use limits::{MAX_CERTS, MAX_OWN_PICTURE, MAX_PICTURE, MAX_SEAL, MAX_STAMP};
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
