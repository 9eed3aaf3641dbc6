//! Cities founded, certified and acquainted, each with a node that serves.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};

use licence_node::exchange::import::{Format, Importer, Options};
use licence_node::lab::{City, Configuration, Listen, Peer};
use licence_node::node::certificate_of;
use licence_node::node::{Node, NodeSettings};
use licence_node::rules::{Registration, Role};
use licence_seal::crypto::{Random, Suite};
use licence_seal::evidence::DirectoryEntry;
use licence_seal::licence::{Catalogue, Generator, Record, Region};
use licence_seal::time::{Clock, ManualClock, SystemClock, Timestamp};

use super::random;
use super::town::Town;

/// Records imported into each town; the same people live in all of them.
const RECORDS: u64 = 150;
const SEED: u64 = 7;

/// Clients of Tianjin: id, whether registered as a partner.
const CLIENTS: [(&str, bool); 8] = [
    ("agency", true),
    ("bureau", true),
    ("signer", true),
    ("gone", true),
    ("ended", true),
    ("elsewhere", true),
    ("stranger", false),
    ("unlisted", true),
];

/// Is given the folder of a town.
type ChangeFiles = fn(&Path);

/// What is different from the usual town.
#[derive(Default)]
pub struct Plan {
    /// Changes the settings that the configuration gave.
    pub settings: Option<fn(&mut NodeSettings)>,
    /// Changes the files of the town with this code before its node opens.
    pub files: Option<(&'static str, ChangeFiles)>,
}

/// Tianjin alone.
pub fn tianjin() -> Arc<Town> {
    town_with(Plan::default())
}

pub fn town_with(plan: Plan) -> Arc<Town> {
    let [town] = <[Arc<Town>; 1]>::try_from(boot(&[Region::TIANJIN], Suite::P256Sha256, &plan)).ok().unwrap();
    town
}

/// Tianjin, Beijing and Hebei, which know each other, with SM2 seals.
pub fn three() -> [Arc<Town>; 3] {
    three_with(Plan::default())
}

pub fn three_with(plan: Plan) -> [Arc<Town>; 3] {
    boot(&Region::ALL, Suite::Sm2Sm3, &plan).try_into().ok().unwrap()
}

fn boot(regions: &[Region], suite: Suite, plan: &Plan) -> Vec<Arc<Town>> {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let random = random();
    // Certificates are checked by TLS libraries that know the machine's clock alone.
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let now = clock.now();
    let found = |region: &Region| {
        City::create(*region, &folder.path().join(region.code()), suite, now, random.as_ref()).unwrap()
    };
    let cities: Vec<City> = regions.iter().map(found).collect();
    let sockets: Vec<TcpListener> =
        regions.iter().map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();

    let partners = certify_partners(&cities[0], now, random.as_ref());
    for city in &cities[1..] {
        city.publish_directory(Vec::new()).unwrap();
    }
    let mut all_settings = Vec::new();
    for (at, city) in cities.iter().enumerate() {
        let mut registrations = own_registrations(city, random.as_ref());
        if at == 0 {
            registrations.extend(partners.clone());
        }
        let others = cities.iter().zip(&sockets).filter(|(other, _)| other.region != city.region);
        let peers = others.map(|(other, socket)| acquaint(city, other, socket, &mut registrations)).collect();
        let file = city
            .write_configuration(&Configuration {
                region: city.region.code(),
                allow_p256_seals: suite == Suite::P256Sha256,
                listen: Listen { address: sockets[at].local_addr().unwrap().to_string() },
                files: Default::default(),
                peers,
                registrations,
                grants: Vec::new(),
            })
            .unwrap();
        let mut settings = NodeSettings::read(&file).unwrap();
        if let Some(change) = plan.settings {
            change(&mut settings);
        }
        all_settings.push(settings);
    }
    if let Some((code, change)) = plan.files {
        change(&folder.path().join(code));
    }
    let mut towns = Vec::new();
    for ((files, settings), socket) in cities.into_iter().zip(all_settings).zip(sockets) {
        let node = Node::open(settings.clone(), clock.clone(), random.clone()).unwrap();
        let records = import(&node, files.region);
        let running = Mutex::new(Some(node.serve_on(socket).unwrap()));
        let (clock, _folder) = (Arc::clone(&clock), Arc::clone(&folder));
        towns.push(Arc::new(Town { files, clock, records, settings, running, _folder }));
    }
    towns
}

/// Certificates for all clients, of which one is revoked; the directory; the partners' registrations.
fn certify_partners(home: &City, now: Timestamp, random: &dyn Random) -> Vec<Registration> {
    let mut partners = Vec::new();
    let mut listed = Vec::new();
    for (id, registered) in CLIENTS {
        let identity = home.client(id, id, random).unwrap();
        if registered {
            let mut one = home.registration(id, id, Role::Partner, identity.fingerprint.clone());
            one.must_sign = id == "signer";
            one.until = (id == "ended").then(|| now.plus_secs(100));
            if id == "elsewhere" {
                one.addresses = vec!["10.0.0.0/8".parse().unwrap()];
            }
            partners.push(one);
        }
        if registered && id != "unlisted" {
            let certificates = vec![identity.fingerprint];
            listed.push(DirectoryEntry { id: id.to_owned(), name: id.to_owned(), certificates });
        }
        if id == "gone" {
            home.revoke(&[&certificate_of(&identity.certificate).unwrap()]).unwrap();
        }
    }
    home.publish_directory(listed).unwrap();
    partners
}

fn own_registrations(city: &City, random: &dyn Random) -> Vec<Registration> {
    let issuer_codes = city.issuers().unwrap().into_iter().map(|issuer| issuer.code.to_string()).collect();
    let make = |id: &str, role| {
        let identity = city.client(id, id, random).unwrap();
        city.registration(id, id, role, identity.fingerprint)
    };
    vec![
        make("operator", Role::Operator),
        make("auditor", Role::Auditor),
        Registration { issuer_codes, ..make("authority", Role::Issuer) },
    ]
}

/// `city` takes over the other's trust and registers its node; how it asks there.
fn acquaint(city: &City, other: &City, socket: &TcpListener, registrations: &mut Vec<Registration>) -> Peer {
    city.befriend(other).unwrap();
    let code = other.region.code();
    let fingerprint = other.node_fingerprint().to_owned();
    registrations.push(city.registration(code, other.region.name(), Role::Peer, fingerprint));
    Peer {
        region: code.to_owned(),
        url: format!("https://{}", socket.local_addr().unwrap()),
        anchors: format!("certs/peer-{code}.pem"),
    }
}

fn import(node: &Node, region: Region) -> Vec<Record> {
    let generator = Generator::new(Catalogue::embedded().unwrap(), SEED, region).unwrap();
    let records: Vec<Record> = (0..RECORDS).map(|n| generator.record(n).unwrap()).collect();
    let mut lines = Vec::new();
    for record in &records {
        serde_json::to_writer(&mut lines, &record.to_json()).unwrap();
        lines.push(b'\n');
    }
    let importer = Importer::new(&node.exchange, &node.store, Options::default(), Box::new(|_| ()));
    let mut importer = importer.unwrap();
    importer.file("sample", Format::JsonLines, lines.as_slice()).unwrap();
    assert_eq!(importer.finish().unwrap().refused, 0);
    records
}
