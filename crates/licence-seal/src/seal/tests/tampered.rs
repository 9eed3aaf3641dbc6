//! What was changed, cut, added or put together must not pass.

use super::*;
use crate::licence::ValueRef;

/// Every byte changed, one at a time: refused, by a check with a name.
fn flip(suite: Suite, step: usize, pattern: u8) {
    let bytes = good(suite).to_bytes().unwrap();
    assert!(verify_licence("x", &bytes, trust(suite), &ask()).verdict.passed());
    let text = String::from_utf8(bytes.clone()).unwrap();
    let token = text.find(r#""status":""#).unwrap() + r#""status":""#.len();
    let token = token..text.len() - 2;
    for at in (0..bytes.len()).step_by(step) {
        let mut changed = bytes.clone();
        changed[at] ^= pattern;
        let report = verify_licence("x", &changed, trust(suite), &ask());
        let names = failed(&report);
        assert_eq!(report.verdict.indication.word(), "TOTAL_FAILED", "byte {at}: {}", report.to_text());
        assert!(!names.is_empty(), "byte {at}");
        assert!(
            report.summary.en.contains(names[0]) || names == ["status"],
            "byte {at}: {:?}",
            report.summary
        );
        if token.contains(&at) && !names.contains(&"format.canonical") {
            assert_eq!(names, ["status"], "byte {at}");
        }
    }
}

#[test]
fn every_single_byte_of_a_p256_licence_changed_is_refused() {
    flip(P256, 1, 0x01);
}

#[test]
fn every_single_byte_of_an_sm2_licence_changed_is_refused() {
    flip(SM2, 1, 0x01);
}

#[test]
fn other_changes_of_a_byte_are_refused() {
    flip(P256, 3, 0x80);
    flip(P256, 5, 0x20);
    flip(SM2, 37, 0x02);
}

#[test]
fn a_truncated_licence_is_not_in_its_canonical_form() {
    let bytes = good(P256).to_bytes().unwrap();
    for len in (0..bytes.len()).step_by(7) {
        let report = verify_licence("x", &bytes[..len], trust(P256), &ask());
        assert_eq!(failed(&report), ["format.canonical"], "{len}");
        assert!(report.status.unwrap().checks[0].outcome == Outcome::NotChecked);
    }
}

#[test]
fn the_same_json_in_other_bytes_is_refused() {
    let text = String::from_utf8(good(P256).to_bytes().unwrap()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (payload, proof) = (&value["payload"], &value["proof"]);
    let reordered = format!(
        r#"{{"payload":{payload},"disclosures":{},"proof":{proof},"status":{}}}"#,
        value["disclosures"], value["status"]
    );
    for changed in [
        format!(" {text}"),
        format!("{text}\n"),
        format!("\u{feff}{text}"),
        text.replacen(',', ", ", 1),
        reordered,
        text.replacen(r#""index":0"#, r#""index":0.0"#, 1),
        text.replacen(r#""index":0"#, r#""index":-0"#, 1),
        text.replacen(r#""index":0"#, r#""index":0,"index":0"#, 1),
        text.replacen(r#""v":1"#, r#""v":1,"v":1"#, 1),
        text.replacen(r#""v":1"#, r#""v":1,"w":1"#, 1),
        text.replacen("licence-batch", "licence\\u002dbatch", 1),
        text.replacen(r#"{"disclosures""#, r#"{"a":1,"disclosures""#, 1),
        format!("{}{}", &text[..text.len() - 1], r#","status":null}"#),
    ] {
        assert_ne!(changed, text);
        let report = verify_licence("x", changed.as_bytes(), trust(P256), &ask());
        assert_eq!(failed(&report), ["format.canonical"], "{changed}");
    }
}

#[test]
fn disclosures_that_do_not_belong_are_refused() {
    let suite = P256;
    let licence = batch(suite).good(0, &|name| name.starts_with("certificateHolder"));
    let other = batch(suite).cut(1, &|_| true);
    let more = |text: String| SealedLicence {
        disclosures: [licence.disclosures.clone(), vec![text]].concat(),
        ..licence.clone()
    };
    let salt = URL_SAFE_NO_PAD.encode([1; 16]);
    let text = |name: &str| disclosure::encode(&salt, name, &ValueRef::Text("甲级"));
    for changed in [
        more(licence.disclosures[0].clone()),
        more(text("level")),
        more(text("certificateHolderName")),
        more(other.disclosures[0].clone()),
        more(format!("{}=", licence.disclosures[0])),
        more(String::new()),
        SealedLicence { disclosures: other.disclosures.clone(), ..licence.clone() },
    ] {
        assert_eq!(failed(&check(&changed, trust(suite))), ["disclosures"]);
    }
    // Even under the seal itself: two with one name, one with the name of a payload's member.
    for names in [["level", "level"], ["level", "issuer"], ["level", "_sd"]] {
        let disclosures: Vec<String> = [1u8, 2]
            .into_iter()
            .zip(names)
            .map(|(byte, name)| {
                let salt = URL_SAFE_NO_PAD.encode([byte; 16]);
                disclosure::encode(&salt, name, &ValueRef::Text("x"))
            })
            .collect();
        let mut changed = SealedLicence { disclosures, ..licence.clone() };
        changed.payload.sd = changed.disclosures.iter().map(|text| disclosure::digest(suite, text)).collect();
        changed.payload.sd.sort();
        assert_eq!(outcome(&check(&changed, trust(suite)), "disclosures"), Outcome::Failed, "{names:?}");
    }
    let mut unsorted = licence.clone();
    unsorted.payload.sd.reverse();
    assert_eq!(failed(&check(&unsorted, trust(suite))), ["disclosures", "inclusion"]);
}

#[test]
fn only_the_right_path_and_index_lead_to_the_root() {
    let licence = batch(P256).good(1, &|_| false);
    let with = |change: &dyn Fn(&mut crate::seal::sealed_licence::Proof)| {
        let mut changed = licence.clone();
        change(&mut changed.proof);
        failed(&check(&changed, trust(P256)))
    };
    assert_eq!(licence.proof.path.len(), 2);
    assert_eq!(with(&|_| ()), [""; 0]);
    assert_eq!(with(&|proof| proof.path.truncate(1)), ["inclusion"]);
    assert_eq!(with(&|proof| proof.path.clear()), ["inclusion"]);
    assert_eq!(with(&|proof| proof.path.push(STANDARD.encode([0; 32]))), ["inclusion"]);
    assert_eq!(with(&|proof| proof.path.swap(0, 1)), ["inclusion"]);
    assert_eq!(with(&|proof| proof.path[0] = STANDARD.encode([0; 31])), ["inclusion"]);
    assert_eq!(with(&|proof| proof.path[0] = proof.path[0].replace('=', "")), ["inclusion"]);
    for index in [0, 2, 3, 255] {
        assert_eq!(with(&|proof| proof.index = index), ["inclusion"]);
    }
}

#[test]
fn a_manifest_or_stamp_of_another_batch_is_refused() {
    let city = City::shared(P256);
    let licence = good(P256);
    let other = city.batch(Voice::Issuer, 3, &SeededRandom::new("another")).cut(0, &|_| false);
    let mut manifest = licence.clone();
    manifest.proof.manifest = other.proof.manifest.clone();
    assert_eq!(failed(&check(&manifest, trust(P256))), ["inclusion", "dataHash"]);
    let mut stamp = licence.clone();
    stamp.proof.stamp = other.proof.stamp.clone();
    assert_eq!(failed(&check(&stamp, trust(P256))), ["dataHash"]);
    let mut both = licence.clone();
    both.proof = other.proof.clone();
    assert_eq!(failed(&check(&both, trust(P256))), ["inclusion"]);
    let mut size = licence.clone();
    size.proof.manifest = size.proof.manifest.replace("\n3\n", "\n4\n");
    assert!(failed(&check(&size, trust(P256))).contains(&"dataHash"));
    let mut none = licence.clone();
    none.proof.manifest = none.proof.manifest.replace("/v1", "/v2");
    let report = check(&none, trust(P256));
    assert_eq!(failed(&report), ["manifest"]);
    assert_eq!(outcome(&report, "issuerBinding"), Outcome::NotChecked);
    let mut broken = licence;
    broken.proof.stamp = STANDARD.encode("no stamp");
    let report = check(&broken, trust(P256));
    assert_eq!(failed(&report), ["stampFormat"]);
    for name in ["stampSignature", "dataHash", "stampProperty", "issuerBinding"] {
        assert_eq!(outcome(&report, name), Outcome::NotChecked, "{name}");
    }
}

#[test]
fn payload_and_manifest_must_agree() {
    for change in [
        (|payload| payload.v = 2) as fn(&mut crate::seal::Payload),
        |payload| payload.issuer = "11130000XNAUTH010C".into(),
        |payload| payload.type_code = "11999999EXAMPLE033902".into(),
        |payload| payload.sd_alg = "sm3".into(),
        |payload| payload.sd_alg = "md5".into(),
        |payload| payload.id = payload.id.replace("G0001", "G0002"),
        |payload| payload.valid_until = Some(payload.valid_from.plus_days(-1)),
    ] {
        let mut licence = good(P256);
        change(&mut licence.payload);
        let report = check(&licence, trust(P256));
        assert_eq!(outcome(&report, "manifest"), Outcome::Failed, "{}", report.to_text());
        assert_eq!(outcome(&report, "inclusion"), Outcome::Failed);
    }
}

/// The first licence, its manifest stamped anew by hand.
fn restamped(city: &City, role: &str, time: Timestamp, property: &str, manifest: &str) -> SealedLicence {
    let mut licence = good(city.suite);
    let signer = city.signer(role);
    let suite = signer.suite();
    let hash = suite.hash(&[manifest.as_bytes()]);
    let to_sign = ses::to_sign(&city.seal, time, &hash, property).unwrap();
    let signature = signer.sign(&to_sign).unwrap();
    let stamp = ses::assemble(&to_sign, city.certificate(role).der(), suite, &signature).unwrap();
    licence.proof.stamp = STANDARD.encode(stamp);
    licence.proof.manifest = manifest.to_owned();
    licence
}

#[test]
fn a_stamp_set_for_another_purpose_is_refused() {
    let city = City::shared(P256);
    let manifest = good(P256).proof.manifest;
    let good_one = restamped(city, "owner", sealed_at(), "licence-batch/v1", &manifest);
    assert!(check(&good_one, trust(P256)).verdict.passed());
    for property in ["/Doc_0/Signs/Sign_0/Signature.xml", "licence-batch/v2"] {
        let report = check(&restamped(city, "owner", sealed_at(), property, &manifest), trust(P256));
        assert_eq!(failed(&report), ["stampProperty"]);
        assert_eq!(outcome(&report, "issuerBinding"), Outcome::NotChecked);
    }
    let future = restamped(city, "owner", asked_at().plus_secs(61), "licence-batch/v1", &manifest);
    assert_eq!(failed(&check(&future, trust(P256))), ["signingTime"]);
    let stranger = restamped(city, "node", sealed_at(), "licence-batch/v1", &manifest);
    let names = failed(&check(&stranger, trust(P256)));
    assert_eq!(names, ["signerInSealCertList", "issuerBinding"]);
}

#[test]
fn a_stamp_of_the_other_suite_is_refused() {
    // A city whose owner signs with the other suite than its manifest names.
    let (sm2, p256) = (seeded(SM2, "mixed"), seeded(P256, "mixed"));
    let keys = |role: &str| if role == "owner" { sm2(role) } else { p256(role) };
    let mixed = City::new(P256, "120000", &keys, dot());
    let base = mixed.batch(Voice::Issuer, 1, &SeededRandom::new("mixed")).good(0, &|_| false);
    let honest = check(&base, &mixed.trust());
    assert!(honest.verdict.passed(), "{}", honest.to_text());

    let manifest = good(P256).proof.manifest;
    let report =
        check(&restamped(&mixed, "owner", sealed_at(), "licence-batch/v1", &manifest), &mixed.trust());
    assert!(failed(&report).contains(&"stampProperty"), "{}", report.to_text());
    let check = report.open_checks().find(|check| check.name == "stampProperty").unwrap();
    assert_eq!(check.sub_indication.unwrap().word(), "CRYPTO_CONSTRAINTS_FAILURE");
}

#[test]
fn a_report_cannot_be_rewritten_by_what_stands_in_the_file() {
    let mut licence = good(P256);
    licence.payload.id = "\u{1b}[2K\r有效\u{202e}".into();
    let text = check(&licence, trust(P256)).to_text();
    assert!(text.contains("\u{fffd}[2K\u{fffd}有效\u{fffd}"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
}

#[test]
fn every_single_byte_of_a_seal_changed_is_refused() {
    let (city, trust) = (City::shared(P256), trust(P256));
    assert!(verify_seal("x", &city.seal, trust, &ask()).verdict.passed());
    for at in 0..city.seal.len() {
        let mut changed = city.seal.clone();
        changed[at] ^= 1;
        let report = verify_seal("x", &changed, trust, &ask());
        assert!(!report.verdict.passed() && report.open_checks().count() > 0, "byte {at}");
    }
}

#[test]
fn a_licence_has_one_byte_form_though_others_would_verify() {
    use crate::crypto::Signature;
    use crate::pki::asn1::{self, OCTET_STRING, bit_string, sequence, tlv};
    use base64::Engine;

    for suite in [P256, SM2] {
        let licence = batch(suite).good(1, &|_| true);
        assert!(licence.disclosures.len() > 1);
        let mut reversed = licence.clone();
        reversed.disclosures.reverse();
        let report = verify_licence("x", &reversed.to_bytes().unwrap(), trust(suite), &ask());
        assert_eq!(failed(&report), ["disclosures"]);

        let stamp = crate::seal::ses::Stamp::from_der(&licence.stamp().unwrap()).unwrap();
        let signature = Signature::from_der(&stamp.signature).unwrap();
        let algorithm = asn1::oid(suite.signature_oid()).unwrap();
        let mut padded = algorithm.clone();
        padded[1] += 1;
        padded.insert(3, 0x80);
        let with = |algorithm: &[u8], signature: &[u8]| {
            let certificate = tlv(OCTET_STRING, &[&stamp.certificate]);
            let der = sequence(&[&stamp.to_sign, &certificate, algorithm, &bit_string(signature)]);
            let mut changed = licence.clone();
            changed.proof.stamp = base64::engine::general_purpose::STANDARD.encode(der);
            verify_licence("x", &changed.to_bytes().unwrap(), trust(suite), &ask())
        };
        assert!(with(&algorithm, &signature.to_der()).verdict.passed());
        assert_eq!(failed(&with(&algorithm, signature.raw())), ["stampFormat"]);
        assert!(failed(&with(&padded, &signature.to_der())).contains(&"stampFormat"));
        if suite == P256 {
            let high = signature.opposite();
            assert_eq!(failed(&with(&algorithm, &high.to_der())), ["stampFormat"]);
        }
    }
}
