//! When a stamp was set, and what proves it.
//!
//! The time in a stamp is the signer's own word. A time stamp over the signature value (GB/T 20520,
//! RFC 3161) proves that the signature existed at its time; then that is the time at which seal and
//! certificates are judged, and the signer's word is only held against it: later than the proof it is
//! a lie, and more than a day earlier it is not shown to be true. A seal's own time stamp proves that
//! the seal existed, and a stamp set on it before that is one that cannot be. A time stamp that does
//! not verify proves nothing: its check says so, and the claim counts.

use super::signed::{Judge, path_check};
use super::{Stamp, Trust};
use crate::pki::Certificate;
use crate::pki::cms::CmsError;
use crate::pki::timestamp::{TimestampError, Token};
use crate::seal::check::{Check, SubIndication};
use crate::time::Timestamp;

/// How far a signer's clock may be ahead of ours or of a time stamp authority's, in seconds.
const CLOCK_SKEW_SECS: i64 = 60;
/// How long before the proof a claimed time may lie, in seconds.
const MAX_DELAY_SECS: i64 = 86_400;

/// What says when a stamp was set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TimeProof {
    /// The signer alone.
    Claimed,
    /// A verified time stamp, `by` the subject of its authority.
    TimeStamp { by: String },
}

/// What a verified time stamp proves.
pub(super) struct Proof {
    pub time: Timestamp,
    pub by: String,
    /// The authority's certificate first, the anchor last.
    pub chain: Vec<Certificate>,
}

/// Checks a time stamp over `stamped`.
pub(super) fn check_time_stamp(
    name: &'static str,
    token: &[u8],
    stamped: &[u8],
    trust: &Trust,
    now: Timestamp,
) -> Result<(Check, Proof), Check> {
    let read = Token::from_der(token).and_then(|token| {
        let verified = token.verify(stamped, &trust.intermediates)?;
        Ok((token.time, verified))
    });
    let (time, verified) = read.map_err(|why| refused(name, &why))?;
    if time > now.plus_secs(CLOCK_SKEW_SECS) {
        let why = format!("its time {time} is after {now}");
        return Err(Check::failed(name, SubIndication::SigConstraintsFailure, why));
    }
    let terms = Judge { trust, at: time, now, proved: false }.terms();
    let chain = verified
        .chain(&trust.intermediates, &trust.anchors, &trust.crls, &terms)
        .map_err(|why| path_check(name, &why))?;
    let by = verified.signer.subject().to_owned();
    let why = format!(
        "set by \"{by}\" at {time}; it stands outside what was signed, and its digest binds it to the \
         signature value"
    );
    Ok((Check::ok(name).because(why), Proof { time, by, chain }))
}

/// What a refused token means: nothing speaks for what cannot be judged, all else is a failure.
fn refused(name: &'static str, why: &TimestampError) -> Check {
    use SubIndication as Sub;
    let sub = match why {
        TimestampError::Message(why) => return message_check(name, why),
        TimestampError::Pki(why) => return path_check(name, why),
        TimestampError::ImprintAlgorithm(_) => {
            return Check::not_checked(name, Sub::CryptoConstraintsFailure, why.to_string());
        }
        TimestampError::Imprint => Sub::HashFailure,
        TimestampError::NotForTimeStamping { .. } => Sub::SigConstraintsFailure,
        TimestampError::Der { .. }
        | TimestampError::NotGranted(_)
        | TimestampError::NotATimeStamp(_)
        | TimestampError::Version(_)
        | TimestampError::CriticalExtension(_) => Sub::FormatFailure,
    };
    Check::failed(name, sub, format!("{why} [{}]", why.rule()))
}

/// What a refused message (RFC 5652, GB/T 35275) means, as the outcome of a check.
pub fn message_check(name: &'static str, why: &CmsError) -> Check {
    use SubIndication as Sub;
    let (known, sub) = match why {
        CmsError::NoSignerCertificate => (false, Sub::NoSigningCertificateFound),
        CmsError::NoContent => (false, Sub::SignedDataNotFound),
        CmsError::Algorithm(_) | CmsError::Key(_) => (false, Sub::CryptoConstraintsFailure),
        CmsError::Mixed { .. } => (true, Sub::CryptoConstraintsFailure),
        CmsError::Digest | CmsError::OtherContent => (true, Sub::HashFailure),
        CmsError::Signature(_) => (true, Sub::SigCryptoFailure),
        CmsError::OtherCertificate => (true, Sub::SigConstraintsFailure),
        _ => (true, Sub::FormatFailure),
    };
    let reason = format!("{why} [{}]", why.rule());
    if known { Check::failed(name, sub, reason) } else { Check::not_checked(name, sub, reason) }
}

/// The moment at which a stamp is judged.
pub(super) struct Moment {
    pub at: Timestamp,
    /// What is reported: the proved time, else the claimed one.
    pub signing_time: Option<Timestamp>,
    pub proof: TimeProof,
    /// The check `signingTime`.
    pub check: Check,
}

impl Moment {
    /// From the stamp's claim, the proof of its own time stamp, and that of its seal's.
    pub fn of(stamp: &Stamp, proof: Option<&Proof>, seal_proof: Option<&Proof>, now: Timestamp) -> Self {
        let in_future = stamp.time.is_some_and(|time| time > now.plus_secs(CLOCK_SKEW_SECS));
        let claimed = stamp.time.filter(|_| !in_future);
        let proved = proof.map(|proof| proof.time);
        Self {
            at: proved.or(claimed).unwrap_or(now),
            signing_time: proved.or(stamp.time),
            proof: match proof {
                Some(proof) => TimeProof::TimeStamp { by: proof.by.clone() },
                None => TimeProof::Claimed,
            },
            check: signing_time(stamp.time, proof, seal_proof, now),
        }
    }
}

fn signing_time(
    claimed: Option<Timestamp>,
    proof: Option<&Proof>,
    seal_proof: Option<&Proof>,
    now: Timestamp,
) -> Check {
    let name = "signingTime";
    let failed = |why: String| Check::failed(name, SubIndication::SigConstraintsFailure, why);
    let Some(claimed) = claimed else {
        return Check::not_checked(name, SubIndication::NoPoe, "its time is no text that can be read");
    };
    if claimed > now.plus_secs(CLOCK_SKEW_SECS) {
        return failed(format!("the claimed time {claimed} is after {now}"));
    }
    if let Some(seal) = seal_proof
        && claimed.plus_secs(CLOCK_SKEW_SECS) < seal.time
    {
        let since = seal.time;
        return failed(format!(
            "the claimed time {claimed} is before {since}, when its seal was time-stamped"
        ));
    }
    let Some(Proof { time, by, .. }) = proof else {
        return Check::ok(name).because("claimed by the signer, not proved by a time stamp");
    };
    if claimed > time.plus_secs(CLOCK_SKEW_SECS) {
        return failed(format!(
            "the claimed time {claimed} is after {time}, when \"{by}\" saw the signature"
        ));
    }
    if claimed.plus_secs(MAX_DELAY_SECS) < *time {
        let why =
            format!("the signer claims {claimed}; that the signature existed is proved for {time} only");
        return Check::not_checked(name, SubIndication::OutOfBoundsNoPoe, why);
    }
    Check::ok(name)
        .because(format!("{time}, proved by a time stamp of \"{by}\"; the signer claims {claimed}"))
}
