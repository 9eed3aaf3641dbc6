//! The page of a licence: whether whoever sealed it may, and until when it may be used.
//!
//! A sealed licence inside an OFD proves itself and says nothing of the page around it: anybody who
//! owns a trusted seal could draw another person's name there and lay a good licence in. So where a
//! licence goes along, one seal on the page must be the authority's, the library's, or that of a
//! node of its city, by the issuer list. A node's page is an annotated copy (加注件); it holds until
//! the moment that its metadata name.
//!
//! Nothing is said here of a page whose seals do not hold: that they do not is said already.

use super::Document;
use crate::crypto::Digest;
use crate::seal::report::{CopyFacts, Report, SealVerdict, Sentence};
use crate::seal::{Check, PageSealer, SubIndication, Trust, voiced};
use crate::time::Timestamp;

const BINDING: &str = "pageBinding";
const EXPIRY: &str = "copyExpiry";

/// What came of a page.
#[derive(Debug, Default)]
pub struct Page {
    pub checks: Vec<Check>,
    pub copy: Option<CopyFacts>,
}

/// Judges the page that `signatures` (without the attached licence's) are on, at `at`; adds to each
/// of them in whose name it speaks.
pub fn judge(
    documents: &[Document],
    signatures: &mut [SealVerdict],
    attached: Option<&Report>,
    trust: &Trust,
    at: Timestamp,
) -> Page {
    if !signatures.iter().any(|signature| signature.verdict.passed()) {
        return Page::default();
    }
    let mut checks = Vec::new();
    let copies: Vec<CopyFacts> = documents.iter().filter_map(copy_facts).collect();
    let held = attached.filter(|licence| licence.seal.verdict.passed());
    let licence = held.and_then(|licence| licence.licence.as_ref());
    let licence = licence.map(|licence| (licence.issuer.clone(), licence.type_code.clone()));
    // Without a licence inside, the metadata say whose licence the page is meant to be. They speak of a
    // city's authorities only to those who hold that city's list.
    let claimed = || documents.iter().find_map(|document| claimed(document, trust));
    if let Some((issuer, type_code)) = licence.or_else(claimed) {
        checks.push(binding(signatures, (&issuer, &type_code), !copies.is_empty(), trust, at));
    }
    checks.extend(copies.iter().map(|copy| expiry(copy, at)));
    Page { checks, copy: copies.into_iter().next() }
}

/// Issuer and type of the licence that the metadata speak of, if a list here names the issuer.
fn claimed(document: &Document, trust: &Trust) -> Option<(String, String)> {
    let text = |name: &str| {
        let found = document.custom_data.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim().to_owned())
    };
    let issuer = text("ZZBFJGDM").filter(|issuer| trust.names_issuer(issuer))?;
    Some((issuer, text("ZZLXDM").unwrap_or_default()))
}

/// One seal that holds must be one that may stand there; further ones may be anybody's. A node's seal
/// stands on annotated copies only.
fn binding(
    signatures: &mut [SealVerdict],
    (issuer, type_code): (&str, &str),
    is_copy: bool,
    trust: &Trust,
    at: Timestamp,
) -> Check {
    let mut why = None;
    let mut by = None;
    for signature in signatures.iter_mut().filter(|signature| signature.verdict.passed()) {
        let Some(certificate) = signer(signature) else { continue };
        let time = signature.signing_time.unwrap_or(at);
        match trust.page_sealer(issuer, type_code, &certificate, time) {
            Ok(PageSealer::Node(_)) if !is_copy => {
                let other = "a node seals annotated copies, and this page does not say that it is one";
                why = why.or(Some(other.to_owned()));
            }
            Ok(sealer) => {
                signature.voice = voice(signature, sealer);
                by = by.or(signature.voice.clone());
            }
            Err(other) => why = why.or(Some(other.to_string())),
        }
    }
    match (by, why) {
        (Some(by), _) => Check::ok(BINDING).because(by.en),
        (None, why) => {
            let why = why.unwrap_or_else(|| "no seal is on the page".to_owned());
            Check::failed(BINDING, SubIndication::SigConstraintsFailure, why)
        }
    }
}

/// Fingerprint of the certificate that signed.
fn signer(signature: &SealVerdict) -> Option<Digest> {
    let first = signature.signer_chain.first()?;
    hex::decode(&first.fingerprint).ok()?.try_into().ok()
}

fn voice(signature: &SealVerdict, sealer: PageSealer<'_>) -> Option<Sentence> {
    match sealer {
        PageSealer::Voice(voice) => voiced(signature.clone(), Some(voice)).voice,
        PageSealer::Node(region) => {
            let name = signature.seal.as_ref().map_or("", |seal| seal.name.as_str());
            Some(Sentence {
                en: format!(
                    "annotated copy, sealed by the node of region {region} ({name}); the issuing \
                     authority's seal is on the licence inside, not on this page"
                ),
                zh: format!(
                    "加注件，由{region}节点（{name}）签章；颁发机构的签章在内附证照数据中，不在本版面"
                ),
            })
        }
    }
}

/// What the metadata of an annotated copy say (GB/T 36903); `None` for any other document.
fn copy_facts(document: &Document) -> Option<CopyFacts> {
    let text = |name: &str| {
        let found = document.custom_data.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim().to_owned())
    };
    let expires = text("JZJYXQJZSJ")?;
    Some(CopyFacts {
        by: text("JZJZZZ").unwrap_or_default(),
        purpose: text("JZJZZSY").unwrap_or_default(),
        made_at: text("JZJZZSJ").and_then(|text| moment(&text)),
        expires: moment(&expires),
    })
}

/// `yyyyMMddHHmmss` in Asia/Shanghai.
fn moment(text: &str) -> Option<Timestamp> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let (year, month, day) = (part(0, 4), part(4, 6), part(6, 8));
    let (hour, minute, second) = (part(8, 10), part(10, 12), part(12, 14));
    Timestamp::parse_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}+08:00"))
}

fn expiry(copy: &CopyFacts, at: Timestamp) -> Check {
    match copy.expires {
        None => {
            let why = "it does not say, in a form that can be read, until when it may be used";
            Check::not_checked(EXPIRY, SubIndication::TryLater, why)
        }
        Some(until) if at > until => {
            let why = format!("the copy was made for use until {until}");
            Check::failed(EXPIRY, SubIndication::Expired, why)
        }
        Some(until) => Check::ok(EXPIRY).because(format!("until {until}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_fourteen_digits_of_shanghai() {
        let noon = Timestamp::parse_rfc3339("2026-11-23T12:00:00Z");
        assert_eq!(moment("20261123200000"), noon);
        for bad in ["", "2026112320000", "20261323200000", "2026112320000x", "２026112320000"] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }
}
