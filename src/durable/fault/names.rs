//! Which names there are: as programs see them, and as a directory fsync has made them last.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::dice::Dice;

pub(super) type Inode = u64;

#[derive(Default)]
pub(super) struct Names {
    now: BTreeMap<PathBuf, Inode>,
    lasting: BTreeMap<PathBuf, Inode>,
    /// What no directory fsync has made last, oldest first.
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Create(PathBuf, Inode),
    Rename(PathBuf, PathBuf, Inode),
    Remove(PathBuf, Inode),
}

impl Change {
    /// The directory whose fsync makes it last.
    fn dir(&self) -> Option<&Path> {
        match self {
            Self::Create(path, _) | Self::Rename(_, path, _) | Self::Remove(path, _) => path.parent(),
        }
    }

    /// In any order: only what still names the file that was meant is taken away.
    fn apply(self, names: &mut BTreeMap<PathBuf, Inode>) {
        match self {
            Self::Create(path, inode) => drop(names.insert(path, inode)),
            Self::Rename(from, to, inode) => {
                Self::Remove(from, inode).apply(names);
                names.insert(to, inode);
            }
            Self::Remove(path, inode) => {
                if names.get(&path) == Some(&inode) {
                    names.remove(&path);
                }
            }
        }
    }
}

impl Names {
    pub(super) fn lasting(names: BTreeMap<PathBuf, Inode>) -> Self {
        Self { now: names.clone(), lasting: names, pending: Vec::new() }
    }

    pub(super) fn now(&self) -> &BTreeMap<PathBuf, Inode> {
        &self.now
    }

    pub(super) fn get(&self, path: &Path) -> Option<Inode> {
        self.now.get(path).copied()
    }

    pub(super) fn create(&mut self, path: &Path, inode: Inode) {
        self.change(Change::Create(path.to_owned(), inode));
    }

    /// Whether there was such a name.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> bool {
        let inode = self.get(from);
        inode.map(|inode| self.change(Change::Rename(from.to_owned(), to.to_owned(), inode))).is_some()
    }

    /// Whether there was such a name.
    pub(super) fn remove(&mut self, path: &Path) -> bool {
        let inode = self.get(path);
        inode.map(|inode| self.change(Change::Remove(path.to_owned(), inode))).is_some()
    }

    pub(super) fn remove_below(&mut self, dir: &Path) {
        let below: Vec<_> = self.now.keys().filter(|path| path.starts_with(dir)).cloned().collect();
        for path in below {
            self.remove(&path);
        }
    }

    pub(super) fn sync(&mut self, dir: &Path) {
        let inside = |path: &PathBuf| path.parent() == Some(dir);
        self.lasting.retain(|path, _| !inside(path));
        let now = self.now.iter().filter(|(path, _)| inside(path));
        self.lasting.extend(now.map(|(path, inode)| (path.clone(), *inode)));
        self.pending.retain(|change| change.dir() != Some(dir));
    }

    pub(super) fn synced(&self) -> BTreeMap<PathBuf, Inode> {
        self.lasting.clone()
    }

    /// Each change since the last fsync of its directory happened or not, in any order.
    pub(super) fn reordered(&self, dice: &Dice) -> BTreeMap<PathBuf, Inode> {
        let odds = dice.odds();
        let mut happened: Vec<_> = self.pending.iter().filter(|_| dice.happened(odds)).cloned().collect();
        dice.shuffle(&mut happened);
        let mut names = self.lasting.clone();
        happened.into_iter().for_each(|change| change.apply(&mut names));
        names
    }

    fn change(&mut self, change: Change) {
        change.clone().apply(&mut self.now);
        self.pending.push(change);
    }
}
