//! Keys and signatures of certificates, which are of more kinds than the two suites.
//!
//! A seal, a token and a stamp are always of a [`super::Suite`]. The authorities above them are
//! not ours to choose: a public root is RSA, a national one SM2. What a certificate or a
//! revocation list may be signed with is this closed list; whatever is older or weaker (MD5, SHA-1,
//! DSA, RSA below 2048 bits, other curves, curves given by their parameters) is unsupported.
//! The parameters of an AlgorithmIdentifier are part of the algorithm and are checked to the byte.

use std::fmt;

use der::asn1::UintRef;
use der::{Decode, Encode, Sequence};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use ring::signature::{self as ring_signature, UnparsedPublicKey, VerificationAlgorithm};

use super::{CryptoError, PublicKey, Signature, Suite};

const OID_EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const OID_RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
const OID_RSA_PSS: &str = "1.2.840.113549.1.1.10";
const OID_P384: &str = "1.3.132.0.34";

const NULL: &[u8] = &[5, 0];
const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 8192;

/// What a certificate or a revocation list is signed with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SignatureAlgorithm {
    Sm2Sm3,
    EcdsaSha256,
    EcdsaSha384,
    RsaSha256,
    RsaSha384,
    RsaSha512,
    RsaPssSha256,
    RsaPssSha384,
    RsaPssSha512,
}

impl SignatureAlgorithm {
    const SIMPLE: [(Self, &'static str); 6] = [
        (Self::Sm2Sm3, "1.2.156.10197.1.501"),
        (Self::EcdsaSha256, "1.2.840.10045.4.3.2"),
        (Self::EcdsaSha384, "1.2.840.10045.4.3.3"),
        (Self::RsaSha256, "1.2.840.113549.1.1.11"),
        (Self::RsaSha384, "1.2.840.113549.1.1.12"),
        (Self::RsaSha512, "1.2.840.113549.1.1.13"),
    ];
    const PSS: [(Self, u8, u8); 3] =
        [(Self::RsaPssSha256, 1, 32), (Self::RsaPssSha384, 2, 48), (Self::RsaPssSha512, 3, 64)];

    /// From a DER AlgorithmIdentifier. Its parameters must be absent for ECDSA (RFC 5758 3.2), NULL
    /// for RSA PKCS#1 v1.5 (RFC 4055 5), absent or NULL for SM2, where both occur; for RSA-PSS
    /// one hash throughout, with a salt of its length (RFC 4055 3.1). The error carries the object
    /// identifier of what is not supported.
    pub fn from_der(identifier: &[u8]) -> Result<Self, CryptoError> {
        let malformed = |_| CryptoError::Unsupported("not an AlgorithmIdentifier".to_owned());
        let identifier = AlgorithmIdentifierRef::from_der(identifier).map_err(malformed)?;
        let parameters = match identifier.parameters {
            Some(any) => Some(any.to_der().map_err(malformed)?),
            None => None,
        };
        let oid = identifier.oid.to_string();
        if oid == OID_RSA_PSS {
            let known = |(_, hash, salt): &&(Self, u8, u8)| parameters == Some(pss_parameters(*hash, *salt));
            let found = Self::PSS.iter().find(known).map(|entry| entry.0);
            return found.ok_or(CryptoError::Unsupported(format!("{oid} with these parameters")));
        }
        let known = Self::SIMPLE.iter().find(|entry| entry.1 == oid).map(|entry| entry.0);
        let known = known.ok_or_else(|| CryptoError::Unsupported(oid.clone()))?;
        let fits = match (known, parameters.as_deref()) {
            (Self::Sm2Sm3, None | Some(NULL)) => true,
            (Self::EcdsaSha256 | Self::EcdsaSha384, given) => given.is_none(),
            (_, given) => given == Some(NULL),
        };
        if fits { Ok(known) } else { Err(CryptoError::Unsupported(format!("{oid} with these parameters"))) }
    }
}

/// DER of RSASSA-PSS-params: SHA-2 number `hash` of the NIST arc, MGF1 over it, the salt's length.
fn pss_parameters(hash: u8, salt: u8) -> Vec<u8> {
    let hash = [0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, hash, 0x05, 0x00];
    let mgf1 = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
    [
        &[0x30, 0x34, 0xa0, 0x0f][..],
        &hash,
        &[0xa1, 0x1c, 0x30, 0x1a],
        &mgf1,
        &hash,
        &[0xa2, 0x03, 0x02, 0x01, salt],
    ]
    .concat()
}

/// A public key in a certificate.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum CertificateKey {
    /// SM2 or P-256: a key that can also sign seals, tokens and statements.
    Suite(PublicKey),
    /// The uncompressed point on P-384.
    P384(Vec<u8>),
    /// DER RSAPublicKey of 2048 to 8192 bits, in whole octets.
    Rsa(Vec<u8>),
}

#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

impl CertificateKey {
    /// From a DER SubjectPublicKeyInfo (RFC 5280 4.1.2.7, RFC 5480, RFC 3279 2.3.1, GB/T 20518).
    /// The error says what is not supported: an object identifier, or what is wrong with the key.
    pub fn from_spki(spki: &[u8]) -> Result<Self, CryptoError> {
        let refuse = |why: &str| CryptoError::Unsupported(why.to_owned());
        let info = SubjectPublicKeyInfoRef::from_der(spki)
            .map_err(|_| refuse("a key that is no SubjectPublicKeyInfo"))?;
        let bits = info.subject_public_key.as_bytes().ok_or_else(|| refuse("a key of broken octets"))?;
        let algorithm = info.algorithm.oid.to_string();
        match algorithm.as_str() {
            OID_EC_PUBLIC_KEY => {
                let curve = info.algorithm.parameters_oid();
                let curve = curve.map_err(|_| refuse("a curve that is not named"))?.to_string();
                if curve == OID_P384 {
                    let uncompressed = bits.len() == 97 && bits.first() == Some(&4);
                    let point = uncompressed.then(|| Self::P384(bits.to_vec()));
                    return point.ok_or_else(|| refuse("a point on P-384 that is not uncompressed"));
                }
                let suite = Suite::from_curve_oid(&curve).ok_or(CryptoError::Unsupported(curve))?;
                PublicKey::from_point(suite, bits)
                    .map(Self::Suite)
                    .map_err(|why| CryptoError::Unsupported(why.to_string()))
            }
            OID_RSA_ENCRYPTION => {
                let null = info.algorithm.parameters.is_some_and(|any| any.is_null());
                if !null {
                    return Err(refuse("an RSA key with parameters"));
                }
                rsa_key(bits).map(Self::Rsa)
            }
            _ => Err(CryptoError::Unsupported(algorithm)),
        }
    }

    /// The key if it is of a suite.
    pub const fn suite_key(&self) -> Option<&PublicKey> {
        match self {
            Self::Suite(key) => Some(key),
            Self::P384(_) | Self::Rsa(_) => None,
        }
    }

    /// Verifies the bits of a signature in a certificate or list. An algorithm that does not
    /// belong to this kind of key verifies nothing.
    pub fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        use SignatureAlgorithm as Algorithm;
        let (ring_algorithm, key): (&'static dyn VerificationAlgorithm, &[u8]) = match (self, algorithm) {
            (Self::Suite(key), Algorithm::Sm2Sm3) if key.suite() == Suite::Sm2Sm3 => {
                return key.verify(message, &Signature::from_der(signature)?);
            }
            (Self::Suite(key), Algorithm::EcdsaSha256) if key.suite() == Suite::P256Sha256 => {
                return key.verify(message, &Signature::from_der(signature)?);
            }
            (Self::Suite(key), Algorithm::EcdsaSha384) if key.suite() == Suite::P256Sha256 => {
                (&ring_signature::ECDSA_P256_SHA384_ASN1, key.point())
            }
            (Self::P384(point), Algorithm::EcdsaSha256) => (&ring_signature::ECDSA_P384_SHA256_ASN1, point),
            (Self::P384(point), Algorithm::EcdsaSha384) => (&ring_signature::ECDSA_P384_SHA384_ASN1, point),
            (Self::Rsa(key), Algorithm::RsaSha256) => (&ring_signature::RSA_PKCS1_2048_8192_SHA256, key),
            (Self::Rsa(key), Algorithm::RsaSha384) => (&ring_signature::RSA_PKCS1_2048_8192_SHA384, key),
            (Self::Rsa(key), Algorithm::RsaSha512) => (&ring_signature::RSA_PKCS1_2048_8192_SHA512, key),
            (Self::Rsa(key), Algorithm::RsaPssSha256) => (&ring_signature::RSA_PSS_2048_8192_SHA256, key),
            (Self::Rsa(key), Algorithm::RsaPssSha384) => (&ring_signature::RSA_PSS_2048_8192_SHA384, key),
            (Self::Rsa(key), Algorithm::RsaPssSha512) => (&ring_signature::RSA_PSS_2048_8192_SHA512, key),
            _ => return Err(CryptoError::SignatureInvalid),
        };
        UnparsedPublicKey::new(ring_algorithm, key)
            .verify(message, signature)
            .map_err(|_| CryptoError::SignatureInvalid)
    }
}

/// DER RSAPublicKey whose modulus has whole octets and an accepted length, the exponent odd.
fn rsa_key(der: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let refuse = |why: &str| CryptoError::Unsupported(why.to_owned());
    let key = RsaPublicKey::from_der(der).map_err(|_| refuse("a key that is no RSAPublicKey"))?;
    let modulus = key.modulus.as_bytes();
    let unused = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = (modulus.len() * 8).saturating_sub(unused);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) || bits % 8 != 0 {
        return Err(CryptoError::Unsupported(format!("an RSA key of {bits} bits")));
    }
    let exponent = key.exponent.as_bytes();
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    if !odd(exponent) || !odd(modulus) || exponent == [1] || exponent.len() > 4 {
        return Err(refuse("an RSA key that cannot be one"));
    }
    Ok(der.to_vec())
}

impl fmt::Debug for CertificateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suite(key) => key.fmt(f),
            Self::P384(point) => write!(f, "CertificateKey(P-384, {})", hex::encode(point)),
            Self::Rsa(key) => write!(f, "CertificateKey(RSA, {})", hex::encode(key)),
        }
    }
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::testing::RsaRandom;
    use crate::crypto::{PrivateKey, SeededRandom, Signer};

    fn identifier(hex_der: &str) -> Result<SignatureAlgorithm, CryptoError> {
        SignatureAlgorithm::from_der(&hex::decode(hex_der.replace(' ', "")).unwrap())
    }

    #[test]
    fn parameters_belong_to_the_algorithm() {
        for (der, known) in [
            ("300a 0608 2a811ccf55018375", Some(SignatureAlgorithm::Sm2Sm3)),
            ("300c 0608 2a811ccf55018375 0500", Some(SignatureAlgorithm::Sm2Sm3)),
            ("300d 0608 2a811ccf55018375 020101", None),
            ("300a 0608 2a8648ce3d040302", Some(SignatureAlgorithm::EcdsaSha256)),
            ("300c 0608 2a8648ce3d040302 0500", None),
            ("300d 0609 2a864886f70d01010b 0500", Some(SignatureAlgorithm::RsaSha256)),
            ("300b 0609 2a864886f70d01010b", None),
            // SHA-1 and MD5 with RSA, SHA-1 with ECDSA, DSA, RSA-PSS with its defaults (SHA-1).
            ("300d 0609 2a864886f70d010105 0500", None),
            ("300d 0609 2a864886f70d010104 0500", None),
            ("3009 0607 2a8648ce3d0401", None),
            ("300b 0609 608648016503040302", None),
            ("300d 0609 2a864886f70d01010a 3000", None),
        ] {
            assert_eq!(identifier(der).ok(), known, "{der}");
        }
        let pss = |hash, salt| {
            let oid = hex::decode("06092a864886f70d01010a").unwrap();
            let body = [oid, pss_parameters(hash, salt)].concat();
            SignatureAlgorithm::from_der(&[vec![0x30, body.len() as u8], body].concat()).ok()
        };
        assert_eq!(pss(1, 32), Some(SignatureAlgorithm::RsaPssSha256));
        assert_eq!(pss(2, 48), Some(SignatureAlgorithm::RsaPssSha384));
        assert_eq!(pss(1, 20), None);
    }

    #[test]
    fn an_rsa_key_is_long_enough_and_of_whole_octets() {
        let key = |bits: usize, exponent: &[u8]| {
            let mut modulus = vec![0xff; bits.div_ceil(8)];
            modulus[0] >>= (8 - bits % 8) % 8;
            let key = RsaPublicKey {
                modulus: UintRef::new(&modulus).unwrap(),
                exponent: UintRef::new(exponent).unwrap(),
            };
            rsa_key(&key.to_der().unwrap()).is_ok()
        };
        for (bits, good) in [(1024, false), (2047, false), (2048, true), (2049, false), (2056, true)] {
            assert_eq!(key(bits, &[1, 0, 1]), good, "{bits}");
        }
        assert!(key(8192, &[3]) && !key(8200, &[3]));
        assert!(!key(2048, &[1]) && !key(2048, &[2]) && !key(2048, &[1, 0, 0, 0, 1]));
    }

    #[test]
    fn a_key_verifies_only_algorithms_of_its_kind() {
        for suite in Suite::ALL {
            let der = PrivateKey::generate(suite, &SeededRandom::new("key")).unwrap();
            let private = PrivateKey::from_pkcs8(&der).unwrap();
            let key = CertificateKey::from_spki(&private.public_key().to_spki()).unwrap();
            let signature = private.sign(b"m").unwrap().to_der();
            let right = match suite {
                Suite::Sm2Sm3 => SignatureAlgorithm::Sm2Sm3,
                Suite::P256Sha256 => SignatureAlgorithm::EcdsaSha256,
            };
            for (algorithm, _) in SignatureAlgorithm::SIMPLE {
                assert_eq!(key.verify(algorithm, b"m", &signature).is_ok(), algorithm == right);
            }
        }
    }

    #[test]
    fn rsa_signatures_of_both_paddings_verify() {
        use rsa::pkcs8::EncodePublicKey;
        use rsa::signature::{RandomizedSigner, SignatureEncoding, Signer as _};
        let mut random = RsaRandom(SeededRandom::new("rsa"));
        let private = rsa::PrivateKey::new(&mut random, 2048).unwrap();
        let spki = private.to_public_key().to_public_key_der().unwrap();
        let key = CertificateKey::from_spki(spki.as_bytes()).unwrap();
        let plain = rsa::pkcs1v15::SigningKey::<rsa::sha2::Sha256>::new(private.clone());
        let plain = plain.sign(b"m").to_vec();
        let pss = rsa::pss::SigningKey::<rsa::sha2::Sha256>::new(private);
        let pss = pss.sign_with_rng(&mut random, b"m").to_vec();
        key.verify(SignatureAlgorithm::RsaSha256, b"m", &plain).unwrap();
        key.verify(SignatureAlgorithm::RsaPssSha256, b"m", &pss).unwrap();
        assert!(key.verify(SignatureAlgorithm::RsaPssSha256, b"m", &plain).is_err());
        assert!(key.verify(SignatureAlgorithm::RsaSha512, b"m", &plain).is_err());
        assert!(key.verify(SignatureAlgorithm::EcdsaSha256, b"m", &plain).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_keys_algorithms_and_signatures_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..120),
            body in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let wrapped = [vec![0x30, body.len() as u8], body.clone()].concat();
            for der in [&bytes, &body, &wrapped] {
                prop_assert!(CertificateKey::from_spki(der).is_err());
                let _ = SignatureAlgorithm::from_der(der);
            }
            let keys = [CertificateKey::P384(bytes.clone()), CertificateKey::Rsa(wrapped)];
            for key in keys {
                for (algorithm, _) in SignatureAlgorithm::SIMPLE {
                    prop_assert!(key.verify(algorithm, &body, &bytes).is_err());
                }
            }
        }
    }
}
