//! Selective disclosure: how one field is shown and the others stay hidden (RFC 9901 4.2).
//!
//! Salts are not stored. They are derived from a salt key that every backup keeps, so a licence can
//! be cut anew for each recipient from the record alone, and always gives the leaf that was sealed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde::{Deserialize, Serialize};

use super::jcs;
use crate::crypto::{Digest, Hmac, Secret, Suite};
use crate::licence::{FieldValue, ValueRef};
use crate::seal::manifest::BatchId;

/// Bytes of a salt.
const SALT_LEN: usize = 16;

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
    secret: Secret,
}

impl SaltKey {
    pub const fn new(id: SaltKeyId, secret: Secret) -> Self {
        Self { id, secret }
    }

    /// The salts of one licence of a batch.
    pub fn salts(&self, batch: &BatchId, identifier: &str) -> Salts {
        let batch = batch.to_string();
        let parts = [batch.as_bytes(), b"\0", identifier.as_bytes(), b"\0"];
        Salts(Hmac::new(self.secret.expose(), &parts))
    }
}

/// The salts of one licence. The code has taken up batch id ‖ 0 ‖ identifier ‖ 0.
pub struct Salts(Hmac);

impl Salts {
    /// base64url of the first 16 bytes of HMAC-SHA-256(key, batch id ‖ 0 ‖ identifier ‖ 0 ‖ name).
    pub fn salt(&self, name: &str) -> String {
        let mac = self.0.finish(&[name.as_bytes()]);
        B64.encode(mac.first_chunk::<SALT_LEN>().map_or(&[][..], |salt| salt.as_slice()))
    }

    /// The digest that stands where a field is absent. Its preimage is 32 keyed bytes, so it cannot
    /// be told from the digest of a disclosure.
    pub fn decoy(&self, suite: Suite, name: &str) -> String {
        digest(suite, &B64.encode(self.decoy_key(name)))
    }

    fn decoy_key(&self, name: &str) -> Digest {
        self.0.finish(&[name.as_bytes(), b"\0decoy"])
    }
}

/// A field that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    pub name: String,
    pub value: FieldValue,
}

/// base64url of the JCS bytes of `[salt, name, value]`.
pub fn encode(salt: &str, name: &str, value: &ValueRef<'_>) -> String {
    let mut json = Vec::new();
    write_json(&mut json, salt, name, value);
    B64.encode(json)
}

/// base64url of H(disclosure), over the characters of the disclosure (RFC 9901 4.2.3).
pub fn digest(suite: Suite, disclosure: &str) -> String {
    B64.encode(suite.hash(&[disclosure.as_bytes()]))
}

/// What is to be hashed for the digests of a batch, one text after another in the same memory.
#[derive(Default)]
pub(super) struct Preimages {
    texts: Vec<u8>,
    ends: Vec<usize>,
    json: Vec<u8>,
}

impl Preimages {
    /// The characters of [`encode`].
    pub(super) fn disclosure(&mut self, salt: &str, name: &str, value: &ValueRef<'_>) {
        self.json.clear();
        write_json(&mut self.json, salt, name, value);
        push_base64(&mut self.texts, &self.json);
        self.ends.push(self.texts.len());
    }

    /// Those that [`Salts::decoy`] hashes.
    pub(super) fn decoy(&mut self, salts: &Salts, name: &str) {
        push_base64(&mut self.texts, &salts.decoy_key(name));
        self.ends.push(self.texts.len());
    }

    /// The digests, in the order in which their texts came.
    pub(super) fn digests(&self, suite: Suite) -> impl Iterator<Item = String> {
        let mut from = 0;
        let mut next = |end| self.texts.get(std::mem::replace(&mut from, end)..end).unwrap_or_default();
        let texts: Vec<&[u8]> = self.ends.iter().map(|end| next(*end)).collect();
        suite.hash_each(&texts).into_iter().map(|digest| B64.encode(digest))
    }
}

fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let from = out.len();
    out.resize(from + (bytes.len() * 4).div_ceil(3), 0);
    let written = out.get_mut(from..).and_then(|place| B64.encode_slice(bytes, place).ok());
    debug_assert_eq!(written, Some(out.len() - from));
}

fn write_json(out: &mut Vec<u8>, salt: &str, name: &str, value: &ValueRef<'_>) {
    out.push(b'[');
    jcs::text(out, salt);
    out.push(b',');
    jcs::text(out, name);
    out.push(b',');
    match value {
        ValueRef::Text(text) => jcs::text(out, text),
        ValueRef::List(list) => jcs::texts(out, list),
    }
    out.push(b']');
}

/// Reads a disclosure; anything but its one byte form is refused.
pub fn decode(disclosure: &str) -> Result<Disclosure, &'static str> {
    let bytes = B64.decode(disclosure).map_err(|_| "not base64url without padding")?;
    let (salt, name, value): (String, String, FieldValue) =
        serde_json::from_slice(&bytes).map_err(|_| "not an array of salt, name and value")?;
    if B64.decode(&salt).map_or(0, |salt| salt.len()) != SALT_LEN {
        return Err("the salt is not 16 bytes");
    }
    if encode(&salt, &name, &(&value).into()) != disclosure {
        return Err("not canonical (RFC 8785)");
    }
    Ok(Disclosure { name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SaltKey {
        SaltKey::new(SaltKeyId("k1".into()), Secret::from_bytes([7; 32]))
    }

    #[test]
    fn a_disclosure_survives_its_text() {
        for value in
            [FieldValue::Text("张三 \"\\\u{7}".into()), FieldValue::List(vec!["一".into(), String::new()])]
        {
            let salt = key().salts(&BatchId::from_bytes([1; 16]), "id").salt("name");
            let text = encode(&salt, "name", &(&value).into());
            let canonical = super::super::canonical(&(&salt, "name", &value)).unwrap();
            assert_eq!(text, B64.encode(canonical));
            assert_eq!(decode(&text), Ok(Disclosure { name: "name".into(), value }));
        }
    }

    #[test]
    fn only_the_one_byte_form_is_a_disclosure() {
        let salt = "AAAAAAAAAAAAAAAAAAAAAA";
        for (json, why) in [
            (format!(r#"["{salt}", "a","b"]"#), "canonical"),
            (format!(r#"["{salt}","a","\u0062"]"#), "canonical"),
            (format!(r#"["{salt}","a",1]"#), "array of salt"),
            (format!(r#"["{salt}","a"]"#), "array of salt"),
            (r#"["AAAA","a","b"]"#.to_owned(), "salt"),
        ] {
            assert!(decode(&B64.encode(&json)).unwrap_err().contains(why), "{json}");
        }
        assert!(decode("a=b").is_err());
    }

    #[test]
    fn salts_differ_by_batch_licence_and_name() {
        let (key, batch) = (key(), BatchId::from_bytes([1; 16]));
        let salt = key.salts(&batch, "id").salt("name");
        assert_eq!(salt.len(), 22);
        for other in [
            key.salts(&BatchId::from_bytes([2; 16]), "id").salt("name"),
            key.salts(&batch, "ie").salt("name"),
            key.salts(&batch, "id").salt("nama"),
        ] {
            assert_ne!(salt, other);
        }
    }
}
