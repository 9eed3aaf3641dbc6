//! The licence as an OFD (GB/T 36905): face, metadata, data index, and the sealed licence itself.
//!
//! The OFD is a view for people and for programs that know OFD. The proof goes along inside it as an
//! attachment, and the authority's stamp on the OFD covers both, so either is enough for a verifier.

use super::WriteError;
use super::face::draw;
use super::shown::Shown;
use super::write::Document;
use crate::licence::{LicenceType, MmBox};
use crate::seal::SealedLicence;
use crate::time::Day;

/// An OFD that is not sealed yet, and where its seal belongs.
#[derive(Clone, PartialEq, Debug)]
pub struct Unsealed {
    pub file: Vec<u8>,
    /// On the first page, in millimetres.
    pub seal_box: MmBox,
}

/// Draws a licence from what `sealed` shows; `created` is the day that the file gives as its own.
/// The same licence and day give the same bytes.
///
/// # Errors
/// When the licence is of another type or not whole, or a picture in it cannot be read.
pub fn licence_ofd(sealed: &SealedLicence, kind: &LicenceType, created: Day) -> Result<Unsealed, WriteError> {
    let shown = Shown::of(sealed, kind)?;
    let face = draw(&shown)?;
    let document = Document {
        id: shown.document_id(&[b"licence", created.to_string().as_bytes()]),
        title: kind.name.clone(),
        created,
        data: shown.metadata(),
        drawing: face.drawing,
        index: face.index,
        attachment: shown.bytes,
    };
    Ok(Unsealed { file: document.pack()?, seal_box: face.seal_box })
}
