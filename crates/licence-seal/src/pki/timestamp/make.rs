//! Making a token: a small time stamp authority for tests, the demo and tools, in the manner of
//! `issue`. Moment, serial number and key are passed in, and it keeps no state.

use super::{Imprint, TST_INFO, TimestampError};
use crate::crypto::Signer;
use crate::pki::Certificate;
use crate::pki::asn1::{self, OCTET_STRING, generalized_time, integer, sequence, tlv, unsigned};
use crate::pki::cms::{self, CmsError, Draft, Form};
use crate::time::Timestamp;

/// Policy that [`make`] names: it means nothing outside tests and samples.
pub(super) const SAMPLE_POLICY: &str = "1.2.3.4.1";

/// Makes a token: `certificate` (of [`crate::pki::issue::Profile::TimeStamping`]) and its key vouch that
/// the imprint was there at `time`, which is written in whole seconds with an accuracy of one second.
/// `serial` is the number of the token, big-endian; an authority gives each number once.
pub fn make(
    imprint: &Imprint,
    time: Timestamp,
    serial: &[u8],
    certificate: &Certificate,
    signer: &dyn Signer,
) -> Result<Vec<u8>, TimestampError> {
    let oid = |dotted| asn1::oid(dotted).ok_or(CmsError::Unwritable("no object identifier"));
    let content = sequence(&[
        &integer(1),
        &oid(SAMPLE_POLICY)?,
        &sequence(&[&sequence(&[&oid(imprint.suite.hash_oid())?]), &tlv(OCTET_STRING, &[&imprint.digest])]),
        &unsigned(serial),
        &generalized_time(time),
        &sequence(&[&integer(1)]),
    ]);
    let draft = Draft {
        form: Form::Cms,
        content_type: TST_INFO,
        content: &content,
        detached: false,
        signing_time: Some(time),
    };
    Ok(cms::sign(&draft, certificate, signer)?)
}
