//! The hits of this city.

use super::wire::{Hit, RegionResult, SearchRequest};
use crate::exchange::admission::Caller;
use crate::exchange::draft::Draft;
use crate::exchange::grants;
use crate::exchange::office::Exchange;
use crate::exchange::problem::Problem;
use crate::exchange::standing::{effective, statement};
use crate::rules::{Operation, decide};
use crate::store::Found;
use licence_seal::licence::{HolderCodeType, LicenceType, RequestContext};
use licence_seal::time::Timestamp;

/// Licences of one holder that a search looks through.
const MAX_OF_HOLDER: usize = 1000;

pub async fn search(
    exchange: &Exchange,
    caller: &Caller,
    context: &RequestContext,
    request: &SearchRequest,
    code_type: HolderCodeType,
    kind: Option<&'static LicenceType>,
    draft: &mut Draft,
) -> Result<RegionResult, Problem> {
    let registrations = exchange.registrations();
    let type_code = kind.map(|kind| kind.code.as_str());
    let ask = grants::ask(exchange, caller, Operation::Search, type_code, context);
    let allowed = decide(registrations.grants(), &ask).map_err(grants::refused)?;
    draft.limit(grants::daily_limit(registrations.grants(), &ask));
    let code = request.holder.code.clone();
    let now = exchange.office.clock.now();
    let found = exchange.read("search", move |reader| {
        reader.by_holder(code_type, &code, kind.map(|kind| &kind.code), MAX_OF_HOLDER)
    });
    let found = found.await?;
    // What the grants do not cover is left out before anything is counted.
    let covered: Vec<&Found> = found
        .iter()
        .filter(|one| allowed.covers_type(one.record.type_code.as_str()))
        .filter(|one| request.number.as_ref().is_none_or(|number| *number == one.record.number))
        .collect();
    let limit = exchange.office.settings.search_limit;
    let truncated = covered.len() > limit;
    let mut licences = Vec::new();
    for one in covered.into_iter().take(limit) {
        draft.identifier(one.record.identifier.as_str());
        licences.push(hit(exchange, one, now)?);
    }
    Ok(RegionResult {
        region: exchange.office.region.clone(),
        outcome: "answered".to_owned(),
        licences,
        truncated,
        receipt: None,
        problem: None,
    })
}

fn hit(exchange: &Exchange, found: &Found, now: Timestamp) -> Result<Hit, Problem> {
    let record = &found.record;
    let state = effective(exchange, found);
    Ok(Hit {
        identifier: record.identifier.to_string(),
        type_code: record.type_code.to_string(),
        name: exchange
            .office
            .catalogue
            .get(&record.type_code)
            .map(|kind| kind.name.clone())
            .unwrap_or_default(),
        issuer: record.issuer_code.to_string(),
        issuer_name: record.issuer_name.clone(),
        state: state.word().to_owned(),
        state_zh: state.zh().to_owned(),
        valid_from: record.valid_from.to_string(),
        valid_until: record.valid_until.map(|day| day.to_string()),
        statement: statement(exchange, found, now)?,
    })
}
