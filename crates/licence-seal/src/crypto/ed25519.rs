//! Ed25519, for the checkpoints of the access log (RFC 8032).

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::CryptoError;

/// An Ed25519 key pair.
pub struct Ed25519Signer(Ed25519KeyPair);

impl Ed25519Signer {
    /// A new key, as PKCS#8.
    pub fn generate() -> Result<Vec<u8>, CryptoError> {
        let document = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new());
        Ok(document.map_err(|_| CryptoError::Randomness)?.as_ref().to_vec())
    }

    pub fn from_pkcs8(der: &[u8]) -> Result<Self, CryptoError> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
            .map(Self)
            .map_err(|_| CryptoError::PrivateKey("Ed25519"))
    }

    /// From the 32-byte seed of RFC 8032 5.1.5.
    #[cfg(any(test, feature = "testing"))]
    #[doc(hidden)]
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, CryptoError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| CryptoError::PrivateKey("Ed25519"))
    }

    pub fn public(&self) -> Ed25519Public {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        Ed25519Public(bytes)
    }

    /// The 64-byte signature.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Signer({})", hex::encode(self.public().0))
    }
}

/// An Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ed25519Public(pub [u8; 32]);

impl Ed25519Public {
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(message, signature)
            .map_err(|_| CryptoError::SignatureInvalid)
    }
}
