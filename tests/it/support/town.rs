//! A town: a city's files, and its node that serves, is stopped and starts again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use licence_node::accesslog::{Filter, Found};
use licence_node::exchange::Exchange;
use licence_node::node::{Node, NodeSettings, RunningNode};
use licence_node::peer::ClientIdentity;
use licence_node::store::{LicenceReader, StoreAdmin};
use licence_seal::licence::{Catalogue, Record};
use licence_seal::pki::Certificate;
use licence_seal::seal::Trust;
use licence_seal::time::{Clock, ManualClock, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

use super::founded::FoundedCity;
use super::random;

/// A node and its folder.
pub struct Town {
    pub dir: PathBuf,
    pub clock: Arc<ManualClock>,
    pub records: &'static [Record],
    pub(super) city: &'static FoundedCity,
    pub(super) settings: NodeSettings,
    pub(super) running: Mutex<Option<RunningNode>>,
    pub(super) _folder: Arc<TempDir>,
}

/// What must not change when a request is refused.
#[derive(Debug, PartialEq)]
pub struct State {
    batches: u64,
    changes: u64,
    licences: u64,
    /// Registrations that are not revoked.
    registrations: usize,
    grants: Vec<Value>,
}

impl Town {
    pub fn region(&self) -> &'static str {
        self.city.region.code()
    }

    fn running(&self) -> MutexGuard<'_, Option<RunningNode>> {
        self.running.lock().unwrap()
    }

    pub fn node(&self) -> Arc<Node> {
        Arc::clone(&self.running().as_ref().expect("the node is stopped").node)
    }

    pub fn exchange(&self) -> Arc<Exchange> {
        Arc::clone(&self.node().exchange)
    }

    pub fn address(&self) -> SocketAddr {
        self.settings.listen.address
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    pub fn data_dir(&self) -> PathBuf {
        self.settings.files.data.clone()
    }

    /// Writes the revocation list anew, with these alone; the node sees it when it reads its files again.
    pub fn revoke(&self, certificates: &[&Certificate]) {
        self.city.of(&self.dir).revoke(certificates).unwrap();
    }

    pub fn stop(&self) {
        let running = self.running().take();
        if let Some(running) = running {
            running.stop().unwrap();
        }
    }

    /// Opens store and log without serving.
    pub fn try_open(&self) -> Result<Node, licence_node::node::Error> {
        Node::open(self.settings.clone(), self.clock.clone(), random())
    }

    pub fn start(&self) {
        let node = self.try_open().unwrap();
        *self.running() = Some(node.serve().unwrap());
    }

    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    pub fn state(&self) -> State {
        let node = self.node();
        let registrations = node.exchange.registrations();
        let grants = registrations.grants().map(|grant| serde_json::to_value(grant).unwrap()).collect();
        State {
            batches: node.store.last_batch(),
            changes: node.store.last_change(),
            licences: node.store.stats().unwrap().licences,
            registrations: registrations.all().filter(|one| !one.revoked).count(),
            grants,
        }
    }

    /// The entries of one request.
    pub fn entries_of(&self, request_id: &str) -> Vec<Found> {
        let filter = Filter { request_id: Some(request_id.to_owned()), ..Filter::default() };
        self.exchange().log.search(&filter).unwrap()
    }

    pub fn search_log(&self, filter: &Filter) -> Vec<Found> {
        self.exchange().log.search(filter).unwrap()
    }

    /// The files of the identity `id`.
    pub fn identity(&self, id: &str) -> ClientIdentity {
        let read = |name: String| std::fs::read(self.dir.join("clients").join(name)).unwrap();
        ClientIdentity { certificate: read(format!("{id}.pem")), key: read(format!("{id}.key.pem")) }
    }

    /// The identity that the node itself shows.
    pub fn node_identity(&self) -> ClientIdentity {
        let read = |name: &str| std::fs::read(self.dir.join(name)).unwrap();
        ClientIdentity { certificate: read("certs/tls.pem"), key: read("keys/tls.key.pem") }
    }

    pub fn ca(&self) -> Vec<u8> {
        std::fs::read(self.dir.join("certs/ca.pem")).unwrap()
    }

    /// What the city tells others to trust.
    pub fn trust(&self) -> Trust {
        Trust::read(&self.dir.join("trust")).unwrap()
    }

    /// A valid licence of a natural person as its only holder, with at least three face fields shown.
    pub fn subject(&self) -> &Record {
        self.subjects().next().expect("the sample has such a licence")
    }

    pub fn subjects(&self) -> impl Iterator<Item = &Record> {
        let catalogue = Catalogue::embedded().unwrap();
        let today = self.clock.now().day();
        self.records.iter().filter(move |record| {
            let kind = catalogue.get(&record.type_code).unwrap();
            let shown = record.disclosed();
            let faces = kind.fields.iter().filter(|field| shown.contains_key(&field.name)).count();
            let good = record.state.effective(record.valid_from, record.valid_until, today).is_good();
            record.holders.len() == 1
                && record.holders[0].code_type().code() == "111"
                && faces >= 3
                && good
                && record.supersedes.is_none()
        })
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap().take();
        drop(running);
    }
}

/// Seconds after the clock's now.
pub fn later(town: &Town, secs: i64) -> Timestamp {
    town.clock.now().plus_secs(secs)
}
