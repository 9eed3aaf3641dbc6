//! Month keys that seal entries, year keys that blind holders; each wrapped in a file.
//!
//! A file is made durable before its key is used first. A destroyed month leaves a marker, so that a
//! key which is merely lost is told from one that was meant to go.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::prelude::*;
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::LogError;
use crate::durable::{Disk, DurableError, replace_file};
use licence_seal::crypto::{AeadKey, Random, Secret, hmac_sha256};
use licence_seal::time::Timestamp;

/// The keys of a log, opened with the master key.
pub struct Keys {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    master: AeadKey,
    open: Mutex<HashMap<String, Opened>>,
}

#[derive(Clone)]
struct Opened {
    secret: Secret,
    aead: Arc<AeadKey>,
}

impl Keys {
    /// The keys of the log in `log_dir`. Nothing is read yet.
    pub fn new(disk: Arc<dyn Disk>, log_dir: &Path, master: AeadKey) -> Self {
        Self { disk, dir: Self::folder(log_dir), master, open: Mutex::default() }
    }

    /// The key that opens the entries of `time`'s month; `None` when it was destroyed.
    ///
    /// # Errors
    /// [`LogError::MissingKey`] when it is gone without having been destroyed.
    pub fn month(&self, time: Timestamp) -> Result<Option<Arc<AeadKey>>, LogError> {
        let name = month_name(&time.month());
        match self.load(&name)? {
            Some(key) => Ok(Some(key.aead)),
            None if self.destroyed(&name)? => Ok(None),
            None => Err(LogError::MissingKey(name)),
        }
    }

    /// The blind index of a holder's code for the year of `time`: HMAC-SHA-256, base64url. `None` when
    /// nothing was ever blinded in that year.
    pub fn blind(&self, time: Timestamp, code: &str) -> Result<Option<String>, LogError> {
        Ok(self.load(&year_name(time))?.map(|key| blind(&key, code)))
    }

    /// Creates the keys for entries of `time` unless they are there.
    pub(super) fn prepare(&self, time: Timestamp, random: &dyn Random) -> Result<(), LogError> {
        for name in [month_name(&time.month()), year_name(time)] {
            if self.load(&name)?.is_some() {
                continue;
            }
            if self.destroyed(&name)? {
                return Err(LogError::DestroyedKey(name));
            }
            let secret = Secret::generate(random)?;
            let wrapped = self.master.seal(&aad(&name), secret.expose(), random)?;
            self.disk.create_dir_all(&self.dir).map_err(DurableError::io("create", &self.dir))?;
            replace_file(&*self.disk, &self.file(&name, "key"), &wrapped)?;
        }
        Ok(())
    }

    /// Destroys the key of a month, `2026-11`: from the file and from memory. Lasting on return.
    pub(super) fn destroy(&self, month: &str) -> Result<(), LogError> {
        let name = month_name(month);
        let path = self.file(&name, "key");
        if self.load(&name)?.is_none() {
            return Err(LogError::MissingKey(name));
        }
        replace_file(&*self.disk, &self.file(&name, "destroyed"), b"")?;
        self.disk.remove(&path).map_err(DurableError::io("remove", &path))?;
        self.disk.sync_dir(&self.dir).map_err(DurableError::io("sync", &self.dir))?;
        self.open.lock().remove(&name);
        Ok(())
    }

    /// The folder in which the keys of the log in `log_dir` lie.
    pub fn folder(log_dir: &Path) -> PathBuf {
        log_dir.join("keys")
    }

    /// What each key file is under another `master`: the same key, wrapped anew. Nothing is written.
    ///
    /// # Errors
    /// [`LogError::WrappedKey`]
    pub fn rewrapped(
        &self,
        master: &AeadKey,
        random: &dyn Random,
    ) -> Result<Vec<(PathBuf, Vec<u8>)>, LogError> {
        let mut files = Vec::new();
        for name in self.names()? {
            let Some(secret) = self.unwrap(&name)? else { continue };
            let wrapped = master.seal(&aad(&name), secret.expose(), random)?;
            files.push((self.file(&name, "key"), wrapped));
        }
        Ok(files)
    }

    /// Opens every key that there is; how many.
    ///
    /// # Errors
    /// [`LogError::WrappedKey`]
    pub fn check(&self) -> Result<usize, LogError> {
        let names = self.names()?;
        names.iter().try_for_each(|name| self.unwrap(name).map(|_| ()))?;
        Ok(names.len())
    }

    /// Names of the keys that there are. A log without an entry has none.
    fn names(&self) -> Result<Vec<String>, LogError> {
        let names = match self.disk.list(&self.dir) {
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            listed => listed.map_err(DurableError::io("list", &self.dir))?,
        };
        Ok(names.iter().filter_map(|name| name.strip_suffix(".key")).map(str::to_owned).collect())
    }

    fn load(&self, name: &str) -> Result<Option<Opened>, LogError> {
        let mut open = self.open.lock();
        if let Some(key) = open.get(name) {
            return Ok(Some(key.clone()));
        }
        let Some(secret) = self.unwrap(name)? else { return Ok(None) };
        let key = Opened { aead: Arc::new(secret.aead()?), secret };
        open.insert(name.to_owned(), key.clone());
        Ok(Some(key))
    }

    /// A key as its file has it; `None` if there is no such file.
    fn unwrap(&self, name: &str) -> Result<Option<Secret>, LogError> {
        let path = self.file(name, "key");
        let Some(wrapped) = self.disk.read(&path).map_err(DurableError::io("read", &path))? else {
            return Ok(None);
        };
        let plain = self.master.open(&aad(name), &wrapped).map(Zeroizing::new);
        let secret = plain.ok().and_then(|plain| Secret::from_slice(&plain));
        secret.map(Some).ok_or(LogError::WrappedKey(path))
    }

    fn destroyed(&self, name: &str) -> Result<bool, LogError> {
        let path = self.file(name, "destroyed");
        Ok(self.disk.read(&path).map_err(DurableError::io("read", &path))?.is_some())
    }

    fn file(&self, name: &str, ending: &str) -> PathBuf {
        self.dir.join(format!("{name}.{ending}"))
    }
}

fn blind(key: &Opened, code: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(hmac_sha256(key.secret.expose(), &[code.as_bytes()]))
}

fn month_name(month: &str) -> String {
    format!("month-{month}")
}

fn year_name(time: Timestamp) -> String {
    let month = time.month();
    format!("year-{}", month.rsplit_once('-').map_or("", |(year, _)| year))
}

fn aad(name: &str) -> Vec<u8> {
    format!("licence-access-key/v1\n{name}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::{FaultDisk, Plan};
    use licence_seal::crypto::SeededRandom;

    fn keys(disk: &FaultDisk) -> Keys {
        let master = Secret::from_bytes([1; 32]).aead().unwrap();
        Keys::new(Arc::new(disk.clone()), Path::new("log"), master)
    }

    #[test]
    fn a_key_lasts_before_it_is_used_and_is_the_same_after_a_crash() {
        let at = Timestamp::parse_rfc3339("2026-11-30T12:00:00Z").unwrap();
        for stop in 0..14 {
            let disk = FaultDisk::new();
            disk.plan(Plan::StopAt(stop));
            let before = keys(&disk);
            if before.prepare(at, &SeededRandom::new("keys")).is_ok() {
                let sealed =
                    before.month(at).unwrap().unwrap().seal(b"a", b"p", &SeededRandom::new("x")).unwrap();
                let after = keys(&disk.crash(0));
                assert_eq!(after.month(at).unwrap().unwrap().open(b"a", &sealed).unwrap(), b"p");
                assert_eq!(after.blind(at, "1").unwrap(), before.blind(at, "1").unwrap());
                assert_ne!(after.blind(at, "1").unwrap(), after.blind(at, "2").unwrap());
            }
        }
    }

    #[test]
    fn a_destroyed_key_is_told_from_a_lost_one_and_never_made_again() {
        let disk = FaultDisk::new();
        let at = Timestamp::parse_rfc3339("2026-11-30T12:00:00Z").unwrap();
        let one = keys(&disk);
        assert!(matches!(one.month(at), Err(LogError::MissingKey(_))));
        one.prepare(at, &SeededRandom::new("keys")).unwrap();
        one.destroy("2026-11").unwrap();
        assert!(one.month(at).unwrap().is_none());
        assert!(keys(&disk.crash(0)).month(at).unwrap().is_none());
        assert!(matches!(one.prepare(at, &SeededRandom::new("k")), Err(LogError::DestroyedKey(_))));
        assert!(one.blind(at, "1").unwrap().is_some(), "the year's key stays");
    }

    #[test]
    fn keys_wrapped_anew_are_the_same_and_a_destroyed_one_stays_so() {
        let disk = FaultDisk::new();
        let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let (one, two) = (at("2026-11-30T12:00:00Z"), at("2026-12-30T12:00:00Z"));
        let before = keys(&disk);
        [one, two].iter().for_each(|time| before.prepare(*time, &SeededRandom::new("keys")).unwrap());
        before.destroy("2026-11").unwrap();
        let other = || Secret::from_bytes([2; 32]).aead().unwrap();
        let files = before.rewrapped(&other(), &SeededRandom::new("again")).unwrap();
        assert_eq!((files.len(), before.check().unwrap()), (2, 2));
        for (path, content) in files {
            replace_file(&disk, &path, &content).unwrap();
        }
        let after = Keys::new(Arc::new(disk.clone()), Path::new("log"), other());
        assert_eq!(after.check().unwrap(), 2);
        assert_eq!(after.blind(two, "1").unwrap(), before.blind(two, "1").unwrap());
        assert!(after.month(one).unwrap().is_none());
        assert!(matches!(keys(&disk).month(two), Err(LogError::WrappedKey(_))));
    }
}
