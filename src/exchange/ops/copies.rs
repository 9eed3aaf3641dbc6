//! The annotated copy (加注件) of a licence, as an OFD.
//!
//! It is drawn anew from the sealed licence that `data` would give, so nothing that is not granted can
//! be in it. For whom and for what it is made the caller cannot choose: recipient is the name under
//! which the caller is registered (in another city: in that city's signed directory), purpose the
//! context's. Only of a licence in force a copy is made, since paper does not show a state; `data`
//! tells the state of any other. The node answers for the page with a seal of its own; a page that no
//! verifier would accept, because the issuer list does not name that seal, is not made.

use std::sync::Arc;

use serde::Deserialize;

use crate::exchange::abroad::{believe_licence, distrust, granted, pass_on};
use crate::exchange::cut::{Wanted, cut};
use crate::exchange::message::Answer;
use crate::exchange::office::Exchange;
use crate::exchange::problem::{Problem, failed, national};
use crate::exchange::request::Request;
use crate::exchange::sealing::NodeSeal;
use crate::exchange::standing::effective;
use crate::exchange::trusts::Trusts;
use crate::exchange::{media, regions, rules};
use crate::rules::Operation;
use licence_seal::licence::{Effective, Identifier, RawContext, State};
use licence_seal::ofd::{Annotation, Limits, MAX_NAME, verify_ofd};
use licence_seal::seal::Ask;
use licence_seal::seal::report::Report;
use licence_seal::time::{Day, Timestamp};

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileRequest {
    #[serde(default)]
    context: RawContext,
    identifier: String,
    /// Fields wanted; by default all that the grants allow.
    #[serde(default)]
    fields: Option<Vec<String>>,
    /// Last day on which the copy may be used, `YYYY-MM-DD`; by default the latest that is allowed.
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    region: Option<String>,
}

pub async fn run(mut request: Request<'_>) -> Result<Answer, Problem> {
    let asked: FileRequest = request.incoming.json()?;
    let context = request.draft.context(asked.context)?;
    let wanted = Wanted::of(&mut request, &asked.identifier, asked.fields.as_deref())?;
    if let Some(region) = regions::elsewhere(&mut request, asked.region.as_deref())? {
        return fetch(request, &region, &wanted.identifier, &context.purpose).await;
    }
    let exchange = request.exchange;
    let now = exchange.office.clock.now();
    let last = last_day(asked.expires.as_deref(), now.day(), exchange.office.settings.copy_days)?;
    let (seal, kind) = (node_seal(exchange, now)?.clone(), wanted.kind);
    let cut = cut(&mut request, Operation::File, &context, wanted).await?;
    in_force(effective(exchange, &cut.found))?;
    // No copy outlasts its licence.
    let last = cut.found.record.valid_until.map_or(last, |end| last.min(end));
    let annotation = Annotation {
        made_at: now,
        by: short(&seal.name),
        purpose: context.purpose,
        recipient: short(&request.caller.name),
        expires: last.plus_days(1).start().plus_secs(-1),
    };
    let licence = cut.licence;
    let file = exchange
        .work("copy", move || seal.seal_copy(&licence, kind, &annotation))
        .await?
        .map_err(|why| failed("copy", &why))?;
    request.draft.fields(cut.shown);
    request.draft.note("expires", last.to_string());
    Ok(Answer::new(media::OFD, file))
}

/// Fetches an annotated copy from another city and verifies it, page and licence, before it is passed on.
async fn fetch(
    request: Request<'_>,
    region: &str,
    identifier: &Identifier,
    purpose: &str,
) -> Result<Answer, Problem> {
    let Request { exchange, incoming, caller, draft, .. } = request;
    let mut answer = granted(exchange, incoming, caller, region).await?;
    let (trusts, at) = (exchange.trust_snapshot(), exchange.office.clock.now());
    let (body, held, catalogue) =
        (std::mem::take(&mut answer.body), Arc::clone(&trusts), exchange.office.catalogue);
    let (body, report) = exchange
        .work("copy", move || {
            let ask = Ask { at, seal_only: false, catalogue: Some(catalogue) };
            let report = verify_ofd("answer", &body, &held.trust, &ask, &Limits::default());
            (body, report)
        })
        .await?;
    answer.body = body;
    believe_licence(&report, region, identifier)
        .and_then(|()| believe_copy(&report, &trusts, region, purpose, at))
        .map_err(|why| distrust(region, rules::PEER_COPY, &format!("its copy does not verify: {why}")))?;
    Ok(pass_on(answer, report, media::OFD, draft))
}

/// An annotated copy for this purpose that the city's node sealed, and not the page of somebody else.
fn believe_copy(
    report: &Report,
    trusts: &Trusts,
    region: &str,
    purpose: &str,
    at: Timestamp,
) -> Result<(), &'static str> {
    let list = trusts.trust.list(region).ok_or("its issuer list is not here")?;
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

/// The last day on which the copy may be used.
fn last_day(asked: Option<&str>, today: Day, most: i64) -> Result<Day, Problem> {
    let latest = today.plus_days(most);
    let last = asked.map_or(Some(latest), Day::parse);
    last.filter(|last| (today..=latest).contains(last)).ok_or_else(|| {
        let detail = format!("expires is a day, YYYY-MM-DD, from today to {most} days from now");
        Problem::malformed(rules::FILE_EXPIRES, detail)
    })
}

/// A copy is made only of what holds today.
fn in_force(state: Effective) -> Result<(), Problem> {
    let code = match state {
        state if state.is_good() => return Ok(()),
        Effective::Expired => national::EXPIRED,
        Effective::Declared(State::Restricted | State::Suspended) => national::RESTRICTED,
        Effective::Declared(_) => national::ENDED,
        Effective::NotYetValid => national::OTHER,
    };
    let detail = "a copy is made only of a licence in force; data tells its state";
    Err(Problem::conflict(rules::LICENCE_NOT_IN_FORCE, detail).with_code(code))
}

/// The node's seal, if verifiers will take it for a node's.
fn node_seal(exchange: &Exchange, now: Timestamp) -> Result<&NodeSeal, Problem> {
    let no_seal = |why| Problem::unavailable(national::NO_SUCH_SERVICE, rules::FILE_NO_SEAL, why);
    let seal = exchange.keys.sealing.node.as_ref();
    let seal = seal.ok_or_else(|| no_seal("this node has no seal of its own to make copies under"))?;
    match exchange.trust_snapshot().trust.node(&exchange.office.region, &seal.certificate, now) {
        Some(_) => Ok(seal),
        None => Err(no_seal("the city's issuer list does not name the node's seal")),
    }
}

/// A name, cut to what fits a copy.
fn short(name: &str) -> String {
    if name.chars().count() <= MAX_NAME {
        return name.to_owned();
    }
    name.chars().take(MAX_NAME - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_ends_on_a_day_from_today_to_the_latest() {
        let today = Day::parse("2026-11-23").unwrap();
        let last = |asked| last_day(asked, today, 30).map(|day| day.to_string());
        assert_eq!(last(None).unwrap(), "2026-12-23");
        for day in ["2026-11-23", "2026-12-23"] {
            assert_eq!(last(Some(day)).unwrap(), day);
        }
        for day in ["2026-11-22", "2026-12-24", "2026-11-31", "", "tomorrow"] {
            assert_eq!(last(Some(day)).unwrap_err().rule, "file.expires", "{day}");
        }
    }

    #[test]
    fn only_what_is_in_force_is_copied_and_the_number_says_why_not() {
        assert!(in_force(Effective::Declared(State::Valid)).is_ok());
        for (state, code) in [
            (Effective::Expired, 22),
            (Effective::NotYetValid, 99),
            (Effective::Declared(State::Restricted), 23),
            (Effective::Declared(State::Suspended), 23),
            (Effective::Declared(State::Revoked), 21),
            (Effective::Declared(State::Superseded), 21),
        ] {
            assert_eq!(in_force(state).unwrap_err().code, code, "{state:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_to_what_a_copy_holds() {
        assert_eq!(short("示例局"), "示例局");
        let cut = short(&"局".repeat(200));
        assert_eq!((cut.chars().count(), cut.chars().last()), (MAX_NAME, Some('…')));
    }
}
