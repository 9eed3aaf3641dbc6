//! `POST /v1/admin`: registrations and grants, changed through the running node by its operator, and
//! long work on its store.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::admission::Caller;
use super::problem::{Problem, national};
use super::record::Draft;
use super::registrations::{GRANT, REGISTRATION};
use super::wire::AdminRequest;
use super::{Answer, Exchange, Incoming, changes, failed, parse};
use crate::rules::{Grant, Registration};

pub const PATH: &str = "/v1/admin";

pub(super) async fn change(
    exchange: &Arc<Exchange>,
    incoming: &Incoming,
    caller: &Caller,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    let request: AdminRequest = parse(incoming)?;
    draft.note("request", serde_json::to_value(&request).map_err(|why| failed("admin", &why))?);
    let request = match request {
        AdminRequest::List {} => return list(exchange, draft),
        AdminRequest::Stats {} => return stats(exchange, draft).await,
        AdminRequest::Job { id } => return answer(draft, "job", &exchange.jobs.state(&id)?),
        AdminRequest::CancelJob { id } => {
            exchange.jobs.cancel(&id)?;
            return answer(draft, "job", &exchange.jobs.state(&id)?);
        }
        AdminRequest::StartJob(job) => {
            exchange
                .log
                .append_async(draft.intent("admin.intent"))
                .await
                .map_err(|why| failed("log", &why))?;
            // Whoever asks for the job asks by the request that started it.
            let id = draft.request_id().to_owned();
            exchange.jobs.start(&id, job)?;
            return answer(draft, "job", &exchange.jobs.state(&id)?);
        }
        change => change,
    };
    // One change at a time, its reading of the state before it included.
    changes::take_turn(exchange, draft).await?;
    // On record before it is in force: an entry of the intent, with all that is to hold from now on.
    exchange.log.append_async(draft.intent("admin.intent")).await.map_err(|why| failed("log", &why))?;
    let (changed, own) = (Arc::clone(exchange), caller.registration.id.clone());
    tokio::task::spawn_blocking(move || apply(&changed, request, &own))
        .await
        .map_err(|why| failed("admin", &why))??;
    Answer::json(&json!({ "code": national::OK, "requestId": draft.request_id() }))
}

fn apply(exchange: &Exchange, request: AdminRequest, own: &str) -> Result<(), Problem> {
    match request {
        AdminRequest::PutRegistration(registration) => put_registration(exchange, &registration)?,
        AdminRequest::RevokeRegistration { id, reason } => {
            check_reason(&reason)?;
            if id == own {
                return Err(Problem::conflict("registration.own", "an operator cannot revoke itself"));
            }
            let registrations = exchange.registrations();
            let known = registrations.by_id(&id).ok_or_else(|| unknown("registration.unknownId"))?;
            let revoked = Registration { revoked: true, ..Registration::clone(known) };
            put(exchange, REGISTRATION, &id, &revoked)?;
        }
        AdminRequest::PutGrant(grant) => put_grant(exchange, &grant)?,
        AdminRequest::RemoveGrant { id, reason } => {
            check_reason(&reason)?;
            if !exchange.registry.remove(GRANT, &id).map_err(|why| failed("registry", &why))? {
                return Err(unknown("grant.unknown"));
            }
        }
        AdminRequest::List {}
        | AdminRequest::Stats {}
        | AdminRequest::StartJob(_)
        | AdminRequest::Job { .. }
        | AdminRequest::CancelJob { .. } => {}
    }
    exchange.reload_registrations()
}

async fn stats(exchange: &Exchange, draft: &Draft) -> Result<Answer, Problem> {
    let store = Arc::clone(&exchange.jobs.store);
    let stats = tokio::task::spawn_blocking(move || store.stats()).await;
    answer(draft, "stats", &stats.map_err(|why| failed("stats", &why))?.map_err(|why| failed("stats", &why))?)
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

/// Stores a registration that is well formed and whose certificates stand behind no other.
pub fn put_registration(exchange: &Exchange, registration: &Registration) -> Result<(), Problem> {
    registration.check().map_err(|why| Problem::malformed(why.rule(), why.to_string()))?;
    if exchange.registrations().taken(&registration.id, &registration.certificates) {
        return Err(Problem::conflict(
            "registration.certificate",
            "a certificate stands behind another registration",
        ));
    }
    put(exchange, REGISTRATION, &registration.id, registration)
}

/// Stores a grant that names something.
pub fn put_grant(exchange: &Exchange, grant: &Grant) -> Result<(), Problem> {
    let named = !grant.id.is_empty() && grant.id.len() <= 64 && !grant.partner.is_empty();
    let full = [
        grant.types.is_empty(),
        grant.fields.is_empty(),
        grant.matters.is_empty(),
        grant.operations.is_empty(),
    ];
    if !named || full.contains(&true) {
        let detail = "a grant names its id, partner, operations, types, fields and matters; * stands for all";
        return Err(Problem::malformed("grant.malformed", detail));
    }
    put(exchange, GRANT, &grant.id, grant)
}

fn put<T: serde::Serialize>(exchange: &Exchange, kind: &str, id: &str, value: &T) -> Result<(), Problem> {
    let value = serde_json::to_value(value).map_err(|why| failed("registry", &why))?;
    exchange.registry.put(kind, id, &value).map_err(|why| failed("registry", &why))
}

fn check_reason(reason: &str) -> Result<(), Problem> {
    let length = reason.chars().count();
    if (1..=200).contains(&length) && !reason.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(Problem::malformed("admin.reason", "a reason is 1 to 200 characters without control characters"))
    }
}

fn unknown(rule: &'static str) -> Problem {
    Problem { status: 404, ..Problem::malformed(rule, "there is nothing of this id") }
}
