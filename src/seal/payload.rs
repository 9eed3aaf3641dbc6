//! The payload: what a seal covers of one licence.
//!
//! No personal data stands in it. Holder, number and every face field are present only as salted
//! digests, so a payload, or a leaf, tells nothing about anyone; what it does show (type, issuer,
//! dates) every recipient needs.

use serde::{Deserialize, Serialize};

use super::{SealError, jcs};
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
        let id = record.identifier.as_str().to_owned();
        let salts = salt_key.salts(batch, &id);
        let digest = |name: &str| match record.value(name) {
            Some(value) => disclosure::digest(suite, &disclosure::encode(&salts.salt(name), name, &value)),
            None => salts.decoy(suite, name),
        };
        let mut sd: Vec<String> = kind.disclosure_names().map(digest).collect();
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
        Ok(merkle::leaf_hash(&|parts: &[&[u8]]| suite.hash(parts), &self.canonical()))
    }

    /// The JCS bytes: the members in the order of their names.
    fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + 46 * self.sd.len());
        out.extend_from_slice(b"{\"_sd\":");
        jcs::texts(&mut out, &self.sd);
        let mut member = |name: &str, value: &str| {
            out.extend_from_slice(name.as_bytes());
            jcs::text(&mut out, value);
        };
        member(",\"_sd_alg\":", &self.sd_alg);
        member(",\"id\":", &self.id);
        member(",\"issued\":", &self.issued.to_string());
        member(",\"issuer\":", &self.issuer);
        member(",\"schema\":", &self.schema);
        member(",\"type\":", &self.type_code);
        out.extend_from_slice(format!(",\"v\":{}", self.v).as_bytes());
        let mut member = |name: &str, value: Day| {
            out.extend_from_slice(name.as_bytes());
            jcs::text(&mut out, &value.to_string());
        };
        member(",\"validFrom\":", self.valid_from);
        if let Some(until) = self.valid_until {
            member(",\"validUntil\":", until);
        }
        out.push(b'}');
        out
    }

    /// The identifier, if it is one (GB/T 36904) and speaks of this type and issuer.
    pub fn identifier(&self) -> Option<Identifier> {
        let id = Identifier::parse(&self.id).ok()?;
        let agrees = id.type_code().to_string() == self.type_code && id.issuer() == self.issuer;
        agrees.then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::super::{SaltKeyId, canonical};
    use super::*;
    use crate::crypto::Secret;
    use crate::licence::{Catalogue, Generator, Region};

    #[test]
    fn payloads_of_every_type_are_written_as_the_canonicaliser_does() {
        let catalogue = Catalogue::embedded().unwrap();
        let generator = Generator::new(catalogue, 11, Region::HEBEI).unwrap();
        let salt_key = SaltKey::new(SaltKeyId("k".into()), Secret::from_bytes([3; 32]));
        let batch = BatchId::from_bytes([9; 16]);
        let mut types = std::collections::BTreeSet::new();
        for (n, suite) in (0..1_000).zip(Suite::ALL.into_iter().cycle()) {
            let record = generator.record(n).unwrap();
            let kind = catalogue.get(&record.type_code).unwrap();
            let payload = Payload::of(&record, kind, catalogue.version(), &batch, &salt_key, suite).unwrap();
            assert_eq!(payload.canonical(), canonical(&payload).unwrap());
            assert!(payload.sd.is_sorted());

            // And the digests are those of the record's values, each alone.
            let (values, salts) = (record.disclosed(), salt_key.salts(&batch, &payload.id));
            for name in kind.disclosure_names() {
                let digest = match values.get(name) {
                    None => salts.decoy(suite, name),
                    Some(value) => {
                        assert_eq!(record.value(name).as_deref(), Some(value));
                        let text = disclosure::encode(&salts.salt(name), name, value);
                        let json = canonical(&(salts.salt(name), name, value)).unwrap();
                        assert_eq!(text, URL_SAFE_NO_PAD.encode(json));
                        disclosure::digest(suite, &text)
                    }
                };
                assert!(payload.sd.contains(&digest), "{name}");
            }
            types.insert(record.type_code);
        }
        assert_eq!(types.len(), catalogue.len());
    }

    proptest! {
        #[test]
        fn any_payload_is_written_as_the_canonicaliser_does(
            texts: [String; 5],
            sd: Vec<String>,
            v: u8,
            from in 0_i64..3_000_000,
            until: Option<i16>,
        ) {
            let [id, type_code, schema, issuer, sd_alg] = texts;
            let issued = Day::from_digits(*b"00010101").unwrap();
            let valid_from = issued.plus_days(from);
            let valid_until = until.map(|days| valid_from.plus_days(days.into()));
            let payload =
                Payload { v, id, type_code, schema, issuer, issued, valid_from, valid_until, sd_alg, sd };
            prop_assert_eq!(payload.canonical(), canonical(&payload).unwrap());
        }
    }
}
