//! Search: holder code and kind → identifiers, names and status, city by city.

mod cities;
mod here;
mod wire;

pub use self::wire::{Hit, RegionResult, SearchAnswer, SearchRequest};
use crate::exchange::message::Answer;
use crate::exchange::problem::{Problem, national};
use crate::exchange::request::Request;
use crate::exchange::subject::known_type;
use crate::exchange::{regions, rules};

pub async fn run(request: Request<'_>) -> Result<Answer, Problem> {
    let Request { exchange, incoming, caller, draft, .. } = request;
    let request: SearchRequest = incoming.json()?;
    let own_region = &exchange.office.region;
    let context = draft.context(request.context.clone())?;
    draft.holder(&request.holder.code);
    let code_type = request.holder.checked_type()?;
    let kind =
        request.type_code.as_deref().map(|code| known_type(exchange.office.catalogue, code)).transpose()?;
    if request.number.as_ref().is_some_and(|number| number.is_empty() || number.chars().count() > 128) {
        return Err(Problem::malformed(rules::NUMBER_LENGTH, "a licence number is 1 to 128 characters"));
    }
    let wanted = regions::wanted(exchange, caller, request.regions.as_deref())?;
    draft.target(&wanted.join(","));
    regions::check_signed(exchange, caller, &wanted)?;
    let request_id = draft.request_id().to_owned();
    let others = cities::search(exchange, incoming, caller, &wanted, &request_id);
    let own = async {
        if !wanted.contains(own_region) {
            return Ok(None);
        }
        here::search(exchange, caller, &context, &request, code_type, kind, draft).await.map(Some)
    };
    let (own, others) = futures_util::future::join(own, others).await;
    let mut results = others;
    match own {
        Ok(Some(result)) => results.push(result),
        Ok(None) => {}
        // With other cities beside it, a refusal here is one result among several.
        Err(problem) if wanted.len() > 1 => {
            draft.note("ownRefusal", problem.rule.as_ref());
            results.push(RegionResult::without(own_region, "refused", problem.body(&request_id)));
        }
        Err(problem) => return Err(problem),
    }
    for hit in
        results.iter().filter(|result| result.region != *own_region).flat_map(|result| &result.licences)
    {
        draft.identifier(&hit.identifier);
    }
    results.sort_by_key(|result| wanted.iter().position(|region| *region == result.region));
    let any = results.iter().any(|result| !result.licences.is_empty());
    Answer::json(&SearchAnswer {
        code: if any { national::OK } else { national::NOT_FOUND },
        request_id,
        results,
    })
}
