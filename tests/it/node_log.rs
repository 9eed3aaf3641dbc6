//! What is on record of all this, and what cannot be read off the disk.

use std::path::{Path, PathBuf};

use licence_node::accesslog::{self, Filter, Outcome, VerifyOptions};
use licence_node::durable::RealDisk;
use licence_node::exchange::reconcile::{ReconcileError, Reconciled};
use licence_node::store::{LicenceIssuer, LicenceReader, StatusChange};
use licence_seal::crypto::SystemRandom;
use licence_seal::licence::{Catalogue, Record, State};
use licence_seal::seal::SealedBatch;
use licence_seal::time::Clock;
use serde_json::json;

use crate::support::{
    SEARCH, Town, actor, anonymous, data_body, like, search_body, tianjin, verify_body, with, without_token,
};

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The log's proof, derived from its files.
fn is_proved(town: &Town) -> bool {
    let log = &town.exchange().log;
    log.publish_now().unwrap();
    let dir = town.data_dir().join("log");
    let report = accesslog::verify(&RealDisk, &dir, &log.verifier_key(), VerifyOptions { live: true });
    assert!(report.verified, "{:?}", report.findings);
    assert_eq!(report.size, log.size());
    report.verified
}

#[test]
fn each_request_of_a_known_caller_is_an_entry_granted_or_refused() {
    let town = tianjin();
    let (operator, agency) = (actor(&town, "operator"), actor(&town, "agency"));
    operator.grant("agency", json!({}));
    let subject = town.subject();
    let size = town.exchange().log.size();
    agency.search(&search_body(subject)).ok();
    agency.data(&data_body(&subject.identifier)).ok();
    agency.verify(&verify_body(subject)).ok();
    agency.data(&with(data_body(&subject.identifier), "/context/itemCode", json!("x"))).refused(
        403,
        "grant.matter",
        99,
    );
    agency.send(SEARCH, b"{".to_vec(), None).refused(400, "request.json", 99);
    assert_eq!(town.exchange().log.size(), size + 5);

    let by = |filter: Filter| {
        let partner = Some("agency".to_owned());
        town.search_log(&Filter { partner, ..filter })
            .into_iter()
            .map(|found| found.entry.op)
            .collect::<Vec<_>>()
    };
    let holder = Some(subject.holders[0].code().to_owned());
    assert_eq!(by(Filter { holder: holder.clone(), ..Filter::default() }), ["search", "data", "verify"]);
    let outcome = Some(Outcome::Refused);
    assert_eq!(by(Filter { outcome, ..Filter::default() }), ["data", "search"]);
    let identifier = Some(subject.identifier.to_string());
    assert_eq!(by(Filter { identifier, ..Filter::default() }), ["search", "data", "verify", "data"]);
    let case_number = Some("TJ-2026-000001".to_owned());
    let operator = Some("示例经办人".to_owned());
    assert_eq!(by(Filter { case_number, operator, ..Filter::default() }).len(), 4);
    assert!(by(Filter { case_number: Some("another".to_owned()), ..Filter::default() }).is_empty());
    assert!(is_proved(&town));
}

#[test]
fn nothing_about_a_person_lies_readable_on_the_disk() {
    let town = tianjin();
    actor(&town, "operator").grant("agency", json!({}));
    let (agency, authority) = (actor(&town, "agency"), actor(&town, "authority"));
    let subject = town.subject();
    agency.search(&search_body(subject)).ok();
    agency.data(&data_body(&subject.identifier)).ok();
    agency.verify(&verify_body(subject)).ok();
    authority.issue(&like(subject, "NEW0001", 1)).ok();
    authority.declare(subject.identifier.as_str(), "suspended").ok();
    town.exchange().log.publish_now().unwrap();
    town.stop();

    let holder = &subject.holders[0];
    let mut secrets = vec![
        holder.name().to_owned(),
        holder.code().to_owned(),
        subject.number.clone(),
        subject.identifier.to_string(),
        subject.identifier.serial().to_owned(),
        "示例经办人".to_owned(),
        "核验异地贷款申请人所持证照".to_owned(),
        "TJ-2026-000001".to_owned(),
        "住房公积金管理条例".to_owned(),
        "示例原因".to_owned(),
        "agency".to_owned(),
    ];
    secrets.extend(
        subject.fields.values().flat_map(|value| value.texts().to_vec()).filter(|t| t.chars().count() >= 6),
    );
    let files = files_below(&town.data_dir());
    let mut bytes_read = 0;
    for path in &files {
        let bytes = std::fs::read(path).unwrap();
        bytes_read += bytes.len();
        for secret in &secrets {
            assert!(!has(&bytes, secret), "{secret} stands in {}", path.display());
            assert!(!path.to_string_lossy().contains(secret.as_str()), "{}", path.display());
        }
    }
    assert!(files.len() > 5 && bytes_read > 100_000, "{} files, {bytes_read} bytes", files.len());
    // The search itself finds what is there: the log's origin is public.
    let journal = files_below(&town.data_dir().join("log"));
    assert!(journal.iter().any(|path| has(&std::fs::read(path).unwrap(), "\"op\":\"search\"")));
}

#[test]
fn receipts_of_a_partner_are_counted_without_gaps_also_across_a_restart() {
    let town = tianjin();
    actor(&town, "operator").grant("agency", json!({}));
    let (agency, bureau) = (actor(&town, "agency"), actor(&town, "bureau"));
    let body = search_body(town.subject());
    let mut counters = Vec::new();
    for round in 0..3 {
        counters.push(agency.search(&body).ok().receipt().counter);
        counters.push(agency.send(SEARCH, Vec::new(), None).receipt().counter);
        bureau.search(&body).refused(403, "grant.none", 99);
        if round < 2 {
            town.restart();
        }
    }
    // The token was the first.
    assert_eq!(counters, [2, 3, 4, 5, 6, 7]);
    let filter = Filter { partner: Some("agency".to_owned()), ..Filter::default() };
    let logged: Vec<u64> =
        town.search_log(&filter).into_iter().filter_map(|found| found.details.unwrap().counter).collect();
    assert_eq!(logged, [1, 2, 3, 4, 5, 6, 7]);
    assert!(is_proved(&town));
}

#[test]
fn changes_and_imports_are_entries_that_commit_to_what_was_sealed() {
    let town = tianjin();
    let authority = actor(&town, "authority");
    let subject = town.subject();
    authority.issue(&like(subject, "NEW0001", 1)).ok();
    authority.declare(subject.identifier.as_str(), "revoked").ok();
    let entries = town.search_log(&Filter::default());
    let mut next = 1;
    for batches in entries.iter().filter_map(|found| found.details.as_ref().unwrap().batches.clone()) {
        assert_eq!(batches.first, next, "batches without gaps");
        // The root is over the manifests as the store has them.
        let hash = |parts: &[&[u8]]| licence_seal::crypto::sha256(parts);
        let leaves: Vec<_> = (batches.first..=batches.last)
            .map(|number| {
                let number = licence_node::store::BatchNumber(number);
                let manifest = town.node().store.manifest(number).unwrap().unwrap();
                licence_seal::merkle::leaf_hash(&hash, manifest.to_string().as_bytes())
            })
            .collect();
        assert_eq!(batches.root, hex::encode(licence_seal::merkle::root(&hash, &leaves)));
        next = batches.last + 1;
    }
    assert_eq!(next, town.node().store.last_batch() + 1, "every batch is on the log");
    let changes: Vec<u64> =
        entries.iter().filter_map(|found| found.details.as_ref().unwrap().change_number).collect();
    assert_eq!(changes.last(), Some(&town.node().store.last_change()));
    assert!(changes.is_sorted());
}

#[test]
fn unknown_traffic_is_one_entry_for_each_source_reason_and_minute() {
    let town = tianjin();
    let size = town.exchange().log.size();
    for _ in 0..5 {
        anonymous(&town, "POST", SEARCH);
        without_token(&town, "stranger").search(&json!({})).turned_away("registration.unknown");
        assert_eq!(anonymous(&town, "GET", "/log/checkpoint").0, 200);
    }
    town.clock.advance_secs(60);
    anonymous(&town, "POST", SEARCH);
    town.clock.advance_secs(60);
    town.exchange().log.publish_now().unwrap();
    let found = town.search_log(&Filter { op: Some("unknown".to_owned()), ..Filter::default() });
    let mut told: Vec<_> = found
        .iter()
        .map(|found| found.details.as_ref().unwrap())
        .map(|details| {
            assert_eq!(details.source.as_deref(), Some("127.0.0.1"));
            assert_eq!(details.partner, None);
            (details.rule.clone().unwrap(), details.detail["count"].as_u64().unwrap())
        })
        .collect();
    told.sort();
    let expected =
        [("certificate.missing", 1), ("certificate.missing", 5), ("log", 5), ("registration.unknown", 5)];
    assert_eq!(told, expected.map(|(rule, count)| (rule.to_owned(), count)));
    assert_eq!(town.exchange().log.size(), size + 4);
}

#[test]
fn a_change_that_a_kill_kept_off_the_log_is_logged_before_the_node_serves() {
    let town = tianjin();
    let subject = town.subject().clone();
    let (batch, change) = {
        let node = town.node();
        let catalogue = Catalogue::embedded().unwrap();
        let record =
            Record::parse_json(like(&subject, "NEW0001", 1).to_string().as_bytes(), catalogue).unwrap();
        let key = &node.exchange.keys.sealing.by_issuer[subject.issuer_code.as_str()];
        let now = town.clock.now();
        let random = SystemRandom::new();
        let salt = node.store.current_salt_key();
        let sealed = SealedBatch::seal(vec![record], catalogue, key, &salt, now, &random).unwrap();
        // In the store, and not on the log: as after a kill between the two.
        let numbers = node.store.add_batches(vec![sealed]).unwrap();
        let change = node
            .store
            .change_status(StatusChange {
                identifier: subject.identifier.clone(),
                state: State::Suspended,
                reason: Some("示例".to_owned()),
                at: now,
                by: "authority".to_owned(),
            })
            .unwrap();
        assert!(node.exchange.log.last_batch_number().unwrap() < numbers[0].0);
        (numbers[0].0, change)
    };
    town.restart();
    let done = town.node().reconciled;
    assert_eq!(done, Reconciled { batches_logged: 1, changes_logged: 1, changes_replayed: 0 });
    let entries = town.search_log(&Filter::default());
    let recovered: Vec<_> = entries.iter().map(|found| found.details.as_ref().unwrap()).collect();
    let logged = recovered.iter().rev().find_map(|details| details.batches.as_ref()).unwrap();
    assert_eq!((logged.first, logged.last), (batch, batch));
    assert!(recovered.iter().any(|details| details.change_number == Some(change)
        && details.identifiers == [subject.identifier.as_str()]
        && details.detail["state"] == "suspended"
        && details.detail.contains_key("recovered")));
    assert!(is_proved(&town));
    town.restart();
    assert_eq!(town.node().reconciled, Reconciled::default());
}

#[test]
fn a_store_older_than_the_log_gets_its_status_changes_back_or_does_not_serve() {
    let town = tianjin();
    let authority = actor(&town, "authority");
    let subject = town.subject().clone();
    let store = town.data_dir().join("store");
    let copy = tempfile::tempdir().unwrap();
    let copied = copy.path().join("store");
    town.stop();
    copy_folder(&store, &copied);
    town.start();
    authority.declare(subject.identifier.as_str(), "suspended").ok();
    authority.declare(subject.identifier.as_str(), "revoked").ok();
    town.stop();
    // The store is put back to before the two changes.
    std::fs::remove_dir_all(&store).unwrap();
    copy_folder(&copied, &store);
    town.start();
    assert_eq!(town.node().reconciled.changes_replayed, 2);
    let found = town.node().store.by_identifier(&subject.identifier).unwrap().unwrap();
    assert_eq!(found.status.state, State::Revoked);
    assert_eq!(found.status.by.as_deref(), Some("authority"));

    // A batch cannot be got back from the log: the node does not open.
    authority.issue(&like(&subject, "NEW0001", 1)).ok();
    town.stop();
    std::fs::remove_dir_all(&store).unwrap();
    copy_folder(&copied, &store);
    let why = town.try_open().err().expect("a batch is lost");
    assert!(matches!(why.downcast_ref(), Some(ReconcileError::BatchesLost { .. })), "{why}");
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_second_process_does_not_open_the_same_folder() {
    let town = tianjin();
    assert!(town.try_open().is_err());
    actor(&town, "agency");
}
