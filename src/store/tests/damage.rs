//! What is damaged is found and never served as truth; what lies on disk is ciphertext.

use super::*;
use crate::store::forms::op;

/// Opens a damaged store and demands of all it serves that it is what was stored. `true` if it
/// served everything.
fn serves_only_truth(dir: &Path) -> bool {
    let Ok(store) = try_open(dir) else { return false };
    let mut all = true;
    for n in 0..20 {
        match store.by_identifier(&record(n, 1).identifier) {
            Ok(Some(found)) => assert_eq!(found.record, record(n, 1)),
            // Missing without a word would be a lie about something that was acknowledged.
            Ok(None) => panic!("licence {n} vanished"),
            Err(_) => all = false,
        }
    }
    all
}

#[test]
fn a_wrong_master_key_is_a_clear_error_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()));
    let wrong = open_with(dir.path(), &settings(), &Secret::from_bytes([1; 32]), Arc::new(RealDisk));
    assert!(matches!(wrong, Err(StoreError::WrongMasterKey(_))));
    assert_filled(&open(dir.path()));
}

#[test]
fn a_store_without_its_key_file_is_not_taken_for_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store);
    store.export(NOW, &Watch::default()).unwrap();
    drop(store);
    let keys = dir.path().join("keys.json");
    std::fs::remove_file(&keys).unwrap();
    assert!(matches!(try_open(dir.path()), Err(StoreError::KeyFile { .. })));
    // Every export has a copy.
    std::fs::copy(dir.path().join("exports/keys.json"), keys).unwrap();
    assert_filled(&open(dir.path()));
}

#[test]
fn a_sample_of_any_size_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store);
    for every in [1, 2, 5, 7, 1 << 58, u64::MAX] {
        let report = store.check(catalogue(), &CheckOptions { every, ..CheckOptions::default() }).unwrap();
        assert!(report.is_sound(), "{every}: {:?}", report.findings);
        assert_eq!(report.batches, 6_u64.div_ceil(every));
    }
}

#[test]
fn flipped_bytes_in_sled_are_never_served_as_truth() {
    let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(&open(dir.path()));
    // First as a log that is read through at the next opening, then with a snapshot, when pages are
    // read only as they are needed.
    for kind in ["log", "snapshot"] {
        let sled = dir.path().join("sled");
        let named = |path: &std::path::PathBuf, start: &str| {
            path.file_name().unwrap().to_str().unwrap().starts_with(start)
        };
        assert_eq!(files(&sled).iter().any(|path| named(path, "snap.")), kind == "snapshot");
        for turn in 0..10 {
            let to = scratch.path().join(format!("{kind}{turn}"));
            copy(dir.path(), &to);
            let start = if kind == "snapshot" && turn == 0 { "snap." } else { "db" };
            let file = files(&to.join("sled")).into_iter().find(|path| named(path, start)).unwrap();
            let mut content = std::fs::read(&file).unwrap();
            let used: Vec<usize> = (0..content.len()).filter(|at| content[*at] != 0).collect();
            let at = used[used.len() * turn / 10];
            content.iter_mut().skip(at).take(16).for_each(|byte| *byte ^= 0x5a);
            std::fs::write(file, content).unwrap();
            if serves_only_truth(&to) {
                continue;
            }
            // Sled is thrown away, and everything is there again.
            std::fs::remove_dir_all(to.join("sled")).unwrap();
            assert_filled(&open(&to));
        }
        drop(open(dir.path()));
    }
}

/// A closed store whose sled has a snapshot and more than 2 MB of log.
fn closed_with_snapshot(dir: &Path) {
    let store = open(dir);
    fill(&store);
    for n in 0..300 {
        let long: String = (0..600).map(|at| format!("{:x}", (at * 7919 + n * 31) % 4096)).collect();
        store.put("long", &n.to_string(), &serde_json::json!([long, long, long, long])).unwrap();
    }
    drop(store);
    drop(open(dir));
    assert!(snapshots(&dir.join("sled")).len() == 1, "{:?}", files(&dir.join("sled")));
}

fn snapshots(dir: &Path) -> Vec<std::path::PathBuf> {
    let named = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("snap.");
    files(dir).into_iter().filter(named).collect()
}

fn assert_filled_and_long(store: &Store) {
    assert_filled(store);
    assert_eq!(store.list("long").unwrap().len(), 300);
}

#[test]
fn a_log_that_lost_its_end_is_found_and_sled_rebuilt() {
    let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    closed_with_snapshot(dir.path());
    let length = std::fs::metadata(dir.path().join("sled/db")).unwrap().len();
    assert!(length > 2 << 20, "{length}");
    for (at, cut) in [1 << 20, 4096, length / 2].into_iter().enumerate() {
        for with_snapshot in [true, false] {
            let to = scratch.path().join(format!("{at}{with_snapshot}"));
            copy(dir.path(), &to);
            if !with_snapshot {
                snapshots(&to.join("sled")).into_iter().for_each(|path| std::fs::remove_file(path).unwrap());
            }
            let file = std::fs::OpenOptions::new().write(true).open(to.join("sled/db")).unwrap();
            file.set_len(length - cut).unwrap();
            let store = open(&to);
            println!("{cut}, {with_snapshot}: {:?}", store.recovery());
            assert!(store.recovery().rebuilt.is_some(), "{cut} bytes cut, {with_snapshot}");
            assert_filled_and_long(&store);
        }
    }
    // A start after an ordinary close finds nothing to do.
    assert_eq!(*open(dir.path()).recovery(), Recovery::default());
}

#[test]
fn damaged_snapshots_are_set_aside_and_sled_opened_without_them() {
    let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    closed_with_snapshot(dir.path());
    let [snapshot] = &snapshots(&dir.path().join("sled"))[..] else { panic!("one snapshot") };
    let content = std::fs::read(snapshot).unwrap();
    let name = snapshot.file_name().unwrap().to_str().unwrap().to_owned();
    let mut flipped = content.clone();
    flipped[content.len() / 2] ^= 0x10;
    let cut = content[..content.len() / 2].to_vec();
    let generating = format!("{name}.generating");
    for (at, damage) in [(&name, flipped), (&name, cut), (&generating, Vec::new())].into_iter().enumerate() {
        let to = scratch.path().join(at.to_string());
        copy(dir.path(), &to);
        std::fs::write(to.join("sled").join(damage.0), damage.1).unwrap();
        let store = open(&to);
        let recovery = store.recovery();
        println!("{at}: {recovery:?}");
        assert!(matches!(recovery.without_snapshots, Some(RecoveryCause::Open(_))), "{recovery:?}");
        assert_eq!((&recovery.rebuilt, &recovery.moved_aside), (&None, &None));
        assert_eq!(recovery.snapshots_aside, Some(to.join("snapshots.damaged-1")));
        assert!(!snapshots(&to.join("snapshots.damaged-1")).is_empty());
        assert_filled_and_long(&store);
        drop(store);
        assert_eq!(*open(&to).recovery(), Recovery::default());
    }
    // Where the log is no good either, it is rebuilt as ever.
    let to = scratch.path().join("both");
    copy(dir.path(), &to);
    std::fs::write(to.join("sled").join(&name), b"none").unwrap();
    std::fs::write(to.join("sled/db"), vec![0x5a; 3 << 20]).unwrap();
    let store = open(&to);
    assert!(store.recovery().rebuilt.is_some() && store.recovery().without_snapshots.is_none());
    assert_filled_and_long(&store);
}

#[test]
fn a_flush_syncs_every_file_that_sled_writes() {
    let dir = tempfile::tempdir().unwrap();
    closed_with_snapshot(dir.path());
    for path in files(&dir.path().join("sled")) {
        let name = path.strip_prefix(dir.path().join("sled")).unwrap().to_str().unwrap();
        // A snapshot can be lost: sled reads its log instead.
        assert!(["db", "conf"].contains(&name) || name.starts_with("snap."), "{name}");
    }
    assert!(dir.path().join("sled/blobs").is_dir());
}

#[test]
fn a_flipped_byte_in_the_journal_is_an_error_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()));
    let segment = files(&dir.path().join("journal")).into_iter().find(|f| f.ends_with("segment-0000000001"));
    let segment = segment.unwrap();
    let content = std::fs::read(&segment).unwrap();
    for at in [20, 60, content.len() / 2, content.len() - 1] {
        let mut changed = content.clone();
        changed[at] ^= 1;
        std::fs::write(&segment, changed).unwrap();
        let found = try_open(dir.path()).err();
        let named = matches!(found, Some(StoreError::Durable(_) | StoreError::JournalBehind { .. }));
        assert!(named, "byte {at}: {found:?}");
    }
    // A journal that is gone altogether, too.
    std::fs::remove_dir_all(dir.path().join("journal")).unwrap();
    assert!(matches!(try_open(dir.path()), Err(StoreError::JournalBehind { .. })));
}

#[test]
fn a_journal_that_begins_too_late_without_an_export_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let settings = StoreSettings { keep_exports: 1, ..settings() };
    let reopen = || open_with(dir.path(), &settings, &master(), Arc::new(RealDisk));
    let store = reopen().unwrap();
    fill(&store);
    store.export(NOW, &Watch::default()).unwrap();
    store.put("a", "b", &serde_json::json!(1)).unwrap();
    drop(store);
    std::fs::remove_dir_all(dir.path().join("exports")).unwrap();
    // Sled has it all.
    assert_filled(&reopen().unwrap());
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    assert!(matches!(reopen(), Err(StoreError::NothingCovers { .. })));
}

#[test]
fn changed_side_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()));
    let path = dir.path().join("checkpoint.json");
    let content = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, content.replace("\"licences\":21", "\"licences\":20")).unwrap();
    assert!(matches!(try_open(dir.path()), Err(StoreError::File { .. })));
    // Without it, sled is not relied upon.
    std::fs::remove_file(&path).unwrap();
    let store = open(dir.path());
    assert!(matches!(store.recovery().rebuilt, Some(RecoveryCause::LostTail(_))));
    assert_filled(&store);
}

#[test]
fn the_check_names_every_kind_of_fault() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store);
    let names = |store: &Store| {
        let report = store.check(catalogue(), &CheckOptions::default()).unwrap();
        let mut names: Vec<_> = report.findings.into_iter().map(|finding| finding.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    assert!(names(&store).is_empty());
    let engine = store.engine();
    let key = |number: u64, part: u16| [number.to_be_bytes().as_slice(), &part.to_be_bytes()].concat();
    let keep = |tree: &sled::Tree, key: &[u8]| tree.get(key).unwrap().unwrap();

    let (tree, first) = (&engine.trees.batch.tree, key(1, 0));
    let old = keep(tree, &first);
    let mut changed = old.to_vec();
    changed[20] ^= 1;
    tree.insert(&first, changed).unwrap();
    assert_eq!(names(&store), ["batchDamaged", "indexStray", "licenceCount"]);
    assert!(matches!(store.by_identifier(&record(0, 1).identifier), Err(StoreError::Damaged { .. })));
    // Another batch's ciphertext in its place.
    tree.insert(&first, keep(tree, &key(2, 0))).unwrap();
    assert!(names(&store).contains(&"batchDamaged".into()));
    tree.remove(&first).unwrap();
    assert!(names(&store).contains(&"batchMissing".into()));
    assert!(store.by_identifier(&record(0, 1).identifier).is_err());
    tree.insert(&first, old).unwrap();
    assert!(names(&store).is_empty());

    for tree in [&engine.trees.id.tree, &engine.trees.holder.tree, &engine.trees.number.tree] {
        // Not a licence with a status change, which would be a stray one then.
        let unchanged = |at: &[u8]| engine.trees.status.tree.scan_prefix(&at[..op::ID_KEY]).next().is_none();
        let (at, value) = tree.iter().map(Result::unwrap).find(|(at, _)| unchanged(at)).unwrap();
        tree.remove(&at).unwrap();
        assert_eq!(names(&store), ["indexMissing"]);
        let mut stray = at.to_vec();
        stray[0] ^= 1;
        tree.insert(&stray, value.clone()).unwrap();
        assert_eq!(names(&store), ["indexMissing", "indexStray"]);
        tree.insert(&at, value).unwrap();
        assert_eq!(names(&store), ["indexStray"]);
        tree.remove(stray).unwrap();
    }
    let (at, value) = engine.trees.status.tree.first().unwrap().unwrap();
    engine.trees.status.tree.remove(&at).unwrap();
    assert_eq!(names(&store), ["changeMissing"]);
    engine.trees.status.tree.insert(&at, value).unwrap();
    let (at, value) = engine.trees.state.tree.first().unwrap().unwrap();
    engine.trees.state.tree.insert(&at, &value[..20]).unwrap();
    assert_eq!(names(&store), ["stateDamaged"]);
    engine.trees.state.tree.insert(&at, value).unwrap();
    for entry in engine.trees.impression.tree.iter() {
        engine.trees.impression.tree.remove(entry.unwrap().0).unwrap();
    }
    assert_eq!(names(&store), ["impressionMissing", "stampSigner"]);
}

#[test]
fn a_batch_sealed_with_another_key_or_a_changed_record_is_a_finding() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut batch, impression) = sealed(&store, vec![record(1, 1)]);
    let mut raw = *batch.seal.stamp.signature.raw();
    raw[40] ^= 1;
    batch.seal.stamp.signature = licence_seal::crypto::Signature::from_raw(raw);
    store.add_batches(vec![(batch, impression)]).unwrap();
    let (mut batch, impression) = sealed(&store, vec![record(2, 1)]);
    batch.records[0].number.push('改');
    store.add_batches(vec![(batch, impression)]).unwrap();
    let report = store.check(catalogue(), &CheckOptions::default()).unwrap();
    let found: Vec<_> = report.findings.iter().map(|f| (&*f.name, f.location.as_str())).collect();
    assert_eq!(found, [("stampSignature", "batch 1"), ("leaf", "batch 2 slot 0")]);
    let few = CheckOptions { max_findings: 1, ..CheckOptions::default() };
    assert_eq!(store.check(catalogue(), &few).unwrap().more_findings, 1);
    let sample = store.check(catalogue(), &CheckOptions { every: 2, ..CheckOptions::default() }).unwrap();
    assert_eq!((sample.batches, sample.findings.len()), (1, 1));
}

#[test]
fn the_folder_holds_no_name_code_or_number_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store);
    store.export(NOW, &Watch::default()).unwrap();
    let mut secrets = vec!["某机关".to_owned(), "issuer-1".to_owned(), "依申请".to_owned()];
    for n in 0..20 {
        let record = record(n, 1);
        secrets.extend([
            record.identifier.serial().to_owned(),
            record.number.clone(),
            record.holders[0].name().to_owned(),
            record.holders[0].code().to_owned(),
        ]);
    }
    let finder =
        |content: &[u8], secret: &str| content.windows(secret.len()).any(|at| at == secret.as_bytes());
    let check = || {
        for file in files(dir.path()) {
            let content = std::fs::read(&file).unwrap();
            // Zeros fill most of sled's files.
            let content: Vec<u8> =
                content.split(|byte| *byte == 0).flat_map(|part| [part, b"\0"].concat()).collect();
            let dense: Vec<&[u8]> = content.split(|b| *b == 0).filter(|part| part.len() > 5).collect();
            for secret in &secrets {
                assert!(!dense.iter().any(|part| finder(part, secret)), "{} in {}", secret, file.display());
            }
        }
    };
    check();
    drop(store);
    check();
}
