//! What revocation lists say of the certificates of a path (RFC 5280 6.3.3).
//!
//! A list speaks for the moment if it was issued by the time of the question and had not run out at
//! the moment. What a list says counts in any scope; what it does not say counts only within its
//! own. Nothing is known of a certificate until complete lists in whose scope it lies account for
//! every reason. A delta list only ever adds: an entry revokes, and a removal from an older list is
//! not believed.
//!
//! A list is signed by the key that issued the certificate, or by another key of the same
//! authority that `cRLSign` allows it. The certificate of that key is in the path already, or it is
//! by the key that issued or the authority above, and known not to be revoked by a list of that key.

use super::certificate::Certificate;
use super::crl::Crl;
use super::rules;
use super::scope::Reasons;
use super::work::Work;
use super::{Anchors, PkiError, Revocation, Terms};
use crate::time::Timestamp;

pub(super) struct Lists<'a, 'b> {
    pub crls: &'b [Crl],
    pub intermediates: &'a [Certificate],
    pub anchors: &'a Anchors,
    pub terms: &'b Terms,
}

/// One certificate of a path, and those above it.
#[derive(Clone, Copy)]
struct Link<'a> {
    certificate: &'a Certificate,
    issuer: &'a Certificate,
    above: &'a [&'a Certificate],
    depth: usize,
    /// Whether lists by other keys of the issuer count.
    any_key: bool,
}

impl Lists<'_, '_> {
    /// Every certificate of `path` but the anchor.
    pub fn check(&self, path: &[&Certificate], work: &mut Work) -> Result<(), PkiError> {
        for (depth, (certificate, issuer)) in path.iter().zip(path.iter().skip(1)).enumerate() {
            let above = path.get(depth.saturating_add(2)..).unwrap_or_default();
            self.not_revoked(Link { certificate, issuer, above, depth, any_key: true }, work)?;
        }
        Ok(())
    }

    fn not_revoked(&self, link: Link<'_>, work: &mut Work) -> Result<(), PkiError> {
        let Terms { at, now, revocation, proved, .. } = *self.terms;
        let Link { certificate, issuer, depth, .. } = link;
        let mut stale: Option<Timestamp> = None;
        let mut known = Reasons::NONE;
        let mut bad_list = None;
        for crl in self.crls.iter().filter(|crl| crl.issuer_name() == issuer.subject_name()) {
            if let Err(why) = self.signed(crl, link, work) {
                if matches!(why, PkiError::TooMuchWork(_)) {
                    return Err(why);
                }
                bad_list = Some(why);
                continue;
            }
            if let Some(entry) = crl.find(certificate.serial()) {
                let subject = certificate.subject().to_owned();
                if entry.at <= at {
                    return Err(PkiError::Revoked { subject, at: entry.at, reason: entry.reason, depth });
                }
                if !proved && !entry.reason.key_was_safe() {
                    return Err(PkiError::RevokedLater { subject, at: entry.at, reason: entry.reason });
                }
            }
            let covered = crl.covers(certificate);
            if crl.is_fresh(at, now) {
                known = known.or(covered);
            } else if covered != Reasons::NONE {
                stale = stale.max(Some(crl.next_update()));
            }
        }
        let issuer = || issuer.subject().to_owned();
        match (stale, bad_list) {
            _ if known == Reasons::ALL => Ok(()),
            (Some(next_update), _) => Err(PkiError::CrlStale { issuer: issuer(), next_update }),
            (None, Some(why)) => Err(why),
            (None, None) if revocation == Revocation::Required => {
                Err(PkiError::RevocationUnknown { issuer: issuer() })
            }
            (None, None) => Ok(()),
        }
    }

    fn signed(&self, crl: &Crl, link: Link<'_>, work: &mut Work) -> Result<(), PkiError> {
        work.list()?;
        let by_issuer = crl.verify_once(link.issuer, self.anchors.verified());
        if by_issuer.is_ok() || !link.any_key {
            return by_issuer;
        }
        for other in self.intermediates.iter().chain(self.anchors.iter()) {
            let same_name = other.subject_name() == link.issuer.subject_name();
            if !same_name || !other.key_usage().is_some_and(|usage| usage.crl_sign) {
                continue;
            }
            work.list()?;
            if crl.verify_once(other, self.anchors.verified()).is_ok() {
                return self.is_key_of(other, crl, link, work);
            }
        }
        by_issuer
    }

    /// Whether `other`, which signed `crl`, is a good certificate of the issuer.
    fn is_key_of(
        &self,
        other: &Certificate,
        crl: &Crl,
        link: Link<'_>,
        work: &mut Work,
    ) -> Result<(), PkiError> {
        if link.above.contains(&other) {
            return Ok(());
        }
        for by in [Some(link.issuer), link.above.first().copied()].into_iter().flatten() {
            work.signature()?;
            let names = other.issuer_name() == by.subject_name();
            if !names || other.verify_once(by, self.anchors.verified()).is_err() {
                continue;
            }
            let one = Link { certificate: other, issuer: by, above: &[], any_key: false, ..link };
            let good = rules::understood(other, link.depth)
                .and_then(|()| rules::in_time(other, crl.this_update(), link.depth))
                .and_then(|()| self.not_revoked(one, work));
            if good.is_ok() || matches!(good, Err(PkiError::TooMuchWork(_))) {
                return good;
            }
        }
        // What is wrong with that key says nothing of the certificate that was asked about.
        Err(PkiError::CrlSignatureInvalid { issuer: crl.issuer().to_owned() })
    }
}
