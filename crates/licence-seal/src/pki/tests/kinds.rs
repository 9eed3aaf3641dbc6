//! Which kinds of keys and signatures vouch for anything, and which never do.

use super::cases::Setup;
use super::forge::{KINDS, Key, Keys, Who, algorithm, oid};
use crate::crypto::Suite;
use crate::pki::asn1::{bit_string, integer, sequence};

const NULL: &[u8] = &[5, 0];

/// The rule that refuses a chain under `root`, with whatever `change` does to it.
fn outcome(root: Option<Key>, change: impl FnOnce(&mut Setup)) -> Option<&'static str> {
    let keys = Keys::of_suite(Suite::P256Sha256);
    let keys = match root {
        Some(root) => keys.with_root("another root", root),
        None => keys,
    };
    let mut setup = Setup::new(&keys);
    change(&mut setup);
    setup.run(&keys).err().map(|why| why.rule())
}

#[test]
fn a_chain_may_mix_kinds() {
    assert_eq!(outcome(Some(Key::p384()), |_| ()), None);
    assert_eq!(outcome(Some(Key::rsa(2048, "mixed")), |_| ()), None);
    assert_eq!(outcome(Some(Key::of_suite(Suite::Sm2Sm3, "mixed")), |_| ()), None);
}

#[test]
fn weak_and_unknown_kinds_vouch_for_nothing() {
    let unsupported = Some("path.algorithm");
    assert_eq!(outcome(Some(Key::rsa(1024, "weak")), |_| ()), unsupported);
    for dotted in [
        "1.2.840.113549.1.1.4",   // MD5 with RSA
        "1.2.840.113549.1.1.5",   // SHA-1 with RSA
        "1.2.840.10045.4.1",      // ECDSA with SHA-1
        "2.16.840.1.101.3.4.3.2", // DSA with SHA-256
        "1.2.840.113549.1.1.14",  // SHA-224 with RSA
        "1.3.101.112",            // Ed25519
    ] {
        for parameters in [&[], NULL] {
            let algorithm = algorithm(dotted, parameters);
            let rule = outcome(None, |s| s.leaf.algorithms = Some((algorithm.clone(), algorithm)));
            assert_eq!(rule, unsupported, "{dotted}");
        }
    }
}

#[test]
fn a_key_is_of_a_known_kind_also_in_a_leaf() {
    let point: Vec<u8> = [4].into_iter().chain([1; 64]).collect();
    let spki =
        |curve: &[u8], point: &[u8]| sequence(&[&algorithm("1.2.840.10045.2.1", curve), &bit_string(point)]);
    let rsa = |modulus: &[u8], exponent: u64| {
        let modulus = crate::pki::asn1::unsigned(modulus);
        let key = sequence(&[&modulus, &integer(exponent)]);
        sequence(&[&algorithm("1.2.840.113549.1.1.1", NULL), &bit_string(&key)])
    };
    let mut long = [0xff_u8; 256];
    long[0] = 0x7f;
    for (what, key) in [
        ("P-192", spki(&oid("1.2.840.10045.3.1.1"), &[&[4], [1; 48].as_slice()].concat())),
        ("secp256k1", spki(&oid("1.3.132.0.10"), &point)),
        ("a curve by its parameters", spki(&sequence(&[&integer(1)]), &point)),
        ("no curve", spki(&[], &point)),
        ("a compressed point", spki(&oid("1.2.840.10045.3.1.7"), &[&[2], [1; 32].as_slice()].concat())),
        ("a point off the curve of SM2", spki(&oid("1.2.156.10197.1.301"), &point)),
        ("RSA of 2047 bits", rsa(&long, 65537)),
        ("RSA with an even exponent", rsa(&[0xff; 256], 65536)),
        ("RSA with the exponent one", rsa(&[0xff; 256], 1)),
        ("RSA of 1024 bits", rsa(&[0xff; 128], 65537)),
        ("DSA", sequence(&[&algorithm("1.2.840.10040.4.1", &[]), &bit_string(&integer(5))])),
    ] {
        assert_eq!(outcome(None, |s| s.leaf.spki = Some(key)), Some("path.algorithm"), "{what}");
    }
}

#[test]
fn parameters_of_an_algorithm_are_as_it_has_them() {
    for (keys, dotted, null) in
        [(&KINDS[0], "1.2.156.10197.1.501", None), (&KINDS[1], "1.2.840.10045.4.3.2", Some("path.algorithm"))]
    {
        let mut setup = Setup::new(keys);
        let algorithm = algorithm(dotted, NULL);
        setup.leaf.algorithms = Some((algorithm.clone(), algorithm));
        assert_eq!(setup.run(keys).err().map(|why| why.rule()), null, "{dotted}");
    }
    let keys = &KINDS[2];
    let mut setup = Setup::new(keys);
    let absent = algorithm("1.2.840.113549.1.1.11", &[]);
    setup.leaf.algorithms = Some((absent.clone(), absent));
    assert_eq!(setup.run(keys).unwrap_err().rule(), "path.algorithm");
}

#[test]
fn another_kind_of_algorithm_than_the_issuers_key_verifies_nothing() {
    let claims = algorithm("1.2.156.10197.1.501", &[]);
    let rule = outcome(None, |s| s.leaf.algorithms = Some((claims.clone(), claims)));
    assert_eq!(rule, Some("path.signature"));
    let rule = outcome(None, |s| s.leaf.by = Who::Leaf);
    assert_eq!(rule, Some("path.signature"));
}
