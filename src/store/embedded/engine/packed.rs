//! Packed indexes: many entries to a value, sorted, so that 42 million licences are a third of a million
//! values and not 42 million.
//!
//! An entry is a blind key and a location. A value holds the entries from its **bound** (its key in the
//! tree: blind key ‖ batch u48 BE ‖ slot) up to the next value's bound; the first bound is all zeros, so
//! there is a value for every key. A value of more than [`SPLIT`] entries is split, the later parts
//! written first: a reader beside the writer may meet an entry twice and never misses one. A split that
//! was interrupted leaves entries in a value that belong behind its end; they are in the later values
//! too, and readers pass over them. Adding an entry that is there changes nothing, so an addition that
//! was interrupted is done again from its start, and puts such entries in their place.
//!
//! ```text
//! value   count ‖ shared length u8 ‖ shared bytes ‖ (rest of the key ‖ batch·32 + slot) per entry
//! ```
//! under the encryption of [`Engine::write`]. Numbers are LEB128.

use std::iter::Peekable;

use super::{Engine, Named, part_key};
use crate::store::forms::codec::{Reader, Writer};
use crate::store::{BatchNumber, Location, StoreError};
use licence_seal::seal::MAX_BATCH;

/// Entries of a value that is written in bulk.
const FILL: usize = 128;
/// Entries past which a value is split.
const SPLIT: usize = 192;
/// New entries taken into one step: bounds the memory of a bulk addition.
const STRIDE: usize = 64 << 10;
/// Values that go into sled at once.
const GROUP: usize = 16;
/// Bytes of a location in an entry.
const AT: usize = 7;

/// Blind key and location: `key ‖ batch u48 BE ‖ slot`, which sorts by key and then by location.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct PackedEntry<const K: usize> {
    pub(crate) key: [u8; K],
    pub(crate) at: Location,
}

impl<const K: usize> PackedEntry<K> {
    fn bound(&self) -> Vec<u8> {
        bound(&self.key, self.at)
    }
}

fn bound(key: &[u8], at: Location) -> Vec<u8> {
    let batch = at.batch.0.to_be_bytes();
    [key, batch.get(2..).unwrap_or_default(), &[at.slot]].concat()
}

/// Where the entries under `prefix` lead, in order, each once, at most `limit`.
pub(crate) fn find<const K: usize>(
    engine: &Engine,
    tree: &Named,
    prefix: &[u8],
    limit: usize,
) -> Result<Vec<Location>, StoreError> {
    let mut found: Vec<PackedEntry<K>> = Vec::new();
    let low = padded(prefix, 0, K + AT);
    let high = padded(prefix, 0xff, K + AT);
    let mut next = floor(tree, &low)?;
    while let Some(at) = next.filter(|at| *at <= high && found.len() < limit) {
        let (entries, until) = span::<K>(engine, tree, &at)?;
        for entry in entries.into_iter().filter(|entry| entry.key.starts_with(prefix)) {
            if found.len() < limit && found.last().is_none_or(|last| entry > *last) {
                found.push(entry);
            }
        }
        next = until;
    }
    Ok(found.into_iter().map(|entry| entry.at).collect())
}

/// Asks an index for keys in ascending order, reading each value once.
pub(crate) struct Cursor<'a, const K: usize> {
    engine: &'a Engine,
    tree: &'a Named,
    entries: Vec<PackedEntry<K>>,
    /// The bound of the value that follows; `None` before the first question and at the end.
    until: Option<Vec<u8>>,
    begun: bool,
}

impl<'a, const K: usize> Cursor<'a, K> {
    pub(crate) fn new(engine: &'a Engine, tree: &'a Named) -> Self {
        Self { engine, tree, entries: Vec::new(), until: None, begun: false }
    }

    /// Whether there is an entry of this key. Keys must come in ascending order.
    pub(crate) fn contains(&mut self, key: &[u8; K]) -> Result<bool, StoreError> {
        let low = padded(key, 0, K + AT);
        if !self.begun || self.until.as_ref().is_some_and(|until| *until <= low) {
            self.begun = true;
            self.entries.clear();
            if let Some(at) = floor(self.tree, &low)? {
                (self.entries, self.until) = span(self.engine, self.tree, &at)?;
            }
        }
        let here = self.entries.binary_search_by(|entry| entry.key.cmp(key)).is_ok();
        // A value's bound is its first entry.
        Ok(here || self.until.as_ref().is_some_and(|until| until.starts_with(key)))
    }
}

/// Adds entries, which come in ascending order, and returns how many came.
pub(crate) fn add<const K: usize>(
    engine: &Engine,
    tree: &Named,
    entries: impl Iterator<Item = Result<PackedEntry<K>, StoreError>>,
) -> Result<u64, StoreError> {
    let mut entries = entries.peekable();
    let mut count = 0;
    while let Some(first) = peek(&mut entries)? {
        let from = floor(tree, &first.bound())?.unwrap_or_else(|| vec![0; K + AT]);
        let until = after(tree, &from)?;
        let mut all = read::<K>(engine, tree, &from)?;
        let beyond = behind(&mut all, until.as_deref());
        if !beyond.is_empty() {
            // First, as the later parts of a split.
            add(engine, tree, beyond.into_iter().map(Ok))?;
        }
        let before = all.len();
        while let Some(entry) = peek(&mut entries)?
            && all.len() - before < STRIDE
            && until.as_ref().is_none_or(|until| entry.bound() < *until)
        {
            all.push(entry.clone());
            entries.next();
            count += 1;
        }
        if before > 0 {
            all.sort_unstable();
            all.dedup();
        }
        write(engine, tree, &from, &all)?;
    }
    Ok(count)
}

/// Every entry of a tree, in order.
pub(crate) fn all<'a, const K: usize>(
    engine: &'a Engine,
    tree: &'a Named,
) -> impl Iterator<Item = Result<PackedEntry<K>, StoreError>> + use<'a, K> {
    let mut next = Some(vec![0; K + AT]);
    let mut waiting = Vec::<PackedEntry<K>>::new().into_iter();
    let mut last: Option<PackedEntry<K>> = None;
    std::iter::from_fn(move || {
        loop {
            if let Some(entry) = waiting.find(|entry| last.as_ref().is_none_or(|last| entry > last)) {
                last = Some(entry.clone());
                return Some(Ok(entry));
            }
            let at = next.take()?;
            match span::<K>(engine, tree, &at) {
                Ok((entries, following)) => {
                    waiting = entries.into_iter();
                    next = following;
                }
                Err(why) => {
                    // Go on behind it: one damaged value does not hide the others.
                    next = after(tree, &at).ok().flatten();
                    return Some(Err(why));
                }
            }
        }
    })
}

fn peek<const K: usize, I>(entries: &mut Peekable<I>) -> Result<Option<&PackedEntry<K>>, StoreError>
where
    I: Iterator<Item = Result<PackedEntry<K>, StoreError>>,
{
    match entries.peek() {
        None => Ok(None),
        Some(Ok(entry)) => Ok(Some(entry)),
        Some(Err(why)) => Err(why.clone()),
    }
}

/// Writes `entries` from `from` on, as one value or several.
fn write<const K: usize>(
    engine: &Engine,
    tree: &Named,
    from: &[u8],
    entries: &[PackedEntry<K>],
) -> Result<(), StoreError> {
    let fill = if entries.len() <= SPLIT { SPLIT } else { FILL };
    let chunks: Vec<&[PackedEntry<K>]> = entries.chunks(fill).collect();
    let values: Vec<(Vec<u8>, Vec<u8>)> = chunks
        .iter()
        .enumerate()
        .rev()
        .map(|(place, chunk)| {
            let key = match chunk.first() {
                Some(first) if place > 0 => first.bound(),
                _ => from.to_vec(),
            };
            (key, encode(chunk))
        })
        .collect();
    // The one under `from` comes last and alone, since the others must be there before it shrinks.
    let (head, rest) = match values.split_last() {
        Some((head, rest)) => (head, rest),
        None => return Ok(()),
    };
    for group in rest.chunks(GROUP) {
        engine.write_new(tree, group)?;
    }
    engine.write(tree, &head.0, &head.1)
}

fn encode<const K: usize>(entries: &[PackedEntry<K>]) -> Vec<u8> {
    let shared = match (entries.first(), entries.last()) {
        (Some(first), Some(last)) => first.key.iter().zip(&last.key).take_while(|(a, b)| a == b).count(),
        _ => 0,
    };
    let mut writer = Writer::default();
    // K is far below 256.
    writer.number(entries.len() as u64).u8(shared as u8);
    if let Some(first) = entries.first() {
        writer.raw(first.key.get(..shared).unwrap_or_default());
    }
    for entry in entries {
        writer.raw(entry.key.get(shared..).unwrap_or_default());
        writer.number(entry.at.batch.0 * (MAX_BATCH as u64) + u64::from(entry.at.slot));
    }
    writer.finish()
}

fn decode<const K: usize>(plain: &[u8]) -> Option<Vec<PackedEntry<K>>> {
    let mut reader = Reader(plain);
    let count = reader.count()?;
    let shared = usize::from(reader.u8()?);
    let shared = reader.raw(shared)?;
    let rest = K.checked_sub(shared.len())?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let mut key = [0; K];
        let bytes = shared.iter().chain(reader.raw(rest)?);
        key.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let at = reader.number()?;
        let slot = u8::try_from(at % (MAX_BATCH as u64)).ok()?;
        entries.push(PackedEntry { key, at: Location { batch: BatchNumber(at / (MAX_BATCH as u64)), slot } });
    }
    reader.is_empty().then_some(entries)
}

fn read<const K: usize>(
    engine: &Engine,
    tree: &Named,
    bound: &[u8],
) -> Result<Vec<PackedEntry<K>>, StoreError> {
    let Some(plain) = engine.read(tree, bound)? else { return Ok(Vec::new()) };
    decode(&plain).ok_or_else(|| StoreError::Damaged {
        tree: tree.name,
        key: hex::encode(bound),
        why: "it does not read",
    })
}

/// The entries of the value under `bound`, and the bound of the value that follows. That is read after
/// the value: what lies behind it was there before the value was cut.
fn span<const K: usize>(
    engine: &Engine,
    tree: &Named,
    bound: &[u8],
) -> Result<(Vec<PackedEntry<K>>, Option<Vec<u8>>), StoreError> {
    let mut entries = read::<K>(engine, tree, bound)?;
    let until = after(tree, bound)?;
    behind(&mut entries, until.as_deref());
    Ok((entries, until))
}

/// Takes the entries from `until` on away.
fn behind<const K: usize>(entries: &mut Vec<PackedEntry<K>>, until: Option<&[u8]>) -> Vec<PackedEntry<K>> {
    let end = until.map_or(entries.len(), |until| entries.partition_point(|entry| *entry.bound() < *until));
    entries.split_off(end)
}

/// The greatest bound that is not above `key`.
fn floor(tree: &Named, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let found = tree.tree.range(..=part_key(key, u16::MAX)).next_back().transpose()?;
    Ok(found.and_then(|(key, _)| Some(key.split_last_chunk::<2>()?.0.to_vec())))
}

/// The bound that follows `bound`.
fn after(tree: &Named, bound: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let found = tree.tree.range(part_key(bound, u16::MAX)..).next().transpose()?;
    Ok(found.and_then(|(key, _)| Some(key.split_last_chunk::<2>()?.0.to_vec())))
}

fn padded(prefix: &[u8], byte: u8, length: usize) -> Vec<u8> {
    let mut key = prefix.to_vec();
    key.resize(length.max(prefix.len()), byte);
    key
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn entry(key: u32, batch: u64, slot: u8) -> PackedEntry<16> {
        let mut bytes = [7; 16];
        bytes[8..12].copy_from_slice(&key.to_be_bytes());
        PackedEntry { key: bytes, at: Location { batch: BatchNumber(batch), slot } }
    }

    proptest! {
        #[test]
        fn entries_survive_their_bytes(raw in proptest::collection::btree_set((0u32..50, 0u64..1 << 40, 0u8..32), 0..150)) {
            let entries: Vec<_> = raw.into_iter().map(|(k, b, s)| entry(k, b, s)).collect();
            prop_assert_eq!(decode::<16>(&encode(&entries)), Some(entries));
        }

        #[test]
        fn no_bytes_whatever_panic_the_reader(bytes: Vec<u8>) {
            let _ = decode::<20>(&bytes);
        }

        #[test]
        fn bounds_sort_as_entries_do(a in (0u32..3, 0u64..1 << 47, 0u8..32), b in (0u32..3, 0u64..1 << 47, 0u8..32)) {
            let (a, b) = (entry(a.0, a.1, a.2), entry(b.0, b.1, b.2));
            prop_assert_eq!(a.cmp(&b), a.bound().cmp(&b.bound()));
        }
    }

    /// What one addition wrote, taken back to where a kill may have stopped it: the values under the
    /// greatest bounds are written first.
    fn interrupt(tree: &sled::Tree, before: &BTreeMap<Vec<u8>, Vec<u8>>, kept: usize) {
        let now: Vec<Vec<u8>> = tree.iter().keys().map(|key| key.unwrap().to_vec()).collect();
        for key in now.iter().rev().skip(kept) {
            match before.get(key) {
                Some(value) => tree.insert(key, value.as_slice()).unwrap(),
                None => tree.remove(key).unwrap(),
            };
        }
    }

    /// All that readers say is what the model says.
    fn compare(engine: &Engine, model: &BTreeSet<PackedEntry<16>>, prefixes: &[u32]) {
        let tree = &engine.trees.id_base;
        let found: Vec<_> = all::<16>(engine, tree).map(Result::unwrap).collect();
        assert!(found.iter().eq(model), "{} of {}", found.len(), model.len());
        let mut cursor = Cursor::<16>::new(engine, tree);
        for key in prefixes {
            let key = entry(*key, 0, 0).key;
            let wanted: Vec<_> =
                model.iter().filter(|entry| entry.key == key).map(|entry| entry.at).collect();
            assert_eq!(find::<16>(engine, tree, &key, usize::MAX).unwrap(), wanted);
            assert_eq!(cursor.contains(&key).unwrap(), !wanted.is_empty());
            let few = &wanted[..wanted.len().min(3)];
            assert_eq!(find::<16>(engine, tree, &key, 3).unwrap(), few);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// Several rounds of entries, some of them interrupted and done again.
        #[test]
        fn what_was_added_is_found_after_interruptions_too(
            rounds in proptest::collection::vec(
                (
                    proptest::collection::btree_set((0u32..300, 1u64..2_000, 0u8..32), 1..900),
                    proptest::option::of(0usize..12),
                ),
                1..5,
            ),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let store = crate::store::tests::open(dir.path());
            let (engine, tree) = (store.engine(), &store.engine().trees.id_base);
            let mut model = BTreeSet::new();
            let keys: Vec<u32> = (0..300).step_by(7).collect();
            for (raw, interrupted) in rounds {
                let new: BTreeSet<_> = raw.into_iter().map(|(k, b, s)| entry(k, b, s)).collect();
                let again = || add(engine, tree, new.iter().cloned().map(Ok)).unwrap();
                if let Some(kept) = interrupted {
                    let pair = |pair: sled::Result<(sled::IVec, sled::IVec)>| {
                        let (key, value) = pair.unwrap();
                        (key.to_vec(), value.to_vec())
                    };
                    let before = tree.tree.iter().map(pair).collect();
                    again();
                    interrupt(&tree.tree, &before, kept);
                    // What was there before is found meanwhile.
                    for key in &keys {
                        let key = entry(*key, 0, 0).key;
                        let found = find::<16>(engine, tree, &key, usize::MAX).unwrap();
                        let old = model.iter().filter(|entry: &&PackedEntry<16>| entry.key == key);
                        let mut old = old.map(|entry| entry.at);
                        prop_assert!(old.all(|at| found.contains(&at)));
                    }
                }
                prop_assert_eq!(again(), new.len() as u64);
                model.extend(new);
                compare(engine, &model, &keys);
            }
        }
    }
}
