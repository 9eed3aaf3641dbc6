//! Suites, keys, AEAD, randomness and JSON Web Signatures.
//!
//! No other room names an algorithm. A [`Suite`] is chosen once per seal or certificate and fixes
//! hash, curve and object identifiers together, so that no caller can mix SM3 with P-256. Signing
//! goes through the [`Signer`] trait: [`open_signer`] gives one from a key file, plain or encrypted, or
//! from a certified cryptographic machine behind PKCS#11. Verifying takes a [`PublicKey`]; certificates
//! and revocation lists, whose kind of key is for others to choose, are verified with a
//! [`CertificateKey`] of a wider, closed list. ring does P-256, P-384, RSA, Ed25519, SHA-2, HMAC and
//! AES-256-GCM;
//! RustCrypto's `sm2` and `sm3` do the ShangMi algorithms, because signing there is constant-time
//! by design (the faster alternative is not). SM3 and HMAC-SHA-256 over many short messages at once are ours,
//! beside them.

mod aead;
mod certificate_key;
mod ed25519;
mod jws;
mod keys;
mod lanes;
mod pem;
mod random;
mod suite;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt;

use self::lanes::HmacLanes;

pub use aead::{AeadKey, SECRET_LEN, Secret};
pub use certificate_key::{CertificateKey, SignatureAlgorithm};
pub use ed25519::{Ed25519Public, Ed25519Signer};
pub use jws::{Jws, JwsHeader};
pub use keys::{Beginning, KeyFile, PrivateKey, PublicKey, Signature, Signer};
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
    #[error("a kind of key or signature that is not supported: {0}")]
    Unsupported(String),
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
    #[error("the key file: {0}")]
    KeyFile(String),
    #[error("the key's encryption is not accepted: {0}")]
    KeyEncryption(&'static str),
    #[error("the key is encrypted, and no passphrase was given")]
    PassphraseNeeded,
    #[error("the passphrase does not open the key")]
    PassphraseWrong,
    #[error("{0}")]
    SecretSource(String),
    #[error("not a pkcs11: URI of one key (RFC 7512): {0}")]
    TokenUri(&'static str),
    #[error("the PKCS#11 library {0}")]
    TokenModule(String),
    #[error("token: {0}")]
    TokenNotFound(&'static str),
    #[error("key in the token: {0}")]
    TokenKey(&'static str),
    #[error("PIN of the token: {0}")]
    TokenPin(&'static str),
    #[error("the token: {0}")]
    TokenDevice(String),
}

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

/// HMAC-SHA-256 over the concatenation of `parts` (RFC 2104).
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Digest {
    code(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key), parts)
}

fn code(key: &ring::hmac::Key, parts: &[&[u8]]) -> Digest {
    let mut context = ring::hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    to_digest(context.sign().as_ref())
}

/// HMAC-SHA-256 (RFC 2104) under a key that is used often.
#[derive(Clone)]
pub struct Hmac {
    key: ring::hmac::Key,
    lanes: HmacLanes,
}

impl Hmac {
    pub fn new(key: &Secret) -> Self {
        let key = key.expose();
        Self { key: ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key), lanes: HmacLanes::new(key) }
    }

    /// The code of the concatenation of `parts`.
    pub fn code(&self, parts: &[&[u8]]) -> Digest {
        code(&self.key, parts)
    }

    /// The code of each message by itself, in their order: of many, several times sooner.
    pub fn code_each(&self, messages: &[&[u8]]) -> Vec<Digest> {
        let one_by_one = || messages.iter().map(|message| self.code(&[message])).collect();
        self.lanes.each(messages).unwrap_or_else(one_by_one)
    }
}

impl fmt::Debug for Hmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hmac")
    }
}

/// Messages that are to be hashed, one after another in the same memory.
#[derive(Default)]
pub struct Messages {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Messages {
    /// Adds the message that `write` appends.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Forgets them and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub fn slices(&self) -> Vec<&[u8]> {
        let mut from = 0;
        let mut next = |end| self.bytes.get(std::mem::replace(&mut from, end)..end).unwrap_or_default();
        self.ends.iter().map(|end| next(*end)).collect()
    }
}

fn to_digest(bytes: &[u8]) -> Digest {
    bytes.first_chunk().copied().unwrap_or_default()
}
