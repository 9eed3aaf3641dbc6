//! The status statement: what the issuing city's node says of a licence, and until when.
//!
//! Status is not under the seal, because it changes. It travels as a JWT of the city's node, whose
//! certificate the city's issuer list names; a verifier offline takes it for what it is, the word
//! of a moment.

use serde::{Deserialize, Serialize};

use crate::crypto::{CryptoError, Jws, Signer};
use crate::licence::State;
use crate::time::Timestamp;

const TYP: &str = "licence-status+jwt";
/// Longest time that a statement may call itself fresh, in seconds.
pub const MAX_FRESH_SECS: i64 = 24 * 3600;

/// Claims of the statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusStatement {
    /// Region of the node that speaks.
    pub iss: String,
    /// Licence identifier.
    pub id: String,
    pub state: State,
    pub as_of: Timestamp,
    /// At most 24 hours after `asOf`.
    pub next_update: Timestamp,
}

/// A statement taken apart: whose it claims to be, and the certificate that came along.
pub struct UnverifiedStatement<'a> {
    jws: Jws<'a>,
    pub claims: StatusStatement,
    /// DER of the node's certificate.
    pub certificate: Vec<u8>,
}

impl StatusStatement {
    /// Signs; `certificate` is the node's, DER, and goes along.
    pub fn sign(&self, signer: &dyn Signer, certificate: &[u8]) -> Result<String, CryptoError> {
        Jws::sign(TYP, self, signer, &[certificate])
    }

    pub fn parse(token: &str) -> Result<UnverifiedStatement<'_>, CryptoError> {
        let jws = Jws::parse(TYP, token)?;
        let [certificate] = <[Vec<u8>; 1]>::try_from(jws.chain()?)
            .map_err(|_| CryptoError::Jws(TYP, "x5c is not one certificate"))?;
        if jws.certificate_digest() != Some(crate::crypto::sha256(&[&certificate])) {
            return Err(CryptoError::Jws(TYP, "x5t#S256 is not the digest of x5c"));
        }
        let claims: Self = jws.claims_unverified()?;
        let fresh = claims.next_update.millis().saturating_sub(claims.as_of.millis());
        if !(0..=MAX_FRESH_SECS * 1000).contains(&fresh) {
            return Err(CryptoError::Jws(TYP, "nextUpdate is not within 24 hours of asOf"));
        }
        Ok(UnverifiedStatement { jws, claims, certificate })
    }
}

impl UnverifiedStatement<'_> {
    /// Verifies with the key of the certificate that came along; the caller has found that
    /// certificate in the issuer list of the region that the claims name.
    pub fn verify(&self, key: &crate::crypto::PublicKey) -> Result<(), CryptoError> {
        self.jws.verify::<StatusStatement>(key).map(|_| ())
    }
}
