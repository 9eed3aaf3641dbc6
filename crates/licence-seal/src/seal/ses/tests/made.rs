//! Made here: seals and stamps that pass, and every way of damaging their bytes.

use proptest::prelude::*;

use super::*;
use crate::crypto::Signature;
use crate::seal::check::Indication;

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

#[test]
fn a_seal_that_is_remembered_vouches_for_no_other() {
    let world = World::new(Suite::Sm2Sm3);
    let trust = world.trust();
    let seal = world.seal(&world.spec());
    for _ in 0..2 {
        assert_eq!(bad(&check_seal(&seal, &trust, NOW).checks), []);
    }
    let parsed = Seal::from_der(&seal).unwrap();
    let name = seal.windows(parsed.name.len()).position(|text| text == parsed.name.as_bytes()).unwrap();
    for at in [name, seal.len() - 1] {
        let mut changed = seal.clone();
        changed[at] ^= 1;
        let verdict = check_seal(&changed, &trust, NOW);
        let failed = verdict.checks.iter().find(|check| check.outcome != Outcome::Ok).unwrap();
        assert!(["sealMakerSignature", "sealFormat"].contains(&failed.name), "{at}: {failed:?}");
    }
}
