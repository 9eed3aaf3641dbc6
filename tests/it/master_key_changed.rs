//! Another master key for a node with everything in it: exactly one opens it, whatever happens meanwhile.

use std::fs;
use std::path::{Path, PathBuf};

use licence_node::exchange::import::{Format, Importer, Options};
use licence_node::store::LicenceReader;
use serde_json::{Value, json};

use super::child::{self, Failing, Folder, Ran, json_lines, records};
use super::support::wait;

const NEW: &str = "c0ffee0123456789";

fn store(folder: &Folder, args: &[&str]) -> Ran {
    let config = folder.config();
    folder.run(&[&["store"], args, &["--config", &config]].concat())
}

fn rekey(folder: &Folder, to: &str) -> Ran {
    store(folder, &["rekey", "--master", "--to", to])
}

/// The entries of an operation.
fn entries(folder: &Folder, op: &str) -> Vec<Value> {
    let config = folder.config();
    let found = folder.run(&["log", "search", "--op", op, "--json", "--config", &config]).json();
    found.as_array().unwrap().clone()
}

/// Every file that the master key wraps.
fn key_files(folder: &Folder) -> Vec<PathBuf> {
    let mut files =
        vec![folder.0.join("data/store/keys.json"), folder.0.join("data/store/exports/keys.json")];
    let log = fs::read_dir(folder.0.join("data/log/keys")).unwrap();
    files.extend(log.map(|entry| entry.unwrap().path()));
    files
}

fn contents(folder: &Folder) -> Vec<Vec<u8>> {
    key_files(folder).iter().map(|path| fs::read(path).unwrap()).collect()
}

/// A node with licences, the other key in `keys/new.key`.
fn node_with_licences(dir: &Path) -> Folder {
    let folder = Folder::with_partners(dir, "p256-sha256");
    fs::write(folder.path("keys/new.key"), NEW.repeat(4)).unwrap();
    fs::write(folder.path("in.jsonl"), json_lines(&records(5, 0..60))).unwrap();
    folder.run(&["import", "in.jsonl", "--config", &folder.config()]).ok();
    folder
}

/// An agency asks and is answered.
fn assert_answers(folder: &Folder) {
    let served = folder.serve();
    let record = &records(5, 0..1)[0];
    let body = json!({ "context": child::context(), "identifier": record.identifier.as_str() });
    wait(async {
        let client = served.client(folder, "agency").await;
        let answer = client.ask("/v1/licences/data", &body, None).await.unwrap();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    });
    assert_eq!(served.terminate(), Some(0));
    folder.verify();
}

#[test]
fn the_master_key_changes_for_store_and_log_and_the_older_one_opens_only_older_backups() {
    let dir = tempfile::tempdir().unwrap();
    let folder = node_with_licences(&dir.path().join("node"));
    let old = fs::read_to_string(folder.path("keys/master.key")).unwrap().trim().to_owned();
    let backups = dir.path().join("backups");
    let backups = backups.to_str().unwrap();
    store(&folder, &["backup", backups]).ok();

    // What is no other key, or not to be had again, changes nothing.
    let before = contents(&folder);
    fs::write(folder.path("keys/short.key"), "c0ffee").unwrap();
    let varying = "n=$(cat n 2>/dev/null || echo 1); echo $((n+1)) > n; printf '%064d\\n' $n\n";
    fs::write(folder.path("varying.sh"), varying).unwrap();
    for (to, word) in [
        ("keys/master.key", "the new master key is the one in force"),
        ("keys/none.key", "--to: the secret from file:"),
        ("keys/short.key", "not 64 hexadecimal digits"),
        ("command:sh varying.sh", "gives another key each time"),
    ] {
        let told = rekey(&folder, to).ended(1);
        assert!(told.contains(word), "{to}: {told}");
    }
    let told = rekey(&folder, &NEW.repeat(4)).ended(64);
    assert!(told.contains("never the key itself") && !told.contains(NEW), "{told}");
    folder.set_file("master_key", "keys/new.key");
    let told = rekey(&folder, "keys/master.key").ended(1);
    assert!(told.contains("this master key is not the one of"), "{told}");
    folder.set_file("master_key", "keys/master.key");
    for alone in [
        &["--master"][..],
        &["--salt", "--to", "keys/new.key"],
        &["--master", "--salt", "--to", "x"],
        &["--to", "x"],
        &["--salt", "--rate", "5"],
    ] {
        store(&folder, &[&["rekey"], alone].concat()).ended(64);
    }
    assert_eq!(contents(&folder), before);
    folder.verify();

    let ran = rekey(&folder, "keys/new.key");
    assert!(!ran.err.contains(NEW) && !ran.err.contains(&old));
    let told = ran.ok();
    assert!(told.contains("master_key = \"keys/new.key\"") && told.contains("2 key files"), "{told}");
    assert!(!told.contains(NEW) && !told.contains(&old), "{told}");
    let after = contents(&folder);
    assert!(before.len() == after.len() && before.iter().zip(&after).all(|(before, after)| before != after));

    // The older key opens neither store nor log, and says what to do.
    for args in [["store", "check"], ["log", "search"]] {
        let config = folder.config();
        let told = folder.run(&[&args[..], &["--config", &config]].concat()).ended(1);
        assert!(told.contains("this master key is not the one of"), "{told}");
    }
    let told = store(&folder, &["stats"]).ended(1);
    assert!(told.contains("files.master_key must name the new one"), "{told}");
    folder.set_file("master_key", "keys/new.key");
    assert_answers(&folder);
    let refused = entries(&folder, "admin.job");
    let outcomes: Vec<&str> = refused.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["failed", "granted"], "{refused:?}");
    assert!(refused.iter().all(|entry| entry.to_string().contains("rekeyMaster")), "{refused:?}");
    let intents = entries(&folder, "admin.intent");
    assert_eq!(intents.iter().filter(|entry| entry.to_string().contains("rekeyMaster")).count(), 2);

    // Each backup is under the key that was in force.
    let second = store(&folder, &["backup", backups, "--json"]).json();
    assert_eq!((&second["number"], &second["unreadable"]), (&json!(2), &json!([])));
    assert!(second["copiedFiles"].as_u64() < second["files"].as_u64(), "{second}");
    assert!(store(&folder, &["drill", backups]).ok().ends_with("proved\n"));
    let older = ["drill", backups, "--backup", "1"];
    let told = store(&folder, &older).ended(1);
    assert!(told.contains("not the one of backup 1") && told.contains("needs the older one"), "{told}");
    let config = folder.config();
    let with_older = |args: &[&str]| {
        let args = [&["store"], args, &["--config", &config]].concat();
        let variable = "LICENCE_NODE_FILES__MASTER_KEY";
        Ran::of(child::program().env(variable, "keys/master.key").args(args).output().unwrap())
    };
    assert!(with_older(&older).ok().ends_with("proved\n"));
    assert!(with_older(&["drill", backups]).ended(1).contains("not the one of backup 2"));
    fs::remove_dir_all(folder.path("data")).unwrap();
    with_older(&["restore", backups, "--backup", "1"]).ok();
    assert!(with_older(&["check"]).ok().ends_with("sound\n"));
    // A restored store is put under the new key like any other.
    folder.set_file("master_key", "keys/master.key");
    rekey(&folder, "keys/new.key").ok();
    folder.set_file("master_key", "keys/new.key");
    folder.verify();
}

#[test]
fn a_start_ends_an_interrupted_change_or_takes_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let folder = node_with_licences(&dir.path().join("node"));
    let changed = folder.copy_to(&dir.path().join("changed"));
    rekey(&changed, "keys/new.key").ok();
    let after = contents(&changed);
    let staged = || {
        for (path, content) in key_files(&folder).iter().zip(&after) {
            fs::write(path.with_added_extension("staged"), content).unwrap();
        }
    };
    let marker = folder.0.join("data/master-key.commit");
    let left = || key_files(&folder).iter().any(|path| path.extension().unwrap() == "staged");

    // Killed before it was made: the older key opens all.
    let names = key_files(&folder);
    staged();
    assert_answers(&folder);
    assert!(!left() && key_files(&folder) == names);

    // Killed after it was made, when two files had their names already.
    staged();
    fs::write(&marker, "keys/new.key").unwrap();
    for path in &names[1..3] {
        fs::rename(path.with_added_extension("staged"), path).unwrap();
    }
    let told = folder.run(&["log", "search", "--config", &folder.config()]).ended(1);
    assert!(told.contains("a change of the master key was interrupted"), "{told}");
    let told = store(&folder, &["stats"]).ended(1);
    assert!(told.contains("this master key is not the one of") && told.contains("keys/new.key"), "{told}");
    assert!(!left() && !marker.exists() && contents(&folder) == after);
    folder.set_file("master_key", "keys/new.key");
    assert_answers(&folder);
}

#[test]
fn an_interrupted_import_goes_on_under_the_new_master_key() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::init(&dir.path().join("node"), "p256-sha256");
    folder.set("store", "import_checkpoint", 100);
    fs::write(folder.path("keys/new.key"), NEW.repeat(4)).unwrap();
    let all = records(11, 0..2_000);
    let content = json_lines(&all).into_bytes();
    fs::write(folder.path("a.jsonl"), &content).unwrap();
    let node = folder.open();
    let options = Options { resume: false, refused: None };
    let mut importer = Importer::new(&node.exchange, &node.store, options, Box::new(|_| ())).unwrap();
    importer.file("a.jsonl", Format::JsonLines, Failing(&content[..3 << 19])).unwrap_err();
    drop(importer);
    node.close().unwrap();
    drop(node);
    assert!(fs::read_dir(folder.path("data/store/import")).unwrap().count() > 1);

    rekey(&folder, "keys/new.key").ok();
    folder.set_file("master_key", "keys/new.key");
    folder.run(&["import", "a.jsonl", "--resume", "--config", &folder.config()]).ok();
    let node = folder.open();
    assert!(node.store.by_identifier(&all[1_999].identifier).unwrap().is_some());
    node.close().unwrap();
    drop(node);
    folder.verify();
}
