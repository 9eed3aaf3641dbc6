//! Receipts: proof that an access stands in the log.

use serde::Deserialize;
use serde_json::json;

use crate::accesslog::LogError;
use crate::exchange::message::Answer;
use crate::exchange::problem::{Problem, failed, national};
use crate::exchange::request::Request;
use crate::exchange::rules;

/// Index of the entry, from the receipt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptRequest {
    index: u64,
}

/// Inclusion path and the checkpoint it leads to. Whoever holds the receipt holds the leaf hash; the
/// proof tells nothing to anybody else.
pub async fn run(request: Request<'_>) -> Result<Answer, Problem> {
    let Request { exchange, incoming, draft, .. } = request;
    let request: ReceiptRequest = incoming.json()?;
    draft.note("index", request.index);
    let proved = exchange.blocking("log", move |exchange| match exchange.log.inclusion(request.index) {
        // Durable and not yet under a checkpoint: that is half a second's matter, and done at once.
        Err(LogError::NoProof { .. }) if request.index < exchange.log.size() => {
            exchange.log.publish_now().and_then(|()| exchange.log.inclusion(request.index))
        }
        proved => proved,
    });
    match proved.await? {
        Ok(inclusion) => Answer::json(&json!({
            "code": national::OK,
            "requestId": draft.request_id(),
            "index": inclusion.index,
            "path": inclusion.path,
            "checkpoint": inclusion.checkpoint,
        })),
        Err(LogError::NoProof { .. }) => {
            Err(Problem::malformed(rules::LOG_INDEX, "the log has no entry of this index yet"))
        }
        Err(why) => Err(failed("log", &why)),
    }
}
