//! Time stamps (RFC 3161, GB/T 20520): a token proves that bytes existed at a moment.
//!
//! A token is a signed message (`cms`) over a `TSTInfo`: the digest of the stamped bytes, and when
//! the authority saw it. It is worth what its authority is worth: the certificate must be for time
//! stamping and nothing else, marked critical (RFC 3161 2.3), and its path must have held at the
//! token's own time. GB/T 20520 takes over the structure, with SM2 and SM3 for the algorithms, as
//! far as tokens of the field show; its text was not at hand.

#[cfg(feature = "make")]
mod make;

#[cfg(feature = "make")]
pub use make::make;

use super::asn1::{
    self, BOOLEAN, Fault, GENERALIZED_TIME, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE,
    explicit,
};
use super::cms::{CmsError, SignedData, Verified};
use super::{Certificate, PkiError};
use crate::crypto::{Digest, Suite};
use crate::time::Timestamp;

/// Content type of a token (RFC 3161 2.4.2).
const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";
/// Most extensions of a token.
const MAX_EXTENSIONS: usize = 16;
/// `[0]` and `[1]` primitive, in an accuracy.
const MILLIS: u8 = 0x80;
const MICROS: u8 = 0x81;

/// Why a token is refused: a variant for each rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    #[error("{place}: {fault}")]
    Der { place: &'static str, fault: Fault },
    #[error("the authority did not grant it: status {0}")]
    NotGranted(u32),
    #[error("its content is not a time stamp but of type {0}")]
    NotATimeStamp(String),
    #[error("version {0} is not known")]
    Version(u32),
    #[error("an extension is critical and not understood: {0}")]
    CriticalExtension(String),
    #[error("the stamped digest is of an algorithm that is not accepted: {0}")]
    ImprintAlgorithm(String),
    #[error("it was set on other bytes")]
    Imprint,
    #[error("the certificate of \"{subject}\" is not for time stamping alone, critically so")]
    NotForTimeStamping { subject: String },
    #[error(transparent)]
    Message(#[from] CmsError),
    #[error(transparent)]
    Pki(#[from] PkiError),
}

impl TimestampError {
    /// Stable name of the broken rule.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Der { .. } => "timestamp.der",
            Self::NotGranted(_) => "timestamp.status",
            Self::NotATimeStamp(_) => "timestamp.type",
            Self::Version(_) => "timestamp.version",
            Self::CriticalExtension(_) => "timestamp.criticalExtension",
            Self::ImprintAlgorithm(_) => "timestamp.imprintAlgorithm",
            Self::Imprint => "timestamp.imprint",
            Self::NotForTimeStamping { .. } => "timestamp.purpose",
            Self::Message(why) => why.rule(),
            Self::Pki(why) => why.rule(),
        }
    }
}

/// The digest of the stamped bytes, under the hash of a suite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Imprint {
    pub suite: Suite,
    pub digest: Digest,
}

impl Imprint {
    pub fn of(suite: Suite, bytes: &[u8]) -> Self {
        Self { suite, digest: suite.hash(&[bytes]) }
    }
}

/// A token. Nothing of it is verified yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// The authority's policy, dotted.
    pub policy: String,
    /// Content octets of the serial number.
    pub serial: Vec<u8>,
    /// When the authority saw the digest, in milliseconds; finer is cut off.
    pub time: Timestamp,
    /// How far `time` may be off, in milliseconds, rounded up.
    pub accuracy_ms: Option<u64>,
    imprint_hash: String,
    imprint: Vec<u8>,
    message: SignedData,
}

impl Token {
    /// Parses a `TimeStampToken`, or a `TimeStampResp` that grants one.
    pub fn from_der(der: &[u8]) -> Result<Self, TimestampError> {
        let first = asn1::whole(der, SEQUENCE).ok().and_then(|outer| outer.inside().peek());
        let token = if first == Some(SEQUENCE) { granted(der)? } else { der };
        let message = SignedData::from_der(token)?;
        if message.content_type != TST_INFO {
            return Err(TimestampError::NotATimeStamp(message.content_type));
        }
        let content = message.content.clone().ok_or(CmsError::NoContent)?;
        let mut fields = asn1::whole(&content, SEQUENCE).at("TSTInfo")?.inside();
        let version = fields.expect(INTEGER).and_then(|value| value.to_u32()).at("version")?;
        if version != 1 {
            return Err(TimestampError::Version(version));
        }
        let policy = fields.expect(OBJECT_IDENTIFIER).and_then(|id| id.oid()).at("policy")?;
        let mut imprint = fields.expect(SEQUENCE).at("messageImprint")?.inside();
        let mut hash = imprint.expect(SEQUENCE).at("hashAlgorithm")?.inside();
        let imprint_hash = hash.expect(OBJECT_IDENTIFIER).and_then(|id| id.oid()).at("hashAlgorithm")?;
        let digest = imprint.expect(OCTET_STRING).at("hashedMessage")?.content.to_vec();
        imprint.finish().at("messageImprint")?;
        let serial = fields.expect(INTEGER).at("serialNumber")?.content.to_vec();
        let time = fields.expect(GENERALIZED_TIME).at("genTime")?;
        // RFC 3161 2.4.2: UTC, with a fraction or without.
        if time.content.last() != Some(&b'Z') {
            return Err(TimestampError::Der { place: "genTime", fault: Fault::Value });
        }
        let time = time.seen_time().at("genTime")?;
        let accuracy_ms = match fields.optional(SEQUENCE).at("accuracy")? {
            Some(accuracy) => Some(read_accuracy(accuracy.inside())?),
            None => None,
        };
        fields.optional(BOOLEAN).at("ordering")?;
        fields.optional(INTEGER).at("nonce")?;
        fields.optional(explicit(0)).at("tsa")?;
        if let Some(extensions) = fields.optional(explicit(1)).at("extensions")? {
            no_critical_extensions(extensions.inside())?;
        }
        fields.finish().at("TSTInfo")?;
        Ok(Self { policy, serial, time, accuracy_ms, imprint_hash, imprint: digest, message })
    }

    /// Verifies that the token was set on `stamped`, and signed with a certificate that is for
    /// nothing but time stamping. The certificate's path is for [`Verified::chain`], at [`Self::time`].
    pub fn verify(&self, stamped: &[u8], known: &[Certificate]) -> Result<Verified, TimestampError> {
        let suite = Suite::from_seen_hash(&self.imprint_hash)
            .ok_or_else(|| TimestampError::ImprintAlgorithm(self.imprint_hash.clone()))?;
        if Imprint::of(suite, stamped).digest.as_slice() != self.imprint {
            return Err(TimestampError::Imprint);
        }
        let verified = self.message.verify(None, known)?;
        if !verified.signer.extended_key_usage().is_some_and(|usage| usage.time_stamping_only) {
            let subject = verified.signer.subject().to_owned();
            return Err(TimestampError::NotForTimeStamping { subject });
        }
        Ok(verified)
    }
}

/// The token of a response (RFC 3161 2.4.2), if its status is granted, with modifications or without.
fn granted(der: &[u8]) -> Result<&[u8], TimestampError> {
    let place = "TimeStampResp";
    let mut response = asn1::whole(der, SEQUENCE).at(place)?.inside();
    let mut status = response.expect(SEQUENCE).at("status")?.inside();
    match status.expect(INTEGER).and_then(|value| value.to_u32()).at("status")? {
        0 | 1 => {}
        refused => return Err(TimestampError::NotGranted(refused)),
    }
    let token = response.expect(SEQUENCE).at("timeStampToken")?;
    response.finish().at(place)?;
    Ok(token.raw)
}

fn read_accuracy(mut fields: Reader<'_>) -> Result<u64, TimestampError> {
    let place = "accuracy";
    let mut part = |tag| {
        let value = fields.optional(tag)?;
        value.map_or(Ok(0), |value| value.to_u32()).map(u64::from)
    };
    let (seconds, millis, micros) =
        (part(INTEGER).at(place)?, part(MILLIS).at(place)?, part(MICROS).at(place)?);
    fields.finish().at(place)?;
    Ok(seconds.saturating_mul(1000).saturating_add(millis).saturating_add(micros.div_ceil(1000)))
}

fn no_critical_extensions(list: Reader<'_>) -> Result<(), TimestampError> {
    let place = "extensions";
    for entry in list.all(MAX_EXTENSIONS).at(place)? {
        let mut fields = entry.inside();
        let oid = fields.expect(OBJECT_IDENTIFIER).and_then(|id| id.oid()).at(place)?;
        let critical = fields.optional(BOOLEAN).at(place)?;
        if critical.map_or(Ok(false), |value| value.boolean()).at(place)? {
            return Err(TimestampError::CriticalExtension(oid));
        }
    }
    Ok(())
}

/// Names the place of a [`Fault`].
trait At<T> {
    fn at(self, place: &'static str) -> Result<T, TimestampError>;
}

impl<T> At<T> for Result<T, Fault> {
    fn at(self, place: &'static str) -> Result<T, TimestampError> {
        self.map_err(|fault| TimestampError::Der { place, fault })
    }
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests;
