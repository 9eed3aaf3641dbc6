//! Days as numbers, from 1970-01-01 on.

use crate::time::{Day, Timestamp};

/// The day that is so many days after 1970-01-01.
pub(super) fn day(number: i64) -> Day {
    Timestamp::from_secs(number * 86_400).day()
}

/// In days since 1970-01-01.
pub(super) fn number_of_day(day: Day) -> i64 {
    // A day begins in Shanghai while it is still the day before in UTC.
    day.start().secs().div_euclid(86_400) + 1
}
