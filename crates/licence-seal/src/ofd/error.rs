//! Why something is no OFD, or not one that can be looked at.

use super::archive::ArchiveError;
use super::xml::XmlError;

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
