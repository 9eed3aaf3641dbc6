//! A check, what came of it, and what many checks add up to.
//!
//! The words are those of ETSI EN 319 102-1 (indication and sub-indication), so that a report can
//! be read beside one of a European validator. One rule differs, and deliberately: there a broken
//! constraint (the signer is not in the seal's list, say) is INDETERMINATE, because another policy
//! might allow it; GB/T 38540 calls the same fact invalid, and a clerk needs a plain no. So a
//! failed check always means TOTAL_FAILED, and INDETERMINATE means that a check could not run. A
//! check that could not run never counts as passed.

use serde::{Serialize, Serializer};

/// The verdict on one signature (ETSI EN 319 102-1, 5.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Indication {
    TotalPassed,
    TotalFailed,
    Indeterminate,
}

impl Indication {
    /// The standard's word, as it is written in a report.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TotalPassed => "TOTAL_PASSED",
            Self::TotalFailed => "TOTAL_FAILED",
            Self::Indeterminate => "INDETERMINATE",
        }
    }
}

impl Serialize for Indication {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// Why a verdict is not TOTAL_PASSED (ETSI EN 319 102-1, tables 5 and 6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SubIndication {
    FormatFailure,
    HashFailure,
    SigCryptoFailure,
    Revoked,
    Expired,
    NotYetValid,
    SigConstraintsFailure,
    ChainConstraintsFailure,
    CertificateChainGeneralFailure,
    CryptoConstraintsFailure,
    NoSigningCertificateFound,
    NoCertificateChainFound,
    RevokedNoPoe,
    OutOfBoundsNoPoe,
    NoPoe,
    TryLater,
    SignedDataNotFound,
}

impl SubIndication {
    /// The standard's word, as it is written in a report.
    pub const fn word(self) -> &'static str {
        match self {
            Self::FormatFailure => "FORMAT_FAILURE",
            Self::HashFailure => "HASH_FAILURE",
            Self::SigCryptoFailure => "SIG_CRYPTO_FAILURE",
            Self::Revoked => "REVOKED",
            Self::Expired => "EXPIRED",
            Self::NotYetValid => "NOT_YET_VALID",
            Self::SigConstraintsFailure => "SIG_CONSTRAINTS_FAILURE",
            Self::ChainConstraintsFailure => "CHAIN_CONSTRAINTS_FAILURE",
            Self::CertificateChainGeneralFailure => "CERTIFICATE_CHAIN_GENERAL_FAILURE",
            Self::CryptoConstraintsFailure => "CRYPTO_CONSTRAINTS_FAILURE",
            Self::NoSigningCertificateFound => "NO_SIGNING_CERTIFICATE_FOUND",
            Self::NoCertificateChainFound => "NO_CERTIFICATE_CHAIN_FOUND",
            Self::RevokedNoPoe => "REVOKED_NO_POE",
            Self::OutOfBoundsNoPoe => "OUT_OF_BOUNDS_NO_POE",
            Self::NoPoe => "NO_POE",
            Self::TryLater => "TRY_LATER",
            Self::SignedDataNotFound => "SIGNED_DATA_NOT_FOUND",
        }
    }
}

impl SubIndication {
    /// What the word means, for a clerk.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::FormatFailure => "格式不正确",
            Self::HashFailure => "内容在签章后被改动，摘要不一致",
            Self::SigCryptoFailure => "签名值验证不通过",
            Self::Revoked => "已被吊销或状态无效",
            Self::Expired => "已过有效期",
            Self::NotYetValid => "尚未生效",
            Self::SigConstraintsFailure => "不符合签章规则",
            Self::ChainConstraintsFailure => "证书链不符合规则",
            Self::CertificateChainGeneralFailure => "证书链无法完成验证",
            Self::CryptoConstraintsFailure => "密码算法过弱或不受支持",
            Self::NoSigningCertificateFound => "没有可用于验证的签名者",
            Self::NoCertificateChainFound => "没有受信任的发证机构可验证该证书",
            Self::RevokedNoPoe => "证书后来被吊销，签章时间无法证明",
            Self::OutOfBoundsNoPoe => "签章时间无法证明在有效期内",
            Self::NoPoe => "签章时间无法证明",
            Self::TryLater => "缺少最新的吊销或状态信息",
            Self::SignedDataNotFound => "缺少被签数据，无法核对",
        }
    }
}

impl Serialize for SubIndication {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// What came of a check.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Ok,
    Failed,
    NotChecked,
}

/// One check by name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Stable, camelCase; [`label`] has it in words.
    pub name: &'static str,
    pub outcome: Outcome,
    /// Why it failed or could not run; or what an ok rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Standard and clause that ask for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_indication: Option<SubIndication>,
}

impl Check {
    pub fn ok(name: &'static str) -> Self {
        Self { name, outcome: Outcome::Ok, reason: None, rule: rule(name), sub_indication: None }
    }

    /// What an outcome rests on.
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    pub fn failed(name: &'static str, sub: SubIndication, reason: impl Into<String>) -> Self {
        let reason = Some(reason.into());
        Self { name, outcome: Outcome::Failed, reason, rule: rule(name), sub_indication: Some(sub) }
    }

    /// A check that could not run; the verdict cannot be better than INDETERMINATE.
    pub fn not_checked(name: &'static str, sub: SubIndication, reason: impl Into<String>) -> Self {
        let reason = Some(reason.into());
        Self { name, outcome: Outcome::NotChecked, reason, rule: rule(name), sub_indication: Some(sub) }
    }

    /// A check that had nothing to run on, because `earlier` failed.
    pub fn skipped(name: &'static str, earlier: &'static str) -> Self {
        Self {
            name,
            outcome: Outcome::NotChecked,
            reason: Some(format!("not reached: {earlier} failed")),
            rule: rule(name),
            sub_indication: None,
        }
    }

    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }
}

/// The verdict that these checks add up to: the first failed one decides, else the first that
/// could not run. No checks at all are INDETERMINATE.
pub fn conclude(checks: &[Check]) -> (Indication, Option<SubIndication>) {
    let first = |outcome| checks.iter().find(|check| check.outcome == outcome);
    if let Some(failed) = first(Outcome::Failed) {
        return (Indication::TotalFailed, failed.sub_indication);
    }
    if let Some(open) = first(Outcome::NotChecked) {
        return (Indication::Indeterminate, open.sub_indication);
    }
    if checks.is_empty() {
        return (Indication::Indeterminate, None);
    }
    (Indication::TotalPassed, None)
}

/// Name, English label, Chinese label, source.
type Entry = (&'static str, &'static str, &'static str, Option<&'static str>);

/// Clauses of GB/T 38540 are those of its validation steps, as public descriptions restate them.
const CHECKS: &[Entry] = &[
    ("sealFormat", "the seal is well formed", "印章格式正确", Some("GB/T 38540-2020 6.3")),
    ("sealVersion", "the seal's version is known", "印章版本受支持", Some("GB/T 38540-2020 6.3")),
    (
        "sealMakerSignature",
        "the maker's signature on the seal",
        "制章人签名有效",
        Some("GB/T 38540-2020 6.3"),
    ),
    ("sealMakerCertificate", "the maker's certificate", "制章人证书有效", Some("GB/T 38540-2020 6.3")),
    ("sealValidity", "the seal is within its period", "印章在有效期内", Some("GB/T 38540-2020 6.3")),
    ("sealCertList", "the seal names its signers", "印章签章人证书列表可用", Some("GB/T 38540-2020 6.3")),
    ("sealPicture", "the seal's picture is what it says", "印章图片与声明相符", Some("docs/formats.md")),
    ("sealTimeStamp", "the seal's time stamp", "印章时间戳有效", Some("GB/T 20520; GM/T 0031-2025")),
    ("stampFormat", "the stamp is well formed", "签章格式正确", Some("GB/T 38540-2020 7.3")),
    ("stampVersion", "the stamp's version is known", "签章版本受支持", Some("GB/T 38540-2020 7.3")),
    (
        "signerInSealCertList",
        "the signer may use this seal",
        "签章人在印章证书列表中",
        Some("GB/T 38540-2020 7.3"),
    ),
    ("stampSignature", "the signer's signature", "签章签名有效", Some("GB/T 38540-2020 7.3")),
    ("signerCertificate", "the signer's certificate", "签章人证书有效", Some("GB/T 38540-2020 7.3")),
    ("signingTime", "the time of signing", "签章时间合理", Some("GB/T 38540-2020 7.3")),
    ("dataHash", "the sealed data is unchanged", "被签数据未被改动", Some("GB/T 38540-2020 7.3")),
    ("timeStamp", "the time stamp", "时间戳有效", Some("GB/T 20520; GB/T 38540-2020 7.3")),
    (
        "stampProperty",
        "the stamp was set on a batch of licences",
        "签章所签为证照批次",
        Some("docs/formats.md"),
    ),
    (
        "format.canonical",
        "the file is in its one canonical form",
        "文件为规范格式",
        Some("docs/formats.md; RFC 8785"),
    ),
    (
        "disclosures",
        "the shown fields belong to the licence",
        "所示字段属于该证照",
        Some("docs/formats.md; RFC 9901 7.1"),
    ),
    ("manifest", "the licence fits the sealed batch", "证照与所封批次相符", Some("docs/formats.md")),
    ("inclusion", "the licence is in the sealed batch", "证照包含在所封批次中", Some("RFC 6962 2.1")),
    (
        "issuerBinding",
        "the seal may seal this issuer's licences",
        "印章与颁发机构相符",
        Some("docs/formats.md"),
    ),
    ("status", "the licence's status", "证照状态", Some("docs/formats.md")),
    (
        "ofd.package",
        "the package is a ZIP that can be read in one way",
        "文件包可唯一解读",
        Some("GB/T 33190-2016; docs/formats.md"),
    ),
    ("ofd.encryption", "the file can be read without a key", "文件未加密", Some("GM/T 0099-2020")),
    ("ofd.structure", "the documents of the file are well formed", "文档结构正确", Some("GB/T 33190-2016")),
    ("ofd.signatures", "every document is signed", "文档均有签章", Some("GB/T 33190-2016 18")),
    (
        "signature.format",
        "the signature's description is well formed",
        "签名描述格式正确",
        Some("GB/T 33190-2016 18.2"),
    ),
    (
        "referencesMethod",
        "the digests are strong enough",
        "摘要算法足够安全",
        Some("GB/T 33190-2016 18.2; GM/T 0054"),
    ),
    ("references", "the signed parts are unchanged", "受保护的文件未被改动", Some("GB/T 33190-2016 18.2")),
    (
        "coverage",
        "the whole document is under the signature",
        "文档内容全部受保护",
        Some("GB/T 33190-2016 18.2; docs/formats.md"),
    ),
    ("signatureMethod", "the named algorithm is the one used", "签名算法一致", Some("GB/T 33190-2016 18.2")),
    ("stampRange", "the stamp was set on this signature", "签章保护范围一致", Some("GB/T 38540-2020 7.3")),
    (
        "sealFile",
        "the seal file is the seal in the stamp",
        "印章文件与签章所用印章一致",
        Some("GB/T 33190-2016 18.2"),
    ),
    ("stampAnnot", "the places of the stamp exist", "印章外观位置有效", Some("GB/T 33190-2016 18.2")),
    (
        "pageBinding",
        "the page is sealed by the authority or its city's node",
        "版面由颁发机构或其节点签章",
        Some("docs/formats.md"),
    ),
    ("copyExpiry", "the annotated copy may still be used", "加注件在使用期限内", Some("docs/formats.md")),
    ("plainSignature", "the signer's signature", "数字签名有效", Some("GB/T 33190-2016 18.2; GB/T 32918.2")),
];

fn entry(name: &str) -> Option<&'static Entry> {
    CHECKS.iter().find(|entry| entry.0 == name)
}

/// A check's name in English and in Chinese; an unknown name stands for itself.
pub fn label(name: &'static str) -> (&'static str, &'static str) {
    entry(name).map_or((name, name), |entry| (entry.1, entry.2))
}

/// Standard and clause that ask for a check.
pub fn rule(name: &str) -> Option<&'static str> {
    entry(name).and_then(|entry| entry.3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_weighs_more_than_a_gap_and_a_gap_more_than_success() {
        let ok = Check::ok("sealFormat");
        let gap = Check::not_checked("dataHash", SubIndication::SignedDataNotFound, "no document");
        let bad = Check::failed("stampSignature", SubIndication::SigCryptoFailure, "does not verify");
        let all = [ok.clone(), gap.clone(), bad];
        assert_eq!(conclude(&all), (Indication::TotalFailed, Some(SubIndication::SigCryptoFailure)));
        let gap = [ok.clone(), gap];
        assert_eq!(conclude(&gap), (Indication::Indeterminate, Some(SubIndication::SignedDataNotFound)));
        assert_eq!(conclude(&[ok]), (Indication::TotalPassed, None));
        assert_eq!(conclude(&[]), (Indication::Indeterminate, None));
    }

    #[test]
    fn checks_are_written_with_stable_words() {
        let check = Check::not_checked("timeStamp", SubIndication::NoPoe, "not supported");
        assert_eq!(
            serde_json::to_value(&check).unwrap(),
            serde_json::json!({"name": "timeStamp", "outcome": "notChecked", "reason": "not supported",
                "rule": "GB/T 20520; GB/T 38540-2020 7.3", "subIndication": "NO_POE"})
        );
        assert_eq!(serde_json::to_value(Indication::TotalPassed).unwrap(), "TOTAL_PASSED");
        assert_eq!(
            serde_json::to_value(SubIndication::NoCertificateChainFound).unwrap(),
            "NO_CERTIFICATE_CHAIN_FOUND"
        );
    }

    #[test]
    fn every_check_has_its_own_name_and_labels() {
        for (at, (name, en, zh, _)) in CHECKS.iter().enumerate() {
            assert!(CHECKS.iter().skip(at + 1).all(|other| other.0 != *name), "{name}");
            assert!(en.is_ascii() && !zh.is_ascii(), "{name}");
            assert_eq!(label(name), (*en, *zh));
        }
    }

    #[test]
    fn the_format_document_names_every_check() {
        let document = include_str!("../../../../docs/formats.md");
        for (name, ..) in CHECKS {
            assert!(document.contains(&format!("`{name}`")), "{name}");
        }
    }
}
