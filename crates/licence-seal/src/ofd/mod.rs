//! OFD files (GB/T 33190-2016): reading them, verifying their signatures, making them.
//!
//! What is decided here is what a seal on an OFD is worth: which bytes it covers, and whether those
//! are the bytes that a reader shows. So the package is read with one meaning only (see `archive`),
//! references are checked over the unpacked bytes, and every part that the document is made of must
//! be under the seal. What is made here is drawn from a sealed licence alone; nothing is rendered.
//! The seals themselves are the business of [`crate::seal`]. The text of the standard was not at
//! hand: structures follow files of several makers.
//!
//! | file | decides |
//! |---|---|
//! | `archive`, `xml`, `package` | what the bytes say, in one way and within bounds |
//! | `signature` | what `Signatures.xml` and `Signature.xml` say |
//! | `verify` | the checks, by name, and the report |
//! | `page_seal` | whether whoever sealed a licence's page may, and a copy's end |
//! | `kind` | which verification a file gets |
//! | `page`, `text`, `write` | what is drawn, and how it becomes a package |
//! | `shown`, `face`, `licence`, `copy` | the licence and the annotated copy, from a sealed licence alone |
//! | `sign` | adding a signature: what it covers, and what it leaves open |

mod archive;
mod error;
mod kind;
mod package;
mod page_seal;
mod settings;
mod signature;
mod verify;
mod xml;

#[cfg(feature = "make")]
mod copy;
#[cfg(feature = "make")]
mod face;
#[cfg(feature = "make")]
mod licence;
#[cfg(feature = "make")]
mod page;
#[cfg(feature = "make")]
mod shown;
#[cfg(feature = "make")]
mod sign;
#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod testing;
#[cfg(feature = "make")]
mod text;
#[cfg(feature = "make")]
mod write;

pub use archive::{ArchiveError, Entry};
pub use error::OfdError;
pub use kind::FileKind;
pub use package::{Document, Package};
pub use settings::Limits;
pub use signature::{Listed, list as signatures};
pub use verify::verify_ofd;
pub use xml::XmlError;

#[cfg(feature = "make")]
pub use {
    copy::{Annotation, MAX_NAME, annotated_copy},
    licence::{Unsealed, licence_ofd},
    sign::{Mark, Place, Signing, TimeStamper, sign},
    write::{WriteError, pack},
};
