//! Evidence: what the two sides of an exchange can show later.
//!
//! A partner shows that it may ask ([`AccessToken`], bound to its certificate) and that it asked
//! just this ([`RequestSignature`], which travels on unchanged to another city). The node shows that
//! it answered just that, and where in its log the access stands ([`Receipt`]). Which agencies a
//! city vouches for stands in its signed [`Directory`]. All are compact JWS with a type of their
//! own (RFC 8725 3.11), so that none can be taken for another. Whose key verifies is always the
//! caller's to find; formats and rules are here.

mod directory;
mod receipt;
mod request;
mod token;

pub use directory::{Directory, DirectoryEntry};
pub use receipt::{LogPlace, Receipt};
pub use request::{MAX_SIGNATURE_SECS, RequestFacts, RequestSignature};
pub use token::AccessToken;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::{CryptoError, Digest};
use crate::time::Timestamp;

/// How far two clocks may differ, in seconds.
pub const CLOCK_SKEW_SECS: i64 = 60;

/// Which rule a piece of evidence breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    #[error("{0}")]
    Token(CryptoError),
    #[error("it was issued by {0}")]
    Issuer(String),
    #[error("it is meant for {0}")]
    Audience(String),
    #[error("it expired at {0}")]
    Expired(Timestamp),
    #[error("it is from the future: {0}")]
    NotYet(Timestamp),
    #[error("it lives longer than {0} seconds")]
    Lifetime(i64),
    #[error("it is bound to another certificate")]
    OtherCertificate,
    #[error("it does not cover this {0}")]
    OtherRequest(&'static str),
}

impl EvidenceError {
    /// Stable name of the rule, after the kind of evidence: `expired`, `certificate`, ….
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Token(CryptoError::Jws(..)) => "format",
            Self::Token(_) => "signature",
            Self::Issuer(_) => "issuer",
            Self::Audience(_) => "audience",
            Self::Expired(_) => "expired",
            Self::NotYet(_) => "notYet",
            Self::Lifetime(_) => "lifetime",
            Self::OtherCertificate => "certificate",
            Self::OtherRequest(_) => "request",
        }
    }
}

impl From<CryptoError> for EvidenceError {
    fn from(why: CryptoError) -> Self {
        Self::Token(why)
    }
}

/// base64url without padding.
pub fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A digest from its base64url form.
pub fn digest_from_b64(text: &str) -> Option<Digest> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// Checks `iat` and `exp` (Unix seconds) against the clock and the longest life.
fn check_times(iat: i64, exp: i64, now: Timestamp, max_life: i64) -> Result<(), EvidenceError> {
    if exp.saturating_sub(iat) > max_life || exp < iat {
        return Err(EvidenceError::Lifetime(max_life));
    }
    if iat > now.secs().saturating_add(CLOCK_SKEW_SECS) {
        return Err(EvidenceError::NotYet(Timestamp::from_secs(iat)));
    }
    if now.secs() > exp.saturating_add(CLOCK_SKEW_SECS) {
        return Err(EvidenceError::Expired(Timestamp::from_secs(exp)));
    }
    Ok(())
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{PrivateKey, SeededRandom, Signer, Suite, sha256};

    fn key(suite: Suite, seed: &str) -> PrivateKey {
        PrivateKey::from_pkcs8(&PrivateKey::generate(suite, &SeededRandom::new(seed)).unwrap()).unwrap()
    }

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn a_token_serves_its_own_certificate_region_and_time_only() {
        let (node, other) = (key(Suite::P256Sha256, "n"), key(Suite::P256Sha256, "o"));
        let claims = AccessToken::new("120000", "agency", &[1; 32], NOW, 600, "j".into());
        let token = claims.sign(&node).unwrap();
        let check = |region: &str, key: &PrivateKey, certificate: u8, at: Timestamp| {
            AccessToken::verify(&token, region, key.public_key(), &[certificate; 32], at, 600)
                .map_err(|why| why.rule())
        };
        assert_eq!(check("120000", &node, 1, NOW), Ok(claims.clone()));
        assert_eq!(check("120000", &node, 2, NOW), Err("certificate"));
        assert_eq!(check("110000", &node, 1, NOW), Err("issuer"));
        assert_eq!(check("120000", &other, 1, NOW), Err("signature"));
        assert_eq!(check("120000", &node, 1, NOW.plus_secs(661)), Err("expired"));
        assert_eq!(check("120000", &node, 1, NOW.plus_secs(-61)), Err("notYet"));
        let long = AccessToken::new("120000", "agency", &[1; 32], NOW, 601, "j".into()).sign(&node).unwrap();
        let verdict = AccessToken::verify(&long, "120000", node.public_key(), &[1; 32], NOW, 600);
        assert_eq!(verdict, Err(EvidenceError::Lifetime(600)));
    }

    #[test]
    fn a_request_signature_covers_method_path_body_and_target() {
        for suite in Suite::ALL {
            let partner = key(suite, "p");
            let facts = RequestFacts {
                home: "120000",
                answering: "130000",
                method: "POST",
                path: "/v1/licences/data",
                body: b"{}",
            };
            let claims = RequestSignature::new("agency", &facts, vec!["130000".into()], NOW, "j".into());
            let token = claims.sign(&partner, b"certificate").unwrap();
            assert_eq!(RequestSignature::peek(&token).unwrap().1, Some(sha256(&[b"certificate"])));
            let check = |facts: &RequestFacts<'_>, at| {
                RequestSignature::verify(&token, partner.public_key(), facts, at)
                    .map(|_| ())
                    .map_err(|why| why.rule())
            };
            assert_eq!(check(&facts, NOW), Ok(()));
            assert_eq!(check(&RequestFacts { answering: "120000", ..facts }, NOW), Ok(()));
            assert_eq!(check(&RequestFacts { answering: "110000", ..facts }, NOW), Err("audience"));
            assert_eq!(check(&RequestFacts { home: "110000", ..facts }, NOW), Err("audience"));
            assert_eq!(check(&RequestFacts { body: b"{ }", ..facts }, NOW), Err("request"));
            assert_eq!(check(&RequestFacts { path: "/v1/licences/search", ..facts }, NOW), Err("request"));
            assert_eq!(check(&RequestFacts { method: "GET", ..facts }, NOW), Err("request"));
            assert_eq!(check(&facts, NOW.plus_secs(MAX_SIGNATURE_SECS + 61)), Err("expired"));
        }
    }

    #[test]
    fn a_receipt_covers_its_question_and_answer() {
        let node = key(Suite::P256Sha256, "n");
        let receipt = Receipt {
            iss: "120000".into(),
            aud: "agency".into(),
            iat: NOW.secs(),
            request_id: "r".into(),
            method: "POST".into(),
            path: "/p".into(),
            status: 200,
            request_digest: b64(&sha256(&[&[9; 16], b"ask"])),
            nonce: b64(&[9; 16]),
            request_jti: None,
            answer_digest: b64(&sha256(&[b"answer"])),
            log: LogPlace { origin: "o".into(), index: 3, count: 1, leaves: vec![b64(&[1; 32])] },
            counter: 1,
            certificate: b64(&[2; 32]),
        };
        let token = receipt.sign(&node, b"certificate").unwrap();
        let read = Receipt::verify(&token, node.public_key()).unwrap();
        assert_eq!(read, receipt);
        assert_eq!(read.covers("POST", "/p", b"ask", 200, b"answer"), Ok(()));
        assert!(read.covers("POST", "/p", b"ask", 200, b"another").is_err());
        assert!(read.covers("POST", "/p", b"asl", 200, b"answer").is_err());
        assert!(read.covers("POST", "/p", b"ask", 403, b"answer").is_err());
        assert!(read.covers("GET", "/p", b"ask", 200, b"answer").is_err());
    }

    #[test]
    fn a_directory_vouches_for_listed_certificates_while_it_is_fresh() {
        let city = key(Suite::Sm2Sm3, "c");
        let directory = Directory {
            region: "120000".into(),
            issued: NOW,
            next_update: NOW.plus_secs(3600),
            partners: vec![DirectoryEntry {
                id: "agency".into(),
                name: "局".into(),
                certificates: vec![hex::encode([1; 32])],
            }],
        };
        let token = directory.sign(&city).unwrap();
        let read = Directory::verify(&token, "120000", city.public_key()).unwrap();
        assert!(Directory::verify(&token, "130000", city.public_key()).is_err());
        assert!(read.find("agency", &[1; 32], NOW).is_ok());
        assert_eq!(read.find("agency", &[2; 32], NOW), Err(EvidenceError::OtherCertificate));
        assert_eq!(read.find("other", &[1; 32], NOW).map_err(|why| why.rule()), Err("issuer"));
        assert_eq!(
            read.find("agency", &[1; 32], NOW.plus_secs(3601)).map_err(|why| why.rule()),
            Err("expired")
        );
    }
}
