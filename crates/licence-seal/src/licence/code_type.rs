//! The kinds of code that holders are known by (GB/T 36903 Annex A).

use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_types_survive_parsing_and_serde_agrees() {
        for kind in HolderCodeType::ALL {
            assert_eq!(HolderCodeType::parse(kind.code()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.code());
        }
        assert_eq!(HolderCodeType::parse("112"), None);
    }
}
