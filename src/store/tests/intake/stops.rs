//! An import that stops anywhere is taken up or dropped.

use super::*;
use crate::durable::{FaultDisk, Plan};

#[test]
fn a_sealing_that_stops_at_any_batch_is_taken_up_without_sealing_anything_twice() {
    let settings = StoreSettings { import_checkpoint: 1, ..settings() };
    let generator = Generator::new(catalogue(), 7, Region::TIANJIN).unwrap();
    let mut records: Vec<Record> = (0..60).map(|n| generator.record(n).unwrap()).collect();
    records.retain(|record| record.supersedes.is_none());
    records.extend(firsts(0..40));
    records.extend([record(3, 2), record(5, 2), record(3, 1)]);
    let good: Vec<Record> = records[..records.len() - 1].to_vec();
    let dir = tempfile::tempdir().unwrap();
    let reopen = || open_with(dir.path(), &settings, &master(), Arc::new(RealDisk)).unwrap();
    let store = reopen();
    let mut stops = 0;
    loop {
        let mut intake = Intake::begin(&store, true).unwrap();
        read(&mut intake, &records).unwrap();
        match seal(&store, &mut intake, true, 7) {
            Ok(_) => {
                intake.commit(&mut |_| ()).unwrap();
                break;
            }
            Err(StoreError::Closed) => stops += 1,
            Err(why) => panic!("{why}"),
        }
        assert!(matches!(Intake::begin(&store, false), Err(StoreError::ImportUnderWay)));
        assert_eq!(store.last_batch(), 0);
    }
    assert!(stops > 3, "{stops}");
    assert_holds(&store, &good);
    assert_eq!(state_of(&store, 3, 1), State::Superseded);
    drop(store);
    assert_holds(&reopen(), &good);
}

#[test]
fn a_change_while_a_sealing_is_interrupted_has_everything_resolved_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    add(&store, firsts(100..102)).unwrap();
    let mut lines = firsts(0..50);
    lines.extend([version(100, 3, 1), record(101, 2), record(7, 1)]);
    let mut intake = Intake::begin(&store, false).unwrap();
    read(&mut intake, &lines).unwrap();
    let (_, refused) = {
        intake.resolve(&mut |_, _| ()).unwrap();
        intake.begin_sealing(json!("sealing")).unwrap();
        seal(&store, &mut intake, false, u64::MAX)
    }
    .unwrap();
    assert_eq!(refused, BTreeMap::from([(53, Refused::Duplicate)]));
    drop(intake);
    // Sealed and about to be loaded: nothing may come in between.
    assert_eq!(import(&store, &lines, true).unwrap().committed.licences, 52);

    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    add(&store, firsts(100..102)).unwrap();
    let mut intake = Intake::begin(&store, false).unwrap();
    read(&mut intake, &lines).unwrap();
    assert!(matches!(seal(&store, &mut intake, false, 1), Err(StoreError::Closed)));
    drop(intake);
    add(&store, vec![record(100, 2)]).unwrap();
    add(&store, vec![record(200, 1)]).unwrap();
    let done = import(&store, &lines, true).unwrap();
    let wanted = [(51, Refused::AlreadySuperseded), (53, Refused::Duplicate)];
    assert_eq!(done.refused, wanted.into());
    assert_eq!(done.committed.licences, 51);
    let mut all = [firsts(0..50), firsts(100..102), firsts(200..201)].concat();
    all.extend([record(100, 2), record(101, 2)]);
    assert_holds(&store, &all);
}

#[test]
fn an_export_that_took_the_name_of_a_volume_of_an_interrupted_import_stays() {
    let settings = StoreSettings { import_checkpoint: 1, ..settings() };
    let generator = Generator::new(catalogue(), 7, Region::TIANJIN).unwrap();
    let records: Vec<Record> = (0..60).map(|n| generator.record(n).unwrap()).collect();
    for dropped in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = open_with(dir.path(), &settings, &master(), Arc::new(RealDisk)).unwrap();
        let mut intake = Intake::begin(&store, false).unwrap();
        read(&mut intake, &records).unwrap();
        assert!(matches!(seal(&store, &mut intake, false, 50), Err(StoreError::Closed)));
        drop(intake);
        let begun = files(&dir.path().join("exports"));
        let volume = begun.iter().find(|path| path.to_str().unwrap().contains("volume-")).unwrap();
        let (_, last) = volume.file_stem().unwrap().to_str().unwrap().rsplit_once('-').unwrap();
        for n in 0..last.parse().unwrap() {
            add(&store, firsts(100 + n..101 + n)).unwrap();
        }
        store.export(NOW, &Watch::default()).unwrap();
        assert!(volume.with_extension("json").exists());
        if dropped {
            Intake::abandon(&store).unwrap();
        } else {
            import(&store, &records, true).unwrap();
        }
        assert_sound(&store);
    }
}

#[test]
fn while_an_import_is_loaded_nothing_of_it_is_served_and_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    add(&store, firsts(0..4)).unwrap();
    let lines = [firsts(10..60), vec![record(0, 2)]].concat();
    import_until_loading(&store, &lines, false);
    // Loaded, and stopped before the one operation that makes it part of the store.
    let refuse = |_: u64| panic!("stopped while loading");
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Intake::begin(&store, true).unwrap().commit(&mut |loaded| {
            if loaded > 0 {
                refuse(loaded)
            }
        })
    }));
    assert!(stopped.is_err());
    drop(store);
    let store = open(dir.path());
    assert!(store.import_under_way());
    assert_holds(&store, &firsts(0..4));
    assert_eq!(state_of(&store, 0, 1), State::Valid);
    assert_eq!(store.history(&record(0, 1).identifier).unwrap().len(), 1);
    assert_eq!(store.changes_after(0).unwrap(), []);
    for refused in [
        add(&store, firsts(70..71)).map(drop),
        store.change_status(change(1, 1, State::Revoked)).map(drop),
        store.export(NOW, &Watch::default()).map(drop),
    ] {
        assert!(matches!(refused, Err(StoreError::ImportUnderWay)), "{refused:?}");
    }
    let copied = tempfile::tempdir().unwrap();
    drop(store);
    copy(dir.path(), copied.path());

    // Taken up. What is sealed needs the spool no more, so that is not read.
    flip(&dir.path().join("import/spool"), 0.5);
    let store = open(dir.path());
    import(&store, &lines, true).unwrap();
    assert_holds(&store, &[firsts(0..4), lines.clone()].concat());
    assert_eq!(state_of(&store, 0, 1), State::Superseded);
    // Dropped: sled is built anew without it.
    let store = open(copied.path());
    assert!(Intake::abandon(&store).unwrap());
    drop(store);
    let store = open(copied.path());
    assert_eq!(store.recovery().rebuilt, Some(RecoveryCause::Abandoned));
    assert!(!store.import_under_way() && !Intake::abandon(&store).unwrap());
    assert_holds(&store, &firsts(0..4));
    import(&store, &lines, false).unwrap();
    assert_holds(&store, &[firsts(0..4), lines].concat());
}

// ---- the machine stops ----

/// An import over a store that has something, with the disk as `plan` says.
fn on(dir: &Path, disk: &FaultDisk, plan: Plan) -> Result<Done, StoreError> {
    let store = fault_store(dir, disk)?;
    add(&store, firsts(0..4))?;
    disk.plan(plan);
    import(&store, &fault_lines(), true)
}

/// How many calls to the disk that takes.
fn calls() -> u64 {
    let (dir, disk) = (tempfile::tempdir().unwrap(), FaultDisk::new());
    let done = on(dir.path(), &disk, Plan::Work).unwrap();
    assert_eq!(done.committed.licences, fault_lines().len() as u64);
    disk.calls()
}

fn fault_store(dir: &Path, disk: &FaultDisk) -> Result<Store, StoreError> {
    let settings = StoreSettings { import_checkpoint: 12, export_dir: Some("exports".into()), ..settings() };
    open_with(dir, &settings, &master(), Arc::new(disk.clone()))
}

fn fault_lines() -> Vec<Record> {
    let generator = Generator::new(catalogue(), 7, Region::TIANJIN).unwrap();
    let mut lines: Vec<Record> = (0..6).map(|n| generator.record(n).unwrap()).collect();
    lines.retain(|record| record.supersedes.is_none());
    lines.extend(firsts(10..36));
    lines.extend([record(0, 2), record(12, 2)]);
    lines
}

/// Nothing of the import is there or all of it; then it is taken up.
fn after_a_stop(dir: &Path, disk: &FaultDisk, about: &str) {
    let lines = fault_lines();
    let all = [firsts(0..4), lines.clone()].concat();
    let store = fault_store(dir, disk).unwrap_or_else(|why| panic!("{about}: {why}"));
    match store.last_batch() {
        1 => {
            assert_holds(&store, &firsts(0..4));
            assert_eq!(state_of(&store, 0, 1), State::Valid, "{about}");
        }
        _ => assert_holds(&store, &all),
    }
    let done = import(&store, &lines, true).unwrap_or_else(|why| panic!("{about}: {why}"));
    let here = done.sealed.already_here + done.committed.licences;
    assert_eq!(here, lines.len() as u64, "{about}");
    assert_holds(&store, &all);
    assert_eq!(state_of(&store, 0, 1), State::Superseded, "{about}");
    drop(store);
    let store = fault_store(dir, disk).unwrap();
    assert!(!store.import_under_way());
    assert!(contents(&store, 0).len() == all.len(), "{about}");
}

#[test]
fn an_import_whose_machine_stops_at_any_call_is_taken_up() {
    let calls = calls();
    assert!(calls > 60, "{calls}");
    for stop in 0..calls {
        let (dir, disk) = (tempfile::tempdir().unwrap(), FaultDisk::new());
        // The last calls come after its end.
        let ended = on(dir.path(), &disk, Plan::StopAt(stop)).is_ok();
        let about = format!("stop at {stop} of {calls}, ended {ended}");
        after_a_stop(dir.path(), &disk.crash_reordered(stop), &about);
    }
}

#[test]
fn an_import_on_a_disk_that_fails_or_is_full_is_taken_up_when_there_is_room() {
    let calls = calls();
    for call in (0..calls).step_by(2) {
        let plan = match call / 2 % 3 {
            0 => Plan::FullFrom(call),
            1 => Plan::FailSync(call / 3),
            _ => Plan::FailAt(call, std::io::ErrorKind::Other),
        };
        let (dir, disk) = (tempfile::tempdir().unwrap(), FaultDisk::new());
        let _ = on(dir.path(), &disk, plan);
        disk.plan(Plan::Work);
        after_a_stop(dir.path(), &disk, &format!("{plan:?}"));
    }
}
