//! Messages made here, made by hand, and made by others.

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::known::*;
use super::*;
use crate::crypto::Suite;
use crate::crypto::{PrivateKey, SeededRandom, Signer, pem_encode};
use crate::pki::Revocation;
use crate::pki::Usage;
use crate::pki::asn1::{self, INTEGER, OCTET_STRING, SET, explicit, integer, sequence, tlv};
use crate::pki::issue::{Authority, Name, Profile, Request, Validity};
use crate::pki::{Anchors, Certificate, Terms};
use crate::time::Timestamp;

pub(in crate::pki) const NOW: Timestamp = Timestamp::from_secs(1_795_400_000);
const CONTENT: &[u8] = b"<ofd:Signature/>";

pub(in crate::pki) struct World {
    pub suite: Suite,
    pub key: PrivateKey,
    pub root_key: PrivateKey,
    pub root: Certificate,
    pub signer: Certificate,
}

impl World {
    pub fn new(suite: Suite, profile: Profile) -> Self {
        let random = SeededRandom::new("cms");
        let key = |seed| {
            PrivateKey::from_pkcs8(&PrivateKey::generate(suite, &SeededRandom::new(seed)).unwrap()).unwrap()
        };
        let (root_key, key) = (key("root"), key("signer"));
        let validity = Validity::days(NOW.plus_secs(-86_400), 3650);
        let root = Authority::self_signed(&Name::new("root"), validity, &root_key, &random).unwrap();
        let request = Request { name: &Name::new("signer"), key: key.public_key(), validity, profile };
        let signer = root.issue(&request, &random).unwrap();
        let root = root.certificate().clone();
        Self { suite, key, root_key, root, signer }
    }

    /// Another certificate for the signer's key.
    pub fn reissued(&self, profile: Profile) -> Certificate {
        let root = Authority::new(self.root.clone(), &self.root_key).unwrap();
        let validity = Validity::days(NOW.plus_secs(-86_400), 10);
        let request = Request { name: &Name::new("signer"), key: self.key.public_key(), validity, profile };
        root.issue(&request, &SeededRandom::new("again")).unwrap()
    }

    fn sign(&self, form: Form, detached: bool) -> Vec<u8> {
        let content_type = if form == Form::Cms { DATA } else { GM_DATA };
        let draft = Draft { form, content_type, content: CONTENT, detached, signing_time: Some(NOW) };
        sign(&draft, &self.signer, &self.key).unwrap()
    }
}

#[test]
fn a_message_made_here_verifies_in_either_form() {
    for suite in Suite::ALL {
        let world = World::new(suite, Profile::SealOwner);
        for form in [Form::Cms, Form::GbT35275] {
            let detached = world.sign(form, true);
            let verified = verify_detached(&detached, CONTENT, &[]).unwrap();
            assert_eq!(verified.signer, world.signer);
            assert_eq!(verified.signing_time, Some(NOW));
            assert_eq!(verify_detached(&detached, b"other", &[]), Err(CmsError::Digest));
            assert_eq!(verify_attached(&detached, &[]), Err(CmsError::NoContent));
            let attached = world.sign(form, false);
            let (_, content) = verify_attached(&attached, &[]).unwrap();
            assert_eq!(content, CONTENT);
            verify_detached(&attached, CONTENT, &[]).unwrap();
            assert_eq!(verify_detached(&attached, b"other", &[]), Err(CmsError::OtherContent));

            let anchors = Anchors::new(vec![world.root.clone()]);
            let terms = Terms::strict(NOW, Usage::Sign);
            let chain = |terms| verified.chain(&[], &anchors, &[], &terms).map(|chain| chain.len());
            assert_eq!(chain(terms.without_required_revocation()), Ok(2));
            assert_eq!(terms.revocation, Revocation::Required);
            assert_eq!(chain(terms).unwrap_err().rule(), "path.revocationUnknown");
            let nobody = verified.chain(&[], &Anchors::default(), &[], &terms);
            assert_eq!(nobody.unwrap_err().rule(), "path.noPath");
        }
    }
}

#[test]
fn the_key_must_be_the_certificates() {
    let world = World::new(Suite::P256Sha256, Profile::SealOwner);
    let draft =
        Draft { form: Form::Cms, content_type: DATA, content: b"", detached: true, signing_time: None };
    assert_eq!(sign(&draft, &world.root, &world.key).unwrap_err().rule(), "cms.unwritable");
}

#[test]
fn no_changed_byte_makes_a_message_say_something_else() {
    for suite in Suite::ALL {
        let world = World::new(suite, Profile::SealOwner);
        let message = world.sign(Form::GbT35275, false);
        let honest = verify_attached(&message, &[]).unwrap();
        let mut refused = 0;
        for at in 0..message.len() {
            let mut changed = message.clone();
            changed[at] ^= 1 << (at % 8);
            match verify_attached(&changed, &[]) {
                Ok(found) => assert_eq!(found, honest, "{suite} byte {at}"),
                Err(_) => refused += 1,
            }
            assert!(SignedData::from_der(&message[..at]).is_err());
        }
        // Only the versions are under nothing.
        assert!(refused >= message.len() - 8, "{refused} of {}", message.len());
        let longer = [message.as_slice(), &[0]].concat();
        assert_eq!(SignedData::from_der(&longer).unwrap_err().rule(), "cms.der");
    }
}

/// A message put together by hand; as made by [`Hand::new`] it verifies, without signed attributes.
struct Hand<'w> {
    world: &'w World,
    kind: &'static str,
    version: u64,
    announced: Vec<&'static str>,
    content_type: &'static str,
    content: &'static [u8],
    certificates: Vec<Vec<u8>>,
    signers: usize,
    /// DER of the signer's identifier.
    id: Vec<u8>,
    hash: &'static str,
    algorithm: &'static str,
    /// Identifiers and values (DER) of the signed attributes.
    attributes: Option<Vec<(&'static str, Vec<u8>)>>,
    /// What is signed in the place of the content.
    signs: Option<Vec<u8>>,
}

impl<'w> Hand<'w> {
    fn new(world: &'w World) -> Self {
        let (suite, signer) = (world.suite, &world.signer);
        Self {
            world,
            kind: SIGNED_DATA,
            version: 1,
            announced: vec![suite.hash_oid()],
            content_type: DATA,
            content: CONTENT,
            certificates: vec![signer.der().to_vec()],
            signers: 1,
            id: sequence(&[signer.issuer_der(), &tlv(INTEGER, &[signer.serial()])]),
            hash: suite.hash_oid(),
            algorithm: suite.signature_oid(),
            attributes: None,
            signs: None,
        }
    }

    /// With the attributes that must be there.
    fn attributed(world: &'w World) -> Self {
        let digest = tlv(OCTET_STRING, &[&world.suite.hash(&[CONTENT])]);
        let attributes = vec![(CONTENT_TYPE, oid(DATA)), (MESSAGE_DIGEST, digest)];
        Self { attributes: Some(attributes), ..Self::new(world) }
    }

    fn with(mut self, kind: &'static str, value: Vec<u8>) -> Self {
        self.attributes.get_or_insert_default().push((kind, value));
        self
    }

    fn without(mut self, kind: &'static str) -> Self {
        self.attributes.get_or_insert_default().retain(|entry| entry.0 != kind);
        self
    }

    fn message(&self) -> Vec<u8> {
        let algorithm = |dotted| sequence(&[&oid(dotted), &[5, 0]]);
        let attributes: Option<Vec<u8>> = self.attributes.as_ref().map(|entries| {
            entries.iter().flat_map(|(kind, value)| sequence(&[&oid(kind), &tlv(SET, &[value])])).collect()
        });
        let signed = match (&self.signs, &attributes) {
            (Some(signed), _) => signed.clone(),
            (None, Some(attributes)) => tlv(SET, &[attributes]),
            (None, None) => self.content.to_vec(),
        };
        let signature = self.world.key.sign(&signed).unwrap();
        let signer = sequence(&[
            &integer(if self.id[0] == 0x80 { 3 } else { 1 }),
            &self.id,
            &algorithm(self.hash),
            &attributes.map_or_else(Vec::new, |attributes| tlv(explicit(0), &[&attributes])),
            &algorithm(self.algorithm),
            &tlv(OCTET_STRING, &[&signature.to_der()]),
            // Unsigned attributes are passed over.
            &tlv(explicit(1), &[&sequence(&[&oid("1.2.3"), &tlv(SET, &[])])]),
        ]);
        let announced: Vec<u8> = self.announced.iter().flat_map(|dotted| algorithm(dotted)).collect();
        let signed_data = sequence(&[
            &integer(self.version),
            &tlv(SET, &[&announced]),
            &sequence(&[&oid(self.content_type), &tlv(explicit(0), &[&tlv(OCTET_STRING, &[self.content])])]),
            &tlv(explicit(0), &[&self.certificates.concat()]),
            &tlv(explicit(1), &[]),
            &tlv(SET, &[&signer.repeat(self.signers)]),
        ]);
        sequence(&[&oid(self.kind), &tlv(explicit(0), &[&signed_data])])
    }

    fn rule(&self) -> &'static str {
        verify_detached(&self.message(), CONTENT, &[]).map_or_else(|why| why.rule(), |_| "good")
    }
}

fn oid(dotted: &str) -> Vec<u8> {
    asn1::oid(dotted).unwrap()
}

#[test]
fn what_others_write_is_read() {
    for suite in Suite::ALL {
        let world = World::new(suite, Profile::SealOwner);
        let by_key = tlv(0x80, &[world.signer.subject_key_id().unwrap()]);
        let strange = vec![sequence(&[b"x"]), tlv(explicit(3), &[]), world.signer.der().to_vec()];
        for good in [
            Hand::new(&world),
            Hand::attributed(&world),
            Hand { kind: GM_SIGNED_DATA, content_type: GM_DATA, ..Hand::new(&world) },
            Hand { id: by_key, version: 3, ..Hand::attributed(&world) },
            Hand { certificates: strange, ..Hand::attributed(&world) },
            Hand { announced: vec!["1.3.14.3.2.26", suite.hash_oid()], ..Hand::new(&world) },
            Hand::attributed(&world).with("1.2.3.4", integer(7)),
            Hand::attributed(&world)
                .with(SIGNING_CERTIFICATE, named(&crate::crypto::sha1(world.signer.der()))),
        ] {
            assert_eq!(good.rule(), "good");
        }
        let alone = Hand { certificates: Vec::new(), ..Hand::attributed(&world) };
        assert_eq!(alone.rule(), "cms.signerCertificate");
        verify_detached(&alone.message(), CONTENT, std::slice::from_ref(&world.signer)).unwrap();
    }
    let world = World::new(Suite::Sm2Sm3, Profile::SealOwner);
    for algorithm in ["1.2.156.10197.1.301.1", "1.2.156.10197.1.301"] {
        assert_eq!(Hand { algorithm, ..Hand::attributed(&world) }.rule(), "good");
    }
}

/// A signing-certificate attribute with one entry.
fn named(digest: &[u8]) -> Vec<u8> {
    sequence(&[&sequence(&[&sequence(&[&tlv(OCTET_STRING, &[digest])])])])
}

#[test]
fn each_rule_of_a_message_is_kept() {
    for suite in Suite::ALL {
        let world = World::new(suite, Profile::SealOwner);
        let other = Suite::ALL.into_iter().find(|other| *other != suite).unwrap();
        let hand = || Hand::attributed(&world);
        let digest = |bytes: &[u8]| tlv(OCTET_STRING, &[&suite.hash(&[bytes])]);
        let two = [oid(DATA), oid(DATA)].concat();
        let time = asn1::certificate_time(NOW);
        for (bad, rule) in [
            (Hand { kind: DATA, ..hand() }, "cms.type"),
            (Hand { version: 2, ..hand() }, "cms.version"),
            (Hand { signers: 0, ..hand() }, "cms.signers"),
            (Hand { signers: 2, ..hand() }, "cms.signers"),
            (Hand { announced: Vec::new(), ..hand() }, "cms.digestAlgorithms"),
            (Hand { certificates: vec![world.root.der().to_vec()], ..hand() }, "cms.signerCertificate"),
            (Hand { content: b"other", ..hand() }, "cms.otherContent"),
            (hand().without(MESSAGE_DIGEST).with(MESSAGE_DIGEST, digest(b"other")), "cms.digest"),
            (hand().without(MESSAGE_DIGEST), "cms.attribute"),
            (hand().with(MESSAGE_DIGEST, digest(CONTENT)), "cms.attribute"),
            (hand().without(CONTENT_TYPE), "cms.attribute"),
            (hand().without(CONTENT_TYPE).with(CONTENT_TYPE, two), "cms.attribute"),
            (hand().without(CONTENT_TYPE).with(CONTENT_TYPE, oid("1.2.3")), "cms.contentType"),
            (Hand { content_type: "1.2.3", ..hand() }, "cms.contentType"),
            (Hand { content_type: "1.2.3", ..Hand::new(&world) }, "cms.attribute"),
            (hand().with(SIGNING_CERTIFICATE_V2, named(&[0; 32])), "cms.signingCertificate"),
            (hand().with(SIGNING_CERTIFICATE, named(&[0; 20])), "cms.signingCertificate"),
            (hand().with(SIGNING_CERTIFICATE, integer(1)), "cms.der"),
            (hand().with(SIGNING_TIME, integer(1)), "cms.der"),
            (hand().with(SIGNING_TIME, time.clone()).with(SIGNING_TIME, time.clone()), "cms.attribute"),
            (Hand { algorithm: other.signature_oid(), ..hand() }, "cms.mixed"),
            (Hand { algorithm: "1.2.840.113549.1.1.4", ..hand() }, "cms.algorithm"),
            (Hand { hash: "1.3.14.3.2.26", announced: vec!["1.3.14.3.2.26"], ..hand() }, "cms.algorithm"),
            (Hand { signs: Some(b"other".to_vec()), ..hand() }, "cms.signature"),
            (Hand { signs: Some(b"other".to_vec()), ..Hand::new(&world) }, "cms.signature"),
        ] {
            assert_eq!(bad.rule(), rule);
        }
        let indefinite = [&[0x30, 0x80], &hand().message()[4..], &[0, 0]].concat();
        assert_eq!(SignedData::from_der(&indefinite), Err(CmsError::Indefinite));
        assert_eq!(SignedData::from_der(&vec![0x30; MAX_LEN + 1]), Err(CmsError::TooLong(MAX_LEN)));
        let crowd = Hand { certificates: vec![vec![0x30, 0]; MAX_CERTIFICATES + 1], ..hand() };
        assert_eq!(crowd.rule(), "cms.der");
    }
}

#[test]
fn signed_attributes_cannot_be_passed_off_as_content() {
    let world = World::new(Suite::P256Sha256, Profile::SealOwner);
    let digest = world.suite.hash(&[CONTENT]);
    let entry = |kind, value: Vec<u8>| sequence(&[&oid(kind), &tlv(SET, &[&value])]);
    let attributes =
        tlv(SET, &[&entry(CONTENT_TYPE, oid(DATA)), &entry(MESSAGE_DIGEST, tlv(OCTET_STRING, &[&digest]))]);
    let content: &'static [u8] = Box::leak(attributes.into_boxed_slice());
    let hand = Hand { content, ..Hand::new(&world) };
    assert_eq!(verify_attached(&hand.message(), &[]), Err(CmsError::AttributesAsContent));
}

#[test]
fn a_certificate_that_the_signer_did_not_name_is_not_taken() {
    let world = World::new(Suite::Sm2Sm3, Profile::SealOwner);
    let other = world.reissued(Profile::SealOwner);
    let hash = sequence(&[&oid(world.suite.hash_oid())]);
    let digest = tlv(OCTET_STRING, &[&world.suite.hash(&[world.signer.der()])]);
    let entry = sequence(&[&hash, &digest]);
    let honest = Hand::attributed(&world).with(SIGNING_CERTIFICATE_V2, sequence(&[&sequence(&[&entry])]));
    assert_eq!(honest.rule(), "good");
    let swapped = Hand {
        id: sequence(&[other.issuer_der(), &tlv(INTEGER, &[other.serial()])]),
        certificates: vec![other.der().to_vec()],
        ..honest
    };
    assert_eq!(swapped.rule(), "cms.signingCertificate");
}

/// Whether openssl is here; says so if not.
pub(in crate::pki) fn has_openssl() -> bool {
    let here = Command::new("openssl").arg("version").output().is_ok();
    if !here {
        println!("skipped: openssl is not here");
    }
    here
}

/// Runs openssl in `dir`; the arguments are split at spaces.
pub(in crate::pki) fn openssl(dir: &Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(dir).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn openssl_and_this_room_read_each_others_messages() {
    if !has_openssl() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let read = |name: &str| std::fs::read(at.join(name)).unwrap();
    openssl(at, "ecparam -name prime256v1 -genkey -noout -out key.pem");
    openssl(at, "req -new -x509 -key key.pem -subj /CN=signer -days 30 -out signer.pem");
    std::fs::write(at.join("content"), CONTENT).unwrap();
    let made = "cms -sign -in content -binary -signer signer.pem -inkey key.pem -outform DER";
    for (options, detached) in [("", true), (" -noattr", true), (" -nodetach", false), (" -keyid", true)] {
        openssl(at, &format!("{made} -out message{options}"));
        let message = read("message");
        let verified = verify_detached(&message, CONTENT, &[]).unwrap();
        assert_eq!(verified.signer.common_name(), Some("signer"), "{options}");
        assert_eq!(SignedData::from_der(&message).unwrap().content.is_none(), detached);
        assert!(verify_detached(&message, b"other", &[]).is_err());
    }
    openssl(at, &format!("{made} -stream -nodetach -out message"));
    assert_eq!(SignedData::from_der(&read("message")), Err(CmsError::Indefinite));

    let world = World::new(Suite::P256Sha256, Profile::SealOwner);
    let root = pem_encode("CERTIFICATE", world.root.der()).unwrap();
    std::fs::write(at.join("root.pem"), root).unwrap();
    std::fs::write(at.join("ours"), world.sign(Form::Cms, true)).unwrap();
    let verify = "cms -verify -inform DER -in ours -binary -content content -CAfile root.pem -purpose any";
    openssl(at, &format!("{verify} -attime {} -out out", NOW.secs()));
    assert_eq!(read("out"), CONTENT);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_never_verify(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(verify_detached(&bytes, b"content", &[]).is_err());
    }

    #[test]
    fn arbitrary_damage_never_panics_and_never_verifies_other_content(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        static MADE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let message =
            MADE.get_or_init(|| World::new(Suite::P256Sha256, Profile::SealOwner).sign(Form::Cms, false));
        let mut changed = message.clone();
        for (place, byte) in changes {
            let place = place.index(changed.len());
            changed[place] = byte;
        }
        if let Ok((_, content)) = verify_attached(&changed, &[]) {
            prop_assert_eq!(content, CONTENT);
        }
    }
}
