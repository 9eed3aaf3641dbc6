//! The payload: what a seal covers of one licence.
//!
//! No personal data stands in it. Holder, number and every face field are present only as salted
//! digests, so a payload, or a leaf, tells nothing about anyone; what it does show (type, issuer,
//! dates) every recipient needs.

use serde::{Deserialize, Serialize};

use super::{SealError, jcs};
use crate::crypto::{Digest, Suite};
use crate::licence::{Identifier, LicenceType, Record, RecordRef};
use crate::merkle;
use crate::seal::disclosure::{Preimages, SaltKey};
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
        let payload = Self::of_each(&[record.view()], kind, schema, batch, salt_key, suite).pop();
        payload.ok_or(SealError::Batch("it is empty"))
    }

    /// [`Self::of`] of each record of a batch.
    pub(super) fn of_each(
        records: &[RecordRef<'_>],
        kind: &LicenceType,
        schema: &str,
        batch: &BatchId,
        salt_key: &SaltKey,
        suite: Suite,
    ) -> Vec<Self> {
        let mut preimages = Preimages::default();
        for record in records {
            let salts = salt_key.salts(batch, record.identifier);
            for name in kind.disclosure_names() {
                match record.value(name) {
                    Some(value) => preimages.disclosure(&salts.salt(name), name, &value),
                    None => preimages.decoy(&salts, name),
                }
            }
        }
        let mut digests = preimages.digests(suite);
        let payload = |record: &RecordRef<'_>| {
            let mut sd: Vec<String> = digests.by_ref().take(kind.disclosure_names().count()).collect();
            sd.sort_unstable();
            Self {
                v: VERSION,
                id: record.identifier.to_owned(),
                type_code: record.type_code.to_owned(),
                schema: schema.to_owned(),
                issuer: record.issuer_code.to_owned(),
                issued: record.issued,
                valid_from: record.valid_from,
                valid_until: record.valid_until,
                sd_alg: suite.hash_name().to_owned(),
                sd,
            }
        };
        records.iter().map(payload).collect()
    }

    /// Hash of the leaf that this payload is (RFC 6962 2.1, under the suite's hash).
    pub fn leaf(&self, suite: Suite) -> Result<Digest, SealError> {
        Self::leaves(std::slice::from_ref(self), suite).pop().ok_or(SealError::Batch("it is empty"))
    }

    /// [`Self::leaf`] of each payload.
    pub(super) fn leaves(payloads: &[Self], suite: Suite) -> Vec<Digest> {
        let leaves: Vec<Vec<u8>> = payloads.iter().map(|payload| payload.after(&merkle::LEAF)).collect();
        suite.hash_each(&leaves.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// The JCS bytes after others: the members in the order of their names.
    fn after(&self, before: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + 46 * self.sd.len());
        out.extend_from_slice(before);
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

    use super::super::{SaltKeyId, canonical, disclosure};
    use super::*;
    use crate::crypto::Secret;
    use crate::licence::{Catalogue, Generator, Region};

    #[test]
    fn payloads_of_every_type_are_written_as_the_canonicaliser_does() {
        let catalogue = Catalogue::embedded().unwrap();
        let generator = Generator::new(catalogue, 11, Region::HEBEI).unwrap();
        let salt_key = SaltKey::new(SaltKeyId("k".into()), Secret::from_bytes([3; 32]));
        let batch = BatchId::from_bytes([9; 16]);
        let mut records = std::collections::BTreeMap::<_, Vec<Record>>::new();
        for record in (0..1_000).map(|n| generator.record(n).unwrap()) {
            records.entry(record.type_code.clone()).or_default().push(record);
        }
        assert_eq!(records.len(), catalogue.len());
        for ((code, records), suite) in records.iter().zip(Suite::ALL.into_iter().cycle()) {
            let kind = catalogue.get(code).unwrap();
            let views: Vec<RecordRef<'_>> = records.iter().map(Record::view).collect();
            let payloads = Payload::of_each(&views, kind, catalogue.version(), &batch, &salt_key, suite);
            let leaves = Payload::leaves(&payloads, suite);
            assert_eq!((payloads.len(), leaves.len()), (records.len(), records.len()));
            for ((record, payload), leaf) in records.iter().zip(&payloads).zip(leaves) {
                let alone = Payload::of(record, kind, catalogue.version(), &batch, &salt_key, suite);
                assert_eq!(&alone.unwrap(), payload);
                let json = canonical(payload).unwrap();
                assert_eq!(payload.after(&[]), json);
                assert_eq!(leaf, merkle::leaf_hash(&|parts: &[&[u8]]| suite.hash(parts), &json));
                assert_eq!(leaf, payload.leaf(suite).unwrap());

                // And the digests are those of the record's values, each alone.
                let (values, salts) = (record.disclosed(), salt_key.salts(&batch, &payload.id));
                let digest = |name: &str| match values.get(name) {
                    None => salts.decoy(suite, name),
                    Some(value) => {
                        assert_eq!(record.view().value(name), Some(value.into()));
                        let text = disclosure::encode(&salts.salt(name), name, &value.into());
                        let json = canonical(&(salts.salt(name), name, value)).unwrap();
                        assert_eq!(text, URL_SAFE_NO_PAD.encode(json));
                        disclosure::digest(suite, &text)
                    }
                };
                let mut digests: Vec<String> = kind.disclosure_names().map(digest).collect();
                digests.sort();
                assert_eq!(payload.sd, digests);
            }
        }
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
            prop_assert_eq!(payload.after(&[]), canonical(&payload).unwrap());
        }
    }
}
