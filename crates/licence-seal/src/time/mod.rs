//! Clocks, instants and days.
//!
//! Nothing else in the crate asks the machine what time it is: a [`Clock`] is passed in, so a test
//! can stand at any moment and no test sleeps. Instants are whole milliseconds of Unix time; a
//! licence's dates are calendar days in Asia/Shanghai (UTC+8, no daylight saving since 1991), both
//! ends included.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, UtcOffset};

/// Offset of Asia/Shanghai from UTC, in milliseconds.
const SHANGHAI_MS: i64 = 8 * 3_600_000;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From Unix seconds; saturates at the ends of the range.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Unix seconds, rounded down (the `NumericDate` of RFC 7519).
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    pub const fn plus_secs(self, secs: i64) -> Self {
        Self(self.0.saturating_add(secs.saturating_mul(1000)))
    }

    /// RFC 3339 in UTC with milliseconds, for example `2026-11-23T04:05:06.789Z`.
    pub fn rfc3339(self) -> String {
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        self.utc().format(&format).unwrap_or_default()
    }

    /// Parses RFC 3339 with any offset; finer than milliseconds is cut off.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Self)
    }

    /// ASN.1 GeneralizedTime in UTC without fraction, `20261123040506Z` (X.690 11.7).
    pub fn generalized(self) -> String {
        self.utc()
            .format(&format_description!("[year][month][day][hour][minute][second]Z"))
            .unwrap_or_default()
    }

    /// `2026-11-23 12:05:06` in Asia/Shanghai.
    pub fn shanghai(self) -> String {
        // What the calendar no longer has eight hours on (99991231235959Z means no end) stays as it is.
        let shifted = Self(self.0.saturating_add(SHANGHAI_MS));
        let local = if shifted.utc() == OffsetDateTime::UNIX_EPOCH { self } else { shifted };
        local
            .utc()
            .format(&format_description!("[year]-[month]-[day] [hour]:[minute]:[second]"))
            .unwrap_or_default()
    }

    /// The calendar day of this instant in Asia/Shanghai.
    pub fn day(self) -> Day {
        let local = Self(self.0.saturating_add(SHANGHAI_MS)).utc();
        Day(local.date())
    }

    /// `2026-11` in UTC: the month whose key seals an access-log entry.
    pub fn month(self) -> String {
        self.utc().format(&format_description!("[year]-[month]")).unwrap_or_default()
    }

    /// Clamped to the range that `time` can express (years -9999 to 9999).
    fn utc(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .to_offset(UtcOffset::UTC)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// A calendar day in Asia/Shanghai, written `YYYY-MM-DD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(Date);

impl Day {
    /// Parses exactly `YYYY-MM-DD` and only days that exist.
    pub fn parse(text: &str) -> Option<Self> {
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else { return None };
        Self::from_digits([y1, y2, y3, y4, m1, m2, d1, d2])
    }

    /// From the eight digits of `YYYYMMDD`, and only days that exist.
    pub fn from_digits(digits: [u8; 8]) -> Option<Self> {
        let number = digits.iter().try_fold(0_i32, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i32::from(digit - b'0'))
        })?;
        let part = |number: i32| u8::try_from(number % 100).ok();
        Self::from_ymd(number / 10_000, part(number / 100)?, part(number)?)
    }

    pub fn from_ymd(year: i32, month: u8, day: u8) -> Option<Self> {
        let month = time::Month::try_from(month).ok()?;
        Date::from_calendar_date(year, month, day).ok().map(Self)
    }

    pub fn year(self) -> i32 {
        self.0.year()
    }

    pub fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(time::Duration::days(days)))
    }

    /// The same day `years` later; 29 February becomes 28 February in a common year.
    pub fn plus_years(self, years: i32) -> Self {
        let year = self.0.year().saturating_add(years);
        self.0
            .replace_year(year)
            .or_else(|_| self.0.saturating_sub(time::Duration::days(1)).replace_year(year))
            .map_or(self, Self)
    }

    /// The first instant of the day in Asia/Shanghai.
    pub fn start(self) -> Timestamp {
        let utc_midnight = self.0.midnight().assume_utc().unix_timestamp();
        Timestamp::from_millis(utc_midnight.saturating_mul(1000).saturating_sub(SHANGHAI_MS))
    }

    /// Appends `YYYY-MM-DD`, as it is shown; days are written by the million.
    pub fn write(self, out: &mut Vec<u8>) {
        match self.iso() {
            Some(iso) => out.extend_from_slice(&iso),
            None => out.extend_from_slice(self.to_string().as_bytes()),
        }
    }

    /// `YYYY-MM-DD`, of a year with four digits and no sign.
    fn iso(self) -> Option<[u8; 10]> {
        let (year, month, day) = self.0.to_calendar_date();
        let year = u16::try_from(year).ok().filter(|year| *year <= 9999)?;
        let digit = |number: u16| b'0' + (number % 10) as u8;
        let two = |number: u16| [digit(number / 10), digit(number)];
        let ([y1, y2], [y3, y4]) = (two(year / 100), two(year));
        let ([m1, m2], [d1, d2]) = (two(u8::from(month).into()), two(day.into()));
        Some([y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2])
    }

    /// `YYYYMMDD`.
    pub fn compact(self) -> String {
        self.0.format(&format_description!("[year][month][day]")).unwrap_or_default()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.iso() {
            Some(iso) => f.write_str(std::str::from_utf8(&iso).unwrap_or_default()),
            None => {
                let (year, month, day) = self.0.to_calendar_date();
                write!(f, "{year:05}-{:02}-{day:02}", u8::from(month))
            }
        }
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("not a day that exists, written YYYY-MM-DD"))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 date-time"))
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands where it was set, for tests and for repeatable sample data.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn at(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.millis()))
    }

    pub fn set(&self, to: Timestamp) {
        self.0.store(to.millis(), Ordering::SeqCst);
    }

    pub fn advance_secs(&self, secs: i64) {
        self.0.fetch_add(secs.saturating_mul(1000), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_in_shanghai_begins_at_sixteen_hours_utc_of_the_day_before() {
        let day = Day::parse("2026-11-23").unwrap();
        assert_eq!(day.start().rfc3339(), "2026-11-22T16:00:00.000Z");
        assert_eq!(day.start().day(), day);
        assert_eq!(Timestamp::from_millis(day.start().millis() - 1).day(), day.plus_days(-1));
    }

    #[test]
    fn only_days_that_exist_are_days() {
        for bad in ["2026-02-29", "2026-13-01", "2026-1-1", "2026-11-23 ", "20261123", "２０２６-1-1", ""]
        {
            assert_eq!(Day::parse(bad), None, "{bad}");
        }
        assert_eq!(Day::parse("2024-02-29").unwrap().plus_years(1).to_string(), "2025-02-28");
    }

    #[test]
    fn days_are_read_and_written_as_the_calendar_crate_does() {
        let format = format_description!("[year]-[month]-[day]");
        let first = Day::from_ymd(-1, 12, 25).unwrap();
        for days in (0..800_000).step_by(97).chain(0..800) {
            let day = first.plus_days(days);
            let text = day.to_string();
            assert_eq!(text, day.0.format(&format).unwrap());
            assert_eq!(Day::parse(&text), (day.year() >= 0).then_some(day), "{text}");
        }
        for text in
            ["+202-01-01", "-001-01-01", "0000-01-01", "0000-00-10", "2026-11-31", "2026/11/30", "2026-1a-30"]
        {
            assert_eq!(Day::parse(text), Date::parse(text, &format).ok().map(Day), "{text}");
        }
    }

    #[test]
    fn instants_survive_their_text() {
        let at = Timestamp::from_millis(1_795_406_706_789);
        assert_eq!(Timestamp::parse_rfc3339(&at.rfc3339()), Some(at));
        let expected = at.rfc3339().replace(['-', ':', 'T'], "");
        assert_eq!(at.generalized(), format!("{}Z", &expected[..14]));
    }
}
