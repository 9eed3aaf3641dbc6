//! Blind keys: what is hashed for one, alone and many together.

use licence_seal::crypto::{Digest, Messages};

/// What is to be blinded together: of many, several times sooner than one by one.
#[derive(Default)]
pub(crate) struct Blinding(pub(super) Messages);

impl Blinding {
    /// Adds what [`Keyring::blind`] would be given.
    pub(crate) fn push(&mut self, label: &str, parts: &[&str]) {
        self.0.push(|out| write_blinded(out, label, parts));
    }
}

pub(super) fn write_blinded(out: &mut Vec<u8>, label: &str, parts: &[&str]) {
    out.extend_from_slice(label.as_bytes());
    out.push(0);
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
}

/// A blind key at the length that is kept of it.
pub(crate) fn first<const N: usize>(code: &Digest) -> [u8; N] {
    let mut key = [0; N];
    key.iter_mut().zip(code).for_each(|(to, from)| *to = *from);
    key
}
