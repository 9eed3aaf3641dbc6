//! The open log: restarts, crashes, limits, and what lies on the disk.

use std::io::ErrorKind;

use super::super::note::verify_note;
use super::super::testing::{Bench, access, refused};
use super::super::{Jti, SUBJECTS_PER_PART, VerifyOptions, verify};
use super::*;
use crate::durable::{FaultDisk, Plan, RealDisk};
use licence_seal::merkle;
use licence_seal::time::Timestamp;

#[test]
fn what_was_logged_is_found_again_after_a_restart_and_numbers_go_on() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    for (i, partner) in ["a", "b", "a"].into_iter().enumerate() {
        let logged = log.append(access(partner, &format!("id-{i}"))).unwrap();
        assert_eq!((logged.first_index, logged.count), (i as u64, 1));
    }
    let mut change = access("a", "id-3");
    change.op = "status".into();
    change.details.change_number = Some(17);
    change.details.batches = Some(super::super::BatchRange { first: 4, last: 9, root: "00".into() });
    assert_eq!(log.append(change).unwrap().counter, Some(3));
    log.append(refused("a", "grant.type")).unwrap();
    let before = log.search(&Filter::default()).unwrap();
    drop(log);

    let log = bench.open().unwrap();
    assert_eq!(log.search(&Filter::default()).unwrap(), before);
    assert_eq!((log.counter("a"), log.counter("b"), log.counter("c")), (4, 1, 0));
    assert_eq!((log.last_change_number(), log.last_batch_number()), (Some(17), Some(9)));
    assert_eq!(log.granted_on("a", bench.clock.now().day()), 3);
    assert_eq!(log.granted_on("a", bench.clock.now().day().plus_days(1)), 0);
    assert_eq!(log.append(access("a", "id-5")).unwrap().counter, Some(5));
    assert_eq!(log.size(), 6);
}

#[test]
fn search_matches_every_member_of_a_filter() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    let start = bench.clock.now();
    for i in 0..6 {
        bench.clock.advance_secs(60);
        let mut one = access(["a", "b"][i % 2], &format!("id-{i}"));
        one.holders = vec![format!("holder {}", i % 3)];
        one.details.operator = Some(format!("operator {i}"));
        one.details.case_number = Some("case 1".into());
        one.details.item_code = Some("item 1".into());
        one.details.request_id = format!("r{i}");
        log.append(one).unwrap();
    }
    log.append(refused("b", "grant.type")).unwrap();
    let indexes = |filter: Filter| -> Vec<u64> {
        log.search(&filter).unwrap().into_iter().map(|found| found.index).collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(indexes(Filter { partner: some("a"), ..Filter::default() }), [0, 2, 4]);
    assert_eq!(indexes(Filter { holder: some("holder 1"), ..Filter::default() }), [1, 4]);
    assert_eq!(indexes(Filter { identifier: some("id-3"), ..Filter::default() }), [3]);
    assert_eq!(indexes(Filter { operator: some("operator 2"), ..Filter::default() }), [2]);
    assert_eq!(indexes(Filter { request_id: some("r5"), ..Filter::default() }), [5]);
    assert_eq!(indexes(Filter { outcome: Some(Outcome::Refused), ..Filter::default() }), [6]);
    assert_eq!(
        indexes(Filter {
            case_number: some("case 1"),
            item_code: some("item 1"),
            limit: Some(2),
            ..Filter::default()
        }),
        [0, 1]
    );
    assert_eq!(indexes(Filter { op: some("verify"), ..Filter::default() }), [0u64; 0]);
    let range =
        Filter { from: Some(start.plus_secs(120)), until: Some(start.plus_secs(240)), ..Filter::default() };
    assert_eq!(indexes(range), [1, 2]);
}

#[test]
fn nothing_readable_of_people_is_on_the_disk() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    let mut one = access("partner-name", "identifier-text");
    one.holders = vec!["holder-code".into()];
    one.details.operator = Some("operator-name".into());
    log.append(one).unwrap();
    log.close().unwrap();
    for path in bench.disk.paths() {
        let content = bench.disk.read(&path).unwrap().unwrap();
        for secret in ["partner-name", "identifier-text", "holder-code", "operator-name"] {
            let found = content.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} in {}", path.display());
        }
    }
}

#[test]
fn a_jti_works_once_even_across_a_restart_until_it_expires() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    let expires = bench.clock.now().plus_secs(60);
    let once =
        |partner: &str| Access { jti: Some(Jti { value: "j".into(), expires }), ..access(partner, "id") };
    log.append(once("a")).unwrap();
    assert!(matches!(log.append(once("a")), Err(LogError::Replayed)));
    log.append(once("b")).unwrap();
    assert!(log.seen("a", "j"));
    assert_eq!(log.counter("a"), 1);
    drop(log);
    let log = bench.open().unwrap();
    assert!(matches!(log.append(once("a")), Err(LogError::Replayed)));
    bench.clock.advance_secs(61);
    log.append(refused("c", "x")).unwrap();
    assert!(!log.seen("a", "j"));
}

#[test]
fn of_many_threads_with_one_jti_one_gets_through() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().unwrap());
    let expires = bench.clock.now().plus_secs(60);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                let jti = Some(Jti { value: "j".into(), expires });
                log.append(Access { jti, ..access("a", "id") }).is_ok()
            })
        })
        .collect();
    let through = threads.into_iter().map(|thread| thread.join().unwrap());
    assert_eq!(through.filter(|ok| *ok).count(), 1);
}

#[test]
fn a_daily_limit_holds_and_starts_anew_the_next_day() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    let limited = || Access { daily_limit: Some(2), ..access("a", "id") };
    log.append(limited()).unwrap();
    log.append(limited()).unwrap();
    assert!(matches!(log.append(limited()), Err(LogError::DailyLimit { limit: 2 })));
    log.append(refused("a", "log.dailyLimit")).unwrap();
    bench.clock.advance_secs(86_400);
    log.append(limited()).unwrap();
}

#[test]
fn many_subjects_are_spread_over_parts_of_one_request() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    let mut many = access("a", "id");
    many.details.identifiers =
        (0..2 * SUBJECTS_PER_PART + 1).map(|i| format!("1.2.156.3005.2.{i:040}")).collect();
    many.holders = (0..SUBJECTS_PER_PART).map(|i| format!("holder {i}")).collect();
    let logged = log.append(many).unwrap();
    assert_eq!((logged.count, logged.leaf_hashes.len(), logged.counter), (3, 3, Some(1)));
    let found = log.search(&Filter::default()).unwrap();
    let parts: Vec<_> = found.iter().map(|found| found.entry.part.as_str()).collect();
    assert_eq!(parts, ["1/3", "2/3", "3/3"]);
    assert_eq!(log.granted_on("a", bench.clock.now().day()), 1);
    let mut long = access("a", "id");
    long.details.purpose = Some("x".repeat(60_000));
    assert!(matches!(log.append(long), Err(LogError::EntryTooLarge { .. })));
    assert!(matches!(log.append(Access { op: "a\nb".into(), ..access("a", "id") }), Err(LogError::Op)));
    assert_eq!(log.append(access("a", "id")).unwrap().first_index, 3);
}

#[test]
fn nothing_acknowledged_is_lost_at_any_crash_and_no_second_history_is_signed() {
    for torn in [Some(0), Some(30), Some(100_000), None] {
        for stop in 0..130 {
            let bench = Bench::new();
            bench.disk.plan(Plan::StopAt(stop));
            let mut logged = Vec::new();
            if let Ok(log) = bench.open() {
                for i in 0..6 {
                    logged.extend(log.append(access("a", &format!("id-{i}"))));
                    if i % 2 == 1 {
                        let _ = log.publish_now();
                    }
                }
                let after = match torn {
                    Some(torn) => bench.after_crash(torn),
                    None => bench.after_reordering(stop),
                };
                let old = log.checkpoint();
                let log = after.open().unwrap_or_else(|why| panic!("stop {stop} torn {torn:?}: {why}"));
                assert!(log.size() >= logged.len() as u64, "stop {stop} torn {torn:?}");
                let found = log.search(&Filter::default()).unwrap();
                for one in &logged {
                    assert_eq!(found[one.first_index as usize].leaf_hash, one.leaf_hashes[0]);
                }
                log.append(access("a", "more")).unwrap();
                log.publish_now().unwrap();
                assert_eq!(log.counter("a"), log.size());
                if !old.is_empty() {
                    let key = log.verifier_key();
                    let read = |note: &str| Checkpoint::parse(verify_note(note, &key).unwrap()).unwrap();
                    let (old, new) = (read(&old), read(&log.checkpoint()));
                    if old.size > 0 {
                        let proof = log.consistency(old.size, new.size).unwrap();
                        assert!(merkle::verify_consistency(
                            &tree_hash, old.size, new.size, &old.root, &new.root, &proof
                        ));
                    }
                }
                let report =
                    verify(&after.disk, Path::new("log"), &log.verifier_key(), VerifyOptions::default());
                assert!(report.verified, "stop {stop} torn {torn:?}: {report:?}");
            }
        }
    }
}

#[test]
fn after_any_one_failed_call_the_log_goes_on_without_a_gap() {
    for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
        for fail in 0..150 {
            let bench = Bench::new();
            let mut log = bench.open().unwrap();
            bench.disk.plan(Plan::FailAt(fail, kind));
            let mut logged = Vec::new();
            for i in 0..6 {
                logged.extend(log.append(access("a", &format!("id-{i}"))));
                let _ = log.publish_now();
            }
            bench.disk.plan(Plan::Work);
            if fail % 2 == 0 {
                // A new process on the same machine sees what the failed call left in memory.
                drop(log);
                log = bench.open().unwrap();
            }
            logged.push(log.append(access("a", "last")).unwrap());
            log.publish_now().unwrap();
            let counters: Vec<_> = logged.iter().map(|one| one.counter.unwrap()).collect();
            assert_eq!(counters, (1..=logged.len() as u64).collect::<Vec<_>>());
            let after = bench.after_reordering(fail);
            let log = after.open().unwrap();
            assert_eq!(log.size(), logged.len() as u64);
            let report = verify(&after.disk, Path::new("log"), &log.verifier_key(), VerifyOptions::default());
            assert!(report.verified, "failed call {fail}: {report:?}");
        }
    }
}

#[test]
fn a_log_shorter_than_its_head_or_unlike_it_does_not_open() {
    let bench = Bench::new();
    bench.log_some(3);
    let short = bench.after_crash(0);
    bench.log_some(3);
    let journal = |disk: &FaultDisk| {
        disk.paths().into_iter().filter(|path| path.starts_with("log/journal")).max().unwrap()
    };
    bench.disk.remove(&journal(&bench.disk)).unwrap();
    assert!(matches!(bench.open(), Err(LogError::HeadAhead { signed: 6, held: 3, .. })));

    let other = Bench::seeded("another history");
    other.log_some(3);
    for name in ["log/head", "log/checkpoint"] {
        let content = other.disk.read(Path::new(name)).unwrap().unwrap();
        short.disk.tamper(Path::new(name), |old| *old = content);
    }
    assert!(matches!(short.open(), Err(LogError::HeadDiffers { what: "head", size: 3 })));
    short.disk.remove(Path::new("log/head")).unwrap();
    assert!(matches!(short.open(), Err(LogError::Head("head"))));
}

#[test]
fn a_destroyed_month_tells_nothing_and_breaks_nothing() {
    let bench = Bench::new();
    bench.clock.set(Timestamp::parse_rfc3339("2026-04-30T15:00:00Z").unwrap());
    bench.log_some(3);
    bench.clock.set(Timestamp::parse_rfc3339("2026-11-01T00:00:00Z").unwrap());
    let log = bench.open().unwrap();
    assert!(log.destroy_month("2026-11").is_err());
    log.destroy_month("2026-04").unwrap();
    drop(log);
    let log = bench.open().unwrap();
    let found = log.search(&Filter::default()).unwrap();
    assert!(found[..3].iter().all(|found| found.details.is_none()));
    assert_eq!(log.append(access("a", "id")).unwrap().counter, Some(4));
    log.close().unwrap();
    assert!(verify(&bench.disk, Path::new("log"), &log.verifier_key(), VerifyOptions::default()).verified);
    bench.disk.remove(Path::new("log/keys/month-2026-11.key")).unwrap();
    assert!(matches!(bench.open(), Err(LogError::MissingKey(_))));
}

#[test]
fn every_entry_is_proved_under_the_checkpoint_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let open = || bench.open_at(Arc::new(RealDisk), dir.path()).unwrap();
    let log = open();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut leaves = Vec::new();
    for round in 0..3 {
        let pending: Vec<_> =
            (0..100).map(|i| log.append_async(access("a", &format!("{round}-{i}")))).collect();
        for pending in pending {
            leaves.extend(runtime.block_on(pending).unwrap().leaf_hashes);
        }
        log.publish_now().unwrap();
    }
    let key = log.verifier_key();
    let check = |log: &AccessLog| {
        for index in [0, 1, 99, 255, 256, 299] {
            let proof = log.inclusion(index).unwrap();
            assert!(proof.verify(&leaves[index as usize], &key).is_some());
            assert!(proof.verify(&leaves[5], &key).is_none());
        }
        assert!(log.inclusion(log.size()).is_err());
    };
    check(&log);
    drop(log);
    let log = open();
    check(&log);
    let bundle = log.resource(Resource::Bundle { number: 0, width: 256 }).unwrap();
    assert!(bundle.is_some());
    assert_eq!(log.resource(Resource::Bundle { number: 0, width: 100 }).unwrap(), None, "partials are gone");
    assert!(verify(&RealDisk, dir.path(), &key, VerifyOptions::default()).verified);
}

#[test]
fn unknown_sources_are_counted_into_one_entry_a_minute() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    for _ in 0..1000 {
        log.count_unknown("192.0.2.1", "tls.noCertificate");
    }
    log.publish_now().unwrap();
    assert_eq!(log.size(), 0);
    bench.clock.advance_secs(60);
    log.publish_now().unwrap();
    let found = log.search(&Filter { op: Some("unknown".into()), ..Filter::default() }).unwrap();
    let details = found[0].details.as_ref().unwrap();
    assert_eq!((found.len(), &details.detail["count"]), (1, &1000.into()));
    log.count_unknown("192.0.2.1", "tls.noCertificate");
    log.close().unwrap();
    assert!(matches!(log.append(access("a", "id")), Err(LogError::Closed)));
    assert_eq!(bench.open().unwrap().size(), 2);
}

#[test]
fn the_order_of_entries_is_that_of_their_times_though_the_clock_is_set_back() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    let first = log.append(access("a", "id")).unwrap().time;
    bench.clock.advance_secs(-100);
    assert_eq!(log.append(access("a", "id")).unwrap().time, first);
}
