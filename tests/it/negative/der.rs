//! DER written by hand, whatever it says: the product's own writer refuses most of what is made here.

use licence_seal::crypto::{PrivateKey, Signer, Suite};
use licence_seal::time::Timestamp;

pub const SM2_WITH_SM3: &str = "1.2.156.10197.1.501";
pub const ECDSA_WITH_SHA256: &str = "1.2.840.10045.4.3.2";

pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..0x80 => out.push(short as u8),
        byte @ 0x80..0x100 => out.extend([0x81, byte as u8]),
        word @ 0x100..0x1_0000 => out.extend([0x82, (word >> 8) as u8, word as u8]),
        long => out.extend([0x83, (long >> 16) as u8, (long >> 8) as u8, long as u8]),
    }
    out.extend_from_slice(content);
    out
}

pub fn seq(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub fn int(value: u32) -> Vec<u8> {
    unsigned(&value.to_be_bytes())
}

/// A non-negative INTEGER of these bytes.
pub fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    match digits.first() {
        None => tlv(2, &[0]),
        Some(0x80..) => tlv(2, &[&[0], &digits[..]].concat()),
        Some(_) => tlv(2, &digits),
    }
}

pub fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(3, &[&[0], bytes].concat())
}

pub fn octets(bytes: &[u8]) -> Vec<u8> {
    tlv(4, bytes)
}

pub fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u32> = dotted.split('.').map(|arc| arc.parse().unwrap()).collect();
    let mut content = Vec::new();
    for arc in [arcs[0] * 40 + arcs[1]].iter().chain(&arcs[2..]) {
        let septets: Vec<u8> =
            (0..5).rev().map(|at| (arc >> (7 * at) & 0x7f) as u8).skip_while(|septet| *septet == 0).collect();
        let last = septets.len().saturating_sub(1);
        content.extend(septets.iter().take(last).map(|septet| septet | 0x80));
        content.push(septets.last().copied().unwrap_or(0));
    }
    tlv(6, &content)
}

pub fn utf8(text: &str) -> Vec<u8> {
    tlv(12, text.as_bytes())
}

pub fn printable(text: &str) -> Vec<u8> {
    tlv(19, text.as_bytes())
}

pub fn ia5(text: &str) -> Vec<u8> {
    tlv(22, text.as_bytes())
}

/// GeneralizedTime.
pub fn time(at: Timestamp) -> Vec<u8> {
    tlv(24, at.generalized().as_bytes())
}

/// `n` elements in each other.
pub fn nested(n: usize) -> Vec<u8> {
    (0..n).fold(Vec::new(), |inner, _| tlv(0x30, &inner))
}

/// One extension of a seal or stamp.
pub fn extension(critical: bool) -> Vec<u8> {
    let critical = if critical { tlv(1, &[0xff]) } else { Vec::new() };
    seq(&[&oid("1.2.3.4"), &critical, &octets(b"x")])
}

/// An `SESeal` (V4), every part of it DER.
#[derive(Clone)]
pub struct SealParts {
    pub header: Vec<u8>,
    pub number: Vec<u8>,
    pub kind: Vec<u8>,
    pub name: Vec<u8>,
    pub list_kind: Vec<u8>,
    pub list: Vec<u8>,
    pub created: Vec<u8>,
    pub from: Vec<u8>,
    pub until: Vec<u8>,
    pub picture: Vec<u8>,
    pub extensions: Vec<u8>,
    /// Content of the OCTET STRING.
    pub certificate: Vec<u8>,
    pub algorithm: Vec<u8>,
    pub signer: &'static PrivateKey,
    /// In the place of the signature that `signer` makes.
    pub value: Option<Vec<u8>>,
    /// After everything else.
    pub after: Vec<u8>,
}

impl SealParts {
    pub fn build(&self) -> Vec<u8> {
        let property = seq(&[
            &self.kind,
            &self.name,
            &self.list_kind,
            &self.list,
            &self.created,
            &self.from,
            &self.until,
        ]);
        let info = seq(&[&self.header, &self.number, &property, &self.picture, &self.extensions]);
        let value = self.value.clone().unwrap_or_else(|| self.signer.sign(&info).unwrap().to_der());
        seq(&[&info, &octets(&self.certificate), &self.algorithm, &bits(&value), &self.after])
    }
}

/// An `SES_Signature` (V4), every part of it DER.
#[derive(Clone)]
pub struct StampParts {
    pub version: Vec<u8>,
    pub seal: Vec<u8>,
    pub time: Vec<u8>,
    pub data_hash: Vec<u8>,
    pub property: Vec<u8>,
    pub extensions: Vec<u8>,
    /// Content of the OCTET STRING.
    pub certificate: Vec<u8>,
    pub algorithm: Vec<u8>,
    pub signer: &'static PrivateKey,
    pub value: Option<Vec<u8>>,
    pub after: Vec<u8>,
}

impl StampParts {
    pub fn to_sign(&self) -> Vec<u8> {
        seq(&[&self.version, &self.seal, &self.time, &self.data_hash, &self.property, &self.extensions])
    }

    pub fn build(&self) -> Vec<u8> {
        let to_sign = self.to_sign();
        let value = self.value.clone().unwrap_or_else(|| self.signer.sign(&to_sign).unwrap().to_der());
        seq(&[&to_sign, &octets(&self.certificate), &self.algorithm, &bits(&value), &self.after])
    }
}

/// Order n of the curve of SM2 (GB/T 32918.5).
pub const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x72,
    0x03, 0xdf, 0x6b, 0x21, 0xc6, 0x05, 0x2b, 0x53, 0xbb, 0xf4, 0x09, 0x39, 0xd5, 0x41, 0x23,
];

/// `a - b`, big-endian, a not below b.
pub fn minus(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let (mut out, mut borrow) = (*a, 0);
    for (digit, other) in out.iter_mut().zip(b).rev() {
        let difference = i16::from(*digit) - i16::from(*other) - borrow;
        borrow = i16::from(difference < 0);
        *digit = difference.rem_euclid(256) as u8;
    }
    out
}

/// Bytes that are no possible signature by anybody, or a good one written in another way. `good` is
/// the DER of a good value.
pub fn bad_values(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let value = licence_seal::crypto::Signature::from_der(good).unwrap();
    let (r, s) = value.raw().split_at(32);
    let (r, s): (&[u8; 32], &[u8; 32]) = (r.try_into().unwrap(), s.try_into().unwrap());
    let pair = |r: &[u8], s: &[u8]| seq(&[&unsigned(r), &unsigned(s)]);
    let more = minus(&[0xff; 32], &[0x11; 32]);
    let padded = |part: &[u8; 32]| tlv(2, &[&[0, 0], &part[..]].concat());
    let negative = |part: &[u8; 32]| tlv(2, &[&[part[0] | 0x80], &part[1..]].concat());
    let opposite = minus(&ORDER, s);
    let wide = [&[1], &s[..]].concat();
    vec![
        ("r is 0", pair(&[0], s)),
        ("s is 0", pair(r, &[0])),
        ("r is n", pair(&ORDER, s)),
        ("s is n", pair(r, &ORDER)),
        ("r is above n", pair(&[0xff; 32], s)),
        ("s is above n", pair(r, &[0xff; 32])),
        ("r is n - 1", pair(&minus(&ORDER, &minus(&more, &minus(&more, &one()))), s)),
        ("r and s add up to n", pair(r, &minus(&ORDER, r))),
        ("r and s are exchanged", pair(s, r)),
        ("s is turned into n - s", pair(r, &opposite)),
        ("r is negative", seq(&[&negative(r), &unsigned(s)])),
        ("s has a zero in front", seq(&[&unsigned(r), &padded(s)])),
        ("s has 33 bytes", pair(r, &wide)),
        ("a third number follows", seq(&[&unsigned(r), &unsigned(s), &int(1)])),
        ("only r is there", seq(&[&unsigned(r)])),
        ("a byte follows", [good, &[0]].concat()),
        ("it is cut off", good[..good.len() - 1].to_vec()),
        ("its length has two octets", [&[0x30, 0x81, good[1]], &good[2..]].concat()),
        ("its length is indefinite", [&[0x30, 0x80], &good[2..], &[0, 0]].concat()),
        ("it is a SET", [&[0x31], &good[1..]].concat()),
        ("it is empty", Vec::new()),
        ("it is 64 bytes of nothing", vec![0; 64]),
        ("it is r and s in the other order, bare", [&s[..], &r[..]].concat()),
        ("it is bare with a byte more", [&value.raw()[..], &[0]].concat()),
    ]
}

fn one() -> [u8; 32] {
    let mut one = [0; 32];
    one[31] = 1;
    one
}

/// Bytes that are not the DER they were: `good` is one element.
pub fn bad_der(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    assert_eq!(&good[..2], [0x30, 0x82], "a SEQUENCE with a length of two octets");
    let body = &good[4..];
    let length = body.len();
    vec![
        ("nothing at all", Vec::new()),
        ("a tag alone", vec![0x30]),
        ("text", b"-----BEGIN SEAL-----".to_vec()),
        ("the first half", good[..good.len() / 2].to_vec()),
        ("the last byte missing", good[..good.len() - 1].to_vec()),
        ("a byte after the end", [good, &[0]].concat()),
        ("another element after the end", [good, &[5, 0]].concat()),
        ("itself twice", [good, good].concat()),
        ("an indefinite length", [&[0x30, 0x80], body, &[0, 0]].concat()),
        ("a length with a zero in front", {
            [&[0x30, 0x83, 0, (length >> 8) as u8, length as u8], body].concat()
        }),
        ("a length one too small", {
            [&[0x30, 0x82, ((length - 1) >> 8) as u8, (length - 1) as u8], body].concat()
        }),
        ("a length one too large", {
            [&[0x30, 0x82, ((length + 1) >> 8) as u8, (length + 1) as u8], body].concat()
        }),
        ("a length of four gigabytes", [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], body].concat()),
        ("a length of eight octets", [&[0x30, 0x88, 0, 0, 0, 0, 0, 0, 0, 1], body].concat()),
        ("a SET in the place of the SEQUENCE", [&[0x31], &good[1..]].concat()),
        ("a tag of several octets", [&[0x3f, 0x81, 0x01], &good[1..]].concat()),
        ("ten thousand elements in each other", nested(10_000)),
        ("an empty SEQUENCE", vec![0x30, 0]),
        ("wrapped once more", tlv(0x30, good)),
    ]
}

/// The other suite's identifier.
pub fn other_algorithm(suite: Suite) -> Vec<u8> {
    oid(match suite {
        Suite::Sm2Sm3 => ECDSA_WITH_SHA256,
        Suite::P256Sha256 => SM2_WITH_SM3,
    })
}
