//! An operation that says back what it is told.

use licence_node::exchange::problem::Problem;
use licence_node::exchange::{Answer, Request};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EchoRequest {
    text: String,
}

pub async fn run(request: Request<'_>) -> Result<Answer, Problem> {
    let Request { exchange, incoming, draft, .. } = request;
    let asked: EchoRequest = incoming.json()?;
    draft.note("letters", asked.text.chars().count());
    Answer::json(&json!({ "region": exchange.office.region, "text": asked.text }))
}
