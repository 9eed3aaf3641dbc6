//! What can be added, found and changed, and what is refused.

use serde_json::json;

use super::*;

#[test]
fn a_licence_is_found_by_identifier_holder_and_number_and_verifies_when_cut() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(store.recovery().created);
    fill(&store);
    let wanted = record(7, 1);
    let found = store.by_identifier(&wanted.identifier).unwrap().unwrap();
    assert_eq!((found.location.batch, found.location.slot), (BatchNumber(2), 3));
    let by_holder = |kind: HolderCodeType, type_code, limit| {
        store.by_holder(kind, wanted.holders[0].code(), type_code, limit).unwrap()
    };
    let passport = HolderCodeType::Passport;
    assert_eq!(by_holder(passport, None, 10).len(), 2);
    assert_eq!(by_holder(passport, Some(&wanted.type_code), 10).len(), 2);
    assert_eq!(by_holder(passport, None, 1).len(), 1);
    let other = catalogue().iter().find(|kind| kind.code != wanted.type_code).unwrap();
    assert!(by_holder(passport, Some(&other.code), 10).is_empty());
    assert!(by_holder(HolderCodeType::OtherNatural, None, 10).is_empty());
    let versions = store.by_number(&wanted.type_code, &record(3, 1).number).unwrap();
    assert_eq!(versions.iter().map(|found| found.record.identifier.version()).collect::<Vec<_>>(), [1, 2]);
    assert!(store.by_number(&wanted.type_code, "无此号").unwrap().is_empty());

    let cut = store.cut(&found, catalogue(), &|name| name == "certificateHolderName").unwrap();
    let suite = Suite::P256Sha256;
    assert_eq!(cut.fields(suite).unwrap().len(), 1);
    assert_eq!(cut.root(suite, 4).unwrap(), found.batch.seal.manifest.root);
    assert_filled(&store);
}

#[test]
fn an_identifier_is_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    add(&store, vec![record(1, 1), record(2, 1)]).unwrap();
    let taken = |outcome: Result<Vec<BatchNumber>, StoreError>, n: u32| {
        assert!(matches!(outcome, Err(StoreError::Duplicate(id)) if id == record(n, 1).identifier));
    };
    taken(add(&store, vec![record(5, 1), record(2, 1)]), 2);
    taken(add(&store, vec![record(6, 1), record(6, 1)]), 6);
    // A refused call leaves nothing behind, not even its good part or its number.
    assert!(!store.contains(&record(5, 1).identifier).unwrap());
    assert_eq!(add(&store, vec![record(5, 1)]).unwrap(), [BatchNumber(2)]);
    assert_sound(&store);
}

#[test]
fn a_new_version_ends_the_old_one_in_the_same_step() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let unknown = add(&store, vec![record(1, 2)]);
    assert!(matches!(unknown, Err(StoreError::UnknownSuperseded { .. })));
    // Both in one call, one after the other.
    let both = vec![sealed(&store, vec![record(1, 1)]), sealed(&store, vec![record(1, 2)])];
    store.add_batches(both).unwrap();
    let old = store.by_identifier(&record(1, 1).identifier).unwrap().unwrap().status;
    assert_eq!(old.superseded_by, Some(record(1, 2).identifier));
    let mut fork = record(2, 1);
    fork.supersedes = Some(record(1, 1).identifier);
    assert!(matches!(add(&store, vec![fork]), Err(StoreError::AlreadySuperseded { .. })));
    // What has ended for another reason stays what it is.
    store.change_status(change(1, 2, State::Revoked)).unwrap();
    add(&store, vec![record(1, 3)]).unwrap();
    let revoked = store.by_identifier(&record(1, 2).identifier).unwrap().unwrap().status;
    assert_eq!(revoked.state, State::Revoked);
    assert_sound(&store);
}

#[test]
fn states_follow_their_rules_and_their_history_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    add(&store, vec![record(1, 1)]).unwrap();
    assert_eq!(store.change_status(change(1, 1, State::Suspended)).unwrap(), 1);
    assert_eq!(store.change_status(change(1, 1, State::Valid)).unwrap(), 2);
    assert_eq!(store.change_status(change(1, 1, State::Revoked)).unwrap(), 3);
    let revived = store.change_status(change(1, 1, State::Valid));
    assert!(matches!(
        revived,
        Err(StoreError::ForbiddenTransition { from: State::Revoked, to: State::Valid, .. })
    ));
    let unknown = store.change_status(change(2, 1, State::Revoked));
    assert!(matches!(unknown, Err(StoreError::UnknownLicence(_))));
    let states: Vec<_> = store.history(&record(1, 1).identifier).unwrap();
    let words: Vec<_> = states.iter().map(|status| (status.change_number, status.state.word())).collect();
    assert_eq!(words, [(0, "valid"), (1, "suspended"), (2, "valid"), (3, "revoked")]);
    assert_eq!(store.last_change(), 3);
    assert_sound(&store);
}

#[test]
fn of_many_who_insert_the_same_key_one_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let winners: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                scope.spawn({
                    let store = &store;
                    move || store.insert("jti", "x", &json!(n)).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(winners, 1);
    assert!(store.remove("jti", "x").unwrap() && !store.remove("jti", "x").unwrap());
    assert!(store.insert("jti", "x", &json!(null)).unwrap());
    store.put("jti", "a", &json!("é")).unwrap();
    assert_eq!(store.list("jti").unwrap(), [("a".into(), json!("é")), ("x".into(), json!(null))]);
    assert!(store.list("jt").unwrap().is_empty());
}

#[test]
fn a_batch_that_does_not_hold_together_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let good = || sealed(&store, vec![record(1, 1), record(2, 1)]);
    let refused = |batch| matches!(store.add_batches(vec![batch]), Err(StoreError::Batch(_)));
    let (mut batch, impression) = good();
    batch.seal.leaves[0][0] ^= 1;
    assert!(refused((batch, impression)));
    let (mut batch, impression) = good();
    batch.records.pop();
    assert!(refused((batch, impression)));
    let (batch, mut impression) = good();
    impression.certificate = Arc::from(&b"other"[..]);
    assert!(refused((batch, impression)));
    assert_eq!(store.stats().unwrap().licences, 0);
    let (mut batch, impression) = good();
    batch.seal.salt_key.0.push('x');
    assert!(matches!(store.add_batches(vec![(batch, impression)]), Err(StoreError::Seal(_))));
}

#[test]
fn a_failed_journal_changes_nothing_and_the_next_change_goes_on() {
    use crate::durable::{FaultDisk, Plan};
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new();
    let reopen = || open_with(dir.path(), &settings(), &master(), Arc::new(disk.clone()));
    let store = reopen().unwrap();
    add(&store, vec![record(1, 1)]).unwrap();
    for kind in [std::io::ErrorKind::StorageFull, std::io::ErrorKind::Other] {
        for call in 0..2 {
            disk.plan(Plan::FailAt(call, kind));
            assert!(matches!(add(&store, vec![record(2, 1)]), Err(StoreError::Durable(_))), "{call}");
            disk.plan(Plan::Work);
            assert!(!store.contains(&record(2, 1).identifier).unwrap());
            assert!(store.put("k", &format!("{kind}{call}"), &json!(1)).is_ok());
        }
    }
    assert_eq!(add(&store, vec![record(2, 1)]).unwrap(), [BatchNumber(2)]);
    assert_sound(&store);
    drop(store);
    assert_sound(&reopen().unwrap());
}
