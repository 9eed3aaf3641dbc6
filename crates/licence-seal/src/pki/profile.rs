//! The profile that certificates of servers are held to, beyond the rules of a path.
//!
//! RFC 5280 4 asks things of authorities that a verifier may overlook; the CA/Browser Forum's
//! Baseline Requirements 7.1 (BR) ask more. A server, which anybody may be asked to trust by its
//! name alone, keeps all that is listed here. Other certificates are not held to it: a client is
//! registered by the digest of its certificate, a seal is judged years later; authorities in the
//! field deviate in these points, and none of them lets a stranger in.

use super::{Certificate, PkiError};

const SUBJECT_KEY_ID: &str = "2.5.29.14";
const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const NAME_CONSTRAINTS: &str = "2.5.29.30";
const AUTHORITY_KEY_ID: &str = "2.5.29.35";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
/// Most octets of a serial number.
const MAX_SERIAL: usize = 20;

pub(super) fn check(path: &[&Certificate]) -> Result<(), PkiError> {
    let Some((leaf, authorities)) = path.split_first() else { return Ok(()) };
    let is_anchor_itself = authorities.is_empty();
    for (at, certificate) in path.iter().enumerate() {
        rule(certificate, every_certificate(certificate))?;
        // An anchor is trusted for its key; old roots have the serial number 0.
        if at + 1 < path.len() {
            rule(certificate, serial_number(certificate))?;
        }
    }
    for (at, authority) in authorities.iter().enumerate() {
        let is_anchor = at + 1 == authorities.len();
        rule(authority, self::authority(authority, is_anchor))?;
    }
    if !is_anchor_itself {
        rule(leaf, end_entity(leaf))?;
    }
    rule(leaf, server(leaf))
}

fn rule(certificate: &Certificate, broken: Option<&'static str>) -> Result<(), PkiError> {
    let subject = || certificate.subject().to_owned();
    broken.map_or(Ok(()), |rule| Err(PkiError::ProfileBroken { subject: subject(), rule }))
}

/// The first of `rules` that is broken.
fn first<const N: usize>(rules: [(bool, &'static str); N]) -> Option<&'static str> {
    rules.into_iter().find(|(kept, _)| !kept).map(|(_, rule)| rule)
}

fn serial_number(certificate: &Certificate) -> Option<&'static str> {
    let serial = certificate.serial();
    let positive =
        serial.first().is_some_and(|high| high & 0x80 == 0) && serial.iter().any(|byte| *byte != 0);
    first([(
        positive && serial.len() <= MAX_SERIAL,
        "a serial number is positive, of at most 20 octets (4.1.2.2)",
    )])
}

fn every_certificate(certificate: &Certificate) -> Option<&'static str> {
    let names = certificate.alternative_names();
    let has_subject = !certificate.subject_name().is_empty();
    let is_authority = certificate.basic_constraints().is_some_and(|constraints| constraints.ca);
    let signs_certificates = certificate.key_usage().is_some_and(|usage| usage.key_cert_sign);
    first([
        (!certificate.is_critical(AUTHORITY_KEY_ID), "authorityKeyIdentifier is not critical (4.2.1.1)"),
        (!certificate.is_critical(SUBJECT_KEY_ID), "subjectKeyIdentifier is not critical (4.2.1.2)"),
        (is_authority || !signs_certificates, "keyCertSign belongs to authorities (4.2.1.9)"),
        (
            names.is_none_or(|names| names.critical != has_subject),
            "subjectAltName is critical if and only if the subject is empty (4.2.1.6)",
        ),
        (
            names.is_none_or(|names| names.names.iter().all(|name| name.is_well_formed())),
            "alternative names are written as their form has it (4.2.1.6)",
        ),
    ])
}

fn authority(certificate: &Certificate, is_anchor: bool) -> Option<&'static str> {
    let is_root = is_anchor && certificate.is_self_issued();
    let issuer_key = certificate.authority_key();
    let own_key = certificate.subject_key_id();
    let identifies_itself = |key: &super::AuthorityKeyId| {
        key.key.is_some() && key.key.as_deref() == own_key && !key.by_certificate
    };
    first([
        (
            certificate.is_critical(BASIC_CONSTRAINTS),
            "basicConstraints of an authority is critical (4.2.1.9)",
        ),
        (own_key.is_some(), "an authority has a subjectKeyIdentifier (4.2.1.2)"),
        (
            certificate.name_constraints().is_none() || certificate.is_critical(NAME_CONSTRAINTS),
            "nameConstraints is critical (4.2.1.10)",
        ),
        (
            is_root || certificate.authority_key_id().is_some(),
            "authorityKeyIdentifier names the issuer's key (4.2.1.1)",
        ),
        (
            !is_root || issuer_key.is_none_or(identifies_itself),
            "a root's authorityKeyIdentifier is its own key and nothing else (BR 7.1.2.1.3)",
        ),
        (!is_root || certificate.extended_key_usage().is_none(), "a root has no extKeyUsage (BR 7.1.2.1.2)"),
    ])
}

fn end_entity(certificate: &Certificate) -> Option<&'static str> {
    first([
        (
            certificate.basic_constraints().is_none_or(|constraints| !constraints.ca),
            "a server is no authority (BR 7.1.2.7.6)",
        ),
        (certificate.authority_key_id().is_some(), "authorityKeyIdentifier names the issuer's key (4.2.1.1)"),
    ])
}

fn server(certificate: &Certificate) -> Option<&'static str> {
    let purposes = certificate.extended_key_usage();
    let names = certificate.alternative_names();
    let copied = |name: &String| names.is_some_and(|names| names.has_copy(name));
    first([
        (
            purposes.is_some_and(|purposes| purposes.server_auth && !purposes.any),
            "extKeyUsage names serverAuth, not any purpose (BR 7.1.2.7.10)",
        ),
        (!certificate.is_critical(EXTENDED_KEY_USAGE), "extKeyUsage is not critical (BR 7.1.2.7.6)"),
        (names.is_some(), "a server has alternative names (BR 7.1.2.7.12)"),
        (
            certificate.subject_name().common_names().iter().all(copied),
            "a common name is a copy of an alternative name (BR 7.1.4.3)",
        ),
    ])
}
