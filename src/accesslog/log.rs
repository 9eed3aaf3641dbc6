//! The log of a running node.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::entry::{Details, Entry, Outcome};
use super::error::LogError;
use super::heads::{HeadCheck, read_heads};
use super::keys::Keys;
use super::leaf::{JOURNAL_KIND, leaf_hash, tree_hash};
use super::ledger::{Access, LogLedger, Logged, State};
use super::note::{Checkpoint, VerifierKey};
use super::publish::{Inclusion, Publisher, write_tiles};
use super::search::{Filter, Found, search};
use super::tiles::{Edge, Resource};
use super::unknown::Unknown;
use crate::durable::{Committer, Disk, DurableError, Frozen, Journal, Limits};
use licence_seal::crypto::{AeadKey, Ed25519Signer, Random};
use licence_seal::merkle::Hash;
use licence_seal::time::{Clock, Day};

/// Partners whose counters go into one entry before a key is destroyed.
const COUNTERS_PER_ENTRY: usize = 200;

/// What is fixed for a log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Name of the log and of its key, for example `licence-node.example/120000/log/1`; no spaces, no `+`.
    pub origin: String,
    /// Region code on each entry.
    pub region: String,
    /// Longest time until an entry is under a checkpoint; default 500 ms.
    pub publish_every: Duration,
    /// Size after which a new journal file begins; default 64 MiB.
    pub segment_bytes: u64,
    pub limits: Limits,
}

impl LogSettings {
    pub fn new(origin: &str, region: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            region: region.to_owned(),
            publish_every: Duration::from_millis(500),
            segment_bytes: 64 << 20,
            limits: Limits::default(),
        }
    }
}

/// What opening found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    pub entries: u64,
    /// Bytes of an append that was interrupted; nobody was told that it succeeded.
    pub torn_bytes: u64,
}

/// The open log. One process per directory: hold a [`crate::durable::DirLock`].
pub struct AccessLog {
    shared: Arc<Shared>,
    keys: Arc<Keys>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    origin: String,
    clock: Arc<dyn Clock>,
    committer: Committer<LogLedger>,
    state: Arc<Mutex<State>>,
    publisher: Mutex<Publisher>,
    unknown: Mutex<Unknown>,
    stop: Mutex<bool>,
    wake: Condvar,
}

/// What a log is opened from.
pub struct OpenLog<'a> {
    pub disk: Arc<dyn Disk>,
    /// Its folder; made if it is not there.
    pub dir: &'a Path,
    pub settings: LogSettings,
    /// Wraps the month and year keys.
    pub master: AeadKey,
    pub signer: Ed25519Signer,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

impl OpenLog<'_> {
    /// Opens or creates the log, reads it from end to end, and starts its threads.
    ///
    /// # Errors
    /// [`LogError::HeadAhead`], [`LogError::HeadDiffers`]: what was signed before is not a prefix of the
    /// files. Damage; an entry that is not this log's; a missing key.
    pub fn open(self) -> Result<(AccessLog, Opened), LogError> {
        let Self { disk, dir, settings, master, signer, clock, random } = self;
        disk.create_dir_all(dir).map_err(DurableError::io("create", dir))?;
        let keys = Arc::new(Keys::new(Arc::clone(&disk), dir, master));
        let vkey = VerifierKey { name: settings.origin.clone(), key: signer.public() };
        let (head, signed, note) = read_heads(&*disk, dir, &vkey)?;

        let mut state = State::default();
        let mut edge = Edge::default();
        let mut heads = HeadCheck::new(head.as_ref(), signed.as_ref());
        let in_tiles = head.as_ref().map_or(0, |head| head.size);
        let now = clock.now();
        heads.at(state.committed())?;
        let replay = |_, bytes: &[u8]| {
            let index = state.committed().size();
            let entry = Entry::parse(index, bytes)?;
            let details = match keys.month(entry.time)? {
                Some(key) => Some(entry.open(&settings.origin, &key)?),
                None => None,
            };
            if index < in_tiles {
                let mut missing = Vec::new();
                edge.push(bytes.into(), leaf_hash(bytes), |(path, content)| {
                    if disk.len(&dir.join(&path)).ok() != Some(content.len() as u64) {
                        missing.push((path, content));
                    }
                });
                write_tiles(&*disk, dir, missing)?;
            }
            state.replay(bytes, &entry, details.as_ref(), index >= in_tiles, now);
            heads.at(state.committed())
        };
        let (journal, replayed) = Journal::open(
            Arc::clone(&disk),
            &dir.join("journal"),
            JOURNAL_KIND,
            settings.segment_bytes,
            replay,
        )?;
        heads.finish(state.committed().size())?;
        // Of a copy that was restored they are not there.
        let mut partials = edge.partials();
        partials.retain(|(path, content)| disk.len(&dir.join(path)).ok() != Some(content.len() as u64));
        write_tiles(&*disk, dir, partials)?;

        let state = Arc::new(Mutex::new(state));
        let ledger = LogLedger {
            state: Arc::clone(&state),
            keys: Arc::clone(&keys),
            clock: Arc::clone(&clock),
            random,
            origin: settings.origin.clone(),
            region: settings.region,
        };
        let publisher = Publisher::new(Arc::clone(&disk), dir, &settings.origin, signer, edge, note);
        let shared = Arc::new(Shared {
            disk,
            dir: dir.to_owned(),
            origin: settings.origin,
            clock,
            committer: Committer::start("log-writer", journal, ledger, settings.limits)?,
            state,
            publisher: Mutex::new(publisher),
            unknown: Mutex::default(),
            stop: Mutex::new(false),
            wake: Condvar::new(),
        });
        shared.publish()?;
        let (publishing, every) = (Arc::clone(&shared), settings.publish_every);
        let thread = std::thread::Builder::new()
            .name("log-publisher".to_owned())
            .spawn(move || publishing.run(every))
            .map_err(DurableError::io("start the publisher of", dir))?;
        let opened = Opened { entries: replayed.payloads, torn_bytes: replayed.torn_bytes };
        Ok((AccessLog { shared, keys, thread: Mutex::new(Some(thread)) }, opened))
    }
}

impl AccessLog {
    /// Logs an access; it lasts on return. Blocks: not for async tasks.
    ///
    /// # Errors
    /// Nothing was logged. [`LogError::Replayed`], [`LogError::DailyLimit`] and [`LogError::EntryTooLarge`] are
    /// about this access; to keep them on record, log it again as refused, without its `jti`.
    pub fn append(&self, access: Access) -> Result<Logged, LogError> {
        Ok(self.shared.committer.submit(access)?)
    }

    /// As [`AccessLog::append`]. The access is handed in at once, its place fixed; dropping the future
    /// does not take it back.
    pub fn append_async(
        &self,
        access: Access,
    ) -> impl Future<Output = Result<Logged, LogError>> + Send + use<> {
        let pending = self.shared.committer.submit_async(access);
        async move { Ok(pending.await?) }
    }

    /// Counts a request of an unknown source; written as one entry per source, reason and minute.
    pub fn count_unknown(&self, source: &str, reason: &str) {
        self.shared.unknown.lock().count(source, reason, self.shared.clock.now());
    }

    /// Brings tiles and checkpoint up to everything appended so far, and writes the counts of unknown
    /// sources of minutes that are over. The background thread does so at least once a second.
    pub fn publish_now(&self) -> Result<(), LogError> {
        self.shared.write_unknown(false)?;
        self.shared.publish()
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.shared.disk
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// The files `head` and `checkpoint`, which belong together, brought up to date.
    pub(super) fn published_heads(&self) -> Result<Vec<(String, Vec<u8>)>, LogError> {
        let mut publisher = self.shared.publisher.lock();
        publisher.publish(&self.shared.state)?;
        let mut heads = Vec::new();
        for name in ["head", "checkpoint"] {
            let path = self.shared.dir.join(name);
            if let Some(content) = self.shared.disk.read(&path).map_err(DurableError::io("read", &path))? {
                heads.push((name.to_owned(), content));
            }
        }
        Ok(heads)
    }

    /// The journal up to now, and the tree of its entries.
    pub(super) fn frozen_journal(&self) -> Result<(Frozen, Checkpoint), LogError> {
        let frozen = self.shared.committer.run(|journal, ledger| {
            let tree = ledger.state.lock().committed().clone();
            Ok::<_, DurableError>((journal.freeze(0)?, tree))
        });
        let (frozen, tree) = frozen.ok_or(LogError::Closed)??;
        let (size, root) = (tree.size(), tree.root(&tree_hash));
        Ok((frozen, Checkpoint { origin: self.shared.origin.clone(), size, root }))
    }

    /// Number of durable entries.
    pub fn size(&self) -> u64 {
        self.shared.state.lock().committed().size()
    }

    /// The last signed head, a signed note (C2SP tlog-checkpoint).
    pub fn checkpoint(&self) -> String {
        self.shared.publisher.lock().note().to_owned()
    }

    pub fn verifier_key(&self) -> VerifierKey {
        self.shared.publisher.lock().vkey()
    }

    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// A file of the public tree; `None` if there is none. Bundles are for auditors: the caller decides.
    pub fn resource(&self, resource: Resource) -> Result<Option<Vec<u8>>, LogError> {
        let path = self.shared.dir.join(resource.path());
        Ok(self.shared.disk.read(&path).map_err(DurableError::io("read", &path))?)
    }

    /// The proof that entry `index` is under the last checkpoint.
    pub fn inclusion(&self, index: u64) -> Result<Inclusion, LogError> {
        self.shared.publisher.lock().inclusion(index)
    }

    /// The proof that the tree of `size1` is a prefix of that of `size2`, both up to the last checkpoint.
    pub fn consistency(&self, size1: u64, size2: u64) -> Result<Vec<Hash>, LogError> {
        self.shared.publisher.lock().consistency(size1, size2)
    }

    /// Durable entries that match, oldest first. Reads files: not for async tasks.
    pub fn search(&self, filter: &Filter) -> Result<Vec<Found>, LogError> {
        let Shared { disk, dir, origin, .. } = &*self.shared;
        search(&**disk, dir, origin, &self.keys, Some(self.size()), filter)
    }

    /// The last receipt counter of a partner, 0 before the first.
    pub fn counter(&self, partner: &str) -> u64 {
        self.shared.state.lock().counter(partner)
    }

    /// Requests of a partner that named a matter and were granted on `day`.
    pub fn granted_on(&self, partner: &str, day: Day) -> u64 {
        self.shared.state.lock().granted_on(partner, day)
    }

    /// Whether a partner used this `jti` and it has not expired. Only [`AccessLog::append`] decides.
    pub fn seen(&self, partner: &str, jti: &str) -> bool {
        self.shared.state.lock().seen(partner, jti)
    }

    /// The highest `changeNumber` on the log.
    pub fn last_change_number(&self) -> Option<u64> {
        self.shared.state.lock().known.change_number
    }

    /// The highest batch number on the log.
    pub fn last_batch_number(&self) -> Option<u64> {
        self.shared.state.lock().known.batch_number
    }

    /// Destroys the key of a past month (`2026-11`): what its entries tell is gone, the tree stays. What the
    /// log must know of them, the receipt counters, is written down first.
    ///
    /// # Errors
    /// [`LogError::MissingKey`] for the running month and for one that has no key.
    pub fn destroy_month(&self, month: &str) -> Result<(), LogError> {
        let now = self.shared.clock.now().month();
        if month >= now.as_str() {
            return Err(LogError::MissingKey(month.to_owned()));
        }
        let (counters, known) = {
            let state = self.shared.state.lock();
            (state.counters(), state.known)
        };
        let counters: Vec<_> = counters.into_iter().collect();
        for nth in 0..counters.len().div_ceil(COUNTERS_PER_ENTRY).max(1) {
            let mut access = Access::new("log.destroyMonth", Outcome::Granted);
            let some = counters.iter().skip(nth * COUNTERS_PER_ENTRY).take(COUNTERS_PER_ENTRY);
            access.details = Details {
                counters: some.cloned().collect(),
                change_number: known.change_number,
                batches: known.batch_number.map(|last| super::BatchRange {
                    first: last,
                    last,
                    root: String::new(),
                }),
                ..Details::default()
            };
            access.details.detail.insert("month".to_owned(), month.into());
            self.append(access)?;
        }
        self.keys.destroy(month)
    }

    /// Writes and publishes everything and ends the threads. Later appends get [`LogError::Closed`].
    pub fn close(&self) -> Result<(), LogError> {
        let Some(thread) = self.thread.lock().take() else { return Ok(()) };
        let written = self.shared.write_unknown(true);
        *self.shared.stop.lock() = true;
        self.shared.wake.notify_all();
        let _ = thread.join();
        self.shared.committer.close();
        self.shared.publish()?;
        written
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        if let Err(why) = self.close() {
            tracing::error!(%why, "the access log was not published to its end; it will be at the next start");
        }
    }
}

impl Shared {
    fn run(&self, every: Duration) {
        let mut failing = false;
        loop {
            let mut stopped = self.stop.lock();
            if !*stopped {
                self.wake.wait_for(&mut stopped, every);
            }
            if *stopped {
                return;
            }
            drop(stopped);
            match self.write_unknown(false).and_then(|()| self.publish()) {
                Ok(()) => failing = false,
                Err(why) if !failing => {
                    failing = true;
                    tracing::error!(%why, "tiles and checkpoint cannot be written; trying again");
                }
                Err(_) => {}
            }
        }
    }

    fn publish(&self) -> Result<(), LogError> {
        self.publisher.lock().publish(&self.state)
    }

    fn write_unknown(&self, all: bool) -> Result<(), LogError> {
        let mut entries = self.unknown.lock().take(self.clock.now(), all);
        while let Some(access) = entries.pop() {
            if let Err(why) = self.committer.submit(access.clone()) {
                entries.push(access);
                self.unknown.lock().give_back(entries);
                return Err(why.into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
