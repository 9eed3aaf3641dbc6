//! The report for a terminal.

use super::{ChainLink, Report, SealVerdict, Verdict, printable};
use crate::seal::check::{Check, Indication, Outcome, label};

/// Characters of a value that are shown.
const VALUE: usize = 80;
/// Parts not covered that are listed.
const LISTED: usize = 12;

impl Report {
    /// One line, for a list of many files.
    pub fn to_line(&self) -> String {
        let mark = match self.verdict.indication {
            Indication::TotalPassed => "passed     ",
            Indication::TotalFailed => "FAILED     ",
            Indication::Indeterminate => "not decided",
        };
        printable(&format!("{mark} {}: {} {}", self.file, self.summary.zh, self.summary.en))
    }

    /// For a terminal: the verdicts, every check with its mark, and what is shown.
    pub fn to_text(&self) -> String {
        let mut lines = vec![
            format!("{}: {}", self.file, self.summary.en),
            format!("{}: {}", self.file, self.summary.zh),
        ];
        if let Some(note) = &self.note {
            lines.push(format!("  note: {} {}", note.en, note.zh));
        }
        lines.extend(self.sha256.iter().map(|digest| format!("  sha256 {digest}")));
        if let Some(step) = &self.next_step {
            lines.push(format!("  next: {}", step.en));
            lines.push(format!("  下一步：{}", step.zh));
        }
        lines.push(String::new());
        lines.push(format!("Seal 印章: {}", verdict(&self.seal.verdict)));
        seal(&self.seal, &mut lines);
        for signature in &self.signatures {
            let kind = match signature.kind {
                Some("sign") => "Plain signature 数字签名",
                Some("licence") => "Sealed licence inside 内附证照数据",
                _ => "Signature 签章",
            };
            let id = signature.id.as_deref().unwrap_or_default();
            lines.push(format!("{kind} {id}: {}", verdict(&signature.verdict)));
            seal(signature, &mut lines);
        }
        let proved = self.seal.verdict.passed();
        let unproved = if proved { "" } else { " — not proved, the seal does not hold 未经核实" };
        if let Some(status) = &self.status {
            let state =
                status.state.as_ref().map_or(String::new(), |state| format!(", {} {}", state.en, state.zh));
            lines.push(format!("Status 状态: {}{state}{unproved}", verdict(&status.verdict)));
            if let (Some(at), Some(by)) = (status.as_of, &status.said_by) {
                let at = at.shanghai();
                lines.push(format!("  as of {at} +08:00, said by the node of region {by}"));
            }
            lines.extend(status.checks.iter().map(check));
        }
        if let Some(copy) = &self.copy {
            let until = copy.expires.map_or_else(|| "?".to_owned(), |at| at.shanghai());
            lines.push(format!("Annotated copy 加注件: by 制作者 {}", copy.by));
            lines.push(format!("  for 用途: {}; until 有效期至 {until}", copy.purpose));
        }
        if let Some(licence) = &self.licence {
            lines.push(format!("Licence 证照: {}{unproved}", licence.identifier));
            for field in &licence.fields {
                lines.push(format!(
                    "  {} ({}): {}",
                    field.label,
                    field.name,
                    short(&field.value.texts().join("；"))
                ));
            }
            lines.push(format!("  {} more fields are not shown in this copy", licence.hidden_fields));
        }
        lines.push(String::new());
        lines.iter().map(|line| printable(line)).collect::<Vec<_>>().join("\n")
    }
}

fn seal(found: &SealVerdict, lines: &mut Vec<String>) {
    if let Some(seal) = &found.seal {
        lines.push(format!(
            "  {} (esID {}, version {}), in force {} to {}",
            seal.name,
            seal.es_id,
            seal.version,
            seal.valid_from.shanghai(),
            seal.valid_until.shanghai()
        ));
    }
    if let Some(time) = found.signing_time {
        let proof =
            found.time_proof.as_ref().map_or(String::new(), |proof| format!(" ({} {})", proof.en, proof.zh));
        lines.push(format!("  time of sealing 签章时间: {} +08:00{proof}", time.shanghai()));
    }
    if let Some(voice) = &found.voice {
        lines.push(format!("  {} / {}", voice.en, voice.zh));
    }
    for (name, chain) in [("signer 签章人", &found.signer_chain), ("seal maker 制章人", &found.maker_chain)]
    {
        if !chain.is_empty() {
            lines.push(format!("  {name}: {}", chain.iter().map(link).collect::<Vec<_>>().join(" ← ")));
        }
    }
    let straddling = found.places.iter().filter(|place| place.clip.is_some()).count();
    let pages: Vec<String> = found.places.iter().filter_map(|place| Some(place.page?.to_string())).collect();
    if !pages.is_empty() {
        let how = if straddling > 1 { " straddling 骑缝" } else { "" };
        lines.push(format!("  on page 页: {}{how}", pages.join(", ")));
    }
    if let Some(coverage) = &found.coverage {
        lines.push(format!("  covers 覆盖: {} of {} parts", coverage.covered, coverage.parts));
        let shown = coverage.not_covered.iter().take(LISTED);
        lines.extend(shown.map(|one| format!("    not {}: {} {}", one.part, one.why.en, one.why.zh)));
        let more = coverage.not_covered.len().saturating_sub(LISTED);
        if more > 0 {
            lines.push(format!("    and {more} more"));
        }
    }
    lines.extend(found.checks.iter().map(check));
}

fn link(link: &ChainLink) -> String {
    let anchor = if link.anchor { " [anchor 信任锚]" } else { "" };
    format!("{}{anchor}", link.subject)
}

fn verdict(verdict: &Verdict) -> String {
    let word = verdict.indication.word();
    verdict.sub_indication.map_or_else(|| word.to_owned(), |sub| format!("{word} ({})", sub.word()))
}

fn check(check: &Check) -> String {
    let mark = match check.outcome {
        Outcome::Ok => "ok         ",
        Outcome::Failed => "FAILED     ",
        Outcome::NotChecked => "not checked",
    };
    let (en, zh) = label(check.name);
    let reason = check.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    let meaning =
        check.sub_indication.map_or(String::new(), |sub| format!(" ({}: {})", sub.word(), sub.zh()));
    format!("  {mark} {} — {en} {zh}{reason}{meaning}", check.name)
}

fn short(text: &str) -> String {
    if text.chars().count() > VALUE {
        text.chars().take(VALUE - 3).chain("…".chars()).collect()
    } else {
        text.to_owned()
    }
}
