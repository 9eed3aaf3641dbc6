//! Asking the grants: what is asked of them, and how their refusal is told.

use super::admission::Caller;
use super::office::Exchange;
use super::problem::Problem;
use crate::rules::{Ask, Grant, Operation, Refusal, decide};
use licence_seal::licence::RequestContext;

pub fn ask<'a>(
    exchange: &Exchange,
    caller: &'a Caller,
    operation: Operation,
    type_code: Option<&'a str>,
    context: &'a RequestContext,
) -> Ask<'a> {
    let now = exchange.office.clock.now();
    Ask {
        partner: &caller.id,
        operation,
        type_code,
        item_code: &context.item_code,
        now,
        address: caller.address,
        used_today: exchange.log.granted_on(&caller.id, now.day()),
    }
}

/// The widest daily limit among the grants that allow `ask`; `None` if one has no limit.
pub fn daily_limit<'a>(grants: impl Iterator<Item = &'a Grant>, ask: &Ask<'_>) -> Option<u64> {
    let mut widest = Some(0);
    for grant in grants.filter(|grant| decide([*grant], ask).is_ok()) {
        widest = widest.zip(grant.daily_limit).map(|(a, b)| a.max(b));
    }
    widest
}

pub fn refused(refusal: Refusal) -> Problem {
    Problem::forbidden(refusal.rule(), refusal.to_string())
}
