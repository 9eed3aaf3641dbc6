//! A sealed licence end to end: what verifies, and everything that must not.

mod tampered;
mod trusted;

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::check::Outcome;
use super::disclosure;
use super::issuers::IssuerList;
use super::report::Report;
use super::ses;
use super::testing::{Batch, City, TYPE, asked_at, catalogue, dot, sealed_at, seeded, trust_of};
use super::trust::Trust;
use super::verify::{Ask, verify_licence, verify_seal, verify_stamp};
use super::{SealError, SealedBatch, SealedLicence, Voice, canonical};
use crate::crypto::{SeededRandom, Suite, pem_encode};
use crate::licence::{FieldValue, State};
use crate::pki::RevocationReason;
use crate::pki::issue::{Authority, Revocation};
use crate::time::Timestamp;

fn ask() -> Ask<'static> {
    Ask { at: asked_at(), seal_only: false, catalogue: Some(catalogue()) }
}

fn check(licence: &SealedLicence, trust: &Trust) -> Report {
    verify_licence("x", &licence.to_bytes().unwrap(), trust, &ask())
}

fn outcome(report: &Report, name: &str) -> Outcome {
    let status = report.status.iter().flat_map(|status| &status.checks);
    report.seal.checks.iter().chain(status).find(|check| check.name == name).expect(name).outcome
}

fn failed(report: &Report) -> Vec<&'static str> {
    report.open_checks().filter(|check| check.outcome == Outcome::Failed).map(|check| check.name).collect()
}

fn words(report: &Report) -> (&'static str, &'static str) {
    let sub = report.verdict.sub_indication.map_or("", |sub| sub.word());
    (report.verdict.indication.word(), sub)
}

/// A batch of three by Tianjin's authority.
fn batch(suite: Suite) -> &'static Batch<'static> {
    static MADE: [OnceLock<Batch<'static>>; 2] = [OnceLock::new(), OnceLock::new()];
    let at = Suite::ALL.iter().position(|one| *one == suite).unwrap();
    MADE[at].get_or_init(|| City::shared(suite).batch(Voice::Issuer, 3, &SeededRandom::new("batch")))
}

fn trust(suite: Suite) -> &'static Trust {
    static MADE: [OnceLock<Trust>; 2] = [OnceLock::new(), OnceLock::new()];
    let at = Suite::ALL.iter().position(|one| *one == suite).unwrap();
    MADE[at].get_or_init(|| City::shared(suite).trust())
}

/// The first licence with one field, valid.
fn good(suite: Suite) -> SealedLicence {
    batch(suite).good(0, &|name| name == "level")
}

const SM2: Suite = Suite::Sm2Sm3;
const P256: Suite = Suite::P256Sha256;

#[test]
fn a_good_licence_passes_with_every_check_ok() {
    for suite in Suite::ALL {
        let report = check(&good(suite), trust(suite));
        assert_eq!(words(&report), ("TOTAL_PASSED", ""), "{}", report.to_text());
        assert_eq!(report.open_checks().count(), 0);
        assert_eq!(report.summary.zh, "有效");
        let names: Vec<_> = report.seal.checks.iter().map(|check| check.name).collect();
        assert_eq!(
            names,
            [
                "format.canonical",
                "disclosures",
                "manifest",
                "inclusion",
                "stampFormat",
                "stampVersion",
                "sealFormat",
                "sealVersion",
                "sealMakerSignature",
                "sealMakerCertificate",
                "sealValidity",
                "sealCertList",
                "sealPicture",
                "signerInSealCertList",
                "stampSignature",
                "signerCertificate",
                "signingTime",
                "dataHash",
                "stampProperty",
                "issuerBinding",
            ]
        );
        let facts = report.licence.unwrap();
        assert_eq!((facts.fields.len(), facts.hidden_fields), (1, 11));
        assert_eq!(facts.fields[0].label, "等级");
        assert_eq!(report.seal.voice.unwrap().zh, "由样例局签章");
    }
}

#[test]
fn every_batch_size_and_place_in_it_verifies() {
    let ask = Ask { seal_only: true, ..ask() };
    for suite in Suite::ALL {
        let random = SeededRandom::new("sizes");
        let sizes: Vec<usize> = if suite == P256 { (1..=32).collect() } else { vec![1, 2, 3, 17, 32] };
        for size in sizes {
            let batch = City::shared(suite).batch(Voice::Issuer, size, &random);
            for index in [0, size / 2, size - 1] {
                let bytes = batch.cut(index, &|_| true).to_bytes().unwrap();
                let report = verify_licence("x", &bytes, trust(suite), &ask);
                assert!(report.verdict.passed(), "{size} {index}: {}", report.to_text());
            }
        }
    }
}

#[test]
fn a_batch_of_none_of_too_many_or_of_two_issuers_is_not_sealed() {
    let city = City::shared(P256);
    let other = City::plain(P256, "130000");
    let random = SeededRandom::new("bad batches");
    let seal = |records| {
        let key = city.sealing_key(Voice::Issuer);
        SealedBatch::seal(records, catalogue(), &key, &city.salt_key, sealed_at(), &random).map(|_| ())
    };
    let mixed = [city.records(1), other.records(1)].concat();
    for records in [Vec::new(), city.records(33), mixed] {
        assert!(matches!(seal(records), Err(SealError::Batch(_))));
    }
    seal(city.records(32)).unwrap();
}

#[test]
fn a_record_that_was_changed_where_it_lay_is_not_served() {
    let mut sealed = batch(P256).sealed.clone();
    sealed.records[1].fields.insert("level".into(), FieldValue::Text("乙级".into()));
    let cut =
        sealed.licence(1, catalogue(), &batch(P256).impression, &City::shared(P256).salt_key, &|_| true);
    assert!(matches!(cut, Err(SealError::LeafChanged)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_subset_of_fields_verifies_and_shows_just_those(subset in any::<u16>(), at in 0usize..3, sm2 in any::<bool>()) {
        let suite = if sm2 { SM2 } else { P256 };
        let kind = catalogue().find(TYPE).unwrap();
        let names: Vec<&str> = kind.disclosure_names().collect();
        let chosen = |name: &str| names.iter().position(|one| *one == name).is_some_and(|bit| subset >> bit & 1 == 1);
        let report = check(&batch(suite).good(at, &chosen), trust(suite));
        prop_assert!(report.verdict.passed(), "{}", report.to_text());
        let values = batch(suite).sealed.records[at].disclosed();
        let facts = report.licence.unwrap();
        let shown: Vec<_> = facts.fields.iter().map(|field| (field.name.as_str(), &field.value)).collect();
        let wanted: Vec<_> =
            names.iter().filter(|name| chosen(name)).filter_map(|name| Some((*name, values.get(*name)?))).collect();
        prop_assert_eq!(shown, wanted);
        prop_assert_eq!(facts.hidden_fields, names.len() - facts.fields.len());
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_never_pass(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for report in [
            verify_licence("x", &bytes, trust(P256), &ask()),
            verify_seal("x", &bytes, trust(P256), &ask()),
            verify_stamp("x", &bytes, trust(P256), &ask()),
        ] {
            prop_assert!(!report.verdict.passed());
            prop_assert!(!report.to_text().is_empty());
        }
    }

    #[test]
    fn pieces_put_together_at_random_never_panic_and_never_pass(
        at in any::<prop::sample::Index>(), with in any::<Vec<u8>>(), take in 0usize..60,
    ) {
        let bytes = good(P256).to_bytes().unwrap();
        let at = at.index(bytes.len());
        let mut changed = bytes[..at].to_vec();
        changed.extend(&with);
        changed.extend(bytes.iter().skip(at + take));
        prop_assume!(changed != bytes);
        prop_assert!(!verify_licence("x", &changed, trust(P256), &ask()).verdict.passed());
    }

    #[test]
    fn parsing_any_text_like_a_licence_never_panics(text in r#"\{"payload":\{("[a-z_]{1,6}":([0-9]{1,5}|"[^"]{0,9}"|\[\]),?){0,9}\}.{0,40}\}?"#) {
        prop_assert!(SealedLicence::parse(text.as_bytes()).is_err());
    }
}

#[test]
fn the_seal_alone_can_be_asked_for() {
    for licence in [good(P256), batch(P256).cut(2, &|_| true)] {
        let report =
            verify_licence("x", &licence.to_bytes().unwrap(), trust(P256), &Ask { seal_only: true, ..ask() });
        assert!(report.verdict.passed() && report.status.is_none());
        assert_eq!(report.summary.zh, "印章有效，未查询证照状态");
    }
}

#[test]
fn a_report_is_one_json_object_in_stable_words() {
    let report = serde_json::to_value(check(&batch(P256).cut(0, &|_| false), trust(P256))).unwrap();
    assert_eq!(report["kind"], "licence");
    assert_eq!(
        report["verdict"],
        serde_json::json!({"indication": "INDETERMINATE", "subIndication": "TRY_LATER"})
    );
    assert_eq!(report["seal"]["indication"], "TOTAL_PASSED");
    assert_eq!(report["status"]["checks"][0]["name"], "status");
    assert!(canonical(&report).is_ok());
}
