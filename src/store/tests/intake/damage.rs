//! Damaged files of an import, and of a store that imports filled.

use super::*;

/// Damages a file of an import that was stopped, and finds it named when it is taken up, nothing of it
/// in the store, and the store as before once it is dropped.
fn damaged_and_dropped(dir: &Path, lines: &[Record], file: &Path, part: f64) {
    let scratch = tempfile::tempdir().unwrap();
    copy(dir, scratch.path());
    flip(&scratch.path().join(file), part);
    let store = open(scratch.path());
    assert_holds(&store, &firsts(0..4));
    let name = file.file_name().unwrap().to_str().unwrap();
    let why = import(&store, lines, true).unwrap_err().to_string();
    assert!(why.contains(name), "{name}: {why}");
    assert_eq!(store.last_batch(), 1);
    drop(store);
    let store = open(scratch.path());
    assert_holds(&store, &firsts(0..4));
    assert!(Intake::abandon(&store).unwrap());
    drop(store);
    let store = open(scratch.path());
    import(&store, lines, false).unwrap();
    assert_holds(&store, &[firsts(0..4), lines.to_vec()].concat());
}

#[test]
fn a_damaged_file_of_an_import_is_named_and_nothing_goes_in() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [firsts(10..300), vec![record(0, 2)]].concat();
    let store = open(dir.path());
    add(&store, firsts(0..4)).unwrap();
    let mut intake = Intake::begin(&store, false).unwrap();
    read(&mut intake, &lines[..200]).unwrap();
    drop(intake);
    let reading = tempfile::tempdir().unwrap();
    copy(dir.path(), reading.path());
    import_until_loading(&store, &lines, true);
    drop(store);
    let of_import = files(&dir.path().join("import"));
    let volume = files(&dir.path().join("exports")).into_iter().find(|path| {
        path.extension().is_some_and(|ending| ending == "data") && path.to_str().unwrap().contains("volume-")
    });
    let volume = volume.unwrap();
    let volume = volume.strip_prefix(dir.path()).unwrap();
    for part in [0.2, 0.7, 1.0] {
        damaged_and_dropped(dir.path(), &lines, volume, part);
        damaged_and_dropped(dir.path(), &lines, Path::new("import/state.json"), part);
        // Read from until it is sealed.
        damaged_and_dropped(reading.path(), &lines, Path::new("import/spool"), part);
        damaged_and_dropped(reading.path(), &lines, Path::new("import/seen-00001"), part);
    }
    assert!(of_import.len() > 3);
}

#[test]
fn each_file_of_the_store_that_is_damaged_is_named_and_all_is_recovered_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let lines = firsts(10..200);
    import(&store, &lines, false).unwrap();
    store.export(NOW, &Watch::default()).unwrap();
    fill_live(&store);
    store.export(NOW, &Watch::default()).unwrap();
    store.change_status(change(10, 1, State::Suspended)).unwrap();
    drop(store);
    let all = |store: &Store| {
        assert_holds(store, &[lines.clone(), firsts(0..3)].concat());
        assert_eq!((state_of(store, 0, 1), state_of(store, 10, 1)), (State::Revoked, State::Suspended));
        assert_eq!(store.get("partner", "a").unwrap(), Some(json!(1)));
    };
    let exports = files(&dir.path().join("exports"));
    let mut damaged = 0;
    for path in exports.iter().filter(|path| path.extension().is_some()) {
        let file = path.strip_prefix(dir.path()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "keys" {
            continue;
        }
        let scratch = tempfile::tempdir().unwrap();
        copy(dir.path(), scratch.path());
        flip(&scratch.path().join(file), 0.6);
        // Sled does not need it, and the check names it.
        let store = open(scratch.path());
        let report = store.check(catalogue(), &CheckOptions::default()).unwrap();
        let named = report.findings.iter().any(|f| format!("{} {}", f.location, f.detail).contains(name));
        assert!(named, "{name}: {:?}", report.findings);
        assert_eq!(state_of(&store, 10, 1), State::Suspended);
        assert_eq!(contents(&store, 0).len(), 193);
        // Taken away, it is written anew by the next exports, and then sled may go.
        std::fs::remove_file(scratch.path().join(file)).unwrap();
        for n in 0..2 {
            store.put("later", "a", &json!(n)).unwrap();
            store.export(NOW, &Watch::default()).unwrap();
        }
        assert_sound(&store);
        drop(store);
        std::fs::remove_dir_all(scratch.path().join("sled")).unwrap();
        all(&open(scratch.path()));
        damaged += 1;
    }
    assert!(damaged >= 6, "{damaged}");
    all(&open(dir.path()));
}

/// A few live changes of all kinds.
fn fill_live(store: &Store) {
    add(store, firsts(0..3)).unwrap();
    store.change_status(change(0, 1, State::Revoked)).unwrap();
    store.put("partner", "a", &json!(1)).unwrap();
}
