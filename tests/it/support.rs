//! Towns to ask and actors that ask them.
//!
//! A town is a real node: its own authority, seals, store and log in a folder of its own, listening
//! on a free port. An actor holds a certificate and asks like an agency, an issuing authority or an
//! operator does. Time stands still until a test moves it. A reply knows what the node's state was
//! before the request, so that a refusal can be held to "nothing changed".

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use licence_node::accesslog::{Filter, Found, Outcome};
use licence_node::exchange::Exchange;
use licence_node::exchange::import::{Format, Importer, Options};
use licence_node::lab::{City, Configuration, Listen, Peer};
use licence_node::node::{Node, NodeSettings, RunningNode, certificate_of};
use licence_node::peer::{ClientIdentity, PartnerClient, PartnerSettings, https_client};
use licence_node::rules::{Registration, Role};
use licence_node::store::{LicenceReader, StoreAdmin};
use licence_seal::crypto::{Random, Suite, SystemRandom};
use licence_seal::evidence::{DirectoryEntry, Receipt};
use licence_seal::licence::{Catalogue, Generator, Identifier, Record, Region, Uscc};
use licence_seal::time::{Clock, ManualClock, SystemClock, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const SEARCH: &str = "/v1/licences/search";
pub const DATA: &str = "/v1/licences/data";
pub const FILE: &str = "/v1/licences/file";
pub const FILES: &str = "/v1/files/verify";
pub const VERIFY: &str = "/v1/licences/verify";
pub const ISSUE: &str = "/v1/licences/issue";
pub const STATUS: &str = "/v1/licences/status";
pub const ADMIN: &str = "/v1/admin";
pub const TOKEN: &str = "/oauth2/token";
pub const TIANJIN: &str = "120000";
pub const BEIJING: &str = "110000";
pub const HEBEI: &str = "130000";
pub const MATTER: &str = "120000-zf-0001";

const JSON: &str = "application/json";
/// Records imported into each town; the same people live in all of them.
const RECORDS: u64 = 150;
const SEED: u64 = 7;

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// Runs a future of a client.
pub fn wait<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

pub fn random() -> Arc<dyn Random> {
    Arc::new(SystemRandom::new())
}

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

/// A node and its folder.
pub struct Town {
    pub files: City,
    pub clock: Arc<ManualClock>,
    pub records: Vec<Record>,
    settings: NodeSettings,
    running: Mutex<Option<RunningNode>>,
    _folder: Arc<TempDir>,
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

fn boot(regions: &[Region], suite: Suite, plan: &Plan) -> Vec<Arc<Town>> {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let random = random();
    // Certificates are checked by TLS libraries that know the machine's clock alone.
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let now = clock.now();
    let mut cities = Vec::new();
    for region in regions {
        let dir = folder.path().join(region.code());
        cities.push(City::create(*region, &dir, suite, now, random.as_ref()).unwrap());
    }
    let sockets: Vec<TcpListener> =
        regions.iter().map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    let home = &cities[0];
    let mut partners = Vec::new();
    let mut listed = Vec::new();
    for (id, registered) in CLIENTS {
        let identity = home.client(id, id, random.as_ref()).unwrap();
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
    for (at, city) in cities.iter().enumerate() {
        city.publish_directory(if at == 0 { listed.clone() } else { Vec::new() }).unwrap();
    }
    let mut all = Vec::new();
    for (at, city) in cities.iter().enumerate() {
        let mut registrations = own_registrations(city, random.as_ref());
        if at == 0 {
            registrations.extend(partners.clone());
        }
        let mut peers = Vec::new();
        for (other, socket) in cities.iter().zip(&sockets).filter(|(other, _)| other.region != city.region) {
            let code = other.region.code();
            city.befriend(other).unwrap();
            let fingerprint = other.node_fingerprint().to_owned();
            registrations.push(city.registration(code, other.region.name(), Role::Peer, fingerprint));
            peers.push(Peer {
                region: code.to_owned(),
                url: format!("https://{}", socket.local_addr().unwrap()),
                anchors: format!("certs/peer-{code}.pem"),
            });
        }
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
        all.push(settings);
    }
    if let Some((code, change)) = plan.files {
        change(&folder.path().join(code));
    }
    let mut towns = Vec::new();
    for ((files, settings), socket) in cities.into_iter().zip(all).zip(sockets) {
        let node = Node::open(settings.clone(), clock.clone(), random.clone()).unwrap();
        let records = import(&node, files.region);
        let running = Mutex::new(Some(node.serve_on(socket).unwrap()));
        let (clock, _folder) = (Arc::clone(&clock), Arc::clone(&folder));
        towns.push(Arc::new(Town { files, clock, records, settings, running, _folder }));
    }
    towns
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
        self.files.region.code()
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
        let read = |name: String| std::fs::read(self.files.dir.join("clients").join(name)).unwrap();
        ClientIdentity { certificate: read(format!("{id}.pem")), key: read(format!("{id}.key.pem")) }
    }

    /// The identity that the node itself shows.
    pub fn node_identity(&self) -> ClientIdentity {
        let read = |name: &str| std::fs::read(self.files.dir.join(name)).unwrap();
        ClientIdentity { certificate: read("certs/tls.pem"), key: read("keys/tls.key.pem") }
    }

    pub fn ca(&self) -> Vec<u8> {
        std::fs::read(self.files.dir.join("certs/ca.pem")).unwrap()
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

/// Names of the face fields that a record has, in the order of its type.
pub fn faces(record: &Record) -> Vec<String> {
    let shown = record.disclosed();
    let kind = Catalogue::embedded().unwrap().get(&record.type_code).unwrap();
    kind.fields.iter().map(|field| field.name.clone()).filter(|name| shown.contains_key(name)).collect()
}

/// A complete context.
pub fn context() -> Value {
    json!({
        "itemCode": MATTER,
        "itemName": "住房公积金异地贷款缴存使用证明（示例）",
        "caseNumber": "TJ-2026-000001",
        "operator": "示例经办人",
        "operatorOrg": "示例中心",
        "purpose": "核验异地贷款申请人所持证照",
        "basis": { "kind": "statutory", "code": "住房公积金管理条例" },
    })
}

pub fn search_body(record: &Record) -> Value {
    let holder = &record.holders[0];
    json!({ "context": context(), "holder": { "code": holder.code(), "codeType": holder.code_type().code() } })
}

pub fn data_body(identifier: &Identifier) -> Value {
    json!({ "context": context(), "identifier": identifier.as_str() })
}

pub fn verify_body(record: &Record) -> Value {
    let holder = &record.holders[0];
    json!({
        "context": context(),
        "holder": { "code": holder.code(), "codeType": holder.code_type().code(), "name": holder.name() },
        "identifier": record.identifier.as_str(),
    })
}

/// `body` with the member at `pointer`'s parent set; `null` takes it away.
pub fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let object = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        object.remove(name);
    } else {
        object.insert(name.to_owned(), value);
    }
    body
}

/// A new record, like `model`, with a serial and a version of its own.
pub fn like(model: &Record, serial: &str, version: u16) -> Value {
    let issuer = Uscc::parse(model.issuer_code.as_str()).unwrap();
    let identifier = Identifier::build(&model.type_code, &issuer, serial, version).unwrap();
    let body = with(model.to_json(), "/certificateIdentifier", identifier.as_str().into());
    with(with(body, "/supersedes", Value::Null), "/certificateState", Value::Null)
}

/// One who asks.
pub struct Actor {
    pub town: Arc<Town>,
    pub id: String,
    client: PartnerClient,
    token: Option<String>,
    identity: ClientIdentity,
    http: reqwest::Client,
    keeps_open: bool,
}

fn client_of(town: &Town, id: &str, identity: &ClientIdentity) -> PartnerClient {
    let settings = PartnerSettings {
        url: &town.url(),
        anchors: &town.ca(),
        identity,
        id,
        region: town.region(),
        timeout: Duration::from_secs(30),
    };
    PartnerClient::new(&settings, town.clock.clone(), random()).unwrap()
}

/// An actor of `town` with a token.
pub fn actor(town: &Arc<Town>, id: &str) -> Actor {
    let mut actor = without_token(town, id);
    actor.authenticate();
    actor
}

pub fn without_token(town: &Arc<Town>, id: &str) -> Actor {
    Actor::new(town, id, town.identity(id))
}

/// An actor that asks `town`'s peers' way: with the certificate of `other`'s node.
pub fn peer_node(town: &Arc<Town>, other: &Town) -> Actor {
    Actor::new(town, other.region(), other.node_identity())
}

impl Actor {
    fn new(town: &Arc<Town>, id: &str, identity: ClientIdentity) -> Self {
        let client = client_of(town, id, &identity);
        let http = https_client(&town.ca(), &identity, Duration::from_secs(30)).unwrap();
        let (town, id) = (Arc::clone(town), id.to_owned());
        Self { town, id, client, token: None, identity, http, keeps_open: false }
    }

    /// With the certificate of `id` of another town, though it has none here.
    pub fn foreign(town: &Arc<Town>, from: &Town, id: &str) -> Self {
        Self::new(town, id, from.identity(id))
    }

    pub fn authenticate(&mut self) -> String {
        // A client of its own, whose connection is closed again.
        let mut client = client_of(&self.town, &self.id, &self.identity);
        let token = wait(client.authenticate()).unwrap();
        self.token = Some(token.clone());
        token
    }

    /// Keeps its connection open from one request to the next.
    pub fn keeping_open(mut self) -> Self {
        self.keeps_open = true;
        self
    }

    pub fn present(&mut self, token: Option<&str>) {
        self.token = token.map(str::to_owned);
    }

    pub fn search(&self, body: &Value) -> Reply {
        self.ask(SEARCH, body)
    }

    pub fn data(&self, body: &Value) -> Reply {
        self.ask(DATA, body)
    }

    /// An annotated copy.
    pub fn file(&self, body: &Value) -> Reply {
        self.ask(FILE, body)
    }

    /// What the node says of these bytes.
    pub fn verify_file(&self, bytes: &[u8]) -> Reply {
        self.request("POST", FILES, Some("application/octet-stream"), bytes.to_vec(), None)
    }

    pub fn verify(&self, body: &Value) -> Reply {
        self.ask(VERIFY, body)
    }

    /// An issuing authority issues this record.
    pub fn issue(&self, record: &Value) -> Reply {
        self.ask(ISSUE, &json!({ "context": context(), "record": record }))
    }

    /// An issuing authority declares a state.
    pub fn declare(&self, identifier: &str, state: &str) -> Reply {
        let body =
            json!({ "context": context(), "identifier": identifier, "state": state, "reason": "示例原因" });
        self.ask(STATUS, &body)
    }

    /// An operator grants; what is not given in `grant` covers everything.
    pub fn grant(&self, partner: &str, grant: Value) {
        let from = self.town.clock.now().plus_secs(-60);
        let mut body = json!({
            "id": "grant", "partner": partner, "operations": ["search", "data", "verify"],
            "types": ["*"], "fields": ["*"], "matters": [MATTER], "from": from,
        });
        for (name, value) in grant.as_object().unwrap() {
            body = with(body, &format!("/{name}"), value.clone());
        }
        self.ask(ADMIN, &json!({ "putGrant": body })).ok();
    }

    pub fn remove_grant(&self, id: &str) {
        self.ask(ADMIN, &json!({ "removeGrant": { "id": id, "reason": "示例原因" } })).ok();
    }

    pub fn revoke_registration(&self, id: &str) {
        self.ask(ADMIN, &json!({ "revokeRegistration": { "id": id, "reason": "示例原因" } })).ok();
    }

    pub fn ask(&self, path: &str, body: &Value) -> Reply {
        self.send(path, serde_json::to_vec(body).unwrap(), None)
    }

    /// Asks with a signature for these regions.
    pub fn ask_signed(&self, path: &str, body: &Value, targets: &[&str]) -> Reply {
        let body = serde_json::to_vec(body).unwrap();
        let signature = self.sign(path, &body, targets);
        self.send(path, body, Some(&signature))
    }

    pub fn sign(&self, path: &str, body: &[u8], targets: &[&str]) -> String {
        self.client.sign(path, body, targets).unwrap()
    }

    pub fn send(&self, path: &str, body: Vec<u8>, signature: Option<&str>) -> Reply {
        self.request("POST", path, Some(JSON), body, signature)
    }

    /// Any request.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: Vec<u8>,
        signature: Option<&str>,
    ) -> Reply {
        let before = self.town.state();
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.town.url()));
        if !self.keeps_open {
            // A node that is stopped waits for connections that are open.
            request = request.header("connection", "close");
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        if let Some(signature) = signature {
            request = request.header("licence-request-signature", signature);
        }
        let (status, headers, answer) = wait(async {
            let response = request.body(body.clone()).send().await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            (status, headers, response.bytes().await.unwrap().to_vec())
        });
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let mut reply = Reply {
            town: Arc::clone(&self.town),
            id: self.id.clone(),
            path: path.to_owned(),
            status,
            json: serde_json::from_slice(&answer).unwrap_or_default(),
            body: answer,
            content_type: header("content-type").unwrap_or_default(),
            receipt_token: header("licence-receipt"),
            peer_receipt: header("licence-peer-receipt"),
            receipt: None,
            before,
        };
        reply.check_receipt(&body);
        reply
    }

    /// Sends these bytes over a TLS connection of its own and reads what comes back.
    pub fn raw(&self, request: &[u8]) -> String {
        raw(&self.town, Some(&self.identity), request)
    }

    pub fn bearer(&self) -> String {
        self.token.clone().unwrap_or_default()
    }
}

/// Bytes over a TLS connection, with or without a client certificate.
pub fn raw(town: &Town, identity: Option<&ClientIdentity>, request: &[u8]) -> String {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    let mut roots = rustls::RootCertStore::empty();
    for anchor in CertificateDer::pem_slice_iter(&town.ca()) {
        roots.add(anchor.unwrap()).unwrap();
    }
    let builder =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
    let config = match identity {
        Some(identity) => {
            let chain = CertificateDer::pem_slice_iter(&identity.certificate).map(Result::unwrap).collect();
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(&identity.key).unwrap())
                .unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(town.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, socket);
    // The node may answer and close before it has read everything.
    let _ = stream.write_all(request).and_then(|()| stream.flush());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A GET or POST without client certificate: status and body.
pub fn anonymous(town: &Town, method: &str, path: &str) -> (u16, String) {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    status_and_body(&raw(town, None, head.as_bytes()))
}

pub fn status_and_body(answer: &str) -> (u16, String) {
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

/// What came back. A receipt that came along was verified against question and answer.
pub struct Reply {
    town: Arc<Town>,
    id: String,
    path: String,
    pub status: u16,
    pub body: Vec<u8>,
    pub json: Value,
    pub content_type: String,
    pub receipt_token: Option<String>,
    pub peer_receipt: Option<String>,
    receipt: Option<Receipt>,
    before: State,
}

impl Reply {
    fn check_receipt(&mut self, request: &[u8]) {
        let Some(token) = &self.receipt_token else { return };
        let certificate = certificate_of(&self.town.files.dir.join("certs/node.pem")).unwrap();
        assert_eq!(Receipt::certificate(token).unwrap(), certificate.der());
        let receipt = Receipt::verify(token, certificate.public_key().unwrap()).unwrap();
        // What was too large, or one too many, was not read, and the receipt does not speak for it.
        let unread = self.status == 413 || self.rule() == "file.busy";
        let request = if unread { &[] } else { request };
        receipt.covers(&receipt.method, &self.path, request, self.status, &self.body).unwrap();
        assert_eq!(receipt.iss, self.town.region());
        self.receipt = Some(receipt);
    }

    pub fn receipt(&self) -> &Receipt {
        self.receipt.as_ref().unwrap_or_else(|| panic!("no receipt: {}", self.text()))
    }

    pub fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    pub fn rule(&self) -> &str {
        self.json["rule"].as_str().unwrap_or_default()
    }

    /// The log's entry of this request.
    pub fn entry(&self) -> Found {
        let receipt = self.receipt();
        // An admin request is announced by an entry of its own before it takes effect, and the job that it
        // starts ends with one.
        let mut found = self.town.entries_of(&receipt.request_id);
        found.retain(|entry| !["admin.intent", "admin.job"].contains(&entry.entry.op.as_str()));
        let entry = found.first().unwrap_or_else(|| panic!("no entry for {}", self.text())).clone();
        assert_eq!((entry.index, found.len() as u64), (receipt.log.index, receipt.log.count));
        assert_eq!(licence_seal::evidence::b64(&entry.leaf_hash), receipt.log.leaves[0]);
        let details = entry.details.as_ref().unwrap();
        assert_eq!(details.partner.as_deref(), Some(receipt.aud.as_str()));
        assert_eq!(details.counter, Some(receipt.counter));
        entry
    }

    /// Granted: 200, with a receipt and a log entry that say so.
    pub fn ok(&self) -> &Self {
        assert_eq!(self.status, 200, "{} {}", self.path, self.text());
        let (receipt, entry) = (self.receipt(), self.entry());
        assert_eq!((receipt.aud.as_str(), receipt.status), (self.id.as_str(), 200));
        assert_eq!(entry.entry.outcome, Outcome::Granted, "{}", self.text());
        assert_eq!(entry.details.unwrap().rule, None);
        self
    }

    /// Refused by this rule, with a receipt; the log says the same, and nothing changed.
    pub fn refused(&self, status: u16, rule: &str, code: u8) -> &Self {
        self.refused_by(status, rule, code, Outcome::Refused)
    }

    /// Another city gave no usable answer.
    pub fn failed(&self, status: u16, rule: &str, code: u8) -> &Self {
        self.refused_by(status, rule, code, Outcome::Failed)
    }

    fn refused_by(&self, status: u16, rule: &str, code: u8, outcome: Outcome) -> &Self {
        self.is_problem(status, rule, code);
        let (receipt, entry) = (self.receipt(), self.entry());
        assert_eq!(receipt.status, status);
        assert_eq!(self.json["requestId"], json!(receipt.request_id));
        assert_eq!((entry.entry.outcome, entry.entry.op.as_str()), (outcome, self.operation()));
        assert_eq!(entry.details.unwrap().rule.as_deref(), Some(rule));
        self.unchanged()
    }

    /// Turned away as unknown: a problem without receipt, and nothing changed.
    pub fn turned_away(&self, rule: &str) -> &Self {
        self.is_problem(401, rule, 11);
        assert_eq!(self.receipt_token, None);
        self.unchanged()
    }

    fn is_problem(&self, status: u16, rule: &str, code: u8) {
        assert_eq!((self.status, self.rule()), (status, rule), "{}", self.text());
        assert_eq!(self.json["code"], json!(code), "{}", self.text());
        assert_eq!(self.json["status"], json!(status));
        assert_eq!(self.json["type"], json!(format!("urn:licence-node:rule:{rule}")));
        assert_eq!(self.content_type, "application/problem+json");
    }

    fn unchanged(&self) -> &Self {
        assert_eq!(self.town.state(), self.before, "a refused request changed something");
        self
    }

    fn operation(&self) -> &str {
        match self.path.as_str() {
            SEARCH => "search",
            DATA => "data",
            VERIFY => "verify",
            FILE => "file",
            FILES => "verifyFile",
            ISSUE => "issue",
            STATUS => "status",
            ADMIN => "admin",
            TOKEN => "token",
            "/v1/receipts" => "receipts",
            path if path.starts_with("/v1/catalogue") => "catalogue",
            _ => "unknown",
        }
    }

    /// Whether the faults of the body name this field.
    pub fn names_field(&self, field: &str) -> bool {
        self.json["errors"].as_array().is_some_and(|all| all.iter().any(|one| one["field"] == field))
    }

    /// What a city answered to a search.
    pub fn result(&self, region: &str) -> &Value {
        let results = self.json["results"].as_array().unwrap_or_else(|| panic!("{}", self.text()));
        results.iter().find(|result| result["region"] == region).expect("a result of that region")
    }

    /// Identifiers that this city found.
    pub fn found(&self, region: &str) -> Vec<String> {
        let licences = self.result(region)["licences"].as_array().unwrap();
        licences.iter().map(|hit| hit["identifier"].as_str().unwrap().to_owned()).collect()
    }
}

/// Seconds after the clock's now.
pub fn later(town: &Town, secs: i64) -> Timestamp {
    town.clock.now().plus_secs(secs)
}
