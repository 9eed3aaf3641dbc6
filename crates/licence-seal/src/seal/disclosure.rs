//! Selective disclosure: how one field is shown and the others stay hidden (RFC 9901 4.2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;

use super::jcs;
use crate::crypto::Suite;
use crate::licence::{FieldValue, ValueRef};

/// Bytes of a salt.
pub(super) const SALT_LEN: usize = 16;

/// A field that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    pub name: String,
    pub value: FieldValue,
}

/// base64url of the JCS bytes of `[salt, name, value]`.
pub fn encode(salt: &str, name: &str, value: &ValueRef<'_>) -> String {
    let mut json = Vec::new();
    write_json(&mut json, salt.as_bytes(), name, value);
    B64.encode(json)
}

/// base64url of H(disclosure), over the characters of the disclosure (RFC 9901 4.2.3).
pub fn digest(suite: Suite, disclosure: &str) -> String {
    B64.encode(suite.hash(&[disclosure.as_bytes()]))
}

pub(super) fn write_json(out: &mut Vec<u8>, salt: &[u8], name: &str, value: &ValueRef<'_>) {
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

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Secret;
    use crate::seal::{BatchId, SaltKey, SaltKeyId};

    fn key() -> SaltKey {
        SaltKey::new(SaltKeyId("k1".into()), &Secret::from_bytes([7; 32]))
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
