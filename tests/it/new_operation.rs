//! A new operation is one file, `new_operation/echo.rs` here, and one row of a table; nothing else is told
//! of it, and it is served in the order of all others.

mod echo;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use licence_node::accesslog::{Filter, Found};
use licence_node::exchange::operations::{Body, Operation, Path, TABLE};
use licence_node::exchange::{Credentials, Incoming, Outgoing, Passage};
use licence_node::rules::Role;
use licence_seal::pki::Certificate;
use serde_json::{Value, json};

use crate::support::{Actor, SEARCH, actor, tianjin, wait};

static ROWS: &[Operation] = &[Operation {
    method: "POST",
    path: Path::Exactly("/v1/echo"),
    word: "echo",
    role: Some(Role::Partner),
    credentials: Credentials::Token,
    body: Body::Json(|settings| settings.body_limit / 4),
    run: |request| Box::pin(echo::run(request)),
    describe: "says back what it is told",
}];

pub fn incoming(actor: &Actor, method: &str, path: &str, body: &Value) -> Incoming {
    let chain = Certificate::from_pem_all(&actor.town.identity(&actor.id).certificate).unwrap();
    Incoming {
        method: method.to_owned(),
        path: path.to_owned(),
        body: Ok(Arc::new(serde_json::to_vec(body).unwrap())),
        content_type: Some("application/json".to_owned()),
        accept: None,
        chain: chain.iter().map(|certificate| certificate.der().to_vec()).collect(),
        authorization: Some(format!("Bearer {}", actor.bearer())),
        signature: None,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

#[test]
fn one_file_and_one_row_are_served_with_their_role_limit_and_word() {
    let town = tianjin();
    let passage = Passage::with(town.exchange(), ROWS);
    let (agency, authority) = (actor(&town, "agency"), actor(&town, "authority"));
    let ask = |actor: &Actor, method: &str, path: &str, body: &Value| -> (Outgoing, Value, Found) {
        let outgoing = wait(passage.handle(incoming(actor, method, path, body)));
        let json = serde_json::from_slice(&outgoing.body).unwrap();
        let found = town.search_log(&Filter::default());
        let of_it = |found: &Found| {
            found.details.as_ref().is_some_and(|details| details.request_id == outgoing.request_id)
        };
        let entry = found.into_iter().find(of_it).unwrap();
        (outgoing, json, entry)
    };
    let body = json!({ "text": "示例" });

    let (answer, said, entry) = ask(&agency, "POST", "/v1/echo", &body);
    assert_eq!((answer.status, &said["text"], &said["region"]), (200, &body["text"], &json!("120000")));
    assert!(answer.receipt.is_some());
    assert_eq!((entry.entry.op.as_str(), &entry.details.unwrap().detail["letters"]), ("echo", &json!(2)));

    for (actor, method, path, body, status, rule, word) in [
        (&authority, "POST", "/v1/echo", &body, 403, "role", "echo"),
        (&agency, "GET", "/v1/echo", &body, 404, "service.unknown", "echo"),
        (&agency, "POST", "/v1/echo", &json!({ "other": 1 }), 400, "request.json", "echo"),
        (&agency, "POST", "/v1/echo/more", &body, 404, "service.unknown", "unknown"),
        // What the other table has is not in this one.
        (&agency, "POST", SEARCH, &body, 404, "service.unknown", "unknown"),
    ] {
        let (answer, said, entry) = ask(actor, method, path, body);
        let told = (answer.status, said["rule"].as_str().unwrap(), entry.entry.op.as_str());
        assert_eq!(told, (status, rule, word), "{method} {path}");
        assert_eq!(entry.details.unwrap().rule.as_deref(), Some(rule));
    }
    let mut plain = incoming(&agency, "POST", "/v1/echo", &body);
    plain.content_type = Some("text/plain".to_owned());
    assert_eq!(wait(passage.handle(plain)).status, 415);
    let mut nameless = incoming(&agency, "POST", "/v1/echo", &body);
    nameless.authorization = None;
    assert_eq!(wait(passage.handle(nameless)).status, 401);

    let limit = |path: &str| passage.body_limit("POST", path).map(|(limit, place)| (limit, place.is_some()));
    let whole = town.exchange().office.settings.body_limit;
    assert_eq!(limit("/v1/echo").unwrap(), (whole / 4, false));
    assert_eq!(limit("/v1/other").unwrap(), (whole, false));
    let own = Passage::new(town.exchange());
    let (limit, place) = own.body_limit("POST", "/v1/files/verify").unwrap();
    assert!(limit > whole && place.is_some());
}

#[test]
fn every_operation_is_documented_and_none_stands_twice() {
    let documented = std::fs::read_to_string("docs/api.md").unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for operation in TABLE {
        let (Path::Exactly(path) | Path::Below(path)) = operation.path;
        let heading = format!("## {} {path}\n", operation.method);
        assert!(documented.contains(&heading), "docs/api.md has no {heading}");
        assert!(seen.insert(heading) && seen.insert(operation.word.to_owned()), "{path} stands twice");
        assert!(!operation.describe.is_empty(), "{path}");
    }
}
