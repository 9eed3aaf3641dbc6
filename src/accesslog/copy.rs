//! What a copy of the log needs, told while the log is running, and the proof that a copy is one.
//!
//! A copy is the journal's segments, the keys, `head` and `checkpoint`. Tiles and bundles are left out:
//! they are derived from the journal and many times as many files; opening a copy writes them anew. The
//! order makes it a copy that opens: head and checkpoint are read before the journal is frozen, and
//! the keys after it, so that no head is ahead of its entries and no entry is without its key.

use std::ops::ControlFlow;
use std::path::Path;

use super::entry::Entry;
use super::error::LogError;
use super::heads::{HeadCheck, read_heads};
use super::keys::Keys;
use super::leaf::{JOURNAL_KIND, leaf_hash, tree_hash};
use super::log::AccessLog;
use super::note::{Checkpoint, VerifierKey};
use crate::durable::{Disk, DurableError, scan};
use licence_seal::merkle::Frontier;

/// A copy of the log as of one moment: paths are below the log's folder.
#[derive(Clone, Debug)]
pub struct LogCopy {
    /// Entries and root of the copy; no signature stands behind it.
    pub at: Checkpoint,
    /// Framed files that nobody changes any more.
    pub unchanging: Vec<String>,
    /// Small files, and what they hold in the copy.
    pub changing: Vec<(String, Vec<u8>)>,
}

impl LogCopy {
    /// Kind of the frames of the unchanging files.
    pub const KIND: [u8; 4] = JOURNAL_KIND;
}

impl AccessLog {
    /// Says what a copy of everything logged so far needs. Appending goes on, in a new segment.
    pub fn freeze(&self) -> Result<LogCopy, LogError> {
        let disk = self.disk();
        let mut changing = self.published_heads()?;
        let (frozen, at) = self.frozen_journal()?;
        let in_journal = |name: &String| format!("journal/{name}");
        changing.push((in_journal(&frozen.floor.0), frozen.floor.1));
        let keys = self.dir().join("keys");
        // A log without an entry has none.
        let names = match disk.list(&keys) {
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            listed => listed.map_err(DurableError::io("list", &keys))?,
        };
        for name in names.into_iter().filter(|name| name.ends_with(".key") || name.ends_with(".destroyed")) {
            let path = keys.join(&name);
            // One that was destroyed meanwhile is gone, its marker may not have been listed yet.
            if let Some(content) = disk.read(&path).map_err(DurableError::io("read", &path))? {
                changing.push((format!("keys/{name}"), content));
            }
        }
        Ok(LogCopy { at, unchanging: frozen.segments.iter().map(in_journal).collect(), changing })
    }
}

/// Proves the copy of a log in `dir`: it ends exactly at `at`, what was signed is a prefix of it, and every
/// entry opens, but for those of months whose keys were destroyed. Needs no tiles; nothing is written or
/// signed. Returns how many entries opened.
///
/// # Errors
/// As [`super::OpenLog::open`]; [`LogError::HeadAhead`] and [`LogError::HeadDiffers`] speak of a `backup`.
pub fn check_copy(
    disk: &dyn Disk,
    dir: &Path,
    vkey: &VerifierKey,
    keys: &Keys,
    at: &Checkpoint,
) -> Result<u64, LogError> {
    let (head, signed, _) = read_heads(disk, dir, vkey)?;
    let mut heads = HeadCheck::new(head.as_ref(), signed.as_ref());
    heads.add("backup", at);
    let (mut tree, mut opened) = (Frontier::default(), 0);
    heads.at(&tree)?;
    scan(disk, &dir.join("journal"), JOURNAL_KIND, |_, bytes| {
        let entry = Entry::parse(tree.size(), bytes)?;
        if let Some(key) = keys.month(entry.time)? {
            entry.open(&vkey.name, &key)?;
            opened += 1;
        }
        tree.append(&tree_hash, leaf_hash(bytes));
        heads.at(&tree)?;
        Ok::<_, LogError>(ControlFlow::Continue(()))
    })?;
    heads.finish(tree.size())?;
    if tree.size() == at.size {
        Ok(opened)
    } else {
        Err(LogError::HeadDiffers { what: "backup", size: at.size })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::super::testing::{Bench, access};
    use super::super::{VerifyOptions, verify};
    use super::*;
    use crate::durable::replace_file;
    use licence_seal::crypto::Secret;

    const DIR: &str = "log";

    fn copied(bench: &Bench, copy: &LogCopy) -> Bench {
        let other = Bench::seeded("copy");
        let write = |path: PathBuf, content: &[u8]| {
            other.disk.create_dir_all(path.parent().unwrap()).unwrap();
            replace_file(&other.disk, &path, content).unwrap();
        };
        for name in &copy.unchanging {
            let path = Path::new(DIR).join(name);
            write(path.clone(), &bench.disk.read(&path).unwrap().unwrap());
        }
        copy.changing.iter().for_each(|(name, content)| write(Path::new(DIR).join(name), content));
        other
    }

    fn proven(copy: &Bench, at: &Checkpoint) -> Result<u64, LogError> {
        let master = Secret::from_bytes([1; 32]).aead().unwrap();
        let keys = Keys::new(Arc::new(copy.disk.clone()) as Arc<dyn Disk>, Path::new(DIR), master);
        check_copy(&copy.disk, Path::new(DIR), &copy.vkey(), &keys, at)
    }

    #[test]
    fn a_copy_taken_while_the_log_runs_opens_verifies_and_goes_on() {
        let bench = Bench::new();
        let log = bench.open().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // Past a full tile, so that a full one and partial ones must come back.
        let pending: Vec<_> = (0..300).map(|n| log.append_async(access("a", &n.to_string()))).collect();
        for pending in pending {
            runtime.block_on(pending).unwrap();
        }
        let copy = log.freeze().unwrap();
        log.append(access("a", "later")).unwrap();
        let again = log.freeze().unwrap();
        assert!(again.unchanging.starts_with(&copy.unchanging) && again.at.size == 301);

        let other = copied(&bench, &copy);
        assert_eq!(proven(&other, &copy.at).unwrap(), 300);
        assert!(matches!(proven(&other, &again.at), Err(LogError::HeadAhead { what: "backup", .. })));
        let restored = other.open().unwrap();
        restored.close().unwrap();
        let report = verify(&other.disk, Path::new(DIR), &other.vkey(), VerifyOptions::default());
        assert!(report.verified && report.size == 300, "{:?}", report.findings);
        assert_eq!(other.open().unwrap().append(access("a", "more")).unwrap().first_index, 300);
    }

    #[test]
    fn a_copy_that_lacks_a_file_or_has_a_changed_byte_is_none() {
        let bench = Bench::new();
        bench.log_some(5);
        let copy = bench.open().unwrap().freeze().unwrap();
        let good = copied(&bench, &copy);
        assert_eq!(proven(&good, &copy.at).unwrap(), 5);
        for path in good.disk.paths() {
            let text = path.to_string_lossy().into_owned();
            // A log without heads was never published; the year's key only blinds what is searched for.
            if ["head", "checkpoint", "floor"].iter().any(|name| text.ends_with(name))
                || text.contains("year-")
            {
                continue;
            }
            let without = good.after_crash(0);
            without.disk.remove(&path).unwrap();
            assert!(proven(&without, &copy.at).is_err(), "without {text}");
            let length = good.disk.len(&path).unwrap() as usize;
            for at in (0..length).step_by(7) {
                let changed = good.after_crash(0);
                changed.disk.tamper(&path, |content| content[at] ^= 4);
                assert!(proven(&changed, &copy.at).is_err(), "{text} byte {at}");
            }
        }
    }
}
