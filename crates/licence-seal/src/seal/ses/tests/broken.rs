//! Each check has a case that fails it, and no check before it.

use super::foreign::{Foreign, ia5};
use super::*;
use crate::crypto::Signature;
use crate::pki::RevocationReason;
use crate::pki::asn1::{self, OCTET_STRING, PRINTABLE_STRING, bit_string, sequence, tlv};
use crate::pki::issue::{self, Extension, KEY_CERT_SIGN};

use SubIndication as Sub;

/// What the first check that failed is.
fn first(verdict: &StampVerdict) -> Found {
    bad(&verdict.checks)[0]
}

fn digests(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let entry = |(name, value): &(&str, &[u8])| {
        sequence(&[&tlv(PRINTABLE_STRING, &[name.as_bytes()]), &tlv(OCTET_STRING, &[value])])
    };
    entries.iter().map(entry).collect::<Vec<_>>().concat()
}

#[test]
fn each_broken_rule_has_its_own_check() {
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
        assert_eq!(bad(&verdict.checks), open("signerCertificate", Sub::RevokedNoPoe));
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

#[test]
fn a_version_must_be_known_and_fit_the_structure() {
    let world = World::new(Suite::P256Sha256);
    let token: foreign::TimeStamper = Box::new(|_| b"token".to_vec());
    for foreign in [
        Foreign { header_version: 3, ..Foreign::new(&world) },
        Foreign { header_version: 4, ..Foreign::v1(&world) },
        Foreign { header_version: 1, ..Foreign::new(&world) },
        Foreign { header_id: ia5("EX"), ..Foreign::new(&world) },
        Foreign { seal_time_stamp: Some(token), ..Foreign::new(&world) },
    ] {
        assert_eq!(first(&foreign.check()), failed("sealVersion", Sub::FormatFailure)[0]);
    }
    for foreign in [
        Foreign { version: 3, ..Foreign::new(&world) },
        Foreign { version: 1, ..Foreign::new(&world) },
        Foreign { version: 4, ..Foreign::v1(&world) },
    ] {
        assert_eq!(bad(&foreign.check().checks), failed("stampVersion", Sub::FormatFailure));
    }
}

#[test]
fn a_list_of_signers_is_neither_empty_nor_weak_nor_cut() {
    for suite in Suite::ALL {
        let world = World::new(suite);
        let digest = suite.hash(&[world.owner.der()]);
        let good = [suite.hash_name(), suite.hash_oid()].map(|name| digests(&[(name, &digest)]));
        for list in good {
            let foreign = Foreign { list_kind: 2, list, ..Foreign::new(&world) };
            assert_eq!(bad(&foreign.check().checks), []);
        }
        for (list, sub) in [
            (Vec::new(), Sub::SigConstraintsFailure),
            (digests(&[(suite.hash_name(), &digest), ("MD5", &[0; 16])]), Sub::CryptoConstraintsFailure),
            (digests(&[("SHA-1", &[0; 20])]), Sub::CryptoConstraintsFailure),
            (digests(&[("1.2.840.113549.2.5", &[0; 16])]), Sub::CryptoConstraintsFailure),
            (digests(&[("best", &digest)]), Sub::CryptoConstraintsFailure),
            (digests(&[(suite.hash_name(), &digest[..31])]), Sub::FormatFailure),
        ] {
            let foreign = Foreign { list_kind: 2, list, ..Foreign::new(&world) };
            assert_eq!(first(&foreign.check()), failed("sealCertList", sub)[0]);
        }
    }
    let world = World::new(Suite::Sm2Sm3);
    let digest = world.suite.hash(&[world.owner.der()]);
    for name in ["SM3", "1.2.156.10197.1.401.1", "1.2.156.10197.1.401.2"] {
        let foreign = Foreign { list_kind: 2, list: digests(&[(name, &digest)]), ..Foreign::new(&world) };
        let verdict = foreign.check();
        assert_eq!(bad(&verdict.checks), []);
        assert!(reason(&verdict.checks, "signerInSealCertList").contains("digest"));
    }
}

#[test]
fn values_that_are_no_signature_are_refused() {
    let n = "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123";
    assert_eq!(hex::decode(n).unwrap(), SM2_ORDER);
    let forms: [foreign::Write; 8] = [
        |_| Vec::new(),
        |_| b"signature".to_vec(),
        |signature| signature.raw()[..63].to_vec(),
        |signature| [signature.to_der().as_slice(), &[0]].concat(),
        |signature| with(signature, 0, [0; 32]),
        |signature| with(signature, 32, [0; 32]),
        |signature| with(signature, 0, SM2_ORDER),
        |signature| with(signature, 32, SM2_ORDER),
    ];
    for suite in Suite::ALL {
        let world = World::new(suite);
        for write in forms {
            let foreign = Foreign { write, ..Foreign::new(&world) };
            let found = bad(&foreign.check().checks);
            let expected = ["sealMakerSignature", "stampSignature"]
                .map(|name| (name, Outcome::Failed, Some(Sub::SigCryptoFailure)));
            assert_eq!(found, expected);
        }
    }
}

/// Above the order of P-256 as well.
const SM2_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x72,
    0x03, 0xdf, 0x6b, 0x21, 0xc6, 0x05, 0x2b, 0x53, 0xbb, 0xf4, 0x09, 0x39, 0xd5, 0x41, 0x23,
];

fn with(signature: &Signature, at: usize, half: [u8; 32]) -> Vec<u8> {
    let mut raw = *signature.raw();
    raw[at..at + 32].copy_from_slice(&half);
    Signature::from_raw(raw).to_der()
}

#[test]
fn a_signature_under_another_user_id_does_not_verify() {
    use sm2::dsa::SigningKey;
    use sm2::dsa::signature::Signer as _;
    use sm2::pkcs8::DecodePrivateKey;
    let world = World::new(Suite::Sm2Sm3);
    let to_sign = to_sign(&world.seal(&world.spec()), NOW, &world.suite.hash(&[DATA]), "x").unwrap();
    let der = PrivateKey::generate(Suite::Sm2Sm3, &SeededRandom::new("owner")).unwrap();
    let secret = sm2::SecretKey::from_pkcs8_der(&der).unwrap();
    for (id, expected) in [
        ("1234567812345678", Vec::new()),
        ("", failed("stampSignature", Sub::SigCryptoFailure)),
        ("TLSv1.3+GM+Cipher+Suite", failed("stampSignature", Sub::SigCryptoFailure)),
    ] {
        let signature = SigningKey::new(id, &secret).unwrap().sign(&to_sign);
        let signature = Signature::from_raw(signature.to_bytes().into());
        let stamp = assemble(&to_sign, world.owner.der(), world.suite, &signature).unwrap();
        assert_eq!(bad(&world.check(&stamp).checks), expected, "{id}");
    }
}

#[test]
fn algorithm_key_and_curve_must_belong_together() {
    for suite in Suite::ALL {
        let world = World::new(suite);
        let other = Suite::ALL.into_iter().find(|other| *other != suite).unwrap();
        for algorithm in [other.signature_oid(), "1.2.840.113549.1.1.4"] {
            let found = bad(&Foreign { algorithm, ..Foreign::new(&world) }.check().checks);
            assert_eq!(found[0], failed("sealMakerSignature", Sub::CryptoConstraintsFailure)[0]);
            assert_eq!(found[1], failed("stampSignature", Sub::CryptoConstraintsFailure)[0]);
        }
    }
    // A certificate for a point beside the curve: nobody has its key.
    let world = World::new(Suite::Sm2Sm3);
    let point = key(Suite::Sm2Sm3, "owner").public_key().point();
    let mut owner = world.owner.der().to_vec();
    let at = owner.windows(65).position(|part| part == point).unwrap();
    owner[at + 64] ^= 1;
    let list = tlv(OCTET_STRING, &[&owner]);
    let verdict = Foreign { owner, list, ..Foreign::new(&world) }.check();
    assert_eq!(first(&verdict), failed("stampSignature", Sub::CryptoConstraintsFailure)[0]);
    assert!(reason(&verdict.checks, "stampSignature").contains("curve"));
}

#[test]
fn a_hash_of_another_length_is_no_hash() {
    let world = World::new(Suite::P256Sha256);
    for hash in [Vec::new(), vec![0; 16], vec![0; 33]] {
        let foreign = Foreign { hash, ..Foreign::new(&world) };
        let verdict = check_stamp(&foreign.stamp(), Protected::Absent, &world.trust(), NOW);
        assert_eq!(bad(&verdict.checks), failed("dataHash", Sub::HashFailure));
    }
    let mut unreadable = Foreign::v1(&world);
    unreadable.time = bit_string("前天".as_bytes());
    assert_eq!(bad(&unreadable.check().checks), open("signingTime", Sub::NoPoe));
}

#[test]
fn a_hash_with_the_signers_identity_before_it_is_refused_and_recognised() {
    let world = World::new(Suite::Sm2Sm3);
    let key = key(Suite::Sm2Sm3, "owner").public_key();
    let hash = key.digest_to_sign(DATA).to_vec();
    let verdict = Foreign { hash, ..Foreign::new(&world) }.check();
    assert_eq!(bad(&verdict.checks), failed("dataHash", Sub::HashFailure));
    assert!(reason(&verdict.checks, "dataHash").contains("ZA"));
}

#[test]
fn the_reason_names_the_rule_that_a_certificate_broke() {
    for suite in Suite::ALL {
        let world = World::new(suite);
        let random = SeededRandom::new("ses/rules");
        let issue = |days: i64, profile| {
            let (name, key) = (Name::new("owner"), key(suite, "owner").public_key());
            let validity = Validity::days(NOW.plus_secs(-days * DAY), days);
            world.root.issue(&Request { name: &name, key, validity, profile }, &random).unwrap()
        };
        let signs_certificates = vec![Extension::key_usage(KEY_CERT_SIGN)];
        let strange = vec![Extension { oid: "1.2.3.4", critical: true, value: vec![5, 0] }];
        let valid = |profile| {
            let (name, key) = (Name::new("owner"), key(suite, "owner").public_key());
            let validity = Validity::days(NOW.plus_secs(-DAY), 10);
            world.root.issue(&Request { name: &name, key, validity, profile }, &random).unwrap()
        };
        let used = Profile::Custom(signs_certificates);
        for (owner, sub, rule) in [
            (issue(1, Profile::SealOwner), Sub::Expired, "path.expired"),
            (valid(used), Sub::SigConstraintsFailure, "path.usage"),
            (valid(Profile::Custom(strange)), Sub::ChainConstraintsFailure, "path.criticalExtension"),
        ] {
            let owner = owner.der().to_vec();
            let list = tlv(OCTET_STRING, &[&owner]);
            let time = asn1::generalized_time(NOW.plus_secs(3));
            let verdict = Foreign { owner, list, time, ..Foreign::new(&world) }.check();
            assert_eq!(bad(&verdict.checks), failed("signerCertificate", sub));
            let reason = reason(&verdict.checks, "signerCertificate");
            assert!(reason.ends_with(&format!("[{rule}]")), "{reason}");
        }
        let verdict = Foreign { maker: b"no certificate".to_vec(), ..Foreign::new(&world) }.check();
        let found = bad(&verdict.checks);
        assert_eq!(found[0], ("sealMakerSignature", Outcome::NotChecked, None));
        assert_eq!(found[1], failed("sealMakerCertificate", Sub::FormatFailure)[0]);
    }
}
