//! The one byte form of a V4 stamp: the same parts always give the same bytes, so a stamp can be
//! kept as its parts, and a verifier can tell whether it has that form.

use super::error::SesError;
use crate::crypto::{Digest, Signature, Suite};
use crate::pki::asn1::{
    self, IA5_STRING, OCTET_STRING, bit_string, generalized_time, integer, sequence, tlv,
};
use crate::time::Timestamp;

/// Version that is written, in headers and stamps (GB/T 38540-2020).
pub(super) const VERSION: u64 = 4;

/// DER of a V4 `TBS_Sign`: what the signer signs. `time` is written in whole seconds.
pub fn to_sign(
    seal: &[u8],
    time: Timestamp,
    data_hash: &Digest,
    property: &str,
) -> Result<Vec<u8>, SesError> {
    Ok(sequence(&[
        &integer(VERSION),
        seal,
        &generalized_time(time),
        &bit_string(data_hash),
        &ascii(IA5_STRING, property)?,
    ]))
}

/// DER of a V4 `SES_Signature` from its parts: the same parts always give the same bytes.
pub fn assemble(
    to_sign: &[u8],
    certificate: &[u8],
    suite: Suite,
    signature: &Signature,
) -> Result<Vec<u8>, SesError> {
    Ok(sequence(&[
        to_sign,
        &tlv(OCTET_STRING, &[certificate]),
        &algorithm(suite)?,
        &bit_string(&signature.to_der()),
    ]))
}

pub(super) fn ascii(tag: u8, text: &str) -> Result<Vec<u8>, SesError> {
    if text.is_empty() || !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err(SesError::Unwritable("a text is empty or not printable ASCII"));
    }
    Ok(tlv(tag, &[text.as_bytes()]))
}

pub(super) fn algorithm(suite: Suite) -> Result<Vec<u8>, SesError> {
    asn1::oid(suite.signature_oid()).ok_or(SesError::Unwritable("no object identifier"))
}
