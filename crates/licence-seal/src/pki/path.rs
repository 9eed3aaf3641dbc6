//! Building and validating a path from a certificate to an anchor (RFC 5280 6.1), at a moment.
//!
//! The search goes depth first from the leaf, anchors before intermediates, and tests an issuer's
//! right to issue before its signature. Only a chain that reached an anchor is judged for time,
//! usage and revocation, so "no path" always means that nobody trusted vouches for the leaf, and
//! every other refusal means that somebody does, but a rule is broken. An anchor is held to the
//! rules of any authority (RFC 5280 would let it pass unlooked): an expired root vouches for
//! nothing here. A leaf that is itself among the anchors is trusted as it stands.

use super::crl::Crl;
use super::profile;
use super::revocation::Lists;
use super::rules;
use super::work::Work;
use super::{Anchors, Certificate, PkiError, Terms, Usage};

/// Most certificates in a path, leaf and anchor included.
pub const MAX_DEPTH: usize = 8;

/// A validated path: leaf first, anchor last (both the same if the leaf is an anchor).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain<'a>(Vec<&'a Certificate>);

impl<'a> Chain<'a> {
    pub fn iter(&self) -> impl Iterator<Item = &'a Certificate> + '_ {
        self.0.iter().copied()
    }

    pub fn anchor(&self) -> Option<&'a Certificate> {
        self.0.last().copied()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Finds a path from `leaf` over `intermediates` to one of `anchors` that keeps every rule.
///
/// If there is none, the error is the first rule that a path to an anchor broke, or
/// [`PkiError::NoPath`] if there was no such path.
pub fn validate<'a>(
    leaf: &'a Certificate,
    intermediates: &'a [Certificate],
    anchors: &'a Anchors,
    crls: &[Crl],
    terms: &Terms,
) -> Result<Chain<'a>, PkiError> {
    let mut search =
        Search { intermediates, anchors, crls, terms, work: Work::default(), broken: None, dead_end: leaf };
    let mut path = vec![leaf];
    if anchors.contains(leaf) {
        search.judge(&path)?;
        search.not_known_revoked(leaf)?;
        return Ok(Chain(path));
    }
    if search.extend(&mut path)? {
        return Ok(Chain(path));
    }
    let Search { broken, dead_end, .. } = search;
    Err(broken.unwrap_or_else(|| PkiError::NoPath {
        subject: dead_end.subject().to_owned(),
        issuer: dead_end.issuer().to_owned(),
    }))
}

struct Search<'a, 'b> {
    intermediates: &'a [Certificate],
    anchors: &'a Anchors,
    crls: &'b [Crl],
    terms: &'b Terms,
    work: Work,
    broken: Option<PkiError>,
    /// The last certificate for which no issuer was found.
    dead_end: &'a Certificate,
}

impl<'a> Search<'a, '_> {
    /// An anchor is trusted as it stands and needs no list. But where its issuer is known too and a list
    /// says that it was revoked, that is not passed over.
    fn not_known_revoked(&mut self, anchor: &'a Certificate) -> Result<(), PkiError> {
        let terms = self.terms.without_required_revocation();
        for issuer in self.anchors.iter().chain(self.intermediates) {
            if issuer == anchor || !names_match(anchor, issuer) {
                continue;
            }
            self.work.signature()?;
            if anchor.verify_once(issuer, self.anchors.verified()).is_err() {
                continue;
            }
            let lists = Lists {
                crls: self.crls,
                intermediates: self.intermediates,
                anchors: self.anchors,
                terms: &terms,
            };
            let checked = lists.check(&[anchor, issuer], &mut self.work);
            let counts = |why: &PkiError| {
                matches!(
                    why,
                    PkiError::Revoked { .. } | PkiError::RevokedLater { .. } | PkiError::TooMuchWork(_)
                )
            };
            if let Err(why) = checked
                && counts(&why)
            {
                return Err(why);
            }
        }
        Ok(())
    }

    /// Whether `path` could be extended to an anchor; if so, it was. Errors end the search.
    fn extend(&mut self, path: &mut Vec<&'a Certificate>) -> Result<bool, PkiError> {
        let Some(&child) = path.last() else {
            return Ok(false);
        };
        if path.len() >= MAX_DEPTH {
            return Ok(false);
        }
        let anchors = self.anchors.iter().map(|candidate| (candidate, true));
        let others = self.intermediates.iter().map(|candidate| (candidate, false));
        let mut found_issuer = false;
        for (issuer, is_anchor) in anchors.chain(others) {
            if !names_match(child, issuer) || is_in(path, issuer) {
                continue;
            }
            found_issuer = true;
            if let Err(why) = rules::may_issue(issuer, path) {
                self.note(why);
                continue;
            }
            self.work.signature()?;
            if let Err(why) = child.verify_once(issuer, self.anchors.verified()) {
                self.note(why);
                continue;
            }
            path.push(issuer);
            if is_anchor {
                match self.judge(path) {
                    Ok(()) => return Ok(true),
                    Err(why @ PkiError::TooMuchWork(_)) => return Err(why),
                    Err(why) => self.note(why),
                }
            } else if self.extend(path)? {
                return Ok(true);
            }
            path.pop();
        }
        if !found_issuer {
            self.dead_end = child;
        }
        Ok(false)
    }

    fn note(&mut self, why: PkiError) {
        self.broken.get_or_insert(why);
    }

    /// Every rule for a chain that leads to an anchor.
    fn judge(&mut self, path: &[&'a Certificate]) -> Result<(), PkiError> {
        for (depth, certificate) in path.iter().enumerate() {
            rules::understood(certificate, depth)?;
            rules::in_time(certificate, self.terms.at, depth)?;
        }
        rules::length(path, self.anchors.most_authorities())?;
        rules::names(path, &mut self.work.comparisons)?;
        rules::usable(path, self.terms.usage)?;
        if self.terms.usage == Usage::TlsServer {
            profile::check(path)?;
        }
        let lists = Lists {
            crls: self.crls,
            intermediates: self.intermediates,
            anchors: self.anchors,
            terms: self.terms,
        };
        lists.check(path, &mut self.work)
    }
}

/// Issuer and subject name are the same, and key identifiers do not speak against it.
fn names_match(child: &Certificate, issuer: &Certificate) -> bool {
    let ids_differ = match (child.authority_key_id(), issuer.subject_key_id()) {
        (Some(wanted), Some(found)) => wanted != found,
        _ => false,
    };
    child.issuer_name() == issuer.subject_name() && !ids_differ
}

/// The same name and key: another certificate of one that is in the path already leads nowhere.
fn is_in(path: &[&Certificate], candidate: &Certificate) -> bool {
    path.iter().any(|one| one.spki() == candidate.spki() && one.subject_name() == candidate.subject_name())
}
