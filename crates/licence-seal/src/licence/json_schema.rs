//! JSON Schema (2020-12) of a record of one type, in its canonical wire form.
//!
//! It says what a schema can say: shapes, lengths, code lists, patterns. Check characters, days
//! that exist, dates in order and holders of equal number stay with [`super::Record`]; a record
//! that the schema refuses is refused there too.

use serde_json::{Map, Value, json};

use super::catalogue::{Field, FieldKind, LicenceType};
use super::code_type::HolderCodeType;
use super::holder::MAX_NAME;
use super::record::{MAX_HOLDERS, MAX_ITEMS};
use super::status::State;

const DAY: &str = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";
const WHOLE: &str = "(0|[1-9][0-9]*)";

/// The schema of records of `licence_type` under catalogue version `version`.
pub fn record_schema(licence_type: &LicenceType, version: &str) -> Value {
    let code = licence_type.code.as_str();
    let identifier = |type_code: &str| {
        let pattern =
            format!(r"^1\.2\.156\.3005\.2\.{type_code}\.[0-9A-Z]{{18}}\.[0-9A-Z]+\.[0-9]{{3}}\.[0-9A-Z]$");
        json!({"type": "string", "maxLength": super::identifier::MAX_LENGTH, "pattern": pattern})
    };
    let kinds: Vec<&str> = HolderCodeType::ALL
        .into_iter()
        .filter(|kind| licence_type.holder.allows(kind.person()))
        .map(HolderCodeType::code)
        .collect();
    let states: Vec<&str> = State::ALL.into_iter().map(State::word).collect();
    let mut properties = Map::new();
    let mut fields_required = Vec::new();
    for field in &licence_type.fields {
        properties.insert(field.name.clone(), field_schema(field));
        if field.required {
            fields_required.push(field.name.as_str());
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:licence-node:catalogue:{version}:{code}"),
        "title": licence_type.name,
        "description": licence_type.name_en,
        "type": "object",
        "additionalProperties": false,
        "required": [
            "certificateIdentifier", "certificateTypeCode", "certificateNumber",
            "certificateHolderName", "certificateHolderCode", "certificateHolderTypeCode",
            "certificateIssuingAuthorityName", "certificateIssuingAuthorityCode",
            "certificateIssuedDate", "certificateAreaCode", "fields",
        ],
        "properties": {
            "certificateIdentifier": titled(identifier(code), "证照标识"),
            "certificateTypeCode": {"title": "证照类型代码", "const": code},
            "certificateNumber": titled(text(128), &licence_type.number_label),
            "certificateHolderName": titled(one_or_several(text(MAX_NAME)), "持证主体"),
            "certificateHolderCode": titled(one_or_several(text(64)), "持证主体代码"),
            "certificateHolderTypeCode": titled(one_or_several(json!({"enum": kinds})), "持证主体代码类型代码"),
            "certificateIssuingAuthorityName": titled(text(256), "证照颁发机构"),
            "certificateIssuingAuthorityCode": {"title": "证照颁发机构代码", "type": "string",
                "pattern": "^[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}$"},
            "certificateIssuedDate": titled(day(), "证照颁发日期"),
            "certificateEffectiveDate": titled(day(), "证照有效期起始日期"),
            "certificateExpiringDate": titled(day(), "证照有效期截止日期"),
            "certificateAreaCode": {"title": "证照所属管辖属地编码", "type": "string", "pattern": "^[0-9]{6,12}$"},
            "certificateState": {"title": "证照状态", "enum": states},
            "supersedes": titled(identifier(code), "被替换证照标识"),
            "fields": {
                "type": "object",
                "additionalProperties": false,
                "required": fields_required,
                "properties": properties,
            },
        },
    })
}

/// The schema of one face field's value.
pub fn field_schema(field: &Field) -> Value {
    let number = |pattern: String| json!({"type": "string", "maxLength": field.max, "pattern": pattern});
    let schema = match field.kind {
        FieldKind::Text => text(field.max),
        FieldKind::Date => day(),
        FieldKind::Code => json!({"enum": field.codes}),
        FieldKind::Integer => number(format!("^-?{WHOLE}$")),
        FieldKind::Decimal => number(format!(r"^-?{WHOLE}(\.[0-9]{{1,18}})?$")),
        FieldKind::Amount => number(format!(r"^{WHOLE}(\.[0-9]{{1,6}})?$")),
        FieldKind::Image => json!({
            "type": "string",
            "contentEncoding": "base64",
            "minLength": 4,
            "maxLength": field.max.saturating_mul(1024).div_ceil(3).saturating_mul(4),
            "pattern": "^(iVBORw0KGg[o-r]|/9j/)[0-9A-Za-z+/]*={0,2}$",
        }),
        FieldKind::List => {
            let item = if field.codes.is_empty() { text(field.max) } else { json!({"enum": field.codes}) };
            json!({"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": item})
        }
    };
    titled(schema, &field.label)
}

/// A line of text without control characters, not beginning or ending with white space.
fn text(max: usize) -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": max,
        "pattern": r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]+$",
    })
}

fn day() -> Value {
    json!({"type": "string", "format": "date", "pattern": DAY})
}

fn one_or_several(item: Value) -> Value {
    json!({"anyOf": [item, {"type": "array", "minItems": 1, "maxItems": MAX_HOLDERS, "items": item}]})
}

fn titled(mut schema: Value, title: &str) -> Value {
    if let Value::Object(members) = &mut schema {
        members.insert("title".to_owned(), title.into());
    }
    schema
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests {
    use super::super::catalogue::Catalogue;
    use super::super::generate::{Generator, Region};
    use super::super::record::{Record, Rule};
    use super::*;

    fn records() -> Vec<(&'static LicenceType, Value)> {
        let catalogue = Catalogue::embedded().unwrap();
        let generator = Generator::new(catalogue, 7, Region::TIANJIN).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        (0..1000)
            .map(|n| generator.record(n).unwrap())
            .filter(|record| seen.insert(record.type_code.clone()))
            .map(|record| (catalogue.get(&record.type_code).unwrap(), record.to_json()))
            .collect()
    }

    /// What another maker's validator says of records of one type.
    struct Validator(boon::Schemas, boon::SchemaIndex);

    impl Validator {
        fn check(&self, record: &Value) -> Result<(), String> {
            self.0.validate(record, self.1).map_err(|why| why.to_string())
        }
    }

    fn validator(licence_type: &LicenceType) -> Validator {
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.set_default_draft(boon::Draft::V2020_12);
        compiler.add_resource("urn:record", record_schema(licence_type, "test")).unwrap();
        let index = compiler.compile("urn:record", &mut schemas).unwrap();
        Validator(schemas, index)
    }

    #[test]
    fn generated_records_of_every_type_fit_their_schema() {
        for (licence_type, record) in records() {
            assert_eq!(validator(licence_type).check(&record), Ok(()), "{licence_type}");
        }
    }

    /// Changes of shape that both the schema and the record's own rules must refuse.
    fn mutations(licence_type: &LicenceType, record: &Value) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        let mut change = |what: &str, edit: &dyn Fn(&mut Value)| {
            let mut changed = record.clone();
            edit(&mut changed);
            if changed != *record {
                all.push((what.to_owned(), changed));
            }
        };
        for name in record.as_object().unwrap().keys() {
            if !["certificateEffectiveDate", "certificateExpiringDate", "certificateState", "supersedes"]
                .contains(&name.as_str())
            {
                change(&format!("without {name}"), &|r| {
                    r.as_object_mut().unwrap().remove(name);
                });
            }
            change(&format!("{name} a number"), &|r| r[name] = 5.into());
        }
        change("unknown member", &|r| r["other"] = "x".into());
        change("unknown field", &|r| r["fields"]["other"] = "x".into());
        change("unknown state", &|r| r["certificateState"] = "expired".into());
        change("area code", &|r| r["certificateAreaCode"] = "12A000".into());
        change("holder code type", &|r| r["certificateHolderTypeCode"] = "112".into());
        for field in &licence_type.fields {
            let name = &field.name;
            change(&format!("{name} an object"), &|r| r["fields"][name] = json!({}));
            if field.required {
                change(&format!("without {name}"), &|r| {
                    r["fields"].as_object_mut().unwrap().remove(name);
                });
            }
            match field.kind {
                FieldKind::Text => {
                    change(&format!("{name} too long"), &|r| {
                        r["fields"][name] = "长".repeat(field.max + 1).into()
                    });
                    change(&format!("{name} with a control"), &|r| r["fields"][name] = "a\u{7}b".into());
                }
                FieldKind::List => change(&format!("{name} too long"), &|r| {
                    r["fields"][name] = json!(["长".repeat(field.max + 1)])
                }),
                FieldKind::Image => {
                    change(&format!("{name} a GIF"), &|r| r["fields"][name] = "R0lGODlh".into())
                }
                _ => change(&format!("{name} not of its kind"), &|r| r["fields"][name] = "1/2 x".into()),
            }
        }
        all
    }

    #[test]
    fn what_is_refused_because_of_its_shape_is_refused_by_schema_and_rules_alike() {
        let catalogue = Catalogue::embedded().unwrap();
        for (licence_type, record) in records() {
            let validator = validator(licence_type);
            for (what, changed) in mutations(licence_type, &record) {
                assert!(
                    Record::parse_json(changed.to_string().as_bytes(), catalogue).is_err(),
                    "{licence_type}: {what}: rules"
                );
                assert!(validator.check(&changed).is_err(), "{licence_type}: {what}: schema");
            }
        }
    }

    #[test]
    fn a_day_that_is_none_is_left_to_the_rules() {
        let catalogue = Catalogue::embedded().unwrap();
        let (licence_type, mut record) = records().remove(0);
        record["certificateIssuedDate"] = "2026-02-30".into();
        assert_eq!(validator(licence_type).check(&record), Ok(()));
        let errors = Record::parse_json(record.to_string().as_bytes(), catalogue).unwrap_err();
        assert_eq!(errors[0].rule, Rule::Date);
    }
}
