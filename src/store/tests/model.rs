//! Any sequence of operations, reopenings, kills and losses against a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<u32>),
    Renew(u32),
    Status(u32, State),
    Put(u8, u16),
    Remove(u8),
    Reopen,
    Kill,
    LoseSled,
    Export,
    Fold,
}

#[derive(Default)]
struct Model {
    /// State by number and version.
    licences: BTreeMap<(u32, u16), State>,
    states: BTreeMap<String, Value>,
    changes: u64,
}

fn step() -> impl Strategy<Value = Step> {
    let state = prop::sample::select(State::ALL.to_vec());
    prop_oneof![
        4 => prop::collection::vec(0..12_u32, 1..4).prop_map(Step::Add),
        2 => (0..12_u32).prop_map(Step::Renew),
        4 => (0..12_u32, state).prop_map(|(n, state)| Step::Status(n, state)),
        2 => (0..3_u8, any::<u16>()).prop_map(|(key, size)| Step::Put(key, size)),
        1 => (0..3_u8).prop_map(Step::Remove),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => Just(Step::LoseSled),
        1 => Just(Step::Export),
        1 => Just(Step::Fold),
    ]
}

impl Model {
    fn latest(&self, n: u32) -> Option<u16> {
        self.licences.range((n, 0)..(n + 1, 0)).next_back().map(|((_, version), _)| *version)
    }

    fn take(&mut self, step: &Step, store: &Store) {
        match step {
            Step::Add(numbers) => {
                let records = numbers.iter().map(|n| record(*n, 1)).collect();
                let mut fresh: Vec<u32> = numbers.clone();
                fresh.sort_unstable();
                fresh.dedup();
                let ok = fresh.len() == numbers.len()
                    && fresh.iter().all(|n| !self.licences.contains_key(&(*n, 1)));
                assert_eq!(add(store, records).is_ok(), ok);
                if ok {
                    self.licences.extend(fresh.into_iter().map(|n| ((n, 1), State::Valid)));
                }
            }
            Step::Renew(n) => {
                let Some(version) = self.latest(*n) else { return };
                let declared = self.licences[&(*n, version)];
                add(store, vec![record(*n, version + 1)]).unwrap();
                if !declared.is_terminal() || declared == State::Superseded {
                    self.changes += 1;
                    self.licences.insert((*n, version), State::Superseded);
                }
                self.licences.insert((*n, version + 1), State::Valid);
            }
            Step::Status(n, to) => {
                let version = self.latest(*n).unwrap_or(1);
                let outcome = store.change_status(change(*n, version, *to));
                match self.licences.get_mut(&(*n, version)) {
                    Some(state) if state.may_become(*to) => {
                        *state = *to;
                        self.changes += 1;
                        assert_eq!(outcome.unwrap(), self.changes);
                    }
                    _ => assert!(outcome.unwrap_err().is_refusal()),
                }
            }
            Step::Put(key, size) => {
                let value = json!("值".repeat(usize::from(*size) % 5000));
                store.put("k", &key.to_string(), &value).unwrap();
                self.states.insert(key.to_string(), value);
            }
            Step::Remove(key) => {
                let there = self.states.remove(&key.to_string()).is_some();
                assert_eq!(store.remove("k", &key.to_string()).unwrap(), there);
            }
            Step::Export => drop(store.export(NOW, &Watch::default()).unwrap()),
            Step::Fold => drop(store.fold().unwrap()),
            Step::Reopen | Step::Kill | Step::LoseSled => {}
        }
    }

    fn compare(&self, store: &Store) {
        for ((n, version), state) in &self.licences {
            let found = store.by_identifier(&record(*n, *version).identifier).unwrap().unwrap();
            assert_eq!((&found.record, found.status.state), (&record(*n, *version), *state));
        }
        for n in 0..12 {
            let versions = self.licences.range((n, 0)..(n + 1, 0)).count();
            let record = record(n, 1);
            assert_eq!(store.by_number(&record.type_code, &record.number).unwrap().len(), versions);
            let of_holder =
                (n / 2 * 2..n / 2 * 2 + 2).map(|n| self.licences.range((n, 0)..(n + 1, 0)).count());
            let found = store.by_holder(HolderCodeType::Passport, record.holders[0].code(), None, 1000);
            assert_eq!(found.unwrap().len(), of_holder.sum::<usize>());
        }
        let states: BTreeMap<_, _> = store.list("k").unwrap().into_iter().collect();
        assert_eq!(states, self.states);
        assert_eq!(store.last_change(), self.changes);
        assert_eq!(store.stats().unwrap().licences, self.licences.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_what_a_map_would_be(steps in prop::collection::vec(step(), 1..25)) {
        let root = tempfile::tempdir().unwrap();
        let mut place = 0;
        let dir = |place: u32| root.path().join(place.to_string());
        let settings = StoreSettings { keep_exports: 1, checkpoint_bytes: 6000, journal_segment_bytes: 8000, ..settings() };
        let start = |place| open_with(&dir(place), &settings, &master(), Arc::new(RealDisk)).unwrap();
        let mut store = start(place);
        let mut model = Model::default();
        for step in &steps {
            model.take(step, &store);
            match step {
                Step::Kill => copy(&dir(place), &dir(place + 1)),
                Step::Reopen | Step::LoseSled => {}
                _ => continue,
            }
            drop(store);
            match step {
                Step::Kill => place += 1,
                Step::LoseSled => std::fs::remove_dir_all(dir(place).join("sled")).unwrap(),
                _ => {}
            }
            store = start(place);
            model.compare(&store);
        }
        model.compare(&store);
        assert_sound(&store);
    }
}
