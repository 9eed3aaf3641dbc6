//! Holders (持证主体) and their codes.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use super::citizen::{CitizenError, CitizenNumber};
use super::code_type::HolderCodeType;
use super::masks::{mask_code, mask_name};
use super::uscc::{Uscc, UsccError};

/// The longest holder name, in characters (databases seen in use allow 512).
pub const MAX_NAME: usize = 512;
/// The longest holder code that has no syntax of its own, in characters.
pub const MAX_CODE: usize = 64;

/// The rule that a holder breaks.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum HolderError {
    #[error(transparent)]
    Uscc(#[from] UsccError),
    #[error(transparent)]
    Citizen(#[from] CitizenError),
    #[error(
        "a holder code has 1 to {MAX_CODE} characters, without spaces or control characters, letters in upper case"
    )]
    Syntax,
    #[error("a holder name has 1 to {MAX_NAME} characters")]
    Name,
}

impl HolderError {
    /// Stable name of the broken rule.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Uscc(e) => e.rule(),
            Self::Citizen(e) => e.rule(),
            Self::Syntax => "holder.codeSyntax",
            Self::Name => "holder.name",
        }
    }
}

/// One holder, its code checked by the rules of its kind.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    name: String,
    code: String,
    code_type: HolderCodeType,
}

impl Holder {
    pub fn new(name: &str, code: &str, code_type: HolderCodeType) -> Result<Self, HolderError> {
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err(HolderError::Name);
        }
        check_code(code, code_type)?;
        Ok(Self { name: name.to_owned(), code: code.to_owned(), code_type })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn code(&self) -> &str {
        &self.code
    }

    pub fn code_type(&self) -> HolderCodeType {
        self.code_type
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.code_type;
        write!(
            f,
            "Holder({}, {}, {})",
            mask_name(&self.name, kind.person()),
            mask_code(&self.code, kind),
            kind.code()
        )
    }
}

/// Checks a holder code by the rules of its kind: USCC, citizen number, or bare syntax.
pub fn check_code(code: &str, code_type: HolderCodeType) -> Result<(), HolderError> {
    match code_type {
        HolderCodeType::UnifiedSocialCredit => Uscc::check(code).map_err(Into::into),
        HolderCodeType::CitizenNumber => CitizenNumber::check(code).map_err(Into::into),
        _ => {
            let length = code.chars().count();
            let odd = |c: char| c.is_control() || c.is_whitespace() || c.is_ascii_lowercase();
            if length == 0 || length > MAX_CODE || code.chars().any(odd) {
                return Err(HolderError::Syntax);
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_checked_by_their_kind() {
        let rule = |code: &str, kind| Holder::new("某", code, kind).map(|_| ()).map_err(|e| e.rule());
        assert_eq!(rule("12010119900101001X", HolderCodeType::CitizenNumber), Err("citizen.check"));
        assert_eq!(rule("120101199001010017", HolderCodeType::CitizenNumber), Ok(()));
        assert_eq!(
            rule("120101199001010017", HolderCodeType::UnifiedSocialCredit),
            Err("uscc.organisationCheck")
        );
        assert_eq!(rule("军字第1234567号", HolderCodeType::OfficerCard), Ok(()));
        assert_eq!(rule("e1234567", HolderCodeType::Passport), Err("holder.codeSyntax"));
        assert_eq!(rule("", HolderCodeType::Passport), Err("holder.codeSyntax"));
    }

    #[test]
    fn a_debug_line_carries_no_name_and_no_number() {
        let holder = Holder::new("张三丰", "120101199001010017", HolderCodeType::CitizenNumber).unwrap();
        assert_eq!(format!("{holder:?}"), "Holder(张**, 120101********0017, 111)");
    }
}
