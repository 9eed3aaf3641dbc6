//! Certificates of signers and makers: paths, periods, usage, revocation, keys.

use licence_seal::crypto::Suite;
use licence_seal::pki::issue::{
    Authority, CRL_SIGN, DIGITAL_SIGNATURE, Extension, KEY_CERT_SIGN, Name, Profile, Validity,
};
use licence_seal::pki::{Anchors, Certificate, Crl, Revocation, RevocationReason};
use licence_seal::seal::SubIndication::{
    ChainConstraintsFailure, CryptoConstraintsFailure, Expired, FormatFailure, NoCertificateChainFound,
    NotYetValid, Revoked, RevokedNoPoe, SigConstraintsFailure, TryLater,
};
use licence_seal::seal::{SubIndication, Trust, ses};

use super::der::{self, octets, seq, tlv};
use super::world::{DAY, World, asked_at, issue_by, key, sealed_at, sm2};
use super::{Case, Given, Kind};

const DATA: &[u8] = b"the document";

/// Whose certificate is wrong, and how the report calls it.
#[derive(Clone, Copy)]
enum Who {
    Signer,
    Maker,
}

impl Who {
    fn check(self) -> &'static str {
        match self {
            Self::Signer => "signerCertificate",
            Self::Maker => "sealMakerCertificate",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Signer => "a signer",
            Self::Maker => "a maker",
        }
    }

    /// A sealed OFD, or a seal, with this certificate in its place. The key is that of "owner".
    fn given(self, world: &World, certificate: &[u8]) -> Given {
        match self {
            Self::Signer => {
                let seal = world.seal_with(|seal| seal.list = seq(&[&octets(certificate)]));
                let file = seal.clone();
                Given::ofd(&world.sealed_with(
                    |parts| drop(parts.insert("Doc_0/Signs/Sign_0/Seal.esl".to_owned(), file)),
                    |text| text,
                    |stamp| (stamp.seal, stamp.certificate) = (seal, certificate.to_vec()),
                ))
            }
            Self::Maker => Given::seal(world.seal_with(|seal| {
                seal.certificate = certificate.to_vec();
                seal.signer = sm2("owner");
            })),
        }
    }
}

pub fn cases(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for who in [Who::Signer, Who::Maker] {
        cases.extend(leaves(world, who));
        cases.extend(revocation(world, who));
    }
    cases.extend(authorities(world));
    cases.extend(bytes(world));
    cases
}

/// Certificates of the trusted root that may not do what they are used for.
fn leaves(world: &World, who: Who) -> Vec<Case> {
    let from = sealed_at();
    let custom = |extensions: Vec<Extension>| Profile::Custom(extensions);
    let end = || Extension::basic_constraints(false, None);
    let usage = Extension::key_usage;
    let unknown = Extension { oid: "1.2.3.4.5", critical: true, value: vec![5, 0] };
    let policy = Extension { oid: "2.5.29.36", critical: true, value: seq(&[&tlv(0x80, &[0])]) };
    let constraint = Extension {
        oid: "2.5.29.30",
        critical: true,
        value: seq(&[&tlv(0xa0, &seq(&[&tlv(0x82, b"example.org")]))]),
    };
    let all = World::validity();
    let past = Validity::days(from.plus_secs(-30 * DAY), 20);
    let future = Validity { not_before: asked_at().plus_secs(DAY), not_after: asked_at().plus_secs(9 * DAY) };
    let good = || custom(vec![end(), usage(DIGITAL_SIGNATURE)]);
    let rows: Vec<(&str, Validity, Profile, SubIndication, &str)> = vec![
        ("has run out", past, good(), Expired, "expired"),
        ("does not hold yet", future, good(), NotYetValid, "not valid before"),
        (
            "may sign certificates alone",
            all,
            custom(vec![end(), usage(KEY_CERT_SIGN)]),
            SigConstraintsFailure,
            "may not be used",
        ),
        (
            "may sign lists alone",
            all,
            custom(vec![end(), usage(CRL_SIGN)]),
            SigConstraintsFailure,
            "may not be used",
        ),
        (
            "may encrypt alone",
            all,
            custom(vec![end(), usage(0x20)]),
            SigConstraintsFailure,
            "may not be used",
        ),
        (
            "has a critical extension that nobody knows",
            all,
            custom(vec![end(), usage(DIGITAL_SIGNATURE), unknown]),
            ChainConstraintsFailure,
            "1.2.3.4.5",
        ),
        (
            "constrains names without being an authority",
            all,
            custom(vec![end(), usage(DIGITAL_SIGNATURE), constraint]),
            ChainConstraintsFailure,
            "only authorities",
        ),
    ];
    let mut cases: Vec<Case> = rows
        .into_iter()
        .map(|(name, validity, profile, sub, why)| {
            let certificate = world.issue("owner", validity, profile);
            let given = who.given(world, certificate.der());
            Case::failed(format!("{} whose certificate {name}", who.word()), who.check(), sub, why, given)
        })
        .collect();

    let open = |name: &str, sub, why: &str, given| {
        Case::open(format!("{} {name}", who.word()), who.check(), sub, why, given)
    };
    let good = world.issue("owner", all, Profile::SealOwner);
    let stranger_root = Authority::self_signed(
        &Name::new("示例他人机构"),
        all,
        sm2("other root"),
        &licence_seal::crypto::SeededRandom::new("other"),
    )
    .unwrap();
    let other = issue_by(&stranger_root, "owner", sm2("owner"), all, Profile::SealOwner);
    let own = Authority::self_signed(
        &Name::new("示例 owner"),
        all,
        sm2("owner"),
        &licence_seal::crypto::SeededRandom::new("own"),
    )
    .unwrap();
    let same_name = Authority::self_signed(
        &Name::new("示例证书机构"),
        all,
        sm2("other root"),
        &licence_seal::crypto::SeededRandom::new("same"),
    )
    .unwrap();
    let forged = issue_by(&same_name, "owner", sm2("owner"), all, Profile::SealOwner);
    let limited = world.issue("owner", all, custom(vec![end(), usage(DIGITAL_SIGNATURE), policy]));
    cases.extend([
        open("whose certificate constrains policies", ChainConstraintsFailure, "polic", {
            who.given(world, limited.der())
        }),
        // Nobody vouches for the seal's maker either, who is looked at first.
        Case {
            check: "sealMakerCertificate",
            ..open("whom nobody trusts", NoCertificateChainFound, "no path", {
                who.given(world, good.der()).trusting(Trust::of(Vec::new(), Vec::new()))
            })
        },
        open("of an authority that nobody trusts", NoCertificateChainFound, "no path", {
            who.given(world, other.der())
        }),
        open("of an authority that only bears a trusted name", NoCertificateChainFound, "no path", {
            who.given(world, forged.der())
        }),
        open("who certified itself", NoCertificateChainFound, "no path", {
            who.given(world, own.certificate().der())
        }),
    ]);
    cases
}

/// What the lists say of a certificate.
fn revocation(world: &World, who: Who) -> Vec<Case> {
    let certificate = match who {
        Who::Signer => &world.owner,
        Who::Maker => &world.maker,
    };
    let given = |trust: Trust| match who {
        Who::Signer => Given::ofd(&world.sealed()).trusting(trust),
        Who::Maker => Given::seal(world.seal.clone()).trusting(trust),
    };
    let revoked = |at, reason| world.trust_with(vec![world.crl_with(certificate, at, reason)]);
    let name = |text: &str| format!("{} {text}", who.word());
    let failed =
        |text: &str, sub, why: &str, trust| Case::failed(name(text), who.check(), sub, why, given(trust));
    let open =
        |text: &str, sub, why: &str, trust| Case::open(name(text), who.check(), sub, why, given(trust));
    let before = sealed_at().plus_secs(-60);
    let after = match who {
        Who::Signer => sealed_at().plus_secs(60),
        // A seal alone is judged when it is asked.
        Who::Maker => asked_at().plus_secs(60),
    };
    let from = World::validity().not_before;
    let root = &world.root;
    let forged = |crl: Crl, at: usize| {
        let mut der = crl.der().to_vec();
        let at = der.len() - at;
        der[at] ^= 1;
        Crl::from_der(&der).unwrap()
    };
    // Lists are all issued by one authority: the maker's gap is met first.
    let first = |case: Case| Case { check: "sealMakerCertificate", ..case };
    let mut cases = vec![
        failed(
            "whose certificate was revoked before",
            Revoked,
            "revoked",
            revoked(before, RevocationReason::KeyCompromise),
        ),
        failed(
            "whose certificate was given up before",
            Revoked,
            "revoked",
            revoked(before, RevocationReason::Superseded),
        ),
        failed(
            "whose certificate was on hold",
            Revoked,
            "revoked",
            revoked(before, RevocationReason::CertificateHold),
        ),
        open(
            "whose key was stolen later",
            RevokedNoPoe,
            "not safe",
            revoked(after, RevocationReason::KeyCompromise),
        ),
        open(
            "whose certificate was revoked later for no reason",
            RevokedNoPoe,
            "not safe",
            revoked(after, RevocationReason::Unspecified),
        ),
        first(open(
            "without a revocation list",
            TryLater,
            "no revocation list",
            world.trust_with(Vec::new()),
        )),
        first(open("whose list ran out", TryLater, "ran out", {
            world.trust_with(vec![root.crl(&[], 1, from, sealed_at().plus_secs(-DAY)).unwrap()])
        })),
        first(open("whose list is not out yet", TryLater, "", {
            let list = root.crl(&[], 1, asked_at().plus_secs(DAY), asked_at().plus_secs(2 * DAY)).unwrap();
            world.trust_with(vec![list])
        })),
        first(open("whose list was changed", TryLater, "not signed by it", {
            world.trust_with(vec![forged(world.crl(&[]), 1)])
        })),
    ];
    let other = Authority::new(root_like(world), sm2("other root")).unwrap();
    cases.push(first(open("whose list is by somebody of the same name", TryLater, "", {
        world.trust_with(vec![other.crl(&[], 1, from, asked_at().plus_secs(DAY)).unwrap()])
    })));
    cases
}

/// Another authority under the root's name.
fn root_like(_: &World) -> Certificate {
    let random = licence_seal::crypto::SeededRandom::new("like");
    let name = Name::new("示例证书机构");
    Authority::self_signed(&name, World::validity(), sm2("other root"), &random)
        .unwrap()
        .certificate()
        .clone()
}

/// Authorities between root and signer that may not be there.
fn authorities(world: &World) -> Vec<Case> {
    let all = World::validity();
    let authority = |by: &Authority<'_>, seed: &'static str, validity, profile| {
        Authority::new(issue_by(by, seed, sm2(seed), validity, profile), sm2(seed)).unwrap()
    };
    let ca = |path_len| Profile::Authority { path_len };
    let stamped = |signer: &Certificate, intermediates: Vec<Certificate>| {
        let mut parts = world.stamp_parts(DATA, "data");
        parts.seal = world.seal_with(|seal| seal.list = seq(&[&octets(signer.der())]));
        parts.certificate = signer.der().to_vec();
        let trust = ses::Trust {
            anchors: Anchors::new(vec![world.root.certificate().clone()]),
            intermediates,
            crls: Vec::new(),
            revocation: Revocation::IfGiven,
        };
        Given::new(Kind::StampOn(DATA, Box::new(trust)), parts.build())
    };
    let below =
        |authority: &Authority<'_>| issue_by(authority, "owner", sm2("owner"), all, Profile::SealOwner);
    let under = |name: &str, sub, why: &str, validity, profile| {
        let middle = authority(&world.root, "middle", validity, profile);
        let given = stamped(&below(&middle), vec![middle.certificate().clone()]);
        Case::failed(name, "signerCertificate", sub, why, given)
    };
    let custom = |extensions| Profile::Custom(extensions);
    let basic = Extension::basic_constraints;
    let usage = Extension::key_usage;
    let constraints =
        |subtrees: Vec<u8>| Extension { oid: "2.5.29.30", critical: true, value: seq(&[&subtrees]) };
    let named = |name: &str| {
        let part = seq(&[&der::oid("2.5.4.3"), &der::utf8(name)]);
        tlv(0xa4, &seq(&[&tlv(0x31, &part)]))
    };
    let signs = KEY_CERT_SIGN | CRL_SIGN;
    let past = Validity::days(sealed_at().plus_secs(-30 * DAY), 20);
    let unknown = Extension { oid: "1.2.3.4.5", critical: true, value: vec![5, 0] };
    let mut cases = vec![
        under(
            "an authority that is none",
            ChainConstraintsFailure,
            "no certification authority",
            all,
            Profile::SealOwner,
        ),
        under(
            "an authority without basic constraints",
            ChainConstraintsFailure,
            "no certification authority",
            all,
            custom(vec![usage(signs)]),
        ),
        under(
            "an authority that says no",
            ChainConstraintsFailure,
            "no certification authority",
            all,
            custom(vec![basic(false, None), usage(signs)]),
        ),
        under(
            "an authority that may not sign certificates",
            ChainConstraintsFailure,
            "may not sign certificates",
            all,
            custom(vec![basic(true, None), usage(CRL_SIGN)]),
        ),
        under("an authority that has run out", Expired, "expired", past, ca(None)),
        under(
            "an authority with a critical extension that nobody knows",
            ChainConstraintsFailure,
            "1.2.3.4.5",
            all,
            custom(vec![basic(true, None), usage(signs), unknown]),
        ),
        under(
            "an authority for other names",
            ChainConstraintsFailure,
            "do not permit",
            all,
            custom(vec![basic(true, None), usage(signs), constraints(tlv(0xa0, &seq(&[&named("别的")])))]),
        ),
    ];
    let first = authority(&world.root, "first", all, ca(Some(0)));
    let second = authority(&first, "second", all, ca(None));
    let via = vec![second.certificate().clone(), first.certificate().clone()];
    cases.push(Case::failed(
        "an authority below one that allows none",
        "signerCertificate",
        ChainConstraintsFailure,
        "allows 0 authorities",
        stamped(&below(&second), via),
    ));
    // Longer than any path that is looked at.
    let seeds = ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"];
    let mut chain = vec![authority(&world.root, seeds[0], all, ca(None))];
    for seed in &seeds[1..] {
        let next = authority(chain.last().unwrap(), seed, all, ca(None));
        chain.push(next);
    }
    let via = chain.iter().map(|one| one.certificate().clone()).collect();
    cases.push(Case::open(
        "ten certificates above each other",
        "signerCertificate",
        NoCertificateChainFound,
        "no path",
        stamped(&below(chain.last().unwrap()), via),
    ));
    // Two authorities that certified each other, and nobody else them.
    let [one, two] = ["ring one", "ring two"].map(|seed| {
        let random = licence_seal::crypto::SeededRandom::new(seed);
        let name = Name::new(&format!("示例 {seed}"));
        Authority::self_signed(&name, all, sm2(seed), &random).unwrap()
    });
    let one_by_two = issue_by(&two, "ring one", sm2("ring one"), all, ca(None));
    let two_by_one = issue_by(&one, "ring two", sm2("ring two"), all, ca(None));
    cases.push(Case::open(
        "authorities that certify each other in a ring",
        "signerCertificate",
        NoCertificateChainFound,
        "no path",
        stamped(&below(&one), vec![one_by_two, two_by_one]),
    ));
    cases
}

/// Certificates whose bytes are wrong.
fn bytes(world: &World) -> Vec<Case> {
    let good = world.issue("owner", World::validity(), Profile::SealOwner).der().to_vec();
    let find = |what: &[u8]| good.windows(what.len()).position(|window| window == what).unwrap();
    let point = find(&licence_seal::crypto::Signer::public_key(sm2("owner")).point()[..]);
    let edited = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let curve = find(&der::oid("1.2.156.10197.1.301"));
    let rows: Vec<(&str, Vec<u8>, &str, Option<SubIndication>)> = vec![
        ("is empty", Vec::new(), "", None),
        ("is text", b"-----BEGIN CERTIFICATE-----".to_vec(), "", None),
        ("is cut off", good[..good.len() - 1].to_vec(), "", None),
        ("has a byte more", [&good[..], &[0]].concat(), "", None),
        ("has a length that is indefinite", [&[0x30, 0x80], &good[4..], &[0, 0]].concat(), "", None),
        ("is nested ten thousand deep", der::nested(10_000), "", None),
        ("has a key off the curve", edited(&|bytes| bytes[point + 64] ^= 1), "", None),
        ("has the point at infinity as its key", edited(&|bytes| bytes[point..point + 65].fill(0)), "", None),
        ("has zero as its key", edited(&|bytes| bytes[point + 1..point + 65].fill(0)), "", None),
        ("has a key above the field", edited(&|bytes| bytes[point + 1..point + 65].fill(0xff)), "", None),
        ("has a compressed key", edited(&|bytes| bytes[point] = 2), "", None),
        (
            "has a curve that nobody knows",
            edited(&|bytes| bytes[curve + 9] ^= 1),
            "",
            Some(CryptoConstraintsFailure),
        ),
    ];
    let mut cases = Vec::new();
    for who in [Who::Signer, Who::Maker] {
        for (name, bytes, why, sub) in &rows {
            let name = format!("{} whose certificate {name}", who.word());
            let given = who.given(world, bytes);
            let readable = Certificate::from_der(bytes).is_ok_and(|found| found.public_key().is_err());
            // What can be read, but has no key that can be used, fails where the key is needed.
            let check = match who {
                Who::Signer => ["stampSignature", "signerCertificate"],
                Who::Maker => ["sealMakerSignature", "sealMakerCertificate"],
            };
            let (check, sub) = match (readable, sub) {
                (true, _) => (check[0], CryptoConstraintsFailure),
                (false, Some(sub)) => (check[1], *sub),
                (false, None) => (check[1], FormatFailure),
            };
            cases.push(Case::failed(name, check, sub, *why, given));
        }
    }
    // A key of the other suite under the same name.
    let other = key(Suite::P256Sha256, "owner");
    let certificate = issue_by(&world.root, "owner", other, World::validity(), Profile::SealOwner);
    let given = Who::Signer.given(world, certificate.der());
    cases.push(Case::failed(
        "a signer with a key of the other suite",
        "stampSignature",
        CryptoConstraintsFailure,
        "with a key of",
        given,
    ));
    cases
}
