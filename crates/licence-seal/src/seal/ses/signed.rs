//! A signature and the certificate that it is held against: two checks, of seals and stamps alike.

use super::Trust;
use crate::crypto::{Signature, Suite};
use crate::pki::{Anchors, Certificate, PkiError, Terms, Usage, validate};
use crate::seal::check::{Check, SubIndication};
use crate::time::Timestamp;

/// What is trusted, and for which moment.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    pub trust: &'a Trust,
    /// The moment at which everything must have been valid.
    pub at: Timestamp,
    /// When the question is asked.
    pub now: Timestamp,
    /// Whether `at` is proved by a time stamp.
    pub proved: bool,
}

impl Judge<'_> {
    pub fn terms(&self) -> Terms {
        let Self { at, now, proved, trust } = *self;
        Terms { at, now, revocation: trust.revocation, usage: Usage::Sign, proved }
    }

    /// The check of a signer's certificate, and its chain if it has one.
    fn check(&self, name: &'static str, signer: &Certificate) -> (Check, Vec<Certificate>) {
        let Trust { intermediates, anchors, crls, .. } = self.trust;
        match validate(signer, intermediates, anchors, crls, &self.terms()) {
            Ok(chain) => (Check::ok(name), chain.iter().cloned().collect()),
            Err(why) => (path_check(name, &why), Vec::new()),
        }
    }
}

/// The check of a signer's certificate, judged at the claimed moment `at` and asked `now`, and its
/// chain if it has one.
pub fn check_certificate(
    name: &'static str,
    signer: &Certificate,
    trust: &Trust,
    at: Timestamp,
    now: Timestamp,
) -> (Check, Vec<Certificate>) {
    Judge { trust, at, now, proved: false }.check(name, signer)
}

/// Bytes, and what is said to sign them.
pub(super) struct Signed<'a> {
    pub bytes: &'a [u8],
    pub certificate: &'a [u8],
    pub algorithm: &'a str,
    pub signature: &'a [u8],
    /// What binds certificate and algorithm, where they are not among the signed bytes.
    pub unsigned: Option<&'static str>,
    /// Whether many files have this very signature in common: then it is verified once.
    pub shared: bool,
}

impl Signed<'_> {
    /// The signature check, the certificate check, and the certificate's chain.
    pub fn check(
        &self,
        (signature, certificate): (&'static str, &'static str),
        judge: &Judge<'_>,
    ) -> (Check, Check, Vec<Certificate>) {
        let signer = match Certificate::from_der(self.certificate) {
            Ok(signer) => signer,
            Err(why) => {
                let why = with_rule(&why);
                let failed = Check::failed(certificate, SubIndication::FormatFailure, why);
                return (Check::skipped(signature, certificate), failed, Vec::new());
            }
        };
        let (path, chain) = judge.check(certificate, &signer);
        (self.check_signature(signature, &signer, &judge.trust.anchors), path, chain)
    }

    fn check_signature(&self, name: &'static str, signer: &Certificate, anchors: &Anchors) -> Check {
        let Some(suite) = Suite::from_seen_signature_oid(self.algorithm) else {
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
        let verified = Signature::from_der_or_raw(self.signature).and_then(|signature| {
            let verify = || key.verify(self.bytes, &signature);
            let verified = match self.shared {
                true => anchors.verified_once(key, self.bytes, self.signature, verify),
                false => verify(),
            };
            verified.map(|()| signature)
        });
        match verified {
            Ok(signature) => {
                let mut notes: Vec<String> = self.unsigned.iter().map(|&note| note.to_owned()).collect();
                if self.algorithm != suite.signature_oid() {
                    notes.push(format!("the algorithm is written as {}, read as {suite}", self.algorithm));
                }
                if self.signature == signature.raw() {
                    notes.push("the signature value is bare r‖s, not DER".to_owned());
                }
                let ok = Check::ok(name);
                if notes.is_empty() { ok } else { ok.because(notes.join("; ")) }
            }
            Err(why) => Check::failed(name, SubIndication::SigCryptoFailure, why.to_string()),
        }
    }
}

/// What a refused path means: a broken rule is a failure, missing knowledge is a gap. The reason
/// ends with the rule's stable name.
pub fn path_check(name: &'static str, why: &PkiError) -> Check {
    use SubIndication as Sub;
    let (known, sub) = match why {
        PkiError::NoPath { .. } => (false, Sub::NoCertificateChainFound),
        PkiError::RevocationUnknown { .. }
        | PkiError::CrlStale { .. }
        | PkiError::CrlSignatureInvalid { .. } => (false, Sub::TryLater),
        PkiError::RevokedLater { .. } => (false, Sub::RevokedNoPoe),
        PkiError::AlgorithmUnsupported { .. } => (false, Sub::CryptoConstraintsFailure),
        PkiError::NameConstraintsUnsupported { .. } | PkiError::PolicyUnsupported { .. } => {
            (false, Sub::ChainConstraintsFailure)
        }
        PkiError::TooMuchWork(_) => (false, Sub::CertificateChainGeneralFailure),
        PkiError::Expired { .. } => (true, Sub::Expired),
        PkiError::NotYetValid { .. } => (true, Sub::NotYetValid),
        PkiError::Revoked { .. } => (true, Sub::Revoked),
        PkiError::SignatureInvalid { .. } => (true, Sub::SigCryptoFailure),
        PkiError::UsageNotAllowed { .. } => (true, Sub::SigConstraintsFailure),
        _ => (true, Sub::ChainConstraintsFailure),
    };
    let reason = with_rule(why);
    if known { Check::failed(name, sub, reason) } else { Check::not_checked(name, sub, reason) }
}

fn with_rule(why: &PkiError) -> String {
    format!("{why} [{}]", why.rule())
}
