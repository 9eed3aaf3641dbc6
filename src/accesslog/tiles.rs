//! Tiles and entry bundles (C2SP tlog-tiles): their paths, writing them as the log grows, reading
//! nodes back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::leaf::tree_hash;
use crate::durable::Disk;
use licence_seal::merkle::{self, Hash, Nodes};

/// Hashes in a full tile, entries in a full bundle.
pub(super) const TILE: u64 = 256;

/// `tile/<level>/<N>[.p/<width>]`; `level` `None` is that of entry bundles. `width` 256 is a full tile.
pub fn tile_path(level: Option<u32>, number: u64, width: u64) -> String {
    let mut groups = vec![format!("{:03}", number % 1000)];
    let mut rest = number / 1000;
    while rest > 0 {
        groups.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    groups.reverse();
    let level = level.map_or_else(|| "entries".to_owned(), |level| level.to_string());
    let partial = if width < TILE { format!(".p/{width}") } else { String::new() };
    format!("tile/{level}/{}{partial}", groups.join("/"))
}

/// What a path below the log's address means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Checkpoint,
    /// Hashes: anybody may read them.
    Tile {
        level: u32,
        number: u64,
        width: u64,
    },
    /// Entries: for auditors.
    Bundle {
        number: u64,
        width: u64,
    },
}

impl Resource {
    /// Whether it holds entries, which are for auditors alone.
    pub const fn is_bundle(self) -> bool {
        matches!(self, Self::Bundle { .. })
    }

    /// Parses a path; only the one spelling that [`tile_path`] writes is accepted.
    pub fn parse(path: &str) -> Option<Self> {
        if path == "checkpoint" {
            return Some(Self::Checkpoint);
        }
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let level: Option<u32> = if level == "entries" { None } else { Some(level.parse().ok()?) };
        let (groups, width) = match rest.split_once(".p/") {
            Some((groups, width)) => (groups, width.parse().ok()?),
            None => (rest, TILE),
        };
        let mut number: u64 = 0;
        for group in groups.split('/') {
            let digits: u64 = group.trim_start_matches('x').parse().ok()?;
            number = number.checked_mul(1000)?.checked_add(digits)?;
        }
        let in_bounds = (1..=TILE).contains(&width) && level.is_none_or(|level| level < 8);
        if !in_bounds || tile_path(level, number, width) != path {
            return None;
        }
        Some(match level {
            Some(level) => Self::Tile { level, number, width },
            None => Self::Bundle { number, width },
        })
    }

    /// The file below the log's directory.
    pub fn path(self) -> String {
        match self {
            Self::Checkpoint => "checkpoint".to_owned(),
            Self::Tile { level, number, width } => tile_path(Some(level), number, width),
            Self::Bundle { number, width } => tile_path(None, number, width),
        }
    }
}

/// The right edge of all tiles: what the next entry changes.
#[derive(Clone, Default)]
pub(super) struct Edge {
    size: u64,
    /// Hashes of the unfinished tile of each level.
    levels: Vec<Vec<Hash>>,
    /// Entries of the unfinished bundle.
    bundle: Vec<Arc<[u8]>>,
}

/// A file to write: path below the log's directory, and content.
pub(super) type TileFile = (String, Vec<u8>);

impl Edge {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Takes up the next entry and hands out the tiles that it finished.
    pub(super) fn push(&mut self, entry: Arc<[u8]>, leaf: Hash, mut finished: impl FnMut(TileFile)) {
        let number = self.size / TILE;
        self.size += 1;
        self.bundle.push(entry);
        if self.bundle.len() as u64 == TILE {
            finished((tile_path(None, number, TILE), bundle_bytes(&std::mem::take(&mut self.bundle))));
        }
        let (mut node, mut covered) = (leaf, 1u64);
        for level in 0.. {
            let depth = level as usize;
            if self.levels.len() <= depth {
                self.levels.push(Vec::new());
            }
            let Some(tile) = self.levels.get_mut(depth) else { return };
            tile.push(node);
            if (tile.len() as u64) < TILE {
                return;
            }
            let tile = std::mem::take(tile);
            node = merkle::root(&tree_hash, &tile);
            covered = covered.saturating_mul(TILE);
            finished((tile_path(Some(level), self.size / covered - 1, TILE), tile.concat()));
        }
    }

    /// The unfinished tiles as they stand.
    pub(super) fn partials(&self) -> Vec<TileFile> {
        let mut files = Vec::new();
        if !self.bundle.is_empty() {
            files.push((
                tile_path(None, self.size / TILE, self.bundle.len() as u64),
                bundle_bytes(&self.bundle),
            ));
        }
        let mut covered = 1u64;
        for (level, tile) in (0u32..).zip(&self.levels) {
            covered = covered.saturating_mul(TILE);
            if !tile.is_empty() {
                files.push((tile_path(Some(level), self.size / covered, tile.len() as u64), tile.concat()));
            }
        }
        files
    }
}

/// Entries one after another, each behind its length as u16 big-endian.
fn bundle_bytes(entries: &[Arc<[u8]>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        // MAX_ENTRY is u16::MAX, and nothing longer is ever staged.
        bytes.extend_from_slice(&u16::try_from(entry.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    bytes
}

/// The nodes of the tree of `size` entries, from the tiles on disk.
pub(super) struct TileNodes<'a> {
    pub disk: &'a dyn Disk,
    pub dir: &'a Path,
    pub size: u64,
}

impl Nodes for TileNodes<'_> {
    fn node(&self, level: u32, index: u64) -> Option<Hash> {
        let (tile_level, inside) = (level / 8, level % 8);
        let first = index.checked_shl(inside)?;
        let held = self.size.checked_shr(tile_level.checked_mul(8)?)?;
        let number = first / TILE;
        let width = held.checked_sub(number * TILE)?.min(TILE);
        let tile = self.read(tile_level, number, width)?;
        let (hashes, odd) = tile.as_chunks::<32>();
        let from = usize::try_from(first % TILE).ok()?;
        let hashes = hashes.get(from..from + (1 << inside))?;
        odd.is_empty().then(|| merkle::root(&tree_hash, hashes))
    }
}

impl TileNodes<'_> {
    /// The partial tile is removed once the full one is there, so it is looked for first.
    fn read(&self, level: u32, number: u64, width: u64) -> Option<Vec<u8>> {
        let read = |width| self.disk.read(&self.dir.join(tile_path(Some(level), number, width))).ok()?;
        if width < TILE
            && let Some(partial) = read(width)
        {
            return Some(partial);
        }
        read(TILE)
    }
}

/// The directory of a full tile's partial predecessors.
pub(super) fn partials_dir(dir: &Path, full: &str) -> PathBuf {
    dir.join(format!("{full}.p"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accesslog::leaf_hash;
    use crate::durable::FaultDisk;

    #[test]
    fn paths_are_those_of_tlog_tiles() {
        assert_eq!(tile_path(Some(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile_path(Some(3), 5, 17), "tile/3/005.p/17");
        assert_eq!(tile_path(None, 1000, 256), "tile/entries/x001/000");
        for path in ["tile/0/x001/x234/067", "tile/3/005.p/17", "tile/entries/x001/000", "checkpoint"] {
            assert_eq!(Resource::parse(path).unwrap().path(), path);
        }
        for path in [
            "tile/0/1",
            "tile/0/001/000",
            "tile/0/x000/001",
            "tile/00/001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/8/64/000",
            "tile/0/../head",
            "head",
            "tile/entries/",
            "tile/9/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "keys/x",
            "",
        ] {
            assert_eq!(Resource::parse(path), None, "{path}");
        }
    }

    #[test]
    fn every_node_comes_back_from_the_tiles() {
        let (disk, dir) = (FaultDisk::new(), Path::new("log"));
        let mut edge = Edge::default();
        let mut leaves = Vec::new();
        for i in 0..70_000u32 {
            let entry: Arc<[u8]> = i.to_be_bytes().as_slice().into();
            let leaf = leaf_hash(&entry);
            leaves.push(leaf);
            edge.push(entry, leaf, |(path, content)| {
                // Bundles are not read here, and would only take time.
                if !path.contains("entries") {
                    disk.create(&dir.join(path)).unwrap().write(&content).unwrap();
                }
            });
        }
        for (path, content) in edge.partials() {
            disk.create(&dir.join(path)).unwrap().write(&content).unwrap();
        }
        let size = leaves.len() as u64;
        let nodes = TileNodes { disk: &disk, dir, size };
        let root = merkle::root(&tree_hash, &leaves);
        assert_eq!(merkle::root_in(&tree_hash, &nodes, size), Some(root));
        for index in [0, 255, 256, 65_535, 65_536, 69_999] {
            let path = merkle::path_in(&tree_hash, &nodes, index, size).unwrap();
            let found = merkle::root_from_path(&tree_hash, index, size, &leaves[index as usize], &path);
            assert_eq!(found, Some(root), "{index}");
        }
    }
}
