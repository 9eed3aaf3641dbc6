//! The request signature: header `Licence-Request-Signature`, a JWT by the partner over what it
//! asks. A node that passes a request on cannot change it, or ask in a partner's name without one.

use serde::{Deserialize, Serialize};

use super::{EvidenceError, b64, check_times};
use crate::crypto::{Jws, PublicKey, Signer, sha256};
use crate::time::Timestamp;

const TYP: &str = "licence-request+jwt";
/// Longest life of a request signature, in seconds. Its `jti` is remembered at least as long.
pub const MAX_SIGNATURE_SECS: i64 = 300;

/// Claims of the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestSignature {
    /// Partner id.
    pub iss: String,
    /// Region of the partner's own node.
    pub aud: String,
    /// Regions whose nodes may answer it.
    pub targets: Vec<String>,
    pub method: String,
    pub path: String,
    /// base64url of SHA-256 of the body.
    pub body_digest: String,
    /// Unix seconds.
    pub iat: i64,
    pub exp: i64,
    /// Unique; accepted once by each node.
    pub jti: String,
}

/// The request that a signature is held against.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// Region of the partner's own node.
    pub home: &'a str,
    /// Region of the node that checks.
    pub answering: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub body: &'a [u8],
}

impl RequestSignature {
    pub fn new(
        partner: &str,
        facts: &RequestFacts<'_>,
        targets: Vec<String>,
        now: Timestamp,
        jti: String,
    ) -> Self {
        Self {
            iss: partner.to_owned(),
            aud: facts.home.to_owned(),
            targets,
            method: facts.method.to_owned(),
            path: facts.path.to_owned(),
            body_digest: b64(&sha256(&[facts.body])),
            iat: now.secs(),
            exp: now.secs().saturating_add(MAX_SIGNATURE_SECS),
            jti,
        }
    }

    /// Signs; the certificate's digest goes along so that the verifier finds the registration.
    pub fn sign(&self, signer: &dyn Signer, certificate: &[u8]) -> Result<String, EvidenceError> {
        Ok(Jws::sign(TYP, self, signer, &[certificate])?)
    }

    /// Digest of the certificate that the token names, and the claims, before verification.
    pub fn peek(token: &str) -> Result<(Self, Option<[u8; 32]>), EvidenceError> {
        let jws = Jws::parse(TYP, token)?;
        Ok((jws.claims_unverified()?, jws.certificate_digest()))
    }

    /// Certificate that came along, DER. To be trusted only if its digest is registered.
    pub fn certificate(token: &str) -> Result<Vec<u8>, EvidenceError> {
        let mut chain = Jws::parse(TYP, token)?.chain()?;
        if chain.len() != 1 {
            return Err(EvidenceError::OtherCertificate);
        }
        chain.pop().ok_or(EvidenceError::OtherCertificate)
    }

    /// Verifies the signature and that it covers this request.
    pub fn verify(
        token: &str,
        key: &PublicKey,
        facts: &RequestFacts<'_>,
        now: Timestamp,
    ) -> Result<Self, EvidenceError> {
        let claims: Self = Jws::parse(TYP, token)?.verify(key)?;
        if claims.aud != facts.home {
            return Err(EvidenceError::Audience(claims.aud));
        }
        if facts.answering != facts.home && !claims.targets.iter().any(|target| target == facts.answering) {
            return Err(EvidenceError::Audience(claims.targets.join(", ")));
        }
        check_times(claims.iat, claims.exp, now, MAX_SIGNATURE_SECS)?;
        for (covered, what) in [
            (claims.method == facts.method, "method"),
            (claims.path == facts.path, "path"),
            (claims.body_digest == b64(&sha256(&[facts.body])), "body"),
            (!claims.jti.is_empty() && claims.jti.len() <= 64, "jti"),
        ] {
            if !covered {
                return Err(EvidenceError::OtherRequest(what));
            }
        }
        Ok(claims)
    }
}
