//! Tokens made here, made by hand, and made by others.

use proptest::prelude::*;

use super::super::cms::tests::{NOW, World, has_openssl, openssl};
use super::super::issue::{Extension, Profile};
use super::super::{Anchors, Revocation, Terms, Usage};
use super::make::SAMPLE_POLICY;
use super::*;
use crate::crypto::pem_encode;
use crate::pki::asn1::{UTF8_STRING, generalized_time, integer, sequence, tlv};
use crate::pki::cms::{self, Draft, Form};

const STAMPED: &[u8] = b"the value of a signature";

fn world(suite: Suite) -> World {
    World::new(suite, Profile::TimeStamping)
}

fn token(world: &World) -> Vec<u8> {
    make(&Imprint::of(world.suite, STAMPED), NOW, &[0x81, 2], &world.signer, &world.key).unwrap()
}

fn response(status: u64, token: &[u8]) -> Vec<u8> {
    let text = sequence(&[&tlv(UTF8_STRING, &[b"said"])]);
    sequence(&[&sequence(&[&integer(status), &text]), token])
}

#[test]
fn a_token_made_here_proves_its_moment() {
    for suite in Suite::ALL {
        let world = world(suite);
        let der = token(&world);
        for der in [der.clone(), response(0, &der), response(1, &der)] {
            let token = Token::from_der(&der).unwrap();
            assert_eq!((token.time, token.accuracy_ms), (NOW, Some(1000)));
            assert_eq!((token.serial.as_slice(), token.policy.as_str()), (&[0, 0x81, 2][..], SAMPLE_POLICY));
            let verified = token.verify(STAMPED, &[]).unwrap();
            assert_eq!(verified.signer, world.signer);
            let anchors = Anchors::new(vec![world.root.clone()]);
            let revocation = Revocation::IfGiven;
            let terms = Terms { at: token.time, now: NOW, revocation, usage: Usage::Sign, proved: false };
            assert_eq!(verified.chain(&[], &anchors, &[], &terms).unwrap().len(), 2);
            assert_eq!(token.verify(b"other", &[]), Err(TimestampError::Imprint));
        }
        let refused = Token::from_der(&response(2, &der)).unwrap_err();
        assert_eq!(refused, TimestampError::NotGranted(2));
        assert!(Token::from_der(&response(0, &[])).is_err());
    }
}

#[test]
fn no_changed_byte_makes_a_token_say_another_time() {
    for suite in Suite::ALL {
        let world = world(suite);
        let honest = token(&world);
        for at in 0..honest.len() {
            let mut changed = honest.clone();
            changed[at] ^= 1 << (at % 8);
            if let Ok(token) = Token::from_der(&changed)
                && let Ok(verified) = token.verify(STAMPED, &[])
            {
                assert_eq!((token.time, verified.signer), (NOW, world.signer.clone()), "byte {at}");
            }
            assert!(Token::from_der(&honest[..at]).is_err());
        }
    }
}

/// A token whose content is put together by hand.
fn by_hand(world: &World, content_type: &str, content: &[u8]) -> Vec<u8> {
    let draft = Draft { form: Form::GbT35275, content_type, content, detached: false, signing_time: None };
    cms::sign(&draft, &world.signer, &world.key).unwrap()
}

/// The parts of a `TSTInfo` up to the time.
fn start(version: u64, hash: &str, digest: &[u8]) -> Vec<u8> {
    let hash = sequence(&[&asn1::oid(hash).unwrap(), &[5, 0]]);
    let imprint = sequence(&[&hash, &tlv(OCTET_STRING, &[digest])]);
    [integer(version), asn1::oid(SAMPLE_POLICY).unwrap(), imprint, integer(7)].concat()
}

#[test]
fn each_rule_of_a_token_is_kept() {
    for suite in Suite::ALL {
        let world = world(suite);
        let digest = suite.hash(&[STAMPED]);
        let good = start(1, suite.hash_oid(), &digest);
        let time = generalized_time(NOW);
        let at = |text: &str| tlv(GENERALIZED_TIME, &[text.as_bytes()]);
        let extension = |critical: &[u8]| {
            let oid = asn1::oid("1.2.3").unwrap();
            tlv(explicit(1), &[&sequence(&[&oid, critical, &tlv(OCTET_STRING, &[])])])
        };
        let rule = |parts: &[&[u8]]| {
            let token = Token::from_der(&by_hand(&world, TST_INFO, &sequence(parts)));
            token.and_then(|token| token.verify(STAMPED, &[])).map_or_else(|why| why.rule(), |_| "good")
        };
        let all = [
            sequence(&[&tlv(MICROS, &[&[1]])]),
            tlv(BOOLEAN, &[&[0xff]]),
            integer(99),
            tlv(explicit(0), &[&tlv(explicit(4), &[world.signer.subject_der()])]),
            extension(&[]),
        ]
        .concat();
        assert_eq!(rule(&[&good, &time, &all]), "good");
        assert_eq!(rule(&[&good, &time]), "good");
        assert_eq!(rule(&[&good, &at("20261123021320.123456Z")]), "good");
        for (parts, expected) in [
            ([start(2, suite.hash_oid(), &digest), time.clone(), vec![]], "timestamp.version"),
            ([start(1, "1.3.14.3.2.26", &[0; 20]), time.clone(), vec![]], "timestamp.imprintAlgorithm"),
            ([start(1, suite.hash_oid(), &[0; 32]), time.clone(), vec![]], "timestamp.imprint"),
            ([start(1, suite.hash_oid(), &digest[..31]), time.clone(), vec![]], "timestamp.imprint"),
            ([good.clone(), at("20261123101320+0800"), vec![]], "timestamp.der"),
            ([good.clone(), at("20261323101320Z"), vec![]], "timestamp.der"),
            ([good.clone(), vec![], vec![]], "timestamp.der"),
            ([good.clone(), time.clone(), extension(&[1, 1, 0xff])], "timestamp.criticalExtension"),
            ([good.clone(), time.clone(), vec![4, 0]], "timestamp.der"),
        ] {
            assert_eq!(rule(&[&parts.concat()]), expected);
        }
        let data = by_hand(&world, cms::DATA, &sequence(&[&good, &time]));
        assert_eq!(Token::from_der(&data).unwrap_err().rule(), "timestamp.type");
    }
}

#[test]
fn a_fraction_and_an_accuracy_are_read() {
    let world = world(Suite::P256Sha256);
    let start = start(1, world.suite.hash_oid(), &world.suite.hash(&[STAMPED]));
    let time = tlv(GENERALIZED_TIME, &[b"20261123021320.5Z"]);
    let accuracy = sequence(&[&integer(2), &tlv(MILLIS, &[&[3]]), &tlv(MICROS, &[&[1]])]);
    let token = Token::from_der(&by_hand(&world, TST_INFO, &sequence(&[&start, &time, &accuracy]))).unwrap();
    assert_eq!((token.time.millis() - NOW.millis(), token.accuracy_ms), (500, Some(2004)));
}

#[test]
fn a_certificate_for_anything_else_stamps_no_time() {
    for suite in Suite::ALL {
        let oids = |oids: &[&str]| {
            let oids: Vec<u8> = oids.iter().flat_map(|oid| asn1::oid(oid).unwrap()).collect();
            sequence(&[&oids])
        };
        let purposes =
            |critical, value| Profile::Custom(vec![Extension { oid: "2.5.29.37", critical, value }]);
        let (stamping, signing) = ("1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.3");
        for (profile, good) in [
            (purposes(true, oids(&[stamping])), true),
            (purposes(false, oids(&[stamping])), false),
            (purposes(true, oids(&[stamping, signing])), false),
            (purposes(true, oids(&[stamping, "1.2.3"])), false),
            (purposes(true, oids(&["2.5.29.37.0"])), false),
            (Profile::SealOwner, false),
        ] {
            let world = World::new(suite, profile);
            let verified = Token::from_der(&token(&world)).unwrap().verify(STAMPED, &[]);
            assert_eq!(verified.map_or_else(|why| why.rule() != "timestamp.purpose", |_| true), good);
        }
    }
}

const CONFIGURATION: &str = "[tsa]
default_tsa = t
[t]
dir = .
serial = ./serial
crypto_device = builtin
signer_cert = ./tsa.pem
signer_key = ./key.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1, millisecs:500
clock_precision_digits = 3
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = ALG
";

#[test]
fn openssl_and_this_room_read_each_others_tokens() {
    if !has_openssl() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let write = |name: &str, bytes: &[u8]| std::fs::write(at.join(name), bytes).unwrap();
    let read = |name: &str| std::fs::read(at.join(name)).unwrap();
    write("stamped", STAMPED);
    openssl(at, "ts -query -data stamped -sha256 -cert -out query");
    let certificate = "req -new -x509 -key key.pem -subj /CN=tsa -days 30 -out tsa.pem";
    let [curve, rsa] = ["ecparam -name prime256v1 -genkey -noout -out key.pem", "genrsa -out key.pem 2048"];
    for (key, algorithm) in [(curve, "sha256"), (curve, "sha1"), (rsa, "sha256")] {
        openssl(at, key);
        openssl(at, &format!("{certificate} -addext extendedKeyUsage=critical,timeStamping"));
        write("conf", CONFIGURATION.replace("ALG", algorithm).as_bytes());
        openssl(at, "ts -reply -queryfile query -config conf -out response");
        openssl(at, "ts -reply -queryfile query -config conf -token_out -out token");
        for name in ["response", "token"] {
            let token = Token::from_der(&read(name)).unwrap();
            assert_eq!(token.accuracy_ms, Some(1500));
            let verified = token.verify(STAMPED, &[]).unwrap();
            assert_eq!(verified.signer.common_name(), Some("tsa"), "{name} {algorithm}");
            assert_eq!(token.verify(b"other", &[]), Err(TimestampError::Imprint));
        }
    }

    let world = world(Suite::P256Sha256);
    write("root.pem", pem_encode("CERTIFICATE", world.root.der()).unwrap().as_bytes());
    write("ours", &token(&world));
    let verify = "ts -verify -data stamped -in ours -token_in -CAfile root.pem";
    openssl(at, &format!("{verify} -attime {}", NOW.secs()));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_never_prove(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let proved = Token::from_der(&bytes).and_then(|token| token.verify(STAMPED, &[]));
        prop_assert!(proved.is_err());
    }

    #[test]
    fn arbitrary_content_never_panics(content in proptest::collection::vec(any::<u8>(), 0..120)) {
        static MADE: std::sync::OnceLock<World> = std::sync::OnceLock::new();
        let world = MADE.get_or_init(|| world(Suite::P256Sha256));
        for content in [content.clone(), sequence(&[&content])] {
            let token = Token::from_der(&by_hand(world, TST_INFO, &content));
            prop_assert!(token.and_then(|token| token.verify(STAMPED, &[])).is_err());
        }
    }
}
