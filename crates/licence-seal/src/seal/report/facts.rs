//! What a report says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::seal::check::{Check, Indication, SubIndication, conclude};
use crate::time::Timestamp;

/// The whole report, as `verify --report json` prints it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub file: String,
    /// Of the file's bytes, hexadecimal: which file the report is about, whatever it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// `licence`, `seal`, `stamp` or `ofd`.
    pub kind: &'static str,
    /// The moment for which the report speaks.
    pub at: Timestamp,
    /// Both verdicts together.
    pub verdict: Verdict,
    /// One sentence for a clerk.
    pub summary: Sentence,
    /// What must be read beside the verdict: a seal that is none in the law's sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Sentence>,
    /// Unless passed: what to do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<Sentence>,
    /// Of the whole file: of an OFD the worst of `signatures`, with the checks of the package.
    pub seal: SealVerdict,
    /// Of an OFD, in the order of its list; the sealed licence that it carries comes last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<SealVerdict>,
    /// Only for a licence, unless the seal alone was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusVerdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<LicenceFacts>,
    /// Of an annotated copy (加注件) whose page is under a seal that holds: what the page says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<CopyFacts>,
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

/// Whether a seal, or one signature of a file, holds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SealVerdict {
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Of an OFD's signature: its ID in the list, or the name of the attached licence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Of an OFD's signature: `seal`, `sign` (a plain signature), or `licence` (an attached one).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// Time of sealing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_time: Option<Timestamp>,
    /// What the time rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_proof: Option<Sentence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<&'static str>,
    /// `sealed by` or `attested by`, with the seal's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice: Option<Sentence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealFacts>,
    /// From the signer's certificate to the anchor; empty unless a path is good.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signer_chain: Vec<ChainLink>,
    /// From the certificate of the seal's maker to the anchor; empty unless a path is good.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maker_chain: Vec<ChainLink>,
    /// From the certificate of the time stamp authority to the anchor.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub time_stamp_chain: Vec<ChainLink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// Where the stamp is shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    pub checks: Vec<Check>,
}

/// A certificate of a chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainLink {
    pub subject: String,
    pub issuer: String,
    /// Hexadecimal.
    pub serial: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// SHA-256, hexadecimal.
    pub fingerprint: String,
    /// Whether the verifier trusts this one without proof.
    pub anchor: bool,
}

/// What a signature of an OFD covers, and what not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Parts of the package under the signature.
    pub covered: usize,
    /// All parts of the package.
    pub parts: usize,
    pub not_covered: Vec<NotCovered>,
}

/// A part that a signature does not cover.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NotCovered {
    pub part: String,
    pub why: Sentence,
}

/// A place of a stamp; millimetres from the upper left corner.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Place {
    /// Number of the page, from 1; `None` if there is no such page.
    pub page: Option<usize>,
    /// x, y, width, height.
    #[serde(rename = "box")]
    pub boundary: Option<[f64; 4]>,
    /// Only this part of the picture (a straddling stamp, 骑缝章).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<[f64; 4]>,
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
    pub picture: PictureFacts,
}

/// The seal's picture.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PictureFacts {
    /// As the maker wrote it.
    #[serde(rename = "type")]
    pub kind: String,
    pub width_mm: u32,
    pub height_mm: u32,
    /// Written in base64; absent where it is larger than 256 KiB.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "base64")]
    pub data: Option<Vec<u8>>,
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

/// What an annotated copy says of itself (GB/T 36903, the fields JZJ…).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyFacts {
    /// `JZJZZZ`: who made it.
    pub by: String,
    /// `JZJZZSY`
    pub purpose: String,
    /// `JZJZZSJ`; absent where it is no time that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Timestamp>,
    /// `JZJYXQJZSJ`, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
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

/// Encoded where it is written, not in every verification.
fn base64<S: serde::Serializer>(data: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(data.as_deref().unwrap_or_default()))
}
