//! Authenticated encryption at rest: AES-256-GCM with random nonces.
//!
//! A ciphertext is `nonce (12) ‖ encrypted ‖ tag (16)`. Random 96-bit nonces keep the chance of a
//! repeat below 2^-32 for 2^32 messages under one key (NIST SP 800-38D 8.3); a data key is
//! therefore used for one store or one month, never for ever.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{CryptoError, Random, Secret};

const NONCE_LEN: usize = 12;

/// A ready AES-256-GCM key.
pub struct AeadKey(LessSafeKey);

impl AeadKey {
    pub fn new(secret: &Secret) -> Result<Self, CryptoError> {
        let key = UnboundKey::new(&AES_256_GCM, secret.expose()).map_err(|_| CryptoError::Encryption)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Encrypts; `aad` says where the ciphertext belongs and must be given again to open it.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8], random: &dyn Random) -> Result<Vec<u8>, CryptoError> {
        let mut sealed = Vec::new();
        self.seal_onto(&mut sealed, aad, plaintext, random)?;
        Ok(sealed)
    }

    /// As [`AeadKey::seal`], behind what `to` holds already; at an error that is as it was.
    pub fn seal_onto(
        &self,
        to: &mut Vec<u8>,
        aad: &[u8],
        plaintext: &[u8],
        random: &dyn Random,
    ) -> Result<(), CryptoError> {
        let nonce: [u8; NONCE_LEN] = random.bytes()?;
        let before = to.len();
        to.reserve(NONCE_LEN + plaintext.len() + AES_256_GCM.tag_len());
        to.extend_from_slice(&nonce);
        to.extend_from_slice(plaintext);
        let body = to.get_mut(before + NONCE_LEN..).unwrap_or_default();
        let nonce = Nonce::assume_unique_for_key(nonce);
        match self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), body) {
            Ok(tag) => to.extend_from_slice(tag.as_ref()),
            Err(_) => {
                to.truncate(before);
                return Err(CryptoError::Encryption);
            }
        }
        Ok(())
    }

    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(CryptoError::Decryption)?;
        let mut body = body.to_vec();
        let opened = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut body)
            .map_err(|_| CryptoError::Decryption)?
            .len();
        body.truncate(opened);
        Ok(body)
    }
}

impl fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AeadKey(…)")
    }
}

impl Secret {
    pub fn aead(&self) -> Result<AeadKey, CryptoError> {
        AeadKey::new(self)
    }
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SeededRandom;

    #[test]
    fn only_the_same_key_and_place_open_a_ciphertext() {
        let random = SeededRandom::new("aead");
        let secret = Secret::generate(&random).unwrap();
        let key = secret.aead().unwrap();
        let sealed = key.seal(b"tree/1", b"plain", &random).unwrap();
        assert_eq!(key.open(b"tree/1", &sealed).unwrap(), b"plain");
        assert_eq!(key.open(b"tree/2", &sealed), Err(CryptoError::Decryption));
        assert_eq!(
            secret.derive("other").aead().unwrap().open(b"tree/1", &sealed),
            Err(CryptoError::Decryption)
        );
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(key.open(b"tree/1", &bad).is_err());
            assert!(key.open(b"tree/1", &sealed[..at]).is_err());
        }
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn a_ciphertext_behind_others_is_the_one_that_stands_alone() {
        let key = Secret::from_bytes([5; 32]).aead().unwrap();
        let alone = key.seal(b"aad", b"plain", &SeededRandom::new("aead")).unwrap();
        let mut behind = b"front".to_vec();
        key.seal_onto(&mut behind, b"aad", b"plain", &SeededRandom::new("aead")).unwrap();
        assert_eq!(behind, [b"front".as_slice(), &alone].concat());
    }
}
