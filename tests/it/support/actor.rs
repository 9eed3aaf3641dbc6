//! Those who ask: partners, issuing authorities, operators, auditors, and other cities' nodes.

use std::sync::Arc;
use std::time::Duration;

use licence_node::peer::{ClientIdentity, PartnerClient, PartnerSettings, https_client};
use licence_seal::time::Clock;
use serde_json::{Value, json};

use super::bodies::{MATTER, context, with};
use super::random;
use super::reply::{Asked, Reply};
use super::town::Town;
use super::wire::{ADMIN, DATA, FILE, FILES, ISSUE, SEARCH, STATUS, VERIFY, raw, wait};

const JSON: &str = "application/json";

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

    /// An operator starts a job; its id.
    pub fn start_job(&self, job: &Value) -> String {
        let reply = self.ask(ADMIN, &json!({ "startJob": job }));
        let id = reply.ok().json["job"]["id"].as_str().unwrap().to_owned();
        assert_eq!(id, reply.json["requestId"].as_str().unwrap());
        id
    }

    /// How a job ended; while it runs, `meanwhile` is told of it again and again.
    pub fn job_ended(&self, id: &str, mut meanwhile: impl FnMut(&Value)) -> Value {
        loop {
            let job = self.ask(ADMIN, &json!({ "job": { "id": id } })).ok().json["job"].clone();
            if job["state"] != "running" {
                return job;
            }
            meanwhile(&job);
        }
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
        let asked = Asked { town: &self.town, id: &self.id, path, body: &body, before: self.town.state() };
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.town.url()));
        if !self.keeps_open {
            // A node that is stopped waits for connections that are open.
            request = request.header("connection", "close");
        }
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        for (name, value) in [
            ("authorization", bearer.as_deref()),
            ("content-type", content_type),
            ("licence-request-signature", signature),
        ] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let (status, headers, answer) = wait(async {
            let response = request.body(body.clone()).send().await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            (status, headers, response.bytes().await.unwrap().to_vec())
        });
        Reply::new(asked, status, &headers, answer)
    }

    /// Sends these bytes over a TLS connection of its own and reads what comes back.
    pub fn raw(&self, request: &[u8]) -> String {
        raw(&self.town, Some(&self.identity), request)
    }

    pub fn bearer(&self) -> String {
        self.token.clone().unwrap_or_default()
    }
}
