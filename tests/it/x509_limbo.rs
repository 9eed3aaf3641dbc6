//! The x509-limbo suite: every path that must be refused is refused, and each one that should pass
//! and does not is listed here with the reason.
//!
//! Nearly all of its cases are of a TLS server: they run with the strict profile of servers, and the
//! server's name is asked of its certificate. Addresses of mailboxes are not asked: nothing here
//! looks a client up by its mailbox. Two suites contradict each other in several cases (`rfc5280`
//! and `webpki`): the stricter one is met.

use std::collections::BTreeMap;

use licence_seal::pki::{Anchors, Certificate, Crl, PkiError, Terms, Usage, validate};
use licence_seal::time::Timestamp;
use serde::Deserialize;

use super::support::vectors;

/// Cases that should pass and are refused: the rule, and why it is kept.
const NOT_MET: [(&str, &str, &str); 13] = [
    (
        "cve::cve-2024-0567",
        "path.profile",
        "the anchor is no root and lacks authorityKeyIdentifier, which rfc5280::aki::cross-signed-root-missing-aki forbids",
    ),
    (
        "pathlen::validation-ignores-pathlen-in-leaf",
        "path.usage",
        "the leaf is an authority, without digitalSignature; webpki::ca-as-leaf forbids it",
    ),
    (
        "rfc5280::ca-as-leaf",
        "path.usage",
        "the leaf is an authority, without digitalSignature; webpki::ca-as-leaf forbids it",
    ),
    ("rfc5280::eku::ee-without-eku", "path.profile", "webpki::eku::ee-without-eku forbids the same"),
    ("rfc5280::nc::permitted-dns-match-more", "path.profile", COMMON_NAME),
    ("rfc5280::nc::permitted-ipv4-match", "path.profile", COMMON_NAME),
    ("rfc5280::nc::permitted-ipv6-match", "path.profile", COMMON_NAME),
    ("rfc5280::nc::permitted-dn-match", "path.profile", COMMON_NAME),
    ("webpki::san::exact-localhost-ip-san", "path.profile", COMMON_NAME),
    (
        "webpki::nc::permitted-dns-match-noncritical",
        "path.profile",
        "rfc5280::nc::permitted-dns-match-noncritical forbids the same",
    ),
    ("webpki::nc::nc-permits-dns-san-pattern", "path.profile", WILDCARD),
    ("webpki::san::leftmost-wildcard-san", "path.profile", WILDCARD),
    ("online::docs.python.org", "certificate.serverName", WILDCARD),
];

const COMMON_NAME: &str =
    "the common name is no copy of an alternative name, which webpki::cn::not-in-san forbids";
const WILDCARD: &str =
    "a wildcard stands for no server; it would for webpki::san::public-suffix-wildcard-san too";

/// The moment of cases that name none.
const NOW: &str = "2026-01-01T00:00:00Z";

#[derive(Deserialize)]
struct Suite {
    testcases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    validation_kind: String,
    trusted_certs: Vec<String>,
    untrusted_intermediates: Vec<String>,
    peer_certificate: String,
    validation_time: Option<String>,
    extended_key_usage: Vec<String>,
    signature_algorithms: Vec<String>,
    expected_result: String,
    expected_peer_name: Option<PeerName>,
    max_chain_depth: Option<usize>,
    crls: Vec<String>,
}

#[derive(Deserialize)]
struct PeerName {
    value: String,
}

impl Case {
    fn run(&self) -> Result<(), PkiError> {
        // What does not parse cannot vouch for anything; only the leaf itself must.
        let readable = |pems: &[String]| -> Vec<Certificate> {
            pems.iter().filter_map(|pem| Certificate::from_pem_all(pem.as_bytes()).ok()).flatten().collect()
        };
        let leaf = Certificate::from_pem_all(self.peer_certificate.as_bytes())?.remove(0);
        let mut anchors = Anchors::new(readable(&self.trusted_certs));
        if let Some(most) = self.max_chain_depth {
            anchors = anchors.with_most_authorities(most);
        }
        let intermediates = readable(&self.untrusted_intermediates);
        let crls: Vec<Crl> = self
            .crls
            .iter()
            .map(|pem| Crl::from_pem_all(pem.as_bytes()))
            .collect::<Result<Vec<_>, _>>()?
            .concat();
        let now = Timestamp::parse_rfc3339(self.validation_time.as_deref().unwrap_or(NOW)).unwrap();
        let usage = match self.validation_kind.as_str() {
            "SERVER" => Usage::TlsServer,
            _ => Usage::TlsClient,
        };
        let mut terms = Terms::strict(now, usage);
        if crls.is_empty() {
            terms = terms.without_required_revocation();
        }
        validate(&leaf, &intermediates, &anchors, &crls, &terms)?;
        match &self.expected_peer_name {
            Some(name) if usage == Usage::TlsServer => leaf.check_server_name(&name.value),
            _ => Ok(()),
        }
    }
}

fn suite() -> Option<Suite> {
    let text = std::fs::read_to_string(vectors().join("limbo/limbo.json")).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn every_case_of_x509_limbo_is_met_or_listed_with_its_reason() {
    let Some(suite) = suite() else {
        println!("skipped: no limbo vectors (set LICENCE_VECTORS)");
        return;
    };
    let mut not_met: BTreeMap<&str, &str> = NOT_MET.iter().map(|(id, rule, _)| (*id, *rule)).collect();
    let mut wrong = Vec::new();
    let (mut passed, mut refused) = (0, 0);
    for case in &suite.testcases {
        // Dimensions of the suite that the runner does not evaluate must not occur.
        assert!(case.signature_algorithms.is_empty(), "{}", case.id);
        let purposes = case.extended_key_usage.iter().all(|purpose| match case.validation_kind.as_str() {
            "SERVER" => purpose == "serverAuth",
            _ => purpose == "clientAuth",
        });
        assert!(purposes, "{}", case.id);
        let outcome = case.run();
        match (case.expected_result.as_str(), outcome, not_met.remove(case.id.as_str())) {
            ("SUCCESS", Ok(()), None) => passed += 1,
            ("FAILURE", Err(_), None) => refused += 1,
            ("SUCCESS", Err(why), Some(rule)) if why.rule() == rule => {}
            (expected, outcome, listed) => {
                wrong.push(format!("{}: {expected}, came out as {outcome:?}, listed as {listed:?}", case.id));
            }
        }
    }
    wrong.extend(not_met.keys().map(|id| format!("{id} is listed but not in the suite")));
    let cases = suite.testcases.len();
    println!("x509-limbo: {cases} cases, {passed} passed, {refused} refused, {} not met", NOT_MET.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}
