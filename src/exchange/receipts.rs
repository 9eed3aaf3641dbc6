//! `POST /v1/receipts`: proof that an access stands in the log.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::problem::Problem;
use super::record::Draft;
use super::{Answer, Exchange, Incoming, failed, parse};
use crate::accesslog::LogError;

pub const PATH: &str = "/v1/receipts";

/// Index of the entry, from the receipt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptRequest {
    index: u64,
}

/// Inclusion path and the checkpoint it leads to. Whoever holds the receipt holds the leaf hash; the
/// proof tells nothing to anybody else.
pub async fn prove(
    exchange: &Arc<Exchange>,
    incoming: &Incoming,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    let request: ReceiptRequest = parse(incoming)?;
    draft.note("index", request.index);
    let log = Arc::clone(&exchange.log);
    let proved = tokio::task::spawn_blocking(move || match log.inclusion(request.index) {
        // Durable and not yet under a checkpoint: that is half a second's matter, and done at once.
        Err(LogError::NoProof { .. }) if request.index < log.size() => {
            log.publish_now().and_then(|()| log.inclusion(request.index))
        }
        proved => proved,
    });
    match proved.await.map_err(|why| failed("log", &why))? {
        Ok(inclusion) => Answer::json(&json!({
            "code": super::problem::national::OK,
            "requestId": draft.request_id(),
            "index": inclusion.index,
            "path": inclusion.path,
            "checkpoint": inclusion.checkpoint,
        })),
        Err(LogError::NoProof { .. }) => {
            Err(Problem::malformed("log.index", "the log has no entry of this index yet"))
        }
        Err(why) => Err(failed("log", &why)),
    }
}
