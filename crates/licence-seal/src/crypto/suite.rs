//! The two suites: the law's, and the one for tests and for cities without SM2.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sm3::{Digest as _, Sm3};

use super::{Digest, sha256};

/// The user id that enters ZA in every SM2 signature of this project (GM/T 0009).
pub const SM2_USER_ID: &str = "1234567812345678";

/// Hash, curve and signature algorithm, chosen together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Suite {
    /// SM2 with SM3 (GB/T 32918, GB/T 32905): the suite of an 电子印章.
    #[serde(rename = "sm2-sm3")]
    Sm2Sm3,
    /// ECDSA over P-256 with SHA-256: for tests; a report never calls it 电子印章.
    #[serde(rename = "p256-sha256")]
    P256Sha256,
}

impl Suite {
    pub const ALL: [Self; 2] = [Self::Sm2Sm3, Self::P256Sha256];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Sm2Sm3 => "sm2-sm3",
            Self::P256Sha256 => "p256-sha256",
        }
    }

    /// Name of the hash in `_sd_alg` and in a manifest.
    pub const fn hash_name(self) -> &'static str {
        match self {
            Self::Sm2Sm3 => "sm3",
            Self::P256Sha256 => "sha-256",
        }
    }

    pub fn from_hash_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.hash_name() == name)
    }

    /// Object identifier of the signature algorithm, dotted.
    pub const fn signature_oid(self) -> &'static str {
        match self {
            Self::Sm2Sm3 => "1.2.156.10197.1.501",
            Self::P256Sha256 => "1.2.840.10045.4.3.2",
        }
    }

    pub fn from_signature_oid(oid: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.signature_oid() == oid)
    }

    /// The suite of a signature algorithm as seals and messages of the field name it: besides
    /// [`Self::signature_oid`] that of the SM2 signature without its hash (GM/T 0006), and even that
    /// of the curve. For reading only: nothing here writes them, and no certificate may have them.
    pub fn from_seen_signature_oid(oid: &str) -> Option<Self> {
        match oid {
            "1.2.156.10197.1.301" | "1.2.156.10197.1.301.1" => Some(Self::Sm2Sm3),
            _ => Self::from_signature_oid(oid),
        }
    }

    /// Object identifier of the curve in a SubjectPublicKeyInfo, dotted.
    pub const fn curve_oid(self) -> &'static str {
        match self {
            Self::Sm2Sm3 => "1.2.156.10197.1.301",
            Self::P256Sha256 => "1.2.840.10045.3.1.7",
        }
    }

    pub fn from_curve_oid(oid: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.curve_oid() == oid)
    }

    /// Object identifier of the hash, dotted.
    pub const fn hash_oid(self) -> &'static str {
        match self {
            Self::Sm2Sm3 => "1.2.156.10197.1.401",
            Self::P256Sha256 => "2.16.840.1.101.3.4.2.1",
        }
    }

    /// The suite of a hash as lists of digests and messages of the field name it: by identifier
    /// (for SM3 also those with and without a key, GM/T 0006) or by name, in any spelling.
    pub fn from_seen_hash(name: &str) -> Option<Self> {
        if matches!(name, "1.2.156.10197.1.401.1" | "1.2.156.10197.1.401.2") {
            return Some(Self::Sm2Sm3);
        }
        let plain = name.to_ascii_lowercase().replace('-', "");
        Self::ALL
            .into_iter()
            .find(|suite| suite.hash_oid() == name || suite.hash_name().replace('-', "") == plain)
    }

    /// The `alg` of a JWS. `SM2` is not registered with IANA; RFC 7518 has no ShangMi algorithm.
    pub const fn jws_alg(self) -> &'static str {
        match self {
            Self::Sm2Sm3 => "SM2",
            Self::P256Sha256 => "ES256",
        }
    }

    /// The suite's hash over the concatenation of `parts`.
    pub fn hash(self, parts: &[&[u8]]) -> Digest {
        match self {
            Self::P256Sha256 => sha256(parts),
            Self::Sm2Sm3 => {
                let mut hasher = Sm3::new();
                for part in parts {
                    hasher.update(part);
                }
                hasher.finalize().into()
            }
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Suite {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|suite| suite.name() == text)
            .ok_or_else(|| "a suite is sm2-sm3 or p256-sha256".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sm3_gives_the_digests_of_the_standard() {
        // GB/T 32905-2016, annex A.
        assert_eq!(
            hex::encode(Suite::Sm2Sm3.hash(&[b"abc"])),
            "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
        );
        assert_eq!(
            hex::encode(Suite::Sm2Sm3.hash(&["abcd".repeat(8).as_bytes(), "abcd".repeat(8).as_bytes()])),
            "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
        );
    }

    #[test]
    fn every_name_leads_back_to_its_suite() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_hash_name(suite.hash_name()), Some(suite));
            assert_eq!(Suite::from_signature_oid(suite.signature_oid()), Some(suite));
            assert_eq!(Suite::from_curve_oid(suite.curve_oid()), Some(suite));
            assert_eq!(suite.name().parse(), Ok(suite));
            for hash in [suite.hash_name().to_uppercase(), suite.hash_oid().to_owned()] {
                assert_eq!(Suite::from_seen_hash(&hash), Some(suite));
            }
            assert_eq!(Suite::from_seen_signature_oid(suite.signature_oid()), Some(suite));
        }
    }

    #[test]
    fn names_of_the_field_are_read_and_weak_hashes_are_not() {
        for oid in ["1.2.156.10197.1.301", "1.2.156.10197.1.301.1"] {
            assert_eq!(Suite::from_seen_signature_oid(oid), Some(Suite::Sm2Sm3));
            assert_eq!(Suite::from_signature_oid(oid), None);
        }
        for (name, suite) in [
            ("SM3", Some(Suite::Sm2Sm3)),
            ("1.2.156.10197.1.401.2", Some(Suite::Sm2Sm3)),
            ("SHA256", Some(Suite::P256Sha256)),
            ("MD5", None),
            ("SHA-1", None),
            ("1.2.840.113549.2.5", None),
            ("", None),
        ] {
            assert_eq!(Suite::from_seen_hash(name), suite, "{name}");
        }
    }
}
