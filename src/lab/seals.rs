//! Seals of a test authority: for the sample issuers, the library and the node.

use std::fs;
use std::path::Path;

use super::authority::{Authority, DAYS, EARLIER_SECS, validity};
use super::error::Error;
use super::files::{new_key, private_folder, write_certificate};
use crate::keys::Passphrase;
use licence_seal::crypto::{PrivateKey, Random, Signer, Suite};
use licence_seal::licence::{Catalogue, Region, issuers};
use licence_seal::pki::Certificate;
use licence_seal::pki::issue::{Name, Profile, Request};
use licence_seal::seal::ses::{CertList, SealKind, SealSpec, create, draw};
use licence_seal::seal::{Issuer, IssuerList, NodeBinding, SealBinding};
use licence_seal::time::Timestamp;

/// Whose seals, where and how they are made.
pub(super) struct Seals<'a> {
    pub(super) region: Region,
    pub(super) dir: &'a Path,
    pub(super) suite: Suite,
    pub(super) now: Timestamp,
    pub(super) passphrase: Option<&'a Passphrase>,
    /// Signs the issuer list.
    pub(super) directory_key: &'a PrivateKey,
}

impl Seals<'_> {
    /// Makes the seals of all sample issuers, of the library and of the node, and the issuer list that names
    /// them. `node` is the fingerprint of the node's signing certificate.
    pub(super) fn make(&self, node: &str, random: &dyn Random) -> Result<(), Error> {
        let (code, validity) = (self.region.code(), validity(self.now));
        let name = self.region.name();
        let key_file = self.dir.join("keys/seal-ca.key.pem");
        let ca = Authority::create(
            &key_file,
            self.suite,
            &format!("{name} test seal CA"),
            validity,
            self.passphrase,
            random,
        )?;
        write_certificate(&self.dir.join(format!("trust/anchors/{code}.pem")), &ca.certificate)?;
        let authority = ca.issuer()?;
        let crl =
            authority.crl(&[], 1, self.now.plus_secs(-EARLIER_SECS), self.now.plus_secs(DAYS * 86_400))?;
        fs::write(self.dir.join(format!("trust/crl/{code}.crl")), crl.der())?;

        let maker_key =
            new_key(&self.dir.join("keys/seal-maker.key.pem"), self.suite, self.passphrase, random)?;
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
        write_certificate(&self.dir.join("certs/seal-maker.pem"), &maker)?;
        let from = self.now.plus_secs(-EARLIER_SECS);
        let binding = |certificate: &Certificate| SealBinding {
            certificate: hex::encode(certificate.fingerprint()),
            types: vec!["*".to_owned()],
            from,
            until: None,
        };
        let mut listed = Vec::new();
        let mut attestation = Vec::new();
        let mut nodes = vec![NodeBinding { certificate: node.to_owned(), from, until: None }];
        let library = (String::from("attestation"), format!("{name}电子证照库（示例）"));
        let own = (String::from("node"), format!("{name}电子证照交换节点（示例）"));
        let authorities = issuers(Catalogue::embedded()?, self.region)?
            .into_iter()
            .map(|issuer| (issuer.code.to_string(), issuer.name));
        for (at, (id, owner)) in authorities.chain([library, own]).enumerate() {
            let folder = self.dir.join("seals").join(&id);
            private_folder(&folder)?;
            let key = new_key(&folder.join("key.pem"), self.suite, self.passphrase, random)?;
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
            write_certificate(&folder.join("certificate.pem"), &certificate)?;
            let bound = binding(&certificate);
            match id.as_str() {
                "attestation" => attestation.push(bound),
                "node" => nodes.push(NodeBinding { certificate: bound.certificate, from, until: None }),
                _ => listed.push(Issuer { code: id, name: owner, seals: vec![bound] }),
            }
        }
        let list =
            IssuerList { region: code.to_owned(), issued: self.now, issuers: listed, attestation, nodes };
        Ok(fs::write(self.dir.join(format!("trust/issuers/{code}.jwt")), list.sign(self.directory_key)?)?)
    }
}
