//! Counts in memory, for limits that need not survive a restart.

use std::collections::HashMap;

use parking_lot::Mutex;

/// How often something happened in the window that is now running.
#[derive(Debug, Default)]
pub struct Windows(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// By name: window and count.
    by_name: HashMap<String, (i64, u32)>,
    /// At this number the counts of past windows are swept out.
    sweep_at: usize,
}

/// Fewer are never swept.
const SWEEP_FLOOR: usize = 10_000;

impl Windows {
    /// Counts one more of `name` in `window`; how many there were before it.
    pub fn count(&self, name: &str, window: i64) -> u32 {
        let mut counts = self.0.lock();
        if counts.by_name.len() >= counts.sweep_at {
            counts.by_name.retain(|_, (at, _)| *at == window);
            counts.sweep_at = SWEEP_FLOOR.max(counts.by_name.len() * 2);
        }
        let (at, count) = counts.by_name.entry(name.to_owned()).or_insert((window, 0));
        if *at != window {
            (*at, *count) = (window, 0);
        }
        let before = *count;
        *count = count.saturating_add(1);
        before
    }

    /// Whether `limit` is reached in `window`, without counting.
    pub fn reached(&self, name: &str, window: i64, limit: u32) -> bool {
        let counts = self.0.lock();
        counts.by_name.get(name).is_some_and(|(at, count)| *at == window && *count >= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_for_its_window_and_name() {
        let windows = Windows::default();
        assert_eq!([windows.count("a", 1), windows.count("a", 1), windows.count("a", 1)], [0, 1, 2]);
        assert!(windows.reached("a", 1, 2) && !windows.reached("b", 1, 2) && !windows.reached("a", 2, 2));
        assert_eq!([windows.count("b", 1), windows.count("a", 2)], [0, 0]);
    }
}
