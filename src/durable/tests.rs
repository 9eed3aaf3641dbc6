//! The promise, "nothing acknowledged is lost", under every fault at every call, and whatever order
//! the medium took the rest in.

use std::io::ErrorKind;

use super::framed::Reader;
use super::*;

const DIR: &str = "journal";
const KIND: [u8; 4] = *b"TEST";
const SEEDS: u64 = 6;

/// Every fault at every one of `calls` changing calls.
fn faults(calls: u64) -> impl Iterator<Item = Plan> {
    (0..calls).flat_map(|n| {
        let once = [ErrorKind::StorageFull, ErrorKind::Other].map(|kind| Plan::FailAt(n, kind));
        [Plan::StopAt(n), Plan::FullFrom(n), Plan::FailSync(n)].into_iter().chain(once)
    })
}

fn open(disk: &FaultDisk) -> Result<(Journal, Vec<String>), DurableError> {
    let mut seen = Vec::new();
    let take = |_, payload: &[u8]| {
        seen.push(String::from_utf8(payload.to_vec()).unwrap());
        Ok::<_, DurableError>(())
    };
    let (journal, _) = Journal::open(Arc::new(disk.clone()), Path::new(DIR), KIND, 4000, take)?;
    Ok((journal, seen))
}

/// What a journal was told, and what it said.
#[derive(Default)]
struct Told {
    /// Payload, and where it lies if it was acknowledged.
    appends: Vec<(String, Option<Position>)>,
    /// Segments that were given up, and whether that was acknowledged.
    removed: Vec<(u64, bool)>,
}

impl Told {
    fn append(&mut self, journal: &mut Journal, payload: String) {
        let position = journal.append(&[&payload]).ok();
        self.appends.push((payload, position));
    }

    /// Appends from one byte to many sectors, across segments; then gives up what is old.
    fn work(&mut self, journal: &mut Journal) {
        for (number, size) in [10, 700, 3000, 1, 1600, 5000, 20, 900].into_iter().enumerate() {
            if number == 5 {
                let through = journal.rotate();
                self.append(journal, "between".into());
                self.removed.push((through, journal.remove_through(through).is_ok()));
            }
            self.append(journal, format!("{number}{}", "x".repeat(size)));
        }
    }

    /// What was acknowledged is in `seen`, in order; what was not, at most as the very last.
    fn assert_kept(&self, seen: &[String], about: &str) {
        let gone = |position: &Position, sure: bool| {
            self.removed.iter().any(|(through, done)| position.segment <= *through && (*done || !sure))
        };
        let mut found = seen.iter().peekable();
        for (payload, position) in &self.appends {
            if found.next_if_eq(&payload).is_some() {
                let fine = match position {
                    Some(position) => !gone(position, true),
                    None => found.peek().is_none(),
                };
                assert!(fine, "{about}: {} came back", &payload[..1]);
            } else if let Some(position) = position {
                assert!(gone(position, false), "{about}: {} is lost", &payload[..1]);
            }
        }
        assert_eq!(found.next(), None, "{about}");
    }
}

fn calls_of_work() -> u64 {
    let disk = FaultDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    disk.plan(Plan::Work);
    Told::default().work(&mut journal);
    disk.calls()
}

#[test]
fn a_journal_keeps_what_it_acknowledged() {
    for plan in faults(calls_of_work()) {
        let disk = FaultDisk::new();
        let (mut journal, _) = open(&disk).unwrap();
        disk.plan(plan);
        let mut told = Told::default();
        told.work(&mut journal);
        for seed in 0..SEEDS {
            let about = format!("{plan:?}, seed {seed}");
            let after = disk.crash_reordered(seed);
            // The next start is stopped somewhere, too.
            after.plan(Plan::StopAt(seed));
            let _ = open(&after);
            let after = after.crash_reordered(seed);
            let (mut journal, seen) = open(&after).unwrap_or_else(|why| panic!("{about}: {why}"));
            told.assert_kept(&seen, &about);
            journal.append(&["more"]).unwrap();
            let again = open(&after.crash_reordered(seed)).unwrap().1;
            assert_eq!(again, [seen, vec!["more".into()]].concat(), "{about}");
        }
    }
}

#[test]
fn a_journal_keeps_what_a_new_process_read_before_the_machine_stopped() {
    for plan in faults(calls_of_work()) {
        let disk = FaultDisk::new();
        let (mut journal, _) = open(&disk).unwrap();
        disk.plan(plan);
        let mut told = Told::default();
        told.work(&mut journal);
        drop(journal);
        disk.plan(Plan::Work);
        let (mut journal, seen) = open(&disk).unwrap();
        told.assert_kept(&seen, &format!("{plan:?}"));
        for append in ["", "and more"] {
            let mut expected = seen.clone();
            if !append.is_empty() {
                journal.append(&[append]).unwrap();
                expected.push(append.into());
            }
            for seed in 0..SEEDS {
                let about = format!("{plan:?}, seed {seed}");
                let found = open(&disk.crash_reordered(seed));
                assert_eq!(found.unwrap_or_else(|why| panic!("{about}: {why}")).1, expected, "{about}");
            }
        }
    }
}

#[test]
fn a_full_disk_is_not_filled_up_with_failed_appends_and_serves_again_once_there_is_room() {
    let disk = FaultDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    let mut told = Told::default();
    told.append(&mut journal, "x".repeat(3500));
    let old = journal.rotate();
    told.append(&mut journal, "first".into());
    let ballast = Path::new(DIR).join("ballast");
    disk.create(&ballast).unwrap().write(&[0; 200]).unwrap();
    disk.plan(Plan::FullFrom(0));
    disk.remove(&ballast).unwrap();
    for _ in 0..50 {
        told.append(&mut journal, "z".repeat(400));
    }
    assert_eq!(disk.paths().len(), 2, "{:?}", disk.paths());
    // What fits in what is left still goes, and what does not once something was let go.
    told.append(&mut journal, "small".into());
    journal.remove_through(old).unwrap();
    told.removed.push((old, true));
    told.append(&mut journal, "y".repeat(3000));
    let done: Vec<_> = told.appends.iter().map(|(_, position)| position.is_some()).collect();
    assert_eq!(done, [vec![true; 2], vec![false; 50], vec![true; 2]].concat());
    for seed in 0..SEEDS {
        told.assert_kept(&open(&disk.crash_reordered(seed)).unwrap().1, &format!("seed {seed}"));
    }
}

#[test]
fn a_frame_of_which_any_sectors_are_missing_is_a_torn_end() {
    let path = Path::new("f");
    for (size, seed) in (0..40).map(|n| n * 97).flat_map(|size| (0..30).map(move |seed| (size, seed))) {
        let disk = FaultDisk::new();
        let mut file = disk.create(path).unwrap();
        disk.sync_dir(Path::new("")).unwrap();
        file.write(&framed::header(KIND)).unwrap();
        file.write(&framed::frame(&vec![1; 700 + size % 5]).unwrap()).unwrap();
        file.sync().unwrap();
        let kept = disk.len(path).unwrap();
        // Payloads of zeros look most like what never arrived.
        let payload = [vec![0; size / 2], vec![2; size], vec![0; 1 + size / 3]].concat();
        file.write(&framed::frame(&payload).unwrap()).unwrap();
        let after = disk.crash_reordered(seed);
        let mut reader = Reader::open(&after, path, KIND, None).unwrap();
        assert_eq!(reader.next_frame().unwrap().unwrap().payload.len(), 700 + size % 5);
        match reader.next_frame().unwrap() {
            Some(frame) => assert!(frame.payload == payload && reader.next_frame().unwrap().is_none()),
            None => assert_eq!(reader.torn_len(), after.len(path).unwrap() - kept, "{size} {seed}"),
        }
    }
}

#[test]
fn a_replaced_file_is_old_or_new_whatever_arrived() {
    let path = Path::new("d/head");
    let (old, new) = (vec![1; 1500], vec![2; 3000]);
    for plan in faults(12) {
        for seed in 0..SEEDS {
            let disk = FaultDisk::new();
            replace_file(&disk, path, &old).unwrap();
            disk.plan(plan);
            let done = replace_file(&disk, path, &new).is_ok();
            let after = disk.crash_reordered(seed);
            let found = after.read(path).unwrap().unwrap();
            assert!(found == new || (!done && found == old), "{plan:?}, seed {seed}");
            replace_file(&after, path, b"newest").unwrap();
            assert_eq!(after.crash_reordered(seed).read(path).unwrap().unwrap(), b"newest");
        }
    }
}

/// Gives each request the next number.
#[derive(Default)]
struct Numbers {
    committed: u64,
    staged: u64,
}

impl Ledger for Numbers {
    type Request = usize;
    type Reply = u64;
    type Refusal = ();

    fn stage(&mut self, size: usize) -> Result<Staged<u64>, ()> {
        self.staged += 1;
        let payload = format!("{} {}", self.staged, "x".repeat(size));
        Ok(Staged { payloads: vec![payload.into_bytes()], reply: self.staged })
    }

    fn committed(&mut self) {
        self.committed = self.staged;
    }

    fn rolled_back(&mut self) {
        self.staged = self.committed;
    }
}

#[test]
fn a_committer_answers_only_what_stays_and_gives_no_number_twice() {
    for plan in faults(26) {
        let disk = FaultDisk::new();
        let (journal, _) = open(&disk).unwrap();
        disk.plan(plan);
        let limits = Limits { group: 3, ..Limits::default() };
        let committer = Committer::start("test", journal, Numbers::default(), limits).unwrap();
        let mut pending = Vec::new();
        let mut answered = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for size in [1, 700, 20, 3000, 5, 1600, 900, 1, 40] {
            pending.push(committer.submit_async(size));
            if pending.len() == 3 {
                answered.extend(pending.drain(..).filter_map(|one| runtime.block_on(one).ok()));
            }
        }
        committer.close();
        assert_eq!(answered, (1..=answered.len() as u64).collect::<Vec<_>>(), "{plan:?}");
        for seed in 0..SEEDS {
            let (_, seen) = open(&disk.crash_reordered(seed)).unwrap();
            let numbers: Vec<u64> =
                seen.iter().map(|payload| payload.split_once(' ').unwrap().0.parse().unwrap()).collect();
            assert_eq!(numbers, (1..=seen.len() as u64).collect::<Vec<_>>(), "{plan:?}, seed {seed}");
            assert!(seen.len() >= answered.len(), "{plan:?}, seed {seed}");
            assert!(seen.len() <= answered.len() + limits.group, "{plan:?}, seed {seed}");
        }
    }
}
