//! What issuing authorities change, and what partners see of it.

use licence_node::accesslog::Filter;
use serde_json::{Value, json};

use crate::support::{Reply, Town, actor, data_body, faces, like, search_body, tianjin, verify_body, with};

fn identifier_of(record: &Value) -> String {
    record["certificateIdentifier"].as_str().unwrap().to_owned()
}

/// The verification report of a licence in an answer, and the state that it tells.
fn state_told(town: &Town, reply: &Reply) -> (bool, String) {
    let report = reply.licence(town);
    let state = report.status.unwrap().state.unwrap().en;
    (report.seal.verdict.passed(), state)
}

#[test]
fn an_issued_licence_is_sealed_found_shown_and_verified() {
    let town = tianjin();
    let (operator, authority) = (actor(&town, "operator"), actor(&town, "authority"));
    let agency = actor(&town, "agency");
    operator.grant("agency", json!({}));
    let model = town.subject().clone();
    let record = like(&model, "NEW0001", 1);
    let id = identifier_of(&record);

    let before = town.exchange().storage.reader.last_batch();
    let issued = authority.issue(&record);
    issued.ok();
    assert_eq!(
        (issued.json["code"].as_u64(), issued.json["identifier"].as_str(), issued.json["state"].as_str()),
        (Some(0), Some(id.as_str()), Some("valid"))
    );
    let entry = issued.entry();
    let details = entry.details.unwrap();
    assert_eq!(entry.entry.op, "issue");
    assert_eq!(details.identifiers, [id.as_str()]);
    let batches = details.batches.expect("the entry commits to the batch");
    assert_eq!((batches.first, batches.last), (before + 1, before + 1));
    assert!(details.change_number.is_some());
    assert_eq!(details.holder.len(), 1);

    let found = agency.search(&search_body(&model));
    assert!(found.ok().found("120000").contains(&id));
    let shown = agency.data(&with(data_body(&model.identifier), "/identifier", json!(id)));
    shown.ok();
    assert_eq!(state_told(&town, &shown), (true, "valid".to_owned()));
    let body = with(verify_body(&model), "/identifier", json!(id));
    let field = &faces(&model)[0];
    let body = with(body, "/claims", json!({ field.as_str(): record["fields"][field] }));
    assert_eq!(agency.verify(&body).ok().json["matches"], true);
}

#[test]
fn the_same_licence_is_not_issued_twice() {
    let town = tianjin();
    let authority = actor(&town, "authority");
    let record = like(town.subject(), "NEW0001", 1);
    authority.issue(&record).ok();
    authority.issue(&record).refused(409, "store.duplicate", 99);
    // Not with other content either.
    let other = with(record, "/certificateNumber", json!("另一号码"));
    authority.issue(&other).refused(409, "store.duplicate", 99);
}

#[test]
fn an_authority_speaks_in_its_own_name_only() {
    let town = tianjin();
    let operator = actor(&town, "operator");
    let model = town.subject().clone();
    let record = like(&model, "NEW0001", 1);
    // The authority's registration from now on names another issuer of the city alone.
    let registrations = town.exchange().registrations();
    let mut own = registrations.by_id("authority").unwrap().as_ref().clone();
    own.issuer_codes.retain(|code| code != model.issuer_code.as_str());
    assert!(!own.issuer_codes.is_empty());
    operator.ask("/v1/admin", &json!({ "putRegistration": own })).ok();

    let authority = actor(&town, "authority");
    authority.issue(&record).refused(403, "issuer.other", 99);
    authority.declare(model.identifier.as_str(), "revoked").refused(403, "issuer.other", 99);
    // And the code inside the identifier cannot say another than the record.
    let mixed = with(record, "/certificateIssuingAuthorityCode", json!(own.issuer_codes[0]));
    let reply = authority.issue(&mixed);
    reply.refused(400, "record", 99);
    assert_eq!(reply.json["errors"][0]["rule"], "record.identifierIssuer");
}

#[test]
fn only_issuing_authorities_change_licences_and_they_look_nothing_up() {
    let town = tianjin();
    let model = town.subject().clone();
    let record = like(&model, "NEW0001", 1);
    for id in ["agency", "operator", "auditor"] {
        let other = actor(&town, id);
        other.issue(&record).refused(403, "role", 99);
        other.declare(model.identifier.as_str(), "revoked").refused(403, "role", 99);
    }
    let authority = actor(&town, "authority");
    authority.search(&search_body(&model)).refused(403, "role", 99);
    authority.data(&data_body(&model.identifier)).refused(403, "role", 99);
    authority.verify(&verify_body(&model)).refused(403, "role", 99);
    authority.ask("/v1/admin", &json!({ "list": {} })).refused(403, "role", 99);
}

#[test]
fn a_new_version_supersedes_the_old_one_and_a_search_shows_both() {
    let town = tianjin();
    let (operator, authority) = (actor(&town, "operator"), actor(&town, "authority"));
    let agency = actor(&town, "agency");
    operator.grant("agency", json!({}));
    let model = town.subject().clone();
    let first = like(&model, "NEW0001", 1);
    authority.issue(&first).ok();
    let second = with(like(&model, "NEW0001", 2), "/supersedes", json!(identifier_of(&first)));
    let changes = town.exchange().storage.reader.last_change();
    authority.issue(&second).ok();
    assert_eq!(town.exchange().storage.reader.last_change(), changes + 1);

    let found = agency.search(&search_body(&model));
    found.ok();
    let hits = found.result("120000")["licences"].as_array().unwrap();
    let state = |id: &str| hits.iter().find(|hit| hit["identifier"] == id).unwrap()["state"].clone();
    assert_eq!(state(&identifier_of(&first)), "superseded");
    assert_eq!(state(&identifier_of(&second)), "valid");

    // The old one is not superseded again, nor revived.
    let third = with(like(&model, "NEW0001", 3), "/supersedes", json!(identifier_of(&first)));
    authority.issue(&third).refused(409, "store.alreadySuperseded", 99);
    authority.declare(&identifier_of(&first), "valid").refused(409, "store.forbiddenTransition", 99);
    // Nor one that is not here, or of another type.
    let absent = identifier_of(&like(&model, "ABSENT", 1));
    let orphan = with(like(&model, "NEW0002", 2), "/supersedes", json!(absent));
    authority.issue(&orphan).refused(409, "store.unknownSuperseded", 99);
    let other = town.records.iter().find(|one| one.type_code != model.type_code).unwrap();
    let crossed = with(like(&model, "NEW0003", 2), "/supersedes", json!(other.identifier.as_str()));
    let reply = authority.issue(&crossed);
    assert!(["record", "supersedes.other"].contains(&reply.rule()), "{}", reply.text());
    reply.refused(400, reply.rule(), 99);
}

#[test]
fn states_follow_each_other_as_the_law_has_it() {
    let town = tianjin();
    let (operator, authority) = (actor(&town, "operator"), actor(&town, "authority"));
    let agency = actor(&town, "agency");
    operator.grant("agency", json!({}));
    let model = town.subject().clone();
    let id = model.identifier.as_str();
    let matches = || agency.verify(&verify_body(&model)).ok().json["matches"].clone();
    assert_eq!(matches(), true);

    authority.declare(id, "valid").refused(409, "store.forbiddenTransition", 99);
    for state in ["suspended", "restricted", "valid", "suspended"] {
        let reply = authority.declare(id, state);
        reply.ok();
        assert_eq!(reply.json["state"], state);
        let details = reply.entry().details.unwrap();
        assert_eq!(details.change_number, Some(town.exchange().storage.reader.last_change()));
        assert_eq!(details.detail["state"], state);
        assert_eq!(matches(), state == "valid");
    }
    authority.declare(id, "revoked").ok();
    let shown = agency.data(&data_body(&model.identifier));
    shown.ok();
    assert_eq!(state_told(&town, &shown), (true, "revoked".to_owned()));
    assert_eq!(matches(), false);
    for state in ["valid", "restricted", "suspended", "cancelled", "withdrawn", "revoked"] {
        authority.declare(id, state).refused(409, "store.forbiddenTransition", 99);
    }
    authority.declare(id, "superseded").refused(400, "status.superseded", 99);
    authority.declare(id, "expired").refused(400, "status.unknown", 99);
    let body =
        json!({ "context": crate::support::context(), "identifier": id, "state": "valid", "reason": "" });
    authority.ask("/v1/licences/status", &body).refused(400, "status.reason", 99);

    // The log holds each change, with its number, in order.
    let filter = Filter { op: Some("status".to_owned()), ..Filter::default() };
    let numbers: Vec<u64> = town
        .search_log(&filter)
        .into_iter()
        .filter_map(|found| found.details.unwrap().change_number)
        .collect();
    let last = town.exchange().storage.reader.last_change();
    assert_eq!(numbers, (last - 4..=last).collect::<Vec<_>>());
}

#[test]
fn the_state_of_a_licence_that_is_not_here_cannot_be_declared() {
    let town = tianjin();
    let authority = actor(&town, "authority");
    let absent = identifier_of(&like(town.subject(), "ABSENT", 1));
    authority.declare(&absent, "revoked").refused(404, "licence.notFound", 10);
}
