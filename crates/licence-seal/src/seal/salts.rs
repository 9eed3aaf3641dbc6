//! Salt keys: what hides the fields of a batch.
//!
//! Salts are not stored. They are derived from a salt key that every backup keeps, so a licence can
//! be cut anew for each recipient from the record alone, and always gives the leaf that was sealed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde::{Deserialize, Serialize};

use super::BatchId;
#[cfg(test)]
use super::disclosure::digest;
use super::disclosure::{SALT_LEN, write_json};
use crate::crypto::{Digest, Hmac, Messages, Secret, Suite};
use crate::licence::{RecordRef, ValueRef};

/// Name of a salt key; stands beside every batch that was made with it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SaltKeyId(pub String);

impl fmt::Display for SaltKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A salt key: superseded for new batches, never replaced for old ones.
#[derive(Clone, Debug)]
pub struct SaltKey {
    pub id: SaltKeyId,
    mac: Hmac,
}

impl SaltKey {
    pub fn new(id: SaltKeyId, secret: &Secret) -> Self {
        Self { id, mac: Hmac::new(secret) }
    }

    /// The salts of one licence of a batch.
    pub fn salts<'a>(&'a self, batch: &BatchId, identifier: &'a str) -> Salts<'a> {
        Salts { mac: &self.mac, batch: batch.to_string(), identifier }
    }

    /// What the fields of a batch are hidden by: the digest of each disclosure, or of a decoy, as
    /// base64url; those of a record after those of the one before, in the order of `names`.
    pub(super) fn digests(
        &self,
        batch: &BatchId,
        records: &[RecordRef<'_>],
        names: &[&str],
        suite: Suite,
    ) -> Vec<DigestText> {
        let (batch, mut messages) = (batch.to_string(), Messages::default());
        let fields = || records.iter().flat_map(|record| names.iter().map(move |name| (record, *name)));
        let values: Vec<Option<ValueRef<'_>>> = fields().map(|(record, name)| record.value(name)).collect();
        for ((record, name), value) in fields().zip(&values) {
            messages.push(|out| write_place(out, &batch, record.identifier, name, value.is_none()));
        }
        let codes = self.mac.code_each(&messages.slices());
        messages.clear();
        let mut json = Vec::new();
        for (((_, name), value), code) in fields().zip(&values).zip(&codes) {
            messages.push(|out| match value {
                Some(value) => {
                    json.clear();
                    write_json(&mut json, &salt_of(code), name, value);
                    push_base64(out, &json);
                }
                None => push_base64(out, code),
            });
        }
        suite.hash_each(&messages.slices()).iter().map(digest_text).collect()
    }
}

/// What a salt is the code of: batch id ‖ 0 ‖ identifier ‖ 0 ‖ name, and ‖ 0 ‖ "decoy" for an absent field.
fn write_place(out: &mut Vec<u8>, batch: &str, identifier: &str, name: &str, absent: bool) {
    for part in [batch, "\0", identifier, "\0", name, if absent { DECOY } else { "" }] {
        out.extend_from_slice(part.as_bytes());
    }
}

const DECOY: &str = "\0decoy";

/// The salts of one licence.
pub struct Salts<'a> {
    mac: &'a Hmac,
    batch: String,
    identifier: &'a str,
}

impl Salts<'_> {
    /// base64url of the first 16 bytes of HMAC-SHA-256(key, batch id ‖ 0 ‖ identifier ‖ 0 ‖ name).
    pub fn salt(&self, name: &str) -> String {
        String::from_utf8_lossy(&salt_of(&self.code(name, false))).into_owned()
    }

    /// The digest that stands where a field is absent. Its preimage is 32 keyed bytes, so it cannot
    /// be told from the digest of a disclosure.
    #[cfg(test)]
    pub fn decoy(&self, suite: Suite, name: &str) -> String {
        digest(suite, &B64.encode(self.code(name, true)))
    }

    fn code(&self, name: &str, absent: bool) -> Digest {
        let mut place = Vec::new();
        write_place(&mut place, &self.batch, self.identifier, name, absent);
        self.mac.code(&[&place])
    }
}

/// base64url of a salt.
type SaltText = [u8; (SALT_LEN * 4).div_ceil(3)];

fn salt_of(code: &Digest) -> SaltText {
    let mut text = [0; _];
    let salt = code.first_chunk::<SALT_LEN>().map_or(&[][..], |salt| salt.as_slice());
    let written = B64.encode_slice(salt, &mut text);
    debug_assert_eq!(written, Ok(text.len()));
    text
}

/// base64url of a digest.
pub(super) type DigestText = [u8; 43];

fn digest_text(digest: &Digest) -> DigestText {
    let mut text = [0; _];
    let written = B64.encode_slice(digest, &mut text);
    debug_assert_eq!(written, Ok(text.len()));
    text
}

fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let from = out.len();
    out.resize(from + (bytes.len() * 4).div_ceil(3), 0);
    let written = out.get_mut(from..).and_then(|place| B64.encode_slice(bytes, place).ok());
    debug_assert_eq!(written, Some(out.len() - from));
}
