//! One licence as it is imported, issued and stored: parsed, checked against its type, in one
//! canonical form.
//!
//! All faults of a record are reported at once, each as a field and a rule and never as the value:
//! a refusal file is read by people who may not see the data. An empty text means "absent", since
//! that is how tables export what they do not have.

mod read;
mod view;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use self::read::Problems;
pub use self::view::{HolderRef, RecordRef, ValueRef};
use super::catalogue::{COMMON_NAMES, Catalogue, Field, FieldKind};
use super::holder::{Holder, HolderError};
use super::identifier::{Identifier, IdentifierError, TypeCode};
use super::status::State;
use super::strict_json::{self, Json, Members};
use super::syntax::{self, PictureFault};
use super::uscc::{Uscc, UsccError};
use crate::time::Day;

/// Most holders of one licence.
pub const MAX_HOLDERS: usize = 100;
/// Most items of one list field.
pub const MAX_ITEMS: usize = 1_000;
/// The longest licence number and authority name, in characters (as databases seen in use).
const MAX_NUMBER: usize = 128;
const MAX_AUTHORITY: usize = 256;

/// A face field's or a common field's value: a text, or several.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FieldValue {
    Text(String),
    List(Vec<String>),
}

impl FieldValue {
    /// The texts, to be changed.
    pub fn texts_mut(&mut self) -> &mut [String] {
        match self {
            Self::Text(text) => std::slice::from_mut(text),
            Self::List(list) => list,
        }
    }

    /// The texts, one or several.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(list) => list,
        }
    }
}

impl From<FieldValue> for Value {
    fn from(value: FieldValue) -> Self {
        match value {
            FieldValue::Text(text) => Self::String(text),
            FieldValue::List(list) => list.into_iter().map(Self::String).collect(),
        }
    }
}

/// The rule that a record breaks. Carries limits and positions, never the value.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Rule {
    #[error("not JSON: line {line}, column {column}")]
    Json { line: usize, column: usize },
    #[error("a record is a JSON object")]
    NotAnObject,
    #[error("stands more than once")]
    Duplicate,
    #[error("no such field")]
    Unknown,
    #[error("required")]
    Missing,
    #[error("must be a text, or several texts where the field takes several")]
    Kind,
    #[error("longer than {max}")]
    TooLong { max: usize },
    #[error("contains a control character or a mark that hides or reorders text")]
    Control,
    #[error("not a day that exists, written YYYY-MM-DD")]
    Date,
    #[error("not one of the codes of the field")]
    CodeList,
    #[error("not a whole number")]
    Integer,
    #[error("not a decimal number")]
    Decimal,
    #[error("not an amount: digits, at most 6 decimal places, not negative")]
    Amount,
    #[error("not base64")]
    Base64,
    #[error("not a PNG or JPEG picture")]
    Picture,
    #[error("picture larger than {max_kib} KiB")]
    PictureSize { max_kib: usize },
    #[error("names, codes and code types of the holders must be equally many, at most {MAX_HOLDERS}")]
    HolderCount,
    #[error("a holder of this kind cannot hold a licence of this type")]
    HolderKind,
    #[error("not a holder code type of GB/T 36903 Annex A")]
    HolderCodeType,
    #[error("the same holder stands twice")]
    HolderTwice,
    #[error(transparent)]
    Holder(HolderError),
    #[error("no such licence type in the catalogue")]
    Type,
    #[error(transparent)]
    Identifier(IdentifierError),
    #[error("is not the type in the identifier")]
    IdentifierType,
    #[error("is not the issuer in the identifier")]
    IdentifierIssuer,
    #[error(transparent)]
    Issuer(UsccError),
    #[error("an area code has 6 to 12 digits")]
    Area,
    #[error("ends before it begins")]
    DateOrder,
    #[error("not a state that an authority declares")]
    State,
    #[error("must be another licence or version of the same type")]
    Supersedes,
}

impl Rule {
    /// Stable name of the rule.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Json { .. } => "record.json",
            Self::NotAnObject => "record.object",
            Self::Duplicate => "record.duplicate",
            Self::Unknown => "record.unknownField",
            Self::Missing => "record.missing",
            Self::Kind => "record.kind",
            Self::TooLong { .. } => "record.length",
            Self::Control => "record.control",
            Self::Date => "record.date",
            Self::CodeList => "record.codeList",
            Self::Integer => "record.integer",
            Self::Decimal => "record.decimal",
            Self::Amount => "record.amount",
            Self::Base64 => "record.base64",
            Self::Picture => "record.picture",
            Self::PictureSize { .. } => "record.pictureSize",
            Self::HolderCount => "record.holderCount",
            Self::HolderKind => "record.holderKind",
            Self::HolderCodeType => "record.holderCodeType",
            Self::HolderTwice => "record.holderTwice",
            Self::Holder(e) => e.rule(),
            Self::Type => "record.type",
            Self::Identifier(e) => e.rule(),
            Self::IdentifierType => "record.identifierType",
            Self::IdentifierIssuer => "record.identifierIssuer",
            Self::Issuer(e) => e.rule(),
            Self::Area => "record.area",
            Self::DateOrder => "record.dateOrder",
            Self::State => "record.state",
            Self::Supersedes => "record.supersedes",
        }
    }
}

/// One fault of a record: where, and which rule.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{field}: {rule}")]
pub struct RecordError {
    /// Wire name, `fields.NAME`, or empty for the record as a whole. A name that the catalogue
    /// does not know is shown only if it looks like a name.
    pub field: String,
    pub rule: Rule,
}

impl Serialize for RecordError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut out = serializer.serialize_struct("RecordError", 2)?;
        out.serialize_field("field", &self.field)?;
        out.serialize_field("rule", self.rule.rule())?;
        out.end()
    }
}

/// A licence record that fits its type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub identifier: Identifier,
    pub type_code: TypeCode,
    pub number: String,
    /// At least one.
    pub holders: Vec<Holder>,
    pub issuer_code: Uscc,
    pub issuer_name: String,
    /// 6 to 12 digits.
    pub area_code: String,
    pub issued: Day,
    pub valid_from: Day,
    /// Last day of validity; `None` is long-term.
    pub valid_until: Option<Day>,
    pub state: State,
    pub supersedes: Option<Identifier>,
    /// Face fields by name; absent ones are not in the map.
    pub fields: BTreeMap<String, FieldValue>,
}

/// Wire names that are not disclosed fields.
const PLAIN_NAMES: [&str; 9] = [
    "certificateIdentifier",
    "certificateTypeCode",
    "certificateIssuingAuthorityCode",
    "certificateIssuedDate",
    "certificateEffectiveDate",
    "certificateExpiringDate",
    "certificateState",
    "supersedes",
    "fields",
];
const HOLDER_NAMES: [&str; 3] =
    ["certificateHolderName", "certificateHolderCode", "certificateHolderTypeCode"];

impl Record {
    /// Parses one JSON text (a line of JSON Lines), refusing members that stand twice.
    pub fn parse_json(text: &[u8], catalogue: &Catalogue) -> Result<Self, Vec<RecordError>> {
        let (value, duplicates) = strict_json::parse(text).map_err(|e| {
            let (line, column) = (e.line(), e.column());
            vec![RecordError { field: String::new(), rule: Rule::Json { line, column } }]
        })?;
        let mut problems = Problems::default();
        for path in duplicates {
            problems.add(&shown(&path), Rule::Duplicate);
        }
        problems.read(&value, catalogue)
    }

    /// Parses a JSON value whose members are known to be distinct.
    pub fn from_value(value: &Value, catalogue: &Catalogue) -> Result<Self, Vec<RecordError>> {
        Problems::default().read(&value.into(), catalogue)
    }

    /// Parses a row of a table: columns by wire name, face fields as `fields.NAME`; several
    /// holders, and several items of a list field, are joined by `^`. Empty cells are absent.
    pub fn from_row<'a>(
        row: impl IntoIterator<Item = (&'a str, &'a str)>,
        catalogue: &Catalogue,
    ) -> Result<Self, Vec<RecordError>> {
        let mut problems = Problems::default();
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (column, cell) in row {
            if seen.insert(column, cell).is_some() {
                problems.add(&shown(column), Rule::Duplicate);
            }
        }
        let licence_type = seen.get("certificateTypeCode").and_then(|code| catalogue.find(code.trim()));
        let is_list =
            |name| licence_type.and_then(|t| t.field(name)).is_some_and(|f| f.kind == FieldKind::List);
        let one = |cell: &'a str| Json::Text(cell.into());
        let split = |cell: &'a str| Json::List(cell.split('^').map(|part| one(part.trim())).collect());
        let (mut members, mut fields) = (Members::new(), Members::new());
        for (column, cell) in seen.into_iter().filter(|(_, cell)| !cell.trim().is_empty()) {
            match column.strip_prefix("fields.") {
                Some(name) if is_list(name) => fields.insert(name.into(), split(cell)),
                Some(name) => fields.insert(name.into(), one(cell)),
                None if HOLDER_NAMES.contains(&column) && cell.contains('^') => {
                    members.insert(column.into(), split(cell))
                }
                None => members.insert(column.into(), one(cell)),
            };
        }
        members.insert("fields".into(), Json::Object(fields));
        problems.read(&Json::Object(members), catalogue)
    }

    /// The canonical flat wire form; parsing it gives the same record.
    pub fn to_json(&self) -> Value {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("certificateIdentifier", self.identifier.as_str().into());
        put("certificateTypeCode", self.type_code.as_str().into());
        put("certificateIssuingAuthorityCode", self.issuer_code.as_str().into());
        put("certificateIssuedDate", self.issued.to_string().into());
        put("certificateEffectiveDate", self.valid_from.to_string().into());
        if let Some(until) = self.valid_until {
            put("certificateExpiringDate", until.to_string().into());
        }
        put("certificateState", self.state.word().into());
        if let Some(id) = &self.supersedes {
            put("supersedes", id.as_str().into());
        }
        for (name, value) in self.view().common() {
            put(name, value.to_owned().into());
        }
        let fields: Map<String, Value> =
            self.fields.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect();
        put("fields", Value::Object(fields));
        Value::Object(members)
    }

    /// The values present among the type's disclosure names: the common six and the face fields.
    pub fn disclosed(&self) -> BTreeMap<String, FieldValue> {
        let view = self.view();
        let common = view.common().map(|(name, value)| (name.to_owned(), value.to_owned()));
        common.chain(self.fields.iter().map(|(k, v)| (k.clone(), v.clone()))).collect()
    }
}

/// Checks one face field's value against its declaration, returning the canonical value, or
/// `None` for an empty one.
pub(super) fn check_field(field: &Field, value: &Json<'_>) -> Result<Option<FieldValue>, Rule> {
    match (field.kind, value) {
        (FieldKind::List, Json::List(items)) => {
            let texts = items.iter().map(|item| match item {
                Json::Text(text) => Ok(syntax::clean(text)),
                _ => Err(Rule::Kind),
            });
            check_list(field, texts.collect::<Result<_, _>>()?)
        }
        (FieldKind::List, Json::Text(one)) => {
            let one = syntax::clean(one);
            if one.is_empty() { Ok(None) } else { check_list(field, vec![one]) }
        }
        (_, Json::Text(text)) => {
            let text =
                if field.kind == FieldKind::Image { text.trim().into() } else { syntax::cleaned(text) };
            if text.is_empty() {
                Ok(None)
            } else {
                check_text(field, text).map(|t| Some(FieldValue::Text(t)))
            }
        }
        _ => Err(Rule::Kind),
    }
}

fn check_list(field: &Field, items: Vec<String>) -> Result<Option<FieldValue>, Rule> {
    if items.is_empty() {
        return Ok(None);
    }
    if items.len() > MAX_ITEMS {
        return Err(Rule::TooLong { max: MAX_ITEMS });
    }
    if items.iter().any(String::is_empty) {
        return Err(Rule::Kind);
    }
    if items.iter().map(|i| i.chars().count()).sum::<usize>() > field.max {
        return Err(Rule::TooLong { max: field.max });
    }
    if items.iter().any(|i| syntax::has_forbidden(i)) {
        return Err(Rule::Control);
    }
    if !field.codes.is_empty() && items.iter().any(|i| !field.codes.contains(i)) {
        return Err(Rule::CodeList);
    }
    Ok(Some(FieldValue::List(items)))
}

fn check_text(field: &Field, text: Cow<'_, str>) -> Result<String, Rule> {
    if field.kind == FieldKind::Image {
        return match syntax::picture(&text, field.max) {
            Ok(()) => Ok(text.into_owned()),
            Err(PictureFault::Base64) => Err(Rule::Base64),
            Err(PictureFault::Format) => Err(Rule::Picture),
            Err(PictureFault::TooLarge) => Err(Rule::PictureSize { max_kib: field.max }),
        };
    }
    if syntax::has_forbidden(&text) {
        return Err(Rule::Control);
    }
    if field.kind == FieldKind::Date {
        return syntax::day(&text).map(|day| day.to_string()).ok_or(Rule::Date);
    }
    if field.kind == FieldKind::Code {
        let known = field.codes.iter().any(|code| *code == text);
        return if known { Ok(text.into_owned()) } else { Err(Rule::CodeList) };
    }
    if syntax::is_longer(&text, field.max) {
        return Err(Rule::TooLong { max: field.max });
    }
    match field.kind {
        FieldKind::Integer if !syntax::is_integer(&text) => Err(Rule::Integer),
        FieldKind::Decimal if !syntax::is_decimal(&text) => Err(Rule::Decimal),
        FieldKind::Amount if !syntax::is_amount(&text) => Err(Rule::Amount),
        _ => Ok(text.into_owned()),
    }
}

/// A name from outside: shown if it looks like a name, since anything else might be data.
fn shown(name: &str) -> String {
    let is_name = |part: &str| part.len() <= 64 && part.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    if name.split('.').all(is_name) { name.to_owned() } else { "?".to_owned() }
}

#[cfg(test)]
mod tests;
