//! Unified social credit codes (GB 32100-2015): 18 characters, two check characters.
//!
//! Registrar (1), category (1), area (6), organisation code of GB 11714 (9, the last of them its
//! own check character), check character (1). Both check characters are checked: the outer one
//! alone misses an organisation code that was mistyped before the outer one was computed.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The 31 characters of GB 32100: no I, O, S, V, Z.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// 3^(i-1) mod 31.
const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/// GB 11714.
const ORG_WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// A unified social credit code with both check characters right; upper case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uscc(String);

/// The rule of GB 32100 that a text breaks. Positions count from 1.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum UsccError {
    #[error("a unified social credit code has 18 characters, this has {found}")]
    Length { found: usize },
    #[error("character {position} is not one of 0-9 and A-Z without I, O, S, V, Z")]
    Charset { position: usize },
    #[error("the area code (characters 3 to 8) must be digits")]
    Area,
    #[error("check character of the organisation code (GB 11714): computed {computed}, found {found}")]
    OrganisationCheck { computed: char, found: char },
    #[error("check character: computed {computed}, found {found}")]
    Check { computed: char, found: char },
}

impl UsccError {
    /// Stable name of the broken rule.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Length { .. } => "uscc.length",
            Self::Charset { .. } => "uscc.charset",
            Self::Area => "uscc.area",
            Self::OrganisationCheck { .. } => "uscc.organisationCheck",
            Self::Check { .. } => "uscc.check",
        }
    }
}

impl Uscc {
    /// Checks length, alphabet, area digits and both check characters. Lower case is refused.
    pub fn parse(text: &str) -> Result<Self, UsccError> {
        Self::check(text).map(|()| Self(text.to_owned()))
    }

    /// [`Self::parse`] without its result.
    pub(super) fn check(text: &str) -> Result<(), UsccError> {
        let bytes: [u8; 18] =
            text.as_bytes().try_into().map_err(|_| UsccError::Length { found: text.chars().count() })?;
        if let Some(at) = bytes.iter().position(|b| value(*b).is_none()) {
            return Err(UsccError::Charset { position: at + 1 });
        }
        let (body, last) = (bytes.get(..17).unwrap_or_default(), bytes.get(17).copied().unwrap_or_default());
        if !bytes.iter().skip(2).take(6).all(u8::is_ascii_digit) {
            return Err(UsccError::Area);
        }
        let computed = organisation_check(bytes.get(8..16).unwrap_or_default());
        let found = char::from(bytes.get(16).copied().unwrap_or_default());
        if computed != found {
            return Err(UsccError::OrganisationCheck { computed, found });
        }
        let (computed, found) = (check(body), char::from(last));
        if computed != found {
            return Err(UsccError::Check { computed, found });
        }
        Ok(())
    }

    /// Builds a code from registrar and category (2), area (6 digits) and organisation body (8),
    /// computing both check characters.
    pub fn build(prefix: &str, area: &str, organisation: &str) -> Result<Self, UsccError> {
        let mut text = format!("{prefix}{area}{organisation}");
        text.push(organisation_check(organisation.as_bytes()));
        text.push(check(text.as_bytes()));
        Self::parse(&text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The six digits of the administrative area of the registrar.
    pub fn area(&self) -> &str {
        self.0.get(2..8).unwrap_or_default()
    }
}

/// The place of a character in [`ALPHABET`].
fn value(character: u8) -> Option<u32> {
    let (first, place) = match character {
        b'0'..=b'9' => (b'0', 0),
        b'A'..=b'H' => (b'A', 10),
        b'J'..=b'N' => (b'J', 18),
        b'P'..=b'R' => (b'P', 23),
        b'T'..=b'U' => (b'T', 26),
        b'W'..=b'Y' => (b'W', 28),
        _ => return None,
    };
    Some(u32::from(character - first) + place)
}

/// Check character over the first 17 characters. Characters outside the alphabet count as 0.
fn check(body: &[u8]) -> char {
    let sum: u32 = body.iter().zip(WEIGHTS).map(|(b, w)| value(*b).unwrap_or(0) * w).sum();
    let at = (31 - sum % 31) % 31;
    usize::try_from(at).ok().and_then(|at| ALPHABET.get(at)).map_or('0', |b| char::from(*b))
}

/// GB 11714 check character over the 8 characters of an organisation code.
fn organisation_check(body: &[u8]) -> char {
    let value = |b: &u8| char::from(*b).to_digit(36).unwrap_or(0);
    let sum: u32 = body.iter().zip(ORG_WEIGHTS).map(|(b, w)| value(b) * w).sum();
    match 11 - sum % 11 {
        10 => 'X',
        11 => '0',
        digit => char::from_digit(digit, 10).unwrap_or('0'),
    }
}

impl fmt::Display for Uscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Uscc {
    type Error = UsccError;
    fn try_from(text: String) -> Result<Self, UsccError> {
        Self::parse(&text)
    }
}

impl From<Uscc> for String {
    fn from(code: Uscc) -> Self {
        code.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALID: [&str; 20] = [
        "91350100M000100Y43",
        "11100000000013338W",
        "11100000MB03271699",
        "11100000MB0143028R",
        "11110000000021135M",
        "11430000006122244L",
        "11330105002500287C",
        "91370406L24894136J",
        "12100000000018032A",
        "11100000MB0341032Y",
        "11100000000014445H",
        "11100000000014154E",
        "111000000000131433",
        "11100000717817624Y",
        "11100000717823004M",
        "11100000000013661B",
        "111000000000143498",
        "1110000000001332XW",
        "11220000013544541J",
        "11999999EXAMPLE033",
    ];

    #[test]
    fn codes_of_the_standard_and_of_real_authorities_pass() {
        for code in VALID {
            assert_eq!(Uscc::parse(code).map(String::from).as_deref(), Ok(code));
        }
    }

    #[test]
    fn wrong_codes_are_refused_with_the_character_that_would_be_right() {
        assert_eq!(Uscc::parse("11100000000013135U"), Err(UsccError::Check { computed: '8', found: 'U' }));
        assert_eq!(Uscc::parse("1110000000002888XF"), Err(UsccError::Check { computed: 'B', found: 'F' }));
        assert_eq!(Uscc::parse("11100000000013338w").map_err(|e| e.rule()), Err("uscc.charset"));
        assert_eq!(Uscc::parse("1110000000001333").map_err(|e| e.rule()), Err("uscc.length"));
        assert_eq!(Uscc::parse("91350100M000100X43").map_err(|e| e.rule()), Err("uscc.organisationCheck"));
        assert_eq!(Uscc::parse("九九九").map_err(|e| e.rule()), Err("uscc.length"));
    }

    #[test]
    fn the_alphabet_has_no_gaps_but_its_own() {
        for byte in 0..=255 {
            let place = ALPHABET.iter().position(|b| *b == byte);
            assert_eq!(value(byte), place.map(|at| at as u32));
        }
    }

    proptest! {
        #[test]
        fn any_single_substitution_is_refused(which in 0..VALID.len(), at in 0usize..18, with in 0usize..31) {
            let mut bytes = VALID[which].as_bytes().to_vec();
            prop_assume!(bytes[at] != ALPHABET[with]);
            bytes[at] = ALPHABET[with];
            prop_assert!(Uscc::parse(std::str::from_utf8(&bytes).unwrap()).is_err());
        }

        #[test]
        fn what_is_built_parses(area in "[0-9]{6}", body in "[0-9A-HJ-NPQRTUWXY]{8}") {
            let code = Uscc::build("91", &area, &body).unwrap();
            prop_assert_eq!(code.area(), area.as_str());
            prop_assert!(Uscc::parse(code.as_str()).is_ok());
        }
    }
}
