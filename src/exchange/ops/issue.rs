//! Issue: seals one record and stores it, a new version of another one included.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exchange::changes::{changed, own, store_problem, take_turn};
use crate::exchange::commitment::{manifest_leaf, range};
use crate::exchange::message::Answer;
use crate::exchange::problem::{Fault, Problem, failed, national};
use crate::exchange::request::Request;
use crate::exchange::rules;
use licence_seal::licence::{RawContext, Record, RecordError, Rule, State};
use licence_seal::seal::SealedBatch;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IssueRequest {
    #[serde(default)]
    context: RawContext,
    /// A record in the wire form of the import, as it was written: repeated members are refused.
    record: Box<RawValue>,
}

pub async fn run(request: Request<'_>) -> Result<Answer, Problem> {
    let Request { exchange, incoming, caller, draft, .. } = request;
    let request: IssueRequest = incoming.json()?;
    draft.context(request.context)?;
    let record = Record::parse_json(request.record.get().as_bytes(), exchange.office.catalogue)
        .map_err(record_problem)?;
    draft.identifier(record.identifier.as_str());
    for holder in &record.holders {
        draft.holder(holder.code());
    }
    own(caller, record.issuer_code.as_str())?;
    if record.state != State::Valid {
        return Err(Problem::malformed(
            rules::ISSUE_STATE,
            "a licence is issued valid; another state is declared afterwards",
        ));
    }
    if let Some(older) = &record.supersedes {
        draft.identifier(older.as_str());
        if older.issuer() != record.issuer_code.as_str() || older.type_code() != record.type_code {
            return Err(Problem::malformed(
                rules::SUPERSEDES_OTHER,
                "a new version has the type and issuer of the old one",
            ));
        }
    }
    let identifier = record.identifier.clone();
    let (sealed, impression) = exchange.seal(&[record.view()]).map_err(|why| match why.rule() {
        Some(rule) => Problem::conflict(rule, why.to_string()),
        None => failed("seal", &why),
    })?;
    let (manifest, batch) = (sealed.manifest.clone(), SealedBatch { seal: sealed, records: vec![record] });
    take_turn(exchange, draft).await?;
    let stored = exchange
        .blocking("issue", move |exchange| exchange.storage.issuer.add_batches(vec![(batch, impression)]));
    let numbers = stored.await?.map_err(store_problem)?;
    if let Some(number) = numbers.first() {
        draft.batches(range(number.0, &[manifest_leaf(&manifest)]));
    }
    draft.change(exchange.storage.reader.last_change());
    changed(exchange, identifier, draft).await
}

/// All faults of a record, by field and rule, never the value.
fn record_problem(errors: Vec<RecordError>) -> Problem {
    let unknown_type = errors.iter().any(|error| error.rule == Rule::Type);
    let faults = errors.into_iter().map(|error| Fault {
        rule: error.rule.rule().to_owned(),
        detail: error.rule.to_string(),
        field: error.field,
    });
    let faults: Vec<Fault> = faults.collect();
    let problem = Problem::malformed(rules::RECORD, "the record does not fit its type").with_errors(faults);
    if unknown_type { problem.with_code(national::UNKNOWN_TYPE) } else { problem }
}
