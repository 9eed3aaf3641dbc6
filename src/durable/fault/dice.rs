//! Chance from a seed, so that every run can be repeated.

use licence_seal::crypto::{Random, SeededRandom};

pub(super) struct Dice(SeededRandom);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(SeededRandom::new(&format!("crash {seed}")))
    }

    /// A number below `limit`, or 0.
    pub(super) fn below(&self, limit: usize) -> usize {
        let random: &dyn Random = &self.0;
        let drawn = random.bytes().map_or(0, u64::from_le_bytes);
        usize::try_from(drawn % (limit.max(1) as u64)).unwrap_or_default()
    }

    /// How likely it is that a thing happened, in eighths: 0 is never, 8 always.
    pub(super) fn odds(&self) -> usize {
        self.below(9)
    }

    pub(super) fn happened(&self, odds: usize) -> bool {
        self.below(8) < odds
    }

    pub(super) fn shuffle<T>(&self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
