//! What came back, with its receipt and the log's word on it.

use std::sync::Arc;

use licence_node::accesslog::{Found, Outcome};
use licence_node::node::certificate_of;
use licence_seal::evidence::Receipt;
use licence_seal::licence::Catalogue;
use licence_seal::seal::report::Report;
use licence_seal::seal::{Ask, verify_licence};
use licence_seal::time::Clock;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::town::{State, Town};
use super::wire::{ADMIN, DATA, FILE, FILES, ISSUE, SEARCH, STATUS, TOKEN, VERIFY};

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

/// Who asked what, and what the node's state was then.
pub(super) struct Asked<'a> {
    pub town: &'a Arc<Town>,
    pub id: &'a str,
    pub path: &'a str,
    pub body: &'a [u8],
    pub before: State,
}

impl Reply {
    pub(super) fn new(asked: Asked<'_>, status: u16, headers: &HeaderMap, body: Vec<u8>) -> Self {
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let mut reply = Self {
            town: Arc::clone(asked.town),
            id: asked.id.to_owned(),
            path: asked.path.to_owned(),
            status,
            json: serde_json::from_slice(&body).unwrap_or_default(),
            body,
            content_type: header("content-type").unwrap_or_default(),
            receipt_token: header("licence-receipt"),
            peer_receipt: header("licence-peer-receipt"),
            receipt: None,
            before: asked.before,
        };
        reply.check_receipt(asked.body);
        reply
    }

    fn check_receipt(&mut self, request: &[u8]) {
        let Some(token) = &self.receipt_token else { return };
        let certificate = certificate_of(&self.town.dir.join("certs/node.pem")).unwrap();
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

    /// The sealed licence in the body, verified offline as in `town`.
    pub fn licence(&self, town: &Town) -> Report {
        let ask =
            Ask { at: town.clock.now(), seal_only: false, catalogue: Some(Catalogue::embedded().unwrap()) };
        verify_licence("answer", &self.body, &town.trust(), &ask)
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
