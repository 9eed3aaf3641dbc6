//! The few file operations that this crate's durable files need.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::DurableError;

/// Bytes that are copied at a time.
const COPY_BYTES: u64 = 1 << 20;

/// A place for files. Paths are whole paths; directories in them exist (see
/// [`Disk::create_dir_all`]).
pub trait Disk: Send + Sync {
    /// Creates an empty file to append to; fails if it exists. Its name lasts only after
    /// [`Disk::sync_dir`] on its directory.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file to append to.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens for reading from the start.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// Opens for reading from the byte `offset`; past the end nothing is there to read.
    fn open_at(&self, path: &Path, offset: u64) -> io::Result<Box<dyn Read + Send>>;

    /// Length in bytes.
    fn len(&self, path: &Path) -> io::Result<u64>;

    /// Cuts to `len` bytes and fsyncs.
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()>;

    /// Gives `from` the name `to`, replacing what had it, atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes created, renamed and removed names in `dir` last.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Creates `dir` and its parents, lasting on return.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Removes `dir` and all in it; no error if it is not there. Not necessarily lasting.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Names of the files in `dir`, sorted; directories are left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// The whole content; `None` if there is no such file.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let mut reader = match self.open(path) {
            Ok(reader) => reader,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(why),
        };
        let mut content = Vec::new();
        reader.read_to_end(&mut content)?;
        Ok(Some(content))
    }
}

/// A file being appended to.
pub trait DiskFile: Send {
    /// Writes all of `bytes` at the end. After an error any part of them may be there.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// On success all that was written lasts. After an error nothing written since the last success
    /// can be relied on, ever.
    fn sync(&mut self) -> io::Result<()>;
}

/// Replaces the content of `path` as one step: temporary file beside it, fsync, rename, fsync of
/// the directory. After a crash either the old or the new content is there.
pub fn replace_file(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<(), DurableError> {
    replace_from(disk, path, &mut &*content)
}

/// As [`replace_file`], with what `from` gives.
pub(super) fn replace_from(disk: &dyn Disk, path: &Path, from: &mut dyn Read) -> Result<(), DurableError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = dir.join(name);
    let fail = |action| DurableError::io(action, path);
    match disk.remove(&temporary) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(fail("replace")(why)),
        _ => {}
    }
    let mut file = disk.create(&temporary).map_err(fail("create"))?;
    let written = copy(from, &mut *file, path);
    drop(file);
    if let Err(why) = written {
        // Only to spare a full disk; the next replacement removes it otherwise.
        let _ = disk.remove(&temporary);
        return Err(why);
    }
    disk.rename(&temporary, path).map_err(fail("rename"))?;
    disk.sync_dir(dir).map_err(fail("sync the directory of"))
}

fn copy(from: &mut dyn Read, to: &mut dyn DiskFile, path: &Path) -> Result<(), DurableError> {
    let mut part = Vec::new();
    loop {
        part.clear();
        let read = from.take(COPY_BYTES).read_to_end(&mut part);
        if read.map_err(DurableError::io("read", path))? == 0 {
            return to.sync().map_err(DurableError::io("sync", path));
        }
        to.write(&part).map_err(DurableError::io("write", path))?;
    }
}

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl DiskFile for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Box::new(file))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().append(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn open_at(&self, path: &Path, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(len)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        File::open(dir)?.sync_all()
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            self.create_dir_all(parent)?;
        }
        match fs::create_dir(dir) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => return Err(why),
            _ => {}
        }
        self.sync_dir(parent.unwrap_or(Path::new(".")))
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        match fs::remove_dir_all(dir) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FaultDisk, Plan};
    use super::*;

    #[test]
    fn a_replaced_file_is_old_or_new_at_every_crash() {
        let path = Path::new("d/head");
        for stop in 0..12 {
            let disk = FaultDisk::new();
            disk.create_dir_all(Path::new("d")).unwrap();
            replace_file(&disk, path, b"old").unwrap();
            disk.plan(Plan::StopAt(stop));
            let done = replace_file(&disk, path, b"new").is_ok();
            let after = disk.crash(0).read(path).unwrap().unwrap();
            assert!(after == b"new" || (!done && after == b"old"), "stop at {stop}");
        }
    }

    #[test]
    fn reading_begins_where_it_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let fault = FaultDisk::new();
        for (disk, path) in [(&RealDisk as &dyn Disk, &*dir.path().join("f")), (&fault, Path::new("d/f"))] {
            disk.create(path).unwrap().write(b"0123456789").unwrap();
            for (offset, expected) in [(0, "0123456789"), (7, "789"), (10, ""), (1 << 40, "")] {
                let mut found = String::new();
                disk.open_at(path, offset).unwrap().read_to_string(&mut found).unwrap();
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn the_real_disk_keeps_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, deep) = (RealDisk, dir.path().join("a/b"));
        disk.create_dir_all(&deep).unwrap();
        let path = deep.join("file");
        replace_file(&disk, &path, b"one").unwrap();
        replace_file(&disk, &path, b"two").unwrap();
        disk.append(&path).unwrap().write(b"three").unwrap();
        assert_eq!(disk.read(&path).unwrap().unwrap(), b"twothree");
        disk.truncate(&path, 3).unwrap();
        assert_eq!(disk.len(&path).unwrap(), 3);
        assert_eq!(disk.list(&deep).unwrap(), ["file"]);
        assert!(disk.create(&path).is_err());
        assert_eq!(disk.read(&deep.join("none")).unwrap(), None);
    }
}
