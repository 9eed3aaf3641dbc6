//! What may be drawn of a licence: the fields that a sealed licence shows, and nothing else.
//!
//! Who draws holds no record: [`Shown`] is made from a sealed licence alone, after its disclosures
//! were found in its payload, the payload under its batch's root, and the root under a stamp that
//! verifies. So no picture says what the seal does not. Whose stamp it is, and whether to trust it, is
//! for whoever verifies the file.

use std::collections::BTreeMap;

use super::WriteError;
use super::text::clean;
use crate::crypto::sha256;
use crate::licence::{FaceRow, FieldKind, FieldValue, HolderCodeType, LicenceType};
use crate::seal::ses::{Protected, Trust, check_stamp};
use crate::seal::{Outcome, SealedLicence};
use crate::time::{Day, Timestamp};

/// What a sealed licence shows, checked.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    pub sealed: &'a SealedLicence,
    pub kind: &'a LicenceType,
    pub values: BTreeMap<String, FieldValue>,
    /// The sealed licence's bytes.
    pub bytes: Vec<u8>,
}

impl<'a> Shown<'a> {
    /// Takes a sealed licence apart.
    ///
    /// # Errors
    /// When it is of another type, shows a field that the type does not have, or is not whole: a
    /// disclosure that its payload does not have, a path that leads elsewhere, a stamp that fails.
    pub fn of(sealed: &'a SealedLicence, kind: &'a LicenceType) -> Result<Self, WriteError> {
        let payload = &sealed.payload;
        if payload.type_code != kind.code.to_string() {
            return Err(WriteError::OtherType { licence: payload.type_code.clone() });
        }
        let manifest = sealed.manifest()?;
        let suite = manifest.suite;
        if payload.sd_alg != suite.hash_name()
            || payload.type_code != manifest.type_code
            || payload.issuer != manifest.issuer
        {
            return Err(WriteError::NotWhole("payload and manifest contradict each other".to_owned()));
        }
        let mut values = BTreeMap::new();
        for field in sealed.fields(suite)? {
            if !kind.is_disclosure_name(&field.name) {
                return Err(WriteError::UnknownField(field.name));
            }
            values.insert(field.name, field.value);
        }
        if sealed.root(suite, manifest.size)? != manifest.root {
            return Err(WriteError::NotWhole(
                "its path does not lead to the root under the stamp".to_owned(),
            ));
        }
        // Nobody is trusted here: what fails all the same fails for everybody. Periods and
        // revocation are judged by whoever verifies the file.
        let asked = Timestamp::from_millis(i64::MAX / 2);
        let verdict =
            check_stamp(&sealed.stamp()?, Protected::Hash(&manifest.data_hash()), &Trust::default(), asked);
        let needed = ["stampFormat", "signerInSealCertList", "stampSignature", "dataHash"];
        if let Some(failed) =
            verdict.checks.iter().find(|check| check.outcome != Outcome::Ok && needed.contains(&check.name))
        {
            return Err(WriteError::NotWhole(format!("{} of its stamp failed", failed.name)));
        }
        Ok(Self { sealed, kind, values, bytes: sealed.to_bytes()? })
    }

    /// First 16 bytes of SHA-256 over the sealed licence and `more`, hexadecimal: a document's number.
    pub fn document_id(&self, more: &[&[u8]]) -> String {
        let digest = sha256(&[&[self.bytes.as_slice()], more].concat());
        hex::encode(digest.first_chunk::<16>().map_or(&digest[..], |first| first.as_slice()))
    }

    /// Short name and value of everything shown, in the order of GB/T 36903; several holders and the
    /// items of a list are joined by `^`. Pictures are not among them.
    pub fn metadata(&self) -> Vec<(String, String)> {
        let payload = &self.sealed.payload;
        let value = |name: &str| self.values.get(name).map(|value| value.texts().join("^"));
        let holder_kinds = self.values.get("certificateHolderTypeCode").map(|codes| {
            let words = codes.texts().iter().map(|code| match HolderCodeType::parse(code) {
                Some(kind) => kind.zh(),
                None => code,
            });
            words.collect::<Vec<_>>().join("^")
        });
        let common = [
            ("ZZMC", Some(self.kind.name.clone())),
            ("ZZLXMC", Some(self.kind.name.clone())),
            ("ZZLXDM", Some(payload.type_code.clone())),
            ("ZZBH", value("certificateNumber")),
            ("ZZBS", Some(payload.id.clone())),
            ("ZZBFJG", value("certificateIssuingAuthorityName")),
            ("ZZBFJGDM", Some(payload.issuer.clone())),
            ("ZZBFRQ", Some(payload.issued.to_string())),
            ("CZZT", value("certificateHolderName")),
            ("CZZTDM", value("certificateHolderCode")),
            ("CZZTDMLX", holder_kinds),
            ("CZZTDMLXDM", value("certificateHolderTypeCode")),
            ("ZZYXQQSRQ", Some(payload.valid_from.to_string())),
            ("ZZYXQJZRQ", payload.valid_until.map(|until| until.to_string())),
        ];
        let common = common.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let fields = self.kind.fields.iter().filter(|field| field.kind != FieldKind::Image);
        let fields = fields.filter_map(|field| Some((field.short.clone(), value(&field.name)?)));
        common.chain(fields).map(|(name, value)| (name, clean(&value))).collect()
    }

    /// What a row shows, as it is printed.
    pub fn printed(&self, row: &FaceRow) -> Option<String> {
        let payload = &self.sealed.payload;
        let texts = || self.values.get(&row.name).map(FieldValue::texts);
        let text = match row.name.as_str() {
            "certificateIssuedDate" => printed_day(payload.issued),
            "certificateEffectiveDate" => printed_day(payload.valid_from),
            "certificateExpiringDate" => payload.valid_until.map_or_else(|| "长期".to_owned(), printed_day),
            _ => match row.kind {
                FieldKind::Date => {
                    let text = texts()?.concat();
                    Day::parse(&text).map_or(text, printed_day)
                }
                FieldKind::List => texts()?.join("；"),
                _ => texts()?.join("、"),
            },
        };
        Some(clean(&text))
    }
}

/// `2026年02月28日`
fn printed_day(day: Day) -> String {
    let text = day.to_string();
    let mut parts = text.split('-');
    let mut next = || parts.next().unwrap_or_default();
    format!("{}年{}月{}日", next(), next(), next())
}
