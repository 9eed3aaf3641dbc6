//! New keys come in, old ones go, and every licence is read all the while.

use serde_json::Value;

use super::*;
use crate::durable::{FaultDisk, Plan};
use crate::store::RekeyReport;
use crate::store::keys::KEY_FILE;

/// One export is enough to let go of the journal, so one run ends a change of the data key.
fn one_export() -> StoreSettings {
    StoreSettings { keep_exports: 1, ..settings() }
}

fn open_one(dir: &Path) -> Store {
    open_with(dir, &one_export(), &master(), Arc::new(RealDisk)).unwrap()
}

fn rekey(store: &Store) -> Result<RekeyReport, StoreError> {
    store.rekey_data(&|| Ok(master()), None, NOW, &Watch::default())
}

/// Numbers of the keys of a purpose in the key file, which is the same beside the exports.
fn numbers(dir: &Path, purpose: &str) -> Vec<u64> {
    let content = std::fs::read(dir.join(KEY_FILE)).unwrap();
    assert_eq!(std::fs::read(dir.join("exports").join(KEY_FILE)).unwrap(), content);
    let file: Value = serde_json::from_slice(&content).unwrap();
    let keys = file["body"]["keys"].as_array().unwrap();
    keys.iter().filter(|key| key["purpose"] == purpose).map(|key| key["id"].as_u64().unwrap()).collect()
}

/// Key and hash chain of every volume and export.
fn sealed_rows(dir: &Path) -> Vec<(u64, String)> {
    let paths = files(&dir.join("exports"));
    let manifests = paths.iter().filter(|path| path.extension().is_some_and(|end| end == "json"));
    let rows = manifests.filter(|path| !path.ends_with(KEY_FILE)).map(|path| {
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let rows = &file["body"]["rows"];
        (rows["key"].as_u64().unwrap(), rows["chain"].as_str().unwrap().to_owned())
    });
    rows.collect()
}

#[test]
fn a_new_salt_key_serves_new_batches_at_once_and_the_old_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store);
    let old = store.current_salt_key().id;
    // Sealed before and added after: it keeps its own.
    let before = sealed(&store, vec![record(31, 1)]);
    assert_eq!(store.rekey_salt(&|| Ok(master())).unwrap(), 5);
    assert_eq!(numbers(dir.path(), "salt"), [4, 5]);
    store.add_batches(vec![before]).unwrap();
    add(&store, vec![record(30, 1)]).unwrap();
    let new = store.current_salt_key().id;
    assert_eq!(new.0, "salt-5");
    let assert_salts = |store: &Store| {
        for (n, id) in [(1, &old), (31, &old), (30, &new)] {
            let found = store.by_identifier(&record(n, 1).identifier).unwrap().unwrap();
            assert_eq!(found.batch.seal.salt_key, *id);
            store.cut(&found, catalogue(), &|_| true).unwrap();
        }
        assert_eq!(store.current_salt_key().id, new);
        assert_filled(store);
    };
    assert_salts(&store);
    // From sled, and from the journal alone.
    drop(store);
    assert_salts(&open(dir.path()));
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    assert_salts(&open(dir.path()));
}

#[test]
fn an_import_and_a_change_of_the_data_key_do_not_begin_within_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_one(dir.path());
    fill(&store);
    let import = Intake::begin(&store, false).unwrap();
    assert!(matches!(rekey(&store), Err(StoreError::ImportUnderWay)));
    drop(import);
    Intake::abandon(&store).unwrap();
    // Each time that the master key is read the change is under way.
    let begun = || {
        assert!(matches!(Intake::begin(&store, false), Err(StoreError::Rekeying)));
        assert!(matches!(Intake::begin(&store, true), Err(StoreError::Rekeying)));
        Ok(master())
    };
    assert_eq!(store.rekey_data(&begun, None, NOW, &Watch::default()).unwrap().retired, [1]);
    // Also where the change fails.
    let unread = || Err(StoreError::MasterKeySource(licence_seal::crypto::CryptoError::Decryption));
    let failed = store.rekey_data(&unread, None, NOW, &Watch::default());
    assert!(matches!(failed, Err(StoreError::MasterKeySource(_))));
    drop(Intake::begin(&store, false).unwrap());
    assert_filled(&store);
}

#[test]
fn a_new_data_key_takes_over_everything_and_the_old_one_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_one(dir.path());
    fill(&store);
    store.fold().unwrap();
    store.export(NOW, &Watch::default()).unwrap();
    store.put("partner", "c", &serde_json::json!(1)).unwrap();
    store.remove("partner", "c").unwrap();
    let report = rekey(&store).unwrap();
    assert!(report.added && report.needing.is_empty(), "{report:?}");
    assert_eq!((report.key, report.retired), (5, vec![1]));
    // 6 batches, an impression, 3 statuses, 2 states, the counters, 3 packed indexes.
    assert_eq!(report.values, 16);
    assert_eq!(numbers(dir.path(), "data"), [5]);
    assert_filled(&store);
    add(&store, vec![record(40, 1)]).unwrap();
    drop(store);
    // From sled, and from exports and journal alone.
    for _ in 0..2 {
        let store = open_one(dir.path());
        assert_filled(&store);
        assert!(store.contains(&record(40, 1).identifier).unwrap());
        drop(store);
        std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    }
    // The next change begins anew.
    let store = open_one(dir.path());
    let report = rekey(&store).unwrap();
    assert_eq!((report.key, report.added, report.retired), (6, true, vec![5]));
    let report = rekey(&store).unwrap();
    assert_eq!((report.key, report.added, report.retired), (7, true, vec![6]));
    assert_filled(&store);
}

#[test]
fn the_old_data_key_stays_while_the_journal_needs_it_and_goes_later() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store);
    store.export(NOW, &Watch::default()).unwrap();
    store.put("partner", "b", &serde_json::json!(3)).unwrap();
    let before = sealed_rows(dir.path());
    let report = rekey(&store).unwrap();
    assert_eq!((report.needing, report.retired), (vec!["journal".to_owned()], vec![]));
    // A volume and an export of before under the new key, with the same rows; and a new export.
    let after = sealed_rows(dir.path());
    assert_eq!((before.len(), after.len()), (2, 3));
    assert!(after.iter().all(|(key, _)| *key == 5));
    assert!(before.iter().all(|(key, chain)| *key == 1 && after.contains(&(5, chain.clone()))));
    let names = files(dir.path()).into_iter().map(|path| path.display().to_string());
    assert!(!names.into_iter().any(|name| name.ends_with(".next")));
    assert_eq!(numbers(dir.path(), "data"), [1, 5]);
    drop(store);
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let store = open(dir.path());
    assert_filled(&store);
    store.put("partner", "a", &serde_json::json!(2)).unwrap();
    store.export(NOW, &Watch::default()).unwrap();
    let report = rekey(&store).unwrap();
    assert_eq!((report.key, report.added, report.values, report.retired), (5, false, 0, vec![1]));
    assert_filled(&store);
}

#[test]
fn an_ended_change_is_taken_up_again_and_adds_no_further_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_one(dir.path());
    fill(&store);
    store.export(NOW, &Watch::default()).unwrap();
    let watch = Watch::default();
    watch.cancel();
    let ended = store.rekey_data(&|| Ok(master()), Some(1_000_000), NOW, &watch);
    assert!(matches!(ended, Err(StoreError::Cancelled)));
    assert_filled(&store);
    let killed = tempfile::tempdir().unwrap();
    copy(dir.path(), killed.path());
    drop(store);
    let store = open_one(killed.path());
    assert_filled(&store);
    let report = rekey(&store).unwrap();
    assert_eq!((report.key, report.added, report.retired), (5, false, vec![1]));
    assert_filled(&store);
}

#[test]
fn another_master_key_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store);
    let before = std::fs::read(dir.path().join(KEY_FILE)).unwrap();
    let other = || Ok(Secret::from_bytes([8; 32]));
    assert!(matches!(store.rekey_salt(&other), Err(StoreError::WrongMasterKey(_))));
    let refused = store.rekey_data(&other, None, NOW, &Watch::default());
    assert!(matches!(refused, Err(StoreError::WrongMasterKey(_))));
    assert_eq!(std::fs::read(dir.path().join(KEY_FILE)).unwrap(), before);
    assert_filled(&store);
}

#[test]
fn readers_find_everything_while_the_values_change_their_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_one(dir.path());
    for batch in 0..30 {
        add(&store, (batch * 20..batch * 20 + 20).map(|n| record(n, 1)).collect()).unwrap();
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for n in (0..600).cycle() {
                let wanted = record(n, 1);
                assert_eq!(store.by_identifier(&wanted.identifier).unwrap().unwrap().record, wanted);
                if done.load(std::sync::atomic::Ordering::SeqCst) {
                    return;
                }
            }
        });
        let report = rekey(&store).unwrap();
        store.change_status(change(1, 1, State::Suspended)).unwrap();
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        reader.join().unwrap();
        assert_eq!(report.retired, [1]);
    });
    assert_sound(&store);
}

#[test]
fn a_power_loss_at_any_call_to_the_disk_leaves_a_whole_store() {
    let start = |dir: &Path, disk: &FaultDisk| {
        let settings = StoreSettings { export_dir: Some("exports".into()), ..one_export() };
        open_with(dir, &settings, &master(), Arc::new(disk.clone()))
    };
    let prepared = || {
        let (dir, disk) = (tempfile::tempdir().unwrap(), FaultDisk::new());
        let store = start(dir.path(), &disk).unwrap();
        fill(&store);
        store.export(NOW, &Watch::default()).unwrap();
        store.change_status(change(7, 1, State::Suspended)).unwrap();
        (dir, disk, store)
    };
    let (_dir, disk, store) = prepared();
    disk.plan(Plan::Work);
    rekey(&store).unwrap();
    let calls = disk.calls();
    drop(store);
    for stop in 0..calls {
        let (dir, disk, store) = prepared();
        disk.plan(Plan::StopAt(stop));
        let _ = rekey(&store);
        drop(store);
        let disk = disk.crash_reordered(stop);
        // With the sled that lies there, and without one.
        if stop % 2 == 1 {
            std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
        }
        let store = start(dir.path(), &disk).unwrap_or_else(|why| panic!("call {stop}: {why}"));
        assert_sound(&store);
        assert_eq!(store.stats().unwrap().licences, 21, "call {stop}");
        assert_eq!(store.last_change(), 4, "call {stop}");
        let report = rekey(&store).unwrap_or_else(|why| panic!("call {stop}: {why}"));
        assert!(report.needing.is_empty() && report.retired.len() == 1, "call {stop}: {report:?}");
        assert_sound(&store);
    }
}
