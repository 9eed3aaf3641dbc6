//! Seals that stand alone (`.esl`): DER, header, list of signers, period, picture, maker.

use licence_seal::crypto::{Signer, Suite};
use licence_seal::seal::SubIndication::{
    CryptoConstraintsFailure, Expired, FormatFailure, NotYetValid, SigConstraintsFailure, SigCryptoFailure,
};

use super::der::{self, SealParts, bad_der, bad_values, ia5, int, octets, oid, seq, tlv};
use super::signatures::other_id;
use super::world::{DAY, World, asked_at, key, sm2};
use super::{Case, Given};

type Change = fn(&World, &mut SealParts);

/// What is wrong, words of the reason, and the change of what the maker then signs.
const FORMAT: &[(&str, &str, Change)] = &[
    ("a header without a version", "header.version", |_, seal| {
        seal.header = seq(&[&ia5("ES"), &ia5("example")]);
    }),
    ("a header with more in it", "header: bytes follow", |_, seal| {
        seal.header = seq(&[&ia5("ES"), &int(4), &ia5("example"), &int(1)]);
    }),
    ("a version of five octets", "header.version", |_, seal| {
        seal.header = seq(&[&ia5("ES"), &der::unsigned(&[1, 0, 0, 0, 0]), &ia5("example")]);
    }),
    ("a negative version", "header.version", |_, seal| {
        seal.header = seq(&[&ia5("ES"), &tlv(2, &[0xfc]), &ia5("example")]);
    }),
    ("a version with zeros in front", "header.version", |_, seal| {
        seal.header = seq(&[&ia5("ES"), &tlv(2, &[0, 4]), &ia5("example")]);
    }),
    ("an empty version", "header.version", |_, seal| {
        seal.header = seq(&[&ia5("ES"), &tlv(2, &[]), &ia5("example")]);
    }),
    ("a name as octets", "property.name", |_, seal| seal.name = octets("示例局".as_bytes())),
    ("a name that is not UTF-8", "property.name", |_, seal| seal.name = tlv(12, &[0xb5, 0xda])),
    ("a name of 5,000 bytes", "longer than allowed", |_, seal| seal.name = der::utf8(&"x".repeat(5000))),
    ("a list of a third kind", "kind 3", |_, seal| seal.list_kind = int(3)),
    ("a list of no kind", "property", |_, seal| seal.list_kind = Vec::new()),
    ("certificates where digests are announced", "certDigestList", |_, seal| seal.list_kind = int(2)),
    ("digests where certificates are announced", "certList", |world, seal| {
        seal.list = digests(&[("SM3", &Suite::Sm2Sm3.hash(&[world.owner.der()]))]);
    }),
    ("sixty-five signers", "certList: more elements", |world, seal| {
        seal.list = seq(&[&octets(world.owner.der()).repeat(65)]);
    }),
    ("a hundred thousand signers", "certList: more elements", |_, seal| {
        seal.list = seq(&[&octets(b"x").repeat(100_000)]);
    }),
    ("a list that is a SET", "certList", |_, seal| seal.list = tlv(0x31, &seal.list[4..])),
    ("a digest with a third part", "certDigestList", |_, seal| {
        seal.list_kind = int(2);
        seal.list = seq(&[&seq(&[&der::printable("SM3"), &octets(&[0; 32]), &int(1)])]);
    }),
    ("a month that is none", "validStart", |_, seal| seal.from = tlv(24, b"20261301000000Z")),
    ("a time of no zone", "validStart", |_, seal| seal.from = tlv(24, b"yesterday")),
    ("a time as a number", "validEnd", |_, seal| seal.until = int(1)),
    ("no time of making", "property", |_, seal| seal.created = Vec::new()),
    ("a picture without data", "picture", |_, seal| seal.picture = seq(&[&ia5("PNG"), &int(40), &int(40)])),
    ("a picture of more than a mebibyte", "picture is longer", |_, seal| {
        seal.picture = picture("PNG", &vec![0; (1 << 20) + 1], 40, 40);
    }),
    ("a picture of less than no width", "picture.width", |_, seal| {
        seal.picture = seq(&[&ia5("PNG"), &octets(b"x"), &tlv(2, &[0xff]), &int(40)]);
    }),
    ("a picture with more behind it", "picture: bytes follow", |_, seal| {
        seal.picture = seq(&[&ia5("PNG"), &octets(b"x"), &int(40), &int(40), &int(40)]);
    }),
    ("a critical extension", "critical and not understood: 1.2.3.4", |_, seal| {
        seal.extensions = seq(&[&der::extension(true)]);
    }),
    ("a critical extension behind sixty others", "critical", |_, seal| {
        seal.extensions = seq(&[&der::extension(false).repeat(60), &der::extension(true)]);
    }),
    ("a hundred extensions", "extDatas: more elements", |_, seal| {
        seal.extensions = seq(&[&der::extension(false).repeat(100)]);
    }),
    ("extensions that are something else", "extDatas", |_, seal| seal.extensions = seq(&[&int(1)])),
    ("an extension whose BOOLEAN is 1", "critical", |_, seal| {
        seal.extensions = seq(&[&seq(&[&oid("1.2.3.4"), &tlv(1, &[1]), &octets(b"x")])]);
    }),
    ("extensions nested a thousand deep", "extDatas", |_, seal| {
        seal.extensions = seq(&[&seq(&[&der::nested(1000)])]);
    }),
    ("two lists of extensions", "eSealInfo", |_, seal| {
        seal.extensions = seq(&[&der::extension(false)]).repeat(2);
    }),
    ("no certificate of a maker", "cert", |_, seal| seal.certificate = Vec::new()),
    ("an algorithm that is no identifier", "signAlgID", |_, seal| seal.algorithm = int(1)),
    ("an empty identifier of the algorithm", "signAlgID", |_, seal| seal.algorithm = tlv(6, &[])),
    ("an identifier that ends in the middle", "signAlgID", |_, seal| seal.algorithm = tlv(6, &[0x2a, 0x81])),
    ("something behind the signature", "SESeal: bytes follow", |_, seal| seal.after = int(1)),
    ("a time stamp that holds nothing", "timeStamp", |_, seal| seal.after = tlv(0xa0, &[])),
    ("two time stamps", "SESeal", |_, seal| {
        seal.after = tlv(0xa0, &der::bits(b"x")).repeat(2);
    }),
];

const VERSIONS: &[(&str, &str, Change)] = &[
    ("a seal with another mark than ES", "\"EX\"", |_, seal| seal.header = header("EX", 4)),
    ("a seal with a mark in small letters", "\"es\"", |_, seal| seal.header = header("es", 4)),
    ("a seal of version 0", "version 0", |_, seal| seal.header = header("ES", 0)),
    ("a seal of version 2", "version 2", |_, seal| seal.header = header("ES", 2)),
    ("a seal of version 6", "version 6", |_, seal| seal.header = header("ES", 6)),
    ("a seal that calls itself version 1 and is built as version 4", "version 1", |_, seal| {
        seal.header = header("ES", 1);
    }),
];

fn header(id: &str, version: u32) -> Vec<u8> {
    seq(&[&ia5(id), &int(version), &ia5("example")])
}

pub fn picture(kind: &str, data: &[u8], width: u32, height: u32) -> Vec<u8> {
    seq(&[&ia5(kind), &octets(data), &int(width), &int(height)])
}

pub fn digests(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let entry = |(name, value): &(&str, &[u8])| seq(&[&der::printable(name), &octets(value)]);
    seq(&[&entries.iter().map(entry).collect::<Vec<_>>().concat()])
}

pub fn cases(world: &World) -> Vec<Case> {
    let seal = |change: &dyn Fn(&mut SealParts)| Given::seal(world.seal_with(|seal| change(seal)));
    let mut cases = Vec::new();
    for (name, bytes) in bad_der(&world.seal) {
        let given = Given::seal(bytes);
        cases.push(Case::failed(format!("a seal: {name}"), "sealFormat", FormatFailure, "", given));
    }
    let given = Given::seal(vec![0x30; 5 << 20]);
    cases.push(Case::failed("a seal of 5 MiB", "sealFormat", FormatFailure, "longer than allowed", given));
    for (name, why, change) in FORMAT {
        // A certificate that is none is found when it is looked at, not before.
        let check = if *name == "no certificate of a maker" { "sealMakerSignature" } else { "sealFormat" };
        let given = seal(&|seal| change(world, seal));
        let name = format!("a seal: {name}");
        cases.push(match check {
            "sealFormat" => Case::failed(name, check, FormatFailure, *why, given),
            _ => Case::failed(name, "sealMakerCertificate", FormatFailure, "", given),
        });
    }
    for (name, why, change) in VERSIONS {
        let given = seal(&|seal| change(world, seal));
        cases.push(Case::failed(*name, "sealVersion", FormatFailure, *why, given));
    }

    let crypto = |name: &str, sub, why: &str, change: &dyn Fn(&mut SealParts)| {
        Case::failed(name, "sealMakerSignature", sub, why, seal(change))
    };
    cases.extend([
        crypto("a seal signed by somebody else", SigCryptoFailure, "", &|seal| seal.signer = sm2("owner")),
        crypto("a seal with the signature of another seal", SigCryptoFailure, "", &|seal| {
            seal.value = Some(sm2("maker").sign(b"another").unwrap().to_der());
        }),
        crypto("a seal signed as version 1 does it", SigCryptoFailure, "", &|seal| {
            let whole = world.seal.clone();
            seal.value = Some(sm2("maker").sign(&whole).unwrap().to_der());
        }),
        crypto("a seal with the algorithm of the other suite", CryptoConstraintsFailure, "", &|seal| {
            seal.algorithm = der::other_algorithm(Suite::Sm2Sm3);
        }),
        crypto("a seal with an algorithm that nobody knows", CryptoConstraintsFailure, "1.2.3.4", &|seal| {
            seal.algorithm = oid("1.2.3.4");
        }),
        crypto("a seal with RSA and MD5", CryptoConstraintsFailure, "not supported", &|seal| {
            seal.algorithm = oid("1.2.840.113549.1.1.4");
        }),
        crypto(
            "a seal with the certificate of somebody else as its maker's",
            SigCryptoFailure,
            "",
            &|seal| {
                seal.certificate = world.owner.der().to_vec();
            },
        ),
        crypto("a seal signed on the other curve", SigCryptoFailure, "", &|seal| {
            seal.value = Some(key(Suite::P256Sha256, "maker").sign(b"info").unwrap().to_der());
        }),
        crypto("a seal signed under another SM2 id", SigCryptoFailure, "", &|seal| {
            let unsigned = SealParts { value: Some(Vec::new()), ..seal.clone() }.build();
            // The info is the first element inside.
            let length = usize::from(u16::from_be_bytes([unsigned[6], unsigned[7]]));
            seal.value = Some(other_id("maker", &unsigned[4..8 + length]));
        }),
    ]);
    let good = sm2("maker").sign(b"some text").unwrap().to_der();
    for (name, value) in bad_values(&good) {
        let given = seal(&|seal| seal.value = Some(value.clone()));
        let name = format!("a maker's signature: {name}");
        cases.push(Case::failed(name, "sealMakerSignature", SigCryptoFailure, "", given));
    }
    let flipped = |at: usize| {
        let mut bytes = world.seal.clone();
        bytes[at] ^= 1;
        Given::seal(bytes)
    };
    let find = |text: &[u8]| world.seal.windows(text.len()).position(|window| window == text).unwrap();
    for (name, at) in [
        ("a seal whose name was changed", find("示例局".as_bytes()) + 2),
        ("a seal whose number was changed", find(b"12000000000001") + 13),
        ("a seal whose picture was changed", find(b"IDAT") + 8),
        ("a seal whose list was changed", find(world.owner.der()) + world.owner.der().len() - 1),
    ] {
        cases.push(Case::failed(name, "sealMakerSignature", SigCryptoFailure, "", flipped(at)));
    }

    cases.extend(pictures(world));

    let time = |days: i64| der::time(asked_at().plus_secs(days * DAY));
    cases.extend([
        Case::failed("a seal that has run out", "sealValidity", Expired, "valid until", {
            seal(&|seal| seal.until = time(-1))
        }),
        Case::failed("a seal that does not hold yet", "sealValidity", NotYetValid, "valid from", {
            seal(&|seal| seal.from = time(1))
        }),
        Case::failed("a seal whose period ends before it begins", "sealValidity", Expired, "", {
            seal(&|seal| (seal.from, seal.until) = (time(-1), time(-2)))
        }),
        Case::failed("a seal without signers", "sealCertList", SigConstraintsFailure, "nobody", {
            seal(&|seal| seal.list = seq(&[]))
        }),
        Case::failed(
            "a seal with an empty list of digests",
            "sealCertList",
            SigConstraintsFailure,
            "nobody",
            seal(&|seal| (seal.list_kind, seal.list) = (int(2), seq(&[]))),
        ),
    ]);
    let sm3 = Suite::Sm2Sm3.hash(&[world.owner.der()]);
    for name in ["MD5", "1.2.840.113549.2.5", "SHA1", "CRC32", ""] {
        let given = seal(&|seal| {
            // A good digest does not make up for a bad one.
            (seal.list_kind, seal.list) = (int(2), digests(&[("SM3", &sm3), (name, &[0; 16])]));
        });
        let title = format!("a seal with a digest by \"{name}\"");
        cases.push(Case::failed(title, "sealCertList", CryptoConstraintsFailure, name, given));
    }
    cases
}

/// Pictures that are not what the seal says of them.
fn pictures(world: &World) -> Vec<Case> {
    let good = licence_seal::seal::ses::draw("示例局", None).unwrap().picture().data;
    let gif = b"GIF89a\x01\0\x01\0\0\0\0;".to_vec();
    // A header of this size over the same pixels.
    let sized = |width: u32, height: u32| {
        let mut data = good.clone();
        data[16..20].copy_from_slice(&width.to_be_bytes());
        data[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = super::zips::crc(&data[12..29]);
        data[29..33].copy_from_slice(&sum.to_be_bytes());
        data
    };
    let at = good.windows(4).position(|name| name == b"IDAT").unwrap() + 40;
    let mut torn = good.clone();
    torn[at] ^= 0x55;
    let svg = |inside: &str| format!("<svg xmlns=\"http://www.w3.org/2000/svg\">{inside}</svg>").into_bytes();
    [
        ("an empty picture", "PNG", Vec::new(), 40),
        ("a picture of a kind that nobody knows", "TIFF", b"II*\0".to_vec(), 40),
        ("a picture without a kind", "", good.clone(), 40),
        ("a GIF that is called a PNG", "PNG", gif.clone(), 40),
        ("a PNG that is called a GIF", "GIF", good.clone(), 40),
        ("a text that is called a PNG", "PNG", b"picture".to_vec(), 40),
        ("a program that is called a PNG", "PNG", b"MZ\x90\0".to_vec(), 40),
        ("a picture of half a metre and more", "PNG", good.clone(), 501),
        ("a picture of four thousand kilometres", "PNG", good.clone(), u32::MAX),
        ("a PNG of no width", "PNG", sized(0, 9), 40),
        ("a PNG of two thousand million pixels on a side", "PNG", sized(0x7fff_ffff, 0x7fff_ffff), 40),
        ("a PNG of more pixels than it has", "PNG", sized(4096, 4096), 40),
        ("a PNG of 4,097 pixels", "PNG", sized(4097, 9), 40),
        ("a GIF of 65,535 pixels", "GIF", b"GIF89a\xff\xff\xff\xff\0\0\0;".to_vec(), 40),
        ("half a PNG", "PNG", good[..good.len() / 2].to_vec(), 40),
        ("the header of a PNG", "PNG", good[..8].to_vec(), 40),
        ("a PNG with a changed byte", "PNG", torn, 40),
        ("an SVG with a script", "SVG", svg("<script>1</script>"), 40),
        ("an SVG with a handler", "SVG", svg("<path onload='x'/>"), 40),
        ("an SVG that fetches", "SVG", svg("<image href='http://example.org/x.png'/>"), 40),
        ("an SVG whose style fetches", "SVG", svg("<style>@import 'x'</style>"), 40),
        ("an SVG with an entity", "SVG", svg("&x;"), 40),
        ("an SVG that does not end", "SVG", b"<svg>".to_vec(), 40),
        ("an OFD that is none", "ofd", b"PK\x03\x04".to_vec(), 40),
    ]
    .into_iter()
    .map(|(name, kind, data, millimetres)| {
        let given = Given::seal(world.seal_with(|seal| {
            seal.picture = picture(kind, &data, millimetres, 40);
        }));
        Case::failed(format!("a seal: {name}"), "sealPicture", FormatFailure, "", given)
    })
    .collect()
}
