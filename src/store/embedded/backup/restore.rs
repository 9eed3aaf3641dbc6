//! From a backup to a store that is open.
//!
//! Every file is held against the manifest as it is copied, the manifest against the store's keys, and
//! the keys against the master key; then the store is opened in the ordinary way, which builds sled from
//! the export and the journal, and its counters must be those of the backup. Anything else leaves
//! nothing behind.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::objects::{BackupFile, Objects};
use super::{BESIDE, EXPORTS, FORMAT, Manifest, STORE, manifest_name, numbers, read_manifest};
use crate::durable::{Disk, DurableError};
use crate::store::embedded::export;
use crate::store::embedded::places::Places;
use crate::store::keys::{KEY_FILE, Keyring};
use crate::store::{Counters, OpenStore, Store, StoreError, StoreSettings, Watch};
use licence_seal::crypto::{Random, Secret};
use licence_seal::time::Timestamp;

/// What a restoring needs.
pub struct Restore<'a> {
    /// The folder of the backups.
    pub from: &'a Path,
    /// Which of them; `None`: the newest.
    pub number: Option<u64>,
    /// The store's folder; must not be there, or be empty.
    pub store: &'a Path,
    /// The folder of what lies beside the store; likewise.
    pub beside: &'a Path,
    pub settings: &'a StoreSettings,
    pub master: &'a Secret,
    pub random: Arc<dyn Random>,
    pub disk: Arc<dyn Disk>,
    pub watch: &'a Watch,
    /// Proves what was restored beside the store, in its folder, by what the manifest says of it.
    pub prove: &'a dyn Fn(&Path, &str) -> Result<(), String>,
}

/// A store as it was when the backup was made.
pub struct Restored {
    pub store: Store,
    pub number: u64,
    pub made: Timestamp,
    pub counters: Counters,
    pub files: u64,
    pub bytes: u64,
    /// What the manifest says of what lies beside the store.
    pub beside: String,
}

impl Restore<'_> {
    /// # Errors
    /// [`StoreError::NoBackup`], [`StoreError::NotEmpty`], [`StoreError::BackupMasterKey`];
    /// [`StoreError::File`] of the manifest, [`StoreError::BackupFile`] of what it lists;
    /// [`StoreError::RestoredDiffers`]; whatever opening finds. The target is then as it was.
    pub fn restore(self) -> Result<Restored, StoreError> {
        let places = Places::new(self.store, self.settings);
        self.check_empty(&places)?;
        let number = self.number()?;
        let claimed = self.claimed(number)?;
        let restored = self.lay_out_and_open(number, &claimed, &places);
        if restored.is_err() {
            self.clean_up(&claimed, &places)?;
        }
        restored
    }

    fn check_empty(&self, places: &Places) -> Result<(), StoreError> {
        for dir in [&places.dir, &self.beside.to_owned()] {
            if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
                return Err(StoreError::NotEmpty(dir.clone()));
            }
        }
        let ours = |name: &String| name.starts_with("export-") || name.starts_with("volume-");
        if self.disk.list(&places.exports).is_ok_and(|names| names.iter().any(ours)) {
            return Err(StoreError::NotEmpty(places.exports.clone()));
        }
        Ok(())
    }

    fn number(&self) -> Result<u64, StoreError> {
        let missing = || StoreError::NoBackup { dir: self.from.to_owned(), number: self.number };
        let there = match self.disk.list(self.from) {
            Ok(_) => numbers(&*self.disk, self.from)?,
            Err(_) => return Err(missing()),
        };
        match self.number {
            Some(number) => there.contains(&number).then_some(number).ok_or_else(missing),
            None => there.last().copied().ok_or_else(missing),
        }
    }

    /// What the manifest says before it is known whether it was changed: enough to find the key file.
    fn claimed(&self, number: u64) -> Result<Manifest, StoreError> {
        let path = self.from.join(manifest_name(number));
        let content = self.disk.read(&path).map_err(DurableError::io("read", &path))?;
        let fault = |why| StoreError::File { path: path.clone(), why };
        let content = content.ok_or_else(|| fault("it is missing"))?;
        let signed: serde_json::Value =
            serde_json::from_slice(&content).map_err(|_| fault("it was changed"))?;
        let body = signed.get("body").cloned().unwrap_or_default();
        if body.get("format").and_then(serde_json::Value::as_u64).is_some_and(|f| f > u64::from(FORMAT)) {
            return Err(fault("its format is newer than this program"));
        }
        serde_json::from_value(body).map_err(|_| fault("it was changed"))
    }

    fn lay_out_and_open(
        &self,
        number: u64,
        claimed: &Manifest,
        places: &Places,
    ) -> Result<Restored, StoreError> {
        let disk = &*self.disk;
        let objects = Objects { disk, dir: self.from.join("objects"), watch: self.watch };
        // Not yet known to be as it was written.
        let total = claimed.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.sum.bytes));
        self.watch.stage("copying", total);
        let key_file = claimed.files.iter().find(|file| file.path == format!("{STORE}{KEY_FILE}"));
        let path = self.from.join(manifest_name(number));
        let key_file = key_file.ok_or(StoreError::File { path, why: "it lists no key file" })?;
        disk.create_dir_all(&places.dir).map_err(DurableError::io("create", &places.dir))?;
        objects.give(key_file, &places.dir.join(KEY_FILE))?;
        let keys = Keyring::open(disk, &places.dir, self.master).map_err(|why| match why {
            StoreError::WrongMasterKey(_) => {
                StoreError::BackupMasterKey { dir: self.from.to_owned(), number }
            }
            other => other,
        })?;
        let manifest = read_manifest(disk, self.from, number, &keys)?;

        let mut dirs =
            BTreeSet::from([places.exports.clone(), places.journal.clone(), self.beside.to_owned()]);
        for file in manifest.files.iter().filter(|file| file.path != key_file.path) {
            let to = self.target(file, places)?;
            let dir = to.parent().unwrap_or(&to).to_owned();
            disk.create_dir_all(&dir).map_err(DurableError::io("create", &dir))?;
            objects.give(file, &to)?;
            dirs.insert(dir);
        }
        for dir in dirs.iter().chain([&places.dir]) {
            disk.create_dir_all(dir).map_err(DurableError::io("create", dir))?;
            disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
        }
        export::copy_keys(disk, &places.dir, &places.exports)?;

        self.watch.stage("proving", 0);
        (self.prove)(self.beside, &manifest.beside).map_err(StoreError::Beside)?;
        self.watch.did(0)?;
        self.watch.stage("building", 0);
        let store = OpenStore {
            dir: self.store,
            settings: self.settings,
            master: self.master,
            random: Arc::clone(&self.random),
            disk: Arc::clone(&self.disk),
        };
        let store = store.open()?;
        let found = Counters::from(store.engine.head());
        if found != manifest.counters {
            return Err(StoreError::RestoredDiffers { expected: manifest.counters, found });
        }
        let Manifest { made, counters, beside, files, .. } = manifest;
        let (count, bytes) = (files.len() as u64, files.iter().map(|file| file.sum.bytes).sum());
        Ok(Restored { store, number, made, counters, files: count, bytes, beside })
    }

    /// Where a file belongs. A manifest that was made by somebody with the keys is trusted, and still
    /// cannot name a place outside.
    fn target(&self, file: &BackupFile, places: &Places) -> Result<PathBuf, StoreError> {
        let under = [(EXPORTS, &*places.exports), (STORE, &*places.dir), (BESIDE, self.beside)];
        let found = under.iter().find_map(|(prefix, dir)| Some((file.path.strip_prefix(prefix)?, dir)));
        let inside = |name: &str| {
            let mut parts = Path::new(name).components().peekable();
            parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
        };
        match found {
            Some((name, dir)) if inside(name) => Ok(dir.join(name)),
            _ => {
                let path = self.from.to_owned();
                Err(StoreError::BackupFile { file: file.path.clone(), path, why: "it has no place here" })
            }
        }
    }

    /// Takes away what a restoring that failed wrote.
    fn clean_up(&self, claimed: &Manifest, places: &Places) -> Result<(), StoreError> {
        let disk = &*self.disk;
        for file in claimed.files.iter().filter(|file| file.path.starts_with(EXPORTS)) {
            if let Ok(path) = self.target(file, places)
                && disk.len(&path).is_ok()
            {
                disk.remove(&path).map_err(DurableError::io("remove", &path))?;
            }
        }
        for dir in [&places.dir, &self.beside.to_owned()] {
            disk.remove_dir_all(dir).map_err(DurableError::io("remove", dir))?;
            // Sled and the lock lie on the machine's own disk.
            std::fs::remove_dir_all(dir).or_else(|why| match why.kind() {
                std::io::ErrorKind::NotFound => Ok(()),
                _ => Err(DurableError::io("remove", dir)(why)),
            })?;
        }
        Ok(())
    }
}
