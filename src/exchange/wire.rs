//! Bodies of requests and answers. Unknown members are refused, so a misspelt one is never ignored.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::jobs::JobRequest;
use crate::rules::{Grant, Registration};
use licence_seal::licence::{FieldValue, RawContext};
use licence_seal::seal::report::Report;

/// Whom a licence belongs to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HolderQuery {
    pub code: String,
    /// Code type of GB/T 36903 annex A, for example `111`.
    pub code_type: String,
    /// Needed by `verify` only.
    #[serde(default)]
    pub name: Option<String>,
}

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

/// `POST /v1/licences/data`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataRequest {
    #[serde(default)]
    pub context: RawContext,
    pub identifier: String,
    /// Fields wanted; by default all that the grants allow.
    #[serde(default)]
    pub fields: Option<Vec<String>>,
    #[serde(default)]
    pub region: Option<String>,
}

/// `POST /v1/licences/file`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileRequest {
    #[serde(default)]
    pub context: RawContext,
    pub identifier: String,
    /// Fields wanted; by default all that the grants allow.
    #[serde(default)]
    pub fields: Option<Vec<String>>,
    /// Last day on which the copy may be used, `YYYY-MM-DD`; by default the latest that is allowed.
    #[serde(default)]
    pub expires: Option<String>,
    #[serde(default)]
    pub region: Option<String>,
}

/// `POST /v1/licences/verify`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyRequest {
    #[serde(default)]
    pub context: RawContext,
    pub holder: HolderQuery,
    #[serde(default)]
    pub identifier: Option<String>,
    #[serde(default)]
    pub type_code: Option<String>,
    #[serde(default)]
    pub number: Option<String>,
    /// Values to be compared, each name once.
    #[serde(default, deserialize_with = "each_once")]
    pub claims: BTreeMap<String, FieldValue>,
    #[serde(default)]
    pub region: Option<String>,
}

/// Members of an object; one that stands twice is refused, where serde would keep the last.
fn each_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, FieldValue>, D::Error> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = BTreeMap<String, FieldValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of values by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = BTreeMap::new();
            while let Some((name, value)) = map.next_entry()? {
                if members.insert(name, value).is_some() {
                    return Err(A::Error::custom("a member stands twice"));
                }
            }
            Ok(members)
        }
    }

    deserializer.deserialize_map(Members)
}

/// `POST /v1/licences/issue`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssueRequest {
    #[serde(default)]
    pub context: RawContext,
    /// A record in the wire form of the import, as it was written: repeated members are refused.
    pub record: Box<RawValue>,
}

/// `POST /v1/licences/status`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusRequest {
    #[serde(default)]
    pub context: RawContext,
    pub identifier: String,
    pub state: String,
    /// 1 to 200 characters.
    pub reason: String,
}

/// `POST /v1/admin`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum AdminRequest {
    PutRegistration(Registration),
    RevokeRegistration {
        id: String,
        reason: String,
    },
    PutGrant(Grant),
    RemoveGrant {
        id: String,
        reason: String,
    },
    List {},
    /// Sizes and counts of the store.
    Stats {},
    /// Long work on the store; the answer names the job.
    StartJob(JobRequest),
    /// How a job stands.
    Job {
        id: String,
    },
    CancelJob {
        id: String,
    },
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

/// Answer to a search.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchAnswer {
    pub code: u8,
    pub request_id: String,
    /// The cities side by side, in the order asked.
    pub results: Vec<RegionResult>,
}

/// Answer to `verify`: one bit for all.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyAnswer {
    pub code: u8,
    pub request_id: String,
    pub matches: bool,
}

/// Answer to `/v1/files/verify`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileVerdict<'a> {
    pub code: u8,
    pub request_id: &'a str,
    pub report: &'a Report,
}

/// Answer to `issue` and `status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeAnswer {
    pub code: u8,
    pub request_id: String,
    pub identifier: String,
    pub state: String,
    /// Status statement after the change.
    pub statement: String,
}
