//! Reads the members of one record, noting every fault on the way.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Record;
use super::fault::{MAX_HOLDERS, RecordError, Rule};
use super::field::{FieldValue, check_field};
use crate::licence::catalogue::{COMMON_NAMES, Catalogue, FieldKind, LicenceType};
use crate::licence::code_type::HolderCodeType;
use crate::licence::holder::{Holder, MAX_NAME};
use crate::licence::identifier::{Identifier, TypeCode};
use crate::licence::status::State;
use crate::licence::strict_json::{self, Json, Members};
use crate::licence::syntax;
use crate::licence::uscc::Uscc;
use crate::time::Day;

/// The longest licence number and authority name, in characters (as databases seen in use).
const MAX_NUMBER: usize = 128;

const MAX_AUTHORITY: usize = 256;

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

pub(super) const HOLDER_NAMES: [&str; 3] =
    ["certificateHolderName", "certificateHolderCode", "certificateHolderTypeCode"];

/// A name from outside: shown if it looks like a name, since anything else might be data.
fn shown(name: &str) -> String {
    let is_name = |part: &str| part.len() <= 64 && part.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    if name.split('.').all(is_name) { name.to_owned() } else { "?".to_owned() }
}

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
}

/// Collects faults while reading; a part that cannot be read is `None`, and reading goes on.
#[derive(Default)]
struct Problems(Vec<RecordError>);

impl Problems {
    fn add(&mut self, field: &str, rule: Rule) {
        self.0.push(RecordError { field: field.to_owned(), rule });
    }

    fn keep<T>(&mut self, field: &str, result: Result<T, Rule>) -> Option<T> {
        result.map_err(|rule| self.add(field, rule)).ok()
    }

    fn read(mut self, value: &Json<'_>, catalogue: &Catalogue) -> Result<Record, Vec<RecordError>> {
        let Json::Object(members) = value else {
            self.add("", Rule::NotAnObject);
            return Err(self.0);
        };
        let record = self.record(members, catalogue);
        match record {
            Some(record) if self.0.is_empty() => Ok(record),
            _ => Err(self.0),
        }
    }

    fn record(&mut self, members: &Members<'_>, catalogue: &Catalogue) -> Option<Record> {
        let known = |name: &str| PLAIN_NAMES.iter().chain(&COMMON_NAMES).any(|n| *n == name);
        for name in members.keys().filter(|name| !known(name)) {
            self.add(&shown(name), Rule::Unknown);
        }

        let licence_type = self.licence_type(members, catalogue);
        let identifier = self.required(members, "certificateIdentifier", usize::MAX, |text| {
            Identifier::parse(&text).map_err(Rule::Identifier)
        });
        let issuer_code = self.required(members, "certificateIssuingAuthorityCode", usize::MAX, |text| {
            Uscc::parse(&text).map_err(Rule::Issuer)
        });
        let number = self.required(members, "certificateNumber", MAX_NUMBER, owned);
        let issuer_name = self.required(members, "certificateIssuingAuthorityName", MAX_AUTHORITY, owned);
        let area_code = self.required(members, "certificateAreaCode", usize::MAX, |text| {
            let fits = (6..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            if fits { owned(text) } else { Err(Rule::Area) }
        });
        let holders = self.holders(members, licence_type);
        let issued = self.required(members, "certificateIssuedDate", usize::MAX, day);
        // GB/T 36903 lets the first day be absent: then it is the day of issue.
        let valid_from = self.optional(members, "certificateEffectiveDate", usize::MAX, day);
        let valid_until = self.optional(members, "certificateExpiringDate", usize::MAX, |text| {
            if syntax::is_long_term(&text) { Ok(None) } else { day(text).map(Some) }
        });
        let state = self.optional(members, "certificateState", usize::MAX, |text| {
            text.parse::<State>().map_err(|_| Rule::State)
        });
        let supersedes = self.optional(members, "supersedes", usize::MAX, |text| {
            Identifier::parse(&text).map_err(Rule::Identifier)
        });
        let fields = self.fields(members, licence_type);

        if let Some(id) = &identifier {
            let codes = holders.iter().flatten().map(Holder::code);
            if let Err(broken) = id.check_strict(codes) {
                self.add("certificateIdentifier", Rule::Identifier(broken));
            }
            if licence_type.is_some_and(|t| t.code.as_str() != id.type_text()) {
                self.add("certificateTypeCode", Rule::IdentifierType);
            }
            if issuer_code.as_ref().is_some_and(|code| code.as_str() != id.issuer()) {
                self.add("certificateIssuingAuthorityCode", Rule::IdentifierIssuer);
            }
            let other = |old: &Identifier| old != id && old.type_text() == id.type_text();
            if supersedes.iter().flatten().any(|old| !other(old)) {
                self.add("supersedes", Rule::Supersedes);
            }
        }
        let first_day = valid_from.map(|from| from.or(issued));
        if let (Some(Some(from)), Some(Some(Some(until)))) = (first_day, valid_until)
            && until < from
        {
            self.add("certificateExpiringDate", Rule::DateOrder);
        }

        Some(Record {
            identifier: identifier?,
            type_code: licence_type?.code.clone(),
            number: number?,
            holders: holders?,
            issuer_code: issuer_code?,
            issuer_name: issuer_name?,
            area_code: area_code?,
            issued: issued?,
            valid_from: first_day??,
            valid_until: valid_until?.flatten(),
            state: state?.unwrap_or_default(),
            supersedes: supersedes?,
            fields: fields?,
        })
    }

    fn licence_type<'c>(
        &mut self,
        members: &Members<'_>,
        catalogue: &'c Catalogue,
    ) -> Option<&'c LicenceType> {
        self.required(members, "certificateTypeCode", usize::MAX, |text| {
            let code = TypeCode::parse(&text).map_err(Rule::Identifier)?;
            catalogue.get(&code).ok_or(Rule::Type)
        })
    }

    /// A cleaned text, or `None` where it is absent or empty.
    fn text<'v>(value: Option<&'v Json<'_>>, max: usize) -> Result<Option<Cow<'v, str>>, Rule> {
        match value {
            None => Ok(None),
            Some(Json::Text(text)) => {
                let text = syntax::cleaned(text);
                if syntax::has_forbidden(&text) {
                    return Err(Rule::Control);
                }
                if syntax::is_longer(&text, max) {
                    return Err(Rule::TooLong { max });
                }
                Ok(Some(text).filter(|t| !t.is_empty()))
            }
            Some(_) => Err(Rule::Kind),
        }
    }

    fn required<T>(
        &mut self,
        members: &Members<'_>,
        name: &str,
        max: usize,
        parse: impl FnOnce(Cow<'_, str>) -> Result<T, Rule>,
    ) -> Option<T> {
        let parsed = Self::text(members.get(name), max).and_then(|t| t.ok_or(Rule::Missing)).and_then(parse);
        self.keep(name, parsed)
    }

    /// The outer `None` is a fault, the inner one an absent value.
    fn optional<T>(
        &mut self,
        members: &Members<'_>,
        name: &str,
        max: usize,
        parse: impl FnOnce(Cow<'_, str>) -> Result<T, Rule>,
    ) -> Option<Option<T>> {
        let parsed = Self::text(members.get(name), max).and_then(|t| t.map(parse).transpose());
        self.keep(name, parsed)
    }

    fn holders(&mut self, members: &Members<'_>, licence_type: Option<&LicenceType>) -> Option<Vec<Holder>> {
        let [name, code, code_type] = HOLDER_NAMES.map(|name| {
            let texts = match members.get(name) {
                Some(Json::List(items)) if items.len() > MAX_HOLDERS => Err(Rule::HolderCount),
                Some(Json::List(items)) if !items.is_empty() => items
                    .iter()
                    .map(|item| Self::text(Some(item), MAX_NAME)?.ok_or(Rule::Missing))
                    .collect::<Result<Vec<_>, Rule>>(),
                Some(Json::List(_)) => Err(Rule::Missing),
                one => Self::text(one, MAX_NAME).and_then(|t| Ok(vec![t.ok_or(Rule::Missing)?])),
            };
            self.keep(name, texts)
        });
        let (names, codes, kinds) = (name?, code?, code_type?);
        if names.len() != codes.len() || names.len() != kinds.len() {
            self.add("certificateHolderName", Rule::HolderCount);
            return None;
        }
        let mut holders: Vec<Holder> = Vec::with_capacity(names.len());
        for ((name, code), kind) in names.iter().zip(&codes).zip(&kinds) {
            let kind = HolderCodeType::parse(kind).ok_or(Rule::HolderCodeType);
            let kind = self.keep("certificateHolderTypeCode", kind)?;
            if licence_type.is_some_and(|t| !t.holder.allows(kind.person())) {
                self.add("certificateHolderTypeCode", Rule::HolderKind);
            }
            let holder = Holder::new(name, code, kind).map_err(Rule::Holder);
            let holder = self.keep("certificateHolderCode", holder)?;
            if holders.iter().any(|h| h.code() == holder.code() && h.code_type() == kind) {
                self.add("certificateHolderCode", Rule::HolderTwice);
            }
            holders.push(holder);
        }
        Some(holders)
    }

    fn fields(
        &mut self,
        members: &Members<'_>,
        licence_type: Option<&LicenceType>,
    ) -> Option<BTreeMap<String, FieldValue>> {
        let empty = Members::new();
        let given = match members.get("fields") {
            None => &empty,
            Some(Json::Object(given)) => given,
            Some(_) => {
                self.add("fields", Rule::Kind);
                return None;
            }
        };
        let licence_type = licence_type?;
        for name in given.keys().filter(|name| licence_type.field(name).is_none()) {
            self.add(&shown(&format!("fields.{name}")), Rule::Unknown);
        }
        let mut fields = BTreeMap::new();
        for field in &licence_type.fields {
            let value = given.get(field.name.as_str()).map_or(Ok(None), |value| check_field(field, value));
            let value = match value {
                Ok(None) if field.required => Err(Rule::Missing),
                other => other,
            };
            match value {
                Ok(None) => {}
                Ok(Some(value)) => drop(fields.insert(field.name.clone(), value)),
                Err(rule) => self.add(&format!("fields.{}", field.name), rule),
            }
        }
        Some(fields)
    }
}

fn owned(text: Cow<'_, str>) -> Result<String, Rule> {
    Ok(text.into_owned())
}

fn day(text: Cow<'_, str>) -> Result<Day, Rule> {
    syntax::day(&text).ok_or(Rule::Date)
}
