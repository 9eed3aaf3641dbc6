//! What changes have in common: their turn, whose they are, and how they are answered.

use std::sync::Arc;

use serde::Serialize;

use super::admission::Caller;
use super::draft::Draft;
use super::message::Answer;
use super::office::Exchange;
use super::problem::{Problem, failed, national};
use super::reconcile;
use super::rules;
use super::standing::{effective, statement};
use crate::store::StoreError;
use licence_seal::licence::Identifier;

/// Answer to `issue` and `status`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeAnswer {
    code: u8,
    request_id: String,
    identifier: String,
    state: String,
    /// Status statement after the change.
    statement: String,
}

/// Waits for the turn to change, and keeps it until the change is logged. A change before this one that
/// could not be logged is logged first: if that fails again, nothing more is changed.
pub async fn take_turn(exchange: &Arc<Exchange>, draft: &mut Draft) -> Result<(), Problem> {
    draft.keep_turn(Arc::clone(&exchange.changes).lock_owned().await);
    if reconcile::agree(exchange) {
        return Ok(());
    }
    exchange.blocking("log", reconcile::reconcile).await?.map(|_| ()).map_err(|why| failed("log", &why))
}

/// An authority speaks in its own name only.
pub fn own(caller: &Caller, issuer: &str) -> Result<(), Problem> {
    if caller.registration.issuer_codes.iter().any(|code| code == issuer) {
        Ok(())
    } else {
        Err(Problem::forbidden(
            rules::ISSUER_OTHER,
            "the registration does not speak for this issuing authority",
        ))
    }
}

/// A reason for the record.
pub fn check_reason(rule: &'static str, reason: &str) -> Result<(), Problem> {
    let length = reason.chars().count();
    if (1..=200).contains(&length) && !reason.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(Problem::malformed(rule, "a reason is 1 to 200 characters without control characters"))
    }
}

/// How the licence stands after its change.
pub async fn changed(exchange: &Exchange, identifier: Identifier, draft: &Draft) -> Result<Answer, Problem> {
    let text = identifier.to_string();
    let found = exchange.read("change", move |reader| reader.by_identifier(&identifier)).await?;
    let found = found.ok_or_else(|| failed("change", &"a licence is gone right after it was changed"))?;
    Answer::json(&ChangeAnswer {
        code: national::OK,
        request_id: draft.request_id().to_owned(),
        identifier: text,
        state: effective(exchange, &found).word().to_owned(),
        statement: statement(exchange, &found, exchange.office.clock.now())?,
    })
}

/// What the store refused. A licence that is not here is "not found" to its own authority.
pub fn store_problem(why: StoreError) -> Problem {
    match &why {
        StoreError::UnknownLicence(_) => Problem::not_found("no such licence in this city's store"),
        _ if why.is_refusal() => Problem::conflict(why.rule(), why.to_string()),
        _ => failed("store", &why),
    }
}
