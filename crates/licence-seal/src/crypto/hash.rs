//! Digests of one message: SHA-256, and SHA-1 for one comparison.

/// A 32-byte digest: SHA-256 or SM3.
pub type Digest = [u8; 32];

/// SHA-256 over the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(part);
    }
    to_digest(context.finish().as_ref())
}

/// SHA-256 of bytes that come piece by piece.
pub struct Sha256(ring::digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(ring::digest::Context::new(&ring::digest::SHA256))
    }
}

impl Sha256 {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> Digest {
        to_digest(self.0.finish().as_ref())
    }
}

/// SHA-1 (FIPS 180-4), for one comparison only: the first form of the signing-certificate attribute
/// (RFC 2634 5.4) names the signer's certificate by it, beside a signature that does not rest on it.
pub fn sha1(bytes: &[u8]) -> [u8; 20] {
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    let mut found = [0; 20];
    for (to, from) in found.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    found
}

pub(super) fn to_digest(bytes: &[u8]) -> Digest {
    bytes.first_chunk().copied().unwrap_or_default()
}
