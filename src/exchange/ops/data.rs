//! Data: identifier and fields → the sealed licence with just those fields.

use serde::Deserialize;

use crate::exchange::abroad::{believe_licence, distrust, granted, pass_on};
use crate::exchange::cut::{Wanted, cut};
use crate::exchange::message::Answer;
use crate::exchange::problem::{Problem, failed};
use crate::exchange::request::Request;
use crate::exchange::{media, regions, rules};
use crate::rules::Operation;
use licence_seal::licence::{Identifier, RawContext};
use licence_seal::seal::{Ask, verify_licence};

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DataRequest {
    #[serde(default)]
    context: RawContext,
    identifier: String,
    /// Fields wanted; by default all that the grants allow.
    #[serde(default)]
    fields: Option<Vec<String>>,
    #[serde(default)]
    region: Option<String>,
}

pub async fn run(mut request: Request<'_>) -> Result<Answer, Problem> {
    let asked: DataRequest = request.incoming.json()?;
    let context = request.draft.context(asked.context)?;
    let wanted = Wanted::of(&mut request, &asked.identifier, asked.fields.as_deref())?;
    if let Some(region) = regions::elsewhere(&mut request, asked.region.as_deref())? {
        return fetch(request, &region, &wanted.identifier).await;
    }
    let cut = cut(&mut request, Operation::Data, &context, wanted).await?;
    request.draft.fields(cut.shown);
    let body = cut.licence.to_bytes().map_err(|why| failed("data", &why))?;
    Ok(Answer::new(media::LICENCE_JSON, body))
}

/// Fetches a sealed licence from another city and verifies it before it is passed on.
async fn fetch(request: Request<'_>, region: &str, identifier: &Identifier) -> Result<Answer, Problem> {
    let Request { exchange, incoming, caller, draft, .. } = request;
    let answer = granted(exchange, incoming, caller, region).await?;
    let office = &exchange.office;
    let ask = Ask { at: office.clock.now(), seal_only: false, catalogue: Some(office.catalogue) };
    let report = verify_licence("answer", &answer.body, &exchange.trust_snapshot().trust, &ask);
    believe_licence(&report, region, identifier).map_err(|why| {
        distrust(region, rules::PEER_LICENCE, &format!("its licence does not verify: {why}"))
    })?;
    Ok(pass_on(answer, report, media::LICENCE_JSON, draft))
}
