//! Suites, keys, AEAD, randomness and JSON Web Signatures.
//!
//! No other room names an algorithm. A [`Suite`] is chosen once per seal or certificate and fixes
//! hash, curve and object identifiers together, so that no caller can mix SM3 with P-256. Signing
//! goes through the [`Signer`] trait, which a certified cryptographic machine can stand behind;
//! verifying takes a [`PublicKey`]. ring does P-256, Ed25519, SHA-256, HMAC and AES-256-GCM;
//! RustCrypto's `sm2` and `sm3` do the ShangMi algorithms, because signing there is constant-time
//! by design (the faster alternative is not).

mod aead;
mod ed25519;
mod jws;
mod keys;
mod pem;
mod random;
mod suite;

pub use aead::{AeadKey, SECRET_LEN, Secret};
pub use ed25519::{Ed25519Public, Ed25519Signer};
pub use jws::{Jws, JwsHeader};
pub use keys::{KeyFile, PrivateKey, PublicKey, Signature, Signer};
pub use pem::{pem_decode, pem_decode_all, pem_encode};
pub use random::{Random, SeededRandom, SystemRandom};
pub use suite::{SM2_USER_ID, Suite};

/// A 32-byte digest: SHA-256 or SM3.
pub type Digest = [u8; 32];

/// What can go wrong here. None of the variants carries key material or plaintext.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    #[error("not a {0} private key in PKCS#8")]
    PrivateKey(&'static str),
    #[error("not an uncompressed point on the curve of {0}")]
    PublicKey(&'static str),
    #[error("not a signature: DER SEQUENCE of r and s, or 64 bytes r‖s, with both in range")]
    SignatureFormat,
    #[error("the signature does not verify")]
    SignatureInvalid,
    #[error("signing failed")]
    Signing,
    #[error("the system gave no randomness")]
    Randomness,
    #[error("the ciphertext was changed, or belongs to another key or place")]
    Decryption,
    #[error("too long to encrypt")]
    Encryption,
    #[error("not a PEM block labelled {0}")]
    Pem(&'static str),
    #[error("not a compact JWS of type {0}: {1}")]
    Jws(&'static str, &'static str),
}

/// SHA-256 over the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(part);
    }
    to_digest(context.finish().as_ref())
}

/// HMAC-SHA-256 over the concatenation of `parts` (RFC 2104).
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Digest {
    let mut context = ring::hmac::Context::with_key(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    to_digest(context.sign().as_ref())
}

fn to_digest(bytes: &[u8]) -> Digest {
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(bytes) {
        *to = *from;
    }
    digest
}
