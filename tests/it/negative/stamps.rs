//! Stamps, alone (`.dat`) and in an OFD: DER, signer, signature value, time.

use licence_seal::crypto::{Signer, Suite};
use licence_seal::seal::SubIndication::{
    CryptoConstraintsFailure, Expired, FormatFailure, HashFailure, NotYetValid, SigConstraintsFailure,
    SigCryptoFailure, SignedDataNotFound,
};

use super::der::{self, StampParts, bad_der, bad_values, ia5, int, octets, oid, seq, tlv};
use super::seals::digests;
use super::signatures::other_id;
use super::world::{DAY, World, asked_at, key, sealed_at, sm2};
use super::{Case, Given};

type Change = fn(&World, &mut StampParts);

const FORMAT: &[(&str, &str, Change)] = &[
    ("no version", "toSign.version", |_, stamp| stamp.version = Vec::new()),
    ("a negative version", "toSign.version", |_, stamp| stamp.version = tlv(2, &[0xfc])),
    ("no seal", "", |_, stamp| stamp.seal = Vec::new()),
    ("a seal that is none", "", |_, stamp| stamp.seal = seq(&[&int(1)])),
    ("a seal of a hundred elements in each other", "", |_, stamp| stamp.seal = der::nested(100)),
    ("a time that is none", "toSign.timeInfo", |_, stamp| stamp.time = tlv(24, b"20269999999999Z")),
    ("a time as text", "toSign.timeInfo", |_, stamp| stamp.time = der::utf8("20261123040506Z")),
    ("a hash of half a byte", "toSign.dataHash", |_, stamp| stamp.data_hash = tlv(3, &[4, 0xf0])),
    ("a hash as octets", "toSign.dataHash", |_, stamp| stamp.data_hash = octets(&[0; 32])),
    ("a hash of no bits at all", "toSign.dataHash", |_, stamp| stamp.data_hash = tlv(3, &[])),
    ("no range", "toSign.propertyInfo", |_, stamp| stamp.property = Vec::new()),
    ("a range of 5,000 bytes", "longer than allowed", |_, stamp| stamp.property = ia5(&"x".repeat(5000))),
    ("a critical extension", "critical and not understood: 1.2.3.4", |_, stamp| {
        stamp.extensions = tlv(0xa0, &seq(&[&der::extension(true)]));
    }),
    ("a hundred extensions", "extDatas: more elements", |_, stamp| {
        stamp.extensions = tlv(0xa0, &seq(&[&der::extension(false).repeat(100)]));
    }),
    ("two lists of extensions", "toSign", |_, stamp| {
        stamp.extensions = tlv(0xa0, &seq(&[&der::extension(false)])).repeat(2);
    }),
    ("two lists of extensions in one", "toSign.extDatas", |_, stamp| {
        stamp.extensions = tlv(0xa0, &seq(&[&der::extension(false)]).repeat(2));
    }),
    ("an algorithm that is no identifier", "signatureAlgID", |_, stamp| stamp.algorithm = int(1)),
    ("no algorithm", "signatureAlgID", |_, stamp| stamp.algorithm = Vec::new()),
    ("something behind the signature", "SES_Signature: bytes follow", |_, stamp| stamp.after = int(1)),
    ("a time stamp that holds nothing", "timeStamp", |_, stamp| stamp.after = tlv(0xa0, &[])),
    ("two time stamps", "SES_Signature", |_, stamp| stamp.after = tlv(0xa0, &der::bits(b"x")).repeat(2)),
];

pub fn cases(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    let good = world.stamp_parts(b"data", "data");
    let alone = |change: &dyn Fn(&mut StampParts)| {
        let mut parts = good.clone();
        change(&mut parts);
        Given::stamp(parts.build())
    };
    for (name, bytes) in bad_der(&good.build()) {
        let given = Given::stamp(bytes);
        cases.push(Case::failed(format!("a stamp: {name}"), "stampFormat", FormatFailure, "", given));
    }
    let given = Given::stamp(vec![0x30; 6 << 20]);
    cases.push(Case::failed("a stamp of 6 MiB", "stampFormat", FormatFailure, "longer than allowed", given));
    for (name, why, change) in FORMAT {
        let given = alone(&|stamp| change(world, stamp));
        cases.push(Case::failed(format!("a stamp: {name}"), "stampFormat", FormatFailure, *why, given));
    }
    for version in [0, 1, 2, 3, 6, u32::MAX] {
        let given = alone(&|stamp| stamp.version = int(version));
        let name = format!("a stamp of version {version} on a seal of version 4");
        cases.push(Case::failed(name, "stampVersion", FormatFailure, "", given));
    }
    cases.push(Case::open(
        "a stamp without its document",
        "dataHash",
        SignedDataNotFound,
        "not here",
        alone(&|_| ()),
    ));

    // In an OFD from here on.
    let sealed = |change: &dyn Fn(&mut StampParts)| {
        Given::ofd(&world.sealed_with(|_| (), |text| text, |stamp| change(stamp)))
    };
    // With another seal, whose file goes along.
    let on = |seal: Vec<u8>, change: &dyn Fn(&mut StampParts)| {
        let file = seal.clone();
        Given::ofd(&world.sealed_with(
            |parts| drop(parts.insert("Doc_0/Signs/Sign_0/Seal.esl".to_owned(), file)),
            |text| text,
            |stamp| {
                stamp.seal = seal;
                change(stamp);
            },
        ))
    };
    let signature = |name: &str, sub, why: &str, change: &dyn Fn(&mut StampParts)| {
        Case::failed(name, "stampSignature", sub, why, sealed(change))
    };
    cases.extend([
        signature("a stamp signed by somebody else", SigCryptoFailure, "", &|stamp| {
            stamp.signer = sm2("stranger");
        }),
        signature("a stamp with the signature of another stamp", SigCryptoFailure, "", &|stamp| {
            stamp.value = Some(sm2("owner").sign(b"another").unwrap().to_der());
        }),
        signature("a stamp with the signature of its seal", SigCryptoFailure, "", &|stamp| {
            let value = licence_seal::seal::ses::Seal::from_der(&stamp.seal).unwrap().signature;
            stamp.value = Some(value);
        }),
        signature("a stamp signed under another SM2 id", SigCryptoFailure, "", &|stamp| {
            stamp.value = Some(other_id("owner", &stamp.to_sign()));
        }),
        signature("a stamp whose digest was signed without ZA", SigCryptoFailure, "", &|stamp| {
            let digest = Suite::Sm2Sm3.hash(&[&stamp.to_sign()]);
            stamp.value = Some(sm2("owner").sign(&digest).unwrap().to_der());
        }),
        signature("a stamp signed on the other curve", SigCryptoFailure, "", &|stamp| {
            stamp.value = Some(key(Suite::P256Sha256, "owner").sign(&stamp.to_sign()).unwrap().to_der());
        }),
        signature("a stamp with the algorithm of the other suite", CryptoConstraintsFailure, "", &|stamp| {
            stamp.algorithm = der::other_algorithm(Suite::Sm2Sm3);
        }),
        signature(
            "a stamp with an algorithm that nobody knows",
            CryptoConstraintsFailure,
            "1.2.3.4",
            &|stamp| {
                stamp.algorithm = oid("1.2.3.4");
            },
        ),
        signature("a stamp with RSA and SHA-1", CryptoConstraintsFailure, "not supported", &|stamp| {
            stamp.algorithm = oid("1.2.840.113549.1.1.5");
        }),
    ]);
    let value = sm2("owner").sign(b"some text").unwrap().to_der();
    for (name, value) in bad_values(&value) {
        let given = sealed(&|stamp| stamp.value = Some(value.clone()));
        cases.push(Case::failed(
            format!("a signer's signature: {name}"),
            "stampSignature",
            SigCryptoFailure,
            "",
            given,
        ));
    }

    let signer = |name: &str, given| {
        Case::failed(name, "signerInSealCertList", SigConstraintsFailure, "not among those", given)
    };
    let stranger = |stamp: &mut StampParts| {
        stamp.certificate = world.stranger.der().to_vec();
        stamp.signer = sm2("stranger");
    };
    let listed = |list_kind: u32, list: Vec<u8>| {
        world.seal_with(|seal| (seal.list_kind, seal.list) = (int(list_kind), list))
    };
    let sm3 = |der: &[u8]| Suite::Sm2Sm3.hash(&[der]);
    // The same key and name, certified anew.
    let renewed = {
        use licence_seal::pki::issue::Profile;
        world.issue("owner", World::validity(), Profile::NodeSigning)
    };
    cases.extend([
        signer("a signer who is not in the list", sealed(&stranger)),
        signer(
            "the maker as signer",
            sealed(&|stamp| {
                stamp.certificate = world.maker.der().to_vec();
                stamp.signer = sm2("maker");
            }),
        ),
        signer(
            "another certificate of the same signer",
            sealed(&|stamp| {
                stamp.certificate = renewed.der().to_vec();
            }),
        ),
        signer("a signer whose digest is not in the list", {
            on(listed(2, digests(&[("SM3", &sm3(world.owner.der()))])), &stranger)
        }),
        signer("a digest under another hash than it is of", {
            on(listed(2, digests(&[("SHA256", &sm3(world.owner.der()))])), &|_| ())
        }),
        signer("a digest of the key and not of the certificate", {
            on(listed(2, digests(&[("SM3", &sm3(world.owner.spki()))])), &|_| ())
        }),
        Case::failed("a stamp on a seal that has run out", "sealValidity", Expired, "", {
            let until = der::time(sealed_at().plus_secs(-1));
            on(world.seal_with(|seal| seal.until = until), &|_| ())
        }),
        Case::failed("a stamp set before its seal holds", "sealValidity", NotYetValid, "", {
            let from = der::time(sealed_at().plus_secs(1));
            on(world.seal_with(|seal| seal.from = from), &|_| ())
        }),
        Case::failed("a stamp on a seal without signers", "sealCertList", SigConstraintsFailure, "", {
            on(listed(1, seq(&[])), &|_| ())
        }),
        Case::failed(
            "a stamp on a seal that somebody else signed",
            "sealMakerSignature",
            SigCryptoFailure,
            "",
            on(world.seal_with(|seal| seal.signer = sm2("owner")), &|_| ()),
        ),
        Case::failed("a stamp on a seal of version 2", "stampVersion", FormatFailure, "", {
            let header = seq(&[&ia5("ES"), &int(2), &ia5("example")]);
            on(world.seal_with(|seal| seal.header = header), &|stamp| stamp.version = int(2))
        }),
        Case::failed("a stamp from the future", "signingTime", SigConstraintsFailure, "after", {
            sealed(&|stamp| stamp.time = der::time(asked_at().plus_secs(120)))
        }),
        Case::failed("a stamp from a year that is far", "signingTime", SigConstraintsFailure, "after", {
            sealed(&|stamp| stamp.time = tlv(24, b"99991231235959Z"))
        }),
        Case::failed(
            "a stamp from before its seal and certificates",
            "sealMakerCertificate",
            NotYetValid,
            "",
            sealed(&|stamp| stamp.time = der::time(World::validity().not_before.plus_secs(-400 * DAY))),
        ),
        Case::failed("a stamp over nothing", "dataHash", HashFailure, "", {
            sealed(&|stamp| stamp.data_hash = der::bits(&Suite::Sm2Sm3.hash(&[b""])))
        }),
        Case::failed("a stamp over another hash of the same", "dataHash", HashFailure, "", {
            let text = world.sealed()["Doc_0/Signs/Sign_0/Signature.xml"].clone();
            sealed(&|stamp| stamp.data_hash = der::bits(&Suite::P256Sha256.hash(&[&text])))
        }),
        Case::failed("a stamp over a hash that is cut off", "dataHash", HashFailure, "", {
            let text = world.sealed()["Doc_0/Signs/Sign_0/Signature.xml"].clone();
            sealed(&|stamp| stamp.data_hash = der::bits(&Suite::Sm2Sm3.hash(&[&text])[..16]))
        }),
        Case::failed("a stamp over an empty hash", "dataHash", HashFailure, "", {
            sealed(&|stamp| stamp.data_hash = der::bits(&[]))
        }),
    ]);
    cases
}
