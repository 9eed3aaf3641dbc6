//! Requests that leave the city: who answers, by whose rules, and what of it is believed.

use std::path::Path;
use std::sync::Arc;

use licence_node::node::certificate_of;
use licence_seal::evidence::Receipt;
use serde_json::{Value, json};

use crate::support::{
    Actor, BEIJING, DATA, HEBEI, Plan, Reply, SEARCH, TIANJIN, Town, VERIFY, actor, data_body, faces, like,
    search_body, three, three_with, verify_body, with,
};

const ALL: [&str; 3] = [TIANJIN, BEIJING, HEBEI];
const AGENCY: &str = "120000/agency";

/// An agency of Tianjin that every city grants everything.
fn welcome(towns: &[Arc<Town>; 3]) -> Actor {
    for town in towns {
        let partner = if town.region() == TIANJIN { "agency" } else { AGENCY };
        actor(town, "operator").grant(partner, json!({}));
    }
    actor(&towns[0], "agency")
}

/// A licence of Hebei whose holder has licences in all three cities.
fn shared(towns: &[Arc<Town>; 3]) -> &licence_seal::licence::Record {
    let known = |town: &Town, code: &str| {
        town.records.iter().any(|record| record.holders.iter().any(|holder| holder.code() == code))
    };
    towns[2]
        .subjects()
        .find(|record| towns.iter().all(|town| known(town, record.holders[0].code())))
        .expect("the sample has somebody in all three cities")
}

/// Checks the receipt of the city that answered, and that its log has the entry.
fn check_peer_receipt(town: &Town, token: &str, status: u16) {
    let certificate = certificate_of(&town.dir.join("certs/node.pem")).unwrap();
    let receipt = Receipt::verify(token, certificate.public_key().unwrap()).unwrap();
    assert_eq!((receipt.iss.as_str(), receipt.aud.as_str(), receipt.status), (town.region(), AGENCY, status));
    let entries = town.entries_of(&receipt.request_id);
    let details = entries[0].details.as_ref().unwrap();
    assert_eq!((details.partner.as_deref(), details.counter), (Some(AGENCY), Some(receipt.counter)));
    assert_eq!(details.detail["via"], TIANJIN);
    assert_eq!(details.operator.as_deref(), Some("示例经办人"));
}

fn rule_of(result: &Value) -> &str {
    result["problem"]["rule"].as_str().unwrap_or_default()
}

#[test]
fn a_search_finds_a_holder_in_three_cities_side_by_side() {
    let towns = three();
    let agency = welcome(&towns);
    let subject = shared(&towns);
    let body = with(search_body(subject), "/regions", json!([HEBEI, TIANJIN, BEIJING, HEBEI]));
    let reply = agency.ask_signed(SEARCH, &body, &[BEIJING, HEBEI]);
    reply.ok();
    let order: Vec<_> =
        reply.json["results"].as_array().unwrap().iter().map(|one| one["region"].clone()).collect();
    assert_eq!(order, [HEBEI, TIANJIN, BEIJING]);
    for town in &towns {
        let result = reply.result(town.region());
        assert_eq!(result["outcome"], "answered", "{result}");
        let expected: Vec<&str> = town
            .records
            .iter()
            .filter(|record| record.holders.iter().any(|h| h.code() == subject.holders[0].code()))
            .map(|record| record.identifier.as_str())
            .collect();
        let mut found = reply.found(town.region());
        found.sort();
        let mut sorted: Vec<String> = expected.iter().map(|id| (*id).to_owned()).collect();
        sorted.sort();
        assert_eq!(found, sorted);
        if town.region() != TIANJIN {
            check_peer_receipt(town, result["receipt"].as_str().unwrap(), 200);
        }
    }
    // At home the entry tells where it went.
    assert_eq!(reply.entry().details.unwrap().target_region.as_deref(), Some("130000,120000,110000"));
}

#[test]
fn a_licence_of_another_city_comes_with_the_fields_that_city_grants() {
    let towns = three();
    let [tianjin, _, hebei] = &towns;
    let subject = hebei.subject();
    let fields = faces(subject);
    let granted = ["certificateHolderName", "certificateNumber", &fields[0], &fields[1]];
    actor(hebei, "operator").grant(AGENCY, json!({ "fields": granted }));
    let agency = actor(tianjin, "agency");
    let body = with(data_body(&subject.identifier), "/region", json!(HEBEI));
    let ask = |body: &Value| agency.ask_signed(DATA, body, &[HEBEI]);

    let reply = ask(&body);
    reply.ok();
    check_peer_receipt(hebei, reply.peer_receipt.as_ref().unwrap(), 200);
    let report = reply.licence(tianjin);
    assert!(report.verdict.passed(), "{}", report.summary.en);
    let mut names: Vec<String> = report.licence.unwrap().fields.into_iter().map(|field| field.name).collect();
    names.sort();
    let mut expected = granted.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(report.status.unwrap().said_by.as_deref(), Some(HEBEI));

    // The other city's refusals are passed on as its own.
    let peer_refused = |reply: &Reply, status: u16, rule: &str, code: u8| {
        reply.refused(status, "peer.refused", code);
        let detail = reply.json["detail"].as_str().unwrap();
        assert!(detail.contains(HEBEI) && detail.contains(&format!("({rule})")), "{detail}");
    };
    peer_refused(&ask(&with(body.clone(), "/fields", json!([fields[2]]))), 403, "grant.fields", 99);
    peer_refused(&ask(&with(body.clone(), "/context/itemCode", json!("another"))), 403, "grant.matter", 99);
    let absent = like(subject, "ABSENT", 1)["certificateIdentifier"].clone();
    peer_refused(&ask(&with(body.clone(), "/identifier", absent)), 404, "licence.notFound", 10);
    actor(hebei, "operator").remove_grant("grant");
    peer_refused(&ask(&body), 403, "grant.none", 99);
    // Also when it does not know who asks: an agency that its directory lacks.
    let unlisted = actor(tianjin, "unlisted");
    peer_refused(&unlisted.ask_signed(DATA, &body, &[HEBEI]), 401, "signature.issuer", 11);
    // Or does not know our node any more.
    actor(hebei, "operator").revoke_registration(TIANJIN);
    peer_refused(&ask(&body), 401, "registration.revoked", 11);
}

#[test]
fn one_bit_comes_from_another_city_too() {
    let towns = three();
    let agency = welcome(&towns);
    let hebei = &towns[2];
    let subject = hebei.subject();
    let body = with(verify_body(subject), "/region", json!(HEBEI));
    let reply = agency.ask_signed(VERIFY, &body, &[HEBEI]);
    assert_eq!(reply.ok().json["matches"], true);
    check_peer_receipt(hebei, reply.peer_receipt.as_ref().unwrap(), 200);
    let wrong = agency.ask_signed(VERIFY, &with(body.clone(), "/holder/name", json!("某某")), &[HEBEI]);
    assert_eq!(wrong.ok().json["matches"], false);
    // What that city does not allow is the same answer.
    actor(hebei, "operator").remove_grant("grant");
    let refused = agency.ask_signed(VERIFY, &body, &[HEBEI]);
    assert_eq!(refused.ok().json["matches"], false);
}

#[test]
fn a_city_that_refuses_is_one_result_among_several() {
    let towns = three();
    let agency = welcome(&towns);
    let subject = shared(&towns);
    let body = with(search_body(subject), "/regions", json!(ALL));
    actor(&towns[1], "operator").remove_grant("grant");
    let reply = agency.ask_signed(SEARCH, &body, &[BEIJING, HEBEI]);
    reply.ok();
    let beijing = reply.result(BEIJING);
    assert_eq!((beijing["outcome"].as_str(), rule_of(beijing)), (Some("refused"), "grant.none"));
    assert_eq!(beijing["problem"]["code"], 99);
    check_peer_receipt(&towns[1], beijing["receipt"].as_str().unwrap(), 403);
    assert_eq!(reply.result(HEBEI)["outcome"], "answered");
    assert!(!reply.found(HEBEI).is_empty() && !reply.found(TIANJIN).is_empty());

    // So is our own city, and its log says that a rule refused.
    actor(&towns[0], "operator").remove_grant("grant");
    let reply = agency.ask_signed(SEARCH, &body, &[BEIJING, HEBEI]);
    assert_eq!(reply.status, 200);
    let home = reply.result(TIANJIN);
    assert_eq!((home["outcome"].as_str(), rule_of(home)), (Some("refused"), "grant.none"));
    assert_eq!(reply.result(HEBEI)["outcome"], "answered");
    let details = reply.entry().details.unwrap();
    assert_eq!((details.rule, &details.detail["ownRefusal"]), (None, &json!("grant.none")));
    // What the other cities showed is on record here too.
    assert!(reply.found(HEBEI).iter().all(|found| details.identifiers.contains(found)));
}

#[test]
fn a_city_that_is_down_is_reported_and_fails_nothing_else() {
    let towns = three();
    let agency = welcome(&towns);
    let subject = shared(&towns);
    let hebei = &towns[2];
    hebei.stop();
    let body = with(search_body(subject), "/regions", json!(ALL));
    let reply = agency.ask_signed(SEARCH, &body, &[BEIJING, HEBEI]);
    reply.ok();
    let down = reply.result(HEBEI);
    assert_eq!((down["outcome"].as_str(), rule_of(down)), (Some("unavailable"), "peer.unavailable"));
    assert_eq!(reply.result(BEIJING)["outcome"], "answered");
    assert!(!reply.found(TIANJIN).is_empty());
    // Asked for alone, the answer is that it is not there.
    let data = with(data_body(&subject.identifier), "/region", json!(HEBEI));
    agency.ask_signed(DATA, &data, &[HEBEI]).failed(503, "peer.unavailable", 99);
    let verify = with(verify_body(subject), "/region", json!(HEBEI));
    agency.ask_signed(VERIFY, &verify, &[HEBEI]).failed(503, "peer.unavailable", 99);
    // It comes back, and so do its answers.
    hebei.start();
    let reply = agency.ask_signed(SEARCH, &body, &[BEIJING, HEBEI]);
    assert_eq!(reply.ok().result(HEBEI)["outcome"], "answered");
}

#[test]
fn a_city_whose_node_the_trust_folder_does_not_name_is_not_believed() {
    // Tianjin's trust folder lacks Hebei's issuer list, and with it the names of its nodes and seals.
    fn forget(dir: &Path) {
        std::fs::remove_file(dir.join("trust/issuers/130000.jwt")).unwrap();
    }
    let towns = three_with(Plan { files: Some((TIANJIN, forget)), ..Plan::default() });
    let agency = welcome(&towns);
    let subject = shared(&towns);
    let body = with(search_body(subject), "/regions", json!(ALL));
    let reply = agency.ask_signed(SEARCH, &body, &[BEIJING, HEBEI]);
    reply.ok();
    let hebei = reply.result(HEBEI);
    assert_eq!((hebei["outcome"].as_str(), rule_of(hebei)), (Some("untrusted"), "peer.receipt"));
    assert!(reply.found(HEBEI).is_empty(), "nothing of its answer is passed on");
    assert_eq!(reply.result(BEIJING)["outcome"], "answered");
    let data = with(data_body(&subject.identifier), "/region", json!(HEBEI));
    let refused = agency.ask_signed(DATA, &data, &[HEBEI]);
    refused.failed(502, "peer.receipt", 99);
    assert!(!refused.text().contains(subject.identifier.as_str()));
    let verify = with(verify_body(subject), "/region", json!(HEBEI));
    agency.ask_signed(VERIFY, &verify, &[HEBEI]).failed(502, "peer.receipt", 99);
}

#[test]
fn a_licence_whose_seal_is_not_believed_here_is_not_passed_on() {
    // Tianjin has no revocation list of Hebei's seal authority; its node is known all the same.
    fn forget(dir: &Path) {
        std::fs::remove_file(dir.join("trust/crl/130000.crl")).unwrap();
    }
    let towns = three_with(Plan { files: Some((TIANJIN, forget)), ..Plan::default() });
    let agency = welcome(&towns);
    let subject = shared(&towns);
    let data = with(data_body(&subject.identifier), "/region", json!(HEBEI));
    let refused = agency.ask_signed(DATA, &data, &[HEBEI]);
    refused.failed(502, "peer.licence", 99);
    assert!(!refused.text().contains("disclosures"));
}

#[test]
fn a_revoked_licence_of_another_city_says_so() {
    let towns = three();
    let agency = welcome(&towns);
    let hebei = &towns[2];
    let subject = hebei.subject();
    let data = with(data_body(&subject.identifier), "/region", json!(HEBEI));
    agency.ask_signed(DATA, &data, &[HEBEI]).ok();
    actor(hebei, "authority").declare(subject.identifier.as_str(), "revoked").ok();
    let reply = agency.ask_signed(DATA, &data, &[HEBEI]);
    reply.ok();
    let report = reply.licence(&towns[0]);
    assert_eq!(report.status.unwrap().state.unwrap().en, "revoked");
    let verify = with(verify_body(subject), "/region", json!(HEBEI));
    assert_eq!(agency.ask_signed(VERIFY, &verify, &[HEBEI]).ok().json["matches"], false);
}

#[test]
fn the_daily_limit_of_another_city_counts_what_it_answered() {
    let towns = three();
    let agency = welcome(&towns);
    let hebei = &towns[2];
    actor(hebei, "operator").grant(AGENCY, json!({ "dailyLimit": 2 }));
    let subject = hebei.subject();
    let data = with(data_body(&subject.identifier), "/region", json!(HEBEI));
    agency.ask_signed(DATA, &data, &[HEBEI]).ok();
    agency.ask_signed(DATA, &data, &[HEBEI]).ok();
    let reply = agency.ask_signed(DATA, &data, &[HEBEI]);
    reply.refused(403, "peer.refused", 99);
    assert!(reply.json["detail"].as_str().unwrap().contains("(grant.dailyLimit)"));
}
