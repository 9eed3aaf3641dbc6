//! The context in which somebody asks for a licence: which matter, which case, who, what for, on
//! what ground. Every request carries one, and it goes on the record with the answer.
//!
//! After the "five elements" (五要素) that Shanghai's gateway to the national service demands, and
//! PIPL articles 13 and 34: a public body's access needs a statutory duty or the holder's consent.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::syntax;

/// Longest of the short elements, in characters.
pub const MAX_ELEMENT: usize = 64;
/// Longest names, in characters.
pub const MAX_NAME: usize = 128;
/// Longest purpose, in characters (用证事由, as in the national interface).
pub const MAX_PURPOSE: usize = 200;

/// On what ground the licence is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BasisKind {
    /// A statutory duty; the code names the provision or the matter's basis.
    Statutory,
    /// The holder's consent; the code names the authorisation.
    Consent,
}

/// Ground and its code.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Basis {
    pub kind: BasisKind,
    pub code: String,
}

/// A checked context.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "RawContext", rename_all = "camelCase")]
pub struct RequestContext {
    /// 事项编码
    pub item_code: String,
    /// 事项名称
    pub item_name: String,
    /// 办件编号
    pub case_number: String,
    /// The person at the desk.
    pub operator: String,
    /// The office that person works for.
    pub operator_org: String,
    /// 用证事由
    pub purpose: String,
    pub basis: Basis,
}

/// A context as it came in: every element may be missing, so that all that is missing is told.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RawContext {
    pub item_code: Option<String>,
    pub item_name: Option<String>,
    pub case_number: Option<String>,
    pub operator: Option<String>,
    pub operator_org: Option<String>,
    pub purpose: Option<String>,
    pub basis: Option<Basis>,
}

/// The first element of a context that breaks a rule. `element` is the wire name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ContextError {
    #[error("the context lacks {element}")]
    Missing { element: &'static str },
    #[error("{element} is longer than {max} characters")]
    TooLong { element: &'static str, max: usize },
    #[error("{element} contains a control character")]
    Control { element: &'static str },
}

impl ContextError {
    /// Stable name of the broken rule.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "context.missing",
            Self::TooLong { .. } => "context.length",
            Self::Control { .. } => "context.control",
        }
    }

    /// Wire name of the element.
    pub fn element(&self) -> &'static str {
        match self {
            Self::Missing { element } | Self::TooLong { element, .. } | Self::Control { element } => element,
        }
    }
}

impl RawContext {
    /// All that is wrong, in the order of the elements; or the checked context.
    pub fn check(self) -> Result<RequestContext, Vec<ContextError>> {
        let mut errors = Vec::new();
        let mut take = |element, value: Option<String>, max| {
            element_text(element, value, max).unwrap_or_else(|error| {
                errors.push(error);
                String::new()
            })
        };
        let item_code = take("itemCode", self.item_code, MAX_ELEMENT);
        let item_name = take("itemName", self.item_name, MAX_NAME);
        let case_number = take("caseNumber", self.case_number, MAX_ELEMENT);
        let operator = take("operator", self.operator, MAX_ELEMENT);
        let operator_org = take("operatorOrg", self.operator_org, MAX_NAME);
        let purpose = take("purpose", self.purpose, MAX_PURPOSE);
        let kind = self.basis.as_ref().map(|b| b.kind);
        let code = match self.basis {
            Some(basis) => take("basis.code", Some(basis.code), MAX_NAME),
            None => take("basis", None, MAX_NAME),
        };
        match kind {
            Some(kind) if errors.is_empty() => Ok(RequestContext {
                item_code,
                item_name,
                case_number,
                operator,
                operator_org,
                purpose,
                basis: Basis { kind, code },
            }),
            _ => Err(errors),
        }
    }
}

fn element_text(element: &'static str, value: Option<String>, max: usize) -> Result<String, ContextError> {
    let text = syntax::clean(&value.unwrap_or_default());
    if text.is_empty() {
        return Err(ContextError::Missing { element });
    }
    if text.chars().count() > max {
        return Err(ContextError::TooLong { element, max });
    }
    if text.chars().any(syntax::is_forbidden) {
        return Err(ContextError::Control { element });
    }
    Ok(text)
}

impl TryFrom<RawContext> for RequestContext {
    type Error = ContextError;
    fn try_from(raw: RawContext) -> Result<Self, ContextError> {
        raw.check()
            .map_err(|errors| errors.into_iter().next().unwrap_or(ContextError::Missing { element: "basis" }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> serde_json::Value {
        json!({"itemCode": "11120000MB0000001X-0001", "itemName": "企业变更登记", "caseNumber": "TJ-2026-0001",
            "operator": "user-17", "operatorOrg": "天津市示例窗口", "purpose": "核验营业执照",
            "basis": {"kind": "statutory", "code": "公司法第二十九条"}})
    }

    #[test]
    fn a_whole_context_is_read_and_written_the_same() {
        let context: RequestContext = serde_json::from_value(good()).unwrap();
        assert_eq!(context.basis.kind, BasisKind::Statutory);
        assert_eq!(serde_json::to_value(&context).unwrap(), good());
    }

    #[test]
    fn each_missing_element_is_named() {
        for name in good().as_object().unwrap().keys() {
            let mut value = good();
            value.as_object_mut().unwrap().remove(name);
            let errors = serde_json::from_value::<RawContext>(value).unwrap().check().unwrap_err();
            assert_eq!(errors.len(), 1);
            assert_eq!((errors[0].element(), errors[0].rule()), (name.as_str(), "context.missing"));
        }
        assert_eq!(RawContext::default().check().unwrap_err().len(), 7);
    }

    #[test]
    fn lengths_and_unknown_members_are_refused() {
        let mut value = good();
        value["purpose"] = "核".repeat(200).into();
        assert!(serde_json::from_value::<RequestContext>(value.clone()).is_ok());
        value["purpose"] = "核".repeat(201).into();
        let raw: RawContext = serde_json::from_value(value).unwrap();
        assert_eq!(raw.check().unwrap_err(), [ContextError::TooLong { element: "purpose", max: 200 }]);
        let mut value = good();
        value["case"] = "x".into();
        assert!(serde_json::from_value::<RequestContext>(value).is_err());
    }
}
