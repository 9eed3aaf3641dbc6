//! `POST /v1/files/verify`: a file → its verification report.
//!
//! Whoever has a file can verify it offline; this is for systems that have no verifier of their own. It
//! looks nothing up and shows nothing that the caller did not send, so it needs no grant and carries no
//! context; the log keeps the file's digest and the verdict, and nothing of what stands in it. The
//! kind is told by the content alone: a name would be one more thing to believe.

use std::sync::Arc;

use super::problem::{Problem, national};
use super::record::Draft;
use super::wire::FileVerdict;
use super::{Answer, Exchange, Incoming, LICENCE_JSON, copies};
use licence_seal::crypto::sha256;
use licence_seal::ofd::{FileKind, Limits};
use licence_seal::seal::Ask;
use licence_seal::seal::report::page;

pub const PATH: &str = "/v1/files/verify";
/// The report as a page.
pub const HTML: &str = "text/html; charset=utf-8";
const MEDIA: [&str; 3] = ["application/octet-stream", copies::OFD, LICENCE_JSON];

pub(super) async fn verify(
    exchange: &Arc<Exchange>,
    incoming: &Incoming,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    if !MEDIA.iter().any(|media| incoming.is_sent_as(media)) {
        return Err(Problem::media_type(
            "a file is sent as application/octet-stream, application/ofd or application/licence+json",
        ));
    }
    let body = incoming.body.clone()?;
    draft.note("bytes", body.len());
    let (held, at, catalogue) = (exchange.held(), exchange.clock.now(), exchange.catalogue);
    let limits = Limits { file: exchange.settings.file_limit, ..Limits::default() };
    let (digest, report) = exchange
        .work("verify", move || {
            let digest = hex::encode(sha256(&[&body]));
            let ask = Ask { at, seal_only: false, catalogue: Some(catalogue) };
            let name = format!("sha256:{digest}");
            let kind = FileKind::by_content(&body);
            (digest, kind.map(|kind| kind.verify(&name, &body, &held.trust, &ask, &limits)))
        })
        .await?;
    draft.note("file", digest);
    let report = report.ok_or_else(|| {
        let detail = "neither an OFD nor a sealed licence nor a seal nor a stamp";
        Problem::malformed("file.kind", detail)
    })?;
    draft.note("kind", report.kind);
    draft.note("verdict", report.verdict.indication.word());
    if let Some(sub) = report.verdict.sub_indication {
        draft.note("subIndication", sub.word());
    }
    if incoming.accepts_html() {
        return Ok(Answer { content_type: HTML, body: page(&report).into_bytes(), peer_receipt: None });
    }
    Answer::json(&FileVerdict { code: national::OK, request_id: draft.request_id(), report: &report })
}
