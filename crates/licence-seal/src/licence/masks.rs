//! Masks: what of a name or a number may stand in a log line.

use super::code_type::{HolderCodeType, PersonKind};

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
        assert_eq!(mask_identity_number("123"), "1**");
    }
}
