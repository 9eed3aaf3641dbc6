//! The store as a whole, on real folders and on a disk that fails.

mod backup;
mod changes;
mod compacting;
mod damage;
mod faults;
mod folding;
mod intake;
mod model;
mod recovery;
mod rekey;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::*;
use crate::durable::{Disk, RealDisk};
use licence_seal::crypto::{PrivateKey, Secret, SeededRandom, Signer, Suite, SystemRandom};
use licence_seal::licence::{
    Catalogue, Generator, Holder, HolderCodeType, Identifier, Record, Region, State,
};
use licence_seal::pki::issue::{Authority, Name, Profile, Request, Validity};
use licence_seal::seal::ses::{CertList, Picture, SealKind, SealSpec, create, plain_ring::plain_ring};
use licence_seal::seal::{SealImpression, SealedBatch, SealingKey, Voice};
use licence_seal::time::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

fn catalogue() -> &'static Catalogue {
    Catalogue::embedded().unwrap()
}

fn sealing_key() -> &'static SealingKey {
    static KEY: OnceLock<SealingKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let random = SeededRandom::new("seal");
        let new =
            || PrivateKey::from_pkcs8(&PrivateKey::generate(Suite::P256Sha256, &random).unwrap()).unwrap();
        let (root, maker, owner) = (new(), new(), new());
        let validity = Validity { not_before: NOW.plus_secs(-1000), not_after: NOW.plus_secs(10_000_000) };
        let authority = Authority::self_signed(&Name::new("Test root"), validity, &root, &random).unwrap();
        let certify = |name: &str, key: &PrivateKey, profile: Profile| {
            let name = Name::new(name);
            let request = Request { name: &name, key: key.public_key(), validity, profile };
            authority.issue(&request, &random).unwrap().der().to_vec()
        };
        let maker_certificate = certify("Maker", &maker, Profile::SealMaker);
        let certificate = certify("Owner", &owner, Profile::SealOwner);
        let spec = SealSpec {
            vendor: "TEST".into(),
            es_id: "1".into(),
            kind: SealKind::Unit,
            name: "测试专用章".into(),
            certs: CertList::Certificates(vec![certificate.clone()]),
            created: NOW,
            valid_from: NOW,
            valid_until: NOW.plus_secs(1_000_000),
            picture: Picture { kind: "PNG".into(), data: plain_ring(), width: 40, height: 40 },
        };
        let seal = create(&spec, &maker_certificate, &maker).unwrap().into();
        let impression = SealImpression { seal, certificate: certificate.into() };
        SealingKey::new(impression, Arc::new(owner), Voice::Issuer).unwrap()
    })
}

/// A record of one fixed type, by number and version.
fn record(n: u32, version: u16) -> Record {
    static BASE: OnceLock<Record> = OnceLock::new();
    let base = BASE.get_or_init(|| {
        let generator = Generator::new(catalogue(), 7, Region::TIANJIN).unwrap();
        let single = |record: &Record| {
            record.holders.len() == 1
                && record.holders[0].code_type() == HolderCodeType::CitizenNumber
                && record.holders[0].code() != record.number
        };
        (0..).map(|n| generator.record(n).unwrap()).find(single).unwrap()
    });
    let id = |version| {
        let serial = format!("{:08}", 10_000_000 + n);
        Identifier::build(&base.type_code, &base.issuer_code, &serial, version).unwrap()
    };
    let mut record = base.clone();
    record.identifier = id(version);
    record.number = format!("津测字第{n}号");
    // Two licences a holder.
    let (name, code) = (format!("持有人甲{}", n / 2), format!("E{:08}", n / 2));
    record.holders = vec![Holder::new(&name, &code, HolderCodeType::Passport).unwrap()];
    record.state = State::Valid;
    record.supersedes = (version > 1).then(|| id(version - 1));
    record
}

fn sealed(store: &Store, records: Vec<Record>) -> (SealedBatch, SealImpression) {
    let random = SystemRandom::new();
    SealedBatch::seal(records, catalogue(), sealing_key(), &store.current_salt_key(), NOW, &random).unwrap()
}

fn add(store: &Store, records: Vec<Record>) -> Result<Vec<BatchNumber>, StoreError> {
    store.add_batches(vec![sealed(store, records)])
}

fn change(n: u32, version: u16, state: State) -> StatusChange {
    StatusChange {
        identifier: record(n, version).identifier,
        state,
        reason: Some("依申请".into()),
        at: NOW.plus_secs(60),
        by: "issuer-1".into(),
    }
}

fn master() -> Secret {
    Secret::from_bytes([9; 32])
}

fn settings() -> StoreSettings {
    StoreSettings { cache_bytes: 8 << 20, ..StoreSettings::default() }
}

fn open_with(
    dir: &Path,
    settings: &StoreSettings,
    master: &Secret,
    disk: Arc<dyn Disk>,
) -> Result<Store, StoreError> {
    OpenStore { dir, settings, master, random: Arc::new(SystemRandom::new()), disk }.open()
}

pub(super) fn open(dir: &Path) -> Store {
    open_with(dir, &settings(), &master(), Arc::new(RealDisk)).unwrap()
}

fn try_open(dir: &Path) -> Result<Store, StoreError> {
    open_with(dir, &settings(), &master(), Arc::new(RealDisk))
}

/// The folder as a process that was killed now leaves it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a folder.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all.sort();
    all
}

fn assert_sound(store: &Store) {
    let report = store.check(catalogue(), &CheckOptions::default()).unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
}

/// A store with something of everything: 5 batches, a newer version, two statuses, registry entries.
fn fill(store: &Store) {
    for batch in 0..5 {
        add(store, (batch * 4..batch * 4 + 4).map(|n| record(n, 1)).collect()).unwrap();
    }
    add(store, vec![record(3, 2)]).unwrap();
    store.change_status(change(0, 1, State::Suspended)).unwrap();
    store.change_status(change(0, 1, State::Revoked)).unwrap();
    store.put("partner", "a", &serde_json::json!({"name": "某机关"})).unwrap();
    store.put("partner", "b", &serde_json::json!({"name": "大".repeat(9000)})).unwrap();
    store.put("grant", "a", &serde_json::json!(1)).unwrap();
    assert!(store.remove("grant", "a").unwrap());
}

/// All of [`fill`] is there and right.
fn assert_filled(store: &Store) {
    for n in 0..20 {
        let found = store.by_identifier(&record(n, 1).identifier).unwrap().unwrap();
        assert_eq!(found.record, record(n, 1));
        let state = match n {
            0 => State::Revoked,
            3 => State::Superseded,
            _ => State::Valid,
        };
        assert_eq!(found.status.state, state, "{n}");
    }
    assert_eq!(store.by_identifier(&record(3, 2).identifier).unwrap().unwrap().record, record(3, 2));
    assert_eq!(store.list("partner").unwrap().len(), 2);
    assert_eq!(store.get("grant", "a").unwrap(), None);
    assert_eq!(store.last_change(), 3);
    assert_sound(store);
}
