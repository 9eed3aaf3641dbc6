//! Paths of both suites, as the small authority issues them.

use crate::crypto::{PrivateKey, PublicKey, SeededRandom, Signer, Suite};
use crate::pki::issue::{
    self, Authority, DIGITAL_SIGNATURE, Extension, KEY_CERT_SIGN, Name, Profile, Request, Validity,
};
use crate::pki::{
    Anchors, Certificate, Crl, MAX_SIGNATURE_CHECKS, PkiError, Revocation, RevocationReason, Terms, Usage,
    validate,
};
use crate::time::Timestamp;

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
        let terms = Terms { at, now, revocation: Revocation::IfGiven, usage: Usage::Sign, proved: false };
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
    let leaf =
        world.issue(&world.root, "leaf", key(Suite::P256Sha256, "leaf").public_key(), Profile::NodeSigning);
    assert_eq!(world.check(&leaf, &[], &[], NOW), None);
    assert_eq!(leaf.signature_oid(), Suite::Sm2Sm3.signature_oid());
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
fn an_anchor_needs_no_list_but_one_that_revokes_it_counts() {
    let world = World::new(Suite::Sm2Sm3);
    let leaf = world.leaf(&world.root);
    let entry = issue::Revocation { certificate: &leaf, at: NOW, reason: RevocationReason::KeyCompromise };
    let list = [world.root.crl(&[entry], 7, NOW, NOW.plus_secs(DAY)).unwrap()];
    let alone = Anchors::new(vec![leaf.clone()]);
    let both = Anchors::new(vec![leaf.clone(), world.root.certificate().clone()]);
    let rule = |anchors, crls| {
        let terms = Terms::strict(NOW.plus_secs(1), Usage::Sign);
        validate(&leaf, &[], anchors, crls, &terms).err().map(|why| why.rule())
    };
    assert_eq!(rule(&alone, &[]), None);
    assert_eq!(rule(&both, &[]), None);
    assert_eq!(rule(&both, &list), Some("path.revoked"));
    // Nobody known signed the list.
    assert_eq!(rule(&alone, &list), None);
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
            (vec![constraints(true, None), Extension::key_usage(DIGITAL_SIGNATURE)], "path.keyUsage"),
            (vec![constraints(true, None), signs.clone(), unknown], "path.criticalExtension"),
            (vec![constraints(true, None), signs.clone(), named], "path.nameConstraintsUnsupported"),
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
    let no_id =
        Profile::Custom(vec![Extension::basic_constraints(true, None), Extension::key_usage(KEY_CERT_SIGN)]);
    let maze: Vec<Authority<'_>> = (0..12)
        .map(|n| {
            Authority::self_signed(&name, year(), key(Suite::P256Sha256, &format!("{n}")), &random).unwrap()
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
    let request =
        Request { name: &Name::new("leaf"), key: leaf_key, validity: year(), profile: Profile::SealOwner };
    let leaf = maze[0].issue(&request, &random).unwrap();
    let why = validate(&leaf, &via, &Anchors::default(), &[], &Terms::strict(NOW, Usage::Any)).unwrap_err();
    assert_eq!(why, PkiError::TooMuchWork(MAX_SIGNATURE_CHECKS));
}
