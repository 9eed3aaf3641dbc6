//! The checks of a seal and of a stamp, by name (GB/T 38540-2020 6.3 and 7.3).
//!
//! Every check that can run does run, also after another failed, so that a report shows all that is
//! wrong. The moment: a seal alone is judged at the moment of the question; the seal in a stamp, its
//! maker and its signer are judged when the stamp says it was set, which must not lie in the future.
//! That time is the signer's own claim until a time stamp proves it. So a certificate revoked later
//! for a reason that leaves doubt who held the key is not passed, but INDETERMINATE.

use super::{Seal, SesError, Stamp};
use crate::crypto::{Digest, Signature, Suite};
use crate::pki::{Anchors, Certificate, Crl, PkiError, Revocation, Terms, Usage, validate};
use crate::seal::check::{Check, Indication, Outcome, SubIndication, conclude};
use crate::time::Timestamp;

/// How far a signer's clock may be ahead of ours, in seconds.
const CLOCK_SKEW_SECS: i64 = 60;

const SEAL_CHECKS: [&str; 6] = [
    "sealFormat",
    "sealVersion",
    "sealMakerSignature",
    "sealMakerCertificate",
    "sealValidity",
    "sealCertList",
];
const STAMP_CHECKS: [&str; 7] = [
    "stampFormat",
    "stampVersion",
    "signerInSealCertList",
    "stampSignature",
    "signerCertificate",
    "signingTime",
    "dataHash",
];

/// What the verifier trusts and knows.
#[derive(Clone, Debug)]
pub struct Trust {
    pub anchors: Anchors,
    pub intermediates: Vec<Certificate>,
    pub crls: Vec<Crl>,
    pub revocation: Revocation,
}

impl Default for Trust {
    /// Nobody is trusted, and revocation must be known.
    fn default() -> Self {
        Self {
            anchors: Anchors::default(),
            intermediates: Vec::new(),
            crls: Vec::new(),
            revocation: Revocation::Required,
        }
    }
}

/// What a stamp is set on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protected<'a> {
    /// The very bytes; they are hashed with the stamp's suite.
    Bytes(&'a [u8]),
    /// Their hash under the stamp's suite.
    Hash(&'a Digest),
    /// Not at hand: `dataHash` is not checked.
    Absent,
}

/// What came of a seal.
#[derive(Clone, Debug)]
pub struct SealVerdict {
    /// `None` if it could not be parsed.
    pub seal: Option<Seal>,
    pub checks: Vec<Check>,
    /// The maker's certificate first, the anchor last; empty if no path was good.
    pub maker_chain: Vec<Certificate>,
}

impl SealVerdict {
    pub fn conclude(&self) -> (Indication, Option<SubIndication>) {
        conclude(&self.checks)
    }
}

/// What came of a stamp.
#[derive(Clone, Debug)]
pub struct StampVerdict {
    /// `None` if it could not be parsed.
    pub stamp: Option<Stamp>,
    pub checks: Vec<Check>,
    pub maker_chain: Vec<Certificate>,
    /// The signer's certificate first, the anchor last; empty if no path was good.
    pub signer_chain: Vec<Certificate>,
}

impl StampVerdict {
    pub fn conclude(&self) -> (Indication, Option<SubIndication>) {
        conclude(&self.checks)
    }
}

/// Checks a seal that stands alone (`*.esl`), at a moment.
pub fn check_seal(der: &[u8], trust: &Trust, at: Timestamp) -> SealVerdict {
    match Seal::from_der(der) {
        Ok(seal) => {
            let (checks, maker_chain) = seal_checks(&seal, trust, at, at);
            SealVerdict { checks, maker_chain, seal: Some(seal) }
        }
        Err(why) => {
            SealVerdict { seal: None, checks: unreadable(&SEAL_CHECKS, &why), maker_chain: Vec::new() }
        }
    }
}

/// Checks a stamp (`SignedValue.dat`, or out of a sealed licence); `now` is when it is asked.
pub fn check_stamp(der: &[u8], protected: Protected<'_>, trust: &Trust, now: Timestamp) -> StampVerdict {
    match Stamp::from_der(der) {
        Ok(stamp) => check_parsed_stamp(stamp, protected, trust, now),
        Err(why) => StampVerdict {
            stamp: None,
            checks: unreadable(&STAMP_CHECKS, &why),
            maker_chain: Vec::new(),
            signer_chain: Vec::new(),
        },
    }
}

fn check_parsed_stamp(stamp: Stamp, protected: Protected<'_>, trust: &Trust, now: Timestamp) -> StampVerdict {
    let in_future = stamp.time.is_some_and(|time| time > now.plus_secs(CLOCK_SKEW_SECS));
    let at = stamp.time.filter(|_| !in_future).unwrap_or(now);
    let mut checks = vec![Check::ok("stampFormat"), version_check("stampVersion", stamp.check_version())];

    let (seal_checks, maker_chain) = seal_checks(&stamp.seal, trust, at, now);
    checks.extend(seal_checks);

    checks.push(if stamp.seal.certs.contains(&stamp.certificate) {
        Check::ok("signerInSealCertList")
    } else {
        let why = "the signer's certificate is not among those that may use this seal";
        Check::failed("signerInSealCertList", SubIndication::SigConstraintsFailure, why)
    });

    let names = ("stampSignature", "signerCertificate");
    let signed = Signed {
        bytes: &stamp.to_sign,
        certificate: &stamp.certificate,
        algorithm: &stamp.algorithm,
        signature: &stamp.signature,
    };
    let (signature, certificate, signer_chain) = signed.check(names, trust, at, now);
    checks.extend([signature, certificate]);

    checks.push(match stamp.time {
        None => {
            Check::not_checked("signingTime", SubIndication::NoPoe, "its time is no text that can be read")
        }
        Some(time) if in_future => {
            let why = format!("the claimed time {time} is after {now}");
            Check::failed("signingTime", SubIndication::SigConstraintsFailure, why)
        }
        Some(_) => Check::ok("signingTime").because("claimed by the signer, not proved by a time stamp"),
    });
    checks.push(data_hash(&stamp, protected));
    if stamp.time_stamp.is_some() {
        checks.push(time_stamp_check());
    }
    StampVerdict { checks, maker_chain, signer_chain, stamp: Some(stamp) }
}

fn seal_checks(seal: &Seal, trust: &Trust, at: Timestamp, now: Timestamp) -> (Vec<Check>, Vec<Certificate>) {
    let mut checks = vec![Check::ok("sealFormat"), version_check("sealVersion", seal.check_version())];
    let names = ("sealMakerSignature", "sealMakerCertificate");
    let signed = Signed {
        bytes: &seal.signed,
        certificate: &seal.maker_certificate,
        algorithm: &seal.algorithm,
        signature: &seal.signature,
    };
    let (signature, certificate, chain) = signed.check(names, trust, at, now);
    let maker_unknown = certificate.outcome == Outcome::NotChecked;
    checks.extend([signature, certificate]);

    let (from, until) = (seal.valid_from, seal.valid_until);
    let outside = if at < from {
        Some((SubIndication::NotYetValid, format!("the seal is valid from {from}, judged at {at}")))
    } else if at > until {
        Some((SubIndication::Expired, format!("the seal was valid until {until}, judged at {at}")))
    } else {
        None
    };
    checks.push(match outside {
        None => Check::ok("sealValidity"),
        // The period is the maker's word, and nobody knows this maker: it decides nothing.
        Some((_, why)) if maker_unknown => {
            let why = format!("{why}; its maker, who says so, is not trusted");
            Check::not_checked("sealValidity", SubIndication::NoCertificateChainFound, why)
        }
        Some((sub, why)) => Check::failed("sealValidity", sub, why),
    });
    checks.push(match (seal.certs.is_empty(), seal.certs.unsupported_hash()) {
        (true, _) => {
            let why = "the seal names nobody who may use it";
            Check::failed("sealCertList", SubIndication::SigConstraintsFailure, why)
        }
        (false, Some(hash)) => {
            let why = format!("its list of digests uses the hash {hash}");
            Check::failed("sealCertList", SubIndication::CryptoConstraintsFailure, why)
        }
        (false, None) => Check::ok("sealCertList"),
    });
    if seal.time_stamp.is_some() {
        checks.push(time_stamp_check());
    }
    (checks, chain)
}

fn unreadable(names: &[&'static str], why: &SesError) -> Vec<Check> {
    let mut names = names.iter();
    let Some(format) = names.next() else {
        return Vec::new();
    };
    let mut checks = vec![Check::failed(format, SubIndication::FormatFailure, why.to_string())];
    checks.extend(names.map(|name| Check::skipped(name, format)));
    checks
}

fn version_check(name: &'static str, version: Result<(), SesError>) -> Check {
    match version {
        Ok(()) => Check::ok(name),
        Err(why) => Check::failed(name, SubIndication::FormatFailure, why.to_string()),
    }
}

fn time_stamp_check() -> Check {
    Check::not_checked("timeStamp", SubIndication::NoPoe, "time stamps (GB/T 20520) are not verified yet")
}

fn data_hash(stamp: &Stamp, protected: Protected<'_>) -> Check {
    let found = match (protected, stamp.suite()) {
        (Protected::Absent, _) => {
            let why = "the sealed document is not here";
            return Check::not_checked("dataHash", SubIndication::SignedDataNotFound, why);
        }
        (Protected::Hash(hash), _) => *hash,
        (Protected::Bytes(bytes), Some(suite)) => suite.hash(&[bytes]),
        (Protected::Bytes(_), None) => return Check::skipped("dataHash", "stampSignature"),
    };
    if found.as_slice() == stamp.data_hash {
        Check::ok("dataHash")
    } else {
        Check::failed("dataHash", SubIndication::HashFailure, "the document is not the one that was sealed")
    }
}

/// Bytes, and what is said to sign them.
struct Signed<'a> {
    bytes: &'a [u8],
    certificate: &'a [u8],
    algorithm: &'a str,
    signature: &'a [u8],
}

impl Signed<'_> {
    /// The signature check, the certificate check, and the certificate's chain.
    fn check(
        &self,
        (signature, certificate): (&'static str, &'static str),
        trust: &Trust,
        at: Timestamp,
        now: Timestamp,
    ) -> (Check, Check, Vec<Certificate>) {
        let signer = match Certificate::from_der(self.certificate) {
            Ok(signer) => signer,
            Err(why) => {
                let failed = Check::failed(certificate, SubIndication::FormatFailure, why.to_string());
                return (Check::skipped(signature, certificate), failed, Vec::new());
            }
        };
        let (path, chain) = check_certificate(certificate, &signer, trust, at, now);
        (self.check_signature(signature, &signer), path, chain)
    }

    fn check_signature(&self, name: &'static str, signer: &Certificate) -> Check {
        let Some(suite) = Suite::from_signature_oid(self.algorithm) else {
            let why = format!("the signature algorithm {} is not supported", self.algorithm);
            return Check::failed(name, SubIndication::CryptoConstraintsFailure, why);
        };
        let key = match signer.public_key() {
            Ok(key) => key,
            Err(why) => {
                return Check::failed(name, SubIndication::CryptoConstraintsFailure, why.to_string());
            }
        };
        if key.suite() != suite {
            let why = format!("an algorithm of {suite} with a key of {}", key.suite());
            return Check::failed(name, SubIndication::CryptoConstraintsFailure, why);
        }
        let verified = Signature::from_der_or_raw(self.signature)
            .and_then(|signature| key.verify(self.bytes, &signature));
        match verified {
            Ok(()) => Check::ok(name),
            Err(why) => Check::failed(name, SubIndication::SigCryptoFailure, why.to_string()),
        }
    }
}

/// The check of a signer's certificate, judged at `at` and asked `now`, and its chain if it has one.
pub fn check_certificate(
    name: &'static str,
    signer: &Certificate,
    trust: &Trust,
    at: Timestamp,
    now: Timestamp,
) -> (Check, Vec<Certificate>) {
    let terms = Terms { at, now, revocation: trust.revocation, usage: Usage::Sign };
    match validate(signer, &trust.intermediates, &trust.anchors, &trust.crls, &terms) {
        Ok(chain) => (Check::ok(name), chain.iter().cloned().collect()),
        Err(why) => (path_check(name, &why), Vec::new()),
    }
}

/// What a refused path means: a broken rule is a failure, missing knowledge is a gap.
fn path_check(name: &'static str, why: &PkiError) -> Check {
    use SubIndication as Sub;
    let (known, sub) = match why {
        PkiError::NoPath { .. } => (false, Sub::NoCertificateChainFound),
        PkiError::RevocationUnknown { .. }
        | PkiError::CrlStale { .. }
        | PkiError::CrlSignatureInvalid { .. } => (false, Sub::TryLater),
        PkiError::RevokedLater { .. } => (false, Sub::RevokedNoPoe),
        PkiError::AlgorithmUnsupported { .. } => (false, Sub::CryptoConstraintsFailure),
        PkiError::NameConstraintsUnsupported { .. } => (false, Sub::ChainConstraintsFailure),
        PkiError::TooMuchWork(_) => (false, Sub::CertificateChainGeneralFailure),
        PkiError::Expired { .. } => (true, Sub::Expired),
        PkiError::NotYetValid { .. } => (true, Sub::NotYetValid),
        PkiError::Revoked { .. } => (true, Sub::Revoked),
        PkiError::SignatureInvalid { .. } => (true, Sub::SigCryptoFailure),
        PkiError::UsageNotAllowed { .. } => (true, Sub::SigConstraintsFailure),
        _ => (true, Sub::ChainConstraintsFailure),
    };
    let reason = why.to_string();
    if known { Check::failed(name, sub, reason) } else { Check::not_checked(name, sub, reason) }
}
