//! One process owns a data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::DurableError;

/// An exclusive lock on a directory, held until dropped or until the process ends.
#[derive(Debug)]
pub struct DirLock {
    file: File,
}

impl DirLock {
    /// Takes the lock through the file `.lock` in `dir`, without waiting.
    ///
    /// # Errors
    /// [`DurableError::Locked`] when somebody else holds it.
    pub fn acquire(dir: &Path) -> Result<Self, DurableError> {
        let path = dir.join(".lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(DurableError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(DurableError::Locked(dir.to_owned())),
            Err(TryLockError::Error(why)) => Err(DurableError::io("lock", &path)(why)),
        }
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // Closing would not do: a process that is just being started has the file too until it runs its program.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let held = DirLock::acquire(dir.path()).unwrap();
        assert!(matches!(DirLock::acquire(dir.path()), Err(DurableError::Locked(_))));
        let inherited = held.file.try_clone().unwrap();
        drop(held);
        DirLock::acquire(dir.path()).unwrap();
        drop(inherited);
    }
}
