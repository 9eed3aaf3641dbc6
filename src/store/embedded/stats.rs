//! `store stats`: sizes and counts, and what of them each type has.

use std::collections::BTreeMap;
use std::path::Path;

use super::engine::Engine;
use super::places::Places;
use crate::durable::{Disk, DurableError};
use crate::parallel;
use crate::store::forms::{block, dictionary};
use crate::store::{BatchNumber, Breakdown, FileBytes, StoreError, TreeValues, TypeStats, Watch};

/// Batches that are looked at as one piece of work.
const STRIDE: u64 = 256;

/// Bytes of the store's files by what they are. A file may go while they are counted.
pub(crate) fn file_bytes(disk: &dyn Disk, places: &Places) -> Result<FileBytes, StoreError> {
    let sum = |dir: &Path, counts: &dyn Fn(&str) -> bool| {
        let names = disk.list(dir).map_err(DurableError::io("list", dir))?;
        let counted = names.iter().filter(|name| counts(name));
        Ok::<u64, StoreError>(counted.map(|name| disk.len(&dir.join(name)).unwrap_or(0)).sum())
    };
    let dictionaries = dictionary::names(disk, &places.dir)?;
    Ok(FileBytes {
        journal: sum(&places.journal, &|_| true)?,
        volumes: sum(&places.exports, &|name| name.starts_with("volume-"))?,
        exports: sum(&places.exports, &|name| name.starts_with("export-"))?,
        dictionaries: sum(&places.dir, &|name| dictionaries.iter().any(|one| one == name))?,
    })
}

/// Walks over all batches, and over the keys of the indexes.
pub(crate) fn breakdown(engine: &Engine, watch: &Watch) -> Result<Breakdown, StoreError> {
    let last = engine.head().last_batch;
    watch.stage("batch", last);
    let mut types: BTreeMap<String, TypeStats> = BTreeMap::new();
    let strides = (1..=last).step_by(STRIDE as usize).map(Ok);
    parallel::ordered(
        parallel::threads(),
        strides,
        |first: u64| {
            let numbers = first..=last.min(first + STRIDE - 1);
            numbers.map(|number| look_at(engine, BatchNumber(number))).collect::<Result<Vec<_>, _>>()
        },
        |batches| {
            watch.did(batches.len() as u64)?;
            for (type_code, licences, bytes) in batches {
                let one = types.entry(type_code).or_default();
                one.batches += 1;
                one.licences += licences;
                one.bytes += bytes;
            }
            Ok(())
        },
    )?;
    let stats = types.into_iter().map(|(type_code, stats)| TypeStats { type_code, ..stats });
    Ok(Breakdown { types: stats.collect(), trees: trees(engine, watch)? })
}

fn look_at(engine: &Engine, number: BatchNumber) -> Result<(String, u64, u64), StoreError> {
    let packed = {
        let _reading = engine.reading()?;
        engine.packed(number)?
    };
    let key = number.to_string();
    let packed = packed.ok_or(StoreError::Damaged { tree: "batch", key, why: "it is not here" })?;
    let manifest = block::manifest(number, &packed, &engine.dictionaries)?;
    Ok((manifest.type_code, u64::from(manifest.size), packed.len() as u64))
}

fn trees(engine: &Engine, watch: &Watch) -> Result<Vec<TreeValues>, StoreError> {
    watch.stage("index", 0);
    let indexes = [
        &engine.trees.id,
        &engine.trees.holder,
        &engine.trees.number,
        &engine.trees.id_base,
        &engine.trees.holder_base,
        &engine.trees.number_base,
        &engine.trees.status,
        &engine.trees.state,
        &engine.trees.impression,
    ];
    let mut trees = Vec::new();
    for named in indexes {
        let mut values = 0;
        for key in named.tree.iter().keys() {
            key?;
            values += 1;
            watch.did(1)?;
        }
        trees.push(TreeValues { tree: named.name.into(), values });
    }
    Ok(trees)
}
