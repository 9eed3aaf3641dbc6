//! Bodies of a search and of its answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exchange::subject::HolderQuery;
use licence_seal::licence::RawContext;

/// `POST /v1/licences/search`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchRequest {
    #[serde(default)]
    pub context: RawContext,
    pub holder: HolderQuery,
    #[serde(default)]
    pub type_code: Option<String>,
    #[serde(default)]
    pub number: Option<String>,
    /// Cities to ask; by default this one alone.
    #[serde(default)]
    pub regions: Option<Vec<String>>,
}

/// One licence found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    pub identifier: String,
    pub type_code: String,
    /// Name of the type.
    pub name: String,
    pub issuer: String,
    pub issuer_name: String,
    /// `valid`, `expired`, `revoked`, …
    pub state: String,
    pub state_zh: String,
    pub valid_from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// Status statement (a JWT of the issuing city's node).
    pub statement: String,
}

/// What one city answered to a search.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionResult {
    pub region: String,
    /// `answered`, `refused`, `unavailable` or `untrusted`.
    pub outcome: String,
    #[serde(default)]
    pub licences: Vec<Hit>,
    /// Whether there was more than the limit.
    #[serde(default)]
    pub truncated: bool,
    /// The other city's receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Value>,
}

impl RegionResult {
    /// Of a city that gives nothing, and why.
    pub fn without(region: &str, outcome: &str, problem: Value) -> Self {
        Self {
            region: region.to_owned(),
            outcome: outcome.to_owned(),
            licences: Vec::new(),
            truncated: false,
            receipt: None,
            problem: Some(problem),
        }
    }
}

/// Answer to a search.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchAnswer {
    pub code: u8,
    pub request_id: String,
    /// The cities side by side, in the order asked.
    pub results: Vec<RegionResult>,
}
