//! Traffic of unknown sources: counted, and written as one entry per source, reason and minute.
//!
//! Anybody can make such traffic, so it must not be able to fill the log: the number of distinct
//! sources in a minute is bounded, the rest is counted under `other`. Counts of the running
//! minute are lost in a crash.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::entry::{Details, Outcome};
use super::ledger::Access;
use licence_seal::time::Timestamp;

/// Distinct sources and reasons in one minute.
const MAX_PER_MINUTE: usize = 256;
/// Entries that wait while the log cannot be written.
const MAX_WAITING: usize = 16 * MAX_PER_MINUTE;
/// Longest source or reason that is written, in characters.
const MAX_TEXT: usize = 100;

#[derive(Default)]
pub(super) struct Unknown {
    minute: i64,
    counts: BTreeMap<(String, String), u64>,
    /// Of minutes that are over.
    done: Vec<Access>,
}

impl Unknown {
    pub(super) fn count(&mut self, source: &str, reason: &str, now: Timestamp) {
        self.turn(now);
        let short = |text: &str| text.chars().take(MAX_TEXT).collect::<String>();
        let mut key = (short(source), short(reason));
        if !self.counts.contains_key(&key) && self.counts.len() >= MAX_PER_MINUTE {
            key = ("other".to_owned(), "other".to_owned());
        }
        *self.counts.entry(key).or_default() += 1;
    }

    /// The entries of all minutes that are over at `now`; with `all` of the running one too.
    pub(super) fn take(&mut self, now: Timestamp, all: bool) -> Vec<Access> {
        self.turn(now);
        if all {
            self.close();
        }
        std::mem::take(&mut self.done)
    }

    /// Takes back entries that could not be written; beyond a bound the newest are dropped.
    pub(super) fn give_back(&mut self, entries: Vec<Access>) {
        self.done.extend(entries);
        self.done.truncate(MAX_WAITING);
    }

    fn turn(&mut self, now: Timestamp) {
        let minute = now.secs().div_euclid(60);
        if minute != self.minute {
            self.close();
            self.minute = minute;
        }
    }

    fn close(&mut self) {
        let minute = Timestamp::from_secs(self.minute * 60);
        for ((source, reason), count) in std::mem::take(&mut self.counts) {
            let detail = [
                ("count".to_owned(), Value::from(count)),
                ("minute".to_owned(), Value::from(minute.rfc3339())),
            ];
            let mut access = Access::new("unknown", Outcome::Refused);
            access.details = Details {
                source: Some(source),
                rule: Some(reason),
                detail: Map::from_iter(detail),
                ..Details::default()
            };
            self.done.push(access);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_gives_one_entry_per_source_and_reason_and_no_more_than_the_bound() {
        let mut unknown = Unknown::default();
        let start = Timestamp::from_secs(60_000);
        for i in 0..1000 {
            unknown.count(&format!("10.0.0.{}", i % 2), "tls.noCertificate", start);
            unknown.count(&format!("source {i}"), "tls.unknownCa", start);
        }
        assert!(unknown.take(start.plus_secs(59), false).is_empty());
        let entries = unknown.take(start.plus_secs(60), false);
        assert_eq!(entries.len(), MAX_PER_MINUTE + 1);
        let total: u64 = entries.iter().map(|entry| entry.details.detail["count"].as_u64().unwrap()).sum();
        assert_eq!(total, 2000);
        assert_eq!(entries[0].details.detail["count"], 500);
        assert!(unknown.take(start.plus_secs(120), true).is_empty());
    }
}
