//! Backups: what the second one copies, what comes back, and every way in which one may be damaged.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::durable::framed;

const KIND: [u8; 4] = *b"TEST";

/// Something beside the store: a segment for each turn, a small file that says how many, one that stays.
struct Notes {
    dir: PathBuf,
}

impl Notes {
    fn turn(&self) {
        let count = files(&self.dir).len();
        let content = [framed::header(KIND).to_vec(), framed::frame(&[count as u8]).unwrap()].concat();
        std::fs::write(self.dir.join(format!("journal-{count}")), content).unwrap();
    }
}

impl Beside for Notes {
    fn freeze(&self) -> Result<BesideFiles, String> {
        let names =
            files(&self.dir).into_iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        let unchanging: Vec<String> = names.collect();
        let changing = vec![
            ("head".to_owned(), unchanging.len().to_string().into_bytes()),
            ("keys/a.key".to_owned(), b"wrapped".to_vec()),
        ];
        let about = format!("{} notes", unchanging.len());
        Ok(BesideFiles { about, dir: self.dir.clone(), unchanging, kind: KIND, changing })
    }
}

/// A store, notes beside it, and a folder for backups.
struct Place {
    _folder: tempfile::TempDir,
    store: PathBuf,
    notes: Notes,
    backups: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str| folder.path().join(name);
    std::fs::create_dir(of("notes")).unwrap();
    let (store, notes, backups) = (of("store"), Notes { dir: of("notes") }, of("backups"));
    notes.turn();
    Place { _folder: folder, store, notes, backups }
}

impl Place {
    fn back_up(&self, store: &Store, keep: Option<usize>) -> Result<BackupReport, StoreError> {
        let options = BackupOptions { dir: self.backups.clone(), keep, watch: Watch::default() };
        store.backup(&options, &self.notes, NOW)
    }

    fn target(&self, name: &str) -> PathBuf {
        self.backups.with_file_name(name)
    }

    fn restore(
        &self,
        from: &Path,
        number: Option<u64>,
        to: &str,
        key: &Secret,
    ) -> Result<Restored, StoreError> {
        let to = self.target(to);
        let (random, disk) = (Arc::new(SystemRandom::new()), Arc::new(RealDisk));
        let (store, beside) = (&*to.join("store"), &*to.join("log"));
        let (settings, master, watch) = (&settings(), key, &Watch::default());
        let prove = &|dir: &Path, about: &str| {
            let count = about.strip_suffix(" notes").unwrap();
            if std::fs::read(dir.join("head")).unwrap() == count.as_bytes() {
                Ok(())
            } else {
                Err(about.into())
            }
        };
        Restore { from, number, store, beside, settings, master, random, disk, watch, prove }.restore()
    }
}

fn objects(place: &Place) -> Vec<PathBuf> {
    files(&place.backups.join("objects"))
}

#[test]
fn a_backup_comes_back_whole_on_an_empty_machine() {
    let place = place();
    let store = open(&place.store);
    fill(&store);
    let report = place.back_up(&store, None).unwrap();
    assert_eq!((report.number, report.counters.licences, report.counters.batches), (1, 21, 6));
    assert_eq!((report.files, report.bytes), (report.copied_files, report.copied_bytes));
    // The machine is gone.
    drop(store);
    std::fs::remove_dir_all(&place.store).unwrap();
    let restored = place.restore(&place.backups, None, "new", &master()).unwrap();
    assert_eq!((restored.number, restored.made, restored.counters), (1, NOW, report.counters));
    assert_eq!((restored.files, restored.bytes), (report.files, report.bytes));
    assert_filled(&restored.store);
    let log = place.target("new/log");
    assert_eq!(std::fs::read(log.join("head")).unwrap(), b"1");
    assert_eq!(std::fs::read(log.join("keys/a.key")).unwrap(), b"wrapped");
    assert_eq!(
        std::fs::read(log.join("journal-0")).unwrap(),
        std::fs::read(place.notes.dir.join("journal-0")).unwrap()
    );
    // It goes on like any other, also after a restart, and can be backed up in its turn.
    add(&restored.store, vec![record(40, 1)]).unwrap();
    restored.store.change_status(change(1, 1, State::Suspended)).unwrap();
    drop(restored);
    let again = open(&place.target("new/store"));
    assert_eq!(again.stats().unwrap().licences, 22);
    assert_sound(&again);
    assert_eq!(place.back_up(&again, None).unwrap().number, 2);
}

#[test]
fn a_second_backup_copies_only_what_is_new_and_the_first_stays_whole() {
    let place = place();
    let store = open(&place.store);
    fill(&store);
    let first = place.back_up(&store, None).unwrap();
    let before: BTreeMap<_, _> = objects(&place)
        .into_iter()
        .map(|path| (path.clone(), std::fs::metadata(path).unwrap().modified().unwrap()))
        .collect();
    place.notes.turn();
    store.change_status(change(5, 1, State::Suspended)).unwrap();
    let second = place.back_up(&store, None).unwrap();
    // A new export, the seconds of the log, the heads: not the volume, the keys or the old segments.
    assert!(second.copied_bytes < first.copied_bytes, "{} {}", second.copied_bytes, first.copied_bytes);
    assert!(second.copied_files < second.files);
    for (path, modified) in before {
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), modified, "{}", path.display());
    }
    // Nothing happened since: nothing but the export is written again.
    let third = place.back_up(&store, None).unwrap();
    assert!(third.copied_files <= 2, "{}", third.copied_files);
    assert_eq!(third.counters, second.counters);

    let [one, two] = [1, 2].map(|number| {
        let name = format!("to-{number}");
        place.restore(&place.backups, Some(number), &name, &master()).unwrap()
    });
    let state = |restored: &Restored| {
        restored.store.by_identifier(&record(5, 1).identifier).unwrap().unwrap().status.state
    };
    assert_eq!((state(&one), state(&two)), (State::Valid, State::Suspended));
    assert_eq!((one.beside.as_str(), two.beside.as_str()), ("1 notes", "2 notes"));
    assert_eq!((one.counters, two.counters), (first.counters, second.counters));
    assert_filled(&one.store);
}

#[test]
fn changes_that_come_in_during_a_backup_are_in_it_up_to_one_moment() {
    let place = place();
    let store = open(&place.store);
    fill(&store);
    let done = std::sync::atomic::AtomicBool::new(false);
    let reports = std::thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let mut n = 100;
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                add(&store, vec![record(n, 1)]).unwrap();
                store.change_status(change(n, 1, State::Suspended)).unwrap();
                n += 1;
            }
        });
        let reports: Vec<_> = (0..4).map(|_| place.back_up(&store, None).unwrap()).collect();
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        changing.join().unwrap();
        reports
    });
    assert!(reports[3].counters.licences > reports[0].counters.licences);
    for report in reports {
        let name = format!("to-{}", report.number);
        let restored = place.restore(&place.backups, Some(report.number), &name, &master()).unwrap();
        assert_sound(&restored.store);
        assert_eq!(restored.store.stats().unwrap().licences, report.counters.licences);
        // The last one may have come between the two.
        for n in 100..99 + report.counters.licences as u32 - 21 {
            let found = restored.store.by_identifier(&record(n, 1).identifier).unwrap().unwrap();
            assert_eq!(found.status.state, State::Suspended);
        }
    }
}

#[test]
fn the_oldest_backups_go_with_what_only_they_had() {
    let place = place();
    let store = open(&place.store);
    fill(&store);
    for _ in 0..3 {
        store.change_status(change(6, 1, State::Suspended)).unwrap();
        store.change_status(change(6, 1, State::Valid)).unwrap();
        place.back_up(&store, None).unwrap();
    }
    // Left over from one that was interrupted.
    std::fs::write(place.backups.join("objects").join("ab".repeat(32)), b"half").unwrap();
    let report = place.back_up(&store, Some(2)).unwrap();
    assert_eq!((report.number, report.dropped), (4, vec![1, 2]));
    assert!(matches!(
        place.restore(&place.backups, Some(1), "x", &master()),
        Err(StoreError::NoBackup { number: Some(1), .. })
    ));
    let mut needed = std::collections::BTreeSet::new();
    for number in [3, 4] {
        let path = place.backups.join(format!("backup-{number:010}.json"));
        let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for file in manifest["body"]["files"].as_array().unwrap() {
            needed.insert(file["sha256"].as_str().unwrap().to_owned());
        }
        drop(place.restore(&place.backups, Some(number), &format!("to-{number}"), &master()).unwrap());
    }
    let there =
        objects(&place).into_iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    assert_eq!(there.collect::<std::collections::BTreeSet<_>>(), needed);

    // While a manifest does not read, it is not known what it needs.
    let bad = place.backups.join("backup-0000000003.json");
    std::fs::write(&bad, b"{}").unwrap();
    let count = objects(&place).len();
    let report = place.back_up(&store, Some(1)).unwrap();
    assert_eq!(report.unreadable, ["backup-0000000003.json"]);
    assert!(bad.exists() && objects(&place).len() >= count);
}

/// The rule by which a restoring is refused, once the target is seen to be as it was.
fn refusal(place: &Place, from: &Path, number: Option<u64>, key: &Secret) -> (&'static str, String) {
    let why = match place.restore(from, number, "refused", key) {
        Ok(_) => panic!("it was restored"),
        Err(why) => why,
    };
    for name in ["refused/store", "refused/log"] {
        assert!(!place.target(name).exists(), "{why}: left {name}");
    }
    (why.rule(), why.to_string())
}

#[test]
fn every_damage_of_a_backup_is_a_named_error_that_leaves_nothing_behind() {
    let place = place();
    let store = open(&place.store);
    fill(&store);
    place.back_up(&store, None).unwrap();
    let manifest_path = place.backups.join("backup-0000000001.json");
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&manifest_path).unwrap()).unwrap();
    let listed = manifest["body"]["files"].as_array().unwrap();
    for kind in ["keys.json", "volume-", "export-", "floor", "journal-0", "head", "keys/a.key"] {
        assert!(listed.iter().any(|file| file["path"].as_str().unwrap().contains(kind)), "{kind}");
    }
    for file in listed {
        let path = file["path"].as_str().unwrap();
        let object = place.backups.join("objects").join(file["sha256"].as_str().unwrap());
        let content = std::fs::read(&object).unwrap();
        let mut changed = content.clone();
        changed[content.len() / 2] ^= 1;
        for (damage, why) in
            [(Some(changed), "it was changed"), (Some(vec![]), "length"), (None, "it is missing")]
        {
            match damage {
                Some(bytes) => std::fs::write(&object, bytes).unwrap(),
                None => std::fs::remove_file(&object).unwrap(),
            }
            let (rule, text) = refusal(&place, &place.backups, None, &master());
            assert_eq!(rule, "store.backupFile");
            assert!(text.starts_with(path) && text.contains(why), "{text}");
        }
        std::fs::write(&object, content).unwrap();
    }
    let content = std::fs::read(&manifest_path).unwrap();
    for at in (0..content.len()).step_by(content.len() / 60) {
        let mut changed = content.clone();
        changed[at] ^= 1;
        std::fs::write(&manifest_path, changed).unwrap();
        let (rule, text) = refusal(&place, &place.backups, None, &master());
        assert!(["store.file", "store.backupFile", "store.keyFile"].contains(&rule), "byte {at}: {text}");
    }
    let mut newer = manifest.clone();
    newer["body"]["format"] = 2.into();
    std::fs::write(&manifest_path, newer.to_string()).unwrap();
    let (rule, text) = refusal(&place, &place.backups, None, &master());
    assert!(rule == "store.file" && text.ends_with("its format is newer than this program"), "{text}");
    std::fs::write(&manifest_path, content).unwrap();

    let (rule, text) = refusal(&place, &place.backups, None, &Secret::from_bytes([1; 32]));
    assert!(rule == "store.wrongMasterKey" && text.contains("backups"), "{text}");
    assert_eq!(refusal(&place, &place.backups, Some(7), &master()).0, "store.noBackup");
    assert_eq!(refusal(&place, &place.target("nowhere"), None, &master()).0, "store.noBackup");
    // And where nothing is wrong it still comes back.
    assert_filled(&place.restore(&place.backups, None, "whole", &master()).unwrap().store);
    let occupied = place.restore(&place.backups, None, "whole", &master());
    assert!(matches!(occupied, Err(StoreError::NotEmpty(_))));
}

#[test]
fn what_is_damaged_here_is_not_taken_for_a_backup() {
    let place = place();
    let store = open(&place.store);
    fill(&store);
    store.export(NOW, &Watch::default()).unwrap();
    let is_volume = |path: &PathBuf| {
        path.extension().is_some_and(|e| e == "data") && path.to_str().unwrap().contains("volume-")
    };
    let volume = files(&place.store.join("exports")).into_iter().find(is_volume).unwrap();
    let content = std::fs::read(&volume).unwrap();
    let mut changed = content.clone();
    changed[content.len() / 2] ^= 1;
    std::fs::write(&volume, changed).unwrap();
    let why = place.back_up(&store, None).unwrap_err();
    assert_eq!(why.rule(), "store.backupSource");
    assert!(why.to_string().contains("volume-"), "{why}");
    std::fs::write(&volume, content).unwrap();

    let note = place.notes.dir.join("journal-0");
    let content = std::fs::read(&note).unwrap();
    std::fs::write(&note, b"something else entirely").unwrap();
    assert_eq!(place.back_up(&store, None).unwrap_err().rule(), "store.backupSource");
    std::fs::write(&note, content).unwrap();
    assert_eq!(place.back_up(&store, None).unwrap().number, 1);
}

#[test]
fn a_backup_or_check_that_is_to_end_ends_and_leaves_the_store_as_it_was() {
    let place = place();
    let store = open(&place.store);
    fill(&store);
    let watch = Watch::default();
    watch.cancel();
    let options = BackupOptions { dir: place.backups.clone(), keep: None, watch: watch.clone() };
    assert!(matches!(store.backup(&options, &place.notes, NOW), Err(StoreError::Cancelled)));
    for every in [1, 2] {
        let options = CheckOptions { every, watch: watch.clone(), ..CheckOptions::default() };
        assert!(matches!(store.check(catalogue(), &options), Err(StoreError::Cancelled)));
    }
    assert_eq!(refusal_of_none(&place), "store.noBackup");
    assert_filled(&store);
    assert_eq!(place.back_up(&store, None).unwrap().number, 1);
}

fn refusal_of_none(place: &Place) -> &'static str {
    refusal(place, &place.backups, None, &master()).0
}

#[test]
fn only_ciphertext_leaves_the_machine() {
    let place = place();
    let store = open(&place.store);
    fill(&store);
    place.back_up(&store, None).unwrap();
    let secret = record(1, 1);
    for path in files(&place.backups) {
        let content = std::fs::read(&path).unwrap();
        for text in
            [secret.holders[0].name(), secret.holders[0].code(), &secret.number, secret.identifier.as_str()]
        {
            let found = content.windows(text.len()).any(|part| part == text.as_bytes());
            assert!(!found, "{text} in {}", path.display());
        }
        assert!(!content.windows(32).any(|part| part == [9; 32]), "the master key");
    }
}

#[test]
fn each_type_has_its_batches_licences_and_bytes() {
    let place = place();
    let store = open(&place.store);
    fill(&store);
    let other = Generator::new(catalogue(), 8, Region::TIANJIN).unwrap();
    let mut others = (0..).map(|n| other.record(n).unwrap());
    let another =
        others.find(|one| one.type_code != record(1, 1).type_code && one.supersedes.is_none()).unwrap();
    add(&store, vec![another.clone()]).unwrap();
    let breakdown = store.breakdown(&Watch::default()).unwrap();
    let of = |record: &Record| {
        breakdown.types.iter().find(|one| one.type_code == record.type_code.as_str()).unwrap().clone()
    };
    let (first, second) = (of(&record(1, 1)), of(&another));
    assert_eq!((first.batches, first.licences), (6, 21));
    assert_eq!((second.batches, second.licences, breakdown.types.len()), (1, 1, 2));
    assert!(first.bytes > second.bytes && second.bytes > 100);
    let values = |name| breakdown.trees.iter().find(|tree| tree.tree == name).unwrap().values;
    assert_eq!(values("id"), 22);
    store.export(NOW, &Watch::default()).unwrap();
    let files = store.stats().unwrap().files;
    assert!(files.volumes > first.bytes && files.exports > 0 && files.journal > 0, "{files:?}");
    let cancelled = Watch::default();
    cancelled.cancel();
    assert!(matches!(store.breakdown(&cancelled), Err(StoreError::Cancelled)));
}
