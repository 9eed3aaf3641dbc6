//! Private keys held in memory.

use std::fmt;

use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use sm2::dsa::SigningKey as Sm2SigningKey;
use sm2::elliptic_curve::zeroize::Zeroizing;
use sm2::pkcs8::{DecodePrivateKey, EncodePrivateKey};

use super::{
    Beginning, CryptoError, Digest, PublicKey, Random, SM2_USER_ID, Signature, Signer, Suite, pem_decode,
    pem_encode,
};

enum Inner {
    P256(Box<EcdsaKeyPair>),
    Sm2(Box<Sm2SigningKey>),
}

/// A private key held in memory.
pub struct PrivateKey {
    inner: Inner,
    public: PublicKey,
}

/// A private key as it lies in a file: PKCS#8 DER, wiped when dropped.
pub type KeyFile = Zeroizing<Vec<u8>>;

impl PrivateKey {
    /// A new key, as PKCS#8. P-256 keys always come from ring's own randomness.
    pub fn generate(suite: Suite, random: &dyn Random) -> Result<KeyFile, CryptoError> {
        match suite {
            Suite::P256Sha256 => {
                let rng = ring::rand::SystemRandom::new();
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng)
                    .map(|document| Zeroizing::new(document.as_ref().to_vec()))
                    .map_err(|_| CryptoError::Randomness)
            }
            Suite::Sm2Sm3 => loop {
                let scalar: Zeroizing<Digest> = Zeroizing::new(random.bytes()?);
                // A scalar outside [1, n-1] is drawn again: the chance is below 2^-32.
                if let Ok(secret) = sm2::SecretKey::from_slice(scalar.as_slice()) {
                    let document =
                        secret.to_pkcs8_der().map_err(|_| CryptoError::PrivateKey(suite.name()))?;
                    return Ok(Zeroizing::new(document.as_bytes().to_vec()));
                }
            },
        }
    }

    /// Reads PKCS#8 DER of either suite.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, CryptoError> {
        let rng = ring::rand::SystemRandom::new();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &rng) {
            let public = PublicKey::from_point(Suite::P256Sha256, pair.public_key().as_ref())?;
            return Ok(Self { inner: Inner::P256(Box::new(pair)), public });
        }
        let refuse = || CryptoError::PrivateKey("P-256 or SM2");
        let secret = sm2::SecretKey::from_pkcs8_der(der).map_err(|_| refuse())?;
        let key = Sm2SigningKey::new(SM2_USER_ID, &secret).map_err(|_| refuse())?;
        let public = PublicKey::from_point(Suite::Sm2Sm3, &key.verifying_key().to_sec1_bytes())?;
        Ok(Self { inner: Inner::Sm2(Box::new(key)), public })
    }

    pub fn from_pem(pem: &[u8]) -> Result<Self, CryptoError> {
        Self::from_pkcs8(&Zeroizing::new(pem_decode("PRIVATE KEY", pem)?))
    }

    pub fn to_pem(pkcs8: &KeyFile) -> Result<Zeroizing<String>, CryptoError> {
        pem_encode("PRIVATE KEY", pkcs8).map(Zeroizing::new)
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, CryptoError> {
        match &self.inner {
            Inner::P256(pair) => {
                let signature =
                    pair.sign(&ring::rand::SystemRandom::new(), message).map_err(|_| CryptoError::Signing)?;
                let raw = signature.as_ref().try_into().map_err(|_| CryptoError::Signing)?;
                Ok(Signature::from_raw(raw).canonical(Suite::P256Sha256))
            }
            Inner::Sm2(key) => {
                use sm2::dsa::signature::Signer as _;
                let signature = key.try_sign(message).map_err(|_| CryptoError::Signing)?;
                Ok(Signature::from_raw(signature.to_bytes().into()))
            }
        }
    }

    fn sign_after(&self, beginning: &Beginning, rest: &[u8]) -> Result<Signature, CryptoError> {
        match (&self.inner, beginning.digest_to_sign(rest)) {
            (Inner::Sm2(key), Some(digest)) => {
                use sm2::dsa::signature::hazmat::PrehashSigner;
                let signature: sm2::dsa::Signature =
                    key.sign_prehash(&digest).map_err(|_| CryptoError::Signing)?;
                Ok(Signature::from_raw(signature.to_bytes().into()))
            }
            _ => self.sign(&[beginning.bytes(), rest].concat()),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {:?})", self.public)
    }
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SeededRandom;

    fn key(suite: Suite) -> PrivateKey {
        PrivateKey::from_pkcs8(&PrivateKey::generate(suite, &SeededRandom::new("keys")).unwrap()).unwrap()
    }

    #[test]
    fn the_example_of_gb_t_32918_5_gives_its_e() {
        let point = hex::decode(concat!(
            "04",
            "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020",
            "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
        ));
        let key = PublicKey::from_point(Suite::Sm2Sm3, &point.unwrap()).unwrap();
        assert_eq!(
            hex::encode_upper(key.digest_to_sign(b"message digest")),
            "F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640"
        );
    }

    #[test]
    fn a_signature_verifies_under_its_own_key_and_message_only() {
        for suite in Suite::ALL {
            let (one, message) = (key(suite), b"message".as_slice());
            let signature = one.sign(message).unwrap();
            assert_eq!(one.suite(), suite);
            one.public_key().verify(message, &signature).unwrap();
            assert!(one.public_key().verify(b"massage", &signature).is_err());
            for at in [0, 31, 32, 63] {
                let mut raw = *signature.raw();
                raw[at] ^= 1;
                assert!(one.public_key().verify(message, &Signature::from_raw(raw)).is_err());
            }
            assert_eq!(Signature::from_der(&signature.to_der()), Ok(signature));
            assert_eq!(Signature::from_der_or_raw(signature.raw()), Ok(signature));
        }
    }

    #[test]
    fn a_message_signed_after_its_beginning_is_signed_as_a_whole() {
        for suite in Suite::ALL {
            let one = key(suite);
            let beginning = one.public_key().beginning(b"a seal, ");
            for rest in [b"".as_slice(), b"a time", &[7; 200]] {
                let whole = [b"a seal, ", rest].concat();
                let signature = one.sign_after(&beginning, rest).unwrap();
                one.public_key().verify(&whole, &signature).unwrap();
                // SM2 is deterministic here (RFC 6979), so the two are one.
                assert!(suite != Suite::Sm2Sm3 || signature == one.sign(&whole).unwrap());
            }
        }
    }

    #[test]
    fn the_example_of_gb_t_32918_5_verifies() {
        let point = hex::decode(concat!(
            "04",
            "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020",
            "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
        ));
        let raw = hex::decode(concat!(
            "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3",
            "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
        ));
        let key = PublicKey::from_point(Suite::Sm2Sm3, &point.unwrap()).unwrap();
        let signature = Signature::from_der_or_raw(&raw.unwrap()).unwrap();
        key.verify(b"message digest", &signature).unwrap();
        assert_eq!(key.verify(b"message digesT", &signature), Err(CryptoError::SignatureInvalid));
    }

    #[test]
    fn a_signature_over_the_digest_is_one_over_the_message() {
        use sm2::dsa::signature::hazmat::PrehashSigner;
        let one = key(Suite::Sm2Sm3);
        let Inner::Sm2(secret) = &one.inner else { panic!() };
        let signature: sm2::dsa::Signature =
            secret.sign_prehash(&one.public_key().digest_to_sign(b"message digest")).unwrap();
        let signature = Signature::from_raw(signature.to_bytes().into());
        one.public_key().verify(b"message digest", &signature).unwrap();
        let p256 = key(Suite::P256Sha256);
        assert_eq!(p256.public_key().digest_to_sign(b"m"), crate::crypto::sha256(&[b"m"]));
    }

    #[test]
    fn zero_and_oversized_r_or_s_are_no_signature() {
        let n = "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123";
        let one = key(Suite::Sm2Sm3);
        let good = *one.sign(b"m").unwrap().raw();
        for (range, value) in [(0..32, vec![0; 32]), (32..64, vec![0; 32]), (0..32, hex::decode(n).unwrap())]
        {
            let mut raw = good;
            raw[range].copy_from_slice(&value);
            assert!(one.public_key().verify(b"m", &Signature::from_raw(raw)).is_err());
        }
        for der in ["", "3000", "3006020100020100ff", "30080202ff0002020001", "3006020180020101"] {
            assert!(Signature::from_der(&hex::decode(der).unwrap()).is_err(), "{der}");
        }
    }

    #[test]
    fn a_p256_signature_has_one_canonical_value_and_both_verify() {
        let one = key(Suite::P256Sha256);
        for message in [b"a", b"b", b"c", b"d"] {
            let low = one.sign(message).unwrap();
            assert_eq!(low.canonical(Suite::P256Sha256), low);
            let high = low.opposite();
            one.public_key().verify(message, &high).unwrap();
            assert_eq!(high.canonical(Suite::P256Sha256), low);
            assert_eq!(high.canonical(Suite::Sm2Sm3), high);
        }
    }

    #[test]
    fn a_point_off_the_curve_is_no_key() {
        let mut point = *key(Suite::Sm2Sm3).public_key().point();
        point[64] ^= 1;
        assert!(PublicKey::from_point(Suite::Sm2Sm3, &point).is_err());
    }

    #[test]
    fn a_key_survives_its_pem() {
        for suite in Suite::ALL {
            let der = PrivateKey::generate(suite, &SeededRandom::new("pem")).unwrap();
            let pem = PrivateKey::to_pem(&der).unwrap();
            let read = PrivateKey::from_pem(pem.as_bytes()).unwrap();
            assert_eq!(read.public_key(), PrivateKey::from_pkcs8(&der).unwrap().public_key());
        }
    }
}
