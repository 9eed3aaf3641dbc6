//! Sealed licences: one byte form, what is shown, batch and seal, issuer, status.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use licence_seal::crypto::{SeededRandom, Suite, sha256};
use licence_seal::licence::{FieldValue, State, ValueRef};
use licence_seal::ofd::{Limits, Package};
use licence_seal::pki::issue::Profile;
use licence_seal::seal::SubIndication::{
    CryptoConstraintsFailure, Expired, FormatFailure, HashFailure, NoSigningCertificateFound, NotYetValid,
    Revoked, SigConstraintsFailure, SigCryptoFailure, TryLater,
};
use licence_seal::seal::{BatchId, IssuerList, SealedLicence, StatusStatement, Voice, disclosure};
use licence_seal::time::Day;

use super::der::{self, StampParts, bits, int, seq};
use super::world::{DAY, Entries, World, asked_at, edit, sealed_at, sm2};
use super::{Case, Given};

/// A licence whose members were changed: it is still in its canonical form.
fn with(world: &World, change: impl FnOnce(&mut SealedLicence)) -> Given {
    let mut licence = world.licence();
    change(&mut licence);
    Given::licence(licence.to_bytes().unwrap())
}

pub fn cases(world: &World) -> Vec<Case> {
    let mut cases = forms(world);
    cases.extend(disclosures(world));
    cases.extend(batches(world));
    cases.extend(stamps(world));
    cases.extend(issuers(world));
    cases.extend(statuses(world));
    cases.extend(in_ofd(world));
    cases
}

type Text = fn(&str) -> String;

/// The bytes of the file.
fn forms(world: &World) -> Vec<Case> {
    let rows: &[(&str, Text)] = &[
        ("an empty file", |_| String::new()),
        ("an empty object", |_| "{}".to_owned()),
        ("null", |_| "null".to_owned()),
        ("an array of a licence", |text| format!("[{text}]")),
        ("a licence that is cut off", |text| text[..text.len() - 1].to_owned()),
        ("a licence with a space in front", |text| format!(" {text}")),
        ("a licence with a line break behind", |text| format!("{text}\n")),
        ("a licence with a mark of byte order", |text| format!("\u{feff}{text}")),
        ("a licence with a space behind a comma", |text| text.replacen(',', ", ", 1)),
        ("a licence twice", |text| text.repeat(2)),
        ("a member more in the licence", |text| text.replacen('{', "{\"a\":1,", 1)),
        ("a member more in the payload", |text| text.replacen("\"v\":1", "\"v\":1,\"w\":1", 1)),
        ("a member twice", |text| text.replacen("\"index\":1", "\"index\":1,\"index\":1", 1)),
        ("a member twice with two values", |text| text.replacen("\"index\":1", "\"index\":0,\"index\":1", 1)),
        ("a member that is missing", |text| text.replacen("\"index\":1,", "", 1)),
        ("a number as a fraction", |text| text.replacen("\"index\":1", "\"index\":1.0", 1)),
        ("a number as text", |text| text.replacen("\"index\":1", "\"index\":\"1\"", 1)),
        ("a number above 255", |text| text.replacen("\"index\":1", "\"index\":256", 1)),
        ("a number below zero", |text| text.replacen("\"index\":1", "\"index\":-1", 1)),
        ("a letter spelt out", |text| text.replacen("licence-batch", "licence\\u002dbatch", 1)),
        ("half a pair of surrogates", |text| text.replacen("licence-batch", "\\ud800", 1)),
        ("members in another order", |text| {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            format!(
                "{{\"payload\":{},\"disclosures\":{},\"proof\":{},\"status\":{}}}",
                value["payload"], value["disclosures"], value["proof"], value["status"]
            )
        }),
        ("a status of null", |text| {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            text.replacen(&value["status"].to_string(), "null", 1)
        }),
        ("arrays in each other, a hundred thousand deep", |_| "[".repeat(100_000)),
        ("a day that is none", |text| {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            text.replacen(value["payload"]["issued"].as_str().unwrap(), "2026-02-30", 1)
        }),
        ("21 MiB of spaces", |_| " ".repeat(21 << 20)),
    ];
    let text = String::from_utf8(world.licence().to_bytes().unwrap()).unwrap();
    let case = |name: &str, bytes: Vec<u8>| {
        Case::failed(
            format!("a licence file: {name}"),
            "format.canonical",
            FormatFailure,
            "",
            Given::licence(bytes),
        )
    };
    let mut cases: Vec<Case> = rows
        .iter()
        .map(|(name, change)| {
            let changed = change(&text);
            assert_ne!(changed, text, "{name}");
            case(name, changed.into_bytes())
        })
        .collect();
    let mut bytes = text.into_bytes();
    bytes[40] = 0xff;
    cases.push(case("bytes that are not UTF-8", bytes));
    cases
}

/// Fields that are shown and do not belong.
fn disclosures(world: &World) -> Vec<Case> {
    let suite = Suite::Sm2Sm3;
    let shown = |name: &str, salt: u8| {
        let salt = URL_SAFE_NO_PAD.encode([salt; 16]);
        disclosure::encode(&salt, name, &ValueRef::Text("甲级"))
    };
    let add = |text: String| {
        move |licence: &mut SealedLicence| {
            licence.disclosures.push(text);
            licence.disclosures.sort();
        }
    };
    let bytes = |json: String| URL_SAFE_NO_PAD.encode(json);
    let salt = URL_SAFE_NO_PAD.encode([1; 16]);
    let other = world.bare_licence(Voice::Issuer, "other batch");
    // As if they were sealed: the payload refers to them.
    let refer = |texts: Vec<String>| {
        move |licence: &mut SealedLicence| {
            licence.payload.sd = texts.iter().map(|text| disclosure::digest(suite, text)).collect();
            licence.payload.sd.sort();
            licence.disclosures = texts;
            licence.disclosures.sort();
        }
    };
    let mut rows: Vec<(String, String, Given)> = vec![
        (
            "a field that stands twice".into(),
            "stands twice".into(),
            with(world, |licence| {
                let first = licence.disclosures[0].clone();
                licence.disclosures.insert(0, first);
            }),
        ),
        (
            "a field of another licence".into(),
            "does not refer".into(),
            with(world, add(other.disclosures[0].clone())),
        ),
        (
            "the fields of another licence".into(),
            "does not refer".into(),
            with(world, |licence| {
                licence.disclosures = other.disclosures.clone();
            }),
        ),
        (
            "a field in another order".into(),
            "order".into(),
            with(world, |licence| licence.disclosures.reverse()),
        ),
        (
            "digests in another order".into(),
            "sorted".into(),
            with(world, |licence| licence.payload.sd.reverse()),
        ),
        (
            "a digest twice".into(),
            "sorted".into(),
            with(world, |licence| {
                let first = licence.payload.sd[0].clone();
                licence.payload.sd.insert(0, first);
            }),
        ),
        (
            "a hash that is not known".into(),
            "_sd_alg".into(),
            with(world, |licence| licence.payload.sd_alg = "md5".into()),
        ),
        (
            "a field with padding".into(),
            "base64url".into(),
            with(world, |licence| licence.disclosures[0].push('=')),
        ),
        ("an empty field".into(), "".into(), with(world, add(String::new()))),
        (
            "a field with another value under its salt".into(),
            "does not refer".into(),
            with(world, |licence| {
                let text = URL_SAFE_NO_PAD.decode(&licence.disclosures[0]).unwrap();
                let (salt, name, _): (String, String, FieldValue) = serde_json::from_slice(&text).unwrap();
                licence.disclosures[0] = disclosure::encode(&salt, &name, &ValueRef::Text("别的"));
                licence.disclosures.sort();
            }),
        ),
        (
            "a field under another salt".into(),
            "does not refer".into(),
            with(world, |licence| {
                let text = URL_SAFE_NO_PAD.decode(&licence.disclosures[0]).unwrap();
                let (_, name, value): (String, String, FieldValue) = serde_json::from_slice(&text).unwrap();
                licence.disclosures[0] = disclosure::encode(&salt, &name, &(&value).into());
                licence.disclosures.sort();
            }),
        ),
        ("two fields of one name, both referred to".into(), "same name".into(), {
            with(world, refer(vec![shown("level", 1), shown("level", 2)]))
        }),
    ];
    for (name, json) in [
        ("a field without a salt", "[\"\",\"level\",\"x\"]".to_owned()),
        ("a field with a short salt", "[\"AAAA\",\"level\",\"x\"]".to_owned()),
        ("a field with a space", format!("[\"{salt}\", \"level\",\"x\"]")),
        ("a field that is a number", format!("[\"{salt}\",\"level\",1]")),
        ("a field of four parts", format!("[\"{salt}\",\"level\",\"x\",\"y\"]")),
        ("a field that is an object", format!("{{\"{salt}\":\"x\"}}")),
    ] {
        rows.push((name.into(), "".into(), with(world, refer(vec![bytes(json)]))));
    }
    for name in ["v", "id", "type", "issuer", "validUntil", "_sd", "_sd_alg", "..."] {
        let title = format!("a field called \"{name}\", referred to");
        rows.push((title, "member of the payload".into(), with(world, refer(vec![shown(name, 1)]))));
    }
    rows.into_iter()
        .map(|(name, why, given)| Case::failed(name, "disclosures", FormatFailure, why, given))
        .collect()
}

/// Payload against manifest, and the way from one to the other.
fn batches(world: &World) -> Vec<Case> {
    let failed = |name: &str, check, sub, why: &str, given| Case::failed(name, check, sub, why, given);
    let mut cases = Vec::new();
    let other = world.bare_licence(Voice::Issuer, "other batch");
    let good = world.licence();
    let manifest = |from: &'static str, to: &'static str| {
        move |licence: &mut SealedLicence| {
            assert!(licence.proof.manifest.contains(from), "{}", licence.proof.manifest);
            licence.proof.manifest = licence.proof.manifest.replacen(from, to, 1);
        }
    };
    for (name, from, to) in [
        ("a manifest of version 2", "/v1", "/v2"),
        ("a manifest with a line more", "\n3\n", "\n3\n3\n"),
        ("a manifest without its size", "\n3\n", "\n"),
        ("a manifest of 33", "\n3\n", "\n33\n"),
        ("a manifest of none", "\n3\n", "\n0\n"),
        ("a manifest of 03", "\n3\n", "\n03\n"),
        ("a manifest of a hash that is not known", "\nsm3\n", "\nmd5\n"),
        ("a manifest with returns", "\n", "\r\n"),
    ] {
        cases.push(failed(name, "manifest", FormatFailure, "", with(world, manifest(from, to))));
    }
    cases.push(failed("a manifest without its last line break", "manifest", FormatFailure, "", {
        with(world, |licence| {
            licence.proof.manifest.pop();
        })
    }));
    let id = good.payload.id.clone();
    let last = id.chars().last().unwrap();
    type Change = Box<dyn Fn(&mut SealedLicence)>;
    let rows: Vec<(&str, &str, Change)> = vec![
        ("a payload of version 2", "another version", Box::new(|licence| licence.payload.v = 2)),
        (
            "a payload of another issuer",
            "different issuers",
            Box::new(|licence| {
                licence.payload.issuer = "11130000XNAUTH010C".into();
            }),
        ),
        (
            "a payload of another type",
            "different types",
            Box::new(|licence| {
                licence.payload.type_code = "11999999EXAMPLE033902".into();
            }),
        ),
        (
            "a payload with the other suite's hash",
            "different hashes",
            Box::new(|licence| {
                licence.payload.sd_alg = "sha-256".into();
                licence.disclosures.clear();
            }),
        ),
        (
            "an identifier with a wrong check character",
            "identifier",
            Box::new(move |licence| {
                let other = if last == '0' { '1' } else { '0' };
                licence.payload.id = format!("{}{other}", &id[..id.len() - last.len_utf8()]);
            }),
        ),
        ("an identifier that is none", "identifier", Box::new(|licence| licence.payload.id = "x".into())),
        (
            "a validity that ends before it begins",
            "ends before",
            Box::new(|licence| {
                licence.payload.valid_until = Some(licence.payload.valid_from.plus_days(-1));
            }),
        ),
    ];
    for (name, why, change) in rows {
        let given = with(world, |licence| change(licence));
        cases.push(failed(name, "manifest", SigConstraintsFailure, why, given));
    }
    let form = |name: &str, change: &dyn Fn(&mut SealedLicence)| {
        failed(name, "inclusion", FormatFailure, "", with(world, |licence| change(licence)))
    };
    cases.extend([
        form("a path that is too short", &|licence| drop(licence.proof.path.pop())),
        form("no path", &|licence| licence.proof.path.clear()),
        form("a path that is too long", &|licence| licence.proof.path.push(STANDARD.encode([0; 32]))),
        form("a path of a thousand", &|licence| licence.proof.path = vec![STANDARD.encode([0; 32]); 1000]),
        form("a path whose hash has 31 bytes", &|licence| licence.proof.path[0] = STANDARD.encode([0; 31])),
        form("a path whose hash lacks its padding", &|licence| {
            licence.proof.path[0] = licence.proof.path[0].replace('=', "");
        }),
        form("an index outside the batch", &|licence| licence.proof.index = 3),
        form("an index of 255", &|licence| licence.proof.index = 255),
    ]);
    let hash = |name: &str, change: &dyn Fn(&mut SealedLicence)| {
        failed(name, "inclusion", HashFailure, "root", with(world, |licence| change(licence)))
    };
    cases.extend([
        hash("another index", &|licence| licence.proof.index = 0),
        hash("a path whose hashes are exchanged", &|licence| licence.proof.path.reverse()),
        hash("a path whose hash was changed", &|licence| licence.proof.path[0] = STANDARD.encode([0; 32])),
        hash("a longer validity", &|licence| {
            licence.payload.valid_until = licence.payload.valid_until.map(|day| day.plus_days(365));
        }),
        hash("no end of the validity", &|licence| licence.payload.valid_until = None),
        hash("an earlier day of issue", &|licence| {
            licence.payload.issued = Day::from_ymd(2000, 1, 1).unwrap()
        }),
        hash("another version of the catalogue", &|licence| licence.payload.schema.push('1')),
        hash("a digest taken out", &|licence| {
            licence.disclosures.clear();
            drop(licence.payload.sd.pop());
        }),
        hash("the payload of another batch", &|licence| {
            licence.disclosures.clear();
            licence.payload.sd = other.payload.sd.clone();
        }),
        hash("the manifest of another batch", &|licence| {
            licence.proof.manifest = other.proof.manifest.clone()
        }),
        hash("the proof of another batch", &|licence| licence.proof = other.proof.clone()),
    ]);
    cases.push(failed("a manifest with another batch number", "dataHash", HashFailure, "", {
        let batch = good.manifest().unwrap().batch.to_string();
        let changed = BatchId::generate(&SeededRandom::new("another")).unwrap().to_string();
        with(world, |licence| licence.proof.manifest = licence.proof.manifest.replace(&batch, &changed))
    }));
    cases.push(failed("the stamp of another batch", "dataHash", HashFailure, "", {
        with(world, |licence| licence.proof.stamp = other.proof.stamp.clone())
    }));
    cases
}

/// The licence stamped anew.
fn restamped(world: &World, change: impl FnOnce(&mut StampParts)) -> Given {
    with(world, |licence| {
        let mut parts = world.stamp_parts(licence.proof.manifest.as_bytes(), "licence-batch/v1");
        change(&mut parts);
        licence.proof.stamp = STANDARD.encode(parts.build());
    })
}

fn stamps(world: &World) -> Vec<Case> {
    let format = |name: &str, given| Case::failed(name, "stampFormat", FormatFailure, "", given);
    let text = |stamp: &'static str| with(world, |licence| licence.proof.stamp = stamp.to_owned());
    let raw = {
        let mut parts = world.stamp_parts(world.licence().proof.manifest.as_bytes(), "licence-batch/v1");
        let value = licence_seal::crypto::Signer::sign(sm2("owner"), &parts.to_sign()).unwrap();
        parts.value = Some(value.raw().to_vec());
        parts.build()
    };
    let certificate = |name: &'static str, profile| world.issue(name, World::validity(), profile);
    let attest = world.attestation_seal.clone();
    vec![
        format("a licence whose stamp is not base64", text("!")),
        format("a licence without a stamp", text("")),
        format("a licence whose stamp is something else", text("AAAA")),
        format("a licence whose stamp is padded twice", {
            with(world, |licence| licence.proof.stamp.push('='))
        }),
        format("a licence whose stamp's signature is bare", {
            with(world, |licence| licence.proof.stamp = STANDARD.encode(&raw))
        }),
        format("a licence whose stamp spells out a default", {
            let extension = seq(&[&der::oid("1.2.3"), &der::tlv(1, &[0]), &der::octets(b"")]);
            restamped(world, |stamp| stamp.extensions = der::tlv(0xa0, &seq(&[&extension])))
        }),
        format("a licence whose stamp has empty extensions", {
            restamped(world, |stamp| stamp.extensions = der::tlv(0xa0, &[]))
        }),
        format("a licence whose stamp has a text of another kind", {
            restamped(world, |stamp| stamp.property = der::utf8("licence-batch/v1"))
        }),
        Case::failed(
            "a licence whose stamp was set on a part of an OFD",
            "stampProperty",
            SigConstraintsFailure,
            "propertyInfo",
            restamped(world, |stamp| stamp.property = der::ia5("/Doc_0/Signs/Sign_0/Signature.xml")),
        ),
        Case::failed(
            "a licence whose stamp is of version 2 of batches",
            "stampProperty",
            SigConstraintsFailure,
            "",
            restamped(world, |stamp| stamp.property = der::ia5("licence-batch/v2")),
        ),
        Case::failed("a licence stamped in the future", "signingTime", SigConstraintsFailure, "", {
            restamped(world, |stamp| stamp.time = der::time(asked_at().plus_secs(61)))
        }),
        Case::failed("a licence stamped over its root alone", "dataHash", HashFailure, "", {
            let root = world.licence().manifest().unwrap().root;
            restamped(world, |stamp| stamp.data_hash = bits(&root))
        }),
        Case::failed(
            "a licence stamped by the library's own seal as if by the authority",
            "issuerBinding",
            SigConstraintsFailure,
            "does not give",
            {
                restamped(world, |stamp| {
                    stamp.seal = attest;
                    stamp.certificate = world.attest.der().to_vec();
                    stamp.signer = sm2("attest");
                })
            },
        ),
        Case::failed(
            "a licence stamped by the authority as if by the library",
            "issuerBinding",
            SigConstraintsFailure,
            "attestation",
            restamped(world, |stamp| stamp.property = der::ia5("licence-attest/v1")),
        ),
        Case::failed(
            "a licence stamped by another authority with its own seal",
            "issuerBinding",
            SigConstraintsFailure,
            "does not give",
            {
                let other = certificate("stranger", Profile::SealOwner);
                let list = seq(&[&der::octets(other.der())]);
                restamped(world, |stamp| {
                    stamp.seal = world.seal_with(|seal| seal.list = list);
                    stamp.certificate = other.der().to_vec();
                    stamp.signer = sm2("stranger");
                })
            },
        ),
        Case::failed(
            "a licence stamped with the other suite",
            "stampProperty",
            CryptoConstraintsFailure,
            "suite",
            {
                let key = super::world::key(Suite::P256Sha256, "owner");
                let other =
                    super::world::issue_by(&world.root, "owner", key, World::validity(), Profile::SealOwner);
                let list = seq(&[&der::octets(other.der())]);
                let manifest = world.licence().proof.manifest;
                restamped(world, |stamp| {
                    stamp.seal = world.seal_with(|seal| seal.list = list);
                    stamp.certificate = other.der().to_vec();
                    stamp.algorithm = der::oid(der::ECDSA_WITH_SHA256);
                    stamp.data_hash = bits(&sha256(&[manifest.as_bytes()]));
                    stamp.signer = key;
                    // The smaller of the two values that hold.
                    let value = licence_seal::crypto::Signer::sign(key, &stamp.to_sign()).unwrap();
                    stamp.value = Some(value.canonical(Suite::P256Sha256).to_der());
                })
            },
        ),
    ]
}

/// Lists that do not bind the seal to the issuer.
fn issuers(world: &World) -> Vec<Case> {
    let code = World::records()[0].issuer_code.to_string();
    let given = |change: &dyn Fn(&mut IssuerList)| {
        let mut list = world.list(&code);
        change(&mut list);
        with(world, |_| ()).trusting(world.licence_trust(&list))
    };
    let failed = |name: &str, why: &str, change: &dyn Fn(&mut IssuerList)| {
        Case::failed(name, "issuerBinding", SigConstraintsFailure, why, given(change))
    };
    let unknown = |name: &str, given| {
        Case::open(name, "issuerBinding", NoSigningCertificateFound, "no issuer list names", given)
    };
    vec![
        failed("an authority that has another seal", "does not give", &|list| {
            list.issuers[0].seals[0].certificate = "00".repeat(32);
        }),
        failed("an authority without seals", "does not give", &|list| list.issuers[0].seals.clear()),
        failed("an authority that may not seal this type", "may not seal", &|list| {
            list.issuers[0].seals[0].types = vec!["11999999EXAMPLE033901".to_owned()];
        }),
        failed("a binding that ended before", "did not hold", &|list| {
            list.issuers[0].seals[0].until = Some(sealed_at().plus_secs(-1));
        }),
        failed("a binding that began later", "did not hold", &|list| {
            list.issuers[0].seals[0].from = sealed_at().plus_secs(1);
        }),
        unknown("an authority that no list names", given(&|list| list.issuers.clear())),
        unknown("no list at all", {
            let trust =
                licence_seal::seal::Trust::of(vec![world.root.certificate().clone()], vec![world.crl(&[])]);
            with(world, |_| ()).trusting(trust)
        }),
    ]
}

/// What is said of the status, and by whom.
fn statuses(world: &World) -> Vec<Case> {
    let said = |change: &dyn Fn(&mut StatusStatement)| {
        with(world, |licence| {
            let mut statement = world.statement(licence);
            change(&mut statement);
            licence.status = Some(world.say(&statement));
        })
    };
    let token = |make: &dyn Fn(&StatusStatement) -> String| {
        with(world, |licence| licence.status = Some(make(&world.statement(licence))))
    };
    let failed = |name: &str, sub, why: &str, given| Case::failed(name, "status", sub, why, given);
    let open = |name: &str, why: &str, given| Case::open(name, "status", TryLater, why, given);
    let mut cases = vec![
        open(
            "a licence without a status",
            "no status statement",
            with(world, |licence| licence.status = None),
        ),
        open(
            "a status that ran out",
            "was fresh until",
            said(&|statement| {
                statement.as_of = asked_at().plus_secs(-2 * DAY);
                statement.next_update = asked_at().plus_secs(-DAY);
            }),
        ),
        open(
            "a status from after the question",
            "after the moment",
            said(&|statement| {
                statement.as_of = asked_at().plus_secs(600);
            }),
        ),
        failed(
            "a status of another licence",
            SigConstraintsFailure,
            "another licence",
            said(&|statement| {
                statement.id = World::records()[0].identifier.to_string();
            }),
        ),
        failed(
            "a status by another city",
            SigConstraintsFailure,
            "issuing city",
            said(&|statement| {
                statement.iss = "130000".into();
            }),
        ),
        failed(
            "a status that is fresh for two days",
            FormatFailure,
            "24 hours",
            said(&|statement| {
                statement.next_update = statement.as_of.plus_secs(2 * DAY);
            }),
        ),
        failed(
            "a status that ends before it begins",
            FormatFailure,
            "24 hours",
            said(&|statement| {
                statement.next_update = statement.as_of.plus_secs(-1);
            }),
        ),
        failed(
            "a status by a node that the list does not name",
            SigConstraintsFailure,
            "does not name",
            token(&|statement| statement.sign(sm2("owner"), world.owner.der()).unwrap()),
        ),
        failed(
            "a status signed with another key",
            SigCryptoFailure,
            "",
            token(&|statement| statement.sign(sm2("owner"), world.node.der()).unwrap()),
        ),
        failed(
            "a status whose claims were changed",
            SigCryptoFailure,
            "",
            token(&|statement| {
                let later = StatusStatement { as_of: statement.as_of.plus_secs(1), ..statement.clone() };
                let (good, other) = (world.say(statement), world.say(&later));
                let (good, other): (Vec<&str>, Vec<&str>) =
                    (good.split('.').collect(), other.split('.').collect());
                [good[0], other[1], good[2]].join(".")
            }),
        ),
        failed(
            "a status without a signature",
            FormatFailure,
            "",
            token(&|statement| {
                let token = world.say(statement);
                token[..token.rfind('.').unwrap() + 1].to_owned()
            }),
        ),
        failed(
            "a status with the algorithm none",
            FormatFailure,
            "",
            token(&|statement| {
                let token = world.say(statement);
                let header = URL_SAFE_NO_PAD.encode("{\"alg\":\"none\",\"typ\":\"licence-status+jwt\"}");
                format!("{header}{}", &token[token.find('.').unwrap()..])
            }),
        ),
        failed("a status that is no token", FormatFailure, "", token(&|_| "valid".into())),
        failed(
            "an issuer list as a status",
            FormatFailure,
            "",
            token(&|_| world.list(World::records()[0].issuer_code.as_str()).sign(sm2("node")).unwrap()),
        ),
    ];
    for state in State::ALL.into_iter().filter(|state| *state != State::Valid) {
        let given = said(&|statement| statement.state = state);
        cases.push(failed(&format!("a licence that is {state:?}"), Revoked, "", given));
    }
    cases.push(failed(
        "a licence that was revoked, said long ago",
        Revoked,
        "",
        said(&|statement| {
            statement.state = State::Revoked;
            statement.as_of = asked_at().plus_secs(-20 * DAY);
            statement.next_update = asked_at().plus_secs(-19 * DAY);
        }),
    ));
    let days = |licence: &SealedLicence| (licence.payload.valid_from, licence.payload.valid_until.unwrap());
    let (from, until) = days(&world.licence());
    for (name, sub, at) in [
        ("a licence past its last day", Expired, until.plus_days(2).start()),
        ("a licence before its first day", NotYetValid, from.plus_days(-2).start()),
    ] {
        // Stamp, seal and certificates hold then as well, if the sealing lies before it.
        if at > sealed_at() {
            let given = said(&|statement| {
                (statement.as_of, statement.next_update) = (at, at.plus_secs(DAY));
            });
            cases.push(failed(name, sub, "", given.at(at)));
        }
    }
    cases
}

/// A sealed licence that goes along in an OFD: the seal around it holds, it does not.
fn in_ofd(world: &World) -> Vec<Case> {
    let code = World::records()[0].issuer_code.to_string();
    // Drawn from a good licence; then the attachment is exchanged, and all of it sealed.
    let drawn = Package::open(&world.licence_ofd(&world.licence()), &Limits::default()).unwrap();
    let mut drawn = drawn.into_entries();
    drawn.retain(|name, _| !name.starts_with("Doc_0/Signs/"));
    const ATTACHMENT: &str = "Doc_0/Attachs/sealed.licence.json";
    let sealed = |change: &dyn Fn(&mut Entries), stamp: &dyn Fn(&mut StampParts)| {
        let mut entries = drawn.clone();
        change(&mut entries);
        let anywhere = "<ofd:StampAnnot ID=\"s2\" PageRef=\"1\" Boundary=\"150 230 40 40\"/>";
        world.stamp(&mut entries, &[], |text| text.replace(anywhere, ""), stamp);
        Given::ofd(&entries).trusting(world.licence_trust(&world.list(&code)))
    };
    let given = |licence: SealedLicence| {
        let bytes = licence.to_bytes().unwrap();
        sealed(&|entries| assert!(entries.insert(ATTACHMENT.to_owned(), bytes.clone()).is_some()), &|_| ())
    };
    let until = |text: &'static str| {
        let data = format!("<ofd:CustomDatas><ofd:CustomData Name=\"JZJYXQJZSJ\">{text}</ofd:CustomData>");
        sealed(&|entries| edit(entries, "OFD.xml", "<ofd:CustomDatas>", &data), &|_| ())
    };
    let (bound, esl) = (
        "Doc_0/Signs/Sign_0/Seal.esl",
        world.seal_with(|seal| {
            seal.list = seq(&[&der::octets(world.stranger.der())]);
        }),
    );
    let licence = world.licence();
    let other = world.bare_licence(Voice::Issuer, "other batch");
    vec![
        Case::failed("an OFD with a licence whose stamp is of another batch", "dataHash", HashFailure, "", {
            let mut changed = licence.clone();
            changed.proof.stamp = other.proof.stamp;
            given(changed)
        }),
        Case::failed("an OFD with a licence that was changed", "inclusion", HashFailure, "", {
            let mut changed = licence.clone();
            changed.payload.schema.push('1');
            given(changed)
        }),
        Case::failed("an OFD with a licence that is suspended", "status", Revoked, "", {
            let mut changed = licence.clone();
            let statement = StatusStatement { state: State::Suspended, ..world.statement(&licence) };
            changed.status = Some(world.say(&statement));
            given(changed)
        }),
        Case::open("an OFD with a licence without a status", "status", TryLater, "", {
            given(SealedLicence { status: None, ..licence })
        }),
        Case::failed(
            "a page drawn by somebody else around a good licence",
            "pageBinding",
            SigConstraintsFailure,
            "",
            {
                sealed(&|entries| drop(entries.insert(bound.to_owned(), esl.clone())), &|stamp| {
                    (stamp.seal, stamp.signer) = (esl.clone(), sm2("stranger"));
                    stamp.certificate = world.stranger.der().to_vec();
                })
            },
        ),
        Case::failed(
            "a second licence that nobody looks at",
            "ofd.structure",
            FormatFailure,
            "more than one",
            {
                sealed(
                    &|entries| {
                        let more = "<ofd:Attachment ID=\"77\" Name=\"x\"><ofd:FileLoc>x.LICENCE.json</ofd:FileLoc></ofd:Attachment></ofd:Attachments>";
                        edit(entries, "Doc_0/Attachs/Attachments.xml", "</ofd:Attachments>", more);
                        entries.insert("Doc_0/Attachs/x.LICENCE.json".to_owned(), b"{}".to_vec());
                    },
                    &|_| (),
                )
            },
        ),
        Case::failed(
            "a copy whose time is over",
            "copyExpiry",
            Expired,
            "for use until",
            until("20261123120000"),
        ),
        Case::open("a copy that says no time that can be read", "copyExpiry", TryLater, "", until("soon")),
        Case::open(
            "a copy until the thirty-first of June",
            "copyExpiry",
            TryLater,
            "",
            until("20270631000000"),
        ),
    ]
}

#[test]
fn a_stamp_made_by_hand_is_the_one_form_of_it() {
    let world = World::shared();
    let (_, verdict) = restamped(world, |stamp| stamp.version = int(4)).verify(world);
    assert_eq!(verdict, licence_seal::seal::Indication::TotalPassed);
}
