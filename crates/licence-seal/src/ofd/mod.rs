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

pub mod archive;
mod copy;
mod face;
mod kind;
mod licence;
pub mod package;
mod page;
mod page_seal;
pub mod settings;
mod shown;
mod sign;
pub mod signature;
#[cfg(test)]
mod testing;
mod text;
pub mod verify;
pub mod write;
pub mod xml;

pub use copy::{Annotation, MAX_NAME, annotated_copy};
pub use kind::FileKind;
pub use licence::{Unsealed, licence_ofd};
pub use package::{Document, Package};
pub use settings::Limits;
pub use sign::{Mark, Place, Signing, TimeStamper, sign};
pub use verify::verify_ofd;
pub use write::WriteError;

use archive::ArchiveError;
use xml::XmlError;

/// Why something is no OFD, or not one that can be looked at.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OfdError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("it is encrypted ({0}); only the decrypted file can be checked")]
    Encrypted(String),
    #[error("{0} is not in the package")]
    Missing(String),
    #[error("{part}: {why}")]
    Xml { part: String, why: XmlError },
    #[error("{part} does not begin with an element {wanted}")]
    Root { part: String, wanted: &'static str },
    #[error("OFD.xml names no document")]
    NoDocument,
    #[error("more than {0} documents")]
    TooManyDocuments(usize),
    #[error("two documents have the same root, {0}")]
    DocumentTwice(String),
    #[error("more than {0} pages and attachments")]
    TooManyPages(usize),
    #[error("the document has no list of pages")]
    NoPages,
    #[error("{part} names \"{location}\", which leads to no entry of the package")]
    Dangling { part: String, location: String },
    #[error("{part} has no {what}")]
    Lacks { part: String, what: &'static str },
    #[error("signature \"{0}\" stands twice in the list")]
    SignatureTwice(String),
    #[error("more than {0} signatures")]
    TooManySignatures(usize),
    #[error("a signature is of type \"{0}\", neither Seal nor Sign")]
    SignatureType(String),
}
