//! Long work on the store of a node that serves, one at a time, on a thread of its own.
//!
//! The data folder belongs to the running process, so its operator asks it: a request starts a job, others
//! ask how far it is. A job is told to end when the node stops, and does at its next piece. How it
//! ended is on the access log, like what was asked. The same work is done by the command line when no node
//! is running, so its reports are the same.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::backup::LogBeside;
use super::problem::{Problem, national};
use crate::accesslog::{Access, AccessLog, Outcome};
use crate::keys::MasterKeySource;
use crate::store::{BackupOptions, CheckOptions, FetchMasterKey, Progress, StoreAdmin, StoreError, Watch};
use licence_seal::licence::Catalogue;
use licence_seal::time::{Clock, Timestamp};

/// What a job is to do, as the operator asks for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum JobRequest {
    #[serde(rename_all = "camelCase")]
    Check {
        /// One batch of so many; 1 is all.
        #[serde(default = "every_one")]
        every: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        findings: Option<usize>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        licences_per_second: Option<u64>,
    },
    Export {},
    Backup {
        /// Name of a folder below `store.backup_dir`; absent: that one itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep: Option<usize>,
    },
    Breakdown {},
    /// Another salt key, for what is sealed from now on.
    RekeySalt {},
    /// Another data key, and what lies under older ones written anew.
    #[serde(rename_all = "camelCase")]
    RekeyData {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        values_per_second: Option<u64>,
    },
}

const fn every_one() -> u64 {
    1
}

/// What a job does.
#[derive(Clone, Debug)]
pub enum Work {
    Check { every: u64, findings: Option<usize>, licences_per_second: Option<u64> },
    Export,
    Backup { dir: PathBuf, keep: Option<usize> },
    Breakdown,
    RekeySalt,
    RekeyData { values_per_second: Option<u64> },
}

impl Work {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Check { .. } => "check",
            Self::Export => "export",
            Self::Backup { .. } => "backup",
            Self::Breakdown => "breakdown",
            Self::RekeySalt => "rekeySalt",
            Self::RekeyData { .. } => "rekeyData",
        }
    }

    /// Does it and gives its report. The master key is read from its source only by what changes the key
    /// file, and each time.
    pub fn run(
        self,
        store: &dyn StoreAdmin,
        log: &Arc<AccessLog>,
        catalogue: &Catalogue,
        master: &MasterKeySource,
        now: Timestamp,
        watch: &Watch,
    ) -> Result<Value, StoreError> {
        let watch = watch.clone();
        let master: FetchMasterKey<'_> =
            &|| master.read().map_err(|why| StoreError::MasterKeySource(why.into()));
        match self {
            Self::Check { every, findings, licences_per_second } => {
                let max_findings = findings.unwrap_or(CheckOptions::default().max_findings);
                let options = CheckOptions { every, max_findings, licences_per_second, watch };
                Ok(json(&store.check(catalogue, &options)?))
            }
            Self::Export => Ok(json(&store.export(now, &watch)?)),
            Self::Backup { dir, keep } => {
                let options = BackupOptions { dir, keep, watch };
                Ok(json(&store.backup(&options, &LogBeside(Arc::clone(log)), now)?))
            }
            Self::Breakdown => Ok(json(&store.breakdown(&watch)?)),
            Self::RekeySalt => Ok(json!({ "key": store.rekey_salt(master)? })),
            Self::RekeyData { values_per_second } => {
                Ok(json(&store.rekey_data(master, values_per_second, now, &watch)?))
            }
        }
    }
}

/// Reports are made of strings, numbers and lists, for which this cannot fail.
fn json<T: Serialize>(report: &T) -> Value {
    serde_json::to_value(report).unwrap_or_default()
}

impl JobRequest {
    /// The request with the node's own folder for backups. It can name one below that and no other.
    pub fn resolve(self, backups: Option<&Path>) -> Result<Work, Problem> {
        Ok(match self {
            Self::Check { every, findings, licences_per_second } => {
                Work::Check { every, findings, licences_per_second }
            }
            Self::Export {} => Work::Export,
            Self::Breakdown {} => Work::Breakdown,
            Self::RekeySalt {} => Work::RekeySalt,
            Self::RekeyData { values_per_second } => Work::RekeyData { values_per_second },
            Self::Backup { to, keep } => {
                let dir = backups.ok_or_else(|| {
                    let detail = "this node has no folder for backups (store.backup_dir)";
                    Problem::unavailable(national::OTHER, "job.noBackupDir", detail)
                })?;
                let named = |name: &String| {
                    (1..=64).contains(&name.len())
                        && !name.starts_with('.')
                        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
                };
                if !to.as_ref().is_none_or(named) {
                    let detail =
                        "the folder is named by 1 to 64 of a-z, A-Z, 0-9, dot, hyphen and underscore";
                    return Err(Problem::malformed("job.backupName", detail));
                }
                if keep == Some(0) {
                    return Err(Problem::malformed("job.keep", "at least one backup is kept"));
                }
                Work::Backup { dir: to.map_or_else(|| dir.to_owned(), |name| dir.join(name)), keep }
            }
        })
    }
}

/// How a job stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobState {
    pub id: String,
    pub kind: &'static str,
    /// `running`, `done` or `failed`
    pub state: &'static str,
    pub began: Timestamp,
    pub progress: Progress,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Value>,
    /// The rule by which it failed, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

type Ended = Result<Value, (&'static str, String)>;

struct Job {
    id: String,
    kind: &'static str,
    began: Timestamp,
    watch: Watch,
    ended: Arc<Mutex<Option<Ended>>>,
    thread: Option<JoinHandle<()>>,
}

impl Job {
    fn state(&self) -> JobState {
        // Asked before the outcome is looked at: whoever ends leaves one first.
        let over = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        let ended = relock(&self.ended).clone();
        let ended = match ended {
            None if over => Some(Err(("job.panicked", "the job ended in a panic".to_owned()))),
            ended => ended,
        };
        let state = match &ended {
            None => "running",
            Some(Ok(_)) => "done",
            Some(Err(_)) => "failed",
        };
        let (report, failed) = match ended {
            Some(Ok(report)) => (Some(report), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        let (rule, detail) = failed.unzip();
        let (id, progress) = (self.id.clone(), self.watch.progress());
        JobState { id, kind: self.kind, state, began: self.began, progress, report, rule, detail }
    }
}

/// The jobs of a node: the one that is running, or the last one.
pub(super) struct Jobs {
    pub(super) store: Arc<dyn StoreAdmin>,
    log: Arc<AccessLog>,
    catalogue: &'static Catalogue,
    clock: Arc<dyn Clock>,
    backups: Option<PathBuf>,
    master: MasterKeySource,
    last: Mutex<Option<Job>>,
    stopped: Mutex<bool>,
}

impl Jobs {
    pub(super) fn new(
        store: Arc<dyn StoreAdmin>,
        log: Arc<AccessLog>,
        catalogue: &'static Catalogue,
        clock: Arc<dyn Clock>,
        backups: Option<PathBuf>,
        master: MasterKeySource,
    ) -> Self {
        let (last, stopped) = (Mutex::default(), Mutex::default());
        Self { store, log, catalogue, clock, backups, master, last, stopped }
    }

    /// # Errors
    /// `job.busy`, `job.stopping`; what is wrong with the request.
    pub(super) fn start(&self, id: &str, request: JobRequest) -> Result<(), Problem> {
        let work = request.resolve(self.backups.as_deref())?;
        // Held to the end, so that nothing starts once the node stops.
        let stopped = relock(&self.stopped);
        if *stopped {
            return Err(Problem::unavailable(national::OTHER, "job.stopping", "the node is stopping"));
        }
        let mut last = relock(&self.last);
        if last.as_ref().is_some_and(|job| job.state().state == "running") {
            return Err(Problem::conflict("job.busy", "a job is running; one is done at a time"));
        }
        let (kind, began, watch, ended) =
            (work.kind(), self.clock.now(), Watch::default(), Arc::new(Mutex::default()));
        let thread = {
            let (store, log, catalogue) = (Arc::clone(&self.store), Arc::clone(&self.log), self.catalogue);
            let (watch, ended, id) = (watch.clone(), Arc::clone(&ended), id.to_owned());
            let master = self.master.clone();
            std::thread::Builder::new().name("store-job".to_owned()).spawn(move || {
                let outcome = work.run(&*store, &log, catalogue, &master, began, &watch);
                let outcome = outcome.map_err(|why| (why.rule(), why.to_string()));
                let logged = log.append(end(&id, kind, outcome.as_ref().map_err(|(rule, _)| *rule)));
                *relock(&ended) = Some(match logged {
                    Ok(_) => outcome,
                    Err(why) => Err((why.rule(), why.to_string())),
                });
            })
        };
        let thread = thread.map_err(|why| super::failed("job", &why))?;
        *last = Some(Job { id: id.to_owned(), kind, began, watch, ended, thread: Some(thread) });
        Ok(())
    }

    /// # Errors
    /// `job.unknown`: only the last one is known, and only until the node stops.
    pub(super) fn state(&self, id: &str) -> Result<JobState, Problem> {
        self.with(id, Job::state)
    }

    pub(super) fn cancel(&self, id: &str) -> Result<(), Problem> {
        self.with(id, |job| job.watch.cancel())
    }

    fn with<T>(&self, id: &str, act: impl FnOnce(&Job) -> T) -> Result<T, Problem> {
        let last = relock(&self.last);
        last.as_ref().filter(|job| job.id == id).map(act).ok_or_else(|| Problem {
            status: 404,
            ..Problem::malformed("job.unknown", "there is no job of this id")
        })
    }

    /// Ends the job that is running, if any, and starts no other.
    pub(super) fn stop(&self) {
        *relock(&self.stopped) = true;
        let thread = relock(&self.last).as_mut().and_then(|job| {
            job.watch.cancel();
            job.thread.take()
        });
        if let Some(thread) = thread {
            // Of a panic the job's state tells.
            let _ = thread.join();
        }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The entry ahead of what is done to a store that no running node has.
pub fn begin(kind: &str) -> Access {
    about("admin.intent", "", kind)
}

/// The entry of a job that ended, with its report or the rule by which it failed.
pub fn end(id: &str, kind: &str, outcome: Result<&Value, &'static str>) -> Access {
    let mut access = about("admin.job", id, kind);
    match outcome {
        Ok(report) => {
            let findings = report.get("findings").and_then(Value::as_array).map(Vec::len);
            let key = report.get("key").cloned();
            access.details.detail.extend(findings.map(|count| ("findings".to_owned(), count.into())));
            access.details.detail.extend(key.map(|number| ("key".to_owned(), number)));
        }
        Err(rule) => {
            access.outcome = Outcome::Failed;
            access.details.rule = Some(rule.to_owned());
        }
    }
    access
}

fn about(op: &str, id: &str, kind: &str) -> Access {
    let mut access = Access::new(op, Outcome::Granted);
    access.details.request_id = id.to_owned();
    access.details.detail.insert("job".to_owned(), kind.into());
    access
}

fn relock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_a_folder_below_the_nodes_own_and_no_other() {
        let resolve = |to: Option<&str>, backups: Option<&str>| {
            let request = JobRequest::Backup { to: to.map(str::to_owned), keep: None };
            match request.resolve(backups.map(Path::new)) {
                Ok(Work::Backup { dir, .. }) => Ok(dir),
                Ok(_) => panic!("another job"),
                Err(why) => Err(why.rule.into_owned()),
            }
        };
        assert_eq!(resolve(None, Some("/b")), Ok("/b".into()));
        assert_eq!(resolve(Some("nightly-1"), Some("/b")), Ok("/b/nightly-1".into()));
        assert_eq!(resolve(None, None), Err("job.noBackupDir".to_owned()));
        for bad in ["", "..", ".", "../x", "a/b", "/etc", "a\\b", "a b", ".hidden", "夜"] {
            assert_eq!(resolve(Some(bad), Some("/b")), Err("job.backupName".to_owned()), "{bad}");
        }
    }
}
