//! HMAC-SHA-256 (RFC 2104), of one message or of many.

use std::fmt;

use super::hash::to_digest;
use super::lanes::HmacLanes;
use super::{Digest, Secret};

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

impl Secret {
    /// A key of its own for one purpose: HMAC-SHA-256(self, label).
    pub fn derive(&self, label: &str) -> Self {
        Self::from_bytes(hmac_sha256(self.expose(), &[label.as_bytes()]))
    }
}
