//! Another master key, for store and log at once.
//!
//! Under it lie the store's key file, its copy beside the exports, and the log's month and year keys; all else
//! is under the keys in these. The rooms say what each file is to be, and all of them are replaced as one
//! step ([`Swap`]), with this in the data folder:
//!
//! ```text
//! NAME.staged          beside each of the files: the same keys under the new master key
//! master-key.commit    the change is made; the text is the new key's source, as the configuration is to name it
//! ```
//! So at any moment exactly one of the two keys opens all. A start settles before it reads a key, and needs
//! none for that.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::accesslog::{Keys, LogError};
use crate::durable::{DirLock, Disk, DurableError, Swap};
use crate::store::{KeyFiles, StoreError, StoreSettings};
use licence_seal::crypto::{Random, Secret};

const MARKER: &str = "master-key.commit";

/// Where all that is wrapped under the master key lies.
pub struct MasterKeyed<'a> {
    pub disk: Arc<dyn Disk>,
    pub data: &'a Path,
    pub store: PathBuf,
    pub settings: &'a StoreSettings,
    pub log: PathBuf,
    /// Label under which the master key gives the log's key.
    pub log_label: &'a str,
}

/// What lies under a master key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MasterKeyReport {
    /// The key file and its copy.
    pub store_key_files: usize,
    pub log_keys: usize,
}

impl MasterKeyed<'_> {
    /// Ends a change that was interrupted, or takes back what was written for one that was not made. Gives the
    /// new key's source if one was ended. The caller holds the data folder.
    ///
    /// # Errors
    /// [`DurableError::Io`]
    pub fn settle(&self) -> Result<Option<String>, DurableError> {
        Ok(self.swap().settle()?.map(|source| String::from_utf8_lossy(&source).into_owned()))
    }

    /// Whether a change was interrupted and a start has to end it first.
    ///
    /// # Errors
    /// [`DurableError::Io`]
    pub fn is_interrupted(&self) -> Result<bool, DurableError> {
        self.swap().is_interrupted()
    }

    /// Wraps everything under the key `to`, whose source the configuration is to name as `source`, and opens
    /// it again. Store and log are closed.
    ///
    /// # Errors
    /// [`StoreError::Durable`] if another process holds the data folder; what [`KeyFiles::rewrapped`] refuses.
    /// After any error either all lies under the one key or all under the other.
    pub fn change(
        &self,
        from: &Secret,
        to: &Secret,
        source: &str,
        random: &dyn Random,
    ) -> Result<MasterKeyReport, StoreError> {
        let _lock = DirLock::acquire(self.data)?;
        self.settle()?;
        let log = to.derive(self.log_label).aead()?;
        let mut files = self.key_files().rewrapped(from, to, random)?;
        files.extend(self.log_keys(from)?.rewrapped(&log, random).map_err(beside)?);
        let swap = self.swap();
        files.iter().try_for_each(|(path, content)| swap.stage(path, content))?;
        swap.commit(source.as_bytes())?;
        self.check(to)
    }

    /// Opens everything that lies under a master key.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`], [`StoreError::KeyFile`]; [`StoreError::Beside`] of the log's keys.
    pub fn check(&self, master: &Secret) -> Result<MasterKeyReport, StoreError> {
        let store = self.key_files();
        store.check(master)?;
        let log_keys = self.log_keys(master)?.check().map_err(beside)?;
        Ok(MasterKeyReport { store_key_files: store.dirs().len(), log_keys })
    }

    fn key_files(&self) -> KeyFiles<'_> {
        KeyFiles { disk: &*self.disk, dir: &self.store, settings: self.settings }
    }

    fn log_keys(&self, master: &Secret) -> Result<Keys, StoreError> {
        let master = master.derive(self.log_label).aead()?;
        Ok(Keys::new(Arc::clone(&self.disk), &self.log, master))
    }

    fn swap(&self) -> Swap<'_> {
        let mut dirs = self.key_files().dirs().to_vec();
        dirs.push(Keys::folder(&self.log));
        Swap { disk: &*self.disk, marker: self.data.join(MARKER), dirs }
    }
}

fn beside(why: LogError) -> StoreError {
    StoreError::Beside(format!("the access log: {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::accesslog::{Access, AccessLog, Filter, LogSettings, OpenLog, Outcome};
    use crate::durable::{FaultDisk, Plan};
    use crate::store::{OpenStore, Registry, Store, StoreAdmin, Watch};
    use licence_seal::crypto::{Ed25519Signer, SystemRandom};
    use licence_seal::time::{ManualClock, Timestamp};

    const LABEL: &str = "log";
    const STATES: u64 = 3;

    /// A store and a log with entries of two months and two years, on a disk that fails where it is told to.
    struct City {
        folder: tempfile::TempDir,
        settings: StoreSettings,
        base: FaultDisk,
    }

    fn old() -> Secret {
        Secret::from_bytes([1; 32])
    }

    fn new() -> Secret {
        Secret::from_bytes([2; 32])
    }

    fn random() -> Arc<SystemRandom> {
        Arc::new(SystemRandom::new())
    }

    impl City {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let export_dir = Some(PathBuf::from("elsewhere"));
            let settings = StoreSettings { cache_bytes: 8 << 20, export_dir, ..StoreSettings::default() };
            let disk = FaultDisk::new();
            let mut city = Self { folder, settings, base: disk.clone() };
            let store = city.open_store(&disk, &old()).unwrap();
            for n in 0..STATES {
                store.put("partner", &n.to_string(), &json!(n)).unwrap();
            }
            let now = Timestamp::parse_rfc3339("2026-11-30T12:00:00Z").unwrap();
            store.export(now, &Watch::default()).unwrap();
            drop(store);
            let clock = Arc::new(ManualClock::at(now));
            let log = city.open_log(&disk, &old(), Arc::clone(&clock)).unwrap();
            for days in [0, 1, 32] {
                clock.advance_secs(days * 86_400);
                log.append(Access::new("data", Outcome::Granted)).unwrap();
            }
            log.close().unwrap();
            city.base = disk.crash(0);
            city
        }

        fn open_store(&self, disk: &FaultDisk, master: &Secret) -> Result<Store, StoreError> {
            let (dir, settings) = (&*self.folder.path().join("store"), &self.settings);
            OpenStore { dir, settings, master, random: random(), disk: Arc::new(disk.clone()) }.open()
        }

        fn open_log(
            &self,
            disk: &FaultDisk,
            master: &Secret,
            clock: Arc<ManualClock>,
        ) -> Result<AccessLog, LogError> {
            let master = master.derive(LABEL).aead().unwrap();
            let signer = Ed25519Signer::from_seed(&[5; 32]).unwrap();
            let mut settings = LogSettings::new("licence-node.example/120000/log/1", "120000");
            settings.publish_every = std::time::Duration::from_secs(3600);
            let (disk, dir) = (Arc::new(disk.clone()), Path::new("log"));
            Ok(OpenLog { disk, dir, settings, master, signer, clock, random: random() }.open()?.0)
        }

        fn keyed(&self, disk: &FaultDisk) -> MasterKeyed<'_> {
            MasterKeyed {
                disk: Arc::new(disk.clone()),
                data: self.folder.path(),
                store: self.folder.path().join("store"),
                settings: &self.settings,
                log: "log".into(),
                log_label: LABEL,
            }
        }

        fn change(&self, disk: &FaultDisk) -> Result<MasterKeyReport, StoreError> {
            self.keyed(disk).change(&old(), &new(), "keys/new.key", &*random())
        }

        /// Starts on what lies there; whether all is under the new key. The other one opens nothing.
        fn start(&self, disk: &FaultDisk, what: &str) -> bool {
            self.keyed(disk).settle().unwrap();
            let is_new = self.keyed(disk).check(&new()).is_ok();
            let (right, wrong) = if is_new { (new(), old()) } else { (old(), new()) };
            let report = self.keyed(disk).check(&right).unwrap_or_else(|why| panic!("{what}: {why}"));
            assert_eq!(report, MasterKeyReport { store_key_files: 2, log_keys: 5 }, "{what}");
            for path in disk.paths() {
                let text = path.to_string_lossy();
                assert!(!text.ends_with(".staged") && !text.ends_with(MARKER), "{what}: {text}");
                if text.ends_with(".key") {
                    let name = path.file_stem().unwrap().to_str().unwrap();
                    let alone = FaultDisk::new();
                    crate::durable::replace_file(&alone, &path, &disk.read(&path).unwrap().unwrap()).unwrap();
                    let keys =
                        Keys::new(Arc::new(alone), Path::new("log"), wrong.derive(LABEL).aead().unwrap());
                    assert!(matches!(keys.check(), Err(LogError::WrappedKey(_))), "{what}: {name}");
                }
            }
            for dir in self.keyed(disk).key_files().dirs() {
                let files = KeyFiles {
                    disk,
                    dir: &dir,
                    settings: &StoreSettings { export_dir: Some(dir.clone()), ..StoreSettings::default() },
                };
                files.check(&right).unwrap();
                assert!(matches!(files.check(&wrong), Err(StoreError::WrongMasterKey(_))), "{what}");
            }
            is_new
        }

        /// Store and log open with the key, with all that was in them.
        fn assert_opens(&self, disk: &FaultDisk, master: &Secret, what: &str) {
            let store = self.open_store(disk, master).unwrap_or_else(|why| panic!("{what}: {why}"));
            assert_eq!(store.list("partner").unwrap().len() as u64, STATES, "{what}");
            let clock = Arc::new(ManualClock::at(Timestamp::parse_rfc3339("2027-01-02T12:00:00Z").unwrap()));
            let log = self.open_log(disk, master, clock).unwrap_or_else(|why| panic!("{what}: {why}"));
            let found = log.search(&Filter::default()).unwrap();
            assert!(found.len() == 3 && found.iter().all(|found| found.details.is_some()), "{what}");
        }
    }

    #[test]
    fn a_kill_or_power_loss_at_any_call_leaves_exactly_one_master_key_for_everything() {
        let city = City::new();
        let disk = city.base.crash(0);
        disk.plan(Plan::Work);
        let report = city.change(&disk).unwrap();
        assert_eq!(report, MasterKeyReport { store_key_files: 2, log_keys: 5 });
        let calls = disk.calls();
        let mut seen = [0, 0];
        for stop in 0..=calls {
            // A start after a kill, and after a power loss; the latter with whatever reached the medium.
            for seed in 0..6 {
                let (disk, what) = (city.base.crash(0), format!("stop {stop} seed {seed}"));
                disk.plan(Plan::StopAt(stop));
                let done = city.change(&disk).is_ok();
                disk.plan(Plan::Work);
                let disk = match seed {
                    0 => disk,
                    1 => disk.crash(0),
                    seed => disk.crash_reordered(seed),
                };
                let is_new = city.start(&disk, &what);
                assert!(is_new || !done, "{what}");
                seen[usize::from(is_new)] += 1;
                if seed == stop % 6 {
                    city.assert_opens(&disk, &if is_new { new() } else { old() }, &what);
                }
            }
        }
        assert!(seen[0] > 50 && seen[1] > 50, "{seen:?}");
    }

    #[test]
    fn what_may_not_be_is_refused_and_changes_nothing() {
        let city = City::new();
        let all = |disk: &FaultDisk| -> Vec<_> {
            disk.paths().into_iter().map(|path| (path.clone(), disk.read(&path).unwrap())).collect()
        };
        let disk = city.base.crash(0);
        let before = all(&disk);
        let change =
            |from: Secret, to: Secret| city.keyed(&disk).change(&from, &to, "s", &*random()).unwrap_err();
        assert!(matches!(change(new(), old()), StoreError::WrongMasterKey(_)));
        assert!(matches!(change(old(), old()), StoreError::SameMasterKey));
        let held = DirLock::acquire(city.folder.path()).unwrap();
        assert!(matches!(change(old(), new()), StoreError::Durable(DurableError::Locked(_))));
        drop(held);
        assert_eq!(all(&disk), before);
        // One log key that was changed holds back all.
        let key =
            disk.paths().into_iter().find(|path| path.extension().is_some_and(|end| end == "key")).unwrap();
        disk.tamper(&key, |content| content[20] ^= 1);
        let why = change(old(), new());
        assert!(why.to_string().contains("does not unwrap"), "{why}");
        disk.tamper(&key, |content| content[20] ^= 1);
        assert_eq!(all(&disk), before);
        city.assert_opens(&disk, &old(), "refused");
    }

    #[test]
    fn an_interrupted_change_is_known_until_a_start_ended_it() {
        let city = City::new();
        let disk = city.base.crash(0);
        disk.plan(Plan::Work);
        city.change(&disk).unwrap();
        let calls = disk.calls();
        // The last two calls take the marker away.
        let disk = city.base.crash(0);
        disk.plan(Plan::StopAt(calls - 2));
        city.change(&disk).unwrap_err();
        disk.plan(Plan::Work);
        assert!(city.keyed(&disk).is_interrupted().unwrap());
        assert_eq!(city.keyed(&disk).settle().unwrap().unwrap(), "keys/new.key");
        assert!(!city.keyed(&disk).is_interrupted().unwrap());
        assert_eq!(city.keyed(&disk).settle().unwrap(), None);
        // And back again.
        city.keyed(&disk).change(&new(), &old(), "keys/master.key", &*random()).unwrap();
        city.assert_opens(&disk, &old(), "back");
    }
}
