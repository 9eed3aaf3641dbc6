//! Backups: the store and what lies beside it, somewhere else, without sled.
//!
//! ```text
//! backup-N.json    the manifest, authenticated; a backup without one does not count
//! objects/HASH     files of the backups, each under its SHA-256 (64 hexadecimal digits)
//! ```
//!
//! A backup is an [export](super::export), the journal after it, the key file, the dictionaries and the
//! access log. Its manifest lists every file with length and SHA-256, so a file that two backups have in
//! common lies there once, every backup is whole by itself, and dropping one takes nothing from another.
//! Volumes and journal segments never change: one that the last backup had, with the same length and the
//! same end (ciphertext that no other file has), is not read again.
//!
//! The order makes the copy one that fits: the export first, then the log, then the journal up to now. So
//! the store has every change that the log tells of, and what it has beyond that the next start logs.
//! The journal is also what makes the counters exact, since an export's rows may be ahead of them.
//!
//! What is copied is fsynced and then read back from the target before the manifest names it: rows are
//! decrypted and their hash chain is held against the export's manifest, which proves source and
//! target at once; segments are held against their frames' checksums. `drill` reads all of it again.
//!
//! Alternative not taken: one archive a night. It would be read and written whole every time, or be
//! a chain of differences in which every link is needed.

mod objects;
mod restore;

pub use restore::{Restore, Restored};

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use self::objects::{BackupFile, Objects};
use super::store::Store;
use crate::durable::{DirLock, Disk, DurableError, Sum, framed, replace_file};
use crate::store::forms::{dictionary, rows};
use crate::store::keys::{KEY_FILE, Keyring};
use crate::store::{BackupOptions, BackupReport, Beside, Counters, StoreError};
use licence_seal::time::Timestamp;

const LABEL: &str = "backup";
const FORMAT: u32 = 1;
const PREFIX: &str = "backup-";
/// First parts of the paths in a backup.
const STORE: &str = "store/";
const EXPORTS: &str = "store/exports/";
const JOURNAL: &str = "store/journal/";
const BESIDE: &str = "log/";

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Manifest {
    format: u32,
    number: u64,
    made: Timestamp,
    store: String,
    counters: Counters,
    beside: String,
    files: Vec<BackupFile>,
}

fn manifest_name(number: u64) -> String {
    format!("{PREFIX}{number:010}.json")
}

/// Numbers of the manifests in a folder, ascending.
fn numbers(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>, StoreError> {
    let names = disk.list(dir).map_err(DurableError::io("list", dir))?;
    let number = |name: String| {
        let number = name.strip_prefix(PREFIX)?.strip_suffix(".json")?.parse().ok()?;
        (name == manifest_name(number)).then_some(number)
    };
    Ok(names.into_iter().filter_map(number).collect())
}

fn read_manifest(disk: &dyn Disk, dir: &Path, number: u64, keys: &Keyring) -> Result<Manifest, StoreError> {
    let path = dir.join(manifest_name(number));
    let content = disk.read(&path).map_err(DurableError::io("read", &path))?;
    let fault = |why| StoreError::File { path: path.clone(), why };
    let content = content.ok_or_else(|| fault("it is missing"))?;
    let manifest: Manifest = keys.verify_file(LABEL, FORMAT, &content).map_err(fault)?;
    if manifest.number == number { Ok(manifest) } else { Err(fault("it is the manifest of another backup")) }
}

/// What is in a backup folder already.
struct Earlier {
    manifests: BTreeMap<u64, Manifest>,
    unreadable: Vec<String>,
    highest: u64,
}

impl Earlier {
    fn read(disk: &dyn Disk, dir: &Path, keys: &Keyring) -> Result<Self, StoreError> {
        let mut earlier = Self { manifests: BTreeMap::new(), unreadable: Vec::new(), highest: 0 };
        for number in numbers(disk, dir)? {
            earlier.highest = number;
            match read_manifest(disk, dir, number, keys) {
                Ok(manifest) => drop(earlier.manifests.insert(number, manifest)),
                Err(why) => {
                    tracing::warn!(%why, "a backup cannot be used");
                    earlier.unreadable.push(manifest_name(number));
                }
            }
        }
        Ok(earlier)
    }

    /// What the newest backup that had the file says of it.
    fn sum_of(&self, path: &str) -> Option<&Sum> {
        let files = |manifest: &'_ Manifest| manifest.files.iter().position(|file| file.path == path);
        self.manifests
            .values()
            .rev()
            .find_map(|manifest| manifest.files.get(files(manifest)?))
            .map(|f| &f.sum)
    }
}

/// Gathers the files of a new backup.
struct Making<'a> {
    objects: Objects<'a>,
    earlier: Earlier,
    files: Vec<BackupFile>,
    copied: (u64, u64),
}

impl Making<'_> {
    fn add(&mut self, path: String, sum: Sum, new: bool) {
        if new {
            self.copied.0 += 1;
            self.copied.1 += sum.bytes;
        }
        self.files.push(BackupFile { path, sum });
    }

    fn small(&mut self, path: String, content: &[u8]) -> Result<(), StoreError> {
        let (sum, new) = self.objects.keep(content)?;
        self.add(path, sum, new);
        Ok(())
    }

    fn small_file(&mut self, prefix: &str, dir: &Path, name: &str) -> Result<(), StoreError> {
        let path = dir.join(name);
        let content = self.objects.disk.read(&path).map_err(DurableError::io("read", &path))?;
        self.small(
            format!("{prefix}{name}"),
            &content.ok_or(StoreError::File { path, why: "it is missing" })?,
        )
    }

    /// A file that never changes; `verify` proves its copy.
    fn unchanging(
        &mut self,
        prefix: &str,
        dir: &Path,
        name: &str,
        verify: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (path, from) = (format!("{prefix}{name}"), dir.join(name));
        if let Some(sum) = self.earlier.sum_of(&path).cloned()
            && self.objects.is_copy_of(&sum, &from)?
        {
            self.add(path, sum, false);
            return Ok(());
        }
        let (sum, new) = self.objects.take(&from, verify)?;
        self.add(path, sum, new);
        Ok(())
    }

    fn segments(
        &mut self,
        prefix: &str,
        dir: &Path,
        names: &[String],
        kind: [u8; 4],
    ) -> Result<(), StoreError> {
        let (disk, watch) = (self.objects.disk, self.objects.watch);
        for name in names {
            self.unchanging(prefix, dir, name, |copy| framed::check(disk, copy, kind, &mut || watch.did(0)))?;
        }
        Ok(())
    }
}

impl Store {
    /// See [`crate::store::StoreAdmin::backup`].
    pub(in crate::store) fn back_up(
        &self,
        options: &BackupOptions,
        beside: &dyn Beside,
        now: Timestamp,
    ) -> Result<BackupReport, StoreError> {
        let BackupOptions { dir, keep, watch } = options;
        let (disk, keys, places) = (&*self.disk, &*self.engine.keys, &self.places);
        std::fs::create_dir_all(dir).map_err(DurableError::io("create", dir))?;
        let objects = dir.join("objects");
        disk.create_dir_all(&objects).map_err(DurableError::io("create", &objects))?;
        let _lock = DirLock::acquire(dir)?;
        // No export may take away what is being copied.
        let _alone = self.exporting();
        let earlier = Earlier::read(disk, dir, keys)?;
        let number = earlier.highest + 1;

        let (export, volumes, _) = self.write_export(now, watch)?;
        let beside = beside.freeze().map_err(StoreError::Beside)?;
        let (after, engine) = (export.journal_through, std::sync::Arc::clone(&self.engine));
        let frozen = self
            .committer
            .run(move |journal, _| Ok::<_, StoreError>((journal.freeze(after)?, engine.head())));
        let (journal, head) = frozen.ok_or(StoreError::Closed)??;

        watch.stage("copying", 0);
        let objects = Objects { disk, dir: objects, watch };
        let mut making = Making { objects, earlier, files: Vec::new(), copied: (0, 0) };
        making.small_file(STORE, &places.dir, KEY_FILE)?;
        for name in dictionary::names(disk, &places.dir)? {
            making.small_file(STORE, &places.dir, &name)?;
        }
        let verified = |seal: rows::Seal| {
            move |copy: &Path| rows::read(disk, copy, &seal, keys, |_| Ok(()), |()| watch.did(0))
        };
        for volume in volumes {
            making.small_file(EXPORTS, &places.exports, &volume.manifest_file())?;
            let (file, seal) = (volume.file(), volume.rows);
            making.unchanging(EXPORTS, &places.exports, &file, verified(seal))?;
        }
        making.small_file(EXPORTS, &places.exports, &export.manifest_file())?;
        making.unchanging(EXPORTS, &places.exports, &export.file, verified(export.rows.clone()))?;
        making.segments(JOURNAL, &places.journal, &journal.segments, super::places::JOURNAL_KIND)?;
        making.small(format!("{JOURNAL}{}", journal.floor.0), &journal.floor.1)?;
        making.segments(BESIDE, &beside.dir, &beside.unchanging, beside.kind)?;
        for (name, content) in &beside.changing {
            making.small(format!("{BESIDE}{name}"), content)?;
        }

        let Making { objects, mut earlier, files, copied } = making;
        objects.sync()?;
        let store = hex::encode(keys.store);
        let (counters, about) = (head.into(), beside.about);
        let manifest = Manifest { format: FORMAT, number, made: now, store, counters, beside: about, files };
        let path = dir.join(manifest_name(number));
        replace_file(disk, &path, &keys.sign_file(LABEL, &manifest))?;
        let (count, bytes) = (manifest.files.len() as u64, manifest.files.iter().map(|f| f.sum.bytes).sum());
        earlier.manifests.insert(number, manifest);
        let dropped = prune(&objects, dir, &mut earlier, *keep)?;
        Ok(BackupReport {
            number,
            manifest: path,
            counters,
            files: count,
            bytes,
            copied_files: copied.0,
            copied_bytes: copied.1,
            dropped,
            unreadable: earlier.unreadable,
        })
    }
}

/// Drops all but the newest backups, and the files that none of those kept has: also those of a backup
/// that never got its manifest.
fn prune(
    objects: &Objects<'_>,
    dir: &Path,
    all: &mut Earlier,
    keep: Option<usize>,
) -> Result<Vec<u64>, StoreError> {
    let disk = objects.disk;
    let mut dropped = Vec::new();
    while all.manifests.len() > keep.unwrap_or(usize::MAX).max(1) {
        let Some((number, _)) = all.manifests.pop_first() else { break };
        let path = dir.join(manifest_name(number));
        disk.remove(&path).map_err(DurableError::io("remove", &path))?;
        dropped.push(number);
    }
    disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
    if all.unreadable.is_empty() {
        let files = all.manifests.values().flat_map(|manifest| &manifest.files);
        let needed: BTreeSet<&str> = files.map(|file| file.sum.sha256.as_str()).collect();
        objects.retain(|name| needed.contains(name))?;
    }
    Ok(dropped)
}
