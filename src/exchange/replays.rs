//! Signed requests that were received: each is accepted once.
//!
//! The log keeps every `jti` with its entry and knows the unexpired ones again after a restart; here
//! they are claimed before a request does anything, so that two copies at the same moment cannot
//! both get through.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use licence_seal::time::Timestamp;

/// Claimed names and until when (Unix seconds) they are remembered.
#[derive(Debug, Default)]
pub struct Replays(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    until: BTreeMap<String, i64>,
    /// At this number the expired ones are swept out.
    sweep_at: usize,
}

/// Fewer are never swept.
const SWEEP_FLOOR: usize = 10_000;

impl Replays {
    /// True the first time `name` is claimed before `until`.
    pub fn claim(&self, name: &str, until: i64, now: Timestamp) -> bool {
        let mut seen = self.0.lock();
        if seen.until.len() >= seen.sweep_at {
            seen.until.retain(|_, until| *until >= now.secs());
            // Twice what is left, so that sweeping costs each claim a constant share.
            seen.sweep_at = SWEEP_FLOOR.max(seen.until.len() * 2);
        }
        if seen.until.get(name).is_some_and(|until| *until >= now.secs()) {
            return false;
        }
        seen.until.insert(name.to_owned(), until);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_claimed_once_until_it_expires() {
        let (replays, now) = (Replays::default(), Timestamp::from_secs(100));
        assert!(replays.claim("a", 160, now));
        assert!(!replays.claim("a", 160, now));
        assert!(replays.claim("b", 160, now));
        assert!(!replays.claim("a", 300, Timestamp::from_secs(160)));
        assert!(replays.claim("a", 300, Timestamp::from_secs(161)));
    }
}
