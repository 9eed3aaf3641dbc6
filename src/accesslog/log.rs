//! The log of a running node.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::entry::{Details, Entry, Outcome};
use super::keys::Keys;
use super::ledger::{Access, LogLedger, Logged, State, lock};
use super::note::{Checkpoint, VerifierKey, verify_note};
use super::publish::{Inclusion, Publisher, write_tiles};
use super::search::{Filter, Found, search};
use super::tiles::{Edge, Resource};
use super::unknown::Unknown;
use super::{JOURNAL_KIND, LogError, leaf_hash, tree_hash};
use crate::durable::{Committer, Disk, DurableError, Frozen, Journal, Limits};
use licence_seal::crypto::{AeadKey, Ed25519Signer, Random};
use licence_seal::merkle::{Frontier, Hash};
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

impl AccessLog {
    /// Opens or creates the log in `dir`, reads it from end to end, and starts its threads. `master`
    /// wraps the month and year keys.
    ///
    /// # Errors
    /// [`LogError::HeadAhead`], [`LogError::HeadDiffers`]: what was signed before is not a prefix of the
    /// files. Damage; an entry that is not this log's; a missing key.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        settings: LogSettings,
        master: AeadKey,
        signer: Ed25519Signer,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<(Self, Opened), LogError> {
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
        Ok((Self { shared, keys, thread: Mutex::new(Some(thread)) }, opened))
    }

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
        relock(&self.shared.unknown).count(source, reason, self.shared.clock.now());
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
        let mut publisher = relock(&self.shared.publisher);
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
            let tree = lock(&ledger.state).committed().clone();
            Ok::<_, DurableError>((journal.freeze(0)?, tree))
        });
        let (frozen, tree) = frozen.ok_or(LogError::Closed)??;
        let (size, root) = (tree.size(), tree.root(&tree_hash));
        Ok((frozen, Checkpoint { origin: self.shared.origin.clone(), size, root }))
    }

    /// Number of durable entries.
    pub fn size(&self) -> u64 {
        lock(&self.shared.state).committed().size()
    }

    /// The last signed head, a signed note (C2SP tlog-checkpoint).
    pub fn checkpoint(&self) -> String {
        relock(&self.shared.publisher).note().to_owned()
    }

    pub fn verifier_key(&self) -> VerifierKey {
        relock(&self.shared.publisher).vkey()
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
        relock(&self.shared.publisher).inclusion(index)
    }

    /// The proof that the tree of `size1` is a prefix of that of `size2`, both up to the last checkpoint.
    pub fn consistency(&self, size1: u64, size2: u64) -> Result<Vec<Hash>, LogError> {
        relock(&self.shared.publisher).consistency(size1, size2)
    }

    /// Durable entries that match, oldest first. Reads files: not for async tasks.
    pub fn search(&self, filter: &Filter) -> Result<Vec<Found>, LogError> {
        let Shared { disk, dir, origin, .. } = &*self.shared;
        search(&**disk, dir, origin, &self.keys, Some(self.size()), filter)
    }

    /// The last receipt counter of a partner, 0 before the first.
    pub fn counter(&self, partner: &str) -> u64 {
        lock(&self.shared.state).counter(partner)
    }

    /// Requests of a partner that named a matter and were granted on `day`.
    pub fn granted_on(&self, partner: &str, day: Day) -> u64 {
        lock(&self.shared.state).granted_on(partner, day)
    }

    /// Whether a partner used this `jti` and it has not expired. Only [`AccessLog::append`] decides.
    pub fn seen(&self, partner: &str, jti: &str) -> bool {
        lock(&self.shared.state).seen(partner, jti)
    }

    /// The highest `changeNumber` on the log.
    pub fn last_change_number(&self) -> Option<u64> {
        lock(&self.shared.state).known.change_number
    }

    /// The highest batch number on the log.
    pub fn last_batch_number(&self) -> Option<u64> {
        lock(&self.shared.state).known.batch_number
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
            let state = lock(&self.shared.state);
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
        let Some(thread) = relock(&self.thread).take() else { return Ok(()) };
        let written = self.shared.write_unknown(true);
        *relock(&self.shared.stop) = true;
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
            let stopped = relock(&self.stop);
            if *stopped {
                return;
            }
            let waited = self.wake.wait_timeout(stopped, every);
            if *waited.unwrap_or_else(PoisonError::into_inner).0 {
                return;
            }
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
        relock(&self.publisher).publish(&self.state)
    }

    fn write_unknown(&self, all: bool) -> Result<(), LogError> {
        let mut entries = relock(&self.unknown).take(self.clock.now(), all);
        while let Some(access) = entries.pop() {
            if let Err(why) = self.committer.submit(access.clone()) {
                entries.push(access);
                relock(&self.unknown).give_back(entries);
                return Err(why.into());
            }
        }
        Ok(())
    }
}

/// That what was signed is a prefix of what is read.
pub(super) struct HeadCheck<'a>(Vec<(&'static str, &'a Checkpoint)>);

impl<'a> HeadCheck<'a> {
    pub(super) fn new(head: Option<&'a Checkpoint>, signed: Option<&'a Checkpoint>) -> Self {
        let named = [("head", head), ("checkpoint", signed)];
        Self(named.into_iter().filter_map(|(what, head)| Some((what, head?))).collect())
    }

    pub(super) fn add(&mut self, what: &'static str, head: &'a Checkpoint) {
        self.0.push((what, head));
    }

    pub(super) fn at(&mut self, tree: &Frontier) -> Result<(), LogError> {
        let here = |head: &Checkpoint| head.size == tree.size();
        for (what, head) in self.0.iter().filter(|(_, head)| here(head)) {
            if head.root != tree.root(&tree_hash) {
                return Err(LogError::HeadDiffers { what, size: head.size });
            }
        }
        self.0.retain(|(_, head)| !here(head));
        Ok(())
    }

    pub(super) fn finish(&self, held: u64) -> Result<(), LogError> {
        match self.0.first() {
            Some((what, head)) => Err(LogError::HeadAhead { what, signed: head.size, held }),
            None => Ok(()),
        }
    }
}

/// The head that was fsynced, the checkpoint that was signed, and its note.
pub(super) type Heads = (Option<Checkpoint>, Option<Checkpoint>, String);

pub(super) fn read_heads(disk: &dyn Disk, dir: &Path, vkey: &VerifierKey) -> Result<Heads, LogError> {
    let read = |name| {
        let path = dir.join(name);
        let content = disk.read(&path).map_err(DurableError::io("read", &path))?;
        content.map(|content| String::from_utf8(content).map_err(|_| LogError::Head(name))).transpose()
    };
    let head = match read("head")? {
        Some(text) => Some(Checkpoint::parse(&text).map_err(|_| LogError::Head("head"))?),
        None => None,
    };
    let note = read("checkpoint")?.unwrap_or_default();
    let signed = if note.is_empty() {
        None
    } else {
        let text = verify_note(&note, vkey).map_err(|_| LogError::Head("checkpoint"))?;
        Some(Checkpoint::parse(text).map_err(|_| LogError::Head("checkpoint"))?)
    };
    let ours = |head: &Option<Checkpoint>| head.as_ref().is_none_or(|head| head.origin == vkey.name);
    let size = |head: &Option<Checkpoint>| head.as_ref().map(|head| head.size);
    // A head is never older than its signature.
    if !ours(&head) || size(&head) < size(&signed) {
        return Err(LogError::Head("head"));
    }
    if !ours(&signed) {
        return Err(LogError::Head("checkpoint"));
    }
    Ok((head, signed, note))
}

fn relock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::super::testing::{Bench, access, refused};
    use super::super::{Jti, SUBJECTS_PER_PART, VerifyOptions, verify};
    use super::*;
    use crate::durable::{FaultDisk, Plan, RealDisk};
    use licence_seal::merkle;
    use licence_seal::time::Timestamp;

    #[test]
    fn what_was_logged_is_found_again_after_a_restart_and_numbers_go_on() {
        let bench = Bench::new();
        let log = bench.open().unwrap();
        for (i, partner) in ["a", "b", "a"].into_iter().enumerate() {
            let logged = log.append(access(partner, &format!("id-{i}"))).unwrap();
            assert_eq!((logged.first_index, logged.count), (i as u64, 1));
        }
        let mut change = access("a", "id-3");
        change.op = "status".into();
        change.details.change_number = Some(17);
        change.details.batches = Some(super::super::BatchRange { first: 4, last: 9, root: "00".into() });
        assert_eq!(log.append(change).unwrap().counter, Some(3));
        log.append(refused("a", "grant.type")).unwrap();
        let before = log.search(&Filter::default()).unwrap();
        drop(log);

        let log = bench.open().unwrap();
        assert_eq!(log.search(&Filter::default()).unwrap(), before);
        assert_eq!((log.counter("a"), log.counter("b"), log.counter("c")), (4, 1, 0));
        assert_eq!((log.last_change_number(), log.last_batch_number()), (Some(17), Some(9)));
        assert_eq!(log.granted_on("a", bench.clock.now().day()), 3);
        assert_eq!(log.granted_on("a", bench.clock.now().day().plus_days(1)), 0);
        assert_eq!(log.append(access("a", "id-5")).unwrap().counter, Some(5));
        assert_eq!(log.size(), 6);
    }

    #[test]
    fn search_matches_every_member_of_a_filter() {
        let bench = Bench::new();
        let log = bench.open().unwrap();
        let start = bench.clock.now();
        for i in 0..6 {
            bench.clock.advance_secs(60);
            let mut one = access(["a", "b"][i % 2], &format!("id-{i}"));
            one.holders = vec![format!("holder {}", i % 3)];
            one.details.operator = Some(format!("operator {i}"));
            one.details.case_number = Some("case 1".into());
            one.details.item_code = Some("item 1".into());
            one.details.request_id = format!("r{i}");
            log.append(one).unwrap();
        }
        log.append(refused("b", "grant.type")).unwrap();
        let indexes = |filter: Filter| -> Vec<u64> {
            log.search(&filter).unwrap().into_iter().map(|found| found.index).collect()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(indexes(Filter { partner: some("a"), ..Filter::default() }), [0, 2, 4]);
        assert_eq!(indexes(Filter { holder: some("holder 1"), ..Filter::default() }), [1, 4]);
        assert_eq!(indexes(Filter { identifier: some("id-3"), ..Filter::default() }), [3]);
        assert_eq!(indexes(Filter { operator: some("operator 2"), ..Filter::default() }), [2]);
        assert_eq!(indexes(Filter { request_id: some("r5"), ..Filter::default() }), [5]);
        assert_eq!(indexes(Filter { outcome: Some(Outcome::Refused), ..Filter::default() }), [6]);
        assert_eq!(
            indexes(Filter {
                case_number: some("case 1"),
                item_code: some("item 1"),
                limit: Some(2),
                ..Filter::default()
            }),
            [0, 1]
        );
        assert_eq!(indexes(Filter { op: some("verify"), ..Filter::default() }), [0u64; 0]);
        let range = Filter {
            from: Some(start.plus_secs(120)),
            until: Some(start.plus_secs(240)),
            ..Filter::default()
        };
        assert_eq!(indexes(range), [1, 2]);
    }

    #[test]
    fn nothing_readable_of_people_is_on_the_disk() {
        let bench = Bench::new();
        let log = bench.open().unwrap();
        let mut one = access("partner-name", "identifier-text");
        one.holders = vec!["holder-code".into()];
        one.details.operator = Some("operator-name".into());
        log.append(one).unwrap();
        log.close().unwrap();
        for path in bench.disk.paths() {
            let content = bench.disk.read(&path).unwrap().unwrap();
            for secret in ["partner-name", "identifier-text", "holder-code", "operator-name"] {
                let found = content.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!found, "{secret} in {}", path.display());
            }
        }
    }

    #[test]
    fn a_jti_works_once_even_across_a_restart_until_it_expires() {
        let bench = Bench::new();
        let log = bench.open().unwrap();
        let expires = bench.clock.now().plus_secs(60);
        let once =
            |partner: &str| Access { jti: Some(Jti { value: "j".into(), expires }), ..access(partner, "id") };
        log.append(once("a")).unwrap();
        assert!(matches!(log.append(once("a")), Err(LogError::Replayed)));
        log.append(once("b")).unwrap();
        assert!(log.seen("a", "j"));
        assert_eq!(log.counter("a"), 1);
        drop(log);
        let log = bench.open().unwrap();
        assert!(matches!(log.append(once("a")), Err(LogError::Replayed)));
        bench.clock.advance_secs(61);
        log.append(refused("c", "x")).unwrap();
        assert!(!log.seen("a", "j"));
    }

    #[test]
    fn of_many_threads_with_one_jti_one_gets_through() {
        let bench = Bench::new();
        let log = Arc::new(bench.open().unwrap());
        let expires = bench.clock.now().plus_secs(60);
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let log = Arc::clone(&log);
                std::thread::spawn(move || {
                    let jti = Some(Jti { value: "j".into(), expires });
                    log.append(Access { jti, ..access("a", "id") }).is_ok()
                })
            })
            .collect();
        let through = threads.into_iter().map(|thread| thread.join().unwrap());
        assert_eq!(through.filter(|ok| *ok).count(), 1);
    }

    #[test]
    fn a_daily_limit_holds_and_starts_anew_the_next_day() {
        let bench = Bench::new();
        let log = bench.open().unwrap();
        let limited = || Access { daily_limit: Some(2), ..access("a", "id") };
        log.append(limited()).unwrap();
        log.append(limited()).unwrap();
        assert!(matches!(log.append(limited()), Err(LogError::DailyLimit { limit: 2 })));
        log.append(refused("a", "log.dailyLimit")).unwrap();
        bench.clock.advance_secs(86_400);
        log.append(limited()).unwrap();
    }

    #[test]
    fn many_subjects_are_spread_over_parts_of_one_request() {
        let bench = Bench::new();
        let log = bench.open().unwrap();
        let mut many = access("a", "id");
        many.details.identifiers =
            (0..2 * SUBJECTS_PER_PART + 1).map(|i| format!("1.2.156.3005.2.{i:040}")).collect();
        many.holders = (0..SUBJECTS_PER_PART).map(|i| format!("holder {i}")).collect();
        let logged = log.append(many).unwrap();
        assert_eq!((logged.count, logged.leaf_hashes.len(), logged.counter), (3, 3, Some(1)));
        let found = log.search(&Filter::default()).unwrap();
        let parts: Vec<_> = found.iter().map(|found| found.entry.part.as_str()).collect();
        assert_eq!(parts, ["1/3", "2/3", "3/3"]);
        assert_eq!(log.granted_on("a", bench.clock.now().day()), 1);
        let mut long = access("a", "id");
        long.details.purpose = Some("x".repeat(60_000));
        assert!(matches!(log.append(long), Err(LogError::EntryTooLarge { .. })));
        assert!(matches!(log.append(Access { op: "a\nb".into(), ..access("a", "id") }), Err(LogError::Op)));
        assert_eq!(log.append(access("a", "id")).unwrap().first_index, 3);
    }

    #[test]
    fn nothing_acknowledged_is_lost_at_any_crash_and_no_second_history_is_signed() {
        for torn in [Some(0), Some(30), Some(100_000), None] {
            for stop in 0..130 {
                let bench = Bench::new();
                bench.disk.plan(Plan::StopAt(stop));
                let mut logged = Vec::new();
                if let Ok(log) = bench.open() {
                    for i in 0..6 {
                        logged.extend(log.append(access("a", &format!("id-{i}"))));
                        if i % 2 == 1 {
                            let _ = log.publish_now();
                        }
                    }
                    let after = match torn {
                        Some(torn) => bench.after_crash(torn),
                        None => bench.after_reordering(stop),
                    };
                    let old = log.checkpoint();
                    let log = after.open().unwrap_or_else(|why| panic!("stop {stop} torn {torn:?}: {why}"));
                    assert!(log.size() >= logged.len() as u64, "stop {stop} torn {torn:?}");
                    let found = log.search(&Filter::default()).unwrap();
                    for one in &logged {
                        assert_eq!(found[one.first_index as usize].leaf_hash, one.leaf_hashes[0]);
                    }
                    log.append(access("a", "more")).unwrap();
                    log.publish_now().unwrap();
                    assert_eq!(log.counter("a"), log.size());
                    if !old.is_empty() {
                        let key = log.verifier_key();
                        let read = |note: &str| Checkpoint::parse(verify_note(note, &key).unwrap()).unwrap();
                        let (old, new) = (read(&old), read(&log.checkpoint()));
                        if old.size > 0 {
                            let proof = log.consistency(old.size, new.size).unwrap();
                            assert!(merkle::verify_consistency(
                                &tree_hash, old.size, new.size, &old.root, &new.root, &proof
                            ));
                        }
                    }
                    let report =
                        verify(&after.disk, Path::new("log"), &log.verifier_key(), VerifyOptions::default());
                    assert!(report.verified, "stop {stop} torn {torn:?}: {report:?}");
                }
            }
        }
    }

    #[test]
    fn after_any_one_failed_call_the_log_goes_on_without_a_gap() {
        for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
            for fail in 0..150 {
                let bench = Bench::new();
                let mut log = bench.open().unwrap();
                bench.disk.plan(Plan::FailAt(fail, kind));
                let mut logged = Vec::new();
                for i in 0..6 {
                    logged.extend(log.append(access("a", &format!("id-{i}"))));
                    let _ = log.publish_now();
                }
                bench.disk.plan(Plan::Work);
                if fail % 2 == 0 {
                    // A new process on the same machine sees what the failed call left in memory.
                    drop(log);
                    log = bench.open().unwrap();
                }
                logged.push(log.append(access("a", "last")).unwrap());
                log.publish_now().unwrap();
                let counters: Vec<_> = logged.iter().map(|one| one.counter.unwrap()).collect();
                assert_eq!(counters, (1..=logged.len() as u64).collect::<Vec<_>>());
                let after = bench.after_reordering(fail);
                let log = after.open().unwrap();
                assert_eq!(log.size(), logged.len() as u64);
                let report =
                    verify(&after.disk, Path::new("log"), &log.verifier_key(), VerifyOptions::default());
                assert!(report.verified, "failed call {fail}: {report:?}");
            }
        }
    }

    #[test]
    fn a_log_shorter_than_its_head_or_unlike_it_does_not_open() {
        let bench = Bench::new();
        bench.log_some(3);
        let short = bench.after_crash(0);
        bench.log_some(3);
        let journal = |disk: &FaultDisk| {
            disk.paths().into_iter().filter(|path| path.starts_with("log/journal")).max().unwrap()
        };
        bench.disk.remove(&journal(&bench.disk)).unwrap();
        assert!(matches!(bench.open(), Err(LogError::HeadAhead { signed: 6, held: 3, .. })));

        let other = Bench::seeded("another history");
        other.log_some(3);
        for name in ["log/head", "log/checkpoint"] {
            let content = other.disk.read(Path::new(name)).unwrap().unwrap();
            short.disk.tamper(Path::new(name), |old| *old = content);
        }
        assert!(matches!(short.open(), Err(LogError::HeadDiffers { what: "head", size: 3 })));
        short.disk.remove(Path::new("log/head")).unwrap();
        assert!(matches!(short.open(), Err(LogError::Head("head"))));
    }

    #[test]
    fn a_destroyed_month_tells_nothing_and_breaks_nothing() {
        let bench = Bench::new();
        bench.clock.set(Timestamp::parse_rfc3339("2026-04-30T15:00:00Z").unwrap());
        bench.log_some(3);
        bench.clock.set(Timestamp::parse_rfc3339("2026-11-01T00:00:00Z").unwrap());
        let log = bench.open().unwrap();
        assert!(log.destroy_month("2026-11").is_err());
        log.destroy_month("2026-04").unwrap();
        drop(log);
        let log = bench.open().unwrap();
        let found = log.search(&Filter::default()).unwrap();
        assert!(found[..3].iter().all(|found| found.details.is_none()));
        assert_eq!(log.append(access("a", "id")).unwrap().counter, Some(4));
        log.close().unwrap();
        assert!(
            verify(&bench.disk, Path::new("log"), &log.verifier_key(), VerifyOptions::default()).verified
        );
        bench.disk.remove(Path::new("log/keys/month-2026-11.key")).unwrap();
        assert!(matches!(bench.open(), Err(LogError::MissingKey(_))));
    }

    #[test]
    fn every_entry_is_proved_under_the_checkpoint_on_a_real_disk() {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench::new();
        let open = || bench.open_at(Arc::new(RealDisk), dir.path()).unwrap();
        let log = open();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut leaves = Vec::new();
        for round in 0..3 {
            let pending: Vec<_> =
                (0..100).map(|i| log.append_async(access("a", &format!("{round}-{i}")))).collect();
            for pending in pending {
                leaves.extend(runtime.block_on(pending).unwrap().leaf_hashes);
            }
            log.publish_now().unwrap();
        }
        let key = log.verifier_key();
        let check = |log: &AccessLog| {
            for index in [0, 1, 99, 255, 256, 299] {
                let proof = log.inclusion(index).unwrap();
                assert!(proof.verify(&leaves[index as usize], &key).is_some());
                assert!(proof.verify(&leaves[5], &key).is_none());
            }
            assert!(log.inclusion(log.size()).is_err());
        };
        check(&log);
        drop(log);
        let log = open();
        check(&log);
        let bundle = log.resource(Resource::Bundle { number: 0, width: 256 }).unwrap();
        assert!(bundle.is_some());
        assert_eq!(
            log.resource(Resource::Bundle { number: 0, width: 100 }).unwrap(),
            None,
            "partials are gone"
        );
        assert!(verify(&RealDisk, dir.path(), &key, VerifyOptions::default()).verified);
    }

    #[test]
    fn unknown_sources_are_counted_into_one_entry_a_minute() {
        let bench = Bench::new();
        let log = bench.open().unwrap();
        for _ in 0..1000 {
            log.count_unknown("192.0.2.1", "tls.noCertificate");
        }
        log.publish_now().unwrap();
        assert_eq!(log.size(), 0);
        bench.clock.advance_secs(60);
        log.publish_now().unwrap();
        let found = log.search(&Filter { op: Some("unknown".into()), ..Filter::default() }).unwrap();
        let details = found[0].details.as_ref().unwrap();
        assert_eq!((found.len(), &details.detail["count"]), (1, &1000.into()));
        log.count_unknown("192.0.2.1", "tls.noCertificate");
        log.close().unwrap();
        assert!(matches!(log.append(access("a", "id")), Err(LogError::Closed)));
        assert_eq!(bench.open().unwrap().size(), 2);
    }

    #[test]
    fn the_order_of_entries_is_that_of_their_times_though_the_clock_is_set_back() {
        let bench = Bench::new();
        let log = bench.open().unwrap();
        let first = log.append(access("a", "id")).unwrap().time;
        bench.clock.advance_secs(-100);
        assert_eq!(log.append(access("a", "id")).unwrap().time, first);
    }
}
