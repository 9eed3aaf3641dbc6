//! The access token: OAuth 2.0 client credentials, bound to the client's certificate
//! (RFC 8705 3, RFC 9068). It carries no rights: those are looked up at each request.

use serde::{Deserialize, Serialize};

use super::{EvidenceError, b64, check_times};
use crate::crypto::{Digest, Jws, PublicKey, Signer};
use crate::time::Timestamp;

const TYP: &str = "at+jwt";

/// Claims of the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// Region of the node that issued it and will accept it.
    pub iss: String,
    pub aud: String,
    /// Partner id; `sub` and `client_id` are the same (RFC 9068 2.2).
    pub sub: String,
    pub client_id: String,
    /// Unix seconds.
    pub iat: i64,
    pub exp: i64,
    pub jti: String,
    pub cnf: Confirmation,
}

/// Proof of possession (RFC 8705 3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    #[serde(rename = "x5t#S256")]
    pub x5t_s256: String,
}

impl AccessToken {
    pub fn new(
        region: &str,
        partner: &str,
        certificate: &Digest,
        now: Timestamp,
        life_secs: i64,
        jti: String,
    ) -> Self {
        Self {
            iss: region.to_owned(),
            aud: region.to_owned(),
            sub: partner.to_owned(),
            client_id: partner.to_owned(),
            iat: now.secs(),
            exp: now.secs().saturating_add(life_secs),
            jti,
            cnf: Confirmation { x5t_s256: b64(certificate) },
        }
    }

    pub fn sign(&self, signer: &dyn Signer) -> Result<String, EvidenceError> {
        Ok(Jws::sign(TYP, self, signer, &[])?)
    }

    /// Verifies signature, issuer, times, and that it is presented under the certificate it is
    /// bound to.
    pub fn verify(
        token: &str,
        region: &str,
        key: &PublicKey,
        certificate: &Digest,
        now: Timestamp,
        max_life_secs: i64,
    ) -> Result<Self, EvidenceError> {
        let claims: Self = Jws::parse(TYP, token)?.verify(key)?;
        if claims.iss != region {
            return Err(EvidenceError::Issuer(claims.iss));
        }
        if claims.aud != region {
            return Err(EvidenceError::Audience(claims.aud));
        }
        check_times(claims.iat, claims.exp, now, max_life_secs)?;
        if claims.cnf.x5t_s256 != b64(certificate) {
            return Err(EvidenceError::OtherCertificate);
        }
        Ok(claims)
    }
}
