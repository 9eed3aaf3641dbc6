//! What can be derived of a batch by itself: leaves, root, signature.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::store::embedded::engine::Engine;
use crate::store::forms::block;
use crate::store::forms::op::Entry;
use crate::store::{BatchNumber, Finding, Location, StoredBatch};
use licence_seal::crypto::{Digest, PublicKey};
use licence_seal::licence::{Catalogue, Record, RecordRef};
use licence_seal::pki::Certificate;
use licence_seal::seal::ses;

/// What is needed of an impression.
#[derive(Clone)]
struct Signer {
    seal: Arc<[u8]>,
    key: PublicKey,
}

/// Checks batches by themselves; several threads share one.
pub(super) struct BatchCheck<'a> {
    engine: &'a Engine,
    catalogue: &'a Catalogue,
    signers: Mutex<HashMap<Digest, Option<Signer>>>,
}

/// What came of some batches.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) findings: Vec<Finding>,
    pub(super) batches: u64,
    pub(super) licences: u64,
    pub(super) entries: Vec<(Location, Entry)>,
}

impl Seen {
    pub(super) fn add(&mut self, name: &'static str, location: impl Into<String>, detail: impl Into<String>) {
        self.findings.push(Finding { name: name.into(), location: location.into(), detail: detail.into() });
    }
}

impl<'a> BatchCheck<'a> {
    pub(super) fn new(engine: &'a Engine, catalogue: &'a Catalogue) -> Self {
        Self { engine, catalogue, signers: Mutex::default() }
    }

    pub(super) fn batch(&self, number: BatchNumber, seen: &mut Seen) {
        let at = format!("batch {number}");
        let read = self.engine.reading().and_then(|_reading| self.engine.batch(number));
        let stored = match read {
            Ok(Some(stored)) => stored,
            Ok(None) => return seen.add("batchMissing", at, "the counters say that there is one"),
            Err(why) => return seen.add("batchDamaged", at, why.to_string()),
        };
        seen.batches += 1;
        seen.licences += stored.len() as u64;
        if let Err(why) = block::check_shape(&stored.seal, stored.len()) {
            seen.add("batchRoot", &at, why.to_string());
        }
        let records: Vec<Option<Record>> = (0..stored.len()).map(|slot| stored.record(slot)).collect();
        self.leaves(&stored, &records, &at, seen);
        self.stamp(&stored, &at, seen);
        for (slot, record) in (0..=u8::MAX).zip(records.iter().flatten()) {
            seen.entries.push((Location { batch: number, slot }, Entry::of(record, &self.engine.keys)));
        }
    }

    fn leaves(&self, stored: &StoredBatch, records: &[Option<Record>], at: &str, seen: &mut Seen) {
        let sealed = &stored.seal;
        let Ok(salt_key) = &self.engine.keys.salt(&sealed.salt_key) else {
            return seen.add("saltKeyMissing", at, format!("salt key {}", sealed.salt_key));
        };
        if sealed.schema != self.catalogue.version() {
            let detail = format!("sealed with catalogue {}, which is not here", sealed.schema);
            return seen.add("schemaMissing", at, detail);
        }
        let Some(kind) = self.catalogue.find(&sealed.manifest.type_code) else {
            return seen.add("typeUnknown", at, sealed.manifest.type_code.clone());
        };
        // All at once: their hashes are computed beside one another.
        let views: Vec<RecordRef<'_>> = records.iter().flatten().map(Record::view).collect();
        let mut derived = sealed.derive_leaves(&views, kind, salt_key).into_iter();
        for (slot, (record, leaf)) in records.iter().zip(&sealed.leaves).enumerate() {
            if record.is_none() {
                seen.add("recordDamaged", format!("{at} slot {slot}"), "the record does not read");
            } else if derived.next() != Some(*leaf) {
                let detail = "the record does not give the leaf that was sealed";
                seen.add("leaf", format!("{at} slot {slot}"), detail);
            }
        }
    }

    fn stamp(&self, stored: &StoredBatch, at: &str, seen: &mut Seen) {
        let (manifest, stamp) = (&stored.seal.manifest, &stored.seal.stamp);
        let mut signers = self.signers.lock();
        let signer = match signers.get(&stamp.impression) {
            Some(signer) => signer.clone(),
            None => {
                let signer = self.signer(&stamp.impression, seen);
                signers.insert(stamp.impression, signer.clone());
                signer
            }
        };
        drop(signers);
        let Some(Signer { seal, key }) = signer else {
            let detail = format!("impression {} cannot be used", hex::encode(stamp.impression));
            return seen.add("stampSigner", at, detail);
        };
        let verified = ses::to_sign(&seal, stamp.time, &manifest.data_hash(), stamp.voice.property())
            .is_ok_and(|to_sign| key.verify(&to_sign, &stamp.signature).is_ok());
        if key.suite() != manifest.suite || !verified {
            seen.add("stampSignature", at, "the stamp's signature does not verify over the manifest");
        }
    }

    fn signer(&self, digest: &Digest, seen: &mut Seen) -> Option<Signer> {
        let at = format!("impression {}", hex::encode(digest));
        let read = self.engine.reading().and_then(|_reading| self.engine.read_impression(digest));
        let impression = match read {
            Ok(Some(impression)) => impression,
            Ok(None) => {
                seen.add("impressionMissing", at, "a batch refers to it");
                return None;
            }
            // Listed with the impressions.
            Err(_) => return None,
        };
        let key = Certificate::from_der(&impression.certificate)
            .and_then(|certificate| certificate.public_key().cloned());
        let named =
            ses::Seal::from_der(&impression.seal).map(|seal| seal.certs.contains(&impression.certificate));
        if !named.unwrap_or(false) {
            seen.add("signerInSealCertList", &at, "the seal does not name the signer's certificate");
        }
        match key {
            Ok(key) => Some(Signer { seal: impression.seal, key }),
            Err(why) => {
                seen.add("impressionCertificate", at, why.to_string());
                None
            }
        }
    }
}
