use proptest::prelude::*;
use serde_json::json;

use super::read::HOLDER_NAMES;
use super::*;
use crate::licence::{Catalogue, Generator, Region};

fn catalogue() -> &'static Catalogue {
    Catalogue::embedded().unwrap()
}

/// A generated record of the named type, without declared limits.
fn sample(name: &str) -> Value {
    let generator = Generator::new(catalogue(), 3, Region::TIANJIN).unwrap();
    let of_type = |record: &Record| catalogue().get(&record.type_code).unwrap().name == name;
    (0..1000).map(|n| generator.record(n).unwrap()).find(of_type).unwrap().to_json()
}

fn rules(record: &Value) -> Vec<(String, &'static str)> {
    match Record::parse_json(record.to_string().as_bytes(), catalogue()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.into_iter().map(|e| (e.field, e.rule.rule())).collect(),
    }
}

/// The one fault after `change`.
fn fault(name: &str, change: impl FnOnce(&mut Value)) -> (String, &'static str) {
    let mut record = sample(name);
    change(&mut record);
    let mut rules = rules(&record);
    assert_eq!(rules.len(), 1, "{rules:?}");
    rules.remove(0)
}

fn at(field: &str, rule: &'static str) -> (String, &'static str) {
    (field.to_owned(), rule)
}

const CARD: &str = "居民身份证";
const COMPANY: &str = "营业执照";

#[test]
fn each_broken_rule_is_told_with_its_field() {
    let cases: [(&str, Value, &str); 14] = [
        ("certificateTypeCode", "11999999EXAMPLE033999".into(), "record.type"),
        ("certificateIssuedDate", "2026-02-30".into(), "record.date"),
        ("certificateAreaCode", "1201".into(), "record.area"),
        ("certificateState", "expired".into(), "record.state"),
        ("certificateNumber", "1\u{0}2".into(), "record.control"),
        ("certificateNumber", "1".repeat(129).into(), "record.length"),
        ("certificateIssuingAuthorityName", "".into(), "record.missing"),
        ("certificateIssuingAuthorityCode", "11120000XNAUTH0100".into(), "uscc.organisationCheck"),
        ("certificateHolderTypeCode", "112".into(), "record.holderCodeType"),
        ("certificateHolderCode", "120101199001010018".into(), "citizen.check"),
        ("certificateExpiringDate", "1999-01-01".into(), "record.dateOrder"),
        ("fields", "x".into(), "record.kind"),
        ("other", "x".into(), "record.unknownField"),
        ("certificateNumber", 5.into(), "record.kind"),
    ];
    for (field, value, rule) in cases {
        assert_eq!(fault(CARD, |r| r[field] = value), at(field, rule));
    }
}

#[test]
fn face_fields_follow_their_declaration() {
    let card = |field: &str, value: Value| fault(CARD, |r| r["fields"][field] = value);
    assert_eq!(card("sex", "未知".into()), at("fields.sex", "record.codeList"));
    assert_eq!(card("birthDate", "1990-13-01".into()), at("fields.birthDate", "record.date"));
    assert_eq!(card("residence", "长".repeat(201).into()), at("fields.residence", "record.length"));
    assert_eq!(card("residence", json!(["a"])), at("fields.residence", "record.kind"));
    assert_eq!(card("photo", "R0lGODlh".into()), at("fields.photo", "record.picture"));
    assert_eq!(card("photo", "???".into()), at("fields.photo", "record.base64"));
    assert_eq!(card("other", "x".into()), at("fields.other", "record.unknownField"));
    let missing = fault(CARD, |r| r["fields"]["sex"] = "".into());
    assert_eq!(missing, at("fields.sex", "record.missing"));
    let capital = |value: &str| fault(COMPANY, |r| r["fields"]["registeredCapital"] = value.into());
    assert_eq!(capital("-5"), at("fields.registeredCapital", "record.amount"));
    assert_eq!(capital("五百万"), at("fields.registeredCapital", "record.amount"));
    let classes =
        |value: Value| fault("机动车驾驶证", |r| r["fields"]["permittedVehicleTypes"] = value);
    assert_eq!(classes(json!(["C1", "C9"])), at("fields.permittedVehicleTypes", "record.codeList"));
    assert_eq!(classes(json!(["C1", 5])), at("fields.permittedVehicleTypes", "record.kind"));
}

#[test]
fn the_identifier_and_the_record_must_agree() {
    let other = sample(COMPANY);
    let id = |r: &Value| r["certificateIdentifier"].as_str().unwrap().to_owned();
    let mut record = sample(CARD);
    record["certificateIdentifier"] = other["certificateIdentifier"].clone();
    assert_eq!(
        rules(&record),
        [
            at("certificateTypeCode", "record.identifierType"),
            at("certificateIssuingAuthorityCode", "record.identifierIssuer"),
        ]
    );
    let holder = sample(CARD)["certificateHolderCode"].as_str().unwrap().to_owned();
    let parsed = Identifier::parse(&id(&sample(CARD))).unwrap();
    let issuer = Uscc::parse(parsed.issuer()).unwrap();
    let telling = Identifier::build(&parsed.type_code(), &issuer, &format!("A{holder}"), 1).unwrap();
    assert_eq!(
        fault(CARD, |r| r["certificateIdentifier"] = telling.as_str().into()),
        at("certificateIdentifier", "identifier.holderCode")
    );
    let next = parsed.next_version().unwrap();
    let mut newer = sample(CARD);
    newer["supersedes"] = newer["certificateIdentifier"].clone();
    assert_eq!(rules(&newer), [at("supersedes", "record.supersedes")]);
    newer["certificateIdentifier"] = next.as_str().into();
    assert_eq!(rules(&newer), []);
}

#[test]
fn holders_must_fit_the_type_and_each_other() {
    let company = sample(COMPANY);
    let mut record = sample(CARD);
    for name in HOLDER_NAMES {
        record[name] = company[name].clone();
    }
    assert_eq!(rules(&record), [at("certificateHolderTypeCode", "record.holderKind")]);
    assert_eq!(
        fault(CARD, |r| r["certificateHolderName"] = json!(["甲", "乙"])),
        at("certificateHolderName", "record.holderCount")
    );
    let twice = fault(CARD, |r| {
        for name in HOLDER_NAMES {
            r[name] = json!([r[name], r[name]]);
        }
    });
    assert_eq!(twice, at("certificateHolderCode", "record.holderTwice"));
}

#[test]
fn all_faults_are_reported_and_none_shows_a_value() {
    let mut record = sample(CARD);
    record["certificateIssuedDate"] = "SECRET".into();
    record["certificateHolderCode"] = "SECRET".into();
    record["fields"]["sex"] = "SECRET".into();
    record["密码"] = "SECRET".into();
    let errors = Record::parse_json(record.to_string().as_bytes(), catalogue()).unwrap_err();
    let fields: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
    assert_eq!(fields, ["?", "certificateHolderCode", "certificateIssuedDate", "fields.sex"]);
    let text = format!("{errors:?} {}", serde_json::to_string(&errors).unwrap());
    assert!(!text.contains("SECRET") && !text.contains("密码"), "{text}");
}

#[test]
fn json_lines_are_read_strictly() {
    let rule = |text: &str| {
        let errors = Record::parse_json(text.as_bytes(), catalogue()).unwrap_err();
        errors.into_iter().map(|e| (e.field, e.rule.rule())).collect::<Vec<_>>()
    };
    assert_eq!(rule("{"), [at("", "record.json")]);
    assert_eq!(rule("[]"), [at("", "record.object")]);
    let twice = sample(CARD).to_string().replacen('{', r#"{"certificateAreaCode":"120101","#, 1);
    assert_eq!(rule(&twice), [at("certificateAreaCode", "record.duplicate")]);
}

#[test]
fn text_is_normalised_and_days_are_written_one_way() {
    let mut record = sample(CARD);
    record["certificateHolderName"] = " e\u{301}\u{3000}".into();
    record["certificateIssuedDate"] = "20200229".into();
    record.as_object_mut().unwrap().remove("certificateEffectiveDate");
    record["certificateExpiringDate"] = "9999-12-31".into();
    record["fields"]["birthDate"] = "19900101".into();
    let read = Record::parse_json(record.to_string().as_bytes(), catalogue()).unwrap();
    assert_eq!(read.holders[0].name(), "é");
    assert_eq!((read.issued, read.valid_from), (Day::parse("2020-02-29").unwrap(), read.issued));
    assert_eq!(read.valid_until, None);
    assert_eq!(read.fields["birthDate"], FieldValue::Text("1990-01-01".to_owned()));
}

#[test]
fn a_table_row_gives_the_same_record() {
    let generator = Generator::new(catalogue(), 3, Region::TIANJIN).unwrap();
    for n in 0..300 {
        let record = generator.record(n).unwrap();
        let mut cells: Vec<(String, String)> = Vec::new();
        let joined = |value: &Value| match value {
            Value::Array(items) => items.iter().map(|i| i.as_str().unwrap()).collect::<Vec<_>>().join("^"),
            other => other.as_str().unwrap().to_owned(),
        };
        for (name, value) in record.to_json().as_object().unwrap() {
            match value {
                Value::Object(fields) => {
                    cells.extend(fields.iter().map(|(k, v)| (format!("fields.{k}"), joined(v))))
                }
                value => cells.push((name.clone(), joined(value))),
            }
        }
        cells.push(("supersedes".to_owned(), String::new()));
        let row = || cells.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        assert_eq!(Record::from_row(row(), catalogue()), Ok(record));
        let again = row().chain([("supersedes", "")]);
        let errors = Record::from_row(again, catalogue()).unwrap_err();
        assert_eq!(errors[0].rule, Rule::Duplicate);
    }
}

#[test]
fn what_can_be_disclosed_is_what_the_type_names() {
    let record = Record::parse_json(sample(COMPANY).to_string().as_bytes(), catalogue()).unwrap();
    let licence_type = catalogue().get(&record.type_code).unwrap();
    let shown = record.disclosed();
    assert!(shown.keys().all(|name| licence_type.is_disclosure_name(name)));
    assert_eq!(shown.len(), 6 + record.fields.len());
    assert_eq!(shown["certificateNumber"], FieldValue::Text(record.number.clone()));
}

proptest! {
    #[test]
    fn no_value_makes_the_parser_fall(text in "\\PC{0,60}", member in "certificate[A-Z][a-z]{0,6}|fields|supersedes") {
        let _ = Record::parse_json(text.as_bytes(), catalogue());
        let mut record = sample(CARD);
        record["fields"]["sex"] = text.clone().into();
        record[&member] = text.into();
        prop_assert!(Record::parse_json(record.to_string().as_bytes(), catalogue()).is_err());
    }
}
