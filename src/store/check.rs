//! Re-derives everything that can be re-derived, and lists every way in which the store is wrong.
//!
//! Batches: shape, root, every leaf from its record, the stamp's signature under its certificate, and
//! that the seal names that certificate. Whether the certificate was trusted is the verifier's
//! question, not the store's. Indexes: each record is found under each of its keys; and since there
//! are just as many entries as records call for, none leads elsewhere. Only if there are more is
//! every entry followed. Statuses, states and impressions: each reads, lies under its own key, and
//! belongs to something. Then the counters, the journal and the exports.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::StoreError;
use super::block;
use super::engine::{Engine, LOCATOR, Named, locator, part_key, read_locator};
use super::export;
use super::op::{self, Entry, Head, Operation};
use super::open::{JOURNAL_KIND, Places};
use super::recover::catching;
use super::traits::{BatchNumber, CheckOptions, CheckReport, Finding, Location, StoredBatch};
use crate::crypto::{Digest, PublicKey};
use crate::durable::{self, Disk};
use crate::licence::Catalogue;
use crate::pki::Certificate;
use crate::seal::{Payload, ses};

pub(super) fn check(
    engine: &Engine,
    disk: &dyn Disk,
    places: &Places,
    catalogue: &Catalogue,
    options: &CheckOptions,
) -> Result<CheckReport, StoreError> {
    drop(engine.reading()?);
    let mut check = Check {
        engine,
        catalogue,
        head: engine.head(),
        options,
        report: CheckReport::default(),
        signers: HashMap::new(),
        holder_entries: 0,
    };
    let every = options.every.max(1);
    check.guarded("batch", |check| {
        let mut number = 1;
        while number <= check.head.last_batch {
            check.batch(BatchNumber(number));
            number += every;
        }
    });
    if every == 1 {
        check.guarded("index", Check::indexes);
        check.guarded("status", Check::statuses);
        check.guarded("state", Check::states);
        check.guarded("impression", Check::impressions);
        check.counts();
        check.journal(disk, places);
        check.exports(disk, places);
    }
    Ok(check.report)
}

struct Check<'a> {
    engine: &'a Engine,
    catalogue: &'a Catalogue,
    /// The counters when the check began; what came later is not looked at.
    head: Head,
    options: &'a CheckOptions,
    report: CheckReport,
    signers: HashMap<Digest, Option<Signer>>,
    holder_entries: u64,
}

/// What is needed of an impression.
#[derive(Clone)]
struct Signer {
    seal: std::sync::Arc<[u8]>,
    key: PublicKey,
}

impl Check<'_> {
    fn add(&mut self, name: &'static str, location: impl Into<String>, detail: impl Into<String>) {
        if self.report.findings.len() < self.options.max_findings {
            let (location, detail) = (location.into(), detail.into());
            self.report.findings.push(Finding { name, location, detail });
        } else {
            self.report.more_findings += 1;
        }
    }

    /// sled may panic on damage; that is a finding like any other.
    fn guarded(&mut self, what: &'static str, part: impl FnOnce(&mut Self)) {
        if let Err(panic) = catching(|| part(self)) {
            self.add("sledPanic", what, panic);
        }
    }

    fn batch(&mut self, number: BatchNumber) {
        let at = format!("batch {number}");
        let read = self.engine.reading().and_then(|_reading| self.engine.batch(number));
        let stored = match read {
            Ok(Some(stored)) => stored,
            Ok(None) => return self.add("batchMissing", at, "the counters say that there is one"),
            Err(why) => return self.add("batchDamaged", at, why.to_string()),
        };
        self.report.batches += 1;
        self.report.licences += stored.sealed.records.len() as u64;
        if let Err(why) = block::check_shape(&stored.sealed) {
            self.add("batchRoot", &at, why.to_string());
        }
        self.leaves(&stored, &at);
        self.stamp(&stored, &at);
        self.entries(&stored);
    }

    fn leaves(&mut self, stored: &StoredBatch, at: &str) {
        let sealed = &stored.sealed;
        let Ok(salt_key) = self.engine.keys.salts().find(&sealed.salt_key) else {
            return self.add("saltKeyMissing", at, format!("salt key {}", sealed.salt_key));
        };
        if sealed.schema != self.catalogue.version() {
            let detail = format!("sealed with catalogue {}, which is not here", sealed.schema);
            return self.add("schemaMissing", at, detail);
        }
        let (batch, suite) = (&sealed.manifest.batch, sealed.manifest.suite);
        for (slot, (record, leaf)) in sealed.records.iter().zip(&sealed.leaves).enumerate() {
            let Some(kind) = self.catalogue.get(&record.type_code) else {
                self.add("typeUnknown", format!("{at} slot {slot}"), record.type_code.to_string());
                continue;
            };
            let derived = Payload::of(record, kind, &sealed.schema, batch, salt_key, suite)
                .and_then(|payload| payload.leaf(suite));
            if !derived.is_ok_and(|derived| derived == *leaf) {
                self.add(
                    "leaf",
                    format!("{at} slot {slot}"),
                    "the record does not give the leaf that was sealed",
                );
            }
        }
    }

    fn stamp(&mut self, stored: &StoredBatch, at: &str) {
        let (manifest, stamp) = (&stored.sealed.manifest, &stored.sealed.stamp);
        let signer = match self.signers.get(&stamp.impression) {
            Some(signer) => signer.clone(),
            None => {
                let signer = self.signer(&stamp.impression);
                self.signers.insert(stamp.impression, signer.clone());
                signer
            }
        };
        let Some(Signer { seal, key }) = signer else {
            let detail = format!("impression {} cannot be used", hex::encode(stamp.impression));
            return self.add("stampSigner", at, detail);
        };
        let verified = ses::to_sign(&seal, stamp.time, &manifest.data_hash(), stamp.voice.property())
            .is_ok_and(|to_sign| key.verify(&to_sign, &stamp.signature).is_ok());
        if key.suite() != manifest.suite || !verified {
            self.add("stampSignature", at, "the stamp's signature does not verify over the manifest");
        }
    }

    fn signer(&mut self, digest: &Digest) -> Option<Signer> {
        let at = format!("impression {}", hex::encode(digest));
        let read = self.engine.reading().and_then(|_reading| self.engine.read_impression(digest));
        let impression = match read {
            Ok(Some(impression)) => impression,
            Ok(None) => {
                self.add("impressionMissing", at, "a batch refers to it");
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
            self.add("signerInSealCertList", &at, "the seal does not name the signer's certificate");
        }
        match key {
            Ok(key) => Some(Signer { seal: impression.seal, key }),
            Err(why) => {
                self.add("impressionCertificate", at, why.to_string());
                None
            }
        }
    }

    /// Every record is found under each of its keys.
    fn entries(&mut self, stored: &StoredBatch) {
        let engine = self.engine;
        for (slot, record) in (0..=u8::MAX).zip(&stored.sealed.records) {
            let location = Location { batch: stored.number, slot };
            let (at, place) = (locator(location), format!("batch {} slot {slot}", stored.number));
            let Entry { id, holders, number } = Entry::of(record, &engine.keys);
            if !engine.locate(&id).is_ok_and(|found| found == Some(location)) {
                self.add("indexMissing", &place, format!("tree id, key {}", hex::encode(id)));
            }
            let holders = holders.iter().map(|holder| (&engine.holder, holder.as_slice()));
            for (tree, key) in holders.chain([(&engine.number, number.as_slice())]) {
                let there = tree.tree.contains_key([key, &at].concat());
                if !there.is_ok_and(|there| there) {
                    self.add("indexMissing", &place, format!("tree {}, key {}", tree.name, hex::encode(key)));
                }
            }
            self.holder_entries += record.holders.len() as u64;
        }
    }

    fn indexes(&mut self) {
        let engine = self.engine;
        let expected = [
            (&engine.id, self.report.licences),
            (&engine.holder, self.holder_entries),
            (&engine.number, self.report.licences),
        ];
        for (tree, expected) in expected {
            let mut count = 0;
            for entry in tree.tree.iter() {
                match entry.map_err(StoreError::from).map(|(key, value)| index_location(tree, &key, &value)) {
                    Ok(Some(location)) if location.batch.0 > self.head.last_batch => {}
                    Ok(_) => count += 1,
                    Err(why) => return self.add("indexDamaged", tree.name, why.to_string()),
                }
            }
            self.report.index_entries += count;
            if count != expected {
                let detail = format!("{count} entries where the records call for {expected}");
                self.add("indexCount", tree.name, detail);
                self.follow(tree);
            }
        }
        for key in engine.batch.tree.iter().keys().flatten() {
            let number = key.first_chunk().map(|number| u64::from_be_bytes(*number)).unwrap_or_default();
            // One that is being added right now is beyond the counters only until it is done.
            let beyond = |engine: &Engine| number == 0 || number > engine.head().last_batch;
            if beyond(engine) && engine.reading().is_ok_and(|_reading| beyond(engine)) {
                self.add("batchStray", format!("batch {number}"), "beyond the counters");
            }
        }
    }

    /// Follows every entry of an index to its record.
    fn follow(&mut self, tree: &Named) {
        let mut last: Option<std::sync::Arc<StoredBatch>> = None;
        for (key, value) in tree.tree.iter().flatten() {
            let blind = key.get(..key.len().saturating_sub(if tree.name == "id" { 0 } else { LOCATOR }));
            let blind = blind.unwrap_or_default().to_vec();
            let leads = |entry: &Entry| match tree.name {
                "id" => entry.id.as_slice() == blind,
                "number" => entry.number.as_slice() == blind,
                _ => entry.holders.iter().any(|holder| holder.as_slice() == blind),
            };
            let found = index_location(tree, &key, &value).is_some_and(|at| {
                match self.engine.found(at, last.as_ref(), leads) {
                    Ok(found) => {
                        last = Some(found.batch);
                        true
                    }
                    Err(_) => false,
                }
            });
            if !found {
                self.add(
                    "indexStray",
                    format!("tree {}, key {}", tree.name, hex::encode(&key)),
                    "leads to no such licence",
                );
            }
        }
    }

    fn statuses(&mut self) {
        let engine = self.engine;
        let mut changes = vec![];
        for key in engine.status.tree.iter().keys() {
            let key = match key {
                Ok(key) => key,
                Err(why) => return self.add("statusDamaged", "tree status", why.to_string()),
            };
            if !key.ends_with(&[0, 0]) {
                continue;
            }
            let at = format!("status {}", hex::encode(&key));
            let read = engine.reading().and_then(|_reading| engine.status_at(&key));
            let (identifier, status) = match read {
                Ok(read) => read,
                Err(why) => {
                    self.add("statusDamaged", at, why.to_string());
                    continue;
                }
            };
            if status.change_number > self.head.last_change {
                continue;
            }
            self.report.statuses += 1;
            changes.push(status.change_number);
            let id = op::id_key(&engine.keys, &identifier);
            let place = [id.as_slice(), &status.change_number.to_be_bytes()].concat();
            if part_key(&place, 0) != key.as_ref() {
                self.add("statusPlace", &at, "it lies under another key than its own");
            }
            if !engine.locate(&id).is_ok_and(|location| location.is_some()) {
                self.add("statusStray", at, "there is no such licence");
            }
        }
        changes.sort_unstable();
        let complete = changes.iter().copied().eq(1..=self.head.last_change);
        if !complete {
            let detail = format!("{} changes, numbered up to {}", changes.len(), self.head.last_change);
            self.add("changeMissing", "tree status", detail);
        }
    }

    fn states(&mut self) {
        let engine = self.engine;
        for key in engine.state.tree.iter().keys() {
            let key = match key {
                Ok(key) => key,
                Err(why) => return self.add("stateDamaged", "tree state", why.to_string()),
            };
            let Some((base, [0, 0])) = key.split_last_chunk() else { continue };
            let at = format!("state {}", hex::encode(base));
            match engine.reading().and_then(|_reading| engine.state_at(base)) {
                // Removed while we came.
                Ok(None) => {}
                Ok(Some((kind, name, _))) => {
                    self.report.states += 1;
                    if engine.state_key(&kind, &name).as_slice() != base {
                        self.add("statePlace", at, "it lies under another key than its own");
                    }
                }
                Err(why) => self.add("stateDamaged", at, why.to_string()),
            }
        }
    }

    fn impressions(&mut self) {
        let engine = self.engine;
        for key in engine.impression.tree.iter().keys() {
            let key = match key {
                Ok(key) => key,
                Err(why) => return self.add("impressionDamaged", "tree impression", why.to_string()),
            };
            let Some((base, [0, 0])) = key.split_last_chunk() else { continue };
            let read = engine.reading().and_then(|_reading| match base.try_into() {
                Ok(digest) => engine.read_impression(&digest),
                Err(_) => Ok(None),
            });
            match read {
                Ok(Some(_)) => self.report.impressions += 1,
                Ok(None) => self.add("impressionDamaged", hex::encode(base), "its key has a wrong length"),
                Err(why) => self.add("impressionDamaged", hex::encode(base), why.to_string()),
            }
        }
    }

    fn counts(&mut self) {
        if self.report.licences != self.head.licences {
            let detail =
                format!("{} licences, the counters say {}", self.report.licences, self.head.licences);
            self.add("licenceCount", "meta head", detail);
        }
    }

    fn journal(&mut self, disk: &dyn Disk, places: &Places) {
        let mut last = None;
        let keys = &self.engine.keys;
        let read = durable::scan(disk, &places.journal, JOURNAL_KIND, |_, payload| {
            let found = Operation::open(payload, keys)?.head.sequence;
            if let Some(last) = last
                && found != last + 1
            {
                return Err(StoreError::JournalGap { expected: last + 1, found });
            }
            last = Some(found);
            Ok(ControlFlow::Continue(()))
        });
        if let Err(why) = read {
            self.add("journal", places.journal.display().to_string(), why.to_string());
        }
    }

    fn exports(&mut self, disk: &dyn Disk, places: &Places) {
        let dir = &places.exports;
        match export::manifests(disk, dir) {
            Ok(names) => {
                for name in names {
                    if let Err(why) = export::verify(disk, dir, &name, &self.engine.keys) {
                        self.add("export", name, why.to_string());
                    }
                }
            }
            Err(why) => self.add("export", dir.display().to_string(), why.to_string()),
        }
    }
}

fn index_location(tree: &Named, key: &[u8], value: &[u8]) -> Option<Location> {
    match tree.name {
        "id" => read_locator(value),
        _ => read_locator(key.get(key.len().checked_sub(LOCATOR)?..)?),
    }
}
