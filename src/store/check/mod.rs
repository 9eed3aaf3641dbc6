//! `store check`: every way in which the store is wrong.
//!
//! What can be derived is derived again: a batch's leaves and root from its records, its signature from
//! manifest and seal, its index entries from its records. The entries of all batches are sorted and held
//! against the indexes in one pass, so a missing and a stray entry are both found without a look-up for
//! each; a sample is looked up instead. Batches are checked on all cores, at a given rate if one is set.
//! It stops at nothing: what cannot be read is a finding like any other.
//!
//! `batch` checks a batch by itself, `indexes` holds entries against indexes; all else is here.

mod batch;
mod indexes;

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::batch::{BatchCheck, Seen};
use self::indexes::Expected;
use super::StoreError;
use super::engine::{Engine, part_key, to_first_error};
use super::export;
use super::op::{self, Head, Operation};
use super::open::{JOURNAL_KIND, Places};
use super::recover::catching;
use super::rows;
use super::traits::{BatchNumber, CheckOptions, CheckReport, Finding};
use super::volume;
use crate::durable::{self, Disk};
use crate::parallel;
use licence_seal::licence::Catalogue;

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
    let mut check = Check { engine, disk, head: engine.head(), options, report: CheckReport::default() };
    let mut expected = Expected::new(engine, around)?;
    let every = options.every.max(1);
    check.guarded("batch", |check| check.batches(catalogue, every, &mut expected));
    if every == 1 {
        check.guarded("index", |check| check.indexes(&mut expected));
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
    expected.clear()?;
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
}

impl Check<'_> {
    fn add(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        location: impl Into<String>,
        detail: impl Into<String>,
    ) {
        if self.report.findings.len() < self.options.max_findings {
            let (name, location, detail) = (name.into(), location.into(), detail.into());
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

    fn batches(
        &mut self,
        catalogue: &Catalogue,
        every: u64,
        expected: &mut Expected,
    ) -> Result<(), StoreError> {
        let (engine, last) = (self.engine, self.head.last_batch);
        let checker = BatchCheck::new(engine, catalogue);
        let begun = Instant::now();
        self.options.watch.stage("batch", last / every);
        let stride = STRIDE.saturating_mul(every);
        let strides = (1..=last).step_by(usize::try_from(stride).unwrap_or(usize::MAX)).map(Ok);
        parallel::ordered(
            parallel::threads(),
            strides,
            |first: u64| {
                let mut seen = Seen::default();
                let until = last.min(first.saturating_add(stride - 1));
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
                        expected.add(location, &entry)?;
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
