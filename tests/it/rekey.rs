//! Newer keys for the store of a node that goes on serving.

use std::fs;
use std::sync::Arc;

use licence_node::accesslog::{Filter, Outcome};
use licence_node::exchange::import::{Format, Importer, Options};
use licence_node::store::LicenceReader;
use licence_seal::licence::Record;
use serde_json::{Value, json};

use crate::child::{Failing, Folder, Ran, json_lines, records};
use crate::support::{ADMIN, Actor, Plan, TIANJIN, Town, actor, data_body, like, search_body, town_with};

/// One export is enough to let go of the journal, so one job ends a change of the data key.
fn one_export() -> Arc<Town> {
    town_with(Plan { settings: Some(|settings| settings.store.keep_exports = 1), ..Plan::default() })
}

fn done(operator: &Actor, job: &Value) -> Value {
    let job = operator.job_ended(&operator.start_job(job), |_| ());
    assert_eq!(job["state"], "done", "{job}");
    job["report"].clone()
}

/// The rule by which a job failed.
fn failed(operator: &Actor, job: &Value) -> (String, String) {
    let job = operator.job_ended(&operator.start_job(job), |_| ());
    assert_eq!(job["state"], "failed", "{job}");
    (job["rule"].as_str().unwrap().to_owned(), job["detail"].as_str().unwrap().to_owned())
}

/// Numbers of the keys of a purpose in the key file.
fn numbers(town: &Town, purpose: &str) -> Vec<u64> {
    let file = fs::read(town.data_dir().join("store/keys.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let keys = file["body"]["keys"].as_array().unwrap().iter();
    keys.filter(|key| key["purpose"] == purpose).map(|key| key["id"].as_u64().unwrap()).collect()
}

/// The outcome and the details of the entry by which a job's end is on the log.
fn entry_of(town: &Town, id: &str) -> (Outcome, Value) {
    let mut found = town.search_log(&Filter { op: Some("admin.job".to_owned()), ..Filter::default() });
    found.retain(|entry| entry.details.as_ref().unwrap().request_id == id);
    assert_eq!(found.len(), 1);
    (found[0].entry.outcome, json!(found[0].details.as_ref().unwrap().detail))
}

fn assert_sound(town: &Town, operator: &Actor) {
    let report = done(operator, &json!({ "check": {} }));
    assert_eq!(report["findings"], json!([]), "{:?}", town.data_dir());
}

#[test]
fn a_new_data_key_takes_over_while_partners_ask_and_authorities_issue() {
    let town = one_export();
    let (operator, agency) = (actor(&town, "operator"), actor(&town, "agency"));
    let authority = actor(&town, "authority");
    operator.grant("agency", json!({}));
    let subject = town.subject().clone();
    assert_eq!(numbers(&town, "data"), [1]);

    let id = operator.start_job(&json!({ "rekeyData": { "valuesPerSecond": 40 } }));
    operator.ask(ADMIN, &json!({ "startJob": { "rekeySalt": {} } })).refused(409, "job.busy", 99);
    let (mut issued, mut values) = (Vec::new(), Vec::new());
    let job = operator.job_ended(&id, |job| {
        assert_eq!(job["kind"], "rekeyData");
        values.extend(job["progress"]["done"].as_u64());
        let reply = agency.search(&search_body(&subject));
        assert!(reply.ok().found(TIANJIN).contains(&subject.identifier.to_string()));
        if issued.len() < 4 {
            let new = like(&subject, &format!("REKEY{:03}", issued.len()), 1);
            issued.push(authority.issue(&new).ok().json["identifier"].as_str().unwrap().to_owned());
        }
    });
    assert_eq!(job["state"], "done", "{job}");
    let report = &job["report"];
    assert_eq!(
        (&report["key"], &report["added"], &report["retired"]),
        (&json!(5), &json!(true), &json!([1]))
    );
    assert!(report["values"].as_u64() > Some(100) && report["needing"] == json!([]), "{report}");
    assert!(!issued.is_empty() && values.iter().any(|done| *done > 0), "{issued:?} {values:?}");
    assert_eq!(numbers(&town, "data"), [5]);
    assert_eq!(entry_of(&town, &id), (Outcome::Granted, json!({ "job": "rekeyData", "key": 5 })));
    assert_sound(&town, &operator);

    // From sled, and from what lies beside it alone.
    for _ in 0..2 {
        town.restart();
        for identifier in issued.iter().chain([&subject.identifier.to_string()]) {
            agency.data(&data_body(&identifier.parse().unwrap())).ok();
        }
        assert_sound(&town, &operator);
        town.stop();
        fs::remove_dir_all(town.data_dir().join("store/sled")).unwrap();
        town.start();
    }
}

#[test]
fn a_new_salt_key_is_in_force_at_once_and_licences_of_both_are_disclosed() {
    let town = one_export();
    let (operator, agency) = (actor(&town, "operator"), actor(&town, "agency"));
    let authority = actor(&town, "authority");
    operator.grant("agency", json!({}));
    let subject = town.subject().clone();
    let issue = |serial: &str| {
        let reply = authority.issue(&like(&subject, serial, 1));
        reply.ok().json["identifier"].as_str().unwrap().to_owned()
    };
    let before = issue("SALT0001");
    let id = operator.start_job(&json!({ "rekeySalt": {} }));
    let job = operator.job_ended(&id, |_| ());
    assert_eq!((&job["state"], &job["report"]), (&json!("done"), &json!({ "key": 5 })));
    assert_eq!(entry_of(&town, &id), (Outcome::Granted, json!({ "job": "rekeySalt", "key": 5 })));
    let after = issue("SALT0002");
    assert_eq!(numbers(&town, "salt"), [4, 5]);
    for _ in 0..2 {
        for (identifier, salt) in [(&before, "salt-4"), (&after, "salt-5")] {
            let identifier = identifier.parse().unwrap();
            let found = town.node().store.by_identifier(&identifier).unwrap().unwrap();
            assert_eq!(found.batch.seal.salt_key.0, salt);
            agency.data(&data_body(&identifier)).ok();
        }
        town.restart();
    }
    assert_sound(&town, &operator);
}

#[test]
fn a_rekeying_that_is_ended_goes_on_and_makes_no_further_key() {
    let town = one_export();
    let operator = actor(&town, "operator");
    let slow = json!({ "rekeyData": { "valuesPerSecond": 1 } });
    let id = operator.start_job(&slow);
    operator.ask(ADMIN, &json!({ "cancelJob": { "id": id } })).ok();
    assert_eq!(operator.job_ended(&id, |_| ())["rule"], "store.cancelled");
    // At this rate it would take minutes.
    let id = operator.start_job(&slow);
    town.restart();
    assert_eq!(entry_of(&town, &id).0, Outcome::Failed);
    assert_eq!(numbers(&town, "data"), [1, 5]);
    let report = done(&operator, &json!({ "rekeyData": {} }));
    assert_eq!(
        (&report["key"], &report["added"], &report["retired"]),
        (&json!(5), &json!(false), &json!([1]))
    );
    assert_sound(&town, &operator);
}

#[test]
fn what_may_not_be_is_refused_and_changes_no_key() {
    let town = one_export();
    let operator = actor(&town, "operator");
    let jobs = [json!({ "rekeyData": {} }), json!({ "rekeySalt": {} })];
    for id in ["agency", "authority", "auditor"] {
        for job in &jobs {
            actor(&town, id).ask(ADMIN, &json!({ "startJob": job })).refused(403, "role", 99);
        }
    }
    for job in [json!({ "rekeyData": { "key": 1 } }), json!({ "rekeyMaster": {} })] {
        operator.ask(ADMIN, &json!({ "startJob": job })).refused(400, "request.json", 99);
    }
    // The source of the master key is read again, and is to give the key in force.
    let key = town.dir.join("keys/master.key");
    let right = fs::read(&key).unwrap();
    let file = || fs::read(town.data_dir().join("store/keys.json")).unwrap();
    let before = file();
    for job in &jobs {
        fs::write(&key, "c0ffee0123456789".repeat(4)).unwrap();
        assert_eq!(failed(&operator, job).0, "store.wrongMasterKey");
        fs::remove_file(&key).unwrap();
        let (rule, detail) = failed(&operator, job);
        assert_eq!(rule, "store.masterKeySource");
        assert!(detail.starts_with("files.master_key: the secret from file:"), "{detail}");
        fs::write(&key, &right).unwrap();
    }
    assert_eq!(file(), before);

    // An import that was interrupted keeps files under the data key that it began with; the node serves.
    town.stop();
    let node = town.try_open().unwrap();
    let more: Vec<Record> = records(99, 0..40);
    let mut importer =
        Importer::new(&node.exchange, &node.store, Options::default(), Box::new(|_| ())).unwrap();
    importer.file("more", Format::JsonLines, Failing(json_lines(&more).as_bytes())).unwrap_err();
    drop(importer);
    node.close().unwrap();
    drop(node);
    town.start();
    let (rule, detail) = failed(&operator, &jobs[0]);
    assert!(rule == "store.importUnderWay" && detail.contains("import --abandon"), "{rule}: {detail}");
    assert_eq!(file(), before);
    done(&operator, &jobs[1]);
    assert_sound(&town, &operator);
}

#[test]
fn the_operator_has_keys_changed_on_the_command_line_with_and_without_a_running_node() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::init(&dir.path().join("node"), "p256-sha256");
    folder.set("store", "keep_exports", 1);
    // A command, which is run again for the job.
    folder.set_file("master_key", &format!("command:cat {}", folder.path("keys/master.key")));
    fs::write(folder.path("in.jsonl"), json_lines(&records(5, 0..60))).unwrap();
    folder.run(&["import", "in.jsonl", "--config", &folder.config()]).ok();
    let config = folder.config();
    let store = |args: &[&str]| -> Ran { folder.run(&[&["store"], args, &["--config", &config]].concat()) };

    let served = folder.serve();
    let asked = |args: &[&str]| store(&[args, &["--url", &served.url]].concat());
    assert_eq!(asked(&["rekey", "--salt"]).ok(), "salt key 5 for what is sealed from now on\n");
    let told = asked(&["rekey", "--data", "--rate", "5000"]).ok();
    assert!(told.starts_with("data key 6: ") && told.contains("data key 1 is gone"), "{told}");
    let report = asked(&["rekey", "--data", "--json"]).json();
    assert_eq!((&report["key"], &report["retired"]), (&json!(7), &json!([6])));
    let told = asked(&["rekey", "--master", "--to", "keys/next.key"]).ended(1);
    assert!(told.contains("a running node does not do this"), "{told}");
    let told = store(&["rekey", "--salt"]).ended(1);
    assert!(told.contains("another process holds") && told.contains("--url"), "{told}");
    assert_eq!(served.terminate(), Some(0));

    assert_eq!(store(&["rekey", "--salt", "--json"]).json(), json!({ "key": 8 }));
    let told = store(&["rekey", "--data"]).ok();
    assert!(told.starts_with("data key 9: ") && told.contains("data key 7 is gone"), "{told}");
    let found = folder.run(&["log", "search", "--op", "admin.job", "--json", "--config", &config]).json();
    let found = found.as_array().unwrap();
    assert_eq!(found.iter().filter(|entry| entry.to_string().contains("rekeySalt")).count(), 2);
    assert_eq!(found.iter().filter(|entry| entry.to_string().contains("rekeyData")).count(), 3);
    folder.verify();
}
