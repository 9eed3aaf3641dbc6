//! A face field's value, and whether it fits its declaration.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::Rule;
use crate::licence::catalogue::{Field, FieldKind};
use crate::licence::strict_json::Json;
use crate::licence::syntax::{self, PictureFault};

/// Most items of one list field.
pub const MAX_ITEMS: usize = 1_000;

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

/// Checks one face field's value against its declaration, returning the canonical value, or
/// `None` for an empty one.
pub fn check_field(field: &Field, value: &Json<'_>) -> Result<Option<FieldValue>, Rule> {
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

impl From<FieldValue> for Value {
    fn from(value: FieldValue) -> Self {
        match value {
            FieldValue::Text(text) => Self::String(text),
            FieldValue::List(list) => list.into_iter().map(Self::String).collect(),
        }
    }
}
