//! A record as it is looked at, wherever its texts lie: sealing needs no copy of them.

use super::{FieldValue, Record};
use crate::licence::Holder;
use crate::licence::catalogue::COMMON_NAMES;
use crate::time::Day;

/// [`FieldValue`], borrowed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ValueRef<'a> {
    Text(&'a str),
    List(Vec<&'a str>),
}

impl<'a> ValueRef<'a> {
    pub fn to_owned(&self) -> FieldValue {
        match self {
            Self::Text(text) => FieldValue::Text((*text).to_owned()),
            Self::List(list) => FieldValue::List(list.iter().map(|text| (*text).to_owned()).collect()),
        }
    }
}

impl<'a> From<&'a FieldValue> for ValueRef<'a> {
    fn from(value: &'a FieldValue) -> Self {
        match value {
            FieldValue::Text(text) => Self::Text(text),
            FieldValue::List(list) => Self::List(list.iter().map(String::as_str).collect()),
        }
    }
}

/// A holder, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct HolderRef<'a> {
    pub name: &'a str,
    pub code: &'a str,
    pub code_type: &'a str,
}

impl<'a> From<&'a Holder> for HolderRef<'a> {
    fn from(holder: &'a Holder) -> Self {
        Self { name: holder.name(), code: holder.code(), code_type: holder.code_type().code() }
    }
}

/// [`Record`], borrowed, as far as a seal covers it.
#[derive(Clone, Debug)]
pub struct RecordRef<'a> {
    pub identifier: &'a str,
    pub type_code: &'a str,
    pub issuer_code: &'a str,
    pub number: &'a str,
    pub holders: Vec<HolderRef<'a>>,
    pub issuer_name: &'a str,
    pub area_code: &'a str,
    pub issued: Day,
    pub valid_from: Day,
    pub valid_until: Option<Day>,
    pub supersedes: Option<&'a str>,
    /// Face fields, in the order of their names.
    pub fields: Vec<(&'a str, ValueRef<'a>)>,
}

impl<'a> RecordRef<'a> {
    /// The value under a disclosure name: a face field or one of the common six.
    pub fn value(&self, name: &str) -> Option<ValueRef<'a>> {
        let field = self.fields.binary_search_by(|(field, _)| (*field).cmp(name)).ok();
        match field.and_then(|at| self.fields.get(at)) {
            Some((_, value)) => Some(value.clone()),
            None => self.common_value(name),
        }
    }

    /// The common fields that are present.
    pub fn common(&self) -> impl Iterator<Item = (&'static str, ValueRef<'a>)> {
        COMMON_NAMES.into_iter().filter_map(|name| Some((name, self.common_value(name)?)))
    }

    fn common_value(&self, name: &str) -> Option<ValueRef<'a>> {
        // One holder is a text, several are a list.
        let holders = |text: fn(&HolderRef<'a>) -> &'a str| match self.holders.as_slice() {
            [one] => ValueRef::Text(text(one)),
            several => ValueRef::List(several.iter().map(text).collect()),
        };
        Some(match name {
            "certificateHolderName" => holders(|holder| holder.name),
            "certificateHolderCode" => holders(|holder| holder.code),
            "certificateHolderTypeCode" => holders(|holder| holder.code_type),
            "certificateNumber" => ValueRef::Text(self.number),
            "certificateIssuingAuthorityName" => ValueRef::Text(self.issuer_name),
            "certificateAreaCode" => ValueRef::Text(self.area_code),
            _ => return None,
        })
    }
}

impl Record {
    pub fn view(&self) -> RecordRef<'_> {
        RecordRef {
            identifier: self.identifier.as_str(),
            type_code: self.type_code.as_str(),
            issuer_code: self.issuer_code.as_str(),
            number: &self.number,
            holders: self.holders.iter().map(HolderRef::from).collect(),
            issuer_name: &self.issuer_name,
            area_code: &self.area_code,
            issued: self.issued,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            supersedes: self.supersedes.as_ref().map(super::Identifier::as_str),
            fields: self.fields.iter().map(|(name, value)| (name.as_str(), value.into())).collect(),
        }
    }
}
