//! Selective disclosure: how one field is shown and the others stay hidden (RFC 9901 4.2).
//!
//! Salts are not stored. They are derived from a salt key that every backup keeps, so a licence can
//! be cut anew for each recipient from the record alone, and always gives the leaf that was sealed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde::{Deserialize, Serialize};

use super::{SealError, canonical};
use crate::crypto::{Secret, Suite, hmac_sha256};
use crate::licence::FieldValue;
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

    /// base64url of the first 16 bytes of HMAC-SHA-256(key, batch id ‖ 0 ‖ identifier ‖ 0 ‖ name).
    pub fn salt(&self, batch: &BatchId, identifier: &str, name: &str) -> String {
        let mac = self.mac(batch, identifier, name, &[]);
        B64.encode(mac.first_chunk::<SALT_LEN>().map_or(&[][..], |salt| salt.as_slice()))
    }

    /// The digest that stands where a field is absent. Its preimage is 32 keyed bytes, so it cannot
    /// be told from the digest of a disclosure.
    pub fn decoy(&self, suite: Suite, batch: &BatchId, identifier: &str, name: &str) -> String {
        let mac = self.mac(batch, identifier, name, &[b"\0decoy"]);
        digest(suite, &B64.encode(mac))
    }

    fn mac(&self, batch: &BatchId, identifier: &str, name: &str, more: &[&[u8]]) -> [u8; 32] {
        let batch = batch.to_string();
        let mut parts: Vec<&[u8]> =
            vec![batch.as_bytes(), b"\0", identifier.as_bytes(), b"\0", name.as_bytes()];
        parts.extend_from_slice(more);
        hmac_sha256(self.secret.expose(), &parts)
    }
}

/// A field that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    pub name: String,
    pub value: FieldValue,
}

/// base64url of the JCS bytes of `[salt, name, value]`.
pub fn encode(salt: &str, name: &str, value: &FieldValue) -> Result<String, SealError> {
    Ok(B64.encode(canonical(&(salt, name, value))?))
}

/// base64url of H(disclosure), over the characters of the disclosure (RFC 9901 4.2.3).
pub fn digest(suite: Suite, disclosure: &str) -> String {
    B64.encode(suite.hash(&[disclosure.as_bytes()]))
}

/// Reads a disclosure; anything but its one byte form is refused.
pub fn decode(disclosure: &str) -> Result<Disclosure, &'static str> {
    let bytes = B64.decode(disclosure).map_err(|_| "not base64url without padding")?;
    let (salt, name, value): (String, String, FieldValue) =
        serde_json::from_slice(&bytes).map_err(|_| "not an array of salt, name and value")?;
    if B64.decode(&salt).map_or(0, |salt| salt.len()) != SALT_LEN {
        return Err("the salt is not 16 bytes");
    }
    if canonical(&(&salt, &name, &value)).ok().as_deref() != Some(&bytes) {
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
            let text =
                encode(&key().salt(&BatchId::from_bytes([1; 16]), "id", "name"), "name", &value).unwrap();
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
        let salt = key.salt(&batch, "id", "name");
        assert_eq!(salt.len(), 22);
        for other in [
            key.salt(&BatchId::from_bytes([2; 16]), "id", "name"),
            key.salt(&batch, "ie", "name"),
            key.salt(&batch, "id", "nama"),
        ] {
            assert_ne!(salt, other);
        }
    }
}
