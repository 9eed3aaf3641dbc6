//! Long work on the store of a node that serves, one at a time, on a thread of its own.
//!
//! The data folder belongs to the running process, so its operator asks it: a request starts a job, others
//! ask how far it is. A job is told to end when the node stops, and does at its next piece. How it
//! ended is on the access log, like what was asked. The same work is done by the command line when no node
//! is running, so its reports are the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::backup::LogBeside;
use super::rules;
use crate::accesslog::{Access, AccessLog, Outcome};
use crate::keys::MasterKeySource;
use crate::store::{BackupOptions, CheckOptions, FetchMasterKey, Progress, StoreAdmin, StoreError, Watch};
use licence_seal::licence::Catalogue;
use licence_seal::time::Timestamp;

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
        to: Option<PathBuf>,
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

/// Why a job was not started, or is not told of.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("this node has no folder for backups (store.backup_dir)")]
    NoBackupDir,
    #[error("the folder is named by 1 to 64 of a-z, A-Z, 0-9, dot, hyphen and underscore")]
    BackupName,
    #[error("at least one backup is kept")]
    Keep,
    #[error("the node is stopping")]
    Stopping,
    #[error("a job is running; one is done at a time")]
    Busy,
    /// Only the last one is known, and only until the node stops.
    #[error("there is no job of this id")]
    Unknown,
    #[error("{0}")]
    Thread(std::io::Error),
}

impl JobError {
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::NoBackupDir => rules::JOB_NO_BACKUP_DIR,
            Self::BackupName => rules::JOB_BACKUP_NAME,
            Self::Keep => rules::JOB_KEEP,
            Self::Stopping => rules::JOB_STOPPING,
            Self::Busy => rules::JOB_BUSY,
            Self::Unknown => rules::JOB_UNKNOWN,
            Self::Thread(_) => rules::NODE_INTERNAL,
        }
    }
}

/// A request that was checked; a backup's folder is the whole path.
#[derive(Clone, Debug)]
pub struct Work(JobRequest);

/// What a job works with.
pub struct Means {
    pub store: Arc<dyn StoreAdmin>,
    pub log: Arc<AccessLog>,
    pub catalogue: &'static Catalogue,
    /// Read only by what changes the key file, and each time.
    pub master: MasterKeySource,
    pub now: Timestamp,
}

impl JobRequest {
    /// The request with the node's own folder for backups. It can name one below that and no other.
    pub fn resolve(self, backups: Option<&Path>) -> Result<Work, JobError> {
        let Self::Backup { to, keep } = self else { return Ok(Work(self)) };
        let dir = backups.ok_or(JobError::NoBackupDir)?;
        let is_name = |name: &str| {
            (1..=64).contains(&name.len())
                && !name.starts_with('.')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !to.as_ref().is_none_or(|to| to.to_str().is_some_and(is_name)) {
            return Err(JobError::BackupName);
        }
        if keep == Some(0) {
            return Err(JobError::Keep);
        }
        let to = Some(to.map_or_else(|| dir.to_owned(), |name| dir.join(name)));
        Ok(Work(Self::Backup { to, keep }))
    }
}

impl Work {
    pub const fn kind(&self) -> &'static str {
        match self.0 {
            JobRequest::Check { .. } => "check",
            JobRequest::Export {} => "export",
            JobRequest::Backup { .. } => "backup",
            JobRequest::Breakdown {} => "breakdown",
            JobRequest::RekeySalt {} => "rekeySalt",
            JobRequest::RekeyData { .. } => "rekeyData",
        }
    }

    /// Does it and gives its report.
    pub fn run(self, means: &Means, watch: &Watch) -> Result<Value, StoreError> {
        let Means { store, log, catalogue, master, now } = means;
        let (now, watch) = (*now, watch.clone());
        let master: FetchMasterKey<'_> =
            &|| master.read().map_err(|why| StoreError::MasterKeySource(why.into()));
        match self.0 {
            JobRequest::Check { every, findings, licences_per_second } => {
                let max_findings = findings.unwrap_or(CheckOptions::default().max_findings);
                let options = CheckOptions { every, max_findings, licences_per_second, watch };
                Ok(json(&store.check(catalogue, &options)?))
            }
            JobRequest::Export {} => Ok(json(&store.export(now, &watch)?)),
            JobRequest::Backup { to, keep } => {
                let options = BackupOptions { dir: to.unwrap_or_default(), keep, watch };
                Ok(json(&store.backup(&options, &LogBeside(Arc::clone(log)), now)?))
            }
            JobRequest::Breakdown {} => Ok(json(&store.breakdown(&watch)?)),
            JobRequest::RekeySalt {} => Ok(json!({ "key": store.rekey_salt(master)? })),
            JobRequest::RekeyData { values_per_second } => {
                Ok(json(&store.rekey_data(master, values_per_second, now, &watch)?))
            }
        }
    }
}

/// Reports are made of strings, numbers and lists, for which this cannot fail.
fn json<T: Serialize>(report: &T) -> Value {
    serde_json::to_value(report).unwrap_or_default()
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
        let ended = self.ended.lock().clone();
        let ended = match ended {
            None if over => Some(Err((rules::JOB_PANICKED, "the job ended in a panic".to_owned()))),
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
#[derive(Default)]
pub struct Jobs {
    last: Mutex<Option<Job>>,
    stopped: Mutex<bool>,
}

impl Jobs {
    /// # Errors
    /// [`JobError::Stopping`], [`JobError::Busy`], [`JobError::Thread`]
    pub fn start(&self, id: &str, work: Work, means: Means) -> Result<(), JobError> {
        // Held to the end, so that nothing starts once the node stops.
        let stopped = self.stopped.lock();
        if *stopped {
            return Err(JobError::Stopping);
        }
        let mut last = self.last.lock();
        if last.as_ref().is_some_and(|job| job.state().state == "running") {
            return Err(JobError::Busy);
        }
        let (kind, began, watch, ended) =
            (work.kind(), means.now, Watch::default(), Arc::new(Mutex::default()));
        let thread = {
            let (watch, ended, id) = (watch.clone(), Arc::clone(&ended), id.to_owned());
            std::thread::Builder::new().name("store-job".to_owned()).spawn(move || {
                let outcome = work.run(&means, &watch);
                let outcome = outcome.map_err(|why| (why.rule(), why.to_string()));
                let logged = means.log.append(end(&id, kind, outcome.as_ref().map_err(|(rule, _)| *rule)));
                *ended.lock() = Some(match logged {
                    Ok(_) => outcome,
                    Err(why) => Err((why.rule(), why.to_string())),
                });
            })
        };
        let thread = thread.map_err(JobError::Thread)?;
        *last = Some(Job { id: id.to_owned(), kind, began, watch, ended, thread: Some(thread) });
        Ok(())
    }

    /// # Errors
    /// [`JobError::Unknown`]
    pub fn state(&self, id: &str) -> Result<JobState, JobError> {
        self.with(id, Job::state)
    }

    pub fn cancel(&self, id: &str) -> Result<(), JobError> {
        self.with(id, |job| job.watch.cancel())
    }

    fn with<T>(&self, id: &str, act: impl FnOnce(&Job) -> T) -> Result<T, JobError> {
        let last = self.last.lock();
        last.as_ref().filter(|job| job.id == id).map(act).ok_or(JobError::Unknown)
    }

    /// Ends the job that is running, if any, and starts no other.
    pub fn stop(&self) {
        *self.stopped.lock() = true;
        let thread = self.last.lock().as_mut().and_then(|job| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_a_folder_below_the_nodes_own_and_no_other() {
        let resolve = |to: Option<&str>, backups: Option<&str>| {
            let request = JobRequest::Backup { to: to.map(PathBuf::from), keep: None };
            match request.resolve(backups.map(Path::new)) {
                Ok(Work(JobRequest::Backup { to, .. })) => Ok(to.unwrap()),
                Ok(_) => panic!("another job"),
                Err(why) => Err(why.rule()),
            }
        };
        assert_eq!(resolve(None, Some("/b")), Ok("/b".into()));
        assert_eq!(resolve(Some("nightly-1"), Some("/b")), Ok("/b/nightly-1".into()));
        assert_eq!(resolve(None, None), Err("job.noBackupDir"));
        for bad in ["", "..", ".", "../x", "a/b", "/etc", "a\\b", "a b", ".hidden", "夜"] {
            assert_eq!(resolve(Some(bad), Some("/b")), Err("job.backupName"), "{bad}");
        }
    }
}
