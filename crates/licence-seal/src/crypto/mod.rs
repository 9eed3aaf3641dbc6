//! Suites, keys, AEAD, randomness and JSON Web Signatures.
//!
//! No other room names an algorithm. A [`Suite`] is chosen once per seal or certificate and fixes
//! hash, curve and object identifiers together, so that no caller can mix SM3 with P-256. Signing
//! goes through the [`Signer`] trait, so that a key may stay in a certified cryptographic machine;
//! `PrivateKey` (feature `make`) is one held in memory. Verifying takes a [`PublicKey`]; certificates
//! and revocation lists, whose kind of key is for others to choose, are verified with a
//! [`CertificateKey`] of a wider, closed list. ring does P-256, P-384, RSA, Ed25519, SHA-2, HMAC and
//! AES-256-GCM;
//! RustCrypto's `sm2` and `sm3` do the ShangMi algorithms, because signing there is constant-time
//! by design (the faster alternative is not). SM3 and HMAC-SHA-256 over many short messages at once are ours,
//! beside them.

mod certificate_key;
mod ed25519;
mod error;
mod hash;
mod jws;
mod keys;
mod pem;
mod suite;

#[cfg(feature = "make")]
mod aead;
#[cfg(feature = "make")]
mod hmac;
#[cfg(feature = "make")]
mod lanes;
#[cfg(feature = "make")]
mod private_key;
#[cfg(feature = "make")]
mod random;
#[cfg(feature = "make")]
mod secret;

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
pub(crate) mod testing;

pub use certificate_key::{CertificateKey, SignatureAlgorithm};
pub use ed25519::{Ed25519Public, Ed25519Signer};
pub use error::CryptoError;
pub use hash::{Digest, Sha256, sha1, sha256};
pub use jws::{Jws, JwsHeader};
pub use keys::{Beginning, PublicKey, Signature, Signer};
pub use pem::{pem_decode, pem_decode_all, pem_encode};
pub use suite::{SM2_USER_ID, Suite};

#[cfg(feature = "make")]
pub use {
    aead::AeadKey,
    hmac::{Hmac, Messages, hmac_sha256},
    private_key::{KeyFile, PrivateKey},
    random::{Random, SeededRandom, SystemRandom},
    secret::{SECRET_LEN, Secret},
};
