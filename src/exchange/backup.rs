//! Store and log together, out of a node and back.
//!
//! Neither room knows the other; here the log is what lies beside the store in a backup. A restored log is
//! proved before anything is in its place: it ends where the manifest says, what was signed is a prefix of
//! it, and its entries open. Nothing is signed or logged on the way, so a drill makes no second
//! history; store and log are reconciled when the node opens.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::accesslog::{AccessLog, Checkpoint, Keys, LogCopy, VerifierKey, check_copy};
use crate::durable::{DirLock, Disk, DurableError};
use crate::store::{
    BatchNumber, Beside, BesideFiles, CheckOptions, CheckReport, Counters, LicenceReader, Restore, Restored,
    StoreAdmin, StoreError, StoreSettings, Watch,
};
use licence_seal::crypto::{CryptoError, Random, Secret};
use licence_seal::licence::Catalogue;
use licence_seal::time::Timestamp;

/// Licences that a drill reads through the index, spread over the batches.
const READ: u64 = 256;
/// Folder in the data folder in which a restoring works.
const RESTORING: &str = "restoring";

/// The log as a part of a backup of the store.
pub struct LogBeside(pub Arc<AccessLog>);

impl Beside for LogBeside {
    fn freeze(&self) -> Result<BesideFiles, String> {
        let LogCopy { at, unchanging, changing } = self.0.freeze().map_err(|why| why.to_string())?;
        let dir = self.0.dir().to_owned();
        Ok(BesideFiles { about: at.to_string(), dir, unchanging, kind: LogCopy::KIND, changing })
    }
}

/// Which backup is wanted, and what it takes to read it.
pub struct Wanted<'a> {
    /// The folder of the backups.
    pub from: &'a Path,
    /// Which of them; `None`: the newest.
    pub number: Option<u64>,
    pub settings: &'a StoreSettings,
    pub master: &'a Secret,
    /// Label under which the master key gives the log's key.
    pub log_label: &'a str,
    pub log_verifier: VerifierKey,
    pub random: Arc<dyn Random>,
    pub disk: Arc<dyn Disk>,
    pub watch: Watch,
}

/// What was restored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport {
    pub backup: u64,
    /// As of when: what came later is not in it.
    pub made: Timestamp,
    pub counters: Counters,
    pub files: u64,
    pub bytes: u64,
    pub log_entries: u64,
}

/// What a drill proved.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillReport {
    pub proved: bool,
    #[serde(flatten)]
    pub restored: RestoreReport,
    pub check: CheckReport,
    /// Licences that were found by their identifiers, and were the ones of their batches.
    pub licences_read: u64,
    pub restore_seconds: f64,
    pub check_seconds: f64,
    pub read_seconds: f64,
}

impl Wanted<'_> {
    /// Restores into an empty data folder, whose store and log have these folders.
    ///
    /// # Errors
    /// As [`Restore::restore`]. The data folder is then as it was, without an empty folder of store or log.
    pub fn restore(&self, data: &Path, store: &Path, log: &Path) -> Result<RestoreReport, StoreError> {
        std::fs::create_dir_all(data).map_err(DurableError::io("create", data))?;
        let _lock = DirLock::acquire(data)?;
        // Another folder takes their place in the end: better to know at once of one that is not empty, or
        // is a file system of its own.
        for dir in [store, log] {
            match std::fs::remove_dir(dir) {
                Err(why) if why.kind() == ErrorKind::DirectoryNotEmpty => {
                    return Err(StoreError::NotEmpty(dir.to_owned()));
                }
                Err(why) if why.kind() != ErrorKind::NotFound => {
                    return Err(DurableError::io("remove", dir)(why).into());
                }
                _ => {}
            }
        }
        // Only when all is proved does anything get its place, so no half store is ever served.
        let staging = data.join(RESTORING);
        self.disk.remove_dir_all(&staging).map_err(DurableError::io("remove", &staging))?;
        let outcome = self.restore_in(&staging, self.settings).and_then(|restored| {
            let report = report(&restored)?;
            drop(restored);
            // The store last: with it the node can serve.
            for (from, to) in [(staging.join("log"), log), (staging.join("store"), store)] {
                self.disk.rename(&from, to).map_err(DurableError::io("rename", &from))?;
                self.disk.sync_dir(data).map_err(DurableError::io("sync", data))?;
            }
            Ok(report)
        });
        self.disk.remove_dir_all(&staging).map_err(DurableError::io("remove", &staging))?;
        outcome
    }

    /// Restores into the empty folder `scratch` and proves what is there: all or one of `every` batches are
    /// checked, and licences are read by their identifiers.
    pub fn drill(
        &self,
        scratch: &Path,
        catalogue: &Catalogue,
        every: u64,
    ) -> Result<DrillReport, StoreError> {
        let begun = Instant::now();
        // Its exports stay in the scratch folder, too.
        let settings = StoreSettings { export_dir: None, ..self.settings.clone() };
        let restored = self.restore_in(scratch, &settings)?;
        let restore_seconds = begun.elapsed().as_secs_f64();
        let report = report(&restored)?;
        let begun = Instant::now();
        let options = CheckOptions { every, watch: self.watch.clone(), ..CheckOptions::default() };
        let check = restored.store.check(catalogue, &options)?;
        let check_seconds = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        let licences_read = read_some(&restored)?;
        let read_seconds = begun.elapsed().as_secs_f64();
        let proved = check.is_sound();
        Ok(DrillReport {
            proved,
            restored: report,
            check,
            licences_read,
            restore_seconds,
            check_seconds,
            read_seconds,
        })
    }

    fn restore_in(&self, dir: &Path, settings: &StoreSettings) -> Result<Restored, StoreError> {
        let prove = |dir: &Path, about: &str| self.prove_log(dir, about);
        Restore {
            from: self.from,
            number: self.number,
            store: &dir.join("store"),
            beside: &dir.join("log"),
            settings,
            master: self.master,
            random: Arc::clone(&self.random),
            disk: Arc::clone(&self.disk),
            watch: &self.watch,
            prove: &prove,
        }
        .restore()
    }

    fn prove_log(&self, dir: &Path, about: &str) -> Result<(), String> {
        let key = self.master.derive(self.log_label).aead().map_err(|why: CryptoError| why.to_string())?;
        let keys = Keys::new(Arc::clone(&self.disk), dir, key);
        let at = checkpoint(about).map_err(|why| why.to_string())?;
        check_copy(&*self.disk, dir, &self.log_verifier, &keys, &at)
            .map(|_| ())
            .map_err(|why| format!("the access log: {why}"))
    }
}

fn checkpoint(about: &str) -> Result<Checkpoint, StoreError> {
    Checkpoint::parse(about).map_err(|why| StoreError::Beside(format!("the access log: {why}")))
}

fn report(restored: &Restored) -> Result<RestoreReport, StoreError> {
    Ok(RestoreReport {
        backup: restored.number,
        made: restored.made,
        counters: restored.counters,
        files: restored.files,
        bytes: restored.bytes,
        log_entries: checkpoint(&restored.beside)?.size,
    })
}

/// Reads the first licence of some batches by its identifier; how many.
fn read_some(restored: &Restored) -> Result<u64, StoreError> {
    let (store, batches) = (&restored.store, restored.counters.batches);
    let mut read = 0;
    for number in (1..=batches).step_by(usize::try_from(batches.div_ceil(READ).max(1)).unwrap_or(1)) {
        let damaged = |why| StoreError::Damaged { tree: "batch", key: number.to_string(), why };
        let batch = store.batch(BatchNumber(number))?.ok_or_else(|| damaged("it is not here"))?;
        let record = batch.record(0).ok_or_else(|| damaged("its first licence does not read"))?;
        let found = store.by_identifier(&record.identifier)?;
        let found = found.ok_or_else(|| damaged("its first licence is not found by its identifier"))?;
        if found.record != record || found.location.batch.0 != number {
            return Err(damaged("another licence is found by the identifier of its first"));
        }
        read += 1;
    }
    Ok(read)
}

/// A folder for a drill below `parent`, or below the machine's temporary folder.
///
/// # Errors
/// [`StoreError::Durable`]
pub fn scratch(parent: Option<&Path>) -> Result<tempfile::TempDir, StoreError> {
    let parent = parent.map_or_else(std::env::temp_dir, PathBuf::from);
    let made = tempfile::Builder::new().prefix("licence-node-drill-").tempdir_in(&parent);
    Ok(made.map_err(DurableError::io("create a folder in", &parent))?)
}
