//! The syntax of single values: text, days, numbers, pictures.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::time::Day;

/// Trims white space and normalises to NFC (RFC 8785 leaves normalisation to the application).
pub fn clean(text: &str) -> String {
    cleaned(text).into_owned()
}

/// [`clean`], which leaves most texts as they are.
pub fn cleaned(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.chars().all(is_plain) || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        text.into()
    } else {
        text.nfc().collect::<String>().into()
    }
}

/// The characters that nearly all texts are made of: allowed, and left by NFC as they are whatever
/// stands beside them (UAX #15, 9: combining class 0 and `NFC_Quick_Check=Yes`).
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{4e00}'..='\u{9fff}' | '\u{3001}'..='\u{3020}' | '\u{ff01}'..='\u{ff5e}')
}

/// Whether there is a character that must not stand in a value ([`is_forbidden`]).
pub fn has_forbidden(text: &str) -> bool {
    text.chars().any(|c| !is_plain(c) && is_forbidden(c))
}

/// Whether the text has more than `max` characters.
pub fn is_longer(text: &str, max: usize) -> bool {
    // No text has more characters than bytes.
    text.len() > max && text.chars().count() > max
}

/// A character that must not stand in a value: controls, line and paragraph separators, and the
/// marks that reorder or hide what a clerk reads.
pub fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{FEFF}')
}

/// `YYYY-MM-DD`, or `YYYYMMDD` as some systems export it.
pub fn day(text: &str) -> Option<Day> {
    match <[u8; 8]>::try_from(text.as_bytes()) {
        Ok(digits) => Day::from_digits(digits),
        Err(_) => Day::parse(text),
    }
}

/// Whether an expiry means "long-term": deployed systems write 长期 or one of two far days.
pub fn is_long_term(text: &str) -> bool {
    matches!(text, "长期" | "9999-12-31" | "9999-12-30" | "99991231" | "99991230")
}

/// Digits without leading zeros, possibly negative, at most 18 of them.
pub fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    is_whole(digits) && digits.len() <= 18 && text != "-0"
}

/// Decimal text: no exponent, no leading zeros, no bare point.
pub fn is_decimal(text: &str) -> bool {
    is_amount_of(text.strip_prefix('-').unwrap_or(text), 18)
}

/// A decimal that is not negative and has at most 6 places.
pub fn is_amount(text: &str) -> bool {
    is_amount_of(text, 6)
}

fn is_amount_of(text: &str, places: usize) -> bool {
    match text.split_once('.') {
        None => is_whole(text),
        Some((whole, part)) => {
            is_whole(whole) && (1..=places).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        }
    }
}

fn is_whole(digits: &str) -> bool {
    !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
}

/// What is wrong with the text of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PictureFault {
    Base64,
    Format,
    TooLarge,
}

/// Strict standard base64 of something that begins like a PNG or a JPEG, of at most `max_kib`.
pub fn picture(text: &str, max_kib: usize) -> Result<(), PictureFault> {
    let max_bytes = max_kib.saturating_mul(1024);
    // Before decoding: a text this long cannot be small enough.
    if text.len() / 4 * 3 > max_bytes.saturating_add(2) {
        return Err(PictureFault::TooLarge);
    }
    let bytes = STANDARD.decode(text).map_err(|_| PictureFault::Base64)?;
    if bytes.len() > max_bytes {
        return Err(PictureFault::TooLarge);
    }
    let known = bytes.starts_with(b"\x89PNG\r\n\x1a\n") || bytes.starts_with(&[0xff, 0xd8, 0xff]);
    if known { Ok(()) } else { Err(PictureFault::Format) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_written_form() {
        for good in ["0", "7", "-12", "100"] {
            assert!(is_integer(good), "{good}");
        }
        for bad in ["", "-", "-0", "01", "1.0", "1e3", "+1", "１", "1 "] {
            assert!(!is_integer(bad), "{bad}");
        }
        for good in ["0.50", "-1.25", "3"] {
            assert!(is_decimal(good), "{good}");
        }
        for bad in [".5", "5.", "1,000", "--1", "1.2.3", "00.1"] {
            assert!(!is_decimal(bad), "{bad}");
        }
        assert!(is_amount("5000000.123456"));
        assert!(!is_amount("-1"));
        assert!(!is_amount("1.1234567"));
    }

    #[test]
    fn days_are_read_in_both_forms() {
        assert_eq!(day("20261123"), Day::parse("2026-11-23"));
        assert_eq!(day("2026-11-23"), Day::parse("2026-11-23"));
        for bad in ["20260230", "2026-02-30", "2026/11/23", "2026112", "2026年11月"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }

    #[test]
    fn text_is_normalised() {
        assert_eq!(clean("\u{3000}e\u{301}津 "), "é津");
        assert!(has_forbidden("津\u{202e}"));
    }

    #[test]
    fn plain_characters_are_allowed_and_inert_under_nfc() {
        for c in ('\0'..=char::MAX).filter(|c| is_plain(*c)) {
            assert!(!is_forbidden(c), "{c:?}");
            assert_eq!(is_nfc_quick(std::iter::once(c)), IsNormalized::Yes, "{c:?}");
            assert_eq!(unicode_normalization::char::canonical_combining_class(c), 0, "{c:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_cleaned_is_trimmed_nfc(text in "[ a-zé\u{300}-\u{304}\u{1100}-\u{1112}\u{1161}-\u{1175}가津豈\u{3000}]{0,8}") {
            let nfc: String = text.trim().nfc().collect();
            proptest::prop_assert_eq!(&*cleaned(&text), &nfc);
            proptest::prop_assert_eq!(has_forbidden(&text), text.chars().any(is_forbidden));
            for max in 0..9 {
                proptest::prop_assert_eq!(is_longer(&text, max), text.chars().count() > max);
            }
        }
    }

    #[test]
    fn pictures_are_known_by_their_first_bytes() {
        assert_eq!(picture("iVBORw0KGgo=", 1), Ok(()));
        assert_eq!(picture("/9j/4A==", 1), Ok(()));
        assert_eq!(picture("R0lGODlh", 1), Err(PictureFault::Format));
        assert_eq!(picture("iVBORw0KGgo", 1), Err(PictureFault::Base64));
        assert_eq!(picture(&"AAAA".repeat(400), 1), Err(PictureFault::TooLarge));
    }
}
