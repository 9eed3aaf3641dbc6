//! What an operator can set.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Settings of the store: `[store]` of the configuration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// Bytes of sled's page cache; the process needs about three times that. Default 256 MiB.
    pub cache_bytes: u64,
    /// Journal bytes after which sled is flushed and fsynced. More means fewer flushes and a longer
    /// start after an unclean stop. Default 16 MiB.
    pub checkpoint_bytes: u64,
    /// Bytes of a journal segment. Default 64 MiB.
    pub journal_segment_bytes: u64,
    /// Where exports go; unset: `exports` in the store's folder. Better on another disk.
    pub export_dir: Option<PathBuf>,
    /// Below it the running node makes backups when its operator asks; unset: it makes none. Better on
    /// another machine's disk.
    pub backup_dir: Option<PathBuf>,
    /// Exports kept. The journal is let go only as far as the oldest of so many covers it, so that one
    /// damaged export loses nothing. Default 2, at least 1.
    pub keep_exports: usize,
    /// Bytes of index entries that an import or a rebuilding sorts in memory; what is more goes through
    /// files. Default 512 MiB.
    pub sort_bytes: usize,
    /// Licences after which an import notes how far it came. Default 1,000,000.
    pub import_checkpoint: u64,
    /// Bytes of memory past which the node says that it is not well: `/health` and the process log. 0: no
    /// limit. The system's own limit should be somewhat above. Default 4 GiB.
    pub memory_limit_bytes: u64,
    /// Bytes of sled for each licence, of 100,000 at least, past which a warning tells to compact it. 0: no
    /// warning. Default 700.
    pub disk_alarm_bytes_per_licence: u64,
    /// Licences issued live past which they are moved into the packed indexes, in the background. Default
    /// 100,000.
    pub fold_from: u64,
    /// Licences moved in a second at the most; each costs up to 20 KB of writing. 0: none are moved.
    /// Default 1,000.
    pub fold_per_second: u64,
    /// zstd level of blocks, 1 to 19. Default 3.
    pub zstd_level: i32,
    /// Command that opens sled first in a process of its own after an unclean stop, so that a panic of
    /// sled ends only that process; the sled folder is added as its last argument. Exit status 0: it
    /// opens; 64: the probe was called wrongly; any other end: damaged. `None`: not probed. Not in the
    /// configuration: `serve` sets it to its own `store probe`.
    #[serde(skip)]
    pub probe: Option<Vec<OsString>>,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            cache_bytes: 256 << 20,
            checkpoint_bytes: 16 << 20,
            journal_segment_bytes: 64 << 20,
            export_dir: None,
            backup_dir: None,
            keep_exports: 2,
            sort_bytes: 512 << 20,
            import_checkpoint: 1_000_000,
            memory_limit_bytes: 4 << 30,
            disk_alarm_bytes_per_licence: 700,
            fold_from: 100_000,
            fold_per_second: 1_000,
            zstd_level: 3,
            probe: None,
        }
    }
}

impl StoreSettings {
    /// Where the exports of the store in `dir` lie.
    pub(in crate::store) fn exports_of(&self, dir: &Path) -> PathBuf {
        self.export_dir.clone().unwrap_or_else(|| dir.join("exports"))
    }
}

/// The folders in which key files and dictionaries lie: the store's own, and that of its exports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folders<'a> {
    pub(crate) own: &'a Path,
    pub(crate) exports: &'a Path,
}
