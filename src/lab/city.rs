//! A node's folder: keys, certificates and lists of its own test authority.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::authority::{Authority, DAYS, EARLIER_SECS, validity};
use super::configuration::Configuration;
use super::error::Error;
use super::files::{new_key, private_folder, write_certificate, write_key, write_secret};
use super::seals::Seals;
use crate::keys::Passphrase;
use crate::rules::{Registration, Role};
use licence_seal::crypto::{Ed25519Signer, PrivateKey, Random, Secret, Signer, Suite};
use licence_seal::evidence::{Directory, DirectoryEntry};
use licence_seal::licence::{Catalogue, Issuer as SampleIssuer, Region, issuers};
use licence_seal::pki::issue::{Name, Profile, Request, Revocation};
use licence_seal::pki::{Certificate, RevocationReason};
use licence_seal::time::Timestamp;

/// A node's folder with its own authorities, whose keys lie in it.
pub struct City {
    pub region: Region,
    pub dir: PathBuf,
    pub suite: Suite,
    now: Timestamp,
    ca: Authority,
    node_fingerprint: String,
    directory_key: PrivateKey,
    /// Under it all key files are encrypted, if there is one.
    passphrase: Option<Passphrase>,
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
        let ca = Authority::create(
            &dir.join("keys/ca.key.pem"),
            Suite::P256Sha256,
            &format!("{name} test CA"),
            validity,
            passphrase.as_ref(),
            random,
        )?;
        let directory_key =
            new_key(&dir.join("keys/directory.key.pem"), Suite::P256Sha256, passphrase.as_ref(), random)?;
        let node_fingerprint = String::new();
        let mut city = Self {
            region,
            dir: dir.to_path_buf(),
            suite,
            now,
            ca,
            node_fingerprint,
            directory_key,
            passphrase,
        };
        write_certificate(&city.dir.join("certs/client-anchors/ca.pem"), &city.ca.certificate)?;
        write_certificate(&city.dir.join("certs/ca.pem"), &city.ca.certificate)?;
        city.revoke(&[])?;

        let server = Profile::TlsServer {
            dns: vec!["localhost".to_owned()],
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        };
        let tls =
            city.identity("certs/tls.pem", "keys/tls.key.pem", &format!("node of {name}"), server, random)?;
        city.node_fingerprint = tls.fingerprint;
        let node = city.identity(
            "certs/node.pem",
            "keys/node.key.pem",
            &format!("signing key of the node of {name}"),
            Profile::NodeSigning,
            random,
        )?;
        let directory =
            city.certify(&city.directory_key, &format!("directory of {name}"), Profile::Directory, random)?;
        write_certificate(&city.dir.join(format!("trust/directory/{}.pem", region.code())), &directory)?;
        write_key(
            &dir.join("keys/log.key.pem"),
            &Ed25519Signer::generate()?.into(),
            city.passphrase.as_ref(),
            random,
        )?;
        let master = Secret::generate(random)?;
        write_secret(&dir.join("keys/master.key"), format!("{}\n", hex::encode(master.expose())).as_bytes())?;
        let seals = Seals {
            region,
            dir: &city.dir,
            suite,
            now,
            passphrase: city.passphrase.as_ref(),
            directory_key: &city.directory_key,
        };
        seals.make(&node.fingerprint, random)?;
        Ok(city)
    }

    /// A client certificate of this city's authority, under `clients/`.
    pub fn client(&self, id: &str, name: &str, random: &dyn Random) -> Result<Identity, Error> {
        let (certificate, key) = (format!("clients/{id}.pem"), format!("clients/{id}.key.pem"));
        self.identity(&certificate, &key, name, Profile::TlsClient, random)
    }

    /// Writes the authority's revocation list anew; it names `revoked`.
    pub fn revoke(&self, revoked: &[&Certificate]) -> Result<(), Error> {
        let authority = self.ca.issuer()?;
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
    pub fn node_fingerprint(&self) -> &str {
        &self.node_fingerprint
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
        let body = toml::to_string(configuration)?;
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

    fn identity(
        &self,
        certificate: &str,
        key: &str,
        name: &str,
        profile: Profile,
        random: &dyn Random,
    ) -> Result<Identity, Error> {
        let (certificate_path, key_path) = (self.dir.join(certificate), self.dir.join(key));
        let made = new_key(&key_path, Suite::P256Sha256, self.passphrase.as_ref(), random)?;
        let issued = self.certify(&made, name, profile, random)?;
        write_certificate(&certificate_path, &issued)?;
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
        let authority = self.ca.issuer()?;
        let name = Name::new(name);
        let request = Request { name: &name, key: key.public_key(), validity: validity(self.now), profile };
        Ok(authority.issue(&request, random)?)
    }
}
