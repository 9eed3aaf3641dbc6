//! Requests that leave the city, and what of the answers is believed.
//!
//! The partner's own signature goes along, so the answering city knows who asks and grants by its own
//! rules. Nothing of its answer is passed on before its receipt covers question and answer, its
//! licences verify against the trust folder, and its status statements are its own and fresh. A city
//! that is down, or not believed, is one result among several and fails nothing else.

use super::admission::Caller;
use super::draft::Draft;
use super::message::{Answer, Incoming};
use super::office::Exchange;
use super::problem::{Problem, failed};
use super::rules;
use super::trusts::Trusts;
use crate::peer::{PeerAnswer, PeerError};
use licence_seal::crypto::sha256;
use licence_seal::evidence::{Receipt, b64};
use licence_seal::licence::{Identifier, State};
use licence_seal::seal::report::Report;
use licence_seal::seal::{Outcome, StatusStatement};

/// An answer that grants what was asked; a refusal is passed on as one.
pub async fn granted(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    region: &str,
) -> Result<PeerAnswer, Problem> {
    let answer = ask(exchange, incoming, caller, region).await?;
    if answer.status == 200 { Ok(answer) } else { Err(pass_refusal(region, &answer)) }
}

/// Passes the request on; an answer without a receipt that covers it is not believed.
pub async fn ask(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    region: &str,
) -> Result<PeerAnswer, Problem> {
    let Some((signature, claims)) = &caller.signature else {
        return Err(failed("peer", &"a request without signature was about to leave"));
    };
    let body = incoming.body_bytes();
    let answer =
        exchange.peers.ask(region, &incoming.path, body, signature).await.map_err(|why| match why {
            PeerError::TooLarge(_) => Problem::peer(502, rules::PEER_TOO_LARGE, why.to_string()),
            _ => {
                tracing::warn!(region, %why, "a peer did not answer");
                Problem::peer(
                    503,
                    rules::PEER_UNAVAILABLE,
                    format!("the node of region {region} did not answer"),
                )
            }
        })?;
    let unbelieved = |why: &str| distrust(region, rules::PEER_RECEIPT, why);
    let token = answer.receipt.as_deref().ok_or_else(|| unbelieved("its answer carries no receipt"))?;
    let certificate = Receipt::certificate(token).map_err(|_| unbelieved("its receipt is malformed"))?;
    let now = exchange.office.clock.now();
    let trusts = exchange.trust_snapshot();
    let node = trusts.trust.node(region, &certificate, now);
    let node = node.ok_or_else(|| unbelieved("its receipt is not by a node of that city"))?;
    let key = node.public_key().map_err(|_| unbelieved("its receipt has an unusable key"))?;
    let receipt = Receipt::verify(token, key).map_err(|_| unbelieved("its receipt does not verify"))?;
    receipt
        .covers(&incoming.method, &incoming.path, body, answer.status, &answer.body)
        .map_err(|why| unbelieved(&format!("its receipt: {why}")))?;
    let for_partner = receipt.aud == format!("{}/{}", exchange.office.region, claims.iss)
        && receipt.request_jti.as_deref() == Some(claims.jti.as_str());
    // A city that does not accept who asks can address its refusal to our node alone.
    let for_node =
        answer.status == 401 && receipt.aud == exchange.office.region && receipt.request_jti.is_none();
    let ours = receipt.iss == region
        && (for_partner || for_node)
        && receipt.certificate == b64(&sha256(&[&exchange.keys.tls_certificate]));
    if ours { Ok(answer) } else { Err(unbelieved("its receipt is for somebody else")) }
}

/// The other city's answer as it came, with its receipt; what it shows goes on record.
pub fn pass_on(answer: PeerAnswer, report: Report, content_type: &'static str, draft: &mut Draft) -> Answer {
    let shown = report.licence.map(|licence| licence.fields).unwrap_or_default();
    draft.fields(shown.into_iter().map(|field| field.name));
    Answer { content_type, body: answer.body, peer_receipt: answer.receipt }
}

/// The licence asked for, under a good seal. Its state may be anything, revoked too: the partner is
/// told. But it must be that city's word.
pub fn believe_licence(report: &Report, region: &str, identifier: &Identifier) -> Result<(), &'static str> {
    let state_told = report.status.as_ref().is_some_and(|status| {
        let open = status.checks.iter().any(|check| check.outcome == Outcome::NotChecked);
        status.state.is_some() && status.said_by.as_deref() == Some(region) && !open
    });
    let same = report.licence.as_ref().is_some_and(|licence| licence.identifier == identifier.as_str());
    if report.seal.verdict.passed() && state_told && same {
        return Ok(());
    }
    Err(report.open_checks().next().map_or("it is not the licence asked for", |check| check.name))
}

/// The state that a status statement of that city's own, and fresh, gives this licence.
pub fn believe_statement(
    exchange: &Exchange,
    trusts: &Trusts,
    region: &str,
    identifier: &str,
    token: &str,
) -> Result<State, Problem> {
    let now = exchange.office.clock.now();
    let unbelieved = |why| distrust(region, rules::PEER_STATEMENT, why);
    let statement =
        StatusStatement::parse(token).map_err(|_| unbelieved("a status statement is malformed"))?;
    let node = trusts.trust.node(region, &statement.certificate, now);
    let node = node.ok_or_else(|| unbelieved("a status statement is not by a node of that city"))?;
    let key = node.public_key().map_err(|_| unbelieved("a status statement has an unusable key"))?;
    statement.verify(key).map_err(|_| unbelieved("a status statement does not verify"))?;
    if statement.claims.iss != region || statement.claims.id != identifier {
        return Err(unbelieved("a status statement speaks of another licence or city"));
    }
    if statement.claims.next_update < now {
        return Err(unbelieved("a status statement is stale"));
    }
    Ok(statement.claims.state)
}

/// What another city refused, in its own words, under a rule that says whose they are.
fn pass_refusal(region: &str, answer: &PeerAnswer) -> Problem {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(|value| value.as_str()).unwrap_or("unknown").to_owned();
    let known = matches!(answer.status, 400 | 401 | 403 | 404 | 409 | 413 | 415 | 429);
    let mut problem = Problem::peer(
        if known { answer.status } else { 502 },
        rules::PEER_REFUSED,
        format!("region {region} refused ({}): {}", text("rule"), text("detail")),
    );
    if let Some(code) =
        body.get("code").and_then(serde_json::Value::as_u64).and_then(|code| u8::try_from(code).ok())
    {
        problem.code = code;
    }
    problem
}

/// What is not believed is told by its rule, and said on record of the operator.
pub fn distrust(region: &str, rule: &'static str, why: &str) -> Problem {
    tracing::warn!(region, rule, why, "a peer's answer is not believed");
    Problem::peer(502, rule, format!("the answer of region {region} is not believed: {why}"))
}
