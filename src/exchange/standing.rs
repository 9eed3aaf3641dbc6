//! How a licence stands today, and the node's word for it.

use super::office::Exchange;
use super::problem::{Problem, failed};
use crate::store::Found;
use licence_seal::licence::Effective;
use licence_seal::seal::StatusStatement;
use licence_seal::time::Timestamp;

/// What the licence is today.
pub fn effective(exchange: &Exchange, found: &Found) -> Effective {
    let record = &found.record;
    found.status.state.effective(record.valid_from, record.valid_until, exchange.office.clock.now().day())
}

/// The status statement for a licence that was read at `now` or after it.
pub fn statement(exchange: &Exchange, found: &Found, now: Timestamp) -> Result<String, Problem> {
    let statement = StatusStatement {
        iss: exchange.office.region.clone(),
        id: found.record.identifier.to_string(),
        state: found.status.state,
        as_of: now,
        next_update: now.plus_secs(exchange.office.settings.statement_secs),
    };
    statement
        .sign(exchange.keys.signer.as_ref(), &exchange.keys.certificate)
        .map_err(|why| failed("statement", &why))
}
