//! Starting a store: from its folder to one that serves.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::checkpoint::{CHECKPOINT_FILE, Checkpoint};
use super::fold::{Folder, LOOK_EVERY};
use super::ledger::StoreLedger;
use super::places::{GIVEN_UP_FILE, OPEN_FILE, Places, exists};
use super::recover::{Context, Started};
use super::rekeying::Rekeying;
use super::settle::{end_compacting, end_rekeying, is_loading};
use super::store::Store;
use crate::durable::{Committer, DirLock, Disk, DurableError, Limits, replace_file};
use crate::store::forms::dictionary::Dictionaries;
use crate::store::keys::{KEY_FILE, Keyring};
use crate::store::{Recovery, RecoveryCause, StoreError, StoreSettings};
use licence_seal::crypto::{Random, Secret};

/// What opening a store needs.
pub struct OpenStore<'a> {
    /// The store's folder; made if it is not there.
    pub dir: &'a Path,
    pub settings: &'a StoreSettings,
    pub master: &'a Secret,
    pub random: Arc<dyn Random>,
    /// Where journal, exports and side files lie; sled always lies on the machine's own.
    pub disk: Arc<dyn Disk>,
}

impl OpenStore<'_> {
    /// Opens the store, or makes a new one where there is none, and brings sled up to the journal.
    pub fn open(self) -> Result<Store, StoreError> {
        let Self { dir, settings, master, random, disk } = self;
        let places = Places::new(dir, settings);
        std::fs::create_dir_all(dir).map_err(DurableError::io("create", dir))?;
        for folder in [&places.dir, &places.exports] {
            disk.create_dir_all(folder).map_err(DurableError::io("create", folder))?;
        }
        let lock = DirLock::acquire(dir)?;
        end_compacting(&places.sled)?;
        end_rekeying(&*disk, &places.exports)?;
        // Who sorted there held the lock, and has ended.
        disk.remove_dir_all(&places.scratch).map_err(DurableError::io("remove", &places.scratch))?;
        let mut recovery = Recovery::default();
        let keys = Arc::new(open_keys(&*disk, &places, master, &*random, &mut recovery)?);
        let noted = Checkpoint::load(&disk, dir, &keys)?;
        recovery.unclean = exists(&*disk, &dir.join(OPEN_FILE))?;

        let dictionaries =
            Arc::new(Dictionaries::load(&*disk, places.folders(), &keys, settings.zstd_level)?);
        let dictionaries = &dictionaries;
        let context = Context { disk: &disk, places: &places, settings, dictionaries, random: &random };
        let given_up = dir.join(GIVEN_UP_FILE);
        let cause = exists(&*disk, &given_up)?.then_some(RecoveryCause::Abandoned);
        let begun =
            context.start(&keys, noted.as_ref().map(|noted| noted.body), cause.clone(), &mut recovery)?;
        let Started { engine, journal, journal_from } = begun;
        replace_file(&*disk, &dir.join(OPEN_FILE), b"open\n")?;

        let mut checkpoint = noted.unwrap_or_else(|| Checkpoint::new(&disk, dir, journal_from));
        if recovery.created || recovery.rebuilt.is_some() || recovery.replayed > 0 {
            checkpoint.save(&engine)?;
        }
        if cause.is_some() {
            disk.remove(&given_up).map_err(DurableError::io("remove", &given_up))?;
            disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
        }
        let loading = is_loading(&*disk, &places.import, &keys, &engine.head())?;
        let ledger = StoreLedger::new(Arc::clone(&engine), checkpoint, settings, &places);
        let limits = Limits { group_bytes: 4 << 20, ..Limits::default() };
        let committer = Arc::new(Committer::start("store-writer", journal, ledger, limits)?);
        let folder = match (settings.fold_per_second, loading) {
            (0, _) | (_, true) => None,
            (rate, false) => {
                let (engine, committer) = (Arc::clone(&engine), Arc::clone(&committer));
                Some(Folder::start(engine, committer, settings.fold_from, rate, LOOK_EVERY)?)
            }
        };
        Ok(Store {
            engine,
            committer,
            disk,
            places,
            settings: settings.clone(),
            recovery,
            loading: AtomicBool::new(loading),
            folder,
            exporting: Default::default(),
            rekeying: Rekeying::default(),
            _lock: lock,
        })
    }
}

pub(crate) fn open_keys(
    disk: &dyn Disk,
    places: &Places,
    master: &Secret,
    random: &dyn Random,
    recovery: &mut Recovery,
) -> Result<Keyring, StoreError> {
    let path = places.dir.join(KEY_FILE);
    if exists(disk, &path)? {
        return Keyring::open(disk, &places.dir, master);
    }
    // A store without its keys must not be taken for an empty folder.
    let others = [places.dir.join(CHECKPOINT_FILE), places.exports.join(KEY_FILE)];
    let mut store_here = places.sled.exists();
    for other in &others {
        store_here |= exists(disk, other)?;
    }
    store_here |= disk.list(&places.journal).is_ok_and(|files| !files.is_empty());
    if store_here {
        return Err(StoreError::KeyFile { path, why: "it is missing" });
    }
    recovery.created = true;
    Keyring::create(disk, &places.dir, master, random)
}
