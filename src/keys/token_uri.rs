//! `pkcs11:` URIs (RFC 7512), as far as they name one key.
//!
//! `pkcs11:token=T;object=O;id=%01?module-path=/…/module.so&pin-source=file:/…/pin`
//!
//! An attribute that is not understood is refused, not skipped: it could mean another key. `pin-value`
//! is refused, because a PIN has no place in a configuration. Two spellings are ours: `pin-source` may
//! be `env:NAME` or `command:…` too, and `sm2-mechanism` is the number of the machine's SM2 mechanism,
//! for which PKCS#11 has no standard one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{KeyError, SecretSource};

/// Longest URI, in bytes.
const MAX_LEN: usize = 4096;
/// Where the numbers of vendors' mechanisms begin (PKCS#11, `CKM_VENDOR_DEFINED`).
const VENDOR_DEFINED: u64 = 0x8000_0000;

/// One key in one token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenUri {
    text: String,
    /// Label of the token.
    pub token: Option<String>,
    /// Serial number of the token.
    pub serial: Option<String>,
    /// Label of the key.
    pub object: Option<String>,
    /// `CKA_ID` of the key.
    pub id: Option<Vec<u8>>,
    /// The vendor's library.
    pub module: PathBuf,
    pub pin: Option<SecretSource>,
    /// The vendor's mechanism that signs a 32-byte SM2 digest e = SM3(ZA ‖ M).
    pub sm2_mechanism: Option<u64>,
}

impl TokenUri {
    /// Relative files are meant from `base`.
    pub fn under(self, base: &Path) -> Self {
        Self { module: base.join(self.module), pin: self.pin.map(|pin| pin.under(base)), ..self }
    }
}

impl FromStr for TokenUri {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let refuse = |why: &'static str| KeyError::TokenUri(why);
        if text.len() > MAX_LEN {
            return Err(refuse("longer than 4096 bytes"));
        }
        let rest = text.strip_prefix("pkcs11:").ok_or(refuse("it begins with pkcs11:"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut found = Parts::default();
        for (part, separator) in [(path, ';'), (query, '&')] {
            for attribute in part.split(separator).filter(|attribute| !attribute.is_empty()) {
                let (name, value) = attribute.split_once('=').ok_or(refuse("an attribute is NAME=VALUE"))?;
                found.take(name, separator == '&', decode(value)?)?;
            }
        }
        found.uri(text)
    }
}

impl fmt::Display for TokenUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Values by their names, decoded.
#[derive(Default)]
struct Parts {
    token: Option<Vec<u8>>,
    serial: Option<Vec<u8>>,
    object: Option<Vec<u8>>,
    id: Option<Vec<u8>>,
    kind: Option<Vec<u8>>,
    module: Option<Vec<u8>>,
    pin: Option<Vec<u8>>,
    sm2_mechanism: Option<Vec<u8>>,
}

impl Parts {
    fn take(&mut self, name: &str, in_query: bool, value: Vec<u8>) -> Result<(), KeyError> {
        let place = match (in_query, name) {
            (false, "token") => &mut self.token,
            (false, "serial") => &mut self.serial,
            (false, "object") => &mut self.object,
            (false, "id") => &mut self.id,
            (false, "type") => &mut self.kind,
            (true, "module-path") => &mut self.module,
            (true, "pin-source") => &mut self.pin,
            (true, "sm2-mechanism") => &mut self.sm2_mechanism,
            (true, "pin-value") => {
                return Err(KeyError::TokenUri("pin-value would show the PIN; use pin-source"));
            }
            _ => {
                return Err(KeyError::TokenUri(
                    "token, serial, object, id and type are understood, and after the ? \
                     module-path, pin-source and sm2-mechanism",
                ));
            }
        };
        if place.replace(value).is_some() {
            return Err(KeyError::TokenUri("an attribute stands twice"));
        }
        Ok(())
    }

    fn uri(self, text: &str) -> Result<TokenUri, KeyError> {
        let refuse = |why: &'static str| KeyError::TokenUri(why);
        if self.kind.is_some_and(|kind| kind != b"private") {
            return Err(refuse("type is private, or left out"));
        }
        let words = |value: Option<Vec<u8>>| value.map(utf8).transpose();
        let uri = TokenUri {
            text: text.to_owned(),
            token: words(self.token)?,
            serial: words(self.serial)?,
            object: words(self.object)?,
            id: self.id.filter(|id| !id.is_empty()),
            module: words(self.module)?
                .ok_or(refuse("module-path, the vendor's library, is missing"))?
                .into(),
            pin: words(self.pin)?.map(|source| source.parse()).transpose()?,
            sm2_mechanism: words(self.sm2_mechanism)?.map(|number| mechanism(&number)).transpose()?,
        };
        if uri.token.is_none() && uri.serial.is_none() {
            return Err(refuse("which token: token or serial is missing"));
        }
        if uri.object.is_none() && uri.id.is_none() {
            return Err(refuse("which key: object or id is missing"));
        }
        Ok(uri)
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, KeyError> {
    let text = String::from_utf8(bytes).map_err(|_| KeyError::TokenUri("a value is not UTF-8"))?;
    if text.is_empty() { Err(KeyError::TokenUri("a value is empty")) } else { Ok(text) }
}

fn mechanism(text: &str) -> Result<u64, KeyError> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    match number {
        Ok(number) if number >= VENDOR_DEFINED => Ok(number),
        _ => Err(KeyError::TokenUri("sm2-mechanism is a number of a vendor, from 0x80000000")),
    }
}

/// Undoes percent encoding (RFC 3986 2.1).
fn decode(text: &str) -> Result<Vec<u8>, KeyError> {
    let mut found = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            found.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let value = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        found.push(value.ok_or(KeyError::TokenUri("two hexadecimal digits follow a %"))?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "pkcs11:token=City%20HSM;object=%E5%8D%B0;id=%01%ff;type=private\
                        ?module-path=/usr/lib/hsm.so&pin-source=file:pin&sm2-mechanism=0x80000101";

    #[test]
    fn a_uri_says_token_key_module_and_pin() {
        let uri = GOOD.parse::<TokenUri>().unwrap().under(Path::new("/etc/node"));
        assert_eq!(uri.token.as_deref(), Some("City HSM"));
        assert_eq!((uri.object.as_deref(), uri.id.as_deref()), (Some("印"), Some([1, 255].as_slice())));
        assert_eq!(uri.module, Path::new("/usr/lib/hsm.so"));
        assert_eq!(uri.pin, Some(SecretSource::File("/etc/node/pin".into())));
        assert_eq!(uri.sm2_mechanism, Some(0x8000_0101));
        assert_eq!(uri.to_string(), GOOD);
    }

    #[test]
    fn what_is_missing_unknown_or_would_show_the_pin_is_refused() {
        for uri in [
            "token=T;object=O?module-path=/m",
            "pkcs11:object=O?module-path=/m",
            "pkcs11:token=T?module-path=/m",
            "pkcs11:token=T;object=O",
            "pkcs11:token=T;object=O?module-path=/m&pin-value=1234",
            "pkcs11:token=T;object=O;slot-id=1?module-path=/m",
            "pkcs11:token=T;token=U;object=O?module-path=/m",
            "pkcs11:token=T;object=O;type=public?module-path=/m",
            "pkcs11:token=T;object=%zz?module-path=/m",
            "pkcs11:token=T;object=%0?module-path=/m",
            "pkcs11:token=%ff;object=O?module-path=/m",
            "pkcs11:token=;object=O?module-path=/m",
            "pkcs11:token=T;object=O?module-path=/m&pin-source=1234",
            "pkcs11:token=T;object=O?module-path=/m&sm2-mechanism=17",
            "pkcs11:token=T;object=O;module-path=/m",
        ] {
            let told = uri.parse::<TokenUri>().unwrap_err();
            assert!(!told.to_string().contains("1234"), "{told}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_uris_never_panic_and_come_back(tail in "[a-z0-9%=;?&:/-]{0,80}", any in "\\PC{0,80}") {
            for text in [format!("pkcs11:{tail}"), format!("pkcs11:token=a;object=b?module-path=c&{tail}"), any] {
                if let Ok(uri) = text.parse::<TokenUri>() {
                    prop_assert_eq!(uri.to_string(), text);
                }
            }
        }
    }
}
