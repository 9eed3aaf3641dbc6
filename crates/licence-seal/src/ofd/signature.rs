//! The signatures of a document: `Signatures.xml` and each `Signature.xml` (GB/T 33190-2016, 18).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::OfdError;
use super::package::{Document, Package};
use super::xml::Element;
use crate::crypto::Suite;
use crate::time::{Day, Timestamp};

/// Seconds by which Asia/Shanghai is ahead of UTC.
const SHANGHAI_SECS: i64 = 8 * 3600;

/// What a list says of one signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    pub id: String,
    pub kind: Kind,
    /// Entry of its `Signature.xml`.
    pub entry: String,
}

/// `Type` of a signature; one without it is a seal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// 电子签章: a stamp with a seal.
    Seal,
    /// 数字签名: a plain signature.
    Sign,
}

/// The hash that a `CheckMethod` asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CheckMethod {
    Known(Suite),
    /// Too weak, or not known; absent means MD5.
    Refused(String),
}

impl CheckMethod {
    fn of(value: Option<&str>) -> Self {
        let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else {
            return Self::Refused("MD5 (none is named)".to_owned());
        };
        let plain = value.to_ascii_lowercase().replace(['-', '_'], "");
        let known = Suite::ALL.into_iter().find(|suite| {
            let oid = suite.hash_oid();
            plain == suite.hash_name().replace('-', "")
                || plain == oid
                || plain.strip_prefix(oid).is_some_and(|rest| rest.starts_with('.'))
        });
        known.map_or_else(|| Self::Refused(value.to_owned()), Self::Known)
    }
}

/// One protected file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    pub file: String,
    /// `None` if the value is not base64.
    pub digest: Option<Vec<u8>>,
}

/// Where a stamp is shown; lengths in millimetres.
#[derive(Clone, PartialEq, Debug)]
pub struct StampAnnot {
    pub id: String,
    pub page: String,
    /// x, y, width, height.
    pub boundary: Option<[f64; 4]>,
    /// Part of the picture that is shown.
    pub clip: Option<[f64; 4]>,
}

/// What a `Signature.xml` says.
#[derive(Clone, PartialEq, Debug)]
pub struct Signature {
    /// Who made it, as it says itself.
    pub provider: Option<String>,
    pub method: Option<String>,
    /// As written; see [`Signature::claimed_time`].
    pub date_time: Option<String>,
    pub check_method: CheckMethod,
    pub references: Vec<Reference>,
    pub stamps: Vec<StampAnnot>,
    /// Location of `Seal.esl`, as written.
    pub seal: Option<String>,
    /// Location of `SignedValue.dat`, as written.
    pub signed_value: String,
}

/// The list of a document's signatures, in its order.
pub fn list(package: &Package, document: &Document) -> Result<Vec<Listed>, OfdError> {
    let Some(entry) = &document.signatures else {
        return Ok(Vec::new());
    };
    let tree = package.part(entry, "Signatures")?;
    let mut found: Vec<Listed> = Vec::new();
    for element in tree.children_named("Signature") {
        let location = element.attribute("BaseLoc").unwrap_or_default();
        let file = package
            .resolve(entry, location)
            .ok_or_else(|| OfdError::Dangling { part: entry.clone(), location: location.to_owned() })?;
        let id = element.attribute("ID").unwrap_or_default().to_owned();
        if found.iter().any(|other| other.id == id || other.entry == file) {
            return Err(OfdError::SignatureTwice(id));
        }
        if found.len() >= package.limits().signatures {
            return Err(OfdError::TooManySignatures(package.limits().signatures));
        }
        let kind = match element.attribute("Type") {
            None | Some("Seal") => Kind::Seal,
            Some("Sign") => Kind::Sign,
            Some(other) => return Err(OfdError::SignatureType(other.to_owned())),
        };
        found.push(Listed { id, kind, entry: file.to_owned() });
    }
    Ok(found)
}

impl Signature {
    pub fn read(package: &Package, entry: &str) -> Result<Self, OfdError> {
        let tree = package.part(entry, "Signature")?;
        let lacks = |what| OfdError::Lacks { part: entry.to_owned(), what };
        let info = tree.child("SignedInfo").ok_or_else(|| lacks("SignedInfo"))?;
        let signed_value = tree.child_text("SignedValue").ok_or_else(|| lacks("SignedValue"))?;
        let list = info.child("References").ok_or_else(|| lacks("References"))?;
        let references: Vec<Reference> = list
            .children_named("Reference")
            .map(|reference| {
                let value: String =
                    reference.child_text("CheckValue").unwrap_or_default().split_whitespace().collect();
                Reference {
                    file: reference.attribute("FileRef").unwrap_or_default().trim().to_owned(),
                    digest: STANDARD.decode(value).ok(),
                }
            })
            .collect();
        if references.is_empty() {
            return Err(lacks("References"));
        }
        Ok(Self {
            provider: info.child("Provider").map(provider),
            method: info.child_text("SignatureMethod").map(str::to_owned),
            date_time: info.child_text("SignatureDateTime").map(str::to_owned),
            check_method: CheckMethod::of(list.attribute("CheckMethod")),
            references,
            stamps: info.children_named("StampAnnot").map(stamp).collect(),
            seal: info.child("Seal").and_then(|seal| seal.child_text("BaseLoc")).map(str::to_owned),
            signed_value: signed_value.to_owned(),
        })
    }

    /// The time that `Signature.xml` claims: digits as `yyyyMMddHHmmss` or with separators, in
    /// Asia/Shanghai unless it says an offset.
    pub fn claimed_time(&self) -> Option<Timestamp> {
        let text = self.date_time.as_deref()?.trim();
        if let Some(time) = Timestamp::parse_rfc3339(text) {
            return Some(time);
        }
        let utc = text.ends_with('Z');
        let digits: String = text.chars().filter(char::is_ascii_digit).take(14).collect();
        let (day, clock) = digits.split_at_checked(8)?;
        let mut day = day.to_owned();
        day.insert(6, '-');
        day.insert(4, '-');
        let part = |from: usize| clock.get(from..from.saturating_add(2))?.parse::<i64>().ok();
        let (hour, minute, second) = (part(0)?, part(2)?, part(4)?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let begins = Day::parse(&day)?.start();
        let time = begins.plus_secs(hour * 3600 + minute * 60 + second);
        Some(if utc { time.plus_secs(SHANGHAI_SECS) } else { time })
    }
}

/// Attributes, or child elements as one maker has them.
fn provider(element: &Element) -> String {
    let said = |name: &str| {
        element
            .attribute(name)
            .or_else(|| element.child_text(name))
            .map(str::trim)
            .filter(|text| !text.is_empty())
    };
    let parts = ["ProviderName", "Version", "Company"].into_iter().filter_map(said);
    let parts: Vec<String> = parts.map(|part| part.chars().take(80).collect()).collect();
    parts.join(" ")
}

fn stamp(element: &Element) -> StampAnnot {
    let text = |name: &str| element.attribute(name).unwrap_or_default().to_owned();
    let numbers = |name: &str| {
        let values: Option<Vec<f64>> =
            element.attribute(name)?.split_whitespace().map(|number| number.parse().ok()).collect();
        <[f64; 4]>::try_from(values?).ok().filter(|values| values.iter().all(|value| value.is_finite()))
    };
    StampAnnot { id: text("ID"), page: text("PageRef"), boundary: numbers("Boundary"), clip: numbers("Clip") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_go_by_name_or_identifier_and_weak_ones_are_refused() {
        for name in ["SM3", "sm3", "1.2.156.10197.1.401", "1.2.156.10197.1.401.1"] {
            assert_eq!(CheckMethod::of(Some(name)), CheckMethod::Known(Suite::Sm2Sm3), "{name}");
        }
        for name in ["SHA256", "SHA-256", "2.16.840.1.101.3.4.2.1"] {
            assert_eq!(CheckMethod::of(Some(name)), CheckMethod::Known(Suite::P256Sha256), "{name}");
        }
        for name in [None, Some(""), Some("MD5"), Some("SHA1"), Some("1.2.156.10197.1.4011"), Some("SM")] {
            assert!(matches!(CheckMethod::of(name), CheckMethod::Refused(_)), "{name:?}");
        }
    }

    #[test]
    fn times_are_read_as_makers_write_them() {
        let time = |text: &str| {
            let signature = Signature {
                provider: None,
                method: None,
                date_time: Some(text.to_owned()),
                check_method: CheckMethod::Known(Suite::Sm2Sm3),
                references: Vec::new(),
                stamps: Vec::new(),
                seal: None,
                signed_value: String::new(),
            };
            signature.claimed_time().map(Timestamp::rfc3339)
        };
        let wanted = Some("2020-10-10T07:11:20.000Z".to_owned());
        for text in [
            "20201010151120",
            "2020-10-10 15:11:20",
            "2020-10-10T15:11:20",
            "2020-10-10T15:11:20+08:00",
            "2020-10-10T07:11:20Z",
            "20201010071120Z",
        ] {
            assert_eq!(time(text), wanted, "{text}");
        }
        for text in ["", "2020", "20201310151120", "20201010251120", "年月日"] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
