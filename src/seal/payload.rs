//! The payload: what a seal covers of one licence.
//!
//! No personal data stands in it. Holder, number and every face field are present only as salted
//! digests, so a payload, or a leaf, tells nothing about anyone; what it does show (type, issuer,
//! dates) every recipient needs.

use serde::{Deserialize, Serialize};

use super::{SealError, canonical};
use crate::crypto::{Digest, Suite};
use crate::licence::{Identifier, LicenceType, Record};
use crate::merkle;
use crate::seal::disclosure::{self, SaltKey};
use crate::seal::manifest::BatchId;
use crate::time::Day;

/// Version of the payload format.
pub const VERSION: u8 = 1;

/// The JCS bytes of this object are a leaf of the batch's tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    pub v: u8,
    /// Licence identifier (GB/T 36904).
    pub id: String,
    /// Licence type code, 21 characters.
    #[serde(rename = "type")]
    pub type_code: String,
    /// Version of the catalogue that names the fields.
    pub schema: String,
    /// Code of the issuing authority.
    pub issuer: String,
    /// Days in Asia/Shanghai, both ends of the validity included; no end means long-term.
    pub issued: Day,
    #[serde(rename = "validFrom")]
    pub valid_from: Day,
    #[serde(rename = "validUntil", default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Day>,
    /// The hash of the disclosure digests: that of the suite.
    #[serde(rename = "_sd_alg")]
    pub sd_alg: String,
    /// One digest for each field of the type, sorted; an absent field has a decoy (RFC 9901 4.2.5).
    #[serde(rename = "_sd")]
    pub sd: Vec<String>,
}

impl Payload {
    /// The payload of `record` in batch `batch`; the same inputs always give the same bytes.
    pub fn of(
        record: &Record,
        kind: &LicenceType,
        schema: &str,
        batch: &BatchId,
        salt_key: &SaltKey,
        suite: Suite,
    ) -> Result<Self, SealError> {
        let values = record.disclosed();
        let id = record.identifier.to_string();
        let mut sd = Vec::new();
        for name in kind.disclosure_names() {
            sd.push(match values.get(name) {
                Some(value) => {
                    let salt = salt_key.salt(batch, &id, name);
                    disclosure::digest(suite, &disclosure::encode(&salt, name, value)?)
                }
                None => salt_key.decoy(suite, batch, &id, name),
            });
        }
        sd.sort_unstable();
        Ok(Self {
            v: VERSION,
            id,
            type_code: record.type_code.to_string(),
            schema: schema.to_owned(),
            issuer: record.issuer_code.to_string(),
            issued: record.issued,
            valid_from: record.valid_from,
            valid_until: record.valid_until,
            sd_alg: suite.hash_name().to_owned(),
            sd,
        })
    }

    /// Hash of the leaf that this payload is (RFC 6962 2.1, under the suite's hash).
    pub fn leaf(&self, suite: Suite) -> Result<Digest, SealError> {
        Ok(merkle::leaf_hash(&|parts: &[&[u8]]| suite.hash(parts), &canonical(self)?))
    }

    /// The identifier, if it is one (GB/T 36904) and speaks of this type and issuer.
    pub fn identifier(&self) -> Option<Identifier> {
        let id = Identifier::parse(&self.id).ok()?;
        let agrees = id.type_code().to_string() == self.type_code && id.issuer() == self.issuer;
        agrees.then_some(id)
    }
}
