//! Which of the records that were read go in: duplicates, and versions that supersede others.
//!
//! Rules, by identifier over the whole input, whatever the order of its lines:
//! - of several lines with one identifier the first stands, the others are duplicates;
//! - one that the store has already is looked at again when it is sealed, since only then its content is
//!   at hand: the same content is "here already", another one a duplicate;
//! - a version needs the one it supersedes in the input or in the store, and supersedes it alone; of
//!   several that supersede one licence the first stands. A version that falls takes those with it that
//!   supersede it.
//!
//! Identifiers are compared blind and sorted outside memory. Versions take 40 bytes each in memory once
//! they are looked at; everything else is a bit for each line.

use std::collections::HashSet;

use crate::store::embedded::engine::{Engine, packed};
use crate::store::embedded::stays;
use crate::store::forms::op::ID_KEY;
use crate::store::sorter::Sorter;
use crate::store::{StatusRecord, StoreError};

/// Blind identifier ‖ ordinal·2 + 1 if it had ended, u64 BE.
pub(super) const SEEN: usize = ID_KEY + 8;
/// Blind identifier of the superseded ‖ ordinal u64 BE ‖ blind identifier of the superseding.
pub(super) const PAIR: usize = ID_KEY + 8 + ID_KEY;

/// Why a line does not go in although it reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    Duplicate,
    UnknownSuperseded,
    AlreadySuperseded,
}

impl Refused {
    /// Stable name of the rule.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Duplicate => "store.duplicate",
            Self::UnknownSuperseded => "store.unknownSuperseded",
            Self::AlreadySuperseded => "store.alreadySuperseded",
        }
    }

    /// The member of the record that the rule is about.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Duplicate => "certificateIdentifier",
            Self::UnknownSuperseded | Self::AlreadySuperseded => "supersedes",
        }
    }

    pub const fn detail(self) -> &'static str {
        match self {
            Self::Duplicate => "a licence with this identifier is here already",
            Self::UnknownSuperseded => "the licence that this one supersedes is not here",
            Self::AlreadySuperseded => "another one supersedes that licence already",
        }
    }
}

/// A set of ordinals.
#[derive(Default)]
pub(super) struct Ordinals(Vec<u64>);

impl Ordinals {
    pub(super) fn insert(&mut self, ordinal: u64) {
        let at = usize::try_from(ordinal / 64).unwrap_or(usize::MAX);
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(at) {
            *bits |= 1 << (ordinal % 64);
        }
    }

    pub(super) fn contains(&self, ordinal: u64) -> bool {
        let bits = usize::try_from(ordinal / 64).ok().and_then(|at| self.0.get(at));
        bits.is_some_and(|bits| bits >> (ordinal % 64) & 1 == 1)
    }
}

/// What becomes of the lines that were read.
#[derive(Default)]
pub(super) struct Resolved {
    pub(super) refused: Ordinals,
    /// In the store already, to be compared.
    pub(super) here: Ordinals,
    /// Versions that set the one before them to superseded.
    pub(super) superseding: Ordinals,
}

/// One line of `seen` that stands: identifier, ordinal, whether it had ended.
type First = ([u8; ID_KEY], u64, bool);

pub(super) fn resolve(
    engine: &Engine,
    seen: &mut Sorter<SEEN>,
    pairs: &mut Sorter<PAIR>,
    refuse: &mut dyn FnMut(u64, Refused),
) -> Result<Resolved, StoreError> {
    let mut resolved = Resolved::default();
    let mut cursor = packed::Cursor::new(engine, &engine.trees.id_base);
    let live = !engine.trees.id.tree.is_empty();
    let mut last = None;
    for entry in seen.sorted()? {
        let (id, ordinal, _) = read_seen(&entry?);
        if last.replace(id) == Some(id) {
            resolved.refused.insert(ordinal);
            refuse(ordinal, Refused::Duplicate);
        } else if cursor.contains(&id)? || (live && engine.locate(&id)?.is_some()) {
            resolved.here.insert(ordinal);
        }
    }
    if pairs.len() > 0 {
        versions(engine, seen, pairs, &mut resolved, refuse)?;
    }
    Ok(resolved)
}

/// A version in the input.
struct Version {
    older: [u8; ID_KEY],
    ordinal: u64,
    newer: [u8; ID_KEY],
    /// What is known of the older one in the input: whether it had ended.
    ended: Option<bool>,
}

fn versions(
    engine: &Engine,
    seen: &mut Sorter<SEEN>,
    pairs: &mut Sorter<PAIR>,
    resolved: &mut Resolved,
    refuse: &mut dyn FnMut(u64, Refused),
) -> Result<(), StoreError> {
    let mut versions = Vec::new();
    let mut firsts = seen.sorted()?.map(|entry| entry.map(|entry| read_seen(&entry))).peekable();
    for entry in pairs.sorted()? {
        let (older, ordinal, newer) = read_pair(&entry?);
        if resolved.refused.contains(ordinal) || resolved.here.contains(ordinal) {
            continue;
        }
        let before = |first: &Result<First, StoreError>| first.as_ref().is_ok_and(|(id, ..)| *id < older);
        while firsts.next_if(before).is_some() {}
        let ended = match firsts.peek() {
            Some(Err(why)) => return Err(why.clone()),
            Some(Ok((id, at, ended))) if *id == older && !resolved.here.contains(*at) => Some(*ended),
            _ => None,
        };
        versions.push(Version { older, ordinal, newer, ended });
    }
    // One that falls is no longer there for those that supersede it.
    let mut fallen: HashSet<[u8; ID_KEY]> = HashSet::new();
    loop {
        let before = fallen.len();
        let mut taken = None;
        for version in &versions {
            if fallen.contains(&version.newer) {
                continue;
            }
            let refused = if version.ended.is_some() && !fallen.contains(&version.older) {
                (taken == Some(version.older)).then_some(Refused::AlreadySuperseded)
            } else {
                match in_store(engine, &version.older)? {
                    None => Some(Refused::UnknownSuperseded),
                    Some(status) if status.superseded_by.is_some() || taken == Some(version.older) => {
                        Some(Refused::AlreadySuperseded)
                    }
                    Some(_) => None,
                }
            };
            match refused {
                None => taken = Some(version.older),
                Some(why) => {
                    fallen.insert(version.newer);
                    resolved.refused.insert(version.ordinal);
                    refuse(version.ordinal, why);
                }
            }
        }
        if fallen.len() == before {
            break;
        }
    }
    for version in versions.iter().filter(|version| !fallen.contains(&version.newer)) {
        let ended = match version.ended {
            Some(ended) => ended,
            None => in_store(engine, &version.older)?.is_some_and(|status| stays(status.state)),
        };
        if !ended {
            resolved.superseding.insert(version.ordinal);
        }
    }
    Ok(())
}

/// The status of a licence of the store.
fn in_store(engine: &Engine, id: &[u8; ID_KEY]) -> Result<Option<StatusRecord>, StoreError> {
    let Some(location) = engine.locate(id)? else { return Ok(None) };
    engine.found(location, None, |entry| entry.id == *id).map(|found| Some(found.status))
}

pub(super) fn seen_entry(id: &[u8; ID_KEY], ordinal: u64, ended: bool) -> [u8; SEEN] {
    let mut entry = [0; SEEN];
    let place = (ordinal << 1 | u64::from(ended)).to_be_bytes();
    entry.iter_mut().zip(id.iter().chain(&place)).for_each(|(to, from)| *to = *from);
    entry
}

fn read_seen(entry: &[u8; SEEN]) -> First {
    let (id, place) = entry.split_first_chunk().unwrap_or((&[0; ID_KEY], &[]));
    let place = place.first_chunk().map_or(0, |place| u64::from_be_bytes(*place));
    (*id, place >> 1, place & 1 == 1)
}

pub(super) fn pair_entry(older: &[u8; ID_KEY], ordinal: u64, newer: &[u8; ID_KEY]) -> [u8; PAIR] {
    let mut entry = [0; PAIR];
    let ordinal = ordinal.to_be_bytes();
    let bytes = older.iter().chain(&ordinal).chain(newer);
    entry.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    entry
}

fn read_pair(entry: &[u8; PAIR]) -> ([u8; ID_KEY], u64, [u8; ID_KEY]) {
    let (older, rest) = entry.split_first_chunk().unwrap_or((&[0; ID_KEY], &[]));
    let (ordinal, rest) = rest.split_first_chunk().unwrap_or((&[0; 8], &[]));
    (*older, u64::from_be_bytes(*ordinal), rest.first_chunk().copied().unwrap_or_default())
}
