//! Administration: registrations and grants, changed through the running node by its operator, and long
//! work on its store.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::exchange::changes::{check_reason, take_turn};
use crate::exchange::draft::Draft;
use crate::exchange::jobs::{JobError, JobRequest, Means};
use crate::exchange::message::Answer;
use crate::exchange::office::Exchange;
use crate::exchange::problem::{Problem, failed, national};
use crate::exchange::registrations::{self, put_grant, put_registration, revoke_registration};
use crate::exchange::request::Request;
use crate::exchange::rules;
use crate::rules::{Grant, Registration};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum AdminRequest {
    PutRegistration(Registration),
    RevokeRegistration {
        id: String,
        reason: String,
    },
    PutGrant(Grant),
    RemoveGrant {
        id: String,
        reason: String,
    },
    List {},
    /// Sizes and counts of the store.
    Stats {},
    /// Long work on the store; the answer names the job.
    StartJob(JobRequest),
    /// How a job stands.
    Job {
        id: String,
    },
    CancelJob {
        id: String,
    },
}

pub async fn run(request: Request<'_>) -> Result<Answer, Problem> {
    let Request { exchange, incoming, caller, draft, .. } = request;
    let request: AdminRequest = incoming.json()?;
    draft.note("request", serde_json::to_value(&request).map_err(|why| failed("admin", &why))?);
    match request {
        AdminRequest::List {} => list(exchange, draft),
        AdminRequest::Stats {} => stats(exchange, draft).await,
        AdminRequest::Job { id } => job(exchange, draft, &id),
        AdminRequest::CancelJob { id } => {
            exchange.jobs.cancel(&id).map_err(job_problem)?;
            job(exchange, draft, &id)
        }
        AdminRequest::StartJob(work) => start(exchange, draft, work).await,
        AdminRequest::PutRegistration(registration) => {
            change(exchange, draft, move |exchange| {
                let registry = exchange.storage.registry.as_ref();
                put_registration(registry, &exchange.registrations(), &registration)
            })
            .await
        }
        AdminRequest::RevokeRegistration { id, reason } => {
            let own = caller.registration.id.clone();
            change(exchange, draft, move |exchange| {
                check_reason(rules::ADMIN_REASON, &reason)?;
                if id == own {
                    let detail = "an operator cannot revoke itself";
                    return Err(Problem::conflict(rules::REGISTRATION_OWN, detail));
                }
                revoke_registration(exchange.storage.registry.as_ref(), &exchange.registrations(), &id)
            })
            .await
        }
        AdminRequest::PutGrant(grant) => {
            change(exchange, draft, move |exchange| put_grant(exchange.storage.registry.as_ref(), &grant))
                .await
        }
        AdminRequest::RemoveGrant { id, reason } => {
            change(exchange, draft, move |exchange| {
                check_reason(rules::ADMIN_REASON, &reason)?;
                registrations::remove_grant(exchange.storage.registry.as_ref(), &id)
            })
            .await
        }
    }
}

/// One change at a time, its reading of the state before it included.
async fn change(
    exchange: &Arc<Exchange>,
    draft: &mut Draft,
    apply: impl FnOnce(&Exchange) -> Result<(), Problem> + Send + 'static,
) -> Result<Answer, Problem> {
    take_turn(exchange, draft).await?;
    log_intent(exchange, draft).await?;
    let applied = exchange.blocking("admin", move |exchange| {
        apply(exchange)?;
        exchange.reload_registrations()
    });
    applied.await??;
    Answer::json(&json!({ "code": national::OK, "requestId": draft.request_id() }))
}

/// On record before it is in force: an entry of the intent, with all that is to hold from now on.
async fn log_intent(exchange: &Exchange, draft: &Draft) -> Result<(), Problem> {
    let logged = exchange.log.append_async(draft.intent("admin.intent")).await;
    logged.map(|_| ()).map_err(|why| failed("log", &why))
}

async fn start(exchange: &Arc<Exchange>, draft: &Draft, work: JobRequest) -> Result<Answer, Problem> {
    log_intent(exchange, draft).await?;
    let work = work.resolve(exchange.storage.backup_dir.as_deref()).map_err(job_problem)?;
    let means = Means {
        store: Arc::clone(&exchange.storage.admin),
        log: Arc::clone(&exchange.log),
        catalogue: exchange.office.catalogue,
        master: exchange.keys.master.clone(),
        now: exchange.office.clock.now(),
    };
    // Whoever asks for the job asks by the request that started it.
    exchange.jobs.start(draft.request_id(), work, means).map_err(job_problem)?;
    job(exchange, draft, draft.request_id())
}

fn job(exchange: &Exchange, draft: &Draft, id: &str) -> Result<Answer, Problem> {
    answer(draft, "job", &exchange.jobs.state(id).map_err(job_problem)?)
}

fn job_problem(why: JobError) -> Problem {
    let (rule, detail) = (why.rule(), why.to_string());
    match why {
        JobError::NoBackupDir | JobError::Stopping => Problem::unavailable(national::OTHER, rule, detail),
        JobError::BackupName | JobError::Keep => Problem::malformed(rule, detail),
        JobError::Busy => Problem::conflict(rule, detail),
        JobError::Unknown => Problem::unknown_id(rule, detail),
        JobError::Thread(why) => failed("job", &why),
    }
}

async fn stats(exchange: &Arc<Exchange>, draft: &Draft) -> Result<Answer, Problem> {
    let stats = exchange.blocking("stats", |exchange| exchange.storage.admin.stats()).await?;
    answer(draft, "stats", &stats.map_err(|why| failed("stats", &why))?)
}

fn answer<T: Serialize>(draft: &Draft, name: &str, value: &T) -> Result<Answer, Problem> {
    Answer::json(&json!({ "code": national::OK, "requestId": draft.request_id(), name: value }))
}

fn list(exchange: &Exchange, draft: &Draft) -> Result<Answer, Problem> {
    let registrations = exchange.registrations();
    let all: Vec<_> = registrations.all().map(|registration| registration.as_ref().clone()).collect();
    let grants: Vec<_> = registrations.grants().cloned().collect();
    Answer::json(&json!({
        "code": national::OK,
        "requestId": draft.request_id(),
        "registrations": all,
        "grants": grants,
    }))
}
