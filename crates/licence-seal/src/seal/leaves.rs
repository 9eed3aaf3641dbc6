//! Payloads and leaves from records: what a batch is sealed over.

use super::payload::{Content, VERSION};
use super::salts::DigestText;
use super::{BatchId, Payload, SaltKey};
use crate::crypto::{Digest, Messages, Suite};
use crate::licence::{LicenceType, Record, RecordRef};
use crate::merkle;

impl Payload {
    /// The payload of `record` in batch `batch`; the same inputs always give the same bytes.
    pub fn of(
        record: &Record,
        kind: &LicenceType,
        schema: &str,
        batch: &BatchId,
        salt_key: &SaltKey,
        suite: Suite,
    ) -> Self {
        let (view, names) = (record.view(), kind.disclosure_names().collect::<Vec<_>>());
        let mut digests = salt_key.digests(batch, std::slice::from_ref(&view), &names, suite);
        Content::of(&view, schema, suite, &mut digests).to_owned()
    }
}

/// [`Payload::leaf`] of each record of a batch.
pub(super) fn leaves(
    records: &[RecordRef<'_>],
    kind: &LicenceType,
    schema: &str,
    batch: &BatchId,
    salt_key: &SaltKey,
    suite: Suite,
) -> Vec<Digest> {
    let names: Vec<&str> = kind.disclosure_names().collect();
    let mut digests = salt_key.digests(batch, records, &names, suite);
    let mut leaves = Messages::default();
    for (record, digests) in records.iter().zip(digests.chunks_mut(names.len())) {
        leaves.push(|out| {
            out.extend_from_slice(&merkle::LEAF);
            Content::of(record, schema, suite, digests).write(out);
        });
    }
    suite.hash_each(&leaves.slices())
}

impl<'a> Content<'a, DigestText> {
    /// Sorts the digests.
    fn of(record: &RecordRef<'a>, schema: &'a str, suite: Suite, digests: &'a mut [DigestText]) -> Self {
        // Of two digests the first eight characters tell which comes first, but for one in 10^14.
        let head = |digest: &DigestText| digest.first_chunk().map(|head| u64::from_be_bytes(*head));
        digests.sort_unstable_by(|one, other| head(one).cmp(&head(other)).then_with(|| one.cmp(other)));
        Self {
            v: VERSION,
            id: record.identifier,
            type_code: record.type_code,
            schema,
            issuer: record.issuer_code,
            issued: record.issued,
            valid_from: record.valid_from,
            valid_until: record.valid_until,
            sd_alg: suite.hash_name(),
            sd: digests,
        }
    }

    fn to_owned(&self) -> Payload {
        Payload {
            v: self.v,
            id: self.id.to_owned(),
            type_code: self.type_code.to_owned(),
            schema: self.schema.to_owned(),
            issuer: self.issuer.to_owned(),
            issued: self.issued,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            sd_alg: self.sd_alg.to_owned(),
            sd: self.sd.iter().map(|digest| String::from_utf8_lossy(digest).into_owned()).collect(),
        }
    }
}
