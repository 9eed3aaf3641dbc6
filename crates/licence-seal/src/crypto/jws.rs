//! Compact JSON Web Signatures (RFC 7515) with explicit types (RFC 8725 3.11).
//!
//! Signing goes through [`Signer`], so a key that never leaves its machine can sign a token.
//! ES256 is verified by jsonwebtoken over ring; SM2, which its closed list of algorithms cannot
//! hold, by the same rules here. The verifier is told key, suite and type beforehand: nothing in
//! the header chooses them. Times are the caller's to check, against the clock it was given.

use std::sync::Once;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as B64};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as JwtResult};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{CryptoError, PublicKey, Signature, Signer, Suite};

/// Longest token that is looked at, in bytes.
const MAX_LEN: usize = 1 << 20;

/// The protected header: type, algorithm, and optionally the signer's certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwsHeader {
    pub typ: String,
    pub alg: String,
    /// Certificate chain, leaf first, standard base64 of DER (RFC 7515 4.1.6).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub x5c: Vec<String>,
    /// SHA-256 of the certificate, base64url (RFC 7515 4.1.8).
    #[serde(rename = "x5t#S256", default, skip_serializing_if = "Option::is_none")]
    pub x5t_s256: Option<String>,
}

/// A token that was taken apart but not yet verified.
#[derive(Clone, Debug)]
pub struct Jws<'a> {
    token: &'a str,
    header: JwsHeader,
    signed: &'a str,
    payload: &'a str,
    signature: Signature,
    typ: &'static str,
}

impl<'a> Jws<'a> {
    /// Signs `claims`; `chain` (leaf first, DER) goes into `x5c` when it is not empty.
    pub fn sign<T: Serialize>(
        typ: &'static str,
        claims: &T,
        signer: &dyn Signer,
        chain: &[&[u8]],
    ) -> Result<String, CryptoError> {
        let header = JwsHeader {
            typ: typ.to_owned(),
            alg: signer.suite().jws_alg().to_owned(),
            x5c: chain.iter().map(|der| STANDARD.encode(der)).collect(),
            x5t_s256: chain.first().map(|der| B64.encode(super::sha256(&[der]))),
        };
        let header = serde_json::to_vec(&header).map_err(|_| CryptoError::Signing)?;
        let claims = serde_json::to_vec(claims).map_err(|_| CryptoError::Signing)?;
        let signed = format!("{}.{}", B64.encode(header), B64.encode(claims));
        let signature = signer.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", B64.encode(signature.raw())))
    }

    /// Takes a token of the expected type apart.
    pub fn parse(typ: &'static str, token: &'a str) -> Result<Self, CryptoError> {
        let refuse = |why| CryptoError::Jws(typ, why);
        if token.len() > MAX_LEN {
            return Err(refuse("too long"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(refuse("not three parts"))?;
        let (header, payload) = signed.split_once('.').ok_or(refuse("not three parts"))?;
        if payload.contains('.') {
            return Err(refuse("not three parts"));
        }
        let header = B64.decode(header).map_err(|_| refuse("header is not base64url"))?;
        let header: JwsHeader =
            serde_json::from_slice(&header).map_err(|_| refuse("header is not as expected"))?;
        if header.typ != typ {
            return Err(refuse("another type of token"));
        }
        let signature = B64.decode(signature).map_err(|_| refuse("signature is not base64url"))?;
        let signature = <[u8; 64]>::try_from(signature).map_err(|_| refuse("signature is not 64 bytes"))?;
        Ok(Self { token, header, signed, payload, signature: Signature::from_raw(signature), typ })
    }

    /// Certificates of the header, leaf first, DER.
    pub fn chain(&self) -> Result<Vec<Vec<u8>>, CryptoError> {
        let decode = |text: &String| {
            STANDARD.decode(text).map_err(|_| CryptoError::Jws(self.typ, "x5c is not base64"))
        };
        self.header.x5c.iter().map(decode).collect()
    }

    /// SHA-256 of the signer's certificate as the header states it.
    pub fn certificate_digest(&self) -> Option<[u8; 32]> {
        let text = self.header.x5t_s256.as_ref()?;
        B64.decode(text).ok()?.try_into().ok()
    }

    /// Verifies with `key` and reads the claims.
    pub fn verify<T: DeserializeOwned>(&self, key: &PublicKey) -> Result<T, CryptoError> {
        if self.header.alg != key.suite().jws_alg() {
            return Err(CryptoError::Jws(self.typ, "not the algorithm of the signer's key"));
        }
        match key.suite() {
            Suite::P256Sha256 => self.verify_es256(key),
            Suite::Sm2Sm3 => {
                key.verify(self.signed.as_bytes(), &self.signature)?;
                self.claims_unverified()
            }
        }
    }

    /// The claims without any check: only to find out whose key is to verify them.
    pub fn claims_unverified<T: DeserializeOwned>(&self) -> Result<T, CryptoError> {
        let refuse = |why| CryptoError::Jws(self.typ, why);
        let payload = B64.decode(self.payload).map_err(|_| refuse("claims are not base64url"))?;
        serde_json::from_slice(&payload).map_err(|_| refuse("claims are not as expected"))
    }

    fn verify_es256<T: DeserializeOwned>(&self, key: &PublicKey) -> Result<T, CryptoError> {
        install_provider();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let key = DecodingKey::from_ec_der(key.point());
        match jsonwebtoken::decode::<serde_json::Value>(self.token, &key, &validation) {
            Ok(_) => self.claims_unverified(),
            Err(why) if matches!(why.kind(), ErrorKind::InvalidSignature) => {
                Err(CryptoError::SignatureInvalid)
            }
            Err(_) => Err(CryptoError::Jws(self.typ, "claims are not as expected")),
        }
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: refuse_to_sign,
    verifier_factory: ring_verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes ring the backend of jsonwebtoken; once per process.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Another provider can only be there if this process installed one before: none does.
        let _ = PROVIDER.install_default();
    });
}

/// Tokens are signed by [`Jws::sign`] alone.
fn refuse_to_sign(_: &Algorithm, _: &EncodingKey) -> JwtResult<Box<dyn JwtSigner>> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

fn ring_verifier(algorithm: &Algorithm, key: &DecodingKey) -> JwtResult<Box<dyn JwtVerifier>> {
    if *algorithm != Algorithm::ES256 {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    let point = key.try_get_as_bytes()?;
    let key = PublicKey::from_point(Suite::P256Sha256, point).map_err(|_| ErrorKind::InvalidEcdsaKey)?;
    Ok(Box::new(Es256(key)))
}

struct Es256(PublicKey);

impl signature::Verifier<Vec<u8>> for Es256 {
    fn verify(&self, message: &[u8], bytes: &Vec<u8>) -> Result<(), signature::Error> {
        let raw = <[u8; 64]>::try_from(bytes.as_slice()).map_err(|_| signature::Error::new())?;
        self.0.verify(message, &Signature::from_raw(raw)).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Es256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{PrivateKey, SeededRandom};

    #[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
    struct Claims {
        sub: String,
    }

    fn key(suite: Suite, seed: &str) -> PrivateKey {
        PrivateKey::from_pkcs8(&PrivateKey::generate(suite, &SeededRandom::new(seed)).unwrap()).unwrap()
    }

    #[test]
    fn a_token_verifies_under_its_key_and_type_only() {
        let claims = Claims { sub: "agency".into() };
        for suite in Suite::ALL {
            let signer = key(suite, "a");
            let token = Jws::sign("test+jwt", &claims, &signer, &[b"leaf"]).unwrap();
            let parsed = Jws::parse("test+jwt", &token).unwrap();
            assert_eq!(parsed.verify::<Claims>(signer.public_key()).unwrap(), claims);
            assert_eq!(parsed.chain().unwrap(), vec![b"leaf".to_vec()]);
            assert!(Jws::parse("other+jwt", &token).is_err());
            for other in Suite::ALL {
                assert!(parsed.verify::<Claims>(key(other, "b").public_key()).is_err());
            }
        }
    }

    #[test]
    fn every_changed_character_is_found() {
        for suite in Suite::ALL {
            let signer = key(suite, "a");
            let token = Jws::sign("test+jwt", &Claims { sub: "agency".into() }, &signer, &[]).unwrap();
            for at in 0..token.len() {
                let mut bytes = token.clone().into_bytes();
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(bytes).unwrap();
                let verdict = Jws::parse("test+jwt", &changed)
                    .and_then(|jws| jws.verify::<Claims>(signer.public_key()));
                assert!(verdict.is_err(), "{at}");
            }
        }
    }

    #[test]
    fn no_header_can_choose_the_algorithm() {
        let signer = key(Suite::P256Sha256, "a");
        let token = Jws::sign("test+jwt", &Claims { sub: "agency".into() }, &signer, &[]).unwrap();
        let (_, rest) = token.split_once('.').unwrap();
        for alg in ["none", "HS256", "SM2"] {
            let header = B64.encode(format!(r#"{{"typ":"test+jwt","alg":"{alg}"}}"#));
            let forged = format!("{header}.{rest}");
            assert!(
                Jws::parse("test+jwt", &forged).unwrap().verify::<Claims>(signer.public_key()).is_err(),
                "{alg}"
            );
        }
        let header = B64.encode(r#"{"typ":"test+jwt","alg":"ES256","crit":["exp"]}"#);
        assert!(Jws::parse("test+jwt", &format!("{header}.{rest}")).is_err());
    }
}
