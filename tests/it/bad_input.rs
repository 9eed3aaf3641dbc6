//! Requests that are not as the interface says: each a clear error, on the log, and nothing changed.

use std::sync::Arc;

use licence_node::accesslog::{Filter, Outcome};
use serde_json::{Value, json};

use crate::support::{
    ADMIN, Actor, DATA, ISSUE, Plan, SEARCH, STATUS, Town, VERIFY, actor, anonymous, context, data_body,
    like, raw, search_body, status_and_body, tianjin, town_with, verify_body, with,
};

/// An agency that may do everything, so that nothing but the input is refused.
fn agency(town: &Arc<Town>) -> Actor {
    actor(town, "operator").grant("agency", json!({}));
    actor(town, "agency")
}

#[test]
fn what_is_not_json_of_the_right_shape_is_refused() {
    let town = tianjin();
    let (agency, authority) = (agency(&town), actor(&town, "authority"));
    let subject = town.subject();
    let good = serde_json::to_string(&search_body(subject)).unwrap();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let broken = [
        String::new(),
        " ".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "\"text\"".to_owned(),
        "{".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}{good}"),
        good.replacen('{', "{\"more\":1,", 1),
        good.replacen('{', "{\"typeCode\":7,", 1),
        good.replacen('{', "{\"regions\":\"120000\",", 1),
        // The same member twice, outside and inside.
        good.replacen('{', "{\"number\":\"1\",\"number\":\"2\",", 1),
        good.replacen("\"codeType\"", "\"codeType\":\"111\",\"codeType\"", 1),
        good.replacen("\"purpose\"", "\"purpose\":\"x\",\"purpose\"", 1),
        good.replacen("\"purpose\"", "\"reason\":\"x\",\"purpose\"", 1),
        deep,
    ];
    for body in &broken {
        for path in [SEARCH, DATA, VERIFY] {
            agency.send(path, body.clone().into_bytes(), None).refused(400, "request.json", 99);
        }
        for path in [ISSUE, STATUS] {
            authority.send(path, body.clone().into_bytes(), None).refused(400, "request.json", 99);
        }
    }
    // Not UTF-8.
    agency.send(SEARCH, b"{\"holder\":{\"code\":\"\xff\xfe\"}}".to_vec(), None).refused(
        400,
        "request.json",
        99,
    );
    actor(&town, "operator").send(ADMIN, b"{\"list\":{},\"list\":{}}".to_vec(), None).refused(
        400,
        "request.json",
        99,
    );
}

#[test]
fn a_claim_that_stands_twice_is_refused() {
    let town = tianjin();
    let agency = agency(&town);
    let subject = town.subject();
    let name = subject.holders[0].name();
    let body = with(verify_body(subject), "/claims", json!({ "certificateHolderName": name }));
    let text = serde_json::to_string(&body).unwrap();
    let twice = text.replacen(
        "\"certificateHolderName\":",
        "\"certificateHolderName\":\"甲\",\"certificateHolderName\":",
        1,
    );
    agency.send(VERIFY, twice.into_bytes(), None).refused(400, "request.json", 99);
    agency.send(VERIFY, text.into_bytes(), None).ok();
}

#[test]
fn every_missing_element_of_the_context_is_named() {
    let town = tianjin();
    let agency = agency(&town);
    let authority = actor(&town, "authority");
    let subject = town.subject();
    let elements = ["itemCode", "itemName", "caseNumber", "operator", "operatorOrg", "purpose", "basis"];
    for element in elements {
        for (path, body) in [
            (SEARCH, search_body(subject)),
            (DATA, data_body(&subject.identifier)),
            (VERIFY, verify_body(subject)),
        ] {
            let reply = agency.ask(path, &with(body, &format!("/context/{element}"), Value::Null));
            reply.refused(400, "context.missing", 12);
            assert!(reply.names_field(&format!("context.{element}")), "{}", reply.text());
        }
        let status = json!({
            "context": with(json!({ "c": context() }), &format!("/c/{element}"), Value::Null)["c"],
            "identifier": subject.identifier.as_str(), "state": "revoked", "reason": "示例",
        });
        authority.ask(STATUS, &status).refused(400, "context.missing", 12);
        let issue = json!({ "context": status["context"], "record": like(subject, "NEW0001", 1) });
        authority.ask(ISSUE, &issue).refused(400, "context.missing", 12);
    }
    // Without a context, and with empty elements, all are named.
    let reply = agency.search(&with(search_body(subject), "/context", Value::Null));
    reply.refused(400, "context.missing", 12);
    let mut empty = search_body(subject);
    for element in elements.iter().filter(|element| **element != "basis") {
        empty = with(empty, &format!("/context/{element}"), json!("  "));
    }
    let blank = agency.search(&empty);
    blank.refused(400, "context.missing", 12);
    assert!(
        elements.iter().all(|element| reply.names_field(&format!("context.{element}"))),
        "{}",
        reply.text()
    );
    assert!(blank.names_field("context.operator"));
    // Too long, and a control character.
    let long = with(search_body(subject), "/context/purpose", json!("核".repeat(201)));
    agency.search(&long).refused(400, "context.length", 12);
    let control = with(search_body(subject), "/context/caseNumber", json!("a\u{1b}[31m"));
    agency.search(&control).refused(400, "context.control", 12);
}

#[test]
fn identifiers_types_holders_and_fields_that_do_not_exist_are_refused() {
    let town = tianjin();
    let agency = agency(&town);
    let subject = town.subject();
    let id = subject.identifier.as_str();
    let with_id = |text: &str| with(data_body(&subject.identifier), "/identifier", json!(text));
    let last = if id.ends_with('0') { '1' } else { '0' };
    let wrong_check = format!("{}{last}", &id[..id.len() - 1]);
    agency.data(&with_id(&wrong_check)).refused(400, "identifier.check", 99);
    agency.data(&with_id("1.2.3")).refused(400, "identifier.root", 99);
    agency.data(&with_id("")).refused(400, "identifier.root", 99);
    agency.data(&with_id(&"1".repeat(10_000))).refused(400, "identifier.length", 99);
    let unknown_type = {
        let body = like(subject, "NEW0001", 1);
        let (type_code, issuer) =
            (licence_seal::licence::TypeCode::parse("11999999MB0X000001001"), &subject.issuer_code);
        let issuer = licence_seal::licence::Uscc::parse(issuer.as_str()).unwrap();
        type_code
            .ok()
            .and_then(|code| licence_seal::licence::Identifier::build(&code, &issuer, "S1", 1).ok())
            .map(|id| (id.as_str().to_owned(), body))
    };
    if let Some((id, _)) = &unknown_type {
        agency.data(&with_id(id)).refused(400, "type.unknown", 13);
    }
    let search = search_body(subject);
    let reply = agency.search(&with(search.clone(), "/typeCode", json!("110000000000000000000")));
    assert!([400].contains(&reply.status), "{}", reply.text());
    for (pointer, value, rule, code) in [
        ("/typeCode", json!("11999999EXAMPLE999901"), "type.unknown", 13),
        ("/number", json!(""), "number.length", 99),
        ("/number", json!("1".repeat(129)), "number.length", 99),
        ("/holder/codeType", json!("999z"), "holder.codeType", 99),
        ("/regions", json!([]), "region.empty", 12),
        ("/regions", json!(["310000"]), "region.unknown", 99),
        ("/regions", json!(["120000", "../etc"]), "region.unknown", 99),
    ] {
        agency.search(&with(search.clone(), pointer, value)).refused(400, rule, code);
    }
    // A citizen number with a wrong check digit, and one with a day that is none.
    for code in ["120101190001010010x", "12010119900230001X", "1"] {
        let reply = agency.search(&with(search.clone(), "/holder/code", json!(code)));
        assert!(
            reply.rule().starts_with("holder.") || reply.rule().starts_with("citizen."),
            "{}",
            reply.text()
        );
        reply.refused(400, reply.rule(), 99);
    }
    let data = data_body(&subject.identifier);
    agency.data(&with(data.clone(), "/fields", json!(["nothing"]))).refused(400, "fields.unknown", 99);
    agency.data(&with(data, "/region", json!("310000"))).refused(400, "region.unknown", 99);
    let verify = verify_body(subject);
    for (pointer, value, rule, code) in [
        ("/claims", json!({ "nothing": "x" }), "fields.unknown", 99),
        ("/identifier", Value::Null, "licence.which", 12),
        ("/number", json!("1"), "licence.which", 12),
        ("/holder/name", Value::Null, "holder.name", 12),
        ("/holder/name", json!(""), "holder.name", 12),
        ("/identifier", json!(wrong_check), "identifier.check", 99),
    ] {
        agency.verify(&with(verify.clone(), pointer, value)).refused(400, rule, code);
    }
}

#[test]
fn a_record_that_does_not_fit_its_type_is_refused_field_by_field() {
    let town = tianjin();
    let authority = actor(&town, "authority");
    let record = like(town.subject(), "NEW0001", 1);
    let id = record["certificateIdentifier"].as_str().unwrap().to_owned();
    let last = if id.ends_with('0') { '1' } else { '0' };
    let wrong_check = format!("{}{last}", &id[..id.len() - 1]);
    for (pointer, value, rule) in [
        ("/certificateIssuedDate", json!("2026-02-30"), "record.date"),
        ("/certificateIssuedDate", json!("28.02.2026"), "record.date"),
        ("/certificateIssuedDate", Value::Null, "record.missing"),
        ("/certificateExpiringDate", json!("1949-10-01"), "record.dateOrder"),
        ("/certificateIdentifier", json!(wrong_check), "identifier.check"),
        ("/certificateAreaCode", json!("12"), "record.area"),
        ("/certificateState", json!("expired"), "record.state"),
        ("/certificateHolderTypeCode", json!("12x"), "record.holderCodeType"),
        ("/more", json!("x"), "record.unknownField"),
        ("/fields/more", json!("x"), "record.unknownField"),
        ("/certificateNumber", json!("1\u{202e}2"), "record.control"),
    ] {
        let reply = authority.issue(&with(record.clone(), pointer, value.clone()));
        assert_eq!(reply.status, 400, "{pointer} {value}");
        reply.refused(400, "record", 99);
        let rules: Vec<_> =
            reply.json["errors"].as_array().unwrap().iter().map(|one| one["rule"].clone()).collect();
        assert!(rules.contains(&json!(rule)), "{pointer} {value}: {}", reply.text());
        // Names and rules, never the value.
        if let Some(text) = value.as_str().filter(|text| text.len() > 3) {
            assert!(!reply.text().contains(text), "{}", reply.text());
        }
    }
    let reply =
        authority.issue(&with(record.clone(), "/certificateTypeCode", json!("11999999EXAMPLE999901")));
    reply.refused(400, "record", 13);
    // A member that stands twice inside the record.
    let text = serde_json::to_string(&json!({ "context": context(), "record": record })).unwrap();
    let twice =
        text.replacen("\"certificateNumber\"", "\"certificateNumber\":\"1\",\"certificateNumber\"", 1);
    let reply = authority.send(ISSUE, twice.into_bytes(), None);
    reply.refused(400, "record", 99);
    assert_eq!(reply.json["errors"][0]["rule"], "record.duplicate");
    for record in [json!(null), json!([]), json!("x"), json!({})] {
        authority.issue(&record).refused(400, "record", 99);
    }
}

#[test]
fn another_media_type_method_or_path_offers_nothing() {
    let town = tianjin();
    let agency = agency(&town);
    let body = serde_json::to_vec(&search_body(town.subject())).unwrap();
    for media in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")]
    {
        agency.request("POST", SEARCH, media, body.clone(), None).refused(415, "request.mediaType", 99);
    }
    agency.request("POST", SEARCH, Some("Application/JSON; charset=utf-8"), body.clone(), None).ok();
    for (method, path) in [
        ("GET", SEARCH),
        ("PUT", SEARCH),
        ("DELETE", SEARCH),
        ("PATCH", DATA),
        ("BREW", SEARCH),
        ("POST", "/"),
        ("POST", "/v1"),
        ("POST", "/v1/licences/search/"),
        ("POST", "/v1/licences/SEARCH"),
        ("POST", "//v1/licences/search"),
        ("POST", "/v1/licences/%73earch"),
        ("POST", "/v1/catalogue"),
        ("GET", "/v1/catalogues"),
        ("GET", "/v1/catalogue/a/b/c"),
    ] {
        agency.request(method, path, Some("application/json"), body.clone(), None).refused(
            404,
            "service.unknown",
            2,
        );
    }
    agency.request("GET", "/v1/catalogue/11999999EXAMPLE999901", None, Vec::new(), None).refused(
        400,
        "type.unknown",
        13,
    );
}

#[test]
fn an_oversized_body_is_refused_declared_or_chunked_before_it_is_read() {
    let town = town_with(Plan {
        settings: Some(|settings| settings.exchange.body_limit = 64 << 10),
        ..Plan::default()
    });
    let agency = agency(&town);
    let limit = 64 << 10;
    // As large as it may be, and one byte more.
    let good = serde_json::to_vec(&search_body(town.subject())).unwrap();
    let padded = |size: usize| [good.clone(), vec![b' '; size - good.len()]].concat();
    agency.send(SEARCH, padded(limit), None).ok();
    agency.send(SEARCH, padded(limit + 1), None).refused(413, "request.tooLarge", 99);

    let head = |more: &str| {
        format!(
            "POST {SEARCH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nConnection: close\r\n{more}\r\n\r\n",
            agency.bearer()
        )
    };
    let before = town.state();
    let huge = agency.raw(head("Content-Length: 999999999999").as_bytes());
    let mut request = head("Transfer-Encoding: chunked").into_bytes();
    for _ in 0..40 {
        request.extend_from_slice(b"1000\r\n");
        request.extend_from_slice(&[b' '; 0x1000]);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let chunked = agency.raw(&request);
    for answer in [huge, chunked] {
        let (status, body) = status_and_body(&answer);
        assert_eq!(status, 413, "{answer}");
        assert!(body.contains("\"rule\":\"request.tooLarge\""), "{answer}");
        assert!(answer.to_lowercase().contains("licence-receipt:"));
    }
    assert_eq!(town.state(), before);
    let filter = Filter {
        op: Some("search".to_owned()),
        outcome: Some(Outcome::Refused),
        partner: Some("agency".to_owned()),
        ..Filter::default()
    };
    let rules: Vec<_> =
        town.search_log(&filter).into_iter().filter_map(|found| found.details.unwrap().rule).collect();
    assert_eq!(rules, ["request.tooLarge"; 3]);
}

#[test]
fn a_body_that_never_ends_is_not_waited_for() {
    let town = town_with(Plan {
        settings: Some(|settings| settings.listen.body_timeout_ms = 200),
        ..Plan::default()
    });
    let agency = agency(&town);
    let head = format!(
        "POST {SEARCH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{{",
        agency.bearer()
    );
    let (status, body) = status_and_body(&agency.raw(head.as_bytes()));
    assert_eq!(status, 400);
    assert!(body.contains("\"rule\":\"request.timeout\""), "{body}");
}

#[test]
fn the_log_serves_its_public_files_and_no_other() {
    let town = tianjin();
    agency(&town).search(&search_body(town.subject())).ok();
    town.exchange().log.publish_now().unwrap();
    let (status, note) = anonymous(&town, "GET", "/log/checkpoint");
    assert_eq!(status, 200);
    assert!(note.starts_with("licence-node.example/120000/log/1\n"));
    let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
    assert_eq!(anonymous(&town, "GET", &format!("/log/tile/0/000.p/{size}")).0, 200);
    for path in [
        "/log/",
        "/log/head",
        "/log/journal",
        "/log/keys",
        "/log/../store/master",
        "/log/../../keys/master.key",
        "/log/%2e%2e/%2e%2e/keys/master.key",
        "/log/..%2f..%2fkeys%2fmaster.key",
        "/log//etc/passwd",
        "/log/tile/0/../../../../keys/master.key",
        "/log/tile/0/000.p/0",
        "/log/tile/0/000.p/257",
        "/log/tile/0/000/",
        "/log/tile/8/000",
        "/log/tile/-1/000",
        "/log/tile/0/x000/000",
        "/log/tile/0/99999999999999999999999999",
        "/log/checkpoint/",
        "/log/checkpoint%00",
        &format!("/log/tile/entries/000.p/{size}"),
    ] {
        let (status, body) = anonymous(&town, "GET", path);
        assert!((400..500).contains(&status), "{path}: {status} {body}");
        assert!(!body.contains("PRIVATE") && !body.contains(&"0".repeat(64)), "{path}: {body}");
    }
    // Not even with a certificate.
    let bundle = format!(
        "GET /log/tile/entries/000.p/{size} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(status_and_body(&raw(&town, Some(&town.identity("agency")), bundle.as_bytes())).0, 404);
}

#[test]
fn what_is_not_http_ends_the_connection_and_nothing_else() {
    let town = tianjin();
    let agency = agency(&town);
    let long = format!("GET /health HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(300_000));
    let many = format!("GET /health HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(500));
    for request in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", long.as_str(), many.as_str()] {
        let (status, _) = status_and_body(&raw(&town, None, request.as_bytes()));
        assert!(status == 0 || (400..500).contains(&status), "{status}");
    }
    agency.search(&search_body(town.subject())).ok();
}
