//! The configuration file: what stands in it, its defaults, and where its paths lead.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::{Error, at};
use crate::accesslog::VerifierKey;
use crate::api::settings::ListenSettings;
use crate::config::Layers;
use crate::durable::RealDisk;
use crate::exchange::master::MasterKeyed;
use crate::exchange::settings::ExchangeSettings;
use crate::keys::{KeySource, MasterKeySource, SecretSource, read_key_pem};
use crate::rules::{Grant, Registration};
use crate::store::StoreSettings;
use licence_seal::crypto::{Ed25519Signer, Secret, pem_decode};

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
    pub(super) fn key_pem(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
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

    pub(super) fn log_signer(&self) -> Result<Ed25519Signer, Error> {
        let path = &self.files.log_key;
        let pem = self.files.key_pem(path)?;
        let der = Zeroizing::new(pem_decode("PRIVATE KEY", &pem).map_err(|why| at(path, why))?);
        Ed25519Signer::from_pkcs8(&der).map_err(|why| at(path, why))
    }
}

/// Label under which the master key gives the log's key.
pub const LOG_KEY_LABEL: &str = "access log";

/// The folder of a configuration file, from which its relative paths are meant.
fn folder_of(file: &Path) -> Result<PathBuf, Error> {
    Ok(std::path::absolute(file)?.parent().map(Path::to_path_buf).unwrap_or_default())
}
