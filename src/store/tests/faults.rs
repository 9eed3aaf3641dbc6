//! The machine stops at any call to the disk, and what was not fsynced arrives in any order.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::durable::{FaultDisk, Plan};

/// A change, and whether it changed anything.
type Step = fn(&Store) -> Result<bool, StoreError>;

/// Changes of every kind, each to happen wholly or not at all.
const STEPS: &[Step] = &[
    |store| add(store, vec![record(1, 1), record(2, 1)]).map(|_| true),
    |store| store.put("partner", "a", &json!({"name": "某机关"})).map(|()| true),
    |store| store.change_status(change(1, 1, State::Suspended)).map(|_| true),
    |store| store.export(NOW, &Watch::default()).map(|_| false),
    |store| {
        let batches =
            vec![sealed(store, vec![record(3, 1)]), sealed(store, vec![record(2, 2), record(4, 1)])];
        store.add_batches(batches).map(|_| true)
    },
    |store| store.insert("code", "once", &json!("值".repeat(2000))),
    |store| store.remove("partner", "a"),
    |store| store.change_status(change(1, 1, State::Revoked)).map(|_| true),
    |store| store.export(NOW.plus_secs(1), &Watch::default()).map(|_| false),
    |store| store.put("code", "once", &json!("again")).map(|()| true),
    |store| add(store, vec![record(5, 1)]).map(|_| true),
];

/// All that the steps can change.
type Seen = (BTreeMap<(u32, u16), State>, Vec<(String, Value)>, u64, u64);

fn seen(store: &Store) -> Seen {
    let mut licences = BTreeMap::new();
    for (n, version) in [(1, 1), (2, 1), (2, 2), (3, 1), (4, 1), (5, 1)] {
        if let Some(found) = store.by_identifier(&record(n, version).identifier).unwrap() {
            assert_eq!(found.record, record(n, version));
            licences.insert((n, version), found.status.state);
        }
    }
    let states = ["partner", "code"].into_iter().flat_map(|kind| store.list(kind).unwrap()).collect();
    (licences, states, store.last_change(), store.stats().unwrap().licences)
}

fn start(dir: &Path, disk: &FaultDisk) -> Result<Store, StoreError> {
    let settings = StoreSettings {
        keep_exports: 1,
        checkpoint_bytes: 3000,
        journal_segment_bytes: 6000,
        // The same place for the disk wherever sled lies.
        export_dir: Some("exports".into()),
        ..settings()
    };
    open_with(dir, &settings, &master(), Arc::new(disk.clone()))
}

/// What is to be seen after each number of steps, and the calls to the disk that all of them take.
fn expected() -> (Vec<Seen>, u64) {
    let (dir, disk) = (tempfile::tempdir().unwrap(), FaultDisk::new());
    disk.plan(Plan::Work);
    let store = start(dir.path(), &disk).unwrap();
    let mut all = vec![seen(&store)];
    for step in STEPS {
        step(&store).unwrap();
        all.push(seen(&store));
    }
    drop(store);
    (all, disk.calls())
}

/// What the next start sees, once with sled as it lies there and once without it, which must be the same.
fn after_power_loss(dir: &Path, disk: &FaultDisk, seed: u64, about: &str) -> Seen {
    let [with_sled, without_sled] = [true, false].map(|with_sled| {
        if !with_sled {
            let _ = std::fs::remove_dir_all(dir.join("sled"));
        }
        let store = start(dir, &disk.crash_reordered(seed)).unwrap_or_else(|why| panic!("{about}: {why}"));
        assert_sound(&store);
        let found = seen(&store);
        // And it goes on.
        store.put("later", "a", &json!(seed)).unwrap();
        found
    });
    assert_eq!(with_sled, without_sled, "{about}");
    with_sled
}

#[test]
fn a_machine_that_stops_at_any_call_loses_nothing_acknowledged() {
    let (expected, calls) = expected();
    for stop in 0..calls {
        let (dir, disk) = (tempfile::tempdir().unwrap(), FaultDisk::new());
        disk.plan(Plan::StopAt(stop));
        let store = start(dir.path(), &disk);
        let acknowledged = match &store {
            Ok(store) => STEPS.iter().take_while(|step| step(store).is_ok()).count(),
            Err(_) => 0,
        };
        drop(store);
        // The one that was stopped may have happened.
        let possible = &expected[acknowledged..(acknowledged + 2).min(expected.len())];
        let about = format!("stop at {stop}, {acknowledged} done");
        let found = after_power_loss(dir.path(), &disk, stop, &about);
        assert!(possible.contains(&found), "{about}: {found:?}");
    }
}

#[test]
fn a_disk_that_fails_or_is_full_refuses_changes_and_loses_none() {
    let (_, calls) = expected();
    let plans = (0..calls).step_by(2).map(|n| match n % 3 {
        0 => Plan::FullFrom(n),
        1 => Plan::FailSync(n / 2),
        _ => Plan::FailAt(n, std::io::ErrorKind::Other),
    });
    for (seed, plan) in (0..).zip(plans) {
        let (dir, disk) = (tempfile::tempdir().unwrap(), FaultDisk::new());
        let store = start(dir.path(), &disk).unwrap();
        disk.plan(plan);
        let mut now = seen(&store);
        for (number, step) in STEPS.iter().enumerate() {
            let changed = step(&store).unwrap_or(false);
            let before = std::mem::replace(&mut now, seen(&store));
            assert_eq!(before != now, changed, "{plan:?}, step {number}");
        }
        disk.plan(Plan::Work);
        store.put("partner", "z", &json!(seed)).unwrap();
        now = seen(&store);
        drop(store);
        let about = format!("{plan:?}, seed {seed}");
        assert_eq!(after_power_loss(dir.path(), &disk, seed, &about), now, "{about}");
    }
}
