//! Citizen identification numbers (GB 11643-1999): area (6), birth date (8), sequence (3), check.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::syntax;
use crate::time::Day;

const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS: &[u8; 11] = b"10X98765432";

/// A citizen number with a birth date that exists and the right check character (`X` upper case).
///
/// Whether the number was ever issued is not known here. `Debug` shows a masked form, so that a
/// stray log line does not carry a person's number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CitizenNumber(String);

/// The rule of GB 11643 that a text breaks. Positions count from 1.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CitizenError {
    #[error("a citizen number has 18 characters, this has {found}")]
    Length { found: usize },
    #[error("character {position} must be a digit (the last one may be an upper-case X)")]
    Charset { position: usize },
    #[error("the area code must not begin with 0")]
    Area,
    #[error("characters 7 to 14 are not a date that exists")]
    BirthDate,
    #[error("the check character is not the one of the other seventeen")]
    Check { computed: char, found: char },
}

impl CitizenError {
    /// Stable name of the broken rule.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Length { .. } => "citizen.length",
            Self::Charset { .. } => "citizen.charset",
            Self::Area => "citizen.area",
            Self::BirthDate => "citizen.birthDate",
            Self::Check { .. } => "citizen.check",
        }
    }
}

impl CitizenNumber {
    pub fn parse(text: &str) -> Result<Self, CitizenError> {
        Self::check(text).map(|()| Self(text.to_owned()))
    }

    /// [`Self::parse`] without its result.
    pub(super) fn check(text: &str) -> Result<(), CitizenError> {
        if text.len() != 18 {
            return Err(CitizenError::Length { found: text.chars().count() });
        }
        let wrong = |(at, b): (usize, u8)| !(b.is_ascii_digit() || at == 17 && b == b'X');
        if let Some(at) = text.bytes().enumerate().position(wrong) {
            return Err(CitizenError::Charset { position: at + 1 });
        }
        if text.starts_with('0') {
            return Err(CitizenError::Area);
        }
        birth(text).ok_or(CitizenError::BirthDate)?;
        let (body, last) = text.split_at_checked(17).unwrap_or_default();
        let (computed, found) = (check(body), last.chars().next().unwrap_or_default());
        if computed != found {
            return Err(CitizenError::Check { computed, found });
        }
        Ok(())
    }

    /// Builds a number, computing the check character. `sequence` is taken modulo 1000.
    pub fn build(area: &str, birth: Day, sequence: u16) -> Result<Self, CitizenError> {
        let mut text = format!("{area}{}{:03}", birth.compact(), sequence % 1000);
        text.push(check(&text));
        Self::parse(&text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The day of birth that the number states; `None` cannot happen for a parsed number.
    pub fn birth(&self) -> Option<Day> {
        birth(&self.0)
    }
}

fn birth(number: &str) -> Option<Day> {
    syntax::day(number.get(6..14)?)
}

fn check(body: &str) -> char {
    let sum: u32 = body.chars().zip(WEIGHTS).map(|(c, w)| c.to_digit(10).unwrap_or(0) * w).sum();
    usize::try_from(sum % 11).ok().and_then(|at| CHECKS.get(at)).map_or('0', |b| char::from(*b))
}

impl fmt::Debug for CitizenNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CitizenNumber({})", super::masks::mask_identity_number(&self.0))
    }
}

impl TryFrom<String> for CitizenNumber {
    type Error = CitizenError;
    fn try_from(text: String) -> Result<Self, CitizenError> {
        Self::parse(&text)
    }
}

impl From<CitizenNumber> for String {
    fn from(number: CitizenNumber) -> Self {
        number.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_of_the_standard_and_synthetic_ones_pass() {
        for number in ["11010519491231002X", "440524188001010014", "120101199001010017", "120101199003070013"]
        {
            assert!(CitizenNumber::parse(number).is_ok(), "{number}");
        }
        let number = CitizenNumber::parse("11010519491231002X").unwrap();
        assert_eq!(number.birth(), Day::parse("1949-12-31"));
        assert_eq!(format!("{number:?}"), "CitizenNumber(110105********002X)");
    }

    #[test]
    fn each_broken_rule_has_its_name() {
        let rule = |text: &str| CitizenNumber::parse(text).map_err(|e| e.rule());
        assert_eq!(rule("11010519491231002x"), Err("citizen.charset"));
        assert_eq!(rule("1101051949123100"), Err("citizen.length"));
        assert_eq!(rule("110105194902300025"), Err("citizen.birthDate"));
        assert_eq!(rule("010105194912310021"), Err("citizen.area"));
        assert_eq!(
            CitizenNumber::parse("110105194912310021"),
            Err(CitizenError::Check { computed: 'X', found: '1' })
        );
    }

    proptest! {
        #[test]
        fn any_single_substitution_is_refused(at in 0usize..18, with in "[0-9X]") {
            let good = "120101199001010017";
            let mut bytes = good.as_bytes().to_vec();
            prop_assume!(bytes[at] != with.as_bytes()[0]);
            bytes[at] = with.as_bytes()[0];
            prop_assert!(CitizenNumber::parse(std::str::from_utf8(&bytes).unwrap()).is_err());
        }
    }
}
