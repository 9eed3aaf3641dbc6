//! A plain signature (`Type="Sign"`): r and s alone, or a signed message (GB/T 35275, RFC 5652).
//!
//! It often carries no certificate. Then the certificates of the trust folder are tried, since
//! nothing else could make it trusted.

use super::{File, PLAIN, SIGNER, TIME, algorithm};
use crate::crypto::{PublicKey, Signature as Value, Suite};
use crate::ofd::signature::{Listed, Signature};
use crate::pki::cms::{self, CmsError};
use crate::pki::{Certificate, Terms, Usage};
use crate::seal::report::{ChainLink, SealVerdict, time_proof};
use crate::seal::ses::{self, TimeProof};
use crate::seal::{Check, SubIndication};
use crate::time::Timestamp;

/// How far a signer's clock may be ahead of ours, in seconds.
const CLOCK_SKEW_SECS: i64 = 60;
/// Certificates of the trust folder that are tried for a plain signature.
const MAX_TRIED: usize = 256;

impl File<'_> {
    /// A plain signature over `Signature.xml`, its signer looked for among the trusted certificates.
    pub(super) fn plain(
        &self,
        listed: &Listed,
        found: &Signature,
        value: &[u8],
        mut checks: Vec<Check>,
    ) -> SealVerdict {
        let signed = self.package.get(&listed.entry).unwrap_or_default();
        let now = self.ask.at;
        let time = found.claimed_time();
        let in_future = time.is_some_and(|time| time > now.plus_secs(CLOCK_SKEW_SECS));
        let at = time.filter(|_| !in_future).unwrap_or(now);
        let Signer { suite, chain } = match Value::from_der_or_raw(value) {
            Ok(value) => self.bare(signed, &value, (at, now), &mut checks),
            Err(_) => self.message(signed, value, (at, now), &mut checks),
        };
        checks.push(signing_time(time, in_future));
        checks.push(algorithm(found, suite));
        SealVerdict {
            signing_time: time,
            time_proof: time.map(|_| time_proof(&TimeProof::Claimed)),
            suite: suite.map(Suite::name),
            signer_chain: ChainLink::all(&chain),
            ..SealVerdict::of(checks)
        }
    }

    /// r and s alone: whoever made them is looked for.
    fn bare(
        &self,
        signed: &[u8],
        value: &Value,
        (at, now): (Timestamp, Timestamp),
        checks: &mut Vec<Check>,
    ) -> Signer {
        let Some(signer) = self.signer_of(signed, value) else {
            let why = "the file does not carry the signer's certificate, and no certificate of the trust folder verifies the signature";
            let open = |name| Check::not_checked(name, SubIndication::NoCertificateChainFound, why);
            checks.extend([PLAIN, SIGNER].map(open));
            return Signer::default();
        };
        let (check, chain) = ses::check_certificate(SIGNER, signer, self.trust.for_seals(), at, now);
        checks.extend([Check::ok(PLAIN), check]);
        Signer { suite: suite_of(signer), chain }
    }

    /// A signed message (GB/T 35275, RFC 5652) over `Signature.xml`, or over its digest.
    fn message(
        &self,
        signed: &[u8],
        value: &[u8],
        (at, now): (Timestamp, Timestamp),
        checks: &mut Vec<Check>,
    ) -> Signer {
        let trust = self.trust.for_seals();
        let verified = match cms::verify_detached(value, signed, &trust.intermediates) {
            Err(CmsError::OtherContent) => of_digest(signed, value, &trust.intermediates),
            other => other.map(|verified| (verified, None)),
        };
        let (verified, note) = match verified {
            Ok(verified) => verified,
            Err(why) => {
                checks.extend([ses::message_check(PLAIN, &why), Check::skipped(SIGNER, PLAIN)]);
                return Signer::default();
            }
        };
        let ok = Check::ok(PLAIN);
        checks.push(match note {
            Some(note) => ok.because(note),
            None => ok,
        });
        let terms = Terms { at, now, revocation: trust.revocation, usage: Usage::Sign, proved: false };
        let (check, chain) = match verified.chain(&trust.intermediates, &trust.anchors, &trust.crls, &terms) {
            Ok(chain) => (Check::ok(SIGNER), chain),
            Err(why) => (ses::path_check(SIGNER, &why), Vec::new()),
        };
        checks.push(check);
        Signer { suite: suite_of(&verified.signer), chain }
    }

    fn signer_of(&self, signed: &[u8], value: &Value) -> Option<&Certificate> {
        let trust = self.trust.for_seals();
        let candidates = trust.anchors.iter().chain(&trust.intermediates).take(MAX_TRIED);
        let verifies = |candidate: &&Certificate| {
            candidate.public_key().is_ok_and(|key| key.verify(signed, value).is_ok())
        };
        candidates.into_iter().find(verifies)
    }
}

/// Who made a plain signature, as far as it is known.
#[derive(Default)]
struct Signer {
    suite: Option<Suite>,
    chain: Vec<Certificate>,
}

fn suite_of(signer: &Certificate) -> Option<Suite> {
    signer.public_key().ok().map(PublicKey::suite)
}

/// A message whose content is the digest of `signed`, as some makers have it.
fn of_digest(
    signed: &[u8],
    value: &[u8],
    known: &[Certificate],
) -> Result<(cms::Verified, Option<&'static str>), CmsError> {
    let (verified, content) = cms::verify_attached(value, known)?;
    let is_digest = Suite::ALL.into_iter().any(|suite| suite.hash(&[signed]).as_slice() == content);
    if is_digest {
        Ok((verified, Some("the message is over the digest of Signature.xml")))
    } else {
        Err(CmsError::OtherContent)
    }
}

fn signing_time(time: Option<Timestamp>, in_future: bool) -> Check {
    match time {
        None => {
            let why = "Signature.xml says no time that can be read";
            Check::not_checked(TIME, SubIndication::NoPoe, why)
        }
        Some(time) if in_future => {
            let why = format!("it claims to be signed at {time}, which has not come yet");
            Check::failed(TIME, SubIndication::SigConstraintsFailure, why)
        }
        Some(_) => Check::ok(TIME).because("claimed by the signer, under the signature"),
    }
}
