//! Sentences: the verdict for a clerk, and what to do next.
//!
//! What to do hangs on the check that decided and on why it was not passed, and never on the reason's
//! free text. Advice never softens a verdict: after a failure it says not to accept the file.

use super::{Report, Sentence};
use crate::seal::check::{Check, Indication, Outcome, SubIndication, label};
use crate::seal::ses::TimeProof;

fn sentence(en: impl Into<String>, zh: impl Into<String>) -> Sentence {
    Sentence { en: en.into(), zh: zh.into() }
}

/// What a time rests on.
pub fn time_proof(proof: &TimeProof) -> Sentence {
    match proof {
        TimeProof::Claimed => sentence("claimed by the signer", "签章人自述"),
        TimeProof::TimeStamp { by } => {
            sentence(format!("proved by a time stamp of {by}"), format!("由时间戳证明（{by}）"))
        }
    }
}

/// One sentence for a clerk: the verdict, and for anything but a pass what it hangs on; and what an
/// annotated copy may be used for.
pub(super) fn summary(report: &Report) -> Sentence {
    let mut said = verdict(report);
    if let (true, Some(copy)) = (report.verdict.passed(), &report.copy) {
        let until = copy.expires.map_or_else(|| "-".to_owned(), |until| until.shanghai());
        said.en = format!("{}; an annotated copy, for use until {until}: {}", said.en, copy.purpose);
        said.zh = format!("{}（加注件，用途：{}，使用期限至 {until}）", said.zh, copy.purpose);
    }
    said
}

/// What must be read beside the verdict.
pub(super) fn note(report: &Report) -> Option<Sentence> {
    report.is_for_tests().then(|| {
        sentence(
            "suite p256-sha256, for tests and cities without SM2: this is not an electronic seal",
            "所用算法 p256-sha256 仅供试用，不是电子印章",
        )
    })
}

fn verdict(report: &Report) -> Sentence {
    use Indication::{Indeterminate, TotalFailed, TotalPassed};
    let check = report.deciding_check();
    let (name, why) =
        check.map_or(("", ""), |check| (check.name, check.reason.as_deref().unwrap_or_default()));
    let (label_en, label_zh) = check.map_or(("", ""), |check| label(check.name));
    let because = check.and_then(|check| check.sub_indication).map_or("", SubIndication::zh);
    let because = if because.is_empty() { String::new() } else { format!("：{because}") };
    let plain = !report.signatures.is_empty() && report.signatures.iter().all(|one| one.kind == Some("sign"));
    match (report.seal.verdict.indication, report.status.as_ref().map(|status| status.verdict.indication)) {
        (TotalPassed, None) if report.kind == "licence" => {
            sentence("the seal is good; the licence's status was not asked for", "印章有效，未查询证照状态")
        }
        (TotalPassed, None) if plain => {
            sentence("the signature is good; it is a plain one, without a seal", "数字签名有效（无电子印章）")
        }
        (TotalPassed, None) => match report.signatures.len() {
            0 | 1 => sentence("the seal is good", "印章有效"),
            many => {
                sentence(format!("all {many} signatures are good"), format!("全部{many}个签章（签名）有效"))
            }
        },
        (TotalPassed, Some(TotalPassed)) => sentence("valid: the seal is good and the licence holds", "有效"),
        (TotalPassed, Some(Indeterminate)) => {
            sentence(format!("the seal is good, the status is not confirmed: {why}"), "印章有效，状态未核")
        }
        (TotalPassed, Some(TotalFailed)) => {
            let state = report.status.as_ref().and_then(|status| status.state.as_ref());
            let zh = state.map_or("状态声明无效", |state| state.zh.as_str());
            sentence(format!("the seal is good, but {why}"), format!("印章有效，但证照状态：{zh}"))
        }
        (TotalFailed, _) | (_, Some(TotalFailed)) => sentence(
            format!("NOT valid: the check \"{label_en}\" ({name}) failed: {why}"),
            format!("无效：「{label_zh}」未通过{because}"),
        ),
        (Indeterminate, _) => sentence(
            format!("not decided: the check \"{label_en}\" ({name}) could not be made: {why}"),
            format!("无法判定：「{label_zh}」未能核验{because}"),
        ),
    }
}

/// What to do about a check that was not passed.
pub fn next_step(check: &Check) -> Sentence {
    by_check(check).or_else(|| by_sub_indication(check)).unwrap_or_else(|| match check.outcome {
        Outcome::Failed => sentence(
            "Do not accept the file; ask the issuing authority for a new copy.",
            "不要采信该文件，请向颁发机构索取新的文件。",
        ),
        _ => sentence(
            "Do not rely on the file until this check can run.",
            "在该项核验完成之前，不要采信该文件。",
        ),
    })
}

/// Checks whose advice is their own.
fn by_check(check: &Check) -> Option<Sentence> {
    let failed = check.outcome == Outcome::Failed;
    Some(match (check.name, failed) {
        ("ofd.encryption", _) => sentence(
            "Ask the sender for the file without encryption, or decrypt it, and verify again.",
            "请向提供方索取未加密的文件，或解密后重新核验。",
        ),
        ("ofd.signatures", false) => sentence(
            "The document carries no signature. Ask for the sealed original.",
            "文件没有电子签章，请索取加盖电子印章的原件。",
        ),
        ("dataHash", false) => sentence(
            "Verify the whole document that the stamp was set on, not the stamp alone.",
            "请核验签章所在的完整文件，而不是单独的签章数据。",
        ),
        ("references", true) => sentence(
            "The content was changed after it was sealed. Do not accept it; get the original again from where it was issued.",
            "文件内容在签章后被改动。不要采信，请向颁发机构重新获取原件。",
        ),
        ("coverage", true) => sentence(
            "Parts of the document are not under the seal and may have been added by anyone. Do not accept it; ask the sealing authority for a fully sealed file.",
            "文件有部分内容不在签章保护范围内，可能被任意添加。不要采信，请向签章机构索取完整签章的文件。",
        ),
        ("signerInSealCertList", true) => sentence(
            "Somebody signed who may not use this seal. Do not accept the file; report it to the seal's owner.",
            "签章人无权使用该印章。不要采信，并向印章所有者反映。",
        ),
        ("issuerBinding", true) => sentence(
            "The seal is not one that may seal this licence. Do not accept it; report it to the issuing authority.",
            "该印章无权签发此类证照。不要采信，并向颁发机构反映。",
        ),
        ("issuerBinding", false) => sentence(
            "Lay the issuer list of the licence's city (issuers/ and directory/) into the trust folder and verify again.",
            "请将证照所在地的颁发机构名录（issuers/ 和 directory/）放入信任目录后重新核验。",
        ),
        ("pageBinding", true) => sentence(
            "Whoever sealed this page may not do so for this licence. Do not accept the page; ask the issuing city's node for a copy.",
            "版面签章人无权为该证照签章。不要采信该版面，请向颁发地节点获取副本。",
        ),
        ("copyExpiry", _) => sentence(
            "The time for which this copy was made is over, or it does not say until when. Do not accept it; ask for a new copy.",
            "该加注件的使用期限已过或无法识别。不要采信，请重新获取。",
        ),
        ("status", false) => sentence(
            "Ask the issuing city's node for a new status statement.",
            "请向颁发地节点查询最新的证照状态。",
        ),
        ("status", true) => sentence(
            "The licence is not in force. Do not accept it; ask the issuing authority where the reason is unclear.",
            "证照目前不具有效力。不要采信；如有疑问，请向颁发机构核实。",
        ),
        ("disclosures", true) => sentence(
            "The shown fields are not what was sealed. Do not accept it; fetch the licence again from its issuing city.",
            "所示字段与签章时不一致。不要采信，请向颁发地重新获取证照。",
        ),
        ("plainSignature", false) => sentence(
            "The file does not say who signed. Lay the signer's own certificate, from a source you trust, into the trust folder and verify again.",
            "文件未附签名人证书。请从可信渠道取得签名人证书，放入信任目录后重新核验。",
        ),
        ("sealFile", true) => sentence(
            "The seal laid beside the signature is not the one that was used. Do not accept the file.",
            "文件中存放的印章与签章所用印章不一致。不要采信该文件。",
        ),
        _ => return None,
    })
}

fn by_sub_indication(check: &Check) -> Option<Sentence> {
    use SubIndication as Sub;
    Some(match check.sub_indication? {
        Sub::FormatFailure => sentence(
            "The file is damaged or not of this kind. Fetch it again; if it comes out the same, do not accept it.",
            "文件损坏或格式不符。请重新获取；若结果相同，不要采信。",
        ),
        Sub::HashFailure => sentence(
            "The data was changed after it was sealed. Do not accept it; ask the issuing authority for the original.",
            "数据在签章后被改动。不要采信，请向颁发机构索取原件。",
        ),
        Sub::SigCryptoFailure => sentence(
            "The signature does not belong to these data. Do not accept the file; ask the issuing authority for the original.",
            "签名与数据不符。不要采信，请向颁发机构索取原件。",
        ),
        Sub::Revoked => sentence(
            "The certificate had been revoked. Do not accept the file; ask the authority to seal it anew.",
            "证书已被吊销。不要采信，请颁发机构重新签章。",
        ),
        Sub::Expired => sentence(
            "The seal or a certificate was out of date when it was used. Ask the authority to seal the document anew.",
            "签章时印章或证书已过期。请颁发机构重新签章。",
        ),
        Sub::NotYetValid => sentence(
            "The seal or a certificate was not yet in force when it was used. Ask the authority about it.",
            "签章时印章或证书尚未生效。请向颁发机构核实。",
        ),
        Sub::CryptoConstraintsFailure => sentence(
            "The algorithm is too weak or not supported. Ask for a file sealed with SM2 and SM3.",
            "所用密码算法过弱或不受支持。请索取使用 SM2、SM3 签章的文件。",
        ),
        Sub::NoCertificateChainFound | Sub::NoSigningCertificateFound => sentence(
            "Nobody you trust vouches for this certificate. Get its authority's certificate from a source you trust, lay it into the trust folder, and verify again.",
            "信任目录中没有可验证该证书的机构。请从可信渠道取得其发证机构证书，放入信任目录后重新核验。",
        ),
        Sub::TryLater => sentence(
            "Get the current revocation list of the certificate's issuer, give it with --crl, and verify again.",
            "请取得发证机构最新的证书吊销列表，用 --crl 提供后重新核验。",
        ),
        Sub::RevokedNoPoe | Sub::OutOfBoundsNoPoe | Sub::NoPoe => sentence(
            "Only the signer says when this was sealed. Ask the authority to confirm it, or to seal it anew with a time stamp.",
            "签章时间仅为签章人自述。请颁发机构确认，或加盖时间戳重新签章。",
        ),
        Sub::SignedDataNotFound => sentence(
            "What was sealed is not all here. Verify the complete file.",
            "被签数据不完整。请核验完整的文件。",
        ),
        Sub::SigConstraintsFailure | Sub::ChainConstraintsFailure | Sub::CertificateChainGeneralFailure => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_after_a_failure_never_says_to_accept() {
        use SubIndication as Sub;
        for sub in [
            Sub::FormatFailure,
            Sub::HashFailure,
            Sub::SigCryptoFailure,
            Sub::Revoked,
            Sub::SigConstraintsFailure,
            Sub::ChainConstraintsFailure,
        ] {
            let step = next_step(&Check::failed("stampSignature", sub, "x"));
            assert!(step.en.contains("not accept") && step.zh.contains("不要采信"), "{step:?}");
        }
        for name in [
            "references",
            "coverage",
            "signerInSealCertList",
            "issuerBinding",
            "pageBinding",
            "copyExpiry",
            "status",
            "sealFile",
        ] {
            let step = next_step(&Check::failed(name, Sub::SigConstraintsFailure, "x"));
            assert!(step.en.contains("not accept") && step.zh.contains("不要采信"), "{step:?}");
        }
    }

    #[test]
    fn a_missing_list_and_a_missing_status_have_different_advice() {
        let list = next_step(&Check::not_checked("signerCertificate", SubIndication::TryLater, "x"));
        let status = next_step(&Check::not_checked("status", SubIndication::TryLater, "x"));
        assert!(list.en.contains("--crl") && status.en.contains("status statement"));
    }
}
