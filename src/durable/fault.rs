//! A disk in memory that forgets and fails, for tests of this crate and of what is built on it.
//!
//! It is meaner than most real ones: names are gone without a directory fsync, content without a
//! file fsync, and a failed fsync loses what it should have written for good, although later fsyncs
//! on the file report success (as Linux does).

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

/// What to do to the calls that change something (write, fsync, create, rename, remove, truncate,
/// directory fsync), counted from 0 since the plan was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// All goes well.
    Work,
    /// The n-th call fails with this kind, after doing half of a write.
    FailAt(u64, io::ErrorKind),
    /// The n-th call and all later ones fail: the machine stops here.
    StopAt(u64),
}

/// The disk; a clone is another handle to it.
#[derive(Clone)]
pub struct FaultDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    files: HashMap<u64, Content>,
    names: BTreeMap<PathBuf, u64>,
    lasting_names: BTreeMap<PathBuf, u64>,
    next: u64,
    calls: u64,
    plan: Option<Plan>,
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    lasting: Vec<u8>,
    lost: bool,
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
        state.calls = 0;
    }

    /// Changing calls since the last [`FaultDisk::plan`].
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// The disk as a new start finds it after power was lost now: lasting names with lasting content,
    /// of which each file keeps up to `torn` bytes that were written but not fsynced.
    pub fn crash(&self, torn: usize) -> Self {
        let state = self.state();
        let mut after = State { names: state.lasting_names.clone(), next: state.next, ..State::default() };
        after.lasting_names = after.names.clone();
        for inode in after.names.values() {
            let Some(content) = state.files.get(inode) else { continue };
            let mut kept = content.lasting.clone();
            if let Some(more) = content.now.get(kept.len()..) {
                kept.extend(more.iter().take(torn));
            }
            after.files.insert(*inode, Content { now: kept.clone(), lasting: kept, lost: false });
        }
        Self(Arc::new(Mutex::new(after)))
    }

    /// Changes stored bytes from outside, as damage or a forger would.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = state.names.get(path).copied();
        if let Some(content) = inode.and_then(|inode| state.files.get_mut(&inode)) {
            change(&mut content.now);
            content.lasting = content.now.clone();
        }
    }

    /// Paths of all files there are.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a changing call and fails it if the plan says so.
    fn step(&mut self) -> io::Result<()> {
        let call = self.calls;
        self.calls += 1;
        match self.plan {
            Some(Plan::FailAt(at, kind)) if call == at => Err(kind.into()),
            Some(Plan::StopAt(at)) if call >= at => Err(io::Error::other("the machine stopped")),
            _ => Ok(()),
        }
    }

    fn content(&mut self, path: &Path) -> io::Result<&mut Content> {
        let inode = self.names.get(path).copied();
        inode.and_then(|inode| self.files.get_mut(&inode)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

struct Handle {
    disk: FaultDisk,
    inode: u64,
}

impl DiskFile for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let outcome = state.step();
        let part = if outcome.is_ok() { bytes.len() } else { bytes.len() / 2 };
        if let Some(content) = state.files.get_mut(&self.inode) {
            content.now.extend(bytes.iter().take(part));
        }
        outcome
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        let outcome = state.step();
        if let Some(content) = state.files.get_mut(&self.inode) {
            content.lost |= outcome.is_err();
            if !content.lost {
                content.lasting = content.now.clone();
            }
        }
        outcome
    }
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.step()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.next;
        state.next += 1;
        state.files.insert(inode, Content::default());
        state.names.insert(path.to_owned(), inode);
        Ok(Box::new(Handle { disk: self.clone(), inode }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.state().names.get(path).copied();
        let inode = inode.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Handle { disk: self.clone(), inode }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.open_at(path, 0)
    }

    fn open_at(&self, path: &Path, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut reader = Cursor::new(self.state().content(path)?.now.clone());
        reader.set_position(offset);
        Ok(Box::new(reader))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(self.state().content(path)?.now.len() as u64)
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let content = state.content(path)?;
        content.now.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        content.lasting = content.now.clone();
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.names.remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let in_dir = |path: &PathBuf| path.parent() == Some(dir);
        let kept: Vec<_> =
            state.names.iter().filter(|(path, _)| in_dir(path)).map(|(p, i)| (p.clone(), *i)).collect();
        state.lasting_names.retain(|path, _| !in_dir(path));
        state.lasting_names.extend(kept);
        Ok(())
    }

    fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.names.retain(|path, _| !path.starts_with(dir));
        state.lasting_names.retain(|path, _| !path.starts_with(dir));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let in_dir = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(in_dir.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }
}
