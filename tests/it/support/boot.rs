//! Towns whose nodes serve, each with a store and a log of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};

use licence_node::exchange::import::{Format, Importer, Options};
use licence_node::lab::{Configuration, Listen, Peer};
use licence_node::node::{Node, NodeSettings};
use licence_seal::crypto::Suite;
use licence_seal::licence::Record;
use licence_seal::time::{Clock, ManualClock, SystemClock};

use super::founded::{Founded, FoundedCity};
use super::random;
use super::town::Town;
use crate::child::json_lines;

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
    let [town] = <[Arc<Town>; 1]>::try_from(boot(Founded::one(), &plan)).ok().unwrap();
    town
}

/// Tianjin, Beijing and Hebei, which know each other, with SM2 seals.
pub fn three() -> [Arc<Town>; 3] {
    three_with(Plan::default())
}

pub fn three_with(plan: Plan) -> [Arc<Town>; 3] {
    boot(Founded::three(), &plan).try_into().ok().unwrap()
}

fn boot(founded: &'static Founded, plan: &Plan) -> Vec<Arc<Town>> {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    founded.copy_to(folder.path());
    // Certificates are checked by TLS libraries that know the machine's clock alone.
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let sockets: Vec<(&FoundedCity, TcpListener)> = founded
        .cities
        .iter()
        .map(|city| (city, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()))
        .collect();
    let settings: Vec<NodeSettings> = sockets
        .iter()
        .map(|(city, socket)| {
            let dir = folder.path().join(city.region.code());
            let mut settings = configure(city, socket, &sockets, founded.suite, clock.as_ref(), &dir);
            if let Some(change) = plan.settings {
                change(&mut settings);
            }
            settings
        })
        .collect();
    if let Some((code, change)) = plan.files {
        change(&folder.path().join(code));
    }
    let mut towns = Vec::new();
    for ((city, socket), settings) in sockets.into_iter().zip(settings) {
        let node = Node::open(settings.clone(), clock.clone(), random()).unwrap();
        import(&node, &city.records);
        let running = Mutex::new(Some(node.serve_on(socket).unwrap()));
        let (clock, _folder) = (Arc::clone(&clock), Arc::clone(&folder));
        let dir = folder.path().join(city.region.code());
        towns.push(Arc::new(Town { dir, clock, records: &city.records, city, settings, running, _folder }));
    }
    towns
}

/// Writes the configuration of the copy in `dir`, whose peers listen at their sockets.
fn configure(
    city: &FoundedCity,
    socket: &TcpListener,
    all: &[(&FoundedCity, TcpListener)],
    suite: Suite,
    clock: &dyn Clock,
    dir: &Path,
) -> NodeSettings {
    let mut registrations = city.registrations.clone();
    for one in registrations.iter_mut().filter(|one| one.id == "ended") {
        one.until = Some(clock.now().plus_secs(100));
    }
    let peers = all.iter().filter(|(other, _)| other.region != city.region).map(|(other, socket)| Peer {
        region: other.region.code().to_owned(),
        url: format!("https://{}", socket.local_addr().unwrap()),
        anchors: format!("certs/peer-{}.pem", other.region.code()),
    });
    let configuration = Configuration {
        region: city.region.code(),
        allow_p256_seals: suite == Suite::P256Sha256,
        listen: Listen { address: socket.local_addr().unwrap().to_string() },
        files: Default::default(),
        peers: peers.collect(),
        registrations,
        grants: Vec::new(),
    };
    NodeSettings::read(&city.of(dir).write_configuration(&configuration).unwrap()).unwrap()
}

fn import(node: &Node, records: &[Record]) {
    let importer = Importer::new(&node.exchange, &node.store, Options::default(), Box::new(|_| ()));
    let mut importer = importer.unwrap();
    importer.file("sample", Format::JsonLines, json_lines(records).as_bytes()).unwrap();
    assert_eq!(importer.finish().unwrap().refused, 0);
}
