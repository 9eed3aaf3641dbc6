//! Signatures added: what they cover, that earlier ones live on, and what is refused.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Mark, Place, Signing, sign};
use crate::crypto::{PublicKey, Signature as Raw, Signer, Suite};
use crate::ofd::signature::{self, CheckMethod, Kind, Signature};
use crate::ofd::testing::{Office, kind, now, one_of_each};
use crate::ofd::{Document, Limits, Package, WriteError, licence_ofd};
use crate::pki::issue::Validity;
use crate::seal::Outcome;
use crate::seal::ses::{Protected, Stamp, Trust, check_stamp};

/// A file of several pages that nobody signed, as another maker might write it: no prefix, relative
/// places, white space, no `Signatures`.
fn foreign(pages: usize) -> Vec<u8> {
    let page = |n: usize| format!("<Page ID='{}' BaseLoc='P/{n}.xml'/>", n + 10);
    let mut entries = vec![
        (
            "OFD.xml".to_owned(),
            "<?xml version='1.0'?>\n<OFD xmlns='http://www.ofdspec.org/2016'>\n <DocBody><DocRoot>d/Document.xml</DocRoot>\n </DocBody>\n</OFD>"
                .to_owned(),
        ),
        (
            "d/Document.xml".to_owned(),
            format!(
                "<Document><CommonData><PageArea><PhysicalBox>0 0 100 200</PhysicalBox></PageArea></CommonData><Pages>{}</Pages></Document>",
                (0..pages).map(page).collect::<String>()
            ),
        ),
    ];
    entries.extend((0..pages).map(|n| (format!("d/P/{n}.xml"), "<Page/>".to_owned())));
    crate::ofd::write::pack(entries.iter().map(|(name, text)| (name.as_str(), text.as_bytes()))).unwrap()
}

fn licence() -> (Office, Vec<u8>) {
    let office = Office::new("signing");
    let record = one_of_each().remove(0);
    let sealed = office.sealed(&record, &|_| true);
    let file = licence_ofd(&sealed, kind(&record), now().day()).unwrap().file;
    (office, file)
}

fn open(file: &[u8]) -> (Package, Document) {
    let package = Package::open(file, &Limits::default()).unwrap();
    let document = package.documents().unwrap().remove(0);
    (package, document)
}

/// Every signature with the entries that it covers, after its digests and its value were found right.
fn good(file: &[u8], key: &PublicKey) -> Vec<(Kind, Signature, BTreeSet<String>)> {
    let (package, document) = open(file);
    let listed = signature::list(&package, &document).unwrap();
    listed
        .into_iter()
        .map(|listed| {
            let signature = Signature::read(&package, &listed.entry).unwrap();
            assert_eq!(signature.check_method, CheckMethod::Known(Suite::Sm2Sm3));
            assert_eq!(signature.claimed_time(), Some(now()));
            let covered = signature.references.iter().map(|reference| {
                let entry = package.resolve(&listed.entry, &reference.file).unwrap().to_owned();
                let digest = Suite::Sm2Sm3.hash(&[package.get(&entry).unwrap()]).to_vec();
                assert_eq!(reference.digest.as_ref(), Some(&digest), "{entry}");
                entry
            });
            let covered = covered.collect();
            let value = package.resolve(&listed.entry, &signature.signed_value).unwrap();
            let (value, signed) = (package.get(value).unwrap(), package.get(&listed.entry).unwrap());
            match listed.kind {
                Kind::Sign => key.verify(signed, &Raw::from_der(value).unwrap()).unwrap(),
                Kind::Seal => {
                    let verdict = check_stamp(value, Protected::Bytes(signed), &Trust::default(), now());
                    let failed: Vec<_> =
                        verdict.checks.iter().filter(|check| check.outcome == Outcome::Failed).collect();
                    assert!(failed.is_empty(), "{failed:?}");
                    let stamp = verdict.stamp.unwrap();
                    assert_eq!(stamp.property, format!("/{}", listed.entry));
                    let seal = package.resolve(&listed.entry, signature.seal.as_deref().unwrap()).unwrap();
                    assert_eq!(package.get(seal).unwrap(), stamp.seal.der);
                }
            }
            (listed.kind, signature, covered)
        })
        .collect()
}

#[test]
fn a_signature_covers_all_but_itself_and_the_list() {
    let (office, file) = licence();
    let sealed = office.stamp(&file, Place::LowerRight { page: 1 }).unwrap();
    let (package, _) = open(&sealed);
    let [(_, signature, covered)] = &good(&sealed, office.key.public_key())[..] else { panic!() };
    let bare: Vec<&str> = package.names().filter(|name| !covered.contains(*name)).collect();
    assert_eq!(
        bare,
        [
            "Doc_0/Signs/Sign_0/Signature.xml",
            "Doc_0/Signs/Sign_0/SignedValue.dat",
            "Doc_0/Signs/Signatures.xml"
        ]
    );
    assert_eq!(signature.stamps.len(), 1);
    assert_eq!(signature.stamps[0].boundary, Some([150.0, 237.0, 40.0, 40.0]));
}

#[test]
fn signatures_follow_one_another_until_one_locks_the_list() {
    let (office, file) = licence();
    let one = office.stamp(&file, Place::LowerRight { page: 1 }).unwrap();
    let two = sign(&one, &office.signing(Mark::Plain), &Limits::default()).unwrap();
    let third = Signing { lock: true, ..office.stamping(Place::At { page: 1, x: 10.0, y: 20.0 }) };
    let three = sign(&two, &third, &Limits::default()).unwrap();
    let all = good(&three, office.key.public_key());
    assert_eq!(all.iter().map(|one| one.0).collect::<Vec<_>>(), [Kind::Seal, Kind::Sign, Kind::Seal]);
    let covers = |at: usize, name: &str| all[at].2.contains(name);
    assert!(covers(1, "Doc_0/Signs/Sign_0/SignedValue.dat") && covers(2, "Doc_0/Signs/Sign_1/Signature.xml"));
    assert!(!covers(1, "Doc_0/Signs/Signatures.xml") && covers(2, "Doc_0/Signs/Signatures.xml"));
    let ids: Vec<&str> =
        all.iter().flat_map(|one| one.1.stamps.iter().map(|stamp| stamp.id.as_str())).collect();
    assert_eq!(ids, ["s002", "s005"]);
    let after = office.stamp(&three, Place::LowerRight { page: 1 });
    assert!(matches!(after, Err(WriteError::Locked(id)) if id == "s004"));
}

#[test]
fn a_foreign_file_keeps_its_entries_and_its_own_way_of_writing() {
    let office = Office::new("foreign");
    let file = foreign(2);
    let sealed = office
        .stamp(
            &file,
            Place::Within {
                page: 2,
                area: crate::licence::MmBox { x: 10.0, y: 20.0, width: 60.0, height: 80.0 },
            },
        )
        .unwrap();
    let again = office.stamp(&sealed, Place::At { page: 1, x: 0.0, y: 0.0 }).unwrap();
    assert_eq!(good(&again, office.key.public_key()).len(), 2);
    let ((before, _), (after, document)) = (open(&file), open(&again));
    for name in before.names().filter(|name| *name != "OFD.xml") {
        assert_eq!(before.get(name), after.get(name), "{name}");
    }
    let root = std::str::from_utf8(after.get("OFD.xml").unwrap()).unwrap();
    assert!(
        root.contains("</DocRoot><Signatures>/d/Signs/Signatures.xml</Signatures>\n </DocBody>"),
        "{root}"
    );
    assert_eq!(document.signatures.as_deref(), Some("d/Signs/Signatures.xml"));
    let [(_, first, _), _] = &good(&again, office.key.public_key())[..] else { panic!() };
    assert_eq!(
        (first.stamps[0].page.as_str(), first.stamps[0].boundary),
        ("11", Some([20.0, 40.0, 40.0, 40.0]))
    );
}

#[test]
fn a_straddling_seal_is_one_signature_with_a_slice_on_each_page() {
    let office = Office::new("straddle");
    let sealed = office.stamp(&foreign(5), Place::Straddle).unwrap();
    let [(_, signature, _)] = &good(&sealed, office.key.public_key())[..] else { panic!() };
    let slices: Vec<_> =
        signature.stamps.iter().map(|stamp| (stamp.page.as_str(), stamp.boundary, stamp.clip)).collect();
    assert_eq!(slices.len(), 5);
    assert_eq!(slices[0], ("10", Some([92.0, 80.0, 40.0, 40.0]), Some([0.0, 0.0, 8.0, 40.0])));
    assert_eq!(slices[4], ("14", Some([60.0, 80.0, 40.0, 40.0]), Some([32.0, 0.0, 8.0, 40.0])));
    let one_page = office.stamp(&foreign(1), Place::Straddle);
    assert!(matches!(one_page, Err(WriteError::StraddleOnePage)));
}

#[test]
fn nobody_signs_with_what_a_verifier_would_refuse() {
    let office = Office::new("refused");
    let other = Office::new("other");
    let file = foreign(1);
    let place = Place::At { page: 1, x: 0.0, y: 0.0 };
    let sign = |signing: Signing<'_>| sign(&file, &signing, &Limits::default()).map(|_| ()).unwrap_err();
    let good = || office.stamping(place);
    assert!(matches!(sign(Signing { signer: other.key.as_ref(), ..good() }), WriteError::OtherKey));
    let stamp = |seal| Mark::Stamp { seal, place, time_stamp: None };
    assert!(matches!(sign(office.signing(stamp(&other.seal))), WriteError::NotInSeal));
    let mut broken = office.seal.clone();
    *broken.last_mut().unwrap() ^= 1;
    assert!(matches!(
        sign(office.signing(stamp(&broken))),
        WriteError::Seal { check: "sealMakerSignature", .. }
    ));
    assert!(matches!(
        sign(office.signing(stamp(&broken[1..]))),
        WriteError::Seal { check: "sealFormat", .. }
    ));
    let late = now().plus_secs(400 * 86_400);
    assert!(matches!(sign(Signing { at: late, ..good() }), WriteError::CertificatePeriod { .. }));
    let short = Office::valid("short", Validity::days(now().plus_secs(-86_400 * 10), 365), 5);
    assert!(matches!(sign(short.stamping(place)), WriteError::SealPeriod { .. }));
    assert!(matches!(
        sign(office.stamping(Place::At { page: 2, x: 0.0, y: 0.0 })),
        WriteError::NoSuchPage(2)
    ));
    assert!(matches!(
        sign(office.stamping(Place::At { page: 0, x: 0.0, y: 0.0 })),
        WriteError::NoSuchPage(0)
    ));
    assert!(matches!(sign(office.stamping(Place::At { page: 1, x: 61.0, y: 0.0 })), WriteError::OffPage(1)));
    assert!(matches!(
        sign(office.stamping(Place::At { page: 1, x: f32::NAN, y: 0.0 })),
        WriteError::OffPage(1)
    ));
}

#[test]
fn a_time_stamp_goes_beside_the_value_that_it_was_asked_for() {
    let office = Office::new("time");
    let asked = std::cell::RefCell::new(Vec::new());
    let ask = |value: &[u8]| {
        asked.borrow_mut().extend_from_slice(value);
        Ok(b"token".to_vec())
    };
    let place = Place::At { page: 1, x: 0.0, y: 0.0 };
    let mark = |ask| Mark::Stamp { seal: &office.seal, place, time_stamp: Some(ask) };
    let sealed = sign(&foreign(1), &office.signing(mark(&ask)), &Limits::default()).unwrap();
    let (package, _) = open(&sealed);
    let stamp = Stamp::from_der(package.get("d/Signs/Sign_0/SignedValue.dat").unwrap()).unwrap();
    assert_eq!(stamp.time_stamp.as_deref(), Some(b"token".as_slice()));
    assert_eq!(stamp.signature, *asked.borrow());
    let fails = |_: &[u8]| Err("nobody answers".to_owned());
    let refused = sign(&foreign(1), &office.signing(mark(&fails)), &Limits::default());
    assert!(matches!(refused, Err(WriteError::TimeStamp(_))));
}

#[test]
fn files_of_other_makers_can_be_signed_and_signed_again() {
    let base = std::env::var("LICENCE_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors").into());
    let base = std::path::Path::new(&base).join("ofd-seal");
    if !base.is_dir() {
        println!("skipped: no ofd-seal vectors (set LICENCE_VECTORS)");
        return;
    }
    let office = Office::new("vectors");
    for (name, may) in [
        ("helloworld.ofd", true),
        ("DigitalSign.ofd", true),
        ("v4signed.ofd", true),
        ("SESV4SignDoc.ofd", true),
        ("V4RideRight.ofd", false),
    ] {
        let file = std::fs::read(base.join(name)).unwrap();
        let (package, document) = open(&file);
        let before = signature::list(&package, &document).unwrap().len();
        let sealed = office.stamp(&file, Place::LowerRight { page: 1 });
        if !may {
            assert!(matches!(sealed, Err(WriteError::Locked(_))), "{name}");
            continue;
        }
        let sealed = sealed.unwrap();
        let (after, document) = open(&sealed);
        let listed = signature::list(&after, &document).unwrap();
        assert_eq!(listed.len(), before + 1, "{name}");
        for entry in package.names().filter(|entry| *entry != "OFD.xml" && !entry.ends_with("Signatures.xml"))
        {
            assert_eq!(package.get(entry), after.get(entry), "{name}: {entry}");
        }
        assert!(office.stamp(&sealed, Place::LowerRight { page: 1 }).is_ok(), "{name}");
    }
}

/// The same file with this list of signatures.
fn with_list(file: &[u8], list: &str) -> Vec<u8> {
    let package = Package::open(file, &Limits::default()).unwrap();
    let mut entries = package.into_entries();
    entries.insert("d/Signs/Signatures.xml".to_owned(), list.as_bytes().to_vec());
    crate::ofd::write::pack(entries.iter().map(|(name, data)| (name.as_str(), data.as_slice()))).unwrap()
}

#[test]
fn a_list_that_cannot_be_added_to_without_doubt_is_refused() {
    let office = Office::new("lists");
    let signed = office.stamp(&foreign(1), Place::At { page: 1, x: 0.0, y: 0.0 }).unwrap();
    let one = "<Signature ID='s001' BaseLoc='Sign_0/Signature.xml'/>";
    for (list, good) in [
        (format!("<Signatures>{one}<MaxSignId>s002</MaxSignId></Signatures>"), true),
        (format!("<a:Signatures xmlns:a='u'><MaxSignId> s002 </MaxSignId>{one}</a:Signatures>\n"), true),
        (format!("<Signatures><x y='1'/>{one}</Signatures>"), true),
        ("<Signatures></Signatures>".to_owned(), true),
        ("<Signatures/>".to_owned(), false),
        (format!("<Signatures>{one}</Signatures><!-- </Signatures> -->"), false),
        (
            format!(
                "<Signatures><!-- <MaxSignId>1</MaxSignId> -->{one}<MaxSignId>s002</MaxSignId></Signatures>"
            ),
            false,
        ),
        (format!("<Signatures>{one}<MaxSignId/></Signatures>"), true),
    ] {
        let file = with_list(&signed, &list);
        match sign(&file, &office.signing(Mark::Plain), &Limits::default()) {
            Ok(more) => {
                assert!(good, "{list}");
                let (package, document) = open(&more);
                let ids: Vec<String> =
                    signature::list(&package, &document).unwrap().into_iter().map(|one| one.id).collect();
                assert_eq!(ids.len(), 1 + list.matches("s001").count(), "{list}");
                assert_eq!(
                    ids.last().map(String::as_str),
                    Some(if list.contains("s00") { "s003" } else { "s001" })
                );
            }
            Err(why) => assert!(!good && matches!(why, WriteError::Edit(_)), "{list}: {why}"),
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_lists_never_panic_and_lose_nothing(
        words in proptest::collection::vec(
            prop_oneof![
                Just("<Signatures>"), Just("</Signatures>"), Just("<o:Signatures>"), Just("</o:Signatures>"),
                Just("<Signature ID='7' BaseLoc='Sign_0/Signature.xml'/>"), Just("<MaxSignId>"), Just("</MaxSignId>"),
                Just("4294967295"), Just("<!--"), Just("-->"), Just("</"), Just("<![CDATA["), Just("]]>"), Just(" "),
            ],
            0..10,
        ),
    ) {
        static SIGNED: std::sync::OnceLock<(Office, Vec<u8>)> = std::sync::OnceLock::new();
        let (office, signed) = SIGNED.get_or_init(|| {
            let office = Office::new("arbitrary lists");
            let signed = office.stamp(&foreign(1), Place::At { page: 1, x: 0.0, y: 0.0 }).unwrap();
            (office, signed)
        });
        let list = words.concat();
        let file = with_list(signed, &list);
        if let Ok(more) = sign(&file, &office.signing(Mark::Plain), &Limits::default()) {
            let count = |file: &[u8]| {
                let (package, document) = open(file);
                signature::list(&package, &document).unwrap().len()
            };
            prop_assert_eq!(count(&more), count(&file) + 1, "{}", list);
        }
    }
}
