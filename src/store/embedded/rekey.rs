//! `store rekey`: newer keys, and what lies under an older data key written anew under the current one.
//!
//! A **salt** key comes in for new batches; the older ones stay for ever, since what was sealed is disclosed
//! with them. A new **data** key is current at once; then
//!
//! 1. sled's values are written anew, a stride at a time on the writer's thread, and flushed;
//! 2. the dictionaries are, in both places;
//! 3. an export is written, and the journal let go as far as exports cover it;
//! 4. the exports and volumes that are kept are written anew, **frame by frame**: their rows and hash chains
//!    stay, so the journal and other exports refer to them as before;
//! 5. when nothing refers to an older key any more it leaves the key file.
//!
//! Until then the older key is in the key file, and every reader finds the key by the number beside what it
//! reads, so the work can end at any moment and be taken up again.
//!
//! ```text
//! NAME.data.next, NAME.json.next   an export or volume under the new key; NAME.json.next comes last and says
//!                                  that both are whole
//! ```
//! A start after a kill in between ends the change of names ([`end_rekeying`]).

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::places::JOURNAL_KIND;
use super::rekeying::Begun;
use super::settle::{NEXT, end_rekeying};
use super::store::Store;
use super::{export, volume};
use crate::durable::{self, DurableError, replace_file};
use crate::store::forms::dictionary::Dictionaries;
use crate::store::forms::op::Operation;
use crate::store::forms::rows::{self, RowWriter, Seal};
use crate::store::keys::{KeyId, Purpose, key_number};
use crate::store::{FetchMasterKey, RekeyReport, StoreAdmin, StoreError, Watch};
use licence_seal::crypto::Secret;
use licence_seal::time::Timestamp;

/// Entries of a tree that are looked at in one step of the writer's thread.
const STRIDE: usize = 128;

impl Store {
    /// See [`StoreAdmin::rekey_salt`].
    pub(in crate::store) fn new_salt_key(&self, master: FetchMasterKey<'_>) -> Result<u32, StoreError> {
        let _alone = self.exporting();
        self.add_key(Purpose::Salt, &master()?)
    }

    /// See [`StoreAdmin::rekey_data`].
    pub(in crate::store) fn new_data_key(
        &self,
        master: FetchMasterKey<'_>,
        values_per_second: Option<u64>,
        now: Timestamp,
        watch: &Watch,
    ) -> Result<RekeyReport, StoreError> {
        let (disk, keys, places) = (&*self.disk, &self.engine.keys, &self.places);
        // Whoever changes key files or exports takes turns.
        let _alone = self.exporting();
        let _begun = self.begin_rekeying()?;
        let added = self.add_unless_older(&master()?)?;
        let values = self.rekey_values(values_per_second, watch)?;
        self.save_checkpoint()?;
        let mut files = Dictionaries::rekey(disk, places.folders(), keys, &*self.engine.random)?;
        self.write_export(now, watch)?;
        files += self.rekey_files(watch)?;
        let needing = self.needing()?;
        let retired =
            if needing.is_empty() { keys.retire(disk, places.folders(), &master()?)? } else { Vec::new() };
        Ok(RekeyReport { key: keys.current(), added, values, files, retired, needing })
    }

    fn begin_rekeying(&self) -> Result<Begun<'_>, StoreError> {
        let mut rekeying = self.rekeying.lock();
        if self.import_under_way() || self.disk.list(&self.places.import).is_ok_and(|files| !files.is_empty())
        {
            return Err(StoreError::ImportUnderWay);
        }
        *rekeying = true;
        Ok(Begun(&self.rekeying))
    }

    fn add_unless_older(&self, master: &Secret) -> Result<bool, StoreError> {
        let added = !self.engine.keys.has_older(&*self.disk, &self.places.dir, master)?;
        if added {
            self.add_key(Purpose::Data, master)?;
        }
        Ok(added)
    }

    fn add_key(&self, purpose: Purpose, master: &Secret) -> Result<KeyId, StoreError> {
        self.engine.keys.add(purpose, &*self.disk, self.places.folders(), master, &*self.engine.random)
    }

    fn rekey_values(&self, per_second: Option<u64>, watch: &Watch) -> Result<u64, StoreError> {
        watch.stage("values", 0);
        let (mut count, mut next) = (0, Some(Place::default()));
        while let Some(place) = next {
            let (begun, engine) = (Instant::now(), Arc::clone(&self.engine));
            let moved = self.committer.run(move |_, _| stride(&engine, place));
            let (written, then) = moved.ok_or(StoreError::Closed)??;
            next = then;
            count += written;
            watch.did(written)?;
            if let Some(per_second) = per_second {
                let due = Duration::from_secs_f64(written as f64 / per_second.max(1) as f64);
                watch.pause(due.saturating_sub(begun.elapsed()))?;
            }
        }
        Ok(count)
    }

    /// Writes the exports and volumes under older keys anew; how many.
    fn rekey_files(&self, watch: &Watch) -> Result<u64, StoreError> {
        let (disk, dir, keys) = (&*self.disk, &self.places.exports, &self.engine.keys);
        watch.stage("files", 0);
        let mut written = 0;
        for name in volume::names(disk, dir)? {
            // One that does not read stays, and its key with it.
            if let Ok(mut volume) = volume::read_manifest(disk, dir, &name, keys)
                && volume.rows.key != keys.current()
            {
                volume.rows = self.write_next(&volume.file(), &volume.rows, watch)?;
                replace_file(disk, &dir.join(volume.manifest_file() + NEXT), &volume.signed(keys))?;
                end_rekeying(disk, dir)?;
                written += 1;
            }
        }
        for name in export::manifests(disk, dir)? {
            if let Ok(mut manifest) = export::read_manifest(disk, dir, &name, keys)
                && manifest.rows.key != keys.current()
            {
                manifest.rows = self.write_next(&manifest.file, &manifest.rows, watch)?;
                replace_file(disk, &dir.join(name + NEXT), &manifest.signed(keys))?;
                end_rekeying(disk, dir)?;
                written += 1;
            }
        }
        Ok(written)
    }

    /// Copies a file of rows frame by frame under the current key, beside it, and reads the copy back.
    fn write_next(&self, file: &str, seal: &Seal, watch: &Watch) -> Result<Seal, StoreError> {
        let (disk, dir, Engine { keys, random, .. }) = (&*self.disk, &self.places.exports, &*self.engine);
        let (from, to) = (dir.join(file), dir.join(format!("{file}{NEXT}")));
        let mut writer = RowWriter::create(disk, &to, keys, &**random)?;
        let owned = |rows: &[&[u8]]| Ok(rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>());
        rows::read(disk, &from, seal, keys, owned, |rows| {
            rows.iter().try_for_each(|row| writer.row(row))?;
            writer.end_frame()?;
            watch.did(1)
        })?;
        let made = writer.sync()?;
        if made.chain != seal.chain {
            return Err(StoreError::File { path: to, why: "it is another one than was copied" });
        }
        rows::read(disk, &to, &made, keys, |_| Ok(()), |()| watch.did(0))?;
        disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
        Ok(made)
    }

    /// What refers to a data key before the current one, or may, since it does not read. Of sled and the
    /// dictionaries nothing does.
    fn needing(&self) -> Result<Vec<String>, StoreError> {
        let (disk, dir, keys) = (&*self.disk, &self.places.exports, &self.engine.keys);
        let mut needing = Vec::new();
        for name in volume::names(disk, dir)? {
            let key = volume::read_manifest(disk, dir, &name, keys).map(|volume| volume.rows.key);
            if key.ok() != Some(keys.current()) {
                needing.push(name);
            }
        }
        for name in export::manifests(disk, dir)? {
            let key = export::read_manifest(disk, dir, &name, keys).map(|manifest| manifest.rows.key);
            if key.ok() != Some(keys.current()) {
                needing.push(name);
            }
        }
        let mut in_journal = false;
        durable::scan(disk, &self.places.journal, JOURNAL_KIND, |_, payload| {
            in_journal |= Operation::front(payload)?.0 != keys.current();
            Ok::<_, StoreError>(if in_journal { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if in_journal {
            needing.push("journal".to_owned());
        }
        Ok(needing)
    }
}

/// How far sled's values are written anew: place of the tree in [`super::engine::Trees::encrypted`], and the last key.
#[derive(Default)]
struct Place {
    tree: usize,
    after: Option<Vec<u8>>,
}

/// Writes the old ones of the next values anew. Says how many, and where to go on; `None` at the end.
fn stride(engine: &Engine, place: Place) -> Result<(u64, Option<Place>), StoreError> {
    drop(engine.reading()?);
    let trees = engine.trees.encrypted();
    let Some(tree) = trees.get(place.tree) else { return Ok((0, None)) };
    let from = place.after.map_or(Bound::Unbounded, Bound::Excluded);
    let (mut after, mut parts, mut written) = (None, Vec::new(), 0);
    for entry in tree.tree.range((from, Bound::<Vec<u8>>::Unbounded)).take(STRIDE) {
        let (key, bytes) = entry?;
        if let Some((base, [0, 0])) = key.split_last_chunk()
            && key_number(&bytes) != Some(engine.keys.current())
            && let Some(plain) = engine.read(tree, base)?
        {
            parts.extend(engine.parts(tree, base, &plain)?);
            written += 1;
        }
        after = Some(key.to_vec());
    }
    engine.replace_parts(tree, &parts)?;
    let tree = if after.is_some() { place.tree } else { place.tree + 1 };
    Ok((written, Some(Place { tree, after })))
}
