//! Kills, lost sled folders, exports.

use super::*;

#[test]
fn all_is_there_after_a_clean_close() {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()));
    let store = open(dir.path());
    assert_eq!(*store.recovery(), Recovery::default());
    assert_filled(&store);
}

#[test]
fn a_killed_store_has_all_that_was_acknowledged() {
    let (dir, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    fill(&store);
    copy(dir.path(), after.path());
    drop(store);
    let store = open(after.path());
    assert!(store.recovery().unclean);
    assert_eq!(store.recovery().replayed, store.stats().unwrap().operations);
    assert_filled(&store);
}

#[test]
fn what_a_killed_sorting_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()));
    let left = dir.path().join("scratch/check-id-00007");
    std::fs::create_dir_all(left.parent().unwrap()).unwrap();
    std::fs::write(&left, "a run").unwrap();
    let store = open(dir.path());
    assert!(!left.exists());
    assert_filled(&store);
    assert_sound(&store);
}

#[test]
fn a_deleted_sled_folder_is_rebuilt_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()));
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let store = open(dir.path());
    assert_eq!(store.recovery().rebuilt, Some(RecoveryCause::Missing));
    assert_filled(&store);
    drop(store);
    assert_eq!(open(dir.path()).recovery().rebuilt, None);
}

#[test]
fn a_deleted_sled_folder_is_rebuilt_from_export_and_journal() {
    let dir = tempfile::tempdir().unwrap();
    let settings = StoreSettings { keep_exports: 1, journal_segment_bytes: 4096, ..settings() };
    let reopen = || open_with(dir.path(), &settings, &master(), Arc::new(RealDisk)).unwrap();
    let store = reopen();
    add(&store, (100..104).map(|n| record(n, 1)).collect()).unwrap();
    store.put("partner", "old", &serde_json::json!(0)).unwrap();
    let report = store.export(NOW, &Watch::default()).unwrap();
    assert_eq!(report.operations, 2);
    assert!(report.journal_removed_through.is_some());
    assert_eq!(store.stats().unwrap().exported_operations, Some(2));
    store.remove("partner", "old").unwrap();
    fill(&store);
    drop(store);
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let store = reopen();
    assert_eq!(store.recovery().from_export, Some(report.file.with_extension("json")));
    assert!(store.contains(&record(103, 1).identifier).unwrap());
    assert_filled(&store);
    // And once more with an export that covers all, and an empty journal.
    store.export(NOW, &Watch::default()).unwrap();
    drop(store);
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let store = reopen();
    assert_eq!(store.recovery().replayed, 0);
    assert_filled(&store);
    add(&store, vec![record(200, 1)]).unwrap();
    drop(store);
    assert_filled(&reopen());
}

#[test]
fn a_damaged_newest_export_is_passed_over_for_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store);
    assert_eq!(store.export(NOW, &Watch::default()).unwrap().journal_removed_through, None);
    store.put("partner", "b", &serde_json::json!(2)).unwrap();
    let newest = store.export(NOW, &Watch::default()).unwrap();
    assert!(newest.journal_removed_through.is_some());
    drop(store);
    let mut data = std::fs::read(&newest.file).unwrap();
    let middle = data.len() / 2;
    data[middle] ^= 1;
    std::fs::write(&newest.file, data).unwrap();
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let store = open(dir.path());
    assert_eq!(store.recovery().bad_exports.len(), 1);
    assert_eq!(store.get("partner", "b").unwrap(), Some(serde_json::json!(2)));
    // The check names it; with the exports that follow it goes.
    let report = store.check(catalogue(), &CheckOptions::default()).unwrap();
    assert_eq!(report.findings.iter().map(|finding| &*finding.name).collect::<Vec<_>>(), ["export"]);
    for n in 0..2 {
        store.put("partner", "c", &serde_json::json!(n)).unwrap();
        store.export(NOW, &Watch::default()).unwrap();
    }
    let data = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("export-") && name.ends_with(".data")
    };
    assert_eq!(files(&dir.path().join("exports")).into_iter().filter(data).count(), 2);
    assert_sound(&store);
}

#[test]
fn an_older_sled_folder_is_a_lost_tail_and_is_moved_aside() {
    let (dir, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(open(dir.path()));
    copy(&dir.path().join("sled"), old.path());
    fill(&open(dir.path()));
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    copy(old.path(), &dir.path().join("sled"));
    let store = open(dir.path());
    assert!(matches!(store.recovery().rebuilt, Some(RecoveryCause::LostTail(_))));
    assert_eq!(store.recovery().moved_aside, Some(dir.path().join("sled.damaged-1")));
    assert!(dir.path().join("sled.damaged-1").exists());
    assert_filled(&store);
}

#[test]
fn a_probe_that_fails_has_sled_rebuilt_and_is_asked_only_after_an_unclean_stop() {
    let (dir, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let probing = |command: &str| StoreSettings {
        probe: Some(vec!["sh".into(), "-c".into(), command.into()]),
        ..settings()
    };
    let start = |dir: &Path, command| open_with(dir, &probing(command), &master(), Arc::new(RealDisk));
    let store = start(dir.path(), "exit 9").unwrap();
    fill(&store);
    copy(dir.path(), after.path());
    drop(store);
    assert_eq!(start(dir.path(), "exit 9").unwrap().recovery().rebuilt, None);
    assert!(matches!(start(after.path(), "exit 64"), Err(StoreError::Probe(..))));
    let store = start(after.path(), "kill -ABRT $$").unwrap();
    assert!(matches!(store.recovery().rebuilt, Some(RecoveryCause::Probe(_))));
    assert_filled(&store);
    drop(store);
    probe_sled(&after.path().join("sled")).unwrap();
}

#[test]
fn exports_go_on_while_changes_come_in() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 300..330 {
                add(&store, vec![record(n, 1)]).unwrap();
                store.put("n", &(n % 3).to_string(), &serde_json::json!("x".repeat(7000))).unwrap();
            }
        });
        for _ in 0..5 {
            store.export(NOW, &Watch::default()).unwrap();
        }
        writer.join().unwrap();
    });
    drop(store);
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let store = open(dir.path());
    assert!(store.recovery().from_export.is_some());
    assert!(store.contains(&record(329, 1).identifier).unwrap());
    assert_filled(&store);
}

#[test]
fn one_process_at_a_time_holds_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    let second = try_open(dir.path());
    assert!(matches!(second, Err(StoreError::Durable(crate::durable::DurableError::Locked(_)))));
}

/// Not a test of its own: the process that is killed below, told where by the environment.
#[test]
fn writes_until_it_is_killed() {
    use std::io::Write;
    let Ok(dir) = std::env::var("LICENCE_STORE_TO_KILL") else { return };
    let settings = StoreSettings { checkpoint_bytes: 20_000, journal_segment_bytes: 30_000, ..settings() };
    let store = open_with(Path::new(&dir), &settings, &master(), Arc::new(RealDisk)).unwrap();
    for n in 0.. {
        let key = n.to_string();
        if store.get("n", &key).unwrap().is_some() {
            continue;
        }
        // The last killing may have come between the steps.
        let found = store.by_identifier(&record(n, 1).identifier).unwrap();
        if found.is_none() {
            add(&store, vec![record(n, 1)]).unwrap();
        }
        if found.is_none_or(|found| found.status.state == State::Valid) {
            store.change_status(change(n, 1, State::Suspended)).unwrap();
        }
        store.put("n", &key, &serde_json::json!("x".repeat(7000))).unwrap();
        writeln!(std::io::stderr(), "acknowledged {n}").unwrap();
        if n % 10 == 7 {
            store.export(NOW, &Watch::default()).unwrap();
        }
    }
}

#[test]
fn whatever_a_killed_process_had_acknowledged_is_there() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = None;
    for more in [3, 9, 1, 14] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::recovery::writes_until_it_is_killed", "--nocapture"])
            .env("LICENCE_STORE_TO_KILL", dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let numbers =
            lines.filter_map(|line| line.unwrap().strip_prefix("acknowledged ")?.parse::<u32>().ok());
        acknowledged = numbers.take(more).last().or(acknowledged);
        child.kill().unwrap();
        child.wait().unwrap();
        let store = open(dir.path());
        assert!(store.recovery().unclean);
        for n in 0..=acknowledged.unwrap() {
            let found = store.by_identifier(&record(n, 1).identifier).unwrap().unwrap();
            assert_eq!(found.status.state, State::Suspended);
            assert!(store.get("n", &n.to_string()).unwrap().is_some());
        }
        assert_sound(&store);
    }
}

#[test]
fn an_export_that_fails_at_any_call_loses_nothing() {
    use crate::durable::{FaultDisk, Plan};
    let settings = StoreSettings { keep_exports: 1, ..settings() };
    for call in (0..80).step_by(2) {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new();
        let store = open_with(dir.path(), &settings, &master(), Arc::new(disk.clone())).unwrap();
        add(&store, vec![record(1, 1), record(2, 1)]).unwrap();
        store.export(NOW, &Watch::default()).unwrap();
        add(&store, vec![record(3, 1)]).unwrap();
        disk.plan(Plan::FailAt(call, std::io::ErrorKind::StorageFull));
        let failed = store.export(NOW, &Watch::default()).is_err();
        disk.plan(Plan::Work);
        add(&store, vec![record(4, 1)]).unwrap();
        // Power is lost, and sled with it.
        let after = disk.crash(0);
        drop(store);
        std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
        let store = open_with(dir.path(), &settings, &master(), Arc::new(after)).unwrap();
        assert!((1..=4).all(|n| store.contains(&record(n, 1).identifier).unwrap()), "call {call}");
        assert_sound(&store);
        if !failed {
            assert!(call > 10, "{call}");
            return;
        }
    }
    panic!("an export takes fewer calls");
}
