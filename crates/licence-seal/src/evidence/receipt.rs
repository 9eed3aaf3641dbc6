//! The receipt: header `Licence-Receipt`, a JWT by the node on every answer to a known caller.
//!
//! It binds question, answer and the place of the access in the log. Its counter has no gaps per
//! partner, so a partner that keeps its receipts can tell that an access was left out of the log.

use serde::{Deserialize, Serialize};

use super::{EvidenceError, b64};
use crate::crypto::{Jws, PublicKey, Signer, sha256};

const TYP: &str = "licence-receipt+jwt";

/// Claims of the receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// Region of the node that answered.
    pub iss: String,
    /// Partner that asked; `<region>/<id>` when it asked through another city.
    pub aud: String,
    /// Unix seconds.
    pub iat: i64,
    pub request_id: String,
    pub method: String,
    pub path: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// base64url of SHA-256(nonce ‖ body of the request).
    pub request_digest: String,
    /// base64url, 16 bytes.
    pub nonce: String,
    /// `jti` of the request signature, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_jti: Option<String>,
    /// base64url of SHA-256 of the body of the answer, before content encoding.
    pub answer_digest: String,
    pub log: LogPlace,
    /// Number of this receipt for this partner, from 1, without gaps.
    pub counter: u64,
    /// base64url of SHA-256 of the caller's certificate.
    pub certificate: String,
}

/// Where the access stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogPlace {
    pub origin: String,
    /// Index of the first entry, from 0.
    pub index: u64,
    /// Number of entries (parts).
    pub count: u64,
    /// base64url of the leaf hash of each.
    pub leaves: Vec<String>,
}

impl Receipt {
    /// Signs; `certificate` is the node's, DER, and goes along.
    pub fn sign(&self, signer: &dyn Signer, certificate: &[u8]) -> Result<String, EvidenceError> {
        Ok(Jws::sign(TYP, self, signer, &[certificate])?)
    }

    /// Certificate that came along, DER. To be trusted only if the city's issuer list names it.
    pub fn certificate(token: &str) -> Result<Vec<u8>, EvidenceError> {
        let mut chain = Jws::parse(TYP, token)?.chain()?;
        if chain.len() != 1 {
            return Err(EvidenceError::OtherCertificate);
        }
        chain.pop().ok_or(EvidenceError::OtherCertificate)
    }

    pub fn verify(token: &str, key: &PublicKey) -> Result<Self, EvidenceError> {
        Ok(Jws::parse(TYP, token)?.verify(key)?)
    }

    /// Whether it speaks of this request and this answer.
    pub fn covers(
        &self,
        method: &str,
        path: &str,
        request: &[u8],
        status: u16,
        answer: &[u8],
    ) -> Result<(), EvidenceError> {
        use base64::Engine;
        let nonce = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&self.nonce).unwrap_or_default();
        for (covered, what) in [
            (self.method == method, "method"),
            (self.path == path, "path"),
            (self.request_digest == b64(&sha256(&[&nonce, request])), "request"),
            (self.status == status, "status"),
            (self.answer_digest == b64(&sha256(&[answer])), "answer"),
        ] {
            if !covered {
                return Err(EvidenceError::OtherRequest(what));
            }
        }
        Ok(())
    }
}
