//! Status: declares a state of a licence.

use serde::Deserialize;

use crate::exchange::changes::{changed, check_reason, own, store_problem, take_turn};
use crate::exchange::message::Answer;
use crate::exchange::problem::Problem;
use crate::exchange::request::Request;
use crate::exchange::rules;
use crate::exchange::subject::parse_identifier;
use crate::store::StatusChange;
use licence_seal::licence::{RawContext, State};

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StatusRequest {
    #[serde(default)]
    context: RawContext,
    identifier: String,
    state: String,
    /// 1 to 200 characters.
    reason: String,
}

pub async fn run(request: Request<'_>) -> Result<Answer, Problem> {
    let Request { exchange, incoming, caller, draft, .. } = request;
    let request: StatusRequest = incoming.json()?;
    draft.context(request.context)?;
    let identifier = parse_identifier(&request.identifier)?;
    draft.identifier(identifier.as_str());
    let state: State = request.state.parse().map_err(|_| {
        Problem::malformed(
            rules::STATUS_UNKNOWN,
            "a state is valid, restricted, suspended, withdrawn, revoked or cancelled",
        )
    })?;
    if state == State::Superseded {
        return Err(Problem::malformed(
            rules::STATUS_SUPERSEDED,
            "a licence is superseded by issuing its next version",
        ));
    }
    check_reason(rules::STATUS_REASON, &request.reason)?;
    own(caller, identifier.issuer())?;
    draft.note("state", state.word());
    draft.note("reason", request.reason.as_str());
    let change = StatusChange {
        identifier: identifier.clone(),
        state,
        reason: Some(request.reason),
        at: exchange.office.clock.now(),
        by: caller.id.clone(),
    };
    take_turn(exchange, draft).await?;
    let declared = exchange.blocking("status", move |exchange| exchange.storage.issuer.change_status(change));
    draft.change(declared.await?.map_err(store_problem)?);
    changed(exchange, identifier, draft).await
}
