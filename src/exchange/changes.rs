//! Issue and status: what issuing authorities change, each in its own name only.

use std::sync::Arc;

use super::admission::Caller;
use super::problem::{Fault, Problem, national};
use super::record::Draft;
use super::wire::{ChangeAnswer, IssueRequest, StatusRequest};
use super::{Answer, Exchange, Incoming, failed, import, licences, parse, reconcile};
use crate::store::{StatusChange, StoreError};
use licence_seal::licence::{Identifier, Record, RecordError, RecordRef, Rule, State};
use licence_seal::seal::{BatchSeal, SealImpression, SealedBatch, SealingKey};

pub const ISSUE: &str = "/v1/licences/issue";
pub const STATUS: &str = "/v1/licences/status";

/// `POST /v1/licences/issue`: seals one record and stores it, a new version of another one included.
pub async fn issue(
    exchange: &Arc<Exchange>,
    incoming: &Incoming,
    caller: &Caller,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    let request: IssueRequest = parse(incoming)?;
    draft.context(request.context)?;
    let record =
        Record::parse_json(request.record.get().as_bytes(), exchange.catalogue).map_err(record_problem)?;
    draft.identifier(record.identifier.as_str());
    for holder in &record.holders {
        draft.holder(holder.code());
    }
    own(caller, record.issuer_code.as_str())?;
    if record.state != State::Valid {
        return Err(Problem::malformed(
            "issue.state",
            "a licence is issued valid; another state is declared afterwards",
        ));
    }
    if let Some(older) = &record.supersedes {
        draft.identifier(older.as_str());
        if older.issuer() != record.issuer_code.as_str() || older.type_code() != record.type_code {
            return Err(Problem::malformed(
                "supersedes.other",
                "a new version has the type and issuer of the old one",
            ));
        }
    }
    let identifier = record.identifier.clone();
    let (sealed, impression) = seal(exchange, &[record.view()])?;
    let (manifest, batch) = (sealed.manifest.clone(), SealedBatch { seal: sealed, records: vec![record] });
    take_turn(exchange, draft).await?;
    let changed = Arc::clone(exchange);
    let numbers = tokio::task::spawn_blocking(move || changed.issuer.add_batches(vec![(batch, impression)]))
        .await
        .map_err(|why| failed("issue", &why))?
        .map_err(store_problem)?;
    if let Some(number) = numbers.first() {
        draft.batches(import::range(number.0, &[import::manifest_leaf(&manifest)]));
    }
    draft.change(exchange.reader.last_change());
    answer(exchange, &identifier, draft)
}

/// `POST /v1/licences/status`: declares a state.
pub async fn status(
    exchange: &Arc<Exchange>,
    incoming: &Incoming,
    caller: &Caller,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    let request: StatusRequest = parse(incoming)?;
    draft.context(request.context)?;
    let identifier = licences::parse_identifier(&request.identifier)?;
    draft.identifier(identifier.as_str());
    let state: State = request.state.parse().map_err(|_| {
        Problem::malformed(
            "status.unknown",
            "a state is valid, restricted, suspended, withdrawn, revoked or cancelled",
        )
    })?;
    if state == State::Superseded {
        return Err(Problem::malformed(
            "status.superseded",
            "a licence is superseded by issuing its next version",
        ));
    }
    let length = request.reason.chars().count();
    if !(1..=200).contains(&length) || request.reason.chars().any(char::is_control) {
        return Err(Problem::malformed(
            "status.reason",
            "a reason is 1 to 200 characters without control characters",
        ));
    }
    own(caller, identifier.issuer())?;
    draft.note("state", state.word());
    draft.note("reason", request.reason.as_str());
    let change = StatusChange {
        identifier: identifier.clone(),
        state,
        reason: Some(request.reason),
        at: exchange.clock.now(),
        by: caller.id.clone(),
    };
    take_turn(exchange, draft).await?;
    let changed = Arc::clone(exchange);
    let number = tokio::task::spawn_blocking(move || changed.issuer.change_status(change))
        .await
        .map_err(|why| failed("status", &why))?
        .map_err(store_problem)?;
    draft.change(number);
    answer(exchange, &identifier, draft)
}

/// Waits for the turn to change, and keeps it until the change is logged. A change before this one that
/// could not be logged is logged first: if that fails again, nothing more is changed.
pub async fn take_turn(exchange: &Arc<Exchange>, draft: &mut Draft) -> Result<(), Problem> {
    draft.hold(Arc::clone(&exchange.changes).lock_owned().await);
    if reconcile::agree(exchange) {
        return Ok(());
    }
    let behind = Arc::clone(exchange);
    let done =
        tokio::task::spawn_blocking(move || reconcile::reconcile(&behind).map_err(|why| why.to_string()));
    match done.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(why)) => Err(failed("log", &why)),
        Err(why) => Err(failed("log", &why)),
    }
}

/// An authority speaks in its own name only.
fn own(caller: &Caller, issuer: &str) -> Result<(), Problem> {
    if caller.registration.issuer_codes.iter().any(|code| code == issuer) {
        Ok(())
    } else {
        Err(Problem::forbidden("issuer.other", "the registration does not speak for this issuing authority"))
    }
}

fn answer(exchange: &Exchange, identifier: &Identifier, draft: &Draft) -> Result<Answer, Problem> {
    let found = exchange.reader.by_identifier(identifier).map_err(|why| failed("change", &why))?;
    let found = found.ok_or_else(|| failed("change", &"a licence is gone right after it was changed"))?;
    Answer::json(&ChangeAnswer {
        code: national::OK,
        request_id: draft.request_id().to_owned(),
        identifier: identifier.to_string(),
        state: licences::effective(exchange, &found).word().to_owned(),
        statement: licences::statement(exchange, &found)?,
    })
}

/// Seals records of one type and issuer with the issuer's key, or with the library's attestation seal
/// where that key is not here. A seal that no verifier would accept is not set.
pub fn seal(exchange: &Exchange, records: &[RecordRef<'_>]) -> Result<(BatchSeal, SealImpression), Problem> {
    let first = records.first().ok_or_else(|| failed("seal", &"an empty batch"))?;
    let (issuer, type_code) = (first.issuer_code, first.type_code);
    let key: &SealingKey = exchange
        .sealing
        .by_issuer
        .get(issuer)
        .or(exchange.sealing.attestation.as_ref())
        .ok_or_else(|| {
        Problem::conflict("seal.none", "neither this authority's seal nor an attestation seal is here")
    })?;
    let now = exchange.clock.now();
    exchange
        .held()
        .trust
        .bind(key.voice(), issuer, type_code, key.certificate_digest(), now)
        .map_err(|why| Problem::conflict("issuerBinding", why.to_string()))?;
    let salt_key = exchange.issuer.current_salt_key();
    BatchSeal::over(records, exchange.catalogue, key, &salt_key, now, exchange.random.as_ref())
        .map_err(|why| failed("seal", &why))
}

/// All faults of a record, by field and rule, never the value.
pub fn record_problem(errors: Vec<RecordError>) -> Problem {
    let unknown_type = errors.iter().any(|error| error.rule == Rule::Type);
    let faults = errors.into_iter().map(|error| Fault {
        rule: error.rule.rule().to_owned(),
        detail: error.rule.to_string(),
        field: error.field,
    });
    let faults: Vec<Fault> = faults.collect();
    let mut problem = Problem::malformed("record", "the record does not fit its type");
    if unknown_type {
        problem.code = national::UNKNOWN_TYPE;
    }
    problem.with_errors(faults)
}

/// What the store refused. A licence that is not here is "not found" to its own authority.
fn store_problem(why: StoreError) -> Problem {
    match &why {
        StoreError::UnknownLicence(_) => Problem::not_found("no such licence in this city's store"),
        _ if why.is_refusal() => Problem::conflict(why.rule(), why.to_string()),
        _ => failed("store", &why),
    }
}
