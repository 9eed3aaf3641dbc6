//! A node from its settings: store and log opened and brought to the same state, the exchange on them.

use std::sync::Arc;

use super::error::{Error, at};
use super::files::{certificate_of, one_certificate, peers, read_seals, read_trusts, signer_of};
use super::seed::seed;
use super::settings::{LOG_KEY_LABEL, NodeSettings};
use crate::accesslog::{AccessLog, LogSettings, OpenLog};
use crate::durable::{DirLock, RealDisk};
use crate::exchange::reconcile::{Reconciled, reconcile};
use crate::exchange::{Exchange, Keys, Office, Storage};
use crate::store::{OpenStore, Store, StoreAdmin};
use licence_seal::crypto::{Random, Secret};
use licence_seal::licence::Catalogue;
use licence_seal::time::Clock;

/// A node that is open: it can import, check, and be served.
pub struct Node {
    pub settings: NodeSettings,
    pub exchange: Arc<Exchange>,
    pub store: Arc<Store>,
    pub reconciled: Reconciled,
    /// Held while the node is open: one process for each data folder.
    _lock: DirLock,
}

impl Node {
    /// Opens store and log, brings them together, and builds the exchange.
    pub fn open(
        settings: NodeSettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, Error> {
        let files = &settings.files;
        std::fs::create_dir_all(&files.data).map_err(|why| at(&files.data, why))?;
        let lock = DirLock::acquire(&files.data)?;
        // Before any key is read, and without one.
        if let Some(source) = settings.master_keyed().settle()? {
            tracing::warn!(
                source,
                "a change of the master key was interrupted and is ended now: files.master_key must name the new key"
            );
        }
        let master = settings.master_key()?;
        let store = Arc::new(open_store(&settings, &master, &random)?);
        let log = open_log(&settings, &master, &clock, &random)?;
        let exchange = Arc::new(exchange(&settings, &store, log, clock, random)?);
        seed(&exchange, &settings)?;
        let reconciled = reconcile(&exchange)?;
        Ok(Self { settings, exchange, store, reconciled, _lock: lock })
    }

    /// Reads client authorities, revocation lists, the trust folder and other cities' directories anew.
    pub fn reload(&self) -> Result<(), Error> {
        Ok(self.exchange.replace_trust(read_trusts(&self.settings.files)?)?)
    }

    /// Ends long work and closes the log; the store closes when the node is dropped.
    pub fn close(&self) -> Result<(), Error> {
        self.exchange.stop_jobs();
        Ok(self.exchange.log.close()?)
    }
}

fn open_store(settings: &NodeSettings, master: &Secret, random: &Arc<dyn Random>) -> Result<Store, Error> {
    let store = OpenStore {
        dir: &settings.store_dir(),
        settings: &settings.store,
        master,
        random: Arc::clone(random),
        disk: Arc::new(RealDisk),
    };
    let store = store.open()?;
    let expected = settings.store.memory_line();
    if settings.store.expected_memory() > settings.store.memory_limit_bytes.wrapping_sub(1) {
        tracing::warn!(expected, "the limit of memory is below what is needed");
    } else {
        tracing::info!(expected, "memory");
    }
    let recovery = store.recovery();
    if recovery.unclean || recovery.rebuilt.is_some() || recovery.without_snapshots.is_some() {
        tracing::warn!(?recovery, "the store had not been closed");
    }
    Ok(store)
}

fn open_log(
    settings: &NodeSettings,
    master: &Secret,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> Result<AccessLog, Error> {
    let log = OpenLog {
        disk: Arc::new(RealDisk),
        dir: &settings.log_dir(),
        settings: LogSettings::new(&settings.log_origin, &settings.region),
        master: master.derive(LOG_KEY_LABEL).aead()?,
        signer: settings.log_signer()?,
        clock: Arc::clone(clock),
        random: Arc::clone(random),
    };
    Ok(log.open()?.0)
}

/// The exchange on this store and log, with the keys, seals and trust that the settings name.
fn exchange(
    settings: &NodeSettings,
    store: &Arc<Store>,
    log: AccessLog,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<Exchange, Error> {
    let files = &settings.files;
    let node_certificate = one_certificate(&files.node_certificate)?;
    let tls_certificate = certificate_of(&files.tls_certificate)?;
    let office = Office {
        region: settings.region.clone(),
        settings: settings.exchange.clone(),
        catalogue: Catalogue::embedded()?,
        clock,
        random,
    };
    let storage = Storage {
        reader: store.clone(),
        issuer: store.clone(),
        registry: store.clone(),
        admin: store.clone(),
        backup_dir: settings.store.backup_dir.clone(),
    };
    let keys = Keys {
        signer: signer_of(&files.node_key, files, &node_certificate)?,
        certificate: node_certificate.der().to_vec(),
        tls_certificate: tls_certificate.der().to_vec(),
        sealing: read_seals(settings)?,
        master: files.master_key.clone(),
    };
    let exchange = Exchange::new(office, storage, keys, read_trusts(files)?, Arc::new(log), peers(settings)?);
    exchange.map_err(|why| why.detail.into())
}
