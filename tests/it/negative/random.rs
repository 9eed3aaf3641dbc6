//! Random changes of good files, with their structure in mind: cuts, splices, repeats, flipped bits,
//! lengths of DER, elements of XML and members of JSON.
//!
//! Nothing may panic, and what passes must say just what the good file said. The work of one input is
//! bounded by the limits of the readers, so a run ends. How many inputs: `PROPTEST_CASES`, or few.
//! Every input has a number of its own; `CORPUS_SEED` begins at another one, and a failure names it.

use licence_seal::ofd::{Limits, Package, verify_ofd};
use licence_seal::pki::{Certificate, Crl, Terms, Usage, validate};
use licence_seal::seal::ses::Seal;
use licence_seal::seal::{Ask, SealedLicence, verify_licence, verify_seal, verify_stamp};
use licence_seal::time::{Clock, SystemClock};

use serde_json::{Value, json};

use super::world::{Entries, World, asked_at, pack};
use crate::child::Dice;

const ASK: fn() -> Ask<'static> = || Ask { at: asked_at(), seal_only: false, catalogue: None };

/// Runs `one` on so many inputs; `share` of them is as much work as one input of a cheap parser.
fn inputs(name: &str, share: u64, one: impl Fn(&mut Dice)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("PROPTEST_CASES");
    let count = cases.unwrap_or(512) / share;
    // A short run is the same each time; a long one is to find something new.
    let fresh = || cases.map_or(1, |_| SystemClock.now().millis().unsigned_abs() << 8);
    let seed = number("CORPUS_SEED").unwrap_or_else(fresh);
    println!("{name}: {count} inputs from CORPUS_SEED={seed}");
    for number in seed..seed + count.max(1) {
        let run = std::panic::AssertUnwindSafe(|| one(&mut Dice::new(number)));
        assert!(std::panic::catch_unwind(run).is_ok(), "{name}: input CORPUS_SEED={number}");
    }
}

fn below(dice: &mut Dice, end: usize) -> usize {
    dice.below(end.max(1) as u64) as usize
}

fn range(dice: &mut Dice, length: usize) -> std::ops::Range<usize> {
    let from = below(dice, length);
    from..(from + 1 + below(dice, 40)).min(length)
}

/// One to four changes.
fn changed(dice: &mut Dice, good: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=below(dice, 4) {
        change(dice, &mut bytes, other);
    }
    bytes
}

fn change(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.push(0x30);
    }
    let at = below(dice, bytes.len());
    match below(dice, 9) {
        0 => bytes[at] ^= 1 << below(dice, 8),
        1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'<', b'"', b'/'][below(dice, 8)],
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(range(dice, bytes.len()))),
        4 => {
            let part = bytes[range(dice, bytes.len())].to_vec();
            bytes.splice(at..at, part);
        }
        5 => {
            let part = other[range(dice, other.len())].to_vec();
            bytes.splice(at..at, part);
        }
        6 => {
            let (from, to) = (range(dice, bytes.len()), range(dice, other.len()));
            bytes.splice(from, other[to].to_vec());
        }
        7 => der(dice, bytes),
        _ => marked(dice, bytes),
    }
}

/// Another length or tag of an element of DER, an element twice, or none.
fn der(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let mut elements = Vec::new();
    let mut at = 0;
    while at + 2 < bytes.len() {
        let (header, length) = match bytes[at + 1] {
            short @ 0..=0x7f => (2, usize::from(short)),
            0x81 => (3, usize::from(bytes[at + 2])),
            0x82 if at + 3 < bytes.len() => (4, usize::from(bytes[at + 2]) << 8 | usize::from(bytes[at + 3])),
            _ => break,
        };
        elements.push((at, header, (at + header + length).min(bytes.len())));
        // Into what is constructed, or wraps something, and past everything else.
        let wraps = matches!(bytes[at], 0x03 | 0x04) && length > 60;
        at += if bytes[at] & 0x20 != 0 || wraps { header } else { header + length };
        if wraps && bytes.get(at) == Some(&0) {
            at += 1;
        }
    }
    let Some(&(at, header, end)) = elements.get(below(dice, elements.len())) else { return };
    match below(dice, 5) {
        0 => bytes[at + header - 1] = bytes[at + header - 1].wrapping_add(1),
        1 => bytes[at + 1] = [0x80, 0x81, 0x84, 0xff, 0][below(dice, 5)],
        2 => bytes[at] = [0x30, 0x31, 0x02, 0x03, 0x04, 0x06, 0x0c, 0xa0, 0x1f][below(dice, 9)],
        3 => {
            let element = bytes[at..end].to_vec();
            bytes.splice(end..end, element);
        }
        _ => drop(bytes.drain(at..end)),
    }
}

/// What stands between two marks of XML or JSON, taken out, put twice, or put elsewhere.
fn marked(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let is_mark = |byte: &u8| b"<>\"{}[],:".contains(byte);
    let marks: Vec<usize> = (0..bytes.len()).filter(|at| is_mark(&bytes[*at])).collect();
    let Some(&from) = marks.get(below(dice, marks.len())) else { return };
    let next = marks.iter().filter(|at| **at > from).nth(below(dice, 6));
    let to = next.copied().unwrap_or(bytes.len());
    let part = bytes[from..to].to_vec();
    match below(dice, 3) {
        0 => drop(bytes.drain(from..to)),
        1 => drop(bytes.splice(to..to, part)),
        _ => {
            let elsewhere = marks[below(dice, marks.len())];
            bytes.splice(elsewhere..elsewhere, part);
        }
    }
}

/// One change somewhere in a value of JSON.
fn json(dice: &mut Dice, value: &mut Value) {
    let dive = below(dice, 5) > 0;
    match value {
        Value::Object(members) if dive && !members.is_empty() => {
            let name = members.keys().nth(below(dice, members.len())).cloned().unwrap();
            match below(dice, 8) {
                0 => drop(members.remove(&name)),
                1 => drop(members.insert("x".to_owned(), members[&name].clone())),
                _ => json(dice, &mut members[&name]),
            }
        }
        Value::Array(items) if dive && !items.is_empty() => {
            let (at, other) = (below(dice, items.len()), below(dice, items.len()));
            match below(dice, 5) {
                0 => drop(items.remove(at)),
                1 => items.insert(at, items[other].clone()),
                2 => items.swap(at, other),
                _ => json(dice, &mut items[at]),
            }
        }
        Value::String(text) if dive => {
            let mut bytes = std::mem::take(text).into_bytes();
            let good = bytes.clone();
            change(dice, &mut bytes, &good);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        Value::Number(number) => *number = dice.below(300).into(),
        other => *other = [Value::Null, 1.into(), "x".into(), json!([]), json!({})][below(dice, 5)].clone(),
    }
}

/// All that is shown: not the list of signatures, and not what nobody refers to.
fn shown(package: Package, good: &Entries) -> Entries {
    let keep = |name: &str| good.contains_key(name) && !name.ends_with("Signatures.xml");
    package.into_entries().into_iter().filter(|(name, _)| keep(name)).collect()
}

#[test]
fn a_sealed_ofd_changed_at_random_never_passes_as_another() {
    let world = World::shared();
    let (entries, trust) = (world.signed_twice(), world.trust());
    let (file, names): (_, Vec<&String>) = (pack(&entries), entries.keys().collect());
    let mut without_list = entries.clone();
    without_list.retain(|name, _| !name.ends_with("Signatures.xml"));
    inputs("OFD", 16, |dice| {
        let file = if below(dice, 3) == 0 {
            changed(dice, &file, &file)
        } else {
            let mut entries = entries.clone();
            for _ in 0..=below(dice, 2) {
                let (one, other) = (names[below(dice, names.len())], names[below(dice, names.len())]);
                let bytes = changed(dice, &entries[one], &entries[other]);
                entries.insert(one.clone(), bytes);
            }
            pack(&entries)
        };
        let report = verify_ofd("x.ofd", &file, &trust, &ASK(), &Limits::default());
        if report.verdict.passed() {
            let package = Package::open(&file, &Limits::default()).unwrap();
            assert!(shown(package, &without_list) == without_list);
        }
        assert!(!report.to_text().is_empty());
    });
}

#[test]
fn an_ofd_changed_at_random_before_it_is_sealed_never_panics() {
    let world = World::shared();
    let (trust, unsigned) = (world.trust(), World::unsigned());
    let names: Vec<&String> = unsigned.keys().collect();
    inputs("OFD before sealing", 16, |dice| {
        let entries = world.sealed_with(
            |parts| {
                let name = names[below(dice, names.len())];
                let bytes = changed(dice, &parts[name], &unsigned["Doc_0/Document.xml"]);
                parts.insert(name.clone(), bytes);
            },
            |text| text,
            |_| (),
        );
        let report = verify_ofd("x.ofd", &pack(&entries), &trust, &ASK(), &Limits::default());
        assert!(!report.to_text().is_empty());
    });
}

#[test]
fn seals_and_stamps_changed_at_random_never_pass_as_others() {
    let world = World::shared();
    let trust = world.trust();
    let stamp = world.stamp_parts(b"data", "data").build();
    let good = Seal::from_der(&world.seal).unwrap();
    inputs("SES", 4, |dice| {
        let seal = changed(dice, &world.seal, &stamp);
        if verify_seal("x.esl", &seal, &trust, &ASK()).verdict.passed() {
            let seal = Seal::from_der(&seal).unwrap();
            assert_eq!(
                (seal.signed, seal.maker_certificate),
                (good.signed.clone(), good.maker_certificate.clone())
            );
        }
        let stamp = changed(dice, &stamp, &world.seal);
        assert!(!verify_stamp("x.dat", &stamp, &trust, &ASK()).verdict.passed());
    });
}

#[test]
fn certificates_and_lists_changed_at_random_never_pass_as_others() {
    let world = World::shared();
    let anchors = licence_seal::pki::Anchors::new(vec![world.root.certificate().clone()]);
    let terms = Terms::strict(asked_at(), Usage::Sign).without_required_revocation();
    let (owner, crl) = (&world.owner, world.crl(&[]));
    inputs("X.509", 2, |dice| {
        let bytes = changed(dice, owner.der(), world.maker.der());
        if let Ok(found) = Certificate::from_der(&bytes)
            && validate(&found, &[], &anchors, &[], &terms).is_ok()
        {
            assert_eq!(found.tbs(), owner.tbs());
        }
        let bytes = changed(dice, crl.der(), owner.der());
        if let Ok(found) = Crl::from_der(&bytes)
            && found.verify(world.root.certificate()).is_ok()
        {
            assert_eq!(found.der(), crl.der());
        }
    });
}

#[test]
fn a_sealed_licence_changed_at_random_never_passes_as_another() {
    let world = World::shared();
    let trust = world.licence_trust(&world.list(World::records()[0].issuer_code.as_str()));
    let good = world.licence();
    let bytes = good.to_bytes().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    inputs("licence", 2, |dice| {
        // Most changes of bytes leave the canonical form, and nothing else is reached.
        let changed = if below(dice, 4) == 0 {
            changed(dice, &bytes, &bytes)
        } else {
            let mut value = value.clone();
            for _ in 0..=below(dice, 3) {
                json(dice, &mut value);
            }
            serde_json_canonicalizer::to_vec(&value).unwrap()
        };
        if verify_licence("x.licence.json", &changed, &trust, &ASK()).verdict.passed() {
            let found = SealedLicence::parse(&changed).unwrap();
            assert_eq!((&found.payload, &found.proof), (&good.payload, &good.proof));
            assert!(found.disclosures.iter().all(|one| good.disclosures.contains(one)));
        }
    });
}
