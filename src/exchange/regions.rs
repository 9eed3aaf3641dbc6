//! Which cities a request is for: known ones, named in the partner's signature, and never further.

use super::admission::Caller;
use super::office::Exchange;
use super::problem::Problem;
use super::request::Request;
use super::rules;

/// Regions asked for: known ones, each once; by default this city alone.
pub fn wanted(
    exchange: &Exchange,
    caller: &Caller,
    regions: Option<&[String]>,
) -> Result<Vec<String>, Problem> {
    let own = exchange.office.region.clone();
    let Some(regions) = regions else { return Ok(vec![own]) };
    if caller.via.is_some() {
        // Passed on to us: the partner named us, and we never ask further.
        return if regions.contains(&own) { Ok(vec![own]) } else { Err(not_ours(&own)) };
    }
    let mut wanted: Vec<String> = Vec::new();
    for region in regions {
        if *region != own && !exchange.peers.knows(region) {
            return Err(Problem::malformed(
                rules::REGION_UNKNOWN,
                "regions names a city that is not a peer of this node",
            ));
        }
        if !wanted.contains(region) {
            wanted.push(region.clone());
        }
    }
    if wanted.is_empty() {
        Err(Problem::missing(rules::REGION_EMPTY, "regions is empty"))
    } else {
        Ok(wanted)
    }
}

/// The other city that a request is for, if it is for another one; then it is on record and signed for it.
pub fn elsewhere(request: &mut Request<'_>, region: Option<&str>) -> Result<Option<String>, Problem> {
    let Request { exchange, caller, draft, .. } = request;
    let Some(region) = other(exchange, caller, region)? else { return Ok(None) };
    draft.target(&region);
    check_signed(exchange, caller, std::slice::from_ref(&region))?;
    Ok(Some(region))
}

fn other(exchange: &Exchange, caller: &Caller, region: Option<&str>) -> Result<Option<String>, Problem> {
    match region.filter(|region| *region != exchange.office.region) {
        None => Ok(None),
        Some(_) if caller.via.is_some() => Err(not_ours(&exchange.office.region)),
        Some(region) if exchange.peers.knows(region) => Ok(Some(region.to_owned())),
        Some(_) => Err(Problem::malformed(rules::REGION_UNKNOWN, "region is not a peer of this node")),
    }
}

fn not_ours(own: &str) -> Problem {
    Problem::forbidden(
        rules::REGION_FURTHER,
        format!("this node answers other cities for region {own} alone"),
    )
}

/// A request that leaves the city carries the partner's signature, and that names the targets.
pub fn check_signed(exchange: &Exchange, caller: &Caller, wanted: &[String]) -> Result<(), Problem> {
    let mut others = wanted.iter().filter(|region| **region != exchange.office.region).peekable();
    if others.peek().is_none() {
        return Ok(());
    }
    let Some((_, claims)) = &caller.signature else {
        return Err(Problem::unauthenticated(
            rules::SIGNATURE_REQUIRED,
            "a request to another city needs the partner's signature in Licence-Request-Signature",
        ));
    };
    match others.find(|region| !claims.targets.contains(region)) {
        None => Ok(()),
        Some(region) => Err(Problem::unauthenticated(
            rules::SIGNATURE_AUDIENCE,
            format!("the request signature does not name region {region} among its targets"),
        )),
    }
}
