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
//! | `facts` | what a report says |
//! | `text`, `html` | the forms for people |
//! | `words` | the sentence for a clerk, and what to do next |

mod facts;
mod html;
mod text;
mod words;

pub use facts::{
    ChainLink, CopyFacts, Coverage, LicenceFacts, NotCovered, PictureFacts, Place, Report, SealFacts,
    SealVerdict, Sentence, ShownField, StatusVerdict, Verdict,
};
pub use html::{page, summary_page};
pub use words::{next_step, time_proof};

use super::check::{Check, Indication, Outcome};
use super::ses;
use crate::crypto::{Suite, sha256};
use crate::pki::Certificate;
use crate::time::Timestamp;

/// Pictures up to this size go into a report, in bytes.
const MAX_SHOWN_PICTURE: usize = 256 * 1024;

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
