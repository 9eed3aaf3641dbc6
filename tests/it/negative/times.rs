//! Time stamps of stamps and seals (RFC 3161, GB/T 20520) that prove nothing, and signed messages.

use licence_seal::crypto::Suite;
use licence_seal::pki::cms::{self, Draft, Form};
use licence_seal::pki::issue::{Extension, NON_REPUDIATION, Profile, Validity};
use licence_seal::pki::timestamp::{Imprint, make};
use licence_seal::pki::{Certificate, RevocationReason};
use licence_seal::seal::SubIndication::{
    CryptoConstraintsFailure, Expired, FormatFailure, HashFailure, NoCertificateChainFound,
    NoSigningCertificateFound, OutOfBoundsNoPoe, Revoked, SigConstraintsFailure, SigCryptoFailure,
};
use licence_seal::time::Timestamp;

use super::der::{self, StampParts, bits, int, octets, oid, seq, tlv};
use super::world::{DAY, World, asked_at, sealed_at, sm2};
use super::{Case, Given};

const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";

/// A stamp with what `token` makes of its signature value.
fn stamped(parts: &mut StampParts, token: &dyn Fn(&[u8]) -> Vec<u8>) {
    use licence_seal::crypto::Signer;
    let value = parts.signer.sign(&parts.to_sign()).unwrap().to_der();
    parts.after = tlv(0xa0, &bits(&token(&value)));
    parts.value = Some(value);
}

/// A token whose content is put together by hand; `hash` and `digest` are the imprint.
fn content(version: u32, hash: &str, digest: &[u8], more: &[u8]) -> Vec<u8> {
    let imprint = seq(&[&seq(&[&oid(hash)]), &octets(digest)]);
    seq(&[&int(version), &oid("1.2.3.4.1"), &imprint, &int(7), &der::time(sealed_at()), more])
}

fn message(kind: &str, content: &[u8], certificate: &Certificate) -> Vec<u8> {
    let draft =
        Draft { form: Form::GbT35275, content_type: kind, content, detached: false, signing_time: None };
    cms::sign(&draft, certificate, sm2("time")).unwrap()
}

pub fn cases(world: &World) -> Vec<Case> {
    let all = World::validity();
    let authority = world.issue("time", all, Profile::TimeStamping);
    let by = |certificate: &Certificate, at: Timestamp, value: &[u8]| {
        make(&Imprint::of(Suite::Sm2Sm3, value), at, &[1], certificate, sm2("time")).unwrap()
    };
    let good = |value: &[u8]| by(&authority, sealed_at().plus_secs(5), value);
    let with = |token: &dyn Fn(&[u8]) -> Vec<u8>| {
        Given::ofd(&world.sealed_with(|_| (), |text| text, |parts| stamped(parts, token)))
    };
    let at = |claimed: Timestamp, proved: Timestamp| {
        Given::ofd(&world.sealed_with(
            |_| (),
            |text| text,
            |parts| {
                parts.time = der::time(claimed);
                stamped(parts, &|value| by(&authority, proved, value));
            },
        ))
    };
    // The rest of the file holds: nothing but the time stamp is wrong.
    let (checks, _) = with(&good).verify(world);
    let bad: Vec<_> = checks.iter().filter(|check| !check.is_ok()).collect();
    assert!(bad.is_empty(), "{bad:#?}");

    let failed = |name: &str, sub, why: &str, token: &dyn Fn(&[u8]) -> Vec<u8>| {
        Case::failed(name, "timeStamp", sub, why, with(token))
    };
    let past = Validity::days(sealed_at().plus_secs(-30 * DAY), 20);
    let expired = world.issue("time", past, Profile::TimeStamping);
    let purpose = |critical: bool, oids: &[&str]| Extension {
        oid: "2.5.29.37",
        critical,
        value: seq(&oids
            .iter()
            .map(|one| oid(one))
            .collect::<Vec<_>>()
            .iter()
            .map(Vec::as_slice)
            .collect::<Vec<_>>()),
    };
    let custom = |purpose: Option<Extension>| {
        let mut extensions =
            vec![Extension::basic_constraints(false, None), Extension::key_usage(NON_REPUDIATION)];
        extensions.extend(purpose);
        world.issue("time", all, Profile::Custom(extensions))
    };
    let stamping = "1.3.6.1.5.5.7.3.8";
    let sm3 = |bytes: &[u8]| Suite::Sm2Sm3.hash(&[bytes]);
    let mut cases = vec![
        failed("a time stamp of nothing", FormatFailure, "", &|_| Vec::new()),
        failed("a time stamp that is text", FormatFailure, "", &|_| b"token".to_vec()),
        failed("a time stamp that is cut off", FormatFailure, "", &|value| {
            let token = good(value);
            token[..token.len() - 1].to_vec()
        }),
        failed("a time stamp with a byte more", FormatFailure, "", &|value| [good(value), vec![0]].concat()),
        failed("a time stamp on another value", HashFailure, "other bytes", &|_| good(b"other")),
        failed("a time stamp on the value that is signed", HashFailure, "other bytes", &|value| {
            good(&sm3(value))
        }),
        failed("a time stamp whose time was changed", HashFailure, "", &|value| {
            let mut token = good(value);
            let time = sealed_at().plus_secs(5).generalized();
            let at = token.windows(time.len()).position(|window| window == time.as_bytes()).unwrap();
            token[at + 13] ^= 1;
            token
        }),
        failed("a time stamp whose signature was changed", SigCryptoFailure, "", &|value| {
            let mut token = good(value);
            let last = token.len() - 1;
            token[last] ^= 1;
            token
        }),
        failed("a time stamp from the future", SigConstraintsFailure, "after", &|value| {
            by(&authority, asked_at().plus_secs(120), value)
        }),
        failed("a time stamp by an authority that had run out", Expired, "expired", &|value| {
            by(&expired, sealed_at(), value)
        }),
        failed(
            "a time stamp by a certificate for anything",
            SigConstraintsFailure,
            "time stamping alone",
            &|value| by(&custom(None), sealed_at(), value),
        ),
        failed(
            "a time stamp by a certificate for a client",
            SigConstraintsFailure,
            "time stamping alone",
            &|value| by(&custom(Some(purpose(true, &["1.3.6.1.5.5.7.3.2"]))), sealed_at(), value),
        ),
        failed(
            "a time stamp by a certificate for more",
            SigConstraintsFailure,
            "time stamping alone",
            &|value| by(&custom(Some(purpose(true, &[stamping, "1.3.6.1.5.5.7.3.2"]))), sealed_at(), value),
        ),
        failed(
            "a time stamp by a certificate that is not critically for it",
            SigConstraintsFailure,
            "time stamping alone",
            &|value| by(&custom(Some(purpose(false, &[stamping]))), sealed_at(), value),
        ),
        failed("a time stamp of version 2", FormatFailure, "version 2", &|value| {
            message(TST_INFO, &content(2, "1.2.156.10197.1.401", &sm3(value), &[]), &authority)
        }),
        failed("a time stamp that is other content", FormatFailure, "type 1.2.3", &|value| {
            message("1.2.3", &content(1, "1.2.156.10197.1.401", &sm3(value), &[]), &authority)
        }),
        failed("a time stamp with a critical extension", FormatFailure, "critical", &|value| {
            let extensions = tlv(0xa1, &der::extension(true));
            message(TST_INFO, &content(1, "1.2.156.10197.1.401", &sm3(value), &extensions), &authority)
        }),
        failed("a time stamp that was not granted", FormatFailure, "status 2", &|value| {
            seq(&[&seq(&[&int(2)]), &good(value)])
        }),
        Case::open(
            "a time stamp on a digest by MD5",
            "timeStamp",
            CryptoConstraintsFailure,
            "1.2.840.113549.2.5",
            with(&|_| message(TST_INFO, &content(1, "1.2.840.113549.2.5", &[0; 16], &[]), &authority)),
        ),
        Case::open(
            "a time stamp by somebody whom nobody trusts",
            "timeStamp",
            NoCertificateChainFound,
            "no path",
            {
                let random = licence_seal::crypto::SeededRandom::new("time");
                let name = licence_seal::pki::issue::Name::new("示例他人");
                let root =
                    licence_seal::pki::issue::Authority::self_signed(&name, all, sm2("other root"), &random)
                        .unwrap();
                let stranger = super::world::issue_by(&root, "time", sm2("time"), all, Profile::TimeStamping);
                with(&|value| by(&stranger, sealed_at(), value))
            },
        ),
        Case::failed(
            "a claim later than its proof",
            "signingTime",
            SigConstraintsFailure,
            "saw the signature",
            at(sealed_at().plus_secs(1800), sealed_at()),
        ),
        Case::open("a claim days before its proof", "signingTime", OutOfBoundsNoPoe, "is proved for", {
            at(sealed_at().plus_secs(-3 * DAY), sealed_at())
        }),
        Case::failed("a time stamp by an authority that was revoked", "timeStamp", Revoked, "revoked", {
            let reason = RevocationReason::KeyCompromise;
            let crl = world.crl_with(&authority, sealed_at().plus_secs(-DAY), reason);
            with(&good).trusting(world.trust_with(vec![crl]))
        }),
    ];
    // The seal's own.
    let header = seq(&[&der::ia5("ES"), &int(5), &der::ia5("example")]);
    for (name, sub, token) in [
        ("a seal whose time stamp is none", FormatFailure, b"token".to_vec()),
        ("a seal whose time stamp is on something else", HashFailure, good(b"other")),
    ] {
        let given = Given::seal(world.seal_with(|seal| {
            seal.header = header.clone();
            seal.after = tlv(0xa0, &bits(&token));
        }));
        cases.push(Case::failed(name, "sealTimeStamp", sub, "", given));
    }
    cases.extend(messages(world));
    cases
}

/// Plain signatures that carry their certificate.
fn messages(world: &World) -> Vec<Case> {
    let sign = |content: &[u8], detached| {
        let draft =
            Draft { form: Form::GbT35275, content_type: cms::GM_DATA, content, detached, signing_time: None };
        cms::sign(&draft, &world.owner, sm2("owner")).unwrap()
    };
    let given = |value: &dyn Fn(&[u8]) -> Vec<u8>| {
        let mut entries = world.sealed();
        World::sign_plainly(&mut entries, &[], |text| text, value);
        Given::ofd(&entries)
    };
    let (_, verdict) = given(&|text| sign(text, true)).verify(world);
    assert_eq!(verdict, licence_seal::seal::Indication::TotalPassed);
    let failed = |name: &str, sub, value: &dyn Fn(&[u8]) -> Vec<u8>| {
        Case::failed(name, "plainSignature", sub, "", given(value))
    };
    let flip = |mut bytes: Vec<u8>, from_end: usize| {
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        bytes
    };
    let certificate =
        |bytes: &[u8]| bytes.windows(64).position(|window| window == &world.owner.der()[..64]).unwrap();
    vec![
        failed("a signed message over something else", HashFailure, &|_| sign(b"else", true)),
        failed("a signed message that carries something else", HashFailure, &|_| sign(b"else", false)),
        failed("a signed message whose signature was changed", SigCryptoFailure, &|text| {
            flip(sign(text, true), 1)
        }),
        failed("a signed message that is cut off", FormatFailure, &|text| {
            let message = sign(text, true);
            message[..message.len() - 2].to_vec()
        }),
        failed("a signed message with a byte more", FormatFailure, &|text| {
            [sign(text, true), vec![0]].concat()
        }),
        failed("a signed message of indefinite length", FormatFailure, &|text| {
            let message = sign(text, true);
            [&[0x30, 0x80], &message[4..], &[0, 0]].concat()
        }),
        Case::open(
            "a signed message without a certificate",
            "plainSignature",
            NoSigningCertificateFound,
            "",
            {
                given(&|text| {
                    let mut message = sign(text, true);
                    let at = certificate(&message);
                    // Its serial number is another one.
                    let serial = world.owner.serial();
                    let inside =
                        world.owner.der().windows(serial.len()).position(|window| window == serial).unwrap();
                    message[at + inside] ^= 1;
                    message
                })
            },
        ),
    ]
}
