//! The node, wired from its configuration.
//!
//! Only here do the rooms meet: files become keys, seals and trust; store and log are opened and
//! brought to the same state; the exchange is built on them and the listener on the exchange. The
//! demo and the tests start nodes through the same functions as `serve`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::accesslog::{Access, LogSettings, OpenLog, Outcome, VerifierKey};
use crate::api::{self, settings::ListenSettings, tls};
use crate::config::Layers;
use crate::durable::{DirLock, RealDisk};
use crate::exchange::master::MasterKeyed;
use crate::exchange::reconcile::{Reconciled, reconcile};
use crate::exchange::settings::ExchangeSettings;
use crate::exchange::{
    Exchange, Keys, NodeSeal, Office, Passage, SealingKeys, Storage, Trusts, registrations,
};
use crate::keys::{KeySource, MasterKeySource, SecretSource, open_signer, read_key_pem};
use crate::peer::{ClientIdentity, PeerSettings, Peers};
use crate::rules::{Grant, Registration};
use crate::store::{OpenStore, Store, StoreAdmin, StoreError, StoreSettings, resident_bytes};
use licence_seal::crypto::{Ed25519Signer, Random, Secret, Signer, Suite, pem_decode};
use licence_seal::evidence::Directory;
use licence_seal::licence::Catalogue;
use licence_seal::pki::{Anchors, Certificate, Crl};
use licence_seal::seal::{SealImpression, SealingKey, Trust, Voice};
use licence_seal::time::Clock;

/// Any failure, told to the operator.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The configuration file. Paths are relative to the file's folder; those of `[files]` have the
/// defaults that `init` lays out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSettings {
    /// Region code, 6 digits, for example `120000`.
    pub region: String,
    /// Name of the access log and its key. Default `licence-node.example/<region>/log/1`.
    pub log_origin: String,
    /// Whether seals of the suite `p256-sha256` may be used. They are not 电子印章. Default false.
    pub allow_p256_seals: bool,
    pub listen: ListenSettings,
    pub files: Files,
    pub store: StoreSettings,
    pub exchange: ExchangeSettings,
    /// The other cities.
    pub peers: Vec<PeerFile>,
    /// Registrations for a store that has none yet.
    pub registrations: Vec<Registration>,
    /// Grants for a store that has none yet.
    pub grants: Vec<Grant>,
}

/// Where things lie.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Files {
    /// Store, journal, log.
    pub data: PathBuf,
    /// Server certificate chain, PEM, leaf first; the node shows it to its peers too.
    pub tls_certificate: PathBuf,
    pub tls_key: PathBuf,
    /// PEM files of the authorities of client certificates.
    pub client_anchors: PathBuf,
    /// Their revocation lists; read anew while the node serves.
    pub client_crls: PathBuf,
    /// With it the node signs tokens, receipts and statements (ES256).
    pub node_certificate: PathBuf,
    /// A file, or a `pkcs11:` URI.
    pub node_key: KeySource,
    /// Ed25519 key of the log's checkpoints.
    pub log_key: PathBuf,
    /// A file, `env:NAME` or `command:PROGRAM ARGUMENT…`: 64 hexadecimal digits. Everything at rest is
    /// under it.
    pub master_key: MasterKeySource,
    /// Passphrase of the key files that are encrypted.
    pub key_passphrase: Option<SecretSource>,
    /// `<issuer code>/{seal.esl, certificate.pem, key.pem}`, and `attestation/` and `node/`
    /// likewise. In place of `key.pem` there may be `key.uri`, a `pkcs11:` URI.
    pub seals: PathBuf,
    /// The trust folder.
    pub trust: PathBuf,
    /// `<region>.jwt`: directories of the other cities.
    pub directories: PathBuf,
}

/// A peer in the configuration file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerFile {
    pub region: String,
    pub url: String,
    /// PEM of the authorities of its server certificate.
    pub anchors: PathBuf,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            data: "data".into(),
            tls_certificate: "certs/tls.pem".into(),
            tls_key: "keys/tls.key.pem".into(),
            client_anchors: "certs/client-anchors".into(),
            client_crls: "certs/client-crls".into(),
            node_certificate: "certs/node.pem".into(),
            node_key: KeySource::File("keys/node.key.pem".into()),
            log_key: "keys/log.key.pem".into(),
            master_key: MasterKeySource::file("keys/master.key"),
            key_passphrase: None,
            seals: "seals".into(),
            trust: "trust".into(),
            directories: "directories".into(),
        }
    }
}

impl Files {
    /// A key file, decrypted.
    fn key_pem(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
        read_key_pem(path, self.key_passphrase.as_ref()).map_err(|why| at(path, why))
    }
}

impl NodeSettings {
    /// Reads a configuration file, and makes its paths absolute.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let mut settings: Self = Layers::new::<Self>(file)?.read()?;
        settings.exchange.check()?;
        if settings.region.len() != 6 || !settings.region.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("configuration: region is a code of 6 digits".into());
        }
        if settings.log_origin.is_empty() {
            settings.log_origin = format!("licence-node.example/{}/log/1", settings.region);
        }
        let base = folder_of(file)?;
        let files = &mut settings.files;
        for path in [
            &mut files.data,
            &mut files.tls_certificate,
            &mut files.tls_key,
            &mut files.client_anchors,
            &mut files.client_crls,
            &mut files.node_certificate,
            &mut files.log_key,
            &mut files.seals,
            &mut files.trust,
            &mut files.directories,
        ] {
            *path = base.join(&path);
        }
        files.node_key = files.node_key.clone().under(&base);
        files.master_key = files.master_key.clone().under(&base);
        files.key_passphrase = files.key_passphrase.take().map(|source| source.under(&base));
        for peer in &mut settings.peers {
            peer.anchors = base.join(&peer.anchors);
        }
        settings.store.export_dir = settings.store.export_dir.map(|dir| base.join(dir));
        settings.store.backup_dir = settings.store.backup_dir.map(|dir| base.join(dir));
        Ok(settings)
    }

    pub fn store_dir(&self) -> PathBuf {
        self.files.data.join("store")
    }

    pub fn log_dir(&self) -> PathBuf {
        self.files.data.join("log")
    }

    /// The master key.
    pub fn master_key(&self) -> Result<Secret, Error> {
        self.files.master_key.read().map_err(|why| format!("files.master_key: {why}").into())
    }

    /// The settings of this configuration file once `files.master_key` says `source` there.
    pub fn with_master_key(mut self, source: &MasterKeySource, file: &Path) -> Result<Self, Error> {
        self.files.master_key = source.clone().under(&folder_of(file)?);
        Ok(self)
    }

    /// All that is wrapped under the master key.
    pub fn master_keyed(&self) -> MasterKeyed<'_> {
        MasterKeyed {
            disk: Arc::new(RealDisk),
            data: &self.files.data,
            store: self.store_dir(),
            settings: &self.store,
            log: self.log_dir(),
            log_label: LOG_KEY_LABEL,
        }
    }

    /// The public key of the log's checkpoints.
    pub fn log_verifier(&self) -> Result<VerifierKey, Error> {
        let signer = self.log_signer()?;
        Ok(VerifierKey { name: self.log_origin.clone(), key: signer.public() })
    }

    fn log_signer(&self) -> Result<Ed25519Signer, Error> {
        let path = &self.files.log_key;
        let pem = self.files.key_pem(path)?;
        let der = Zeroizing::new(pem_decode("PRIVATE KEY", &pem).map_err(|why| at(path, why))?);
        Ed25519Signer::from_pkcs8(&der).map_err(|why| at(path, why))
    }
}

/// Label under which the master key gives the log's key.
pub const LOG_KEY_LABEL: &str = "access log";

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
        let catalogue = Catalogue::embedded()?;
        let files = &settings.files;
        std::fs::create_dir_all(&files.data).map_err(|why| at(&files.data, why))?;
        let lock = DirLock::acquire(&files.data)?;
        let disk = Arc::new(RealDisk);
        // Before any key is read, and without one.
        if let Some(source) = settings.master_keyed().settle()? {
            tracing::warn!(
                source,
                "a change of the master key was interrupted and is ended now: files.master_key must name the new key"
            );
        }
        let master = settings.master_key()?;

        let store = OpenStore {
            dir: &settings.store_dir(),
            settings: &settings.store,
            master: &master,
            random: Arc::clone(&random),
            disk: disk.clone(),
        };
        let store = Arc::new(store.open()?);
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
        let log_settings = LogSettings::new(&settings.log_origin, &settings.region);
        let log_key = master.derive(LOG_KEY_LABEL).aead()?;
        let signer = settings.log_signer()?;
        let (log, _) = OpenLog {
            disk,
            dir: &settings.log_dir(),
            settings: log_settings,
            master: log_key,
            signer,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
        }
        .open()?;

        let node_certificate = one_certificate(&files.node_certificate)?;
        let tls_certificate = leaf(&files.tls_certificate)?;
        let office = Office {
            region: settings.region.clone(),
            settings: settings.exchange.clone(),
            catalogue,
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
            signer: key_for(&files.node_key, files, &node_certificate)?,
            certificate: node_certificate.der().to_vec(),
            tls_certificate: tls_certificate.der().to_vec(),
            sealing: read_seals(&settings)?,
            master: files.master_key.clone(),
        };
        let (trusts, peers) = (read_trusts(files)?, peers(&settings)?);
        let exchange = Exchange::new(office, storage, keys, trusts, Arc::new(log), peers);
        let exchange = exchange.map_err(|why| why.detail)?;
        let exchange = Arc::new(exchange);
        seed(&exchange, &settings)?;
        let reconciled = reconcile(&exchange)?;
        Ok(Self { settings, exchange, store, reconciled, _lock: lock })
    }

    /// Reads client authorities, revocation lists, the trust folder and other cities' directories anew.
    pub fn reload(&self) -> Result<(), Error> {
        Ok(self.exchange.replace_trust(read_trusts(&self.settings.files)?)?)
    }

    /// Starts to serve at the configured address, on a thread of its own.
    pub fn serve(self) -> Result<RunningNode, Error> {
        let listener = TcpListener::bind(self.settings.listen.address)?;
        self.serve_on(listener)
    }

    /// Starts to serve on a socket that is bound already.
    ///
    /// # Errors
    /// [`StoreError::ImportUnderWay`]: half an import would be served.
    pub fn serve_on(self, socket: TcpListener) -> Result<RunningNode, Error> {
        if self.store.import_under_way() {
            return Err(StoreError::ImportUnderWay.into());
        }
        let files = &self.settings.files;
        let read = |path: &Path| std::fs::read(path).map_err(|why| at(path, why));
        let tls = tls::server_config(&read(&files.tls_certificate)?, &files.key_pem(&files.tls_key)?)?;
        self.look_at_memory();
        let node = Arc::new(self);
        let (ready, started) = mpsc::channel();
        let served = Arc::clone(&node);
        let thread = std::thread::Builder::new().name("exchange".to_owned()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let passage = Passage::new(Arc::clone(&served.exchange));
                let listening = api::listen(passage, &served.settings.listen, socket, tls);
                match listening {
                    Ok((listener, running)) => {
                        let reload = actix_web::rt::spawn(reload_for_ever(Arc::clone(&served)));
                        let watch = actix_web::rt::spawn(watch_memory(Arc::clone(&served)));
                        // A receiver that is gone means that nobody waits for the node any more.
                        let _ = ready.send(Ok(listener));
                        let ended = running.await;
                        reload.abort();
                        watch.abort();
                        ended
                    }
                    Err(why) => {
                        let _ = ready.send(Err(why));
                        Ok(())
                    }
                }
            })
        })?;
        let listener = started.recv()??;
        let address = listener.addresses.first().copied().ok_or("the node listens nowhere")?;
        let api::Listener { handle, released, .. } = listener;
        Ok(RunningNode { node, address, handle, released, thread: Some(thread) })
    }

    fn look_at_memory(&self) {
        // Where the system does not tell, there is nothing to watch.
        if let Some(resident) = resident_bytes() {
            self.exchange.memory.observe(resident, self.settings.store.memory_limit_bytes);
        }
    }

    /// Ends long work and closes the log; the store closes when the node is dropped.
    pub fn close(&self) -> Result<(), Error> {
        self.exchange.stop_jobs();
        Ok(self.exchange.log.close()?)
    }
}

/// How often trust and revocation lists are read anew.
const RELOAD_EVERY: Duration = Duration::from_secs(10);

async fn reload_for_ever(node: Arc<Node>) {
    loop {
        actix_web::rt::time::sleep(RELOAD_EVERY).await;
        if let Err(why) = node.reload() {
            tracing::error!(%why, "trust and revocation lists could not be read; the old ones stay in force");
        }
    }
}

/// How often the memory of the process is looked at.
const MEMORY_EVERY: Duration = Duration::from_secs(5);

async fn watch_memory(node: Arc<Node>) {
    loop {
        actix_web::rt::time::sleep(MEMORY_EVERY).await;
        node.look_at_memory();
    }
}

/// How long workers have to end after the listener did.
const RELEASED_WITHIN: Duration = Duration::from_secs(5);

/// A node that serves.
pub struct RunningNode {
    pub node: Arc<Node>,
    pub address: SocketAddr,
    handle: actix_web::dev::ServerHandle,
    released: mpsc::Receiver<Infallible>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl RunningNode {
    /// `https://…` of this node.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Lets requests in flight finish, then closes log and store.
    pub fn stop(mut self) -> Result<(), Error> {
        self.stop_serving()?;
        self.node.close()
    }

    fn stop_serving(&mut self) -> Result<(), Error> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.node.exchange.stop_jobs();
        let stopped = self.handle.stop(true);
        tokio::runtime::Builder::new_current_thread().build()?.block_on(stopped);
        let ended = thread.join();
        // The store is closed, and its folder let go, by whoever holds it last: not by a worker, unseen.
        let _ = self.released.recv_timeout(RELEASED_WITHIN);
        match ended {
            Ok(ended) => Ok(ended?),
            Err(_) => Err("the serving thread ended in a panic".into()),
        }
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        // An owner that did not stop it has nobody left to tell.
        let _ = self.stop_serving();
    }
}

/// Registrations and grants of the configuration go into a new store, once, and onto the log before.
fn seed(exchange: &Exchange, settings: &NodeSettings) -> Result<(), Error> {
    const SEEDED: (&str, &str) = ("node", "seeded");
    let registry = exchange.storage.registry.as_ref();
    if registry.get(SEEDED.0, SEEDED.1)?.is_some() {
        return Ok(());
    }
    let log = |name: &str, value: serde_json::Value| {
        let mut access = Access::new("admin.seed", Outcome::Granted);
        access.details.detail.insert(name.to_owned(), value);
        exchange.log.append(access).map(|_| ())
    };
    for registration in &settings.registrations {
        log("registration", serde_json::to_value(registration)?)?;
        registrations::put_registration(registry, &exchange.registrations(), registration)
            .map_err(|why| why.detail)?;
        exchange.reload_registrations().map_err(|why| why.detail)?;
    }
    for grant in &settings.grants {
        log("grant", serde_json::to_value(grant)?)?;
        registrations::put_grant(registry, grant).map_err(|why| why.detail)?;
    }
    registry.put(SEEDED.0, SEEDED.1, &true.into())?;
    Ok(exchange.reload_registrations().map_err(|why| why.detail)?)
}

fn read_trusts(files: &Files) -> Result<Trusts, Error> {
    let client_anchors = Anchors::from_pem_all(&concatenated(&files.client_anchors)?)?;
    let mut client_crls = Vec::new();
    for (path, bytes) in folder(&files.client_crls)? {
        if bytes.starts_with(b"-----") {
            client_crls.extend(Crl::from_pem_all(&bytes).map_err(|why| at(&path, why))?);
        } else {
            client_crls.push(Crl::from_der(&bytes).map_err(|why| at(&path, why))?);
        }
    }
    let trust = Trust::read(&files.trust)?;
    let directories = read_directories(&files.directories, &trust)?;
    Ok(Trusts { client_anchors, client_crls, trust, directories })
}

fn read_directories(dir: &Path, trust: &Trust) -> Result<BTreeMap<String, Directory>, Error> {
    let mut directories = BTreeMap::new();
    for (path, bytes) in folder(dir)? {
        let region = stem(&path);
        let pinned = trust
            .directory(&region)
            .ok_or_else(|| at(&path, "the trust folder has no directory certificate for it"))?;
        let token = String::from_utf8(bytes).map_err(|why| at(&path, why))?;
        let directory =
            Directory::verify(token.trim(), &region, pinned.public_key()?).map_err(|why| at(&path, why))?;
        directories.insert(region, directory);
    }
    Ok(directories)
}

fn read_seals(settings: &NodeSettings) -> Result<SealingKeys, Error> {
    let mut keys = SealingKeys::default();
    let dir = &settings.files.seals;
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(keys),
        Err(why) => return Err(at(dir, why)),
    };
    for entry in entries {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let certificate = one_certificate(&path.join("certificate.pem"))?;
        let signer = key_for(&seal_key(&path)?, &settings.files, &certificate)?;
        if signer.suite() == Suite::P256Sha256 && !settings.allow_p256_seals {
            return Err(at(
                &path,
                "a seal of suite p256-sha256 is not an 电子印章; set allow_p256_seals to use it",
            ));
        }
        let seal = path.join("seal.esl");
        let seal = std::fs::read(&seal).map_err(|why| at(&seal, why))?;
        let key = |voice| {
            let impression =
                SealImpression { seal: seal.as_slice().into(), certificate: certificate.der().into() };
            SealingKey::new(impression, Arc::clone(&signer), voice).map_err(|why| at(&path, why))
        };
        match name.as_str() {
            "attestation" => keys.attestation = Some(key(Voice::Attestation)?),
            "node" => {
                let own = NodeSeal::new(seal, certificate.der().to_vec(), signer);
                keys.node = Some(own.map_err(|why| at(&path, why))?);
            }
            _ => {
                keys.by_issuer.insert(name, key(Voice::Issuer)?);
            }
        }
    }
    Ok(keys)
}

fn peers(settings: &NodeSettings) -> Result<Peers, Error> {
    let files = &settings.files;
    let read = |path: &Path| std::fs::read(path).map_err(|why| at(path, why));
    let key = files.key_pem(&files.tls_key)?.to_vec();
    let identity = ClientIdentity { certificate: read(&files.tls_certificate)?, key };
    let mut peers = Vec::new();
    for peer in &settings.peers {
        let anchors = read(&peer.anchors)?;
        peers.push(PeerSettings { region: peer.region.clone(), url: peer.url.clone(), anchors });
    }
    Ok(Peers::new(&peers, &identity, Duration::from_millis(settings.exchange.peer_timeout_ms))?)
}

/// Where the key of a seal's folder is: `key.pem`, or what `key.uri` says.
fn seal_key(folder: &Path) -> Result<KeySource, Error> {
    let file = folder.join("key.uri");
    match std::fs::read_to_string(&file) {
        Ok(uri) => {
            let source: KeySource = uri.trim().parse().map_err(|why| at(&file, why))?;
            Ok(source.under(folder))
        }
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(KeySource::File(folder.join("key.pem"))),
        Err(why) => Err(at(&file, why)),
    }
}

fn key_for(source: &KeySource, files: &Files, certificate: &Certificate) -> Result<Arc<dyn Signer>, Error> {
    let told = |why: &dyn std::fmt::Display| Error::from(format!("{source}: {why}"));
    let key = open_signer(source, files.key_passphrase.as_ref()).map_err(|why| told(&why))?;
    if certificate.public_key()? != key.public_key() {
        return Err(told(&format!("not the key of \"{}\"", certificate.subject())));
    }
    Ok(key)
}

fn one_certificate(path: &Path) -> Result<Certificate, Error> {
    let mut found = Certificate::from_pem_all(&std::fs::read(path).map_err(|why| at(path, why))?)
        .map_err(|why| at(path, why))?;
    match (found.pop(), found.is_empty()) {
        (Some(certificate), true) => Ok(certificate),
        _ => Err(at(path, "not one certificate")),
    }
}

fn leaf(path: &Path) -> Result<Certificate, Error> {
    let found = Certificate::from_pem_all(&std::fs::read(path).map_err(|why| at(path, why))?)
        .map_err(|why| at(path, why))?;
    found.into_iter().next().ok_or_else(|| at(path, "no certificate in it"))
}

/// Files of a folder, by name; none where there is no folder.
fn folder(dir: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(at(dir, why)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden {
            let bytes = std::fs::read(&path).map_err(|why| at(&path, why))?;
            found.push((path, bytes));
        }
    }
    found.sort();
    Ok(found)
}

/// The folder of a configuration file, from which its relative paths are meant.
fn folder_of(file: &Path) -> Result<PathBuf, Error> {
    Ok(std::path::absolute(file)?.parent().map(Path::to_path_buf).unwrap_or_default())
}

fn concatenated(dir: &Path) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    for (_, bytes) in folder(dir)? {
        all.extend_from_slice(&bytes);
        all.push(b'\n');
    }
    Ok(all)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn at(path: &Path, why: impl std::fmt::Display) -> Error {
    format!("{}: {why}", path.display()).into()
}
