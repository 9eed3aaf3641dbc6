//! Signature keys of both suites.

use std::fmt;

use der::asn1::UintRef;
use der::{Decode, Encode, Sequence};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use sm2::dsa::{SigningKey as Sm2SigningKey, VerifyingKey as Sm2VerifyingKey};
use sm2::elliptic_curve::zeroize::Zeroizing;
use sm2::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use sm3::{Digest as _, Sm3};

use super::{CryptoError, Digest, Random, SM2_USER_ID, Suite, pem_decode, pem_encode};

/// DER of a SubjectPublicKeyInfo up to the 65 bytes of the point, for both curves (RFC 5480; GB/T 35276).
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const SPKI_SM2: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x81,
    0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d, 0x03, 0x42, 0x00,
];

/// What enters ZA between the user id and the public key: a, b, and the generator of the curve of SM2
/// (GB/T 32918.5).
const SM2_PARAMETERS: [u8; 128] = [
    0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc, 0x28, 0xe9,
    0xfa, 0x9e, 0x9d, 0x9f, 0x5e, 0x34, 0x4d, 0x5a, 0x9e, 0x4b, 0xcf, 0x65, 0x09, 0xa7, 0xf3, 0x97, 0x89,
    0xf5, 0x15, 0xab, 0x8f, 0x92, 0xdd, 0xbc, 0xbd, 0x41, 0x4d, 0x94, 0x0e, 0x93, 0x32, 0xc4, 0xae, 0x2c,
    0x1f, 0x19, 0x81, 0x19, 0x5f, 0x99, 0x04, 0x46, 0x6a, 0x39, 0xc9, 0x94, 0x8f, 0xe3, 0x0b, 0xbf, 0xf2,
    0x66, 0x0b, 0xe1, 0x71, 0x5a, 0x45, 0x89, 0x33, 0x4c, 0x74, 0xc7, 0xbc, 0x37, 0x36, 0xa2, 0xf4, 0xf6,
    0x77, 0x9c, 0x59, 0xbd, 0xce, 0xe3, 0x6b, 0x69, 0x21, 0x53, 0xd0, 0xa9, 0x87, 0x7c, 0xc6, 0x2a, 0x47,
    0x40, 0x02, 0xdf, 0x32, 0xe5, 0x21, 0x39, 0xf0, 0xa0,
];

/// A signature value: r and s, 32 bytes each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signature([u8; 64]);

#[derive(Sequence)]
struct DerSignature<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// Order n of P-256, and half of it (SEC 2, 2.4.2).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const P256_HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde,
    0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

impl Signature {
    /// Of the two values that verify under P-256, (r, s) and (r, n - s), the one with the smaller s;
    /// an SM2 signature has one value only. What must have one byte form is held to this one.
    pub fn canonical(&self, suite: Suite) -> Self {
        let (_, s) = self.0.split_at(32);
        if suite == Suite::P256Sha256 && *s > P256_HALF_ORDER[..] { self.opposite() } else { *self }
    }

    /// (r, n - s), n the order of P-256.
    pub(crate) fn opposite(&self) -> Self {
        let mut raw = self.0;
        let mut borrow = 0;
        for (digit, order) in raw.iter_mut().skip(32).zip(P256_ORDER).rev() {
            let difference = i16::from(order) - i16::from(*digit) - borrow;
            borrow = i16::from(difference < 0);
            *digit = difference.rem_euclid(256) as u8;
        }
        Self(raw)
    }

    pub const fn from_raw(raw: [u8; 64]) -> Self {
        Self(raw)
    }

    pub const fn raw(&self) -> &[u8; 64] {
        &self.0
    }

    /// From strict DER `SEQUENCE { r INTEGER, s INTEGER }`, each positive and at most 32 bytes.
    pub fn from_der(der: &[u8]) -> Result<Self, CryptoError> {
        let parsed = DerSignature::from_der(der).map_err(|_| CryptoError::SignatureFormat)?;
        let mut raw = [0; 64];
        let (r, s) = raw.split_at_mut(32);
        for (half, value) in [(r, parsed.r.as_bytes()), (s, parsed.s.as_bytes())] {
            let from = half.len().checked_sub(value.len()).ok_or(CryptoError::SignatureFormat)?;
            for (to, byte) in half.iter_mut().skip(from).zip(value) {
                *to = *byte;
            }
        }
        Ok(Self(raw))
    }

    /// DER, or the bare 64 bytes that one vendor's seals carry.
    pub fn from_der_or_raw(bytes: &[u8]) -> Result<Self, CryptoError> {
        match <[u8; 64]>::try_from(bytes) {
            Ok(raw) => Ok(Self(raw)),
            Err(_) => Self::from_der(bytes),
        }
    }

    pub fn to_der(&self) -> Vec<u8> {
        let (r, s) = self.0.split_at(32);
        let encode = || DerSignature { r: UintRef::new(r)?, s: UintRef::new(s)? }.to_der();
        encode().unwrap_or_default()
    }
}

/// A public key: suite and uncompressed point (0x04 ‖ x ‖ y).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    suite: Suite,
    point: [u8; 65],
}

impl PublicKey {
    /// From SEC 1 uncompressed form. For SM2 the point is checked to lie on the curve here; for
    /// P-256 ring checks it at each verification.
    pub fn from_point(suite: Suite, point: &[u8]) -> Result<Self, CryptoError> {
        let refuse = || CryptoError::PublicKey(suite.name());
        let point: [u8; 65] = point.try_into().map_err(|_| refuse())?;
        if point.first() != Some(&4) {
            return Err(refuse());
        }
        if suite == Suite::Sm2Sm3 {
            Sm2VerifyingKey::from_sec1_bytes(SM2_USER_ID, &point).map_err(|_| refuse())?;
        }
        Ok(Self { suite, point })
    }

    pub const fn suite(&self) -> Suite {
        self.suite
    }

    pub const fn point(&self) -> &[u8; 65] {
        &self.point
    }

    /// DER SubjectPublicKeyInfo (RFC 5280 4.1.2.7).
    pub fn to_spki(&self) -> Vec<u8> {
        let prefix = match self.suite {
            Suite::Sm2Sm3 => &SPKI_SM2,
            Suite::P256Sha256 => &SPKI_P256,
        };
        [prefix.as_slice(), self.point.as_slice()].concat()
    }

    /// The 32 bytes that a signature is over: SHA-256 of the message, or e = SM3(ZA ‖ message) with
    /// [`SM2_USER_ID`] in ZA (GB/T 32918.2).
    pub fn digest_to_sign(&self, message: &[u8]) -> Digest {
        match self.suite {
            Suite::P256Sha256 => self.suite.hash(&[message]),
            Suite::Sm2Sm3 => self.suite.hash(&[&self.za(), message]),
        }
    }

    /// ZA of GB/T 32918.2 5.5, which comes before every message.
    fn za(&self) -> Digest {
        let id = SM2_USER_ID.as_bytes();
        let bits = u16::try_from(id.len() * 8).unwrap_or_default().to_be_bytes();
        let (_, coordinates) = self.point.split_at(1);
        Suite::Sm2Sm3.hash(&[&bits, id, &SM2_PARAMETERS, coordinates])
    }

    /// What many messages that this key signs begin with.
    pub fn beginning(&self, bytes: &[u8]) -> Beginning {
        let hashed =
            (self.suite == Suite::Sm2Sm3).then(|| Sm3::new().chain_update(self.za()).chain_update(bytes));
        Beginning { bytes: bytes.to_vec(), hashed }
    }

    /// Verifies over `message`; SM2 hashes ZA with [`SM2_USER_ID`] before it (GB/T 32918.2).
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), CryptoError> {
        match self.suite {
            Suite::P256Sha256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.point)
                .verify(message, signature.raw())
                .map_err(|_| CryptoError::SignatureInvalid),
            Suite::Sm2Sm3 => {
                use sm2::dsa::signature::Verifier;
                let key = Sm2VerifyingKey::from_sec1_bytes(SM2_USER_ID, &self.point)
                    .map_err(|_| CryptoError::PublicKey(self.suite.name()))?;
                let signature = sm2::dsa::Signature::from_slice(signature.raw())
                    .map_err(|_| CryptoError::SignatureFormat)?;
                key.verify(message, &signature).map_err(|_| CryptoError::SignatureInvalid)
            }
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.suite, hex::encode(self.point))
    }
}

/// What many messages under one key begin with, hashed once where the hash can be taken up again.
#[derive(Clone)]
pub struct Beginning {
    bytes: Vec<u8>,
    /// SM3 that has taken up ZA of the key and the bytes.
    hashed: Option<Sm3>,
}

impl Beginning {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whatever can sign with one key: a file's key, or a cryptographic machine that never shows it.
pub trait Signer: Send + Sync {
    fn public_key(&self) -> &PublicKey;

    fn sign(&self, message: &[u8]) -> Result<Signature, CryptoError>;

    /// Signs `beginning`, which is one of this key ([`PublicKey::beginning`]), with `rest` after it.
    fn sign_after(&self, beginning: &Beginning, rest: &[u8]) -> Result<Signature, CryptoError> {
        self.sign(&[beginning.bytes(), rest].concat())
    }

    fn suite(&self) -> Suite {
        self.public_key().suite()
    }
}

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
                Ok(Signature(raw).canonical(Suite::P256Sha256))
            }
            Inner::Sm2(key) => {
                use sm2::dsa::signature::Signer as _;
                let signature = key.try_sign(message).map_err(|_| CryptoError::Signing)?;
                Ok(Signature(signature.to_bytes().into()))
            }
        }
    }

    fn sign_after(&self, beginning: &Beginning, rest: &[u8]) -> Result<Signature, CryptoError> {
        match (&self.inner, &beginning.hashed) {
            (Inner::Sm2(key), Some(hashed)) => {
                use sm2::dsa::signature::hazmat::PrehashSigner;
                let digest = hashed.clone().chain_update(rest).finalize();
                let signature: sm2::dsa::Signature =
                    key.sign_prehash(&digest).map_err(|_| CryptoError::Signing)?;
                Ok(Signature(signature.to_bytes().into()))
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
