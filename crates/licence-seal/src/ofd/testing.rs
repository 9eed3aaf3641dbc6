//! For tests: an authority with its seal, and sealed licences of any type.

use std::sync::Arc;

use super::{Limits, Mark, Place, Signing, WriteError, sign};
use crate::crypto::{PrivateKey, Secret, SeededRandom, Suite};
use crate::licence::{Catalogue, Generator, LicenceType, Record, Region};
use crate::pki::Certificate;
use crate::pki::issue::{Authority, Name, Profile, Request, Validity};
use crate::seal::ses::{CertList, SealKind, SealSpec, create, draw};
use crate::seal::{SaltKey, SaltKeyId, SealImpression, SealedBatch, SealedLicence, SealingKey, Voice};
use crate::time::Timestamp;

/// When everything here is made.
pub fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-23T12:05:06+08:00").unwrap()
}

pub fn catalogue() -> &'static Catalogue {
    Catalogue::embedded().unwrap()
}

/// One record of each type.
pub fn one_of_each() -> Vec<Record> {
    let generator = Generator::new(catalogue(), 3, Region::TIANJIN).unwrap();
    let mut found: Vec<Record> = Vec::new();
    for n in 0..1_000 {
        let record = generator.record(n).unwrap();
        if !found.iter().any(|known| known.type_code == record.type_code) {
            found.push(record);
        }
    }
    found
}

pub fn kind(record: &Record) -> &'static LicenceType {
    catalogue().get(&record.type_code).unwrap()
}

/// An authority: a key, its certificate, and a seal of 40 by 40 mm for it.
pub struct Office {
    pub certificate: Certificate,
    pub key: Arc<PrivateKey>,
    pub seal: Vec<u8>,
    salt_key: SaltKey,
}

impl Office {
    pub fn new(seed: &str) -> Self {
        Self::valid(seed, Validity::days(now().plus_secs(-86_400), 365), 365)
    }

    /// With a certificate valid for this period, and a seal valid for so many days of it.
    pub fn valid(seed: &str, validity: Validity, seal_days: i64) -> Self {
        let random = SeededRandom::new(seed);
        let new_key =
            || PrivateKey::from_pkcs8(&PrivateKey::generate(Suite::Sm2Sm3, &random).unwrap()).unwrap();
        let (root_key, maker_key, key) = (new_key(), new_key(), Arc::new(new_key()));
        let root = Authority::self_signed(&Name::new("示例证书机构"), validity, &root_key, &random).unwrap();
        let issue = |name: &str, key: &PrivateKey, profile| {
            let name = Name::new(name);
            let request =
                Request { name: &name, key: crate::crypto::Signer::public_key(key), validity, profile };
            root.issue(&request, &random).unwrap()
        };
        let maker = issue("示例制章人", &maker_key, Profile::SealMaker);
        let certificate = issue("示例局", &key, Profile::SealOwner);
        let spec = SealSpec {
            vendor: "licence-node".into(),
            es_id: "12000000000001".into(),
            kind: SealKind::Unit,
            name: "示例局".into(),
            certs: CertList::Certificates(vec![certificate.der().to_vec()]),
            created: validity.not_before,
            valid_from: validity.not_before,
            valid_until: validity.not_before.plus_secs(seal_days * 86_400),
            picture: draw("示例局", None).unwrap().picture(),
        };
        let seal = create(&spec, maker.der(), &maker_key).unwrap();
        let salt_key = SaltKey::new(SaltKeyId("test".into()), &Secret::from_bytes([7; 32]));
        Self { certificate, key, seal, salt_key }
    }

    /// `record` sealed, with the fields for which `show` says yes.
    pub fn sealed(&self, record: &Record, show: &dyn Fn(&str) -> bool) -> SealedLicence {
        let impression =
            SealImpression { seal: self.seal.as_slice().into(), certificate: self.certificate.der().into() };
        let key = SealingKey::new(impression, self.key.clone(), Voice::Issuer).unwrap();
        let random = SeededRandom::new("batch");
        let records = vec![record.clone()];
        let (batch, impression) =
            SealedBatch::seal(records, catalogue(), &key, &self.salt_key, now(), &random).unwrap();
        batch.licence(0, catalogue(), &impression, &self.salt_key, show).unwrap()
    }

    pub fn stamping(&self, place: Place) -> Signing<'_> {
        self.signing(Mark::Stamp { seal: &self.seal, place, time_stamp: None })
    }

    pub fn signing<'a>(&'a self, mark: Mark<'a>) -> Signing<'a> {
        Signing {
            certificate: self.certificate.der(),
            signer: self.key.as_ref(),
            mark,
            at: now(),
            lock: false,
        }
    }

    pub fn stamp(&self, file: &[u8], place: Place) -> Result<Vec<u8>, WriteError> {
        sign(file, &self.stamping(place), &Limits::default())
    }
}
