//! Stamps as other makers write them: each part can be had in another form.

use super::*;
use crate::crypto::Signature;
use crate::pki::asn1::{
    self, GENERALIZED_TIME, IA5_STRING, OCTET_STRING, PRINTABLE_STRING, SEQUENCE, UTC_TIME, UTF8_STRING,
    bit_string, explicit, integer, sequence, tlv,
};

/// A signature value in the form that a maker gives it.
pub(super) type Write = fn(&Signature) -> Vec<u8>;
/// A time stamp over a signature value.
pub(super) type TimeStamper = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// The parts of a stamp; as made by [`Foreign::new`] they pass every check. What is called DER is a
/// whole element.
pub(super) struct Foreign<'w> {
    pub world: &'w World,
    pub v1: bool,
    /// DER
    pub header_id: Vec<u8>,
    pub header_version: u64,
    /// DER
    pub name: Vec<u8>,
    pub list_kind: u64,
    /// DER of the entries
    pub list: Vec<u8>,
    /// DER of creation, start and end
    pub times: [Vec<u8>; 3],
    /// DER of the type
    pub picture_kind: Vec<u8>,
    pub picture: Vec<u8>,
    pub millimetres: u64,
    /// DER of the seal's `extDatas`, or nothing
    pub extensions: Vec<u8>,
    pub maker: Vec<u8>,
    pub algorithm: &'static str,
    pub write: Write,
    pub seal_time_stamp: Option<TimeStamper>,
    pub version: u64,
    /// DER
    pub time: Vec<u8>,
    pub hash: Vec<u8>,
    /// DER
    pub property: Vec<u8>,
    /// DER of the stamp's `[0]`, or nothing
    pub stamp_extensions: Vec<u8>,
    pub owner: Vec<u8>,
    /// Who signs the stamp.
    pub signer: &'static str,
    pub time_stamp: Option<TimeStamper>,
}

pub(super) fn ia5(text: &str) -> Vec<u8> {
    tlv(IA5_STRING, &[text.as_bytes()])
}

impl<'w> Foreign<'w> {
    pub fn new(world: &'w World) -> Self {
        let owner = world.owner.der().to_vec();
        let time = asn1::generalized_time;
        Self {
            world,
            v1: false,
            header_id: ia5("ES"),
            header_version: 4,
            name: tlv(UTF8_STRING, &["章".as_bytes()]),
            list_kind: 1,
            list: tlv(OCTET_STRING, &[&owner]),
            times: [time(NOW), time(NOW), time(NOW.plus_secs(DAY))],
            picture_kind: ia5("gif"),
            picture: DOT.to_vec(),
            millimetres: 40,
            extensions: Vec::new(),
            maker: world.maker.der().to_vec(),
            algorithm: world.suite.signature_oid(),
            write: |signature| signature.to_der(),
            seal_time_stamp: None,
            version: 4,
            time: time(NOW),
            hash: world.suite.hash(&[DATA]).to_vec(),
            property: ia5("/Doc_0/Signs/Sign_0/Signature.xml"),
            stamp_extensions: Vec::new(),
            owner,
            signer: "owner",
            time_stamp: None,
        }
    }

    /// In the structure of version 1.
    pub fn v1(world: &'w World) -> Self {
        let time = asn1::certificate_time;
        Self {
            v1: true,
            header_version: 1,
            version: 1,
            times: [time(NOW), time(NOW), time(NOW.plus_secs(DAY))],
            time: bit_string(NOW.rfc3339().as_bytes()),
            ..Self::new(world)
        }
    }

    fn sign(&self, who: &str, bytes: &[u8]) -> Vec<u8> {
        (self.write)(&key(self.world.suite, who).sign(bytes).unwrap())
    }

    fn time_stamp(stamper: Option<&TimeStamper>, signature: &[u8]) -> Vec<u8> {
        stamper.map_or_else(Vec::new, |stamper| tlv(explicit(0), &[&bit_string(&stamper(signature))]))
    }

    pub fn seal(&self) -> Vec<u8> {
        let algorithm = asn1::oid(self.algorithm).unwrap();
        let header = sequence(&[&self.header_id, &integer(self.header_version), &ia5("other")]);
        let [created, start, end] = &self.times;
        let kind = if self.v1 { Vec::new() } else { integer(self.list_kind) };
        let property =
            sequence(&[&integer(3), &self.name, &kind, &sequence(&[&self.list]), created, start, end]);
        let size = integer(self.millimetres);
        let picture = sequence(&[&self.picture_kind, &tlv(OCTET_STRING, &[&self.picture]), &size, &size]);
        let info = sequence(&[&header, &ia5("1"), &property, &picture, &self.extensions]);
        let maker = tlv(OCTET_STRING, &[&self.maker]);
        if self.v1 {
            let signature = self.sign("maker", &sequence(&[&info, &maker, &algorithm]));
            return sequence(&[&info, &sequence(&[&maker, &algorithm, &bit_string(&signature)])]);
        }
        let signature = self.sign("maker", &info);
        let time_stamp = Self::time_stamp(self.seal_time_stamp.as_ref(), &signature);
        sequence(&[&info, &maker, &algorithm, &bit_string(&signature), &time_stamp])
    }

    pub fn stamp(&self) -> Vec<u8> {
        let algorithm = asn1::oid(self.algorithm).unwrap();
        let owner = tlv(OCTET_STRING, &[&self.owner]);
        let (seal, hash) = (self.seal(), bit_string(&self.hash));
        let start = [integer(self.version), seal, self.time.clone(), hash, self.property.clone()].concat();
        if self.v1 {
            let to_sign = sequence(&[&start, &owner, &algorithm]);
            return sequence(&[&to_sign, &bit_string(&self.sign(self.signer, &to_sign))]);
        }
        let to_sign = sequence(&[&start, &self.stamp_extensions]);
        let signature = self.sign(self.signer, &to_sign);
        let time_stamp = Self::time_stamp(self.time_stamp.as_ref(), &signature);
        sequence(&[&to_sign, &owner, &algorithm, &bit_string(&signature), &time_stamp])
    }

    pub fn check(&self) -> StampVerdict {
        self.world.check(&self.stamp())
    }
}

fn raw(signature: &Signature) -> Vec<u8> {
    signature.raw().to_vec()
}

#[test]
fn stamps_of_all_versions_and_with_bare_signatures_are_read() {
    for suite in Suite::ALL {
        let world = World::new(suite);
        let (v1, v4) = (Foreign::v1(&world), Foreign::new(&world));
        let v5 = Foreign { header_version: 5, version: 5, ..Foreign::new(&world) };
        // A V5 seal in a V4 stamp.
        let mixed = Foreign { header_version: 5, ..Foreign::new(&world) };
        for foreign in [v1, v4, v5, mixed] {
            let verdict = foreign.check();
            assert_eq!(bad(&verdict.checks), []);
            assert_eq!(verdict.signing_time, Some(NOW));
            assert_eq!(verdict.time_proof, TimeProof::Claimed);
        }
        let verdict = Foreign { write: raw, ..Foreign::new(&world) }.check();
        assert_eq!(bad(&verdict.checks), []);
        assert!(reason(&verdict.checks, "stampSignature").contains("bare r‖s"));
    }
}

#[test]
fn every_changed_byte_of_a_v1_stamp_is_found() {
    let world = World::new(Suite::Sm2Sm3);
    let stamp = Foreign::v1(&world).stamp();
    for at in 0..stamp.len() {
        let mut changed = stamp.clone();
        changed[at] ^= 1 << (at % 8);
        let (indication, _) = world.check(&changed).conclude();
        assert_eq!(indication, crate::seal::check::Indication::TotalFailed, "byte {at}");
    }
}

#[test]
fn one_kind_of_text_or_time_in_the_place_of_another_is_read() {
    let world = World::new(Suite::P256Sha256);
    let text = |tag, text: &str| tlv(tag, &[text.as_bytes()]);
    let time = |tag, at: &str| text(tag, at);
    // NOW in four forms.
    let forms = [
        time(UTC_TIME, "261123021320Z"),
        time(UTC_TIME, "261123101320+0800"),
        time(GENERALIZED_TIME, "20261123021320.000Z"),
        time(GENERALIZED_TIME, "20261123101320+0800"),
    ];
    for form in &forms {
        for mut foreign in [Foreign::new(&world), Foreign::v1(&world)] {
            foreign.times[0].clone_from(form);
            foreign.times[1].clone_from(form);
            if !foreign.v1 {
                foreign.time.clone_from(form);
            }
            let verdict = foreign.check();
            assert_eq!(bad(&verdict.checks), []);
            let stamp = verdict.stamp.unwrap();
            assert_eq!((stamp.time, stamp.seal.valid_from), (Some(NOW), NOW));
        }
    }
    let mut foreign = Foreign::v1(&world);
    foreign.time = bit_string(b"20261123101320+0800");
    assert_eq!(bad(&foreign.check().checks), []);
    for tag in [UTF8_STRING, PRINTABLE_STRING, IA5_STRING] {
        let foreign = Foreign {
            header_id: text(tag, "ES"),
            name: text(tag, "seal"),
            picture_kind: text(tag, "GIF"),
            property: text(tag, "/x"),
            ..Foreign::new(&world)
        };
        assert_eq!(bad(&foreign.check().checks), []);
    }
    let octets = Foreign { header_id: tlv(OCTET_STRING, &[b"ES"]), ..Foreign::new(&world) };
    assert_eq!(bad(&octets.check().checks)[0].0, "stampFormat");
}

#[test]
fn extensions_are_read_unless_they_must_be_understood() {
    let world = World::new(Suite::P256Sha256);
    // One extension 1.2.3: criticality absent, spelt out as FALSE, TRUE, and not DER.
    let absent: &[u8] = &[0x30, 0x08, 0x30, 0x06, 6, 2, 0x2a, 3, 4, 0];
    let spelt: &[u8] = &[0x30, 0x0b, 0x30, 0x09, 6, 2, 0x2a, 3, 1, 1, 0, 4, 0];
    let critical: &[u8] = &[0x30, 0x0b, 0x30, 0x09, 6, 2, 0x2a, 3, 1, 1, 0xff, 4, 0];
    let not_der: &[u8] = &[0x30, 0x0b, 0x30, 0x09, 6, 2, 0x2a, 3, 1, 1, 1, 4, 0];
    let empty: &[u8] = &[SEQUENCE, 0];
    let unknown = Err(SesError::CriticalExtension("1.2.3".to_owned()));
    for (extensions, expected) in
        [(absent, Ok(())), (spelt, Ok(())), (empty, Ok(())), (&[], Ok(())), (critical, unknown)]
    {
        let seal = Foreign { extensions: extensions.to_vec(), ..Foreign::new(&world) };
        assert_eq!(Stamp::from_der(&seal.stamp()).map(|_| ()), expected);
        let stamp_extensions = tlv(explicit(0), &[extensions]);
        let stamp = Foreign { stamp_extensions, ..Foreign::new(&world) };
        assert_eq!(Stamp::from_der(&stamp.stamp()).map(|_| ()), expected);
    }
    let odd = Foreign { extensions: not_der.to_vec(), ..Foreign::new(&world) };
    assert_eq!(Stamp::from_der(&odd.stamp()).unwrap_err().rule(), "ses.der");
}

#[test]
fn other_identifiers_of_sm2_are_read_and_said() {
    let world = World::new(Suite::Sm2Sm3);
    for algorithm in ["1.2.156.10197.1.301.1", "1.2.156.10197.1.301"] {
        let verdict = Foreign { algorithm, ..Foreign::new(&world) }.check();
        assert_eq!(bad(&verdict.checks), []);
        for check in ["stampSignature", "sealMakerSignature"] {
            assert!(reason(&verdict.checks, check).contains(algorithm));
        }
    }
}

#[test]
fn what_stands_outside_the_signature_is_bound_by_comparison_and_said() {
    let world = World::new(Suite::P256Sha256);
    let verdict = Foreign::new(&world).check();
    assert!(reason(&verdict.checks, "stampSignature").contains("outside"));
    assert!(reason(&verdict.checks, "signerInSealCertList").contains("byte for byte"));
    let verdict = Foreign::v1(&world).check();
    assert_eq!(reason(&verdict.checks, "stampSignature"), "");
}
