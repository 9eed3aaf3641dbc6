//! What was issued live moves into the packed indexes, and nobody notices.

use super::*;

fn flat(store: &Store) -> [usize; 3] {
    let engine = store.engine();
    [engine.trees.id.tree.len(), engine.trees.holder.tree.len(), engine.trees.number.tree.len()]
}

#[test]
fn folded_licences_are_found_as_before_and_after_a_new_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store);
    assert_eq!(flat(&store), [21, 21, 21]);
    assert_eq!(store.engine().live_licences(), 21);
    assert_eq!(store.fold().unwrap(), 21);
    assert_eq!(flat(&store), [0, 0, 0]);
    assert_eq!((store.engine().live_licences(), store.fold().unwrap()), (0, 0));
    assert_filled(&store);
    for n in 0..20 {
        let wanted = record(n, 1);
        let holder = &wanted.holders[0];
        let of_holder = store.by_holder(holder.code_type(), holder.code(), None, 10).unwrap();
        assert_eq!(of_holder.len(), if n / 2 == 1 { 3 } else { 2 });
        let of_number = store.by_number(&wanted.type_code, &wanted.number).unwrap();
        assert_eq!(of_number.len(), if n == 3 { 2 } else { 1 });
    }
    // A licence that is packed is still taken, and can still be superseded.
    assert!(matches!(add(&store, vec![record(5, 1)]), Err(StoreError::Duplicate(_))));
    add(&store, vec![record(5, 2)]).unwrap();
    store.change_status(change(6, 1, State::Revoked)).unwrap();
    assert_sound(&store);
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.recovery().rebuilt, None);
    assert_eq!(store.by_identifier(&record(6, 1).identifier).unwrap().unwrap().status.state, State::Revoked);
    assert_sound(&store);
}

#[test]
fn folding_waits_for_nobody_who_holds_it_and_changes_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store);
    let held = store.engine().hold_folding();
    assert_eq!(store.fold().unwrap(), 0);
    store.put("partner", "c", &serde_json::json!(1)).unwrap();
    drop(held);
    assert_eq!(store.fold().unwrap(), 21);
}

#[test]
fn readers_find_everything_while_it_is_moved() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for batch in 0..60 {
        add(&store, (batch * 20..batch * 20 + 20).map(|n| record(n, 1)).collect()).unwrap();
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            for n in (0..1200).cycle() {
                let wanted = record(n, 1);
                assert_eq!(store.by_identifier(&wanted.identifier).unwrap().unwrap().record, wanted);
                let holder = &wanted.holders[0];
                let found = store.by_holder(holder.code_type(), holder.code(), None, 10).unwrap();
                assert_eq!(found.len(), 2, "{n}");
                reads += 1;
                if done.load(std::sync::atomic::Ordering::SeqCst) && reads > 1200 {
                    return;
                }
            }
        });
        while store.fold().unwrap() > 0 {}
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        reader.join().unwrap();
    });
    assert_eq!(flat(&store), [0, 0, 0]);
    assert_sound(&store);
}

#[test]
fn a_killed_folding_loses_nothing() {
    let (dir, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    fill(&store);
    store.fold().unwrap();
    // The moment after packing and before anything left the flat trees, and the moment after both: sled
    // replays its own log, and the journal puts what came after the checkpoint.
    copy(dir.path(), killed.path());
    drop(store);
    for _ in 0..2 {
        let store = open(killed.path());
        assert!(store.recovery().unclean || store.recovery().replayed == 0);
        assert_filled(&store);
    }
    std::fs::remove_dir_all(killed.path().join("sled")).unwrap();
    assert_filled(&open(killed.path()));
}

#[test]
fn the_thread_folds_when_there_are_many_and_leaves_few_alone() {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()));
    // Opened again, so that the thread must count what was there before.
    let store = open(dir.path());
    let start = |from| {
        let (engine, committer) = (Arc::clone(&store.engine), Arc::clone(&store.committer));
        let look_every = std::time::Duration::from_millis(1);
        crate::store::embedded::Folder::start(engine, committer, from, 1_000_000, look_every).unwrap()
    };
    let few = start(100);
    store.put("partner", "c", &serde_json::json!(1)).unwrap();
    drop(few);
    assert_eq!(flat(&store), [21, 21, 21]);
    let many = start(20);
    while store.engine().live_licences() > 0 {
        std::thread::yield_now();
    }
    drop(many);
    assert_eq!(flat(&store), [0, 0, 0]);
    store.remove("partner", "c").unwrap();
    assert_filled(&store);
}
