//! Seals and stamps from end to end: made here, broken on purpose, and made by others.

mod broken;
mod foreign;
mod made;
mod others;
mod pictures;
mod time;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use super::*;
use crate::crypto::{PrivateKey, SeededRandom, Signer, Suite};
use crate::pki::issue::{Authority, Name, Profile, Request, Validity};
use crate::pki::{Anchors, Certificate, Revocation};
use crate::seal::check::{Check, Outcome, SubIndication};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_795_400_000);
const DAY: i64 = 86_400;
const DATA: &[u8] = b"licence-batch/v1\n";
/// A GIF of one pixel, without an image in it.
const DOT: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0;";

/// The same key for the same seed; P-256 keys are random and must be kept.
fn key(suite: Suite, seed: &str) -> &'static PrivateKey {
    type Keys = Mutex<HashMap<(Suite, String), &'static PrivateKey>>;
    static KEYS: LazyLock<Keys> = LazyLock::new(Keys::default);
    let make = || {
        let der = PrivateKey::generate(suite, &SeededRandom::new(seed)).unwrap();
        Box::leak(Box::new(PrivateKey::from_pkcs8(&der).unwrap()))
    };
    let mut keys = KEYS.lock().unwrap();
    keys.entry((suite, seed.to_owned())).or_insert_with(|| make())
}

/// A root, a maker and an owner of a seal, a time stamp authority; everything is valid around [`NOW`].
struct World {
    suite: Suite,
    root: Authority<'static>,
    maker: Certificate,
    owner: Certificate,
    tsa: Certificate,
}

impl World {
    fn new(suite: Suite) -> Self {
        let random = SeededRandom::new("ses");
        let validity = Validity::days(NOW.plus_secs(-DAY), 366);
        let root = Authority::self_signed(&Name::new("根"), validity, key(suite, "root"), &random).unwrap();
        let issue = |seed: &str, profile| {
            let (name, key) = (Name::new(seed), key(suite, seed).public_key());
            root.issue(&Request { name: &name, key, validity, profile }, &random).unwrap()
        };
        let (maker, owner) = (issue("maker", Profile::SealMaker), issue("owner", Profile::SealOwner));
        let tsa = issue("tsa", Profile::TimeStamping);
        Self { suite, maker, owner, tsa, root }
    }

    fn trust(&self) -> Trust {
        Trust {
            anchors: Anchors::new(vec![self.root.certificate().clone()]),
            revocation: Revocation::IfGiven,
            ..Trust::default()
        }
    }

    fn spec(&self) -> SealSpec {
        SealSpec {
            vendor: "licence-node".to_owned(),
            es_id: "12000000000001".to_owned(),
            kind: SealKind::Unit,
            name: "天津市政务服务办公室".to_owned(),
            certs: CertList::Certificates(vec![self.owner.der().to_vec()]),
            created: NOW,
            valid_from: NOW,
            valid_until: NOW.plus_secs(30 * DAY),
            picture: Picture { kind: "GIF".to_owned(), data: DOT.to_vec(), width: 40, height: 40 },
        }
    }

    fn seal(&self, spec: &SealSpec) -> Vec<u8> {
        create(spec, self.maker.der(), key(self.suite, "maker")).unwrap()
    }

    fn stamp(&self, seal: &[u8], time: Timestamp, signer: &str, certificate: &[u8]) -> Vec<u8> {
        let to_sign = to_sign(seal, time, &self.suite.hash(&[DATA]), "licence-batch/v1").unwrap();
        let signature = key(self.suite, signer).sign(&to_sign).unwrap();
        assemble(&to_sign, certificate, self.suite, &signature).unwrap()
    }

    fn good_stamp(&self) -> Vec<u8> {
        self.stamp(&self.seal(&self.spec()), NOW, "owner", self.owner.der())
    }

    fn check(&self, stamp: &[u8]) -> StampVerdict {
        check_stamp(stamp, Protected::Bytes(DATA), &self.trust(), NOW.plus_secs(5))
    }
}

type Found = (&'static str, Outcome, Option<SubIndication>);

fn failed(name: &'static str, sub: SubIndication) -> Vec<Found> {
    vec![(name, Outcome::Failed, Some(sub))]
}

fn open(name: &'static str, sub: SubIndication) -> Vec<Found> {
    vec![(name, Outcome::NotChecked, Some(sub))]
}

/// What a check says for its outcome.
fn reason(checks: &[Check], name: &str) -> String {
    checks.iter().find(|check| check.name == name).unwrap().reason.clone().unwrap_or_default()
}

/// The checks that did not come out well.
fn bad(checks: &[Check]) -> Vec<Found> {
    let not_ok = checks.iter().filter(|check| !check.is_ok());
    not_ok.map(|check| (check.name, check.outcome, check.sub_indication)).collect()
}
