//! Files that become keys, certificates, seals, trust and peers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::error::{Error, at};
use super::settings::{Files, NodeSettings};
use crate::exchange::{NodeSeal, SealingKeys, Trusts};
use crate::keys::{KeySource, open_signer};
use crate::peer::{ClientIdentity, PeerSettings, Peers};
use licence_seal::crypto::{Signer, Suite};
use licence_seal::evidence::Directory;
use licence_seal::pki::{Anchors, Certificate, Crl};
use licence_seal::seal::{SealImpression, SealingKey, Trust, Voice};

pub(super) fn read_trusts(files: &Files) -> Result<Trusts, Error> {
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

pub(super) fn read_seals(settings: &NodeSettings) -> Result<SealingKeys, Error> {
    let mut keys = SealingKeys::default();
    for (name, path) in seal_folders(&settings.files.seals)? {
        let certificate = one_certificate(&path.join("certificate.pem"))?;
        let signer = signer_of(&seal_key(&path)?, &settings.files, &certificate)?;
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

/// Folders of seals, by name; none where there is no folder.
pub fn seal_folders(dir: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let paths = entries(dir)?.into_iter().filter(|path| path.is_dir());
    Ok(paths.map(|path| (name(&path), path)).collect())
}

pub(super) fn peers(settings: &NodeSettings) -> Result<Peers, Error> {
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

pub(super) fn signer_of(
    source: &KeySource,
    files: &Files,
    certificate: &Certificate,
) -> Result<Arc<dyn Signer>, Error> {
    let key = open_signer(source, files.key_passphrase.as_ref()).map_err(|why| format!("{source}: {why}"))?;
    if certificate.public_key()? != key.public_key() {
        return Err(format!("{source}: not the key of \"{}\"", certificate.subject()).into());
    }
    Ok(key)
}

const NO_CERTIFICATE: &str = "no certificate in it";

/// The certificates of a PEM file.
fn certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let pem = std::fs::read(path).map_err(|why| at(path, why))?;
    Certificate::from_pem_all(&pem).map_err(|why| at(path, why))
}

/// The certificates of a PEM file that must hold one or more.
pub fn certificates_of(path: &Path) -> Result<Vec<Certificate>, Error> {
    let found = certificates(path)?;
    if found.is_empty() { Err(at(path, NO_CERTIFICATE)) } else { Ok(found) }
}

/// The first certificate of a PEM file; of a chain that is the leaf.
pub fn certificate_of(path: &Path) -> Result<Certificate, Error> {
    certificates(path)?.into_iter().next().ok_or_else(|| at(path, NO_CERTIFICATE))
}

/// The only certificate of a PEM file.
pub(super) fn one_certificate(path: &Path) -> Result<Certificate, Error> {
    <[Certificate; 1]>::try_from(certificates(path)?)
        .map(|[certificate]| certificate)
        .map_err(|_| at(path, "not one certificate"))
}

/// What lies in a folder, sorted; nothing where there is no folder.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(at(dir, why)),
    };
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|why| at(dir, why))?;
    paths.sort();
    Ok(paths)
}

/// Files of a folder, by name; hidden ones are left out.
fn folder(dir: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
    let paths = entries(dir)?.into_iter().filter(|path| path.is_file() && !name(path).starts_with('.'));
    paths.map(|path| std::fs::read(&path).map_err(|why| at(&path, why)).map(|bytes| (path, bytes))).collect()
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
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
