//! Lists and descriptions of signatures in an OFD, and signatures without a seal.

use licence_seal::crypto::Suite;
use licence_seal::seal::SubIndication::{
    CryptoConstraintsFailure, FormatFailure, HashFailure, NoCertificateChainFound, NoPoe,
    SigConstraintsFailure,
};

use super::der::{self, StampParts, bad_values};
use super::world::{Entries, World, asked_at, edit, key, plainly};
use super::{Case, Given};

const LIST: &str = "Doc_0/Signs/Signatures.xml";
const SIGNATURE: &str = "Doc_0/Signs/Sign_0/Signature.xml";
const VALUE: &str = "Doc_0/Signs/Sign_0/SignedValue.dat";
const ESL: &str = "Doc_0/Signs/Sign_0/Seal.esl";
const ONE: &str = "<ofd:Signature ID=\"0\" Type=\"Seal\" BaseLoc=\"/Doc_0/Signs/Sign_0/Signature.xml\"/>";

/// Text in the list of signatures, which no signature covers.
const LISTS: &[(&str, &str, &str, &str)] = &[
    ("one ID twice", ONE, "", "stands twice"),
    ("a type that is none", "Type=\"Seal\"", "Type=\"Stamp\"", "neither Seal nor Sign"),
    ("a type in another case", "Type=\"Seal\"", "Type=\"seal\"", "neither Seal nor Sign"),
    ("an empty type", "Type=\"Seal\"", "Type=\"\"", "neither Seal nor Sign"),
    ("a signature that is not there", "Sign_0/Signature.xml", "Sign_7/Signature.xml", "leads to no entry"),
    ("a signature above the package", "/Doc_0/Signs/Sign_0", "/../Doc_0/Signs/Sign_0", "leads to no entry"),
    ("a signature without a place", "BaseLoc=", "Location=", "leads to no entry"),
    ("a list of another root", "ofd:Signatures", "ofd:Signature_s", "element Signatures"),
    ("a list that does not end", "</ofd:Signatures>", "", "ends inside"),
    ("a list with an entity", "</ofd:Signatures>", "&x;</ofd:Signatures>", "entity"),
];

/// Text in `Signature.xml`, and what comes of it: changed before the stamp is set, so that the stamp
/// holds and only what is described is wrong.
const TEXTS: &[(&str, &str, &str, &str, &str)] = &[
    ("no SignedInfo", "ofd:SignedInfo", "ofd:Info", "signature.format", "no SignedInfo"),
    ("no References", "ofd:References", "ofd:Refs", "signature.format", "no References"),
    ("References without any", "ofd:Reference ", "ofd:Ref ", "signature.format", ""),
    ("no SignedValue", "ofd:SignedValue", "ofd:Value", "signature.format", "no SignedValue"),
    (
        "an empty SignedValue",
        "/Doc_0/Signs/Sign_0/SignedValue.dat",
        " ",
        "signature.format",
        "no SignedValue",
    ),
    (
        "a SignedValue that is not there",
        "SignedValue.dat",
        "Value.dat",
        "signature.format",
        "leads to no entry",
    ),
    (
        "a SignedValue above the package",
        "/Doc_0/Signs/Sign_0/SignedValue.dat",
        "/../x",
        "signature.format",
        "leads to no entry",
    ),
    ("a description of another root", "ofd:Signature>", "ofd:Sign>", "signature.format", ""),
    (
        "a description with an entity",
        "</ofd:SignedInfo>",
        "&x;</ofd:SignedInfo>",
        "signature.format",
        "entity",
    ),
    ("digests by MD5", "1.2.156.10197.1.401", "MD5", "referencesMethod", "MD5"),
    (
        "digests by MD5, by its identifier",
        "1.2.156.10197.1.401",
        "1.2.840.113549.2.5",
        "referencesMethod",
        "1.2.840",
    ),
    ("digests by SHA-1", "1.2.156.10197.1.401", "SHA1", "referencesMethod", "SHA1"),
    (
        "digests by SHA-1, by its identifier",
        "1.2.156.10197.1.401",
        "1.3.14.3.2.26",
        "referencesMethod",
        "1.3.14",
    ),
    (
        "digests by nothing that is named",
        " CheckMethod=\"1.2.156.10197.1.401\"",
        "",
        "referencesMethod",
        "MD5",
    ),
    ("digests by an empty name", "1.2.156.10197.1.401", "", "referencesMethod", "MD5"),
    ("digests by an unknown hash", "1.2.156.10197.1.401", "CRC32", "referencesMethod", "CRC32"),
    (
        "digests by an identifier that only begins like SM3's",
        "1.2.156.10197.1.401",
        "1.2.156.10197.1.4011",
        "referencesMethod",
        "4011",
    ),
    ("digests by another hash than is said", "1.2.156.10197.1.401", "SHA256", "references", "changed"),
    ("a reference without a digest", "ofd:CheckValue", "ofd:Check", "references", "changed"),
    ("digests that are not base64", "<ofd:CheckValue>", "<ofd:CheckValue>!", "references", "changed"),
    ("digests with a byte more", "</ofd:CheckValue>", "AAAA</ofd:CheckValue>", "references", "changed"),
    ("a reference to nothing", "FileRef=\"/OFD.xml\"", "FileRef=\"\"", "references", "no longer"),
    (
        "a reference to a part that is not there",
        "/Doc_0/Res/picture.png",
        "/Doc_0/Res/other.png",
        "references",
        "other.png",
    ),
    (
        "a reference above the package",
        "FileRef=\"/OFD.xml\"",
        "FileRef=\"/../OFD.xml\"",
        "references",
        "/../OFD.xml",
    ),
    (
        "a reference to an address",
        "FileRef=\"/OFD.xml\"",
        "FileRef=\"http://example.org/\"",
        "references",
        "example.org",
    ),
    (
        "the algorithm of the other suite",
        "1.2.156.10197.1.501",
        "1.2.840.10045.4.3.2",
        "signatureMethod",
        "p256-sha256",
    ),
    ("an algorithm that nobody knows", "1.2.156.10197.1.501", "1.2.3.4", "signatureMethod", "1.2.3.4"),
    (
        "RSA with MD5 as the algorithm",
        "1.2.156.10197.1.501",
        "1.2.840.113549.1.1.4",
        "signatureMethod",
        "not supported",
    ),
    (
        "a seal's file that is not there",
        "Sign_0/Seal.esl</ofd:BaseLoc>",
        "Sign_0/No.esl</ofd:BaseLoc>",
        "sealFile",
        "not in the package",
    ),
    (
        "another part as the seal's file",
        "/Doc_0/Signs/Sign_0/Seal.esl</ofd:BaseLoc>",
        "/OFD.xml</ofd:BaseLoc>",
        "sealFile",
        "not the seal",
    ),
    ("a place without a page", " PageRef=\"1\"", "", "stampAnnot", "no page or no size"),
    (
        "a place on a page that is not there",
        "PageRef=\"1\"",
        "PageRef=\"3\"",
        "stampAnnot",
        "no page or no size",
    ),
    ("a place without a size", " Boundary=\"150 230 40 40\"", "", "stampAnnot", "no page or no size"),
    ("a place of no height", "150 230 40 40", "150 230 40 0", "stampAnnot", "no page or no size"),
    ("a place of less than no width", "150 230 40 40", "150 230 -40 40", "stampAnnot", "no page or no size"),
    ("a place of three numbers", "150 230 40 40", "150 230 40", "stampAnnot", "no page or no size"),
    ("a place of five numbers", "150 230 40 40", "150 230 40 40 1", "stampAnnot", "no page or no size"),
    ("a place of no number", "150 230 40 40", "150 230 NaN 40", "stampAnnot", "no page or no size"),
    ("an endless place", "150 230 40 40", "150 230 inf 40", "stampAnnot", "no page or no size"),
];

pub fn cases(world: &World) -> Vec<Case> {
    let base = world.sealed();
    let changed = |change: &dyn Fn(&mut Entries)| {
        let mut entries = base.clone();
        change(&mut entries);
        Given::ofd(&entries)
    };
    let mut cases: Vec<Case> = LISTS
        .iter()
        .map(|(name, from, to, why)| {
            let to = if to.is_empty() && *from == ONE { format!("{ONE}{ONE}") } else { (*to).to_owned() };
            let given = changed(&|entries| edit(entries, LIST, from, &to));
            Case::failed(*name, "ofd.signatures", FormatFailure, *why, given)
        })
        .collect();
    for (name, more) in [
        (
            "one description under two IDs",
            "<ofd:Signature ID=\"9\" BaseLoc=\"Sign_0/Signature.xml\"/>".to_owned(),
        ),
        (
            "two signatures without an ID",
            "<ofd:Signature BaseLoc='/OFD.xml'/><ofd:Signature BaseLoc='/Doc_0/Document.xml'/>".to_owned(),
        ),
    ] {
        let given = changed(&|entries| edit(entries, LIST, ONE, &format!("{ONE}{more}")));
        cases.push(Case::failed(name, "ofd.signatures", FormatFailure, "stands twice", given));
    }
    let given = changed(&|entries| {
        let more = |n| format!("<ofd:Signature ID=\"x{n}\" BaseLoc=\"/x/{n}.xml\"/>");
        edit(entries, LIST, ONE, &format!("{ONE}{}", (0..65).map(more).collect::<String>()));
        entries.extend((0..65).map(|n| (format!("x/{n}.xml"), b"<a/>".to_vec())));
    });
    cases.push(Case::failed(
        "more than 64 signatures",
        "ofd.signatures",
        FormatFailure,
        "more than 64",
        given,
    ));
    let given = changed(&|entries| {
        edit(entries, LIST, ONE, &format!("{ONE}<ofd:Signature ID='1' BaseLoc='/{LIST}'/>"))
    });
    let name = "the list as one of its own signatures";
    cases.push(Case::failed(name, "signature.format", FormatFailure, "element Signature", given));
    let given = changed(&|entries| drop(entries.remove(VALUE)));
    cases.push(Case::failed("no value", "signature.format", FormatFailure, "leads to no entry", given));

    for (name, from, to, check, why) in TEXTS {
        let sub = match *check {
            "referencesMethod" | "signatureMethod" => CryptoConstraintsFailure,
            "references" => HashFailure,
            "sealFile" if *why == "not the seal" => SigConstraintsFailure,
            _ => FormatFailure,
        };
        let text = |text: String| {
            assert!(text.contains(from), "{name}");
            text.replace(from, to)
        };
        let given = Given::ofd(&world.sealed_with(|_| (), text, |_| ()));
        cases.push(Case::failed(*name, check, sub, *why, given));
    }

    // Files of other signatures.
    let other = world.sealed_with(|parts| edit(parts, "OFD.xml", "示例证", "另一证"), |text| text, |_| ());
    let second = world.sealed_with(|_| (), |text| text.replace("s2", "s9"), |_| ());
    let esl = world.seal_with(|seal| seal.number = der::ia5("12000000000009"));
    let range = |property: &'static str| move |stamp: &mut StampParts| stamp.property = der::ia5(property);
    cases.extend([
        Case::failed(
            "the signature of another document",
            "references",
            HashFailure,
            "OFD.xml",
            changed(&|entries| {
                for part in [SIGNATURE, VALUE, ESL] {
                    entries.insert(part.to_owned(), other[part].clone());
                }
            }),
        ),
        Case::failed(
            "the description of another signature on the same",
            "dataHash",
            HashFailure,
            "",
            changed(&|entries| {
                entries.insert(SIGNATURE.to_owned(), second[SIGNATURE].clone());
            }),
        ),
        Case::failed(
            "the value of another signature on the same",
            "dataHash",
            HashFailure,
            "",
            changed(&|entries| {
                entries.insert(VALUE.to_owned(), second[VALUE].clone());
            }),
        ),
        Case::failed(
            "a space more in the description",
            "dataHash",
            HashFailure,
            "",
            changed(&|entries| {
                entries.get_mut(SIGNATURE).unwrap().push(b' ');
            }),
        ),
        Case::failed(
            "a place moved after sealing",
            "dataHash",
            HashFailure,
            "",
            changed(&|entries| {
                edit(entries, SIGNATURE, "150 230", "10 10");
            }),
        ),
        Case::failed("another seal's file, covered", "sealFile", SigConstraintsFailure, "not the seal", {
            let parts = |parts: &mut Entries| drop(parts.insert(ESL.to_owned(), esl.clone()));
            Given::ofd(&world.sealed_with(parts, |text| text, |_| ()))
        }),
        Case::failed("a stamp that names another part", "stampRange", SigConstraintsFailure, "OFD.xml", {
            Given::ofd(&world.sealed_with(|_| (), |text| text, range("/OFD.xml")))
        }),
        Case::failed("a stamp that names the list", "stampRange", SigConstraintsFailure, "Signatures.xml", {
            Given::ofd(&world.sealed_with(|_| (), |text| text, range("Doc_0/Signs/Signatures.xml")))
        }),
        Case::failed(
            "a stamp that names another signature",
            "stampRange",
            SigConstraintsFailure,
            "Sign_1",
            {
                let mut entries = world.signed_twice();
                world.stamp(&mut entries, &[], |text| text, range("/Doc_0/Signs/Sign_1/Signature.xml"));
                Given::ofd(&entries)
            },
        ),
        Case::failed(
            "a plain signature that is said to be a seal",
            "stampFormat",
            FormatFailure,
            "",
            changed(&|entries| {
                let value = plainly("plain")(&entries[SIGNATURE]);
                entries.insert(VALUE.to_owned(), value);
            }),
        ),
    ]);

    // Signatures without a seal.
    let plain = |text: &dyn Fn(String) -> String, value: &dyn Fn(&[u8]) -> Vec<u8>| {
        let mut entries = world.sealed();
        World::sign_plainly(&mut entries, &[], text, value);
        Given::ofd(&entries)
    };
    let keep = |text: String| text;
    let good = plainly("plain");
    let unknown = |name: &str, given| {
        Case::open(name, "plainSignature", NoCertificateChainFound, "no certificate of the trust", given)
    };
    cases.extend([
        unknown("a plain signature by somebody else", plain(&keep, &plainly("stranger"))),
        unknown("a plain signature over something else", plain(&keep, &|_| good(b"else"))),
        unknown(
            "a plain signature of the other curve",
            plain(&keep, &|text| {
                licence_seal::crypto::Signer::sign(key(Suite::P256Sha256, "plain"), text).unwrap().to_der()
            }),
        ),
        unknown("a plain signature with another SM2 id", plain(&keep, &|text| other_id("plain", text))),
        unknown(
            "a plain signature over the digest",
            plain(&keep, &|text| good(&Suite::Sm2Sm3.hash(&[text]))),
        ),
        Case::open("a plain signature without a time", "signingTime", NoPoe, "no time", {
            plain(&|text| text.replace("ofd:SignatureDateTime", "ofd:When"), &good)
        }),
        Case::open("a plain signature at a time that is none", "signingTime", NoPoe, "no time", {
            plain(&|text| text.replace("<ofd:SignatureDateTime>2026", "<ofd:SignatureDateTime>9x"), &good)
        }),
        Case::failed(
            "a plain signature from the future",
            "signingTime",
            SigConstraintsFailure,
            "not come",
            {
                let future = asked_at().plus_secs(120).generalized();
                let from = super::world::sealed_at().generalized();
                plain(&|text| text.replace(&from, &future), &good)
            },
        ),
        Case::failed(
            "a plain signature that names the other algorithm",
            "signatureMethod",
            CryptoConstraintsFailure,
            "",
            plain(&|text| text.replace("10197.1.501", "10197.1.502"), &good),
        ),
        Case::failed(
            "a plain signature whose references are by MD5",
            "referencesMethod",
            CryptoConstraintsFailure,
            "MD5",
            plain(&|text| text.replace("1.2.156.10197.1.401", "MD5"), &good),
        ),
    ]);
    for (name, value) in bad_values(&good(b"some text")) {
        // Of the values that are well formed, nobody knows the signer; the others are none.
        let given = plain(&keep, &|_| value.clone());
        let parsed = licence_seal::crypto::Signature::from_der_or_raw(&value).is_ok();
        let name = format!("a plain signature's value: {name}");
        cases.push(if parsed {
            unknown(&name, given)
        } else {
            Case::failed(name, "plainSignature", FormatFailure, "", given)
        });
    }
    cases
}

/// A signature under another user id than the one that everybody uses.
pub fn other_id(seed: &str, message: &[u8]) -> Vec<u8> {
    use licence_seal::crypto::{PrivateKey, SeededRandom};
    use sm2::dsa::signature::Signer;
    use sm2::pkcs8::DecodePrivateKey;
    let der = PrivateKey::generate(Suite::Sm2Sm3, &SeededRandom::new(seed)).unwrap();
    let secret = sm2::SecretKey::from_pkcs8_der(&der).unwrap();
    let key = sm2::dsa::SigningKey::new("ALICE123@YAHOO.COM", &secret).unwrap();
    let signature: sm2::dsa::Signature = key.sign(message);
    let raw = signature.to_bytes();
    der::seq(&[&der::unsigned(&raw[..32]), &der::unsigned(&raw[32..])])
}
