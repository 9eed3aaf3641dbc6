//! Search, data and verify: what partners ask.

use std::collections::BTreeSet;
use std::time::Duration;

use super::admission::Caller;
use super::problem::{Problem, national};
use super::record::Draft;
use super::wire::{
    DataRequest, Hit, HolderQuery, RegionResult, SearchAnswer, SearchRequest, VerifyAnswer, VerifyRequest,
};
use super::{Answer, Exchange, Incoming, LICENCE_JSON, failed, parse, regions};
use crate::rules::{Ask, Grant, Operation, Refusal, decide};
use crate::store::Found;
use licence_seal::licence::{
    Effective, FieldValue, HolderCodeType, Identifier, LicenceType, RequestContext, TypeCode, check_code,
    clean_text,
};
use licence_seal::seal::{SealedLicence, StatusStatement};

pub const SEARCH: &str = "/v1/licences/search";
pub const DATA: &str = "/v1/licences/data";
pub const VERIFY: &str = "/v1/licences/verify";
/// Licences of one holder that a search looks through.
const MAX_OF_HOLDER: usize = 1000;

/// `POST /v1/licences/search`: holder code and kind → identifiers, names and status, city by city.
pub async fn search(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    let request: SearchRequest = parse(incoming)?;
    let context = draft.context(request.context.clone())?;
    draft.holder(&request.holder.code);
    let code_type = holder_type(&request.holder)?;
    let kind = request.type_code.as_deref().map(|code| known_type(exchange, code)).transpose()?;
    if request.number.as_ref().is_some_and(|number| number.is_empty() || number.chars().count() > 128) {
        return Err(Problem::malformed("number.length", "a licence number is 1 to 128 characters"));
    }
    let wanted = regions::wanted(exchange, caller, request.regions.as_deref())?;
    draft.target(&wanted.join(","));
    regions::check_signed(exchange, caller, &wanted)?;
    let request_id = draft.request_id().to_owned();
    let others = regions::search(exchange, incoming, caller, &wanted, &request_id);
    let own = async {
        if !wanted.contains(&exchange.region) {
            return Ok(None);
        }
        search_here(exchange, caller, &context, &request, code_type, kind, draft).map(Some)
    };
    let (own, others) = futures_util::future::join(own, others).await;
    let mut results = others;
    match own {
        Ok(Some(result)) => results.push(result),
        Ok(None) => {}
        // With other cities beside it, a refusal here is one result among several.
        Err(problem) if wanted.len() > 1 => {
            draft.note("ownRefusal", problem.rule.as_ref());
            results.push(regions::refused(&exchange.region, &problem, &request_id));
        }
        Err(problem) => return Err(problem),
    }
    for hit in
        results.iter().filter(|result| result.region != exchange.region).flat_map(|result| &result.licences)
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

fn search_here(
    exchange: &Exchange,
    caller: &Caller,
    context: &RequestContext,
    request: &SearchRequest,
    code_type: HolderCodeType,
    kind: Option<&LicenceType>,
    draft: &mut Draft,
) -> Result<RegionResult, Problem> {
    let registrations = exchange.registrations();
    let type_code = kind.map(|kind| kind.code.as_str());
    let ask = ask(exchange, caller, Operation::Search, type_code, context);
    let allowed = decide(registrations.grants(), &ask).map_err(refuse)?;
    draft.limit(daily_limit(registrations.grants(), &ask));
    let found = exchange
        .reader
        .by_holder(code_type, &request.holder.code, kind.map(|kind| &kind.code), MAX_OF_HOLDER)
        .map_err(|why| failed("search", &why))?;
    // What the grants do not cover is left out before anything is counted.
    let covered: Vec<&Found> = found
        .iter()
        .filter(|one| allowed.covers_type(one.record.type_code.as_str()))
        .filter(|one| request.number.as_ref().is_none_or(|number| *number == one.record.number))
        .collect();
    let limit = exchange.settings.search_limit;
    let truncated = covered.len() > limit;
    let mut licences = Vec::new();
    for one in covered.into_iter().take(limit) {
        draft.identifier(one.record.identifier.as_str());
        licences.push(hit(exchange, one)?);
    }
    Ok(RegionResult {
        region: exchange.region.clone(),
        outcome: "answered".to_owned(),
        licences,
        truncated,
        receipt: None,
        problem: None,
    })
}

/// `POST /v1/licences/data`: identifier and fields → the sealed licence with just those fields.
pub async fn data(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    let request: DataRequest = parse(incoming)?;
    let context = draft.context(request.context.clone())?;
    let wanted = Wanted::of(exchange, &request.identifier, request.fields.as_deref(), draft)?;
    if let Some(region) = regions::elsewhere(exchange, caller, request.region.as_deref())? {
        draft.target(&region);
        regions::check_signed(exchange, caller, std::slice::from_ref(&region))?;
        return regions::fetch(exchange, incoming, caller, &region, &wanted.identifier, draft).await;
    }
    let cut = cut(exchange, caller, Operation::Data, &context, &wanted, draft)?;
    draft.fields(cut.shown);
    let body = cut.licence.to_bytes().map_err(|why| failed("data", &why))?;
    Ok(Answer { content_type: LICENCE_JSON, body, peer_receipt: None })
}

/// A licence that is asked for by its identifier, with some of its fields.
pub struct Wanted {
    pub identifier: Identifier,
    pub kind: &'static LicenceType,
    /// `None`: all that may be shown.
    fields: Option<BTreeSet<String>>,
}

impl Wanted {
    pub fn of(
        exchange: &Exchange,
        identifier: &str,
        fields: Option<&[String]>,
        draft: &mut Draft,
    ) -> Result<Self, Problem> {
        let identifier = parse_identifier(identifier)?;
        draft.identifier(identifier.as_str());
        let kind = known_type(exchange, identifier.type_code().as_str())?;
        let fields = wanted_fields(kind, fields)?;
        Ok(Self { identifier, kind, fields })
    }
}

/// What was cut out for a caller.
pub struct Cut {
    pub found: Found,
    /// With just the fields that grants and request allow, and its status statement.
    pub licence: SealedLicence,
    /// Names of these fields.
    pub shown: Vec<String>,
}

/// Cuts the fields out that the grants for `operation` and the request allow.
pub fn cut(
    exchange: &Exchange,
    caller: &Caller,
    operation: Operation,
    context: &RequestContext,
    wanted: &Wanted,
    draft: &mut Draft,
) -> Result<Cut, Problem> {
    let Wanted { identifier, kind, fields } = wanted;
    let registrations = exchange.registrations();
    let ask = ask(exchange, caller, operation, Some(kind.code.as_str()), context);
    let granted = decide(registrations.grants(), &ask).map_err(refuse)?.fields(kind.code.as_str());
    draft.limit(daily_limit(registrations.grants(), &ask));
    if let Some(outside) = fields.iter().flatten().find(|name| !granted.allows(name)) {
        let detail = format!("no grant for the field {outside} of this type of licence");
        return Err(Problem::forbidden("grant.fields", detail));
    }
    let show = |name: &str| granted.allows(name) && fields.as_ref().is_none_or(|only| only.contains(name));
    let found = exchange
        .reader
        .by_identifier(identifier)
        .map_err(|why| failed("licence", &why))?
        .ok_or_else(|| Problem::not_found("no such licence in this city's store"))?;
    for holder in &found.record.holders {
        draft.holder(holder.code());
    }
    let mut licence =
        exchange.reader.cut(&found, exchange.catalogue, &show).map_err(|why| failed("licence", &why))?;
    licence.status = Some(statement(exchange, &found)?);
    let shown = kind.disclosure_names().filter(|name| show(name)).map(str::to_owned).collect();
    Ok(Cut { found, licence, shown })
}

/// `POST /v1/licences/verify`: one bit. No such licence, no match and not allowed are one answer, and
/// take the same time.
pub async fn verify(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    let floor = Duration::from_millis(exchange.settings.verify_floor_ms);
    let leaves_at = tokio::time::Instant::now() + floor;
    let answer = compare(exchange, incoming, caller, draft).await;
    tokio::time::sleep_until(leaves_at).await;
    answer
}

async fn compare(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &Caller,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    let mut request: VerifyRequest = parse(incoming)?;
    // Records are stored in NFC and trimmed; what is compared with them is treated alike.
    for text in request.claims.values_mut().flat_map(FieldValue::texts_mut) {
        *text = clean_text(text);
    }
    request.number = request.number.as_deref().map(clean_text);
    request.holder.name = request.holder.name.as_deref().map(clean_text);
    let request = request;
    let context = draft.context(request.context.clone())?;
    draft.holder(&request.holder.code);
    let code_type = holder_type(&request.holder)?;
    let name = request.holder.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(Problem::missing("holder.name", "verify needs the holder's name"));
    }
    let identifier = request.identifier.as_deref().map(parse_identifier).transpose()?;
    let type_code = match (&identifier, &request.type_code, &request.number) {
        (Some(identifier), None, None) => identifier.type_code(),
        (None, Some(code), Some(_)) => known_type(exchange, code)?.code.clone(),
        _ => return Err(Problem::missing("licence.which", "give either identifier, or typeCode and number")),
    };
    let kind = known_type(exchange, type_code.as_str())?;
    if let Some(name) = request.claims.keys().find(|name| !kind.is_disclosure_name(name)) {
        return Err(Problem::malformed(
            "fields.unknown",
            format!("{} is not a field of this type", quoted(name)),
        ));
    }
    draft.fields(request.claims.keys().cloned());
    if let Some(region) = regions::elsewhere(exchange, caller, request.region.as_deref())? {
        draft.target(&region);
        regions::check_signed(exchange, caller, std::slice::from_ref(&region))?;
        let matches = regions::verify(exchange, incoming, caller, &region).await?;
        let mut answer = verdict(draft, matches.0)?;
        answer.peer_receipt = matches.1;
        return Ok(answer);
    }
    let (window, mismatches) =
        (exchange.clock.now().day().start().secs(), format!("{}/{}", caller.id, request.holder.code));
    if exchange.mismatches.reached(&mismatches, window, exchange.settings.verify_failures) {
        return Err(Problem::too_many("verify.failures", "too many mismatches with this holder today"));
    }
    let registrations = exchange.registrations();
    let ask = ask(exchange, caller, Operation::Verify, Some(kind.code.as_str()), &context);
    let allowed = match decide(registrations.grants(), &ask) {
        Ok(allowed) => allowed.fields(kind.code.as_str()),
        // A limit says nothing of the person, and "no match" for the rest of the day would be wrong.
        Err(Refusal::DailyLimit) => return Err(refuse(Refusal::DailyLimit)),
        Err(refusal) => {
            exchange.mismatches.count(&mismatches, window);
            draft.silent_rule(refusal.rule());
            return verdict(draft, false);
        }
    };
    draft.limit(daily_limit(registrations.grants(), &ask));
    if request.claims.keys().any(|name| !allowed.allows(name)) {
        exchange.mismatches.count(&mismatches, window);
        draft.silent_rule("grant.fields");
        return verdict(draft, false);
    }
    let reader = &exchange.reader;
    let candidates = match (&identifier, &request.number) {
        (Some(identifier), _) => reader.by_identifier(identifier).map(|found| found.into_iter().collect()),
        (None, Some(number)) => reader.by_number(&kind.code, number),
        (None, None) => Ok(Vec::new()),
    };
    let candidates: Vec<Found> = candidates.map_err(|why| failed("verify", &why))?;
    let today = exchange.clock.now().day();
    let matches = candidates.iter().any(|found| {
        let record = &found.record;
        let holder = record.holders.iter().any(|holder| {
            holder.code() == request.holder.code && holder.code_type() == code_type && holder.name() == name
        });
        let shown = record.disclosed();
        let claims = request.claims.iter().all(|(name, value)| shown.get(name) == Some(value));
        holder
            && claims
            && found.status.state.effective(record.valid_from, record.valid_until, today).is_good()
    });
    if matches {
        for found in &candidates {
            draft.identifier(found.record.identifier.as_str());
        }
    } else {
        exchange.mismatches.count(&mismatches, window);
    }
    verdict(draft, matches)
}

fn verdict(draft: &Draft, matches: bool) -> Result<Answer, Problem> {
    Answer::json(&VerifyAnswer { code: national::OK, request_id: draft.request_id().to_owned(), matches })
}

/// The status statement for a licence, as of now.
pub fn statement(exchange: &Exchange, found: &Found) -> Result<String, Problem> {
    let now = exchange.clock.now();
    let statement = StatusStatement {
        iss: exchange.region.clone(),
        id: found.record.identifier.to_string(),
        state: found.status.state,
        as_of: now,
        next_update: now.plus_secs(exchange.settings.statement_secs),
    };
    statement
        .sign(exchange.keys.signer.as_ref(), &exchange.keys.certificate)
        .map_err(|why| failed("statement", &why))
}

fn hit(exchange: &Exchange, found: &Found) -> Result<Hit, Problem> {
    let record = &found.record;
    let state = effective(exchange, found);
    Ok(Hit {
        identifier: record.identifier.to_string(),
        type_code: record.type_code.to_string(),
        name: exchange.catalogue.get(&record.type_code).map(|kind| kind.name.clone()).unwrap_or_default(),
        issuer: record.issuer_code.to_string(),
        issuer_name: record.issuer_name.clone(),
        state: state.word().to_owned(),
        state_zh: state.zh().to_owned(),
        valid_from: record.valid_from.to_string(),
        valid_until: record.valid_until.map(|day| day.to_string()),
        statement: statement(exchange, found)?,
    })
}

/// What the licence is today.
pub fn effective(exchange: &Exchange, found: &Found) -> Effective {
    let record = &found.record;
    found.status.state.effective(record.valid_from, record.valid_until, exchange.clock.now().day())
}

fn ask<'a>(
    exchange: &Exchange,
    caller: &'a Caller,
    operation: Operation,
    type_code: Option<&'a str>,
    context: &'a RequestContext,
) -> Ask<'a> {
    let now = exchange.clock.now();
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
fn daily_limit<'a>(grants: impl Iterator<Item = &'a Grant>, ask: &Ask<'_>) -> Option<u64> {
    let mut widest = Some(0);
    for grant in grants.filter(|grant| decide([*grant], ask).is_ok()) {
        widest = widest.zip(grant.daily_limit).map(|(a, b)| a.max(b));
    }
    widest
}

fn refuse(refusal: Refusal) -> Problem {
    Problem::forbidden(refusal.rule(), refusal.to_string())
}

pub fn parse_identifier(text: &str) -> Result<Identifier, Problem> {
    Identifier::parse(text).map_err(|why| Problem::malformed(why.rule(), why.to_string()))
}

fn known_type(exchange: &Exchange, code: &str) -> Result<&'static LicenceType, Problem> {
    let code = TypeCode::parse(code).map_err(|why| Problem::malformed(why.rule(), why.to_string()))?;
    exchange.catalogue.get(&code).ok_or_else(Problem::unknown_type)
}

fn holder_type(query: &HolderQuery) -> Result<HolderCodeType, Problem> {
    let code_type = HolderCodeType::parse(&query.code_type).ok_or_else(|| {
        Problem::malformed(
            "holder.codeType",
            "not a holder code type of GB/T 36903 annex A, such as 111 or 001",
        )
    })?;
    check_code(&query.code, code_type).map_err(|why| Problem::malformed(why.rule(), why.to_string()))?;
    Ok(code_type)
}

fn wanted_fields(kind: &LicenceType, fields: Option<&[String]>) -> Result<Option<BTreeSet<String>>, Problem> {
    let Some(fields) = fields else { return Ok(None) };
    if let Some(name) = fields.iter().find(|name| !kind.is_disclosure_name(name)) {
        return Err(Problem::malformed(
            "fields.unknown",
            format!("{} is not a field of this type", quoted(name)),
        ));
    }
    Ok(Some(fields.iter().cloned().collect()))
}

/// A name from outside, cut to what an error message bears.
fn quoted(name: &str) -> String {
    format!("{:?}", name.chars().take(64).collect::<String>())
}
