//! When a stamp was set: claims, proofs, and proofs that prove nothing.

use super::foreign::{Foreign, TimeStamper};
use super::*;
use crate::pki::asn1::generalized_time;
use crate::pki::timestamp::{Imprint, make};
use crate::pki::{Crl, RevocationReason, issue};
use crate::seal::check::Indication;

use SubIndication as Sub;

impl World {
    /// Says that the signature value was there so many seconds after [`NOW`].
    fn time_stamper(&self, secs: i64) -> TimeStamper {
        let (suite, tsa) = (self.suite, self.tsa.clone());
        Box::new(move |signature| {
            let imprint = Imprint::of(suite, signature);
            make(&imprint, NOW.plus_secs(secs), &[1, 2, 3], &tsa, key(suite, "tsa")).unwrap()
        })
    }

    fn stamped(&self, claimed: i64, proved: i64) -> Foreign<'_> {
        let mut foreign = Foreign::new(self);
        foreign.time = generalized_time(NOW.plus_secs(claimed));
        foreign.time_stamp = Some(self.time_stamper(proved));
        foreign
    }

    fn revoke(&self, certificate: &Certificate, secs: i64, reason: RevocationReason) -> Crl {
        let entry = issue::Revocation { certificate, at: NOW.plus_secs(secs), reason };
        self.root.crl(&[entry], 1, NOW, NOW.plus_secs(40 * DAY)).unwrap()
    }
}

fn later(world: &World, stamp: &[u8], crls: Vec<Crl>) -> StampVerdict {
    let trust = Trust { crls, ..world.trust() };
    check_stamp(stamp, Protected::Bytes(DATA), &trust, NOW.plus_secs(20 * DAY))
}

#[test]
fn a_time_stamp_proves_when_a_stamp_was_set() {
    for suite in Suite::ALL {
        let world = World::new(suite);
        let verdict = world.check(&world.stamped(0, 2).stamp());
        assert_eq!(bad(&verdict.checks), []);
        assert_eq!(verdict.signing_time, Some(NOW.plus_secs(2)));
        let by = world.tsa.subject().to_owned();
        assert_eq!(verdict.time_proof, TimeProof::TimeStamp { by });
        let chain = [world.tsa.clone(), world.root.certificate().clone()];
        assert_eq!(verdict.time_stamp_chain, chain);
        assert!(reason(&verdict.checks, "signingTime").contains("proved"));
        // The same by the one who seals here.
        let stamp = world.good_stamp();
        let signature = Stamp::from_der(&stamp).unwrap().signature;
        let stamped = with_time_stamp(&stamp, &world.time_stamper(2)(&signature)).unwrap();
        let verdict = world.check(&stamped);
        assert_eq!(bad(&verdict.checks), []);
        assert_eq!(verdict.signing_time, Some(NOW.plus_secs(2)));
        assert_eq!(with_time_stamp(&stamped, b"x").unwrap_err().rule(), "ses.unwritable");
    }
}

#[test]
fn a_proof_before_a_revocation_leaves_no_doubt() {
    for suite in Suite::ALL {
        let world = World::new(suite);
        let stolen = |secs| vec![world.revoke(&world.owner, secs, RevocationReason::KeyCompromise)];
        let proved = world.stamped(0, 2).stamp();
        let claimed = Foreign::new(&world).stamp();
        assert_eq!(bad(&later(&world, &proved, stolen(10)).checks), []);
        let found = bad(&later(&world, &claimed, stolen(10)).checks);
        assert_eq!(found, open("signerCertificate", Sub::RevokedNoPoe));
        // Proved only after it: whoever took the key may have set the stamp.
        let found = bad(&later(&world, &world.stamped(0, 11).stamp(), stolen(10)).checks);
        assert_eq!(found, failed("signerCertificate", Sub::Revoked));
    }
}

#[test]
fn the_proved_time_is_the_one_that_is_judged() {
    let world = World::new(Suite::P256Sha256);
    // The seal is good for a day: claimed within it, proved after it.
    let found = bad(&later(&world, &world.stamped(0, DAY + 1).stamp(), vec![]).checks);
    assert_eq!(found[0], failed("sealValidity", Sub::Expired)[0]);
    let hours = world.stamped(0, DAY - 1).stamp();
    assert_eq!(bad(&later(&world, &hours, vec![]).checks), []);
}

#[test]
fn a_claim_must_agree_with_the_proof() {
    let world = World::new(Suite::P256Sha256);
    let after = world.stamped(3_600, 0).stamp();
    let found = bad(&later(&world, &after, vec![]).checks);
    assert_eq!(found, failed("signingTime", Sub::SigConstraintsFailure));
    let skewed = world.stamped(60, 0).stamp();
    assert_eq!(bad(&later(&world, &skewed, vec![]).checks), []);
    let mut long_before = world.stamped(-DAY, 1);
    long_before.times[1] = generalized_time(NOW.plus_secs(-2 * DAY));
    let verdict = later(&world, &long_before.stamp(), vec![]);
    assert_eq!(bad(&verdict.checks), open("signingTime", Sub::OutOfBoundsNoPoe));
    assert_eq!(verdict.signing_time, Some(NOW.plus_secs(1)));
    let early = world.stamped(10, 5 * DAY).stamp();
    let verdict = world.check(&early);
    assert_eq!(bad(&verdict.checks)[0], failed("timeStamp", Sub::SigConstraintsFailure)[0]);
}

#[test]
fn a_time_stamp_that_does_not_hold_is_said_and_proves_nothing() {
    for suite in Suite::ALL {
        let world = World::new(suite);
        let check = |stamper: TimeStamper| {
            let verdict = Foreign { time_stamp: Some(stamper), ..Foreign::new(&world) }.check();
            assert_eq!(verdict.time_proof, TimeProof::Claimed);
            assert_eq!(verdict.signing_time, Some(NOW));
            assert_eq!(verdict.time_stamp_chain, []);
            let reason = reason(&verdict.checks, "timeStamp");
            (bad(&verdict.checks), reason)
        };
        let by = |who: &'static str, certificate: Certificate| -> TimeStamper {
            Box::new(move |signature| {
                let imprint = Imprint::of(suite, signature);
                make(&imprint, NOW, &[1], &certificate, key(suite, who)).unwrap()
            })
        };
        let (found, why) = check(Box::new(|_| b"token".to_vec()));
        assert_eq!(found, failed("timeStamp", Sub::FormatFailure), "{why}");
        let good = world.time_stamper(1);
        let (found, why) = check(Box::new(move |_| good(b"other bytes")));
        assert_eq!(found, failed("timeStamp", Sub::HashFailure), "{why}");
        assert!(why.ends_with("[timestamp.imprint]"));
        let (found, why) = check(by("owner", world.owner.clone()));
        assert_eq!(found, failed("timeStamp", Sub::SigConstraintsFailure), "{why}");
        assert!(why.ends_with("[timestamp.purpose]"));
        let good = world.time_stamper(1);
        let (found, why) = check(Box::new(move |signature| {
            let mut token = good(signature);
            // The last byte is one of s.
            *token.last_mut().unwrap() ^= 1;
            token
        }));
        assert_eq!(found, failed("timeStamp", Sub::SigCryptoFailure), "{why}");
        // An authority that nobody here knows.
        let random = SeededRandom::new("other");
        let validity = Validity::days(NOW.plus_secs(-DAY), 10);
        let other = Authority::self_signed(&Name::new("别处"), validity, key(suite, "x"), &random).unwrap();
        let request = Request {
            name: &Name::new("tsa"),
            key: key(suite, "tsa").public_key(),
            validity,
            profile: Profile::TimeStamping,
        };
        let (found, why) = check(by("tsa", other.issue(&request, &random).unwrap()));
        assert_eq!(found, open("timeStamp", Sub::NoCertificateChainFound), "{why}");
        let past = Request { validity: Validity::days(NOW.plus_secs(-9 * DAY), 8), ..request };
        let (found, why) = check(by("tsa", world.root.issue(&past, &random).unwrap()));
        assert_eq!(found, failed("timeStamp", Sub::Expired), "{why}");
    }
}

#[test]
fn an_authority_whose_key_was_taken_proves_nothing() {
    let world = World::new(Suite::P256Sha256);
    let crl = world.revoke(&world.tsa, 10, RevocationReason::KeyCompromise);
    let verdict = later(&world, &world.stamped(0, 2).stamp(), vec![crl]);
    assert_eq!(bad(&verdict.checks), open("timeStamp", Sub::RevokedNoPoe));
    assert_eq!(verdict.time_proof, TimeProof::Claimed);
}

#[test]
fn a_seal_has_a_time_stamp_of_its_own() {
    for suite in Suite::ALL {
        let world = World::new(suite);
        let v5 = |secs| Foreign {
            header_version: 5,
            version: 5,
            seal_time_stamp: Some(world.time_stamper(secs)),
            ..Foreign::new(&world)
        };
        let verdict = check_seal(&v5(1).seal(), &world.trust(), NOW.plus_secs(5));
        assert_eq!(bad(&verdict.checks), []);
        assert_eq!(verdict.time_stamp_chain.len(), 2);
        let verdict = v5(1).check();
        assert_eq!(bad(&verdict.checks), []);
        assert_eq!((verdict.seal_time_stamp_chain.len(), verdict.time_stamp_chain.len()), (2, 0));
        // A stamp cannot be older than the seal in it.
        let found = bad(&later(&world, &v5(61).stamp(), vec![]).checks);
        assert_eq!(found, failed("signingTime", Sub::SigConstraintsFailure));
        let token: TimeStamper = Box::new(|_| b"token".to_vec());
        let broken = Foreign { seal_time_stamp: Some(token), ..v5(1) };
        assert_eq!(bad(&broken.check().checks), failed("sealTimeStamp", Sub::FormatFailure));
        let none = Trust { revocation: Revocation::IfGiven, ..Trust::default() };
        let verdict = check_seal(&v5(1).seal(), &none, NOW.plus_secs(5));
        assert_eq!(verdict.conclude().0, Indication::Indeterminate);
        assert_eq!(bad(&verdict.checks)[1], open("sealTimeStamp", Sub::NoCertificateChainFound)[0]);
    }
}
