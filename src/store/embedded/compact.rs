//! `store compact`: sled made anew from the newest export, without the room that it took and does not use.
//!
//! ```text
//! sled.new   being made; means nothing until sled.old is there
//! sled.old   the sled until now; there only once sled.new is whole and fsynced
//! ```
//!
//! 1. `sled.new` is loaded from the export, flushed, and held to the checkpoint;
//! 2. `sled` becomes `sled.old`, `sled.new` becomes `sled`;
//! 3. `sled.old` is removed.
//!
//! A start after a kill in between ends the change ([`end_compacting`]): with `sled` in its place what else is
//! there goes; without it `sled.new` takes its place, if `sled.old` says that it was whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::open::{OpenStore, open_keys};
use super::places::{OPEN_FILE, Places, exists, log_bytes};
use super::recover::{Context, catching, has_all};
use super::settle::{beside, end_compacting, remove, rename};
use super::{export, load};
use crate::durable::DirLock;
use crate::store::forms::dictionary::Dictionaries;
use crate::store::{Recovery, StoreError};

/// What compacting did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompactReport {
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub from_export: PathBuf,
}

impl OpenStore<'_> {
    /// Makes sled anew from the newest export. The store must have been closed, and nothing changed since
    /// that export; at a fault before the change of places the store is as it was.
    pub fn compact(self) -> Result<CompactReport, StoreError> {
        let Self { dir, settings, master, random, disk } = self;
        let places = Places::new(dir, settings);
        let _lock = DirLock::acquire(dir)?;
        end_compacting(&places.sled)?;
        let fault = |path: &Path, why| StoreError::File { path: path.to_owned(), why };
        if exists(&*disk, &dir.join(OPEN_FILE))? {
            return Err(fault(dir, "the store was not closed: open it once before it is compacted"));
        }
        let keys = Arc::new(open_keys(&*disk, &places, master, &*random, &mut Recovery::default())?);
        let noted =
            Checkpoint::load(&disk, dir, &keys)?.ok_or_else(|| fault(dir, "there is no checkpoint"))?.body;
        let dictionaries =
            Arc::new(Dictionaries::load(&*disk, places.folders(), &keys, settings.zstd_level)?);
        let name = export::manifests(&*disk, &places.exports)?.pop();
        let name = name.ok_or_else(|| fault(&places.exports, "there is no export"))?;
        let manifest = export::read_manifest(&*disk, &places.exports, &name, &keys)?;
        if manifest.sequence < noted.sequence {
            return Err(fault(&places.exports.join(name), "the store was changed after it"));
        }

        let new = beside(&places.sled, "new");
        remove(&new)?;
        let making = Places { sled: new.clone(), ..places.clone() };
        let (dictionaries, random) = (&dictionaries, &random);
        let context = Context { disk: &disk, places: &making, settings, dictionaries, random };
        let made = catching(|| {
            let engine = context.engine(&keys)?;
            load::export(context.loader(&engine)?, &*disk, &places.exports, &name)?;
            engine.flush()?;
            // As the next opening will; its log is another one.
            has_all(&engine, &noted, u64::MAX)
                .map_err(|_| fault(&new, "it has less than the checkpoint says"))
        });
        made.map_err(|panic| StoreError::Sled(sled::Error::ReportableBug(panic)))
            .and_then(|made| made)
            .inspect_err(|_| {
                // The next one would remove it as well.
                let _ = remove(&new);
            })?;
        let (bytes_before, bytes_after) = (log_bytes(&places.sled), log_bytes(&new));
        // A shorter log is no lost tail from here on.
        let mut checkpoint =
            Checkpoint::load(&disk, dir, &keys)?.ok_or_else(|| fault(dir, "there is no checkpoint"))?;
        checkpoint.body.sled_log = bytes_before.min(bytes_after);
        checkpoint.write(&keys)?;
        rename(&places.sled, &beside(&places.sled, "old"))?;
        rename(&new, &places.sled)?;
        end_compacting(&places.sled)?;
        Ok(CompactReport { bytes_before, bytes_after, from_export: places.exports.join(name) })
    }
}
