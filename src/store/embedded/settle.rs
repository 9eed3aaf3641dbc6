//! What a kill interrupted is ended here at the next start: compacting, changing the data key, an import.

use std::path::{Path, PathBuf};

use crate::durable::{Disk, DurableError};
use crate::store::StoreError;
use crate::store::forms::op::Head;
use crate::store::intake::{ImportState, Phase};
use crate::store::keys::Keyring;

pub(crate) const NEXT: &str = ".next";

/// Ends a compacting that was killed, and removes what it left.
pub(crate) fn end_compacting(sled: &Path) -> Result<(), StoreError> {
    let (new, old) = (beside(sled, "new"), beside(sled, "old"));
    if !sled.exists() && old.exists() && new.exists() {
        rename(&new, sled)?;
    }
    if sled.exists() {
        remove(&old)?;
    }
    remove(&new)
}

/// Ends the changing of names that a kill interrupted, and removes what was not whole.
pub(crate) fn end_rekeying(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    let names = disk.list(dir).map_err(DurableError::io("list", dir))?;
    let begun = |ending: &str| -> Vec<PathBuf> {
        let paths = names.iter().filter_map(|name| name.strip_suffix(NEXT)?.strip_suffix(ending));
        paths.map(|name| dir.join(name)).collect()
    };
    let put = |path: PathBuf| -> Result<(), StoreError> {
        let next = path.with_added_extension("next");
        disk.rename(&next, &path).map_err(DurableError::io("rename", &next))?;
        Ok(disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?)
    };
    let (manifests, data) = (begun(".json"), begun(".data"));
    for name in &manifests {
        if data.contains(name) {
            put(name.with_extension("data"))?;
        }
        put(name.with_extension("json"))?;
    }
    for name in data.into_iter().filter(|name| !manifests.contains(name)) {
        let path = name.with_extension("data.next");
        disk.remove(&path).map_err(DurableError::io("remove", &path))?;
    }
    Ok(())
}

/// Whether an interrupted import has sled to itself, in a store that stands at `head`. It may, if its
/// state does not read.
pub(crate) fn is_loading(
    disk: &dyn Disk,
    dir: &Path,
    keys: &Keyring,
    head: &Head,
) -> Result<bool, StoreError> {
    match ImportState::load(disk, dir, keys) {
        Ok(state) => Ok(state.is_some_and(|state| state.phase == Phase::Loading && !state.is_in(head))),
        Err(why @ StoreError::File { .. }) => {
            tracing::error!(%why, "the state of an interrupted import does not read; it can only be dropped");
            Ok(true)
        }
        Err(why) => Err(why),
    }
}

pub(crate) fn beside(sled: &Path, ending: &str) -> PathBuf {
    sled.with_extension(ending)
}

/// Lasting on return, so that the steps keep their order.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::rename(from, to).map_err(DurableError::io("rename", from))?;
    sync_parent(from)
}

pub(crate) fn remove(dir: &Path) -> Result<(), StoreError> {
    if dir.exists() {
        std::fs::remove_dir_all(dir).map_err(DurableError::io("remove", dir))?;
        sync_parent(dir)?;
    }
    Ok(())
}

fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let synced = std::fs::File::open(parent).and_then(|dir| dir.sync_all());
    Ok(synced.map_err(DurableError::io("sync", parent))?)
}
