//! Where randomness comes from.

use std::sync::atomic::{AtomicU64, Ordering};

use ring::rand::SecureRandom;

use super::{CryptoError, Digest, Secret, hmac_sha256, sha256};

/// A source of random bytes, passed in wherever bytes must not be guessed.
pub trait Random: Send + Sync {
    fn fill(&self, to: &mut [u8]) -> Result<(), CryptoError>;
}

impl dyn Random + '_ {
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], CryptoError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

/// The operating system's randomness.
pub struct SystemRandom(ring::rand::SystemRandom);

impl SystemRandom {
    pub fn new() -> Self {
        Self(ring::rand::SystemRandom::new())
    }
}

impl Default for SystemRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for SystemRandom {
    fn fill(&self, to: &mut [u8]) -> Result<(), CryptoError> {
        self.0.fill(to).map_err(|_| CryptoError::Randomness)
    }
}

/// Repeatable bytes from a seed, for golden files and tests. Never for keys that protect anything.
pub struct SeededRandom {
    key: Digest,
    counter: AtomicU64,
}

impl SeededRandom {
    pub fn new(seed: &str) -> Self {
        Self { key: sha256(&[seed.as_bytes()]), counter: AtomicU64::new(0) }
    }
}

impl Random for SeededRandom {
    fn fill(&self, to: &mut [u8]) -> Result<(), CryptoError> {
        for chunk in to.chunks_mut(32) {
            let counter = self.counter.fetch_add(1, Ordering::SeqCst);
            let block = hmac_sha256(&self.key, &[&counter.to_be_bytes()]);
            for (to, from) in chunk.iter_mut().zip(block) {
                *to = from;
            }
        }
        Ok(())
    }
}

impl Secret {
    pub fn generate(random: &dyn Random) -> Result<Self, CryptoError> {
        random.bytes().map(Self::from_bytes)
    }
}
