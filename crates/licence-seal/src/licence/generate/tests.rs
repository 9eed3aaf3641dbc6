use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn generator(region: Region) -> Generator<'static> {
    Generator::new(Catalogue::embedded().unwrap(), 1, region).unwrap()
}

#[test]
fn the_first_thousand_records_have_all_types_and_are_all_valid() {
    let catalogue = Catalogue::embedded().unwrap();
    for region in Region::ALL {
        let generator = generator(region);
        let (mut types, mut identifiers, mut numbers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for n in 0..1_000 {
            let record = generator.record(n).unwrap();
            assert_eq!(
                Record::parse_json(record.to_json().to_string().as_bytes(), catalogue).as_ref(),
                Ok(&record),
                "{n}"
            );
            assert!(identifiers.insert(record.identifier.clone()));
            let licence_type = catalogue.get(&record.type_code).unwrap();
            if !licence_type.number_is_holder_code {
                assert!(
                    numbers.insert((record.type_code.clone(), record.number.clone())),
                    "{}",
                    record.number
                );
            }
            types.insert(record.type_code);
        }
        assert_eq!(types.len(), 224);
    }
}

#[test]
fn a_holder_has_about_three_licences_and_none_twice() {
    let generator = generator(Region::HEBEI);
    let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for n in 0..15_000 {
        let record = generator.record(n).unwrap();
        // A new version is the same licence.
        if record.supersedes.is_some() {
            continue;
        }
        held.entry(record.holders[0].code().to_owned()).or_default().push(record.type_code.to_string());
    }
    let average = 15_000.0 / f64::from(u32::try_from(held.len()).unwrap());
    assert!((2.5..=3.5).contains(&average), "{average}");
    for (holder, types) in held {
        assert_eq!(types.iter().collect::<BTreeSet<_>>().len(), types.len(), "{holder} {types:?}");
    }
}

#[test]
fn issuers_have_valid_codes_of_their_region_and_each_issues_something() {
    let catalogue = Catalogue::embedded().unwrap();
    let issuers = issuers(catalogue, Region::BEIJING).unwrap();
    assert_eq!(issuers.len(), catalogue.groups().len());
    for issuer in issuers {
        assert_eq!(issuer.code.area(), "110000");
        assert!(catalogue.iter().any(|t| t.group == issuer.group), "{}", issuer.group);
    }
}

#[test]
fn some_holders_have_licences_in_every_region() {
    let holders = |region| -> BTreeSet<String> {
        let generator = generator(region);
        (0..300).map(|n| generator.record(n).unwrap().holders[0].code().to_owned()).collect()
    };
    let (tianjin, hebei) = (holders(Region::TIANJIN), holders(Region::HEBEI));
    let both = tianjin.intersection(&hebei).count();
    assert!((5..40).contains(&both), "{both}");
}

#[test]
fn a_few_types_hold_most_and_the_rare_ones_are_rare() {
    let generator = generator(Region::TIANJIN);
    let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
    let records = 400_000;
    for n in BLOCK..BLOCK + records {
        *counts.entry(generator.plan.place(n).unwrap().kind).or_default() += 1;
    }
    let mut counts: Vec<u32> = counts.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let share = |counts: &[u32]| f64::from(counts.iter().sum::<u32>()) / 400_000.0;
    assert!(share(&counts[..10]) > 0.7, "{}", share(&counts[..10]));
    assert!(share(&counts[100..]) < 0.02, "{}", share(&counts[100..]));
}

#[test]
fn a_new_version_stands_after_the_valid_licence_that_it_supersedes() {
    let generator = generator(Region::BEIJING);
    let mut superseded = BTreeSet::new();
    let versions = (0..40_000).filter(|n| generator.renews(*n).is_some());
    let newer =
        versions.map(|n| (n, generator.record(n).unwrap())).filter(|(_, newer)| newer.supersedes.is_some());
    for (n, newer) in newer {
        let older = generator.record(generator.renews(n).unwrap()).unwrap();
        assert!(generator.renews(n).unwrap() < n);
        assert_eq!(newer.supersedes.as_ref(), Some(&older.identifier));
        assert_eq!(Some(&newer.identifier), older.identifier.next_version().as_ref());
        assert_eq!((&newer.number, &newer.holders), (&older.number, &older.holders));
        assert_eq!((older.supersedes, older.state), (None, State::Valid));
        assert!(newer.issued > older.issued || older.issued == day(LAST_ISSUE), "{n}");
        assert!(superseded.insert(older.identifier));
    }
    assert!((200..=340).contains(&superseded.len()), "{}", superseded.len());
}

#[test]
fn numbers_and_holders_are_distinct_beyond_the_first_tiers_too() {
    let generator = generator(Region::HEBEI);
    let (mut numbers, mut codes) = (BTreeSet::new(), BTreeMap::new());
    for n in 30_000_000..30_020_000 {
        let record = generator.record(n).unwrap();
        let licence_type = generator.kinds[generator.plan.place(n).unwrap().kind].licence_type;
        if record.supersedes.is_none() && !licence_type.number_is_holder_code {
            assert!(numbers.insert((record.type_code, record.number)));
            let holder = generator.plan.place(n).unwrap().holder;
            let known = codes.insert(record.holders[0].code().to_owned(), (holder.class, holder.index));
            assert!(known.is_none_or(|known| known == (holder.class, holder.index)));
        }
    }
}

#[test]
fn licences_fit_the_life_of_their_holder() {
    let generator = generator(Region::TIANJIN);
    for n in 0..20_000 {
        let (place, kind) = generator.place(n).unwrap();
        let party = generator.party(place).unwrap();
        let record = generator.record(n).unwrap();
        if record.supersedes.is_some() {
            continue;
        }
        let issued = number_of_day(record.issued);
        assert_eq!(day(issued), record.issued);
        assert!((party.since..=LAST_ISSUE).contains(&issued), "{n} {}", kind.licence_type.name);
        if kind.licence_type.name == "机动车驾驶证" {
            assert!(issued - party.since >= OF_AGE, "{n}");
        }
        if let (Some(person), Some(FieldValue::Text(birth))) = (party.person, record.fields.get("birthDate"))
        {
            assert_eq!(*birth, day(person.birth).to_string());
        }
    }
}

#[test]
fn optional_fields_are_usually_filled() {
    let generator = generator(Region::TIANJIN);
    let (mut filled, mut all) = (0, 0);
    for n in 0..2_000 {
        filled += generator.record(n).unwrap().fields.len();
        all += generator.place(n).unwrap().1.faces.len();
    }
    assert!(filled * 100 > all * 95, "{filled} of {all}");
}

#[test]
fn the_same_set_comes_out_again() {
    let text = generator(Region::TIANJIN).record(12).unwrap().to_json().to_string();
    assert_eq!(generator(Region::TIANJIN).record(12).unwrap().to_json().to_string(), text);
}

proptest! {
    #[test]
    fn every_record_passes_validation(seed: u64, n in 0u64..200_000_000, region in 0usize..3) {
        let catalogue = Catalogue::embedded().unwrap();
        // A generator is expensive beside a record: make several with each.
        let generator = Generator::new(catalogue, seed, Region::ALL[region]).unwrap();
        for n in n..n + 8 {
            let record = generator.record(n).unwrap();
            let read = Record::parse_json(record.to_json().to_string().as_bytes(), catalogue);
            let line = format!("{}\n", record.to_json());
            prop_assert_eq!(read, Ok(record));
            let mut direct = Vec::new();
            generator.write_line(n, &mut direct).unwrap();
            prop_assert_eq!(String::from_utf8(direct).unwrap(), line);
        }
    }
}
