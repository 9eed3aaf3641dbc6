//! Every byte of a sealed OFD: no changed bit of what is covered, or of the signatures, may pass.
//!
//! The file has a stamp, and a signature without a seal after it, which covers the first one's files.
//! A bit of the file itself may change only where nothing is read from it, so that the parts are what
//! they were.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use licence_seal::ofd::{Limits, Package, verify_ofd};
use licence_seal::seal::{Ask, Trust};

use super::world::{Entries, World, asked_at, pack, zip};
use super::zips::{Entry, Zip};
use crate::support::for_each;

fn passes(file: &[u8], trust: &Trust) -> bool {
    let ask = Ask { at: asked_at(), seal_only: false, catalogue: None };
    verify_ofd("x.ofd", file, trust, &ask, &Limits::default()).verdict.passed()
}

#[test]
fn a_flipped_bit_in_any_part_is_found() {
    let world = World::shared();
    let entries = world.signed_twice();
    let trust = world.trust();
    assert!(passes(&pack(&entries), &trust));
    // Stored, so that a part is packed anew by its checksum alone.
    let stored = |entries: &Entries| {
        let entries = entries.iter().map(|(name, data)| Entry::stored(name, data)).collect();
        Zip { entries, ..zip(&Entries::new()) }.build()
    };
    assert!(passes(&stored(&entries), &trust));
    let mut places = Vec::new();
    for (name, data) in &entries {
        // Pictures are long, and one byte of them is like another; the list of signatures is under no
        // signature, and is looked at below.
        let step = if name.ends_with(".png") || name.ends_with(".esl") { 3 } else { 1 };
        if !name.ends_with("Signatures.xml") {
            places.extend((0..data.len()).step_by(step).map(|at| (name, at)));
        }
    }
    for_each(places.len(), |nth| {
        let (name, at) = places[nth];
        let mut changed = entries.clone();
        changed.get_mut(name).unwrap()[at] ^= 1 << (nth % 8);
        assert!(!passes(&stored(&changed), &trust), "{name}, byte {at}, bit {}", nth % 8);
    });
    println!("flipped bits in parts: {}", places.len());
}

/// The list is under no signature, so that it can grow: whoever takes the last line out of it takes
/// out that signature. But a line that goes leaves no signature behind that a later one covers.
#[test]
fn a_flipped_bit_in_the_list_of_signatures_hides_none_that_a_later_one_covers() {
    let world = World::shared();
    let entries = world.signed_twice();
    let trust = world.trust();
    const LIST: &str = "Doc_0/Signs/Signatures.xml";
    let count = entries[LIST].len() * 8;
    for_each(count, |nth| {
        let mut changed = entries.clone();
        changed.get_mut(LIST).unwrap()[nth / 8] ^= 1 << (nth % 8);
        let file = pack(&changed);
        if passes(&file, &trust) {
            let package = Package::open(&file, &Limits::default()).unwrap();
            let documents = package.documents().unwrap();
            let listed = licence_seal::ofd::signatures(&package, &documents[0]).unwrap();
            let files: Vec<&str> = listed.iter().map(|one| one.entry.as_str()).collect();
            let both = [0, 1].map(|n| format!("Doc_0/Signs/Sign_{n}/Signature.xml"));
            assert!(files == both || files == both[..1], "byte {}, bit {}: {files:?}", nth / 8, nth % 8);
        }
    });
    println!("flipped bits in the list of signatures: {count}");
}

#[test]
fn a_flipped_bit_in_the_file_changes_no_part_that_passes() {
    let world = World::shared();
    let entries = world.signed_twice();
    let trust = world.trust();
    let file = pack(&entries);
    let before: BTreeMap<_, _> = entries.into_iter().collect();
    let passed = AtomicUsize::new(0);
    for_each(file.len(), |at| {
        let mut changed = file.clone();
        changed[at] ^= 1 << (at % 8);
        if passes(&changed, &trust) {
            passed.fetch_add(1, Ordering::Relaxed);
            let package = Package::open(&changed, &Limits::default()).unwrap();
            assert!(package.into_entries() == before, "byte {at}, bit {}", at % 8);
        }
    });
    println!("flipped bits in the file: {}, of which {} pass", file.len(), passed.into_inner());
}
