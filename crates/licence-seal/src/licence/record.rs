//! One licence as it is imported, issued and stored: parsed, checked against its type, in one
//! canonical form.
//!
//! All faults of a record are reported at once, each as a field and a rule and never as the value:
//! a refusal file is read by people who may not see the data. An empty text means "absent", since
//! that is how tables export what they do not have.

mod fault;
mod field;
mod read;
mod view;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use self::fault::{MAX_HOLDERS, RecordError, Rule};
pub(super) use self::field::check_field;
pub use self::field::{FieldValue, MAX_ITEMS};
pub use self::view::{HolderRef, RecordRef, ValueRef};
use super::holder::Holder;
use super::identifier::{Identifier, TypeCode};
use super::status::State;
use super::uscc::Uscc;
use crate::time::Day;

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

impl Record {
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

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests;
