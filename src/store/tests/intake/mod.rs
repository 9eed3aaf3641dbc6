//! Imports: which lines go in, how they are cut into batches and volumes, and what a stop leaves.

mod damage;
mod stops;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use licence_seal::licence::{FieldValue, RecordRef};
use licence_seal::seal::BatchSeal;

/// What came of an import.
#[derive(Debug)]
struct Done {
    committed: Committed,
    sealed: Sealed,
    /// Rules by ordinal.
    refused: BTreeMap<u64, Refused>,
}

#[derive(Default)]
struct Heard {
    duplicates: Vec<u64>,
}

impl SealWatcher<StoreError> for Heard {
    fn sealed(&mut self, _: &Sealed, duplicates: &[u64]) -> Result<(), StoreError> {
        self.duplicates.extend(duplicates);
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<Value, StoreError> {
        Ok(json!("sealing"))
    }
}

/// Reads what was not read yet; the ordinals are 1 and on.
fn read(intake: &mut Intake<'_>, records: &[Record]) -> Result<(), StoreError> {
    let recorder = intake.recorder();
    let mut done = usize::try_from(intake.note().as_u64().unwrap_or(0)).unwrap();
    while intake.phase() == Phase::Reading && done < records.len() {
        let mut recording = recorder.begin();
        let until = records.len().min(done + 25);
        for (ordinal, record) in (done as u64 + 1..).zip(&records[done..until]) {
            recording.add(record, ordinal);
        }
        done = until;
        intake.add(recording.finish())?;
        intake.checkpoint(json!(done))?;
    }
    Ok(())
}

/// Seals what was read; fails when `batches` are sealed.
fn seal(
    store: &Store,
    intake: &mut Intake<'_>,
    resume: bool,
    batches: u64,
) -> Result<(Sealed, BTreeMap<u64, Refused>), StoreError> {
    let mut refused = BTreeMap::new();
    if intake.phase() != Phase::Loading {
        intake.resolve(&mut |ordinal, why| {
            refused.insert(ordinal, why);
        })?;
        intake.begin_sealing(json!("sealing"))?;
    }
    let (random, sealed, mut watch) = (SystemRandom::new(), AtomicU64::new(0), Heard::default());
    let one = |records: &[RecordRef<'_>]| {
        if sealed.fetch_add(1, Ordering::SeqCst) >= batches {
            return Err(StoreError::Closed);
        }
        let salt_key = store.current_salt_key();
        Ok(BatchSeal::over(records, catalogue(), sealing_key(), &salt_key, NOW, &random)?)
    };
    let done = intake.seal(resume, &one, &mut watch)?;
    refused.extend(watch.duplicates.into_iter().map(|ordinal| (ordinal, Refused::Duplicate)));
    Ok((done, refused))
}

fn import(store: &Store, records: &[Record], resume: bool) -> Result<Done, StoreError> {
    let mut intake = Intake::begin(store, resume)?;
    read(&mut intake, records)?;
    let (sealed, refused) = seal(store, &mut intake, resume, u64::MAX)?;
    let committed = intake.commit(&mut |_| ())?;
    Ok(Done { committed, sealed, refused })
}

/// Reads and seals, and stops before anything is loaded.
fn import_until_loading(store: &Store, records: &[Record], resume: bool) {
    let mut intake = Intake::begin(store, resume).unwrap();
    read(&mut intake, records).unwrap();
    seal(store, &mut intake, resume, u64::MAX).unwrap();
    assert_eq!(intake.phase(), Phase::Loading);
}

/// `n` first versions.
fn firsts(numbers: std::ops::Range<u32>) -> Vec<Record> {
    numbers.map(|n| record(n, 1)).collect()
}

/// A version of licence `n` that supersedes version `of`.
fn version(n: u32, version: u16, of: u16) -> Record {
    Record { supersedes: Some(record(n, of).identifier), ..record(n, version) }
}

fn state_of(store: &Store, n: u32, version: u16) -> State {
    store.by_identifier(&record(n, version).identifier).unwrap().unwrap().status.state
}

/// All records of a store's batches after `last`, each once.
fn contents(store: &Store, last: u64) -> BTreeMap<Identifier, Record> {
    let mut all = BTreeMap::new();
    for number in last + 1..=store.last_batch() {
        let batch = store.batch(BatchNumber(number)).unwrap().unwrap();
        for slot in 0..batch.len() {
            let record = batch.record(slot).unwrap();
            assert!(all.insert(record.identifier.clone(), record).is_none());
        }
    }
    all
}

/// The store has these and no others, and finds each by every index.
fn assert_holds(store: &Store, records: &[Record]) {
    let wanted: BTreeMap<_, _> = records.iter().map(|one| (one.identifier.clone(), one.clone())).collect();
    assert!(contents(store, 0) == wanted);
    assert_eq!(store.stats().unwrap().licences, wanted.len() as u64);
    for record in records.iter().step_by(records.len() / 20 + 1) {
        assert_eq!(store.by_identifier(&record.identifier).unwrap().unwrap().record, *record);
        let numbered = store.by_number(&record.type_code, &record.number).unwrap();
        assert!(numbered.iter().any(|found| found.record == *record));
        let holder = &record.holders[0];
        let held = store.by_holder(holder.code_type(), holder.code(), None, 100).unwrap();
        assert!(held.iter().any(|found| found.record == *record));
    }
    assert_sound(store);
}

// ---- which lines go in ----

#[test]
fn of_equal_lines_the_first_stands_and_versions_come_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    add(&store, firsts(10..14)).unwrap();
    add(&store, vec![record(11, 2)]).unwrap();
    store.change_status(change(12, 1, State::Revoked)).unwrap();
    let ended = Record { state: State::Revoked, ..record(6, 1) };
    let other = Record { number: "另一号".to_owned(), ..record(13, 1) };
    let lines = [
        (record(1, 1), None),
        (record(1, 1), Some(Refused::Duplicate)),
        (record(2, 2), None),
        (record(2, 1), None),
        (record(3, 3), None),
        (record(3, 2), None),
        (record(3, 1), None),
        (version(4, 2, 1), None),
        (record(4, 1), None),
        (version(4, 3, 1), Some(Refused::AlreadySuperseded)),
        // Without the second one that falls, the third has nothing to supersede.
        (record(5, 3), Some(Refused::UnknownSuperseded)),
        (record(5, 2), Some(Refused::UnknownSuperseded)),
        (version(4, 4, 3), Some(Refused::UnknownSuperseded)),
        (record(6, 2), None),
        (ended, None),
        (record(10, 2), None),
        (version(11, 3, 1), Some(Refused::AlreadySuperseded)),
        (record(12, 2), None),
        (record(13, 1), Some(Refused::Duplicate)),
        (other, Some(Refused::Duplicate)),
    ];
    let records: Vec<Record> = lines.iter().map(|(record, _)| record.clone()).collect();
    let wanted: BTreeMap<u64, Refused> =
        (1..).zip(&lines).filter_map(|(ordinal, (_, why))| Some((ordinal, (*why)?))).collect();
    let done = import(&store, &records, false).unwrap();
    assert_eq!(done.refused, wanted);
    assert_eq!(done.committed.licences, (lines.len() - wanted.len()) as u64);
    for (n, version, state) in [
        (1, 1, State::Valid),
        (2, 1, State::Superseded),
        (2, 2, State::Valid),
        (3, 1, State::Superseded),
        (3, 2, State::Superseded),
        (3, 3, State::Valid),
        (4, 1, State::Superseded),
        (6, 1, State::Revoked),
        (6, 2, State::Valid),
        (10, 1, State::Superseded),
        (12, 1, State::Revoked),
    ] {
        assert_eq!(state_of(&store, n, version), state, "{n}.{version}");
    }
    let by = store.by_identifier(&record(4, 1).identifier).unwrap().unwrap().status.superseded_by;
    assert_eq!(by, Some(record(4, 2).identifier));
    assert_sound(&store);

    // With all of it here, the same content is known and no other.
    let again = import(&store, &records, true).unwrap();
    assert_eq!((again.committed.licences, again.sealed.already_here), (0, 13));
    let mut wanted = wanted;
    wanted.remove(&19);
    // Of two lines with one identifier the first stands, and it is here.
    assert_eq!(again.refused, wanted);
    assert_sound(&store);
}

/// Which lines are refused, found by going over all of them until nothing changes.
fn refused_by_hand(lines: &[Record]) -> BTreeSet<u64> {
    let mut standing: BTreeMap<&Identifier, u64> = BTreeMap::new();
    for (ordinal, line) in (1..).zip(lines) {
        standing.entry(&line.identifier).or_insert(ordinal);
    }
    loop {
        let falls = |ordinal: &u64| {
            let line = &lines[*ordinal as usize - 1];
            let older = line.supersedes.as_ref()?;
            let rivals = standing.values().filter(|rival| {
                **rival < *ordinal && lines[**rival as usize - 1].supersedes.as_ref() == Some(older)
            });
            (!standing.contains_key(older) || rivals.count() > 0).then_some(&line.identifier)
        };
        let Some(fallen) = standing.values().find_map(falls) else { break };
        standing.remove(fallen);
    }
    let standing: BTreeSet<u64> = standing.into_values().collect();
    (1..=lines.len() as u64).filter(|ordinal| !standing.contains(ordinal)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_lines_are_refused_as_by_hand(raw in proptest::collection::vec((0u32..3, 1u16..5, 1u16..4), 0..30)) {
        let lines: Vec<Record> = raw
            .into_iter()
            .map(|(n, v, of)| if v == 1 || of >= v { record(n, 1) } else { version(n, v, of) })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let done = import(&store, &lines, false).unwrap();
        let by_hand = refused_by_hand(&lines);
        let found: BTreeSet<u64> = done.refused.keys().copied().collect();
        prop_assert_eq!(&found, &by_hand);
        prop_assert_eq!(done.committed.licences as usize, lines.len() - by_hand.len());
        assert_sound(&store);
    }
}

// ---- cutting ----

#[test]
fn partitions_of_several_issuers_and_types_are_sealed_in_full_batches() {
    let dir = tempfile::tempdir().unwrap();
    // Runs and spans of every index go through files.
    let settings = StoreSettings { sort_bytes: 0, import_checkpoint: 200, ..settings() };
    let store = open_with(dir.path(), &settings, &master(), Arc::new(RealDisk)).unwrap();
    let generator = Generator::new(catalogue(), 7, Region::TIANJIN).unwrap();
    let mut records: Vec<Record> = (0..300).map(|n| generator.record(n).unwrap()).collect();
    records.retain(|record| record.supersedes.is_none());
    records.extend(firsts(0..2_000));
    // One partition of one record.
    assert!(records.iter().filter(|one| one.type_code == records[0].type_code).count() < 100);
    let mut partitions: BTreeMap<(String, String), u64> = BTreeMap::new();
    for record in &records {
        *partitions.entry((record.issuer_code.to_string(), record.type_code.to_string())).or_default() += 1;
    }
    assert!(partitions.len() > 50 && partitions.values().any(|count| *count == 1));
    let done = import(&store, &records, false).unwrap();
    assert_eq!(done.refused, BTreeMap::new());
    // The many checkpoints cut the large partition into two units of chunks.
    let full = partitions.values().map(|count| count.div_ceil(32)).sum::<u64>();
    assert!((full..=full + 1).contains(&store.last_batch()), "{} of {full}", store.last_batch());
    assert_eq!(done.committed.manifests.len() as u64, store.last_batch());
    assert_holds(&store, &records);
    // In several volumes, which with the journal are the whole store.
    let volumes = |path: &std::path::PathBuf| path.to_str().unwrap().contains("volume-");
    assert!(files(&dir.path().join("exports")).into_iter().filter(volumes).count() > 4);
    for folder in ["import", "scratch"] {
        let left = std::fs::read_dir(dir.path().join(folder)).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{folder}");
    }
    drop(store);
    std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let store = open_with(dir.path(), &settings, &master(), Arc::new(RealDisk)).unwrap();
    assert_holds(&store, &records);
}

#[test]
fn a_batch_closes_by_its_bytes_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let big = |n| {
        let mut record = record(n, 1);
        let field = record.fields.values_mut().find(|value| matches!(value, FieldValue::Text(_))).unwrap();
        *field = FieldValue::Text("图".repeat(1 << 20));
        record
    };
    let records: Vec<Record> = (0..8).map(big).collect();
    import(&store, &records, false).unwrap();
    let sizes: Vec<usize> =
        (1..=store.last_batch()).map(|n| store.batch(BatchNumber(n)).unwrap().unwrap().len()).collect();
    assert_eq!(sizes, [3, 3, 2]);
    assert_holds(&store, &records);
}

#[test]
fn an_import_of_nothing_and_of_refused_lines_only_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let head = store.engine().head();
    for lines in [vec![], vec![record(1, 2), record(2, 3)]] {
        let done = import(&store, &lines, false).unwrap();
        assert_eq!((done.committed.licences, done.refused.len()), (0, lines.len()));
        assert_eq!(store.engine().head(), head);
        assert!(!dir.path().join("import").exists());
    }
    assert_eq!(import(&store, &[record(1, 1)], false).unwrap().committed.licences, 1);
    assert_holds(&store, &[record(1, 1)]);
}

#[test]
fn a_dictionary_is_trained_once_and_a_store_without_it_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let records = firsts(0..5_000);
    import(&store, &records, false).unwrap();
    let own = dir.path().join("dictionary-1");
    let copy = dir.path().join("exports/dictionary-1");
    let content = std::fs::read(&own).unwrap();
    import(&store, &firsts(10_000..10_010), false).unwrap();
    assert!(!dir.path().join("dictionary-2").exists());
    store.export(NOW, &Watch::default()).unwrap();
    drop(store);

    // The copy beside the exports stands in.
    std::fs::remove_file(&own).unwrap();
    let store = open(dir.path());
    assert_eq!(store.by_identifier(&records[77].identifier).unwrap().unwrap().record, records[77]);
    assert_sound(&store);
    drop(store);
    assert_eq!(std::fs::read(&own).unwrap(), content);

    for damage in [None, Some(())] {
        for path in [&own, &copy] {
            match damage {
                None => std::fs::remove_file(path).unwrap(),
                Some(()) => flip(path, 0.5),
            }
        }
        let why = try_open(dir.path()).map(drop).unwrap_err().to_string();
        assert!(why.contains("dictionary"), "{why}");
        for path in [&own, &copy] {
            std::fs::write(path, &content).unwrap();
        }
        assert_eq!(contents(&open(dir.path()), 0).len(), 5_010);
    }
}

/// Changes one byte, so far into a file.
fn flip(path: &Path, part: f64) {
    let mut content = std::fs::read(path).unwrap();
    let at = ((content.len() - 1) as f64 * part) as usize;
    content[at] ^= 0x41;
    std::fs::write(path, content).unwrap();
}
