//! Verify: do these statements fit a licence that holds today? One bit for all of it. No such licence, no
//! match and not allowed are one answer, and take the same time.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::exchange::abroad::{distrust, granted};
use crate::exchange::draft::Draft;
use crate::exchange::message::Answer;
use crate::exchange::office::Exchange;
use crate::exchange::problem::{Problem, national};
use crate::exchange::request::Request;
use crate::exchange::subject::{HolderQuery, check_fields, known_type, parse_identifier};
use crate::exchange::{grants, regions, rules};
use crate::rules::{Operation, Refusal, decide};
use crate::store::Found;
use licence_seal::licence::{FieldValue, HolderCodeType, RawContext, clean_text};
use licence_seal::time::Day;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VerifyRequest {
    #[serde(default)]
    context: RawContext,
    holder: HolderQuery,
    #[serde(default)]
    identifier: Option<String>,
    #[serde(default)]
    type_code: Option<String>,
    #[serde(default)]
    number: Option<String>,
    /// Values to be compared, each name once.
    #[serde(default, deserialize_with = "each_once")]
    claims: BTreeMap<String, FieldValue>,
    #[serde(default)]
    region: Option<String>,
}

/// Members of an object; one that stands twice is refused, where serde would keep the last.
fn each_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, FieldValue>, D::Error> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = BTreeMap<String, FieldValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of values by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = BTreeMap::new();
            while let Some((name, value)) = map.next_entry()? {
                if members.insert(name, value).is_some() {
                    return Err(A::Error::custom("a member stands twice"));
                }
            }
            Ok(members)
        }
    }

    deserializer.deserialize_map(Members)
}

/// Answer to `verify`: one bit for all.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VerifyAnswer {
    code: u8,
    request_id: String,
    matches: bool,
}

pub async fn run(mut request: Request<'_>) -> Result<Answer, Problem> {
    let floor = Duration::from_millis(request.exchange.office.settings.verify_floor_ms);
    let leaves_at = tokio::time::Instant::now() + floor;
    let answer = compare(&mut request).await;
    tokio::time::sleep_until(leaves_at).await;
    answer
}

async fn compare(whole: &mut Request<'_>) -> Result<Answer, Problem> {
    let Request { exchange, incoming, draft, .. } = whole;
    let mut request: VerifyRequest = incoming.json()?;
    // Records are stored in NFC and trimmed; what is compared with them is treated alike.
    for text in request.claims.values_mut().flat_map(FieldValue::texts_mut) {
        *text = clean_text(text);
    }
    request.number = request.number.as_deref().map(clean_text);
    request.holder.name = request.holder.name.as_deref().map(clean_text);
    let request = request;
    let context = draft.context(request.context.clone())?;
    draft.holder(&request.holder.code);
    let code_type = request.holder.checked_type()?;
    let name = request.holder.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(Problem::missing(rules::HOLDER_NAME, "verify needs the holder's name"));
    }
    let identifier = request.identifier.as_deref().map(parse_identifier).transpose()?;
    let type_code = match (&identifier, &request.type_code, &request.number) {
        (Some(identifier), None, None) => identifier.type_code(),
        (None, Some(code), Some(_)) => known_type(exchange.office.catalogue, code)?.code.clone(),
        _ => {
            return Err(Problem::missing(
                rules::LICENCE_WHICH,
                "give either identifier, or typeCode and number",
            ));
        }
    };
    let kind = known_type(exchange.office.catalogue, type_code.as_str())?;
    check_fields(kind, request.claims.keys())?;
    draft.fields(request.claims.keys().cloned());
    if let Some(region) = regions::elsewhere(whole, request.region.as_deref())? {
        return elsewhere(whole, &region).await;
    }
    let Request { exchange, caller, draft, .. } = whole;
    let (window, mismatches) =
        (exchange.office.clock.now().day().start().secs(), format!("{}/{}", caller.id, request.holder.code));
    let guess =
        || match exchange.mismatches.reached(&mismatches, window, exchange.office.settings.verify_failures) {
            true => {
                Err(Problem::too_many(rules::VERIFY_FAILURES, "too many mismatches with this holder today"))
            }
            false => Ok(()),
        };
    guess()?;
    let registrations = exchange.registrations();
    let ask = grants::ask(exchange, caller, Operation::Verify, Some(kind.code.as_str()), &context);
    let allowed = match decide(registrations.grants(), &ask) {
        Ok(allowed) => allowed.fields(kind.code.as_str()),
        // A limit says nothing of the person, and "no match" for the rest of the day would be wrong.
        Err(Refusal::DailyLimit) => return Err(grants::refused(Refusal::DailyLimit)),
        Err(refusal) => {
            exchange.mismatches.count(&mismatches, window);
            draft.silent_rule(refusal.rule());
            as_long_as_a_read(exchange).await?;
            return verdict(draft, false);
        }
    };
    draft.limit(grants::daily_limit(registrations.grants(), &ask));
    if request.claims.keys().any(|name| !allowed.allows(name)) {
        exchange.mismatches.count(&mismatches, window);
        draft.silent_rule(rules::GRANT_FIELDS);
        as_long_as_a_read(exchange).await?;
        return verdict(draft, false);
    }
    let (kind, number) = (&kind.code, request.number.clone());
    let candidates = exchange.read("verify", move |reader| match (&identifier, &number) {
        (Some(identifier), _) => Ok(reader.by_identifier(identifier)?.into_iter().collect()),
        (None, Some(number)) => reader.by_number(kind, number),
        (None, None) => Ok(Vec::new()),
    });
    let candidates: Vec<Found> = candidates.await?;
    // Others guessed while this one read. From here to the count nothing waits.
    guess().inspect_err(|_| draft.limit(None))?;
    let today = exchange.office.clock.now().day();
    let matches = candidates.iter().any(|found| fits(found, &request, code_type, today));
    if matches {
        for found in &candidates {
            draft.identifier(found.record.identifier.as_str());
        }
    } else {
        exchange.mismatches.count(&mismatches, window);
    }
    verdict(draft, matches)
}

/// Waits for a place among the reads: what is not allowed queues like what is.
async fn as_long_as_a_read(exchange: &Exchange) -> Result<(), Problem> {
    exchange.read("verify", |_| Ok(())).await
}

/// Whether the licence holds today, for this holder, with these values.
fn fits(found: &Found, request: &VerifyRequest, code_type: HolderCodeType, today: Day) -> bool {
    let (record, asked) = (&found.record, &request.holder);
    let name = asked.name.as_deref().unwrap_or_default();
    let holder = record.holders.iter().any(|holder| {
        holder.code() == asked.code && holder.code_type() == code_type && holder.name() == name
    });
    let shown = record.disclosed();
    let claims = request.claims.iter().all(|(name, value)| shown.get(name) == Some(value));
    holder && claims && found.status.state.effective(record.valid_from, record.valid_until, today).is_good()
}

/// One bit from another city, and its receipt.
async fn elsewhere(request: &Request<'_>, region: &str) -> Result<Answer, Problem> {
    let Request { exchange, incoming, caller, draft, .. } = request;
    let answer = granted(exchange, incoming, caller, region).await?;
    let parsed: VerifyAnswer = serde_json::from_slice(&answer.body)
        .map_err(|_| distrust(region, rules::PEER_FORMAT, "its answer is not one to verify"))?;
    Ok(Answer { peer_receipt: answer.receipt, ..verdict(draft, parsed.matches)? })
}

fn verdict(draft: &Draft, matches: bool) -> Result<Answer, Problem> {
    Answer::json(&VerifyAnswer { code: national::OK, request_id: draft.request_id().to_owned(), matches })
}
