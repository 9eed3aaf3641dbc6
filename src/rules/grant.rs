//! A grant: what one partner may do, for which matters, until when.

use serde::{Deserialize, Serialize};

use super::AddressRange;
use licence_seal::time::Timestamp;

/// Operations that need a grant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    Search,
    Data,
    /// An annotated copy (加注件).
    File,
    Verify,
}

impl Operation {
    /// Word on the wire, in the log and in refusals.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Data => "data",
            Self::File => "file",
            Self::Verify => "verify",
        }
    }
}

/// What was applied for and granted (State Council Order 809; GB/T 39477-2020).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grant {
    pub id: String,
    /// Registration id; `<region>/<id>` for an agency of another city.
    pub partner: String,
    pub operations: Vec<Operation>,
    /// Licence type codes; `*` stands for all.
    pub types: Vec<String>,
    /// Names of the fields that may be shown; `*` stands for all.
    pub fields: Vec<String>,
    /// 事项编码; `*` stands for all.
    pub matters: Vec<String>,
    pub from: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Searches, data, copies and verifications a day (Asia/Shanghai) under all of the partner's grants together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_limit: Option<u64>,
    #[serde(default)]
    pub addresses: Vec<AddressRange>,
}

/// Whether a list names `wanted`, or everything.
pub(super) fn lists(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == "*" || item == wanted)
}
