//! Getting a sled that can be trusted: the one that is there, or a new one from the newest export.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use super::checkpoint::CheckpointBody;
use super::engine::{Engine, Named, packed};
use super::export;
use super::load::{self, Loader};
use super::places::{JOURNAL_KIND, Places, log_bytes};
use crate::durable::{Disk, DurableError, Journal, replace_file};
use crate::store::forms::dictionary::Dictionaries;
use crate::store::forms::op::{Change, Head, ID_KEY, Operation};
use crate::store::keys::Keyring;
use crate::store::{BatchNumber, Recovery, RecoveryCause, StoreError, StoreSettings};
use licence_seal::crypto::Random;

/// Exit status by which a probe says that it was called wrongly (sysexits.h).
const PROBE_USAGE: i32 = 64;
/// Bytes that the disk must take before sled is built anew.
const SPACE: usize = 1 << 20;

pub(crate) struct Context<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) places: &'a Places,
    pub(crate) settings: &'a StoreSettings,
    pub(crate) dictionaries: &'a Arc<Dictionaries>,
    pub(crate) random: &'a Arc<dyn Random>,
}

/// A store brought up to its journal.
pub(crate) struct Started {
    pub(crate) engine: Arc<Engine>,
    pub(crate) journal: Journal,
    /// Operations up to this one may be missing from the journal.
    pub(crate) journal_from: u64,
}

impl Context<'_> {
    /// Opens sled and replays the journal; a sled that is given up, or fails on the way, is rebuilt once.
    pub(crate) fn start(
        &self,
        keys: &Arc<Keyring>,
        noted: Option<CheckpointBody>,
        mut given_up: Option<RecoveryCause>,
        recovery: &mut Recovery,
    ) -> Result<Started, StoreError> {
        loop {
            let (engine, base) = self.sled(keys, noted, given_up, recovery)?;
            let fresh = recovery.created || recovery.rebuilt.is_some();
            let why = match catching(|| self.replay(engine, base, noted, recovery)) {
                Ok(Err(StoreError::Sled(why))) if !fresh => why.to_string(),
                Err(panic) if !fresh => panic,
                Ok(outcome) => return outcome,
                Err(panic) => return Err(sled::Error::ReportableBug(panic).into()),
            };
            given_up = Some(RecoveryCause::Open(why));
        }
    }

    fn replay(
        &self,
        engine: Engine,
        base: u64,
        noted: Option<CheckpointBody>,
        recovery: &mut Recovery,
    ) -> Result<Started, StoreError> {
        let journal_from = noted.map_or(base, |noted| noted.journal_from);
        let known = noted.map_or(0, |noted| noted.sequence).max(engine.head().sequence);
        let mut replay = Replay { context: self, engine: &engine, base, last: None, applied: 0 };
        let (journal, read) = Journal::open(
            Arc::clone(self.disk),
            &self.places.journal,
            JOURNAL_KIND,
            self.settings.journal_segment_bytes,
            |_, payload| replay.take(payload),
        )?;
        recovery.replayed = replay.applied;
        recovery.torn_bytes = read.torn_bytes;
        // Neither may the journal have less than was acknowledged, nor what was built from it.
        let end = replay.last.unwrap_or(journal_from).min(engine.head().sequence);
        if end < known {
            return Err(StoreError::JournalBehind { journal: end, known });
        }
        Ok(Started { engine: Arc::new(engine), journal, journal_from })
    }

    /// An engine, and the number of the last operation that surely is in it. With `given_up` the sled
    /// that is there is not tried again.
    pub(crate) fn sled(
        &self,
        keys: &Arc<Keyring>,
        noted: Option<CheckpointBody>,
        given_up: Option<RecoveryCause>,
        recovery: &mut Recovery,
    ) -> Result<(Engine, u64), StoreError> {
        if recovery.created {
            return Ok((self.engine(keys)?, 0));
        }
        let cause = match (given_up, self.places.sled.exists(), noted) {
            (Some(cause), ..) => cause,
            (None, false, _) => RecoveryCause::Missing,
            // Without a checkpoint it is not known how much sled ought to have.
            (None, true, None) => RecoveryCause::LostTail("there is no checkpoint".to_owned()),
            (None, true, Some(noted)) => match self.usable_or_mended(keys, &noted, recovery)? {
                Ok(engine) => return Ok((engine, noted.sequence)),
                Err(cause) => cause,
            },
        };
        self.check_space()?;
        tracing::warn!(?cause, "rebuilding sled");
        recovery.rebuilt = Some(cause);
        if self.places.sled.exists() {
            recovery.moved_aside = Some(move_aside(&self.places.sled)?);
        }
        self.rebuild(keys, recovery)
    }

    /// On a disk that takes no more, sled fails to open as a damaged one does. Moving it aside and building
    /// anew would fill such a disk further at each start, so the start ends here instead.
    fn check_space(&self) -> Result<(), StoreError> {
        let file = self.places.dir.join("space");
        replace_file(&**self.disk, &file, &vec![0; SPACE])?;
        Ok(self.disk.remove(&file).map_err(DurableError::io("remove", &file))?)
    }

    pub(crate) fn engine(&self, keys: &Arc<Keyring>) -> Result<Engine, StoreError> {
        let (keys, dictionaries) = (Arc::clone(keys), Arc::clone(self.dictionaries));
        Engine::open(&self.places.sled, self.settings, keys, dictionaries, Arc::clone(self.random))
    }

    pub(crate) fn loader<'e>(&self, engine: &'e Engine) -> Result<Loader<'e>, StoreError> {
        Loader::new(engine, self.disk, &self.places.scratch, self.settings.sort_bytes)
    }

    fn usable(
        &self,
        keys: &Arc<Keyring>,
        noted: &CheckpointBody,
        unclean: bool,
    ) -> Result<Result<Engine, RecoveryCause>, StoreError> {
        if unclean
            && let Some(probe) = &self.settings.probe
            && let Some(said) = run_probe(probe, &self.places.sled)?
        {
            return Ok(Err(RecoveryCause::Probe(said)));
        }
        let log = log_bytes(&self.places.sled);
        let opened = catching(|| {
            let engine = self.engine(keys).map_err(|why| RecoveryCause::Open(why.to_string()))?;
            has_all(&engine, noted, log).map(|()| engine)
        });
        Ok(opened.unwrap_or_else(|panic| Err(RecoveryCause::Open(panic))))
    }

    /// As [`Context::usable`], and where sled does not open, once more without its snapshots. A snapshot
    /// only spares sled the reading of its log, and a damaged or half-written one is the fault that
    /// its users meet most; without them it opens in a minute or two where rebuilding takes many.
    fn usable_or_mended(
        &self,
        keys: &Arc<Keyring>,
        noted: &CheckpointBody,
        recovery: &mut Recovery,
    ) -> Result<Result<Engine, RecoveryCause>, StoreError> {
        let cause = match self.usable(keys, noted, recovery.unclean)? {
            Err(cause @ (RecoveryCause::Open(_) | RecoveryCause::Probe(_))) => cause,
            decided => return Ok(decided),
        };
        let Some(aside) = set_snapshots_aside(&self.places.sled)? else { return Ok(Err(cause)) };
        // Before it is opened in this process, which what is wrong may be the end of.
        let again = self.usable(keys, noted, true)?.and_then(|engine| {
            let whole =
                catching(|| is_whole(&engine)).unwrap_or_else(|panic| Err(RecoveryCause::Open(panic)));
            whole.map(|()| engine)
        });
        recovery.snapshots_aside = Some(aside);
        match again {
            Ok(engine) => {
                tracing::warn!(?cause, "sled opened without its snapshots; run `store check` soon");
                recovery.without_snapshots = Some(cause);
                Ok(Ok(engine))
            }
            Err(second) => {
                tracing::warn!(cause = ?second, "nor is sled good without its snapshots");
                Ok(Err(cause))
            }
        }
    }

    /// Makes a new sled from the newest export that is good to its end, or an empty one.
    fn rebuild(&self, keys: &Arc<Keyring>, recovery: &mut Recovery) -> Result<(Engine, u64), StoreError> {
        for name in export::manifests(&**self.disk, &self.places.exports)?.into_iter().rev() {
            let engine = self.engine(keys)?;
            let loaded = self
                .loader(&engine)
                .and_then(|loader| load::export(loader, &**self.disk, &self.places.exports, &name));
            match loaded {
                Ok(manifest) => {
                    recovery.from_export = Some(self.places.exports.join(name));
                    return Ok((engine, manifest.sequence));
                }
                Err(why) => {
                    recovery.bad_exports.push(format!("{name}: {why}"));
                    drop(engine);
                    // A part of an export that is still where it was.
                    let sled = &self.places.sled;
                    std::fs::remove_dir_all(sled).map_err(DurableError::io("remove", sled))?;
                }
            }
        }
        Ok((self.engine(keys)?, 0))
    }
}

/// Applies the journal's operations after `base`, and holds all of them to their order.
struct Replay<'a> {
    context: &'a Context<'a>,
    engine: &'a Engine,
    base: u64,
    last: Option<u64>,
    applied: u64,
}

impl Replay<'_> {
    fn take(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        let found = Operation::sequence(payload)?;
        match self.last {
            None if found > self.base + 1 => return Err(StoreError::NothingCovers { first: found }),
            Some(last) if found != last + 1 => {
                return Err(StoreError::JournalGap { expected: last + 1, found });
            }
            _ => self.last = Some(found),
        }
        if found > self.base {
            let operation = Operation::open(payload, &self.engine.keys)?;
            if let Change::Import(volumes) = &operation.change {
                let loader = self.context.loader(self.engine)?;
                load::volumes(loader, &**self.context.disk, &self.context.places.exports, volumes)?;
            }
            self.engine.apply(&operation)?;
            self.applied += 1;
        }
        Ok(())
    }
}

/// Runs what sled may panic in. Where a panic aborts, the probe has gone before.
pub(crate) fn catching<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("sled panicked: {}", text.unwrap_or("no reason given"))
    })
}

/// Gives a folder the first free name `sled.damaged-N`.
fn move_aside(sled: &Path) -> Result<PathBuf, StoreError> {
    let aside = first_free(sled);
    std::fs::rename(sled, &aside).map_err(DurableError::io("move aside", sled))?;
    Ok(aside)
}

/// Moves sled's snapshots, whole and half-written, to the first free folder `snapshots.damaged-N` beside
/// it; `None` if it has none.
fn set_snapshots_aside(sled: &Path) -> Result<Option<PathBuf>, StoreError> {
    let mut snapshots = Vec::new();
    for entry in std::fs::read_dir(sled).map_err(DurableError::io("list", sled))? {
        let name = entry.map_err(DurableError::io("list", sled))?.file_name();
        if name.to_string_lossy().starts_with("snap.") {
            snapshots.push(name);
        }
    }
    if snapshots.is_empty() {
        return Ok(None);
    }
    let aside = first_free(&sled.with_file_name("snapshots"));
    std::fs::create_dir(&aside).map_err(DurableError::io("create", &aside))?;
    for name in snapshots {
        let from = sled.join(&name);
        std::fs::rename(&from, aside.join(&name)).map_err(DurableError::io("move aside", &from))?;
    }
    Ok(Some(aside))
}

/// The first name `….damaged-N` that is free.
fn first_free(path: &Path) -> PathBuf {
    let mut number = 1_u32;
    loop {
        let aside = path.with_extension(format!("damaged-{number}"));
        if !aside.exists() {
            return aside;
        }
        number += 1;
    }
}

/// `None` when the probe found nothing wrong, else what it ended with.
fn run_probe(probe: &[std::ffi::OsString], sled: &Path) -> Result<Option<String>, StoreError> {
    let shown = || probe.join(" ".as_ref()).to_string_lossy().into_owned();
    let fault = |why: String| StoreError::Probe(shown(), why);
    let (program, arguments) = probe.split_first().ok_or_else(|| fault("it is empty".to_owned()))?;
    let status = crate::keys::command_without_secrets(program)
        .args(arguments)
        .arg(sled)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|why| fault(why.to_string()))?;
    match status.code() {
        Some(0) => Ok(None),
        Some(PROBE_USAGE) => Err(fault(status.to_string())),
        _ => Ok(Some(status.to_string())),
    }
}

/// Whether an opened sled has all that the checkpoint says.
///
/// `log` is what [`log_bytes`] gave before sled was opened. A shorter log may have lost pages of which no
/// counter tells, while the newest ones lie before its end: sled does not write in order. sled itself
/// cuts free room off the end now and then; a kill just then costs a rebuilding that was not needed.
pub(crate) fn has_all(engine: &Engine, noted: &CheckpointBody, log: u64) -> Result<(), RecoveryCause> {
    if log < noted.sled_log {
        let text = format!("its log has {log} bytes, not {}", noted.sled_log);
        return Err(RecoveryCause::LostTail(text));
    }
    let head: Head = engine.head();
    if head.sequence < noted.sequence || head.last_batch < noted.last_batch {
        let text = format!("it ends with operation {}, not {}", head.sequence, noted.sequence);
        return Err(RecoveryCause::LostTail(text));
    }
    if noted.last_batch == 0 {
        return Ok(());
    }
    match engine.batch(BatchNumber(noted.last_batch)) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(RecoveryCause::LostTail(format!("batch {} is not here", noted.last_batch))),
        Err(why) => Err(RecoveryCause::Open(why.to_string())),
    }
}

/// Counts what the counters tell of, reading every page of these trees: a log that sled read past a
/// damaged place may lack records whose absence nothing else shows.
fn is_whole(engine: &Engine) -> Result<(), RecoveryCause> {
    let head = engine.head();
    let values = |tree: &Named| -> Result<u64, StoreError> {
        let mut count = 0;
        for key in tree.tree.iter().keys() {
            count += u64::from(key?.ends_with(&[0, 0]));
        }
        Ok(count)
    };
    let ids = || -> Result<u64, StoreError> {
        let mut count = 0;
        for key in engine.trees.id.tree.iter().keys() {
            key?;
            count += 1;
        }
        for entry in packed::all::<ID_KEY>(engine, &engine.trees.id_base) {
            entry?;
            count += 1;
        }
        Ok(count)
    };
    let unreadable = |why: StoreError| RecoveryCause::Open(why.to_string());
    let counts = [
        ("batches", values(&engine.trees.batch).map_err(unreadable)?, head.last_batch),
        ("status changes", values(&engine.trees.status).map_err(unreadable)?, head.last_change),
        ("licences", ids().map_err(unreadable)?, head.licences),
    ];
    match counts.into_iter().find(|(_, found, expected)| found < expected) {
        Some((what, found, expected)) => {
            Err(RecoveryCause::LostTail(format!("{found} {what}, not {expected}")))
        }
        None => Ok(()),
    }
}
