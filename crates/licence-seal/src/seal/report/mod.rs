//! The verification report: two verdicts, and every check that led to them.
//!
//! The **seal** verdict says whether the licence is what its authority sealed; the **status**
//! verdict says whether it still holds. 有效 needs both. A check that could not run is never passed.
//! A file with several signatures has a verdict for each, and its seal verdict is the worst of them.
//!
//! The same report has three forms: JSON (this structure), text for a terminal, and one page of
//! HTML that a clerk can read and print. Nothing is decided in any of the forms.
//!
//! | file | decides |
//! |---|---|
//! | `text`, `html` | the forms for people |
//! | `words` | the sentence for a clerk, and what to do next |

mod html;
mod text;
mod words;

pub use html::{page, summary_page};
pub use words::{next_step, time_proof};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use serde::Serialize;

use super::check::{Check, Indication, Outcome, SubIndication, conclude};
use super::ses;
use crate::crypto::{Suite, sha256};
use crate::pki::Certificate;
use crate::time::Timestamp;

/// Pictures up to this size go into a report, in bytes.
const MAX_SHOWN_PICTURE: usize = 256 * 1024;

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

impl SealVerdict {
    /// What these checks add up to; facts are added by whoever has them.
    pub fn of(checks: Vec<Check>) -> Self {
        Self {
            verdict: Verdict::of(&checks),
            id: None,
            kind: None,
            signing_time: None,
            time_proof: None,
            suite: None,
            voice: None,
            seal: None,
            signer_chain: Vec::new(),
            maker_chain: Vec::new(),
            time_stamp_chain: Vec::new(),
            coverage: None,
            places: Vec::new(),
            checks,
        }
    }

    /// Adds what came of a seal that stands alone.
    pub fn with_seal(self, found: &ses::SealVerdict) -> Self {
        Self {
            suite: found.seal.as_ref().and_then(ses::Seal::suite).map(Suite::name),
            seal: found.seal.as_ref().map(SealFacts::of),
            maker_chain: ChainLink::all(&found.maker_chain),
            ..self
        }
    }

    /// Adds what came of a stamp.
    pub fn with_stamp(self, found: &ses::StampVerdict) -> Self {
        let stamp = found.stamp.as_ref();
        Self {
            signing_time: found.signing_time,
            time_proof: found.signing_time.map(|_| words::time_proof(&found.time_proof)),
            suite: stamp.and_then(ses::Stamp::suite).map(Suite::name),
            seal: stamp.map(|stamp| SealFacts::of(&stamp.seal)),
            signer_chain: ChainLink::all(&found.signer_chain),
            maker_chain: ChainLink::all(&found.maker_chain),
            time_stamp_chain: ChainLink::all(&found.time_stamp_chain),
            ..self
        }
    }
}

impl SealFacts {
    fn of(seal: &ses::Seal) -> Self {
        let picture = &seal.picture;
        let shown = picture.data.len() <= MAX_SHOWN_PICTURE;
        Self {
            es_id: seal.es_id.clone(),
            name: seal.name.clone(),
            version: seal.version.number(),
            valid_from: seal.valid_from,
            valid_until: seal.valid_until,
            picture: PictureFacts {
                kind: picture.kind.clone(),
                width_mm: picture.width,
                height_mm: picture.height,
                data: shown.then(|| picture.data.clone()),
            },
        }
    }
}

impl ChainLink {
    /// A validated chain: its last certificate is the anchor.
    pub fn all(chain: &[Certificate]) -> Vec<Self> {
        let link = |(at, certificate): (usize, &Certificate)| Self {
            subject: certificate.subject().to_owned(),
            issuer: certificate.issuer().to_owned(),
            serial: certificate.serial_hex(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            fingerprint: hex::encode(certificate.fingerprint()),
            anchor: at + 1 == chain.len(),
        };
        chain.iter().enumerate().map(link).collect()
    }
}

/// What a report is made of, before its verdict and words.
#[derive(Debug)]
pub struct Parts {
    pub kind: &'static str,
    pub seal: SealVerdict,
    pub signatures: Vec<SealVerdict>,
    pub status: Option<StatusVerdict>,
    pub licence: Option<LicenceFacts>,
    pub copy: Option<CopyFacts>,
}

impl Report {
    /// Names the file by its bytes too.
    pub fn about(self, bytes: &[u8]) -> Self {
        Self { sha256: Some(hex::encode(sha256(&[bytes]))), ..self }
    }

    /// Adds up the verdicts and puts them into words.
    pub fn of(file: &str, at: Timestamp, parts: Parts) -> Self {
        let Parts { kind, mut seal, signatures, status, licence, copy } = parts;
        seal.verdict = signatures.iter().fold(seal.verdict, |worst, one| worst.and(one.verdict));
        let verdict = status.as_ref().map_or(seal.verdict, |status| seal.verdict.and(status.verdict));
        let mut report = Self {
            file: file.to_owned(),
            sha256: None,
            kind,
            at,
            verdict,
            summary: Sentence { en: String::new(), zh: String::new() },
            note: None,
            next_step: None,
            seal,
            signatures,
            status,
            licence,
            copy,
        };
        report.summary = words::summary(&report);
        report.note = words::note(&report);
        report.next_step = report.deciding_check().map(next_step);
        report
    }

    /// All checks: of the file, of each signature, of the status.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        let signatures = self.signatures.iter().flat_map(|signature| &signature.checks);
        let status = self.status.iter().flat_map(|status| &status.checks);
        self.seal.checks.iter().chain(signatures).chain(status)
    }

    /// The checks that did not pass.
    pub fn open_checks(&self) -> impl Iterator<Item = &Check> {
        self.checks().filter(|check| check.outcome != Outcome::Ok)
    }

    /// Whether a signature is of the suite that is for tests: such a seal is no 电子印章.
    pub fn is_for_tests(&self) -> bool {
        let tests = Some(Suite::P256Sha256.name());
        self.seal.suite == tests || self.signatures.iter().any(|one| one.suite == tests)
    }

    /// The check that the verdict hangs on, unless it is passed.
    pub fn deciding_check(&self) -> Option<&Check> {
        let decisive = match self.verdict.indication {
            Indication::TotalPassed => return None,
            Indication::TotalFailed => Outcome::Failed,
            Indication::Indeterminate => Outcome::NotChecked,
        };
        self.checks().find(|check| check.outcome == decisive)
    }
}

/// Encoded where it is written, not in every verification.
fn base64<S: serde::Serializer>(data: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(data.as_deref().unwrap_or_default()))
}

/// Control characters, and marks that hide or reorder text: names and values come from the file that
/// is judged, and may not move the cursor or rewrite the verdict above them.
fn unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}')
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}')
        || matches!(c, '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}')
}

/// Text from a file, fit to be shown.
fn printable(text: &str) -> String {
    text.replace(unprintable, "\u{fffd}")
}
