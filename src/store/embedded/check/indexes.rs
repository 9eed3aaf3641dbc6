//! The entries that the batches call for, held against the indexes.

use std::sync::Arc;

use super::report::{Check, Checked};
use crate::durable::DurableError;
use crate::store::embedded::engine::{Engine, Named, packed, read_locator, to_first_error};
use crate::store::embedded::load::{HOLDER_ENTRY, ID_ENTRY, sortable};
use crate::store::forms::op::{Entry, HOLDER_KEY, ID_KEY};
use crate::store::sorter::{Scratch, Sorter};
use crate::store::{Location, StoreError};

/// The index entries that the batches call for.
pub(super) struct Expected {
    ids: Sorter<ID_ENTRY>,
    holders: Sorter<HOLDER_ENTRY>,
    numbers: Sorter<ID_ENTRY>,
}

impl Expected {
    pub(super) fn new(engine: &Engine, checked: &Checked<'_>) -> Result<Self, StoreError> {
        let dir = &checked.places.scratch;
        checked.disk.create_dir_all(dir).map_err(DurableError::io("create", dir))?;
        let scratch = Scratch {
            disk: Arc::clone(checked.disk),
            dir: dir.clone(),
            keys: Arc::clone(&engine.keys),
            random: Arc::clone(&engine.random),
        };
        let bytes = checked.sort_bytes / 3;
        Ok(Self {
            ids: Sorter::new(scratch.clone(), "check-id", bytes),
            holders: Sorter::new(scratch.clone(), "check-holder", bytes),
            numbers: Sorter::new(scratch, "check-number", bytes),
        })
    }

    pub(super) fn add(&mut self, location: Location, entry: &Entry) -> Result<(), StoreError> {
        self.ids.push(sortable(&entry.id, location))?;
        self.numbers.push(sortable(&entry.number, location))?;
        entry.holders.iter().try_for_each(|holder| self.holders.push(sortable(holder, location)))
    }

    pub(super) fn clear(&mut self) -> Result<(), StoreError> {
        self.ids.clear()?;
        self.holders.clear()?;
        self.numbers.clear()
    }
}

impl Check<'_> {
    /// A record of a sample is found under each of its keys.
    pub(super) fn look_up(&mut self, location: Location, entry: &Entry) {
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

    pub(super) fn indexes(&mut self, expected: &mut Expected) -> Result<(), StoreError> {
        let engine = self.engine;
        let sorted = expected.ids.sorted()?;
        self.index::<ID_KEY, ID_ENTRY>(&engine.trees.id, &engine.trees.id_base, sorted)?;
        let sorted = expected.holders.sorted()?;
        self.index::<HOLDER_KEY, HOLDER_ENTRY>(&engine.trees.holder, &engine.trees.holder_base, sorted)?;
        let sorted = expected.numbers.sorted()?;
        self.index::<ID_KEY, ID_ENTRY>(&engine.trees.number, &engine.trees.number_base, sorted)
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
