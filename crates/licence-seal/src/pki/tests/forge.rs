//! Certificates and lists as no honest authority makes them: every field can be set, left out or
//! broken, and keys of every kind sign.

use std::sync::LazyLock;

use ring::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rsa::pkcs8::EncodePublicKey;
use rsa::signature::{SignatureEncoding, Signer as _};

use crate::crypto::testing::RsaRandom;
use crate::crypto::{PrivateKey, SeededRandom, Signer, Suite, sha256};
use crate::pki::asn1::{
    self, BOOLEAN, OCTET_STRING, PRINTABLE_STRING, SET, UTF8_STRING, bit_string, certificate_time, explicit,
    integer, sequence, tlv,
};
use crate::time::Timestamp;

pub const NOW: Timestamp = Timestamp::from_secs(1_795_400_000);
pub const DAY: i64 = 86_400;

pub const SUBJECT_KEY_ID: &str = "2.5.29.14";
pub const KEY_USAGE: &str = "2.5.29.15";
pub const ALTERNATIVE_NAMES: &str = "2.5.29.17";
pub const BASIC_CONSTRAINTS: &str = "2.5.29.19";
pub const CRL_NUMBER: &str = "2.5.29.20";
pub const NAME_CONSTRAINTS: &str = "2.5.29.30";
pub const DISTRIBUTION_POINTS: &str = "2.5.29.31";
pub const AUTHORITY_KEY_ID: &str = "2.5.29.35";
pub const POLICY_CONSTRAINTS: &str = "2.5.29.36";
pub const PURPOSES: &str = "2.5.29.37";
pub const ISSUING_POINT: &str = "2.5.29.28";

pub fn oid(dotted: &str) -> Vec<u8> {
    asn1::oid(dotted).unwrap()
}

/// An AlgorithmIdentifier with `parameters` as they come.
pub fn algorithm(dotted: &str, parameters: &[u8]) -> Vec<u8> {
    sequence(&[&oid(dotted), parameters])
}

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// A key of any kind, with the algorithm that it signs by.
pub struct Key {
    pub spki: Vec<u8>,
    pub algorithm: Vec<u8>,
    sign: Sign,
}

impl Key {
    pub fn of_suite(suite: Suite, seed: &str) -> Self {
        let der = PrivateKey::generate(suite, &SeededRandom::new(seed)).unwrap();
        let key = PrivateKey::from_pkcs8(&der).unwrap();
        Self {
            spki: key.public_key().to_spki(),
            algorithm: algorithm(suite.signature_oid(), &[]),
            sign: Box::new(move |message| key.sign(message).unwrap().to_der()),
        }
    }

    pub fn p384() -> Self {
        let random = ring::rand::SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, der.as_ref(), &random).unwrap();
        let curve = algorithm("1.2.840.10045.2.1", &oid("1.3.132.0.34"));
        Self {
            spki: sequence(&[&curve, &bit_string(key.public_key().as_ref())]),
            algorithm: algorithm("1.2.840.10045.4.3.3", &[]),
            sign: Box::new(move |message| key.sign(&random, message).unwrap().as_ref().to_vec()),
        }
    }

    pub fn rsa(bits: usize, seed: &str) -> Self {
        let key = rsa::PrivateKey::new(&mut RsaRandom(SeededRandom::new(seed)), bits).unwrap();
        let spki = key.to_public_key().to_public_key_der().unwrap().as_bytes().to_vec();
        let signer = rsa::pkcs1v15::SigningKey::<rsa::sha2::Sha256>::new(key);
        Self {
            spki,
            algorithm: algorithm("1.2.840.113549.1.1.11", &[5, 0]),
            sign: Box::new(move |message| signer.sign(message).to_vec()),
        }
    }

    fn id(&self) -> Vec<u8> {
        sha256(&[&self.spki]).into_iter().take(20).collect()
    }
}

/// Whose key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Root,
    Middle,
    Leaf,
    Stranger,
}

/// The keys of one kind of chain.
pub struct Keys {
    pub name: &'static str,
    root: Key,
    middle: Key,
    leaf: Key,
    stranger: Key,
}

impl Keys {
    pub fn of_suite(suite: Suite) -> Self {
        let key = |seed| Key::of_suite(suite, seed);
        Self {
            name: suite.name(),
            root: key("root"),
            middle: key("middle"),
            leaf: key("leaf"),
            stranger: key("stranger"),
        }
    }

    pub fn rsa() -> Self {
        Self {
            name: "rsa",
            root: Key::rsa(2048, "root"),
            middle: Key::rsa(2048, "middle"),
            leaf: Key::of_suite(Suite::P256Sha256, "leaf"),
            stranger: Key::rsa(2048, "stranger"),
        }
    }

    pub fn of(&self, who: Who) -> &Key {
        match who {
            Who::Root => &self.root,
            Who::Middle => &self.middle,
            Who::Leaf => &self.leaf,
            Who::Stranger => &self.stranger,
        }
    }

    /// The same, with another root.
    pub fn with_root(self, name: &'static str, root: Key) -> Self {
        Self { name, root, ..self }
    }
}

pub static KINDS: LazyLock<[Keys; 3]> =
    LazyLock::new(|| [Keys::of_suite(Suite::Sm2Sm3), Keys::of_suite(Suite::P256Sha256), Keys::rsa()]);

/// A Name of country CN, an organisation, and a common name.
pub fn name(common: &str) -> Vec<u8> {
    name_of(&[
        ("2.5.4.6", PRINTABLE_STRING, b"CN"),
        ("2.5.4.10", UTF8_STRING, "示例机关".as_bytes()),
        ("2.5.4.3", UTF8_STRING, common.as_bytes()),
    ])
}

pub fn name_of(parts: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let parts: Vec<Vec<u8>> = parts
        .iter()
        .map(|(attribute, tag, value)| tlv(SET, &[&sequence(&[&oid(attribute), &tlv(*tag, &[value])])]))
        .collect();
    sequence(&[&parts.concat()])
}

#[derive(Clone)]
struct Extension {
    oid: &'static str,
    critical: bool,
    value: Vec<u8>,
}

#[derive(Clone, Default)]
pub struct Extensions(Vec<Extension>);

impl Extensions {
    /// Sets the extension, in the place of another of its kind.
    pub fn set(&mut self, oid: &'static str, critical: bool, value: &[u8]) {
        self.remove(oid);
        self.add(oid, critical, value);
    }

    /// Adds it, even beside another of its kind.
    pub fn add(&mut self, oid: &'static str, critical: bool, value: &[u8]) {
        self.0.push(Extension { oid, critical, value: value.to_vec() });
    }

    pub fn remove(&mut self, oid: &str) {
        self.0.retain(|one| one.oid != oid);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn der(&self) -> Vec<u8> {
        let one = |extension: &Extension| {
            let critical = if extension.critical { tlv(BOOLEAN, &[&[0xff]]) } else { Vec::new() };
            sequence(&[&oid(extension.oid), &critical, &tlv(OCTET_STRING, &[&extension.value])])
        };
        self.0.iter().flat_map(one).collect()
    }

    /// SEQUENCE of all under an explicit tag; nothing if there are none.
    fn tagged(&self, tag: u8) -> Vec<u8> {
        if self.0.is_empty() { Vec::new() } else { tlv(explicit(tag), &[&sequence(&[&self.der()])]) }
    }
}

/// A certificate to be.
#[derive(Clone)]
pub struct Spec {
    pub version: u64,
    pub serial: Vec<u8>,
    /// The signed algorithm and the outer one, where they are not the signer's.
    pub algorithms: Option<(Vec<u8>, Vec<u8>)>,
    pub issuer: Vec<u8>,
    pub subject: Vec<u8>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub key: Who,
    /// In the place of that key.
    pub spki: Option<Vec<u8>>,
    pub by: Who,
    pub extensions: Extensions,
    /// What is done to the signature.
    pub spoil: fn(&mut Vec<u8>),
    /// What is done to the whole.
    pub mangle: fn(&mut Vec<u8>),
}

impl Spec {
    /// Valid for a year around [`NOW`].
    fn new(keys: &Keys, (subject, key): (&str, Who), (issuer, by): (&str, Who)) -> Self {
        let mut extensions = Extensions::default();
        extensions.set(SUBJECT_KEY_ID, false, &tlv(OCTET_STRING, &[&keys.of(key).id()]));
        extensions.set(AUTHORITY_KEY_ID, false, &sequence(&[&tlv(0x80, &[&keys.of(by).id()])]));
        Self {
            version: 2,
            serial: vec![0x40, key as u8 + 1],
            algorithms: None,
            issuer: name(issuer),
            subject: name(subject),
            not_before: NOW.plus_secs(-180 * DAY),
            not_after: NOW.plus_secs(180 * DAY),
            key,
            spki: None,
            by,
            extensions,
            spoil: |_| (),
            mangle: |_| (),
        }
    }

    pub fn authority(keys: &Keys, subject: (&str, Who), issuer: (&str, Who)) -> Self {
        let mut spec = Self::new(keys, subject, issuer);
        spec.constraints(true, None);
        spec.usage(0x06);
        spec
    }

    pub fn end_entity(keys: &Keys, subject: (&str, Who), issuer: (&str, Who)) -> Self {
        let mut spec = Self::new(keys, subject, issuer);
        spec.constraints(false, None);
        spec.usage(0xc0);
        spec
    }

    pub fn constraints(&mut self, ca: bool, path_len: Option<u64>) {
        let ca = if ca { tlv(BOOLEAN, &[&[0xff]]) } else { Vec::new() };
        let path_len = path_len.map(integer).unwrap_or_default();
        self.extensions.set(BASIC_CONSTRAINTS, true, &sequence(&[&ca, &path_len]));
    }

    /// First octet of keyUsage.
    pub fn usage(&mut self, bits: u8) {
        let unused = u8::try_from(bits.trailing_zeros()).unwrap() & 7;
        self.extensions.set(KEY_USAGE, true, &tlv(asn1::BIT_STRING, &[&[unused, bits]]));
    }

    pub fn purposes(&mut self, oids: &[&str]) {
        let oids: Vec<u8> = oids.iter().flat_map(|one| oid(one)).collect();
        self.extensions.set(PURPOSES, false, &sequence(&[&oids]));
    }

    /// Alternative names, each a tag and its content.
    pub fn names(&mut self, names: &[(u8, &[u8])]) {
        self.extensions.set(ALTERNATIVE_NAMES, false, &general_names(names));
    }

    pub fn permit(&mut self, names: &[(u8, &[u8])]) {
        self.extensions.set(NAME_CONSTRAINTS, true, &sequence(&[&subtrees(0, names)]));
    }

    pub fn exclude(&mut self, names: &[(u8, &[u8])]) {
        self.extensions.set(NAME_CONSTRAINTS, true, &sequence(&[&subtrees(1, names)]));
    }

    pub fn der(&self, keys: &Keys) -> Vec<u8> {
        let by = keys.of(self.by);
        let own = || (by.algorithm.clone(), by.algorithm.clone());
        let (inner, outer) = self.algorithms.clone().unwrap_or_else(own);
        let version =
            if self.version == 0 { Vec::new() } else { tlv(explicit(0), &[&integer(self.version)]) };
        let tbs = sequence(&[
            &version,
            &tlv(asn1::INTEGER, &[&self.serial]),
            &inner,
            &self.issuer,
            &sequence(&[&certificate_time(self.not_before), &certificate_time(self.not_after)]),
            &self.subject,
            self.spki.as_ref().unwrap_or(&keys.of(self.key).spki),
            &self.extensions.tagged(3),
        ]);
        let mut signature = (by.sign)(&tbs);
        (self.spoil)(&mut signature);
        let mut der = sequence(&[&tbs, &outer, &bit_string(&signature)]);
        (self.mangle)(&mut der);
        der
    }
}

pub fn general_names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let names: Vec<u8> = names.iter().flat_map(|(tag, content)| tlv(*tag, &[content])).collect();
    sequence(&[&names])
}

/// `permittedSubtrees` (0) or `excludedSubtrees` (1).
pub fn subtrees(tag: u8, names: &[(u8, &[u8])]) -> Vec<u8> {
    let subtrees: Vec<u8> =
        names.iter().flat_map(|(tag, content)| sequence(&[&tlv(*tag, &[content])])).collect();
    tlv(explicit(tag), &[&subtrees])
}

/// A DistributionPointName with one URI, under its tag.
pub fn point(uri: &str) -> Vec<u8> {
    tlv(0xa0, &[&tlv(0xa0, &[&tlv(0x86, &[uri.as_bytes()])])])
}

/// One entry of a list: serial number, moment, extensions.
#[derive(Clone)]
pub struct Entry {
    pub serial: Vec<u8>,
    pub at: Timestamp,
    pub extensions: Extensions,
}

impl Entry {
    pub fn of(spec: &Spec, at: Timestamp, reason: u8) -> Self {
        let mut extensions = Extensions::default();
        extensions.set("2.5.29.21", false, &tlv(asn1::ENUMERATED, &[&[reason]]));
        Self { serial: spec.serial.clone(), at, extensions }
    }
}

/// A revocation list to be.
#[derive(Clone)]
pub struct List {
    pub version: Option<u64>,
    pub issuer: Vec<u8>,
    pub by: Who,
    pub this_update: Timestamp,
    pub next_update: Option<Timestamp>,
    pub entries: Vec<Entry>,
    pub extensions: Extensions,
    pub spoil: fn(&mut Vec<u8>),
}

impl List {
    /// Empty, complete, of yesterday, for two days.
    pub fn new(issuer: &str, by: Who) -> Self {
        let mut extensions = Extensions::default();
        extensions.set(CRL_NUMBER, false, &integer(7));
        Self {
            version: Some(1),
            issuer: name(issuer),
            by,
            this_update: NOW.plus_secs(-DAY),
            next_update: Some(NOW.plus_secs(DAY)),
            entries: Vec::new(),
            extensions,
            spoil: |_| (),
        }
    }

    /// Limits the list: `parts` are the content of issuingDistributionPoint.
    pub fn scope(&mut self, parts: &[&[u8]]) {
        self.extensions.set(ISSUING_POINT, true, &sequence(parts));
    }

    pub fn der(&self, keys: &Keys) -> Vec<u8> {
        let by = keys.of(self.by);
        let entry = |entry: &Entry| {
            let extensions = entry.extensions.der();
            let extensions = if extensions.is_empty() { extensions } else { sequence(&[&extensions]) };
            sequence(&[&tlv(asn1::INTEGER, &[&entry.serial]), &certificate_time(entry.at), &extensions])
        };
        let entries: Vec<u8> = self.entries.iter().flat_map(entry).collect();
        let entries = if entries.is_empty() { entries } else { sequence(&[&entries]) };
        let tbs = sequence(&[
            &self.version.map(integer).unwrap_or_default(),
            &by.algorithm,
            &self.issuer,
            &certificate_time(self.this_update),
            &self.next_update.map(certificate_time).unwrap_or_default(),
            &entries,
            &self.extensions.tagged(0),
        ]);
        let mut signature = (by.sign)(&tbs);
        (self.spoil)(&mut signature);
        sequence(&[&tbs, &by.algorithm, &bit_string(&signature)])
    }
}
