//! Holders (持证主体), the kinds of code they are known by (GB/T 36903 Annex A), and masking.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::citizen::{CitizenError, CitizenNumber};
use super::uscc::{Uscc, UsccError};

/// The longest holder name, in characters (databases seen in use allow 512).
pub const MAX_NAME: usize = 512;
/// The longest holder code that has no syntax of its own, in characters.
pub const MAX_CODE: usize = 64;

/// Whether a holder is a person or an organisation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PersonKind {
    Natural,
    Legal,
}

macro_rules! holder_code_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $zh:literal, $kind:ident;)*) => {
        /// Kind of a holder code: the three digits of Annex A of GB/T 36903, as seen in deployed
        /// systems (the printed list may be longer).
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum HolderCodeType {
            $(#[serde(rename = $code)] $(#[$doc])* $name,)*
        }

        impl HolderCodeType {
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$name),*];

            /// The three digits.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            pub fn zh(self) -> &'static str {
                match self { $(Self::$name => $zh,)* }
            }

            pub fn person(self) -> PersonKind {
                match self { $(Self::$name => PersonKind::$kind,)* }
            }
        }
    };
}

holder_code_types! {
    UnifiedSocialCredit = "001", "统一社会信用代码", Legal;
    OtherLegal = "099", "其他法人或其他组织有效证件代码", Legal;
    CitizenNumber = "111", "公民身份号码", Natural;
    OfficerCard = "114", "军官证", Natural;
    PoliceOfficerCard = "115", "武警警官证", Natural;
    SoldierCard = "118", "士兵证", Natural;
    PoliceSoldierCard = "119", "武警士兵证", Natural;
    ArmyCivilian = "120", "军队文职人员证", Natural;
    PoliceCivilian = "122", "武警文职人员证", Natural;
    DiplomaticPassport = "411", "外交护照", Natural;
    ServicePassport = "412", "公务护照", Natural;
    OfficialPassport = "413", "公务普通护照", Natural;
    Passport = "414", "普通护照", Natural;
    TaiwanPermit = "511", "台湾居民来往大陆通行证", Natural;
    HongKongMacaoPermit = "516", "港澳居民来往内地通行证", Natural;
    OtherNatural = "999", "其他自然人有效证件代码", Natural;
}

impl HolderCodeType {
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.code() == code)
    }
}

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

/// A person's name with all but its first character hidden (张**). Organisations' names are public.
pub fn mask_name(name: &str, person: PersonKind) -> String {
    match person {
        PersonKind::Legal => name.to_owned(),
        PersonKind::Natural => keep_ends(name, 1, 0),
    }
}

/// A holder code masked by its kind: citizen numbers keep the first 6 and last 4, other personal
/// documents the first and last character; organisation codes are public.
pub fn mask_code(code: &str, code_type: HolderCodeType) -> String {
    match (code_type, code_type.person()) {
        (HolderCodeType::CitizenNumber, _) => mask_identity_number(code),
        (_, PersonKind::Natural) => keep_ends(code, 1, 1),
        (_, PersonKind::Legal) => code.to_owned(),
    }
}

/// `120101********001X`.
pub fn mask_identity_number(code: &str) -> String {
    keep_ends(code, 6, 4)
}

/// A licence number, masked when it is the code of a natural person.
pub fn mask_number(number: &str, holders: &[Holder]) -> String {
    match holders.iter().find(|h| h.code == number) {
        Some(holder) => mask_code(number, holder.code_type),
        None => number.to_owned(),
    }
}

/// `138****1234`.
pub fn mask_phone(phone: &str) -> String {
    keep_ends(phone, 3, 4)
}

/// A bank card: only the last four digits.
pub fn mask_card(card: &str) -> String {
    keep_ends(card, 0, 4)
}

/// An address down to the district; all hidden when it names none.
pub fn mask_address(address: &str) -> String {
    let end = address
        .char_indices()
        .filter(|(_, c)| matches!(c, '区' | '县' | '旗'))
        .map(|(at, c)| at + c.len_utf8())
        .next();
    match end.and_then(|end| address.split_at_checked(end)) {
        Some((shown, _)) => format!("{shown}****"),
        None => "****".to_owned(),
    }
}

/// Keeps `first` and `last` characters; a text too short to hide anything is hidden altogether,
/// but for its first character.
fn keep_ends(text: &str, first: usize, last: usize) -> String {
    let length = text.chars().count();
    let (first, last) = if length > first + last { (first, last) } else { (first.min(1), 0) };
    text.chars().enumerate().map(|(at, c)| if at < first || at + last >= length { c } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_follow_the_conventions() {
        assert_eq!(mask_name("张三丰", PersonKind::Natural), "张**");
        assert_eq!(mask_name("张三", PersonKind::Natural), "张*");
        assert_eq!(mask_name("示例公司", PersonKind::Legal), "示例公司");
        assert_eq!(mask_code("12010119900101001X", HolderCodeType::CitizenNumber), "120101********001X");
        assert_eq!(mask_code("E12345678", HolderCodeType::Passport), "E*******8");
        assert_eq!(
            mask_code("91350100M000100Y43", HolderCodeType::UnifiedSocialCredit),
            "91350100M000100Y43"
        );
        assert_eq!(mask_phone("13800001234"), "138****1234");
        assert_eq!(mask_card("6222000012345678"), "************5678");
        assert_eq!(mask_address("天津市和平区示例路12号"), "天津市和平区****");
        assert_eq!(mask_address("某处"), "****");
        assert_eq!(mask_identity_number("123"), "1**");
    }

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
        assert_eq!(mask_number("120101199001010017", &[holder]), "120101********0017");
    }

    #[test]
    fn code_types_survive_parsing_and_serde_agrees() {
        for kind in HolderCodeType::ALL {
            assert_eq!(HolderCodeType::parse(kind.code()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.code());
        }
        assert_eq!(HolderCodeType::parse("112"), None);
    }
}
