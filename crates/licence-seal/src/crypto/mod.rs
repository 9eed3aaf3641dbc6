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
mod error;
mod hash;
mod hmac;
mod jws;
mod keys;
mod lanes;
mod pem;
mod random;
mod secret;
mod suite;
#[cfg(test)]
pub(crate) mod testing;

pub use aead::AeadKey;
pub use certificate_key::{CertificateKey, SignatureAlgorithm};
pub use ed25519::{Ed25519Public, Ed25519Signer};
pub use error::CryptoError;
pub use hash::{Digest, Sha256, sha1, sha256};
pub use hmac::{Hmac, Messages, hmac_sha256};
pub use jws::{Jws, JwsHeader};
pub use keys::{Beginning, KeyFile, PrivateKey, PublicKey, Signature, Signer};
pub use pem::{pem_decode, pem_decode_all, pem_encode};
pub use random::{Random, SeededRandom, SystemRandom};
pub use secret::{SECRET_LEN, Secret};
pub use suite::{SM2_USER_ID, Suite};
