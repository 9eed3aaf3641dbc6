//! Signature keys of both suites.

use std::fmt;

use der::asn1::UintRef;
use der::{Decode, Encode, Sequence};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use sm2::dsa::VerifyingKey as Sm2VerifyingKey;
use sm3::{Digest as _, Sm3};

use super::{CryptoError, Digest, SM2_USER_ID, Suite};

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

    /// [`PublicKey::digest_to_sign`] of the bytes with `rest` after them, where the hash was begun.
    pub fn digest_to_sign(&self, rest: &[u8]) -> Option<Digest> {
        self.hashed.as_ref().map(|begun| begun.clone().chain_update(rest).finalize().into())
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
