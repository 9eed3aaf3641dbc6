//! Seals and stamps from end to end: made here, broken on purpose, and made by others.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

use proptest::prelude::*;

use super::*;
use crate::crypto::{PrivateKey, SeededRandom, Signature, Signer, Suite};
use crate::pki::asn1::{self, bit_string, integer, sequence, tlv};
use crate::pki::issue::{self, Authority, Name, Profile, Request, Validity};
use crate::pki::{Anchors, Certificate, Revocation, RevocationReason};
use crate::seal::check::{Check, Indication, Outcome, SubIndication};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_795_400_000);
const DAY: i64 = 86_400;
const DATA: &[u8] = b"licence-batch/v1\n";

/// The same key for the same seed; P-256 keys are random and must be kept.
fn key(suite: Suite, seed: &str) -> &'static PrivateKey {
    type Keys = Mutex<HashMap<(Suite, String), &'static PrivateKey>>;
    static KEYS: LazyLock<Keys> = LazyLock::new(Keys::default);
    let make = || {
        let der = PrivateKey::generate(suite, &SeededRandom::new(seed)).unwrap();
        Box::leak(Box::new(PrivateKey::from_pkcs8(&der).unwrap()))
    };
    let mut keys = KEYS.lock().unwrap();
    keys.entry((suite, seed.to_owned())).or_insert_with(|| make())
}

/// A root, a maker and an owner of a seal; everything is valid around [`NOW`].
struct World {
    suite: Suite,
    root: Authority<'static>,
    maker: Certificate,
    owner: Certificate,
}

impl World {
    fn new(suite: Suite) -> Self {
        let random = SeededRandom::new("ses");
        let validity = Validity::days(NOW.plus_secs(-DAY), 366);
        let root = Authority::self_signed(&Name::new("根"), validity, key(suite, "root"), &random).unwrap();
        let issue = |seed: &str, profile| {
            let (name, key) = (Name::new(seed), key(suite, seed).public_key());
            root.issue(&Request { name: &name, key, validity, profile }, &random).unwrap()
        };
        let (maker, owner) = (issue("maker", Profile::SealMaker), issue("owner", Profile::SealOwner));
        Self { suite, maker, owner, root }
    }

    fn trust(&self) -> Trust {
        Trust {
            anchors: Anchors::new(vec![self.root.certificate().clone()]),
            revocation: Revocation::IfGiven,
            ..Trust::default()
        }
    }

    fn spec(&self) -> SealSpec {
        SealSpec {
            vendor: "licence-node".to_owned(),
            es_id: "12000000000001".to_owned(),
            kind: SealKind::Unit,
            name: "天津市政务服务办公室".to_owned(),
            certs: CertList::Certificates(vec![self.owner.der().to_vec()]),
            created: NOW,
            valid_from: NOW,
            valid_until: NOW.plus_secs(30 * DAY),
            picture: Picture { kind: "PNG".to_owned(), data: vec![0x89; 40], width: 40, height: 40 },
        }
    }

    fn seal(&self, spec: &SealSpec) -> Vec<u8> {
        create(spec, self.maker.der(), key(self.suite, "maker")).unwrap()
    }

    fn stamp(&self, seal: &[u8], time: Timestamp, signer: &str, certificate: &[u8]) -> Vec<u8> {
        let to_sign = to_sign(seal, time, &self.suite.hash(&[DATA]), "licence-batch/v1").unwrap();
        let signature = key(self.suite, signer).sign(&to_sign).unwrap();
        assemble(&to_sign, certificate, self.suite, &signature).unwrap()
    }

    fn good_stamp(&self) -> Vec<u8> {
        self.stamp(&self.seal(&self.spec()), NOW, "owner", self.owner.der())
    }

    fn check(&self, stamp: &[u8]) -> StampVerdict {
        check_stamp(stamp, Protected::Bytes(DATA), &self.trust(), NOW.plus_secs(5))
    }
}

/// The checks that did not come out well.
fn bad(checks: &[Check]) -> Vec<(&'static str, Outcome, Option<SubIndication>)> {
    let not_ok = checks.iter().filter(|check| !check.is_ok());
    not_ok.map(|check| (check.name, check.outcome, check.sub_indication)).collect()
}

#[test]
fn a_seal_and_a_stamp_made_here_pass_every_check() {
    for suite in Suite::ALL {
        let world = World::new(suite);
        let picture =
            Picture { kind: "PNG".to_owned(), data: plain_ring::plain_ring(), width: 40, height: 40 };
        let seal = world.seal(&SealSpec { picture, ..world.spec() });
        let verdict = check_seal(&seal, &world.trust(), NOW);
        assert_eq!(bad(&verdict.checks), []);
        assert_eq!(verdict.maker_chain.len(), 2);
        assert_eq!(verdict.conclude(), (Indication::TotalPassed, None));
        let parsed = verdict.seal.unwrap();
        assert_eq!((parsed.version, parsed.kind), (Version::V4, 1));
        assert_eq!(parsed.name, "天津市政务服务办公室");

        let stamp = world.stamp(&seal, NOW, "owner", world.owner.der());
        let verdict = world.check(&stamp);
        assert_eq!(bad(&verdict.checks), []);
        assert_eq!(verdict.signer_chain.last(), Some(world.root.certificate()));
        let parsed = verdict.stamp.unwrap();
        assert_eq!((parsed.time, parsed.property.as_str()), (Some(NOW), "licence-batch/v1"));
        assert_eq!(parsed.seal.der, seal);
        let hash = suite.hash(&[DATA]);
        let verdict = check_stamp(&stamp, Protected::Hash(&hash), &world.trust(), NOW);
        assert_eq!(verdict.conclude().0, Indication::TotalPassed);
    }
}

#[test]
fn a_stamp_is_rebuilt_byte_for_byte_from_its_parts() {
    for suite in Suite::ALL {
        let world = World::new(suite);
        let stamp = world.good_stamp();
        let parsed = Stamp::from_der(&stamp).unwrap();
        let hash = parsed.data_hash.as_slice().try_into().unwrap();
        let to_sign = to_sign(&parsed.seal.der, parsed.time.unwrap(), &hash, &parsed.property).unwrap();
        assert_eq!(to_sign, parsed.to_sign);
        let signature = Signature::from_der(&parsed.signature).unwrap();
        assert_eq!(assemble(&to_sign, &parsed.certificate, suite, &signature).unwrap(), stamp);
    }
}

#[test]
fn every_changed_byte_is_found_by_a_named_check() {
    for suite in Suite::ALL {
        let world = World::new(suite);
        let (seal, stamp) = (world.seal(&world.spec()), world.good_stamp());
        let trust = world.trust();
        for at in 0..seal.len() {
            let mut changed = seal.clone();
            changed[at] ^= 1 << (at % 8);
            let verdict = check_seal(&changed, &trust, NOW);
            assert_ne!(verdict.conclude().0, Indication::TotalPassed, "{suite} seal byte {at}");
            assert!(!bad(&verdict.checks).is_empty());
        }
        for at in 0..stamp.len() {
            let mut changed = stamp.clone();
            changed[at] ^= 1 << (at % 8);
            assert_eq!(
                world.check(&changed).conclude().0,
                Indication::TotalFailed,
                "{suite} stamp byte {at}"
            );
        }
    }
}

#[test]
fn every_truncation_and_any_trailing_byte_is_a_format_failure() {
    let world = World::new(Suite::P256Sha256);
    let (seal, stamp) = (world.seal(&world.spec()), world.good_stamp());
    for at in 0..seal.len() {
        assert!(Seal::from_der(&seal[..at]).is_err());
    }
    for at in 0..stamp.len() {
        assert!(Stamp::from_der(&stamp[..at]).is_err());
    }
    let longer = [stamp.as_slice(), &[0]].concat();
    let verdict = world.check(&longer);
    assert_eq!(verdict.conclude(), (Indication::TotalFailed, Some(SubIndication::FormatFailure)));
    assert_eq!(bad(&verdict.checks)[0].0, "stampFormat");
    assert_eq!(verdict.checks.len(), 7);
    assert!(Seal::from_der(&[seal.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn without_trust_nothing_is_passed() {
    let world = World::new(Suite::Sm2Sm3);
    let none = Trust { revocation: Revocation::IfGiven, ..Trust::default() };
    let verdict = check_stamp(&world.good_stamp(), Protected::Bytes(DATA), &none, NOW);
    assert_eq!(verdict.conclude(), (Indication::Indeterminate, Some(SubIndication::NoCertificateChainFound)));
    let names: Vec<_> = bad(&verdict.checks).into_iter().map(|found| found.0).collect();
    assert_eq!(names, ["sealMakerCertificate", "signerCertificate"]);
    let verdict = check_stamp(&world.good_stamp(), Protected::Absent, &world.trust(), NOW);
    assert_eq!(verdict.conclude(), (Indication::Indeterminate, Some(SubIndication::SignedDataNotFound)));
}

#[test]
fn each_broken_rule_has_its_own_check() {
    use SubIndication as Sub;
    let failed = |name, sub| vec![(name, Outcome::Failed, Some(sub))];
    for suite in Suite::ALL {
        let world = World::new(suite);
        let spec = world.spec();
        let seal = world.seal(&spec);

        let forged = create(&spec, world.maker.der(), key(suite, "somebody")).unwrap();
        let found = bad(&check_seal(&forged, &world.trust(), NOW).checks);
        assert_eq!(found, failed("sealMakerSignature", Sub::SigCryptoFailure));

        let later = NOW.plus_secs(31 * DAY);
        let found = bad(&check_seal(&seal, &world.trust(), later).checks);
        assert_eq!(found, failed("sealValidity", Sub::Expired));
        let found = bad(&check_seal(&seal, &world.trust(), NOW.plus_secs(-1)).checks);
        assert_eq!(found, failed("sealValidity", Sub::NotYetValid));
        let late = world.stamp(&seal, later, "owner", world.owner.der());
        let verdict = check_stamp(&late, Protected::Bytes(DATA), &world.trust(), later);
        assert_eq!(bad(&verdict.checks), failed("sealValidity", Sub::Expired));
        // Set in time, looked at later: still good.
        let verdict = check_stamp(&world.good_stamp(), Protected::Bytes(DATA), &world.trust(), later);
        assert_eq!(bad(&verdict.checks), []);

        let stranger = world.stamp(&seal, NOW, "maker", world.maker.der());
        let found = bad(&world.check(&stranger).checks);
        assert_eq!(found, failed("signerInSealCertList", Sub::SigConstraintsFailure));

        let forged = world.stamp(&seal, NOW, "somebody", world.owner.der());
        let found = bad(&world.check(&forged).checks);
        assert_eq!(found, failed("stampSignature", Sub::SigCryptoFailure));

        let future = world.stamp(&seal, NOW.plus_secs(DAY), "owner", world.owner.der());
        let found = bad(&world.check(&future).checks);
        assert_eq!(found, failed("signingTime", Sub::SigConstraintsFailure));

        let verdict = check_stamp(&world.good_stamp(), Protected::Bytes(b"other"), &world.trust(), NOW);
        assert_eq!(bad(&verdict.checks), failed("dataHash", Sub::HashFailure));

        let entry = issue::Revocation {
            certificate: &world.owner,
            at: NOW.plus_secs(10),
            reason: RevocationReason::KeyCompromise,
        };
        let crl = world.root.crl(&[entry], 1, NOW, NOW.plus_secs(40 * DAY)).unwrap();
        let trust = Trust { crls: vec![crl], revocation: Revocation::Required, ..world.trust() };
        let after = world.stamp(&seal, NOW.plus_secs(20), "owner", world.owner.der());
        let verdict = check_stamp(&after, Protected::Bytes(DATA), &trust, later);
        assert_eq!(bad(&verdict.checks), failed("signerCertificate", Sub::Revoked));
        let verdict = check_stamp(&world.good_stamp(), Protected::Bytes(DATA), &trust, later);
        let open = vec![("signerCertificate", Outcome::NotChecked, Some(Sub::RevokedNoPoe))];
        assert_eq!(bad(&verdict.checks), open);
    }
}

#[test]
fn a_list_of_digests_names_signers_as_well() {
    for suite in Suite::ALL {
        let world = World::new(suite);
        let with = |certs| world.seal(&SealSpec { certs, ..world.spec() });
        let seal = with(CertList::digests(suite, &[world.owner.der()]));
        assert_eq!(bad(&world.check(&world.stamp(&seal, NOW, "owner", world.owner.der())).checks), []);
        let other = with(CertList::digests(suite, &[world.maker.der()]));
        let found = bad(&world.check(&world.stamp(&other, NOW, "owner", world.owner.der())).checks);
        assert_eq!(found[0].0, "signerInSealCertList");
        let md5 = with(CertList::Digests(vec![("MD5".to_owned(), vec![0; 16])]));
        let found = bad(&check_seal(&md5, &world.trust(), NOW).checks);
        assert_eq!(found[0].0, "sealCertList");
        for name in ["SM3", "sm3", "SHA-256", "SHA256"] {
            assert_eq!(CertList::Digests(vec![(name.to_owned(), vec![])]).unsupported_hash(), None);
        }
    }
}

/// A stamp as other makers write it.
#[derive(Clone, Copy)]
struct Foreign {
    v1: bool,
    header_version: u64,
    /// DER of the seal's `extDatas`.
    extensions: &'static [u8],
    seal_time_stamp: bool,
    stamp_time_stamp: bool,
    raw_signature: bool,
}

const V4: Foreign = Foreign {
    v1: false,
    header_version: 4,
    extensions: &[],
    seal_time_stamp: false,
    stamp_time_stamp: false,
    raw_signature: false,
};
const V1: Foreign = Foreign { v1: true, header_version: 1, ..V4 };

impl Foreign {
    fn stamp(self, world: &World) -> Vec<u8> {
        let oid = asn1::oid(world.suite.signature_oid()).unwrap();
        let sign = |who: &str, bytes: &[u8]| {
            let signature = key(world.suite, who).sign(bytes).unwrap();
            if self.raw_signature { bit_string(signature.raw()) } else { bit_string(&signature.to_der()) }
        };
        let token = |there| if there { tlv(asn1::explicit(0), &[&bit_string(b"token")]) } else { Vec::new() };
        let time = |secs| match self.v1 {
            true => asn1::certificate_time(NOW.plus_secs(secs)),
            false => asn1::generalized_time(NOW.plus_secs(secs)),
        };
        let header = sequence(&[
            &tlv(asn1::IA5_STRING, &[b"ES"]),
            &integer(self.header_version),
            &tlv(asn1::IA5_STRING, &[b"other"]),
        ]);
        let owner = tlv(asn1::OCTET_STRING, &[world.owner.der()]);
        let maker = tlv(asn1::OCTET_STRING, &[world.maker.der()]);
        let property = sequence(&[
            &integer(3),
            &tlv(asn1::UTF8_STRING, &["章".as_bytes()]),
            if self.v1 { &[] } else { &[2, 1, 1] },
            &sequence(&[&owner]),
            &time(0),
            &time(0),
            &time(DAY),
        ]);
        let size = integer(40);
        let picture = sequence(&[
            &tlv(asn1::IA5_STRING, &[b"ofd"]),
            &tlv(asn1::OCTET_STRING, &[b"picture"]),
            &size,
            &size,
        ]);
        let number = tlv(asn1::IA5_STRING, &[b"1"]);
        let info = sequence(&[&header, &number, &property, &picture, self.extensions]);
        let seal = if self.v1 {
            let signature = sign("maker", &sequence(&[&info, &maker, &oid]));
            sequence(&[&info, &sequence(&[&maker, &oid, &signature])])
        } else {
            sequence(&[&info, &maker, &oid, &sign("maker", &info), &token(self.seal_time_stamp)])
        };
        let hash = bit_string(&world.suite.hash(&[DATA]));
        let range = tlv(asn1::IA5_STRING, &[b"/Doc_0/Signs/Sign_0/Signature.xml"]);
        if self.v1 {
            let time = bit_string(NOW.rfc3339().as_bytes());
            let to_sign = sequence(&[&integer(1), &seal, &time, &hash, &range, &owner, &oid]);
            sequence(&[&to_sign, &sign("owner", &to_sign)])
        } else {
            let to_sign = sequence(&[&integer(4), &seal, &asn1::generalized_time(NOW), &hash, &range]);
            let signature = sign("owner", &to_sign);
            sequence(&[&to_sign, &owner, &oid, &signature, &token(self.stamp_time_stamp)])
        }
    }
}

#[test]
fn stamps_of_the_older_version_and_with_bare_signatures_are_read() {
    for suite in Suite::ALL {
        let world = World::new(suite);
        for foreign in [V1, V4, Foreign { raw_signature: true, ..V4 }, Foreign { header_version: 5, ..V4 }] {
            let stamp = foreign.stamp(&world);
            let verdict = world.check(&stamp);
            assert_eq!(bad(&verdict.checks), []);
            assert_eq!(verdict.stamp.unwrap().time, Some(NOW));
        }
        let stamp = V1.stamp(&world);
        for at in 0..stamp.len() {
            let mut changed = stamp.clone();
            changed[at] ^= 1 << (at % 8);
            assert_eq!(world.check(&changed).conclude().0, Indication::TotalFailed, "byte {at}");
        }
    }
}

#[test]
fn a_time_stamp_that_cannot_be_checked_yet_is_never_passed() {
    let world = World::new(Suite::P256Sha256);
    let open = [("timeStamp", Outcome::NotChecked, Some(SubIndication::NoPoe))];
    let stamped = Foreign { stamp_time_stamp: true, ..V4 };
    assert_eq!(bad(&world.check(&stamped.stamp(&world)).checks), open);
    let stamped = Foreign { header_version: 5, seal_time_stamp: true, ..V4 };
    assert_eq!(bad(&world.check(&stamped.stamp(&world)).checks), open);
}

#[test]
fn a_version_must_be_known_and_fit_the_structure() {
    let world = World::new(Suite::P256Sha256);
    let failed = [("sealVersion", Outcome::Failed, Some(SubIndication::FormatFailure))];
    let unfit = Foreign { seal_time_stamp: true, ..V4 };
    for foreign in [Foreign { header_version: 3, ..V4 }, Foreign { header_version: 4, ..V1 }, unfit] {
        assert_eq!(bad(&world.check(&foreign.stamp(&world)).checks)[..1], failed);
    }
}

#[test]
fn extensions_are_read_unless_they_must_be_understood() {
    let world = World::new(Suite::P256Sha256);
    // One extension 1.2.3: criticality absent, spelt out as FALSE, TRUE, and not DER.
    let absent: &[u8] = &[0x30, 0x08, 0x30, 0x06, 6, 2, 0x2a, 3, 4, 0];
    let spelt: &[u8] = &[0x30, 0x0b, 0x30, 0x09, 6, 2, 0x2a, 3, 1, 1, 0, 4, 0];
    let critical: &[u8] = &[0x30, 0x0b, 0x30, 0x09, 6, 2, 0x2a, 3, 1, 1, 0xff, 4, 0];
    let not_der: &[u8] = &[0x30, 0x0b, 0x30, 0x09, 6, 2, 0x2a, 3, 1, 1, 1, 4, 0];
    let read = |extensions| Stamp::from_der(&Foreign { extensions, ..V4 }.stamp(&world)).map(|_| ());
    assert_eq!(read(absent), Ok(()));
    assert_eq!(read(spelt), Ok(()));
    assert_eq!(read(critical), Err(SesError::CriticalExtension("1.2.3".to_owned())));
    assert_eq!(read(not_der).unwrap_err().rule(), "ses.der");
}

fn vector(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var("LICENCE_VECTORS").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors")),
        PathBuf::from,
    );
    let found = std::fs::read(root.join("ofd-seal").join(name)).ok();
    if found.is_none() {
        println!("skipped: ofd-seal/{name} is not here");
    }
    found
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// Trusts just these certificates, as another maker's test files need.
fn only(certificates: &[&[u8]]) -> Trust {
    let anchors = certificates.iter().map(|der| Certificate::from_der(der).unwrap()).collect();
    Trust { anchors: Anchors::new(anchors), revocation: Revocation::IfGiven, ..Trust::default() }
}

#[test]
fn seals_of_another_maker_come_out_as_their_readme_says() {
    let (in_time, late) = (at("2021-06-01T00:00:00Z"), at("2022-05-01T00:00:00Z"));
    for (name, version) in [("UserV1.esl", Version::V1), ("UserV4.esl", Version::V4)] {
        let Some(der) = vector(name) else { return };
        let seal = Seal::from_der(&der).unwrap();
        assert_eq!(seal.version, version);
        let trust = only(&[&seal.maker_certificate]);
        assert_eq!(bad(&check_seal(&der, &trust, in_time).checks), [], "{name}");
        let found: Vec<_> = bad(&check_seal(&der, &trust, late).checks);
        let expired = |name| (name, Outcome::Failed, Some(SubIndication::Expired));
        assert_eq!(found, [expired("sealMakerCertificate"), expired("sealValidity")]);
        let verdict = check_seal(&der, &Trust::default(), in_time);
        let unknown = (Indication::Indeterminate, Some(SubIndication::NoCertificateChainFound));
        assert_eq!(verdict.conclude(), unknown);
    }
    // The V5 seal was made in 2026 with a certificate that ran out in 2022.
    let Some(der) = vector("UserV5.esl") else { return };
    let seal = Seal::from_der(&der).unwrap();
    let verdict = check_seal(&der, &only(&[&seal.maker_certificate]), at("2026-06-01T00:00:00Z"));
    assert_eq!(seal.version, Version::V5);
    assert_eq!(
        bad(&verdict.checks),
        [("sealMakerCertificate", Outcome::Failed, Some(SubIndication::Expired))]
    );
}

#[test]
fn stamps_of_another_maker_come_out_as_their_readme_says() {
    let now = at("2026-11-23T00:00:00Z");
    let absent = ("dataHash", Outcome::NotChecked, Some(SubIndication::SignedDataNotFound));
    let expired = |name| (name, Outcome::Failed, Some(SubIndication::Expired));
    let late = [expired("sealMakerCertificate"), expired("signerCertificate"), absent];
    for (name, expected) in [("SignedValueV4.dat", &[absent][..]), ("SignedValueV5.dat", &late)] {
        let Some(der) = vector(name) else { return };
        let stamp = Stamp::from_der(&der).unwrap();
        let trust = only(&[&stamp.certificate, &stamp.seal.maker_certificate]);
        let verdict = check_stamp(&der, Protected::Absent, &trust, now);
        assert_eq!(bad(&verdict.checks), expected, "{name}");
        let verdict = check_stamp(&der, Protected::Absent, &Trust::default(), now);
        let unknown = (Indication::Indeterminate, Some(SubIndication::NoCertificateChainFound));
        assert_eq!(verdict.conclude(), unknown, "{name}");
        for place in (0..der.len()).step_by(97) {
            let mut changed = der.clone();
            changed[place] ^= 0x40;
            let verdict = check_stamp(&changed, Protected::Absent, &trust, now);
            assert_eq!(verdict.conclude().0, Indication::TotalFailed, "{name} byte {place}");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let verdict = check_seal(&bytes, &Trust::default(), NOW);
        prop_assert_eq!(verdict.conclude().0, Indication::TotalFailed);
        let verdict = check_stamp(&bytes, Protected::Absent, &Trust::default(), NOW);
        prop_assert_eq!(verdict.conclude().0, Indication::TotalFailed);
    }

    #[test]
    fn damaged_stamps_never_panic_and_never_pass(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), 1..=255_u8), 1..6)
    ) {
        static STAMP: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let stamp = STAMP.get_or_init(|| World::new(Suite::P256Sha256).good_stamp());
        let mut changed = stamp.clone();
        for (place, mask) in changes {
            let place = place.index(changed.len());
            changed[place] ^= mask;
        }
        prop_assume!(changed != *stamp);
        let verdict = check_stamp(&changed, Protected::Bytes(DATA), &Trust::default(), NOW);
        prop_assert_ne!(verdict.conclude().0, Indication::TotalPassed);
    }
}
