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

mod error;
mod known;
#[cfg(feature = "make")]
mod make;
mod parse;
#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
pub(super) mod tests;
mod verified;

pub use error::CmsError;
pub use known::{DATA, GM_DATA, MAX_ATTRIBUTES, MAX_CERTIFICATES, MAX_LEN};
#[cfg(feature = "make")]
pub use make::{Draft, Form, sign};
pub use parse::{SignedData, verify_attached, verify_detached};
pub use verified::Verified;
