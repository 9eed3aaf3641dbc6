//! Building and validating a path from a certificate to an anchor (RFC 5280 6.1), at a moment.
//!
//! The search goes depth first from the leaf, anchors before intermediates, and tests an issuer's
//! right to issue before its signature. Only a chain that reached an anchor is judged for time,
//! usage and revocation, so "no path" always means that nobody trusted vouches for the leaf, and
//! every other refusal means that somebody does, but a rule is broken. An anchor is held to the
//! rules of any authority (RFC 5280 would let it pass unlooked): an expired root vouches for
//! nothing here. A leaf that is itself among the anchors is trusted as it stands.

use super::crl::Crl;
use super::{Certificate, PkiError};
use crate::crypto::pem_decode_all;
use crate::time::Timestamp;

/// Most certificates in a path, leaf and anchor included.
pub const MAX_DEPTH: usize = 8;
/// Most signature verifications for one path.
pub const MAX_SIGNATURE_CHECKS: usize = 64;

/// Certificates that are trusted without proof.
#[derive(Clone, Debug, Default)]
pub struct Anchors(Vec<Certificate>);

impl Anchors {
    pub const fn new(certificates: Vec<Certificate>) -> Self {
        Self(certificates)
    }

    pub fn from_pem_all(pem: &[u8]) -> Result<Self, PkiError> {
        let found = pem_decode_all("CERTIFICATE", pem)?;
        found.iter().map(|der| Certificate::from_der(der)).collect::<Result<_, _>>().map(Self)
    }

    pub fn push(&mut self, certificate: Certificate) {
        self.0.push(certificate);
    }

    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.0.contains(certificate)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Certificate> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What must be known about revocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Revocation {
    /// Every issuer of the path but the anchor's own must have a fresh list here.
    Required,
    /// No list is needed; but the lists that are given for an issuer must be good ones.
    IfGiven,
}

/// What the leaf is to be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Usage {
    Any,
    /// Signing seals, stamps and statements: `digitalSignature` or `nonRepudiation`.
    Sign,
    TlsServer,
    TlsClient,
}

/// Under which terms a path is validated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// The moment at which everything must have been valid: a signing time, or now.
    pub at: Timestamp,
    /// When the question is asked; revocation lists issued up to here are known.
    pub now: Timestamp,
    pub revocation: Revocation,
    pub usage: Usage,
}

impl Terms {
    /// Everything must be valid now, with revocation known.
    pub const fn strict(now: Timestamp, usage: Usage) -> Self {
        Self { at: now, now, revocation: Revocation::Required, usage }
    }

    /// A missing revocation list no longer refuses the path.
    pub const fn without_required_revocation(self) -> Self {
        Self { revocation: Revocation::IfGiven, ..self }
    }
}

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
    let mut search = Search { intermediates, anchors, crls, terms, checks: 0, broken: None, dead_end: leaf };
    let mut path = vec![leaf];
    if anchors.contains(leaf) {
        search.judge(&path)?;
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
    checks: usize,
    broken: Option<PkiError>,
    /// The last certificate for which no issuer was found.
    dead_end: &'a Certificate,
}

impl<'a> Search<'a, '_> {
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
            if let Err(why) = may_issue(issuer, path) {
                self.note(why);
                continue;
            }
            self.count_check()?;
            let signed = issuer.public_key().and_then(|key| child.verify_signature(key));
            if let Err(why) = signed {
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

    fn count_check(&mut self) -> Result<(), PkiError> {
        self.checks = self.checks.saturating_add(1);
        if self.checks > MAX_SIGNATURE_CHECKS {
            return Err(PkiError::TooMuchWork(MAX_SIGNATURE_CHECKS));
        }
        Ok(())
    }

    /// Time, usage and revocation of a chain that leads to an anchor.
    fn judge(&mut self, path: &[&'a Certificate]) -> Result<(), PkiError> {
        for (depth, certificate) in path.iter().enumerate() {
            understood(certificate)?;
            in_time(certificate, self.terms.at, depth)?;
        }
        if let Some((leaf, authorities)) = path.split_first() {
            usable(leaf, authorities, self.terms.usage)?;
        }
        let issuers = path.iter().skip(1);
        for (depth, (certificate, issuer)) in path.iter().zip(issuers).enumerate() {
            self.not_revoked(certificate, issuer, depth)?;
        }
        Ok(())
    }

    fn not_revoked(
        &mut self,
        certificate: &Certificate,
        issuer: &Certificate,
        depth: usize,
    ) -> Result<(), PkiError> {
        let Terms { at, now, revocation, .. } = *self.terms;
        let mut newest: Option<Timestamp> = None;
        let mut fresh = false;
        let mut bad_list = None;
        for crl in self.crls.iter().filter(|crl| crl.issuer_der() == issuer.subject_der()) {
            self.count_check()?;
            if let Err(why) = crl.verify(issuer) {
                bad_list = Some(why);
                continue;
            }
            if let Some(entry) = crl.find(certificate.serial()) {
                let subject = certificate.subject().to_owned();
                if entry.at <= at {
                    return Err(PkiError::Revoked { subject, at: entry.at, reason: entry.reason, depth });
                }
                if !entry.reason.key_was_safe() {
                    return Err(PkiError::RevokedLater { subject, at: entry.at, reason: entry.reason });
                }
            }
            fresh |= crl.is_fresh(at, now);
            newest = newest.max(Some(crl.next_update()));
        }
        let issuer = || issuer.subject().to_owned();
        match (fresh, newest, bad_list, revocation) {
            (true, ..) => Ok(()),
            (false, Some(next_update), ..) => Err(PkiError::CrlStale { issuer: issuer(), next_update }),
            (false, None, Some(why), _) => Err(why),
            (false, None, None, Revocation::Required) => {
                Err(PkiError::RevocationUnknown { issuer: issuer() })
            }
            (false, None, None, Revocation::IfGiven) => Ok(()),
        }
    }
}

/// Issuer and subject name are the same, and key identifiers do not speak against it.
fn names_match(child: &Certificate, issuer: &Certificate) -> bool {
    let ids_differ = match (child.authority_key_id(), issuer.subject_key_id()) {
        (Some(wanted), Some(found)) => wanted != found,
        _ => false,
    };
    child.issuer_der() == issuer.subject_der() && !ids_differ
}

fn is_in(path: &[&Certificate], candidate: &Certificate) -> bool {
    path.iter().any(|one| {
        one.subject_der() == candidate.subject_der() && one.public_key().ok() == candidate.public_key().ok()
    })
}

/// Whether `issuer` may stand above `path`.
fn may_issue(issuer: &Certificate, path: &[&Certificate]) -> Result<(), PkiError> {
    let subject = || issuer.subject().to_owned();
    let constraints = issuer
        .basic_constraints()
        .filter(|constraints| constraints.ca)
        .ok_or_else(|| PkiError::NotAnAuthority { subject: subject() })?;
    if !issuer.key_usage().is_some_and(|usage| usage.key_cert_sign) {
        return Err(PkiError::MayNotSignCertificates { subject: subject() });
    }
    // Self-issued authorities do not count (RFC 5280 4.2.1.9), nor does the leaf.
    let below = path.iter().skip(1).filter(|one| one.subject_der() != one.issuer_der()).count();
    let found = u32::try_from(below).unwrap_or(u32::MAX);
    match constraints.path_len {
        Some(allowed) if found > allowed => {
            Err(PkiError::PathLengthExceeded { subject: subject(), allowed, found })
        }
        _ => Ok(()),
    }
}

fn understood(certificate: &Certificate) -> Result<(), PkiError> {
    let subject = || certificate.subject().to_owned();
    if certificate.has_name_constraints() {
        return Err(PkiError::NameConstraintsUnsupported { subject: subject() });
    }
    match certificate.unknown_critical_extension() {
        Some(oid) => Err(PkiError::UnknownCriticalExtension { subject: subject(), oid: oid.to_owned() }),
        None => Ok(()),
    }
}

fn in_time(certificate: &Certificate, at: Timestamp, depth: usize) -> Result<(), PkiError> {
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

/// Key usage of the leaf; purposes of everything below the anchor. What is absent restricts
/// nothing (RFC 5280 4.2.1.3, 4.2.1.12).
fn usable(leaf: &Certificate, authorities: &[&Certificate], usage: Usage) -> Result<(), PkiError> {
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
    for certificate in std::iter::once(&leaf).chain(authorities.iter().take(below_anchor)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{PrivateKey, PublicKey, SeededRandom, Signer, Suite};
    use crate::pki::RevocationReason;
    use crate::pki::issue::{
        self, Authority, DIGITAL_SIGNATURE, Extension, KEY_CERT_SIGN, Name, Profile, Request, Validity,
    };

    const NOW: Timestamp = Timestamp::from_secs(1_795_400_000);
    const DAY: i64 = 86_400;

    fn key(suite: Suite, seed: &str) -> &'static PrivateKey {
        let der = PrivateKey::generate(suite, &SeededRandom::new(seed)).unwrap();
        Box::leak(Box::new(PrivateKey::from_pkcs8(&der).unwrap()))
    }

    /// A root and what it issues, valid from a day before [`NOW`] for a year.
    struct World {
        root: Authority<'static>,
        random: SeededRandom,
        suite: Suite,
    }

    impl World {
        fn new(suite: Suite) -> Self {
            let random = SeededRandom::new("path");
            let root = Self::root(suite, "root", "Test Root", &random);
            Self { root, random, suite }
        }

        fn root(suite: Suite, seed: &str, name: &str, random: &SeededRandom) -> Authority<'static> {
            Authority::self_signed(&Name::new(name), year(), key(suite, seed), random).unwrap()
        }

        fn issue(&self, by: &Authority<'_>, name: &str, key: &PublicKey, profile: Profile) -> Certificate {
            let request = Request { name: &Name::new(name), key, validity: year(), profile };
            by.issue(&request, &self.random).unwrap()
        }

        fn authority(&self, by: &Authority<'_>, name: &str, profile: Profile) -> Authority<'static> {
            let key = key(self.suite, name);
            Authority::new(self.issue(by, name, key.public_key(), profile), key).unwrap()
        }

        fn leaf(&self, by: &Authority<'_>) -> Certificate {
            self.issue(by, "leaf", key(self.suite, "leaf").public_key(), Profile::SealOwner)
        }

        fn anchors(&self) -> Anchors {
            Anchors::new(vec![self.root.certificate().clone()])
        }

        fn check(
            &self,
            leaf: &Certificate,
            via: &[Certificate],
            crls: &[Crl],
            at: Timestamp,
        ) -> Option<PkiError> {
            let now = Timestamp::from_secs(at.secs().max(NOW.secs()));
            let terms = Terms { at, now, revocation: Revocation::IfGiven, usage: Usage::Sign };
            validate(leaf, via, &self.anchors(), crls, &terms).err()
        }
    }

    fn year() -> Validity {
        Validity::days(NOW.plus_secs(-DAY), 366)
    }

    fn any_authority() -> Profile {
        Profile::Authority { path_len: None }
    }

    #[test]
    fn a_chain_of_either_suite_leads_to_its_anchor() {
        for suite in Suite::ALL {
            let world = World::new(suite);
            let middle = world.authority(&world.root, "middle", any_authority());
            let leaf = world.leaf(&middle);
            let via = [middle.certificate().clone()];
            let anchors = world.anchors();
            let terms = Terms::strict(NOW, Usage::Sign).without_required_revocation();
            let chain = validate(&leaf, &via, &anchors, &[], &terms).unwrap();
            assert_eq!(chain.len(), 3);
            assert_eq!(chain.anchor(), Some(world.root.certificate()));
            let alone = Anchors::new(vec![leaf.clone()]);
            assert_eq!(validate(&leaf, &[], &alone, &[], &terms).unwrap().len(), 1);
        }
    }

    #[test]
    fn a_key_of_one_suite_may_be_certified_by_the_other() {
        let world = World::new(Suite::Sm2Sm3);
        let leaf = world.issue(
            &world.root,
            "leaf",
            key(Suite::P256Sha256, "leaf").public_key(),
            Profile::NodeSigning,
        );
        assert_eq!(world.check(&leaf, &[], &[], NOW), None);
        assert_eq!(leaf.signature_suite(), Some(Suite::Sm2Sm3));
        assert_eq!(leaf.public_key().unwrap().suite(), Suite::P256Sha256);
    }

    #[test]
    fn outside_its_period_a_certificate_is_worth_nothing() {
        for suite in Suite::ALL {
            let world = World::new(suite);
            let leaf = world.leaf(&world.root);
            let rule = |at| world.check(&leaf, &[], &[], at).map(|why| why.rule());
            assert_eq!(rule(leaf.not_before()), None);
            assert_eq!(rule(leaf.not_before().plus_secs(-1)), Some("path.notYetValid"));
            assert_eq!(rule(leaf.not_after()), None);
            assert_eq!(rule(leaf.not_after().plus_secs(1)), Some("path.expired"));
        }
    }

    #[test]
    fn a_revoked_certificate_is_refused_from_its_revocation_on() {
        for suite in Suite::ALL {
            let world = World::new(suite);
            let leaf = world.leaf(&world.root);
            let list = |reason| {
                let entry = issue::Revocation { certificate: &leaf, at: NOW.plus_secs(10), reason };
                [world.root.crl(&[entry], 7, NOW, NOW.plus_secs(DAY)).unwrap()]
            };
            let rule = |reason, at| world.check(&leaf, &[], &list(reason), at).map(|why| why.rule());
            assert_eq!(rule(RevocationReason::Superseded, NOW), None);
            assert_eq!(rule(RevocationReason::KeyCompromise, NOW), Some("path.revokedLater"));
            assert_eq!(rule(RevocationReason::Superseded, NOW.plus_secs(10)), Some("path.revoked"));
        }
    }

    #[test]
    fn revocation_lists_must_be_there_fresh_and_signed() {
        let world = World::new(Suite::P256Sha256);
        let leaf = world.leaf(&world.root);
        let anchors = world.anchors();
        let strict = |crls: &[Crl]| {
            validate(&leaf, &[], &anchors, crls, &Terms::strict(NOW, Usage::Sign)).map(|chain| chain.len())
        };
        let rule = |crls: &[Crl]| strict(crls).unwrap_err().rule();
        let list = |by: &Authority<'_>, from: i64, until: i64| {
            by.crl(&[], 1, NOW.plus_secs(from), NOW.plus_secs(until)).unwrap()
        };
        assert_eq!(rule(&[]), "path.revocationUnknown");
        assert_eq!(rule(&[list(&world.root, -20, -10)]), "crl.stale");
        assert_eq!(rule(&[list(&world.root, 10, 20)]), "crl.stale");
        let impostor = World::root(Suite::P256Sha256, "other key", "Test Root", &world.random);
        assert_eq!(rule(&[list(&impostor, -10, 10)]), "crl.signature");
        assert_eq!(strict(&[list(&impostor, -10, 10), list(&world.root, -10, 10)]), Ok(2));
    }

    #[test]
    fn an_unknown_issuer_gives_no_path() {
        for suite in Suite::ALL {
            let world = World::new(suite);
            let other = World::root(suite, "other", "Other Root", &world.random);
            let leaf = world.leaf(&other);
            let why = world.check(&leaf, &[other.certificate().clone()], &[], NOW).unwrap();
            assert_eq!(why.rule(), "path.noPath");
            // Same name, another key: the key identifiers tell them apart.
            let namesake = World::root(suite, "other", "Test Root", &world.random);
            assert_eq!(world.check(&world.leaf(&namesake), &[], &[], NOW).unwrap().rule(), "path.noPath");
        }
    }

    #[test]
    fn each_rule_of_an_issuer_is_kept() {
        for suite in Suite::ALL {
            let world = World::new(suite);
            let constraints = Extension::basic_constraints;
            let unknown = Extension { oid: "1.2.3.4", critical: true, value: vec![5, 0] };
            let named = Extension { oid: "2.5.29.30", critical: true, value: vec![0x30, 0] };
            let signs = Extension::key_usage(KEY_CERT_SIGN);
            for (extensions, rule) in [
                (vec![constraints(false, None), signs.clone()], "path.basicConstraints"),
                (vec![signs.clone()], "path.basicConstraints"),
                (vec![constraints(true, None)], "path.keyUsage"),
                (vec![constraints(true, None), Extension::key_usage(DIGITAL_SIGNATURE)], "path.keyUsage"),
                (vec![constraints(true, None), signs.clone(), unknown], "path.criticalExtension"),
                (vec![constraints(true, None), signs.clone(), named], "path.nameConstraints"),
            ] {
                let middle = world.authority(&world.root, "middle", Profile::Custom(extensions));
                let leaf = world.leaf(&middle);
                let why = world.check(&leaf, &[middle.certificate().clone()], &[], NOW);
                assert_eq!(why.map(|why| why.rule()), Some(rule));
            }
        }
    }

    #[test]
    fn a_path_is_no_longer_than_its_authorities_allow() {
        let world = World::new(Suite::P256Sha256);
        let first = world.authority(&world.root, "first", Profile::Authority { path_len: Some(0) });
        let second = world.authority(&first, "second", any_authority());
        let via = [first.certificate().clone(), second.certificate().clone()];
        assert_eq!(world.check(&world.leaf(&first), &via, &[], NOW), None);
        let why = world.check(&world.leaf(&second), &via, &[], NOW).unwrap();
        assert!(matches!(why, PkiError::PathLengthExceeded { allowed: 0, found: 1, .. }));
    }

    #[test]
    fn a_key_is_used_only_for_what_it_was_certified_for() {
        let world = World::new(Suite::P256Sha256);
        let public = key(Suite::P256Sha256, "leaf").public_key();
        let client = world.issue(&world.root, "client", public, Profile::TlsClient);
        let mut terms = Terms::strict(NOW, Usage::TlsClient).without_required_revocation();
        let anchors = world.anchors();
        assert!(validate(&client, &[], &anchors, &[], &terms).is_ok());
        terms.usage = Usage::TlsServer;
        assert_eq!(validate(&client, &[], &anchors, &[], &terms).unwrap_err().rule(), "path.usage");
        let usage = Profile::Custom(vec![Extension::key_usage(KEY_CERT_SIGN)]);
        let why = world.check(&world.issue(&world.root, "no signer", public, usage), &[], &[], NOW);
        assert_eq!(why.unwrap().rule(), "path.usage");
    }

    #[test]
    fn every_changed_byte_of_a_certificate_is_found() {
        for suite in Suite::ALL {
            let world = World::new(suite);
            let leaf = world.leaf(&world.root);
            for at in 0..leaf.der().len() {
                let mut changed = leaf.der().to_vec();
                changed[at] ^= 1;
                if let Ok(changed) = Certificate::from_der(&changed) {
                    assert!(world.check(&changed, &[], &[], NOW).is_some(), "byte {at}");
                }
                assert!(Certificate::from_der(&leaf.der()[..at]).is_err());
            }
            let mut changed = leaf.der().to_vec();
            let name = changed.windows(4).position(|part| part == b"leaf").unwrap();
            changed[name] ^= 1;
            let why = world.check(&Certificate::from_der(&changed).unwrap(), &[], &[], NOW);
            assert_eq!(why.unwrap().rule(), "path.signature");
        }
    }

    #[test]
    fn a_maze_of_issuers_costs_a_bounded_amount_of_work() {
        // Every one of these has the same name and claims to be issued by it, each with its own key.
        let random = SeededRandom::new("maze");
        let leaf_key = key(Suite::P256Sha256, "leaf").public_key();
        let name = Name::new("maze");
        let no_id = Profile::Custom(vec![
            Extension::basic_constraints(true, None),
            Extension::key_usage(KEY_CERT_SIGN),
        ]);
        let maze: Vec<Authority<'_>> = (0..12)
            .map(|n| {
                Authority::self_signed(&name, year(), key(Suite::P256Sha256, &format!("{n}")), &random)
                    .unwrap()
            })
            .collect();
        let via: Vec<Certificate> = maze
            .iter()
            .flat_map(|by| maze.iter().map(move |of| (by, of)))
            .map(|(by, of)| {
                let key = of.certificate().public_key().unwrap();
                by.issue(&Request { name: &name, key, validity: year(), profile: no_id.clone() }, &random)
                    .unwrap()
            })
            .collect();
        let request = Request {
            name: &Name::new("leaf"),
            key: leaf_key,
            validity: year(),
            profile: Profile::SealOwner,
        };
        let leaf = maze[0].issue(&request, &random).unwrap();
        let why =
            validate(&leaf, &via, &Anchors::default(), &[], &Terms::strict(NOW, Usage::Any)).unwrap_err();
        assert_eq!(why, PkiError::TooMuchWork(MAX_SIGNATURE_CHECKS));
    }
}
