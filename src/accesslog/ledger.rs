//! What depends on the order of entries, decided on the writer thread.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::entry::{Details, Entry, Frame, Outcome};
use super::error::LogError;
use super::keys::Keys;
use super::leaf::{leaf_hash, tree_hash};
use crate::durable::{Ledger, Staged};
use licence_seal::crypto::Random;
use licence_seal::merkle::{Frontier, Hash};
use licence_seal::time::{Clock, Day, Timestamp};

/// Identifiers, and holders, in one entry; a request with more is spread over parts.
pub const SUBJECTS_PER_PART: usize = 250;
/// Entries that may wait for tiles before further ones are refused.
const MAX_UNPUBLISHED: usize = 1 << 18;

/// What is to be logged.
#[derive(Clone, Debug)]
pub struct Access {
    /// 1 to 40 characters of a-z, A-Z, 0-9, '.', '-': `search`, `data`, `status`, `import`, …
    pub op: String,
    pub outcome: Outcome,
    /// H(nonce ‖ body).
    pub request_digest: [u8; 32],
    /// `holder`, `counter`, `jti`, `jti_expires` are filled in by the log.
    pub details: Details,
    /// Codes of the holders concerned; only their blind indexes are written.
    pub holders: Vec<String>,
    /// Refuse with [`LogError::Replayed`] when this partner used it before.
    pub jti: Option<Jti>,
    /// Refuse with [`LogError::DailyLimit`] when so many requests of this partner that named a matter
    /// were granted today (Asia/Shanghai).
    pub daily_limit: Option<u64>,
}

/// A token that may be used once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jti {
    pub value: String,
    /// From then on it is refused for its age, and need not be remembered.
    pub expires: Timestamp,
}

/// Where an access stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    pub origin: String,
    /// Index of the first entry.
    pub first_index: u64,
    /// Number of entries, one per part.
    pub count: u64,
    /// One per entry.
    pub leaf_hashes: Vec<Hash>,
    /// The partner's receipt counter; `None` for an access of no partner.
    pub counter: Option<u64>,
    /// The time on the entry.
    pub time: Timestamp,
}

impl Access {
    /// An access with nothing but its operation and outcome.
    pub fn new(op: &str, outcome: Outcome) -> Self {
        Self {
            op: op.to_owned(),
            outcome,
            request_digest: [0; 32],
            details: Details::default(),
            holders: Vec::new(),
            jti: None,
            daily_limit: None,
        }
    }
}

/// An entry's bytes and leaf hash.
pub(super) type Leaf = (Arc<[u8]>, Hash);

/// What the log knows of its entries without reading them again.
#[derive(Default)]
pub(super) struct State {
    /// Staged entries included.
    frontier: Frontier,
    pub(super) known: Known,
    /// All of it durable.
    committed: Frontier,
    staged: Vec<Leaf>,
    /// Durable, and not yet in the tiles.
    unpublished: VecDeque<Leaf>,
    counters: HashMap<String, u64>,
    granted: HashMap<String, (Day, u64)>,
    seen: HashMap<String, i64>,
    expiries: BTreeMap<i64, Vec<String>>,
    undo: Vec<Undo>,
    before_group: Option<(Frontier, Known)>,
}

/// The latest of each kind.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) time: Option<Timestamp>,
    pub(super) change_number: Option<u64>,
    pub(super) batch_number: Option<u64>,
}

enum Undo {
    Counter(String, Option<u64>),
    Granted(String, Option<(Day, u64)>),
    Seen(String),
}

impl State {
    pub(super) fn committed(&self) -> &Frontier {
        &self.committed
    }

    /// Copies of the entries that are durable and not in the tiles, with the tree they end at.
    pub(super) fn unpublished(&self) -> (Vec<Leaf>, Frontier) {
        (self.unpublished.iter().cloned().collect(), self.committed.clone())
    }

    pub(super) fn published(&mut self, count: usize) {
        self.unpublished.drain(..count.min(self.unpublished.len()));
    }

    pub(super) fn counter(&self, partner: &str) -> u64 {
        self.counters.get(partner).copied().unwrap_or(0)
    }

    pub(super) fn counters(&self) -> BTreeMap<String, u64> {
        self.counters.iter().map(|(partner, counter)| (partner.clone(), *counter)).collect()
    }

    pub(super) fn granted_on(&self, partner: &str, day: Day) -> u64 {
        self.granted.get(partner).filter(|(on, _)| *on == day).map_or(0, |(_, count)| *count)
    }

    pub(super) fn seen(&self, partner: &str, jti: &str) -> bool {
        self.seen.contains_key(&seen_key(partner, jti))
    }

    /// Takes up a durable entry at opening. `waiting` says that the tiles lack it.
    pub(super) fn replay(
        &mut self,
        bytes: &[u8],
        entry: &Entry,
        details: Option<&Details>,
        waiting: bool,
        now: Timestamp,
    ) {
        let leaf = leaf_hash(bytes);
        self.frontier.append(&tree_hash, leaf);
        self.known.time = self.known.time.max(Some(entry.time));
        if waiting {
            self.unpublished.push_back((bytes.into(), leaf));
        }
        if let Some(details) = details {
            let first = entry.part().is_none_or(|(part, _)| part == 1);
            self.absorb(entry.time, entry.outcome, details, first);
        }
        self.undo.clear();
        self.committed.clone_from(&self.frontier);
        self.forget_expired(now);
    }

    /// What an entry's content means for the entries after it.
    fn absorb(&mut self, time: Timestamp, outcome: Outcome, details: &Details, first_part: bool) {
        self.known.change_number = self.known.change_number.max(details.change_number);
        self.known.batch_number =
            self.known.batch_number.max(details.batches.as_ref().map(|batches| batches.last));
        for (partner, counter) in &details.counters {
            let known = self.counters.entry(partner.clone()).or_default();
            *known = (*known).max(*counter);
        }
        let Some(partner) = details.partner.as_ref().filter(|_| first_part) else { return };
        if let Some(counter) = details.counter {
            let before = self.counters.insert(partner.clone(), counter);
            self.undo.push(Undo::Counter(partner.clone(), before));
        }
        // Limits are on looking licences up for a matter, not on tokens, catalogue or receipts.
        if outcome == Outcome::Granted && details.item_code.is_some() {
            let count = self.granted_on(partner, time.day()) + 1;
            let before = self.granted.insert(partner.clone(), (time.day(), count));
            self.undo.push(Undo::Granted(partner.clone(), before));
        }
        if let (Some(jti), Some(expires)) = (&details.jti, details.jti_expires) {
            let key = seen_key(partner, jti);
            self.seen.insert(key.clone(), expires);
            self.expiries.entry(expires).or_default().push(key.clone());
            self.undo.push(Undo::Seen(key));
        }
    }

    fn forget_expired(&mut self, now: Timestamp) {
        while let Some(first) = self.expiries.first_entry().filter(|first| *first.key() < now.secs()) {
            for key in first.remove() {
                // The same value may have been used again after it expired.
                if self.seen.get(&key).is_some_and(|expires| *expires < now.secs()) {
                    self.seen.remove(&key);
                }
            }
        }
    }
}

/// The log's ledger.
pub(super) struct LogLedger {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) keys: Arc<Keys>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) origin: String,
    pub(super) region: String,
}

impl Ledger for LogLedger {
    type Request = Access;
    type Reply = Logged;
    type Refusal = LogError;

    fn stage(&mut self, access: Access) -> Result<Staged<Logged>, LogError> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let now = self.clock.now();
        check(state, &access, now)?;
        // Entries stand in the order of their times, also when the clock is set back.
        let time = state.known.time.map_or(now, |last| last.max(now));
        self.keys.prepare(time, &*self.random)?;
        let parts = self.parts(state, &access, time)?;

        if state.before_group.is_none() {
            state.before_group = Some((state.frontier.clone(), state.known));
        }
        let mut logged = Logged {
            origin: self.origin.clone(),
            first_index: state.frontier.size(),
            count: parts.len() as u64,
            leaf_hashes: Vec::new(),
            counter: parts.first().and_then(|(details, _)| details.counter),
            time,
        };
        let mut payloads = Vec::new();
        for (nth, (details, bytes)) in parts.into_iter().enumerate() {
            let leaf = leaf_hash(&bytes);
            state.frontier.append(&tree_hash, leaf);
            state.absorb(time, access.outcome, &details, nth == 0);
            state.staged.push((bytes.as_slice().into(), leaf));
            logged.leaf_hashes.push(leaf);
            payloads.push(bytes);
        }
        state.known.time = Some(time);
        Ok(Staged { payloads, reply: logged })
    }

    fn committed(&mut self) {
        let mut state = self.state.lock();
        let staged = std::mem::take(&mut state.staged);
        state.unpublished.extend(staged);
        state.committed = state.frontier.clone();
        state.undo.clear();
        state.before_group = None;
        state.forget_expired(self.clock.now());
    }

    fn rolled_back(&mut self) {
        let mut state = self.state.lock();
        if let Some((frontier, known)) = state.before_group.take() {
            state.frontier = frontier;
            state.known = known;
        }
        state.staged.clear();
        while let Some(undo) = state.undo.pop() {
            match undo {
                Undo::Counter(partner, before) => drop(put_back(&mut state.counters, partner, before)),
                Undo::Granted(partner, before) => drop(put_back(&mut state.granted, partner, before)),
                Undo::Seen(key) => drop(state.seen.remove(&key)),
            }
        }
    }
}

impl LogLedger {
    /// The details and bytes of each part.
    fn parts(
        &self,
        state: &State,
        access: &Access,
        time: Timestamp,
    ) -> Result<Vec<(Details, Vec<u8>)>, LogError> {
        let mut common = access.details.clone();
        let identifiers = std::mem::take(&mut common.identifiers);
        let mut holders = Vec::new();
        for code in &access.holders {
            holders.extend(self.keys.blind(time, code)?);
        }
        common.holder = Vec::new();
        common.counter = common.partner.as_ref().map(|partner| state.counter(partner) + 1);
        common.jti = access.jti.as_ref().map(|jti| jti.value.clone());
        common.jti_expires = access.jti.as_ref().map(|jti| jti.expires.secs());

        let key = self.keys.month(time)?.ok_or_else(|| LogError::DestroyedKey(time.month()))?;
        let of = identifiers.len().max(holders.len()).div_ceil(SUBJECTS_PER_PART).max(1);
        let share = |all: &[String], part: usize| -> Vec<String> {
            all.chunks(SUBJECTS_PER_PART).nth(part).unwrap_or_default().to_vec()
        };
        (0..of)
            .map(|part| {
                let details = Details {
                    identifiers: share(&identifiers, part),
                    holder: share(&holders, part),
                    ..common.clone()
                };
                let frame = Frame {
                    origin: &self.origin,
                    seq: state.frontier.size() + part as u64,
                    part: (part + 1, of),
                    time,
                    region: &self.region,
                    op: &access.op,
                    outcome: access.outcome,
                    request_digest: &access.request_digest,
                };
                let bytes = frame.seal(&details, &key, &*self.random)?;
                Ok((details, bytes))
            })
            .collect()
    }
}

fn check(state: &State, access: &Access, now: Timestamp) -> Result<(), LogError> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'.' || c == b'-';
    if !(1..=40).contains(&access.op.len()) || !access.op.bytes().all(allowed) {
        return Err(LogError::Op);
    }
    if state.unpublished.len() + state.staged.len() >= MAX_UNPUBLISHED {
        return Err(LogError::Behind);
    }
    let partner = access.details.partner.as_deref().unwrap_or_default();
    if let Some(jti) = &access.jti
        && state.seen(partner, &jti.value)
    {
        return Err(LogError::Replayed);
    }
    match access.daily_limit {
        Some(limit) if state.granted_on(partner, now.day()) >= limit => Err(LogError::DailyLimit { limit }),
        _ => Ok(()),
    }
}

fn seen_key(partner: &str, jti: &str) -> String {
    format!("{partner}\0{jti}")
}

fn put_back<V>(map: &mut HashMap<String, V>, key: String, before: Option<V>) -> Option<V> {
    match before {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    }
}
