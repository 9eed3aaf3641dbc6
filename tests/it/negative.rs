//! The negative corpus: hostile and broken files, each refused for its own reason.
//!
//! Nothing is stored: every case is made from a file that passes, by changing the one thing that its
//! name says, often by writers of the tests' own, since the product's would refuse. A case names the
//! one check that must not be ok. It passes only if that check is the first of the report that is not
//! ok (but for those that were not reached because of it), with the outcome, the word and the reason that the case expects, and the file is not passed.
//!
//! | module | what is hostile |
//! |---|---|
//! | `archive` | the ZIP |
//! | `parts` | XML, paths, structure |
//! | `references` | what a signature of an OFD covers |
//! | `signatures` | lists and descriptions of signatures, plain signatures |
//! | `seals`, `stamps` | DER, lists, periods, signature values |
//! | `times` | time stamps, and signed messages |
//! | `certificates` | paths and revocation |
//! | `licences` | sealed licences and their status |
//! | `flips` | every byte of a sealed OFD |
//! | `random` | changes of all of them, at random |

mod archive;
mod certificates;
mod der;
mod flips;
mod licences;
mod parts;
mod random;
mod references;
mod seals;
mod signatures;
mod stamps;
mod times;
mod world;
mod zips;

use licence_seal::ofd::{Limits, verify_ofd};
use licence_seal::seal::report::page;
use licence_seal::seal::ses::{self, Protected, check_stamp};
use licence_seal::seal::{
    Ask, Check, Indication, Outcome, SubIndication, Trust, Voice, conclude, verify_licence, verify_seal,
    verify_stamp,
};
use licence_seal::time::Timestamp;

use world::{Entries, World, asked_at, pack};

/// What is verified, and under what trust.
pub struct Given {
    kind: Kind,
    bytes: Vec<u8>,
    /// Without it the world's own.
    trust: Option<Trust>,
    at: Timestamp,
}

enum Kind {
    Ofd,
    Seal,
    /// A stamp whose document is not at hand.
    Stamp,
    Licence,
    /// A stamp beside its document, with intermediates, which a trust folder does not hold.
    StampOn(&'static [u8], Box<ses::Trust>),
}

impl Given {
    fn new(kind: Kind, bytes: Vec<u8>) -> Self {
        Self { kind, bytes, trust: None, at: asked_at() }
    }

    fn ofd(entries: &Entries) -> Self {
        Self::file(pack(entries))
    }

    fn file(bytes: Vec<u8>) -> Self {
        Self::new(Kind::Ofd, bytes)
    }

    fn seal(bytes: Vec<u8>) -> Self {
        Self::new(Kind::Seal, bytes)
    }

    fn stamp(bytes: Vec<u8>) -> Self {
        Self::new(Kind::Stamp, bytes)
    }

    fn licence(bytes: Vec<u8>) -> Self {
        Self::new(Kind::Licence, bytes)
    }

    fn trusting(self, trust: Trust) -> Self {
        Self { trust: Some(trust), ..self }
    }

    fn at(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }

    /// All checks in their order, and the verdict.
    fn verify(&self, world: &World) -> (Vec<Check>, Indication) {
        let ask = Ask { at: self.at, seal_only: false, catalogue: None };
        let made;
        let trust = match (&self.trust, &self.kind) {
            (Some(trust), _) => trust,
            (None, Kind::Licence) => {
                made = world.licence_trust(&world.list(World::records()[0].issuer_code.as_str()));
                &made
            }
            (None, _) => {
                made = world.trust();
                &made
            }
        };
        let report = match &self.kind {
            Kind::Ofd => verify_ofd("x.ofd", &self.bytes, trust, &ask, &Limits::default()),
            Kind::Seal => verify_seal("x.esl", &self.bytes, trust, &ask),
            Kind::Stamp => verify_stamp("x.dat", &self.bytes, trust, &ask),
            Kind::Licence => verify_licence("x.licence.json", &self.bytes, trust, &ask),
            Kind::StampOn(data, trust) => {
                let verdict = check_stamp(&self.bytes, Protected::Bytes(data), trust, self.at);
                let indication = conclude(&verdict.checks).0;
                return (verdict.checks, indication);
            }
        };
        // What the report is made into must hold for anything.
        assert!(!report.to_text().is_empty() && !page(&report).is_empty());
        (report.checks().cloned().collect(), report.verdict.indication)
    }
}

/// One case.
pub struct Case {
    name: String,
    given: Given,
    check: &'static str,
    outcome: Outcome,
    sub: SubIndication,
    /// Words of the reason.
    why: String,
}

impl Case {
    fn failed(
        name: impl Into<String>,
        check: &'static str,
        sub: SubIndication,
        why: impl Into<String>,
        given: Given,
    ) -> Self {
        Self { name: name.into(), given, check, outcome: Outcome::Failed, sub, why: why.into() }
    }

    fn open(
        name: impl Into<String>,
        check: &'static str,
        sub: SubIndication,
        why: impl Into<String>,
        given: Given,
    ) -> Self {
        Self { outcome: Outcome::NotChecked, ..Self::failed(name, check, sub, why, given) }
    }

    /// What is wrong with how it came out.
    fn wrong(&self, world: &World) -> Option<String> {
        let (checks, verdict) = self.given.verify(world);
        // What was not reached for want of something else has no word of its own.
        let tells = |check: &&Check| !check.is_ok() && check.sub_indication.is_some();
        let Some(first) = checks.iter().find(tells) else {
            return Some(format!("\"{}\": passed every check", self.name));
        };
        let reason = first.reason.as_deref().unwrap_or_default();
        let found = (first.name, first.outcome, first.sub_indication);
        let right = found == (self.check, self.outcome, Some(self.sub))
            && reason.contains(&self.why)
            && verdict != Indication::TotalPassed;
        (!right).then(|| {
            let wanted = (self.check, self.outcome, self.sub, &self.why);
            format!("\"{}\": wanted {wanted:?}, found {found:?} \"{reason}\", {verdict:?}", self.name)
        })
    }
}

fn run(cases: &[Case]) {
    let world = World::shared();
    let wrong: Vec<String> = cases.iter().filter_map(|case| case.wrong(world)).collect();
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn the_files_that_the_cases_start_from_pass() {
    let world = World::shared();
    let licence = world.licence();
    for (name, given) in [
        ("sealed", Given::ofd(&world.sealed())),
        ("signed twice", Given::ofd(&world.signed_twice())),
        ("seal", Given::seal(world.seal.clone())),
        ("attestation seal", Given::seal(world.attestation_seal.clone())),
        ("licence", Given::licence(licence.to_bytes().unwrap())),
        ("attested", {
            let licence = world.bare_licence(Voice::Attestation, "batch");
            let status = Some(world.say(&world.statement(&licence)));
            let licence = licence_seal::seal::SealedLicence { status, ..licence };
            Given::licence(licence.to_bytes().unwrap())
        }),
        ("licence as OFD", {
            let trust = world.licence_trust(&world.list(World::records()[0].issuer_code.as_str()));
            Given::file(world.licence_ofd(&licence)).trusting(trust)
        }),
    ] {
        let (checks, verdict) = given.verify(world);
        let bad: Vec<&Check> = checks.iter().filter(|check| !check.is_ok()).collect();
        assert!(bad.is_empty() && verdict == Indication::TotalPassed, "{name}: {bad:#?}");
    }
    // A stamp alone lacks its document, and nothing else.
    let stamp = world.stamp_parts(b"data", "data").build();
    let (checks, _) = Given::stamp(stamp).verify(world);
    let bad: Vec<&str> = checks.iter().filter(|check| !check.is_ok()).map(|check| check.name).collect();
    assert_eq!(bad, ["dataHash"]);
}

#[test]
fn the_corpus_is_large_and_no_case_stands_twice() {
    let all = all();
    let count: usize = all.iter().map(|(_, cases)| cases.len()).sum();
    for (name, cases) in &all {
        println!("{name}: {} cases", cases.len());
    }
    println!("negative corpus: {count} cases");
    assert!(count >= 150);
    let mut names = std::collections::BTreeSet::new();
    for case in all.iter().flat_map(|(_, cases)| *cases) {
        assert!(names.insert(&case.name), "{}", case.name);
    }
}

macro_rules! corpus {
    ($($test:ident: $module:ident;)*) => {
        /// The cases of each module, made once.
        #[allow(non_upper_case_globals)]
        mod made {
            use std::sync::LazyLock;

            use super::{Case, World};

            $(pub static $module: LazyLock<Vec<Case>> = LazyLock::new(|| super::$module::cases(World::shared()));)*
        }

        fn all() -> Vec<(&'static str, &'static [Case])> {
            vec![$((stringify!($module), made::$module.as_slice())),*]
        }

        $(
            #[test]
            fn $test() {
                run(&made::$module);
            }
        )*
    };
}

corpus! {
    a_hostile_zip_is_refused_for_its_own_reason: archive;
    hostile_parts_are_refused_for_their_own_reason: parts;
    what_a_signature_does_not_cover_is_found: references;
    hostile_descriptions_of_signatures_are_refused_for_their_own_reason: signatures;
    hostile_seals_are_refused_for_their_own_reason: seals;
    hostile_stamps_are_refused_for_their_own_reason: stamps;
    time_stamps_and_messages_that_prove_nothing_are_refused: times;
    hostile_certificates_are_refused_for_their_own_reason: certificates;
    hostile_licences_are_refused_for_their_own_reason: licences;
}
