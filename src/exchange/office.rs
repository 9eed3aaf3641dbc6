//! The state of the exchange: what its operations work with, and nothing of what they do.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::jobs::Jobs;
use super::problem::{Problem, failed, national};
use super::rate::Windows;
use super::registrations::Registrations;
use super::replays::Replays;
use super::rules;
use super::sealing::{NotSealed, Sealing, SealingKeys};
use super::settings::ExchangeSettings;
use super::trusts::{Older, Trusts};
use crate::accesslog::AccessLog;
use crate::keys::MasterKeySource;
use crate::peer::Peers;
use crate::store::{LicenceIssuer, LicenceReader, MemoryWatch, Registry, StoreAdmin, StoreError};
use licence_seal::crypto::{Random, Signer, sha256};
use licence_seal::licence::{Catalogue, RecordRef};
use licence_seal::seal::{BatchSeal, SealImpression};
use licence_seal::time::Clock;

/// Reads of the store at once; others wait. Each has a thread, which mostly waits for the disk.
const READS: usize = 64;

/// Which node this is, and by what it goes.
pub struct Office {
    pub region: String,
    pub settings: ExchangeSettings,
    pub catalogue: &'static Catalogue,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// The store, by the authority that each operation needs.
pub struct Storage {
    pub reader: Arc<dyn LicenceReader>,
    pub issuer: Arc<dyn LicenceIssuer>,
    pub registry: Arc<dyn Registry>,
    pub admin: Arc<dyn StoreAdmin>,
    /// Below it the operator may have backups made.
    pub backup_dir: Option<PathBuf>,
}

/// The node's own keys, and those that lie with it.
pub struct Keys {
    pub signer: Arc<dyn Signer>,
    /// DER.
    pub certificate: Vec<u8>,
    /// DER of the certificate that the node shows in TLS, as server and to its peers.
    pub tls_certificate: Vec<u8>,
    pub sealing: SealingKeys,
    /// Read only when the operator has a key of the store changed.
    pub master: MasterKeySource,
}

/// The exchange of one node.
pub struct Exchange {
    pub office: Office,
    pub storage: Storage,
    pub keys: Keys,
    pub log: Arc<AccessLog>,
    pub peers: Peers,
    /// Whether the process has more memory than it should.
    pub memory: MemoryWatch,
    pub(super) replays: Replays,
    /// Held by a change until it is logged, so that the log has changes in the order of the store and
    /// a kill can leave only the last one unlogged (see `reconcile`).
    pub(super) changes: Arc<tokio::sync::Mutex<()>>,
    /// Mismatches of `verify`, by partner and holder, a day.
    pub(super) mismatches: Windows,
    /// Requests, by partner, a minute.
    pub(super) rate: Windows,
    pub(super) jobs: Jobs,
    trusts: RwLock<Arc<Trusts>>,
    registrations: RwLock<Arc<Registrations>>,
    uploads: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    reads: Arc<Semaphore>,
}

impl Exchange {
    pub fn new(
        office: Office,
        storage: Storage,
        keys: Keys,
        trusts: Trusts,
        log: Arc<AccessLog>,
        peers: Peers,
    ) -> Result<Self, Problem> {
        let registrations = Registrations::load(storage.registry.as_ref())?;
        let places = |count| Arc::new(Semaphore::new(count));
        Ok(Self {
            uploads: places(office.settings.file_uploads),
            workers: places(office.settings.file_workers),
            reads: places(READS),
            office,
            storage,
            keys,
            log,
            peers,
            memory: MemoryWatch::default(),
            replays: Replays::default(),
            changes: Arc::default(),
            mismatches: Windows::default(),
            rate: Windows::default(),
            jobs: Jobs::default(),
            trusts: RwLock::new(Arc::new(trusts)),
            registrations: RwLock::new(Arc::new(registrations)),
        })
    }

    /// What everything is held against now.
    pub fn trust_snapshot(&self) -> Arc<Trusts> {
        Arc::clone(&self.trusts.read())
    }

    /// Takes newer authorities, lists and directories.
    pub fn replace_trust(&self, newer: Trusts) -> Result<(), Older> {
        self.trust_snapshot().check_successor(&newer)?;
        *self.trusts.write() = Arc::new(newer);
        Ok(())
    }

    /// Whether a certificate (DER) stands behind a registration.
    pub fn recognises(&self, certificate: &[u8]) -> bool {
        self.registrations().by_certificate(&sha256(&[certificate])).is_some()
    }

    pub fn registrations(&self) -> Arc<Registrations> {
        Arc::clone(&self.registrations.read())
    }

    pub fn reload_registrations(&self) -> Result<(), Problem> {
        let fresh = Arc::new(Registrations::load(self.storage.registry.as_ref())?);
        *self.registrations.write() = fresh;
        Ok(())
    }

    /// Ends the long work on the store that is running, if any, and starts no other.
    pub fn stop_jobs(&self) {
        self.jobs.stop();
    }

    /// Seals records of one type and issuer, now.
    pub fn seal(&self, records: &[RecordRef<'_>]) -> Result<(BatchSeal, SealImpression), NotSealed> {
        let Office { catalogue, clock, random, .. } = &self.office;
        let (trusts, salt_key) = (self.trust_snapshot(), self.storage.issuer.current_salt_key());
        let (now, random) = (clock.now(), random.as_ref());
        let with = Sealing { catalogue, trust: &trusts.trust, salt_key: &salt_key, now, random };
        self.keys.sealing.seal(records, &with)
    }

    /// The place that a file takes until it is answered: callers together cannot fill the memory.
    pub fn upload_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.uploads).try_acquire_owned().map_err(|_| {
            let detail = "as many files as this node takes at once are being verified; try again";
            Problem::unavailable(national::OTHER, rules::FILE_BUSY, detail)
        })
    }

    /// Reads the store on a thread of its own, so that no other request waits for the disk.
    pub async fn read<T: Send + 'static>(
        &self,
        what: &'static str,
        task: impl FnOnce(&dyn LicenceReader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let reader = Arc::clone(&self.storage.reader);
        let read = on_thread(&self.reads, what, move || task(reader.as_ref())).await?;
        read.map_err(|why| failed(what, &why))
    }

    /// Threads that reads and long work may need at once: of a worker that has fewer, one piece would hold a
    /// place while it waits for a thread.
    pub fn blocking_threads(&self) -> usize {
        READS.saturating_add(self.office.settings.file_workers).saturating_add(16)
    }

    /// Does what computes long on a thread of its own, a few at once.
    pub async fn work<T: Send + 'static>(
        &self,
        what: &'static str,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        on_thread(&self.workers, what, task).await
    }

    /// Does what waits for the disk, and is bounded otherwise, on a thread of its own: changes, which come one
    /// after the other, and what the operator asks.
    pub async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        what: &'static str,
        task: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let exchange = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || task(&exchange));
        done.await.map_err(|why| failed(what, &why))
    }
}

async fn on_thread<T: Send + 'static>(
    places: &Arc<Semaphore>,
    what: &'static str,
    task: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let place = Arc::clone(places).acquire_owned().await.map_err(|why| failed(what, &why))?;
    let done = tokio::task::spawn_blocking(move || {
        let _place = place;
        task()
    });
    done.await.map_err(|why| failed(what, &why))
}
