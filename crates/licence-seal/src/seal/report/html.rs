//! The report as one page of HTML, for a clerk to read and print, in Chinese and English.
//!
//! Everything is in the page: no script, no font, no address outside. All text from the file goes
//! through the template's escaping; a seal's picture is shown by `<img>`, where nothing in it can run.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    ChainLink, CopyFacts, Coverage, LicenceFacts, PictureFacts, Report, SealVerdict, StatusVerdict, Verdict,
    printable,
};
use crate::seal::check::{Check, Indication, Outcome, label};

const STYLE: &str = "
body{font:15px/1.5 'Noto Sans SC','Source Han Sans SC','Microsoft YaHei','PingFang SC','WenQuanYi Zen Hei',sans-serif;
margin:2em auto;max-width:52em;padding:0 1em;color:#1a1a1a}
h1{font-size:1.35em;margin:0}h2{font-size:1.1em;margin:1.6em 0 .4em;border-bottom:1px solid #bbb}
h3{font-size:1em;margin:1em 0 .3em}
.verdict{border-left:.6em solid;padding:.6em 1em;margin:1em 0;background:#f6f6f6}
.verdict.ok{border-color:#1b7f3b}.verdict.failed{border-color:#b3261e}.verdict.open{border-color:#b26a00}
.verdict b{font-size:1.25em}.verdict p{margin:.2em 0}
table{border-collapse:collapse;width:100%;font-size:.92em}td,th{text-align:left;vertical-align:top;padding:.25em .5em;
border-bottom:1px solid #ddd;overflow-wrap:anywhere}th{font-weight:600;white-space:nowrap}
.mark{white-space:nowrap;font-weight:600}.mark.ok{color:#1b7f3b}.mark.failed{color:#b3261e}.mark.open{color:#b26a00}
.en,.rule{color:#555}.rule{font-size:.88em}.picture{float:right;max-width:42mm;max-height:42mm;margin:0 0 .5em 1em}
code{font-size:.9em;overflow-wrap:anywhere}.next{font-weight:600}footer{margin-top:2em;color:#555;font-size:.85em}
.anchor{border:1px solid #1b7f3b;color:#1b7f3b;border-radius:.3em;padding:0 .3em;font-size:.85em;white-space:nowrap}
@page{margin:18mm 16mm}@media print{h2,h3{break-after:avoid}body{margin:0;max-width:none;font-size:11pt}.verdict{background:none}tr,.verdict{break-inside:avoid}section{break-before:page}}
";

/// One report as a page.
pub fn page(report: &Report) -> String {
    let title = format!("核验报告 Verification report – {}", printable(&report.file));
    frame(
        &title,
        &html! {
            h1 { "电子证照核验报告 " span.en { "Verification report" } }
            (one(report))
        },
    )
}

/// Several reports as a page: what came of each file, then each report.
pub fn summary_page(title: &str, reports: &[Report], unreadable: &[(String, String)]) -> String {
    let count = |wanted| reports.iter().filter(|report| report.verdict.indication == wanted).count();
    let body = html! {
        h1 { "批量核验汇总 " span.en { "Verification summary" } }
        p { (printable(title)) }
        table {
            tr { th { "通过 passed" } td { (count(Indication::TotalPassed)) } }
            tr { th { "未通过 failed" } td { (count(Indication::TotalFailed)) } }
            tr { th { "无法判定 not decided" } td { (count(Indication::Indeterminate)) } }
            tr { th { "无法读取 not readable" } td { (unreadable.len()) } }
        }
        h2 { "文件 " span.en { "Files" } }
        table {
            @for (file, why) in unreadable {
                tr { td.mark.failed { "无法读取 not readable" } td { (printable(file)) } td { (printable(why)) } }
            }
            @for (at, report) in worst_first(reports) {
                tr {
                    td.mark.(class(report.verdict.indication)) { (word(report.verdict.indication)) }
                    td { a href={ "#file-" (at) } { (printable(&report.file)) } }
                    td { (printable(&report.summary.zh)) br; span.en { (printable(&report.summary.en)) } }
                }
            }
        }
        @for (at, report) in reports.iter().enumerate() {
            section id={ "file-" (at) } { (one(report)) }
        }
    };
    frame("批量核验汇总 Verification summary", &body)
}

/// Failed ones before those not decided, and these before those that passed.
fn worst_first(reports: &[Report]) -> Vec<(usize, &Report)> {
    let mut all: Vec<(usize, &Report)> = reports.iter().enumerate().collect();
    all.sort_by_key(|(_, report)| match report.verdict.indication {
        Indication::TotalFailed => 0,
        Indication::Indeterminate => 1,
        Indication::TotalPassed => 2,
    });
    all
}

fn frame(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                footer {
                    p { "licence-node " (env!("CARGO_PKG_VERSION")) }
                    p { "核验在本机离线完成；未完成的检查不视为通过。用语依据 ETSI EN 319 102-1，检查项依据各行所列规则。" }
                    p.en { "Verified offline. A check that could not run is never counted as passed. Verdicts in the words of ETSI EN 319 102-1." }
                }
            }
        }
    }
    .into_string()
}

fn one(report: &Report) -> Markup {
    html! {
        div.verdict.(class(report.verdict.indication)) {
            p { b { (printable(&report.summary.zh)) } }
            p.en { (printable(&report.summary.en)) }
            @if let Some(note) = &report.note {
                p.next { "注意：" (printable(&note.zh)) }
                p.en { "Note: " (printable(&note.en)) }
            }
            @if let Some(step) = &report.next_step {
                p.next { "下一步：" (printable(&step.zh)) }
                p.en { "Next: " (printable(&step.en)) }
            }
        }
        table {
            tr { th { "文件 File" } td { (printable(&report.file)) } }
            @if let Some(digest) = &report.sha256 { tr { th { "SHA-256" } td { code { (digest) } } } }
            tr { th { "核验时刻 Judged at" } td { (time(report.at)) } }
            tr { th { "结论 Verdict" } td { (verdict(&report.verdict)) } }
        }
        @let proved = report.seal.verdict.passed();
        @if let Some(found) = &report.copy { (copy(found)) }
        @if let Some(found) = &report.licence { (licence(found, proved)) }
        @if let Some(found) = &report.status { (status(found, proved)) }
        h2 { "印章 " span.en { "Seal" } ": " (verdict(&report.seal.verdict)) }
        (seal(&report.seal))
        @for signature in &report.signatures {
            h2 { (kind(signature)) ": " (verdict(&signature.verdict)) }
            (seal(signature))
        }
    }
}

fn copy(found: &CopyFacts) -> Markup {
    let at = |at: Option<_>| at.map_or_else(|| "?".to_owned(), time);
    html! {
        h2 { "加注件 " span.en { "Annotated copy" } }
        table {
            tr { th { "制作者 By" } td { (printable(&found.by)) } }
            tr { th { "用途 For" } td { (printable(&found.purpose)) } }
            tr { th { "制作时间 Made at" } td { (at(found.made_at)) } }
            tr { th { "有效期至 Until" } td { (at(found.expires)) } }
        }
    }
}

fn kind(signature: &SealVerdict) -> Markup {
    let (zh, en) = match signature.kind {
        Some("sign") => ("数字签名", "Plain signature"),
        Some("licence") => ("内附证照数据", "Sealed licence inside"),
        _ => ("签章", "Signature"),
    };
    html! { (zh) " " span.en { (en) } " " (printable(signature.id.as_deref().unwrap_or_default())) }
}

fn seal(found: &SealVerdict) -> Markup {
    html! {
        @if let Some(facts) = &found.seal {
            (picture(&facts.picture))
            table {
                tr { th { "印章名称 Name" } td { (printable(&facts.name)) } }
                tr { th { "印章标识 esID" } td { (printable(&facts.es_id)) " (V" (facts.version) ")" } }
                tr { th { "有效期 In force" } td { (time(facts.valid_from)) " – " (time(facts.valid_until)) } }
                @if let Some(at) = found.signing_time {
                    tr {
                        th { "签章时间 Sealed at" }
                        td {
                            (time(at))
                            @if let Some(proof) = &found.time_proof { " – " (printable(&proof.zh)) " " span.en { (printable(&proof.en)) } }
                        }
                    }
                }
                @if let Some(voice) = &found.voice {
                    tr { th { "签章主体 Voice" } td { (printable(&voice.zh)) " " span.en { (printable(&voice.en)) } } }
                }
                @for place in &found.places {
                    tr {
                        th { "位置 Place" }
                        td {
                            @match place.page { Some(page) => { "第 " (page) " 页 page " (page) } None => { "页面不存在 no such page" } }
                            @if let Some([x, y, width, height]) = place.boundary {
                                " (" (x) ", " (y) "; " (width) " × " (height) " mm)"
                            }
                            @if place.clip.is_some() { " 骑缝 straddling" }
                        }
                    }
                }
            }
        }
        @if let Some(found) = &found.coverage { (coverage(found)) }
        (checks(&found.checks))
        (chain("签章人证书链", "Signer's certificates", &found.signer_chain))
        (chain("制章人证书链", "Seal maker's certificates", &found.maker_chain))
        (chain("时间戳证书链", "Time stamp authority's certificates", &found.time_stamp_chain))
    }
}

/// Only kinds that a browser draws as a picture; by `<img>` no script in it can run.
fn picture(picture: &PictureFacts) -> Markup {
    let media = match picture.kind.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "bmp" => "image/bmp",
        "svg" => "image/svg+xml",
        kind => {
            return html! { p.en { "印章图样 Picture: " (printable(kind)) "，" (picture.width_mm) " × " (picture.height_mm) " mm（本页不显示 not shown here）" } };
        }
    };
    html! {
        @if let Some(data) = &picture.data {
            img.picture alt="印章图样 seal picture" src={ "data:" (media) ";base64," (STANDARD.encode(data)) };
        }
    }
}

fn coverage(found: &Coverage) -> Markup {
    html! {
        h3 { "保护范围 " span.en { "What the signature covers" } }
        p { (found.covered) " / " (found.parts) " 个文件部分 parts" }
        @if !found.not_covered.is_empty() {
            table {
                @for one in &found.not_covered {
                    tr { td { code { (printable(&one.part)) } } td { (printable(&one.why.zh)) " " span.en { (printable(&one.why.en)) } } }
                }
            }
        }
    }
}

fn checks(checks: &[Check]) -> Markup {
    html! {
        @if !checks.is_empty() {
            h3 { "检查项 " span.en { "Checks" } }
            table {
                @for check in checks {
                    @let (en, zh) = label(check.name);
                    tr {
                        td.mark.(outcome_class(check.outcome)) { (outcome_word(check.outcome)) }
                        td {
                            (zh) " " span.en { (en) } " " code { (check.name) }
                            @if let Some(sub) = check.sub_indication { br; b { (sub.zh()) } " " code { (sub.word()) } }
                            @if let Some(reason) = &check.reason { br; (printable(reason)) }
                        }
                        td.rule { (check.rule.unwrap_or_default()) }
                    }
                }
            }
        }
    }
}

fn chain(zh: &str, en: &str, links: &[ChainLink]) -> Markup {
    html! {
        @if !links.is_empty() {
            h3 { (zh) " " span.en { (en) } }
            table {
                @for link in links {
                    tr {
                        td { (printable(&link.subject)) @if link.anchor { " " span.anchor { "信任锚 anchor" } } }
                        td { (time(link.not_before)) " – " (time(link.not_after)) }
                        td { code { (link.serial) } }
                    }
                }
            }
        }
    }
}

/// What is said under a seal that does not hold is only what the file claims.
fn unproved(proved: bool) -> Markup {
    html! { @if !proved { " " span.mark.open { "未经核实 not proved" } } }
}

fn status(found: &StatusVerdict, proved: bool) -> Markup {
    html! {
        h2 { "证照状态 " span.en { "Licence status" } ": " (verdict(&found.verdict)) (unproved(proved)) }
        @if let Some(state) = &found.state {
            p {
                b { (printable(&state.zh)) } " " span.en { (printable(&state.en)) }
                @if let (Some(at), Some(by)) = (found.as_of, &found.said_by) {
                    " – " (time(at)) "，由 " (printable(by)) " 节点声明 said by the node of region " (printable(by))
                }
            }
        }
        (checks(&found.checks))
    }
}

fn licence(found: &LicenceFacts, proved: bool) -> Markup {
    html! {
        h2 { "证照内容 " span.en { "Licence" } (unproved(proved)) }
        table {
            tr { th { "证照标识 Identifier" } td { code { (printable(&found.identifier)) } } }
            tr { th { "颁发机构代码 Issuer" } td { (printable(&found.issuer)) } }
            tr { th { "颁发日期 Issued" } td { (found.issued) } }
            tr { th { "有效期 Validity" } td { (found.valid_from) " – " (found.valid_until.as_deref().unwrap_or("长期 long-term")) } }
            @for field in &found.fields {
                tr { th { (printable(&field.label)) } td { (value(&field.value.texts().join("；"))) } }
            }
        }
        p.en { "另有 " (found.hidden_fields) " 项未在本文件中出示 – " (found.hidden_fields) " more fields are not shown in this copy" }
    }
}

/// Images are base64 without end; their beginning says enough.
fn value(text: &str) -> String {
    let text = printable(text);
    if text.chars().count() > 400 { text.chars().take(399).chain("…".chars()).collect() } else { text }
}

/// People read local time; the JSON has UTC.
fn time(at: crate::time::Timestamp) -> String {
    format!("{} (+08:00)", at.shanghai())
}

fn verdict(verdict: &Verdict) -> Markup {
    html! {
        span.mark.(class(verdict.indication)) { (word(verdict.indication)) }
        " " code {
            (verdict.indication.word())
            @if let Some(sub) = verdict.sub_indication { " / " (sub.word()) }
        }
    }
}

fn word(indication: Indication) -> &'static str {
    match indication {
        Indication::TotalPassed => "通过 passed",
        Indication::TotalFailed => "未通过 failed",
        Indication::Indeterminate => "无法判定 not decided",
    }
}

fn class(indication: Indication) -> &'static str {
    match indication {
        Indication::TotalPassed => "ok",
        Indication::TotalFailed => "failed",
        Indication::Indeterminate => "open",
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "✓ 通过",
        Outcome::Failed => "✗ 未通过",
        Outcome::NotChecked => "? 未检查",
    }
}

fn outcome_class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Failed => "failed",
        Outcome::NotChecked => "open",
    }
}
