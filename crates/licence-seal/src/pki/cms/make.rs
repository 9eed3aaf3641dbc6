//! Writing a message: one signer, signed attributes, the signer's certificate goes along.

use super::error::CmsError;
use super::known::{
    CONTENT_TYPE, DATA, GM_SIGNED_DATA, MESSAGE_DIGEST, SIGNED_DATA, SIGNING_CERTIFICATE_V2, SIGNING_TIME,
};
use crate::crypto::{Signer, Suite};
use crate::pki::Certificate;
use crate::pki::asn1::{
    self, INTEGER, OCTET_STRING, SET, certificate_time, explicit, integer, sequence, tlv,
};
use crate::time::Timestamp;

/// Whose identifier the message bears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// RFC 5652
    Cms,
    /// GB/T 35275
    GbT35275,
}

/// What is to be signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Draft<'a> {
    pub form: Form,
    /// Type of the content, dotted, for example [`super::DATA`].
    pub content_type: &'a str,
    pub content: &'a [u8],
    /// The content stays outside.
    pub detached: bool,
    pub signing_time: Option<Timestamp>,
}

/// Signs a message. The key must be the certificate's. The signer's certificate is named among the
/// signed attributes (RFC 5035).
pub fn sign(draft: &Draft<'_>, certificate: &Certificate, signer: &dyn Signer) -> Result<Vec<u8>, CmsError> {
    if certificate.public_key().map_err(CmsError::Key)? != signer.public_key() {
        return Err(CmsError::Unwritable("the key is not the certificate's"));
    }
    let suite = signer.suite();
    let hash = sequence(&[&oid(suite.hash_oid())?]);
    let attributes = attributes(draft, certificate, suite)?;
    let signature = signer.sign(&tlv(SET, &[&attributes]))?;
    let signer_info = sequence(&[
        &integer(1),
        &sequence(&[certificate.issuer_der(), &tlv(INTEGER, &[certificate.serial()])]),
        &hash,
        &tlv(explicit(0), &[&attributes]),
        &sequence(&[&oid(suite.signature_oid())?]),
        &tlv(OCTET_STRING, &[&signature.to_der()]),
    ]);
    let inside = match draft.detached {
        true => Vec::new(),
        false => tlv(explicit(0), &[&tlv(OCTET_STRING, &[draft.content])]),
    };
    let (form, plain) = match draft.form {
        Form::Cms => (SIGNED_DATA, DATA),
        Form::GbT35275 => (GM_SIGNED_DATA, super::GM_DATA),
    };
    // RFC 5652 5.1: 3 when the content is of another type than data.
    let version = if draft.content_type == plain { 1 } else { 3 };
    let signed_data = sequence(&[
        &integer(version),
        &tlv(SET, &[&hash]),
        &sequence(&[&oid(draft.content_type)?, &inside]),
        &tlv(explicit(0), &[certificate.der()]),
        &tlv(SET, &[&signer_info]),
    ]);
    Ok(sequence(&[&oid(form)?, &tlv(explicit(0), &[&signed_data])]))
}

/// The attributes one after another, in the order of DER's SET OF (X.690 11.6).
fn attributes(draft: &Draft<'_>, certificate: &Certificate, suite: Suite) -> Result<Vec<u8>, CmsError> {
    let digest = suite.hash(&[draft.content]);
    // SHA-256 is the default and so must not be named.
    let hash = match suite {
        Suite::P256Sha256 => Vec::new(),
        other => sequence(&[&oid(other.hash_oid())?]),
    };
    let named = sequence(&[&hash, &tlv(OCTET_STRING, &[&suite.hash(&[certificate.der()])])]);
    let mut entries = vec![
        (CONTENT_TYPE, oid(draft.content_type)?),
        (MESSAGE_DIGEST, tlv(OCTET_STRING, &[&digest])),
        (SIGNING_CERTIFICATE_V2, sequence(&[&sequence(&[&named])])),
    ];
    entries.extend(draft.signing_time.map(|time| (SIGNING_TIME, certificate_time(time))));
    let entry = |(kind, value): (&str, Vec<u8>)| Ok(sequence(&[&oid(kind)?, &tlv(SET, &[&value])]));
    let mut entries: Vec<Vec<u8>> = entries.into_iter().map(entry).collect::<Result<_, CmsError>>()?;
    entries.sort();
    Ok(entries.concat())
}

fn oid(dotted: &str) -> Result<Vec<u8>, CmsError> {
    asn1::oid(dotted).ok_or(CmsError::Unwritable("no object identifier"))
}
