//! Which type the nth record of a set is of, and whose it is.
//!
//! The first 1,000 records go through all types in turn, so that a small sample has each. All later
//! ones are drawn as a city has them: each holder belongs to a class (adults, companies, …), has
//! the one licence that everybody of the class has, and up to four others, drawn by weight and
//! never one type twice. So a few types hold most, and the rarest a few in a million.
//!
//! Everything is computed from n alone, so records can be made in any order. Five holders share
//! fifteen licences; those of one group of five stand apart in the set, since no authority
//! delivers a person's licences one after the other.

use super::dice::{Dice, Weighted, mix, nth};
use super::pools::{CLASSES, COMMON_TYPES, ClassData, Form};
use crate::licence::catalogue::{Catalogue, LicenceType};
use crate::licence::code_type::PersonKind;

/// Records that go through all types in turn.
pub const BLOCK: u64 = 1_000;
/// Which of five holders each of fifteen licences goes to, and as which of theirs: the holders have
/// 1, 2, 3, 4 and 5 licences.
const SHARING: [(u64, usize); 15] = [
    (0, 0),
    (1, 0),
    (1, 1),
    (2, 0),
    (2, 1),
    (2, 2),
    (3, 0),
    (3, 1),
    (3, 2),
    (3, 3),
    (4, 0),
    (4, 1),
    (4, 2),
    (4, 3),
    (4, 4),
];
const HOLDERS_A_GROUP: u64 = 5;
const LICENCES_A_GROUP: u64 = 15;
/// Groups whose licences stand mingled.
const MINGLED: u64 = 64;
/// Draws after which the first type not yet held is taken.
const MAX_DRAWS: usize = 64;

/// Adults and companies hold what no other class is there for.
const ADULTS: usize = 0;
const COMPANIES: usize = 3;

/// One record's type and holder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Place of the type in the catalogue.
    pub kind: usize,
    pub holder: HolderKey,
}

/// A holder: the class, and the number in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HolderKey {
    pub class: usize,
    pub index: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Plan {
    salt: u64,
    first: Vec<Place>,
    classes: Weighted<usize>,
    tables: Vec<Table>,
}

/// What the holders of a class have.
#[derive(Debug)]
struct Table {
    anchor: usize,
    others: Weighted<usize>,
}

impl Plan {
    /// `salt` tells sets apart. `None` if the catalogue has no types.
    pub fn new(catalogue: &Catalogue, salt: u64) -> Option<Self> {
        let types: Vec<&LicenceType> = catalogue.iter().collect();
        let first = first_block(&types);
        let tables = CLASSES.iter().map(|class| table(class, &types)).collect::<Option<_>>()?;
        let shares = CLASSES.iter().enumerate().map(|(at, class)| (at, class.share));
        (!first.is_empty()).then(|| Self { salt, first, classes: Weighted::new(shares), tables })
    }

    /// The place of the nth record.
    pub fn place(&self, n: u64) -> Option<Place> {
        if n < BLOCK {
            return nth(&self.first, n).copied();
        }
        let n = n - BLOCK;
        let (row, place) = (n / MINGLED, n % MINGLED);
        let group = row / LICENCES_A_GROUP * MINGLED + place;
        let (share, turn) = *nth(&SHARING, row + group)?;
        let index = BLOCK + group * HOLDERS_A_GROUP + share;
        // Not of the salt: who is a child in one city is not a company in the next.
        let class = self.classes.at(mix(index))?;
        let kind = self.tables.get(class)?.kind(turn, Dice::new(self.salt ^ mix(!index)));
        Some(Place { kind, holder: HolderKey { class, index } })
    }
}

impl Table {
    /// The type of a holder's licence, where `turn` counts their licences from 0.
    fn kind(&self, turn: usize, mut dice: Dice) -> usize {
        let mut held = [self.anchor; 5];
        for at in 1..=turn {
            let earlier = held.get(..at).unwrap_or_default();
            let fresh = |kind: &usize| !earlier.contains(kind);
            let drawn = (0..MAX_DRAWS).filter_map(|_| self.others.at(dice.roll())).find(fresh);
            let kind = drawn.or_else(|| self.others.iter().find(fresh)).unwrap_or(self.anchor);
            if let Some(slot) = held.get_mut(at) {
                *slot = kind;
            }
        }
        held.get(turn).copied().unwrap_or(self.anchor)
    }
}

/// What a class holds; the anchor is the class's first possible type in a catalogue that lacks it.
fn table(class: &ClassData, types: &[&LicenceType]) -> Option<Table> {
    let belongs_elsewhere = |name: &str| {
        CLASSES.iter().any(|other| other.own.contains(&name) || other.anchor == name)
            && !class.own.contains(&name)
    };
    let allowed = |(at, kind): (usize, &&LicenceType)| {
        let name = kind.name.as_str();
        let held = match class.only {
            [] => !belongs_elsewhere(name),
            only => only.contains(&name) || class.own.contains(&name),
        };
        (held && name != class.anchor && kind.holder.allows(class.person())).then(|| (at, weight(kind, at)))
    };
    let others: Vec<(usize, u64)> = types.iter().enumerate().filter_map(allowed).collect();
    let anchor = types.iter().position(|kind| kind.name == class.anchor);
    let anchor = anchor.or_else(|| types.iter().position(|kind| kind.holder.allows(class.person())))?;
    Some(Table { anchor, others: Weighted::new(others) })
}

fn weight(kind: &LicenceType, at: usize) -> u64 {
    let tail = 16 << (mix(u64::try_from(at).unwrap_or(0)) % 8);
    common(&kind.name).unwrap_or(tail)
}

/// The weight of a type that many have.
pub fn common(name: &str) -> Option<u64> {
    COMMON_TYPES.iter().find(|(common, _)| *common == name).map(|(_, weight)| *weight)
}

impl ClassData {
    pub fn person(&self) -> PersonKind {
        match self.form {
            Form::Person { .. } => PersonKind::Natural,
            Form::Organisation { .. } | Form::Shop => PersonKind::Legal,
        }
    }
}

/// The first records: every type at least once, common ones somewhat more often, the turns of a
/// type spread evenly.
fn first_block(types: &[&LicenceType]) -> Vec<Place> {
    let block = usize::try_from(BLOCK).unwrap_or(usize::MAX);
    let extra = |kind: &LicenceType| common(&kind.name).map_or(0, |weight| weight / 8_000);
    let mut weights: Vec<u64> = types.iter().map(|kind| 1 + extra(kind)).collect();
    let mut missing = block.saturating_sub(usize::try_from(weights.iter().sum::<u64>()).unwrap_or(block));
    while missing > 0 && !weights.is_empty() {
        for weight in weights.iter_mut().take(missing) {
            *weight += 1;
        }
        missing = missing.saturating_sub(weights.len());
    }
    let mut turns = Vec::new();
    for ((kind, licence_type), weight) in types.iter().enumerate().zip(weights) {
        let offset = mix(u64::try_from(kind).unwrap_or(0)) >> 32;
        let position = |turn: u64| ((turn << 32) + offset) / weight.max(1);
        turns.extend((0..weight).map(|turn| (position(turn), kind, class_of(licence_type, turn))));
    }
    turns.sort_unstable();
    let mut counts = [0_u64; CLASSES.len()];
    let place = |(_, kind, class): (u64, usize, usize)| {
        let mut index = 0;
        if let Some(count) = counts.get_mut(class) {
            (index, *count) = (*count, *count + 1);
        }
        // The other classes have few types, and nobody holds two licences of one type.
        if class == ADULTS || class == COMPANIES {
            let share = nth(&SHARING, index).map_or(0, |(share, _)| *share);
            index = index / LICENCES_A_GROUP * HOLDERS_A_GROUP + share;
        }
        Place { kind, holder: HolderKey { class, index } }
    };
    turns.into_iter().map(place).collect()
}

/// Who holds the `turn`th licence of a type in the first block.
fn class_of(licence_type: &LicenceType, turn: u64) -> usize {
    let name = licence_type.name.as_str();
    let special = CLASSES.iter().position(|class| class.anchor == name || class.own.contains(&name));
    let natural = licence_type.holder.allows(PersonKind::Natural);
    let either = natural && licence_type.holder.allows(PersonKind::Legal);
    match special {
        Some(class) => class,
        None if !natural || either && turn % 3 == 2 => COMPANIES,
        None => ADULTS,
    }
}
