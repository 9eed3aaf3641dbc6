//! Sorting more than fits in memory: index entries and identifiers of an import.
//!
//! Entries of a fixed size are gathered up to a limit, sorted, and written as a **run**; the runs are
//! merged while they are read. What never reached the limit is sorted in memory and touches no disk. A
//! run is a framed file of encrypted frames, bound to its name and place.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StoreError;
use super::keys::{Bound, Keyring, Use};
use crate::durable::{Disk, DurableError, framed};
use licence_seal::crypto::Random;

const KIND: [u8; 4] = *b"SRUN";
/// Entries of a frame. Tests have several in a run.
const FRAME: usize = if cfg!(test) { 32 } else { 8_192 };

/// Where runs go, and under which keys.
#[derive(Clone)]
pub(crate) struct Scratch {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) keys: Arc<Keyring>,
    pub(crate) random: Arc<dyn Random>,
}

/// Gathers entries to be sorted as bytes.
pub(crate) struct Sorter<const N: usize> {
    scratch: Scratch,
    name: String,
    limit: usize,
    buffer: Vec<[u8; N]>,
    runs: Vec<String>,
    count: u64,
}

impl<const N: usize> Sorter<N> {
    /// `name` begins the names of the runs; `bytes` of entries are kept in memory.
    pub(crate) fn new(scratch: Scratch, name: &str, bytes: usize) -> Self {
        let limit = (bytes / N.max(1)).max(1024);
        Self { scratch, name: name.to_owned(), limit, buffer: Vec::new(), runs: Vec::new(), count: 0 }
    }

    /// Goes on with the runs that an earlier one saved.
    pub(crate) fn resume(mut self, runs: Vec<String>, count: u64) -> Self {
        self.runs = runs;
        self.count = count;
        self
    }

    pub(crate) fn push(&mut self, entry: [u8; N]) -> Result<(), StoreError> {
        self.buffer.push(entry);
        self.count += 1;
        if self.buffer.len() >= self.limit { self.spill() } else { Ok(()) }
    }

    /// Writes and fsyncs what is in memory; returns the names of all runs and the count of entries.
    pub(crate) fn save(&mut self) -> Result<(Vec<String>, u64), StoreError> {
        if !self.buffer.is_empty() {
            self.spill()?;
        }
        Ok((self.runs.clone(), self.count))
    }

    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    /// Every entry, in order, equal ones as often as they came. Can be read more than once: from where it
    /// lies, in memory or in the runs.
    pub(crate) fn sorted(&mut self) -> Result<Sorted<'_, N>, StoreError> {
        if self.runs.is_empty() {
            self.buffer.sort_unstable();
        } else {
            self.save()?;
            self.buffer = Vec::new();
        }
        let (mut runs, mut heap) = (Vec::new(), BinaryHeap::new());
        for name in &self.runs {
            runs.push(Run::open(&self.scratch, name)?);
        }
        for (at, run) in runs.iter_mut().enumerate() {
            if let Some(entry) = run.next()? {
                heap.push(Reverse((entry, at)));
            }
        }
        Ok(Sorted { runs, heap, memory: self.buffer.iter(), left: self.count, dir: &self.scratch.dir })
    }

    fn spill(&mut self) -> Result<(), StoreError> {
        let name = format!("{}-{:05}", self.name, self.runs.len());
        let Scratch { disk, dir, keys, random } = &self.scratch;
        let path = dir.join(&name);
        self.buffer.sort_unstable();
        match disk.remove(&path) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                return Err(DurableError::io("remove", &path)(why).into());
            }
            _ => {}
        }
        let mut file = disk.create(&path).map_err(DurableError::io("create", &path))?;
        file.write(&framed::header(KIND)).map_err(DurableError::io("write", &path))?;
        for (number, entries) in (0u64..).zip(self.buffer.chunks(FRAME)) {
            let place = place(&name, number);
            let (mut payload, plain) = (Vec::new(), entries.concat());
            let bound = Bound { key: keys.current(), usage: Use::Spool, place: &[&place] };
            keys.seal_numbered(&mut payload, &bound, &plain, &**random)?;
            let frame = framed::frame(&payload)?;
            file.write(&frame).map_err(DurableError::io("write", &path))?;
        }
        file.sync().map_err(DurableError::io("sync", &path))?;
        disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
        self.runs.push(name);
        self.buffer.clear();
        Ok(())
    }

    /// Removes the runs.
    pub(crate) fn clear(&mut self) -> Result<(), StoreError> {
        for name in self.runs.drain(..) {
            let path = self.scratch.dir.join(name);
            self.scratch.disk.remove(&path).map_err(DurableError::io("remove", &path))?;
        }
        self.buffer = Vec::new();
        Ok(())
    }
}

/// What [`Sorter::sorted`] gives.
pub(crate) struct Sorted<'a, const N: usize> {
    runs: Vec<Run<N>>,
    heap: BinaryHeap<Reverse<([u8; N], usize)>>,
    memory: std::slice::Iter<'a, [u8; N]>,
    /// Entries that are still to come: a run that was cut between two frames reads to its end.
    left: u64,
    dir: &'a Path,
}

impl<const N: usize> Sorted<'_, N> {
    fn following(&mut self) -> Result<Option<[u8; N]>, StoreError> {
        let Some(mut top) = self.heap.peek_mut() else { return Ok(self.memory.next().copied()) };
        let Reverse((entry, at)) = *top;
        match self.runs.get_mut(at).map_or(Ok(None), Run::next)? {
            Some(following) => *top = Reverse((following, at)),
            None => drop(PeekMut::pop(top)),
        }
        Ok(Some(entry))
    }
}

impl<const N: usize> Iterator for Sorted<'_, N> {
    type Item = Result<[u8; N], StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.following().transpose() {
            None if self.left > 0 => {
                self.left = 0;
                Some(Err(StoreError::File { path: self.dir.to_owned(), why: "a run lost its end" }))
            }
            entry => {
                self.left = self.left.saturating_sub(1);
                entry
            }
        }
    }
}

struct Run<const N: usize> {
    scratch: Scratch,
    name: String,
    reader: framed::Reader,
    number: u64,
    entries: std::vec::IntoIter<[u8; N]>,
}

impl<const N: usize> Run<N> {
    fn open(scratch: &Scratch, name: &str) -> Result<Self, StoreError> {
        let path = scratch.dir.join(name);
        let reader = framed::Reader::open(&*scratch.disk, &path, KIND, None)?;
        let (scratch, name, entries) = (scratch.clone(), name.to_owned(), Vec::new().into_iter());
        Ok(Self { scratch, name, reader, number: 0, entries })
    }

    fn next(&mut self) -> Result<Option<[u8; N]>, StoreError> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Ok(Some(entry));
            }
            let damaged = |path: &Path| StoreError::File { path: path.to_owned(), why: "a run was changed" };
            let Some(frame) = self.reader.next_frame()? else {
                let path = self.scratch.dir.join(&self.name);
                return if self.reader.torn_len() == 0 { Ok(None) } else { Err(damaged(&path)) };
            };
            let place = place(&self.name, self.number);
            let opened = self.scratch.keys.open_numbered(Use::Spool, &[&place], &frame.payload);
            let plain = opened.map_err(|_| damaged(&self.scratch.dir.join(&self.name)))?;
            self.number += 1;
            let entries: Vec<[u8; N]> = plain.as_chunks::<N>().0.to_vec();
            self.entries = entries.into_iter();
        }
    }
}

fn place(name: &str, frame: u64) -> Vec<u8> {
    [b"run\0".as_slice(), name.as_bytes(), b"\0", &frame.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::durable::FaultDisk;
    use licence_seal::crypto::{Secret, SeededRandom};

    fn scratch() -> (FaultDisk, Scratch) {
        let (disk, random) = (FaultDisk::new(), SeededRandom::new("sorter"));
        let (dir, master) = (PathBuf::from("s"), Secret::from_bytes([3; 32]));
        disk.create_dir_all(&dir).unwrap();
        let keys = Arc::new(Keyring::create(&disk, &dir, &master, &random).unwrap());
        (disk.clone(), Scratch { disk: Arc::new(disk), dir, keys, random: Arc::new(random) })
    }

    fn sorter(scratch: &Scratch, limit: usize) -> Sorter<3> {
        Sorter { limit, ..Sorter::new(scratch.clone(), "run", 0) }
    }

    fn read(sorter: &mut Sorter<3>) -> Vec<[u8; 3]> {
        sorter.sorted().unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<[u8; 3]>),
        Save,
        /// All since it was saved is gone, and some runs of what is gone are still there.
        Kill,
        Read,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        // Few values, so that many are equal.
        let entries = prop::collection::vec(prop::array::uniform3(0u8..4), 0..60);
        let step = prop_oneof![
            4 => entries.prop_map(Step::Push),
            1 => Just(Step::Save),
            1 => Just(Step::Kill),
            1 => Just(Step::Read),
        ];
        prop::collection::vec(step, 0..12)
    }

    #[test]
    fn a_run_that_was_cut_anywhere_is_seen() {
        let (disk, scratch) = scratch();
        let mut sorter = sorter(&scratch, 100);
        (0..100).for_each(|n| sorter.push([n, 0, 0]).unwrap());
        let path = scratch.dir.join("run-00000");
        let whole = disk.read(&path).unwrap().unwrap();
        for length in 0..whole.len() as u64 {
            disk.truncate(&path, length).unwrap();
            let read = sorter.sorted().and_then(|sorted| sorted.collect::<Result<Vec<_>, _>>());
            assert!(read.is_err(), "{length} bytes");
            disk.tamper(&path, |content| *content = whole.clone());
        }
        assert_eq!(read(&mut sorter).len(), 100);
    }

    proptest! {
        #[test]
        fn what_was_pushed_comes_out_sorted_and_whole(limit in 1usize..80, steps in steps()) {
            let (disk, scratch) = scratch();
            let mut sorter = sorter(&scratch, limit);
            let (mut model, mut saved) = (Vec::new(), (Vec::new(), 0));
            for step in steps {
                match step {
                    Step::Push(entries) => {
                        entries.iter().for_each(|entry| sorter.push(*entry).unwrap());
                        model.extend(entries);
                    }
                    Step::Save => {
                        saved = sorter.save().unwrap();
                        prop_assert_eq!(saved.1, model.len() as u64);
                    }
                    Step::Kill => {
                        sorter = self::sorter(&scratch, limit).resume(saved.0.clone(), saved.1);
                        model.truncate(saved.1 as usize);
                    }
                    Step::Read => {
                        let mut wanted = model.clone();
                        wanted.sort_unstable();
                        prop_assert_eq!(read(&mut sorter), wanted);
                    }
                }
                prop_assert_eq!(sorter.len(), model.len() as u64);
            }
            model.sort_unstable();
            prop_assert_eq!(read(&mut sorter), model.clone());
            prop_assert_eq!(read(&mut sorter), model);
            let runs = sorter.runs.clone();
            sorter.clear().unwrap();
            let left = disk.list(&scratch.dir).unwrap();
            prop_assert!(runs.iter().all(|run| !left.contains(run)));
        }
    }
}
