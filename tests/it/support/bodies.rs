//! What is asked: contexts, requests and records.

use licence_seal::licence::{Catalogue, Identifier, Record, Uscc};
use serde_json::{Value, json};

pub const MATTER: &str = "120000-zf-0001";

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
