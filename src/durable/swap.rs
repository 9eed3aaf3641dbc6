//! Several files, in several folders, replaced as one step.
//!
//! ```text
//! NAME.staged   what NAME is to become, whole and fsynced
//! MARKER        the step is taken: every NAME.staged becomes NAME
//! ```
//! Without the marker what is staged counts for nothing and is removed. With it only renames are left, so
//! whoever finds it can end the step, and does so before anything is read ([`Swap::settle`]). Nothing that the
//! next rename or removal rests on is left without its directory fsync: a process may have been killed
//! between the two, and the power may go later.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Disk, DurableError, replace_file};

const STAGED: &str = ".staged";

/// The folders, and where the marker stands: not in one of them.
pub struct Swap<'a> {
    pub disk: &'a dyn Disk,
    pub marker: PathBuf,
    pub dirs: Vec<PathBuf>,
}

impl Swap<'_> {
    /// Ends the step that was taken and interrupted, or removes what was staged for one that was not. What the
    /// marker of a step that was ended says, in the words of [`Swap::commit`].
    ///
    /// # Errors
    /// [`DurableError::Io`]; the next call goes on.
    pub fn settle(&self) -> Result<Option<Vec<u8>>, DurableError> {
        let note = self.disk.read(&self.marker).map_err(DurableError::io("read", &self.marker))?;
        if note.is_some() {
            self.sync_marker()?;
        }
        for dir in &self.dirs {
            let names = match self.disk.list(dir) {
                Err(why) if why.kind() == ErrorKind::NotFound => continue,
                listed => listed.map_err(DurableError::io("list", dir))?,
            };
            for name in names {
                let path = dir.join(&name);
                match name.strip_suffix(STAGED) {
                    Some(target) if note.is_some() => {
                        let target = dir.join(target);
                        self.disk.rename(&path, &target).map_err(DurableError::io("rename", &path))?;
                    }
                    None if !name.ends_with(&format!("{STAGED}.tmp")) => {}
                    _ => self.disk.remove(&path).map_err(DurableError::io("remove", &path))?,
                }
            }
            self.disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
        }
        if note.is_some() {
            self.disk.remove(&self.marker).map_err(DurableError::io("remove", &self.marker))?;
            self.sync_marker()?;
        }
        Ok(note)
    }

    /// Stages what `path`, a file in one of the folders, is to become. The last step was settled before.
    ///
    /// # Errors
    /// [`DurableError::Io`]
    pub fn stage(&self, path: &Path, content: &[u8]) -> Result<(), DurableError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(STAGED);
        replace_file(self.disk, &path.with_file_name(name), content)
    }

    /// Takes the step. `note` is for whoever has to end it.
    ///
    /// # Errors
    /// [`DurableError::Io`]: whether the step is taken is seen when the folders are settled.
    pub fn commit(&self, note: &[u8]) -> Result<(), DurableError> {
        replace_file(self.disk, &self.marker, note)?;
        self.settle().map(|_| ())
    }

    /// Whether a step was taken and not ended.
    ///
    /// # Errors
    /// [`DurableError::Io`]
    pub fn is_interrupted(&self) -> Result<bool, DurableError> {
        Ok(self.disk.read(&self.marker).map_err(DurableError::io("read", &self.marker))?.is_some())
    }

    fn sync_marker(&self) -> Result<(), DurableError> {
        let dir = self.marker.parent().unwrap_or(Path::new("."));
        self.disk.sync_dir(dir).map_err(DurableError::io("sync", dir))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FaultDisk, Plan, RealDisk};
    use super::*;

    const FILES: [&str; 4] = ["a/one", "a/two", "b/one", "b/three"];

    fn swap(disk: &dyn Disk) -> Swap<'_> {
        Swap { disk, marker: "data/marker".into(), dirs: ["a", "b", "none"].map(PathBuf::from).to_vec() }
    }

    fn all(disk: &FaultDisk) -> Vec<Option<Vec<u8>>> {
        FILES.iter().map(|name| disk.read(Path::new(name)).unwrap()).collect()
    }

    fn prepared() -> FaultDisk {
        let disk = FaultDisk::new();
        for name in FILES {
            replace_file(&disk, Path::new(name), b"old").unwrap();
        }
        disk
    }

    fn change(disk: &FaultDisk) -> Result<(), DurableError> {
        let swap = swap(disk);
        swap.settle()?;
        FILES.iter().try_for_each(|name| swap.stage(Path::new(name), b"new"))?;
        swap.commit(b"note")
    }

    /// What is there after a start: all old or all new, and nothing else.
    fn settled(disk: &FaultDisk, what: &str) -> bool {
        swap(disk).settle().unwrap();
        let found = all(disk);
        let new = found[0].as_deref() == Some(b"new");
        assert!(found.iter().all(|one| one.as_deref() == Some(if new { b"new" } else { b"old" })), "{what}");
        let mut paths: Vec<_> = disk.paths();
        paths.retain(|path| !path.ends_with("marker.tmp"));
        assert_eq!(paths, FILES.map(PathBuf::from), "{what}");
        assert_eq!(swap(disk).settle().unwrap(), None);
        new
    }

    #[test]
    fn all_files_are_old_or_all_are_new_wherever_kill_and_power_loss_come() {
        let disk = prepared();
        disk.plan(Plan::Work);
        change(&disk).unwrap();
        let calls = disk.calls();
        let mut seen = [0, 0];
        for kill in 0..=calls {
            // Each start settles, and is stopped in its turn; then the power goes.
            for stop in 0..25 {
                for seed in 0..4 {
                    let disk = prepared();
                    disk.plan(Plan::StopAt(kill));
                    let done = change(&disk).is_ok();
                    disk.plan(Plan::StopAt(stop));
                    let _ = swap(&disk).settle();
                    let after = if seed == 0 { disk.crash(0) } else { disk.crash_reordered(seed) };
                    let new = settled(&after, &format!("kill {kill} stop {stop} seed {seed}"));
                    assert!(new || !done);
                    seen[usize::from(new)] += 1;
                }
            }
        }
        assert!(seen[0] > 500 && seen[1] > 500, "{seen:?}");
    }

    #[test]
    fn after_any_one_failed_call_the_next_change_is_whole() {
        let mut fail = 0;
        loop {
            let disk = prepared();
            disk.plan(Plan::FailAt(fail, ErrorKind::StorageFull));
            if change(&disk).is_ok() {
                break;
            }
            disk.plan(Plan::Work);
            settled(&disk, &format!("failed call {fail}"));
            change(&disk).unwrap();
            assert!(settled(&disk.crash_reordered(fail), "after"));
            fail += 1;
        }
        assert!(fail > 20);
    }

    #[test]
    fn what_an_older_change_staged_does_not_go_along() {
        let disk = prepared();
        swap(&disk).stage(Path::new("a/gone"), b"older").unwrap();
        for seed in 0..20 {
            let disk = disk.crash(0);
            change(&disk).unwrap();
            assert!(settled(&disk.crash_reordered(seed), "seed"));
        }
    }

    #[test]
    fn an_interrupted_step_is_told_with_its_note_on_a_real_disk() {
        let dir = tempfile::tempdir().unwrap();
        let (file, marker) = (dir.path().join("a/file"), dir.path().join("marker"));
        RealDisk.create_dir_all(&dir.path().join("a")).unwrap();
        let swap =
            Swap { disk: &RealDisk, marker, dirs: vec![dir.path().join("a"), dir.path().join("none")] };
        swap.stage(&file, b"new").unwrap();
        replace_file(&RealDisk, &swap.marker, b"note").unwrap();
        assert!(swap.is_interrupted().unwrap() && !file.exists());
        assert_eq!(swap.settle().unwrap().unwrap(), b"note");
        assert!(!swap.is_interrupted().unwrap() && swap.settle().unwrap().is_none());
        assert_eq!(std::fs::read(file).unwrap(), b"new");
    }
}
