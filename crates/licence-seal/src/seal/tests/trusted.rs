//! Who may seal, who may speak, and what is known of them.

use super::*;

/// A licence of Tianjin's authority under `key` of whoever it is.
fn sealed_by(key: &crate::seal::SealingKey) -> SealedLicence {
    let city = City::shared(key.suite());
    let random = SeededRandom::new("sealed by");
    let (sealed, impression) =
        SealedBatch::seal(city.records(1), catalogue(), key, &city.salt_key, sealed_at(), &random).unwrap();
    let licence = sealed.licence(0, catalogue(), &impression, &city.salt_key, &|_| true).unwrap();
    let status = city.say(&city.statement(&licence.payload.id, State::Valid));
    SealedLicence { status: Some(status), ..licence }
}

#[test]
fn another_authoritys_valid_seal_is_no_seal_for_this_issuer() {
    let (tianjin, hebei) = (City::shared(P256), City::plain(P256, "130000"));
    let both = trust_of(&[(tianjin, tianjin.list()), (&hebei, hebei.list())]);
    for key in [
        hebei.sealing_key(Voice::Issuer),
        hebei.sealing_key(Voice::Attestation),
        tianjin.sealing_key(Voice::Attestation).speaking_as(Voice::Issuer),
        tianjin.sealing_key(Voice::Issuer).speaking_as(Voice::Attestation),
    ] {
        let report = check(&sealed_by(&key), &both);
        assert_eq!(failed(&report), ["issuerBinding"], "{}", report.to_text());
        assert_eq!(words(&report), ("TOTAL_FAILED", "SIG_CONSTRAINTS_FAILURE"));
    }
    // Hebei's list cannot make its seal one of a Tianjin authority.
    let mut greedy = hebei.list();
    greedy.issuers[0].code = tianjin.issuer.to_string();
    let greedy = trust_of(&[(&hebei, greedy)]);
    let report = check(&sealed_by(&hebei.sealing_key(Voice::Issuer)), &greedy);
    assert_eq!(outcome(&report, "issuerBinding"), Outcome::NotChecked);
}

#[test]
fn the_binding_holds_for_its_types_and_period_only() {
    let city = City::shared(P256);
    let with = |change: &dyn Fn(&mut IssuerList)| {
        let mut list = city.list();
        change(&mut list);
        let report = check(&good(P256), &trust_of(&[(city, list)]));
        (words(&report), outcome(&report, "issuerBinding"))
    };
    let refused = (("TOTAL_FAILED", "SIG_CONSTRAINTS_FAILURE"), Outcome::Failed);
    assert_eq!(with(&|list| list.issuers[0].seals[0].types = vec!["OTHER".into()]), refused);
    assert_eq!(with(&|list| list.issuers[0].seals[0].from = sealed_at().plus_secs(1)), refused);
    assert_eq!(with(&|list| list.issuers[0].seals[0].until = Some(sealed_at().plus_secs(-1))), refused);
    assert_eq!(with(&|list| list.issuers[0].seals.clear()), refused);
    let unknown = (("INDETERMINATE", "NO_SIGNING_CERTIFICATE_FOUND"), Outcome::NotChecked);
    assert_eq!(with(&|list| list.issuers.clear()), unknown);
}

#[test]
fn the_librarys_own_seal_attests_and_never_seals() {
    for suite in Suite::ALL {
        let report = check(&sealed_by(&City::shared(suite).sealing_key(Voice::Attestation)), trust(suite));
        assert!(report.verdict.passed(), "{}", report.to_text());
        let voice = report.seal.voice.unwrap();
        assert!(voice.en.starts_with("attested by 样例证照库, not sealed"), "{}", voice.en);
        assert_eq!(voice.zh, "由样例证照库佐证，非颁发机构签章");
    }
}

#[test]
fn a_status_statement_counts_only_from_the_issuing_citys_node_while_it_is_fresh() {
    let suite = P256;
    let (city, hebei) = (City::shared(suite), City::plain(suite, "130000"));
    let base = good(suite);
    let id = base.payload.id.clone();
    let valid = city.statement(&id, State::Valid);
    let with = |status: Option<String>, at: Timestamp| {
        let licence = SealedLicence { status, ..base.clone() };
        let report = verify_licence("x", &licence.to_bytes().unwrap(), trust(suite), &Ask { at, ..ask() });
        assert!(report.seal.verdict.passed());
        let state = report.status.as_ref().unwrap().state.as_ref().map(|state| state.en.clone());
        (words(&report), report.summary.zh.clone(), state.unwrap_or_default())
    };
    let said = |statement: &crate::seal::statement::StatusStatement| Some(city.say(statement));
    let now = asked_at();
    let open =
        |state: &str| (("INDETERMINATE", "TRY_LATER"), "印章有效，状态未核".to_owned(), state.to_owned());
    assert_eq!(with(None, now), open(""));
    let expiry = valid.next_update;
    assert_eq!(with(said(&valid), expiry).0, ("TOTAL_PASSED", ""));
    assert_eq!(with(said(&valid), Timestamp::from_millis(expiry.millis() + 1)), open("valid"));
    let later = crate::seal::statement::StatusStatement {
        as_of: now.plus_secs(61),
        next_update: now.plus_secs(3600),
        ..valid.clone()
    };
    assert_eq!(with(said(&later), now), open("valid"));

    for (state, zh) in [
        (State::Revoked, "吊销"),
        (State::Withdrawn, "撤销"),
        (State::Cancelled, "注销"),
        (State::Suspended, "暂扣"),
        (State::Restricted, "受限"),
    ] {
        let verdict = with(said(&city.statement(&id, state)), now);
        assert_eq!(verdict.0, ("TOTAL_FAILED", "REVOKED"));
        assert!(verdict.1.starts_with("印章有效，但证照状态：") && verdict.1.contains(zh), "{}", verdict.1);
        assert_eq!(verdict.2, state.word());
    }
    // What has ended stays ended; what may come back is not known when the word is old.
    let stale = now.plus_secs(200_000);
    assert_eq!(with(said(&city.statement(&id, State::Revoked)), stale).0, ("TOTAL_FAILED", "REVOKED"));
    assert_eq!(with(said(&city.statement(&id, State::Suspended)), stale), open("suspended"));
    // The sealed period needs nobody's word.
    let after = Timestamp::parse_rfc3339("2031-03-01T00:00:00+08:00").unwrap();
    for status in [None, said(&valid)] {
        let verdict = with(status, after);
        assert_eq!((verdict.0, verdict.2), (("TOTAL_FAILED", "EXPIRED"), "expired".to_owned()));
    }

    let claims = |change: &dyn Fn(&mut crate::seal::statement::StatusStatement)| {
        let mut changed = valid.clone();
        change(&mut changed);
        changed
    };
    let forged = "印章有效，但证照状态：状态声明无效";
    for (status, sub) in [
        (said(&claims(&|one| one.id = one.id.replace("G0001", "G0002"))), "SIG_CONSTRAINTS_FAILURE"),
        (said(&claims(&|one| one.iss = "130000".into())), "SIG_CONSTRAINTS_FAILURE"),
        (said(&claims(&|one| one.next_update = one.as_of.plus_secs(86_401))), "FORMAT_FAILURE"),
        (said(&claims(&|one| one.next_update = one.as_of.plus_secs(-1))), "FORMAT_FAILURE"),
        (Some(hebei.say(&claims(&|_| ()))), "SIG_CONSTRAINTS_FAILURE"),
        (
            Some(valid.sign(&*hebei.signer("node"), city.certificate("node").der()).unwrap()),
            "SIG_CRYPTO_FAILURE",
        ),
        (
            Some(valid.sign(&*city.signer("owner"), city.certificate("owner").der()).unwrap()),
            "SIG_CONSTRAINTS_FAILURE",
        ),
        (Some("a.b.c".into()), "FORMAT_FAILURE"),
        (Some(String::new()), "FORMAT_FAILURE"),
    ] {
        let (verdict, zh, _) = with(status, now);
        assert_eq!((verdict, zh.as_str()), (("TOTAL_FAILED", sub), forged));
    }
}

#[test]
fn a_node_outside_its_listed_period_is_not_believed() {
    let city = City::shared(P256);
    for (from, until) in [(asked_at().plus_secs(1), None), (sealed_at(), Some(asked_at().plus_secs(-1)))] {
        let mut list = city.list();
        (list.nodes[0].from, list.nodes[0].until) = (from, until);
        assert_eq!(failed(&check(&good(P256), &trust_of(&[(city, list)]))), ["status"]);
    }
    let mut list = city.list();
    list.nodes.clear();
    assert_eq!(failed(&check(&good(P256), &trust_of(&[(city, list)]))), ["status"]);
}

#[test]
fn without_trust_nothing_passes_and_a_tampered_file_still_fails() {
    for suite in Suite::ALL {
        let report = check(&good(suite), &Trust::default());
        assert_eq!(words(&report), ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND"));
        assert_eq!(failed(&report), [""; 0]);
        assert_eq!(outcome(&report, "issuerBinding"), Outcome::NotChecked);
        assert_eq!(outcome(&report, "status"), Outcome::NotChecked);
        let mut changed = good(suite);
        changed.payload.valid_until = None;
        let report = check(&changed, &Trust::default());
        assert_eq!(words(&report).0, "TOTAL_FAILED");
        assert!(report.summary.en.contains("(inclusion) failed"), "{}", report.summary.en);
        let mut other = good(suite);
        other.status = Some("a.b.c".into());
        let report = check(&other, &Trust::default());
        assert!(report.summary.en.contains("(status) failed"), "{}", report.summary.en);
    }
}

#[test]
fn a_missing_or_old_revocation_list_leaves_the_verdict_open_and_a_revoked_signer_fails() {
    let city = City::plain(P256, "120000");
    let batch = city.batch(Voice::Issuer, 1, &SeededRandom::new("crl"));
    let licence = batch.good(0, &|_| true);
    let with = |crls: &[crate::pki::Crl]| {
        let files = city.trust_files(&city.list());
        let files = files.into_iter().filter(|(name, _)| !name.starts_with("crl/"));
        let mut trust = Trust::from_files(files).unwrap();
        crls.iter().for_each(|crl| trust.add_crls(crl.der()).unwrap());
        words(&check(&licence, &trust))
    };
    let root = city.signer("root");
    let authority = Authority::new(city.certificate("root").clone(), &*root).unwrap();
    let (from, until) = (sealed_at().plus_secs(-86_400), sealed_at().plus_secs(86_400));
    let revoked = |at, reason| {
        let entry = Revocation { certificate: city.certificate("owner"), at, reason };
        authority.crl(&[entry], 2, from, until).unwrap()
    };
    assert_eq!(with(std::slice::from_ref(&city.crl)), ("TOTAL_PASSED", ""));
    assert_eq!(with(&[]), ("INDETERMINATE", "TRY_LATER"));
    let old = authority.crl(&[], 2, from.plus_secs(-9), sealed_at().plus_secs(-1)).unwrap();
    assert_eq!(with(&[old]), ("INDETERMINATE", "TRY_LATER"));
    let before = revoked(sealed_at().plus_secs(-1), RevocationReason::Superseded);
    assert_eq!(with(&[before]), ("TOTAL_FAILED", "REVOKED"));
    let stolen = revoked(sealed_at().plus_secs(60), RevocationReason::KeyCompromise);
    assert_eq!(with(&[stolen]), ("INDETERMINATE", "REVOKED_NO_POE"));
}

#[test]
fn trust_needs_no_folder_and_no_order() {
    let city = City::shared(P256);
    let mut files = city.trust_files(&city.list());
    files.reverse();
    let passed_over = [".hidden.pem", "anchors/.hidden", "notes/read.me", "crl/old/1.crl"];
    files.extend(passed_over.map(|name| (name.to_owned(), vec![0])));
    let trust = Trust::from_files(files.clone()).unwrap();
    assert!(check(&good(P256), &trust).verdict.passed());
    files.push(("crl/odd.crl".to_owned(), vec![0]));
    let why = Trust::from_files(files).unwrap_err().to_string();
    assert!(why.starts_with("trust folder: odd.crl: "), "{why}");
}

#[test]
fn a_trust_folder_is_read_in_either_encoding_and_never_in_part() {
    let city = City::shared(P256);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let root = city.certificate("root").der();
    let pem = pem_encode("CERTIFICATE", root).unwrap();
    assert!(Trust::read(&path("absent")).is_err());
    for name in ["a.pem", "b.crt", "c.CER"] {
        std::fs::write(path(name), format!("a note\n{pem}")).unwrap();
    }
    std::fs::write(path("d.der"), root).unwrap();
    std::fs::write(path("e.crl"), city.crl.der()).unwrap();
    std::fs::write(path("README.txt"), "not a certificate").unwrap();
    let trust = Trust::read(dir.path()).unwrap();
    assert_eq!((trust.for_seals().anchors.iter().count(), trust.for_seals().crls.len()), (1, 1));
    assert!(verify_seal("x", &city.seal, &trust, &ask()).verdict.passed());

    for (name, bytes) in [
        ("anchors/empty.pem", b"".as_slice()),
        ("anchors/key.pem", b"-----BEGIN NOTHING-----\nAAAA\n-----END NOTHING-----\n"),
        ("crl/broken.crl", b"\x30\x82"),
        ("crl/none.pem", pem.as_bytes()),
        ("directory/120000.pem", b"no certificate"),
        ("issuers/120000.jwt", b"a.b.c"),
        ("broken.pem", b"no certificate"),
        ("broken.crl", b"no list"),
    ] {
        std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        std::fs::write(path(name), bytes).unwrap();
        assert!(matches!(Trust::read(dir.path()), Err(SealError::Trust(_))), "{name}");
        std::fs::remove_file(path(name)).unwrap();
    }
    // A list without the pinned certificate of its city, or signed by another city's key.
    let hebei = City::plain(P256, "130000");
    std::fs::create_dir_all(path("issuers")).unwrap();
    std::fs::write(path("issuers/120000.jwt"), city.list().sign(&*hebei.signer("directory")).unwrap())
        .unwrap();
    assert!(Trust::read(dir.path()).is_err());
    for (name, bytes) in city.trust_files(&city.list()) {
        std::fs::create_dir_all(path(&name).parent().unwrap()).unwrap();
        std::fs::write(path(&name), bytes).unwrap();
    }
    std::fs::write(path("issuers/120000.jwt"), city.list().sign(&*hebei.signer("directory")).unwrap())
        .unwrap();
    assert!(Trust::read(dir.path()).is_err());
}
