//! An entry as it lies in the tree, and what is sealed inside.

use std::collections::BTreeMap;

use base64::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::LogError;
use licence_seal::crypto::{AeadKey, Random};
use licence_seal::time::Timestamp;

/// Largest entry in bytes: the length prefix of an entry bundle is a u16 (C2SP tlog-tiles).
pub const MAX_ENTRY: usize = 65_535;
const VERSION: u32 = 1;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Done as asked.
    Granted,
    /// A rule said no.
    Refused,
    /// The node could not do it.
    Failed,
}

impl Outcome {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::Granted, Self::Refused, Self::Failed].into_iter().find(|outcome| outcome.name() == name)
    }
}

/// A leaf of the log: the JCS bytes (RFC 8785) of this object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    pub v: u32,
    /// Index in the tree, from 0.
    pub seq: u64,
    /// `i/n`: the i-th of the n entries of one request, from 1.
    pub part: String,
    /// Never before that of the entry in front.
    pub time: Timestamp,
    pub region: String,
    pub op: String,
    pub outcome: Outcome,
    /// 16 random bytes, base64url.
    pub salt: String,
    /// H(nonce ‖ body) of the request, base64url.
    pub request_digest: String,
    /// [`Details`] as JCS bytes under the month's key (nonce ‖ ciphertext ‖ tag), base64url.
    pub sealed: String,
}

/// What only the month's key opens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
    /// SHA-256 of the client certificate, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_org: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<String>,
    /// Blind indexes of holders under the year's key, base64url; the log fills them in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holder: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// The rule that refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The partner's receipt counter, from 1; the log fills it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// Until when (Unix seconds) the `jti` must not be seen again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti_expires: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Address the request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_region: Option<String>,
    /// Number of the status change that this entry records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_number: Option<u64>,
    /// The sealed batches that this entry commits to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batches: Option<BatchRange>,
    /// Receipt counters as they stood, written before a month's key is destroyed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, u64>,
    /// Whatever else the operation wants on record.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub detail: Map<String, Value>,
}

/// Consecutive batches, both ends included, and the RFC 6962 root over their manifests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchRange {
    pub first: u64,
    pub last: u64,
    /// Hex.
    pub root: String,
}

/// Everything of an entry but the sealed part.
pub(super) struct Frame<'a> {
    pub origin: &'a str,
    pub seq: u64,
    pub part: (usize, usize),
    pub time: Timestamp,
    pub region: &'a str,
    pub op: &'a str,
    pub outcome: Outcome,
    pub request_digest: &'a [u8; 32],
}

impl Frame<'_> {
    /// Seals `details` into this frame and gives the entry's bytes.
    pub(super) fn seal(
        &self,
        details: &Details,
        key: &AeadKey,
        random: &dyn Random,
    ) -> Result<Vec<u8>, LogError> {
        let mut entry = Entry {
            v: VERSION,
            seq: self.seq,
            part: format!("{}/{}", self.part.0, self.part.1),
            time: self.time,
            region: self.region.to_owned(),
            op: self.op.to_owned(),
            outcome: self.outcome,
            salt: BASE64_URL_SAFE_NO_PAD.encode(random.bytes::<16>()?),
            request_digest: BASE64_URL_SAFE_NO_PAD.encode(self.request_digest),
            sealed: String::new(),
        };
        let sealed = key.seal(&entry.aad(self.origin), &canonical(details, self.seq)?, random)?;
        entry.sealed = BASE64_URL_SAFE_NO_PAD.encode(sealed);
        let bytes = canonical(&entry, self.seq)?;
        if bytes.len() > MAX_ENTRY {
            return Err(LogError::EntryTooLarge { bytes: bytes.len(), limit: MAX_ENTRY });
        }
        Ok(bytes)
    }
}

impl Entry {
    /// Reads the entry at `index`, which must be exactly what this log writes there.
    pub fn parse(index: u64, bytes: &[u8]) -> Result<Self, LogError> {
        let refuse = |rule| LogError::Entry { index, rule };
        let entry: Self = serde_json::from_slice(bytes).map_err(|_| refuse("json"))?;
        if entry.v != VERSION {
            return Err(refuse("version"));
        }
        if entry.seq != index {
            return Err(refuse("seq"));
        }
        if canonical(&entry, index)? != bytes {
            return Err(refuse("canonical"));
        }
        Ok(entry)
    }

    /// Opens the sealed part with the key of [`Entry::time`]'s month.
    pub fn open(&self, origin: &str, key: &AeadKey) -> Result<Details, LogError> {
        let refuse = |rule| LogError::Entry { index: self.seq, rule };
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(&self.sealed).map_err(|_| refuse("base64"))?;
        let plain = key.open(&self.aad(origin), &sealed).map_err(|_| refuse("sealed"))?;
        serde_json::from_slice(&plain).map_err(|_| refuse("details"))
    }

    /// `i` and `n` of `part`.
    pub fn part(&self) -> Option<(u32, u32)> {
        let (part, of) = self.part.split_once('/')?;
        Some((part.parse().ok()?, of.parse().ok()?))
    }

    fn aad(&self, origin: &str) -> Vec<u8> {
        let Self { seq, part, time, region, op, .. } = self;
        let outcome = self.outcome.name();
        format!("licence-access/v1\n{origin}\n{seq}\n{part}\n{time}\n{region}\n{op}\n{outcome}\n")
            .into_bytes()
    }
}

fn canonical<T: Serialize>(value: &T, index: u64) -> Result<Vec<u8>, LogError> {
    serde_json_canonicalizer::to_vec(value).map_err(|_| LogError::Entry { index, rule: "canonical" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use licence_seal::crypto::{Secret, SeededRandom};

    fn sample() -> (Vec<u8>, AeadKey, Details) {
        let random = SeededRandom::new("entry");
        let key = Secret::generate(&random).unwrap().aead().unwrap();
        let details = Details { request_id: "r1".into(), partner: Some("p1".into()), ..Details::default() };
        let frame = Frame {
            origin: "log.example/1",
            seq: 7,
            part: (1, 1),
            time: Timestamp::parse_rfc3339("2026-11-23T04:05:06.789Z").unwrap(),
            region: "120000",
            op: "data",
            outcome: Outcome::Granted,
            request_digest: &[3; 32],
        };
        (frame.seal(&details, &key, &random).unwrap(), key, details)
    }

    #[test]
    fn the_form_of_an_entry_never_changes() {
        let (bytes, ..) = sample();
        let golden = concat!(
            r#"{"op":"data","outcome":"granted","part":"1/1","region":"120000","#,
            r#""requestDigest":"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM","salt":"#,
        );
        assert!(bytes.starts_with(golden.as_bytes()), "{}", String::from_utf8_lossy(&bytes));
        assert!(bytes.ends_with(br#"","seq":7,"time":"2026-11-23T04:05:06.789Z","v":1}"#));
        assert_eq!(
            hex::encode(licence_seal::crypto::sha256(&[&bytes])),
            "f58145a29f3cbe40c5635f8a1efb55fa56e32242204a63617cf6adde9973e35c"
        );
    }

    #[test]
    fn only_the_right_key_and_frame_open_an_entry() {
        let (bytes, key, details) = sample();
        let entry = Entry::parse(7, &bytes).unwrap();
        assert_eq!(entry.open("log.example/1", &key).unwrap(), details);
        assert!(entry.open("log.example/2", &key).is_err());
        for change in [
            Entry { op: "verify".into(), ..entry.clone() },
            Entry { outcome: Outcome::Refused, ..entry.clone() },
            Entry { seq: 8, ..entry.clone() },
            Entry { time: entry.time.plus_secs(1), ..entry.clone() },
            Entry { region: "110000".into(), ..entry.clone() },
        ] {
            assert!(matches!(
                change.open("log.example/1", &key),
                Err(LogError::Entry { rule: "sealed", .. })
            ));
        }
    }

    #[test]
    fn other_bytes_for_the_same_entry_are_refused() {
        let (bytes, ..) = sample();
        assert!(matches!(Entry::parse(8, &bytes), Err(LogError::Entry { rule: "seq", .. })));
        let spaced = [b" ".as_slice(), &bytes].concat();
        assert!(matches!(Entry::parse(7, &spaced), Err(LogError::Entry { rule: "canonical", .. })));
        let doubled = String::from_utf8(bytes).unwrap().replacen('{', r#"{"extra":1,"#, 1);
        assert!(matches!(Entry::parse(7, doubled.as_bytes()), Err(LogError::Entry { rule: "json", .. })));
    }
}
