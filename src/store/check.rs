//! `store check`: every way in which the store is wrong.
//!
//! What can be derived is derived again: a batch's leaves and root from its records, its signature from
//! manifest and seal, its index entries from its records. The entries of all batches are sorted and held
//! against the indexes in one pass, so a missing and a stray entry are both found without a look-up for
//! each; a sample is looked up instead. Batches are checked on all cores, at a given rate if one is set.
//! It stops at nothing: what cannot be read is a finding like any other.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::StoreError;
use super::block;
use super::engine::{Engine, Named, part_key, read_locator, to_first_error};
use super::export;
use super::load::{HOLDER_ENTRY, ID_ENTRY, sortable};
use super::op::{self, Entry, HOLDER_KEY, Head, ID_KEY, Operation};
use super::open::{JOURNAL_KIND, Places};
use super::packed;
use super::recover::catching;
use super::rows;
use super::sorter::{Scratch, Sorter};
use super::traits::{BatchNumber, CheckOptions, CheckReport, Finding, Location, StoredBatch};
use super::volume;
use crate::crypto::{Digest, PublicKey};
use crate::durable::{self, Disk, DurableError};
use crate::licence::{Catalogue, Record, RecordRef};
use crate::parallel;
use crate::pki::Certificate;
use crate::seal::ses;

/// Batches that are checked as one piece of work.
const STRIDE: u64 = 64;

/// What a check needs beside the engine.
pub(super) struct Around<'a> {
    pub(super) disk: &'a Arc<dyn Disk>,
    pub(super) places: &'a Places,
    /// Bytes of index entries that are sorted in memory.
    pub(super) sort_bytes: usize,
    /// An import has sled to itself: batches beyond the counters are its own.
    pub(super) loading: bool,
}

pub(super) fn check(
    engine: &Engine,
    around: &Around<'_>,
    catalogue: &Catalogue,
    options: &CheckOptions,
) -> Result<CheckReport, StoreError> {
    drop(engine.reading()?);
    // An entry that is being moved from one index to another would be missed by both passes.
    let _still = engine.hold_folding();
    let disk = &**around.disk;
    let mut check = Check {
        engine,
        disk,
        head: engine.head(),
        options,
        report: CheckReport::default(),
        expected: Expected::new(engine, around)?,
    };
    let every = options.every.max(1);
    check.guarded("batch", |check| check.batches(catalogue, every));
    if every == 1 {
        check.guarded("index", Check::indexes);
        if !around.loading {
            check.guarded("batch", Check::strays);
        }
        check.guarded("status", Check::statuses);
        check.guarded("state", Check::states);
        check.guarded("impression", Check::impressions);
        check.counts();
        check.journal(disk, around.places);
        check.exports(&around.places.exports);
    }
    check.expected.clear()?;
    options.watch.did(0)?;
    Ok(check.report)
}

struct Check<'a> {
    engine: &'a Engine,
    disk: &'a dyn Disk,
    /// The counters when the check began; what came later is not looked at.
    head: Head,
    options: &'a CheckOptions,
    report: CheckReport,
    expected: Expected,
}

/// The index entries that the batches call for.
struct Expected {
    ids: Sorter<ID_ENTRY>,
    holders: Sorter<HOLDER_ENTRY>,
    numbers: Sorter<ID_ENTRY>,
}

impl Expected {
    fn new(engine: &Engine, around: &Around<'_>) -> Result<Self, StoreError> {
        let dir = &around.places.scratch;
        around.disk.create_dir_all(dir).map_err(DurableError::io("create", dir))?;
        let scratch = Scratch {
            disk: Arc::clone(around.disk),
            dir: dir.clone(),
            keys: Arc::clone(&engine.keys),
            random: Arc::clone(&engine.random),
        };
        let bytes = around.sort_bytes / 3;
        Ok(Self {
            ids: Sorter::new(scratch.clone(), "check-id", bytes),
            holders: Sorter::new(scratch.clone(), "check-holder", bytes),
            numbers: Sorter::new(scratch, "check-number", bytes),
        })
    }

    fn add(&mut self, location: Location, entry: &Entry) -> Result<(), StoreError> {
        self.ids.push(sortable(&entry.id, location))?;
        self.numbers.push(sortable(&entry.number, location))?;
        entry.holders.iter().try_for_each(|holder| self.holders.push(sortable(holder, location)))
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.ids.clear()?;
        self.holders.clear()?;
        self.numbers.clear()
    }
}

/// What is needed of an impression.
#[derive(Clone)]
struct Signer {
    seal: Arc<[u8]>,
    key: PublicKey,
}

/// Checks batches by themselves; several threads share one.
struct BatchCheck<'a> {
    engine: &'a Engine,
    catalogue: &'a Catalogue,
    signers: Mutex<HashMap<Digest, Option<Signer>>>,
}

/// What came of some batches.
#[derive(Default)]
struct Seen {
    findings: Vec<Finding>,
    batches: u64,
    licences: u64,
    entries: Vec<(Location, Entry)>,
}

impl Seen {
    fn add(&mut self, name: &'static str, location: impl Into<String>, detail: impl Into<String>) {
        self.findings.push(Finding { name, location: location.into(), detail: detail.into() });
    }
}

impl BatchCheck<'_> {
    fn batch(&self, number: BatchNumber, seen: &mut Seen) {
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
        let mut signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn guarded(&mut self, what: &'static str, part: impl FnOnce(&mut Self) -> Result<(), StoreError>) {
        self.options.watch.stage(what, 0);
        match catching(|| part(self)) {
            // Who ended it is told by the last line of the check.
            Ok(Ok(()) | Err(StoreError::Cancelled)) => {}
            Ok(Err(why)) => self.add("unreadable", what, why.to_string()),
            Err(panic) => self.add("sledPanic", what, panic),
        }
    }

    fn batches(&mut self, catalogue: &Catalogue, every: u64) -> Result<(), StoreError> {
        let (engine, last) = (self.engine, self.head.last_batch);
        let checker = BatchCheck { engine, catalogue, signers: Mutex::default() };
        let begun = Instant::now();
        self.options.watch.stage("batch", last / every);
        let strides = (1..=last).step_by(usize::try_from(STRIDE * every).unwrap_or(usize::MAX)).map(Ok);
        parallel::ordered(
            parallel::threads(),
            strides,
            |first: u64| {
                let mut seen = Seen::default();
                let until = last.min(first + STRIDE * every - 1);
                for number in (first..=until).step_by(usize::try_from(every).unwrap_or(usize::MAX)) {
                    // On this thread, since a panic must not leave it.
                    let checked = catching(|| checker.batch(BatchNumber(number), &mut seen));
                    if let Err(panic) = checked {
                        seen.add("sledPanic", format!("batch {number}"), panic);
                    }
                }
                Ok::<_, StoreError>(seen)
            },
            |seen| {
                self.report.batches += seen.batches;
                self.report.licences += seen.licences;
                for Finding { name, location, detail } in seen.findings {
                    self.add(name, location, detail);
                }
                for (location, entry) in seen.entries {
                    if every == 1 {
                        self.expected.add(location, &entry)?;
                    } else {
                        self.look_up(location, &entry);
                    }
                }
                self.options.watch.did(seen.batches)?;
                self.keep_pace(begun)
            },
        )
    }

    /// Waits until the licences so far are within the rate.
    fn keep_pace(&self, begun: Instant) -> Result<(), StoreError> {
        let Some(rate) = self.options.licences_per_second.filter(|rate| *rate > 0) else { return Ok(()) };
        let due = Duration::from_secs_f64(self.report.licences as f64 / rate as f64);
        self.options.watch.pause(due.saturating_sub(begun.elapsed()))
    }

    /// A record of a sample is found under each of its keys.
    fn look_up(&mut self, location: Location, entry: &Entry) {
        let engine = self.engine;
        let at = format!("batch {} slot {}", location.batch, location.slot);
        if !engine.locate(&entry.id).is_ok_and(|found| found == Some(location)) {
            self.add("indexMissing", &at, format!("tree id, key {}", hex::encode(entry.id)));
        }
        let here = |found: Result<Vec<Location>, _>| found.is_ok_and(|found| found.contains(&location));
        for holder in &entry.holders {
            if !here(engine.locate_holder(holder, usize::MAX)) {
                self.add("indexMissing", &at, format!("tree holder, key {}", hex::encode(holder)));
            }
        }
        if !here(engine.locate_number(&entry.number, usize::MAX)) {
            self.add("indexMissing", &at, format!("tree number, key {}", hex::encode(entry.number)));
        }
        self.report.index_entries += 2 + entry.holders.len() as u64;
    }

    fn indexes(&mut self) -> Result<(), StoreError> {
        let engine = self.engine;
        let sorted = self.expected.ids.sorted()?;
        self.index::<ID_KEY, ID_ENTRY>(&engine.id, &engine.id_base, sorted)?;
        let sorted = self.expected.holders.sorted()?;
        self.index::<HOLDER_KEY, HOLDER_ENTRY>(&engine.holder, &engine.holder_base, sorted)?;
        let sorted = self.expected.numbers.sorted()?;
        self.index::<ID_KEY, ID_ENTRY>(&engine.number, &engine.number_base, sorted)
    }

    fn strays(&mut self) -> Result<(), StoreError> {
        let engine = self.engine;
        for key in to_first_error(engine.batch.tree.iter().keys()) {
            self.options.watch.did(1)?;
            let key = match key {
                Ok(key) => key,
                Err(why) => {
                    self.add("batchDamaged", "tree batch", why.to_string());
                    continue;
                }
            };
            let number = key.first_chunk().map(|number| u64::from_be_bytes(*number)).unwrap_or_default();
            // One that is being added right now is beyond the counters only until it is done.
            let beyond = |engine: &Engine| number == 0 || number > engine.head().last_batch;
            if beyond(engine) && engine.reading().is_ok_and(|_reading| beyond(engine)) {
                self.add("batchStray", format!("batch {number}"), "beyond the counters");
            }
        }
        Ok(())
    }

    /// Holds an index, the flat tree and the packed one together, against what it should have.
    fn index<const K: usize, const N: usize>(
        &mut self,
        live: &Named,
        base: &Named,
        expected: impl Iterator<Item = Result<[u8; N], StoreError>>,
    ) -> Result<(), StoreError> {
        let engine = self.engine;
        let mut flat = to_first_error(live.tree.iter()).map(|entry| flat_entry::<N>(live, entry)).peekable();
        let mut packed = packed::all::<K>(engine, base)
            .map(|entry| entry.map(|entry| sortable::<N>(&entry.key, entry.at)))
            .peekable();
        let mut expected = expected.peekable();
        let mut last = None;
        loop {
            self.options.watch.did(1)?;
            // Damage first, so that what follows can be compared.
            for (tree, entry) in [(live.name, flat.peek()), (base.name, packed.peek())] {
                if let Some(Err(why)) = entry {
                    let why = why.to_string();
                    self.add("indexDamaged", tree, why);
                }
            }
            let damaged = flat.next_if(Result::is_err).is_some() | packed.next_if(Result::is_err).is_some();
            if damaged {
                continue;
            }
            if let Some(Err(why)) = expected.peek() {
                return Err(why.clone());
            }
            let [a, b, wanted] = [flat.peek(), packed.peek(), expected.peek()]
                .map(|entry| entry.and_then(|entry| entry.as_ref().ok()).copied());
            let found = match (a, b) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (one, other) => one.or(other),
            };
            let next = match (found, wanted) {
                (Some(found), Some(wanted)) => found.min(wanted),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => return Ok(()),
            };
            if a == Some(next) {
                flat.next();
            }
            if b == Some(next) {
                packed.next();
            }
            if wanted == Some(next) {
                expected.next();
            }
            let (key, at) = next.split_at_checked(K).unwrap_or_default();
            let location = read_locator(at);
            let place = || {
                let batch = location.map_or(0, |at| at.batch.0);
                (format!("batch {batch} slot {}", location.map_or(0, |at| at.slot)), hex::encode(key))
            };
            match (found == Some(next), wanted == Some(next)) {
                (true, true) => {}
                (true, false) => {
                    // One of a licence that came after the check began.
                    if location.is_none_or(|at| at.batch.0 <= self.head.last_batch && at.batch.0 > 0) {
                        let (at, key) = place();
                        self.add(
                            "indexStray",
                            format!("tree {}, key {key}", live.name),
                            format!("leads to {at}, which is another licence"),
                        );
                    }
                    continue;
                }
                _ => {
                    let (at, key) = place();
                    self.add("indexMissing", at, format!("tree {}, key {key}", live.name));
                }
            }
            if last.replace(next) != Some(next) && found == Some(next) {
                self.report.index_entries += 1;
            }
        }
    }

    fn statuses(&mut self) -> Result<(), StoreError> {
        let engine = self.engine;
        let mut changes = vec![];
        for key in engine.status.tree.iter().keys() {
            self.options.watch.did(1)?;
            let key = key?;
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
        Ok(())
    }

    fn states(&mut self) -> Result<(), StoreError> {
        let engine = self.engine;
        for key in engine.state.tree.iter().keys() {
            self.options.watch.did(1)?;
            let key = key?;
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
        Ok(())
    }

    fn impressions(&mut self) -> Result<(), StoreError> {
        let engine = self.engine;
        for key in engine.impression.tree.iter().keys() {
            self.options.watch.did(1)?;
            let key = key?;
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
        Ok(())
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

    /// Every export and every volume reads to its end.
    fn exports(&mut self, dir: &Path) {
        let (disk, keys, watch) = (self.disk, &*self.engine.keys, &self.options.watch);
        watch.stage("export", 0);
        let read = |file: &str, seal: &rows::Seal| {
            rows::read(disk, &dir.join(file), seal, keys, |_| Ok(()), |()| watch.did(1))
        };
        match export::manifests(disk, dir) {
            Err(why) => self.add("export", dir.display().to_string(), why.to_string()),
            Ok(names) => {
                for name in names {
                    let checked = export::read_manifest(disk, dir, &name, keys).and_then(|manifest| {
                        for reference in &manifest.volumes {
                            volume::resolve(disk, dir, reference, keys)?;
                        }
                        read(&manifest.file, &manifest.rows)
                    });
                    if let Err(why) = checked {
                        self.add("export", name, why.to_string());
                    }
                }
            }
        }
        match volume::names(disk, dir) {
            Err(why) => self.add("volume", dir.display().to_string(), why.to_string()),
            Ok(names) => {
                for name in names {
                    let checked = volume::read_manifest(disk, dir, &name, keys)
                        .and_then(|volume| read(&volume.file(), &volume.rows));
                    if let Err(why) = checked {
                        self.add("volume", name, why.to_string());
                    }
                }
            }
        }
    }
}

/// An entry of a flat index as [`sortable`] makes it.
fn flat_entry<const N: usize>(
    tree: &Named,
    entry: Result<(sled::IVec, sled::IVec), sled::Error>,
) -> Result<[u8; N], StoreError> {
    let (key, value) = entry?;
    let bytes = [key.as_ref(), value.as_ref()].concat();
    bytes.as_slice().try_into().map_err(|_| StoreError::Damaged {
        tree: tree.name,
        key: hex::encode(&key),
        why: "its locator does not read",
    })
}
