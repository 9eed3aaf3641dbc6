//! Starting, and the checkpoint that says from where the journal must be replayed.
//!
//! ```text
//! keys.json         the key file
//! checkpoint.json   counters up to which sled was flushed and fsynced
//! given-up          there when sled must be built anew
//! open              there while the store is open; left behind by an unclean stop
//! journal/          the journal
//! sled/             the database, which can be rebuilt
//! exports/          volumes, exports, keys.json, dictionaries
//! dictionary-N      what blocks are compressed with
//! import/           an import under way
//! scratch/          what is being sorted
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::dictionary::Dictionaries;
use super::engine::Engine;
use super::fold::{Folder, LOOK_EVERY};
use super::keys::{KEY_FILE, Keyring};
use super::ledger::StoreLedger;
use super::op::Head;
use super::sled_store::{Opened, Store};
use super::traits::{BatchNumber, Recovery, RecoveryCause};
use super::{StoreError, StoreSettings, compact, intake, recover, rekey};
use crate::durable::{Committer, DirLock, Disk, DurableError, Limits, replace_file};
use licence_seal::crypto::{Random, Secret};

pub(super) const JOURNAL_KIND: [u8; 4] = *b"STOR";
const CHECKPOINT_FILE: &str = "checkpoint.json";
pub(super) const OPEN_FILE: &str = "open";
const GIVEN_UP_FILE: &str = "given-up";
const FORMAT: u32 = 1;

/// Where the parts of a store lie.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) dir: PathBuf,
    pub(super) sled: PathBuf,
    pub(super) journal: PathBuf,
    pub(super) exports: PathBuf,
    pub(super) import: PathBuf,
    pub(super) scratch: PathBuf,
}

impl Places {
    pub(super) fn new(dir: &Path, settings: &StoreSettings) -> Self {
        Self {
            dir: dir.to_owned(),
            sled: dir.join("sled"),
            journal: dir.join("journal"),
            exports: settings.export_dir.clone().unwrap_or_else(|| dir.join("exports")),
            import: dir.join("import"),
            scratch: dir.join("scratch"),
        }
    }
}

/// The side file's content.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CheckpointBody {
    format: u32,
    pub(super) sequence: u64,
    pub(super) last_batch: u64,
    licences: u64,
    last_change: u64,
    /// Operations up to this one may be missing from the journal: exports cover them.
    pub(super) journal_from: u64,
    /// Bytes of sled's log file, all of them fsynced. 0: not noted by an older program.
    #[serde(default)]
    pub(super) sled_log: u64,
}

/// Writes the side file.
pub(super) struct Checkpoint {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    pub(super) body: CheckpointBody,
}

impl Checkpoint {
    pub(super) fn load(disk: &Arc<dyn Disk>, dir: &Path, keys: &Keyring) -> Result<Option<Self>, StoreError> {
        let path = dir.join(CHECKPOINT_FILE);
        let Some(content) = disk.read(&path).map_err(DurableError::io("read", &path))? else {
            return Ok(None);
        };
        let body = keys.verify_file(CHECKPOINT_FILE, FORMAT, &content);
        let body = body.map_err(|why| StoreError::File { path: path.clone(), why })?;
        Ok(Some(Self { disk: Arc::clone(disk), path, body }))
    }

    fn new(disk: &Arc<dyn Disk>, dir: &Path, journal_from: u64) -> Self {
        let body = CheckpointBody { format: FORMAT, journal_from, ..CheckpointBody::default() };
        Self { disk: Arc::clone(disk), path: dir.join(CHECKPOINT_FILE), body }
    }

    /// Flushes and fsyncs sled, then notes its counters.
    pub(super) fn save(&mut self, engine: &Engine) -> Result<(), StoreError> {
        let head = engine.head();
        engine.flush()?;
        self.body = CheckpointBody {
            format: FORMAT,
            sequence: head.sequence,
            last_batch: head.last_batch,
            licences: head.licences,
            last_change: head.last_change,
            journal_from: self.body.journal_from,
            sled_log: log_bytes(&engine.dir),
        };
        self.write(&engine.keys)
    }

    /// Notes that exports cover the operations up to `sequence`, before the journal lets go of them.
    pub(super) fn release_journal(&mut self, sequence: u64, keys: &Keyring) -> Result<(), StoreError> {
        self.body.journal_from = self.body.journal_from.max(sequence);
        self.write(keys)
    }

    pub(super) fn write(&self, keys: &Keyring) -> Result<(), StoreError> {
        let content = keys.sign_file(CHECKPOINT_FILE, &self.body);
        Ok(replace_file(&*self.disk, &self.path, &content)?)
    }
}

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
        compact::settle(&places.sled)?;
        rekey::settle(&*disk, &places.exports)?;
        // Who sorted there held the lock, and has ended.
        disk.remove_dir_all(&places.scratch).map_err(DurableError::io("remove", &places.scratch))?;
        let mut recovery = Recovery::default();
        let keys = Arc::new(open_keys(&*disk, &places, master, &*random, &mut recovery)?);
        let noted = Checkpoint::load(&disk, dir, &keys)?;
        recovery.unclean = exists(&*disk, &dir.join(OPEN_FILE))?;

        let dictionaries = Arc::new(Dictionaries::load(&*disk, &places, &keys, settings.zstd_level)?);
        let dictionaries = &dictionaries;
        let context =
            recover::Context { disk: &disk, places: &places, settings, dictionaries, random: &random };
        let given_up = dir.join(GIVEN_UP_FILE);
        let cause = exists(&*disk, &given_up)?.then_some(RecoveryCause::Abandoned);
        let begun =
            context.start(&keys, noted.as_ref().map(|noted| noted.body), cause.clone(), &mut recovery)?;
        let recover::Started { engine, journal, journal_from } = begun;
        replace_file(&*disk, &dir.join(OPEN_FILE), b"open\n")?;

        let mut checkpoint = noted.unwrap_or_else(|| Checkpoint::new(&disk, dir, journal_from));
        if recovery.created || recovery.rebuilt.is_some() || recovery.replayed > 0 {
            checkpoint.save(&engine)?;
        }
        if cause.is_some() {
            disk.remove(&given_up).map_err(DurableError::io("remove", &given_up))?;
            disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
        }
        let loading = intake::is_loading(&*disk, &places.import, &keys, &engine.head())?;
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
        let settings = settings.clone();
        Ok(Store::new(Opened { engine, committer, folder, disk, places, settings, recovery, loading, lock }))
    }
}

/// Has the next opening build sled anew.
pub(super) fn give_up_sled(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    Ok(replace_file(disk, &dir.join(GIVEN_UP_FILE), b"given up\n")?)
}

/// Removes the mark of an open store.
pub(super) fn mark_closed(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    let path = dir.join(OPEN_FILE);
    disk.remove(&path).map_err(DurableError::io("remove", &path))?;
    Ok(disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?)
}

pub(super) fn exists(disk: &dyn Disk, path: &Path) -> Result<bool, StoreError> {
    Ok(disk.read(path).map_err(DurableError::io("read", path))?.is_some())
}

pub(super) fn open_keys(
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

/// Bytes of the log file of a sled folder; 0 if there is none.
pub(super) fn log_bytes(sled: &Path) -> u64 {
    std::fs::metadata(sled.join("db")).map_or(0, |file| file.len())
}

/// Whether an opened sled has all that the checkpoint says.
///
/// `log` is what [`log_bytes`] gave before sled was opened. A shorter log may have lost pages of which no
/// counter tells, while the newest ones lie before its end: sled does not write in order. sled itself
/// cuts free room off the end now and then; a kill just then costs a rebuilding that was not needed.
pub(super) fn has_all(engine: &Engine, noted: &CheckpointBody, log: u64) -> Result<(), RecoveryCause> {
    if log < noted.sled_log {
        let text = format!("its log has {log} bytes, not {}", noted.sled_log);
        return Err(RecoveryCause::LostTail(text));
    }
    let head: Head = engine.head();
    if head.sequence < noted.sequence || head.last_batch < noted.last_batch {
        let text = format!("it ends with operation {}, not {}", head.sequence, noted.sequence);
        return Err(RecoveryCause::LostTail(text));
    }
    if noted.last_batch == 0 {
        return Ok(());
    }
    match engine.batch(BatchNumber(noted.last_batch)) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(RecoveryCause::LostTail(format!("batch {} is not here", noted.last_batch))),
        Err(why) => Err(RecoveryCause::Open(why.to_string())),
    }
}
