//! The hits of other cities, as far as they are believed.

use futures_util::future::join_all;
use serde_json::json;

use super::wire::{Hit, RegionResult, SearchAnswer};
use crate::exchange::abroad::{ask, believe_statement, distrust};
use crate::exchange::admission::Caller;
use crate::exchange::message::Incoming;
use crate::exchange::office::Exchange;
use crate::exchange::problem::Problem;
use crate::exchange::rules;
use crate::peer::PeerAnswer;
use licence_seal::licence::Identifier;
use licence_seal::time::Day;

/// Asks the other cities at once.
pub async fn search(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    wanted: &[String],
    request_id: &str,
) -> Vec<RegionResult> {
    let others = wanted.iter().filter(|region| **region != exchange.office.region);
    join_all(others.map(|region| search_one(exchange, incoming, caller, region, request_id))).await
}

async fn search_one(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    region: &str,
    request_id: &str,
) -> RegionResult {
    let without =
        |outcome: &str, problem: &Problem| RegionResult::without(region, outcome, problem.body(request_id));
    let answer = match ask(exchange, incoming, caller, region).await {
        Ok(answer) => answer,
        Err(problem) => {
            let silent = problem.rule == rules::PEER_UNAVAILABLE;
            return without(if silent { "unavailable" } else { "untrusted" }, &problem);
        }
    };
    if answer.status != 200 {
        let body =
            serde_json::from_slice(&answer.body).unwrap_or_else(|_| json!({ "status": answer.status }));
        let outcome = if answer.status >= 500 { "unavailable" } else { "refused" };
        return RegionResult { receipt: answer.receipt, ..RegionResult::without(region, outcome, body) };
    }
    match believe_hits(exchange, region, &answer) {
        Ok(result) => RegionResult { receipt: answer.receipt, ..result },
        Err(problem) => without("untrusted", &problem),
    }
}

/// The hits of one city, each with a status statement of that city's own.
fn believe_hits(exchange: &Exchange, region: &str, answer: &PeerAnswer) -> Result<RegionResult, Problem> {
    let parsed: SearchAnswer = serde_json::from_slice(&answer.body)
        .map_err(|_| distrust(region, rules::PEER_FORMAT, "its answer is not a search answer"))?;
    let [result] = <[RegionResult; 1]>::try_from(parsed.results)
        .map_err(|_| distrust(region, rules::PEER_FORMAT, "it answered for more than itself"))?;
    if result.region != region || result.licences.len() > exchange.office.settings.search_limit.max(1000) {
        return Err(distrust(region, rules::PEER_FORMAT, "it answered for another region, or with too much"));
    }
    let mut result = result;
    for hit in &mut result.licences {
        believe_hit(exchange, region, hit)?;
    }
    Ok(RegionResult { problem: None, outcome: "answered".to_owned(), ..result })
}

/// A hit is about a licence of that city, and its state is what the statement and the days say.
fn believe_hit(exchange: &Exchange, region: &str, hit: &mut Hit) -> Result<(), Problem> {
    let unbelieved = |why| distrust(region, rules::PEER_FORMAT, why);
    let identifier = Identifier::parse(&hit.identifier).map_err(|_| unbelieved("a hit has no identifier"))?;
    let trusts = exchange.trust_snapshot();
    let own = trusts.trust.list(region).is_some_and(|list| list.may_name(identifier.issuer()));
    if !own || hit.issuer != identifier.issuer() || hit.type_code != identifier.type_code().as_str() {
        return Err(unbelieved("a hit is not about a licence of that city"));
    }
    let from =
        Day::parse(&hit.valid_from).ok_or_else(|| unbelieved("a hit has no day from which it is valid"))?;
    let until =
        hit.valid_until.as_deref().map(|day| Day::parse(day).ok_or_else(|| unbelieved("a day is none")));
    let state = believe_statement(exchange, &trusts, region, &hit.identifier, &hit.statement)?;
    let state = state.effective(from, until.transpose()?, exchange.office.clock.now().day());
    hit.state = state.word().to_owned();
    hit.state_zh = state.zh().to_owned();
    Ok(())
}
