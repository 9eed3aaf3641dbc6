//! An annotated copy (加注件): drawn from the allowed fields alone, for one recipient, purpose and time.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use licence_node::node::certificate_of;
use licence_seal::crypto::PrivateKey;
use licence_seal::evidence::Receipt;
use licence_seal::licence::{Catalogue, FieldValue, Identifier, LicenceType, Record};
use licence_seal::ofd::{Annotation, Limits, Mark, Place, Signing, annotated_copy, sign, verify_ofd};
use licence_seal::seal::report::Report;
use licence_seal::seal::{Ask, Indication, Outcome, SealedLicence, Trust};
use licence_seal::time::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::support::{
    ADMIN, Actor, FILE, HEBEI, Plan, Reply, TIANJIN, Town, actor, context, data_body, faces, later, like,
    three, three_with, tianjin, town_with, with,
};

fn file_body(identifier: &Identifier) -> Value {
    data_body(identifier)
}

/// Parts of a package by name, unpacked by other code than the node's.
fn parts(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(file)).unwrap();
    let mut found = Vec::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        found.push((entry.name().unwrap().into_owned(), bytes));
    }
    found
}

fn part(file: &[u8], ending: &str) -> Vec<u8> {
    parts(file).into_iter().find(|(name, _)| name.ends_with(ending)).unwrap().1
}

/// All that stands in the package, unpacked, as one text.
fn text(file: &[u8]) -> String {
    parts(file).into_iter().map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// What is printed on the pages, without its line breaks.
fn printed(file: &[u8]) -> String {
    let mut all = String::new();
    for (_, bytes) in parts(file).iter().filter(|(name, _)| name.ends_with("Content.xml")) {
        let page = String::from_utf8(bytes.clone()).unwrap();
        for code in page.split("<ofd:TextCode").skip(1) {
            all.push_str(code.split_once('>').unwrap().1.split('<').next().unwrap());
        }
    }
    all
}

fn report_at(trust: &Trust, file: &[u8], at: Timestamp) -> Report {
    let ask = Ask { at, seal_only: false, catalogue: Some(Catalogue::embedded().unwrap()) };
    verify_ofd("copy.ofd", file, trust, &ask, &Limits::default())
}

/// What a clerk gets who holds nothing but the file and the trust folder.
fn verified(town: &Town, reply: &Reply) -> Report {
    assert_eq!(reply.content_type, "application/ofd");
    report_at(&town.trust(), &reply.body, town.clock.now())
}

fn kind(record: &Record) -> &'static LicenceType {
    Catalogue::embedded().unwrap().get(&record.type_code).unwrap()
}

fn sorted(names: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    names.into_iter().map(Into::into).collect::<BTreeSet<String>>().into_iter().collect()
}

fn outcome(report: &Report, name: &str) -> Option<Outcome> {
    report.checks().find(|check| check.name == name).map(|check| check.outcome)
}

fn town() -> (Arc<Town>, Actor, Actor) {
    let town = tianjin();
    let (operator, agency) = (actor(&town, "operator"), actor(&town, "agency"));
    (town, operator, agency)
}

/// Whether a text has the value by itself, not as some digits of a time.
fn holds(text: &str, value: &str) -> bool {
    text.match_indices(value).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + value.len()..].chars().next());
        ![before, after].iter().flatten().any(char::is_ascii_alphanumeric)
    })
}

#[test]
fn a_copy_holds_the_allowed_fields_and_nothing_of_any_other() {
    let (town, operator, agency) = town();
    let record = town.subject();
    let faces = faces(record);
    let granted = ["certificateHolderName", faces[0].as_str(), faces[1].as_str()];
    operator.grant("agency", json!({ "operations": ["file"], "fields": granted }));
    let reply = agency.file(&file_body(&record.identifier));
    reply.ok();
    let report = verified(&town, &reply);
    assert!(report.verdict.passed(), "{}", report.to_text());
    let shown: Vec<String> =
        report.licence.as_ref().unwrap().fields.iter().map(|field| field.name.clone()).collect();
    assert_eq!(sorted(shown), sorted(granted));
    assert_eq!(sorted(reply.entry().details.unwrap().fields), sorted(granted));

    let (all, page) = (text(&reply.body), printed(&reply.body));
    let disclosed = record.disclosed();
    let texts = |value: &FieldValue| value.texts().join("");
    let allowed: String = granted.iter().map(|name| texts(&disclosed[*name])).collect();
    assert!(page.contains(record.holders[0].name()));
    let hidden: Vec<&String> = disclosed.keys().filter(|name| !granted.contains(&name.as_str())).collect();
    assert!(hidden.len() > 2);
    for name in hidden {
        let value = texts(&disclosed[name]);
        // A short value may stand there for another reason.
        let common = value.chars().count() < 4 || allowed.contains(&value);
        let elsewhere = [record.identifier.to_string(), record.issued.to_string()].concat();
        if !common && !elsewhere.contains(&value) {
            assert!(!holds(&all, &value) && !holds(&page, &value), "{name}");
        }
        if let Some(field) = kind(record).field(name) {
            assert!(!all.contains(&format!("\"{}\"", field.short)), "{name}");
        }
    }
    // Fewer than granted, on request.
    let fewer = agency.file(&with(file_body(&record.identifier), "/fields", json!([faces[1]])));
    fewer.ok();
    let report = verified(&town, &fewer);
    assert_eq!(report.licence.unwrap().fields.len(), 1);
    assert!(!text(&fewer.body).contains(record.holders[0].name()));
    assert_eq!(fewer.entry().details.unwrap().fields, [faces[1].clone()]);
}

#[test]
fn a_copy_says_for_whom_for_what_and_until_when_and_a_clerk_sees_who_sealed_it() {
    let (town, operator, agency) = town();
    operator.grant("agency", json!({ "operations": ["file"] }));
    let record = town.subject();
    let last = town.clock.now().day().plus_days(2);
    let body = with(file_body(&record.identifier), "/expires", json!(last.to_string()));
    let reply = agency.file(&body);
    reply.ok();
    let now = town.clock.now();
    let end = last.plus_days(1).start().plus_secs(-1);
    let page = printed(&reply.body);
    for said in ["加注件", "仅供agency使用", "核验异地贷款申请人所持证照", &end.shanghai()]
    {
        assert!(page.contains(said), "{said}: {page}");
    }
    let head = String::from_utf8(part(&reply.body, "OFD.xml")).unwrap();
    for name in ["JZJZZSJ", "JZJZZZ", "JZJZZSY", "JZJYXQJZSJ"] {
        assert!(head.contains(&format!("Name=\"{name}\"")), "{name}");
    }
    let details = reply.entry().details.unwrap();
    assert_eq!(details.detail["expires"], last.to_string());
    assert_eq!(details.purpose.as_deref(), Some("核验异地贷款申请人所持证照"));
    assert_eq!((details.holder.len(), details.identifiers.len()), (1, 1));

    let report = verified(&town, &reply);
    assert!(
        report.summary.zh.starts_with("有效（加注件，用途：核验异地贷款申请人所持证照，"),
        "{:?}",
        report.summary
    );
    let copy = report.copy.clone().unwrap();
    assert_eq!((copy.purpose.as_str(), copy.expires), ("核验异地贷款申请人所持证照", Some(end)));
    assert_eq!(copy.made_at, Some(Timestamp::from_secs(now.secs())));
    let [node, licence] = report.signatures.as_slice() else { panic!("{}", report.to_text()) };
    assert!(node.voice.as_ref().unwrap().en.contains("annotated copy, sealed by the node of region 120000"));
    assert!(licence.voice.as_ref().unwrap().en.starts_with("sealed by"));
    assert_eq!(node.seal.as_ref().unwrap().name, copy.by);
    assert_eq!(outcome(&report, "pageBinding"), Some(Outcome::Ok));
    assert!(report.to_text().contains("加注件"));

    // Until its last second, and not after it.
    let trust = town.trust();
    assert_eq!(outcome(&report_at(&trust, &reply.body, end), "copyExpiry"), Some(Outcome::Ok));
    let late = report_at(&trust, &reply.body, end.plus_secs(1));
    assert_eq!(outcome(&late, "copyExpiry"), Some(Outcome::Failed));
    assert_eq!(late.verdict.indication, Indication::TotalFailed);
    assert!(late.summary.zh.contains("加注件在使用期限内"), "{}", late.summary.zh);
}

#[test]
fn without_a_day_a_copy_ends_when_the_node_says_and_never_later() {
    let (town, operator, agency) = town();
    operator.grant("agency", json!({ "operations": ["file"] }));
    let body = file_body(&town.subject().identifier);
    let today = town.clock.now().day();
    let end = |reply: &Reply| verified(&town, reply).copy.unwrap().expires.unwrap().day();
    assert_eq!(end(agency.file(&body).ok()), today.plus_days(30));
    let until = |day: String| agency.file(&with(body.clone(), "/expires", json!(day)));
    assert_eq!(end(until(today.to_string()).ok()), today);
    for day in [today.plus_days(-1).to_string(), today.plus_days(31).to_string(), "soon".into()] {
        until(day).refused(400, "file.expires", 99);
    }
}

#[test]
fn a_copy_needs_its_own_grant_and_a_whole_request() {
    let (town, operator, agency) = town();
    let record = town.subject();
    let body = file_body(&record.identifier);
    agency.file(&body).refused(403, "grant.none", 99);
    operator.grant("agency", json!({ "operations": ["search", "data", "verify"] }));
    agency.file(&body).refused(403, "grant.operation", 99);
    operator
        .grant("agency", json!({ "operations": ["file"], "fields": ["certificateNumber"], "dailyLimit": 1 }));
    agency.data(&body).refused(403, "grant.operation", 99);
    agency.file(&with(body.clone(), "/fields", json!(["certificateHolderName"]))).refused(
        403,
        "grant.fields",
        99,
    );
    agency.file(&with(body.clone(), "/context/purpose", Value::Null)).refused(400, "context.missing", 12);
    agency.file(&with(body.clone(), "/recipient", json!("示例"))).refused(400, "request.json", 99);
    agency.file(&with(body.clone(), "/fields", json!(["nothing"]))).refused(400, "fields.unknown", 99);
    let absent = like(record, "ABSENT", 1)["certificateIdentifier"].clone();
    agency.file(&with(body.clone(), "/identifier", absent)).refused(404, "licence.notFound", 10);
    for id in ["operator", "auditor", "authority"] {
        actor(&town, id).file(&body).refused(403, "role", 99);
    }
    agency.file(&body).ok();
    agency.file(&body).refused(403, "grant.dailyLimit", 99);
}

#[test]
fn a_copy_is_made_only_of_a_licence_in_force() {
    let (town, operator, agency) = town();
    operator.grant("agency", json!({ "operations": ["file", "data"] }));
    let authority = actor(&town, "authority");
    let body = file_body(&town.subject().identifier);
    let id = town.subject().identifier.as_str();
    for (state, code) in [("suspended", 23), ("restricted", 23), ("revoked", 21)] {
        authority.declare(id, state).ok();
        agency.file(&body).refused(409, "licence.notInForce", code);
        agency.data(&body).ok();
    }
}

#[test]
fn the_longest_texts_that_a_request_may_carry_fit_a_copy() {
    let (town, operator, agency) = town();
    operator.grant("agency", json!({ "operations": ["file"] }));
    let purpose = json!("核".repeat(200));
    let body = file_body(&town.subject().identifier);
    let certificate =
        hex::encode(certificate_of(&town.dir.join("clients/agency.pem")).unwrap().fingerprint());
    let name = "局".repeat(200);
    operator
        .ask(
            ADMIN,
            &json!({ "putRegistration": {
                "id": "agency", "name": name, "role": "partner", "certificates": [certificate],
                "from": later(&town, -60),
            }}),
        )
        .ok();
    let reply = agency.file(&with(body, "/context/purpose", purpose));
    let page = printed(&reply.ok().body);
    assert!(page.contains(&"核".repeat(200)), "{page}");
    assert!(page.contains(&format!("仅供「{}…」使用", "局".repeat(99))), "{page}");
}

#[test]
fn a_node_without_a_seal_of_its_own_makes_no_copy() {
    for change in [
        (|dir: &Path| std::fs::remove_dir_all(dir.join("seals/node")).unwrap()) as fn(&Path),
        // A seal that the issuer list does not give to a node.
        |dir: &Path| {
            for file in ["seal.esl", "certificate.pem", "key.pem"] {
                let from = dir.join("seals/attestation").join(file);
                std::fs::copy(from, dir.join("seals/node").join(file)).unwrap();
            }
        },
    ] {
        let town = town_with(Plan { files: Some((TIANJIN, change)), ..Plan::default() });
        actor(&town, "operator").grant("agency", json!({ "operations": ["file", "data"] }));
        let agency = actor(&town, "agency");
        let body = file_body(&town.subject().identifier);
        agency.file(&body).failed(503, "file.noSeal", 2);
        agency.data(&body).ok();
    }
}

/// The page of a copy, drawn and sealed anew with the seal in this folder of the town.
fn forged(town: &Town, licence: &SealedLicence, record: &Record, seal: &str) -> Vec<u8> {
    let now = town.clock.now();
    let annotation = Annotation {
        made_at: now,
        by: "示例".into(),
        purpose: context()["purpose"].as_str().unwrap().into(),
        recipient: "agency".into(),
        expires: now.plus_secs(1000),
    };
    let drawn = annotated_copy(licence, kind(record), &annotation).unwrap();
    let folder = town.dir.join("seals").join(seal);
    let der = std::fs::read(folder.join("seal.esl")).unwrap();
    let key = PrivateKey::from_pem(&std::fs::read(folder.join("key.pem")).unwrap()).unwrap();
    let certificate = certificate_of(&folder.join("certificate.pem")).unwrap();
    let place = Place::Within { page: 1, area: drawn.seal_box };
    let signing = Signing {
        certificate: certificate.der(),
        signer: &key,
        mark: Mark::Stamp { seal: &der, place, time_stamp: None },
        at: now,
        lock: false,
    };
    sign(&drawn.file, &signing, &Limits::default()).unwrap()
}

#[test]
fn only_the_authority_the_library_and_the_node_may_seal_a_licences_page() {
    let (town, operator, agency) = town();
    operator.grant("agency", json!({ "operations": ["data"] }));
    let record = town.subject();
    let licence = SealedLicence::parse(&agency.data(&data_body(&record.identifier)).body).unwrap();
    let (trust, issuer) = (town.trust(), record.issuer_code.as_str());
    let other = std::fs::read_dir(town.dir.join("seals"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| ![issuer, "attestation", "node"].contains(&name.as_str()))
        .unwrap();
    let report = |seal: &str| report_at(&trust, &forged(&town, &licence, record, seal), later(&town, 0));
    for (seal, voice) in [("node", "annotated copy"), ("attestation", "attested by"), (issuer, "sealed by")] {
        let report = report(seal);
        assert!(report.verdict.passed(), "{}", report.to_text());
        assert!(report.signatures[0].voice.as_ref().unwrap().en.starts_with(voice));
    }
    let report = report(&other);
    assert_eq!(report.verdict.indication, Indication::TotalFailed);
    assert_eq!(report.deciding_check().unwrap().name, "pageBinding");
}

#[test]
fn another_citys_copy_is_made_and_sealed_there_and_verified_here() {
    let towns = three();
    let agency = actor(&towns[0], "agency");
    let record = towns[2].subject();
    let body = with(file_body(&record.identifier), "/region", json!(HEBEI));
    agency.file(&body).refused(401, "signature.required", 11);
    agency.ask_signed(FILE, &body, &[HEBEI]).refused(403, "peer.refused", 99);
    let granted = ["certificateHolderName", "certificateNumber"];
    let grant = json!({ "operations": ["file"], "fields": granted });
    actor(&towns[2], "operator").grant("120000/agency", grant);
    let reply = agency.ask_signed(FILE, &body, &[HEBEI]);
    reply.ok();
    let report = verified(&towns[0], &reply);
    assert!(report.verdict.passed(), "{}", report.to_text());
    assert!(report.signatures[0].voice.as_ref().unwrap().en.contains("node of region 130000"));
    assert!(printed(&reply.body).contains("仅供agency使用"));
    assert_eq!(sorted(reply.entry().details.unwrap().fields), sorted(granted));
    let peer = reply.peer_receipt.as_ref().unwrap();
    let certificate = certificate_of(&towns[2].dir.join("certs/node.pem")).unwrap();
    let receipt = Receipt::verify(peer, certificate.public_key().unwrap()).unwrap();
    let entry = &towns[2].entries_of(&receipt.request_id)[0];
    assert_eq!((entry.entry.op.as_str(), receipt.aud.as_str()), ("file", "120000/agency"));
    // A wish that only the other city can judge.
    let late = with(body, "/expires", json!("2999-01-01"));
    let refused = agency.ask_signed(FILE, &late, &[HEBEI]);
    refused.refused(400, "peer.refused", 99);
    assert!(refused.text().contains("file.expires"));
}

#[test]
fn a_city_whose_node_has_no_seal_is_said_to_refuse() {
    let towns = three_with(Plan {
        files: Some((HEBEI, |dir| std::fs::remove_dir_all(dir.join("seals/node")).unwrap())),
        ..Plan::default()
    });
    let agency = actor(&towns[0], "agency");
    let body = with(file_body(&towns[2].subject().identifier), "/region", json!(HEBEI));
    let reply = agency.ask_signed(FILE, &body, &[HEBEI]);
    reply.failed(502, "peer.refused", 2);
    assert!(reply.text().contains("file.noSeal"));
}
