//! What a partner may see: as far as one grant covers all of a request, and not a field further.

use std::sync::Arc;

use futures_util::future::join_all;
use licence_node::accesslog::Outcome;
use licence_node::exchange::Passage;
use licence_seal::licence::Catalogue;
use licence_seal::seal::SealedLicence;
use serde_json::{Value, json};

use crate::new_operation::incoming;
use crate::support::{
    ADMIN, Actor, MATTER, Plan, Reply, TIANJIN, Town, actor, anonymous, context, data_body, faces, later,
    like, search_body, tianjin, town_with, verify_body, wait, with,
};

/// Names of the fields that a sealed licence shows, after its seal was verified offline.
fn shown(town: &Town, reply: &Reply) -> Vec<String> {
    assert_eq!(reply.content_type, "application/licence+json");
    let report = reply.licence(town);
    assert!(report.verdict.passed(), "{}", report.summary.en);
    report.licence.unwrap().fields.into_iter().map(|field| field.name).collect()
}

fn sorted(names: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
    names.sort();
    names
}

/// An agency, its operator, and a town.
fn town() -> (Arc<Town>, Actor, Actor) {
    let town = tianjin();
    let (operator, agency) = (actor(&town, "operator"), actor(&town, "agency"));
    (town, operator, agency)
}

#[test]
fn a_search_finds_a_holders_licences_and_says_what_they_are() {
    let (town, operator, agency) = town();
    operator.grant("agency", json!({ "operations": ["search"] }));
    let subject = town.subject();
    let holder = subject.holders[0].code();
    let reply = agency.search(&search_body(subject));
    reply.ok();
    assert_eq!(reply.json["code"], 0);
    let theirs = town.records.iter().filter(|one| one.holders.iter().any(|h| h.code() == holder));
    assert_eq!(sorted(reply.found(TIANJIN)), sorted(theirs.map(|record| record.identifier.as_str())));
    let result = reply.result(TIANJIN);
    assert_eq!((result["outcome"].as_str(), result["truncated"].as_bool()), (Some("answered"), Some(false)));
    let hits = result["licences"].as_array().unwrap();
    let hit = hits.iter().find(|hit| hit["identifier"] == subject.identifier.as_str()).unwrap();
    assert_eq!(hit["state"], "valid");
    assert_eq!(hit["issuer"], subject.issuer_code.as_str());
    // By type and number, and by a number that is not there.
    let by_type = with(search_body(subject), "/typeCode", json!(subject.type_code.as_str()));
    assert!(agency.search(&by_type).ok().found(TIANJIN).contains(&subject.identifier.to_string()));
    let numbered = with(search_body(subject), "/number", json!(subject.number));
    assert_eq!(agency.search(&numbered).ok().found(TIANJIN), [subject.identifier.as_str()]);
    let none = agency.search(&with(search_body(subject), "/number", json!("没有这个号码")));
    assert!(none.ok().found(TIANJIN).is_empty());
    assert_eq!(none.json["code"], 10);
    // The log knows the holder by a blind index, the licences by their identifiers.
    let details = reply.entry().details.unwrap();
    assert_eq!(details.holder.len(), 1);
    assert_eq!(sorted(details.identifiers), sorted(reply.found(TIANJIN)));
    assert_eq!(details.item_code.as_deref(), Some(MATTER));
    assert_eq!(details.operator.as_deref(), Some("示例经办人"));
    assert_eq!(details.basis.as_deref(), Some("statutory: 住房公积金管理条例"));
}

#[test]
fn a_search_is_cut_at_its_limit_and_says_so() {
    let town =
        town_with(Plan { settings: Some(|settings| settings.exchange.search_limit = 1), ..Plan::default() });
    actor(&town, "operator").grant("agency", json!({}));
    let authority = actor(&town, "authority");
    let subject = town.subject().clone();
    authority.issue(&like(&subject, "NEW0001", 1)).ok();
    let reply = actor(&town, "agency").search(&search_body(&subject));
    reply.ok();
    assert_eq!(reply.found(TIANJIN).len(), 1);
    assert_eq!(reply.result(TIANJIN)["truncated"], true);
}

#[test]
fn data_shows_the_fields_asked_for_as_far_as_they_are_granted() {
    let (town, operator, agency) = town();
    let subject = town.subject();
    let faces = faces(subject);
    let granted = ["certificateHolderName", "certificateNumber", &faces[0], &faces[1]];
    operator.grant("agency", json!({ "operations": ["data"], "fields": granted }));
    let body = data_body(&subject.identifier);

    let all = agency.data(&body);
    all.ok();
    assert_eq!(sorted(shown(&town, &all)), sorted(granted));
    let some = agency.data(&with(body.clone(), "/fields", json!([faces[0], "certificateNumber"])));
    some.ok();
    assert_eq!(sorted(shown(&town, &some)), sorted([faces[0].as_str(), "certificateNumber"]));
    assert_eq!(
        sorted(some.entry().details.unwrap().fields),
        sorted([faces[0].as_str(), "certificateNumber"])
    );
    let none = agency.data(&with(body.clone(), "/fields", json!([])));
    none.ok();
    assert!(shown(&town, &none).is_empty());
    let text = String::from_utf8(some.body.clone()).unwrap();
    assert!(!text.contains(subject.holders[0].code()), "the holder's code is not shown");
    assert!(SealedLicence::parse(&some.body).unwrap().status.is_some());

    agency.data(&with(body.clone(), "/fields", json!([faces[0], faces[2]]))).refused(403, "grant.fields", 99);
    agency.data(&with(body.clone(), "/fields", json!(["certificateHolderCode"]))).refused(
        403,
        "grant.fields",
        99,
    );
    // Whether the licence is here is not told before the rules are through.
    let absent = like(subject, "ABSENT", 1)["certificateIdentifier"].clone();
    let absent = with(body, "/identifier", absent);
    agency.data(&with(absent.clone(), "/fields", json!([faces[2]]))).refused(403, "grant.fields", 99);
    agency.data(&absent).refused(404, "licence.notFound", 10);
}

#[test]
fn without_a_grant_everything_is_refused() {
    let (town, operator, agency) = town();
    let subject = town.subject();
    agency.search(&search_body(subject)).refused(403, "grant.none", 99);
    agency.data(&data_body(&subject.identifier)).refused(403, "grant.none", 99);
    assert_eq!(agency.verify(&verify_body(subject)).status, 200);
    // Another partner's grant is not ours; nor is one for the same name in another city.
    operator.grant("bureau", json!({ "id": "a" }));
    operator.grant("110000/agency", json!({ "id": "b" }));
    agency.search(&search_body(subject)).refused(403, "grant.none", 99);
}

#[test]
fn each_way_out_of_a_grant_is_refused_by_its_own_rule() {
    let (town, operator, agency) = town();
    let subject = town.subject();
    let data = data_body(&subject.identifier);
    let other = town.records.iter().find(|one| one.type_code != subject.type_code).unwrap();
    let now = |secs| later(&town, secs);
    let cases = [
        (json!({ "operations": ["search", "verify"] }), "grant.operation"),
        (json!({ "types": [other.type_code.as_str()] }), "grant.type"),
        (json!({ "matters": ["another"] }), "grant.matter"),
        (json!({ "from": now(10) }), "grant.period"),
        (json!({ "until": now(-10) }), "grant.period"),
        (json!({ "addresses": ["10.0.0.0/8", "2001:db8::/32"] }), "grant.address"),
        (json!({ "dailyLimit": 0 }), "grant.dailyLimit"),
    ];
    for (grant, rule) in cases {
        operator.grant("agency", grant);
        agency.data(&data).refused(403, rule, 99);
        if rule != "grant.type" && rule != "grant.operation" {
            agency.search(&search_body(subject)).refused(403, rule, 99);
        }
    }
    operator.grant("agency", json!({ "addresses": ["127.0.0.0/8"], "until": now(10) }));
    agency.data(&data).ok();
    town.clock.advance_secs(11);
    agency.data(&data).refused(403, "grant.period", 99);
    // A search over all types is cut down to the granted ones.
    operator.grant("agency", json!({ "types": [other.type_code.as_str()] }));
    let reply = agency.search(&search_body(subject));
    assert!(!reply.ok().found(TIANJIN).contains(&subject.identifier.to_string()));
    let typed = with(search_body(subject), "/typeCode", json!(subject.type_code.as_str()));
    agency.search(&typed).refused(403, "grant.type", 99);
}

#[test]
fn two_grants_are_never_mixed_into_a_third() {
    let (town, operator, agency) = town();
    let subject = town.subject();
    let other = town.subjects().find(|one| one.type_code != subject.type_code).unwrap();
    let fields = faces(subject);
    // One type for one matter with one field, another type for another matter with all.
    operator.grant(
        "agency",
        json!({ "id": "a", "types": [subject.type_code.as_str()], "fields": [fields[0]], "matters": ["one"] }),
    );
    operator.grant("agency", json!({ "id": "b", "types": [other.type_code.as_str()], "matters": ["two"] }));
    let ask = |record: &licence_seal::licence::Record, matter: &str, fields: Value| {
        let body = with(data_body(&record.identifier), "/context/itemCode", json!(matter));
        agency.data(&with(body, "/fields", fields))
    };
    ask(subject, "one", json!([fields[0]])).ok();
    ask(other, "two", Value::Null).ok();
    ask(subject, "two", Value::Null).refused(403, "grant.matter", 99);
    ask(other, "one", Value::Null).refused(403, "grant.matter", 99);
    ask(subject, "one", json!([fields[1]])).refused(403, "grant.fields", 99);
    assert_eq!(shown(&town, &ask(subject, "one", Value::Null)), [fields[0].as_str()]);
}

#[test]
fn a_grant_that_is_removed_or_narrowed_works_at_once() {
    let (town, operator, agency) = town();
    let data = data_body(&town.subject().identifier);
    operator.grant("agency", json!({}));
    agency.data(&data).ok();
    operator.grant("agency", json!({ "operations": ["search"] }));
    agency.data(&data).refused(403, "grant.operation", 99);
    operator.grant("agency", json!({}));
    agency.data(&data).ok();
    operator.remove_grant("grant");
    agency.data(&data).refused(403, "grant.none", 99);
    let again = operator.ask(ADMIN, &json!({ "removeGrant": { "id": "grant", "reason": "示例" } }));
    again.refused(404, "grant.unknown", 99);
    town.restart();
    agency.data(&data).refused(403, "grant.none", 99);
}

#[test]
fn only_the_operator_changes_grants_and_each_change_is_on_the_log() {
    let (town, operator, agency) = town();
    let grant = json!({ "putGrant": {
        "id": "own", "partner": "agency", "operations": ["data"], "types": ["*"], "fields": ["*"],
        "matters": ["*"], "from": later(&town, -60),
    }});
    for id in ["agency", "auditor", "authority"] {
        actor(&town, id).ask(ADMIN, &grant).refused(403, "role", 99);
    }
    for (pointer, value) in
        [("/putGrant/types", json!([])), ("/putGrant/partner", json!("")), ("/putGrant/id", json!(""))]
    {
        operator.ask(ADMIN, &with(grant.clone(), pointer, value)).refused(400, "grant.malformed", 99);
    }
    operator.ask(ADMIN, &with(grant.clone(), "/putGrant/more", json!(1))).refused(400, "request.json", 99);
    let reply = operator.ask(ADMIN, &grant);
    reply.ok();
    let details = reply.entry().details.unwrap();
    assert_eq!(
        (
            details.detail["request"]["putGrant"]["id"].clone(),
            details.detail["request"]["putGrant"]["fields"].clone()
        ),
        (json!("own"), json!(["*"]))
    );
    let unknown = json!({ "revokeRegistration": { "id": "nobody", "reason": "示例" } });
    operator.ask(ADMIN, &unknown).refused(404, "registration.unknownId", 99);
    let silent = json!({ "revokeRegistration": { "id": "agency", "reason": "" } });
    operator.ask(ADMIN, &silent).refused(400, "admin.reason", 99);
    let list = operator.ask(ADMIN, &json!({ "list": {} }));
    assert_eq!(list.ok().json["grants"].as_array().unwrap().len(), 1);
    // The operator sees registrations, and no licence.
    operator.data(&data_body(&town.subject().identifier)).refused(403, "role", 99);
    drop(agency);
}

#[test]
fn the_daily_limit_is_exact_also_for_requests_at_the_same_moment() {
    let (town, operator, agency) = town();
    let subject = town.subject();
    operator.grant("agency", json!({ "dailyLimit": 5 }));
    let body = data_body(&subject.identifier);
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..12).map(|_| scope.spawn(|| agency.data(&body))).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let granted = replies.iter().filter(|reply| reply.status == 200).count();
    for reply in &replies {
        if reply.status == 200 {
            reply.ok()
        } else {
            reply.refused(403, "grant.dailyLimit", 99)
        };
    }
    assert_eq!(granted, 5);
    // Gapless, also over the refused ones.
    let mut counters: Vec<u64> = replies.iter().map(|reply| reply.receipt().counter).collect();
    counters.sort_unstable();
    assert_eq!(counters, (counters[0]..counters[0] + 12).collect::<Vec<_>>());
    town.restart();
    agency.data(&body).refused(403, "grant.dailyLimit", 99);
    // Refused requests use nothing up, and the next day is a new one.
    town.clock.advance_secs(86_400);
    let mut agency = actor(&town, "agency");
    agency.authenticate();
    for _ in 0..5 {
        agency.search(&search_body(subject)).ok();
    }
    agency.search(&search_body(subject)).refused(403, "grant.dailyLimit", 99);
}

#[test]
fn a_verification_is_one_bit_that_does_not_say_why() {
    let (town, operator, agency) = town();
    let subject = town.subject();
    let field = &faces(subject)[0];
    let value = serde_json::to_value(&subject.fields[field]).unwrap();
    operator.grant("agency", json!({ "operations": ["verify"], "fields": [field] }));
    let good = verify_body(subject);
    let yes = |body: &Value| {
        let reply = agency.verify(body);
        reply.ok();
        assert_eq!((reply.json["matches"].clone(), reply.json["code"].clone()), (json!(true), json!(0)));
    };
    yes(&good);
    yes(&with(good.clone(), "/claims", json!({ field.as_str(): value })));
    let by_number = with(with(good.clone(), "/identifier", Value::Null), "/number", json!(subject.number));
    yes(&with(by_number, "/typeCode", json!(subject.type_code.as_str())));

    let absent = like(subject, "ABSENT", 1)["certificateIdentifier"].clone();
    let other_person =
        town.subjects().find(|one| one.holders[0].code() != subject.holders[0].code()).unwrap();
    let number = serde_json::to_value(&subject.number).unwrap();
    let cases = [
        // No such licence; another name; another person's licence; another value.
        (with(good.clone(), "/identifier", absent), None),
        (with(good.clone(), "/holder/name", json!("某某")), None),
        (with(good.clone(), "/identifier", json!(other_person.identifier.as_str())), None),
        (with(good.clone(), "/claims", json!({ field.as_str(): "另一个值" })), None),
        // A field that is not granted, with the right value; another matter.
        (with(good.clone(), "/claims", json!({ "certificateNumber": number })), Some("grant.fields")),
        (with(good.clone(), "/context/itemCode", json!("another")), Some("grant.matter")),
    ];
    let mut answers = Vec::new();
    for (body, rule) in &cases {
        let reply = agency.verify(body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        // Only the log knows.
        let entry = reply.entry();
        assert_eq!(entry.details.as_ref().unwrap().rule.as_deref(), *rule);
        assert_eq!(entry.entry.outcome == Outcome::Granted, rule.is_none());
        assert!(entry.details.unwrap().identifiers.is_empty());
        let id = reply.json["requestId"].as_str().unwrap().to_owned();
        answers.push((reply.text().replace(&id, ""), reply.content_type.clone(), reply.body.len()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(answers[0].0.contains("\"matches\":false"));
}

/// All of them are past the first check before any has read the store.
#[test]
fn guesses_at_the_same_moment_are_no_more_than_the_cap() {
    let town = town_with(Plan {
        settings: Some(|settings| settings.exchange.verify_failures = 3),
        ..Plan::default()
    });
    actor(&town, "operator").grant("agency", json!({}));
    let agency = actor(&town, "agency");
    let wrong = with(verify_body(town.subject()), "/holder/name", json!("某某"));
    let passage = Passage::new(town.exchange());
    let guess = || passage.handle(incoming(&agency, "POST", "/v1/licences/verify", &wrong));
    let answers = wait(join_all((0..20).map(|_| guess())));
    let with_status = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with_status(200), with_status(429)), (3, 17));
}

#[test]
fn a_holder_cannot_be_found_out_by_guessing() {
    let town = town_with(Plan {
        settings: Some(|settings| settings.exchange.verify_failures = 3),
        ..Plan::default()
    });
    actor(&town, "operator").grant("agency", json!({}));
    let agency = actor(&town, "agency");
    let subject = town.subject();
    let good = verify_body(subject);
    let wrong = with(good.clone(), "/holder/name", json!("某某"));
    for _ in 0..3 {
        assert_eq!(agency.verify(&wrong).ok().json["matches"], false);
    }
    agency.verify(&wrong).refused(429, "verify.failures", 99);
    agency.verify(&good).refused(429, "verify.failures", 99);
    // Another holder, another partner and another day are not concerned.
    let other = town.subjects().find(|one| one.holders[0].code() != subject.holders[0].code()).unwrap();
    assert_eq!(agency.verify(&verify_body(other)).ok().json["matches"], true);
    actor(&town, "operator").grant("bureau", json!({ "id": "b" }));
    assert_eq!(actor(&town, "bureau").verify(&good).ok().json["matches"], true);
    town.clock.advance_secs(86_400);
    assert_eq!(actor(&town, "agency").verify(&good).ok().json["matches"], true);
}

#[test]
fn the_catalogue_is_read_by_every_known_caller_and_by_nobody_else() {
    let town = tianjin();
    let catalogue = Catalogue::embedded().unwrap();
    for id in ["agency", "authority", "auditor", "operator"] {
        let caller = actor(&town, id);
        let get = |path: &str| caller.request("GET", path, None, Vec::new(), None);
        let all = get("/v1/catalogue");
        assert_eq!(all.ok().json["types"].as_array().unwrap().len(), catalogue.len());
        let kind = catalogue.iter().next().unwrap();
        let one = get(&format!("/v1/catalogue/{}", kind.code));
        assert_eq!(one.ok().json["code"], kind.code.as_str());
        let schema = get(&format!("/v1/catalogue/{}/schema", kind.code));
        assert_eq!(schema.ok().json["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
    assert_eq!(anonymous(&town, "GET", "/v1/catalogue").0, 401);
    let (status, health) = anonymous(&town, "GET", "/health");
    assert_eq!((status, health.as_str()), (200, r#"{"status":"ok"}"#));
}

#[test]
fn a_receipt_leads_to_a_proof_that_the_access_is_in_the_log() {
    use licence_node::accesslog::Inclusion;
    let (town, operator, agency) = town();
    operator.grant("agency", json!({}));
    let key = town.exchange().log.verifier_key();
    let refused = agency.search(&with(search_body(town.subject()), "/context/itemCode", json!("another")));
    refused.refused(403, "grant.matter", 99);
    for reply in [agency.data(&data_body(&town.subject().identifier)), refused] {
        let place = &reply.receipt().log;
        let proof = agency.ask("/v1/receipts", &json!({ "index": place.index }));
        proof.ok();
        let member = |name: &str| proof.json[name].clone();
        let inclusion: Inclusion = serde_json::from_value(
            json!({ "index": member("index"), "path": member("path"), "checkpoint": member("checkpoint") }),
        )
        .unwrap();
        let leaf = licence_seal::evidence::digest_from_b64(&place.leaves[0]).unwrap();
        let checkpoint = inclusion.verify(&leaf, &key).expect("the proof holds");
        assert!(checkpoint.size > place.index);
        let other = licence_seal::crypto::sha256(&[b"another entry"]);
        assert!(inclusion.verify(&other, &key).is_none());
    }
    agency.ask("/v1/receipts", &json!({ "index": 1_000_000 })).refused(400, "log.index", 99);
    agency.ask("/v1/receipts", &json!({ "index": -1 })).refused(400, "request.json", 99);
    agency.ask("/v1/receipts", &json!({ "context": context() })).refused(400, "request.json", 99);
}
