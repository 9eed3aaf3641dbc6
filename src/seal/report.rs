//! The verification report: two verdicts, and every check that led to them.
//!
//! The **seal** verdict says whether the licence is what its authority sealed; the **status**
//! verdict says whether it still holds. 有效 needs both. A check that could not run is never passed.

use serde::Serialize;

use super::check::{Check, Indication, Outcome, SubIndication, conclude, label};
use crate::time::Timestamp;

/// The whole report, as `verify --report json` prints it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub file: String,
    /// `licence`, `seal` or `stamp`.
    pub kind: &'static str,
    /// The moment for which the report speaks.
    pub at: Timestamp,
    /// Both verdicts together.
    pub verdict: Verdict,
    /// One sentence for a clerk.
    pub summary: Sentence,
    pub seal: SealVerdict,
    /// Only for a licence, unless the seal alone was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusVerdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<LicenceFacts>,
}

/// An indication and, where it is not passed, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    pub indication: Indication,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_indication: Option<SubIndication>,
}

/// The same sentence in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sentence {
    pub en: String,
    pub zh: String,
}

/// Whether the seal holds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SealVerdict {
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Claimed time of sealing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<&'static str>,
    /// `sealed by` or `attested by`, with the seal's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice: Option<Sentence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealFacts>,
    pub checks: Vec<Check>,
}

/// What a seal says of itself.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SealFacts {
    pub es_id: String,
    pub name: String,
    pub version: u32,
    pub valid_from: Timestamp,
    pub valid_until: Timestamp,
}

/// Whether the licence still holds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusVerdict {
    #[serde(flatten)]
    pub verdict: Verdict,
    /// `valid`, `revoked`, `expired`, …; absent where nobody has said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Sentence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Region of the node that said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said_by: Option<String>,
    pub checks: Vec<Check>,
}

/// What the licence shows.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenceFacts {
    pub identifier: String,
    pub type_code: String,
    pub issuer: String,
    pub issued: String,
    pub valid_from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    pub fields: Vec<ShownField>,
    /// Fields of the type that this copy does not show (absent ones among them).
    pub hidden_fields: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct ShownField {
    pub name: String,
    pub label: String,
    pub value: crate::licence::FieldValue,
}

impl Verdict {
    pub fn of(checks: &[Check]) -> Self {
        let (indication, sub_indication) = conclude(checks);
        Self { indication, sub_indication }
    }

    /// The worse of two verdicts; of two equal ones the first.
    pub fn and(self, other: Self) -> Self {
        let rank = |verdict: &Self| match verdict.indication {
            Indication::TotalPassed => 0,
            Indication::Indeterminate => 1,
            Indication::TotalFailed => 2,
        };
        if rank(&other) > rank(&self) { other } else { self }
    }

    pub fn passed(&self) -> bool {
        self.indication == Indication::TotalPassed
    }
}

impl Report {
    /// The checks that did not pass, seal first.
    pub fn open_checks(&self) -> impl Iterator<Item = &Check> {
        let status = self.status.iter().flat_map(|status| &status.checks);
        self.seal.checks.iter().chain(status).filter(|check| check.outcome != Outcome::Ok)
    }

    /// For a terminal: the verdicts, every check with its mark, and what is shown.
    pub fn to_text(&self) -> String {
        let mut lines = vec![
            format!("{}: {}", self.file, self.summary.en),
            format!("{}: {}", self.file, self.summary.zh),
            String::new(),
            format!("Seal 印章: {}", verdict_text(&self.seal.verdict)),
        ];
        if let Some(seal) = &self.seal.seal {
            lines.push(format!(
                "  {} (esID {}, version {}), in force {} to {}",
                seal.name, seal.es_id, seal.version, seal.valid_from, seal.valid_until
            ));
        }
        if let Some(time) = self.seal.signing_time {
            lines.push(format!("  claimed time of sealing 签章时间: {time}"));
        }
        if let Some(voice) = &self.seal.voice {
            lines.push(format!("  {} / {}", voice.en, voice.zh));
        }
        lines.extend(self.seal.checks.iter().map(check_text));
        if let Some(status) = &self.status {
            let state =
                status.state.as_ref().map_or(String::new(), |state| format!(", {} {}", state.en, state.zh));
            lines.push(format!("Status 状态: {}{state}", verdict_text(&status.verdict)));
            if let (Some(at), Some(by)) = (status.as_of, &status.said_by) {
                lines.push(format!("  as of {at}, said by the node of region {by}"));
            }
            lines.extend(status.checks.iter().map(check_text));
        }
        if let Some(licence) = &self.licence {
            lines.push(format!("Licence 证照: {}", licence.identifier));
            for field in &licence.fields {
                let shown = field.value.texts().join("；");
                let shown: String = if shown.chars().count() > 80 {
                    shown.chars().take(77).chain("…".chars()).collect()
                } else {
                    shown
                };
                lines.push(format!("  {} ({}): {shown}", field.label, field.name));
            }
            lines.push(format!("  {} more fields are not shown in this copy", licence.hidden_fields));
        }
        lines.push(String::new());
        lines.iter().map(|line| line.replace(unprintable, "\u{fffd}")).collect::<Vec<_>>().join("\n")
    }
}

/// Control characters, and marks that hide or reorder text: names and values come from the file that
/// is judged, and may not move the cursor or rewrite the verdict above them.
fn unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn verdict_text(verdict: &Verdict) -> String {
    let word = verdict.indication.word();
    verdict.sub_indication.map_or_else(|| word.to_owned(), |sub| format!("{word} ({})", sub.word()))
}

fn check_text(check: &Check) -> String {
    let mark = match check.outcome {
        Outcome::Ok => "ok         ",
        Outcome::Failed => "FAILED     ",
        Outcome::NotChecked => "not checked",
    };
    let (en, zh) = label(check.name);
    let reason = check.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    format!("  {mark} {} — {en} {zh}{reason}", check.name)
}
