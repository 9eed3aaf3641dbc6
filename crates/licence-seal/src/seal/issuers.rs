//! The issuer list: who may seal what, and which nodes speak for a city.
//!
//! A seal that verifies says only whose it is. That this authority may issue this type of licence
//! is said by its city, in a list signed with the city's directory key. The verifier pins that key
//! (`directory/<region>.pem` of the trust folder), so no certificate authority can speak for a city
//! it was not given.

use serde::{Deserialize, Serialize};

use crate::crypto::{CryptoError, Digest, Jws, PublicKey, Signer};
use crate::time::Timestamp;

use super::Voice;

const TYP: &str = "licence-issuers+jwt";
/// Authorities of the state, whose seals any city may list (area 100000 of GB/T 2260).
const NATIONAL_AREA: &str = "100000";

/// Claims of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerList {
    /// Region code, 6 digits.
    pub region: String,
    pub issued: Timestamp,
    pub issuers: Vec<Issuer>,
    /// Certificates of the library's own attestation seal.
    #[serde(default)]
    pub attestation: Vec<SealBinding>,
    /// Certificates with which the city's nodes sign statements and receipts.
    #[serde(default)]
    pub nodes: Vec<NodeBinding>,
}

/// One issuing authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    /// Unified social credit code.
    pub code: String,
    pub name: String,
    pub seals: Vec<SealBinding>,
}

/// A signer's certificate, what it may seal, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealBinding {
    /// SHA-256 of the certificate, hexadecimal.
    pub certificate: String,
    /// Type codes; `*` stands for all.
    pub types: Vec<String>,
    pub from: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A node's signing certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeBinding {
    pub certificate: String,
    pub from: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Why a certificate is not bound to an issuer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    #[error("no issuer list names authority {0}")]
    UnknownIssuer(String),
    #[error("the issuer list does not give this certificate to authority {0}")]
    OtherCertificate(String),
    #[error("authority {issuer} may not seal licences of type {type_code} with it")]
    OtherType { issuer: String, type_code: String },
    #[error("the binding did not hold at {0}")]
    OtherTime(Timestamp),
    #[error("the certificate is not the attestation seal of any listed city")]
    NotAttestation,
    #[error("the certificate belongs neither to authority {0} nor to a node that its city's list names")]
    OtherPage(String),
}

impl IssuerList {
    pub fn sign(&self, directory_key: &dyn Signer) -> Result<String, CryptoError> {
        Jws::sign(TYP, self, directory_key, &[])
    }

    /// Reads the list of `region`, signed by the pinned key.
    pub fn verify(token: &str, region: &str, directory_key: &PublicKey) -> Result<Self, CryptoError> {
        let list: Self = Jws::parse(TYP, token)?.verify(directory_key)?;
        if list.region != region {
            return Err(CryptoError::Jws(TYP, "the list of another region"));
        }
        Ok(list)
    }

    /// Whether this list may speak for `issuer` at all: its own region's, or the state's.
    pub fn may_name(&self, issuer: &str) -> bool {
        let area = issuer.get(2..8).unwrap_or_default();
        let province = |code: &str| code.get(..2).map(str::to_owned);
        area == NATIONAL_AREA || province(area) == province(&self.region)
    }

    /// Whether `certificate` may stamp licences of `type_code` by `issuer`, at `at`, in this voice.
    pub fn bind(
        &self,
        voice: Voice,
        issuer: &str,
        type_code: &str,
        certificate: &Digest,
        at: Timestamp,
    ) -> Result<(), BindingError> {
        let wanted = hex::encode(certificate);
        let (seals, other) = match voice {
            Voice::Attestation if self.may_name(issuer) => (&self.attestation, BindingError::NotAttestation),
            Voice::Attestation => return Err(BindingError::NotAttestation),
            Voice::Issuer => {
                let named = self.issuers.iter().find(|named| named.code == issuer && self.may_name(issuer));
                let named = named.ok_or_else(|| BindingError::UnknownIssuer(issuer.to_owned()))?;
                (&named.seals, BindingError::OtherCertificate(issuer.to_owned()))
            }
        };
        let mut why = other;
        for binding in seals.iter().filter(|binding| binding.certificate == wanted) {
            if !binding.types.iter().any(|listed| listed == "*" || listed == type_code) {
                why = BindingError::OtherType { issuer: issuer.to_owned(), type_code: type_code.to_owned() };
            } else if at < binding.from || binding.until.is_some_and(|until| at > until) {
                why = BindingError::OtherTime(at);
            } else {
                return Ok(());
            }
        }
        Err(why)
    }

    /// Whether `certificate` is one of this city's nodes at `at`.
    pub fn is_node(&self, certificate: &Digest, at: Timestamp) -> bool {
        let wanted = hex::encode(certificate);
        self.nodes.iter().any(|node| {
            node.certificate == wanted && at >= node.from && node.until.is_none_or(|until| at <= until)
        })
    }
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{PrivateKey, SeededRandom, Suite};

    fn list() -> IssuerList {
        let from = Timestamp::from_secs(1000);
        let seal = |digest: u8, types: &[&str]| SealBinding {
            certificate: hex::encode([digest; 32]),
            types: types.iter().map(|code| (*code).to_owned()).collect(),
            from,
            until: Some(Timestamp::from_secs(2000)),
        };
        let issuer = |code: &str, seals| Issuer { code: code.into(), name: "局".into(), seals };
        IssuerList {
            region: "120000".into(),
            issued: from,
            issuers: vec![
                issuer("111201010000000000", vec![seal(1, &["T1"])]),
                issuer("111301010000000000", vec![seal(2, &["*"])]),
            ],
            attestation: vec![seal(3, &["*"])],
            nodes: vec![NodeBinding { certificate: hex::encode([4; 32]), from, until: None }],
        }
    }

    #[test]
    fn a_seal_is_bound_by_issuer_certificate_type_and_time() {
        let (list, at, tianjin) = (list(), Timestamp::from_secs(1500), "111201010000000000");
        assert_eq!(list.bind(Voice::Issuer, tianjin, "T1", &[1; 32], at), Ok(()));
        for (issuer, kind, certificate, at, rule) in [
            ("111201020000000000", "T1", [1; 32], at, "no issuer list"),
            (tianjin, "T1", [2; 32], at, "does not give"),
            (tianjin, "T2", [1; 32], at, "may not seal"),
            (tianjin, "T1", [1; 32], Timestamp::from_secs(999), "did not hold"),
            (tianjin, "T1", [1; 32], Timestamp::from_secs(2001), "did not hold"),
        ] {
            let why = list.bind(Voice::Issuer, issuer, kind, &certificate, at).unwrap_err();
            assert!(why.to_string().contains(rule), "{why}");
        }
    }

    #[test]
    fn a_city_cannot_speak_for_another_citys_authority() {
        let (list, at) = (list(), Timestamp::from_secs(1500));
        assert!(list.bind(Voice::Issuer, "111301010000000000", "T1", &[2; 32], at).is_err());
        assert!(list.bind(Voice::Attestation, "111301010000000000", "T1", &[3; 32], at).is_err());
        assert!(list.bind(Voice::Attestation, "111201010000000000", "T1", &[3; 32], at).is_ok());
        assert!(list.bind(Voice::Attestation, "111201010000000000", "T1", &[1; 32], at).is_err());
        assert!(list.may_name("11100000MB03271699"));
    }

    #[test]
    fn only_the_pinned_key_signs_a_list() {
        let key = |seed| {
            let der = PrivateKey::generate(Suite::Sm2Sm3, &SeededRandom::new(seed)).unwrap();
            PrivateKey::from_pkcs8(&der).unwrap()
        };
        let (ours, theirs) = (key("a"), key("b"));
        let token = list().sign(&ours).unwrap();
        assert_eq!(IssuerList::verify(&token, "120000", ours.public_key()).unwrap(), list());
        assert!(IssuerList::verify(&token, "110000", ours.public_key()).is_err());
        assert!(IssuerList::verify(&token, "120000", theirs.public_key()).is_err());
    }
}
