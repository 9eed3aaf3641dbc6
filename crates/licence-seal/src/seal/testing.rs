//! A small city for tests: an authority with its seal, an attestation seal, a node, a directory key.

use std::sync::{Arc, OnceLock};

use serde_json::json;

use super::issuers::{Issuer, IssuerList, NodeBinding, SealBinding};
use super::ses::{CertList, Picture, SealKind, SealSpec, create, plain_ring::plain_ring};
use super::statement::StatusStatement;
use super::trust::Trust;
use super::{SaltKey, SaltKeyId, SealImpression, SealedBatch, SealedLicence, SealingKey, Voice};
use crate::crypto::{PrivateKey, Random, Secret, SeededRandom, Signer, Suite, pem_encode, sha256};
use crate::licence::{Catalogue, CitizenNumber, Identifier, Record, State, TypeCode, Uscc};
use crate::pki::issue::{Authority, Name, Profile, Request, Validity};
use crate::pki::{Certificate, Crl};
use crate::time::Timestamp;

pub(super) const TYPE: &str = "11999999EXAMPLE033901";
/// Whoever has a key of its own in a city.
pub(super) const ROLES: [&str; 6] = ["root", "maker", "owner", "attest", "node", "directory"];

pub(super) type Keys<'a> = &'a dyn Fn(&str) -> Arc<dyn Signer>;

/// When everything here is sealed.
pub(super) fn sealed_at() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-23T12:05:06+08:00").unwrap()
}

/// When the status statements are made, and everything here is asked.
pub(super) fn asked_at() -> Timestamp {
    sealed_at().plus_secs(3600)
}

/// The catalogue of the golden files: it never changes, whatever the embedded one does.
pub(super) fn catalogue() -> &'static Catalogue {
    static PARSED: OnceLock<Catalogue> = OnceLock::new();
    let (index, group) = (
        include_str!("../../../../tests/golden/catalogue.json"),
        include_str!("../../../../tests/golden/group.json"),
    );
    PARSED.get_or_init(|| Catalogue::parse(index, &[group]).unwrap())
}

/// Keys from a seed; those of P-256 are new each time.
pub(super) fn seeded(suite: Suite, seed: &str) -> impl Fn(&str) -> Arc<dyn Signer> {
    let seed = seed.to_owned();
    move |role| {
        let random = SeededRandom::new(&format!("{seed}/{role}"));
        let pkcs8 = PrivateKey::generate(suite, &random).unwrap();
        Arc::new(PrivateKey::from_pkcs8(&pkcs8).unwrap())
    }
}

pub(super) struct City {
    pub suite: Suite,
    pub region: String,
    pub issuer: Uscc,
    certificates: Vec<Certificate>,
    signers: Vec<Arc<dyn Signer>>,
    pub seal: Vec<u8>,
    pub attestation_seal: Vec<u8>,
    pub crl: Crl,
    pub salt_key: SaltKey,
}

/// A picture of a few bytes: a GIF of one pixel.
pub fn dot() -> Picture {
    let data = b"GIF89a\x01\0\x01\0\0\0\0;".to_vec();
    Picture { kind: "GIF".into(), data, width: 40, height: 40 }
}

impl City {
    pub fn new(suite: Suite, region: &str, keys: Keys<'_>, picture: Picture) -> Self {
        let random = SeededRandom::new(&format!("licence-node golden/{}/{region}", suite.name()));
        let signers: Vec<_> = ROLES.iter().map(|role| keys(role)).collect();
        let from = Timestamp::parse_rfc3339("2026-01-01T00:00:00+08:00").unwrap();
        let validity = Validity::days(from, 3650);
        let profiles = [
            ("样例证书机构", None),
            ("样例制章人", Some(Profile::SealMaker)),
            ("样例局", Some(Profile::SealOwner)),
            ("样例证照库", Some(Profile::SealOwner)),
            ("样例节点", Some(Profile::NodeSigning)),
            ("样例目录", Some(Profile::Directory)),
        ];
        let root = Authority::self_signed(
            &Name::new(&format!("{region} 样例证书机构")),
            validity,
            &*signers[0],
            &random,
        )
        .unwrap();
        let mut certificates = vec![root.certificate().clone()];
        for ((name, profile), signer) in profiles.into_iter().zip(&signers).skip(1) {
            let name = Name::new(&format!("{region} {name}"));
            let request =
                Request { name: &name, key: signer.public_key(), validity, profile: profile.unwrap() };
            certificates.push(root.issue(&request, &random).unwrap());
        }
        let crl = root.crl(&[], 1, from, sealed_at().plus_secs(7 * 86_400)).unwrap();
        let seal = |name: &str, number: &str, certs| {
            let spec = SealSpec {
                vendor: "licence-node".into(),
                es_id: format!("{region}{number}"),
                kind: SealKind::Unit,
                name: name.into(),
                certs,
                created: from,
                valid_from: from,
                valid_until: validity.not_after,
                picture: picture.clone(),
            };
            create(&spec, certificates[1].der(), &*signers[1]).unwrap()
        };
        Self {
            seal: seal("样例局", "0001", CertList::Certificates(vec![certificates[2].der().to_vec()])),
            attestation_seal: seal("样例证照库", "0002", CertList::digests(suite, &[certificates[3].der()])),
            suite,
            region: region.to_owned(),
            issuer: Uscc::build("11", region, "XNAUTH01").unwrap(),
            certificates,
            signers,
            crl,
            salt_key: SaltKey::new(SaltKeyId("golden".into()), &Secret::from_bytes([7; 32])),
        }
    }

    /// With the plain ring as its seals' picture.
    pub fn pictured(suite: Suite, region: &str, keys: Keys<'_>) -> Self {
        let picture = Picture { kind: "PNG".into(), data: plain_ring(), width: 40, height: 40 };
        Self::new(suite, region, keys, picture)
    }

    /// With a picture of a few bytes, so that a licence is short.
    pub fn plain(suite: Suite, region: &str) -> Self {
        Self::new(suite, region, &seeded(suite, &format!("plain/{region}")), dot())
    }

    /// Tianjin, made once for each suite.
    pub fn shared(suite: Suite) -> &'static Self {
        static MADE: [OnceLock<City>; 2] = [OnceLock::new(), OnceLock::new()];
        let at = Suite::ALL.iter().position(|one| *one == suite).unwrap();
        MADE[at].get_or_init(|| Self::plain(suite, "120000"))
    }

    fn at(role: &str) -> usize {
        ROLES.iter().position(|one| *one == role).unwrap()
    }

    pub fn certificate(&self, role: &str) -> &Certificate {
        &self.certificates[Self::at(role)]
    }

    pub fn signer(&self, role: &str) -> Arc<dyn Signer> {
        Arc::clone(&self.signers[Self::at(role)])
    }

    pub fn list(&self) -> IssuerList {
        let from = self.certificate("root").not_before();
        let bound = |role: &str| SealBinding {
            certificate: hex::encode(sha256(&[self.certificate(role).der()])),
            types: vec![if role == "owner" { TYPE.to_owned() } else { "*".to_owned() }],
            from,
            until: None,
        };
        IssuerList {
            region: self.region.clone(),
            issued: from,
            issuers: vec![Issuer {
                code: self.issuer.to_string(),
                name: "样例局".into(),
                seals: vec![bound("owner")],
            }],
            attestation: vec![bound("attest")],
            nodes: vec![NodeBinding { certificate: bound("node").certificate, from, until: None }],
        }
    }

    /// The files of a trust folder that holds this city alone.
    pub fn trust_files(&self, list: &IssuerList) -> Vec<(String, Vec<u8>)> {
        let pem = |role| pem_encode("CERTIFICATE", self.certificate(role).der()).unwrap().into_bytes();
        let token = list.sign(&*self.signer("directory")).unwrap();
        vec![
            (format!("anchors/{}.pem", self.region), pem("root")),
            (format!("directory/{}.pem", self.region), pem("directory")),
            (format!("issuers/{}.jwt", self.region), token.into_bytes()),
            (format!("crl/{}.crl", self.region), self.crl.der().to_vec()),
        ]
    }

    pub fn trust(&self) -> Trust {
        trust_of(&[(self, self.list())])
    }

    /// Synthetic records: each third has two holders, each second no end and few fields.
    pub fn records(&self, count: usize) -> Vec<Record> {
        (1..=count).map(|n| self.record(n)).collect()
    }

    fn record(&self, n: usize) -> Record {
        let citizen = |sequence: usize| {
            let birth = crate::time::Day::from_ymd(1900, 1, 1).unwrap();
            let area = format!("{}00", &self.region[..4]);
            let sequence = u16::try_from(sequence).unwrap();
            CitizenNumber::build(&area, birth, sequence).unwrap().as_str().to_owned()
        };
        let kind = TypeCode::parse(TYPE).unwrap();
        let id = Identifier::build(&kind, &self.issuer, &format!("G{n:04}"), 1).unwrap();
        let mut record = json!({
            "certificateIdentifier": id.as_str(),
            "certificateTypeCode": TYPE,
            "certificateNumber": format!("样字第{n:04}号"),
            "certificateHolderName": format!("样例 \"甲\" {n}"),
            "certificateHolderCode": citizen(n),
            "certificateHolderTypeCode": "111",
            "certificateIssuingAuthorityName": "样例局",
            "certificateIssuingAuthorityCode": self.issuer.as_str(),
            "certificateIssuedDate": "2026-02-28",
            "certificateEffectiveDate": "2026-03-01",
            "certificateAreaCode": self.region,
            "fields": {"address": format!("样本路 {n} 号 \\ 𠀀"), "level": "甲级"},
        });
        if n % 2 == 1 {
            record["certificateExpiringDate"] = json!("2031-02-28");
            record["fields"]["scope"] = json!(["一", "二/三"]);
            record["fields"]["capital"] = json!("1000000.50");
            record["fields"]["firstIssued"] = json!("2020-02-29");
        }
        if n.is_multiple_of(3) {
            record["certificateHolderName"] = json!([format!("样例甲{n}"), format!("样例乙{n}")]);
            record["certificateHolderCode"] = json!([citizen(n), citizen(n + 500)]);
            record["certificateHolderTypeCode"] = json!(["111", "111"]);
        }
        Record::parse_json(record.to_string().as_bytes(), catalogue()).unwrap_or_else(|why| panic!("{why:?}"))
    }

    pub fn sealing_key(&self, voice: Voice) -> SealingKey {
        let (seal, role) = match voice {
            Voice::Issuer => (&self.seal, "owner"),
            Voice::Attestation => (&self.attestation_seal, "attest"),
        };
        let certificate = self.certificate(role).der().into();
        let impression = SealImpression { seal: seal.as_slice().into(), certificate };
        SealingKey::new(impression, self.signer(role), voice).unwrap()
    }

    pub fn batch(&self, voice: Voice, count: usize, random: &dyn Random) -> Batch<'_> {
        let key = self.sealing_key(voice);
        let records = self.records(count);
        let (sealed, impression) =
            SealedBatch::seal(records, catalogue(), &key, &self.salt_key, sealed_at(), random).unwrap();
        Batch { city: self, sealed, impression }
    }

    pub fn statement(&self, id: &str, state: State) -> StatusStatement {
        StatusStatement {
            iss: self.region.clone(),
            id: id.to_owned(),
            state,
            as_of: asked_at(),
            next_update: asked_at().plus_secs(86_400),
        }
    }

    pub fn say(&self, statement: &StatusStatement) -> String {
        statement.sign(&*self.signer("node"), self.certificate("node").der()).unwrap()
    }
}

pub(super) struct Batch<'a> {
    city: &'a City,
    pub sealed: SealedBatch,
    pub impression: SealImpression,
}

impl Batch<'_> {
    /// Licence `index` with the fields for which `show` says yes; no status.
    pub fn cut(&self, index: usize, show: &dyn Fn(&str) -> bool) -> SealedLicence {
        self.sealed.licence(index, catalogue(), &self.impression, &self.city.salt_key, show).unwrap()
    }

    /// The same with a fresh statement that it is valid.
    pub fn good(&self, index: usize, show: &dyn Fn(&str) -> bool) -> SealedLicence {
        let licence = self.cut(index, show);
        let status = self.city.say(&self.city.statement(&licence.payload.id, State::Valid));
        SealedLicence { status: Some(status), ..licence }
    }
}

pub(super) fn trust_of(cities: &[(&City, IssuerList)]) -> Trust {
    Trust::from_files(cities.iter().flat_map(|(city, list)| city.trust_files(list))).unwrap()
}
