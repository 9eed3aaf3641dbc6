//! Writing: a V4 seal, and a time stamp into a stamp.

use super::error::{At, SesError};
use super::form::{VERSION, algorithm, ascii};
use super::limits::{MAX_CERTS, MAX_PICTURE};
use super::parse::{CertList, Picture, Stamp};
use crate::crypto::Signer;
use crate::pki::asn1::{
    self, IA5_STRING, OCTET_STRING, PRINTABLE_STRING, SEQUENCE, UTF8_STRING, bit_string, explicit,
    generalized_time, integer, sequence, tlv,
};
use crate::time::Timestamp;

const CERTS: u64 = 1;
const DIGESTS: u64 = 2;

/// Whose seal it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SealKind {
    Unit,
    Person,
}

/// What a new seal says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealSpec {
    /// Maker's software, ASCII.
    pub vendor: String,
    /// The seal's own number, ASCII.
    pub es_id: String,
    pub kind: SealKind,
    /// Name on the seal.
    pub name: String,
    /// Who may sign with it.
    pub certs: CertList,
    pub created: Timestamp,
    pub valid_from: Timestamp,
    pub valid_until: Timestamp,
    pub picture: Picture,
}

/// Makes a V4 `SESeal`: `maker` signs DER(eSealInfo); `maker_certificate` (DER) goes along.
pub fn create(spec: &SealSpec, maker_certificate: &[u8], maker: &dyn Signer) -> Result<Vec<u8>, SesError> {
    let info = seal_info(spec)?;
    let signature = maker.sign(&info)?;
    Ok(sequence(&[
        &info,
        &tlv(OCTET_STRING, &[maker_certificate]),
        &algorithm(maker.suite())?,
        &bit_string(&signature.to_der()),
    ]))
}

/// A V4 or V5 stamp with a time stamp over its signature value (`pki::timestamp`) added; DER of the
/// token. A stamp that has one keeps it: this is refused.
pub fn with_time_stamp(stamp: &[u8], token: &[u8]) -> Result<Vec<u8>, SesError> {
    let parsed = Stamp::from_der(stamp)?;
    if parsed.signs_certificate() || parsed.time_stamp.is_some() {
        return Err(SesError::Unwritable("the stamp is of version 1, or has a time stamp"));
    }
    let outer = asn1::whole(stamp, SEQUENCE).at("SES_Signature")?;
    Ok(sequence(&[outer.content, &tlv(explicit(0), &[&bit_string(token)])]))
}

fn seal_info(spec: &SealSpec) -> Result<Vec<u8>, SesError> {
    if spec.valid_from >= spec.valid_until {
        return Err(SesError::Unwritable("the period ends before it begins"));
    }
    if spec.name.is_empty() || spec.name.contains(char::is_control) {
        return Err(SesError::Unwritable("the name is empty or has control characters"));
    }
    if spec.picture.data.is_empty() || spec.picture.data.len() > MAX_PICTURE {
        return Err(SesError::TooLong("the picture"));
    }
    let header =
        sequence(&[&tlv(IA5_STRING, &[b"ES"]), &integer(VERSION), &ascii(IA5_STRING, &spec.vendor)?]);
    let kind = match spec.kind {
        SealKind::Unit => 1,
        SealKind::Person => 2,
    };
    let (list_kind, list) = cert_list(&spec.certs)?;
    let property = sequence(&[
        &integer(kind),
        &tlv(UTF8_STRING, &[spec.name.as_bytes()]),
        &integer(list_kind),
        &list,
        &generalized_time(spec.created),
        &generalized_time(spec.valid_from),
        &generalized_time(spec.valid_until),
    ]);
    let picture = sequence(&[
        &ascii(IA5_STRING, &spec.picture.kind)?,
        &tlv(OCTET_STRING, &[&spec.picture.data]),
        &integer(u64::from(spec.picture.width)),
        &integer(u64::from(spec.picture.height)),
    ]);
    Ok(sequence(&[&header, &ascii(IA5_STRING, &spec.es_id)?, &property, &picture]))
}

fn cert_list(certs: &CertList) -> Result<(u64, Vec<u8>), SesError> {
    let (kind, entries): (u64, Vec<Vec<u8>>) = match certs {
        CertList::Certificates(list) => (CERTS, list.iter().map(|der| tlv(OCTET_STRING, &[der])).collect()),
        CertList::Digests(list) => {
            let entry = |(name, value): &(String, Vec<u8>)| {
                Ok(sequence(&[&ascii(PRINTABLE_STRING, name)?, &tlv(OCTET_STRING, &[value])]))
            };
            (DIGESTS, list.iter().map(entry).collect::<Result<_, SesError>>()?)
        }
    };
    if entries.is_empty() || entries.len() > MAX_CERTS {
        return Err(SesError::Unwritable("a seal names 1 to 64 signers"));
    }
    Ok((kind, sequence(&[&entries.concat()])))
}
