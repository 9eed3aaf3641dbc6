//! Before the node serves, store and log must say the same.
//!
//! A change is in the store before it is in the log, and answered only after both, so a kill between
//! the two leaves a change that nobody was told of and the log lacks: it is logged now. The other way
//! round, a log that knows changes which the store lacks, means that the store was restored from an
//! older copy: status changes are replayed from the log; batches cannot be, and the node does not
//! serve, because it would deny licences that exist.

use super::commitment::{MANIFESTS_AN_ENTRY, manifest_leaf, range};
use super::office::Exchange;
use crate::accesslog::{Access, Filter, LogError, Outcome};
use crate::store::{BatchNumber, StatusChange, StoreError};
use licence_seal::licence::{Identifier, State};

/// Why store and log cannot be brought together.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(
        "the log commits to batch {logged}, the store ends at {stored}: recover the store from its export and journal"
    )]
    BatchesLost { logged: u64, stored: u64 },
    #[error(
        "the log records status change {logged}, the store ends at {stored}, and entry {index} cannot be replayed: {why}"
    )]
    StatusLost { logged: u64, stored: u64, index: u64, why: String },
    #[error("batch {0} is in the store's count and cannot be read")]
    BatchUnreadable(u64),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    pub batches_logged: u64,
    pub changes_logged: u64,
    pub changes_replayed: u64,
}

/// Whether store and log end at the same change and batch.
pub fn agree(exchange: &Exchange) -> bool {
    exchange.storage.reader.last_batch() == exchange.log.last_batch_number().unwrap_or(0)
        && exchange.storage.reader.last_change() == exchange.log.last_change_number().unwrap_or(0)
}

pub fn reconcile(exchange: &Exchange) -> Result<Reconciled, ReconcileError> {
    let mut done = Reconciled::default();
    let (stored, logged) =
        (exchange.storage.reader.last_batch(), exchange.log.last_batch_number().unwrap_or(0));
    if logged > stored {
        return Err(ReconcileError::BatchesLost { logged, stored });
    }
    if stored > logged {
        log_batches(exchange, logged + 1, stored)?;
        done.batches_logged = stored - logged;
        done.changes_logged = log_superseded(exchange)?;
    }
    let (stored, logged) =
        (exchange.storage.reader.last_change(), exchange.log.last_change_number().unwrap_or(0));
    if logged > stored {
        done.changes_replayed = replay_status(exchange, stored, logged)?;
    } else if stored > logged {
        for (identifier, status) in exchange.storage.reader.changes_after(logged)? {
            let mut access = Access::new("status", Outcome::Granted);
            access.details.change_number = Some(status.change_number);
            access.details.identifiers.push(identifier.to_string());
            let detail = &mut access.details.detail;
            detail.insert("recovered".to_owned(), true.into());
            detail.insert("state".to_owned(), status.state.word().into());
            detail.insert("reason".to_owned(), status.reason.clone().into());
            detail.insert("by".to_owned(), status.by.clone().into());
            exchange.log.append(access)?;
        }
        done.changes_logged += stored - logged;
    }
    Ok(done)
}

fn log_batches(exchange: &Exchange, first: u64, last: u64) -> Result<(), ReconcileError> {
    let mut from = first;
    while from <= last {
        let until = last.min(from + MANIFESTS_AN_ENTRY - 1);
        let mut manifests = Vec::new();
        for number in from..=until {
            let manifest = exchange.storage.reader.manifest(BatchNumber(number))?;
            manifests.push(manifest_leaf(&manifest.ok_or(ReconcileError::BatchUnreadable(number))?));
        }
        let mut access = Access::new("import", Outcome::Granted);
        access.details.batches = Some(range(from, &manifests));
        access.details.detail.insert("recovered".to_owned(), true.into());
        exchange.log.append(access)?;
        from = until + 1;
    }
    Ok(())
}

/// The changes that came with batches, since new versions end older ones, are in the entries of their
/// batches; one entry says how far they went.
fn log_superseded(exchange: &Exchange) -> Result<u64, ReconcileError> {
    let logged = exchange.log.last_change_number().unwrap_or(0);
    let changes = exchange.storage.reader.changes_after(logged)?;
    let covered = changes.iter().take_while(|(_, status)| status.by.is_none()).count();
    let Some((_, last)) = covered.checked_sub(1).and_then(|at| changes.get(at)) else { return Ok(0) };
    let mut access = Access::new("import", Outcome::Granted);
    access.details.change_number = Some(last.change_number);
    access.details.detail.insert("recovered".to_owned(), true.into());
    exchange.log.append(access)?;
    Ok(last.change_number - logged)
}

fn replay_status(exchange: &Exchange, stored: u64, logged: u64) -> Result<u64, ReconcileError> {
    let filter = Filter { op: Some("status".to_owned()), ..Filter::default() };
    let mut changes = Vec::new();
    for found in exchange.log.search(&filter)? {
        if let Some(number) =
            found.details.as_ref().and_then(|details| details.change_number).filter(|n| *n > stored)
        {
            changes.push((number, found));
        }
    }
    changes.sort_by_key(|(number, _)| *number);
    let mut next = stored;
    for (number, found) in changes {
        let lost = |why: &str| ReconcileError::StatusLost {
            logged,
            stored,
            index: found.index,
            why: why.to_owned(),
        };
        let details = found.details.as_ref().ok_or_else(|| lost("its month's key was destroyed"))?;
        let text = |name: &str| details.detail.get(name).and_then(|value| value.as_str());
        let identifier = details.identifiers.first().and_then(|id| Identifier::parse(id).ok());
        let change = StatusChange {
            identifier: identifier.ok_or_else(|| lost("it names no licence"))?,
            state: text("state")
                .and_then(|word| word.parse::<State>().ok())
                .ok_or_else(|| lost("it names no state"))?,
            reason: text("reason").map(str::to_owned),
            at: found.entry.time,
            by: details.partner.clone().or_else(|| text("by").map(str::to_owned)).unwrap_or_default(),
        };
        if number != next + 1 {
            return Err(lost("a change before it is missing"));
        }
        next = exchange.storage.issuer.change_status(change).map_err(|why| lost(&why.to_string()))?;
    }
    if next == logged {
        Ok(next - stored)
    } else {
        Err(ReconcileError::StatusLost {
            logged,
            stored,
            index: 0,
            why: "the log has no entry for it".to_owned(),
        })
    }
}
