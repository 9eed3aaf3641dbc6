//! Licence identifiers and type codes (GB/T 36904; the check character is ISO/IEC 7064 MOD 37,36).
//!
//! `1.2.156.3005.2.TYPE21.ISSUER18.SERIAL.VERSION3.CHECK1`. It looks like an OID and is not one:
//! its parts contain letters, so it is treated as text. Reading is lenient where real data is
//! (lower case, a 6-digit area code in the issuer's place); writing is strict ([`Identifier::build`],
//! [`Identifier::check_strict`]), so nothing lenient is ever handed on as new.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::uscc::{Uscc, UsccError};

/// Root of every licence identifier, with its last dot.
pub const ROOT: &str = "1.2.156.3005.2.";
/// The longest identifier accepted, root included.
pub const MAX_LENGTH: usize = 128;

/// A part of an identifier, as named in its errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Type,
    Issuer,
    Serial,
    Version,
    Check,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Type => "type code",
            Self::Issuer => "issuer",
            Self::Serial => "serial",
            Self::Version => "version",
            Self::Check => "check character",
        })
    }
}

/// The rule that a text breaks as an identifier or type code. Positions count from 1 in the part.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum IdentifierError {
    #[error("an identifier has at most {MAX_LENGTH} characters, this has {found}")]
    TooLong { found: usize },
    #[error("an identifier begins with {ROOT}")]
    WrongRoot,
    #[error("after the root an identifier has 5 parts joined by dots, this has {found}")]
    PartCount { found: usize },
    #[error("the {part} has {found} characters; expected {expected}")]
    PartLength { part: Part, expected: &'static str, found: usize },
    #[error("character {position} of the {part} is not one of 0-9 and A-Z")]
    Charset { part: Part, position: usize },
    #[error("the version must be three digits from 001 to 999")]
    Version,
    #[error("check character: computed {computed}, found {found}")]
    Check { computed: char, found: char },
    #[error("the serial contains the holder's code")]
    HolderCodeInSerial,
    #[error("in a new identifier the issuer must be a unified social credit code, not an area code")]
    IssuerIsArea,
    #[error("the issuer is not a unified social credit code: {0}")]
    Issuer(UsccError),
    #[error("the type code does not begin with a unified social credit code: {0}")]
    TypeAuthority(UsccError),
}

impl IdentifierError {
    /// Stable name of the broken rule.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "identifier.length",
            Self::WrongRoot => "identifier.root",
            Self::PartCount { .. } => "identifier.parts",
            Self::PartLength { .. } => "identifier.partLength",
            Self::Charset { .. } => "identifier.charset",
            Self::Version => "identifier.version",
            Self::Check { .. } => "identifier.check",
            Self::HolderCodeInSerial => "identifier.holderCode",
            Self::IssuerIsArea => "identifier.issuerIsArea",
            Self::Issuer(_) => "identifier.issuer",
            Self::TypeAuthority(_) => "identifier.typeAuthority",
        }
    }
}

/// Code of a licence type: USCC of the defining authority (18) and a sequence (3), upper case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TypeCode(String);

impl TypeCode {
    /// Length and charset only; upper-cased. See [`Self::check_strict`].
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let text = text.to_ascii_uppercase();
        part(Part::Type, &text, "21", |len| len == 21)?;
        Ok(Self(text))
    }

    /// Whether the first 18 characters are a unified social credit code.
    pub fn check_strict(&self) -> Result<Uscc, IdentifierError> {
        Uscc::parse(self.authority()).map_err(IdentifierError::TypeAuthority)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 18 characters of the defining authority.
    pub fn authority(&self) -> &str {
        authority(&self.0)
    }
}

fn authority(type_code: &str) -> &str {
    type_code.get(..18).unwrap_or_default()
}

/// A licence identifier with the right check character, upper case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identifier(String);

impl Identifier {
    /// Reads an identifier: ASCII letters are upper-cased; the issuer may be an area code of 6
    /// digits. Root, parts, charset, version and check character must be right.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        if text.len() > MAX_LENGTH {
            return Err(IdentifierError::TooLong { found: text.chars().count() });
        }
        let text = text.to_ascii_uppercase();
        let rest = text.strip_prefix(ROOT).ok_or(IdentifierError::WrongRoot)?;
        let mut parts = rest.split('.');
        let mut next = || parts.next();
        let (Some(type_code), Some(issuer), Some(serial), Some(version), Some(check), None) =
            (next(), next(), next(), next(), next(), next())
        else {
            return Err(IdentifierError::PartCount { found: rest.split('.').count() });
        };
        part(Part::Type, type_code, "21", |len| len == 21)?;
        part(Part::Issuer, issuer, "18, or 6 digits in old data", |len| len == 18 || len == 6)?;
        if issuer.len() == 6
            && let Some(at) = issuer.bytes().position(|b| !b.is_ascii_digit())
        {
            return Err(IdentifierError::Charset { part: Part::Issuer, position: at + 1 });
        }
        part(Part::Serial, serial, "at least 1", |len| len > 0)?;
        part(Part::Version, version, "3", |len| len == 3)?;
        if !version.bytes().all(|b| b.is_ascii_digit()) || version == "000" {
            return Err(IdentifierError::Version);
        }
        part(Part::Check, check, "1", |len| len == 1)?;
        let computed = check_character(rest.strip_suffix(check).unwrap_or_default());
        let found = check.chars().next().unwrap_or_default();
        if computed != found {
            return Err(IdentifierError::Check { computed, found });
        }
        Ok(Self(text))
    }

    /// Builds a new identifier, strictly: both authorities are unified social credit codes, the
    /// serial is upper case, the version is 1 to 999.
    pub fn build(
        type_code: &TypeCode,
        issuer: &Uscc,
        serial: &str,
        version: u16,
    ) -> Result<Self, IdentifierError> {
        type_code.check_strict()?;
        part(Part::Serial, serial, "at least 1", |len| len > 0)?;
        if !(1..=999).contains(&version) {
            return Err(IdentifierError::Version);
        }
        let version = format!("{version:03}");
        let check = check_character(&[type_code.as_str(), issuer.as_str(), serial, &version].concat());
        Self::parse(&format!("{ROOT}{}.{issuer}.{serial}.{version}.{check}", type_code.as_str()))
    }

    /// What a new identifier must meet beyond reading: both authorities have valid codes, and the
    /// serial does not contain the code of any holder (codes under 6 characters say nothing).
    pub fn check_strict<'a>(
        &self,
        holder_codes: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), IdentifierError> {
        Uscc::check(authority(self.type_text())).map_err(IdentifierError::TypeAuthority)?;
        if self.issuer_is_area() {
            return Err(IdentifierError::IssuerIsArea);
        }
        Uscc::check(self.issuer()).map_err(IdentifierError::Issuer)?;
        let serial = self.serial();
        let tells = |code: &str| {
            (6..=serial.len()).contains(&code.len()) && serial.contains(&code.to_ascii_uppercase())
        };
        if holder_codes.into_iter().any(tells) {
            return Err(IdentifierError::HolderCodeInSerial);
        }
        Ok(())
    }

    /// The identifier of the next version of the same licence, `None` after version 999.
    pub fn next_version(&self) -> Option<Self> {
        let version = self.version().checked_add(1).filter(|v| *v <= 999)?;
        let version = format!("{version:03}");
        let type_code = self.type_text();
        let check = check_character(&[type_code, self.issuer(), self.serial(), &version].concat());
        Some(Self(format!("{ROOT}{type_code}.{}.{}.{version}.{check}", self.issuer(), self.serial())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn type_code(&self) -> TypeCode {
        TypeCode(self.type_text().to_owned())
    }

    /// The 21 characters of [`Self::type_code`].
    pub(super) fn type_text(&self) -> &str {
        self.nth(0)
    }

    /// The issuing authority: 18 characters, or 6 digits ([`Self::issuer_is_area`]).
    pub fn issuer(&self) -> &str {
        self.nth(1)
    }

    pub fn issuer_is_area(&self) -> bool {
        self.issuer().len() == 6
    }

    pub fn serial(&self) -> &str {
        self.nth(2)
    }

    /// 1 to 999.
    pub fn version(&self) -> u16 {
        self.nth(3).parse().unwrap_or(1)
    }

    pub fn check(&self) -> &str {
        self.nth(4)
    }

    fn nth(&self, n: usize) -> &str {
        self.0.get(ROOT.len()..).and_then(|rest| rest.split('.').nth(n)).unwrap_or_default()
    }
}

/// ISO/IEC 7064 MOD 37,36 over the alphabet 0-9A-Z. Other characters are skipped, as the dots and
/// separators of an identifier are; callers that must refuse them do so first.
pub fn check_character(body: &str) -> char {
    let mut p = 36;
    // p stays from 1 to 36, and a value is at most 35: each remainder is one subtraction.
    for value in body.bytes().filter_map(|b| char::from(b).to_digit(36)) {
        let t = p + value;
        let doubled = 2 * if t > 36 { t - 36 } else { t };
        p = if doubled > 37 { doubled - 37 } else { doubled };
    }
    char::from_digit((37 - p) % 36, 36).unwrap_or('0').to_ascii_uppercase()
}

/// Checks length and charset of one part.
fn part(
    part: Part,
    text: &str,
    expected: &'static str,
    fits: impl Fn(usize) -> bool,
) -> Result<(), IdentifierError> {
    let right = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase();
    if text.bytes().all(right) && fits(text.len()) {
        return Ok(());
    }
    let found = text.chars().count();
    if !fits(found) {
        return Err(IdentifierError::PartLength { part, expected, found });
    }
    match text.chars().position(|c| !u8::try_from(c).is_ok_and(right)) {
        Some(at) => Err(IdentifierError::Charset { part, position: at + 1 }),
        None => Ok(()),
    }
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = IdentifierError;
            fn from_str(text: &str) -> Result<Self, IdentifierError> {
                Self::parse(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdentifierError;
            fn try_from(text: String) -> Result<Self, IdentifierError> {
                Self::parse(&text)
            }
        }
        impl From<$name> for String {
            fn from(code: $name) -> Self {
                code.0
            }
        }
    };
}
text_newtype!(TypeCode);
text_newtype!(Identifier);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Worked examples of the standard's annex, of ministries and of cities (`standards.md` 1.2).
    const GOOD: [&str; 6] = [
        "11100000000013338W011.11430000006122244L.20230000403.001.U",
        "11100000000013338W011.11430000006122244L.20230000403.002.S",
        "11100000000013338W009.11330105002500287C.2025052201.002.0",
        "11100000000013338W032.11220000013544541J.2430599.001.F",
        "11100000000013338W087.11370800MB28559184.37080001202411010001.001.3",
        "11100000MB03271699022.340100.000000016.001.9",
    ];

    fn full(rest: &str) -> String {
        format!("{ROOT}{rest}")
    }

    #[test]
    fn worked_examples_parse_and_come_back_unchanged() {
        for rest in GOOD {
            let id = Identifier::parse(&full(rest)).unwrap();
            assert_eq!(id.to_string(), full(rest));
            assert_eq!(Identifier::parse(&full(rest).to_lowercase()).unwrap(), id);
        }
        let id = Identifier::parse(&full(GOOD[0])).unwrap();
        assert_eq!(id.type_code().as_str(), "11100000000013338W011");
        assert_eq!(
            (id.issuer(), id.serial(), id.version(), id.check()),
            ("11430000006122244L", "20230000403", 1, "U")
        );
        assert_eq!(id.next_version().unwrap().as_str(), full(GOOD[1]));
    }

    #[test]
    fn the_example_with_a_wrong_check_character_is_refused_with_the_right_one() {
        let wrong = full("11100000000013661B006.113700000045046442.209FA4E88F9E4C878F3E9BED2CE7EA49.001.M");
        assert_eq!(Identifier::parse(&wrong), Err(IdentifierError::Check { computed: 'D', found: 'M' }));
        assert!(Identifier::parse(&wrong.replace(".M", ".D")).is_ok());
    }

    #[test]
    fn the_demo_example_is_refused_though_its_check_character_fits_without_the_underscore() {
        assert_eq!(check_character("06230111011011020624_001001"), 'U');
        let demo = Identifier::parse(&full("062301.1101101102.0624_001.001.U"));
        assert_eq!(demo.map_err(|e| e.rule()), Err("identifier.partLength"));
        let underscore = Identifier::parse(&full("11100000000013338W011.11430000006122244L.0624_001.001.U"));
        assert_eq!(underscore, Err(IdentifierError::Charset { part: Part::Serial, position: 5 }));
    }

    #[test]
    fn each_broken_rule_has_its_name() {
        let rule = |text: &str| Identifier::parse(text).map_err(|e| e.rule());
        assert_eq!(rule(GOOD[0]), Err("identifier.root"));
        assert_eq!(rule(&full(GOOD[0]).replace("3005", "3006")), Err("identifier.root"));
        assert_eq!(rule(&full("A.B.C")), Err("identifier.parts"));
        assert_eq!(rule(&full(&GOOD[0].replace(".001.", ".000."))), Err("identifier.version"));
        assert_eq!(rule(&full(&GOOD[0].replace(".001.", ".0A1."))), Err("identifier.version"));
        assert_eq!(rule(&full(&"1".repeat(128))), Err("identifier.length"));
        assert_eq!(rule(&full(&GOOD[5].replace("340100", "34010A"))), Err("identifier.charset"));
    }

    #[test]
    fn what_is_written_is_strict() {
        let old = Identifier::parse(&full(GOOD[5])).unwrap();
        assert_eq!(old.check_strict([]), Err(IdentifierError::IssuerIsArea));
        let id = Identifier::parse(&full(GOOD[0])).unwrap();
        assert_eq!(id.check_strict(["120101199001010017"]), Ok(()));
        assert_eq!(id.check_strict(["20230000403"]), Err(IdentifierError::HolderCodeInSerial));
        let issuer = Uscc::parse("11430000006122244L").unwrap();
        let code = TypeCode::parse("11100000000013338W011").unwrap();
        assert_eq!(Identifier::build(&code, &issuer, "20230000403", 1).unwrap(), id);
        assert_eq!(
            Identifier::build(&code, &issuer, "2023a", 1).map_err(|e| e.rule()),
            Err("identifier.charset")
        );
        assert_eq!(Identifier::build(&code, &issuer, "2023", 1000), Err(IdentifierError::Version));
    }

    #[test]
    fn every_single_character_substitution_is_refused() {
        let others = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ._ -津";
        for good in GOOD.map(full) {
            for (at, old) in good.char_indices() {
                for new in others.chars().filter(|new| *new != old) {
                    let (head, tail) = good.split_at(at);
                    let changed = format!("{head}{new}{}", &tail[1..]);
                    assert!(Identifier::parse(&changed).is_err(), "{changed}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_built_parses(serial in "[0-9A-Z]{1,40}", version in 1u16..=999) {
            let issuer = Uscc::parse("11430000006122244L").unwrap();
            let code = TypeCode::parse("11100000000013338W011").unwrap();
            let id = Identifier::build(&code, &issuer, &serial, version).unwrap();
            prop_assert_eq!(Identifier::parse(id.as_str()), Ok(id.clone()));
            prop_assert_eq!((id.serial(), id.version()), (serial.as_str(), version));
        }

        #[test]
        fn no_text_makes_the_parser_fall(text in "\\PC{0,140}") {
            let _ = Identifier::parse(&text);
            let _ = Identifier::parse(&full(&text));
        }
    }
}
