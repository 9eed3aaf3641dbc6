//! PEM blocks (RFC 7468).

use der::pem::{LineEnding, decode_vec, encode_string};
use rustls_pki_types::pem::{PemObject, SectionKind};

use super::CryptoError;

/// One PEM block with lines of 64 characters.
pub fn pem_encode(label: &'static str, der: &[u8]) -> Result<String, CryptoError> {
    encode_string(label, LineEnding::LF, der).map_err(|_| CryptoError::Pem(label))
}

/// Decodes exactly one block with this label.
pub fn pem_decode(label: &'static str, pem: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let (found, der) = decode_vec(pem).map_err(|_| CryptoError::Pem(label))?;
    if found == label { Ok(der) } else { Err(CryptoError::Pem(label)) }
}

/// A block of any kind, so that foreign blocks in a file can be told apart.
struct Block(SectionKind, Vec<u8>);

impl PemObject for Block {
    fn from_pem(kind: SectionKind, der: Vec<u8>) -> Option<Self> {
        Some(Self(kind, der))
    }
}

/// Every block of `kind` in a text that may hold comments and other blocks.
pub fn pem_decode_all(label: &'static str, pem: &[u8]) -> Result<Vec<Vec<u8>>, CryptoError> {
    let kind = match label {
        "CERTIFICATE" => SectionKind::Certificate,
        "X509 CRL" => SectionKind::Crl,
        _ => return Err(CryptoError::Pem(label)),
    };
    let mut found = Vec::new();
    for block in Block::pem_slice_iter(pem) {
        let Block(at, der) = block.map_err(|_| CryptoError::Pem(label))?;
        if at == kind {
            found.push(der);
        }
    }
    Ok(found)
}
