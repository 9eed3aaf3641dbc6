//! Requests that leave the city, and what of the answers is believed.
//!
//! The partner's own signature goes along, so the answering city knows who asks and grants by its own
//! rules. Nothing of its answer is passed on before its receipt covers question and answer, its
//! licences verify against the trust folder, and its status statements are its own and fresh. A city
//! that is down, or not believed, is one result among several and fails nothing else.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;

use super::admission::Caller;
use super::copies::OFD;
use super::problem::Problem;
use super::record::Draft;
use super::wire::{Hit, RegionResult, SearchAnswer, VerifyAnswer};
use super::{Answer, Exchange, Held, Incoming, LICENCE_JSON, failed};
use crate::peer::{PeerAnswer, PeerError};
use licence_seal::crypto::sha256;
use licence_seal::evidence::{Receipt, b64};
use licence_seal::licence::{Identifier, State};
use licence_seal::ofd::{Limits, verify_ofd};
use licence_seal::seal::report::Report;
use licence_seal::seal::{Ask, Outcome, StatusStatement, verify_licence};
use licence_seal::time::{Day, Timestamp};

/// Regions asked for: known ones, each once; by default this city alone.
pub fn wanted(
    exchange: &Exchange,
    caller: &Caller,
    regions: Option<&[String]>,
) -> Result<Vec<String>, Problem> {
    let own = exchange.region.clone();
    let Some(regions) = regions else { return Ok(vec![own]) };
    if caller.via.is_some() {
        // Passed on to us: the partner named us, and we never ask further.
        return if regions.contains(&own) { Ok(vec![own]) } else { Err(not_ours(&own)) };
    }
    let mut wanted: Vec<String> = Vec::new();
    for region in regions {
        if *region != own && !exchange.peers.knows(region) {
            return Err(Problem::malformed(
                "region.unknown",
                "regions names a city that is not a peer of this node",
            ));
        }
        if !wanted.contains(region) {
            wanted.push(region.clone());
        }
    }
    if wanted.is_empty() { Err(Problem::missing("region.empty", "regions is empty")) } else { Ok(wanted) }
}

/// The other city that a request is for, if it is for another one.
pub fn elsewhere(
    exchange: &Exchange,
    caller: &Caller,
    region: Option<&str>,
) -> Result<Option<String>, Problem> {
    match region.filter(|region| *region != exchange.region) {
        None => Ok(None),
        Some(_) if caller.via.is_some() => Err(not_ours(&exchange.region)),
        Some(region) if exchange.peers.knows(region) => Ok(Some(region.to_owned())),
        Some(_) => Err(Problem::malformed("region.unknown", "region is not a peer of this node")),
    }
}

fn not_ours(own: &str) -> Problem {
    Problem::forbidden("region.further", format!("this node answers other cities for region {own} alone"))
}

/// A request that leaves the city carries the partner's signature, and that names the targets.
pub fn check_signed(exchange: &Exchange, caller: &Caller, wanted: &[String]) -> Result<(), Problem> {
    let mut others = wanted.iter().filter(|region| **region != exchange.region).peekable();
    if others.peek().is_none() {
        return Ok(());
    }
    let Some((_, claims)) = &caller.signature else {
        return Err(Problem::unauthenticated(
            "signature.required",
            "a request to another city needs the partner's signature in Licence-Request-Signature",
        ));
    };
    match others.find(|region| !claims.targets.contains(region)) {
        None => Ok(()),
        Some(region) => Err(Problem::unauthenticated(
            "signature.audience",
            format!("the request signature does not name region {region} among its targets"),
        )),
    }
}

/// Asks the other cities at once.
pub async fn search(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    wanted: &[String],
    request_id: &str,
) -> Vec<RegionResult> {
    let others = wanted.iter().filter(|region| **region != exchange.region);
    join_all(others.map(|region| search_one(exchange, incoming, caller, region, request_id))).await
}

async fn search_one(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    region: &str,
    request_id: &str,
) -> RegionResult {
    let empty = |outcome: &str, problem: &Problem| RegionResult {
        region: region.to_owned(),
        outcome: outcome.to_owned(),
        licences: Vec::new(),
        truncated: false,
        receipt: None,
        problem: Some(problem.body(request_id)),
    };
    let answer = match ask(exchange, incoming, caller, region).await {
        Ok(answer) => answer,
        Err(problem) => return empty(unusable(&problem), &problem),
    };
    if answer.status != 200 {
        let body =
            serde_json::from_slice(&answer.body).unwrap_or_else(|_| json!({ "status": answer.status }));
        let outcome = if answer.status >= 500 { "unavailable" } else { "refused" };
        return RegionResult {
            problem: Some(body),
            receipt: answer.receipt,
            ..empty(outcome, &Problem::internal())
        };
    }
    match believe_hits(exchange, region, &answer) {
        Ok(result) => RegionResult { receipt: answer.receipt, ..result },
        Err(problem) => empty("untrusted", &problem),
    }
}

/// The hits of one city, each with a status statement of that city's own.
fn believe_hits(exchange: &Exchange, region: &str, answer: &PeerAnswer) -> Result<RegionResult, Problem> {
    let parsed: SearchAnswer = serde_json::from_slice(&answer.body)
        .map_err(|_| distrust(region, "peer.format", "its answer is not a search answer"))?;
    let [result] = <[RegionResult; 1]>::try_from(parsed.results)
        .map_err(|_| distrust(region, "peer.format", "it answered for more than itself"))?;
    if result.region != region || result.licences.len() > exchange.settings.search_limit.max(1000) {
        return Err(distrust(region, "peer.format", "it answered for another region, or with too much"));
    }
    let mut result = result;
    for hit in &mut result.licences {
        believe_hit(exchange, region, hit)?;
    }
    Ok(RegionResult { problem: None, outcome: "answered".to_owned(), ..result })
}

/// A hit is about a licence of that city, and its state is what the statement and the days say.
fn believe_hit(exchange: &Exchange, region: &str, hit: &mut Hit) -> Result<(), Problem> {
    let refuse = |why| distrust(region, "peer.format", why);
    let identifier = Identifier::parse(&hit.identifier).map_err(|_| refuse("a hit has no identifier"))?;
    let held = exchange.held();
    let own = held.trust.list(region).is_some_and(|list| list.may_name(identifier.issuer()));
    if !own || hit.issuer != identifier.issuer() || hit.type_code != identifier.type_code().as_str() {
        return Err(refuse("a hit is not about a licence of that city"));
    }
    let from =
        Day::parse(&hit.valid_from).ok_or_else(|| refuse("a hit has no day from which it is valid"))?;
    let until = hit.valid_until.as_deref().map(|day| Day::parse(day).ok_or_else(|| refuse("a day is none")));
    let state = believe_statement(exchange, &held, region, &hit.identifier, &hit.statement)?;
    let state = state.effective(from, until.transpose()?, exchange.clock.now().day());
    hit.state = state.word().to_owned();
    hit.state_zh = state.zh().to_owned();
    Ok(())
}

fn believe_statement(
    exchange: &Exchange,
    held: &Held,
    region: &str,
    identifier: &str,
    token: &str,
) -> Result<State, Problem> {
    let now = exchange.clock.now();
    let refuse = |why| distrust(region, "peer.statement", why);
    let statement = StatusStatement::parse(token).map_err(|_| refuse("a status statement is malformed"))?;
    let node = held.trust.node(region, &statement.certificate, now);
    let node = node.ok_or_else(|| refuse("a status statement is not by a node of that city"))?;
    let key = node.public_key().map_err(|_| refuse("a status statement has an unusable key"))?;
    statement.verify(key).map_err(|_| refuse("a status statement does not verify"))?;
    if statement.claims.iss != region || statement.claims.id != identifier {
        return Err(refuse("a status statement speaks of another licence or city"));
    }
    if statement.claims.next_update < now {
        return Err(refuse("a status statement is stale"));
    }
    Ok(statement.claims.state)
}

/// Fetches a sealed licence from another city and verifies it before it is passed on.
pub async fn fetch(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    region: &str,
    identifier: &Identifier,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    let answer = granted(exchange, incoming, caller, region).await?;
    let ask = Ask { at: exchange.clock.now(), seal_only: false, catalogue: Some(exchange.catalogue) };
    let report = verify_licence("answer", &answer.body, &exchange.held().trust, &ask);
    believe_licence(&report, region, identifier)
        .map_err(|why| distrust(region, "peer.licence", &format!("its licence does not verify: {why}")))?;
    Ok(pass_on(answer, report, LICENCE_JSON, draft))
}

/// Fetches an annotated copy from another city and verifies it, page and licence, before it is passed on.
pub async fn fetch_copy(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    region: &str,
    identifier: &Identifier,
    purpose: &str,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    let mut answer = granted(exchange, incoming, caller, region).await?;
    let (held, at, catalogue) = (exchange.held(), exchange.clock.now(), exchange.catalogue);
    let (body, trust) = (std::mem::take(&mut answer.body), Arc::clone(&held));
    let (body, report) = exchange
        .work("copy", move || {
            let ask = Ask { at, seal_only: false, catalogue: Some(catalogue) };
            let report = verify_ofd("answer", &body, &trust.trust, &ask, &Limits::default());
            (body, report)
        })
        .await?;
    answer.body = body;
    believe_licence(&report, region, identifier)
        .and_then(|()| believe_copy(&report, &held, region, purpose, at))
        .map_err(|why| distrust(region, "peer.copy", &format!("its copy does not verify: {why}")))?;
    Ok(pass_on(answer, report, OFD, draft))
}

/// An answer that grants what was asked; a refusal is passed on as one.
async fn granted(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    region: &str,
) -> Result<PeerAnswer, Problem> {
    let answer = ask(exchange, incoming, caller, region).await?;
    if answer.status == 200 { Ok(answer) } else { Err(pass_refusal(region, &answer)) }
}

/// The licence asked for, under a good seal. Its state may be anything, revoked too: the partner is
/// told. But it must be that city's word.
fn believe_licence(report: &Report, region: &str, identifier: &Identifier) -> Result<(), &'static str> {
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

/// An annotated copy for this purpose that the city's node sealed, and not the page of somebody else.
fn believe_copy(
    report: &Report,
    held: &Held,
    region: &str,
    purpose: &str,
    at: Timestamp,
) -> Result<(), &'static str> {
    let list = held.trust.list(region).ok_or("its issuer list is not here")?;
    let by_node = report.signatures.iter().any(|signature| {
        let signer = signature.signer_chain.first();
        let signer = signer.and_then(|link| hex::decode(&link.fingerprint).ok()?.try_into().ok());
        signature.kind == Some("seal") && signer.is_some_and(|signer| list.is_node(&signer, at))
    });
    match (by_node, &report.copy) {
        (true, Some(copy)) if copy.purpose == purpose.trim() => Ok(()),
        (true, Some(_)) => Err("it names another purpose"),
        (true, None) => Err("it is not an annotated copy"),
        (false, _) => Err("its page is not sealed by a node of that city"),
    }
}

/// The other city's answer as it came, with its receipt; what it shows goes on record.
fn pass_on(answer: PeerAnswer, report: Report, content_type: &'static str, draft: &mut Draft) -> Answer {
    let shown = report.licence.map(|licence| licence.fields).unwrap_or_default();
    draft.fields(shown.into_iter().map(|field| field.name));
    Answer { content_type, body: answer.body, peer_receipt: answer.receipt }
}

/// One bit from another city, and its receipt.
pub async fn verify(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    region: &str,
) -> Result<(bool, Option<String>), Problem> {
    let answer = granted(exchange, incoming, caller, region).await?;
    let parsed: VerifyAnswer = serde_json::from_slice(&answer.body)
        .map_err(|_| distrust(region, "peer.format", "its answer is not one to verify"))?;
    Ok((parsed.matches, answer.receipt))
}

/// Passes the request on; an answer without a receipt that covers it is not believed.
async fn ask(
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
            PeerError::TooLarge(_) => Problem::peer(502, "peer.tooLarge", why.to_string()),
            _ => {
                tracing::warn!(region, %why, "a peer did not answer");
                Problem::peer(503, "peer.unavailable", format!("the node of region {region} did not answer"))
            }
        })?;
    let refuse = |why: &str| distrust(region, "peer.receipt", why);
    let token = answer.receipt.as_deref().ok_or_else(|| refuse("its answer carries no receipt"))?;
    let certificate = Receipt::certificate(token).map_err(|_| refuse("its receipt is malformed"))?;
    let now = exchange.clock.now();
    let held = exchange.held();
    let node = held.trust.node(region, &certificate, now);
    let node = node.ok_or_else(|| refuse("its receipt is not by a node of that city"))?;
    let key = node.public_key().map_err(|_| refuse("its receipt has an unusable key"))?;
    let receipt = Receipt::verify(token, key).map_err(|_| refuse("its receipt does not verify"))?;
    receipt
        .covers(&incoming.method, &incoming.path, body, answer.status, &answer.body)
        .map_err(|why| refuse(&format!("its receipt: {why}")))?;
    let for_partner = receipt.aud == format!("{}/{}", exchange.region, claims.iss)
        && receipt.request_jti.as_deref() == Some(claims.jti.as_str());
    // A city that does not accept who asks can address its refusal to our node alone.
    let for_node = answer.status == 401 && receipt.aud == exchange.region && receipt.request_jti.is_none();
    let ours = receipt.iss == region
        && (for_partner || for_node)
        && receipt.certificate == b64(&sha256(&[&exchange.keys.tls_certificate]));
    if ours { Ok(answer) } else { Err(refuse("its receipt is for somebody else")) }
}

/// What another city refused, in its own words, under a rule that says whose they are.
fn pass_refusal(region: &str, answer: &PeerAnswer) -> Problem {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(|value| value.as_str()).unwrap_or("unknown").to_owned();
    let known = matches!(answer.status, 400 | 401 | 403 | 404 | 409 | 413 | 415 | 429);
    let mut problem = Problem::peer(
        if known { answer.status } else { 502 },
        "peer.refused",
        format!("region {region} refused ({}): {}", text("rule"), text("detail")),
    );
    if let Some(code) =
        body.get("code").and_then(serde_json::Value::as_u64).and_then(|code| u8::try_from(code).ok())
    {
        problem.code = code;
    }
    problem
}

/// This city's own refusal beside other cities' results.
pub fn refused(region: &str, problem: &Problem, request_id: &str) -> RegionResult {
    RegionResult {
        region: region.to_owned(),
        outcome: "refused".to_owned(),
        licences: Vec::new(),
        truncated: false,
        receipt: None,
        problem: Some(problem.body(request_id)),
    }
}

fn distrust(region: &str, rule: &'static str, why: &str) -> Problem {
    tracing::warn!(region, rule, why, "a peer's answer is not believed");
    Problem::peer(502, rule, format!("the answer of region {region} is not believed: {why}"))
}

fn unusable(problem: &Problem) -> &'static str {
    if problem.status == 503 { "unavailable" } else { "untrusted" }
}
