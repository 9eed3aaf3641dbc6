//! A disk in memory that forgets and fails, for tests of this crate and of what is built on it.
//!
//! It is meaner than most real ones: names are gone without a directory fsync, content without a
//! file fsync, and a failed fsync loses what it should have written for good, although later fsyncs
//! on the file report success (as Linux does). Until the machine stops all of it can be read, so a
//! process that starts again sees what a crash will still take away.
//!
//! A crash leaves one of many disks. [`FaultDisk::crash`] gives those where files end early;
//! [`FaultDisk::crash_reordered`] those where the medium took what was not fsynced in an order of its
//! own: sectors of 512 bytes are there or not whatever their order, and so are names. A sector is
//! written whole; what never arrived reads as zeros, since no file system this node is meant for shows
//! an older file's bytes.

mod content;
mod dice;
mod names;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use self::content::Content;
use self::dice::Dice;
use self::names::{Inode, Names};
use super::{Disk, DiskFile};

/// What to do to the calls that change something (write, fsync, create, rename, remove, truncate,
/// directory fsync), counted from 0 since the plan was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// All goes well.
    Work,
    /// The n-th call fails with this kind, after doing half of a write.
    FailAt(u64, io::ErrorKind),
    /// The n-th fsync, of a file or a directory, fails as a broken medium does (EIO).
    FailSync(u64),
    /// With the n-th call the disk is full: writes get as far as what was removed since then lets
    /// them, and no file is created when there is no room at all.
    FullFrom(u64),
    /// The n-th call and all later ones fail: the machine stops here.
    StopAt(u64),
}

/// The disk; a clone is another handle to it.
#[derive(Clone)]
pub struct FaultDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    files: HashMap<Inode, Content>,
    names: Names,
    next: Inode,
    calls: u64,
    syncs: u64,
    plan: Option<Plan>,
    /// Bytes that there is room for, once the disk is full.
    capacity: Option<usize>,
}

impl Default for FaultDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl FaultDisk {
    /// An empty disk on which all goes well.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Sets the plan and counts calls from 0 again.
    pub fn plan(&self, plan: Plan) {
        let mut state = self.state();
        state.plan = Some(plan);
        (state.calls, state.syncs, state.capacity) = (0, 0, None);
    }

    /// Changing calls since the last [`FaultDisk::plan`].
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// The disk as a new start finds it after power was lost now: lasting names with lasting content,
    /// of which each file keeps up to `torn` bytes that were written but not fsynced.
    pub fn crash(&self, torn: usize) -> Self {
        let state = self.state();
        state.after(state.names.synced(), |content| content.torn(torn))
    }

    /// The disk as a new start finds it after power was lost now, where each sector and each name that
    /// was not fsynced may have reached it, in any order. The same seed gives the same disk.
    pub fn crash_reordered(&self, seed: u64) -> Self {
        let (state, dice) = (self.state(), Dice::new(seed));
        state.after(state.names.reordered(&dice), |content| content.reordered(&dice))
    }

    /// Changes stored bytes from outside, as damage or a forger would.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        if let Ok(content) = self.state().content(path) {
            let mut bytes = content.now().to_vec();
            change(&mut bytes);
            *content = Content::lasting(bytes);
        }
    }

    /// Paths of all files there are.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().names.now().keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl State {
    /// Counts a changing call and fails it if the plan says so.
    fn step(&mut self) -> io::Result<()> {
        let call = self.calls;
        self.calls += 1;
        match self.plan {
            Some(Plan::FailAt(at, kind)) if call == at => return Err(kind.into()),
            Some(Plan::StopAt(at)) if call >= at => return Err(io::Error::other("the machine stopped")),
            Some(Plan::FullFrom(at)) if call >= at && self.capacity.is_none() => {
                self.capacity = Some(self.used());
            }
            _ => {}
        }
        Ok(())
    }

    fn step_sync(&mut self) -> io::Result<()> {
        let sync = self.syncs;
        self.syncs += 1;
        self.step()?;
        match self.plan {
            Some(Plan::FailSync(at)) if sync == at => Err(io::Error::other("the medium failed")),
            _ => Ok(()),
        }
    }

    fn used(&self) -> usize {
        self.names.now().values().filter_map(|inode| self.files.get(inode)).map(|file| file.now().len()).sum()
    }

    fn room(&self) -> usize {
        self.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(self.used()))
    }

    fn content(&mut self, path: &Path) -> io::Result<&mut Content> {
        let inode = self.names.get(path);
        inode.and_then(|inode| self.files.get_mut(&inode)).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn after(&self, names: BTreeMap<PathBuf, Inode>, kept: impl Fn(&Content) -> Vec<u8>) -> FaultDisk {
        // In the order of their making: the dice fall the same way each time.
        let mut inodes: Vec<_> = names.values().copied().collect();
        inodes.sort_unstable();
        inodes.dedup();
        let file = |inode| Some((inode, Content::lasting(kept(self.files.get(&inode)?))));
        let files = inodes.into_iter().filter_map(file).collect();
        let after = State { files, names: Names::lasting(names), next: self.next, ..State::default() };
        FaultDisk(Arc::new(Mutex::new(after)))
    }
}

struct Handle {
    disk: FaultDisk,
    inode: Inode,
}

impl DiskFile for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let mut outcome = state.step();
        let mut part = if outcome.is_ok() { bytes.len() } else { bytes.len() / 2 };
        let room = state.room();
        if part > room {
            (part, outcome) = (room, Err(ErrorKind::StorageFull.into()));
        }
        if let Some(content) = state.files.get_mut(&self.inode) {
            content.append(bytes.get(..part).unwrap_or(bytes));
        }
        outcome
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        let outcome = state.step_sync();
        if let Some(content) = state.files.get_mut(&self.inode) {
            content.sync(outcome.is_ok());
        }
        outcome
    }
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.step()?;
        if state.names.get(path).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if state.room() == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        let inode = state.next;
        state.next += 1;
        state.files.insert(inode, Content::default());
        state.names.create(path, inode);
        Ok(Box::new(Handle { disk: self.clone(), inode }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.state().names.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(Handle { disk: self.clone(), inode }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.open_at(path, 0)
    }

    fn open_at(&self, path: &Path, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut reader = Cursor::new(self.state().content(path)?.now().to_vec());
        reader.set_position(offset);
        Ok(Box::new(reader))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(self.state().content(path)?.now().len() as u64)
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.content(path)?.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        if state.names.rename(from, to) { Ok(()) } else { Err(ErrorKind::NotFound.into()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        if state.names.remove(path) { Ok(()) } else { Err(ErrorKind::NotFound.into()) }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step_sync()?;
        state.names.sync(dir);
        Ok(())
    }

    fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.names.remove_below(dir);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let in_dir = state.names.now().keys().filter(|path| path.parent() == Some(dir));
        Ok(in_dir.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests;
