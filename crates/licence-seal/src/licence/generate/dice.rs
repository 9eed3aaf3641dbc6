//! Numbers that look random and are the same on every machine. Not for secrets.

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// From 0 to below the limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit.max(1)
    }

    /// A number of days from 0 to below the limit.
    pub fn days(&mut self, limit: i64) -> i64 {
        i64::try_from(self.below(u64::try_from(limit).unwrap_or(0))).unwrap_or(0)
    }

    /// One of them, or the default of the type if there is none.
    pub fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        nth(items, self.roll()).copied().unwrap_or_default()
    }
}

/// Spreads a number over all 64 bits, one to one.
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// The item at the roll, counted round and round; `None` only if there are no items.
pub fn nth<T>(items: &[T], roll: u64) -> Option<&T> {
    let length = u64::try_from(items.len()).unwrap_or(1).max(1);
    usize::try_from(roll % length).ok().and_then(|at| items.get(at))
}

/// Things to draw, some more often than others.
#[derive(Debug)]
pub struct Weighted<T> {
    /// With the sum of the weights up to and with each.
    items: Vec<(u64, T)>,
}

impl<T: Copy> Weighted<T> {
    pub fn new(items: impl IntoIterator<Item = (T, u64)>) -> Self {
        let mut sum = 0_u64;
        let add = |(item, weight)| {
            sum = sum.saturating_add(weight);
            (sum, item)
        };
        Self { items: items.into_iter().map(add).collect() }
    }

    /// The item that a roll hits; `None` only if there are none.
    pub fn at(&self, roll: u64) -> Option<T> {
        let sum = self.items.last()?.0.max(1);
        let at = self.items.partition_point(|(upto, _)| *upto <= roll % sum);
        self.items.get(at).map(|(_, item)| *item)
    }

    pub fn iter(&self) -> impl Iterator<Item = T> {
        self.items.iter().map(|(_, item)| *item)
    }
}
