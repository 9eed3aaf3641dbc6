//! A file → its verification report.
//!
//! Whoever has a file can verify it offline; this is for systems that have no verifier of their own. It
//! looks nothing up and shows nothing that the caller did not send, so it needs no grant and carries no
//! context; the log keeps the file's digest and the verdict, and nothing of what stands in it. The
//! kind is told by the content alone: a name would be one more thing to believe.

use serde::Serialize;

use crate::exchange::message::Answer;
use crate::exchange::problem::{Problem, national};
use crate::exchange::request::Request;
use crate::exchange::{media, rules};
use licence_seal::crypto::sha256;
use licence_seal::ofd::{FileKind, Limits};
use licence_seal::seal::Ask;
use licence_seal::seal::report::{Report, page};

/// Answer to `/v1/files/verify`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileVerdict<'a> {
    code: u8,
    request_id: &'a str,
    report: &'a Report,
}

pub async fn run(request: Request<'_>) -> Result<Answer, Problem> {
    let Request { exchange, incoming, draft, .. } = request;
    let body = incoming.body.clone()?;
    draft.note("bytes", body.len());
    let (trusts, at, catalogue) =
        (exchange.trust_snapshot(), exchange.office.clock.now(), exchange.office.catalogue);
    let limits = Limits { file: exchange.office.settings.file_limit, ..Limits::default() };
    let (digest, report) = exchange
        .work("verify", move || {
            let digest = hex::encode(sha256(&[&body]));
            let ask = Ask { at, seal_only: false, catalogue: Some(catalogue) };
            let name = format!("sha256:{digest}");
            let kind = FileKind::by_content(&body);
            (digest, kind.map(|kind| kind.verify(&name, &body, &trusts.trust, &ask, &limits)))
        })
        .await?;
    draft.note("file", digest);
    let report = report.ok_or_else(|| {
        let detail = "neither an OFD nor a sealed licence nor a seal nor a stamp";
        Problem::malformed(rules::FILE_KIND, detail)
    })?;
    draft.note("kind", report.kind);
    draft.note("verdict", report.verdict.indication.word());
    if let Some(sub) = report.verdict.sub_indication {
        draft.note("subIndication", sub.word());
    }
    if incoming.accepts_html() {
        return Ok(Answer::new(media::HTML, page(&report).into_bytes()));
    }
    Answer::json(&FileVerdict { code: national::OK, request_id: draft.request_id(), report: &report })
}
