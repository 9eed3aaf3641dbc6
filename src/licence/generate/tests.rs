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
            assert_eq!(Record::from_value(&record.to_json(), catalogue).as_ref(), Ok(&record), "{n}");
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
            let read = Record::from_value(&record.to_json(), catalogue);
            prop_assert_eq!(read, Ok(record));
        }
    }
}
