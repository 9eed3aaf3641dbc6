//! What a store would cost that promises nothing: the floor beside which `bench import` stands.
//!
//! The same lines are parsed as JSON, written to sled as compressed blocks of as many lines as a batch
//! has, and found again under three packed indexes; sled is flushed and fsynced. Nothing is validated,
//! sealed, encrypted, checked for duplicates or read back, and there is no copy outside sled.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::engine::{Trees, open_trees, sync_files};
use crate::durable::DurableError;
use crate::parallel;
use crate::store::{StoreError, StoreSettings};
use licence_seal::crypto::sha256;
use licence_seal::seal::MAX_BATCH;

/// Lines that are parsed as one piece of work.
const CHUNK: usize = 32 * MAX_BATCH;
/// Entries of an index value, and values that go into sled at once, as the store has them.
const FILL: usize = 128;
const GROUP: usize = 16;
/// Key and place.
type Entry = ([u8; 16], u64);

/// Blocks and index entries of some lines.
#[derive(Default)]
struct Made {
    blocks: Vec<Vec<u8>>,
    lines: u64,
    entries: [Vec<[u8; 16]>; 3],
}

/// Writes all lines of `input` into a sled in `dir`; returns how many there were.
pub fn write(dir: &Path, settings: &StoreSettings, input: impl Read + Send) -> Result<u64, StoreError> {
    let (db, trees) = open_trees(dir, settings.cache_bytes)?;
    let Trees { batch: blocks, id, holder, number, .. } = &trees;
    let mut lines = BufReader::with_capacity(1 << 20, input).split(b'\n');
    let chunks = std::iter::from_fn(move || {
        let chunk: Result<Vec<_>, _> = lines.by_ref().take(CHUNK).collect();
        match chunk {
            Ok(chunk) if chunk.is_empty() => None,
            chunk => Some(chunk.map_err(|why| DurableError::io("read", Path::new("input"))(why).into())),
        }
    });
    let (mut count, mut block) = (0, 0_u64);
    let mut indexes: [Vec<Entry>; 3] = Default::default();
    parallel::ordered(
        parallel::threads(),
        chunks,
        |chunk: Vec<Vec<u8>>| make(&chunk, settings.zstd_level),
        |made| {
            for (index, keys) in indexes.iter_mut().zip(&made.entries) {
                index.extend((count..).zip(keys).map(|(place, key)| (*key, place)));
            }
            count += made.lines;
            for group in made.blocks.chunks(GROUP) {
                let mut batch = sled::Batch::default();
                for value in group {
                    batch.insert(&block.to_be_bytes(), value.as_slice());
                    block += 1;
                }
                blocks.apply_batch(batch)?;
            }
            Ok::<_, StoreError>(())
        },
    )?;
    for (mut index, tree) in indexes.into_iter().zip([id, holder, number]) {
        index.sort_unstable();
        for group in index.chunks(GROUP * FILL) {
            let mut batch = sled::Batch::default();
            for entries in group.chunks(FILL) {
                let mut value = Vec::with_capacity(entries.len() * 24);
                for (key, place) in entries {
                    value.extend_from_slice(key);
                    value.extend_from_slice(&place.to_be_bytes());
                }
                batch.insert(value.get(..24).unwrap_or_default(), value.as_slice());
            }
            tree.apply_batch(batch)?;
        }
    }
    db.flush()?;
    sync_files(dir)?;
    Ok(count)
}

fn make(lines: &[Vec<u8>], level: i32) -> Result<Made, StoreError> {
    let mut made = Made::default();
    let no_record = || StoreError::Batch("a line of the floor is no record");
    for block in lines.chunks(MAX_BATCH) {
        for line in block {
            let value: serde_json::Value = serde_json::from_slice(line).map_err(|_| no_record())?;
            let names = ["certificateIdentifier", "certificateHolderCode", "certificateNumber"];
            for (keys, name) in made.entries.iter_mut().zip(names) {
                // A licence of several holders stands under the first here.
                let found = value.get(name).ok_or_else(no_record)?;
                let text = found.as_str().or_else(|| found.get(0)?.as_str()).ok_or_else(no_record)?;
                keys.push(sha256(&[text.as_bytes()]).first_chunk().copied().unwrap_or_default());
            }
            made.lines += 1;
        }
        let frame = zstd::bulk::compress(&block.concat(), level).map_err(|_| no_record())?;
        made.blocks.push(frame);
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_written_under_three_keys() {
        let dir = tempfile::tempdir().unwrap();
        let generator = licence_seal::licence::Generator::new(
            licence_seal::licence::Catalogue::embedded().unwrap(),
            1,
            licence_seal::licence::Region::TIANJIN,
        );
        let generator = generator.unwrap();
        let lines: String =
            (0..300).map(|n| format!("{}\n", generator.record(n).unwrap().to_json())).collect();
        let settings = StoreSettings { cache_bytes: 8 << 20, ..StoreSettings::default() };
        assert_eq!(write(dir.path(), &settings, lines.as_bytes()).unwrap(), 300);
        let (_db, trees) = open_trees(dir.path(), 8 << 20).unwrap();
        assert_eq!(trees.batch.tree.len(), 300_usize.div_ceil(MAX_BATCH));
        for index in [trees.id, trees.holder, trees.number] {
            let entries: usize = index.tree.iter().map(|entry| entry.unwrap().1.len() / 24).sum();
            assert_eq!(entries, 300);
        }
    }
}
