//! Laying out a node's folder: configuration, a test authority, keys, seals, trust.
//!
//! What stands here is for trying out, for the demo and for tests. The certificates come from an
//! authority made on the spot; in real use they come from the city's own (see `certs/README.md`),
//! and the files are laid down at the same places.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::keys::{Passphrase, encrypt_key_pem};
use crate::node::{Error, NodeSettings, certificate_of};
use crate::rules::{Registration, Role};
use licence_seal::crypto::{Ed25519Signer, KeyFile, PrivateKey, Random, Secret, Signer, Suite, pem_encode};
use licence_seal::evidence::{Directory, DirectoryEntry};
use licence_seal::licence::{Catalogue, Issuer as SampleIssuer, Region, issuers};
use licence_seal::pki::issue::{Authority, Name, Profile, Request, Revocation, Validity};
use licence_seal::pki::{Certificate, RevocationReason};
use licence_seal::seal::issuers::{Issuer, IssuerList, NodeBinding, SealBinding};
use licence_seal::seal::ses::{CertList, SealKind, SealSpec, create, draw};
use licence_seal::time::Timestamp;

/// Life of everything that is made here, in days.
const DAYS: i64 = 365;
/// Certificates are valid from a little before now, for clocks that differ.
const EARLIER_SECS: i64 = 3600;

/// A node's folder with its own authorities, whose keys lie in it.
pub struct City {
    pub region: Region,
    pub dir: PathBuf,
    pub suite: Suite,
    now: Timestamp,
    ca: CaFiles,
    directory_key: PrivateKey,
    /// Under it all key files are encrypted, if there is one.
    passphrase: Option<Passphrase>,
}

struct CaFiles {
    certificate: Certificate,
    key: PrivateKey,
}

/// A certificate and its key, as files.
#[derive(Clone, Debug)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
}

impl City {
    /// Makes the folder of a node, with plain key files; it must be empty or absent.
    pub fn create(
        region: Region,
        dir: &Path,
        suite: Suite,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Self, Error> {
        Self::create_under(region, dir, suite, None, now, random)
    }

    /// Makes the folder of a node, with key files that are encrypted if there is a passphrase.
    pub fn create_under(
        region: Region,
        dir: &Path,
        suite: Suite,
        passphrase: Option<Passphrase>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Self, Error> {
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(format!("{} is not empty", dir.display()).into());
        }
        for folder in ["certs/client-anchors", "certs/client-crls", "clients", "directories", "publish"] {
            fs::create_dir_all(dir.join(folder))?;
        }
        for folder in ["keys", "seals"] {
            private_folder(&dir.join(folder))?;
        }
        for folder in ["anchors", "crl", "directory", "issuers"] {
            fs::create_dir_all(dir.join("trust").join(folder))?;
        }
        let validity = validity(now);
        let name = region.name();
        let ca = new_authority(
            &dir.join("keys/ca.key.pem"),
            Suite::P256Sha256,
            &format!("{name} test CA"),
            validity,
            passphrase.as_ref(),
            random,
        )?;
        let directory_key =
            new_key(&dir.join("keys/directory.key.pem"), Suite::P256Sha256, passphrase.as_ref(), random)?;
        let city = Self { region, dir: dir.to_path_buf(), suite, now, ca, directory_key, passphrase };
        city.write_certificate("certs/client-anchors/ca.pem", &city.ca.certificate)?;
        city.write_certificate("certs/ca.pem", &city.ca.certificate)?;
        city.revoke(&[])?;

        let server = Profile::TlsServer {
            dns: vec!["localhost".to_owned()],
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        };
        city.identity("certs/tls.pem", "keys/tls.key.pem", &format!("node of {name}"), server, random)?;
        let node = city.identity(
            "certs/node.pem",
            "keys/node.key.pem",
            &format!("signing key of the node of {name}"),
            Profile::NodeSigning,
            random,
        )?;
        let directory =
            city.certify(&city.directory_key, &format!("directory of {name}"), Profile::Directory, random)?;
        city.write_certificate(&format!("trust/directory/{}.pem", region.code()), &directory)?;
        write_key(
            &dir.join("keys/log.key.pem"),
            &Ed25519Signer::generate()?.into(),
            city.passphrase.as_ref(),
            random,
        )?;
        let master = Secret::generate(random)?;
        write_secret(&dir.join("keys/master.key"), format!("{}\n", hex::encode(master.expose())).as_bytes())?;
        city.make_seals(&node, random)?;
        Ok(city)
    }

    /// A client certificate of this city's authority, under `clients/`.
    pub fn client(&self, id: &str, name: &str, random: &dyn Random) -> Result<Identity, Error> {
        let (certificate, key) = (format!("clients/{id}.pem"), format!("clients/{id}.key.pem"));
        self.identity(&certificate, &key, name, Profile::TlsClient, random)
    }

    /// Writes the authority's revocation list anew; it names `revoked`.
    pub fn revoke(&self, revoked: &[&Certificate]) -> Result<(), Error> {
        let authority = Authority::new(self.ca.certificate.clone(), &self.ca.key)?;
        let revoked: Vec<Revocation<'_>> = revoked
            .iter()
            .map(|certificate| Revocation {
                certificate,
                at: self.now.plus_secs(-60),
                reason: RevocationReason::KeyCompromise,
            })
            .collect();
        let number = u64::try_from(self.now.secs()).unwrap_or_default();
        let crl = authority.crl(
            &revoked,
            number,
            self.now.plus_secs(-EARLIER_SECS),
            self.now.plus_secs(DAYS * 86_400),
        )?;
        Ok(fs::write(self.dir.join("certs/client-crls/ca.crl"), crl.der())?)
    }

    /// Signs the directory of partners and puts it where other cities fetch it.
    pub fn publish_directory(&self, partners: Vec<DirectoryEntry>) -> Result<(), Error> {
        let directory = Directory {
            region: self.region.code().to_owned(),
            issued: self.now,
            next_update: self.now.plus_secs(DAYS * 86_400),
            partners,
        };
        let file = self.dir.join("publish").join(format!("{}.jwt", self.region.code()));
        Ok(fs::write(file, directory.sign(&self.directory_key)?)?)
    }

    /// Takes over what the other city gives to its peers: its client authority, trust and directory.
    pub fn befriend(&self, other: &Self) -> Result<(), Error> {
        let code = other.region.code();
        let copy = |from: &str, to: &str| fs::copy(other.dir.join(from), self.dir.join(to)).map(|_| ());
        copy("certs/ca.pem", &format!("certs/client-anchors/{code}.pem"))?;
        copy("certs/client-crls/ca.crl", &format!("certs/client-crls/{code}.crl"))?;
        copy("certs/ca.pem", &format!("certs/peer-{code}.pem"))?;
        copy(&format!("trust/anchors/{code}.pem"), &format!("trust/anchors/{code}.pem"))?;
        copy(&format!("trust/crl/{code}.crl"), &format!("trust/crl/{code}.crl"))?;
        copy(&format!("trust/directory/{code}.pem"), &format!("trust/directory/{code}.pem"))?;
        copy(&format!("trust/issuers/{code}.jwt"), &format!("trust/issuers/{code}.jwt"))?;
        copy(&format!("publish/{code}.jwt"), &format!("directories/{code}.jwt"))?;
        Ok(())
    }

    /// Fingerprint of the certificate that this city's node shows.
    pub fn node_fingerprint(&self) -> Result<String, Error> {
        fingerprint_of(&self.dir.join("certs/tls.pem"))
    }

    /// A registration that begins now.
    pub fn registration(&self, id: &str, name: &str, role: Role, fingerprint: String) -> Registration {
        Registration {
            id: id.to_owned(),
            name: name.to_owned(),
            role,
            certificates: vec![fingerprint],
            from: self.now.plus_secs(-EARLIER_SECS),
            until: None,
            revoked: false,
            must_sign: false,
            addresses: Vec::new(),
            issuer_codes: Vec::new(),
        }
    }

    /// Writes `node.toml` with what differs from the defaults.
    pub fn write_configuration(&self, configuration: &Configuration<'_>) -> Result<PathBuf, Error> {
        let file = self.dir.join("node.toml");
        let body = toml_of(configuration)?;
        let text = format!(
            "# Configuration of the node of region {}. Every key is explained in config/node.sample.toml,\n\
             # and `licence-node config explain --config FILE` shows all values in force.\n\n{body}",
            self.region.code()
        );
        fs::write(&file, text)?;
        Ok(file)
    }

    /// The sample issuing authorities of this region.
    pub fn issuers(&self) -> Result<Vec<SampleIssuer>, Error> {
        Ok(issuers(Catalogue::embedded()?, self.region)?)
    }

    fn make_seals(&self, node: &Identity, random: &dyn Random) -> Result<(), Error> {
        let (code, validity) = (self.region.code(), validity(self.now));
        let name = self.region.name();
        let key_file = self.dir.join("keys/seal-ca.key.pem");
        let ca = new_authority(
            &key_file,
            self.suite,
            &format!("{name} test seal CA"),
            validity,
            self.passphrase.as_ref(),
            random,
        )?;
        self.write_certificate(&format!("trust/anchors/{code}.pem"), &ca.certificate)?;
        let authority = Authority::new(ca.certificate.clone(), &ca.key)?;
        let crl =
            authority.crl(&[], 1, self.now.plus_secs(-EARLIER_SECS), self.now.plus_secs(DAYS * 86_400))?;
        fs::write(self.dir.join(format!("trust/crl/{code}.crl")), crl.der())?;

        let maker_key = self.new_key(&self.dir.join("keys/seal-maker.key.pem"), self.suite, random)?;
        let maker_name = Name::new(&format!("{name} test seal maker"));
        let maker = authority.issue(
            &Request {
                name: &maker_name,
                key: maker_key.public_key(),
                validity,
                profile: Profile::SealMaker,
            },
            random,
        )?;
        self.write_certificate("certs/seal-maker.pem", &maker)?;
        let from = self.now.plus_secs(-EARLIER_SECS);
        let binding = |certificate: &Certificate| SealBinding {
            certificate: hex::encode(certificate.fingerprint()),
            types: vec!["*".to_owned()],
            from,
            until: None,
        };
        let mut listed = Vec::new();
        let mut attestation = Vec::new();
        let mut nodes = vec![NodeBinding { certificate: node.fingerprint.clone(), from, until: None }];
        let library = (String::from("attestation"), format!("{name}电子证照库（示例）"));
        let own = (String::from("node"), format!("{name}电子证照交换节点（示例）"));
        let authorities = self.issuers()?.into_iter().map(|issuer| (issuer.code.to_string(), issuer.name));
        for (at, (id, owner)) in authorities.chain([library, own]).enumerate() {
            let folder = self.dir.join("seals").join(&id);
            private_folder(&folder)?;
            let key = self.new_key(&folder.join("key.pem"), self.suite, random)?;
            let owner_name = Name::new(&owner);
            let certificate = authority.issue(
                &Request { name: &owner_name, key: key.public_key(), validity, profile: Profile::SealOwner },
                random,
            )?;
            let spec = SealSpec {
                vendor: "licence-node".to_owned(),
                es_id: format!("{code}{:08}", at + 1),
                kind: SealKind::Unit,
                name: owner.clone(),
                certs: CertList::Certificates(vec![certificate.der().to_vec()]),
                created: self.now,
                valid_from: from,
                valid_until: validity.not_after,
                picture: draw(&owner, None)?.picture(),
            };
            fs::write(folder.join("seal.esl"), create(&spec, maker.der(), &maker_key)?)?;
            fs::write(folder.join("certificate.pem"), pem_encode("CERTIFICATE", certificate.der())?)?;
            let bound = binding(&certificate);
            match id.as_str() {
                "attestation" => attestation.push(bound),
                "node" => nodes.push(NodeBinding { certificate: bound.certificate, from, until: None }),
                _ => listed.push(Issuer { code: id, name: owner, seals: vec![bound] }),
            }
        }
        let list =
            IssuerList { region: code.to_owned(), issued: self.now, issuers: listed, attestation, nodes };
        Ok(fs::write(self.dir.join(format!("trust/issuers/{code}.jwt")), list.sign(&self.directory_key)?)?)
    }

    fn new_key(&self, file: &Path, suite: Suite, random: &dyn Random) -> Result<PrivateKey, Error> {
        new_key(file, suite, self.passphrase.as_ref(), random)
    }

    fn identity(
        &self,
        certificate: &str,
        key: &str,
        name: &str,
        profile: Profile,
        random: &dyn Random,
    ) -> Result<Identity, Error> {
        let (certificate_path, key_path) = (self.dir.join(certificate), self.dir.join(key));
        let made = self.new_key(&key_path, Suite::P256Sha256, random)?;
        let issued = self.certify(&made, name, profile, random)?;
        self.write_certificate(certificate, &issued)?;
        let fingerprint = hex::encode(issued.fingerprint());
        Ok(Identity { certificate: certificate_path, key: key_path, fingerprint })
    }

    fn certify(
        &self,
        key: &PrivateKey,
        name: &str,
        profile: Profile,
        random: &dyn Random,
    ) -> Result<Certificate, Error> {
        let authority = Authority::new(self.ca.certificate.clone(), &self.ca.key)?;
        let name = Name::new(name);
        let request = Request { name: &name, key: key.public_key(), validity: validity(self.now), profile };
        Ok(authority.issue(&request, random)?)
    }

    fn write_certificate(&self, path: &str, certificate: &Certificate) -> Result<(), Error> {
        Ok(fs::write(self.dir.join(path), pem_encode("CERTIFICATE", certificate.der())?)?)
    }
}

/// What `init` writes of a configuration.
#[derive(Debug, Serialize)]
pub struct Configuration<'a> {
    pub region: &'a str,
    pub allow_p256_seals: bool,
    pub listen: Listen,
    /// What differs in `[files]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<&'a str, String>,
    pub peers: Vec<Peer>,
    pub registrations: Vec<Registration>,
    pub grants: Vec<crate::rules::Grant>,
}

#[derive(Debug, Serialize)]
pub struct Listen {
    pub address: String,
}

#[derive(Debug, Serialize)]
pub struct Peer {
    pub region: String,
    pub url: String,
    pub anchors: String,
}

/// SHA-256 of the first certificate of a PEM file, hexadecimal.
pub fn fingerprint_of(path: &Path) -> Result<String, Error> {
    Ok(hex::encode(certificate_of(path)?.fingerprint()))
}

fn toml_of(configuration: &Configuration<'_>) -> Result<String, Error> {
    Ok(toml::to_string(configuration)?)
}

fn validity(now: Timestamp) -> Validity {
    Validity { not_before: now.plus_secs(-EARLIER_SECS), not_after: now.plus_secs(DAYS * 86_400) }
}

fn new_authority(
    key_file: &Path,
    suite: Suite,
    name: &str,
    validity: Validity,
    passphrase: Option<&Passphrase>,
    random: &dyn Random,
) -> Result<CaFiles, Error> {
    let key = new_key(key_file, suite, passphrase, random)?;
    let certificate = Authority::self_signed(&Name::new(name), validity, &key, random)?.certificate().clone();
    Ok(CaFiles { certificate, key })
}

fn new_key(
    file: &Path,
    suite: Suite,
    passphrase: Option<&Passphrase>,
    random: &dyn Random,
) -> Result<PrivateKey, Error> {
    let pkcs8: KeyFile = PrivateKey::generate(suite, random)?;
    write_key(file, &pkcs8, passphrase, random)?;
    Ok(PrivateKey::from_pkcs8(&pkcs8)?)
}

fn write_key(
    file: &Path,
    pkcs8: &KeyFile,
    passphrase: Option<&Passphrase>,
    random: &dyn Random,
) -> Result<(), Error> {
    let pem = match passphrase {
        Some(passphrase) => encrypt_key_pem(pkcs8, passphrase, random)?,
        None => PrivateKey::to_pem(pkcs8)?,
    };
    write_secret(file, pem.as_bytes())
}

/// Writes a file that only its owner may read.
fn write_secret(path: &Path, content: &[u8]) -> Result<(), Error> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(content)?)
}

fn private_folder(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    Ok(fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?)
}

/// The settings that a written configuration gives.
pub fn settings(file: &Path) -> Result<NodeSettings, Error> {
    NodeSettings::read(file)
}
