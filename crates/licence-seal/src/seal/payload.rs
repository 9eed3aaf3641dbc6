//! The payload: what a seal covers of one licence.
//!
//! No personal data stands in it. Holder, number and every face field are present only as salted
//! digests, so a payload, or a leaf, tells nothing about anyone; what it does show (type, issuer,
//! dates) every recipient needs.

use serde::{Deserialize, Serialize};

use super::jcs;
use crate::crypto::{Digest, Suite};
use crate::licence::Identifier;
use crate::merkle;
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
    /// Hash of the leaf that this payload is (RFC 6962 2.1, under the suite's hash).
    pub fn leaf(&self, suite: Suite) -> Digest {
        let mut leaf = merkle::LEAF.to_vec();
        self.content().write(&mut leaf);
        suite.hash(&[&leaf])
    }

    fn content(&self) -> Content<'_, String> {
        Content {
            v: self.v,
            id: &self.id,
            type_code: &self.type_code,
            schema: &self.schema,
            issuer: &self.issuer,
            issued: self.issued,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            sd_alg: &self.sd_alg,
            sd: &self.sd,
        }
    }

    /// The identifier, if it is one (GB/T 36904) and speaks of this type and issuer.
    pub fn identifier(&self) -> Option<Identifier> {
        let id = Identifier::parse(&self.id).ok()?;
        let agrees = id.type_code().to_string() == self.type_code && id.issuer() == self.issuer;
        agrees.then_some(id)
    }
}

/// [`Payload`], borrowed, with digests that are texts of any kind.
pub(super) struct Content<'a, D> {
    pub v: u8,
    pub id: &'a str,
    pub type_code: &'a str,
    pub schema: &'a str,
    pub issuer: &'a str,
    pub issued: Day,
    pub valid_from: Day,
    pub valid_until: Option<Day>,
    pub sd_alg: &'a str,
    pub sd: &'a [D],
}

impl<D: AsRef<[u8]>> Content<'_, D> {
    /// Appends the JCS bytes: the members in the order of their names.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.reserve(512 + 46 * self.sd.len());
        let text = |out: &mut Vec<u8>, name: &str, value: &str| {
            out.extend_from_slice(name.as_bytes());
            jcs::text(out, value);
        };
        let day = |out: &mut Vec<u8>, name: &str, value: Day| {
            out.extend_from_slice(name.as_bytes());
            value.write(out);
            out.push(b'"');
        };
        out.extend_from_slice(b"{\"_sd\":");
        jcs::texts(out, self.sd);
        text(out, ",\"_sd_alg\":", self.sd_alg);
        text(out, ",\"id\":", self.id);
        day(out, ",\"issued\":\"", self.issued);
        text(out, ",\"issuer\":", self.issuer);
        text(out, ",\"schema\":", self.schema);
        text(out, ",\"type\":", self.type_code);
        out.extend_from_slice(format!(",\"v\":{}", self.v).as_bytes());
        day(out, ",\"validFrom\":\"", self.valid_from);
        if let Some(until) = self.valid_until {
            day(out, ",\"validUntil\":\"", until);
        }
        out.push(b'}');
    }
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::Secret;
    use crate::licence::{Catalogue, Generator, Record, RecordRef, Region};
    use crate::seal::leaves::leaves;
    use crate::seal::{BatchId, SaltKey, SaltKeyId, canonical, disclosure};

    fn written(payload: &Payload) -> Vec<u8> {
        let mut out = Vec::new();
        payload.content().write(&mut out);
        out
    }

    #[test]
    fn payloads_of_every_type_are_written_as_the_canonicaliser_does() {
        let catalogue = Catalogue::embedded().unwrap();
        let generator = Generator::new(catalogue, 11, Region::HEBEI).unwrap();
        let salt_key = SaltKey::new(SaltKeyId("k".into()), &Secret::from_bytes([3; 32]));
        let batch = BatchId::from_bytes([9; 16]);
        let mut records = std::collections::BTreeMap::<_, Vec<Record>>::new();
        for record in (0..1_000).map(|n| generator.record(n).unwrap()) {
            records.entry(record.type_code.clone()).or_default().push(record);
        }
        assert_eq!(records.len(), catalogue.len());
        for ((code, records), suite) in records.iter().zip(Suite::ALL.into_iter().cycle()) {
            let kind = catalogue.get(code).unwrap();
            let views: Vec<RecordRef<'_>> = records.iter().map(Record::view).collect();
            let leaves = leaves(&views, kind, catalogue.version(), &batch, &salt_key, suite);
            assert_eq!(leaves.len(), records.len());
            for (record, leaf) in records.iter().zip(leaves) {
                let payload = Payload::of(record, kind, catalogue.version(), &batch, &salt_key, suite);
                let json = canonical(&payload).unwrap();
                assert_eq!(written(&payload), json);
                assert_eq!(leaf, merkle::leaf_hash(&suite, &json));
                assert_eq!(leaf, payload.leaf(suite));

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
            prop_assert_eq!(written(&payload), canonical(&payload).unwrap());
        }
    }
}
