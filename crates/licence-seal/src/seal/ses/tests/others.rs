//! Seals and stamps of other makers, where they are at hand.

use std::io::{Cursor, Read};
use std::path::PathBuf;

use super::*;
use crate::seal::check::Indication;

fn vector(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var("LICENCE_VECTORS").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")),
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

/// One entry of a sealed file.
fn entry(ofd: &[u8], name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(ofd)).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn stamps_in_files_of_two_makers_are_judged_with_their_document() {
    let now = at("2026-11-23T00:00:00Z");
    let expired = |name| (name, Outcome::Failed, Some(SubIndication::Expired));
    // The last one was set in 2026 with a seal and certificates that ran out in 2022.
    let late = ["sealMakerCertificate", "sealValidity", "signerCertificate"].map(expired);
    for (name, expected) in [("V4RideRight.ofd", &[][..]), ("v4signed.ofd", &[]), ("SESV4SignDoc.ofd", &late)]
    {
        let Some(ofd) = vector(name) else { return };
        let stamp = entry(&ofd, "Doc_0/Signs/Sign_0/SignedValue.dat");
        let document = entry(&ofd, "Doc_0/Signs/Sign_0/Signature.xml");
        let parsed = Stamp::from_der(&stamp).unwrap();
        let trust = only(&[&parsed.certificate, &parsed.seal.maker_certificate]);
        let verdict = check_stamp(&stamp, Protected::Bytes(&document), &trust, now);
        assert_eq!(bad(&verdict.checks), expected, "{name}");
        let verdict = check_stamp(&stamp, Protected::Bytes(b"other"), &trust, now);
        assert_eq!(bad(&verdict.checks).last(), failed("dataHash", SubIndication::HashFailure).first());
    }
}
