//! sled made anew, and a compacting that was killed.

use super::*;

fn compact(dir: &Path) -> Result<CompactReport, StoreError> {
    let (settings, master, random) = (&settings(), &master(), Arc::new(SystemRandom::new()));
    OpenStore { dir, settings, master, random, disk: Arc::new(RealDisk) }.compact()
}

/// A store that was filled, rewritten a good deal, exported and closed.
fn closed(dir: &Path) {
    let store = open(dir);
    fill(&store);
    for turn in 0..40 {
        for n in 0..40 {
            let long = format!("{turn}{}", "x".repeat(5000));
            store.put("long", &n.to_string(), &serde_json::json!(long)).unwrap();
        }
    }
    store.export(NOW, &Watch::default()).unwrap();
}

fn assert_as_closed(store: &Store) {
    assert_filled(store);
    let long = store.list("long").unwrap();
    assert!(long.len() == 40 && long.iter().all(|(_, value)| value.as_str().unwrap().starts_with("39x")));
}

#[test]
fn sled_is_made_anew_smaller_and_holds_the_same() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    let report = compact(dir.path()).unwrap();
    assert!(report.bytes_after < report.bytes_before, "{report:?}");
    let store = open(dir.path());
    assert_eq!(*store.recovery(), Recovery::default());
    assert_as_closed(&store);
    add(&store, vec![record(300, 1)]).unwrap();
    drop(store);
    // What came after the export is not in it.
    assert!(matches!(compact(dir.path()), Err(StoreError::File { .. })));
    assert!(!dir.path().join("sled.new").exists());
    assert_as_closed(&open(dir.path()));
}

#[test]
fn a_store_that_was_not_closed_or_whose_export_is_damaged_stays_as_it_is() {
    let (dir, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    closed(dir.path());
    let store = open(dir.path());
    copy(dir.path(), killed.path());
    drop(store);
    assert!(matches!(compact(killed.path()), Err(StoreError::File { .. })));
    let export = |path: &std::path::PathBuf| path.to_str().unwrap().contains("export-0");
    let data = files(&dir.path().join("exports")).into_iter().find(export).unwrap();
    let mut content = std::fs::read(&data).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(&data, content).unwrap();
    assert!(compact(dir.path()).is_err());
    assert!(!dir.path().join("sled.new").exists());
    let store = open(dir.path());
    assert_eq!(*store.recovery(), Recovery::default());
    assert!(store.contains(&record(1, 1).identifier).unwrap());
}

#[test]
fn a_compacting_that_was_killed_is_ended_by_the_next_start() {
    let (dir, made) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    closed(dir.path());
    copy(dir.path(), made.path());
    compact(made.path()).unwrap();
    // What each moment leaves: the new one half made, whole, and in the two steps of the change.
    type Left = fn(&Path, &Path);
    let moments: [(Left, bool); 4] = [
        (|old, _| std::fs::create_dir(old.join("sled.new")).unwrap(), false),
        (|old, made| copy(&made.join("sled"), &old.join("sled.new")), true),
        (
            |old, made| {
                copy(&made.join("sled"), &old.join("sled.new"));
                std::fs::rename(old.join("sled"), old.join("sled.old")).unwrap();
            },
            true,
        ),
        (
            |old, made| {
                std::fs::rename(old.join("sled"), old.join("sled.old")).unwrap();
                copy(&made.join("sled"), &old.join("sled"));
            },
            true,
        ),
    ];
    for (left, whole) in moments {
        let after = tempfile::tempdir().unwrap();
        copy(dir.path(), after.path());
        left(after.path(), made.path());
        if whole {
            let note = "checkpoint.json";
            std::fs::copy(made.path().join(note), after.path().join(note)).unwrap();
        }
        let store = open(after.path());
        assert_eq!(*store.recovery(), Recovery::default());
        assert!(!after.path().join("sled.new").exists() && !after.path().join("sled.old").exists());
        assert_as_closed(&store);
    }
}
