//! Who is asking: certificates, registrations, tokens, request signatures. Each way of not being
//! whom one says one is, is refused by its own rule.

use std::sync::Arc;

use licence_node::accesslog::Filter;
use licence_node::node::certificate_of;
use licence_seal::crypto::PrivateKey;
use licence_seal::evidence::{AccessToken, RequestFacts, RequestSignature};
use serde_json::{Value, json};

use crate::support::{
    ADMIN, Actor, BEIJING, DATA, HEBEI, Plan, SEARCH, TIANJIN, TOKEN, Town, actor, anonymous, context,
    data_body, later, peer_node, search_body, three, tianjin, town_with, without_token,
};

fn granted(town: &Arc<Town>, id: &str) -> Actor {
    actor(town, "operator").grant(id, json!({ "id": format!("grant-{id}") }));
    actor(town, id)
}

/// `token` with one character of its signature changed.
fn tampered(token: &str) -> String {
    let (body, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{body}.{first}{}", &signature[1..])
}

#[test]
fn without_a_good_token_of_ones_own_nothing_is_answered() {
    let town = tianjin();
    let mut agency = granted(&town, "agency");
    let bureau = granted(&town, "bureau");
    let body = search_body(town.subject());
    agency.search(&body).ok();
    let token = agency.bearer();

    agency.present(None);
    agency.search(&body).refused(401, "token.missing", 11);
    // Bound to another client's certificate.
    agency.present(Some(&bureau.bearer()));
    agency.search(&body).refused(401, "token.certificate", 11);
    agency.present(Some(&tampered(&token)));
    agency.search(&body).refused(401, "token.signature", 11);
    for nonsense in ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        agency.present(Some(nonsense));
        agency.search(&body).refused(401, "token.format", 11);
    }
    // It says of itself that it may live longer than tokens do, though the node's own key signed it.
    let key = std::fs::read(town.dir.join("keys/node.key.pem")).unwrap();
    let node = PrivateKey::from_pem(&key).unwrap();
    let certificate = certificate_of(&town.dir.join("clients/agency.pem")).unwrap().fingerprint();
    let now = licence_seal::time::Clock::now(&*town.clock);
    let sign = |token: AccessToken| token.sign(&node).unwrap();
    let make = |id: &str, life| AccessToken::new(TIANJIN, id, &certificate, now, life, "j".to_owned());
    agency.present(Some(&sign(make("agency", 601))));
    agency.search(&body).refused(401, "token.lifetime", 11);
    // And one whose client is another than the certificate's.
    agency.present(Some(&sign(make("bureau", 600))));
    agency.search(&body).refused(401, "token.issuer", 11);

    agency.present(Some(&token));
    agency.search(&body).ok();
    town.clock.advance_secs(600 + 60);
    agency.search(&body).ok();
    town.clock.advance_secs(1);
    agency.search(&body).refused(401, "token.expired", 11);
    agency.authenticate();
    agency.search(&body).ok();
}

#[test]
fn a_token_of_another_city_is_worth_nothing_here() {
    let [tianjin, beijing, _] = three();
    let mut agency = granted(&tianjin, "agency");
    let foreign = actor(&beijing, "operator").bearer();
    agency.present(Some(&foreign));
    agency.search(&search_body(tianjin.subject())).refused(401, "token.signature", 11);
}

#[test]
fn the_token_request_is_checked_too() {
    let town = tianjin();
    let agency = actor(&town, "agency");
    let form = Some("application/x-www-form-urlencoded");
    let ask = |body: &str| agency.request("POST", TOKEN, form, body.as_bytes().to_vec(), None);
    let good = ask("grant_type=client_credentials");
    good.ok();
    assert_eq!(good.json["token_type"], "Bearer");
    for (body, status, rule, code, error) in [
        ("", 400, "token.grantType", 99, "unsupported_grant_type"),
        ("grant_type=password", 400, "token.grantType", 99, "unsupported_grant_type"),
        ("grant_type=client_credentials&client_id=bureau", 401, "token.client", 11, "invalid_client"),
        (
            "grant_type=client_credentials&grant_type=client_credentials",
            400,
            "token.request",
            99,
            "invalid_request",
        ),
    ] {
        let reply = ask(body);
        reply.refused(status, rule, code);
        assert_eq!(reply.json["error"], error);
    }
}

#[test]
fn callers_that_nobody_registered_are_turned_away_and_counted() {
    let town = tianjin();
    let body = search_body(town.subject());
    let stranger = without_token(&town, "stranger");
    stranger.search(&body).turned_away("registration.unknown");
    stranger
        .request("POST", TOKEN, None, b"grant_type=client_credentials".to_vec(), None)
        .turned_away("registration.unknown");
    for (method, path) in [("POST", SEARCH), ("GET", "/v1/catalogue"), ("POST", ADMIN), ("GET", "/nothing")] {
        let (status, answer) = anonymous(&town, method, path);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, answer["rule"].as_str()), (401, Some("certificate.missing")), "{path}");
        assert_eq!(answer["code"], 11);
    }
    town.clock.advance_secs(60);
    town.exchange().log.publish_now().unwrap();
    let filter = Filter { op: Some("unknown".to_owned()), ..Filter::default() };
    let mut counted: Vec<(String, u64)> = town
        .search_log(&filter)
        .into_iter()
        .map(|found| found.details.unwrap())
        .map(|details| (details.rule.unwrap(), details.detail["count"].as_u64().unwrap()))
        .collect();
    counted.sort();
    assert_eq!(counted, [("certificate.missing".to_owned(), 4), ("registration.unknown".to_owned(), 2)]);
}

#[test]
fn a_certificate_on_the_revocation_list_opens_nothing() {
    let town = tianjin();
    let body = search_body(town.subject());
    let gone = without_token(&town, "gone");
    gone.search(&body).refused(401, "certificate.path.revoked", 11);
    gone.request("POST", TOKEN, None, b"grant_type=client_credentials".to_vec(), None).refused(
        401,
        "certificate.path.revoked",
        11,
    );
    // Revoked while its connection is open: the next request is refused once the list is read.
    let agency = granted(&town, "agency").keeping_open();
    agency.search(&body).ok();
    let certificate = certificate_of(&town.dir.join("clients/agency.pem")).unwrap();
    town.revoke(&[&certificate]);
    town.node().reload().unwrap();
    agency.search(&body).refused(401, "certificate.path.revoked", 11);
}

#[test]
fn without_a_current_revocation_list_no_certificate_is_believed() {
    let town = tianjin();
    let agency = granted(&town, "agency");
    let body = search_body(town.subject());
    std::fs::remove_file(town.dir.join("certs/client-crls/ca.crl")).unwrap();
    town.node().reload().unwrap();
    agency.search(&body).refused(401, "certificate.path.revocationUnknown", 11);
}

#[test]
fn a_registration_that_is_revoked_is_out_at_once_on_an_open_connection() {
    let town = tianjin();
    let (operator, agency) = (actor(&town, "operator"), granted(&town, "agency").keeping_open());
    let body = search_body(town.subject());
    agency.search(&body).ok();
    operator.revoke_registration("agency");
    agency.search(&body).refused(401, "registration.revoked", 11);
    town.restart();
    without_token(&town, "agency").search(&body).refused(401, "registration.revoked", 11);
    // An operator that could revoke itself would lock everybody out.
    let own = json!({ "revokeRegistration": { "id": "operator", "reason": "示例" } });
    actor(&town, "operator").ask(ADMIN, &own).refused(409, "registration.own", 99);
}

#[test]
fn a_registration_holds_for_its_time_and_its_addresses() {
    let town = tianjin();
    let ended = granted(&town, "ended");
    let body = search_body(town.subject());
    ended.search(&body).ok();
    town.clock.advance_secs(100);
    ended.search(&body).ok();
    town.clock.advance_secs(1);
    ended.search(&body).refused(401, "registration.ended", 11);
    without_token(&town, "elsewhere").search(&body).refused(401, "registration.address", 11);

    let mut early = town.exchange().registrations().by_id("agency").unwrap().as_ref().clone();
    early.from = later(&town, 10);
    actor(&town, "operator").ask(ADMIN, &json!({ "putRegistration": early })).ok();
    let agency = without_token(&town, "agency");
    agency.search(&body).refused(401, "registration.notYet", 11);
    town.clock.advance_secs(10);
    agency.search(&body).refused(401, "token.missing", 11);
}

#[test]
fn a_certificate_stands_behind_one_registration_only() {
    let town = tianjin();
    let operator = actor(&town, "operator");
    let registrations = town.exchange().registrations();
    let mut other = registrations.by_id("agency").unwrap().as_ref().clone();
    other.id = "double".to_owned();
    operator.ask(ADMIN, &json!({ "putRegistration": other })).refused(409, "registration.certificate", 99);
    other.id = "../double".to_owned();
    operator.ask(ADMIN, &json!({ "putRegistration": other })).refused(400, "registration.malformed", 99);
}

#[test]
fn a_partner_that_must_sign_is_not_heard_without_its_signature() {
    let town = tianjin();
    let signer = granted(&town, "signer");
    let body = search_body(town.subject());
    signer.search(&body).refused(401, "signature.required", 11);
    let reply = signer.ask_signed(SEARCH, &body, &[]);
    reply.ok();
    let details = reply.entry().details.unwrap();
    assert!(details.jti.is_some());
    assert_eq!(details.jti, reply.receipt().request_jti);
}

#[test]
fn a_signature_covers_one_request_of_one_partner_once() {
    let town = tianjin();
    let (agency, bureau) = (granted(&town, "agency"), granted(&town, "bureau"));
    let body = serde_json::to_vec(&search_body(town.subject())).unwrap();
    let signature = agency.sign(SEARCH, &body, &[]);

    bureau.send(SEARCH, body.clone(), Some(&signature)).refused(401, "signature.certificate", 11);
    let mut changed = body.clone();
    changed.push(b' ');
    agency.send(SEARCH, changed, Some(&signature)).refused(401, "signature.request", 11);
    agency.send(DATA, body.clone(), Some(&signature)).refused(401, "signature.request", 11);
    agency.send(SEARCH, body.clone(), Some(&tampered(&signature))).refused(401, "signature.signature", 11);
    agency.send(SEARCH, body.clone(), Some("a.b.c")).refused(401, "signature.format", 11);
    // A token is not a signature, nor the other way round.
    agency.send(SEARCH, body.clone(), Some(&agency.bearer())).refused(401, "signature.format", 11);

    agency.send(SEARCH, body.clone(), Some(&signature)).ok();
    agency.send(SEARCH, body.clone(), Some(&signature)).refused(401, "signature.replayed", 11);
    town.restart();
    agency.send(SEARCH, body.clone(), Some(&signature)).refused(401, "signature.replayed", 11);

    let old = agency.sign(SEARCH, &body, &[]);
    town.clock.advance_secs(300 + 61);
    agency.send(SEARCH, body.clone(), Some(&old)).refused(401, "signature.expired", 11);
    // The replayed one is refused for its age now, and so need not be remembered.
    agency.send(SEARCH, body.clone(), Some(&signature)).refused(401, "signature.expired", 11);
    let early = agency.sign(SEARCH, &body, &[]);
    town.clock.advance_secs(-61);
    agency.send(SEARCH, body, Some(&early)).refused(401, "signature.notYet", 11);
}

#[test]
fn of_many_copies_of_a_signed_request_one_gets_through() {
    let town = tianjin();
    let agency = granted(&town, "agency");
    let body = serde_json::to_vec(&search_body(town.subject())).unwrap();
    let signature = agency.sign(SEARCH, &body, &[]);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = || agency.send(SEARCH, body.clone(), Some(&signature)).status;
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
}

#[test]
fn a_request_leaves_the_city_only_under_the_partners_signature() {
    let [tianjin, _, hebei] = three();
    let agency = granted(&tianjin, "agency");
    let subject = hebei.subject();
    let mut search = search_body(subject);
    search["regions"] = json!([TIANJIN, HEBEI]);
    let mut data = data_body(&subject.identifier);
    data["region"] = json!(HEBEI);
    agency.search(&search).refused(401, "signature.required", 11);
    agency.data(&data).refused(401, "signature.required", 11);
    // Signed, but for no other city, or for another one.
    agency.ask_signed(SEARCH, &search, &[]).refused(401, "signature.audience", 11);
    agency.ask_signed(SEARCH, &search, &[BEIJING]).refused(401, "signature.audience", 11);
    agency.ask_signed(DATA, &data, &[BEIJING]).refused(401, "signature.audience", 11);
    let far = format!("{TIANJIN}/agency");
    let filter = Filter { partner: Some(far), ..Filter::default() };
    assert!(hebei.search_log(&filter).is_empty(), "something left the city");
}

#[test]
fn a_peer_node_asks_in_nobodys_name_without_the_agencys_signature() {
    let [tianjin, _, hebei] = three();
    let agency = actor(&tianjin, "agency");
    actor(&hebei, "operator").grant(&format!("{TIANJIN}/agency"), json!({}));
    let node = peer_node(&hebei, &tianjin);
    let mut request = search_body(hebei.subject());
    request["regions"] = json!([HEBEI]);
    let body = serde_json::to_vec(&request).unwrap();
    let good = || agency.sign(SEARCH, &body, &[HEBEI]);

    node.send(SEARCH, body.clone(), None).refused(401, "signature.required", 11);
    let token = node.request("POST", TOKEN, None, b"grant_type=client_credentials".to_vec(), None);
    token.refused(403, "role", 99);
    // For another city, by an agency that the directory lacks, over another body.
    let elsewhere = agency.sign(SEARCH, &body, &[BEIJING]);
    node.send(SEARCH, body.clone(), Some(&elsewhere)).refused(401, "signature.audience", 11);
    let unlisted = actor(&tianjin, "unlisted").sign(SEARCH, &body, &[HEBEI]);
    node.send(SEARCH, body.clone(), Some(&unlisted)).refused(401, "signature.issuer", 11);
    let mut changed = body.clone();
    changed.push(b' ');
    node.send(SEARCH, changed, Some(&good())).refused(401, "signature.request", 11);

    // An agency's key, and another agency's name.
    let key = std::fs::read(tianjin.dir.join("clients/bureau.key.pem")).unwrap();
    let certificate = certificate_of(&tianjin.dir.join("clients/bureau.pem")).unwrap();
    let facts = RequestFacts { home: TIANJIN, answering: HEBEI, method: "POST", path: SEARCH, body: &body };
    let now = licence_seal::time::Clock::now(&*tianjin.clock);
    let forged = RequestSignature::new("agency", &facts, vec![HEBEI.to_owned()], now, "j".to_owned())
        .sign(&PrivateKey::from_pem(&key).unwrap(), certificate.der())
        .unwrap();
    node.send(SEARCH, body.clone(), Some(&forged)).refused(401, "signature.certificate", 11);

    // The same through the node, in the agency's own name, is granted, and once only.
    let signature = good();
    let reply = node.send(SEARCH, body.clone(), Some(&signature));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.receipt().aud, format!("{TIANJIN}/agency"));
    assert_eq!(reply.entry().details.unwrap().detail["via"], TIANJIN);
    node.send(SEARCH, body.clone(), Some(&signature)).refused(401, "signature.replayed", 11);
    hebei.restart();
    node.send(SEARCH, body.clone(), Some(&signature)).refused(401, "signature.replayed", 11);
    // An agency with a certificate of Tianjin is nobody here by itself.
    let agency_here = Actor::foreign(&hebei, &tianjin, "agency");
    agency_here.send(SEARCH, body.clone(), Some(&good())).turned_away("registration.unknown");
}

#[test]
fn a_node_asks_no_further_than_itself_for_another_city() {
    let [tianjin, _, hebei] = three();
    let agency = actor(&tianjin, "agency");
    actor(&hebei, "operator").grant(&format!("{TIANJIN}/agency"), json!({}));
    let node = peer_node(&hebei, &tianjin);
    let subject = hebei.subject();
    let both = [BEIJING, HEBEI];
    for (path, member) in [(SEARCH, "regions"), (DATA, "region"), ("/v1/licences/verify", "region")] {
        let mut body = match path {
            SEARCH => search_body(subject),
            DATA => data_body(&subject.identifier),
            _ => crate::support::verify_body(subject),
        };
        body[member] = if member == "regions" { json!([BEIJING]) } else { json!(BEIJING) };
        let body = serde_json::to_vec(&body).unwrap();
        let signature = agency.sign(path, &body, &both);
        node.send(path, body, Some(&signature)).refused(403, "region.further", 99);
    }
    // What peers may not do at all, though an agency signed it.
    let body = serde_json::to_vec(&json!({ "context": context(), "list": {} })).unwrap();
    let signature = agency.sign(ADMIN, &body, &[HEBEI]);
    node.send(ADMIN, body, Some(&signature)).refused(403, "role", 99);
}

#[test]
fn more_requests_than_a_minute_bears_are_refused_until_the_next() {
    let town = town_with(Plan {
        settings: Some(|settings| settings.exchange.requests_per_minute = 6),
        ..Plan::default()
    });
    let agency = granted(&town, "agency");
    let body = search_body(town.subject());
    // The token was the first.
    for _ in 0..5 {
        agency.search(&body).ok();
    }
    agency.search(&body).refused(429, "rate.minute", 99);
    // Each partner has its own.
    actor(&town, "bureau").search(&body).refused(403, "grant.none", 99);
    town.clock.advance_secs(60);
    agency.search(&body).ok();
}
