//! States of a licence, which may follow which, and what a state means on a day.
//!
//! The state is what an authority declared; "expired" is never declared, it follows from the date.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::Day;

/// A declared state; the serde form is the wire word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// 有效
    #[default]
    Valid,
    /// 受限
    Restricted,
    /// 暂扣
    Suspended,
    /// 撤销: the grant was wrong from the beginning and is taken back.
    Withdrawn,
    /// 吊销: taken away as a penalty.
    Revoked,
    /// 注销: ended in good order, for example on request.
    Cancelled,
    /// A newer version stands in its place.
    Superseded,
}

/// The word is not a declared state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not a licence state")]
pub struct UnknownState;

impl State {
    pub const ALL: [Self; 7] = [
        Self::Valid,
        Self::Restricted,
        Self::Suspended,
        Self::Withdrawn,
        Self::Revoked,
        Self::Cancelled,
        Self::Superseded,
    ];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Restricted => "restricted",
            Self::Suspended => "suspended",
            Self::Withdrawn => "withdrawn",
            Self::Revoked => "revoked",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
        }
    }

    pub fn zh(self) -> &'static str {
        match self {
            Self::Valid => "有效",
            Self::Restricted => "受限",
            Self::Suspended => "暂扣",
            Self::Withdrawn => "撤销",
            Self::Revoked => "吊销",
            Self::Cancelled => "注销",
            Self::Superseded => "已换发",
        }
    }

    /// Whether nothing can follow. An ended licence is never revived: a new one is issued.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Valid | Self::Restricted | Self::Suspended)
    }

    /// Whether an authority may declare `next` after this state. Declaring the same state again
    /// is no change, and is not allowed.
    pub fn may_become(self, next: Self) -> bool {
        !self.is_terminal() && self != next
    }

    /// What the state means on `today`. A declared end or limit goes before the dates: a revoked
    /// licence is revoked, not expired. Both ends of the period are included.
    pub fn effective(self, valid_from: Day, valid_until: Option<Day>, today: Day) -> Effective {
        match self {
            Self::Superseded | Self::Withdrawn | Self::Revoked | Self::Cancelled => Effective::Declared(self),
            _ if valid_until.is_some_and(|until| today > until) => Effective::Expired,
            Self::Restricted | Self::Suspended => Effective::Declared(self),
            Self::Valid if today < valid_from => Effective::NotYetValid,
            Self::Valid => Effective::Declared(self),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for State {
    type Err = UnknownState;
    fn from_str(word: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|s| s.word() == word).ok_or(UnknownState)
    }
}

/// What a licence is on a certain day.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Effective {
    Declared(State),
    Expired,
    NotYetValid,
}

impl Effective {
    pub fn word(self) -> &'static str {
        match self {
            Self::Declared(state) => state.word(),
            Self::Expired => "expired",
            Self::NotYetValid => "notYetValid",
        }
    }

    pub fn zh(self) -> &'static str {
        match self {
            Self::Declared(state) => state.zh(),
            Self::Expired => "已过期",
            Self::NotYetValid => "未生效",
        }
    }

    /// Whether the licence can be relied on that day without reserve.
    pub fn is_good(self) -> bool {
        self == Self::Declared(State::Valid)
    }
}

impl Serialize for Effective {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn what_has_ended_stays_ended() {
        for from in State::ALL {
            for to in State::ALL {
                let open = matches!(from, State::Valid | State::Restricted | State::Suspended);
                assert_eq!(from.may_become(to), open && from != to, "{from} to {to}");
            }
        }
    }

    #[test]
    fn both_ends_of_the_period_are_included() {
        let on = |today| State::Valid.effective(day("2026-01-01"), Some(day("2026-12-31")), day(today));
        assert_eq!(on("2025-12-31"), Effective::NotYetValid);
        assert_eq!(on("2026-01-01"), Effective::Declared(State::Valid));
        assert_eq!(on("2026-12-31"), Effective::Declared(State::Valid));
        assert_eq!(on("2027-01-01"), Effective::Expired);
        assert_eq!(
            State::Valid.effective(day("2026-01-01"), None, day("9999-12-31")),
            Effective::Declared(State::Valid)
        );
    }

    #[test]
    fn a_revoked_licence_is_revoked_even_after_its_last_day() {
        let effective =
            State::Revoked.effective(day("2020-01-01"), Some(day("2021-01-01")), day("2026-01-01"));
        assert_eq!(effective.word(), "revoked");
        let effective =
            State::Suspended.effective(day("2020-01-01"), Some(day("2021-01-01")), day("2026-01-01"));
        assert_eq!(effective.word(), "expired");
    }

    #[test]
    fn words_survive_parsing_and_serde_agrees() {
        for state in State::ALL {
            assert_eq!(state.word().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        }
        assert_eq!("expired".parse::<State>(), Err(UnknownState));
    }
}
