//! Backups, checks and exports of a node that goes on serving; and the way back.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use licence_node::accesslog::{Filter, Outcome};
use licence_node::exchange::import::{Format, Importer, Options, Stage};
use licence_node::store::{LicenceReader, StoreAdmin};
use licence_seal::licence::{Catalogue, Generator, Region};
use serde_json::{Value, json};

use crate::child::{Folder, Ran};
use crate::support::{ADMIN, Plan, TIANJIN, Town, actor, data_body, search_body, tianjin, town_with, wait};

fn with_backup_dir() -> std::sync::Arc<Town> {
    town_with(Plan {
        settings: Some(|settings| settings.store.backup_dir = Some(settings.files.data.join("../backups"))),
        ..Plan::default()
    })
}

/// The entry by which the log tells how a job ended.
fn entry_of(town: &Town, id: &str) -> (Outcome, Option<String>) {
    let filter = Filter { op: Some("admin.job".to_owned()), ..Filter::default() };
    let mut found = town.search_log(&filter);
    found.retain(|entry| entry.details.as_ref().unwrap().request_id == id);
    assert_eq!(found.len(), 1);
    (found[0].entry.outcome, found[0].details.as_ref().unwrap().rule.clone())
}

#[test]
fn partners_are_answered_while_the_running_node_checks_exports_and_backs_up() {
    let town = with_backup_dir();
    let (operator, agency) = (actor(&town, "operator"), actor(&town, "agency"));
    let authority = actor(&town, "authority");
    operator.grant("agency", json!({}));
    let subject = town.subject().clone();

    // At this rate it takes seconds, and is still running when the next is asked for.
    let id = operator.start_job(&json!({ "check": { "every": 1, "licencesPerSecond": 60 } }));
    operator.ask(ADMIN, &json!({ "startJob": { "export": {} } })).refused(409, "job.busy", 99);
    let mut answered = 0;
    let job = operator.job_ended(&id, |_| {
        let reply = agency.search(&search_body(&subject));
        assert!(reply.ok().found(TIANJIN).contains(&subject.identifier.to_string()));
        answered += 1;
    });
    assert!(answered > 3, "{answered}");
    assert_eq!((job["state"].as_str(), job["kind"].as_str()), (Some("done"), Some("check")), "{job}");
    assert_eq!(job["report"]["licences"], 150);
    assert_eq!(job["report"]["findings"], json!([]));
    assert_eq!(entry_of(&town, &id), (Outcome::Granted, None));

    let back_up = |to: &str| {
        let id = operator.start_job(&json!({ "backup": { "to": to } }));
        let job = operator.job_ended(&id, |_| {
            agency.data(&data_body(&subject.identifier)).ok();
        });
        assert_eq!(job["state"], "done", "{job}");
        job["report"].clone()
    };
    let first = back_up("nightly");
    assert_eq!(first["counters"]["licences"], 150);
    let issued = authority.issue(&crate::support::like(&subject, "BACKUP01", 1));
    issued.ok();
    let second = back_up("nightly");
    assert_eq!((&second["number"], &second["counters"]["licences"]), (&json!(2), &json!(151)));
    assert!(second["copiedFiles"].as_u64() < second["files"].as_u64(), "{second}");
    assert!(town.data_dir().join("../backups/nightly/backup-0000000002.json").exists());
    let id = operator.start_job(&json!({ "export": {} }));
    assert_eq!(operator.job_ended(&id, |_| ())["state"], "done");

    let id = operator.start_job(&json!({ "breakdown": {} }));
    let types = operator.job_ended(&id, |_| ())["report"]["types"].clone();
    let licences = types.as_array().unwrap().iter().map(|one| one["licences"].as_u64().unwrap());
    assert_eq!(licences.sum::<u64>(), 151);
    let stats = operator.ask(ADMIN, &json!({ "stats": {} }));
    assert_eq!(stats.ok().json["stats"]["licences"], 151);

    // What a job is asked is on the log before it begins.
    let intents = town.search_log(&Filter { op: Some("admin.intent".to_owned()), ..Filter::default() });
    let asked = intents
        .iter()
        .filter(|entry| entry.details.as_ref().unwrap().detail["request"].get("startJob").is_some());
    assert_eq!(asked.count(), 6);
}

#[test]
fn only_the_operator_has_the_store_looked_after_and_only_where_the_node_allows_it() {
    let town = tianjin();
    let operator = actor(&town, "operator");
    let jobs = [json!({ "check": {} }), json!({ "export": {} }), json!({ "backup": {} })];
    for id in ["agency", "authority", "auditor"] {
        let other = actor(&town, id);
        for job in &jobs {
            other.ask(ADMIN, &json!({ "startJob": job })).refused(403, "role", 99);
        }
        other.ask(ADMIN, &json!({ "stats": {} })).refused(403, "role", 99);
        other.ask(ADMIN, &json!({ "job": { "id": "x" } })).refused(403, "role", 99);
    }
    let backup = |to: Value| operator.ask(ADMIN, &json!({ "startJob": { "backup": { "to": to } } }));
    backup("nightly".into()).failed(503, "job.noBackupDir", 99);
    operator.ask(ADMIN, &json!({ "job": { "id": "x" } })).refused(404, "job.unknown", 99);
    operator.ask(ADMIN, &json!({ "cancelJob": { "id": "x" } })).refused(404, "job.unknown", 99);
    operator.ask(ADMIN, &json!({ "startJob": { "format": {} } })).refused(400, "request.json", 99);

    let town = with_backup_dir();
    let operator = actor(&town, "operator");
    for name in ["../elsewhere", "/tmp/elsewhere", "a/b", "..", ""] {
        let reply = operator.ask(ADMIN, &json!({ "startJob": { "backup": { "to": name } } }));
        reply.refused(400, "job.backupName", 99);
    }
    let none = operator.ask(ADMIN, &json!({ "startJob": { "backup": { "keep": 0 } } }));
    none.refused(400, "job.keep", 99);
}

#[test]
fn a_job_ends_when_it_is_told_to_and_when_the_node_stops() {
    let town = tianjin();
    let slow = json!({ "check": { "licencesPerSecond": 1 } });
    let operator = actor(&town, "operator");
    let id = operator.start_job(&slow);
    operator.ask(ADMIN, &json!({ "cancelJob": { "id": id } })).ok();
    let job = operator.job_ended(&id, |_| ());
    assert_eq!((job["state"].as_str(), job["rule"].as_str()), (Some("failed"), Some("store.cancelled")));
    assert_eq!(entry_of(&town, &id), (Outcome::Failed, Some("store.cancelled".to_owned())));

    // At this rate it would take two minutes and a half.
    let id = operator.start_job(&slow);
    let begun = std::time::Instant::now();
    town.stop();
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    town.start();
    assert_eq!(entry_of(&town, &id), (Outcome::Failed, Some("store.cancelled".to_owned())));
    let report = town.node().store.check(Catalogue::embedded().unwrap(), &Default::default()).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
}

#[test]
fn half_an_import_is_not_served() {
    let town = tianjin();
    town.stop();
    let node = town.try_open().unwrap();
    let generator = Generator::new(Catalogue::embedded().unwrap(), 99, Region::TIANJIN).unwrap();
    let records = (0..40).map(|n| generator.record(n).unwrap().to_json().to_string() + "\n");
    let lines: String = records.collect();
    let cut = catch_unwind(AssertUnwindSafe(|| {
        let report = Box::new(|progress: &licence_node::exchange::import::Progress| {
            assert!(progress.stage != Stage::Loading, "the power goes");
        });
        let mut importer = Importer::new(&node.exchange, &node.store, Options::default(), report).unwrap();
        importer.file("more", Format::JsonLines, lines.as_bytes()).unwrap();
        importer.finish().unwrap();
    }));
    assert!(cut.is_err());
    drop(node);
    let node = town.try_open().unwrap();
    let refused = node.serve().err().expect("it serves half an import").to_string();
    assert!(refused.contains("import --resume") && refused.contains("import --abandon"), "{refused}");
}

/// What a store has: each licence with its state, and the counters.
fn all_of(folder: &Folder) -> (BTreeMap<String, String>, u64) {
    let node = folder.open();
    let mut all = BTreeMap::new();
    for number in 1..=node.store.last_batch() {
        let batch = node.store.batch(licence_node::store::BatchNumber(number)).unwrap().unwrap();
        for slot in 0..batch.len() {
            let record = batch.record(slot).unwrap();
            let found = node.store.by_identifier(&record.identifier).unwrap().unwrap();
            assert_eq!(found.record, record);
            all.insert(record.identifier.to_string(), found.status.state.word().to_owned());
        }
    }
    let changes = node.store.last_change();
    node.close().unwrap();
    (all, changes)
}

fn store(folder: &Folder, args: &[&str]) -> Ran {
    let config = folder.config();
    folder.run(&[&["store"], args, &["--config", &config]].concat())
}

fn objects(backups: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(backups.join("objects")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn the_operator_backs_up_a_running_node_drills_and_restores_it_on_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::with_partners(&dir.path().join("node"), "p256-sha256");
    let backups = dir.path().join("backups");
    let at = backups.join("nightly");
    let at = at.to_str().unwrap();
    folder.set("store", "backup_dir", backups.to_str().unwrap());
    folder.run(&["generate", "--records", "240", "--seed", "5", "--output", "in.jsonl"]).ok();
    folder.run(&["import", "in.jsonl", "--config", &folder.config()]).ok();

    let served = folder.serve();
    // Whoever does not know that a node is running is told how to ask it.
    let told = store(&folder, &["stats"]).ended(1);
    assert!(told.contains("another process holds") && told.contains("--url"), "{told}");
    let asked = |args: &[&str]| store(&folder, &[args, &["--url", &served.url]].concat());
    assert!(asked(&["check"]).ok().ends_with("sound\n"));
    assert!(asked(&["export"]).ok().contains("read back"));
    let stats = asked(&["stats", "--by-type", "--json"]).json();
    assert_eq!(stats["licences"], 240);
    assert!(stats["types"].as_array().unwrap().iter().all(|one| one["name"].is_string()), "{stats}");
    let told = asked(&["restore", at]).ended(1);
    assert!(told.contains("a running node does not do this"), "{told}");
    let first = asked(&["backup", "nightly", "--json"]).json();
    assert_eq!(first["counters"]["licences"], 240);

    // A status changes, and the second backup has it.
    let id = first_identifier(&folder);
    let body = json!({ "context": crate::child::context(), "identifier": id, "state": "suspended", "reason": "示例" });
    wait(async {
        let client = served.client(&folder, "authority").await;
        let answer = client.ask("/v1/licences/status", &body, None).await.unwrap();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    });
    let second = asked(&["backup", "nightly", "--json"]).json();
    assert!(second["copiedBytes"].as_u64() < first["copiedBytes"].as_u64(), "{second}");
    // A drill needs only the backup and the keys: the node serves on.
    let drilled = store(&folder, &["drill", at, "--json"]).json();
    assert_eq!(drilled["proved"], true);
    assert_eq!((&drilled["backup"], &drilled["check"]["licences"]), (&json!(2), &json!(240)));
    assert!(drilled["logEntries"].as_u64().unwrap() > 4 && drilled["licencesRead"].as_u64().unwrap() > 10);
    assert!(store(&folder, &["drill", at, "--backup", "1", "--every", "3"]).ok().ends_with("proved\n"));
    assert_eq!(served.terminate(), Some(0));
    let before = all_of(&folder);
    assert_eq!(before.0[&id], "suspended");

    // The machine is gone; another one has the configuration and the keys.
    let data = folder.0.join("data");
    let told = store(&folder, &["restore", at]).ended(1);
    assert!(told.contains("is not empty"), "{told}");
    std::fs::remove_dir_all(&data).unwrap();
    let told = store(&folder, &["restore", at]).ok();
    assert!(told.starts_with("backup 2, as of ") && told.contains("240 licences"), "{told}");
    let served = folder.serve();
    assert_eq!(served.terminate(), Some(0));
    folder.verify();
    assert_eq!(all_of(&folder), before);
    // It is backed up where the old one was, and its log is not taken for the old one's.
    let third = store(&folder, &["backup", at, "--keep", "1", "--json"]).json();
    assert_eq!((&third["number"], &third["dropped"]), (&json!(3), &json!([1, 2])));
    assert!(store(&folder, &["drill", at]).ok().ends_with("proved\n"));

    // Any file of the backup that is not as it was, and the wrong keys, are named; nothing is laid out.
    std::fs::remove_dir_all(&data).unwrap();
    for object in objects(Path::new(at)) {
        let content = std::fs::read(&object).unwrap();
        let mut changed = content.clone();
        changed[content.len() / 2] ^= 1;
        std::fs::write(&object, changed).unwrap();
        let told = store(&folder, &["drill", at, "--json"]).ended(1);
        assert!(told.contains("store.backupFile") && told.contains("it was changed"), "{told}");
        std::fs::write(&object, content).unwrap();
    }
    let master = folder.path("keys/master.key");
    let right = std::fs::read(&master).unwrap();
    std::fs::write(&master, "11".repeat(32)).unwrap();
    let told = store(&folder, &["restore", at]).ended(1);
    assert!(told.contains("this master key is not the one of"), "{told}");
    assert!(!data.join("store").exists() && !data.join("log").exists() && !data.join("restoring").exists());
    std::fs::write(&master, right).unwrap();
    // A log that another key signed is not ours.
    let other = Folder::init(&dir.path().join("other"), "p256-sha256");
    std::fs::rename(folder.path("keys/log.key.pem"), folder.path("keys/log.right")).unwrap();
    std::fs::copy(other.path("keys/log.key.pem"), folder.path("keys/log.key.pem")).unwrap();
    let told = store(&folder, &["drill", at]).ended(1);
    assert!(told.contains("the access log: checkpoint"), "{told}");
}

/// The identifier of some licence that may be suspended.
fn first_identifier(folder: &Folder) -> String {
    let lines = std::fs::read_to_string(folder.path("in.jsonl")).unwrap();
    let mut records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let valid = |record: &Value| record.get("certificateState").is_none_or(|state| state == "valid");
    let record = records.find(|record| valid(record) && record.get("supersedes").is_none()).unwrap();
    record["certificateIdentifier"].as_str().unwrap().to_owned()
}
