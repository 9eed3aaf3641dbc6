//! The rules of RFC 5280 6.1 that every path is held to, whatever it is for.

use super::constraints::{Broken, MAX_NAME_COMPARISONS, NameConstraints};
use super::{Certificate, GeneralName, PkiError, Usage};
use crate::time::Timestamp;

/// Whether `issuer` may stand above `path`.
pub(super) fn may_issue(issuer: &Certificate, path: &[&Certificate]) -> Result<(), PkiError> {
    let subject = || issuer.subject().to_owned();
    let constraints = issuer
        .basic_constraints()
        .filter(|constraints| constraints.ca)
        .ok_or_else(|| PkiError::NotAnAuthority { subject: subject() })?;
    // A key usage that is absent restricts nothing (6.1.4 n).
    if issuer.key_usage().is_some_and(|usage| !usage.key_cert_sign) {
        return Err(PkiError::MayNotSignCertificates { subject: subject() });
    }
    let found = u32::try_from(authorities(path.iter().skip(1))).unwrap_or(u32::MAX);
    match constraints.path_len {
        Some(allowed) if found > allowed => {
            Err(PkiError::PathLengthExceeded { subject: subject(), allowed, found })
        }
        _ => Ok(()),
    }
}

/// Self-issued authorities do not count (4.2.1.9).
fn authorities<'a>(path: impl Iterator<Item = &'a &'a Certificate>) -> usize {
    path.filter(|one| !one.is_self_issued()).count()
}

/// The limit that the anchors set beside their certificates.
pub(super) fn length(path: &[&Certificate], most: Option<usize>) -> Result<(), PkiError> {
    let (Some(most), [_, below @ .., anchor]) = (most, path) else { return Ok(()) };
    let found = authorities(below.iter());
    if found <= most {
        return Ok(());
    }
    let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
    let subject = anchor.subject().to_owned();
    Err(PkiError::PathLengthExceeded { subject, allowed: number(most), found: number(found) })
}

/// Version, names and extensions are such that all of what the certificate says is understood.
pub(super) fn understood(certificate: &Certificate, depth: usize) -> Result<(), PkiError> {
    let subject = || certificate.subject().to_owned();
    let broken = |rule| Err(PkiError::ProfileBroken { subject: subject(), rule });
    if let Some(oid) = certificate.unknown_critical_extension() {
        return Err(PkiError::UnknownCriticalExtension { subject: subject(), oid: oid.to_owned() });
    }
    if !certificate.is_version_3() {
        return broken("a certificate is of version 3");
    }
    if certificate.issuer_name().is_empty() {
        return broken("a certificate names its issuer (4.1.2.4)");
    }
    if depth > 0 && certificate.subject_name().is_empty() {
        return broken("an authority has a name (4.1.2.6)");
    }
    if certificate.constrains_policies() {
        return Err(PkiError::PolicyUnsupported { subject: subject() });
    }
    let is_authority = certificate.basic_constraints().is_some_and(|constraints| constraints.ca);
    match certificate.name_constraints() {
        None => {}
        Some(_) if !is_authority => return broken("only authorities constrain names (4.2.1.10)"),
        Some(Ok(_)) => {}
        Some(Err(_)) => return Err(PkiError::NameConstraintsUnsupported { subject: subject() }),
    }
    certificate.certificate_key().map(drop)
}

/// The moment lies within the certificate's validity.
pub(super) fn in_time(certificate: &Certificate, at: Timestamp, depth: usize) -> Result<(), PkiError> {
    let subject = || certificate.subject().to_owned();
    if at < certificate.not_before() {
        return Err(PkiError::NotYetValid {
            subject: subject(),
            not_before: certificate.not_before(),
            depth,
        });
    }
    // notAfter names a second, all of which is still valid.
    if at.secs() > certificate.not_after().secs() {
        return Err(PkiError::Expired { subject: subject(), not_after: certificate.not_after(), depth });
    }
    Ok(())
}

/// Every authority's name constraints hold for all below it, but for authorities that certify
/// themselves anew (6.1.3 b).
pub(super) fn names(path: &[&Certificate], work: &mut usize) -> Result<(), PkiError> {
    for (depth, authority) in path.iter().enumerate().skip(1) {
        let Some(Ok(constraints)) = authority.name_constraints() else { continue };
        for (below, certificate) in path.iter().enumerate().take(depth) {
            if below == 0 || !certificate.is_self_issued() {
                permitted(constraints, certificate, work)?;
            }
        }
    }
    Ok(())
}

/// Whether every name of `certificate` is permitted and none excluded. `work` counts comparisons.
fn permitted(
    constraints: &NameConstraints,
    certificate: &Certificate,
    work: &mut usize,
) -> Result<(), PkiError> {
    let subject = certificate.subject_name();
    let directory = (!subject.is_empty()).then(|| GeneralName::Directory(subject.clone()));
    let emails = subject.emails().iter().map(|email| GeneralName::Email(email.clone()));
    let implied: Vec<GeneralName> = directory.into_iter().chain(emails).collect();
    let named = certificate.alternative_names().map(|names| names.names.as_slice()).unwrap_or_default();
    for name in implied.iter().chain(named) {
        let subject = || certificate.subject().to_owned();
        constraints.check(name, work).map_err(|broken| match broken {
            Broken::Rule => PkiError::NameNotPermitted { subject: subject(), name: format!("{name:?}") },
            Broken::Form => PkiError::NameConstraintsUnsupported { subject: subject() },
            Broken::Work => PkiError::TooMuchWork(MAX_NAME_COMPARISONS),
        })?;
    }
    Ok(())
}

/// Key usage of the leaf; purposes of everything below the anchor. What is absent restricts
/// nothing (4.2.1.3, 4.2.1.12).
pub(super) fn usable(path: &[&Certificate], usage: Usage) -> Result<(), PkiError> {
    let Some((leaf, authorities)) = path.split_first() else { return Ok(()) };
    let refuse = |certificate: &Certificate, wanted| PkiError::UsageNotAllowed {
        subject: certificate.subject().to_owned(),
        wanted,
    };
    let wanted = match usage {
        Usage::Any => return Ok(()),
        Usage::Sign => "digitalSignature or nonRepudiation",
        Usage::TlsServer => "serverAuth",
        Usage::TlsClient => "clientAuth",
    };
    let signs = leaf
        .key_usage()
        .is_none_or(|bits| bits.digital_signature || (usage == Usage::Sign && bits.non_repudiation));
    if !signs {
        return Err(refuse(leaf, if usage == Usage::Sign { wanted } else { "digitalSignature" }));
    }
    if usage == Usage::Sign {
        return Ok(());
    }
    let below_anchor = authorities.len().saturating_sub(1);
    for certificate in std::iter::once(leaf).chain(authorities.iter().take(below_anchor)) {
        let allowed = certificate.extended_key_usage().is_none_or(|purposes| match usage {
            Usage::TlsServer => purposes.any || purposes.server_auth,
            _ => purposes.any || purposes.client_auth,
        });
        if !allowed {
            return Err(refuse(certificate, wanted));
        }
    }
    Ok(())
}
